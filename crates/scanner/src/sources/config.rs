//! Client configurations: maps from a name to how a client reaches that server.
//!
//! Every client has its own file, but all of them nest a map under one of a few names: in
//! JSON with comments, a few in YAML or TOML, which are turned into JSON first.
//! Entries that start a program on the user's machine are ignored, except for the bridge
//! that only passes messages on to a remote URL. Values of headers are never kept.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{
    MAX_ENTRIES, Rows, SourceError, auth, clean, headers_map, is_secret, split, transport, yaml,
};
use crate::facts::json;
use crate::normalise::{self, Admission};
use crate::target::Listing;

/// Members whose value maps names to servers.
const MAPS: [&str; 7] = [
    "mcpServers",
    "servers",
    "context_servers",
    "mcp.servers",
    "amp.mcpServers",
    "mcp_servers",
    "mcp",
];

/// Members whose value may be a list of servers that hold their own names.
const LISTS: [&str; 2] = ["mcpServers", "modelContextProtocolServers"];

/// Members of an entry that hold its URL, and the transport that the name implies.
const URLS: [(&str, Option<&str>); 4] = [
    ("url", None),
    ("serverUrl", None),
    ("httpUrl", Some("streamable-http")),
    ("uri", None),
];

/// Members that hold maps of headers.
const HEADERS: [&str; 3] = ["headers", "http_headers", "env_http_headers"];

/// How deep a map may be nested in its file: settings, and projects of a user.
const MAX_NESTING: usize = 6;

pub(super) fn read(text: &str, rows: &mut Rows) -> Result<(), SourceError> {
    let document = document(text)?;
    let mut entries = Vec::new();
    let mut seen = false;
    maps(&document.json, 0, &mut entries, &mut seen);
    if !seen {
        return Err(SourceError::NoServerMap);
    }
    let mut last = 0;
    for (row, (name, text)) in (1..).zip(entries) {
        last = row;
        entry(row, &name, text, rows);
    }
    if let Some(fault) = document.fault {
        rows.invalid(last + 1, "", &fault);
    }
    Ok(())
}

/// A configuration as JSON.
struct Document<'t> {
    json: Cow<'t, str>,
    /// Why a part of it could not be read.
    fault: Option<String>,
}

fn document(text: &str) -> Result<Document<'_>, SourceError> {
    if is_toml(text) {
        let table: toml::Table = toml::from_str(text)
            .map_err(|fault| SourceError::BadToml(clean(&fault.message().replace('\n', " "))))?;
        // Cannot fail: tables have texts as keys.
        let json = serde_json::to_string(&table).unwrap_or_default();
        return Ok(Document {
            json: json.into(),
            fault: None,
        });
    }
    let plain = split::plain(text);
    if split::members(&plain).is_some() || split::elements(&plain).is_some() {
        return Ok(Document {
            json: plain,
            fault: None,
        });
    }
    let mut read = yaml::read(text);
    let Value::Object(members) = &mut read.value else {
        return Err(SourceError::NotJson("a client configuration"));
    };
    // Goose keeps servers among its extensions; only YAML files do.
    if let Some(extensions) = members.remove("extensions") {
        members.entry("mcpServers").or_insert(extensions);
    }
    Ok(Document {
        json: read.value.to_string().into(),
        fault: read.fault,
    })
}

/// Whether a line opens a table of servers.
pub(super) fn is_toml(text: &str) -> bool {
    text.lines()
        .any(|line| line.starts_with("[mcp_servers.") || line.starts_with("[mcp_servers]"))
}

/// What kind of client writes such a file.
pub(super) fn form(text: &str) -> &'static str {
    if is_toml(text) {
        return "client configuration in TOML (mcp_servers: Codex)";
    }
    let plain = split::plain(text);
    let Some(members) = split::members(&plain) else {
        return if super::has_key(text, "extensions") {
            "client configuration in YAML (extensions: Goose)"
        } else {
            "client configuration in YAML (mcpServers: Continue and others)"
        };
    };
    let value = |name: &str| members.iter().find(|(known, _)| known == name);
    let is_wrapped = value("mcp").is_some_and(|(name, map)| {
        split::members(map).is_some_and(|members| is_wrapper(name, &members))
    });
    if value("context_servers").is_some() {
        "editor settings (context_servers: Zed)"
    } else if is_wrapped || value("mcp.servers").is_some() {
        "editor settings (mcp.servers: VS Code)"
    } else if value("servers").is_some() {
        "client configuration (servers: mcp.json of VS Code)"
    } else if value("mcp").is_some() {
        "client configuration (mcp: opencode)"
    } else if value("amp.mcpServers").is_some() {
        "editor settings (amp.mcpServers: Amp)"
    } else if plain.contains("\"modelContextProtocolServers\"") {
        "client configuration (modelContextProtocolServers: Continue)"
    } else if plain.contains("\"serverUrl\"") {
        "client configuration (mcpServers with serverUrl: Windsurf)"
    } else if plain.contains("\"httpUrl\"") {
        "client configuration (mcpServers with httpUrl: Gemini CLI)"
    } else {
        "client configuration (mcpServers: .mcp.json, Claude, Cursor and others)"
    }
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
        } else if LISTS.contains(&name.as_str())
            && let Some(elements) = split::elements(value)
        {
            *seen = true;
            entries.extend(
                elements
                    .into_iter()
                    .map(|element| (own_name(element), element)),
            );
        } else if value.starts_with(['{', '[']) {
            maps(value, depth + 1, entries, seen);
        }
    }
}

/// The name that an entry of a list has.
fn own_name(text: &str) -> String {
    split::members(text)
        .unwrap_or_default()
        .into_iter()
        .find(|(member, _)| member == "name")
        .and_then(|(_, value)| serde_json::from_str(value).ok())
        .unwrap_or_default()
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
    let document = document(text)?;
    let mut entries = Vec::new();
    let mut seen = false;
    maps(&document.json, 0, &mut entries, &mut seen);
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
    let mut object = match json::parse(text) {
        Ok(read) => match read.value {
            Value::Object(object) => object,
            _ => return rows.invalid(row, name, "the entry is not an object"),
        },
        Err(json::JsonFault::TooDeep) => {
            return rows.invalid(row, name, "the entry is nested too deeply");
        }
        Err(json::JsonFault::Syntax) => return rows.invalid(row, name, "the entry is not JSON"),
    };
    // Older files of Continue hold what counts one level further in.
    if let Some(Value::Object(inner)) = object.get("transport") {
        object = inner.clone();
    }
    let listed = URLS.iter().find_map(|(member, implied)| {
        let url = object.get(*member)?.as_str()?;
        Some((url, *implied))
    });
    let Some((url, implied)) = listed.or_else(|| bridged(&object)) else {
        if is_local(&object) {
            return rows.ignore();
        }
        return rows.invalid(row, name, "the entry has neither a URL nor a command");
    };
    let stated = ["type", "transport", "transportType"]
        .iter()
        .find_map(|member| object.get(*member)?.as_str())
        .filter(|kind| !matches!(*kind, "remote" | "stdio"));
    let mut declared: Vec<String> = HEADERS
        .iter()
        .flat_map(|member| headers_map(object.get(*member)))
        .collect();
    if object.contains_key("bearer_token_env_var") {
        declared.push("Authorization".to_owned());
    }
    let secret = declared
        .iter()
        .filter(|name| is_secret(name))
        .cloned()
        .collect();
    let listing = Listing {
        name: Some(clean(name)),
        transport: stated.or(implied).and_then(transport),
        auth: declared_auth(&object),
        declared_headers: declared,
        secret_headers: secret,
        ..Listing::default()
    };
    rows.url(row, url, url, vec![listing]);
}

/// Whether an entry is of the user's own machine, or of an extension that knows more.
fn is_local(object: &Map<String, Value>) -> bool {
    ["command", "cmd", "image", "settings"]
        .iter()
        .any(|member| object.contains_key(*member))
        || object
            .get("type")
            .and_then(Value::as_str)
            .is_some_and(|kind| matches!(kind, "builtin" | "platform" | "frontend" | "stdio"))
}

fn declared_auth(object: &Map<String, Value>) -> Option<String> {
    let words = ["auth", "oauth", "authProvider"];
    words.iter().find_map(|member| match object.get(*member)? {
        Value::String(word) => auth(word),
        Value::Object(_) => Some("oauth".to_owned()),
        _ => None,
    })
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
