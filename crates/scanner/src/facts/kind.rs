//! What kind of server this is, as [`super::classify`] decided it.

use url::Url;

use super::documents::Document;
use super::outcome::{Answer, Outcome};
use super::relation::{self};
use super::{Facts, classify};
use crate::check::{Place, Unmet};
use crate::evidence::{AsRole, Purpose};
use crate::report::{Claimed, Class, Era, Exposure};
use crate::spec::Revision;

impl<'e> Facts<'e> {
    /// Server class (section (c)).
    #[must_use]
    pub fn class(&self) -> Class {
        self.kind.class
    }

    /// Wire era.
    #[must_use]
    pub fn era(&self) -> Era {
        self.kind.era
    }

    /// Flags, sorted.
    #[must_use]
    pub fn flags(&self) -> &[&'static str] {
        &self.kind.flags
    }

    /// Whether a flag is set.
    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        self.kind.flags.contains(&name)
    }

    /// Exposure of the open part, for classes open, http-sse and lazy.
    #[must_use]
    pub fn exposure(&self) -> Option<Exposure> {
        self.kind.exposure
    }

    /// The newest revision the server shows or implies.
    #[must_use]
    pub fn claimed(&self) -> Option<Claimed> {
        self.kind.claimed
    }

    /// Versions the server listed or negotiated, as written, oldest first.
    #[must_use]
    pub fn versions(&self) -> &[String] {
        &self.kind.versions
    }

    /// Whether the server speaks a revision: listed, negotiated, or its inferred claim (b.3).
    #[must_use]
    pub fn speaks(&self, revision: Revision) -> bool {
        self.kind
            .versions
            .iter()
            .any(|version| version == revision.as_str())
            || self
                .claimed()
                .is_some_and(|claimed| claimed.revision == revision)
    }

    /// Some operation is refused for lack of credentials (section 0.1).
    #[must_use]
    pub fn protected(&self) -> bool {
        self.kind.protected
    }

    /// X1 or X3 returned a result without credentials.
    #[must_use]
    pub fn open_hello(&self) -> bool {
        self.kind.open_hello
    }

    /// A list was returned without credentials.
    #[must_use]
    pub fn open_list(&self) -> bool {
        self.kind.open_list
    }

    /// The request whose refusal (or, on an open server, whose answer) the P1 probes vary:
    /// X1 or X3, or with an open handshake X2 or X4.
    #[must_use]
    pub fn control(&self) -> Option<&Answer<'e>> {
        classify::control(self).and_then(|purpose| self.answer(purpose))
    }

    /// The endpoint sends its callers elsewhere before anything about tokens, origins or
    /// sessions can be seen: blocked by the check that says so.
    #[must_use]
    pub fn diverted(&self) -> Option<Unmet> {
        let mut greetings = [Purpose::Discover, Purpose::Initialize]
            .into_iter()
            .filter_map(|purpose| self.answer(purpose))
            .peekable();
        if greetings.peek().is_some() && greetings.all(|answer| answer.outcome == Outcome::Redirect)
        {
            return Some(Unmet::Blocked("transport-redirects"));
        }
        (self.class() == Class::BrowserSso)
            .then_some(Unmet::Blocked("challenge-not-login-redirect"))
    }

    /// Why an exchange that a check reads is not there.
    #[must_use]
    pub fn missing(&self) -> Unmet {
        self.diverted()
            .unwrap_or_else(|| Unmet::Inconclusive(self.never_asked()))
    }

    /// The exchange spoke to the endpoint over its own scheme: no metadata document, no
    /// file of the host, not the plain-http probe.
    #[must_use]
    pub fn at_endpoint(&self, answer: &Answer<'_>) -> bool {
        !matches!(
            answer.exchange.purpose,
            Purpose::Plaintext
                | Purpose::SiblingStream
                | Purpose::Prm(_)
                | Purpose::AsMetadata(..)
                | Purpose::Jwks(_)
                | Purpose::PrmJwks
                | Purpose::ForwardedPrm
                | Purpose::ForwardedAsMetadata
                | Purpose::SecurityTxt
                | Purpose::SecurityTxtLegacy
                | Purpose::RandomWellKnown
                | Purpose::CorsPrm
                | Purpose::CorsAsMetadata
                | Purpose::CorsJwks
                | Purpose::AliasPrm(_)
                | Purpose::AliasEndpoint
        )
    }

    /// The answer to the request that the Origin probes repeat.
    #[must_use]
    pub fn greeting(&self) -> Option<&Answer<'e>> {
        classify::greeting(self).and_then(|purpose| self.answer(purpose))
    }

    /// X1 or X3 was refused for lack of credentials.
    #[must_use]
    pub fn hello_refused(&self) -> bool {
        [Purpose::Discover, Purpose::Initialize]
            .into_iter()
            .filter_map(|purpose| self.answer(purpose))
            .any(Answer::refuses_for_credentials)
    }

    /// Working metadata documents on the endpoint's own origin, each once: the purpose of
    /// their X15 probe and their URL. Two of each kind at most.
    #[must_use]
    pub fn own_documents(&self) -> Vec<(Purpose, &str)> {
        let own = |url: &str| {
            Url::parse(url).is_ok_and(|url| relation::same_origin(&url, &self.endpoint))
        };
        let prms = self
            .prm_candidates
            .iter()
            .filter(|candidate| candidate.prm().is_some())
            .map(|candidate| candidate.url.as_str());
        let listed = self
            .issuers
            .iter()
            .flat_map(|issuer| &issuer.candidates)
            .filter(|candidate| candidate.asm().is_some())
            .map(|candidate| candidate.url.as_str());
        let origin = self
            .answers
            .iter()
            .filter(|answer| {
                matches!(
                    answer.exchange.purpose,
                    Purpose::AsMetadata(_, AsRole::Origin | AsRole::OriginOidc)
                ) && Document::of(answer).is_some_and(|document| document.is_asm_shaped())
            })
            .map(|answer| answer.exchange.asked.url.as_str());
        let mut list: Vec<(Purpose, &str)> = Vec::new();
        for (purpose, url) in prms.map(|url| (Purpose::ForwardedPrm, url)).chain(
            listed
                .chain(origin)
                .map(|url| (Purpose::ForwardedAsMetadata, url)),
        ) {
            let of_kind = list.iter().filter(|(known, _)| *known == purpose).count();
            if of_kind < 2 && own(url) && !list.iter().any(|(_, known)| *known == url) {
                list.push((purpose, url));
            }
        }
        list
    }

    /// Finding rests on an exchange whose certificate did not validate.
    #[must_use]
    pub fn unvalidated(&self, places: &[Place]) -> bool {
        places.iter().any(|place| {
            self.exchange(place.exchange)
                .and_then(|answer| answer.response())
                .and_then(|response| response.tls.as_ref())
                .is_some_and(|tls| tls.fault.is_some())
        })
    }
}
