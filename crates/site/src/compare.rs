//! Two scans of one server side by side: loading, grading under one rubric, and splitting the
//! change of the score by cause (product section 6.4). Page and API show the same object.

use axum::http::StatusCode;
use scanner::diff::{self, Cause, Diff, Graded};
use scanner::evidence::Evidence;
use scanner::report::Report;
use store::ScanRow;

use crate::AppState;
use crate::error::{AppError, Problem};

/// One side.
#[derive(Debug)]
pub(crate) struct Side {
    pub(crate) row: ScanRow,
    pub(crate) evidence: Evidence,
    /// Under the rubric of the day.
    pub(crate) published: Report,
    /// Under today's rubric.
    pub(crate) report: Report,
}

/// Both sides and their difference.
#[derive(Debug)]
pub(crate) struct Comparison {
    pub(crate) a: Side,
    pub(crate) b: Side,
    pub(crate) diff: Diff,
}

/// What a part of the change is due to: a cause, or the rules themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) cause: &'static str,
    pub(crate) tenths: i64,
}

impl Comparison {
    /// Parts of the change of the score, the rules first. They add up to the difference of the
    /// two published scores.
    pub(crate) fn parts(&self) -> Vec<Part> {
        let rubric = rubric_part(&self.a) - rubric_part(&self.b);
        let mut parts = Vec::new();
        if rubric != 0 {
            parts.push(Part {
                cause: "rubric",
                tenths: rubric,
            });
        }
        parts.extend(self.diff.causes.iter().map(|part| Part {
            cause: cause(part.cause),
            tenths: part.tenths,
        }));
        parts
    }
}

/// What today's rubric changes about a side, in tenths.
fn rubric_part(side: &Side) -> i64 {
    match (tenths(&side.report), tenths(&side.published)) {
        (Some(today), Some(then)) => today - then,
        _ => 0,
    }
}

/// A report's score in tenths.
pub(crate) fn tenths(report: &Report) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "scores are 0.0 to 100.0")]
    let tenths = |score: f64| (score * 10.0).round() as i64;
    report.grade.score.map(tenths)
}

/// The cause's word.
pub(crate) fn cause(cause: Cause) -> &'static str {
    cause.as_str()
}

/// Reads `scn_a...scn_b`.
pub(crate) fn pair(text: &str) -> Result<(&str, &str), AppError> {
    text.split_once("...")
        .filter(|(a, b)| !a.is_empty() && !b.is_empty())
        .ok_or_else(|| {
            AppError::validation(
                "/pair",
                "Name two scans with three dots between them, for example scn_…a...scn_…b.",
            )
        })
}

/// Loads both sides and compares them. `server` resolves the words `latest` and `previous`.
pub(crate) async fn load(
    app: &AppState,
    a: &str,
    b: &str,
    server: Option<&str>,
) -> Result<Comparison, AppError> {
    let a = side(app, &named(app, a, server).await?).await?;
    let b = side(app, &named(app, b, server).await?).await?;
    if a.row.server.id != b.row.server.id {
        return Err(Problem::new(
            "different-servers",
            StatusCode::UNPROCESSABLE_ENTITY,
            "Two different servers",
            "These scans are of two different servers. A difference with causes needs two scans of one.",
        )
        .into());
    }
    let graded =
        |side: &'_ Side| -> (Evidence, Report) { (side.evidence.clone(), side.report.clone()) };
    let ((ea, ra), (eb, rb)) = (graded(&a), graded(&b));
    // Comparing walks both surfaces: too long for the thread that answers others.
    let diff = tokio::task::spawn_blocking(move || {
        let before = Graded {
            evidence: &ea,
            report: &ra,
        };
        let after = Graded {
            evidence: &eb,
            report: &rb,
        };
        diff::between(before, after)
    })
    .await
    .map_err(|_| internal())?
    .map_err(|_| internal())?;
    Ok(Comparison { a, b, diff })
}

fn internal() -> AppError {
    Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR).into()
}

async fn named(app: &AppState, word: &str, server: Option<&str>) -> Result<String, AppError> {
    let place = match word {
        "latest" => 0,
        "previous" => 1,
        scan => return Ok(scan.to_owned()),
    };
    let server = server.ok_or_else(|| {
        AppError::validation(
            "/server",
            "latest and previous need the parameter server=srv_….",
        )
    })?;
    let scans = app.store.latest_scans(server, 2).await?;
    scans
        .into_iter()
        .nth(place)
        .map(|(scan, _)| scan)
        .ok_or_else(|| AppError::not_found("This server has fewer scans than that."))
}

async fn side(app: &AppState, scan: &str) -> Result<Side, AppError> {
    let missing = || {
        AppError::not_found(format!(
            "There is no scan {}.",
            crate::view::Shown::bounded(scan, 40)
        ))
    };
    let row = app.store.scan(scan).await?.ok_or_else(missing)?;
    let evidence = app.store.evidence(scan).await?.ok_or_else(missing)?;
    let published = app
        .store
        .report(scan, Some(&row.rubric))
        .await?
        .ok_or_else(missing)?;
    let report = today(&evidence, &published);
    Ok(Side {
        row,
        evidence,
        published,
        report,
    })
}

/// The report under today's rubric: the published one if that is of today's, else a new one.
pub(crate) fn today(evidence: &Evidence, published: &Report) -> Report {
    let rubric = scanner::rubric::current();
    if published.grade.rubric == rubric.version {
        return published.clone();
    }
    let mut report = scanner::grade::grade(evidence, rubric);
    report.scan.clone_from(&published.scan);
    report.publication.clone_from(&published.publication);
    report
}
