//! The index in numbers, each with what it is a share of.

use std::collections::BTreeMap;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use scanner::spec::Revision;
use scanner::time::Millis;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::figures::{FigureOut, table};
use super::{List, SCHEMA_VERSION};
use crate::AppState;
use crate::adoption::{ADOPTED, Adoption, figure, series};
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
    adoption: AdoptionOut,
}

/// Adoption, as last counted.
#[derive(Debug, Serialize)]
pub struct AdoptionOut {
    counted_at: Option<String>,
    graded: i64,
    suppressed: bool,
    adopted: BTreeMap<&'static str, FigureOut>,
    by_claimed: BTreeMap<&'static str, BTreeMap<&'static str, FigureOut>>,
    letters: BTreeMap<String, FigureOut>,
    resource_metadata: BTreeMap<String, FigureOut>,
    products: BTreeMap<String, FigureOut>,
    claimed: BTreeMap<String, FigureOut>,
}

impl AdoptionOut {
    fn new(adoption: &Adoption) -> Self {
        let values = |series: &str| {
            adoption
                .values(series)
                .into_iter()
                .map(|(value, figure)| (value, figure.into()))
                .collect()
        };
        let adopted = |population: &str| {
            ADOPTED
                .into_iter()
                .map(|one| (one.id, adoption.figure(population, one.id, "yes").into()))
                .collect()
        };
        Self {
            counted_at: adoption.at().map(Millis::rfc3339),
            graded: adoption.graded,
            suppressed: adoption.suppressed,
            adopted: adopted("all"),
            by_claimed: Revision::ALL
                .into_iter()
                .map(|revision| (revision.as_str(), adopted(revision.as_str())))
                .collect(),
            letters: values("letter"),
            resource_metadata: values("prm"),
            products: values("product"),
            claimed: values("claimed"),
        }
    }

    /// Series, value and figure of each, for a table.
    fn lines(&self) -> Vec<(Vec<&str>, FigureOut)> {
        let mut out = Vec::new();
        for (series, figure) in &self.adopted {
            out.push((vec!["all", *series, "yes"], figure.clone()));
        }
        for (revision, adopted) in &self.by_claimed {
            for (series, figure) in adopted {
                out.push((vec![*revision, *series, "yes"], figure.clone()));
            }
        }
        for (series, values) in [
            ("letter", &self.letters),
            ("prm", &self.resource_metadata),
            ("product", &self.products),
            ("claimed", &self.claimed),
        ] {
            for (value, figure) in values {
                out.push((vec!["all", series, value.as_str()], figure.clone()));
            }
        }
        out
    }
}

/// A day of a series.
#[derive(Debug, Serialize)]
pub struct PointOut {
    day: String,
    #[serde(flatten)]
    figure: FigureOut,
}

/// Parameters of a series.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct SeriesQuery {
    from: String,
    to: String,
    format: String,
}

const DAY: i64 = 86_400_000;

/// A day in a query: `YYYY-MM-DD`, as days since 1970.
fn day(name: &str, text: &str, default: i64) -> Result<i64, AppError> {
    if text.is_empty() {
        return Ok(default);
    }
    Millis::parse_rfc3339(&format!("{text}T00:00:00Z"))
        .map(|at| at.0.div_euclid(DAY))
        .ok_or_else(|| {
            AppError::validation(
                &format!("/{name}"),
                format!("{name} is a day such as 2026-11-25."),
            )
        })
}

/// `GET /stats/{series}`
pub(crate) async fn one(
    State(app): State<AppState>,
    visit: Visit,
    Path(id): Path<String>,
    Query(query): Query<SeriesQuery>,
) -> Result<Response, AppError> {
    let Some(series) = series(&id) else {
        return Err(AppError::not_found(
            "There is no series with this name; it is one of rfc9728, s256, cimd, dcr, iss, \
             dcr_only, http_sse, legacy_root.",
        ));
    };
    let csv = super::radar::FormatQuery {
        format: query.format.clone(),
    }
    .csv()?;
    let from = day("from", &query.from, 0)?;
    let to = day("to", &query.to, i64::MAX)?;
    let suppressed = Adoption::new(app.store.measured(visit.now).await?).suppressed;
    let data: Vec<PointOut> = app
        .store
        .trend(series.id, from, to)
        .await?
        .into_iter()
        .map(|point| PointOut {
            day: Millis(point.day * DAY).rfc3339().chars().take(10).collect(),
            figure: figure(&point.measure, suppressed).into(),
        })
        .collect();
    if csv {
        let rows = data
            .iter()
            .map(|point| (vec![point.day.as_str()], point.figure.clone()));
        return Ok(table(series.id, &["day"], rows));
    }
    super::json(&List::new(visit.now, None, data))
}

fn object(counts: &[(String, i64)]) -> Value {
    let members: Map<String, Value> = counts
        .iter()
        .map(|(word, count)| (word.clone(), Value::from(*count)))
        .collect();
    Value::Object(members)
}

/// `GET /stats`
pub(crate) async fn all(
    State(app): State<AppState>,
    visit: Visit,
    Query(query): Query<super::radar::FormatQuery>,
) -> Result<Response, AppError> {
    let csv = query.csv()?;
    let adoption = AdoptionOut::new(&Adoption::new(app.store.measured(visit.now).await?));
    if csv {
        let heads = ["population", "series", "value"];
        return Ok(table("stats", &heads, adoption.lines()));
    }
    let totals = app.store.totals(visit.now).await?;
    let facets = app.store.facets().await?;
    super::json(&Stats {
        schema_version: SCHEMA_VERSION,
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
        adoption,
    })
}
