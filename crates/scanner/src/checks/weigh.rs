//! One verdict out of several. A client may pick any of the authorization servers that a
//! server lists, so security is judged on the worst of them and availability on the best
//! (catalogue section a.2).

use crate::check::{Fault, Judgement, Unmet, Verdict};
use crate::facts::documents::Asm;
use crate::facts::quote;

/// The worst: a failure, then a warning, then what cannot be told, then what is blocked,
/// then a pass; n/a only if nothing else was said. Of two failures the severer one, by
/// [`Fault::severity`]; of equals the first.
pub(super) fn worst(judgements: impl IntoIterator<Item = Judgement>) -> Judgement {
    worst_by(judgements, |fault| {
        fault.severity.map_or(u8::MAX, |severity| severity as u8)
    })
}

/// [`worst`], or what `none` says if there is nothing to weigh.
pub(super) fn worst_or(
    judgements: impl IntoIterator<Item = Judgement>,
    none: impl FnOnce() -> Judgement,
) -> Judgement {
    let mut judgements = judgements.into_iter().peekable();
    if judgements.peek().is_none() {
        none()
    } else {
        worst(judgements)
    }
}

/// [`worst`] with a weight of the check's own for failures.
pub(super) fn worst_by(
    judgements: impl IntoIterator<Item = Judgement>,
    weight: impl Fn(&Fault) -> u8,
) -> Judgement {
    pick(judgements, |judgement| match judgement {
        Ok(Verdict::Fail(fault)) => (6, weight(fault)),
        Ok(Verdict::Warn(_)) => (5, 0),
        Err(Unmet::Inconclusive(_)) => (4, 0),
        Err(Unmet::Blocked(_)) => (3, 0),
        Ok(Verdict::Pass) => (2, 0),
        Err(Unmet::NotApplicable(_)) => (1, 0),
    })
}

/// The best: a pass, then a warning, then a failure; what cannot be told counts before a
/// failure, because it might be a pass.
pub(super) fn best(judgements: impl IntoIterator<Item = Judgement>) -> Judgement {
    pick(judgements, |judgement| match judgement {
        Ok(Verdict::Pass) => (6, 0),
        Ok(Verdict::Warn(_)) => (5, 0),
        Err(Unmet::Inconclusive(_)) => (4, 0),
        Ok(Verdict::Fail(_)) => (3, 0),
        Err(Unmet::Blocked(_)) => (2, 0),
        Err(Unmet::NotApplicable(_)) => (1, 0),
    })
}

/// [`worst`] over authorization servers; the sentence names the server if there are several.
pub(super) fn worst_of<'f, 'e>(
    asms: &[Asm<'f, 'e>],
    judge: impl Fn(&Asm<'f, 'e>) -> Judgement,
) -> Judgement {
    worst(each(asms, judge))
}

/// [`best`] over authorization servers; the sentence names the server if there are several.
pub(super) fn best_of<'f, 'e>(
    asms: &[Asm<'f, 'e>],
    judge: impl Fn(&Asm<'f, 'e>) -> Judgement,
) -> Judgement {
    best(each(asms, judge))
}

/// A judgement for each authorization server, named in the sentence if there are several.
pub(super) fn each<'f, 'e>(
    asms: &[Asm<'f, 'e>],
    judge: impl Fn(&Asm<'f, 'e>) -> Judgement,
) -> Vec<Judgement> {
    asms.iter()
        .map(|asm| {
            let judgement = judge(asm);
            if asms.len() < 2 {
                return judgement;
            }
            judgement.map(|verdict| named(verdict, &asm.issuer.listed))
        })
        .collect()
}

fn named(verdict: Verdict, issuer: &str) -> Verdict {
    let name = |mut fault: Fault| {
        fault.said = format!("At {}: {}", quote(issuer), fault.said);
        fault
    };
    match verdict {
        Verdict::Pass => Verdict::Pass,
        Verdict::Warn(fault) => Verdict::Warn(name(fault)),
        Verdict::Fail(fault) => Verdict::Fail(name(fault)),
    }
}

/// The first of the highest rank, with the places of others that found the same. Nothing at
/// all is n/a: there was nothing to judge.
fn pick(
    judgements: impl IntoIterator<Item = Judgement>,
    rank: impl Fn(&Judgement) -> (u8, u8),
) -> Judgement {
    let mut chosen: Option<((u8, u8), Judgement)> = None;
    for judgement in judgements {
        let height = rank(&judgement);
        match &mut chosen {
            Some((known, kept)) if height == *known => add_places(kept, &judgement),
            Some((known, _)) if height < *known => {}
            _ => chosen = Some((height, judgement)),
        }
    }
    match chosen {
        Some((_, judgement)) => judgement,
        None => crate::check::na(crate::check::Na::Other("nothing_to_judge")),
    }
}

/// Two observations of one fault are one finding with both places.
fn add_places(kept: &mut Judgement, other: &Judgement) {
    if let (
        Ok(Verdict::Warn(fault) | Verdict::Fail(fault)),
        Ok(Verdict::Warn(same) | Verdict::Fail(same)),
    ) = (kept, other)
        && fault.reason == same.reason
    {
        for place in &same.at {
            if !fault.at.contains(place) {
                fault.at.push(place.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{Cause, Na, Place, Severity, fail, inconclusive, na, warn};

    fn fault(reason: &'static str) -> Fault {
        Fault::new(reason, "said", Place::status(0))
    }

    fn reason(judgement: Judgement) -> &'static str {
        match judgement {
            Ok(Verdict::Fail(fault) | Verdict::Warn(fault)) => fault.reason,
            Ok(Verdict::Pass) => "pass",
            Err(Unmet::NotApplicable(why)) => why.code(),
            Err(Unmet::Inconclusive(why)) => why.code(),
            Err(Unmet::Blocked(by)) => by,
        }
    }

    #[test]
    fn the_worst_is_a_failure_and_the_severest_one() {
        let mild = || fail(fault("mild").severity(Severity::Medium));
        let grave = || fail(fault("grave").severity(Severity::Critical));
        assert_eq!(
            reason(worst([Ok(Verdict::Pass), mild(), grave(), mild()])),
            "grave"
        );
        assert_eq!(
            reason(worst([
                Ok(Verdict::Pass),
                inconclusive(Cause::Network),
                warn(fault("w"))
            ])),
            "w"
        );
        assert_eq!(
            reason(worst([Ok(Verdict::Pass), inconclusive(Cause::Network)])),
            "network"
        );
        assert_eq!(reason(worst([na(Na::Depth), Ok(Verdict::Pass)])), "pass");
        assert_eq!(reason(worst([])), "nothing_to_judge");
    }

    #[test]
    fn one_fault_seen_twice_is_one_finding_with_two_places() {
        let at = |exchange| fail(Fault::new("same", "said", Place::status(exchange)));
        let Ok(Verdict::Fail(found)) = worst([at(1), fail(fault("other")), at(2), at(1)]) else {
            panic!("a failure was expected");
        };
        assert_eq!(found.at, [Place::status(1), Place::status(2)]);
    }

    #[test]
    fn nothing_to_weigh_is_left_to_the_caller() {
        let none = || inconclusive(Cause::NotCaptured);
        assert_eq!(reason(worst_or([], none)), "not_captured");
        assert_eq!(reason(worst_or([Ok(Verdict::Pass)], none)), "pass");
    }

    #[test]
    fn the_best_is_a_pass() {
        let bad = || fail(fault("bad"));
        assert_eq!(reason(best([bad(), Ok(Verdict::Pass)])), "pass");
        assert_eq!(
            reason(best([bad(), inconclusive(Cause::Network)])),
            "network"
        );
        assert_eq!(reason(best([bad(), warn(fault("w"))])), "w");
    }
}
