//! Whole databases carried from one engine to the other, table by table.
//!
//! Every column of the schema is a whole number, a text, bytes or a truth value on both sides
//! (a test holds that), so rows are carried without knowing what they mean, and tables that a
//! later migration adds come along. Rows stream: memory holds one batch of them.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::TryStreamExt as _;
use sqlx::postgres::{PgPool, PgRow};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, ColumnIndex, Database, Decode, PgConnection, QueryBuilder, Row, Type};

/// Values per statement; SQLite takes 32,766, Postgres 65,535.
const VALUES: usize = 20_000;
/// Rows per statement.
const ROWS: usize = 500;
/// A batch is written once it holds this many bytes.
const BATCH_BYTES: usize = 4 << 20;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Whole,
    Text,
    Bytes,
    /// A whole number on SQLite.
    Truth,
}

/// One value on its way.
#[derive(Debug)]
enum Value {
    Whole(Option<i64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
    Truth(Option<bool>),
}

impl Value {
    fn len(&self) -> usize {
        match self {
            Self::Text(Some(text)) => text.len(),
            Self::Bytes(Some(bytes)) => bytes.len(),
            Self::Text(None) | Self::Bytes(None) | Self::Whole(_) | Self::Truth(_) => 8,
        }
    }
}

#[derive(Debug)]
struct Table {
    name: String,
    columns: Vec<(String, Kind)>,
    /// Column whose numbers Postgres gives out.
    numbered: Option<String>,
}

impl Table {
    fn select(&self) -> String {
        format!("SELECT {} FROM \"{}\"", self.names(), self.name)
    }

    fn names(&self) -> String {
        let names: Vec<String> = self
            .columns
            .iter()
            .map(|(name, _)| format!("\"{name}\""))
            .collect();
        names.join(", ")
    }

    fn read<R: Row>(&self, row: &R, truth_is_number: bool) -> Result<Vec<Value>, sqlx::Error>
    where
        usize: ColumnIndex<R>,
        for<'r> Option<i64>: Decode<'r, R::Database> + Type<R::Database>,
        for<'r> Option<String>: Decode<'r, R::Database> + Type<R::Database>,
        for<'r> Option<Vec<u8>>: Decode<'r, R::Database> + Type<R::Database>,
        for<'r> Option<bool>: Decode<'r, R::Database> + Type<R::Database>,
    {
        let mut out = Vec::with_capacity(self.columns.len());
        for (place, (_, kind)) in self.columns.iter().enumerate() {
            out.push(match kind {
                Kind::Whole => Value::Whole(row.try_get(place)?),
                Kind::Text => Value::Text(row.try_get(place)?),
                Kind::Bytes => Value::Bytes(row.try_get(place)?),
                Kind::Truth if truth_is_number => {
                    let number: Option<i64> = row.try_get(place)?;
                    Value::Truth(number.map(|number| number != 0))
                }
                Kind::Truth => Value::Truth(row.try_get(place)?),
            });
        }
        Ok(out)
    }

    fn full(&self, batch: &[Vec<Value>], bytes: usize) -> bool {
        bytes >= BATCH_BYTES
            || batch.len() >= ROWS
            || (batch.len() + 1) * self.columns.len() > VALUES
    }
}

fn size(row: &[Value]) -> usize {
    row.iter().map(Value::len).sum()
}

/// The tables of the schema, each after those that it refers to.
async fn tables(
    sqlite: &mut SqliteConnection,
    postgres: &mut PgConnection,
) -> Result<Vec<Table>, sqlx::Error> {
    const HERE: &str = "SELECT m.name, c.name FROM sqlite_master m \
        JOIN pragma_table_list l ON l.name = m.name AND l.schema = 'main' \
        JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND l.type = 'table' \
        AND m.name NOT LIKE 'sqlite%' AND m.name NOT LIKE '\\_sqlx%' ESCAPE '\\' \
        ORDER BY m.rowid, c.cid";
    const REFERS: &str = "SELECT m.name, f.\"table\" FROM sqlite_master m \
        JOIN pragma_foreign_key_list(m.name) f WHERE m.type = 'table'";
    const THERE: &str = "SELECT table_name::text, column_name::text, data_type::text, \
        is_identity = 'YES' FROM information_schema.columns \
        WHERE table_schema = current_schema()";
    let there: Vec<(String, String, String, bool)> =
        sqlx::query_as(THERE).fetch_all(postgres).await?;
    let there: BTreeMap<(String, String), (String, bool)> = there
        .into_iter()
        .map(|(table, column, kind, numbered)| ((table, column), (kind, numbered)))
        .collect();
    let here: Vec<(String, String)> = sqlx::query_as(HERE).fetch_all(&mut *sqlite).await?;
    let refers: Vec<(String, String)> = sqlx::query_as(REFERS).fetch_all(sqlite).await?;
    let mut found: Vec<Table> = Vec::new();
    for (name, column) in here {
        let place = (name, column);
        let (kind, numbered) = there
            .get(&place)
            .ok_or_else(|| mismatch(format!("Postgres has no column {}.{}", place.0, place.1)))?;
        let kind = match kind.as_str() {
            "bigint" => Kind::Whole,
            "text" => Kind::Text,
            "bytea" => Kind::Bytes,
            "boolean" => Kind::Truth,
            other => {
                let (table, column) = &place;
                return Err(mismatch(format!("{table}.{column} is of type {other}")));
            }
        };
        let (name, column) = place;
        if found.last().is_none_or(|table| table.name != name) {
            found.push(Table {
                name,
                columns: Vec::new(),
                numbered: None,
            });
        }
        if let Some(table) = found.last_mut() {
            if *numbered {
                table.numbered = Some(column.clone());
            }
            table.columns.push((column, kind));
        }
    }
    Ok(ordered(found, &refers))
}

fn mismatch(why: impl std::fmt::Display) -> sqlx::Error {
    sqlx::Error::Protocol(format!("the two schemas differ: {why}"))
}

/// Puts each table after those that it refers to; a circle keeps its order.
fn ordered(mut waiting: Vec<Table>, refers: &[(String, String)]) -> Vec<Table> {
    let mut out: Vec<Table> = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let names: BTreeSet<&str> = waiting.iter().map(|table| table.name.as_str()).collect();
        let free = waiting.iter().position(|table| {
            refers
                .iter()
                .filter(|(from, to)| *from == table.name && from != to)
                .all(|(_, to)| !names.contains(to.as_str()))
        });
        out.push(waiting.remove(free.unwrap_or(0)));
    }
    out
}

/// Fills an empty SQLite database of the same schema with all rows that Postgres holds at one
/// instant; writers are not held up.
pub(crate) async fn from_postgres(
    from: &PgPool,
    to: &mut SqliteConnection,
) -> Result<(), sqlx::Error> {
    let mut tx = from
        .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .await?;
    let tables = tables(to, &mut tx).await?;
    sqlx::query("BEGIN").execute(&mut *to).await?;
    for table in tables.iter().rev() {
        let sql = format!("DELETE FROM \"{}\"", table.name);
        sqlx::query(AssertSqlSafe(sql)).execute(&mut *to).await?;
    }
    for table in &tables {
        let select = table.select();
        let mut rows = sqlx::query(AssertSqlSafe(select)).fetch(&mut *tx);
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while let Some(row) = rows.try_next().await? {
            let row: PgRow = row;
            let row = table.read(&row, false)?;
            bytes += size(&row);
            batch.push(row);
            if table.full(&batch, bytes) {
                into_sqlite(table, std::mem::take(&mut batch), to).await?;
                bytes = 0;
            }
        }
        into_sqlite(table, batch, to).await?;
    }
    sqlx::query("COMMIT").execute(to).await?;
    tx.commit().await
}

/// Fills a Postgres database of the same schema, in one transaction, with all rows of a SQLite
/// database. What it held before is gone.
pub(crate) async fn into_postgres(
    from: &mut SqliteConnection,
    to: &PgPool,
) -> Result<(), sqlx::Error> {
    let mut tx = to.begin().await?;
    let tables = tables(from, &mut tx).await?;
    for table in tables.iter().rev() {
        let sql = format!("DELETE FROM \"{}\"", table.name);
        sqlx::query(AssertSqlSafe(sql)).execute(&mut *tx).await?;
    }
    for table in &tables {
        let select = table.select();
        let mut rows = sqlx::query(AssertSqlSafe(select)).fetch(&mut *from);
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while let Some(row) = rows.try_next().await? {
            let row: SqliteRow = row;
            let row = table.read(&row, true)?;
            bytes += size(&row);
            batch.push(row);
            if table.full(&batch, bytes) {
                add_rows(table, std::mem::take(&mut batch), &mut tx).await?;
                bytes = 0;
            }
        }
        add_rows(table, batch, &mut tx).await?;
        if let Some(column) = &table.numbered {
            let sql = format!(
                "SELECT setval(pg_get_serial_sequence('{0}', '{column}'), \
                 (SELECT coalesce(max(\"{column}\"), 0) + 1 FROM \"{0}\"), false)",
                table.name
            );
            sqlx::query(AssertSqlSafe(sql)).execute(&mut *tx).await?;
        }
    }
    tx.commit().await
}

fn beginning<DB: Database>(table: &Table) -> QueryBuilder<DB>
where
    DB::Arguments: Default,
{
    let mut sql = QueryBuilder::new("INSERT INTO ");
    sql.push(format!("\"{}\" ({}) ", table.name, table.names()));
    sql
}

async fn into_sqlite(
    table: &Table,
    batch: Vec<Vec<Value>>,
    to: &mut SqliteConnection,
) -> Result<(), sqlx::Error> {
    if batch.is_empty() {
        return Ok(());
    }
    let mut sql = beginning::<sqlx::Sqlite>(table);
    sql.push_values(batch, |mut row, values| {
        for value in values {
            match value {
                Value::Whole(value) => row.push_bind(value),
                Value::Text(value) => row.push_bind(value),
                Value::Bytes(value) => row.push_bind(value),
                Value::Truth(value) => row.push_bind(value.map(i64::from)),
            };
        }
    });
    sql.build().execute(to).await.map(drop)
}

async fn add_rows(
    table: &Table,
    batch: Vec<Vec<Value>>,
    to: &mut PgConnection,
) -> Result<(), sqlx::Error> {
    if batch.is_empty() {
        return Ok(());
    }
    let mut sql = beginning::<sqlx::Postgres>(table);
    sql.push_values(batch, |mut row, values| {
        for value in values {
            match value {
                Value::Whole(value) => row.push_bind(value),
                Value::Text(value) => row.push_bind(value),
                Value::Bytes(value) => row.push_bind(value),
                Value::Truth(value) => row.push_bind(value),
            };
        }
    });
    sql.build().execute(to).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::{Table, ordered};

    fn table(name: &str) -> Table {
        Table {
            name: name.into(),
            columns: Vec::new(),
            numbered: None,
        }
    }

    #[test]
    fn tables_come_after_those_they_refer_to() {
        let refers = [("scan", "run"), ("run", "target"), ("run", "run")]
            .map(|(from, to)| (from.to_owned(), to.to_owned()));
        let names: Vec<String> = ordered(
            vec![table("scan"), table("run"), table("job"), table("target")],
            &refers,
        )
        .into_iter()
        .map(|table| table.name)
        .collect();
        assert_eq!(names, ["job", "target", "run", "scan"]);
    }
}
