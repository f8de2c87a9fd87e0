//! Sessions and statelessness (catalogue section 1.11): whether the wire behaves as its era
//! demands, and whether session ids could become credentials.

#[cfg(test)]
mod cases;
mod ids;
mod stateless;

#[cfg(test)]
pub(super) use cases::CASES;

use crate::check::{Area, Check, Level, Party, ProbeClass, Severity};
use crate::spec::{Matrix, Revision, Spec};

const NEWEST: Spec = Spec::Mcp(Revision::V2026_07_28);
const LAST_WITH_SESSIONS: Spec = Spec::Mcp(Revision::V2025_11_25);
const FIRST_WITH_SESSIONS: Spec = Spec::Mcp(Revision::V2025_03_26);
const HIJACKING: crate::spec::Citation = Spec::McpBestPractices.at("Session Hijacking");

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "stateless-discover",
        title: "server/discover is implemented",
        area: Area::Session,
        level: Level::Must,
        party: &[Party::Server],
        class: ProbeClass::P0,
        severity: Severity::Low,
        revisions: Matrix::of("NNNA"),
        cites: &[
            NEWEST.at("server/discover"),
            NEWEST.at("versioning#protocol-version-negotiation"),
            Spec::McpSep.at("2575"),
        ],
        why: "Nothing is open to attack, but clients have to guess the era, and guessing invites \
              fallbacks to older ones.",
        fix: "Implement the method; current SDKs do so by default.",
        traps: "A fully protected server answers 401 before it shows what it implements, which is \
                right; its era is then inferred and this check does not apply.",
        run: stateless::discover,
    },
    Check {
        id: "version-unsupported-400",
        title: "Protocol versions that do not exist are refused",
        area: Area::Session,
        level: Level::Must,
        party: &[Party::Server],
        class: ProbeClass::P0,
        severity: Severity::Low,
        revisions: Matrix::of("NAAC"),
        cites: &[
            NEWEST.at("transports/streamable-http#protocol-version-header"),
            LAST_WITH_SESSIONS.at("transports#protocol-version-header"),
            Spec::Mcp(Revision::V2025_06_18).at("transports#protocol-version-header"),
        ],
        why: "Behaviour that no revision describes becomes reachable, and filters that key on the \
              version header can be walked past.",
        fix: "Validate the header before anything is dispatched.",
        traps: "A 400 that lists the versions before any 401 tells nothing that is secret. Servers \
                that keep no state of old clients often ignore the header, which only warns.",
        run: stateless::version,
    },
    Check {
        id: "stateless-header-body-match",
        title: "Routing headers have to agree with the body",
        area: Area::Session,
        level: Level::Must,
        party: &[Party::Server],
        class: ProbeClass::P0,
        severity: Severity::Medium,
        revisions: Matrix::of("NNNA"),
        cites: &[
            NEWEST.at("transports/streamable-http#server-validation"),
            NEWEST.at("transports/streamable-http#protocol-version-header"),
            Spec::McpSep.at("2243"),
        ],
        why: "A gateway that authorizes by header is bypassed when the server executes the body.",
        fix: "Compare both after decoding, and refuse requests in which they differ or one is absent.",
        traps: "The error code was only recommended for a while, so another code is a warning. A \
                server of both eras may read a request without Mcp-Method as an old one.",
        run: stateless::header_body,
    },
    Check {
        id: "stateless-unknown-method-404",
        title: "Unknown methods are answered with 404 and -32601",
        area: Area::Session,
        level: Level::Must,
        party: &[Party::Server],
        class: ProbeClass::P0,
        severity: Severity::Info,
        revisions: Matrix::of("NNNA"),
        cites: &[NEWEST.at("transports/streamable-http#protocol-version-header")],
        why: "Nothing is open to attack; clients misjudge the era and which operations are protected.",
        fix: "Map method-not-found to HTTP status 404.",
        traps: "A proxy that puts its own page in place of 404 bodies makes a modern server look old \
                or absent.",
        run: stateless::unknown_method,
    },
    Check {
        id: "stateless-no-session",
        title: "Modern requests neither get nor need a session id",
        area: Area::Session,
        level: Level::Should,
        party: &[Party::Server],
        class: ProbeClass::P0,
        severity: Severity::Low,
        revisions: Matrix::of("NNNA"),
        cites: &[
            NEWEST.at("transports/streamable-http#earlier-streamable-http-revisions"),
            NEWEST.at("index#statelessness"),
            Spec::McpSep.at("2567"),
        ],
        why: "Session ids become bearer credentials once more.",
        fix: "Switch session management off for modern requests.",
        traps: "Affinity cookies of a load balancer are something else and are not looked at.",
        run: stateless::no_session,
    },
    Check {
        id: "stateless-get-405",
        title: "GET on the endpoint behaves as the era demands",
        area: Area::Session,
        level: Level::Must,
        party: &[Party::Server],
        class: ProbeClass::P0,
        severity: Severity::Info,
        revisions: Matrix::of("AAAC"),
        cites: &[
            NEWEST.at("transports/streamable-http#earlier-streamable-http-revisions"),
            LAST_WITH_SESSIONS.at("transports#listening-for-messages-from-the-server"),
        ],
        why: "Nothing is open to attack; clients mistake the server for one of the HTTP+SSE transport.",
        fix: "Answer 405 with an Allow header where no stream is offered.",
        traps: "Many products show people a page on GET, which only warns.",
        run: stateless::get,
    },
    Check {
        id: "session-id-quality",
        title: "Session ids cannot be guessed and are well formed",
        area: Area::Session,
        level: Level::Should,
        party: &[Party::Server],
        class: ProbeClass::P0,
        severity: Severity::Medium,
        revisions: Matrix::of("AAAR"),
        cites: &[
            LAST_WITH_SESSIONS.at("transports#session-management"),
            Spec::Mcp(Revision::V2025_06_18).at("transports#session-management"),
            FIRST_WITH_SESSIONS.at("transports#session-management"),
            HIJACKING,
        ],
        why: "Where a server trusts the id, guessing one means taking over another user's session.",
        fix: "Use 128 bits or more of a cryptographic random source, or move to the stateless era.",
        traps: "Three ids prove little, so only gross faults fail. UUIDs of version 7 share a prefix \
                and still hold 74 random bits; those of version 1 are made of the clock.",
        run: ids::quality,
    },
    Check {
        id: "session-unknown-rejected",
        title: "Session ids that were never issued, or were ended, are refused",
        area: Area::Session,
        level: Level::Must,
        party: &[Party::Server],
        class: ProbeClass::P0,
        severity: Severity::Low,
        revisions: Matrix::of("AAAR"),
        cites: &[
            LAST_WITH_SESSIONS.at("transports#session-management"),
            FIRST_WITH_SESSIONS.at("transports#session-management"),
        ],
        why: "An attacker can choose the session into which a victim is led.",
        fix: "Look ids up and refuse those that are not known.",
        traps: "Deployments of many nodes may set a session up again on another one, so it fails only \
                when three connections were served.",
        run: ids::unknown_rejected,
    },
    Check {
        id: "session-not-authentication",
        title: "A session id does not stand in for the token",
        area: Area::Session,
        level: Level::Must,
        party: &[Party::Server],
        class: ProbeClass::P3,
        severity: Severity::Critical,
        revisions: Matrix::of("AAAR"),
        cites: &[
            LAST_WITH_SESSIONS.at("authorization#token-requirements"),
            FIRST_WITH_SESSIONS.at("authorization#token-requirements"),
            HIJACKING,
        ],
        why: "A session id that leaks is then a full credential.",
        fix: "Authenticate every request before the session is looked up.",
        traps: "A proxy that remembers who was authenticated counts as part of the server.",
        run: super::owner::not_authentication,
    },
    Check {
        id: "session-principal-bound",
        title: "A session cannot be used by somebody else",
        area: Area::Session,
        level: Level::Should,
        party: &[Party::Server],
        class: ProbeClass::P3,
        severity: Severity::High,
        revisions: Matrix::of("AAAR"),
        cites: &[HIJACKING, Spec::McpSep.at("2567")],
        why: "One user can inject events into another's session and read its data.",
        fix: "Keep the principal with the session and compare it, or do without sessions.",
        traps: "A reference implementation once routed by session id alone; newer releases compare \
                principals.",
        run: super::owner::principal_bound,
    },
    Check {
        id: "mrtr-request-state",
        title: "requestState is protected against change and bound to its principal",
        area: Area::Session,
        level: Level::Must,
        party: &[Party::Server],
        class: ProbeClass::P3,
        severity: Severity::High,
        revisions: Matrix::of("NNNA"),
        cites: &[
            NEWEST.at("patterns/mrtr#server-requirements-basic-workflow"),
            Spec::McpSep.at("2322"),
        ],
        why: "A changed workflow state raises privileges or crosses from one user to another.",
        fix: "Seal the state with an HMAC or AEAD that covers principal, expiry and a digest of the \
              request.",
        traps: "A state that carries no authority may be changed without harm; ask the owner before \
                a failure is published.",
        run: super::owner::request_state,
    },
    Check {
        id: "cache-scope-private",
        title: "Results that depend on the caller are not marked publicly cacheable",
        area: Area::Session,
        level: Level::Must,
        party: &[Party::Server],
        class: ProbeClass::P3,
        severity: Severity::Medium,
        revisions: Matrix::of("NNNA"),
        cites: &[
            NEWEST.at("server/utilities/caching#cache-scope-field"),
            NEWEST.at("server/utilities/caching#security-considerations"),
            Spec::Rfc(9111).at("3.5"),
        ],
        why: "A shared cache hands one user's data to another.",
        fix: "Mark results that differ between users as private.",
        traps: "A list that is the same for everybody may be public on a server that authenticates.",
        run: super::owner::cache_scope,
    },
];
