//! Unauthenticated behaviour and the 401 challenge (catalogue section 1.2).
//!
//! The files follow the subjects: how a refusal is said, what its header holds, where it
//! points, what credentials change, and what servers with an open part owe their clients.

#[cfg(test)]
mod cases;
mod credentials;
mod header;
mod lazy;
mod pointer;
mod refusal;

#[cfg(test)]
pub(super) use cases::CASES;

use crate::check::{Cause, Check, Na, Unmet};
use crate::evidence::Purpose;
use crate::facts::outcome::{Answer, Outcome};
use crate::facts::{Facts, settle};

pub(super) const CHECKS: &[Check] = &[
    refusal::STATUS_401,
    refusal::NOT_LOGIN_REDIRECT,
    header::WWW_AUTHENTICATE,
    header::SYNTAX,
    pointer::RESOURCE_METADATA_PARAM,
    pointer::RESOURCE_METADATA_URL,
    pointer::HOST_REFLECTION,
    header::SCOPE_PARAM,
    header::NO_ERROR,
    credentials::INVALID_TOKEN,
    credentials::MALFORMED,
    refusal::GET_STREAM,
    lazy::HTTP_STATUS,
    lazy::PRM,
    refusal::CONSISTENT,
];

/// The 401 answers to requests without credentials: X1, X3, X5, X16, then the lists, which
/// stand for the greeting where that is open.
fn unauthorized<'f, 'e>(facts: &'f Facts<'e>) -> Vec<&'f Answer<'e>> {
    let lists = facts
        .anonymous()
        .filter(|answer| {
            matches!(
                answer.exchange.purpose,
                Purpose::ModernList(_) | Purpose::LegacyList(_)
            )
        })
        .filter(|answer| answer.outcome == Outcome::Challenge);
    facts.unauthorized().chain(lists).collect()
}

/// Why no 401 was seen: the earliest cause that explains it, a standard condition on one of
/// the greetings, or simply none.
fn unseen(facts: &Facts<'_>) -> Unmet {
    let greetings: Vec<&Answer<'_>> = [Purpose::Discover, Purpose::Initialize]
        .into_iter()
        .filter_map(|purpose| facts.answer(purpose))
        .collect();
    if let Some(cause) = facts.diverted() {
        return cause;
    }
    if greetings.is_empty() {
        return Unmet::Inconclusive(facts.never_asked());
    }
    greetings
        .into_iter()
        .find_map(|answer| settle(answer).err())
        .unwrap_or(Unmet::NotApplicable(Na::Other("no_401")))
}

/// How a request is named in sentences.
fn named(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Discover | Purpose::DiscoverListed => "server/discover",
        Purpose::Initialize | Purpose::InitializeOldest => "initialize",
        Purpose::EventStream => "GET",
        Purpose::UnknownTool => "tools/call",
        Purpose::ModernList(list) | Purpose::LegacyList(list) => list.method(),
        _ => "the request",
    }
}

/// The standard condition that an answer meets, as a reason to leave it out.
fn undecided(answer: &Answer<'_>) -> Option<Cause> {
    match settle(answer) {
        Err(Unmet::Inconclusive(cause)) => Some(cause),
        _ => None,
    }
}
