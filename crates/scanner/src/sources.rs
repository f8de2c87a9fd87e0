//! From files that list servers to servers that may be asked.
//!
//! Registry pages and dumps, `server.json`, client configurations, catalogues, tables and plain
//! lists come from strangers and are rarely clean. Each row is therefore read by itself: a row that
//! cannot be read is refused with a reason and takes no other row with it, and every row ends
//! up in exactly one of *found*, *refused* and *ignored* for each URL it names. Pure: the
//! text is passed in, and nothing is looked up.

mod config;
mod detect;
mod docker;
mod markdown;
mod registry;
mod split;
mod table;
mod yaml;

use std::collections::{BTreeMap, HashMap};

pub use config::{ClientHeaders, client_headers};
use detect::has_key;
pub use detect::{detect, form};

use serde_json::{Map, Value};

use crate::normalise::{self, Admission};
use crate::redact::{self, names};
use crate::target::{Listing, Target};

/// What a text that lists servers is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A page of a registry's list API (`/v0.1/servers`), or many of them put together.
    Registry,
    /// One `server.json`, or an array of them.
    ServerJson,
    /// A client configuration: maps named `mcpServers`, `servers` and the like, in JSON with
    /// comments, YAML or TOML.
    ClientConfig,
    /// Docker's catalogue of MCP servers, or one entry of its source (YAML).
    DockerCatalogue,
    /// Markdown whose tables have a column for URLs.
    Markdown,
    /// A table with a header row that has a `url` column.
    Csv,
    /// One URL per line.
    List,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 7] = [
        Self::Registry,
        Self::ServerJson,
        Self::ClientConfig,
        Self::DockerCatalogue,
        Self::Markdown,
        Self::Csv,
        Self::List,
    ];

    /// The word used on the command line and in configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Registry => "dump",
            Self::ServerJson => "server_json",
            Self::ClientConfig => "client_config",
            Self::DockerCatalogue => "docker_catalogue",
            Self::Markdown => "markdown",
            Self::Csv => "csv",
            Self::List => "list",
        }
    }
}

/// A server that may be asked, with everything that the text says about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The endpoint, with the first listing. [`Listing::source`] is left empty: the reader
    /// does not know what the caller calls the source.
    pub target: Target,
    /// Listings of the same endpoint under other names, in order of appearance.
    pub others: Vec<Listing>,
    /// The rows it stands in, ascending.
    pub rows: Vec<u64>,
    /// Its URL was a template, and every variable had a default.
    pub defaulted: bool,
}

impl Found {
    /// The names under which it is listed, in order of appearance.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.target
            .listing
            .iter()
            .chain(&self.others)
            .filter_map(|listing| listing.name.as_deref())
    }

    /// One target for each listing.
    pub fn into_targets(self) -> impl Iterator<Item = Target> {
        let url = self.target.url.clone();
        std::iter::once(self.target).chain(self.others.into_iter().map(move |listing| Target {
            url: url.clone(),
            listing: Some(listing),
        }))
    }
}

/// A URL, or a row without a usable one, that is not asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Its row.
    pub row: u64,
    /// What the row says, on one line, without secrets, at most 300 characters.
    pub raw: String,
    /// `template`, `not_public`, `ephemeral`, `credential_in_url` or `invalid`; `bad_value`
    /// among [`Read::remarks`].
    pub code: &'static str,
    /// The reason, one line.
    pub why: String,
}

/// What became of the rows of a text. Rows are numbered from 1: lines in tables and lists,
/// entries elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Read {
    /// Servers that may be asked, each once, in order of first appearance.
    pub found: Vec<Found>,
    /// What is not asked, in order of rows.
    pub refused: Vec<Refused>,
    /// Rows without a remote server of their own: packages, and versions that a newer one of
    /// the same name replaces.
    pub ignored: u64,
    /// Values that were left out of rows which count all the same, in order of rows; the code
    /// is `bad_value`.
    pub remarks: Vec<Refused>,
}

impl Read {
    /// How often each outcome occurred: the codes of [`Refused::code`], `found` for every row
    /// that names a server, once for each of its URLs, and `ignored`.
    #[must_use]
    pub fn tally(&self) -> BTreeMap<&'static str, u64> {
        let mut tally = BTreeMap::new();
        let rows = self.found.iter().map(|found| found.rows.len() as u64).sum();
        tally.insert("found", rows);
        tally.insert("ignored", self.ignored);
        for refused in &self.refused {
            *tally.entry(refused.code).or_default() += 1;
        }
        tally
    }
}

/// Why a text as a whole lists nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// A registry page or dump without a list of servers.
    #[error("reading a registry page: no `servers` array; give the body of /v0.1/servers as it is")]
    NoServers,
    /// No JSON object or array.
    #[error("reading {0}: the text is neither a JSON object nor a JSON array")]
    NotJson(&'static str),
    /// A client configuration without a map of servers.
    #[error("reading a client configuration: no `mcpServers`, `servers` or `context_servers` map")]
    NoServerMap,
    /// A configuration in TOML that is none.
    #[error("reading a client configuration: not TOML: {0}")]
    BadToml(String),
    /// A catalogue without entries.
    #[error("reading a Docker catalogue: {0}")]
    NoCatalogue(String),
    /// Markdown without a table that counts.
    #[error("reading Markdown: no table has a column for URLs (`URL`, `Endpoint`, …)")]
    NoTable,
    /// A table without the column that counts.
    #[error("reading a table: the header row has no `url` column (it has: {0})")]
    NoUrlColumn(String),
}

/// Reads a text of a format.
///
/// # Errors
///
/// If the text as a whole is not of that format. Rows that cannot be read are no error.
pub fn read(text: &str, format: Format, admission: Admission) -> Result<Read, SourceError> {
    let text = without_bom(text);
    let mut rows = Rows::new(admission);
    match format {
        Format::Registry => registry::page(text, &mut rows)?,
        Format::ServerJson => registry::documents(text, &mut rows)?,
        Format::ClientConfig => config::read(text, &mut rows)?,
        Format::DockerCatalogue => docker::read(text, &mut rows)?,
        Format::Markdown => markdown::read(text, &mut rows)?,
        Format::Csv => table::csv(text, &mut rows)?,
        Format::List => table::list(text, &mut rows),
    }
    Ok(rows.read)
}

fn without_bom(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Longest text of a listing that is kept, in characters.
const MAX_TEXT: usize = 200;

/// Listings, headers and siblings of one server that are kept.
const MAX_ENTRIES: usize = 64;

/// One line, bounded, without characters that steer a terminal or the direction of text.
fn clean(text: &str) -> String {
    text.trim()
        .chars()
        .take(MAX_TEXT)
        .map(|c| {
            if c.is_control() || is_bidi(c) {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

fn is_bidi(c: char) -> bool {
    matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Outcomes in the making.
struct Rows {
    read: Read,
    admission: Admission,
    /// Position in `read.found` of each normalised URL.
    by_url: HashMap<String, usize>,
}

impl Rows {
    fn new(admission: Admission) -> Self {
        Self {
            read: Read::default(),
            admission,
            by_url: HashMap::new(),
        }
    }

    fn ignore(&mut self) {
        self.read.ignored += 1;
    }

    fn refuse(&mut self, row: u64, raw: &str, code: &'static str, why: &str) {
        let refused = Self::told(row, raw, code, why);
        self.read.refused.push(refused);
    }

    /// Says that a value of a row is left out.
    fn remark(&mut self, row: u64, raw: &str, why: &str) {
        let remark = Self::told(row, raw, "bad_value", why);
        self.read.remarks.push(remark);
    }

    fn told(row: u64, raw: &str, code: &'static str, why: &str) -> Refused {
        // Cut before redacting, so that a row of megabytes costs nothing; redacted before
        // the final cut, so that no secret loses its shape.
        let raw: String = raw.trim().chars().take(4 * MAX_TEXT).collect();
        let raw = redact::body(&raw)
            .chars()
            .take(300)
            .map(|c| if c.is_control() || is_bidi(c) { ' ' } else { c })
            .collect();
        Refused {
            row,
            raw,
            code,
            why: clean(why),
        }
    }

    fn invalid(&mut self, row: u64, raw: &str, why: &str) {
        self.refuse(row, raw, "invalid", why);
    }

    /// Files one URL of a row with what the row says about it; `listings` holds one for each
    /// name. `raw` is the URL as written, `url` the same with defaults in place of variables.
    fn url(&mut self, row: u64, raw: &str, url: &str, listings: Vec<Listing>) {
        let target = match normalise::endpoint(url, self.admission) {
            Ok(target) => target,
            Err(refusal) => {
                self.refuse(row, raw, refusal.code(), &refusal.to_string());
                return;
            }
        };
        let raw = raw.trim();
        let position = *self.by_url.entry(target.url.clone()).or_insert_with(|| {
            self.read.found.push(Found {
                target: target.clone(),
                others: Vec::new(),
                rows: Vec::new(),
                defaulted: false,
            });
            self.read.found.len() - 1
        });
        let found = &mut self.read.found[position];
        found.defaulted |= raw != url.trim();
        if found.rows.last() != Some(&row) {
            found.rows.push(row);
        }
        for mut listing in listings {
            if raw != target.url {
                listing.raw_url = Some(raw.chars().take(normalise::MAX_URL).collect());
            }
            listing.siblings.retain(|sibling| *sibling != target.url);
            let mut known = found.target.listing.iter().chain(&found.others);
            if known.any(|known| known.name == listing.name) {
                continue;
            }
            if found.target.listing.is_none() {
                found.target.listing = Some(listing);
            } else if found.others.len() < MAX_ENTRIES {
                found.others.push(listing);
            }
        }
    }
}

/// The transport's usual name: configurations write it in several ways.
fn transport(text: &str) -> Option<String> {
    let word = clean(text).to_ascii_lowercase().replace('_', "-");
    match word.as_str() {
        "" => None,
        "http" | "streamablehttp" | "streamable" | "streamable-http" | "http-stream" => {
            Some("streamable-http".to_owned())
        }
        _ => Some(word),
    }
}

/// The word for a declared way of authorization: `oauth`, `key` or `none`. Lists write it in
/// many ways; what fits none of them says nothing.
fn auth(text: &str) -> Option<String> {
    let words = clean(text).to_lowercase();
    let has = |needles: &[&str]| needles.iter().any(|needle| words.contains(needle));
    let word = if has(&["oauth", "oidc"]) {
        "oauth"
    } else if has(&["api key", "api-key", "apikey", "token", "bearer", "header"]) {
        "key"
    } else if matches!(words.trim(), "none" | "open" | "no" | "public" | "no auth") {
        "none"
    } else {
        return None;
    };
    Some(word.to_owned())
}

/// The names in a map of headers; values are never kept.
fn headers_map(map: Option<&Value>) -> Vec<String> {
    map.and_then(Value::as_object)
        .into_iter()
        .flat_map(Map::keys)
        .take(MAX_ENTRIES)
        .map(|name| clean(name))
        .collect()
}

/// Whether a header of this name holds a credential.
fn is_secret(name: &str) -> bool {
    name.eq_ignore_ascii_case("authorization") || names::is_credential(name)
}

#[cfg(test)]
mod forms;
#[cfg(test)]
mod tests;
