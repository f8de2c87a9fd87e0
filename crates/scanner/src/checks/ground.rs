//! What checks of class P2 stand on: an endpoint of the tested authorization server that may be
//! asked, a client to ask with, and a valid request that goes on.
//!
//! A refusal says something about what was varied only where the valid request is not refused,
//! and a page only where it can be compared with the page of the valid request.

#[cfg(test)]
mod default_cases;
#[cfg(test)]
mod redirect_cases;
#[cfg(test)]
mod request_cases;
#[cfg(test)]
mod response_cases;
#[cfg(test)]
mod token_cases;

use url::Url;

use crate::check::{Cause, Fault, Judgement, Na, Unmet, inconclusive, na, warn};
use crate::evidence::{AuthorizeVariant, Purpose, Registration, Stopped};
use crate::facts::Facts;
use crate::facts::authorize::Landed;
use crate::facts::consent::TestClient;
use crate::facts::documents::Asm;
use crate::facts::registration::Registering;
use crate::spec::Revision;

/// The tested authorization server and this endpoint of it.
///
/// # Errors
///
/// Blocked where the metadata does not lead to it; n/a where consent does not.
pub(super) fn endpoint<'f, 'e>(
    facts: &'f Facts<'e>,
    revision: Revision,
    member: &str,
) -> Result<(Asm<'f, 'e>, Url), Unmet> {
    let asm = facts.tested_server(revision)?;
    let Some(text) = asm.document.text(member) else {
        return Err(Unmet::Blocked("asm-required-fields"));
    };
    let Ok(url) = Url::parse(text) else {
        return Err(Unmet::Blocked("asm-required-fields"));
    };
    if !facts.secure(&url) {
        return Err(Unmet::Blocked("asm-endpoints-https"));
    }
    if !facts.consented(&url) {
        return na(Na::Depth);
    }
    Ok((asm, url))
}

/// The tested server, where its authorization endpoint may be asked.
///
/// # Errors
///
/// As [`endpoint`].
pub(super) fn server<'f, 'e>(
    facts: &'f Facts<'e>,
    revision: Revision,
) -> Result<Asm<'f, 'e>, Unmet> {
    endpoint(facts, revision, "authorization_endpoint").map(|(asm, _)| asm)
}

/// The test client.
///
/// # Errors
///
/// n/a if there is none; inconclusive if one might have been had.
pub(super) fn client(facts: &Facts<'_>) -> Result<TestClient, Unmet> {
    if let Some(client) = facts.deeper_client() {
        return Ok(client);
    }
    untold_registration(facts, Registration::Native)?;
    na(Na::Other("no_test_client"))
}

/// Nothing, unless it cannot be told what this registration came to.
///
/// # Errors
///
/// Inconclusive.
pub(super) fn untold_registration(
    facts: &Facts<'_>,
    registration: Registration,
) -> Result<(), Unmet> {
    match facts.registering(registration) {
        Some(Registering::Untold(unmet)) => Err(unmet),
        None if facts.evidence.stopped != Stopped::Finished => inconclusive(facts.never_asked()),
        _ => Ok(()),
    }
}

/// What the valid request came to: it goes on, or a code is issued at once.
///
/// # Errors
///
/// Inconclusive if it is refused, or if it cannot be told.
pub(super) fn control<'f, 'e>(facts: &'f Facts<'e>) -> Result<Landed<'f, 'e>, Unmet> {
    let Some(variant) = facts.authorization_control() else {
        facts.landed(Purpose::Authorize(AuthorizeVariant::Valid))?;
        return inconclusive(Cause::Other("valid_request_refused"));
    };
    facts.landed(Purpose::Authorize(variant))
}

/// What a variant of the valid request came to.
///
/// # Errors
///
/// Inconclusive.
pub(super) fn landed<'f, 'e>(
    facts: &'f Facts<'e>,
    variant: AuthorizeVariant,
) -> Result<Landed<'f, 'e>, Unmet> {
    facts.landed(Purpose::Authorize(variant))
}

/// Whether people are sent to sign in before client and redirect are looked at: then a page
/// says nothing about either.
pub(super) fn signs_in_first(facts: &Facts<'_>) -> bool {
    [
        AuthorizeVariant::UnregisteredRedirect,
        AuthorizeVariant::UnknownClient,
    ]
    .into_iter()
    .any(|variant| landed(facts, variant).is_ok_and(|landed| landed.goes_on()))
}

/// A warning if a request that should be refused goes on like the valid one; inconclusive if it
/// goes on in another way.
///
/// # Errors
///
/// Inconclusive.
pub(super) fn goes_on(landed: &Landed<'_, '_>, control: &Landed<'_, '_>, what: &str) -> Judgement {
    if !landed.same_as(control) {
        return inconclusive(Cause::Other("other_page"));
    }
    warn(
        Fault::new(
            "reaches_sign_in",
            format!(
                "{what} leads to {}, as the valid request does; it may be refused later.",
                landed.brief()
            ),
            landed.place(),
        )
        .and(control.place()),
    )
}

/// The cases of the checks that stand on this.
#[cfg(test)]
pub(super) const CASES: &[&[super::testkit::Case]] = &[
    default_cases::CASES,
    redirect_cases::CASES,
    request_cases::CASES,
    response_cases::CASES,
    token_cases::CASES,
];
