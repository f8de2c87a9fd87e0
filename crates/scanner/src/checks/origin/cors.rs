//! What CORS headers grant to pages of other origins.

use super::{grants, origin_of};
use crate::check::{Cause, Fault, Judgement, Na, Place, Verdict, fail, inconclusive, na, warn};
use crate::checks::weigh::worst_or;
use crate::evidence::{Purpose, Response};
use crate::facts::outcome::{Answer, Outcome};
use crate::facts::{Facts, quote, settle};
use crate::spec::Revision;

// --- cors-no-credentials --------------------------------------------------------------------

pub(super) fn no_credentials(facts: &Facts<'_>, _: Revision) -> Judgement {
    if let Some(cause) = facts.diverted() {
        return Err(cause);
    }
    let answers = [
        Purpose::ForeignOrigin,
        Purpose::NullOrigin,
        Purpose::Preflight,
        Purpose::CorsPrm,
        Purpose::CorsAsMetadata,
        Purpose::CorsJwks,
    ]
    .into_iter()
    .filter_map(|purpose| facts.answer(purpose));
    worst_or(answers.map(combines), || inconclusive(facts.never_asked()))
}

fn combines(answer: &Answer<'_>) -> Judgement {
    let Some(response) = answer.response() else {
        return inconclusive(Cause::Network);
    };
    if answer.outcome == Outcome::Block {
        settle(answer)?;
    }
    let (Some(allowed), credentials) = grants(response) else {
        return na(Na::AbsentByChoice);
    };
    if !credentials {
        return Ok(Verdict::Pass);
    }
    let id = answer.exchange.id;
    let fault = |reason, said: String| {
        Fault::new(
            reason,
            said,
            Place::header(id, "access-control-allow-origin"),
        )
        .and(Place::header(id, "access-control-allow-credentials"))
    };
    let url = quote(&answer.exchange.asked.url);
    if allowed == origin_of(answer) || allowed == "null" {
        fail(fault(
            "reflected_with_credentials",
            format!(
                "{url} lets the origin {} read answers with credentials.",
                quote(allowed)
            ),
        ))
    } else if allowed == "*" {
        warn(fault(
            "wildcard_with_credentials",
            format!("{url} allows credentials to every origin, which browsers ignore."),
        ))
    } else {
        Ok(Verdict::Pass)
    }
}

// --- cors-preflight -------------------------------------------------------------------------

pub(super) fn preflight(facts: &Facts<'_>, revision: Revision) -> Judgement {
    if let Some(cause) = facts.diverted() {
        return Err(cause);
    }
    let (Some(options), Some(asked)) = (
        facts.answer(Purpose::Preflight),
        facts.answer(Purpose::ForeignOrigin),
    ) else {
        return inconclusive(facts.never_asked());
    };
    let (options, asked) = (settle(options)?, settle(asked)?);
    let (Some(permission), Some(answered)) = (options.response(), asked.response()) else {
        return inconclusive(Cause::Network);
    };
    let challenged = asked.outcome == Outcome::Challenge;
    let mentions = |response: &Response| {
        response
            .headers
            .iter()
            .any(|(name, _)| name.starts_with("access-control-"))
    };
    let speaks_cors = mentions(permission) || (challenged && mentions(answered));
    if !speaks_cors {
        return na(Na::AbsentByChoice);
    }
    let (allowed, _) = grants(permission);
    if allowed.is_some() && !readable(options, permission) {
        return na(Na::Other("allow_list"));
    }
    if !(200..300).contains(&permission.status) || allowed.is_none() {
        return warn(
            Fault::new(
                "preflight_refused",
                format!(
                    "The preflight is answered with {} and grants nothing, although the server sends CORS headers.",
                    permission.status
                ),
                Place::status(options.exchange.id),
            )
            .and(Place::header(asked.exchange.id, "access-control-allow-origin")),
        );
    }
    let refused = refused_headers(permission, revision, challenged);
    if !refused.is_empty() {
        return warn(Fault::new(
            "headers_not_allowed",
            format!("The preflight does not allow {}.", refused.join(", ")),
            Place::header(options.exchange.id, "access-control-allow-headers"),
        ));
    }
    exposes(asked, answered)
}

/// The headers that a client of that revision sends and the preflight does not allow.
fn refused_headers(
    permission: &Response,
    revision: Revision,
    challenged: bool,
) -> Vec<&'static str> {
    let allowed = list_of(permission, "access-control-allow-headers");
    let wildcard = allowed.iter().any(|name| name == "*");
    let mut needed = vec!["content-type"];
    match revision {
        Revision::V2025_03_26 => needed.push("mcp-session-id"),
        Revision::V2025_06_18 | Revision::V2025_11_25 => {
            needed.extend(["mcp-protocol-version", "mcp-session-id"]);
        }
        Revision::V2026_07_28 => {
            needed.extend(["mcp-protocol-version", "mcp-method", "mcp-name"]);
        }
    }
    // `*` does not cover this one (Fetch, CORS-preflight fetch).
    if challenged {
        needed.push("authorization");
    }
    needed
        .into_iter()
        .filter(|name| {
            !allowed.iter().any(|known| known == name) && (!wildcard || *name == "authorization")
        })
        .collect()
}

fn exposes(asked: &Answer<'_>, answered: &Response) -> Judgement {
    if asked.served() {
        return Ok(Verdict::Pass);
    }
    if asked.outcome != Outcome::Challenge {
        return inconclusive(Cause::Other("origin_refused"));
    }
    let exposed = list_of(answered, "access-control-expose-headers");
    let shown = exposed
        .iter()
        .any(|name| name == "www-authenticate" || name == "*");
    if readable(asked, answered) && shown {
        return Ok(Verdict::Pass);
    }
    let said = if readable(asked, answered) {
        "The 401 does not expose `WWW-Authenticate` to pages that the preflight allows."
    } else {
        "The 401 has no CORS headers for pages that the preflight allows."
    };
    warn(Fault::new(
        "challenge_not_exposed",
        said,
        Place::status(asked.exchange.id),
    ))
}

/// The names in all lines of a list header, in lower case.
fn list_of(response: &Response, name: &str) -> Vec<String> {
    response
        .headers_named(name)
        .flat_map(|line| line.split(','))
        .map(|item| item.trim().to_ascii_lowercase())
        .filter(|item| !item.is_empty())
        .collect()
}

// --- cors-metadata-readable -----------------------------------------------------------------

pub(super) fn metadata_readable(facts: &Facts<'_>, _: Revision) -> Judgement {
    if let Some(cause) = facts.diverted() {
        return Err(cause);
    }
    let there = facts.selected_prm(Revision::HEADLINE).is_some()
        || facts
            .issuers()
            .iter()
            .any(|issuer| !facts.found(issuer, Revision::HEADLINE).is_empty());
    let read: Vec<&Answer<'_>> = [Purpose::CorsPrm, Purpose::CorsAsMetadata]
        .into_iter()
        .filter_map(|purpose| facts.answer(purpose))
        .collect();
    if read.is_empty() {
        return if there {
            inconclusive(facts.never_asked())
        } else {
            na(Na::AbsentByChoice)
        };
    }
    let mut open = Vec::new();
    let mut shut = Vec::new();
    for answer in read {
        let answer = settle(answer)?;
        let Some(response) = answer.response() else {
            return inconclusive(Cause::Network);
        };
        if response.status == 200 && readable(answer, response) {
            open.push(answer);
        } else {
            shut.push(answer);
        }
    }
    match (open.first(), shut.first()) {
        (Some(_), None) => Ok(Verdict::Pass),
        (Some(open), Some(shut)) => warn(
            Fault::new(
                "one_readable",
                format!(
                    "Pages may read {} but not {}.",
                    quote(&open.exchange.asked.url),
                    quote(&shut.exchange.asked.url)
                ),
                Place::status(shut.exchange.id),
            )
            .and(Place::header(
                open.exchange.id,
                "access-control-allow-origin",
            )),
        ),
        (None, _) => na(Na::Other("none_readable")),
    }
}

/// The origin that asked may read the response.
fn readable(answer: &Answer<'_>, response: &Response) -> bool {
    let (allowed, _) = grants(response);
    allowed == Some("*") || allowed == Some(origin_of(answer))
}
