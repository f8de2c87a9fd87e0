//! Tests of the catalogue as a whole, and of every case that an area brings.

use std::collections::BTreeSet;

use super::testkit::{self, Case, Expect, World};
use super::{all, by_id, judge};
use crate::check::{ProbeClass, Verdict};
use crate::facts::Facts;
use crate::spec::Revision;

/// The cases of every area that has them, one line per area in catalogue order.
const CASES: &[&[&[Case]]] = &[
    &[super::transport::CASES],
    super::challenge::CASES,
    super::resource_metadata::CASES,
    super::as_metadata::CASES,
    &[super::pkce::CASES],
    &[super::registration::CASES],
    super::registration::DEEPER_CASES,
    &[super::resource_indicators::CASES],
    &[super::token::CASES],
    &[super::scopes::CASES],
    &[super::endpoints::CASES],
    &[super::session::CASES],
    &[super::origin::CASES],
    &[super::hygiene::CASES],
    &[super::legacy::CASES],
    super::ground::CASES,
    super::owner::CASES,
];

/// What no scan can show, and why a check is kept all the same.
const NEVER: &[(&str, &str)] = &[
    // Something was answered where a class was assigned, and what was answered can be read.
    ("hygiene-error-detail", "inconclusive"),
    ("hygiene-internal-addresses", "inconclusive"),
    // The listing is always there.
    ("exposure-key-in-url", "inconclusive"),
];

pub(super) fn cases() -> Vec<&'static Case> {
    CASES.iter().copied().flatten().copied().flatten().collect()
}

#[test]
fn every_case_is_judged_as_it_says() {
    let wrong: Vec<String> = cases()
        .into_iter()
        .filter_map(|case| match by_id(case.check) {
            Some(check) => testkit::verify(case, check).err(),
            None => Some(format!("{}: there is no such check", case.check)),
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_asked_once_is_the_same_in_every_revision() {
    assert!(super::SAME_EVERYWHERE.is_sorted());
    // Each area has many cases; one in eleven is of every area.
    for case in cases().into_iter().step_by(11) {
        let evidence = (case.world)().scan();
        let facts = Facts::new(&evidence);
        for id in super::SAME_EVERYWHERE {
            let check = by_id(id).expect("a check of the catalogue");
            let first = (check.run)(&facts, Revision::HEADLINE);
            for revision in Revision::ALL {
                assert_eq!((check.run)(&facts, revision), first, "{id} in {revision}");
            }
        }
    }
}

/// Every check that is judged without consent can be seen to pass, to find something, and to
/// admit that it cannot tell.
#[test]
fn every_judged_check_has_a_case_of_each_kind() {
    let cases = cases();
    let covered: BTreeSet<&str> = cases
        .iter()
        .filter_map(|case| by_id(case.check))
        .map(|check| check.area.as_str())
        .collect();
    let mut missing = Vec::new();
    for check in all()
        .filter(|check| covered.contains(check.area.as_str()))
        .filter(|check| matches!(check.class, ProbeClass::P0 | ProbeClass::P1))
    {
        let has = |wanted: fn(&Expect) -> bool| {
            cases
                .iter()
                .any(|case| case.check == check.id && wanted(&case.expect))
        };
        let kinds = [
            ("pass", has(|e| matches!(e, Expect::Pass))),
            (
                "warn or fail",
                has(|e| matches!(e, Expect::Warn(_) | Expect::Fail(_))),
            ),
            // A check that reads a document found by another is undecided through that other.
            (
                "inconclusive",
                has(|e| matches!(e, Expect::Inconclusive | Expect::Blocked(_))),
            ),
        ];
        missing.extend(
            kinds
                .iter()
                .filter(|(kind, there)| !there && !NEVER.contains(&(check.id, kind)))
                .map(|(kind, _)| format!("{} has no case for {kind}", check.id)),
        );
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn ids_are_unique_and_kebab_case() {
    let mut seen = BTreeSet::new();
    for check in all() {
        assert!(seen.insert(check.id), "{} stands twice", check.id);
        assert!(
            check.id.split('-').all(|word| !word.is_empty()
                && word
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())),
            "{} is not kebab-case",
            check.id
        );
    }
}

#[test]
fn every_check_says_what_it_rests_on() {
    for check in all() {
        let id = check.id;
        assert!(!check.cites.is_empty(), "{id} cites nothing");
        assert!(!check.party.is_empty(), "{id} names nobody who can act");
        for (name, text) in [
            ("title", check.title),
            ("why", check.why),
            ("fix", check.fix),
            ("traps", check.traps),
        ] {
            assert!(!text.trim().is_empty(), "{id} has no {name}");
        }
        assert!(
            !check.title.ends_with('.'),
            "the title of {id} ends with a full stop"
        );
    }
}

#[test]
fn a_compliant_server_has_nothing_to_mend() {
    let evidence = World::compliant().scan();
    let facts = Facts::new(&evidence);
    let mut wrong = Vec::new();
    for revision in Revision::ALL {
        for check in all().filter(|check| check.revisions.in_force(revision)) {
            if let Ok(Verdict::Warn(fault) | Verdict::Fail(fault)) = judge(check, &facts, revision)
            {
                wrong.push(format!("{} in {revision}: {fault:?}", check.id));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A judgement may name only another check of the catalogue as its cause.
#[test]
fn causes_are_other_checks() {
    let mut wrong = BTreeSet::new();
    let complete = all().count() == 139;
    for case in cases() {
        if let Expect::Blocked(by) = case.expect
            && (by == case.check || (complete && by_id(by).is_none()))
        {
            wrong.insert(format!("{} is blocked by {by}", case.check));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// The working catalogue, where it lies beside the repository: level, party, class, severity
/// and revisions of every check are those written there.
#[test]
fn the_table_agrees_with_the_working_catalogue() {
    let path =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/spec/checks.md");
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("skipped: {} is not here", path.display());
        return;
    };
    let mut order = Vec::new();
    let mut wrong = Vec::new();
    for entry in text.split("\n#### ").skip(1) {
        let id = entry.lines().next().unwrap_or_default().trim();
        let line = |name: &str| {
            entry
                .lines()
                .find(|line| line.starts_with(&format!("- **{name}**")))
                .unwrap_or_default()
        };
        order.push(id.to_owned());
        let Some(check) = by_id(id) else {
            wrong.push(format!("{id} is missing"));
            continue;
        };
        let parties: Vec<&str> = check
            .party
            .iter()
            .map(|party| match party {
                crate::check::Party::Server => "MCP server",
                crate::check::Party::AuthorizationServer => "authorization server",
            })
            .collect();
        let head = format!(
            "- **Level** {} · **Party** {} · **Class** {} · **Severity if failed** {}",
            check.level.as_str(),
            parties.join(", "),
            check.class.as_str(),
            check.severity.as_str(),
        );
        if line("Level") != head {
            wrong.push(format!("{id}: {head}\n    but {}", line("Level")));
        }
        let letters = Revision::ALL
            .map(|revision| format!("{revision} {:?}", check.revisions.at(revision)))
            .join(" · ");
        if !line("Revisions").contains(&letters) {
            wrong.push(format!("{id}: {letters}\n    but {}", line("Revisions")));
        }
    }
    let ours: Vec<&str> = all().map(|check| check.id).collect();
    if ours != order {
        wrong.push("the order differs".into());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
