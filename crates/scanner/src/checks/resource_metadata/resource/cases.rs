//! Cases of what `resource` says.

use crate::checks::testkit::*;

fn naming(value: &'static str) -> World {
    changed(|w| {
        w.prm(move |prm| prm["resource"] = value.into());
    })
}

/// The compliant server under the name that its metadata does not use.
fn aliased(answers: bool) -> World {
    const OTHER: &str = "https://api.example.com/mcp";
    changed(|w| {
        w.prm(|prm| prm["resource"] = OTHER.into());
        if answers {
            let mut copy = prm();
            copy["resource"] = OTHER.into();
            w.document(
                "https://api.example.com/.well-known/oauth-protected-resource/mcp",
                copy,
            )
            .on(|ask| ask.url == OTHER, challenge(&good_challenge(None)));
        }
    })
}

fn rooted(endpoint: &'static str, resource: &'static str) -> World {
    changed(|w| {
        w.challenge(Some("Bearer scope=\"mcp:read\""))
            .on(|ask| ask.url == PRM_URL, status(404));
        let mut document = prm();
        document["resource"] = resource.into();
        w.document(
            "https://mcp.example.com/.well-known/oauth-protected-resource",
            document,
        );
        w.target = crate::target::Target::of(endpoint);
        w.on(
            move |ask| ask.url == endpoint,
            challenge("Bearer scope=\"mcp:read\""),
        );
    })
}

pub(in crate::checks) const CASES: &[Case] = &[
    case("prm-resource-syntax", Expect::Pass, World::compliant),
    case("prm-resource-syntax", Expect::Pass, || {
        naming("http://mcp.example.com/mcp")
    }),
    case("prm-resource-syntax", Expect::Warn("query"), || {
        naming("https://mcp.example.com/mcp?x=1")
    }),
    case("prm-resource-syntax", Expect::Fail("missing"), || {
        changed(|w| {
            w.prm(|prm| {
                prm.as_object_mut().expect("an object").remove("resource");
            });
        })
    }),
    case("prm-resource-syntax", Expect::Fail("not_a_string"), || {
        changed(|w| {
            w.prm(|prm| prm["resource"] = serde_json::json!([ENDPOINT]));
        })
    }),
    case("prm-resource-syntax", Expect::Fail("relative"), || {
        naming("/mcp")
    }),
    case("prm-resource-syntax", Expect::Fail("not_http"), || {
        naming("api://6f0c/mcp")
    }),
    case("prm-resource-syntax", Expect::Fail("not_http"), || {
        naming("urn:example:mcp")
    }),
    case("prm-resource-syntax", Expect::Fail("not_a_url"), || {
        naming("https:///mcp")
    }),
    case("prm-resource-syntax", Expect::Fail("fragment"), || {
        naming("https://mcp.example.com/mcp#x")
    }),
    case("prm-resource-syntax", Expect::Fail("userinfo"), || {
        naming("https://u:p@mcp.example.com/mcp")
    }),
    case(
        "prm-resource-syntax",
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
    case("prm-resource-same-origin", Expect::Pass, World::compliant),
    case("prm-resource-same-origin", Expect::Pass, || {
        naming("https://MCP.example.com:443/other")
    }),
    case("prm-resource-same-origin", Expect::Warn("alias"), || {
        aliased(true)
    }),
    case("prm-resource-same-origin", Expect::Fail("host"), || {
        aliased(false)
    }),
    case("prm-resource-same-origin", Expect::Fail("host"), || {
        naming("https://elsewhere.dev/mcp")
    }),
    case("prm-resource-same-origin", Expect::Fail("scheme"), || {
        naming("http://mcp.example.com/mcp")
    }),
    case("prm-resource-same-origin", Expect::Fail("port"), || {
        naming("https://mcp.example.com:8000/mcp")
    }),
    case("prm-resource-same-origin", Expect::Inconclusive, || {
        let mut world = aliased(true);
        world.purpose(crate::evidence::Purpose::AliasEndpoint, status(429));
        world
    }),
    case(
        "prm-resource-same-origin",
        Expect::Blocked("prm-resource-syntax"),
        || naming("api://x"),
    ),
    case("prm-resource-identical", Expect::Pass, World::compliant),
    case("prm-resource-identical", Expect::Pass, || {
        rooted(ENDPOINT, "https://mcp.example.com/")
    }),
    case("prm-resource-identical", Expect::Pass, || {
        rooted("https://mcp.example.com/", "https://mcp.example.com")
    }),
    case("prm-resource-identical", Expect::Warn("prefix"), || {
        naming("https://mcp.example.com")
    }),
    case("prm-resource-identical", Expect::Warn("slash"), || {
        naming("https://mcp.example.com/mcp/")
    }),
    case("prm-resource-identical", Expect::Warn("case_port"), || {
        naming("https://MCP.example.com/mcp")
    }),
    case("prm-resource-identical", Expect::Warn("case_port"), || {
        naming("https://mcp.example.com:443/mcp")
    }),
    case("prm-resource-identical", Expect::Warn("query"), || {
        naming("https://mcp.example.com/mcp?x=1")
    }),
    case("prm-resource-identical", Expect::Fail("longer"), || {
        naming("https://mcp.example.com/mcp/v1")
    }),
    case("prm-resource-identical", Expect::Fail("sibling"), || {
        naming("https://mcp.example.com/MCP")
    }),
    case(
        "prm-resource-identical",
        Expect::Blocked("prm-resource-same-origin"),
        || naming("https://elsewhere.dev/mcp"),
    ),
    case("prm-resource-canonical", Expect::Pass, World::compliant),
    case("prm-resource-canonical", Expect::Pass, || {
        rooted("https://mcp.example.com/", "https://mcp.example.com/")
    }),
    case("prm-resource-canonical", Expect::Warn("upper_case"), || {
        naming("HTTPS://mcp.example.com/mcp")
    }),
    case(
        "prm-resource-canonical",
        Expect::Warn("default_port"),
        || naming("https://mcp.example.com:443/mcp"),
    ),
    case(
        "prm-resource-canonical",
        Expect::Warn("trailing_slash"),
        || naming("https://mcp.example.com/"),
    ),
    case(
        "prm-resource-canonical",
        Expect::Warn("dot_segments"),
        || naming("https://mcp.example.com/a/../mcp"),
    ),
    case("prm-resource-canonical", Expect::Warn("query"), || {
        naming("https://mcp.example.com/mcp?x=1")
    }),
    case(
        "prm-resource-canonical",
        Expect::Blocked("prm-resource-syntax"),
        || naming("mcp.example.com"),
    ),
];
