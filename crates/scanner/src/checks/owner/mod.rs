//! Judging what was asked with forged tokens (class P2) and with the owner's credentials
//! (class P3). The checks themselves stand in their areas; what they rest on is the same: the
//! valid token has to be good before a refusal of another one says anything.

mod codes;
mod forged;
mod scopes;
mod sessions;
mod state;
mod tokens;

#[cfg(test)]
mod cases;
#[cfg(test)]
mod more_cases;

#[cfg(test)]
pub(super) const CASES: &[&[super::testkit::Case]] = &[cases::CASES, more_cases::CASES];

pub(super) use codes::{audience, lifetime, refresh_rotation, single_use, verifier_enforced};
pub(super) use forged::{jku_not_fetched, rejected as forged_rejected};
pub(super) use scopes::{challenge_content, hierarchy, insufficient};
pub(super) use sessions::{cache_scope, not_authentication, principal_bound};
pub(super) use state::request_state;
pub(super) use tokens::{
    expired_rejected, id_token_rejected, other_audience_rejected, passthrough_refused,
    query_refused, tampered_rejected,
};

use crate::check::{Cause, Fault, Judgement, Na, Place, Unmet, Verdict, fail, inconclusive, na};
use crate::evidence::{CodeUse, Credential, OwnerProbe};
use crate::facts::Facts;
use crate::facts::outcome::Answer;
use crate::facts::owner::{OwnerToken, served};

/// The credential is there, or the check has nothing to judge.
fn supplied(facts: &Facts<'_>, kind: Credential) -> Result<(), Unmet> {
    match facts.supplied(kind) {
        Some(_) => Ok(()),
        None => na(Na::Other("not_supplied")),
    }
}

/// The valid token, or nothing to judge.
fn valid_token<'e>(facts: &Facts<'e>) -> Result<OwnerToken<'e>, Unmet> {
    match facts.owner_token() {
        Some(token) => Ok(token),
        None => na(Na::Other("no_token")),
    }
}

/// 400, 401 or 403: the request was turned away.
fn turned_away(answer: &Answer<'_>) -> bool {
    matches!(answer.status(), Some(400 | 401 | 403))
}

/// A refusal passes, a result fails; anything else tells nothing.
fn must_refuse(answer: &Answer<'_>, reason: &'static str, what: &str) -> Judgement {
    if served(answer) {
        return fail(accepted(answer, reason, what));
    }
    if turned_away(answer) {
        return Ok(Verdict::Pass);
    }
    inconclusive(Cause::Other("neither_served_nor_refused"))
}

/// Never the result itself: its length.
fn accepted(answer: &Answer<'_>, reason: &'static str, what: &str) -> Fault {
    let bytes = answer
        .response()
        .map(|response| response.body.bytes)
        .unwrap_or_default();
    Fault::new(
        reason,
        format!("A request with {what} is served ({bytes} bytes)."),
        Place::status(answer.exchange.id),
    )
}

/// Another principal's token is there and good.
fn second_principal(facts: &Facts<'_>) -> Result<(), Unmet> {
    supplied(facts, Credential::SecondAccessToken)?;
    if served(facts.owner_answer(OwnerProbe::OtherHello)?) {
        Ok(())
    } else {
        inconclusive(Cause::Other("second_token_refused"))
    }
}

/// A login ended in a token: the control of all other redemptions.
///
/// # Errors
///
/// n/a where nobody could log in, inconclusive where the code was not redeemed.
fn logged_in(facts: &Facts<'_>) -> Result<(), Unmet> {
    if facts.deeper_server().is_none() {
        return na(Na::Depth);
    }
    if facts.login_client().is_none() {
        return na(Na::Other("no_client"));
    }
    if facts.code_of(CodeUse::Token).is_none() {
        return match facts.landed(crate::evidence::Purpose::Login(CodeUse::Token)) {
            Err(unmet) => Err(unmet),
            Ok(_) => na(Na::Other("no_login")),
        };
    }
    if facts.redeemed(CodeUse::Token)?.accepted() {
        Ok(())
    } else {
        inconclusive(Cause::Other("code_not_redeemed"))
    }
}
