//! Codes, tokens and refresh tokens at the authorization server, once somebody logs in.

use super::super::weigh::worst;
use super::logged_in;
use crate::check::{
    Cause, Fault, Judgement, Na, Place, Unmet, Verdict, fail, inconclusive, na, warn,
};
use crate::evidence::{Claims, CodeUse, Credential, Issued, Purpose};
use crate::facts::owner::Redeemed;
use crate::facts::{Facts, quote};
use crate::spec::Revision;
use url::Url;

/// A redemption that must be refused.
fn must_refuse(facts: &Facts<'_>, of: CodeUse, reason: &'static str, said: &str) -> Judgement {
    match facts.redeemed(of)? {
        Redeemed::Token(answer) => fail(Fault::new(
            reason,
            format!("{said} is answered with an access token."),
            Place::status(answer.exchange.id),
        )),
        // Who is not known as a client was not asked about the code.
        Redeemed::Refused(_, code) if code == "invalid_client" && of != CodeUse::OtherClient => {
            inconclusive(Cause::Other("client_refused"))
        }
        Redeemed::Refused(..) => Ok(Verdict::Pass),
    }
}

/// The login of a trial did not bring a code.
fn has_code(facts: &Facts<'_>, login: CodeUse) -> Result<(), Unmet> {
    if facts.first_hop(Purpose::Login(login)).is_none() {
        return inconclusive(facts.never_asked());
    }
    match facts.code_of(login) {
        Some(_) => Ok(()),
        None => inconclusive(Cause::Other("no_code")),
    }
}

pub(in crate::checks) fn verifier_enforced(facts: &Facts<'_>, _: Revision) -> Judgement {
    logged_in(facts)?;
    let trial = |of, reason, said| {
        has_code(facts, of)?;
        must_refuse(facts, of, reason, said)
    };
    let unexpected = CodeUse::UnexpectedVerifier;
    worst([
        trial(
            CodeUse::WrongVerifier,
            "wrong_verifier",
            "A code with a wrong `code_verifier`",
        ),
        trial(
            CodeUse::NoVerifier,
            "no_verifier",
            "A code without the `code_verifier` of its challenge",
        ),
        // Asked only where requests without a challenge go on; refused at the login is refused.
        match facts.code_of(unexpected) {
            Some(_) => trial(
                unexpected,
                "unexpected_verifier",
                "A `code_verifier` for a code that was asked for without a challenge",
            ),
            None => na(Na::Other("challenge_required")),
        },
    ])
}

pub(in crate::checks) fn single_use(facts: &Facts<'_>, _: Revision) -> Judgement {
    logged_in(facts)?;
    has_code(facts, CodeUse::Again)?;
    let once = facts.redeemed(CodeUse::Once)?;
    let parallel = facts.redeemed(CodeUse::Parallel)?;
    let first = match (once.accepted(), parallel.accepted()) {
        (true, true) => fail(
            Fault::new(
                "reused_in_parallel",
                "Two redemptions of one code at the same time both bring an access token.",
                Place::status(parallel.exchange()),
            )
            .and(Place::status(once.exchange())),
        ),
        (false, false) => inconclusive(Cause::Other("code_not_redeemed")),
        _ => Ok(Verdict::Pass),
    };
    let other = if facts.other_client().is_none() {
        inconclusive(Cause::Other("no_second_client"))
    } else {
        has_code(facts, CodeUse::OtherClient).and_then(|()| {
            must_refuse(
                facts,
                CodeUse::OtherClient,
                "other_client",
                "A code of one client, redeemed by another,",
            )
        })
    };
    let late = match facts.answer(Purpose::Redeem(CodeUse::Late)) {
        None => na(Na::Other("not_waited")),
        Some(_) => match facts.redeemed(CodeUse::Late)? {
            Redeemed::Token(answer) => warn(Fault::new(
                "late",
                "A code works eleven minutes after it was issued.",
                Place::status(answer.exchange.id),
            )),
            Redeemed::Refused(..) => Ok(Verdict::Pass),
        },
    };
    let again = must_refuse(
        facts,
        CodeUse::Again,
        "reused",
        "A code that was redeemed before",
    );
    worst([first, again, other, late])
}

pub(in crate::checks) fn refresh_rotation(facts: &Facts<'_>, _: Revision) -> Judgement {
    let lent = facts.supplied(Credential::RefreshToken).is_some();
    if !lent {
        logged_in(facts)?;
        if facts.refresh_of(CodeUse::Token).is_none() {
            return na(Na::Other("no_refresh_token"));
        }
    }
    if facts.deeper_server().is_none() {
        return na(Na::Depth);
    }
    match facts.login_client() {
        None => return na(Na::Other("no_client")),
        Some(client) if client.confidential => return na(Na::Other("confidential_client")),
        Some(_) => {}
    }
    let Redeemed::Token(first) = facts.redeemed(CodeUse::Refresh)? else {
        return inconclusive(Cause::Other("refresh_refused"));
    };
    let rotated = facts
        .refresh_of(CodeUse::Refresh)
        .is_some_and(|new| new.same_as.is_none());
    if rotated && !facts.redeemed(CodeUse::RefreshNext)?.accepted() {
        return inconclusive(Cause::Other("new_refresh_token_refused"));
    }
    let old = facts.redeemed(CodeUse::RefreshOld)?;
    if !old.accepted() {
        return Ok(Verdict::Pass);
    }
    let fault = |reason, said: &str| {
        Fault::new(reason, said, Place::status(old.exchange()))
            .and(Place::status(first.exchange.id))
    };
    if !rotated {
        return fail(fault(
            "not_rotated",
            "A refresh token of a public client works again and again, and is not replaced.",
        ));
    }
    match facts.redeemed(CodeUse::RefreshLater)? {
        Redeemed::Token(_) => fail(fault(
            "old_token_works",
            "A refresh token is replaced, and the old one goes on working after the new one was used.",
        )),
        Redeemed::Refused(..) => warn(fault(
            "grace",
            "A refresh token works for a short time after its successor was used.",
        )),
    }
}

/// Seconds that an access token may live without a finding, and with a warning.
const SHORT: i64 = 3600;
const LONG: i64 = 86_400;

pub(in crate::checks) fn lifetime(facts: &Facts<'_>, _: Revision) -> Judgement {
    let Some(token) = facts.owner_token() else {
        return na(Na::Other("no_token"));
    };
    let obtained = facts.issued_token(CodeUse::Token);
    let claims = obtained.map_or(token.claims, |token| token.claims);
    let answer = facts
        .answer(Purpose::Redeem(CodeUse::Token))
        .filter(|_| obtained.is_some());
    let stated = answer.and_then(|answer| answer.json_object()?.get("expires_in")?.as_i64());
    let place = match answer {
        Some(answer) => Place::body(answer.exchange.id, "/expires_in"),
        None => match facts.owner_control() {
            Some(control) => Place::status(control.exchange.id),
            None => return inconclusive(facts.never_asked()),
        },
    };
    let lives = stated.or_else(|| {
        let claims = claims?;
        Some(claims.exp? - claims.iat?)
    });
    match lives {
        Some(seconds) if seconds <= SHORT => match (answer, stated) {
            (Some(_), None) => warn(Fault::new(
                "expires_in_missing",
                "The token response has no `expires_in`.",
                place,
            )),
            _ => Ok(Verdict::Pass),
        },
        Some(seconds) if seconds <= LONG => warn(Fault::new(
            "hours",
            format!("An access token lives for {seconds} seconds."),
            place,
        )),
        Some(seconds) => fail(Fault::new(
            "days",
            format!("An access token lives for {seconds} seconds."),
            place,
        )),
        None if claims.is_some_and(|claims| claims.exp.is_none()) => fail(Fault::new(
            "no_expiry",
            "An access token has no `exp`, and its response no `expires_in`.",
            place,
        )),
        None if answer.is_some() => warn(Fault::new(
            "expires_in_missing",
            "The token response has no `expires_in`.",
            place,
        )),
        None => inconclusive(Cause::Other("opaque_token")),
    }
}

// --- ri-token-audience -------------------------------------------------------------------

pub(in crate::checks) fn audience(facts: &Facts<'_>, revision: Revision) -> Judgement {
    let prm = facts.prm(revision)?;
    let Some(resource) = prm.resource() else {
        return Err(Unmet::Blocked("prm-resource-syntax"));
    };
    let token = facts
        .issued_token(CodeUse::Token)
        .or_else(|| facts.owner_token());
    let Some(token) = token else {
        return na(Na::Other("no_token"));
    };
    let place = match token.source {
        crate::facts::owner::TokenSource::Obtained(id) => Place::body(id, "/access_token"),
        crate::facts::owner::TokenSource::Supplied(_) => match facts.owner_control() {
            Some(control) => Place::header(control.exchange.id, "authorization"),
            None => return inconclusive(facts.never_asked()),
        },
    };
    let bound = match token.claims {
        Some(claims) => bound(facts, claims, resource, place),
        None => na(Na::Other("opaque_token")),
    };
    worst([bound, other_resource(facts)])
}

fn bound(facts: &Facts<'_>, claims: &Claims, resource: &str, place: Place) -> Judgement {
    let listed = || {
        let list: Vec<String> = claims.aud.iter().take(5).map(|aud| quote(aud)).collect();
        list.join(", ")
    };
    if claims.aud.is_empty() {
        return fail(Fault::new(
            "no_audience",
            "The access token has no `aud`.",
            place,
        ));
    }
    let own = claims.aud.iter().any(|aud| aud == resource);
    let further: Vec<&String> = claims
        .aud
        .iter()
        .filter(|aud| *aud != resource && !is_of_issuer(claims, aud))
        .collect();
    let documented = |aud: &String| facts.evidence.operations.audiences.contains(aud);
    if own && further.iter().all(|aud| documented(aud)) {
        return Ok(Verdict::Pass);
    }
    // A name that is no address: a client or a project that the server may compare.
    let is_name = |aud: &String| Url::parse(aud).is_err();
    if !own
        && !claims.aud.is_empty()
        && claims.aud.iter().all(|aud| documented(aud) || is_name(aud))
    {
        return warn(Fault::new(
            "other_identifier",
            format!(
                "`aud` is {}, which is not {}; the server has to be the only one that takes it.",
                listed(),
                quote(resource)
            ),
            place,
        ));
    }
    fail(Fault::new(
        if own {
            "further_audience"
        } else {
            "other_audience"
        },
        format!(
            "`aud` is {}, where only {} should stand.",
            listed(),
            quote(resource)
        ),
        place,
    ))
}

/// An address of the issuer beside the resource, as for its userinfo endpoint.
fn is_of_issuer(claims: &Claims, aud: &str) -> bool {
    let issuer = claims.iss.as_deref().and_then(|iss| Url::parse(iss).ok());
    let own = claims.aud.len() > 1;
    own && issuer
        .zip(Url::parse(aud).ok())
        .is_some_and(|(issuer, aud)| crate::facts::relation::same_origin(&issuer, &aud))
}

/// The token request that named another resource than was authorized.
fn other_resource(facts: &Facts<'_>) -> Judgement {
    if facts
        .answer(Purpose::Redeem(CodeUse::OtherResource))
        .is_none()
    {
        return if facts.has_token(CodeUse::Token) {
            inconclusive(Cause::Other("other_resource_not_tried"))
        } else {
            na(Na::Other("no_login"))
        };
    }
    let redeemed = facts.redeemed(CodeUse::OtherResource)?;
    let Redeemed::Token(answer) = redeemed else {
        return Ok(Verdict::Pass);
    };
    let foreign = facts
        .obtained(answer.exchange.id, Issued::AccessToken)
        .and_then(|obtained| obtained.claims.as_ref())
        .is_some_and(|claims| {
            claims
                .aud
                .iter()
                .any(|aud| aud.contains("foreign-probe.invalid"))
        });
    let (reason, said) = if foreign {
        (
            "other_resource_honoured",
            "A token request that names another resource than was authorized brings a token for it.",
        )
    } else {
        (
            "other_resource_ignored",
            "A token request that names another resource than was authorized is answered with a token all the same.",
        )
    };
    let fault = Fault::new(reason, said, Place::status(answer.exchange.id));
    if foreign { fail(fault) } else { warn(fault) }
}
