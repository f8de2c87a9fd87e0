//! What the MCP server does with tokens that are genuine and not for this: section 1.8, class
//! P3.

use super::super::weigh::worst_or;
use super::{accepted, must_refuse, supplied, turned_away, valid_token};
use crate::check::{Cause, Fault, Judgement, Na, Place, Verdict, fail, inconclusive, na, warn};
use crate::evidence::{Credential, OwnerProbe, Purpose};
use crate::facts::owner::served;
use crate::facts::{Facts, settle};
use crate::spec::Revision;

/// A token counts as expired only when it has been for that long, in seconds: clocks differ.
const EXPIRED_FOR: i64 = 600;

pub(in crate::checks) fn query_refused(facts: &Facts<'_>, _: Revision) -> Judgement {
    valid_token(facts)?;
    must_refuse(
        facts.owner_answer(OwnerProbe::InQuery)?,
        "accepted_in_query",
        "the valid token in the query",
    )
}

pub(in crate::checks) fn other_audience_rejected(facts: &Facts<'_>, _: Revision) -> Judgement {
    supplied(facts, Credential::OtherAudienceToken)?;
    valid_token(facts)?;
    let claims = facts
        .supplied(Credential::OtherAudienceToken)
        .and_then(|token| token.claims.as_ref());
    if let Some(claims) = claims {
        let own = own_identifiers(facts);
        if claims.aud.iter().any(|aud| own.iter().any(|id| id == aud)) {
            return na(Na::Other("same_audience"));
        }
        if claims
            .exp
            .is_some_and(|exp| exp <= asked_at(facts, OwnerProbe::OtherAudience))
        {
            return inconclusive(Cause::Other("token_expired"));
        }
    }
    let answer = facts.owner_answer(OwnerProbe::OtherAudience)?;
    if answer.status() == Some(403) && !served(answer) {
        return warn(Fault::new(
            "status_403",
            "A genuine token for another resource is refused with 403, as if it were valid here.",
            Place::status(answer.exchange.id),
        ));
    }
    must_refuse(answer, "accepted", "a genuine token for another resource")
}

/// `resource` of the metadata and the endpoint itself.
fn own_identifiers(facts: &Facts<'_>) -> Vec<String> {
    let prm = facts.selected_prm(Revision::HEADLINE);
    let resource = prm.and_then(|prm| prm.resource().map(str::to_owned));
    resource
        .into_iter()
        .chain([facts.endpoint_text().to_owned()])
        .collect()
}

pub(in crate::checks) fn id_token_rejected(facts: &Facts<'_>, _: Revision) -> Judgement {
    if facts.owner_id_token().is_none() {
        return na(Na::Other("no_id_token"));
    }
    valid_token(facts)?;
    must_refuse(
        facts.owner_answer(OwnerProbe::IdToken)?,
        "accepted",
        "an ID token",
    )
}

pub(in crate::checks) fn expired_rejected(facts: &Facts<'_>, _: Revision) -> Judgement {
    supplied(facts, Credential::ExpiredToken)?;
    valid_token(facts)?;
    let answer = facts.owner_answer(OwnerProbe::Expired)?;
    let exp = facts
        .supplied(Credential::ExpiredToken)
        .and_then(|token| token.claims.as_ref()?.exp);
    if exp.is_some_and(|exp| exp + EXPIRED_FOR > asked_at(facts, OwnerProbe::Expired)) {
        return na(Na::Other("not_expired"));
    }
    if served(answer) {
        return fail(accepted(answer, "accepted", "a token past its end"));
    }
    match answer.status() {
        Some(401) if answer.token_param("error") == Some("invalid_token") => Ok(Verdict::Pass),
        Some(401) => warn(Fault::new(
            "no_invalid_token",
            "An expired token is refused without `error=\"invalid_token\"`, so clients do not \
             know that a refresh would help.",
            answer.challenge_place(),
        )),
        Some(400 | 403) => Ok(Verdict::Pass),
        _ => inconclusive(Cause::Other("neither_served_nor_refused")),
    }
}

/// Seconds since the epoch when that was asked, by our clock.
fn asked_at(facts: &Facts<'_>, probe: OwnerProbe) -> i64 {
    let after = facts
        .answer(Purpose::Owner(probe))
        .map_or(0, |answer| i64::from(answer.exchange.after_ms));
    (facts.evidence.started.0 + after).div_euclid(1000)
}

pub(in crate::checks) fn tampered_rejected(facts: &Facts<'_>, _: Revision) -> Judgement {
    let token = valid_token(facts)?;
    let variants: &[(OwnerProbe, &str, &str)] = &[
        (
            OwnerProbe::ChangedClaim,
            "changed_claim",
            "the valid token with a changed claim",
        ),
        (
            OwnerProbe::ShortSignature,
            "changed_signature",
            "the valid token with a changed end",
        ),
        (
            OwnerProbe::FlippedSignature,
            "flipped_signature",
            "the valid token with one bit of its signature flipped",
        ),
    ];
    // An opaque token has no parts: one character of it is another.
    let variants = if token.claims.is_some() {
        variants
    } else {
        &variants[1..2]
    };
    worst_or(
        variants.iter().map(|(probe, reason, what)| {
            let answer = facts.owner_answer(*probe)?;
            must_refuse(answer, reason, what)
        }),
        || inconclusive(facts.never_asked()),
    )
}

pub(in crate::checks) fn passthrough_refused(facts: &Facts<'_>, _: Revision) -> Judgement {
    supplied(facts, Credential::UpstreamToken)?;
    valid_token(facts)?;
    let answer = facts.owner_answer(OwnerProbe::Upstream)?;
    if !served(answer) {
        return if turned_away(settle(answer)?) {
            Ok(Verdict::Pass)
        } else {
            inconclusive(Cause::Other("neither_served_nor_refused"))
        };
    }
    let (reason, what) = if facts.evidence.operations.documented_key {
        (
            "documented_static_key",
            "a token of the upstream service, which is documented as a static key,",
        )
    } else {
        ("accepted", "a token of the upstream service")
    };
    fail(accepted(answer, reason, what))
}
