//! What the explaining pages say, for programs: the rubric in force and the scan policy.

use axum::extract::State;
use axum::response::Response;
use scanner::report::{Badge, GradeLetter};
use serde_json::json;

use crate::AppState;
use crate::error::AppError;
use crate::view::words;

/// `GET /methodology`
pub(crate) async fn methodology() -> Result<Response, AppError> {
    let rubric = scanner::rubric::current();
    let bands = [
        ("A", 85),
        ("B", 70),
        ("C", 55),
        ("D", 40),
        ("E", 20),
        ("F", 0),
    ];
    super::json(&json!({
        "schema_version": super::SCHEMA_VERSION,
        "rubric": rubric.version,
        "effective": rubric.effective,
        "digest": scanner::rubric::digest(),
        "letters": GradeLetter::ALL.map(|letter| json!({
            "letter": letter.as_str(),
            "word": words::letter(letter),
            "meaning": words::letter_meaning(letter),
            "from": bands.iter().find(|(band, _)| *band == letter.as_str()).map(|(_, from)| from),
        })),
        "badges": Badge::ALL.map(|badge| json!({
            "badge": badge.as_str(),
            "word": badge.word(),
            "meaning": words::badge_meaning(badge),
        })),
        "categories": scanner::rubric::CATEGORIES.map(|category| json!({
            "id": category.id, "name": category.name, "share": category.share,
        })),
        "unscored": scanner::rubric::UNSCORED,
    }))
}

/// `GET /policy`
pub(crate) async fn policy(State(app): State<AppState>) -> Result<Response, AppError> {
    let settings = &app.settings;
    super::json(&json!({
        "schema_version": super::SCHEMA_VERSION,
        "version": settings.policy_version,
        "contact": settings.contact,
        "requests_per_scan": {
            "endpoint": settings.requests_per_scan_endpoint,
            "authorization_server": settings.requests_per_scan_as,
        },
        "host_interval_ms": settings.host_interval_ms,
        "interval_ms": settings.interval_ms,
        "cooldown_ms": settings.cooldown_ms,
        "stale_after_ms": settings.stale_after_ms,
        "scan_seconds": settings.budget.scan_seconds,
        "retries": settings.budget.retries,
        "redirect_hops": settings.budget.redirect_hops,
        "body_bytes": settings.budget.body_bytes,
        "operator_hosts": settings.budget.operator_hosts,
        "global_per_second": settings.budget.global_per_second,
        "on_request_per_day": settings.on_request_per_day,
        "on_request_per_day_proved": settings.on_request_per_day_proved,
        "robots": settings.robots,
        "from": settings.from,
    }))
}
