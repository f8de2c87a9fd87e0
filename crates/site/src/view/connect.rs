//! Which clients would connect, as readers see it.

use scanner::connect::profile;
use scanner::report::{Connection, Reach, Report};

use super::Shown;
use super::text::sentence;

/// One profile and how far it gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The profile's id.
    pub id: String,
    /// Its name; the id of a profile that is no longer known.
    pub name: String,
    /// Class of the style sheet: `pass`, `fail`, `unsure`.
    pub tone: &'static str,
    /// The outcome, and the step where it ends, in words.
    pub says: String,
    /// Why, in a sentence.
    pub detail: Shown,
    /// The check that explains it.
    pub check: Option<String>,
    /// The exchange that shows it: its number, and where it is shown.
    pub exchange: Option<(u32, Option<String>)>,
}

/// All profiles of a report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outlook {
    /// In the order of the data.
    pub lines: Vec<Line>,
    /// How many connect, stop, and cannot be told, in words.
    pub sum: String,
}

/// Words the profiles of a report. `scan` is the page that shows the exchanges. Empty for
/// reports from before there were profiles.
#[must_use]
pub fn outlook(report: &Report, scan: Option<&str>) -> Outlook {
    let count = |reach: Reach| {
        report
            .connect
            .iter()
            .filter(|connection| connection.result == reach)
            .count()
    };
    if report.connect.is_empty() {
        return Outlook::default();
    }
    let mut sum = format!(
        "{} of {} connect",
        count(Reach::Connects),
        report.connect.len()
    );
    match (count(Reach::Stops), count(Reach::CannotTell)) {
        (_, 0) => {}
        (_, unknown) => sum.push_str(&format!(", {unknown} cannot be told")),
    }
    Outlook {
        lines: report
            .connect
            .iter()
            .map(|connection| line(connection, scan))
            .collect(),
        sum,
    }
}

fn line(connection: &Connection, scan: Option<&str>) -> Line {
    let step = connection.step.map_or("", scanner::report::Step::words);
    let (tone, says) = match connection.result {
        Reach::Connects => ("pass", "connects".to_owned()),
        Reach::Stops => ("fail", format!("stops at {step}")),
        Reach::CannotTell => ("unsure", format!("cannot tell at {step}")),
    };
    Line {
        id: connection.profile.clone(),
        name: profile::by_id(&connection.profile)
            .map_or_else(|| connection.profile.clone(), |known| known.name.clone()),
        tone,
        says,
        detail: Shown::bounded(&sentence(&connection.detail), 400),
        check: connection
            .check
            .clone()
            .filter(|check| scanner::checks::by_id(check).is_some()),
        exchange: connection
            .exchange
            .map(|id| (id, scan.map(|scan| format!("/scans/{scan}#x{id}")))),
    }
}
