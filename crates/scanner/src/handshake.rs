//! TLS handshakes of our own making: a ClientHello that offers little, and what came back
//! (catalogue section 0.3, X21).
//!
//! A library that refuses old versions and weak suites cannot tell whether a server refuses
//! them too, so the first message is written by hand and of the answer the first message is
//! read. Nothing is negotiated: the connection ends there, before any key is used.

mod answer;
mod suites;

pub use answer::answer;
pub use suites::{Strength, strength};

use crate::evidence::Offer;

/// Most bytes of an answer that are read. A ServerHello has a tenth of it.
pub const MOST_BYTES: usize = 8 * 1024;

const TLS10: u16 = 0x0301;
const TLS11: u16 = 0x0302;
const TLS12: u16 = 0x0303;
const TLS13: u16 = 0x0304;

/// Signature schemes of RFC 8446 section 4.2.3 and the SHA-1 ones of TLS 1.2.
const SCHEMES: [u16; 11] = [
    0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0203, 0x0201,
];

/// X25519, P-256, P-384, P-521.
const GROUPS: [u16; 4] = [0x001d, 0x0017, 0x0018, 0x0019];

/// The record with the ClientHello of an offer (RFC 5246 section 7.4.1.2, RFC 8446 section
/// 4.1.2). `server` goes into SNI, if it is a DNS name; `random` should be unpredictable.
/// `None` for [`Offer::Ordinary`], which a TLS library makes.
#[must_use]
pub fn client_hello(offer: Offer, server: Option<&str>, random: &[u8; 32]) -> Option<Vec<u8>> {
    let (version, suites): (u16, Vec<u16>) = match offer {
        Offer::Ordinary => return None,
        Offer::Old => (TLS11, suites::old()),
        Offer::Weak => (TLS12, suites::weak()),
        Offer::Broken => (TLS12, suites::broken()),
        Offer::Tls13 => (TLS12, suites::TLS13.to_vec()),
    };
    let mut body = Vec::with_capacity(512);
    put16(&mut body, version);
    body.extend_from_slice(random);
    // Middleboxes expect a session id of a TLS 1.3 hello (RFC 8446 section D.4).
    vector8(&mut body, if offer == Offer::Tls13 { random } else { &[] });
    vector16(&mut body, |body| {
        for suite in suites {
            put16(body, suite);
        }
    });
    // DEFLATE was removed from TLS; null alone.
    vector8(&mut body, &[0]);
    vector16(&mut body, |body| extensions(body, offer, server, random));
    Some(record(&body))
}

fn extensions(out: &mut Vec<u8>, offer: Offer, server: Option<&str>, random: &[u8; 32]) {
    if let Some(name) = server {
        extension(out, 0, |out| {
            vector16(out, |out| {
                out.push(0);
                vector16(out, |out| out.extend_from_slice(name.as_bytes()));
            });
        });
    }
    extension(out, 10, |out| {
        vector16(out, |out| GROUPS.into_iter().for_each(|id| put16(out, id)));
    });
    if offer != Offer::Old {
        extension(out, 13, |out| {
            vector16(out, |out| SCHEMES.into_iter().for_each(|id| put16(out, id)));
        });
    }
    if offer == Offer::Tls13 {
        extension(out, 43, |out| {
            out.push(2);
            put16(out, TLS13);
        });
        // Every string of 32 bytes is a public key of X25519 (RFC 7748 section 5).
        extension(out, 51, |out| {
            vector16(out, |out| {
                put16(out, GROUPS[0]);
                vector16(out, |out| out.extend_from_slice(random));
            });
        });
    } else {
        // Uncompressed points (RFC 8422 section 5.1.2).
        extension(out, 11, |out| out.extend_from_slice(&[1, 0]));
        // Secure renegotiation, empty (RFC 5746 section 3.4).
        extension(out, 0xff01, |out| out.push(0));
    }
}

fn record(body: &[u8]) -> Vec<u8> {
    let mut message = vec![1];
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes();
    message.extend_from_slice(&length[1..]);
    message.extend_from_slice(body);
    let mut out = vec![22];
    // The version of the record says nothing (RFC 5246 appendix E.1).
    put16(&mut out, TLS10);
    vector16(&mut out, |out| out.extend_from_slice(&message));
    out
}

fn extension(out: &mut Vec<u8>, kind: u16, data: impl FnOnce(&mut Vec<u8>)) {
    put16(out, kind);
    vector16(out, data);
}

fn put16(out: &mut Vec<u8>, number: u16) {
    out.extend_from_slice(&number.to_be_bytes());
}

/// Bytes after their length in one byte. Ours are never longer than 255.
fn vector8(out: &mut Vec<u8>, data: &[u8]) {
    out.push(u8::try_from(data.len()).unwrap_or(u8::MAX));
    out.extend_from_slice(data);
}

/// What `write` appends, after its length in two bytes. Ours are never longer than 65,535.
fn vector16(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0, 0]);
    write(out);
    let length = u16::try_from(out.len() - start - 2).unwrap_or(u16::MAX);
    out[start..start + 2].copy_from_slice(&length.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::{TLS11, TLS12, client_hello};
    use crate::evidence::Offer;

    /// Version, number of suites, types of the extensions; every length must fit.
    fn taken_apart(hello: &[u8]) -> (u16, usize, Vec<u16>) {
        let number = |at: usize| usize::from(hello[at]) << 8 | usize::from(hello[at + 1]);
        assert_eq!((hello[0], hello[5], hello[6]), (22, 1, 0));
        assert_eq!(number(3), hello.len() - 5);
        assert_eq!(number(7), hello.len() - 9);
        let mut at = 11 + 32;
        at += 1 + usize::from(hello[at]);
        let suites = number(at) / 2;
        at += 2 + number(at);
        at += 1 + usize::from(hello[at]);
        assert_eq!(number(at), hello.len() - at - 2);
        at += 2;
        let mut kinds = Vec::new();
        while at < hello.len() {
            kinds.push(u16::try_from(number(at)).unwrap());
            at += 4 + number(at + 2);
        }
        assert_eq!(at, hello.len());
        (u16::try_from(number(9)).unwrap(), suites, kinds)
    }

    #[test]
    fn hellos_are_well_formed_and_offer_what_they_say() {
        let hello = |offer| client_hello(offer, Some("mcp.example.com"), &[7; 32]).unwrap();
        let (version, suites, kinds) = taken_apart(&hello(Offer::Old));
        assert_eq!(version, TLS11);
        assert!(suites > 10);
        // Signature algorithms came with TLS 1.2.
        assert_eq!(kinds, [0, 10, 11, 0xff01]);
        let (version, weak, kinds) = taken_apart(&hello(Offer::Weak));
        assert_eq!(version, TLS12);
        assert_eq!(kinds, [0, 10, 13, 11, 0xff01]);
        let (_, broken, _) = taken_apart(&hello(Offer::Broken));
        assert!(broken < weak);
        let (_, suites, kinds) = taken_apart(&hello(Offer::Tls13));
        assert_eq!(suites, 3);
        assert_eq!(kinds, [0, 10, 13, 43, 51]);
        assert_eq!(client_hello(Offer::Ordinary, None, &[7; 32]), None);
        let nameless = client_hello(Offer::Tls13, None, &[7; 32]).unwrap();
        assert_eq!(taken_apart(&nameless).2, [10, 13, 43, 51]);
    }
}
