//! The schema: equal on both engines, and reachable from every version with its data.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sqlx::migrate::Migrator;
use sqlx::{Connection, PgConnection, SqliteConnection};
use store::{Page, Store, TargetFilter};

use crate::db::{TestDb, execute, postgres_url, with_database};
use crate::kit::add;
use crate::report::{DAY, DAY_ONE};

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Names of the files in a folder, sorted.
fn files(folder: &str) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(root().join(folder))
        .expect("a folder")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("a name")
        })
        .collect();
    names.sort();
    names
}

#[test]
fn migrations_come_in_pairs_with_samples() {
    let sqlite = files("migrations/sqlite");
    assert_eq!(sqlite, files("migrations/postgres"));
    let samples: Vec<String> = sqlite
        .iter()
        .map(|name| format!("{}.sql", &name[..4]))
        .collect();
    assert_eq!(files("tests/fixtures/migrations/sqlite"), samples);
    assert_eq!(files("tests/fixtures/migrations/postgres"), samples);
}

/// The program embeds every migration that is in the folders, as it is there.
#[tokio::test]
async fn every_migration_is_embedded() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite://{}/x.db", folder.path().display());
    let store = Store::open(&url).await.expect("a file");
    let names: Vec<String> = files("migrations/sqlite")
        .iter()
        .map(|name| name.trim_end_matches(".sql").to_owned())
        .collect();
    assert_eq!(store.migrations_pending().await.unwrap(), names);
    store.migrate().await.unwrap();
    assert_eq!(store.migrations_pending().await.unwrap(), [""; 0]);
    store.migrate().await.expect("twice is harmless");
    // The files on disk are those that were applied: their digests are compared here.
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    migrator("sqlite").await.run(&mut connection).await.unwrap();
    store.close().await;
}

pub(crate) async fn migrator(engine: &str) -> Migrator {
    Migrator::new(root().join("migrations").join(engine))
        .await
        .expect("migrations")
}

/// Columns by table, in order.
type Columns = BTreeMap<String, Vec<String>>;

fn collect(rows: Vec<(String, String)>) -> Columns {
    let mut out = Columns::new();
    for (table, column) in rows {
        if !table.starts_with("search") && !table.starts_with('_') {
            out.entry(table).or_default().push(column);
        }
    }
    out
}

#[tokio::test]
async fn both_engines_have_the_same_tables_and_columns() {
    let Some(postgres) = TestDb::postgres().await else {
        return;
    };
    let sqlite = TestDb::sqlite().await;
    let mut connection = SqliteConnection::connect(&sqlite.url).await.unwrap();
    let rows = sqlx::query_as(
        "SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c \
         WHERE m.type = 'table' ORDER BY m.name, c.cid",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    let ours = collect(rows);
    let mut connection = PgConnection::connect(&postgres.url).await.unwrap();
    let rows = sqlx::query_as(
        "SELECT table_name::text, column_name::text FROM information_schema.columns \
         WHERE table_schema = 'public' ORDER BY table_name, ordinal_position",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    connection.close().await.unwrap();
    assert_eq!(ours, collect(rows));
    assert!(ours.len() >= 14, "{ours:?}");
    postgres.remove().await;
    sqlite.remove().await;
}

#[tokio::test]
async fn tables_are_strict_and_whole_numbers_wide() {
    let sqlite = TestDb::sqlite().await;
    let mut connection = SqliteConnection::connect(&sqlite.url).await.unwrap();
    let loose: Vec<(String,)> = sqlx::query_as(
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' \
         AND strict = 0 AND name NOT LIKE 'sqlite%' AND name NOT LIKE '\\_sqlx%' ESCAPE '\\'",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    assert_eq!(loose, []);
    sqlite.remove().await;
    let Some(postgres) = TestDb::postgres().await else {
        return;
    };
    let mut connection = PgConnection::connect(&postgres.url).await.unwrap();
    let narrow: Vec<(String, String)> = sqlx::query_as(
        "SELECT table_name::text, column_name::text FROM information_schema.columns \
         WHERE table_schema = 'public' AND table_name <> '_sqlx_migrations' \
         AND data_type NOT IN ('bigint', 'text', 'bytea', 'boolean')",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    assert_eq!(narrow, []);
    connection.close().await.unwrap();
    postgres.remove().await;
}

/// Applies every migration, each followed by the sample data of its version.
pub(crate) async fn climb_sqlite(url: &str) {
    let mut connection = SqliteConnection::connect(&format!("{url}?mode=rwc"))
        .await
        .unwrap();
    let migrator = migrator("sqlite").await;
    for migration in migrator.iter() {
        migrator
            .run_to(migration.version, &mut connection)
            .await
            .unwrap();
        let sample = sample("sqlite", migration.version);
        sqlx::raw_sql(sqlx::AssertSqlSafe(sample))
            .execute(&mut connection)
            .await
            .expect("sample rows of this version");
    }
    connection.close().await.unwrap();
}

pub(crate) async fn climb_postgres(url: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let migrator = migrator("postgres").await;
    for migration in migrator.iter() {
        migrator
            .run_to(migration.version, &mut connection)
            .await
            .unwrap();
        let sample = sample("postgres", migration.version);
        sqlx::raw_sql(sqlx::AssertSqlSafe(sample))
            .execute(&mut connection)
            .await
            .expect("sample rows of this version");
    }
    connection.close().await.unwrap();
}

pub(crate) fn sample(engine: &str, version: i64) -> String {
    let path = format!("tests/fixtures/migrations/{engine}/{version:04}.sql");
    std::fs::read_to_string(root().join(path)).expect("a sample")
}

/// The sample rows are still there, and the store goes on from them.
pub(crate) async fn reads_the_samples(url: &str) {
    let store = Store::open(url).await.unwrap();
    store.migrate().await.unwrap();
    assert_eq!(store.migrations_pending().await.unwrap(), [""; 0]);
    let list = store
        .servers(&TargetFilter::default(), &Page::first(10))
        .await
        .unwrap();
    let server = &list.rows[0];
    assert_eq!(server.url, "https://sample.example/mcp");
    assert_eq!(server.scans, 2);
    let scans = store.latest_scans(&server.id, 9).await.unwrap();
    assert_eq!(scans.len(), 2);
    for (scan, at) in &scans {
        let evidence = store.evidence(scan).await.unwrap().expect("evidence");
        assert_eq!(evidence.started, *at);
        let report = store.report(scan, None).await.unwrap().expect("a report");
        assert_eq!(report.target.url, server.url);
    }
    let run = &store
        .history(&server.id, &Page::first(9))
        .await
        .unwrap()
        .rows[0];
    assert_eq!((run.n, run.scan.as_str()), (2, scans[1].0.as_str()));
    let changes = store.changes(0, 9).await.unwrap();
    assert_eq!(changes.len(), 2, "a change and a tombstone: {changes:?}");
    assert_eq!(changes[1].kind, "removed");
    assert_eq!(store.totals(DAY_ONE).await.unwrap().scans, 2);
    assert_eq!(store.jobs().await.unwrap()[0].name, "registry_sync");
    let seen = store.sightings(&server.id).await.unwrap();
    let versions: Vec<_> = seen
        .iter()
        .map(|one| (one.listing.version.as_deref(), one.latest))
        .collect();
    assert_eq!(versions, [(Some("1.0.0"), true), (Some("0.9.0"), false)]);
    assert_eq!(
        seen[0].first_seen, seen[0].last_seen,
        "older rows know one time"
    );
    let found = TargetFilter {
        q: Some("ample.exam".into()),
        ..TargetFilter::default()
    };
    let found = store.servers(&found, &Page::first(9)).await.unwrap();
    assert_eq!(found.rows.len(), 1, "search knows the old rows");

    // Statistics read the old rows' evidence, and forget what nobody names.
    let (_stop, go_on) = tokio::sync::watch::channel(false);
    assert_eq!(store.renew_survey(&go_on).await.unwrap(), 1);
    assert_eq!(
        store.trend("cimd", 0, i64::MAX).await.unwrap()[0].measure.n,
        3
    );
    store.roll_up(DAY_ONE.plus(DAY)).await.unwrap();
    let counted = store.measured(DAY_ONE).await.unwrap();
    assert!(counted.find("all", "class", "unreachable").is_some());
    assert_eq!(store.issuers(None, &Page::first(9)).await.unwrap().rows, []);

    let (_, target) = add(&store, "https://new.example/mcp").await;
    let sample = crate::report::Sample::oauth("https://new.example/mcp").at(DAY_ONE.plus(DAY));
    assert!(crate::kit::file(&store, target, &sample).await.first);
    store.close().await;
}

#[tokio::test]
async fn every_version_goes_up_with_its_data() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite://{}/x.db", folder.path().display());
    climb_sqlite(&url).await;
    reads_the_samples(&url).await;

    let Some(admin) = postgres_url() else { return };
    let name = format!("climb_{}", std::process::id());
    execute(&admin, format!("CREATE DATABASE {name}")).await;
    let url = with_database(&admin, &name);
    climb_postgres(&url).await;
    reads_the_samples(&url).await;
    execute(&admin, format!("DROP DATABASE {name} WITH (FORCE)")).await;
}

/// A later migration must not demand of old rows what they cannot have.
#[test]
fn later_migrations_add_no_column_that_old_rows_lack() {
    for engine in ["sqlite", "postgres"] {
        for name in files(&format!("migrations/{engine}")).iter().skip(1) {
            let path = root().join("migrations").join(engine).join(name);
            let text = std::fs::read_to_string(path)
                .expect("a migration")
                .to_uppercase();
            for line in text.lines().filter(|line| line.contains("ADD COLUMN")) {
                let demands = line.contains("NOT NULL") && !line.contains("DEFAULT");
                assert!(!demands, "{name}: {line}");
            }
        }
    }
}
