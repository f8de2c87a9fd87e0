//! `/radar`: who breaks when something old goes, and what to do before it does.

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::stats::courses;
use super::{Chrome, Section, html};
use crate::AppState;
use crate::adoption::{Adoption, HAZARDS, Hazard};
use crate::error::AppError;
use crate::view::plot::{Item, Plot, Trend};
use crate::view::{self, Stamp};
use crate::visit::Visit;

#[derive(Template)]
#[template(path = "radar.html")]
struct Radar {
    chrome: Chrome,
    counted: Option<Stamp>,
    suppressed: bool,
    hazards: Vec<HazardView>,
    plot: Plot,
    trend: Option<Trend>,
    lists: Vec<(&'static str, &'static str, Option<String>)>,
}

struct HazardView {
    hazard: Hazard,
    n: String,
    of: String,
    share: Option<(String, String)>,
    by_operator: Option<(String, String, String)>,
    list: &'static str,
    csv: String,
}

pub(crate) async fn page(State(app): State<AppState>, visit: Visit) -> Result<Response, AppError> {
    let adoption = Adoption::new(app.store.measured(visit.now).await?);
    let all = HAZARDS.map(|hazard| hazard.series);
    let courses = courses(&app, &all, adoption.suppressed).await?;
    let tally = app.store.tally().await?;
    let facets = app.store.facets().await?;
    let failing = |id: &str| {
        let found = tally.iter().find(|tally| tally.check == id);
        found.map(|tally| view::counted(tally.fail, "server"))
    };
    let counted = |counts: &[(String, i64)], wanted: &str| {
        let found = counts.iter().find(|(value, _)| value == wanted);
        Some(view::counted(found.map_or(0, |(_, n)| *n), "server"))
    };
    html(&Radar {
        chrome: Chrome::new(
            &app,
            &visit,
            Section::Radar,
            "Deprecation radar",
            "Which MCP servers break when dynamic registration, HTTP+SSE or old discovery go, and what to do.",
        ),
        counted: adoption.at().map(|at| Stamp::new(at, visit.now)),
        suppressed: adoption.suppressed,
        hazards: HAZARDS
            .into_iter()
            .map(|hazard| hazard_view(&adoption, hazard))
            .collect(),
        plot: plot(&adoption),
        trend: Trend::new(
            "radar-trend",
            "Servers at risk over time",
            &courses,
            visit.now,
        ),
        lists: vec![
            (
                "PKCE is not announced",
                "/servers?pkce=absent",
                counted(&facets.pkce, "absent"),
            ),
            (
                "The resource is not the endpoint's address",
                "/servers?failing=prm-resource-identical",
                failing("prm-resource-identical"),
            ),
            (
                "No way of registration is announced",
                "/servers?registration=none",
                counted(&facets.registration, "none"),
            ),
        ],
    })
}

fn hazard_view(adoption: &Adoption, hazard: Hazard) -> HazardView {
    let figure = adoption.figure("all", hazard.series.id, "yes");
    let list = hazard.series.list.unwrap_or("/servers");
    HazardView {
        hazard,
        n: view::count(figure.n),
        of: view::count(figure.of),
        share: figure.share.map(|share| (share.share(), share.range())),
        by_operator: figure.by_operator.map(|share| {
            (
                view::counted(figure.operators, "operator"),
                share.share(),
                share.range(),
            )
        }),
        list,
        csv: list.replacen("/servers", "/servers.csv", 1),
    }
}

fn plot(adoption: &Adoption) -> Plot {
    let items = HAZARDS
        .into_iter()
        .map(|hazard| Item {
            label: hazard.series.title.to_owned(),
            href: hazard.series.list.map(str::to_owned),
            tone: "k-e",
            figure: adoption.figure("all", hazard.series.id, "yes"),
        })
        .collect();
    Plot::dots("radar", "Servers that would break", "servers", items)
}
