//! Who is at which host, for all processes of one database: the [`Ledger`] of the scanner over
//! rows.
//!
//! The host of a scanned endpoint is held with the lease of its target, for the length of the
//! scan: turns inside it cost no statement, and what came of them is written when the lease
//! ends. Other hosts (authorization servers) are claimed for one request. A process that dies
//! leaves holds that end by themselves.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use scanner::facts::relation::registrable_domain;
use scanner::halt::bare;
use scanner::ledger::{Claim, Claimed, HostBook, Later, Ledger, Refusal, Role, Settlement, day_of};
use scanner::time::Millis;

use crate::Store;
use crate::db::{Tx, on, within};
use crate::error::{Result, during};

/// Requests of an operator's day that a scan sets aside when it begins; what it did not send is
/// given back.
pub(crate) const RESERVE: i64 = 64;
/// After a fault of the database a claim is tried again so much later.
const AFTER_FAULT: i64 = 1_000;

/// The host of a URL as it is paced: lower case, without port and brackets.
pub(crate) fn host_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let authority = authority.rsplit('@').next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(literal) => literal.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    bare(host)
}

/// The registrable domain of a host, or the host itself.
pub(crate) fn operator_of(host: &str) -> String {
    registrable_domain(host).unwrap_or_else(|| host.to_owned())
}

/// Columns of a [`HostBook`], as they are read.
pub(crate) const BOOK: &str = "holder, held_until, next_at, closed_until, slow_until, faults, \
    fault_at, open_until, day, asked";

/// A [`HostBook`] as a row.
#[derive(Debug, Clone, Copy, sqlx::FromRow)]
pub(crate) struct Row {
    holder: i64,
    held_until: i64,
    next_at: i64,
    closed_until: i64,
    slow_until: i64,
    faults: i64,
    fault_at: i64,
    open_until: i64,
    day: i64,
    asked: i64,
}

impl From<Row> for HostBook {
    fn from(row: Row) -> Self {
        Self {
            holder: row.holder,
            held_until: row.held_until,
            next_at: row.next_at,
            closed_until: row.closed_until,
            slow_until: row.slow_until,
            faults: row.faults,
            fault_at: row.fault_at,
            open_until: row.open_until,
            day: row.day,
            asked: row.asked,
        }
    }
}

/// A host that is held with a lease.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) operator: String,
    pub(crate) book: HostBook,
    /// UTC day on which [`RESERVE`] was set aside; `None` if nothing was.
    pub(crate) reserved: Option<i64>,
    sent: i64,
    limited: bool,
    good: Option<bool>,
}

impl Held {
    pub(crate) fn new(operator: String, book: HostBook, reserved: Option<i64>) -> Self {
        Self {
            operator,
            book,
            reserved,
            sent: 0,
            limited: false,
            good: None,
        }
    }

    fn claim(&mut self, claim: &Claim, now: Millis) -> Option<Claimed> {
        if self.book.held_until <= now.0 {
            return None; // the lease was lost
        }
        if self.book.closed_until > now.0 {
            return Some(Claimed::Refused {
                until: Millis(self.book.closed_until),
                why: Refusal::RetryAfter,
            });
        }
        if claim.role == Role::AuthorizationServer {
            if self.book.day != day_of(now) {
                (self.book.day, self.book.asked) = (day_of(now), 0);
            }
            self.book.asked += 1;
        }
        Some(Claimed::Granted {
            from: Millis(self.book.next_at),
            slow: self.book.slow_until > now.0,
        })
    }

    fn settle(&mut self, settlement: &Settlement) {
        self.sent += i64::from(settlement.sent);
        self.limited |= settlement.limited;
        self.book.next_at = self.book.next_at.max(settlement.next_at.0);
        if let Some(until) = settlement.closed_until {
            self.book.closed_until = self.book.closed_until.max(until.0);
        }
        self.good = match (self.good, settlement.good) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (known, None) => known,
            (_, Some(false)) => Some(false),
        };
    }

    /// The page as it is when the host is left, and what the operator's day is corrected by.
    fn leave(mut self, host: &str, at: Millis) -> Left {
        let settlement = Settlement {
            host: host.to_owned(),
            operator: self.operator.clone(),
            role: Role::Endpoint,
            sent: 0,
            at,
            next_at: Millis(self.book.next_at),
            closed_until: None,
            limited: self.limited,
            good: self.good,
        };
        let holder = self.book.holder;
        self.book.settle(&settlement);
        Left {
            host: host.to_owned(),
            correction: self.reserved.map(|day| (day, self.sent - RESERVE)),
            operator: self.operator,
            book: self.book,
            holder,
        }
    }
}

/// A host that is being left.
#[derive(Debug, Clone)]
pub(crate) struct Left {
    host: String,
    operator: String,
    book: HostBook,
    holder: i64,
    correction: Option<(i64, i64)>,
}

/// Hosts that this process holds with its leases.
#[derive(Debug, Clone, Default)]
pub(crate) struct Holds(Arc<Mutex<HashMap<String, Held>>>);

impl Holds {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, holds: impl IntoIterator<Item = (String, Held)>) {
        self.lock().extend(holds);
    }

    /// Takes a hold off the list, to be written down.
    pub(crate) fn leave(&self, host: &str, at: Millis) -> Option<Left> {
        Some(self.lock().remove(host)?.leave(host, at))
    }

    /// How a hold would be written down, which stays on the list until it has been.
    pub(crate) fn leaving(&self, host: &str, at: Millis) -> Option<Left> {
        Some(self.lock().get(host)?.clone().leave(host, at))
    }

    pub(crate) fn forget(&self, host: &str) {
        self.lock().remove(host);
    }

    /// The hold lasts until then.
    pub(crate) fn renew(&self, host: &str, until: Millis) {
        if let Some(held) = self.lock().get_mut(host) {
            held.book.held_until = until.0;
        }
    }
}

/// Writes down which hosts were left; each is free with the same commit.
pub(crate) async fn leave(tx: &mut Tx, mut left: Vec<&Left>) -> Result<(), sqlx::Error> {
    if left.is_empty() {
        return Ok(());
    }
    left.sort_by(|a, b| (&a.operator, &a.host).cmp(&(&b.operator, &b.host)));
    left.dedup_by(|a, b| a.host == b.host);
    let mut days: Vec<(&str, i64, i64)> = Vec::new();
    for one in &left {
        let Some((day, by)) = one.correction else {
            continue;
        };
        match days.last_mut() {
            Some((operator, on, sum)) if *operator == one.operator && *on == day => *sum += by,
            _ => days.push((&one.operator, day, by)),
        }
    }
    // Operators before hosts, both in order, everywhere: nobody waits in a circle.
    if !days.is_empty() {
        within!(tx, c => {
            let mut sql = sqlx::QueryBuilder::new(
                "UPDATE operator_pace SET asked = operator_pace.asked + v.column3 FROM (",
            );
            sql.push_values(&days, |mut row, (operator, day, by)| {
                row.push_bind(*operator).push_bind(*day).push_bind(*by);
            });
            sql.push(
                ") AS v WHERE operator_pace.operator = v.column1 AND operator_pace.day = v.column2",
            );
            sql.build().execute(c).await.map(drop)
        })?;
    }
    left.sort_by(|a, b| a.host.cmp(&b.host));
    within!(tx, c => {
        let mut sql = sqlx::QueryBuilder::new(
            "UPDATE host_pace SET held_until = 0, next_at = v.column3, closed_until = v.column4, \
             slow_until = v.column5, faults = v.column6, fault_at = v.column7, \
             open_until = v.column8, day = v.column9, asked = v.column10 FROM (",
        );
        sql.push_values(&left, |mut row, one| {
            row.push_bind(one.host.as_str())
                .push_bind(one.holder)
                .push_bind(one.book.next_at)
                .push_bind(one.book.closed_until)
                .push_bind(one.book.slow_until)
                .push_bind(one.book.faults)
                .push_bind(one.book.fault_at)
                .push_bind(one.book.open_until)
                .push_bind(one.book.day)
                .push_bind(one.book.asked);
        });
        sql.push(") AS v WHERE host_pace.host = v.column1 AND host_pace.holder = v.column2");
        sql.build().execute(c).await.map(drop)
    })
}

/// Reads how much operators were asked today, and locks their rows. In the order of names.
pub(crate) async fn operators_today(
    tx: &mut Tx,
    operators: &[String],
    now: Millis,
    add: i64,
) -> Result<HashMap<String, i64>, sqlx::Error> {
    if operators.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<(String, i64)> = within!(tx, c => {
        let mut sql = sqlx::QueryBuilder::new("INSERT INTO operator_pace (operator, day, asked) ");
        sql.push_values(operators, |mut row, operator| {
            row.push_bind(operator.as_str()).push_bind(day_of(now)).push_bind(add);
        });
        sql.push(
            " ON CONFLICT (operator) DO UPDATE SET day = excluded.day, asked = excluded.asked + \
             CASE WHEN operator_pace.day = excluded.day THEN operator_pace.asked ELSE 0 END \
             RETURNING operator, asked",
        );
        sql.build_query_as().fetch_all(c).await
    })?;
    Ok(rows
        .into_iter()
        .map(|(operator, asked)| (operator, asked - add))
        .collect())
}

/// How many hosts of these operators are held.
pub(crate) async fn held_of(
    tx: &mut Tx,
    operators: &[String],
    now: Millis,
) -> Result<HashMap<String, i64>, sqlx::Error> {
    if operators.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<(String, i64)> = within!(tx, c => {
        let mut sql =
            sqlx::QueryBuilder::new("SELECT operator, COUNT(*) FROM host_pace WHERE held_until > ");
        sql.push_bind(now.0).push(" AND operator IN (");
        let mut list = sql.separated(", ");
        for operator in operators {
            list.push_bind(operator.as_str());
        }
        sql.push(") GROUP BY operator");
        sql.build_query_as().fetch_all(c).await
    })?;
    Ok(rows.into_iter().collect())
}

/// Holds those of these hosts (with their operators, in the order of hosts) that are free.
pub(crate) async fn hold(
    tx: &mut Tx,
    hosts: &[(String, String)],
    holder: i64,
    now: Millis,
    until: Millis,
) -> Result<HashMap<String, HostBook>, sqlx::Error> {
    #[derive(sqlx::FromRow)]
    struct Taken {
        host: String,
        #[sqlx(flatten)]
        row: Row,
    }
    if hosts.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<Taken> = within!(tx, c => {
        let mut sql =
            sqlx::QueryBuilder::new("INSERT INTO host_pace (host, operator, holder, held_until) ");
        sql.push_values(hosts, |mut row, (host, operator)| {
            row.push_bind(host.as_str())
                .push_bind(operator.as_str())
                .push_bind(holder)
                .push_bind(until.0);
        });
        sql.push(
            " ON CONFLICT (host) DO UPDATE SET operator = excluded.operator, \
             holder = excluded.holder, held_until = excluded.held_until \
             WHERE host_pace.held_until <= ",
        );
        sql.push_bind(now.0).push(" AND host_pace.closed_until <= ").push_bind(now.0);
        sql.push(" AND host_pace.open_until <= ").push_bind(now.0);
        sql.push(" RETURNING host, ").push(BOOK);
        sql.build_query_as().fetch_all(c).await
    })?;
    Ok(rows
        .into_iter()
        .map(|taken| (taken.host, taken.row.into()))
        .collect())
}

impl Store {
    /// End of the `Retry-After` that a held host sent during this hold or before.
    pub(crate) fn closed_until(&self, host: &str) -> Option<Millis> {
        let until = self.holds.lock().get(host)?.book.closed_until;
        (until > 0).then_some(Millis(until))
    }

    /// A host that was held with a lease is no longer.
    pub(crate) fn forget_host(&self, host: &str) {
        self.holds.forget(host);
    }

    async fn claim_row(&self, claim: &Claim, now: Millis) -> Result<Claimed, sqlx::Error> {
        const READ: &str = "INSERT INTO host_pace (host, operator) VALUES ($1, $2) \
            ON CONFLICT (host) DO UPDATE SET operator = excluded.operator RETURNING holder, \
            held_until, next_at, closed_until, slow_until, faults, fault_at, open_until, day, asked";
        const OTHERS: &str = "SELECT COUNT(*) FROM host_pace WHERE operator = $1 AND host <> $2 \
            AND held_until > $3";
        const WRITE: &str = "UPDATE host_pace SET holder = $2, held_until = $3, day = $4, \
            asked = $5 WHERE host = $1";
        let mut tx = self.db.begin().await?;
        let operator = [claim.operator.clone()];
        let asked = match claim.operator_per_day {
            Some(_) => operators_today(&mut tx, &operator, now, 1).await?,
            None => HashMap::new(),
        };
        let asked = asked.get(&claim.operator).copied().unwrap_or(0);
        let row: Row = within!(tx, c => sqlx::query_as(READ)
            .bind(&claim.host)
            .bind(&claim.operator)
            .fetch_one(c)
            .await)?;
        let others: i64 = match claim.places {
            None => 0,
            Some(_) => {
                let (n,): (i64,) = within!(tx, c => sqlx::query_as(OTHERS)
                    .bind(&claim.operator)
                    .bind(&claim.host)
                    .bind(now.0)
                    .fetch_one(c)
                    .await)?;
                n
            }
        };
        let mut book = HostBook::from(row);
        let others = u32::try_from(others).unwrap_or(u32::MAX);
        let claimed = book.claim(claim, self.holder, now, others, asked);
        if matches!(claimed, Claimed::Granted { .. }) {
            within!(tx, c => sqlx::query(WRITE)
                .bind(&claim.host)
                .bind(book.holder)
                .bind(book.held_until)
                .bind(book.day)
                .bind(book.asked)
                .execute(c)
                .await
                .map(drop))?;
            tx.commit().await?;
        }
        Ok(claimed)
    }

    async fn settle_row(&self, settlement: &Settlement) -> Result<(), sqlx::Error> {
        const READ: &str = "SELECT holder, held_until, next_at, closed_until, slow_until, faults, \
            fault_at, open_until, day, asked FROM host_pace WHERE host = $1";
        const WRITE: &str = "UPDATE host_pace SET held_until = 0, next_at = $3, \
            closed_until = $4, slow_until = $5, faults = $6, fault_at = $7, open_until = $8 \
            WHERE host = $1 AND holder = $2";
        let mut tx = self.db.begin().await?;
        let row: Option<Row> = within!(tx, c => sqlx::query_as(READ)
            .bind(&settlement.host)
            .fetch_optional(c)
            .await)?;
        let Some(row) = row else { return Ok(()) };
        let mut book = HostBook::from(row);
        book.settle(settlement);
        within!(tx, c => sqlx::query(WRITE)
            .bind(&settlement.host)
            .bind(self.holder)
            .bind(book.next_at)
            .bind(book.closed_until)
            .bind(book.slow_until)
            .bind(book.faults)
            .bind(book.fault_at)
            .bind(book.open_until)
            .execute(c)
            .await
            .map(drop))?;
        tx.commit().await
    }

    async fn line(
        &self,
        name: &str,
        spacing: i64,
        n: i64,
        now: Millis,
    ) -> Result<i64, sqlx::Error> {
        const TAKE: &str = "INSERT INTO slot (name, next_at) VALUES ($1, $2 + $3) \
            ON CONFLICT (name) DO UPDATE SET next_at = $3 + \
            CASE WHEN slot.next_at > $2 THEN slot.next_at ELSE $2 END RETURNING next_at";
        let length = spacing.saturating_mul(n);
        let mut tx = self.db.begin().await?;
        let (next,): (i64,) = within!(tx, c => sqlx::query_as(TAKE)
            .bind(name)
            .bind(now.0)
            .bind(length)
            .fetch_one(c)
            .await)?;
        tx.commit().await?;
        Ok(next - length)
    }

    /// Fills in the operators of rows that an older version wrote.
    pub(crate) async fn fill_operators(&self) -> Result<()> {
        const READ: &str = "SELECT target, host FROM visit WHERE operator = '' AND host <> '' \
            LIMIT 500";
        let fill = async {
            loop {
                let rows: Vec<(i64, String)> =
                    on!(self.db, pool => sqlx::query_as(READ).fetch_all(pool).await)?;
                if rows.is_empty() {
                    return Ok(());
                }
                let mut tx = self.db.begin().await?;
                within!(tx, c => {
                    let mut sql =
                        sqlx::QueryBuilder::new("UPDATE visit SET operator = v.column2 FROM (");
                    sql.push_values(&rows, |mut row, (target, host)| {
                        row.push_bind(*target).push_bind(operator_of(host));
                    });
                    sql.push(") AS v WHERE visit.target = v.column1");
                    sql.build().execute(c).await.map(drop)
                })?;
                tx.commit().await?;
            }
        };
        fill.await.map_err(during("filling in operators"))
    }
}

impl Ledger for Store {
    fn claim<'a>(&'a self, claim: &'a Claim, now: Millis) -> Later<'a, Claimed> {
        let held = self
            .holds
            .lock()
            .get_mut(&claim.host)
            .and_then(|held| held.claim(claim, now));
        if let Some(claimed) = held {
            return Box::pin(std::future::ready(claimed));
        }
        Box::pin(async move {
            self.claim_row(claim, now).await.unwrap_or_else(|error| {
                tracing::warn!(host = %claim.host, %error, "cannot claim a host");
                let again = now.plus(AFTER_FAULT);
                Claimed::Busy { again }
            })
        })
    }

    fn settle(&self, settlement: Settlement) -> Later<'_, ()> {
        let mut holds = self.holds.lock();
        if let Some(held) = holds.get_mut(&settlement.host)
            && held.book.held_until > settlement.at.0
        {
            held.settle(&settlement);
            return Box::pin(std::future::ready(()));
        }
        drop(holds);
        Box::pin(async move {
            // The hold ends by itself if it cannot be ended.
            if let Err(error) = self.settle_row(&settlement).await {
                tracing::warn!(host = %settlement.host, %error, "cannot give a host back");
            }
        })
    }

    fn places<'a>(
        &'a self,
        name: &'a str,
        spacing_ms: i64,
        n: u32,
        now: Millis,
    ) -> Later<'a, Millis> {
        Box::pin(async move {
            match self.line(name, spacing_ms, i64::from(n), now).await {
                Ok(first) => Millis(first),
                Err(error) => {
                    tracing::warn!(line = name, %error, "cannot take a place in a line");
                    now.plus(AFTER_FAULT)
                }
            }
        })
    }

    fn is_shared(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::{host_of, operator_of};

    #[test]
    fn hosts_are_named_as_they_are_paced() {
        for (url, host, operator) in [
            (
                "https://MCP.Example.com:8443/mcp",
                "mcp.example.com",
                "example.com",
            ),
            ("https://[::1]:80/x", "::1", "::1"),
            ("https://10.0.0.1/", "10.0.0.1", "10.0.0.1"),
            (
                "https://u:p@a.example.co.uk?q",
                "a.example.co.uk",
                "example.co.uk",
            ),
        ] {
            assert_eq!(host_of(url), host);
            assert_eq!(operator_of(host), operator);
        }
    }
}
