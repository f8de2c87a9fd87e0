//! Jobs that run by the clock, in one process at a time, and positions kept between runs.

use scanner::time::Millis;

use crate::Store;
use crate::db::{on, within};
use crate::error::{Result, during};
use crate::rows::JobRow;
use crate::state::clean;

#[derive(sqlx::FromRow)]
struct Row {
    name: String,
    scheduled: i64,
    started: i64,
    until: i64,
    finished: Option<i64>,
    ok: Option<bool>,
    note: String,
}

impl Store {
    /// Claims the run of a job that was planned for `scheduled`, until `until`. False if that
    /// run or a later one is done or being done, or if an earlier one still holds its lease. A
    /// run whose process died can be claimed again after its lease.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn job_claim(
        &self,
        name: &str,
        scheduled: Millis,
        now: Millis,
        until: Millis,
    ) -> Result<bool> {
        const FIRST: &str = "INSERT INTO job (name, scheduled, started, until, finished, note) \
            VALUES ($1, $2, 0, 0, 0, '') ON CONFLICT (name) DO NOTHING";
        const CLAIM: &str = "UPDATE job SET scheduled = $2, started = $3, until = $4, \
            finished = NULL, ok = NULL, note = '' WHERE name = $1 \
            AND (scheduled < $2 OR (scheduled = $2 AND finished IS NULL)) \
            AND (finished IS NOT NULL OR until <= $3)";
        let name = clean(name);
        let claim = async {
            let mut tx = self.db.begin().await?;
            within!(tx, c => sqlx::query(FIRST)
                .bind(&name)
                .bind(i64::MIN)
                .execute(c)
                .await
                .map(drop))?;
            let rows = within!(tx, c => sqlx::query(CLAIM)
                .bind(&name)
                .bind(scheduled.0)
                .bind(now.0)
                .bind(until.0)
                .execute(c)
                .await
                .map(|done| done.rows_affected()))?;
            tx.commit().await?;
            Ok(rows == 1)
        };
        claim.await.map_err(during("claiming a job"))
    }

    /// Ends a claimed run. Nothing happens if another run has been claimed since.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn job_done(
        &self,
        name: &str,
        scheduled: Millis,
        ok: bool,
        note: &str,
        now: Millis,
    ) -> Result<()> {
        const DONE: &str = "UPDATE job SET finished = $3, ok = $4, note = $5 \
            WHERE name = $1 AND scheduled = $2 AND finished IS NULL";
        let done = async {
            let mut tx = self.db.begin().await?;
            within!(tx, c => sqlx::query(DONE)
                .bind(clean(name))
                .bind(scheduled.0)
                .bind(now.0)
                .bind(ok)
                .bind(clean(note))
                .execute(c)
                .await
                .map(drop))?;
            tx.commit().await
        };
        done.await.map_err(during("ending a job"))
    }

    /// All jobs that ever ran, by name, each with its newest run.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn jobs(&self) -> Result<Vec<JobRow>> {
        const READ: &str =
            "SELECT name, scheduled, started, until, finished, ok, note FROM job WHERE started > 0";
        let mut rows: Vec<Row> = on!(self.db, pool => sqlx::query_as(READ).fetch_all(pool).await)
            .map_err(during("listing jobs"))?;
        rows.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(rows
            .into_iter()
            .map(|row| JobRow {
                name: row.name,
                scheduled: Millis(row.scheduled),
                started: Millis(row.started),
                finished: row.finished.map(Millis),
                until: Millis(row.until),
                ok: row.ok,
                note: row.note,
            })
            .collect())
    }

    /// A position kept under a name, or `None`.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn cursor(&self, name: &str) -> Result<Option<String>> {
        const READ: &str = "SELECT value FROM cursor WHERE name = $1";
        let row: Option<(String,)> = on!(self.db, pool => {
            sqlx::query_as(READ).bind(clean(name)).fetch_optional(pool).await
        })
        .map_err(during("reading a position"))?;
        Ok(row.map(|(value,)| value))
    }

    /// Keeps a position under a name.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn set_cursor(&self, name: &str, value: &str) -> Result<()> {
        const SET: &str = "INSERT INTO cursor (name, value) VALUES ($1, $2) \
            ON CONFLICT (name) DO UPDATE SET value = excluded.value";
        let set = async {
            let mut tx = self.db.begin().await?;
            within!(tx, c => sqlx::query(SET)
                .bind(clean(name))
                .bind(value.replace('\0', ""))
                .execute(c)
                .await
                .map(drop))?;
            tx.commit().await
        };
        set.await.map_err(during("keeping a position"))
    }
}
