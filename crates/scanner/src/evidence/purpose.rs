//! Why an exchange was made: the vocabulary between the plan, the facts and the checks.

use serde::{Deserialize, Serialize};

use super::deeper::{
    AuthorizeVariant, CimdVariant, CodeUse, DefaultEndpoint, Forgery, OwnerProbe, Registration,
    TokenProbe,
};
use super::hello::Offer;

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
    /// The same in the legacy era, where the modern request got past authentication and was
    /// refused for its era.
    BogusTokenLegacy,
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
    /// A well-known name that cannot exist, to recognise catch-alls and intermediaries.
    RandomWellKnown,
    /// The selected PRM with an `Origin`.
    CorsPrm,
    /// The first AS document with an `Origin`.
    CorsAsMetadata,
    /// The key set with an `Origin`.
    CorsJwks,
    /// A TLS handshake over which nothing is asked; the URL is the host's root \[X21\].
    Handshake(Offer),
    /// A client registration at the tested authorization server \[Y1\].
    Register(Registration),
    /// DELETE of the client that this registration created (RFC 7592 section 2.3).
    Unregister(Registration),
    /// An authorization request \[Y2\].
    Authorize(AuthorizeVariant),
    /// OPTIONS of the authorization endpoint with a foreign `Origin`.
    AuthorizePreflight,
    /// A request to the token endpoint that cannot succeed \[Y3\].
    TokenEndpoint(TokenProbe),
    /// An authorization request with a client document of ours \[Y4\].
    Cimd(CimdVariant),
    /// Introspection without credentials \[Y5\].
    Introspect,
    /// X1 or X3 with a forged token \[Y6, Y7\].
    ForgedToken(Forgery),
    /// One of the endpoints that 2025-03-26 assumes where no metadata exists.
    DefaultEndpoint(DefaultEndpoint),
    /// A request with a credential of the owner \[Z\].
    Owner(OwnerProbe),
    /// An authorization request whose code the scan wants: answered without a login, or by
    /// the owner in a browser \[Z\].
    Login(CodeUse),
    /// The redemption of that code, or of a refresh token \[Z\].
    Redeem(CodeUse),
    /// Revocation of a token that the scan obtained (RFC 7009).
    Revoke(CodeUse),
}

impl Purpose {
    /// Sent at depth consented or deeper only. Such exchanges are judged by the checks of
    /// classes P2 and P3 and by no other.
    #[must_use]
    pub fn is_deeper(self) -> bool {
        matches!(
            self,
            Self::Register(_)
                | Self::Unregister(_)
                | Self::Authorize(_)
                | Self::AuthorizePreflight
                | Self::TokenEndpoint(_)
                | Self::Cimd(_)
                | Self::Introspect
                | Self::ForgedToken(_)
                | Self::DefaultEndpoint(_)
                | Self::Owner(_)
                | Self::Login(_)
                | Self::Redeem(_)
                | Self::Revoke(_)
        )
    }

    /// Takes back what the scan created: asked before a scan ends, however it ends.
    #[must_use]
    pub fn takes_back(self) -> bool {
        matches!(self, Self::Unregister(_) | Self::Revoke(_))
    }

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
