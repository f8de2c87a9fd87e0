//! Grading what is stored once more, under a rubric that came later. Reports are added and
//! never replaced; evidence is not touched.

use std::sync::Arc;

use scanner::evidence::Evidence;
use scanner::report::Report;
use scanner::time::{Clock, Millis};
use tokio::sync::{Semaphore, mpsc, watch};

use crate::Store;
use crate::codec::{self, Kind, Packed};
use crate::counters::{Counters, DAY};
use crate::db::{Tx, on, within};
use crate::error::{Result, StoreError, during};
use crate::ids;
use crate::rows::{ChangedCheck, Page, Paged, Ungraded};
use crate::schema::Ordinals;
use crate::servers::public;
use crate::state::{self, Apply, Counted, State};

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
        n.dictionary AS newest_dictionary, n.bytes AS newest FROM run r \
        JOIN evidence e ON e.id = r.evidence \
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
                    let report = grade(&evidence);
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

/// A stretch of scans as far as a further report concerns it.
#[derive(Debug, sqlx::FromRow)]
struct Target {
    run: i64,
    target: i64,
    at: i64,
    shown_run: Option<i64>,
    changed_at: i64,
    #[sqlx(flatten)]
    counted: Counted,
    bits: Vec<u8>,
    public_id: Vec<u8>,
    url: String,
    has: bool,
}

impl Target {
    /// Letter or badge before the addition.
    fn shown(&self) -> Option<&str> {
        let Counted { letter, badge, .. } = &self.counted;
        letter.as_deref().or(badge.as_deref())
    }
}

/// What holds for all additions of a transaction.
struct Ruling<'a> {
    ordinals: &'a Ordinals,
    current: bool,
    now: Millis,
    dry: bool,
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

    /// Adds the report of a stored scan under a further rubric; false if there is one already,
    /// or no such scan. With `current` it becomes the server's state, if the scan belongs to
    /// what the server shows today.
    ///
    /// # Errors
    ///
    /// If the database fails; nothing is added then.
    pub async fn add_report(
        &self,
        scan: &str,
        report: &Report,
        current: bool,
        now: Millis,
    ) -> Result<bool> {
        let Some(id) = ids::Kind::Scan.read(scan) else {
            return Ok(false);
        };
        let Some(evidence) = self.evidence(scan).await? else {
            return Ok(false);
        };
        let overrides = self.overrides(&id).await?;
        let report = &crate::publication::effective(&evidence, report, &overrides);
        let checks: Vec<&str> = report
            .findings
            .iter()
            .map(|finding| finding.check.as_str())
            .collect();
        let ordinals = self.ordinals(&checks).await?;
        self.codec.prepare(&self.db, Kind::Report, None).await?;
        let graded = graded(&self.codec, id.to_vec(), &evidence, report, &ordinals)?;
        let ruling = Ruling {
            ordinals: &ordinals,
            current,
            now,
            dry: false,
        };
        let kept = self.keep_reports(&[graded], &ruling).await?;
        Ok(!kept.is_empty())
    }

    /// Keeps reports in one transaction; for each that was missing, the server that moves.
    async fn keep_reports(
        &self,
        batch: &[Graded],
        ruling: &Ruling<'_>,
    ) -> Result<Vec<Option<Mover>>> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let keep = async {
            let mut tx = self.db.begin().await?;
            let kept = add(&mut tx, batch, ruling).await?;
            if !ruling.dry {
                tx.commit().await?;
            }
            Ok(kept)
        };
        keep.await.map_err(during("adding reports"))
    }
}

async fn add(
    tx: &mut Tx,
    batch: &[Graded],
    ruling: &Ruling<'_>,
) -> Result<Vec<Option<Mover>>, sqlx::Error> {
    // In the order of targets, and the counters last, as filing does: neither waits for the
    // other in a circle.
    let mut found = Vec::with_capacity(batch.len());
    for graded in batch {
        let target = find(tx, &graded.scan, &graded.rubric, false).await?;
        found.extend(target.filter(|target| !target.has).map(|one| (graded, one)));
    }
    found.sort_by_key(|(_, target)| target.target);
    let (mut counters, mut moves, mut kept) = (Counters::default(), Vec::new(), Vec::new());
    for (graded, _) in found {
        // What was read before the lock may have passed.
        let locked = find(tx, &graded.scan, &graded.rubric, !ruling.dry).await?;
        let Some(target) = locked.filter(|target| !target.has) else {
            continue;
        };
        if !ruling.dry && !add_report(tx, graded, &target, ruling.now).await? {
            continue;
        }
        let shown = ruling.current && target.shown_run == Some(target.run);
        let moved = shown && target.shown() != graded.state.shown();
        if shown && !ruling.dry {
            show(tx, graded, &target, ruling.ordinals, &mut counters).await?;
        }
        kept.push(moved.then(|| mover(graded, &target, ruling.ordinals)));
        if moved {
            moves.push((graded, target));
        }
    }
    if ruling.dry || kept.is_empty() {
        return Ok(kept);
    }
    for _ in &moves {
        counters.add("day", &(ruling.now.0 / DAY).to_string(), 1);
    }
    let mut seq = counters.write(tx, moves.len()).await?;
    for (graded, target) in &moves {
        seq += 1;
        tell(tx, graded, target, ruling, seq).await?;
    }
    Ok(kept)
}

fn mover(graded: &Graded, target: &Target, ordinals: &Ordinals) -> Mover {
    let checks = codec::changed(&target.bits, &graded.bits)
        .into_iter()
        .filter_map(|(ordinal, before, after)| {
            Some(ChangedCheck {
                check: ordinals.id(ordinal)?.to_owned(),
                before: before.as_str().into(),
                after: after.as_str().into(),
            })
        });
    Mover {
        server: public(ids::Kind::Server, &target.public_id).unwrap_or_default(),
        url: target.url.clone(),
        before: target.shown().map(str::to_owned),
        after: graded.state.shown().map(str::to_owned),
        cap_check: graded.state.cap_check.clone(),
        checks: checks.collect(),
    }
}

async fn add_report(
    tx: &mut Tx,
    graded: &Graded,
    target: &Target,
    now: Millis,
) -> Result<bool, sqlx::Error> {
    const ADD: &str = "INSERT INTO report (run, rubric, graded_at, dictionary, bytes) \
        VALUES ($1, $2, $3, $4, $5) ON CONFLICT (run, rubric) DO NOTHING";
    let rows = within!(tx, c => sqlx::query(ADD)
        .bind(target.run)
        .bind(&graded.rubric)
        .bind(now.0)
        .bind(graded.packed.dictionary)
        .bind(&graded.packed.bytes)
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?;
    Ok(rows > 0)
}

async fn find(
    tx: &mut Tx,
    scan: &[u8],
    rubric: &str,
    lock: bool,
) -> Result<Option<Target>, sqlx::Error> {
    macro_rules! find_sql {
        ($lock:literal) => {
            concat!(
                "SELECT r.id AS run, r.target, r.last_at AS at, t.run AS shown_run, ",
                "t.changed_at, t.class, t.era, t.letter, t.badge, t.claimed, t.registration, ",
                "t.pkce, r.bits, t.public_id, t.url, EXISTS (SELECT 1 FROM report o ",
                "WHERE o.run = r.id AND o.rubric = $2) AS has FROM scan s ",
                "JOIN run r ON r.id = s.run ",
                "JOIN target t ON t.id = r.target JOIN visit v ON v.target = t.id ",
                "WHERE s.id = $1",
                $lock
            )
        };
    }
    let sql = if lock && tx.is_postgres() {
        find_sql!(" FOR UPDATE OF v") // as filing does
    } else {
        find_sql!("")
    };
    within!(tx, c => sqlx::query_as(sql).bind(scan).bind(rubric).fetch_optional(c).await)
}

/// Makes the report what the run and its server show.
async fn show(
    tx: &mut Tx,
    graded: &Graded,
    target: &Target,
    ordinals: &Ordinals,
    counters: &mut Counters,
) -> Result<(), sqlx::Error> {
    const SHOW: &str = "UPDATE run SET rubric = $2, letter = $3, badge = $4, score = $5, \
        cap_check = $6, bits = $7 WHERE id = $1";
    let state = &graded.state;
    within!(tx, c => sqlx::query(SHOW)
        .bind(target.run)
        .bind(&graded.rubric)
        .bind(&state.letter)
        .bind(&state.badge)
        .bind(state.score)
        .bind(&state.cap_check)
        .bind(&graded.bits)
        .execute(c)
        .await
        .map(drop))?;
    let change = Apply {
        target: target.target,
        run: target.run,
        changed_at: target.changed_at,
        state,
        bits: &graded.bits,
        old: &target.counted,
        old_bits: &target.bits,
        ordinals,
    };
    state::apply(tx, &change, counters).await
}

/// The entry in the change feed: the letter moved because the rubric did.
async fn tell(
    tx: &mut Tx,
    graded: &Graded,
    target: &Target,
    ruling: &Ruling<'_>,
    seq: i64,
) -> Result<(), sqlx::Error> {
    const TELL: &str = "INSERT INTO change (seq, at, kind, cause, target, before, after, checks, \
        scan, previous_scan) VALUES ($1, $2, $3, 'rubric', $4, $5, $6, $7, $8, $8)";
    let before = target.shown();
    let rank = |shown: Option<&str>| shown.and_then(state::ranks).map(|(first, _)| first);
    let kind = match (rank(before), rank(graded.state.shown())) {
        (Some(before), Some(after)) if after < before => "improved",
        (Some(before), Some(after)) if after > before => "regressed",
        _ => "changed",
    };
    let checks: Vec<&str> = codec::changed(&target.bits, &graded.bits)
        .into_iter()
        .filter_map(|(ordinal, ..)| ruling.ordinals.id(ordinal))
        .collect();
    within!(tx, c => sqlx::query(TELL)
        .bind(seq)
        .bind(ruling.now.0.max(target.at))
        .bind(kind)
        .bind(target.target)
        .bind(before)
        .bind(graded.state.shown())
        .bind(serde_json::Value::from(checks).to_string())
        .bind(&graded.scan)
        .execute(c)
        .await
        .map(drop))
}
