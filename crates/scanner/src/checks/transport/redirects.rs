//! Where MCP requests are sent on to.

use crate::check::{Cause, Fault, Judgement, Na, Place, Verdict, fail, inconclusive, na, warn};
use crate::evidence::Purpose;
use crate::facts::outcome::{Answer, Outcome};
use crate::facts::{Facts, quote, relation, settle};
use crate::spec::Revision;

/// How bad a redirect is; the worst one is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    KeepsMethod,
    MayChangeMethod,
    OtherOrigin,
    Downgrade,
}

pub(super) fn redirects(facts: &Facts<'_>, _: Revision) -> Judgement {
    let hello: Vec<&Answer<'_>> = [Purpose::Discover, Purpose::Initialize]
        .into_iter()
        .flat_map(|purpose| facts.all(purpose))
        .collect();
    let worst = hello
        .iter()
        .filter(|answer| answer.outcome == Outcome::Redirect)
        .filter_map(|answer| Some((kind(facts, answer)?, *answer)))
        .max_by_key(|(kind, answer)| (*kind, std::cmp::Reverse(answer.exchange.id)));
    if let Some((kind, answer)) = worst {
        return report(kind, answer);
    }
    if let Some(answer) = hello
        .iter()
        .find(|answer| is_redirect_status(answer) && answer.location().is_none())
        && answer.outcome != Outcome::Block
    {
        // Where it leads cannot be read, so nothing can be said of its origin.
        return inconclusive(Cause::Other("location_unreadable"));
    }
    if hello.iter().any(|answer| answer.outcome == Outcome::Login) {
        return na(Na::Other("login_redirect"));
    }
    let mut unmet = None;
    for purpose in [Purpose::Discover, Purpose::Initialize] {
        match facts.settled(purpose) {
            Ok(_) => return Ok(Verdict::Pass),
            Err(why) => unmet = unmet.or(Some(why)),
        }
    }
    match unmet {
        Some(why) => Err(why),
        None => inconclusive(facts.never_asked()),
    }
}

fn is_redirect_status(answer: &Answer<'_>) -> bool {
    matches!(answer.status(), Some(301 | 302 | 303 | 307 | 308)) && settle(answer).is_ok()
}

/// `None` for the step from an http listing to the same URL over https, which
/// tls-https-endpoint reports.
fn kind(facts: &Facts<'_>, answer: &Answer<'_>) -> Option<Kind> {
    let from = url::Url::parse(&answer.exchange.asked.url).ok()?;
    let to = answer.location()?;
    if relation::same_origin(&from, &to) {
        return Some(match answer.status() {
            Some(307 | 308) => Kind::KeepsMethod,
            _ => Kind::MayChangeMethod,
        });
    }
    if from.scheme() == "https" && !facts.secure(&to) {
        return Some(Kind::Downgrade);
    }
    if crate::facts::upgrades(&from, &to) {
        return None;
    }
    Some(Kind::OtherOrigin)
}

fn report(kind: Kind, answer: &Answer<'_>) -> Judgement {
    let status = answer.status().unwrap_or_default();
    let place = Place::header(answer.exchange.id, "location");
    let to = answer
        .location()
        .map(|mut to| {
            to.set_query(None);
            to.set_fragment(None);
            quote(to.as_str())
        })
        .unwrap_or_default();
    match kind {
        Kind::KeepsMethod => warn(Fault::new(
            "same_origin",
            format!("The endpoint answers {status} and sends clients on to {to}."),
            place,
        )),
        Kind::MayChangeMethod => warn(Fault::new(
            "method_may_change",
            format!(
                "The endpoint answers {status} and sends clients on to {to}; with this status many \
                 turn the POST into a GET."
            ),
            place,
        )),
        Kind::OtherOrigin => fail(Fault::new(
            "other_origin",
            format!("The endpoint answers {status} and sends clients to another origin: {to}."),
            place,
        )),
        Kind::Downgrade => fail(Fault::new(
            "downgrade",
            format!("The endpoint answers {status} and sends clients down to plain http: {to}."),
            place,
        )),
    }
}
