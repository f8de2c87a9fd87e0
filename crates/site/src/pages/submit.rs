//! `/submit`: what will be sent, then the wish.

use askama::Template;
use axum::Form;
use axum::extract::{FromRequest, Query, Request, State};
use axum::response::Response;
use serde::Deserialize;

use super::server::{same_site, told};
use super::{Chrome, Section, html};
use crate::AppState;
use crate::api::v1::servers::{LookupQuery, admitted};
use crate::error::AppError;
use crate::view::text::typed;
use crate::view::{Shown, time};
use crate::visit::Visit;
use crate::wish;

#[derive(Template)]
#[template(path = "submit.html")]
struct Submit {
    chrome: Chrome,
    url: String,
    host: Option<Shown>,
    normalised: Option<Shown>,
    refused: Option<(Shown, String)>,
    open: bool,
    endpoint: u32,
    issuer: u32,
    interval: String,
    cooldown: String,
}

pub(crate) async fn page(
    State(app): State<AppState>,
    visit: Visit,
    Query(query): Query<LookupQuery>,
) -> Result<Response, AppError> {
    let asked = query.url.trim().to_owned();
    let target = match asked.as_str() {
        "" => None,
        asked => Some(admitted(&app, asked)),
    };
    let (mut host, mut normalised, mut refused) = (None, None, None);
    match &target {
        Some(Ok(target)) => {
            host = Some(Shown::bounded(&target.host(), 120));
            normalised = Some(Shown::bounded(&target.url, 400));
        }
        Some(Err(AppError::Told(problem))) => {
            let rule = problem.members.get("rule").and_then(|rule| rule.as_str());
            refused = Some((
                Shown::bounded(&problem.detail, 300),
                rule.unwrap_or("invalid").to_owned(),
            ));
        }
        Some(Err(_)) | None => {}
    }
    html(&Submit {
        chrome: Chrome::new(
            &app,
            &visit,
            Section::None,
            "Submit a server",
            "Ask for a scan of an MCP endpoint.",
        ),
        url: typed(&asked),
        host,
        normalised,
        refused,
        open: app.settings.accept_submissions,
        endpoint: app.settings.requests_per_scan_endpoint,
        issuer: app.settings.requests_per_scan_as,
        interval: time::brief(u32::try_from(app.settings.host_interval_ms).unwrap_or(1000)),
        cooldown: time::span(app.settings.cooldown_ms),
    })
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Fields {
    url: String,
}

/// `POST /submit`
pub(crate) async fn ask(
    State(app): State<AppState>,
    request: Request,
) -> Result<Response, AppError> {
    same_site(&app, &request)?;
    let Form(fields) = Form::<Fields>::from_request(request, &app)
        .await
        .map_err(|_| AppError::validation("/url", "Send the form with an address in it."))?;
    let wish = wish::by_url(&app, &fields.url).await?;
    Ok(told(&app, &wish))
}
