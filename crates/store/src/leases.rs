//! Who scans what, and when: leases, and wishes for a scan.
//!
//! A lease is an end time. While it runs, the target is due at that end, so that a worker that
//! dies gives its targets back by doing nothing at all.

use std::collections::HashMap;

use scanner::target::Target;
use scanner::time::Millis;

use crate::Store;
use crate::counters::Counters;
use crate::db::{Tx, on, within};
use crate::due::NEVER;
use crate::error::{Result, StoreError, during};
use crate::ids::Kind;
use crate::rows::{DueAnswer, Leased, TargetId};
use crate::servers;

/// How far the scans ahead of a wish are counted.
const AHEAD_COUNTED: i64 = 1_000;

/// Which targets come first among those that are due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Somebody waits for it.
    Asked = 0,
    /// Scanned before, due again.
    Scheduled = 1,
    /// Never scanned yet.
    Backfill = 2,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    public_id: Vec<u8>,
    url: String,
    listing: Option<String>,
    failures: i64,
    failing_since: i64,
    checked_at: i64,
    changed_at: i64,
    surface: Option<Vec<u8>>,
}

impl Store {
    /// Leases up to `limit` targets that are due at `now`, until `until`, which must be later.
    /// A target is leased to one worker at a time, of whatever process. Scans that were asked
    /// for come first but leave a fifth of the places to scheduled ones; new servers come last.
    ///
    /// # Errors
    ///
    /// If the database fails; nothing is leased then.
    pub async fn lease_due(&self, now: Millis, until: Millis, limit: u32) -> Result<Vec<Leased>> {
        let limit = i64::from(limit.min(1_000));
        let take = async {
            let mut tx = self.db.begin().await?;
            let mut ids = Vec::new();
            // A whole number of places for the first lane, at least one.
            let asked = (limit * 4 / 5).max(1);
            for (lane, most) in [
                (Lane::Asked, asked),
                (Lane::Scheduled, limit),
                (Lane::Asked, limit),
                (Lane::Backfill, limit),
            ] {
                let free = most.min(limit - i64::try_from(ids.len()).unwrap_or(limit));
                if free > 0 {
                    ids.extend(lease(&mut tx, lane, now, until, free).await?);
                }
            }
            let rows = if ids.is_empty() {
                Vec::new()
            } else {
                leased(&mut tx, &ids).await?
            };
            tx.commit().await?;
            Ok((ids, rows))
        };
        let (ids, rows): (Vec<i64>, Vec<Row>) = take.await.map_err(during("leasing targets"))?;
        let mut by_id: HashMap<i64, Row> = rows.into_iter().map(|row| (row.id, row)).collect();
        ids.iter()
            .filter_map(|id| by_id.remove(id))
            .map(|row| row.read(until))
            .collect()
    }

    /// Moves the end of a lease. False if the lease is no longer held, in which case somebody
    /// else may be scanning the target.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn renew(&self, lease: &mut Leased, until: Millis) -> Result<bool> {
        const RENEW: &str = "UPDATE visit SET lease_until = $3, due = $3 \
            WHERE target = $1 AND lease_until = $2";
        let renew = async {
            let mut tx = self.db.begin().await?;
            let rows = within!(tx, c => sqlx::query(RENEW)
                .bind(lease.id.0)
                .bind(lease.until.0)
                .bind(until.0)
                .execute(c)
                .await
                .map(|done| done.rows_affected()))?;
            tx.commit().await?;
            Ok(rows)
        };
        let held = renew.await.map_err(during("renewing a lease"))? == 1;
        if held {
            lease.until = until;
        }
        Ok(held)
    }

    /// Gives a lease back without a result; the target is due at `due`. Nothing happens if the
    /// lease is no longer held.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn release(&self, lease: &Leased, due: Millis) -> Result<()> {
        const RELEASE: &str = "UPDATE visit SET lease_until = NULL, due = $3 \
            WHERE target = $1 AND lease_until = $2";
        self.let_go(RELEASE, lease, due).await
    }

    /// Gives a lease back after a scan that came to nothing, which counts as a failure of the
    /// server; it is due at `due`.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn give_up(&self, lease: &Leased, due: Millis) -> Result<()> {
        const GIVE_UP: &str = "UPDATE visit SET lease_until = NULL, due = $3, lane = 1, \
            failures = failures + 1 WHERE target = $1 AND lease_until = $2";
        self.let_go(GIVE_UP, lease, due).await
    }

    async fn let_go(&self, sql: &'static str, lease: &Leased, due: Millis) -> Result<()> {
        let due = (due != NEVER).then_some(due.0);
        let let_go = async {
            let mut tx = self.db.begin().await?;
            within!(tx, c => sqlx::query(sql)
                .bind(lease.id.0)
                .bind(lease.until.0)
                .bind(due)
                .execute(c)
                .await
                .map(drop))?;
            tx.commit().await
        };
        let_go.await.map_err(during("giving a lease back"))
    }

    /// When the next target is due, or a lease ends; `None` if nothing ever is.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn next_due_at(&self) -> Result<Option<Millis>> {
        const NEXT: &str = "SELECT due FROM visit WHERE lane = $1 AND due IS NOT NULL \
            ORDER BY due LIMIT 1";
        let mut first: Option<i64> = None;
        for lane in [Lane::Asked, Lane::Scheduled, Lane::Backfill] {
            let row: Option<(i64,)> = on!(self.db, pool => {
                sqlx::query_as(NEXT).bind(lane as i64).fetch_optional(pool).await
            })
            .map_err(during("looking for the next scan"))?;
            if let Some((due,)) = row {
                first = Some(first.map_or(due, |first| first.min(due)));
            }
        }
        Ok(first.map(Millis))
    }

    /// Makes a server due now, ahead of what is merely scheduled, unless it was scanned less
    /// than `cooldown_ms` ago or is being scanned. `None` if there is no such server.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn make_due(
        &self,
        server: &str,
        now: Millis,
        cooldown_ms: i64,
    ) -> Result<Option<DueAnswer>> {
        let Some(public_id) = Kind::Server.read(server) else {
            return Ok(None);
        };
        let ask = async {
            let mut tx = self.db.begin().await?;
            let answer = ask(&mut tx, &public_id, now, cooldown_ms).await?;
            tx.commit().await?;
            Ok(answer)
        };
        ask.await.map_err(during("asking for a scan"))
    }

    /// Makes every server that is scanned at all due now, those being scanned excepted, and
    /// returns how many.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn make_all_due(&self, now: Millis) -> Result<u64> {
        const ALL: &str = "UPDATE visit SET due = $1 WHERE due IS NOT NULL AND due > $1 \
            AND (lease_until IS NULL OR lease_until <= $1)";
        let ask = async {
            let mut tx = self.db.begin().await?;
            let moved = within!(tx, c => {
                sqlx::query(ALL).bind(now.0).execute(c).await.map(|done| done.rows_affected())
            })?;
            tx.commit().await?;
            Ok(moved)
        };
        ask.await.map_err(during("making every server due"))
    }
}

async fn ask(
    tx: &mut Tx,
    public_id: &[u8],
    now: Millis,
    cooldown_ms: i64,
) -> Result<Option<DueAnswer>, sqlx::Error> {
    const READ: &str = "SELECT v.target, v.lane, v.due, v.lease_until, v.checked_at, v.last_scan \
        FROM target t JOIN visit v ON v.target = t.id WHERE t.public_id = $1";
    const ASK: &str = "UPDATE visit SET lane = 0, due = $2 WHERE target = $1";
    const AHEAD: &str = "SELECT COUNT(*) FROM (SELECT 1 FROM visit WHERE lane = 0 \
        AND due < $1 LIMIT $2) AS ahead";
    type Visit = (i64, i64, Option<i64>, Option<i64>, i64, Option<Vec<u8>>);
    let visit: Option<Visit> =
        within!(tx, c => sqlx::query_as(READ).bind(public_id).fetch_optional(c).await)?;
    let Some((target, lane, due, lease, checked_at, last_scan)) = visit else {
        return Ok(None);
    };
    if let Some(until) = lease.filter(|until| *until > now.0) {
        return Ok(Some(DueAnswer::Running {
            until: Millis(until),
        }));
    }
    let again = Millis(checked_at).plus(cooldown_ms);
    if checked_at > 0 && again > now {
        return Ok(Some(DueAnswer::TooSoon {
            again,
            last_scan: last_scan.and_then(|id| servers::public(Kind::Scan, &id)),
        }));
    }
    let due = match due {
        // Asked for already: it keeps its place.
        Some(due) if lane == Lane::Asked as i64 && due <= now.0 => due,
        Some(_) | None => {
            within!(tx, c => sqlx::query(ASK).bind(target).bind(now.0).execute(c).await.map(drop))?;
            Counters::default().write(tx, 0).await?;
            now.0
        }
    };
    let (ahead,): (i64,) = within!(tx, c => {
        sqlx::query_as(AHEAD).bind(due).bind(AHEAD_COUNTED).fetch_one(c).await
    })?;
    Ok(Some(DueAnswer::Queued {
        due: Millis(due),
        ahead,
    }))
}

/// Leases the longest due within one lane.
async fn lease(
    tx: &mut Tx,
    lane: Lane,
    now: Millis,
    until: Millis,
    limit: i64,
) -> Result<Vec<i64>, sqlx::Error> {
    macro_rules! lease_sql {
        ($lock:literal) => {
            concat!(
                "WITH picked AS MATERIALIZED (SELECT target FROM visit ",
                "WHERE lane = $1 AND due <= $2 ORDER BY due, target LIMIT $4",
                $lock,
                ") UPDATE visit SET lease_until = $3, due = $3 FROM picked ",
                "WHERE visit.target = picked.target RETURNING visit.target"
            )
        };
    }
    let sql = if tx.is_postgres() {
        // Rows that another worker is leasing at this moment are passed over, not waited for.
        lease_sql!(" FOR UPDATE SKIP LOCKED")
    } else {
        lease_sql!("")
    };
    let mut rows: Vec<(i64,)> = within!(tx, c => sqlx::query_as(sql)
        .bind(lane as i64)
        .bind(now.0)
        .bind(until.0)
        .bind(limit)
        .fetch_all(c)
        .await)?;
    rows.sort_unstable(); // RETURNING has no order
    Ok(rows.into_iter().map(|(target,)| target).collect())
}

async fn leased(tx: &mut Tx, ids: &[i64]) -> Result<Vec<Row>, sqlx::Error> {
    within!(tx, c => {
        let mut sql = sqlx::QueryBuilder::new(
            "SELECT t.id, t.public_id, t.url, t.listing, v.failures, v.failing_since, \
             v.checked_at, t.changed_at, r.surface \
             FROM target t JOIN visit v ON v.target = t.id \
             LEFT JOIN run r ON r.id = t.run WHERE t.id IN (",
        );
        let mut list = sql.separated(", ");
        for id in ids {
            list.push_bind(*id);
        }
        sql.push(")");
        sql.build_query_as().fetch_all(c).await
    })
}

impl Row {
    fn read(self, until: Millis) -> Result<Leased> {
        let ever = |at: i64| (at > 0).then_some(Millis(at));
        Ok(Leased {
            id: TargetId(self.id),
            server: servers::public(Kind::Server, &self.public_id).ok_or_else(|| {
                StoreError::Stored {
                    what: "a server",
                    why: "its id is not of 16 bytes".into(),
                }
            })?,
            target: Target {
                listing: self
                    .listing
                    .as_deref()
                    .and_then(|listing| serde_json::from_str(listing).ok()),
                url: self.url,
            },
            until,
            failures: u32::try_from(self.failures).unwrap_or(u32::MAX),
            failing_since: ever(self.failing_since),
            checked_at: ever(self.checked_at),
            changed_at: ever(self.changed_at),
            surface: self.surface.map(|bytes| hex(&bytes)),
        })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
