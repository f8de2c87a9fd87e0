//! Client configurations: maps from a name to how a client reaches that server.
//!
//! Every client has its own file, but all of them nest a map under one of a few names.
//! Entries that start a program on the user's machine are ignored, except for the bridge
//! that only passes messages on to a remote URL. Values of headers are never kept.

use serde_json::{Map, Value};

use super::{MAX_ENTRIES, Rows, SourceError, clean, split, transport};
use crate::facts::json;
use crate::normalise::{self, Admission};
use crate::redact::names;
use crate::target::Listing;

/// Members whose value maps names to servers.
const MAPS: [&str; 6] = [
    "mcpServers",
    "servers",
    "context_servers",
    "mcp.servers",
    "amp.mcpServers",
    "mcp",
];

/// Members of an entry that hold its URL, and the transport that the name implies.
const URLS: [(&str, Option<&str>); 3] = [
    ("url", None),
    ("serverUrl", None),
    ("httpUrl", Some("streamable-http")),
];

/// How deep a map may be nested in its file: settings, and projects of a user.
const MAX_NESTING: usize = 6;

pub(super) fn read(text: &str, rows: &mut Rows) -> Result<(), SourceError> {
    let plain = split::plain(text);
    let mut entries = Vec::new();
    if split::members(&plain).is_none() && split::elements(&plain).is_none() {
        return Err(SourceError::NotJson("a client configuration"));
    }
    let mut seen = false;
    maps(&plain, 0, &mut entries, &mut seen);
    if !seen {
        return Err(SourceError::NoServerMap);
    }
    for (row, (name, text)) in (1..).zip(entries) {
        entry(row, &name, text, rows);
    }
    Ok(())
}

/// Collects the entries of all maps of servers in an object.
fn maps<'t>(text: &'t str, depth: usize, entries: &mut Vec<(String, &'t str)>, seen: &mut bool) {
    if depth > MAX_NESTING {
        return;
    }
    for element in split::elements(text).unwrap_or_default() {
        maps(element, depth + 1, entries, seen);
    }
    for (name, value) in split::members(text).unwrap_or_default() {
        if MAPS.contains(&name.as_str())
            && let Some(members) = split::members(value)
            && !is_wrapper(&name, &members)
        {
            *seen = true;
            entries.extend(members);
        } else if value.starts_with(['{', '[']) {
            maps(value, depth + 1, entries, seen);
        }
    }
}

/// `"mcp": {"servers": {…}}`: the map is one level further in.
fn is_wrapper(name: &str, members: &[(String, &str)]) -> bool {
    name == "mcp"
        && members
            .iter()
            .any(|(name, _)| MAPS.contains(&name.as_str()))
}

/// Headers that a client configuration has for a remote server.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientHeaders {
    /// The server's normalised URL.
    pub url: String,
    /// Names and values as written; variables are not filled in.
    pub headers: Vec<(String, String)>,
}

impl std::fmt::Debug for ClientHeaders {
    /// Values may be secrets, and are left out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("ClientHeaders")
            .field("url", &self.url)
            .field("headers", &names)
            .finish()
    }
}

/// The headers of a client configuration by server. The rows of [`super::read`] never hold
/// them; a person who wants them sent asks for them by name.
///
/// # Errors
///
/// If the text is no client configuration.
pub fn client_headers(text: &str, admission: Admission) -> Result<Vec<ClientHeaders>, SourceError> {
    let plain = split::plain(text);
    let mut entries = Vec::new();
    if split::members(&plain).is_none() && split::elements(&plain).is_none() {
        return Err(SourceError::NotJson("a client configuration"));
    }
    let mut seen = false;
    maps(&plain, 0, &mut entries, &mut seen);
    Ok(entries
        .into_iter()
        .filter_map(|(_, text)| headers_of(text, admission))
        .collect())
}

fn headers_of(text: &str, admission: Admission) -> Option<ClientHeaders> {
    let Value::Object(object) = json::parse(text).ok()?.value else {
        return None;
    };
    let url = URLS
        .iter()
        .find_map(|(member, _)| object.get(*member)?.as_str())?;
    let headers: Vec<(String, String)> = object
        .get("headers")?
        .as_object()?
        .iter()
        .take(MAX_ENTRIES)
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect();
    let target = normalise::endpoint(url, admission).ok()?;
    (!headers.is_empty()).then_some(ClientHeaders {
        url: target.url,
        headers,
    })
}

fn entry(row: u64, name: &str, text: &str, rows: &mut Rows) {
    let object = match json::parse(text) {
        Ok(read) => match read.value {
            Value::Object(object) => object,
            _ => return rows.invalid(row, name, "the entry is not an object"),
        },
        Err(json::JsonFault::TooDeep) => {
            return rows.invalid(row, name, "the entry is nested too deeply");
        }
        Err(json::JsonFault::Syntax) => return rows.invalid(row, name, "the entry is not JSON"),
    };
    let listed = URLS.iter().find_map(|(member, implied)| {
        let url = object.get(*member)?.as_str()?;
        Some((url, *implied))
    });
    let Some((url, implied)) = listed.or_else(|| bridged(&object)) else {
        if object.contains_key("command") || object.contains_key("image") {
            return rows.ignore();
        }
        return rows.invalid(row, name, "the entry has neither a URL nor a command");
    };
    let stated = ["type", "transport", "transportType"]
        .iter()
        .find_map(|member| object.get(*member)?.as_str())
        .filter(|kind| !matches!(*kind, "remote" | "stdio"));
    let declared: Vec<String> = object
        .get("headers")
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(Map::keys)
        .take(MAX_ENTRIES)
        .map(|name| clean(name))
        .collect();
    let secret = declared
        .iter()
        .filter(|name| name.eq_ignore_ascii_case("authorization") || names::is_credential(name))
        .cloned()
        .collect();
    let listing = Listing {
        name: Some(clean(name)),
        transport: stated.or(implied).and_then(transport),
        declared_headers: declared,
        secret_headers: secret,
        ..Listing::default()
    };
    rows.url(row, url, url, vec![listing]);
}

/// The URL that a bridge program is told to connect to.
fn bridged(object: &Map<String, Value>) -> Option<(&str, Option<&'static str>)> {
    let args = || {
        object
            .get("args")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
    };
    let is_bridge = object
        .get("command")
        .and_then(Value::as_str)
        .into_iter()
        .chain(args())
        .any(|word| word == "mcp-remote" || word.starts_with("mcp-remote@"));
    let url = args().find(|word| word.starts_with("https://") || word.starts_with("http://"))?;
    is_bridge.then_some((url, None))
}
