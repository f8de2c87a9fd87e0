//! Every page has a twin for programs: the page's address with `.json` (lists also `.csv` and
//! `.ndjson`), which is the object of the API under another name.

use axum::http::{Request, Uri};

/// Where the twin of a request is really served: put into the request by [`rewrite`].
#[derive(Debug, Clone)]
pub(crate) struct Twin {
    /// Path and query of the API.
    pub(crate) api: String,
}

/// The address of a page's twin, for `<link rel="alternate">`; `None` for pages without one.
#[must_use]
pub fn of(path: &str, query: Option<&str>) -> Option<String> {
    let twin = match path {
        "/" => "/index.json".to_owned(),
        path => format!("{}.json", path.trim_end_matches('/')),
    };
    api(&twin, query)?;
    Some(match query {
        Some(query) if !query.is_empty() => format!("{twin}?{query}"),
        _ => twin,
    })
}

/// The API's path and query behind a twin's path.
fn api(twin: &str, query: Option<&str>) -> Option<String> {
    let (path, format) = twin.rsplit_once('.')?;
    let mut fixed: Vec<String> = Vec::new();
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let target = match (parts.as_slice(), format) {
        (["index"], "json") => "/stats".to_owned(),
        (["servers"], "json") => "/servers".to_owned(),
        (["servers"], "csv" | "ndjson") => {
            fixed.push(format!("format={format}"));
            "/servers".to_owned()
        }
        (["servers", id], "json") => {
            fixed.push("include=report,history".into());
            format!("/servers/{id}")
        }
        (["servers", id, "history"], "json") => format!("/servers/{id}/scans"),
        (["scans", id], "json") => {
            fixed.push("include=report".into());
            format!("/scans/{id}")
        }
        (["scans", id, "what-if"], "json") => format!("/scans/{id}/what-if"),
        (["compare", pair], "json") => format!("/diffs/{pair}"),
        (["changes"], "json") => {
            fixed.push("order=newest".into());
            "/changes".to_owned()
        }
        (["stats" | "radar"], "json") => format!("/{}", parts[0]),
        (["stats" | "radar"], "csv") => {
            fixed.push("format=csv".into());
            format!("/{}", parts[0])
        }
        (["as"], "json") => "/authorization-servers".to_owned(),
        (["as"], "csv") => {
            fixed.push("format=csv".into());
            "/authorization-servers".to_owned()
        }
        (["as", product], "json") => format!("/authorization-servers/{product}"),
        (["issuers", id], "json") => format!("/issuers/{id}"),
        (["checks"], "json") => "/checks".to_owned(),
        (["checks", id], "json") => format!("/checks/{id}"),
        (["methodology"], "json") => "/methodology".to_owned(),
        (["meter"], "json") => "/meter".to_owned(),
        (["why", id], "json") => format!("/why/{id}"),
        (["policy"], "json") => "/policy".to_owned(),
        (["exports"], "json") => "/exports".to_owned(),
        _ => return None,
    };
    if parts.iter().any(|part| part.is_empty()) {
        return None;
    }
    fixed.extend(query.filter(|query| !query.is_empty()).map(str::to_owned));
    Some(match fixed.join("&") {
        none if none.is_empty() => format!("/api/v1{target}"),
        query => format!("/api/v1{target}?{query}"),
    })
}

/// Sends requests for a twin to the API.
pub(crate) fn rewrite<B>(mut request: Request<B>) -> Request<B> {
    let path = request.uri().path();
    if path.starts_with("/api/") || path.starts_with("/badges/") {
        return request;
    }
    if let Some(api) = api(path, request.uri().query())
        && let Ok(uri) = api.parse::<Uri>()
    {
        *request.uri_mut() = uri;
        request.extensions_mut().insert(Twin { api });
    }
    request
}

#[cfg(test)]
mod tests {
    use super::{api, of};

    #[test]
    fn twins_lead_to_the_api() {
        assert_eq!(of("/", None).as_deref(), Some("/index.json"));
        assert_eq!(
            of("/servers", Some("letter=C")).as_deref(),
            Some("/servers.json?letter=C")
        );
        assert_eq!(of("/submit", None), None);
        assert_eq!(
            api("/servers.csv", Some("q=a")).as_deref(),
            Some("/api/v1/servers?format=csv&q=a")
        );
        assert_eq!(
            api("/compare/scn_a...scn_b.json", None).as_deref(),
            Some("/api/v1/diffs/scn_a...scn_b")
        );
        assert_eq!(api("/servers/.json", None), None);
    }
}
