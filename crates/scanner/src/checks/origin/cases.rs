//! Cases: foreign origins at endpoints of each kind, and what CORS grants them.

use crate::checks::testkit::{self, Case, Expect, World, case, case_in, changed};
use crate::evidence::{Failure, Purpose, Response};
use crate::plan::{Ask, PREFLIGHT_HEADERS, PROBE_ORIGIN};
use crate::spec::Revision;

const ALLOW: &str = "access-control-allow-origin";
const CREDENTIALS: &str = "access-control-allow-credentials";

pub(in crate::checks) const CASES: &[Case] = &[
    case("origin-rejected", Expect::Pass, World::compliant),
    case("origin-rejected", Expect::Pass, World::open),
    case("origin-rejected", Expect::Pass, World::lazy),
    case_in(
        Revision::V2025_03_26,
        "origin-rejected",
        Expect::Pass,
        World::compliant,
    ),
    case("origin-rejected", Expect::Na, World::empty),
    // Authentication comes first, and its answer hides the rest.
    case("origin-rejected", Expect::Inconclusive, || {
        changed(|w| origins(w, testkit::challenge(&testkit::good_challenge(None))))
    }),
    // A server that answers 403 to everybody shows nothing either.
    case("origin-rejected", Expect::Inconclusive, || {
        changed(|w| {
            w.edit(testkit::is_endpoint, |response| {
                if response.status == 401 {
                    response.status = 403;
                }
            });
        })
    }),
    case("origin-rejected", Expect::Inconclusive, || {
        changed(|w| {
            w.purpose(
                Purpose::NullOrigin,
                testkit::response(403, &[("cf-mitigated", "challenge")], ""),
            );
        })
    }),
    case("origin-rejected", Expect::Warn("one_refused"), || {
        changed(|w| {
            w.purpose(
                Purpose::NullOrigin,
                testkit::challenge(&testkit::good_challenge(None)),
            );
        })
    }),
    case("origin-rejected", Expect::Warn("one_refused"), || {
        let mut world = World::open();
        world.purpose(Purpose::ForeignOrigin, served(&[]));
        world
    }),
    case("origin-rejected", Expect::Warn("served"), || {
        let mut world = World::open();
        origins(&mut world, served(&[]));
        world
    }),
    case("origin-rejected", Expect::Warn("served_readable"), || {
        let mut world = World::open();
        origins(&mut world, served(&[(ALLOW, "*")]));
        world
    }),
    case("origin-rejected", Expect::Warn("served_readable"), || {
        let mut world = World::open();
        origins(&mut world, served(&[(ALLOW, "*"), (CREDENTIALS, "true")]));
        world
    }),
    case("origin-rejected", Expect::Warn("other_status"), || {
        changed(|w| origins(w, testkit::status(400)))
    }),
    case_in(
        Revision::V2025_11_25,
        "origin-rejected",
        Expect::Warn("other_status"),
        || changed(|w| origins(w, testkit::status(400))),
    ),
    // Older revisions asked for validation and named no status.
    case_in(
        Revision::V2025_06_18,
        "origin-rejected",
        Expect::Pass,
        || changed(|w| origins(w, testkit::status(400))),
    ),
    case(
        "origin-rejected",
        Expect::Fail("granted_with_credentials"),
        || {
            let mut world = World::open();
            origins(
                &mut world,
                served(&[(ALLOW, PROBE_ORIGIN), (CREDENTIALS, "true")]),
            );
            world
        },
    ),
    case(
        "origin-rejected",
        Expect::Fail("granted_with_credentials"),
        || {
            let mut world = World::open();
            world.purpose(
                Purpose::NullOrigin,
                served(&[(ALLOW, "null"), (CREDENTIALS, "true")]),
            );
            world
        },
    ),
    // The old transport is asked with GET, and a stream is what it serves.
    case("origin-rejected", Expect::Warn("served"), || {
        let mut world = World::empty();
        world.on(|_| true, testkit::status(404)).on(
            |ask| testkit::is_endpoint(ask) && ask.method == "GET",
            testkit::text(
                200,
                "text/event-stream",
                "event: endpoint\ndata: /messages?id=1\n\n",
            ),
        );
        world
    }),
    case("origin-rejected", Expect::Inconclusive, || {
        let mut world = World::guarded_stream();
        origins(
            &mut world,
            testkit::challenge(&testkit::good_challenge(None)),
        );
        world
    }),
    case(
        "origin-rejected",
        Expect::Blocked("transport-redirects"),
        moved_away,
    ),
    // cors-no-credentials
    case("cors-no-credentials", Expect::Pass, World::compliant),
    case("cors-no-credentials", Expect::Na, World::open),
    case("cors-no-credentials", Expect::Pass, || {
        changed(|w| {
            w.edit(is_preflight, |response| {
                push(response, &[(ALLOW, PROBE_ORIGIN)]);
            });
        })
    }),
    case(
        "cors-no-credentials",
        Expect::Warn("wildcard_with_credentials"),
        || {
            changed(|w| {
                w.edit(is_preflight, |response| {
                    push(response, &[(ALLOW, "*"), (CREDENTIALS, "true")]);
                });
            })
        },
    ),
    case(
        "cors-no-credentials",
        Expect::Fail("reflected_with_credentials"),
        || {
            changed(|w| {
                w.edit(is_preflight, |response| {
                    push(response, &[(ALLOW, PROBE_ORIGIN), (CREDENTIALS, "true")]);
                });
            })
        },
    ),
    case(
        "cors-no-credentials",
        Expect::Fail("reflected_with_credentials"),
        || {
            changed(|w| {
                w.edit(
                    |ask| ask.purpose == Purpose::CorsJwks,
                    |response| {
                        response.headers.retain(|(name, _)| name != ALLOW);
                        push(response, &[(ALLOW, "null"), (CREDENTIALS, "true")]);
                    },
                );
            })
        },
    ),
    case("cors-no-credentials", Expect::Inconclusive, || {
        changed(|w| {
            w.purpose(Purpose::Preflight, Err(Failure::Reset));
        })
    }),
    // cors-preflight
    case("cors-preflight", Expect::Na, World::compliant),
    case("cors-preflight", Expect::Pass, || {
        browser(PREFLIGHT_HEADERS)
    }),
    case("cors-preflight", Expect::Pass, || {
        let mut world = World::open();
        world
            .purpose(Purpose::Preflight, permission("*"))
            .purpose(Purpose::ForeignOrigin, served(&[(ALLOW, "*")]));
        world
    }),
    case("cors-preflight", Expect::Na, || {
        // Pages of the vendor, and of nobody else.
        changed(|w| {
            w.edit(is_preflight, |response| {
                push(response, &[(ALLOW, "https://app.example.com")]);
            });
        })
    }),
    case(
        "cors-preflight",
        Expect::Warn("headers_not_allowed"),
        || browser("*"),
    ),
    case(
        "cors-preflight",
        Expect::Warn("headers_not_allowed"),
        || browser("authorization, content-type, mcp-protocol-version, mcp-session-id"),
    ),
    case_in(
        Revision::V2025_11_25,
        "cors-preflight",
        Expect::Pass,
        || browser("Authorization, Content-Type, MCP-Protocol-Version, Mcp-Session-Id"),
    ),
    case_in(
        Revision::V2025_03_26,
        "cors-preflight",
        Expect::Pass,
        || browser("authorization, content-type, mcp-session-id"),
    ),
    case(
        "cors-preflight",
        Expect::Warn("challenge_not_exposed"),
        || {
            let mut world = browser(PREFLIGHT_HEADERS);
            world.purpose(
                Purpose::ForeignOrigin,
                testkit::challenge(&testkit::good_challenge(None)),
            );
            world
        },
    ),
    case(
        "cors-preflight",
        Expect::Warn("challenge_not_exposed"),
        || {
            let mut world = browser(PREFLIGHT_HEADERS);
            world.edit(testkit::is_endpoint, |response| {
                response
                    .headers
                    .retain(|(name, _)| name != "access-control-expose-headers");
            });
            world
        },
    ),
    case("cors-preflight", Expect::Warn("preflight_refused"), || {
        let mut world = browser(PREFLIGHT_HEADERS);
        world.purpose(
            Purpose::Preflight,
            testkit::challenge(&testkit::good_challenge(None)),
        );
        world
    }),
    case("cors-preflight", Expect::Inconclusive, || {
        // The page would be allowed to ask, but the question itself is refused.
        changed(|w| {
            w.purpose(Purpose::Preflight, permission(PREFLIGHT_HEADERS));
        })
    }),
    case("cors-preflight", Expect::Inconclusive, || {
        changed(|w| {
            w.purpose(Purpose::Preflight, testkit::status(502));
        })
    }),
    // cors-metadata-readable
    case("cors-metadata-readable", Expect::Pass, World::compliant),
    case("cors-metadata-readable", Expect::Na, World::open),
    case("cors-metadata-readable", Expect::Na, || {
        changed(|w| {
            w.edit(is_document, |response| {
                response.headers.retain(|(name, _)| name != ALLOW);
            });
        })
    }),
    case(
        "cors-metadata-readable",
        Expect::Warn("one_readable"),
        || {
            changed(|w| {
                w.purpose(Purpose::CorsPrm, testkit::status(403));
            })
        },
    ),
    case(
        "cors-metadata-readable",
        Expect::Warn("one_readable"),
        || {
            changed(|w| {
                w.edit(
                    |ask| ask.purpose == Purpose::CorsAsMetadata,
                    |response| response.headers.retain(|(name, _)| name != ALLOW),
                );
            })
        },
    ),
    case("cors-metadata-readable", Expect::Inconclusive, || {
        changed(|w| {
            w.purpose(Purpose::CorsAsMetadata, testkit::status(503));
        })
    }),
];

/// Answers both foreign origins.
fn origins(world: &mut World, answer: Result<Response, Failure>) {
    world
        .purpose(Purpose::ForeignOrigin, answer.clone())
        .purpose(Purpose::NullOrigin, answer);
}

fn served(headers: &[(&str, &str)]) -> Result<Response, Failure> {
    let mut all = vec![("content-type", "application/json")];
    all.extend(headers);
    testkit::response(
        200,
        &all,
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"supportedVersions\":[\"2026-07-28\"]}}",
    )
}

fn permission(headers: &str) -> Result<Response, Failure> {
    testkit::response(
        204,
        &[(ALLOW, "*"), ("access-control-allow-headers", headers)],
        "",
    )
}

/// A protected server that serves browser clients as it should.
fn browser(headers: &str) -> World {
    let mut world = World::compliant();
    world
        .purpose(Purpose::Preflight, permission(headers))
        .purpose(
            Purpose::ForeignOrigin,
            testkit::response(
                401,
                &[
                    ("www-authenticate", &testkit::good_challenge(None)),
                    (ALLOW, "*"),
                    ("access-control-expose-headers", "WWW-Authenticate"),
                ],
                "",
            ),
        );
    world
}

fn moved_away() -> World {
    changed(|w| {
        w.on(
            testkit::is_endpoint,
            testkit::response(301, &[("location", "https://mcp.example.org/mcp")], ""),
        );
    })
}

fn is_preflight(ask: &Ask) -> bool {
    ask.purpose == Purpose::Preflight
}

fn is_document(ask: &Ask) -> bool {
    matches!(ask.purpose, Purpose::CorsPrm | Purpose::CorsAsMetadata)
}

fn push(response: &mut Response, headers: &[(&str, &str)]) {
    response.headers.extend(
        headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
    );
}
