//! The two engines: the one place that opens them, and the macros by which one SQL text serves
//! both.
//!
//! Writes on SQLite begin with `BEGIN IMMEDIATE`: a transaction that reads first and writes
//! later fails when another one wrote in between, whatever the busy timeout. Writers of this
//! process also take turns before they ask SQLite, which only knows polling.

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::pool::PoolOptions;
use sqlx::postgres::{PgConnectOptions, PgPool};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Postgres, Sqlite, Transaction};
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::error::{StoreError, explain, one_line};

/// Connections to SQLite: one writes, the others read.
const SQLITE_CONNECTIONS: u32 = 4;
/// Connections of one process to Postgres.
const POSTGRES_CONNECTIONS: u32 = 8;
/// Size of a SQLite page.
const PAGE_BYTES: u64 = 4096;

/// How a database is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenOptions {
    /// How long to wait for a connection or a lock.
    pub wait_ms: u64,
    /// Largest size of a SQLite file; writes beyond it fail with [`StoreError::Full`] and
    /// change nothing. Postgres has tablespaces for this, and ignores it.
    pub max_bytes: Option<u64>,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            wait_ms: 5_000,
            max_bytes: None,
        }
    }
}

/// An open database of either engine.
#[derive(Debug, Clone)]
pub(crate) struct Db {
    pub(crate) engine: Engine,
    turn: Arc<Mutex<()>>,
}

#[derive(Debug, Clone)]
pub(crate) enum Engine {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// A transaction that may write. Dropped without [`Tx::commit`], it never happened.
pub(crate) struct Tx {
    pub(crate) inner: Inner,
    _turn: Option<OwnedMutexGuard<()>>,
}

pub(crate) enum Inner {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

/// Runs one body against the pool of whichever engine is open. The body is compiled once per
/// driver, so it stays fully typed; keep it short.
macro_rules! on {
    ($db:expr, $pool:ident => $body:expr) => {
        match &$db.engine {
            $crate::db::Engine::Sqlite($pool) => $body,
            $crate::db::Engine::Postgres($pool) => $body,
        }
    };
}

/// The same inside a transaction.
macro_rules! within {
    ($tx:expr, $connection:ident => $body:expr) => {
        match &mut $tx.inner {
            $crate::db::Inner::Sqlite(tx) => {
                let $connection = &mut **tx;
                $body
            }
            $crate::db::Inner::Postgres(tx) => {
                let $connection = &mut **tx;
                $body
            }
        }
    };
}

pub(crate) use {on, within};

impl Db {
    pub(crate) async fn open(url: &str, options: OpenOptions) -> Result<Self, StoreError> {
        let engine = match url.split_once(':').map(|(scheme, _)| scheme) {
            Some("sqlite") => Engine::Sqlite(open_sqlite(url, options).await?),
            Some("postgres" | "postgresql") => Engine::Postgres(open_postgres(url, options).await?),
            Some(_) | None => {
                return Err(StoreError::Url {
                    url: redacted(url),
                    why: "it begins neither with sqlite: nor with postgres:".into(),
                });
            }
        };
        Ok(Self {
            engine,
            turn: Arc::default(),
        })
    }

    /// A SQLite database that is open already.
    pub(crate) fn of_sqlite(pool: SqlitePool) -> Self {
        Self {
            engine: Engine::Sqlite(pool),
            turn: Arc::default(),
        }
    }

    /// Whether the engine is Postgres, for the few texts that differ.
    pub(crate) fn is_postgres(&self) -> bool {
        matches!(self.engine, Engine::Postgres(_))
    }

    /// Begins a transaction that may write.
    pub(crate) async fn begin(&self) -> Result<Tx, sqlx::Error> {
        match &self.engine {
            Engine::Sqlite(pool) => {
                let turn = Arc::clone(&self.turn).lock_owned().await;
                let inner = Inner::Sqlite(pool.begin_with("BEGIN IMMEDIATE").await?);
                Ok(Tx {
                    inner,
                    _turn: Some(turn),
                })
            }
            Engine::Postgres(pool) => Ok(Tx {
                inner: Inner::Postgres(pool.begin().await?),
                _turn: None,
            }),
        }
    }

    pub(crate) async fn close(&self) {
        on!(self, pool => pool.close().await);
    }
}

impl Tx {
    pub(crate) async fn commit(self) -> Result<(), sqlx::Error> {
        match self.inner {
            Inner::Sqlite(tx) => tx.commit().await,
            Inner::Postgres(tx) => tx.commit().await,
        }
    }

    pub(crate) fn is_postgres(&self) -> bool {
        matches!(self.inner, Inner::Postgres(_))
    }
}

async fn open_sqlite(url: &str, options: OpenOptions) -> Result<SqlitePool, StoreError> {
    let failed = |why: String| StoreError::Open {
        url: url.to_owned(),
        why,
    };
    let parsed = SqliteConnectOptions::from_str(url).map_err(|error| StoreError::Url {
        url: url.to_owned(),
        why: explain(&error),
    })?;
    let in_memory = url.contains(":memory:") || url.contains("mode=memory");
    let folder = parsed.get_filename().parent().map(Path::to_path_buf);
    if let Some(folder) = folder.filter(|folder| !in_memory && !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(&folder).map_err(|error| {
            failed(format!("creating the folder {}: {error}", folder.display()))
        })?;
    }
    let mut parsed = parsed
        .create_if_missing(true)
        .foreign_keys(true)
        .busy_timeout(Duration::from_millis(options.wait_ms))
        .synchronous(SqliteSynchronous::Normal)
        .pragma("cache_size", "-32000")
        .pragma("temp_store", "MEMORY")
        .pragma("journal_size_limit", "67108864")
        .statement_cache_capacity(200)
        .disable_statement_logging();
    if !in_memory {
        parsed = parsed.journal_mode(SqliteJournalMode::Wal);
    }
    if let Some(bytes) = options.max_bytes {
        parsed = parsed.pragma("max_page_count", (bytes / PAGE_BYTES).max(1).to_string());
    }
    // A second connection to `:memory:` would be a second database, and an idle one that is
    // closed takes its database along.
    let pool = if in_memory {
        PoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
    } else {
        PoolOptions::new().max_connections(SQLITE_CONNECTIONS)
    };
    pool.acquire_timeout(Duration::from_millis(options.wait_ms.saturating_mul(2)))
        .connect_with(parsed)
        .await
        .map_err(|error| match sqlite_code(&error) {
            Some(5 | 6) => StoreError::Locked {
                url: url.to_owned(),
            },
            _ => failed(sqlite_fault(&error)),
        })
}

/// The engine's result code without its refinement.
fn sqlite_code(error: &sqlx::Error) -> Option<u32> {
    let code = error.as_database_error()?.code()?.parse::<u32>().ok()?;
    Some(code & 0xff)
}

/// The engine's words with what they usually mean.
pub(crate) fn sqlite_fault(error: &sqlx::Error) -> String {
    match sqlite_code(error) {
        Some(8) => "the file or its folder may not be written; check its permissions".into(),
        Some(14) => "the file cannot be opened; check the path and its permissions".into(),
        Some(26) => "the file is not a SQLite database; choose another path".into(),
        Some(_) | None => explain(error),
    }
}

async fn open_postgres(url: &str, options: OpenOptions) -> Result<PgPool, StoreError> {
    let parsed = PgConnectOptions::from_str(url).map_err(|error| StoreError::Url {
        url: redacted(url),
        why: without_secret(&explain(&error), url),
    })?;
    let parsed = parsed
        .application_name("authdex")
        .options([(
            "lock_timeout",
            options.wait_ms.saturating_mul(2).to_string(),
        )])
        .statement_cache_capacity(200)
        .disable_statement_logging();
    let failed = |why: String| StoreError::Open {
        url: redacted(url),
        why: without_secret(&why, url),
    };
    // The pool would repeat a refused connection until its time is up and then only say that
    // it is; one connection of our own says why.
    let wait = Duration::from_millis(options.wait_ms);
    match tokio::time::timeout(wait, parsed.connect()).await {
        Ok(Ok(connection)) => drop(connection.close().await),
        Ok(Err(error)) => return Err(failed(postgres_fault(&error))),
        Err(_) => {
            return Err(failed(format!(
                "no answer within {} ms; check the host and the port",
                options.wait_ms
            )));
        }
    }
    Ok(PoolOptions::new()
        .max_connections(POSTGRES_CONNECTIONS)
        .acquire_timeout(wait.saturating_mul(2))
        .connect_lazy_with(parsed))
}

fn postgres_fault(error: &sqlx::Error) -> String {
    let code = error.as_database_error().and_then(|error| error.code());
    let said = explain(error);
    match code.as_deref() {
        Some("28P01" | "28000") => format!("{said}; check the user and the password"),
        Some("3D000") => format!("{said}; create it or check the name"),
        Some("57P03" | "53300") => format!("{said}; try again"),
        Some(_) => said,
        None => match error {
            sqlx::Error::Io(error) => format!(
                "{}; check the host and the port",
                one_line(&error.to_string())
            ),
            _ => said,
        },
    }
}

/// The URL without password and options, fit for messages.
pub(crate) fn redacted(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = url.split_once("://") else {
        let scheme = url.split(':').next().unwrap_or_default();
        return one_line(scheme);
    };
    match rest.rsplit_once('@') {
        Some((user, place)) => {
            let user = user.split(':').next().unwrap_or_default();
            one_line(&format!("{scheme}://{user}:***@{place}"))
        }
        // Without a host, the password stands where the port belongs.
        None => match rest.split_once(':') {
            Some((host, port)) if !port.starts_with(|c: char| c.is_ascii_digit()) => {
                one_line(&format!("{scheme}://{host}:***"))
            }
            Some(_) | None => one_line(url),
        },
    }
}

/// A text of the driver in which the password, should it stand there, is blanked.
fn without_secret(text: &str, url: &str) -> String {
    let secret = url
        .split_once("://")
        .and_then(|(_, rest)| rest.rsplit_once('@'))
        .and_then(|(user, _)| user.split_once(':'))
        .map(|(_, secret)| secret)
        .filter(|secret| !secret.is_empty());
    match secret {
        Some(secret) => text.replace(secret, "***"),
        None => text.to_owned(),
    }
}

/// Text for a pattern of LIKE in which nothing has a meaning of its own; the statement says
/// `ESCAPE '!'`.
pub(crate) fn literal(text: &str) -> String {
    text.replace('!', "!!")
        .replace('%', "!%")
        .replace('_', "!_")
}

#[cfg(test)]
mod tests {
    use super::redacted;

    #[test]
    fn messages_never_hold_a_password() {
        for (url, shown) in [
            ("postgres://u:geheim@h:5432/d", "postgres://u:***@h:5432/d"),
            ("postgres://u:ge/he@im@h/d", "postgres://u:***@h/d"),
            ("postgres://h:5432/d?password=geheim", "postgres://h:5432/d"),
            ("mysql:geheim", "mysql"),
            ("postgres://u:geheim", "postgres://u:***"),
        ] {
            assert_eq!(redacted(url), shown);
        }
    }
}
