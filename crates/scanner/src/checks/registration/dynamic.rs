//! The registration endpoint itself, judged from what the registrations of a consented scan
//! came to (RFC 7591).

use serde_json::{Map, Value};

use crate::check::{
    Cause, Fault, Judgement, Na, Place, Unmet, Verdict, fail, inconclusive, na, warn, worst,
};
use crate::evidence::{Purpose, Registration};
use crate::facts::outcome::Answer;
use crate::facts::registration::{Registering, dangerous_redirect, retried_at_authorization};
use crate::facts::{Facts, quote, settle};
use crate::spec::Revision;

const ENDPOINT: &str = "registration_endpoint";

/// Registrations that may become the test client, in the order of trying.
const CLIENTS: [Registration; 3] = [
    Registration::Native,
    Registration::Untyped,
    Registration::Https,
];

/// The answer to a registration at the endpoint that this column's metadata names, and how it
/// ended. The plan asks one server; where a column reads another one, nothing was asked.
fn ended<'f, 'e>(
    facts: &'f Facts<'e>,
    revision: Revision,
    registration: Registration,
) -> Result<(&'f Answer<'e>, Registering), Unmet> {
    let asm = facts.tested_server(revision)?;
    let Some(listed) = asm.document.text(ENDPOINT) else {
        return na(Na::AbsentByChoice);
    };
    let Some(endpoint) = facts.tested_endpoint(&asm, ENDPOINT) else {
        // In clear text, or at a host whose operator was not asked.
        return if facts.consented_text(listed) {
            Err(Unmet::Blocked("asm-endpoints-https"))
        } else {
            na(Na::Depth)
        };
    };
    match facts.answer(Purpose::Register(registration)) {
        Some(answer) if answer.exchange.asked.url == endpoint.as_str() => {
            Ok((answer, Registering::of(answer)))
        }
        _ => inconclusive(facts.never_asked()),
    }
}

/// The answer that created the test client, and its members.
fn client<'f, 'e>(
    facts: &'f Facts<'e>,
    revision: Revision,
) -> Result<(&'f Answer<'e>, Map<String, Value>), Unmet> {
    for registration in CLIENTS {
        match ended(facts, revision, registration) {
            Ok((answer, Registering::Created(members))) => return Ok((answer, members)),
            Ok((_, Registering::Untold(unmet))) => return Err(unmet),
            Ok(_) => {}
            Err(unmet) if registration == Registration::Native => return Err(unmet),
            Err(_) => {}
        }
    }
    Err(Unmet::Blocked("dcr-open"))
}

pub(super) fn open(facts: &Facts<'_>, revision: Revision) -> Judgement {
    let (answer, native) = ended(facts, revision, Registration::Native)?;
    let id = answer.exchange.id;
    let status = answer.status().unwrap_or_default();
    let at = Place::status(id);
    match native {
        Registering::Created(_) => Ok(Verdict::Pass),
        Registering::Untold(unmet) => Err(unmet),
        Registering::Closed => warn(Fault::new(
            "closed",
            format!(
                "registration is refused with status {status}: it needs an initial access token"
            ),
            at,
        )),
        Registering::Dead => {
            let (reason, said) = match status {
                404 | 405 | 410 => ("missing", "nothing answers there"),
                500.. => ("server_error", "the endpoint fails"),
                _ => ("page", "a page for people answers"),
            };
            fail(Fault::new(
                reason,
                format!(
                    "a registration at the advertised endpoint ends in status {status}: {said}"
                ),
                at,
            ))
        }
        Registering::Odd => warn(Fault::new(
            "unusable",
            format!("a registration ends in status {status} without a client"),
            at,
        )),
        Registering::Refused(error) => refused(facts, revision, at, error),
    }
}

/// The native client was refused: whether another one was accepted.
fn refused(facts: &Facts<'_>, revision: Revision, at: Place, error: Option<String>) -> Judgement {
    let error = error.map_or_else(String::new, |error| format!(" ({})", quote(&error)));
    for (registration, reason, said) in [
        (
            Registration::Untyped,
            "only_untyped",
            "a native client is accepted only without `application_type`",
        ),
        (
            Registration::Https,
            "only_https",
            "only a client with an https redirect is accepted",
        ),
    ] {
        match ended(facts, revision, registration) {
            Ok((answer, Registering::Created(_))) => {
                return warn(
                    Fault::new(reason, format!("{said}{error}"), at)
                        .and(Place::status(answer.exchange.id)),
                );
            }
            Ok((_, Registering::Untold(unmet))) => return Err(unmet),
            _ => {}
        }
    }
    warn(Fault::new(
        "refused",
        format!("a public native client with a loopback redirect is refused{error}"),
        at,
    ))
}

pub(super) fn protocol(facts: &Facts<'_>, revision: Revision) -> Judgement {
    let (answer, members) = client(facts, revision)?;
    let (mut fails, mut warns) = (Vec::new(), Vec::new());
    success(answer, &members, &mut fails, &mut warns);
    let untold = match ended(facts, revision, Registration::NoRedirects) {
        Ok((answer, ended)) => invalid(answer, &ended, &mut fails, &mut warns).err(),
        Err(unmet) => Some(unmet),
    };
    match (untold, fails.is_empty()) {
        (Some(unmet), true) => Err(unmet),
        _ => worst(fails, warns),
    }
}

/// RFC 7591 section 3.2.1.
fn success(
    answer: &Answer<'_>,
    members: &Map<String, Value>,
    fails: &mut Vec<Fault>,
    warns: &mut Vec<Fault>,
) {
    let id = answer.exchange.id;
    let Some(response) = answer.response() else {
        return;
    };
    let no_store = response
        .headers_named("cache-control")
        .any(|value| value.to_ascii_lowercase().contains("no-store"));
    let secret = members.get("client_secret").is_some();
    if !no_store && secret {
        fails.push(Fault::new(
            "secret_cacheable",
            "a client secret is answered without `Cache-Control: no-store`",
            Place::body(id, "/client_secret"),
        ));
    } else if !no_store {
        warns.push(Fault::new(
            "cacheable",
            "the registration is answered without `Cache-Control: no-store`",
            Place::status(id),
        ));
    }
    if response.status != 201 {
        warns.push(Fault::new(
            "status",
            format!(
                "a registration is answered with status {} instead of 201",
                response.status
            ),
            Place::status(id),
        ));
    }
    if response.media_type().as_deref() != Some("application/json") {
        warns.push(Fault::new(
            "media_type",
            "the registration is not answered as `application/json`",
            Place::header(id, "content-type"),
        ));
    }
    if secret && members.get("client_secret_expires_at").is_none() {
        warns.push(Fault::new(
            "no_expiry",
            "a client secret is answered without `client_secret_expires_at`",
            Place::body(id, "/client_secret"),
        ));
    }
    // The authentication method is dcr-auth-method's.
    let missing: Vec<&str> = [
        "redirect_uris",
        "client_name",
        "grant_types",
        "response_types",
    ]
    .into_iter()
    .filter(|name| members.get(*name).is_none())
    .collect();
    if !missing.is_empty() {
        warns.push(Fault::new(
            "not_echoed",
            format!(
                "registered metadata is not answered: {}",
                missing.join(", ")
            ),
            Place::body(id, ""),
        ));
    }
}

/// RFC 7591 section 3.2.2, for a request without redirects.
fn invalid(
    answer: &Answer<'_>,
    ended: &Registering,
    fails: &mut Vec<Fault>,
    warns: &mut Vec<Fault>,
) -> Result<(), Unmet> {
    let at = Place::status(answer.exchange.id);
    let status = match answer.status() {
        Some(status) => status,
        None => return settle(answer).map(|_| ()),
    };
    match (status, ended) {
        (_, Registering::Untold(unmet)) => return Err(unmet.clone()),
        (200..=299, _) => fails.push(Fault::new(
            "invalid_accepted",
            format!("a registration without redirects is answered with status {status}"),
            at,
        )),
        (500.., _) => fails.push(Fault::new(
            "invalid_fails",
            format!("a registration without redirects ends in status {status}"),
            at,
        )),
        (400, Registering::Refused(Some(error)))
            if matches!(
                error.as_str(),
                "invalid_redirect_uri" | "invalid_client_metadata"
            ) => {}
        (400, Registering::Refused(Some(error))) => warns.push(Fault::new(
            "error_code",
            format!(
                "a registration without redirects is refused with {}, which is no registration error",
                quote(error)
            ),
            at,
        )),
        _ => warns.push(Fault::new(
            "refusal",
            format!("a registration without redirects is refused with status {status} and without a registration error"),
            at,
        )),
    }
    Ok(())
}

pub(super) fn auth_method(facts: &Facts<'_>, revision: Revision) -> Judgement {
    let (answer, members) = client(facts, revision)?;
    let id = answer.exchange.id;
    let secret = members.get("client_secret").is_some();
    let place = Place::body(id, "/token_endpoint_auth_method");
    let Some(method) = members.get("token_endpoint_auth_method") else {
        return fail(Fault::new(
            "method_missing",
            "the answer does not say how the client authenticates",
            Place::body(id, ""),
        ));
    };
    match method.as_str() {
        Some("none") if secret => fail(
            Fault::new(
                "secret_for_none",
                "a client without authentication is given a secret",
                place,
            )
            .and(Place::body(id, "/client_secret")),
        ),
        Some("none") => Ok(Verdict::Pass),
        _ => warn(Fault::new(
            "substituted",
            format!(
                "the client asked for the method `none` and was given {}",
                quote(method.as_str().unwrap_or(&method.to_string()))
            ),
            place,
        )),
    }
}

pub(super) fn redirect_policy(facts: &Facts<'_>, revision: Revision) -> Judgement {
    client(facts, revision)?;
    let (mut fails, mut warns) = (Vec::new(), Vec::new());
    let mut untold = None;
    for (registration, kind) in [
        (Registration::PlainHttp, "plain http"),
        (Registration::Script, "`javascript:`"),
        (Registration::Data, "`data:`"),
        (Registration::Fragment, "fragment"),
        (Registration::Wildcard, "wildcard"),
    ] {
        let literal = matches!(
            registration,
            Registration::Fragment | Registration::Wildcard
        );
        let (answer, ended) = match ended(facts, revision, registration) {
            Ok(known) => known,
            // Left out, because the verdict was known.
            Err(_) if literal && !fails.is_empty() => continue,
            Err(unmet) => {
                untold.get_or_insert(unmet);
                continue;
            }
        };
        match ended {
            Registering::Created(members) if keeps(&members, registration) => {
                accepted(facts, answer, registration, kind, &mut fails, &mut warns);
            }
            Registering::Untold(unmet) => {
                untold.get_or_insert(unmet);
            }
            Registering::Dead if answer.status().is_some_and(|status| status >= 500) => {
                untold.get_or_insert(Unmet::Inconclusive(Cause::ServerFault));
            }
            _ => {}
        }
    }
    match (untold, fails.is_empty()) {
        (Some(unmet), true) => Err(unmet),
        _ => worst(fails, warns),
    }
}

/// Whether the client really has the dangerous redirect: some servers drop it in silence.
fn keeps(members: &Map<String, Value>, registration: Registration) -> bool {
    match members.get("redirect_uris").and_then(Value::as_array) {
        Some(list) => list
            .iter()
            .any(|uri| uri.as_str() == dangerous_redirect(registration)),
        None => true,
    }
}

fn accepted(
    facts: &Facts<'_>,
    answer: &Answer<'_>,
    registration: Registration,
    kind: &str,
    fails: &mut Vec<Fault>,
    warns: &mut Vec<Fault>,
) {
    let at = Place::status(answer.exchange.id);
    let later = retried_at_authorization(registration)
        .and_then(|variant| facts.landed(Purpose::Authorize(variant)).ok());
    match registration {
        Registration::Fragment => warns.push(Fault::new(
            "fragment",
            "a redirect with a fragment is registered",
            at,
        )),
        Registration::Wildcard => match later {
            Some(landed) if landed.to_client().is_some() => fails.push(
                Fault::new(
                    "wildcard_matches",
                    "a redirect with a wildcard is registered, and a host that it covers is redirected to",
                    at,
                )
                .and(landed.place()),
            ),
            _ => warns.push(Fault::new(
                "wildcard",
                "a redirect with a wildcard is registered",
                at,
            )),
        },
        _ if facts.refused_at_authorization(registration) => {
            let fault = Fault::new(
                "refused_later",
                format!("a {kind} redirect is registered, and refused only when it is used"),
                at,
            );
            warns.push(match later {
                Some(landed) => fault.and(landed.place()),
                None => fault,
            });
        }
        _ => {
            let fault = Fault::new(
                match registration {
                    Registration::PlainHttp => "plain_http",
                    Registration::Script => "script",
                    _ => "data",
                },
                format!("a {kind} redirect is registered"),
                at,
            );
            fails.push(match later {
                Some(landed) => fault.and(landed.place()),
                None => fault,
            });
        }
    }
}
