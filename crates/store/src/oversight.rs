//! What watches over scanning from outside of it: stops, and whether we ourselves are well.
//!
//! Results are believed only if we could reach the beacons before a scan began and after it
//! ended: a fault of our own network must not become everybody's. And if many servers turn bad
//! at once, publishing is frozen until a person has looked.

use std::sync::Arc;

use scanner::halt::Halts;
use scanner::ledger::Later;
use scanner::report::{Class, Report};
use scanner::time::Millis;
use tokio::sync::watch;

use crate::Store;
use crate::db::{on, within};
use crate::error::{Result, during};
use crate::rows::Leased;

/// Clocks that differ by more make what is recorded wrong.
const CLOCK: i64 = 30_000;
const MINUTE: i64 = 60_000;
/// The stretch in which servers that turned bad are counted, in minutes.
const WINDOW: i64 = 60;
/// Fewer than so many are chance.
const FEW: i64 = 20;
/// Publishing freezes if more than one in so many turned bad.
const SHARE: i64 = 20;

/// What a look at the beacons saw.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Look {
    /// Beacons asked.
    pub asked: usize,
    /// Beacons that answered, whatever it was.
    pub answered: usize,
    /// Their clocks minus ours, in milliseconds: the median of their `Date` headers.
    pub clock_off_ms: Option<i64>,
}

impl Look {
    /// Why nothing may be believed now; `None` if all is well. Without beacons all is well.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        if self.answered * 2 < self.asked {
            return Some(format!(
                "{} of {} beacons answered; the network here is at fault",
                self.answered, self.asked
            ));
        }
        let off = self.clock_off_ms?;
        (off.abs() > CLOCK).then(|| {
            format!("our clock differs from those of the beacons by {off} ms; set the clock")
        })
    }
}

/// Hosts that are known to be up, asked whether we are.
pub trait Beacons: Send + Sync {
    /// Asks all of them.
    fn look(&self) -> Later<'_, Look>;
}

/// What watches over a scheduler.
#[derive(Clone, Default)]
pub struct Oversight {
    /// The stops in force; what they cover is not begun.
    pub halts: Option<watch::Receiver<Arc<Halts>>>,
    /// Asked before scans begin and after they ended.
    pub beacons: Option<Arc<dyn Beacons>>,
    /// Between two looks at the beacons while there are results, in milliseconds.
    pub look_every_ms: i64,
}

impl std::fmt::Debug for Oversight {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Oversight").finish_non_exhaustive()
    }
}

impl Oversight {
    /// Whether everything is stopped.
    pub(crate) fn stops_all(&self) -> bool {
        self.halts.as_ref().is_some_and(|halts| halts.borrow().all)
    }

    /// Whether some issuer is stopped, of which the queue cannot know who uses it.
    pub(crate) fn stops_issuers(&self) -> bool {
        self.halts
            .as_ref()
            .is_some_and(|halts| !halts.borrow().issuers.is_empty())
    }
}

/// Whether a scan found its server worse than its newest result did; `None` for the first one.
pub(crate) fn soured(lease: &Leased, report: &Report) -> Option<bool> {
    let before = lease.class?;
    let gone = |class| matches!(class, Class::Unreachable | Class::Blocked);
    let lost = !gone(before) && gone(report.class);
    let letter = match (lease.letter, report.grade.letter) {
        (Some(before), Some(after)) => after > before,
        (Some(_), None) => true,
        (None, _) => false,
    };
    Some(lost || letter)
}

/// Scans filed that were not counted yet.
#[derive(Debug, Default)]
pub(crate) struct Weather {
    pub(crate) seen: i64,
    pub(crate) bad: i64,
    pub(crate) written: i64,
}

impl Weather {
    pub(crate) fn add(&mut self, soured: Option<bool>) {
        self.seen += i64::from(soured.is_some());
        self.bad += i64::from(soured == Some(true));
    }
}

impl Store {
    /// Counts scans that were filed about now, and those of them that found their server worse;
    /// freezes publishing when more than a twentieth, and at least twenty, of those seen within
    /// an hour turned bad. True if it froze.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn note_weather(&self, seen: i64, bad: i64, now: Millis) -> Result<bool> {
        const ADD: &str = "INSERT INTO weather (minute, seen, bad) VALUES ($1, $2, $3) \
            ON CONFLICT (minute) DO UPDATE SET seen = weather.seen + excluded.seen, \
            bad = weather.bad + excluded.bad";
        const OLD: &str = "DELETE FROM weather WHERE minute < $1";
        const SUM: &str = "SELECT seen, bad FROM weather WHERE minute > $1";
        let minute = now.0.div_euclid(MINUTE);
        let write = async {
            let mut tx = self.db.begin().await?;
            within!(tx, c => sqlx::query(ADD)
                .bind(minute)
                .bind(seen)
                .bind(bad)
                .execute(c)
                .await
                .map(drop))?;
            within!(tx, c => sqlx::query(OLD)
                .bind(minute - 24 * WINDOW)
                .execute(c)
                .await
                .map(drop))?;
            tx.commit().await
        };
        write.await.map_err(during("counting scans"))?;
        let rows: Vec<(i64, i64)> = on!(self.db, pool => {
            sqlx::query_as(SUM).bind(minute - WINDOW).fetch_all(pool).await
        })
        .map_err(during("counting scans"))?;
        let seen: i64 = rows.iter().map(|row| row.0).sum();
        let bad: i64 = rows.iter().map(|row| row.1).sum();
        if bad < FEW || bad * SHARE <= seen {
            return Ok(false);
        }
        let note = format!("{bad} of {seen} servers seen within an hour turned bad");
        self.freeze(&note, now).await
    }

    /// Forgets what hosts, lines and counts no longer say anything.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn sweep_hosts(&self, now: Millis) -> Result<()> {
        const LINES: &str = "DELETE FROM slot WHERE next_at < $1";
        const HOSTS: &str = "DELETE FROM host_pace WHERE held_until < $1 AND next_at < $1 \
            AND closed_until < $1 AND slow_until < $1 AND faults = 0 AND day < $2";
        const OPERATORS: &str = "DELETE FROM operator_pace WHERE day < $1";
        const ANSWERS: &str = "DELETE FROM shared_answer WHERE at < $1 AND fetching_until < $2";
        let past = now.0 - 60 * MINUTE;
        let today = scanner::ledger::day_of(now);
        let sweep = async {
            let mut tx = self.db.begin().await?;
            within!(tx, c => {
                sqlx::query(OPERATORS).bind(today).execute(&mut *c).await?;
                sqlx::query(HOSTS).bind(past).bind(today).execute(&mut *c).await?;
                sqlx::query(LINES).bind(past).execute(&mut *c).await?;
                sqlx::query(ANSWERS).bind(past - 48 * 60 * MINUTE).bind(past).execute(c).await.map(drop)
            })?;
            tx.commit().await
        };
        sweep.await.map_err(during("tidying hosts"))
    }
}

#[cfg(test)]
mod tests {
    use super::Look;

    #[test]
    fn fewer_than_half_or_a_wrong_clock_is_our_own_fault() {
        let look = |answered, clock_off_ms| Look {
            asked: 3,
            answered,
            clock_off_ms,
        };
        assert_eq!(look(2, Some(0)).fault(), None);
        assert_eq!(look(3, Some(-30_000)).fault(), None);
        assert!(look(1, Some(0)).fault().unwrap().contains("1 of 3"));
        assert!(look(3, Some(30_001)).fault().unwrap().contains("clock"));
        assert!(look(3, Some(-31_000)).fault().is_some());
        assert_eq!(Look::default().fault(), None, "nobody to ask");
        let four = Look {
            asked: 4,
            answered: 2,
            clock_off_ms: None,
        };
        assert_eq!(four.fault(), None);
    }
}
