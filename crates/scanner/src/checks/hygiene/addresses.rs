//! Internal hosts in public responses. A sentence names where, and the class of the address,
//! never the address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde_json::Value;

use crate::check::{Fault, Judgement, Na, Place, Verdict, fail, na, warn};
use crate::evidence::Purpose;
use crate::facts::documents::Document;
use crate::facts::outcome::{Answer, Outcome};
use crate::facts::{Facts, classify, quote, relation};
use crate::spec::Revision;
use crate::surface;

/// Headers in which an internal name is policy or our own echo, not a leak.
const PASSED_OVER: [&str; 6] = [
    "content-security-policy",
    "content-security-policy-report-only",
    "www-authenticate",
    "location",
    "mcp-session-id",
    "x-forwarded-for",
];

/// One internal address.
struct Found {
    /// What kind of address, for the sentence.
    class: &'static str,
    /// Where, for the sentence.
    whence: String,
    place: Place,
    /// Clients must use the value; these checks judge it, and count it if they fail.
    judges: Option<&'static [&'static str]>,
}

pub(super) fn internal(facts: &Facts<'_>, revision: Revision) -> Judgement {
    let inside = facts.endpoint().host().is_some_and(|host| {
        !matches!(
            relation::host_kind(&host),
            relation::HostKind::Public | relation::HostKind::PublicAddress
        )
    });
    if facts.evidence.allow_private && inside {
        return na(Na::Loopback);
    }
    if facts
        .plain_answers()
        .all(|answer| answer.response().is_none())
    {
        return na(Na::Other("no_responses"));
    }
    let mut found = Vec::new();
    in_documents(facts, &mut found);
    for answer in facts.plain_answers() {
        in_headers(answer, &mut found);
        in_error(answer, &mut found);
    }
    if let Some((data, answer)) = classify::endpoint_event(facts)
        && let Some(class) = address(&data, true)
    {
        found.push(Found {
            class,
            whence: "the endpoint event".into(),
            place: Place::body(answer.exchange.id, ""),
            judges: Some(&["legacy-sse-endpoint-origin"]),
        });
    }
    let total = found.len();
    found.retain(|found| {
        !found
            .judges
            .is_some_and(|judges| counted(facts, revision, judges))
    });
    let said = |found: &Found| format!("{} holds {}.", capitalised(&found.whence), found.class);
    if let Some(must) = found.iter().find(|found| found.judges.is_some()) {
        return fail(Fault::new("used_member", said(must), must.place.clone()));
    }
    match found.as_slice() {
        [] if total > 0 => na(Na::Other("counted_elsewhere")),
        [] => Ok(Verdict::Pass),
        [first, rest @ ..] => warn(rest.iter().take(4).map(|found| found.place.clone()).fold(
            Fault::new("described", said(first), first.place.clone()),
            Fault::and,
        )),
    }
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}

/// Whether one of these checks failed in this column, and so counts the value itself.
fn counted(facts: &Facts<'_>, revision: Revision, judges: &[&str]) -> bool {
    judges
        .iter()
        .filter_map(|id| super::super::by_id(id))
        .any(|check| {
            matches!(
                super::super::judge(check, facts, revision),
                Ok(Verdict::Fail(_))
            )
        })
}

fn in_documents(facts: &Facts<'_>, found: &mut Vec<Found>) {
    for candidate in facts.prm_candidates() {
        if let Some(document) = candidate.prm() {
            in_members(document, prm_judges, found);
        }
    }
    let listed: Vec<&Document> = facts
        .issuers()
        .iter()
        .flat_map(|issuer| issuer.candidates.iter())
        .filter_map(|candidate| candidate.asm())
        .collect();
    for document in listed {
        in_members(document, asm_judges, found);
    }
}

fn prm_judges(member: &str) -> Option<&'static [&'static str]> {
    match member {
        "resource" => Some(&[
            "prm-resource-same-origin",
            "prm-resource-syntax",
            "prm-resource-identical",
        ]),
        "authorization_servers" => Some(&[
            "prm-authorization-servers-form",
            "prm-authorization-servers-resolve",
        ]),
        "jwks_uri" => Some(&["prm-crypto-hygiene"]),
        _ => None,
    }
}

fn asm_judges(member: &str) -> Option<&'static [&'static str]> {
    match member {
        "issuer" => Some(&["asm-issuer-identical", "asm-issuer-syntax"]),
        "jwks_uri" | "mtls_endpoint_aliases" => Some(&["asm-endpoints-https"]),
        member if member.ends_with("_endpoint") => Some(&["asm-endpoints-https"]),
        _ => None,
    }
}

fn in_members(
    document: &Document,
    judges: fn(&str) -> Option<&'static [&'static str]>,
    found: &mut Vec<Found>,
) {
    for (member, value) in &document.members {
        let judges = judges(member);
        if let Some(class) = in_value(value, judges.is_some()) {
            found.push(Found {
                class,
                whence: format!("the metadata member {}", quote(member)),
                place: document.place(member),
                judges,
            });
        }
    }
}

/// The first internal address in the strings of a value.
fn in_value(value: &Value, loose: bool) -> Option<&'static str> {
    match value {
        Value::String(text) => address(text, loose),
        Value::Array(items) => items.iter().find_map(|item| in_value(item, loose)),
        Value::Object(members) => members.values().find_map(|item| in_value(item, loose)),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

fn in_headers(answer: &Answer<'_>, found: &mut Vec<Found>) {
    let Some(response) = answer.response() else {
        return;
    };
    let id = answer.exchange.id;
    for (name, value) in &response.headers {
        // What a surface leaves out cannot be judged.
        if PASSED_OVER.contains(&name.as_str()) || surface::is_volatile(name) {
            continue;
        }
        if let Some(class) = address(value, true) {
            found.push(Found {
                class,
                whence: format!("the header {name}"),
                place: Place::header(id, name),
                judges: None,
            });
        }
    }
    let pointer = answer
        .challenges
        .list
        .iter()
        .filter_map(|challenge| challenge.param("resource_metadata"))
        .find_map(|value| address(value, true));
    if let Some(class) = pointer {
        found.push(Found {
            class,
            whence: "the resource_metadata of the challenge".into(),
            place: Place::header(id, "www-authenticate"),
            judges: Some(&["challenge-resource-metadata-url"]),
        });
    }
    if let Some(class) = answer.location().and_then(|to| address(to.as_str(), true)) {
        found.push(Found {
            class,
            whence: "the header location".into(),
            place: Place::header(id, "location"),
            judges: matches!(
                answer.exchange.purpose,
                Purpose::Discover | Purpose::Initialize
            )
            .then_some(["transport-redirects"].as_slice()),
        });
    }
}

/// Bodies of errors; in prose only addresses and hosts of URLs count.
fn in_error(answer: &Answer<'_>, found: &mut Vec<Found>) {
    let Some(response) = answer.response() else {
        return;
    };
    let error = !(200..300).contains(&response.status) || answer.outcome == Outcome::RpcError;
    if !error || answer.outcome == Outcome::Block || response.body.base64 {
        return;
    }
    if let Some(class) = address(&response.body.text, false) {
        found.push(Found {
            class,
            whence: "an error response".into(),
            place: Place::body(answer.exchange.id, ""),
            judges: None,
        });
    }
}

/// The class of the first internal address in a text. Names count as hosts of URLs only,
/// unless `loose`.
fn address(text: &str, loose: bool) -> Option<&'static str> {
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let mut rest = 0;
    while let Some(offset) = text[rest..].find(|c: char| part(c) || c == '[') {
        let start = rest + offset;
        if text[start..].starts_with('[') {
            let inner = &text[start + 1..];
            let end = inner
                .find(|c: char| !(c.is_ascii_hexdigit() || matches!(c, ':' | '.')))
                .unwrap_or(inner.len());
            if let Ok(address) = inner[..end].parse::<Ipv6Addr>()
                && let Some(class) = address_class(IpAddr::V6(address))
            {
                return Some(class);
            }
            rest = start + 1;
            continue;
        }
        let length = text[start..]
            .find(|c| !part(c))
            .unwrap_or(text.len() - start);
        let token = text[start..start + length].trim_end_matches(['.', '-', '_']);
        if let Some(class) = host_class(&text[..start], token, loose) {
            return Some(class);
        }
        rest = start + length;
    }
    None
}

fn host_class(before: &str, token: &str, loose: bool) -> Option<&'static str> {
    if let Ok(address) = token.parse::<Ipv4Addr>() {
        // `product/10.0.0.1` is a version.
        let version = before
            .strip_suffix('/')
            .is_some_and(|product| product.ends_with(|c: char| c.is_ascii_alphanumeric()));
        return if version {
            None
        } else {
            address_class(IpAddr::V4(address))
        };
    }
    if !(loose || before.ends_with("//") || before.ends_with('@')) {
        return None;
    }
    let name = token.to_ascii_lowercase();
    if name == "localhost" || name.ends_with(".localhost") {
        return Some("the name of the machine itself");
    }
    [
        ".internal",
        ".local",
        ".svc.cluster.local",
        ".svc",
        ".localdomain",
    ]
    .iter()
    .any(|suffix| name.len() > suffix.len() && name.ends_with(suffix))
    .then_some("the name of an internal host")
}

fn address_class(address: IpAddr) -> Option<&'static str> {
    match relation::special_use(address)? {
        "private" | "shared" => Some("a private address"),
        "loopback" => Some("a loopback address"),
        "link-local" => Some("a link-local address"),
        "unique-local" => Some("a unique local address"),
        // Reserved for documentation and the like.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn internal_addresses_are_found() {
        for text in [
            "connect ECONNREFUSED 127.0.0.1:5432",
            "http://10.2.3.4:8000/mcp",
            "see https://api.svc.cluster.local/x",
            "http://localhost:3000",
            "http://user@db.internal/",
            "http://[::1]:8080/",
            "http://[fd12:3456::1]/",
            "upstream 192.168.1.9.",
        ] {
            assert!(address(text, false).is_some(), "{text}");
        }
        assert!(address("ip-10-0-0-1.ec2.internal", true).is_some());
    }

    #[test]
    fn others_are_not() {
        for text in [
            "http://192.0.2.7/",
            "https://example.com/localhost",
            "Chrome/10.0.0.1",
            "settings.local is missing",
            "8.8.8.8",
            "version 1.2.3",
            "https://localhost.example.com/",
            "[redacted:email]",
            "ä[",
        ] {
            assert_eq!(address(text, false), None, "{text}");
        }
    }
}
