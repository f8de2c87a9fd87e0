//! Forms of exported files, and the writing of each: every byte is counted and hashed on its
//! way to the disk, and the same records give the same bytes.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::parquet::Columnar;
use super::{ExportError, Kind, Record};
use crate::api::csv;

/// Level of compression: files are read far more often than written.
const LEVEL: i32 = 9;

/// Forms of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// One JSON object per line
    Ndjson,
    /// The same, compressed with zstd
    #[serde(rename = "ndjson.zst")]
    #[value(name = "ndjson.zst")]
    Zst,
    /// A table with a header, safe to open in a spreadsheet
    Csv,
    /// Typed columns, compressed with zstd
    Parquet,
    /// One database with a table for each kind, and views for the usual questions
    Sqlite,
}

impl Form {
    /// Every form.
    pub const ALL: [Self; 5] = [
        Self::Ndjson,
        Self::Zst,
        Self::Csv,
        Self::Parquet,
        Self::Sqlite,
    ];

    /// The end of names of its files, and its name in settings and manifests.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Zst => "ndjson.zst",
            Self::Csv => "csv",
            Self::Parquet => "parquet",
            Self::Sqlite => "sqlite",
        }
    }

    /// Whether records of this kind can be written in it: what was seen is no table.
    #[must_use]
    pub fn takes(self, kind: Kind) -> bool {
        kind != Kind::Evidence || matches!(self, Self::Ndjson | Self::Zst)
    }

    /// Whether it is text that may go to a terminal.
    #[must_use]
    pub fn is_text(self) -> bool {
        matches!(self, Self::Ndjson | Self::Csv)
    }

    /// What precedes the records.
    #[must_use]
    pub fn head(self, kind: Kind) -> String {
        match self {
            Self::Csv => csv::line(kind.columns().iter().map(|column| column.name)),
            Self::Ndjson | Self::Zst | Self::Parquet | Self::Sqlite => String::new(),
        }
    }

    /// A record as a line of text; NDJSON for every form but CSV.
    #[must_use]
    pub fn line(self, kind: Kind, record: &Record) -> String {
        if self == Self::Csv {
            let fields: Vec<String> = record.iter().map(field).collect();
            return csv::line(fields.iter().map(String::as_str));
        }
        let names = kind.columns().iter().map(|column| column.name.to_owned());
        let object: Map<String, Value> = names.zip(record.iter().cloned()).collect();
        format!("{}\n", Value::Object(object))
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

/// Size and digest of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) bytes: u64,
    /// SHA-256, hexadecimal.
    pub(super) sha256: String,
}

/// A file that counts and hashes what goes into it.
pub(super) struct Summing {
    file: BufWriter<File>,
    hash: Sha256,
    bytes: u64,
}

impl Summing {
    fn create(path: &Path) -> std::io::Result<Self> {
        Ok(Self {
            file: BufWriter::with_capacity(1 << 16, File::create(path)?),
            hash: Sha256::new(),
            bytes: 0,
        })
    }

    /// Ends the file, on the disk.
    pub(super) fn end(self) -> std::io::Result<Sum> {
        self.file
            .into_inner()
            .map_err(std::io::IntoInnerError::into_error)?
            .sync_all()?;
        Ok(Sum {
            bytes: self.bytes,
            sha256: format!("{:x}", self.hash.finalize()),
        })
    }
}

impl Write for Summing {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let taken = self.file.write(bytes)?;
        self.hash.update(&bytes[..taken]);
        self.bytes += taken as u64;
        Ok(taken)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// A file of one kind in one form while it is being written.
pub(super) struct Sink {
    form: Form,
    kind: Kind,
    path: PathBuf,
    way: Way,
}

/// The way to the disk.
enum Way {
    Plain(Summing),
    Zst(zstd::stream::write::Encoder<'static, Summing>),
    Columns(Box<Columnar>),
}

impl Sink {
    /// Begins the file `KIND.FORM` in a folder.
    pub(super) fn begin(folder: &Path, kind: Kind, form: Form) -> Result<Self, ExportError> {
        let path = folder.join(name(kind, form));
        let begun = || -> std::io::Result<Way> {
            let file = Summing::create(&path)?;
            Ok(match form {
                Form::Zst => Way::Zst(zstd::stream::write::Encoder::new(file, LEVEL)?),
                Form::Parquet => Way::Columns(Box::new(Columnar::begin(kind, file)?)),
                Form::Ndjson | Form::Csv | Form::Sqlite => Way::Plain(file),
            })
        };
        let way = begun().map_err(|error| ExportError::file(&path, error))?;
        let mut sink = Self {
            form,
            kind,
            path,
            way,
        };
        sink.text(&form.head(kind))?;
        Ok(sink)
    }

    pub(super) fn add(&mut self, records: &[Record]) -> Result<(), ExportError> {
        if let Way::Columns(columns) = &mut self.way {
            let added = columns.add(records);
            return added.map_err(|error| ExportError::file(&self.path, error));
        }
        let lines: String = records
            .iter()
            .map(|record| self.form.line(self.kind, record))
            .collect();
        self.text(&lines)
    }

    fn text(&mut self, text: &str) -> Result<(), ExportError> {
        let written = match &mut self.way {
            Way::Plain(file) => file.write_all(text.as_bytes()),
            Way::Zst(file) => file.write_all(text.as_bytes()),
            Way::Columns(_) => Ok(()),
        };
        written.map_err(|error| ExportError::file(&self.path, error))
    }

    pub(super) fn end(self) -> Result<Sum, ExportError> {
        let ended = match self.way {
            Way::Plain(file) => file.end(),
            Way::Zst(file) => file.finish().and_then(Summing::end),
            Way::Columns(columns) => columns.end().and_then(Summing::end),
        };
        ended.map_err(|error| ExportError::file(&self.path, error))
    }

    pub(super) fn form(&self) -> Form {
        self.form
    }
}

/// Name of a file.
pub(super) fn name(kind: Kind, form: Form) -> String {
    format!("{}.{}", kind.as_str(), form.as_str())
}
