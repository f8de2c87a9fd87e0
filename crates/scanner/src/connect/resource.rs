//! The two steps in the middle: protected-resource metadata is found, and is about this
//! resource.

use serde_json::Value;
use url::Url;

use super::profile::{Place, Profile, Resource, Then};
use super::{End, Walk, certificate};
use crate::evidence::{ExchangeId, PrmRole};
use crate::facts::documents::{Document, PrmCandidate};
use crate::facts::lookup::told;
use crate::facts::relation::{Relation, relation, same_origin};
use crate::facts::{Facts, discovery, quote};
use crate::report::{Class, Step};

/// What the authorization server is looked for with: the document, and the servers it lists.
pub(super) struct Metadata<'f> {
    pub(super) document: &'f Document,
    pub(super) servers: Vec<&'f str>,
}

/// Members of resource metadata that typed clients read as text, and as lists of texts.
const TEXTS: &[&str] = &["resource", "jwks_uri"];
const LISTS: &[&str] = &["authorization_servers", "scopes_supported"];

/// Whether these members, where they are there, have the type that the standards give them.
pub(super) fn well_typed(document: &Document, texts: &[&str], lists: &[&str]) -> bool {
    let text = |name: &&str| document.get(name).is_none_or(Value::is_string);
    let list = |name: &&str| {
        document.get(name).is_none_or(|value| {
            value
                .as_array()
                .is_some_and(|items| items.iter().all(Value::is_string))
        })
    };
    texts.iter().all(text) && lists.iter().all(list)
}

/// The next thing to do after one place.
enum Turn<'f> {
    Take(Metadata<'f>),
    Next,
    Without,
}

/// The metadata this client takes; nothing where it goes on without any.
pub(super) fn find<'f>(facts: &'f Facts<'_>, profile: &Profile) -> Walk<Option<Metadata<'f>>> {
    let places = places(facts, profile);
    let mut asked: Option<ExchangeId> = None;
    for (role, url) in &places {
        let Some(candidate) = facts.prm_at(url) else {
            return Err(End::cannot_tell(
                Step::ResourceMetadata,
                facts.never_asked().code(),
                format!("{} was not asked.", quote(url)),
            ));
        };
        asked.get_or_insert(candidate.answer.exchange.id);
        match look(facts, profile, *role, candidate)? {
            Turn::Take(metadata) => return Ok(Some(metadata)),
            Turn::Next => {}
            Turn::Without => return Ok(None),
        }
    }
    let bound = profile.header_binds
        && places
            .first()
            .is_some_and(|(role, _)| *role == PrmRole::Header);
    if bound && profile.pointer_fails == Then::Without {
        return Ok(None);
    }
    if !bound && profile.no_metadata == Then::Without {
        return Ok(None);
    }
    let (reason, said, check) = missing(facts, bound);
    let end = End::stops(Step::ResourceMetadata, reason, said, check);
    Err(match asked {
        Some(id) => end.at(id),
        None => end,
    })
}

fn missing(facts: &Facts<'_>, bound: bool) -> (&'static str, &'static str, &'static str) {
    if bound {
        return (
            "pointer_broken",
            "The URL that the challenge names has no resource metadata.",
            "challenge-resource-metadata-url",
        );
    }
    let check = match facts.class() {
        Class::Lazy => "challenge-lazy-prm",
        Class::StaticKey => "challenge-www-authenticate",
        _ => "prm-discoverable",
    };
    (
        "absent",
        "No place where this client looks has resource metadata.",
        check,
    )
}

/// The URLs it tries, in order.
fn places(facts: &Facts<'_>, profile: &Profile) -> Vec<(PrmRole, String)> {
    let header = profile
        .discovery
        .contains(&Place::Header)
        .then(|| facts.header_prm_url())
        .flatten();
    let known = discovery::prm_candidates(facts.endpoint(), None);
    let mut list: Vec<(PrmRole, String)> = Vec::new();
    let pointed = header.is_some();
    list.extend(header.map(|url| (PrmRole::Header, url)));
    if pointed && profile.header_binds {
        return list;
    }
    for place in &profile.discovery {
        let roles: &[PrmRole] = match place {
            Place::Header => &[],
            Place::Path => &[PrmRole::Path, PrmRole::PathNoSlash],
            Place::Appended => &[PrmRole::Appended],
            Place::Root => &[PrmRole::Root],
        };
        for (role, url) in known.iter().filter(|(role, _)| roles.contains(role)) {
            if !list.iter().any(|(_, listed)| listed == url) {
                list.push((*role, url.clone()));
            }
        }
    }
    list
}

/// What this client makes of the answer at one place.
fn look<'f>(
    facts: &'f Facts<'_>,
    profile: &Profile,
    role: PrmRole,
    candidate: &'f PrmCandidate<'_>,
) -> Walk<Turn<'f>> {
    let answer = &candidate.answer;
    let id = answer.exchange.id;
    let step = Step::ResourceMetadata;
    certificate(step, answer)?;
    let url = quote(&candidate.url);
    if answer.status().is_some_and(|status| status >= 500) {
        let end = End::stops(
            step,
            "server_error",
            format!("{url} fails with {}.", answer.status().unwrap_or_default()),
            "prm-http-response",
        );
        return turn(profile.server_error, role, end.at(id));
    }
    told(answer).map_err(|unmet| End::unread(step, &unmet, &url).at(id))?;
    let readable = candidate
        .prm()
        .filter(|document| !profile.typed || well_typed(document, TEXTS, LISTS));
    let Some(document) = readable else {
        if answer.status() != Some(200) {
            return Ok(Turn::Next);
        }
        let other_kind = candidate.document.is_some() && candidate.prm().is_none();
        let end = End::stops(
            step,
            "not_metadata",
            format!("{url} answers with something that is no resource metadata."),
            "prm-http-response",
        );
        let then = if other_kind {
            profile.no_resource
        } else {
            profile.not_metadata
        };
        return turn(then, role, end.at(id));
    };
    if let Some(resource) = document.text("resource") {
        if !accepts(facts, profile.resource, candidate, role, resource) {
            let end = End::stops(
                Step::Resource,
                "other_resource",
                format!("The metadata is about {}.", quote(resource)),
                explains(facts, resource),
            );
            return turn(profile.bad_resource, role, end.at(id));
        }
    } else if profile.resource != Resource::Any {
        let end = End::stops(
            Step::Resource,
            "no_resource",
            "The metadata names no resource.",
            "prm-resource-syntax",
        );
        return turn(profile.no_resource, role, end.at(id));
    }
    let servers = document.texts("authorization_servers").unwrap_or_default();
    if servers.is_empty() {
        let end = End::stops(
            step,
            "no_servers",
            "The metadata lists no authorization server.",
            "prm-authorization-servers-present",
        );
        return turn(profile.no_servers, role, end.at(id));
    }
    Ok(Turn::Take(Metadata { document, servers }))
}

fn turn<'f>(then: Then, role: PrmRole, end: End) -> Walk<Turn<'f>> {
    match then {
        Then::NextGuess if role == PrmRole::Header => Err(end),
        Then::Stop => Err(end),
        Then::Next | Then::NextGuess => Ok(Turn::Next),
        Then::Without => Ok(Turn::Without),
    }
}

/// The check that says what is wrong with a `resource`.
fn explains(facts: &Facts<'_>, resource: &str) -> &'static str {
    match Url::parse(resource) {
        Err(_) => "prm-resource-syntax",
        Ok(url) if !same_origin(&url, facts.endpoint()) => "prm-resource-same-origin",
        Ok(_) => "prm-resource-identical",
    }
}

fn accepts(
    facts: &Facts<'_>,
    rule: Resource,
    candidate: &PrmCandidate<'_>,
    role: PrmRole,
    resource: &str,
) -> bool {
    match rule {
        Resource::Any => true,
        Resource::Exact => exact(facts, candidate, role, resource),
        Resource::Parent => below(facts.endpoint(), resource, false),
        Resource::ParentOrSlash => below(facts.endpoint(), resource, true),
    }
}

/// What RFC 9728 section 3.3 asks for: the URL into which the suffix was inserted. The
/// endpoint itself is taken from every place.
fn exact(facts: &Facts<'_>, candidate: &PrmCandidate<'_>, role: PrmRole, resource: &str) -> bool {
    let endpoint = facts.endpoint_text();
    let origin = discovery::origin_of(facts.endpoint());
    let root = candidate.url == format!("{origin}/.well-known/oauth-protected-resource");
    resource == endpoint
        || (role == PrmRole::PathNoSlash && endpoint.strip_suffix('/') == Some(resource))
        // The slash of an empty path vanishes when the suffix is inserted (section 3.1).
        || (root && role != PrmRole::Header && resource.strip_suffix('/').unwrap_or(resource) == origin)
        || (facts.endpoint().path() == "/" && relation(resource, endpoint) == Relation::Slash)
}

/// The same origin, and the endpoint's path or a parent of it.
fn below(endpoint: &Url, resource: &str, slash: bool) -> bool {
    let Ok(named) = Url::parse(resource) else {
        return false;
    };
    if !same_origin(&named, endpoint) {
        return false;
    }
    let closed = |path: &str| format!("{}/", path.strip_suffix('/').unwrap_or(path));
    let (ours, theirs) = (endpoint.path(), named.path());
    closed(ours).starts_with(&closed(theirs)) && (slash || ours.len() >= theirs.len())
}
