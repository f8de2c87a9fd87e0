//! Keeps targets, evidence, reports and history, on SQLite or Postgres.

pub mod cron;
mod db;
pub mod due;
mod error;
pub mod ids;
mod pending;
mod rows;
pub mod scheduler;

pub use due::Pace;
pub use error::{Result, StoreError};
pub use rows::{
    ChangeRow, ChangedCheck, CheckTally, DueAnswer, Facets, Filed, Filing, ImportTally, JobRow,
    Leased, NewListing, Page, Paged, RunRow, ScanRow, ServerRow, Sort, TargetFilter, TargetId,
    Totals, Ungraded,
};

/// An open database. Clones share it.
#[derive(Debug, Clone)]
pub struct Store {
    #[expect(dead_code, reason = "bodies follow")]
    pool: db::Pool,
}

impl Store {
    /// Opens a database.
    pub async fn open(url: &str) -> Result<Self> {
        let open = |why: sqlx::Error| StoreError::Url {
            url: String::new(),
            why: why.to_string(),
        };
        if url.starts_with("postgres") {
            Ok(Self {
                pool: db::Pool::Postgres(sqlx::PgPool::connect_lazy(url).map_err(open)?),
            })
        } else {
            Ok(Self {
                pool: db::Pool::Sqlite(
                    sqlx::SqlitePool::connect_lazy("sqlite::memory:").map_err(open)?,
                ),
            })
        }
    }
}
