//! `export`: what is published as files, with a manifest that says what they are.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use scanner::rubric;
use scanner::time::{Clock as _, Millis, SystemClock};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use store::Store;

use super::{Ended, Exit, Outcome, put, tell};
use crate::api::csv;
use crate::config::Settings;
use crate::export::{Kind, Record, Walk};

/// Records between two lines of progress.
const LINE_EVERY: u64 = 10_000;

/// Forms of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// One JSON object per line
    Ndjson,
    /// A table with a header, safe to open in a spreadsheet
    Csv,
}

impl Form {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
        }
    }

    fn head(self, kind: Kind) -> String {
        match self {
            Self::Ndjson => String::new(),
            Self::Csv => csv::line(kind.columns().iter().copied()),
        }
    }

    fn line(self, kind: Kind, record: Record) -> String {
        match self {
            Self::Ndjson => {
                let names = kind.columns().iter().map(|name| (*name).to_owned());
                let object: Map<String, Value> = names.zip(record).collect();
                format!("{}\n", Value::Object(object))
            }
            Self::Csv => {
                let fields: Vec<String> = record.iter().map(field).collect();
                csv::line(fields.iter().map(String::as_str))
            }
        }
    }
}

/// A value as a field of a table.
fn field(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(field).collect::<Vec<_>>().join(" "),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// What to export; several need --out
    #[arg(required = true, value_enum)]
    kind: Vec<Kind>,
    /// Only what was scanned, seen or changed since: 2026-11-20, or 2026-11-20T08:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Millis>,
    /// Folder for the files and manifest.json; without it one kind goes to standard output
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Form of the files
    #[arg(long, value_enum, default_value_t = Form::Ndjson)]
    format: Form,
}

fn time(text: &str) -> Result<Millis, String> {
    Millis::parse_rfc3339(text)
        .or_else(|| Millis::parse_rfc3339(&format!("{text}T00:00:00Z")))
        .ok_or_else(|| "write a day (2026-11-20) or an instant (2026-11-20T08:00:00Z)".into())
}

pub(super) async fn run(mut args: ExportArgs, settings: &Settings) -> Outcome {
    let usage = |text: &str| Err(Ended::said(Exit::Usage, text));
    args.kind.sort_unstable();
    args.kind.dedup();
    if args.format == Form::Csv && args.kind.contains(&Kind::Evidence) {
        return usage("--format csv: evidence is no table; export it as ndjson");
    }
    if args.out.is_none() && args.kind.len() > 1 {
        return usage("several kinds do not fit on standard output; name a folder with --out");
    }
    let store = super::open_store(settings).await?;
    let exported = match &args.out {
        Some(folder) => into_folder(&args, folder, &store, settings).await,
        None => onto_output(&args, &store).await,
    };
    store.close().await;
    exported
}

async fn onto_output(args: &ExportArgs, store: &Store) -> Outcome {
    for kind in &args.kind {
        put(&args.format.head(*kind))?;
        let mut walk = Walk::new(store, *kind, args.since);
        while let Some(page) = walk.next().await? {
            let lines: String = page
                .into_iter()
                .map(|record| args.format.line(*kind, record))
                .collect();
            put(&lines)?;
        }
    }
    Ok(Exit::Done)
}

async fn into_folder(
    args: &ExportArgs,
    folder: &Path,
    store: &Store,
    settings: &Settings,
) -> Outcome {
    let generated = SystemClock.now();
    std::fs::create_dir_all(folder).map_err(|error| broken(folder, &error))?;
    let name = |kind: Kind| format!("{}.{}", kind.as_str(), args.format.as_str());
    let manifest = folder.join("manifest.json");
    let mut taken = args.kind.iter().map(|kind| folder.join(name(*kind)));
    if let Some(path) = taken.find(|path| path.exists()) {
        return Err(exists(&path));
    }
    if manifest.exists() {
        return Err(exists(&manifest));
    }
    let mut files = Vec::new();
    for kind in &args.kind {
        let path = folder.join(name(*kind));
        let written = write(args, *kind, &path, store)
            .await
            .inspect_err(|_| drop(std::fs::remove_file(part(&path))))?;
        tell(format_args!("{}: {} records", path.display(), written.rows));
        files.push(json!({
            "file": name(*kind),
            "kind": kind.as_str(),
            "format": args.format.as_str(),
            "schema": format!("authdex.export.{}/1", kind.as_str()),
            "columns": kind.columns(),
            "rows": written.rows,
            "bytes": written.bytes,
            "sha256": written.sha256,
            "left_out": band(written.left_out),
        }));
    }
    let url = &settings.instance.public_url;
    let text = json!({
        "schema": "authdex.export/1",
        "generated": generated.rfc3339(),
        "program": concat!("authdex ", env!("CARGO_PKG_VERSION")),
        "instance": (!url.is_empty()).then_some(url),
        "rubric": rubric::current().version,
        "since": args.since.map(Millis::rfc3339),
        "licence": "CC-BY-4.0",
        "files": files,
    });
    // Last, so that a folder with a manifest is complete.
    std::fs::write(part(&manifest), format!("{text:#}\n"))
        .and_then(|()| std::fs::rename(part(&manifest), &manifest))
        .map_err(|error| broken(&manifest, &error))?;
    Ok(Exit::Done)
}

/// How many were left out, no closer than it takes to know whether an export is complete.
fn band(n: u64) -> &'static str {
    match n {
        0 => "none",
        1..10 => "under 10",
        10..100 => "10 to 99",
        _ => "100 or more",
    }
}

struct Written {
    rows: u64,
    bytes: u64,
    sha256: String,
    left_out: u64,
}

async fn write(
    args: &ExportArgs,
    kind: Kind,
    path: &Path,
    store: &Store,
) -> Result<Written, Ended> {
    let broken = |error: std::io::Error| broken(path, &error);
    let mut file = BufWriter::new(File::create(part(path)).map_err(broken)?);
    let (mut hash, mut rows, mut bytes, mut told) = (Sha256::new(), 0_u64, 0_u64, 0_u64);
    let mut line = |text: &str| {
        hash.update(text.as_bytes());
        bytes += text.len() as u64;
        file.write_all(text.as_bytes())
    };
    line(&args.format.head(kind)).map_err(broken)?;
    let mut walk = Walk::new(store, kind, args.since);
    while let Some(page) = walk.next().await? {
        for record in page {
            line(&args.format.line(kind, record)).map_err(broken)?;
            rows += 1;
        }
        if rows / LINE_EVERY > told {
            told = rows / LINE_EVERY;
            tell(format_args!("{}: {rows} records so far", kind.as_str()));
        }
    }
    file.into_inner()
        .map_err(std::io::IntoInnerError::into_error)
        .and_then(|file| file.sync_all())
        .map_err(broken)?;
    std::fs::rename(part(path), path).map_err(broken)?;
    Ok(Written {
        rows,
        bytes,
        sha256: format!("{:x}", hash.finalize()),
        left_out: walk.left_out(),
    })
}

fn part(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

fn exists(path: &Path) -> Ended {
    Ended::said(
        Exit::Usage,
        format!("{}: it exists; name another folder", path.display()),
    )
}

fn broken(path: &Path, error: &std::io::Error) -> Ended {
    Ended::said(
        Exit::Incomplete,
        format!(
            "{}: {error}; free some space or name another folder",
            path.display()
        ),
    )
}
