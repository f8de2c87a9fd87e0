//! Cases of scopes, sessions, caches and `requestState`.

use serde_json::{Value, json};

use super::super::testkit::{
    Case, Expect, World, case, case_in, owned_but, refused, response, result, status,
};
use crate::evidence::{CodeUse, Credential, Failure, OwnerProbe, Purpose, Response};
use crate::spec::Revision;

use OwnerProbe as Probe;

const NOVEMBER: Revision = Revision::V2025_11_25;

fn at(probe: Probe, answer: Result<Response, Failure>) -> World {
    owned_but(Purpose::Owner(probe), answer)
}

fn done() -> Result<Response, Failure> {
    result(&json!({ "resultType": "complete", "content": [] }))
}

fn forbidden(challenge: &str) -> Result<Response, Failure> {
    response(403, &[("www-authenticate", challenge)], "")
}

fn tool_error(text: &str) -> Result<Response, Failure> {
    result(&json!({ "isError": true, "content": [{ "type": "text", "text": text }] }))
}

fn without(kind: Credential) -> World {
    let mut world = World::owned();
    world.supplied.retain(|supplied| supplied.kind != kind);
    world
}

fn unnamed() -> World {
    let mut world = World::owned();
    world.operations = Default::default();
    world
}

fn sessionless() -> World {
    let mut world = World::owned();
    world.edit(
        |ask| ask.purpose == Purpose::Owner(Probe::Initialize),
        |response| {
            response
                .headers
                .retain(|(name, _)| name != "mcp-session-id");
        },
    );
    world
}

fn legacy_only() -> World {
    at(Probe::Discover, status(401))
}

fn lists(one: &Value, other: &Value) -> World {
    let mut world = at(Probe::List, result(one));
    world.purpose(Purpose::Owner(Probe::OtherList), result(other));
    world
}

fn list(tools: &Value, scope: Option<&str>) -> Value {
    let mut list = json!({ "resultType": "complete", "tools": tools });
    if let Some(scope) = scope {
        list["cacheScope"] = scope.into();
    }
    list
}

pub(in crate::checks) const CASES: &[Case] = &[
    case("scope-insufficient-403", Expect::Pass, World::owned),
    case(
        "scope-insufficient-403",
        Expect::Fail("operation_succeeds"),
        || at(Probe::MissingScope, done()),
    ),
    case("scope-insufficient-403", Expect::Warn("tool_error"), || {
        at(Probe::MissingScope, tool_error("Insufficient scope"))
    }),
    case("scope-insufficient-403", Expect::Inconclusive, || {
        at(Probe::MissingScope, tool_error("No such note"))
    }),
    case(
        "scope-insufficient-403",
        Expect::Warn("no_challenge"),
        || at(Probe::MissingScope, status(403)),
    ),
    case("scope-insufficient-403", Expect::Warn("status_401"), || {
        at(Probe::MissingScope, status(401))
    }),
    case("scope-insufficient-403", Expect::Na, unnamed),
    case("scope-insufficient-403", Expect::Na, || {
        without(Credential::LowScopeToken)
    }),
    case("scope-challenge-content", Expect::Pass, World::owned),
    case_in(
        NOVEMBER,
        "scope-challenge-content",
        Expect::Pass,
        World::owned,
    ),
    case(
        "scope-challenge-content",
        Expect::Warn("incomplete"),
        || {
            at(
                Probe::MissingScope,
                forbidden("Bearer error=\"insufficient_scope\", scope=\"mcp:write\""),
            )
        },
    ),
    case(
        "scope-challenge-content",
        Expect::Warn("incomplete"),
        || {
            at(
                Probe::MissingScope,
                forbidden("Bearer error=\"insufficient_scope\""),
            )
        },
    ),
    case(
        "scope-challenge-content",
        Expect::Warn("second_challenge"),
        || {
            at(
                Probe::SteppedUp,
                forbidden("Bearer error=\"insufficient_scope\", scope=\"mcp:more\""),
            )
        },
    ),
    case(
        "scope-challenge-content",
        Expect::Fail("never_succeeds"),
        || {
            at(
                Probe::SteppedUp,
                forbidden("Bearer error=\"insufficient_scope\", scope=\"mcp:write\""),
            )
        },
    ),
    case("scope-challenge-content", Expect::Inconclusive, || {
        owned_but(Purpose::Redeem(CodeUse::StepUp), refused("invalid_grant"))
    }),
    case("scope-challenge-content", Expect::Na, || {
        at(Probe::MissingScope, status(403))
    }),
    case("scope-hierarchy", Expect::Pass, World::owned),
    case("scope-hierarchy", Expect::Fail("not_expanded"), || {
        at(
            Probe::BroaderScope,
            forbidden("Bearer error=\"insufficient_scope\", scope=\"mcp:write\""),
        )
    }),
    case("scope-hierarchy", Expect::Inconclusive, || {
        at(Probe::BroaderScope, status(401))
    }),
    case("scope-hierarchy", Expect::Na, unnamed),
    case("scope-hierarchy", Expect::Na, || {
        without(Credential::BroadScopeToken)
    }),
    // --- sessions ---------------------------------------------------------------------------
    case_in(
        NOVEMBER,
        "session-not-authentication",
        Expect::Pass,
        World::owned,
    ),
    case_in(
        NOVEMBER,
        "session-not-authentication",
        Expect::Fail("list_served"),
        || at(Probe::SessionWithoutToken, done()),
    ),
    case_in(
        NOVEMBER,
        "session-not-authentication",
        Expect::Fail("stream_served"),
        || {
            at(
                Probe::StreamWithoutToken,
                response(200, &[("content-type", "text/event-stream")], ""),
            )
        },
    ),
    case_in(
        NOVEMBER,
        "session-not-authentication",
        Expect::Inconclusive,
        || at(Probe::SessionWithoutToken, Err(Failure::Reset)),
    ),
    case_in(
        NOVEMBER,
        "session-not-authentication",
        Expect::Na,
        sessionless,
    ),
    case("session-not-authentication", Expect::Na, World::owned),
    case_in(
        NOVEMBER,
        "session-principal-bound",
        Expect::Pass,
        World::owned,
    ),
    case_in(
        NOVEMBER,
        "session-principal-bound",
        Expect::Fail("served_to_another"),
        || at(Probe::SessionOfAnother, done()),
    ),
    case_in(
        NOVEMBER,
        "session-principal-bound",
        Expect::Inconclusive,
        || at(Probe::OtherHello, status(401)),
    ),
    case_in(NOVEMBER, "session-principal-bound", Expect::Na, sessionless),
    case_in(NOVEMBER, "session-principal-bound", Expect::Na, || {
        without(Credential::SecondAccessToken)
    }),
    // --- caches -----------------------------------------------------------------------------
    case("cache-scope-private", Expect::Pass, World::owned),
    case("cache-scope-private", Expect::Pass, || {
        let same = list(&json!([1]), Some("public"));
        lists(&same, &same)
    }),
    case("cache-scope-private", Expect::Fail("public"), || {
        lists(
            &list(&json!([1]), Some("public")),
            &list(&json!([]), Some("public")),
        )
    }),
    case("cache-scope-private", Expect::Fail("public"), || {
        let mut world = World::owned();
        world.edit(
            |ask| ask.purpose == Purpose::Owner(Probe::List),
            |response| {
                response
                    .headers
                    .push(("cache-control".into(), "s-maxage=60".into()));
            },
        );
        world
    }),
    case("cache-scope-private", Expect::Warn("over_cautious"), || {
        let same = list(&json!([1]), Some("private"));
        lists(&same, &same)
    }),
    case("cache-scope-private", Expect::Warn("hint_missing"), || {
        lists(&list(&json!([1]), None), &list(&json!([]), None))
    }),
    case("cache-scope-private", Expect::Inconclusive, || {
        at(Probe::OtherHello, status(401))
    }),
    case("cache-scope-private", Expect::Na, legacy_only),
    case("cache-scope-private", Expect::Na, || {
        without(Credential::SecondAccessToken)
    }),
    // --- requestState -----------------------------------------------------------------------
    case("mrtr-request-state", Expect::Pass, World::owned),
    case(
        "mrtr-request-state",
        Expect::Fail("accepted_changed"),
        || at(Probe::StateFlipped, done()),
    ),
    case(
        "mrtr-request-state",
        Expect::Fail("accepted_of_another"),
        || at(Probe::StateOfAnother, done()),
    ),
    case(
        "mrtr-request-state",
        Expect::Warn("accepted_elsewhere"),
        || at(Probe::StateElsewhere, done()),
    ),
    case("mrtr-request-state", Expect::Warn("accepted_late"), || {
        let mut world = at(Probe::StateLate, done());
        world.operations.state_ends_ms = Some(1000);
        world
    }),
    case("mrtr-request-state", Expect::Inconclusive, || {
        at(Probe::StateKept, status(400))
    }),
    case("mrtr-request-state", Expect::Inconclusive, || {
        without(Credential::SecondAccessToken)
    }),
    case("mrtr-request-state", Expect::Na, || {
        at(Probe::InputRequired, done())
    }),
    case("mrtr-request-state", Expect::Na, unnamed),
];
