//! Cases of forged tokens, of tokens at the MCP server, and of what an authorization server
//! does with codes.

use serde_json::json;

use super::super::testkit::{
    Case, ENDPOINT, Expect, World, case, case_in, code, owned_but, refused, response, result,
    status, token, token_response,
};
use crate::evidence::{CodeUse, Credential, Depth, Failure, Forgery, OwnerProbe, Purpose, Visit};
use crate::plan::Ask;
use crate::spec::Revision;

use CodeUse as Use;
use OwnerProbe as Probe;

fn consented() -> World {
    World::compliant().consented()
}

fn forged(how: Forgery, status_of: Result<crate::evidence::Response, Failure>) -> World {
    let mut world = consented();
    world.purpose(Purpose::ForgedToken(how), status_of);
    world
}

fn hello() -> Result<crate::evidence::Response, Failure> {
    result(&json!({ "resultType": "complete", "supportedVersions": ["2026-07-28"] }))
}

fn fetched(how: Forgery) -> World {
    let mut world = consented();
    world.visit(move |ask: &Ask| {
        (ask.purpose == Purpose::ForgedToken(how)).then(|| Visit {
            what: Purpose::ForgedToken(how).name(),
            after_ms: 1000,
            method: "GET".into(),
            user_agent: Some("jose/5".into()),
            peer: None,
            bytes: None,
            took_ms: 1,
        })
    });
    world
}

fn not_covered() -> World {
    let mut world = consented();
    world.consent = None;
    world
}

/// The valid token is refused.
fn dead_token() -> World {
    let mut world = World::owned();
    for probe in [Probe::Discover, Probe::Initialize] {
        world.purpose(Purpose::Owner(probe), status(401));
    }
    world
}

fn silent(probe: Probe) -> World {
    owned_but(Purpose::Owner(probe), Err(Failure::Reset))
}

fn served(probe: Probe) -> World {
    owned_but(Purpose::Owner(probe), hello())
}

fn standard() -> World {
    let mut world = World::compliant();
    world.depth = Depth::Standard;
    world
}

fn without(kind: Credential) -> World {
    let mut world = World::owned();
    world.supplied.retain(|supplied| supplied.kind != kind);
    world
}

fn opaque() -> World {
    let mut world = World::owned();
    for supplied in &mut world.supplied {
        supplied.claims = None;
    }
    world
}

fn redeemed(of: Use) -> World {
    owned_but(Purpose::Redeem(of), token_response("refresh-9"))
}

fn no_login() -> World {
    let mut world = World::owned();
    world.on(
        |ask| matches!(ask.purpose, Purpose::Login(_)),
        response(
            200,
            &[("content-type", "text/html")],
            "<title>Sign in</title><form><input type=password name=p></form>",
        ),
    );
    world
}

/// Requests without a challenge go on.
fn unchallenged() -> World {
    let mut world = World::owned();
    world.answer(|ask| matches!(ask.purpose, Purpose::Authorize(_)).then(|| code(ask))?);
    world
}

fn claims(audience: &serde_json::Value, life: i64) -> World {
    let body = json!({ "access_token": token(audience, life), "token_type": "Bearer" });
    owned_but(
        Purpose::Redeem(Use::Token),
        super::super::testkit::document(body),
    )
}

fn expires_in(seconds: i64) -> World {
    let body = json!({ "access_token": "opaque-1", "expires_in": seconds });
    owned_but(
        Purpose::Redeem(Use::Token),
        super::super::testkit::document(body),
    )
}

fn rotated_but(of: Use) -> World {
    let mut world = redeemed(Use::RefreshOld);
    if of == Use::RefreshLater {
        world.purpose(Purpose::Redeem(of), token_response("refresh-8"));
    }
    world
}

fn not_rotated() -> World {
    let mut world = World::owned();
    world.on(
        |ask| matches!(ask.purpose, Purpose::Redeem(Use::Refresh | Use::RefreshOld)),
        token_response("refresh-1"),
    );
    world
}

const CHALLENGE: (&str, &str) = ("www-authenticate", "Bearer error=\"invalid_token\"");

pub(in crate::checks) const CASES: &[Case] = &[
    // --- Y6 and Y7 ------------------------------------------------------------------------
    case("token-forged-jwt-rejected", Expect::Pass, consented),
    case(
        "token-forged-jwt-rejected",
        Expect::Fail("alg_none"),
        || forged(Forgery::NoAlgorithm, hello()),
    ),
    case("token-forged-jwt-rejected", Expect::Fail("any_key"), || {
        forged(Forgery::OtherKey, hello())
    }),
    case(
        "token-forged-jwt-rejected",
        Expect::Fail("public_key_as_secret"),
        || forged(Forgery::PublicKeyAsSecret, hello()),
    ),
    // Opaque tokens: no keys are published.
    case("token-forged-jwt-rejected", Expect::Pass, || {
        let mut world = consented();
        world.asm(|asm| {
            asm.as_object_mut().unwrap().remove("jwks_uri");
        });
        world
    }),
    case("token-forged-jwt-rejected", Expect::Inconclusive, || {
        forged(Forgery::OtherKey, Err(Failure::Reset))
    }),
    case("token-forged-jwt-rejected", Expect::Inconclusive, || {
        forged(Forgery::OtherKey, status(404))
    }),
    case("token-forged-jwt-rejected", Expect::Na, not_covered),
    case("token-forged-jwt-rejected", Expect::Na, || {
        World::open().consented()
    }),
    case("token-forged-jwt-rejected", Expect::Na, standard),
    case("token-jku-not-fetched", Expect::Pass, consented),
    case("token-jku-not-fetched", Expect::Fail("fetched"), || {
        fetched(Forgery::Jku)
    }),
    case("token-jku-not-fetched", Expect::Fail("fetched"), || {
        fetched(Forgery::X5u)
    }),
    case(
        "token-jku-not-fetched",
        Expect::Fail("jku_accepted"),
        || forged(Forgery::Jku, hello()),
    ),
    case(
        "token-jku-not-fetched",
        Expect::Blocked("token-forged-jwt-rejected"),
        || forged(Forgery::NoAlgorithm, hello()),
    ),
    case("token-jku-not-fetched", Expect::Inconclusive, || {
        forged(Forgery::X5u, Err(Failure::Reset))
    }),
    case("token-jku-not-fetched", Expect::Na, || {
        let mut world = consented();
        world.own_host = None;
        world
    }),
    case("token-jku-not-fetched", Expect::Na, not_covered),
    // --- tokens at the MCP server ---------------------------------------------------------
    case("token-query-refused", Expect::Pass, World::owned),
    case(
        "token-query-refused",
        Expect::Fail("accepted_in_query"),
        || served(Probe::InQuery),
    ),
    case("token-query-refused", Expect::Inconclusive, dead_token),
    case("token-query-refused", Expect::Inconclusive, || {
        silent(Probe::InQuery)
    }),
    case("token-query-refused", Expect::Na, consented),
    case("token-query-refused", Expect::Na, || {
        World::compliant().credentialed(&[])
    }),
    case("token-other-audience-rejected", Expect::Pass, World::owned),
    case(
        "token-other-audience-rejected",
        Expect::Fail("accepted"),
        || served(Probe::OtherAudience),
    ),
    case(
        "token-other-audience-rejected",
        Expect::Warn("status_403"),
        || owned_but(Purpose::Owner(Probe::OtherAudience), status(403)),
    ),
    case("token-other-audience-rejected", Expect::Na, || {
        without(Credential::OtherAudienceToken)
    }),
    case("token-other-audience-rejected", Expect::Na, || {
        let mut world = World::owned();
        for supplied in &mut world.supplied {
            supplied.claims = crate::evidence::Claims::of_token(&token(&ENDPOINT.into(), 300));
        }
        world
    }),
    case(
        "token-other-audience-rejected",
        Expect::Inconclusive,
        dead_token,
    ),
    case_in(
        Revision::V2025_03_26,
        "token-other-audience-rejected",
        Expect::Na,
        World::owned,
    ),
    case("token-id-token-rejected", Expect::Pass, World::owned),
    case("token-id-token-rejected", Expect::Fail("accepted"), || {
        served(Probe::IdToken)
    }),
    case("token-id-token-rejected", Expect::Inconclusive, || {
        silent(Probe::IdToken)
    }),
    case("token-id-token-rejected", Expect::Na, || {
        without(Credential::IdToken)
    }),
    case("token-expired-rejected", Expect::Pass, || {
        owned_but(
            Purpose::Owner(Probe::Expired),
            response(401, &[CHALLENGE], ""),
        )
    }),
    case(
        "token-expired-rejected",
        Expect::Warn("no_invalid_token"),
        World::owned,
    ),
    case("token-expired-rejected", Expect::Fail("accepted"), || {
        served(Probe::Expired)
    }),
    case("token-expired-rejected", Expect::Na, || {
        let mut world = World::owned();
        for supplied in &mut world.supplied {
            supplied.claims = crate::evidence::Claims::of_token(&token(&ENDPOINT.into(), -300));
        }
        world
    }),
    case("token-expired-rejected", Expect::Inconclusive, || {
        silent(Probe::Expired)
    }),
    case("token-tampered-rejected", Expect::Pass, World::owned),
    case("token-tampered-rejected", Expect::Pass, opaque),
    case(
        "token-tampered-rejected",
        Expect::Fail("changed_claim"),
        || served(Probe::ChangedClaim),
    ),
    case(
        "token-tampered-rejected",
        Expect::Fail("flipped_signature"),
        || served(Probe::FlippedSignature),
    ),
    case("token-tampered-rejected", Expect::Inconclusive, || {
        silent(Probe::ShortSignature)
    }),
    case("token-tampered-rejected", Expect::Na, || {
        World::compliant().credentialed(&[])
    }),
    case("token-passthrough-refused", Expect::Pass, World::owned),
    case(
        "token-passthrough-refused",
        Expect::Fail("accepted"),
        || served(Probe::Upstream),
    ),
    case(
        "token-passthrough-refused",
        Expect::Fail("documented_static_key"),
        || {
            let mut world = served(Probe::Upstream);
            world.operations.documented_key = true;
            world
        },
    ),
    case("token-passthrough-refused", Expect::Na, || {
        without(Credential::UpstreamToken)
    }),
    case("token-passthrough-refused", Expect::Inconclusive, || {
        silent(Probe::Upstream)
    }),
    case("token-lifetime", Expect::Pass, World::owned),
    case("token-lifetime", Expect::Pass, || {
        without(Credential::AccessToken)
    }),
    case("token-lifetime", Expect::Warn("hours"), || expires_in(7200)),
    case("token-lifetime", Expect::Warn("expires_in_missing"), || {
        claims(&ENDPOINT.into(), 300)
    }),
    case("token-lifetime", Expect::Fail("days"), || {
        expires_in(90_000)
    }),
    case("token-lifetime", Expect::Fail("no_expiry"), || {
        let mut world = no_login();
        for supplied in &mut world.supplied {
            if let Some(claims) = &mut supplied.claims {
                claims.exp = None;
            }
        }
        world
    }),
    case("token-lifetime", Expect::Inconclusive, || {
        let mut world = no_login();
        for supplied in &mut world.supplied {
            supplied.claims = None;
        }
        world
    }),
    case("token-lifetime", Expect::Na, || {
        let mut world = no_login();
        world.supplied.clear();
        world
    }),
    // --- codes ----------------------------------------------------------------------------
    case("pkce-verifier-enforced", Expect::Pass, World::owned),
    case("pkce-verifier-enforced", Expect::Pass, unchallenged),
    case(
        "pkce-verifier-enforced",
        Expect::Fail("wrong_verifier"),
        || redeemed(Use::WrongVerifier),
    ),
    case(
        "pkce-verifier-enforced",
        Expect::Fail("no_verifier"),
        || redeemed(Use::NoVerifier),
    ),
    case(
        "pkce-verifier-enforced",
        Expect::Fail("unexpected_verifier"),
        || {
            let mut world = unchallenged();
            world.purpose(
                Purpose::Redeem(Use::UnexpectedVerifier),
                token_response("refresh-9"),
            );
            world
        },
    ),
    case("pkce-verifier-enforced", Expect::Na, no_login),
    case("pkce-verifier-enforced", Expect::Inconclusive, || {
        owned_but(
            Purpose::Redeem(Use::WrongVerifier),
            refused("invalid_client"),
        )
    }),
    case("pkce-verifier-enforced", Expect::Inconclusive, || {
        owned_but(Purpose::Redeem(Use::Token), refused("invalid_grant"))
    }),
    case("ri-token-audience", Expect::Pass, World::owned),
    case("ri-token-audience", Expect::Pass, || {
        claims(&json!([ENDPOINT, "https://id.example.com/userinfo"]), 300)
    }),
    case(
        "ri-token-audience",
        Expect::Warn("other_identifier"),
        || claims(&"project-1".into(), 300),
    ),
    case(
        "ri-token-audience",
        Expect::Warn("other_resource_ignored"),
        || redeemed(Use::OtherResource),
    ),
    case("ri-token-audience", Expect::Fail("no_audience"), || {
        claims(&json!([]), 300)
    }),
    case(
        "ri-token-audience",
        Expect::Fail("further_audience"),
        || claims(&json!([ENDPOINT, "https://api.example.org"]), 300),
    ),
    case("ri-token-audience", Expect::Fail("other_audience"), || {
        claims(&"https://api.example.org".into(), 300)
    }),
    case(
        "ri-token-audience",
        Expect::Fail("other_resource_honoured"),
        || {
            let body = json!({
                "access_token": token(&"https://foreign-probe.invalid/mcp".into(), 300),
            });
            owned_but(
                Purpose::Redeem(Use::OtherResource),
                super::super::testkit::document(body),
            )
        },
    ),
    case("ri-token-audience", Expect::Na, || {
        let mut world = no_login();
        world.supplied.clear();
        world
    }),
    case("ri-token-audience", Expect::Inconclusive, || {
        owned_but(Purpose::Redeem(Use::OtherResource), Err(Failure::Reset))
    }),
    case("code-single-use", Expect::Pass, World::owned),
    case("code-single-use", Expect::Fail("reused"), || {
        redeemed(Use::Again)
    }),
    case(
        "code-single-use",
        Expect::Fail("reused_in_parallel"),
        || redeemed(Use::Parallel),
    ),
    case("code-single-use", Expect::Fail("other_client"), || {
        redeemed(Use::OtherClient)
    }),
    case("code-single-use", Expect::Warn("late"), || {
        let mut world = redeemed(Use::Late);
        world.operations.wait_for_code = true;
        world
    }),
    case("code-single-use", Expect::Inconclusive, || {
        let mut world = World::owned();
        world.on(
            |ask| {
                matches!(ask.purpose, Purpose::Register(_))
                    && !ask.body.as_ref().unwrap().contains("33418")
            },
            refused("invalid_redirect_uri"),
        );
        world
    }),
    case("code-single-use", Expect::Na, no_login),
    case("refresh-rotation", Expect::Pass, World::owned),
    case("refresh-rotation", Expect::Fail("not_rotated"), not_rotated),
    case("refresh-rotation", Expect::Fail("old_token_works"), || {
        rotated_but(Use::RefreshLater)
    }),
    case("refresh-rotation", Expect::Warn("grace"), || {
        rotated_but(Use::RefreshOld)
    }),
    case("refresh-rotation", Expect::Inconclusive, || {
        owned_but(Purpose::Redeem(Use::Refresh), refused("invalid_grant"))
    }),
    case("refresh-rotation", Expect::Na, || expires_in(300)),
    case("refresh-rotation", Expect::Na, no_login),
];
