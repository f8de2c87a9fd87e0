//! The statements of a filing: runs, scans, the newest scan of each target, visits, changes.

use super::{Change, DELISTED_FOR, News, Placed, Prepared};
use crate::db::{Tx, within};

pub(super) async fn begin_run(
    tx: &mut Tx,
    prepared: &Prepared,
    news: &News,
) -> Result<i64, sqlx::Error> {
    const KEEP: &str = "INSERT INTO evidence (hash, dictionary, bytes) VALUES ($1, $2, $3) \
        ON CONFLICT (hash) DO NOTHING";
    const FIND: &str = "SELECT id FROM evidence WHERE hash = $1";
    const BEGIN: &str = "INSERT INTO run (target, first_scan, last_scan, first_at, last_at, n, \
        surface, evidence, rubric, class, letter, badge, score, cap_check, bits) \
        VALUES ($1, $2, $2, $3, $3, 1, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING id";
    within!(tx, c => sqlx::query(KEEP)
        .bind(&news.hash)
        .bind(news.evidence.dictionary)
        .bind(&news.evidence.bytes)
        .execute(c)
        .await
        .map(drop))?;
    let (evidence,): (i64,) =
        within!(tx, c => sqlx::query_as(FIND).bind(&news.hash).fetch_one(c).await)?;
    let (run,): (i64,) = within!(tx, c => sqlx::query_as(BEGIN)
        .bind(prepared.target)
        .bind(&prepared.scan)
        .bind(prepared.at)
        .bind(&prepared.surface)
        .bind(evidence)
        .bind(&prepared.rubric)
        .bind(&prepared.class)
        .bind(&news.state.letter)
        .bind(&news.state.badge)
        .bind(news.state.score)
        .bind(&news.state.cap_check)
        .bind(&prepared.bits)
        .fetch_one(c)
        .await)?;
    Ok(run)
}

/// The report of a run under a rubric, and that rubric's results on the run.
pub(super) async fn add_report(
    tx: &mut Tx,
    run: i64,
    prepared: &Prepared,
    news: &News,
) -> Result<(), sqlx::Error> {
    const ADD: &str = "INSERT INTO report (run, rubric, graded_at, dictionary, bytes) \
        VALUES ($1, $2, $3, $4, $5) ON CONFLICT (run, rubric) DO NOTHING";
    const SHOW: &str = "UPDATE run SET rubric = $2, letter = $3, badge = $4, score = $5, \
        cap_check = $6, bits = $7 WHERE id = $1";
    within!(tx, c => sqlx::query(ADD)
        .bind(run)
        .bind(&prepared.rubric)
        .bind(prepared.finished)
        .bind(news.report.dictionary)
        .bind(&news.report.bytes)
        .execute(c)
        .await
        .map(drop))?;
    if news.after_run == Some(run) {
        within!(tx, c => sqlx::query(SHOW)
            .bind(run)
            .bind(&prepared.rubric)
            .bind(&news.state.letter)
            .bind(&news.state.badge)
            .bind(news.state.score)
            .bind(&news.state.cap_check)
            .bind(&prepared.bits)
            .execute(c)
            .await
            .map(drop))?;
    }
    Ok(())
}

pub(super) async fn lengthen_runs(tx: &mut Tx, placed: &[Placed<'_>]) -> Result<(), sqlx::Error> {
    let longer: Vec<&Placed<'_>> = placed.iter().filter(|placed| placed.continues).collect();
    if longer.is_empty() {
        return Ok(());
    }
    within!(tx, c => {
        let mut sql = sqlx::QueryBuilder::new(
            "UPDATE run SET n = run.n + 1, last_at = v.column2, last_scan = v.column3 FROM (",
        );
        sql.push_values(&longer, |mut row, placed| {
            row.push_bind(placed.run)
                .push_bind(placed.prepared.at)
                .push_bind(&placed.prepared.scan);
        });
        sql.push(") AS v WHERE run.id = v.column1");
        sql.build().execute(c).await.map(drop)
    })
}

pub(super) async fn add_scans(tx: &mut Tx, placed: &[Placed<'_>]) -> Result<(), sqlx::Error> {
    within!(tx, c => {
        let mut sql = sqlx::QueryBuilder::new("INSERT INTO scan (id, run, at) ");
        sql.push_values(placed, |mut row, placed| {
            row.push_bind(&placed.prepared.scan)
                .push_bind(placed.run)
                .push_bind(placed.prepared.at);
        });
        sql.build().execute(c).await.map(drop)
    })
}

pub(super) async fn replace_newest(tx: &mut Tx, placed: &[Placed<'_>]) -> Result<(), sqlx::Error> {
    within!(tx, c => {
        let mut sql =
            sqlx::QueryBuilder::new("INSERT INTO newest (target, scan, dictionary, bytes) ");
        sql.push_values(placed, |mut row, placed| {
            row.push_bind(placed.prepared.target)
                .push_bind(&placed.prepared.scan)
                .push_bind(placed.prepared.newest.dictionary)
                .push_bind(&placed.prepared.newest.bytes);
        });
        sql.push(
            " ON CONFLICT (target) DO UPDATE SET scan = excluded.scan, \
             dictionary = excluded.dictionary, bytes = excluded.bytes",
        );
        sql.build().execute(c).await.map(drop)
    })
}

pub(super) async fn update_visits(tx: &mut Tx, placed: &[Placed<'_>]) -> Result<(), sqlx::Error> {
    within!(tx, c => {
        let mut sql = sqlx::QueryBuilder::new(
            "UPDATE visit SET lane = v.column2, due = v.column3, lease_until = v.column4, \
             failures = v.column5, failing_since = v.column6, checked_at = v.column7, \
             last_scan = v.column8, refusals = v.column9, scans = visit.scans + v.column10, \
             seen_at = v.column11, seen_scan = v.column12 FROM (",
        );
        sql.push_values(placed, |mut row, placed| {
            let visit = Visit::after(placed);
            row.push_bind(placed.prepared.target)
                .push_bind(visit.lane)
                .push_bind(visit.due)
                .push_bind(visit.lease_until)
                .push_bind(visit.failures)
                .push_bind(visit.failing_since)
                .push_bind(if placed.shown {
                    placed.prepared.at.max(placed.current.checked_at)
                } else {
                    placed.current.checked_at
                })
                .push_bind(if placed.shown {
                    Some(&placed.prepared.scan)
                } else {
                    placed.current.last_scan.as_ref()
                })
                .push_bind(if placed.prepared.refused { placed.current.refusals + 1 } else { 0 })
                .push_bind(i64::from(placed.shown && !placed.recounts))
                .push_bind(if placed.shown { 0 } else { placed.prepared.at })
                .push_bind((!placed.shown).then_some(&placed.prepared.scan));
        });
        sql.push(") AS v WHERE visit.target = v.column1");
        sql.build().execute(c).await.map(drop)
    })
}

/// What a filing leaves in the queue.
struct Visit {
    lane: i64,
    due: Option<i64>,
    lease_until: Option<i64>,
    failures: i64,
    failing_since: i64,
}

impl Visit {
    fn after(placed: &Placed<'_>) -> Self {
        let Placed {
            prepared, current, ..
        } = placed;
        let ours = current.lease_until == prepared.lease_until;
        // Somebody else scans the target at this moment: when it is due again is theirs to say.
        let theirs = !ours
            && current
                .lease_until
                .is_some_and(|until| until > prepared.finished);
        let left_alone =
            current.delisted_at > 0 && prepared.finished - current.delisted_at > DELISTED_FOR;
        let (failures, failing_since) = match (prepared.fruitless, current.failures) {
            (false, _) => (0, 0),
            (true, 0) => (1, prepared.finished),
            (true, failures) if current.failing_since == 0 => (failures + 1, prepared.finished),
            (true, failures) => (failures + 1, current.failing_since),
        };
        Self {
            lane: if theirs {
                current.lane
            } else {
                prepared.lane as i64
            },
            due: match (theirs, left_alone) {
                (true, _) => current.due,
                (false, true) => None,
                (false, false) => prepared.next_due,
            },
            lease_until: if theirs { current.lease_until } else { None },
            failures,
            failing_since,
        }
    }
}

pub(super) async fn add_changes(
    tx: &mut Tx,
    changes: &[(&Prepared, &Change)],
    before_first: i64,
) -> Result<(), sqlx::Error> {
    if changes.is_empty() {
        return Ok(());
    }
    within!(tx, c => {
        let mut sql = sqlx::QueryBuilder::new(
            "INSERT INTO change (seq, at, kind, cause, target, before, after, checks, scan, \
             previous_scan) ",
        );
        let mut seq = before_first;
        sql.push_values(changes, |mut row, (prepared, change)| {
            seq += 1;
            row.push_bind(seq)
                .push_bind(prepared.at)
                .push_bind(change.kind)
                .push_bind(change.cause)
                .push_bind(prepared.target)
                .push_bind(change.before.as_deref())
                .push_bind(change.after.as_deref())
                .push_bind(change.checks.as_str())
                .push_bind(&prepared.scan)
                .push_bind(change.previous_scan.as_deref());
        });
        sql.build().execute(c).await.map(drop)
    })
}
