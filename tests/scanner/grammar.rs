//! Inputs that are almost right: documents, messages and whole scans written by a grammar and
//! then changed in a few places, which random bytes would never reach.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_assert, prop_oneof, proptest};
use proptest::sample::{Index, select};
use proptest::test_runner::RngSeed;
use scanner::evidence::{Evidence, Failure, Phase, Stopped};
use scanner::facts::outcome::{Answer, unread};
use scanner::facts::{self, sse};
use scanner::report::{FindingVerdict, Report};
use serde_json::{Value, json};

use crate::readers;

const COMPLIANT: &[u8] = include_bytes!("../fuzz/corpus/evidence/compliant.json");
const OPEN: &[u8] = include_bytes!("../fuzz/corpus/evidence/open.json");

/// The same cases each time: what is new is for the fuzzer to find, not for a build to fail by.
fn repeatable() -> ProptestConfig {
    ProptestConfig {
        cases: 24,
        rng_seed: RngSeed::Fixed(2026),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Text where a URL or an identifier should stand.
fn place() -> impl Strategy<Value = String> {
    select(vec![
        "https://mcp.example.com/mcp",
        "https://mcp.example.com/mcp/",
        "https://mcp.example.com",
        "https://MCP.example.com:443/mcp",
        "https://id.example.com",
        "https://id.example.com/",
        "https://id.example.com/{tenant}/v2.0",
        "http://id.example.com",
        "https://id.example.com/x?y#z",
        "https://user:pass@id.example.com/",
        "https://10.0.0.1/",
        "https://[::ffff:127.0.0.1]/",
        "https://xn--mnchen-3ya.example/",
        "//id.example.com",
        "/relative",
        "javascript:alert(1)",
        "urn:ietf:params:oauth",
        "",
        " https://id.example.com ",
        "https://id.example.com/\u{202e}",
        "S256",
        "plain",
        "none",
        "RS256",
        "\u{0}",
    ])
    .prop_map(str::to_owned)
}

/// A value where another was expected.
fn odd() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        place().prop_map(Value::from),
        "[ -~é]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec(("[a-z_]{1,12}", inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// One change to a JSON document.
#[derive(Debug, Clone)]
enum Change {
    Remove(Index),
    Replace(Index, Value),
    Append(Index, Value),
    Twice(Index, Value),
    Wrap(usize),
    Cut(Index),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        2 => any::<Index>().prop_map(Change::Remove),
        6 => (any::<Index>(), odd()).prop_map(|(at, value)| Change::Replace(at, value)),
        3 => (any::<Index>(), odd()).prop_map(|(at, value)| Change::Append(at, value)),
        2 => (any::<Index>(), odd()).prop_map(|(at, value)| Change::Twice(at, value)),
        1 => (1_usize..60).prop_map(Change::Wrap),
        1 => any::<Index>().prop_map(Change::Cut),
    ]
}

/// The document with these changes, as text.
fn changed(document: &str, changes: &[Change]) -> String {
    let mut value: Value = serde_json::from_str(document).unwrap();
    let mut twice = Vec::new();
    let mut depth = 0;
    let mut cut = None;
    for change in changes {
        let Some(members) = value.as_object_mut().filter(|members| !members.is_empty()) else {
            break;
        };
        let name = |at: &Index| members.keys().nth(at.index(members.len())).unwrap().clone();
        match change {
            Change::Remove(at) => {
                let name = name(at);
                members.shift_remove(&name);
            }
            Change::Replace(at, new) => {
                let name = name(at);
                members.insert(name, new.clone());
            }
            Change::Append(at, new) => {
                let name = name(at);
                match members.get_mut(&name) {
                    Some(Value::Array(list)) => list.push(new.clone()),
                    Some(Value::String(text)) => text.push_str(&new.to_string()),
                    other => *other.unwrap() = json!([new]),
                }
            }
            Change::Twice(at, new) => twice.push((name(at), new.clone())),
            Change::Wrap(levels) => depth = *levels,
            Change::Cut(at) => cut = Some(*at),
        }
    }
    let mut text = value.to_string();
    for (name, new) in twice {
        if let Some(rest) = text.strip_prefix('{') {
            text = format!("{{{}:{new},{rest}", json!(name));
        }
    }
    text = format!("{}{text}{}", "[".repeat(depth), "]".repeat(depth));
    if let Some(cut) = cut {
        text.truncate(text.floor_char_boundary(cut.index(text.len() + 1)));
    }
    text
}

/// One change to a recorded scan.
#[derive(Debug, Clone)]
enum Turn {
    Status(u16),
    Fail(Failure),
    Header(&'static str, String),
    Without(&'static str),
    Body(String),
    Truncated,
    Binary,
    Follows(Option<u32>),
    Attempt(u8),
    Url(String),
}

fn turn() -> impl Strategy<Value = Turn> {
    let names = || {
        select(vec![
            "content-type",
            "www-authenticate",
            "location",
            "mcp-session-id",
            "content-encoding",
            "server",
            "set-cookie",
            "access-control-allow-origin",
            "strict-transport-security",
            "cache-control",
        ])
    };
    let text = prop_oneof![
        place(),
        Just(
            "Bearer error=\"invalid_token\", resource_metadata=\"https://mcp.example.com/x\""
                .to_owned()
        ),
        Just("text/event-stream".to_owned()),
        Just("text/html; charset=utf-8".to_owned()),
        Just("gzip".to_owned()),
        "[ -~]{0,20}",
    ];
    prop_oneof![
        4 => select(vec![0_u16, 200, 202, 204, 301, 302, 307, 400, 401, 403, 404, 405, 406, 410, 429, 500, 503])
            .prop_map(Turn::Status),
        2 => select(vec![
            Failure::Refused,
            Failure::Reset,
            Failure::Timeout(Phase::Total),
            Failure::Blocked("special_use".to_owned()),
            Failure::Tls("alert".to_owned()),
            Failure::Protocol("invalid".to_owned()),
        ])
        .prop_map(Turn::Fail),
        4 => (names(), text).prop_map(|(name, text)| Turn::Header(name, text)),
        2 => names().prop_map(Turn::Without),
        3 => odd().prop_map(|value| Turn::Body(value.to_string())),
        1 => Just(Turn::Truncated),
        1 => Just(Turn::Binary),
        1 => proptest::option::of(0_u32..60).prop_map(Turn::Follows),
        1 => (0_u8..3).prop_map(Turn::Attempt),
        1 => place().prop_map(Turn::Url),
    ]
}

fn turned(bytes: &[u8], turns: &[(Index, Turn)]) -> Evidence {
    let mut evidence = readers::recorded(bytes);
    let count = evidence.exchanges.len();
    for (at, turn) in turns {
        let exchange = &mut evidence.exchanges[at.index(count)];
        match turn {
            Turn::Fail(failure) => exchange.got = Err(failure.clone()),
            Turn::Follows(before) => exchange.follows = *before,
            Turn::Attempt(number) => exchange.attempt = *number,
            Turn::Url(url) => exchange.asked.url.clone_from(url),
            other => {
                let Ok(response) = &mut exchange.got else {
                    continue;
                };
                match other {
                    Turn::Status(status) => response.status = *status,
                    Turn::Header(name, text) => {
                        response.headers.push(((*name).to_owned(), text.clone()));
                    }
                    Turn::Without(name) => response.headers.retain(|(key, _)| key != name),
                    Turn::Body(text) => response.body.text.clone_from(text),
                    Turn::Truncated => response.body.truncated = true,
                    _ => {
                        response.body.base64 = true;
                        response.body.text = "/w==".to_owned();
                    }
                }
            }
        }
    }
    evidence
}

/// The scan without one exchange and all that followed it, numbered anew.
fn without(evidence: &Evidence, gone: usize) -> Evidence {
    let mut lost = vec![u32::try_from(gone).unwrap()];
    for exchange in &evidence.exchanges {
        if exchange
            .follows
            .is_some_and(|before| lost.contains(&before))
        {
            lost.push(exchange.id);
        }
    }
    let kept =
        (0..evidence.exchanges.len()).filter(|at| !lost.contains(&u32::try_from(*at).unwrap()));
    arranged(evidence, &kept.collect::<Vec<_>>())
}

/// The scan with these exchanges in this order.
fn arranged(evidence: &Evidence, order: &[usize]) -> Evidence {
    let mut out = evidence.clone();
    let number = |id: u32| {
        let at = order.iter().position(|at| evidence.exchanges[*at].id == id);
        at.map(|at| u32::try_from(at).unwrap())
    };
    out.exchanges = order
        .iter()
        .map(|at| {
            let mut exchange = evidence.exchanges[*at].clone();
            exchange.follows = exchange.follows.and_then(number);
            exchange.id = number(exchange.id).unwrap();
            exchange
        })
        .collect();
    out
}

fn verdicts(report: &Report) -> BTreeMap<&str, (FindingVerdict, &str)> {
    report
        .findings
        .iter()
        .map(|finding| {
            (
                finding.check.as_str(),
                (finding.verdict, finding.reason.as_str()),
            )
        })
        .collect()
}

/// Checks whose verdict a removed exchange took from warn or fail to pass, and the coverage if
/// it rose.
fn flattered(evidence: &Evidence, gone: usize) -> Vec<String> {
    let before = readers::judged(evidence);
    let after = readers::judged(&without(evidence, gone));
    let (had, has) = (verdicts(&before), verdicts(&after));
    let mut flattered: Vec<String> = had
        .iter()
        .filter(|(_, (verdict, _))| matches!(verdict, FindingVerdict::Warn | FindingVerdict::Fail))
        .filter(|(check, _)| has[*check].0 == FindingVerdict::Pass)
        .map(|(check, (verdict, reason))| format!("{check} ({verdict:?} {reason})"))
        .collect();
    // What could not be judged counts against the coverage; without it nothing does.
    let settled = facts::settle(&Answer::of(&evidence.exchanges[gone])).is_ok()
        && evidence.exchanges[gone]
            .got
            .as_ref()
            .is_ok_and(|response| !response.body.base64 && unread(response).is_none());
    if settled && before.class == after.class && after.grade.coverage > before.grade.coverage {
        let moved = had.iter().filter(|(check, said)| has[*check] != **said);
        let moved: Vec<String> = moved
            .map(|(check, said)| format!("{check}: {said:?} to {:?}", has[check]))
            .collect();
        flattered.push(format!(
            "coverage {} to {} ({})",
            before.grade.coverage,
            after.grade.coverage,
            moved.join("; ")
        ));
    }
    flattered
}

const PRM: &str = include_str!("../fuzz/corpus/prm/compliant");
const ASM: &str = include_str!("../fuzz/corpus/asm/compliant");
const JWKS: &str = include_str!("../fuzz/corpus/jwks/compliant");
const RESULT: &str = include_str!("../fuzz/corpus/rpc/result");

proptest! {
    #![proptest_config(repeatable())]

    #[test]
    fn almost_right_metadata_is_judged(changes in vec(change(), 1..5)) {
        readers::prm(changed(PRM, &changes).as_bytes());
        readers::asm(changed(ASM, &changes).as_bytes());
        readers::jwks(changed(JWKS, &changes).as_bytes());
    }

    #[test]
    fn almost_right_messages_are_read(changes in vec(change(), 1..4), name in "[a-z]{0,6}") {
        let text = changed(RESULT, &changes);
        readers::rpc(text.as_bytes());
        let lines = text.replace('\n', "\ndata: ");
        readers::rpc(format!("event: {name}\ndata: {lines}\n\n").as_bytes());
        readers::sse(format!("event: {name}\r\ndata: {lines}\r\n\r\n").as_bytes());
        readers::json(text.as_bytes());
        readers::surface(text.as_bytes());
    }

    #[test]
    fn almost_right_lists_are_sorted_out(changes in vec(change(), 1..4), url in place()) {
        let entry = json!({"name": "io.example/a", "version": "1.0.0", "remotes": [
            {"type": "streamable-http", "url": url, "headers": [{"name": "X-Key", "isSecret": true}]}
        ]});
        let entry = changed(&entry.to_string(), &changes);
        for text in [
            format!("{{\"servers\":[{{\"server\":{entry}}}],\"metadata\":{{}}}}"),
            format!("[{entry}]"),
            format!("{{\"mcpServers\":{{\"a\":{entry},\"b\":{{\"url\":\"{url}\"}}}}}}"),
            format!("name,url\n\"{}\",{url}\n", entry.replace('"', "\"\"")),
            format!("{url}\n{entry}\n"),
        ] {
            readers::sources(text.as_bytes());
        }
    }

    #[test]
    fn redirects_sessions_and_identifiers_hold(lines in vec(place(), 1..6)) {
        let text = lines.join("\n");
        readers::location(text.as_bytes());
        readers::session(text.as_bytes());
        readers::identifiers(text.as_bytes());
        readers::redact(text.as_bytes());
        for line in &lines {
            readers::normalise(line.as_bytes());
        }
    }

    #[test]
    fn scans_that_something_happened_to_are_judged_alike_after_storage(
        turns in vec((any::<Index>(), turn()), 0..12),
        stopped in select(vec![Stopped::Finished, Stopped::OutOfTime, Stopped::OutOfAsks, Stopped::RateLimited]),
        open in any::<bool>(),
    ) {
        let mut evidence = turned(if open { OPEN } else { COMPLIANT }, &turns);
        evidence.stopped = stopped;
        readers::graded(&evidence);
        let bytes = evidence.encode().unwrap();
        readers::evidence(&bytes);
        let report = serde_json::to_vec(&readers::judged(&evidence)).unwrap();
        readers::report(&report);
    }

    /// What a scan does not hold cannot speak for a server.
    #[test]
    fn a_lost_exchange_flatters_nobody(
        turns in vec((any::<Index>(), turn()), 0..6),
        gone in any::<Index>(),
        open in any::<bool>(),
    ) {
        let evidence = turned(if open { OPEN } else { COMPLIANT }, &turns);
        let gone = gone.index(evidence.exchanges.len());
        let flattered = flattered(&evidence, gone);
        prop_assert!(
            flattered.is_empty(),
            "without {:?}: {flattered:?}",
            evidence.exchanges[gone].purpose
        );
    }

    /// Hosts are asked side by side: which of them answers first does not matter.
    #[test]
    fn hosts_may_answer_in_any_order(
        turns in vec((any::<Index>(), turn()), 0..6),
        draws in vec(any::<Index>(), 80),
    ) {
        // What follows what is fixed: an answer cannot follow one that came later.
        let mut turns = turns;
        turns.retain(|(_, turn)| !matches!(turn, Turn::Follows(_) | Turn::Url(_)));
        let evidence = turned(COMPLIANT, &turns);
        let mut hosts: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (at, exchange) in evidence.exchanges.iter().enumerate() {
            let host = url::Url::parse(&exchange.asked.url).ok();
            let host = host.and_then(|url| url.host_str().map(str::to_owned));
            hosts.entry(host.unwrap_or_default()).or_default().insert(0, at);
        }
        let mut queues: Vec<Vec<usize>> = hosts.into_values().collect();
        let mut order = Vec::new();
        for draw in draws.iter().cycle() {
            queues.retain(|queue| !queue.is_empty());
            if queues.is_empty() {
                break;
            }
            let chosen = draw.index(queues.len());
            order.extend(queues[chosen].pop());
        }
        let (one, two) = (readers::judged(&evidence), readers::judged(&arranged(&evidence, &order)));
        let (a, b) = (verdicts(&one), verdicts(&two));
        let differ: Vec<_> = a.iter().filter(|(check, said)| b[*check] != **said).collect();
        prop_assert!(differ.is_empty(), "{differ:?}");
        prop_assert!(one.grade.letter == two.grade.letter && one.class == two.class);
    }
}

#[test]
fn a_stream_of_many_small_events_is_read_in_one_pass() {
    let text = "data: x\n\n".repeat(100_000);
    assert_eq!(sse::events(&text).len(), 100_000);
}
