//! The one error of this crate. Each message fits on a line, says what was being done and what
//! to do about it, and never repeats a password.

/// Result with [`StoreError`].
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Why the store could not do something. Nothing of the failed operation is kept.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database URL is of no use.
    #[error("database URL {url}: {why}; write sqlite://PATH or postgres://USER@HOST/NAME")]
    Url {
        /// The URL without its password.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The database could not be reached or opened.
    #[error("opening the database {url}: {why}")]
    Open {
        /// The URL without its password.
        url: String,
        /// What was wrong, on one line.
        why: String,
    },
    /// Somebody else holds the file.
    #[error("opening the database {url}: it is locked by another process; stop it or try again")]
    Locked {
        /// The URL.
        url: String,
    },
    /// The schema could not be brought up to date.
    #[error("migrating the database: {0}")]
    Migrate(String),
    /// The disk, or the space allowed to the database, is used up.
    #[error("{doing}: the database has no space left; free some and try again, nothing was lost")]
    Full {
        /// The operation.
        doing: &'static str,
    },
    /// Somebody else holds the database.
    #[error("{doing}: the database is locked by another process; stop it or try again")]
    Busy {
        /// The operation.
        doing: &'static str,
    },
    /// Any other failure of the database.
    #[error("{doing}: {why}")]
    Sql {
        /// The operation.
        doing: &'static str,
        /// What the engine said, on one line.
        why: String,
        /// The cause.
        #[source]
        source: sqlx::Error,
    },
    /// Something stored cannot be read.
    #[error("reading {what}: {why}; restore it from a backup")]
    Stored {
        /// What is damaged.
        what: &'static str,
        /// How.
        why: String,
    },
    /// Something cannot be stored.
    #[error("storing {what}: {why}")]
    Unstorable {
        /// What was to be stored.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// A file that a copy is read from or written to is of no use.
    #[error("{file}: {why}")]
    File {
        /// Its path.
        file: String,
        /// What is wrong and what to do, on one line.
        why: String,
    },
    /// A page cursor that this store did not give out.
    #[error("the page cursor is not one of ours; leave it out to start from the first page")]
    Cursor,
    /// The task that writes has ended with the program.
    #[error("filing a scan: the writer has stopped because the program is ending")]
    Stopped,
}

/// Turns an error of the database into one that names the operation.
pub(crate) fn during(doing: &'static str) -> impl Fn(sqlx::Error) -> StoreError {
    move |source| match kind(&source) {
        Kind::Full => StoreError::Full { doing },
        Kind::Busy => StoreError::Busy { doing },
        Kind::Other => StoreError::Sql {
            doing,
            why: explain(&source),
            source,
        },
    }
}

enum Kind {
    Full,
    Busy,
    Other,
}

/// SQLite: 778 and 4874 are writes that the system cut short, as a quota or a limit on the
/// size of files does; 13 is SQLITE_FULL, 5 and 6 are SQLITE_BUSY and SQLITE_LOCKED, in the low byte.
/// Postgres: 53100 is disk_full, 55P03 lock_not_available, 40P01 deadlock_detected, 40001
/// serialization_failure.
fn kind(error: &sqlx::Error) -> Kind {
    let Some(code) = error.as_database_error().and_then(|error| error.code()) else {
        return match error {
            sqlx::Error::PoolTimedOut => Kind::Busy,
            _ => Kind::Other,
        };
    };
    match code.as_ref() {
        "53100" | "778" | "4874" => Kind::Full,
        "55P03" | "40P01" | "40001" => Kind::Busy,
        code if code.len() < 5 => match code.parse::<u32>().map(|code| code & 0xff) {
            Ok(13) => Kind::Full,
            Ok(5 | 6) => Kind::Busy,
            Ok(_) | Err(_) => Kind::Other,
        },
        _ => Kind::Other,
    }
}

/// The words of the engine on one line of at most 300 characters.
pub(crate) fn explain(error: &sqlx::Error) -> String {
    let text = match error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        other => other.to_string(),
    };
    one_line(&text)
}

pub(crate) fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(300).collect()
}
