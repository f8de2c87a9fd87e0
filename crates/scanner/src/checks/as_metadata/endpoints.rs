//! What clients need from the metadata, where its endpoints are, and whether two documents
//! of one issuer agree.

use serde_json::Value;
use url::Url;

use super::super::weigh;
use super::extensions::machine_to_machine;
use super::{kind_of, worst_first_document};
use crate::check::{
    Area, Check, Fault, Judgement, Level, Na, Party, Place, ProbeClass, Severity, Verdict, fail,
    na, warn,
};
use crate::evidence::AsRole;
use crate::facts::documents::{Asm, Document};
use crate::facts::issuer::{self, Reading};
use crate::facts::relation::{self, HostKind};
use crate::facts::{Facts, json, quote};
use crate::fingerprints;
use crate::spec::{Matrix, Revision, Spec};

pub(super) const REQUIRED_FIELDS: Check = Check {
    id: "asm-required-fields",
    title: "The members that the authorization code flow needs are present",
    area: Area::AsMetadata,
    level: Level::Must,
    party: &[Party::AuthorizationServer],
    class: ProbeClass::P0,
    severity: Severity::High,
    revisions: Matrix::of("AAAA"),
    cites: &[
        Spec::Rfc(8414).at("2"),
        Spec::OidcDiscovery.at("3"),
        Spec::Mcp(Revision::V2026_07_28).at("authorization#authorization-flow-steps"),
    ],
    why: "Clients that miss a member guess a default, and the defaults include flows that OAuth 2.1 has removed.",
    fix: "Publish authorization_endpoint, token_endpoint, response_types_supported with `code`, and an explicit grant_types_supported with `authorization_code`.",
    traps: "A stub with only issuer and jwks_uri, copied from a token validation example, fails. A server that is for machines only and says so by extension needs no authorization endpoint.",
    run: required_fields,
};

pub(super) const ENDPOINTS_HTTPS: Check = Check {
    id: "asm-endpoints-https",
    title: "Every advertised endpoint is a public https URL",
    area: Area::AsMetadata,
    level: Level::Must,
    party: &[Party::AuthorizationServer],
    class: ProbeClass::P0,
    severity: Severity::Critical,
    revisions: Matrix::of("AAAA"),
    cites: &[
        Spec::Mcp(Revision::V2026_07_28)
            .at("authorization/security-considerations#communication-security"),
        Spec::OAuth21.at("1.5"),
        Spec::OAuth21.at("3.1"),
        Spec::McpBestPractices.at("OAuth Authorization URL Validation"),
        Spec::Rfc(8414).at("2"),
    ],
    why: "Plain http gives codes and tokens to the network, a script URL runs inside the client that opens it, and an internal address turns clients into probes of their own network.",
    fix: "Build all endpoint URLs from the configured public base URL instead of the address the process listens on.",
    traps: "Documentation, policy and terms URLs count only where they hold a script. Addresses are judged by their text; plain http on a loopback that the scan trusts is accepted.",
    run: endpoints_https,
};

pub(super) const DOCUMENTS_CONSISTENT: Check = Check {
    id: "asm-documents-consistent",
    title: "OAuth and OpenID documents of one issuer agree",
    area: Area::AsMetadata,
    level: Level::Should,
    party: &[Party::AuthorizationServer],
    class: ProbeClass::P0,
    severity: Severity::Medium,
    revisions: Matrix::of("NNAA"),
    cites: &[
        Spec::Rfc(8414).at("3"),
        Spec::Rfc(8414).at("5"),
        Spec::Mcp(Revision::V2026_07_28).at(
            "authorization/authorization-server-discovery#authorization-server-metadata-discovery",
        ),
        Spec::Hygiene.at(""),
    ],
    why: "Which document a client reads decides which endpoints and which protection it gets.",
    fix: "Generate both documents from one model.",
    traps: "Gateways that add registration for MCP publish it in the OAuth document only, which is a warning; capabilities are graded on the first document in client order.",
    run: documents_consistent,
};

// --- asm-required-fields --------------------------------------------------------------------

fn required_fields(facts: &Facts<'_>, revision: Revision) -> Judgement {
    let machines = machine_to_machine(facts, revision);
    worst_first_document(facts, revision, |document| required(document, machines))
}

fn required(document: &Document, machines: bool) -> Judgement {
    let grants = document.texts("grant_types_supported");
    let code_grant = grants
        .as_ref()
        .is_none_or(|grants| grants.contains(&"authorization_code"));
    if machines
        && (!code_grant || grants.is_none())
        && document.get("authorization_endpoint").is_none()
    {
        return na(Na::Other("machine_to_machine"));
    }
    for (name, wanted, right) in [
        (
            "authorization_endpoint",
            "a string",
            Value::is_string as fn(&Value) -> bool,
        ),
        ("token_endpoint", "a string", Value::is_string),
        ("response_types_supported", "an array", Value::is_array),
    ] {
        match document.get(name) {
            None => {
                return fail(Fault::new(
                    "missing",
                    format!("The metadata has no `{name}`."),
                    document.place(""),
                ));
            }
            Some(value) if !right(value) => return mistyped(document, name, value, wanted),
            Some(_) => {}
        }
    }
    let responses = document
        .texts("response_types_supported")
        .unwrap_or_default();
    if !responses.contains(&"code") {
        return fail(Fault::new(
            "code_not_offered",
            format!(
                "`response_types_supported` does not contain `code`, only {}.",
                or_nothing(&responses)
            ),
            document.place("response_types_supported"),
        ));
    }
    match (document.get("grant_types_supported"), grants) {
        (None, _) => warn(Fault::new(
            "grant_types_absent",
            "The metadata has no `grant_types_supported`, whose default includes the implicit grant.",
            document.place(""),
        )),
        (Some(value), None) => mistyped(document, "grant_types_supported", value, "an array"),
        (Some(_), Some(grants)) if !code_grant && !machines => fail(Fault::new(
            "grant_not_offered",
            format!(
                "`grant_types_supported` does not contain `authorization_code`, only {}.",
                or_nothing(&grants)
            ),
            document.place("grant_types_supported"),
        )),
        _ => Ok(Verdict::Pass),
    }
}

fn or_nothing(values: &[&str]) -> String {
    if values.is_empty() {
        "an empty list".into()
    } else {
        super::listed(values)
    }
}

fn mistyped(document: &Document, name: &str, value: &Value, wanted: &str) -> Judgement {
    fail(Fault::new(
        "mistyped",
        format!("`{name}` is {} instead of {wanted}.", kind_of(value)),
        document.place(name),
    ))
}

// --- asm-endpoints-https --------------------------------------------------------------------

fn endpoints_https(facts: &Facts<'_>, revision: Revision) -> Judgement {
    let asms = facts.readable_asms(revision)?;
    let judgements = weigh::each(&asms, |asm| {
        weigh::worst_by(
            asm.found
                .iter()
                .filter_map(|candidate| candidate.asm())
                .map(|document| endpoints_of(facts, asm, document)),
            gravity,
        )
    });
    weigh::worst_by(judgements, gravity)
}

/// A scheme that gives secrets away is worse than a URL that merely leads nowhere.
fn gravity(fault: &Fault) -> u8 {
    match fault.reason {
        "script_url" => 3,
        "not_https" => 2,
        _ => 1,
    }
}

fn endpoints_of(facts: &Facts<'_>, asm: &Asm<'_, '_>, document: &Document) -> Judgement {
    let site = site_of(asm, document);
    let mut judged = 0usize;
    let mut exempt = 0usize;
    let judgements: Vec<Judgement> = urls(document)
        .into_iter()
        .map(|(pointer, name, text)| {
            let place = Place::body(document.exchange, &pointer);
            match flaw(facts, site.as_deref(), &name, &text) {
                Seen::Good => judged += 1,
                Seen::Exempt => exempt += 1,
                Seen::Aside => {}
                Seen::Odd(reason, said) => return warn(Fault::new(reason, said, place)),
                Seen::Bad(reason, said) => return fail(Fault::new(reason, said, place)),
            }
            Ok(Verdict::Pass)
        })
        .collect();
    let others: Vec<Place> = judgements
        .iter()
        .filter_map(|judgement| match judgement {
            Ok(Verdict::Fail(fault)) => fault.at.first().cloned(),
            _ => None,
        })
        .take(8)
        .collect();
    match weigh::worst_by(judgements, gravity) {
        Ok(Verdict::Fail(fault)) => {
            let more = others.len().saturating_sub(1);
            let mut fault = others.into_iter().fold(fault, Fault::and);
            if more > 0 {
                fault.said = format!("{} {more} more of its URLs are unusable.", fault.said);
            }
            fail(fault)
        }
        Ok(Verdict::Pass) if judged == 0 && exempt > 0 => na(Na::Loopback),
        Ok(Verdict::Pass) if judged == 0 => na(Na::Other("no_endpoints")),
        other => other,
    }
}

/// The issuer's registrable domain, to recognise foreign endpoints; nothing for products
/// whose endpoints are elsewhere by design.
fn site_of(asm: &Asm<'_, '_>, document: &Document) -> Option<String> {
    let issuer = document.text("issuer").unwrap_or(&asm.issuer.listed);
    if fingerprints::recognise(issuer, Some(&document.members))
        .is_some_and(|product| product.spreads_endpoints())
    {
        return None;
    }
    let issuer = Url::parse(issuer)
        .or_else(|_| Url::parse(&asm.issuer.listed))
        .ok()?;
    relation::registrable_domain(issuer.host_str()?)
}

/// Members that hold endpoint URLs: JSON Pointer, name, text. Documentation links are in, to
/// be searched for scripts.
fn urls(document: &Document) -> Vec<(String, String, String)> {
    let mut list = Vec::new();
    let mut take = |parent: &str, name: &str, value: &Value| {
        if let Some(text) = value.as_str()
            && (name.ends_with("_endpoint") || name.ends_with("_uri") || is_reading(name))
        {
            list.push((
                json::pointer(parent, name),
                name.to_owned(),
                text.to_owned(),
            ));
        }
    };
    for (name, value) in &document.members {
        take("", name, value);
    }
    if let Some(Value::Object(aliases)) = document.get("mtls_endpoint_aliases") {
        for (name, value) in aliases {
            take("/mtls_endpoint_aliases", name, value);
        }
    }
    list
}

/// Links for people: documentation, policy, terms, logo.
fn is_reading(name: &str) -> bool {
    name.ends_with("_documentation")
        || name.ends_with("policy_uri")
        || name.ends_with("tos_uri")
        || name.ends_with("logo_uri")
}

/// What is to be said of one URL.
enum Seen {
    Good,
    /// Plain http on a trusted loopback.
    Exempt,
    /// A link for people without a script.
    Aside,
    Odd(&'static str, String),
    Bad(&'static str, String),
}

fn flaw(facts: &Facts<'_>, site: Option<&str>, name: &str, text: &str) -> Seen {
    let named = quote(name);
    let quoted = quote(text);
    let Ok(url) = Url::parse(text) else {
        return if is_reading(name) {
            Seen::Aside
        } else {
            Seen::Bad(
                "not_url",
                format!("{named} is {quoted}, which is no absolute URL."),
            )
        };
    };
    let reading = is_reading(name);
    match url.scheme() {
        "javascript" | "data" => {
            return Seen::Bad(
                "script_url",
                format!("{named} uses the scheme `{}`.", url.scheme()),
            );
        }
        _ if reading => return Seen::Aside,
        "file" => return Seen::Bad("script_url", format!("{named} uses the scheme `file`.")),
        _ => {}
    }
    let kind = url.host().map(|host| relation::host_kind(&host));
    let loopback = facts.trusted_loopback(&url);
    let inside = inside(kind).filter(|_| !loopback);
    if url.scheme() != "https" && !(url.scheme() == "http" && loopback) {
        let scheme = quote(url.scheme());
        return Seen::Bad(
            "not_https",
            match inside {
                Some(what) => format!("{named} uses the scheme {scheme} on {what}."),
                None => format!("{named} is {quoted} and uses the scheme {scheme}."),
            },
        );
    }
    if let Some(what) = inside {
        return Seen::Bad("internal_host", format!("{named} points to {what}."));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Seen::Bad("userinfo", format!("{named} carries user information."));
    }
    if url.fragment().is_some() {
        return Seen::Bad(
            "fragment",
            format!("{named} is {quoted} and has a fragment."),
        );
    }
    if loopback {
        return if url.scheme() == "https" {
            Seen::Good
        } else {
            Seen::Exempt
        };
    }
    oddity(&url, kind, site, &named, &quoted)
}

fn oddity(
    url: &Url,
    kind: Option<HostKind>,
    site: Option<&str>,
    named: &str,
    quoted: &str,
) -> Seen {
    if kind == Some(HostKind::PublicAddress) {
        return Seen::Odd(
            "ip_literal",
            format!("{named} is {quoted}, an address instead of a name."),
        );
    }
    let host_site = url.host_str().and_then(relation::registrable_domain);
    if let (Some(site), Some(host_site)) = (site, &host_site)
        && site != host_site
    {
        return Seen::Odd(
            "foreign_domain",
            format!(
                "{named} is {quoted}, outside the issuer's domain {}.",
                quote(site)
            ),
        );
    }
    if url.port().is_some() {
        return Seen::Odd(
            "port",
            format!("{named} is {quoted} and uses a port of its own."),
        );
    }
    Seen::Good
}

/// What kind of inner place a host is; private addresses are never printed.
fn inside(kind: Option<HostKind>) -> Option<&'static str> {
    match kind {
        Some(HostKind::Loopback) => Some("a loopback host"),
        Some(HostKind::Special) => Some("a private or reserved address"),
        Some(HostKind::Internal) => Some("an internal name"),
        Some(HostKind::SingleLabel) => Some("a name of a single label"),
        None => Some("no host at all"),
        Some(HostKind::Public | HostKind::PublicAddress) => None,
    }
}

// --- asm-documents-consistent ---------------------------------------------------------------

fn documents_consistent(facts: &Facts<'_>, revision: Revision) -> Judgement {
    let asms = facts.readable_asms(revision)?;
    weigh::worst_of(&asms, |asm| consistent(facts, asm, revision))
}

fn consistent(facts: &Facts<'_>, asm: &Asm<'_, '_>, revision: Revision) -> Judgement {
    let others: Vec<&Document> = asm
        .found
        .iter()
        .skip(1)
        .filter_map(|candidate| candidate.asm())
        .collect();
    if others.is_empty() {
        let open = facts
            .credited(asm.issuer, revision)
            .filter(|candidate| candidate.role != AsRole::Origin)
            .map(issuer::reading)
            .find_map(|reading| match reading {
                Reading::Unknown(cause) => Some(cause),
                Reading::Failing => Some(crate::check::Cause::ServerFault),
                Reading::Found | Reading::Foreign | Reading::Absent => None,
            });
        return match open {
            Some(cause) => crate::check::inconclusive(cause),
            None => na(Na::Other("one_document")),
        };
    }
    weigh::worst(others.into_iter().map(|other| agree(asm.document, other)))
}

fn agree(first: &Document, other: &Document) -> Judgement {
    let (reason, name) = if differ(first, other, "issuer") {
        ("issuer_differs", "issuer")
    } else if let Some(name) = [
        "authorization_endpoint",
        "token_endpoint",
        "registration_endpoint",
    ]
    .into_iter()
    .find(|name| differ(first, other, name))
    {
        ("endpoint_differs", name)
    } else if let Some(name) = capability(first, other) {
        return warn(disagreement("capability_differs", name, first, other));
    } else {
        return Ok(Verdict::Pass);
    };
    fail(disagreement(reason, name, first, other))
}

/// Both have the member, with different values. An endpoint that only one of them names is a
/// capability.
fn differ(first: &Document, other: &Document, name: &str) -> bool {
    match (first.get(name), other.get(name)) {
        (Some(a), Some(b)) => a != b,
        _ => false,
    }
}

fn capability(first: &Document, other: &Document) -> Option<&'static str> {
    let endpoint = [
        "authorization_endpoint",
        "token_endpoint",
        "registration_endpoint",
    ]
    .into_iter()
    .find(|name| first.get(name).is_some() != other.get(name).is_some());
    let methods = |document: &Document| {
        let mut list = document
            .texts("code_challenge_methods_supported")
            .map(|list| list.into_iter().map(str::to_owned).collect::<Vec<_>>());
        if let Some(list) = &mut list {
            list.sort_unstable();
        }
        list
    };
    // A flag that is absent means the same as false.
    let flag = [
        "client_id_metadata_document_supported",
        "authorization_response_iss_parameter_supported",
    ]
    .into_iter()
    .find(|name| (first.flag(name) == Some(true)) != (other.flag(name) == Some(true)));
    endpoint
        .or_else(|| {
            (methods(first) != methods(other)).then_some("code_challenge_methods_supported")
        })
        .or(flag)
}

fn disagreement(reason: &'static str, name: &str, first: &Document, other: &Document) -> Fault {
    let value = |document: &Document| match document.get(name) {
        Some(value) => quote(
            &value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned),
        ),
        None => "absent".into(),
    };
    Fault::new(
        reason,
        format!(
            "`{name}` is {} in one document and {} in the other.",
            value(first),
            value(other)
        ),
        first.place(name),
    )
    .and(other.place(name))
}
