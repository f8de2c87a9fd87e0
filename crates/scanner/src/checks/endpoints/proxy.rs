//! OAuth proxies: whether a fresh client meets a page of the proxy's own before it is sent on
//! to the provider behind it.

use url::Url;

use super::super::ground;
use crate::canary;
use crate::check::{
    Cause, Fault, Judgement, Na, Place, Unmet, Verdict, fail, inconclusive, na, warn,
};
use crate::evidence::{AuthorizeVariant, ExchangeId, Purpose, Registration};
use crate::facts::authorize::{Landed, Landing, Page};
use crate::facts::consent::ClientOrigin;
use crate::facts::{Facts, quote, relation};
use crate::spec::Revision;

pub(super) fn consent(facts: &Facts<'_>, revision: Revision) -> Judgement {
    ground::server(facts, revision)?;
    let client = match ground::client(facts) {
        Err(Unmet::NotApplicable(_)) => return na(Na::Other("no_dynamic_clients")),
        client => client?,
    };
    if client.origin == ClientOrigin::Supplied {
        return na(Na::Other("no_dynamic_clients"));
    }
    let control = ground::control(facts)?;
    match &control.what {
        Landing::Upstream(to) => passed_on(facts, &control, to),
        Landing::Page(page) => own_page(facts, &control, page),
        _ => na(Na::Other("no_proxy")),
    }
}

/// Whether two hosts belong to different registrable domains.
fn is_third_party(here: &str, to: &Url) -> bool {
    let domain = |host: &str| {
        relation::registrable_domain(host).unwrap_or_else(|| host.to_ascii_lowercase())
    };
    let here = Url::parse(here).ok();
    let here = here.as_ref().and_then(Url::host_str).map(domain);
    to.host_str().map(domain) != here
}

fn client_id(url: &Url) -> Option<String> {
    url.query_pairs()
        .find(|(name, _)| name == "client_id")
        .map(|(_, value)| value.into_owned())
}

/// The fresh client was sent to somebody else at once.
fn passed_on(facts: &Facts<'_>, control: &Landed<'_, '_>, to: &Url) -> Judgement {
    let asked = &control.first.exchange.asked.url;
    let Some(upstream) = client_id(to).filter(|_| is_third_party(asked, to)) else {
        return na(Na::Other("no_proxy"));
    };
    let ours = Url::parse(asked).ok().as_ref().and_then(client_id);
    if ours.as_deref() == Some(upstream.as_str()) {
        return inconclusive(Cause::Other("client_passed_through"));
    }
    let mut unsettled = None;
    for variant in [
        AuthorizeVariant::SecondClient,
        AuthorizeVariant::RedirectExact,
    ] {
        let other = match facts.landed(Purpose::Authorize(variant)) {
            Ok(other) => other,
            Err(unmet) => {
                unsettled.get_or_insert(unmet);
                continue;
            }
        };
        // The same client twice shows nothing.
        let id = Url::parse(&other.first.exchange.asked.url).ok();
        if id.as_ref().and_then(client_id) == ours {
            continue;
        }
        let Landing::Upstream(second) = &other.what else {
            continue;
        };
        if relation::same_origin(to, second) && client_id(second).as_ref() == Some(&upstream) {
            return fail(
                Fault::new(
                    "constant_client",
                    format!(
                        "Two clients that were just registered are sent to {} at once, both as \
                         the client {}.",
                        quote(to.host_str().unwrap_or_default()),
                        quote(&upstream)
                    ),
                    control.place(),
                )
                .and(other.place()),
            );
        }
        return inconclusive(Cause::Other("another_upstream_client"));
    }
    match unsettled {
        Some(Unmet::Inconclusive(cause))
            if cause != Cause::NotCaptured
                && facts.registered_client(Registration::Second).is_some() =>
        {
            inconclusive(cause)
        }
        _ => inconclusive(Cause::Other("no_second_client")),
    }
}

/// The fresh client met a page of the server's own.
fn own_page(facts: &Facts<'_>, control: &Landed<'_, '_>, page: &Page) -> Judgement {
    let names_client = page.names(&canary::client_name(&facts.evidence.nonce));
    let names_redirect = redirect_host(control).is_some_and(|host| page.names(&host));
    if page.consent && names_client && names_redirect {
        return cookies(facts, control);
    }
    if !names_third_party(page) {
        return na(Na::Other("no_proxy"));
    }
    if page.sign_in && !page.consent {
        return inconclusive(Cause::Other("consent_after_sign_in"));
    }
    let (reason, lacks) = match (names_client, names_redirect) {
        (false, _) => ("client_not_named", "the client"),
        (true, false) => ("redirect_not_named", "where the client will be sent"),
        (true, true) => ("no_consent", "what is asked of the user"),
    };
    warn(Fault::new(
        reason,
        format!("The page that comes before the upstream provider does not name {lacks}."),
        Place::body(control.exchange(), ""),
    ))
}

fn redirect_host(landed: &Landed<'_, '_>) -> Option<String> {
    let asked = Url::parse(&landed.first.exchange.asked.url).ok()?;
    let (_, redirect) = asked
        .query_pairs()
        .find(|(name, _)| name == "redirect_uri")?;
    Url::parse(&redirect).ok()?.host_str().map(str::to_owned)
}

/// Links or forms lead to somebody else's sign-in, or the words say so.
fn names_third_party(page: &Page) -> bool {
    let Ok(here) = Url::parse(&page.at) else {
        return false;
    };
    let forms = page.html.forms.iter().map(|form| &form.action);
    let leads = page.html.links.iter().chain(forms).any(|target| {
        here.join(target).is_ok_and(|to| {
            let path = to.path().to_ascii_lowercase();
            to.host_str().is_some()
                && is_third_party(&page.at, &to)
                && ["authorize", "oauth", "login", "signin", "sso"]
                    .iter()
                    .any(|mark| path.contains(mark))
        })
    });
    let text = page.html.text.to_lowercase();
    leads
        || PROVIDERS.iter().any(|provider| {
            [
                "continue with ",
                "sign in with ",
                "log in with ",
                "redirected to ",
            ]
            .iter()
            .any(|words| text.contains(&format!("{words}{provider}")))
        })
}

/// Providers that proxies stand in front of.
const PROVIDERS: [&str; 14] = [
    "google",
    "github",
    "microsoft",
    "gitlab",
    "okta",
    "auth0",
    "slack",
    "atlassian",
    "apple",
    "facebook",
    "linkedin",
    "notion",
    "discord",
    "salesforce",
];

/// What the page keeps in the browser before anybody has approved anything.
fn cookies(facts: &Facts<'_>, control: &Landed<'_, '_>) -> Judgement {
    let mut weak: Option<Fault> = None;
    for (exchange, line) in set_cookies(facts, control) {
        let mut parts = line.split(';').map(str::trim);
        let name = parts
            .next()
            .and_then(|pair| pair.split('=').next())
            .unwrap_or_default();
        let attributes: Vec<String> = parts.map(str::to_ascii_lowercase).collect();
        let place = Place::header(exchange, "set-cookie");
        let lower = name.to_ascii_lowercase();
        if ["state", "consent", "approv", "txn"]
            .iter()
            .any(|word| lower.contains(word))
        {
            return warn(Fault::new(
                "cookie_before_approval",
                format!(
                    "The cookie {} is set before anybody has approved the client.",
                    quote(name)
                ),
                place,
            ));
        }
        let has = |wanted: &str| {
            attributes
                .iter()
                .any(|attribute| attribute.split('=').next() == Some(wanted))
        };
        let open = attributes
            .iter()
            .any(|attribute| attribute == "samesite=none");
        if !name.starts_with("__Host-")
            || !has("secure")
            || !has("httponly")
            || !has("samesite")
            || open
        {
            weak.get_or_insert_with(|| {
                Fault::new(
                    "weak_cookie",
                    format!(
                        "The cookie {} of the consent page has no `__Host-` prefix, or lacks \
                         Secure, HttpOnly or SameSite.",
                        quote(name)
                    ),
                    place,
                )
            });
        }
    }
    weak.map_or(Ok(Verdict::Pass), warn)
}

/// The cookies of all answers on the way to the page.
fn set_cookies<'e>(facts: &Facts<'e>, control: &Landed<'_, 'e>) -> Vec<(ExchangeId, &'e str)> {
    let purpose = control.first.exchange.purpose;
    let mut list = Vec::new();
    for answer in facts.all(purpose) {
        let id = answer.exchange.id;
        if id < control.first.exchange.id {
            continue;
        }
        if let Some(response) = answer.response() {
            list.extend(response.headers_named("set-cookie").map(|line| (id, line)));
        }
    }
    list
}
