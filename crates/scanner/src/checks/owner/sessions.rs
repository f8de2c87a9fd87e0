//! Sessions and caches, once the owner lends tokens of two principals (sections 1.11 and 1.12).

use super::super::weigh::worst;
use super::{accepted, second_principal, turned_away, valid_token};
use crate::check::{Cause, Fault, Judgement, Na, Place, Verdict, fail, inconclusive, na, warn};
use crate::evidence::{OwnerProbe, Purpose};
use crate::facts::outcome::{Answer, Outcome};
use crate::facts::owner::{digest, served};
use crate::facts::{Facts, settle};
use crate::spec::Revision;

pub(in crate::checks) fn not_authentication(facts: &Facts<'_>, _: Revision) -> Judgement {
    valid_token(facts)?;
    facts.owner_answer(OwnerProbe::Initialize)?;
    if facts.owner_session(OwnerProbe::Initialize).is_none() {
        return na(Na::Other("no_session"));
    }
    let list = facts.owner_answer(OwnerProbe::SessionWithoutToken)?;
    let stream = facts.owner_answer(OwnerProbe::StreamWithoutToken);
    worst([
        refused(list, "list_served", "a session id and no token"),
        match stream {
            // Nobody offers a stream there.
            Ok(answer) if answer.outcome == Outcome::Miss => na(Na::AbsentByChoice),
            Ok(answer) => refused(
                answer,
                "stream_served",
                "a session id and no token for the event stream",
            ),
            Err(_) => na(Na::AbsentByChoice),
        },
    ])
}

fn refused(answer: &Answer<'_>, reason: &'static str, what: &str) -> Judgement {
    if served(answer) {
        return fail(accepted(answer, reason, what));
    }
    if turned_away(answer) || answer.status() == Some(404) {
        return Ok(Verdict::Pass);
    }
    inconclusive(Cause::Other("neither_served_nor_refused"))
}

pub(in crate::checks) fn principal_bound(facts: &Facts<'_>, _: Revision) -> Judgement {
    valid_token(facts)?;
    facts.owner_answer(OwnerProbe::Initialize)?;
    if facts.owner_session(OwnerProbe::Initialize).is_none() {
        return na(Na::Other("no_session"));
    }
    second_principal(facts)?;
    if !served(facts.owner_answer(OwnerProbe::SessionOfOwner)?) {
        return inconclusive(Cause::Other("session_not_usable"));
    }
    refused(
        facts.owner_answer(OwnerProbe::SessionOfAnother)?,
        "served_to_another",
        "the session of one principal and the token of another",
    )
}

/// Pairs of the same request with both tokens.
const PAIRS: [(OwnerProbe, OwnerProbe, &str); 3] = [
    (OwnerProbe::List, OwnerProbe::OtherList, "`tools/list`"),
    (
        OwnerProbe::Resources,
        OwnerProbe::OtherResources,
        "`resources/list`",
    ),
    (
        OwnerProbe::Resource,
        OwnerProbe::OtherResource,
        "`resources/read`",
    ),
];

pub(in crate::checks) fn cache_scope(facts: &Facts<'_>, _: Revision) -> Judgement {
    valid_token(facts)?;
    facts.owner_answer(OwnerProbe::Discover)?;
    if !facts.owner_is_modern() {
        return na(Na::Era);
    }
    second_principal(facts)?;
    let judgements: Vec<Judgement> = PAIRS
        .into_iter()
        .filter_map(|(one, other, what)| {
            let one = facts.answer(Purpose::Owner(one))?;
            let other = facts.answer(Purpose::Owner(other))?;
            Some(pair(one, other, what))
        })
        .collect();
    if judgements.is_empty() {
        return inconclusive(facts.never_asked());
    }
    worst(judgements)
}

fn pair(one: &Answer<'_>, other: &Answer<'_>, what: &str) -> Judgement {
    let (one, other) = (settle(one)?, settle(other)?);
    if !served(one) {
        return inconclusive(Cause::Other("not_served"));
    }
    let differ = !served(other) || digest(one) != digest(other);
    let scopes: Vec<Option<&str>> = [one, other]
        .into_iter()
        .filter(|answer| served(answer))
        .map(cache_scope_of)
        .collect();
    let public = [one, other].into_iter().find(|answer| {
        served(answer) && (cache_scope_of(answer) == Some("public") || http_public(answer))
    });
    let place = |answer: &Answer<'_>| Place::body(answer.exchange.id, "/result/cacheScope");
    if differ && let Some(answer) = public {
        let (said, at) = if http_public(answer) {
            (
                "`Cache-Control` lets shared caches keep them",
                Place::header(answer.exchange.id, "cache-control"),
            )
        } else {
            ("`cacheScope` is `public`", place(answer))
        };
        return fail(Fault::new(
            "public",
            format!("The results of {what} differ between two principals, and {said}."),
            at,
        ));
    }
    if scopes.iter().any(Option::is_none) {
        return warn(Fault::new(
            "hint_missing",
            format!("The result of {what} has no `cacheScope`."),
            place(one),
        ));
    }
    if !differ && scopes.iter().all(|scope| *scope == Some("private")) {
        return warn(Fault::new(
            "over_cautious",
            format!("The results of {what} are the same for two principals, and marked private."),
            place(one),
        ));
    }
    Ok(Verdict::Pass)
}

fn cache_scope_of<'a>(answer: &'a Answer<'_>) -> Option<&'a str> {
    answer.result()?.get("cacheScope")?.as_str()
}

/// A shared cache may keep it (RFC 9111 section 5.2.2).
fn http_public(answer: &Answer<'_>) -> bool {
    answer.response().is_some_and(|response| {
        response
            .headers_named("cache-control")
            .flat_map(|line| line.split(','))
            .map(|directive| directive.trim().to_ascii_lowercase())
            .any(|directive| directive == "public" || directive.starts_with("s-maxage"))
    })
}
