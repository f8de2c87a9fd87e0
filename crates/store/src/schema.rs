//! The schema: migrations of both engines, embedded, and the positions of checks.
//!
//! Migrations only go up, and an applied one is never edited. Each exists on both sides under
//! the same file name.

use std::collections::HashMap;
use std::sync::Arc;

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};

use crate::db::{Db, Engine, on, within};
use crate::error::{Result, StoreError, during, one_line};

/// Version, name, and the text for SQLite and for Postgres.
const MIGRATIONS: [(i64, &str, &str, &str); 9] = [
    (
        1,
        "0001_initial",
        include_str!("../../../migrations/sqlite/0001_initial.sql"),
        include_str!("../../../migrations/postgres/0001_initial.sql"),
    ),
    (
        2,
        "0002_sources",
        include_str!("../../../migrations/sqlite/0002_sources.sql"),
        include_str!("../../../migrations/postgres/0002_sources.sql"),
    ),
    (
        3,
        "0003_workers",
        include_str!("../../../migrations/sqlite/0003_workers.sql"),
        include_str!("../../../migrations/postgres/0003_workers.sql"),
    ),
    (
        4,
        "0004_publication",
        include_str!("../../../migrations/sqlite/0004_publication.sql"),
        include_str!("../../../migrations/postgres/0004_publication.sql"),
    ),
    (
        5,
        "0005_citizenship",
        include_str!("../../../migrations/sqlite/0005_citizenship.sql"),
        include_str!("../../../migrations/postgres/0005_citizenship.sql"),
    ),
    (
        6,
        "0006_lists",
        include_str!("../../../migrations/sqlite/0006_lists.sql"),
        include_str!("../../../migrations/postgres/0006_lists.sql"),
    ),
    (
        7,
        "0007_survey",
        include_str!("../../../migrations/sqlite/0007_survey.sql"),
        include_str!("../../../migrations/postgres/0007_survey.sql"),
    ),
    (
        8,
        "0008_feeds",
        include_str!("../../../migrations/sqlite/0008_feeds.sql"),
        include_str!("../../../migrations/postgres/0008_feeds.sql"),
    ),
    (
        9,
        "0009_api",
        include_str!("../../../migrations/sqlite/0009_api.sql"),
        include_str!("../../../migrations/postgres/0009_api.sql"),
    ),
];

fn migrator(db: &Db) -> Migrator {
    let migrations = MIGRATIONS
        .into_iter()
        .map(|(version, name, sqlite, postgres)| {
            let text = if db.is_postgres() { postgres } else { sqlite };
            let no_transaction = text.starts_with("-- no-transaction");
            Migration::new(
                version,
                name.into(),
                MigrationType::Simple,
                text.into_sql_str(),
                no_transaction,
            )
        })
        .collect();
    Migrator::with_migrations(migrations)
}

/// Applies what is missing.
pub(crate) async fn migrate(db: &Db) -> Result<()> {
    let migrator = migrator(db);
    on!(db, pool => migrator.run(pool).await).map_err(explain)
}

/// Names of migrations that are missing, in order.
pub(crate) async fn pending(db: &Db) -> Result<Vec<String>> {
    let applied = applied(db).await.map_err(explain)?;
    Ok(MIGRATIONS
        .into_iter()
        .filter(|(version, ..)| !applied.contains(version))
        .map(|(_, name, ..)| name.to_owned())
        .collect())
}

/// How far a database got, read without writing anything.
#[derive(Debug)]
pub(crate) struct SchemaState {
    /// Name of the last migration that was applied.
    pub(crate) last: String,
    /// Names of those that are missing.
    pub(crate) behind: Vec<String>,
    /// Versions that this program does not know.
    pub(crate) unknown: Vec<i64>,
}

/// Reads how far a database got.
pub(crate) async fn state(db: &Db) -> Result<SchemaState> {
    const READ: &str = "SELECT version FROM _sqlx_migrations WHERE success ORDER BY version";
    let applied: Vec<(i64,)> = on!(db, pool => sqlx::query_as(READ).fetch_all(pool).await)
        .map_err(during("reading the version of the schema"))?;
    let has = |version: i64| applied.iter().any(|(applied,)| *applied == version);
    let known = |version: i64| MIGRATIONS.iter().any(|(known, ..)| *known == version);
    let named = |wanted: bool| {
        MIGRATIONS
            .into_iter()
            .filter(move |(version, ..)| has(*version) == wanted)
            .map(|(_, name, ..)| name.to_owned())
    };
    Ok(SchemaState {
        last: named(true).next_back().unwrap_or_default(),
        behind: named(false).collect(),
        unknown: applied
            .iter()
            .map(|(version,)| *version)
            .filter(|version| !known(*version))
            .collect(),
    })
}

/// Every migration of this program with whether a database has it, and what else it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationState {
    /// Names in order, each with whether it was applied.
    pub known: Vec<(String, bool)>,
    /// Versions that this program does not know.
    pub unknown: Vec<i64>,
}

/// Reads that without writing anything; a database without any migration has none applied.
pub(crate) async fn migration_state(db: &Db) -> Result<MigrationState> {
    const DOING: &str = "reading the version of the schema";
    const SQLITE: &str = "SELECT COUNT(*) FROM sqlite_master WHERE name = '_sqlx_migrations'";
    const POSTGRES: &str = "SELECT COUNT(*) FROM information_schema.tables \
        WHERE table_schema = current_schema() AND table_name = '_sqlx_migrations'";
    let sql = if db.is_postgres() { POSTGRES } else { SQLITE };
    let (any,): (i64,) =
        on!(db, pool => sqlx::query_as(sql).fetch_one(pool).await).map_err(during(DOING))?;
    let none = SchemaState {
        last: String::new(),
        behind: MIGRATIONS
            .into_iter()
            .map(|(_, name, ..)| name.to_owned())
            .collect(),
        unknown: Vec::new(),
    };
    let found = if any == 0 { none } else { state(db).await? };
    let known = MIGRATIONS.into_iter().map(|(_, name, ..)| {
        let missing = found.behind.iter().any(|behind| behind == name);
        (name.to_owned(), !missing)
    });
    Ok(MigrationState {
        known: known.collect(),
        unknown: found.unknown,
    })
}

async fn applied(db: &Db) -> Result<Vec<i64>, MigrateError> {
    let table = migrator(db).table_name.clone();
    let list = match &db.engine {
        Engine::Sqlite(pool) => {
            let mut connection = pool.acquire().await?;
            connection.ensure_migrations_table(&table).await?;
            connection.list_applied_migrations(&table).await?
        }
        Engine::Postgres(pool) => {
            let mut connection = pool.acquire().await?;
            connection.ensure_migrations_table(&table).await?;
            connection.list_applied_migrations(&table).await?
        }
    };
    Ok(list.into_iter().map(|applied| applied.version).collect())
}

fn explain(error: MigrateError) -> StoreError {
    StoreError::Migrate(match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            return during("migrating the database")(error);
        }
        MigrateError::VersionMissing(version) => format!(
            "the database was written by a newer version (it has migration {version}); update \
             the program"
        ),
        MigrateError::VersionMismatch(version) => format!(
            "migration {version} is not the one that was applied; use the program that made \
             this database"
        ),
        MigrateError::Dirty(version) => {
            format!("migration {version} was interrupted; restore the database from a backup")
        }
        other => one_line(&other.to_string()),
    })
}

/// Which position in the bits of a run belongs to which check.
#[derive(Debug, Default)]
pub(crate) struct Ordinals {
    ids: Vec<String>,
    by_id: HashMap<String, usize>,
}

impl Ordinals {
    pub(crate) fn of(&self, id: &str) -> Option<usize> {
        self.by_id.get(id).copied()
    }

    pub(crate) fn id(&self, ordinal: usize) -> Option<&str> {
        self.ids.get(ordinal).map(String::as_str)
    }

    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    fn from_rows(rows: Vec<(i64, String)>) -> Result<Self> {
        let mut out = Self::default();
        for (position, (ordinal, id)) in rows.into_iter().enumerate() {
            if usize::try_from(ordinal) != Ok(position) {
                return Err(StoreError::Stored {
                    what: "the positions of checks",
                    why: format!("position {position} is missing"),
                });
            }
            out.by_id.insert(id.clone(), position);
            out.ids.push(id);
        }
        Ok(out)
    }
}

/// Reads the positions, giving new ones to these ids at the end of the list.
pub(crate) async fn ordinals(db: &Db, ids: &[&str]) -> Result<Arc<Ordinals>> {
    const DOING: &str = "reading the positions of checks";
    const READ: &str = "SELECT ordinal, id FROM check_ordinal ORDER BY ordinal";
    const LOCK: &str = "UPDATE counter SET n = n WHERE kind = 'data' AND value = 'generation'";
    const ADD: &str = "INSERT INTO check_ordinal (ordinal, id) VALUES ($1, $2)";
    let known: Vec<(i64, String)> =
        on!(db, pool => sqlx::query_as(READ).fetch_all(pool).await).map_err(during(DOING))?;
    let known = Ordinals::from_rows(known)?;
    if ids.iter().all(|id| known.of(id).is_some()) {
        return Ok(Arc::new(known));
    }
    let add = async {
        let mut tx = db.begin().await?;
        // Several processes may start with a new catalogue at once.
        within!(tx, c => sqlx::query(LOCK).execute(c).await.map(drop))?;
        let mut rows: Vec<(i64, String)> =
            within!(tx, c => sqlx::query_as(READ).fetch_all(c).await)?;
        for id in ids {
            if rows.iter().any(|(_, known)| known == id) {
                continue;
            }
            let ordinal = i64::try_from(rows.len()).unwrap_or(i64::MAX);
            within!(tx, c => sqlx::query(ADD).bind(ordinal).bind(*id).execute(c).await.map(drop))?;
            rows.push((ordinal, (*id).to_owned()));
        }
        tx.commit().await?;
        Ok(rows)
    };
    Ok(Arc::new(Ordinals::from_rows(
        add.await.map_err(during(DOING))?,
    )?))
}
