//! The official registry's shape: entries of `server` and `_meta`, and bare `server.json`.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::{MAX_ENTRIES, Rows, SourceError, clean, split, transport};
use crate::facts::json;
use crate::normalise;
use crate::redact::names;
use crate::target::Listing;

/// The official registry's own statements about an entry.
const OFFICIAL: &str = "io.modelcontextprotocol.registry/official";

/// An entry that could be read.
struct Entry {
    row: u64,
    server: Map<String, Value>,
    meta: Map<String, Value>,
}

/// Reads `{"servers":[…],"metadata":{…}}`, or the array alone.
pub(super) fn page(text: &str, rows: &mut Rows) -> Result<(), SourceError> {
    let elements = match split::elements(text) {
        Some(elements) => elements,
        None => split::members(text)
            .unwrap_or_default()
            .into_iter()
            .find(|(name, _)| name == "servers")
            .and_then(|(_, list)| split::elements(list))
            .ok_or(SourceError::NoServers)?,
    };
    // A bracket too many or too few in one entry glues others to it or cuts them off.
    let mut whole = Vec::with_capacity(elements.len());
    let mut end = 0;
    for element in elements {
        end = element.as_ptr().addr() - text.as_ptr().addr() + element.len();
        let starts = starts(element);
        if starts.len() > 1 && json::parse(element) == Err(json::JsonFault::Syntax) {
            whole.extend(apart(element, &starts));
        } else {
            whole.push(element);
        }
    }
    let tail = text.get(end..).unwrap_or_default();
    whole.extend(apart(tail, &starts(tail)));
    entries(&whole, rows);
    Ok(())
}

/// Where `{"server":` stands.
fn starts(text: &str) -> Vec<usize> {
    text.match_indices("\"server\"")
        .filter(|(at, name)| text[at + name.len()..].trim_start().starts_with(':'))
        .filter_map(|(at, _)| {
            let before = text[..at].trim_end();
            before.ends_with('{').then(|| before.len() - 1)
        })
        .collect()
}

/// The pieces between these starts, without the commas that part them.
fn apart<'t>(text: &'t str, starts: &[usize]) -> Vec<&'t str> {
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    starts
        .iter()
        .zip(ends)
        .map(|(start, end)| {
            let piece = &text[*start..end];
            // The last piece may carry the end of the page.
            split::object(piece)
                .unwrap_or(piece)
                .trim_end_matches([',', ' ', '\n', '\r', '\t'])
        })
        .collect()
}

/// Reads one `server.json`, one entry of a registry, or an array of them.
pub(super) fn documents(text: &str, rows: &mut Rows) -> Result<(), SourceError> {
    let text = text.trim();
    match split::elements(text) {
        Some(elements) => entries(&elements, rows),
        None if text.starts_with('{') => entries(&[text], rows),
        None => return Err(SourceError::NotJson("a server.json")),
    }
    Ok(())
}

fn entries(elements: &[&str], rows: &mut Rows) {
    let mut read = Vec::new();
    for (row, element) in (1..).zip(elements) {
        match entry(row, element) {
            Ok(entry) => read.push(entry),
            Err(why) => rows.invalid(row, element, why),
        }
    }
    let newest = newest(&read);
    for (position, entry) in read.iter().enumerate() {
        let name = name(&entry.server);
        if name.is_some_and(|name| newest.get(name) != Some(&position)) {
            rows.ignore();
        } else {
            remotes(entry, rows);
        }
    }
}

fn entry(row: u64, text: &str) -> Result<Entry, &'static str> {
    let value = match json::parse(text) {
        Ok(read) => read.value,
        Err(json::JsonFault::TooDeep) => return Err("the entry is nested too deeply"),
        Err(json::JsonFault::Syntax) => return Err("the entry is not JSON"),
    };
    let Value::Object(mut outer) = value else {
        return Err("the entry is not an object");
    };
    let server = match outer.remove("server") {
        Some(Value::Object(server)) => server,
        Some(_) => return Err("`server` is not an object"),
        // Early pages, and server.json, have no wrapper.
        None => outer.clone(),
    };
    if name(&server).is_none() {
        return Err("the entry has no name");
    }
    let mut meta = match outer.remove("_meta") {
        Some(Value::Object(meta)) => meta,
        _ => Map::new(),
    };
    let meta = match meta.remove(OFFICIAL) {
        Some(Value::Object(official)) => official,
        // A registry of somebody else keeps its statements under a name of its own.
        _ => meta
            .into_iter()
            .filter_map(|(_, value)| match value {
                Value::Object(object) => Some(object),
                _ => None,
            })
            .find(|object| object.contains_key("isLatest") || object.contains_key("status"))
            .unwrap_or_default(),
    };
    Ok(Entry { row, server, meta })
}

fn name(server: &Map<String, Value>) -> Option<&str> {
    server
        .get("name")
        .and_then(Value::as_str)
        .filter(|name| !name.trim().is_empty())
}

/// Of each name the entry that counts: the one marked as latest, else the one published
/// last, else the last one.
fn newest(entries: &[Entry]) -> HashMap<&str, usize> {
    let mut newest: HashMap<&str, usize> = HashMap::new();
    let rank = |entry: &Entry| {
        let latest = ["isLatest", "is_latest"]
            .iter()
            .find_map(|name| entry.meta.get(*name)?.as_bool());
        let published = ["publishedAt", "published_at"]
            .iter()
            .find_map(|name| entry.meta.get(*name)?.as_str())
            .and_then(crate::time::Millis::parse_rfc3339);
        (latest, published)
    };
    for (position, entry) in entries.iter().enumerate() {
        let Some(name) = name(&entry.server) else {
            continue;
        };
        // An old version alone on a page: its successor is on another one.
        if rank(entry).0 == Some(false) {
            continue;
        }
        match newest.get(name) {
            Some(&known) if rank(&entries[known]) > rank(entry) => {}
            _ => {
                newest.insert(name, position);
            }
        }
    }
    newest
}

fn remotes(entry: &Entry, rows: &mut Rows) {
    let server = &entry.server;
    let list = match server.get("remotes") {
        None | Some(Value::Null) => return rows.ignore(),
        Some(Value::Array(list)) if list.is_empty() => return rows.ignore(),
        Some(Value::Array(list)) => list,
        Some(_) => {
            let name = name(server).unwrap_or_default();
            return rows.invalid(entry.row, name, "`remotes` is not an array");
        }
    };
    let listing = Listing {
        name: name(server).map(clean),
        version: text(server, "version").map(clean),
        status: text(&entry.meta, "status")
            .or_else(|| text(server, "status"))
            .map(clean),
        siblings: siblings(list, rows),
        ..Listing::default()
    };
    for remote in list.iter().take(MAX_ENTRIES) {
        let Some(raw) = remote.get("url").and_then(Value::as_str) else {
            let shown = format!("{} {remote}", listing.name.as_deref().unwrap_or_default());
            rows.invalid(entry.row, &shown, "the remote has no `url`");
            continue;
        };
        let (declared, secret) = headers(remote);
        let kind = ["type", "transport_type"]
            .iter()
            .find_map(|name| remote.get(*name)?.as_str());
        let listing = Listing {
            transport: kind.and_then(transport),
            declared_headers: declared,
            secret_headers: secret,
            ..listing.clone()
        };
        rows.url(entry.row, raw, &filled(raw, remote), vec![listing]);
    }
}

fn text<'v>(object: &'v Map<String, Value>, name: &str) -> Option<&'v str> {
    object.get(name).and_then(Value::as_str)
}

/// The URLs of all remotes that may be asked, normalised.
fn siblings(list: &[Value], rows: &Rows) -> Vec<String> {
    let mut urls: Vec<String> = Vec::new();
    for remote in list.iter().take(MAX_ENTRIES) {
        let target = remote
            .get("url")
            .and_then(Value::as_str)
            .and_then(|raw| normalise::endpoint(&filled(raw, remote), rows.admission).ok());
        if let Some(target) = target
            && !urls.contains(&target.url)
        {
            urls.push(target.url);
        }
    }
    if urls.len() < 2 {
        urls.clear();
    }
    urls
}

/// The URL with defaults in place of its variables. Secret ones are never filled in.
fn filled(raw: &str, remote: &Value) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    let default = |name: &str| -> Option<&str> {
        let variable = remote.get("variables")?.get(name)?;
        if variable.get("isSecret").and_then(Value::as_bool) == Some(true)
            || names::is_credential(name)
        {
            return None;
        }
        ["value", "default"]
            .iter()
            .find_map(|name| variable.get(*name)?.as_str())
            .filter(|default| !default.is_empty())
    };
    while let Some(start) = rest.find('{') {
        let (before, from) = rest.split_at(start);
        out.push_str(before);
        let Some(end) = from.find('}') else {
            rest = from;
            break;
        };
        match default(&from[1..end]) {
            Some(default) if out.len() + default.len() <= normalise::MAX_URL => {
                out.push_str(default);
            }
            _ => out.push_str(&from[..=end]),
        }
        rest = &from[end + 1..];
    }
    out.push_str(rest);
    out
}

/// Names of declared headers, and of those that are secret.
fn headers(remote: &Value) -> (Vec<String>, Vec<String>) {
    let mut declared = Vec::new();
    let mut secret = Vec::new();
    let list = remote
        .get("headers")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    for header in list.take(MAX_ENTRIES) {
        let Some(name) = header.get("name").and_then(Value::as_str).map(clean) else {
            continue;
        };
        if header.get("isSecret").and_then(Value::as_bool) == Some(true) {
            secret.push(name.clone());
        }
        declared.push(name);
    }
    (declared, secret)
}
