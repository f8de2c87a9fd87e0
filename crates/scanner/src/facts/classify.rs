//! Which kind of server this is: class (catalogue section (c)), wire era (b.1), and the
//! revision it claims (b.2).

mod claimed;
mod era;

use serde_json::Value;

use super::outcome::{Answer, Outcome};
use super::relation::{self, Relation};
use super::{Facts, lookup, sse, tools};
use crate::evidence::{AsRole, List, PrmRole, Purpose};
use crate::report::{Claimed, Class, Era, Exposure};

/// Everything that is decided about the server as a whole.
#[derive(Debug, Clone)]
pub struct Kind {
    /// Server class.
    pub class: Class,
    /// Wire era.
    pub era: Era,
    /// Flags, sorted.
    pub flags: Vec<&'static str>,
    /// Exposure of the open part.
    pub exposure: Option<Exposure>,
    /// Claimed revision.
    pub claimed: Option<Claimed>,
    /// Versions listed or negotiated, oldest first.
    pub versions: Vec<String>,
    /// Some operation is refused for lack of credentials.
    pub protected: bool,
    /// X1 or X3 gave a result.
    pub open_hello: bool,
    /// A list was given.
    pub open_list: bool,
}

impl Default for Kind {
    fn default() -> Self {
        Self {
            class: Class::Unreachable,
            era: Era::Hidden,
            flags: Vec::new(),
            exposure: None,
            claimed: None,
            versions: Vec::new(),
            protected: false,
            open_hello: false,
            open_list: false,
        }
    }
}

/// Decides everything. Reads answers and candidates; `facts.kind` is not yet set.
pub(super) fn kind(facts: &Facts<'_>) -> Kind {
    let mut flags = Vec::new();
    let modern = era::modern(facts);
    let legacy = era::legacy(facts);
    let open_hello = [
        Purpose::Discover,
        Purpose::DiscoverListed,
        Purpose::Initialize,
    ]
    .into_iter()
    .filter_map(|purpose| facts.answer(purpose))
    .any(|answer| answer.result().is_some());
    let open_list = open_list(facts);
    let protected_by_status = protected_by_status(facts);
    let protected_by_words = !protected_by_status && protected_by_words(facts);
    let protected = protected_by_status || protected_by_words;
    if protected_by_words {
        flags.push("wrong_refusal_status");
    }
    let class = class(facts, protected, open_hello, open_list, &mut flags);
    let era = era::era(facts, &modern, &legacy, class);
    let mut versions: Vec<String> = modern.versions;
    versions.extend(legacy.negotiated);
    versions.sort();
    versions.dedup();
    if legacy.echoes {
        flags.push("echoes_any_version");
    }
    if header_broken(facts) {
        flags.push("header_broken");
    }
    flags.extend(
        facts
            .evidence
            .modified_request
            .then_some("modified_request"),
    );
    flags.sort_unstable();
    flags.dedup();
    let exposure = matches!(class, Class::Open | Class::Lazy | Class::HttpSse)
        .then(|| exposure(facts, class))
        .flatten();
    let claimed = claimed::claimed(facts, &versions, class);
    Kind {
        class,
        era,
        flags,
        exposure,
        claimed,
        versions,
        protected,
        open_hello,
        open_list,
    }
}

/// The purpose whose request the P1 probes vary: the first of X1 and X3 that was refused for
/// lack of credentials; with an open handshake X2 or X4; on open servers what answered; on a
/// GET-only endpoint X5.
#[must_use]
pub fn control(facts: &Facts<'_>) -> Option<Purpose> {
    let hello = [Purpose::Discover, Purpose::Initialize];
    let lists = [
        Purpose::ModernList(List::Tools),
        Purpose::LegacyList(List::Tools),
    ];
    if facts.tokens_are_legacy() {
        return Some(Purpose::Initialize);
    }
    hello
        .into_iter()
        .find(|purpose| refused(facts, *purpose))
        .or_else(|| lists.into_iter().find(|purpose| refused(facts, *purpose)))
        .or_else(|| hello.into_iter().find(|purpose| opened(facts, *purpose)))
        .or_else(|| get_only(facts).then_some(Purpose::EventStream))
        .or_else(|| hello.into_iter().find(|purpose| worded(facts, *purpose)))
}

/// Whether a modern request with a random token was refused for something else than the token
/// by a server that also refuses the legacy greeting: what it says of tokens is heard in the
/// legacy era only.
#[must_use]
pub fn past_authentication(facts: &Facts<'_>) -> bool {
    refused(facts, Purpose::Initialize)
        && facts.answer(Purpose::BogusToken).is_some_and(|answer| {
            !answer.served()
                && matches!(
                    answer.outcome,
                    Outcome::RpcError | Outcome::Miss | Outcome::Other
                )
        })
}

/// The purpose whose request X7 repeats with an `Origin`: X1 if the server hears it, else X3,
/// else the event stream of an endpoint that takes GET alone.
#[must_use]
pub fn greeting(facts: &Facts<'_>) -> Option<Purpose> {
    let hello = [Purpose::Discover, Purpose::Initialize];
    let streams = || {
        get_only(facts)
            || endpoint_event(facts)
                .is_some_and(|(_, answer)| answer.exchange.purpose == Purpose::EventStream)
    };
    hello
        .into_iter()
        .find(|purpose| opened(facts, *purpose) || refused(facts, *purpose))
        .or_else(|| streams().then_some(Purpose::EventStream))
        .or_else(|| hello.into_iter().find(|purpose| worded(facts, *purpose)))
}

fn refused(facts: &Facts<'_>, purpose: Purpose) -> bool {
    facts
        .answer(purpose)
        .is_some_and(Answer::refuses_for_credentials)
}

fn opened(facts: &Facts<'_>, purpose: Purpose) -> bool {
    facts
        .answer(purpose)
        .is_some_and(|answer| answer.result().is_some())
}

/// No result, under a status that is no refusal, but in words that speak of authentication.
fn worded(facts: &Facts<'_>, purpose: Purpose) -> bool {
    facts.answer(purpose).is_some_and(|answer| {
        matches!(
            answer.outcome,
            Outcome::Forbid | Outcome::RpcError | Outcome::Miss | Outcome::Other | Outcome::Fault
        ) && answer.speaks_of_authentication()
    })
}

fn open_list(facts: &Facts<'_>) -> bool {
    let lists = [List::Tools, List::Prompts, List::Resources, List::Templates];
    lists.into_iter().any(|list| {
        [Purpose::ModernList(list), Purpose::LegacyList(list)]
            .into_iter()
            .filter_map(|purpose| facts.answer(purpose))
            .filter_map(Answer::result)
            .any(|result| result.get(list.member()).is_some_and(Value::is_array))
    })
}

/// Section 0.1, protected (i).
fn protected_by_status(facts: &Facts<'_>) -> bool {
    // An event stream counts only where POST is no operation.
    facts
        .anonymous()
        .filter(|answer| answer.exchange.purpose != Purpose::EventStream)
        .any(Answer::refuses_for_credentials)
        || get_only(facts)
}

/// A protected endpoint of the HTTP+SSE transport: GET is challenged, POST is no operation.
fn get_only(facts: &Facts<'_>) -> bool {
    let missed = |purpose| {
        facts
            .answer(purpose)
            .is_some_and(|answer| answer.outcome == Outcome::Miss)
    };
    missed(Purpose::Discover)
        && missed(Purpose::Initialize)
        && facts
            .answer(Purpose::EventStream)
            .is_some_and(Answer::refuses_for_credentials)
}

/// Section 0.1, protected (ii).
fn protected_by_words(facts: &Facts<'_>) -> bool {
    let hello = [Purpose::Discover, Purpose::Initialize].map(|purpose| facts.answer(purpose));
    let [Some(x1), Some(x3)] = hello else {
        return false;
    };
    let without_result = |answer: &Answer<'_>| {
        matches!(
            answer.outcome,
            Outcome::Forbid | Outcome::RpcError | Outcome::Miss | Outcome::Other | Outcome::Fault
        )
    };
    facts.any_prm().is_some()
        && without_result(x1)
        && without_result(x3)
        && (x1.speaks_of_authentication() || x3.speaks_of_authentication())
}

/// Section (c), the decision procedure.
fn class(
    facts: &Facts<'_>,
    protected: bool,
    open_hello: bool,
    open_list: bool,
    flags: &mut Vec<&'static str>,
) -> Class {
    let asked: Vec<&Answer<'_>> = [Purpose::Discover, Purpose::Initialize, Purpose::EventStream]
        .into_iter()
        .filter_map(|purpose| facts.answer(purpose))
        .collect();
    let all = |wanted: &[Outcome]| asked.iter().all(|answer| wanted.contains(&answer.outcome));
    if !protected && all(&[Outcome::Net, Outcome::Fault]) {
        return Class::Unreachable;
    }
    if !protected && all(&[Outcome::Block, Outcome::Net]) {
        return Class::Blocked;
    }
    let prm = facts.any_prm().is_some();
    let hello: Vec<&Answer<'_>> = [Purpose::Discover, Purpose::Initialize]
        .into_iter()
        .filter_map(|purpose| facts.answer(purpose))
        .collect();
    if !hello.is_empty()
        && hello
            .iter()
            .all(|answer| answer.outcome == Outcome::Redirect)
    {
        return if prm { Class::Oauth } else { Class::NotMcp };
    }
    if !protected && !open_hello && hello.iter().any(|answer| answer.outcome == Outcome::Login) {
        return Class::BrowserSso;
    }
    if protected {
        protected_class(facts, prm, open_hello, open_list, flags)
    } else {
        unprotected_class(facts, prm, open_hello || open_list, flags)
    }
}

fn unprotected_class(
    facts: &Facts<'_>,
    prm: bool,
    open: bool,
    flags: &mut Vec<&'static str>,
) -> Class {
    if open {
        if !prm {
            return Class::Open;
        }
        if declares_protection(facts) {
            return Class::Lazy;
        }
        flags.push("stale_prm");
        return Class::Open;
    }
    if endpoint_event(facts).is_some() {
        return Class::HttpSse;
    }
    Class::NotMcp
}

/// The signs, besides a PRM, that an open server protects some of its operations. An
/// unknown-tool error alone declares nothing.
fn declares_protection(facts: &Facts<'_>) -> bool {
    let by_tool = tools::visible(facts)
        .unwrap_or_default()
        .iter()
        .any(|tool| tool.declares_security);
    let by_call = facts.answer(Purpose::UnknownTool).is_some_and(|answer| {
        matches!(
            answer.outcome,
            Outcome::Challenge | Outcome::Forbid | Outcome::Fault
        ) || (answer.status().is_some_and(|status| status >= 500)
            && answer.outcome != Outcome::Block)
    });
    // A server that takes anonymous calls but answers a bad token with 401 validates tokens.
    let by_token = facts.bogus().is_some_and(|answer| {
        answer.outcome == Outcome::Challenge
            && answer
                .challenges
                .list
                .iter()
                .any(|challenge| challenge.takes_tokens())
    });
    by_tool || by_call || by_token
}

/// Nowhere that a client looks is a protected-resource document, as far as can be told. One
/// that could not be read (cut off, late, coded) is no sign of the way of 2025-03-26.
fn lacks_prm(facts: &Facts<'_>) -> bool {
    facts
        .prm_candidates()
        .iter()
        .filter(|candidate| !matches!(candidate.role, PrmRole::Appended | PrmRole::Parent))
        .all(|candidate| lookup::told(&candidate.answer).is_ok())
}

fn protected_class(
    facts: &Facts<'_>,
    prm: bool,
    open_hello: bool,
    open_list: bool,
    flags: &mut Vec<&'static str>,
) -> Class {
    if open_list {
        return Class::Lazy;
    }
    if open_hello {
        flags.push("open_handshake");
    }
    if prm {
        return Class::Oauth;
    }
    let in_challenge = facts
        .anonymous()
        .filter(|answer| answer.refuses_for_credentials())
        .flat_map(|answer| answer.challenges.list.iter())
        .filter(|challenge| challenge.takes_tokens())
        .any(|challenge| {
            ["resource_metadata", "scope", "error"]
                .iter()
                .any(|name| challenge.param(name).is_some())
        });
    let origin = facts
        .origin_documents()
        .filter(|candidate| candidate.role == AsRole::Origin)
        .find_map(|candidate| candidate.asm().cloned());
    // A stray document of the product's main site does not outweigh a listing that asks for a key.
    if let Some(document) = &origin
        && !facts.listing_declares_key()
        && lacks_prm(facts)
    {
        let own = super::discovery::origin_of(facts.endpoint());
        let matches = document.text("issuer").is_some_and(|issuer| {
            matches!(
                relation::relation(&own, issuer),
                Relation::Identical | Relation::Slash | Relation::CasePort
            )
        });
        if matches {
            return Class::LegacyOauth;
        }
    }
    let intent = in_challenge || (origin.is_some() && !facts.listing_declares_key());
    if intent {
        Class::Oauth
    } else {
        Class::StaticKey
    }
}

/// The first `endpoint` event of an anonymous event stream, if the endpoint or its listed
/// sibling opened one: the event's data and the answer.
#[must_use]
pub fn endpoint_event<'f, 'e>(facts: &'f Facts<'e>) -> Option<(String, &'f Answer<'e>)> {
    [Purpose::EventStream, Purpose::SiblingStream]
        .into_iter()
        .filter_map(|purpose| facts.answer(purpose))
        .find_map(|answer| {
            let response = answer.response()?;
            if response.status != 200
                || response.media_type().as_deref() != Some("text/event-stream")
            {
                return None;
            }
            let event = sse::events(&response.body.text)
                .into_iter()
                .find(|event| event.name == "endpoint")?;
            Some((event.data, answer))
        })
}

fn header_broken(facts: &Facts<'_>) -> bool {
    facts.resource_metadata().is_some()
        && facts
            .prm_candidates()
            .iter()
            .find(|candidate| candidate.role == crate::evidence::PrmRole::Header)
            .is_none_or(|candidate| candidate.prm().is_none())
}

fn exposure(facts: &Facts<'_>, class: Class) -> Option<Exposure> {
    let Some(tools) = tools::visible(facts) else {
        return (class == Class::HttpSse).then_some(Exposure::Unknown);
    };
    let worst = tools.iter().filter_map(tools::danger).max();
    Some(match worst {
        Some(tools::Danger::Executes | tools::Danger::Annotated) if class != Class::Lazy => {
            Exposure::Danger
        }
        Some(_) => Exposure::Write,
        None if tools.iter().all(|tool| tool.read_only == Some(true)) => Exposure::Info,
        None => Exposure::Unknown,
    })
}
