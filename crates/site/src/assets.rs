//! Static files, compiled in and served under names that carry their digest, so that they may
//! be kept for ever.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;

use crate::error::AppError;

#[derive(RustEmbed)]
#[folder = "../../web/static"]
struct Files;

/// Address of the style sheet.
pub(crate) static STYLESHEET: LazyLock<String> = LazyLock::new(|| href("site.css"));
/// Address of the icon.
pub(crate) static ICON: LazyLock<String> = LazyLock::new(|| href("favicon.svg"));

/// `site.css` → `/static/site-0a1b2c3d.css`.
fn href(name: &str) -> String {
    let digest = Files::get(name).map_or_else(String::new, |file| digest(&file));
    match name.rsplit_once('.') {
        Some((stem, end)) => format!("/static/{stem}-{digest}.{end}"),
        None => format!("/static/{name}"),
    }
}

fn digest(file: &rust_embed::EmbeddedFile) -> String {
    file.metadata.sha256_hash()[..4]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Serves one file. A name with another digest than the file's is answered with the file all
/// the same, but not kept: it was asked for during an update.
pub(crate) async fn file(Path(asked): Path<String>) -> Result<Response, AppError> {
    let missing = || AppError::not_found("There is no such file.");
    let (stem, end) = asked.rsplit_once('.').ok_or_else(missing)?;
    let (stem, wanted) = stem.rsplit_once('-').ok_or_else(missing)?;
    let file = Files::get(&format!("{stem}.{end}")).ok_or_else(missing)?;
    let media = match end {
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        _ => "application/octet-stream",
    };
    let keep = if wanted == digest(&file) {
        "public, max-age=31536000, immutable"
    } else {
        "no-store"
    };
    let headers = [(header::CONTENT_TYPE, media), (header::CACHE_CONTROL, keep)];
    Ok((StatusCode::OK, headers, file.data.into_owned()).into_response())
}

/// The icon under the name that browsers guess.
pub(crate) async fn icon() -> Result<Response, AppError> {
    file(Path(ICON.trim_start_matches("/static/").to_owned())).await
}
