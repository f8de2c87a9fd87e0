//! Scopes, once the owner lends tokens of different rights and names a tool (section 1.9).

use super::{accepted, supplied, valid_token};
use crate::check::{
    Cause, Fault, Judgement, Na, Place, Unmet, Verdict, fail, inconclusive, na, warn,
};
use crate::evidence::{CodeUse, Credential, OwnerProbe, Purpose};
use crate::facts::outcome::{Answer, Outcome, Rpc};
use crate::facts::owner::{served, tool_refuses};
use crate::facts::{Facts, quote};
use crate::redact::results;
use crate::spec::Revision;

/// The call of the named tool with the token that lacks its scope.
fn missing_scope<'f, 'e>(facts: &'f Facts<'e>) -> Result<&'f Answer<'e>, Unmet> {
    if facts.evidence.operations.scoped.is_none() {
        return na(Na::Other("no_operation"));
    }
    supplied(facts, Credential::LowScopeToken)?;
    valid_token(facts)?;
    facts.owner_answer(OwnerProbe::MissingScope)
}

pub(in crate::checks) fn insufficient(facts: &Facts<'_>, _: Revision) -> Judgement {
    let answer = missing_scope(facts)?;
    let place = Place::status(answer.exchange.id);
    if served(answer) {
        return fail(accepted(
            answer,
            "operation_succeeds",
            "a token that lacks the scope of the operation",
        ));
    }
    if tool_refuses(answer) || rpc_refuses(answer) {
        return warn(Fault::new(
            "tool_error",
            "The missing scope is answered with status 200 and an error of the tool, which no client can act on.",
            place,
        ));
    }
    match answer.status() {
        Some(403) if answer.token_param("error") == Some("insufficient_scope") => Ok(Verdict::Pass),
        Some(403) => warn(Fault::new(
            "no_challenge",
            "The missing scope is answered with 403, without a Bearer challenge that says `insufficient_scope`.",
            answer.challenge_place(),
        )),
        Some(401) => warn(Fault::new(
            "status_401",
            "The missing scope is answered with 401, as if the token were invalid.",
            answer.challenge_place(),
        )),
        _ => inconclusive(Cause::Other("neither_served_nor_refused")),
    }
}

fn rpc_refuses(answer: &Answer<'_>) -> bool {
    match (&answer.rpc, answer.outcome) {
        (Some(Rpc::Error { message, .. }), Outcome::RpcError) => {
            answer.status() == Some(200) && results::refuses(&message.to_lowercase())
        }
        _ => false,
    }
}

pub(in crate::checks) fn challenge_content(facts: &Facts<'_>, _: Revision) -> Judgement {
    let answer = missing_scope(facts)?;
    if answer.status() != Some(403) || answer.token_param("error") != Some("insufficient_scope") {
        return na(Na::Other("no_step_up_challenge"));
    }
    let missing: Vec<&str> = ["scope", "resource_metadata"]
        .into_iter()
        .filter(|name| answer.token_param(name).is_none_or(str::is_empty))
        .collect();
    if missing.contains(&"scope") {
        return warn(Fault::new(
            "incomplete",
            format!(
                "The challenge for more scope lacks `{}`.",
                missing.join("` and `")
            ),
            answer.challenge_place(),
        ));
    }
    let incomplete = missing.first().map(|name| {
        warn(Fault::new(
            "incomplete",
            format!("The challenge for more scope lacks `{name}`."),
            answer.challenge_place(),
        ))
    });
    match (step_up(facts, answer), incomplete) {
        (Ok(Verdict::Pass) | Err(_), Some(incomplete)) => incomplete,
        (stepped, _) => stepped,
    }
}

/// Whether the scopes that were demanded are enough.
fn step_up(facts: &Facts<'_>, first: &Answer<'_>) -> Judgement {
    let login = Purpose::Login(CodeUse::StepUp);
    if facts.first_hop(login).is_none() {
        return inconclusive(Cause::Other("step_up_not_tried"));
    }
    let demanded = first.token_param("scope").unwrap_or_default();
    let never = |place: Place, why: &str| {
        fail(
            Fault::new(
                "never_succeeds",
                format!("The demanded scopes {} {why}.", quote(demanded)),
                place,
            )
            .and(first.challenge_place()),
        )
    };
    let landed = facts.landed(login)?;
    if landed.error() == Some("invalid_scope") {
        return never(landed.place(), "do not exist at the authorization server");
    }
    if facts.code_of(CodeUse::StepUp).is_none() || !facts.redeemed(CodeUse::StepUp)?.accepted() {
        return inconclusive(Cause::Other("step_up_not_granted"));
    }
    let again = facts.owner_answer(OwnerProbe::SteppedUp)?;
    if served(again) {
        return Ok(Verdict::Pass);
    }
    if again.status() != Some(403) {
        return inconclusive(Cause::Other("neither_served_nor_refused"));
    }
    let place = again.challenge_place();
    match again.token_param("scope") {
        Some(more) if !is_within(more, demanded) => warn(
            Fault::new(
                "second_challenge",
                format!(
                    "With the demanded scopes {} the same call demands {}.",
                    quote(demanded),
                    quote(more)
                ),
                place,
            )
            .and(first.challenge_place()),
        ),
        _ => never(place, "were granted, and the call is refused all the same"),
    }
}

fn is_within(scopes: &str, others: &str) -> bool {
    scopes
        .split_whitespace()
        .all(|scope| others.split_whitespace().any(|other| other == scope))
}

pub(in crate::checks) fn hierarchy(facts: &Facts<'_>, _: Revision) -> Judgement {
    let operations = &facts.evidence.operations;
    let (Some(_), Some(stated)) = (&operations.scoped, &operations.hierarchy) else {
        return na(Na::Other("no_hierarchy"));
    };
    supplied(facts, Credential::BroadScopeToken)?;
    valid_token(facts)?;
    let answer = facts.owner_answer(OwnerProbe::BroaderScope)?;
    if served(answer) {
        return Ok(Verdict::Pass);
    }
    if answer.status() == Some(403) || tool_refuses(answer) {
        let demanded = answer.token_param("scope").unwrap_or("the narrower scope");
        return fail(Fault::new(
            "not_expanded",
            format!(
                "By the owner {}; a token with the broader scope is asked for {}.",
                quote(stated),
                quote(demanded)
            ),
            answer.challenge_place(),
        ));
    }
    inconclusive(Cause::Other("neither_served_nor_refused"))
}
