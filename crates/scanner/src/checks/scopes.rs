//! Scopes (catalogue section 1.9): whether clients are led to ask for little.

use super::owner;
#[cfg(test)]
use super::testkit::*;
use crate::check::{
    Area, Check, Fault, Judgement, Level, Na, Party, Place, ProbeClass, Severity, Unmet, na, worst,
};
use crate::facts::documents::Prm;
use crate::facts::{Facts, quote};
use crate::spec::{Matrix, Revision, Spec};

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "scope-no-offline-access",
        title: "The resource does not ask for `offline_access`",
        area: Area::Scopes,
        level: Level::Should,
        party: &[Party::Server],
        class: ProbeClass::P0,
        severity: Severity::Low,
        revisions: Matrix::of("NNNA"),
        cites: &[
            Spec::Mcp(Revision::V2026_07_28).at("authorization#refresh-tokens"),
            Spec::McpSep.at("2207"),
        ],
        why: "Every client would receive refresh tokens, whether it needs them or not.",
        fix: "Leave `offline_access` to the authorization server's metadata and to the client's choice.",
        traps: "The authorization server may list it; that is its place. Only the challenge and the resource's own metadata are read.",
        run: no_offline_access,
    },
    Check {
        id: "scope-catalog-minimal",
        title: "Published scopes are few and none of them means everything",
        area: Area::Scopes,
        level: Level::Should,
        party: &[Party::Server],
        class: ProbeClass::P0,
        severity: Severity::Medium,
        revisions: Matrix::of("NAAA"),
        cites: &[
            Spec::Mcp(Revision::V2025_11_25).at("authorization#scope-selection-strategy"),
            Spec::Mcp(Revision::V2026_07_28).at("authorization#scope-selection-strategy"),
            Spec::McpBestPractices.at("Scope Minimization"),
        ],
        why: "Clients ask for all that is published, so one leaked token opens everything.",
        fix: "Publish the basic set, and challenge for more when an operation needs it.",
        traps: "The thresholds are policy. One coarse scope for the whole server is fine, and long lists of the authorization server do not count.",
        run: catalog_minimal,
    },
    Check {
        id: "scope-insufficient-403",
        title: "A token without the needed scope is answered with 403 insufficient_scope",
        area: Area::Scopes,
        level: Level::Should,
        party: &[Party::Server],
        class: ProbeClass::P3,
        severity: Severity::High,
        revisions: Matrix::of("AAAA"),
        cites: &[
            Spec::Mcp(Revision::V2026_07_28).at("authorization#error-handling"),
            Spec::Mcp(Revision::V2025_11_25).at("authorization#runtime-insufficient-scope-errors"),
            Spec::Mcp(Revision::V2026_07_28).at("authorization#runtime-insufficient-scope-errors"),
            Spec::Rfc(6750).at("3.1"),
        ],
        why: "Scopes that nobody checks let every token do everything.",
        fix: "Check the scope of each operation before dispatching it.",
        traps: "Hiding a tool from the list enforces nothing; it is called by its name.",
        run: owner::insufficient,
    },
    Check {
        id: "scope-challenge-content",
        title: "The challenge for more scope is complete",
        area: Area::Scopes,
        level: Level::Should,
        party: &[Party::Server],
        class: ProbeClass::P3,
        severity: Severity::Medium,
        revisions: Matrix::of("NNAC"),
        cites: &[
            Spec::Mcp(Revision::V2025_11_25).at("authorization#runtime-insufficient-scope-errors"),
            Spec::Mcp(Revision::V2026_07_28).at("authorization#runtime-insufficient-scope-errors"),
            Spec::McpSep.at("835"),
            Spec::McpSep.at("2350"),
            Spec::Rfc(9728).at("5.1"),
        ],
        why: "Users who are asked again and again learn to agree without reading.",
        fix: "Name all scopes of the operation, and the metadata's URL, in one challenge.",
        traps: "2025-11-25 recommended to repeat granted scopes; from 2026-07-28 on collecting them is the client's part.",
        run: owner::challenge_content,
    },
    Check {
        id: "scope-hierarchy",
        title: "A broader scope satisfies a narrower need",
        area: Area::Scopes,
        level: Level::Must,
        party: &[Party::Server],
        class: ProbeClass::P3,
        severity: Severity::Low,
        revisions: Matrix::of("NNNA"),
        cites: &[Spec::Mcp(Revision::V2026_07_28).at("authorization#step-up-authorization-flow")],
        why: "Clients loop through authorizations that can never satisfy the server.",
        fix: "Expand implied scopes before comparing.",
        traps: "It can be tested only where the owner documents which scope implies which.",
        run: owner::hierarchy,
    },
];

/// More scopes than this in the metadata are too many.
const MANY: usize = 15;
/// A challenge for the whole catalogue is too much from this size on.
const WHOLE: usize = 8;

/// Scopes that the resource itself publishes, each with its place.
struct Published<'f> {
    catalogue: Vec<(&'f str, Place)>,
    challenge: Vec<(&'f str, Place)>,
}

impl<'f> Published<'f> {
    fn all(&self) -> impl Iterator<Item = &(&'f str, Place)> {
        self.catalogue.iter().chain(&self.challenge)
    }
}

/// What the resource publishes; a challenge is enough where there is no metadata.
fn published<'f>(facts: &'f Facts<'_>, revision: Revision) -> Result<Published<'f>, Unmet> {
    let prm = facts.prm(revision);
    let listed = |prm: &Prm<'f, '_>| -> Vec<(&'f str, Place)> {
        prm.document
            .texts("scopes_supported")
            .unwrap_or_default()
            .into_iter()
            .enumerate()
            .map(|(position, scope)| (scope, prm.place(&format!("scopes_supported/{position}"))))
            .collect()
    };
    let published = Published {
        catalogue: prm.as_ref().map(listed).unwrap_or_default(),
        challenge: facts.challenge_scopes(),
    };
    if published.all().next().is_some() {
        return Ok(published);
    }
    prm?;
    na(Na::Other("no_scopes"))
}

fn no_offline_access(facts: &Facts<'_>, revision: Revision) -> Judgement {
    let published = published(facts, revision)?;
    let found = |list: &[(&str, Place)], reason, source| {
        list.iter()
            .find(|(scope, _)| *scope == "offline_access")
            .map(|(_, place)| {
                Fault::new(
                    reason,
                    format!("`offline_access` stands in {source}"),
                    place.clone(),
                )
            })
    };
    let faults = [
        found(&published.challenge, "in_challenge", "the challenge"),
        found(&published.catalogue, "in_metadata", "`scopes_supported`"),
    ];
    worst(Vec::new(), faults.into_iter().flatten().collect())
}

fn means_everything(scope: &str) -> bool {
    let scope = scope.to_ascii_lowercase();
    matches!(
        scope.as_str(),
        "*" | "all" | "full" | "full-access" | "admin" | "root"
    ) || scope.ends_with(":*")
        || scope.ends_with(".*")
}

fn catalog_minimal(facts: &Facts<'_>, revision: Revision) -> Judgement {
    let published = published(facts, revision)?;
    let mut faults: Vec<Fault> = Vec::new();
    for (scope, place) in published.all().filter(|(scope, _)| means_everything(scope)) {
        faults.push(Fault::new(
            "omnibus",
            format!("{} stands for everything", quote(scope)),
            place.clone(),
        ));
    }
    let count = published.catalogue.len();
    let whole = count > WHOLE
        && published.catalogue.iter().all(|(scope, _)| {
            published
                .challenge
                .iter()
                .any(|(challenged, _)| challenged == scope)
        });
    let first = |list: &[(&str, Place)]| list.first().map(|(_, place)| place.clone());
    if count > MANY
        && let Some(place) = first(&published.catalogue)
    {
        faults.push(Fault::new(
            "too_many",
            format!("{count} scopes are published, more than {MANY}"),
            place,
        ));
    }
    if whole && let Some(place) = first(&published.challenge) {
        faults.push(Fault::new(
            "whole_catalogue",
            format!("the challenge asks for all {count} scopes at once"),
            place,
        ));
    }
    worst(Vec::new(), faults)
}

#[cfg(test)]
fn scoped(challenge: Option<&str>, catalogue: Option<serde_json::Value>) -> World {
    let scope = challenge
        .map(|scope| format!(", scope=\"{scope}\""))
        .unwrap_or_default();
    let value = format!("Bearer resource_metadata=\"{PRM_URL}\"{scope}");
    changed(|w| {
        w.challenge(Some(&value)).prm(move |prm| match &catalogue {
            Some(list) => prm["scopes_supported"] = list.clone(),
            None => {
                prm.as_object_mut()
                    .expect("an object")
                    .remove("scopes_supported");
            }
        });
    })
}

#[cfg(test)]
fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("notes:{number}")).collect()
}

#[cfg(test)]
fn unread() -> World {
    changed(|w| {
        w.challenge(Some("Bearer error=\"invalid_token\""))
            .on(|ask| ask.url == PRM_URL, status(503));
    })
}

#[cfg(test)]
pub(super) const CASES: &[Case] = &[
    case("scope-no-offline-access", Expect::Pass, World::compliant),
    case(
        "scope-no-offline-access",
        Expect::Warn("in_challenge"),
        || scoped(Some("mcp:read offline_access"), None),
    ),
    case(
        "scope-no-offline-access",
        Expect::Warn("in_metadata"),
        || {
            scoped(
                Some("mcp:read"),
                Some(serde_json::json!(["mcp:read", "offline_access"])),
            )
        },
    ),
    case("scope-no-offline-access", Expect::Na, || scoped(None, None)),
    case_in(
        Revision::V2025_11_25,
        "scope-no-offline-access",
        Expect::Na,
        || scoped(Some("offline_access"), None),
    ),
    case(
        "scope-no-offline-access",
        Expect::Blocked("prm-discoverable"),
        unread,
    ),
    case("scope-catalog-minimal", Expect::Pass, World::compliant),
    case("scope-catalog-minimal", Expect::Pass, || {
        scoped(None, Some(serde_json::json!(["mcp"])))
    }),
    case("scope-catalog-minimal", Expect::Pass, || {
        scoped(
            Some("notes:0 notes:1"),
            Some(serde_json::json!(numbered(15))),
        )
    }),
    case("scope-catalog-minimal", Expect::Warn("omnibus"), || {
        scoped(Some("Admin"), None)
    }),
    case("scope-catalog-minimal", Expect::Warn("omnibus"), || {
        scoped(None, Some(serde_json::json!(["notes:read", "notes:*"])))
    }),
    case("scope-catalog-minimal", Expect::Warn("too_many"), || {
        scoped(None, Some(serde_json::json!(numbered(16))))
    }),
    case(
        "scope-catalog-minimal",
        Expect::Warn("whole_catalogue"),
        || {
            scoped(
                Some(&numbered(9).join(" ")),
                Some(serde_json::json!(numbered(9))),
            )
        },
    ),
    case("scope-catalog-minimal", Expect::Na, || scoped(None, None)),
    case(
        "scope-catalog-minimal",
        Expect::Blocked("prm-discoverable"),
        unread,
    ),
    case("scope-insufficient-403", Expect::Na, World::compliant),
    case("scope-challenge-content", Expect::Na, World::compliant),
    case("scope-hierarchy", Expect::Na, World::compliant),
];
