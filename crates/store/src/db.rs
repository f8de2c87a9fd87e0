//! The two engines.
use sqlx::postgres::PgPool;
use sqlx::sqlite::SqlitePool;

#[derive(Debug, Clone)]
#[expect(dead_code, reason = "opening comes next")]
pub(crate) enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}
