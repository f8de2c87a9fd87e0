//! A database of its own for every test, on both engines.
//!
//! SQLite lives in a temporary folder. Postgres is the one that `TEST_POSTGRES_URL` names
//! (`tests/support/postgres.sh start` prints such a URL); without it those tests say so and
//! pass, except where `CI` is set: a skipped test would read as a passed one.

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, SqliteConnection};
use store::{OpenOptions, Store};
use tempfile::TempDir;

/// A migrated database.
pub(crate) struct TestDb {
    /// The store.
    pub(crate) store: Store,
    /// How to open it once more.
    pub(crate) url: String,
    /// Removed with its content when dropped.
    _folder: Option<TempDir>,
    admin: Option<(String, String)>,
}

impl TestDb {
    /// A new SQLite database.
    pub(crate) async fn sqlite() -> Self {
        Self::sqlite_with(OpenOptions::default()).await
    }

    /// A new SQLite database with limits.
    pub(crate) async fn sqlite_with(options: OpenOptions) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = format!("sqlite://{}/test.db", folder.path().display());
        let store = Store::open_with(&url, options).await.expect("a new file");
        store.migrate().await.expect("a fresh schema");
        Self {
            store,
            url,
            _folder: Some(folder),
            admin: None,
        }
    }

    /// A new Postgres database, if there is a server.
    pub(crate) async fn postgres() -> Option<Self> {
        let admin = postgres_url()?;
        let name = format!("test_{}", unique());
        execute(&admin, format!("CREATE DATABASE {name}")).await;
        let url = with_database(&admin, &name);
        let store = Store::open(&url).await.expect("a new database");
        store.migrate().await.expect("a fresh schema");
        Some(Self {
            store,
            url,
            _folder: None,
            admin: Some((admin, name)),
        })
    }

    /// Runs one statement behind the store's back.
    pub(crate) async fn execute(&self, sql: &'static str) {
        if self.is_postgres() {
            execute(&self.url, sql.to_owned()).await;
        } else {
            let mut connection = SqliteConnection::connect(&self.url).await.expect("a file");
            connection
                .execute(sqlx::raw_sql(sql))
                .await
                .expect("a statement that works");
            connection.close().await.expect("an open connection");
        }
    }

    /// Whether the engine is Postgres.
    pub(crate) fn is_postgres(&self) -> bool {
        self.admin.is_some()
    }

    /// Closes and removes the database.
    pub(crate) async fn remove(self) {
        self.store.close().await;
        if let Some((admin, name)) = self.admin {
            execute(&admin, format!("DROP DATABASE {name} WITH (FORCE)")).await;
        }
    }
}

/// The URL of the Postgres server for tests.
#[expect(
    clippy::disallowed_methods,
    reason = "tests are told of their Postgres by the environment"
)]
pub(crate) fn postgres_url() -> Option<String> {
    if let Ok(url) = std::env::var("TEST_POSTGRES_URL") {
        return Some(url);
    }
    assert!(
        std::env::var("CI").is_err(),
        "CI is set and TEST_POSTGRES_URL is not: run tests/support/postgres.sh start"
    );
    eprintln!("skipped on Postgres: TEST_POSTGRES_URL is not set");
    None
}

/// The same server, another database.
pub(crate) fn with_database(url: &str, name: &str) -> String {
    let (server, _) = url.rsplit_once('/').expect("a URL with a database");
    format!("{server}/{name}")
}

/// Runs one statement outside of the store.
pub(crate) async fn execute(url: &str, sql: String) {
    let mut connection = PgConnection::connect(url).await.expect("a server");
    connection
        .execute(sqlx::raw_sql(AssertSqlSafe(sql)))
        .await
        .expect("a statement that works");
    connection.close().await.expect("an open connection");
}

fn unique() -> String {
    let id = store::ids::Kind::Scan.fresh(scanner::time::Millis(0));
    format!("{}_{}", std::process::id(), &id[20..])
}

/// Runs async test functions, each with a database of its own, on both engines.
macro_rules! on_both_engines {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    let db = crate::db::TestDb::sqlite().await;
                    super::$name(&db).await;
                    db.remove().await;
                }
            )+
        }
        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    let Some(db) = crate::db::TestDb::postgres().await else {
                        return;
                    };
                    super::$name(&db).await;
                    db.remove().await;
                }
            )+
        }
    };
}

pub(crate) use on_both_engines;
