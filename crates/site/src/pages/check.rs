//! `/checks` and `/checks/{id}`: the catalogue, and each rule with its reason, its remedy and
//! the texts that demand it.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use scanner::check::{Area, Check};
use scanner::spec::{Letter, Revision};
use store::{CheckTally, Page, TargetFilter};

use super::servers::Row;
use super::{Chrome, Section, html};
use crate::AppState;
use crate::api::v1::checks::{CheckQuery, find, scored};
use crate::error::AppError;
use crate::view::finding::Cite;
use crate::view::vendors::{self, Vendor};
use crate::view::{self, words};
use crate::visit::Visit;

#[derive(Template)]
#[template(path = "checks.html")]
struct Checks {
    chrome: Chrome,
    total: usize,
    shown: usize,
    selects: Vec<Select>,
    areas: Vec<AreaView>,
}

struct Select {
    name: &'static str,
    label: &'static str,
    options: Vec<(&'static str, &'static str, bool)>,
}

struct AreaView {
    heading: &'static str,
    rows: Vec<CheckRow>,
}

struct CheckRow {
    id: &'static str,
    title: &'static str,
    level: &'static str,
    severity: &'static str,
    party: &'static str,
    class: &'static str,
    scored: bool,
    failing: Option<(String, String)>,
}

pub(crate) async fn list(
    State(app): State<AppState>,
    visit: Visit,
    Query(query): Query<CheckQuery>,
) -> Result<Response, AppError> {
    let checks = query.checks()?;
    let tally = app.store.tally().await?;
    let shown = checks.len();
    let areas = Area::ALL
        .into_iter()
        .map(|area| AreaView {
            heading: area.heading(),
            rows: checks
                .iter()
                .filter(|check| check.area == area)
                .map(|check| row(check, tally.iter().find(|tally| tally.check == check.id)))
                .collect(),
        })
        .filter(|area| !area.rows.is_empty())
        .collect();
    html(&Checks {
        chrome: Chrome::new(
            &app,
            &visit,
            Section::Checks,
            "Checks",
            "Every rule that servers are held to, with the texts that demand it.",
        ),
        total: scanner::checks::all().count(),
        shown,
        selects: selects(&query),
        areas,
    })
}

fn row(check: &Check, tally: Option<&CheckTally>) -> CheckRow {
    CheckRow {
        id: check.id,
        title: check.title,
        level: check.level.as_str(),
        severity: words::severity(check.severity),
        party: party(check),
        class: check.class.as_str(),
        scored: scored(check),
        failing: tally.and_then(failing),
    }
}

/// Number and share of servers that fail, of those that were judged.
fn failing(tally: &CheckTally) -> Option<(String, String)> {
    let judged = tally.pass + tally.warn + tally.fail;
    (judged > 0).then(|| (view::count(tally.fail), view::share(tally.fail, judged)))
}

fn party(check: &Check) -> &'static str {
    match check.party {
        [one] => words::party(*one),
        _ => "both",
    }
}

fn selects(query: &CheckQuery) -> Vec<Select> {
    let select = |name, label, chosen: &str, all: Vec<(&'static str, &'static str)>| {
        let mut options = vec![("", "any", chosen.is_empty())];
        options.extend(
            all.into_iter()
                .map(|(value, text)| (value, text, value.eq_ignore_ascii_case(chosen))),
        );
        Select {
            name,
            label,
            options,
        }
    };
    let same = |words: &[&'static str]| words.iter().map(|word| (*word, *word)).collect();
    vec![
        select(
            "area",
            "Area",
            &query.area,
            Area::ALL
                .iter()
                .map(|area| (area.as_str(), area.heading()))
                .collect(),
        ),
        select(
            "level",
            "Keyword",
            &query.level,
            same(&["MUST", "SHOULD", "MAY"]),
        ),
        select(
            "class",
            "What is sent",
            &query.class,
            same(&["P0", "P1", "P2", "P3"]),
        ),
        select(
            "party",
            "Who acts",
            &query.party,
            vec![
                ("server", "MCP server"),
                ("authorization_server", "authorization server"),
            ],
        ),
    ]
}

#[derive(Template)]
#[template(path = "check.html")]
struct OneCheck {
    chrome: Chrome,
    check: &'static Check,
    level: &'static str,
    level_means: &'static str,
    severity: &'static str,
    party: &'static str,
    class: &'static str,
    class_means: &'static str,
    area: &'static str,
    area_word: &'static str,
    scored: bool,
    retired: bool,
    probe: &'static str,
    verdicts: Vec<(&'static str, &'static str, String)>,
    cites: Vec<Cite>,
    revisions: Vec<(&'static str, &'static str, bool)>,
    tally: Vec<(&'static str, &'static str, String, i64)>,
    judged: String,
    who: Vec<Row>,
    neighbours: Vec<(&'static str, &'static str)>,
    vendors: Vec<Vendor>,
}

pub(crate) async fn one(
    State(app): State<AppState>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Response, AppError> {
    let check = find(&id)?;
    let tally = app.store.tally().await?;
    let tally = tally.iter().find(|tally| tally.check == check.id);
    let filter = TargetFilter {
        failing: Some(id.clone()),
        ..TargetFilter::default()
    };
    let who = app.store.servers(&filter, &Page::first(10)).await?.rows;
    let judged = tally.map_or(0, |tally| tally.pass + tally.warn + tally.fail);
    html(&OneCheck {
        chrome: Chrome::new(&app, &visit, Section::Checks, check.title, check.why),
        check,
        level: check.level.as_str(),
        level_means: words::level(check.level),
        severity: words::severity(check.severity),
        party: party(check),
        class: check.class.as_str(),
        class_means: words::probe_class(check.class),
        area: check.area.as_str(),
        area_word: check.area.heading(),
        scored: scored(check),
        retired: !check.revisions.in_force(Revision::HEADLINE),
        probe: crate::catalogue::probe(check),
        verdicts: crate::catalogue::verdicts(check)
            .into_iter()
            .map(|(verdict, means)| {
                (
                    words::verdict_class(verdict),
                    words::verdict(verdict),
                    means,
                )
            })
            .collect(),
        cites: check.cites.iter().copied().map(Cite::from).collect(),
        revisions: Revision::ALL
            .into_iter()
            .map(|revision| {
                let letter = check.revisions.at(revision);
                let force = matches!(letter, Letter::A | Letter::C);
                (revision.as_str(), words::standing(letter), force)
            })
            .collect(),
        tally: tally
            .map(|tally| tally_bars(tally, judged))
            .unwrap_or_default(),
        judged: view::counted(judged, "server"),
        who: who
            .iter()
            .map(|row| Row::new(&app, row, visit.now))
            .collect(),
        vendors: vendors::of(check),
        neighbours: scanner::checks::all()
            .filter(|other| other.area == check.area && other.id != check.id)
            .map(|other| (other.id, other.title))
            .collect(),
    })
}

type TallyBar = (&'static str, &'static str, String, i64);

fn tally_bars(tally: &CheckTally, judged: i64) -> Vec<TallyBar> {
    let bar = |tone, word, count: i64| {
        let text = format!("{} ({})", view::count(count), view::share(count, judged));
        (tone, word, text, count * 100 / judged.max(1))
    };
    if judged == 0 {
        return Vec::new();
    }
    vec![
        bar("pass", "pass", tally.pass),
        bar("warn", "warn", tally.warn),
        bar("fail", "fail", tally.fail),
    ]
}
