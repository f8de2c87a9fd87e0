//! What credentials change: a token that nobody issued, and headers that hold none.

use super::undecided;
use crate::check::{
    Area, Cause, Check, Fault, Judgement, Level, Na, Party, Place, ProbeClass, Severity, Verdict,
    fail, inconclusive, na, warn,
};
use crate::checks::weigh::worst_or;
use crate::evidence::{Failure, Purpose};
use crate::facts::outcome::{Answer, Outcome};
use crate::facts::{Facts, quote, settle};
use crate::spec::{Matrix, Revision, Spec};

pub(super) const INVALID_TOKEN: Check = Check {
    id: "challenge-invalid-token",
    title: "An unknown bearer token meets 401 invalid_token and the same pointers",
    area: Area::Challenge,
    level: Level::Must,
    party: &[Party::Server],
    class: ProbeClass::P1,
    severity: Severity::High,
    revisions: Matrix::of("AAAA"),
    cites: &[
        Spec::Mcp(Revision::V2026_07_28).at("authorization#token-handling"),
        Spec::Mcp(Revision::V2025_03_26).at("authorization#token-handling"),
        Spec::OAuth21.at("5.3.1"),
        Spec::OAuth21.at("5.3.2"),
        Spec::Rfc(6750).at("3.1"),
        Spec::Rfc(9728).at("5.1"),
        Spec::Rfc(9728).at("5.2"),
    ],
    why: "Clients cannot tell an expired token from an outage, so they neither refresh it nor \
          look for the authorization server again.",
    fix: "Turn every error of token validation into 401 with `error=\"invalid_token\"`, written \
          by the same code as the first challenge.",
    traps: "A parser that throws on a token that is no JWT answers 500, which is a real bug. A \
            result instead of a refusal is judged by token-bogus-rejected.",
    run: invalid_token,
};

fn invalid_token(facts: &Facts<'_>, _: Revision) -> Judgement {
    let Some(answer) = facts.bogus() else {
        return Err(facts.missing());
    };
    if answer.served() {
        return na(Na::Other("accepted"));
    }
    if matches!(answer.outcome, Outcome::Net | Outcome::Block) {
        settle(answer)?;
    }
    let id = answer.exchange.id;
    let status = answer.status().unwrap_or_default();
    if answer.outcome == Outcome::Challenge {
        return says_invalid(facts, answer);
    }
    let reason = match status {
        400 => "bad_request",
        403 => "forbidden",
        404 => "not_found",
        500..=599 => "server_error",
        200..=299 if answer.outcome == Outcome::RpcError => "error_in_200",
        _ => "other_status",
    };
    let said = if reason == "error_in_200" {
        format!(
            "An unknown bearer token is answered with {status} and a JSON-RPC error, not with 401."
        )
    } else {
        format!("An unknown bearer token is answered with {status}, not with 401.")
    };
    fail(Fault::new(reason, said, Place::status(id)))
}

/// A 401: does it name the error, and everything the first challenge named?
fn says_invalid(facts: &Facts<'_>, answer: &Answer<'_>) -> Judgement {
    let Some(challenge) = answer.token_challenge() else {
        return warn(Fault::new(
            "no_challenge",
            "The 401 to an unknown bearer token has no Bearer challenge that would name the error.",
            Place::status(answer.exchange.id),
        ));
    };
    let place = answer.line_place(challenge.line);
    match answer.token_param("error") {
        Some("invalid_token") => {}
        Some(other) => {
            return warn(Fault::new(
                "other_error",
                format!(
                    "The 401 to an unknown bearer token says {} instead of `invalid_token`.",
                    quote(other)
                ),
                place,
            ));
        }
        None => {
            return warn(Fault::new(
                "no_error",
                "The 401 to an unknown bearer token has no `error`.",
                place,
            ));
        }
    }
    let Some(first) = facts
        .control()
        .filter(|first| first.token_challenge().is_some())
    else {
        return Ok(Verdict::Pass);
    };
    for (name, absent, differs) in [
        ("resource_metadata", "pointer_missing", "pointer_differs"),
        ("scope", "scope_missing", "scope_differs"),
    ] {
        let Some(expected) = first.token_param(name) else {
            continue;
        };
        let (reason, said) = match answer.token_param(name) {
            Some(value) if value == expected => continue,
            Some(value) => (
                differs,
                format!(
                    "With an unknown bearer token `{name}` is {}, without a token {}.",
                    quote(value),
                    quote(expected)
                ),
            ),
            None => (
                absent,
                format!(
                    "With an unknown bearer token the challenge lacks `{name}`, which it has without a token."
                ),
            ),
        };
        return warn(Fault::new(reason, said, place).and(Place::status(first.exchange.id)));
    }
    Ok(Verdict::Pass)
}

pub(super) const MALFORMED: Check = Check {
    id: "challenge-malformed-authorization",
    title: "Malformed Authorization headers are refused with 400 or 401",
    area: Area::Challenge,
    level: Level::Should,
    party: &[Party::Server],
    class: ProbeClass::P1,
    severity: Severity::Low,
    revisions: Matrix::of("AAAA"),
    cites: &[
        Spec::Rfc(6750).at("3.1"),
        Spec::OAuth21.at("5.3.2"),
        Spec::Mcp(Revision::V2026_07_28).at("authorization#error-handling"),
    ],
    why: "Where a gateway and the application read such a header differently, one of them may \
          check a token that the other does not use.",
    fix: "Refuse empty, repeated and non-bearer credentials in one place, before routing.",
    traps: "Some front ends refuse a repeated header themselves, and some load balancers fail on \
            it; the two other variants then decide. An open operation that ignores the header is \
            only warned about.",
    run: malformed,
};

fn malformed(facts: &Facts<'_>, _: Revision) -> Judgement {
    let single: Vec<&Answer<'_>> = [Purpose::EmptyBearer, Purpose::BasicCredentials]
        .into_iter()
        .filter_map(|purpose| facts.answer(purpose))
        .collect();
    if single.len() < 2 {
        return Err(facts.missing());
    }
    // The same request is served without credentials, so the header is merely ignored.
    let open = facts
        .control()
        .is_none_or(|control| control.outcome == Outcome::Open);
    let clean = single
        .iter()
        .all(|answer| !answer.served() && answer.status().is_some_and(|s| s < 500));
    let twice = facts
        .answer(Purpose::TwoBearers)
        .filter(|answer| answer.status() != Some(431))
        .map(|answer| refuses_cleanly(answer, open, clean));
    worst_or(
        single
            .into_iter()
            .map(|answer| refuses_cleanly(answer, open, false))
            .chain(twice),
        || inconclusive(facts.never_asked()),
    )
}

/// `forgiven`: a 5xx may be the limit of a load balancer.
fn refuses_cleanly(answer: &Answer<'_>, open: bool, forgiven: bool) -> Judgement {
    let sent = match answer.exchange.purpose {
        Purpose::EmptyBearer => "`Bearer` without a token",
        Purpose::BasicCredentials => "Basic credentials",
        _ => "two bearer tokens",
    };
    let place = Place::status(answer.exchange.id);
    if answer.served() {
        return if open {
            warn(Fault::new(
                "ignored",
                format!("A request with {sent} is served as if it had no credentials."),
                place,
            ))
        } else {
            fail(Fault::new(
                "accepted",
                format!(
                    "A request with {sent} is served, although it is refused without credentials."
                ),
                place,
            ))
        };
    }
    if matches!(answer.failure(), Some(Failure::Reset)) {
        return warn(Fault::new(
            "closed",
            format!("The connection is closed on a request with {sent}."),
            Place::new(answer.exchange.id, "timing"),
        ));
    }
    let Some(status) = answer.status() else {
        return inconclusive(Cause::Network);
    };
    if answer.outcome == Outcome::Block {
        return inconclusive(undecided(answer).unwrap_or(Cause::Intermediary));
    }
    match status {
        400 | 401 => Ok(Verdict::Pass),
        403 => warn(Fault::new(
            "forbidden",
            format!("A request with {sent} is answered with 403 instead of 400 or 401."),
            place,
        )),
        500..=599 => {
            let fault = Fault::new(
                "server_error",
                format!("A request with {sent} is answered with {status}."),
                place,
            );
            if forgiven { warn(fault) } else { fail(fault) }
        }
        _ => warn(Fault::new(
            "other_answer",
            format!("A request with {sent} is answered with {status} instead of 400 or 401."),
            place,
        )),
    }
}
