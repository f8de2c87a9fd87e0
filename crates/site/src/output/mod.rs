//! A report for people and for programs: each form a pure function of the reports and of what
//! the rules of the run say of them.

pub mod bundle;
pub mod difference;
pub mod github;
pub mod html;
pub mod junit;
pub mod markdown;
pub mod sarif;
pub mod text;

use clap::ValueEnum;
use scanner::report::Report;
use serde::Serialize;

use crate::policy::Subject;

/// The constant of [`Reports::schema`].
pub const REPORTS_SCHEMA: &str = "authdex.reports/1";

/// Forms of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For people, 80 columns
    Text,
    /// The report schema authdex.report/1
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// JUnit XML, a case for each check
    Junit,
    /// For comments and tickets
    Markdown,
    /// One page that needs nothing else
    Html,
    /// Annotations of a GitHub workflow
    Github,
}

impl Form {
    /// Reads a form by the word of the command line.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::from_str(word, false).ok()
    }
}

/// What the forms need besides the reports.
#[derive(Debug, Clone, Default)]
pub struct Setting {
    /// How text is written.
    pub style: text::Style,
    /// Address of an installation whose pages explain the checks.
    pub base: Option<String>,
}

/// Several reports, as `--format json` prints them.
#[derive(Debug, Serialize)]
pub struct Reports<'r> {
    /// `authdex.reports/1`
    pub schema: &'static str,
    /// In the order of the targets.
    pub reports: Vec<&'r Report>,
}

/// One report as itself, several in an envelope.
///
/// # Errors
///
/// Never in practice: every member has a JSON form.
pub fn json(subjects: &[Subject]) -> serde_json::Result<String> {
    match subjects {
        [one] => serde_json::to_string_pretty(&one.report),
        several => serde_json::to_string_pretty(&Reports {
            schema: REPORTS_SCHEMA,
            reports: several.iter().map(|subject| &subject.report).collect(),
        }),
    }
}

/// The reports in a form, with a line break at their end.
///
/// # Errors
///
/// Never in practice: everything has a JSON form, and templates are compiled in.
pub fn render(form: Form, subjects: &[Subject], setting: &Setting) -> anyhow::Result<String> {
    Ok(match form {
        Form::Text => subjects
            .iter()
            .map(|subject| text::report(subject, setting.style))
            .collect(),
        Form::Json => json(subjects)? + "\n",
        Form::Sarif => {
            let log = sarif::log(subjects, setting.base.as_deref());
            serde_json::to_string_pretty(&log)? + "\n"
        }
        Form::Junit => junit::document(subjects),
        Form::Markdown => markdown::document(subjects),
        Form::Html => html::document(subjects)?,
        Form::Github => github::annotations(subjects),
    })
}
