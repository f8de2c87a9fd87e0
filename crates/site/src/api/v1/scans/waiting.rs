//! Waiting for a scan: `Prefer: wait=N` (RFC 7240) holds the answer back until it is there.

use std::time::Duration;

use axum::http::{HeaderMap, StatusCode};
use scanner::time::Millis;
use serde_json::json;
use store::Answered;

use super::links;
use crate::AppState;
use crate::error::AppError;
use crate::wish;

/// Longest wait.
const LONGEST: u64 = 30;
/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(250);

/// How long the caller wants to wait: the first `wait` of all `Prefer`, 30 seconds at most. What
/// else is preferred is ignored, as the standard wants it.
pub(super) fn wished(headers: &HeaderMap) -> Result<Duration, AppError> {
    let wait = headers
        .get_all("prefer")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .find_map(|preference| preference.trim().strip_prefix("wait=").map(str::trim));
    let Some(wait) = wait else {
        return Ok(Duration::ZERO);
    };
    let seconds: u64 = wait.parse().map_err(|_| {
        AppError::validation(
            "/prefer",
            "wait is a number of seconds, for example wait=20.",
        )
    })?;
    Ok(Duration::from_secs(seconds.min(LONGEST)))
}

/// What became of a wish: its status, and the scan that was begun after it.
pub(super) async fn fate(
    app: &AppState,
    server: &str,
    since: Millis,
) -> Result<(&'static str, Option<String>), AppError> {
    let row = super::super::servers::find(app, server).await?;
    let newest = app.store.latest_scans(server, 1).await?.into_iter().next();
    let done = newest.filter(|(_, at)| *at >= since);
    Ok(match (done, row.state.as_str()) {
        (Some((scan, _)), _) => ("finished", Some(scan)),
        (None, "failed") => ("failed", None),
        // Made, and not shown yet: all holds look alike.
        (None, _) if row.held_until.is_some() => ("held", None),
        (None, _) => ("queued", None),
    })
}

/// The answer once the wish has one, or the first answer when the time is over.
pub(super) async fn held(
    app: &AppState,
    id: &str,
    first: Answered,
    wait: Duration,
) -> Result<Answered, AppError> {
    let Some((server, since)) = wish::read(id) else {
        return Ok(first);
    };
    let mut left = wait;
    while !left.is_zero() {
        let pause = left.min(PAUSE);
        tokio::time::sleep(pause).await;
        left -= pause;
        let (status, scan) = fate(app, &server, since).await?;
        if status != "queued" {
            let body = json!({
                "id": id,
                "server": server,
                "status": status,
                "cached": false,
                "scan": scan,
                "links": scan.as_ref().map(|scan| links(app, scan)),
            });
            return Ok(Answered {
                status: StatusCode::OK.as_u16(),
                location: first.location,
                body: body.to_string(),
            });
        }
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::http::{HeaderMap, HeaderValue};

    use super::wished;

    #[test]
    fn preferences_are_read_as_the_standard_writes_them() {
        let read = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("prefer", HeaderValue::from_static(text));
            wished(&headers).ok()
        };
        assert_eq!(wished(&HeaderMap::new()).ok(), Some(Duration::ZERO));
        assert_eq!(
            read("respond-async, wait=10"),
            Some(Duration::from_secs(10))
        );
        assert_eq!(read("wait=900"), Some(Duration::from_secs(30)));
        assert_eq!(read("return=minimal"), Some(Duration::ZERO));
        assert_eq!(read("wait=-1"), None);
        assert_eq!(read("wait=soon"), None);
    }
}
