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
    from: Option<String>,
    robots: bool,
    named: bool,
    public: bool,
    limits: Vec<(&'static str, String, String)>,
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
        from: settings.from.clone(),
        robots: settings.robots,
        named: settings.public_url.is_some() && settings.contact.is_some(),
        public: settings.public,
        limits: limits(settings),
    })
}

/// What holds here beside what code allows a public installation.
fn limits(settings: &crate::SiteSettings) -> Vec<(&'static str, String, String)> {
    let hard = scanner::hard::Hard::PUBLIC;
    let own = &settings.budget;
    let n = |name, here: u32, most: u32| (name, here.to_string(), most.to_string());
    vec![
        n(
            "Requests to the endpoint's host in a scan",
            settings.requests_per_scan_endpoint,
            hard.endpoint_requests,
        ),
        n(
            "Requests to each authorization server in a scan",
            settings.requests_per_scan_as,
            hard.as_requests,
        ),
        n("Seconds of a scan", own.scan_seconds, hard.scan_seconds),
        (
            "Milliseconds between two requests to a host",
            settings.host_interval_ms.to_string(),
            format!("{} at least", hard.least_interval_ms),
        ),
        n("Repetitions of what failed", own.retries, hard.retries),
        n("Redirects followed", own.redirect_hops, hard.redirect_hops),
        n("Bytes read of a document", own.body_bytes, hard.body_bytes),
        n(
            "Hosts of one domain at a time",
            own.operator_hosts,
            hard.operator_hosts,
        ),
        n(
            "Requests a second in all",
            own.global_per_second,
            hard.global_per_second,
        ),
        (
            "Scans of a server on request in a day",
            settings
                .on_request_per_day
                .map_or_else(|| "no limit".to_owned(), |n| n.to_string()),
            hard.on_request_per_day.to_string(),
        ),
        n(
            "The same for its proved owner",
            settings.on_request_per_day_proved,
            hard.on_request_per_day_proved,
        ),
    ]
}
