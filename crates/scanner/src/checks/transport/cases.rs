//! Cases of the transport checks.

use super::super::testkit::{
    Case, ENDPOINT, Expect, World, case, challenge, changed, good_challenge, judged, response,
    status, text,
};
use crate::evidence::{Failure, Hello, Offer, Phase, Purpose, TlsFault, TlsSeen};
use crate::target::{Listing, Target};
use Expect::{Fail, Inconclusive, Na, Pass, Warn};

pub(in crate::checks) const CASES: &[Case] = &[
    // tls-https-endpoint
    case("tls-https-endpoint", Pass, World::compliant),
    case("tls-https-endpoint", Warn("listing_names_http"), || {
        changed(|w| listed(w, "http://mcp.example.com/mcp"))
    }),
    case("tls-https-endpoint", Warn("listing_names_http"), || {
        let mut world = http_endpoint();
        world.on(
            |ask| ask.url == HTTP,
            response(301, &[("location", ENDPOINT)], ""),
        );
        world
    }),
    case("tls-https-endpoint", Fail("names_http"), || {
        changed(|w| {
            listed(w, "http://mcp.example.com/mcp");
            w.prm(|prm| prm["resource"] = HTTP.into());
        })
    }),
    case("tls-https-endpoint", Fail("plain_http"), || {
        let mut world = http_endpoint();
        world.on(|ask| ask.url == HTTP, challenge(&good_challenge(None)));
        world
    }),
    case("tls-https-endpoint", Na, loopback),
    case("tls-https-endpoint", Inconclusive, || {
        // The record of an endpoint behind a plain-http development proxy: answers, no TLS.
        changed(without_tls)
    }),
    // tls-plaintext-refused
    case("tls-plaintext-refused", Pass, World::compliant),
    case("tls-plaintext-refused", Pass, || {
        plaintext(Err(Failure::Timeout(Phase::Connect)))
    }),
    case("tls-plaintext-refused", Pass, || {
        plaintext(response(308, &[("location", ENDPOINT)], ""))
    }),
    case("tls-plaintext-refused", Pass, || plaintext(status(426))),
    case("tls-plaintext-refused", Warn("not_permanent"), || {
        plaintext(response(302, &[("location", ENDPOINT)], ""))
    }),
    case("tls-plaintext-refused", Fail("serves_mcp"), || {
        plaintext(text(
            400,
            "application/json",
            r#"{"jsonrpc":"2.0","id":"x1-abcd","error":{"code":-32000,"message":"no session"}}"#,
        ))
    }),
    case("tls-plaintext-refused", Fail("asks_for_token"), || {
        plaintext(challenge(&good_challenge(None)))
    }),
    case("tls-plaintext-refused", Na, || {
        let mut world = World::open();
        world.target = Target::of("https://mcp.example.com:8443/mcp");
        world.on(
            |ask| ask.url.starts_with("https://mcp.example.com:8443/mcp"),
            challenge(&good_challenge(None)),
        );
        world
    }),
    case("tls-plaintext-refused", Na, loopback),
    case("tls-plaintext-refused", Inconclusive, || {
        plaintext(text(200, "text/html", "<!doctype html><h1>It works!</h1>"))
    }),
    case("tls-plaintext-refused", Inconclusive, || {
        plaintext(status(502))
    }),
    // tls-certificate-valid
    case("tls-certificate-valid", Pass, World::compliant),
    case("tls-certificate-valid", Warn("expires_soon"), || {
        certificate("id.example.com", |tls| {
            tls.not_after = super::super::testkit::STARTED.plus(3 * 86_400_000);
        })
    }),
    case("tls-certificate-valid", Fail("untrusted"), || {
        certificate("mcp.example.com", |tls| {
            tls.fault = Some(TlsFault::Untrusted);
        })
    }),
    case("tls-certificate-valid", Fail("expired"), || {
        certificate("id.example.com", |tls| tls.fault = Some(TlsFault::Expired))
    }),
    case("tls-certificate-valid", Fail("not_yet_valid"), || {
        certificate("id.example.com", |tls| {
            tls.fault = Some(TlsFault::NotYetValid);
        })
    }),
    case("tls-certificate-valid", Fail("wrong_name"), || {
        certificate("id.example.com", |tls| {
            tls.fault = Some(TlsFault::WrongName);
        })
    }),
    case("tls-certificate-valid", Fail("invalid"), || {
        certificate("id.example.com", |tls| tls.fault = Some(TlsFault::Invalid))
    }),
    case("tls-certificate-valid", Inconclusive, || {
        changed(|w| {
            w.on(
                |ask| ask.url.starts_with("https://id.example.com"),
                Err(Failure::Tls("handshake failure".into())),
            );
        })
    }),
    case("tls-certificate-valid", Na, loopback),
    case("tls-certificate-valid", Warn("incomplete_chain"), || {
        certificate("id.example.com", |tls| {
            tls.repaired_from = Some("http://ca.example/issuing.cer".into());
        })
    }),
    case("tls-certificate-valid", Fail("expired"), || {
        // A host that is only greeted.
        changed(|w| {
            token_host(w);
            w.tls(|ask, tls| {
                if let (Purpose::Handshake(_), Some(tls)) = (ask.purpose, tls) {
                    tls.fault = Some(TlsFault::Expired);
                }
            });
        })
    }),
    // tls-configuration
    case("tls-configuration", Pass, World::compliant),
    case("tls-configuration", Pass, || changed(token_host)),
    case("tls-configuration", Pass, || {
        hello(|_, offer| (offer != Offer::Tls13).then_some(Ok(Hello::Closed)))
    }),
    case("tls-configuration", Pass, || {
        // A server that prefers TLS 1.2 and has 1.3 all the same.
        certificate("id.example.com", |tls| tls.version = "1.2".into())
    }),
    case("tls-configuration", Inconclusive, || {
        hello(|_, _| Some(Err(Failure::Blocked("proxied".into()))))
    }),
    case("tls-configuration", Inconclusive, || {
        hello(|_, offer| (offer == Offer::Old).then_some(Err(Failure::Timeout(Phase::FirstByte))))
    }),
    case("tls-configuration", Inconclusive, || {
        hello(|_, offer| (offer == Offer::Weak).then_some(Ok(Hello::Unreadable)))
    }),
    case("tls-configuration", Warn("no_tls13"), || {
        let mut world = hello(|_, offer| (offer == Offer::Tls13).then_some(Ok(Hello::Alert(70))));
        world.tls(|_, tls| {
            if let Some(tls) = tls {
                tls.version = "1.2".into();
            }
        });
        world
    }),
    case("tls-configuration", Warn("static_rsa"), || {
        hello(|host, offer| match (host, offer) {
            ("id.example.com", Offer::Weak) => Some(chosen(0x0303, 0x009c)),
            _ => None,
        })
    }),
    case("tls-configuration", Fail("broken_suite"), || {
        // It prefers static RSA with AES; 3DES shows when nothing else is offered.
        hello(|host, offer| match (host, offer) {
            ("id.example.com", Offer::Weak) => Some(chosen(0x0303, 0x009c)),
            ("id.example.com", Offer::Broken) => Some(chosen(0x0303, 0x000a)),
            _ => None,
        })
    }),
    case("tls-configuration", Fail("broken_suite"), || {
        hello(|_, offer| (offer == Offer::Weak).then(|| chosen(0x0303, 0x0001)))
    }),
    case("tls-configuration", Fail("old_version"), || {
        hello(|host, offer| {
            (host == "mcp.example.com" && offer == Offer::Old).then(|| chosen(0x0301, 0xc013))
        })
    }),
    case("tls-configuration", Fail("old_version"), || {
        certificate("mcp.example.com", |tls| tls.version = "1.0".into())
    }),
    case("tls-configuration", Na, loopback),
    // tls-hsts
    case("tls-hsts", Pass, World::compliant),
    case("tls-hsts", Warn("absent"), || {
        hsts("id.example.com", |_| Vec::new())
    }),
    case("tls-hsts", Warn("short"), || {
        hsts("mcp.example.com", |_| vec!["max-age=3600".into()])
    }),
    case("tls-hsts", Warn("disabled"), || {
        hsts("mcp.example.com", |_| vec!["max-age=0".into()])
    }),
    case("tls-hsts", Warn("malformed"), || {
        hsts("mcp.example.com", |_| vec!["includeSubDomains".into()])
    }),
    case("tls-hsts", Warn("repeated"), || {
        hsts("mcp.example.com", |old| {
            vec![old.to_owned(), old.to_owned()]
        })
    }),
    case("tls-hsts", Na, || {
        let mut world = World::empty();
        world.target = Target::of("https://notes.vercel.app/mcp");
        world.on(
            |ask| ask.url.starts_with("https://notes.vercel.app/mcp"),
            response(401, &[("www-authenticate", "Bearer")], ""),
        );
        world
    }),
    case("tls-hsts", Na, loopback),
    case("tls-hsts", Inconclusive, || {
        changed(|w| {
            for purpose in [Purpose::Discover, Purpose::Initialize] {
                w.purpose(purpose, broken());
            }
            w.on(
                |ask| matches!(ask.purpose, Purpose::AsMetadata(..)),
                status(503),
            );
        })
    }),
    // transport-redirects
    case("transport-redirects", Pass, World::compliant),
    case("transport-redirects", Warn("same_origin"), || {
        redirected(307, "/mcp/")
    }),
    case("transport-redirects", Warn("method_may_change"), || {
        redirected(301, "/mcp/")
    }),
    case("transport-redirects", Fail("other_origin"), || {
        redirected(308, "https://eu.example.com/mcp")
    }),
    case("transport-redirects", Fail("downgrade"), || {
        redirected(307, "http://mcp.example.com/mcp/")
    }),
    case("transport-redirects", Na, || {
        redirected(302, "https://accounts.example.com/login?next=/mcp")
    }),
    case("transport-redirects", Inconclusive, || {
        redirected(307, "https://[broken/")
    }),
    case("transport-redirects", Inconclusive, || {
        changed(|w| {
            for purpose in [Purpose::Discover, Purpose::Initialize] {
                w.purpose(purpose, broken());
            }
        })
    }),
];

const HTTP: &str = "http://mcp.example.com/mcp";

/// The compliant server, its listing naming another URL.
fn listed(world: &mut World, raw: &str) {
    world.target.listing = Some(Listing {
        raw_url: Some(raw.to_owned()),
        ..Listing::default()
    });
}

/// A server whose sign-in is broken: still protected, by its words and its metadata.
fn broken() -> Result<crate::evidence::Response, Failure> {
    text(503, "text/plain", "authentication is not available")
}

/// The compliant server, listed and asked with plain http.
fn http_endpoint() -> World {
    changed(|w| {
        w.target = Target::of(HTTP);
    })
}

/// A protected server on plain http, on loopback, where that is admitted.
fn loopback() -> World {
    let mut world = World::empty();
    world.target = Target::of("http://127.0.0.1:21030/mcp");
    world.allow_private = true;
    world.on(
        |ask| ask.url.starts_with("http://127.0.0.1:21030/mcp"),
        response(401, &[("www-authenticate", "Bearer")], ""),
    );
    world
}

/// The compliant server, whose hosts answer hellos in their own way.
fn hello(rule: fn(&str, Offer) -> Option<Result<Hello, Failure>>) -> World {
    changed(|w| {
        w.hello(rule);
    })
}

fn chosen(version: u16, suite: u16) -> Result<Hello, Failure> {
    Ok(Hello::Chosen {
        version,
        suite,
        group: None,
    })
}

/// The token endpoint lives on a host of which nothing is asked.
fn token_host(world: &mut World) {
    world.asm(|asm| asm["token_endpoint"] = "https://tokens.example.com/token".into());
}

fn plaintext(answer: Result<crate::evidence::Response, Failure>) -> World {
    changed(|w| {
        w.on(|ask| ask.url == HTTP, answer);
    })
}

fn without_tls(world: &mut World) {
    world.tls(|_, tls| *tls = None);
}

/// The compliant server with another certificate on one host.
fn certificate(host: &'static str, change: fn(&mut TlsSeen)) -> World {
    changed(|w| {
        w.tls(move |ask, tls| {
            if ask.url.starts_with(&format!("https://{host}/"))
                && let Some(tls) = tls
            {
                change(tls);
            }
        });
    })
}

/// The compliant server with other HSTS lines on one host, made from the good one.
fn hsts(host: &'static str, lines: fn(&str) -> Vec<String>) -> World {
    const NAME: &str = "strict-transport-security";
    changed(|w| {
        w.edit(
            move |ask| ask.url.starts_with(&format!("https://{host}/")),
            move |response| {
                let old = response.header(NAME).unwrap_or_default().to_owned();
                response.headers.retain(|(name, _)| name != NAME);
                response
                    .headers
                    .extend(lines(&old).into_iter().map(|line| (NAME.to_owned(), line)));
            },
        );
    })
}

/// The compliant server, which sends X1 and X3 on.
fn redirected(status: u16, to: &'static str) -> World {
    changed(|w| {
        w.on(
            |ask| {
                ask.url == ENDPOINT
                    && matches!(ask.purpose, Purpose::Discover | Purpose::Initialize)
            },
            response(status, &[("location", to)], "unauthorized"),
        );
        w.on(
            |ask| ask.url == "https://mcp.example.com/mcp/",
            challenge(&good_challenge(None)),
        );
    })
}

#[test]
fn the_severity_of_bad_tls_follows_how_bad_it_is() {
    use crate::check::{Severity, Verdict};
    for (version, suite, expected) in [
        (0x0300, 0x0005, Some(Severity::High)),
        (0x0303, 0x0001, Some(Severity::High)),
        (0x0302, 0x002f, None),
        (0x0303, 0x0005, None),
    ] {
        let mut world = World::compliant();
        world.hello(move |_, offer| (offer == Offer::Weak).then(|| chosen(version, suite)));
        let said = judged("tls-configuration", crate::spec::Revision::HEADLINE, &world);
        match said {
            Ok(Verdict::Fail(fault)) => assert_eq!(fault.severity, expected, "{suite:04x}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_host_is_greeted_four_times_at_most() {
    let world = hello(|_, offer| (offer == Offer::Weak).then(|| chosen(0x0303, 0x002f)));
    let evidence = world.scan();
    let greetings = |host: &str| {
        evidence
            .exchanges
            .iter()
            .filter(|e| matches!(e.purpose, Purpose::Handshake(_)))
            .filter(|e| e.asked.url == format!("https://{host}/"))
            .count()
    };
    // The ordinary requests made one more.
    assert_eq!(greetings("mcp.example.com"), 3);
    assert_eq!(greetings("id.example.com"), 3);
    let evidence = World::compliant().scan();
    let all = evidence
        .exchanges
        .iter()
        .filter(|e| matches!(e.purpose, Purpose::Handshake(_)));
    assert_eq!(all.count(), 4);
}
