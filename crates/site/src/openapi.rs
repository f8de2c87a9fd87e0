//! The description of the API (OpenAPI 3.1), made from tables beside the code. Three things are
//! held by tests and cannot drift: every route is described and every description has a route;
//! every documented status is the answer to some request; every answer fits its schema.

mod components;
mod kinds;
pub mod operations;

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use serde_json::{Map, Value, json};

use crate::AppState;
use crate::error::AppError;
use operations::{Answer, Operation, Parameter, TAGS};

/// Routes under an address, whose paths are remembered so that tests can ask which there are.
pub(crate) struct Documented {
    base: &'static str,
    router: Router<AppState>,
    paths: Vec<String>,
}

impl Documented {
    /// No routes yet, under this address.
    pub(crate) fn under(base: &'static str) -> Self {
        Self {
            base,
            router: Router::new(),
            paths: Vec::new(),
        }
    }

    /// The same with a route.
    pub(crate) fn route(mut self, path: &str, methods: MethodRouter<AppState>) -> Self {
        self.paths.push(format!("{}{path}", self.base));
        self.router = self.router.route(path, methods);
        self
    }

    /// The routes at their full addresses.
    pub(crate) fn paths(self) -> Vec<String> {
        self.paths
    }

    /// The routes, to be merged with others.
    pub(crate) fn into_router(self) -> Router<AppState> {
        if self.base.is_empty() {
            self.router
        } else {
            Router::new().nest(self.base, self.router)
        }
    }
}

/// The whole description. `server` is the address of the installation.
#[must_use]
pub fn document(server: &str) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for operation in operations::all() {
        let path = paths
            .entry(operation.path)
            .or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(methods) = path {
            methods.insert(operation.method.into(), described(operation));
        }
    }
    json!({
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "Authdex",
            "version": "1",
            "summary": "The authorization index of MCP servers",
            "description": DESCRIPTION,
            "license": { "name": "Apache-2.0 OR MIT", "identifier": "Apache-2.0 OR MIT" },
        },
        "servers": [{ "url": server, "description": "This installation" }],
        "tags": TAGS.iter().map(|(name, text)| json!({ "name": name, "description": text }))
            .collect::<Vec<_>>(),
        "paths": paths,
        "components": {
            "schemas": components::all(),
            "headers": headers(),
            "responses": { "Problem": {
                "description": "A refusal or a failure: a problem document (RFC 9457).",
                "content": { "application/problem+json": { "schema": problem() } },
            } },
        },
    })
}

const DESCRIPTION: &str = "Members and words that are not described here may come at any time \
    and must be tolerated. A parameter without a value counts as absent. Times are RFC 3339 in UTC. Every GET also answers HEAD and OPTIONS, \
    carries an ETag and answers 304 where that still holds. Requests name their program in \
    User-Agent. The number of requests is limited by client; RateLimit-Policy and RateLimit \
    (draft-ietf-httpapi-ratelimit-headers-11) say where you stand. No GET makes the service ask \
    anybody anything.";

fn problem() -> Value {
    json!({ "$ref": "#/components/schemas/Problem" })
}

fn headers() -> Value {
    let text = |text: &str| json!({ "description": text, "schema": { "type": "string" } });
    json!({
        "ETag": text("Tag of this answer, for If-None-Match."),
        "Link": text("Address of the next page, rel=\"next\"; absent at the end."),
        "Location": text("Where to go on."),
        "Retry-After": text("Seconds after which to ask again."),
        "Request-Id": text("Id to name when asking about this answer."),
        "RateLimit-Policy": text("The allowance: name, requests, and seconds of the window."),
        "RateLimit": text("What is left of it: requests, and seconds until it is whole again."),
    })
}

fn named(headers: &[&str]) -> Value {
    let members: Map<String, Value> = headers
        .iter()
        .map(|name| {
            let place = format!("#/components/headers/{name}");
            ((*name).to_owned(), json!({ "$ref": place }))
        })
        .collect();
    Value::Object(members)
}

fn described(operation: &Operation) -> Value {
    let mut responses: Map<String, Value> = Map::new();
    for answer in operation.answers {
        responses.insert(answer.status.to_string(), response(operation, answer));
    }
    if operation.conditional() {
        responses.insert(
            "304".into(),
            json!({ "description": "What you have still holds.", "headers": named(&["ETag"]) }),
        );
    }
    for status in operation.statuses() {
        let key = status.to_string();
        if responses.contains_key(&key) {
            continue;
        }
        responses.insert(key, refusal(operation, status));
    }
    responses.insert(
        "default".into(),
        json!({ "$ref": "#/components/responses/Problem" }),
    );
    responses.sort_keys();
    let mut out = json!({
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": text(operation),
        "parameters": parameters(operation),
        "responses": responses,
    });
    if let Some(body) = operation.body {
        out["requestBody"] = json!({
            "required": true,
            "content": { "application/json": { "schema": kinds::schema(&format!("#{body}")) } },
        });
    }
    out
}

/// What an operation is said to do, with how long its answer may be kept.
#[must_use]
pub fn text(operation: &Operation) -> String {
    let kept = format!("May be kept {}.", operation.keeping.words());
    match operation.text {
        "" => kept,
        text => format!("{text} {kept}"),
    }
}

fn response(operation: &Operation, answer: &Answer) -> Value {
    let mut headers: Vec<&str> = answer.headers.to_vec();
    headers.push("Request-Id");
    if operation.conditional() && answer.status == 200 {
        headers.push("ETag");
    }
    if operation.path != "/healthz" && operation.path != "/readyz" {
        headers.extend(["RateLimit-Policy", "RateLimit"]);
    }
    let mut out = json!({ "description": answer.text, "headers": named(&headers) });
    if !answer.media.is_empty() {
        let content: Map<String, Value> = answer
            .media
            .iter()
            .map(|(media, kind)| {
                (
                    (*media).to_owned(),
                    json!({ "schema": kinds::schema(kind) }),
                )
            })
            .collect();
        out["content"] = Value::Object(content);
    }
    out
}

/// Types of problems that an operation answers with a status.
#[must_use]
pub fn problems(operation: &Operation, status: u16) -> Vec<&'static str> {
    let own = operation.problems.iter().find(|(own, _)| *own == status);
    match (own, status) {
        (Some((_, kinds)), _) => kinds.to_vec(),
        (None, 403) => vec!["user-agent-required"],
        (None, 429) => vec!["quota-exceeded"],
        (None, _) => Vec::new(),
    }
}

fn refusal(operation: &Operation, status: u16) -> Value {
    let kinds = problems(operation, status).join(", ");
    let (media, schema) = if operation.path.starts_with("/v0") {
        ("application/json", kinds::schema("#RegistryError"))
    } else {
        ("application/problem+json", problem())
    };
    let mut out = json!({
        "description": format!("Problem: {kinds}."),
        "content": { media: { "schema": schema } },
    });
    if status == 429 {
        out["headers"] = named(&["Retry-After"]);
    }
    out
}

fn parameters(operation: &Operation) -> Value {
    let mut all: Vec<Value> = operation
        .parameters
        .iter()
        .map(|parameter| one(operation, parameter))
        .collect();
    if operation.method == "post" {
        all.push(json!({
            "name": "Prefer", "in": "header", "required": false,
            "description": "wait=N: hold the answer back until the scan is there, at most 30 seconds (RFC 7240).",
            "schema": { "type": "string" },
        }));
        all.push(json!({
            "name": "Idempotency-Key", "in": "header", "required": false,
            "description": "A text of your own, 1 to 255 visible characters: the same request with the same key is answered once.",
            "schema": { "type": "string", "pattern": "^[!-~]{1,255}$" },
        }));
    }
    Value::Array(all)
}

fn one(operation: &Operation, parameter: &Parameter) -> Value {
    let in_path = operation.path.contains(&format!("{{{}}}", parameter.name));
    json!({
        "name": parameter.name,
        "in": if in_path { "path" } else { "query" },
        "required": in_path || parameter.text.ends_with("; required."),
        "description": parameter.text,
        "schema": kinds::schema(parameter.kind),
    })
}

/// The values that a kind of parameter takes, in words.
#[must_use]
pub(crate) fn values(kind: &str) -> String {
    let schema = kinds::schema(kind);
    if let Some(words) = schema["enum"].as_array() {
        let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
        return words.join(", ");
    }
    match kind {
        "page" => "1 to 100; 30 without a wish".into(),
        "limit" => "1 to 500; 100 without a wish".into(),
        "time" => "a time, RFC 3339".into(),
        "count" | "seq" => "a number".into(),
        "pair" => "A...B".into(),
        kind if kind.starts_with("id:") => format!("{}_…", &kind[3..]),
        _ => "text".into(),
    }
}

/// `GET /openapi.json`
pub(crate) async fn file(State(app): State<AppState>) -> Result<Response, AppError> {
    let server = match app.settings.absolute("").as_str() {
        "" => "/".to_owned(),
        base => base.to_owned(),
    };
    crate::api::v1::json(&document(&server))
}

/// `GET /.well-known/api-catalog`: RFC 9727, a set of links as RFC 9264 writes it.
pub(crate) async fn catalogue(State(app): State<AppState>) -> Result<Response, AppError> {
    let at = |path: &str| app.settings.absolute(path);
    let links = json!({ "linkset": [{
        "anchor": at("/api/v1"),
        "service-desc": [{ "href": at("/openapi.json"), "type": "application/json" }],
        "service-doc": [{ "href": at("/docs/api"), "type": "text/html" }],
        "status": [{ "href": at("/readyz"), "type": "text/plain" }],
    }] });
    let media = [(
        header::CONTENT_TYPE,
        "application/linkset+json; profile=\"https://www.rfc-editor.org/info/rfc9727\"",
    )];
    Ok((media, serde_json::to_vec(&links)?).into_response())
}

/// `GET /version`
pub(crate) async fn version(State(app): State<AppState>) -> Result<Response, AppError> {
    crate::api::v1::json(&json!({
        "name": app.settings.name,
        "version": env!("CARGO_PKG_VERSION"),
        "rubric": scanner::rubric::current().version,
        "schema_version": crate::api::v1::SCHEMA_VERSION,
        "report_schema": scanner::report::SCHEMA,
    }))
}
