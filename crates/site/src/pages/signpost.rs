//! Who we are, for the machines and people that find us in their logs: `probing.txt` (RFC 9511)
//! and the addresses that scans come from.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use scanner::time::Millis;
use serde_json::json;

use crate::AppState;
use crate::error::AppError;
use crate::settings::Egress;
use crate::visit::Visit;

const TEXT: [(header::HeaderName, &str); 1] = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
/// How far ahead the file's end lies, whenever it is read.
const VALID_MS: i64 = 180 * 86_400_000;

/// `/.well-known/probing.txt`: what RFC 9511 section 2 asks for, made from the configuration.
pub(crate) async fn probing(
    State(app): State<AppState>,
    visit: Visit,
) -> Result<Response, AppError> {
    let settings = &app.settings;
    let (Some(contact), Some(_)) = (&settings.contact, &settings.public_url) else {
        return Err(AppError::not_found(
            "This installation names no address and no contact of its own.",
        ));
    };
    let expires = Millis(visit.now.0).plus(VALID_MS);
    let at = |path: &str| settings.absolute(path);
    let text = format!(
        "Canonical: {}\nContact: {contact}\nExpires: {}\nPreferred-Languages: en\nDescription: {} scans the authorization of MCP servers that are listed publicly or submitted. Each request names its scan in User-Agent; {} tells what was asked in it and why, {} what is sent in general and how to be left out, {} where from.\n",
        at("/.well-known/probing.txt"),
        expires.rfc3339(),
        settings.name,
        at("/why/SCAN"),
        at("/policy"),
        at("/egress.json"),
    );
    Ok((TEXT, text).into_response())
}

/// `/egress.json`: addresses that scans come from, now and before.
pub(crate) async fn egress(State(app): State<AppState>) -> Result<Response, AppError> {
    // The configuration was checked when it was loaded.
    let known: Vec<Egress> = app
        .settings
        .egress
        .iter()
        .filter_map(|entry| Egress::parse(entry).ok())
        .collect();
    let told = |entry: &Egress| json!({ "network": entry.network, "from": entry.from, "until": entry.until });
    let (now, before): (Vec<&Egress>, Vec<&Egress>) =
        known.iter().partition(|entry| entry.until.is_none());
    crate::api::v1::json(&json!({
        "schema_version": crate::api::v1::SCHEMA_VERSION,
        "user_agent": scanner::identity::user_agent(Some(&app.settings.absolute("/policy")), Some("scn_…")),
        "from": app.settings.from,
        "current": now.into_iter().map(told).collect::<Vec<_>>(),
        "former": before.into_iter().map(told).collect::<Vec<_>>(),
    }))
}
