//! A parsed, borrowed view of the evidence: built once, read by the plan and by all checks.
//!
//! An accessor returns the thing asked for, or the reason why no check about it can be
//! judged. Whether absence means "does not apply" or "cannot be told" is decided here, once.

pub mod authorize;
pub mod challenge;
pub mod classify;
pub mod client_documents;
pub mod consent;
pub mod discovery;
pub mod documents;
pub mod hosts;
pub mod html;
pub mod issuer;
pub mod json;
pub mod keys;
mod kind;
pub mod lookup;
pub mod outcome;
pub mod owner;
pub mod pages;
pub(crate) mod plain;
mod reading;
mod refusals;
pub mod registration;
pub mod relation;
mod resource;
mod servers;
pub mod sse;
pub mod tools;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use url::Url;

use crate::check::{Cause, Judgement, Unmet, inconclusive};
use crate::evidence::{Evidence, ExchangeId, Purpose, Stopped};
use documents::{Issuer, PrmCandidate};
use outcome::{Answer, Outcome};

/// The view.
#[derive(Debug)]
pub struct Facts<'e> {
    /// The record it was read from.
    pub evidence: &'e Evidence,
    endpoint: Url,
    endpoint_text: &'e str,
    answers: Vec<Answer<'e>>,
    by_purpose: BTreeMap<Purpose, Vec<usize>>,
    prm_candidates: Vec<PrmCandidate<'e>>,
    issuers: Vec<Issuer<'e>>,
    kind: classify::Kind,
    /// What was said of these facts once and for all revisions.
    said: Mutex<BTreeMap<&'static str, Judgement>>,
}

impl<'e> Facts<'e> {
    /// Reads the evidence. Never fails: what cannot be read is absent.
    #[must_use]
    pub fn new(evidence: &'e Evidence) -> Self {
        // Over a handshake nothing was asked: `hosts` reads those.
        let mut answers: Vec<Answer<'e>> = evidence
            .exchanges
            .iter()
            .filter(|exchange| !matches!(exchange.purpose, Purpose::Handshake(_)))
            .map(Answer::of)
            .collect();
        outcome::recognise_gate(&mut answers);
        let mut by_purpose: BTreeMap<Purpose, Vec<usize>> = BTreeMap::new();
        for (position, answer) in answers.iter().enumerate() {
            by_purpose
                .entry(answer.exchange.purpose)
                .or_default()
                .push(position);
        }
        let endpoint_text = endpoint_text(&answers, &evidence.target.url);
        let endpoint = Url::parse(endpoint_text).unwrap_or_else(|_| fallback_url());
        let mut facts = Self {
            evidence,
            endpoint,
            endpoint_text,
            answers,
            by_purpose,
            prm_candidates: Vec::new(),
            issuers: Vec::new(),
            kind: classify::Kind::default(),
            said: Mutex::default(),
        };
        facts.prm_candidates = facts.read_prm_candidates();
        facts.issuers = facts.read_issuers();
        facts.kind = classify::kind(&facts);
        facts
    }

    /// What a check said of these facts before, or says now.
    pub(crate) fn once(&self, check: &'static str, say: impl FnOnce() -> Judgement) -> Judgement {
        let known = {
            let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
            said.get(check).cloned()
        };
        known.unwrap_or_else(|| {
            let judgement = say();
            let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
            said.insert(check, judgement.clone());
            judgement
        })
    }

    // --- the target -----------------------------------------------------------------

    /// The endpoint URL E.
    #[must_use]
    pub fn endpoint(&self) -> &Url {
        &self.endpoint
    }

    /// The endpoint URL as scanned, for code-point comparisons. Of an http listing that only
    /// redirects to the same URL over https, the https URL.
    #[must_use]
    pub fn endpoint_text(&self) -> &'e str {
        self.endpoint_text
    }

    /// Plain http to this URL is treated as browsers treat loopback: the scan admits
    /// special-use addresses, and the host is loopback (decisions, point 7).
    #[must_use]
    pub fn trusted_loopback(&self, url: &Url) -> bool {
        self.evidence.allow_private
            && url
                .host()
                .is_some_and(|host| relation::host_kind(&host) == relation::HostKind::Loopback)
    }

    /// `https`, or plain http on loopback where that is trusted.
    #[must_use]
    pub fn secure(&self, url: &Url) -> bool {
        url.scheme() == "https" || (url.scheme() == "http" && self.trusted_loopback(url))
    }

    /// Whether the listing declares a secret request header: a key outside OAuth.
    #[must_use]
    pub fn listing_declares_key(&self) -> bool {
        self.evidence
            .target
            .listing
            .as_ref()
            .is_some_and(|listing| !listing.secret_headers.is_empty())
    }

    // --- exchanges ------------------------------------------------------------------

    /// All answers in order, without the handshakes over which nothing was asked.
    #[must_use]
    pub fn answers(&self) -> &[Answer<'e>] {
        &self.answers
    }

    /// The answers of what may be sent to everybody, in order. Checks of classes P0 and P1 read
    /// no others, so that a deeper scan does not move the public grade.
    #[must_use]
    pub fn plain_answers(&self) -> impl DoubleEndedIterator<Item = &Answer<'e>> {
        self.answers
            .iter()
            .filter(|answer| !answer.exchange.purpose.is_deeper())
    }

    /// The answer of one exchange.
    #[must_use]
    pub fn exchange(&self, id: ExchangeId) -> Option<&Answer<'e>> {
        self.answers.iter().find(|answer| answer.exchange.id == id)
    }

    /// All answers of one purpose in order: retries and redirect hops included.
    pub fn all(&self, purpose: Purpose) -> impl Iterator<Item = &Answer<'e>> {
        self.by_purpose
            .get(&purpose)
            .into_iter()
            .flatten()
            .map(|position| &self.answers[*position])
    }

    /// The final answer of one purpose: after retries and after recorded redirects.
    #[must_use]
    pub fn answer(&self, purpose: Purpose) -> Option<&Answer<'e>> {
        self.all(purpose).last()
    }

    /// The answer of one purpose before any redirect was followed, after retries.
    #[must_use]
    pub fn first_hop(&self, purpose: Purpose) -> Option<&Answer<'e>> {
        self.all(purpose)
            .filter(|answer| answer.exchange.follows.is_none())
            .last()
    }

    /// The final answer of one purpose, or why nothing can be judged from it: never asked,
    /// no response, 5xx, an intermediary, or a body over its cap.
    ///
    /// # Errors
    ///
    /// [`Unmet::Inconclusive`] with the standard condition of section 0.6.
    pub fn settled(&self, purpose: Purpose) -> Result<&Answer<'e>, Unmet> {
        match self.answer(purpose) {
            Some(answer) => settle(answer),
            None => inconclusive(self.never_asked()),
        }
    }

    /// Why something was never asked.
    #[must_use]
    pub fn never_asked(&self) -> Cause {
        match self.evidence.stopped {
            Stopped::Finished => Cause::NotCaptured,
            Stopped::RateLimited => Cause::RateLimited,
            Stopped::OutOfTime
            | Stopped::OutOfAsks
            | Stopped::Stopped
            | Stopped::Robots
            | Stopped::OptedOut => Cause::OutOfTime,
        }
    }
}

/// Whether `to` is `from` over https instead of plain http, and otherwise the same URL.
#[must_use]
pub fn upgrades(from: &Url, to: &Url) -> bool {
    from.scheme() == "http"
        && to.scheme() == "https"
        && from.host_str() == to.host_str()
        && from.port().is_none()
        && to.port().is_none()
        && from.path() == to.path()
        && from.query() == to.query()
}

/// E: the target, or the https URL to which an http target only redirects (tls-https-endpoint).
fn endpoint_text<'e>(answers: &[Answer<'e>], target: &'e str) -> &'e str {
    let Some(asked) = Url::parse(target).ok().filter(|url| url.scheme() == "http") else {
        return target;
    };
    answers
        .iter()
        .filter(|answer| {
            matches!(
                answer.exchange.purpose,
                Purpose::Discover | Purpose::Initialize
            ) && answer.exchange.follows.is_some()
        })
        .map(|answer| answer.exchange.asked.url.as_str())
        .find(|url| Url::parse(url).is_ok_and(|url| upgrades(&asked, &url)))
        .unwrap_or(target)
}

/// The answer, or the standard condition that forbids judging from it (section 0.6).
///
/// # Errors
///
/// [`Unmet::Inconclusive`].
pub fn settle<'f, 'e>(answer: &'f Answer<'e>) -> Result<&'f Answer<'e>, Unmet> {
    match answer.outcome {
        Outcome::Net => inconclusive(Cause::Network),
        Outcome::Fault => inconclusive(Cause::ServerFault),
        Outcome::Block if answer.status() == Some(429) => inconclusive(Cause::RateLimited),
        Outcome::Block => inconclusive(Cause::Intermediary),
        Outcome::Open
        | Outcome::Challenge
        | Outcome::Forbid
        | Outcome::Login
        | Outcome::Redirect
        | Outcome::RpcError
        | Outcome::Miss
        | Outcome::Other => Ok(answer),
    }
}

/// Text of a server inside one of our sentences: quoted, control and bidirectional
/// characters escaped, at most 200 characters.
#[must_use]
pub fn quote(text: &str) -> String {
    let mut out = String::from("`");
    for (count, c) in text.chars().enumerate() {
        if count == 200 {
            out.push('…');
            break;
        }
        match c {
            '`' => out.push('\''),
            c if c.is_control() || is_bidi(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out.push('`');
    out
}

fn is_bidi(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{061c}')
}

/// Stands in for a target whose URL cannot be parsed; such evidence has no exchanges that
/// could match it, so nothing is judged from it.
fn fallback_url() -> Url {
    Url::parse("https://invalid.invalid/").expect("a constant URL parses")
}
