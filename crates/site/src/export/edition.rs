//! A folder of exported files, with a manifest that says what they are.

use std::path::Path;

use scanner::time::Millis;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use store::Store;
use store::tables::TableFile;
use tokio::sync::watch;

use super::form::{self, Form, Sink, Sum};
use super::{ExportError, Kind, Walk, tables};

/// Records between two lines of progress.
const LINE_EVERY: u64 = 10_000;
/// The licence of what is exported.
const LICENCE: &str = "CC-BY-4.0";

/// How much is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// All there is.
    Full,
    /// What was scanned, seen or changed since.
    Since(Millis),
    /// Of findings and evidence what servers show today, of the rest all there is.
    Today,
}

/// What is exported, and how.
#[derive(Debug, Clone)]
pub struct Wanted<'w> {
    /// Kinds of records, sorted, each once.
    pub kinds: &'w [Kind],
    /// Forms, sorted, each once.
    pub forms: &'w [Form],
    /// How much of it.
    pub extent: Extent,
    /// Address of the instance, or empty.
    pub instance: &'w str,
    /// The rubric in force.
    pub rubric: &'w str,
    /// When it is made; stands in the manifest alone.
    pub now: Millis,
}

impl Wanted<'_> {
    /// Names of the files that will be written, the manifest among them.
    #[must_use]
    pub fn files(&self) -> Vec<String> {
        let mut out = Vec::new();
        for kind in self.kinds {
            let forms = self.forms.iter().filter(|form| **form != Form::Sqlite);
            out.extend(
                forms
                    .filter(|form| form.takes(*kind))
                    .map(|form| form::name(*kind, *form)),
            );
        }
        if self.forms.contains(&Form::Sqlite) {
            out.push(tables::FILE.to_owned());
        }
        out.push("manifest.json".to_owned());
        out
    }
}

/// Writes the files into a folder that is there, the manifest last, and gives the manifest. Each
/// kind is read once, for all forms. `tell` hears of progress.
///
/// # Errors
///
/// If a file cannot be written, the store fails, or `stop` turns true; files that are not whole
/// are left to the caller to remove.
pub async fn write(
    store: &Store,
    folder: &Path,
    wanted: &Wanted<'_>,
    stop: &watch::Receiver<bool>,
    tell: &(dyn Fn(&str) + Sync),
) -> Result<Value, ExportError> {
    let hidden = store.left_out(wanted.now).await?;
    let mut files = Vec::new();
    let database = folder.join(tables::FILE);
    let kinds = tables::kinds(wanted.kinds);
    let mut base = if wanted.forms.contains(&Form::Sqlite) {
        let mut base = TableFile::create(&database, &tables::tables(&kinds)).await?;
        base.add("about", &tables::about(wanted.rubric)).await?;
        base.add("columns", &tables::described(&kinds)).await?;
        Some(base)
    } else {
        None
    };
    let (mut inside, mut rows_inside, mut out_inside) = (Vec::new(), 0, 0);
    for kind in wanted.kinds.iter().copied() {
        let forms = wanted.forms.iter().copied();
        let mut sinks = forms
            .filter(|form| *form != Form::Sqlite && form.takes(kind))
            .map(|form| Sink::begin(folder, kind, form))
            .collect::<Result<Vec<_>, _>>()?;
        let mut table = base.as_mut().filter(|_| kinds.contains(&kind));
        let mut walk = match wanted.extent {
            Extent::Full => Walk::new(store, kind, None),
            Extent::Since(since) => Walk::new(store, kind, Some(since)),
            Extent::Today => Walk::of_today(store, kind),
        }
        .without(hidden.clone());
        let (mut rows, mut told) = (0_u64, 0);
        while let Some(page) = walk.next().await? {
            if *stop.borrow() {
                return Err(ExportError::Stopped);
            }
            for sink in &mut sinks {
                sink.add(&page)?;
            }
            if let Some(table) = &mut table {
                table.add(kind.as_str(), &page).await?;
            }
            rows += page.len() as u64;
            if rows / LINE_EVERY > told {
                told = rows / LINE_EVERY;
                tell(&format!("{}: {rows} records so far", kind.as_str()));
            }
        }
        tell(&format!("{}: {rows} records", kind.as_str()));
        let left_out = walk.left_out();
        if table.is_some() {
            inside.push(json!({"table": kind.as_str(), "rows": rows, "left_out": band(left_out)}));
            rows_inside += rows;
            out_inside += left_out;
        }
        for sink in sinks {
            let form = sink.form();
            files.push(entry(kind, form, rows, left_out, &sink.end()?));
        }
    }
    if let Some(base) = base {
        base.end(&tables::views(&kinds)).await?;
        let sum = summed(&database).map_err(|error| ExportError::file(&database, error))?;
        files.push(json!({
            "file": tables::FILE,
            "kind": "tables",
            "format": Form::Sqlite.as_str(),
            "schema": "authdex.export.sqlite/1",
            "tables": inside,
            "rows": rows_inside,
            "bytes": sum.bytes,
            "sha256": sum.sha256,
            "left_out": band(out_inside),
        }));
    }
    let manifest = json!({
        "schema": "authdex.export/1",
        "generated": wanted.now.rfc3339(),
        "program": concat!("authdex ", env!("CARGO_PKG_VERSION")),
        "instance": (!wanted.instance.is_empty()).then_some(wanted.instance),
        "rubric": wanted.rubric,
        "extent": match wanted.extent {
            Extent::Full => "full",
            Extent::Since(_) => "since",
            Extent::Today => "today",
        },
        "since": match wanted.extent {
            Extent::Since(since) => Some(since.rfc3339()),
            Extent::Full | Extent::Today => None,
        },
        "licence": LICENCE,
        "files": files,
    });
    // Last, so that a folder with a manifest is complete.
    let path = folder.join("manifest.json");
    let part = folder.join("manifest.json.part");
    std::fs::write(&part, format!("{manifest:#}\n"))
        .and_then(|()| std::fs::rename(&part, &path))
        .map_err(|error| ExportError::file(&path, error))?;
    Ok(manifest)
}

fn entry(kind: Kind, form: Form, rows: u64, left_out: u64, sum: &Sum) -> Value {
    let columns = kind.columns();
    json!({
        "file": form::name(kind, form),
        "kind": kind.as_str(),
        "format": form.as_str(),
        "schema": format!("authdex.export.{}/1", kind.as_str()),
        "columns": columns.iter().map(|column| column.name).collect::<Vec<_>>(),
        "types": columns.iter().map(|column| column.shape.as_str()).collect::<Vec<_>>(),
        "rows": rows,
        "bytes": sum.bytes,
        "sha256": sum.sha256,
        "left_out": band(left_out),
    })
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

/// Reads a file that somebody else wrote, and puts it on the disk.
fn summed(path: &Path) -> std::io::Result<Sum> {
    let mut file = std::fs::File::open(path)?;
    let mut hash = Sha256::new();
    let bytes = std::io::copy(&mut file, &mut hash)?;
    file.sync_all()?;
    Ok(Sum {
        bytes,
        sha256: format!("{:x}", hash.finalize()),
    })
}
