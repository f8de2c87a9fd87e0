//! The wire of the modern era, and what both eras do on GET and with unknown versions.

use serde_json::Value;

use crate::check::{
    Cause, Fault, Judgement, Na, Place, Unmet, Verdict, fail, inconclusive, na, warn,
};
use crate::evidence::{List, Purpose};
use crate::facts::outcome::{Answer, Outcome, Rpc};
use crate::facts::{Facts, quote, settle};
use crate::report::Era;
use crate::spec::Revision;

const UNSUPPORTED_VERSION: i64 = -32022;
const HEADER_MISMATCH: i64 = -32020;
const METHOD_NOT_FOUND: i64 = -32601;

/// Goes on only where the modern era is spoken without a token.
fn modern(facts: &Facts<'_>) -> Result<(), Unmet> {
    match facts.era() {
        Era::Modern | Era::Dual => Ok(()),
        Era::Legacy | Era::HttpSse => na(Na::Era),
        Era::Hidden => {
            facts.settled(Purpose::Discover)?;
            na(Na::Other("challenged"))
        }
    }
}

/// The answer of a probe, unless a token was asked for before the probe was looked at.
fn unchallenged<'f, 'e>(facts: &'f Facts<'e>, purpose: Purpose) -> Result<&'f Answer<'e>, Unmet> {
    match facts.answer(purpose) {
        Some(answer) => past_token_check(answer),
        // After a challenge the plan does not ask further.
        None if facts.anonymous().any(Answer::refuses_for_credentials) => {
            na(Na::Other("challenged"))
        }
        None => inconclusive(facts.never_asked()),
    }
}

fn past_token_check<'f, 'e>(answer: &'f Answer<'e>) -> Result<&'f Answer<'e>, Unmet> {
    if answer.refuses_for_credentials() || answer.outcome == Outcome::Login {
        return na(Na::Other("challenged"));
    }
    Ok(answer)
}

/// The status of an answer that can be judged. A 5xx is one where the entry names it.
fn status_of(answer: &Answer<'_>) -> Result<u16, Unmet> {
    match (answer.outcome, answer.status()) {
        (Outcome::Fault, Some(status)) => Ok(status),
        (_, Some(status)) => settle(answer).map(|_| status),
        (_, None) => inconclusive(Cause::Network),
    }
}

// --- server/discover ------------------------------------------------------------------------

pub(super) fn discover(facts: &Facts<'_>, _: Revision) -> Judgement {
    modern(facts)?;
    let answer = past_token_check(
        [Purpose::DiscoverListed, Purpose::Discover]
            .into_iter()
            .filter_map(|purpose| facts.answer(purpose))
            .find(|answer| answer.result().is_some())
            .map_or_else(|| facts.settled(Purpose::Discover), Ok)?,
    )?;
    let at = answer.exchange.id;
    if let Some(result) = answer.result() {
        return discover_result(result, at);
    }
    match answer.error_code() {
        Some(METHOD_NOT_FOUND) => fail(Fault::new(
            "method_not_found",
            "The server speaks the modern era but does not know server/discover.",
            Place::body(at, "/error/code"),
        )),
        // Refused for its version or for a capability: the method itself was not seen.
        _ => inconclusive(Cause::Other("request_refused")),
    }
}

fn discover_result(result: &Value, at: u32) -> Judgement {
    let complete = [
        (
            "supportedVersions",
            result.get("supportedVersions").is_some_and(Value::is_array),
        ),
        (
            "capabilities",
            result.get("capabilities").is_some_and(Value::is_object),
        ),
        (
            "resultType",
            result.get("resultType").and_then(Value::as_str) == Some("complete"),
        ),
    ];
    if let Some((member, _)) = complete.iter().find(|(_, there)| !there) {
        return fail(Fault::new(
            "incomplete_result",
            format!("The result of server/discover lacks a usable `{member}`."),
            Place::body(at, &format!("/result/{member}")),
        ));
    }
    let info = result
        .pointer("/_meta/io.modelcontextprotocol~1serverInfo")
        .is_some_and(Value::is_object);
    let hints = [
        ("_meta", info),
        ("ttlMs", result.get("ttlMs").is_some()),
        ("cacheScope", result.get("cacheScope").is_some()),
    ];
    match hints.iter().find(|(_, there)| !there) {
        None => Ok(Verdict::Pass),
        Some((member, _)) => warn(Fault::new(
            "sparse_result",
            match *member {
                "_meta" => "The result of server/discover names no serverInfo in `_meta`.".into(),
                member => format!("The result of server/discover lacks `{member}`."),
            },
            Place::body(at, &format!("/result/{member}")),
        )),
    }
}

// --- versions -------------------------------------------------------------------------------

pub(super) fn version(facts: &Facts<'_>, revision: Revision) -> Judgement {
    let modern = match facts.era() {
        Era::Modern | Era::Dual => true,
        Era::Legacy => false,
        Era::HttpSse => return na(Na::Era),
        Era::Hidden => {
            facts.settled(Purpose::Discover)?;
            return na(Na::Other("challenged"));
        }
    };
    let answer = unchallenged(facts, Purpose::BogusVersion)?;
    // The older columns ask for a 400 and no more, whatever era answers.
    if modern && revision >= Revision::V2026_07_28 {
        modern_version(answer)
    } else {
        legacy_version(answer)
    }
}

fn modern_version(answer: &Answer<'_>) -> Judgement {
    let status = status_of(answer)?;
    let at = answer.exchange.id;
    match status {
        400 => match &answer.rpc {
            Some(Rpc::Error { code, data, .. })
                if *code == UNSUPPORTED_VERSION
                    && data.get("supported").is_some_and(Value::is_array)
                    && data.get("requested").is_some() =>
            {
                Ok(Verdict::Pass)
            }
            _ => warn(Fault::new(
                "other_body",
                "An unknown version gets 400, but not error -32022 with the supported and the \
                 requested version.",
                Place::body(at, ""),
            )),
        },
        200..=299 => fail(Fault::new(
            "accepted",
            format!("A request for version 1900-01-01 gets status {status}."),
            Place::status(at),
        )),
        500..=599 => fail(Fault::new(
            "server_error",
            format!("A request for version 1900-01-01 gets status {status} instead of 400."),
            Place::status(at),
        )),
        _ => warn(Fault::new(
            "other_status",
            format!("A request for version 1900-01-01 is refused with {status} instead of 400."),
            Place::status(at),
        )),
    }
}

fn legacy_version(answer: &Answer<'_>) -> Judgement {
    let answer = settle(answer)?;
    let at = answer.exchange.id;
    match answer.status() {
        Some(400) => Ok(Verdict::Pass),
        Some(status @ 200..=299) => warn(Fault::new(
            "header_ignored",
            format!("A request with version 1900-01-01 in its header gets status {status}."),
            Place::status(at),
        )),
        status => warn(Fault::new(
            "other_status",
            format!(
                "A request with version 1900-01-01 in its header is refused with {} instead of 400.",
                status.unwrap_or_default()
            ),
            Place::status(at),
        )),
    }
}

// --- headers and body -------------------------------------------------------------------------

pub(super) fn header_body(facts: &Facts<'_>, _: Revision) -> Judgement {
    modern(facts)?;
    let variants = [
        (
            Purpose::VersionMismatch,
            "whose version differs between header and body",
        ),
        (
            Purpose::MethodMismatch,
            "whose Mcp-Method differs from the body",
        ),
        (Purpose::MethodMissing, "without Mcp-Method"),
    ];
    let mut unmet: Option<Unmet> = None;
    let mut warned: Option<Fault> = None;
    let mut failed: Option<Fault> = None;
    for (purpose, what) in variants {
        let answer = match unchallenged(facts, purpose).and_then(settle) {
            Ok(answer) => answer,
            Err(why) => {
                unmet.get_or_insert(why);
                continue;
            }
        };
        let at = answer.exchange.id;
        if answer.outcome == Outcome::Open {
            failed = Some(match failed {
                Some(fault) => fault.and(Place::status(at)),
                None => Fault::new(
                    "processed",
                    format!("A request {what} is processed."),
                    Place::status(at),
                ),
            });
            continue;
        }
        let status = answer.status().unwrap_or_default();
        let (reason, said) = match (status, answer.error_code()) {
            (400, Some(HEADER_MISMATCH)) => continue,
            (400, Some(code)) => (
                "other_code",
                format!("A request {what} gets 400 with error {code} instead of -32020."),
            ),
            (400, None) => (
                "no_rpc_error",
                format!("A request {what} gets 400 without a JSON-RPC error."),
            ),
            (status, _) => (
                "other_status",
                format!("A request {what} is answered with {status} instead of 400."),
            ),
        };
        warned = Some(match warned {
            Some(fault) => fault.and(Place::status(at)),
            None => Fault::new(reason, said, Place::status(at)),
        });
    }
    match (failed, unmet, warned) {
        (Some(fault), ..) => fail(fault),
        (None, Some(why), _) => Err(why),
        (None, None, Some(fault)) => warn(fault),
        (None, None, None) => Ok(Verdict::Pass),
    }
}

// --- unknown methods ----------------------------------------------------------------------------

pub(super) fn unknown_method(facts: &Facts<'_>, _: Revision) -> Judgement {
    modern(facts)?;
    let answer = settle(unchallenged(facts, Purpose::UnknownMethod)?)?;
    let at = answer.exchange.id;
    if answer.outcome == Outcome::Open {
        return fail(Fault::new(
            "processed",
            "A method that does not exist gets a result.",
            Place::body(at, "/result"),
        ));
    }
    let status = answer.status().unwrap_or_default();
    match (status, answer.error_code()) {
        (404, Some(METHOD_NOT_FOUND)) if same_id(answer) => Ok(Verdict::Pass),
        (404, Some(METHOD_NOT_FOUND)) => warn(Fault::new(
            "other_id",
            "The error for an unknown method does not carry the id of the request.",
            Place::body(at, "/id"),
        )),
        (_, Some(METHOD_NOT_FOUND)) => warn(Fault::new(
            "other_status",
            format!(
                "Error -32601 for an unknown method comes with status {status} instead of 404."
            ),
            Place::status(at),
        )),
        (_, Some(code)) => warn(Fault::new(
            "other_code",
            format!("An unknown method gets status {status} and error {code} instead of -32601."),
            Place::body(at, "/error/code"),
        )),
        (_, None) => warn(Fault::new(
            "no_rpc_error",
            format!("An unknown method gets status {status} without a JSON-RPC error."),
            Place::body(at, ""),
        )),
    }
}

/// The answer carries the id of its request.
fn same_id(answer: &Answer<'_>) -> bool {
    let asked = answer
        .exchange
        .asked
        .body
        .as_deref()
        .and_then(|body| serde_json::from_str::<Value>(body).ok())
        .and_then(|body| body.get("id").cloned());
    let Some(Value::String(id)) = asked else {
        return false;
    };
    let quoted = format!("\"{id}\"");
    // In an event stream the message is one of several; the id is unique enough to look for.
    match answer.json_object() {
        Some(object) => object.get("id").and_then(Value::as_str) == Some(id.as_str()),
        None => answer
            .response()
            .is_some_and(|response| response.body.text.contains(&quoted)),
    }
}

// --- sessions of the modern era --------------------------------------------------------------

pub(super) fn no_session(facts: &Facts<'_>, _: Revision) -> Judgement {
    modern(facts)?;
    let stray = settle(unchallenged(facts, Purpose::StraySession)?)?;
    let known = [Purpose::Discover, Purpose::DiscoverListed]
        .into_iter()
        .filter_map(|purpose| facts.answer(purpose))
        .any(|answer| answer.result().is_some());
    if stray.outcome != Outcome::Open {
        if !known {
            return inconclusive(Cause::Other("request_refused"));
        }
        return fail(Fault::new(
            "refused",
            format!(
                "server/discover works, but not in a request that carries an unknown session id: \
                 status {}.",
                stray.status().unwrap_or_default()
            ),
            Place::status(stray.exchange.id),
        ));
    }
    let carrier = [
        Purpose::StraySession,
        Purpose::Discover,
        Purpose::DiscoverListed,
        Purpose::ModernList(List::Tools),
    ]
    .into_iter()
    .filter_map(|purpose| facts.answer(purpose))
    .find(|answer| {
        answer
            .response()
            .is_some_and(|response| response.header("mcp-session-id").is_some())
    });
    match carrier {
        None => Ok(Verdict::Pass),
        Some(answer) => warn(Fault::new(
            if answer.exchange.purpose == Purpose::StraySession {
                "echoed"
            } else {
                "minted"
            },
            "The answer to a modern request carries an Mcp-Session-Id.",
            Place::header(answer.exchange.id, "mcp-session-id"),
        )),
    }
}

// --- GET ----------------------------------------------------------------------------------------

pub(super) fn get(facts: &Facts<'_>, _: Revision) -> Judgement {
    let Some(answer) = facts.answer(Purpose::EventStream) else {
        return inconclusive(facts.never_asked());
    };
    let answer = past_token_check(answer)?;
    let status = status_of(answer)?;
    let at = answer.exchange.id;
    let media = answer.response().and_then(|response| response.media_type());
    let streams = media.as_deref() == Some("text/event-stream");
    match status {
        405 => Ok(Verdict::Pass),
        200 if streams && facts.era() != Era::Modern => Ok(Verdict::Pass),
        200 if streams => warn(Fault::new(
            "stream",
            "GET opens an event stream on a server that speaks only the modern era.",
            Place::header(at, "content-type"),
        )),
        500..=599 => fail(Fault::new(
            "server_error",
            format!("GET on the endpoint gets status {status}."),
            Place::status(at),
        )),
        200..=299 => warn(Fault::new(
            "page",
            format!(
                "GET on the endpoint gets status {status} and {} instead of 405.",
                media.map_or_else(|| "no media type".to_owned(), |media| quote(&media))
            ),
            Place::status(at),
        )),
        _ => warn(Fault::new(
            "other_status",
            format!("GET on the endpoint gets status {status} instead of 405."),
            Place::status(at),
        )),
    }
}
