//! Keeps targets, evidence, reports and history, on SQLite or Postgres.
//!
//! A server's history is kept as stretches of equal scans: a scan that saw and was judged the
//! same as the one before costs a row with its id. Evidence is kept once per content. What
//! lists and numbers show is worked out when a scan is filed, never when a page is asked for.
//!
//! Both engines run the same SQL text through sqlx; the few places that differ are `db`, the
//! leases, and search. The suite under `tests/store` runs every method on both.

mod again;
pub mod asked;
mod backup;
mod changes;
mod codec;
mod copy;
mod counters;
pub mod cron;
mod db;
pub mod due;
mod entries;
mod error;
mod examine;
mod export;
mod filing;
mod hosts;
pub mod ids;
mod jobs;
mod leases;
mod left_out;
mod listings;
mod lists;
mod oversight;
mod owners;
mod pages;
mod publication;
mod regrade;
mod removal;
mod repeats;
mod retention;
mod rows;
mod scans;
pub mod scheduler;
mod schema;
mod secrets;
mod sent;
mod servers;
mod shelf;
mod sightings;
mod state;
mod survey;
mod switches;
pub mod tables;
mod wishes;
mod writer;

use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::OnceCell;

pub use again::{Again, Differing, grade_again};
pub use db::OpenOptions;
pub use due::Pace;
pub use entries::{Entry, EntryAsk};
pub use error::{Result, StoreError};
pub use examine::Examined;
pub use export::{ScanLine, StretchLine};
pub use leases::{Lane, LeaseAsk};
pub use left_out::{LeftOut, Way};
pub use oversight::{Beacons, Look, Oversight};
pub use owners::{Claim, Person, STATEMENT_CHARS, Statement};
pub use publication::HeldRow;
pub use regrade::{Grade, Mover, Regraded, Regrading, Tell, regrade, regrade_telling};
pub use repeats::{Answered, Repeat};
pub use retention::{Removed, RetentionPlan};
pub use rows::{
    ChangeRow, ChangedCheck, CheckTally, DueAnswer, Facets, Filed, Filing, ImportTally, JobRow,
    Leased, NewListing, Page, Paged, RunRow, ScanRow, ServerRow, Sort, TargetFilter, TargetId,
    Totals, Ungraded,
};
pub use schema::MigrationState;
pub use sent::{Errand, MeterDay, Sent};
pub use sightings::{Reading, Sighting};
pub use survey::{
    Feature, Features, IssuerChange, IssuerRow, Measure, Measured, Told, TrendPoint, UNRECOGNISED,
    issuer_id_of,
};
pub use switches::{Frozen, Scope, Switch};
pub use wishes::Wishing;

/// An open database. Clones share it.
#[derive(Debug, Clone)]
pub struct Store {
    db: db::Db,
    writer: writer::Writer,
    codec: Arc<codec::Codec>,
    ordinals: Arc<RwLock<Option<Arc<schema::Ordinals>>>>,
    trigram: Arc<OnceCell<lists::Trigram>>,
    signing: Arc<OnceCell<[u8; 32]>>,
    /// What this process is called in the rows of hosts.
    holder: i64,
    holds: hosts::Holds,
    shares: Arc<leases::Shares>,
    rules: Arc<RwLock<scanner::publish::Rules>>,
}

impl Store {
    /// Opens `sqlite://PATH`, `sqlite::memory:` or `postgres://USER:PASSWORD@HOST/NAME`. For
    /// SQLite the folder and the file are made if they are missing. Must be called inside a
    /// tokio runtime, on which filing then runs.
    ///
    /// # Errors
    ///
    /// If the URL is of no use or the database cannot be reached; the message never holds the
    /// password.
    pub async fn open(url: &str) -> Result<Self> {
        Self::open_with(url, OpenOptions::default()).await
    }

    /// The same with limits of one's own.
    ///
    /// # Errors
    ///
    /// As [`Store::open`].
    pub async fn open_with(url: &str, options: OpenOptions) -> Result<Self> {
        Ok(Self::over(db::Db::open(url, options).await?))
    }

    fn over(db: db::Db) -> Self {
        Self {
            writer: writer::Writer::start(db.clone()),
            db,
            codec: Arc::default(),
            ordinals: Arc::default(),
            trigram: Arc::default(),
            signing: Arc::default(),
            holder: ids::holder(),
            holds: hosts::Holds::default(),
            shares: Arc::default(),
            rules: Arc::new(RwLock::new(scanner::publish::Rules::open())),
        }
    }

    /// Closes all connections once running statements have ended. Methods fail afterwards.
    pub async fn close(&self) {
        self.db.close().await;
    }

    /// Brings the schema up to date, and gives every check of this program's catalogue its
    /// position.
    ///
    /// # Errors
    ///
    /// If a migration fails, or the database was written by a newer version.
    pub async fn migrate(&self) -> Result<()> {
        schema::migrate(&self.db).await?;
        let catalogue: Vec<&str> = scanner::checks::all().map(|check| check.id).collect();
        self.ordinals(&catalogue).await?;
        // Drawn now, so that no reader of a list ever writes.
        self.signing_key().await?;
        self.fill_operators().await
    }

    /// How far the schema is, read without writing anything.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn migration_state(&self) -> Result<MigrationState> {
        schema::migration_state(&self.db).await
    }

    /// Names of migrations that have not been applied, in order.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn migrations_pending(&self) -> Result<Vec<String>> {
        schema::pending(&self.db).await
    }

    /// Positions of checks, with these among them.
    async fn ordinals(&self, ids: &[&str]) -> Result<Arc<schema::Ordinals>> {
        let known = self
            .ordinals
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some(known) = known.filter(|known| ids.iter().all(|id| known.of(id).is_some())) {
            return Ok(known);
        }
        let read = schema::ordinals(&self.db, ids).await?;
        *self
            .ordinals
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&read));
        Ok(read)
    }
}
