//! Y2, Y3 and Y5: authorization requests, the token endpoint, introspection, and the endpoints
//! that 2025-03-26 assumes.
//!
//! The valid request goes first, with and without `resource`: whichever of the two goes on is
//! what the others vary. If neither does, there is nothing to vary.

use url::Url;

use super::super::{Ask, FormValue, HeaderValue, Issued, PROBE_ORIGIN, Plan, Secret, asks};
use super::request::{self, Request};
use crate::evidence::{
    AuthorizeVariant, Credential, DefaultEndpoint, Purpose, Registration, TokenProbe,
};
use crate::facts::authorize::Landing;
use crate::facts::consent::{ClientOrigin, TestClient};
use crate::facts::discovery;
use crate::facts::registration::{dangerous_redirect, retried_at_authorization};

/// The redirect of the client that does not exist.
const UNKNOWN_REDIRECT: &str = "https://redirect-probe.invalid/cb";
/// A redirect that nobody registered.
const UNREGISTERED_REDIRECT: &str = "https://unregistered-probe.invalid/cb";
/// A resource of somebody else.
const FOREIGN_RESOURCE: &str = "https://foreign-probe.invalid/mcp";
/// The port that a native client got this time.
const OTHER_PORT: u16 = 49152;

use AuthorizeVariant as Variant;

impl Plan<'_> {
    /// Requests to the endpoints of the tested authorization server.
    pub(in crate::plan) fn authorizations(&self) -> Vec<Ask> {
        let mut list = self.default_endpoints();
        if self.facts.deeper_server().is_none() {
            return list;
        }
        list.extend(self.unknown_client());
        list.extend(self.preflight());
        if let Some(client) = self.facts.deeper_client() {
            list.extend(self.client_requests(&client));
        }
        list.extend(self.token_probes());
        list.extend(self.introspection());
        list
    }

    fn client_requests(&self, client: &TestClient) -> Vec<Ask> {
        let mut list: Vec<Request> = Vec::new();
        list.extend(self.plain(Variant::Valid, client));
        list.extend(
            self.plain(Variant::NoResource, client)
                .map(|request| request.without(&["resource"])),
        );
        list.extend(
            self.plain(Variant::UnregisteredRedirect, client)
                .map(|request| request.set("redirect_uri", UNREGISTERED_REDIRECT)),
        );
        if let Some(base) = self.facts.authorization_control() {
            list.extend(self.variations_of(client, base));
            list.extend(self.redirect_variations(base));
            list.extend(self.error_requests(client, base));
        }
        list.extend(self.dangerous_redirects());
        list.into_iter().map(Request::ask).collect()
    }

    /// The request of a variant, before it is varied.
    fn plain(&self, variant: Variant, client: &TestClient) -> Option<Request> {
        self.request(Purpose::Authorize(variant), client)
    }

    /// The same, as the control had it.
    fn based(&self, variant: Variant, client: &TestClient, base: Variant) -> Option<Request> {
        let request = self.plain(variant, client)?;
        Some(match base {
            Variant::NoResource => request.without(&["resource"]),
            _ => request,
        })
    }

    fn variations_of(&self, client: &TestClient, base: Variant) -> Vec<Request> {
        let with = |variant| self.based(variant, client, base);
        let verifier =
            |variant| request::verifier(&self.evidence.nonce, Purpose::Authorize(variant));
        let mut list = Vec::new();
        list.extend(
            with(Variant::NoChallenge)
                .map(|request| request.without(&["code_challenge", "code_challenge_method"])),
        );
        list.extend(with(Variant::PlainChallenge).map(|request| {
            request
                .set("code_challenge", verifier(Variant::PlainChallenge))
                .set("code_challenge_method", "plain")
        }));
        list.extend(with(Variant::MethodOmitted).map(|request| {
            request
                .set("code_challenge", verifier(Variant::MethodOmitted))
                .without(&["code_challenge_method"])
        }));
        if base == Variant::Valid {
            list.extend(
                with(Variant::ForeignResource)
                    .map(|request| request.set("resource", FOREIGN_RESOURCE)),
            );
        }
        list.extend(with(Variant::Implicit).map(|request| request.set("response_type", "token")));
        if let Some(native) = self.facts.loopback_client() {
            list.extend(
                self.based(Variant::LoopbackPort, &native, base)
                    .zip(other_port(&native.redirect_uri))
                    .map(|(request, redirect)| request.set("redirect_uri", redirect)),
            );
        }
        if let Some(second) = self.facts.registered_client(Registration::Second) {
            list.extend(self.based(Variant::SecondClient, &second, base));
        }
        list
    }

    /// The redirect of the client that has one on https, and what is like it.
    fn redirect_variations(&self, base: Variant) -> Vec<Request> {
        let Some(client) = self.facts.https_client() else {
            return Vec::new();
        };
        let mut list: Vec<Request> = Vec::new();
        list.extend(self.based(Variant::RedirectExact, &client, base));
        for (variant, redirect) in like(&client.redirect_uri) {
            list.extend(
                self.based(variant, &client, base)
                    .map(|request| request.set("redirect_uri", redirect)),
            );
        }
        list
    }

    /// Requests that must end in an error for the client, until one does.
    fn error_requests(&self, client: &TestClient, base: Variant) -> Vec<Request> {
        let with = |variant| self.based(variant, client, base);
        let made = [
            with(Variant::UnsupportedResponseType)
                .map(|request| request.set("response_type", "unsupported_probe")),
            with(Variant::UnknownScope).map(|request| request.set("scope", "authdex_unknown")),
            with(Variant::PromptNone).map(|request| request.set("prompt", "none")),
        ];
        let variants = [
            Variant::UnsupportedResponseType,
            Variant::UnknownScope,
            Variant::PromptNone,
        ];
        let mut list = Vec::new();
        for (variant, request) in variants.into_iter().zip(made) {
            list.extend(request);
            let landed = self.facts.landed(Purpose::Authorize(variant));
            let asked = self.facts.first_hop(Purpose::Authorize(variant)).is_some();
            if !asked || landed.is_ok_and(|landed| matches!(landed.what, Landing::Error(_))) {
                break;
            }
        }
        list
    }

    /// Dangerous redirects that a registration accepted: whether they are used, too.
    fn dangerous_redirects(&self) -> Vec<Request> {
        [
            Registration::PlainHttp,
            Registration::Script,
            Registration::Data,
            Registration::Wildcard,
        ]
        .into_iter()
        .filter_map(|registration| {
            let client = self.facts.registered_client(registration)?;
            let variant = retried_at_authorization(registration)?;
            let redirect = match registration {
                // A name that the wildcard covers.
                Registration::Wildcard => "https://sub.redirect-probe.invalid/cb",
                _ => dangerous_redirect(registration)?,
            };
            let request = self.plain(variant, &client)?;
            Some(request.set("redirect_uri", redirect))
        })
        .collect()
    }

    fn unknown_client(&self) -> Vec<Ask> {
        let client = TestClient {
            id: self.unknown_id(),
            redirect_uri: UNKNOWN_REDIRECT.to_owned(),
            origin: ClientOrigin::Supplied,
            confidential: false,
        };
        // Where there is no client, what an unknown one gets has to serve.
        let foreign = self.facts.deeper_client();
        let foreign = self.plain(Variant::ForeignOrigin, foreign.as_ref().unwrap_or(&client));
        let mut list = Vec::new();
        list.extend(
            self.plain(Variant::UnknownClient, &client)
                .map(Request::ask),
        );
        list.extend(foreign.map(|request| asks::with(request.ask(), "origin", PROBE_ORIGIN)));
        list
    }

    fn unknown_id(&self) -> String {
        let nonce = self.evidence.nonce.get(..16).unwrap_or_default();
        format!("authdex-unknown-{nonce}")
    }

    fn preflight(&self) -> Option<Ask> {
        let url = self.tested("authorization_endpoint")?;
        let mut ask = asks::document(Purpose::AuthorizePreflight, url);
        ask.method = "OPTIONS";
        let ask = asks::with(ask, "origin", PROBE_ORIGIN);
        Some(asks::with(ask, "access-control-request-method", "GET"))
    }

    pub(in crate::plan) fn tested(&self, member: &str) -> Option<String> {
        let asm = self.facts.deeper_server()?;
        let url = self.facts.tested_endpoint(&asm, member)?;
        self.consented(url.as_str()).then(|| url.to_string())
    }

    // --- the other endpoints --------------------------------------------------------------

    /// Y3.
    fn token_probes(&self) -> Vec<Ask> {
        let Some(url) = self.tested("token_endpoint") else {
            return Vec::new();
        };
        let client = self.facts.deeper_client();
        let (id, redirect) = match &client {
            Some(client) => (client.id.clone(), client.redirect_uri.clone()),
            None => (self.unknown_id(), UNKNOWN_REDIRECT.to_owned()),
        };
        let purpose = Purpose::TokenEndpoint(TokenProbe::BogusCode);
        let redemption: Vec<(&'static str, String)> = vec![
            ("grant_type", "authorization_code".to_owned()),
            ("code", "invalid-probe".to_owned()),
            ("redirect_uri", redirect),
            ("client_id", id.clone()),
            (
                "code_verifier",
                request::verifier(&self.evidence.nonce, purpose),
            ),
        ];
        let password = vec![
            ("grant_type", "password".to_owned()),
            ("username", String::new()),
            ("password", String::new()),
            ("client_id", id),
        ];
        let form = |fields: &[(&'static str, String)]| {
            fields
                .iter()
                .map(|(name, value)| (*name, FormValue::Plain(value.clone())))
                .collect()
        };
        let bare = asks::document(Purpose::TokenEndpoint(TokenProbe::ByGetBare), url.clone());
        let mut by_get = asks::document(Purpose::TokenEndpoint(TokenProbe::ByGet), url.clone());
        if let Ok(mut with) = Url::parse(&url) {
            with.query_pairs_mut().extend_pairs(&redemption);
            by_get.url = with.to_string();
        }
        let mut list = vec![
            asks::post_form(purpose, url.clone(), form(&redemption)),
            by_get,
            bare,
            asks::post_form(
                Purpose::TokenEndpoint(TokenProbe::Password),
                url,
                form(&password),
            ),
        ];
        for ask in &mut list {
            ask.headers.extend(client.as_ref().and_then(credentials));
        }
        list
    }

    /// Y5.
    fn introspection(&self) -> Option<Ask> {
        let url = self.tested("introspection_endpoint")?;
        Some(asks::post_form(
            Purpose::Introspect,
            url,
            vec![("token", FormValue::Plain("authdex-invalid".to_owned()))],
        ))
    }

    /// The endpoints of 2025-03-26, where no metadata says otherwise.
    fn default_endpoints(&self) -> Vec<Ask> {
        if !self.facts.wants_default_endpoints() {
            return Vec::new();
        }
        let origin = discovery::origin_of(self.facts.endpoint());
        if !self.consented(&origin) {
            return Vec::new();
        }
        let probe = |endpoint, method, path: &str| {
            let purpose = Purpose::DefaultEndpoint(endpoint);
            let mut ask = asks::document(purpose, format!("{origin}{path}"));
            ask.method = method;
            ask
        };
        vec![
            probe(DefaultEndpoint::Authorize, "GET", "/authorize"),
            probe(DefaultEndpoint::Token, "OPTIONS", "/token"),
            probe(DefaultEndpoint::Register, "OPTIONS", "/register"),
        ]
    }
}

/// The secret of a confidential client, as the token endpoint wants it.
pub(in crate::plan) fn credentials(client: &TestClient) -> Option<(&'static str, HeaderValue)> {
    let secret = match client.origin {
        _ if !client.confidential => return None,
        ClientOrigin::Registered(_, exchange) => Secret::Issued(exchange, Issued::ClientSecret),
        ClientOrigin::Supplied => Secret::Supplied(Credential::Client),
        ClientOrigin::Document => return None,
    };
    Some((
        "authorization",
        HeaderValue::Basic(client.id.clone(), secret),
    ))
}

/// A loopback redirect on another port.
fn other_port(redirect: &str) -> Option<String> {
    let mut url = Url::parse(redirect).ok()?;
    url.set_port(Some(OTHER_PORT)).ok()?;
    Some(url.to_string())
}

/// Redirects that are like this one without being it. Texts, so that dot segments stay.
fn like(exact: &str) -> Vec<(Variant, String)> {
    let (before, last) = exact.rsplit_once('/').unwrap_or((exact, ""));
    let subdomain = exact
        .split_once("://")
        .map_or_else(String::new, |(scheme, rest)| {
            format!("{scheme}://sub.{rest}")
        });
    vec![
        (Variant::RedirectSlash, format!("{exact}/")),
        (Variant::RedirectQuery, format!("{exact}?x=1")),
        (Variant::RedirectDotSegment, format!("{exact}/../{last}2")),
        (
            Variant::RedirectCase,
            format!("{before}/{}", last.to_ascii_uppercase()),
        ),
        (Variant::RedirectLonger, format!("{exact}x")),
        (Variant::RedirectSubdomain, subdomain),
    ]
}

#[cfg(test)]
mod tests {
    use super::{like, other_port};

    #[test]
    fn redirects_that_are_like_one() {
        let list: Vec<String> = like("https://own.example.net/n/cb")
            .into_iter()
            .map(|(_, redirect)| redirect)
            .collect();
        assert_eq!(
            list,
            [
                "https://own.example.net/n/cb/",
                "https://own.example.net/n/cb?x=1",
                "https://own.example.net/n/cb/../cb2",
                "https://own.example.net/n/CB",
                "https://own.example.net/n/cbx",
                "https://sub.own.example.net/n/cb",
            ]
        );
        assert_eq!(
            other_port("http://127.0.0.1:33418/callback").as_deref(),
            Some("http://127.0.0.1:49152/callback")
        );
    }
}
