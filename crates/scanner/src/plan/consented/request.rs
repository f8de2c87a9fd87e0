//! Authorization requests as a client of MCP makes them: code, S256, `resource`, a scope, and a
//! `state` that is known again. Whatever looks random in them is derived from the scan's nonce.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use url::Url;

use super::super::{Ask, Plan, asks};
use crate::evidence::Purpose;
use crate::facts::consent::TestClient;
use crate::redact::OWN_STATE;
use crate::spec::Revision;

/// At most this many scopes of the protected-resource metadata are asked for.
const MAX_SCOPES: usize = 10;

/// An authorization request in the making.
#[derive(Debug, Clone)]
pub(in crate::plan) struct Request {
    purpose: Purpose,
    endpoint: Url,
    params: Vec<(&'static str, String)>,
}

impl Request {
    /// The same with this parameter, in place of the one it had.
    pub(in crate::plan) fn set(mut self, name: &'static str, value: impl Into<String>) -> Self {
        let value = value.into();
        match self.params.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => self.params.push((name, value)),
        }
        self
    }

    /// The same without these parameters.
    pub(in crate::plan) fn without(mut self, names: &[&str]) -> Self {
        self.params.retain(|(name, _)| !names.contains(name));
        self
    }

    /// The question.
    pub(in crate::plan) fn ask(self) -> Ask {
        let mut url = self.endpoint;
        url.query_pairs_mut().extend_pairs(&self.params);
        let mut ask = asks::document(self.purpose, url.to_string());
        ask.headers.clear();
        asks::with(ask, "accept", "text/html, application/xhtml+xml, */*;q=0.5")
    }
}

impl Plan<'_> {
    /// The valid request for this client. `None` if the authorization server advertises no
    /// endpoint that may be asked.
    pub(in crate::plan) fn request(
        &self,
        purpose: Purpose,
        client: &TestClient,
    ) -> Option<Request> {
        let asm = self.facts.deeper_server()?;
        let endpoint = self.facts.tested_endpoint(&asm, "authorization_endpoint")?;
        if !self.consented(endpoint.as_str()) {
            return None;
        }
        let nonce = &self.evidence.nonce;
        let mut params = vec![
            ("response_type", "code".to_owned()),
            ("client_id", client.id.clone()),
            ("redirect_uri", client.redirect_uri.clone()),
            ("state", state(nonce, purpose)),
            ("code_challenge", challenge(&verifier(nonce, purpose))),
            ("code_challenge_method", "S256".to_owned()),
        ];
        if let Some(scope) = self.scope() {
            params.push(("scope", scope));
        }
        if let Some(resource) = self.resource() {
            params.push(("resource", resource));
        }
        Some(Request {
            purpose,
            endpoint,
            params,
        })
    }

    /// `resource` of the protected-resource metadata; the endpoint where there is none.
    pub(in crate::plan) fn resource(&self) -> Option<String> {
        match self.facts.selected_prm(Revision::HEADLINE) {
            Some(prm) => prm.resource().map(str::to_owned),
            None => Some(self.facts.endpoint_text().to_owned()),
        }
    }

    /// The scopes that the challenge demands, else those that the metadata lists.
    pub(in crate::plan) fn scope(&self) -> Option<String> {
        let demanded = self.facts.challenge_scopes();
        let mut scopes: Vec<&str> = demanded.iter().map(|(scope, _)| *scope).collect();
        let prm = self.facts.selected_prm(Revision::HEADLINE);
        if scopes.is_empty()
            && let Some(prm) = &prm
        {
            scopes = prm.document.texts("scopes_supported").unwrap_or_default();
        }
        scopes.truncate(MAX_SCOPES);
        (!scopes.is_empty()).then(|| scopes.join(" "))
    }
}

/// `state` of the request for this purpose: recognised when it comes back, and kept in the record.
pub(in crate::plan) fn state(nonce: &str, purpose: Purpose) -> String {
    let hash = Sha256::digest(format!("state {nonce} {}", purpose.name()));
    let digits: String = hash
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{OWN_STATE}{digits}")
}

/// `code_verifier` of the request for this purpose: 43 characters (RFC 7636 section 4.1).
pub(in crate::plan) fn verifier(nonce: &str, purpose: Purpose) -> String {
    let hash = Sha256::digest(format!("verifier {nonce} {}", purpose.name()));
    URL_SAFE_NO_PAD.encode(hash)
}

/// `code_challenge` of a verifier: S256 (RFC 7636 section 4.2).
pub(in crate::plan) fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::{challenge, state, verifier};
    use crate::evidence::{AuthorizeVariant, Purpose};
    use crate::redact;

    #[test]
    fn what_is_derived_is_well_formed_and_differs() {
        let one = Purpose::Authorize(AuthorizeVariant::Valid);
        let two = Purpose::Authorize(AuthorizeVariant::NoResource);
        let made = verifier("nonce", one);
        assert_eq!(made.len(), 43);
        assert_eq!(made, verifier("nonce", one));
        assert_ne!(made, verifier("nonce", two));
        assert_ne!(made, verifier("other", one));
        assert_eq!(
            challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
        let back = format!(
            "http://127.0.0.1:33418/callback?state={}",
            state("nonce", one)
        );
        assert_eq!(redact::url(&back), back);
    }
}
