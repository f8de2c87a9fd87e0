//! A report for people and for programs: each form a pure function of the report.

pub mod bundle;
pub mod text;

use scanner::report::Report;
use serde::Serialize;

/// Several reports, as `--format json` prints them.
#[derive(Debug, Serialize)]
pub struct Reports<'r> {
    /// `authdex.reports/1`
    pub schema: &'static str,
    /// In the order of the targets.
    pub reports: &'r [Report],
}

/// One report as itself, several in an envelope.
///
/// # Errors
///
/// Never in practice: every member has a JSON form.
pub fn json(reports: &[Report]) -> serde_json::Result<String> {
    match reports {
        [report] => serde_json::to_string_pretty(report),
        reports => serde_json::to_string_pretty(&Reports {
            schema: "authdex.reports/1",
            reports,
        }),
    }
}
