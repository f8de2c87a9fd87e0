//! The newest revision a server shows or implies (catalogue section b.2).

use crate::evidence::{AsRole, Purpose};
use crate::facts::Facts;
use crate::facts::outcome::Answer;
use crate::report::{Basis, Claimed, Class, Weight};
use crate::spec::Revision;

pub(super) fn claimed(facts: &Facts<'_>, versions: &[String], class: Class) -> Option<Claimed> {
    if !class.graded() && !matches!(class, Class::Open | Class::HttpSse | Class::StaticKey) {
        return None;
    }
    let observed = versions
        .iter()
        .filter_map(|version| Revision::parse(version))
        .max();
    if let Some(revision) = observed {
        return Some(Claimed {
            revision,
            basis: Basis::Observed,
            weight: None,
        });
    }
    // Signals of b.2: each a lower bound; the highest wins, and of equals the strongest.
    let mut best: Option<(Revision, Weight)> = None;
    let mut signal = |revision: Revision, weight: Weight| {
        if best.is_none_or(|known| (revision, weight) > known) {
            best = Some((revision, weight));
        }
    };
    if class == Class::LegacyOauth {
        signal(Revision::V2025_03_26, Weight::Strong);
    }
    let prm = facts.selected_prm(Revision::HEADLINE).is_some();
    if prm || facts.resource_metadata().is_some() {
        signal(Revision::V2025_06_18, Weight::Strong);
    }
    if prm {
        // The last revision whose authorization text the visible artefacts can satisfy.
        signal(Revision::V2025_11_25, Weight::Weak);
    }
    let listed_issuers = facts.issuers().iter().filter(|issuer| !issuer.fallback);
    for issuer in listed_issuers {
        let found = facts.found(issuer, Revision::HEADLINE);
        let oidc_only = !found.is_empty()
            && found.iter().all(|candidate| {
                matches!(candidate.role, AsRole::OidcInserted | AsRole::OidcAppended)
            });
        let cimd = found
            .iter()
            .filter_map(|candidate| candidate.asm())
            .any(|document| {
                document
                    .get("client_id_metadata_document_supported")
                    .is_some()
            });
        if oidc_only || cimd {
            signal(Revision::V2025_11_25, Weight::Medium);
        }
    }
    if facts
        .first_challenge()
        .is_some_and(|(_, challenge)| challenge.param("scope").is_some())
        && (prm || facts.resource_metadata().is_some())
    {
        signal(Revision::V2025_11_25, Weight::Medium);
    }
    let allowed = facts
        .answer(Purpose::Preflight)
        .and_then(Answer::response)
        .and_then(|response| response.header("access-control-allow-headers"))
        .unwrap_or_default()
        .to_ascii_lowercase();
    if allowed.contains("mcp-method") || allowed.contains("mcp-name") {
        // A server that reflects whatever was asked for says nothing.
        let reflected = allowed.replace(' ', "") == crate::plan::PREFLIGHT_HEADERS;
        if !reflected {
            signal(Revision::V2026_07_28, Weight::Strong);
        }
    }
    best.map(|(revision, weight)| Claimed {
        revision,
        basis: Basis::Inferred,
        weight: Some(weight),
    })
}
