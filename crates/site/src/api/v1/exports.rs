//! The exports that are offered for download, and their files.

use std::path::PathBuf;

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::io::AsyncReadExt as _;

use crate::AppState;
use crate::error::AppError;
use crate::export::shelf::{self, Edition, Filed, LATEST, MANIFEST};
use crate::visit::Visit;

/// Bytes read at a time.
const PIECE: usize = 64 << 10;

/// An edition with the addresses of its files.
#[derive(Debug, Serialize)]
struct Offered {
    edition: String,
    generated: String,
    extent: String,
    rubric: String,
    licence: String,
    manifest: String,
    files: Vec<OfferedFile>,
}

#[derive(Debug, Serialize)]
struct OfferedFile {
    href: String,
    #[serde(flatten)]
    filed: Filed,
}

/// Finished editions, newest first; none where none are made.
pub(crate) async fn editions(app: &AppState) -> Vec<Edition> {
    let Some(folder) = app.settings.exports.clone() else {
        return Vec::new();
    };
    let read = tokio::task::spawn_blocking(move || shelf::editions(&folder));
    read.await.unwrap_or_default()
}

/// `GET /exports`
pub(crate) async fn all(State(app): State<AppState>, visit: Visit) -> Result<Response, AppError> {
    let href =
        |edition: &str, file: &str| app.settings.absolute(&format!("/exports/{edition}/{file}"));
    let data: Vec<Offered> = editions(&app)
        .await
        .into_iter()
        .map(|edition| Offered {
            manifest: href(&edition.name, MANIFEST),
            files: edition
                .files
                .into_iter()
                .map(|filed| OfferedFile {
                    href: href(&edition.name, &filed.file),
                    filed,
                })
                .collect(),
            edition: edition.name,
            generated: edition.generated,
            extent: edition.extent,
            rubric: edition.rubric,
            licence: edition.licence,
        })
        .collect();
    super::json(&super::List::new(visit.now, None, data))
}

/// `GET /exports/{edition}/{file}`: one file, streamed, under its digest as its tag.
pub(crate) async fn file(
    State(app): State<AppState>,
    Path((edition, file)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, AppError> {
    let missing = || AppError::not_found("There is no such export; /exports lists what there is.");
    let folder = app.settings.exports.clone().ok_or_else(missing)?;
    let moving = edition == LATEST;
    let found = tokio::task::spawn_blocking(move || located(&folder, &edition, &file))
        .await
        .ok()
        .flatten()
        .ok_or_else(missing)?;
    let mut out = HeaderMap::new();
    let tag = format!("\"{}\"", found.tag);
    let control = if moving {
        "public, max-age=300"
    } else {
        "public, max-age=3600"
    };
    for (name, value) in [
        (header::ETAG, tag.as_str()),
        (header::CACHE_CONTROL, control),
        (header::CONTENT_TYPE, media(&found.name)),
        (header::CONTENT_LOCATION, found.place.as_str()),
    ] {
        if let Ok(value) = HeaderValue::from_str(value) {
            out.insert(name, value);
        }
    }
    let known = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|known| {
            known
                .split(',')
                .any(|one| matches!(one.trim().trim_start_matches("W/"), one if one == tag || one == "*"))
        });
    if known {
        return Ok((StatusCode::NOT_MODIFIED, out).into_response());
    }
    let opened = tokio::fs::File::open(&found.path).await;
    let opened = opened.map_err(|_| missing())?;
    let size = opened.metadata().await.map_err(|_| missing())?.len();
    out.insert(header::CONTENT_LENGTH, HeaderValue::from(size));
    let pieces = futures_util::stream::try_unfold(opened, async |mut file| {
        let mut piece = vec![0; PIECE];
        let read = file.read(&mut piece).await?;
        piece.truncate(read);
        Ok::<_, std::io::Error>((read > 0).then(|| (Bytes::from(piece), file)))
    });
    Ok((out, Body::from_stream(pieces)).into_response())
}

/// A file that may be sent.
struct Located {
    path: PathBuf,
    name: String,
    /// Address under its own edition.
    place: String,
    tag: String,
}

fn located(folder: &std::path::Path, edition: &str, file: &str) -> Option<Located> {
    let edition = shelf::find(folder, edition)?;
    let (path, tag) = if file == MANIFEST {
        let path = folder.join(&edition.name).join(MANIFEST);
        // Each file's digest stands in it, and so does the time.
        let tag = format!(
            "{}-{}",
            edition.name,
            edition.generated.replace([':', '.'], "")
        );
        (path, tag)
    } else {
        let (path, filed) = edition.path(folder, file)?;
        (path, filed.sha256.clone())
    };
    Some(Located {
        path,
        name: file.to_owned(),
        place: format!("/exports/{}/{file}", edition.name),
        tag,
    })
}

fn media(name: &str) -> &'static str {
    let end = name.rsplit('.').next().unwrap_or_default();
    match end {
        "ndjson" => "application/x-ndjson",
        "zst" => "application/zstd",
        "csv" => "text/csv; charset=utf-8",
        "parquet" => "application/vnd.apache.parquet",
        "sqlite" => "application/vnd.sqlite3",
        "json" => "application/json",
        _ => "application/octet-stream",
    }
}
