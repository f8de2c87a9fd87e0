//! Cases: what a server with open parts owes.

use crate::checks::testkit::{self, Case, Expect, PRM_URL, World, case, case_in};
use crate::evidence::{Failure, Purpose, Response};
use crate::spec::Revision;

pub(super) const CASES: &[Case] = &[
    case("challenge-lazy-http-status", Expect::Pass, World::lazy),
    case("challenge-lazy-http-status", Expect::Na, World::compliant),
    case("challenge-lazy-http-status", Expect::Na, || {
        // An unknown-tool error beside left-over metadata declares nothing: the server is open.
        let mut world = World::open();
        world.document(PRM_URL, testkit::prm());
        world
    }),
    case(
        "challenge-lazy-http-status",
        Expect::Fail("forbidden"),
        || calling(testkit::status(403)),
    ),
    case(
        "challenge-lazy-http-status",
        Expect::Fail("server_error"),
        || calling(testkit::status(500)),
    ),
    case(
        "challenge-lazy-http-status",
        Expect::Blocked("challenge-status-401"),
        || calling(rpc_error(200, "Unauthorized")),
    ),
    case(
        "challenge-lazy-http-status",
        Expect::Blocked("challenge-www-authenticate"),
        || calling(testkit::status(401)),
    ),
    case("challenge-lazy-http-status", Expect::Inconclusive, || {
        calling(rpc_error(200, "Unknown tool: authdex"))
    }),
    case("challenge-lazy-http-status", Expect::Inconclusive, || {
        calling(rpc_error(500, "Tool not found, try login"))
    }),
    case("challenge-lazy-prm", Expect::Pass, World::lazy),
    case("challenge-lazy-prm", Expect::Na, World::compliant),
    case_in(
        Revision::V2025_03_26,
        "challenge-lazy-prm",
        Expect::Na,
        World::lazy,
    ),
    case("challenge-lazy-prm", Expect::Pass, || {
        let mut world = unpublished(testkit::status(404));
        world.document(
            "https://mcp.example.com/.well-known/oauth-protected-resource",
            testkit::prm(),
        );
        world
    }),
    case(
        "challenge-lazy-prm",
        Expect::Warn("only_by_challenge"),
        || {
            let mut world = unpublished(testkit::status(404));
            world
                .purpose(
                    Purpose::UnknownTool,
                    testkit::challenge("Bearer resource_metadata=\"https://mcp.example.com/prm\""),
                )
                .document("https://mcp.example.com/prm", testkit::prm());
            world
        },
    ),
    case("challenge-lazy-prm", Expect::Fail("absent"), || {
        unpublished(testkit::status(404))
    }),
    case("challenge-lazy-prm", Expect::Fail("misplaced"), || {
        let mut world = unpublished(testkit::status(404));
        world.document(
            "https://mcp.example.com/mcp/.well-known/oauth-protected-resource",
            testkit::prm(),
        );
        world
    }),
    case("challenge-lazy-prm", Expect::Inconclusive, || {
        unpublished(testkit::status(503))
    }),
];

fn calling(answer: Result<Response, Failure>) -> World {
    let mut world = World::lazy();
    world.purpose(Purpose::UnknownTool, answer);
    world
}

fn rpc_error(status: u16, message: &str) -> Result<Response, Failure> {
    testkit::text(
        status,
        "application/json",
        &serde_json::json!({ "jsonrpc": "2.0", "id": 1, "error": { "code": -32602, "message": message } })
            .to_string(),
    )
}

fn unpublished(answer: Result<Response, Failure>) -> World {
    let mut world = World::lazy();
    world.on(
        |ask| ask.url.contains("/.well-known/oauth-protected-resource"),
        answer,
    );
    world
}
