//! Which authorization servers the document names.

#[cfg(test)]
mod cases;

#[cfg(test)]
pub(super) use cases::CASES;

use serde_json::Value;
use url::Url;

use super::listed;
use crate::check::{
    Area, Check, Fault, Judgement, Level, Party, Place, ProbeClass, Severity, Unmet, Verdict, fail,
    warn, worst,
};
use crate::facts::documents::Issuer;
use crate::facts::lookup::brief;
use crate::facts::relation::{self, HostKind};
use crate::facts::{Facts, quote};
use crate::spec::{Matrix, Revision, Spec};

pub(super) const PRESENT: Check = Check {
    id: "prm-authorization-servers-present",
    title: "`authorization_servers` lists at least one issuer",
    area: Area::ResourceMetadata,
    level: Level::Must,
    party: &[Party::Server],
    class: ProbeClass::P0,
    severity: Severity::High,
    revisions: Matrix::of("NAAA"),
    cites: &[
        Spec::Mcp(Revision::V2025_06_18).at("authorization#authorization-server-location"),
        Spec::Mcp(Revision::V2026_07_28)
            .at("authorization/authorization-server-discovery#authorization-server-location"),
        Spec::Rfc(9728).at("2"),
    ],
    why: "Clients that find no issuer treat the resource's own origin as the authorization server.",
    fix: "Add `authorization_servers` as an array of issuer identifiers.",
    traps: "The member is optional in RFC 9728 and mandatory in MCP. A singular `authorization_server` is a common slip and is named in the finding.",
    run: present,
};

pub(super) const FORM: Check = Check {
    id: "prm-authorization-servers-form",
    title: "Each listed authorization server is an https issuer identifier",
    area: Area::ResourceMetadata,
    level: Level::Must,
    party: &[Party::Server],
    class: ProbeClass::P0,
    severity: Severity::High,
    revisions: Matrix::of("NAAA"),
    cites: &[Spec::Rfc(9728).at("2"), Spec::Rfc(8414).at("2")],
    why: "Clients build wrong metadata URLs from anything else; placeholders and inner names point them into their own network and tell how the server is deployed.",
    fix: "Copy the `issuer` string from the authorization server's metadata, character by character.",
    traps: "A trailing slash is legal here; whether it matches the issuer is another check. Documentation names such as example.com count as placeholders only for servers that do not live there themselves.",
    run: every_form,
};

pub(super) const RESOLVE: Check = Check {
    id: "prm-authorization-servers-resolve",
    title: "Every listed authorization server exists",
    area: Area::ResourceMetadata,
    level: Level::Must,
    party: &[Party::Server],
    class: ProbeClass::P0,
    severity: Severity::High,
    revisions: Matrix::of("NAAA"),
    cites: &[
        Spec::Mcp(Revision::V2026_07_28).at(
            "authorization/authorization-server-discovery#authorization-server-metadata-discovery",
        ),
        Spec::Rfc(9728).at("7.6"),
    ],
    why: "Whoever registers a domain that was left in the list can serve metadata to every client of this server.",
    fix: "Remove dead entries, and watch the registration of the domains that stay.",
    traps: "Only a registrable domain that does not exist can be taken over; a missing sub-domain is an ordinary dead entry. Tenants with regional fences answer 403 to foreign networks, which tells nothing.",
    run: resolve,
};

fn present(facts: &Facts<'_>, revision: Revision) -> Judgement {
    let prm = facts.prm(revision)?;
    let (reason, said) = match prm.document.get("authorization_servers") {
        Some(Value::Array(list)) if list.is_empty() => {
            ("empty", "`authorization_servers` is empty")
        }
        Some(Value::Array(list)) if list.iter().any(|item| !item.is_string()) => (
            "not_strings",
            "`authorization_servers` holds something that is not a string",
        ),
        Some(Value::Array(list)) if list.iter().any(|item| item.as_str() == Some("")) => (
            "empty_string",
            "`authorization_servers` holds an empty string",
        ),
        Some(Value::Array(_)) => return Ok(Verdict::Pass),
        Some(Value::Null) | None if prm.document.get("authorization_server").is_some() => (
            "missing",
            "`authorization_servers` is missing; there is an `authorization_server`, which no client reads",
        ),
        Some(Value::Null) | None => ("missing", "`authorization_servers` is missing"),
        Some(_) => ("not_an_array", "`authorization_servers` is not an array"),
    };
    fail(Fault::new(reason, said, prm.place("authorization_servers")))
}

/// What is wrong with one listed value.
struct Flaw {
    reason: &'static str,
    words: &'static str,
    /// The value is no issuer at all; otherwise an issuer can be read out of it.
    fatal: bool,
}

fn flaw(facts: &Facts<'_>, value: &str) -> Option<Flaw> {
    let fatal = |reason, words| {
        Some(Flaw {
            reason,
            words,
            fatal: true,
        })
    };
    if is_template(value) {
        return fatal("placeholder", "is a placeholder");
    }
    let url = match Url::parse(value) {
        Ok(url) if value.contains("://") && url.has_host() => url,
        _ => return fatal("not_absolute", "is not an absolute URL"),
    };
    if !matches!(url.scheme(), "https" | "http") {
        return fatal("scheme", "is not an https URL");
    }
    if value.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return fatal("not_absolute", "holds white space");
    }
    if is_documentation(facts, &url) {
        return fatal("placeholder", "is a name reserved for documentation");
    }
    let public = url.host().is_some_and(|host| {
        matches!(
            relation::host_kind(&host),
            HostKind::Public | HostKind::PublicAddress
        )
    });
    if !public && !facts.trusted_loopback(&url) {
        return fatal("private_host", "points into a private network");
    }
    if !facts.secure(&url) {
        return fatal("http", "is not an https URL");
    }
    if value.contains('?') {
        return fatal("query", "has a query");
    }
    if value.contains('#') {
        return fatal("fragment", "has a fragment");
    }
    let path = url.path();
    let endpoint =
        path.contains("/.well-known/") || path.ends_with("/authorize") || path.ends_with("/token");
    endpoint.then_some(Flaw {
        reason: "endpoint_url",
        words: "is the URL of a document or endpoint, not an issuer",
        fatal: false,
    })
}

/// Text that somebody was meant to replace.
fn is_template(value: &str) -> bool {
    const WORDS: [&str; 10] = [
        "your-domain",
        "your-tenant",
        "your-org",
        "your-app",
        "your-project",
        "your-auth-server",
        "yourdomain",
        "yourtenant",
        "your_tenant",
        "your_domain",
    ];
    let lower = value.to_ascii_lowercase();
    lower.contains(['{', '}', '<', '>'])
        || lower.contains("%7b")
        || lower
            .split(['/', '.', ':'])
            .any(|label| WORDS.contains(&label))
}

/// A name that RFC 2606 keeps for documentation, unless the endpoint has such a name too.
fn is_documentation(facts: &Facts<'_>, url: &Url) -> bool {
    let reserved = |url: &Url| {
        url.host_str().is_some_and(|host| {
            let host = host.trim_end_matches('.');
            ["example.com", "example.net", "example.org"]
                .iter()
                .any(|name| {
                    host.strip_suffix(name)
                        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
                })
                || [".example", ".test", ".invalid"]
                    .iter()
                    .any(|end| host.ends_with(end))
        })
    };
    reserved(url) && !reserved(facts.endpoint())
}

fn every_form(facts: &Facts<'_>, revision: Revision) -> Judgement {
    let prm = facts.prm(revision)?;
    let (mut fails, mut warns) = (Vec::new(), Vec::new());
    for (position, value) in listed(&prm)?.into_iter().enumerate() {
        if let Some(flaw) = flaw(facts, value) {
            let fault = Fault::new(
                flaw.reason,
                format!("{} {}", quote(value), flaw.words),
                prm.place(&format!("authorization_servers/{position}")),
            );
            if flaw.fatal { &mut fails } else { &mut warns }.push(fault);
        }
    }
    worst(fails, warns)
}

fn resolve(facts: &Facts<'_>, revision: Revision) -> Judgement {
    let prm = facts.prm(revision)?;
    listed(&prm)?;
    // A value that cannot be an issuer is one finding, and prm-authorization-servers-form has it.
    let judged: Vec<&Issuer<'_>> = facts
        .issuers()
        .iter()
        .filter(|issuer| !issuer.fallback)
        .filter(|issuer| flaw(facts, &issuer.listed).is_none_or(|flaw| !flaw.fatal))
        .collect();
    if judged.is_empty() {
        return Err(Unmet::Blocked("prm-authorization-servers-form"));
    }
    let at = |issuer: &Issuer<'_>| {
        issuer.candidates.first().map_or_else(
            || prm.place("authorization_servers"),
            |candidate| Place::status(candidate.answer.exchange.id),
        )
    };
    if let Some(issuer) = judged.iter().find(|issuer| facts.unregistered(issuer)) {
        return fail(
            Fault::new(
                "unregistered_domain",
                format!(
                    "the domain of {} is not registered: anybody could register it",
                    quote(&issuer.listed)
                ),
                prm.place("authorization_servers"),
            )
            .and(at(issuer))
            .severity(Severity::Critical),
        );
    }
    let (found, missing): (Vec<&Issuer<'_>>, Vec<&Issuer<'_>>) = judged
        .into_iter()
        .partition(|issuer| !facts.found(issuer, revision).is_empty());
    let untold: Vec<Unmet> = missing
        .iter()
        .filter_map(|issuer| facts.search_told(issuer, revision).err())
        .collect();
    if found.is_empty() && untold.len() < missing.len() {
        return Err(Unmet::Blocked("asm-discoverable"));
    }
    if let Some(unmet) = untold.into_iter().next() {
        return Err(unmet);
    }
    let Some(first) = missing.first() else {
        return Ok(Verdict::Pass);
    };
    let answer = first
        .candidates
        .first()
        .map(|candidate| brief(&candidate.answer))
        .unwrap_or_default();
    warn(
        Fault::new(
            "unresolved",
            format!(
                "{} has no metadata ({answer}), another listed server has",
                quote(&first.listed)
            ),
            prm.place("authorization_servers"),
        )
        .and(at(first)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::testkit::*;

    #[test]
    fn documentation_names_are_placeholders_for_real_servers_only() {
        let evidence = World::compliant().scan();
        let home = Facts::new(&evidence);
        assert!(flaw(&home, "https://auth.example.org").is_none());
        let mut world = World::compliant();
        world.target = crate::target::Target::of("https://mcp.acme.dev/mcp");
        let evidence = world.scan();
        let elsewhere = Facts::new(&evidence);
        let found = flaw(&elsewhere, "https://auth.example.org").map(|flaw| flaw.reason);
        assert_eq!(found, Some("placeholder"));
        assert!(flaw(&elsewhere, "https://auth.notexample.org").is_none());
    }

    #[test]
    fn loopback_issuers_are_fine_where_loopback_is_trusted() {
        let mut world = World::compliant();
        world.allow_private = true;
        let evidence = world.scan();
        let facts = Facts::new(&evidence);
        assert!(flaw(&facts, "http://localhost:21001/").is_none());
        assert_eq!(
            flaw(&facts, "http://192.168.0.4:21001/").map(|flaw| flaw.reason),
            Some("private_host")
        );
    }
}
