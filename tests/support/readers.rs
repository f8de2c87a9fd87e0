//! What must hold of every reader, whatever bytes it is given: one function for each reader,
//! used by the fuzz targets below `tests/fuzz`, by the replay of their corpus, and by the
//! property tests that write inputs by a grammar.
//!
//! A function that returns has held; one that panics has found something.

use scanner::diff::{self, Graded};
use scanner::evidence::{Evidence, Purpose};
use scanner::facts::json::{self, JsonFault};
use scanner::facts::relation::{self, Relation};
use scanner::facts::{Facts, challenge, discovery, issuer, sse};
use scanner::grade::grade;
use scanner::normalise::{self, Admission};
use scanner::report::Report;
use scanner::sources::{self, Format};
use scanner::{handshake, redact, rubric, surface};
use serde_json::Value;
use url::Url;

/// A reader and the bytes that try it.
pub(crate) type Reader = fn(&[u8]);

/// Every reader of the pure part, by the name of its fuzz target.
pub(crate) const READERS: [(&str, Reader); 18] = [
    ("challenge", challenge),
    ("json", json),
    ("robots", robots),
    ("sse", sse),
    ("rpc", rpc),
    ("prm", prm),
    ("asm", asm),
    ("jwks", jwks),
    ("location", location),
    ("session", session),
    ("identifiers", identifiers),
    ("normalise", normalise),
    ("redact", redact),
    ("sources", sources),
    ("hello", hello),
    ("evidence", evidence),
    ("report", report),
    ("surface", surface),
];

/// Everything may be asked.
const EVERYTHING: Admission = Admission {
    allow_private: true,
    allow_ephemeral: true,
};

/// A scan of a server that keeps all rules.
const COMPLIANT: &[u8] = include_bytes!("../fuzz/corpus/evidence/compliant.json");

/// A scan of a server that answers everybody in both eras.
const OPEN: &[u8] = include_bytes!("../fuzz/corpus/evidence/open.json");

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// Field lines of `WWW-Authenticate`, one a line: places stay within their lines, and nothing
/// grows.
pub(crate) fn challenge(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.split('\n').collect();
    let read = challenge::parse(&lines);
    for (line, offset, _) in read.errors.iter().chain(&read.violations) {
        assert!(lines[*line].is_char_boundary(*offset));
    }
    let kept: usize = read
        .list
        .iter()
        .flat_map(|challenge| &challenge.params)
        .map(|(name, value)| name.len() + value.len())
        .sum();
    assert!(kept <= text.len(), "{kept} bytes kept of {}", text.len());
    assert!(read.tolerances.len() <= 3);
    assert!(read.errors.len() <= read.violations.len());
    assert!(read.violations.len() <= lines.len());
    // Lines are independent of each other: what one says does not depend on its neighbours.
    for (number, line) in lines.iter().enumerate().take(16) {
        let alone = challenge::parse(&[line]).list;
        let among = read.list.iter().filter(|found| found.line == number);
        assert!(alone.iter().map(|c| &c.params).eq(among.map(|c| &c.params)));
    }
}

/// One JSON text: agrees with the plain reader, bounded in depth and in what it lists.
pub(crate) fn json(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    let plain: Result<Value, _> = serde_json::from_str(text.trim_start_matches('\u{feff}'));
    match json::parse(text) {
        Ok(read) => {
            assert!(plain.is_ok() || read.bom);
            assert!(read.duplicates.len() <= 100);
            assert!(depth(&read.value) <= json::MAX_DEPTH);
            if read.duplicates.is_empty() && !read.bom {
                assert_eq!(read.value, plain.expect("reads"));
            }
            // What was read, written, reads as itself (but for the last digit of fractions).
            let again = json::parse(&read.value.to_string()).expect("our own text");
            assert!(again.value == read.value || has_fraction(&read.value));
            assert!(again.duplicates.is_empty() && !again.bom);
        }
        Err(JsonFault::Syntax) => {
            assert!(plain.is_err() || text.matches('\u{feff}').count() > 1);
        }
        Err(JsonFault::TooDeep) => assert!(text.len() > json::MAX_DEPTH),
    }
}

fn has_fraction(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64(),
        Value::Array(list) => list.iter().any(has_fraction),
        Value::Object(members) => members.values().any(has_fraction),
        Value::Null | Value::Bool(_) | Value::String(_) => false,
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(list) => 1 + list.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// A stream of events: bounded, and cutting it off only loses events at its end.
pub(crate) fn sse(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let whole = sse::events(&text);
    let kept: usize = whole
        .iter()
        .map(|event| event.name.len() + event.data.len())
        .sum();
    assert!(kept <= text.len() + 7 * whole.len());
    // A carriage return at a cut may be half of a line's end, so events are cut between lines.
    let middle = text.len() / 2;
    if let Some(end) = text[text.floor_char_boundary(middle)..].find('\n') {
        let cut = text.floor_char_boundary(middle) + end + 1;
        let begun = sse::events(&text[..cut]);
        assert!(whole.starts_with(&begun));
    }
}

/// A body that answers a JSON-RPC request: as JSON, and as an event stream.
pub(crate) fn rpc(bytes: &[u8]) {
    let of_purpose = |purpose| matches!(purpose, Purpose::Discover | Purpose::Initialize);
    let lists = |purpose| matches!(purpose, Purpose::ModernList(_) | Purpose::LegacyList(_));
    for media in ["application/json", "text/event-stream"] {
        let with_body = |when: &dyn Fn(Purpose) -> bool| {
            let mut evidence = recorded(OPEN);
            set_bodies(&mut evidence, when, bytes);
            for response in responses(&mut evidence, when) {
                response.status = 200;
                response.headers.retain(|(name, _)| name != "content-type");
                response
                    .headers
                    .push(("content-type".to_owned(), media.to_owned()));
            }
            evidence
        };
        judged(&with_body(&of_purpose));
        judged(&with_body(&lists));
    }
}

/// Protected-resource metadata.
pub(crate) fn prm(bytes: &[u8]) {
    let mut evidence = recorded(COMPLIANT);
    set_bodies(
        &mut evidence,
        &|purpose| matches!(purpose, Purpose::Prm(_)),
        bytes,
    );
    judged(&evidence);
}

/// Authorization-server metadata.
pub(crate) fn asm(bytes: &[u8]) {
    let mut evidence = recorded(COMPLIANT);
    let documents = |purpose| matches!(purpose, Purpose::AsMetadata(..));
    set_bodies(&mut evidence, &documents, bytes);
    judged(&evidence);
}

/// A key set.
pub(crate) fn jwks(bytes: &[u8]) {
    let mut evidence = recorded(COMPLIANT);
    let keys = |purpose| matches!(purpose, Purpose::Jwks(_) | Purpose::PrmJwks);
    set_bodies(&mut evidence, &keys, bytes);
    judged(&evidence);
}

/// Where redirects lead: the first lines to `Location` headers of everything that was asked.
pub(crate) fn location(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut evidence = recorded(COMPLIANT);
    let mut lines = text.split('\n').cycle();
    for response in responses(&mut evidence, &|_| true) {
        response.status = 302;
        let line = lines.next().unwrap_or_default().to_owned();
        response.headers.push(("location".to_owned(), line));
    }
    let facts = Facts::new(&evidence);
    for answer in facts.answers() {
        if let Some(to) = answer.location() {
            assert!(Url::parse(to.as_str()).is_ok());
        }
    }
    judged(&evidence);
}

/// Session ids and cookies: one for each answer, redacted as they would be at capture.
pub(crate) fn session(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut evidence = recorded(OPEN);
    let mut lines = text.split('\n').cycle();
    for response in responses(&mut evidence, &|_| true) {
        for name in ["mcp-session-id", "set-cookie"] {
            let raw = lines.next().unwrap_or_default();
            let kept = redact::response_header(name, raw, &["earlier"]).into_owned();
            assert_eq!(redact::response_header(name, &kept, &["earlier"]), kept);
            assert!(raw.len() < 8 || name != "mcp-session-id" || !kept.contains(raw));
            response.headers.push((name.to_owned(), kept));
        }
    }
    judged(&evidence);
}

/// Two identifiers of one line each: relations mirror each other, candidates are URLs.
pub(crate) fn identifiers(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    let (a, b) = text.split_once('\n').unwrap_or((text, ""));
    let (there, back) = (relation::relation(a, b), relation::relation(b, a));
    let mirrored = match there {
        Relation::Prefix => Relation::Longer,
        Relation::Longer => Relation::Prefix,
        same => same,
    };
    assert_eq!(back, mirrored);
    assert_eq!(there == Relation::Identical, a == b);
    let _ = (
        issuer::is_template(a),
        issuer::oddity(a),
        relation::registrable_domain(a),
    );
    for (_, url) in discovery::as_candidates(a).into_iter().flatten() {
        assert!(Url::parse(&url).is_ok(), "{url}");
    }
    let Ok(url) = Url::parse(a) else { return };
    if url.host().is_some() && matches!(url.scheme(), "http" | "https") {
        let candidates = discovery::prm_candidates(&url, Some(b));
        assert!(candidates.len() <= 7);
        for (_, candidate) in &candidates {
            assert!(
                candidate == b || Url::parse(candidate).is_ok(),
                "{candidate}"
            );
        }
        if let Some(other) = discovery::alias(&url, b) {
            assert_ne!(other.host_str(), url.host_str());
        }
    }
}

/// One URL of a listing: normalising twice changes nothing, and nothing special-use is let
/// through where only public servers are asked.
pub(crate) fn normalise(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    for admission in [EVERYTHING, Admission::default()] {
        let Ok(target) = normalise::endpoint(text, admission) else {
            continue;
        };
        assert!(target.url.len() <= normalise::MAX_URL);
        let again = normalise::endpoint(&target.url, admission).map(|target| target.url);
        assert_eq!(again.as_ref(), Ok(&target.url));
        let url = Url::parse(&target.url).expect("a URL");
        if !admission.allow_private {
            assert_eq!(url.scheme(), "https");
            assert!(url.host().is_some_and(|host| matches!(
                relation::host_kind(&host),
                relation::HostKind::Public | relation::HostKind::PublicAddress
            )));
        }
    }
}

/// Text from outside: blanking twice changes nothing, and blanking does not blow up.
pub(crate) fn redact(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let once = redact::body(&text).into_owned();
    assert_eq!(redact::body(&once), once);
    assert!(once.len() <= text.len() * 40 + 40);
    let once = redact::url(&text).into_owned();
    assert_eq!(redact::url(&once), once);
    for name in ["set-cookie", "location", "www-authenticate", "x-other"] {
        let once = redact::response_header(name, &text, &[]).into_owned();
        assert_eq!(redact::response_header(name, &once, &[]), once);
    }
    for name in ["authorization", "cookie", "mcp-session-id", "x-other"] {
        let once = redact::request_header(name, &text).into_owned();
        assert_eq!(redact::request_header(name, &once), once);
    }
    let _ = redact::bytes(bytes);
}

/// A text that lists servers, in every format: bounded refusals, and found URLs that stay what
/// they are.
pub(crate) fn sources(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    assert!(!sources::form(text, sources::detect(text)).is_empty());
    for format in Format::ALL {
        let Ok(read) = sources::read(text, format, EVERYTHING) else {
            continue;
        };
        for refused in &read.refused {
            assert!(refused.raw.chars().count() <= 300);
            assert!(!refused.raw.contains('\n') && !refused.why.contains('\n'));
        }
        for found in &read.found {
            let again = normalise::endpoint(&found.target.url, EVERYTHING);
            assert_eq!(again.map(|target| target.url), Ok(found.target.url.clone()));
            assert!(found.rows.is_sorted() && !found.rows.is_empty());
        }
    }
}

/// What a server says to a handshake of our own making: more bytes never take back an answer
/// that was given.
pub(crate) fn hello(bytes: &[u8]) {
    let ended = handshake::answer(bytes, true);
    assert!(ended.is_some());
    let early = handshake::answer(&bytes[..bytes.len() / 2], false);
    if early.is_some() {
        assert_eq!(early, handshake::answer(bytes, false));
    }
}

/// Recorded evidence from a file: whatever is read is written, read again, and graded alike.
pub(crate) fn evidence(bytes: &[u8]) {
    if let Ok(evidence) = Evidence::decode(bytes) {
        graded(&evidence);
    }
}

/// A report from a file: read, written and read again it is the same.
pub(crate) fn report(bytes: &[u8]) {
    let Ok(report) = serde_json::from_slice::<Report>(bytes) else {
        return;
    };
    let written = serde_json::to_vec(&report).expect("a report has a JSON form");
    let again: Report = serde_json::from_slice(&written).expect("our own report");
    assert_eq!(serde_json::to_vec(&again).ok().as_ref(), Some(&written));
    let evidence = recorded(COMPLIANT);
    let side = Graded {
        evidence: &evidence,
        report: &report,
    };
    let same = diff::between(side, side).expect("one rubric");
    assert!(same.identical);
}

/// Evidence reduced to what tells servers apart: reducing twice changes nothing.
pub(crate) fn surface(bytes: &[u8]) {
    let mut evidence = recorded(OPEN);
    set_bodies(&mut evidence, &|_| true, bytes);
    let once = surface::of(&evidence);
    assert_eq!(surface::of(&once), once);
    assert_eq!(surface::digest(&once), surface::digest(&evidence));
    let stored = Evidence::decode(&once.encode().expect("encodes")).expect("our own evidence");
    assert_eq!(stored, once);
}

// --- evidence around the bytes ----------------------------------------------------------

/// A scan that was recorded before.
pub(crate) fn recorded(bytes: &[u8]) -> Evidence {
    Evidence::decode(bytes).expect("the recorded scan")
}

fn responses<'e>(
    evidence: &'e mut Evidence,
    when: &'e dyn Fn(Purpose) -> bool,
) -> impl Iterator<Item = &'e mut scanner::evidence::Response> {
    evidence
        .exchanges
        .iter_mut()
        .filter(move |exchange| when(exchange.purpose))
        .filter_map(|exchange| exchange.got.as_mut().ok())
}

/// Puts bytes in the place of bodies that have something to say, as they are kept at capture.
fn set_bodies(evidence: &mut Evidence, when: &dyn Fn(Purpose) -> bool, bytes: &[u8]) {
    let text = text(bytes).map(|text| redact::body(text).into_owned());
    for response in responses(evidence, when) {
        response.body.base64 = text.is_none();
        response.body.text = text.clone().unwrap_or_else(|| "/w==".to_owned());
        response.body.bytes = bytes.len() as u64;
    }
}

/// Grades under every revision and checks what holds of any report.
pub(crate) fn judged(evidence: &Evidence) -> Report {
    let report = grade(evidence, rubric::current());
    sound(&report);
    report
}

/// The same, and once more after writing the evidence and reading it again.
pub(crate) fn graded(evidence: &Evidence) -> Report {
    let report = judged(evidence);
    let bytes = evidence.encode().expect("evidence has a JSON form");
    let again = Evidence::decode(&bytes).expect("our own evidence");
    assert_eq!(&again, evidence);
    assert_eq!(grade(&again, rubric::current()), report);
    report
}

/// What holds of any report.
fn sound(report: &Report) {
    assert_eq!(report.findings.len(), scanner::checks::all().count());
    for finding in &report.findings {
        assert!(
            finding.detail.len() <= 4096 && !finding.detail.contains('\n'),
            "{} says too much: {:?}",
            finding.check,
            finding.detail
        );
    }
    assert!(report.authorization_servers.len() <= 3);
    let grade = &report.grade;
    assert!(grade.letter.is_none() || grade.badge.is_none());
    assert!(!report.class.graded() || grade.letter.is_some() || grade.badge.is_some());
}

/// robots.txt: what is kept is bounded, reads back the same, and answers for any path.
pub(crate) fn robots(bytes: &[u8]) {
    let read = scanner::robots::Robots::parse(bytes);
    for group in [&read.ours, &read.everybody].into_iter().flatten() {
        let size: usize = group.rules.iter().map(|rule| rule.pattern.len()).sum();
        assert!(group.rules.len() <= 2_000 && size <= 64 * 1024);
        assert!(group.rules.iter().all(|rule| rule.pattern.is_ascii()));
        assert!(group.allows("/robots.txt"));
    }
    let kept = serde_json::to_string(&read).expect("JSON");
    let again: scanner::robots::Robots = serde_json::from_str(&kept).expect("what was written");
    assert_eq!(again, read);
    let text = String::from_utf8_lossy(bytes);
    for path in [
        "/",
        "/mcp",
        &format!("/{}", text.chars().take(200).collect::<String>()),
    ] {
        assert_eq!(again.lets_us(path), read.lets_us(path));
        if read.ours.is_some() {
            assert_eq!(read.lets_us(path), read.lets_a_crawler(path));
        } else {
            assert!(read.lets_us(path));
        }
    }
    assert!(scanner::robots::Robots::default().lets_a_crawler("/"));
}
