//! To whom the authorization endpoint redirects: unknown clients, unregistered addresses,
//! addresses that are like a registered one, and other ports of loopback.

use url::Url;

use super::super::ground;
use crate::check::{
    Cause, Fault, Judgement, Na, Unmet, Verdict, fail, inconclusive, na, warn, worst,
};
use crate::evidence::{AuthorizeVariant, Purpose, Registration};
use crate::facts::authorize::{Landed, Landing, LocalError};
use crate::facts::registration::Registering;
use crate::facts::{Facts, quote, relation};
use crate::spec::Revision;

pub(super) fn unknown_client(facts: &Facts<'_>, revision: Revision) -> Judgement {
    ground::server(facts, revision)?;
    let landed = ground::landed(facts, AuthorizeVariant::UnknownClient)?;
    match &landed.what {
        Landing::LocalError(_) => Ok(Verdict::Pass),
        Landing::Code(_) | Landing::Token(_) | Landing::Error(_) | Landing::Bare(_) => {
            fail(Fault::new(
                "redirected",
                format!(
                    "A client that nobody registered is redirected to its address, with {}.",
                    landed.brief()
                ),
                landed.place(),
            ))
        }
        Landing::Page(page) => {
            let alike = ground::control(facts).is_ok_and(|control| landed.same_as(&control));
            if page.sign_in || page.consent || alike {
                signed_in_first(&landed)
            } else {
                inconclusive(Cause::Other("unclear_page"))
            }
        }
        Landing::Upstream(_) => signed_in_first(&landed),
    }
}

fn signed_in_first(landed: &Landed<'_, '_>) -> Judgement {
    warn(Fault::new(
        "sign_in_first",
        format!(
            "The request of a client that nobody registered leads to {}; the client is looked at \
             later, if at all.",
            landed.brief()
        ),
        landed.place(),
    ))
}

pub(super) fn unregistered(facts: &Facts<'_>, revision: Revision) -> Judgement {
    ground::server(facts, revision)?;
    let client = ground::client(facts)?;
    let landed = ground::landed(facts, AuthorizeVariant::UnregisteredRedirect)?;
    match &landed.what {
        Landing::LocalError(_) => Ok(Verdict::Pass),
        Landing::Code(_) | Landing::Token(_) | Landing::Error(_) | Landing::Bare(_) => {
            fail(Fault::new(
                "redirected",
                format!(
                    "An address that the client did not register is redirected to, with {}.",
                    landed.brief()
                ),
                landed.place(),
            ))
        }
        Landing::Upstream(to) if leads_to(to, &client.redirect_uri) => {
            inconclusive(Cause::Other("redirected_elsewhere"))
        }
        Landing::Page(_) | Landing::Upstream(_) => inconclusive(Cause::Other("sign_in_first")),
    }
}

/// Whether a redirect leads to this address, whatever is appended to it.
fn leads_to(to: &Url, address: &str) -> bool {
    Url::parse(address)
        .is_ok_and(|address| relation::same_origin(to, &address) && to.path() == address.path())
}

// --- authz-redirect-exact-match -------------------------------------------------------------

const LIKE: [AuthorizeVariant; 6] = [
    AuthorizeVariant::RedirectSlash,
    AuthorizeVariant::RedirectQuery,
    AuthorizeVariant::RedirectDotSegment,
    AuthorizeVariant::RedirectCase,
    AuthorizeVariant::RedirectLonger,
    AuthorizeVariant::RedirectSubdomain,
];

pub(super) fn exact_match(facts: &Facts<'_>, revision: Revision) -> Judgement {
    ground::server(facts, revision)?;
    if facts.https_client().is_none() {
        ground::client(facts)?;
        ground::untold_registration(facts, Registration::Https)?;
        return na(Na::Other("no_https_redirect"));
    }
    ground::control(facts)?;
    let exact = ground::landed(facts, AuthorizeVariant::RedirectExact)?;
    if !(exact.goes_on() || exact.issued()) {
        return inconclusive(Cause::Other("valid_request_refused"));
    }
    let first = ground::signs_in_first(facts);
    let (mut fails, mut warns, mut unclear) = (Vec::new(), Vec::new(), None);
    for variant in LIKE {
        let landed = match ground::landed(facts, variant) {
            Ok(landed) => landed,
            Err(unmet) => {
                unclear.get_or_insert(unmet);
                continue;
            }
        };
        match taken(&landed, &exact, first) {
            Ok(false) => (),
            Ok(true) if variant == AuthorizeVariant::RedirectQuery => {
                warns.push(accepted("query_accepted", &landed));
            }
            Ok(true) => fails.push(accepted("variant_accepted", &landed)),
            Err(unmet) => {
                unclear.get_or_insert(unmet);
            }
        }
    }
    match unclear {
        Some(unmet) if fails.is_empty() => Err(unmet),
        _ => worst(fails, warns),
    }
}

/// Whether a redirect that is like the registered one is used.
fn taken(landed: &Landed<'_, '_>, exact: &Landed<'_, '_>, first: bool) -> Result<bool, Unmet> {
    match &landed.what {
        Landing::LocalError(_) => Ok(false),
        Landing::Code(to) | Landing::Token(to) | Landing::Error(to) | Landing::Bare(to) => {
            let asked = requested(landed).unwrap_or_default();
            let query = asked.split_once('?').map(|(_, query)| query);
            let kept = query.is_none_or(|_| to.value("x") == Some("1"));
            Ok(to.exact && kept)
        }
        // The registered address instead of the requested one.
        Landing::Upstream(to)
            if requested(exact).is_some_and(|registered| leads_to(to, &registered)) =>
        {
            Ok(false)
        }
        Landing::Page(_) | Landing::Upstream(_) if first => {
            inconclusive(Cause::Other("sign_in_first"))
        }
        Landing::Page(_) | Landing::Upstream(_) if landed.same_as(exact) => Ok(true),
        Landing::Page(_) | Landing::Upstream(_) => inconclusive(Cause::Other("other_page")),
    }
}

/// `redirect_uri` of the request.
fn requested(landed: &Landed<'_, '_>) -> Option<String> {
    let url = Url::parse(&landed.first.exchange.asked.url).ok()?;
    url.query_pairs()
        .find(|(name, _)| name == "redirect_uri")
        .map(|(_, value)| value.into_owned())
}

fn accepted(reason: &'static str, landed: &Landed<'_, '_>) -> Fault {
    Fault::new(
        reason,
        format!(
            "The address {} is accepted, although another one is registered.",
            quote(&requested(landed).unwrap_or_default())
        ),
        landed.place(),
    )
}

// --- authz-loopback-any-port ----------------------------------------------------------------

pub(super) fn any_port(facts: &Facts<'_>, revision: Revision) -> Judgement {
    ground::server(facts, revision)?;
    ground::client(facts)?;
    if facts.loopback_client().is_none() {
        return na(Na::Other("loopback_not_allowed"));
    }
    if matches!(
        facts.registering(Registration::Native),
        Some(Registering::Untold(_))
    ) {
        ground::untold_registration(facts, Registration::Native)?;
    }
    let control = ground::control(facts)?;
    let landed = facts.landed(Purpose::Authorize(AuthorizeVariant::LoopbackPort))?;
    match &landed.what {
        Landing::Code(_) | Landing::Token(_) => Ok(Verdict::Pass),
        Landing::Page(_) | Landing::Upstream(_) if ground::signs_in_first(facts) => {
            inconclusive(Cause::Other("sign_in_first"))
        }
        Landing::Page(page) if page.sign_in || page.consent || landed.same_as(&control) => {
            Ok(Verdict::Pass)
        }
        Landing::Upstream(_) if landed.same_as(&control) => Ok(Verdict::Pass),
        Landing::Page(_) | Landing::Upstream(_) => inconclusive(Cause::Other("other_page")),
        Landing::LocalError(error) if blames_redirect(error) => {
            fail(port_compared(&landed, &control))
        }
        Landing::LocalError(_) => inconclusive(Cause::Other("no_reason")),
        // Told to the very redirect that it refuses.
        Landing::Error(to)
            if to
                .values("error_description")
                .any(|says| says.to_ascii_lowercase().contains("redirect")) =>
        {
            fail(port_compared(&landed, &control))
        }
        Landing::Error(_) | Landing::Bare(_) => inconclusive(Cause::Other("error_response")),
    }
}

fn port_compared(landed: &Landed<'_, '_>, control: &Landed<'_, '_>) -> Fault {
    Fault::new(
        "port_compared",
        format!(
            "The registered redirect on another port is refused with {}; on its own port it leads \
             to {}.",
            landed.brief(),
            control.brief()
        ),
        landed.place(),
    )
    .and(control.place())
}

fn blames_redirect(error: &LocalError) -> bool {
    matches!(
        error.code.as_deref(),
        Some("invalid_redirect_uri" | "redirect_uri_mismatch" | "unregistered_redirect_uri")
    ) || error.says.contains("redirect")
        || error.says.contains("callback")
}
