//! Cases of where the authorization endpoint redirects to.

use super::request_cases::{
    but, codes, good, issues, refusing, signs_in, silent, uncovered, undiscovered, without_client,
};
use crate::checks::testkit::*;
use crate::evidence::{AuthorizeVariant, Failure, Purpose, Registration};
use crate::fleet::authorization::{Fault, Login};

/// A redirect of one variant to this place.
fn sent(variant: AuthorizeVariant, to: &'static str) -> World {
    authorizing_but(Login::SignIn, &[], |world| {
        world.purpose(
            Purpose::Authorize(variant),
            response(302, &[("location", to)], ""),
        );
    })
}

fn no_registration(of: Registration, error: &'static str) -> World {
    authorizing_but(Login::SignIn, &[], |world| {
        world.purpose(Purpose::Register(of), text(400, "application/json", error));
    })
}

const NO_REDIRECT: &str = r#"{"error":"invalid_redirect_uri"}"#;

/// Only clients with an https redirect can be registered.
fn no_loopback() -> World {
    authorizing_but(Login::SignIn, &[], |world| {
        world.on(
            |ask| {
                matches!(
                    ask.purpose,
                    Purpose::Register(Registration::Native | Registration::Untyped)
                )
            },
            text(400, "application/json", NO_REDIRECT),
        );
    })
}

const SIGN_IN: &str =
    "<title>Sign in</title><form action=/login><input type=password name=p></form>";
const BLANK: &str = "<title>Portal</title><div id=app></div>";

pub(super) const CASES: &[Case] = &[
    // --- authz-unknown-client-no-redirect
    case("authz-unknown-client-no-redirect", Expect::Pass, good),
    case(
        "authz-unknown-client-no-redirect",
        Expect::Pass,
        without_client,
    ),
    case(
        "authz-unknown-client-no-redirect",
        Expect::Warn("sign_in_first"),
        || signs_in(Fault::SignInFirst),
    ),
    case(
        "authz-unknown-client-no-redirect",
        Expect::Warn("sign_in_first"),
        || {
            sent(
                AuthorizeVariant::UnknownClient,
                "https://upstream.example.net/login",
            )
        },
    ),
    case(
        "authz-unknown-client-no-redirect",
        Expect::Fail("redirected"),
        || signs_in(Fault::OpenRedirector),
    ),
    case(
        "authz-unknown-client-no-redirect",
        Expect::Fail("redirected"),
        || {
            sent(
                AuthorizeVariant::UnknownClient,
                "https://redirect-probe.invalid/elsewhere",
            )
        },
    ),
    case(
        "authz-unknown-client-no-redirect",
        Expect::Inconclusive,
        || but(AuthorizeVariant::UnknownClient, 200, BLANK),
    ),
    case(
        "authz-unknown-client-no-redirect",
        Expect::Inconclusive,
        silent,
    ),
    case("authz-unknown-client-no-redirect", Expect::Na, uncovered),
    case(
        "authz-unknown-client-no-redirect",
        Expect::Blocked("asm-discoverable"),
        undiscovered,
    ),
    // --- authz-unregistered-redirect-refused
    case("authz-unregistered-redirect-refused", Expect::Pass, good),
    case("authz-unregistered-redirect-refused", Expect::Pass, codes),
    case(
        "authz-unregistered-redirect-refused",
        Expect::Fail("redirected"),
        || issues(Fault::AnyRedirect),
    ),
    case(
        "authz-unregistered-redirect-refused",
        Expect::Fail("redirected"),
        || signs_in(Fault::OpenRedirector),
    ),
    case(
        "authz-unregistered-redirect-refused",
        Expect::Inconclusive,
        || signs_in(Fault::AnyRedirect),
    ),
    case(
        "authz-unregistered-redirect-refused",
        Expect::Inconclusive,
        || signs_in(Fault::SignInFirst),
    ),
    // The registered address instead of the requested one.
    case(
        "authz-unregistered-redirect-refused",
        Expect::Inconclusive,
        || {
            sent(
                AuthorizeVariant::UnregisteredRedirect,
                "http://127.0.0.1:33418/callback?error=invalid_request",
            )
        },
    ),
    case(
        "authz-unregistered-redirect-refused",
        Expect::Na,
        without_client,
    ),
    case(
        "authz-unregistered-redirect-refused",
        Expect::Inconclusive,
        silent,
    ),
    // --- authz-redirect-exact-match
    case("authz-redirect-exact-match", Expect::Pass, good),
    case("authz-redirect-exact-match", Expect::Pass, codes),
    case(
        "authz-redirect-exact-match",
        Expect::Warn("query_accepted"),
        || signs_in(Fault::QueryRedirect),
    ),
    case(
        "authz-redirect-exact-match",
        Expect::Warn("query_accepted"),
        || issues(Fault::QueryRedirect),
    ),
    case(
        "authz-redirect-exact-match",
        Expect::Fail("variant_accepted"),
        || signs_in(Fault::PrefixRedirect),
    ),
    case(
        "authz-redirect-exact-match",
        Expect::Fail("variant_accepted"),
        || issues(Fault::PrefixRedirect),
    ),
    // A code for the registered address is no code for the requested one.
    case("authz-redirect-exact-match", Expect::Pass, || {
        sent(
            AuthorizeVariant::RedirectLonger,
            "https://own.example.net/canary/abcdefghijklmnopqrstuvwxyz/cb?code=abcdefgh123",
        )
    }),
    case("authz-redirect-exact-match", Expect::Na, || {
        no_registration(Registration::Https, NO_REDIRECT)
    }),
    case("authz-redirect-exact-match", Expect::Na, without_client),
    case("authz-redirect-exact-match", Expect::Inconclusive, || {
        signs_in(Fault::SignInFirst)
    }),
    case("authz-redirect-exact-match", Expect::Inconclusive, || {
        but(AuthorizeVariant::RedirectCase, 200, BLANK)
    }),
    case("authz-redirect-exact-match", Expect::Inconclusive, refusing),
    case("authz-redirect-exact-match", Expect::Inconclusive, || {
        authorizing_but(Login::SignIn, &[], |world| {
            world.purpose(Purpose::Register(Registration::Https), status(429));
        })
    }),
    // --- authz-loopback-any-port
    case("authz-loopback-any-port", Expect::Pass, good),
    case("authz-loopback-any-port", Expect::Pass, codes),
    case("authz-loopback-any-port", Expect::Pass, || {
        but(AuthorizeVariant::LoopbackPort, 200, SIGN_IN)
    }),
    case(
        "authz-loopback-any-port",
        Expect::Fail("port_compared"),
        || signs_in(Fault::PortCompared),
    ),
    case(
        "authz-loopback-any-port",
        Expect::Fail("port_compared"),
        // Told to the very redirect that is refused.
        || {
            authorizing_but(Login::SignIn, &[], |world| {
                world.purpose(
                    Purpose::Authorize(AuthorizeVariant::LoopbackPort),
                    crate::checks::testkit::response(
                        302,
                        &[(
                            "location",
                            "http://127.0.0.1:49152/callback?error=invalid_request&error_description=Unregistered+redirect_uri",
                        )],
                        "",
                    ),
                );
            })
        },
    ),
    case("authz-loopback-any-port", Expect::Inconclusive, || {
        but(
            AuthorizeVariant::LoopbackPort,
            400,
            "<title>Error</title>Sorry.",
        )
    }),
    case("authz-loopback-any-port", Expect::Inconclusive, || {
        signs_in(Fault::SignInFirst)
    }),
    case("authz-loopback-any-port", Expect::Inconclusive, refusing),
    case("authz-loopback-any-port", Expect::Na, no_loopback),
    case("authz-loopback-any-port", Expect::Na, without_client),
    case("authz-loopback-any-port", Expect::Inconclusive, || {
        authorizing_but(Login::SignIn, &[], |world| {
            world.purpose(
                Purpose::Authorize(AuthorizeVariant::LoopbackPort),
                Err(Failure::Reset),
            );
        })
    }),
];
