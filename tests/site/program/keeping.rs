//! `backup`, `restore`, `export` and `regrade`: what is kept comes out whole, goes back in, and
//! is finished after any interruption. On both engines.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use scanner::report::PublicationState;
use scanner::rubric;
use scanner::target::{Listing, Target};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use store::ids::Kind;
use store::{Filing, NewListing, Page, Store, TargetFilter};

use super::working::{free, get, wait_for};
use super::{Going, Ran, authdex, folder};
use crate::db::{TestDb, on_both_engines};
use crate::samples::{DAY, DAY_ONE, Sample};

on_both_engines!(
    a_restored_backup_serves_the_same_addresses,
    an_export_holds_what_is_published,
    a_killed_regrade_is_gone_on_with,
);

pub(super) fn command(folder: &Path, db: &str, arguments: &[&str]) -> std::process::Command {
    let mut command = authdex(folder);
    command.args(arguments).env("DATABASE_URL", db);
    command
}

pub(super) fn run(folder: &Path, db: &str, arguments: &[&str]) -> Ran {
    let output = command(folder, db, arguments).output();
    output.expect("it starts").into()
}

/// Files one scan of a server; `change` may alter the report before.
pub(super) async fn file(
    store: &Store,
    name: &str,
    sample: &Sample,
    change: impl Fn(&mut scanner::report::Report),
) -> String {
    let row = NewListing {
        target: Target {
            url: sample.url.clone(),
            listing: Some(Listing {
                name: Some(name.into()),
                ..Listing::default()
            }),
        },
        seen: DAY_ONE,
    };
    store.add_listings("manual", &[row], DAY_ONE).await.unwrap();
    let server = store.server_by_url(&sample.url).await.unwrap().unwrap();
    let (target, _) = store.target_of(&server.id).await.unwrap().unwrap();
    let (evidence, mut report) = sample.graded();
    change(&mut report);
    let scan = Kind::Scan.fresh(sample.at);
    let filing = Filing {
        target,
        scan: scan.clone(),
        evidence: &evidence,
        report: &report,
        finished: sample.at.plus(900),
        next_due: store::due::NEVER,
        lease_until: None,
    };
    store.file(&filing).await.expect("a filing");
    scan
}

pub(super) async fn filled(store: &Store, servers: usize) -> Vec<String> {
    let mut scans = Vec::new();
    for n in 0..servers {
        let sample = Sample::oauth(&format!("https://s{n}.example/mcp"));
        scans.push(file(store, "Plain", &sample, |_| ()).await);
        let later = sample.at(DAY_ONE.plus(DAY));
        scans.push(file(store, "Plain", &later.without_pkce(), |_| ()).await);
    }
    scans
}

/// What a site over this database answers at the addresses of scans and servers.
fn served(folder: &Path, db: &str, paths: &[String]) -> Vec<(u16, String)> {
    let address = free();
    let options = ["serve", "--role=web", "--listen", &address];
    let mut command = command(folder, db, &options);
    command.env("AUTHDEX__TELEMETRY__LOG", "warn");
    let going = Going::start(command);
    wait_for(&address);
    let answers = paths
        .iter()
        .map(|path| {
            let (status, body) = get(&address, path).expect("an answer");
            (status, body.replace(&address, "HOST"))
        })
        .collect();
    going.signal("TERM");
    going.end(30);
    answers
}

async fn a_restored_backup_serves_the_same_addresses(db: &TestDb) {
    let folder = folder();
    let scans = filled(&db.store, 3).await;
    let mut paths: Vec<String> = Vec::new();
    for scan in &scans {
        paths.push(format!("/scans/{scan}.json"));
        paths.push(format!("/api/v1/scans/{scan}/evidence"));
        paths.push(format!("/api/v1/scans/{scan}"));
    }
    let (filter, page) = (TargetFilter::default(), Page::first(9));
    for server in db.store.servers(&filter, &page).await.unwrap().rows {
        paths.push(format!("/servers/{}.json", server.id));
    }
    let before = served(folder.path(), &db.url, &paths);
    assert!(
        before.iter().all(|(status, _)| *status == 200),
        "{before:?}"
    );

    let made = run(folder.path(), &db.url, &["backup", "copy.db"]).ended(0);
    assert!(made.out.ends_with("  copy.db\n"), "{}", made.out);
    let sidecar = std::fs::read_to_string(folder.path().join("copy.db.sha256"));
    assert_eq!(sidecar.expect("a digest"), made.out);
    run(folder.path(), &db.url, &["backup", "copy.db"]).said(2, &["copy.db", "it exists"]);
    let good = run(folder.path(), "", &["backup", "--verify", "copy.db"]).ended(0);
    assert!(good.out.contains("scans: 6\n"), "{}", good.out);
    assert!(
        good.out.contains("graded again: 6, 0 came out otherwise"),
        "{}",
        good.out
    );
    assert!(good.out.contains("as when it was written"), "{}", good.out);

    let there = "sqlite://elsewhere/restored.db";
    run(folder.path(), there, &["restore", "copy.db"]).ended(0);
    assert_eq!(served(folder.path(), there, &paths), before);
    run(folder.path(), there, &["restore", "copy.db"]).said(2, &["restored.db", "it exists"]);
    if let Some(postgres) = TestDb::postgres().await {
        run(folder.path(), &postgres.url, &["restore", "copy.db"]).ended(0);
        assert_eq!(served(folder.path(), &postgres.url, &paths), before);
        run(folder.path(), &postgres.url, &["restore", "copy.db"])
            .said(2, &["has servers already"]);
        postgres.remove().await;
    }

    // One byte of the copy is another one.
    let copy = folder.path().join("copy.db");
    let mut bytes = std::fs::read(&copy).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&copy, bytes).unwrap();
    let bad = run(folder.path(), "", &["backup", "--verify", "copy.db"]);
    let bad = bad.said(1, &["copy.db", "rely on another copy"]);
    assert!(bad.err.contains("its SHA-256 is"), "{}", bad.err);
}

#[test]
fn what_is_not_there_is_not_backed_up() {
    let folder = folder();
    let missing = run(folder.path(), "sqlite://none.db", &["backup", "copy.db"]);
    missing.said(2, &["none.db", "there is no such file"]);
    run(folder.path(), "", &["backup", "--verify", "copy.db"]).said(2, &["copy.db"]);
    run(folder.path(), "sqlite://none.db", &["restore", "copy.db"]).said(2, &["copy.db"]);
    let left: Vec<PathBuf> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(left.is_empty(), "nothing was made: {left:?}");
}

fn lines(folder: &Path, file: &str) -> Vec<Value> {
    std::fs::read_to_string(folder.join(file))
        .expect(file)
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect()
}

async fn an_export_holds_what_is_published(db: &TestDb) {
    let folder = folder();
    filled(&db.store, 2).await;
    let evil = Sample::oauth("https://evil.example/mcp");
    file(
        &db.store,
        "=HYPERLINK(\"https://evil.example\")",
        &evil,
        |_| (),
    )
    .await;
    let held = Sample::oauth("https://held.example/mcp").without_pkce();
    let held = file(&db.store, "Held", &held, |report| {
        report.publication.state = PublicationState::Held;
    });
    let held = held.await;
    let blank = Sample::oauth("https://blank.example/mcp").without_pkce();
    let blank = file(&db.store, "Blank", &blank, |report| {
        for finding in &mut report.findings {
            finding.withheld = finding.check == "pkce-advertised";
        }
    });
    let blank = blank.await;

    let kinds = ["servers", "scans", "findings", "changes", "evidence"];
    let mut all = vec!["export", "--out=all"];
    all.extend(kinds);
    run(folder.path(), &db.url, &all).ended(0);
    let manifest = std::fs::read(folder.path().join("all/manifest.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(manifest["licence"], "CC-BY-4.0");
    assert_eq!(manifest["rubric"], rubric::current().version);
    let files = manifest["files"].as_array().unwrap();
    for (file, kind) in files.iter().zip(kinds) {
        assert_eq!(file["kind"], kind);
        let name = format!("all/{}", file["file"].as_str().unwrap());
        let bytes = std::fs::read(folder.path().join(&name)).unwrap();
        assert_eq!(file["sha256"], format!("{:x}", Sha256::digest(&bytes)));
        assert_eq!(file["bytes"], bytes.len());
        assert_eq!(file["rows"], lines(folder.path(), &name).len());
    }
    let left: Vec<&Value> = files.iter().map(|file| &file["left_out"]).collect();
    let some = "under 10";
    assert_eq!(left, ["none", some, some, some, some]);

    // Four servers are published with six scans, one more is held; one of the six withholds.
    assert_eq!(lines(folder.path(), "all/servers.ndjson").len(), 5);
    assert_eq!(lines(folder.path(), "all/scans.ndjson").len(), 6);
    assert_eq!(lines(folder.path(), "all/evidence.ndjson").len(), 5);
    let findings = lines(folder.path(), "all/findings.ndjson");
    assert!(
        findings
            .iter()
            .all(|row| row["class"] == "P0" || row["class"] == "P1")
    );
    let of_blank =
        |row: &&Value| row["scan"] == blank.as_str() && row["check"] == "pkce-advertised";
    let row = findings.iter().find(of_blank).expect("its line is there");
    assert_eq!(
        (&row["withheld"], &row["reason"]),
        (&Value::Bool(true), &Value::from(""))
    );
    for kind in kinds.iter().skip(1) {
        let text = std::fs::read_to_string(folder.path().join(format!("all/{kind}.ndjson")));
        let text = text.expect("a file");
        assert!(!text.contains(&held), "{kind} tells of a held scan");
        assert!(!text.contains("192.0.2.7"), "{kind} tells an address");
    }

    let again = run(folder.path(), &db.url, &all).said(2, &["servers.ndjson", "it exists"]);
    assert_eq!(again.out, "");
    let csv = run(
        folder.path(),
        &db.url,
        &["export", "servers", "--format=csv"],
    )
    .ended(0);
    assert!(csv.out.starts_with("\"server\",\"url\",\"host\",\"name\""));
    assert!(csv.out.contains(",\"'=HYPERLINK("), "{}", csv.out);
    assert_eq!(csv.out.lines().count(), 6);
    let late = DAY_ONE.plus(DAY).rfc3339();
    let since = run(
        folder.path(),
        &db.url,
        &["export", "scans", "--since", &late],
    )
    .ended(0);
    assert_eq!(since.out.lines().count(), 2, "{}", since.out);
    let table = ["export", "evidence", "--format=csv"];
    run(folder.path(), &db.url, &table).said(2, &["evidence is no table"]);
    run(folder.path(), &db.url, &["export", "scans", "servers"]).said(2, &["--out"]);
}

async fn a_killed_regrade_is_gone_on_with(db: &TestDb) {
    const SERVERS: usize = 60;
    let folder = folder();
    filled(&db.store, SERVERS).await;
    let all = u64::try_from(2 * SERVERS).unwrap();
    // As after an update that brought a new rubric.
    db.execute("UPDATE report SET rubric = '2000.1'").await;
    let version = rubric::current().version;
    let missing = || async { db.store.ungraded_count(version).await.unwrap() };
    assert_eq!(missing().await, all);
    let going = Going::start(command(folder.path(), &db.url, &["regrade"]));
    let mut patience = 1_200;
    while missing().await == all {
        patience -= 1;
        assert!(patience > 0, "nothing was graded");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    going.signal("KILL");
    going.end(30);
    let rest = missing().await;
    assert!(rest < all, "what was graded is kept");
    let ran = run(folder.path(), &db.url, &["regrade"]).ended(0);
    assert_eq!(missing().await, 0);
    let said = format!("{rest} reports added under rubric {version}");
    assert!(ran.err.contains(&said), "{said}: {}", ran.err);
    let idle = run(folder.path(), &db.url, &["regrade"]).ended(0);
    assert!(idle.err.contains("0 reports added"), "{}", idle.err);
    let grade: store::Grade =
        Arc::new(|evidence| scanner::grade::grade(evidence, rubric::current()));
    let (_running, stop) = tokio::sync::watch::channel(false);
    let found = store::grade_again(&db.store, version, &grade, (0, 1), &stop)
        .await
        .unwrap();
    assert_eq!((found.graded, found.different), (all, 0));
}
