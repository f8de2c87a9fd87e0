//! Copies of the whole database in one SQLite file, made while others write, and the way back.
//!
//! The file is the same for both engines: SQLite writes it itself, from Postgres the rows of
//! one instant are carried over. It can be served as it is, or carried into a Postgres database.
//! A copy appears under its name only when it is whole, and never in the place of another file.

use std::fs::OpenOptions as FileOptions;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use crate::db::{Db, Engine, on};
use crate::error::{Result, StoreError, during};
use crate::{OpenOptions, Store, copy, schema};

const COPYING: &str = "copying the database";

impl Store {
    /// Writes a consistent copy of everything into a new SQLite file that only its owner may
    /// read. Writers go on meanwhile; what they commit after the beginning is not in the copy.
    /// Until it is whole it is called `FILE.part`.
    ///
    /// # Errors
    ///
    /// If either file exists already or cannot be written, or the database fails; nothing is
    /// left behind then.
    pub async fn backup(&self, file: &Path) -> Result<()> {
        let part = claimed(file)?;
        let written = match &self.db.engine {
            Engine::Sqlite(pool) => vacuum(pool, &part).await,
            Engine::Postgres(pool) => carry_out(pool, &part).await,
        };
        kept(written, &part, file)
    }

    /// Opens a database that exists, as [`Store::open`] does, without making one where there is
    /// none, and without bringing it up to date.
    ///
    /// # Errors
    ///
    /// As [`Store::open`], and if a SQLite file is missing.
    pub async fn open_existing(url: &str) -> Result<Self> {
        let missing = SqliteConnectOptions::from_str(url)
            .ok()
            .filter(|_| url.starts_with("sqlite:") && !url.contains("memory"))
            .is_some_and(|parsed| !parsed.get_filename().exists());
        if missing {
            return Err(StoreError::Open {
                url: url.to_owned(),
                why: "there is no such file".into(),
            });
        }
        Self::open(url).await
    }

    /// Opens a copy for reading only; whatever would write fails. Must be called inside a
    /// tokio runtime.
    ///
    /// # Errors
    ///
    /// If the file is missing, may not be read, or is no SQLite database.
    pub async fn open_copy(file: &Path) -> Result<Self> {
        Ok(Self::over(Db::of_sqlite(read_only(file).await?)))
    }

    /// Puts a copy where a database URL points: for SQLite into a file that does not exist yet,
    /// for Postgres into a database without servers.
    ///
    /// # Errors
    ///
    /// If something is there already, the copy cannot be read, or the database fails; nothing
    /// is left behind then. Into Postgres goes only a copy of this program's schema.
    pub async fn restore(copy: &Path, url: &str) -> Result<()> {
        let from = read_only(copy).await?;
        let restored = if url.starts_with("sqlite:") {
            into_file(&from, url).await
        } else {
            carry_in(copy, &from, url).await
        };
        from.close().await;
        restored
    }
}

async fn into_file(from: &SqlitePool, url: &str) -> Result<()> {
    let parsed = SqliteConnectOptions::from_str(url).map_err(|error| StoreError::Url {
        url: url.to_owned(),
        why: crate::error::explain(&error),
    })?;
    let file = parsed.get_filename().to_path_buf();
    if let Some(folder) = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        std::fs::create_dir_all(folder)
            .map_err(|error| failed(folder, format!("it cannot be made: {error}")))?;
    }
    let part = claimed(&file)?;
    let written = vacuum(from, &part).await;
    kept(written, &part, &file)
}

async fn carry_in(copy: &Path, from: &SqlitePool, url: &str) -> Result<()> {
    const ANY: &str = "SELECT COUNT(*) FROM (SELECT id FROM target LIMIT 1) x";
    let there = Db::of_sqlite(from.clone());
    let behind = schema::state(&there).await?.behind.len();
    if behind > 0 {
        return Err(failed(
            copy,
            format!(
                "it lacks {behind} migrations; restore it into a SQLite file, run `authdex \
                 migrate` there, and restore a backup of that"
            ),
        ));
    }
    let store = Store::open_with(url, OpenOptions::default()).await?;
    store.migrate().await?;
    let (any,): (i64,) = on!(store.db, pool => sqlx::query_as(ANY).fetch_one(pool).await)
        .map_err(during(COPYING))?;
    let Engine::Postgres(pool) = &store.db.engine else {
        return Ok(()); // any other URL was refused when it was opened
    };
    if any > 0 {
        return Err(failed(
            copy,
            "the database has servers already; restore into an empty one",
        ));
    }
    let mut connection = from.acquire().await.map_err(during(COPYING))?;
    let carried = copy::into_postgres(&mut connection, pool).await;
    drop(connection);
    store.close().await;
    carried.map_err(during("restoring a copy"))
}

/// Copies through SQLite itself into a file that exists and is empty.
async fn vacuum(pool: &SqlitePool, part: &Path) -> Result<()> {
    let name = part
        .to_str()
        .ok_or_else(|| failed(part, "the name is not UTF-8; choose another one"))?;
    sqlx::query("VACUUM INTO $1")
        .bind(name)
        .execute(pool)
        .await
        .map(drop)
        .map_err(during(COPYING))
}

async fn carry_out(from: &sqlx::PgPool, part: &Path) -> Result<()> {
    // A file that is thrown away when anything fails needs no journal.
    let options = SqliteConnectOptions::new()
        .filename(part)
        .foreign_keys(false)
        .journal_mode(SqliteJournalMode::Off)
        .synchronous(SqliteSynchronous::Off);
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .connect_with(options)
        .await
        .map_err(during(COPYING))?;
    schema::migrate(&Db::of_sqlite(pool.clone())).await?;
    let mut connection = pool.acquire().await.map_err(during(COPYING))?;
    let carried = copy::from_postgres(from, &mut connection).await;
    drop(connection);
    pool.close().await;
    carried.map_err(during(COPYING))
}

async fn read_only(file: &Path) -> Result<SqlitePool> {
    let open = |why: String| failed(file, why);
    let found = std::fs::metadata(file).map_err(|error| open(error.to_string()))?;
    if !found.is_file() || found.len() == 0 {
        return Err(failed(
            file,
            "it is empty or no file; name a finished backup",
        ));
    }
    let options = SqliteConnectOptions::new()
        .filename(file)
        .read_only(true)
        .pragma("temp_store", "MEMORY");
    SqlitePoolOptions::new()
        .max_connections(1)
        .connect_with(options)
        .await
        .map_err(|error| open(crate::db::sqlite_fault(&error)))
}

/// The file that a copy is written to, new, empty and for its owner only.
fn claimed(file: &Path) -> Result<PathBuf> {
    if file.symlink_metadata().is_ok() {
        return Err(failed(file, "it exists; name another file"));
    }
    let file = std::path::absolute(file).map_err(|error| failed(file, error.to_string()))?;
    let mut name = file.into_os_string();
    name.push(".part");
    let part = PathBuf::from(name);
    match new_file(&part) {
        Ok(()) => Ok(part),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(failed(
            &part,
            "it exists: another backup is being written or was interrupted; remove it if none \
             is running",
        )),
        Err(error) => Err(failed(&part, error.to_string())),
    }
}

fn new_file(path: &Path) -> std::io::Result<()> {
    let mut options = FileOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

/// Gives a finished copy its name, or removes what there is of it.
fn kept(written: Result<()>, part: &Path, file: &Path) -> Result<()> {
    let done = written.and_then(|()| {
        let on_disk = std::fs::File::open(part).and_then(|written| written.sync_all());
        on_disk.map_err(|error| failed(part, error.to_string()))?;
        // The name is taken first, which fails if somebody else took it in the meantime.
        new_file(file).map_err(|error| failed(file, error.to_string()))?;
        std::fs::rename(part, file).map_err(|error| failed(file, error.to_string()))
    });
    if done.is_err() {
        let _ = std::fs::remove_file(part);
    }
    done
}

fn failed(file: &Path, why: impl std::fmt::Display) -> StoreError {
    StoreError::File {
        file: file.display().to_string(),
        why: crate::error::one_line(&why.to_string()),
    }
}
