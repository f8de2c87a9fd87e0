//! `/issuers/{id}`: one issuer with its document, what is wrong with it, who names it, and how
//! the document changed.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::{Map, Value};
use store::{Feature, IssuerChange, Page, TargetFilter, Told};

use super::identity::told;
use super::servers::Row;
use super::{Chrome, Section, html};
use crate::AppState;
use crate::api::v1::identity::{find, held};
use crate::error::AppError;
use crate::view::documents::{self, Change};
use crate::view::finding::{self, Findings};
use crate::view::{self, Link, Shown, Stamp, products};
use crate::visit::Visit;

/// Longest document that is shown, in characters.
const DOCUMENT: usize = 20_000;
/// Changes whose differences are shown.
const DIFFERENCES: usize = 5;
/// Servers on the page.
const SERVERS: u32 = 20;

#[derive(Template)]
#[template(path = "issuer.html")]
struct Issuer {
    chrome: Chrome,
    id: String,
    issuer: Link,
    product: &'static str,
    product_id: String,
    basis: Option<Shown>,
    found: bool,
    told: &'static str,
    metadata: Option<Link>,
    servers: i64,
    named: String,
    first_seen: Stamp,
    changed: Stamp,
    scan: Option<String>,
    announces: Vec<(&'static str, bool)>,
    document: Option<Shown>,
    withheld: bool,
    findings: Findings,
    judged_at: Option<Shown>,
    who: Vec<Row>,
    history: Vec<Step>,
}

/// A change of the document.
struct Step {
    at: Stamp,
    says: String,
    scan: Option<String>,
    changes: Vec<Change>,
    more: usize,
}

pub(crate) async fn page(
    State(app): State<AppState>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Response, AppError> {
    let row = find(&app, &id).await?;
    let held_now = held(&app, &id, row.scan.as_deref()).await?;
    let changes = app.store.issuer_changes(&id).await?;
    let filter = TargetFilter {
        issuer: Some(id.clone()),
        ..TargetFilter::default()
    };
    let who = app
        .store
        .servers(&filter, &Page::first(SERVERS))
        .await?
        .rows;
    let report = held_now.report.as_ref().filter(|_| held_now.taken);
    let mut findings = report
        .map(|report| finding::sorted(report, row.scan.as_deref()))
        .unwrap_or_default();
    findings.server.clear();
    let shown = Shown::bounded(&row.issuer, 120);
    let text = |document: &Map<String, Value>| serde_json::to_string_pretty(document);
    html(&Issuer {
        chrome: Chrome::new(
            &app,
            &visit,
            Section::Identity,
            shown.as_str(),
            "One authorization server: its metadata, what is wrong with it, and who names it.",
        ),
        issuer: Link::new(&row.issuer),
        product: products::name(&row.product),
        product_id: row.product.clone(),
        basis: row.basis.as_deref().map(Shown::new),
        found: row.told == Told::Document,
        told: told(row.told),
        metadata: row.metadata_url.as_deref().map(Link::new),
        servers: row.servers,
        named: view::counted(row.servers, "server"),
        first_seen: Stamp::new(row.first_seen, visit.now),
        changed: Stamp::new(row.changed_at, visit.now),
        scan: row.scan.clone(),
        announces: Feature::ALL
            .into_iter()
            .map(|feature| (products::feature(feature), row.features.has(feature)))
            .collect(),
        document: held_now
            .document
            .as_ref()
            .and_then(|document| text(document).ok())
            .map(|text| Shown::block(&text, DOCUMENT)),
        withheld: held_now.withheld,
        judged_at: report.map(|report| Shown::bounded(&report.target.host, 120)),
        findings,
        who: who
            .iter()
            .map(|row| Row::new(&app, row, visit.now))
            .collect(),
        history: history(&app, &visit, &id, &changes).await?,
        id,
    })
}

/// The changes in words, the newest with their differences.
async fn history(
    app: &AppState,
    visit: &Visit,
    id: &str,
    changes: &[IssuerChange],
) -> Result<Vec<Step>, AppError> {
    /// Differences of one change that are listed.
    const MOST: usize = 20;
    let mut read: Vec<Option<Value>> = Vec::new();
    for change in changes.iter().take(DIFFERENCES + 1) {
        let document = held(app, id, change.scan.as_deref()).await?.document;
        read.push(document.map(Value::Object));
    }
    let document = |place: usize| read.get(place).cloned().flatten();
    Ok(changes
        .iter()
        .enumerate()
        .map(|(place, change)| {
            let earlier = changes.get(place + 1);
            let known = place < DIFFERENCES && earlier.is_some();
            let mut differences = match (document(place), document(place + 1)) {
                (Some(after), Some(before)) if known => documents::between(&before, &after),
                _ => Vec::new(),
            };
            let more = differences.len().saturating_sub(MOST);
            differences.truncate(MOST);
            Step {
                at: Stamp::new(change.at, visit.now),
                says: says(change, earlier),
                scan: change.scan.clone(),
                changes: differences,
                more,
            }
        })
        .collect())
}

/// What changed, by what is announced.
fn says(change: &IssuerChange, earlier: Option<&IssuerChange>) -> String {
    let Some(earlier) = earlier else {
        return format!("First seen: {}.", told(change.told));
    };
    match (earlier.told, change.told) {
        (Told::Document, Told::Document) => (),
        (_, Told::Document) => return "Metadata was found.".into(),
        _ => return "The metadata is gone.".into(),
    }
    let moved = |now: bool| {
        Feature::ALL
            .into_iter()
            .filter(|feature| {
                change.features.has(*feature) == now && earlier.features.has(*feature) != now
            })
            .map(products::feature)
            .collect::<Vec<_>>()
            .join(", ")
    };
    let (came, went) = (moved(true), moved(false));
    match (came.is_empty(), went.is_empty()) {
        (true, true) => "Other members changed.".into(),
        (false, true) => format!("New: {came}."),
        (true, false) => format!("Gone: {went}."),
        (false, false) => format!("New: {came}. Gone: {went}."),
    }
}
