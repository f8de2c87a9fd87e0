//! The catalogue: 139 checks in 14 areas, one file per area, in catalogue order.
//!
//! A check is constant data plus a pure function over [`Facts`]. What every check has in
//! common is applied here and not in the checks: the period in which a requirement is in
//! force, the class gate, and the depth that a probe needs.

mod as_metadata;
mod challenge;
mod endpoints;
pub mod entries;
mod ground;
mod hygiene;
mod legacy;
mod origin;
mod owner;
mod pkce;
mod registration;
mod resource_indicators;
mod resource_metadata;
mod scopes;
mod session;
mod token;
mod transport;
mod weigh;

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod recorded;
#[cfg(test)]
pub(crate) mod testkit;
#[cfg(test)]
mod tests;

use crate::check::{Area, Check, Judgement, Na, ProbeClass, na};
use crate::evidence::Depth;
use crate::facts::Facts;
use crate::report::Class;
use crate::spec::{Letter, Revision};

/// Areas in catalogue order.
const AREAS: [&[Check]; 14] = [
    transport::CHECKS,
    challenge::CHECKS,
    resource_metadata::CHECKS,
    as_metadata::CHECKS,
    pkce::CHECKS,
    registration::CHECKS,
    resource_indicators::CHECKS,
    token::CHECKS,
    scopes::CHECKS,
    endpoints::CHECKS,
    session::CHECKS,
    origin::CHECKS,
    hygiene::CHECKS,
    legacy::CHECKS,
];

/// Checks that say the same in every revision in which they are in force, in alphabetical
/// order: their functions do not look at the revision, so they are asked once for all of them.
const SAME_EVERYWHERE: [&str; 43] = [
    "challenge-consistent",
    "challenge-get-stream",
    "challenge-host-reflection",
    "challenge-invalid-token",
    "challenge-lazy-http-status",
    "challenge-malformed-authorization",
    "challenge-no-error-without-credentials",
    "challenge-not-login-redirect",
    "challenge-resource-metadata-url",
    "challenge-scope-param",
    "challenge-status-401",
    "challenge-syntax",
    "cors-metadata-readable",
    "cors-no-credentials",
    "era-auth-parity",
    "exposure-credential-params",
    "exposure-destructive-open",
    "exposure-key-in-url",
    "exposure-open-inventory",
    "exposure-sensitive-header-params",
    "hygiene-error-detail",
    "hygiene-secrets",
    "hygiene-security-txt",
    "legacy-default-endpoints",
    "legacy-root-metadata",
    "legacy-sse-endpoint-origin",
    "legacy-sse-offered",
    "legacy-sse-protected",
    "session-id-quality",
    "session-unknown-rejected",
    "stateless-discover",
    "stateless-get-405",
    "stateless-header-body-match",
    "stateless-no-session",
    "stateless-unknown-method-404",
    "tls-certificate-valid",
    "tls-configuration",
    "tls-hsts",
    "tls-https-endpoint",
    "tls-plaintext-refused",
    "token-bogus-rejected",
    "token-query-ignored",
    "transport-redirects",
];

/// All checks in catalogue order.
pub fn all() -> impl Iterator<Item = &'static Check> {
    AREAS.into_iter().flatten()
}

/// The check with this id.
#[must_use]
pub fn by_id(id: &str) -> Option<&'static Check> {
    all().find(|check| check.id == id)
}

/// What a check says of the facts in the column of one revision: its own function, behind the
/// gates that the catalogue applies to all checks (sections 0.6, 0.9 and b.3).
///
/// Outside the period of a requirement the answer is n/a; retired requirements are judged by
/// [`crate::grade`] in an older column.
pub fn judge(check: &Check, facts: &Facts<'_>, revision: Revision) -> Judgement {
    if matches!(check.revisions.at(revision), Letter::N | Letter::R) {
        return na(Na::NotInRevision);
    }
    if !class_gate(check, facts.class()) {
        return na(Na::Class);
    }
    if depth_of(check.class) > facts.evidence.depth {
        return na(Na::Depth);
    }
    if SAME_EVERYWHERE.binary_search(&check.id).is_err() {
        return (check.run)(facts, revision);
    }
    facts.once(check.id, || (check.run)(facts, revision))
}

/// The depth at which a probe class may be sent.
#[must_use]
pub fn depth_of(class: ProbeClass) -> Depth {
    match class {
        ProbeClass::P0 => Depth::Passive,
        ProbeClass::P1 => Depth::Standard,
        ProbeClass::P2 => Depth::Consented,
        ProbeClass::P3 => Depth::Credentialed,
    }
}

/// Section 0.6, class gate. Checks whose entries say otherwise for some class decide for
/// themselves and are let through here.
fn class_gate(check: &Check, class: Class) -> bool {
    match class {
        Class::Unreachable | Class::Blocked | Class::NotMcp => false,
        Class::Oauth | Class::Lazy | Class::LegacyOauth | Class::BrowserSso => true,
        Class::Open | Class::HttpSse => matches!(
            check.area,
            Area::Transport | Area::Origin | Area::Hygiene | Area::Session | Area::Legacy
        ),
        Class::StaticKey => {
            matches!(
                check.area,
                Area::Transport | Area::Origin | Area::Hygiene | Area::Session | Area::Legacy
            ) || matches!(
                check.id,
                "challenge-www-authenticate" | "token-bogus-rejected"
            )
        }
    }
}
