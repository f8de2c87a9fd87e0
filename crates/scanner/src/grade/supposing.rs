//! The grade of a column if some faults were not there: what the gates of a run use when a
//! finding is suppressed. The report itself is never made this way.

use super::{Resolved, Scope, grade_of, resolve};
use crate::check::Check;
use crate::checks;
use crate::evidence::Evidence;
use crate::facts::Facts;
use crate::report::{FindingVerdict, Grade};
use crate::rubric::Rubric;
use crate::spec::Revision;

/// The grade of `evidence` in one column if the named checks passed wherever they warn or
/// fail. What stood behind them could not be judged, so it then counts neither way.
#[must_use]
pub fn supposing(
    evidence: &Evidence,
    rubric: &Rubric,
    revision: Revision,
    passed: &[&str],
) -> Grade {
    let facts = Facts::new(evidence);
    let mut resolved = resolve(&facts, revision);
    for (check, answer) in checks::all().zip(&mut resolved) {
        suppose(check, answer, passed);
    }
    grade_of(&facts, &resolved, revision, rubric, Scope::Public)
}

fn suppose(check: &Check, answer: &mut Resolved, passed: &[&str]) {
    if passed.contains(&check.id)
        && matches!(answer.verdict, FindingVerdict::Warn | FindingVerdict::Fail)
    {
        answer.verdict = FindingVerdict::Pass;
    }
    if answer
        .blocked_by
        .is_some_and(|cause| passed.contains(&cause))
    {
        answer.blocked_by_fail = false;
    }
}

#[cfg(test)]
mod tests {
    use super::supposing;
    use crate::checks::testkit::World;
    use crate::grade::grade;
    use crate::report::GradeLetter;
    use crate::rubric;
    use crate::spec::Revision;

    #[test]
    fn supposing_nothing_changes_nothing() {
        let evidence = World::compliant().scan();
        let report = grade(&evidence, rubric::current());
        for revision in Revision::ALL {
            let supposed = supposing(&evidence, rubric::current(), revision, &[]);
            assert_eq!(supposed, report.grades[&revision]);
        }
    }

    #[test]
    fn a_cap_goes_with_the_finding_that_set_it() {
        let mut world = World::compliant();
        world.asm(|asm| {
            asm.as_object_mut()
                .expect("an object")
                .remove("code_challenge_methods_supported");
        });
        let evidence = world.scan();
        let headline = Revision::HEADLINE;
        let real = grade(&evidence, rubric::current()).grade;
        let supposed = supposing(&evidence, rubric::current(), headline, &["pkce-advertised"]);
        assert_eq!(real.letter, Some(GradeLetter::C));
        assert!(
            supposed.letter < Some(GradeLetter::C),
            "{:?}",
            supposed.letter
        );
    }
}
