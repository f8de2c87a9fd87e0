//! docs/requirements.toml: what the cited documents demand, tied to the checks that judge it.

use std::collections::BTreeSet;
use std::path::Path;

use scanner::check::Check;
use scanner::checks;
use scanner::spec::{Revision, Spec};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Requirements {
    requirement: Vec<Requirement>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Requirement {
    id: String,
    source: String,
    section: String,
    level: String,
    text: String,
    checks: Option<Vec<String>>,
    reason: Option<String>,
}

impl Requirement {
    fn judges(&self) -> Vec<&'static Check> {
        let ids = self.checks.iter().flatten();
        ids.map(|id| checks::by_id(id).unwrap_or_else(|| panic!("{}: no check {id}", self.id)))
            .collect()
    }

    /// The revision that demands it, for a page of MCP.
    fn revision(&self) -> Option<Revision> {
        Revision::parse(self.source.strip_prefix("MCP ")?)
    }
}

fn requirements() -> Vec<Requirement> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/requirements.toml");
    let text = std::fs::read_to_string(path).unwrap();
    toml::from_str::<Requirements>(&text).unwrap().requirement
}

#[test]
fn each_requirement_is_judged_or_says_why_not() {
    let mut ids = BTreeSet::new();
    let all = requirements();
    assert!(all.len() >= 150);
    for requirement in &all {
        let id = &requirement.id;
        assert!(ids.insert(id), "{id} stands twice");
        assert!(
            id.bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b)),
            "{id}"
        );
        assert!(
            ["MUST", "MUST NOT", "SHOULD", "SHOULD NOT"].contains(&requirement.level.as_str()),
            "{id}: {}",
            requirement.level
        );
        assert!(!requirement.section.is_empty(), "{id} names no place");
        assert!(requirement.text.ends_with('.'), "{id} is no sentence");
        match (&requirement.checks, &requirement.reason) {
            (Some(checks), None) => {
                let once: BTreeSet<&String> = checks.iter().collect();
                assert!(!checks.is_empty() && once.len() == checks.len(), "{id}");
            }
            (None, Some(reason)) => assert!(reason.ends_with('.'), "{id} gives no reason"),
            _ => panic!("{id} needs either checks or a reason"),
        }
        requirement.judges();
    }
}

#[test]
fn every_check_judges_a_requirement() {
    let all = requirements();
    let judging: BTreeSet<&str> = all
        .iter()
        .flat_map(Requirement::judges)
        .map(|check| check.id)
        .collect();
    let idle: Vec<&str> = checks::all()
        .map(|check| check.id)
        .filter(|id| !judging.contains(id))
        .collect();
    assert!(idle.is_empty(), "tied to nothing: {idle:?}");
}

#[test]
fn every_document_that_is_cited_has_its_requirements() {
    let all = requirements();
    let listed: BTreeSet<&str> = all.iter().map(|one| one.source.as_str()).collect();
    let mut cited = BTreeSet::new();
    for citation in checks::all().flat_map(|check| check.cites) {
        match citation.spec {
            // These advise and classify; they demand nothing.
            Spec::Hygiene | Spec::Documentation | Spec::Cwe(_) | Spec::Asvs => {}
            spec => {
                cited.insert(spec.name());
            }
        }
    }
    let cited: BTreeSet<&str> = cited.iter().map(String::as_str).collect();
    let missing: Vec<_> = cited.difference(&listed).collect();
    assert!(missing.is_empty(), "cited and not listed: {missing:?}");
    let stray: Vec<_> = listed.difference(&cited).collect();
    assert!(stray.is_empty(), "listed and not cited: {stray:?}");
}

/// What a revision demands is judged by a check that is in force under that revision, and what
/// another document demands by a check that cites it.
#[test]
fn checks_and_requirements_speak_of_the_same_documents() {
    let mut wrong = Vec::new();
    for requirement in requirements() {
        let judges = requirement.judges();
        let fits = match requirement.revision() {
            Some(revision) => judges
                .iter()
                .any(|check| check.revisions.in_force(revision)),
            None => judges.iter().any(|check| {
                let mut cites = check.cites.iter();
                cites.any(|citation| citation.spec.name() == requirement.source)
            }),
        };
        if !judges.is_empty() && !fits {
            wrong.push(requirement.id);
        }
    }
    assert!(wrong.is_empty(), "judged by none that fits: {wrong:#?}");
}
