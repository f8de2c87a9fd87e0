//! Cases of client documents: what a server answers to them, and what it fetches.

use super::deeper_cases::{
    LATE, PAGE, not_advertised, refusal, registering, visit, with, without_consent,
};
use crate::checks::testkit::*;
use crate::evidence::{CimdVariant, Failure, Purpose, Response};
use crate::spec::Revision;

fn document_ends(variant: CimdVariant, answer: Result<Response, Failure>) -> World {
    with(|w| {
        w.purpose(Purpose::Cimd(variant), answer);
    })
}

fn shown(variant: CimdVariant) -> World {
    document_ends(variant, text(200, "text/html", PAGE))
}

/// No document is ever fetched.
fn unvisited(change: impl FnOnce(&mut World)) -> World {
    let mut world = with(change);
    world.forget_visits();
    world
}

fn without_host() -> World {
    with(|w| w.own_host = None)
}

pub(super) const CASES: &[Case] = &[
    case("cimd-accepted", Expect::Pass, registering),
    // Fetched, whatever came of it then.
    case("cimd-accepted", Expect::Pass, || {
        document_ends(CimdVariant::Good, LATE)
    }),
    case("cimd-accepted", Expect::Warn("allow_list"), || {
        document_ends(
            CimdVariant::Good,
            text(
                400,
                "application/json",
                r#"{"error":"invalid_client","error_description":"This client is not on the allow-list"}"#,
            ),
        )
    }),
    case("cimd-accepted", Expect::Fail("not_fetched"), || {
        unvisited(|w| {
            w.purpose(
                Purpose::Cimd(CimdVariant::Good),
                refusal(400, "invalid_client"),
            );
        })
    }),
    case("cimd-accepted", Expect::Na, not_advertised),
    case("cimd-accepted", Expect::Na, without_host),
    case("cimd-accepted", Expect::Na, without_consent),
    case_in(
        Revision::V2025_06_18,
        "cimd-accepted",
        Expect::Na,
        registering,
    ),
    // A sign-in page that would be the same for anybody.
    case("cimd-accepted", Expect::Inconclusive, || {
        unvisited(|w| {
            w.purpose(
                Purpose::Cimd(CimdVariant::Good),
                text(
                    200,
                    "text/html",
                    "<title>Sign in</title><form><input type=password name=p></form>",
                ),
            );
        })
    }),
    case("cimd-accepted", Expect::Inconclusive, || {
        unvisited(|w| {
            w.purpose(
                Purpose::Cimd(CimdVariant::Good),
                text(
                    400,
                    "application/json",
                    r#"{"error":"invalid_client","error_description":"Could not fetch the document"}"#,
                ),
            );
        })
    }),
    case("cimd-client-id-match", Expect::Pass, registering),
    case("cimd-client-id-match", Expect::Fail("other_id"), || {
        shown(CimdVariant::OtherId)
    }),
    case("cimd-client-id-match", Expect::Fail("no_id"), || {
        shown(CimdVariant::NoId)
    }),
    case("cimd-client-id-match", Expect::Fail("slash"), || {
        shown(CimdVariant::SlashId)
    }),
    case("cimd-client-id-match", Expect::Na, not_advertised),
    case(
        "cimd-client-id-match",
        Expect::Blocked("cimd-accepted"),
        || {
            unvisited(|w| {
                w.purpose(
                    Purpose::Cimd(CimdVariant::Good),
                    refusal(400, "invalid_client"),
                );
            })
        },
    ),
    case("cimd-client-id-match", Expect::Inconclusive, || {
        document_ends(
            CimdVariant::OtherId,
            text(200, "text/html", "<title>Welcome</title><form></form>"),
        )
    }),
    // The good one is refused, too: nothing is told by the others.
    case("cimd-client-id-match", Expect::Inconclusive, || {
        document_ends(CimdVariant::Good, refusal(400, "invalid_scope"))
    }),
    case("cimd-redirect-uri", Expect::Pass, registering),
    case("cimd-redirect-uri", Expect::Fail("redirected"), || {
        document_ends(
            CimdVariant::UnlistedRedirect,
            response(
                302,
                &[(
                    "location",
                    "https://redirect-probe.invalid/cb?error=invalid_request",
                )],
                "",
            ),
        )
    }),
    case("cimd-redirect-uri", Expect::Fail("consent"), || {
        document_ends(
            CimdVariant::UnlistedRedirect,
            text(
                200,
                "text/html",
                "<title>Authdex test client abcdefgh</title><form><button>Approve</button></form>",
            ),
        )
    }),
    case("cimd-redirect-uri", Expect::Na, not_advertised),
    case("cimd-redirect-uri", Expect::Inconclusive, || {
        shown(CimdVariant::UnlistedRedirect)
    }),
    case("cimd-url-rules", Expect::Pass, registering),
    case("cimd-url-rules", Expect::Warn("fragment"), || {
        shown(CimdVariant::Fragment)
    }),
    case("cimd-url-rules", Expect::Warn("userinfo"), || {
        with(|w| {
            w.visit(|ask| {
                (ask.purpose == Purpose::Cimd(CimdVariant::Userinfo))
                    .then(|| visit("cimd_userinfo", 5))
            });
        })
    }),
    // Noticed after parsing, and refused.
    case("cimd-url-rules", Expect::Pass, || {
        with(|w| {
            w.visit(|ask| {
                (ask.purpose == Purpose::Cimd(CimdVariant::DotSegments))
                    .then(|| visit("cimd_dot_segments", 5))
            });
        })
    }),
    case("cimd-url-rules", Expect::Fail("plain_http"), || {
        with(|w| {
            w.visit(|ask| {
                (ask.purpose == Purpose::Cimd(CimdVariant::PlainHttp))
                    .then(|| visit("cimd_plain_http", 5))
            });
        })
    }),
    case("cimd-url-rules", Expect::Fail("no_path"), || {
        shown(CimdVariant::NoPath)
    }),
    case("cimd-url-rules", Expect::Na, not_advertised),
    case("cimd-url-rules", Expect::Inconclusive, || {
        document_ends(CimdVariant::NoPath, LATE)
    }),
    case("cimd-fetch-safety", Expect::Pass, registering),
    case(
        "cimd-fetch-safety",
        Expect::Warn("redirect_followed"),
        || {
            with(|w| {
                w.visit(|ask| {
                    (ask.purpose == Purpose::Cimd(CimdVariant::Redirecting))
                        .then(|| visit("cimd_redirecting redirected", 5))
                });
            })
        },
    ),
    case("cimd-fetch-safety", Expect::Warn("large_accepted"), || {
        shown(CimdVariant::Large)
    }),
    case("cimd-fetch-safety", Expect::Warn("slow_abort"), || {
        with(|w| {
            w.visit(|ask| {
                (ask.purpose == Purpose::Cimd(CimdVariant::Stalling))
                    .then(|| visit("cimd_stalling", 29_000))
            });
            w.purpose(Purpose::Cimd(CimdVariant::Stalling), LATE);
        })
    }),
    case(
        "cimd-fetch-safety",
        Expect::Fail("loopback_attempted"),
        || {
            document_ends(
                CimdVariant::Loopback,
                text(
                    400,
                    "application/json",
                    r#"{"error":"invalid_client","error_description":"connect ECONNREFUSED 127.0.0.1:443"}"#,
                ),
            )
        },
    ),
    // It says that it refuses, not that it tried.
    case("cimd-fetch-safety", Expect::Pass, || {
        document_ends(
            CimdVariant::Loopback,
            text(
                400,
                "application/json",
                r#"{"error":"invalid_client","error_description":"localhost is not allowed"}"#,
            ),
        )
    }),
    case("cimd-fetch-safety", Expect::Na, not_advertised),
    case("cimd-fetch-safety", Expect::Inconclusive, || {
        document_ends(CimdVariant::Loopback, LATE)
    }),
];
