//! What a deeper scan gets from outside besides limits: a host of our own that scanned servers
//! can reach, credentials of the owner, and the owner's browser.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use tokio::time::Instant;
use url::Url;

use crate::evidence::{Claims, Credential, Supplied, Visit};

/// A host under our control: serves client documents and canaries below `{base}/{nonce}/` and
/// remembers who came.
pub trait OwnHost: Send + Sync {
    /// A scan with this nonce begins: what lies below `{base}/{nonce}/` is served from now on.
    /// Nothing is served for others.
    fn expect(&self, nonce: &str);

    /// The visits below `{base}/{nonce}/` so far, in order; times count from `began`.
    fn visits(&self, nonce: &str, began: Instant) -> Vec<Visit>;
}

/// Such a host and where it is reached from outside.
#[derive(Clone)]
pub struct OwnHosting {
    /// `https://` URL without a trailing slash.
    pub base: String,
    /// The host.
    pub host: Arc<dyn OwnHost>,
}

/// The owner's browser: opens an authorization request and waits for its redirect.
pub trait Browser: Send + Sync {
    /// Opens `request`; answers with the URL that the authorization server redirected to, or
    /// `None` if the owner gave up or time ran out.
    fn open(&self, request: Url) -> Pin<Box<dyn Future<Output = Option<Url>> + Send + '_>>;
}

/// Credentials of the owner, by kind. Neither stored nor logged; `Debug` prints kinds only.
#[derive(Clone, Default)]
pub struct Credentials(BTreeMap<Credential, SuppliedValue>);

/// One credential with its value.
#[derive(Clone, Default)]
pub struct SuppliedValue {
    /// The token, or the secret of a client; empty for a public client.
    pub value: String,
    /// For a client: its identifier.
    pub client_id: Option<String>,
    /// For a client: its redirect.
    pub redirect_uri: Option<String>,
}

impl Credentials {
    /// Adds or replaces a credential.
    pub fn insert(&mut self, kind: Credential, value: SuppliedValue) {
        self.0.insert(kind, value);
    }

    /// Whether nothing was supplied.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What the record keeps of them.
    #[must_use]
    pub fn supplied(&self) -> Vec<Supplied> {
        self.0
            .iter()
            .map(|(kind, supplied)| Supplied {
                kind: *kind,
                claims: Claims::of_token(&supplied.value),
                client_id: supplied.client_id.clone(),
                redirect_uri: supplied.redirect_uri.clone(),
                confidential: *kind == Credential::Client && !supplied.value.is_empty(),
            })
            .collect()
    }

    pub(super) fn value(&self, kind: Credential) -> Option<&str> {
        let value = &self.0.get(&kind)?.value;
        (!value.is_empty()).then_some(value)
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &str> {
        self.0.values().map(|supplied| supplied.value.as_str())
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
