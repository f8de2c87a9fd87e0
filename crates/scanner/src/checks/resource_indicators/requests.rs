//! Authorization requests with and without `resource`, and with somebody else's.

use super::super::ground;
use crate::check::{Cause, Fault, Judgement, Unmet, Verdict, fail, inconclusive, warn};
use crate::evidence::AuthorizeVariant;
use crate::facts::authorize::Landing;
use crate::facts::{Facts, quote};
use crate::spec::Revision;

pub(super) fn accepts(facts: &Facts<'_>, revision: Revision) -> Judgement {
    ground::server(facts, revision)?;
    ground::client(facts)?;
    let prm = facts.prm(revision)?;
    let Some(resource) = prm.resource() else {
        return Err(Unmet::Blocked("prm-resource-syntax"));
    };
    let with = ground::landed(facts, AuthorizeVariant::Valid)?;
    let without = ground::landed(facts, AuthorizeVariant::NoResource)?;
    if matches!(with.what, Landing::Bare(_)) || matches!(without.what, Landing::Bare(_)) {
        return inconclusive(Cause::Other("empty_response"));
    }
    if !with.refused() {
        return Ok(Verdict::Pass);
    }
    if without.refused() {
        return inconclusive(Cause::Other("both_refused"));
    }
    fail(
        Fault::new(
            "refused_with_resource",
            format!(
                "The request with `resource` {} is refused with {}; without it, it leads to {}.",
                quote(resource),
                with.brief(),
                without.brief()
            ),
            with.place(),
        )
        .and(without.place())
        .and(prm.place("resource")),
    )
}

pub(super) fn foreign_refused(facts: &Facts<'_>, revision: Revision) -> Judgement {
    match accepts(facts, revision) {
        Ok(Verdict::Pass) => (),
        Err(unmet @ (Unmet::NotApplicable(_) | Unmet::Blocked(_))) => return Err(unmet),
        _ => return Err(Unmet::Blocked("ri-authorize-accepts")),
    }
    ground::control(facts)?;
    let landed = ground::landed(facts, AuthorizeVariant::ForeignResource)?;
    match &landed.what {
        Landing::Error(_) | Landing::LocalError(_) => Ok(Verdict::Pass),
        Landing::Bare(_) => inconclusive(Cause::Other("empty_response")),
        Landing::Code(_) | Landing::Token(_) | Landing::Page(_) | Landing::Upstream(_) => {
            warn(Fault::new(
                "ignored",
                format!(
                    "A request for somebody else's resource leads to {}, as if it named none.",
                    landed.brief()
                ),
                landed.place(),
            ))
        }
    }
}
