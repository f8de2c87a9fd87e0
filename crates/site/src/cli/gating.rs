//! Options that decide how a run ends: thresholds, a baseline, suppressions.

use std::path::PathBuf;

use clap::Args;
use scanner::check::Severity;
use scanner::report::GradeLetter;
use scanner::rubric::Rubric;
use scanner::spec::Revision;
use scanner::time::{Clock as _, SystemClock};

use super::{Ended, Exit, tell};
use crate::policy::Subject;
use crate::policy::baseline::Baseline;
use crate::policy::gate::{Column, End, Gate};
use crate::policy::suppress::Suppressions;

/// When a run fails.
#[derive(Debug, Clone, Args)]
pub(super) struct Gating {
    /// Fail (exit 1) if a graded target is below this letter
    #[arg(long, value_name = "LETTER", value_parser = letter, help_heading = "When to fail")]
    fail_under: Option<GradeLetter>,
    /// Fail (exit 1) if any check of this severity or above fails
    #[arg(long, value_name = "SEVERITY", value_parser = severity, help_heading = "When to fail")]
    fail_on: Option<Severity>,
    /// With --fail-under: open and static-key servers fail too
    #[arg(long, help_heading = "When to fail")]
    require_auth: bool,
    /// Whose grade the thresholds use: a revision, or `claimed`
    #[arg(long, value_name = "REVISION", default_value = "2026-07-28", value_parser = column, help_heading = "When to fail")]
    revision: Column,
    /// Reports or bundles of an earlier day: only what got worse fails; repeatable
    #[arg(long, value_name = "FILE", help_heading = "When to fail")]
    baseline: Vec<PathBuf>,
    /// Findings that are accepted until a day, each with its reason (TOML)
    #[arg(long, value_name = "FILE", help_heading = "When to fail")]
    suppressions: Option<PathBuf>,
}

fn letter(text: &str) -> Result<GradeLetter, String> {
    GradeLetter::parse(text).ok_or_else(|| "one of A+, A, B, C, D, E, F".into())
}

fn severity(text: &str) -> Result<Severity, String> {
    [
        Severity::Info,
        Severity::Low,
        Severity::Medium,
        Severity::High,
        Severity::Critical,
    ]
    .into_iter()
    .find(|severity| severity.as_str() == text)
    .ok_or_else(|| "one of info, low, medium, high, critical".into())
}

fn column(text: &str) -> Result<Column, String> {
    if text == "claimed" {
        return Ok(Column::Claimed);
    }
    Revision::parse(text)
        .map(Column::Of)
        .ok_or_else(|| "one of 2025-03-26, 2025-06-18, 2025-11-25, 2026-07-28, claimed".into())
}

/// The files that the options name, read.
#[derive(Debug)]
pub(super) struct Loaded {
    suppressions: Option<Suppressions>,
    baseline: Option<Baseline>,
}

impl Gating {
    /// Whether a threshold was asked for by name.
    pub(super) fn asked(&self) -> bool {
        self.fail_under.is_some() || self.fail_on.is_some()
    }

    /// Reads the files.
    ///
    /// # Errors
    ///
    /// If one cannot be used.
    pub(super) fn load(&self, rubric: &Rubric) -> Result<Loaded, Ended> {
        let suppressions = self
            .suppressions
            .as_deref()
            .map(|path| Suppressions::read(path, SystemClock.now()))
            .transpose()
            .map_err(Ended::usage)?;
        let baseline = (!self.baseline.is_empty())
            .then(|| Baseline::read(&self.baseline, rubric))
            .transpose()
            .map_err(Ended::usage)?;
        Ok(Loaded {
            suppressions,
            baseline,
        })
    }

    /// The rules, with what their files hold.
    pub(super) fn gate<'g>(
        &self,
        loaded: &'g Loaded,
        rubric: &'static Rubric,
        alone: bool,
    ) -> Gate<'g> {
        Gate {
            fail_under: self.fail_under,
            fail_on: self.fail_on,
            require_auth: self.require_auth,
            column: self.revision,
            suppressions: loaded.suppressions.as_ref(),
            baseline: loaded.baseline.as_ref(),
            rubric,
            alone,
        }
    }
}

impl Loaded {
    /// The same with a baseline, unless one was named.
    pub(super) fn or_baseline(mut self, baseline: Baseline) -> Self {
        self.baseline.get_or_insert(baseline);
        self
    }

    /// Tells what the person should know beyond the reports: which thresholds were missed,
    /// what was fixed, what the baseline does not know, which entries are out of date.
    pub(super) fn remark(&self, subjects: &[Subject]) {
        for subject in subjects {
            let url = &subject.report.target.url;
            for reason in &subject.policy.missed {
                tell(format_args!("missed: {url}: {reason}"));
            }
            match &subject.policy.against {
                Some(against) => {
                    for check in &against.fixed {
                        tell(format_args!(
                            "fixed: {url}: {check}; renew {} to keep it so",
                            against.file
                        ));
                    }
                }
                None if self.baseline.is_some() => tell(format_args!(
                    "baseline: {url} is not in it; its thresholds apply as they are"
                )),
                None => (),
            }
        }
        for remark in self.suppressions.iter().flat_map(Suppressions::remarks) {
            tell(format_args!("suppressions: {remark}"));
        }
    }
}

/// How the run ends: of the targets the first of 1, 3 and 0 that applies.
pub(super) fn end(subjects: &[Subject]) -> Exit {
    let ends: Vec<End> = subjects.iter().map(Gate::end).collect();
    if ends.contains(&End::Missed) {
        Exit::Missed
    } else if ends.contains(&End::Open) {
        Exit::Incomplete
    } else {
        Exit::Done
    }
}
