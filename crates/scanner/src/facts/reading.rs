//! How candidates and issuers are read from the exchanges, redirects followed.

use super::documents::{AsCandidate, Document, Issuer, PrmCandidate};
use super::outcome::Answer;
use super::{Facts, discovery};
use crate::evidence::{AsRole, Purpose};
use crate::spec::Revision;

impl<'e> Facts<'e> {
    pub(super) fn read_prm_candidates(&self) -> Vec<PrmCandidate<'e>> {
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
    pub(super) fn follow<'f>(&'f self, start: &'f Answer<'e>) -> (&'f Answer<'e>, bool) {
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

    pub(super) fn read_issuers(&self) -> Vec<Issuer<'e>> {
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
