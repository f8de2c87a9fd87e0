//! Tables in Markdown, as lists of remote servers keep them.
//!
//! A table counts if its header row has a column for URLs; other tables and all prose are
//! left alone. Cells may hold code spans, links and angle brackets.

use super::{MAX_ENTRIES, Rows, SourceError, auth, clean, transport};
use crate::target::Listing;

/// Headings of the column that holds URLs.
const URLS: [&str; 9] = [
    "url",
    "endpoint",
    "server url",
    "mcp url",
    "remote url",
    "mcp endpoint",
    "endpoint url",
    "mcp server url",
    "remote",
];
const NAMES: [&str; 6] = [
    "name",
    "server",
    "service",
    "mcp server",
    "project",
    "title",
];
const AUTHS: [&str; 4] = ["authentication", "auth", "authorization", "auth type"];
const TRANSPORTS: [&str; 3] = ["transport", "type", "protocol"];

/// Whether the text has a table with a column for URLs.
pub(super) fn has_table(text: &str) -> bool {
    let mut before = "";
    text.lines().any(|line| {
        let header = std::mem::replace(&mut before, line);
        is_rule(line) && Columns::of(header).is_some()
    })
}

/// Reads every table that has a column for URLs.
pub(super) fn read(text: &str, rows: &mut Rows) -> Result<(), SourceError> {
    let mut columns: Option<Columns> = None;
    let mut any = false;
    let mut fenced = false;
    let mut before = "";
    for (row, line) in (1..).zip(text.lines()) {
        let header = std::mem::replace(&mut before, line);
        if line.trim_start().starts_with("```") || line.trim_start().starts_with("~~~") {
            fenced = !fenced;
            columns = None;
        } else if fenced {
            continue;
        } else if is_rule(line) {
            columns = Columns::of(header);
            any |= columns.is_some();
        } else if !line.contains('|') {
            columns = None;
        } else if let Some(columns) = &columns {
            columns.row(row, line, rows);
        }
    }
    if any {
        Ok(())
    } else {
        Err(SourceError::NoTable)
    }
}

/// Whether a line parts a header from its rows: `|---|:--:|`.
fn is_rule(line: &str) -> bool {
    let line = line.trim();
    line.contains('|')
        && line.contains("--")
        && line
            .chars()
            .all(|c| matches!(c, '|' | '-' | ':' | ' ' | '\t'))
}

/// Positions of the columns that are read.
struct Columns {
    url: usize,
    name: Option<usize>,
    auth: Option<usize>,
    transport: Option<usize>,
}

impl Columns {
    fn of(header: &str) -> Option<Self> {
        let header: Vec<String> = cells(header)
            .iter()
            .map(|cell| words(cell).to_lowercase())
            .collect();
        let column = |names: &[&str]| {
            header
                .iter()
                .position(|cell| names.contains(&cell.as_str()))
        };
        Some(Self {
            url: column(&URLS)?,
            name: column(&NAMES),
            auth: column(&AUTHS),
            transport: column(&TRANSPORTS),
        })
    }

    fn row(&self, row: u64, line: &str, rows: &mut Rows) {
        let cells = cells(line);
        let cell = |column: Option<usize>| {
            column
                .and_then(|column| cells.get(column))
                .map(|cell| words(cell))
                .filter(|cell| !cell.is_empty())
        };
        let urls = cells
            .get(self.url)
            .map(|cell| urls(cell))
            .unwrap_or_default();
        if urls.is_empty() {
            return rows.invalid(row, line, "the row's cell has no URL");
        }
        let listing = Listing {
            name: cell(self.name).map(|name| clean(&name)),
            transport: cell(self.transport).and_then(|word| transport(&word)),
            auth: cell(self.auth).and_then(|word| auth(&word)),
            ..Listing::default()
        };
        for url in urls.into_iter().take(MAX_ENTRIES) {
            rows.url(row, url, url, vec![listing.clone()]);
        }
    }
}

/// The cells of a row; `\|` is no border.
fn cells(line: &str) -> Vec<String> {
    let line = line.trim();
    let line = line.strip_prefix('|').unwrap_or(line);
    let mut cells = vec![String::new()];
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if chars.peek() == Some(&'|') => {
                chars.next();
                push(&mut cells, '|');
            }
            '|' => cells.push(String::new()),
            c => push(&mut cells, c),
        }
    }
    cells
}

fn push(cells: &mut [String], c: char) {
    if let Some(cell) = cells.last_mut() {
        cell.push(c);
    }
}

/// What a reader sees of a cell: link texts without their targets, no marks of emphasis.
fn words(cell: &str) -> String {
    let mut out = String::new();
    let mut rest = cell;
    while let Some(at) = rest.find("](") {
        let (before, link) = rest.split_at(at);
        out.push_str(before);
        let Some(end) = link.find(')') else {
            rest = &link[2..];
            break;
        };
        rest = &link[end + 1..];
    }
    out.push_str(rest);
    let plain: String = out
        .chars()
        .filter(|c| !matches!(c, '[' | ']' | '*' | '`' | '<' | '>' | '!'))
        .collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The URLs in a cell, each once: of a link whose text is a URL, the text.
fn urls(cell: &str) -> Vec<&str> {
    let mut urls: Vec<&str> = Vec::new();
    let mut linked = false;
    let mut rest = cell;
    while let Some(at) = rest
        .find("https://")
        .into_iter()
        .chain(rest.find("http://"))
        .min()
    {
        let is_target = rest[..at].ends_with("](");
        let from = &rest[at..];
        let end = from
            .find(|c: char| {
                c.is_whitespace() || matches!(c, '`' | '<' | '>' | ')' | ']' | '"' | ',')
            })
            .unwrap_or(from.len());
        let url = &from[..end];
        // The text of the link was a URL, and was taken.
        if !(urls.contains(&url) || is_target && linked) {
            urls.push(url);
        }
        linked = from[end..].starts_with("](") || from[end..].starts_with("`](");
        rest = &from[end..];
    }
    urls
}

#[cfg(test)]
mod tests {
    use crate::normalise::Admission;
    use crate::sources::{Format, SourceError, detect, read};

    const PUBLIC: Admission = Admission {
        allow_private: false,
        allow_ephemeral: false,
    };

    #[test]
    fn tables_with_urls_count_and_nothing_else() {
        let text = include_str!("../../../../tests/fixtures/sources/awesome-list.md");
        assert_eq!(detect(text), Format::Markdown);
        let read = read(text, Format::Markdown, PUBLIC).expect("reads");
        let found: Vec<(&str, &str, Option<&str>)> = read
            .found
            .iter()
            .map(|found| {
                let listing = found.target.listing.as_ref().expect("has a listing");
                let name = listing.name.as_deref().unwrap_or_default();
                (found.target.url.as_str(), name, listing.auth.as_deref())
            })
            .collect();
        assert_eq!(
            found,
            [
                ("https://mcp.notes.example/mcp", "Notes", Some("oauth")),
                (
                    "https://mcp.paint.example/sse",
                    "Paint | Draw",
                    Some("none")
                ),
                ("https://mcp.keys.example/a", "Keys", Some("key")),
                ("https://mcp.keys.example/b", "Keys", Some("key")),
                ("https://mcp.odd.example/mcp", "Odd", None),
            ]
        );
        let codes: Vec<(u64, &str)> = read.refused.iter().map(|row| (row.row, row.code)).collect();
        assert_eq!(codes, [(15, "invalid"), (16, "ephemeral")]);
        assert!(matches!(
            super::super::read(
                "| a | b |\n|---|---|\n| c | d |\n",
                Format::Markdown,
                PUBLIC
            ),
            Err(SourceError::NoTable)
        ));
    }
}
