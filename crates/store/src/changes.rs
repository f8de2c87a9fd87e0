//! The change feed: what a scan found to be different, in the order in which it was filed.

use scanner::time::Millis;

use crate::Store;
use crate::db::on;
use crate::error::{Result, during};
use crate::ids::Kind;
use crate::rows::ChangeRow;
use crate::servers::public;

/// Largest part of the feed in one answer.
const MAX_ROWS: u32 = 1_000;

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT c.seq, c.at, c.kind, c.cause, t.public_id, t.name, t.url, c.before, ",
            "c.after, c.checks, c.scan, c.previous_scan FROM change c ",
            "JOIN target t ON t.id = c.target ",
            $rest
        )
    };
}

#[derive(sqlx::FromRow)]
struct Row {
    seq: i64,
    at: i64,
    kind: String,
    cause: String,
    public_id: Vec<u8>,
    name: Option<String>,
    url: String,
    before: Option<String>,
    after: Option<String>,
    checks: String,
    scan: Vec<u8>,
    previous_scan: Option<Vec<u8>>,
}

impl Row {
    fn read(self) -> ChangeRow {
        ChangeRow {
            seq: self.seq,
            at: Millis(self.at),
            kind: self.kind,
            server: public(Kind::Server, &self.public_id).unwrap_or_default(),
            server_name: self.name,
            url: self.url,
            from: self.before,
            to: self.after,
            cause: self.cause,
            checks: serde_json::from_str(&self.checks).unwrap_or_default(),
            scan: public(Kind::Scan, &self.scan).unwrap_or_default(),
            previous_scan: self
                .previous_scan
                .and_then(|scan| public(Kind::Scan, &scan)),
        }
    }
}

fn tombstone((seq, at, server): (i64, i64, Vec<u8>)) -> ChangeRow {
    ChangeRow {
        seq,
        at: Millis(at),
        kind: "removed".into(),
        server: public(Kind::Server, &server).unwrap_or_default(),
        server_name: None,
        url: String::new(),
        from: None,
        to: None,
        cause: "removed".into(),
        checks: Vec::new(),
        scan: String::new(),
        previous_scan: None,
    }
}

impl Store {
    /// Entries after `since`, oldest first; at most 1,000. Reading on from the last `seq` never
    /// misses one. A server whose data were removed has one entry, of kind `removed`, that holds
    /// its id and nothing else.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn changes(&self, since: i64, limit: u32) -> Result<Vec<ChangeRow>> {
        const READ: &str = select!("WHERE c.seq > $1 ORDER BY c.seq LIMIT $2");
        const GONE: &str = "SELECT seq, at, server FROM gone WHERE seq > $1 ORDER BY seq LIMIT $2";
        let rows: Vec<Row> = on!(self.db, pool => sqlx::query_as(READ)
            .bind(since)
            .bind(i64::from(limit.min(MAX_ROWS)))
            .fetch_all(pool)
            .await)
        .map_err(during("reading the change feed"))?;
        let gone: Vec<(i64, i64, Vec<u8>)> = on!(self.db, pool => sqlx::query_as(GONE)
            .bind(since)
            .bind(i64::from(limit.min(MAX_ROWS)))
            .fetch_all(pool)
            .await)
        .map_err(during("reading the change feed"))?;
        let mut entries: Vec<ChangeRow> = rows.into_iter().map(Row::read).collect();
        if !gone.is_empty() {
            entries.extend(gone.into_iter().map(tombstone));
            entries.sort_by_key(|entry| entry.seq);
            entries.truncate(limit.min(MAX_ROWS) as usize);
        }
        Ok(entries)
    }

    /// The newest entries of one server, newest first; at most 1,000.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn changes_of(&self, server: &str, limit: u32) -> Result<Vec<ChangeRow>> {
        const READ: &str = select!("WHERE t.public_id = $1 ORDER BY c.seq DESC LIMIT $2");
        let Some(id) = Kind::Server.read(server) else {
            return Ok(Vec::new());
        };
        let rows: Vec<Row> = on!(self.db, pool => sqlx::query_as(READ)
            .bind(&id[..])
            .bind(i64::from(limit.min(MAX_ROWS)))
            .fetch_all(pool)
            .await)
        .map_err(during("reading the changes of a server"))?;
        Ok(rows.into_iter().map(Row::read).collect())
    }

    /// The newest entries, newest first; at most 1,000.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn latest_changes(&self, limit: u32) -> Result<Vec<ChangeRow>> {
        const READ: &str = select!("ORDER BY c.seq DESC LIMIT $1");
        let rows: Vec<Row> = on!(self.db, pool => sqlx::query_as(READ)
            .bind(i64::from(limit.min(MAX_ROWS)))
            .fetch_all(pool)
            .await)
        .map_err(during("reading the change feed"))?;
        Ok(rows.into_iter().map(Row::read).collect())
    }
}
