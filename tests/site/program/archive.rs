//! `migrate`, `regrade` and `retention`: looking changes nothing, and what is foretold is what
//! happens. On both engines.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use scanner::rubric;
use serde_json::Value;

use super::folder;
use super::keeping::{file, filled, run};
use crate::db::{TestDb, on_both_engines};
use crate::samples::{DAY, DAY_ONE, Sample};

on_both_engines!(
    the_schema_is_looked_at,
    movers_are_foretold,
    what_is_old_is_counted_first,
);

async fn the_schema_is_looked_at(db: &TestDb) {
    let folder = folder();
    let status = run(folder.path(), &db.url, &["migrate", "--status"]).ended(0);
    assert!(
        status.out.starts_with("applied  0001_initial\n"),
        "{}",
        status.out
    );
    assert!(!status.out.contains("missing"), "{}", status.out);
    run(folder.path(), &db.url, &["migrate", "--check"]).ended(0);
    db.execute("DELETE FROM _sqlx_migrations WHERE version = 2")
        .await;
    let status = run(folder.path(), &db.url, &["migrate", "--status"]).ended(0);
    assert!(
        status.out.contains("missing  0002_sources\n"),
        "{}",
        status.out
    );
    let checked = run(folder.path(), &db.url, &["migrate", "--check"]);
    checked.said(
        1,
        &[
            "1 migrations would be applied (0002_sources)",
            "authdex migrate",
        ],
    );
    let again = run(folder.path(), &db.url, &["migrate", "--status"]).ended(0);
    assert_eq!(again.out, status.out, "looking changes nothing");
    db.execute("UPDATE _sqlx_migrations SET version = 9999 WHERE version = 1")
        .await;
    run(folder.path(), &db.url, &["migrate", "--check"]).said(2, &["newer version", "9999"]);
}

#[test]
fn a_missing_database_is_not_made_by_looking() {
    let folder = folder();
    let looked = run(folder.path(), "sqlite://none.db", &["migrate", "--check"]);
    looked.said(2, &["none.db", "there is no such file"]);
    assert!(!folder.path().join("none.db").exists());
}

async fn movers_are_foretold(db: &TestDb) {
    let folder = folder();
    filled(&db.store, 3).await;
    // As after an update whose rubric thinks better of one server.
    db.execute("UPDATE report SET rubric = '2000.1'").await;
    db.execute("UPDATE target SET letter = 'F' WHERE host = 's1.example'")
        .await;
    let version = rubric::current().version;
    let missing = || async { db.store.ungraded_count(version).await.unwrap() };
    let dry = ["regrade", "--dry-run", "--movers", "--json"];
    let foretold = run(folder.path(), &db.url, &dry).ended(0);
    assert!(
        foretold.err.contains("6 reports would be added"),
        "{}",
        foretold.err
    );
    assert!(foretold.err.contains(" a second"), "{}", foretold.err);
    let document: Value = serde_json::from_str(&foretold.out).unwrap();
    assert_eq!(document["rubric"], version);
    assert_eq!(document["dry_run"], true);
    let movers = document["movers"].as_array().unwrap();
    assert_eq!(movers.len(), 1);
    assert_eq!(movers[0]["url"], "https://s1.example/mcp");
    assert_eq!(movers[0]["from"], "F");
    assert_eq!(missing().await, 6, "nothing was written");

    run(folder.path(), &db.url, &["regrade", "--rubric=1999.1"])
        .said(2, &["no rubric `1999.1`", version]);
    run(
        folder.path(),
        &db.url,
        &["regrade", "--limit=2", "--graders=1"],
    )
    .ended(0);
    assert_eq!(missing().await, 4);
    let told = run(folder.path(), &db.url, &["regrade", "--movers"]).ended(0);
    assert_eq!(missing().await, 0);
    let line = format!(
        "   F to {:<4} {}  https://s1.example/mcp",
        movers[0]["to"].as_str().unwrap(),
        movers[0]["server"].as_str().unwrap()
    );
    assert_eq!(told.out.lines().next(), Some(line.as_str()), "{}", told.out);
}

async fn what_is_old_is_counted_first(db: &TestDb) {
    let folder = folder();
    let old = Sample::oauth("https://old.example/mcp").at(DAY_ONE.plus(-60 * DAY));
    let scan = file(&db.store, "Old", &old, |_| ()).await;
    let whole = db.store.evidence(&scan).await.unwrap();
    let counted = run(folder.path(), &db.url, &["retention", "--dry-run"]).ended(0);
    assert!(
        counted
            .out
            .starts_with("newest scans that lose addresses: 1\n"),
        "{}",
        counted.out
    );
    assert_eq!(db.store.evidence(&scan).await.unwrap(), whole);
    let removed = run(folder.path(), &db.url, &["retention"]).ended(0);
    assert_eq!(removed.out, counted.out);
    assert_ne!(db.store.evidence(&scan).await.unwrap(), whole);
    let again = run(folder.path(), &db.url, &["retention"]).ended(0);
    assert!(
        again
            .out
            .starts_with("newest scans that lose addresses: 0\n"),
        "{}",
        again.out
    );
}
