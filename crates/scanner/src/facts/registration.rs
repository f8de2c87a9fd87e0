//! How registration requests ended (RFC 7591 section 3.2), which clients they left behind, and
//! where these can be removed again.

use serde_json::{Map, Value};
use url::Url;

use super::authorize::Landing;
use super::documents::Asm;
use super::outcome::{Answer, is_html};
use super::{Facts, json, settle};
use crate::check::Unmet;
use crate::evidence::{AuthorizeVariant, ExchangeId, Purpose, Registration};
use crate::redact;
use crate::spec::Revision;

/// Redirect of the second client.
pub const SECOND_REDIRECT: &str = "http://127.0.0.1:33419/callback";

/// The redirect of a registration that must be refused; `None` for the others.
#[must_use]
pub fn dangerous_redirect(registration: Registration) -> Option<&'static str> {
    Some(match registration {
        Registration::PlainHttp => "http://redirect-probe.invalid/cb",
        Registration::Script => "javascript:alert(1)",
        Registration::Data => "data:text/html,x",
        Registration::Fragment => "https://redirect-probe.invalid/cb#frag",
        Registration::Wildcard => "https://*.redirect-probe.invalid/cb",
        Registration::Native
        | Registration::Untyped
        | Registration::Https
        | Registration::Second
        | Registration::NoRedirects => return None,
    })
}

/// How one registration request ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Registering {
    /// 2xx with a `client_id`: its members, blanked where they are secret.
    Created(Map<String, Value>),
    /// 401 or 403: registration needs an initial access token.
    Closed,
    /// A refusal, with the error code of its JSON body if there is one.
    Refused(Option<String>),
    /// Nobody is there: 404, 405 or 410, 5xx after all attempts, or a page for people.
    Dead,
    /// 2xx without a client, or a redirect.
    Odd,
    /// It cannot be told.
    Untold(Unmet),
}

impl Registering {
    /// Reads an answer of the registration endpoint.
    #[must_use]
    pub fn of(answer: &Answer<'_>) -> Self {
        let Some(response) = answer.response() else {
            return match settle(answer) {
                Err(unmet) => Self::Untold(unmet),
                Ok(_) => Self::Odd,
            };
        };
        let json = json::parse(&response.body.text).ok();
        let object = json.and_then(|json| match json.value {
            Value::Object(object) => Some(object),
            _ => None,
        });
        let error = object
            .as_ref()
            .and_then(|object| object.get("error")?.as_str().map(str::to_owned));
        if let Err(unmet) = settle(answer)
            && response.status < 500
        {
            return Self::Untold(unmet);
        }
        match response.status {
            200..=299 => match object {
                Some(object) if object.get("client_id").is_some_and(Value::is_string) => {
                    Self::Created(object)
                }
                _ if is_html(response) => Self::Dead,
                _ => Self::Odd,
            },
            401 | 403 => Self::Closed,
            404 | 405 | 410 | 500.. => Self::Dead,
            400..=499 if is_html(response) => Self::Dead,
            400..=499 => Self::Refused(error),
            _ => Self::Odd,
        }
    }

    /// Whether a client came of it.
    #[must_use]
    pub fn created(&self) -> bool {
        matches!(self, Self::Created(_))
    }
}

/// A client that a registration left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// Which request created it.
    pub registration: Registration,
    /// The exchange that did.
    pub exchange: ExchangeId,
    /// `client_id`, perhaps blanked.
    pub client_id: String,
    /// Where it can be deleted (RFC 7592 section 2.3), if the answer named a place on the
    /// origin of the registration endpoint and a token for it.
    pub configuration: Option<Url>,
    /// A deletion was answered with success.
    pub deleted: bool,
}

impl<'e> Facts<'e> {
    /// The authorization server that the plan tests, whatever the revision: the one of the
    /// newest revision, else the one that only 2025-03-26 finds.
    #[must_use]
    pub fn deeper_server(&self) -> Option<Asm<'_, 'e>> {
        [Revision::HEADLINE, Revision::V2025_03_26]
            .into_iter()
            .find_map(|revision| self.tested_server(revision).ok())
    }

    /// How a registration request ended; `None` if it was not made.
    #[must_use]
    pub fn registering(&self, registration: Registration) -> Option<Registering> {
        self.answer(Purpose::Register(registration))
            .map(Registering::of)
    }

    /// Whether the authorization endpoint refused the redirect that a registration accepted
    /// although it must not.
    #[must_use]
    pub fn refused_at_authorization(&self, registration: Registration) -> bool {
        retried_at_authorization(registration).is_some_and(|variant| {
            // An error that is sent to the redirect uses it.
            self.landed(Purpose::Authorize(variant))
                .is_ok_and(|landed| matches!(landed.what, Landing::LocalError(_)))
        })
    }

    /// Every client that registrations of this scan created, in order.
    #[must_use]
    pub fn left_clients(&self) -> Vec<Left> {
        self.answers()
            .iter()
            .filter_map(|answer| self.left(answer))
            .collect()
    }

    fn left(&self, answer: &Answer<'e>) -> Option<Left> {
        let Purpose::Register(registration) = answer.exchange.purpose else {
            return None;
        };
        let Registering::Created(client) = Registering::of(answer) else {
            return None;
        };
        let deleted = self
            .answer(Purpose::Unregister(registration))
            .and_then(Answer::status)
            .is_some_and(|status| (200..300).contains(&status) || status == 404);
        Some(Left {
            registration,
            exchange: answer.exchange.id,
            client_id: client.get("client_id")?.as_str()?.to_owned(),
            configuration: configuration(&answer.exchange.asked.url, &client),
            deleted,
        })
    }
}

/// The authorization request that tries the redirect of a dangerous registration.
#[must_use]
pub fn retried_at_authorization(registration: Registration) -> Option<AuthorizeVariant> {
    match registration {
        Registration::PlainHttp => Some(AuthorizeVariant::HttpRedirect),
        Registration::Script => Some(AuthorizeVariant::ScriptRedirect),
        Registration::Data => Some(AuthorizeVariant::DataRedirect),
        Registration::Wildcard => Some(AuthorizeVariant::WildcardRedirect),
        _ => None,
    }
}

/// `registration_client_uri`, if it is on the origin of the registration endpoint and whole.
fn configuration(endpoint: &str, client: &Map<String, Value>) -> Option<Url> {
    client.get("registration_access_token")?.as_str()?;
    let text = client.get("registration_client_uri")?.as_str()?;
    if redact::marker(text).is_some() {
        return None;
    }
    let (endpoint, to) = (Url::parse(endpoint).ok()?, Url::parse(text).ok()?);
    (super::relation::same_origin(&endpoint, &to) && to.username().is_empty()).then_some(to)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::configuration;

    #[test]
    fn clients_are_deleted_at_the_origin_that_made_them_only() {
        let place = |uri: &str| {
            let client =
                json!({ "registration_access_token": "t", "registration_client_uri": uri });
            configuration(
                "https://id.example.com/register",
                client.as_object().expect("an object"),
            )
            .map(|url| url.to_string())
        };
        assert_eq!(
            place("https://id.example.com/register/1").as_deref(),
            Some("https://id.example.com/register/1")
        );
        assert_eq!(place("https://mcp.example.com/register/1"), None);
        assert_eq!(place("http://id.example.com/register/1"), None);
        assert_eq!(place("https://u@id.example.com/register/1"), None);
        assert_eq!(place("/register/1"), None);
        let without = json!({ "registration_client_uri": "https://id.example.com/register/1" });
        let without = without.as_object().expect("an object");
        assert_eq!(
            configuration("https://id.example.com/register", without),
            None
        );
    }
}
