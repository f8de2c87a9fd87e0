//! Records as columns: Parquet without Arrow. Every column may be empty; instants are
//! milliseconds in UTC, lists are lists of texts.

use std::sync::Arc;

use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::parser::parse_message_type;
use scanner::time::Millis;
use serde_json::Value;

use super::columns::{Column, Shape};
use super::form::Summing;
use super::{Kind, Record};

/// Records of a row group; so many are held in memory.
const GROUP: usize = 20_000;
/// The level of definition at which there is a value: below it a column has none, and a list
/// no entry.
const THERE: i16 = 1;

/// A file while it is being written.
pub(super) struct Columnar {
    kind: Kind,
    file: SerializedFileWriter<Summing>,
    waiting: Vec<Record>,
}

impl Columnar {
    pub(super) fn begin(kind: Kind, file: Summing) -> std::io::Result<Self> {
        let schema = parse_message_type(&schema(kind)).map_err(fault)?;
        let level = ZstdLevel::try_new(9).map_err(fault)?;
        // Nothing of the machine or the hour goes into it.
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(level))
            .set_created_by(concat!("authdex ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        let file = SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties));
        Ok(Self {
            kind,
            file: file.map_err(fault)?,
            waiting: Vec::new(),
        })
    }

    pub(super) fn add(&mut self, records: &[Record]) -> std::io::Result<()> {
        self.waiting.extend_from_slice(records);
        if self.waiting.len() >= GROUP {
            self.group().map_err(fault)?;
        }
        Ok(())
    }

    pub(super) fn end(mut self) -> std::io::Result<Summing> {
        if !self.waiting.is_empty() {
            self.group().map_err(fault)?;
        }
        self.file.into_inner().map_err(fault)
    }

    fn group(&mut self) -> Result<(), ParquetError> {
        let records = std::mem::take(&mut self.waiting);
        let mut group = self.file.next_row_group()?;
        for (place, column) in self.kind.columns().iter().enumerate() {
            let Some(mut writer) = group.next_column()? else {
                break;
            };
            let values = records.iter().map(|record| record.get(place));
            write(column.shape, values, &mut writer)?;
            writer.close()?;
        }
        group.close().map(drop)
    }
}

fn fault(error: ParquetError) -> std::io::Error {
    std::io::Error::other(error)
}

/// The schema in the language of Parquet.
fn schema(kind: Kind) -> String {
    let columns: String = kind.columns().iter().map(declared).collect();
    format!("message {} {{\n{columns}}}", kind.as_str())
}

fn declared(column: &Column) -> String {
    let name = column.name;
    match column.shape {
        Shape::Text => format!("OPTIONAL BYTE_ARRAY {name} (UTF8);\n"),
        Shape::Document => format!("OPTIONAL BYTE_ARRAY {name} (JSON);\n"),
        Shape::Whole => format!("OPTIONAL INT64 {name};\n"),
        Shape::Real => format!("OPTIONAL DOUBLE {name};\n"),
        Shape::Truth => format!("OPTIONAL BOOLEAN {name};\n"),
        Shape::Time => format!("OPTIONAL INT64 {name} (TIMESTAMP(MILLIS,true));\n"),
        Shape::Texts => format!(
            "REQUIRED group {name} (LIST) {{ REPEATED group list {{ \
             REQUIRED BYTE_ARRAY element (UTF8); }} }}\n"
        ),
    }
}

fn write<'v>(
    shape: Shape,
    values: impl Iterator<Item = Option<&'v Value>>,
    writer: &mut SerializedColumnWriter<'_>,
) -> Result<(), ParquetError> {
    match shape {
        Shape::Text | Shape::Document => {
            let (values, levels) = split(values, |value| match value {
                Value::String(text) => Some(ByteArray::from(text.as_str())),
                Value::Null => None,
                other => Some(ByteArray::from(other.to_string().into_bytes())),
            });
            writer
                .typed::<ByteArrayType>()
                .write_batch(&values, Some(&levels), None)
        }
        Shape::Whole => {
            let (values, levels) = split(values, Value::as_i64);
            writer
                .typed::<Int64Type>()
                .write_batch(&values, Some(&levels), None)
        }
        Shape::Real => {
            let (values, levels) = split(values, Value::as_f64);
            writer
                .typed::<DoubleType>()
                .write_batch(&values, Some(&levels), None)
        }
        Shape::Truth => {
            let (values, levels) = split(values, Value::as_bool);
            writer
                .typed::<BoolType>()
                .write_batch(&values, Some(&levels), None)
        }
        Shape::Time => {
            let (values, levels) = split(values, |value| {
                Some(Millis::parse_rfc3339(value.as_str()?)?.0)
            });
            writer
                .typed::<Int64Type>()
                .write_batch(&values, Some(&levels), None)
        }
        Shape::Texts => {
            let (values, definition, repetition) = lists(values);
            writer.typed::<ByteArrayType>().write_batch(
                &values,
                Some(&definition),
                Some(&repetition),
            )
        }
    }
    .map(drop)
}

/// The values that are there, and for each record whether its one is.
fn split<'v, T>(
    values: impl Iterator<Item = Option<&'v Value>>,
    read: impl Fn(&Value) -> Option<T>,
) -> (Vec<T>, Vec<i16>) {
    let (mut out, mut levels) = (Vec::new(), Vec::new());
    for value in values {
        let value = value.and_then(&read);
        levels.push(if value.is_some() { THERE } else { 0 });
        out.extend(value);
    }
    (out, levels)
}

/// The texts of all lists in a row, with the levels that say where each list begins.
fn lists<'v>(
    values: impl Iterator<Item = Option<&'v Value>>,
) -> (Vec<ByteArray>, Vec<i16>, Vec<i16>) {
    let (mut out, mut definition, mut repetition) = (Vec::new(), Vec::new(), Vec::new());
    for value in values {
        let texts: Vec<&str> = value
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        if texts.is_empty() {
            definition.push(0);
            repetition.push(0);
        }
        for (place, text) in texts.into_iter().enumerate() {
            out.push(ByteArray::from(text));
            definition.push(THERE);
            repetition.push(i16::from(place > 0));
        }
    }
    (out, definition, repetition)
}
