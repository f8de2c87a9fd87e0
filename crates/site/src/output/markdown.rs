//! Markdown for comments and tickets. Text of strangers is escaped so that it stays text:
//! no markup, no link, no mention, no table column of theirs.

use scanner::diff::Group;
use scanner::report::Report;
use scanner::spec::Revision;

use super::difference::Difference;
use crate::policy::{Policy, Subject};
use crate::view::connect::outlook;
use crate::view::finding::{self, View};
use crate::view::grade::{Mark, biting_cap, one_line, points};
use crate::view::{Shown, words};

/// The reports, one after the other.
#[must_use]
pub fn document(subjects: &[Subject]) -> String {
    let mut out = String::new();
    if subjects.len() > 1 {
        out.push_str(
            "# Authorization of MCP servers\n\n| Server | Grade | Why |\n| --- | --- | --- |\n",
        );
        for subject in subjects {
            let report = &subject.report;
            let mark = Mark::of(&report.grade);
            out.push_str(&format!(
                "| {} | {} {} | {} |\n",
                code(&report.target.url),
                escape(&mark.text),
                mark.word,
                escape(one_line(report).as_str())
            ));
        }
        out.push('\n');
    }
    let level = if subjects.len() > 1 { "##" } else { "#" };
    for subject in subjects {
        one(&mut out, subject, level);
    }
    out
}

fn one(out: &mut String, subject: &Subject, level: &str) {
    let report = &subject.report;
    let mark = Mark::of(&report.grade);
    let score = report
        .grade
        .score
        .map_or_else(String::new, |score| format!(", score {score:.1}"));
    out.push_str(&format!(
        "{level} {}\n\n**{}** {}{score}, coverage {:.1} %. {}\n\n",
        code(&report.target.url),
        escape(&mark.text),
        mark.word,
        report.grade.coverage,
        escape(one_line(report).as_str())
    ));
    if let Some(cap) = biting_cap(&report.grade) {
        let band = report.grade.uncapped.map_or("", |letter| letter.as_str());
        out.push_str(&format!(
            "Capped at {} by {}; the score alone would be {}.\n\n",
            escape(&cap.letter),
            code(&cap.check),
            escape(band)
        ));
    }
    policy(out, &subject.policy);
    let findings = finding::sorted(report, None);
    let server: Vec<&View> = findings.server.iter().collect();
    for (heading, list) in [
        ("To fix by the MCP server", server),
        (
            "To fix by the authorization server's tenant",
            findings.tenant(),
        ),
        (
            "To fix by the authorization server's vendor",
            findings.vendor(),
        ),
    ] {
        if list.is_empty() {
            continue;
        }
        out.push_str(&format!("{level}# {heading}\n\n"));
        for view in list {
            trouble(out, view, &subject.policy);
        }
        out.push('\n');
    }
    clients(out, report, level);
    if !findings.unsure.is_empty() {
        out.push_str(&format!("{level}# Could not be told\n\n"));
        for view in &findings.unsure {
            out.push_str(&format!(
                "- {}: {}\n",
                code(&view.check),
                ours(view.detail.as_str())
            ));
        }
        out.push('\n');
    }
    facts(out, report, &findings);
}

/// Which kinds of client would get how far.
fn clients(out: &mut String, report: &Report, level: &str) {
    let outlook = outlook(&report.connect, None);
    if outlook.ends.is_empty() {
        return;
    }
    out.push_str(&format!(
        "{level}# Who would connect\n\n{}.\n\n",
        escape(&outlook.sum)
    ));
    for end in &outlook.ends {
        let who: Vec<String> = end.profiles.iter().map(|(_, name)| escape(name)).collect();
        let detail = if end.detail.is_empty() {
            String::new()
        } else {
            format!(". {}", escape(end.detail.as_str()))
        };
        out.push_str(&format!(
            "- {}: {}{detail}\n",
            escape(&end.says),
            who.join(", ")
        ));
    }
    out.push('\n');
}

fn policy(out: &mut String, policy: &Policy) {
    for reason in &policy.missed {
        out.push_str(&format!("- Missed: {}\n", escape(reason)));
    }
    if let Some(against) = &policy.against {
        out.push_str(&format!(
            "- Since the baseline of {}: {} new, {} known, {} fixed",
            escape(&against.started),
            against.new.len(),
            against.known.len(),
            against.fixed.len()
        ));
        if !against.fixed.is_empty() {
            let fixed: Vec<String> = against.fixed.iter().map(|check| code(check)).collect();
            out.push_str(&format!(" ({})", fixed.join(", ")));
        }
        out.push('\n');
    }
    if !policy.missed.is_empty() || policy.against.is_some() {
        out.push('\n');
    }
}

fn trouble(out: &mut String, view: &View, policy: &Policy) {
    let cost = match (&view.lost, &view.cap) {
        (Some(lost), Some(cap)) => format!(", −{lost} points, caps at {cap}"),
        (Some(lost), None) => format!(", −{lost} points"),
        (None, Some(cap)) => format!(", caps at {cap}"),
        (None, None) => String::new(),
    };
    out.push_str(&format!(
        "- **{}** {} ({} {}{})\n",
        view.verdict.to_uppercase(),
        code(&view.check),
        view.level,
        view.severity,
        escape(&cost)
    ));
    if view.withheld {
        out.push_str("  Details are held back until they can do no harm.\n");
        return;
    }
    let place = view.seen.first().map_or_else(String::new, |seen| {
        format!(" (exchange {}, {})", seen.exchange, code(seen.at.as_str()))
    });
    out.push_str(&format!(
        "  - Seen: {}{place}\n",
        ours(view.detail.as_str())
    ));
    if !view.fix.is_empty() {
        out.push_str(&format!("  - Fix: {}\n", ours(view.fix)));
    }
    let rules: Vec<String> = view
        .cites
        .iter()
        .map(|cite| match &cite.url {
            Some(url) => format!("[{}]({url})", escape(&cite.text)),
            None => escape(&cite.text),
        })
        .collect();
    if !rules.is_empty() {
        out.push_str(&format!("  - Rule: {}\n", rules.join("; ")));
    }
    if let Some(note) = policy.note(&view.check) {
        out.push_str(&format!("  - Note: {}\n", escape(&note)));
    }
}

fn facts(out: &mut String, report: &Report, findings: &finding::Findings) {
    let letters: Vec<String> = Revision::ALL
        .into_iter()
        .filter_map(|revision| {
            let grade = report.grades.get(&revision)?;
            Some(format!("{revision}: {}", escape(&Mark::of(grade).text)))
        })
        .collect();
    out.push_str(&format!(
        "Class {}, wire era {}. By revision {}. MCP server {}, authorization server {}. {} checks pass, {} do not apply. {} requests, depth {}, rubric {}, scanned {}.\n\n",
        words::class(report.class),
        report.era.as_str(),
        letters.join(", "),
        points(report.grade.sub.resource),
        points(report.grade.sub.authorization_server),
        findings.passes.len(),
        findings.na.len(),
        report.requests.total,
        report.depth.as_str(),
        escape(&report.grade.rubric),
        escape(&report.started)
    ));
}

/// A difference of two scans.
#[must_use]
pub fn difference(difference: &Difference<'_>) -> String {
    let (a, b) = (difference.before, difference.after);
    let mut out = format!(
        "# {}\n\n**{}** to **{}**",
        code(&a.target.url),
        escape(&Mark::of(&a.grade).text),
        escape(&Mark::of(&b.grade).text)
    );
    if let Some(delta) = difference.total() {
        out.push_str(&format!(", score {}", crate::view::signed(delta)));
    }
    out.push_str(".\n\n");
    if a.target.url != b.target.url {
        out.push_str(&format!("Compared with {}.\n\n", code(&b.target.url)));
    }
    if difference.diff.identical {
        out.push_str("No observable difference.\n\n");
    }
    let parts = difference.parts();
    if !parts.is_empty() {
        out.push_str("| Cause | Points |\n| --- | --- |\n");
        for (cause, tenths) in parts {
            out.push_str(&format!(
                "| {} | {} |\n",
                words::cause(cause),
                crate::view::signed(tenths)
            ));
        }
        out.push('\n');
    }
    for group in Group::ALL {
        let mut rows = difference.diff.group(group).peekable();
        if rows.peek().is_none() {
            continue;
        }
        out.push_str(&format!(
            "## {}\n\n| Check | Before | After | Points | Cause |\n| --- | --- | --- | --- | --- |\n",
            group.heading()
        ));
        for change in rows {
            let word = |verdict: Option<scanner::report::FindingVerdict>| {
                verdict.map_or("–", words::verdict)
            };
            out.push_str(&format!(
                "| {} | {} | {} | {} | {} |\n",
                code(&change.check),
                word(change.before),
                word(change.after),
                crate::view::signed(change.tenths),
                words::cause(change.cause.as_str())
            ));
        }
        out.push('\n');
    }
    out
}

/// A sentence whose code stands between backticks; both parts stay what they are.
fn ours(text: &str) -> String {
    crate::view::text::pieces(text)
        .map(|piece| {
            if piece.code {
                code(piece.text)
            } else {
                escape(piece.text)
            }
        })
        .collect()
}

/// Text that stays text.
#[must_use]
pub fn escape(raw: &str) -> String {
    let shown = Shown::bounded(raw, 4000);
    let text = shown.as_str();
    let mut out = String::with_capacity(raw.len() + 16);
    for (place, c) in text.char_indices() {
        let next = text.get(place + c.len_utf8()..).unwrap_or_default();
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // Mentions are not looked for in code.
            '@' => out.push_str("`@`"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '|' | '~' | '$' => {
                out.push('\\');
                out.push(c);
            }
            // Bare addresses would become links.
            ':' if next.starts_with("//") => out.push_str("\\:"),
            '.' if out.to_ascii_lowercase().ends_with("www") => out.push_str("\\."),
            c => out.push(c),
        }
    }
    out
}

/// Text as code, fenced by more backticks than it holds.
#[must_use]
pub fn code(raw: &str) -> String {
    let shown = Shown::bounded(raw, 2000);
    let text = shown.as_str().replace('|', "\\|");
    let longest = text
        .split(|c| c != '`')
        .map(str::len)
        .max()
        .unwrap_or_default();
    let fence = "`".repeat(longest + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') || text.is_empty() {
        " "
    } else {
        ""
    };
    format!("{fence}{pad}{text}{pad}{fence}")
}

#[cfg(test)]
mod tests {
    use super::{code, escape};

    #[test]
    fn text_of_strangers_stays_text() {
        assert_eq!(
            escape("[a](http://b) @c <i>|\n# x"),
            "\\[a\\](http\\://b) `@`c &lt;i&gt;\\|\\\\u{a}\\# x"
        );
        assert_eq!(escape("www.a"), "www\\.a");
    }

    #[test]
    fn code_cannot_be_left() {
        assert_eq!(code("a`b``c"), "```a`b``c```");
        assert_eq!(code("`"), "`` ` ``");
        assert_eq!(code("a|b"), "`a\\|b`");
    }
}
