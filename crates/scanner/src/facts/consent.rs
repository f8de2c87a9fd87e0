//! What consent covers, which authorization server is tested, and with which client.

use url::Url;

use super::Facts;
use super::documents::Asm;
use crate::check::{Na, Unmet};
use crate::evidence::{Credential, ExchangeId, Purpose, Registration};
use crate::spec::Revision;

/// Redirect of the native test client (RFC 8252 section 7.3).
pub const LOOPBACK_REDIRECT: &str = "http://127.0.0.1:33418/callback";

/// The client that authorization requests are made with (exchange Y0).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestClient {
    /// `client_id`.
    pub id: String,
    /// A redirect it is registered with.
    pub redirect_uri: String,
    /// How it came to be.
    pub origin: ClientOrigin,
    /// It has a secret and no way to do without.
    pub confidential: bool,
}

/// How the test client came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientOrigin {
    /// By dynamic registration, in that exchange.
    Registered(Registration, ExchangeId),
    /// By a document on our own host.
    Document,
    /// The owner registered it beforehand.
    Supplied,
}

impl<'e> Facts<'e> {
    /// Whether the recorded consent covers the host of this URL.
    #[must_use]
    pub fn consented(&self, url: &Url) -> bool {
        let consent = self.evidence.consent.as_ref();
        url.host_str()
            .zip(consent)
            .is_some_and(|(host, consent)| consent.covers(host))
    }

    /// [`Facts::consented`] for a text; what is no URL is not covered.
    #[must_use]
    pub fn consented_text(&self, url: &str) -> bool {
        Url::parse(url).is_ok_and(|url| self.consented(&url))
    }

    /// The authorization server that deeper probes test: the first readable one whose issuer
    /// or metadata host the consent covers.
    ///
    /// # Errors
    ///
    /// As [`Facts::readable_asms`]; n/a with reason `depth` if none is covered.
    pub fn tested_server(&self, revision: Revision) -> Result<Asm<'_, 'e>, Unmet> {
        self.readable_asms(revision)?
            .into_iter()
            .find(|asm| self.consented_text(&asm.issuer.listed))
            .ok_or(Unmet::NotApplicable(Na::Depth))
    }

    /// An endpoint of the tested server that the consent covers and that may be asked: https,
    /// or trusted loopback. `None` if it is not advertised or not covered.
    #[must_use]
    pub fn tested_endpoint(&self, asm: &Asm<'_, 'e>, member: &str) -> Option<Url> {
        let url = Url::parse(asm.document.text(member)?).ok()?;
        (self.secure(&url) && self.consented(&url)).then_some(url)
    }

    /// Hosts of authorization servers that deeper probes would ask and that the consent does not
    /// cover, each once: of issuers, and of the endpoints that the tested server advertises.
    #[must_use]
    pub fn uncovered_hosts(&self) -> Vec<String> {
        const ENDPOINTS: [&str; 4] = [
            "registration_endpoint",
            "authorization_endpoint",
            "token_endpoint",
            "introspection_endpoint",
        ];
        let issuers = self.issuers().iter().map(|issuer| issuer.listed.clone());
        let tested = self.deeper_server();
        let endpoints = tested.iter().flat_map(|asm| {
            ENDPOINTS
                .iter()
                .filter_map(|member| asm.document.text(member).map(str::to_owned))
        });
        let mut hosts: Vec<String> = issuers
            .chain(endpoints)
            .filter_map(|text| Url::parse(&text).ok())
            .filter(|url| !self.consented(url))
            .filter_map(|url| url.host_str().map(str::to_owned))
            .collect();
        hosts.sort();
        hosts.dedup();
        hosts
    }

    /// The test client: registered if that worked, else a client document if the server
    /// advertises support and we have a host of our own, else the one that the owner supplied.
    #[must_use]
    pub fn test_client(&self, revision: Revision) -> Option<TestClient> {
        [
            Registration::Native,
            Registration::Untyped,
            Registration::Https,
        ]
        .into_iter()
        .find_map(|registration| self.registered_client(registration))
        .or_else(|| self.document_client(revision))
        .or_else(|| self.supplied_client())
    }

    /// The test client of the server that the plan tests, whatever the revision.
    #[must_use]
    pub fn deeper_client(&self) -> Option<TestClient> {
        [Revision::HEADLINE, Revision::V2025_03_26]
            .into_iter()
            .find_map(|revision| self.test_client(revision))
    }

    /// A client that is registered with a loopback redirect.
    #[must_use]
    pub fn loopback_client(&self) -> Option<TestClient> {
        self.deeper_client().filter(|client| {
            Url::parse(&client.redirect_uri).is_ok_and(|url| {
                url.host().is_some_and(|host| {
                    super::relation::host_kind(&host) == super::relation::HostKind::Loopback
                })
            })
        })
    }

    /// A client that is registered with an https redirect that has a path.
    #[must_use]
    pub fn https_client(&self) -> Option<TestClient> {
        self.registered_client(Registration::Https)
            .into_iter()
            .chain(self.deeper_client())
            .find(|client| {
                Url::parse(&client.redirect_uri).is_ok_and(|url| {
                    url.scheme() == "https" && url.path().len() > 1 && url.query().is_none()
                })
            })
    }

    /// Whether 2025-03-26 lets clients assume endpoints at the origin: no metadata of either
    /// kind, and something is protected.
    #[must_use]
    pub fn wants_default_endpoints(&self) -> bool {
        self.any_prm().is_none()
            && self
                .origin_documents()
                .all(|candidate| candidate.asm().is_none())
            && self.protected()
            && self.speaks(Revision::V2025_03_26)
    }

    /// The client that a registration created.
    #[must_use]
    pub fn registered_client(&self, registration: Registration) -> Option<TestClient> {
        let answer = self.answer(Purpose::Register(registration))?;
        let response = answer.response()?;
        if !(200..300).contains(&response.status) {
            return None;
        }
        let json = super::json::parse(&response.body.text).ok()?.value;
        let id = json.get("client_id")?.as_str()?.to_owned();
        // What the record had to blank cannot be sent again.
        if crate::redact::marker(&id).is_some() {
            return None;
        }
        let redirect_uri = match registration {
            Registration::Https => self.own_url("cb")?,
            Registration::Second => super::registration::SECOND_REDIRECT.to_owned(),
            _ => LOOPBACK_REDIRECT.to_owned(),
        };
        let method = json
            .get("token_endpoint_auth_method")
            .and_then(|value| value.as_str());
        Some(TestClient {
            id,
            redirect_uri,
            origin: ClientOrigin::Registered(registration, answer.exchange.id),
            confidential: json.get("client_secret").is_some()
                && method.is_none_or(|method| method != "none"),
        })
    }

    fn document_client(&self, revision: Revision) -> Option<TestClient> {
        let asm = self.tested_server(revision).ok()?;
        (asm.document.flag("client_id_metadata_document_supported") == Some(true))
            .then(|| {
                Some(TestClient {
                    id: self.own_url("cimd_good")?,
                    redirect_uri: LOOPBACK_REDIRECT.to_owned(),
                    origin: ClientOrigin::Document,
                    confidential: false,
                })
            })
            .flatten()
    }

    fn supplied_client(&self) -> Option<TestClient> {
        let supplied = self.evidence.supplied.iter();
        let client = supplied
            .filter(|supplied| supplied.kind == Credential::Client)
            .find(|supplied| supplied.client_id.is_some())?;
        Some(TestClient {
            id: client.client_id.clone()?,
            redirect_uri: client
                .redirect_uri
                .clone()
                .unwrap_or_else(|| LOOPBACK_REDIRECT.to_owned()),
            origin: ClientOrigin::Supplied,
            confidential: client.confidential,
        })
    }

    /// A URL on our own host for this scan: `{base}/{nonce}/{what}`. `None` without such a host.
    #[must_use]
    pub fn own_url(&self, what: &str) -> Option<String> {
        let base = self.evidence.own_host.as_deref()?;
        Some(format!(
            "{}/{}/{what}",
            base.trim_end_matches('/'),
            self.evidence.nonce
        ))
    }

    /// Visits to one document or canary on our own host.
    pub fn visits<'f>(
        &'f self,
        what: &'f str,
    ) -> impl Iterator<Item = &'e crate::evidence::Visit> + 'f {
        self.evidence
            .visits
            .iter()
            .filter(move |visit| visit.what == what)
    }
}
