//! What authorization requests with a client document of ours came to (exchange Y4): what the
//! server answered, and what it fetched from our own host.

use super::Facts;
use super::authorize::{Landed, Landing};
use crate::canary;
use crate::check::Unmet;
use crate::evidence::{CimdVariant, Purpose, Visit};

/// What a request with a client document came to.
#[derive(Debug, Clone)]
pub struct Tried<'f, 'e> {
    /// Which document.
    pub variant: CimdVariant,
    /// The answer.
    pub landed: Landed<'f, 'e>,
    /// The document was fetched.
    pub fetched: bool,
    /// A page names the client.
    pub named: bool,
}

/// Whether the client that a document describes was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It was let through to sign-in, consent or a code.
    Yes,
    /// An error.
    No,
    /// A page that would be the same for anybody: only a user would see more.
    Unseen,
}

impl Tried<'_, '_> {
    /// Whether the client was taken; `good` is what the good document came to.
    #[must_use]
    pub fn taken(&self, good: &Self) -> Taken {
        match &self.landed.what {
            Landing::Code(_) | Landing::Token(_) | Landing::Bare(_) => Taken::Yes,
            Landing::Error(_) | Landing::LocalError(_) => Taken::No,
            Landing::Page(_) | Landing::Upstream(_) => {
                let like_good = self.landed.same_as(&good.landed);
                if self.named || (self.fetched && like_good) {
                    Taken::Yes
                } else {
                    Taken::Unseen
                }
            }
        }
    }

    /// The words of a refusal, in lower case.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        match &self.landed.what {
            Landing::LocalError(error) => Some(format!(
                "{} {}",
                error.code.as_deref().unwrap_or_default(),
                error.says
            )),
            Landing::Error(to) => Some(
                format!(
                    "{} {}",
                    to.value("error").unwrap_or_default(),
                    to.value("error_description").unwrap_or_default()
                )
                .to_lowercase(),
            ),
            _ => None,
        }
    }
}

impl<'e> Facts<'e> {
    /// What the request with this document came to.
    ///
    /// # Errors
    ///
    /// As [`Facts::landed`].
    pub fn tried(&self, variant: CimdVariant) -> Result<Tried<'_, 'e>, Unmet> {
        let landed = self.landed(Purpose::Cimd(variant))?;
        let named = landed.page().is_some_and(|page| {
            page.names(&canary::client_name(&self.evidence.nonce)) || {
                let host = self.evidence.own_host.as_deref();
                let host = host.and_then(|base| url::Url::parse(base).ok());
                host.as_ref()
                    .and_then(url::Url::host_str)
                    .is_some_and(|host| page.names(host))
            }
        });
        Ok(Tried {
            variant,
            landed,
            fetched: self.fetched(variant),
            named,
        })
    }

    /// Whether the document was fetched.
    #[must_use]
    pub fn fetched(&self, variant: CimdVariant) -> bool {
        self.document_visits(variant).next().is_some()
    }

    /// Who fetched the document.
    pub fn document_visits(&self, variant: CimdVariant) -> impl Iterator<Item = &'e Visit> {
        let what = Purpose::Cimd(variant).name();
        self.evidence
            .visits
            .iter()
            .filter(move |visit| visit.what == what)
    }

    /// Whether the good document is resolved: fetched, or known to the page that came.
    #[must_use]
    pub fn resolves_documents(&self) -> bool {
        match self.tried(CimdVariant::Good) {
            Ok(good) => {
                let refused = good.landed.refused();
                !refused && (good.fetched || good.taken(&good) == Taken::Yes)
            }
            Err(_) => false,
        }
    }
}
