//! What lists ask for their servers beyond being scanned: to be asked less, and seldom; and
//! whether a server is on any list at all, or only somebody's wish.

use scanner::report::Class;
use scanner::target::Target;
use scanner::time::Millis;

use crate::Store;
use crate::db::on;
use crate::due::{self, History, Pace};
use crate::error::{Result, during};
use crate::rows::TargetId;

/// The source under which visitors' wishes are listed. It vouches for nothing.
pub const SUBMISSION: &str = "submission";

const DAY: i64 = 86_400_000;

/// When a target is due again: [`due::next`] with the interval that its listing asks for, where
/// that is longer than the pace's. The pauses after failures stay as they are.
#[must_use]
pub fn next(target: &Target, history: &History<'_>, pace: &Pace) -> Millis {
    let asked = target.listing.as_ref().and_then(|one| one.interval_ms);
    let (Some(asked), Some(_)) = (asked, answered(history)) else {
        return due::next(history, pace);
    };
    let own = Pace {
        interval_ms: target.interval_ms(pace.interval_ms),
        settled_ms: target.interval_ms(pace.settled_ms),
        ..*pace
    };
    // The own minute of the day may come half a day before the interval has passed.
    let soonest = history.now.plus(asked - asked.min(DAY) / 2);
    due::next(history, &own).max(soonest)
}

fn answered(history: &History<'_>) -> Option<Class> {
    history.class.filter(|class| *class != Class::Unreachable)
}

impl Store {
    /// Whether a source that the operator chose lists the target now, under a status other
    /// than deleted. A visitor's submission alone does not count: what is only submitted is
    /// not published before its owner proves it.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn is_listed(&self, target: TargetId) -> Result<bool> {
        const READ: &str = "SELECT facts FROM listing WHERE target = $1 AND source <> $2 \
            AND gone_at = 0";
        let rows: Vec<(String,)> = on!(self.db, pool => sqlx::query_as(READ)
            .bind(target.0)
            .bind(SUBMISSION)
            .fetch_all(pool)
            .await)
        .map_err(during("reading listings"))?;
        Ok(rows.into_iter().any(|(facts,)| {
            serde_json::from_str::<scanner::target::Listing>(&facts)
                .is_ok_and(|listing| listing.status.as_deref() != Some("deleted"))
        }))
    }
}

#[cfg(test)]
mod tests {
    use scanner::evidence::Evidence;
    use scanner::report::{Class, Report};
    use scanner::target::{Listing, Target};
    use scanner::time::Millis;

    use super::{DAY, History, Pace, due, next};

    const NOW: Millis = Millis(1_795_144_327_000);

    fn judge(_: &Evidence) -> Report {
        unreachable!("due times need no judge")
    }

    fn asking(interval_ms: i64) -> Target {
        Target {
            listing: Some(Listing {
                interval_ms: Some(interval_ms),
                ..Listing::default()
            }),
            ..Target::of("https://a.example/mcp")
        }
    }

    #[test]
    fn an_interval_is_only_ever_made_longer() {
        let pace = Pace::private(judge);
        let fine = History {
            server: "srv_01",
            now: NOW,
            class: Some(Class::Oauth),
            failures: 0,
            failing_since: None,
            changed_at: Some(NOW.plus(-10 * DAY)),
            changed: false,
            rate_limited: false,
            refusals: 0,
            not_before: None,
            dates: [None; 2],
        };
        let days = |target: &Target, history: &History<'_>| {
            (next(target, history, &pace).since(NOW) + DAY / 2) / DAY
        };
        assert_eq!(days(&asking(14 * DAY), &fine), 14);
        let changed = History {
            changed: true,
            ..fine
        };
        assert!(days(&asking(14 * DAY), &changed) >= 13, "not six hours");
        let plain = Target::of("https://a.example/mcp");
        for history in [&fine, &changed] {
            let usual = due::next(history, &pace);
            assert_eq!(next(&asking(60_000), history, &pace), usual);
            assert_eq!(next(&plain, history, &pace), usual);
        }
        let down = History {
            class: Some(Class::Unreachable),
            failures: 1,
            ..fine
        };
        assert_eq!(
            next(&asking(14 * DAY), &down, &pace),
            due::next(&down, &pace)
        );
    }
}
