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
    /// A page cursor that this store did not give out.
    #[error("the page cursor is not one of ours; leave it out to start from the first page")]
    Cursor,
    /// The task that writes has ended with the program.
    #[error("filing a scan: the writer has stopped because the program is ending")]
    Stopped,
}
