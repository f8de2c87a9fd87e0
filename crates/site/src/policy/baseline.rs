//! A baseline: reports or evidence of an earlier day. With it a run fails for what got worse
//! since, not for what was there already.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use scanner::grade::grade;
use scanner::report::{Badge, FindingVerdict, GradeLetter, Report};
use scanner::rubric::Rubric;
use scanner::spec::Revision;
use serde::Serialize;

use super::verdict_in;
use crate::output::bundle::{self, BundleError, Document};

/// Why a baseline cannot be used. One line.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// The file is no report and no evidence.
    #[error("--baseline: {0}")]
    Read(#[from] BundleError),
    /// A report of another rubric.
    #[error(
        "--baseline {path}: its report of {url} is of rubric {theirs} and this run grades under {ours}, so their verdicts cannot be compared; give the evidence bundle of that run (--evidence), which is graded again"
    )]
    Rubric {
        /// Which.
        path: PathBuf,
        /// The server.
        url: String,
        /// Rubric of the report.
        theirs: String,
        /// Rubric of this run.
        ours: String,
    },
}

/// Earlier reports by server.
#[derive(Debug, Default)]
pub struct Baseline {
    entries: Vec<(String, Report)>,
}

/// A report compared with the baseline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Against {
    /// File of the baseline.
    pub file: String,
    /// The server that the baseline speaks of, where it is another one.
    pub other_server: Option<String>,
    /// When the baseline was scanned, RFC 3339.
    pub started: String,
    /// Its letter or badge in the column of the thresholds.
    pub mark: Option<String>,
    /// Checks that got worse: from pass to warn or fail, or to fail from anything but a fail.
    pub new: Vec<String>,
    /// Checks that warn or fail no worse than they did.
    pub known: BTreeSet<String>,
    /// Checks that warned or failed, and are better now.
    pub fixed: Vec<String>,
    /// There was a letter, and now nothing asks for authorization, or a static key does.
    pub lost_letter: bool,
    /// The letter of the baseline.
    #[serde(skip)]
    pub letter: Option<GradeLetter>,
    /// The badge of the baseline.
    #[serde(skip)]
    pub badge: Option<Badge>,
}

impl Baseline {
    /// Reads files: reports, several of them, or evidence, which is graded again.
    ///
    /// # Errors
    ///
    /// If a file is neither, or a report is of another rubric than `rubric`.
    pub fn read(paths: &[PathBuf], rubric: &Rubric) -> Result<Self, BaselineError> {
        let mut out = Self::default();
        for path in paths {
            for document in bundle::documents(path)? {
                let report = match document {
                    Document::Evidence { evidence, .. } => grade(&evidence, rubric),
                    Document::Report(report) if report.grade.rubric == rubric.version => *report,
                    Document::Report(report) => {
                        return Err(BaselineError::Rubric {
                            path: path.clone(),
                            url: crate::view::Shown::new(&report.target.url).to_string(),
                            theirs: crate::view::Shown::bounded(&report.grade.rubric, 20)
                                .to_string(),
                            ours: rubric.version.into(),
                        });
                    }
                };
                out.entries.push((named(path), report));
            }
        }
        Ok(out)
    }

    /// A baseline of one report from a file called `file`.
    #[must_use]
    pub fn of(file: &str, report: Report) -> Self {
        Self {
            entries: vec![(file.into(), report)],
        }
    }

    /// The comparison of a report with the entry of its server. Where one server is compared
    /// with a baseline of one server, they may have different addresses: a preview is compared
    /// with what it will replace.
    #[must_use]
    pub fn against(&self, report: &Report, alone: bool, column: Revision) -> Option<Against> {
        let same = self
            .entries
            .iter()
            .rev()
            .find(|(_, earlier)| earlier.target.url == report.target.url);
        let other = match self.entries.as_slice() {
            [one] if alone => Some(one),
            _ => None,
        };
        let (file, earlier) = same.or(other)?;
        Some(compare(file, earlier, report, column))
    }
}

fn named(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

fn compare(file: &str, before: &Report, after: &Report, column: Revision) -> Against {
    use FindingVerdict::{Fail, Pass, Warn};
    let grade = before.grades.get(&column).unwrap_or(&before.grade);
    let now = after.grades.get(&column).unwrap_or(&after.grade);
    let mut out = Against {
        file: file.into(),
        other_server: (before.target.url != after.target.url).then(|| before.target.url.clone()),
        started: before.started.clone(),
        mark: grade
            .letter
            .map(GradeLetter::as_str)
            .or(grade.badge.map(Badge::as_str))
            .map(str::to_owned),
        new: Vec::new(),
        known: BTreeSet::new(),
        fixed: Vec::new(),
        lost_letter: grade.letter.is_some() && matches!(now.badge, Some(Badge::O | Badge::K)),
        letter: grade.letter,
        badge: grade.badge,
    };
    for finding in &after.findings {
        let was = before
            .findings
            .iter()
            .find(|earlier| earlier.check == finding.check)
            .map(|earlier| verdict_in(earlier, column));
        let id = || finding.check.clone();
        match (was, verdict_in(finding, column)) {
            (Some(Fail), Fail | Warn) | (Some(Warn), Warn) => {
                out.known.insert(id());
                if (was, verdict_in(finding, column)) == (Some(Fail), Warn) {
                    out.fixed.push(id());
                }
            }
            (Some(Pass), Warn) | (_, Fail) => out.new.push(id()),
            (Some(Warn | Fail), Pass) => out.fixed.push(id()),
            _ => (),
        }
    }
    out
}
