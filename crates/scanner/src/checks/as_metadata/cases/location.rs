//! Cases for where metadata is found and whose it says it is.

use serde_json::json;

use super::super::super::testkit::{
    Case, Expect, ISSUER, World, case, case_in, changed, status, text,
};
use super::{
    BLOCKED, JUNE, NOVEMBER, OLD, SECOND, SECOND_OIDC, at_issuer, bare, block, both, doc_as, html,
    legacy, loopback, no_document, oidc_only, second_asm, two, unreachable_issuer, with,
    with_issuer, without,
};
use crate::evidence::{DnsFault, Failure};

pub(super) const CASES: &[Case] = &[
    // --- asm-discoverable
    case("asm-discoverable", Expect::Pass, World::compliant),
    case_in(JUNE, "asm-discoverable", Expect::Pass, World::compliant),
    case("asm-discoverable", Expect::Pass, || oidc_only(status(404))),
    case("asm-discoverable", Expect::Pass, || {
        legacy("https://mcp.example.com")
    }),
    case_in(OLD, "asm-discoverable", Expect::Pass, || {
        legacy("https://mcp.example.com")
    }),
    case("asm-discoverable", Expect::Warn("media_type"), || {
        doc_as("text/html; charset=utf-8")
    }),
    case("asm-discoverable", Expect::Warn("first_fails"), || {
        oidc_only(status(500))
    }),
    case("asm-discoverable", Expect::Warn("first_fails"), || {
        oidc_only(html())
    }),
    case("asm-discoverable", Expect::Fail("not_found"), no_document),
    case_in(
        NOVEMBER,
        "asm-discoverable",
        Expect::Fail("not_found"),
        no_document,
    ),
    case_in(
        OLD,
        "asm-discoverable",
        Expect::Warn("not_found"),
        no_document,
    ),
    case_in(OLD, "asm-discoverable", Expect::Warn("not_found"), bare),
    case(
        "asm-discoverable",
        Expect::Blocked("prm-discoverable"),
        bare,
    ),
    // An OpenID configuration counts from 2025-11-25 on.
    case_in(JUNE, "asm-discoverable", Expect::Fail("not_found"), || {
        oidc_only(status(404))
    }),
    // The appended form and the root document of a path issuer are not credited.
    case("asm-discoverable", Expect::Fail("not_found"), || {
        changed(|world| {
            world
                .prm(|prm| prm["authorization_servers"] = json!([SECOND]))
                .document(
                    "https://auth.example.org/t1/.well-known/oauth-authorization-server",
                    second_asm(),
                )
                .document(
                    "https://auth.example.org/.well-known/oauth-authorization-server",
                    second_asm(),
                );
        })
    }),
    case("asm-discoverable", Expect::Fail("not_found"), || {
        at_issuer(|| text(200, "application/json", "{\"error\":\"not found\"}"))
    }),
    case("asm-discoverable", Expect::Fail("unresolved"), || {
        at_issuer(|| Err(Failure::Dns(DnsFault::NoSuchName)))
    }),
    // One authorization server is enough, and one dead entry beside it changes nothing.
    case("asm-discoverable", Expect::Pass, || {
        changed(|world| {
            world.prm(|prm| prm["authorization_servers"] = json!([SECOND, ISSUER]));
        })
    }),
    case(
        "asm-discoverable",
        Expect::Blocked("prm-authorization-servers-resolve"),
        || at_issuer(|| Err(Failure::Dns(DnsFault::DomainUnregistered))),
    ),
    case(
        "asm-discoverable",
        Expect::Blocked("prm-authorization-servers-present"),
        || {
            changed(|world| {
                world.prm(|prm| prm["authorization_servers"] = json!([]));
            })
        },
    ),
    case(
        "asm-discoverable",
        Expect::Blocked("prm-authorization-servers-form"),
        || {
            changed(|world| {
                world.prm(|prm| prm["authorization_servers"] = json!(["http://localhost:9000"]));
            })
        },
    ),
    // An entry that no client may ask is no excuse for the others.
    case("asm-discoverable", Expect::Fail("not_found"), || {
        let mut world = no_document();
        world.prm(|prm| prm["authorization_servers"] = json!(["http://as.example.org", ISSUER]));
        world
    }),
    case("asm-discoverable", Expect::Na, World::open),
    case("asm-discoverable", Expect::Inconclusive, unreachable_issuer),
    case("asm-discoverable", Expect::Inconclusive, || {
        at_issuer(block)
    }),
    case("asm-discoverable", Expect::Inconclusive, || {
        at_issuer(|| status(503))
    }),
    case("asm-discoverable", Expect::Inconclusive, || {
        at_issuer(|| status(429))
    }),
    // --- asm-rfc8414-location
    case("asm-rfc8414-location", Expect::Pass, World::compliant),
    case_in(JUNE, "asm-rfc8414-location", Expect::Pass, World::compliant),
    case("asm-rfc8414-location", Expect::Pass, || two(|_| ())),
    case("asm-rfc8414-location", Expect::Pass, || {
        legacy("https://mcp.example.com/")
    }),
    // The slash is asm-issuer-identical's to judge.
    case("asm-rfc8414-location", Expect::Pass, || {
        with_issuer("https://id.example.com/")
    }),
    case("asm-rfc8414-location", Expect::Warn("absent"), || {
        oidc_only(status(404))
    }),
    case_in(
        NOVEMBER,
        "asm-rfc8414-location",
        Expect::Warn("absent"),
        || oidc_only(status(401)),
    ),
    case_in(JUNE, "asm-rfc8414-location", BLOCKED, || {
        oidc_only(status(404))
    }),
    case_in(JUNE, "asm-rfc8414-location", Expect::Fail("absent"), || {
        changed(|world| {
            world
                .prm(|prm| prm["authorization_servers"] = json!([ISSUER, SECOND]))
                .document(SECOND_OIDC, second_asm());
        })
    }),
    case("asm-rfc8414-location", Expect::Fail("server_error"), || {
        oidc_only(status(500))
    }),
    case("asm-rfc8414-location", Expect::Fail("not_metadata"), || {
        oidc_only(html())
    }),
    case("asm-rfc8414-location", BLOCKED, no_document),
    case(
        "asm-rfc8414-location",
        Expect::Blocked("asm-issuer-identical"),
        || with_issuer("https://elsewhere.example"),
    ),
    case("asm-rfc8414-location", Expect::Inconclusive, || {
        oidc_only(block())
    }),
    case("asm-rfc8414-location", Expect::Inconclusive, || {
        oidc_only(Err(Failure::Reset))
    }),
    case_in(OLD, "asm-rfc8414-location", Expect::Na, World::compliant),
    // --- asm-issuer-identical
    case("asm-issuer-identical", Expect::Pass, World::compliant),
    case_in(OLD, "asm-issuer-identical", Expect::Pass, World::compliant),
    case("asm-issuer-identical", Expect::Pass, || two(|_| ())),
    case_in(OLD, "asm-issuer-identical", Expect::Pass, || {
        legacy("https://mcp.example.com/")
    }),
    case("asm-issuer-identical", Expect::Pass, || {
        legacy("https://mcp.example.com/")
    }),
    case("asm-issuer-identical", Expect::Pass, || loopback(true)),
    case("asm-issuer-identical", Expect::Fail("slash"), || {
        with_issuer("https://id.example.com/")
    }),
    case("asm-issuer-identical", Expect::Fail("template"), || {
        with_issuer("https://id.example.com/{tenantid}/v2.0")
    }),
    case("asm-issuer-identical", Expect::Fail("case_port"), || {
        with_issuer("https://ID.example.com")
    }),
    case("asm-issuer-identical", Expect::Fail("prefix"), || {
        with_issuer("https://id.example.com/t1")
    }),
    case("asm-issuer-identical", Expect::Fail("longer"), || {
        two(|document| document["issuer"] = json!("https://auth.example.org"))
    }),
    case("asm-issuer-identical", Expect::Fail("sibling"), || {
        two(|document| document["issuer"] = json!("https://auth.example.org/t2"))
    }),
    case("asm-issuer-identical", Expect::Fail("same_site"), || {
        with_issuer("https://login.example.com")
    }),
    case("asm-issuer-identical", Expect::Fail("foreign"), || {
        with_issuer("https://elsewhere.example")
    }),
    case("asm-issuer-identical", Expect::Fail("slash"), || {
        both(|other| other["issuer"] = json!("https://id.example.com/"))
    }),
    case(
        "asm-issuer-identical",
        Expect::Blocked("asm-issuer-syntax"),
        || with_issuer("http://elsewhere.example"),
    ),
    case(
        "asm-issuer-identical",
        Expect::Blocked("asm-issuer-syntax"),
        || without("issuer"),
    ),
    case("asm-issuer-identical", BLOCKED, unreachable_issuer),
    // --- asm-issuer-syntax
    case("asm-issuer-syntax", Expect::Pass, World::compliant),
    case("asm-issuer-syntax", Expect::Pass, || loopback(true)),
    case("asm-issuer-syntax", Expect::Warn("upper_case"), || {
        with_issuer("https://ID.example.com")
    }),
    case("asm-issuer-syntax", Expect::Warn("default_port"), || {
        with_issuer("https://id.example.com:443")
    }),
    case("asm-issuer-syntax", Expect::Fail("missing"), || {
        without("issuer")
    }),
    case("asm-issuer-syntax", Expect::Fail("mistyped"), || {
        with("issuer", json!(["x"]))
    }),
    case("asm-issuer-syntax", Expect::Fail("not_https"), || {
        with_issuer("http://id.example.com")
    }),
    case("asm-issuer-syntax", Expect::Fail("query"), || {
        with_issuer("https://id.example.com?tenant=1")
    }),
    case("asm-issuer-syntax", Expect::Fail("fragment"), || {
        with_issuer("https://id.example.com#x")
    }),
    case("asm-issuer-syntax", Expect::Fail("not_url"), || {
        with_issuer("id.example.com")
    }),
    case("asm-issuer-syntax", Expect::Na, || {
        with_issuer("https://id.example.com/{tenantid}/v2.0")
    }),
    case("asm-issuer-syntax", BLOCKED, unreachable_issuer),
];
