//! What an anonymous caller sees in the lists of a server.

use serde_json::Value;

use super::Facts;
use crate::check::Place;
use crate::evidence::{ExchangeId, List, Purpose};

/// One entry of a tool list.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// Its description, as far as it was kept.
    pub description: String,
    /// `annotations.readOnlyHint`
    pub read_only: Option<bool>,
    /// `annotations.destructiveHint`
    pub destructive: Option<bool>,
    /// `inputSchema.properties`: name and schema.
    pub properties: Vec<(String, Value)>,
    /// `inputSchema.required`
    pub required: Vec<String>,
    /// It carries a security scheme of its own (`securitySchemes`, also below `_meta`).
    pub declares_security: bool,
    /// Where it stands.
    pub place: Place,
}

/// Entries of the tool lists that were readable without credentials, the modern list first;
/// an entry of the same name in the other era is left out. `None` if no list was readable.
#[must_use]
pub fn visible(facts: &Facts<'_>) -> Option<Vec<Tool>> {
    let mut seen = false;
    let mut tools: Vec<Tool> = Vec::new();
    for purpose in [
        Purpose::ModernList(List::Tools),
        Purpose::LegacyList(List::Tools),
    ] {
        let Some(answer) = facts.answer(purpose) else {
            continue;
        };
        let Some(list) = answer
            .result()
            .and_then(|result| result.get("tools"))
            .and_then(Value::as_array)
        else {
            continue;
        };
        seen = true;
        for (position, entry) in list.iter().enumerate() {
            if let Some(tool) = read(entry, answer.exchange.id, position)
                && !tools.iter().any(|known| known.name == tool.name)
            {
                tools.push(tool);
            }
        }
    }
    seen.then_some(tools)
}

fn read(entry: &Value, exchange: ExchangeId, position: usize) -> Option<Tool> {
    let name = entry.get("name")?.as_str()?.to_owned();
    let hint = |hint: &str| {
        entry
            .get("annotations")
            .and_then(|a| a.get(hint))
            .and_then(Value::as_bool)
    };
    let schema = entry.get("inputSchema");
    let properties = schema
        .and_then(|schema| schema.get("properties"))
        .and_then(Value::as_object)
        .map(|members| {
            members
                .iter()
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect()
        })
        .unwrap_or_default();
    let required = schema
        .and_then(|schema| schema.get("required"))
        .and_then(Value::as_array)
        .map(|names| {
            names
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect()
        })
        .unwrap_or_default();
    let declares_security = entry.get("securitySchemes").is_some()
        || entry
            .get("_meta")
            .is_some_and(|meta| meta.get("securitySchemes").is_some());
    Some(Tool {
        description: entry
            .get("description")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
        read_only: hint("readOnlyHint"),
        destructive: hint("destructiveHint"),
        properties,
        required,
        declares_security,
        place: Place::body(exchange, &format!("/result/tools/{position}")),
        name,
    })
}

/// Why a tool counts as able to change or execute something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Danger {
    /// A verb in its name or description.
    Verb,
    /// `readOnlyHint: false` without more.
    NotReadOnly,
    /// `destructiveHint: true` without `readOnlyHint: true`.
    Annotated,
    /// A parameter that takes a command or a query to execute.
    Executes,
}

/// The strongest sign that a tool changes or executes something, if there is one.
#[must_use]
pub fn danger(tool: &Tool) -> Option<Danger> {
    const VERBS: [&str; 13] = [
        "delete", "drop", "write", "update", "send", "execute", "run", "shell", "sql", "transfer",
        "pay", "deploy", "remove",
    ];
    const COMMANDS: [&str; 7] = [
        "command",
        "cmd",
        "sql",
        "shell",
        "script",
        "code",
        "sql_query",
    ];
    if tool.read_only == Some(true) {
        return None;
    }
    let executes = tool.properties.iter().any(|(name, schema)| {
        COMMANDS.contains(&name.to_ascii_lowercase().as_str())
            && schema.get("type").and_then(Value::as_str) == Some("string")
            && schema.get("enum").is_none()
    }) && words(&tool.name)
        .chain(words(&tool.description))
        .any(|word| {
            matches!(
                word.as_str(),
                "execute" | "exec" | "run" | "shell" | "sql" | "eval"
            )
        });
    if executes {
        return Some(Danger::Executes);
    }
    if tool.destructive == Some(true) {
        return Some(Danger::Annotated);
    }
    if tool.read_only == Some(false) {
        return Some(Danger::NotReadOnly);
    }
    words(&tool.name)
        .chain(words(&tool.description).take(12))
        .any(|word| VERBS.contains(&word.as_str()))
        .then_some(Danger::Verb)
}

/// Lower-case words of a name in any of the usual spellings, or of a sentence.
fn words(text: &str) -> impl Iterator<Item = String> {
    let mut spaced = String::with_capacity(text.len() + 8);
    let mut previous_lower = false;
    for c in text.chars() {
        if c.is_ascii_uppercase() && previous_lower {
            spaced.push(' ');
        }
        previous_lower = c.is_ascii_lowercase();
        spaced.push(if c.is_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            ' '
        });
    }
    spaced
        .split_whitespace()
        .map(str::to_owned)
        .collect::<Vec<_>>()
        .into_iter()
}
