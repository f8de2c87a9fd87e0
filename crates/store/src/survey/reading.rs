//! What evidence says of a server's authorization servers and of the ways they are found. Pure.

use scanner::evidence::{Evidence, PrmRole};
use scanner::facts::Facts;
use scanner::facts::documents::{Document, Issuer};
use scanner::facts::relation::registrable_domain;
use scanner::report::{Class, Report};
use scanner::spec::Revision;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{Features, UNRECOGNISED};
use crate::state::clean;

/// What is kept of one server beside its columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Survey {
    /// Registrable domain of the endpoint, or its host.
    pub(crate) operator: String,
    /// Product of the authorization server that a client would take.
    pub(crate) product: Option<String>,
    /// Where the protected-resource metadata stands: `header`, `path`, `root`, `elsewhere` or
    /// `none`; nothing for servers without OAuth, and where it could not be told.
    pub(crate) prm: Option<&'static str>,
    /// What the first authorization server with a document announces.
    pub(crate) features: Option<Features>,
    /// Issuers in the order of the report.
    pub(crate) issuers: Vec<SeenIssuer>,
}

/// An issuer that a server names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SeenIssuer {
    pub(crate) id: [u8; 16],
    pub(crate) issuer: String,
    pub(crate) host: String,
    pub(crate) product: String,
    pub(crate) basis: Option<String>,
    pub(crate) metadata_url: Option<String>,
    pub(crate) document: Seen,
}

/// What a search for an issuer's metadata came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// A document, by its digest, and what it announces.
    Document([u8; 32], Features),
    /// Every place has answered, and none has one.
    Absent,
    /// It could not be told.
    Unknown,
}

/// The id of an issuer: a digest of the identifier exactly as it is named.
pub(crate) fn issuer_id(issuer: &str) -> [u8; 16] {
    let mut hash = Sha256::new();
    hash.update(b"issuer\0");
    hash.update(issuer.as_bytes());
    let mut id = [0; 16];
    id.copy_from_slice(&hash.finalize()[..16]);
    id
}

impl Survey {
    pub(crate) fn of(evidence: &Evidence, report: &Report) -> Self {
        let facts = Facts::new(evidence);
        let oauth = matches!(
            report.class,
            Class::Oauth | Class::Lazy | Class::LegacyOauth
        );
        let first = oauth
            .then(|| facts.asms(Revision::HEADLINE).ok())
            .flatten()
            .and_then(|asms| asms.into_iter().next());
        let issuers: Vec<SeenIssuer> = facts
            .issuers()
            .iter()
            .zip(&report.authorization_servers)
            .map(|(issuer, reported)| SeenIssuer {
                id: issuer_id(&issuer.listed),
                issuer: clean(&issuer.listed),
                host: clean(&reported.host),
                product: clean(reported.product.as_deref().unwrap_or(UNRECOGNISED)),
                basis: reported.product_basis.as_deref().map(clean),
                metadata_url: reported.metadata_url.as_deref().map(clean),
                document: seen(&facts, issuer),
            })
            .collect();
        let taken = report
            .authorization_servers
            .iter()
            .position(|server| server.selected)
            .unwrap_or(0);
        let host = facts.endpoint().host_str().unwrap_or_default();
        Self {
            operator: clean(&registrable_domain(host).unwrap_or_else(|| host.to_owned())),
            product: issuers
                .get(taken)
                .filter(|_| oauth)
                .map(|issuer| issuer.product.clone()),
            prm: oauth.then(|| place(&facts)).flatten(),
            features: first.map(|asm| Features::of(asm.document, &asm.issuer.listed)),
            issuers,
        }
    }
}

/// Where the document stands that a client of the newest revision would use.
fn place(facts: &Facts<'_>) -> Option<&'static str> {
    use scanner::check::Unmet;
    match facts.prm(Revision::HEADLINE) {
        Ok(prm) => Some(match prm.role() {
            PrmRole::Header => "header",
            PrmRole::Path | PrmRole::PathNoSlash => "path",
            PrmRole::Root => "root",
            PrmRole::Appended | PrmRole::Parent => "elsewhere",
        }),
        Err(Unmet::Inconclusive(_)) => None,
        Err(_) if facts.any_prm().is_some() => Some("elsewhere"),
        Err(_) => Some("none"),
    }
}

fn seen(facts: &Facts<'_>, issuer: &Issuer<'_>) -> Seen {
    let found = facts.found(issuer, Revision::HEADLINE);
    if let Some(document) = found.first().and_then(|candidate| candidate.asm()) {
        return Seen::Document(digest(document), Features::of(document, &issuer.listed));
    }
    match facts.search_told(issuer, Revision::HEADLINE) {
        Ok(()) => Seen::Absent,
        Err(_) => Seen::Unknown,
    }
}

/// The same for documents that say the same: the order of members and of words in lists does
/// not count.
fn digest(document: &Document) -> [u8; 32] {
    let mut text = String::new();
    write(&Value::Object(document.members.clone()), &mut text);
    Sha256::digest(text.as_bytes()).into()
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Object(members) => {
            let mut names: Vec<&String> = members.keys().collect();
            names.sort();
            out.push('{');
            for name in names {
                out.push_str(&Value::String(name.clone()).to_string());
                out.push(':');
                write(&members[name], out);
                out.push(',');
            }
            out.push('}');
        }
        Value::Array(values) => {
            let mut items: Vec<String> = values
                .iter()
                .map(|value| {
                    let mut text = String::new();
                    write(value, &mut text);
                    text
                })
                .collect();
            if values.iter().all(Value::is_string) {
                items.sort();
            }
            out.push('[');
            out.push_str(&items.join(","));
            out.push(']');
        }
        other => out.push_str(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use scanner::facts::documents::Document;
    use serde_json::json;

    use super::{digest, issuer_id};

    fn document(value: serde_json::Value) -> Document {
        let serde_json::Value::Object(members) = value else {
            panic!("an object");
        };
        Document {
            members,
            duplicates: Vec::new(),
            bom: false,
            exchange: 0,
        }
    }

    #[test]
    fn order_does_not_make_a_document_another() {
        let a = digest(&document(json!({"a": ["x", "y"], "b": {"c": 1, "d": 2}})));
        let b = digest(&document(json!({"b": {"d": 2, "c": 1}, "a": ["y", "x"]})));
        assert_eq!(a, b);
        assert_ne!(
            a,
            digest(&document(json!({"a": ["x"], "b": {"c": 1, "d": 2}})))
        );
        assert_ne!(
            digest(&document(json!({"a": [1, 2]}))),
            digest(&document(json!({"a": [2, 1]})))
        );
    }

    #[test]
    fn an_issuer_is_its_exact_text() {
        assert_ne!(
            issuer_id("https://id.example"),
            issuer_id("https://id.example/")
        );
        assert_eq!(issuer_id("a"), issuer_id("a"));
    }
}
