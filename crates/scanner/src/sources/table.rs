//! Tables and plain lists.

use super::{MAX_ENTRIES, Rows, SourceError, clean, transport};
use crate::target::{LISTED_DEPTHS, Listing};

/// Longest quoted field; one that is longer was never closed.
const MAX_FIELD: usize = 16 * 1024;

/// Reads one URL per line. Empty lines and what follows `#` at the beginning of a line or
/// behind a blank are no rows.
pub(super) fn list(text: &str, rows: &mut Rows) {
    for (row, line) in (1..).zip(text.lines()) {
        let url = match line.find('#') {
            Some(at) if line[..at].trim_end().len() < at || at == 0 => &line[..at],
            _ => line,
        };
        if !url.trim().is_empty() {
            rows.url(row, url, url, vec![Listing::default()]);
        }
    }
}

/// Whether the first line is a header with a `url` column.
pub(super) fn has_url_column(text: &str) -> bool {
    let line = text.trim_start().lines().next().unwrap_or_default();
    let delimiter = delimiter(line);
    line.split(delimiter)
        .any(|field| field.trim().trim_matches('"').eq_ignore_ascii_case("url"))
}

fn delimiter(header: &str) -> char {
    [',', ';', '\t']
        .into_iter()
        .find(|delimiter| header.contains(*delimiter))
        .unwrap_or(',')
}

/// Reads a table with a header row (RFC 4180; semicolons and tabs are taken, too).
pub(super) fn csv(text: &str, rows: &mut Rows) -> Result<(), SourceError> {
    let text = text.trim_start_matches(['\r', '\n']);
    let delimiter = delimiter(text.lines().next().unwrap_or_default());
    let mut reader = Reader {
        rest: text,
        line: 1,
        delimiter,
    };
    let header: Vec<String> = match reader.record() {
        Some((_, Ok(fields))) => fields
            .iter()
            .map(|field| field.trim().to_ascii_lowercase())
            .collect(),
        _ => Vec::new(),
    };
    let column = |names: &[&str]| {
        header
            .iter()
            .position(|column| names.contains(&column.as_str()))
    };
    let Some(url) = column(&["url", "remote_url", "endpoint"]) else {
        return Err(SourceError::NoUrlColumn(clean(&header.join(", "))));
    };
    let columns = Columns {
        url,
        name: column(&["name"]),
        servers: column(&["servers", "names"]),
        transport: column(&["transport", "type"]),
        version: column(&["version"]),
        status: column(&["status"]),
        owner: column(&["owner"]),
        tags: column(&["tags"]),
        depth: column(&["depth"]),
        interval: column(&["interval"]),
    };
    while let Some((line, record)) = reader.record() {
        match record {
            Ok(fields) if fields.len() == 1 && fields[0].trim().is_empty() => {}
            Ok(fields) => columns.row(line, &fields, rows),
            Err(raw) => rows.invalid(
                line,
                raw,
                "a quoted field is not closed, or goes on behind its quote",
            ),
        }
    }
    Ok(())
}

/// Positions of the columns that are read.
struct Columns {
    url: usize,
    name: Option<usize>,
    servers: Option<usize>,
    transport: Option<usize>,
    version: Option<usize>,
    status: Option<usize>,
    owner: Option<usize>,
    tags: Option<usize>,
    depth: Option<usize>,
    interval: Option<usize>,
}

impl Columns {
    fn row(&self, line: u64, fields: &[String], rows: &mut Rows) {
        let field = |column: Option<usize>| {
            column
                .and_then(|column| fields.get(column))
                .map(|field| unguarded(field.trim()))
                .filter(|field| !field.is_empty())
        };
        let Some(url) = field(Some(self.url)) else {
            let raw = fields.join(" ");
            return rows.invalid(line, &raw, "the row has no URL");
        };
        let listing = Listing {
            transport: field(self.transport).and_then(transport),
            version: field(self.version).map(clean),
            status: field(self.status).map(clean),
            owner: field(self.owner).map(clean),
            tags: field(self.tags).map(words).unwrap_or_default(),
            depth: asked(field(self.depth), depth, (line, rows)),
            interval_ms: asked(field(self.interval), interval, (line, rows)),
            ..Listing::default()
        };
        let mut names: Vec<String> = field(self.name).map(clean).into_iter().collect();
        names.extend(words(field(self.servers).unwrap_or_default()));
        names.truncate(MAX_ENTRIES);
        let listings = if names.is_empty() {
            vec![listing]
        } else {
            names
                .into_iter()
                .map(|name| Listing {
                    name: Some(name),
                    ..listing.clone()
                })
                .collect()
        };
        rows.url(line, url, url, listings);
    }
}

/// The words of a field with several.
fn words(field: &str) -> Vec<String> {
    field
        .split([' ', ';', '|', ',', '\t', '\n'])
        .map(clean)
        .filter(|word| !word.is_empty())
        .take(MAX_ENTRIES)
        .collect()
}

/// What a field asks for; a value of no use is reported and left out.
fn asked<T>(
    field: Option<&str>,
    read: fn(&str) -> Result<T, &'static str>,
    (line, rows): (u64, &mut Rows),
) -> Option<T> {
    let field = field?;
    match read(field) {
        Ok(value) => Some(value),
        Err(why) => {
            rows.remark(line, field, why);
            None
        }
    }
}

fn depth(field: &str) -> Result<String, &'static str> {
    let word = field.to_ascii_lowercase();
    let known = LISTED_DEPTHS
        .into_iter()
        .any(|depth| depth.as_str() == word);
    known
        .then_some(word)
        .ok_or("a depth that a table may ask for is passive or standard")
}

/// Longest interval that is believed.
const MAX_DAYS: i64 = 366;

fn interval(field: &str) -> Result<i64, &'static str> {
    const WHY: &str = "an interval is a number with m, h, d or w, such as 12h or 7d, up to 366d";
    const MINUTE: i64 = 60_000;
    let digits = field
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(field.len());
    let (number, unit) = field.split_at(digits);
    let scale = match unit.trim() {
        "m" => MINUTE,
        "h" => 60 * MINUTE,
        "d" => 24 * 60 * MINUTE,
        "w" => 7 * 24 * 60 * MINUTE,
        _ => return Err(WHY),
    };
    let ms = number
        .parse::<i64>()
        .ok()
        .and_then(|n| n.checked_mul(scale));
    ms.filter(|ms| (1..=MAX_DAYS * 24 * 60 * MINUTE).contains(ms))
        .ok_or(WHY)
}

/// Our own tables put an apostrophe before what a spreadsheet would take for a formula.
fn unguarded(field: &str) -> &str {
    match field.strip_prefix('\'') {
        Some(rest) if rest.starts_with(['=', '+', '-', '@']) => rest,
        _ => field,
    }
}

/// Reads record after record.
struct Reader<'t> {
    rest: &'t str,
    line: u64,
    delimiter: char,
}

impl<'t> Reader<'t> {
    /// The line on which the next record begins, and its fields, or the line's text if it
    /// cannot be read. `None` at the end.
    fn record(&mut self) -> Option<(u64, Result<Vec<String>, &'t str>)> {
        if self.rest.is_empty() {
            return None;
        }
        let line = self.line;
        let (fields, length) = match fields(self.rest, self.delimiter) {
            Some((fields, length)) => (Ok(fields), length),
            // The quote was a stray one: only its own line is lost.
            None => {
                let end = self.rest.find('\n').map_or(self.rest.len(), |end| end + 1);
                (Err(self.rest[..end].trim_end()), end)
            }
        };
        let (taken, rest) = self.rest.split_at(length);
        self.line += taken.bytes().filter(|byte| *byte == b'\n').count() as u64;
        self.rest = rest;
        Some((line, fields))
    }
}

/// The fields of one record and the bytes it takes, its line end included.
fn fields(text: &str, delimiter: char) -> Option<(Vec<String>, usize)> {
    let mut fields = Vec::new();
    let mut at = 0;
    loop {
        let rest = &text[at..];
        let field;
        if let Some(quoted) = rest.strip_prefix('"') {
            let (value, length) = unquoted(quoted)?;
            field = value;
            at += 1 + length;
        } else {
            let end = rest.find([delimiter, '\n']).unwrap_or(rest.len());
            let value = &rest[..end];
            field = value.strip_suffix('\r').unwrap_or(value).to_owned();
            at += end;
        }
        fields.push(field);
        let rest = &text[at..];
        if let Some(after) = rest.strip_prefix(delimiter) {
            at = text.len() - after.len();
            continue;
        }
        let after = rest.strip_prefix('\r').unwrap_or(rest);
        return match after.strip_prefix('\n') {
            Some(after) => Some((fields, text.len() - after.len())),
            None if rest.is_empty() || after.is_empty() => Some((fields, text.len())),
            None => None,
        };
    }
}

/// A quoted field behind its first quote: the value, and the bytes up to and with the
/// closing quote.
fn unquoted(text: &str) -> Option<(String, usize)> {
    let mut value = String::new();
    let mut at = 0;
    loop {
        let end = at + text[at..].find('"')?;
        if end > MAX_FIELD {
            return None;
        }
        value.push_str(&text[at..end]);
        if text[end + 1..].starts_with('"') {
            value.push('"');
            at = end + 2;
        } else {
            return Some((value, end + 1));
        }
    }
}
