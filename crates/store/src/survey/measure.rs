//! The counts: worked out by the job `stats` for an index of any size, and on request for a
//! small one, which has them at once.

use futures_util::TryStreamExt as _;
use scanner::time::Millis;

use super::Features;
use super::count::{Line, Measure, Tally};
use crate::Store;
use crate::counters::{self, Counters, DAY};
use crate::db::{Tx, on, within};
use crate::error::{Result, during};

/// Up to so many scanned servers are counted when somebody asks.
const FEW: i64 = 2_000;
/// Rows of one statement.
const ROWS: usize = 500;
/// Day of the newest count.
const NEWEST: i64 = 0;
/// Population of the row that holds the instant of the newest count.
const AT: &str = "at";
/// Populations that are kept for every day.
const KEPT: [&str; 1] = ["all"];

/// A count of everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Measured {
    /// When it was made; `None` if none was made yet.
    pub at: Option<Millis>,
    /// The values, sorted by population, series and value.
    pub rows: Vec<Measure>,
}

impl Measured {
    /// One value.
    #[must_use]
    pub fn find(&self, population: &str, series: &str, value: &str) -> Option<&Measure> {
        self.of(population, series).find(|row| row.value == value)
    }

    /// The values of a series.
    pub fn of(&self, population: &str, series: &str) -> impl Iterator<Item = &Measure> {
        self.rows
            .iter()
            .filter(move |row| row.population == population && row.series == series)
    }
}

/// A value of a series on one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrendPoint {
    /// Days since 1970.
    pub day: i64,
    /// The value.
    pub measure: Measure,
}

type Row = (i64, String, String, String, i64, i64, i64, i64);

fn read(row: Row) -> TrendPoint {
    let (day, population, series, value, n, of, share, operators) = row;
    TrendPoint {
        day,
        measure: Measure {
            population,
            series,
            value,
            n,
            of,
            share,
            operators,
        },
    }
}

impl Store {
    /// The newest count. `now` is its instant where it is made on request.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn measured(&self, now: Millis) -> Result<Measured> {
        const READ: &str = "SELECT day, population, series, value, n, total, share, operators \
            FROM rollup WHERE day = $1 ORDER BY population, series, value";
        let scanned = counters::one(&self.db, "total", "scanned")
            .await
            .map_err(during("counting the index"))?;
        if scanned <= FEW {
            return Ok(Measured {
                at: Some(now),
                rows: self.counted().await?,
            });
        }
        let rows: Vec<Row> =
            on!(self.db, pool => sqlx::query_as(READ).bind(NEWEST).fetch_all(pool).await)
                .map_err(during("reading statistics"))?;
        let mut at = None;
        let mut out = Vec::with_capacity(rows.len());
        for row in rows {
            let point = read(row).measure;
            if point.population == AT {
                at = Some(Millis(point.n));
            } else {
                out.push(point);
            }
        }
        Ok(Measured { at, rows: out })
    }

    /// A series of yes and no day by day, oldest first: at most the newest 1,000 days between
    /// these two, both included.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn trend(&self, series: &str, from: i64, to: i64) -> Result<Vec<TrendPoint>> {
        const READ: &str = "SELECT day, population, series, value, n, total, share, operators \
            FROM rollup WHERE population = 'all' AND series = $1 AND value = 'yes' \
            AND day >= $2 AND day <= $3 ORDER BY day DESC LIMIT 1000";
        let rows: Vec<Row> = on!(self.db, pool => sqlx::query_as(READ)
            .bind(series.replace('\0', ""))
            .bind(from.max(NEWEST + 1))
            .bind(to)
            .fetch_all(pool)
            .await)
        .map_err(during("reading statistics"))?;
        Ok(rows.into_iter().rev().map(read).collect())
    }

    /// Counts everything and keeps the result, as the newest and as that of its day. Issuers
    /// that no server names any more are forgotten, and counters made exact. Returns how many
    /// values were kept.
    ///
    /// # Errors
    ///
    /// If the database fails; nothing is kept then.
    pub async fn roll_up(&self, now: Millis) -> Result<usize> {
        let rows = self.counted().await?;
        let keep = async {
            let mut tx = self.db.begin().await?;
            // The generation first: every writer passes there.
            let mut exact = Counters::default();
            exact.lock(&mut tx).await?;
            tidy(&mut tx, &mut exact).await?;
            exact.write(&mut tx, 0).await?;
            write(&mut tx, &rows, now).await?;
            tx.commit().await
        };
        keep.await.map_err(during("keeping statistics"))?;
        Ok(rows.len())
    }

    async fn counted(&self) -> Result<Vec<Measure>> {
        const SERVERS: &str = "SELECT s.operator, s.prm, s.features, t.class, t.era, t.letter, \
            t.claimed, t.registration, t.product, r.bits FROM survey s \
            JOIN target t ON t.id = s.target LEFT JOIN run r ON r.id = t.run \
            WHERE t.class IS NOT NULL ORDER BY s.operator, s.target";
        const ISSUERS: &str = "SELECT i.product, i.features FROM issuer i \
            WHERE i.told = 'document' AND i.servers > 0";
        let ordinals = self.ordinals(&[]).await?;
        let mut tally = Tally::default();
        let sum = async {
            on!(self.db, pool => {
                let mut lines = sqlx::query_as::<_, Line>(SERVERS).fetch(pool);
                while let Some(line) = lines.try_next().await? {
                    tally.server(&line);
                }
            });
            on!(self.db, pool => {
                let mut rows = sqlx::query_as::<_, (String, i64)>(ISSUERS).fetch(pool);
                while let Some((product, features)) = rows.try_next().await? {
                    tally.issuer(&product, Features(features));
                }
            });
            Ok::<_, sqlx::Error>(tally)
        };
        let tally = sum.await.map_err(during("counting servers"))?;
        let mut rows = tally.finish(|ordinal| ordinals.id(ordinal).map(str::to_owned));
        rows.sort_by(|a, b| {
            (&a.population, &a.series, &a.value).cmp(&(&b.population, &b.series, &b.value))
        });
        Ok(rows)
    }
}

/// Forgets issuers without servers and corrects what removals of servers left behind.
async fn tidy(tx: &mut Tx, counters: &mut Counters) -> Result<(), sqlx::Error> {
    const FORGET: &str = "DELETE FROM issuer WHERE NOT EXISTS \
        (SELECT 1 FROM target_issuer x WHERE x.issuer = issuer.id)";
    const RECOUNT: &str = "UPDATE issuer SET servers = \
        (SELECT COUNT(*) FROM target_issuer x WHERE x.issuer = issuer.id) WHERE servers <> \
        (SELECT COUNT(*) FROM target_issuer x WHERE x.issuer = issuer.id)";
    const EXACT: &str = "SELECT product, COUNT(*) FROM target WHERE product IS NOT NULL \
        GROUP BY product";
    const KEPT: &str = "SELECT value, n FROM counter WHERE kind = 'product'";
    for sql in [FORGET, RECOUNT] {
        within!(tx, c => sqlx::query(sql).execute(c).await.map(drop))?;
    }
    let exact: Vec<(String, i64)> = within!(tx, c => sqlx::query_as(EXACT).fetch_all(c).await)?;
    let kept: Vec<(String, i64)> = within!(tx, c => sqlx::query_as(KEPT).fetch_all(c).await)?;
    for (product, n) in &exact {
        counters.add("product", product, *n);
    }
    for (product, n) in &kept {
        counters.add("product", product, -n);
    }
    Ok(())
}

/// Replaces the newest count and that of the day.
async fn write(tx: &mut Tx, rows: &[Measure], now: Millis) -> Result<(), sqlx::Error> {
    const CLEAR: &str = "DELETE FROM rollup WHERE day = $1 OR day = $2";
    let day = now.0.div_euclid(DAY);
    within!(tx, c => sqlx::query(CLEAR)
        .bind(NEWEST)
        .bind(day)
        .execute(c)
        .await
        .map(drop))?;
    let at = Measure {
        population: AT.into(),
        series: AT.into(),
        value: AT.into(),
        n: now.0,
        of: 0,
        share: 0,
        operators: 0,
    };
    let newest = rows.iter().chain([&at]).map(|row| (NEWEST, row));
    let kept = rows
        .iter()
        .filter(|row| KEPT.contains(&row.population.as_str()))
        .map(|row| (day, row));
    let all: Vec<(i64, &Measure)> = newest.chain(kept).collect();
    for chunk in all.chunks(ROWS) {
        within!(tx, c => {
            let mut sql = sqlx::QueryBuilder::new(
                "INSERT INTO rollup (day, population, series, value, n, total, share, operators) ",
            );
            sql.push_values(chunk, |mut values, (day, row)| {
                values
                    .push_bind(*day)
                    .push_bind(row.population.as_str())
                    .push_bind(row.series.as_str())
                    .push_bind(row.value.as_str())
                    .push_bind(row.n)
                    .push_bind(row.of)
                    .push_bind(row.share)
                    .push_bind(row.operators);
            });
            sql.build().execute(c).await.map(drop)
        })?;
    }
    Ok(())
}
