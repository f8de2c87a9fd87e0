//! Cases of the endpoints that 2025-03-26 assumes.

use crate::checks::testkit::*;
use crate::evidence::Purpose;
use crate::spec::Revision;

const OLD: Revision = Revision::V2025_03_26;

/// A server of 2025-03-26 without any metadata: these paths exist at its origin.
fn old(paths: &'static [(&'static str, u16)]) -> World {
    let mut world = World::open().consented();
    // What needs a token is the lists; the handshake is open and says what is spoken.
    world
        .speak(false, true)
        .edit(
            |ask| {
                is_endpoint(ask)
                    && ask
                        .body
                        .as_deref()
                        .is_some_and(|b| b.contains("\"initialize\""))
            },
            |response| {
                let body = response.body.text.replace("2025-11-25", "2025-03-26");
                set_body(response, &body);
            },
        )
        .on(
            |ask| is_endpoint(ask) && ask.body.as_deref().is_some_and(|b| b.contains("s/list")),
            challenge("Bearer"),
        );
    world.answer(move |ask| {
        let path = ask.url.strip_prefix("https://mcp.example.com")?;
        let (_, status) = paths.iter().find(|(known, _)| *known == path)?;
        Some(text(*status, "text/plain", ""))
    });
    world
}

fn good() -> World {
    old(&[("/authorize", 400), ("/token", 405), ("/register", 405)])
}

pub(super) const CASES: &[Case] = &[
    case_in(OLD, "legacy-default-endpoints", Expect::Pass, good),
    case_in(
        OLD,
        "legacy-default-endpoints",
        Expect::Warn("register_missing"),
        || old(&[("/authorize", 400), ("/token", 405)]),
    ),
    case_in(
        OLD,
        "legacy-default-endpoints",
        Expect::Fail("token_missing"),
        || old(&[("/authorize", 302), ("/register", 405)]),
    ),
    case_in(
        OLD,
        "legacy-default-endpoints",
        Expect::Fail("authorize_missing"),
        || old(&[("/token", 405), ("/register", 405)]),
    ),
    case_in(
        OLD,
        "legacy-default-endpoints",
        Expect::Inconclusive,
        || {
            let mut world = good();
            world.on(
                |ask| ask.url.contains("/authorize") || ask.purpose == Purpose::RandomWellKnown,
                text(200, "text/html", "<!doctype html><title>App</title>"),
            );
            world
        },
    ),
    case_in(
        OLD,
        "legacy-default-endpoints",
        Expect::Inconclusive,
        || old(&[("/authorize", 400), ("/token", 204), ("/register", 204)]),
    ),
    case_in(
        OLD,
        "legacy-default-endpoints",
        Expect::Inconclusive,
        || old(&[("/authorize", 503), ("/token", 405), ("/register", 405)]),
    ),
    case_in(OLD, "legacy-default-endpoints", Expect::Na, || {
        World::compliant().consented()
    }),
    case_in(OLD, "legacy-default-endpoints", Expect::Na, || {
        World::open().consented()
    }),
    case_in(OLD, "legacy-default-endpoints", Expect::Na, || {
        let mut world = good();
        world.consent = None;
        world
    }),
    case("legacy-default-endpoints", Expect::Na, good),
];
