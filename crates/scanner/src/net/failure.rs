//! From the errors of the client library to the closed set of failures that are counted.

use std::error::Error;
use std::io;

use crate::evidence::{Failure, Phase};

/// Characters of an error text that are kept.
const LONGEST_TEXT: usize = 200;

/// Why a request got no response. `tls` says whether the URL is https.
pub(super) fn of_request(fault: &reqwest::Error, tls: bool) -> Failure {
    if let Some(fault) = find::<rustls::Error>(fault) {
        return Failure::Tls(bounded(&fault.to_string()));
    }
    if fault.is_connect() {
        if fault.is_timeout() {
            return Failure::Timeout(Phase::Connect);
        }
        return match io_kind(fault) {
            Some(io::ErrorKind::ConnectionRefused) => Failure::Refused,
            Some(io::ErrorKind::TimedOut) => Failure::Timeout(Phase::Connect),
            // TCP stood, so it was the handshake that was cut off.
            Some(
                io::ErrorKind::UnexpectedEof
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe,
            ) if tls => Failure::Tls("the connection was closed during the handshake".to_owned()),
            _ => Failure::Unreachable,
        };
    }
    of_transfer(fault)
}

/// Why a handshake over which nothing is asked did not complete.
pub(super) fn of_handshake(fault: &io::Error) -> Failure {
    match find::<rustls::Error>(fault) {
        Some(fault) => Failure::Tls(bounded(&fault.to_string())),
        None => Failure::Tls("the connection was closed during the handshake".to_owned()),
    }
}

/// Why a response did not arrive whole.
pub(super) fn of_transfer(fault: &reqwest::Error) -> Failure {
    if fault.is_timeout() {
        return Failure::Timeout(Phase::Total);
    }
    if let Some(fault) = find::<hyper::Error>(fault) {
        if fault.is_parse() {
            return Failure::Protocol(bounded(&chain(fault)));
        }
        if fault.is_incomplete_message() || fault.is_canceled() || fault.is_closed() {
            return Failure::Reset;
        }
    }
    match io_kind(fault) {
        Some(io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput) | None => {
            Failure::Protocol(bounded(&chain(fault)))
        }
        Some(_) => Failure::Reset,
    }
}

/// Whether the server speaks no HTTP/1.1 over TLS (RFC 7301 section 3.2).
pub(super) fn wants_other_protocol(fault: &reqwest::Error) -> bool {
    matches!(
        find::<rustls::Error>(fault),
        Some(rustls::Error::AlertReceived(
            rustls::AlertDescription::NoApplicationProtocol
        ))
    )
}

/// Whether the handshake ended because of the certificate.
pub(super) fn is_certificate(fault: &(dyn Error + 'static)) -> bool {
    matches!(
        find::<rustls::Error>(fault),
        Some(rustls::Error::InvalidCertificate(_))
    )
}

/// The first error of this type among the causes, looking into `io::Error` too.
fn find<'e, T: Error + 'static>(fault: &'e (dyn Error + 'static)) -> Option<&'e T> {
    let mut current = Some(fault);
    while let Some(fault) = current {
        if let Some(found) = fault.downcast_ref::<T>() {
            return Some(found);
        }
        if let Some(inner) = fault
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
            && let Some(found) = find::<T>(inner)
        {
            return Some(found);
        }
        current = fault.source();
    }
    None
}

/// The kind of the innermost `io::Error`: outer ones only wrap.
fn io_kind(fault: &(dyn Error + 'static)) -> Option<io::ErrorKind> {
    let mut kind = None;
    let mut current = Some(fault);
    while let Some(fault) = current {
        let Some(io) = fault.downcast_ref::<io::Error>() else {
            current = fault.source();
            continue;
        };
        kind = Some(io.kind());
        current = match io.get_ref() {
            Some(inner) => Some(inner),
            None => fault.source(),
        };
    }
    kind
}

/// The error and its causes on one line. Causes of reqwest name the URL, so only those of
/// hyper and below are put together.
fn chain(fault: &(dyn Error + 'static)) -> String {
    let mut texts = Vec::new();
    let mut current = Some(fault);
    while let Some(fault) = current {
        if !fault.is::<reqwest::Error>() {
            texts.push(fault.to_string());
        }
        current = fault.source();
    }
    texts.dedup();
    texts.join(": ")
}

fn bounded(text: &str) -> String {
    text.chars()
        .take(LONGEST_TEXT)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}
