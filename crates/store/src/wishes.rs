//! Wishes for a scan: however many there are for one server, it is queued once, and a scan that
//! came to nothing begins the cooldown like one that did not.

use scanner::ledger::{day_of, tomorrow};
use scanner::time::Millis;

use crate::Store;
use crate::counters::Counters;
use crate::db::{Tx, within};
use crate::error::{Result, during};
use crate::ids::Kind;
use crate::leases::Lane;
use crate::rows::DueAnswer;
use crate::servers;

/// How far the scans ahead of a wish are counted.
const AHEAD_COUNTED: i64 = 1_000;

impl Store {
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
        let wishing = Wishing {
            cooldown_ms,
            per_day: None,
        };
        self.wish(server, now, &wishing).await
    }

    /// The same under the limits of an installation. However many wish for one server at once,
    /// it is queued once, and all get the same answer; a scan that came to nothing counts like
    /// one that did not.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn wish(
        &self,
        server: &str,
        now: Millis,
        wishing: &Wishing,
    ) -> Result<Option<DueAnswer>> {
        let Some(public_id) = Kind::Server.read(server) else {
            return Ok(None);
        };
        let ask = async {
            let mut tx = self.db.begin().await?;
            let answer = ask(&mut tx, &public_id, now, wishing).await?;
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
        // 2 stays what it is: new servers come last. A wish keeps its lane.
        const ALL: &str = "UPDATE visit SET due = $1, lane = CASE WHEN lane = 1 THEN 3 ELSE lane \
            END WHERE due IS NOT NULL AND due > $1 \
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

/// Limits of wishes for one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wishing {
    /// After the last scan, whatever came of it, in milliseconds.
    pub cooldown_ms: i64,
    /// Wishes that are taken on a UTC day; `None` for any number.
    pub per_day: Option<u32>,
}

#[derive(sqlx::FromRow)]
struct Wished {
    target: i64,
    lane: i64,
    due: Option<i64>,
    lease_until: Option<i64>,
    checked_at: i64,
    last_scan: Option<Vec<u8>>,
    asked_at: i64,
    leased_at: i64,
    tried_at: i64,
    asked_day: i64,
    asked_n: i64,
}

async fn ask(
    tx: &mut Tx,
    public_id: &[u8],
    now: Millis,
    wishing: &Wishing,
) -> Result<Option<DueAnswer>, sqlx::Error> {
    macro_rules! read {
        ($lock:literal) => {
            concat!(
                "SELECT v.target, v.lane, v.due, v.lease_until, ",
                "CASE WHEN v.seen_at > v.checked_at THEN v.seen_at ELSE v.checked_at END ",
                "AS checked_at, v.last_scan, ",
                "v.asked_at, v.leased_at, v.tried_at, v.asked_day, v.asked_n ",
                "FROM target t JOIN visit v ON v.target = t.id WHERE t.public_id = $1",
                $lock
            )
        };
    }
    const ASK: &str = "UPDATE visit SET lane = 0, due = $2, asked_at = $2, asked_day = $3, \
        asked_n = $4 WHERE target = $1";
    const AHEAD: &str = "SELECT COUNT(*) FROM (SELECT 1 FROM visit WHERE lane = 0 \
        AND due < $1 LIMIT $2) AS ahead";
    // Many wish at the same time; one of them queues it.
    let sql = if tx.is_postgres() {
        read!(" FOR UPDATE OF v")
    } else {
        read!("")
    };
    let visit: Option<Wished> =
        within!(tx, c => sqlx::query_as(sql).bind(public_id).fetch_optional(c).await)?;
    let Some(visit) = visit else {
        return Ok(None);
    };
    if let Some(until) = visit.lease_until.filter(|until| *until > now.0) {
        return Ok(Some(DueAnswer::Running {
            since: Millis(visit.leased_at),
            until: Millis(until),
        }));
    }
    // A result that was filed since then is what was asked for.
    let waits = visit.lane == Lane::Asked as i64 && visit.asked_at > visit.checked_at;
    let (since, due) = match visit.due.filter(|due| waits || *due <= now.0) {
        // Asked for already: it keeps its place.
        Some(due) if visit.lane == Lane::Asked as i64 => (visit.asked_at.max(1), due),
        Some(_) | None => {
            if let Some(refused) = refused(&visit, now, wishing) {
                return Ok(Some(refused));
            }
            let today = day_of(now);
            let n = if visit.asked_day == today {
                visit.asked_n + 1
            } else {
                1
            };
            within!(tx, c => sqlx::query(ASK)
                .bind(visit.target)
                .bind(now.0)
                .bind(today)
                .bind(n)
                .execute(c)
                .await
                .map(drop))?;
            Counters::default().write(tx, 0).await?;
            (now.0, now.0)
        }
    };
    let (ahead,): (i64,) = within!(tx, c => {
        sqlx::query_as(AHEAD).bind(due).bind(AHEAD_COUNTED).fetch_one(c).await
    })?;
    Ok(Some(DueAnswer::Queued {
        since: Millis(since),
        due: Millis(due),
        ahead,
    }))
}

/// Why a wish is not taken now.
fn refused(visit: &Wished, now: Millis, wishing: &Wishing) -> Option<DueAnswer> {
    let last = visit.checked_at.max(visit.tried_at);
    let cooled = Millis(last).plus(wishing.cooldown_ms);
    let spent = wishing
        .per_day
        .is_some_and(|most| visit.asked_day == day_of(now) && visit.asked_n >= most.into());
    let again = if last > 0 && cooled > now {
        cooled
    } else if spent {
        tomorrow(now)
    } else {
        return None;
    };
    Some(DueAnswer::TooSoon {
        failed: visit.tried_at > visit.checked_at,
        again,
        last_scan: visit
            .last_scan
            .as_deref()
            .and_then(|id| servers::public(Kind::Scan, id)),
    })
}
