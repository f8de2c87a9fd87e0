//! Cases: what credentials change.

use crate::checks::testkit::{self, Case, Expect, World, case, changed};
use crate::evidence::{Failure, Purpose, Response};

pub(super) const CASES: &[Case] = &[
    case("challenge-invalid-token", Expect::Pass, World::compliant),
    case("challenge-invalid-token", Expect::Pass, World::lazy),
    case("challenge-invalid-token", Expect::Pass, || {
        // The GET-only endpoint of the old transport is asked with GET.
        let mut world = World::guarded_stream();
        bogus(
            &mut world,
            "Bearer error=\"invalid_token\", resource_metadata=\"https://mcp.example.com/.well-known/oauth-protected-resource/mcp\", scope=\"mcp:read\"",
        );
        world
    }),
    case("challenge-invalid-token", Expect::Na, World::open),
    case("challenge-invalid-token", Expect::Na, || {
        changed(|w| {
            w.purpose(Purpose::BogusToken, served());
        })
    }),
    case("challenge-invalid-token", Expect::Warn("no_error"), || {
        changed(|w| bogus(w, &testkit::good_challenge(None)))
    }),
    case(
        "challenge-invalid-token",
        Expect::Warn("other_error"),
        || changed(|w| bogus(w, &testkit::good_challenge(Some("invalid_request")))),
    ),
    case(
        "challenge-invalid-token",
        Expect::Warn("pointer_missing"),
        || changed(|w| bogus(w, "Bearer error=\"invalid_token\", scope=\"mcp:read\"")),
    ),
    case(
        "challenge-invalid-token",
        Expect::Warn("pointer_differs"),
        || {
            changed(|w| {
                bogus(
                    w,
                    "Bearer error=\"invalid_token\", resource_metadata=\"https://mcp.example.com/x\"",
                );
            })
        },
    ),
    case(
        "challenge-invalid-token",
        Expect::Warn("scope_missing"),
        || {
            changed(|w| {
                bogus(
                    w,
                    "Bearer error=\"invalid_token\", resource_metadata=\"https://mcp.example.com/.well-known/oauth-protected-resource/mcp\"",
                );
            })
        },
    ),
    case(
        "challenge-invalid-token",
        Expect::Warn("scope_differs"),
        || {
            changed(|w| {
                bogus(
                    w,
                    "Bearer error=\"invalid_token\", scope=\"x\", resource_metadata=\"https://mcp.example.com/.well-known/oauth-protected-resource/mcp\"",
                );
            })
        },
    ),
    case(
        "challenge-invalid-token",
        Expect::Warn("no_challenge"),
        || {
            changed(|w| {
                w.purpose(Purpose::BogusToken, testkit::status(401));
            })
        },
    ),
    case(
        "challenge-invalid-token",
        Expect::Fail("server_error"),
        || answered(500),
    ),
    case(
        "challenge-invalid-token",
        Expect::Fail("bad_request"),
        || answered(400),
    ),
    case("challenge-invalid-token", Expect::Fail("forbidden"), || {
        answered(403)
    }),
    case("challenge-invalid-token", Expect::Fail("not_found"), || {
        answered(404)
    }),
    case(
        "challenge-invalid-token",
        Expect::Fail("other_status"),
        || answered(406),
    ),
    case(
        "challenge-invalid-token",
        Expect::Fail("error_in_200"),
        || {
            changed(|w| {
                for purpose in [Purpose::BogusToken, Purpose::BogusTokenLegacy] {
                    w.purpose(
                        purpose,
                        testkit::text(
                            200,
                            "application/json",
                            "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32001,\"message\":\"no\"}}",
                        ),
                    );
                }
            })
        },
    ),
    case("challenge-invalid-token", Expect::Inconclusive, || {
        changed(|w| {
            w.purpose(Purpose::BogusToken, Err(Failure::Reset));
        })
    }),
    case(
        "challenge-invalid-token",
        Expect::Blocked("challenge-not-login-redirect"),
        super::refusal::sign_in,
    ),
    case(
        "challenge-malformed-authorization",
        Expect::Pass,
        World::compliant,
    ),
    case(
        "challenge-malformed-authorization",
        Expect::Pass,
        World::guarded_stream,
    ),
    case("challenge-malformed-authorization", Expect::Na, World::open),
    case("challenge-malformed-authorization", Expect::Pass, || {
        // The front end limits headers; the application never saw the repeated one.
        changed(|w| {
            w.purpose(Purpose::TwoBearers, testkit::status(431));
        })
    }),
    case(
        "challenge-malformed-authorization",
        Expect::Warn("ignored"),
        World::lazy,
    ),
    case(
        "challenge-malformed-authorization",
        Expect::Warn("forbidden"),
        || {
            changed(|w| {
                w.purpose(Purpose::BasicCredentials, testkit::status(403));
            })
        },
    ),
    case(
        "challenge-malformed-authorization",
        Expect::Warn("closed"),
        || {
            changed(|w| {
                w.purpose(Purpose::EmptyBearer, Err(Failure::Reset));
            })
        },
    ),
    case(
        "challenge-malformed-authorization",
        Expect::Warn("other_answer"),
        || {
            changed(|w| {
                w.purpose(Purpose::EmptyBearer, testkit::status(406));
            })
        },
    ),
    case(
        "challenge-malformed-authorization",
        Expect::Warn("server_error"),
        || {
            changed(|w| {
                w.purpose(Purpose::TwoBearers, testkit::status(502));
            })
        },
    ),
    case(
        "challenge-malformed-authorization",
        Expect::Fail("server_error"),
        || {
            changed(|w| {
                w.purpose(Purpose::EmptyBearer, testkit::status(500));
            })
        },
    ),
    case(
        "challenge-malformed-authorization",
        Expect::Fail("accepted"),
        || {
            changed(|w| {
                w.purpose(Purpose::BasicCredentials, served());
            })
        },
    ),
    case(
        "challenge-malformed-authorization",
        Expect::Inconclusive,
        || {
            changed(|w| {
                w.purpose(
                    Purpose::BasicCredentials,
                    testkit::response(403, &[("cf-mitigated", "challenge")], ""),
                );
            })
        },
    ),
];

/// Answers the unknown token with this challenge.
fn bogus(world: &mut World, challenge: &str) {
    world.purpose(Purpose::BogusToken, testkit::challenge(challenge));
}

fn answered(status: u16) -> World {
    changed(|w| {
        w.purpose(Purpose::BogusToken, testkit::status(status));
        w.purpose(Purpose::BogusTokenLegacy, testkit::status(status));
    })
}

fn served() -> Result<Response, Failure> {
    testkit::text(
        200,
        "application/json",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"protocolVersion\":\"2025-11-25\"}}",
    )
}
