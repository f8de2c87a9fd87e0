//! The host under our control that consented scans need: serves their client documents and
//! canaries below `/canary/{nonce}/` and remembers who came. What is served stands in
//! [`scanner::canary`]; here it goes over the wire.
//!
//! Nothing is served for a scan that is not expected, and everything is forgotten after an
//! hour. Queries are not kept: a code that lands here is nobody's to read.

mod listen;
mod visits;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION, USER_AGENT};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use futures_util::StreamExt as _;
use scanner::canary::{self, Served};
use scanner::net::{self, OwnHosting};

pub use listen::{Listening, OwnHostError, listen};
pub use visits::Visits;

use visits::Stay;

/// Path below which scans have their documents.
const BELOW: &str = "/canary";

/// Bytes of a body that are handed out at a time, so that what was taken can be counted.
const CHUNK: usize = 16 * 1024;

/// The own host as an address and its memory.
#[derive(Clone, Debug)]
pub struct OwnHost {
    base: String,
    visits: Arc<Visits>,
}

impl OwnHost {
    /// An own host that is reached at this URL from outside.
    ///
    /// # Errors
    ///
    /// If it is no https URL of an origin alone.
    pub fn new(public_url: &str) -> Result<Self, OwnHostError> {
        let fault = || OwnHostError::Url(public_url.to_owned());
        let url = url::Url::parse(public_url).map_err(|_| fault())?;
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        let plain = url.username().is_empty() && url.password().is_none();
        if url.scheme() != "https" || url.host_str().is_none() || !bare || !plain {
            return Err(fault());
        }
        Ok(Self {
            base: format!("{}{BELOW}", url.origin().ascii_serialization()),
            visits: Arc::default(),
        })
    }

    /// What a scanner needs to know of it.
    #[must_use]
    pub fn hosting(&self) -> OwnHosting {
        OwnHosting {
            base: self.base.clone(),
            host: Arc::clone(&self.visits) as Arc<dyn net::OwnHost>,
        }
    }

    /// Its documents, to be served beside something else.
    pub fn router(&self) -> Router {
        Router::new()
            .route(&format!("{BELOW}/{{*rest}}"), any(below))
            .with_state(self.clone())
    }

    /// Its documents and the root of the origin, which is a canary, too.
    pub fn whole(&self) -> Router {
        Router::new()
            .route("/", any(root))
            .with_state(self.clone())
            .merge(self.router())
    }

    /// Answers, and notes the visit.
    fn serve(&self, nonce: &str, served: Option<Served>, request: &Request) -> Response {
        let Some(served) = served else {
            return StatusCode::NOT_FOUND.into_response();
        };
        let agent = request.headers().get(USER_AGENT);
        let agent = agent.and_then(|value| value.to_str().ok());
        let stay = self.visits.enter(
            nonce,
            &served.what,
            request.method().as_str(),
            agent,
            peer(request),
        );
        let Some(stay) = stay else {
            return StatusCode::NOT_FOUND.into_response();
        };
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return StatusCode::METHOD_NOT_ALLOWED.into_response();
        }
        answer(served, stay)
    }
}

/// Below `/canary/`: the nonce of a scan, then what it wants served. Dot segments arrive here
/// as they were sent.
async fn below(State(own): State<OwnHost>, request: Request) -> Response {
    let path = request.uri().path();
    let rest = path.strip_prefix(BELOW).unwrap_or_default();
    let Some((nonce, rest)) = rest.trim_start_matches('/').split_once('/') else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let served = canary::answer(&own.base, nonce, rest);
    own.serve(nonce, served, &request)
}

/// The origin alone: the scan that was heard of last wants it.
async fn root(State(own): State<OwnHost>, request: Request) -> Response {
    let Some(nonce) = own.visits.latest() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let served = canary::answer_root(&own.base, &nonce);
    own.serve(&nonce, served, &request)
}

fn peer(request: &Request) -> Option<IpAddr> {
    let extensions = request.extensions();
    let site = extensions.get::<ConnectInfo<SocketAddr>>();
    let own = extensions.get::<ConnectInfo<listen::Peer>>();
    site.map(|info| info.0.ip())
        .or_else(|| own.map(|info| info.0.0.ip()))
}

fn answer(served: Served, stay: Stay) -> Response {
    let mut response = Response::new(Body::from_stream(body(
        served.body.into_bytes(),
        served.stall_seconds,
        stay,
    )));
    *response.status_mut() =
        StatusCode::from_u16(served.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(served.media));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(location) = served
        .location
        .and_then(|to| HeaderValue::from_str(&to).ok())
    {
        headers.insert(LOCATION, location);
    }
    response
}

/// The body in pieces. The visitor's stay ends when the stream is dropped, at its end or
/// because the visitor left.
fn body(
    bytes: Vec<u8>,
    stall_seconds: u32,
    stay: Stay,
) -> impl futures_util::Stream<Item = Result<Bytes, std::convert::Infallible>> {
    let bytes = Bytes::from(bytes);
    let wait = Duration::from_secs(u64::from(stall_seconds));
    let waited = futures_util::stream::once(async move {
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    })
    .filter_map(|()| std::future::ready(None::<usize>));
    let pieces = futures_util::stream::iter((0..bytes.len()).step_by(CHUNK));
    waited.chain(pieces).map(move |start| {
        let piece = bytes.slice(start..bytes.len().min(start + CHUNK));
        stay.took(piece.len());
        Ok(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::to_bytes;
    use scanner::net::instant;
    use tower::ServiceExt as _;

    const NONCE: &str = "abcdefghijklmnopqrstuvwxyz";

    fn own() -> OwnHost {
        OwnHost::new("https://own.example.net").unwrap()
    }

    async fn send(own: &OwnHost, method: &str, path: &str) -> Response {
        let request = Request::builder().method(method).uri(path);
        let request = request.header(USER_AGENT, "a fetcher").body(Body::empty());
        own.whole().oneshot(request.unwrap()).await.unwrap()
    }

    fn visits(own: &OwnHost) -> Vec<scanner::evidence::Visit> {
        own.hosting().host.visits(NONCE, instant())
    }

    #[tokio::test]
    async fn documents_are_served_to_scans_that_are_expected() {
        let own = own();
        let good = format!("/canary/{NONCE}/cimd_good");
        for path in [good.as_str(), "/", "/canary", "/canary/", "/elsewhere"] {
            let status = send(&own, "GET", path).await.status();
            assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        }
        own.hosting().host.expect(NONCE);
        let response = send(&own, "GET", &format!("{good}?code=canary")).await;
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        let document: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            document["client_id"],
            format!("https://own.example.net{good}")
        );
        assert_eq!(
            send(&own, "POST", &good).await.status(),
            StatusCode::METHOD_NOT_ALLOWED
        );
        assert_eq!(send(&own, "GET", "/").await.status(), StatusCode::OK);
        let seen = visits(&own);
        let what: Vec<(&str, &str)> = seen
            .iter()
            .map(|visit| (visit.what.as_str(), visit.method.as_str()))
            .collect();
        assert_eq!(
            what,
            [
                ("cimd_good", "GET"),
                ("cimd_good", "POST"),
                ("cimd_no_path", "GET")
            ]
        );
        assert_eq!(seen[0].user_agent.as_deref(), Some("a fetcher"));
        assert!(!format!("{seen:?}").contains("canary"), "{seen:?}");
    }

    #[tokio::test]
    async fn what_was_taken_is_counted_and_leaving_is_noticed() {
        let own = own();
        own.hosting().host.expect(NONCE);
        let large = send(&own, "GET", &format!("/canary/{NONCE}/cimd_large")).await;
        let length = to_bytes(large.into_body(), 1 << 20).await.unwrap().len();
        let stalling = send(&own, "GET", &format!("/canary/{NONCE}/cimd_stalling")).await;
        drop(stalling);
        let seen = visits(&own);
        assert_eq!(seen[0].bytes, u64::try_from(length).ok());
        assert_eq!(seen[1].bytes, Some(0));
        // It has left: its stay grows no more.
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(visits(&own)[1].took_ms, seen[1].took_ms);
    }

    #[test]
    fn the_address_is_an_https_origin() {
        for text in [
            "http://own.example.net",
            "https://own.example.net/path",
            "https://own.example.net/?x",
            "https://u@own.example.net",
            "own.example.net",
            "",
        ] {
            assert!(OwnHost::new(text).is_err(), "{text}");
        }
        let own = OwnHost::new("https://own.example.net:8443/").unwrap();
        assert_eq!(own.hosting().base, "https://own.example.net:8443/canary");
    }
}
