//! Cases: where the challenge points.

use crate::checks::testkit::{self, Case, Expect, PRM_URL, World, case, case_in, changed};
use crate::evidence::{Depth, Failure, Purpose};
use crate::spec::Revision;

pub(super) const CASES: &[Case] = &[
    case(
        "challenge-resource-metadata-param",
        Expect::Pass,
        World::compliant,
    ),
    case_in(
        Revision::V2025_06_18,
        "challenge-resource-metadata-param",
        Expect::Pass,
        World::compliant,
    ),
    case_in(
        Revision::V2025_03_26,
        "challenge-resource-metadata-param",
        Expect::Na,
        World::compliant,
    ),
    case("challenge-resource-metadata-param", Expect::Na, World::open),
    case(
        "challenge-resource-metadata-param",
        Expect::Warn("missing"),
        || without_pointer("Bearer scope=\"a\""),
    ),
    case_in(
        Revision::V2025_11_25,
        "challenge-resource-metadata-param",
        Expect::Warn("missing"),
        || without_pointer("Bearer scope=\"a\""),
    ),
    case_in(
        Revision::V2025_06_18,
        "challenge-resource-metadata-param",
        Expect::Fail("missing"),
        || without_pointer("Bearer scope=\"a\""),
    ),
    case(
        "challenge-resource-metadata-param",
        Expect::Fail("missing"),
        || {
            let mut world = without_pointer("Bearer scope=\"a\"");
            world.on(|ask| ask.url == PRM_URL, testkit::status(404));
            world
        },
    ),
    case(
        "challenge-resource-metadata-param",
        Expect::Warn("under_other_scheme"),
        || without_pointer(&format!("ApiKey resource_metadata=\"{PRM_URL}\"")),
    ),
    case(
        "challenge-resource-metadata-param",
        Expect::Warn("missing_on_some"),
        || {
            changed(|w| {
                w.purpose(
                    Purpose::Initialize,
                    testkit::challenge("Bearer scope=\"a\""),
                );
            })
        },
    ),
    case(
        "challenge-resource-metadata-param",
        Expect::Blocked("challenge-syntax"),
        || without_pointer("Bearer resource_metadata=\"https://mcp.example.com/"),
    ),
    case(
        "challenge-resource-metadata-param",
        Expect::Inconclusive,
        || {
            changed(|w| {
                w.edit(testkit::is_endpoint, |response| {
                    if response.status == 401 {
                        response.status = 403;
                    }
                })
                .purpose(Purpose::Discover, testkit::status(503));
            })
        },
    ),
    case(
        "challenge-resource-metadata-url",
        Expect::Pass,
        World::compliant,
    ),
    case_in(
        Revision::V2025_03_26,
        "challenge-resource-metadata-url",
        Expect::Na,
        World::compliant,
    ),
    case("challenge-resource-metadata-url", Expect::Na, || {
        without_pointer("Bearer scope=\"a\"")
    }),
    case(
        "challenge-resource-metadata-url",
        Expect::Warn("other_origin"),
        || {
            let mut world = pointing("https://meta.example.com/prm");
            world.document("https://meta.example.com/prm", testkit::prm());
            world
        },
    ),
    case(
        "challenge-resource-metadata-url",
        Expect::Warn("redirected"),
        || {
            let mut world = pointing("https://mcp.example.com/prm");
            world.on(
                |ask| ask.url == "https://mcp.example.com/prm",
                testkit::response(308, &[("location", PRM_URL)], ""),
            );
            world
        },
    ),
    case(
        "challenge-resource-metadata-url",
        Expect::Fail("not_absolute"),
        || pointing("/.well-known/oauth-protected-resource/mcp"),
    ),
    case(
        "challenge-resource-metadata-url",
        Expect::Fail("not_https"),
        || pointing("http://mcp.example.com/.well-known/oauth-protected-resource/mcp"),
    ),
    case(
        "challenge-resource-metadata-url",
        Expect::Fail("fragment"),
        || pointing(&format!("{PRM_URL}#x")),
    ),
    case(
        "challenge-resource-metadata-url",
        Expect::Fail("userinfo"),
        || pointing("https://user@mcp.example.com/.well-known/oauth-protected-resource/mcp"),
    ),
    case(
        "challenge-resource-metadata-url",
        Expect::Fail("internal_host"),
        || pointing("https://localhost:8000/.well-known/oauth-protected-resource/mcp"),
    ),
    case(
        "challenge-resource-metadata-url",
        Expect::Fail("foreign_site"),
        || pointing("https://mcp.example.org/.well-known/oauth-protected-resource"),
    ),
    case(
        "challenge-resource-metadata-url",
        Expect::Fail("not_served"),
        || pointing("https://mcp.example.com/.well-known/oauth-protected-resource"),
    ),
    case(
        "challenge-resource-metadata-url",
        Expect::Fail("not_served"),
        || {
            // The token middleware guards the document, too.
            changed(|w| {
                w.on(
                    |ask| ask.url == PRM_URL,
                    testkit::challenge(&testkit::good_challenge(None)),
                );
            })
        },
    ),
    case(
        "challenge-resource-metadata-url",
        Expect::Fail("not_a_document"),
        || {
            changed(|w| {
                w.on(
                    |ask| ask.url == PRM_URL,
                    testkit::text(200, "text/html", "<!doctype html><title>app</title>"),
                );
            })
        },
    ),
    case(
        "challenge-resource-metadata-url",
        Expect::Inconclusive,
        || {
            changed(|w| {
                w.on(|ask| ask.url == PRM_URL, testkit::status(502));
            })
        },
    ),
    case("challenge-host-reflection", Expect::Pass, World::compliant),
    case("challenge-host-reflection", Expect::Na, World::open),
    case("challenge-host-reflection", Expect::Na, || {
        changed(|w| w.depth = Depth::Passive)
    }),
    case(
        "challenge-host-reflection",
        Expect::Fail("host_reflected"),
        || {
            changed(|w| {
                w.purpose(
                    Purpose::ForwardedEndpoint,
                    testkit::challenge("Bearer resource_metadata=\"https://fwd-probe.invalid/x\""),
                );
            })
        },
    ),
    case(
        "challenge-host-reflection",
        Expect::Fail("host_reflected"),
        || {
            changed(|w| {
                let mut prm = testkit::prm();
                prm["resource"] = "https://fwd-probe.invalid/mcp".into();
                w.purpose(Purpose::ForwardedPrm, testkit::document(prm));
            })
        },
    ),
    case(
        "challenge-host-reflection",
        Expect::Warn("scheme_reflected"),
        || {
            changed(|w| {
                let mut prm = testkit::prm();
                prm["resource"] = "http://mcp.example.com/mcp".into();
                w.purpose(Purpose::ForwardedPrm, testkit::document(prm));
            })
        },
    ),
    case(
        "challenge-host-reflection",
        Expect::Warn("host_echoed"),
        || {
            changed(|w| {
                w.purpose(
                    Purpose::ForwardedPrm,
                    testkit::text(404, "text/html", "no site at fwd-probe.invalid"),
                );
            })
        },
    ),
    case("challenge-host-reflection", Expect::Inconclusive, || {
        changed(|w| {
            w.purpose(Purpose::ForwardedPrm, Err(Failure::Reset));
        })
    }),
    case(
        "challenge-host-reflection",
        Expect::Blocked("challenge-not-login-redirect"),
        || {
            let mut world = super::refusal::sign_in();
            world.on(|ask| ask.url == PRM_URL, testkit::status(404));
            world
        },
    ),
];

fn without_pointer(challenge: &str) -> World {
    let challenge = challenge.to_owned();
    changed(|w| {
        w.challenge(Some(&challenge));
    })
}

fn pointing(url: &str) -> World {
    without_pointer(&format!("Bearer resource_metadata=\"{url}\", scope=\"a\""))
}
