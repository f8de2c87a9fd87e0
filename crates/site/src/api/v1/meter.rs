//! What this installation sent, day by day.

use axum::extract::State;
use axum::response::Response;
use scanner::time::Millis;
use serde::Serialize;
use store::MeterDay;

use crate::AppState;
use crate::error::AppError;
use crate::visit::Visit;

/// Days that are told.
const DAYS: i64 = 90;
const DAY: i64 = 86_400_000;

/// One UTC day.
#[derive(Debug, Serialize)]
struct Day {
    /// `YYYY-MM-DD`.
    day: String,
    /// Requests and handshakes.
    requests: i64,
    /// Bytes of what was sent: methods, addresses, headers, bodies.
    sent_bytes: i64,
    /// Bytes of the bodies that were read.
    read_bytes: i64,
    /// Different hosts.
    hosts: i64,
    /// What was not sent because a rule, robots.txt or an opt-out forbade it.
    refusals: i64,
    /// Answers of 429.
    too_many: i64,
    /// Scans ended by the stop switch.
    stops: i64,
}

#[derive(Debug, Serialize)]
struct Meter {
    schema_version: &'static str,
    generated_at: String,
    data: Vec<Day>,
}

/// The days that are told, the newest first.
pub(crate) async fn days(app: &AppState, now: Millis) -> Result<Vec<MeterDay>, AppError> {
    Ok(app.store.meter(now.plus(-DAYS * DAY)).await?)
}

/// The date of a day of the meter.
pub(crate) fn date(day: i64) -> String {
    let text = Millis(day.saturating_mul(DAY)).rfc3339();
    text.split('T').next().unwrap_or_default().to_owned()
}

/// `GET /meter`
pub(crate) async fn all(State(app): State<AppState>, visit: Visit) -> Result<Response, AppError> {
    let data = days(&app, visit.now)
        .await?
        .into_iter()
        .map(|day| Day {
            day: date(day.day),
            requests: day.requests,
            sent_bytes: day.sent_bytes,
            read_bytes: day.read_bytes,
            hosts: day.hosts,
            refusals: day.refusals,
            too_many: day.slowed,
            stops: day.stops,
        })
        .collect();
    super::json(&Meter {
        schema_version: super::SCHEMA_VERSION,
        generated_at: visit.now.rfc3339(),
        data,
    })
}
