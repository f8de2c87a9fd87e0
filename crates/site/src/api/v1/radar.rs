//! The deprecation radar: servers that break when something old goes.

use axum::extract::{Query, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::figures::{FigureOut, table};
use crate::AppState;
use crate::adoption::{Adoption, HAZARDS};
use crate::error::AppError;
use crate::visit::Visit;

/// The form of a table.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct FormatQuery {
    /// `json` or `csv`.
    pub(crate) format: String,
}

impl FormatQuery {
    /// Whether it is to be CSV.
    pub(crate) fn csv(&self) -> Result<bool, AppError> {
        match self.format.as_str() {
            "" | "json" => Ok(false),
            "csv" => Ok(true),
            _ => Err(AppError::validation(
                "/format",
                "format is one of json, csv.",
            )),
        }
    }
}

/// The radar.
#[derive(Debug, Serialize)]
pub struct Radar {
    schema_version: &'static str,
    generated_at: String,
    counted_at: Option<String>,
    graded: i64,
    suppressed: bool,
    data: Vec<HazardOut>,
}

/// One thing that may go.
#[derive(Debug, Serialize)]
pub struct HazardOut {
    id: &'static str,
    goes: &'static str,
    counts: &'static str,
    of: &'static str,
    breaks: &'static str,
    for_operators: &'static str,
    for_clients: &'static str,
    check: &'static str,
    figure: FigureOut,
    list: Option<String>,
}

/// `GET /radar`
pub(crate) async fn all(
    State(app): State<AppState>,
    visit: Visit,
    Query(query): Query<FormatQuery>,
) -> Result<Response, AppError> {
    let csv = query.csv()?;
    let adoption = Adoption::new(app.store.measured(visit.now).await?);
    let data: Vec<HazardOut> = HAZARDS
        .into_iter()
        .map(|hazard| HazardOut {
            id: hazard.series.id,
            goes: hazard.goes,
            counts: hazard.series.says,
            of: hazard.series.of,
            breaks: hazard.breaks,
            for_operators: hazard.operator,
            for_clients: hazard.client,
            check: hazard.check,
            figure: adoption.figure("all", hazard.series.id, "yes").into(),
            list: hazard.series.list.map(|list| app.settings.absolute(list)),
        })
        .collect();
    if csv {
        let rows = data
            .iter()
            .map(|hazard| (vec![hazard.id, hazard.goes], hazard.figure.clone()));
        return Ok(table("radar", &["id", "goes"], rows));
    }
    super::json(&Radar {
        schema_version: super::SCHEMA_VERSION,
        generated_at: visit.now.rfc3339(),
        counted_at: adoption.at().map(scanner::time::Millis::rfc3339),
        graded: adoption.graded,
        suppressed: adoption.suppressed,
        data,
    })
}
