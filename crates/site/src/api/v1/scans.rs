//! Scans: asking for one, its state, its reports and its evidence.

mod repeating;
mod waiting;

use std::time::Duration;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use scanner::evidence::Evidence;
use scanner::report::{PublicationState, Report};
use scanner::time::Millis;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{Answered, DueAnswer, Repeat, ScanRow};

use crate::AppState;
use crate::error::{AppError, Problem};
use crate::layers::Caller;
use crate::visit::Visit;
use crate::wish;

/// Body of `POST /scans`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wanted {
    url: Option<String>,
    server: Option<String>,
    /// Seconds that an answer may be old; 0 insists on a new scan.
    max_age: Option<i64>,
    /// How much may be sent: what this installation sends anyway, or nothing is sent at all.
    depth: Option<String>,
}

/// `POST /scans`
pub(crate) async fn ask(
    State(app): State<AppState>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Result<Json<Value>, JsonRejection>,
) -> Result<Response, AppError> {
    let Json(body) = body.map_err(|rejection| misread(rejection.status()))?;
    let wait = waiting::wished(&headers)?;
    let Some(key) = repeating::key(&headers, &caller)? else {
        return told(&app, take(&app, body, wait).await?);
    };
    let asked = repeating::digest(&body);
    let now = app.clock.now();
    let answer = match app.store.repeated(&key, &asked, now).await? {
        Repeat::Same(answer) => answer,
        Repeat::Other => return Err(repeating::other()),
        Repeat::New => {
            let answer = take(&app, body, wait).await?;
            app.store.answered(&key, &asked, &answer, now).await?;
            answer
        }
    };
    told(&app, answer)
}

fn misread(status: StatusCode) -> AppError {
    let mut problem = Problem::of_status(status);
    problem.detail = "Send a JSON object with url or server, as application/json.".into();
    problem.into()
}

/// Takes a wish, and waits for what becomes of it as long as the caller wants.
async fn take(app: &AppState, body: Value, wait: Duration) -> Result<Answered, AppError> {
    if !body.is_object() {
        return Err(misread(StatusCode::UNPROCESSABLE_ENTITY));
    }
    let wanted: Wanted =
        serde_json::from_value(body).map_err(|_| misread(StatusCode::UNPROCESSABLE_ENTITY))?;
    if let Some(depth) = &wanted.depth {
        admissible(app, depth)?;
    }
    let asked = match (&wanted.server, &wanted.url) {
        (Some(server), _) => wish::by_server(app, server).await?,
        (None, Some(url)) => wish::by_url(app, url).await?,
        (None, None) => {
            return Err(AppError::validation("/url", "Give url or server."));
        }
    };
    let answered = answer(app, &asked, wanted.max_age)?;
    if answered.status == StatusCode::ACCEPTED.as_u16() && !wait.is_zero() {
        return waiting::held(app, &asked.id, answered, wait).await;
    }
    Ok(answered)
}

/// An answer as it goes out.
fn told(app: &AppState, answer: Answered) -> Result<Response, AppError> {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let media = [(header::CONTENT_TYPE, "application/json")];
    let mut response = (status, media, answer.body).into_response();
    let headers = response.headers_mut();
    if let Some(place) = &answer.location {
        let place = app.settings.absolute(place);
        if let Ok(place) = HeaderValue::from_str(&place) {
            headers.insert(header::LOCATION, place);
        }
    }
    if status == StatusCode::ACCEPTED {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("10"));
    }
    Ok(response)
}

/// Whether a visitor may ask for this depth: never for one that needs an owner's word.
fn admissible(app: &AppState, depth: &str) -> Result<(), AppError> {
    match depth {
        "passive" | "standard" => Ok(()),
        "consented" | "credentialed" => {
            let why = if app.settings.public {
                "Such a scan needs a proof that the hosts are yours: begin it on the server's page, under \"Is it yours?\"."
            } else {
                "Such a scan is started by the owner: authdex scan --depth consented --owned HOST."
            };
            let title = "This depth is not scanned on request";
            Err(Problem::new("forbidden", StatusCode::FORBIDDEN, title, why).into())
        }
        _ => Err(AppError::validation(
            "/depth",
            "One of passive, standard, consented, credentialed.",
        )),
    }
}

/// The answer to a wish. `max_age` is how many seconds a scan may be old to be one.
fn answer(app: &AppState, asked: &wish::Wish, max_age: Option<i64>) -> Result<Answered, AppError> {
    let accepted = |status: &str, position: Option<i64>| Answered {
        status: StatusCode::ACCEPTED.as_u16(),
        location: Some(format!("/api/v1/scans/{}", asked.id)),
        body: json!({
            "id": asked.id,
            "server": asked.server.id,
            "status": status,
            "position": position,
            "cached": false,
        })
        .to_string(),
    };
    Ok(match &asked.answer {
        DueAnswer::Queued { ahead, .. } => accepted("queued", Some(ahead + 1)),
        DueAnswer::Running { .. } => accepted("running", None),
        DueAnswer::TooSoon {
            again, last_scan, ..
        } if demanded(app, asked, max_age) => {
            let seconds = again.since(app.clock.now()).max(0) / 1000 + 1;
            return Err(Problem::new(
                "cooldown",
                StatusCode::TOO_MANY_REQUESTS,
                "Scanned a moment ago",
                "This server was scanned a moment ago. Its newest scan is named in this answer.",
            )
            .with("retry_at", again.rfc3339())
            .with("scan", last_scan.clone())
            .retry_after(seconds)
            .into());
        }
        DueAnswer::TooSoon {
            again,
            last_scan,
            failed,
        } => Answered {
            status: StatusCode::OK.as_u16(),
            location: None,
            body: json!({
                "id": last_scan.as_ref().unwrap_or(&asked.id),
                "server": asked.server.id,
                "status": if *failed { "failed" } else { "finished" },
                "cached": true,
                "retry_at": again.rfc3339(),
                "links": last_scan.as_ref().map(|scan| links(app, scan)),
            })
            .to_string(),
        },
    })
}

/// Whether something newer than the scan that is there is demanded.
fn demanded(app: &AppState, asked: &wish::Wish, max_age: Option<i64>) -> bool {
    let Some(seconds) = max_age else {
        return false;
    };
    let age = asked
        .server
        .checked_at
        .map_or(i64::MAX, |at| app.clock.now().since(at));
    seconds <= 0 || age > seconds.saturating_mul(1000)
}

/// Addresses of a scan.
#[derive(Debug, Serialize)]
pub struct ScanLinks {
    #[serde(rename = "self")]
    this: String,
    page: String,
    report: String,
    today: String,
    evidence: String,
}

fn links(app: &AppState, scan: &str) -> ScanLinks {
    let at = |path: String| app.settings.absolute(&path);
    ScanLinks {
        this: at(format!("/api/v1/scans/{scan}")),
        page: at(format!("/scans/{scan}")),
        report: at(format!("/api/v1/scans/{scan}/report")),
        today: at(format!("/api/v1/scans/{scan}/reports/today")),
        evidence: at(format!("/api/v1/scans/{scan}/evidence")),
    }
}

/// A finished scan.
#[derive(Debug, Serialize)]
pub struct Scan {
    id: String,
    server: String,
    url: String,
    status: &'static str,
    started: String,
    rubric: String,
    same_as: Option<String>,
    links: ScanLinks,
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<Report>,
}

/// Parameters of one scan.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct OneQuery {
    include: String,
}

/// `GET /scans/{id}`
pub(crate) async fn one(
    State(app): State<AppState>,
    Path(id): Path<String>,
    Query(query): Query<OneQuery>,
) -> Result<Response, AppError> {
    if let Some((server, since)) = wish::read(&id) {
        return wished(&app, &id, &server, since).await;
    }
    let row = find(&app, &id).await?;
    let report = if query.include.split(',').any(|part| part == "report") {
        Some(published(&app, &row).await?)
    } else {
        None
    };
    super::json(&Scan {
        links: links(&app, &row.scan),
        id: row.scan,
        server: row.server.id,
        url: row.server.url,
        status: "finished",
        started: row.at.rfc3339(),
        rubric: row.rubric,
        same_as: row.same_as,
        report,
    })
}

/// State of a wish: queued until a scan is filed that began after it.
async fn wished(
    app: &AppState,
    id: &str,
    server: &str,
    since: Millis,
) -> Result<Response, AppError> {
    let (status, scan) = waiting::fate(app, server, since).await?;
    let body = json!({
        "id": id,
        "server": server,
        "status": status,
        "scan": scan,
        "links": scan.as_ref().map(|scan| links(app, scan)),
    });
    let code = if status == "queued" {
        StatusCode::ACCEPTED
    } else {
        StatusCode::OK
    };
    let mut response = (code, Json(body)).into_response();
    if status == "queued" {
        let wait = axum::http::HeaderValue::from_static("10");
        response.headers_mut().insert(header::RETRY_AFTER, wait);
    }
    Ok(response)
}

/// The scan of that id, or the 404 that every unknown or hidden scan gets.
pub(crate) async fn find(app: &AppState, id: &str) -> Result<ScanRow, AppError> {
    app.store
        .scan(id)
        .await?
        .ok_or_else(|| AppError::not_found("There is no scan with this id."))
}

/// The report a scan was published with.
pub(crate) async fn published(app: &AppState, row: &ScanRow) -> Result<Report, AppError> {
    app.store
        .report(&row.scan, Some(&row.rubric))
        .await?
        .filter(|report| report.publication.state != PublicationState::Held)
        .map(blanked)
        .ok_or_else(|| no_report("This scan has no report to show."))
}

fn no_report(detail: &str) -> AppError {
    Problem::new(
        "no-such-report",
        StatusCode::NOT_FOUND,
        "No such report",
        detail,
    )
    .into()
}

/// A report without what is held back until a deadline.
pub(crate) fn blanked(mut report: Report) -> Report {
    let withheld: Vec<&str> = report
        .findings
        .iter()
        .filter(|finding| finding.withheld)
        .map(|finding| finding.check.as_str())
        .collect();
    for connection in &mut report.connect {
        let explains = connection.check.as_deref();
        if explains.is_some_and(|check| withheld.contains(&check)) {
            connection.detail = String::new();
            connection.exchange = None;
        }
    }
    for finding in report
        .findings
        .iter_mut()
        .filter(|finding| finding.withheld)
    {
        finding.reason = String::new();
        finding.detail = String::new();
        finding.evidence = Vec::new();
    }
    report
}

/// An entry of the list of a scan's reports.
#[derive(Debug, Serialize)]
pub struct ReportEntry {
    rubric: String,
    published: bool,
    link: String,
}

/// `GET /scans/{id}/reports`
pub(crate) async fn reports(
    State(app): State<AppState>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Response, AppError> {
    let row = find(&app, &id).await?;
    let today = scanner::rubric::current().version;
    let mut rubrics = vec![row.rubric.clone()];
    if row.rubric != today {
        rubrics.push(today.to_owned());
    }
    let data = rubrics
        .into_iter()
        .map(|rubric| ReportEntry {
            link: app
                .settings
                .absolute(&format!("/api/v1/scans/{id}/reports/{rubric}")),
            published: rubric == row.rubric,
            rubric,
        })
        .collect();
    super::json(&super::List::new(visit.now, None, data))
}

/// `GET /scans/{id}/report`
pub(crate) async fn report(
    State(app): State<AppState>,
    Path(id): Path<String>,
) -> Result<Response, AppError> {
    let row = find(&app, &id).await?;
    super::json(&published(&app, &row).await?)
}

/// `GET /scans/{id}/reports/{rubric}`
pub(crate) async fn report_under(
    State(app): State<AppState>,
    Path((id, rubric)): Path<(String, String)>,
) -> Result<Response, AppError> {
    let row = find(&app, &id).await?;
    let then = published(&app, &row).await?;
    let today = scanner::rubric::current().version;
    if rubric == then.grade.rubric {
        return super::json(&then);
    }
    if rubric == "today" || rubric == today {
        let evidence = app
            .store
            .evidence(&id)
            .await?
            .ok_or_else(|| no_report("The evidence of this scan is no longer kept."))?;
        return super::json(&blanked(crate::compare::today(&evidence, &then)));
    }
    let stored = app.store.report(&id, Some(&rubric)).await?;
    let stored =
        stored.ok_or_else(|| no_report("There is no report of this scan under that rubric."))?;
    super::json(&blanked(stored))
}

/// `GET /scans/{id}/evidence`
pub(crate) async fn evidence(
    State(app): State<AppState>,
    Path(id): Path<String>,
) -> Result<Response, AppError> {
    let row = find(&app, &id).await?;
    let report = published(&app, &row).await?;
    if report.findings.iter().any(|finding| finding.withheld) {
        return Err(Problem::new(
            "forbidden",
            StatusCode::FORBIDDEN,
            "Evidence is held back",
            "Something in this evidence could be abused and is held back until it is fixed.",
        )
        .into());
    }
    let evidence = app
        .store
        .evidence(&id)
        .await?
        .ok_or_else(|| AppError::not_found("The evidence of this scan is no longer kept."))?;
    let mut response = super::json(&public(evidence))?;
    let name = format!("attachment; filename=\"{id}.json\"");
    if let Ok(name) = axum::http::HeaderValue::from_str(&name) {
        response
            .headers_mut()
            .insert(header::CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

/// Evidence as published: without the addresses that answered or came to fetch.
pub(crate) fn public(evidence: Evidence) -> Evidence {
    evidence.without_peers()
}
