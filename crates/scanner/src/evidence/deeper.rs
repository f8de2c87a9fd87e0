//! The variants of what only consented and credentialed scans ask (catalogue section 0.3,
//! Y0 to Z). Variants may be appended; none is renamed, because evidence keeps their names.

use serde::{Deserialize, Serialize};

/// Which registration request \[Y1\].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Registration {
    /// A native public client with a loopback redirect: the test client.
    Native,
    /// The same without `application_type`, where the first was refused.
    Untyped,
    /// A public client with an https redirect to our own host.
    Https,
    /// A second client with another redirect, to tell a proxy by its constant upstream client.
    Second,
    /// `redirect_uris` is empty.
    NoRedirects,
    /// The redirect is plain http to a host that is not loopback.
    PlainHttp,
    /// The redirect is a `javascript:` URL.
    Script,
    /// The redirect is a `data:` URL.
    Data,
    /// The redirect has a fragment.
    Fragment,
    /// The redirect's host has a wildcard.
    Wildcard,
}

/// How an authorization request differs from the valid one \[Y2\].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthorizeVariant {
    /// Not at all: code, S256, `resource`, a scope, `state`.
    Valid,
    /// The valid request for the second client.
    SecondClient,
    /// No `code_challenge`.
    NoChallenge,
    /// `code_challenge_method=plain`.
    PlainChallenge,
    /// A challenge without a method.
    MethodOmitted,
    /// No `resource`.
    NoResource,
    /// A `resource` of somebody else.
    ForeignResource,
    /// A `client_id` that nobody issued, with a redirect to a host that does not exist.
    UnknownClient,
    /// A redirect that was not registered.
    UnregisteredRedirect,
    /// The registered https redirect with a trailing slash.
    RedirectSlash,
    /// The registered https redirect with a query.
    RedirectQuery,
    /// The registered https redirect with a dot segment that leads elsewhere.
    RedirectDotSegment,
    /// The registered https redirect's path in another case.
    RedirectCase,
    /// The registered https redirect's path with a letter more.
    RedirectLonger,
    /// The registered https redirect on a sub-domain.
    RedirectSubdomain,
    /// The registered https redirect itself: what the variants are compared with.
    RedirectExact,
    /// The loopback redirect with another port.
    LoopbackPort,
    /// `response_type` that nobody knows.
    UnsupportedResponseType,
    /// A scope that nobody knows.
    UnknownScope,
    /// `prompt=none`.
    PromptNone,
    /// `response_type=token`.
    Implicit,
    /// The valid request with a foreign `Origin`.
    ForeignOrigin,
    /// A plain http redirect that a registration accepted.
    HttpRedirect,
    /// A `javascript:` redirect that a registration accepted.
    ScriptRedirect,
    /// A `data:` redirect that a registration accepted.
    DataRedirect,
    /// A host that a wildcard redirect covers, which a registration accepted.
    WildcardRedirect,
}

/// How a client document, or the URL that names it, differs from a good one \[Y4\].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CimdVariant {
    /// Not at all.
    Good,
    /// The document's `client_id` is another URL.
    OtherId,
    /// The document has no `client_id`.
    NoId,
    /// The document's `client_id` differs by a trailing slash.
    SlashId,
    /// A `redirect_uri` that the document does not list.
    UnlistedRedirect,
    /// The URL is plain http.
    PlainHttp,
    /// The URL has no path.
    NoPath,
    /// The URL has a fragment.
    Fragment,
    /// The URL has user information.
    Userinfo,
    /// The URL's path has dot segments.
    DotSegments,
    /// The document's URL redirects to another one.
    Redirecting,
    /// The URL's host resolves to loopback only.
    Loopback,
    /// The document is 200 kB long.
    Large,
    /// The document never ends.
    Stalling,
}

/// A request to the token endpoint that must be refused \[Y3\].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenProbe {
    /// POST with a code that was never issued.
    BogusCode,
    /// The same by GET.
    ByGet,
    /// By GET without parameters, to tell whether the answer depends on them.
    ByGetBare,
    /// The password grant with empty credentials.
    Password,
}

/// How a forged token is made \[Y6, Y7\].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Forgery {
    /// `alg: none`.
    NoAlgorithm,
    /// Signed with our own key under a `kid` of the authorization server.
    OtherKey,
    /// HS256 keyed with the PEM form of a public key of the authorization server.
    PublicKeyAsSecret,
    /// As [`Forgery::OtherKey`], with `jku` at our own host.
    Jku,
    /// As [`Forgery::OtherKey`], with `x5u` at our own host.
    X5u,
}

/// Endpoints that 2025-03-26 assumes at the origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DefaultEndpoint {
    /// GET `/authorize`.
    Authorize,
    /// OPTIONS `/token`.
    Token,
    /// OPTIONS `/register`.
    Register,
}

/// A request to the MCP server with something that the owner supplied \[Z\].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OwnerProbe {
    /// `server/discover` with the valid token: the control of everything else.
    Discover,
    /// `initialize` with the valid token: opens the owner's session.
    Initialize,
    /// `notifications/initialized` in that session.
    Initialized,
    /// `tools/list` with the valid token.
    List,
    /// DELETE of that session.
    EndSession,
    /// The valid token in the query instead of the header.
    InQuery,
    /// A token for another resource or client.
    OtherAudience,
    /// An ID token.
    IdToken,
    /// A token past its end.
    Expired,
    /// The valid token with a changed claim.
    ChangedClaim,
    /// The valid token with a shortened signature, or with one character changed if opaque.
    ShortSignature,
    /// The valid token with one bit of its signature flipped.
    FlippedSignature,
    /// A token of the upstream provider.
    Upstream,
    /// The named operation with a token that lacks its scope.
    MissingScope,
    /// The same after stepping up to the scopes that were demanded.
    SteppedUp,
    /// The named operation with a token whose broader scope implies it.
    BroaderScope,
    /// `tools/list` in the owner's session without a token.
    SessionWithoutToken,
    /// The event stream of the owner's session without a token.
    StreamWithoutToken,
    /// A message to the owner's HTTP+SSE session without a token.
    MessageWithoutToken,
    /// `tools/list` in the owner's session with another principal's token.
    SessionOfAnother,
    /// `tools/list` with another principal's token.
    OtherList,
    /// `resources/list` with the valid token.
    Resources,
    /// `resources/list` with another principal's token.
    OtherResources,
    /// `resources/read` of the first resource with the valid token.
    Resource,
    /// `resources/read` of the same with another principal's token.
    OtherResource,
    /// The named operation that asks for input.
    InputRequired,
    /// Its continuation with a flipped byte of `requestState`.
    StateFlipped,
    /// Its continuation with another principal's token.
    StateOfAnother,
    /// Its continuation after the stated end.
    StateLate,
    /// Its continuation on another method.
    StateElsewhere,
    /// Its continuation as it should be: the control of the others.
    StateKept,
    /// The greeting with another principal's token: the control of what is asked with it.
    OtherHello,
    /// DELETE of the session that [`OwnerProbe::OtherHello`] opened.
    EndOtherSession,
    /// `tools/list` in the owner's session with the owner's token: its control.
    SessionOfOwner,
}

/// What a code, or a refresh token, is obtained for \[Z\].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CodeUse {
    /// A plain redemption: the token whose audience and lifetime are read.
    Token,
    /// A second redemption of that code.
    Again,
    /// A redemption of that code at the same time as the first.
    Parallel,
    /// A redemption by another client.
    OtherClient,
    /// A redemption eleven minutes later.
    Late,
    /// A wrong `code_verifier`.
    WrongVerifier,
    /// No `code_verifier` although a challenge was sent.
    NoVerifier,
    /// A `code_verifier` although no challenge was sent.
    UnexpectedVerifier,
    /// Another `resource` than authorized.
    OtherResource,
    /// The first use of the refresh token.
    Refresh,
    /// The use of the token that the refresh brought.
    RefreshNext,
    /// The old refresh token once more.
    RefreshOld,
    /// The scopes that a 403 demanded.
    StepUp,
    /// The first redemption of the code that is redeemed again.
    Once,
    /// The old refresh token after the longest grace that is common.
    RefreshLater,
}
