//! The difference of two scans of one server.

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use scanner::report::FindingVerdict;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::AppState;
use crate::compare::{self, Comparison, tenths};
use crate::error::AppError;
use crate::layers::PATCH;
use crate::view::documents::{self, Kind, Pair};

/// Parameters of a difference.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct DiffQuery {
    pub(crate) server: String,
}

/// A difference.
#[derive(Debug, Serialize)]
pub struct DiffOut {
    a: String,
    b: String,
    server: String,
    rubric: &'static str,
    letter: Sides<Option<String>>,
    score: Scores,
    causes: Vec<CauseOut>,
    checks: Vec<CheckOut>,
    regressed: usize,
    fixed: usize,
    documents: Vec<DocumentOut>,
    identical: bool,
}

/// A value on both sides.
#[derive(Debug, Serialize)]
pub struct Sides<T> {
    a: T,
    b: T,
}

/// Scores on both sides.
#[derive(Debug, Serialize)]
pub struct Scores {
    a_as_published: Option<f64>,
    b_as_published: Option<f64>,
    a: Option<f64>,
    b: Option<f64>,
}

/// Part of the change by cause.
#[derive(Debug, Serialize)]
pub struct CauseOut {
    cause: &'static str,
    tenths: i64,
}

/// A check with another answer.
#[derive(Debug, Serialize)]
pub struct CheckOut {
    check: String,
    a: Option<&'static str>,
    b: Option<&'static str>,
    group: scanner::diff::Group,
    tenths: i64,
    cause: &'static str,
}

/// A document that differs, as operations of RFC 6902.
#[derive(Debug, Serialize)]
pub struct DocumentOut {
    kind: &'static str,
    issuer: Option<String>,
    patch: Vec<Value>,
}

/// `GET /diffs/{a}...{b}`
pub(crate) async fn one(
    State(app): State<AppState>,
    headers: HeaderMap,
    Path(pair): Path<String>,
    Query(query): Query<DiffQuery>,
) -> Result<Response, AppError> {
    let (a, b) = compare::pair(&pair)?;
    let server = Some(query.server.as_str()).filter(|server| !server.is_empty());
    let both = compare::load(&app, a, b, server).await?;
    let accepts =
        |value: &axum::http::HeaderValue| value.to_str().is_ok_and(|value| value.contains(PATCH));
    let mut response = if headers.get(header::ACCEPT).is_some_and(accepts) {
        let patch = documents::patch(&both.a.evidence, &both.b.evidence);
        let media = [(header::CONTENT_TYPE, PATCH)];
        (media, serde_json::to_vec(&patch)?).into_response()
    } else {
        super::json(&DiffOut::new(&both))?
    };
    let accept = axum::http::HeaderValue::from_static("accept");
    response.headers_mut().append(header::VARY, accept);
    Ok(response)
}

/// Letter or badge of a grade.
fn word(grade: &scanner::report::Grade) -> Option<String> {
    let letter = grade.letter.map(scanner::report::GradeLetter::as_str);
    letter
        .or_else(|| grade.badge.map(scanner::report::Badge::as_str))
        .map(str::to_owned)
}

impl DiffOut {
    fn new(both: &Comparison) -> Self {
        let count = |group| both.diff.group(group).count();
        let verdict = |verdict: Option<FindingVerdict>| verdict.map(FindingVerdict::as_str);
        Self {
            a: both.a.row.scan.clone(),
            b: both.b.row.scan.clone(),
            server: both.a.row.server.id.clone(),
            rubric: scanner::rubric::current().version,
            letter: Sides {
                a: word(&both.a.report.grade),
                b: word(&both.b.report.grade),
            },
            score: Scores {
                a_as_published: both.a.published.grade.score,
                b_as_published: both.b.published.grade.score,
                a: both.a.report.grade.score,
                b: both.b.report.grade.score,
            },
            causes: match (tenths(&both.a.published), tenths(&both.b.published)) {
                (Some(_), Some(_)) => both
                    .parts()
                    .into_iter()
                    .map(|part| CauseOut {
                        cause: part.cause,
                        tenths: part.tenths,
                    })
                    .collect(),
                _ => Vec::new(),
            },
            checks: both
                .diff
                .verdicts
                .iter()
                .map(|change| CheckOut {
                    check: change.check.clone(),
                    a: verdict(change.before),
                    b: verdict(change.after),
                    group: change.group,
                    tenths: change.tenths,
                    cause: compare::cause(change.cause),
                })
                .collect(),
            regressed: count(scanner::diff::Group::Regressed),
            fixed: count(scanner::diff::Group::Fixed),
            documents: documents::compare(&both.a.evidence, &both.b.evidence)
                .iter()
                .map(document)
                .collect(),
            identical: both.diff.identical,
        }
    }
}

fn document(pair: &Pair) -> DocumentOut {
    let patch = pair
        .changes
        .iter()
        .map(|change| match change.kind {
            Kind::Added => json!({ "op": "add", "path": change.path, "value": change.after }),
            Kind::Removed => json!({ "op": "remove", "path": change.path, "was": change.before }),
            Kind::Changed => json!({
                "op": "replace", "path": change.path, "value": change.after, "was": change.before,
            }),
        })
        .collect();
    DocumentOut {
        kind: pair.kind,
        issuer: pair.issuer.clone(),
        patch,
    }
}
