//! Checks that need recorded consent (P2) or credentials of the owner (P3): the depth gate
//! answers for them in every scan from outside.

use super::{proxy, redirects, responses, tokens};
use crate::check::{Area, Check, Level, Party, ProbeClass, Severity};
use crate::spec::{Matrix, Revision, Spec};

const NOW: Revision = Revision::V2026_07_28;

pub(super) const UNKNOWN_CLIENT_NO_REDIRECT: Check = Check {
    id: "authz-unknown-client-no-redirect",
    title: "Unknown clients are not redirected",
    area: Area::Endpoints,
    level: Level::Must,
    party: &[Party::AuthorizationServer],
    class: ProbeClass::P2,
    severity: Severity::High,
    revisions: Matrix::of("AAAA"),
    cites: &[
        Spec::OAuth21.at("4.1.2.1"),
        Spec::OAuth21.at("7.12.2"),
        Spec::Rfc(9700).at("4.11.2"),
        Spec::Mcp(NOW).at("authorization/security-considerations#open-redirection"),
    ],
    why: "An endpoint that redirects for anybody is an open redirector on a domain that people trust.",
    fix: "Show an error page of your own whenever the client or its redirect address is not valid.",
    traps: "Proxies that create clients on the fly redirect here by design, and fail.",
    run: redirects::unknown_client,
};

pub(super) const UNREGISTERED_REDIRECT_REFUSED: Check = Check {
    id: "authz-unregistered-redirect-refused",
    title: "Unregistered redirect addresses are refused",
    area: Area::Endpoints,
    level: Level::Must,
    party: &[Party::AuthorizationServer],
    class: ProbeClass::P2,
    severity: Severity::Critical,
    revisions: Matrix::of("AAAA"),
    cites: &[
        Spec::Mcp(Revision::V2025_03_26).at("authorization#security-considerations"),
        Spec::Mcp(NOW).at("authorization/security-considerations#open-redirection"),
        Spec::OAuth21.at("4.1.1"),
        Spec::OAuth21.at("4.1.2.1"),
        Spec::Rfc(9700).at("4.1.3"),
    ],
    why: "A code that is sent to an address of the attacker's choice is a stolen code.",
    fix: "Compare the redirect address with the registered ones, character by character, before anything else.",
    traps: "A sign-in page before the comparison proves nothing without a user, so it stays undecided.",
    run: redirects::unregistered,
};

pub(super) const REDIRECT_EXACT_MATCH: Check = Check {
    id: "authz-redirect-exact-match",
    title: "Redirect addresses are compared exactly",
    area: Area::Endpoints,
    level: Level::Must,
    party: &[Party::AuthorizationServer],
    class: ProbeClass::P2,
    severity: Severity::High,
    revisions: Matrix::of("AAAA"),
    cites: &[
        Spec::OAuth21.at("2.3.1"),
        Spec::OAuth21.at("4.1.1"),
        Spec::Rfc(9700).at("4.1.3"),
        Spec::McpBestPractices.at("Redirect URI Validation"),
    ],
    why: "Prefixes, other paths and subdomains let codes leak through open redirectors and neighbours of the client.",
    fix: "Compare bytes; make an exception for the port of loopback addresses only.",
    traps: "Some products allow wildcards only where the tenant configures them, so a finding is about this tenant.",
    run: redirects::exact_match,
};

pub(super) const LOOPBACK_ANY_PORT: Check = Check {
    id: "authz-loopback-any-port",
    title: "Loopback redirects work on any port",
    area: Area::Endpoints,
    level: Level::Must,
    party: &[Party::AuthorizationServer],
    class: ProbeClass::P2,
    severity: Severity::Low,
    revisions: Matrix::of("AAAA"),
    cites: &[
        Spec::Rfc(8252).at("7.3"),
        Spec::OAuth21.at("4.1.1"),
        Spec::OAuth21.at("8.4.2"),
        Spec::Mcp(NOW).at("authorization/security-considerations#communication-security"),
    ],
    why: "Native clients get a new port at every start; where it is compared, they fail or fill the server with registrations.",
    fix: "Leave the port out of the comparison for 127.0.0.1, [::1] and, if it is supported, localhost.",
    traps: "Products differ in which of the host forms gets the exception, so the tested form is noted.",
    run: redirects::any_port,
};

pub(super) const NO_CORS: Check = Check {
    id: "authz-no-cors",
    title: "The authorization endpoint cannot be read across origins",
    area: Area::Endpoints,
    level: Level::Must,
    party: &[Party::AuthorizationServer],
    class: ProbeClass::P2,
    severity: Severity::Medium,
    revisions: Matrix::of("AAAA"),
    cites: &[Spec::OAuth21.at("3.1"), Spec::Rfc(9700).at("2.6")],
    why: "A script of another site could read the authorization response of a signed-in user.",
    fix: "Exclude the authorization endpoint from the CORS settings of the host.",
    traps: "A wildcard for the whole host, where one program is both MCP and authorization server, is the usual cause.",
    run: responses::no_cors,
};

pub(super) const FRAME_PROTECTION: Check = Check {
    id: "authz-frame-protection",
    title: "Sign-in and consent pages cannot be framed",
    area: Area::Endpoints,
    level: Level::Must,
    party: &[Party::AuthorizationServer],
    class: ProbeClass::P2,
    severity: Severity::Medium,
    revisions: Matrix::of("AAAA"),
    cites: &[
        Spec::Rfc(9700).at("4.16"),
        Spec::OAuth21.at("7.10"),
        Spec::McpBestPractices.at("Consent UI Requirements"),
    ],
    why: "A framed consent page can be clicked through without the user seeing it.",
    fix: "Send `Content-Security-Policy: frame-ancestors 'none'` with these pages.",
    traps: "Error pages may lack headers that the real page has, so the page of a valid request is looked at.",
    run: responses::frame_protection,
};

pub(super) const ISS_EMITTED: Check = Check {
    id: "authz-iss-emitted",
    title: "Authorization responses carry `iss`",
    area: Area::Endpoints,
    level: Level::Should,
    party: &[Party::AuthorizationServer],
    class: ProbeClass::P2,
    severity: Severity::High,
    revisions: Matrix::of("NNNA"),
    cites: &[
        Spec::Mcp(NOW).at("authorization#authorization-response-validation"),
        Spec::Rfc(9207).at("2"),
        Spec::Rfc(9207).at("2.3"),
    ],
    why: "Without it clients cannot notice a mix-up; announced and missing, it makes every client that follows the rules refuse the login.",
    fix: "Add `iss` to success and error redirects, then announce it.",
    traps: "Servers that answer with a page of their own instead of an error redirect need another probe, or stay undecided.",
    run: responses::iss_emitted,
};

pub(super) const ERROR_RESPONSE: Check = Check {
    id: "authz-error-response",
    title: "Error redirects are well formed and keep `state`",
    area: Area::Endpoints,
    level: Level::Must,
    party: &[Party::AuthorizationServer],
    class: ProbeClass::P2,
    severity: Severity::Low,
    revisions: Matrix::of("AAAA"),
    cites: &[Spec::OAuth21.at("4.1.2.1"), Spec::Rfc(6749).at("4.1.2.1")],
    why: "A lost state opens the door to login CSRF, and clients cannot tell what went wrong.",
    fix: "Return `state` unchanged with one registered error code, and redirect with 302 or 303.",
    traps: "A page of the server's own instead of a redirect is a warning only.",
    run: responses::error_response,
};

pub(super) const IMPLICIT_REFUSED: Check = Check {
    id: "authz-implicit-refused",
    title: "Response types with tokens in the front channel are refused",
    area: Area::Endpoints,
    level: Level::Must,
    party: &[Party::AuthorizationServer],
    class: ProbeClass::P2,
    severity: Severity::Medium,
    revisions: Matrix::of("AAAA"),
    cites: &[Spec::OAuth21.at("10.1"), Spec::Rfc(9700).at("2.1.2")],
    why: "Tokens in URLs end up in histories, logs and referrers.",
    fix: "Switch the implicit flow off for clients that register themselves.",
    traps: "Servers that ask for a sign-in first cannot be judged without a user: a warning at most.",
    run: responses::implicit_refused,
};

pub(super) const PROXY_CONSENT: Check = Check {
    id: "authz-proxy-consent",
    title: "OAuth proxies ask for consent for each client before they go upstream",
    area: Area::Endpoints,
    level: Level::Must,
    party: &[Party::AuthorizationServer, Party::Server],
    class: ProbeClass::P2,
    severity: Severity::Critical,
    revisions: Matrix::of("NAAA"),
    cites: &[
        Spec::Mcp(Revision::V2025_06_18).at("authorization#confused-deputy-problem"),
        Spec::Mcp(NOW).at("authorization/security-considerations#confused-deputy-problem"),
        Spec::McpBestPractices.at("Confused Deputy"),
    ],
    why: "An attacker registers a client, the upstream cookie of the victim skips the upstream consent, and the code goes to the attacker.",
    fix: "Show a consent page of your own for each new client, and bind the approval to user and client.",
    traps: "Products that ask after the return from upstream look the same from outside; without a signed-in user they stay undecided.",
    run: proxy::consent,
};

pub(super) const TOKEN_ENDPOINT_ERRORS: Check = Check {
    id: "token-endpoint-errors",
    title: "The token endpoint fails safely and in the standard form",
    area: Area::Endpoints,
    level: Level::Must,
    party: &[Party::AuthorizationServer],
    class: ProbeClass::P2,
    severity: Severity::Low,
    revisions: Matrix::of("AAAA"),
    cites: &[
        Spec::OAuth21.at("3.2"),
        Spec::OAuth21.at("3.2.3"),
        Spec::OAuth21.at("3.2.4"),
        Spec::Rfc(6749).at("5.2"),
    ],
    why: "A live password grant invites credential stuffing, and an endpoint that takes GET puts codes into logs.",
    fix: "Answer errors as JSON with no-store, take POST only, and switch the password grant off.",
    traps: "401 with a Basic challenge for an unknown client is correct.",
    run: tokens::errors,
};

pub(super) const INTROSPECTION_AUTHENTICATED: Check = Check {
    id: "introspection-authenticated",
    title: "Introspection needs client authentication",
    area: Area::Endpoints,
    level: Level::Must,
    party: &[Party::AuthorizationServer],
    class: ProbeClass::P2,
    severity: Severity::Medium,
    revisions: Matrix::of("AAAA"),
    cites: &[
        Spec::Rfc(7662).at("2.1"),
        Spec::Rfc(7662).at("4"),
        Spec::Rfc(7009).at("2.1"),
    ],
    why: "An open endpoint tells anybody which guessed or stolen tokens are alive.",
    fix: "Require client authentication there.",
    traps: "Revocation endpoints that answer 200 to unknown tokens are correct; only introspection is judged.",
    run: tokens::introspection,
};

pub(super) const CODE_SINGLE_USE: Check = Check {
    id: "code-single-use",
    title: "Authorization codes work once and for their client only",
    area: Area::Endpoints,
    level: Level::Must,
    party: &[Party::AuthorizationServer],
    class: ProbeClass::P3,
    severity: Severity::High,
    revisions: Matrix::of("AAAA"),
    cites: &[
        Spec::OAuth21.at("4.1.3"),
        Spec::OAuth21.at("7.5.2"),
        Spec::Rfc(6749).at("4.1.2"),
        Spec::Rfc(9700).at("4.5"),
    ],
    why: "Codes leak through logs and referrers; one that works again is a token for whoever finds it.",
    fix: "Delete a code on its first use, bind it to client, redirect address and challenge, and let it expire within minutes.",
    traps: "Stores that agree late may allow two quick redemptions, so one pair is sent at the same time.",
    run: super::super::owner::single_use,
};

pub(super) const REFRESH_ROTATION: Check = Check {
    id: "refresh-rotation",
    title: "Refresh tokens of public clients rotate",
    area: Area::Endpoints,
    level: Level::Must,
    party: &[Party::AuthorizationServer],
    class: ProbeClass::P3,
    severity: Severity::High,
    revisions: Matrix::of("AAAA"),
    cites: &[
        Spec::Mcp(Revision::V2025_06_18).at("authorization#token-theft"),
        Spec::Mcp(NOW).at("authorization/security-considerations#token-theft"),
        Spec::OAuth21.at("4.3.1"),
        Spec::OAuth21.at("4.3.3"),
        Spec::Rfc(9700).at("2.2.2"),
        Spec::Rfc(9700).at("4.14.2"),
    ],
    why: "A stolen refresh token that never changes gives silent access for as long as it lives.",
    fix: "Rotate with detection of reuse, or bind the token with DPoP.",
    traps: "A short grace period for lost answers is accepted practice, so reuse is tried only after the new token was used.",
    run: super::super::owner::refresh_rotation,
};
