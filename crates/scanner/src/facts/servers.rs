//! Authorization servers: the issuers examined, what was found of them, and why nothing can be
//! read where nothing was.

use super::Facts;
use super::documents::{AsCandidate, Asm, Document, Issuer};
use super::relation::{self, Relation};
use crate::check::Unmet;
use crate::evidence::{AsRole, Purpose};
use crate::spec::Revision;

impl<'e> Facts<'e> {
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
        if super::issuer::is_template(issuer) {
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
}
