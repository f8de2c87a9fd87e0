//! What the plan asks of whole servers, and that it ends whatever they answer.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::json;

use super::{Limits, host_of};
use crate::checks::testkit::{
    ENDPOINT, ISSUER, PRM_URL, World, challenge, document, good_challenge, is_endpoint, response,
    status, text, tools,
};
use crate::evidence::{Depth, DnsFault, Evidence, Failure, List, Purpose, Stopped};
use crate::facts::Facts;
use crate::target::Target;

/// Requests to the endpoint's host, port 80 included.
/// The last exchange of a purpose.
fn last_of(evidence: &Evidence, purpose: Purpose) -> Option<&crate::evidence::Exchange> {
    evidence
        .exchanges
        .iter()
        .rfind(|exchange| exchange.purpose == purpose)
}

fn at_home(evidence: &Evidence) -> usize {
    evidence
        .exchanges
        .iter()
        .filter(|exchange| {
            exchange.purpose == Purpose::Plaintext
                || host_of(&exchange.asked.url) == host_of(&evidence.target.url)
        })
        .count()
}

fn asked(evidence: &Evidence, wanted: impl Fn(Purpose) -> bool) -> usize {
    evidence
        .exchanges
        .iter()
        .filter(|exchange| wanted(exchange.purpose))
        .count()
}

/// X2, X4 and X17 to X19: what a challenge makes pointless.
fn pointless(purpose: Purpose) -> bool {
    matches!(
        purpose,
        Purpose::ModernList(_)
            | Purpose::LegacyList(_)
            | Purpose::Initialized
            | Purpose::BogusVersion
            | Purpose::VersionMismatch
            | Purpose::MethodMismatch
            | Purpose::MethodMissing
            | Purpose::UnknownMethod
            | Purpose::StraySession
    )
}

fn is_p1(purpose: Purpose) -> bool {
    matches!(
        purpose,
        Purpose::BogusToken
            | Purpose::QueryAccessToken
            | Purpose::QueryToken
            | Purpose::EmptyBearer
            | Purpose::BasicCredentials
            | Purpose::TwoBearers
            | Purpose::ForwardedEndpoint
            | Purpose::ForwardedPrm
            | Purpose::ForwardedAsMetadata
            | Purpose::Batch
    )
}

#[test]
fn a_protected_server_is_asked_little() {
    let evidence = World::compliant().scan();
    assert_eq!(evidence.stopped, Stopped::Finished);
    assert!(at_home(&evidence) < 30, "{} requests", at_home(&evidence));
    assert_eq!(asked(&evidence, pointless), 0);
    assert!(asked(&evidence, is_p1) > 0);
}

#[test]
fn an_open_dual_server_stays_within_the_budget() {
    let mut world = World::open();
    with_sessions(&mut world);
    // The most talkative server: every list in both eras, and a document that says it takes
    // tokens, so that credentials are tried too.
    world.edit(is_endpoint, |response| {
        response.body.text = response.body.text.replace(
            r#""capabilities":{"tools":{}}"#,
            r#""capabilities":{"tools":{},"prompts":{},"resources":{}}"#,
        );
    });
    world.document(
        PRM_URL,
        json!({ "resource": ENDPOINT, "authorization_servers": [ISSUER] }),
    );
    let evidence = world.scan();
    assert_eq!(evidence.stopped, Stopped::Finished);
    assert!(at_home(&evidence) <= 45, "{} requests", at_home(&evidence));
    for purpose in [
        Purpose::ModernList(List::Tools),
        Purpose::LegacyList(List::Tools),
        Purpose::UnknownMethod,
        Purpose::UnknownSession,
        Purpose::EndSession,
    ] {
        assert_eq!(asked(&evidence, |p| p == purpose), 1, "{purpose:?}");
    }
}

#[test]
fn a_passive_scan_sends_no_odd_request() {
    for mut world in [World::compliant(), World::open()] {
        world.depth = Depth::Passive;
        let evidence = world.scan();
        assert_eq!(asked(&evidence, is_p1), 0);
        assert!(asked(&evidence, |p| p == Purpose::ForeignOrigin) > 0);
    }
    let mut world = World::compliant();
    world.depth = Depth::Passive;
    assert_eq!(asked(&world.scan(), |p| p == Purpose::CorsPrm), 1);
}

#[test]
fn an_era_that_asks_for_a_token_is_left_alone_while_the_other_speaks() {
    // Modern requests are challenged, legacy ones served.
    let mut world = World::open();
    world.speak(false, true).on(
        |ask| {
            is_endpoint(ask)
                && ask
                    .body
                    .as_deref()
                    .is_some_and(|body| body.contains("_meta"))
        },
        challenge(&good_challenge(None)),
    );
    let evidence = world.scan();
    assert_eq!(asked(&evidence, |p| matches!(p, Purpose::ModernList(_))), 0);
    assert_eq!(asked(&evidence, |p| p == Purpose::UnknownMethod), 0);
    assert_eq!(
        asked(&evidence, |p| p == Purpose::LegacyList(List::Tools)),
        1
    );
}

#[test]
fn a_challenged_list_ends_that_era() {
    let mut world = World::open();
    world.on(
        |ask| {
            is_endpoint(ask)
                && ask
                    .body
                    .as_deref()
                    .is_some_and(|body| body.contains("tools/list"))
        },
        challenge(&good_challenge(None)),
    );
    let evidence = world.scan();
    assert_eq!(
        asked(&evidence, |p| matches!(
            p,
            Purpose::BogusVersion | Purpose::UnknownMethod | Purpose::MethodMissing
        )),
        0
    );
}

#[test]
fn an_old_handshake_that_is_let_in_is_asked_for_its_list() {
    let mut world = World::compliant();
    world.answer(|ask| {
        let body = ask.body.as_deref()?;
        let old = body.contains("2024-11-05") && body.contains("initialize");
        let list = ask.purpose == Purpose::LegacyList(List::Tools);
        let result = match (old, list) {
            (true, _) => {
                json!({ "protocolVersion": "2024-11-05", "capabilities": { "tools": {} } })
            }
            (_, true) => json!({ "tools": tools() }),
            _ => return None,
        };
        Some(document(
            json!({ "jsonrpc": "2.0", "id": "x3-abcd", "result": result }),
        ))
    });
    let evidence = world.scan();
    assert_eq!(
        asked(&evidence, |p| p == Purpose::LegacyList(List::Tools)),
        1
    );
}

#[test]
fn after_a_redirect_everything_goes_to_its_target() {
    let mut world = World::compliant();
    world.on(
        |ask| ask.url == ENDPOINT,
        response(307, &[("location", "/mcp/")], ""),
    );
    world.on(
        |ask| ask.url.starts_with("https://mcp.example.com/mcp/"),
        challenge(&good_challenge(None)),
    );
    let evidence = world.scan();
    let greetings = |p: Purpose| matches!(p, Purpose::Discover | Purpose::Initialize);
    assert_eq!(asked(&evidence, greetings), 4, "each once, and one hop");
    let bogus = evidence
        .exchanges
        .iter()
        .find(|exchange| exchange.purpose == Purpose::BogusToken)
        .expect("asked");
    assert_eq!(bogus.asked.url, "https://mcp.example.com/mcp/");
    assert!(Facts::new(&evidence).protected());
}

#[test]
fn an_http_listing_is_followed_to_https_for_good() {
    let mut world = World::compliant();
    world.target = Target::of("http://mcp.example.com/mcp");
    world.on(
        |ask| ask.url == "http://mcp.example.com/mcp",
        response(308, &[("location", ENDPOINT)], ""),
    );
    let evidence = world.scan();
    let facts = Facts::new(&evidence);
    assert_eq!(facts.endpoint_text(), ENDPOINT);
    assert!(facts.protected());
}

#[test]
fn a_limited_server_is_left_in_peace() {
    let mut world = World::compliant();
    world.purpose(Purpose::EventStream, status(429));
    let evidence = world.scan();
    assert_eq!(evidence.stopped, Stopped::RateLimited);
    assert_eq!(evidence.exchanges.len(), 4);
}

/// Handshakes open sessions that nobody looks at.
fn with_sessions(world: &mut World) {
    world.edit(
        |ask| {
            ask.body
                .as_deref()
                .is_some_and(|body| body.contains("\"initialize\""))
        },
        |response| {
            if response.status == 200 {
                response
                    .headers
                    .push(("mcp-session-id".into(), "[session]".into()));
            }
        },
    );
}

/// An answer that some server somewhere might give, chosen by a number.
fn odd_answer(choice: u64, url: &str) -> Result<crate::evidence::Response, Failure> {
    let rpc = |body: serde_json::Value| document(body);
    match choice % 20 {
        0 => Err(Failure::Refused),
        1 => Err(Failure::Dns(DnsFault::DomainUnregistered)),
        2 => status(404),
        3 => status(500),
        4 => challenge(&good_challenge(None)),
        5 => challenge(&format!(
            "Bearer resource_metadata=\"https://h{choice}.example.org/prm\""
        )),
        6 => response(307, &[("location", &format!("{url}/"))], ""),
        7 => response(302, &[("location", &format!("/p{choice}"))], ""),
        8 => response(308, &[("location", "http://mcp.example.com/mcp")], ""),
        9 => response(301, &[("location", url)], ""),
        10 => rpc(json!({ "jsonrpc": "2.0", "id": 1, "result": {
            "supportedVersions": ["2026-07-28", "2027-01-01"],
            "protocolVersion": "2025-11-25",
            "capabilities": { "tools": {}, "prompts": {}, "resources": {} },
            "tools": tools(),
        } })),
        11 => rpc(json!({ "jsonrpc": "2.0", "id": 1, "error": {
            "code": -32022, "message": "no", "data": { "supported": ["2026-09-01"] },
        } })),
        12 => rpc(json!({ "jsonrpc": "2.0", "id": 1, "error": { "code": -32601, "message": "" } })),
        13 => rpc(json!({
            "resource": url,
            "authorization_servers": (0..9)
                .map(|n| format!("https://as{}.example.net/t{n}", choice.wrapping_add(n) % 97))
                .collect::<Vec<_>>(),
            "jwks_uri": format!("https://k{choice}.example.net/jwks"),
        })),
        14 => rpc(json!({
            "issuer": url,
            "authorization_endpoint": "x",
            "jwks_uri": format!("https://k{}.example.net/jwks", choice % 13),
        })),
        15 => text(
            200,
            "text/event-stream",
            "event: endpoint\ndata: /m?s=1\n\n",
        ),
        16 => text(200, "text/html", "<html><form>sign in</form>"),
        17 => response(200, &[("mcp-session-id", "[session]")], "[]"),
        18 => text(403, "text/html", "no"),
        _ => text(200, "application/json", "{"),
    }
}

proptest! {
    #[test]
    fn every_scan_ends(seed in any::<u64>(), mostly in 0u64..20, query in any::<bool>()) {
        let mut world = World::empty();
        if query {
            world.target = Target::of("https://mcp.example.com/a/b/c/mcp/?tenant=1");
        }
        world.answer(move |ask| {
            let key = format!("{seed}{:?}{}{:?}", ask.purpose, ask.url, ask.follows);
            let hash = key.bytes().fold(seed, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            }) >> 8;
            // One kind of answer is common, so that scans get somewhere.
            let choice = if hash % 3 == 0 { mostly } else { hash };
            Some(odd_answer(choice, &ask.url))
        });
        let evidence = world.scan();
        let limits = Limits::default();
        prop_assert!(at_home(&evidence) <= limits.endpoint_requests as usize);
        let mut seen = BTreeSet::new();
        for exchange in &evidence.exchanges {
            prop_assert!(
                seen.insert((exchange.purpose, exchange.asked.url.clone(), exchange.follows)),
                "asked twice: {:?} {}", exchange.purpose, exchange.asked.url
            );
        }
        // Judging what came of it must not panic either.
        let facts = Facts::new(&evidence);
        for check in crate::checks::all() {
            for revision in crate::spec::Revision::ALL {
                let _ = crate::checks::judge(check, &facts, revision);
            }
        }
    }
}

/// The GET-only endpoint of the old transport is probed with GET, by every variation that
/// does not need a body.
#[test]
fn a_guarded_stream_is_probed_with_get() {
    let evidence = World::guarded_stream().scan();
    for purpose in [
        Purpose::BogusToken,
        Purpose::QueryAccessToken,
        Purpose::QueryToken,
        Purpose::EmptyBearer,
        Purpose::BasicCredentials,
        Purpose::TwoBearers,
        Purpose::ForeignOrigin,
        Purpose::NullOrigin,
    ] {
        let exchange =
            last_of(&evidence, purpose).unwrap_or_else(|| panic!("{purpose:?} was not asked"));
        assert_eq!(exchange.asked.method, "GET", "{purpose:?}");
        assert_eq!(exchange.asked.body, None, "{purpose:?}");
    }
    assert_eq!(asked(&evidence, |purpose| purpose == Purpose::Batch), 0);
}

/// X15 varies every working document of the endpoint's origin, each under a URL of its own.
#[test]
fn forwarding_headers_are_tried_on_every_own_document() {
    let mut world = World::compliant();
    world.document(
        "https://mcp.example.com/.well-known/oauth-authorization-server",
        crate::checks::testkit::asm(),
    );
    let evidence = world.scan();
    assert_eq!(
        asked(&evidence, |purpose| purpose == Purpose::ForwardedPrm),
        1
    );
    assert_eq!(
        asked(&evidence, |purpose| purpose == Purpose::ForwardedAsMetadata),
        1
    );
    let probe = last_of(&evidence, Purpose::ForwardedPrm).expect("asked");
    assert!(probe.asked.url.starts_with(&format!("{PRM_URL}?")));
}

/// A record that blanks our query values does not make the plan ask again.
#[test]
fn blanked_query_values_are_still_recognised() {
    let mut evidence = World::compliant().scan();
    for exchange in &mut evidence.exchanges {
        if let Some((before, _)) = exchange.asked.url.split_once("authdex-") {
            exchange.asked.url = format!("{before}[blanked]");
        }
    }
    let again: Vec<Purpose> = super::next(&evidence, &Limits::default())
        .iter()
        .map(|ask| ask.purpose)
        .filter(|purpose| *purpose != Purpose::RandomWellKnown)
        .collect();
    assert_eq!(again, []);
}

#[test]
fn a_spent_budget_of_one_host_does_not_end_the_scan_of_another() {
    let mut evidence = World::compliant().scan();
    let issuers_host = host_of(ISSUER);
    let first = evidence
        .exchanges
        .iter()
        .position(|exchange| host_of(&exchange.asked.url) == issuers_host)
        .expect("the issuer is asked");
    evidence.exchanges.truncate(first);
    let limits = Limits {
        as_requests: 0,
        ..Limits::default()
    };
    let wanted = super::wanted(&evidence, &limits);
    assert!(wanted.over_budget);
    assert!(!wanted.asks.is_empty());
    let home = host_of(&evidence.target.url);
    assert!(wanted.asks.iter().all(|ask| host_of(&ask.url) == home));
}
