//! `checks` and `explain`: the catalogue on the command line.

use clap::{Args, ValueEnum};
use scanner::check::{Area, Check};
use scanner::checks::{self, entries};
use scanner::report::FindingVerdict;
use scanner::spec::Revision;
use serde_json::json;

use super::{Ended, Exit, Outcome, put, tell};
use crate::catalogue::{probe, verdicts};
use crate::view::vendors;

#[derive(Debug, Args)]
pub(super) struct ChecksArgs {
    /// Only this area, for example `challenge`
    #[arg(long, value_name = "AREA")]
    area: Option<String>,
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
    Markdown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ExplainFormat {
    Text,
    Json,
}

#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// Id of the check, for example `pkce-advertised`
    #[arg(value_name = "CHECK")]
    id: String,
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    format: ExplainFormat,
}

pub(super) fn checks(args: &ChecksArgs) -> Outcome {
    let wanted = match &args.area {
        None => None,
        Some(name) => Some(area(name)?),
    };
    let list: Vec<&Check> = checks::all()
        .filter(|check| wanted.is_none_or(|area| check.area == area))
        .collect();
    match args.format {
        Format::Text => {
            let mut out = String::new();
            for check in &list {
                out.push_str(&format!(
                    "{:<40} {:<6} {:<3} {:<9} {}\n",
                    check.id,
                    check.level.as_str(),
                    check.class.as_str(),
                    check.severity.as_str(),
                    check.title
                ));
            }
            put(&out)?;
            tell(format_args!(
                "{} checks; `authdex explain ID` prints one in full",
                list.len()
            ));
        }
        Format::Json => {
            let rows: Vec<serde_json::Value> = list.iter().map(|check| row(check)).collect();
            put(&format!("{:#}\n", serde_json::Value::Array(rows)))?;
        }
        Format::Markdown => put(&markdown(&list))?,
    }
    Ok(Exit::Done)
}

fn area(name: &str) -> Result<Area, Ended> {
    Area::ALL
        .into_iter()
        .find(|area| area.as_str() == name)
        .ok_or_else(|| {
            let known: Vec<&str> = Area::ALL.iter().map(|area| area.as_str()).collect();
            Ended::said(
                Exit::Usage,
                format!(
                    "--area: no area is called `{name}`; there are {}",
                    known.join(", ")
                ),
            )
        })
}

fn row(check: &Check) -> serde_json::Value {
    json!({
        "id": check.id,
        "title": check.title,
        "area": check.area.as_str(),
        "level": check.level,
        "party": check.party,
        "class": check.class,
        "severity": check.severity,
        "revisions": Revision::ALL.into_iter().map(|revision| {
            (revision.as_str().to_owned(), json!(check.revisions.at(revision)))
        }).collect::<serde_json::Map<_, _>>(),
        "citations": check.cites.iter().map(|cite| json!({ "text": cite.text(), "url": cite.url() })).collect::<Vec<_>>(),
        "probe": probe(check),
        "verdicts": verdicts(check).into_iter().map(|(verdict, means)| {
            (verdict.as_str().to_owned(), json!(means))
        }).collect::<serde_json::Map<_, _>>(),
        "why": check.why,
        "fix": check.fix,
        "traps": check.traps,
    })
}

/// What an entry says itself of its verdicts, without what holds for all checks.
fn own_verdicts(check: &Check) -> impl Iterator<Item = (FindingVerdict, &'static str)> {
    let entry = entries::by_id(check.id);
    let of = move |verdict, text: fn(&entries::Entry) -> Option<&'static str>| {
        entry.and_then(text).map(|text| (verdict, text))
    };
    [
        of(FindingVerdict::Pass, |entry| Some(entry.pass)),
        of(FindingVerdict::Warn, |entry| entry.warn),
        of(FindingVerdict::Fail, |entry| entry.fail),
        of(FindingVerdict::Na, |entry| entry.na),
        of(FindingVerdict::Inconclusive, |entry| entry.inconclusive),
    ]
    .into_iter()
    .flatten()
}

/// The catalogue as one Markdown document; `docs/checks.md` is its output.
#[must_use]
pub(super) fn markdown(list: &[&Check]) -> String {
    let mut out = format!(
        "# The checks\n\nMade by `authdex checks --format markdown`; do not edit. Columns of a matrix: 2025-03-26, 2025-06-18, \
         2025-11-25, 2026-07-28; A applies, C applies with a change, N not yet, R retired. A verdict that is not listed never comes, \
         but for two that hold for every check.\n\n- na: {}\n- inconclusive: {}\n",
        entries::NA,
        entries::INCONCLUSIVE
    );
    let mut current = None;
    for check in list {
        if current != Some(check.area) {
            current = Some(check.area);
            out.push_str(&format!("\n## {}\n", check.area.heading()));
        }
        let letters: String = Revision::ALL
            .iter()
            .map(|revision| format!("{:?}", check.revisions.at(*revision)))
            .collect();
        let party: Vec<&str> = check.party.iter().map(|party| party.as_str()).collect();
        let cites: Vec<String> = check
            .cites
            .iter()
            .map(|cite| match cite.url() {
                Some(url) => format!("[{}]({url})", cite.text()),
                None => cite.text(),
            })
            .collect();
        let verdicts: String = own_verdicts(check)
            .map(|(verdict, means)| format!("  - {}: {means}\n", verdict.as_str()))
            .collect();
        out.push_str(&format!(
            "\n### {}\n\n{}.\n\n{} · {} · {} · {} · {letters}\n\n- Probe: {}\n- Verdicts:\n{verdicts}- Why: {}\n- Fix: {}\n- Traps: {}\n- Rule: {}\n",
            check.id,
            check.title.trim_end_matches('.'),
            check.level.as_str(),
            check.severity.as_str(),
            check.class.as_str(),
            party.join(", ").replace('_', " "),
            probe(check),
            check.why,
            check.fix,
            check.traps,
            cites.join("; ")
        ));
    }
    out
}

pub(super) fn explain(args: &ExplainArgs) -> Outcome {
    let Some(check) = checks::by_id(&args.id) else {
        return Err(Ended::said(
            Exit::Usage,
            crate::catalogue::unknown(&args.id),
        ));
    };
    match args.format {
        ExplainFormat::Text => put(&explained(check))?,
        ExplainFormat::Json => put(&format!("{:#}\n", row(check)))?,
    }
    Ok(Exit::Done)
}

fn explained(check: &Check) -> String {
    let mut out = format!("{}\n{}\n\n", check.id, check.title);
    let party: Vec<&str> = check.party.iter().map(|party| party.as_str()).collect();
    let revisions: Vec<String> = Revision::ALL
        .into_iter()
        .map(|revision| format!("{revision} {:?}", check.revisions.at(revision)))
        .collect();
    let wrap = |label: &str, text: &str| {
        let first = format!("  {label:<10}");
        let rest = " ".repeat(12);
        textwrap::fill(
            text,
            textwrap::Options::new(80)
                .initial_indent(&first)
                .subsequent_indent(&rest)
                .word_separator(textwrap::WordSeparator::AsciiSpace)
                .word_splitter(textwrap::WordSplitter::NoHyphenation),
        ) + "\n"
    };
    out.push_str(&wrap(
        "level",
        &format!(
            "{} · severity {} · {} · {}",
            check.level.as_str(),
            check.severity.as_str(),
            check.class.as_str(),
            check.area.heading()
        ),
    ));
    out.push_str(&wrap("acts", &party.join(", then ").replace('_', " ")));
    out.push_str(&wrap(
        "in force",
        &format!(
            "{} (A applies, C changed, N not yet, R retired)",
            revisions.join(" · ")
        ),
    ));
    out.push('\n');
    out.push_str(&wrap("asks", probe(check)));
    out.push('\n');
    for (verdict, means) in verdicts(check) {
        let word = match verdict {
            FindingVerdict::Inconclusive => "unsure",
            other => other.as_str(),
        };
        out.push_str(&wrap(word, &means));
    }
    out.push('\n');
    out.push_str(&wrap("why", check.why));
    out.push_str(&wrap("fix", check.fix));
    out.push_str(&wrap("traps", check.traps));
    for vendor in vendors::of(check) {
        out.push_str(&wrap(
            "known",
            &format!(
                "{} ({}): {}; {}",
                vendor.name, vendor.acts, vendor.because, vendor.source
            ),
        ));
    }
    out.push('\n');
    for cite in check.cites {
        out.push_str(&format!("  rule      {}\n", cite.text()));
        if let Some(url) = cite.url() {
            out.push_str(&format!("            {url}\n"));
        }
    }
    out
}
