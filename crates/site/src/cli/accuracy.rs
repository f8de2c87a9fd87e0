//! `accuracy`: the checks against a corpus of labelled evidence.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use scanner::accuracy::{self, Accuracy, Item, Label};
use scanner::rubric;

use super::{Ended, Exit, Outcome, put, tell};
use crate::output::bundle;

/// Longest line of a corpus: one recorded scan.
const LINE_BYTES: u64 = 64 << 20;

#[derive(Debug, Args)]
pub(super) struct AccuracyArgs {
    /// Folder of recorded scans (NAME.ndjson.zst) and their labels (NAME.tsv)
    #[arg(value_name = "DIR")]
    corpus: PathBuf,
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Fail if a verdict on known evidence changed although the rubric's version did not
    #[arg(long)]
    check: bool,
    /// Write down the verdicts of new evidence under the rubric in force; known ones never change
    #[arg(long, conflicts_with = "check")]
    write: bool,
    /// Pack bundles (NAME=FILE) into the corpus file SET.ndjson.zst in place of what it holds
    #[arg(long, value_name = "SET", requires = "bundles")]
    pack: Option<String>,
    /// What to pack
    #[arg(value_name = "NAME=BUNDLE", id = "bundles")]
    bundles: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The disagreements and a summary
    Text,
    /// The whole table
    Markdown,
    /// The whole table
    Json,
}

pub(super) fn accuracy(args: &AccuracyArgs) -> Outcome {
    if let Some(set) = &args.pack {
        return pack(&args.corpus, set, &args.bundles);
    }
    let (items, labels) = read(&args.corpus).map_err(|what| Ended::said(Exit::Usage, what))?;
    if args.check || args.write {
        verdicts(&args.corpus, &items, args.write)?;
    }
    let result = accuracy::measure(&items, &labels);
    match args.format {
        Format::Text => put(&text(&result))?,
        Format::Markdown => put(&result.markdown())?,
        Format::Json => {
            let json = serde_json::to_string_pretty(&result).map_err(Ended::internal)?;
            put(&format!("{json}\n"))?;
        }
    }
    Ok(Exit::Done)
}

fn text(result: &Accuracy) -> String {
    let mut out = format!(
        "Rubric {}: {} recorded scans, {} labels, {} disagreements\n",
        result.rubric,
        result.items,
        result.labels,
        result.misses.len()
    );
    for miss in &result.misses {
        out.push_str(&format!(
            "  {:<28} {:<36} {} label {}, said {} ({}): {}\n",
            miss.item, miss.check, miss.revision, miss.truth, miss.said, miss.reason, miss.source
        ));
    }
    let unlabelled: Vec<&str> = result
        .rows
        .iter()
        .filter(|row| row.labels == 0)
        .map(|row| row.check.as_str())
        .collect();
    if !unlabelled.is_empty() {
        out.push_str(&format!("No label for: {}\n", unlabelled.join(", ")));
    }
    let imprecise = result.imprecise();
    if !imprecise.is_empty() {
        out.push_str(&format!(
            "Precision of `fail` below 99 %: {}\n",
            imprecise.join(", ")
        ));
    }
    out
}

/// Compares with the verdicts that were written down, or writes those of new evidence.
fn verdicts(corpus: &Path, items: &[Item], write: bool) -> Result<(), Ended> {
    let version = rubric::current().version;
    let path = corpus.join(format!("verdicts-{version}.rows"));
    let before = match fs::read_to_string(&path) {
        Ok(text) => accuracy::read_rows(&text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            return Err(Ended::said(
                Exit::Usage,
                format!("{}: {error}", path.display()),
            ));
        }
    };
    let now = accuracy::rows(items);
    let changes = accuracy::changed(&before, &now);
    if !changes.is_empty() {
        for change in changes.iter().take(40) {
            tell(format_args!(
                "{} {} {}: was {}, is {}",
                change.key, change.check, change.revision, change.before, change.after
            ));
        }
        return Err(Ended::said(
            Exit::Missed,
            format!(
                "{} verdicts changed under rubric {version}; a changed verdict needs a new rubric version (crates/scanner/src/rubric.rs)",
                changes.len()
            ),
        ));
    }
    if write {
        return fs::write(&path, accuracy::write_rows(&now))
            .map_err(|error| Ended::said(Exit::Usage, format!("{}: {error}", path.display())));
    }
    if before != now {
        return Err(Ended::said(
            Exit::Missed,
            format!(
                "{} does not list the same evidence as the corpus; run `authdex accuracy {} --write`",
                path.display(),
                corpus.display()
            ),
        ));
    }
    Ok(())
}

/// All items and labels of a folder, in the order of file names.
fn read(corpus: &Path) -> Result<(Vec<Item>, Vec<Label>), String> {
    let listing = fs::read_dir(corpus).map_err(|error| format!("{}: {error}", corpus.display()))?;
    let mut paths: Vec<PathBuf> = listing
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    paths.sort();
    let (mut items, mut labels) = (Vec::new(), Vec::new());
    for path in &paths {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let fault = |what: String| format!("{}: {what}", path.display());
        if name.ends_with(".ndjson.zst") {
            let file = File::open(path).map_err(|error| fault(error.to_string()))?;
            let plain = zstd::Decoder::new(file).map_err(|error| fault(error.to_string()))?;
            items.extend(lines(plain).map_err(fault)?);
        } else if name.ends_with(".tsv") {
            let text = fs::read_to_string(path).map_err(|error| fault(error.to_string()))?;
            labels.extend(accuracy::read_labels(&text).map_err(|error| fault(error.to_string()))?);
        }
    }
    if items.is_empty() {
        return Err(format!(
            "{}: no file NAME.ndjson.zst with recorded scans",
            corpus.display()
        ));
    }
    Ok((items, labels))
}

fn lines(plain: impl Read) -> Result<Vec<Item>, String> {
    let mut reader = BufReader::new(plain);
    let mut items = Vec::new();
    loop {
        let mut line = Vec::new();
        let read = (&mut reader)
            .take(LINE_BYTES)
            .read_until(b'\n', &mut line)
            .map_err(|error| error.to_string())?;
        if read == 0 {
            return Ok(items);
        }
        let number = items.len() + 1;
        items.push(
            serde_json::from_slice(&line).map_err(|error| format!("line {number}: {error}"))?,
        );
    }
}

fn pack(corpus: &Path, set: &str, bundles: &[String]) -> Outcome {
    let mut plain = Vec::new();
    for named in bundles {
        let (name, file) = named
            .split_once('=')
            .ok_or_else(|| Ended::said(Exit::Usage, format!("`{named}`: expected NAME=BUNDLE")))?;
        let item = Item {
            name: name.to_owned(),
            evidence: bundle::read(Path::new(file)).map_err(Ended::usage)?,
        };
        serde_json::to_writer(&mut plain, &item).map_err(Ended::internal)?;
        plain.push(b'\n');
    }
    let path = corpus.join(format!("{set}.ndjson.zst"));
    let packed = zstd::encode_all(plain.as_slice(), 19).map_err(Ended::internal)?;
    let mut file = File::create(&path)
        .map_err(|error| Ended::said(Exit::Usage, format!("{}: {error}", path.display())))?;
    file.write_all(&packed)
        .map_err(|error| Ended::said(Exit::Usage, format!("{}: {error}", path.display())))?;
    tell(format_args!("{}: {} scans", path.display(), bundles.len()));
    Ok(Exit::Done)
}
