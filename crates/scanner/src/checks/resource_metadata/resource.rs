//! What `resource` says, and how it relates to the endpoint.

#[cfg(test)]
mod cases;

#[cfg(test)]
pub(super) use cases::CASES;

use serde_json::Value;
use url::Url;

use crate::check::{
    Area, Check, Fault, Judgement, Level, Party, Place, ProbeClass, Severity, Unmet, Verdict, fail,
    inconclusive, warn, worst,
};
use crate::evidence::{PrmRole, Purpose};
use crate::facts::documents::{Document, Prm};
use crate::facts::outcome::{Answer, Outcome};
use crate::facts::relation::{self, Relation};
use crate::facts::{Facts, classify, discovery, quote, settle};
use crate::spec::{Matrix, Revision, Spec};

pub(super) const SYNTAX: Check = Check {
    id: "prm-resource-syntax",
    title: "`resource` is present and a legal resource identifier",
    area: Area::ResourceMetadata,
    level: Level::Must,
    party: &[Party::Server],
    class: ProbeClass::P0,
    severity: Severity::High,
    revisions: Matrix::of("NAAA"),
    cites: &[
        Spec::Rfc(9728).at("1.2"),
        Spec::Rfc(9728).at("2"),
        Spec::Rfc(8707).at("2"),
        Spec::Mcp(Revision::V2026_07_28).at("authorization#canonical-server-uri"),
    ],
    why: "Clients ask for tokens for this identifier; if it is no URL they cannot bind the token to the server and leave the binding out.",
    fix: "Set `resource` to the public URL of the endpoint.",
    traps: "Some identity platforms use an `api://` identifier as audience, and operators publish that. An http URL is legal here; whether it names this origin is judged separately.",
    run: syntax,
};

pub(super) const SAME_ORIGIN: Check = Check {
    id: "prm-resource-same-origin",
    title: "`resource` names the origin that is being used",
    area: Area::ResourceMetadata,
    level: Level::Must,
    party: &[Party::Server],
    class: ProbeClass::P0,
    severity: Severity::Critical,
    revisions: Matrix::of("NAAA"),
    cites: &[
        Spec::Rfc(9728).at("3.3"),
        Spec::Rfc(9728).at("7.3"),
        Spec::Rfc(8707).at("2"),
        Spec::Mcp(Revision::V2026_07_28).at("authorization#resource-parameter-implementation"),
    ],
    why: "A hostile server could name a foreign resource, have the client fetch a token for it, and receive that token.",
    fix: "Publish the public origin from configuration instead of deriving it from the internal host, port or scheme.",
    traps: "Inner host names, container ports and http behind a TLS proxy are the usual causes, and clients still must discard the document. A second host of the same domain is asked whether it is the same deployment before this fails.",
    run: same_origin,
};

pub(super) const IDENTICAL: Check = Check {
    id: "prm-resource-identical",
    title: "`resource` is identical to the endpoint's URL",
    area: Area::ResourceMetadata,
    level: Level::Must,
    party: &[Party::Server],
    class: ProbeClass::P0,
    severity: Severity::Medium,
    revisions: Matrix::of("NAAA"),
    cites: &[
        Spec::Rfc(9728).at("3.3"),
        Spec::Mcp(Revision::V2026_07_28).at("authorization#canonical-server-uri"),
    ],
    why: "Otherwise one token serves several servers of an origin, or careful clients throw the document away.",
    fix: "Set `resource` to exactly the URL that users enter, without a trailing slash.",
    traps: "By the letter every difference forbids the use of the document; the common client libraries accept a parent path, so that is a warning. A root document that names the bare origin is what the standard asks of it.",
    run: identical,
};

pub(super) const CANONICAL: Check = Check {
    id: "prm-resource-canonical",
    title: "`resource` is spelt canonically",
    area: Area::ResourceMetadata,
    level: Level::Should,
    party: &[Party::Server],
    class: ProbeClass::P0,
    severity: Severity::Low,
    revisions: Matrix::of("NAAA"),
    cites: &[
        Spec::Mcp(Revision::V2025_06_18).at("authorization#canonical-server-uri"),
        Spec::Mcp(Revision::V2026_07_28).at("authorization#canonical-server-uri"),
        Spec::Rfc(8707).at("2"),
        Spec::Rfc(3986).at("6.2"),
        Spec::Rfc(9728).at("1.2"),
    ],
    why: "Audiences that differ by a slash make strict validators refuse good tokens, and then the validators are loosened.",
    fix: "Publish the lower-case form without slash, port and query, and use the same string as the token's audience.",
    traps: "URL types of several languages add a slash to a bare host when they write it out. An endpoint that itself ends in a slash may keep it.",
    run: canonical,
};

/// The URL in `resource`, or the reason code and words of what makes it illegal.
fn legal(value: Option<&Value>) -> Result<(&str, Url), (&'static str, &'static str)> {
    let text = match value {
        None | Some(Value::Null) => return Err(("missing", "`resource` is missing")),
        Some(Value::String(text)) if text.is_empty() => {
            return Err(("missing", "`resource` is empty"));
        }
        Some(Value::String(text)) => text.as_str(),
        Some(_) => return Err(("not_a_string", "`resource` is not a string")),
    };
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(if text.contains(':') && Url::parse(text).is_ok() {
            (
                "not_http",
                "`resource` is an identifier that no client can use as URL",
            )
        } else {
            ("relative", "`resource` is not an absolute URL")
        });
    };
    if !scheme.eq_ignore_ascii_case("https") && !scheme.eq_ignore_ascii_case("http") {
        return Err(("not_http", "`resource` is neither an https nor an http URL"));
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(("not_a_url", "`resource` holds white space"));
    }
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err(("userinfo", "`resource` holds user information"));
    }
    if authority.is_empty() {
        return Err(("not_a_url", "`resource` has no host"));
    }
    if text.contains('#') {
        return Err(("fragment", "`resource` has a fragment"));
    }
    match Url::parse(text) {
        Ok(url) if url.has_host() => Ok((text, url)),
        _ => Err(("not_a_url", "`resource` is not a URL")),
    }
}

/// The URL in `resource`, for the checks that rest on its being legal.
fn named<'f>(prm: &Prm<'f, '_>) -> Result<(&'f str, Url), Unmet> {
    legal(prm.document.get("resource")).map_err(|_| Unmet::Blocked("prm-resource-syntax"))
}

fn syntax(facts: &Facts<'_>, revision: Revision) -> Judgement {
    let prm = facts.prm(revision)?;
    let place = prm.place("resource");
    match legal(prm.document.get("resource")) {
        Ok((text, url)) if url.query().is_some() => warn(Fault::new(
            "query",
            format!("{} has a query", quote(text)),
            place,
        )),
        Ok(_) => Ok(Verdict::Pass),
        Err((reason, words)) => {
            let said = match prm.resource() {
                Some(text) if !text.is_empty() => format!("{words}: {}", quote(text)),
                _ => words.to_owned(),
            };
            fail(Fault::new(reason, said, place))
        }
    }
}

fn same_origin(facts: &Facts<'_>, revision: Revision) -> Judgement {
    let prm = facts.prm(revision)?;
    let (text, url) = named(&prm)?;
    let home = facts.endpoint();
    if relation::same_origin(&url, home) {
        return Ok(Verdict::Pass);
    }
    let said = format!(
        "{} is not at the origin of {}",
        quote(text),
        quote(facts.endpoint_text())
    );
    let found = relation::relation(text, facts.endpoint_text()).as_str();
    let fault = |reason| Fault::new(reason, said.clone(), prm.place("resource")).relation(found);
    if discovery::alias(home, text).is_some()
        && let Some(place) = is_alias(facts, &prm)?
    {
        return warn(fault("alias").and(place));
    }
    fail(fault(if url.host_str() != home.host_str() {
        "host"
    } else if url.scheme() != home.scheme() {
        "scheme"
    } else {
        "port"
    }))
}

/// Whether the host in `resource` serves the same document and the same endpoint; then the
/// place that shows it.
fn is_alias(facts: &Facts<'_>, prm: &Prm<'_, '_>) -> Result<Option<Place>, Unmet> {
    let there: Vec<&Answer<'_>> = [PrmRole::Path, PrmRole::PathNoSlash, PrmRole::Root]
        .into_iter()
        .filter_map(|role| facts.answer(Purpose::AliasPrm(role)))
        .collect();
    let Some(endpoint) = facts.answer(Purpose::AliasEndpoint) else {
        return inconclusive(facts.never_asked());
    };
    // No answer there is an answer: the name is not one that clients can use.
    for answer in there.iter().chain([&endpoint]) {
        if answer.outcome == Outcome::Block {
            settle(answer)?;
        }
    }
    let same = |document: &Document| {
        ["resource", "authorization_servers"]
            .iter()
            .all(|name| document.get(name) == prm.document.get(name))
    };
    let document = there
        .iter()
        .find_map(|answer| Document::of(answer).filter(same));
    let here = classify::greeting(facts).and_then(|purpose| facts.answer(purpose));
    let alike = here.is_some_and(|here| {
        here.outcome == endpoint.outcome
            && (here.refuses_for_credentials() || here.outcome == Outcome::Open)
    });
    Ok(document
        .filter(|_| alike)
        .map(|document| document.place("resource")))
}

fn identical(facts: &Facts<'_>, revision: Revision) -> Judgement {
    let prm = facts.prm(revision)?;
    let (text, url) = named(&prm)?;
    let endpoint = facts.endpoint();
    if !relation::same_origin(&url, endpoint) {
        return Err(Unmet::Blocked("prm-resource-same-origin"));
    }
    let listing = facts.evidence.target.listing.as_ref();
    let as_listed = listing.and_then(|listing| listing.raw_url.as_deref());
    let origin = discovery::origin_of(endpoint);
    let names_root = text.strip_suffix('/').unwrap_or(text) == origin;
    if text == facts.endpoint_text()
        || as_listed == Some(text)
        || (prm.role() == PrmRole::Root && names_root)
    {
        return Ok(Verdict::Pass);
    }
    let found = relation::relation(text, facts.endpoint_text());
    let without_query = |url: &Url| {
        let mut url = url.clone();
        url.set_query(None);
        url
    };
    let (reason, degree) = match found {
        Relation::Identical | Relation::Slash => ("slash", false),
        Relation::CasePort => ("case_port", false),
        Relation::Prefix => ("prefix", false),
        _ if without_query(&url) == without_query(endpoint) => ("query", false),
        Relation::Longer => ("longer", true),
        Relation::Sibling | Relation::SameSite | Relation::Foreign | Relation::NotUrl => {
            ("sibling", true)
        }
    };
    let fault = Fault::new(
        reason,
        format!(
            "{} is not identical to {}",
            quote(text),
            quote(facts.endpoint_text())
        ),
        prm.place("resource"),
    )
    .relation(found.as_str());
    if degree { fail(fault) } else { warn(fault) }
}

fn canonical(facts: &Facts<'_>, revision: Revision) -> Judgement {
    let prm = facts.prm(revision)?;
    let (text, url) = named(&prm)?;
    let (scheme, rest) = text.split_once("://").unwrap_or_default();
    let cut = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(cut);
    let path = tail.split('?').next().unwrap_or_default();
    let dots = path.split('/').any(|segment| {
        matches!(
            segment.to_ascii_lowercase().as_str(),
            "." | ".." | "%2e" | "%2e%2e" | ".%2e" | "%2e."
        )
    });
    let upper = |text: &str| text.chars().any(|c| c.is_ascii_uppercase());
    let port = authority.rsplit_once(':').map(|(_, port)| port);
    let deviations = [
        (
            upper(scheme) || upper(authority),
            "upper_case",
            "upper case in scheme or host",
        ),
        // The parser drops a port only where it is the scheme's default.
        (
            port.is_some_and(|port| port.bytes().all(|b| b.is_ascii_digit()))
                && url.port().is_none(),
            "default_port",
            "the default port",
        ),
        (
            path.ends_with('/') && !facts.endpoint().path().ends_with('/'),
            "trailing_slash",
            "a trailing slash",
        ),
        (dots, "dot_segments", "dot segments"),
        (tail.contains('?'), "query", "a query"),
    ];
    let faults = deviations
        .into_iter()
        .filter(|(present, _, _)| *present)
        .map(|(_, reason, words)| {
            Fault::new(
                reason,
                format!("{} has {words}", quote(text)),
                prm.place("resource"),
            )
        })
        .collect();
    worst(Vec::new(), faults)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::testkit::*;

    #[test]
    fn loopback_names_are_different_resources() {
        let mut world = World::compliant();
        world.allow_private = true;
        let endpoint = "http://127.0.0.1:21000/mcp";
        world.target = crate::target::Target::of(endpoint);
        world
            .on(move |ask| ask.url == endpoint, challenge("Bearer scope=\"mcp:read\""))
            .document(
                "http://127.0.0.1:21000/.well-known/oauth-protected-resource/mcp",
                serde_json::json!({ "resource": "http://localhost:21000/mcp", "authorization_servers": ["http://localhost:21001/"] }),
            );
        let said = judged("prm-resource-same-origin", Revision::HEADLINE, &world);
        assert!(
            matches!(&said, Ok(Verdict::Fail(fault)) if fault.reason == "host"),
            "{said:?}"
        );
    }
}
