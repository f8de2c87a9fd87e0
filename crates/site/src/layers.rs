//! What every answer passes on its way out: request id, allowance, conditional requests,
//! errors in the right form, and the headers of security and caching.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use scanner::time::Millis;
use sha2::{Digest, Sha256};

use crate::AppState;
use crate::cache::{Cache, Kept, Key};
use crate::error::{AppError, Problem};
use crate::limits::{Limits, Standing};
use crate::pages;
use crate::twin::Twin;

/// Media type of a patch (RFC 6902).
pub(crate) const PATCH: &str = "application/json-patch+json";

/// The minute in which the request is answered. Whatever depends on the time depends on this,
/// so that an answer is a function of the data's version and the minute.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now(pub(crate) Millis);

/// Who asks, for handlers that tell callers apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller(Option<IpAddr>);

impl Caller {
    /// A name under which this caller and its neighbours are one.
    pub(crate) fn name(&self) -> String {
        match self.0.map(crate::limits::group) {
            Some(address) => address.to_string(),
            None => String::new(),
        }
    }
}

/// Shared by all requests.
#[derive(Debug, Clone)]
pub(crate) struct Around {
    pub(crate) app: AppState,
    pub(crate) limits: Arc<Limits>,
    pub(crate) cache: Arc<Cache>,
}

/// The outermost layer of our own.
pub(crate) async fn around(
    State(site): State<Around>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = request_id();
    let now = Millis(site.app.clock.now().0.div_euclid(60_000) * 60_000);
    request.extensions_mut().insert(Now(now));
    let asked = Asked::of(&request);
    let free = asked.path.starts_with("/static/")
        || asked.path.ends_with("healthz")
        || asked.path.ends_with("readyz");
    let client = client(&site.app, &request);
    request.extensions_mut().insert(Caller(client));
    let standing = (!free).then(|| site.limits.reads.take(client));
    let mut wishes = None;
    let mut response = match standing {
        Some(standing) if !standing.admitted => too_many(standing),
        _ => match refused(&site, &asked, client, &mut wishes) {
            Some(problem) => told(problem),
            None => conditional(&site, &asked, now, request, next).await,
        },
    };
    if asked.method == Method::OPTIONS && response.status() == StatusCode::METHOD_NOT_ALLOWED {
        *response.status_mut() = StatusCode::NO_CONTENT;
    }
    let mut response = explained(&site.app, &asked, now, &id, response);
    if let Some(standing) = standing {
        let mut policy = site.limits.reads.policy();
        let mut left = site.limits.reads.standing(standing);
        if let Some(wishes) = wishes {
            policy.push_str(&format!(", {}", site.limits.scans.policy()));
            left.push_str(&format!(", {}", site.limits.scans.standing(wishes)));
        }
        put(response.headers_mut(), "ratelimit-policy", &policy);
        put(response.headers_mut(), "ratelimit", &left);
    }
    secure(&site.app, &asked, &id, response.headers_mut());
    response
}

/// What the outer layers need to remember of a request.
struct Asked {
    method: Method,
    path: String,
    query: Option<String>,
    twin: Option<Twin>,
    agent: bool,
    gzip: bool,
    none_match: Option<String>,
    /// A difference is wanted as a patch.
    patch: bool,
}

impl Asked {
    fn of(request: &Request) -> Self {
        let header = |name| {
            request
                .headers()
                .get(name)
                .and_then(|value: &HeaderValue| value.to_str().ok())
        };
        Self {
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            query: request.uri().query().map(str::to_owned),
            twin: request.extensions().get::<Twin>().cloned(),
            agent: header(header::USER_AGENT).is_some_and(|agent| !agent.trim().is_empty()),
            gzip: header(header::ACCEPT_ENCODING).is_some_and(|all| all.contains("gzip")),
            none_match: header(header::IF_NONE_MATCH).map(str::to_owned),
            patch: request.uri().path().starts_with("/api/v1/diffs/")
                && header(header::ACCEPT).is_some_and(|all| all.contains(PATCH)),
        }
    }

    /// Under an address where callers have to name themselves.
    fn api(&self) -> bool {
        self.path.starts_with("/api/") || self.registry()
    }

    /// The part that speaks like the official registry.
    fn registry(&self) -> bool {
        self.path.starts_with("/v0/") || self.path.starts_with("/v0.1/")
    }

    /// Asked for by programs: refusals are documents and no pages.
    fn program(&self) -> bool {
        const OTHERS: [&str; 3] = ["/openapi.json", "/version", "/.well-known/api-catalog"];
        self.api() || self.path.starts_with("/badges/") || OTHERS.contains(&self.path.as_str())
    }

    fn reads(&self) -> bool {
        matches!(self.method, Method::GET | Method::HEAD)
    }
}

/// Refusals that need no handler. Where a wish is counted, `wishes` says how it stands.
fn refused(
    site: &Around,
    asked: &Asked,
    client: Option<IpAddr>,
    wishes: &mut Option<Standing>,
) -> Option<Problem> {
    if asked.api() && !asked.agent && asked.method != Method::OPTIONS {
        return Some(Problem::new(
            "user-agent-required",
            StatusCode::FORBIDDEN,
            "Say who you are",
            "Send a User-Agent header that names your program, so that we can reach you when it misbehaves.",
        ));
    }
    let wish = asked.method == Method::POST
        && (asked.path == "/api/v1/scans"
            || asked.path == "/submit"
            || asked.path == "/opt-out"
            || asked.path.ends_with("/owner")
            || asked.path.ends_with("/rescan"));
    if wish {
        let standing = site.limits.scans.take(client);
        *wishes = Some(standing);
        if !standing.admitted {
            let seconds = i64::try_from(standing.seconds).unwrap_or(3600);
            return Some(
                Problem::new(
                    "quota-exceeded",
                    StatusCode::TOO_MANY_REQUESTS,
                    "Too many scans asked for",
                    "You have asked for as many scans as one client may within an hour.",
                )
                .retry_after(seconds),
            );
        }
    }
    None
}

fn too_many(standing: Standing) -> Response {
    let seconds = i64::try_from(standing.seconds).unwrap_or(60);
    told(
        Problem::new(
            "quota-exceeded",
            StatusCode::TOO_MANY_REQUESTS,
            "Too many requests",
            "You have asked for more than one client may within a minute. Wait a moment, or use an export.",
        )
        .retry_after(seconds),
    )
}

fn told(problem: Problem) -> Response {
    let mut response = problem.status.into_response();
    response.extensions_mut().insert(problem);
    response
}

/// How long an answer may be kept, and what it depends on.
struct Keep {
    control: &'static str,
    /// Depends on nothing that is filed later.
    frozen: bool,
}

fn keep(asked: &Asked) -> Option<Keep> {
    let path = asked.path.as_str();
    let query = asked.query.as_deref().unwrap_or_default();
    let of = |control, frozen| Some(Keep { control, frozen });
    const LIST: &str = "public, max-age=60, stale-while-revalidate=600";
    const FROZEN: &str = "public, max-age=86400, immutable";
    match path.strip_prefix("/api/v1").unwrap_or_default() {
        "" => match path {
            "/healthz" | "/readyz" | "/lookup" => None,
            path if path.starts_with("/owner/") => None,
            path if path.starts_with("/static/") || path.starts_with("/favicon") => None,
            // Streamed, with tags of their own.
            path if path.starts_with("/exports/") => None,
            path if path.starts_with("/badges/")
                || path.starts_with("/feeds/")
                || path.contains("/feed.") =>
            {
                of("public, max-age=300", false)
            }
            path if path.starts_with("/scans/")
                || path == "/openapi.json"
                || path == "/.well-known/api-catalog" =>
            {
                of("public, max-age=3600", false)
            }
            path if path.starts_with("/v0/") || path.starts_with("/v0.1/") => of(LIST, false),
            _ => of("public, max-age=60", false),
        },
        "/servers" | "/changes" => of(LIST, false),
        "/servers/lookup" => None,
        api if api.starts_with("/servers/") && api.ends_with("/scans") => of(LIST, false),
        api if api.starts_with("/servers/") => of("public, max-age=60", false),
        api if api.starts_with("/scans/wsh_") => None,
        api if api.starts_with("/scans/") && api.ends_with("/today") => {
            of("public, max-age=3600", false)
        }
        api if api.starts_with("/scans/scn_") => of(FROZEN, true),
        api if api.starts_with("/diffs/")
            && api.matches("scn_").count() == 2
            && query.is_empty() =>
        {
            of(FROZEN, true)
        }
        "/meter" => of("public, max-age=300", false),
        api if [
            "/checks",
            "/stats",
            "/rubrics",
            "/radar",
            "/authorization-servers",
            "/issuers",
        ]
        .iter()
        .any(|start| api.starts_with(start)) =>
        {
            of("public, max-age=3600", false)
        }
        _ => of("public, max-age=60", false),
    }
}

/// Answers 304 when the reader has what would be sent, answers from memory what was asked for
/// before, and labels what is sent.
async fn conditional(
    site: &Around,
    asked: &Asked,
    now: Millis,
    request: Request,
    next: Next,
) -> Response {
    let keep = keep(asked).filter(|_| asked.reads());
    let Some(keep) = keep else {
        let mut response = next.run(request).await;
        if !asked.reads() {
            site.cache.forget();
        }
        response
            .headers_mut()
            .entry(header::CACHE_CONTROL)
            .or_insert(HeaderValue::from_static("no-store"));
        return response;
    };
    let generation = match generation(site, now).await {
        Ok(generation) => generation,
        Err(error) => return error.into_response(),
    };
    let tag = tag(&site.app, asked, &keep, generation, now);
    let known = asked.none_match.as_deref().is_some_and(|known| {
        known
            .split(',')
            .any(|one| one.trim().trim_start_matches("W/") == tag)
    });
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        written(site, asked, (generation, now), request, next).await
    };
    let control = match response.status() {
        StatusCode::OK | StatusCode::NOT_MODIFIED => {
            put(response.headers_mut(), "etag", &tag);
            keep.control
        }
        StatusCode::NOT_FOUND => "public, max-age=60",
        _ => "no-store",
    };
    put(response.headers_mut(), "cache-control", control);
    response
}

/// The version of the data, not older than the settings allow.
async fn generation(site: &Around, minute: Millis) -> Result<i64, AppError> {
    let now = site.app.clock.now();
    let patience = site.app.settings.data_version_ms;
    if let Some(known) = site.cache.generation(now, minute, patience) {
        return Ok(known);
    }
    let generation = site.app.store.generation().await?;
    site.cache.note(now, generation, minute);
    Ok(generation)
}

/// The answer, from memory if it was written before in this state of the data.
async fn written(
    site: &Around,
    asked: &Asked,
    state: (i64, Millis),
    request: Request,
    next: Next,
) -> Response {
    if asked.method != Method::GET {
        return next.run(request).await;
    }
    let key = Key {
        address: match (&asked.query, asked.patch) {
            (Some(query), false) => format!("{}?{query}", asked.path),
            (None, false) => asked.path.clone(),
            (query, true) => format!("{}?{}#patch", asked.path, query.as_deref().unwrap_or("")),
        },
        gzip: asked.gzip,
    };
    if let Some(kept) = site.cache.find(state, &key) {
        let mut response = Response::new(Body::from(kept.body.clone()));
        *response.headers_mut() = kept.headers.clone();
        return response;
    }
    let response = next.run(request).await;
    if response.status() != StatusCode::OK {
        return response;
    }
    let (parts, body) = response.into_parts();
    let Ok(body) = to_bytes(body, usize::MAX).await else {
        return Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR)
            .status
            .into_response();
    };
    let kept = Kept {
        headers: parts.headers.clone(),
        body: body.clone(),
    };
    site.cache.keep(state, key, kept);
    Response::from_parts(parts, Body::from(body))
}

/// The entity tag: everything that an answer is a function of.
fn tag(app: &AppState, asked: &Asked, keep: &Keep, generation: i64, now: Millis) -> String {
    let mut hash = Sha256::new();
    hash.update(env!("CARGO_PKG_VERSION"));
    hash.update(crate::assets::STYLESHEET.as_bytes());
    hash.update(scanner::rubric::current().version);
    hash.update(format!("{:?}", app.settings));
    hash.update(&asked.path);
    hash.update([0]);
    hash.update(asked.query.as_deref().unwrap_or_default());
    hash.update([0, u8::from(asked.patch)]);
    if !keep.frozen {
        hash.update(generation.to_be_bytes());
        hash.update(now.0.to_be_bytes());
    }
    let digest: String = hash.finalize()[..9]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("\"{digest}\"")
}

/// Writes errors as a page or as a problem document.
fn explained(
    app: &AppState,
    asked: &Asked,
    now: Millis,
    id: &str,
    mut response: Response,
) -> Response {
    let status = response.status();
    let problem = match response.extensions_mut().remove::<Problem>() {
        Some(problem) => problem,
        None if (status.is_client_error() || status.is_server_error())
            && !response.headers().contains_key("x-explained") =>
        {
            Problem::of_status(status)
        }
        None => return response,
    };
    let mut out = if asked.registry() {
        let body = serde_json::json!({ "error": problem.detail }).to_string();
        let media = [(header::CONTENT_TYPE, "application/json")];
        (problem.status, media, body).into_response()
    } else if asked.program() {
        let base = app.settings.absolute("");
        let instance = match &asked.twin {
            Some(twin) => twin.api.as_str(),
            None => asked.path.as_str(),
        };
        let body = problem.document(&base, instance, id).to_string();
        let media = [(header::CONTENT_TYPE, "application/problem+json")];
        (problem.status, media, body).into_response()
    } else {
        pages::problem::page(app, now, &asked.path, asked.query.as_deref(), &problem, id)
    };
    for name in [header::ALLOW, header::CACHE_CONTROL] {
        if let Some(value) = response.headers().get(&name) {
            out.headers_mut().insert(name, value.clone());
        }
    }
    if let Some(seconds) = problem.retry_after {
        put(out.headers_mut(), "retry-after", &seconds.to_string());
    }
    out
}

const PAGE_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
const DATA_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// The headers of section 14.4 of the product's design, and those that every answer carries.
fn secure(app: &AppState, asked: &Asked, id: &str, headers: &mut HeaderMap) {
    let shared = asked.program() || asked.path.starts_with("/exports/");
    let page = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|media| media.as_bytes().starts_with(b"text/html"));
    put(headers, "request-id", id);
    put(
        headers,
        "content-security-policy",
        if page { PAGE_POLICY } else { DATA_POLICY },
    );
    put(headers, "x-content-type-options", "nosniff");
    put(headers, "referrer-policy", "no-referrer");
    put(
        headers,
        "permissions-policy",
        "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    );
    put(headers, "cross-origin-opener-policy", "same-origin");
    put(
        headers,
        "cross-origin-resource-policy",
        if shared {
            "cross-origin"
        } else {
            "same-origin"
        },
    );
    if app.settings.https() {
        put(headers, "strict-transport-security", "max-age=31536000");
    }
    if let Some(twin) = &asked.twin {
        put(headers, "content-location", &twin.api);
    }
    let preflight = asked.method == Method::OPTIONS;
    if shared && (asked.reads() || preflight) {
        put(headers, "access-control-allow-origin", "*");
        put(
            headers,
            "access-control-expose-headers",
            "ETag, Link, Location, RateLimit, RateLimit-Policy, Request-Id, Retry-After",
        );
    }
    if shared && preflight {
        put(headers, "access-control-allow-methods", "GET, HEAD");
        put(headers, "access-control-allow-headers", "if-none-match");
        put(headers, "access-control-max-age", "86400");
    }
}

fn put(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

/// Who asks: the peer, or behind a proxy of our own the last address it names.
fn client(app: &AppState, request: &Request) -> Option<IpAddr> {
    if app.settings.behind_proxy {
        let named = request.headers().get("x-forwarded-for")?.to_str().ok()?;
        return named.rsplit(',').next()?.trim().parse().ok();
    }
    request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .map(|peer| peer.0.ip())
}

/// An id that nobody can guess and that is not used twice: a counter under a key that the
/// process draws when it starts.
fn request_id() -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    static KEYS: LazyLock<(RandomState, RandomState)> =
        LazyLock::new(|| (RandomState::new(), RandomState::new()));
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    let high = KEYS.0.hash_one(count);
    let low = KEYS.1.hash_one(count);
    format!("req_{high:016x}{low:016x}")
}
