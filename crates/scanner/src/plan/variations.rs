//! Requests whose answer is known, changed in one point: origins, versions, sessions,
//! credentials, forwarding headers.

use url::Url;

use super::asks::{self, Era, Message};
use super::{Ask, PROBE_ORIGIN, Plan};
use crate::evidence::Purpose;
use crate::facts::classify;
use crate::report::Class;
use crate::spec::Revision;

impl Plan<'_> {
    pub(super) fn origin_asks(&self) -> Vec<Ask> {
        let base = classify::greeting(&self.facts);
        let mut list: Vec<Ask> = [
            (Purpose::ForeignOrigin, PROBE_ORIGIN),
            (Purpose::NullOrigin, "null"),
        ]
        .into_iter()
        .filter_map(|(purpose, origin)| {
            Some(asks::with(self.varied(purpose, base?), "origin", origin))
        })
        .collect();
        list.push(asks::preflight(&self.endpoint));
        list
    }

    /// X6, only where the https URL uses port 443.
    pub(super) fn plaintext(&self) -> Option<Ask> {
        let url = Url::parse(&self.endpoint).ok()?;
        if url.scheme() != "https" || url.port().is_some() {
            return None;
        }
        let mut ask = self.message(Purpose::Plaintext, Message::Discover);
        ask.url = self.endpoint.replacen("https://", "http://", 1);
        Some(ask)
    }

    /// X17, X18, X19 and the stray session, where the server speaks without a token.
    pub(super) fn modern_asks(&self) -> Vec<Ask> {
        if self.challenged(Era::Modern) {
            return Vec::new();
        }
        if !self.modern_open() {
            if self.legacy_open() && !self.challenged(Era::Legacy) {
                return vec![self.message(Purpose::BogusVersion, Message::LegacyBogusVersion)];
            }
            return Vec::new();
        }
        vec![
            self.message(
                Purpose::BogusVersion,
                Message::DiscoverAs("1900-01-01".into()),
            ),
            self.message(Purpose::VersionMismatch, Message::VersionMismatch),
            self.message(Purpose::MethodMismatch, Message::MethodMismatch),
            self.message(Purpose::MethodMissing, Message::MethodMissing),
            self.message(Purpose::UnknownMethod, Message::UnknownMethod),
            self.message(Purpose::StraySession, Message::StraySession),
        ]
    }

    pub(super) fn session_asks(&self) -> Vec<Ask> {
        if self.session_of(Purpose::Initialize).is_none() || !self.facts.open_list() {
            return Vec::new();
        }
        let mut list: Vec<Ask> = (1..=2)
            .map(|number| {
                self.message(
                    Purpose::AnotherSession(number),
                    Message::Initialize("2025-11-25"),
                )
            })
            .collect();
        list.push(self.message(Purpose::UnknownSession, Message::UnknownSession));
        // A session that another node made up on the spot is no finding: it has to be served on
        // three connections.
        if self.served(Purpose::UnknownSession) {
            list.extend((1..=2).map(|number| {
                let mut ask = self.message(
                    Purpose::UnknownSessionAgain(number),
                    Message::UnknownSession,
                );
                ask.fresh_connection = true;
                ask
            }));
        }
        list
    }

    /// challenge-consistent: the challenged request three times on new connections.
    pub(super) fn repeat_asks(&self) -> Vec<Ask> {
        let Some(base) = classify::control(&self.facts) else {
            return Vec::new();
        };
        if !self.facts.protected() || !self.facts.hello_refused() {
            return Vec::new();
        }
        (1..=3)
            .map(|number| {
                let mut ask = self.varied(Purpose::Repeat(number), base);
                ask.fresh_connection = true;
                ask.gap_ms = self.limits.repeat_gap_ms;
                ask
            })
            .collect()
    }

    /// X12, X13, X14 and X20, on the control request.
    pub(super) fn credential_asks(&self) -> Vec<Ask> {
        // An open server has nothing to probe, unless a PRM says that it takes tokens.
        if !self.facts.protected() && self.facts.any_prm().is_none() {
            return Vec::new();
        }
        let Some(base) = classify::control(&self.facts) else {
            return Vec::new();
        };
        let secret = format!("authdex-invalid-{}", self.evidence.nonce);
        let plain = |purpose| self.varied(purpose, base);
        let bearer = format!("Bearer {secret}");
        if self.facts.answer(Purpose::BogusToken).is_none() {
            return vec![asks::with(
                plain(Purpose::BogusToken),
                "authorization",
                &bearer,
            )];
        }
        if base == Purpose::Discover
            && classify::past_authentication(&self.facts)
            && self.facts.answer(Purpose::BogusTokenLegacy).is_none()
        {
            let legacy = self.varied(Purpose::BogusTokenLegacy, Purpose::Initialize);
            return vec![asks::with(legacy, "authorization", &bearer)];
        }
        let mut list = Vec::new();
        if self.facts.protected() {
            list.push(asks::with_query(
                plain(Purpose::QueryAccessToken),
                "access_token",
                &secret,
            ));
            list.push(asks::with_query(
                plain(Purpose::QueryToken),
                "token",
                &secret,
            ));
        }
        list.push(asks::with(
            plain(Purpose::EmptyBearer),
            "authorization",
            "Bearer",
        ));
        list.push(asks::with(
            plain(Purpose::BasicCredentials),
            "authorization",
            "Basic bWNwOnNjYW4=",
        ));
        list.push(asks::with(
            asks::with(
                plain(Purpose::TwoBearers),
                "authorization",
                &format!("Bearer {secret}"),
            ),
            "authorization",
            &format!("Bearer {secret}-2"),
        ));
        if base != Purpose::EventStream
            && (self.facts.protected() || self.facts.class() == Class::Lazy)
        {
            list.push(self.message(Purpose::Batch, Message::Batch));
        }
        list
    }

    /// X15: the control request, and every working document on the endpoint's own origin.
    pub(super) fn forwarded_asks(&self) -> Vec<Ask> {
        if !self.facts.class().graded() {
            return Vec::new();
        }
        let mut list = Vec::new();
        if self.facts.protected()
            && let Some(base) = classify::control(&self.facts)
        {
            list.push(asks::forwarded(
                self.varied(Purpose::ForwardedEndpoint, base),
            ));
        }
        list.extend(
            self.facts
                .own_documents()
                .into_iter()
                .map(|(purpose, url)| asks::forwarded_document(purpose, url, &self.evidence.nonce)),
        );
        list
    }

    /// The documents once more with an `Origin`, as a client in a browser reads them.
    pub(super) fn cors_asks(&self) -> Vec<Ask> {
        let first_as = self.first_as_document();
        [
            (Purpose::CorsPrm, self.prm_url()),
            (
                Purpose::CorsAsMetadata,
                first_as.as_ref().map(|(url, _)| url.clone()),
            ),
            (Purpose::CorsJwks, first_as.and_then(|(_, keys)| keys)),
        ]
        .into_iter()
        .filter_map(|(purpose, url)| {
            Some(asks::with(
                asks::document(purpose, url?),
                "origin",
                PROBE_ORIGIN,
            ))
        })
        .collect()
    }

    fn prm_url(&self) -> Option<String> {
        let prm = self.facts.selected_prm(Revision::HEADLINE)?;
        Some(prm.candidate.url.clone())
    }

    /// URL of the first authorization-server document, and of the key set it names.
    fn first_as_document(&self) -> Option<(String, Option<String>)> {
        let issuer = self.facts.issuers().first()?;
        let found = self.facts.found(issuer, Revision::HEADLINE);
        let candidate = found.first()?;
        let keys = candidate.asm().and_then(|document| self.key_url(document));
        Some((candidate.url.clone(), keys))
    }
}
