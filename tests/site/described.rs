//! The description of the API beside what the API does: routes, statuses, forms.

mod statuses;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex};

use axum::body::Body;
use axum::http::StatusCode;
use jsonschema::Validator;
use serde_json::{Value, json};
use site::openapi::{self, operations};

use crate::sample;
use crate::web::{Got, Web, ask, settings};

/// The description, in which no object may have a member that is not named. Only the report's
/// schema stays open; it has a test of its own.
static STRICT: LazyLock<Value> = LazyLock::new(|| {
    let mut document = openapi::document("/");
    for (name, schema) in document["components"]["schemas"]
        .as_object_mut()
        .expect("components")
    {
        if !name.starts_with("Report.") && name != "Report" {
            close(schema);
        }
    }
    close(&mut document["paths"]);
    document
});

fn close(value: &mut Value) {
    match value {
        Value::Object(members) => {
            if members.contains_key("properties") && !members.contains_key("additionalProperties") {
                members.insert("additionalProperties".into(), json!(false));
            }
            members.values_mut().for_each(close);
        }
        Value::Array(values) => values.iter_mut().for_each(close),
        _ => (),
    }
}

/// A validator of a schema that refers to components.
fn validator(schema: &Value) -> Arc<Validator> {
    static KNOWN: Mutex<BTreeMap<String, Arc<Validator>>> = Mutex::new(BTreeMap::new());
    let key = schema.to_string();
    let mut known = KNOWN.lock().expect("no test panics in here");
    Arc::clone(known.entry(key).or_insert_with(|| {
        let root = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "allOf": [schema],
            "components": STRICT["components"],
        });
        let built = jsonschema::options()
            .should_validate_formats(true)
            .build(&root);
        Arc::new(built.expect("a schema"))
    }))
}

fn faults(schema: &Value, value: &Value) -> Vec<String> {
    validator(schema)
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .take(4)
        .collect()
}

/// The description of the operation that answers a path: its template and itself.
fn operation(method: &str, path: &str) -> Option<(&'static str, &'static Value)> {
    let fits = |template: &str| {
        let (ours, theirs) = (template.split('/'), path.split('/'));
        ours.clone().count() == theirs.clone().count()
            && ours
                .zip(theirs)
                .all(|(ours, theirs)| ours == theirs || ours.starts_with('{'))
    };
    let paths = STRICT["paths"].as_object()?;
    let mut found: Vec<&'static str> = paths
        .keys()
        .map(String::as_str)
        .filter(|template| fits(template))
        .collect();
    found.sort_by_key(|template| template.matches('{').count());
    let template = *found.first()?;
    let method = if method == "HEAD" { "GET" } else { method };
    let operation = paths.get(template)?.get(method.to_lowercase())?;
    Some((template, operation))
}

/// Fails unless an answer of the API is one that the description names. Every answer in this
/// suite passes here.
#[track_caller]
pub(crate) fn fits(method: &str, path: &str, got: &Got) {
    let bare = path.split('?').next().unwrap_or_default();
    let Some((template, described)) = operation(method, bare) else {
        return;
    };
    let status = got.status.as_u16();
    let place = format!("{method} {path}: {status}");
    let media = got.header("content-type");
    let media = media.split(';').next().unwrap_or_default();
    let Some(response) = described["responses"].get(status.to_string()) else {
        assert!(
            [405, 500, 503].contains(&status),
            "{place} is not described at {template}: {}",
            got.text()
        );
        return;
    };
    let Some(content) = response.get("content").and_then(Value::as_object) else {
        assert!(got.body.is_empty(), "{place} has a body");
        return;
    };
    if method == "HEAD" {
        return;
    }
    let form = content
        .get(media)
        .unwrap_or_else(|| panic!("{place} comes as {media}"));
    if media.ends_with("json") && !media.contains("ndjson") {
        let faults = faults(&form["schema"], &got.json());
        assert!(faults.is_empty(), "{place}: {faults:#?}\n{}", got.text());
    }
}

#[test]
fn every_route_is_described_and_every_description_has_a_route() {
    let document = openapi::document("/");
    let described: BTreeSet<String> = document["paths"]
        .as_object()
        .expect("paths")
        .keys()
        .cloned()
        .collect();
    let routes: BTreeSet<String> = site::documented().into_iter().collect();
    assert_eq!(routes, described);
}

#[tokio::test]
async fn methods_are_those_that_are_described() {
    let web = Web::new(sample::empty().await, sample::START, settings());
    let document = openapi::document("/");
    for (path, methods) in document["paths"].as_object().expect("paths") {
        let real = path.replace(['{', '}'], "");
        let got = web
            .send(
                ask("OPTIONS", &real)
                    .body(Body::empty())
                    .expect("a request"),
            )
            .await;
        assert_eq!(got.status, StatusCode::NO_CONTENT, "{path}");
        let mut taken: BTreeSet<String> = got
            .header("allow")
            .split(',')
            .map(|method| method.trim().to_lowercase())
            .collect();
        assert_eq!(taken.remove("head"), taken.contains("get"), "{path}");
        let described: BTreeSet<String> = methods
            .as_object()
            .expect("methods")
            .keys()
            .cloned()
            .collect();
        assert_eq!(taken, described, "{path}");
    }
}

#[test]
fn examples_fit_their_schemas() {
    let components = STRICT["components"]["schemas"]
        .as_object()
        .expect("components");
    let mut examples = 0;
    for (name, schema) in components {
        for example in schema["examples"].as_array().into_iter().flatten() {
            let reference = json!({ "$ref": format!("#/components/schemas/{name}") });
            let faults = faults(&reference, example);
            assert!(faults.is_empty(), "{name}: {faults:#?}");
            examples += 1;
        }
    }
    assert!(examples >= 5);
}

#[test]
fn the_description_is_sound() {
    let document = openapi::document("/");
    let text = document.to_string();
    let named: BTreeSet<&str> = text
        .split("\"$ref\":\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    for reference in &named {
        let pointer = reference.trim_start_matches('#');
        assert!(
            document.pointer(pointer).is_some(),
            "{reference} leads nowhere"
        );
    }
    let mut ids = BTreeSet::new();
    for operation in operations::all() {
        assert!(ids.insert(operation.id), "{} twice", operation.id);
        assert!(
            operations::TAGS
                .iter()
                .any(|(tag, _)| *tag == operation.tag),
            "{} is in no group",
            operation.id
        );
        for place in operation.path.split('{').skip(1) {
            let name = place.split('}').next().expect("it closes");
            assert!(
                operation.parameters.iter().any(|one| one.name == name),
                "{name} of {} is not described",
                operation.path
            );
        }
    }
    for (name, _) in document["components"]["schemas"]
        .as_object()
        .expect("components")
    {
        let reference = format!("#/components/schemas/{name}");
        assert!(named.contains(reference.as_str()), "nothing names {name}");
    }
}

/// `docs/openapi.json` is what the program serves. `just openapi` writes it anew.
#[test]
fn the_description_is_checked_in() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let now = serde_json::to_string_pretty(&openapi::document("/")).expect("JSON") + "\n";
    if std::env::var_os("AUTHDEX_WRITE_OPENAPI").is_some() {
        std::fs::write(&path, &now).expect("written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == now,
        "docs/openapi.json is not what the program serves; run `just openapi`, and read the difference as those who build on it will"
    );
}

#[tokio::test]
async fn the_description_is_served_with_a_page_that_needs_no_other_host() {
    let public = site::SiteSettings {
        public_url: Some("https://authdex.example".into()),
        ..settings()
    };
    let web = Web::new(sample::empty().await, sample::START, public);
    let served = web.get("/openapi.json").await;
    assert_eq!(served.header("content-type"), "application/json");
    assert_eq!(served.header("access-control-allow-origin"), "*");
    assert_eq!(served.json(), openapi::document("https://authdex.example"));
    let catalogue = web.get("/.well-known/api-catalog").await;
    assert!(
        catalogue
            .header("content-type")
            .starts_with("application/linkset+json")
    );
    let link = &catalogue.json()["linkset"][0]["service-desc"][0]["href"];
    assert_eq!(link, "https://authdex.example/openapi.json");
    let page = web.page("/docs/api").await;
    for operation in operations::all().filter(|one| !one.path.starts_with("/v0/")) {
        assert!(
            page.contains(&format!("id=\"{}\"", operation.id)),
            "{}",
            operation.id
        );
    }
    assert!(!page.contains("<script"));
    let sent = web
        .get_with("/docs/api", "accept-encoding", "gzip")
        .await
        .body
        .len();
    assert!(sent < 30_000, "{sent} bytes");
}

#[test]
fn every_type_of_problem_that_is_described_is_explained() {
    let web = tokio::runtime::Runtime::new().expect("a runtime");
    web.block_on(async {
        let web = Web::new(sample::empty().await, sample::START, settings());
        let kinds: BTreeSet<&str> = operations::all()
            .flat_map(|operation| {
                let statuses = operation.statuses();
                statuses
                    .into_iter()
                    .flat_map(|status| openapi::problems(operation, status))
                    .collect::<Vec<_>>()
            })
            .collect();
        for kind in kinds {
            let got = web.get(&format!("/docs/problems/{kind}")).await;
            assert_eq!(got.status, StatusCode::OK, "{kind}");
        }
    });
}
