//! Certificates made when a name is first asked for: a leaf under an intermediate, as in real
//! life, and the wrong ones that some hosts have.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::Datelike as _;
use tokio_rustls::rustls::crypto::aws_lc_rs::sign::any_supported_type;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::{CertifiedKey, SigningKey};

use super::CertificateFault;
use crate::fleet::FleetError;
use crate::time::Millis;

const DAY: i64 = 86_400_000;

/// Which fault the certificate of a host is to have.
type Faults = dyn Fn(&str) -> Option<CertificateFault> + Send + Sync;

/// The authority of a crowd, and what it has issued.
pub(super) struct Certificates {
    pub(super) root_pem: String,
    intermediate: rcgen::Issuer<'static, rcgen::KeyPair>,
    intermediate_der: CertificateDer<'static>,
    /// All hosts share one key: what is measured is not how fast keys are made.
    key: rcgen::KeyPair,
    signing: Arc<dyn SigningKey>,
    now: Millis,
    faults: Box<Faults>,
    issued: Mutex<HashMap<String, Arc<CertifiedKey>>>,
}

impl std::fmt::Debug for Certificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificates").finish_non_exhaustive()
    }
}

fn authority(name: &str) -> Result<rcgen::CertificateParams, rcgen::Error> {
    let mut params = rcgen::CertificateParams::new(Vec::new())?;
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.key_usages = vec![
        rcgen::KeyUsagePurpose::KeyCertSign,
        rcgen::KeyUsagePurpose::DigitalSignature,
    ];
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, name);
    Ok(params)
}

impl Certificates {
    pub(super) fn new(now: Millis, faults: Box<Faults>) -> Result<Self, FleetError> {
        let (root, root_key) = (authority("Crowd root")?, rcgen::KeyPair::generate()?);
        let root_pem = root.self_signed(&root_key)?.pem();
        let root = rcgen::Issuer::new(root, root_key);
        let (middle, middle_key) = (authority("Crowd authority")?, rcgen::KeyPair::generate()?);
        let intermediate_der = middle.signed_by(&middle_key, &root)?.der().clone();
        let key = rcgen::KeyPair::generate()?;
        let signing = any_supported_type(&PrivateKeyDer::Pkcs8(key.serialize_der().into()))?;
        Ok(Self {
            root_pem,
            intermediate: rcgen::Issuer::new(middle, middle_key),
            intermediate_der,
            key,
            signing,
            now,
            faults,
            issued: Mutex::default(),
        })
    }

    fn issue(&self, host: &str) -> Result<CertifiedKey, rcgen::Error> {
        let fault = (self.faults)(host);
        let name = match fault {
            Some(CertificateFault::OtherName) => "someone.else.example",
            _ => host,
        };
        let mut params = rcgen::CertificateParams::new(vec![name.to_owned()])?;
        let (from, to) = match fault {
            Some(CertificateFault::Expired) => (-100 * DAY, -10 * DAY),
            _ => (-20 * DAY, 70 * DAY),
        };
        let day = |at: Millis| {
            let at = chrono::DateTime::from_timestamp_millis(at.0).unwrap_or_default();
            let part = |n: u32| u8::try_from(n).unwrap_or(1);
            rcgen::date_time_ymd(at.year(), part(at.month()), part(at.day()))
        };
        params.not_before = day(self.now.plus(from));
        params.not_after = day(self.now.plus(to));
        let chain = match fault {
            Some(CertificateFault::SelfSigned) => {
                vec![params.self_signed(&self.key)?.der().clone()]
            }
            _ => vec![
                params
                    .signed_by(&self.key, &self.intermediate)?
                    .der()
                    .clone(),
                self.intermediate_der.clone(),
            ],
        };
        Ok(CertifiedKey::new(chain, Arc::clone(&self.signing)))
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let host = hello.server_name()?.to_ascii_lowercase();
        let known = {
            let issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
            issued.get(&host).cloned()
        };
        if known.is_some() {
            return known;
        }
        let fresh = Arc::new(self.issue(&host).ok()?);
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever was first counts: a host has one certificate.
        Some(Arc::clone(issued.entry(host).or_insert(fresh)))
    }
}
