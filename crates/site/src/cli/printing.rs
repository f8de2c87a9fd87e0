//! Where reports go: one form on standard output, and any number of forms into files.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use clap::Args;

use super::{Color, Ended, Exit, put};
use crate::output::{Form, Setting, render, text};
use crate::policy::Subject;

/// Options of printing.
#[derive(Debug, Clone, Args)]
pub(super) struct Printing {
    /// How to print; text on a terminal, else json
    #[arg(long, value_enum)]
    format: Option<Form>,
    /// Also write FORMAT to a file, for example sarif=authdex.sarif; repeatable
    #[arg(long, value_name = "FORMAT=FILE", value_parser = output)]
    output: Vec<(Form, PathBuf)>,
    /// Also list what holds and what does not apply (text)
    #[arg(long)]
    all: bool,
    /// When to colour
    #[arg(long, value_enum, default_value = "auto")]
    color: Color,
}

fn output(text: &str) -> Result<(Form, PathBuf), String> {
    let known = "text, json, sarif, junit, markdown, html, github";
    let (word, file) = text
        .split_once('=')
        .ok_or_else(|| format!("write it as FORMAT=FILE; formats are {known}"))?;
    let form = Form::named(word)
        .ok_or_else(|| format!("no format is called `{word}`; there are {known}"))?;
    if file.is_empty() {
        return Err("the file after = is missing".into());
    }
    Ok((form, PathBuf::from(file)))
}

impl Printing {
    /// The form asked for, or what suits where it goes.
    pub(super) fn form(&self) -> Form {
        self.format.unwrap_or(if std::io::stdout().is_terminal() {
            Form::Text
        } else {
            Form::Json
        })
    }

    /// Whether a form other than json was asked for.
    pub(super) fn asks_other_than_json(&self) -> bool {
        self.format.is_some_and(|form| form != Form::Json)
    }

    /// Prints all reports, unless they were printed one by one, and writes the files. What
    /// cannot be written costs no report.
    ///
    /// # Errors
    ///
    /// If a file cannot be written.
    pub(super) fn all(
        &self,
        subjects: &[Subject],
        base: Option<&str>,
        printed: bool,
    ) -> Result<(), Ended> {
        let setting = |color: bool| Setting {
            style: text::Style {
                color,
                all: self.all,
            },
            base: base.map(str::to_owned),
        };
        if !printed {
            let color = self.color.on(std::io::stdout().is_terminal());
            let text = render(self.form(), subjects, &setting(color)).map_err(Ended::internal)?;
            put(&text)?;
        }
        let mut failed = None;
        for (form, path) in &self.output {
            let color = self.color == Color::Always;
            let text = render(*form, subjects, &setting(color)).map_err(Ended::internal)?;
            if let Err(error) = std::fs::write(path, text) {
                failed.get_or_insert(unwritten(path, &error));
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

fn unwritten(path: &Path, error: &std::io::Error) -> Ended {
    Ended::said(
        Exit::Usage,
        format!(
            "--output {}: {error}; name a file that can be written",
            path.display()
        ),
    )
}
