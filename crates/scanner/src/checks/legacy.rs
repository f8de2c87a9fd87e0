//! Legacy revisions and parity between eras (catalogue section 1.14): whether what was kept
//! for old clients leads around the protection of the new ones.

#[cfg(test)]
mod cases;
mod defaults;
mod metadata;
mod parity;
mod sse;

#[cfg(test)]
pub(super) use cases::CASES;

use crate::check::{Area, Check, Level, Party, ProbeClass, Severity};
use crate::spec::{Matrix, Revision, Spec};

const OLDEST: Spec = Spec::Mcp(Revision::V2025_03_26);
const NEWEST: Spec = Spec::Mcp(Revision::V2026_07_28);
/// 2024-11-05 has no authorization and is no column of ours, so it is cited by its name.
const HTTP_SSE: crate::spec::Citation =
    Spec::Documentation.at("MCP 2024-11-05 transports, HTTP with SSE");

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "legacy-root-metadata",
        title: "Clients of 2025-03-26 find metadata at the origin's root",
        area: Area::Legacy,
        level: Level::Should,
        party: &[Party::Server],
        class: ProbeClass::P0,
        severity: Severity::Info,
        revisions: Matrix::of("ARRR"),
        cites: &[
            OLDEST.at("authorization#server-metadata-discovery"),
            OLDEST.at("authorization#authorization-base-url"),
        ],
        why: "Without it old clients fall back to default paths; that both share an origin is then \
              all that ties them together.",
        fix: "Publish protected-resource metadata, and keep the document for old clients.",
        traps: "The document without protected-resource metadata makes a server of the 2025-03-26 \
                kind; beside such metadata it is usually a mirror for compatibility.",
        run: metadata::root,
    },
    Check {
        id: "legacy-default-endpoints",
        title: "Default endpoints exist where there is no metadata",
        area: Area::Legacy,
        level: Level::Must,
        party: &[Party::Server],
        class: ProbeClass::P2,
        severity: Severity::Low,
        revisions: Matrix::of("ARRR"),
        cites: &[OLDEST.at("authorization#fallbacks-for-servers-without-metadata-discovery")],
        why: "Nothing is open to attack; old clients find no way to a token.",
        fix: "Publish metadata instead.",
        traps: "Single-page applications answer 200 on every path. Later revisions have no such \
                fallback, so it is never scored there.",
        run: defaults::endpoints,
    },
    Check {
        id: "legacy-mirror-consistent",
        title: "Authorization server metadata copied to the resource's origin does not mislead",
        area: Area::Legacy,
        level: Level::Should,
        party: &[Party::Server],
        class: ProbeClass::P0,
        severity: Severity::Medium,
        revisions: Matrix::of("AAAA"),
        cites: &[
            Spec::Rfc(8414).at("3.3"),
            NEWEST.at("authorization/authorization-server-discovery"),
            OLDEST.at("authorization#authorization-base-url"),
        ],
        why: "A document that speaks for another issuer and points to local endpoints is how mix-up \
              attacks look.",
        fix: "Remove the copy when old clients are gone, or run a real proxy with an issuer of its own.",
        traps: "Reference libraries make exact copies on purpose, which only warns. A proxy that \
                rewrites nothing but the registration endpoint is the usual failure.",
        run: metadata::mirror,
    },
    Check {
        id: "legacy-sse-offered",
        title: "The HTTP+SSE transport is no longer offered",
        area: Area::Legacy,
        level: Level::Should,
        party: &[Party::Server],
        class: ProbeClass::P0,
        severity: Severity::Low,
        revisions: Matrix::of("AAAA"),
        cites: &[
            NEWEST.at("transports/streamable-http#httpsse-transport-2024-11-05"),
            HTTP_SSE,
            Spec::McpSep.at("2596"),
        ],
        why: "Streams live long, and their session ids travel in URLs.",
        fix: "Move to Streamable HTTP and announce the end of the old transport.",
        traps: "Paths are not guessed: asked are the listed URL and, where the same listing names \
                one on the same host, its /sse sibling.",
        run: sse::offered,
    },
    Check {
        id: "legacy-sse-protected",
        title: "The HTTP+SSE transport is protected like the rest",
        area: Area::Legacy,
        level: Level::Must,
        party: &[Party::Server],
        class: ProbeClass::P0,
        severity: Severity::High,
        revisions: Matrix::of("AAAA"),
        cites: &[
            NEWEST.at("authorization#token-handling"),
            Spec::Mcp(Revision::V2025_11_25).at("authorization#token-requirements"),
            OLDEST.at("authorization#token-requirements"),
            HTTP_SSE,
        ],
        why: "The old door stays open while the new one is locked.",
        fix: "Put the same check on the stream and on its message route, or remove both.",
        traps: "A stream may open although its message route asks for a token; to find out needs the \
                operator's consent. Where the handshake is open to everybody the stream says nothing.",
        run: sse::protected,
    },
    Check {
        id: "legacy-sse-endpoint-origin",
        title: "The endpoint event of an SSE stream stays on its origin",
        area: Area::Legacy,
        level: Level::Should,
        party: &[Party::Server],
        class: ProbeClass::P0,
        severity: Severity::Medium,
        revisions: Matrix::of("AAAA"),
        cites: &[
            HTTP_SSE,
            Spec::McpBestPractices.at("SSRF"),
            Spec::Hygiene.at("clients post where the event says"),
        ],
        why: "Clients post their messages and tokens to another origin.",
        fix: "Emit a relative URI.",
        traps: "Behind a proxy the event often names an internal http address; that fails, and it \
                breaks clients besides.",
        run: sse::endpoint_origin,
    },
    Check {
        id: "era-auth-parity",
        title: "Both eras of the protocol ask for the same authorization",
        area: Area::Legacy,
        level: Level::Must,
        party: &[Party::Server],
        class: ProbeClass::P0,
        severity: Severity::Critical,
        revisions: Matrix::of("NNNA"),
        cites: &[
            NEWEST.at("versioning#backward-compatibility-with-initialization-based-versions"),
            NEWEST.at("authorization#token-handling"),
            Spec::OAuth21.at("5.2"),
        ],
        why: "Whoever speaks the other era walks past the token check.",
        fix: "Authenticate a request before its era is told.",
        traps: "A handshake may be open by design in one era, so a failure needs a list. An era that \
                was rejected as such is no outcome.",
        run: parity::eras,
    },
    Check {
        id: "batch-auth-parity",
        title: "JSON-RPC arrays do not get past the token check",
        area: Area::Legacy,
        level: Level::Must,
        party: &[Party::Server],
        class: ProbeClass::P1,
        severity: Severity::High,
        revisions: Matrix::of("ACCC"),
        cites: &[
            NEWEST.at("transports/streamable-http#sending-messages"),
            Spec::Mcp(Revision::V2025_06_18).at("changelog"),
            OLDEST.at("transports#sending-messages-to-the-server"),
            NEWEST.at("authorization#token-handling"),
        ],
        why: "A check that looks at the first message, or at no message of an array, lets the others \
              through.",
        fix: "Refuse arrays before anything else is done with them (2025-06-18 and later).",
        traps: "One array of two reading messages is sent, no more. Body parsers that answer 500 only \
                warn.",
        run: parity::batch,
    },
];
