//! `/stats`: how far the rules are adopted, with what every figure is a share of, and the course
//! of it over time.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use scanner::report::GradeLetter;
use scanner::spec::Revision;

use super::{Chrome, Section, html};
use crate::AppState;
use crate::adoption::{ADOPTED, Adoption, FEWEST, Figure, HAZARDS, Series, figure};
use crate::error::AppError;
use crate::view::grade::Mark;
use crate::view::plot::{Course, Item, Plot, Trend};
use crate::view::products::{self, measured};
use crate::view::{self, Stamp, words};
use crate::visit::Visit;

/// Most products in the chart.
const PRODUCTS: usize = 12;

#[derive(Template)]
#[template(path = "stats.html")]
struct Stats {
    chrome: Chrome,
    counted: Option<Stamp>,
    suppressed: bool,
    graded: String,
    fewest: i64,
    empty: bool,
    totals: Vec<(&'static str, String)>,
    adopted: Plot,
    series: [Series; 5],
    registration: Plot,
    registration_trend: Option<Trend>,
    trend: Option<Trend>,
    revisions: Vec<(&'static str, Vec<(&'static str, String)>)>,
    letters: Plot,
    places: Plot,
    products: Option<Plot>,
    classes: Plot,
}

pub(crate) async fn page(State(app): State<AppState>, visit: Visit) -> Result<Response, AppError> {
    let adoption = Adoption::new(app.store.measured(visit.now).await?);
    let totals = app.store.totals(visit.now).await?;
    let adopted = courses(&app, &ADOPTED, adoption.suppressed).await?;
    let ways = [ADOPTED[2], ADOPTED[3], HAZARDS[0].series];
    let ways = courses(&app, &ways, adoption.suppressed).await?;
    html(&Stats {
        chrome: Chrome::new(
            &app,
            &visit,
            Section::Stats,
            "Statistics",
            "How far MCP servers have adopted the authorization rules, with counts, intervals and trends.",
        ),
        counted: adoption.at().map(|at| Stamp::new(at, visit.now)),
        suppressed: adoption.suppressed,
        graded: view::counted(adoption.graded, "server"),
        fewest: FEWEST,
        empty: totals.scanned == 0,
        totals: vec![
            ("Servers watched", view::count(totals.servers)),
            ("Scanned", view::count(totals.scanned)),
            ("Graded", view::count(totals.graded)),
            ("Scans kept", view::count(totals.scans)),
        ],
        adopted: adoption_plot(&adoption),
        series: ADOPTED,
        registration: values(
            &adoption,
            ("registration", "How clients can become known", "servers"),
            &[
                ("cimd", "Client ID documents", "/servers?registration=cimd"),
                (
                    "dcr_only",
                    "Dynamic registration only",
                    "/servers?registration=dcr_only",
                ),
                ("none", "Neither is announced", "/servers?registration=none"),
            ],
        ),
        registration_trend: Trend::new(
            "registration-trend",
            "Ways of registration over time",
            &ways,
            visit.now,
        ),
        trend: Trend::new("trend", "Adoption over time", &adopted, visit.now),
        revisions: revisions(&adoption),
        letters: letters(&adoption),
        places: values(
            &adoption,
            (
                "prm",
                "Where protected resource metadata stands",
                "servers with OAuth",
            ),
            &[
                ("header", "Named in the challenge", ""),
                ("path", "At the endpoint's path", ""),
                ("root", "At the root", ""),
                ("elsewhere", "Where no client looks", ""),
                ("none", "Nowhere", "/servers?failing=prm-discoverable"),
            ],
        ),
        products: product_plot(&adoption),
        classes: classes(&adoption),
    })
}

/// The course of series over all days.
pub(crate) async fn courses(
    app: &AppState,
    series: &[Series],
    suppressed: bool,
) -> Result<Vec<Course>, AppError> {
    let mut out = Vec::with_capacity(series.len());
    for one in series {
        let points = app.store.trend(one.id, 0, i64::MAX).await?;
        let points = points
            .into_iter()
            .map(|point| (point.day, figure(&point.measure, suppressed)))
            .collect();
        out.push((*one, points));
    }
    Ok(out)
}

fn adoption_plot(adoption: &Adoption) -> Plot {
    let items = ADOPTED
        .into_iter()
        .map(|series| Item {
            label: series.title.to_owned(),
            href: series.list.map(str::to_owned),
            tone: "",
            figure: adoption.figure("all", series.id, "yes"),
        })
        .collect();
    Plot::dots("adopted", "Adoption among servers", "servers", items)
}

/// Known values of a series as bars.
fn values(
    adoption: &Adoption,
    (series, title, unit): (&'static str, &'static str, &'static str),
    known: &[(&'static str, &'static str, &'static str)],
) -> Plot {
    let items = known
        .iter()
        .map(|(value, label, href)| Item {
            label: (*label).to_owned(),
            href: (!href.is_empty()).then(|| (*href).to_owned()),
            tone: "",
            figure: adoption.figure("all", series, value),
        })
        .collect();
    Plot::bars(series, title, unit, items)
}

fn letters(adoption: &Adoption) -> Plot {
    let items = GradeLetter::ALL
        .into_iter()
        .map(|letter| {
            let mark = Mark::letter(letter, false);
            Item {
                label: format!("{}, {}", letter.as_str(), words::letter(letter)),
                href: Some(format!(
                    "/servers?letter={}",
                    letter.as_str().replace('+', "%2B")
                )),
                tone: tone(mark.key),
                figure: adoption.figure("all", "letter", letter.as_str()),
            }
        })
        .collect();
    Plot::bars(
        "letters",
        "Letters under the rubric in force",
        "graded servers",
        items,
    )
}

/// The class that colours a letter.
fn tone(key: &str) -> &'static str {
    match key {
        "ap" | "a" => "k-a",
        "b" => "k-b",
        "c" => "k-c",
        "d" => "k-d",
        "e" => "k-e",
        _ => "k-f",
    }
}

fn product_plot(adoption: &Adoption) -> Option<Plot> {
    let mut values = adoption.values("product");
    values.retain(|(_, figure)| figure.n > 0);
    values.sort_by(|a, b| (b.1.n, &a.0).cmp(&(a.1.n, &b.0)));
    values.truncate(PRODUCTS);
    let items: Vec<Item> = values
        .into_iter()
        .map(|(product, figure)| Item {
            label: products::name(&product).to_owned(),
            href: Some(format!("/as/{product}")),
            tone: "",
            figure,
        })
        .collect();
    (!items.is_empty()).then(|| {
        Plot::bars(
            "products",
            "Products of authorization servers",
            "servers with OAuth",
            items,
        )
    })
}

fn classes(adoption: &Adoption) -> Plot {
    let mut values = adoption.values("class");
    values.retain(|(_, figure)| figure.n > 0);
    values.sort_by(|a, b| (b.1.n, &a.0).cmp(&(a.1.n, &b.0)));
    let items = values
        .into_iter()
        .map(|(class, figure)| Item {
            label: words::class_named(&class),
            href: Some(format!("/servers?class={class}")),
            tone: "",
            figure,
        })
        .collect();
    Plot::bars("classes", "Classes of servers", "scanned servers", items)
}

/// Adoption among servers that claim each revision, newest first.
fn revisions(adoption: &Adoption) -> Vec<(&'static str, Vec<(&'static str, String)>)> {
    let cell = |figure: Figure| measured(figure).unwrap_or_else(|| "—".into());
    Revision::ALL
        .into_iter()
        .rev()
        .map(|revision| {
            let cells = ADOPTED
                .into_iter()
                .map(|series| {
                    let figure = adoption.figure(revision.as_str(), series.id, "yes");
                    (series.title, cell(figure))
                })
                .collect();
            (revision.as_str(), cells)
        })
        .collect()
}
