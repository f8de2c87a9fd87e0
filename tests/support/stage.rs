//! A server on loopback that does exactly what a test tells it, byte by byte, and remembers
//! what it heard. For everything that a well-behaved HTTP library would not send.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// What is done with a request.
pub(crate) enum Step {
    /// Sends these bytes.
    Send(Vec<u8>),
    /// Waits.
    Pause(Duration),
    /// Sends these bytes again and again, until the other side has gone or that many bytes
    /// are out.
    Flood(Vec<u8>, usize),
    /// Closes the sending half, and goes on listening.
    Shut,
    /// Closes the connection.
    Close,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    /// Name in the TLS handshake.
    pub(crate) sni: Option<String>,
    /// Number of the connection.
    pub(crate) connection: usize,
    pub(crate) method: String,
    pub(crate) path: String,
    /// Header lines in their order, names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    /// Time since the server began.
    pub(crate) at: Duration,
}

impl Heard {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn headers_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The JSON-RPC method and id of the body.
    pub(crate) fn rpc(&self) -> (String, String) {
        let body: serde_json::Value = serde_json::from_str(&self.body).unwrap_or_default();
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        (text("method"), text("id"))
    }
}

/// Looks at the first bytes of a connection and may answer in place of TLS; then it is closed.
pub(crate) type Front = fn(&[u8]) -> Option<Vec<u8>>;

type Script = Arc<dyn Fn(&Heard) -> Vec<Step> + Send + Sync>;

/// A running server. It ends with the runtime of its test.
pub(crate) struct Stage {
    pub(crate) address: SocketAddr,
    heard: Arc<Mutex<Vec<Heard>>>,
    connections: Arc<AtomicUsize>,
    flooded: Arc<AtomicUsize>,
}

/// A certificate and its key, signed by the authority that [`authority`] made.
pub(crate) struct Identity {
    pub(crate) config: Arc<ServerConfig>,
}

/// A certificate authority of a test.
pub(crate) struct Authority {
    pub(crate) pem: String,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
}

/// Makes an authority.
pub(crate) fn authority() -> Authority {
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, "Authority of a test");
    let key = rcgen::KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    Authority {
        pem,
        issuer: rcgen::Issuer::new(params, key),
    }
}

impl Authority {
    /// An authority below this one, and its certificate.
    pub(crate) fn below(&self) -> (Self, Vec<u8>) {
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "Authority below it");
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let below = Self {
            pem: certificate.pem(),
            issuer: rcgen::Issuer::new(params, key),
        };
        (below, certificate.der().to_vec())
    }

    /// A certificate that says where its issuer's is (RFC 5280 section 4.2.2.1).
    pub(crate) fn identity_from(&self, name: &str, issuer_at: &str) -> Identity {
        let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        let short = |bytes: &[u8]| u8::try_from(bytes.len()).unwrap();
        let method = [6, 8, 0x2b, 6, 1, 5, 5, 7, 48, 2];
        let place = [&[0x86, short(issuer_at.as_bytes())], issuer_at.as_bytes()].concat();
        let access = [&method[..], &place].concat();
        let access = [&[0x30, short(&access)], &access[..]].concat();
        let access = [&[0x30, short(&access)], &access[..]].concat();
        params
            .custom_extensions
            .push(rcgen::CustomExtension::from_oid_content(
                &[1, 3, 6, 1, 5, 5, 7, 1, 1],
                access,
            ));
        let key = rcgen::KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &self.issuer).unwrap();
        Identity::new(leaf.der().to_vec(), &key, &[b"http/1.1"])
    }

    /// A certificate for these names, valid in these years.
    pub(crate) fn identity(&self, names: &[&str], years: std::ops::Range<i32>) -> Identity {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = rcgen::CertificateParams::new(names).unwrap();
        params.not_before = rcgen::date_time_ymd(years.start, 1, 1);
        params.not_after = rcgen::date_time_ymd(years.end, 1, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &self.issuer).unwrap();
        Identity::new(leaf.der().to_vec(), &key, &[b"http/1.1"])
    }
}

impl Identity {
    /// A certificate that vouches for itself.
    pub(crate) fn self_signed(name: &str) -> Self {
        let params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let leaf = params.self_signed(&key).unwrap();
        Self::new(leaf.der().to_vec(), &key, &[b"http/1.1"])
    }

    /// The same certificate served with these versions of TLS alone.
    pub(crate) fn with_versions(
        &self,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&self.config.cert_resolver));
        config.alpn_protocols = self.config.alpn_protocols.clone();
        Self {
            config: Arc::new(config),
        }
    }

    /// The same certificate offered with another protocol in ALPN.
    pub(crate) fn speaking(&self, protocol: &[u8]) -> Self {
        let mut config = (*self.config).clone();
        config.alpn_protocols = vec![protocol.to_vec()];
        Self {
            config: Arc::new(config),
        }
    }

    fn new(leaf: Vec<u8>, key: &rcgen::KeyPair, protocols: &[&[u8]]) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![leaf.into()],
                PrivateKeyDer::Pkcs8(key.serialize_der().into()),
            )
            .unwrap();
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Self {
            config: Arc::new(config),
        }
    }
}

impl Stage {
    /// Serves plain HTTP.
    pub(crate) async fn plain(
        script: impl Fn(&Heard) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        Self::start(None, None, Arc::new(script)).await
    }

    /// Serves HTTPS.
    pub(crate) async fn tls(
        identity: &Identity,
        script: impl Fn(&Heard) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        let acceptor = TlsAcceptor::from(Arc::clone(&identity.config));
        Self::start(Some(acceptor), None, Arc::new(script)).await
    }

    /// Serves HTTPS, to whom the front leaves to it.
    pub(crate) async fn fronted(
        identity: &Identity,
        front: Front,
        script: impl Fn(&Heard) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        let acceptor = TlsAcceptor::from(Arc::clone(&identity.config));
        Self::start(Some(acceptor), Some(front), Arc::new(script)).await
    }

    async fn start(tls: Option<TlsAcceptor>, front: Option<Front>, script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stage = Self {
            address: listener.local_addr().unwrap(),
            heard: Arc::default(),
            connections: Arc::default(),
            flooded: Arc::default(),
        };
        let (heard, connections, flooded) = (
            Arc::clone(&stage.heard),
            Arc::clone(&stage.connections),
            Arc::clone(&stage.flooded),
        );
        #[expect(clippy::disallowed_methods, reason = "a test server has a clock")]
        let began = std::time::Instant::now();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let connection = connections.fetch_add(1, Ordering::SeqCst);
                let play = Play {
                    connection,
                    sni: None,
                    began,
                    script: Arc::clone(&script),
                    heard: Arc::clone(&heard),
                    flooded: Arc::clone(&flooded),
                };
                let tls = tls.clone();
                tokio::spawn(async move {
                    if let Some(front) = front {
                        let mut first = [0; 1024];
                        let count = stream.peek(&mut first).await.unwrap_or(0);
                        if let Some(answer) = front(&first[..count]) {
                            // Unread bytes would turn the end into a reset.
                            let _ = stream.read(&mut first).await;
                            let _ = stream.write_all(&answer).await;
                            return;
                        }
                    }
                    match tls {
                        None => play.perform(stream).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                let sni = stream.get_ref().1.server_name().map(str::to_owned);
                                Play { sni, ..play }.perform(stream).await;
                            }
                        }
                    }
                });
            }
        });
        stage
    }

    /// Everything heard so far.
    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    /// Connections so far, whether or not a request came over them.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Bytes sent by [`Step::Flood`] so far.
    pub(crate) fn flooded(&self) -> usize {
        self.flooded.load(Ordering::SeqCst)
    }
}

struct Play {
    connection: usize,
    sni: Option<String>,
    began: std::time::Instant,
    script: Script,
    heard: Arc<Mutex<Vec<Heard>>>,
    flooded: Arc<AtomicUsize>,
}

impl Play {
    async fn perform(self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        let mut input = Vec::new();
        while let Some(heard) = self.request(&mut stream, &mut input).await {
            self.heard.lock().unwrap().push(heard.clone());
            for step in (self.script)(&heard) {
                let done = match step {
                    Step::Send(bytes) => stream.write_all(&bytes).await.is_err(),
                    Step::Pause(time) => {
                        tokio::time::sleep(time).await;
                        false
                    }
                    Step::Flood(bytes, most) => {
                        let mut sent = 0;
                        while sent < most && stream.write_all(&bytes).await.is_ok() {
                            sent += bytes.len();
                            self.flooded.fetch_add(bytes.len(), Ordering::SeqCst);
                        }
                        true
                    }
                    Step::Shut => {
                        let _ = stream.shutdown().await;
                        false
                    }
                    Step::Close => true,
                };
                if done {
                    let _ = stream.shutdown().await;
                    return;
                }
            }
            let _ = stream.flush().await;
        }
    }

    async fn request(
        &self,
        stream: &mut (impl AsyncRead + Unpin),
        input: &mut Vec<u8>,
    ) -> Option<Heard> {
        let head = loop {
            if let Some(at) = input.windows(4).position(|window| window == b"\r\n\r\n") {
                break at;
            }
            if stream.read_buf(input).await.ok()? == 0 {
                return None;
            }
        };
        let text = String::from_utf8_lossy(&input[..head]).into_owned();
        let mut lines = text.split("\r\n");
        let mut first = lines.next()?.split(' ');
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let length = headers
            .iter()
            .find(|(name, _)| name == "content-length")
            .and_then(|(_, value)| value.parse().ok())
            .unwrap_or(0);
        while input.len() < head + 4 + length {
            if stream.read_buf(input).await.ok()? == 0 {
                return None;
            }
        }
        let body = String::from_utf8_lossy(&input[head + 4..head + 4 + length]).into_owned();
        input.drain(..head + 4 + length);
        Some(Heard {
            sni: self.sni.clone(),
            connection: self.connection,
            method: first.next()?.to_owned(),
            path: first.next()?.to_owned(),
            headers,
            body,
            at: self.began.elapsed(),
        })
    }
}

/// A response with a length.
pub(crate) fn answer(status: &str, headers: &[(&str, &str)], body: &str) -> Vec<Step> {
    let mut text = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    text.push_str(body);
    vec![Step::Send(text.into_bytes())]
}

/// 200 with JSON.
pub(crate) fn json(body: &str) -> Vec<Step> {
    answer("200 OK", &[("content-type", "application/json")], body)
}

/// 404.
pub(crate) fn nothing() -> Vec<Step> {
    answer("404 Not Found", &[], "")
}

/// 401 with a bare challenge.
pub(crate) fn challenge() -> Vec<Step> {
    answer("401 Unauthorized", &[("www-authenticate", "Bearer")], "")
}
