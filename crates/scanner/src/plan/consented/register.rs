//! Y0 and Y1: the test client, and registrations that must be refused. As few as the verdicts
//! need: what is answered with a client that must not be is not followed by more of its kind.

use serde_json::{Value, json};
use url::Url;

use super::super::{Ask, HeaderValue, Issued, Plan, Secret, asks};
use crate::evidence::{AuthorizeVariant, Depth, Purpose, Registration};
use crate::facts::consent::LOOPBACK_REDIRECT;
use crate::facts::registration::{Registering, SECOND_REDIRECT, dangerous_redirect};

impl Plan<'_> {
    /// Registrations, the test client first.
    pub(in crate::plan) fn registrations(&self) -> Vec<Ask> {
        if self.limits.depth < Depth::Consented {
            return Vec::new();
        }
        let Some(endpoint) = self.registration_endpoint() else {
            return Vec::new();
        };
        self.wanted_registrations()
            .into_iter()
            .filter_map(|registration| self.registration(registration, &endpoint))
            .collect()
    }

    /// Removal of every client that was created.
    pub(in crate::plan) fn unregistrations(&self) -> Vec<Ask> {
        self.facts
            .left_clients()
            .into_iter()
            .filter_map(|left| {
                let url = left.configuration?;
                let purpose = Purpose::Unregister(left.registration);
                let token = Secret::Issued(left.exchange, Issued::RegistrationToken);
                let mut ask = asks::document(purpose, url.to_string());
                ask.method = "DELETE";
                ask.headers
                    .push(("authorization", HeaderValue::Bearer(token)));
                self.consented(&ask.url).then_some(ask)
            })
            .collect()
    }

    /// How many clients wait for their removal: room for it is kept in the budget.
    pub(in crate::plan) fn unremoved(&self) -> u32 {
        let mut waiting = self.revocations();
        waiting.extend(self.unregistrations());
        let waiting = waiting.iter().filter(|ask| !self.already_asked(ask));
        u32::try_from(waiting.count()).unwrap_or(u32::MAX)
    }

    fn registration_endpoint(&self) -> Option<Url> {
        let asm = self.facts.deeper_server()?;
        self.facts.tested_endpoint(&asm, "registration_endpoint")
    }

    /// What can be registered next, by what came of the registrations before.
    fn wanted_registrations(&self) -> Vec<Registration> {
        let ended = |registration| self.facts.registering(registration);
        let native = match ended(Registration::Native) {
            None => return vec![Registration::Native],
            Some(native) => native,
        };
        let mut basis = native.created().then_some(Registration::Native);
        match native {
            Registering::Created(_) => {}
            Registering::Refused(_) => match ended(Registration::Untyped) {
                None => return vec![Registration::Untyped],
                Some(Registering::Created(_)) => basis = Some(Registration::Untyped),
                Some(Registering::Refused(_)) => {}
                Some(_) => return Vec::new(),
            },
            _ => return Vec::new(),
        }
        let mut wanted = Vec::new();
        if self.facts.own_url("cb").is_some() {
            wanted.push(Registration::Https);
            if basis.is_none() && ended(Registration::Https).is_some_and(|https| https.created()) {
                basis = Some(Registration::Https);
            }
        }
        if basis.is_none() {
            return wanted;
        }
        wanted.push(Registration::NoRedirects);
        wanted.extend(FAILING);
        if FAILING.iter().all(|one| ended(*one).is_some()) && !self.fails_already() {
            wanted.extend([Registration::Fragment, Registration::Wildcard]);
        }
        // A second client tells a proxy, and tries to redeem codes of the first.
        if self.leads_upstream() || self.limits.depth >= Depth::Credentialed {
            wanted.push(Registration::Second);
        }
        wanted
    }

    /// A dangerous redirect was accepted, and the authorization endpoint did not refuse it.
    fn fails_already(&self) -> bool {
        FAILING.iter().any(|registration| {
            self.created(*registration) && !self.facts.refused_at_authorization(*registration)
        })
    }

    /// A valid request is passed on to a third party.
    fn leads_upstream(&self) -> bool {
        let Some(answer) = self
            .facts
            .first_hop(Purpose::Authorize(AuthorizeVariant::Valid))
        else {
            return false;
        };
        let asked = Url::parse(&answer.exchange.asked.url).ok();
        answer.location().zip(asked).is_some_and(|(to, asked)| {
            to.host_str() != asked.host_str()
                && to.query_pairs().any(|(name, _)| name == "client_id")
        })
    }

    fn registration(&self, registration: Registration, endpoint: &Url) -> Option<Ask> {
        let purpose = Purpose::Register(registration);
        let body = self.client_metadata(registration)?;
        Some(asks::post_json(purpose, endpoint.to_string(), &body))
    }

    /// RFC 7591 section 2. Everything but what is varied is the accepted client's.
    fn client_metadata(&self, registration: Registration) -> Option<Value> {
        let own = self.facts.own_url("cb");
        let redirects = match registration {
            Registration::Native | Registration::Untyped => json!([LOOPBACK_REDIRECT]),
            Registration::Https => json!([own?]),
            Registration::Second => json!([SECOND_REDIRECT]),
            Registration::NoRedirects => json!([]),
            dangerous => json!([dangerous_redirect(dangerous)?]),
        };
        let typed = match registration {
            Registration::Native => Some("native"),
            Registration::Https => Some("web"),
            Registration::Untyped => None,
            _ if self.created(Registration::Native) => Some("native"),
            _ if self.created(Registration::Untyped) => None,
            _ => Some("web"),
        };
        let mut client = json!({
            "client_name": self.client_name(),
            "redirect_uris": redirects,
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
        });
        if let Some(kind) = typed {
            client["application_type"] = kind.into();
        }
        Some(client)
    }

    fn created(&self, registration: Registration) -> bool {
        self.facts
            .registering(registration)
            .is_some_and(|ended| ended.created())
    }

    /// Says that it is a test, and of which scan.
    fn client_name(&self) -> String {
        crate::canary::client_name(&self.evidence.nonce)
    }
}

/// Registrations whose success fails dcr-redirect-policy.
const FAILING: [Registration; 3] = [
    Registration::PlainHttp,
    Registration::Script,
    Registration::Data,
];
