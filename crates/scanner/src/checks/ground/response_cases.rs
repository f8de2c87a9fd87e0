//! Cases of what authorization responses and pages carry, and of proxies.

use serde_json::json;

use super::request_cases::{
    but, codes, good, issues, refusing, signs_in, silent, uncovered, without_client,
};
use crate::checks::testkit::*;
use crate::evidence::{AuthorizeVariant, Credential, Purpose, Supplied};
use crate::fleet::authorization::{Fault, Login};
use crate::spec::Revision;

/// No `iss` is announced.
fn unannounced(login: Login, fault: Option<Fault>) -> World {
    let faults: Vec<Fault> = fault.into_iter().collect();
    authorizing_but(login, &faults, |world| {
        world.asm(|asm| {
            asm["authorization_response_iss_parameter_supported"] = json!(false);
        });
    })
}

/// The error response is edited: its `location` is made another.
fn error_sent(change: fn(&str) -> String) -> World {
    authorizing_but(Login::SignIn, &[], move |world| {
        world.edit(
            |ask| ask.purpose == Purpose::Authorize(AuthorizeVariant::UnsupportedResponseType),
            move |response| {
                for (name, value) in &mut response.headers {
                    if name == "location" {
                        *value = change(value);
                    }
                }
            },
        );
    })
}

/// The page of the valid request has these headers, and no others about frames.
fn framed(headers: &'static [(&'static str, &'static str)]) -> World {
    authorizing_but(Login::SignIn, &[Fault::Framable], move |world| {
        world.edit(
            |ask| ask.purpose == Purpose::Authorize(AuthorizeVariant::Valid),
            move |response| {
                for (name, value) in headers {
                    response
                        .headers
                        .push(((*name).to_owned(), (*value).to_owned()));
                }
            },
        );
    })
}

fn upstream() -> Login {
    Login::Upstream("https://upstream.example.net/oauth/authorize".into())
}

fn consenting() -> World {
    authorizing(Login::Consent, &[])
}

/// The consent page sets this cookie.
fn with_cookie(cookie: &'static str) -> World {
    authorizing_but(Login::Consent, &[], move |world| {
        world.edit(
            |ask| ask.purpose == Purpose::Authorize(AuthorizeVariant::Valid),
            move |response| {
                response
                    .headers
                    .push(("set-cookie".into(), cookie.to_owned()));
            },
        );
    })
}

/// The valid request comes to this page.
fn shows(body: &'static str) -> World {
    but(AuthorizeVariant::Valid, 200, body)
}

fn supplied_client() -> World {
    authorizing_but(upstream(), &[], |world| {
        world.supplied.push(Supplied {
            kind: Credential::Client,
            claims: None,
            client_id: Some("owners-client".into()),
            redirect_uri: None,
            confidential: false,
        });
        world.on(
            |ask| matches!(ask.purpose, Purpose::Register(_)),
            text(400, "application/json", r#"{"error":"invalid_request"}"#),
        );
    })
}

pub(super) const CASES: &[Case] = &[
    // --- authz-no-cors
    case("authz-no-cors", Expect::Pass, good),
    case("authz-no-cors", Expect::Pass, without_client),
    case("authz-no-cors", Expect::Warn("readable"), || {
        signs_in(Fault::CorsAny)
    }),
    case("authz-no-cors", Expect::Fail("credentials"), || {
        signs_in(Fault::CorsCredentials)
    }),
    case("authz-no-cors", Expect::Na, uncovered),
    case("authz-no-cors", Expect::Inconclusive, silent),
    case("authz-no-cors", Expect::Inconclusive, || {
        authorizing_but(Login::SignIn, &[], |world| {
            world.purpose(Purpose::AuthorizePreflight, status(503));
        })
    }),
    // --- authz-frame-protection
    case("authz-frame-protection", Expect::Pass, good),
    case("authz-frame-protection", Expect::Pass, || {
        framed(&[("x-frame-options", "SameOrigin")])
    }),
    case("authz-frame-protection", Expect::Pass, || {
        framed(&[(
            "content-security-policy",
            "default-src 'none'; frame-ancestors 'self'",
        )])
    }),
    case(
        "authz-frame-protection",
        Expect::Warn("permissive_policy"),
        || {
            framed(&[
                ("x-frame-options", "DENY"),
                ("content-security-policy", "frame-ancestors *"),
            ])
        },
    ),
    case(
        "authz-frame-protection",
        Expect::Fail("no_protection"),
        || signs_in(Fault::Framable),
    ),
    case(
        "authz-frame-protection",
        Expect::Fail("no_protection"),
        || framed(&[("content-security-policy", "default-src 'self'")]),
    ),
    case("authz-frame-protection", Expect::Na, || {
        authorizing(upstream(), &[])
    }),
    case("authz-frame-protection", Expect::Na, codes),
    case("authz-frame-protection", Expect::Na, without_client),
    case("authz-frame-protection", Expect::Inconclusive, refusing),
    case("authz-frame-protection", Expect::Inconclusive, silent),
    // --- authz-iss-emitted
    case("authz-iss-emitted", Expect::Pass, good),
    case("authz-iss-emitted", Expect::Pass, codes),
    case("authz-iss-emitted", Expect::Warn("absent"), || {
        unannounced(Login::SignIn, Some(Fault::NoIss))
    }),
    case(
        "authz-iss-emitted",
        Expect::Warn("absent_in_errors"),
        || issues(Fault::NoIssInErrors),
    ),
    case(
        "authz-iss-emitted",
        Expect::Fail("absent_with_code"),
        || issues(Fault::NoIss),
    ),
    case("authz-iss-emitted", Expect::Fail("other_issuer"), || {
        signs_in(Fault::WrongIss)
    }),
    case("authz-iss-emitted", Expect::Fail("not_advertised"), || {
        unannounced(Login::SignIn, None)
    }),
    case("authz-iss-emitted", Expect::Warn("repeated"), || {
        error_sent(|to| format!("{to}&iss=https%3A%2F%2Fid.example.com"))
    }),
    case("authz-iss-emitted", Expect::Inconclusive, || {
        signs_in(Fault::NoIss)
    }),
    case("authz-iss-emitted", Expect::Inconclusive, silent),
    case("authz-iss-emitted", Expect::Na, || {
        signs_in(Fault::LocalErrors)
    }),
    case("authz-iss-emitted", Expect::Na, without_client),
    case_in(
        Revision::V2025_11_25,
        "authz-iss-emitted",
        Expect::Na,
        || signs_in(Fault::WrongIss),
    ),
    // --- authz-error-response
    case("authz-error-response", Expect::Pass, good),
    // The first probe ends in a page, another one in a redirect.
    case("authz-error-response", Expect::Pass, || {
        but(
            AuthorizeVariant::UnsupportedResponseType,
            400,
            "<title>Error</title>",
        )
    }),
    case("authz-error-response", Expect::Warn("local_page"), || {
        signs_in(Fault::LocalErrors)
    }),
    case("authz-error-response", Expect::Warn("unknown_code"), || {
        error_sent(|to| to.replace("unsupported_response_type", "no_such_thing"))
    }),
    case(
        "authz-error-response",
        Expect::Fail("state_missing"),
        || signs_in(Fault::StateLost),
    ),
    case(
        "authz-error-response",
        Expect::Fail("state_altered"),
        || error_sent(|to| to.replace("authdex-state-", "authdex-state-0")),
    ),
    case(
        "authz-error-response",
        Expect::Fail("preserving_redirect"),
        || signs_in(Fault::Status307),
    ),
    case("authz-error-response", Expect::Fail("repeated"), || {
        error_sent(|to| format!("{to}&error=invalid_request"))
    }),
    case(
        "authz-error-response",
        Expect::Fail("error_characters"),
        || error_sent(|to| to.replace("unsupported_response_type", "invalid%22request")),
    ),
    case(
        "authz-error-response",
        Expect::Fail("credentials_in_error"),
        || error_sent(|to| format!("{to}&id_token=x")),
    ),
    case("authz-error-response", Expect::Na, without_client),
    case("authz-error-response", Expect::Inconclusive, || {
        signs_in(Fault::SignInFirst)
    }),
    case("authz-error-response", Expect::Inconclusive, refusing),
    case("authz-error-response", Expect::Inconclusive, silent),
    // --- authz-implicit-refused
    case("authz-implicit-refused", Expect::Pass, good),
    case("authz-implicit-refused", Expect::Pass, codes),
    case(
        "authz-implicit-refused",
        Expect::Warn("reaches_sign_in"),
        || signs_in(Fault::Implicit),
    ),
    case(
        "authz-implicit-refused",
        Expect::Fail("token_issued"),
        || issues(Fault::Implicit),
    ),
    case("authz-implicit-refused", Expect::Na, without_client),
    case("authz-implicit-refused", Expect::Inconclusive, || {
        but(
            AuthorizeVariant::Implicit,
            200,
            "<title>Hello</title><form></form>",
        )
    }),
    case("authz-implicit-refused", Expect::Inconclusive, silent),
    // --- authz-proxy-consent
    case("authz-proxy-consent", Expect::Pass, consenting),
    case("authz-proxy-consent", Expect::Pass, || {
        with_cookie("__Host-csrf=x; Path=/; Secure; HttpOnly; SameSite=Lax")
    }),
    case("authz-proxy-consent", Expect::Warn("weak_cookie"), || {
        with_cookie("sid=x; Secure; HttpOnly; SameSite=Lax")
    }),
    case("authz-proxy-consent", Expect::Warn("weak_cookie"), || {
        with_cookie("__Host-sid=x; Secure; HttpOnly; SameSite=None")
    }),
    case(
        "authz-proxy-consent",
        Expect::Warn("cookie_before_approval"),
        || authorizing(Login::Consent, &[Fault::EarlyCookie]),
    ),
    case(
        "authz-proxy-consent",
        Expect::Warn("client_not_named"),
        || authorizing(Login::BareConsent, &[]),
    ),
    case(
        "authz-proxy-consent",
        Expect::Warn("redirect_not_named"),
        || {
            shows(
                "<title>Allow?</title><p>Authdex test client abcdefgh wants to access your account.</p>\
             <form action=https://login.example.net/oauth/authorize><button>Allow</button></form>",
            )
        },
    ),
    case(
        "authz-proxy-consent",
        Expect::Fail("constant_client"),
        || authorizing(upstream(), &[]),
    ),
    case("authz-proxy-consent", Expect::Na, good),
    case("authz-proxy-consent", Expect::Na, codes),
    case("authz-proxy-consent", Expect::Na, without_client),
    case("authz-proxy-consent", Expect::Na, supplied_client),
    case_in(
        Revision::V2025_03_26,
        "authz-proxy-consent",
        Expect::Na,
        || authorizing(upstream(), &[]),
    ),
    // Consent may come after the return from upstream.
    case("authz-proxy-consent", Expect::Inconclusive, || {
        shows(
            "<title>Sign in</title><form action=/start><button>Continue with Google</button></form>",
        )
    }),
    case("authz-proxy-consent", Expect::Inconclusive, || {
        authorizing_but(upstream(), &[], |world| {
            world.on(
                |ask| {
                    matches!(
                        ask.purpose,
                        Purpose::Authorize(
                            AuthorizeVariant::SecondClient | AuthorizeVariant::RedirectExact
                        )
                    )
                },
                status(503),
            );
        })
    }),
    case("authz-proxy-consent", Expect::Inconclusive, silent),
];
