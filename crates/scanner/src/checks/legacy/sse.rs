//! The HTTP+SSE transport of 2024-11-05.

use url::Url;

use crate::check::{Cause, Fault, Judgement, Na, Place, Verdict, fail, inconclusive, na, warn};
use crate::evidence::Purpose;
use crate::facts::classify::endpoint_event;
use crate::facts::outcome::Answer;
use crate::facts::{Facts, quote, relation, settle};
use crate::report::{Class, Era};
use crate::spec::Revision;

/// The answers of GET on every URL that may be an SSE stream.
fn streams<'f, 'e>(facts: &'f Facts<'e>) -> Vec<&'f Answer<'e>> {
    [Purpose::EventStream, Purpose::SiblingStream]
        .into_iter()
        .filter_map(|purpose| facts.answer(purpose))
        .collect()
}

pub(super) fn offered(facts: &Facts<'_>, _: Revision) -> Judgement {
    if let Some((_, answer)) = endpoint_event(facts) {
        let beside = facts.open_hello()
            || [Purpose::Discover, Purpose::Initialize]
                .into_iter()
                .filter_map(|purpose| facts.answer(purpose))
                .any(Answer::refuses_for_credentials);
        let place = Place::body(answer.exchange.id, "");
        return warn(if beside {
            Fault::new(
                "beside",
                "The HTTP+SSE transport is offered beside Streamable HTTP.",
                place,
            )
        } else {
            Fault::new(
                "only_transport",
                "The HTTP+SSE transport is the only one that is offered.",
                place,
            )
        });
    }
    let streams = streams(facts);
    if streams.is_empty() {
        return inconclusive(facts.never_asked());
    }
    if streams
        .iter()
        .any(|answer| answer.refuses_for_credentials())
    {
        return na(Na::Other("challenged"));
    }
    for answer in streams {
        settle(answer)?;
    }
    Ok(Verdict::Pass)
}

pub(super) fn protected(facts: &Facts<'_>, _: Revision) -> Judgement {
    if !facts.protected() || facts.class() == Class::HttpSse {
        return na(Na::Other("open"));
    }
    if let Some((_, answer)) = endpoint_event(facts) {
        // The stream is a handshake, and handshakes are open here by design.
        if facts.open_hello() {
            return inconclusive(Cause::Other("handshake_open"));
        }
        return fail(Fault::new(
            "stream_opens",
            "The SSE stream opens without a token and names where to post messages, while the \
             endpoint asks for one.",
            Place::body(answer.exchange.id, ""),
        ));
    }
    let Some(answer) = known_stream(facts) else {
        return na(Na::Other("no_sse_url"));
    };
    let answer = settle(answer)?;
    match answer.status() {
        Some(404 | 405 | 410) => Ok(Verdict::Pass),
        _ if answer.refuses_for_credentials() => Ok(Verdict::Pass),
        _ => inconclusive(Cause::Other("unclear_answer")),
    }
}

/// The answer of the URL that is known to be of the old transport: the listing's sibling, or
/// the endpoint itself where it is listed so or takes GET alone.
fn known_stream<'f, 'e>(facts: &'f Facts<'e>) -> Option<&'f Answer<'e>> {
    if let Some(answer) = facts.answer(Purpose::SiblingStream) {
        return Some(answer);
    }
    let listed = facts
        .evidence
        .target
        .listing
        .as_ref()
        .is_some_and(|listing| listing.transport.as_deref() == Some("sse"));
    (listed || facts.era() == Era::HttpSse)
        .then(|| facts.answer(Purpose::EventStream))
        .flatten()
}

pub(super) fn endpoint_origin(facts: &Facts<'_>, _: Revision) -> Judgement {
    let Some((data, answer)) = endpoint_event(facts) else {
        let streams = streams(facts);
        if streams.is_empty() {
            return inconclusive(facts.never_asked());
        }
        for answer in streams {
            settle(answer)?;
        }
        return na(Na::Other("no_event"));
    };
    let place = Place::body(answer.exchange.id, "");
    let Ok(stream) = Url::parse(&answer.exchange.asked.url) else {
        return inconclusive(Cause::NotCaptured);
    };
    let Ok(to) = stream.join(data.trim()) else {
        return inconclusive(Cause::Other("uri_unreadable"));
    };
    let shown = {
        let mut shown = to.clone();
        shown.set_query(None);
        shown.set_fragment(None);
        quote(shown.as_str())
    };
    if !facts.secure(&to) {
        return fail(Fault::new(
            "plain_http",
            format!("The endpoint event sends messages to {shown}, which is not https."),
            place,
        ));
    }
    if relation::same_origin(&stream, &to) {
        return Ok(Verdict::Pass);
    }
    let site = |url: &Url| url.host_str().and_then(relation::registrable_domain);
    if stream.host_str() == to.host_str() || (site(&to).is_some() && site(&to) == site(&stream)) {
        return warn(Fault::new(
            "same_site",
            format!(
                "The endpoint event sends messages to another host of the same domain: {shown}."
            ),
            place,
        ));
    }
    fail(Fault::new(
        "other_domain",
        format!("The endpoint event sends messages to another domain: {shown}."),
        place,
    ))
}
