//! A parsed, borrowed view of the evidence: built once, read by the plan and by all checks.
//!
//! An accessor returns the thing asked for, or the reason why no check about it can be
//! judged. Whether absence means "does not apply" or "cannot be told" is decided here, once.

pub mod challenge;
pub mod classify;
pub mod discovery;
pub mod documents;
pub mod hosts;
pub mod issuer;
pub mod json;
pub mod keys;
pub mod lookup;
pub mod outcome;
pub mod relation;
pub mod sse;
pub mod tools;

use std::collections::BTreeMap;

use url::Url;

use crate::check::{Cause, Na, Place, Unmet, inconclusive, na};
use crate::evidence::{AsRole, Evidence, Exchange, ExchangeId, List, PrmRole, Purpose, Stopped};
use crate::report::{Claimed, Class, Era, Exposure};
use crate::spec::Revision;
use challenge::Challenge;
use documents::{AsCandidate, Asm, Document, Issuer, Prm, PrmCandidate};
use outcome::{Answer, Outcome};
use relation::Relation;

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
}

impl<'e> Facts<'e> {
    /// Reads the evidence. Never fails: what cannot be read is absent.
    #[must_use]
    pub fn new(evidence: &'e Evidence) -> Self {
        let answers: Vec<Answer<'e>> = evidence.exchanges.iter().map(Answer::of).collect();
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
        };
        facts.prm_candidates = facts.read_prm_candidates();
        facts.issuers = facts.read_issuers();
        facts.kind = classify::kind(&facts);
        facts
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

    /// Whether a listing says that the server speaks OAuth (an `oauth` or `bearer` word in its
    /// declared headers is not enough, so today this is always false; kept for listings that
    /// will say so).
    #[must_use]
    pub fn listing_declares_key(&self) -> bool {
        self.evidence
            .target
            .listing
            .as_ref()
            .is_some_and(|listing| !listing.secret_headers.is_empty())
    }

    // --- exchanges ------------------------------------------------------------------

    /// All answers in order.
    #[must_use]
    pub fn answers(&self) -> &[Answer<'e>] {
        &self.answers
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
            Stopped::OutOfTime | Stopped::OutOfAsks | Stopped::Stopped => Cause::OutOfTime,
        }
    }

    // --- refusals and challenges ------------------------------------------------------

    /// Answers to requests without credentials whose refusal would count: X1, X3, X5, X16,
    /// X2 and X4, in that order.
    pub fn anonymous(&self) -> impl Iterator<Item = &Answer<'e>> {
        const ORDER: [Purpose; 14] = [
            Purpose::Discover,
            Purpose::DiscoverListed,
            Purpose::Initialize,
            Purpose::EventStream,
            Purpose::UnknownTool,
            Purpose::ModernList(List::Tools),
            Purpose::ModernList(List::Prompts),
            Purpose::ModernList(List::Resources),
            Purpose::ModernList(List::Templates),
            Purpose::LegacyList(List::Tools),
            Purpose::LegacyList(List::Prompts),
            Purpose::LegacyList(List::Resources),
            Purpose::LegacyList(List::Templates),
            Purpose::InitializeOldest,
        ];
        ORDER.into_iter().filter_map(|purpose| self.answer(purpose))
    }

    /// The 401 answers among X1, X3, X5 and X16, in that order.
    pub fn unauthorized(&self) -> impl Iterator<Item = &Answer<'e>> {
        [
            Purpose::Discover,
            Purpose::Initialize,
            Purpose::EventStream,
            Purpose::UnknownTool,
        ]
        .into_iter()
        .filter_map(|purpose| self.answer(purpose))
        .filter(|answer| answer.outcome == Outcome::Challenge)
    }

    /// The first Bearer or DPoP challenge of a 401, with the answer that carried it. Lists are
    /// looked at last: a server with an open handshake challenges only there.
    #[must_use]
    pub fn first_challenge(&self) -> Option<(&Answer<'e>, &Challenge)> {
        self.unauthorized()
            .chain(
                self.anonymous()
                    .filter(|answer| answer.outcome == Outcome::Challenge),
            )
            .find_map(|answer| {
                let challenge = answer.challenges.list.iter().find(|c| c.takes_tokens())?;
                Some((answer, challenge))
            })
    }

    /// The first `resource_metadata` of a Bearer or DPoP challenge: value and answer.
    #[must_use]
    pub fn resource_metadata(&self) -> Option<(&str, &Answer<'e>)> {
        self.unauthorized()
            .chain(self.anonymous())
            .filter(|answer| answer.refuses_for_credentials())
            .find_map(|answer| {
                let value = answer
                    .challenges
                    .list
                    .iter()
                    .filter(|challenge| challenge.takes_tokens())
                    .find_map(|challenge| challenge.param("resource_metadata"))?;
                Some((value, answer))
            })
    }

    // --- protected-resource metadata --------------------------------------------------

    /// Every candidate that was asked, in order of section a.1.
    #[must_use]
    pub fn prm_candidates(&self) -> &[PrmCandidate<'e>] {
        &self.prm_candidates
    }

    /// A PRM-shaped document under any role, diagnostics included.
    #[must_use]
    pub fn any_prm(&self) -> Option<&PrmCandidate<'e>> {
        self.prm_candidates
            .iter()
            .find(|candidate| candidate.prm().is_some())
    }

    /// A valid document at the path-inserted or the root location, whatever the header says.
    #[must_use]
    pub fn well_known_prm(&self) -> Option<Prm<'_, 'e>> {
        let endpoint = self.endpoint();
        self.prm_candidates
            .iter()
            .filter(|candidate| match candidate.role {
                PrmRole::Path | PrmRole::PathNoSlash | PrmRole::Root => true,
                // The header may name one of the well-known locations; then its document counts.
                PrmRole::Header => {
                    discovery::prm_candidates(endpoint, None)
                        .iter()
                        .any(|(role, url)| {
                            *url == candidate.url
                                && matches!(
                                    role,
                                    PrmRole::Path | PrmRole::PathNoSlash | PrmRole::Root
                                )
                        })
                }
                PrmRole::Appended | PrmRole::Parent => false,
            })
            .find_map(|candidate| {
                Some(Prm {
                    candidate,
                    document: candidate.prm()?,
                })
            })
    }

    /// The document selected by the rule of section a.1, if there is one.
    #[must_use]
    pub fn selected_prm(&self, revision: Revision) -> Option<Prm<'_, 'e>> {
        // 2025-03-26 knows no PRM; for the checks of other columns the same walk serves, and
        // what is found is compatibility information there.
        let revision = revision.max(Revision::V2025_06_18);
        self.prm_candidates
            .iter()
            .filter(|candidate| discovery::prm_credited(candidate.role, revision))
            .find_map(|candidate| {
                Some(Prm {
                    candidate,
                    document: candidate.prm()?,
                })
            })
    }

    /// The protected-resource metadata, or why no check about it can be judged.
    ///
    /// # Errors
    ///
    /// Blocked by the check that says why there is none; n/a in revisions without PRM.
    pub fn prm(&self, revision: Revision) -> Result<Prm<'_, 'e>, Unmet> {
        if let Some(prm) = self.selected_prm(revision) {
            return Ok(prm);
        }
        match self.class() {
            Class::LegacyOauth => Err(Unmet::Blocked("prm-discoverable")),
            Class::Lazy => Err(Unmet::Blocked("challenge-lazy-prm")),
            Class::Oauth => Err(Unmet::Blocked("prm-discoverable")),
            Class::BrowserSso => Err(Unmet::Blocked("challenge-not-login-redirect")),
            Class::StaticKey
            | Class::Open
            | Class::HttpSse
            | Class::NotMcp
            | Class::Unreachable
            | Class::Blocked => na(Na::Class),
        }
    }

    // --- authorization servers --------------------------------------------------------

    /// The issuers that were examined, at most three. For class legacy-oauth the one at the
    /// endpoint's origin.
    #[must_use]
    pub fn issuers(&self) -> &[Issuer<'e>] {
        &self.issuers
    }

    /// A document on the endpoint's own origin: the fallback of 2025-03-26, or a mirror.
    pub fn origin_documents(&self) -> impl Iterator<Item = AsCandidate<'e>> + '_ {
        [AsRole::Origin, AsRole::OriginOidc]
            .into_iter()
            .filter_map(|role| {
                let answer = self.answer(Purpose::AsMetadata(0, role))?.clone();
                Some(AsCandidate {
                    role,
                    url: answer.exchange.asked.url.clone(),
                    document: Document::of(&answer),
                    answer,
                })
            })
    }

    /// Credited candidates of one issuer with an ASM-shaped document, in client order.
    #[must_use]
    pub fn found<'f>(
        &'f self,
        issuer: &'f Issuer<'e>,
        revision: Revision,
    ) -> Vec<&'f AsCandidate<'e>> {
        self.credited(issuer, revision)
            .filter(|candidate| candidate.asm().is_some())
            .collect()
    }

    /// The metadata of every authorization server found, or why none can be read.
    ///
    /// # Errors
    ///
    /// Blocked by the check that says why.
    pub fn asms(&self, revision: Revision) -> Result<Vec<Asm<'_, 'e>>, Unmet> {
        let found: Vec<Asm<'_, 'e>> = self
            .issuers
            .iter()
            .filter(|issuer| !issuer.fallback || self.falls_back(revision))
            .filter_map(|issuer| {
                let found = self.found(issuer, revision);
                let document = found.first()?.asm()?;
                Some(Asm {
                    issuer,
                    found,
                    document,
                })
            })
            .collect();
        if !found.is_empty() {
            return Ok(found);
        }
        if !self.falls_back(revision) {
            let prm = self.prm(revision)?;
            let servers = prm.document.get("authorization_servers");
            let usable = servers
                .and_then(|value| value.as_array())
                .is_some_and(|list| {
                    !list.is_empty()
                        && list
                            .iter()
                            .all(|item| item.as_str().is_some_and(|s| !s.is_empty()))
                });
            if !usable {
                return Err(Unmet::Blocked("prm-authorization-servers-present"));
            }
            if self.issuers.iter().all(|issuer| self.unaskable(issuer)) {
                return Err(Unmet::Blocked("prm-authorization-servers-form"));
            }
            if self.issuers.iter().all(|issuer| self.unregistered(issuer)) {
                return Err(Unmet::Blocked("prm-authorization-servers-resolve"));
            }
        }
        Err(Unmet::Blocked("asm-discoverable"))
    }

    /// The metadata of every authorization server whose document may be read: found, and not
    /// blocked by an issuer of class foreign, same-site or template (section 0.6).
    ///
    /// # Errors
    ///
    /// Blocked by the check that says why.
    pub fn readable_asms(&self, revision: Revision) -> Result<Vec<Asm<'_, 'e>>, Unmet> {
        let asms = self.asms(revision)?;
        let readable: Vec<Asm<'_, 'e>> = asms
            .into_iter()
            .filter(|asm| !self.issuer_blocks(asm))
            .collect();
        if readable.is_empty() {
            return Err(Unmet::Blocked("asm-issuer-identical"));
        }
        Ok(readable)
    }

    /// Whether the issuer of the document that clients use is of a class that blocks reading it.
    #[must_use]
    pub fn issuer_blocks(&self, asm: &Asm<'_, 'e>) -> bool {
        self.issuer_unrelated(asm.issuer, asm.document)
    }

    /// Whether this document names an issuer of class foreign, same-site or template.
    #[must_use]
    pub fn issuer_unrelated(&self, listed: &Issuer<'_>, document: &Document) -> bool {
        let Some(issuer) = document.text("issuer") else {
            return false;
        };
        if issuer::is_template(issuer) {
            return issuer != listed.listed;
        }
        // A value that is no issuer identifier is asm-issuer-syntax's to judge: nothing can be
        // compared with it, and nothing else is blocked by it.
        self.issuer_fault(issuer).is_none()
            && matches!(
                self.issuer_relation(listed, issuer),
                Relation::Foreign | Relation::SameSite
            )
    }

    /// relation(listed issuer, document issuer). The fallback accepts the origin with and
    /// without its slash (2025-03-26 names no issuer).
    #[must_use]
    pub fn issuer_relation(&self, issuer: &Issuer<'_>, document_issuer: &str) -> Relation {
        match relation::relation(&issuer.listed, document_issuer) {
            Relation::Slash if issuer.fallback => Relation::Identical,
            other => other,
        }
    }

    /// Every attempt to reach this issuer found its registrable domain unregistered.
    #[must_use]
    pub fn unregistered(&self, issuer: &Issuer<'e>) -> bool {
        use crate::evidence::{DnsFault, Failure};
        !issuer.candidates.is_empty()
            && issuer.candidates.iter().all(|candidate| {
                matches!(
                    candidate.answer.failure(),
                    Some(Failure::Dns(DnsFault::DomainUnregistered))
                )
            })
    }

    // --- what kind of server ------------------------------------------------------------

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
                | Purpose::RandomPath
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

    // --- reading ------------------------------------------------------------------------

    fn read_prm_candidates(&self) -> Vec<PrmCandidate<'e>> {
        let mut list: Vec<PrmCandidate<'e>> = Vec::new();
        for answer in &self.answers {
            let Purpose::Prm(role) = answer.exchange.purpose else {
                continue;
            };
            if answer.exchange.follows.is_some() {
                continue;
            }
            let url = answer.exchange.asked.url.clone();
            let (last, redirected) = self.follow(answer);
            let candidate = PrmCandidate {
                role,
                url,
                document: Document::of(last),
                answer: last.clone(),
                redirected,
            };
            // A retry replaces the attempt before it.
            match list
                .iter_mut()
                .find(|known| known.role == role && known.url == candidate.url)
            {
                Some(known) => *known = candidate,
                None => list.push(candidate),
            }
        }
        list.sort_by_key(|candidate| candidate.role);
        list
    }

    /// The end of the recorded redirect chain that starts at this answer.
    fn follow<'f>(&'f self, start: &'f Answer<'e>) -> (&'f Answer<'e>, bool) {
        let mut current = start;
        let mut redirected = false;
        // Hops have larger ids than what they follow, so this ends.
        while let Some(next) = self
            .answers
            .iter()
            .rfind(|answer| answer.exchange.follows == Some(current.exchange.id))
        {
            if next.exchange.id <= current.exchange.id {
                break;
            }
            current = next;
            redirected = true;
        }
        (current, redirected)
    }

    fn read_issuers(&self) -> Vec<Issuer<'e>> {
        let listed = self.listed_issuers();
        if listed.is_empty() {
            return self.fallback_issuer().into_iter().collect();
        }
        listed
            .into_iter()
            .zip(0u8..)
            .map(|(listed, index)| {
                let asked = discovery::as_candidates(&listed).unwrap_or_default();
                let candidates = asked
                    .into_iter()
                    .filter_map(|(role, url)| {
                        // One URL is asked once, whoever needs it: an issuer at the endpoint's
                        // origin shares the origin's document.
                        let start = self.answers.iter().rfind(|answer| {
                            matches!(answer.exchange.purpose, Purpose::AsMetadata(..))
                                && answer.exchange.follows.is_none()
                                && answer.exchange.asked.url == url
                        })?;
                        let (answer, _) = self.follow(start);
                        Some(AsCandidate {
                            role,
                            url,
                            document: Document::of(answer),
                            answer: answer.clone(),
                        })
                    })
                    .collect();
                Issuer {
                    index,
                    listed,
                    fallback: false,
                    candidates,
                }
            })
            .collect()
    }

    /// The issuers to examine: the strings of the selected PRM's `authorization_servers`,
    /// without repetitions, at most three.
    #[must_use]
    pub fn listed_issuers(&self) -> Vec<String> {
        let Some(prm) = self.selected_prm(Revision::HEADLINE) else {
            return Vec::new();
        };
        let mut listed: Vec<String> = Vec::new();
        for issuer in prm
            .document
            .texts("authorization_servers")
            .unwrap_or_default()
        {
            if listed.len() < discovery::MAX_ISSUERS && !listed.iter().any(|known| known == issuer)
            {
                listed.push(issuer.to_owned());
            }
        }
        listed
    }

    /// Without any PRM, the origin-root document makes the origin the issuer (2025-03-26).
    fn fallback_issuer(&self) -> Option<Issuer<'e>> {
        if self.any_prm().is_some() {
            return None;
        }
        let candidates: Vec<AsCandidate<'e>> = self
            .origin_documents()
            .filter(|candidate| candidate.role == AsRole::Origin)
            .collect();
        candidates
            .iter()
            .any(|candidate| candidate.asm().is_some())
            .then(|| Issuer {
                index: 0,
                listed: discovery::origin_of(&self.endpoint),
                fallback: true,
                candidates,
            })
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

/// The last exchange of a purpose in a record, without building [`Facts`].
#[must_use]
pub fn last_of(evidence: &Evidence, purpose: Purpose) -> Option<&Exchange> {
    evidence
        .exchanges
        .iter()
        .rev()
        .find(|exchange| exchange.purpose == purpose)
}
