//! What a handler knows of the request besides its own parameters.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use scanner::time::Millis;

use crate::AppState;
use crate::layers::Now;

/// Light or dark, when the reader asks for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    /// Light whatever the system says.
    Light,
    /// Dark whatever the system says.
    Dark,
}

impl Theme {
    /// The word of `?theme=`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

/// One request.
#[derive(Debug, Clone)]
pub struct Visit {
    /// The minute of the answer.
    pub now: Millis,
    /// Path.
    pub path: String,
    /// Query as sent.
    pub query: Option<String>,
    /// What the reader wants to see it in.
    pub theme: Option<Theme>,
}

impl Visit {
    /// A visit from its parts.
    #[must_use]
    pub fn new(now: Millis, path: &str, query: Option<&str>) -> Self {
        let theme = query
            .unwrap_or_default()
            .split('&')
            .rev()
            .find_map(|pair| match pair {
                "theme=light" => Some(Theme::Light),
                "theme=dark" => Some(Theme::Dark),
                _ => None,
            });
        Self {
            now,
            path: path.to_owned(),
            query: query.map(str::to_owned),
            theme,
        }
    }

    /// The query without its theme, ready for another parameter.
    #[must_use]
    pub fn plain_query(&self) -> String {
        self.query
            .as_deref()
            .unwrap_or_default()
            .split('&')
            .filter(|pair| !pair.is_empty() && !pair.starts_with("theme="))
            .collect::<Vec<_>>()
            .join("&")
    }
}

impl FromRequestParts<AppState> for Visit {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Infallible> {
        let now = parts
            .extensions
            .get::<Now>()
            .map_or_else(|| app.clock.now(), |now| now.0);
        Ok(Self::new(now, parts.uri.path(), parts.uri.query()))
    }
}
