//! Laying a file and the environment over the defaults, and saying where a value came from.

use std::collections::BTreeMap;
use std::path::Path;

use serde::de::IntoDeserializer as _;
use toml::{Table, Value};

use super::{ConfigError, DEFAULTS};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Compiled in.
    Default,
    /// The file, with the line.
    File(String),
    /// A variable.
    Environment(String),
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => f.write_str(path),
            Self::Environment(name) => write!(f, "environment {name}"),
        }
    }
}

/// Keys whose values are shown as `***`.
const SECRET: [&str; 3] = ["api_key", "password", "secret"];

/// The variables of this process that concern us.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment"
)]
pub(super) fn environment() -> Vec<(String, String)> {
    std::env::vars()
        .filter(|(name, _)| {
            name.starts_with("AUTHDEX__") || name == "DATABASE_URL" || name == "BIND"
        })
        .collect()
}

/// One variable of this process, for `@env:`.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Defaults, file and environment as one table, and where each overridden key came from.
pub(super) fn merged(
    file: Option<&Path>,
    environment: &[(String, String)],
) -> Result<(Table, BTreeMap<String, Origin>), ConfigError> {
    let defaults: Table = table(DEFAULTS, "the compiled-in defaults")?;
    let mut out = defaults.clone();
    let mut origins = BTreeMap::new();
    if let Some(path) = file {
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|cause| ConfigError::Read {
            path: shown.clone(),
            cause,
        })?;
        let over = table(&text, &shown)?;
        lay(&mut out, over, &defaults, &mut |key| {
            let at = line_of(&text, key)
                .map_or_else(|| shown.clone(), |line| format!("{shown} line {line}"));
            origins.insert(key.to_owned(), Origin::File(at.clone()));
            at
        })?;
    }
    for (name, value) in environment {
        let key = match name.as_str() {
            "DATABASE_URL" => "store.url".to_owned(),
            "BIND" => "http.bind".to_owned(),
            other => other
                .trim_start_matches("AUTHDEX__")
                .to_ascii_lowercase()
                .replace("__", "."),
        };
        let Some((section, member)) = key.split_once('.') else {
            return Err(unknown(name, &key, &defaults));
        };
        let known = defaults
            .get(section)
            .and_then(Value::as_table)
            .and_then(|section| section.get(member))
            .ok_or_else(|| unknown(name, &key, &defaults))?;
        let value = typed(value, known).ok_or_else(|| ConfigError::Value {
            key: key.clone(),
            said: format!(
                "the variable {name} holds `{value}`, which is not {}",
                kind(known)
            ),
        })?;
        if let Some(Value::Table(section)) = out.get_mut(section) {
            section.insert(member.to_owned(), value);
        }
        origins.insert(key, Origin::Environment(name.clone()));
    }
    read_references(&mut out, "")?;
    Ok((out, origins))
}

fn table(text: &str, place: &str) -> Result<Table, ConfigError> {
    text.parse::<Table>().map_err(|error| {
        let line = error
            .span()
            .map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        ConfigError::Syntax {
            place: line.map_or_else(|| place.to_owned(), |line| format!("{place} line {line}")),
            said: error.message().replace('\n', " "),
        }
    })
}

/// Lays one table over another. Tables are merged, lists and values replaced.
fn lay(
    out: &mut Table,
    over: Table,
    defaults: &Table,
    place: &mut dyn FnMut(&str) -> String,
) -> Result<(), ConfigError> {
    for (section, value) in over {
        match (defaults.get(&section), value) {
            (Some(Value::Table(known)), Value::Table(members)) => {
                for (member, value) in members {
                    let key = format!("{section}.{member}");
                    let at = place(&key);
                    if !known.contains_key(&member) {
                        return Err(unknown(&at, &key, defaults));
                    }
                    if let Some(Value::Table(target)) = out.get_mut(&section) {
                        target.insert(member, value);
                    }
                }
            }
            (Some(Value::Array(known)), Value::Array(items)) => {
                out.insert(
                    section.clone(),
                    Value::Array(whole_items(&section, known, items, defaults, place)?),
                );
            }
            (Some(_), value) => {
                return Err(ConfigError::Value {
                    said: format!(
                        "a {} stands where a section belongs ({})",
                        value.type_str(),
                        place(&section)
                    ),
                    key: section,
                });
            }
            (None, _) => {
                let at = place(&section);
                return Err(unknown(&at, &section, defaults));
            }
        }
    }
    Ok(())
}

/// Items of a list of tables, each completed from the default item.
fn whole_items(
    section: &str,
    known: &[Value],
    items: Vec<Value>,
    defaults: &Table,
    place: &mut dyn FnMut(&str) -> String,
) -> Result<Vec<Value>, ConfigError> {
    let pattern = known
        .first()
        .and_then(Value::as_table)
        .cloned()
        .unwrap_or_default();
    items
        .into_iter()
        .map(|item| {
            let Value::Table(members) = item else {
                return Ok(item);
            };
            let mut whole = pattern.clone();
            for (member, value) in members {
                let key = format!("{section}.{member}");
                let at = place(&key);
                if !pattern.contains_key(&member) {
                    return Err(unknown(&at, &key, defaults));
                }
                whole.insert(member, value);
            }
            Ok(Value::Table(whole))
        })
        .collect()
}

fn unknown(place: &str, key: &str, defaults: &Table) -> ConfigError {
    let nearest = keys(defaults)
        .into_iter()
        .map(|known| (distance(&known, key), known))
        .min()
        .filter(|(distance, _)| *distance <= 3);
    ConfigError::UnknownKey {
        place: place.to_owned(),
        key: key.to_owned(),
        suggestion: nearest.map_or_else(
            || "; `authdex config print` lists every key".to_owned(),
            |(_, known)| format!("; did you mean `{known}`?"),
        ),
    }
}

/// Every key of the defaults, dotted.
pub(super) fn keys(defaults: &Table) -> Vec<String> {
    let mut out = Vec::new();
    for (section, value) in defaults {
        out.push(section.clone());
        let members = match value {
            Value::Table(members) => Some(members),
            Value::Array(items) => items.first().and_then(Value::as_table),
            _ => None,
        };
        out.extend(
            members
                .into_iter()
                .flat_map(|members| members.keys())
                .map(|key| format!("{section}.{key}")),
        );
    }
    out
}

/// Edit distance, for suggestions.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let replaced = corner + usize::from(ca != *cb);
            corner = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(corner + 1);
        }
    }
    row[b.len()]
}

fn line_of(text: &str, key: &str) -> Option<usize> {
    let name = key.rsplit('.').next()?;
    let section = key.split('.').next()?;
    let mut here = false;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with('[') {
            here = line.trim_matches(|c| c == '[' || c == ']') == section;
            if here && name == section {
                return Some(number + 1);
            }
        }
        if here
            && line
                .split('=')
                .next()
                .is_some_and(|left| left.trim() == name)
        {
            return Some(number + 1);
        }
    }
    None
}

/// A variable's text as a value of the kind that the key has.
fn typed(text: &str, known: &Value) -> Option<Value> {
    Some(match known {
        Value::String(_) => Value::String(text.to_owned()),
        Value::Integer(_) => Value::Integer(text.parse().ok()?),
        Value::Boolean(_) => Value::Boolean(text.parse().ok()?),
        Value::Float(_) => Value::Float(text.parse().ok()?),
        Value::Array(_) => Value::Array(
            text.split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(|item| Value::String(item.to_owned()))
                .collect(),
        ),
        Value::Table(_) | Value::Datetime(_) => return None,
    })
}

/// Replaces `@env:NAME` and `@file:PATH`; a secret written out is refused.
fn read_references(table: &mut Table, above: &str) -> Result<(), ConfigError> {
    for (name, value) in table.iter_mut() {
        let key = if above.is_empty() {
            name.clone()
        } else {
            format!("{above}.{name}")
        };
        match value {
            Value::Table(inner) => read_references(inner, &key)?,
            Value::Array(items) => {
                for item in items {
                    if let Value::Table(inner) = item {
                        read_references(inner, &key)?;
                    }
                }
            }
            Value::String(text) => {
                let referenced = text.starts_with("@env:") || text.starts_with("@file:");
                if referenced {
                    *text = reference(text).map_err(|said| ConfigError::Value {
                        key: key.clone(),
                        said: said.0,
                    })?;
                } else if !text.is_empty() && SECRET.contains(&name.as_str()) {
                    return Err(ConfigError::Value {
                        key,
                        said: "secrets are not written into the configuration; use \"@env:NAME\" or \"@file:PATH\"".into(),
                    });
                }
            }
            Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => (),
        }
    }
    Ok(())
}

/// Why a reference could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ReferenceError(pub String);

/// The value behind `@env:NAME` or `@file:PATH`; any other text is itself.
///
/// # Errors
///
/// If there is no such variable, or the file cannot be read.
pub fn reference(text: &str) -> Result<String, ReferenceError> {
    if let Some(name) = text.strip_prefix("@env:") {
        return variable(name)
            .ok_or_else(|| ReferenceError(format!("the environment has no variable {name}")));
    }
    if let Some(path) = text.strip_prefix("@file:") {
        return std::fs::read_to_string(path)
            .map(|text| text.trim_end().to_owned())
            .map_err(|cause| ReferenceError(format!("reading {path}: {cause}")));
    }
    Ok(text.to_owned())
}

/// Deserialises the merged table; an error names the key.
pub(super) fn parse<T: serde::de::DeserializeOwned>(table: &Table) -> Result<T, ConfigError> {
    for (section, value) in table {
        if let Value::Table(members) = value {
            for (member, value) in members {
                check_one(section, member, value)?;
            }
        }
    }
    T::deserialize(Value::Table(table.clone()).into_deserializer()).map_err(|error| {
        blamed::<T>(table).unwrap_or_else(|| ConfigError::Value {
            key: "as a whole".into(),
            said: error.message().replace('\n', " "),
        })
    })
}

/// The first value that does not fit, found by putting each by itself into the defaults.
fn blamed<T: serde::de::DeserializeOwned>(table: &Table) -> Option<ConfigError> {
    let defaults: Table = DEFAULTS.parse().ok()?;
    for (section, value) in table {
        let tables: Vec<&Table> = match value {
            Value::Table(members) => vec![members],
            Value::Array(items) => items.iter().filter_map(Value::as_table).collect(),
            _ => Vec::new(),
        };
        for (member, value) in tables.into_iter().flatten() {
            let mut probe = defaults.clone();
            let place = match probe.get_mut(section) {
                Some(Value::Table(members)) => Some(members),
                Some(Value::Array(items)) => items.first_mut().and_then(Value::as_table_mut),
                _ => None,
            };
            place?.insert(member.clone(), value.clone());
            if let Err(error) = T::deserialize(Value::Table(probe).into_deserializer()) {
                return Some(ConfigError::Value {
                    key: format!("{section}.{member}"),
                    said: error.message().replace('\n', " "),
                });
            }
        }
    }
    None
}

/// Adds to an error about a value where the value came from.
pub(super) fn with_origin(error: ConfigError, origins: &BTreeMap<String, Origin>) -> ConfigError {
    match error {
        ConfigError::Value { key, said } => {
            let said = match origins.get(&key) {
                Some(origin) => format!("{said} ({origin})"),
                None => said,
            };
            ConfigError::Value { key, said }
        }
        other => other,
    }
}

/// Durations and cron lines are checked by themselves, so that the message names their key.
fn check_one(section: &str, member: &str, value: &Value) -> Result<(), ConfigError> {
    let key = format!("{section}.{member}");
    let wrong = |said: String| ConfigError::Value {
        key: key.clone(),
        said,
    };
    let default = DEFAULTS
        .parse::<Table>()
        .ok()
        .and_then(|defaults| defaults.get(section)?.get(member).cloned());
    if let Some(default) = default
        && std::mem::discriminant(&default) != std::mem::discriminant(value)
    {
        return Err(wrong(format!(
            "is {} and must be {}",
            kind(value),
            kind(&default)
        )));
    }
    match (section, member, value) {
        ("policy", "cooldown" | "stale_after", Value::String(text))
        | ("schedule", "sweep_every" | "lease", Value::String(text))
        | ("publication", "confirm_after", Value::String(text)) => {
            super::Span::parse(text).map_err(wrong)?;
        }
        ("policy", "interval" | "interval_unchanged", Value::String(text)) if text != "auto" => {
            super::Span::parse(text).map_err(wrong)?;
        }
        (
            "schedule",
            "registry_sync" | "registry_full" | "regrade" | "determinism" | "retention" | "stats",
            Value::String(text),
        ) => {
            store::cron::Cron::parse(text).map_err(|error| wrong(error.to_string()))?;
        }
        _ => (),
    }
    Ok(())
}

/// The kind of a value, with its article.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a string",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a section",
    }
}

/// The effective configuration for `config print`: TOML with secrets masked, and beside
/// each key where it came from if `origin` is set.
///
/// # Errors
///
/// [`ConfigError`], as loading has.
pub fn printed(file: Option<&Path>, origin: bool) -> Result<String, ConfigError> {
    let (table, origins) = merged(file, &environment())?;
    let mut out = String::new();
    for (section, value) in &table {
        match value {
            Value::Table(members) => {
                out.push_str(&format!("[{section}]\n"));
                print_members(&mut out, section, members, origin.then_some(&origins));
            }
            Value::Array(items) => {
                for item in items.iter().filter_map(Value::as_table) {
                    out.push_str(&format!("[[{section}]]\n"));
                    print_members(&mut out, section, item, origin.then_some(&origins));
                }
            }
            other => out.push_str(&format!("{section} = {other}\n")),
        }
    }
    Ok(out)
}

fn print_members(
    out: &mut String,
    section: &str,
    members: &Table,
    origins: Option<&BTreeMap<String, Origin>>,
) {
    for (member, value) in members {
        let key = format!("{section}.{member}");
        let shown = match value {
            Value::String(text) if SECRET.contains(&member.as_str()) && !text.is_empty() => {
                "\"***\"".to_owned()
            }
            Value::String(text) if key == "store.url" => format!("{:?}", without_password(text)),
            other => other.to_string(),
        };
        out.push_str(&format!("{member} = {shown}"));
        if let Some(origins) = origins {
            out.push_str(&format!(
                "  # {}",
                origins.get(&key).unwrap_or(&Origin::Default)
            ));
        }
        out.push('\n');
    }
    out.push('\n');
}

/// A database URL with what may be a password blanked, well-formed or not.
pub(crate) fn without_password(url: &str) -> String {
    let (place, options) = match url.split_once('?') {
        Some((place, options)) => (place, Some(options)),
        None => (url, None),
    };
    let shown = match place.rsplit_once('@') {
        Some((before, host)) => {
            let (scheme, user) = before.split_once("://").unwrap_or(("", before));
            let user = user.split(':').next().unwrap_or_default();
            format!("{scheme}://{user}:***@{host}")
        }
        None => place.to_owned(),
    };
    match options {
        Some(options) if options.contains("pass") => format!("{shown}?***"),
        Some(options) => format!("{shown}?{options}"),
        None => shown,
    }
}
