//! One listener that is thousands of hosts: which one is decided by the name in the TLS
//! handshake and in `Host`.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::server::Acceptor;

use super::certificates::Certificates;
use super::counts::{Counts, Tally};
use super::{Kind, Population};
use crate::fleet::reply::Reply;
use crate::fleet::{FleetError, read, response};
use crate::time::Millis;

/// How long a silent host holds a connection.
const SILENCE: Duration = Duration::from_secs(20);

/// How a crowd is served.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Before every answer.
    pub latency: Duration,
    /// Certificates are valid around this day.
    pub now: Millis,
}

/// A population that is served on loopback; it ends when dropped.
#[derive(Debug)]
pub struct Crowd {
    shared: Arc<Shared>,
    https: SocketAddr,
    http: SocketAddr,
    _stop: watch::Sender<()>,
}

#[derive(Debug)]
struct Shared {
    population: Population,
    generation: AtomicU32,
    latency: Duration,
    counts: Counts,
    certificates: Arc<Certificates>,
    tls: Arc<ServerConfig>,
}

impl Crowd {
    /// Starts serving on free ports of loopback.
    ///
    /// # Errors
    ///
    /// If ports, certificates or TLS settings cannot be had.
    pub async fn start(population: Population, options: Options) -> Result<Self, FleetError> {
        let faults = Box::new(move |host: &str| match population.kind(host, 1) {
            Kind::BadCertificate(fault) => Some(fault),
            _ => None,
        });
        let certificates = Arc::new(Certificates::new(options.now, faults)?);
        let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
        let mut tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&certificates) as Arc<_>);
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        tls.send_tls13_tickets = 0;
        let https = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let http = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let (stop, stopped) = watch::channel(());
        let shared = Arc::new(Shared {
            population,
            generation: AtomicU32::new(1),
            latency: options.latency,
            counts: Counts::default(),
            certificates,
            tls: Arc::new(tls),
        });
        let crowd = Self {
            https: https.local_addr()?,
            http: http.local_addr()?,
            shared: Arc::clone(&shared),
            _stop: stop,
        };
        tokio::spawn(accept(https, Arc::clone(&shared), true, stopped.clone()));
        tokio::spawn(accept(http, shared, false, stopped));
        Ok(crowd)
    }

    /// The authority's certificate, PEM.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.shared.certificates.root_pem
    }

    /// Connect-to rules, in curl's form, that lead every name here; those of `hosts` at which
    /// nobody listens lead to a closed port.
    #[must_use]
    pub fn connect_to<'h>(&self, hosts: impl IntoIterator<Item = &'h str>) -> Vec<String> {
        let mut rules: Vec<String> = hosts
            .into_iter()
            .filter(|host| self.shared.population.kind(host, 1) == Kind::Refused)
            .map(|host| format!("{host}::127.0.0.1:1"))
            .collect();
        rules.push(format!(":80:127.0.0.1:{}", self.http.port()));
        rules.push(format!("::127.0.0.1:{}", self.https.port()));
        rules
    }

    /// Which generation is served from now on; the first is 1.
    pub fn generation(&self, generation: u32) {
        self.shared.generation.store(generation, Ordering::Relaxed);
    }

    /// What was counted since the start or the last [`Crowd::reset`].
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.shared.counts.tally()
    }

    /// Begins to count anew.
    pub fn reset(&self) {
        self.shared.counts.reset();
    }
}

async fn accept(
    listener: TcpListener,
    shared: Arc<Shared>,
    tls: bool,
    mut stopped: watch::Receiver<()>,
) {
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                // Out of descriptors, perhaps: others will be closed.
                Err(_) => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    continue;
                }
            },
            _ = stopped.changed() => return,
        };
        // Small answers are not to wait for each other; if that cannot be had, they wait.
        let _ = stream.set_nodelay(true);
        let (shared, mut stopped) = (Arc::clone(&shared), stopped.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = connection(stream, &shared, tls) => (),
                _ = stopped.changed() => (),
            }
        });
    }
}

async fn connection(stream: TcpStream, shared: &Arc<Shared>, tls: bool) {
    if !tls {
        return speak(TokioIo::new(stream), shared, true).await;
    }
    let Ok(start) = LazyConfigAcceptor::new(Acceptor::default(), stream).await else {
        return;
    };
    let name = start.client_hello().server_name().map(str::to_owned);
    let kind = name.map(|name| {
        let generation = shared.generation.load(Ordering::Relaxed);
        shared
            .population
            .kind(&name.to_ascii_lowercase(), generation)
    });
    match kind {
        Some(Kind::Silent) => tokio::time::sleep(SILENCE).await,
        Some(Kind::Reset | Kind::Refused) => (),
        _ => {
            if let Ok(stream) = start.into_stream(Arc::clone(&shared.tls)).await {
                shared.counts.connected();
                speak(TokioIo::new(stream), shared, false).await;
            }
        }
    }
}

async fn speak<I>(io: I, shared: &Arc<Shared>, plain: bool)
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let service = service_fn(|request| {
        let shared = Arc::clone(shared);
        async move { Ok::<_, Infallible>(answer(&shared, request, plain).await) }
    });
    // A client that goes away is no fault.
    let _ = http1::Builder::new().serve_connection(io, service).await;
}

async fn answer(
    shared: &Shared,
    request: hyper::Request<hyper::body::Incoming>,
    plain: bool,
) -> hyper::Response<crate::fleet::Body> {
    let asked = read(request).await;
    let _answering = shared.counts.arrived(&asked);
    if !shared.latency.is_zero() {
        tokio::time::sleep(shared.latency).await;
    }
    let reply = if plain {
        Reply::status(301).with("location", format!("https://{}{}", asked.host, asked.path))
    } else {
        let generation = shared.generation.load(Ordering::Relaxed);
        shared.population.reply(&asked, generation)
    };
    response(reply)
}
