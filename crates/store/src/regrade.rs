//! Grading what is stored once more, under a rubric that came later. Reports are added and
//! never replaced; evidence is not touched.

mod adding;

use std::sync::Arc;

use scanner::evidence::Evidence;
use scanner::report::Report;
use scanner::time::{Clock, Millis};
use tokio::sync::{Semaphore, mpsc, watch};

use adding::Ruling;

use crate::Store;
use crate::codec::{self, Kind, Packed};
use crate::db::on;
use crate::error::{Result, StoreError, during};
use crate::ids;
use crate::publication;
use crate::rows::{ChangedCheck, Page, Paged, Ungraded};
use crate::schema::Ordinals;
use crate::servers::public;
use crate::state::State;

/// Stretches read at a time.
const PAGE: i64 = 100;
/// Reports per transaction.
const BATCH: usize = 32;
/// Reports that may wait for the writer before graders do.
const WAITING: usize = 64;

/// What a re-grading did, or would do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Regraded {
    /// Reports added; those that would be, if nothing is written.
    pub added: u64,
    /// Stretches whose evidence could not be read; they are logged and left.
    pub unreadable: u64,
    /// Servers that show, or would show, another letter or badge.
    pub moved: u64,
}

/// A server whose letter or badge is another one under the rubric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mover {
    /// `srv_…`.
    pub server: String,
    /// Endpoint.
    pub url: String,
    /// Letter or badge before.
    pub before: Option<String>,
    /// Letter or badge under the rubric.
    pub after: Option<String>,
    /// The check whose cap holds the new letter down.
    pub cap_check: Option<String>,
    /// Checks with another mark, in the order of their positions.
    pub checks: Vec<ChangedCheck>,
}

/// Judges evidence under one rubric.
pub type Grade = Arc<dyn Fn(&Evidence) -> Report + Send + Sync>;

/// Hears after each report what was done so far, and which server moved by it.
pub type Tell<'t> = &'t (dyn Fn(Regraded, Option<&Mover>) + Sync);

/// What is graded again, and how.
#[derive(Clone)]
pub struct Regrading<'r> {
    /// Version of the rubric.
    pub rubric: &'r str,
    /// Its judge.
    pub grade: Grade,
    /// It is the one in force: what servers show today follows, and movers are found.
    pub current: bool,
    /// Most reports to add.
    pub limit: Option<u64>,
    /// Graders at a time; `None` for one on each core.
    pub graders: Option<usize>,
    /// Nothing is written.
    pub dry: bool,
}

/// Adds the reports that are missing under a rubric, newest first, on all cores. With `current`
/// the rubric is the one in force, and what servers show today follows. Ends early, with what
/// was done until then, when `stop` turns true.
///
/// # Errors
///
/// If the database fails; what was added until then stays.
pub async fn regrade(
    store: &Store,
    rubric: &str,
    grade: &Grade,
    current: bool,
    clock: &dyn Clock,
    stop: &watch::Receiver<bool>,
) -> Result<Regraded> {
    let regrading = Regrading {
        rubric,
        grade: Arc::clone(grade),
        current,
        limit: None,
        graders: None,
        dry: false,
    };
    regrade_telling(store, &regrading, clock, stop, &|_, _| ()).await
}

/// The same as asked for, telling after each report what was done so far. Reports are kept a
/// few dozen at a time, so a re-grading that ends in the middle, however hard, is gone on with
/// by calling this again.
///
/// Graders read, judge and compress off the runtime's threads, one for each core, while one
/// writer keeps what is finished.
///
/// # Errors
///
/// As [`regrade`].
pub async fn regrade_telling(
    store: &Store,
    regrading: &Regrading<'_>,
    clock: &dyn Clock,
    stop: &watch::Receiver<bool>,
    tell: Tell<'_>,
) -> Result<Regraded> {
    let (finished, inbox) = mpsc::channel(WAITING);
    store.codec.prepare(&store.db, Kind::Report, None).await?;
    let catalogue: Vec<&str> = scanner::checks::all().map(|check| check.id).collect();
    let ordinals = store.ordinals(&catalogue).await?;
    let (_, done) = tokio::try_join!(
        read(store, regrading, &ordinals, stop, finished),
        keep(store, regrading, &ordinals, clock, inbox, tell),
    )?;
    Ok(done)
}

/// A stretch that has no report under the rubric, with what it saw, still packed.
#[derive(Debug, sqlx::FromRow)]
struct Waiting {
    id: i64,
    first_scan: Vec<u8>,
    first_at: i64,
    dictionary: Option<i64>,
    bytes: Vec<u8>,
    newest_dictionary: Option<i64>,
    newest: Option<Vec<u8>>,
    overrides: Option<String>,
}

/// A stretch that was graded, ready to be kept.
struct Graded {
    scan: Vec<u8>,
    rubric: String,
    packed: Packed,
    state: State,
    bits: Vec<u8>,
}

type Finished = std::result::Result<Graded, String>;

/// Reads what is to be graded, page by page, and has it graded.
async fn read(
    store: &Store,
    regrading: &Regrading<'_>,
    ordinals: &Arc<Ordinals>,
    stop: &watch::Receiver<bool>,
    finished: mpsc::Sender<Finished>,
) -> Result<()> {
    const READ: &str = "SELECT r.id, r.first_scan, r.first_at, e.dictionary, e.bytes, \
        n.dictionary AS newest_dictionary, n.bytes AS newest, p.overrides FROM run r \
        JOIN evidence e ON e.id = r.evidence LEFT JOIN publication p ON p.run = r.id \
        LEFT JOIN newest n ON n.target = r.target AND n.scan = r.first_scan WHERE r.id < $1 \
        AND NOT EXISTS (SELECT 1 FROM report o WHERE o.run = r.id AND o.rubric = $2) \
        ORDER BY r.id DESC LIMIT $3";
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let graders = Arc::new(Semaphore::new(regrading.graders.unwrap_or(cores).max(1)));
    let (mut below, mut left) = (i64::MAX, regrading.limit.unwrap_or(u64::MAX));
    loop {
        let rows: Vec<Waiting> = on!(store.db, pool => sqlx::query_as(READ)
            .bind(below)
            .bind(regrading.rubric.replace('\0', ""))
            .bind(PAGE)
            .fetch_all(pool)
            .await)
        .map_err(during("looking for scans to grade"))?;
        let Some(last) = rows.last() else {
            return Ok(());
        };
        below = last.id;
        for row in rows {
            if left == 0 || *stop.borrow() {
                return Ok(());
            }
            left -= 1;
            let whole = row.newest.is_some();
            let packed = match row.newest {
                Some(bytes) => Packed {
                    dictionary: row.newest_dictionary,
                    bytes,
                },
                None => Packed {
                    dictionary: row.dictionary,
                    bytes: row.bytes,
                },
            };
            let dictionary = store.codec.needed(&store.db, &packed).await?;
            let Ok(place) = Arc::clone(&graders).acquire_owned().await else {
                return Ok(()); // nobody closes it
            };
            let (grade, codec) = (Arc::clone(&regrading.grade), Arc::clone(&store.codec));
            let (ordinals, finished) = (Arc::clone(ordinals), finished.clone());
            tokio::task::spawn_blocking(move || {
                let work = || {
                    let bytes = codec::unpack_with(Kind::Evidence, &packed, dictionary.as_deref())?;
                    let mut evidence =
                        Evidence::decode(&bytes).map_err(|error| StoreError::Stored {
                            what: "evidence",
                            why: error.to_string(),
                        })?;
                    if !whole {
                        evidence.started = Millis(row.first_at);
                    }
                    let overrides = row
                        .overrides
                        .and_then(|text| serde_json::from_str(&text).ok())
                        .unwrap_or_default();
                    // As it is published: with what its publication changes.
                    let report = publication::effective(&evidence, &grade(&evidence), &overrides);
                    graded(
                        &codec,
                        row.first_scan.clone(),
                        &evidence,
                        &report,
                        &ordinals,
                    )
                };
                let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
                let scan = public(ids::Kind::Scan, &row.first_scan).unwrap_or_default();
                let outcome = match outcome {
                    Ok(Ok(graded)) => Ok(graded),
                    Ok(Err(error)) => Err(format!("{scan}: {error}")),
                    Err(_) => Err(format!("{scan}: grading panicked")),
                };
                drop(place);
                // The writer is gone if it failed, and says why itself.
                let _ = finished.blocking_send(outcome);
            });
        }
    }
}

fn graded(
    codec: &codec::Codec,
    scan: Vec<u8>,
    evidence: &Evidence,
    report: &Report,
    ordinals: &Ordinals,
) -> Result<Graded> {
    let bytes = serde_json::to_vec(report).map_err(|error| StoreError::Unstorable {
        what: "a report",
        why: error.to_string(),
    })?;
    Ok(Graded {
        scan,
        rubric: report.grade.rubric.clone(),
        packed: codec.pack(Kind::Report, &bytes)?,
        state: State::of(evidence, report),
        bits: codec::bits(&report.findings, ordinals),
    })
}

/// Keeps what is finished, some at a time.
async fn keep(
    store: &Store,
    regrading: &Regrading<'_>,
    ordinals: &Ordinals,
    clock: &dyn Clock,
    mut inbox: mpsc::Receiver<Finished>,
    tell: Tell<'_>,
) -> Result<Regraded> {
    let mut done = Regraded::default();
    while let Some(first) = inbox.recv().await {
        let mut batch = Vec::new();
        let mut next = Some(first);
        while let Some(finished) = next {
            match finished {
                Ok(graded) => batch.push(graded),
                Err(why) => {
                    tracing::warn!(why, "cannot grade again");
                    done.unreadable += 1;
                }
            }
            next = if batch.len() < BATCH {
                inbox.try_recv().ok()
            } else {
                None
            };
        }
        let ruling = Ruling {
            ordinals,
            current: regrading.current,
            now: clock.now(),
            dry: regrading.dry,
        };
        for kept in store.keep_reports(&batch, &ruling).await? {
            done.added += 1;
            done.moved += u64::from(kept.is_some());
            tell(done, kept.as_ref());
        }
    }
    Ok(done)
}

impl Store {
    /// How many stretches of scans have no report under this rubric.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn ungraded_count(&self, rubric: &str) -> Result<u64> {
        const COUNT: &str = "SELECT COUNT(*) FROM run r WHERE NOT EXISTS \
            (SELECT 1 FROM report o WHERE o.run = r.id AND o.rubric = $1)";
        let (n,): (i64,) = on!(self.db, pool => sqlx::query_as(COUNT)
            .bind(rubric.replace('\0', ""))
            .fetch_one(pool)
            .await)
        .map_err(during("looking for scans to grade"))?;
        Ok(u64::try_from(n).unwrap_or(0))
    }

    /// Stretches of scans without a report under this rubric, newest first.
    ///
    /// # Errors
    ///
    /// If the cursor is not one of this store, or the database fails.
    pub async fn ungraded(&self, rubric: &str, page: &Page) -> Result<Paged<Ungraded>> {
        const READ: &str = "SELECT r.id, r.first_scan, t.run = r.id FROM run r \
            JOIN target t ON t.id = r.target WHERE r.id < $1 \
            AND NOT EXISTS (SELECT 1 FROM report o WHERE o.run = r.id AND o.rubric = $2) \
            ORDER BY r.id DESC LIMIT $3";
        let below = match page.after.as_deref() {
            Some(text) => text
                .strip_prefix('u')
                .and_then(|id| i64::from_str_radix(id, 16).ok())
                .ok_or(StoreError::Cursor)?,
            None => i64::MAX,
        };
        let limit = page.limit.clamp(1, 1_000);
        let rows: Vec<(i64, Vec<u8>, bool)> = on!(self.db, pool => sqlx::query_as(READ)
            .bind(below)
            .bind(rubric.replace('\0', ""))
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await)
        .map_err(during("looking for scans to grade"))?;
        let full = rows.len() == limit as usize;
        Ok(Paged {
            next: rows
                .last()
                .filter(|_| full)
                .map(|(run, ..)| format!("u{run:x}")),
            rows: rows
                .into_iter()
                .filter_map(|(_, scan, newest)| {
                    let scan = public(ids::Kind::Scan, &scan)?;
                    Some(Ungraded { scan, newest })
                })
                .collect(),
        })
    }
}
