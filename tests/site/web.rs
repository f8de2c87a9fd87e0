//! Asks the router without a socket, and reads what comes back.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use scanner::time::{FixedClock, Millis};
use serde_json::Value;
use site::{AppState, SiteSettings, router};
use store::Store;
use tempfile::TempDir;
use tower::ServiceExt;

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map(|value| value.to_str().expect("readable"))
            .unwrap_or_default()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("UTF-8")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}

/// A store and the folder it lives in, which goes when the test ends.
pub(crate) struct Kept {
    store: Store,
    folder: Option<TempDir>,
}

impl From<Store> for Kept {
    fn from(store: Store) -> Self {
        Self {
            store,
            folder: None,
        }
    }
}

/// A store with twelve weeks of the sample fleet, and its newest instant. It is filled once
/// and copied for each test.
pub(crate) async fn filled() -> (Kept, Millis) {
    static MASTER: OnceLock<(Vec<u8>, Millis)> = OnceLock::new();
    let (bytes, now) = MASTER.get_or_init(|| {
        // A thread of its own: a test's runtime cannot wait for another one.
        std::thread::spawn(master)
            .join()
            .expect("the store is filled")
    });
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("copy.db");
    std::fs::write(&path, bytes).expect("written");
    let store = Store::open(&format!("sqlite://{}", path.display())).await;
    let kept = Kept {
        store: store.expect("opens"),
        folder: Some(folder),
    };
    (kept, *now)
}

fn master() -> (Vec<u8>, Millis) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("master.db");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let now = runtime.block_on(async {
        let store = Store::open(&format!("sqlite://{}", path.display())).await;
        let store = store.expect("opens");
        store.migrate().await.expect("migrates");
        let now = crate::sample::fill(&store).await;
        store.close().await;
        now
    });
    (std::fs::read(path).expect("read"), now)
}

/// The site over a store.
pub(crate) struct Web {
    pub(crate) router: Router,
    pub(crate) store: Store,
    pub(crate) clock: Arc<FixedClock>,
    _folder: Option<TempDir>,
}

impl Web {
    pub(crate) fn new(kept: impl Into<Kept>, now: Millis, settings: SiteSettings) -> Self {
        let Kept { store, folder } = kept.into();
        let clock = Arc::new(FixedClock::new(now));
        let app = AppState {
            store: store.clone(),
            clock: clock.clone(),
            settings: Arc::new(settings),
        };
        Self {
            router: router(app),
            store,
            clock,
            _folder: folder,
        }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Got {
        let method = request.method().to_string();
        let path = request.uri().to_string();
        let response = self
            .router
            .clone()
            .oneshot(request)
            .await
            .expect("the router does not fail");
        let (parts, body) = response.into_parts();
        let got = Got {
            status: parts.status,
            headers: parts.headers,
            body: to_bytes(body, 8 << 20).await.expect("a body").to_vec(),
        };
        crate::described::fits(&method, &path, &got);
        got
    }

    pub(crate) async fn get(&self, path: &str) -> Got {
        self.send(ask("GET", path).body(Body::empty()).expect("a request"))
            .await
    }

    pub(crate) async fn get_with(&self, path: &str, name: &str, value: &str) -> Got {
        let request = ask("GET", path).header(name, value);
        self.send(request.body(Body::empty()).expect("a request"))
            .await
    }

    pub(crate) async fn post_json(&self, path: &str, body: &str) -> Got {
        let request = ask("POST", path).header("content-type", "application/json");
        self.send(
            request
                .body(Body::from(body.to_owned()))
                .expect("a request"),
        )
        .await
    }

    /// A page that must be there.
    pub(crate) async fn page(&self, path: &str) -> String {
        let got = self.get(path).await;
        assert_eq!(got.status, StatusCode::OK, "{path}: {}", got.text());
        got.text()
    }
}

pub(crate) fn ask(method: &str, path: &str) -> axum::http::request::Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header("user-agent", "site-tests/1")
        .header("host", "authdex.example")
}

/// Settings under which tests are not held up by allowances.
pub(crate) fn settings() -> SiteSettings {
    SiteSettings {
        reads_per_minute: 1_000_000,
        scan_requests_per_hour: 1_000_000,
        data_version_ms: 0,
        contact: Some("mailto:scanning@authdex.example".into()),
        ..SiteSettings::default()
    }
}

/// Values of an attribute in a page, entities resolved.
pub(crate) fn attributes(html: &str, name: &str) -> Vec<String> {
    let start = format!(" {name}=\"");
    html.split(&start)
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .map(unescape)
        .collect()
}

pub(crate) fn unescape(text: &str) -> String {
    text.replace("&#38;", "&")
        .replace("&amp;", "&")
        .replace("&#34;", "\"")
        .replace("&#39;", "'")
        .replace("&#60;", "<")
        .replace("&#62;", ">")
}

/// Tags in order: name, whether it closes, and its attributes as written.
pub(crate) fn tags(html: &str) -> Vec<(String, bool, String)> {
    let mut out = Vec::new();
    for part in html.split('<').skip(1) {
        let inner = part.split('>').next().unwrap_or_default();
        if inner.starts_with('!') {
            continue;
        }
        let (closes, inner) = match inner.strip_prefix('/') {
            Some(inner) => (true, inner),
            None => (false, inner),
        };
        let (name, rest) = inner
            .split_once(char::is_whitespace)
            .unwrap_or((inner.trim_end_matches('/'), ""));
        let rest = if inner.ends_with('/') {
            format!("{rest}/")
        } else {
            rest.to_owned()
        };
        out.push((name.to_owned(), closes, rest));
    }
    out
}
