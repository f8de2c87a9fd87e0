//! A visitor's wish for a scan: the server is made due, and the wish has an id under which its
//! fate can be asked for until the scan is there.

use axum::http::StatusCode;
use scanner::time::Millis;
use store::{DueAnswer, NewListing, ServerRow, Wishing};

use crate::AppState;
use crate::api::v1::servers::admitted;
use crate::error::{AppError, Problem};

/// The source under which submitted servers are listed.
pub(crate) const SOURCE: &str = store::asked::SUBMISSION;

/// What became of a wish.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub(crate) server: ServerRow,
    pub(crate) answer: DueAnswer,
    /// Id of the wish.
    pub(crate) id: String,
}

/// Makes the server behind an address due, adding it if nobody knows it.
pub(crate) async fn by_url(app: &AppState, url: &str) -> Result<Wish, AppError> {
    open(app)?;
    let mut target = admitted(app, url)?;
    let now = app.clock.now();
    let known = app.store.server_by_url(&target.url).await?;
    let server = match known {
        Some(server) => server,
        None => {
            let address = target.url.clone();
            target.listing = Some(scanner::target::Listing {
                source: SOURCE.into(),
                ..scanner::target::Listing::default()
            });
            let listing = NewListing { target, seen: now };
            app.store.add_listings(SOURCE, &[listing], now).await?;
            app.store
                .server_by_url(&address)
                .await?
                .ok_or_else(|| AppError::not_found("The server could not be added."))?
        }
    };
    due(app, server, now, app.settings.on_request_per_day).await
}

/// Makes a server due because its proved owner wants it, whether or not visitors may ask.
pub(crate) async fn by_owner(app: &AppState, id: &str) -> Result<Wish, AppError> {
    let server = crate::api::v1::servers::find(app, id).await?;
    let most = Some(app.settings.on_request_per_day_proved);
    due(app, server, app.clock.now(), most).await
}

/// Makes a known server due.
pub(crate) async fn by_server(app: &AppState, id: &str) -> Result<Wish, AppError> {
    open(app)?;
    let server = crate::api::v1::servers::find(app, id).await?;
    due(
        app,
        server,
        app.clock.now(),
        app.settings.on_request_per_day,
    )
    .await
}

fn open(app: &AppState) -> Result<(), AppError> {
    if app.settings.accept_submissions {
        return Ok(());
    }
    Err(Problem::new(
        "forbidden",
        StatusCode::FORBIDDEN,
        "Scans are not taken on request",
        "This installation scans on its own schedule only.",
    )
    .into())
}

async fn due(
    app: &AppState,
    server: ServerRow,
    now: Millis,
    per_day: Option<u32>,
) -> Result<Wish, AppError> {
    let wishing = Wishing {
        cooldown_ms: app.settings.cooldown_ms,
        per_day,
    };
    let answer = app
        .store
        .wish(&server.id, now, &wishing)
        .await?
        .ok_or_else(|| AppError::not_found("There is no server with this id."))?;
    // Who wishes for what is queued or running already gets the id of the first wish.
    let since = match &answer {
        DueAnswer::Queued { since, .. } | DueAnswer::Running { since, .. } => *since,
        DueAnswer::TooSoon { .. } => now,
    };
    Ok(Wish {
        id: write(&server.id, since),
        server,
        answer,
    })
}

/// `wsh_` with the server's id and the instant of the wish.
fn write(server: &str, now: Millis) -> String {
    let server = server.strip_prefix("srv_").unwrap_or(server);
    format!("wsh_{server}_{:x}", now.0.max(0))
}

/// Reads the id of a wish: the server, and since when.
pub(crate) fn read(id: &str) -> Option<(String, Millis)> {
    let (server, since) = id.strip_prefix("wsh_")?.split_once('_')?;
    let server = format!("srv_{server}");
    store::ids::Kind::Server.read(&server)?;
    let since = i64::from_str_radix(since, 16).ok().filter(|at| *at >= 0)?;
    Some((server, Millis(since)))
}

#[cfg(test)]
mod tests {
    use super::{read, write};
    use scanner::time::Millis;

    #[test]
    fn wishes_read_back() {
        let server = store::ids::Kind::Server.fresh(Millis(1_795_144_327_000));
        let now = Millis(1_795_144_327_123);
        assert_eq!(read(&write(&server, now)), Some((server, now)));
        for no in [
            "wsh_",
            "wsh_x_1",
            "scn_1",
            "wsh_00000000000000000000000000_-1",
        ] {
            assert_eq!(read(no), None, "{no}");
        }
    }
}
