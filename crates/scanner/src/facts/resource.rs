//! Protected-resource metadata: every candidate that was asked, and the one a client takes.

use super::documents::{Prm, PrmCandidate};
use super::{Facts, discovery};
use crate::check::{Na, Unmet, na};
use crate::evidence::PrmRole;
use crate::report::Class;
use crate::spec::Revision;

impl<'e> Facts<'e> {
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
}
