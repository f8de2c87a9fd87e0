//! Session ids of the handshake revisions, judged from what blanking left of them.

use crate::check::{
    Cause, Fault, Judgement, Na, Place, Unmet, Verdict, fail, inconclusive, na, warn,
};
use crate::evidence::{ExchangeId, Purpose};
use crate::facts::outcome::{Answer, Outcome};
use crate::facts::{Facts, settle};
use crate::redact::marker::{self, Marker};
use crate::report::{Class, Era};
use crate::spec::Revision;

/// Entropy that passes, in bits.
const ENOUGH_BITS: f64 = 64.0;
/// Random bits of a UUID of version 7, and of the other versions that are not made of a clock.
const UUID7_BITS: f64 = 74.0;
const UUID_BITS: f64 = 122.0;

/// The ids that our handshakes were given, or why there are none to judge.
fn issued<'e>(facts: &Facts<'e>) -> Result<Vec<(ExchangeId, &'e str)>, Unmet> {
    if matches!(facts.era(), Era::Modern | Era::HttpSse) {
        return na(Na::Era);
    }
    if facts.protected() && facts.class() != Class::Lazy {
        return na(Na::Other("protected"));
    }
    facts.settled(Purpose::Initialize)?;
    let ids: Vec<(ExchangeId, &str)> = [
        Purpose::Initialize,
        Purpose::AnotherSession(1),
        Purpose::AnotherSession(2),
    ]
    .into_iter()
    .filter_map(|purpose| facts.answer(purpose))
    .filter(|answer| answer.result().is_some())
    .filter_map(|answer| {
        let value = answer.response()?.header("mcp-session-id")?;
        Some((answer.exchange.id, value))
    })
    .collect();
    if ids.is_empty() {
        return na(Na::Other("no_session"));
    }
    Ok(ids)
}

pub(super) fn quality(facts: &Facts<'_>, _: Revision) -> Judgement {
    let ids: Vec<(ExchangeId, Marker<'_>)> = issued(facts)?
        .into_iter()
        .filter_map(|(id, value)| Some((id, marker::first(value)?)))
        .collect();
    let gross = ids.iter().find_map(|(id, marker)| {
        let (reason, said) = gross_fault(marker)?;
        Some(Fault::new(reason, said, place(*id)))
    });
    if let Some(fault) = gross {
        return fail(fault);
    }
    if ids.len() < 3 {
        return inconclusive(Cause::Other("too_few_samples"));
    }
    if let Some((id, _)) = ids
        .iter()
        .find(|(_, marker)| marker.field("form") == Some("jwt"))
    {
        return warn(Fault::new(
            "readable_token",
            "The session id is a token whose claims anybody can read.",
            place(*id),
        ));
    }
    let shared = ids
        .iter()
        .filter_map(|(_, marker)| marker.number("shared"))
        .max()
        .unwrap_or_default();
    let weakest = ids
        .iter()
        .map(|(id, marker)| (bits(marker, shared), *id))
        .min_by(|a, b| a.0.total_cmp(&b.0));
    match weakest {
        Some((bits, id)) if bits < ENOUGH_BITS => warn(Fault::new(
            "short",
            format!("The session ids hold about {bits:.0} bits that differ, less than 64."),
            place(id),
        )),
        _ => Ok(Verdict::Pass),
    }
}

fn place(id: ExchangeId) -> Place {
    Place::header(id, "mcp-session-id")
}

/// What three samples suffice to fail.
fn gross_fault(marker: &Marker<'_>) -> Option<(&'static str, String)> {
    if marker.field("visible") == Some("no") {
        return Some((
            "not_visible",
            "The session id holds characters outside of visible ASCII.".into(),
        ));
    }
    if let Some(form @ ("uuid1" | "uuid2" | "uuid6")) = marker.field("form") {
        return Some((
            "time_derived",
            format!(
                "The session id is a UUID of version {}, which is made of the clock and the machine.",
                &form[4..]
            ),
        ));
    }
    match marker.number("step") {
        Some(0) => Some((
            "equal",
            "Two handshakes were given the same session id.".into(),
        )),
        Some(step) => Some((
            "sequential",
            format!("Two session ids, read as numbers, lie only {step} apart."),
        )),
        None => None,
    }
}

/// Estimated entropy: length without the common prefix, times the bits of a character.
fn bits(marker: &Marker<'_>, shared: i64) -> f64 {
    match marker.field("form") {
        Some("uuid7") => return UUID7_BITS,
        Some(form) if form.starts_with("uuid") => return UUID_BITS,
        _ => (),
    }
    let length = marker
        .number("len")
        .unwrap_or_default()
        .saturating_sub(shared);
    let alphabet = marker.number("alphabet").unwrap_or_default();
    let as_float = |number: i64| f64::from(u32::try_from(number).unwrap_or_default());
    as_float(length) * as_float(alphabet).max(1.0).log2()
}

/// How a list under an id that should not work was answered.
enum Refusal {
    /// 404, as demanded.
    NotFound,
    /// 400.
    BadRequest,
    /// Refused in another way.
    Other(u16),
    /// Served, on every connection that was tried.
    Served,
}

/// Served only once is no finding: another node may have set the session up again.
fn refusal(facts: &Facts<'_>, first: Purpose, again: fn(u8) -> Purpose) -> Result<Refusal, Unmet> {
    let answer = facts.settled(first)?;
    if answer.refuses_for_credentials() {
        return na(Na::Other("protected"));
    }
    if answer.outcome != Outcome::Open {
        return Ok(match answer.status() {
            Some(404) => Refusal::NotFound,
            Some(400) => Refusal::BadRequest,
            status => Refusal::Other(status.unwrap_or_default()),
        });
    }
    for number in 1..=2 {
        if facts.settled(again(number))?.outcome != Outcome::Open {
            return inconclusive(Cause::Other("served_once"));
        }
    }
    Ok(Refusal::Served)
}

pub(super) fn unknown_rejected(facts: &Facts<'_>, _: Revision) -> Judgement {
    issued(facts)?;
    let at = |purpose: Purpose| {
        Place::status(facts.answer(purpose).map_or(0, |answer| answer.exchange.id))
    };
    let unknown = refusal(facts, Purpose::UnknownSession, Purpose::UnknownSessionAgain);
    if let Ok(Refusal::Served) = unknown {
        return fail(Fault::new(
            "unknown_served",
            "A list is served under a session id that the server never issued.",
            at(Purpose::UnknownSession),
        ));
    }
    let ended = ended(facts)?;
    if let Some(fault) = ended
        .as_ref()
        .filter(|fault| fault.reason == "ended_served")
    {
        return fail(fault.clone());
    }
    if let Refusal::Other(status) = unknown? {
        return warn(Fault::new(
            "other_status",
            format!("A list under an unknown session id gets status {status} instead of 404."),
            at(Purpose::UnknownSession),
        ));
    }
    ended.map_or(Ok(Verdict::Pass), warn)
}

/// What is wrong with ending a session, if something is.
fn ended(facts: &Facts<'_>) -> Result<Option<Fault>, Unmet> {
    let deleted = settle_any(facts.answer(Purpose::EndSession), facts)?;
    let status = deleted.status().unwrap_or_default();
    // A server may decline to end sessions on request.
    if matches!(status, 405 | 501) {
        return Ok(None);
    }
    let place = Place::status(
        facts
            .answer(Purpose::EndedSession)
            .map_or(deleted.exchange.id, |answer| answer.exchange.id),
    );
    let after = refusal(facts, Purpose::EndedSession, Purpose::EndedSessionAgain)?;
    Ok(match (status, after) {
        (404, Refusal::Served) => Some(Fault::new(
            "delete_unknown",
            "DELETE of a session gets 404, but the session lives on.",
            place,
        )),
        (200..=299, Refusal::Served) => Some(Fault::new(
            "ended_served",
            format!("DELETE of a session gets {status}, but a list is still served under its id."),
            place,
        )),
        (_, Refusal::BadRequest) => Some(Fault::new(
            "ended_400",
            "A list under a session that was ended gets 400 instead of 404.",
            place,
        )),
        (_, Refusal::NotFound) => None,
        (_, Refusal::Other(after)) => Some(Fault::new(
            "ended_other",
            format!("A list under a session that was ended gets {after} instead of 404."),
            place,
        )),
        (status, Refusal::Served) => Some(Fault::new(
            "delete_refused",
            format!("DELETE of a session gets {status}, and the session lives on."),
            place,
        )),
    })
}

fn settle_any<'f, 'e>(
    answer: Option<&'f Answer<'e>>,
    facts: &Facts<'_>,
) -> Result<&'f Answer<'e>, Unmet> {
    match answer {
        // 501 is a clear answer to DELETE.
        Some(answer) if answer.status() == Some(501) => Ok(answer),
        Some(answer) => settle(answer),
        None => inconclusive(facts.never_asked()),
    }
}
