//! What a scan records: every exchange in the order of asking, whole, redacted at
//! capture, never judged and never edited afterwards.

mod consent;
mod deeper;
mod hello;
mod owner;
mod purpose;

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

pub use consent::{Claims, Consent, Credential, Supplied, Visit};
pub use deeper::{
    AuthorizeVariant, CimdVariant, CodeUse, DefaultEndpoint, Forgery, OwnerProbe, Registration,
    TokenProbe,
};
pub use hello::{Hello, Offer, version_name};
pub use owner::{Issued, Obtained, Operation, Operations};
pub use purpose::{AsRole, List, PrmRole, Purpose};

use crate::target::Target;
use crate::time::Millis;

/// Number of the evidence schema written today.
pub const SCHEMA: u16 = 1;

/// Number of the plan: raised whenever what is asked changes. 2 brought the handshakes.
pub const PLAN: u32 = 2;

/// How much may be sent to a server (catalogue section 0.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Depth {
    /// P0: discovery, lists and greetings without credentials.
    Passive,
    /// P0 and P1: also deliberately invalid credentials and odd headers.
    Standard,
    /// P2: touches authorization servers; needs recorded consent.
    Consented,
    /// P3: uses credentials that the owner supplied.
    Credentialed,
}

impl Depth {
    /// The word used on the command line and in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passive => "passive",
            Self::Standard => "standard",
            Self::Consented => "consented",
            Self::Credentialed => "credentialed",
        }
    }
}

/// Everything one scan saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Schema of this record; see [`SCHEMA`].
    pub schema: u16,
    /// What was scanned.
    pub target: Target,
    /// Version of the program that gathered it.
    pub scanner: String,
    /// Number of the plan that was followed; see [`PLAN`].
    pub plan: u32,
    /// How much was allowed to be sent.
    pub depth: Depth,
    /// Special-use addresses were admitted: plain http on loopback counts as trustworthy.
    #[serde(default)]
    pub allow_private: bool,
    /// The person who ran the scan added request headers of their own.
    #[serde(default)]
    pub modified_request: bool,
    /// 26 lower-case base-32 characters that made this scan's probe values unique.
    pub nonce: String,
    /// When the first exchange began.
    pub started: Millis,
    /// How long the whole scan took.
    pub duration_ms: u32,
    /// All exchanges, in order of asking.
    pub exchanges: Vec<Exchange>,
    /// Why asking ended.
    pub stopped: Stopped,
    /// Who allowed more than anybody may send; nothing of depth consented or deeper is sent
    /// without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<Consent>,
    /// Base URL of the host under our control that documents and canaries of this scan live
    /// on, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_host: Option<String>,
    /// Requests that reached [`Evidence::own_host`] for this scan, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub visits: Vec<Visit>,
    /// The credentials that the owner supplied, without their values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub supplied: Vec<Supplied>,
    /// What the owner named to be tried with them.
    #[serde(default, skip_serializing_if = "Operations::is_empty")]
    pub operations: Operations,
    /// What responses brought that was used later, without the values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub obtained: Vec<Obtained>,
}

/// Why a scan ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stopped {
    /// Everything that the plan wanted was asked.
    Finished,
    /// The time budget ran out.
    OutOfTime,
    /// The request budget ran out.
    OutOfAsks,
    /// The server answered 429, or named a time until which it wants to be left alone.
    RateLimited,
    /// Somebody stopped it.
    Stopped,
    /// The host's robots.txt forbids it, or could not be read; the endpoint was not asked.
    Robots,
    /// The host asked to be left out.
    OptedOut,
}

impl Stopped {
    /// Whether the host did not want the scan, so that nothing was asked of its endpoint.
    #[must_use]
    pub fn is_refusal(self) -> bool {
        matches!(self, Self::Robots | Self::OptedOut)
    }
}

/// Position of an exchange in [`Evidence::exchanges`]; what findings point at.
pub type ExchangeId = u32;

/// One request and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// Position in the record.
    pub id: ExchangeId,
    /// Why it was asked.
    pub purpose: Purpose,
    /// 0 for the first try, 1 and 2 for retries after a failure of the network or a 5xx.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempt: u8,
    /// The exchange whose redirect this one follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<ExchangeId>,
    /// When this answer was fetched, if it came from the shared cache of
    /// authorization-server documents instead of from this scan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<Millis>,
    /// What was sent.
    pub asked: Request,
    /// Milliseconds between the start of the scan and this request.
    pub after_ms: u32,
    /// Milliseconds until the answer was read.
    pub took_ms: u32,
    /// What came back, or why nothing did.
    pub got: Result<Response, Failure>,
}

fn is_zero(attempt: &u8) -> bool {
    *attempt == 0
}

/// A request as sent, with credentials blanked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// HTTP method.
    pub method: String,
    /// Absolute URL.
    pub url: String,
    /// Headers as sent, names in lower case. The same name may repeat.
    pub headers: Vec<(String, String)>,
    /// Body, for requests that have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

/// A response as received, redacted and bounded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    /// HTTP status code; 0 for a handshake, over which nothing was asked.
    pub status: u16,
    /// Protocol version: `1.0`, `1.1` or `2`.
    pub http: String,
    /// Headers in the order received as far as the client library keeps it; names in
    /// lower case. A list, because names repeat.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Body,
    /// The address that answered. Stored, never published.
    pub peer: Option<IpAddr>,
    /// What was seen of TLS; `None` over plain http.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsSeen>,
    /// What came back to a handshake that was made by hand; `None` for everything else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hello: Option<Hello>,
}

impl Response {
    /// What came of a handshake over which nothing was asked.
    #[must_use]
    pub fn of_handshake(peer: Option<IpAddr>, tls: Option<TlsSeen>, hello: Option<Hello>) -> Self {
        Self {
            status: 0,
            http: String::new(),
            headers: Vec::new(),
            body: Body::default(),
            peer,
            tls,
            hello,
        }
    }

    /// The first value of a header. `name` in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// All values of a header in order. `name` in lower case.
    pub fn headers_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The media type of `content-type`, in lower case and without parameters.
    #[must_use]
    pub fn media_type(&self) -> Option<String> {
        let value = self.header("content-type")?;
        let essence = value.split(';').next().unwrap_or_default().trim();
        (!essence.is_empty()).then(|| essence.to_ascii_lowercase())
    }
}

/// A body up to the cap.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    /// The text, if the bytes were UTF-8; otherwise base 64 (see `base64`).
    pub text: String,
    /// `text` is base 64 of bytes that were not UTF-8.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub base64: bool,
    /// The body was longer than the cap, or we left a stream before it held an answer. A
    /// stream that was left after the event that answers the request is not truncated.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
    /// Bytes received before redaction.
    pub bytes: u64,
}

/// What was seen of a TLS connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsSeen {
    /// `1.2` or `1.3`.
    pub version: String,
    /// SHA-256 of the leaf certificate, hexadecimal.
    pub leaf_sha256: String,
    /// DNS names and addresses of the leaf.
    pub names: Vec<String>,
    /// The leaf's issuer, as one line.
    pub issuer: String,
    /// Start of the leaf's validity.
    pub not_before: Millis,
    /// End of the leaf's validity.
    pub not_after: Millis,
    /// Why validation failed, if it did; the exchange was then made unvalidated
    /// (catalogue section 0.4 item 7).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<TlsFault>,
    /// URL of the issuer's certificate that the server failed to send and with which the chain
    /// validates (RFC 5280 section 4.2.2.1); `fault` is then none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repaired_from: Option<String>,
}

/// Why a certificate did not validate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TlsFault {
    /// No path to a trusted root, self-signed included.
    Untrusted,
    /// The leaf is past its end.
    Expired,
    /// The leaf's validity has not begun.
    NotYetValid,
    /// The leaf does not name the host.
    WrongName,
    /// Anything else that the verifier refused.
    Invalid,
}

/// Why there was no response. A closed set, because failures are counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// The name did not resolve.
    Dns(DnsFault),
    /// The address guard refused to connect; the rule's name says why.
    Blocked(String),
    /// TCP connection refused.
    Refused,
    /// No route, or another failure to connect.
    Unreachable,
    /// The TLS handshake did not complete, for a reason other than the certificate.
    Tls(String),
    /// No answer in time.
    Timeout(Phase),
    /// The connection was closed before the response was complete.
    Reset,
    /// The answer was not legal HTTP, or passed a limit on headers.
    Protocol(String),
}

impl Failure {
    /// One lower-case word for reports and metrics.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Dns(_) => "dns",
            Self::Blocked(_) => "blocked",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Tls(_) => "tls",
            Self::Timeout(_) => "timeout",
            Self::Reset => "reset",
            Self::Protocol(_) => "protocol",
        }
    }
}

/// How a name failed to resolve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DnsFault {
    /// NXDOMAIN for the registrable domain itself: anybody could register it.
    DomainUnregistered,
    /// NXDOMAIN for the name, or no address records.
    NoSuchName,
    /// The resolver could not tell.
    Failed,
}

/// Which part of an exchange ran out of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Connecting, TLS included.
    Connect,
    /// Until the first byte of the response.
    FirstByte,
    /// Until the end of the response.
    Total,
}

/// Why a stored record could not be read.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// Not JSON, or not of this shape.
    #[error("reading evidence: {0}")]
    Json(#[from] serde_json::Error),
    /// Written by a newer version.
    #[error("reading evidence: schema {0} is newer than {SCHEMA}, the newest this version reads")]
    Newer(u64),
}

impl Evidence {
    /// The record without the addresses that answered or came to fetch: as it is published, and
    /// as it is kept once it is old. No check reads them.
    #[must_use]
    pub fn without_peers(mut self) -> Self {
        for visit in &mut self.visits {
            visit.peer = None;
        }
        for exchange in &mut self.exchanges {
            if let Ok(response) = &mut exchange.got {
                response.peer = None;
            }
        }
        self
    }

    /// The JSON form. Equal evidence gives equal bytes.
    ///
    /// # Errors
    ///
    /// Never in practice: every member has a JSON form.
    pub fn encode(&self) -> Result<Vec<u8>, EvidenceError> {
        Ok(serde_json::to_vec(self)?)
    }

    /// Reads the JSON form of this schema or of any older one.
    ///
    /// # Errors
    ///
    /// If the bytes are no evidence, or come from a newer schema.
    pub fn decode(bytes: &[u8]) -> Result<Self, EvidenceError> {
        let evidence: Self = serde_json::from_slice(bytes)?;
        if evidence.schema > SCHEMA {
            return Err(EvidenceError::Newer(evidence.schema.into()));
        }
        Ok(evidence)
    }
}

#[cfg(test)]
mod tests {
    use super::{AsRole, PrmRole, Purpose};

    #[test]
    fn purposes_have_flat_names() {
        assert_eq!(Purpose::Discover.name(), "discover");
        assert_eq!(
            Purpose::Prm(PrmRole::PathNoSlash).name(),
            "prm_path_no_slash"
        );
        assert_eq!(
            Purpose::AsMetadata(1, AsRole::OidcAppended).name(),
            "as_metadata_1_oidc_appended"
        );
    }
}
