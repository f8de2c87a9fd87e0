//! Authorization requests with a weak challenge, or without one.

use super::super::{ground, weigh};
use super::METHODS;
use crate::check::{Cause, Fault, Judgement, Na, Verdict, fail, inconclusive, na, warn};
use crate::evidence::AuthorizeVariant;
use crate::facts::Facts;
use crate::facts::authorize::Landing;
use crate::spec::Revision;

pub(super) fn required(facts: &Facts<'_>, revision: Revision) -> Judgement {
    ground::server(facts, revision)?;
    if ground::client(facts)?.confidential {
        return na(Na::Other("confidential_client"));
    }
    let control = ground::control(facts)?;
    let landed = ground::landed(facts, AuthorizeVariant::NoChallenge)?;
    match &landed.what {
        Landing::Code(_) | Landing::Token(_) => fail(Fault::new(
            "code_issued",
            "A code is issued to a public client that sent no challenge.",
            landed.place(),
        )),
        Landing::Error(_) | Landing::LocalError(_) => Ok(Verdict::Pass),
        Landing::Page(_) | Landing::Upstream(_) => {
            ground::goes_on(&landed, &control, "A request without a challenge")
        }
        Landing::Bare(_) => inconclusive(Cause::Other("empty_response")),
    }
}

pub(super) fn plain_refused(facts: &Facts<'_>, revision: Revision) -> Judgement {
    let asm = ground::server(facts, revision)?;
    let listed = asm.document.texts(METHODS).unwrap_or_default();
    if listed.contains(&"plain") {
        return na(Na::Other("plain_listed"));
    }
    ground::client(facts)?;
    ground::control(facts)?;
    weigh::worst([
        downgraded(
            facts,
            AuthorizeVariant::PlainChallenge,
            "A request with the method `plain`",
        ),
        downgraded(
            facts,
            AuthorizeVariant::MethodOmitted,
            "A request whose challenge has no method",
        ),
    ])
}

fn downgraded(facts: &Facts<'_>, variant: AuthorizeVariant, what: &str) -> Judgement {
    let landed = ground::landed(facts, variant)?;
    match &landed.what {
        Landing::Code(_) | Landing::Token(_) => fail(Fault::new(
            "code_issued",
            format!("{what} is answered with a code, although the metadata does not list `plain`."),
            landed.place(),
        )),
        Landing::Error(_) | Landing::LocalError(_) => Ok(Verdict::Pass),
        Landing::Page(_) | Landing::Upstream(_) => warn(Fault::new(
            "reaches_sign_in",
            format!("{what} leads to {}.", landed.brief()),
            landed.place(),
        )),
        Landing::Bare(_) => inconclusive(Cause::Other("empty_response")),
    }
}
