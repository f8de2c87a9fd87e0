//! Searches over what was asked, for checks that judge a search and not only its result:
//! which places a client would try, and whether their silence can be told from absence.

use url::Url;

use super::challenge::Challenge;
use super::documents::{Issuer, PrmCandidate};
use super::outcome::{Answer, unread};
use super::{Facts, discovery, settle};
use crate::check::{Place, Unmet, inconclusive};
use crate::evidence::{AsRole, DnsFault, Failure, PrmRole};
use crate::spec::Revision;

impl<'e> Facts<'e> {
    /// The challenge's `resource_metadata`, if it is an absolute http or https URL: the first
    /// place where a client looks (section a.1).
    #[must_use]
    pub fn header_prm_url(&self) -> Option<String> {
        let (value, _) = self.resource_metadata()?;
        let url = Url::parse(value).ok()?;
        (matches!(url.scheme(), "https" | "http") && url.host_str().is_some())
            .then(|| value.to_owned())
    }

    /// Every place that a client of this revision may try for protected-resource metadata, in
    /// order, with what was found there; `None` where it was never asked.
    #[must_use]
    pub fn prm_search(
        &self,
        revision: Revision,
    ) -> Vec<(PrmRole, String, Option<&PrmCandidate<'e>>)> {
        discovery::prm_candidates(self.endpoint(), self.header_prm_url().as_deref())
            .into_iter()
            .filter(|(role, _)| discovery::prm_credited(*role, revision))
            .map(|(role, url)| {
                let candidate = self.prm_at(&url);
                (role, url, candidate)
            })
            .collect()
    }

    /// What was found at one metadata URL, whatever it was asked for.
    #[must_use]
    pub fn prm_at(&self, url: &str) -> Option<&PrmCandidate<'e>> {
        self.prm_candidates()
            .iter()
            .find(|candidate| candidate.url == url)
    }

    /// What was found at the URL that RFC 9728 section 3.1 builds from the endpoint: with a
    /// trailing slash also without it, for an endpoint without a path the root, and with or
    /// without the endpoint's query.
    #[must_use]
    pub fn prm_at_path(&self) -> Vec<&PrmCandidate<'e>> {
        let bare = |url: &str| url.split('?').next().unwrap_or_default().to_owned();
        let list = discovery::prm_candidates(self.endpoint(), None);
        let wanted: Vec<String> = match list.first() {
            Some((PrmRole::Root, url)) => vec![bare(url)],
            _ => list
                .iter()
                .filter(|(role, _)| matches!(role, PrmRole::Path | PrmRole::PathNoSlash))
                .map(|(_, url)| bare(url))
                .collect(),
        };
        self.prm_candidates()
            .iter()
            .filter(|candidate| wanted.contains(&bare(&candidate.url)))
            .collect()
    }

    /// A valid document at the root of the endpoint's origin.
    #[must_use]
    pub fn prm_root(&self) -> Option<&PrmCandidate<'e>> {
        let (_, url) = discovery::prm_candidates(self.endpoint(), None)
            .into_iter()
            .find(|(role, _)| *role == PrmRole::Root)?;
        self.prm_at(&url)
            .filter(|candidate| candidate.prm().is_some())
    }

    /// Whether every place that a client of this revision may try for this issuer's metadata
    /// has answered, so that finding nothing means that there is nothing.
    ///
    /// # Errors
    ///
    /// [`Unmet::Inconclusive`] with the first reason why it cannot be told.
    pub fn search_told(&self, issuer: &Issuer<'e>, revision: Revision) -> Result<(), Unmet> {
        let revision = revision.max(Revision::V2025_06_18);
        let expected: Vec<(AsRole, String)> = discovery::as_candidates(&issuer.listed)
            .unwrap_or_default()
            .into_iter()
            .filter(|(role, _)| discovery::as_credited(*role, revision))
            .collect();
        for (role, _) in expected {
            let asked = issuer
                .candidates
                .iter()
                .find(|candidate| candidate.role == role);
            match asked {
                Some(candidate) => told(&candidate.answer)?,
                None => return inconclusive(self.never_asked()),
            }
        }
        Ok(())
    }

    /// Scope tokens of the challenges that anonymous requests met, without repetitions, with
    /// the place of the first challenge that names each.
    #[must_use]
    pub fn challenge_scopes(&self) -> Vec<(&str, Place)> {
        let mut list: Vec<(&str, Place)> = Vec::new();
        for answer in self.anonymous().filter(|a| a.refuses_for_credentials()) {
            for challenge in answer.challenges.list.iter().filter(|c| c.takes_tokens()) {
                let place = challenge_place(answer, challenge);
                for scope in challenge
                    .param("scope")
                    .unwrap_or_default()
                    .split_whitespace()
                {
                    if !list.iter().any(|(known, _)| *known == scope) {
                        list.push((scope, place.clone()));
                    }
                }
            }
        }
        list
    }
}

/// The field line that a challenge stood on.
#[must_use]
pub fn challenge_place(answer: &Answer<'_>, challenge: &Challenge) -> Place {
    Place::new(
        answer.exchange.id,
        format!("header:www-authenticate[{}]", challenge.line),
    )
}

/// Whether a document's absence can be told from this answer. A name that does not exist and
/// an address that the guard refuses are absence for everybody; other failures are not.
///
/// # Errors
///
/// [`Unmet::Inconclusive`] with the standard condition of section 0.6.
pub fn told(answer: &Answer<'_>) -> Result<(), Unmet> {
    if let Some(
        Failure::Blocked(_) | Failure::Dns(DnsFault::NoSuchName | DnsFault::DomainUnregistered),
    ) = answer.failure()
    {
        return Ok(());
    }
    let answer = settle(answer)?;
    match answer.response().and_then(unread) {
        Some(cause) => inconclusive(cause),
        None => Ok(()),
    }
}

/// Status, or why there was no answer, in two or three words.
#[must_use]
pub fn brief(answer: &Answer<'_>) -> String {
    match (answer.status(), answer.failure()) {
        (Some(status), _) => format!("status {status}"),
        (None, Some(failure)) => format!("no answer: {}", failure.word()),
        (None, None) => "no answer".to_owned(),
    }
}
