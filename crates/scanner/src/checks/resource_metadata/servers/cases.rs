//! Cases of the listed authorization servers.

use serde_json::Value;

use crate::checks::testkit::*;
use crate::spec::Revision;

fn listing(value: Value) -> World {
    changed(|w| {
        w.prm(move |prm| prm["authorization_servers"] = value.clone());
    })
}

fn second(
    answer: impl Fn() -> Result<crate::evidence::Response, crate::evidence::Failure>,
) -> World {
    let answer = answer();
    let mut world = listing(serde_json::json!([ISSUER, "https://second.example.com"]));
    world.on(
        |ask| ask.url.starts_with("https://second.example.com/"),
        answer,
    );
    world
}

pub(in crate::checks) const CASES: &[Case] = &[
    case(
        "prm-authorization-servers-present",
        Expect::Pass,
        World::compliant,
    ),
    case(
        "prm-authorization-servers-present",
        Expect::Fail("missing"),
        || {
            changed(|w| {
                w.prm(|prm| {
                    prm.as_object_mut()
                        .expect("an object")
                        .remove("authorization_servers");
                    prm["authorization_server"] = ISSUER.into();
                });
            })
        },
    ),
    case(
        "prm-authorization-servers-present",
        Expect::Fail("empty"),
        || listing(serde_json::json!([])),
    ),
    case(
        "prm-authorization-servers-present",
        Expect::Fail("not_an_array"),
        || listing(ISSUER.into()),
    ),
    case(
        "prm-authorization-servers-present",
        Expect::Fail("not_strings"),
        || listing(serde_json::json!([1])),
    ),
    case(
        "prm-authorization-servers-present",
        Expect::Fail("empty_string"),
        || listing(serde_json::json!([ISSUER, ""])),
    ),
    case(
        "prm-authorization-servers-present",
        Expect::Blocked("prm-discoverable"),
        || {
            changed(|w| {
                w.on(
                    |ask| ask.url == PRM_URL,
                    Err(crate::evidence::Failure::Reset),
                );
            })
        },
    ),
    case(
        "prm-authorization-servers-form",
        Expect::Pass,
        World::compliant,
    ),
    case("prm-authorization-servers-form", Expect::Pass, || {
        listing(serde_json::json!(["https://id.example.com:443/t/"]))
    }),
    case(
        "prm-authorization-servers-form",
        Expect::Warn("endpoint_url"),
        || {
            listing(serde_json::json!([
                "https://id.example.com/.well-known/oauth-authorization-server"
            ]))
        },
    ),
    case(
        "prm-authorization-servers-form",
        Expect::Warn("endpoint_url"),
        || {
            listing(serde_json::json!([
                "https://id.example.com/oauth/authorize"
            ]))
        },
    ),
    case(
        "prm-authorization-servers-form",
        Expect::Fail("http"),
        || listing(serde_json::json!(["http://id.example.com"])),
    ),
    case(
        "prm-authorization-servers-form",
        Expect::Fail("scheme"),
        || listing(serde_json::json!(["ftp://id.example.com"])),
    ),
    case(
        "prm-authorization-servers-form",
        Expect::Fail("not_absolute"),
        || listing(serde_json::json!(["id.example.com"])),
    ),
    case(
        "prm-authorization-servers-form",
        Expect::Fail("query"),
        || listing(serde_json::json!(["https://id.example.com?a=b"])),
    ),
    case(
        "prm-authorization-servers-form",
        Expect::Fail("fragment"),
        || listing(serde_json::json!(["https://id.example.com#a"])),
    ),
    case(
        "prm-authorization-servers-form",
        Expect::Fail("placeholder"),
        || {
            listing(serde_json::json!([
                "https://login.example.com/{tenantid}/v2.0"
            ]))
        },
    ),
    case(
        "prm-authorization-servers-form",
        Expect::Fail("private_host"),
        || listing(serde_json::json!([ISSUER, "http://localhost:8000"])),
    ),
    case(
        "prm-authorization-servers-form",
        Expect::Fail("private_host"),
        || listing(serde_json::json!(["https://10.0.0.7"])),
    ),
    case(
        "prm-authorization-servers-form",
        Expect::Blocked("prm-authorization-servers-present"),
        || listing(serde_json::json!([])),
    ),
    case(
        "prm-authorization-servers-form",
        Expect::Blocked("prm-discoverable"),
        || {
            changed(|w| {
                w.on(|ask| ask.url == PRM_URL, status(503));
            })
        },
    ),
    case(
        "prm-authorization-servers-resolve",
        Expect::Pass,
        World::compliant,
    ),
    case(
        "prm-authorization-servers-resolve",
        Expect::Warn("unresolved"),
        || second(|| status(404)),
    ),
    case(
        "prm-authorization-servers-resolve",
        Expect::Warn("unresolved"),
        || {
            second(|| {
                Err(crate::evidence::Failure::Dns(
                    crate::evidence::DnsFault::NoSuchName,
                ))
            })
        },
    ),
    case(
        "prm-authorization-servers-resolve",
        Expect::Fail("unregistered_domain"),
        || {
            second(|| {
                Err(crate::evidence::Failure::Dns(
                    crate::evidence::DnsFault::DomainUnregistered,
                ))
            })
        },
    ),
    case(
        "prm-authorization-servers-resolve",
        Expect::Inconclusive,
        || second(|| Err(crate::evidence::Failure::Refused)),
    ),
    case(
        "prm-authorization-servers-resolve",
        Expect::Blocked("asm-discoverable"),
        || {
            changed(|w| {
                w.on(|ask| ask.url.starts_with(ISSUER), status(404));
            })
        },
    ),
    case(
        "prm-authorization-servers-resolve",
        Expect::Inconclusive,
        || {
            changed(|w| {
                w.on(|ask| ask.url.starts_with(ISSUER), status(503));
            })
        },
    ),
    case(
        "prm-authorization-servers-resolve",
        Expect::Blocked("prm-authorization-servers-form"),
        || listing(serde_json::json!(["id.example.com"])),
    ),
    case(
        "prm-authorization-servers-resolve",
        Expect::Blocked("prm-authorization-servers-present"),
        || listing(ISSUER.into()),
    ),
    // An authorization server that offers only an OpenID configuration is none for a
    // 2025-06-18 client.
    case_in(
        Revision::V2025_06_18,
        "prm-authorization-servers-resolve",
        Expect::Blocked("asm-discoverable"),
        oidc_only,
    ),
    case_in(
        Revision::V2025_11_25,
        "prm-authorization-servers-resolve",
        Expect::Pass,
        oidc_only,
    ),
];

fn oidc_only() -> World {
    changed(|w| {
        w.on(|ask| ask.url == ASM_URL, status(404)).document(
            "https://id.example.com/.well-known/openid-configuration",
            asm(),
        );
    })
}
