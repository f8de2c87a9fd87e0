//! The whole way on both engines: migrate, import, crawl with two processes at once, serve.

use std::path::Path;

use store::{Page, TargetFilter};

use super::{Going, Ran, Sample, authdex, write};
use crate::db::{TestDb, on_both_engines};

on_both_engines!(
    two_processes_share_one_database,
    a_database_that_is_not_there_is_named,
);

fn command(folder: &Path, db: &str, arguments: &[&str]) -> std::process::Command {
    let mut command = authdex(folder);
    command
        .arg("--config=authdex.toml")
        .args(arguments)
        .env("DATABASE_URL", db);
    command
}

fn run(folder: &Path, db: &str, arguments: &[&str]) -> Ran {
    command(folder, db, arguments)
        .output()
        .expect("it starts")
        .into()
}

/// The number at the beginning of the last line.
#[track_caller]
fn scanned(ran: &Ran) -> u64 {
    ran.err
        .lines()
        .find(|line| line.contains(" servers scanned with "))
        .and_then(|line| line.split(' ').next()?.parse().ok())
        .unwrap_or_else(|| panic!("no summary in: {}", ran.err))
}

async fn two_processes_share_one_database(db: &TestDb) {
    let sample = Sample::start().await;
    sample.configuration();
    let urls: Vec<String> = sample
        .fleet
        .targets()
        .into_iter()
        .map(|(url, _)| url)
        .collect();
    write(sample.path(), "fleet.txt", urls.join("\n"));
    let dry = run(sample.path(), &db.url, &["migrate", "--dry-run"]).ended(0);
    assert_eq!(dry.out, "", "the test's own database is up to date");
    run(sample.path(), &db.url, &["import", "fleet.txt"]).ended(0);
    let crawl = || Going::start(command(sample.path(), &db.url, &["crawl", "--once"]));
    let (one, two) = (crawl(), crawl());
    let (one, two) = (one.end(120).ended(0), two.end(120).ended(0));
    assert_eq!(
        scanned(&one) + scanned(&two),
        15,
        "each server was scanned by one of them:\n{}\n{}",
        one.err,
        two.err
    );
    let rows = db
        .store
        .servers(&TargetFilter::default(), &Page::first(100))
        .await
        .expect("a list")
        .rows;
    assert_eq!(rows.len(), 15);
    let graded = rows.iter().filter(|row| row.letter.is_some()).count();
    assert!(graded >= 8, "{graded}");
    let changes = db.store.latest_changes(100).await.expect("changes").len();
    run(sample.path(), &db.url, &["crawl", "--once", "--all"]).ended(0);
    let again = db.store.latest_changes(100).await.expect("changes").len();
    assert_eq!(changes, again, "the same was seen again");
    run(sample.path(), &db.url, &["regrade"]).ended(0);
}

async fn a_database_that_is_not_there_is_named(db: &TestDb) {
    let sample = Sample::start().await;
    sample.configuration();
    let (url, part) = if db.is_postgres() {
        (
            crate::db::with_database(&db.url, "authdex_no_such_database"),
            "create it or check the name",
        )
    } else {
        ("sqlite:///dev/null/authdex.db".to_owned(), "/dev/null")
    };
    let ran = run(sample.path(), &url, &["crawl", "--once"]).said(2, &[part]);
    assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
}
