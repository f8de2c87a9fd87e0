//! JUnit XML: a suite for each target, a case for each check, in the order of elements and
//! with the attributes that the strict readers of the format demand. A run that could not tell
//! is skipped and never fails.

use scanner::report::{Finding, FindingVerdict, Report};

use crate::policy::{Policy, Subject};
use crate::view::grade::Mark;
use crate::view::text::sentence;
use crate::view::words;

#[derive(Default)]
struct Count {
    tests: usize,
    failures: usize,
    skipped: usize,
}

/// The document.
#[must_use]
pub fn document(subjects: &[Subject]) -> String {
    let mut suites = String::new();
    let mut sum = Count::default();
    let mut millis: u64 = 0;
    for subject in subjects {
        let (text, count) = suite(subject);
        suites.push_str(&text);
        sum.tests += count.tests;
        sum.failures += count.failures;
        sum.skipped += count.skipped;
        millis += u64::from(subject.report.duration_ms);
    }
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"authdex\" tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{}\" time=\"{}\">\n{suites}</testsuites>\n",
        sum.tests,
        sum.failures,
        sum.skipped,
        seconds(millis)
    )
}

fn seconds(millis: u64) -> String {
    format!("{}.{:03}", millis / 1000, millis % 1000)
}

fn suite(subject: &Subject) -> (String, Count) {
    let report = &subject.report;
    let mut cases = String::new();
    let mut remarks = String::new();
    let mut count = Count::default();
    for finding in &report.findings {
        count.tests += 1;
        let name = attribute(&finding.check);
        let area =
            scanner::checks::by_id(&finding.check).map_or("other", |check| check.area.as_str());
        let head = format!("    <testcase classname=\"authdex.{area}\" name=\"{name}\" time=\"0\"");
        match outcome(finding, &subject.policy) {
            Outcome::Passes(remark) => {
                cases.push_str(&format!("{head}/>\n"));
                if let Some(remark) = remark {
                    remarks.push_str(&remark);
                    remarks.push('\n');
                }
            }
            Outcome::Skipped(why) => {
                count.skipped += 1;
                let why = attribute(&why);
                cases.push_str(&format!("{head}><skipped message=\"{why}\"/></testcase>\n"));
            }
            Outcome::Fails => {
                count.failures += 1;
                cases.push_str(&format!(
                    "{head}><failure message=\"{}\" type=\"{}\">{}</failure></testcase>\n",
                    attribute(&said(finding)),
                    attribute(&format!("{}.{}", finding.severity.as_str(), finding.reason)),
                    text(&body(report, finding))
                ));
            }
        }
    }
    let mut out = format!(
        "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{}\" time=\"{}\" timestamp=\"{}\" hostname=\"{}\">\n",
        attribute(&report.target.url),
        count.tests,
        count.failures,
        count.skipped,
        seconds(u64::from(report.duration_ms)),
        attribute(report.started.trim_end_matches('Z')),
        attribute(&report.target.host),
    );
    out.push_str("    <properties>\n");
    for (name, value) in properties(report) {
        out.push_str(&format!(
            "      <property name=\"{name}\" value=\"{}\"/>\n",
            attribute(&value)
        ));
    }
    out.push_str("    </properties>\n");
    out.push_str(&cases);
    out.push_str(&format!(
        "    <system-out>{}</system-out>\n    <system-err/>\n  </testsuite>\n",
        text(&remarks)
    ));
    (out, count)
}

fn properties(report: &Report) -> Vec<(&'static str, String)> {
    let mark = Mark::of(&report.grade);
    let mut out = vec![
        ("grade", mark.text),
        ("why", crate::view::grade::one_line(report).to_string()),
        ("class", report.class.as_str().to_owned()),
        ("coverage", format!("{:.1}", report.grade.coverage)),
        ("rubric", report.grade.rubric.clone()),
        ("depth", report.depth.as_str().to_owned()),
    ];
    if let Some(score) = report.grade.score {
        out.push(("score", format!("{score:.1}")));
    }
    out
}

enum Outcome {
    Passes(Option<String>),
    Skipped(String),
    Fails,
}

fn outcome(finding: &Finding, policy: &Policy) -> Outcome {
    match finding.verdict {
        FindingVerdict::Pass => Outcome::Passes(None),
        FindingVerdict::Warn => {
            let note = policy.note(&finding.check);
            let note = note.map_or_else(String::new, |note| format!(" [{note}]"));
            Outcome::Passes(Some(format!(
                "warning {}: {}{note}",
                finding.check,
                said(finding)
            )))
        }
        FindingVerdict::Fail if !policy.counts(&finding.check) => {
            let note = policy.note(&finding.check).unwrap_or_default();
            Outcome::Skipped(format!("{note} Fails: {}", said(finding)))
        }
        FindingVerdict::Fail => Outcome::Fails,
        FindingVerdict::Na => Outcome::Skipped(format!("does not apply: {}", why(finding))),
        FindingVerdict::Inconclusive => {
            Outcome::Skipped(format!("could not be told: {}", why(finding)))
        }
    }
}

fn why(finding: &Finding) -> String {
    match &finding.blocked_by {
        Some(cause) => format!("{cause} stands in the way"),
        None => words::reason(&finding.reason),
    }
}

fn said(finding: &Finding) -> String {
    if finding.withheld || finding.detail.is_empty() {
        return sentence(&crate::view::finding::title(&finding.check));
    }
    crate::view::Shown::bounded(&sentence(&finding.detail), 1000).to_string()
}

fn body(report: &Report, finding: &Finding) -> String {
    let mut out = String::new();
    for place in finding.evidence.iter().take(10) {
        let url = report
            .exchanges
            .iter()
            .find(|exchange| exchange.id == place.exchange)
            .map_or("", |exchange| exchange.url.as_str());
        out.push_str(&format!(
            "seen  exchange {}, {} {url}\n",
            place.exchange, place.at
        ));
    }
    if let Some(check) = scanner::checks::by_id(&finding.check) {
        out.push_str(&format!("why   {}\nfix   {}\n", check.why, check.fix));
        for cite in check.cites {
            out.push_str(&format!("rule  {}\n", cite.text()));
        }
    }
    out
}

/// Text between tags. What XML cannot hold, and what would mislead a reader, is written out.
fn text(raw: &str) -> String {
    escaped(raw, false)
}

/// Text of an attribute.
fn attribute(raw: &str) -> String {
    escaped(raw, true)
}

fn escaped(raw: &str, attribute: bool) -> String {
    let shown = crate::view::Shown::block(raw, 20_000);
    let mut out = String::with_capacity(raw.len());
    for c in shown.as_str().chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' if attribute => out.push_str("&quot;"),
            '\n' if attribute => out.push_str("&#10;"),
            '\t' if attribute => out.push_str("&#9;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{attribute, text};

    #[test]
    fn what_xml_cannot_hold_is_written_out() {
        assert_eq!(
            text("a]]><b>&\u{0}\u{b}\u{ffff}"),
            "a]]&gt;&lt;b&gt;&amp;\\u{0}\\u{b}\u{fffd}"
        );
        assert_eq!(attribute("\"\n\u{202e}"), "&quot;&#10;\\u{202e}");
    }
}
