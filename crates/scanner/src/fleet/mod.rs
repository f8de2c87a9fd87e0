//! Sample MCP and authorization servers on loopback, under invented host names and with
//! certificates of an authority that only this process trusts: for `authdex demo`, for
//! tests of the whole path, and for benchmarks. No outside name is ever resolved.

pub mod authorization;
pub mod demo;
pub mod fetch;
pub mod population;
pub mod registration;
pub mod reply;
pub mod resource;
pub mod tokens;
pub mod world;

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http_body_util::{BodyExt, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use reply::{Asked, Reply};
use world::World;

/// Why a fleet could not start.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// The listener.
    #[error("starting the sample fleet: listening on loopback: {0}")]
    Listen(#[from] std::io::Error),
    /// The certificates.
    #[error("starting the sample fleet: making certificates: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The TLS settings.
    #[error("starting the sample fleet: {0}")]
    Tls(#[from] tokio_rustls::rustls::Error),
}

/// A running fleet; it stops when dropped.
#[derive(Debug)]
pub struct Fleet {
    world: Arc<RwLock<World>>,
    seen: Arc<Mutex<Vec<Seen>>>,
    address: SocketAddr,
    issued: Issued,
    fetch: fetch::Fetch,
    _stop: watch::Sender<()>,
}

/// A request that reached the fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Time since the fleet started.
    pub at: Duration,
    /// Host asked for.
    pub host: String,
    /// Method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: String,
}

impl Fleet {
    /// Starts serving a world on a free port of loopback. The certificate covers the hosts
    /// that the world has now.
    ///
    /// # Errors
    ///
    /// If the port, the certificates or the TLS settings cannot be had.
    pub async fn start(world: World) -> Result<Self, FleetError> {
        let (issued, tls) = certificates(&world.hosts())?;
        let fetch = fetch::Fetch::new(&issued.der)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (stop, stopped) = watch::channel(());
        let world = Arc::new(RwLock::new(world));
        let seen = Arc::new(Mutex::new(Vec::new()));
        tokio::spawn(accept(
            listener,
            TlsAcceptor::from(tls),
            Arc::clone(&world),
            Arc::clone(&seen),
            fetch.clone(),
            stopped,
        ));
        Ok(Self {
            world,
            seen,
            address,
            issued,
            fetch,
            _stop: stop,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The authority's certificate, PEM.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.issued.pem
    }

    /// A certificate of the fleet's authority for another host, and its key: PEM.
    ///
    /// # Errors
    ///
    /// If the name cannot stand in a certificate.
    pub fn certificate(&self, host: &str) -> Result<(String, String), FleetError> {
        let key = rcgen::KeyPair::generate()?;
        let names = vec![host.to_owned()];
        let leaf = rcgen::CertificateParams::new(names)?.signed_by(&key, &self.issued.issuer)?;
        Ok((leaf.pem(), key.serialize_pem()))
    }

    /// Tells the authorization servers where a host is that is none of the fleet's.
    pub fn reach(&self, host: &str, at: SocketAddr) {
        self.fetch.reach(host, at);
    }

    /// Connect-to rules, in curl's form, that lead every host of the world here: TLS to the
    /// fleet's port, and plain http to the same port, where it is refused.
    #[must_use]
    pub fn connect_to(&self) -> Vec<String> {
        self.read()
            .hosts()
            .iter()
            .flat_map(|host| {
                let port = self.address.port();
                [
                    format!("{host}:443:127.0.0.1:{port}"),
                    format!("{host}:80:127.0.0.1:1"),
                ]
            })
            .collect()
    }

    /// Endpoint URLs and names of all MCP servers.
    #[must_use]
    pub fn targets(&self) -> Vec<(String, String)> {
        self.read()
            .servers
            .iter()
            .map(|server| (server.url(), server.name.clone()))
            .collect()
    }

    /// Changes the world; the next request sees it.
    pub fn change(&self, change: impl FnOnce(&mut World)) {
        change(&mut self.world.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// Every request so far, in order of arrival.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, World> {
        self.world.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The authority of one fleet.
struct Issued {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    der: CertificateDer<'static>,
    pem: String,
}

impl std::fmt::Debug for Issued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issued").finish_non_exhaustive()
    }
}

fn certificates(hosts: &[String]) -> Result<(Issued, Arc<ServerConfig>), FleetError> {
    let mut authority = rcgen::CertificateParams::new(Vec::new())?;
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    authority.key_usages = vec![
        rcgen::KeyUsagePurpose::KeyCertSign,
        rcgen::KeyUsagePurpose::DigitalSignature,
    ];
    authority
        .distinguished_name
        .push(rcgen::DnType::CommonName, "Authdex sample fleet");
    let authority_key = rcgen::KeyPair::generate()?;
    let authority_certificate = authority.self_signed(&authority_key)?;
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let leaf_key = rcgen::KeyPair::generate()?;
    let leaf = rcgen::CertificateParams::new(hosts.to_vec())?.signed_by(&leaf_key, &issuer)?;
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(
            vec![leaf.der().clone()],
            PrivateKeyDer::Pkcs8(leaf_key.serialize_der().into()),
        )?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let issued = Issued {
        issuer,
        der: authority_certificate.der().clone(),
        pem: authority_certificate.pem(),
    };
    Ok((issued, Arc::new(config)))
}

async fn accept(
    listener: TcpListener,
    tls: TlsAcceptor,
    world: Arc<RwLock<World>>,
    seen: Arc<Mutex<Vec<Seen>>>,
    fetch: fetch::Fetch,
    mut stopped: watch::Receiver<()>,
) {
    let began = crate::net::instant();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(_) => continue,
            },
            _ = stopped.changed() => return,
        };
        let (tls, world, seen, fetch, mut stopped) = (
            tls.clone(),
            Arc::clone(&world),
            Arc::clone(&seen),
            fetch.clone(),
            stopped.clone(),
        );
        tokio::spawn(async move {
            let Ok(stream) = tls.accept(stream).await else {
                return;
            };
            let service = service_fn(move |request| {
                let (world, seen, fetch) = (Arc::clone(&world), Arc::clone(&seen), fetch.clone());
                async move { Ok::<_, Infallible>(answer(&world, &seen, began, &fetch, request).await) }
            });
            let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            let connection = builder.serve_connection(TokioIo::new(stream), service);
            tokio::select! {
                _ = connection => (),
                _ = stopped.changed() => (),
            }
        });
    }
}

type Body = http_body_util::combinators::BoxBody<Bytes, Infallible>;

async fn answer(
    world: &RwLock<World>,
    seen: &Mutex<Vec<Seen>>,
    began: Instant,
    fetch: &fetch::Fetch,
    request: hyper::Request<Incoming>,
) -> hyper::Response<Body> {
    let mut asked = read(request).await;
    seen.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(Seen {
            at: began.elapsed(),
            host: asked.host.clone(),
            method: asked.method.clone(),
            path: match &asked.query {
                Some(query) => format!("{}?{query}", asked.path),
                None => asked.path.clone(),
            },
            headers: asked.headers.clone(),
            body: asked.body.clone(),
        });
    let policy = {
        let world = world.read().unwrap_or_else(PoisonError::into_inner);
        let server = world
            .authorization_servers
            .iter()
            .find(|server| server.host == asked.host);
        server.and_then(|server| server.documents)
    };
    asked.named = registration::named(policy, fetch, &asked).await;
    let key_urls = {
        let world = world.read().unwrap_or_else(PoisonError::into_inner);
        let server = world
            .servers
            .iter()
            .find(|server| server.host == asked.host);
        server.map_or_else(Vec::new, |server| resource::key_urls(server, &asked))
    };
    for url in key_urls.iter().filter_map(|url| url::Url::parse(url).ok()) {
        fetch.document(&url, registration::Documents::bad()).await;
    }
    let reply = reply::reply(
        &world.read().unwrap_or_else(PoisonError::into_inner),
        &asked,
    );
    response(reply)
}

/// A request, read to its end.
async fn read(request: hyper::Request<Incoming>) -> Asked {
    let (head, body) = request.into_parts();
    let headers: Vec<(String, String)> = head
        .headers
        .iter()
        .map(|(name, value)| {
            (
                name.as_str().to_owned(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        })
        .collect();
    let authority = head.uri.host().map(str::to_owned).or_else(|| {
        headers
            .iter()
            .find(|(name, _)| name == "host")
            .map(|(_, value)| value.clone())
    });
    let host = authority.unwrap_or_default();
    let host = host
        .split(':')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let body = match Limited::new(body, 1 << 20).collect().await {
        Ok(body) => String::from_utf8_lossy(&body.to_bytes()).into_owned(),
        Err(_) => String::new(),
    };
    Asked {
        host,
        method: head.method.as_str().to_owned(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().map(str::to_owned),
        headers,
        body,
        named: None,
    }
}

fn response(reply: Reply) -> hyper::Response<Body> {
    let first = futures_util::stream::once(std::future::ready(Ok::<_, Infallible>(Frame::data(
        Bytes::from(reply.body),
    ))));
    let body = if reply.endless {
        BodyExt::boxed(StreamBody::new(
            first.chain(futures_util::stream::pending()),
        ))
    } else {
        BodyExt::boxed(StreamBody::new(first))
    };
    let mut response = hyper::Response::new(body);
    *response.status_mut() = hyper::StatusCode::from_u16(reply.status)
        .unwrap_or(hyper::StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in reply.headers {
        if let Ok(value) = hyper::header::HeaderValue::from_str(&value) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::{Fleet, demo};

    #[tokio::test]
    async fn the_demo_has_a_server_for_each_situation() {
        let fleet = Fleet::start(demo::world()).await.expect("it starts");
        assert!(fleet.targets().len() >= 12);
        assert_eq!(fleet.connect_to().len(), 2 * (fleet.targets().len() + 4));
        assert!(fleet.authority().contains("BEGIN CERTIFICATE"));
        fleet.change(demo::change);
    }
}
