//! Every route of pages and API, on one screen, and the layers around them.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::sync::Semaphore;
use tower::Layer;
use tower::util::MapRequestLayer;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate};
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::trace::TraceLayer;

use crate::api::v1;
use crate::error::AppError;
use crate::layers::{Around, around};
use crate::limits::Limits;
use crate::openapi::{self, Documented};
use crate::{AppState, assets, feeds, pages, registry, twin};

/// Longest body of a request.
const BODY: usize = 64 * 1024;
/// Longest time for an answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// Longest time for an answer that the caller wants to wait for.
const LONG_PATIENCE: Duration = Duration::from_secs(40);

/// The whole site. Serve it with
/// [`into_make_service_with_connect_info`](Router::into_make_service_with_connect_info), so
/// that clients can be told apart.
pub fn router(app: AppState) -> Router {
    let concurrency = app.settings.concurrency;
    let shared = Around {
        limits: Arc::new(Limits::new(&app.settings)),
        cache: Arc::default(),
        app: app.clone(),
    };
    let inner = Router::new()
        .merge(pages())
        .merge(api().into_router())
        .merge(registry("/v0.1").into_router())
        .merge(registry("/v0").into_router())
        .merge(service().into_router())
        .fallback(async || AppError::not_found("There is nothing at this address."))
        .with_state(app)
        .layer(RequestBodyLimitLayer::new(BODY))
        .layer(middleware::from_fn(in_time))
        .layer(CatchPanicLayer::custom(|_| {
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }))
        .layer(middleware::from_fn_with_state(
            Arc::new(Semaphore::new(concurrency.max(1))),
            unless_full,
        ))
        .layer(CompressionLayer::new().compress_when(compressible()))
        .layer(middleware::from_fn_with_state(shared, around))
        .layer(TraceLayer::new_for_http().make_span_with(span));
    // Twins have another address than what answers them, so the address is changed before
    // anything is matched.
    let rewritten = MapRequestLayer::new(twin::rewrite::<axum::body::Body>).layer(inner);
    Router::new().fallback_service(rewritten)
}

/// What is worth compressing: files of exports are compressed already, or read by their bytes.
fn compressible() -> impl Predicate {
    DefaultPredicate::new()
        .and(NotForContentType::const_new("application/zstd"))
        .and(NotForContentType::const_new("application/vnd."))
}

/// Refuses at once what is more than can be answered at a time: waiting would only make
/// everybody slow.
async fn unless_full(
    State(places): State<Arc<Semaphore>>,
    request: Request,
    next: middleware::Next,
) -> Response {
    match places.try_acquire() {
        Ok(_place) => next.run(request).await,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// Gives up what takes too long.
async fn in_time(request: Request, next: middleware::Next) -> Response {
    let patience = if request.headers().contains_key("prefer") {
        LONG_PATIENCE
    } else {
        PATIENCE
    };
    match tokio::time::timeout(patience, next.run(request)).await {
        Ok(response) => response,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// A span per request; the query is not logged, it may hold what a visitor typed, and neither is
/// an owner's secret.
fn span(request: &Request) -> tracing::Span {
    let path = match request.uri().path() {
        path if path.starts_with("/owner/") => "/owner/…",
        path => path,
    };
    tracing::info_span!("request", method = %request.method(), path)
}

fn pages() -> Router<AppState> {
    Router::new()
        .route("/", get(pages::home::page))
        .route("/lookup", get(pages::servers::lookup))
        .route("/servers", get(pages::servers::list))
        .route("/servers/{id}", get(pages::server::page))
        .route("/servers/{id}/history", get(pages::history::page))
        .route("/servers/{id}/rescan", post(pages::server::rescan))
        .route("/scans/{id}", get(pages::scan::page))
        .route("/scans/{id}/what-if", get(pages::what_if::page))
        .route("/compare/{pair}", get(pages::compare::page))
        .route("/changes", get(pages::changes::page))
        .route("/checks", get(pages::check::list))
        .route("/checks/{id}", get(pages::check::one))
        .route("/as", get(pages::identity::all))
        .route("/as/{product}", get(pages::identity::one))
        .route("/issuers/{id}", get(pages::issuer::page))
        .route("/stats", get(pages::stats::page))
        .route("/radar", get(pages::radar::page))
        .route("/methodology", get(pages::about::methodology))
        .route("/policy", get(pages::about::policy))
        .route("/meter", get(pages::meter::page))
        .route("/why/{id}", get(pages::why::page))
        .route("/opt-out", get(pages::leave::page).post(pages::leave::ask))
        .route(
            "/servers/{id}/owner",
            get(pages::owner::start).post(pages::owner::begin),
        )
        .route("/owner/{secret}", get(pages::owner::page))
        .route("/owner/{secret}/{verb}", post(pages::owner::act))
        .route("/egress.json", get(pages::signpost::egress))
        .route("/submit", get(pages::submit::page).post(pages::submit::ask))
        .route("/feeds/{file}", get(feeds::changes))
        .route("/servers/{id}/{file}", get(feeds::server))
        .route("/exports", get(pages::exports::page))
        .route("/exports/{edition}/{file}", get(v1::exports::file))
        .route("/_components", get(pages::components::page))
        .route("/static/{file}", get(assets::file))
        .route("/favicon.svg", get(assets::icon))
        .route("/docs/problems/{kind}", get(pages::plain::problem))
        .route("/docs/api", get(pages::docs::page))
        .route("/robots.txt", get(pages::plain::robots))
        .route("/.well-known/security.txt", get(pages::plain::security))
        .route("/.well-known/probing.txt", get(pages::signpost::probing))
}

/// Health alone, for a process that only works: nothing else is answered.
pub fn health(state: AppState) -> Router {
    Router::new()
        .route("/healthz", get(pages::plain::health))
        .route("/readyz", get(pages::plain::ready))
        .with_state(state)
}

/// Paths of every route that the description of the API has to name.
#[must_use]
pub fn documented() -> Vec<String> {
    let mut paths = api().paths();
    paths.extend(registry("/v0.1").paths());
    paths.extend(registry("/v0").paths());
    paths.extend(service().paths());
    paths
}

/// What clients of the official registry ask for.
fn registry(base: &'static str) -> Documented {
    Documented::under(base)
        .route("/servers", get(registry::list))
        .route("/servers/{name}/versions", get(registry::versions))
        .route("/servers/{name}/versions/{version}", get(registry::version))
}

/// What programs ask for outside of the API proper.
fn service() -> Documented {
    Documented::under("")
        .route("/badges/{file}", get(pages::badge::file))
        .route("/version", get(openapi::version))
        .route("/openapi.json", get(openapi::file))
        .route("/.well-known/api-catalog", get(openapi::catalogue))
        .route("/healthz", get(pages::plain::health))
        .route("/readyz", get(pages::plain::ready))
}

fn api() -> Documented {
    Documented::under("/api/v1")
        .route("/servers", get(v1::servers::all))
        .route("/servers/lookup", get(v1::servers::lookup))
        .route("/servers/{id}", get(v1::servers::one))
        .route("/servers/{id}/scans", get(v1::servers::scans))
        .route("/servers/{id}/listings", get(v1::listings::all))
        .route("/scans", post(v1::scans::ask))
        .route("/scans/{id}", get(v1::scans::one))
        .route("/scans/{id}/report", get(v1::scans::report))
        .route("/scans/{id}/reports", get(v1::scans::reports))
        .route("/scans/{id}/reports/{rubric}", get(v1::scans::report_under))
        .route("/scans/{id}/evidence", get(v1::scans::evidence))
        .route("/scans/{id}/what-if", get(v1::what_if::one))
        .route("/diffs/{pair}", get(v1::diffs::one))
        .route("/changes", get(v1::changes::all))
        .route("/checks", get(v1::checks::all))
        .route("/checks/{id}", get(v1::checks::one))
        .route("/rubrics", get(v1::rubrics::all))
        .route("/rubrics/{version}", get(v1::rubrics::one))
        .route("/stats", get(v1::stats::all))
        .route("/stats/{series}", get(v1::stats::one))
        .route("/radar", get(v1::radar::all))
        .route("/authorization-servers", get(v1::identity::all))
        .route(
            "/authorization-servers/{product}",
            get(v1::identity::product),
        )
        .route("/issuers/{id}", get(v1::identity::issuer))
        .route("/methodology", get(v1::about::methodology))
        .route("/policy", get(v1::about::policy))
        .route("/meter", get(v1::meter::all))
        .route("/why/{id}", get(v1::why::one))
        .route("/exports", get(v1::exports::all))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use tokio::sync::Notify;
    use tower::ServiceExt as _;

    #[tokio::test]
    async fn what_is_too_much_is_refused_at_once() {
        let (arrived, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let waits = {
            let (arrived, go_on) = (Arc::clone(&arrived), Arc::clone(&go_on));
            move || async move {
                arrived.notify_one();
                go_on.notified().await;
                "done"
            }
        };
        let app: Router =
            Router::new()
                .route("/", get(waits))
                .layer(middleware::from_fn_with_state(
                    Arc::new(Semaphore::new(1)),
                    unless_full,
                ));
        let ask = || app.clone().oneshot(Request::new(Body::empty()));
        let first = tokio::spawn(ask());
        arrived.notified().await;
        let second = ask().await.expect("answered");
        assert_eq!(second.status(), StatusCode::SERVICE_UNAVAILABLE);
        go_on.notify_one();
        let first = first.await.expect("it ends").expect("answered");
        assert_eq!(first.status(), StatusCode::OK);
    }
}
