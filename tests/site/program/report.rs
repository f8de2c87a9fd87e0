//! `--format json` against the schema `authdex.report/1`, member by member.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Sample, url};

/// What a member may be.
#[derive(Debug, Clone, Copy)]
enum Is {
    Text,
    MaybeText,
    Whole,
    MaybeWhole,
    Number,
    MaybeNumber,
    Flag,
    MaybeFlag,
    List,
    Map,
    MaybeMap,
    /// One of these.
    One(&'static [&'static str]),
    /// One of these, or null.
    MaybeOne(&'static [&'static str]),
}

impl Is {
    fn holds(self, value: &Value) -> bool {
        let one = |words: &[&str]| value.as_str().is_some_and(|text| words.contains(&text));
        match self {
            Self::Text => value.is_string(),
            Self::MaybeText => value.is_null() || value.is_string(),
            Self::Whole => value.is_u64(),
            Self::MaybeWhole => value.is_null() || value.is_u64(),
            Self::Number => value.is_number(),
            Self::MaybeNumber => value.is_null() || value.is_number(),
            Self::Flag => value.is_boolean(),
            Self::MaybeFlag => value.is_null() || value.is_boolean(),
            Self::List => value.is_array(),
            Self::Map => value.is_object(),
            Self::MaybeMap => value.is_null() || value.is_object(),
            Self::One(words) => one(words),
            Self::MaybeOne(words) => value.is_null() || one(words),
        }
    }
}

type Members = &'static [(&'static str, Is)];

const LETTERS: &[&str] = &["A+", "A", "B", "C", "D", "E", "F"];
const BADGES: &[&str] = &["O", "K", "U", "X", "N"];
const VERDICTS: &[&str] = &["pass", "warn", "fail", "na", "inconclusive"];
const REVISIONS: [&str; 4] = ["2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"];

const REPORT: Members = &[
    ("schema", Is::One(&["authdex.report/1"])),
    ("scan", Is::MaybeText),
    ("target", Is::Map),
    (
        "class",
        Is::One(&[
            "oauth",
            "lazy",
            "legacy-oauth",
            "static-key",
            "browser-sso",
            "open",
            "http-sse",
            "not-mcp",
            "unreachable",
            "blocked",
        ]),
    ),
    (
        "era",
        Is::One(&["modern", "dual", "legacy", "http-sse", "hidden"]),
    ),
    ("flags", Is::List),
    (
        "exposure",
        Is::MaybeOne(&["O-info", "O-unknown", "O-write", "O-danger"]),
    ),
    ("claimed", Is::MaybeMap),
    (
        "depth",
        Is::One(&["passive", "standard", "consented", "credentialed"]),
    ),
    ("started", Is::Text),
    ("duration_ms", Is::Whole),
    (
        "stopped",
        Is::One(&[
            "finished",
            "out_of_time",
            "out_of_asks",
            "rate_limited",
            "stopped",
        ]),
    ),
    ("scanner", Is::Map),
    ("policy_version", Is::MaybeText),
    ("grade", Is::Map),
    ("grades", Is::Map),
    ("verified", Is::MaybeMap),
    ("future", Is::List),
    ("findings", Is::List),
    ("authorization_servers", Is::List),
    ("requests", Is::Map),
    ("exchanges", Is::List),
    ("evidence", Is::Map),
    ("publication", Is::Map),
    ("overlay", Is::MaybeMap),
    ("connect", Is::List),
];
const CONNECTION: Members = &[
    ("profile", Is::Text),
    ("result", Is::One(&["connects", "stops", "cannot_tell"])),
    (
        "step",
        Is::MaybeOne(&[
            "endpoint",
            "challenge",
            "resource_metadata",
            "resource",
            "as_metadata",
            "issuer",
            "pkce",
            "registration",
            "token",
        ]),
    ),
    ("reason", Is::Text),
    ("detail", Is::Text),
    ("check", Is::MaybeText),
    ("exchange", Is::MaybeWhole),
];
const ATTRIBUTION: Members = &[
    ("to", Is::One(&["operator", "as_tenant", "as_vendor"])),
    ("because", Is::Text),
];
const TARGET: Members = &[
    ("url", Is::Text),
    ("host", Is::Text),
    ("name", Is::MaybeText),
    ("listing", Is::MaybeMap),
];
const CLAIMED: Members = &[
    ("revision", Is::One(&REVISIONS)),
    ("basis", Is::One(&["observed", "inferred"])),
    ("weight", Is::MaybeOne(&["strong", "medium", "weak"])),
];
const SCANNER: Members = &[
    ("name", Is::One(&["authdex"])),
    ("version", Is::Text),
    ("plan", Is::Whole),
];
const GRADE: Members = &[
    ("letter", Is::MaybeOne(LETTERS)),
    ("badge", Is::MaybeOne(BADGES)),
    ("score", Is::MaybeNumber),
    ("uncapped", Is::MaybeOne(LETTERS)),
    ("caps", Is::List),
    ("doubtful", Is::Flag),
    ("coverage", Is::Number),
    ("unsettled", Is::List),
    ("categories", Is::List),
    ("sub", Is::Map),
    ("ledger", Is::List),
    ("rubric", Is::Text),
    ("revision", Is::One(&REVISIONS)),
];
const CAP: Members = &[
    (
        "letter",
        Is::One(&["A", "B", "C", "D", "E", "F", "no_a_plus"]),
    ),
    ("check", Is::Text),
    ("party", Is::One(&["server", "authorization_server"])),
    ("reason", Is::Text),
    ("as_only", Is::Flag),
];
const CATEGORY: Members = &[
    ("id", Is::Whole),
    ("name", Is::Text),
    ("share", Is::Whole),
    ("score", Is::MaybeNumber),
    ("checks", Is::Whole),
    ("conclusive", Is::Whole),
];
const SUB: Members = &[
    ("resource", Is::MaybeNumber),
    ("authorization_server", Is::MaybeNumber),
];
const LINE: Members = &[
    ("check", Is::Text),
    ("tenths", Is::Whole),
    ("verdict", Is::One(VERDICTS)),
    ("blocked_by", Is::MaybeText),
];
const FINDING: Members = &[
    ("check", Is::Text),
    ("verdict", Is::One(VERDICTS)),
    ("reason", Is::Text),
    ("detail", Is::Text),
    (
        "severity",
        Is::One(&["info", "low", "medium", "high", "critical"]),
    ),
    ("level", Is::One(&["MUST", "SHOULD", "MAY"])),
    ("party", Is::List),
    ("class", Is::One(&["P0", "P1", "P2", "P3"])),
    ("blocked_by", Is::MaybeText),
    ("revision", Is::One(&REVISIONS)),
    ("unvalidated", Is::Flag),
    ("confirmed", Is::MaybeFlag),
    ("evidence", Is::List),
    ("by_revision", Is::Map),
    ("relation", Is::MaybeText),
    ("withheld", Is::Flag),
];
const SEEN: Members = &[("exchange", Is::Whole), ("at", Is::Text)];
const AUTHORIZATION_SERVER: Members = &[
    ("issuer", Is::Text),
    ("host", Is::Text),
    ("product", Is::MaybeText),
    ("product_basis", Is::MaybeText),
    ("selected", Is::Flag),
    ("metadata_url", Is::MaybeText),
    ("listed_at", Is::MaybeWhole),
];
const REQUESTS: Members = &[
    ("total", Is::Whole),
    ("retries", Is::Whole),
    ("endpoint", Is::Whole),
    ("authorization_servers", Is::Map),
    ("other", Is::Whole),
];
const EXCHANGE: Members = &[
    ("id", Is::Whole),
    ("purpose", Is::Text),
    ("method", Is::Text),
    ("url", Is::Text),
    ("status", Is::MaybeWhole),
    ("failure", Is::MaybeText),
    ("after_ms", Is::Whole),
    ("took_ms", Is::Whole),
];
const EVIDENCE: Members = &[
    ("schema", Is::Whole),
    ("sha256", Is::Text),
    ("surface_sha256", Is::Text),
    ("bundle", Is::MaybeText),
];
const PUBLICATION: Members = &[
    (
        "state",
        Is::One(&["published", "held", "unlisted", "local"]),
    ),
    ("confirmed_at", Is::MaybeText),
    ("until", Is::MaybeText),
];

/// Every member is there, also those that are null, and is what it should be.
#[track_caller]
fn has(place: &str, value: &Value, members: Members) {
    for (name, is) in members {
        let member = value
            .get(name)
            .unwrap_or_else(|| panic!("{place}.{name} is missing"));
        assert!(is.holds(member), "{place}.{name} is {member}, not {is:?}");
    }
}

#[track_caller]
fn each(place: &str, list: &Value, members: Members) {
    for (number, item) in list.as_array().expect(place).iter().enumerate() {
        has(&format!("{place}[{number}]"), item, members);
    }
}

fn grade(place: &str, grade: &Value, class: &str) {
    has(place, grade, GRADE);
    each(&format!("{place}.caps"), &grade["caps"], CAP);
    each(
        &format!("{place}.categories"),
        &grade["categories"],
        CATEGORY,
    );
    each(&format!("{place}.ledger"), &grade["ledger"], LINE);
    has(&format!("{place}.sub"), &grade["sub"], SUB);
    let ids: Vec<u64> = grade["categories"]
        .as_array()
        .expect("categories")
        .iter()
        .filter_map(|category| category["id"].as_u64())
        .collect();
    assert_eq!(ids, [1, 2, 3, 4, 5, 6], "{place}");
    let marks = [&grade["letter"], &grade["badge"]];
    let shown = marks.iter().filter(|mark| !mark.is_null()).count();
    assert_eq!(shown, usize::from(class != "not-mcp"), "{place}: {marks:?}");
    let tenths: Vec<u64> = grade["ledger"]
        .as_array()
        .expect("a ledger")
        .iter()
        .filter_map(|line| line["tenths"].as_u64())
        .collect();
    assert!(tenths.is_sorted_by(|a, b| a >= b), "{place}: {tenths:?}");
    if let Some(score) = grade["score"].as_f64() {
        let lost = format!("{:.0}", 1000.0 - 10.0 * score);
        assert_eq!(lost, tenths.iter().sum::<u64>().to_string(), "{place}");
    }
    let coverage = grade["coverage"].as_f64().expect("a number");
    assert!((0.0..=100.0).contains(&coverage), "{place}");
}

fn findings(report: &Value) {
    each("findings", &report["findings"], FINDING);
    each("connect", &report["connect"], CONNECTION);
    let exchanges: BTreeSet<u64> = report["exchanges"]
        .as_array()
        .expect("exchanges")
        .iter()
        .filter_map(|exchange| exchange["id"].as_u64())
        .collect();
    let mut ids = Vec::new();
    for finding in report["findings"].as_array().expect("findings") {
        let id = finding["check"].as_str().expect("an id");
        ids.push(id);
        each(id, &finding["evidence"], SEEN);
        let seen = finding["evidence"].as_array().expect("places");
        if matches!(finding["verdict"].as_str(), Some("warn" | "fail")) {
            assert!(!seen.is_empty(), "{id} rests on nothing");
            assert_ne!(finding["detail"], "", "{id} says nothing");
            has(id, &finding["attribution"], ATTRIBUTION);
        }
        for place in seen {
            let exchange = place["exchange"].as_u64().expect("an exchange");
            assert!(exchanges.contains(&exchange), "{id}: {exchange}");
        }
        for (revision, other) in finding["by_revision"].as_object().expect("a map") {
            assert!(REVISIONS.contains(&revision.as_str()), "{id}: {revision}");
            has(
                id,
                other,
                &[("verdict", Is::One(VERDICTS)), ("reason", Is::Text)],
            );
        }
        for party in finding["party"].as_array().expect("parties") {
            assert!(
                Is::One(&["server", "authorization_server"]).holds(party),
                "{id}"
            );
        }
    }
    let catalogue: Vec<&str> = scanner::checks::all().map(|check| check.id).collect();
    assert_eq!(catalogue.len(), 139);
    assert_eq!(ids, catalogue, "every check once, in the catalogue's order");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_member_of_the_schema_is_there() {
    let sample = Sample::start().await;
    let servers = [
        "notes",
        "calendar",
        "wiki",
        "library",
        "intranet",
        "dictionary",
        "database",
        "weather",
        "shop",
        "printer",
    ]
    .map(url);
    let mut more: Vec<&str> = servers.iter().map(String::as_str).collect();
    more.push("--concurrency=10");
    let several = sample.scan(&more).ended(3).json();
    let reports = several["reports"].as_array().expect("reports");
    assert_eq!(reports.len(), servers.len());
    for report in reports {
        has("report", report, REPORT);
        let class = report["class"].as_str().expect("a class");
        has("target", &report["target"], TARGET);
        has("scanner", &report["scanner"], SCANNER);
        if !report["claimed"].is_null() {
            has("claimed", &report["claimed"], CLAIMED);
        }
        grade("grade", &report["grade"], class);
        let grades = report["grades"].as_object().expect("a map");
        let revisions: Vec<&str> = grades.keys().map(String::as_str).collect();
        assert_eq!(revisions, REVISIONS);
        for (revision, one) in grades {
            grade(revision, one, class);
            assert_eq!(one["revision"], Value::from(revision.as_str()));
        }
        assert_eq!(grades["2026-07-28"], report["grade"]);
        assert!(
            report["verified"].is_null(),
            "nothing below depth consented"
        );
        findings(report);
        each(
            "authorization_servers",
            &report["authorization_servers"],
            AUTHORIZATION_SERVER,
        );
        has("requests", &report["requests"], REQUESTS);
        each("exchanges", &report["exchanges"], EXCHANGE);
        for exchange in report["exchanges"].as_array().expect("exchanges") {
            let ends = [&exchange["status"], &exchange["failure"]];
            // Over a handshake nothing is asked, so a good one has neither.
            let handshake = exchange["method"] == "TLS";
            let nulls = ends.iter().filter(|end| end.is_null()).count();
            assert!(nulls == 1 || (handshake && nulls == 2), "{exchange}");
        }
        has("evidence", &report["evidence"], EVIDENCE);
        for digest in ["sha256", "surface_sha256"] {
            let digest = report["evidence"][digest].as_str().expect("a digest");
            assert_eq!(digest.len(), 64);
        }
        has("publication", &report["publication"], PUBLICATION);
        assert_eq!(report["publication"]["state"], "local");
        assert!(report["scan"].is_null(), "nothing was saved");
        assert!(
            report["started"]
                .as_str()
                .is_some_and(|at| at.ends_with('Z')),
            "UTC"
        );
    }
    let sent: u64 = reports
        .iter()
        .filter_map(|report| report["requests"]["endpoint"].as_u64())
        .sum();
    let hosts: BTreeSet<&str> = servers
        .iter()
        .filter_map(|url| url.strip_prefix("https://")?.strip_suffix("/mcp"))
        .collect();
    let arrived = sample
        .fleet
        .seen()
        .iter()
        .filter(|seen| hosts.contains(seen.host.as_str()))
        .count() as u64;
    // A handshake ends before a request comes, and what went to port 80 was refused at the door.
    let greeted = reports
        .iter()
        .filter_map(|report| report["exchanges"].as_array())
        .flatten()
        .filter(|exchange| {
            let purpose = exchange["purpose"].as_str().unwrap_or_default();
            let url = exchange["url"].as_str().unwrap_or_default();
            purpose.starts_with("handshake") && hosts.iter().any(|host| url.contains(host))
        })
        .count() as u64;
    assert!(
        arrived + greeted <= sent && arrived + greeted + 20 >= sent,
        "{arrived} and {greeted} of {sent}"
    );
}
