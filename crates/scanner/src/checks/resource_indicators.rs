//! Resource indicators (RFC 8707, catalogue section 1.7): whether tokens can be asked for and
//! issued for this resource alone.

mod requests;

use super::owner;
#[cfg(test)]
use super::testkit::*;
use crate::check::{
    Area, Check, Fault, Judgement, Level, Na, Party, Place, ProbeClass, Severity, Unmet, Verdict,
    fail, na, warn,
};
use crate::facts::{Facts, quote};
use crate::fingerprints::recognise;
use crate::spec::{Matrix, Revision, Spec};

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "ri-scope-prefix",
        title: "Published scopes fit the published resource where the vendor ties them",
        area: Area::ResourceIndicators,
        level: Level::Should,
        party: &[Party::Server],
        class: ProbeClass::P0,
        severity: Severity::Medium,
        revisions: Matrix::of("NAAA"),
        cites: &[
            Spec::Rfc(8707).at("2"),
            Spec::Mcp(Revision::V2026_07_28).at("authorization#resource-parameter-implementation"),
            Spec::Documentation.at("Microsoft Entra ID: Application ID URI of an MCP server"),
        ],
        why: "The vendor rejects a request whose resource and scopes disagree, and users are then told to switch the resource binding off.",
        fix: "Register the endpoint's URL as Application ID URI and publish the scopes below it.",
        traps: "The vendor has changed this behaviour several times; which products are bound stands in a dated table.",
        run: scope_prefix,
    },
    Check {
        id: "ri-authorize-accepts",
        title: "A correct resource parameter does not break authorization",
        area: Area::ResourceIndicators,
        level: Level::Must,
        party: &[Party::AuthorizationServer],
        class: ProbeClass::P2,
        severity: Severity::High,
        revisions: Matrix::of("NAAA"),
        cites: &[
            Spec::Mcp(Revision::V2025_06_18).at("authorization#resource-parameter-implementation"),
            Spec::OAuth21.at("3.1"),
            Spec::Rfc(8707).at("2"),
        ],
        why: "Clients are patched to leave the parameter out, and tokens lose their audience.",
        fix: "Register the resource identifier with the authorization server, byte for byte.",
        traps: "Several products refuse resources that were not configured; that is configuration, not a defect of the product.",
        run: requests::accepts,
    },
    Check {
        id: "ri-foreign-refused",
        title: "A foreign resource is not accepted in silence",
        area: Area::ResourceIndicators,
        level: Level::Should,
        party: &[Party::AuthorizationServer],
        class: ProbeClass::P2,
        severity: Severity::Medium,
        revisions: Matrix::of("NAAA"),
        cites: &[
            Spec::Rfc(8707).at("2"),
            Spec::Mcp(Revision::V2026_07_28)
                .at("authorization/security-considerations#token-audience-binding-and-validation"),
        ],
        why: "A malicious resource obtains tokens in its own or in another's name.",
        fix: "Allow known resource identifiers only.",
        traps: "No metadata says whether RFC 8707 is implemented, and a server that does not know it may ignore the parameter: without a token this only warns.",
        run: requests::foreign_refused,
    },
    Check {
        id: "ri-token-audience",
        title: "Issued tokens are bound to this server",
        area: Area::ResourceIndicators,
        level: Level::Must,
        party: &[Party::AuthorizationServer],
        class: ProbeClass::P3,
        severity: Severity::Critical,
        revisions: Matrix::of("NAAA"),
        cites: &[
            Spec::Rfc(8707).at("2"),
            Spec::Rfc(9068).at("3"),
            Spec::Rfc(9700).at("2.3"),
            Spec::Mcp(Revision::V2026_07_28)
                .at("authorization/security-considerations#token-audience-binding-and-validation"),
            Spec::Rfc(9728).at("7.4"),
        ],
        why: "A token without a narrow audience can be replayed at every sibling of this server.",
        fix: "Enable resource indicators, or map the audience for this resource.",
        traps: "Some products put a project or client id into the audience by design; that is a warning if the server is documented to check it.",
        run: owner::audience,
    },
];

/// Scopes that OpenID Connect itself defines; they are never below a resource.
const OPENID: [&str; 6] = [
    "openid",
    "profile",
    "email",
    "address",
    "phone",
    "offline_access",
];

fn scope_prefix(facts: &Facts<'_>, revision: Revision) -> Judgement {
    let prm = facts.prm(revision)?;
    let bound = facts
        .issuers()
        .iter()
        .filter(|issuer| !issuer.fallback)
        .find_map(|issuer| {
            let found = facts.found(issuer, revision);
            let document = found.first().and_then(|candidate| candidate.asm());
            recognise(&issuer.listed, document.map(|document| &document.members))
                .filter(|product| product.scopes_below_resource(&issuer.listed))
        });
    let Some(product) = bound else {
        return na(Na::Other("vendor_not_prefix_bound"));
    };
    let Some(resource) = prm.resource() else {
        return Err(Unmet::Blocked("prm-resource-syntax"));
    };
    let mut scopes: Vec<(&str, Place)> = prm
        .document
        .texts("scopes_supported")
        .unwrap_or_default()
        .into_iter()
        .map(|scope| (scope, prm.place("scopes_supported")))
        .collect();
    scopes.extend(facts.challenge_scopes());
    if scopes.is_empty() {
        return na(Na::Other("no_scopes"));
    }
    let prefix = |scope: &str| scope.rsplit_once('/').map(|(prefix, _)| prefix.to_owned());
    let foreign = scopes
        .iter()
        .find(|(scope, _)| prefix(scope).is_some_and(|prefix| prefix != resource));
    if let Some((scope, place)) = foreign {
        return fail(
            Fault::new(
                "other_prefix",
                format!(
                    "{} does not stand below {}, as {} wants it",
                    quote(scope),
                    quote(resource),
                    product.name
                ),
                place.clone(),
            )
            .and(prm.place("resource")),
        );
    }
    if scopes.iter().any(|(scope, _)| prefix(scope).is_some()) {
        return Ok(Verdict::Pass);
    }
    let (reason, said) = if scopes.iter().all(|(scope, _)| OPENID.contains(scope)) {
        ("openid_only", "only scopes of OpenID Connect are published")
    } else {
        ("no_prefix", "no published scope stands below the resource")
    };
    let place = scopes
        .first()
        .map_or_else(|| prm.place("scopes_supported"), |(_, place)| place.clone());
    warn(Fault::new(
        reason,
        format!(
            "{said}, although {} ties scopes to a resource",
            product.name
        ),
        place,
    ))
}

#[cfg(test)]
const ENTRA: &str = "https://login.microsoftonline.com/5f3a/v2.0";

#[cfg(test)]
fn entra(scopes: &'static [&'static str]) -> World {
    let mut world = changed(|w| {
        w.challenge(Some("Bearer resource_metadata=\"https://mcp.example.com/.well-known/oauth-protected-resource/mcp\""))
            .document("https://login.microsoftonline.com/5f3a/v2.0/.well-known/openid-configuration", {
                let mut document = asm();
                document["issuer"] = ENTRA.into();
                document
            });
    });
    world.prm(move |prm| {
        prm["authorization_servers"] = serde_json::json!([ENTRA]);
        prm["scopes_supported"] = serde_json::json!(scopes);
    });
    world
}

#[cfg(test)]
pub(super) const CASES: &[Case] = &[
    case("ri-scope-prefix", Expect::Na, World::compliant),
    case("ri-scope-prefix", Expect::Pass, || {
        entra(&["https://mcp.example.com/mcp/read", "openid"])
    }),
    case("ri-scope-prefix", Expect::Warn("openid_only"), || {
        entra(&["openid", "profile"])
    }),
    case("ri-scope-prefix", Expect::Warn("no_prefix"), || {
        entra(&["read"])
    }),
    case("ri-scope-prefix", Expect::Fail("other_prefix"), || {
        entra(&["openid", "api://6f0c2e/mcp.read"])
    }),
    case("ri-scope-prefix", Expect::Fail("other_prefix"), || {
        let mut world = entra(&["https://mcp.example.com/mcp/read"]);
        world.challenge(Some("Bearer resource_metadata=\"https://mcp.example.com/.well-known/oauth-protected-resource/mcp\", scope=\"api://6f0c2e/.default\""));
        world
    }),
    case("ri-scope-prefix", Expect::Na, || entra(&[])),
    case_in(
        Revision::V2025_06_18,
        "ri-scope-prefix",
        Expect::Fail("other_prefix"),
        || entra(&["api://6f0c2e/mcp.read"]),
    ),
    case(
        "ri-scope-prefix",
        Expect::Blocked("prm-discoverable"),
        || {
            changed(|w| {
                w.on(|ask| ask.url == PRM_URL, status(503));
            })
        },
    ),
    case(
        "ri-scope-prefix",
        Expect::Blocked("prm-resource-syntax"),
        || {
            let mut world = entra(&["openid"]);
            world.prm(|prm| {
                prm.as_object_mut().expect("an object").remove("resource");
            });
            world
        },
    ),
    case("ri-authorize-accepts", Expect::Na, World::compliant),
    case("ri-foreign-refused", Expect::Na, World::compliant),
    case("ri-token-audience", Expect::Na, World::compliant),
];
