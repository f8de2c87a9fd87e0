//! Where the document is found, and how it is served.

#[cfg(test)]
mod cases;

#[cfg(test)]
pub(super) use cases::CASES;

use std::collections::BTreeSet;

use crate::check::{
    Area, Check, Fault, Judgement, Level, Na, Party, Place, ProbeClass, Severity, Unmet, Verdict,
    fail, inconclusive, na, warn, worst,
};
use crate::evidence::PrmRole;
use crate::facts::documents::{Document, PrmCandidate};
use crate::facts::lookup::{brief, told};
use crate::facts::outcome::{Outcome, unread};
use crate::facts::{Facts, quote};
use crate::report::Class;
use crate::spec::{Matrix, Revision, Spec};

pub(super) const DISCOVERABLE: Check = Check {
    id: "prm-discoverable",
    title: "Protected-resource metadata is found where clients look for it",
    area: Area::ResourceMetadata,
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
        Spec::Rfc(9728).at("3"),
    ],
    why: "Without the document nothing ties the resource to its authorization server, so clients guess, and a guess can be steered to another server.",
    fix: "Serve the document at the well-known URL with the endpoint's path inserted, and name that URL in the challenge.",
    traps: "Catch-all routes answer 200 for any URL, so only an object with `resource` or `authorization_servers` counts. A document that stands only where no client looks is named in the finding but earns nothing.",
    run: discoverable,
};

pub(super) const PATH_LOCATION: Check = Check {
    id: "prm-path-location",
    title: "The metadata stands at the well-known URL with the endpoint's path inserted",
    area: Area::ResourceMetadata,
    level: Level::Must,
    party: &[Party::Server],
    class: ProbeClass::P0,
    severity: Severity::Medium,
    revisions: Matrix::of("NAAA"),
    cites: &[
        Spec::Rfc(9728).at("3"),
        Spec::Rfc(9728).at("3.1"),
        Spec::Mcp(Revision::V2026_07_28).at(
            "authorization/authorization-server-discovery#protected-resource-metadata-discovery-requirements",
        ),
    ],
    why: "The root document of a shared host belongs to no tenant in particular, so one tenant's metadata can stand in for another's.",
    fix: "Route `/.well-known/oauth-protected-resource` followed by the endpoint's path to the document.",
    traps: "A 5xx at this URL makes a widely used client give up although a later place would have answered, hence a failure. Servers differ on the endpoint's query; both forms are accepted.",
    run: path_location,
};

pub(super) const ROOT_PATH_AGREEMENT: Check = Check {
    id: "prm-root-path-agreement",
    title: "All copies of the metadata name the same authorization servers",
    area: Area::ResourceMetadata,
    level: Level::Should,
    party: &[Party::Server],
    class: ProbeClass::P0,
    severity: Severity::Medium,
    revisions: Matrix::of("NAAA"),
    cites: &[
        Spec::Rfc(9728).at("3.3"),
        Spec::Rfc(9728).at("7.3"),
        Spec::Rfc(9728).at("7.6"),
        Spec::Hygiene.at(""),
    ],
    why: "A client that happens to read the other copy is sent to another authorization server.",
    fix: "Produce every copy from one source.",
    traps: "Hosting platforms publish one root document for a whole host: where `resource` differs too, this is a warning only.",
    run: root_path_agreement,
};

pub(super) const HTTP_RESPONSE: Check = Check {
    id: "prm-http-response",
    title: "The metadata is served openly as one JSON object of type application/json",
    area: Area::ResourceMetadata,
    level: Level::Must,
    party: &[Party::Server],
    class: ProbeClass::P0,
    severity: Severity::Medium,
    revisions: Matrix::of("NAAA"),
    cites: &[Spec::Rfc(9728).at("3.1"), Spec::Rfc(9728).at("3.2")],
    why: "Strict clients refuse another media type, and lenient ones may read what something in between put there; of contradictory members two clients may each take another.",
    fix: "Set the media type explicitly, write every member once, and exempt `/.well-known/` from authentication, rewriting and page fallbacks.",
    traps: "Static hosting guesses a binary type for names without an extension. Servers that negotiate content may answer browsers with HTML, so JSON is always asked for.",
    run: http_response,
};

fn discoverable(facts: &Facts<'_>, revision: Revision) -> Judgement {
    let search = facts.prm_search(revision);
    let found: Vec<&PrmCandidate<'_>> = search
        .iter()
        .filter_map(|(_, _, candidate)| candidate.filter(|c| c.prm().is_some()))
        .collect();
    if found.iter().any(|candidate| !candidate.redirected) {
        return Ok(Verdict::Pass);
    }
    if let Some(candidate) = found.first() {
        return warn(Fault::new(
            "redirected",
            format!(
                "the document is reached only through a redirect from {}",
                quote(&candidate.url)
            ),
            Place::new(candidate.answer.exchange.id, "url"),
        ));
    }
    match facts.class() {
        Class::Lazy => return na(Na::Other("lazy_without_prm")),
        Class::BrowserSso => return Err(Unmet::Blocked("challenge-not-login-redirect")),
        _ => {}
    }
    let mut tried: Vec<String> = Vec::new();
    let mut places: Vec<Place> = Vec::new();
    for (_, url, candidate) in &search {
        let Some(candidate) = candidate else {
            return inconclusive(facts.never_asked());
        };
        told(&candidate.answer)?;
        tried.push(format!("{} ({})", quote(url), brief(&candidate.answer)));
        places.push(Place::status(candidate.answer.exchange.id));
    }
    let elsewhere = facts.any_prm();
    if let Some(candidate) = elsewhere {
        places.push(Place::body(candidate.answer.exchange.id, ""));
        tried.push(format!(
            "a document stands at {}, where no client looks",
            quote(&candidate.url)
        ));
    }
    let reason = if elsewhere.is_some() {
        "elsewhere"
    } else {
        "not_found"
    };
    let said = format!("no document at {}", tried.join(", "));
    let mut places = places.into_iter();
    let Some(first) = places.next() else {
        return inconclusive(facts.never_asked());
    };
    fail(places.fold(Fault::new(reason, said, first), Fault::and))
}

fn path_location(facts: &Facts<'_>, revision: Revision) -> Judgement {
    let prm = facts.prm(revision)?;
    let here = facts.prm_at_path();
    let valid = || here.iter().filter(|candidate| candidate.prm().is_some());
    if valid().any(|candidate| !candidate.redirected) {
        return Ok(Verdict::Pass);
    }
    if let Some(candidate) = valid().next() {
        return warn(Fault::new(
            "redirected",
            format!("{} redirects to the document", quote(&candidate.url)),
            Place::new(candidate.answer.exchange.id, "url"),
        ));
    }
    if let Some(fault) = here.iter().find_map(|candidate| broken(candidate)) {
        return fail(fault);
    }
    for candidate in &here {
        told(&candidate.answer)?;
    }
    let Some(first) = here.first() else {
        return inconclusive(facts.never_asked());
    };
    let (reason, stands) = if facts.prm_root().is_some() {
        ("root_only", "only the root document exists")
    } else {
        (
            "custom_only",
            "the document exists only where the challenge points",
        )
    };
    warn(
        Fault::new(
            reason,
            format!(
                "{} has no document ({}): {stands}",
                quote(&first.url),
                brief(&first.answer)
            ),
            Place::status(first.answer.exchange.id),
        )
        .and(prm.place("")),
    )
}

/// An answer at the path-inserted URL that stops a client instead of sending it on.
fn broken(candidate: &PrmCandidate<'_>) -> Option<Fault> {
    let answer = &candidate.answer;
    let response = answer.response()?;
    let said = match response.status {
        _ if answer.outcome == Outcome::Block || unread(response).is_some() => return None,
        500..=599 => ("server_error", "fails"),
        401 | 403 => ("refused", "asks for credentials"),
        200 => (
            "not_metadata",
            "answers 200 with something that is no such document",
        ),
        _ => return None,
    };
    Some(Fault::new(
        said.0,
        format!(
            "{} {} (status {})",
            quote(&candidate.url),
            said.1,
            response.status
        ),
        Place::status(answer.exchange.id),
    ))
}

fn root_path_agreement(facts: &Facts<'_>, revision: Revision) -> Judgement {
    facts.prm(revision)?;
    let search = facts.prm_search(revision);
    let documents: Vec<&Document> = search
        .iter()
        .filter_map(|(_, _, candidate)| candidate.and_then(|c| c.prm()))
        .collect();
    if documents.len() < 2 {
        for (_, _, candidate) in &search {
            match candidate {
                Some(candidate) => told(&candidate.answer)?,
                None => return inconclusive(facts.never_asked()),
            }
        }
        return na(Na::Other("one_document"));
    }
    let servers = |document: &Document| -> BTreeSet<String> {
        document
            .texts("authorization_servers")
            .unwrap_or_default()
            .into_iter()
            .map(str::to_owned)
            .collect()
    };
    let mut other = None;
    for (position, one) in documents.iter().enumerate() {
        for two in &documents[position + 1..] {
            if servers(one) == servers(two) {
                continue;
            }
            let resource = one.text("resource");
            if resource.is_some() && resource == two.text("resource") {
                return fail(
                    Fault::new(
                        "contradiction",
                        format!(
                            "two documents describe {} and list different authorization servers",
                            quote(resource.unwrap_or_default())
                        ),
                        one.place("authorization_servers"),
                    )
                    .and(two.place("authorization_servers")),
                );
            }
            other.get_or_insert_with(|| {
                Fault::new(
                    "other_resource",
                    "a second document describes another resource and lists other authorization servers",
                    one.place("authorization_servers"),
                )
                .and(two.place("resource"))
            });
        }
    }
    other.map_or(Ok(Verdict::Pass), warn)
}

fn http_response(facts: &Facts<'_>, revision: Revision) -> Judgement {
    let prm = facts.prm(revision)?;
    let candidate = prm.candidate;
    let id = candidate.answer.exchange.id;
    let (mut fails, mut warns) = (Vec::new(), Vec::new());
    let media = candidate.answer.response().and_then(|r| r.media_type());
    let written = quote(media.as_deref().unwrap_or_default());
    let at = Place::header(id, "content-type");
    match media.as_deref() {
        Some("application/json") => {}
        Some(media)
            if media == "text/json"
                || (media.starts_with("application/") && media.ends_with("+json")) =>
        {
            warns.push(Fault::new(
                "json_media_type",
                format!("served as {written} instead of application/json"),
                at,
            ));
        }
        Some(_) => fails.push(Fault::new(
            "media_type",
            format!("served as {written} instead of application/json"),
            at,
        )),
        None => fails.push(Fault::new("media_type", "served without a media type", at)),
    }
    for (pointer, equal) in &prm.document.duplicates {
        let (reason, values) = if *equal {
            ("duplicate_members", "equal")
        } else {
            ("contradictory_members", "different")
        };
        let fault = Fault::new(
            reason,
            format!("{} stands twice with {values} values", quote(pointer)),
            Place::body(id, pointer),
        );
        if *equal { &mut warns } else { &mut fails }.push(fault);
    }
    if let Some(locked) = locked(facts) {
        fails.push(locked);
    }
    if prm.document.bom {
        warns.push(Fault::new(
            "byte_order_mark",
            "the text begins with a byte-order mark",
            Place::body(id, ""),
        ));
    }
    if candidate.redirected {
        warns.push(Fault::new(
            "redirected",
            format!("{} redirects to the document", quote(&candidate.url)),
            Place::new(id, "url"),
        ));
    }
    worst(fails, warns)
}

/// The copy that the challenge names asks for credentials, although the document is published
/// elsewhere. (The path-inserted URL is judged by prm-path-location.)
fn locked(facts: &Facts<'_>) -> Option<Fault> {
    let url = facts.header_prm_url()?;
    if facts
        .prm_at_path()
        .iter()
        .any(|candidate| candidate.url == url)
    {
        return None;
    }
    let candidate = facts
        .prm_candidates()
        .iter()
        .find(|candidate| candidate.role == PrmRole::Header && candidate.url == url)?;
    let refused = matches!(candidate.answer.status(), Some(401 | 403))
        && candidate.answer.outcome != Outcome::Block;
    refused.then(|| {
        Fault::new(
            "requires_credentials",
            format!(
                "{}, which the challenge names, asks for credentials ({})",
                quote(&url),
                brief(&candidate.answer)
            ),
            Place::status(candidate.answer.exchange.id),
        )
    })
}
