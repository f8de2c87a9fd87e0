//! What sources say of a server, since when, and how it compares with what was seen.

use axum::extract::{Path, State};
use axum::response::Response;
use scanner::report::Report;
use scanner::target::Listing;
use scanner::truth::{self, Truth};
use serde::Serialize;
use store::Sighting;

use super::servers::find;
use crate::AppState;
use crate::error::AppError;

/// Statements of sources about a server, the newest first.
#[derive(Debug, Serialize)]
struct Listings {
    /// `srv_…`
    server: String,
    /// The statements, at most 500.
    data: Vec<Stated>,
}

/// What a source said for a while.
#[derive(Debug, Serialize)]
struct Stated {
    /// The statement; text of strangers.
    #[serde(flatten)]
    listing: Listing,
    /// When it was first seen.
    first_seen: String,
    /// When it was last seen.
    last_seen: String,
    /// It is what the source says now, or said last.
    latest: bool,
    /// When the source was found to list the server no longer.
    gone: Option<String>,
    /// The statement beside the newest scan, if it is what the source says now.
    truth: Option<Truth>,
}

/// The statement beside a report, for what a source says now.
pub(crate) fn truth_of(sighting: &Sighting, report: Option<&Report>) -> Option<Truth> {
    let stands = sighting.latest && sighting.gone.is_none();
    let report = report.filter(|_| stands)?;
    Some(truth::compare(&sighting.listing, report))
}

/// `GET /servers/{id}/listings`
pub(crate) async fn all(
    State(app): State<AppState>,
    Path(id): Path<String>,
) -> Result<Response, AppError> {
    let row = find(&app, &id).await?;
    let report = match &row.last_scan {
        Some(scan) => app.store.report(scan, None).await?,
        None => None,
    };
    let sightings = app.store.sightings(&id).await?;
    let data = sightings
        .into_iter()
        .map(|sighting| Stated {
            truth: truth_of(&sighting, report.as_ref()),
            listing: sighting.listing,
            first_seen: sighting.first_seen.rfc3339(),
            last_seen: sighting.last_seen.rfc3339(),
            latest: sighting.latest,
            gone: sighting.gone.map(scanner::time::Millis::rfc3339),
        })
        .collect();
    super::json(&Listings {
        server: row.id,
        data,
    })
}
