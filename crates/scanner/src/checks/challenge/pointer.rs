//! Where the challenge points: present, usable, and not written by whoever asks.

use std::collections::BTreeSet;

use serde_json::Value;
use url::Url;

use super::{named, unauthorized, unseen};
use crate::check::{
    Area, Cause, Check, Fault, Judgement, Level, Na, Party, Place, ProbeClass, Severity, Unmet,
    Verdict, fail, inconclusive, na, warn,
};
use crate::checks::weigh::worst;
use crate::evidence::{PrmRole, Purpose};
use crate::facts::documents::PrmCandidate;
use crate::facts::outcome::{Answer, Outcome, unread};
use crate::facts::relation::{self, HostKind};
use crate::facts::{Facts, discovery, quote, settle};
use crate::plan::FORWARDED_HOST;
use crate::spec::{Matrix, Revision, Spec};

pub(super) const RESOURCE_METADATA_PARAM: Check = Check {
    id: "challenge-resource-metadata-param",
    title: "Every 401 names the metadata document in resource_metadata",
    area: Area::Challenge,
    level: Level::Must,
    party: &[Party::Server],
    class: ProbeClass::P0,
    severity: Severity::High,
    revisions: Matrix::of("NACC"),
    cites: &[
        Spec::Mcp(Revision::V2025_06_18).at("authorization#authorization-server-location"),
        Spec::Mcp(Revision::V2025_11_25)
            .at("authorization#protected-resource-metadata-discovery-requirements"),
        Spec::Mcp(Revision::V2026_07_28).at(
            "authorization/authorization-server-discovery#protected-resource-metadata-discovery-requirements",
        ),
        Spec::McpSep.at("985"),
        Spec::Rfc(9728).at("5.1"),
    ],
    why: "Clients that are not told fall back to guessing, and a document of another tenant at \
          the host's root can lead them astray.",
    fix: "Set the metadata URL in the token middleware, so that every 401 and 403 carries it.",
    traps: "2025-06-18 is stricter than what came after it, so each column is judged by its own \
            text. Under a scheme other than Bearer or DPoP the parameter does not help MCP \
            clients.",
    run: resource_metadata_param,
};

fn resource_metadata_param(facts: &Facts<'_>, revision: Revision) -> Judgement {
    let refusals = unauthorized(facts);
    if refusals.is_empty() {
        return Err(unseen(facts));
    }
    let without: Vec<&Answer<'_>> = refusals
        .iter()
        .copied()
        .filter(|answer| answer.token_param("resource_metadata").is_none())
        .collect();
    let Some(first) = without.first() else {
        return Ok(Verdict::Pass);
    };
    if without.iter().any(|answer| unreadable_pointer(answer)) {
        return Err(Unmet::Blocked("challenge-syntax"));
    }
    let place = first.challenge_place();
    let elsewhere = without.iter().any(|answer| {
        answer
            .challenges
            .list
            .iter()
            .any(|challenge| challenge.param("resource_metadata").is_some())
    });
    let what = named(first.exchange.purpose);
    let fault = if elsewhere {
        Fault::new(
            "under_other_scheme",
            format!(
                "The 401 to {what} has `resource_metadata` under a scheme that MCP clients do not read."
            ),
            place,
        )
    } else if without.len() < refusals.len() {
        Fault::new(
            "missing_on_some",
            format!("The 401 to {what} has no `resource_metadata`, although others have."),
            place,
        )
    } else {
        Fault::new(
            "missing",
            format!("The 401 to {what} has no `resource_metadata`."),
            place,
        )
    };
    // From 2025-11-25 on it is one of two ways; a well-known location is the other.
    if facts.well_known_prm().is_some() && revision >= Revision::V2025_11_25 {
        warn(fault)
    } else {
        fail(fault)
    }
}

/// The parameter was meant, in a header that nobody can parse.
fn unreadable_pointer(answer: &Answer<'_>) -> bool {
    !answer.challenges.errors.is_empty()
        && answer.response().is_some_and(|response| {
            response
                .headers_named("www-authenticate")
                .any(|line| line.contains("resource_metadata"))
        })
}

pub(super) const RESOURCE_METADATA_URL: Check = Check {
    id: "challenge-resource-metadata-url",
    title: "resource_metadata is an https URL of the server that serves the document",
    area: Area::Challenge,
    level: Level::Must,
    party: &[Party::Server],
    class: ProbeClass::P0,
    severity: Severity::High,
    revisions: Matrix::of("NAAA"),
    cites: &[
        Spec::Rfc(9728).at("3"),
        Spec::Rfc(9728).at("5.1"),
        Spec::Rfc(9728).at("7.1"),
        Spec::Rfc(9728).at("7.3"),
        Spec::Rfc(9728).at("7.7"),
        Spec::McpBestPractices.at("SSRF"),
    ],
    why: "Clients must follow it first: a dead URL ends discovery, and one that leads elsewhere \
          aims them at internal services or at somebody else's metadata.",
    fix: "Name the path-inserted well-known URL of the public endpoint, and serve it to everybody.",
    traps: "Typical faults are a header that names the root document while only the path document \
            exists, and middleware that guards `/.well-known` as well. A broken header is worse \
            than none.",
    run: resource_metadata_url,
};

fn resource_metadata_url(facts: &Facts<'_>, _: Revision) -> Judgement {
    let Some((value, answer)) = facts.resource_metadata() else {
        return if unauthorized(facts).is_empty() {
            Err(unseen(facts))
        } else {
            na(Na::AbsentByChoice)
        };
    };
    let place = answer.challenge_place();
    let form = match form_of(facts, value, &place) {
        Some(Ok(Verdict::Fail(fault))) => return fail(fault),
        other => other,
    };
    let served = facts
        .prm_candidates()
        .iter()
        .find(|candidate| candidate.role == PrmRole::Header)
        .map_or_else(
            || inconclusive(facts.never_asked()),
            |candidate| serves(candidate, &place),
        );
    worst(form.into_iter().chain([served]))
}

/// What is wrong with the value itself; `None` if nothing is.
fn form_of(facts: &Facts<'_>, value: &str, place: &Place) -> Option<Judgement> {
    let wrong = |reason, what: &str| {
        Some(fail(Fault::new(
            reason,
            format!("`resource_metadata` {what}: {}.", quote(value)),
            place.clone(),
        )))
    };
    let Ok(url) = Url::parse(value) else {
        return wrong("not_absolute", "is no absolute URL");
    };
    let Some(host) = url.host() else {
        return wrong("not_absolute", "names no host");
    };
    if !url.username().is_empty() || url.password().is_some() {
        return wrong("userinfo", "holds user information");
    }
    if value.contains('#') {
        return wrong("fragment", "has a fragment");
    }
    let host = relation::host_kind(&host);
    let internal = !matches!(host, HostKind::Public | HostKind::PublicAddress);
    if internal && !facts.evidence.allow_private {
        return wrong("internal_host", "names a host that the public cannot reach");
    }
    if !facts.secure(&url) {
        return wrong("not_https", "is no https URL");
    }
    let home = facts.endpoint();
    if relation::same_origin(&url, home) {
        return None;
    }
    let (ours, theirs) = (
        home.host_str().unwrap_or_default(),
        url.host_str().unwrap_or_default(),
    );
    let related = ours == theirs
        || relation::registrable_domain(ours)
            .is_some_and(|domain| relation::registrable_domain(theirs).as_ref() == Some(&domain));
    if !related {
        return wrong("foreign_site", "leads to an unrelated site");
    }
    Some(warn(Fault::new(
        "other_origin",
        format!(
            "`resource_metadata` leads to another origin of the same site: {}.",
            quote(value)
        ),
        place.clone(),
    )))
}

/// What the named URL answers.
fn serves(candidate: &PrmCandidate<'_>, place: &Place) -> Judgement {
    let answer = settle(&candidate.answer)?;
    let Some(response) = answer.response() else {
        return inconclusive(Cause::Network);
    };
    let id = answer.exchange.id;
    if candidate.prm().is_some() {
        return if candidate.redirected {
            warn(
                Fault::new(
                    "redirected",
                    "`resource_metadata` names a URL that redirects to the document.",
                    place.clone(),
                )
                .and(Place::new(id, "url")),
            )
        } else {
            Ok(Verdict::Pass)
        };
    }
    if let Some(cause) = unread(response) {
        return inconclusive(cause);
    }
    let (reason, what, at) = match response.status {
        200 => (
            "not_a_document",
            "answers 200 with something that is no protected-resource metadata".to_owned(),
            Place::body(id, ""),
        ),
        status => ("not_served", format!("answers {status}"), Place::status(id)),
    };
    fail(
        Fault::new(
            reason,
            format!(
                "The URL that `resource_metadata` names, {}, {what}.",
                quote(&candidate.url)
            ),
            at,
        )
        .and(place.clone()),
    )
}

pub(super) const HOST_REFLECTION: Check = Check {
    id: "challenge-host-reflection",
    title: "Forwarding headers of a request change nothing in the challenge or the metadata",
    area: Area::Challenge,
    level: Level::Should,
    party: &[Party::Server],
    class: ProbeClass::P1,
    severity: Severity::High,
    revisions: Matrix::of("AAAA"),
    cites: &[
        Spec::Rfc(9728).at("7.3"),
        Spec::Rfc(9728).at("7.10"),
        Spec::Rfc(9110).at("7.2"),
        Spec::Cwe(644).at(""),
        Spec::Hygiene.at(""),
    ],
    why: "With a poisoned shared cache, or from any position that can add a header, clients can \
          be led to an attacker's authorization server.",
    fix: "Set the public base URL in the configuration; take forwarding headers only from the \
          trusted proxy, which overwrites what came from outside.",
    traps: "Only forwarding headers are tried, because building URLs from Host is legitimate on \
            shared hosts. Behind a network that strips them a pass says nothing about the server \
            itself.",
    run: host_reflection,
};

fn host_reflection(facts: &Facts<'_>, _: Revision) -> Judgement {
    let endpoint = facts.answer(Purpose::ForwardedEndpoint);
    let documents: Vec<&Answer<'_>> = [Purpose::ForwardedPrm, Purpose::ForwardedAsMetadata]
        .into_iter()
        .flat_map(|purpose| facts.all(purpose))
        .collect();
    if endpoint.is_none() && documents.is_empty() {
        return Err(facts.missing());
    }
    let challenged = facts
        .control()
        .is_some_and(|answer| !answer.challenges.list.is_empty());
    if !challenged && documents.is_empty() && facts.own_documents().is_empty() {
        return Err(facts
            .diverted()
            .unwrap_or(Unmet::NotApplicable(Na::Other("nothing_hosted"))));
    }
    let pairs = endpoint
        .into_iter()
        .map(|answer| (answer, facts.control()))
        .chain(
            documents
                .into_iter()
                .map(|answer| (answer, plain_of(facts, answer))),
        );
    worst(pairs.map(|(answer, plain)| reflects(facts, answer, plain)))
}

/// The same document, read without forwarding headers.
fn plain_of<'f, 'e>(facts: &'f Facts<'e>, forwarded: &Answer<'_>) -> Option<&'f Answer<'e>> {
    let url = &forwarded.exchange.asked.url;
    facts.plain_answers().rfind(|answer| {
        matches!(
            answer.exchange.purpose,
            Purpose::Prm(_) | Purpose::AsMetadata(..)
        ) && url
            .strip_prefix(answer.exchange.asked.url.as_str())
            .is_some_and(|rest| rest.starts_with(['?', '&']))
    })
}

/// A text of an answer, with its place and whether clients take it as an address.
struct Spoken {
    text: String,
    place: Place,
    address: bool,
}

fn spoken(answer: &Answer<'_>) -> Vec<Spoken> {
    let Some(response) = answer.response() else {
        return Vec::new();
    };
    let id = answer.exchange.id;
    let mut list: Vec<Spoken> = response
        .headers
        .iter()
        .map(|(name, value)| Spoken {
            text: value.clone(),
            place: Place::header(id, name),
            address: matches!(
                name.as_str(),
                "www-authenticate" | "location" | "link" | "content-location"
            ),
        })
        .collect();
    match answer.json_object() {
        Some(object) => {
            let mut strings = Vec::new();
            for (name, value) in &object {
                collect(value, &format!("/{name}"), &mut strings);
            }
            list.extend(strings.into_iter().map(|(pointer, text)| Spoken {
                text,
                place: Place::body(id, &pointer),
                address: true,
            }));
        }
        None => list.push(Spoken {
            text: response.body.text.clone(),
            place: Place::body(id, ""),
            address: false,
        }),
    }
    list
}

/// Every string of a value. The parser bounds the depth.
fn collect(value: &Value, pointer: &str, out: &mut Vec<(String, String)>) {
    match value {
        Value::String(text) => out.push((pointer.to_owned(), text.clone())),
        Value::Array(items) => {
            for (position, item) in items.iter().enumerate() {
                collect(item, &format!("{pointer}/{position}"), out);
            }
        }
        Value::Object(members) => {
            for (name, item) in members {
                collect(item, &format!("{pointer}/{name}"), out);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn reflects(facts: &Facts<'_>, answer: &Answer<'_>, plain: Option<&Answer<'_>>) -> Judgement {
    if matches!(answer.outcome, Outcome::Net | Outcome::Block) {
        settle(answer)?;
    }
    let texts = spoken(answer);
    let named = |text: &Spoken| text.text.to_ascii_lowercase().contains(FORWARDED_HOST);
    if let Some(text) = texts.iter().find(|text| text.address && named(text)) {
        return fail(Fault::new(
            "host_reflected",
            format!(
                "The host of `X-Forwarded-Host` appears in the answer: {}.",
                quote(&text.text)
            ),
            text.place.clone(),
        ));
    }
    if let Some(text) = texts.iter().find(|text| named(text)) {
        return warn(Fault::new(
            "host_echoed",
            "The host of `X-Forwarded-Host` is repeated in the text of the answer.",
            text.place.clone(),
        ));
    }
    let own = format!(
        "http://{}",
        discovery::origin_of(facts.endpoint())
            .split_once("://")
            .map_or("", |(_, authority)| authority)
    );
    let before: BTreeSet<String> = plain
        .map(|plain| spoken(plain).into_iter().map(|text| text.text).collect())
        .unwrap_or_default();
    let flipped = texts
        .iter()
        .find(|text| text.address && text.text.contains(&own) && !before.contains(&text.text));
    match flipped {
        Some(text) if facts.endpoint().scheme() == "https" => warn(Fault::new(
            "scheme_reflected",
            format!(
                "With `X-Forwarded-Proto: http` the answer names the server by http: {}.",
                quote(&text.text)
            ),
            text.place.clone(),
        )),
        _ => settle(answer).map(|_| Verdict::Pass),
    }
}
