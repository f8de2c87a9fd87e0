//! `/servers/{id}`: the letter and why, the way a client takes and where it breaks, findings
//! by who must act, the account of points, four revisions, authorization servers, history.

use askama::Template;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use scanner::report::{Class, Report};
use scanner::spec::Revision;
use scanner::time::Millis;
use store::{Page, RunRow, ServerRow};

use super::{Chrome, Section, html};
use crate::AppState;
use crate::api::v1::scans::blanked;
use crate::api::v1::servers::{find, stale};
use crate::error::{AppError, Problem};
use crate::view::chart::{Run, StepLine};
use crate::view::connect::{self, Outlook};
use crate::view::finding::{self, Findings};
use crate::view::funnel::{self, Step};
use crate::view::grade::{self, Mark};
use crate::view::ledger::Ledger;
use crate::view::listings;
use crate::view::products::entry;
use crate::view::{Link, Shown, Stamp, time, words};
use crate::visit::Visit;
use crate::wish;

#[derive(Template)]
#[template(path = "server.html")]
struct Server {
    chrome: Chrome,
    id: String,
    name: Shown,
    url: Shown,
    mark: Mark,
    line: Shown,
    facts: Facts,
    result: Option<Outcome>,
    runs: Vec<RunView>,
    listings: Vec<listings::Stated>,
    spark: Option<StepLine>,
    badge_url: String,
    page_url: String,
    can_ask: bool,
    policy: Policy,
    refused: Option<(&'static str, Stamp)>,
    statement: Option<(Stamp, Shown)>,
}

/// What is known of a server in one strip.
struct Facts {
    state: &'static str,
    checked: Option<Stamp>,
    changed: Option<Stamp>,
    next: Option<Stamp>,
    /// A newer result is held; decided by then.
    held: Option<Stamp>,
    stale: bool,
    listed: bool,
    sources: String,
    scans: i64,
}

/// What the newest scan says.
pub(crate) struct Outcome {
    pub(crate) scan: String,
    pub(crate) class: &'static str,
    pub(crate) era: &'static str,
    pub(crate) exposure: Option<(&'static str, &'static str)>,
    pub(crate) claimed: Option<(&'static str, &'static str, Mark)>,
    pub(crate) coverage: String,
    pub(crate) score: String,
    pub(crate) uncapped: Option<&'static str>,
    pub(crate) capped_by: Option<(String, bool)>,
    pub(crate) unsettled: Vec<String>,
    pub(crate) flags: Vec<String>,
    pub(crate) funnel: Vec<Step>,
    pub(crate) findings: Findings,
    pub(crate) outlook: Outlook,
    pub(crate) ledger: Option<Ledger>,
    pub(crate) categories: Vec<CategoryView>,
    pub(crate) revisions: Vec<RevisionView>,
    pub(crate) issuers: Vec<IssuerView>,
    pub(crate) rubric: String,
    pub(crate) requests: u32,
    pub(crate) stopped: Option<&'static str>,
    /// Nothing could be judged: what came back instead.
    pub(crate) trace: Vec<Traced>,
}

/// One line of what came back.
pub(crate) struct Traced {
    pub(crate) href: String,
    pub(crate) asked: Shown,
    pub(crate) got: String,
}

/// A category of the score.
pub(crate) struct CategoryView {
    pub(crate) name: String,
    pub(crate) share: u32,
    pub(crate) score: String,
    pub(crate) judged: String,
}

/// The grade under one revision.
pub(crate) struct RevisionView {
    pub(crate) revision: &'static str,
    pub(crate) mark: Mark,
    pub(crate) score: String,
    pub(crate) headline: bool,
    pub(crate) claimed: bool,
    pub(crate) differs: Vec<(String, &'static str, &'static str)>,
}

/// An authorization server.
pub(crate) struct IssuerView {
    pub(crate) issuer: Link,
    /// `iss_…`
    pub(crate) id: String,
    /// The product's page.
    pub(crate) product_id: Option<String>,
    pub(crate) product: Option<Shown>,
    pub(crate) basis: Option<Shown>,
    pub(crate) metadata: Option<Link>,
    pub(crate) selected: bool,
    pub(crate) fallback: bool,
}

/// A stretch of equal scans.
pub(crate) struct RunView {
    pub(crate) mark: Mark,
    pub(crate) score: String,
    pub(crate) from: Stamp,
    pub(crate) to: Stamp,
    pub(crate) n: i64,
    pub(crate) scan: String,
    pub(crate) last_scan: String,
    pub(crate) before: Option<String>,
    pub(crate) changes: Vec<(String, String, String)>,
    pub(crate) more: usize,
    pub(crate) rubric: String,
}

struct Policy {
    endpoint: u32,
    issuer: u32,
}

pub(crate) async fn page(
    State(app): State<AppState>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Response, AppError> {
    let row = find(&app, &id).await?;
    let report = match &row.last_scan {
        Some(scan) => app.store.report(scan, None).await?.map(blanked),
        None => None,
    };
    let runs = app.store.history(&id, &Page::first(40)).await?.rows;
    let sightings = app.store.sightings(&id).await?;
    let mut server = build(&app, &visit, &row, report.as_ref(), &runs);
    server.listings = listings::worded(&sightings, report.as_ref(), visit.now);
    let said = app.store.statement(&id, visit.now).await?;
    server.statement = said.map(|said| {
        let at = Stamp::new(said.at, visit.now);
        (at, Shown::block(&said.text, store::STATEMENT_CHARS))
    });
    let refusal = app.store.refusal(&id).await?;
    server.refused = refusal.map(|(at, reason)| {
        let why = match reason.as_str() {
            "robots" => "Not scanned: robots.txt",
            _ => "Not scanned: the host asked to be left out",
        };
        (why, Stamp::new(at, visit.now))
    });
    html(&server)
}

fn build(
    app: &AppState,
    visit: &Visit,
    row: &ServerRow,
    report: Option<&Report>,
    runs: &[RunRow],
) -> Server {
    let name = row.name.as_deref().unwrap_or(&row.host);
    let title = Shown::bounded(name, 80);
    let history: Vec<Run> = runs.iter().rev().map(run).collect();
    let page = format!("/servers/{}", row.id);
    Server {
        chrome: Chrome::new(
            app,
            visit,
            Section::Servers,
            title.as_str(),
            format!(
                "Authorization of the MCP server {}.",
                Shown::bounded(&row.host, 80)
            ),
        ),
        id: row.id.clone(),
        name: title,
        url: Shown::bounded(&row.url, 400),
        mark: super::servers::mark(row),
        line: report.map_or_else(|| waiting(row), grade::one_line),
        facts: facts(app, row, visit.now),
        result: report.map(|report| result(report, row.last_scan.as_deref())),
        spark: StepLine::new(&history, visit.now, (304, 110)),
        runs: run_views(runs, visit.now, 6),
        listings: Vec::new(),
        badge_url: app.settings.absolute(&format!("/badges/{}.svg", row.id)),
        page_url: app.settings.absolute(&page),
        can_ask: app.settings.accept_submissions,
        policy: Policy {
            endpoint: app.settings.requests_per_scan_endpoint,
            issuer: app.settings.requests_per_scan_as,
        },
        refused: None,
        statement: None,
    }
}

fn waiting(row: &ServerRow) -> Shown {
    Shown::new(match row.state.as_str() {
        "failed" => "Scanning it was given up before the first result. It will be tried again.",
        _ => {
            "It is known and waits for its first scan. The page fills itself; come back in a few minutes."
        }
    })
}

fn facts(app: &AppState, row: &ServerRow, now: Millis) -> Facts {
    Facts {
        state: match (row.last_scan.is_some(), row.state.as_str()) {
            (true, _) => "published",
            (false, "failed") => "given up",
            (false, _) => "in the queue",
        },
        checked: row.checked_at.map(|at| Stamp::new(at, now)),
        changed: row.changed_at.map(|at| Stamp::new(at, now)),
        next: row
            .next_due
            .filter(|at| at.0 < i64::MAX / 2)
            .map(|at| Stamp::new(at, now)),
        held: row.held_until.map(|at| Stamp::new(at, now)),
        stale: stale(app, row.checked_at, now),
        listed: row.listed,
        sources: Shown::new(&row.sources.join(", ")).to_string(),
        scans: row.scans,
    }
}

/// Words a report for the page of its server and of its scan.
pub(crate) fn result(report: &Report, scan: Option<&str>) -> Outcome {
    let grade = &report.grade;
    let biting = grade::biting_cap(grade);
    Outcome {
        scan: scan.unwrap_or_default().to_owned(),
        class: words::class(report.class),
        era: words::era(report.era),
        exposure: report
            .exposure
            .map(|label| (label.as_str(), words::exposure(label))),
        claimed: report.claimed.and_then(|claimed| {
            let grade = report.grades.get(&claimed.revision)?;
            Some((
                claimed.revision.as_str(),
                words::basis(claimed.basis),
                Mark::of(grade),
            ))
        }),
        coverage: format!("{:.1} %", grade.coverage),
        score: grade::points(grade.score),
        uncapped: grade.uncapped.map(scanner::report::GradeLetter::as_str),
        capped_by: biting.map(|cap| (cap.check.clone(), cap.as_only)),
        unsettled: grade.unsettled.clone(),
        flags: report
            .flags
            .iter()
            .map(|flag| flag.replace('_', " "))
            .collect(),
        funnel: match report.class {
            Class::Open | Class::StaticKey | Class::HttpSse if grade.letter.is_none() => Vec::new(),
            _ => funnel::steps(report),
        },
        findings: finding::sorted(report, scan),
        outlook: connect::outlook(&report.connect, scan),
        ledger: Ledger::of(grade),
        categories: categories(report),
        revisions: revisions(report),
        issuers: issuers(report),
        rubric: grade.rubric.clone(),
        requests: report.requests.total,
        stopped: stopped(report),
        trace: trace(report, scan),
    }
}

/// The first answers, for servers of which nothing else can be said.
fn trace(report: &Report, scan: Option<&str>) -> Vec<Traced> {
    if !matches!(
        report.class,
        Class::Unreachable | Class::Blocked | Class::NotMcp
    ) {
        return Vec::new();
    }
    let first = report.exchanges.iter().take(6);
    first
        .map(|exchange| Traced {
            href: format!("/scans/{}#x{}", scan.unwrap_or_default(), exchange.id),
            asked: Shown::bounded(&format!("{} {}", exchange.method, exchange.url), 120),
            got: match (exchange.status, &exchange.failure) {
                (Some(status), _) => format!("status {status}"),
                (None, Some(failure)) => failure.replace('_', " "),
                (None, None) => "nothing".into(),
            },
        })
        .collect()
}

fn stopped(report: &Report) -> Option<&'static str> {
    use scanner::evidence::Stopped;
    match report.stopped {
        Stopped::Finished => None,
        Stopped::OutOfTime => Some("The scan ran out of time before everything was asked."),
        Stopped::OutOfAsks => Some("The scan used up its requests before everything was asked."),
        Stopped::RateLimited => Some("The server asked us to slow down, and the scan ended there."),
        Stopped::Stopped => Some("The scan was stopped before everything was asked."),
        Stopped::Robots => Some("The host's robots.txt forbids the scan."),
        Stopped::OptedOut => Some("The host asked to be left out while the scan ran."),
    }
}

fn categories(report: &Report) -> Vec<CategoryView> {
    report
        .grade
        .categories
        .iter()
        .map(|category| CategoryView {
            name: category.name.clone(),
            share: category.share,
            score: grade::points(category.score),
            judged: format!("{} of {}", category.conclusive, category.checks),
        })
        .collect()
}

fn revisions(report: &Report) -> Vec<RevisionView> {
    if report.grades.values().all(|grade| grade.score.is_none()) {
        return Vec::new();
    }
    Revision::ALL
        .into_iter()
        .rev()
        .filter_map(|revision| {
            let grade = report.grades.get(&revision)?;
            let differs = report
                .findings
                .iter()
                .filter_map(|finding| {
                    let other = finding.by_revision.get(&revision)?;
                    let worth = other.verdict.conclusive() && finding.verdict.conclusive();
                    worth.then(|| {
                        (
                            finding.check.clone(),
                            words::verdict_class(other.verdict),
                            words::verdict(other.verdict),
                        )
                    })
                })
                .collect();
            Some(RevisionView {
                revision: revision.as_str(),
                mark: Mark::of(grade),
                score: grade::points(grade.score),
                headline: revision == Revision::HEADLINE,
                claimed: report
                    .claimed
                    .is_some_and(|claimed| claimed.revision == revision),
                differs,
            })
        })
        .collect()
}

fn issuers(report: &Report) -> Vec<IssuerView> {
    report
        .authorization_servers
        .iter()
        .map(|server| IssuerView {
            issuer: Link::new(&server.issuer),
            id: store::issuer_id_of(&server.issuer),
            product_id: server
                .product
                .clone()
                .filter(|id| crate::api::v1::query::known_product(id)),
            product: server.product.as_deref().map(|id| match entry(id) {
                Some(known) => Shown::new(&known.name),
                None => Shown::new(id),
            }),
            basis: server.product_basis.as_deref().map(Shown::new),
            metadata: server.metadata_url.as_deref().map(Link::new),
            selected: server.selected,
            fallback: server.listed_at.is_none(),
        })
        .collect()
}

/// A stretch for the step line.
pub(crate) fn run(row: &RunRow) -> Run {
    Run {
        from: row.first_at,
        to: row.last_at,
        score: row.score_tenths,
        mark: Mark::new(row.letter, row.badge, false),
    }
}

/// The newest stretches, newest first.
pub(crate) fn run_views(runs: &[RunRow], now: Millis, most: usize) -> Vec<RunView> {
    const CHECKS: usize = 8;
    runs.iter()
        .enumerate()
        .take(most)
        .map(|(place, row)| RunView {
            mark: Mark::new(row.letter, row.badge, false),
            score: grade::score(row.score_tenths),
            from: Stamp::new(row.first_at, now),
            to: Stamp::new(row.last_at, now),
            n: row.n,
            scan: row.scan.clone(),
            last_scan: row.last_scan.clone(),
            before: runs.get(place + 1).map(|before| before.last_scan.clone()),
            changes: row
                .changed_checks
                .iter()
                .take(CHECKS)
                .map(|change| {
                    (
                        change.check.clone(),
                        tone(&change.before),
                        tone(&change.after),
                    )
                })
                .collect(),
            more: row.changed_checks.len().saturating_sub(CHECKS),
            rubric: row.rubric.clone(),
        })
        .collect()
}

/// A stored verdict as a class of the style sheet.
fn tone(verdict: &str) -> String {
    match verdict {
        "pass" | "warn" | "fail" => verdict.to_owned(),
        _ => "unsure".to_owned(),
    }
}

/// `POST /servers/{id}/rescan`
pub(crate) async fn rescan(
    State(app): State<AppState>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, AppError> {
    same_site(&app, &request)?;
    let wish = wish::by_server(&app, &id).await?;
    Ok(told(&app, &wish))
}

/// A form of another site cannot ask for scans in a visitor's name.
pub(crate) fn same_site(app: &AppState, request: &Request) -> Result<(), AppError> {
    let header = |name: &str| {
        request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let site = header("sec-fetch-site").is_none_or(|site| matches!(site, "same-origin" | "none"));
    let origin = match header("origin") {
        None => true,
        Some(origin) => {
            let host = origin.split_once("://").map(|(_, host)| host);
            let own = app.settings.public_url.as_deref() == Some(origin);
            own || (host.is_some() && host == header("host"))
        }
    };
    if site && origin {
        return Ok(());
    }
    Err(Problem::new(
        "forbidden",
        StatusCode::FORBIDDEN,
        "Ask from this site",
        "Scans can be asked for with the form on this site or through the API, not from another site.",
    )
    .into())
}

/// Leads back to the server, which says where its scan stands.
pub(crate) fn told(app: &AppState, wish: &wish::Wish) -> Response {
    let note = match &wish.answer {
        store::DueAnswer::Queued { .. } | store::DueAnswer::Running { .. } => "asked",
        store::DueAnswer::TooSoon { again, .. } => {
            let wait = again.since(app.clock.now()).max(0);
            tracing::debug!(wait = time::span(wait), "a scan was asked for too soon");
            "recent"
        }
    };
    let place = format!("/servers/{}?note={note}", wish.server.id);
    (StatusCode::SEE_OTHER, [(header::LOCATION, place)]).into_response()
}
