//! Who scans what, and when: leases.
//!
//! A lease is an end time. While it runs, the target is due at that end, so that a worker that
//! dies gives its targets back by doing nothing at all.

mod rows;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicI64, Ordering};

use scanner::ledger::{day_of, tomorrow};
use scanner::time::Millis;

use crate::Store;
use crate::db::{Tx, on, within};
use crate::due::NEVER;
use crate::error::{Result, during};
use crate::hosts::{self, Held};
use crate::rows::Leased;
use rows::{Row, leased};

/// Which targets come first among those that are due: confirmations, then what a visitor asked
/// for, what the command line asked for, what is due again, and what was never scanned. The
/// numbers are what is stored; the order is [`Lane::ALL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// A second look at bad news.
    Confirm = -1,
    /// Somebody waits for it.
    Asked = 0,
    /// Scanned before, due again.
    Scheduled = 1,
    /// Never scanned yet.
    Backfill = 2,
    /// Somebody at the command line made it due.
    Command = 3,
}

impl Lane {
    /// All lanes, first come first.
    pub const ALL: [Self; 5] = [
        Self::Confirm,
        Self::Asked,
        Self::Command,
        Self::Scheduled,
        Self::Backfill,
    ];
}

/// What a worker asks the queue for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseAsk {
    /// The present.
    pub now: Millis,
    /// Targets that are due until then.
    pub due: Millis,
    /// End of the leases; later than `now`.
    pub until: Millis,
    /// Most leases.
    pub limit: u32,
    /// Hosts of one operator that are held at a time. Scans may hold all but one of them, and
    /// at least one: authorization servers of the same operator need a place, too.
    pub operator_hosts: Option<u32>,
    /// Requests to all hosts of one operator on a UTC day.
    pub operator_per_day: Option<u32>,
}

/// Places that scheduled scans are owed: a fifth of what is not new.
#[derive(Debug, Default)]
pub(crate) struct Shares(AtomicI64);

impl Shares {
    /// Of `limit` places, how many go to scheduled scans before anybody else.
    fn scheduled(&self, limit: i64) -> i64 {
        ((self.0.load(Ordering::Relaxed) + limit) / 5).min(limit)
    }

    fn given(&self, ahead: i64, scheduled: i64) {
        let owed = self.0.load(Ordering::Relaxed) + ahead - 4 * scheduled;
        self.0.store(owed.clamp(0, 20), Ordering::Relaxed);
    }
}

impl Store {
    /// Leases up to `limit` targets that are due at `now`, until `until`, which must be later.
    /// See [`Store::lease`]; operators are not limited.
    ///
    /// # Errors
    ///
    /// If the database fails; nothing is leased then.
    pub async fn lease_due(&self, now: Millis, until: Millis, limit: u32) -> Result<Vec<Leased>> {
        self.lease(&LeaseAsk {
            now,
            due: now,
            until,
            limit,
            operator_hosts: None,
            operator_per_day: None,
        })
        .await
    }

    /// Leases targets that are due, each to one worker at a time, of whatever process, and holds
    /// their hosts for as long: a host is scanned by one worker at a time. Targets whose host or
    /// operator is busy, closed or stopped are passed over, and nobody waits behind them. Scans
    /// that somebody waits for come first but leave a fifth of the places to scheduled ones; new
    /// servers come last.
    ///
    /// # Errors
    ///
    /// If the database fails; nothing is leased then.
    pub async fn lease(&self, ask: &LeaseAsk) -> Result<Vec<Leased>> {
        let limit = i64::from(ask.limit.min(1_000));
        let take = async {
            let mut tx = self.db.begin().await?;
            let mut queue = Queue {
                ask,
                holder: self.holder,
                ids: Vec::new(),
                holds: Vec::new(),
            };
            let reserved = self.shares.scheduled(limit);
            let left = |queue: &Queue<'_>| limit - i64::try_from(queue.ids.len()).unwrap_or(limit);
            let mut ahead = 0;
            let mut scheduled = 0;
            for lane in [Lane::Confirm, Lane::Asked, Lane::Command] {
                let free = left(&queue) - reserved;
                ahead += queue.take(&mut tx, lane, free).await?;
            }
            let free = left(&queue);
            scheduled += queue.take(&mut tx, Lane::Scheduled, free).await?;
            if reserved > scheduled {
                for lane in [Lane::Confirm, Lane::Asked, Lane::Command] {
                    let free = left(&queue);
                    ahead += queue.take(&mut tx, lane, free).await?;
                }
            }
            let free = left(&queue);
            queue.take(&mut tx, Lane::Backfill, free).await?;
            let rows = if queue.ids.is_empty() {
                Vec::new()
            } else {
                leased(&mut tx, &queue.ids).await?
            };
            tx.commit().await?;
            self.shares.given(ahead, scheduled);
            Ok((queue, rows))
        };
        let (queue, rows) = take.await.map_err(during("leasing targets"))?;
        self.holds.add(queue.holds);
        let mut by_id: HashMap<i64, Row> = rows.into_iter().map(|row| (row.id, row)).collect();
        queue
            .ids
            .iter()
            .filter_map(|id| by_id.remove(id))
            .map(|row| row.read(ask.until))
            .collect()
    }

    /// Whether a target is due that waits only for somebody else to leave its host or its
    /// operator.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn is_waiting(&self, due: Millis, now: Millis) -> Result<bool> {
        const READ: &str = "SELECT 1 FROM visit v WHERE v.lane = $1 AND v.due <= $2 AND EXISTS \
            (SELECT 1 FROM host_pace h WHERE (h.host = v.host OR h.operator = v.operator) \
            AND h.held_until > $3) LIMIT 1";
        for lane in Lane::ALL {
            let row: Option<(i32,)> = on!(self.db, pool => {
                sqlx::query_as(READ)
                    .bind(lane as i64)
                    .bind(due.0)
                    .bind(now.0)
                    .fetch_optional(pool)
                    .await
            })
            .map_err(during("looking for work"))?;
            if row.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Moves the end of a lease. False if the lease is no longer held, in which case somebody
    /// else may be scanning the target.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn renew(&self, lease: &mut Leased, until: Millis) -> Result<bool> {
        const HOLD: &str = "UPDATE host_pace SET held_until = $3 WHERE host = $1 AND holder = $2";
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
            if rows == 1 {
                within!(tx, c => sqlx::query(HOLD)
                    .bind(&lease.host)
                    .bind(self.holder)
                    .bind(until.0)
                    .execute(c)
                    .await
                    .map(drop))?;
            }
            tx.commit().await?;
            Ok(rows)
        };
        let held = renew.await.map_err(during("renewing a lease"))? == 1;
        if held {
            lease.until = until;
            self.holds.renew(&lease.host, until);
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
        self.let_go(RELEASE, lease, due, None).await
    }

    /// Gives a lease back after a scan that came to nothing, which counts as a failure of the
    /// server and begins its cooldown; it is due at `due`.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn give_up(&self, lease: &Leased, due: Millis, now: Millis) -> Result<()> {
        const GIVE_UP: &str = "UPDATE visit SET lease_until = NULL, due = $3, lane = 1, \
            failures = failures + 1, tried_at = $4 WHERE target = $1 AND lease_until = $2";
        self.let_go(GIVE_UP, lease, due, Some(now)).await
    }

    /// Gives a lease back because the host does not want to be scanned; that is no failure, but
    /// begins its cooldown. It is due at `due`, and nobody waits for it any more.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn put_off(&self, lease: &Leased, due: Millis, now: Millis) -> Result<()> {
        const PUT_OFF: &str = "UPDATE visit SET lease_until = NULL, due = $3, lane = 1, \
            tried_at = $4 WHERE target = $1 AND lease_until = $2";
        self.let_go(PUT_OFF, lease, due, Some(now)).await
    }

    async fn let_go(
        &self,
        sql: &'static str,
        lease: &Leased,
        due: Millis,
        now: Option<Millis>,
    ) -> Result<()> {
        // A target that is given back is due at once or soon.
        let at = now.unwrap_or_else(|| due.min(lease.until));
        let left = self.holds.leave(&lease.host, at);
        let due = (due != NEVER).then_some(due.0);
        let let_go = async {
            let mut tx = self.db.begin().await?;
            within!(tx, c => {
                let mut query = sqlx::query(sql).bind(lease.id.0).bind(lease.until.0).bind(due);
                if let Some(now) = now {
                    query = query.bind(now.0);
                }
                query.execute(c).await.map(drop)
            })?;
            hosts::leave(&mut tx, left.iter().collect()).await?;
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
        for lane in Lane::ALL {
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
}

/// Targets and hosts that a transaction is taking.
struct Queue<'a> {
    ask: &'a LeaseAsk,
    holder: i64,
    ids: Vec<i64>,
    holds: Vec<(String, Held)>,
}

/// One that could be leased.
#[derive(Debug, sqlx::FromRow)]
struct Candidate {
    target: i64,
    host: String,
    operator: String,
}

/// Looks at one lane; each look clears the publisher that stood in front, whose other targets
/// are passed over from then on.
const LOOKS: usize = 6;
/// Candidates for each free place: the first ones may all be of one host.
const WIDTH: i64 = 4;

impl Queue<'_> {
    /// Leases the longest due of a lane, at most `most`, and says how many.
    async fn take(&mut self, tx: &mut Tx, lane: Lane, most: i64) -> Result<i64, sqlx::Error> {
        let mut taken = 0;
        for _ in 0..LOOKS {
            let free = most - taken;
            if free <= 0 {
                break;
            }
            let candidates = self.candidates(tx, lane, free * WIDTH).await?;
            if candidates.is_empty() {
                break;
            }
            let some = i64::try_from(candidates.len()).unwrap_or(0) < free * WIDTH;
            let new = self.choose(tx, candidates, free).await?;
            taken += new;
            // All there were have been looked at.
            if some {
                break;
            }
        }
        Ok(taken)
    }

    async fn candidates(
        &self,
        tx: &mut Tx,
        lane: Lane,
        limit: i64,
    ) -> Result<Vec<Candidate>, sqlx::Error> {
        macro_rules! look {
            ($operators:literal, $lock:literal) => {
                concat!(
                    "SELECT v.target, v.host, v.operator FROM visit v ",
                    "WHERE v.lane = $1 AND v.due <= $2 ",
                    "AND NOT EXISTS (SELECT 1 FROM host_pace h WHERE h.host = v.host ",
                    "AND (h.held_until > $3 OR h.closed_until > $3 OR h.open_until > $3)) ",
                    "AND NOT EXISTS (SELECT 1 FROM switch s WHERE s.kind = 'stop_all' ",
                    "OR (s.kind = 'stop_host' ",
                    "AND (v.host = s.value OR v.host LIKE '%.' || s.value))) ",
                    $operators,
                    "ORDER BY v.due, v.target LIMIT $4",
                    $lock,
                )
            };
        }
        // Rows that another worker is leasing at this moment are passed over, not waited for.
        let sql = match (self.ask.operator_hosts.is_some(), tx.is_postgres()) {
            (false, false) => look!("", ""),
            (false, true) => look!("", " FOR UPDATE OF v SKIP LOCKED"),
            (true, false) => look!(
                "AND (SELECT COUNT(*) FROM host_pace o WHERE o.operator = v.operator \
                 AND o.held_until > $3) < $5 ",
                ""
            ),
            (true, true) => look!(
                "AND (SELECT COUNT(*) FROM host_pace o WHERE o.operator = v.operator \
                 AND o.held_until > $3) < $5 ",
                " FOR UPDATE OF v SKIP LOCKED"
            ),
        };
        within!(tx, c => {
            let mut query = sqlx::query_as(sql)
                .bind(lane as i64)
                .bind(self.ask.due.0)
                .bind(self.ask.now.0)
                .bind(limit);
            if let Some(places) = self.places() {
                query = query.bind(places);
            }
            query.fetch_all(c).await
        })
    }

    /// Hosts of one operator that scans may hold.
    fn places(&self) -> Option<i64> {
        let hosts = i64::from(self.ask.operator_hosts?);
        Some((hosts - 1).max(1))
    }

    /// Leases those of the candidates whose host and operator are free.
    async fn choose(
        &mut self,
        tx: &mut Tx,
        candidates: Vec<Candidate>,
        most: i64,
    ) -> Result<i64, sqlx::Error> {
        let mut wanted: BTreeMap<String, Candidate> = BTreeMap::new();
        let mut hostless = Vec::new();
        let mut per_operator: HashMap<String, i64> = HashMap::new();
        let room = usize::try_from(most).unwrap_or(0);
        for candidate in candidates {
            if wanted.len() + hostless.len() >= room {
                break;
            }
            if candidate.host.is_empty() {
                hostless.push(candidate.target);
                continue;
            }
            if wanted.contains_key(&candidate.host) {
                continue;
            }
            let of_operator = per_operator.entry(candidate.operator.clone()).or_default();
            if self.places().is_some_and(|places| *of_operator >= places) {
                continue;
            }
            *of_operator += 1;
            wanted.insert(candidate.host.clone(), candidate);
        }
        let spent = self.operators(tx, &mut wanted).await?;
        put_off(tx, &spent, self.ask.now).await?;
        let hosts: Vec<(String, String)> = wanted
            .values()
            .map(|one| (one.host.clone(), one.operator.clone()))
            .collect();
        let (now, until) = (self.ask.now, self.ask.until);
        let books = hosts::hold(tx, &hosts, self.holder, now, until).await?;
        let reserved = self.ask.operator_per_day.map(|_| day_of(now));
        let mut ids = hostless;
        for (host, book) in books {
            if let Some(candidate) = wanted.remove(&host) {
                ids.push(candidate.target);
                let held = Held::new(candidate.operator, book, reserved);
                self.holds.push((host, held));
            }
        }
        if reserved.is_some() && !wanted.is_empty() {
            // Somebody else took those hosts a moment ago.
            let lost: Vec<String> = wanted.into_values().map(|one| one.operator).collect();
            for operator in lost {
                hosts::operators_today(tx, &[operator], now, -hosts::RESERVE).await?;
            }
        }
        ids.sort_unstable();
        mark(tx, &ids, now, until).await?;
        let new = i64::try_from(ids.len()).unwrap_or(0);
        self.ids.extend(ids);
        Ok(new)
    }

    /// Locks the operators, drops hosts of those that are full, and gives back the targets of
    /// those that were asked enough today.
    async fn operators(
        &self,
        tx: &mut Tx,
        wanted: &mut BTreeMap<String, Candidate>,
    ) -> Result<Vec<i64>, sqlx::Error> {
        let now = self.ask.now;
        let mut spent = Vec::new();
        let Some(places) = self.places() else {
            return Ok(spent);
        };
        let names: BTreeSet<String> = wanted.values().map(|one| one.operator.clone()).collect();
        let names: Vec<String> = names.into_iter().collect();
        let asked = hosts::operators_today(tx, &names, now, 0).await?;
        let held = hosts::held_of(tx, &names, now).await?;
        let mut taken: HashMap<String, i64> = HashMap::new();
        wanted.retain(|_, one| {
            let of = taken.entry(one.operator.clone()).or_default();
            let before = held.get(&one.operator).copied().unwrap_or(0);
            let today = asked.get(&one.operator).copied().unwrap_or(0) + *of * hosts::RESERVE;
            let most = self.ask.operator_per_day.map_or(i64::MAX, i64::from);
            if today + hosts::RESERVE > most {
                spent.push(one.target);
                return false;
            }
            let free = before + *of < places;
            *of += i64::from(free);
            free
        });
        if self.ask.operator_per_day.is_some() {
            for (operator, n) in taken.into_iter().filter(|(_, n)| *n > 0) {
                hosts::operators_today(tx, &[operator], now, n * hosts::RESERVE).await?;
            }
        }
        Ok(spent)
    }
}

/// Puts targets off until the next day, when their operator may be asked again.
async fn put_off(tx: &mut Tx, targets: &[i64], now: Millis) -> Result<(), sqlx::Error> {
    if targets.is_empty() {
        return Ok(());
    }
    within!(tx, c => {
        let mut sql = sqlx::QueryBuilder::new("UPDATE visit SET due = ");
        sql.push_bind(tomorrow(now).0).push(" WHERE target IN (");
        let mut list = sql.separated(", ");
        for target in targets {
            list.push_bind(*target);
        }
        sql.push(")");
        sql.build().execute(c).await.map(drop)
    })
}

/// Writes leases down.
async fn mark(tx: &mut Tx, ids: &[i64], now: Millis, until: Millis) -> Result<(), sqlx::Error> {
    if ids.is_empty() {
        return Ok(());
    }
    within!(tx, c => {
        let mut sql = sqlx::QueryBuilder::new("UPDATE visit SET lease_until = ");
        sql.push_bind(until.0).push(", due = ").push_bind(until.0);
        sql.push(", leased_at = ").push_bind(now.0).push(" WHERE target IN (");
        let mut list = sql.separated(", ");
        for id in ids {
            list.push_bind(*id);
        }
        sql.push(")");
        sql.build().execute(c).await.map(drop)
    })
}
