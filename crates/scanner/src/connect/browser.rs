//! What a client in a web page needs besides: to be let in, and to be let read.

use super::{End, Walk};
use crate::evidence::{Purpose, Response};
use crate::facts::outcome::Answer;
use crate::facts::{Facts, settle};
use crate::report::{Class, Step};

/// Headers that every revision's client sends and a preflight has to allow.
const NEEDED: [&str; 2] = ["content-type", "mcp-protocol-version"];

pub(super) fn endpoint(facts: &Facts<'_>) -> Walk<()> {
    let preflight = asked(facts, Purpose::Preflight, Step::Endpoint, "The preflight")?;
    let greeting = asked(
        facts,
        Purpose::ForeignOrigin,
        Step::Endpoint,
        "A request with an origin",
    )?;
    let refused = |said: &str, answer: &Answer<'_>| {
        Err(End::stops(Step::Endpoint, "cors", said, "cors-preflight").at(answer.exchange.id))
    };
    let Some(permission) = preflight.response() else {
        return refused("The preflight is not answered.", preflight);
    };
    if !(200..300).contains(&permission.status) || !readable(preflight, permission) {
        return refused("The preflight does not let web pages in.", preflight);
    }
    let allowed = list(permission, "access-control-allow-headers");
    let open = matches!(facts.class(), Class::Open | Class::HttpSse);
    let star = allowed.iter().any(|name| name == "*");
    // `*` does not cover this one (Fetch, CORS-preflight fetch).
    let token = open || allowed.iter().any(|name| name == "authorization");
    let rest = star
        || NEEDED
            .iter()
            .all(|name| allowed.iter().any(|known| known == name));
    if !token || !rest {
        return refused(
            "The preflight does not allow the headers that a client sends.",
            preflight,
        );
    }
    match greeting.response() {
        Some(response) if readable(greeting, response) => {}
        _ => return refused("Web pages may not read the endpoint's answer.", greeting),
    }
    if open {
        return Err(End::connects(
            "open",
            "It asks nobody for a token, and web pages are let in.",
            greeting.exchange.id,
        ));
    }
    Ok(())
}

/// The documents of both servers.
pub(super) fn documents(facts: &Facts<'_>) -> Walk<()> {
    for (purpose, step, what) in [
        (
            Purpose::CorsPrm,
            Step::ResourceMetadata,
            "The resource metadata",
        ),
        (
            Purpose::CorsAsMetadata,
            Step::AsMetadata,
            "The authorization server's metadata",
        ),
    ] {
        let answer = asked(facts, purpose, step, what)?;
        let open = answer
            .response()
            .is_some_and(|response| response.status == 200 && readable(answer, response));
        if !open {
            return Err(End::stops(
                step,
                "cors",
                format!("{what} may not be read by web pages."),
                "cors-metadata-readable",
            )
            .at(answer.exchange.id));
        }
    }
    Ok(())
}

fn asked<'f, 'e>(
    facts: &'f Facts<'e>,
    purpose: Purpose,
    step: Step,
    what: &str,
) -> Walk<&'f Answer<'e>> {
    let Some(answer) = facts.answer(purpose) else {
        return Err(End::cannot_tell(
            step,
            facts.never_asked().code(),
            format!("{what} was not tried from another origin."),
        ));
    };
    settle(answer).map_err(|unmet| End::unread(step, &unmet, what).at(answer.exchange.id))
}

/// The origin that asked may read the response.
fn readable(answer: &Answer<'_>, response: &Response) -> bool {
    let origin = answer
        .exchange
        .asked
        .headers
        .iter()
        .find(|(name, _)| name == "origin")
        .map(|(_, value)| value.as_str());
    match response
        .header("access-control-allow-origin")
        .map(str::trim)
    {
        Some("*") => true,
        Some(allowed) => Some(allowed) == origin,
        None => false,
    }
}

/// The names in all lines of a list header, in lower case.
fn list(response: &Response, name: &str) -> Vec<String> {
    response
        .headers_named(name)
        .flat_map(|line| line.split(','))
        .map(|item| item.trim().to_ascii_lowercase())
        .filter(|item| !item.is_empty())
        .collect()
}
