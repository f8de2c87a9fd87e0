//! The endpoints that clients of 2025-03-26 assume at the origin where there is no metadata.

use crate::check::{Cause, Fault, Judgement, Na, Place, fail, inconclusive, na, worst};
use crate::evidence::{DefaultEndpoint, Purpose};
use crate::facts::outcome::{Answer, is_html};
use crate::facts::{Facts, discovery};
use crate::spec::Revision;

pub(super) fn endpoints(facts: &Facts<'_>, _: Revision) -> Judgement {
    if !facts.speaks(Revision::V2025_03_26) {
        return na(Na::NotInRevision);
    }
    if !facts.protected() {
        return na(Na::Class);
    }
    if !facts.wants_default_endpoints() {
        return na(Na::Other("metadata_found"));
    }
    if !facts.consented_text(&discovery::origin_of(facts.endpoint())) {
        return na(Na::Depth);
    }
    let answer = |endpoint| facts.settled(Purpose::DefaultEndpoint(endpoint));
    let authorize = answer(DefaultEndpoint::Authorize)?;
    let token = answer(DefaultEndpoint::Token)?;
    let register = answer(DefaultEndpoint::Register)?;
    let missing = |answer: &Answer<'_>| matches!(answer.status(), Some(404 | 410));
    for (answer, reason, path) in [
        (authorize, "authorize_missing", "/authorize"),
        (token, "token_missing", "/token"),
    ] {
        if missing(answer) {
            return fail(Fault::new(
                reason,
                format!("There is no metadata, and no `{path}` at the origin either."),
                Place::status(answer.exchange.id),
            ));
        }
    }
    if catches_all(facts, authorize) {
        return inconclusive(Cause::Other("catch_all"));
    }
    // Many servers answer OPTIONS for paths that they do not have.
    let told_nothing = |answer: &Answer<'_>| matches!(answer.status(), Some(200..=299));
    if told_nothing(token) || (told_nothing(register) && !missing(register)) {
        return inconclusive(Cause::Other("options_told_nothing"));
    }
    let warns = missing(register).then(|| {
        Fault::new(
            "register_missing",
            "There is no metadata, and no `/register` at the origin either.",
            Place::status(register.exchange.id),
        )
    });
    worst(Vec::new(), warns.into_iter().collect())
}

/// Whether a path that cannot exist is answered in the same way.
fn catches_all(facts: &Facts<'_>, authorize: &Answer<'_>) -> bool {
    let html = |answer: &Answer<'_>| answer.response().is_some_and(is_html);
    facts
        .answer(Purpose::RandomWellKnown)
        .is_some_and(|random| {
            random.status() == authorize.status() && html(random) == html(authorize)
        })
}
