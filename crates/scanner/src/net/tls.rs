//! What is trusted, and what was seen of each server's certificate.
//!
//! A certificate that does not validate is a finding, not the end of a scan (catalogue
//! section 0.4 item 7): the verifier refuses it at first, remembers why, and once the
//! client has said that it goes on unvalidated lets the host through. What an operator
//! supplied as a credential is never sent over such a connection; the client sees to that.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::time_provider::TimeProvider;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use sha2::{Digest, Sha256};
use url::Url;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::oid_registry::OID_PKIX_ACCESS_DESCRIPTOR_CA_ISSUERS;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::NetError;
use crate::evidence::{TlsFault, TlsSeen};
use crate::time::{Clock, Millis};

/// Names of a certificate that are kept, and characters of each text.
const MOST_NAMES: usize = 100;
const LONGEST_TEXT: usize = 253;
const LONGEST_URL: usize = 512;

/// Certificates of one host that a scan remembers.
const MOST_LEAVES: usize = 8;

/// The roots and settings that all scans share, read once.
pub(super) struct Trust {
    template: ClientConfig,
    roots: Arc<WebPkiServerVerifier>,
}

impl Trust {
    /// The public roots and the certificates of a PEM text.
    pub(super) fn new(extra_pem: &[u8], clock: Arc<dyn Clock>) -> Result<Self, NetError> {
        let mut store = RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        };
        let mut extra = 0;
        for certificate in CertificateDer::pem_slice_iter(extra_pem) {
            let certificate = certificate.map_err(|fault| NetError::Roots(fault.to_string()))?;
            store
                .add(certificate)
                .map_err(|fault| NetError::Roots(fault.to_string()))?;
            extra += 1;
        }
        if extra == 0 && !extra_pem.trim_ascii().is_empty() {
            return Err(NetError::Roots("no certificate in it".to_owned()));
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let roots =
            WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(&provider))
                .build()
                .map_err(|fault| NetError::Roots(fault.to_string()))?;
        let mut template = ClientConfig::builder_with_details(provider, Arc::new(ScanTime(clock)))
            .with_safe_default_protocol_versions()
            .map_err(|fault| NetError::Tls(fault.to_string()))?
            .with_webpki_verifier(Arc::clone(&roots))
            .with_no_client_auth();
        // A resumed session skips the certificate, which is what we came to see.
        template.resumption = rustls::client::Resumption::disabled();
        Ok(Self { template, roots })
    }

    /// Settings for one scan, with a memory of their own.
    pub(super) fn for_scan(&self) -> (ClientConfig, Arc<Verdicts>) {
        let verdicts = Arc::new(Verdicts {
            inner: Arc::clone(&self.roots),
            memory: Mutex::default(),
        });
        let mut config = self.template.clone();
        config
            .dangerous()
            .set_certificate_verifier(Arc::clone(&verdicts) as Arc<dyn ServerCertVerifier>);
        (config, verdicts)
    }
}

/// Certificates are judged by the scanner's clock.
struct ScanTime(Arc<dyn Clock>);

impl std::fmt::Debug for ScanTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ScanTime")
    }
}

impl TimeProvider for ScanTime {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.0.now().0 / 1000).ok()?;
        Some(UnixTime::since_unix_epoch(std::time::Duration::from_secs(
            seconds,
        )))
    }
}

/// Verifies certificates and remembers the verdicts of one scan.
#[derive(Debug)]
pub(super) struct Verdicts {
    inner: Arc<WebPkiServerVerifier>,
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    leaves: HashMap<String, Vec<Leaf>>,
    tolerated: HashSet<String>,
    /// Where each host's missing issuer can be fetched; `None` once it was taken.
    missing: HashMap<String, Option<Url>>,
    /// The issuer that was fetched for a host, and from where.
    supplied: HashMap<String, (String, CertificateDer<'static>)>,
}

#[derive(Debug)]
struct Leaf {
    der: Vec<u8>,
    fault: Option<TlsFault>,
    /// It validates with an issuer that the host did not send, fetched from here.
    repaired: Option<String>,
    /// Read from the certificate when first asked for.
    seen: Option<TlsSeen>,
}

impl Verdicts {
    /// Why the newest certificate of a host was refused, if it was and nobody has tolerated
    /// it yet.
    pub(super) fn refused(&self, host: &str) -> Option<TlsFault> {
        let memory = self.memory();
        if memory.tolerated.contains(host) {
            return None;
        }
        memory.leaves.get(host)?.last()?.fault
    }

    /// From now on this host is talked to unvalidated.
    pub(super) fn tolerate(&self, host: &str) {
        self.memory().tolerated.insert(host.to_owned());
    }

    /// Where the certificate is that the host should have sent after its own; told once.
    pub(super) fn missing_issuer(&self, host: &str) -> Option<Url> {
        self.memory().missing.get_mut(host)?.take()
    }

    /// Validates this host with a certificate that it did not send.
    pub(super) fn supply(&self, host: &str, from: &Url, issuer: Vec<u8>) {
        let issuer = (from.to_string(), CertificateDer::from(issuer));
        self.memory().supplied.insert(host.to_owned(), issuer);
    }

    /// Whether this host is talked to unvalidated.
    pub(super) fn tolerates(&self, host: &str) -> bool {
        self.memory().tolerated.contains(host)
    }

    /// What was seen of the certificate `der` of a host.
    pub(super) fn seen(&self, host: &str, der: &[u8], version: &str) -> TlsSeen {
        let mut memory = self.memory();
        let leaf = memory
            .leaves
            .get_mut(host)
            .and_then(|leaves| leaves.iter_mut().find(|leaf| leaf.der == der));
        match leaf {
            Some(leaf) => {
                let fault = leaf.fault;
                let seen = leaf.seen.get_or_insert_with(|| read(der, fault));
                seen.repaired_from.clone_from(&leaf.repaired);
                version.clone_into(&mut seen.version);
                seen.clone()
            }
            None => TlsSeen {
                version: version.to_owned(),
                ..read(der, None)
            },
        }
    }

    fn remember(&self, host: &str, der: &[u8], fault: Option<TlsFault>, repaired: Option<String>) {
        let mut memory = self.memory();
        let leaves = memory.leaves.entry(host.to_owned()).or_default();
        leaves.retain(|leaf| leaf.der != der);
        if leaves.len() == MOST_LEAVES {
            leaves.remove(0);
        }
        leaves.push(Leaf {
            der: der.to_vec(),
            fault,
            repaired,
            seen: None,
        });
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ServerCertVerifier for Verdicts {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let host = server_name.to_str();
        let supplied = if intermediates.is_empty() {
            self.memory().supplied.get(host.as_ref()).cloned()
        } else {
            None
        };
        let chain = match &supplied {
            Some((_, issuer)) => std::slice::from_ref(issuer),
            None => intermediates,
        };
        let verdict =
            self.inner
                .verify_server_cert(end_entity, chain, server_name, ocsp_response, now);
        let fault = match &verdict {
            Ok(_) => None,
            Err(rustls::Error::InvalidCertificate(fault)) => Some(fault_of(fault, end_entity)),
            Err(_) => return verdict,
        };
        if fault == Some(TlsFault::Untrusted)
            && intermediates.is_empty()
            && !self.memory().missing.contains_key(host.as_ref())
        {
            let at = issuer_url(end_entity);
            self.memory().missing.insert(host.to_string(), at);
        }
        let repaired = supplied.filter(|_| fault.is_none()).map(|(from, _)| from);
        self.remember(&host, end_entity, fault, repaired);
        if fault.is_some() && self.tolerates(&host) {
            return Ok(ServerCertVerified::assertion());
        }
        verdict
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

fn fault_of(fault: &CertificateError, leaf: &[u8]) -> TlsFault {
    match fault {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsFault::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            TlsFault::NotYetValid
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            TlsFault::WrongName
        }
        CertificateError::UnknownIssuer => TlsFault::Untrusted,
        // A self-signed certificate that calls itself an authority fails as such.
        _ if is_self_issued(leaf) => TlsFault::Untrusted,
        _ => TlsFault::Invalid,
    }
}

fn is_self_issued(leaf: &[u8]) -> bool {
    X509Certificate::from_der(leaf)
        .is_ok_and(|(_, leaf)| leaf.subject().as_raw() == leaf.issuer().as_raw())
}

/// The http URL of the issuer's certificate (RFC 5280 section 4.2.2.1), unless the leaf vouches
/// for itself.
fn issuer_url(leaf: &[u8]) -> Option<Url> {
    let (_, leaf) = X509Certificate::from_der(leaf).ok()?;
    if leaf.subject().as_raw() == leaf.issuer().as_raw() {
        return None;
    }
    leaf.extensions()
        .iter()
        .filter_map(|extension| match extension.parsed_extension() {
            ParsedExtension::AuthorityInfoAccess(access) => Some(&access.accessdescs),
            _ => None,
        })
        .flatten()
        .filter(|access| access.access_method == OID_PKIX_ACCESS_DESCRIPTOR_CA_ISSUERS)
        .find_map(|access| match &access.access_location {
            GeneralName::URI(text) if text.len() <= LONGEST_URL => {
                Url::parse(text).ok().filter(|url| url.scheme() == "http")
            }
            _ => None,
        })
}

/// A certificate in DER, or in PEM.
pub(super) fn certificate(bytes: &[u8]) -> Option<Vec<u8>> {
    if X509Certificate::from_der(bytes).is_ok() {
        return Some(bytes.to_vec());
    }
    let der = CertificateDer::from_pem_slice(bytes).ok()?;
    X509Certificate::from_der(&der)
        .is_ok()
        .then(|| der.to_vec())
}

/// Reads a leaf. One that cannot be read keeps its hash only.
fn read(der: &[u8], fault: Option<TlsFault>) -> TlsSeen {
    let mut seen = TlsSeen {
        version: String::new(),
        leaf_sha256: hex(&Sha256::digest(der)),
        names: Vec::new(),
        issuer: String::new(),
        not_before: Millis(0),
        not_after: Millis(0),
        fault,
        repaired_from: None,
    };
    let Ok((_, leaf)) = X509Certificate::from_der(der) else {
        return seen;
    };
    seen.issuer = bounded(&leaf.issuer().to_string());
    let millis = |seconds: i64| Millis(seconds.saturating_mul(1000));
    seen.not_before = millis(leaf.validity().not_before.timestamp());
    seen.not_after = millis(leaf.validity().not_after.timestamp());
    if let Ok(Some(names)) = leaf.subject_alternative_name() {
        seen.names = names
            .value
            .general_names
            .iter()
            .filter_map(|name| match name {
                GeneralName::DNSName(name) => Some(bounded(name)),
                GeneralName::IPAddress(bytes) => address(bytes),
                _ => None,
            })
            .take(MOST_NAMES)
            .collect();
    }
    seen
}

fn address(bytes: &[u8]) -> Option<String> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(std::net::Ipv4Addr::from(four).to_string());
    }
    let sixteen = <[u8; 16]>::try_from(bytes).ok()?;
    Some(std::net::Ipv6Addr::from(sixteen).to_string())
}

fn bounded(text: &str) -> String {
    text.chars()
        .take(LONGEST_TEXT)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|nibble| char::from(DIGITS[usize::from(nibble)]))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Trust;
    use crate::time::SystemClock;

    #[test]
    fn reqwest_takes_our_rustls() {
        // Another rustls version than reqwest's would make every client fail to build.
        let trust = Trust::new(b"", Arc::new(SystemClock)).unwrap();
        #[expect(
            clippy::disallowed_methods,
            reason = "only whether it can be built is tested"
        )]
        let builder = reqwest::Client::builder();
        assert!(
            builder
                .tls_backend_preconfigured(trust.for_scan().0)
                .build()
                .is_ok()
        );
    }

    #[test]
    fn a_bundle_without_certificates_is_an_error() {
        let clock = || Arc::new(SystemClock);
        assert!(Trust::new(b"  \n", clock()).is_ok());
        assert!(Trust::new(b"not pem", clock()).is_err());
        let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(Trust::new(broken, clock()).is_err());
    }
}
