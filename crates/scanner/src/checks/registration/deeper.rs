//! What only a scan with consent can judge: the registration endpoint itself, and the
//! fetching of client documents.

use super::{documents, dynamic};
use crate::check::{Area, Check, Level, Party, ProbeClass, Severity};
use crate::spec::{Matrix, Revision, Spec};

/// Where the newest revision says how client documents are handled.
const IMPLEMENTATION: crate::spec::Citation = Spec::Mcp(Revision::V2026_07_28)
    .at("authorization/client-registration#implementation-requirements");

pub(super) const DCR_OPEN: Check = Check {
    id: "dcr-open",
    title: "The registration endpoint accepts a common MCP client",
    area: Area::Registration,
    level: Level::Should,
    party: &[Party::AuthorizationServer],
    class: ProbeClass::P2,
    severity: Severity::Medium,
    revisions: Matrix::of("AAAA"),
    cites: &[
        Spec::Rfc(7591).at("3.1"),
        Spec::Rfc(7591).at("3.2"),
        Spec::Mcp(Revision::V2026_07_28)
            .at("authorization/client-registration#dynamic-client-registration"),
        Spec::Mcp(Revision::V2026_07_28)
            .at("authorization/client-registration#application-type-and-redirect-uri-constraints"),
    ],
    why: "A registration endpoint that does not work drives users to one shared client.",
    fix: "Stop advertising the endpoint if registration is closed; otherwise accept loopback redirects of native clients.",
    traps: "One registration per scan, marked as a test and deleted afterwards. A rate limit tells nothing.",
    run: dynamic::open,
};

pub(super) const DCR_PROTOCOL: Check = Check {
    id: "dcr-protocol",
    title: "Registration answers follow RFC 7591",
    area: Area::Registration,
    level: Level::Must,
    party: &[Party::AuthorizationServer],
    class: ProbeClass::P2,
    severity: Severity::Low,
    revisions: Matrix::of("AAAA"),
    cites: &[
        Spec::Rfc(7591).at("3.2.1"),
        Spec::Rfc(7591).at("3.2.2"),
        Spec::Rfc(7591).at("5"),
        Spec::Rfc(6749).at("5.1"),
        Spec::OAuth21.at("3.2.3"),
    ],
    why: "Secrets that are answered without `no-store` stay in caches, and clients cannot react to refusals they cannot read.",
    fix: "Use the status codes and error objects of RFC 7591, and send `Cache-Control: no-store`.",
    traps: "Several servers answer a bad request with the general code `invalid_request`, which only warns.",
    run: dynamic::protocol,
};

pub(super) const DCR_REDIRECT_POLICY: Check = Check {
    id: "dcr-redirect-policy",
    title: "Dangerous redirect URIs are refused at registration",
    area: Area::Registration,
    level: Level::Must,
    party: &[Party::AuthorizationServer],
    class: ProbeClass::P2,
    severity: Severity::High,
    revisions: Matrix::of("AAAA"),
    cites: &[
        Spec::Mcp(Revision::V2026_07_28)
            .at("authorization/security-considerations#communication-security"),
        Spec::Rfc(9700).at("2.6"),
        Spec::Rfc(9700).at("4.1.3"),
        Spec::OAuth21.at("2.3.1"),
        Spec::Rfc(7591).at("5"),
        Spec::Rfc(8252).at("7"),
        Spec::Rfc(8252).at("8"),
    ],
    why: "Authorization codes would travel in clear text, or a script would run on a page that the user trusts.",
    fix: "Allow https, http on loopback and private-use schemes only, as exact strings without a fragment.",
    traps: "Private-use schemes with a reversed domain name are legal. A server may accept at registration and refuse at authorization, so the finding is tried there too.",
    run: dynamic::redirect_policy,
};

pub(super) const DCR_AUTH_METHOD: Check = Check {
    id: "dcr-auth-method",
    title: "The requested client authentication method is honoured or answered",
    area: Area::Registration,
    level: Level::Must,
    party: &[Party::AuthorizationServer],
    class: ProbeClass::P2,
    severity: Severity::Low,
    revisions: Matrix::of("AAAA"),
    cites: &[
        Spec::Rfc(7591).at("2"),
        Spec::Rfc(7591).at("3.2.1"),
        Spec::OAuth21.at("2.4"),
    ],
    why: "Public clients end up with a shared secret that is then taken for authentication.",
    fix: "State the effective method in the answer, and issue no secrets to public clients.",
    traps: "Substituting another method and saying so is allowed, hence a warning.",
    run: dynamic::auth_method,
};

pub(super) const CIMD_ACCEPTED: Check = Check {
    id: "cimd-accepted",
    title: "A client id that is a URL is resolved",
    area: Area::Registration,
    level: Level::Should,
    party: &[Party::AuthorizationServer],
    class: ProbeClass::P2,
    severity: Severity::Medium,
    revisions: Matrix::of("NNAA"),
    cites: &[IMPLEMENTATION, Spec::Cimd.at("3"), Spec::Cimd.at("4")],
    why: "Clients that prefer documents fail at a server that advertises them and does not fetch them.",
    fix: "Enable the fetching, or stop advertising it.",
    traps: "Documents are cached, so every test uses a fresh URL. Servers that show the login first fetch later, which cannot be told without a user.",
    run: documents::accepted,
};

pub(super) const CIMD_CLIENT_ID_MATCH: Check = Check {
    id: "cimd-client-id-match",
    title: "A client document names its own URL as client id",
    area: Area::Registration,
    level: Level::Must,
    party: &[Party::AuthorizationServer],
    class: ProbeClass::P2,
    severity: Severity::High,
    revisions: Matrix::of("NNAA"),
    cites: &[IMPLEMENTATION, Spec::Cimd.at("4.1")],
    why: "Otherwise one site takes on the identity of another's client.",
    fix: "Compare the two strings exactly after fetching.",
    traps: "A server that fetches only after login needs a user to be judged.",
    run: documents::client_id_match,
};

pub(super) const CIMD_REDIRECT_URI: Check = Check {
    id: "cimd-redirect-uri",
    title: "Only redirect URIs of the client document are used",
    area: Area::Registration,
    level: Level::Must,
    party: &[Party::AuthorizationServer],
    class: ProbeClass::P2,
    severity: Severity::Critical,
    revisions: Matrix::of("NNAA"),
    cites: &[
        IMPLEMENTATION,
        Spec::Cimd.at("6.1"),
        Spec::OAuth21.at("4.1.2.1"),
    ],
    why: "An attacker who chooses the redirect receives the authorization code.",
    fix: "Match exactly against the document's list, with a variable port for loopback only.",
    traps: "A login shown before validation tells nothing. Limiting redirects to the client's own origin is a stricter policy and legal.",
    run: documents::redirect_uri,
};

pub(super) const CIMD_URL_RULES: Check = Check {
    id: "cimd-url-rules",
    title: "Illegal client id URLs are refused",
    area: Area::Registration,
    level: Level::Must,
    party: &[Party::AuthorizationServer],
    class: ProbeClass::P2,
    severity: Severity::Medium,
    revisions: Matrix::of("NNAA"),
    cites: &[Spec::Cimd.at("3"), IMPLEMENTATION],
    why: "Look-alike URLs become confusable identities, and documents fetched in clear text can be replaced on the way.",
    fix: "Validate the URL before fetching it.",
    traps: "HTTP libraries drop fragments and resolve dot segments before sending, so what counts is what was fetched.",
    run: documents::url_rules,
};

pub(super) const CIMD_FETCH_SAFETY: Check = Check {
    id: "cimd-fetch-safety",
    title: "The fetching of client documents is contained",
    area: Area::Registration,
    level: Level::Should,
    party: &[Party::AuthorizationServer],
    class: ProbeClass::P2,
    severity: Severity::High,
    revisions: Matrix::of("NNAA"),
    cites: &[
        Spec::Cimd.at("6.5"),
        Spec::Cimd.at("6.6"),
        Spec::Mcp(Revision::V2026_07_28)
            .at("authorization/security-considerations#authorization-server-abuse-protection"),
        Spec::McpBestPractices.at("Server-Side Request Forgery"),
    ],
    why: "A client id can otherwise steer the authorization server into its own network, or tie up its resources.",
    fix: "Refuse special-use addresses after resolution, follow no redirects, and cap size and time.",
    traps: "Only loopback and names of the tester are used, never real internal addresses. Early drafts said less about redirects, so that alone only warns.",
    run: documents::fetch_safety,
};
