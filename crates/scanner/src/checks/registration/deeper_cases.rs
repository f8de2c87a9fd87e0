//! Cases of what a consented scan judges: a world whose authorization server registers clients
//! and resolves documents by the book, changed in one point.

use serde_json::{Value, json};

use crate::checks::testkit::*;
use crate::evidence::{
    AuthorizeVariant, CimdVariant, Failure, Phase, Purpose, Registration, Response, Visit,
};
use crate::plan::Ask;
use crate::spec::Revision;

pub(super) const PAGE: &str = "<title>Sign in</title><p>Authdex test client abcdefgh asks for access.</p>\
    <form action=/login><input type=password name=p></form>";
const ERROR: &str = "<title>Error</title><p>invalid_client</p>";

/// A world that registers and deletes clients and resolves documents by the book.
pub(in crate::checks) fn registering() -> World {
    let mut world = World::compliant().consented();
    world
        .answer(|ask| {
            let Purpose::Register(registration) = ask.purpose else {
                return None;
            };
            let asked: Value = serde_json::from_str(ask.body.as_deref()?).ok()?;
            let good = matches!(
                registration,
                Registration::Native
                    | Registration::Untyped
                    | Registration::Https
                    | Registration::Second
            );
            Some(if good {
                created(asked, registration)
            } else {
                refusal(400, "invalid_redirect_uri")
            })
        })
        .on(
            |ask| matches!(ask.purpose, Purpose::Unregister(_)),
            status(204),
        )
        .answer(|ask| match ask.purpose {
            Purpose::Cimd(CimdVariant::Good) => Some(text(200, "text/html", PAGE)),
            Purpose::Cimd(_) => Some(text(400, "text/html", ERROR)),
            _ => None,
        })
        .visit(|ask| match ask.purpose {
            Purpose::Cimd(
                CimdVariant::PlainHttp
                | CimdVariant::NoPath
                | CimdVariant::Fragment
                | CimdVariant::Userinfo
                | CimdVariant::DotSegments
                | CimdVariant::Loopback,
            ) => None,
            Purpose::Cimd(_) => Some(visit(&ask.purpose.name(), 40)),
            _ => None,
        });
    world
}

fn created(mut client: Value, registration: Registration) -> Result<Response, Failure> {
    let id = format!("client-{registration:?}").to_lowercase();
    client["registration_client_uri"] = format!("{ISSUER}/register/{id}").into();
    client["registration_access_token"] = "[redacted:member:len=20]".into();
    client["client_id"] = id.into();
    response(
        201,
        &[
            ("content-type", "application/json"),
            ("cache-control", "no-store"),
        ],
        &client.to_string(),
    )
}

pub(super) fn refusal(status: u16, error: &str) -> Result<Response, Failure> {
    text(
        status,
        "application/json",
        &json!({ "error": error }).to_string(),
    )
}

pub(super) fn visit(what: &str, took_ms: u32) -> Visit {
    Visit {
        what: what.into(),
        after_ms: 1,
        method: "GET".into(),
        user_agent: None,
        peer: None,
        bytes: None,
        took_ms,
    }
}

pub(super) fn with(change: impl FnOnce(&mut World)) -> World {
    let mut world = registering();
    change(&mut world);
    world
}

/// The test client's registration ends like this, and so do all others.
fn all_end(answer: Result<Response, Failure>) -> World {
    with(|w| {
        w.on(|ask| matches!(ask.purpose, Purpose::Register(_)), answer);
    })
}

fn one_ends(registration: Registration, answer: Result<Response, Failure>) -> World {
    with(|w| {
        w.purpose(Purpose::Register(registration), answer);
    })
}

/// Changes the members of every client that is created.
fn client(change: fn(&mut Value)) -> World {
    with(|w| {
        w.edit(
            |ask| matches!(ask.purpose, Purpose::Register(_)),
            move |response| {
                if response.status == 201
                    && let Ok(mut client) = serde_json::from_str(&response.body.text)
                {
                    change(&mut client);
                    set_body(response, &client.to_string());
                }
            },
        );
    })
}

/// This registration is accepted although it must not be.
fn accepts(registration: Registration) -> World {
    with(|w| {
        w.answer(move |ask| accept(ask, registration));
    })
}

fn accept(ask: &Ask, registration: Registration) -> Option<Result<Response, Failure>> {
    (ask.purpose == Purpose::Register(registration))
        .then(|| serde_json::from_str(ask.body.as_deref()?).ok())
        .flatten()
        .map(|asked| created(asked, registration))
}

pub(super) fn not_advertised() -> World {
    with(|w| {
        w.asm(|asm| {
            let asm = asm.as_object_mut().expect("an object");
            asm.remove("registration_endpoint");
            asm.remove("client_id_metadata_document_supported");
        });
    })
}

pub(super) fn without_consent() -> World {
    with(|w| {
        if let Some(consent) = &mut w.consent {
            consent.hosts = vec!["mcp.example.com".into()];
        }
    })
}

fn elsewhere() -> World {
    with(|w| {
        w.asm(|asm| asm["registration_endpoint"] = "https://register.example.com/".into());
    })
}

fn unread() -> World {
    with(|w| {
        w.on(|ask| ask.url.starts_with(ISSUER), status(503));
    })
}

pub(super) const LATE: Result<Response, Failure> = Err(Failure::Timeout(Phase::FirstByte));

const DYNAMIC: &[Case] = &[
    case("dcr-open", Expect::Pass, registering),
    case_in(Revision::V2025_06_18, "dcr-open", Expect::Pass, registering),
    case("dcr-open", Expect::Warn("closed"), || {
        all_end(refusal(401, "invalid_token"))
    }),
    case("dcr-open", Expect::Warn("only_untyped"), || {
        one_ends(
            Registration::Native,
            refusal(400, "invalid_client_metadata"),
        )
    }),
    case("dcr-open", Expect::Warn("only_https"), || {
        with(|w| {
            for registration in [Registration::Native, Registration::Untyped] {
                w.purpose(
                    Purpose::Register(registration),
                    refusal(400, "invalid_redirect_uri"),
                );
            }
        })
    }),
    case("dcr-open", Expect::Warn("refused"), || {
        all_end(refusal(400, "invalid_client_metadata"))
    }),
    case("dcr-open", Expect::Warn("unusable"), || {
        all_end(text(200, "application/json", "{}"))
    }),
    case("dcr-open", Expect::Fail("missing"), || all_end(status(404))),
    case("dcr-open", Expect::Fail("server_error"), || {
        all_end(status(500))
    }),
    case("dcr-open", Expect::Fail("page"), || {
        all_end(text(200, "text/html", PAGE))
    }),
    case("dcr-open", Expect::Na, not_advertised),
    case("dcr-open", Expect::Na, without_consent),
    case("dcr-open", Expect::Na, elsewhere),
    case("dcr-open", Expect::Inconclusive, || all_end(status(429))),
    case("dcr-open", Expect::Inconclusive, || all_end(LATE)),
    case("dcr-open", Expect::Blocked("asm-discoverable"), unread),
    case("dcr-protocol", Expect::Pass, registering),
    case("dcr-protocol", Expect::Warn("status"), || {
        with(|w| {
            w.edit(
                |ask| ask.purpose == Purpose::Register(Registration::Native),
                |response| response.status = 200,
            );
        })
    }),
    case("dcr-protocol", Expect::Warn("cacheable"), || {
        with(|w| {
            w.edit(
                |ask| ask.purpose == Purpose::Register(Registration::Native),
                |response| response.headers.retain(|(name, _)| name != "cache-control"),
            );
        })
    }),
    case("dcr-protocol", Expect::Warn("not_echoed"), || {
        client(|client| {
            client
                .as_object_mut()
                .expect("an object")
                .remove("grant_types");
        })
    }),
    case("dcr-protocol", Expect::Warn("no_expiry"), || {
        client(|client| client["client_secret"] = "[redacted:member:len=20]".into())
    }),
    case("dcr-protocol", Expect::Warn("error_code"), || {
        one_ends(Registration::NoRedirects, refusal(400, "invalid_request"))
    }),
    case("dcr-protocol", Expect::Warn("refusal"), || {
        one_ends(Registration::NoRedirects, status(422))
    }),
    case("dcr-protocol", Expect::Fail("secret_cacheable"), || {
        let mut world =
            client(|client| client["client_secret"] = "[redacted:member:len=20]".into());
        world.edit(
            |ask| ask.purpose == Purpose::Register(Registration::Native),
            |response| response.headers.retain(|(name, _)| name != "cache-control"),
        );
        world
    }),
    case("dcr-protocol", Expect::Fail("invalid_accepted"), || {
        accepts(Registration::NoRedirects)
    }),
    case("dcr-protocol", Expect::Fail("invalid_fails"), || {
        one_ends(Registration::NoRedirects, status(500))
    }),
    case("dcr-protocol", Expect::Blocked("dcr-open"), || {
        all_end(status(404))
    }),
    case("dcr-protocol", Expect::Na, not_advertised),
    case("dcr-protocol", Expect::Inconclusive, || {
        one_ends(Registration::NoRedirects, LATE)
    }),
    case("dcr-redirect-policy", Expect::Pass, registering),
    case("dcr-redirect-policy", Expect::Warn("fragment"), || {
        accepts(Registration::Fragment)
    }),
    case("dcr-redirect-policy", Expect::Warn("wildcard"), || {
        accepts(Registration::Wildcard)
    }),
    case("dcr-redirect-policy", Expect::Warn("refused_later"), || {
        let mut world = accepts(Registration::PlainHttp);
        world.purpose(
            Purpose::Authorize(AuthorizeVariant::HttpRedirect),
            text(400, "text/html", ERROR),
        );
        world
    }),
    case("dcr-redirect-policy", Expect::Fail("plain_http"), || {
        let mut world = accepts(Registration::PlainHttp);
        world.purpose(
            Purpose::Authorize(AuthorizeVariant::HttpRedirect),
            text(200, "text/html", PAGE),
        );
        world
    }),
    case("dcr-redirect-policy", Expect::Fail("script"), || {
        let mut world = accepts(Registration::Script);
        world.purpose(
            Purpose::Authorize(AuthorizeVariant::ScriptRedirect),
            response(302, &[("location", "javascript:alert(1)?error=x")], ""),
        );
        world
    }),
    case("dcr-redirect-policy", Expect::Fail("data"), || {
        let mut world = accepts(Registration::Data);
        world.purpose(
            Purpose::Authorize(AuthorizeVariant::DataRedirect),
            text(200, "text/html", PAGE),
        );
        world
    }),
    case(
        "dcr-redirect-policy",
        Expect::Fail("wildcard_matches"),
        || {
            let mut world = accepts(Registration::Wildcard);
            world.purpose(
                Purpose::Authorize(AuthorizeVariant::WildcardRedirect),
                response(
                    302,
                    &[(
                        "location",
                        "https://sub.redirect-probe.invalid/cb?error=access_denied",
                    )],
                    "",
                ),
            );
            world
        },
    ),
    // What is dropped in silence is not accepted.
    case("dcr-redirect-policy", Expect::Pass, || {
        let mut world = accepts(Registration::Data);
        world.edit(
            |ask| ask.purpose == Purpose::Register(Registration::Data),
            |response| {
                let mut client: Value = serde_json::from_str(&response.body.text).expect("JSON");
                client["redirect_uris"] = json!([]);
                set_body(response, &client.to_string());
            },
        );
        world
    }),
    case("dcr-redirect-policy", Expect::Blocked("dcr-open"), || {
        all_end(refusal(403, "access_denied"))
    }),
    case("dcr-redirect-policy", Expect::Inconclusive, || {
        one_ends(Registration::Script, status(500))
    }),
    case("dcr-auth-method", Expect::Pass, registering),
    case("dcr-auth-method", Expect::Warn("substituted"), || {
        client(|client| {
            client["token_endpoint_auth_method"] = "client_secret_basic".into();
            client["client_secret"] = "[redacted:member:len=20]".into();
        })
    }),
    case("dcr-auth-method", Expect::Fail("secret_for_none"), || {
        client(|client| client["client_secret"] = "[redacted:member:len=20]".into())
    }),
    case("dcr-auth-method", Expect::Fail("method_missing"), || {
        client(|client| {
            client
                .as_object_mut()
                .expect("an object")
                .remove("token_endpoint_auth_method");
        })
    }),
    case("dcr-auth-method", Expect::Na, not_advertised),
    case("dcr-auth-method", Expect::Blocked("dcr-open"), || {
        all_end(status(405))
    }),
    case("dcr-auth-method", Expect::Inconclusive, || all_end(LATE)),
];

pub(in crate::checks) const CASES: &[&[Case]] = &[DYNAMIC, super::document_cases::CASES];

fn register_asks(world: &World) -> Vec<Purpose> {
    world
        .scan()
        .exchanges
        .iter()
        .map(|exchange| exchange.purpose)
        .filter(|purpose| matches!(purpose, Purpose::Register(_) | Purpose::Unregister(_)))
        .collect()
}

#[test]
fn as_few_clients_are_registered_as_verdicts_need_and_all_are_removed() {
    use Registration::{Data, Fragment, Https, Native, NoRedirects, PlainHttp, Script, Wildcard};
    let register = Purpose::Register;
    assert_eq!(
        register_asks(&registering()),
        [
            register(Native),
            register(Https),
            register(NoRedirects),
            register(PlainHttp),
            register(Script),
            register(Data),
            register(Fragment),
            register(Wildcard),
            Purpose::Unregister(Native),
            Purpose::Unregister(Https),
        ]
    );
    // Without a host of our own no https client; what fails already is not asked on.
    let mut world = accepts(Script);
    world.own_host = None;
    world.purpose(
        Purpose::Authorize(AuthorizeVariant::ScriptRedirect),
        text(200, "text/html", PAGE),
    );
    assert_eq!(
        register_asks(&world),
        [
            register(Native),
            register(NoRedirects),
            register(PlainHttp),
            register(Script),
            register(Data),
            Purpose::Unregister(Native),
            Purpose::Unregister(Script),
        ]
    );
    assert_eq!(register_asks(&all_end(status(404))), [register(Native)]);
    assert_eq!(
        register_asks(&all_end(refusal(401, "invalid_token"))),
        [register(Native)]
    );
}

#[test]
fn nobody_is_asked_without_consent_or_depth() {
    let mut standard = registering();
    standard.depth = crate::evidence::Depth::Standard;
    let mut nobody = registering();
    nobody.consent = None;
    for world in [standard, nobody, without_consent()] {
        let evidence = world.scan();
        let hosts: Vec<&str> = evidence
            .exchanges
            .iter()
            .filter(|exchange| exchange.purpose.is_deeper())
            .map(|exchange| exchange.asked.url.as_str())
            .filter(|url| url.starts_with(ISSUER))
            .collect();
        assert_eq!(hosts, [""; 0]);
    }
}

#[test]
fn an_upstream_makes_a_second_client() {
    let world = with(|w| {
        w.purpose(
            Purpose::Authorize(AuthorizeVariant::Valid),
            response(
                302,
                &[(
                    "location",
                    "https://upstream.example.org/authorize?client_id=fixed",
                )],
                "",
            ),
        );
    });
    let asked = register_asks(&world);
    // The plan asks for it once authorization requests are made.
    let authorized = world
        .scan()
        .exchanges
        .iter()
        .any(|exchange| exchange.purpose == Purpose::Authorize(AuthorizeVariant::Valid));
    assert_eq!(
        asked.contains(&Purpose::Register(Registration::Second)),
        authorized
    );
}

#[test]
fn a_registration_that_nobody_can_remove_is_known() {
    let world = client(|client| {
        client["registration_client_uri"] = "https://elsewhere.example.org/1".into();
    });
    let evidence = world.scan();
    let facts = crate::facts::Facts::new(&evidence);
    let left = facts.left_clients();
    assert_eq!(left.len(), 2);
    assert!(
        left.iter()
            .all(|left| left.configuration.is_none() && !left.deleted)
    );
    let evidence = registering().scan();
    let facts = crate::facts::Facts::new(&evidence);
    assert!(facts.left_clients().iter().all(|left| left.deleted));
}

#[test]
fn a_small_budget_keeps_room_for_removal() {
    let evidence = registering().scan_within(4);
    let deeper: Vec<Purpose> = evidence
        .exchanges
        .iter()
        .filter(|exchange| exchange.purpose.is_deeper() && exchange.asked.url.starts_with(ISSUER))
        .map(|exchange| exchange.purpose)
        .collect();
    assert!(deeper.len() <= 4, "{deeper:?}");
    let created = deeper
        .iter()
        .filter(|purpose| {
            matches!(
                purpose,
                Purpose::Register(Registration::Native | Registration::Https)
            )
        })
        .count();
    let removed = deeper
        .iter()
        .filter(|purpose| matches!(purpose, Purpose::Unregister(_)))
        .count();
    assert!(created > 0);
    assert_eq!(created, removed, "{deeper:?}");
}
