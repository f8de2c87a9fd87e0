//! What a credentialed scan records besides exchanges: which operations the owner named, and
//! what responses brought that is used later, without the values.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Claims, ExchangeId};

/// What a response may bring that is used later in the scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Issued {
    /// `access_token` of a token response.
    AccessToken,
    /// `refresh_token` of a token response.
    RefreshToken,
    /// `id_token` of a token response.
    IdToken,
    /// `registration_access_token` of a registration response (RFC 7591 section 3.2.1).
    RegistrationToken,
    /// `client_secret` of a registration response.
    ClientSecret,
    /// `code` in the redirect of an authorization response.
    Code,
    /// `requestState` of an MCP result.
    RequestState,
    /// `uri` of the first resource of an MCP result: what the owner has is nobody's business.
    Resource,
}

/// Members of JSON answers that are used later, and what they are.
const MEMBERS: [(&str, Issued); 7] = [
    ("/access_token", Issued::AccessToken),
    ("/refresh_token", Issued::RefreshToken),
    ("/id_token", Issued::IdToken),
    ("/registration_access_token", Issued::RegistrationToken),
    ("/client_secret", Issued::ClientSecret),
    ("/result/requestState", Issued::RequestState),
    ("/result/resources/0/uri", Issued::Resource),
];

impl Issued {
    /// What a JSON answer brings, with the values.
    #[must_use]
    pub fn in_json(body: &Value) -> Vec<(Self, String)> {
        MEMBERS
            .iter()
            .filter_map(|(pointer, what)| {
                let value = body.pointer(pointer)?.as_str()?;
                (!value.is_empty()).then(|| (*what, value.to_owned()))
            })
            .collect()
    }
}

/// Something that a response brought. The value itself is not kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Obtained {
    /// The exchange whose response brought it.
    pub exchange: ExchangeId,
    /// What it is.
    pub what: Issued,
    /// What it says of itself, if it is a JSON Web Token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims: Option<Claims>,
    /// The first exchange that brought the same value, if an earlier one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_as: Option<ExchangeId>,
}

/// What the owner named to be tried with the credentials.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operations {
    /// A harmless tool that needs a scope which the low-scope token lacks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scoped: Option<Operation>,
    /// A tool that answers with `input_required`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Operation>,
    /// Scopes of the broad token that imply the one of the scoped tool, in the owner's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hierarchy: Option<String>,
    /// The owner waits eleven minutes for a code to grow old.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub wait_for_code: bool,
    /// Milliseconds after which `requestState` has ended, if the owner waits for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_ends_ms: Option<u32>,
    /// Identifiers that the server is documented to compare with `aud`, besides its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audiences: Vec<String>,
    /// The upstream token is documented as a static key for this server.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub documented_key: bool,
}

impl Operations {
    /// Whether nothing is named.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A call of a tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// The tool's name.
    pub tool: String,
    /// Its arguments; sent and recorded as they are, so no secret belongs here.
    #[serde(default)]
    pub arguments: Map<String, Value>,
    /// `inputResponses` of its continuation, where it asks for input.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub responses: Map<String, Value>,
}
