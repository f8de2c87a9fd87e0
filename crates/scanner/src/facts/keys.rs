//! Key sets: every `jwks_uri` that the metadata names, and what was found there.

use serde_json::{Map, Value};
use url::Url;

use super::documents::{Asm, Document};
use super::outcome::{Answer, unread};
use super::relation::{self, HostKind};
use super::{Facts, settle};
use crate::check::{Place, Unmet, inconclusive};
use crate::evidence::Purpose;
use crate::spec::Revision;

/// One key set that metadata names.
#[derive(Debug, Clone)]
pub struct KeySet<'f, 'e> {
    /// The value of `jwks_uri`.
    pub url: String,
    /// Where it is named.
    pub named: Place,
    /// The metadata that names it; of the protected resource for [`Facts::prm_key_set`].
    pub document: &'f Document,
    /// The final answer, if it was asked.
    pub answer: Option<&'f Answer<'e>>,
    /// No client may fetch this URL: neither secure nor public.
    pub barred: bool,
}

impl<'f, 'e> KeySet<'f, 'e> {
    /// The answer to judge.
    ///
    /// # Errors
    ///
    /// Blocked by asm-endpoints-https when no client may fetch it; inconclusive when it was
    /// not asked.
    pub fn asked(&self, facts: &Facts<'e>) -> Result<&'f Answer<'e>, Unmet> {
        if self.barred {
            return Err(Unmet::Blocked("asm-endpoints-https"));
        }
        self.answer.ok_or(Unmet::Inconclusive(facts.never_asked()))
    }

    /// The keys: the objects of the `keys` array, or the body itself if it is a single key.
    /// `None` if the answer is conclusive and is no key set.
    ///
    /// # Errors
    ///
    /// As [`KeySet::asked`], and inconclusive where the answer cannot be judged.
    pub fn keys(&self, facts: &Facts<'e>) -> Result<Option<Vec<Key>>, Unmet> {
        let answer = settle(self.asked(facts)?)?;
        if let Some(cause) = answer.response().and_then(unread) {
            return inconclusive(cause);
        }
        let Some(set) = Document::of(answer) else {
            return Ok(None);
        };
        let at = |pointer: String| Place::body(set.exchange, &pointer);
        Ok(match set.get("keys") {
            Some(Value::Array(list)) => Some(
                list.iter()
                    .enumerate()
                    .filter_map(|(position, key)| {
                        Some(Key {
                            members: key.as_object()?.clone(),
                            place: at(format!("/keys/{position}")),
                        })
                    })
                    .collect(),
            ),
            _ if set.get("kty").is_some() => Some(vec![Key {
                place: at("/".to_owned()),
                members: set.members,
            }]),
            _ => None,
        })
    }
}

/// One JSON Web Key.
#[derive(Debug, Clone)]
pub struct Key {
    /// Its members.
    pub members: Map<String, Value>,
    /// Where it stands.
    pub place: Place,
}

impl Key {
    /// A member that is a string.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.members.get(name)?.as_str()
    }

    /// `kty`, or nothing.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.text("kty").unwrap_or_default()
    }

    /// Only for encryption: by `use`, by `key_ops`, by the algorithm, or by the curve.
    #[must_use]
    pub fn encrypts(&self) -> bool {
        let verifies = |ops: &Vec<Value>| {
            ops.iter()
                .any(|op| matches!(op.as_str(), Some("verify" | "sign")))
        };
        match self.text("use") {
            Some("enc") => return true,
            Some("sig") => return false,
            _ => {}
        }
        if let Some(ops) = self.members.get("key_ops").and_then(Value::as_array)
            && !ops.is_empty()
        {
            return !verifies(ops);
        }
        let alg = self.text("alg").unwrap_or_default();
        alg.starts_with("RSA-OAEP")
            || alg.starts_with("RSA1_5")
            || alg.starts_with("ECDH")
            || matches!(self.text("crv"), Some("X25519" | "X448"))
    }

    /// Names of the private members that hold something (RFC 7518 sections 6.2.2, 6.3.2 and
    /// 6.4.1), whatever the key type. Null and empty members hold nothing.
    #[must_use]
    pub fn private_members(&self) -> Vec<&'static str> {
        let holds = |name: &str| match self.members.get(name) {
            None | Some(Value::Null) => false,
            Some(Value::String(text)) => !text.is_empty(),
            Some(Value::Array(items)) => !items.is_empty(),
            Some(Value::Bool(_) | Value::Number(_) | Value::Object(_)) => true,
        };
        ["d", "p", "q", "dp", "dq", "qi", "oth", "k"]
            .into_iter()
            .filter(|name| holds(name))
            .collect()
    }

    /// A public key that could verify a signature.
    #[must_use]
    pub fn verifies(&self) -> bool {
        !self.kind().is_empty() && self.kind() != "oct" && !self.encrypts()
    }
}

impl<'e> Facts<'e> {
    /// The distinct `jwks_uri` values of these servers' documents, in order.
    #[must_use]
    pub fn key_sets<'f>(&'f self, asms: &[Asm<'f, 'e>]) -> Vec<KeySet<'f, 'e>> {
        let mut sets: Vec<KeySet<'f, 'e>> = Vec::new();
        for asm in asms {
            for document in asm.found.iter().filter_map(|candidate| candidate.asm()) {
                if let Some(set) = self.key_set(document)
                    && !sets.iter().any(|known| known.url == set.url)
                {
                    sets.push(set);
                }
            }
        }
        sets
    }

    /// The key set that the protected-resource metadata names, if it names one.
    #[must_use]
    pub fn prm_key_set(&self, revision: Revision) -> Option<KeySet<'_, 'e>> {
        self.key_set(self.selected_prm(revision)?.document)
    }

    fn key_set<'f>(&'f self, document: &'f Document) -> Option<KeySet<'f, 'e>> {
        let url = document.text("jwks_uri")?;
        let start = self.plain_answers().rfind(|answer| {
            matches!(answer.exchange.purpose, Purpose::Jwks(_) | Purpose::PrmJwks)
                && answer.exchange.follows.is_none()
                && answer.exchange.asked.url == url
        });
        Some(KeySet {
            named: document.place("jwks_uri"),
            document,
            answer: start.map(|start| self.follow(start).0),
            barred: !Url::parse(url).is_ok_and(|parsed| self.fetchable(&parsed)),
            url: url.to_owned(),
        })
    }

    /// Whether a client may fetch this URL at all, by its text: https and a public host, or
    /// a trusted loopback.
    #[must_use]
    pub fn fetchable(&self, url: &Url) -> bool {
        let public = url.host().is_some_and(|host| {
            matches!(
                relation::host_kind(&host),
                HostKind::Public | HostKind::PublicAddress
            )
        });
        self.trusted_loopback(url) || (url.scheme() == "https" && public)
    }
}
