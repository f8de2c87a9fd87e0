//! The pages. Each is a struct deriving `Template`, a function from what the store and the
//! scanner say to that struct, and a handler of a few lines.

pub(crate) mod about;
pub(crate) mod badge;
pub(crate) mod changes;
pub(crate) mod check;
pub(crate) mod compare;
pub(crate) mod components;
pub(crate) mod docs;
pub(crate) mod exports;
pub(crate) mod history;
pub(crate) mod home;
pub(crate) mod identity;
pub(crate) mod issuer;
pub(crate) mod leave;
pub(crate) mod meter;
pub(crate) mod owner;
pub(crate) mod plain;
pub(crate) mod problem;
pub(crate) mod radar;
pub(crate) mod scan;
pub(crate) mod server;
pub(crate) mod servers;
pub(crate) mod signpost;
pub(crate) mod stats;
pub(crate) mod submit;
pub(crate) mod what_if;
pub(crate) mod why;

use askama::Template;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::AppState;
use crate::assets;
use crate::error::AppError;
use crate::twin;
use crate::view::Stamp;
use crate::visit::{Theme, Visit};

/// The part of the site a page belongs to, for the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    Servers,
    Changes,
    Checks,
    Identity,
    Stats,
    Radar,
    Methodology,
    None,
}

/// What every page has around its content.
#[derive(Debug, Clone)]
pub(crate) struct Chrome {
    pub(crate) site: String,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) theme: Option<Theme>,
    pub(crate) stylesheet: &'static str,
    pub(crate) icon: &'static str,
    pub(crate) twin: Option<String>,
    pub(crate) demo: bool,
    pub(crate) search: bool,
    pub(crate) as_of: Stamp,
    pub(crate) rubric: &'static str,
    pub(crate) version: &'static str,
    section: Section,
    path: String,
    query: String,
}

impl Chrome {
    pub(crate) fn new(
        app: &AppState,
        visit: &Visit,
        section: Section,
        title: impl Into<String>,
        description: impl Into<String>,
    ) -> Self {
        let plain = visit.plain_query();
        Self {
            site: app.settings.name.clone(),
            title: title.into(),
            description: description.into(),
            theme: visit.theme,
            stylesheet: &assets::STYLESHEET,
            icon: &assets::ICON,
            twin: twin::of(&visit.path, Some(&plain)),
            demo: app.settings.demo,
            search: visit.path != "/" && visit.path != "/servers",
            as_of: Stamp::new(visit.now, visit.now),
            rubric: scanner::rubric::current().version,
            version: env!("CARGO_PKG_VERSION"),
            section,
            path: visit.path.clone(),
            query: plain,
        }
    }

    /// What the reader just did, after a form.
    fn note(&self) -> Option<&'static str> {
        self.query.split('&').find_map(|pair| match pair {
            "note=asked" => Some(
                "A scan is asked for. This page shows its result once it is finished, usually within a few minutes.",
            ),
            "note=recent" => Some(
                "It was scanned a moment ago, so it is not scanned again yet. The result below is that scan's.",
            ),
            _ => None,
        })
    }

    /// Number of checks in the catalogue.
    fn checks(&self) -> usize {
        scanner::checks::all().count()
    }

    /// Address, word and whether the reader is there.
    fn nav(&self) -> [(&'static str, &'static str, bool); 7] {
        [
            ("/servers", "Servers", self.section == Section::Servers),
            ("/changes", "Changes", self.section == Section::Changes),
            ("/as", "Identity servers", self.section == Section::Identity),
            ("/stats", "Statistics", self.section == Section::Stats),
            ("/radar", "Radar", self.section == Section::Radar),
            ("/checks", "Checks", self.section == Section::Checks),
            (
                "/methodology",
                "Methodology",
                self.section == Section::Methodology,
            ),
        ]
    }

    /// The page in other appearances.
    fn themes(&self) -> [(String, &'static str, bool); 3] {
        let with = |theme: &str| match (self.query.as_str(), theme) {
            ("", "") => self.path.clone(),
            (query, "") => format!("{}?{query}", self.path),
            ("", theme) => format!("{}?theme={theme}", self.path),
            (query, theme) => format!("{}?{query}&theme={theme}", self.path),
        };
        [
            (with(""), "system", self.theme.is_none()),
            (with("light"), "light", self.theme == Some(Theme::Light)),
            (with("dark"), "dark", self.theme == Some(Theme::Dark)),
        ]
    }
}

/// A page as an answer.
pub(crate) fn html(page: &impl Template) -> Result<Response, AppError> {
    let media = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
    Ok((media, page.render()?).into_response())
}
