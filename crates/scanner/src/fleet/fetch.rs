//! How sample authorization servers fetch client documents: real connections, to the places
//! that this process knows for a name, with the caps that a server has or has not.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use url::Url;

use super::FleetError;
use super::registration::Documents;

/// What came of fetching a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    /// Its text.
    Document(String),
    /// A rule forbids it.
    Refused(String),
    /// It did not work, and why.
    Failed(String),
}

/// Fetches documents.
#[derive(Clone)]
pub struct Fetch {
    tls: TlsConnector,
    places: Arc<Mutex<BTreeMap<String, SocketAddr>>>,
}

impl std::fmt::Debug for Fetch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fetch").finish_non_exhaustive()
    }
}

impl Fetch {
    /// Trusts this authority and nobody else.
    pub(super) fn new(authority: &CertificateDer<'static>) -> Result<Self, FleetError> {
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone())?;
        let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            tls: TlsConnector::from(Arc::new(config)),
            places: Arc::default(),
        })
    }

    /// Where a name is.
    pub fn reach(&self, host: &str, at: SocketAddr) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.insert(host.to_owned(), at);
    }

    pub(super) async fn document(&self, url: &Url, policy: Documents) -> Fetched {
        let patience = Duration::from_millis(policy.patience_ms);
        match tokio::time::timeout(patience, self.follow(url, policy)).await {
            Ok(fetched) => fetched,
            Err(_) => Fetched::Failed("reading the document timed out".to_owned()),
        }
    }

    async fn follow(&self, url: &Url, policy: Documents) -> Fetched {
        let (status, location, text) = match self.once(url, policy).await {
            Ok(read) => read,
            Err(fetched) => return fetched,
        };
        match (status, location) {
            (200, _) => Fetched::Document(text),
            (301..=308, Some(location)) if policy.follow => {
                let Ok(to) = url.join(&location) else {
                    return Fetched::Failed("the redirect is no URL".to_owned());
                };
                match self.once(&to, policy).await {
                    Ok((200, _, text)) => Fetched::Document(text),
                    Ok((status, ..)) => Fetched::Failed(format!("status {status}")),
                    Err(fetched) => fetched,
                }
            }
            (301..=308, _) => Fetched::Refused("the document redirects".to_owned()),
            (status, _) => Fetched::Failed(format!("status {status}")),
        }
    }

    async fn once(
        &self,
        url: &Url,
        policy: Documents,
    ) -> Result<(u16, Option<String>, String), Fetched> {
        let host = url.host_str().unwrap_or_default();
        let known = {
            let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
            places.get(host).copied()
        };
        let at = match known {
            Some(at) => at,
            None if host == "localhost" && policy.guard => {
                return Err(Fetched::Refused("the address is not public".to_owned()));
            }
            // A port of loopback where nobody listens.
            None if host == "localhost" => SocketAddr::from(([127, 0, 0, 1], 1)),
            None => return Err(Fetched::Failed("the name does not resolve".to_owned())),
        };
        let failed = |what: String| Fetched::Failed(what);
        let stream = TcpStream::connect(at)
            .await
            .map_err(|fault| failed(format!("connect {at}: {fault}")))?;
        if url.scheme() == "http" {
            return speak(stream, url, policy.most_bytes).await;
        }
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| failed("the name is not legal".to_owned()))?;
        let stream = self
            .tls
            .connect(name, stream)
            .await
            .map_err(|fault| failed(format!("TLS handshake with {at}: {fault}")))?;
        speak(stream, url, policy.most_bytes).await
    }
}

async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    url: &Url,
    most: usize,
) -> Result<(u16, Option<String>, String), Fetched> {
    let failed = |fault: hyper::Error| Fetched::Failed(fault.to_string());
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(failed)?;
    // Dropping the task with this call closes the connection, also when time is up.
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(connection);
    let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let request = hyper::Request::get(target)
        .header(
            "host",
            &url[url::Position::BeforeHost..url::Position::AfterPort],
        )
        .header("user-agent", "sample-authorization-server/1.0")
        .header("accept", "application/json")
        .body(Empty::<Bytes>::new())
        .map_err(|fault| Fetched::Failed(fault.to_string()))?;
    let response = sender.send_request(request).await.map_err(failed)?;
    let status = response.status().as_u16();
    let location = response
        .headers()
        .get("location")
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let body = Limited::new(response.into_body(), most)
        .collect()
        .await
        .map_err(|_| Fetched::Refused("the document is too long".to_owned()))?;
    let text = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    Ok((status, location, text))
}
