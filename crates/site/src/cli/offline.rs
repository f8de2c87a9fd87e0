//! `grade` and `diff`: evidence judged and compared without asking anybody.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use scanner::diff::{Graded, between, between_reports};
use scanner::evidence::Evidence;
use scanner::grade::grade as grade_evidence;
use scanner::report::Report;
use scanner::rubric::{self, Rubric};

use super::gating::{self, Gating};
use super::printing::Printing;
use super::{Ended, Exit, Outcome, put, tell};
use crate::output::bundle::{self, Document};
use crate::output::difference::Difference;
use crate::output::markdown;
use crate::policy::Subject;
use crate::policy::baseline::Baseline;

#[derive(Debug, Args)]
pub(super) struct GradeArgs {
    /// Bundles written by `scan --evidence`, or their evidence.json
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Grade under this rubric [default: the one in force]
    #[arg(long, value_name = "VERSION")]
    rubric: Option<String>,
    #[command(flatten)]
    printing: Printing,
    #[command(flatten)]
    gating: Gating,
}

/// Forms of a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DiffForm {
    /// For people, 80 columns
    Text,
    /// The schema authdex.diff/1
    Json,
    /// For comments and tickets
    Markdown,
}

#[derive(Debug, Args)]
pub(super) struct DiffArgs {
    /// The earlier side: a bundle, its evidence.json, a report, or the id of a stored scan
    before: PathBuf,
    /// The later side
    after: PathBuf,
    /// How to print; text on a terminal, else json
    #[arg(long, value_enum)]
    format: Option<DiffForm>,
    #[command(flatten)]
    gating: Gating,
}

fn rubric_named(version: Option<&str>) -> Result<&'static Rubric, Ended> {
    let Some(version) = version else {
        return Ok(rubric::current());
    };
    rubric::by_version(version).ok_or_else(|| {
        Ended::said(
            Exit::Usage,
            format!(
                "--rubric: this version has no rubric `{version}`; it has {}",
                rubric::current().version
            ),
        )
    })
}

pub(super) fn grade(args: &GradeArgs, config: Option<&Path>) -> Outcome {
    let rubric = rubric_named(args.rubric.as_deref())?;
    let rules = args.gating.load(rubric)?;
    let base = super::base(config)?;
    let gate = args.gating.gate(&rules, rubric, args.files.len() == 1);
    let mut subjects = Vec::with_capacity(args.files.len());
    for file in &args.files {
        let evidence = bundle::read(file).map_err(Ended::usage)?;
        let mut report = grade_evidence(&evidence, rubric);
        report.evidence.bundle = Some(file.display().to_string());
        subjects.push(gate.apply(Some(&evidence), report));
    }
    let printed = args.printing.all(&subjects, base.as_deref(), false);
    rules.remark(&subjects);
    printed?;
    Ok(gating::end(&subjects))
}

/// One side of a comparison.
struct Side {
    /// What it was made from, where it is at hand.
    evidence: Option<Evidence>,
    /// Under the rubric in force where there is evidence, else as it was made.
    report: Report,
    /// The report as it was made, if that was under another rubric.
    made: Option<Report>,
}

impl Side {
    fn of(document: Document) -> Self {
        match document {
            Document::Report(report) => Self {
                evidence: None,
                report: *report,
                made: None,
            },
            Document::Evidence { evidence, report } => {
                let today = grade_evidence(&evidence, rubric::current());
                let other = report.filter(|made| made.grade.rubric != today.grade.rubric);
                Self {
                    made: other.map(|made| *made),
                    report: today,
                    evidence: Some(*evidence),
                }
            }
        }
    }

    /// What the rules alone changed, with the rubric of before.
    fn regraded(&self) -> Option<(&str, i64)> {
        let made = self.made.as_ref()?;
        let moved = match (
            crate::compare::tenths(&self.report),
            crate::compare::tenths(made),
        ) {
            (Some(today), Some(then)) => today - then,
            _ => 0,
        };
        Some((made.grade.rubric.as_str(), moved))
    }
}

async fn side(named: &Path, config: Option<&Path>) -> Result<Side, Ended> {
    let word = named.to_string_lossy();
    if word.starts_with("scn_") && !named.exists() {
        return stored(&word, config).await;
    }
    let mut documents = bundle::documents(named).map_err(Ended::usage)?;
    match (documents.pop(), documents.is_empty()) {
        (Some(document), true) => Ok(Side::of(document)),
        _ => Err(Ended::said(
            Exit::Usage,
            format!(
                "{}: it holds several reports or none; a comparison needs one on each side",
                named.display()
            ),
        )),
    }
}

async fn stored(scan: &str, config: Option<&Path>) -> Result<Side, Ended> {
    let settings = super::settings(config)?;
    let store = super::open_store(&settings).await?;
    let evidence = store.evidence(scan).await?;
    let report = store.report(scan, None).await?;
    store.close().await;
    match evidence {
        Some(evidence) => Ok(Side::of(Document::Evidence {
            evidence: Box::new(evidence),
            report: report.map(Box::new),
        })),
        None => Err(Ended::said(
            Exit::Usage,
            format!(
                "{}: the database has no scan of this id; name a stored scan or a file",
                crate::view::Shown::bounded(scan, 60)
            ),
        )),
    }
}

pub(super) async fn diff(args: &DiffArgs, config: Option<&Path>) -> Outcome {
    let before = side(&args.before, config).await?;
    let after = side(&args.after, config).await?;
    let compared = match (&before.evidence, &after.evidence) {
        (Some(a), Some(b)) => between(
            Graded {
                evidence: a,
                report: &before.report,
            },
            Graded {
                evidence: b,
                report: &after.report,
            },
        ),
        _ => between_reports(&before.report, &after.report),
    };
    let diff = compared.map_err(|mismatch| {
        Ended::said(
            Exit::Usage,
            format!("{mismatch}: give its bundle instead of its report"),
        )
    })?;
    let difference = Difference {
        before: &before.report,
        after: &after.report,
        diff: &diff,
        rubric: before.regraded(),
    };
    if before.report.target.url != after.report.target.url {
        // Staging against production is a fair question, so this is no error.
        tell(format_args!(
            "These are scans of two servers, {} and {}.",
            before.report.target.url, after.report.target.url
        ));
    }
    match args.format.unwrap_or_else(default_form) {
        DiffForm::Text => put(&difference.text())?,
        DiffForm::Json => put(&format!("{:#}\n", difference.json()))?,
        DiffForm::Markdown => put(&markdown::difference(&difference))?,
    }
    if !args.gating.asked() {
        return Ok(Exit::Done);
    }
    let name = args.before.display().to_string();
    let known = Baseline::of(&name, before.report.clone());
    let rules = args.gating.load(rubric::current())?.or_baseline(known);
    let gate = args.gating.gate(&rules, rubric::current(), true);
    let subjects: Vec<Subject> = vec![gate.apply(after.evidence.as_ref(), after.report)];
    rules.remark(&subjects);
    Ok(gating::end(&subjects))
}

fn default_form() -> DiffForm {
    use std::io::IsTerminal as _;
    if std::io::stdout().is_terminal() {
        DiffForm::Text
    } else {
        DiffForm::Json
    }
}
