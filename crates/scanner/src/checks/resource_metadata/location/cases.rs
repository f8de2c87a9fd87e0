//! Cases of where the document is found and how it is served.

use crate::checks::testkit::*;
use crate::spec::Revision;

const ROOT_URL: &str = "https://mcp.example.com/.well-known/oauth-protected-resource";

fn moved(world: &mut World, from: &'static str, to: &'static str) {
    world.on(
        move |ask| ask.url == from,
        response(302, &[("location", to)], ""),
    );
    world.document(to, prm());
}

fn twice(value: &'static str) -> World {
    changed(|w| {
        w.edit(
            |ask| ask.url == PRM_URL,
            move |r| {
                let text = r
                    .body
                    .text
                    .replacen('{', &format!("{{\"resource\":\"{value}\","), 1);
                set_body(r, &text);
            },
        );
    })
}

pub(in crate::checks) const CASES: &[Case] = &[
    case("prm-discoverable", Expect::Pass, World::compliant),
    case_in(
        Revision::V2025_06_18,
        "prm-discoverable",
        Expect::Pass,
        World::compliant,
    ),
    case_in(
        Revision::V2025_03_26,
        "prm-discoverable",
        Expect::Na,
        World::compliant,
    ),
    case("prm-discoverable", Expect::Warn("redirected"), || {
        changed(|w| moved(w, PRM_URL, "https://mcp.example.com/meta"))
    }),
    case("prm-discoverable", Expect::Fail("not_found"), || {
        changed(|w| {
            w.on(|ask| ask.url == PRM_URL, status(404));
        })
    }),
    case("prm-discoverable", Expect::Fail("not_found"), || {
        changed(|w| {
            w.on(
                |ask| ask.url == PRM_URL,
                document(serde_json::json!({ "message": "hello" })),
            );
        })
    }),
    case("prm-discoverable", Expect::Fail("elsewhere"), || {
        changed(|w| {
            w.on(|ask| ask.url == PRM_URL, status(404));
            w.document(
                "https://mcp.example.com/mcp/.well-known/oauth-protected-resource",
                prm(),
            );
        })
    }),
    case("prm-discoverable", Expect::Inconclusive, || {
        changed(|w| {
            w.on(
                |ask| ask.url == PRM_URL,
                Err(crate::evidence::Failure::Reset),
            );
        })
    }),
    case("prm-discoverable", Expect::Inconclusive, || {
        changed(|w| {
            w.on(|ask| ask.url == PRM_URL, status(503));
        })
    }),
    case("prm-discoverable", Expect::Na, World::open),
    case("prm-path-location", Expect::Pass, World::compliant),
    case("prm-path-location", Expect::Warn("root_only"), || {
        changed(|w| {
            w.challenge(Some("Bearer scope=\"mcp:read\""))
                .on(|ask| ask.url == PRM_URL, status(404))
                .document(ROOT_URL, prm());
        })
    }),
    case("prm-path-location", Expect::Warn("custom_only"), || {
        changed(|w| {
            w.challenge(Some(
                "Bearer resource_metadata=\"https://mcp.example.com/meta\"",
            ))
            .on(|ask| ask.url == PRM_URL, status(404))
            .document("https://mcp.example.com/meta", prm());
        })
    }),
    case("prm-path-location", Expect::Warn("redirected"), || {
        changed(|w| moved(w, PRM_URL, "https://mcp.example.com/meta"))
    }),
    case("prm-path-location", Expect::Fail("server_error"), || {
        changed(|w| {
            w.on(|ask| ask.url == PRM_URL, status(500))
                .document(ROOT_URL, prm());
        })
    }),
    case("prm-path-location", Expect::Fail("refused"), || {
        changed(|w| {
            w.on(|ask| ask.url == PRM_URL, status(401))
                .document(ROOT_URL, prm());
        })
    }),
    case("prm-path-location", Expect::Fail("not_metadata"), || {
        changed(|w| {
            w.on(
                |ask| ask.url == PRM_URL,
                text(200, "text/html", "<p>welcome</p>"),
            )
            .document(ROOT_URL, prm());
        })
    }),
    case("prm-path-location", Expect::Inconclusive, || {
        changed(|w| {
            w.on(|ask| ask.url == PRM_URL, status(429))
                .document(ROOT_URL, prm());
        })
    }),
    case(
        "prm-path-location",
        Expect::Blocked("prm-discoverable"),
        || {
            changed(|w| {
                w.on(|ask| ask.url == PRM_URL, status(404));
            })
        },
    ),
    case("prm-root-path-agreement", Expect::Na, World::compliant),
    case("prm-root-path-agreement", Expect::Pass, || {
        changed(|w| {
            w.document(ROOT_URL, prm());
        })
    }),
    case(
        "prm-root-path-agreement",
        Expect::Warn("other_resource"),
        || {
            changed(|w| {
                w.document(
                ROOT_URL,
                serde_json::json!({ "resource": "https://mcp.example.com", "authorization_servers": ["https://other.example.com"] }),
            );
            })
        },
    ),
    case(
        "prm-root-path-agreement",
        Expect::Fail("contradiction"),
        || {
            changed(|w| {
                w.document(
                ROOT_URL,
                serde_json::json!({ "resource": ENDPOINT, "authorization_servers": ["https://other.example.com"] }),
            );
            })
        },
    ),
    case("prm-root-path-agreement", Expect::Inconclusive, || {
        changed(|w| {
            w.on(|ask| ask.url == ROOT_URL, status(502));
        })
    }),
    case("prm-http-response", Expect::Pass, World::compliant),
    case("prm-http-response", Expect::Warn("json_media_type"), || {
        media("application/hal+json")
    }),
    case("prm-http-response", Expect::Fail("media_type"), || {
        media("text/html; charset=utf-8")
    }),
    case("prm-http-response", Expect::Warn("byte_order_mark"), || {
        changed(|w| {
            w.edit(
                |ask| ask.url == PRM_URL,
                |r| {
                    let text = format!("\u{feff}{}", r.body.text);
                    set_body(r, &text);
                },
            );
        })
    }),
    case("prm-http-response", Expect::Warn("redirected"), || {
        changed(|w| moved(w, PRM_URL, "https://mcp.example.com/meta"))
    }),
    case(
        "prm-http-response",
        Expect::Warn("duplicate_members"),
        || twice(ENDPOINT),
    ),
    case(
        "prm-http-response",
        Expect::Fail("contradictory_members"),
        || twice("https://other.example.com/mcp"),
    ),
    case(
        "prm-http-response",
        Expect::Fail("requires_credentials"),
        || {
            changed(|w| {
                w.challenge(Some(
                    "Bearer resource_metadata=\"https://mcp.example.com/meta\"",
                ))
                .on(|ask| ask.url == "https://mcp.example.com/meta", status(401));
            })
        },
    ),
    case(
        "prm-http-response",
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
];

fn media(value: &'static str) -> World {
    changed(|w| {
        w.edit(
            |ask| ask.url == PRM_URL,
            move |r| {
                r.headers.retain(|(name, _)| name != "content-type");
                r.headers.push(("content-type".into(), value.into()));
            },
        );
    })
}
