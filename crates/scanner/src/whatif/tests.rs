use std::collections::BTreeSet;

use super::{NotFixable, Supposition};
use crate::checks::testkit::{ASM_URL, World, status};
use crate::evidence::Evidence;
use crate::grade::grade;
use crate::report::GradeLetter;
use crate::rubric;
use crate::spec::Revision;

fn without(member: &'static str) -> Evidence {
    let mut world = World::compliant();
    world.asm(|asm| {
        asm.as_object_mut().expect("an object").remove(member);
    });
    world.scan()
}

fn headline(evidence: &Evidence) -> Supposition<'_> {
    Supposition::new(evidence, rubric::current(), Revision::HEADLINE)
}

#[test]
fn supposing_no_fix_is_the_real_grade_in_every_revision() {
    for member in ["code_challenge_methods_supported", "scopes_supported"] {
        let evidence = without(member);
        let report = grade(&evidence, rubric::current());
        for revision in Revision::ALL {
            let supposition = Supposition::new(&evidence, rubric::current(), revision);
            let range = supposition.with(&BTreeSet::new());
            assert_eq!(range.low, report.grades[&revision]);
            assert_eq!(range.high, range.low);
            assert!(range.unknown.is_empty());
        }
    }
}

#[test]
fn what_hid_behind_a_fixed_check_makes_a_range() {
    let mut world = World::compliant();
    world
        .document(ASM_URL, serde_json::json!({ "message": "not here" }))
        .on(|ask| ask.url.contains("id.example.com"), status(404));
    let evidence = world.scan();
    let supposition = headline(&evidence);
    let fixes = supposition.read(["asm-discoverable"]).expect("it fails");
    let range = supposition.with(&fixes);
    assert!(
        range.unknown.contains(&"pkce-advertised"),
        "{:?}",
        range.unknown
    );
    assert!(range.low.score < range.high.score);
    assert!(range.high.letter <= range.low.letter);
    let real = supposition.with(&BTreeSet::new()).low;
    assert!(range.low.score > real.score);
}

#[test]
fn the_cheapest_path_lifts_the_cap_first() {
    let evidence = without("code_challenge_methods_supported");
    let path = headline(&evidence).path().expect("there is one");
    assert_eq!(path.fixes, ["pkce-advertised"]);
    assert!(path.range.high.letter < Some(GradeLetter::C));
}

#[test]
fn there_is_no_path_from_the_top_and_none_without_a_letter() {
    let best = World::compliant().scan();
    assert_eq!(
        grade(&best, rubric::current()).grade.letter,
        Some(GradeLetter::APlus)
    );
    assert_eq!(headline(&best).path(), None);
    let gone = World::empty().scan();
    assert_eq!(headline(&gone).path(), None);
    assert_eq!(headline(&gone).fixable().count(), 0);
}

#[test]
fn what_cannot_be_fixed_is_named() {
    let evidence = without("code_challenge_methods_supported");
    let supposition = headline(&evidence);
    assert_eq!(
        supposition.read(["no-such\u{7}-check"]),
        Err(NotFixable::Unknown("no-such-check".into()))
    );
    assert_eq!(
        supposition.read(["pkce-advertised", "prm-discoverable"]),
        Err(NotFixable::NothingToFix("prm-discoverable"))
    );
    // Repetitions are one fix, and blocked checks are not fixed by themselves.
    let twice = supposition.read(["pkce-advertised", "pkce-advertised"]);
    assert_eq!(twice.expect("it fails").len(), 1);
    assert!(supposition.read(["pkce-s256"]).is_err());
}

#[test]
fn fixing_everything_leaves_only_what_nobody_knows() {
    let mut world = World::compliant();
    world.asm(|asm| {
        let members = asm.as_object_mut().expect("an object");
        members.remove("authorization_response_iss_parameter_supported");
        members.remove("client_id_metadata_document_supported");
    });
    let evidence = world.scan();
    let supposition = headline(&evidence);
    let all: BTreeSet<&'static str> = supposition.fixable().collect();
    assert!(all.len() > 1);
    let mut previous = supposition.with(&BTreeSet::new());
    let mut fixed = BTreeSet::new();
    for fix in &all {
        fixed.insert(*fix);
        let range = supposition.with(&fixed);
        assert!(range.high.score >= previous.high.score, "{fix}");
        assert!(range.high.letter <= previous.high.letter, "{fix}");
        previous = range;
    }
    assert_eq!(previous.high.letter, Some(GradeLetter::APlus));
    assert!(previous.high.ledger.is_empty());
}
