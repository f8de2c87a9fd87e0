//! The way a client takes, from the transport to its registration, with the first step at
//! which it breaks.

use scanner::check::{Area, Level};
use scanner::report::{Finding, FindingVerdict, Report};

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What happens in it.
    pub name: &'static str,
    /// How it goes, as a class of the style sheet: `pass`, `warn`, `fail`, `unsure`, `na`.
    pub tone: &'static str,
    /// How it goes, in words.
    pub says: String,
    /// The check that decides, where one does.
    pub check: Option<String>,
    /// The first broken one.
    pub breaks: bool,
}

const STEPS: [&str; 6] = [
    "Transport",
    "Challenge",
    "Resource metadata",
    "AS metadata",
    "Keys and PKCE",
    "Registration",
];

/// The six steps of a report. Empty where no client could set out: nothing was reached.
#[must_use]
pub fn steps(report: &Report) -> Vec<Step> {
    let mut broken = false;
    let steps: Vec<Step> = STEPS
        .into_iter()
        .enumerate()
        .map(|(place, name)| {
            let findings = report
                .findings
                .iter()
                .filter(|finding| place_of(finding) == Some(place));
            let mut step = step(name, findings);
            step.breaks = step.tone == "fail" && !broken;
            broken |= step.breaks;
            step
        })
        .collect();
    if steps
        .iter()
        .all(|step| matches!(step.tone, "na" | "unsure"))
    {
        return Vec::new();
    }
    steps
}

/// The step a finding belongs to.
fn place_of(finding: &Finding) -> Option<usize> {
    let area = scanner::checks::by_id(&finding.check)?.area;
    match area {
        Area::Transport => Some(0),
        Area::Challenge => Some(1),
        Area::ResourceMetadata => Some(2),
        Area::AsMetadata => Some(3),
        Area::Pkce | Area::Endpoints => Some(4),
        Area::Registration => Some(5),
        Area::ResourceIndicators
        | Area::TokenHandling
        | Area::Scopes
        | Area::Session
        | Area::Origin
        | Area::Hygiene
        | Area::Legacy => None,
    }
}

fn step<'f>(name: &'static str, findings: impl Iterator<Item = &'f Finding>) -> Step {
    let mut judged = 0;
    let mut worst: Option<&Finding> = None;
    let (mut unsure, mut blocked): (Option<&Finding>, Option<&Finding>) = (None, None);
    let mut troubles = 0;
    for finding in findings {
        match finding.verdict {
            FindingVerdict::Pass => judged += 1,
            FindingVerdict::Warn | FindingVerdict::Fail => {
                judged += 1;
                troubles += 1;
                if worst.is_none_or(|worst| weight(finding) > weight(worst)) {
                    worst = Some(finding);
                }
            }
            FindingVerdict::Inconclusive => unsure = unsure.or(Some(finding)),
            FindingVerdict::Na if finding.blocked_by.is_some() => {
                blocked = blocked.or(Some(finding));
            }
            FindingVerdict::Na => {}
        }
    }
    let (tone, says, check) = match (worst, judged) {
        (Some(worst), _) => {
            let tone = if weight(worst).0 { "fail" } else { "warn" };
            (tone, told(troubles, judged), Some(worst.check.clone()))
        }
        (None, 0) => match (blocked, unsure) {
            (Some(finding), _) => ("na", "Not reached".into(), finding.blocked_by.clone()),
            (None, Some(_)) => ("unsure", "Could not tell".into(), None),
            (None, None) => ("na", "Does not apply".into(), None),
        },
        (None, judged) => ("pass", told(0, judged), None),
    };
    Step {
        name,
        tone,
        says,
        check,
        breaks: false,
    }
}

/// Whether the step breaks there, and how badly.
fn weight(finding: &Finding) -> (bool, scanner::check::Severity) {
    let breaks = finding.verdict == FindingVerdict::Fail && finding.level == Level::Must;
    (breaks, finding.severity)
}

fn told(troubles: u32, judged: u32) -> String {
    match (troubles, judged) {
        (0, 1) => "1 check passes".into(),
        (0, judged) => format!("{judged} checks pass"),
        (troubles, judged) => format!("{troubles} of {judged} to fix"),
    }
}
