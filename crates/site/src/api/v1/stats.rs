//! The index in numbers, each with what it is a share of.

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::AppState;
use crate::error::AppError;
use crate::visit::Visit;

/// The index in numbers.
#[derive(Debug, Serialize)]
pub struct Stats {
    schema_version: &'static str,
    generated_at: String,
    rubric: &'static str,
    servers: i64,
    scanned: i64,
    graded: i64,
    scans: i64,
    changes_7d: i64,
    median_age_seconds: Option<i64>,
    queue: i64,
    letters: Value,
    classes: Value,
    eras: Value,
    claimed: Value,
    registration: Value,
    pkce: Value,
    sources: Value,
}

fn object(counts: &[(String, i64)]) -> Value {
    let members: Map<String, Value> = counts
        .iter()
        .map(|(word, count)| (word.clone(), Value::from(*count)))
        .collect();
    Value::Object(members)
}

/// `GET /stats`
pub(crate) async fn all(State(app): State<AppState>, visit: Visit) -> Result<Response, AppError> {
    let totals = app.store.totals(visit.now).await?;
    let facets = app.store.facets().await?;
    super::json(&Stats {
        schema_version: super::SCHEMA_VERSION,
        generated_at: visit.now.rfc3339(),
        rubric: scanner::rubric::current().version,
        servers: totals.servers,
        scanned: totals.scanned,
        graded: totals.graded,
        scans: totals.scans,
        changes_7d: totals.changes_7d,
        median_age_seconds: totals.median_age_ms.map(|age| age / 1000),
        queue: totals.queue,
        letters: object(&facets.letters),
        classes: object(&facets.classes),
        eras: object(&facets.eras),
        claimed: object(&facets.claimed),
        registration: object(&facets.registration),
        pkce: object(&facets.pkce),
        sources: object(&facets.sources),
    })
}
