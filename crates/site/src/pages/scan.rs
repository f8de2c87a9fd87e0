//! `/scans/{id}`: one scan as it was graded, with every exchange. The page does not change.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use scanner::evidence::Evidence;
use scanner::report::{PublicationState, Report};

use super::server::{Outcome, result};
use super::{Chrome, Section, html};
use crate::AppState;
use crate::api::v1::scans::{find, published};
use crate::error::AppError;
use crate::view::exchange;
use crate::view::grade::{self, Mark};
use crate::view::{Shown, Stamp, time};
use crate::visit::Visit;

#[derive(Template)]
#[template(path = "scan.html")]
struct Scan {
    chrome: Chrome,
    id: String,
    server: String,
    name: Shown,
    url: Shown,
    at: Stamp,
    mark: Mark,
    line: Shown,
    r: Outcome,
    took: String,
    depth: &'static str,
    scanner: Shown,
    same_as: Option<String>,
    sha256: String,
    surface: String,
    exchanges: Vec<exchange::View>,
    came: Vec<exchange::Came>,
    withheld: bool,
    /// What is to be said of its publication.
    note: Option<&'static str>,
    newer: bool,
}

pub(crate) async fn page(
    State(app): State<AppState>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Response, AppError> {
    let row = find(&app, &id).await?;
    let report = published(&app, &row).await?;
    let evidence = app.store.evidence(&id).await?;
    let withheld = report.findings.iter().any(|finding| finding.withheld);
    let name = Shown::bounded(row.server.name.as_deref().unwrap_or(&row.server.host), 80);
    let at = Stamp::new(row.at, visit.now);
    let mut r = result(&report, Some(&row.scan));
    // This page lasts; an issuer's page ends when no server names it any more.
    r.issuers.iter_mut().for_each(|issuer| issuer.id.clear());
    if let Some(evidence) = evidence.as_ref().filter(|_| !withheld) {
        quote(&mut r, &report, evidence);
    }
    html(&Scan {
        chrome: Chrome::new(
            &app,
            &visit,
            Section::Servers,
            format!("Scan of {name}, {}", at.day),
            "One scan with its findings and every exchange. This page does not change.",
        ),
        server: row.server.id.clone(),
        url: Shown::bounded(&row.server.url, 400),
        name,
        at,
        mark: Mark::of(&report.grade),
        line: grade::one_line(&report),
        r,
        took: time::brief(report.duration_ms),
        depth: report.depth.as_str(),
        scanner: Shown::new(&format!(
            "{} {}, plan {}",
            report.scanner.name, report.scanner.version, report.scanner.plan
        )),
        same_as: row.same_as.clone(),
        sha256: report.evidence.sha256.clone(),
        surface: report.evidence.surface_sha256.clone(),
        exchanges: evidence
            .as_ref()
            .filter(|_| !withheld)
            .map(exchange::all)
            .unwrap_or_default(),
        came: evidence
            .as_ref()
            .filter(|_| !withheld)
            .map(exchange::came)
            .unwrap_or_default(),
        withheld,
        note: note(&report),
        newer: row
            .server
            .last_scan
            .as_deref()
            .is_some_and(|newest| newest != id),
        id,
    })
}

fn note(report: &Report) -> Option<&'static str> {
    let publication = &report.publication;
    if publication.state == PublicationState::NotReproduced {
        return Some(
            "Not reproduced: later scans saw something else, so this result was never the server's published one.",
        );
    }
    publication.overrides.letter.is_some().then_some(
        "A first look: failures of high severity count when they are seen a second time, so there is no letter yet.",
    )
}

/// Puts the bytes beside the findings that rest on them.
fn quote(r: &mut Outcome, report: &Report, evidence: &Evidence) {
    let findings = &mut r.findings;
    for view in findings
        .server
        .iter_mut()
        .chain(&mut findings.authorization_server)
    {
        let Some(finding) = report.findings.iter().find(|f| f.check == view.check) else {
            continue;
        };
        for (seen, place) in view.seen.iter_mut().zip(&finding.evidence) {
            seen.excerpt = exchange::excerpt(evidence, place.exchange, &place.at);
        }
    }
}
