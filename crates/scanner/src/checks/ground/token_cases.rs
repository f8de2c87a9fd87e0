//! Cases of the token endpoint and of introspection.

use serde_json::json;

use super::request_cases::{good, signs_in, uncovered, undiscovered, without_client};
use crate::checks::testkit::*;
use crate::evidence::{Failure, Purpose, TokenProbe};
use crate::fleet::authorization::{Fault, Login};

const JSON: &str = "application/json";

fn probe(probe: TokenProbe, status: u16, media: &'static str, body: &'static str) -> World {
    authorizing_but(Login::SignIn, &[], |world| {
        world.purpose(
            Purpose::TokenEndpoint(probe),
            response(
                status,
                &[("content-type", media), ("cache-control", "no-store")],
                body,
            ),
        );
    })
}

fn introspected(status: u16, body: &'static str) -> World {
    authorizing_but(Login::SignIn, &[], |world| {
        world.purpose(Purpose::Introspect, text(status, JSON, body));
    })
}

pub(super) const CASES: &[Case] = &[
    // --- token-endpoint-errors
    case("token-endpoint-errors", Expect::Pass, good),
    // An unknown client is refused with 401.
    case("token-endpoint-errors", Expect::Pass, without_client),
    case("token-endpoint-errors", Expect::Warn("cacheable"), || {
        signs_in(Fault::CacheableErrors)
    }),
    case(
        "token-endpoint-errors",
        Expect::Warn("unknown_code"),
        || probe(TokenProbe::BogusCode, 400, JSON, r#"{"error":"bad_code"}"#),
    ),
    case("token-endpoint-errors", Expect::Warn("odd_status"), || {
        probe(
            TokenProbe::BogusCode,
            403,
            JSON,
            r#"{"error":"invalid_grant"}"#,
        )
    }),
    case(
        "token-endpoint-errors",
        Expect::Warn("password_error"),
        || {
            probe(
                TokenProbe::Password,
                400,
                JSON,
                r#"{"error":"invalid_scope"}"#,
            )
        },
    ),
    case("token-endpoint-errors", Expect::Fail("not_json"), || {
        signs_in(Fault::HtmlErrors)
    }),
    case(
        "token-endpoint-errors",
        Expect::Fail("server_fault"),
        || probe(TokenProbe::BogusCode, 500, "text/plain", "oops"),
    ),
    case(
        "token-endpoint-errors",
        Expect::Fail("get_processed"),
        || signs_in(Fault::TokenByGet),
    ),
    case(
        "token-endpoint-errors",
        Expect::Fail("password_grant"),
        || signs_in(Fault::PasswordGrant),
    ),
    case(
        "token-endpoint-errors",
        Expect::Fail("token_issued"),
        || {
            probe(
                TokenProbe::BogusCode,
                200,
                JSON,
                r#"{"access_token":"[redacted:member:len=9]"}"#,
            )
        },
    ),
    // 400 whatever the parameters is a refusal.
    case("token-endpoint-errors", Expect::Pass, || {
        authorizing_but(Login::SignIn, &[], |world| {
            world.on(
                |ask| {
                    matches!(
                        ask.purpose,
                        Purpose::TokenEndpoint(TokenProbe::ByGet | TokenProbe::ByGetBare)
                    )
                },
                text(400, JSON, r#"{"error":"invalid_request"}"#),
            );
        })
    }),
    case(
        "token-endpoint-errors",
        Expect::Warn("password_error"),
        || {
            probe(
                TokenProbe::Password,
                400,
                JSON,
                r#"{"error":"invalid_request"}"#,
            )
        },
    ),
    case("token-endpoint-errors", Expect::Inconclusive, || {
        authorizing_but(Login::SignIn, &[], |world| {
            world.purpose(
                Purpose::TokenEndpoint(TokenProbe::BogusCode),
                Err(Failure::Refused),
            );
        })
    }),
    case("token-endpoint-errors", Expect::Na, uncovered),
    case(
        "token-endpoint-errors",
        Expect::Blocked("asm-discoverable"),
        undiscovered,
    ),
    // --- introspection-authenticated
    case("introspection-authenticated", Expect::Pass, good),
    case("introspection-authenticated", Expect::Pass, || {
        introspected(400, r#"{"error":"invalid_client"}"#)
    }),
    case("introspection-authenticated", Expect::Warn("open"), || {
        signs_in(Fault::OpenIntrospection)
    }),
    case(
        "introspection-authenticated",
        Expect::Fail("tells_more"),
        || signs_in(Fault::TalkingIntrospection),
    ),
    case(
        "introspection-authenticated",
        Expect::Fail("active"),
        || introspected(200, r#"{"active":true}"#),
    ),
    case("introspection-authenticated", Expect::Inconclusive, || {
        introspected(400, r#"{"error":"invalid_request"}"#)
    }),
    case("introspection-authenticated", Expect::Inconclusive, || {
        introspected(503, "")
    }),
    case("introspection-authenticated", Expect::Na, || {
        authorizing_but(Login::SignIn, &[], |world| {
            world.asm(|asm| {
                if let Some(members) = asm.as_object_mut() {
                    members.remove("introspection_endpoint");
                }
            });
        })
    }),
    case("introspection-authenticated", Expect::Na, || {
        authorizing_but(Login::SignIn, &[], |world| {
            world.asm(|asm| {
                asm["introspection_endpoint"] = json!("https://other.example/introspect");
            });
        })
    }),
];
