//! `GET /scans/{id}/what-if`: a grade with some findings fixed, and the cheapest path upwards.

use axum::extract::{Path, State};
use axum::response::Response;
use scanner::report::{Grade, GradeLetter};
use serde::Serialize;

use crate::AppState;
use crate::error::AppError;
use crate::visit::Visit;
use crate::whatif;

/// The answer.
#[derive(Debug, Serialize)]
pub struct WhatIf {
    scan: String,
    rubric: String,
    fix: Vec<&'static str>,
    fixable: Vec<&'static str>,
    now: Grade,
    /// What stood behind the fixed checks gets no credit.
    low: Grade,
    /// What stood behind the fixed checks passes.
    high: Grade,
    unknown: Vec<&'static str>,
    path: Option<Steps>,
}

/// A few fixes that raise the letter.
#[derive(Debug, Serialize)]
pub struct Steps {
    fix: Vec<&'static str>,
    low: Option<GradeLetter>,
    high: Option<GradeLetter>,
}

pub(crate) async fn one(
    State(app): State<AppState>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Response, AppError> {
    let wanted = whatif::asked(visit.query.as_deref());
    let answer = whatif::suppose(&app, &id, wanted).await?;
    super::json(&WhatIf {
        scan: id,
        rubric: answer.now.rubric.clone(),
        fix: answer.fixes,
        fixable: answer.fixable,
        now: answer.now,
        low: answer.then.low,
        high: answer.then.high,
        unknown: answer.then.unknown,
        path: answer.path.map(|path| Steps {
            fix: path.fixes,
            low: path.range.low.letter,
            high: path.range.high.letter,
        }),
    })
}
