//! Handshakes over which nothing is asked (catalogue section 0.3, X21): an ordinary one through
//! the TLS library, for the certificate, and hellos made by hand, of whose answer the beginning
//! is read. They go where the guard lets requests go, and wait for the same turns.

use std::io;
use std::sync::Arc;

use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::client::Client;
use super::doors::{self, Door};
use super::guard::Rule;
use crate::evidence::{Failure, Hello, Offer, Phase, Response};
use crate::handshake::{MOST_BYTES, answer, client_hello};

impl Client<'_> {
    /// Makes one handshake with the host behind a door, no longer than a connection may take.
    pub(super) async fn handshake(&self, offer: Offer, door: &Door) -> Result<Response, Failure> {
        if door.addresses.is_empty() {
            return Err(doors::blocked(Rule::Proxied));
        }
        let time = self.settings.timeouts.connect;
        let Some(bytes) = self.hello(offer, door) else {
            // Twice, because a certificate that does not validate is looked at again.
            return tokio::time::timeout(time * 2, self.ordinary(door))
                .await
                .map_err(|_| Failure::Timeout(Phase::Connect))?;
        };
        let stream = tokio::time::timeout(time, dial(door))
            .await
            .map_err(|_| Failure::Timeout(Phase::Connect))??;
        let peer = stream.peer_addr().ok().map(|peer| peer.ip());
        let hello = tokio::time::timeout(time, ask(stream, &bytes))
            .await
            .map_err(|_| Failure::Timeout(Phase::FirstByte))?;
        Ok(Response::of_handshake(peer, None, Some(hello)))
    }

    fn hello(&self, offer: Offer, door: &Door) -> Option<Vec<u8>> {
        let mut random = [0; 32];
        random[..16].copy_from_slice(&(self.settings.entropy)());
        random[16..].copy_from_slice(&(self.settings.entropy)());
        let name = door.host.trim_end_matches('.');
        // SNI holds names only (RFC 6066 section 3).
        let name = name.parse::<std::net::IpAddr>().is_err().then_some(name);
        client_hello(offer, name, &random)
    }

    /// The handshake that every client makes; once more without validation after a certificate
    /// that does not validate.
    async fn ordinary(&self, door: &Door) -> Result<Response, Failure> {
        let name =
            ServerName::try_from(door.host.clone()).map_err(|_| doors::blocked(Rule::Invalid))?;
        let connector = TlsConnector::from(Arc::new(self.doors.tls()));
        loop {
            let stream = dial(door).await?;
            let peer = stream.peer_addr().ok().map(|peer| peer.ip());
            let fault = match connector.connect(name.clone(), stream).await {
                Ok(stream) => {
                    let session = stream.get_ref().1;
                    let version = match session.protocol_version() {
                        Some(rustls::ProtocolVersion::TLSv1_3) => "1.3",
                        Some(rustls::ProtocolVersion::TLSv1_2) => "1.2",
                        _ => "",
                    };
                    let leaf = session.peer_certificates().and_then(|chain| chain.first());
                    let tls = leaf.map(|leaf| self.doors.verdicts.seen(&door.host, leaf, version));
                    return Ok(Response::of_handshake(peer, tls, None));
                }
                Err(fault) => fault,
            };
            let verdicts = &self.doors.verdicts;
            if super::failure::is_certificate(&fault) && verdicts.refused(&door.host).is_some() {
                self.mend(&door.host).await;
                continue;
            }
            return Err(super::failure::of_handshake(&fault));
        }
    }
}

/// A connection to the first address that takes one.
async fn dial(door: &Door) -> Result<TcpStream, Failure> {
    TcpStream::connect(&door.addresses[..])
        .await
        .map_err(|fault| match fault.kind() {
            io::ErrorKind::ConnectionRefused => Failure::Refused,
            io::ErrorKind::TimedOut => Failure::Timeout(Phase::Connect),
            _ => Failure::Unreachable,
        })
}

/// Sends a hello and reads until the answer is understood.
async fn ask(mut stream: TcpStream, hello: &[u8]) -> Hello {
    if stream.write_all(hello).await.is_err() {
        return Hello::Closed;
    }
    let mut bytes = Vec::with_capacity(1024);
    loop {
        let room = MOST_BYTES.saturating_sub(bytes.len());
        let read = (&mut stream).take(room as u64).read_buf(&mut bytes).await;
        let ended = !read.is_ok_and(|count| count > 0);
        if let Some(hello) = answer(&bytes, ended) {
            return hello;
        }
    }
}
