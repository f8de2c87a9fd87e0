//! The catalogue.

use std::collections::BTreeMap;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use scanner::check::{Area, Check, Level, Party, ProbeClass, Severity};
use scanner::spec::{Letter, Revision};
use serde::{Deserialize, Serialize};
use store::CheckTally;

use super::List;
use crate::AppState;
use crate::error::AppError;
use crate::view::finding::Cite;
use crate::visit::Visit;

/// Filter of the catalogue; pages and API read the same.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct CheckQuery {
    /// Area.
    pub area: String,
    /// Keyword, in any case.
    pub level: String,
    /// `P0` to `P3`.
    pub class: String,
    /// Who acts.
    pub party: String,
}

impl CheckQuery {
    /// The checks asked for, in catalogue order.
    ///
    /// # Errors
    ///
    /// A problem that names the parameter and the values it takes.
    pub fn checks(&self) -> Result<Vec<&'static Check>, AppError> {
        known("area", &self.area, Area::ALL.map(Area::as_str).as_slice())?;
        let level = self.level.to_ascii_uppercase();
        known("level", &level, &["MUST", "SHOULD", "MAY"])?;
        let class = self.class.to_ascii_uppercase();
        known("class", &class, &["P0", "P1", "P2", "P3"])?;
        known("party", &self.party, &["server", "authorization_server"])?;
        let fits = |wanted: &str, is: &str| wanted.is_empty() || wanted == is;
        Ok(scanner::checks::all()
            .filter(|check| {
                fits(&self.area, check.area.as_str())
                    && fits(&level, check.level.as_str())
                    && fits(&class, check.class.as_str())
                    && (self.party.is_empty()
                        || check.party.iter().any(|party| party.as_str() == self.party))
            })
            .collect())
    }
}

fn known(name: &str, text: &str, all: &[&str]) -> Result<(), AppError> {
    if text.is_empty() || all.contains(&text) {
        return Ok(());
    }
    Err(AppError::validation(
        &format!("/{name}"),
        format!("{name} is one of {}.", all.join(", ")),
    ))
}

/// A check.
#[derive(Debug, Serialize)]
pub struct CheckOut {
    id: &'static str,
    title: &'static str,
    area: Area,
    level: Level,
    party: &'static [Party],
    class: ProbeClass,
    severity: Severity,
    scored: bool,
    retired: bool,
    revisions: BTreeMap<Revision, Letter>,
    citations: Vec<CiteOut>,
    probe: &'static str,
    verdicts: BTreeMap<&'static str, String>,
    why: &'static str,
    fix: &'static str,
    traps: &'static str,
    tally: Option<TallyOut>,
    page: String,
}

/// A citation.
#[derive(Debug, Serialize)]
pub struct CiteOut {
    text: String,
    url: Option<String>,
}

/// How servers do on a check.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct TallyOut {
    pass: i64,
    warn: i64,
    fail: i64,
    unjudged: i64,
}

impl CheckOut {
    fn new(app: &AppState, check: &'static Check, tally: Option<&CheckTally>) -> Self {
        Self {
            id: check.id,
            title: check.title,
            area: check.area,
            level: check.level,
            party: check.party,
            class: check.class,
            severity: check.severity,
            scored: scored(check),
            retired: !check.revisions.in_force(Revision::HEADLINE),
            revisions: Revision::ALL
                .into_iter()
                .map(|revision| (revision, check.revisions.at(revision)))
                .collect(),
            citations: check
                .cites
                .iter()
                .copied()
                .map(Cite::from)
                .map(|cite| CiteOut {
                    text: cite.text,
                    url: cite.url,
                })
                .collect(),
            probe: crate::catalogue::probe(check),
            verdicts: crate::catalogue::verdicts(check)
                .into_iter()
                .map(|(verdict, means)| (verdict.as_str(), means))
                .collect(),
            why: check.why,
            fix: check.fix,
            traps: check.traps,
            tally: tally.map(|tally| TallyOut {
                pass: tally.pass,
                warn: tally.warn,
                fail: tally.fail,
                unjudged: tally.unjudged,
            }),
            page: app.settings.absolute(&format!("/checks/{}", check.id)),
        }
    }
}

/// Whether a failure costs points.
#[must_use]
pub fn scored(check: &Check) -> bool {
    scanner::rubric::weight(check, check.severity) > 0
}

/// `GET /checks`
pub(crate) async fn all(
    State(app): State<AppState>,
    visit: Visit,
    Query(query): Query<CheckQuery>,
) -> Result<Response, AppError> {
    let checks = query.checks()?;
    let tally = app.store.tally().await?;
    let data = checks
        .into_iter()
        .map(|check| {
            let tally = tally.iter().find(|tally| tally.check == check.id);
            CheckOut::new(&app, check, tally)
        })
        .collect();
    super::json(&List::new(visit.now, None, data))
}

/// The check of that id.
pub(crate) fn find(id: &str) -> Result<&'static Check, AppError> {
    scanner::checks::by_id(id)
        .ok_or_else(|| AppError::not_found("There is no check with this id; /checks lists them."))
}

/// `GET /checks/{id}`
pub(crate) async fn one(
    State(app): State<AppState>,
    Path(id): Path<String>,
) -> Result<Response, AppError> {
    let check = find(&id)?;
    let tally = app.store.tally().await?;
    let tally = tally.iter().find(|tally| tally.check == check.id);
    super::json(&CheckOut::new(&app, check, tally))
}
