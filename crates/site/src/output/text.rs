//! The report that a person reads in a terminal: letter and reason, the way a client takes
//! with the first broken step, what to fix and who must, and what could not be told. Eighty
//! columns; colour only adds.

use std::collections::BTreeMap;

use scanner::report::{Class, FindingVerdict, Report};
use scanner::spec::Revision;

use crate::policy::{Policy, Subject};
use crate::view::finding::{self, View};
use crate::view::grade::{Mark, biting_cap, one_line, points};
use crate::view::{Shown, connect, funnel, words};

const WIDTH: usize = 80;

/// How a report is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Style {
    /// ANSI colours.
    pub color: bool,
    /// Also passes, and checks that do not apply.
    pub all: bool,
}

/// One report.
#[must_use]
pub fn report(subject: &Subject, style: Style) -> String {
    let (report, policy) = (&subject.report, &subject.policy);
    let mut page = Page {
        out: String::new(),
        style,
    };
    head(&mut page, report);
    steps(&mut page, report);
    rules(&mut page, policy);
    let findings = finding::sorted(report, None);
    group(
        &mut page,
        "TO FIX BY THE MCP SERVER",
        findings.server.iter().collect(),
        policy,
    );
    group(
        &mut page,
        "TO FIX BY THE AUTHORIZATION SERVER'S TENANT",
        findings.tenant(),
        policy,
    );
    group(
        &mut page,
        "TO FIX BY THE AUTHORIZATION SERVER'S VENDOR",
        findings.vendor(),
        policy,
    );
    outlook(&mut page, report);
    unsettled(&mut page, report, &findings.unsure);
    if style.all {
        listed(&mut page, "HOLDS", &findings.passes);
        listed(&mut page, "DOES NOT APPLY", &findings.na);
    }
    foot(&mut page, report, &findings);
    page.out
}

struct Page {
    out: String,
    style: Style,
}

impl Page {
    fn line(&mut self, text: &str) {
        self.out.push_str(text.trim_end());
        self.out.push('\n');
    }

    fn paint(&self, tone: &str, text: &str) -> String {
        let code = match tone {
            "pass" | "ap" | "a" => "32",
            "b" | "warn" | "c" => "33",
            "fail" | "d" | "e" | "f" => "31",
            "head" => "1",
            _ => "2",
        };
        if self.style.color {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// A paragraph below a label, hanging.
    fn paragraph(&mut self, indent: &str, label: &str, text: &str) {
        let first = format!("{indent}{label}");
        let rest = " ".repeat(first.chars().count());
        for line in textwrap::wrap(text, hanging(&first, &rest)) {
            self.line(&line);
        }
    }
}

/// Lines of our width; dates, ids and names are not parted at their hyphens.
fn hanging<'i>(first: &'i str, rest: &'i str) -> textwrap::Options<'i> {
    textwrap::Options::new(WIDTH)
        .initial_indent(first)
        .subsequent_indent(rest)
        .word_separator(textwrap::WordSeparator::AsciiSpace)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
}

fn head(page: &mut Page, report: &Report) {
    let mark = Mark::of(&report.grade);
    page.line("");
    let title = page.paint("head", Shown::bounded(&report.target.url, 2000).as_str());
    page.line(&title);
    page.line("");
    let letter = page.paint(mark.key, &format!("  {:<3}", mark.text));
    let word = mark.word;
    let score = match report.grade.score {
        Some(score) => format!("score {score:.1}, coverage {:.1} %", report.grade.coverage),
        None => format!("coverage {:.1} %", report.grade.coverage),
    };
    let class = words::class(report.class);
    let class = if class.eq_ignore_ascii_case(word) {
        String::new()
    } else {
        format!("{class}, ")
    };
    page.line(&format!(
        "{letter} {word} · {score} · {class}wire era {}",
        report.era.as_str()
    ));
    page.paragraph("      ", "", one_line(report).as_str());
    if let Some(cap) = biting_cap(&report.grade) {
        let whose = if cap.as_only {
            " (authorization server)"
        } else {
            ""
        };
        let band = report.grade.uncapped.map_or("", |letter| letter.as_str());
        page.paragraph(
            "      ",
            "",
            &format!(
                "Capped at {} by {}{whose}; the score alone would be {band}.",
                cap.letter, cap.check
            ),
        );
    }
    if matches!(
        report.class,
        Class::Unreachable | Class::Blocked | Class::NotMcp
    ) {
        let ends = ends(report);
        let ends = if ends.is_empty() { "nothing" } else { &ends };
        page.paragraph(
            "      ",
            "",
            &format!("Heard: {ends}. `--verbose` prints every exchange."),
        );
    }
    if let Some(exposure) = report.exposure {
        page.paragraph(
            "      ",
            "",
            &format!("{}: {}", exposure.as_str(), words::exposure(exposure)),
        );
    }
    page.line("");
}

/// How the exchanges of a server ended that nothing else is known of, the most frequent ends
/// first.
fn ends(report: &Report) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for exchange in &report.exchanges {
        let end = match (exchange.status, &exchange.failure) {
            (Some(status), _) => format!("status {status}"),
            (None, Some(failure)) => failed(failure).to_owned(),
            (None, None) => continue,
        };
        *counts.entry(end).or_default() += 1;
    }
    let mut counts: Vec<(String, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let counts: Vec<String> = counts
        .into_iter()
        .take(3)
        .map(|(end, count)| format!("{end} ({count})"))
        .collect();
    counts.join(", ")
}

/// The word of a failure as people say it.
fn failed(word: &str) -> &str {
    match word {
        "dns" => "the name has no address",
        "blocked" => "the address is refused",
        "refused" => "connection refused",
        "unreachable" => "network unreachable",
        "tls" => "TLS failed",
        "reset" => "connection reset",
        "protocol" => "no HTTP",
        other => other,
    }
}

fn steps(page: &mut Page, report: &Report) {
    let steps = funnel::steps(report);
    if steps.is_empty() || !report.class.graded() {
        return;
    }
    for step in steps {
        let sign = match step.tone {
            "pass" => "ok",
            "warn" => "!",
            "fail" => "X",
            "unsure" => "?",
            _ => "-",
        };
        let sign = page.paint(step.tone, &format!("{sign:>4}"));
        let check = match &step.check {
            Some(check) if step.tone != "pass" => format!(" ({check})"),
            _ => String::new(),
        };
        let breaks = if step.breaks {
            " <- the first broken step"
        } else {
            ""
        };
        let first = format!("{sign}  {:<18}", step.name);
        let text = format!("{}{check}{breaks}", step.says);
        let rest = " ".repeat(24);
        for line in textwrap::wrap(&text, hanging(&first, &rest)) {
            page.line(&line);
        }
    }
    page.line("");
}

/// What the rules of the run came to.
fn rules(page: &mut Page, policy: &Policy) {
    let lines = super::html::rules(policy);
    if lines.is_empty() {
        return;
    }
    let heading = page.paint("head", "RULES OF THIS RUN");
    page.line(&heading);
    for line in lines {
        page.paragraph("  ", "", &line.replace('`', ""));
    }
    page.line("");
}

fn group(page: &mut Page, heading: &str, findings: Vec<&View>, policy: &Policy) {
    if findings.is_empty() {
        return;
    }
    let heading = page.paint("head", heading);
    page.line(&heading);
    page.line("");
    for finding in findings {
        let verdict = page.paint(finding.tone, &finding.verdict.to_uppercase());
        let lost = match (&finding.lost, &finding.cap) {
            (Some(lost), Some(cap)) => format!("  −{lost}, caps at {cap}"),
            (Some(lost), None) => format!("  −{lost}"),
            (None, Some(cap)) => format!("  caps at {cap}"),
            (None, None) => String::new(),
        };
        let id = page.paint("head", &finding.check);
        page.line(&format!("  {verdict}  {id}  {}{lost}", finding.severity));
        let seen = match finding.seen.first() {
            Some(seen) => format!(
                "{} (exchange {}, {})",
                finding.detail.as_str(),
                seen.exchange,
                seen.at.as_str()
            ),
            None => finding.detail.as_str().to_owned(),
        };
        page.paragraph("        ", "seen  ", &seen);
        page.paragraph("        ", "why   ", finding.why);
        page.paragraph("        ", "fix   ", finding.fix);
        let rules: Vec<&str> = finding
            .cites
            .iter()
            .map(|cite| cite.text.as_str())
            .take(2)
            .collect();
        page.paragraph("        ", "rule  ", &rules.join("; "));
        if !finding.attributed.is_empty() {
            page.paragraph("        ", "whose ", finding.attributed.as_str());
        }
        if finding.unvalidated {
            page.paragraph(
                "        ",
                "note  ",
                "seen over a connection whose certificate did not validate",
            );
        }
        if let Some(note) = policy.note(&finding.check) {
            page.paragraph("        ", "note  ", &note);
        }
        page.line("");
    }
}

/// Which clients would connect, those with the same end together.
fn outlook(page: &mut Page, report: &Report) {
    let outlook = connect::outlook(&report.connect, None);
    if outlook.ends.is_empty() {
        return;
    }
    let heading = page.paint("head", "WHO WOULD CONNECT");
    page.line(&format!("{heading}  {}", outlook.sum));
    for end in &outlook.ends {
        let sign = match end.tone {
            "pass" => "ok",
            "fail" => "X",
            _ => "?",
        };
        let sign = page.paint(end.tone, &format!("{sign:>4}"));
        let names: Vec<&str> = end.profiles.iter().map(|(_, name)| name.as_str()).collect();
        let text = format!("{}: {}", end.says, names.join(", "));
        let rest = " ".repeat(6);
        for wrapped in textwrap::wrap(&text, hanging(&format!("{sign}  "), &rest)) {
            page.line(&wrapped);
        }
        let shown: Vec<String> = end
            .check
            .iter()
            .cloned()
            .chain(end.exchange.iter().map(|(id, _)| format!("exchange {id}")))
            .collect();
        if !end.detail.is_empty() {
            let shown = if shown.is_empty() {
                String::new()
            } else {
                format!(" ({})", shown.join(", "))
            };
            page.paragraph(&rest, "", &format!("{}{shown}", end.detail.as_str()));
        }
    }
    page.line("");
}

fn unsettled(page: &mut Page, report: &Report, unsure: &[View]) {
    if unsure.is_empty() {
        return;
    }
    let heading = page.paint("head", "COULD NOT BE TOLD");
    page.line(&heading);
    for view in unsure {
        let weighty = if report.grade.unsettled.contains(&view.check) {
            " (counts much)"
        } else {
            ""
        };
        page.paragraph(
            "  ",
            "?  ",
            &format!(
                "{}{weighty}: {}",
                view.check,
                view.detail
                    .as_str()
                    .trim_start_matches("Could not be told: ")
            ),
        );
    }
    page.line("");
}

fn listed(page: &mut Page, heading: &str, views: &[View]) {
    if views.is_empty() {
        return;
    }
    let heading = page.paint("head", heading);
    page.line(&heading);
    for view in views {
        page.line(&format!("  {}", view.check));
    }
    page.line("");
}

fn foot(page: &mut Page, report: &Report, findings: &finding::Findings) {
    if report.class.graded() {
        let letters: Vec<String> = Revision::ALL
            .into_iter()
            .filter_map(|revision| {
                let grade = report.grades.get(&revision)?;
                let claimed = report
                    .claimed
                    .is_some_and(|claimed| claimed.revision == revision);
                Some(format!(
                    "{revision} {}{}",
                    Mark::of(grade).text,
                    if claimed { " (claimed)" } else { "" }
                ))
            })
            .collect();
        page.paragraph("  ", "by revision    ", &letters.join(" · "));
        page.paragraph(
            "  ",
            "by party       ",
            &format!(
                "MCP server {} · authorization server {}",
                points(report.grade.sub.resource),
                points(report.grade.sub.authorization_server)
            ),
        );
    }
    let counts = |verdict| {
        report
            .findings
            .iter()
            .filter(|finding| finding.verdict == verdict)
            .count()
    };
    page.paragraph(
        "  ",
        "checks         ",
        &format!(
            "{} pass · {} warn · {} fail · {} could not be told · {} do not apply",
            counts(FindingVerdict::Pass),
            counts(FindingVerdict::Warn),
            counts(FindingVerdict::Fail),
            counts(FindingVerdict::Inconclusive),
            counts(FindingVerdict::Na)
        ),
    );
    page.paragraph(
        "  ",
        "we sent        ",
        &format!(
            "{} requests in {:.1} s, depth {}, rubric {}",
            report.requests.total,
            f64::from(report.duration_ms) / 1000.0,
            report.depth.as_str(),
            report.grade.rubric
        ),
    );
    let worst = findings
        .server
        .first()
        .or(findings.authorization_server.first());
    if let Some(next) = worst {
        page.paragraph(
            "  ",
            "next           ",
            &format!("authdex explain {}", next.check),
        );
    }
    page.line("");
}
