//! The part of a report that says who has to act on a finding, and which clients would get
//! how far.

use serde::{Deserialize, Serialize};

use crate::evidence::ExchangeId;

/// Who has to act on a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fixer {
    /// The MCP server's operator.
    Operator,
    /// Whoever configures the authorization server: the vendor's customer, or the one who
    /// installed it.
    AsTenant,
    /// The maker of the authorization server's product.
    AsVendor,
}

impl Fixer {
    /// All of them, the nearest first.
    pub const ALL: [Self; 3] = [Self::Operator, Self::AsTenant, Self::AsVendor];

    /// The word used in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::AsTenant => "as_tenant",
            Self::AsVendor => "as_vendor",
        }
    }

    /// The words readers see.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Operator => "server's operator",
            Self::AsTenant => "authorization server's tenant",
            Self::AsVendor => "authorization server's vendor",
        }
    }
}

/// Whose doing a finding is, and how that is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribution {
    /// Who has to act.
    pub to: Fixer,
    /// The recognised product of the authorization server concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// Why it is theirs, in a half sentence.
    pub because: String,
    /// Source mark of the table's statement: `S`, `D`, `T` or `U`. Absent where the party of
    /// the check decides alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<crate::fingerprints::table::Source>,
    /// Date of that statement: year, month or day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<String>,
}

/// How far a client of one profile would get, on passive evidence alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// Id of the profile.
    pub profile: String,
    /// The outcome.
    pub result: Reach,
    /// Where it stops, or where it cannot be told further; absent when it connects.
    pub step: Option<Step>,
    /// A code in `snake_case`.
    pub reason: String,
    /// One sentence.
    pub detail: String,
    /// The check that explains it.
    pub check: Option<String>,
    /// The exchange that shows it.
    pub exchange: Option<ExchangeId>,
}

/// Whether a client gets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// It can send its user to the authorization endpoint, or needs no token.
    Connects,
    /// It stops.
    Stops,
    /// It cannot be told from outside.
    CannotTell,
}

impl Reach {
    /// The word used in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connects => "connects",
            Self::Stops => "stops",
            Self::CannotTell => "cannot_tell",
        }
    }
}

/// A step on a client's way, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// The endpoint answers in a way the client understands.
    Endpoint,
    /// It asks for a token.
    Challenge,
    /// Protected-resource metadata is found.
    ResourceMetadata,
    /// The metadata is about this resource.
    Resource,
    /// The authorization server's metadata is found.
    AsMetadata,
    /// It names the issuer that was looked for.
    Issuer,
    /// It offers PKCE as the client demands.
    Pkce,
    /// The client gets an identity there.
    Registration,
    /// The client's grant and authentication are offered.
    Token,
}

impl Step {
    /// All steps in order.
    pub const ALL: [Self; 9] = [
        Self::Endpoint,
        Self::Challenge,
        Self::ResourceMetadata,
        Self::Resource,
        Self::AsMetadata,
        Self::Issuer,
        Self::Pkce,
        Self::Registration,
        Self::Token,
    ];

    /// The word used in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Endpoint => "endpoint",
            Self::Challenge => "challenge",
            Self::ResourceMetadata => "resource_metadata",
            Self::Resource => "resource",
            Self::AsMetadata => "as_metadata",
            Self::Issuer => "issuer",
            Self::Pkce => "pkce",
            Self::Registration => "registration",
            Self::Token => "token",
        }
    }

    /// The words readers see.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Endpoint => "endpoint",
            Self::Challenge => "challenge",
            Self::ResourceMetadata => "resource metadata",
            Self::Resource => "resource identifier",
            Self::AsMetadata => "authorization server metadata",
            Self::Issuer => "issuer",
            Self::Pkce => "PKCE",
            Self::Registration => "registration",
            Self::Token => "client authentication",
        }
    }
}
