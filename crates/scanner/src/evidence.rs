//! What a scan records: every exchange in the order of asking, whole, redacted at
//! capture, never judged and never edited afterwards.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::target::Target;
use crate::time::Millis;

/// Number of the evidence schema written today.
pub const SCHEMA: u16 = 1;

/// Number of the plan: raised whenever what is asked changes.
pub const PLAN: u32 = 1;

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
    /// HTTP status code.
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
}

impl Response {
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

/// Which list of an MCP server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum List {
    /// `tools/list`
    Tools,
    /// `prompts/list`
    Prompts,
    /// `resources/list`
    Resources,
    /// `resources/templates/list`
    Templates,
}

impl List {
    /// The JSON-RPC method.
    #[must_use]
    pub fn method(self) -> &'static str {
        match self {
            Self::Tools => "tools/list",
            Self::Prompts => "prompts/list",
            Self::Resources => "resources/list",
            Self::Templates => "resources/templates/list",
        }
    }

    /// The member of the result that holds the entries.
    #[must_use]
    pub fn member(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
        }
    }
}

/// Where a protected-resource document was looked for (catalogue section a.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrmRole {
    /// The URL that the challenge named.
    Header,
    /// The suffix inserted before the endpoint's path.
    Path,
    /// The same without the path's trailing slash.
    PathNoSlash,
    /// The origin's root document.
    Root,
    /// The suffix appended to the path: a common mistake, diagnostic only.
    Appended,
    /// Inserted before a parent of the path, diagnostic only.
    Parent,
}

/// Which authorization-server metadata candidate (catalogue section a.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AsRole {
    /// 0: `oauth-authorization-server` at the endpoint's own origin, without a PRM.
    Origin,
    /// 1: RFC 8414, suffix inserted before the issuer's path.
    OauthInserted,
    /// 2: OpenID configuration, suffix inserted.
    OidcInserted,
    /// 3: OpenID configuration, suffix appended.
    OidcAppended,
    /// 4: RFC 8414 suffix appended, diagnostic only.
    OauthAppended,
    /// 5: RFC 8414 document of the issuer's root, diagnostic only.
    OauthRoot,
    /// `openid-configuration` at the endpoint's own origin (mirror detection).
    OriginOidc,
}

/// Why an exchange was made. Numbers in brackets are those of the catalogue's
/// exchange library.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Modern `server/discover` \[X1\].
    Discover,
    /// X1 again with the newest version that the server listed.
    DiscoverListed,
    /// A modern list \[X2\].
    ModernList(List),
    /// Legacy `initialize` for 2025-11-25 \[X3\].
    Initialize,
    /// `initialize` asking for 2099-01-01, to tell negotiation from an echo.
    InitializeFuture,
    /// `initialize` asking for 2024-11-05, for parity between eras.
    InitializeOldest,
    /// `notifications/initialized` \[X4\].
    Initialized,
    /// A legacy list \[X4\].
    LegacyList(List),
    /// DELETE of the session that a legacy handshake opened \[X4\].
    EndSession,
    /// GET with `Accept: text/event-stream` \[X5\].
    EventStream,
    /// X5 on the listing's SSE sibling URL.
    SiblingStream,
    /// X1 over plain http on port 80 \[X6\].
    Plaintext,
    /// X1 or X3 with a foreign `Origin` \[X7\].
    ForeignOrigin,
    /// X1 or X3 with `Origin: null` \[X7\].
    NullOrigin,
    /// OPTIONS \[X8\].
    Preflight,
    /// A protected-resource metadata candidate \[X9\].
    Prm(PrmRole),
    /// An authorization-server metadata candidate of the n-th issuer \[X10\].
    AsMetadata(u8, AsRole),
    /// A `jwks_uri` of the n-th issuer \[X11\].
    Jwks(u8),
    /// The `jwks_uri` of the protected-resource metadata.
    PrmJwks,
    /// A protected-resource candidate on the other host that `resource` names, where both
    /// hosts belong to one registrable domain (prm-resource-same-origin).
    AliasPrm(PrmRole),
    /// X1 or X3 on that other host.
    AliasEndpoint,
    /// A random bearer token \[X12\].
    BogusToken,
    /// A random `access_token` in the query \[X13\].
    QueryAccessToken,
    /// A random `token` in the query \[X13\].
    QueryToken,
    /// `Authorization: Bearer` without a token \[X14a\].
    EmptyBearer,
    /// Basic credentials \[X14b\].
    BasicCredentials,
    /// Two `Authorization` lines \[X14c\].
    TwoBearers,
    /// X1 or X3 with forwarding headers \[X15\].
    ForwardedEndpoint,
    /// The selected PRM with forwarding headers \[X15\].
    ForwardedPrm,
    /// The AS document on the endpoint's origin with forwarding headers \[X15\].
    ForwardedAsMetadata,
    /// `tools/call` of a tool that cannot exist \[X16\].
    UnknownTool,
    /// A protocol version that does not exist \[X17\].
    BogusVersion,
    /// Header and `_meta` name different versions \[X18a\].
    VersionMismatch,
    /// `Mcp-Method` and the body differ \[X18b\].
    MethodMismatch,
    /// `Mcp-Method` is missing \[X18c\].
    MethodMissing,
    /// An unknown JSON-RPC method \[X19\].
    UnknownMethod,
    /// A JSON-RPC array \[X20\].
    Batch,
    /// The challenged request once more on a new connection (challenge-consistent).
    Repeat(u8),
    /// A modern request that carries a session id (stateless-no-session).
    StraySession,
    /// A further `initialize`, to compare session ids (session-id-quality).
    AnotherSession(u8),
    /// DELETE of a session that [`Purpose::AnotherSession`] opened.
    EndAnotherSession(u8),
    /// A list under a session id that was never issued (session-unknown-rejected).
    UnknownSession,
    /// The same on further new connections, where it was served.
    UnknownSessionAgain(u8),
    /// A list under the session that was ended.
    EndedSession,
    /// The same on further new connections, where it was served.
    EndedSessionAgain(u8),
    /// `/.well-known/security.txt` of the endpoint's host.
    SecurityTxt,
    /// `/security.txt` of the endpoint's host.
    SecurityTxtLegacy,
    /// A well-known name that cannot exist, to recognise catch-alls.
    RandomWellKnown,
    /// A path that cannot exist, to recognise intermediaries.
    RandomPath,
    /// The selected PRM with an `Origin`.
    CorsPrm,
    /// The first AS document with an `Origin`.
    CorsAsMetadata,
    /// The key set with an `Origin`.
    CorsJwks,
}

impl Purpose {
    /// The words used in reports, for example `prm_header` or `as_metadata_0_oauth_inserted`.
    #[must_use]
    pub fn name(self) -> String {
        match serde_json::to_value(self) {
            Ok(serde_json::Value::String(name)) => name,
            Ok(value) => flatten(&value),
            Err(_) => String::new(),
        }
    }
}

/// `{"prm":"header"}` → `prm_header`, `{"as_metadata":[0,"origin"]}` → `as_metadata_0_origin`.
fn flatten(value: &serde_json::Value) -> String {
    use serde_json::Value;
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(flatten).collect::<Vec<_>>().join("_"),
        Value::Object(members) => members
            .iter()
            .map(|(name, inner)| format!("{name}_{}", flatten(inner)))
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
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
