//! Cases of what varies a valid authorization request: challenges and resources.

use serde_json::json;

use crate::checks::testkit::*;
use crate::evidence::{AuthorizeVariant, Failure, Purpose};
use crate::fleet::authorization::{Fault, Login};
use crate::spec::Revision;

pub(super) fn good() -> World {
    authorizing(Login::SignIn, &[])
}

pub(super) fn codes() -> World {
    authorizing(Login::Codes, &[])
}

pub(super) fn signs_in(fault: Fault) -> World {
    authorizing(Login::SignIn, &[fault])
}

pub(super) fn issues(fault: Fault) -> World {
    authorizing(Login::Codes, &[fault])
}

/// The same server, with consent for the MCP server's host only.
pub(super) fn uncovered() -> World {
    authorizing_but(Login::SignIn, &[], |world| {
        if let Some(consent) = &mut world.consent {
            consent.hosts.retain(|host| host == "mcp.example.com");
        }
    })
}

/// Nobody can register, and nobody brought a client.
pub(super) fn without_client() -> World {
    authorizing_but(Login::SignIn, &[], |world| {
        world.on(
            |ask| matches!(ask.purpose, Purpose::Register(_)),
            text(400, "application/json", r#"{"error":"invalid_request"}"#),
        );
    })
}

/// Every authorization request is refused.
pub(super) fn refusing() -> World {
    authorizing_but(Login::SignIn, &[], |world| {
        world.on(
            |ask| matches!(ask.purpose, Purpose::Authorize(_)),
            text(400, "text/html", "<title>Error</title>invalid_client"),
        );
    })
}

/// Nobody answers at the authorization endpoint.
pub(super) fn silent() -> World {
    authorizing_but(Login::SignIn, &[], |world| {
        world.on(
            |ask| matches!(ask.purpose, Purpose::Authorize(_)),
            Err(Failure::Refused),
        );
    })
}

/// No metadata of the authorization server can be found.
pub(super) fn undiscovered() -> World {
    authorizing_but(Login::SignIn, &[], |world| {
        world.on(
            |ask| ask.url.starts_with("https://id.example.com/.well-known/"),
            status(404),
        );
    })
}

/// The good server, but one variant comes to this.
pub(super) fn but(variant: AuthorizeVariant, status: u16, body: &'static str) -> World {
    authorizing_but(Login::SignIn, &[], |world| {
        world.purpose(Purpose::Authorize(variant), text(status, "text/html", body));
    })
}

const OTHER_PAGE: &str = "<title>Welcome</title><form action=/x><input name=username></form>";

fn confidential() -> World {
    authorizing_but(Login::SignIn, &[], |world| {
        world.edit(
            |ask| matches!(ask.purpose, Purpose::Register(_)),
            |response| {
                if let Ok(mut client) =
                    serde_json::from_str::<serde_json::Value>(&response.body.text)
                    && client.get("client_id").is_some()
                {
                    client["client_secret"] = json!("[redacted:member:len=20]");
                    client["token_endpoint_auth_method"] = json!("client_secret_basic");
                    set_body(response, &client.to_string());
                }
            },
        );
    })
}

pub(super) const CASES: &[Case] = &[
    // --- pkce-required
    case("pkce-required", Expect::Pass, good),
    case("pkce-required", Expect::Pass, codes),
    case("pkce-required", Expect::Pass, || {
        signs_in(Fault::LocalErrors)
    }),
    case("pkce-required", Expect::Warn("reaches_sign_in"), || {
        signs_in(Fault::NoChallenge)
    }),
    case("pkce-required", Expect::Fail("code_issued"), || {
        issues(Fault::NoChallenge)
    }),
    case_in(
        Revision::V2025_06_18,
        "pkce-required",
        Expect::Fail("code_issued"),
        || issues(Fault::NoChallenge),
    ),
    case("pkce-required", Expect::Na, confidential),
    case("pkce-required", Expect::Na, without_client),
    case("pkce-required", Expect::Na, uncovered),
    case("pkce-required", Expect::Inconclusive, || {
        but(AuthorizeVariant::NoChallenge, 200, OTHER_PAGE)
    }),
    case("pkce-required", Expect::Inconclusive, refusing),
    case("pkce-required", Expect::Inconclusive, silent),
    case(
        "pkce-required",
        Expect::Blocked("asm-discoverable"),
        undiscovered,
    ),
    case(
        "pkce-required",
        Expect::Blocked("asm-endpoints-https"),
        || {
            authorizing_but(Login::SignIn, &[], |world| {
                world.asm(|asm| {
                    asm["authorization_endpoint"] = json!("http://id.example.com/authorize");
                });
            })
        },
    ),
    // --- pkce-plain-refused
    case("pkce-plain-refused", Expect::Pass, good),
    case(
        "pkce-plain-refused",
        Expect::Warn("reaches_sign_in"),
        || signs_in(Fault::PlainChallenge),
    ),
    case("pkce-plain-refused", Expect::Fail("code_issued"), || {
        issues(Fault::PlainChallenge)
    }),
    // One of the two is enough.
    case(
        "pkce-plain-refused",
        Expect::Warn("reaches_sign_in"),
        || but(AuthorizeVariant::MethodOmitted, 200, OTHER_PAGE),
    ),
    case("pkce-plain-refused", Expect::Na, || {
        authorizing_but(Login::SignIn, &[Fault::PlainChallenge], |world| {
            world.asm(|asm| asm["code_challenge_methods_supported"] = json!(["S256", "plain"]));
        })
    }),
    case("pkce-plain-refused", Expect::Na, without_client),
    case("pkce-plain-refused", Expect::Inconclusive, || {
        but(AuthorizeVariant::PlainChallenge, 503, "")
    }),
    case("pkce-plain-refused", Expect::Inconclusive, refusing),
    // --- ri-authorize-accepts
    case("ri-authorize-accepts", Expect::Pass, good),
    case("ri-authorize-accepts", Expect::Pass, codes),
    case(
        "ri-authorize-accepts",
        Expect::Fail("refused_with_resource"),
        || signs_in(Fault::ResourceRefused),
    ),
    case(
        "ri-authorize-accepts",
        Expect::Fail("refused_with_resource"),
        || issues(Fault::ResourceRefused),
    ),
    case_in(
        Revision::V2025_03_26,
        "ri-authorize-accepts",
        Expect::Na,
        || signs_in(Fault::ResourceRefused),
    ),
    case("ri-authorize-accepts", Expect::Na, without_client),
    case("ri-authorize-accepts", Expect::Na, uncovered),
    case("ri-authorize-accepts", Expect::Inconclusive, refusing),
    case("ri-authorize-accepts", Expect::Inconclusive, silent),
    // What is refused with it is tried without it.
    case("pkce-required", Expect::Pass, || {
        signs_in(Fault::ResourceRefused)
    }),
    case("authz-error-response", Expect::Pass, || {
        signs_in(Fault::ResourceRefused)
    }),
    // --- ri-foreign-refused
    case("ri-foreign-refused", Expect::Pass, good),
    case("ri-foreign-refused", Expect::Pass, || {
        signs_in(Fault::LocalErrors)
    }),
    case("ri-foreign-refused", Expect::Warn("ignored"), || {
        signs_in(Fault::AnyResource)
    }),
    case("ri-foreign-refused", Expect::Warn("ignored"), || {
        issues(Fault::AnyResource)
    }),
    case(
        "ri-foreign-refused",
        Expect::Blocked("ri-authorize-accepts"),
        || signs_in(Fault::ResourceRefused),
    ),
    case("ri-foreign-refused", Expect::Na, without_client),
    case(
        "ri-foreign-refused",
        Expect::Blocked("ri-authorize-accepts"),
        refusing,
    ),
    case("ri-foreign-refused", Expect::Inconclusive, || {
        but(AuthorizeVariant::ForeignResource, 503, "")
    }),
];
