//! What goes wrong while answering, and how it is told: a problem document (RFC 9457) to
//! programs, a page with one helpful sentence to people. Causes are logged and never shown.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use store::StoreError;

/// A refusal or failure in its public form.
#[derive(Debug, Clone)]
pub struct Problem {
    /// Last part of the problem type.
    pub kind: &'static str,
    /// Status of the answer.
    pub status: StatusCode,
    /// The type in a few words.
    pub title: &'static str,
    /// What was wrong and what to do, in a sentence or two.
    pub detail: String,
    /// Members of this problem type.
    pub members: Map<String, Value>,
    /// Seconds after which to try again.
    pub retry_after: Option<i64>,
}

impl Problem {
    /// A problem without members of its own.
    #[must_use]
    pub fn new(
        kind: &'static str,
        status: StatusCode,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            status,
            title,
            detail: detail.into(),
            members: Map::new(),
            retry_after: None,
        }
    }

    /// The same with a member.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    /// The same with a time to try again.
    #[must_use]
    pub fn retry_after(mut self, seconds: i64) -> Self {
        self.retry_after = Some(seconds.max(1));
        self
    }

    /// The problem that a bare status of the framework stands for.
    #[must_use]
    pub fn of_status(status: StatusCode) -> Self {
        let (kind, title, detail) = match status {
            StatusCode::NOT_FOUND => (
                "not-found",
                "Not found",
                "There is nothing at this address.",
            ),
            StatusCode::METHOD_NOT_ALLOWED => (
                "method-not-allowed",
                "Method not allowed",
                "This address does not take that method; the Allow header lists those it takes.",
            ),
            StatusCode::PAYLOAD_TOO_LARGE => (
                "too-large",
                "Request too large",
                "The request is longer than this address takes.",
            ),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => (
                "validation",
                "Media type not supported",
                "Send the body as application/json.",
            ),
            StatusCode::REQUEST_TIMEOUT | StatusCode::SERVICE_UNAVAILABLE => (
                "overloaded",
                "Too much to do",
                "The answer took too long. Try again in a moment.",
            ),
            status if status.is_client_error() => (
                "validation",
                "The request could not be understood",
                "Something in the address or the body is not as expected.",
            ),
            _ => (
                "internal",
                "Something went wrong on our side",
                "The failure is recorded under the request id below. Nothing was changed.",
            ),
        };
        Self::new(kind, status, title, detail)
    }

    /// The problem document.
    #[must_use]
    pub fn document(&self, base: &str, instance: &str, request_id: &str) -> Value {
        let mut out = json!({
            "type": format!("{base}/docs/problems/{}", self.kind),
            "title": self.title,
            "status": self.status.as_u16(),
            "detail": self.detail,
            "instance": instance,
            "request_id": request_id,
        });
        if let Value::Object(members) = &mut out {
            for (name, value) in &self.members {
                members.insert(name.clone(), value.clone());
            }
        }
        out
    }
}

/// Why a handler has no answer.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// Told as it is.
    #[error("{}", .0.detail)]
    Told(Box<Problem>),
    /// The store failed.
    #[error("answering a request: {0}")]
    Store(StoreError),
    /// A template failed.
    #[error("rendering a page: {0}")]
    Render(#[from] askama::Error),
    /// A value has no JSON form.
    #[error("writing JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl From<StoreError> for AppError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Cursor => Self::from(Problem::new(
                "invalid-cursor",
                StatusCode::BAD_REQUEST,
                "Cursor not known",
                "This cursor is not one of ours. Leave it out to start from the first page.",
            )),
            other => Self::Store(other),
        }
    }
}

impl From<Problem> for AppError {
    fn from(problem: Problem) -> Self {
        Self::Told(Box::new(problem))
    }
}

impl AppError {
    /// 404 with a sentence that helps.
    #[must_use]
    pub fn not_found(detail: impl Into<String>) -> Self {
        Problem::new("not-found", StatusCode::NOT_FOUND, "Not found", detail).into()
    }

    /// 400 because of one member of the query or the body; `pointer` as `/letter`.
    #[must_use]
    pub fn validation(pointer: &str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Problem::new(
            "validation",
            StatusCode::BAD_REQUEST,
            "The request could not be understood",
            detail.clone(),
        )
        .with("errors", json!([{ "pointer": pointer, "detail": detail }]))
        .into()
    }

    /// The public form. Causes stay here, in the log.
    fn told(self) -> Problem {
        match self {
            Self::Told(problem) => *problem,
            error @ (Self::Store(_) | Self::Render(_) | Self::Json(_)) => {
                tracing::error!(%error, "a request failed");
                Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }
}

impl IntoResponse for AppError {
    /// An empty answer that carries the [`Problem`]; the outermost layer writes it as page or
    /// document, because only there is known who asked.
    fn into_response(self) -> Response {
        let problem = self.told();
        let mut response = problem.status.into_response();
        response.extensions_mut().insert(problem);
        response
    }
}
