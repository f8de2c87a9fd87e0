//! Whether every way of speaking meets the same token check.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::check::{Cause, Fault, Judgement, Na, Place, Verdict, fail, inconclusive, na, warn};
use crate::evidence::{List, Purpose};
use crate::facts::outcome::{Answer, Outcome};
use crate::facts::{Facts, json, settle, sse};
use crate::report::{Class, Era};
use crate::spec::Revision;

const LISTS: [List; 4] = [List::Tools, List::Prompts, List::Resources, List::Templates];

/// What one era shows to a caller without a token.
#[derive(Debug, Clone, Copy)]
enum Seen<'f, 'e> {
    /// A list, without a token.
    List(&'f Answer<'e>),
    /// Refused for lack of a token, at the handshake or at the list.
    Refused(&'f Answer<'e>),
    /// The handshake is open; no list was given, and none was refused for lack of a token.
    Neither,
}

pub(super) fn eras(facts: &Facts<'_>, _: Revision) -> Judgement {
    for purpose in [Purpose::Discover, Purpose::Initialize] {
        facts.settled(purpose)?;
    }
    let modern = seen(
        facts,
        &[Purpose::Discover, Purpose::DiscoverListed],
        Purpose::ModernList,
    );
    let legacy = seen(
        facts,
        &[Purpose::InitializeOldest, Purpose::Initialize],
        Purpose::LegacyList,
    );
    let (Some(modern), Some(legacy)) = (modern, legacy) else {
        return na(Na::Other("single_era"));
    };
    match (modern, legacy) {
        (Seen::List(open), Seen::Refused(closed)) => bypass(open, closed, "modern", "old"),
        (Seen::Refused(closed), Seen::List(open)) => bypass(open, closed, "old", "modern"),
        (Seen::List(modern), Seen::List(legacy)) => same_lists(modern, legacy),
        (Seen::Refused(modern), Seen::Refused(legacy)) => same_refusal(modern, legacy),
        (Seen::Neither, Seen::Neither) => match unlisted(facts) {
            true => inconclusive(facts.never_asked()),
            false => Ok(Verdict::Pass),
        },
        (Seen::Neither, Seen::List(list) | Seen::Refused(list))
        | (Seen::List(list) | Seen::Refused(list), Seen::Neither) => {
            for purpose in [
                Purpose::ModernList(List::Tools),
                Purpose::LegacyList(List::Tools),
            ] {
                if let Some(answer) = facts.answer(purpose) {
                    settle(answer)?;
                }
            }
            if facts.era() == Era::Dual && list.outcome == Outcome::Open {
                return warn(Fault::new(
                    "lists_differ",
                    "One era lists tools without a token; the other does not answer a list at all.",
                    Place::body(list.exchange.id, "/result"),
                ));
            }
            inconclusive(Cause::Other("list_not_seen"))
        }
    }
}

/// A greeting speaks of tools, and they were not asked for in its era.
fn unlisted(facts: &Facts<'_>) -> bool {
    let tools = |purpose: &Purpose| {
        facts
            .answer(*purpose)
            .and_then(Answer::result)
            .is_some_and(|result| result["capabilities"]["tools"].is_object())
    };
    let eras = [
        (
            &[Purpose::Discover, Purpose::DiscoverListed],
            Purpose::ModernList(List::Tools),
        ),
        (
            &[Purpose::InitializeOldest, Purpose::Initialize],
            Purpose::LegacyList(List::Tools),
        ),
    ];
    eras.iter()
        .any(|(hello, list)| hello.iter().any(tools) && facts.answer(*list).is_none())
}

/// `None` where the era was rejected as such.
fn seen<'f, 'e>(
    facts: &'f Facts<'e>,
    hello: &[Purpose],
    list: fn(List) -> Purpose,
) -> Option<Seen<'f, 'e>> {
    let lists = || {
        LISTS
            .into_iter()
            .filter_map(|which| facts.answer(list(which)))
    };
    let listed = LISTS.into_iter().find_map(|which| {
        let answer = facts.answer(list(which))?;
        answer
            .result()?
            .get(which.member())
            .is_some_and(Value::is_array)
            .then_some(answer)
    });
    if let Some(answer) = listed {
        return Some(Seen::List(answer));
    }
    let greeted = || hello.iter().filter_map(|purpose| facts.answer(*purpose));
    if let Some(answer) = lists().find(|answer| refused(facts, answer)) {
        return Some(Seen::Refused(answer));
    }
    if let Some(answer) = greeted()
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .find(|answer| refused(facts, answer))
    {
        return Some(Seen::Refused(answer));
    }
    greeted()
        .any(|answer| answer.result().is_some())
        .then_some(Seen::Neither)
}

/// Refused for lack of a token; where the server says so with the wrong status, by its words.
fn refused(facts: &Facts<'_>, answer: &Answer<'_>) -> bool {
    answer.refuses_for_credentials()
        || matches!(answer.outcome, Outcome::Forbid | Outcome::Login)
        || (facts.flag("wrong_refusal_status")
            && answer.outcome != Outcome::Open
            && answer.speaks_of_authentication())
}

fn bypass(open: &Answer<'_>, closed: &Answer<'_>, speaks: &str, asks: &str) -> Judgement {
    fail(
        Fault::new(
            "list_without_token",
            format!(
                "A request of the {speaks} era lists what the server offers without a token, while \
                 the {asks} era asks for one."
            ),
            Place::body(open.exchange.id, "/result"),
        )
        .and(Place::status(closed.exchange.id)),
    )
}

fn same_lists(modern: &Answer<'_>, legacy: &Answer<'_>) -> Judgement {
    let names = |answer: &Answer<'_>| -> Option<BTreeSet<String>> {
        let tools = answer.result()?.get("tools")?.as_array()?;
        Some(
            tools
                .iter()
                .filter_map(|tool| Some(tool.get("name")?.as_str()?.to_owned()))
                .collect(),
        )
    };
    if names(modern) == names(legacy) {
        return Ok(Verdict::Pass);
    }
    warn(
        Fault::new(
            "tools_differ",
            "The two eras list different tools to a caller without a token.",
            Place::body(modern.exchange.id, "/result/tools"),
        )
        .and(Place::body(legacy.exchange.id, "/result/tools")),
    )
}

fn same_refusal(modern: &Answer<'_>, legacy: &Answer<'_>) -> Judgement {
    if modern.outcome != legacy.outcome {
        return warn(
            Fault::new(
                "refusals_differ",
                format!(
                    "The modern era is refused with status {}, the old one with {}.",
                    modern.status().unwrap_or_default(),
                    legacy.status().unwrap_or_default()
                ),
                Place::status(modern.exchange.id),
            )
            .and(Place::status(legacy.exchange.id)),
        );
    }
    if challenges(modern) == challenges(legacy) {
        return Ok(Verdict::Pass);
    }
    warn(
        Fault::new(
            "challenges_differ",
            "The two eras are challenged with different parameters.",
            Place::header(modern.exchange.id, "www-authenticate"),
        )
        .and(Place::header(legacy.exchange.id, "www-authenticate")),
    )
}

/// Schemes and parameters, without prose and values made for one response.
fn challenges(answer: &Answer<'_>) -> BTreeSet<(String, Vec<(String, String)>)> {
    answer
        .challenges
        .list
        .iter()
        .map(|challenge| {
            let mut params: Vec<(String, String)> = challenge
                .params
                .iter()
                .filter(|(name, _)| {
                    !matches!(
                        name.as_str(),
                        "error_description" | "nonce" | "trace_id" | "request_id"
                    )
                })
                .cloned()
                .collect();
            params.sort();
            (challenge.scheme.to_ascii_lowercase(), params)
        })
        .collect()
}

// --- batches ------------------------------------------------------------------------------------

pub(super) fn batch(facts: &Facts<'_>, revision: Revision) -> Judgement {
    if matches!(facts.class(), Class::Open | Class::HttpSse) {
        return na(Na::Class);
    }
    let Some(answer) = facts.answer(Purpose::Batch) else {
        // The GET-only endpoint of the old transport takes no POST.
        return if facts.era() == Era::HttpSse {
            na(Na::Era)
        } else {
            inconclusive(facts.never_asked())
        };
    };
    let at = answer.exchange.id;
    let results = results(answer);
    let listed = results.iter().any(|result| result.get("tools").is_some());
    let initialized = results
        .iter()
        .any(|result| result.get("protocolVersion").is_some());
    let single_list = [Purpose::LegacyList, Purpose::ModernList]
        .into_iter()
        .filter_map(|list| facts.answer(list(List::Tools)))
        .any(|answer| answer.result().is_some());
    let hello_refused = facts
        .answer(Purpose::Initialize)
        .is_some_and(|answer| refused(facts, answer));
    if listed && !single_list {
        return fail(Fault::new(
            "list_answered",
            "Sent in an array, tools/list is answered without a token; sent alone it is not.",
            Place::body(at, ""),
        ));
    }
    if initialized && hello_refused {
        return fail(Fault::new(
            "initialize_answered",
            "Sent in an array, initialize is answered without a token; sent alone it is not.",
            Place::body(at, ""),
        ));
    }
    if listed {
        // Arrays were legal in 2025-03-26 alone.
        if revision == Revision::V2025_03_26 {
            return Ok(Verdict::Pass);
        }
        return warn(Fault::new(
            "array_answered",
            "An array of messages is answered like the messages alone; arrays were removed in \
             2025-06-18.",
            Place::body(at, ""),
        ));
    }
    if answer.outcome == Outcome::Fault {
        return warn(Fault::new(
            "server_error",
            format!(
                "An array of messages gets status {}.",
                answer.status().unwrap_or_default()
            ),
            Place::status(at),
        ));
    }
    settle(answer)?;
    Ok(Verdict::Pass)
}

/// The results in the answer to an array: of a JSON array, of a single message, or of the
/// events of a stream.
fn results(answer: &Answer<'_>) -> Vec<Value> {
    let Some(response) = answer.response().filter(|response| !response.body.base64) else {
        return Vec::new();
    };
    let texts: Vec<String> = if response.media_type().as_deref() == Some("text/event-stream") {
        sse::events(&response.body.text)
            .into_iter()
            .map(|event| event.data)
            .collect()
    } else {
        vec![response.body.text.clone()]
    };
    texts
        .iter()
        .filter_map(|text| json::parse(text).ok())
        .flat_map(|json| match json.value {
            Value::Array(items) => items,
            other => vec![other],
        })
        .filter_map(|message| message.get("result").cloned())
        .collect()
}
