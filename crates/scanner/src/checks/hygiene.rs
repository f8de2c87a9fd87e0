//! Disclosure, hygiene and exposure (catalogue section 1.13): what a server tells and offers
//! to callers that it does not know.

mod addresses;
#[cfg(test)]
mod cases;
mod contact;
mod errors;
mod exposure;
mod listing;
mod secrets;

#[cfg(test)]
pub(super) use cases::CASES;

use crate::check::{Area, Check, Level, Party, ProbeClass, Severity};
use crate::spec::{Matrix, Revision, Spec};

const NEWEST: Spec = Spec::Mcp(Revision::V2026_07_28);
const TRANSPORT_SECURITY: crate::spec::Citation =
    Spec::Mcp(Revision::V2025_11_25).at("transports#security-warning");
const TOOL_SECURITY: crate::spec::Citation = NEWEST.at("server/tools#security-considerations");
const GUIDE: crate::spec::Citation =
    Spec::Documentation.at("MCP tutorials, security, authorization");

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "hygiene-error-detail",
        title: "Errors do not disclose internals",
        area: Area::Hygiene,
        level: Level::Should,
        party: &[Party::Server, Party::AuthorizationServer],
        class: ProbeClass::P0,
        severity: Severity::Low,
        revisions: Matrix::of("AAAA"),
        cites: &[
            Spec::Rfc(9110).at("17.9"),
            Spec::Asvs.at("V7"),
            TOOL_SECURITY,
            Spec::Hygiene.at("errors for strangers"),
        ],
        why: "Paths, versions and traces speed up an attack that is aimed at this server.",
        fix: "Answer with general messages in production, and with an id to find the trace by.",
        traps: "The name of a product without its version is nothing. A debug page counts as medium.",
        run: errors::detail,
    },
    Check {
        id: "hygiene-internal-addresses",
        title: "Public responses name no internal hosts",
        area: Area::Hygiene,
        level: Level::Should,
        party: &[Party::Server, Party::AuthorizationServer],
        class: ProbeClass::P0,
        severity: Severity::Low,
        revisions: Matrix::of("AAAA"),
        cites: &[
            Spec::Rfc(9728).at("7.7"),
            Spec::Rfc(6890).at(""),
            Spec::Hygiene.at("addresses of the inside"),
        ],
        why: "They map the inner network, and steer clients into their own.",
        fix: "Configure the public base URL instead of taking the host from the inner request.",
        traps: "Addresses reserved for documentation are fine. A value on which a more specific check \
                failed is counted there and not again.",
        run: addresses::internal,
    },
    Check {
        id: "hygiene-secrets",
        title: "No secrets stand in responses to anybody",
        area: Area::Hygiene,
        level: Level::Must,
        party: &[Party::Server, Party::AuthorizationServer],
        class: ProbeClass::P0,
        severity: Severity::Critical,
        revisions: Matrix::of("AAAA"),
        cites: &[
            Spec::OAuth21.at("7.1.3.1"),
            Spec::McpBestPractices.at(""),
            Spec::Cwe(200).at(""),
        ],
        why: "Whoever reads the response can take over the account or the infrastructure behind it.",
        fix: "Remove the value, revoke it, and let the build look for secrets in responses.",
        traps: "Only shapes that are documented count, with their checksum where they have one. Client \
                ids, publishable keys, public key members and samples in documentation are no secrets. \
                Findings go to the operator first.",
        run: secrets::secrets,
    },
    Check {
        id: "hygiene-security-txt",
        title: "A contact for security reports is published",
        area: Area::Hygiene,
        level: Level::May,
        party: &[Party::Server],
        class: ProbeClass::P0,
        severity: Severity::Info,
        revisions: Matrix::of("AAAA"),
        cites: &[
            Spec::Rfc(9116).at("2.4"),
            Spec::Rfc(9116).at("2.5.3"),
            Spec::Rfc(9116).at("2.5.5"),
            Spec::Rfc(9116).at("3"),
        ],
        why: "Nothing is open to attack, but nobody can report what is.",
        fix: "Publish /.well-known/security.txt with Contact and Expires.",
        traps: "Single-page applications answer 200 with HTML for every path; that counts as absent.",
        run: contact::security_txt,
    },
    Check {
        id: "exposure-open-inventory",
        title: "Strangers see no inventory",
        area: Area::Hygiene,
        level: Level::May,
        party: &[Party::Server],
        class: ProbeClass::P0,
        severity: Severity::Info,
        revisions: Matrix::of("AAAA"),
        cites: &[
            NEWEST.at("authorization#protocol-requirements"),
            TRANSPORT_SECURITY,
            GUIDE,
        ],
        why: "Strangers can look around, and use the operator's resources for free.",
        fix: "Decide on purpose: say that it is public, or ask for tokens.",
        traps: "Not a violation: authorization is optional and directories rely on open lists. It feeds \
                the exposure label and has no weight.",
        run: exposure::inventory,
    },
    Check {
        id: "exposure-destructive-open",
        title: "Strangers cannot reach tools that change or execute something",
        area: Area::Hygiene,
        level: Level::Should,
        party: &[Party::Server],
        class: ProbeClass::P0,
        severity: Severity::High,
        revisions: Matrix::of("AAAA"),
        cites: &[TRANSPORT_SECURITY, TOOL_SECURITY, GUIDE],
        why: "Anybody changes data or runs commands with the rights of the server.",
        fix: "Ask for authorization before those tools.",
        traps: "A tool without annotations is unknown and never fails for that. Demonstrations work on \
                sandboxes: the finding speaks of exposure, not of proven harm.",
        run: exposure::destructive,
    },
    Check {
        id: "exposure-credential-params",
        title: "Tools do not take credentials as arguments",
        area: Area::Hygiene,
        level: Level::Should,
        party: &[Party::Server],
        class: ProbeClass::P0,
        severity: Severity::Medium,
        revisions: Matrix::of("AAAA"),
        cites: &[
            NEWEST.at("client/elicitation#user-interaction-model"),
            Spec::McpBestPractices.at(""),
            Spec::Rfc(9700).at("2.4"),
        ],
        why: "The secrets pass through models, transcripts and logs.",
        fix: "Use MCP authorization, or elicitation in URL mode for secrets of third parties.",
        traps: "`token` alone is often a cursor or a coin and does not count, nor do names that end in \
                an identifier or a length. Tools that hash or rate passwords are left out.",
        run: exposure::credential_params,
    },
    Check {
        id: "exposure-sensitive-header-params",
        title: "Sensitive parameters are not copied into headers",
        area: Area::Hygiene,
        level: Level::Should,
        party: &[Party::Server],
        class: ProbeClass::P0,
        severity: Severity::Medium,
        revisions: Matrix::of("NNNA"),
        cites: &[
            NEWEST.at("server/tools#x-mcp-header"),
            NEWEST.at("transports/streamable-http#schema-extension"),
        ],
        why: "Every intermediary and every access log sees the secret.",
        fix: "Take the annotation off sensitive properties.",
        traps: "Parameters that choose a tenant or a region are what the annotation is for.",
        run: exposure::header_params,
    },
    Check {
        id: "exposure-key-in-url",
        title: "The listed URL carries no credential",
        area: Area::Hygiene,
        level: Level::Must,
        party: &[Party::Server],
        class: ProbeClass::P0,
        severity: Severity::High,
        revisions: Matrix::of("AAAA"),
        cites: &[
            NEWEST.at("authorization#token-handling"),
            Spec::Mcp(Revision::V2025_11_25).at("authorization#token-requirements"),
            Spec::Rfc(6750).at("5.3"),
            Spec::Rfc(9700).at("4.3.2"),
            Spec::OAuth21.at("7.1.3.6"),
        ],
        why: "URLs leak through logs, referrers, histories and screenshots, and a secret in them cannot \
              be limited to a purpose.",
        fix: "Take the credential in the Authorization header, better through OAuth.",
        traps: "Identifiers that are no secret, such as a profile or a set of tools, are fine. A live \
                secret in a public listing has to be reported as one.",
        run: listing::key_in_url,
    },
];
