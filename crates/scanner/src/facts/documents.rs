//! Metadata documents, read leniently and remembered exactly: a check must be able to tell
//! "JSON served as text/html" from "not JSON".

use serde_json::{Map, Value};

use super::json;
use super::outcome::Answer;
use crate::check::Place;
use crate::evidence::{AsRole, ExchangeId, PrmRole};

/// A JSON object that a metadata URL answered with 200.
#[derive(Debug, Clone)]
pub struct Document {
    /// Its members; of duplicates the first.
    pub members: Map<String, Value>,
    /// Members that stood more than once: JSON Pointer, and whether the values were equal.
    pub duplicates: Vec<(String, bool)>,
    /// The text began with a byte-order mark.
    pub bom: bool,
    /// The exchange that brought it.
    pub exchange: ExchangeId,
}

impl Document {
    /// Reads the answer of a metadata request: a 200 whose body is one JSON object, whatever
    /// its media type.
    #[must_use]
    pub fn of(answer: &Answer<'_>) -> Option<Self> {
        let response = answer.response()?;
        if response.status != 200 || response.body.base64 || response.body.truncated {
            return None;
        }
        let json = json::parse(&response.body.text).ok()?;
        match json.value {
            Value::Object(members) => Some(Self {
                members,
                duplicates: json.duplicates,
                bom: json.bom,
                exchange: answer.exchange.id,
            }),
            _ => None,
        }
    }

    /// A member.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.members.get(name)
    }

    /// A member that is a string.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }

    /// The strings of a member that is an array; elements of other types are left out.
    #[must_use]
    pub fn texts(&self, name: &str) -> Option<Vec<&str>> {
        Some(
            self.get(name)?
                .as_array()?
                .iter()
                .filter_map(Value::as_str)
                .collect(),
        )
    }

    /// A member that is a boolean.
    #[must_use]
    pub fn flag(&self, name: &str) -> Option<bool> {
        self.get(name)?.as_bool()
    }

    /// The place of a member; of the whole document when `name` is empty.
    #[must_use]
    pub fn place(&self, name: &str) -> Place {
        Place::body(
            self.exchange,
            &if name.is_empty() {
                "/".to_owned()
            } else {
                format!("/{name}")
            },
        )
    }

    /// `resource` as a string, or `authorization_servers` as an array (section 0.7).
    #[must_use]
    pub fn is_prm_shaped(&self) -> bool {
        self.text("resource").is_some()
            || self
                .get("authorization_servers")
                .is_some_and(Value::is_array)
    }

    /// `issuer` with at least one of three members, or an endpoint without `issuer`
    /// (section 0.7).
    #[must_use]
    pub fn is_asm_shaped(&self) -> bool {
        let has = |name: &str| self.members.contains_key(name);
        let endpoint = has("authorization_endpoint") || has("token_endpoint");
        endpoint || (has("issuer") && has("jwks_uri"))
    }
}

/// One candidate of the protected-resource search, asked.
#[derive(Debug, Clone)]
pub struct PrmCandidate<'e> {
    /// Its role.
    pub role: PrmRole,
    /// The URL that was asked first.
    pub url: String,
    /// The final answer, after recorded redirects.
    pub answer: Answer<'e>,
    /// Whether a same-origin redirect led to the answer.
    pub redirected: bool,
    /// The document, if the answer is a JSON object at 200 (of any shape).
    pub document: Option<Document>,
}

impl PrmCandidate<'_> {
    /// The document, if it is PRM-shaped.
    #[must_use]
    pub fn prm(&self) -> Option<&Document> {
        self.document
            .as_ref()
            .filter(|document| document.is_prm_shaped())
    }
}

/// The protected-resource metadata a client of one revision would use.
#[derive(Debug, Clone, Copy)]
pub struct Prm<'f, 'e> {
    /// The candidate it came from.
    pub candidate: &'f PrmCandidate<'e>,
    /// The document.
    pub document: &'f Document,
}

impl<'f> Prm<'f, '_> {
    /// `resource`, if it is a string.
    #[must_use]
    pub fn resource(&self) -> Option<&'f str> {
        self.document.text("resource")
    }

    /// Its role.
    #[must_use]
    pub fn role(&self) -> PrmRole {
        self.candidate.role
    }

    /// The place of a member.
    #[must_use]
    pub fn place(&self, name: &str) -> Place {
        self.document.place(name)
    }
}

/// One candidate of an issuer's metadata search, asked.
#[derive(Debug, Clone)]
pub struct AsCandidate<'e> {
    /// Its role.
    pub role: AsRole,
    /// The URL that was asked.
    pub url: String,
    /// The answer.
    pub answer: Answer<'e>,
    /// The document, if the answer is a JSON object at 200 (of any shape).
    pub document: Option<Document>,
}

impl AsCandidate<'_> {
    /// The document, if it is ASM-shaped.
    #[must_use]
    pub fn asm(&self) -> Option<&Document> {
        self.document
            .as_ref()
            .filter(|document| document.is_asm_shaped())
    }
}

/// An issuer that the protected-resource metadata lists (or the endpoint's origin, in the
/// fallback of 2025-03-26), with what was asked about it.
#[derive(Debug, Clone)]
pub struct Issuer<'e> {
    /// Position among the issuers examined, 0 to 2.
    pub index: u8,
    /// The value exactly as listed. For the fallback: the origin without a slash.
    pub listed: String,
    /// It is the fallback, not listed anywhere.
    pub fallback: bool,
    /// Candidates in order of asking.
    pub candidates: Vec<AsCandidate<'e>>,
}

/// The metadata of one authorization server as a client of one revision would use it.
#[derive(Debug, Clone)]
pub struct Asm<'f, 'e> {
    /// The issuer.
    pub issuer: &'f Issuer<'e>,
    /// Credited candidates with an ASM-shaped document, in client order; never empty.
    pub found: Vec<&'f AsCandidate<'e>>,
    /// The document of the first of them: the one whose capabilities are judged.
    pub document: &'f Document,
}
