//! Servers: list, one, and by address.

use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use scanner::normalise::{self, Admission};
use scanner::report::{Class, Era, Report};
use scanner::spec::Revision;
use scanner::time::Millis;
use serde::{Deserialize, Serialize};
use store::{Page, RunRow, ServerRow};

use super::query::ListQuery;
use super::{List, escape};
use crate::AppState;
use crate::api::csv;
use crate::cursor;
use crate::error::{AppError, Problem};
use crate::visit::Visit;

/// A server.
#[derive(Debug, Clone, Serialize)]
pub struct Server {
    /// `srv_…`
    pub id: String,
    /// Normalised endpoint.
    pub url: String,
    /// Host.
    pub host: String,
    /// Name from the listing; text of a stranger.
    pub name: Option<String>,
    /// Server class.
    pub class: Option<&'static str>,
    /// Wire era.
    pub era: Option<&'static str>,
    /// Exposure label.
    pub exposure: Option<&'static str>,
    /// The headline grade, in short.
    pub grade: Option<ShortGrade>,
    /// Newest revision it shows or implies.
    pub claimed: Option<ClaimedGrade>,
    /// `cimd`, `dcr_only` or `none`.
    pub registration: Option<String>,
    /// `s256`, `other` or `absent`.
    pub pkce: Option<String>,
    /// `queued`, `published` or `failed`.
    pub state: String,
    /// The newest evidence is old.
    pub stale: bool,
    /// A source still lists it.
    pub listed: bool,
    /// When it became known.
    pub first_seen: String,
    /// When it was last scanned.
    pub checked: Option<String>,
    /// When a scan last saw something new.
    pub changed: Option<String>,
    /// The newest scan.
    pub scan: Option<String>,
    /// Number of scans.
    pub scans: i64,
    /// When it is due.
    pub next_scan_at: Option<String>,
    /// A newer result is held; when it is decided upon at the latest.
    pub held_until: Option<String>,
    /// Sources.
    pub sources: Vec<String>,
    /// Issuers.
    pub authorization_servers: Vec<String>,
    /// Addresses.
    pub links: ServerLinks,
}

/// The headline grade in short.
#[derive(Debug, Clone, Serialize)]
pub struct ShortGrade {
    /// Letter, unless a badge applies.
    pub letter: Option<&'static str>,
    /// Badge, unless a letter applies.
    pub badge: Option<&'static str>,
    /// 0.0 to 100.0.
    pub score: Option<f64>,
    /// Printed with a question mark.
    pub doubtful: bool,
    /// 0.0 to 100.0.
    pub coverage: Option<f64>,
    /// The revision.
    pub revision: &'static str,
    /// The lowest cap.
    pub cap: Option<ShortCap>,
}

/// The lowest cap of a grade.
#[derive(Debug, Clone, Serialize)]
pub struct ShortCap {
    /// The ceiling.
    pub letter: Option<String>,
    /// The check.
    pub check: String,
    /// Who acts first.
    pub party: Option<&'static str>,
}

/// The grade under the claimed revision.
#[derive(Debug, Clone, Serialize)]
pub struct ClaimedGrade {
    /// The revision.
    pub revision: &'static str,
    /// The letter.
    pub letter: Option<&'static str>,
}

/// Addresses of a server.
#[derive(Debug, Clone, Serialize)]
pub struct ServerLinks {
    /// This object.
    #[serde(rename = "self")]
    pub this: String,
    /// The page.
    pub page: String,
    /// The badge.
    pub badge: String,
    /// Its history.
    pub scans: String,
}

#[expect(clippy::cast_precision_loss, reason = "at most 1000")]
fn tenths(tenths: i64) -> f64 {
    tenths as f64 / 10.0
}

/// Whether evidence of that time is called stale.
#[must_use]
pub fn stale(app: &AppState, checked: Option<Millis>, now: Millis) -> bool {
    checked.is_some_and(|at| now.since(at) > app.settings.stale_after_ms)
}

impl Server {
    /// The public form of a row.
    #[must_use]
    pub fn new(app: &AppState, row: &ServerRow, now: Millis) -> Self {
        let graded = row.letter.is_some() || row.badge.is_some() || row.class.is_some();
        let at = |path: &str| app.settings.absolute(&format!("{path}{}", row.id));
        Self {
            id: row.id.clone(),
            url: row.url.clone(),
            host: row.host.clone(),
            name: row.name.clone(),
            class: row.class.map(Class::as_str),
            era: row.era.map(Era::as_str),
            exposure: row.exposure.map(scanner::report::Exposure::as_str),
            grade: graded.then(|| ShortGrade {
                letter: row.letter.map(scanner::report::GradeLetter::as_str),
                badge: row.badge.map(scanner::report::Badge::as_str),
                score: row.score_tenths.map(tenths),
                doubtful: row.doubtful,
                coverage: row.coverage_tenths.map(tenths),
                revision: Revision::HEADLINE.as_str(),
                cap: row.cap_check.clone().map(|check| ShortCap {
                    letter: row.cap_letter.clone(),
                    check,
                    party: row.cap_party.map(scanner::check::Party::as_str),
                }),
            }),
            claimed: row.claimed.map(|revision| ClaimedGrade {
                revision: revision.as_str(),
                letter: row.claimed_letter.map(scanner::report::GradeLetter::as_str),
            }),
            registration: row.registration.clone(),
            pkce: row.pkce.clone(),
            state: row.state.clone(),
            stale: stale(app, row.checked_at, now),
            listed: row.listed,
            first_seen: row.first_seen.rfc3339(),
            checked: row.checked_at.map(Millis::rfc3339),
            changed: row.changed_at.map(Millis::rfc3339),
            scan: row.last_scan.clone(),
            scans: row.scans,
            next_scan_at: row.next_due.map(Millis::rfc3339),
            held_until: row.held_until.map(Millis::rfc3339),
            sources: row.sources.clone(),
            authorization_servers: row.issuers.clone(),
            links: ServerLinks {
                this: at("/api/v1/servers/"),
                page: at("/servers/"),
                badge: format!("{}.svg", at("/badges/")),
                scans: format!("{}/scans", at("/api/v1/servers/")),
            },
        }
    }
}

/// `GET /servers`
pub(crate) async fn all(
    State(app): State<AppState>,
    visit: Visit,
    Query(query): Query<ListQuery>,
) -> Result<Response, AppError> {
    let filter = query.filter(&app, visit.now)?;
    let page = query.page(&app, "servers", 100).await?;
    let counted = query.counted()?;
    let paged = app.store.servers(&filter, &page).await?;
    let next = cursor::give(&app, "servers", paged.next).await?;
    let servers: Vec<Server> = paged
        .rows
        .iter()
        .map(|row| Server::new(&app, row, visit.now))
        .collect();
    let base = app.settings.absolute("/api/v1/servers");
    let asked = visit.query.as_deref().unwrap_or_default();
    let mut response = match query.format.as_str() {
        "" | "json" => {
            let mut list = List::new(visit.now, next, servers);
            if counted {
                list.count = Some(app.store.estimate(&filter).await?);
            }
            return super::list(&list, &base, asked);
        }
        "csv" => table(&servers),
        "ndjson" => super::lines(&servers)?,
        _ => {
            return Err(AppError::validation(
                "/format",
                "format is one of json, csv, ndjson.",
            ));
        }
    };
    if let Some(next) = &next {
        super::link_next(&mut response, &base, asked, next);
    }
    Ok(response)
}

const COLUMNS: [&str; 16] = [
    "id",
    "url",
    "name",
    "letter",
    "badge",
    "score",
    "coverage",
    "cap_check",
    "cap_party",
    "class",
    "era",
    "claimed",
    "registration",
    "pkce",
    "checked",
    "authorization_servers",
];

fn table(servers: &[Server]) -> Response {
    let mut out = csv::line(COLUMNS);
    for server in servers {
        let grade = server.grade.as_ref();
        let cap = grade.and_then(|grade| grade.cap.as_ref());
        let number = |number: Option<f64>| number.map(|n| format!("{n:.1}")).unwrap_or_default();
        let score = number(grade.and_then(|grade| grade.score));
        let coverage = number(grade.and_then(|grade| grade.coverage));
        let issuers = server.authorization_servers.join(" ");
        out.push_str(&csv::line([
            server.id.as_str(),
            &server.url,
            server.name.as_deref().unwrap_or_default(),
            grade.and_then(|grade| grade.letter).unwrap_or_default(),
            grade.and_then(|grade| grade.badge).unwrap_or_default(),
            &score,
            &coverage,
            cap.map(|cap| cap.check.as_str()).unwrap_or_default(),
            cap.and_then(|cap| cap.party).unwrap_or_default(),
            server.class.unwrap_or_default(),
            server.era.unwrap_or_default(),
            server
                .claimed
                .as_ref()
                .map(|c| c.revision)
                .unwrap_or_default(),
            server.registration.as_deref().unwrap_or_default(),
            server.pkce.as_deref().unwrap_or_default(),
            server.checked.as_deref().unwrap_or_default(),
            &issuers,
        ]));
    }
    let headers = [
        (
            header::CONTENT_TYPE,
            "text/csv; charset=utf-8; header=present",
        ),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"servers.csv\"",
        ),
    ];
    (headers, out).into_response()
}

/// Parameters of one server.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct OneQuery {
    include: String,
}

/// A server with what was asked to be included.
#[derive(Debug, Serialize)]
pub struct ServerDetail {
    #[serde(flatten)]
    server: Server,
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<Option<Report>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    history: Option<Vec<Run>>,
}

/// `GET /servers/{id}`
pub(crate) async fn one(
    State(app): State<AppState>,
    visit: Visit,
    Path(id): Path<String>,
    Query(query): Query<OneQuery>,
) -> Result<Response, AppError> {
    let row = find(&app, &id).await?;
    let wants = |word| query.include.split(',').any(|part| part == word);
    let report = match (&row.last_scan, wants("report")) {
        (Some(scan), true) => Some(app.store.report(scan, None).await?),
        (None, true) => Some(None),
        (_, false) => None,
    };
    let history = if wants("history") {
        let paged = app.store.history(&id, &Page::first(100)).await?;
        Some(paged.rows.iter().map(|run| Run::new(&app, run)).collect())
    } else {
        None
    };
    super::json(&ServerDetail {
        server: Server::new(&app, &row, visit.now),
        report: report.map(|report| report.map(super::scans::blanked)),
        history,
    })
}

/// The server of that id, or the 404 that every unknown server gets.
pub(crate) async fn find(app: &AppState, id: &str) -> Result<ServerRow, AppError> {
    app.store.server(id).await?.ok_or_else(|| {
        Problem::new(
            "unknown-server",
            StatusCode::NOT_FOUND,
            "Server not known",
            "There is no server with this id. Look it up by its address, or submit it.",
        )
        .with("submit", app.settings.absolute("/submit"))
        .into()
    })
}

/// A stretch of scans that saw the same.
#[derive(Debug, Serialize)]
pub struct Run {
    first_scan: String,
    last_scan: String,
    first_at: String,
    last_at: String,
    scans: i64,
    letter: Option<&'static str>,
    badge: Option<&'static str>,
    score: Option<f64>,
    class: Option<&'static str>,
    cap_check: Option<String>,
    rubric: String,
    changed: Vec<RunChange>,
    links: RunLinks,
}

/// A check with another verdict than in the stretch before.
#[derive(Debug, Serialize)]
pub struct RunChange {
    check: String,
    before: String,
    after: String,
}

/// Addresses of a stretch.
#[derive(Debug, Serialize)]
pub struct RunLinks {
    scan: String,
    page: String,
}

impl Run {
    fn new(app: &AppState, run: &RunRow) -> Self {
        Self {
            first_scan: run.scan.clone(),
            last_scan: run.last_scan.clone(),
            first_at: run.first_at.rfc3339(),
            last_at: run.last_at.rfc3339(),
            scans: run.n,
            letter: run.letter.map(scanner::report::GradeLetter::as_str),
            badge: run.badge.map(scanner::report::Badge::as_str),
            score: run.score_tenths.map(tenths),
            class: run.class.map(Class::as_str),
            cap_check: run.cap_check.clone(),
            rubric: run.rubric.clone(),
            changed: run
                .changed_checks
                .iter()
                .map(|change| RunChange {
                    check: change.check.clone(),
                    before: change.before.clone(),
                    after: change.after.clone(),
                })
                .collect(),
            links: RunLinks {
                scan: app
                    .settings
                    .absolute(&format!("/api/v1/scans/{}", run.scan)),
                page: app.settings.absolute(&format!("/scans/{}", run.scan)),
            },
        }
    }
}

/// `GET /servers/{id}/scans`
pub(crate) async fn scans(
    State(app): State<AppState>,
    visit: Visit,
    Path(id): Path<String>,
    Query(query): Query<ListQuery>,
) -> Result<Response, AppError> {
    find(&app, &id).await?;
    let name = format!("history:{id}");
    let page = query.page(&app, &name, 100).await?;
    let paged = app.store.history(&id, &page).await?;
    let next = cursor::give(&app, &name, paged.next).await?;
    let data = paged.rows.iter().map(|run| Run::new(&app, run)).collect();
    let base = app
        .settings
        .absolute(&format!("/api/v1/servers/{id}/scans"));
    let asked = visit.query.as_deref().unwrap_or_default();
    super::list(&List::new(visit.now, next, data), &base, asked)
}

/// Parameters of a look-up.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct LookupQuery {
    pub(crate) url: String,
}

/// `GET /servers/lookup?url=`
pub(crate) async fn lookup(
    State(app): State<AppState>,
    Query(query): Query<LookupQuery>,
) -> Result<Response, AppError> {
    let target = admitted(&app, &query.url)?;
    let row = app.store.server_by_url(&target.url).await?.ok_or_else(|| {
        Problem::new(
            "unknown-server",
            StatusCode::NOT_FOUND,
            "Server not known",
            "Nobody has listed or submitted this address yet.",
        )
        .with(
            "submit",
            app.settings
                .absolute(&format!("/submit?url={}", escape(&target.url))),
        )
    })?;
    let location = app
        .settings
        .absolute(&format!("/api/v1/servers/{}", row.id));
    Ok((StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response())
}

/// The target behind an address, or the refusal that names the rule.
pub(crate) fn admitted(app: &AppState, url: &str) -> Result<scanner::target::Target, AppError> {
    let url = url.trim();
    if url.is_empty() {
        return Err(AppError::validation(
            "/url",
            "Give the address of an MCP endpoint.",
        ));
    }
    let url = if url.contains("://") {
        url.to_owned()
    } else {
        format!("https://{url}")
    };
    let admission = Admission {
        allow_private: app.settings.allow_private,
        allow_ephemeral: false,
    };
    normalise::endpoint(&url, admission).map_err(|refusal| {
        Problem::new(
            "target-not-allowed",
            StatusCode::UNPROCESSABLE_ENTITY,
            "This address is not scanned",
            crate::view::Shown::bounded(&refusal.to_string(), 300).to_string(),
        )
        .with("rule", refusal.code())
        .into()
    })
}
