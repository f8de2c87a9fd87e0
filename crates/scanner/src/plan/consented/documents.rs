//! Y4: authorization requests whose client is a document on our own host.

use super::super::{Ask, Plan};
use crate::canary;
use crate::evidence::{AuthorizeVariant, CimdVariant, Depth, Purpose};
use crate::facts::consent::{ClientOrigin, LOOPBACK_REDIRECT, TestClient};

/// A redirect that no document lists, under a name that cannot exist.
const UNLISTED_REDIRECT: &str = "https://redirect-probe.invalid/cb";

impl Plan<'_> {
    /// The good document first; the others only when it is resolved.
    pub(in crate::plan) fn client_documents(&self) -> Vec<Ask> {
        if self.limits.depth < Depth::Consented || !self.documents_are_resolved() {
            return Vec::new();
        }
        let good = Purpose::Cimd(CimdVariant::Good);
        if self.facts.answer(good).is_none() {
            return self.with_document(CimdVariant::Good).into_iter().collect();
        }
        if !self.facts.resolves_documents() {
            return Vec::new();
        }
        canary::VARIANTS
            .into_iter()
            .filter_map(|variant| self.with_document(variant))
            .collect()
    }

    /// The server says that it resolves documents.
    fn documents_are_resolved(&self) -> bool {
        self.facts.deeper_server().is_some_and(|asm| {
            asm.document.flag("client_id_metadata_document_supported") == Some(true)
        })
    }

    /// The valid request with this document for a client. What a URL parser would change in its
    /// URL arrives as written, because the whole of it is encoded.
    fn with_document(&self, variant: CimdVariant) -> Option<Ask> {
        let base = self.evidence.own_host.as_deref()?;
        let client = TestClient {
            id: canary::client_id(base, &self.evidence.nonce, variant)?,
            redirect_uri: match variant {
                CimdVariant::UnlistedRedirect => UNLISTED_REDIRECT,
                _ => LOOPBACK_REDIRECT,
            }
            .to_owned(),
            origin: ClientOrigin::Document,
            confidential: false,
        };
        let request = self.request(Purpose::Cimd(variant), &client)?;
        let request = match self.facts.authorization_control() {
            Some(AuthorizeVariant::NoResource) => request.without(&["resource"]),
            _ => request,
        };
        Some(request.ask())
    }
}
