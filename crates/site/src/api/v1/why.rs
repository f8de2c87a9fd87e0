//! What was asked of whom under the id that every request carries, and why.

use axum::extract::{Path, State};
use axum::response::Response;
use scanner::evidence::Failure;
use scanner::identity::{self, Line};
use scanner::time::Millis;
use serde::Serialize;

use crate::AppState;
use crate::error::AppError;

/// The answer to "why did you ask us".
#[derive(Debug, Serialize)]
pub(crate) struct Account {
    schema_version: &'static str,
    /// The id.
    pub(crate) id: String,
    /// When the first request was sent.
    pub(crate) at: String,
    /// Host that it was about.
    pub(crate) host: String,
    /// The server, if the scan is published.
    pub(crate) server: Option<String>,
    /// `scan`, `robots`, `proof`.
    pub(crate) kind: String,
    /// Why, in a sentence.
    pub(crate) reason: String,
    /// What went along with every request.
    pub(crate) user_agent: String,
    /// The mail address that went along, if one is configured.
    pub(crate) from: Option<String>,
    /// The requests, in the order of asking as far as that is kept.
    pub(crate) requests: Vec<Asked>,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Asked {
    /// HTTP method; `TLS` for a handshake over which nothing was asked.
    pub(crate) method: String,
    /// Where.
    pub(crate) url: String,
    /// What for.
    pub(crate) purpose: String,
}

/// What was sent under an id; `None` if nothing was, or it is not told any more.
pub(crate) async fn account(app: &AppState, id: &str) -> Result<Option<Account>, AppError> {
    let errand = app.store.errand(id).await?;
    let scan = app.store.scan(id).await?;
    let mut lines: Vec<Line> = errand
        .as_ref()
        .and_then(|errand| serde_json::from_str(&errand.lines).ok())
        .unwrap_or_default();
    lines.sort_by_key(|line| line.at);
    let mut requests: Vec<Asked> = lines
        .iter()
        .map(|line| Asked {
            method: line.method.clone(),
            url: line.url.clone(),
            purpose: line.why.clone(),
        })
        .collect();
    let public = app.settings.public_url.is_some();
    let policy = public.then(|| app.settings.absolute("/policy"));
    let agent = identity::user_agent(policy.as_deref(), Some(id));
    let told = |at: Millis, host: String, server, kind: &str, reason: String, requests| Account {
        schema_version: super::SCHEMA_VERSION,
        id: id.to_owned(),
        at: at.rfc3339(),
        host,
        server,
        kind: kind.to_owned(),
        reason,
        user_agent: agent,
        from: app.settings.from.clone(),
        requests,
    };
    match (scan, errand) {
        (Some(scan), _) => {
            if let Some(evidence) = app.store.evidence(id).await? {
                let sent = evidence.exchanges.iter().filter(|exchange| {
                    let unsent =
                        matches!(&exchange.got, Err(Failure::Blocked(_) | Failure::Dns(_)));
                    exchange.shared.is_none() && !unsent
                });
                requests.extend(sent.map(|exchange| Asked {
                    method: exchange.asked.method.clone(),
                    url: exchange.asked.url.clone(),
                    purpose: exchange.purpose.name(),
                }));
            }
            let sources = &scan.server.sources;
            let reason = if sources
                .iter()
                .all(|source| source == store::asked::SUBMISSION)
            {
                "Somebody asked for a scan of this server on this site.".to_owned()
            } else {
                format!(
                    "The server is listed publicly ({}), and listed servers are scanned from time to time.",
                    sources.join(", ")
                )
            };
            let host = scan.server.host.clone();
            let server = Some(scan.server.id.clone());
            Ok(Some(told(scan.at, host, server, "scan", reason, requests)))
        }
        (None, Some(errand)) => {
            let reason = match errand.why.as_str() {
                "proof" => {
                    "Somebody says that they run this host; its file was looked at for the token that shows it."
                }
                _ => {
                    "A scan of a listed server was about to begin, or ended before there was a result."
                }
            };
            let kind = errand.why.clone();
            Ok(Some(told(
                errand.at,
                errand.host,
                None,
                &kind,
                reason.into(),
                requests,
            )))
        }
        (None, None) => Ok(None),
    }
}

/// There is nothing under an id, whatever the reason.
pub(crate) fn unknown() -> AppError {
    AppError::not_found(
        "We sent nothing under this id, or it is too long ago to be told. Write to the contact on the policy page if you see such requests.",
    )
}

/// `GET /why/{id}`
pub(crate) async fn one(
    State(app): State<AppState>,
    Path(id): Path<String>,
) -> Result<Response, AppError> {
    let account = account(&app, &id).await?.ok_or_else(unknown)?;
    super::json(&account)
}
