//! Grading stored evidence once more, to see whether it still comes out the same: the promise
//! that anybody can repeat a verdict from its evidence, kept under watch.
//!
//! Evidence at rest lacks what changes on every answer, so times and digests of a report are
//! not compared; everything that is judged is, byte by byte. A difference means that a verdict
//! changed without a new rubric, that grading depends on something but the evidence, or that
//! what is stored was damaged.

use scanner::evidence::Evidence;
use scanner::report::{Finding, Report};
use scanner::surface;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::Store;
use crate::db::on;
use crate::error::{Result, StoreError, during};
use crate::filing::unhex;
use crate::ids;
use crate::publication::effective;
use crate::regrade::Grade;
use crate::servers::public;

/// Stretches read at a time.
const PAGE: i64 = 100;
/// Differences that are named.
const NAMED: usize = 20;

/// What grading again found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Again {
    /// Stretches of equal scans that were graded.
    pub graded: u64,
    /// How many of them came out otherwise.
    pub different: u64,
    /// The first 20 of those.
    pub differing: Vec<Differing>,
    /// How many could not be read, or graded.
    pub unreadable: u64,
    /// How many normalise to another digest than when they were filed: the normalisation has
    /// changed since, or they have.
    pub renormalised: u64,
}

/// A stretch that came out otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Differing {
    /// Its first scan.
    pub scan: String,
    /// The first thing that differs.
    pub why: String,
}

/// A stretch of scans to be graded.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct Stretch {
    pub(crate) id: i64,
    first_scan: Vec<u8>,
    surface: Vec<u8>,
}

/// Grades every `of`-th stretch again, beginning with number `turn` modulo `of`, so that as many
/// calls with one turn after the other reach each stretch once. Reports under `rubric` are what
/// the outcome is compared with; each stretch is also graded twice. Ends early when `stop` turns
/// true.
///
/// # Errors
///
/// If the database fails.
pub async fn grade_again(
    store: &Store,
    rubric: &str,
    grade: &Grade,
    (turn, of): (u32, u32),
    stop: &watch::Receiver<bool>,
) -> Result<Again> {
    const READ: &str = "SELECT r.id, r.first_scan, r.surface FROM run r \
        WHERE r.id > $1 AND r.id % $2 = $3 ORDER BY r.id LIMIT $4";
    let of = of.max(1);
    let mut found = Again::default();
    let mut after = 0;
    loop {
        let rows: Vec<Stretch> = on!(store.db, pool => sqlx::query_as(READ)
            .bind(after)
            .bind(i64::from(of))
            .bind(i64::from(turn % of))
            .bind(PAGE)
            .fetch_all(pool)
            .await)
        .map_err(during("choosing scans to grade again"))?;
        let Some(last) = rows.last() else {
            return Ok(found);
        };
        after = last.id;
        for row in &rows {
            if *stop.borrow() {
                return Ok(found);
            }
            store.again(row, rubric, grade, &mut found).await?;
        }
    }
}

impl Store {
    pub(crate) async fn again(
        &self,
        stretch: &Stretch,
        rubric: &str,
        grade: &Grade,
        found: &mut Again,
    ) -> Result<()> {
        let scan = public(ids::Kind::Scan, &stretch.first_scan).unwrap_or_default();
        let stored = async {
            let evidence = self.evidence(&scan).await?;
            Ok((evidence, self.report(&scan, Some(rubric)).await?))
        };
        let (evidence, report) = match stored.await {
            Ok((Some(evidence), report)) => (evidence, report),
            Ok((None, _)) => return Ok(()),
            Err(StoreError::Stored { what, why }) => {
                tracing::error!(%scan, %what, %why, "stored scan cannot be read");
                found.unreadable += 1;
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if unhex(&surface::digest(&evidence)).is_none_or(|digest| digest != stretch.surface[..]) {
            found.renormalised += 1;
        }
        let grade = Grade::clone(grade);
        let graded = tokio::task::spawn_blocking(move || twice(&grade, &evidence, report.as_ref()));
        match graded.await {
            Ok(difference) => {
                found.graded += 1;
                if let Some(why) = difference {
                    tracing::error!(%scan, %why, "grading again came out otherwise");
                    found.different += 1;
                    if found.differing.len() < NAMED {
                        found.differing.push(Differing { scan, why });
                    }
                }
            }
            Err(error) => {
                tracing::error!(%scan, %error, "grading again failed");
                found.unreadable += 1;
            }
        }
        Ok(())
    }
}

/// Grades twice, and says what first differs between the two or from the report.
fn twice(grade: &Grade, evidence: &Evidence, stored: Option<&Report>) -> Option<String> {
    let published = |report: Report| match stored {
        // What was published is compared with what is published of it today.
        Some(stored) => effective(evidence, &report, &stored.publication.overrides),
        None => report,
    };
    let (once, again) = (published(grade(evidence)), published(grade(evidence)));
    if serde_json::to_vec(&once).ok() != serde_json::to_vec(&again).ok() {
        return Some("grading it twice gives two reports".into());
    }
    stored.and_then(|stored| difference(stored, &once))
}

/// What a finding judges.
fn judged(finding: &Finding) -> Value {
    json!([
        finding.check,
        finding.verdict,
        finding.reason,
        finding.severity,
        finding.revision,
        finding.by_revision
    ])
}

/// The first judgement that differs between two reports under one rubric.
pub(crate) fn difference(before: &Report, after: &Report) -> Option<String> {
    if before.class != after.class {
        let (before, after) = (before.class.as_str(), after.class.as_str());
        return Some(format!("the class was {before} and is {after}"));
    }
    for (before, after) in before.findings.iter().zip(&after.findings) {
        let (old, new) = (judged(before), judged(after));
        if old != new {
            return Some(format!("the verdict was {old} and is {new}"));
        }
    }
    if before.findings.len() != after.findings.len() {
        return Some("the catalogue has another length".into());
    }
    let grades = |report: &Report| {
        json!([
            report.grade,
            report.grades,
            report.verified,
            report.era,
            report.exposure
        ])
        .to_string()
    };
    (grades(before) != grades(after)).then(|| "the grade differs, with equal verdicts".into())
}
