//! What is removed once it is old.
//!
//! Most of what ages is never kept: a scan that saw the same as the one before is a row with
//! its id from the start, and lasting evidence has neither times nor addresses. What is left
//! are the addresses in the newest scan of a server that is no longer scanned, and the notes of
//! jobs that no longer run.

use scanner::evidence::Evidence;
use scanner::time::Millis;
use tokio::sync::watch;

use crate::Store;
use crate::codec::{Kind, Packed};
use crate::counters::DAY;
use crate::db::{on, within};
use crate::error::{Result, StoreError, during};

/// Addresses that answered are kept for so long.
const PEERS_MS: i64 = 30 * DAY;
/// Notes of jobs are kept for so long.
const JOBS_MS: i64 = 30 * DAY;
/// Rows per transaction.
const BATCH: i64 = 50;
/// Where the last pass over the newest scans ended.
const PLACE: &str = "retention:peers";
/// Where the last pass over lasting evidence ended.
const LASTING: &str = "retention:evidence";
const RETAINING: &str = "removing what is old";

/// Instants before which things are removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionPlan {
    /// Scans from before this lose the addresses that answered.
    pub peers_before: Millis,
    /// Jobs that ended before this, and have not run since, are forgotten.
    pub jobs_before: Millis,
}

impl RetentionPlan {
    /// What is old at an instant.
    #[must_use]
    pub fn at(now: Millis) -> Self {
        Self {
            peers_before: now.plus(-PEERS_MS),
            jobs_before: now.plus(-JOBS_MS),
        }
    }
}

/// What was removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removed {
    /// Scans that lost addresses.
    pub scans: u64,
    /// Lasting evidence that lost addresses, which only ever an earlier version put there.
    pub lasting: u64,
    /// Jobs that were forgotten.
    pub jobs: u64,
    /// Scans that could not be read; they are logged and left.
    pub unreadable: u64,
}

#[derive(sqlx::FromRow)]
struct Newest {
    target: i64,
    checked_at: i64,
    scan: Vec<u8>,
    dictionary: Option<i64>,
    bytes: Vec<u8>,
}

impl Store {
    /// Removes what the plan says, a few rows at a time, each once: the place is kept, and the
    /// next call goes on there. Ends early when `stop` turns true.
    ///
    /// # Errors
    ///
    /// If the database fails; what was removed until then stays so.
    pub async fn retain(
        &self,
        plan: &RetentionPlan,
        stop: &watch::Receiver<bool>,
    ) -> Result<Removed> {
        self.walk(plan, stop, true).await
    }

    /// What [`Store::retain`] would remove now; nothing is written.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn would_retain(
        &self,
        plan: &RetentionPlan,
        stop: &watch::Receiver<bool>,
    ) -> Result<Removed> {
        self.walk(plan, stop, false).await
    }

    async fn walk(
        &self,
        plan: &RetentionPlan,
        stop: &watch::Receiver<bool>,
        write: bool,
    ) -> Result<Removed> {
        const READ: &str = "SELECT v.target, v.checked_at, n.scan, n.dictionary, n.bytes \
            FROM visit v JOIN newest n ON n.target = v.target \
            WHERE (v.checked_at > $1 OR (v.checked_at = $1 AND v.target > $2)) \
            AND v.checked_at < $3 ORDER BY v.checked_at, v.target LIMIT $4";
        let mut done = Removed::default();
        let place = self.cursor(PLACE).await?;
        let (mut at, mut target) = place
            .as_deref()
            .and_then(|text| text.split_once('/'))
            .and_then(|(at, target)| Some((at.parse().ok()?, target.parse().ok()?)))
            .unwrap_or((0_i64, 0_i64));
        while !*stop.borrow() {
            let rows: Vec<Newest> = on!(self.db, pool => sqlx::query_as(READ)
                .bind(at)
                .bind(target)
                .bind(plan.peers_before.0)
                .bind(BATCH)
                .fetch_all(pool)
                .await)
            .map_err(during(RETAINING))?;
            let Some(last) = rows.last() else { break };
            (at, target) = (last.checked_at, last.target);
            self.scrub(rows, write, &mut done).await?;
            if write {
                self.set_cursor(PLACE, &format!("{at}/{target}")).await?;
            }
        }
        self.walk_lasting(stop, write, &mut done).await?;
        done.jobs = self.forget_jobs(plan.jobs_before, write).await?;
        Ok(done)
    }

    /// Looks once through all lasting evidence: what is filed today holds no addresses, what
    /// some earlier version filed might.
    async fn walk_lasting(
        &self,
        stop: &watch::Receiver<bool>,
        write: bool,
        done: &mut Removed,
    ) -> Result<()> {
        const READ: &str = "SELECT id, dictionary, bytes FROM evidence WHERE id > $1 \
            ORDER BY id LIMIT $2";
        const WRITE: &str = "UPDATE evidence SET dictionary = $2, bytes = $3 WHERE id = $1";
        let place = self.cursor(LASTING).await?;
        let mut after: i64 = place.and_then(|text| text.parse().ok()).unwrap_or(0);
        while !*stop.borrow() {
            let rows: Vec<(i64, Option<i64>, Vec<u8>)> = on!(self.db, pool => {
                sqlx::query_as(READ).bind(after).bind(BATCH).fetch_all(pool).await
            })
            .map_err(during(RETAINING))?;
            let Some((last, ..)) = rows.last() else { break };
            after = *last;
            for (id, dictionary, bytes) in rows {
                let packed = Packed { dictionary, bytes };
                let Some(packed) = self.readable(self.scrubbed(&packed).await, id, done)? else {
                    continue;
                };
                done.lasting += 1;
                if !write {
                    continue;
                }
                let rewrite = async {
                    let mut tx = self.db.begin().await?;
                    within!(tx, c => sqlx::query(WRITE)
                        .bind(id)
                        .bind(packed.dictionary)
                        .bind(&packed.bytes)
                        .execute(c)
                        .await
                        .map(drop))?;
                    tx.commit().await
                };
                rewrite.await.map_err(during(RETAINING))?;
            }
            if write {
                self.set_cursor(LASTING, &after.to_string()).await?;
            }
        }
        Ok(())
    }

    /// What came of reading a row; one that cannot be read is logged and counted.
    fn readable(
        &self,
        scrubbed: Result<Option<Packed>>,
        row: i64,
        done: &mut Removed,
    ) -> Result<Option<Packed>> {
        match scrubbed {
            Err(StoreError::Stored { what, why }) => {
                tracing::error!(row, %what, %why, "cannot be scrubbed");
                done.unreadable += 1;
                Ok(None)
            }
            other => other,
        }
    }

    async fn scrub(&self, rows: Vec<Newest>, write: bool, done: &mut Removed) -> Result<()> {
        const WRITE: &str = "UPDATE newest SET dictionary = $3, bytes = $4 \
            WHERE target = $1 AND scan = $2";
        let mut ready = Vec::with_capacity(rows.len());
        for row in rows {
            let packed = Packed {
                dictionary: row.dictionary,
                bytes: row.bytes,
            };
            let scrubbed = self.scrubbed(&packed).await;
            if let Some(packed) = self.readable(scrubbed, row.target, done)? {
                ready.push((row.target, row.scan, packed));
            }
        }
        if !write {
            done.scans += ready.len() as u64;
            return Ok(());
        }
        let write = async {
            let mut tx = self.db.begin().await?;
            let mut written = 0;
            for (target, scan, packed) in &ready {
                // A newer scan may have come in between, which is not old.
                written += within!(tx, c => sqlx::query(WRITE)
                    .bind(target)
                    .bind(scan)
                    .bind(packed.dictionary)
                    .bind(&packed.bytes)
                    .execute(c)
                    .await
                    .map(|done| done.rows_affected()))?;
            }
            tx.commit().await?;
            Ok(written)
        };
        done.scans += write.await.map_err(during(RETAINING))?;
        Ok(())
    }

    /// The evidence without addresses; `None` if it has none.
    async fn scrubbed(&self, packed: &Packed) -> Result<Option<Packed>> {
        let bytes = self.codec.unpack(&self.db, Kind::Evidence, packed).await?;
        let evidence = Evidence::decode(&bytes).map_err(|error| StoreError::Stored {
            what: "evidence",
            why: error.to_string(),
        })?;
        let scrubbed = evidence.clone().without_peers();
        if scrubbed == evidence {
            return Ok(None);
        }
        self.codec.prepare(&self.db, Kind::Evidence, None).await?;
        let bytes = crate::filing::encode(&scrubbed)?;
        Ok(Some(self.codec.pack(Kind::Evidence, &bytes)?))
    }

    async fn forget_jobs(&self, before: Millis, write: bool) -> Result<u64> {
        const FORGET: &str = "DELETE FROM job WHERE started > 0 AND started < $1 \
            AND finished IS NOT NULL AND finished < $1";
        let forget = async {
            let mut tx = self.db.begin().await?;
            let rows = within!(tx, c => sqlx::query(FORGET)
                .bind(before.0)
                .execute(c)
                .await
                .map(|done| done.rows_affected()))?;
            if write {
                tx.commit().await?;
            }
            Ok(rows)
        };
        forget.await.map_err(during(RETAINING))
    }
}
