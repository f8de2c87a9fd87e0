//! The one task of a process that files scans. Whatever waits when it is free goes into one
//! transaction, at most a hundred scans: alone, a filing waits for nobody; many at once share
//! the cost of a commit.
//!
//! If a transaction of several scans fails, each is tried alone, so that one scan that cannot
//! be stored takes no other along.

mod rows;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use rows::{
    add_changes, add_report, add_scans, begin_run, lengthen_runs, replace_newest, update_visits,
};
use tokio::sync::{mpsc, oneshot};

use crate::Store;
use crate::codec::Packed;
use crate::counters::{Counters, DAY};
use crate::db::{Db, Tx, within};
use crate::error::{Result, StoreError, during};
use crate::hosts::{self, Left};
use crate::leases::Lane;
use crate::publication::{self, Settled};
use crate::schema::Ordinals;
use crate::state::{self, Apply, Counted, State};

/// Scans per transaction.
const BATCH: usize = 100;
/// The operation, in messages.
const FILING: &str = "filing a scan";
/// Filings that may wait before senders do.
const WAITING: usize = 1_000;

/// A scan that is ready to be written.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) target: i64,
    pub(crate) scan: Vec<u8>,
    pub(crate) at: i64,
    pub(crate) finished: i64,
    pub(crate) next_due: Option<i64>,
    /// The lane in which it is due again.
    pub(crate) lane: Lane,
    pub(crate) lease_until: Option<i64>,
    /// The host that is free from then on.
    pub(crate) left: Option<Left>,
    /// Nothing was reached, or nothing but what stands in front of the server.
    pub(crate) fruitless: bool,
    /// Somebody in front of the server refused us, or it answered 429.
    pub(crate) refused: bool,
    pub(crate) surface: Vec<u8>,
    pub(crate) class: String,
    pub(crate) rubric: String,
    pub(crate) bits: Vec<u8>,
    pub(crate) ordinals: Arc<Ordinals>,
    pub(crate) newest: Packed,
    /// What is stored if the scan is not like the one before.
    pub(crate) news: Option<Box<News>>,
}

/// The costly part of a filing.
#[derive(Debug)]
pub(crate) struct News {
    /// The run against which it was worked out.
    pub(crate) after_run: Option<i64>,
    pub(crate) hash: Vec<u8>,
    pub(crate) evidence: Packed,
    pub(crate) report: Packed,
    pub(crate) state: State,
    pub(crate) change: Option<Change>,
    /// What is shown of it; `None` where what is seen is shown.
    pub(crate) settled: Option<Settled>,
}

impl News {
    fn shown(&self) -> bool {
        self.settled.as_ref().is_none_or(Settled::published)
    }
}

/// An entry for the change feed.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) kind: &'static str,
    pub(crate) cause: &'static str,
    pub(crate) before: Option<String>,
    pub(crate) after: Option<String>,
    pub(crate) checks: String,
    pub(crate) previous_scan: Option<Vec<u8>>,
}

/// What became of a prepared scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Filed { changed: bool, first: bool },
    Stale,
    UnknownTarget,
}

struct Job {
    prepared: Prepared,
    answer: oneshot::Sender<Result<Outcome>>,
}

/// The way to the writer.
#[derive(Debug, Clone)]
pub(crate) struct Writer(mpsc::Sender<Job>);

impl Writer {
    /// Starts the task. It ends when the last handle is gone.
    pub(crate) fn start(db: Db) -> Self {
        let (sender, inbox) = mpsc::channel(WAITING);
        tokio::spawn(work(db, inbox));
        Self(sender)
    }
}

impl Store {
    pub(crate) async fn write(&self, prepared: Prepared) -> Result<Outcome> {
        let (answer, answered) = oneshot::channel();
        let job = Job { prepared, answer };
        if self.writer.0.send(job).await.is_err() {
            return Err(StoreError::Stopped);
        }
        answered.await.unwrap_or(Err(StoreError::Stopped))
    }
}

async fn work(db: Db, mut inbox: mpsc::Receiver<Job>) {
    while let Some(job) = inbox.recv().await {
        let mut waiting = vec![job];
        while waiting.len() < BATCH {
            match inbox.try_recv() {
                Ok(job) => waiting.push(job),
                Err(_) => break,
            }
        }
        while !waiting.is_empty() {
            let (batch, later) = distinct(waiting);
            write_and_answer(&db, batch).await;
            waiting = later;
        }
    }
}

/// Splits off second filings of a target and of a scan, which must see what the first one
/// left. The batch is in the order of targets, so that all processes lock in one order.
fn distinct(jobs: Vec<Job>) -> (Vec<Job>, Vec<Job>) {
    let mut targets = BTreeSet::new();
    let mut scans = BTreeSet::new();
    let (mut batch, later): (Vec<Job>, Vec<Job>) = jobs.into_iter().partition(|job| {
        let fresh_scan = scans.insert(job.prepared.scan.clone());
        targets.insert(job.prepared.target) && fresh_scan
    });
    batch.sort_by_key(|job| job.prepared.target);
    (batch, later)
}

async fn write_and_answer(db: &Db, mut batch: Vec<Job>) {
    let prepared: Vec<&Prepared> = batch.iter().map(|job| &job.prepared).collect();
    let written = write(db, &prepared).await;
    // Nobody may be waiting for an answer any more; the scan is filed all the same.
    match written {
        Ok(outcomes) => {
            for (job, outcome) in batch.into_iter().zip(outcomes) {
                let _ = job.answer.send(Ok(outcome));
            }
        }
        Err(error) if batch.len() == 1 => {
            if let Some(job) = batch.pop() {
                let _ = job.answer.send(Err(during(FILING)(error)));
            }
        }
        Err(error) => {
            tracing::debug!(%error, scans = batch.len(), "filing scans one by one");
            for job in batch {
                let outcome = write(db, &[&job.prepared])
                    .await
                    .map(|outcomes| outcomes[0])
                    .map_err(during(FILING));
                let _ = job.answer.send(outcome);
            }
        }
    }
}

/// The target and its newest run as they are inside the transaction.
#[derive(Debug, sqlx::FromRow)]
struct Current {
    id: i64,
    delisted_at: i64,
    changed_at: i64,
    /// The stretch that is shown.
    run: Option<i64>,
    /// The stretch that was seen last, if it is not shown.
    seen: Option<i64>,
    pending: i64,
    #[sqlx(flatten)]
    counted: Counted,
    shown_bits: Option<Vec<u8>>,
    scans: i64,
    lease_until: Option<i64>,
    due: Option<i64>,
    lane: i64,
    failures: i64,
    failing_since: i64,
    refusals: i64,
    checked_at: i64,
    last_scan: Option<Vec<u8>>,
    surface: Option<Vec<u8>>,
    bits: Option<Vec<u8>>,
    run_class: Option<String>,
    rubric: Option<String>,
}

/// A scan that continues a run, or begins one.
struct Placed<'p> {
    prepared: &'p Prepared,
    current: &'p Current,
    run: i64,
    continues: bool,
    /// Strangers are shown it.
    shown: bool,
    /// Other scans of the target are shown from now on, or no longer.
    recounts: bool,
}

/// After how long a server that no source lists any more is left alone.
const DELISTED_FOR: i64 = 14 * DAY;

/// What a transaction gathers on its way.
#[derive(Default)]
struct Gathered<'p> {
    placed: Vec<Placed<'p>>,
    changes: Vec<(&'p Prepared, &'p Change)>,
    counters: Counters,
}

async fn write(db: &Db, batch: &[&Prepared]) -> Result<Vec<Outcome>, sqlx::Error> {
    let mut tx = db.begin().await?;
    let current = current(&mut tx, batch).await?;
    let filed = already_filed(&mut tx, batch).await?;
    let mut gathered = Gathered::default();
    let mut outcomes = Vec::with_capacity(batch.len());
    for prepared in batch {
        let outcome = match (filed.get(&prepared.scan), current.get(&prepared.target)) {
            (Some(known), _) => *known,
            (None, Some(current)) => place(&mut tx, prepared, current, &mut gathered).await?,
            (None, None) => Outcome::UnknownTarget,
        };
        outcomes.push(outcome);
    }
    let Gathered {
        placed,
        changes,
        mut counters,
    } = gathered;
    if placed.is_empty() {
        return Ok(outcomes); // nothing to commit
    }
    lengthen_runs(&mut tx, &placed).await?;
    add_scans(&mut tx, &placed).await?;
    replace_newest(&mut tx, &placed).await?;
    update_visits(&mut tx, &placed).await?;
    for one in placed.iter().filter(|one| one.recounts) {
        let scans = publication::recount(&mut tx, one.prepared.target).await?;
        counters.add("total", "scans", scans - one.current.scans);
    }
    let left = placed.iter().filter_map(|one| one.prepared.left.as_ref());
    hosts::leave(&mut tx, left.collect()).await?;
    for (prepared, _) in changes.iter().filter(|(_, change)| change.kind != "added") {
        counters.add("day", &(prepared.at / DAY).to_string(), 1);
    }
    let before_first = counters.write(&mut tx, changes.len()).await?;
    add_changes(&mut tx, &changes, before_first).await?;
    tx.commit().await?;
    Ok(outcomes)
}

/// Finds the run that a scan continues, or begins one and makes its report the state of the
/// target.
async fn place<'p>(
    tx: &mut Tx,
    prepared: &'p Prepared,
    current: &'p Current,
    gathered: &mut Gathered<'p>,
) -> Result<Outcome, sqlx::Error> {
    let continues = current.surface.as_ref() == Some(&prepared.surface)
        && current.bits.as_ref() == Some(&prepared.bits)
        && current.run_class.as_ref() == Some(&prepared.class);
    let regraded = current.rubric.as_ref() != Some(&prepared.rubric);
    let seen = current.seen.or(current.run);
    let mut shown = true;
    let mut recounts = false;
    let run = match (&prepared.news, seen) {
        (_, Some(run)) if continues && !regraded && current.pending == 0 => run,
        (Some(news), run) if news.after_run == run => {
            let continued = run.filter(|_| continues);
            let run = match continued {
                Some(run) => run,
                None => begin_run(tx, prepared, news).await?,
            };
            add_report(tx, run, prepared, news).await?;
            shown = news.shown();
            if shown {
                show(tx, prepared, news, (current, run, regraded), gathered).await?;
            }
            if let Some(settled) = &news.settled {
                publication::write(tx, prepared.target, run, settled).await?;
                let uncovered = shown && continued.is_some() && current.run != continued;
                recounts = uncovered || !settled.earlier.is_empty();
            }
            run
        }
        _ => return Ok(Outcome::Stale),
    };
    if shown {
        let newest = prepared.at.max(current.checked_at);
        gathered.counters.moved(current.checked_at, newest);
        if !recounts {
            gathered.counters.add("total", "scans", 1);
        }
    }
    gathered.placed.push(Placed {
        prepared,
        current,
        run,
        continues,
        shown,
        recounts,
    });
    Ok(Outcome::Filed {
        changed: !continues,
        first: seen.is_none(),
    })
}

/// Makes a stretch what its server shows.
async fn show<'p>(
    tx: &mut Tx,
    prepared: &'p Prepared,
    news: &'p News,
    (current, run, regraded): (&'p Current, i64, bool),
    gathered: &mut Gathered<'p>,
) -> Result<(), sqlx::Error> {
    let stays = current.run == Some(run);
    if stays && !regraded {
        return Ok(());
    }
    let change = Apply {
        target: prepared.target,
        run,
        changed_at: if stays {
            current.changed_at
        } else {
            prepared.at
        },
        state: &news.state,
        bits: &prepared.bits,
        old: &current.counted,
        old_bits: current.shown_bits.as_deref().unwrap_or_default(),
        ordinals: &prepared.ordinals,
    };
    state::apply(tx, &change, &mut gathered.counters).await?;
    let change = news.change.as_ref();
    gathered
        .changes
        .extend(change.map(|change| (prepared, change)));
    Ok(())
}

async fn current(tx: &mut Tx, batch: &[&Prepared]) -> Result<HashMap<i64, Current>, sqlx::Error> {
    // A second process that files the same target waits here until the first has committed.
    let lock = if tx.is_postgres() {
        ") ORDER BY t.id FOR UPDATE OF v"
    } else {
        ")"
    };
    let rows: Vec<Current> = within!(tx, c => {
        let mut sql = sqlx::QueryBuilder::new(
            "SELECT t.id, t.delisted_at, t.changed_at, t.run, t.seen, t.pending, o.bits AS \
             shown_bits, v.scans, t.class, t.era, t.letter, t.badge, \
             t.claimed, t.registration, t.pkce, v.lease_until, v.due, v.lane, v.failures, \
             v.failing_since, v.refusals, v.checked_at, v.last_scan, r.surface, r.bits, r.class AS run_class, r.rubric \
             FROM target t JOIN visit v ON v.target = t.id \
             LEFT JOIN run r ON r.id = COALESCE(t.seen, t.run) LEFT JOIN run o ON o.id = t.run \
             WHERE t.id IN (",
        );
        let mut list = sql.separated(", ");
        for prepared in batch {
            list.push_bind(prepared.target);
        }
        sql.push(lock);
        sql.build_query_as().fetch_all(c).await
    })?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

/// Scans of the batch that were filed before, with what they were then.
async fn already_filed(
    tx: &mut Tx,
    batch: &[&Prepared],
) -> Result<HashMap<Vec<u8>, Outcome>, sqlx::Error> {
    type Row = (Vec<u8>, Vec<u8>, i64);
    let rows: Vec<Row> = within!(tx, c => {
        let mut sql = sqlx::QueryBuilder::new(
            "SELECT s.id, r.first_scan, \
             (SELECT COUNT(*) FROM (SELECT 1 FROM run o WHERE o.target = r.target \
             AND o.id < r.id LIMIT 1) AS earlier) \
             FROM scan s JOIN run r ON r.id = s.run WHERE s.id IN (",
        );
        let mut list = sql.separated(", ");
        for prepared in batch {
            list.push_bind(&prepared.scan);
        }
        sql.push(")");
        sql.build_query_as().fetch_all(c).await
    })?;
    Ok(rows
        .into_iter()
        .map(|(scan, first_of_run, earlier)| {
            let changed = scan == first_of_run;
            let first = changed && earlier == 0;
            (scan, Outcome::Filed { changed, first })
        })
        .collect())
}
