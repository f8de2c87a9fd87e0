//! What an authorization request came to: the client's redirect, an error of the server's own,
//! a page, or somebody else's server (exchanges Y2 and Y4).
//!
//! Redirects within the authorization server's origin are followed by the plan and read here as
//! one; the redirect to the client never is. Checks compare what variants of a request came to
//! with what the valid one came to: see [`Landed::same_as`].

use url::Url;

use super::html::Html;
use super::outcome::{Answer, Outcome, is_html, location};
pub use super::pages::{Page, registered_error};
use super::pages::{code_in, has_password, is_consent, is_error, is_sign_in};
use super::{Facts, relation, settle};
use crate::check::{Cause, Place, Unmet, inconclusive};
use crate::evidence::{AuthorizeVariant, Exchange, ExchangeId, Purpose};
use crate::redact;

/// The request that others are compared with.
const VALID: Purpose = Purpose::Authorize(AuthorizeVariant::Valid);

/// What an authorization request came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Landing {
    /// A redirect to the client with a code.
    Code(ToClient),
    /// A redirect to the client with a token.
    Token(ToClient),
    /// A redirect to the client with an error.
    Error(ToClient),
    /// A redirect to the client with nothing of the kind.
    Bare(ToClient),
    /// The server says no itself: 4xx, a JSON error, or a page that speaks of an error.
    LocalError(LocalError),
    /// A page that goes on: sign-in, consent, or one that cannot be told.
    Page(Box<Page>),
    /// A redirect to another origin that is not the client's.
    Upstream(Url),
}

/// A redirect to the request's redirect address, or elsewhere on its origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToClient {
    /// Status of the redirect.
    pub status: u16,
    /// Where it leads; values that are secret are blanked.
    pub to: Url,
    /// The path is the requested one, too.
    pub exact: bool,
    /// Parameters of query and fragment in order, decoded.
    pub params: Vec<(String, String)>,
    /// At least one of them stood in the fragment.
    pub fragment: bool,
}

impl ToClient {
    /// The values of a parameter in order.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.params
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The first value of a parameter.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.params
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// A name that stands more than once.
    #[must_use]
    pub fn repeated(&self) -> Option<&str> {
        self.params
            .iter()
            .map(|(name, _)| name.as_str())
            .find(|name| self.values(name).count() > 1)
    }

    /// A code or a token is in it.
    #[must_use]
    pub fn carries_credentials(&self) -> bool {
        ["code", "access_token", "id_token", "token"]
            .iter()
            .any(|name| self.value(name).is_some_and(|value| !value.is_empty()))
    }
}

/// A refusal that is not sent to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalError {
    /// Status.
    pub status: u16,
    /// The OAuth error code in it, if one is recognised.
    pub code: Option<String>,
    /// What it says: `error_description`, or the visible text; lower case, at most 1000 bytes.
    pub says: String,
}

/// One authorization request, to its end.
#[derive(Debug, Clone)]
pub struct Landed<'f, 'e> {
    /// What it came to.
    pub what: Landing,
    /// The first answer.
    pub first: &'f Answer<'e>,
    /// The answer at the end of the redirects that were followed.
    pub last: &'f Answer<'e>,
}

impl Landed<'_, '_> {
    /// The exchange that shows it.
    #[must_use]
    pub fn exchange(&self) -> ExchangeId {
        if self.last.exchange.purpose == self.first.exchange.purpose {
            self.last.exchange.id
        } else {
            self.first.exchange.id
        }
    }

    /// The place that shows it: the redirect, or the status.
    #[must_use]
    pub fn place(&self) -> Place {
        match self.what {
            Landing::LocalError(_) | Landing::Page(_) => Place::status(self.exchange()),
            _ => Place::header(self.exchange(), "location"),
        }
    }

    /// The redirect to the client, whatever it carries.
    #[must_use]
    pub fn to_client(&self) -> Option<&ToClient> {
        match &self.what {
            Landing::Code(to) | Landing::Token(to) | Landing::Error(to) | Landing::Bare(to) => {
                Some(to)
            }
            Landing::LocalError(_) | Landing::Page(_) | Landing::Upstream(_) => None,
        }
    }

    /// The page, if it is one.
    #[must_use]
    pub fn page(&self) -> Option<&Page> {
        match &self.what {
            Landing::Page(page) => Some(page),
            _ => None,
        }
    }

    /// Refused: an error for the client or of the server's own.
    #[must_use]
    pub fn refused(&self) -> bool {
        matches!(self.what, Landing::Error(_) | Landing::LocalError(_))
    }

    /// The OAuth error code of a refusal, if there is one.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        match &self.what {
            Landing::Error(to) => to.value("error"),
            Landing::LocalError(local) => local.code.as_deref(),
            _ => None,
        }
    }

    /// It goes on: to a page that does not refuse, or upstream.
    #[must_use]
    pub fn goes_on(&self) -> bool {
        matches!(self.what, Landing::Page(_) | Landing::Upstream(_))
    }

    /// A code or a token was handed out.
    #[must_use]
    pub fn issued(&self) -> bool {
        matches!(self.what, Landing::Code(_) | Landing::Token(_))
    }

    /// Both go on in the same way: to the same page, or to the same address upstream.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        match (&self.what, &other.what) {
            (Landing::Page(a), Landing::Page(b)) => a.same_as(b),
            (Landing::Upstream(a), Landing::Upstream(b)) => {
                relation::same_origin(a, b) && a.path() == b.path()
            }
            _ => false,
        }
    }

    /// What it came to in a few words, for sentences.
    #[must_use]
    pub fn brief(&self) -> String {
        match &self.what {
            Landing::Code(_) => "a code".into(),
            Landing::Token(_) => "a token".into(),
            Landing::Error(to) => format!(
                "the error {}",
                super::quote(to.value("error").unwrap_or_default())
            ),
            Landing::Bare(_) => "a redirect to the client without an error".into(),
            Landing::LocalError(local) => match &local.code {
                Some(code) => format!("status {} with {}", local.status, super::quote(code)),
                None => format!("an error page with status {}", local.status),
            },
            Landing::Page(page) if page.sign_in => "a sign-in page".into(),
            Landing::Page(page) if page.consent => "a consent page".into(),
            Landing::Page(page) => format!("a page with status {}", page.status),
            Landing::Upstream(to) => {
                format!(
                    "a redirect to {}",
                    super::quote(to.host_str().unwrap_or(""))
                )
            }
        }
    }
}

impl<'e> Facts<'e> {
    /// What the authorization request of this purpose came to.
    ///
    /// # Errors
    ///
    /// [`Unmet::Inconclusive`] with the standard condition, or because the redirects lead
    /// nowhere.
    pub fn landed(&self, purpose: Purpose) -> Result<Landed<'_, 'e>, Unmet> {
        let Some(first) = self.first_hop(purpose) else {
            return inconclusive(self.never_asked());
        };
        let (mut last, _) = self.follow(first);
        let known = location(first.exchange).is_some_and(|to| self.known_way(first.exchange, &to));
        if last.exchange.id == first.exchange.id
            && known
            && let Some(valid) = self.first_hop(VALID)
        {
            last = self.follow(valid).0;
        }
        let what = landing(first, last)?;
        Ok(Landed { what, first, last })
    }

    /// Whether a redirect that answers an authorization request leads where the valid request
    /// was led: to the same path of the same origin, with parameters of the same names. The
    /// page there is not asked for again.
    #[must_use]
    pub fn known_way(&self, exchange: &Exchange, to: &Url) -> bool {
        // What a client document leads to has to be seen itself: whom the page names counts.
        let varied = matches!(exchange.purpose, Purpose::Authorize(_));
        if !varied || exchange.purpose == VALID || exchange.follows.is_some() {
            return false;
        }
        let Some(valid) = self.first_hop(VALID).and_then(Answer::location) else {
            return false;
        };
        let names = |url: &Url| -> Vec<String> {
            let mut names: Vec<String> = url
                .query_pairs()
                .map(|(name, _)| name.into_owned())
                .collect();
            names.sort();
            names
        };
        relation::same_origin(&valid, to)
            && valid.path() == to.path()
            && names(&valid) == names(to)
            && !self.leads_to_client(exchange, to)
    }

    /// The valid request that the other variants are compared with: with `resource`, or without
    /// it where only that goes on. `None` where neither does.
    #[must_use]
    pub fn authorization_control(&self) -> Option<AuthorizeVariant> {
        [AuthorizeVariant::Valid, AuthorizeVariant::NoResource]
            .into_iter()
            .find(|variant| {
                self.landed(Purpose::Authorize(*variant))
                    .is_ok_and(|landed| landed.goes_on() || landed.issued())
            })
    }

    /// Whether a redirect that answers an authorization request, or a later hop of it, leads to
    /// the client: such a redirect is never followed.
    #[must_use]
    pub fn leads_to_client(&self, exchange: &Exchange, to: &Url) -> bool {
        let mut first = exchange;
        while let Some(before) = first.follows.and_then(|id| self.exchange(id))
            && before.exchange.id < first.id
        {
            first = before.exchange;
        }
        client_redirect(&first.asked.url).is_some_and(|client| is_for_client(to, &client))
            || carries_response(to)
    }
}

/// Whether a URL carries a code or a token of an authorization response.
fn carries_response(url: &Url) -> bool {
    params(url).0.iter().any(|(name, value)| {
        matches!(name.as_str(), "code" | "access_token" | "id_token") && !value.is_empty()
    })
}

/// `redirect_uri` of an authorization request.
fn client_redirect(request: &str) -> Option<Url> {
    let url = Url::parse(request).ok()?;
    let (_, value) = url.query_pairs().find(|(name, _)| name == "redirect_uri")?;
    Url::parse(&value).ok()
}

/// At the client's redirect address, whatever is appended; for a scheme of the client's own, in
/// that scheme.
fn is_for_client(to: &Url, client: &Url) -> bool {
    if client.origin().is_tuple() {
        relation::same_origin(to, client) && to.path() == client.path()
    } else {
        to.scheme() == client.scheme()
    }
}

fn landing(first: &Answer<'_>, last: &Answer<'_>) -> Result<Landing, Unmet> {
    let client = client_redirect(&first.exchange.asked.url);
    if let Some(to) = location(last.exchange) {
        return of_redirect(last, &to, client.as_ref());
    }
    let Some(response) = last.response() else {
        settle(last)?;
        return inconclusive(Cause::Network);
    };
    let html = is_html(response).then(|| Html::read(&response.body.text));
    let sign_in = html.as_ref().is_some_and(is_sign_in);
    // Sign-in pages protect themselves with the scripts that an intermediary would use.
    if !(last.outcome == Outcome::Block && response.status == 200 && sign_in) {
        settle(last)?;
    }
    if (300..400).contains(&response.status) {
        return inconclusive(Cause::Other("redirect_without_target"));
    }
    if let Some(error) = json_error(last) {
        return Ok(Landing::LocalError(error));
    }
    let refuses = response.status >= 400 && !(sign_in && has_password(html.as_ref()));
    match html {
        Some(html) if !refuses && (sign_in || !is_error(&html)) => {
            Ok(Landing::Page(Box::new(Page {
                status: response.status,
                at: last.exchange.asked.url.clone(),
                consent: is_consent(&html),
                truncated: response.body.truncated,
                sign_in,
                html,
            })))
        }
        Some(html) => Ok(Landing::LocalError(LocalError {
            status: response.status,
            code: code_in(&html.text).or_else(|| code_in(&html.title)),
            says: lower(&format!("{} {}", html.title, html.text)),
        })),
        None => Ok(Landing::LocalError(LocalError {
            status: response.status,
            code: code_in(&response.body.text),
            says: lower(&response.body.text),
        })),
    }
}

fn of_redirect(last: &Answer<'_>, to: &Url, client: Option<&Url>) -> Result<Landing, Unmet> {
    let status = last.status().unwrap_or_default();
    let here = Url::parse(&last.exchange.asked.url).ok();
    let own = here
        .as_ref()
        .is_some_and(|here| relation::same_origin(here, to));
    let exact = client.is_some_and(|client| is_for_client(to, client));
    let for_client = exact
        || client.is_some_and(|client| {
            !own && client.host_str().is_some() && to.host_str() == client.host_str()
        });
    if for_client {
        let (params, fragment) = params(to);
        let to = ToClient {
            status,
            to: to.clone(),
            exact,
            params,
            fragment,
        };
        let has = |name: &str| to.value(name).is_some_and(|value| !value.is_empty());
        // A code beside an error is an error that carries too much.
        return Ok(if to.value("error").is_some() {
            Landing::Error(to)
        } else if has("access_token") || has("id_token") {
            Landing::Token(to)
        } else if has("code") {
            Landing::Code(to)
        } else {
            Landing::Bare(to)
        });
    }
    if own {
        return inconclusive(Cause::Other("redirects_not_followed"));
    }
    Ok(Landing::Upstream(to.clone()))
}

/// The parameters of query and fragment, and whether the fragment has any.
fn params(url: &Url) -> (Vec<(String, String)>, bool) {
    let owned = |(name, value): (std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>)| {
        (name.into_owned(), value.into_owned())
    };
    let mut list: Vec<(String, String)> = url.query_pairs().map(owned).collect();
    let before = list.len();
    if let Some(fragment) = url.fragment().filter(|fragment| fragment.contains('=')) {
        list.extend(url::form_urlencoded::parse(fragment.as_bytes()).map(owned));
    }
    let fragment = list.len() > before;
    (list, fragment)
}

/// `{"error": "…"}`, whatever the status.
fn json_error(answer: &Answer<'_>) -> Option<LocalError> {
    let object = answer.json_object()?;
    let code = object.get("error")?.as_str()?.to_owned();
    let says = object
        .get("error_description")
        .or_else(|| object.get("message"))
        .and_then(|value| value.as_str())
        .unwrap_or_default();
    Some(LocalError {
        status: answer.status()?,
        says: lower(says),
        code: Some(code),
    })
}

fn lower(text: &str) -> String {
    let mut end = text.len().min(1000);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_lowercase()
}

/// Whether a value is blanked: present, and secret.
#[must_use]
pub fn is_blanked(value: &str) -> bool {
    redact::marker(value).is_some()
}

#[cfg(test)]
mod tests {
    use super::{Landing, landing};
    use crate::checks::testkit::response;
    use crate::evidence::{AuthorizeVariant, Exchange, Purpose, Request};
    use crate::facts::outcome::Answer;

    const REQUEST: &str = "https://id.example.com/authorize?response_type=code&client_id=c\
                           &redirect_uri=http%3A%2F%2F127.0.0.1%3A33418%2Fcallback&state=s";

    fn landed(status: u16, headers: &[(&str, &str)], body: &str) -> Result<Landing, String> {
        landed_from(REQUEST, status, headers, body)
    }

    fn landed_from(
        request: &str,
        status: u16,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Landing, String> {
        let exchange = Exchange {
            id: 0,
            purpose: Purpose::Authorize(AuthorizeVariant::Valid),
            attempt: 0,
            follows: None,
            shared: None,
            asked: Request {
                method: "GET".into(),
                url: request.into(),
                headers: Vec::new(),
                body: None,
            },
            after_ms: 0,
            took_ms: 0,
            got: response(status, headers, body),
        };
        let answer = Answer::of(&exchange);
        landing(&answer, &answer).map_err(|unmet| format!("{unmet:?}"))
    }

    #[test]
    fn redirects_are_told_apart() {
        let to = |location: &str| landed(302, &[("location", location)], "").unwrap();
        let at = "http://127.0.0.1:33418/callback";
        assert!(matches!(
            to(&format!("{at}?code=[redacted:credential:len=9]&state=s")),
            Landing::Code(found) if found.exact && found.carries_credentials()
        ));
        assert!(matches!(
            to(&format!("{at}#access_token=[redacted:credential:len=9]")),
            Landing::Token(found) if found.fragment
        ));
        assert!(matches!(
            to(&format!("{at}?error=invalid_request&state=s&state=t")),
            Landing::Error(found) if found.repeated() == Some("state")
        ));
        assert!(matches!(to(at), Landing::Bare(_)));
        assert!(matches!(
            to("http://127.0.0.1:33418/elsewhere?error=x"),
            Landing::Error(found) if !found.exact
        ));
        assert!(matches!(
            to("https://github.example/authorize"),
            Landing::Upstream(_)
        ));
        assert!(landed(302, &[("location", "/login")], "").is_err());
        assert!(landed(302, &[], "").is_err());
    }

    #[test]
    fn a_redirect_within_the_origin_of_both_is_told_by_its_path() {
        let request =
            "https://id.example.com/authorize?redirect_uri=https%3A%2F%2Fid.example.com%2Fcb";
        let to = |location: &str| landed_from(request, 303, &[("location", location)], "");
        assert!(matches!(
            to("/cb?error=access_denied"),
            Ok(Landing::Error(_))
        ));
        assert!(to("/login").is_err());
    }

    #[test]
    fn refusals_and_pages_are_told_apart() {
        let html = [("content-type", "text/html")];
        let json = [("content-type", "application/json")];
        assert!(matches!(
            landed(400, &json, r#"{"error":"invalid_client"}"#),
            Ok(Landing::LocalError(error)) if error.code.as_deref() == Some("invalid_client")
        ));
        assert!(matches!(
            landed(200, &html, "<title>Error</title><p>invalid_redirect_uri</p>"),
            Ok(Landing::LocalError(error)) if error.code.as_deref() == Some("invalid_redirect_uri")
        ));
        assert!(matches!(
            landed(200, &html, "<title>Sign in</title><form><input type=password name=p></form>"),
            Ok(Landing::Page(page)) if page.sign_in
        ));
        assert!(matches!(
            landed(
                200,
                &html,
                "<form><input type=password name=p></form><script src=https://www.google.com/recaptcha/api.js></script>"
            ),
            Ok(Landing::Page(page)) if page.sign_in
        ));
        assert!(landed(503, &html, "down").is_err());
        assert!(landed(429, &html, "slow down").is_err());
    }
}
