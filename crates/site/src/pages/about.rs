//! `/methodology` and `/policy`: what letters mean, and what is sent to strangers.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use scanner::connect::profile::{Profiles, profiles};
use scanner::fingerprints::table::{Table, table};
use scanner::report::{Badge, GradeLetter};
use scanner::rubric::{CATEGORIES, CategoryInfo};

use super::{Chrome, Section, html};
use crate::AppState;
use crate::error::AppError;
use crate::view::grade::Mark;
use crate::view::{time, words};
use crate::visit::Visit;

#[derive(Template)]
#[template(path = "methodology.html")]
struct Methodology {
    chrome: Chrome,
    effective: &'static str,
    letters: Vec<(Mark, &'static str, &'static str)>,
    badges: Vec<(Mark, &'static str)>,
    categories: [CategoryInfo; 6],
    profiles: &'static Profiles,
    products: &'static Table,
}

pub(crate) async fn methodology(
    State(app): State<AppState>,
    visit: Visit,
) -> Result<Response, AppError> {
    let from = |letter| match letter {
        GradeLetter::APlus => "95, no failure",
        GradeLetter::A => "85",
        GradeLetter::B => "70",
        GradeLetter::C => "55",
        GradeLetter::D => "40",
        GradeLetter::E => "20",
        GradeLetter::F => "0",
    };
    html(&Methodology {
        chrome: Chrome::new(
            &app,
            &visit,
            Section::Methodology,
            "Methodology",
            "What each letter means, and what it does not.",
        ),
        effective: scanner::rubric::current().effective,
        letters: GradeLetter::ALL
            .into_iter()
            .map(|letter| {
                let mark = Mark::letter(letter, false);
                (mark, from(letter), words::letter_meaning(letter))
            })
            .collect(),
        badges: Badge::ALL
            .into_iter()
            .map(|badge| (Mark::badge(badge), words::badge_meaning(badge)))
            .collect(),
        categories: CATEGORIES,
        profiles: profiles(),
        products: table(),
    })
}

#[derive(Template)]
#[template(path = "policy.html")]
struct Policy {
    chrome: Chrome,
    version: String,
    endpoint: u32,
    issuer: u32,
    pace: String,
    interval: String,
    cooldown: String,
    contact: Option<String>,
    host: String,
}

pub(crate) async fn policy(
    State(app): State<AppState>,
    visit: Visit,
) -> Result<Response, AppError> {
    let settings = &app.settings;
    html(&Policy {
        chrome: Chrome::new(
            &app,
            &visit,
            Section::None,
            "Scan policy",
            "What is sent to servers, how often, and how to be left out.",
        ),
        version: settings.policy_version.clone(),
        endpoint: settings.requests_per_scan_endpoint,
        issuer: settings.requests_per_scan_as,
        pace: time::brief(u32::try_from(settings.host_interval_ms).unwrap_or(1000)),
        interval: time::span(settings.interval_ms),
        cooldown: time::span(settings.cooldown_ms),
        contact: settings
            .contact
            .clone()
            .filter(|contact| contact.starts_with("mailto:") || contact.starts_with("https://")),
        host: settings.absolute("/policy"),
    })
}
