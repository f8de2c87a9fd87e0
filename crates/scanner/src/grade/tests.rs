//! Golden ledgers of the rubric, and properties of grading.
//!
//! The worked rows (class oauth, legacy era) rest on a written-down set of checks without a
//! verdict; every other check of P0 and P1 passes.

use proptest::prelude::*;

use super::{Resolved, Scope, grade, grade_of, resolve};
use crate::checks;
use crate::checks::testkit::World;
use crate::evidence::Evidence;
use crate::facts::Facts;
use crate::report::{FindingVerdict, Grade, GradeLetter};
use crate::rubric;
use crate::spec::Revision;

/// Nothing to judge: modern wire checks of a legacy server, lazy, SSE and era checks, DPoP,
/// `alg: none`, document consistency, mirror, extension, scope prefix, crypto members, and
/// the optional list of resources.
const NOTHING_TO_JUDGE: [&str; 22] = [
    "stateless-discover",
    "stateless-header-body-match",
    "stateless-unknown-method-404",
    "stateless-no-session",
    "version-unsupported-400",
    "challenge-lazy-http-status",
    "challenge-lazy-prm",
    "legacy-root-metadata",
    "legacy-sse-offered",
    "legacy-sse-protected",
    "legacy-sse-endpoint-origin",
    "era-auth-parity",
    "asm-dpop-consistency",
    "asm-alg-none",
    "asm-documents-consistent",
    "asm-extension-consistency",
    "legacy-mirror-consistent",
    "ri-scope-prefix",
    "prm-crypto-hygiene",
    "prm-as-crosscheck",
    "session-id-quality",
    "session-unknown-rejected",
];

const UNTOLD: [&str; 2] = ["origin-rejected", "token-query-ignored"];

/// The four warnings of the first worked row.
const USUAL: [(&str, FindingVerdict); 4] = [
    ("challenge-scope-param", FindingVerdict::Warn),
    ("prm-recommended-fields", FindingVerdict::Warn),
    ("asm-iss-parameter", FindingVerdict::Warn),
    ("reg-cimd-advertised", FindingVerdict::Warn),
];

fn worked(
    more: &[(&str, FindingVerdict)],
    without: &[&str],
    change: impl Fn(&str, &mut Resolved),
) -> Grade {
    let evidence = World::compliant().scan();
    let facts = Facts::new(&evidence);
    let mut resolved = resolve(&facts, Revision::HEADLINE);
    for (check, line) in checks::all().zip(&mut resolved) {
        line.verdict = FindingVerdict::Pass;
        line.reason = "ok".into();
        line.at.clear();
        line.severity = check.severity;
        line.blocked_by = None;
        line.blocked_by_fail = false;
        if NOTHING_TO_JUDGE.contains(&check.id) || without.contains(&check.id) {
            line.verdict = FindingVerdict::Na;
        }
        if UNTOLD.contains(&check.id) {
            line.verdict = FindingVerdict::Inconclusive;
        }
        for (id, verdict) in USUAL.iter().chain(more) {
            if *id == check.id {
                line.verdict = *verdict;
                line.reason = "absent".into();
            }
        }
        change(check.id, line);
    }
    grade_of(
        &facts,
        &resolved,
        Revision::HEADLINE,
        rubric::current(),
        Scope::Public,
    )
}

fn tenths(grade: &Grade) -> Vec<(&str, u32)> {
    grade
        .ledger
        .iter()
        .map(|line| (line.check.as_str(), line.tenths))
        .collect()
}

fn adds_up(grade: &Grade) {
    let sum: u32 = grade.ledger.iter().map(|line| line.tenths).sum();
    let score = grade.score.expect("a score");
    #[expect(clippy::cast_possible_truncation, reason = "a score")]
    let lost = 1000 - (score * 10.0).round() as i64;
    assert_eq!(i64::from(sum), lost);
}

#[test]
fn worked_row_1_a_good_library_and_a_plain_authorization_server() {
    let grade = worked(&[], &[], |_, _| ());
    assert_eq!(
        tenths(&grade),
        [
            ("reg-cimd-advertised", 9),
            ("asm-iss-parameter", 3),
            ("challenge-scope-param", 1),
            ("prm-recommended-fields", 1)
        ]
    );
    assert_eq!(
        (grade.score, grade.letter),
        (Some(98.6), Some(GradeLetter::A))
    );
    assert_eq!(grade.caps[0].letter, "no_a_plus");
    adds_up(&grade);
}

#[test]
fn worked_row_2_pkce_is_not_announced() {
    let grade = worked(
        &[("pkce-advertised", FindingVerdict::Fail)],
        &["pkce-s256", "pkce-no-plain"],
        |_, _| (),
    );
    assert_eq!(
        tenths(&grade),
        [
            ("pkce-advertised", 23),
            ("reg-cimd-advertised", 9),
            ("asm-iss-parameter", 4),
            ("challenge-scope-param", 1),
            ("prm-recommended-fields", 1)
        ]
    );
    assert_eq!(
        (grade.score, grade.uncapped),
        (Some(96.2), Some(GradeLetter::A))
    );
    assert_eq!(grade.letter, Some(GradeLetter::C));
    assert!(grade.caps[0].as_only);
    adds_up(&grade);
}

#[test]
fn worked_row_3_the_issuer_differs_by_a_slash() {
    let grade = worked(
        &[("asm-issuer-identical", FindingVerdict::Fail)],
        &[],
        |id, line| {
            if id == "asm-issuer-identical" {
                line.severity = crate::check::Severity::Medium;
                line.relation = Some("slash");
            }
        },
    );
    assert_eq!(
        tenths(&grade),
        [
            ("asm-issuer-identical", 11),
            ("reg-cimd-advertised", 9),
            ("asm-iss-parameter", 3),
            ("challenge-scope-param", 1),
            ("prm-recommended-fields", 1)
        ]
    );
    assert_eq!(
        (grade.score, grade.letter),
        (Some(97.5), Some(GradeLetter::B))
    );
    adds_up(&grade);
}

#[test]
fn worked_row_4_any_token_opens() {
    let grade = worked(
        &[("token-bogus-rejected", FindingVerdict::Fail)],
        &[],
        |_, _| (),
    );
    assert_eq!(tenths(&grade)[0], ("token-bogus-rejected", 100));
    assert_eq!(
        (grade.score, grade.letter),
        (Some(88.6), Some(GradeLetter::F))
    );
    adds_up(&grade);
}

#[test]
fn the_compliant_world_gets_an_a_plus() {
    let report = grade(&World::compliant().scan(), rubric::current());
    let trouble: Vec<&str> = report
        .findings
        .iter()
        .filter(|finding| matches!(finding.verdict, FindingVerdict::Warn | FindingVerdict::Fail))
        .map(|finding| finding.check.as_str())
        .collect();
    assert_eq!(trouble, [""; 0]);
    assert_eq!(
        report.grade.letter,
        Some(GradeLetter::APlus),
        "{:?}",
        report.grade
    );
    assert_eq!(report.findings.len(), 139);
}

#[test]
fn one_column_may_fail_what_another_allows() {
    // Without the pointer but with a document at its place: fail in 2025-06-18, warn later, no
    // rule before.
    let mut world = World::compliant();
    world.challenge(Some("Bearer scope=\"mcp:read\""));
    let report = grade(&world.scan(), rubric::current());
    let finding = report
        .findings
        .iter()
        .find(|finding| finding.check == "challenge-resource-metadata-param")
        .expect("every check is reported");
    assert_eq!(finding.verdict, FindingVerdict::Warn);
    assert_eq!(
        finding.by_revision[&Revision::V2025_06_18].verdict,
        FindingVerdict::Fail
    );
    assert_eq!(
        finding.by_revision[&Revision::V2025_03_26].verdict,
        FindingVerdict::Na
    );
    assert!(!finding.by_revision.contains_key(&Revision::V2025_11_25));
}

#[test]
fn a_missing_document_is_blamed_once_and_counts_for_what_it_hides() {
    let mut world = World::compliant();
    world
        .document(
            crate::checks::testkit::ASM_URL,
            serde_json::json!({ "message": "not here" }),
        )
        .on(
            |ask| ask.url.contains("id.example.com"),
            crate::checks::testkit::status(404),
        );
    let report = grade(&world.scan(), rubric::current());
    let of = |id: &str| {
        report
            .findings
            .iter()
            .find(|finding| finding.check == id)
            .expect("reported")
    };
    assert_eq!(of("asm-discoverable").verdict, FindingVerdict::Fail);
    assert_eq!(of("pkce-advertised").verdict, FindingVerdict::Na);
    assert_eq!(
        of("pkce-advertised").blocked_by.as_deref(),
        Some("asm-discoverable")
    );
    assert_eq!(
        report.grade.letter,
        Some(GradeLetter::C),
        "{:?}",
        report.grade
    );
    adds_up(&report.grade);
}

#[test]
fn a_rubric_does_not_move_unnoticed() {
    // Whoever changes a weight, a cap or the catalogue raises the rubric's version and then
    // this digest.
    insta::assert_snapshot!(format!(
        "{} {}",
        rubric::current().version,
        rubric::digest()
    ));
}

#[test]
fn grading_survives_storage() {
    for world in [World::compliant(), World::open()] {
        let evidence = world.scan();
        let bytes = evidence.encode().expect("encodes");
        let again = Evidence::decode(&bytes).expect("decodes");
        assert_eq!(
            grade(&evidence, rubric::current()),
            grade(&again, rubric::current())
        );
    }
}

fn verdict() -> impl Strategy<Value = FindingVerdict> {
    prop_oneof![
        Just(FindingVerdict::Pass),
        Just(FindingVerdict::Warn),
        Just(FindingVerdict::Fail),
        Just(FindingVerdict::Na),
        Just(FindingVerdict::Inconclusive),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever the verdicts: the ledger adds up, no letter is better than its caps allow, and
    /// coverage rules hold.
    #[test]
    fn any_verdicts_give_a_sound_grade(verdicts in prop::collection::vec(verdict(), 139)) {
        let evidence = World::compliant().scan();
        let facts = Facts::new(&evidence);
        let mut resolved = resolve(&facts, Revision::HEADLINE);
        for (line, verdict) in resolved.iter_mut().zip(&verdicts) {
            line.verdict = *verdict;
            line.blocked_by_fail = false;
        }
        let grade = grade_of(&facts, &resolved, Revision::HEADLINE, rubric::current(), Scope::Public);
        prop_assert!(grade.letter.is_some() != grade.badge.is_some());
        if let (Some(letter), Some(band)) = (grade.letter, grade.uncapped) {
            adds_up(&grade);
            prop_assert!(letter >= GradeLetter::APlus && (letter >= band || letter == GradeLetter::APlus));
            for cap in &grade.caps {
                let best = GradeLetter::parse(&cap.letter).unwrap_or(GradeLetter::A);
                prop_assert!(letter >= best);
            }
            prop_assert!(grade.coverage >= 59.9);
            if grade.doubtful {
                prop_assert!(letter >= GradeLetter::B);
            }
        }
    }
}
