//! Copies of the database and what is known to be true of them, on both engines.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use scanner::grade::grade;
use scanner::report::{FindingVerdict, Report};
use scanner::rubric;
use scanner::time::Millis;
use sqlx::{Connection, Executor, SqliteConnection};
use store::{Examined, Grade, Page, RetentionPlan, Store, TargetFilter};
use tempfile::TempDir;
use tokio::sync::watch;

use crate::db::{TestDb, on_both_engines};
use crate::kit::{add, file};
use crate::report::{DAY, DAY_ONE, Manner, Sample};

on_both_engines!(
    a_copy_holds_what_was_there_and_is_served,
    a_copy_is_made_while_others_write,
    a_copy_goes_back_into_either_engine,
    nothing_is_overwritten,
    grading_again_comes_out_the_same,
    addresses_and_notes_of_jobs_go_when_they_are_old,
    walks_reach_everything_once,
);

fn judging() -> Grade {
    Arc::new(|evidence| grade(evidence, rubric::current()))
}

/// A few servers with stretches, changes and repeated scans.
async fn filled(db: &TestDb) {
    for n in 0..5_i64 {
        let url = format!("https://s{n}.example/mcp");
        let (_, target) = add(&db.store, &url).await;
        let first = Sample::oauth(&url);
        file(&db.store, target, &first).await;
        file(&db.store, target, &first.clone().at(DAY_ONE.plus(DAY))).await;
        let other = if n == 4 {
            first.manner(Manner::Open)
        } else {
            first.without_pkce()
        };
        file(&db.store, target, &other.at(DAY_ONE.plus(2 * DAY))).await;
    }
}

fn place(name: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    (folder, path)
}

async fn examined(copy: &Path) -> Examined {
    let store = Store::open_copy(copy).await.expect("it opens");
    let found = store
        .examine(rubric::current().version, &judging(), 100)
        .await
        .expect("it can be read");
    store.close().await;
    found
}

/// Every scan with its evidence and report, every server and change: what addresses show.
async fn shown(store: &Store) -> Vec<String> {
    let mut out = Vec::new();
    let list = store
        .servers(&TargetFilter::default(), &Page::first(100))
        .await
        .unwrap();
    for server in list.rows {
        for (scan, _) in store.latest_scans(&server.id, 100).await.unwrap() {
            let evidence = store.evidence(&scan).await.unwrap().expect("evidence");
            let report = store.report(&scan, None).await.unwrap().expect("a report");
            out.push(format!("{scan} {:?} {:?}", evidence, report));
        }
        out.push(format!("{server:?}"));
    }
    for change in store.changes(0, 1_000).await.unwrap() {
        out.push(format!("{change:?}"));
    }
    let totals = store.totals(DAY_ONE).await.unwrap();
    out.push(format!("{totals:?}"));
    out
}

async fn a_copy_holds_what_was_there_and_is_served(db: &TestDb) {
    filled(db).await;
    let (folder, copy) = place("copy.db");
    db.store.backup(&copy).await.expect("a copy");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&copy).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let names = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(names, 1, "nothing but the copy is left");
    let found = examined(&copy).await;
    assert_eq!(found.faults, [""; 0]);
    assert_eq!(found.behind, [""; 0]);
    assert_eq!(
        found.counts[..4],
        [
            ("servers", 5),
            ("listings", 5),
            ("scans", 15),
            ("stretches", 10)
        ]
    );
    assert_eq!((found.sample.graded, found.sample.renormalised), (10, 0));
    // The file is a database that can be served as it is.
    let served = Store::open(&format!("sqlite://{}", copy.display()))
        .await
        .unwrap();
    served.migrate().await.unwrap();
    assert_eq!(shown(&served).await, shown(&db.store).await);
    let found = TargetFilter {
        q: Some("s3.exam".into()),
        ..TargetFilter::default()
    };
    let found = served.servers(&found, &Page::first(9)).await.unwrap();
    assert_eq!(found.rows.len(), 1, "search knows the copied rows");
    served.close().await;
}

async fn a_copy_is_made_while_others_write(db: &TestDb) {
    filled(db).await;
    let (_folder, copy) = place("copy.db");
    let (_, target) = add(&db.store, "https://busy.example/mcp").await;
    let writing = async {
        for n in 0..20 {
            let sample = Sample::oauth("https://busy.example/mcp").at(DAY_ONE.plus(n * DAY));
            file(&db.store, target, &sample).await;
        }
    };
    let (done, ()) = tokio::join!(db.store.backup(&copy), writing);
    done.expect("a copy");
    assert_eq!(examined(&copy).await.faults, [""; 0]);
    assert_eq!(db.store.totals(DAY_ONE).await.unwrap().scans, 35);
}

async fn a_copy_goes_back_into_either_engine(db: &TestDb) {
    filled(db).await;
    let before = shown(&db.store).await;
    let (_folder, copy) = place("copy.db");
    db.store.backup(&copy).await.expect("a copy");

    let (_other, there) = place("deep/restored.db");
    let url = format!("sqlite://{}", there.display());
    Store::restore(&copy, &url).await.expect("restored");
    goes_on(&url, &before).await;
    let again = Store::restore(&copy, &url).await.unwrap_err().to_string();
    assert!(again.contains("it exists"), "{again}");

    let Some(postgres) = TestDb::postgres().await else {
        return;
    };
    Store::restore(&copy, &postgres.url)
        .await
        .expect("restored");
    goes_on(&postgres.url, &before).await;
    let again = Store::restore(&copy, &postgres.url)
        .await
        .unwrap_err()
        .to_string();
    assert!(again.contains("has servers already"), "{again}");
    postgres.remove().await;
}

/// A restored database shows the same, and new rows find their numbers.
async fn goes_on(url: &str, before: &[String]) {
    let store = Store::open(url).await.unwrap();
    store.migrate().await.unwrap();
    assert_eq!(shown(&store).await, before);
    let (_, target) = add(&store, "https://new.example/mcp").await;
    let sample = Sample::oauth("https://new.example/mcp").at(DAY_ONE.plus(9 * DAY));
    assert!(file(&store, target, &sample).await.first);
    store.close().await;
}

async fn nothing_is_overwritten(db: &TestDb) {
    let (folder, copy) = place("copy.db");
    std::fs::write(&copy, "somebody's").unwrap();
    let error = db.store.backup(&copy).await.unwrap_err().to_string();
    assert!(
        error.ends_with("copy.db: it exists; name another file"),
        "{error}"
    );
    assert_eq!(std::fs::read(&copy).unwrap(), b"somebody's");
    let part = folder.path().join("other.db.part");
    std::fs::write(&part, "another backup").unwrap();
    let error = db.store.backup(&folder.path().join("other.db")).await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("other.db.part: it exists"), "{error}");
    assert_eq!(std::fs::read(&part).unwrap(), b"another backup");
    let nowhere = db.store.backup(&folder.path().join("none/copy.db")).await;
    assert!(nowhere.unwrap_err().to_string().contains("none/copy.db"));
}

/// Changes a copy behind everybody's back.
async fn tampered(sql: &'static str) -> Examined {
    let db = TestDb::sqlite().await;
    filled(&db).await;
    let (_folder, copy) = place("copy.db");
    db.store.backup(&copy).await.expect("a copy");
    let url = format!("sqlite://{}", copy.display());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    connection
        .execute("PRAGMA foreign_keys = OFF")
        .await
        .unwrap();
    connection.execute(sqlx::raw_sql(sql)).await.unwrap();
    connection.close().await.unwrap();
    db.remove().await;
    examined(&copy).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_examination_names_what_is_wrong() {
    for (sql, said) in [
        (
            "UPDATE run SET n = n + 1 WHERE id = 1",
            "1 stretches have another number",
        ),
        (
            "DELETE FROM evidence",
            "rows refer to rows that are not there",
        ),
        (
            "UPDATE evidence SET bytes = x'00'",
            "sampled scans cannot be read",
        ),
        (
            "UPDATE run SET evidence = (SELECT evidence FROM run WHERE id = 2) WHERE id = 1; \
             DELETE FROM newest",
            "graded again, the verdict was",
        ),
        (
            "DELETE FROM report WHERE run = 1",
            "1 stretches have no report",
        ),
        (
            "INSERT INTO _sqlx_migrations VALUES (9999, 'later', 0, 1, x'00', 0)",
            "newer program (migrations [9999])",
        ),
    ] {
        let faults = tampered(sql).await.faults;
        assert!(
            faults.iter().any(|fault| fault.contains(said)),
            "{sql}: {faults:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_and_foreign_files_are_no_copies() {
    let (folder, copy) = place("copy.db");
    let missing = Store::open_copy(&copy).await.unwrap_err().to_string();
    assert!(missing.contains("No such file"), "{missing}");
    std::fs::write(&copy, "").unwrap();
    let empty = Store::open_copy(&copy).await.unwrap_err().to_string();
    assert!(empty.contains("it is empty"), "{empty}");
    std::fs::write(&copy, "not a database at all, but long enough".repeat(99)).unwrap();
    let foreign = match Store::open_copy(&copy).await {
        Ok(store) => store
            .examine("2026.1", &judging(), 1)
            .await
            .unwrap_err()
            .to_string(),
        Err(error) => error.to_string(),
    };
    assert!(foreign.contains("not a "), "{foreign}");
    drop(folder);
}

async fn grading_again_comes_out_the_same(db: &TestDb) {
    filled(db).await;
    let (_running, stop) = watch::channel(false);
    let version = rubric::current().version;
    let mut graded = 0;
    for turn in 0..3 {
        let found = store::grade_again(&db.store, version, &judging(), (turn, 3), &stop)
            .await
            .unwrap();
        assert_eq!((found.different, found.unreadable), (0, 0), "{found:?}");
        graded += found.graded;
    }
    assert_eq!(graded, 10, "each stretch has its turn once");

    // A verdict that changed without a new rubric.
    let changed: Grade = Arc::new(|evidence| {
        let mut report = grade(evidence, rubric::current());
        report.findings[0].verdict = match report.findings[0].verdict {
            FindingVerdict::Fail => FindingVerdict::Pass,
            _ => FindingVerdict::Fail,
        };
        report
    });
    let found = store::grade_again(&db.store, version, &changed, (0, 1), &stop)
        .await
        .unwrap();
    assert_eq!(found.different, 10);
    assert!(
        found.differing[0].why.starts_with("the verdict was "),
        "{found:?}"
    );

    // A grader that looks at something else than the evidence.
    let calls = AtomicU32::new(0);
    let moody: Grade = Arc::new(move |evidence| -> Report {
        let mut report = grade(evidence, rubric::current());
        report.duration_ms = calls.fetch_add(1, Ordering::Relaxed);
        report
    });
    let found = store::grade_again(&db.store, version, &moody, (0, 1), &stop)
        .await
        .unwrap();
    assert_eq!(found.different, 10);
    assert!(found.differing[0].why.contains("two reports"), "{found:?}");

    let (stopping, stop) = watch::channel(true);
    let found = store::grade_again(&db.store, version, &judging(), (0, 1), &stop)
        .await
        .unwrap();
    assert_eq!(found.graded, 0);
    drop(stopping);
}

/// Whether the newest scan of a server still tells who answered.
async fn tells_addresses(db: &TestDb, scan: &str) -> bool {
    let evidence = db.store.evidence(scan).await.unwrap().expect("evidence");
    evidence != evidence.clone().without_peers()
}

async fn addresses_and_notes_of_jobs_go_when_they_are_old(db: &TestDb) {
    let mut scans = Vec::new();
    for n in 0..3_i64 {
        let url = format!("https://s{n}.example/mcp");
        let (_, target) = add(&db.store, &url).await;
        let sample = Sample::oauth(&url).at(DAY_ONE.plus(n * DAY));
        scans.push(file(&db.store, target, &sample).await.scan);
    }
    for (name, day) in [("gone", 0), ("running", 2)] {
        let at = DAY_ONE.plus(day * DAY);
        assert!(
            db.store
                .job_claim(name, at, at, at.plus(DAY))
                .await
                .unwrap()
        );
        if name == "gone" {
            db.store.job_done(name, at, true, "", at).await.unwrap();
        }
    }
    let jobs = || async {
        let rows = db.store.jobs().await.unwrap();
        rows.into_iter().map(|row| row.name).collect::<Vec<_>>()
    };
    let before = db.store.report(&scans[0], None).await.unwrap();
    let (_running, stop) = watch::channel(false);
    let pass = |day: i64| {
        let plan = RetentionPlan::at(DAY_ONE.plus(day * DAY));
        let (store, stop) = (db.store.clone(), stop.clone());
        async move { store.retain(&plan, &stop).await.unwrap() }
    };
    let done = pass(30).await;
    assert_eq!(
        (done.scans, done.jobs),
        (0, 0),
        "30 days are not over 30 days"
    );
    assert!(tells_addresses(db, &scans[0]).await);
    let done = pass(32).await;
    assert_eq!((done.scans, done.jobs), (2, 1));
    assert!(!tells_addresses(db, &scans[0]).await);
    assert!(!tells_addresses(db, &scans[1]).await);
    assert!(tells_addresses(db, &scans[2]).await, "it is younger");
    assert_eq!(jobs().await, ["running"], "what has not ended is kept");
    let done = pass(32).await;
    assert_eq!((done.scans, done.jobs), (0, 0), "each once");
    assert_eq!(pass(90).await.scans, 1);
    let after = db.store.report(&scans[0], None).await.unwrap();
    assert_eq!(after, before, "reports stay");
    let again = store::grade_again(
        &db.store,
        rubric::current().version,
        &judging(),
        (0, 1),
        &stop,
    )
    .await
    .unwrap();
    assert_eq!(
        (again.graded, again.different, again.renormalised),
        (3, 0, 0)
    );
}

async fn walks_reach_everything_once(db: &TestDb) {
    filled(db).await;
    let mut scans = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = db.store.scan_lines(after.as_deref(), Millis(0), 4).await;
        let page = page.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.scan.clone());
        scans.extend(page);
    }
    assert_eq!(scans.len(), 15);
    assert!(scans.windows(2).all(|two| two[0].scan < two[1].scan));
    assert_eq!(scans.iter().filter(|one| one.same_as.is_some()).count(), 5);
    let since = DAY_ONE.plus(2 * DAY);
    let late = db.store.scan_lines(None, since, 1_000).await.unwrap();
    assert_eq!(late.len(), 5, "the first instant counts");
    for line in late {
        let row = db.store.scan(&line.scan).await.unwrap().expect("a scan");
        assert_eq!((row.server.id, row.at), (line.server, line.at));
        assert_eq!(row.server.letter, line.letter);
    }

    let mut stretches = Vec::new();
    let mut after = 0;
    loop {
        let page = db.store.stretch_lines(after, Millis(0), 3).await.unwrap();
        let Some(last) = page.last() else { break };
        after = last.position;
        stretches.extend(page);
    }
    let scans: i64 = stretches.iter().map(|stretch| stretch.n).sum();
    assert_eq!((stretches.len(), scans), (10, 15));
    let late = db.store.stretch_lines(0, since, 1_000).await.unwrap();
    assert_eq!(late.len(), 5, "by when they were last seen");
    let mut shown = db.store.shown_stretch_lines(0, 3).await.unwrap();
    let rest = db.store.shown_stretch_lines(shown[2].position, 1_000).await;
    shown.extend(rest.unwrap());
    assert_eq!(shown.len(), 5, "one for each server");
    for line in shown {
        let server = db.store.server(&line.server).await.unwrap().unwrap();
        assert_eq!(server.last_scan, Some(line.last_scan));
    }

    let version = rubric::current().version;
    assert_eq!(db.store.ungraded_count(version).await.unwrap(), 0);
    assert_eq!(db.store.ungraded_count("2099.1").await.unwrap(), 10);
}

#[tokio::test]
async fn an_existing_database_is_opened_and_none_is_made() {
    let db = TestDb::sqlite().await;
    let opened = Store::open_existing(&db.url).await.expect("it is there");
    assert_eq!(opened.migrations_pending().await.unwrap(), [""; 0]);
    opened.close().await;
    let (folder, missing) = place("none.db");
    let url = format!("sqlite://{}", missing.display());
    let error = Store::open_existing(&url).await.unwrap_err().to_string();
    assert!(error.contains("there is no such file"), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    db.remove().await;
}
