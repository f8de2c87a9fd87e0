//! The token endpoint's errors, and introspection without credentials.

use super::super::ground;
use crate::check::{
    Cause, Fault, Judgement, Na, Place, Unmet, Verdict, inconclusive, na, warn, worst,
};
use crate::evidence::{Purpose, TokenProbe};
use crate::facts::outcome::{Answer, Outcome, is_html};
use crate::facts::{Facts, quote, settle};
use crate::spec::Revision;

/// Error codes of token responses: RFC 6749 section 5.2 and the registry of extensions.
const CODES: [&str; 15] = [
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
    "invalid_target",
    "access_denied",
    "authorization_pending",
    "slow_down",
    "expired_token",
    "invalid_dpop_proof",
    "use_dpop_nonce",
    "invalid_authorization_details",
    "unmet_authentication_requirements",
];

/// What is found wrong, and what could not be told.
#[derive(Default)]
struct Found {
    fails: Vec<Fault>,
    warns: Vec<Fault>,
    unclear: Option<Unmet>,
}

impl Found {
    fn judged(self) -> Judgement {
        match self.unclear {
            Some(unmet) if self.fails.is_empty() => Err(unmet),
            _ => worst(self.fails, self.warns),
        }
    }

    fn unclear(&mut self, unmet: Unmet) {
        self.unclear.get_or_insert(unmet);
    }
}

pub(super) fn errors(facts: &Facts<'_>, revision: Revision) -> Judgement {
    ground::endpoint(facts, revision, "token_endpoint")?;
    let mut found = Found::default();
    let probe = |probe| facts.answer(Purpose::TokenEndpoint(probe));
    match told(facts, probe(TokenProbe::BogusCode)) {
        Ok(answer) => bogus_code(answer, &mut found),
        Err(unmet) => found.unclear(unmet),
    }
    match told(facts, probe(TokenProbe::Password)) {
        Ok(answer) => password(answer, &mut found),
        Err(unmet) => found.unclear(unmet),
    }
    if let Err(unmet) = by_get(facts, &mut found) {
        found.unclear(unmet);
    }
    found.judged()
}

/// An answer that may be judged; 5xx is a finding of its own here.
fn told<'f, 'e>(
    facts: &Facts<'e>,
    answer: Option<&'f Answer<'e>>,
) -> Result<&'f Answer<'e>, Unmet> {
    let Some(answer) = answer else {
        return inconclusive(facts.never_asked());
    };
    match settle(answer) {
        Err(_) if answer.outcome == Outcome::Fault => Ok(answer),
        other => other,
    }
}

/// `error` of a JSON answer.
fn error_code(answer: &Answer<'_>) -> Option<String> {
    let object = answer.json_object()?;
    object.get("error")?.as_str().map(str::to_owned)
}

/// What every error answer has to be; whether it is readable at all.
fn in_form(answer: &Answer<'_>, what: &str, found: &mut Found) -> Option<String> {
    let response = answer.response()?;
    let id = answer.exchange.id;
    if response.status >= 500 {
        found.fails.push(Fault::new(
            "server_fault",
            format!("{what} is answered with status {}.", response.status),
            Place::status(id),
        ));
        return None;
    }
    let code = error_code(answer);
    if code.is_none() && !has_token(answer) {
        let said = if is_html(response) {
            "a page"
        } else {
            "no JSON error"
        };
        found.fails.push(Fault::new(
            "not_json",
            format!(
                "{what} is answered with status {} and {said}.",
                response.status
            ),
            Place::body(id, ""),
        ));
    }
    code
}

fn has_token(answer: &Answer<'_>) -> bool {
    answer
        .json_object()
        .is_some_and(|object| object.contains_key("access_token"))
}

fn bogus_code(answer: &Answer<'_>, found: &mut Found) {
    let id = answer.exchange.id;
    let code = in_form(answer, "A code that was never issued", found);
    if has_token(answer) {
        found.fails.push(Fault::new(
            "token_issued",
            "A code that was never issued is redeemed.",
            Place::body(id, "/access_token"),
        ));
    }
    let (Some(code), Some(response)) = (code, answer.response()) else {
        return;
    };
    if !CODES.contains(&code.as_str()) {
        found.warns.push(Fault::new(
            "unknown_code",
            format!("The error code {} is not registered.", quote(&code)),
            Place::body(id, "/error"),
        ));
    }
    if !matches!(response.status, 400 | 401) {
        found.warns.push(Fault::new(
            "odd_status",
            format!("An error has status {} instead of 400.", response.status),
            Place::status(id),
        ));
    }
    let no_store = response.headers_named("cache-control").any(|value| {
        value
            .split(',')
            .any(|word| word.trim().eq_ignore_ascii_case("no-store"))
    });
    if !no_store {
        found.warns.push(Fault::new(
            "cacheable",
            "An error comes without `Cache-Control: no-store`.",
            Place::status(id),
        ));
    }
}

fn says(answer: &Answer<'_>) -> Option<String> {
    let json = crate::facts::json::parse(&answer.response()?.body.text).ok()?;
    Some(json.value.get("error_description")?.as_str()?.to_owned())
}

fn password(answer: &Answer<'_>, found: &mut Found) {
    let place = Place::body(answer.exchange.id, "/error");
    let code = in_form(answer, "The password grant", found);
    // To miss the user's name is to have come to that grant.
    let misses_user = code.as_deref() == Some("invalid_request")
        && says(answer).is_some_and(|says| says.to_ascii_lowercase().contains("username"));
    if has_token(answer) || code.as_deref() == Some("invalid_grant") || misses_user {
        found.fails.push(Fault::new(
            "password_grant",
            "The password grant is alive: its credentials are looked at.",
            place,
        ));
        return;
    }
    match code.as_deref() {
        None | Some("unsupported_grant_type" | "unauthorized_client" | "invalid_client") => (),
        Some(other) => found.warns.push(Fault::new(
            "password_error",
            format!(
                "The password grant is refused with {} instead of `unsupported_grant_type`.",
                quote(other)
            ),
            place,
        )),
    }
}

fn by_get(facts: &Facts<'_>, found: &mut Found) -> Result<(), Unmet> {
    let with = facts.settled(Purpose::TokenEndpoint(TokenProbe::ByGet))?;
    let place = Place::status(with.exchange.id);
    let processed = |said: String| Fault::new("get_processed", said, place.clone());
    if has_token(with) {
        found.fails.push(processed(
            "A request by GET is answered with a token.".into(),
        ));
        return Ok(());
    }
    if matches!(with.status(), Some(404 | 405 | 410)) {
        return Ok(());
    }
    let bare = facts.settled(Purpose::TokenEndpoint(TokenProbe::ByGetBare))?;
    let error = error_code(with);
    if error != error_code(bare) || with.status() != bare.status() {
        found.fails.push(processed(format!(
            "A request by GET is processed: with parameters it is answered with status {} and {}, \
             without them in another way.",
            with.status().unwrap_or_default(),
            error.map_or_else(|| "no error".to_owned(), |code| quote(&code)),
        )));
    }
    Ok(())
}

// --- introspection-authenticated ------------------------------------------------------------

pub(super) fn introspection(facts: &Facts<'_>, revision: Revision) -> Judgement {
    let asm = facts.tested_server(revision)?;
    if asm.document.get("introspection_endpoint").is_none() {
        return na(Na::AbsentByChoice);
    }
    ground::endpoint(facts, revision, "introspection_endpoint")?;
    let answer = facts.settled(Purpose::Introspect)?;
    let id = answer.exchange.id;
    match (answer.status(), error_code(answer).as_deref()) {
        (Some(401 | 403), _) | (Some(400), Some("invalid_client")) => return Ok(Verdict::Pass),
        (Some(200), _) => (),
        _ => return inconclusive(Cause::Other("unclear_answer")),
    }
    let Some(object) = answer.json_object() else {
        return inconclusive(Cause::Other("unclear_answer"));
    };
    let mut others: Vec<&str> = object
        .keys()
        .map(String::as_str)
        .filter(|name| *name != "active")
        .collect();
    others.sort_unstable();
    let active = object.get("active").and_then(serde_json::Value::as_bool);
    match (active, others.as_slice()) {
        (None, []) => inconclusive(Cause::Other("unclear_answer")),
        (Some(false), []) => warn(Fault::new(
            "open",
            "Anybody may ask whether a token is alive.",
            Place::body(id, "/active"),
        )),
        (Some(true), []) => worst(
            vec![Fault::new(
                "active",
                "A token that was never issued is said to be alive, to anybody.",
                Place::body(id, "/active"),
            )],
            Vec::new(),
        ),
        (_, others) => worst(
            vec![Fault::new(
                "tells_more",
                format!(
                    "Anybody who asks about a token is told more than whether it is alive: {}.",
                    others
                        .iter()
                        .take(8)
                        .map(|name| quote(name))
                        .collect::<Vec<_>>()
                        .join(", ")
                ),
                Place::body(id, ""),
            )],
            Vec::new(),
        ),
    }
}
