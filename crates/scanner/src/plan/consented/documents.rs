//! Y4: authorization requests whose client is a document on our own host.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use url::Url;

use super::super::{Ask, Plan, asks};
use crate::canary;
use crate::evidence::{CimdVariant, Depth, Purpose};
use crate::facts::consent::LOOPBACK_REDIRECT;
use crate::spec::Revision;

/// A redirect that no document lists, under a name that cannot exist.
const UNLISTED_REDIRECT: &str = "https://redirect-probe.invalid/cb";

impl Plan<'_> {
    /// The good document first; the others only when it is resolved.
    pub(in crate::plan) fn client_documents(&self) -> Vec<Ask> {
        if self.limits.depth < Depth::Consented {
            return Vec::new();
        }
        let Some(endpoint) = self.document_endpoint() else {
            return Vec::new();
        };
        if self
            .facts
            .answer(Purpose::Cimd(CimdVariant::Good))
            .is_none()
        {
            return self
                .with_document(&endpoint, CimdVariant::Good)
                .into_iter()
                .collect();
        }
        if !self.facts.resolves_documents() {
            return Vec::new();
        }
        canary::VARIANTS
            .into_iter()
            .filter_map(|variant| self.with_document(&endpoint, variant))
            .collect()
    }

    /// The authorization endpoint of a server that says it resolves documents.
    fn document_endpoint(&self) -> Option<Url> {
        let asm = self.facts.deeper_server()?;
        let says = asm.document.flag("client_id_metadata_document_supported") == Some(true);
        if !says {
            return None;
        }
        self.facts.tested_endpoint(&asm, "authorization_endpoint")
    }

    fn with_document(&self, endpoint: &Url, variant: CimdVariant) -> Option<Ask> {
        let base = self.evidence.own_host.as_deref()?;
        let client = canary::client_id(base, &self.evidence.nonce, variant)?;
        let redirect = match variant {
            CimdVariant::UnlistedRedirect => UNLISTED_REDIRECT,
            _ => LOOPBACK_REDIRECT,
        };
        Some(self.sign_in(Purpose::Cimd(variant), endpoint, &client, redirect))
    }

    /// An authorization request without any fault but the client's or the redirect's own.
    pub(super) fn sign_in(
        &self,
        purpose: Purpose,
        endpoint: &Url,
        client: &str,
        redirect: &str,
    ) -> Ask {
        let mut url = endpoint.clone();
        {
            // Encodes what a parser would change: fragments, dots and user information arrive
            // as written.
            let mut query = url.query_pairs_mut();
            query
                .append_pair("response_type", "code")
                .append_pair("client_id", client)
                .append_pair("redirect_uri", redirect)
                .append_pair("code_challenge", &self.document_challenge())
                .append_pair("code_challenge_method", "S256")
                .append_pair("state", &format!("authdex-{}", self.evidence.nonce))
                .append_pair("resource", &self.wanted_resource());
            if let Some(scope) = self.wanted_scope() {
                query.append_pair("scope", &scope);
            }
        }
        let mut ask = asks::document(purpose, url.to_string());
        ask.headers.clear();
        asks::with(
            ask,
            "accept",
            "text/html, application/json;q=0.9, */*;q=0.1",
        )
    }

    /// A challenge that nobody will ever answer: no code is redeemed.
    fn document_challenge(&self) -> String {
        let verifier = format!("{0}{0}", self.evidence.nonce);
        URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
    }

    /// `resource` as a client would send it (RFC 8707 section 2).
    fn wanted_resource(&self) -> String {
        self.facts
            .selected_prm(Revision::HEADLINE)
            .and_then(|prm| prm.resource().map(str::to_owned))
            .unwrap_or_else(|| self.facts.endpoint_text().to_owned())
    }

    /// The scope that the challenge names, else the first that the metadata lists.
    fn wanted_scope(&self) -> Option<String> {
        if let Some((scope, _)) = self.facts.challenge_scopes().first() {
            return Some((*scope).to_owned());
        }
        let prm = self.facts.selected_prm(Revision::HEADLINE)?;
        let scopes = prm.document.texts("scopes_supported")?;
        scopes.first().map(|scope| (*scope).to_owned())
    }
}
