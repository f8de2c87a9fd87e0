//! Grading what is stored once more, under a rubric that came later. Reports are added and
//! never replaced; evidence is not touched.

use std::sync::Arc;

use scanner::evidence::Evidence;
use scanner::report::Report;
use scanner::time::{Clock, Millis};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::Store;
use crate::codec::{self, Kind, Packed};
use crate::counters::{Counters, DAY};
use crate::db::{Tx, on, within};
use crate::error::{Result, StoreError, during};
use crate::ids;
use crate::rows::{Page, Paged, Ungraded};
use crate::schema::Ordinals;
use crate::servers::public;
use crate::state::{self, Apply, Counted, State};

/// Stretches read at a time.
const PAGE: u32 = 200;

/// What a re-grading did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Regraded {
    /// Reports added.
    pub added: u64,
    /// Stretches whose evidence could not be read; they are logged and left.
    pub unreadable: u64,
}

/// Judges evidence under one rubric.
pub type Grade = Arc<dyn Fn(&Evidence) -> Report + Send + Sync>;

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
    regrade_telling(store, rubric, grade, current, clock, stop, &|_| ()).await
}

/// The same, telling after each report what was done so far. Every report is kept at once, so a
/// re-grading that ends in the middle, however hard, is gone on with by calling this again.
///
/// # Errors
///
/// As [`regrade`].
pub async fn regrade_telling(
    store: &Store,
    rubric: &str,
    grade: &Grade,
    current: bool,
    clock: &dyn Clock,
    stop: &watch::Receiver<bool>,
    tell: &(dyn Fn(Regraded) + Sync),
) -> Result<Regraded> {
    let mut done = Regraded::default();
    let mut page = Page::first(PAGE);
    // Reading, grading and packing side by side; one more than there are cores, so that none
    // waits while a report is written.
    let most = std::thread::available_parallelism().map_or(1, usize::from) + 1;
    let mut under_way: JoinSet<Result<Added>> = JoinSet::new();
    let mut next = Some(page.clone());
    let mut waiting = Vec::new().into_iter();
    loop {
        while under_way.len() < most && !*stop.borrow() {
            let Some(Ungraded { scan, .. }) = waiting.next() else {
                let Some(wanted) = next.take() else { break };
                page = wanted;
                let list = store.ungraded(rubric, &page).await?;
                next = list.next.map(|after| Page {
                    after: Some(after),
                    ..page.clone()
                });
                waiting = list.rows.into_iter();
                continue;
            };
            let (store, grade, now) = (store.clone(), Arc::clone(grade), clock.now());
            under_way.spawn(async move { once_more(&store, scan, grade, current, now).await });
        }
        match under_way.join_next().await {
            Some(Ok(Ok(Added::Report))) => {
                done.added += 1;
                tell(done);
            }
            Some(Ok(Ok(Added::Known))) => tell(done),
            Some(Ok(Ok(Added::Unreadable))) => done.unreadable += 1,
            Some(Ok(Err(error))) => return Err(error),
            Some(Err(error)) => {
                tracing::error!(%error, "grading again failed");
                done.unreadable += 1;
            }
            None => return Ok(done),
        }
    }
}

/// What came of grading one stretch again.
enum Added {
    /// A report was added.
    Report,
    /// Somebody else had added it.
    Known,
    /// There is nothing to read, or grading failed; it is logged.
    Unreadable,
}

async fn once_more(
    store: &Store,
    scan: String,
    grade: Grade,
    current: bool,
    now: Millis,
) -> Result<Added> {
    let evidence = match store.evidence(&scan).await {
        Ok(Some(evidence)) => evidence,
        Ok(None) => return Ok(Added::Known),
        Err(StoreError::Stored { what, why }) => {
            tracing::warn!(%scan, %what, %why, "cannot grade again");
            return Ok(Added::Unreadable);
        }
        Err(error) => return Err(error),
    };
    let report = match tokio::task::spawn_blocking(move || grade(&evidence)).await {
        Ok(report) => report,
        Err(error) => {
            tracing::error!(%error, "grading again failed");
            return Ok(Added::Unreadable);
        }
    };
    let added = store.add_report(&scan, &report, current, now).await?;
    Ok(if added { Added::Report } else { Added::Known })
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
}

impl Target {
    /// Letter or badge before the addition.
    fn shown(&self) -> Option<&str> {
        let Counted { letter, badge, .. } = &self.counted;
        letter.as_deref().or(badge.as_deref())
    }
}

struct Addition<'a> {
    scan: &'a [u8],
    rubric: &'a str,
    packed: &'a Packed,
    state: &'a State,
    bits: &'a [u8],
    ordinals: &'a Ordinals,
    current: bool,
    now: Millis,
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
        let checks: Vec<&str> = report
            .findings
            .iter()
            .map(|finding| finding.check.as_str())
            .collect();
        let ordinals = self.ordinals(&checks).await?;
        let bytes = serde_json::to_vec(report).map_err(|error| StoreError::Unstorable {
            what: "a report",
            why: error.to_string(),
        })?;
        self.codec.prepare(&self.db, Kind::Report, None).await?;
        let packed = self.codec.pack(Kind::Report, &bytes)?;
        let addition = Addition {
            scan: &id,
            rubric: &report.grade.rubric,
            packed: &packed,
            state: &State::of(&evidence, report),
            bits: &codec::bits(&report.findings, &ordinals),
            ordinals: &ordinals,
            current,
            now,
        };
        let add = async {
            let mut tx = self.db.begin().await?;
            let added = add(&mut tx, &addition).await?;
            tx.commit().await?;
            Ok(added)
        };
        add.await.map_err(during("adding a report"))
    }
}

async fn add(tx: &mut Tx, addition: &Addition<'_>) -> Result<bool, sqlx::Error> {
    const ADD: &str = "INSERT INTO report (run, rubric, graded_at, dictionary, bytes) \
        VALUES ($1, $2, $3, $4, $5) ON CONFLICT (run, rubric) DO NOTHING";
    let Some(target) = find(tx, addition.scan).await? else {
        return Ok(false);
    };
    let rows = within!(tx, c => sqlx::query(ADD)
        .bind(target.run)
        .bind(addition.rubric)
        .bind(addition.now.0)
        .bind(addition.packed.dictionary)
        .bind(&addition.packed.bytes)
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?;
    if rows == 0 {
        return Ok(false);
    }
    let mut counters = Counters::default();
    if !addition.current || target.shown_run != Some(target.run) {
        counters.write(tx, 0).await?;
        return Ok(true);
    }
    show(tx, addition, &target, &mut counters).await?;
    if target.shown() == addition.state.shown() {
        counters.write(tx, 0).await?;
        return Ok(true);
    }
    counters.add("day", &(addition.now.0 / DAY).to_string(), 1);
    let before_first = counters.write(tx, 1).await?;
    tell(tx, addition, &target, before_first + 1).await?;
    Ok(true)
}

async fn find(tx: &mut Tx, scan: &[u8]) -> Result<Option<Target>, sqlx::Error> {
    macro_rules! find_sql {
        ($lock:literal) => {
            concat!(
                "SELECT r.id AS run, r.target, r.last_at AS at, t.run AS shown_run, ",
                "t.changed_at, t.class, t.era, t.letter, t.badge, t.claimed, t.registration, ",
                "t.pkce, r.bits FROM scan s JOIN run r ON r.id = s.run ",
                "JOIN target t ON t.id = r.target JOIN visit v ON v.target = t.id ",
                "WHERE s.id = $1",
                $lock
            )
        };
    }
    let sql = if tx.is_postgres() {
        find_sql!(" FOR UPDATE OF v") // as filing does
    } else {
        find_sql!("")
    };
    within!(tx, c => sqlx::query_as(sql).bind(scan).fetch_optional(c).await)
}

/// Makes the report what the run and its server show.
async fn show(
    tx: &mut Tx,
    addition: &Addition<'_>,
    target: &Target,
    counters: &mut Counters,
) -> Result<(), sqlx::Error> {
    const SHOW: &str = "UPDATE run SET rubric = $2, letter = $3, badge = $4, score = $5, \
        cap_check = $6, bits = $7 WHERE id = $1";
    let state = addition.state;
    within!(tx, c => sqlx::query(SHOW)
        .bind(target.run)
        .bind(addition.rubric)
        .bind(&state.letter)
        .bind(&state.badge)
        .bind(state.score)
        .bind(&state.cap_check)
        .bind(addition.bits)
        .execute(c)
        .await
        .map(drop))?;
    let change = Apply {
        target: target.target,
        run: target.run,
        changed_at: target.changed_at,
        state,
        bits: addition.bits,
        old: &target.counted,
        old_bits: &target.bits,
        ordinals: addition.ordinals,
    };
    state::apply(tx, &change, counters).await
}

/// The entry in the change feed: the letter moved because the rubric did.
async fn tell(
    tx: &mut Tx,
    addition: &Addition<'_>,
    target: &Target,
    seq: i64,
) -> Result<(), sqlx::Error> {
    const TELL: &str = "INSERT INTO change (seq, at, kind, cause, target, before, after, checks, \
        scan, previous_scan) VALUES ($1, $2, $3, 'rubric', $4, $5, $6, $7, $8, $8)";
    let before = target.shown();
    let rank = |shown: Option<&str>| shown.and_then(state::ranks).map(|(first, _)| first);
    let kind = match (rank(before), rank(addition.state.shown())) {
        (Some(before), Some(after)) if after < before => "improved",
        (Some(before), Some(after)) if after > before => "regressed",
        _ => "changed",
    };
    let checks: Vec<&str> = codec::changed(&target.bits, addition.bits)
        .into_iter()
        .filter_map(|(ordinal, ..)| addition.ordinals.id(ordinal))
        .collect();
    within!(tx, c => sqlx::query(TELL)
        .bind(seq)
        .bind(addition.now.0.max(target.at))
        .bind(kind)
        .bind(target.target)
        .bind(before)
        .bind(addition.state.shown())
        .bind(serde_json::Value::from(checks).to_string())
        .bind(addition.scan)
        .execute(c)
        .await
        .map(drop))
}
