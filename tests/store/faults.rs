//! What goes wrong around a database: it is said on one line, no secret is told, and nothing
//! that was filed is lost.

use std::collections::BTreeSet;
use std::time::Duration;

use sqlx::{Connection, Executor, PgConnection, SqliteConnection};
use store::ids::Kind;
use store::{OpenOptions, Page, Store, StoreError, TargetFilter};

use crate::db::{TestDb, on_both_engines, postgres_url, with_database};
use crate::kit::{add, file, file_as};
use crate::report::{DAY, DAY_ONE, Sample};

on_both_engines!(
    a_filing_that_nobody_waits_for_is_filed_or_not_at_all,
    a_program_that_ends_in_the_middle_leaves_no_half,
    a_locked_database_is_said_and_loses_nothing,
    what_is_damaged_is_said,
    a_database_of_a_newer_version_is_refused,
    closed_is_closed,
);

const URL: &str = "https://a.example/mcp";

/// One line, and what it says.
fn said(error: &StoreError) -> String {
    let text = error.to_string();
    assert!(!text.contains('\n'), "{text}");
    assert!(text.len() < 500, "{text}");
    text
}

/// What is stored agrees with what is counted.
async fn consistent(store: &Store) {
    let totals = store.totals(DAY_ONE.plus(90 * DAY)).await.unwrap();
    let list = store
        .servers(&TargetFilter::default(), &Page::first(500))
        .await
        .unwrap();
    let mut scans = 0;
    let mut runs = 0;
    for server in &list.rows {
        let latest = store.latest_scans(&server.id, 1_000).await.unwrap();
        assert_eq!(latest.len() as i64, server.scans, "{}", server.url);
        assert_eq!(latest.first().map(|(id, _)| id), server.last_scan.as_ref());
        scans += latest.len() as i64;
        for (scan, _) in latest.iter().take(3) {
            assert!(store.evidence(scan).await.unwrap().is_some());
            assert!(store.report(scan, None).await.unwrap().is_some());
        }
        let history = store
            .history(&server.id, &Page::first(200))
            .await
            .unwrap()
            .rows;
        assert_eq!(history.iter().map(|run| run.n).sum::<i64>(), server.scans);
        runs += history.len();
    }
    assert_eq!(totals.scans, scans);
    let changes = store.changes(0, 1_000).await.unwrap();
    let seqs: BTreeSet<i64> = changes.iter().map(|change| change.seq).collect();
    assert_eq!(seqs, (1..=changes.len() as i64).collect());
    assert_eq!(changes.len(), runs, "every run of these samples is news");
}

async fn a_filing_that_nobody_waits_for_is_filed_or_not_at_all(db: &TestDb) {
    let (_, target) = add(&db.store, URL).await;
    for n in 0..12 {
        let mut sample = Sample::oauth(URL).at(DAY_ONE.plus(n * DAY));
        sample.pkce = n % 2 == 0;
        let (evidence, report) = sample.graded();
        let scan = Kind::Scan.fresh(sample.at);
        let filing = file_as(&db.store, target, &scan, &evidence, &report);
        // A request that is given up drops what it waits for.
        let _ = tokio::time::timeout(Duration::from_micros(300 * n as u64), filing).await;
        file(&db.store, target, &sample.at(DAY_ONE.plus(n * DAY + 1))).await;
    }
    assert!(db.store.totals(DAY_ONE).await.unwrap().scans >= 12);
    consistent(&db.store).await;
}

async fn a_program_that_ends_in_the_middle_leaves_no_half(db: &TestDb) {
    let mut targets = Vec::new();
    for n in 0..8 {
        let url = format!("https://s{n}.example/mcp");
        targets.push((add(&db.store, &url).await.1, url));
    }
    for round in 0..4 {
        let work: Vec<_> = targets
            .iter()
            .map(|(target, url)| (*target, alternating(url, round * 10..round * 10 + 10)))
            .collect();
        let url = db.url.clone();
        let program = move || end_after(&url, work, 3 + 9 * round as usize);
        tokio::task::spawn_blocking(program).await.unwrap();
        let scans = db.store.totals(DAY_ONE).await.unwrap().scans;
        assert!(scans > 0, "something was filed before the end");
        consistent(&db.store).await;
    }
    // And goes on as if nothing had been.
    let later = Sample::oauth(&targets[0].1).manner(crate::report::Manner::Down);
    let filed = file(&db.store, targets[0].0, &later.at(DAY_ONE.plus(200 * DAY))).await;
    assert!(filed.changed);
    consistent(&db.store).await;
}

type Scanned = (String, scanner::evidence::Evidence, scanner::report::Report);

/// Scans of a server of which each sees something else than the one before.
fn alternating(url: &str, days: std::ops::Range<i64>) -> Vec<Scanned> {
    days.map(|day| {
        let mut sample = Sample::oauth(url).at(DAY_ONE.plus(day * DAY));
        sample.pkce = day % 2 == 0;
        let (evidence, report) = sample.graded();
        (Kind::Scan.fresh(sample.at), evidence, report)
    })
    .collect()
}

/// Files in a runtime of its own that is torn down after so many filings: tasks, transactions
/// and connections are dropped wherever they stand.
fn end_after(url: &str, work: Vec<(store::TargetId, Vec<Scanned>)>, filings: usize) {
    let (sender, filed) = std::sync::mpsc::channel();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let url = url.to_owned();
    runtime.spawn(async move {
        let store = Store::open(&url).await.unwrap();
        let mut writers = tokio::task::JoinSet::new();
        for (target, scans) in work {
            let (store, sender) = (store.clone(), sender.clone());
            writers.spawn(async move {
                for (scan, evidence, report) in scans {
                    let done = file_as(&store, target, &scan, &evidence, &report).await;
                    let _ = sender.send(done.is_ok());
                }
            });
        }
        writers.join_all().await;
    });
    assert!(filed.iter().take(filings).all(|ok| ok));
    runtime.shutdown_timeout(Duration::from_secs(5));
}

async fn a_locked_database_is_said_and_loses_nothing(db: &TestDb) {
    let (_, target) = add(&db.store, URL).await;
    let options = OpenOptions {
        wait_ms: 1_500,
        ..OpenOptions::default()
    };
    let hasty = Store::open_with(&db.url, options).await.unwrap();
    file(&hasty, target, &Sample::oauth(URL)).await;
    let (evidence, report) = Sample::oauth(URL)
        .without_pkce()
        .at(DAY_ONE.plus(DAY))
        .graded();
    let scan = Kind::Scan.fresh(DAY_ONE.plus(DAY));
    let refused = if db.is_postgres() {
        let mut other = PgConnection::connect(&db.url).await.unwrap();
        let mut transaction = other.begin().await.unwrap();
        transaction
            .execute("LOCK TABLE counter IN ACCESS EXCLUSIVE MODE")
            .await
            .unwrap();
        let refused = file_as(&hasty, target, &scan, &evidence, &report).await;
        transaction.rollback().await.unwrap();
        refused
    } else {
        let mut other = SqliteConnection::connect(&db.url).await.unwrap();
        other.execute("BEGIN IMMEDIATE").await.unwrap();
        let refused = file_as(&hasty, target, &scan, &evidence, &report).await;
        let read = hasty.server_by_url(URL).await.unwrap().unwrap();
        assert_eq!(read.scans, 1, "readers are not held up");
        other.execute("ROLLBACK").await.unwrap();
        refused
    };
    let error = refused.unwrap_err();
    assert!(matches!(error, StoreError::Busy { .. }), "{error:?}");
    assert!(said(&error).contains("locked by another process"));
    assert_eq!(hasty.totals(DAY_ONE).await.unwrap().scans, 1);
    // The same filing goes through once the lock is gone.
    let filed = file_as(&hasty, target, &scan, &evidence, &report)
        .await
        .unwrap();
    assert!(filed.changed);
    consistent(&hasty).await;
    hasty.close().await;
}

async fn what_is_damaged_is_said(db: &TestDb) {
    let (_, target) = add(&db.store, URL).await;
    let first = file(&db.store, target, &Sample::oauth(URL)).await.scan;
    let second = file(
        &db.store,
        target,
        &Sample::oauth(URL).without_pkce().at(DAY_ONE.plus(DAY)),
    )
    .await
    .scan;
    db.execute(if db.is_postgres() {
        "UPDATE evidence SET bytes = '\\x28b52ffd00'; UPDATE report SET bytes = '\\x00'"
    } else {
        "UPDATE evidence SET bytes = x'28b52ffd00'; UPDATE report SET bytes = x'00'"
    })
    .await;
    for error in [
        db.store.evidence(&first).await.unwrap_err(),
        db.store.report(&first, None).await.unwrap_err(),
    ] {
        assert!(matches!(error, StoreError::Stored { .. }), "{error:?}");
        assert!(said(&error).contains("restore it from a backup"));
    }
    assert!(db.store.evidence(&second).await.unwrap().is_some());
}

async fn a_database_of_a_newer_version_is_refused(db: &TestDb) {
    db.execute(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         SELECT 9999, 'later', success, checksum, 0 FROM _sqlx_migrations WHERE version = 1",
    )
    .await;
    let store = Store::open(&db.url).await.unwrap();
    let error = store.migrate().await.unwrap_err();
    assert!(said(&error).contains("newer version"), "{error}");
    store.close().await;
}

async fn closed_is_closed(db: &TestDb) {
    let (_, target) = add(&db.store, URL).await;
    let store = Store::open(&db.url).await.unwrap();
    store.close().await;
    let (evidence, report) = Sample::oauth(URL).graded();
    let scan = Kind::Scan.fresh(DAY_ONE);
    let error = file_as(&store, target, &scan, &evidence, &report)
        .await
        .unwrap_err();
    said(&error);
    assert!(store.server_by_url(URL).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_said_and_loses_nothing() {
    let options = OpenOptions {
        max_bytes: Some(1024 * 1024),
        ..OpenOptions::default()
    };
    let db = TestDb::sqlite_with(options).await;
    let mut filed = 0;
    let (target, scan, evidence, report, error) = 'full: loop {
        let url = format!("https://s{filed}.example/mcp");
        let (_, target) = add(&db.store, &url).await;
        for n in 0..10 {
            let mut sample = Sample::oauth(&url).at(DAY_ONE.plus(n * DAY));
            sample.pkce = n % 2 == 0;
            let (evidence, report) = sample.graded();
            let scan = Kind::Scan.fresh(sample.at);
            match file_as(&db.store, target, &scan, &evidence, &report).await {
                Ok(_) => filed += 1,
                Err(error) => break 'full (target, scan, evidence, report, error),
            }
        }
        assert!(filed < 2_000, "a megabyte is never full");
    };
    assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
    assert!(said(&error).contains("no space left"));
    assert!(filed > 10);
    assert_eq!(db.store.totals(DAY_ONE).await.unwrap().scans, filed);
    consistent(&db.store).await;
    db.store.close().await;

    // Somebody makes room, and the same scan is filed.
    let roomy = Store::open(&db.url).await.unwrap();
    file_as(&roomy, target, &scan, &evidence, &report)
        .await
        .unwrap();
    assert_eq!(roomy.totals(DAY_ONE).await.unwrap().scans, filed + 1);
    consistent(&roomy).await;
    roomy.close().await;
}

#[tokio::test]
async fn urls_of_no_use_are_refused_without_their_password() {
    for url in [
        "",
        "authdex.db",
        "mysql://me:hunter2@localhost/x",
        "postgres:/me:hunter2@localhost/x",
        "postgres://me:hunter2@localhost:port/x",
        "sqlite://x.db?mode=hunter2",
        "://me:hunter2@host",
    ] {
        let error = Store::open(url).await.unwrap_err();
        let text = said(&error);
        assert!(!text.contains("hunter2@"), "{text}");
        if !url.starts_with("postgres") {
            assert!(text.contains("sqlite://PATH"), "{url}: {text}");
        }
    }
}

#[tokio::test]
async fn places_that_cannot_be_opened_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(path.join("file"), "no database, but long enough to look at").unwrap();
    for (url, why) in [
        (
            format!("sqlite://{}/file", path.display()),
            "not a SQLite database",
        ),
        (
            format!("sqlite://{}/file/x.db", path.display()),
            "creating the folder",
        ),
        (format!("sqlite://{}", path.display()), "cannot be opened"),
    ] {
        let error = Store::open(&url).await.unwrap_err();
        let text = said(&error);
        assert!(text.contains(why), "{text}");
        assert!(text.contains(&path.display().to_string()), "{text}");
    }
    let deep = format!("sqlite://{}/a/b/c.db", path.display());
    let store = Store::open(&deep).await.unwrap();
    store.migrate().await.unwrap();
    assert!(path.join("a/b/c.db").exists(), "missing folders are made");
    store.close().await;
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_named() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = unused.local_addr().unwrap().port();
    drop(unused);
    for (url, why) in [
        (
            format!("postgres://me:hunter2@127.0.0.1:{port}/x"),
            "check the host",
        ),
        (
            "postgres://me:hunter2@no-such-host.invalid/x".into(),
            "check the host",
        ),
    ] {
        let error = Store::open(&url).await.unwrap_err();
        let text = said(&error);
        assert!(matches!(error, StoreError::Open { .. }), "{error:?}");
        assert!(text.contains(why), "{text}");
        assert!(text.contains("postgres://me:***@"), "{text}");
        assert!(!text.contains("hunter2") && !format!("{error:?}").contains("hunter2"));
    }
}

#[tokio::test]
async fn a_server_that_refuses_says_why() {
    let Some(url) = postgres_url() else { return };
    let (start, rest) = url.split_once("://").unwrap();
    let (user, place) = rest.rsplit_once('@').unwrap();
    let name = user.split(':').next().unwrap();
    for (url, why) in [
        (
            format!("{start}://{name}:hunter2@{place}"),
            "check the user and the password",
        ),
        (
            format!("{start}://nobody:hunter2@{place}"),
            "check the user and the password",
        ),
        (
            with_database(&url, "no_such_database"),
            "create it or check the name",
        ),
    ] {
        let error = Store::open(&url).await.unwrap_err();
        let text = said(&error);
        assert!(text.contains(why), "{text}");
        let secret = url.split_once("://").unwrap().1.rsplit_once('@').unwrap().0;
        let secret = secret.split_once(':').unwrap().1;
        assert!(!text.contains(secret) && !format!("{error:?}").contains(secret));
    }
}

#[tokio::test]
async fn a_database_in_memory_works_like_a_file() {
    let store = Store::open("sqlite::memory:").await.unwrap();
    store.migrate().await.unwrap();
    let (_, target) = add(&store, URL).await;
    for n in 0..3 {
        file(
            &store,
            target,
            &Sample::oauth(URL).at(DAY_ONE.plus(n * DAY)),
        )
        .await;
    }
    consistent(&store).await;
}
