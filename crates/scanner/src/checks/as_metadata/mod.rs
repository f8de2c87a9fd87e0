//! Catalogue section 1.4: authorization server metadata.
//!
//! Capabilities are read from the first credited document in client order; issuer and
//! endpoints in every credited document. What may be read at all is decided by
//! [`Facts::asms`] and [`Facts::readable_asms`](crate::facts::Facts::readable_asms).

mod endpoints;
mod extensions;
mod location;
mod posture;

#[cfg(test)]
mod cases;

use serde_json::Value;

use crate::check::{Check, Judgement};
use crate::facts::Facts;
use crate::facts::documents::{Asm, Document};
use crate::spec::Revision;

use super::weigh;

#[cfg(test)]
pub(super) use cases::CASES;

pub(super) const CHECKS: &[Check] = &[
    location::DISCOVERABLE,
    location::RFC8414_LOCATION,
    location::ISSUER_IDENTICAL,
    location::ISSUER_SYNTAX,
    endpoints::REQUIRED_FIELDS,
    endpoints::ENDPOINTS_HTTPS,
    endpoints::DOCUMENTS_CONSISTENT,
    posture::LEGACY_GRANTS,
    posture::PUBLIC_CLIENT_AUTH,
    posture::ALG_NONE,
    posture::ISS_PARAMETER,
    extensions::DPOP_CONSISTENCY,
    extensions::NO_MANDATORY_EXTENSIONS,
    extensions::EXTENSION_CONSISTENCY,
];

/// Judges the document that a client uses, of every authorization server that may be read:
/// the worst counts.
fn worst_first_document(
    facts: &Facts<'_>,
    revision: Revision,
    judge: impl Fn(&Document) -> Judgement,
) -> Judgement {
    let asms = facts.readable_asms(revision)?;
    weigh::worst_of(&asms, |asm| judge(asm.document))
}

/// Judges every credited document of every authorization server: the worst counts.
fn worst_document<'f, 'e>(
    asms: &[Asm<'f, 'e>],
    judge: impl Fn(&Asm<'f, 'e>, &'f Document) -> Judgement,
) -> Judgement {
    weigh::worst_of(asms, |asm| {
        weigh::worst(
            asm.found
                .iter()
                .filter_map(|candidate| candidate.asm())
                .map(|document| judge(asm, document)),
        )
    })
}

/// Texts in a list, quoted, for a sentence; at most eight of them.
fn listed(values: &[&str]) -> String {
    let mut said: Vec<String> = values
        .iter()
        .take(8)
        .map(|value| crate::facts::quote(value))
        .collect();
    if values.len() > 8 {
        said.push("…".into());
    }
    said.join(", ")
}

/// What kind of JSON value this is, with its article.
fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
