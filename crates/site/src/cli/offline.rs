//! `grade` and `diff`: evidence judged and compared without asking anybody.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use scanner::diff::{Diff, Graded, Group, between};
use scanner::grade::grade as grade_evidence;
use scanner::report::Report;
use scanner::rubric;

use super::scan::Thresholds;
use super::{Color, Ended, Exit, Outcome, put, tell};
use crate::output::{bundle, json, text};
use crate::view::grade::Mark;

#[derive(Debug, Args)]
pub(super) struct GradeArgs {
    /// Bundles written by `scan --evidence`, or their evidence.json
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// How to print; text on a terminal, else json
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Grade under this rubric [default: the one in force]
    #[arg(long, value_name = "VERSION")]
    rubric: Option<String>,
    #[command(flatten)]
    thresholds: Thresholds,
    /// When to colour
    #[arg(long, value_enum, default_value = "auto")]
    color: Color,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people, 80 columns
    Text,
    /// The report schema authdex.report/1
    Json,
}

#[derive(Debug, Args)]
pub(super) struct DiffArgs {
    /// The earlier bundle
    before: PathBuf,
    /// The later bundle
    after: PathBuf,
    /// How to print; text on a terminal, else json
    #[arg(long, value_enum)]
    format: Option<Format>,
}

/// The format asked for, or what suits where it goes.
pub(super) fn format_or_default(format: Option<Format>) -> Format {
    format.unwrap_or(if std::io::stdout().is_terminal() {
        Format::Text
    } else {
        Format::Json
    })
}

pub(super) fn print(reports: &[Report], format: Format, style: text::Style) -> Result<(), Ended> {
    match format {
        Format::Text => reports
            .iter()
            .try_for_each(|report| put(&text::report(report, style))),
        Format::Json => put(&format!("{}\n", json(reports).map_err(Ended::internal)?)),
    }
}

pub(super) fn grade(args: &GradeArgs) -> Outcome {
    let rubric = match &args.rubric {
        None => rubric::current(),
        Some(version) => rubric::by_version(version).ok_or_else(|| {
            Ended::said(
                Exit::Usage,
                format!(
                    "--rubric: this version has no rubric `{version}`; it has {}",
                    rubric::current().version
                ),
            )
        })?,
    };
    let mut reports = Vec::with_capacity(args.files.len());
    for file in &args.files {
        let evidence = bundle::read(file).map_err(Ended::usage)?;
        let mut report = grade_evidence(&evidence, rubric);
        report.evidence.bundle = Some(file.display().to_string());
        reports.push(report);
    }
    let style = text::Style {
        color: args.color.on(std::io::stdout().is_terminal()),
        all: false,
    };
    print(&reports, format_or_default(args.format), style)?;
    Ok(args.thresholds.judge(&reports))
}

pub(super) fn diff(args: &DiffArgs) -> Outcome {
    let read = |file: &PathBuf| bundle::read(file).map_err(Ended::usage);
    let (before, after) = (read(&args.before)?, read(&args.after)?);
    let (a, b) = (
        grade_evidence(&before, rubric::current()),
        grade_evidence(&after, rubric::current()),
    );
    let diff = between(
        Graded {
            evidence: &before,
            report: &a,
        },
        Graded {
            evidence: &after,
            report: &b,
        },
    )
    .map_err(Ended::usage)?;
    if a.target.url != b.target.url {
        // Staging against production is a fair question, so this is no error.
        tell(format_args!(
            "These are scans of two servers, {} and {}.",
            a.target.url, b.target.url
        ));
    }
    if format_or_default(args.format) == Format::Json {
        let json = serde_json::to_string_pretty(&diff).map_err(Ended::internal)?;
        put(&format!("{json}\n"))?;
        return Ok(Exit::Done);
    }
    put(&compared(&a, &b, &diff))?;
    Ok(Exit::Done)
}

/// The difference for people.
fn compared(a: &Report, b: &Report, diff: &Diff) -> String {
    let mut out = format!(
        "{}\n{} -> {}\n",
        a.target.url,
        Mark::of(&a.grade).text,
        Mark::of(&b.grade).text
    );
    if diff.identical {
        out.push_str("No observable difference.\n");
    }
    if let Some(delta) = diff.score_delta_tenths {
        out.push_str(&format!("score {}\n", crate::view::signed(delta)));
    }
    for part in &diff.causes {
        out.push_str(&format!(
            "  {:<22} {}\n",
            part.cause.as_str().replace('_', " "),
            crate::view::signed(part.tenths)
        ));
    }
    for group in [
        Group::Regressed,
        Group::Fixed,
        Group::NewlyJudged,
        Group::NoLongerJudged,
        Group::Reworded,
    ] {
        let mut first = true;
        for change in diff.group(group) {
            if std::mem::take(&mut first) {
                out.push_str(&format!("{}\n", group.heading()));
            }
            let word = |verdict: Option<scanner::report::FindingVerdict>| {
                verdict.map_or("-", |verdict| verdict.as_str())
            };
            out.push_str(&format!(
                "  {:<40} {} -> {} ({})\n",
                change.check,
                word(change.before),
                word(change.after),
                change.cause.as_str().replace('_', " ")
            ));
        }
    }
    out
}
