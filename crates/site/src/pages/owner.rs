//! Proof of ownership: `/servers/{id}/owner` begins it, `/owner/{secret}` shows where it stands
//! and what it unlocks. The secret in the address is all that lets a person in: it is in no link
//! of any other page, in no log, and no page that holds it is kept by a cache. A form of another
//! site cannot know it, which also makes it the token against forged requests.
//!
//! Handlers only file wishes. Whoever looks at a host is the worker.

use askama::Template;
use axum::Form;
use axum::extract::{FromRequest, Path, Query, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use scanner::report::Report;
use serde::Deserialize;
use store::{Claim, Person};

use super::leave::{host, to};
use super::server::same_site;
use super::{Chrome, Section, html};
use crate::AppState;
use crate::api::v1::servers::find;
use crate::error::{AppError, Problem};
use crate::view::{Shown, Stamp, grade};
use crate::visit::Visit;
use crate::wish;

/// Between two looks at a host on request.
const REST_MS: i64 = 60_000;
/// A deeper scan begins within this time after it was asked for, or not at all.
const WINDOW_MS: i64 = 3_600_000;
/// Held results of a server that its owner is shown.
const MOST_HELD: usize = 3;
/// Claims of one person.
const MOST_CLAIMS: usize = 20;

#[derive(Template)]
#[template(path = "owner_start.html")]
struct Start {
    chrome: Chrome,
    id: String,
    name: Shown,
    host: Shown,
}

/// `GET /servers/{id}/owner`
pub(crate) async fn start(
    State(app): State<AppState>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Response, AppError> {
    let row = find(&app, &id).await?;
    html(&Start {
        chrome: Chrome::new(
            &app,
            &visit,
            Section::Servers,
            "Is this server yours?",
            "Prove that you run a server, and what that unlocks.",
        ),
        name: Shown::bounded(row.name.as_deref().unwrap_or(&row.host), 80),
        host: Shown::bounded(&row.host, 120),
        id,
    })
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Fields {
    contact: String,
    host: String,
    server: String,
    text: String,
    history: String,
}

async fn fields(app: &AppState, request: Request) -> Result<Fields, AppError> {
    same_site(app, &request)?;
    let read = Form::<Fields>::from_request(request, app).await;
    let Form(fields) =
        read.map_err(|_| AppError::validation("/", "Send the form as it is on the page."))?;
    Ok(fields)
}

/// `POST /servers/{id}/owner`
pub(crate) async fn begin(
    State(app): State<AppState>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, AppError> {
    let fields = fields(&app, request).await?;
    let row = find(&app, &id).await?;
    let host = host(&row.url)?;
    let secret = claim(&app, &fields.contact, &host, 0).await?;
    Ok(to(&format!("/owner/{secret}")))
}

/// Makes a person with one claim, and gives the secret.
pub(crate) async fn claim(
    app: &AppState,
    contact: &str,
    host: &str,
    leave: i64,
) -> Result<String, AppError> {
    let secret = crate::citizen_token();
    let now = app.clock.now();
    let contact: String = contact.trim().chars().take(200).collect();
    let person = app.store.add_person(&contact, &secret, now).await?;
    let token = crate::citizen_token();
    app.store
        .add_claim(&person, host, &token, leave, now)
        .await?;
    Ok(secret)
}

#[derive(Template)]
#[template(path = "owner.html")]
struct Owner {
    chrome: Chrome,
    secret: String,
    contact: Shown,
    claims: Vec<ClaimView>,
    note: Option<&'static str>,
    most: u32,
}

struct ClaimView {
    host: Shown,
    token: String,
    proved: Option<(Stamp, Stamp, String)>,
    waiting: bool,
    checked: Option<Stamp>,
    said: Shown,
    leave: i64,
    servers: Vec<ServerView>,
}

struct ServerView {
    id: String,
    url: Shown,
    statement: String,
    result: Option<(Stamp, Shown, Vec<Shown>)>,
    /// What is seen and not shown to others yet, newest first; with the day it is decided.
    held: Vec<(Stamp, Shown, Vec<Shown>, Option<Stamp>)>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Noted {
    note: String,
}

async fn person(app: &AppState, secret: &str) -> Result<Person, AppError> {
    let known = app.store.person(secret).await?;
    known.ok_or_else(|| AppError::not_found("There is nothing at this address."))
}

/// `GET /owner/{secret}`
pub(crate) async fn page(
    State(app): State<AppState>,
    visit: Visit,
    Path(secret): Path<String>,
    Query(noted): Query<Noted>,
) -> Result<Response, AppError> {
    let person = person(&app, &secret).await?;
    let mut claims = Vec::new();
    for claim in app.store.claims(&person).await? {
        claims.push(view(&app, &visit, &person, claim).await?);
    }
    let mut chrome = Chrome::new(
        &app,
        &visit,
        Section::None,
        "Your servers",
        "What you proved, and what that unlocks.",
    );
    chrome.twin = None;
    let mut response = html(&Owner {
        chrome,
        contact: Shown::bounded(&person.contact, 200),
        claims,
        note: match noted.note.as_str() {
            "left" => Some(
                "The host is left out for 30 days from now. Prove that it is yours to have it left out for good.",
            ),
            "looking" => Some(
                "The host is looked at within a minute. Load this page again to see what was found.",
            ),
            "soon" => Some("The host was looked at a moment ago. Try again in a minute."),
            "asked" => {
                Some("A scan is asked for. Its result is on the server's page once it is finished.")
            }
            "recent" => {
                Some("The server was scanned a moment ago, or as often as it may be on one day.")
            }
            "deeper" => Some(
                "The proof is looked at once more, then the deeper scan begins; it waits for an hour at most.",
            ),
            "said" => Some("Your statement is on the server's page."),
            "in" => Some("The host takes part again."),
            _ => None,
        },
        most: app.settings.on_request_per_day_proved,
        secret,
    })?;
    response.headers_mut().insert(
        HeaderName::from_static("x-robots-tag"),
        HeaderValue::from_static("noindex"),
    );
    Ok(response)
}

async fn view(
    app: &AppState,
    visit: &Visit,
    person: &Person,
    claim: Claim,
) -> Result<ClaimView, AppError> {
    let now = visit.now;
    let at = |millis: i64| Stamp::new(scanner::time::Millis(millis), now);
    let holds = claim.holds(app.clock.now());
    let mut servers = Vec::new();
    if holds {
        for (id, url) in app.store.servers_on(&claim.host).await? {
            let statement = app.store.statement(&id, now).await?;
            let private = app.store.private_result(&id, person).await?;
            let held = held(app, &id, now).await?;
            servers.push(ServerView {
                held,
                url: Shown::bounded(&url, 300),
                statement: statement.map(|said| said.text).unwrap_or_default(),
                result: private.and_then(|(at, report)| told(&report, Stamp::new(at, now))),
                id,
            });
        }
    }
    Ok(ClaimView {
        host: Shown::bounded(&claim.host, 255),
        proved: holds.then(|| (at(claim.proved), at(claim.until), claim.method.clone())),
        waiting: claim.wanted > 0,
        checked: (claim.checked > 0).then(|| at(claim.checked)),
        said: Shown::bounded(&claim.said, 400),
        leave: claim.leave,
        token: claim.token,
        servers,
    })
}

/// The held results of a server as its owner may read them beforehand.
async fn held(
    app: &AppState,
    server: &str,
    now: scanner::time::Millis,
) -> Result<Vec<(Stamp, Shown, Vec<Shown>, Option<Stamp>)>, AppError> {
    let mut out = Vec::new();
    for row in app.store.held(server).await?.into_iter().take(MOST_HELD) {
        if let Some(report) = app.store.report(&row.scan, None).await? {
            let (line, failed) = in_short(&report);
            let until = row.until.map(|until| Stamp::new(until, now));
            out.push((Stamp::new(row.since, now), line, failed, until));
        }
    }
    Ok(out)
}

/// A private result in short: when, the verdict in a line, and what failed.
fn told(report: &str, at: Stamp) -> Option<(Stamp, Shown, Vec<Shown>)> {
    let report: Report = serde_json::from_str(report).ok()?;
    let (line, failed) = in_short(&report);
    Some((at, line, failed))
}

/// The verdict in a line, and what failed.
fn in_short(report: &Report) -> (Shown, Vec<Shown>) {
    let failed = report
        .findings
        .iter()
        .filter(|finding| finding.verdict == scanner::report::FindingVerdict::Fail)
        .map(|finding| Shown::bounded(&format!("{}: {}", finding.check, finding.detail), 400))
        .collect();
    (grade::one_line(report), failed)
}

/// The claim that lets a person act on a server, if it holds.
async fn right(app: &AppState, person: &Person, server: &str) -> Result<Claim, AppError> {
    let row = find(app, server).await?;
    let host = host(&row.url)?;
    let claim = app.store.claim_of(&person.id, &host).await?;
    claim
        .filter(|claim| claim.holds(app.clock.now()))
        .ok_or_else(|| {
            Problem::new(
                "ownership-required",
                StatusCode::FORBIDDEN,
                "Prove it first",
                "This needs a proof that the server's host is yours, and there is none that holds.",
            )
            .into()
        })
}

/// `POST /owner/{secret}/{verb}`
pub(crate) async fn act(
    State(app): State<AppState>,
    Path((secret, verb)): Path<(String, String)>,
    request: Request,
) -> Result<Response, AppError> {
    let person = person(&app, &secret).await?;
    let fields = fields(&app, request).await?;
    let now = app.clock.now();
    let note = match verb.as_str() {
        "add" => {
            let host = host(&fields.host)?;
            if app.store.claims(&person).await?.len() >= MOST_CLAIMS {
                return Err(AppError::validation(
                    "/host",
                    "These are enough hosts for one person.",
                ));
            }
            let token = crate::citizen_token();
            app.store.add_claim(&person, &host, &token, 0, now).await?;
            ""
        }
        "verify" => {
            let host = host(&fields.host)?;
            let wanted = app.store.want_proof(&person, &host, REST_MS, now).await?;
            if wanted { "looking" } else { "soon" }
        }
        "leave" => {
            let host = host(&fields.host)?;
            let leave = if fields.history == "remove" { 2 } else { 1 };
            app.store.add_claim(&person, &host, "", leave, now).await?;
            app.store.want_proof(&person, &host, 0, now).await?;
            "looking"
        }
        "in" => {
            let host = host(&fields.host)?;
            let claim = app.store.claim_of(&person.id, &host).await?;
            if !claim.is_some_and(|claim| claim.holds(now)) {
                return Err(AppError::validation(
                    "/host",
                    "Prove first that the host is yours.",
                ));
            }
            app.store.take_in(&host).await?;
            "in"
        }
        "rescan" => {
            right(&app, &person, &fields.server).await?;
            match wish::by_owner(&app, &fields.server).await?.answer {
                store::DueAnswer::TooSoon { .. } => "recent",
                _ => "asked",
            }
        }
        "deeper" => {
            right(&app, &person, &fields.server).await?;
            let until = now.plus(WINDOW_MS);
            app.store
                .go_deeper(&fields.server, &person, until, now)
                .await?;
            for claim in app.store.claims(&person).await? {
                app.store.want_proof(&person, &claim.host, 0, now).await?;
            }
            "deeper"
        }
        "statement" => {
            right(&app, &person, &fields.server).await?;
            app.store
                .state(&fields.server, &person, &fields.text, now)
                .await?;
            "said"
        }
        _ => return Err(AppError::not_found("There is nothing at this address.")),
    };
    Ok(to(&match note {
        "" => format!("/owner/{secret}"),
        note => format!("/owner/{secret}?note={note}"),
    }))
}
