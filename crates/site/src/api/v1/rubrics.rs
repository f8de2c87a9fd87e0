//! Versions of the rules with what each check counts.

use axum::extract::{Path, State};
use axum::response::Response;
use scanner::check::Severity;
use scanner::rubric::{self, Rubric};
use serde::Serialize;
use serde_json::{Value, json};

use super::List;
use crate::AppState;
use crate::error::AppError;
use crate::visit::Visit;

/// A version of the rules.
#[derive(Debug, Serialize)]
pub(crate) struct RubricOut {
    version: &'static str,
    effective: &'static str,
    current: bool,
    link: String,
}

/// A version of the rules with its weights.
#[derive(Debug, Serialize)]
pub(crate) struct RubricDetail {
    version: &'static str,
    effective: &'static str,
    current: bool,
    digest: String,
    categories: Vec<Value>,
    checks: Vec<Weight>,
}

/// What a check counts.
#[derive(Debug, Serialize)]
pub(crate) struct Weight {
    check: &'static str,
    severity: Severity,
    weight: u64,
    category: Option<&'static str>,
}

fn current(rubric: &Rubric) -> bool {
    rubric.version == rubric::current().version
}

/// `GET /rubrics`
pub(crate) async fn all(State(app): State<AppState>, visit: Visit) -> Result<Response, AppError> {
    let rubric = rubric::current();
    let data = vec![RubricOut {
        version: rubric.version,
        effective: rubric.effective,
        current: true,
        link: app
            .settings
            .absolute(&format!("/api/v1/rubrics/{}", rubric.version)),
    }];
    super::json(&List::new(visit.now, None, data))
}

/// `GET /rubrics/{version}`
pub(crate) async fn one(Path(version): Path<String>) -> Result<Response, AppError> {
    let rubric = rubric::by_version(&version).ok_or_else(|| {
        AppError::not_found("This program does not judge by that rubric; /rubrics lists those.")
    })?;
    super::json(&RubricDetail {
        version: rubric.version,
        effective: rubric.effective,
        current: current(rubric),
        digest: rubric::digest(),
        categories: rubric::CATEGORIES
            .iter()
            .map(|category| json!({ "id": category.id, "name": category.name, "share": category.share }))
            .collect(),
        checks: scanner::checks::all()
            .map(|check| Weight {
                check: check.id,
                severity: check.severity,
                weight: rubric::weight(check, check.severity),
                category: rubric::category(check)
                    .and_then(|place| rubric::CATEGORIES.get(place))
                    .map(|category| category.name),
            })
            .collect(),
    })
}
