//! Authorization responses and pages: who may read and frame them, and what they carry.

use url::Url;

use super::super::ground;
use crate::check::{
    Cause, Fault, Judgement, Na, Place, Unmet, Verdict, fail, inconclusive, na, warn, worst,
};
use crate::evidence::{AuthorizeVariant, Purpose};
use crate::facts::authorize::{Landed, Landing, ToClient, registered_error};
use crate::facts::outcome::{Answer, Outcome};
use crate::facts::{Facts, quote, relation, settle};
use crate::plan::PROBE_ORIGIN;
use crate::spec::Revision;

pub(super) fn no_cors(facts: &Facts<'_>, revision: Revision) -> Judgement {
    ground::server(facts, revision)?;
    let (mut fails, mut warns, mut unclear) = (Vec::new(), Vec::new(), None);
    for purpose in [
        Purpose::AuthorizePreflight,
        Purpose::Authorize(AuthorizeVariant::ForeignOrigin),
    ] {
        let Some(last) = facts.answer(purpose) else {
            unclear.get_or_insert(Unmet::Inconclusive(facts.never_asked()));
            continue;
        };
        // Sign-in pages with a captcha look like an intermediary's.
        let page = last.outcome == Outcome::Block && last.status() == Some(200);
        if let Err(unmet) = settle(last)
            && !page
        {
            unclear.get_or_insert(unmet);
        }
        for answer in facts.all(purpose) {
            match opened(answer) {
                Some(fault) if fault.reason == "credentials" => fails.push(fault),
                Some(fault) => warns.push(fault),
                None => (),
            }
        }
    }
    match unclear {
        Some(unmet) if fails.is_empty() && warns.is_empty() => Err(unmet),
        _ => worst(fails, warns),
    }
}

/// What a response allows scripts of the foreign origin.
fn opened(answer: &Answer<'_>) -> Option<Fault> {
    const ORIGIN: &str = "access-control-allow-origin";
    let response = answer.response()?;
    let allowed = response.header(ORIGIN)?;
    let reflected = allowed == PROBE_ORIGIN;
    if !reflected && allowed != "*" {
        return None;
    }
    let place = Place::header(answer.exchange.id, ORIGIN);
    let credentials = response
        .header("access-control-allow-credentials")
        .is_some_and(|value| value.trim() == "true");
    if reflected && credentials {
        return Some(Fault::new(
            "credentials",
            "The authorization endpoint lets scripts of a foreign origin read its answers with \
             the user's cookies.",
            place,
        ));
    }
    Some(Fault::new(
        "readable",
        format!(
            "The authorization endpoint allows scripts of {} to read its answers.",
            if reflected {
                "a foreign origin"
            } else {
                "every origin"
            }
        ),
        place,
    ))
}

// --- authz-frame-protection -----------------------------------------------------------------

pub(super) fn frame_protection(facts: &Facts<'_>, revision: Revision) -> Judgement {
    ground::server(facts, revision)?;
    ground::client(facts)?;
    let control = ground::control(facts)?;
    match &control.what {
        Landing::Page(_) => (),
        Landing::Upstream(_) => return na(Na::Other("page_of_another_party")),
        _ => return na(Na::Other("no_page")),
    }
    let Some(response) = control.last.response() else {
        return inconclusive(Cause::Network);
    };
    let policies: Vec<Vec<&str>> = response
        .headers_named("content-security-policy")
        .flat_map(|line| line.split(','))
        .filter_map(frame_ancestors)
        .collect();
    // Of several policies the strictest counts.
    if policies
        .iter()
        .any(|sources| !sources.iter().any(|source| is_anybody(source)))
    {
        return Ok(Verdict::Pass);
    }
    let old = response
        .headers_named("x-frame-options")
        .any(|value| ["deny", "sameorigin"].contains(&value.trim().to_ascii_lowercase().as_str()));
    let id = control.exchange();
    match (old, policies.is_empty()) {
        (true, true) => Ok(Verdict::Pass),
        (true, false) => warn(Fault::new(
            "permissive_policy",
            "`X-Frame-Options` forbids framing, but `frame-ancestors` of the content security \
             policy, which browsers prefer, allows it to anybody.",
            Place::header(id, "content-security-policy"),
        )),
        (false, _) => fail(Fault::new(
            "no_protection",
            format!(
                "Neither `frame-ancestors` nor `X-Frame-Options` keeps {} from being framed.",
                control.brief()
            ),
            Place::status(id),
        )),
    }
}

/// The sources of `frame-ancestors` in one policy.
fn frame_ancestors(policy: &str) -> Option<Vec<&str>> {
    policy.split(';').find_map(|directive| {
        let mut words = directive.split_whitespace();
        words
            .next()?
            .eq_ignore_ascii_case("frame-ancestors")
            .then(|| words.collect())
    })
}

fn is_anybody(source: &str) -> bool {
    matches!(
        source.to_ascii_lowercase().as_str(),
        "*" | "http:" | "https:" | "https://*" | "http://*"
    )
}

// --- authz-iss-emitted ----------------------------------------------------------------------

const ISS_FLAG: &str = "authorization_response_iss_parameter_supported";

pub(super) fn iss_emitted(facts: &Facts<'_>, revision: Revision) -> Judgement {
    let asm = ground::server(facts, revision)?;
    let Some(issuer) = asm.document.text("issuer") else {
        return Err(Unmet::Blocked("asm-issuer-syntax"));
    };
    let advertised = asm.document.flag(ISS_FLAG) == Some(true);
    let responses: Vec<Landed<'_, '_>> = to_client(facts);
    let of = |wanted: fn(&Landing) -> bool| responses.iter().filter(move |r| wanted(&r.what));
    let codes: Vec<&Landed<'_, '_>> =
        of(|what| matches!(what, Landing::Code(_) | Landing::Token(_))).collect();
    let errors: Vec<&Landed<'_, '_>> = of(|what| matches!(what, Landing::Error(_))).collect();
    for response in &responses {
        let wrong = values(response).into_iter().find(|iss| iss != issuer);
        if let Some(iss) = wrong {
            return fail(
                Fault::new(
                    "other_issuer",
                    format!(
                        "`iss` of the response is {}, not the issuer {}.",
                        quote(&iss),
                        quote(issuer)
                    ),
                    response.place(),
                )
                .and(asm.document.place("issuer"))
                .relation(relation::relation(issuer, &iss).as_str()),
            );
        }
    }
    let present = |list: &[&Landed<'_, '_>]| list.iter().any(|one| !values(one).is_empty());
    let Some(any) = responses.first() else {
        if ground::client(facts).is_ok() {
            unsettled_errors(facts)?;
        }
        return na(Na::Other("no_response_to_client"));
    };
    if !advertised && (present(&codes) || present(&errors)) {
        return fail(
            Fault::new(
                "not_advertised",
                "Responses carry `iss`, but the metadata does not announce it.",
                any.place(),
            )
            .and(asm.document.place("")),
        );
    }
    let lacks = |list: &[&Landed<'_, '_>]| {
        list.iter()
            .find(|one| values(one).is_empty())
            .map(|one| one.place())
    };
    if !advertised {
        return warn(
            Fault::new(
                "absent",
                "Responses carry no `iss`, and the metadata announces none.",
                any.place(),
            )
            .and(asm.document.place("")),
        );
    }
    if let Some(place) = lacks(&codes) {
        return fail(
            Fault::new(
                "absent_with_code",
                "The metadata announces `iss`, but a response with a code has none.",
                place,
            )
            .and(asm.document.place(ISS_FLAG)),
        );
    }
    if let Some(place) = lacks(&errors) {
        if codes.is_empty() {
            return inconclusive(Cause::Other("no_code_response"));
        }
        return warn(Fault::new(
            "absent_in_errors",
            "`iss` comes with codes, but not with errors.",
            place,
        ));
    }
    match responses.iter().find(|one| values(one).len() > 1) {
        Some(response) => warn(Fault::new(
            "repeated",
            "`iss` stands more than once in the response.",
            response.place(),
        )),
        None => Ok(Verdict::Pass),
    }
}

/// Every response that was sent to the client's redirect, probes for errors first.
fn to_client<'f, 'e>(facts: &'f Facts<'e>) -> Vec<Landed<'f, 'e>> {
    let mut purposes: Vec<Purpose> = ERRORS.map(Purpose::Authorize).to_vec();
    for answer in facts.answers() {
        let purpose = answer.exchange.purpose;
        let asked = matches!(
            purpose,
            Purpose::Authorize(_) | Purpose::Login(_) | Purpose::Cimd(_)
        );
        if asked && !purposes.contains(&purpose) {
            purposes.push(purpose);
        }
    }
    purposes
        .into_iter()
        .filter_map(|purpose| facts.landed(purpose).ok())
        .filter(|landed| {
            matches!(
                landed.what,
                Landing::Code(_) | Landing::Token(_) | Landing::Error(_)
            )
        })
        // What should not have been sent at all is judged elsewhere.
        .filter(|landed| {
            !matches!(
                landed.first.exchange.purpose,
                Purpose::Authorize(
                    AuthorizeVariant::UnknownClient | AuthorizeVariant::UnregisteredRedirect
                )
            )
        })
        .collect()
}

fn values(landed: &Landed<'_, '_>) -> Vec<String> {
    landed
        .to_client()
        .map(|to| to.values("iss").map(str::to_owned).collect())
        .unwrap_or_default()
}

// --- authz-error-response -------------------------------------------------------------------

const ERRORS: [AuthorizeVariant; 3] = [
    AuthorizeVariant::UnsupportedResponseType,
    AuthorizeVariant::UnknownScope,
    AuthorizeVariant::PromptNone,
];

/// The first reason why an error could not be provoked, if it is one of the standard ones.
fn unsettled_errors(facts: &Facts<'_>) -> Result<(), Unmet> {
    ground::control(facts)?;
    for variant in ERRORS {
        match ground::landed(facts, variant) {
            Ok(_) | Err(Unmet::Inconclusive(Cause::NotCaptured)) => (),
            Err(unmet) => return Err(unmet),
        }
    }
    Ok(())
}

pub(super) fn error_response(facts: &Facts<'_>, revision: Revision) -> Judgement {
    ground::server(facts, revision)?;
    ground::client(facts)?;
    ground::control(facts)?;
    let landed: Vec<Landed<'_, '_>> = ERRORS
        .into_iter()
        .filter_map(|variant| ground::landed(facts, variant).ok())
        .collect();
    for response in &landed {
        if let Landing::Error(to) = &response.what {
            return judge_error(response, to);
        }
    }
    let local = landed
        .iter()
        .find(|response| matches!(response.what, Landing::LocalError(_)));
    if let Some(local) = local {
        return warn(Fault::new(
            "local_page",
            format!(
                "A request that cannot be answered ends in {} instead of a redirect with an error.",
                local.brief()
            ),
            local.place(),
        ));
    }
    unsettled_errors(facts)?;
    inconclusive(Cause::Other(if landed.iter().any(Landed::goes_on) {
        "sign_in_first"
    } else {
        "no_error_response"
    }))
}

fn judge_error(landed: &Landed<'_, '_>, to: &ToClient) -> Judgement {
    let place = landed.place();
    let fault = |reason, said: String| Fault::new(reason, said, place.clone());
    let mut fails = Vec::new();
    match (sent_state(landed), to.value("state")) {
        (Some(_), None) => fails.push(fault(
            "state_missing",
            "The error response has no `state`, although the request had one.".into(),
        )),
        (Some(sent), Some(back)) if sent != back => fails.push(fault(
            "state_altered",
            "The error response has another `state` than the request.".into(),
        )),
        _ => (),
    }
    let error = to.value("error").unwrap_or_default();
    let legal =
        |c: char| matches!(c, '\u{20}'..='\u{21}' | '\u{23}'..='\u{5b}' | '\u{5d}'..='\u{7e}');
    if error.is_empty() || !error.chars().all(legal) {
        fails.push(fault(
            "error_characters",
            format!(
                "The error code {} has characters that it must not have.",
                quote(error)
            ),
        ));
    }
    if let Some(name) = to.repeated() {
        fails.push(fault(
            "repeated",
            format!("The parameter {} stands more than once.", quote(name)),
        ));
    }
    if matches!(to.status, 307 | 308) {
        fails.push(fault(
            "preserving_redirect",
            format!(
                "The redirect has status {}, which repeats a form with the user's credentials.",
                to.status
            ),
        ));
    }
    if to.carries_credentials() {
        fails.push(fault(
            "credentials_in_error",
            "The error response carries a code or a token.".into(),
        ));
    }
    if !to.exact {
        fails.push(fault(
            "other_redirect",
            "The error is sent to another address than the registered one.".into(),
        ));
    }
    let mut warns = Vec::new();
    if !registered_error(error) {
        warns.push(fault(
            "unknown_code",
            format!("The error code {} is not registered.", quote(error)),
        ));
    }
    if !matches!(to.status, 302 | 303 | 307 | 308) {
        warns.push(fault(
            "odd_status",
            format!(
                "The redirect has status {} instead of 302 or 303.",
                to.status
            ),
        ));
    }
    worst(fails, warns)
}

/// `state` of the request.
fn sent_state(landed: &Landed<'_, '_>) -> Option<String> {
    let url = Url::parse(&landed.first.exchange.asked.url).ok()?;
    url.query_pairs()
        .find(|(name, _)| name == "state")
        .map(|(_, value)| value.into_owned())
}

// --- authz-implicit-refused -----------------------------------------------------------------

pub(super) fn implicit_refused(facts: &Facts<'_>, revision: Revision) -> Judgement {
    ground::server(facts, revision)?;
    ground::client(facts)?;
    let control = ground::control(facts)?;
    let landed = ground::landed(facts, AuthorizeVariant::Implicit)?;
    match &landed.what {
        Landing::Token(_) => fail(Fault::new(
            "token_issued",
            "A token is sent in the redirect of `response_type=token`.",
            landed.place(),
        )),
        Landing::Error(_) | Landing::LocalError(_) => Ok(Verdict::Pass),
        Landing::Page(_) | Landing::Upstream(_) => {
            ground::goes_on(&landed, &control, "`response_type=token`")
        }
        Landing::Code(_) => inconclusive(Cause::Other("code_issued")),
        Landing::Bare(_) => inconclusive(Cause::Other("empty_response")),
    }
}
