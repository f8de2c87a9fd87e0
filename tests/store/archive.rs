//! What is kept for years: every table is copied and described, migrations may come in any
//! order, what is old goes while changes and addresses of scans stay, and grading again tells
//! who moves. On both engines.

use std::collections::BTreeMap;
use std::sync::Arc;

use scanner::evidence::Evidence;
use scanner::grade::grade;
use scanner::report::{FindingVerdict, GradeLetter, Report};
use scanner::rubric;
use scanner::time::{FixedClock, Millis};
use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use store::{Mover, Page, Regraded, Regrading, RetentionPlan, Store};
use tokio::sync::watch;

use crate::db::{TestDb, execute, on_both_engines, postgres_url, with_database};
use crate::kit::{add, file};
use crate::report::{DAY, DAY_ONE, Manner, Sample};
use crate::schema::{climb_postgres, climb_sqlite, migrator, reads_the_samples, root, sample};

on_both_engines!(
    three_years_lose_no_change_and_no_scan,
    old_evidence_loses_its_addresses_once,
    movers_are_told_and_nothing_is_written_when_dry,
    a_limit_takes_the_newest_and_faults_take_nobody_along,
    grading_again_while_scans_are_filed,
);

/// Tables of a SQLite file with their numbers of rows; what SQLite and the migrator keep for
/// themselves left out.
async fn tables(file: &str) -> BTreeMap<String, i64> {
    let mut connection = SqliteConnection::connect(file).await.unwrap();
    let names: Vec<(String,)> = sqlx::query_as(
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' \
         AND name NOT LIKE 'sqlite%' AND name NOT LIKE '\\_sqlx%' ESCAPE '\\'",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    let mut out = BTreeMap::new();
    for (name,) in names {
        let sql = format!("SELECT COUNT(*) FROM \"{name}\"");
        let (rows,): (i64,) = sqlx::query_as(AssertSqlSafe(sql))
            .fetch_one(&mut connection)
            .await
            .unwrap();
        out.insert(name, rows);
    }
    connection.close().await.unwrap();
    out
}

/// The tables in which two SQLite files differ in any row.
async fn differing(one: &str, other: &str) -> Vec<String> {
    let names = tables(&format!("sqlite://{one}")).await;
    let mut connection = SqliteConnection::connect(&format!("sqlite://{one}"))
        .await
        .unwrap();
    let attach = format!("ATTACH '{other}' AS other");
    sqlx::query(AssertSqlSafe(attach))
        .execute(&mut connection)
        .await
        .unwrap();
    let mut out = Vec::new();
    for name in names.into_keys() {
        let sql = format!(
            "SELECT (SELECT COUNT(*) FROM (SELECT * FROM main.\"{name}\" EXCEPT \
             SELECT * FROM other.\"{name}\")) + (SELECT COUNT(*) FROM (SELECT * FROM \
             other.\"{name}\" EXCEPT SELECT * FROM main.\"{name}\"))"
        );
        let (rows,): (i64,) = sqlx::query_as(AssertSqlSafe(sql))
            .fetch_one(&mut connection)
            .await
            .unwrap();
        if rows > 0 {
            out.push(name);
        }
    }
    connection.close().await.unwrap();
    out
}

/// Rows for tables that the sample rows of migrations leave empty, the same text on both engines.
const REST: &str = "INSERT INTO dictionary (kind, bytes) SELECT 'sample', public_id FROM target; \
    INSERT INTO failing (ordinal, target) VALUES (0, 1); \
    INSERT INTO meter_host (day, hash) SELECT 20777, hash FROM opt_out; \
    INSERT INTO deeper (target, person, asked_at, until) SELECT 1, id, 1, 2 FROM person; \
    INSERT INTO private_result (target, person, at, report) SELECT 1, id, 1, '{}' FROM person; \
    INSERT INTO proof_log (at, host, person, method, outcome) \
    SELECT 1, 'sample.example', id, 'dns', 'proved' FROM person; \
    INSERT INTO refusal (target, at, reason) VALUES (1, 1, 'left out'); \
    INSERT INTO removal (host, asked_at) VALUES ('gone.example', 1); \
    INSERT INTO survey (target, version, operator) VALUES (1, 1, 'sample.example'); \
    INSERT INTO target_issuer (target, issuer, position) VALUES (1, 77, 0);";

/// A table that a migration adds has sample rows, is carried by backup and restore between the
/// engines, and is described.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_table_is_carried_and_described() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let path = |name: &str| at(name).display().to_string();
    climb_sqlite(&format!("sqlite://{}", path("first.db"))).await;
    let store = Store::open(&format!("sqlite://{}", path("first.db")))
        .await
        .unwrap();
    store.migrate().await.unwrap();
    let mut connection = SqliteConnection::connect(&format!("sqlite://{}", path("first.db")))
        .await
        .unwrap();
    sqlx::raw_sql(REST).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let found = tables(&format!("sqlite://{}", path("first.db"))).await;
    let empty: Vec<&String> = found
        .iter()
        .filter(|(_, rows)| **rows == 0)
        .map(|(name, _)| name)
        .collect();
    assert_eq!(
        empty, [""; 0],
        "give them rows in tests/fixtures/migrations"
    );
    let said = std::fs::read_to_string(root().join("docs/operations.md")).expect("a document");
    let untold: Vec<&String> = found
        .keys()
        .filter(|name| !said.contains(&format!("`{name}`")))
        .collect();
    assert_eq!(untold, [""; 0], "describe them in docs/operations.md");

    store.backup(&at("copy.db")).await.expect("a copy");
    store.close().await;
    assert_eq!(
        tables(&format!("sqlite://{}", path("copy.db"))).await,
        found
    );
    let url = format!("sqlite://{}", path("restored.db"));
    Store::restore(&at("copy.db"), &url)
        .await
        .expect("restored");
    assert_eq!(
        differing(&path("first.db"), &path("restored.db")).await,
        [""; 0]
    );
    let Some(postgres) = TestDb::postgres().await else {
        return;
    };
    Store::restore(&at("copy.db"), &postgres.url)
        .await
        .expect("restored");
    postgres.store.backup(&at("back.db")).await.expect("a copy");
    assert_eq!(
        tables(&format!("sqlite://{}", path("back.db"))).await,
        found
    );
    assert_eq!(
        differing(&path("first.db"), &path("back.db")).await,
        [""; 0]
    );
    postgres.remove().await;
}

/// Postgres' own sample rows are carried as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_table_of_postgres_is_carried() {
    let Some(admin) = postgres_url() else { return };
    let name = format!("carried_{}", std::process::id());
    execute(&admin, format!("CREATE DATABASE {name}")).await;
    let url = with_database(&admin, &name);
    climb_postgres(&url).await;
    let store = Store::open(&url).await.unwrap();
    store.migrate().await.unwrap();
    execute(&url, REST.to_owned()).await;
    let folder = tempfile::tempdir().expect("a folder");
    let copy = folder.path().join("copy.db");
    store.backup(&copy).await.expect("a copy");
    store.close().await;
    let found = tables(&format!("sqlite://{}", copy.display())).await;
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let names: Vec<(String,)> = sqlx::query_as(
        "SELECT table_name::text FROM information_schema.tables \
         WHERE table_schema = 'public' AND table_name NOT LIKE '\\_sqlx%'",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    assert_eq!(names.len(), found.len());
    for (name,) in names {
        let sql = format!("SELECT COUNT(*) FROM \"{name}\"");
        let (rows,): (i64,) = sqlx::query_as(AssertSqlSafe(sql))
            .fetch_one(&mut connection)
            .await
            .unwrap();
        assert_eq!(found.get(&name), Some(&rows), "{name}");
    }
    connection.close().await.unwrap();
    execute(&admin, format!("DROP DATABASE {name} WITH (FORCE)")).await;
}

/// The migrations of one release, and one later one alone: as when work on several of them is
/// put together in another order than their numbers.
async fn released_and(engine: &str, later: i64) -> Migrator {
    let all = migrator(engine).await;
    let some = all
        .iter()
        .filter(|one| one.version <= 2 || one.version == later);
    Migrator::with_migrations(some.cloned().collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn migrations_may_come_out_of_order() {
    let versions: Vec<i64> = migrator("sqlite")
        .await
        .iter()
        .map(|one| one.version)
        .collect();
    let later: Vec<i64> = versions
        .into_iter()
        .filter(|version| *version > 2)
        .collect();
    assert!(!later.is_empty());
    for version in later.clone() {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite://{}/x.db", folder.path().display());
        let mut connection = SqliteConnection::connect(&format!("{url}?mode=rwc"))
            .await
            .unwrap();
        let some = released_and("sqlite", version).await;
        for released in [1, 2] {
            some.run_to(released, &mut connection).await.unwrap();
            let rows = sample("sqlite", released);
            sqlx::raw_sql(AssertSqlSafe(rows))
                .execute(&mut connection)
                .await
                .unwrap();
        }
        some.run(&mut connection).await.expect("it stands alone");
        connection.close().await.unwrap();
        let store = Store::open(&url).await.unwrap();
        let state = store.migration_state().await.unwrap();
        let applied = state.known.iter().filter(|(_, applied)| *applied).count();
        assert_eq!((applied, state.unknown.len()), (3, 0));
        store.migrate().await.expect("the others follow");
        store.close().await;
        let mut connection = SqliteConnection::connect(&url).await.unwrap();
        for other in &later {
            let rows = sample("sqlite", *other);
            sqlx::raw_sql(AssertSqlSafe(rows))
                .execute(&mut connection)
                .await
                .unwrap();
        }
        connection.close().await.unwrap();
        reads_the_samples(&url).await;

        let Some(admin) = postgres_url() else {
            continue;
        };
        let name = format!("order_{version}_{}", std::process::id());
        execute(&admin, format!("CREATE DATABASE {name}")).await;
        let url = with_database(&admin, &name);
        let mut connection = PgConnection::connect(&url).await.unwrap();
        let some = released_and("postgres", version).await;
        for released in [1, 2] {
            some.run_to(released, &mut connection).await.unwrap();
            let rows = sample("postgres", released);
            sqlx::raw_sql(AssertSqlSafe(rows))
                .execute(&mut connection)
                .await
                .unwrap();
        }
        some.run(&mut connection).await.expect("it stands alone");
        connection.close().await.unwrap();
        let store = Store::open(&url).await.unwrap();
        store.migrate().await.expect("the others follow");
        store.close().await;
        for other in &later {
            execute(&url, sample("postgres", *other)).await;
        }
        reads_the_samples(&url).await;
        execute(&admin, format!("DROP DATABASE {name} WITH (FORCE)")).await;
    }
}

#[tokio::test]
async fn a_database_without_a_schema_has_none_applied() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite://{}/x.db", folder.path().display());
    let store = Store::open(&url).await.unwrap();
    let state = store.migration_state().await.unwrap();
    assert!(state.known.iter().all(|(_, applied)| !applied));
    let again = store.migration_state().await.unwrap();
    assert_eq!(again, state, "looking writes nothing");
    store.migrate().await.unwrap();
    let state = store.migration_state().await.unwrap();
    assert!(state.known.iter().all(|(_, applied)| *applied));
    store.close().await;
}

fn has_addresses(evidence: &Evidence) -> bool {
    *evidence != evidence.clone().without_peers()
}

/// Scans of each server in three years.
const STEPS: i64 = 39;

/// A virtual clock goes through three years: one server stays as it is, one changes now and
/// then, one comes and goes. Each step is four weeks, with the pass over what is old behind it.
async fn three_years_lose_no_change_and_no_scan(db: &TestDb) {
    let mut servers = Vec::new();
    for name in ["steady", "changing", "absent"] {
        servers.push(add(&db.store, &format!("https://{name}.example/mcp")).await);
    }
    let (_running, stop) = watch::channel(false);
    let mut scans: Vec<(String, Millis, Option<GradeLetter>)> = Vec::new();
    let mut feed = Vec::new();
    for step in 0..STEPS {
        let at = DAY_ONE.plus(step * 28 * DAY);
        for (place, (_, target)) in servers.iter().enumerate() {
            let url =
                ["steady", "changing", "absent"].map(|name| format!("https://{name}.example/mcp"));
            let sample = Sample::oauth(&url[place]).at(at);
            let sample = match place {
                1 if step % 6 >= 3 => sample.without_pkce(),
                2 if step % 10 >= 8 => sample.manner(Manner::Down),
                _ => sample,
            };
            let (_, report) = sample.graded();
            let filed = file(&db.store, *target, &sample).await;
            scans.push((filed.scan, at, report.grade.letter));
        }
        let plan = RetentionPlan::at(at.plus(DAY));
        let would = db.store.would_retain(&plan, &stop).await.unwrap();
        let done = db.store.retain(&plan, &stop).await.unwrap();
        assert_eq!(done, would, "step {step}");
        assert_eq!(done.unreadable, 0);
        let now = db.store.changes(0, 1_000).await.unwrap();
        assert_eq!(
            now[..feed.len()],
            feed[..],
            "step {step}: the feed only grows"
        );
        feed = now;
    }
    assert!(feed.len() > 20, "{} changes", feed.len());
    // A year without a scan: nothing but addresses goes.
    let end = DAY_ONE.plus(STEPS * 28 * DAY + 365 * DAY);
    let done = db
        .store
        .retain(&RetentionPlan::at(end), &stop)
        .await
        .unwrap();
    assert_eq!(done.scans, 2, "the newest scans of those that answered");
    assert_eq!(db.store.changes(0, 1_000).await.unwrap(), feed);
    for (scan, at, letter) in &scans {
        let row = db
            .store
            .scan(scan)
            .await
            .unwrap()
            .expect("its address works");
        assert_eq!(row.at, *at);
        let evidence = db
            .store
            .evidence(scan)
            .await
            .unwrap()
            .expect("its evidence");
        assert_eq!(evidence.started, *at);
        assert!(!has_addresses(&evidence));
        let report = db
            .store
            .report(scan, None)
            .await
            .unwrap()
            .expect("its report");
        assert_eq!(
            (&report.grade.letter, report.scan.as_ref()),
            (letter, Some(scan))
        );
    }
    for change in &feed {
        let all: Vec<&String> = scans.iter().map(|(scan, ..)| scan).collect();
        assert!(all.contains(&&change.scan));
    }
    for (server, _) in &servers {
        let scans = db.store.latest_scans(server, 1_000).await.unwrap();
        assert_eq!(scans.len(), 39);
    }
}

async fn old_evidence_loses_its_addresses_once(db: &TestDb) {
    let (_, target) = add(&db.store, "https://a.example/mcp").await;
    let scan = file(&db.store, target, &Sample::oauth("https://a.example/mcp"))
        .await
        .scan;
    // As an early version might have filed it: whole, in the place of what lasts.
    db.execute(
        "UPDATE evidence SET dictionary = (SELECT dictionary FROM newest), \
         bytes = (SELECT bytes FROM newest)",
    )
    .await;
    let later = Sample::oauth("https://a.example/mcp").at(DAY_ONE.plus(DAY));
    file(&db.store, target, &later).await;
    let seen = || async { db.store.evidence(&scan).await.unwrap().expect("evidence") };
    assert!(has_addresses(&seen().await));
    let (_running, stop) = watch::channel(false);
    let plan = RetentionPlan::at(DAY_ONE.plus(DAY));
    assert_eq!(
        db.store.would_retain(&plan, &stop).await.unwrap().lasting,
        1
    );
    assert!(has_addresses(&seen().await), "nothing was written");
    assert_eq!(db.store.retain(&plan, &stop).await.unwrap().lasting, 1);
    assert!(!has_addresses(&seen().await));
    assert_eq!(db.store.retain(&plan, &stop).await.unwrap().lasting, 0);
}

/// A rubric that came later: PKCE that is announced fails.
fn strict(evidence: &Evidence) -> Report {
    let mut report = grade(evidence, rubric::current());
    report.grade.rubric = "2099.1".into();
    for finding in &mut report.findings {
        if finding.check == "pkce-advertised" && finding.verdict == FindingVerdict::Pass {
            finding.verdict = FindingVerdict::Fail;
            report.grade.letter = Some(GradeLetter::F);
        }
    }
    report
}

fn regrading(grade: fn(&Evidence) -> Report) -> Regrading<'static> {
    Regrading {
        rubric: "2099.1",
        grade: Arc::new(grade),
        current: true,
        limit: None,
        graders: Some(2),
        dry: false,
    }
}

async fn graded(store: &Store, regrading: &Regrading<'_>) -> (Regraded, Vec<Mover>) {
    let movers = std::sync::Mutex::new(Vec::new());
    let clock = FixedClock::new(DAY_ONE.plus(9 * DAY));
    let (_running, stop) = watch::channel(false);
    let done = store::regrade_telling(store, regrading, &clock, &stop, &|_, mover| {
        movers.lock().unwrap().extend(mover.cloned());
    })
    .await
    .unwrap();
    let mut movers = movers.into_inner().unwrap();
    movers.sort_by(|a, b| a.url.cmp(&b.url));
    (done, movers)
}

/// Servers with one stretch each; every third one has no PKCE.
async fn servers(db: &TestDb, n: usize) {
    for n in 0..n {
        let url = format!("https://s{n:03}.example/mcp");
        let (_, target) = add(&db.store, &url).await;
        let sample = Sample::oauth(&url);
        let sample = if n % 3 == 2 {
            sample.without_pkce()
        } else {
            sample
        };
        file(&db.store, target, &sample).await;
    }
}

async fn movers_are_told_and_nothing_is_written_when_dry(db: &TestDb) {
    servers(db, 9).await;
    let before = db.store.latest_changes(100).await.unwrap();
    let generation = db.store.generation().await.unwrap();
    let dry = Regrading {
        dry: true,
        ..regrading(strict)
    };
    let (done, movers) = graded(&db.store, &dry).await;
    assert_eq!((done.added, done.moved, done.unreadable), (9, 6, 0));
    assert_eq!(movers.len(), 6);
    assert_eq!(movers[0].after.as_deref(), Some("F"));
    let checks: Vec<_> = movers[0]
        .checks
        .iter()
        .map(|one| (one.check.as_str(), one.before.as_str(), one.after.as_str()))
        .collect();
    assert_eq!(checks, [("pkce-advertised", "pass", "fail")]);
    assert_eq!(db.store.ungraded_count("2099.1").await.unwrap(), 9);
    assert_eq!(db.store.generation().await.unwrap(), generation);
    assert_eq!(db.store.latest_changes(100).await.unwrap(), before);

    let (wet, told) = graded(&db.store, &regrading(strict)).await;
    assert_eq!((wet, &told), (done, &movers), "what was foretold");
    assert_eq!(db.store.ungraded_count("2099.1").await.unwrap(), 0);
    let changes = db.store.latest_changes(100).await.unwrap();
    let moved = changes.iter().filter(|one| one.cause == "rubric").count();
    assert_eq!(moved, 6);
    let facets = db.store.facets().await.unwrap().letters;
    assert!(facets.contains(&("F".to_owned(), 6)), "{facets:?}");
    let seqs: Vec<i64> = db
        .store
        .changes(0, 100)
        .await
        .unwrap()
        .iter()
        .map(|one| one.seq)
        .collect();
    let gapless: Vec<i64> = (1..=i64::try_from(seqs.len()).unwrap()).collect();
    assert_eq!(seqs, gapless);
}

async fn a_limit_takes_the_newest_and_faults_take_nobody_along(db: &TestDb) {
    servers(db, 9).await;
    let limited = Regrading {
        limit: Some(4),
        ..regrading(strict)
    };
    let (done, _) = graded(&db.store, &limited).await;
    assert_eq!(done.added, 4);
    let left = db
        .store
        .ungraded("2099.1", &Page::first(9))
        .await
        .unwrap()
        .rows;
    assert_eq!(left.len(), 5);
    let oldest = db.store.scan(&left[4].scan).await.unwrap().expect("a scan");
    assert_eq!(oldest.server.url, "https://s000.example/mcp");
    // One grader falls over, one piece of evidence is damaged; the other three are graded.
    db.execute("DELETE FROM newest").await;
    db.execute(
        "UPDATE evidence SET bytes = hash WHERE id = (SELECT evidence FROM run r \
        JOIN target t ON t.run = r.id WHERE t.url = 'https://s000.example/mcp')",
    )
    .await;
    fn fragile(evidence: &Evidence) -> Report {
        assert!(
            !evidence.target.url.contains("s001"),
            "a grader that falls over"
        );
        strict(evidence)
    }
    let (done, _) = graded(&db.store, &regrading(fragile)).await;
    assert_eq!((done.added, done.unreadable), (3, 2));
    let (done, _) = graded(&db.store, &regrading(strict)).await;
    assert_eq!((done.added, done.unreadable), (1, 1));
}

async fn grading_again_while_scans_are_filed(db: &TestDb) {
    servers(db, 40).await;
    let writing = async {
        for n in (0..40).rev() {
            let url = format!("https://s{n:03}.example/mcp");
            let server = db.store.server_by_url(&url).await.unwrap().unwrap();
            let (target, _) = db.store.target_of(&server.id).await.unwrap().unwrap();
            file(
                &db.store,
                target,
                &Sample::oauth(&url).at(DAY_ONE.plus(DAY)),
            )
            .await;
        }
    };
    let again = regrading(strict);
    let ((done, _), ()) = tokio::join!(graded(&db.store, &again), writing);
    assert!(done.added >= 40, "{done:?}");
    // Whatever came in between is graded by the next call, and then all is.
    graded(&db.store, &again).await;
    assert_eq!(db.store.ungraded_count("2099.1").await.unwrap(), 0);
    let totals = db.store.totals(DAY_ONE).await.unwrap();
    assert_eq!((totals.servers, totals.scans), (40, 80));
}
