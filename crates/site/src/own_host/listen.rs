//! A listener for the own host alone: TLS with a certificate of its own, and plain http on the
//! same port, so that fetches in clear text are seen and not only refused.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{self, ServerConfig};
use tokio_rustls::server::TlsStream;

use super::OwnHost;

/// How long a visitor may take to say hello.
const HELLO: Duration = Duration::from_secs(10);
/// Connections that are being greeted at a time.
const WAITING: usize = 64;
/// The first byte of a TLS handshake record (RFC 8446 section 5.1).
const HANDSHAKE: u8 = 0x16;

/// Why there is no own host.
#[derive(Debug, thiserror::Error)]
pub enum OwnHostError {
    /// Its address from outside.
    #[error(
        "`{0}` is no address of an own host; write https://HOST or https://HOST:PORT, without a path"
    )]
    Url(String),
    /// The listener.
    #[error("listening for the own host on {0}: {1}")]
    Listen(String, std::io::Error),
    /// Certificate or key.
    #[error("reading {0}: {1}; expected PEM")]
    Pem(PathBuf, rustls_pki_types::pem::Error),
    /// Certificate and key do not go together.
    #[error("preparing TLS for the own host: {0}")]
    Tls(#[from] rustls::Error),
}

/// An own host that listens; it stops when this is dropped.
#[derive(Debug)]
pub struct Listening {
    /// Where it listens.
    pub address: SocketAddr,
    _tasks: tokio::task::JoinSet<()>,
}

/// Serves an own host on an address, over TLS if a certificate and its key are given.
///
/// # Errors
///
/// If the address cannot be had, or certificate and key cannot be used.
pub async fn listen(
    own: &OwnHost,
    address: &str,
    certificate: Option<(&Path, &Path)>,
) -> Result<Listening, OwnHostError> {
    let tls = certificate
        .map(|(certificate, key)| acceptor(certificate, key))
        .transpose()?;
    let fault = |fault| OwnHostError::Listen(address.to_owned(), fault);
    let listener = TcpListener::bind(address).await.map_err(fault)?;
    let address = listener.local_addr().map_err(fault)?;
    let (ready, incoming) = mpsc::channel(WAITING);
    let doors = Doors { address, incoming };
    let service = own.whole().into_make_service_with_connect_info::<Peer>();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(accept(listener, tls, ready));
    tasks.spawn(async move {
        // Ends with its channel only.
        let _ = axum::serve(doors, service).await;
    });
    Ok(Listening {
        address,
        _tasks: tasks,
    })
}

fn acceptor(certificate: &Path, key: &Path) -> Result<TlsAcceptor, OwnHostError> {
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|fault| OwnHostError::Pem(certificate.to_owned(), fault))?;
    let key = PrivateKeyDer::from_pem_file(key)
        .map_err(|fault| OwnHostError::Pem(key.to_owned(), fault))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Takes connections and hands them on when they have said hello, slow ones beside quick ones.
async fn accept(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    ready: mpsc::Sender<(Stream, SocketAddr)>,
) {
    let mut greeting = tokio::task::JoinSet::new();
    loop {
        while greeting.len() >= WAITING {
            greeting.join_next().await;
        }
        let Ok((stream, peer)) = listener.accept().await else {
            // Out of descriptors, most likely: a moment later there may be some.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let (tls, ready) = (tls.clone(), ready.clone());
        greeting.spawn(async move {
            if let Ok(Some(stream)) = tokio::time::timeout(HELLO, greeted(stream, tls)).await {
                // Nobody takes it only when everything ends.
                let _ = ready.send((stream, peer)).await;
            }
        });
    }
}

async fn greeted(stream: TcpStream, tls: Option<TlsAcceptor>) -> Option<Stream> {
    let Some(tls) = tls else {
        return Some(Stream::Plain(stream));
    };
    let mut first = [0];
    stream.peek(&mut first).await.ok()?;
    if first[0] == HANDSHAKE {
        let stream = tls.accept(stream).await.ok()?;
        return Some(Stream::Tls(Box::new(stream)));
    }
    Some(Stream::Plain(stream))
}

struct Doors {
    address: SocketAddr,
    incoming: mpsc::Receiver<(Stream, SocketAddr)>,
}

impl axum::serve::Listener for Doors {
    type Io = Stream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.incoming.recv().await {
            Some(connection) => connection,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        Ok(self.address)
    }
}

/// The address of a visitor.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) SocketAddr);

impl Connected<IncomingStream<'_, Doors>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Doors>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// A connection, in clear text or not.
enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
