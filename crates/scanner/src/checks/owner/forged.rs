//! token-forged-jwt-rejected and token-jku-not-fetched (exchanges Y6 and Y7).

use super::super::weigh::worst;
use super::{accepted, turned_away};
use crate::check::{Cause, Fault, Judgement, Na, Place, Unmet, Verdict, fail, inconclusive, na};
use crate::evidence::{Forgery, Purpose, Stopped};
use crate::facts::outcome::Answer;
use crate::facts::{Facts, quote, settle};
use crate::spec::Revision;

/// Forged tokens without a key URL, in the order of asking.
const PLAIN: [Forgery; 3] = [
    Forgery::NoAlgorithm,
    Forgery::OtherKey,
    Forgery::PublicKeyAsSecret,
];

fn words(how: Forgery) -> &'static str {
    match how {
        Forgery::NoAlgorithm => "a token whose algorithm is `none`",
        Forgery::OtherKey => "a token that we signed under a key id of the authorization server",
        Forgery::PublicKeyAsSecret => "a token keyed with the authorization server's public key",
        Forgery::Jku => "a token whose `jku` names our key set",
        Forgery::X5u => "a token whose `x5u` names our certificate",
    }
}

fn reason(how: Forgery) -> &'static str {
    match how {
        Forgery::NoAlgorithm => "alg_none",
        Forgery::OtherKey => "any_key",
        Forgery::PublicKeyAsSecret => "public_key_as_secret",
        Forgery::Jku => "jku_accepted",
        Forgery::X5u => "x5u_accepted",
    }
}

/// What is served without a token says nothing about tokens, and what consent does not cover
/// was not asked.
fn applies(facts: &Facts<'_>) -> Result<(), Unmet> {
    if !facts.consented(facts.endpoint()) {
        return na(Na::Depth);
    }
    match facts.control() {
        None => Err(facts.missing()),
        Some(control) if control.served() => na(Na::Other("served_without_token")),
        Some(_) => Ok(()),
    }
}

fn judged(answer: &Answer<'_>, how: Forgery) -> Judgement {
    if answer.served() {
        return fail(accepted(answer, reason(how), words(how)));
    }
    let answer = settle(answer)?;
    if turned_away(answer) {
        Ok(Verdict::Pass)
    } else {
        inconclusive(Cause::Other("neither_served_nor_refused"))
    }
}

pub(in crate::checks) fn rejected(facts: &Facts<'_>, _: Revision) -> Judgement {
    applies(facts)?;
    let answers: Vec<Judgement> = PLAIN
        .into_iter()
        .filter_map(|how| Some(judged(facts.answer(Purpose::ForgedToken(how))?, how)))
        .collect();
    // The third needs a public key; the first two are always asked unless one was accepted.
    let asked = answers.len();
    let verdict = worst(answers);
    if asked < 2 && !matches!(verdict, Ok(Verdict::Fail(_))) {
        return inconclusive(facts.never_asked());
    }
    verdict
}

pub(in crate::checks) fn jku_not_fetched(facts: &Facts<'_>, _: Revision) -> Judgement {
    applies(facts)?;
    let mut judgements = Vec::new();
    for how in [Forgery::Jku, Forgery::X5u] {
        let purpose = Purpose::ForgedToken(how);
        let Some(answer) = facts.answer(purpose) else {
            continue;
        };
        let name = purpose.name();
        if let Some(visit) = facts.visits(&name).next() {
            let agent = visit.user_agent.as_deref().unwrap_or("nothing");
            judgements.push(fail(Fault::new(
                "fetched",
                format!(
                    "The key URL in {} was fetched {} ms after the scan began, by a program that calls itself {}.",
                    words(how),
                    visit.after_ms,
                    quote(agent)
                ),
                Place::status(answer.exchange.id),
            )));
        }
        judgements.push(judged(answer, how));
    }
    if judgements.is_empty() {
        if facts.evidence.own_host.is_none() {
            return na(Na::Other("no_own_host"));
        }
        // A forged token was accepted before, and nothing was asked after it.
        let stopped = PLAIN.into_iter().any(|how| {
            facts
                .answer(Purpose::ForgedToken(how))
                .is_some_and(Answer::served)
        });
        return if stopped {
            Err(Unmet::Blocked("token-forged-jwt-rejected"))
        } else {
            inconclusive(facts.never_asked())
        };
    }
    let verdict = worst(judgements);
    // Whoever did not watch to the end has not seen that nobody came.
    let watched = !matches!(
        facts.evidence.stopped,
        Stopped::OutOfTime | Stopped::Stopped
    );
    if verdict == Ok(Verdict::Pass) && !watched {
        return inconclusive(Cause::OutOfTime);
    }
    verdict
}
