//! Cases: what becomes of tokens that nobody issued.

use crate::checks::testkit::{self, Case, ENDPOINT, Expect, World, case, case_in, changed};
use crate::evidence::{Depth, Failure, Purpose, Response};
use crate::spec::Revision;

pub(in crate::checks) const CASES: &[Case] = &[
    case("token-bogus-rejected", Expect::Pass, World::compliant),
    case_in(
        Revision::V2025_03_26,
        "token-bogus-rejected",
        Expect::Pass,
        World::compliant,
    ),
    case("token-bogus-rejected", Expect::Na, World::open),
    case("token-bogus-rejected", Expect::Na, || {
        changed(|w| w.depth = Depth::Passive)
    }),
    // Serves everybody, but not a token it does not know.
    case("token-bogus-rejected", Expect::Pass, World::lazy),
    case(
        "token-bogus-rejected",
        Expect::Warn("treated_as_anonymous"),
        || {
            let mut world = World::lazy();
            world.purpose(Purpose::BogusToken, served());
            world
        },
    ),
    case("token-bogus-rejected", Expect::Pass, || {
        answering(Purpose::BogusToken, testkit::status(403))
    }),
    case("token-bogus-rejected", Expect::Pass, || {
        answering(Purpose::BogusToken, testkit::status(400))
    }),
    case("token-bogus-rejected", Expect::Fail("accepted"), || {
        answering(Purpose::BogusToken, served())
    }),
    case(
        "token-bogus-rejected",
        Expect::Fail("accepted"),
        // It speaks the legacy era only, and takes any token: the modern request is refused
        // for its era.
        || {
            let mut world = answering(Purpose::BogusToken, testkit::status(400));
            world.purpose(Purpose::BogusTokenLegacy, served());
            world
        },
    ),
    case("challenge-invalid-token", Expect::Na, || {
        let mut world = answering(Purpose::BogusToken, testkit::status(400));
        world.purpose(Purpose::BogusTokenLegacy, served());
        world
    }),
    case(
        "challenge-invalid-token",
        Expect::Pass,
        // The era is looked at before the token; what the server says of tokens is heard in
        // its own era.
        || answering(Purpose::BogusToken, testkit::status(400)),
    ),
    case("token-bogus-rejected", Expect::Fail("accepted"), || {
        // The handshake is open and its lists are not: those are what the token is tried on.
        let mut world = World::lazy();
        world
            .on(
                |ask| {
                    ask.body
                        .as_deref()
                        .is_some_and(|body| body.contains("tools/list"))
                },
                testkit::challenge(&testkit::good_challenge(None)),
            )
            .purpose(Purpose::BogusToken, served());
        world
    }),
    case("token-bogus-rejected", Expect::Fail("accepted"), || {
        // A stream is what the old transport serves on GET.
        let mut world = World::guarded_stream();
        world.purpose(
            Purpose::BogusToken,
            testkit::text(
                200,
                "text/event-stream",
                "event: endpoint\ndata: /messages?id=1\n\n",
            ),
        );
        world
    }),
    case("token-bogus-rejected", Expect::Fail("accepted"), || {
        // Behind a key instead of OAuth.
        let mut world = World::empty();
        world
            .on(|_| true, testkit::status(404))
            .on(
                testkit::is_endpoint,
                testkit::challenge("ApiKey realm=\"x\""),
            )
            .purpose(Purpose::BogusToken, served());
        world
    }),
    case(
        "token-bogus-rejected",
        Expect::Fail("accepted_in_query"),
        || answering(Purpose::QueryToken, served()),
    ),
    case("token-bogus-rejected", Expect::Inconclusive, || {
        answering(Purpose::BogusToken, testkit::status(500))
    }),
    case("token-bogus-rejected", Expect::Inconclusive, || {
        let page = || testkit::text(200, "text/html", "<p>welcome</p>");
        let mut world = answering(Purpose::BogusToken, page());
        world.purpose(Purpose::BogusTokenLegacy, page());
        world
    }),
    case(
        "token-bogus-rejected",
        Expect::Blocked("challenge-not-login-redirect"),
        || {
            changed(|w| {
                w.on(
                    testkit::is_endpoint,
                    testkit::response(302, &[("location", "https://sso.example.org/login")], ""),
                );
            })
        },
    ),
    case("token-forged-jwt-rejected", Expect::Na, World::compliant),
    case("token-lifetime", Expect::Na, World::compliant),
    case("token-query-ignored", Expect::Pass, World::compliant),
    case("token-query-ignored", Expect::Pass, World::guarded_stream),
    case("token-query-ignored", Expect::Na, World::open),
    case("token-query-ignored", Expect::Na, World::lazy),
    case("token-query-ignored", Expect::Na, || {
        // The listing puts a key into the query.
        changed(|w| w.target = crate::target::Target::of(format!("{ENDPOINT}?api_key=x")))
    }),
    case("token-query-ignored", Expect::Warn("parsed"), || {
        answering(
            Purpose::QueryAccessToken,
            testkit::challenge(&testkit::good_challenge(Some("invalid_token"))),
        )
    }),
    case("token-query-ignored", Expect::Warn("parsed"), || {
        answering(
            Purpose::QueryToken,
            testkit::text(400, "application/json", "{\"error\":\"invalid_request\"}"),
        )
    }),
    case("token-query-ignored", Expect::Fail("accepted"), || {
        answering(Purpose::QueryAccessToken, served())
    }),
    case("token-query-ignored", Expect::Inconclusive, || {
        changed(|w| {
            w.challenge(Some(&testkit::good_challenge(Some("invalid_token"))));
        })
    }),
    case("token-query-ignored", Expect::Inconclusive, || {
        answering(Purpose::QueryToken, testkit::status(404))
    }),
];

fn answering(purpose: Purpose, answer: Result<Response, Failure>) -> World {
    let mut world = World::compliant();
    world.purpose(purpose, answer);
    world
}

fn served() -> Result<Response, Failure> {
    testkit::text(
        200,
        "application/json",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"protocolVersion\":\"2025-11-25\"}}",
    )
}
