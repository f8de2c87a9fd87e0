//! `/docs/api`: how to build on the API, and the reference of every operation, written from the
//! same tables as `/openapi.json`. No script and nothing of another host.

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::{Chrome, Section, html};
use crate::AppState;
use crate::error::AppError;
use crate::openapi::operations::{self, Operation, Parameter, TAGS};
use crate::openapi::{problems, text};
use crate::visit::Visit;

#[derive(Template)]
#[template(path = "docs-api.html")]
struct Docs {
    chrome: Chrome,
    base: String,
    reads: u32,
    scans: u32,
    groups: Vec<Group>,
    kinds: Vec<(&'static str, &'static str)>,
}

struct Group {
    name: &'static str,
    text: &'static str,
    operations: Vec<Entry>,
}

struct Entry {
    operation: &'static Operation,
    method: String,
    text: String,
    parameters: Vec<Row>,
    answers: Vec<(u16, String)>,
}

struct Row {
    name: &'static str,
    values: String,
    text: &'static str,
}

impl Entry {
    fn new(operation: &'static Operation) -> Self {
        let mut answers: Vec<(u16, String)> = operation
            .answers
            .iter()
            .map(|answer| {
                let media: Vec<&str> = answer.media.iter().map(|(media, _)| *media).collect();
                match media.as_slice() {
                    [] => (answer.status, answer.text.to_owned()),
                    media => (
                        answer.status,
                        format!("{} ({})", answer.text, media.join(", ")),
                    ),
                }
            })
            .collect();
        for status in operation.statuses() {
            let kinds = problems(operation, status);
            let known = answers.iter().any(|(known, _)| *known == status);
            // What every route may answer is said once, above.
            let common = kinds == ["user-agent-required"] || kinds == ["quota-exceeded"];
            if known || common || kinds.is_empty() {
                continue;
            }
            answers.push((status, kinds.join(", ")));
        }
        answers.sort_by_key(|(status, _)| *status);
        Self {
            method: operation.method.to_uppercase(),
            text: text(operation),
            parameters: operation.parameters.iter().map(Row::new).collect(),
            answers,
            operation,
        }
    }
}

impl Row {
    fn new(parameter: &Parameter) -> Self {
        let values = crate::openapi::values(parameter.kind);
        Self {
            name: parameter.name,
            values: if values == "text" {
                String::new()
            } else {
                values
            },
            text: parameter.text,
        }
    }
}

pub(crate) async fn page(State(app): State<AppState>, visit: Visit) -> Result<Response, AppError> {
    let base = match app.settings.absolute("").as_str() {
        "" => "http://127.0.0.1:8080".to_owned(),
        base => base.to_owned(),
    };
    html(&Docs {
        chrome: Chrome::new(
            &app,
            &visit,
            Section::None,
            "API",
            "How to build on the index: quick start, limits, caching, errors, and every route.",
        ),
        base,
        reads: app.settings.reads_per_minute,
        scans: app.settings.scan_requests_per_hour,
        groups: TAGS
            .iter()
            .map(|(name, text)| Group {
                name,
                text,
                operations: operations::all()
                    .filter(|operation| operation.tag == *name)
                    // The same as under the newer path.
                    .filter(|operation| !operation.path.starts_with("/v0/"))
                    .map(Entry::new)
                    .collect(),
            })
            .collect(),
        kinds: super::plain::PROBLEMS.to_vec(),
    })
}
