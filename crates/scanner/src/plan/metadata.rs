//! Which documents to read: protected resources, authorization servers, keys, contacts.

use url::Url;

use super::{Ask, Plan, asks};
use crate::evidence::{PrmRole, Purpose};
use crate::facts::documents::Document;
use crate::facts::outcome::Outcome;
use crate::facts::{classify, discovery};
use crate::spec::Revision;

impl Plan<'_> {
    pub(super) fn prm_asks(&self) -> Vec<Ask> {
        discovery::prm_candidates(
            self.facts.endpoint(),
            self.facts.header_prm_url().as_deref(),
        )
        .into_iter()
        .filter(|(role, _)| !matches!(role, PrmRole::Appended | PrmRole::Parent))
        .map(|(role, url)| asks::document(Purpose::Prm(role), url))
        .collect()
    }

    /// Asked only to explain why nothing was found.
    pub(super) fn prm_diagnostics(&self) -> Vec<Ask> {
        if self.facts.any_prm().is_some() || !self.reachable() || !self.facts.protected() {
            return Vec::new();
        }
        discovery::prm_candidates(
            self.facts.endpoint(),
            self.facts.header_prm_url().as_deref(),
        )
        .into_iter()
        .filter(|(role, _)| matches!(role, PrmRole::Appended | PrmRole::Parent))
        .map(|(role, url)| asks::document(Purpose::Prm(role), url))
        .collect()
    }

    pub(super) fn as_asks(&self) -> Vec<Ask> {
        let mut list = Vec::new();
        let listed = self.facts.listed_issuers();
        for (issuer, index) in listed.iter().zip(0u8..) {
            for (role, url) in discovery::as_candidates(issuer).unwrap_or_default() {
                if discovery::as_credited(role, Revision::HEADLINE) {
                    list.push(asks::document(Purpose::AsMetadata(index, role), url));
                }
            }
        }
        // A mirror of a foreign issuer's document on the endpoint's origin.
        let origin = discovery::origin_of(self.facts.endpoint());
        let own = |issuer: &String| issuer.trim_end_matches('/') == origin;
        if !listed.is_empty() && !listed.iter().any(own) {
            let [_, (role, url)] = discovery::origin_candidates(self.facts.endpoint());
            list.push(asks::document(Purpose::AsMetadata(0, role), url));
        }
        list
    }

    pub(super) fn as_diagnostics(&self) -> Vec<Ask> {
        let mut list = Vec::new();
        for issuer in self
            .facts
            .issuers()
            .iter()
            .filter(|issuer| !issuer.fallback)
        {
            if !self.facts.found(issuer, Revision::HEADLINE).is_empty()
                || self.facts.unregistered(issuer)
            {
                continue;
            }
            for (role, url) in discovery::as_candidates(&issuer.listed).unwrap_or_default() {
                list.push(asks::document(Purpose::AsMetadata(issuer.index, role), url));
            }
        }
        list
    }

    pub(super) fn key_asks(&self) -> Vec<Ask> {
        let mut list = Vec::new();
        for issuer in self.facts.issuers() {
            for candidate in self.facts.found(issuer, Revision::HEADLINE) {
                if let Some(url) = candidate.asm().and_then(|document| self.key_url(document)) {
                    list.push(asks::document(Purpose::Jwks(issuer.index), url));
                }
            }
        }
        let of_issuers: Vec<String> = list.iter().map(|ask| ask.url.clone()).collect();
        if let Some(prm) = self.facts.selected_prm(Revision::HEADLINE)
            && let Some(url) = self.key_url(prm.document)
            && !of_issuers.contains(&url)
        {
            list.push(asks::document(Purpose::PrmJwks, url));
        }
        list
    }

    pub(super) fn key_url(&self, document: &Document) -> Option<String> {
        let text = document.text("jwks_uri")?;
        let url = Url::parse(text).ok()?;
        self.facts.secure(&url).then(|| text.to_owned())
    }

    /// Whether the other host that `resource` names is the same deployment.
    pub(super) fn alias_asks(&self) -> Vec<Ask> {
        let Some(alias) = self
            .facts
            .selected_prm(Revision::HEADLINE)
            .and_then(|prm| discovery::alias(self.facts.endpoint(), prm.resource()?))
        else {
            return Vec::new();
        };
        let mut list: Vec<Ask> = discovery::prm_candidates(&alias, None)
            .into_iter()
            .filter(|(role, _)| discovery::prm_credited(*role, Revision::HEADLINE))
            .map(|(role, url)| asks::document(Purpose::AliasPrm(role), url))
            .collect();
        let base = classify::greeting(&self.facts).unwrap_or(Purpose::Discover);
        let mut ask = self.varied(Purpose::AliasEndpoint, base);
        ask.url = alias.into();
        list.push(ask);
        list
    }

    pub(super) fn security_txt(&self) -> Vec<Ask> {
        if !self.reachable() {
            return Vec::new();
        }
        let origin = discovery::origin_of(self.facts.endpoint());
        let mut list = vec![asks::document(
            Purpose::SecurityTxt,
            format!("{origin}/.well-known/security.txt"),
        )];
        let absent = self
            .facts
            .answer(Purpose::SecurityTxt)
            .is_some_and(|answer| answer.outcome == Outcome::Miss);
        if absent {
            list.push(asks::document(
                Purpose::SecurityTxtLegacy,
                format!("{origin}/security.txt"),
            ));
        }
        list
    }
}
