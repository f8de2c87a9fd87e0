//! mrtr-request-state: what an operation that asks for input makes of its own state when it
//! comes back changed, from somebody else, late, or elsewhere.

use super::super::weigh::worst;
use super::{second_principal, valid_token};
use crate::check::{Cause, Fault, Judgement, Na, Place, Verdict, fail, inconclusive, na, warn};
use crate::evidence::{Issued, OwnerProbe, Purpose};
use crate::facts::Facts;
use crate::facts::outcome::Answer;
use crate::spec::Revision;

pub(in crate::checks) fn request_state(facts: &Facts<'_>, _: Revision) -> Judgement {
    if facts.evidence.operations.input.is_none() {
        return na(Na::Other("no_operation"));
    }
    valid_token(facts)?;
    facts.owner_answer(OwnerProbe::Discover)?;
    if !facts.owner_is_modern() {
        return na(Na::Era);
    }
    let first = facts.owner_answer(OwnerProbe::InputRequired)?;
    let asks = first.result().is_some_and(|result| {
        result.get("resultType").and_then(|kind| kind.as_str()) == Some("input_required")
    });
    if !asks {
        return na(Na::Other("no_input_required"));
    }
    if facts
        .obtained(first.exchange.id, Issued::RequestState)
        .is_none()
    {
        return na(Na::Other("no_request_state"));
    }
    let judged = [
        trial(
            facts,
            OwnerProbe::StateFlipped,
            true,
            "accepted_changed",
            "with a changed byte",
        ),
        match second_principal(facts) {
            Ok(()) => trial(
                facts,
                OwnerProbe::StateOfAnother,
                true,
                "accepted_of_another",
                "from another principal",
            ),
            Err(_) => inconclusive(Cause::Other("no_second_principal")),
        },
        trial(
            facts,
            OwnerProbe::StateElsewhere,
            false,
            "accepted_elsewhere",
            "on another method",
        ),
        match facts.answer(Purpose::Owner(OwnerProbe::StateLate)) {
            Some(_) => trial(
                facts,
                OwnerProbe::StateLate,
                false,
                "accepted_late",
                "after its end",
            ),
            None => na(Na::Other("not_waited")),
        },
    ];
    let verdict = worst(judged);
    if verdict == Ok(Verdict::Pass) && !goes_on(facts.owner_answer(OwnerProbe::StateKept)?) {
        // Everything is refused, the right continuation too.
        return inconclusive(Cause::Other("continuation_refused"));
    }
    verdict
}

/// A result that completes the operation: the state had its effect.
fn goes_on(answer: &Answer<'_>) -> bool {
    answer.result().is_some_and(|result| {
        let kind = result.get("resultType").and_then(|kind| kind.as_str());
        kind != Some("input_required") && result.get("isError") != Some(&true.into())
    })
}

fn trial(
    facts: &Facts<'_>,
    probe: OwnerProbe,
    fails: bool,
    reason: &'static str,
    how: &str,
) -> Judgement {
    let answer = facts.owner_answer(probe)?;
    if !goes_on(answer) {
        return Ok(Verdict::Pass);
    }
    let fault = Fault::new(
        reason,
        format!("`requestState` {how} completes the operation."),
        Place::status(answer.exchange.id),
    );
    if fails { fail(fault) } else { warn(fault) }
}
