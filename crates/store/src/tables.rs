//! A SQLite file of plain tables for others to read: made here because only this crate speaks
//! SQL. The same rows in the same order give the same bytes.

use std::path::Path;

use serde_json::Value;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, QueryBuilder, SqliteConnection};

use crate::error::{Result, during};

const WRITING: &str = "writing a file of tables";
/// Values per statement; SQLite takes 32,766.
const VALUES: usize = 16_000;

/// A file that is being filled, in one transaction.
#[derive(Debug)]
pub struct TableFile(SqliteConnection);

impl TableFile {
    /// Makes a file, which must not exist, with the tables of these statements.
    ///
    /// # Errors
    ///
    /// If the file cannot be made, or a statement is wrong.
    pub async fn create(path: &Path, statements: &[String]) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .page_size(4096)
            // A file that is thrown away when anything fails needs no journal.
            .journal_mode(SqliteJournalMode::Off)
            .synchronous(SqliteSynchronous::Off);
        let connection = options.connect().await.map_err(during(WRITING))?;
        let mut file = Self(connection);
        file.run("BEGIN").await?;
        for statement in statements {
            file.run(statement).await?;
        }
        Ok(file)
    }

    async fn run(&mut self, sql: &str) -> Result<()> {
        sqlx::query(AssertSqlSafe(sql.to_owned()))
            .execute(&mut self.0)
            .await
            .map(drop)
            .map_err(during(WRITING))
    }

    /// Adds rows of as many values as the table has columns. Truth values become 0 and 1, lists
    /// and documents JSON.
    ///
    /// # Errors
    ///
    /// If the table does not take them.
    pub async fn add(&mut self, table: &str, rows: &[Vec<Value>]) -> Result<()> {
        let columns = rows.first().map_or(1, Vec::len).max(1);
        for batch in rows.chunks((VALUES / columns).max(1)) {
            let mut sql = QueryBuilder::new("INSERT INTO ");
            sql.push(format!("\"{table}\" "));
            sql.push_values(batch, |mut row, values| {
                for value in values {
                    match value {
                        Value::Null => row.push("NULL"),
                        Value::Bool(truth) => row.push_bind(i64::from(*truth)),
                        Value::Number(number) => match number.as_i64() {
                            Some(whole) => row.push_bind(whole),
                            None => row.push_bind(number.as_f64()),
                        },
                        Value::String(text) => row.push_bind(text.as_str()),
                        Value::Array(_) | Value::Object(_) => row.push_bind(value.to_string()),
                    };
                }
            });
            sql.build()
                .execute(&mut self.0)
                .await
                .map_err(during(WRITING))?;
        }
        Ok(())
    }

    /// Adds indexes, views and what else the statements say, and ends the file.
    ///
    /// # Errors
    ///
    /// If a statement is wrong or the file cannot be ended.
    pub async fn end(mut self, statements: &[String]) -> Result<()> {
        for statement in statements {
            self.run(statement).await?;
        }
        self.run("COMMIT").await?;
        self.0.close().await.map_err(during(WRITING))
    }
}
