//! The writing side of grading again: reports are added in one transaction, what servers show
//! follows, and the change feed tells of it.

use scanner::report::Report;
use scanner::time::Millis;

use super::{Graded, Mover, graded};
use crate::Store;
use crate::codec::{self, Kind};
use crate::counters::{Counters, DAY};
use crate::db::{Tx, within};
use crate::error::{Result, during};
use crate::ids;
use crate::rows::ChangedCheck;
use crate::schema::Ordinals;
use crate::servers::public;
use crate::state::{self, Apply, Counted};

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
pub(super) struct Ruling<'a> {
    pub(super) ordinals: &'a Ordinals,
    pub(super) current: bool,
    pub(super) now: Millis,
    pub(super) dry: bool,
}

impl Store {
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
    pub(super) async fn keep_reports(
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
