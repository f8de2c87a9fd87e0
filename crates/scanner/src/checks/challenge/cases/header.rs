//! Cases: what the header holds.

use crate::checks::testkit::{self, Case, Expect, World, case, case_in, changed};
use crate::evidence::{Failure, Phase, Purpose};
use crate::spec::Revision;

pub(super) const CASES: &[Case] = &[
    case("challenge-www-authenticate", Expect::Pass, World::compliant),
    case("challenge-www-authenticate", Expect::Na, World::open),
    case(
        "challenge-www-authenticate",
        Expect::Warn("missing"),
        headless,
    ),
    case_in(
        Revision::V2025_11_25,
        "challenge-www-authenticate",
        Expect::Warn("missing"),
        headless,
    ),
    case_in(
        Revision::V2025_06_18,
        "challenge-www-authenticate",
        Expect::Fail("missing"),
        headless,
    ),
    case_in(
        Revision::V2025_03_26,
        "challenge-www-authenticate",
        Expect::Fail("missing"),
        headless,
    ),
    case(
        "challenge-www-authenticate",
        Expect::Warn("other_scheme"),
        || {
            changed(|w| {
                w.challenge(Some("Basic realm=\"x\""));
            })
        },
    ),
    case(
        "challenge-www-authenticate",
        Expect::Fail("other_scheme"),
        || key_server("ApiKey realm=\"x\", header=\"X-API-Key\""),
    ),
    case("challenge-www-authenticate", Expect::Pass, || {
        key_server("Bearer")
    }),
    case(
        "challenge-www-authenticate",
        Expect::Fail("missing"),
        || {
            let mut world = key_server("");
            world.challenge(None);
            world
        },
    ),
    case(
        "challenge-www-authenticate",
        Expect::Warn("missing"),
        || {
            // GET is challenged properly; what clients send is not.
            changed(|w| {
                w.edit(
                    |ask| testkit::is_endpoint(ask) && ask.method == "POST",
                    |response| {
                        response
                            .headers
                            .retain(|(name, _)| name != "www-authenticate");
                    },
                );
            })
        },
    ),
    case(
        "challenge-www-authenticate",
        Expect::Blocked("challenge-syntax"),
        || {
            changed(|w| {
                w.challenge(Some("Bearer="));
            })
        },
    ),
    case("challenge-www-authenticate", Expect::Inconclusive, || {
        changed(hidden_greeting)
    }),
    case(
        "challenge-www-authenticate",
        Expect::Blocked("challenge-not-login-redirect"),
        super::refusal::sign_in,
    ),
    case("challenge-syntax", Expect::Pass, World::compliant),
    case("challenge-syntax", Expect::Pass, || {
        changed(|w| {
            w.challenge(Some(
                "Basic realm=\"a, b\", Bearer error_description=\"Bad \\\"alg\\\", it's none\"",
            ));
        })
    }),
    case("challenge-syntax", Expect::Na, headless),
    case("challenge-syntax", Expect::Fail("unparseable"), || {
        changed(|w| {
            w.challenge(Some("Bearer realm=\"x"));
        })
    }),
    case(
        "challenge-syntax",
        Expect::Fail("duplicate_parameter"),
        || {
            changed(|w| {
                w.challenge(Some("Bearer realm=\"a\", realm=\"b\""));
            })
        },
    ),
    case(
        "challenge-syntax",
        Expect::Warn("repeated_parameter"),
        || {
            changed(|w| {
                w.challenge(Some("Bearer realm=\"a\", realm=\"a\""));
            })
        },
    ),
    case("challenge-syntax", Expect::Warn("unquoted_value"), || {
        changed(|w| {
            w.challenge(Some("Bearer resource_metadata=https://mcp.example.com/x"));
        })
    }),
    case("challenge-syntax", Expect::Warn("single_quotes"), || {
        changed(|w| {
            w.challenge(Some("Bearer realm='a b'"));
        })
    }),
    case("challenge-syntax", Expect::Warn("missing_comma"), || {
        changed(|w| {
            w.challenge(Some("Bearer realm=\"a\" scope=\"b\""));
        })
    }),
    case("challenge-syntax", Expect::Warn("no_parameters"), || {
        changed(|w| {
            w.challenge(Some("Bearer"));
        })
    }),
    case("challenge-syntax", Expect::Warn("scope_commas"), || {
        changed(|w| {
            w.challenge(Some("Bearer scope=\"a,b\""));
        })
    }),
    case("challenge-syntax", Expect::Warn("scope_spaces"), || {
        changed(|w| {
            w.challenge(Some("Bearer scope=\"a  b\""));
        })
    }),
    case("challenge-syntax", Expect::Warn("scope_empty"), || {
        changed(|w| {
            w.challenge(Some("Bearer scope=\"\""));
        })
    }),
    case("challenge-syntax", Expect::Warn("scope_characters"), || {
        changed(|w| {
            w.challenge(Some("Bearer scope=\"a\\\\b\""));
        })
    }),
    case("challenge-syntax", Expect::Inconclusive, || {
        changed(|w| {
            hidden_greeting(w);
            w.edit(testkit::is_endpoint, |response| {
                response
                    .headers
                    .retain(|(name, _)| name != "www-authenticate");
                if response.status == 403 {
                    testkit::set_body(response, "{\"error\":\"invalid_token\"}");
                }
            });
        })
    }),
    case("challenge-scope-param", Expect::Pass, World::compliant),
    case_in(
        Revision::V2025_11_25,
        "challenge-scope-param",
        Expect::Pass,
        World::compliant,
    ),
    case_in(
        Revision::V2025_06_18,
        "challenge-scope-param",
        Expect::Na,
        World::compliant,
    ),
    case("challenge-scope-param", Expect::Warn("absent"), || {
        changed(scopeless)
    }),
    case("challenge-scope-param", Expect::Warn("empty"), || {
        changed(|w| {
            w.challenge(Some("Bearer scope=\"\""));
        })
    }),
    case("challenge-scope-param", Expect::Na, headless),
    case("challenge-scope-param", Expect::Na, || {
        changed(|w| {
            scopeless(w);
            w.prm(|prm| {
                prm.as_object_mut().map(|o| o.remove("scopes_supported"));
            });
            w.asm(|asm| {
                asm.as_object_mut().map(|o| o.remove("scopes_supported"));
            });
        })
    }),
    case("challenge-scope-param", Expect::Inconclusive, || {
        changed(|w| {
            scopeless(w);
            w.prm(|prm| {
                prm.as_object_mut().map(|o| o.remove("scopes_supported"));
            });
            w.on(|ask| ask.url == testkit::ASM_URL, testkit::status(503));
        })
    }),
    case(
        "challenge-no-error-without-credentials",
        Expect::Pass,
        World::compliant,
    ),
    case(
        "challenge-no-error-without-credentials",
        Expect::Na,
        headless,
    ),
    case(
        "challenge-no-error-without-credentials",
        Expect::Warn("error_present"),
        || {
            changed(|w| {
                w.challenge(Some("Bearer error=\"invalid_token\""));
            })
        },
    ),
    case(
        "challenge-no-error-without-credentials",
        Expect::Inconclusive,
        || {
            changed(|w| {
                hidden_greeting(w);
                w.edit(testkit::is_endpoint, |response| {
                    response
                        .headers
                        .retain(|(name, _)| name != "www-authenticate");
                    if response.status == 403 {
                        testkit::set_body(response, "{\"error\":\"invalid_token\"}");
                    }
                });
            })
        },
    ),
];

fn headless() -> World {
    changed(|w| {
        w.challenge(None);
    })
}

fn scopeless(world: &mut World) {
    world.challenge(Some(&format!(
        "Bearer resource_metadata=\"{}\"",
        testkit::PRM_URL
    )));
}

/// A server behind a key, without any OAuth document.
fn key_server(challenge: &str) -> World {
    let mut world = World::empty();
    world
        .on(|_| true, testkit::status(404))
        .on(testkit::is_endpoint, testkit::challenge(challenge));
    world
}

/// The refusals are 403, and one greeting cannot be seen.
fn hidden_greeting(world: &mut World) {
    world
        .edit(testkit::is_endpoint, |response| {
            if response.status == 401 {
                response.status = 403;
            }
        })
        .purpose(Purpose::Initialize, Err(Failure::Timeout(Phase::FirstByte)));
}
