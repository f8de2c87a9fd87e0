//! Cases: how a server refuses.

use crate::checks::testkit::{self, Case, Expect, World, case, changed};
use crate::evidence::{Failure, Phase, Purpose, Response};

pub(super) const CASES: &[Case] = &[
    case("challenge-status-401", Expect::Pass, World::compliant),
    case("challenge-status-401", Expect::Na, World::open),
    case("challenge-status-401", Expect::Pass, || {
        // A 2025 library that does not know the modern greeting refuses nothing by saying so.
        changed(|w| {
            w.purpose(
                Purpose::Discover,
                testkit::text(400, "application/json", NOT_INITIALIZED),
            );
        })
    }),
    case("challenge-status-401", Expect::Pass, World::guarded_stream),
    case(
        "challenge-status-401",
        Expect::Warn("forbidden_with_challenge"),
        || {
            changed(|w| {
                w.edit(testkit::is_endpoint, |response| {
                    if response.status == 401 {
                        response.status = 403;
                    }
                });
            })
        },
    ),
    case("challenge-status-401", Expect::Fail("forbidden"), || {
        changed(|w| {
            w.purpose(Purpose::Initialize, testkit::status(403));
        })
    }),
    case("challenge-status-401", Expect::Inconclusive, || {
        // The same page at every path: a filter in front of the server.
        let page = || testkit::text(403, "text/html", "<h1>Forbidden</h1>");
        changed(|w| {
            w.purpose(Purpose::Initialize, page())
                .purpose(Purpose::RandomWellKnown, page());
        })
    }),
    case("challenge-status-401", Expect::Fail("forbidden"), || {
        // Another page than elsewhere: the server's own.
        changed(|w| {
            w.purpose(
                Purpose::Initialize,
                testkit::text(403, "text/html", "<h1>No token</h1>"),
            )
            .purpose(
                Purpose::RandomWellKnown,
                testkit::text(403, "text/html", "<h1>Forbidden</h1>"),
            );
        })
    }),
    case("challenge-status-401", Expect::Fail("forbidden"), || {
        // Nothing but the status and the metadata shows that the server is protected.
        changed(|w| {
            w.on(
                |ask| testkit::is_endpoint(ask) && ask.method == "POST",
                testkit::status(403),
            );
        })
    }),
    case("challenge-status-401", Expect::Fail("other_status"), || {
        changed(|w| {
            w.on(
                |ask| testkit::is_endpoint(ask) && ask.method == "POST",
                testkit::text(400, "text/plain", "Authentication required"),
            );
        })
    }),
    case("challenge-status-401", Expect::Fail("other_status"), || {
        changed(|w| {
            w.purpose(
                Purpose::Initialize,
                testkit::text(500, "text/plain", "no access token in request"),
            );
        })
    }),
    case("challenge-status-401", Expect::Fail("error_in_200"), || {
        changed(|w| {
            w.purpose(
                Purpose::Initialize,
                testkit::text(200, "application/json", UNAUTHORIZED_IN_200),
            );
        })
    }),
    case("challenge-status-401", Expect::Fail("error_in_200"), || {
        let mut world = World::lazy();
        world.purpose(
            Purpose::UnknownTool,
            testkit::text(200, "application/json", LOGIN_IN_RESULT),
        );
        world
    }),
    case("challenge-status-401", Expect::Inconclusive, || {
        changed(|w| {
            w.purpose(Purpose::Initialize, bot_challenge());
        })
    }),
    case(
        "challenge-status-401",
        Expect::Blocked("challenge-not-login-redirect"),
        sign_in,
    ),
    case(
        "challenge-status-401",
        Expect::Blocked("transport-redirects"),
        moved_away,
    ),
    case(
        "challenge-not-login-redirect",
        Expect::Pass,
        World::compliant,
    ),
    case("challenge-not-login-redirect", Expect::Na, World::open),
    case(
        "challenge-not-login-redirect",
        Expect::Fail("login_redirect"),
        sign_in,
    ),
    case(
        "challenge-not-login-redirect",
        Expect::Fail("login_page"),
        || {
            changed(|w| {
                w.purpose(
                    Purpose::Initialize,
                    testkit::text(
                        200,
                        "text/html",
                        "<form><input type=\"password\" name=\"p\"></form>",
                    ),
                );
            })
        },
    ),
    case("challenge-not-login-redirect", Expect::Inconclusive, || {
        changed(|w| {
            w.purpose(Purpose::Initialize, bot_challenge());
        })
    }),
    case(
        "challenge-not-login-redirect",
        Expect::Blocked("transport-redirects"),
        moved_away,
    ),
    case("challenge-get-stream", Expect::Pass, World::compliant),
    case("challenge-get-stream", Expect::Pass, || {
        changed(|w| {
            w.purpose(Purpose::EventStream, testkit::status(405));
        })
    }),
    case("challenge-get-stream", Expect::Pass, World::guarded_stream),
    case("challenge-get-stream", Expect::Na, World::open),
    case("challenge-get-stream", Expect::Warn("other_answer"), || {
        changed(|w| {
            w.purpose(Purpose::EventStream, testkit::status(406));
        })
    }),
    case("challenge-get-stream", Expect::Fail("open_stream"), || {
        changed(|w| {
            w.purpose(
                Purpose::EventStream,
                testkit::text(
                    200,
                    "text/event-stream",
                    "event: message\ndata: {\"secret\":1}\n\n",
                ),
            );
        })
    }),
    case("challenge-get-stream", Expect::Fail("open_stream"), || {
        changed(|w| {
            w.purpose(
                Purpose::EventStream,
                testkit::text(200, "text/event-stream", ""),
            );
        })
    }),
    case("challenge-get-stream", Expect::Na, || {
        let mut world = World::lazy();
        world.purpose(
            Purpose::EventStream,
            testkit::text(200, "text/event-stream", ""),
        );
        world
    }),
    case("challenge-get-stream", Expect::Inconclusive, || {
        changed(|w| {
            w.purpose(
                Purpose::EventStream,
                Err(Failure::Timeout(Phase::FirstByte)),
            );
        })
    }),
    case("challenge-get-stream", Expect::Inconclusive, || {
        changed(|w| {
            w.purpose(Purpose::EventStream, testkit::status(502));
        })
    }),
    case("challenge-consistent", Expect::Pass, World::compliant),
    case("challenge-consistent", Expect::Na, World::open),
    case("challenge-consistent", Expect::Na, World::lazy),
    case(
        "challenge-consistent",
        Expect::Fail("sometimes_open"),
        || {
            changed(|w| {
                w.purpose(
                    Purpose::Repeat(2),
                    testkit::text(200, "application/json", RESULT),
                );
            })
        },
    ),
    case(
        "challenge-consistent",
        Expect::Warn("parameters_differ"),
        || {
            changed(|w| {
                w.purpose(
                    Purpose::Repeat(3),
                    testkit::challenge(
                        "Bearer resource_metadata=\"https://b.example.com/prm\", scope=\"mcp:read\"",
                    ),
                );
            })
        },
    ),
    case(
        "challenge-consistent",
        Expect::Warn("status_differs"),
        || {
            changed(|w| {
                w.purpose(Purpose::Repeat(1), testkit::status(404));
            })
        },
    ),
    case("challenge-consistent", Expect::Inconclusive, || {
        changed(|w| {
            w.purpose(Purpose::Repeat(1), Err(Failure::Reset));
        })
    }),
];

const NOT_INITIALIZED: &str =
    r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Server not initialized"}}"#;
const UNAUTHORIZED_IN_200: &str =
    r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"Unauthorized"}}"#;
const LOGIN_IN_RESULT: &str = r#"{"jsonrpc":"2.0","id":"x","result":{"isError":true,
    "content":[{"type":"text","text":"Authentication required, open https://x.example/"}]}}"#;
const RESULT: &str = r#"{"jsonrpc":"2.0","id":"x","result":{"protocolVersion":"2025-11-25"}}"#;

fn bot_challenge() -> Result<Response, Failure> {
    testkit::response(
        403,
        &[("cf-mitigated", "challenge"), ("content-type", "text/html")],
        "<html>Just a moment</html>",
    )
}

/// Everything on the endpoint is redirected to an identity provider.
pub(super) fn sign_in() -> World {
    changed(|w| {
        w.on(
            testkit::is_endpoint,
            testkit::response(
                302,
                &[("location", "https://sso.example.org/login?rd=x")],
                "",
            ),
        );
    })
}

/// The endpoint has moved to another host.
pub(super) fn moved_away() -> World {
    changed(|w| {
        w.on(
            testkit::is_endpoint,
            testkit::response(301, &[("location", "https://mcp.example.org/mcp")], ""),
        );
    })
}
