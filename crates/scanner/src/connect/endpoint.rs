//! The first two steps: the endpoint answers in a way the client understands, and asks for a
//! token.

use super::profile::{Place, Profile, Speech};
use super::{End, Walk, certificate};
use crate::evidence::{DnsFault, Failure, Purpose};
use crate::facts::Facts;
use crate::facts::outcome::{Answer, Outcome};
use crate::report::{Class, Era, Reach, Step};

/// The requests with which a client greets, in the order in which their answers are read.
const GREETINGS: [Purpose; 3] = [Purpose::Discover, Purpose::Initialize, Purpose::EventStream];

pub(super) fn reach(facts: &Facts<'_>, profile: &Profile) -> Walk<()> {
    if profile.https && !facts.secure(facts.endpoint()) {
        return Err(End::stops(
            Step::Endpoint,
            "plain_http",
            "The endpoint is plain http.",
            "tls-https-endpoint",
        ));
    }
    if let Some(end) = silent(facts) {
        return Err(end);
    }
    for answer in facts
        .answers()
        .iter()
        .filter(|answer| facts.at_endpoint(answer) && !answer.exchange.purpose.is_deeper())
    {
        certificate(Step::Endpoint, answer)?;
    }
    let greetings: Vec<&Answer<'_>> = greetings(facts).collect();
    if let Some(first) = greetings.first()
        && greetings
            .iter()
            .all(|answer| answer.outcome == Outcome::Redirect)
    {
        return Err(End::stops(
            Step::Endpoint,
            "redirected",
            "Every request is sent elsewhere.",
            "transport-redirects",
        )
        .at(first.exchange.id));
    }
    understood(facts, profile)?;
    if matches!(facts.class(), Class::Open | Class::HttpSse) {
        let shown = greetings.iter().find(|answer| answer.served());
        let id = shown
            .or(greetings.first())
            .map_or(0, |answer| answer.exchange.id);
        // A web page still has to be let in; that is the next question of its profile.
        if !profile.browser {
            return Err(End::connects("open", "It asks nobody for a token.", id));
        }
    }
    Ok(())
}

fn greetings<'f, 'e>(facts: &'f Facts<'e>) -> impl Iterator<Item = &'f Answer<'e>> {
    GREETINGS
        .into_iter()
        .filter_map(|purpose| facts.answer(purpose))
}

/// Nothing of the server was heard.
fn silent(facts: &Facts<'_>) -> Option<End> {
    let first = greetings(facts).next().map(|answer| answer.exchange.id);
    let nameless = || {
        first.is_some()
            && greetings(facts).all(|answer| {
                matches!(
                    answer.failure(),
                    Some(Failure::Dns(
                        DnsFault::NoSuchName | DnsFault::DomainUnregistered
                    ))
                )
            })
    };
    let (result, reason, said) = match facts.class() {
        Class::Unreachable if nameless() => (
            Reach::Stops,
            "no_such_name",
            "The name of the endpoint does not exist.",
        ),
        Class::Unreachable => (
            Reach::CannotTell,
            "unreachable",
            "No request got a usable answer while it was scanned.",
        ),
        Class::Blocked => (
            Reach::CannotTell,
            "intermediary",
            "Something in front of the server answered; it may let others pass.",
        ),
        Class::NotMcp => (
            Reach::Stops,
            "not_mcp",
            "Nothing that answers there behaves like an MCP server.",
        ),
        Class::Oauth
        | Class::Lazy
        | Class::LegacyOauth
        | Class::StaticKey
        | Class::BrowserSso
        | Class::Open
        | Class::HttpSse => return None,
    };
    Some(End {
        result,
        step: Some(Step::Endpoint),
        reason,
        said: said.to_owned(),
        check: None,
        exchange: first,
    })
}

/// The wire era, where it can be seen without a token.
fn understood(facts: &Facts<'_>, profile: &Profile) -> Walk<()> {
    let speaks = |speech| profile.speaks.contains(&speech);
    let (heard, reason, said, check) = match facts.era() {
        Era::Hidden => return Ok(()),
        Era::Dual => (
            speaks(Speech::Modern) || speaks(Speech::Legacy),
            "era",
            "The endpoint speaks no transport that this client knows.",
            "era-auth-parity",
        ),
        Era::Modern => (
            speaks(Speech::Modern),
            "era",
            "The endpoint speaks only the revision of 2026-07-28, without a handshake.",
            "stateless-discover",
        ),
        Era::Legacy => (
            speaks(Speech::Legacy),
            "era",
            "The endpoint speaks only the initialize handshake of older revisions.",
            "stateless-discover",
        ),
        Era::HttpSse => (
            speaks(Speech::Sse),
            "old_transport",
            "The endpoint speaks only the HTTP+SSE transport of 2024-11-05.",
            "legacy-sse-offered",
        ),
    };
    if heard {
        return Ok(());
    }
    let end = End::stops(Step::Endpoint, reason, said, check);
    let shown = greetings(facts).find(|answer| answer.outcome != Outcome::Net);
    Err(match shown {
        Some(answer) => end.at(answer.exchange.id),
        None => end,
    })
}

/// A sign-in page in the place of everything.
pub(super) fn signed_in(facts: &Facts<'_>) -> Walk<()> {
    if facts.class() != Class::BrowserSso {
        return Ok(());
    }
    let end = End::stops(
        Step::Challenge,
        "sign_in_page",
        "A sign-in page for people answers instead of a 401.",
        "challenge-not-login-redirect",
    );
    let shown = facts
        .anonymous()
        .find(|answer| answer.outcome == Outcome::Login);
    Err(match shown {
        Some(answer) => end.at(answer.exchange.id),
        None => end,
    })
}

pub(super) fn challenged(facts: &Facts<'_>, profile: &Profile) -> Walk<()> {
    let refusal = facts
        .anonymous()
        .find(|answer| answer.outcome == Outcome::Challenge);
    let Some(refusal) = refusal else {
        return Err(unasked(facts));
    };
    if profile.discovery == [Place::Header] && facts.resource_metadata().is_none() {
        return Err(End::stops(
            Step::Challenge,
            "no_pointer",
            "The challenge names no `resource_metadata`, and this client looks nowhere else.",
            "challenge-resource-metadata-param",
        )
        .at(refusal.exchange.id));
    }
    Ok(())
}

/// Nothing said 401.
fn unasked(facts: &Facts<'_>) -> End {
    let check = match facts.class() {
        Class::Lazy => "challenge-lazy-http-status",
        _ => "challenge-status-401",
    };
    let refusal = facts.anonymous().find(|answer| {
        answer.refuses_for_credentials() || (!answer.served() && answer.speaks_of_authentication())
    });
    match refusal {
        Some(answer) => End::stops(
            Step::Challenge,
            "no_401",
            "It refuses with something other than 401, so no client knows to get a token.",
            check,
        )
        .at(answer.exchange.id),
        None => End::cannot_tell(
            Step::Challenge,
            facts.never_asked().code(),
            "No refusal was seen: not captured.",
        )
        .check(check),
    }
}
