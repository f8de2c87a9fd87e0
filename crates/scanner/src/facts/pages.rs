//! Pages of an authorization server, and the error codes that stand on them: what tells a
//! sign-in page from a consent page and both from a refusal.

use super::html::Html;

/// Error codes that may stand in an authorization response: RFC 6749 section 4.1.2.1 and the
/// registry of extensions.
const REGISTERED: [&str; 18] = [
    "invalid_request",
    "unauthorized_client",
    "access_denied",
    "unsupported_response_type",
    "invalid_scope",
    "server_error",
    "temporarily_unavailable",
    "interaction_required",
    "login_required",
    "account_selection_required",
    "consent_required",
    "invalid_request_uri",
    "invalid_request_object",
    "request_not_supported",
    "request_uri_not_supported",
    "registration_not_supported",
    "unmet_authentication_requirements",
    "invalid_target",
];

/// Further codes that servers write on pages of their own.
const ON_PAGES: [&str; 5] = [
    "invalid_client",
    "invalid_redirect_uri",
    "redirect_uri_mismatch",
    "invalid_client_metadata",
    "unregistered_redirect_uri",
];

/// Whether an error code may stand in an authorization response.
#[must_use]
pub fn registered_error(code: &str) -> bool {
    REGISTERED.contains(&code)
}

/// A page that does not refuse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Status.
    pub status: u16,
    /// The URL it stands at.
    pub at: String,
    /// What is in it.
    pub html: Html,
    /// Somebody can sign in there.
    pub sign_in: bool,
    /// Somebody is asked to allow something.
    pub consent: bool,
    /// Only its beginning is known.
    pub truncated: bool,
}

impl Page {
    /// Whether title, headings or text name this, whatever the case of letters.
    #[must_use]
    pub fn names(&self, what: &str) -> bool {
        let what = what.to_lowercase();
        !what.is_empty()
            && [&self.html.title, &self.html.text]
                .into_iter()
                .any(|text| text.to_lowercase().contains(&what))
    }

    /// The same page, apart from what varies from request to request: status, title and the
    /// shape of its forms; where it has neither, the order of its tags and its scripts.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        if self.status != other.status || self.html.title != other.html.title {
            return false;
        }
        if shapes(self) != shapes(other) {
            return false;
        }
        if !self.html.title.is_empty() || !self.html.forms.is_empty() {
            return true;
        }
        let tags = self.html.tags.len().min(other.html.tags.len());
        let cut = self.truncated || other.truncated;
        (cut || self.html.tags.len() == other.html.tags.len())
            && self.html.tags[..tags] == other.html.tags[..tags]
            && self.html.scripts == other.html.scripts
    }
}

/// Method, path and sorted input names of each form.
fn shapes(page: &Page) -> Vec<(String, String, Vec<String>)> {
    page.html
        .forms
        .iter()
        .map(|form| {
            let path = form
                .action
                .split(['?', '#'])
                .next()
                .unwrap_or_default()
                .split('/')
                .map(|segment| if is_volatile(segment) { "*" } else { segment })
                .collect::<Vec<_>>()
                .join("/");
            let mut names = form.names.clone();
            names.sort();
            (form.method.clone(), path, names)
        })
        .collect()
}

/// Identifiers in paths: long, and not only letters.
fn is_volatile(segment: &str) -> bool {
    segment.len() >= 16 && segment.bytes().any(|byte| byte.is_ascii_digit())
}

/// An OAuth error code that stands alone in a text.
pub(super) fn code_in(text: &str) -> Option<String> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .find(|word| REGISTERED.contains(word) || ON_PAGES.contains(word))
        .map(str::to_owned)
}

pub(super) fn has_password(html: Option<&Html>) -> bool {
    html.is_some_and(|html| html.inputs.iter().any(|(kind, _)| kind == "password"))
}

const SIGN_IN: [&str; 10] = [
    "sign in",
    "signin",
    "log in",
    "login",
    "log on",
    "sign on",
    "continue with",
    "enter your email",
    "enter your password",
    "single sign-on",
];

pub(super) fn is_sign_in(html: &Html) -> bool {
    let asks_for = |(kind, name): &(String, String)| {
        kind == "password"
            || kind == "email"
            || matches!(
                name.as_str(),
                "username" | "email" | "login" | "user" | "identifier" | "loginfmt" | "samlrequest"
            )
    };
    if html.inputs.iter().any(asks_for) {
        return true;
    }
    let offers = !html.forms.is_empty()
        || !html.links.is_empty()
        || html.tags.iter().any(|tag| tag == "button");
    let title = html.title.to_lowercase();
    let text = html.text.to_lowercase();
    SIGN_IN.iter().any(|word| title.contains(word))
        || (offers && SIGN_IN.iter().any(|word| text.contains(word)))
}

pub(super) fn is_consent(html: &Html) -> bool {
    let text = html.text.to_lowercase();
    let offers = !html.forms.is_empty() || html.tags.iter().any(|tag| tag == "button");
    offers
        && [
            "allow",
            "approve",
            "consent",
            "grant access",
            "wants to access",
            "would like to access",
            "requesting access",
            "requests access",
            "permission",
            "authorize ",
            "authorise ",
        ]
        .iter()
        .any(|word| text.contains(word))
}

/// An error page: its title or headings say so, or it is short, has no form and names a code
/// or says what is wrong.
pub(super) fn is_error(html: &Html) -> bool {
    const WORDS: [&str; 14] = [
        "error",
        "invalid",
        "bad request",
        "not registered",
        "unregistered",
        "unknown client",
        "mismatch",
        "unauthorized",
        "not allowed",
        "not found",
        "denied",
        "went wrong",
        "not valid",
        "oops",
    ];
    let loud = format!("{} {}", html.title, html.headings).to_lowercase();
    if WORDS.iter().any(|word| loud.contains(word)) {
        return true;
    }
    let has_form = !html.forms.is_empty();
    if !has_form && code_in(&html.text).is_some() {
        return true;
    }
    let text = html.text.to_lowercase();
    !has_form && text.len() <= 600 && WORDS.iter().any(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use super::{Page, is_consent, is_error, is_sign_in};
    use crate::facts::html::Html;

    #[test]
    fn pages_are_known_by_their_words() {
        let read = Html::read;
        assert!(is_consent(&read(
            "<h1>Allow Notes?</h1><form><button>Approve</button></form>"
        )));
        assert!(!is_consent(&read("<h1>Notes</h1>")));
        assert!(is_sign_in(&read("<a href=/x>Continue with Example</a>")));
        assert!(is_error(&read("<h1>Something went wrong</h1>")));
        assert!(!is_error(&read("<title>Sign in</title><form></form>")));
    }

    #[test]
    fn the_same_page_may_differ_in_what_varies() {
        let page = |text: &str| Page {
            status: 200,
            at: String::new(),
            html: Html::read(text),
            sign_in: true,
            consent: false,
            truncated: false,
        };
        let one = page(
            "<title>Sign in</title><form action=/s/0123456789abcdef0?x=1><input name=a></form>",
        );
        let two = page(
            "<title>Sign in</title><p>Hello</p><form action=/s/fedcba98765432100><input name=a></form>",
        );
        let other = page("<title>Sign in</title><form action=/oops><input name=a></form>");
        assert!(one.same_as(&two));
        assert!(!one.same_as(&other));
        let shell = page("<div></div><script src=/app.js></script>");
        assert!(shell.same_as(&page("<div></div><script src=/app.js></script>")));
        assert!(!shell.same_as(&page("<div></div><script src=/err.js></script>")));
    }
}
