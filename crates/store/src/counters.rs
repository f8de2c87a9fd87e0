//! Numbers kept while writing, so that no request ever counts rows.
//!
//! A transaction gathers its differences and writes them at its very end, beginning with the
//! generation: that row is held until the commit, so writers pass one after the other, in one
//! order, and cannot deadlock; and numbers given out after it appear in the order of commits.

use std::collections::BTreeMap;

use scanner::report::{Badge, Class, Era, GradeLetter};
use scanner::spec::Revision;
use scanner::time::Millis;

use crate::Store;
use crate::db::{Db, Tx, on, within};
use crate::error::{Result, during};
use crate::rows::{CheckTally, Facets, Totals};
use crate::survey::Pending;

pub(crate) const HOUR: i64 = 3_600_000;
pub(crate) const DAY: i64 = 24 * HOUR;
/// After so many writes, hours in which no newest scan lies any more are removed.
const SWEEP_EVERY: i64 = 1_000;
/// How far the queue is counted.
const QUEUE_COUNTED: i64 = 10_000;

/// Differences to be written.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    deltas: BTreeMap<(&'static str, String), i64>,
    /// What is to be kept of authorization servers.
    pub(crate) survey: Pending,
}

impl Counters {
    pub(crate) fn add(&mut self, kind: &'static str, value: &str, n: i64) {
        if let Some(known) = self.deltas.get_mut(&(kind, value.to_owned())) {
            *known += n;
        } else {
            self.deltas.insert((kind, value.to_owned()), n);
        }
    }

    /// A server's newest scan moved from one instant to another; 0 is never.
    pub(crate) fn moved(&mut self, from: i64, to: i64) {
        let (from, to) = (from / HOUR, to / HOUR);
        if from != to {
            if from > 0 {
                self.add("hour", &from.to_string(), -1);
            }
            self.add("hour", &to.to_string(), 1);
        }
    }

    /// Holds the generation before the differences are known.
    pub(crate) async fn lock(&self, tx: &mut Tx) -> Result<(), sqlx::Error> {
        const LOCK: &str = "UPDATE counter SET n = n WHERE kind = 'data' AND value = 'generation'";
        within!(tx, c => sqlx::query(LOCK).execute(c).await.map(drop))
    }

    /// Writes the differences and one step of the generation, and reserves `changes` places in
    /// the change feed; returns the place before the first of them. The last thing that a
    /// transaction does before it adds to the feed and commits.
    pub(crate) async fn write(mut self, tx: &mut Tx, changes: usize) -> Result<i64, sqlx::Error> {
        const GENERATION: &str =
            "UPDATE counter SET n = n + 1 WHERE kind = 'data' AND value = 'generation' RETURNING n";
        const SWEEP: &str = "DELETE FROM counter WHERE kind = 'hour' AND n = 0";
        const RESERVE: &str = "UPDATE counter SET n = n + $1 WHERE kind = 'data' \
            AND value = 'changes' RETURNING n";
        let (generation,): (i64,) =
            within!(tx, c => sqlx::query_as(GENERATION).fetch_one(c).await)?;
        std::mem::take(&mut self.survey)
            .write(tx, &mut self)
            .await?;
        if generation % SWEEP_EVERY == 0 {
            within!(tx, c => sqlx::query(SWEEP).execute(c).await.map(drop))?;
        }
        let mut before_first = 0;
        if changes > 0 {
            let n = i64::try_from(changes).unwrap_or(i64::MAX);
            let (last,): (i64,) =
                within!(tx, c => sqlx::query_as(RESERVE).bind(n).fetch_one(c).await)?;
            before_first = last - n;
        }
        let deltas: Vec<_> = self.deltas.into_iter().filter(|(_, n)| *n != 0).collect();
        for chunk in deltas.chunks(500) {
            within!(tx, c => {
                let mut sql =
                    sqlx::QueryBuilder::new("INSERT INTO counter (kind, value, n) ");
                sql.push_values(chunk, |mut row, ((kind, value), n)| {
                    row.push_bind(*kind).push_bind(value.as_str()).push_bind(*n);
                });
                sql.push(
                    " ON CONFLICT (kind, value) DO UPDATE SET n = counter.n + excluded.n",
                );
                sql.build().execute(c).await.map(drop)
            })?;
        }
        Ok(before_first)
    }
}

/// All counters of one kind.
async fn kind(db: &Db, kind: &str) -> Result<Vec<(String, i64)>, sqlx::Error> {
    const READ: &str = "SELECT value, n FROM counter WHERE kind = $1 AND n <> 0 ORDER BY value";
    on!(db, pool => sqlx::query_as(READ).bind(kind).fetch_all(pool).await)
}

/// One counter; 0 if nothing was counted yet.
pub(crate) async fn one(db: &Db, kind: &str, value: &str) -> Result<i64, sqlx::Error> {
    const READ: &str = "SELECT n FROM counter WHERE kind = $1 AND value = $2";
    let row: Option<(i64,)> =
        on!(db, pool => sqlx::query_as(READ).bind(kind).bind(value).fetch_optional(pool).await)?;
    Ok(row.map_or(0, |(n,)| n))
}

/// Counters by kind, in the order of a known list; unknown values at the end.
fn ordered(rows: &[(String, String, i64)], kind: &str, order: &[&str]) -> Vec<(String, i64)> {
    let position = |value: &str| {
        order
            .iter()
            .position(|known| *known == value)
            .unwrap_or(order.len())
    };
    let mut out: Vec<(String, i64)> = rows
        .iter()
        .filter(|(of, _, n)| of == kind && *n > 0)
        .map(|(_, value, n)| (value.clone(), *n))
        .collect();
    out.sort_by(|(a, _), (b, _)| (position(a), a).cmp(&(position(b), b)));
    out
}

impl Store {
    /// How many servers there are of each kind.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn facets(&self) -> Result<Facets> {
        const READ: &str = "SELECT kind, value, n FROM counter WHERE kind IN ('letter', 'class', \
            'era', 'claimed', 'registration', 'pkce', 'product', 'source', 'total')";
        let rows: Vec<(String, String, i64)> =
            on!(self.db, pool => sqlx::query_as(READ).fetch_all(pool).await)
                .map_err(during("counting servers"))?;
        let letters: Vec<&str> = GradeLetter::ALL
            .iter()
            .map(|letter| letter.as_str())
            .chain(Badge::ALL.iter().map(|badge| badge.as_str()))
            .collect();
        let classes: Vec<&str> = Class::ALL.iter().map(|class| class.as_str()).collect();
        let eras = [
            Era::Modern,
            Era::Dual,
            Era::Legacy,
            Era::HttpSse,
            Era::Hidden,
        ]
        .map(Era::as_str);
        let revisions: Vec<&str> = Revision::ALL.iter().rev().map(|r| r.as_str()).collect();
        let total = rows
            .iter()
            .find(|(kind, value, _)| kind == "total" && value == "servers");
        Ok(Facets {
            letters: ordered(&rows, "letter", &letters),
            classes: ordered(&rows, "class", &classes),
            eras: ordered(&rows, "era", &eras),
            claimed: ordered(&rows, "claimed", &revisions),
            registration: ordered(&rows, "registration", &["cimd", "dcr_only", "none"]),
            pkce: ordered(&rows, "pkce", &["s256", "other", "absent"]),
            products: ordered(&rows, "product", &[]),
            sources: ordered(&rows, "source", &[]),
            total: total.map_or(0, |(_, _, n)| *n),
        })
    }

    /// The index in numbers. `now` decides what is due and how old the scans are.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn totals(&self, now: Millis) -> Result<Totals> {
        const QUEUE: &str = "SELECT COUNT(*) FROM (SELECT 1 FROM visit WHERE lane IN (-1, 0, 1, 2, 3) \
            AND due <= $1 LIMIT $2) AS waiting";
        let read = async {
            let total = kind(&self.db, "total").await?;
            let of = |name: &str| {
                let found = total.iter().find(|(value, _)| value == name);
                found.map_or(0, |(_, n)| *n)
            };
            let week = now.0 / DAY - 7;
            let changes: i64 = kind(&self.db, "day")
                .await?
                .iter()
                .filter(|(day, _)| day.parse::<i64>().is_ok_and(|day| day > week))
                .map(|(_, n)| *n)
                .sum();
            let (queue,): (i64,) = on!(self.db, pool => {
                sqlx::query_as(QUEUE).bind(now.0).bind(QUEUE_COUNTED).fetch_one(pool).await
            })?;
            Ok(Totals {
                servers: of("servers"),
                scanned: of("scanned"),
                graded: of("graded"),
                scans: of("scans"),
                changes_7d: changes,
                median_age_ms: median_age(&kind(&self.db, "hour").await?, now),
                queue,
                generation: one(&self.db, "data", "generation").await?,
            })
        };
        read.await.map_err(during("counting the index"))
    }

    /// Version of the data alone: see [`Totals::generation`]. One look at one row, for conditional
    /// requests.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn generation(&self) -> Result<i64> {
        let read = one(&self.db, "data", "generation").await;
        read.map_err(during("reading the version of the data"))
    }

    /// How servers do on each check by their newest report, in catalogue order; checks of
    /// older catalogues last.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn tally(&self) -> Result<Vec<CheckTally>> {
        const READ: &str =
            "SELECT kind, value, n FROM counter WHERE kind IN ('pass', 'warn', 'fail')";
        let ordinals = self.ordinals(&[]).await?;
        let read = async {
            let scanned = one(&self.db, "total", "scanned").await?;
            let rows: Vec<(String, String, i64)> =
                on!(self.db, pool => sqlx::query_as(READ).fetch_all(pool).await)?;
            Ok((scanned, rows))
        };
        let (scanned, rows) = read.await.map_err(during("counting verdicts"))?;
        let by_key: BTreeMap<(&str, &str), i64> = rows
            .iter()
            .map(|(kind, value, n)| ((kind.as_str(), value.as_str()), *n))
            .collect();
        let mut order: Vec<&str> = scanner::checks::all().map(|check| check.id).collect();
        for ordinal in 0..ordinals.len() {
            if let Some(id) = ordinals.id(ordinal)
                && scanner::checks::by_id(id).is_none()
            {
                order.push(id);
            }
        }
        Ok(order
            .into_iter()
            .map(|id| {
                let of = |kind| by_key.get(&(kind, id)).copied().unwrap_or(0);
                let (pass, warn, fail) = (of("pass"), of("warn"), of("fail"));
                CheckTally {
                    check: id.to_owned(),
                    pass,
                    warn,
                    fail,
                    unjudged: scanned - pass - warn - fail,
                }
            })
            .collect())
    }
}

/// The middle of the hours in which servers were last scanned, as an age.
fn median_age(hours: &[(String, i64)], now: Millis) -> Option<i64> {
    let mut hours: Vec<(i64, i64)> = hours
        .iter()
        .filter_map(|(hour, n)| Some((hour.parse().ok()?, *n)))
        .filter(|(_, n)| *n > 0)
        .collect();
    hours.sort_unstable();
    let all: i64 = hours.iter().map(|(_, n)| n).sum();
    let mut seen = 0;
    for (hour, n) in hours {
        seen += n;
        if seen * 2 >= all {
            return Some((now.0 - hour * HOUR).max(0));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use scanner::time::Millis;

    use super::{HOUR, median_age};

    #[test]
    fn the_median_is_that_of_servers_not_of_hours() {
        let hours = [
            ("10".to_owned(), 1),
            ("20".to_owned(), 5),
            ("9".to_owned(), 1),
        ];
        assert_eq!(median_age(&hours, Millis(21 * HOUR)), Some(HOUR));
        assert_eq!(median_age(&[], Millis(0)), None);
    }
}
