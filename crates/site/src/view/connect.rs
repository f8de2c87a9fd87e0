//! Which clients would connect, as readers see it.

use scanner::connect::profile;
use scanner::report::{Connection, Reach};

use super::Shown;
use super::text::sentence;

/// Profiles that end in the same way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// Class of the style sheet: `pass`, `fail`, `unsure`.
    pub tone: &'static str,
    /// The outcome, and the step where it ends, in words.
    pub says: String,
    /// Why, in a sentence; empty for those that connect.
    pub detail: Shown,
    /// The check that explains it.
    pub check: Option<String>,
    /// The exchange that shows it: its number, and where it is shown.
    pub exchange: Option<(u32, Option<String>)>,
    /// Ids and names of the profiles; the id alone of one that is no longer known.
    pub profiles: Vec<(String, String)>,
}

/// All profiles of a report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outlook {
    /// Those that connect, those that stop by their steps, those that cannot be told.
    pub ends: Vec<End>,
    /// How many connect and how many cannot be told, in words.
    pub sum: String,
}

/// Words the profiles of a report. `scan` is the page that shows the exchanges. Empty for
/// reports from before there were profiles.
#[must_use]
pub fn outlook(connections: &[Connection], scan: Option<&str>) -> Outlook {
    if connections.is_empty() {
        return Outlook::default();
    }
    let count = |reach: Reach| {
        connections
            .iter()
            .filter(|connection| connection.result == reach)
            .count()
    };
    let mut sum = format!(
        "{} of {} connect",
        count(Reach::Connects),
        connections.len()
    );
    match count(Reach::CannotTell) {
        0 => {}
        unknown => sum.push_str(&format!(", {unknown} cannot be told")),
    }
    let mut sorted: Vec<&Connection> = connections.iter().collect();
    sorted.sort_by_key(|connection| (connection.result, connection.step));
    let mut ends: Vec<End> = Vec::new();
    for connection in sorted {
        let name = profile::by_id(&connection.profile)
            .map_or_else(|| connection.profile.clone(), |known| known.name.clone());
        let whom = (connection.profile.clone(), name);
        let end = end(connection, scan);
        let known = ends.iter_mut().find(|known| {
            (&known.says, &known.detail, &known.check) == (&end.says, &end.detail, &end.check)
        });
        match known {
            Some(known) => known.profiles.push(whom),
            None => ends.push(End {
                profiles: vec![whom],
                ..end
            }),
        }
    }
    Outlook { ends, sum }
}

fn end(connection: &Connection, scan: Option<&str>) -> End {
    let step = connection.step.map_or("", scanner::report::Step::words);
    let (tone, says) = match connection.result {
        Reach::Connects => ("pass", "connects".to_owned()),
        Reach::Stops => ("fail", format!("stops at {step}")),
        Reach::CannotTell => ("unsure", format!("cannot tell at {step}")),
    };
    let connects = connection.result == Reach::Connects;
    End {
        tone,
        says,
        detail: if connects {
            Shown::new("")
        } else {
            Shown::bounded(&sentence(&connection.detail), 400)
        },
        check: connection
            .check
            .clone()
            .filter(|check| scanner::checks::by_id(check).is_some()),
        exchange: connection
            .exchange
            .filter(|_| !connects)
            .map(|id| (id, scan.map(|scan| format!("/scans/{scan}#x{id}")))),
        profiles: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use scanner::report::Step;

    use super::*;

    fn connection(profile: &str, result: Reach, step: Option<Step>, detail: &str) -> Connection {
        Connection {
            profile: profile.to_owned(),
            result,
            step,
            reason: "reason".to_owned(),
            detail: detail.to_owned(),
            check: Some("pkce-advertised".to_owned()),
            exchange: Some(7),
        }
    }

    #[test]
    fn equal_ends_stand_together_and_those_that_connect_first() {
        let connections = [
            connection(
                "browser",
                Reach::CannotTell,
                Some(Step::Endpoint),
                "Who knows.",
            ),
            connection(
                "lenient",
                Reach::Connects,
                None,
                "By its metadata document.",
            ),
            connection("gone", Reach::Connects, None, "By registering."),
            connection("strict-2026-07-28", Reach::Stops, Some(Step::Pkce), "None."),
            connection("cimd-only", Reach::Stops, Some(Step::Pkce), "None."),
        ];
        let outlook = outlook(&connections, Some("scn_1"));
        assert_eq!(outlook.sum, "2 of 5 connect, 1 cannot be told");
        let ends: Vec<(&str, usize)> = outlook
            .ends
            .iter()
            .map(|end| (end.says.as_str(), end.profiles.len()))
            .collect();
        assert_eq!(
            ends,
            [
                ("connects", 2),
                ("stops at PKCE", 2),
                ("cannot tell at endpoint", 1)
            ]
        );
        assert_eq!(outlook.ends[0].profiles[1].1, "gone");
        assert_eq!(
            outlook.ends[1].exchange,
            Some((7, Some("/scans/scn_1#x7".to_owned())))
        );
    }
}
