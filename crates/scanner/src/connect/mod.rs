//! Which clients would connect: profiles of clients, walked over recorded evidence step by
//! step, each until it gets through or stops.
//!
//! Deterministic and passive: nothing is asked for it, and where only a further question could
//! tell, the answer says so. A profile is data ([`profile`]); the walk knows no client by name.
//! It explains and never grades.

mod browser;
mod endpoint;
pub mod page;
pub mod profile;
mod resource;
mod server;
#[cfg(test)]
mod tests;

use crate::check::{Cause, Unmet};
use crate::evidence::ExchangeId;
use crate::facts::Facts;
use crate::facts::outcome::Answer;
use crate::report::{Connection, Reach, Step};
use profile::Profile;

/// How far each profile gets, in the order of the data.
#[must_use]
pub fn outlook(facts: &Facts<'_>) -> Vec<Connection> {
    profile::profiles()
        .list
        .iter()
        .map(|profile| connection(facts, profile))
        .collect()
}

/// How far one profile gets.
#[must_use]
pub fn connection(facts: &Facts<'_>, profile: &Profile) -> Connection {
    let end = match walk(facts, profile) {
        Ok(end) | Err(end) => end,
    };
    Connection {
        profile: profile.id.clone(),
        result: end.result,
        step: end.step,
        reason: end.reason.to_owned(),
        detail: end.said,
        check: end.check.map(str::to_owned),
        exchange: end.exchange,
    }
}

/// The end of a walk.
#[derive(Debug)]
struct End {
    result: Reach,
    step: Option<Step>,
    reason: &'static str,
    said: String,
    check: Option<&'static str>,
    exchange: Option<ExchangeId>,
}

impl End {
    fn connects(reason: &'static str, said: impl Into<String>, exchange: ExchangeId) -> Self {
        Self {
            result: Reach::Connects,
            step: None,
            reason,
            said: said.into(),
            check: None,
            exchange: Some(exchange),
        }
    }

    fn stops(
        step: Step,
        reason: &'static str,
        said: impl Into<String>,
        check: &'static str,
    ) -> Self {
        Self {
            result: Reach::Stops,
            step: Some(step),
            reason,
            said: said.into(),
            check: Some(check),
            exchange: None,
        }
    }

    fn cannot_tell(step: Step, reason: &'static str, said: impl Into<String>) -> Self {
        Self {
            result: Reach::CannotTell,
            step: Some(step),
            reason,
            said: said.into(),
            check: None,
            exchange: None,
        }
    }

    fn at(mut self, exchange: ExchangeId) -> Self {
        self.exchange = Some(exchange);
        self
    }

    fn check(mut self, check: &'static str) -> Self {
        self.check = Some(check);
        self
    }

    /// A step that rests on something that cannot be read from the record.
    fn unread(step: Step, unmet: &Unmet, what: &str) -> Self {
        let code = match unmet {
            Unmet::Inconclusive(cause) => cause.code(),
            Unmet::NotApplicable(_) | Unmet::Blocked(_) => Cause::CauseInconclusive.code(),
        };
        Self::cannot_tell(step, code, format!("{what}: {}.", code.replace('_', " ")))
    }
}

/// A step: what the next one needs, or the end.
type Walk<T> = Result<T, End>;

/// Both arms are ends; the error arm is the one that comes early.
fn walk(facts: &Facts<'_>, profile: &Profile) -> Walk<End> {
    endpoint::reach(facts, profile)?;
    endpoint::signed_in(facts)?;
    if profile.browser {
        browser::endpoint(facts)?;
    }
    endpoint::challenged(facts, profile)?;
    let metadata = resource::find(facts, profile)?;
    if profile.browser {
        browser::documents(facts)?;
    }
    server::connect(facts, profile, metadata.as_ref())
}

/// Every client refuses a certificate that does not validate.
fn certificate(step: Step, answer: &Answer<'_>) -> Walk<()> {
    let fault = answer
        .response()
        .and_then(|response| response.tls.as_ref())
        .and_then(|tls| tls.fault);
    match fault {
        None => Ok(()),
        Some(_) => Err(End::stops(
            step,
            "certificate",
            "The certificate does not validate.",
            "tls-certificate-valid",
        )
        .at(answer.exchange.id)),
    }
}
