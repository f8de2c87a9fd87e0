//! How a server refuses: with which status, on which methods, and always the same.

use super::{named, undecided, unseen};
use crate::check::{
    Area, Cause, Check, Fault, Judgement, Level, Na, Party, Place, ProbeClass, Severity, Unmet,
    Verdict, fail, inconclusive, na, warn,
};
use crate::checks::weigh::{worst, worst_or};
use crate::evidence::{Failure, Phase, Purpose};
use crate::facts::outcome::{Answer, Outcome, Rpc, is_html};
use crate::facts::{Facts, quote, settle, sse};
use crate::spec::{Matrix, Revision, Spec};

pub(super) const STATUS_401: Check = Check {
    id: "challenge-status-401",
    title: "Requests without credentials are refused with 401",
    area: Area::Challenge,
    level: Level::Must,
    party: &[Party::Server],
    class: ProbeClass::P0,
    severity: Severity::High,
    revisions: Matrix::of("AAAA"),
    cites: &[
        Spec::Mcp(Revision::V2026_07_28).at("authorization#error-handling"),
        Spec::Mcp(Revision::V2026_07_28).at("authorization#token-handling"),
        Spec::Mcp(Revision::V2025_11_25).at("authorization#error-handling"),
        Spec::Mcp(Revision::V2025_06_18).at("authorization#error-handling"),
        Spec::Mcp(Revision::V2025_03_26).at("authorization#example-authorization-code-grant"),
        Spec::Rfc(9110).at("15.5.2"),
        Spec::Rfc(6750).at("3"),
    ],
    why: "A client begins its OAuth flow when it sees 401. With any other status it reports an \
          error instead, and operators hand out long-lived keys.",
    fix: "Check the bearer token in front of the JSON-RPC router, and answer 401 before the body \
          is parsed.",
    traps: "A server that knows only one era may answer the other era's greeting with 400, which \
            is no refusal; an answer counts as one only if its status or words speak of \
            authentication. Statuses set by a WAF are left out.",
    run: status_401,
};

fn status_401(facts: &Facts<'_>, _: Revision) -> Judgement {
    if let Some(cause) = facts.diverted() {
        return Err(cause);
    }
    let answers: Vec<&Answer<'_>> = facts
        .anonymous()
        .filter(|answer| counts_for_status(facts, answer))
        .collect();
    worst_or(
        answers
            .into_iter()
            .filter_map(|answer| refusal(facts, answer)),
        || Err(unseen(facts)),
    )
}

/// The event stream is an operation only where POST is none.
fn counts_for_status(facts: &Facts<'_>, answer: &Answer<'_>) -> bool {
    answer.exchange.purpose != Purpose::EventStream || !facts.hello_refused()
}

/// What one answer says as a refusal; `None` if it is none.
fn refusal(facts: &Facts<'_>, answer: &Answer<'_>) -> Option<Judgement> {
    let what = named(answer.exchange.purpose);
    let place = Place::status(answer.exchange.id);
    let status = answer.status().unwrap_or_default();
    let stream = answer.exchange.purpose == Purpose::EventStream;
    match answer.outcome {
        Outcome::Challenge => Some(Ok(Verdict::Pass)),
        Outcome::Forbid if answer.forbids_with_oauth() => Some(warn(Fault::new(
            "forbidden_with_challenge",
            format!("{what} without a token is refused with 403 instead of 401."),
            place,
        ))),
        Outcome::Forbid if !stream => Some(fail(Fault::new(
            "forbidden",
            format!("{what} without a token is refused with 403 and no challenge."),
            place,
        ))),
        Outcome::Block if is_greeting(answer) => undecided(answer).map(inconclusive),
        Outcome::RpcError | Outcome::Miss | Outcome::Other | Outcome::Fault | Outcome::Open
            if !stream =>
        {
            let words = asks_to_authenticate(answer)?;
            // A web page may have a login link; it counts only where nothing better was said.
            if facts.hello_refused() && answer.response().is_some_and(is_html) {
                return None;
            }
            let reason = if (200..300).contains(&status) {
                "error_in_200"
            } else {
                "other_status"
            };
            Some(fail(
                Fault::new(
                    reason,
                    format!(
                        "{what} without a token is refused with {status} instead of 401: {}.",
                        quote(&words)
                    ),
                    place,
                )
                .and(Place::body(answer.exchange.id, "")),
            ))
        }
        Outcome::Forbid
        | Outcome::Login
        | Outcome::Redirect
        | Outcome::RpcError
        | Outcome::Miss
        | Outcome::Other
        | Outcome::Fault
        | Outcome::Open
        | Outcome::Block
        | Outcome::Net => None,
    }
}

fn is_greeting(answer: &Answer<'_>) -> bool {
    matches!(
        answer.exchange.purpose,
        Purpose::Discover | Purpose::Initialize
    )
}

/// The text with which an answer that is no 401 asks for authentication.
pub(super) fn asks_to_authenticate(answer: &Answer<'_>) -> Option<String> {
    let text = match &answer.rpc {
        Some(Rpc::Result(result)) => {
            // Only a tool result may hold an error; any other result is what was asked for.
            let failed = result.get("isError").and_then(serde_json::Value::as_bool) == Some(true);
            failed.then(|| result.to_string())?
        }
        Some(Rpc::Error { message, data, .. }) => {
            if data.is_null() {
                message.clone()
            } else {
                format!("{message} {data}")
            }
        }
        None => answer.response()?.body.text.clone(),
    };
    if answer.exchange.purpose == Purpose::UnknownTool && names_unknown_tool(&text) {
        return None;
    }
    speaks(&text).then_some(text)
}

/// An unknown-tool error that happens to list a tool named `login` refuses nothing.
pub(super) fn names_unknown_tool(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    [
        "unknown tool",
        "not found",
        "no such tool",
        "does not exist",
    ]
    .iter()
    .any(|mark| text.contains(mark))
}

/// The words of catalogue section 0.1.
fn speaks(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    [
        "unauthorized",
        "unauthenticated",
        "authentication",
        "login",
        "access token",
        "access_token",
    ]
    .iter()
    .any(|word| text.contains(word))
}

pub(super) const NOT_LOGIN_REDIRECT: Check = Check {
    id: "challenge-not-login-redirect",
    title: "The endpoint does not send its callers to a sign-in page",
    area: Area::Challenge,
    level: Level::Must,
    party: &[Party::Server],
    class: ProbeClass::P0,
    severity: Severity::High,
    revisions: Matrix::of("AAAA"),
    cites: &[
        Spec::Mcp(Revision::V2026_07_28).at("authorization#error-handling"),
        Spec::Rfc(6750).at("3"),
        Spec::Rfc(9110).at("15.5.2"),
    ],
    why: "A sign-in page guards the endpoint with browser cookies, which no MCP client can \
          obtain; people then paste session cookies or switch the guard off.",
    fix: "Exempt the MCP path and `/.well-known/*` from the browser sign-in proxy, or let the \
          proxy answer API requests with 401 and a Bearer challenge.",
    traps: "Some platforms redirect browsers and refuse API clients; the scan sends what an MCP \
            client sends. A bot challenge is no sign-in page and is left open.",
    run: not_login_redirect,
};

fn not_login_redirect(facts: &Facts<'_>, _: Revision) -> Judgement {
    let greetings: Vec<&Answer<'_>> = [Purpose::Discover, Purpose::Initialize]
        .into_iter()
        .filter_map(|purpose| facts.answer(purpose))
        .collect();
    if !greetings.is_empty()
        && greetings
            .iter()
            .all(|answer| answer.outcome == Outcome::Redirect)
    {
        return Err(Unmet::Blocked("transport-redirects"));
    }
    if greetings.is_empty() {
        return inconclusive(facts.never_asked());
    }
    // One era may be dead; the other one's answer then tells.
    worst_or(
        greetings
            .into_iter()
            .filter(|answer| answer.outcome != Outcome::Net)
            .map(signs_in),
        || inconclusive(Cause::Network),
    )
}

fn signs_in(answer: &Answer<'_>) -> Judgement {
    let what = named(answer.exchange.purpose);
    match answer.outcome {
        Outcome::Login => fail(match answer.location() {
            Some(to) => Fault::new(
                "login_redirect",
                format!(
                    "{what} is redirected to a sign-in page at {}.",
                    quote(&format!(
                        "{}{}",
                        to.host_str().unwrap_or_default(),
                        to.path()
                    ))
                ),
                Place::header(answer.exchange.id, "location"),
            ),
            None => Fault::new(
                "login_page",
                format!("{what} is answered with an HTML sign-in page."),
                Place::body(answer.exchange.id, ""),
            ),
        }),
        Outcome::Block => inconclusive(undecided(answer).unwrap_or(Cause::Intermediary)),
        _ => Ok(Verdict::Pass),
    }
}

pub(super) const GET_STREAM: Check = Check {
    id: "challenge-get-stream",
    title: "GET on a protected endpoint opens no stream without a token",
    area: Area::Challenge,
    level: Level::Must,
    party: &[Party::Server],
    class: ProbeClass::P0,
    severity: Severity::High,
    revisions: Matrix::of("AAAC"),
    cites: &[
        Spec::Mcp(Revision::V2026_07_28)
            .at("transports/streamable-http#earlier-streamable-http-revisions"),
        Spec::Mcp(Revision::V2026_07_28).at("authorization#token-handling"),
        Spec::Mcp(Revision::V2025_11_25).at("transports#listening-for-messages-from-the-server"),
        Spec::Mcp(Revision::V2025_11_25).at("authorization#token-requirements"),
        Spec::Mcp(Revision::V2025_06_18).at("authorization#token-requirements"),
    ],
    why: "Notifications, sampling requests and resumed messages that belong to other users can be \
          read from a stream that asks nobody for a token.",
    fix: "Put the same token check in front of every method of the path; a server without the old \
          streams answers GET with 405.",
    traps: "A proxy may hold a request open without a status line, which tells nothing. 406 \
            usually means that `Accept` was looked at before the token.",
    run: get_stream,
};

fn get_stream(facts: &Facts<'_>, _: Revision) -> Judgement {
    let Some(answer) = facts.answer(Purpose::EventStream) else {
        return Err(facts.missing());
    };
    if matches!(
        answer.failure(),
        Some(Failure::Timeout(Phase::FirstByte | Phase::Total))
    ) {
        return inconclusive(Cause::Other("no_status_line"));
    }
    let answer = settle(answer)?;
    if let Some(cause) = facts.diverted()
        && answer.outcome != Outcome::Challenge
    {
        return Err(cause);
    }
    let id = answer.exchange.id;
    let status = answer.status().unwrap_or_default();
    match events_of(answer) {
        None if matches!(status, 401 | 405) => Ok(Verdict::Pass),
        None => warn(Fault::new(
            "other_answer",
            format!("GET without a token is answered with {status}; 401 or 405 is expected."),
            Place::status(id),
        )),
        // Where the greeting is open, an open stream adds nothing to it.
        Some(_) if !facts.hello_refused() => na(Na::Other("post_open")),
        Some(names) => fail(
            Fault::new(
                "open_stream",
                format!(
                    "GET without a token opens an event stream, although POST is refused; {} seen{}.",
                    count(names.len()),
                    listed(&names)
                ),
                Place::status(id),
            )
            .and(Place::header(id, "content-type")),
        ),
    }
}

/// The names of the events of an anonymous stream; `None` if the answer is none.
fn events_of(answer: &Answer<'_>) -> Option<Vec<String>> {
    let response = answer.response()?;
    if response.media_type().as_deref() != Some("text/event-stream") {
        return None;
    }
    let names: Vec<String> = sse::events(&response.body.text)
        .into_iter()
        .map(|event| event.name)
        .collect();
    ((200..300).contains(&response.status) || !names.is_empty()).then_some(names)
}

fn count(events: usize) -> String {
    match events {
        0 => "no event was".into(),
        1 => "one event was".into(),
        n => format!("{n} events were"),
    }
}

fn listed(names: &[String]) -> String {
    let mut kinds: Vec<&str> = names.iter().map(String::as_str).collect();
    kinds.sort_unstable();
    kinds.dedup();
    if kinds.is_empty() {
        return String::new();
    }
    format!(" (of kind {})", quote(&kinds.join(", ")))
}

pub(super) const CONSISTENT: Check = Check {
    id: "challenge-consistent",
    title: "The same request always meets the same refusal",
    area: Area::Challenge,
    level: Level::Must,
    party: &[Party::Server],
    class: ProbeClass::P0,
    severity: Severity::High,
    revisions: Matrix::of("AAAA"),
    cites: &[
        Spec::Mcp(Revision::V2026_07_28).at("authorization#token-handling"),
        Spec::Mcp(Revision::V2026_07_28).at("index#statelessness"),
        Spec::OAuth21.at("5.2"),
    ],
    why: "One replica or region without the token check serves everybody who tries often enough.",
    fix: "Enforce authorization in the configuration that all replicas share, and test each \
          replica or region.",
    traps: "A deployment in progress shows two versions at once, so a finding is looked at again \
            a day later. Failures of the network between refusals tell nothing.",
    run: consistent,
};

fn consistent(facts: &Facts<'_>, _: Revision) -> Judgement {
    let Some(base) = facts
        .control()
        .filter(|_| facts.hello_refused())
        .filter(|answer| answer.refuses_for_credentials())
    else {
        return Err(unseen(facts));
    };
    let repeats: Vec<&Answer<'_>> = (1..=3)
        .filter_map(|number| facts.answer(Purpose::Repeat(number)))
        .collect();
    if repeats.is_empty() {
        return inconclusive(facts.never_asked());
    }
    worst(repeats.into_iter().map(|answer| same(base, answer)))
}

fn same(base: &Answer<'_>, answer: &Answer<'_>) -> Judgement {
    if answer.outcome == Outcome::Open {
        return fail(
            Fault::new(
                "sometimes_open",
                "The same request without a token was refused at one time and served at another.",
                Place::status(answer.exchange.id),
            )
            .and(Place::status(base.exchange.id)),
        );
    }
    if let Some(cause) = undecided(answer) {
        return inconclusive(cause);
    }
    if answer.outcome != base.outcome {
        return warn(
            Fault::new(
                "status_differs",
                format!(
                    "The same request without a token was refused with {} at one time and {} at another.",
                    base.status().unwrap_or_default(),
                    answer.status().unwrap_or_default()
                ),
                Place::status(answer.exchange.id),
            )
            .and(Place::status(base.exchange.id)),
        );
    }
    for name in ["resource_metadata", "scope", "realm", "error"] {
        let (first, later) = (base.token_param(name), answer.token_param(name));
        if first != later {
            return warn(
                Fault::new(
                    "parameters_differ",
                    format!(
                        "`{name}` of the challenge was {} at one time and {} at another.",
                        first.map_or_else(|| "absent".into(), quote),
                        later.map_or_else(|| "absent".into(), quote)
                    ),
                    answer.challenge_place(),
                )
                .and(base.challenge_place()),
            );
        }
    }
    Ok(Verdict::Pass)
}
