//! `/exports`: what may be downloaded, with sizes, digests and the licence.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use scanner::time::Millis;

use super::{Chrome, Section, html};
use crate::AppState;
use crate::api::v1::exports::editions;
use crate::error::AppError;
use crate::export::shelf::{Edition, Filed};
use crate::view::Stamp;
use crate::visit::Visit;

#[derive(Template)]
#[template(path = "exports.html")]
struct Exports {
    chrome: Chrome,
    made: bool,
    days: Vec<Shown>,
    months: Vec<Shown>,
    host: String,
}

struct Shown {
    name: String,
    made: Option<Stamp>,
    rubric: String,
    files: Vec<Line>,
}

struct Line {
    file: String,
    holds: String,
    rows: String,
    size: String,
    sha256: String,
    left_out: String,
}

/// Bytes in the unit that keeps the number short.
fn size(bytes: u64) -> String {
    let mut whole = bytes;
    for unit in ["B", "KiB", "MiB"] {
        if whole < 10_240 {
            return format!("{whole} {unit}");
        }
        whole = whole.div_ceil(1024);
    }
    format!("{whole} GiB")
}

/// A number with its thousands apart.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn line(filed: &Filed) -> Line {
    let holds = match filed.kind.as_str() {
        "tables" => "all kinds as tables, with views",
        "servers" => "servers as they are today",
        "scans" => "every scan with its letter",
        "findings" => "verdicts of checks",
        "changes" => "the change feed",
        "evidence" => "what was seen",
        other => other,
    };
    Line {
        file: filed.file.clone(),
        holds: holds.to_owned(),
        rows: grouped(filed.rows),
        size: size(filed.bytes),
        sha256: filed.sha256.clone(),
        left_out: filed.left_out.clone(),
    }
}

fn shown(edition: &Edition, now: Millis) -> Shown {
    Shown {
        name: edition.name.clone(),
        made: Millis::parse_rfc3339(&edition.generated).map(|at| Stamp::new(at, now)),
        rubric: edition.rubric.clone(),
        files: edition.files.iter().map(line).collect(),
    }
}

pub(crate) async fn page(State(app): State<AppState>, visit: Visit) -> Result<Response, AppError> {
    let all = editions(&app).await;
    let (days, months): (Vec<&Edition>, Vec<&Edition>) =
        all.iter().partition(|edition| edition.is_daily());
    let worded = |list: Vec<&Edition>| -> Vec<Shown> {
        list.into_iter().map(|one| shown(one, visit.now)).collect()
    };
    html(&Exports {
        chrome: Chrome::new(
            &app,
            &visit,
            Section::None,
            "Exports",
            "The data as files: NDJSON, CSV, Parquet and SQLite, with digests and licence.",
        ),
        made: app.settings.exports.is_some(),
        days: worded(days),
        months: worded(months),
        host: app.settings.absolute("/exports/latest/servers.csv"),
    })
}

#[cfg(test)]
mod tests {
    use super::{grouped, size};

    #[test]
    fn sizes_and_numbers_are_short_to_read() {
        assert_eq!(
            [size(0), size(10_239), size(10_240)],
            ["0 B", "10239 B", "10 KiB"]
        );
        assert_eq!(size(50 << 20), "50 MiB");
        assert_eq!(size(20 << 30), "20 GiB");
        assert_eq!(
            [grouped(0), grouped(999), grouped(1_234_567)],
            ["0", "999", "1,234,567"]
        );
    }
}
