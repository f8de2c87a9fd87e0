//! Annotations of a GitHub workflow: at most ten, worst first, then a summary. Values are
//! escaped as the runner unescapes them, so that nothing a server says becomes a command.

use scanner::check::Severity;
use scanner::report::{Finding, FindingVerdict};

use crate::policy::Subject;
use crate::view::Shown;
use crate::view::grade::{Mark, one_line};
use crate::view::text::sentence;

/// Most annotations: the service shows no more of one step and one kind.
const MOST: usize = 10;

/// The lines that a step prints.
#[must_use]
pub fn annotations(subjects: &[Subject]) -> String {
    let mut all: Vec<(&Subject, &Finding)> = subjects
        .iter()
        .flat_map(|subject| {
            let trouble = subject.report.findings.iter().filter(|finding| {
                matches!(finding.verdict, FindingVerdict::Warn | FindingVerdict::Fail)
            });
            trouble.map(move |finding| (subject, finding))
        })
        .collect();
    all.sort_by_key(|(subject, finding)| {
        (
            !subject.policy.counts(&finding.check),
            finding.verdict != FindingVerdict::Fail,
            std::cmp::Reverse(finding.severity),
        )
    });
    let mut out = String::new();
    for (subject, finding) in all.iter().take(MOST) {
        out.push_str(&annotation(subject, finding));
    }
    summary(&mut out, subjects, all.len());
    out
}

fn annotation(subject: &Subject, finding: &Finding) -> String {
    let counts = subject.policy.counts(&finding.check);
    let kind = match finding.verdict {
        FindingVerdict::Fail if !counts => "notice",
        FindingVerdict::Fail if finding.severity >= Severity::High => "error",
        FindingVerdict::Fail => "warning",
        _ => "notice",
    };
    let said = if finding.withheld || finding.detail.is_empty() {
        sentence(&crate::view::finding::title(&finding.check))
    } else {
        Shown::bounded(&sentence(&finding.detail), 600).to_string()
    };
    let note = subject
        .policy
        .note(&finding.check)
        .map_or_else(String::new, |note| format!(" {note}"));
    let fix = scanner::checks::by_id(&finding.check).map_or("", |check| check.fix);
    let title = format!(
        "{} ({}, {})",
        finding.check,
        finding.verdict.as_str(),
        finding.severity.as_str()
    );
    let message = format!(
        "{}: {said}{note} Fix: {fix}",
        Shown::bounded(&subject.report.target.url, 300)
    );
    format!("::{kind} title={}::{}\n", property(&title), data(&message))
}

/// Lines that begin with words of ours, so that none of them is a command.
fn summary(out: &mut String, subjects: &[Subject], found: usize) {
    if found > MOST {
        out.push_str(&format!(
            "authdex: {} further findings are not annotated.\n",
            found - MOST
        ));
    }
    for subject in subjects {
        let report = &subject.report;
        let count = |verdict| {
            report
                .findings
                .iter()
                .filter(|finding| finding.verdict == verdict)
                .count()
        };
        let mark = Mark::of(&report.grade);
        let mut line = format!(
            "authdex: {} {} ({}), {} fail, {} warn, {} could not be told",
            Shown::bounded(&report.target.url, 300),
            mark.text,
            mark.word,
            count(FindingVerdict::Fail),
            count(FindingVerdict::Warn),
            count(FindingVerdict::Inconclusive),
        );
        if !subject.policy.suppressed.is_empty() {
            line.push_str(&format!(", {} suppressed", subject.policy.suppressed.len()));
        }
        if let Some(against) = &subject.policy.against {
            line.push_str(&format!(
                ", {} new and {} fixed since the baseline",
                against.new.len(),
                against.fixed.len()
            ));
        }
        out.push_str(&format!("{line}. {}\n", one_line(report)));
    }
}

/// The message of a command.
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// A property of a command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::{data, property};

    #[test]
    fn commands_cannot_be_slipped_in() {
        assert_eq!(data("a\n::error::b%0A"), "a%0A::error::b%250A");
        assert_eq!(property("a::b,c=d\r"), "a%3A%3Ab%2Cc=d%0D");
    }
}
