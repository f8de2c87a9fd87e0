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

/// What one kind of list showed to a caller without credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    /// Which list.
    pub list: List,
    /// Names (or, for resources, URIs) of its entries.
    pub names: Vec<String>,
    /// The exchange that shows it.
    pub exchange: ExchangeId,
}

/// First pages of all lists that were readable without credentials; of a list that both eras
/// show, the longer one.
#[must_use]
pub fn inventory(facts: &Facts<'_>) -> Vec<Inventory> {
    [List::Tools, List::Prompts, List::Resources, List::Templates]
        .into_iter()
        .filter_map(|list| {
            [Purpose::ModernList(list), Purpose::LegacyList(list)]
                .into_iter()
                .filter_map(|purpose| {
                    let answer = facts.answer(purpose)?;
                    let entries = answer.result()?.get(list.member())?.as_array()?;
                    Some(Inventory {
                        list,
                        names: entries.iter().map(name_of).collect(),
                        exchange: answer.exchange.id,
                    })
                })
                .max_by_key(|found| found.names.len())
        })
        .collect()
}

fn name_of(entry: &Value) -> String {
    ["name", "uri", "uriTemplate"]
        .iter()
        .find_map(|member| entry.get(member)?.as_str())
        .unwrap_or_default()
        .to_owned()
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
    const COMMANDS: [&str; 6] = ["command", "cmd", "sql", "shell", "script", "sql_query"];
    if tool.read_only == Some(true) {
        return None;
    }
    let executing = |word: String| {
        matches!(
            word.as_str(),
            "execute" | "executes" | "exec" | "run" | "runs" | "shell" | "sql" | "eval"
        )
    };
    let named = words(&tool.name).any(executing);
    let described = named || words(&tool.description).any(executing);
    let executes = tool.properties.iter().any(|(name, schema)| {
        let name = name.to_ascii_lowercase();
        // `code` is often a country or a voucher; it counts where the tool's name executes.
        let takes = COMMANDS.contains(&name.as_str()) && described || name == "code" && named;
        takes && is_text(schema) && schema.get("enum").is_none()
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

/// Whether a property takes a string (perhaps among other types).
#[must_use]
pub fn is_text(schema: &Value) -> bool {
    match schema.get("type") {
        Some(Value::String(name)) => name == "string",
        Some(Value::Array(names)) => names.iter().any(|name| name.as_str() == Some("string")),
        _ => false,
    }
}

/// Whether a property name means a credential: a key, token, secret or password as such, and
/// not its name, length or place.
#[must_use]
pub fn names_credential(property: &str) -> bool {
    /// Last words of names that say something about a credential.
    const ABOUT: [&str; 20] = [
        "id", "ids", "name", "names", "type", "types", "length", "count", "policy", "path", "url",
        "uri", "ref", "hint", "strength", "field", "label", "status", "expiry", "version",
    ];
    let words: Vec<String> = words(property).collect();
    if words
        .last()
        .is_some_and(|last| ABOUT.contains(&last.as_str()))
    {
        return false;
    }
    let single = words.iter().any(|word| {
        matches!(word.as_str(), "secret" | "secrets" | "bearer")
            || [
                "apikey",
                "accesstoken",
                "privatekey",
                "clientsecret",
                "passwd",
            ]
            .iter()
            .any(|part| word.contains(part))
            || word.contains("password")
            || word.starts_with("credential")
    });
    let pair = words.windows(2).any(|pair| {
        matches!(
            (pair[0].as_str(), pair[1].as_str()),
            ("api", "key") | ("access", "token") | ("private", "key")
        )
    });
    single || pair
}

/// Whether a property name means obvious personal data.
#[must_use]
pub fn names_person(property: &str) -> bool {
    let words: Vec<String> = words(property).collect();
    words.iter().any(|word| {
        matches!(
            word.as_str(),
            "email" | "emails" | "phone" | "telephone" | "ssn" | "dob" | "birthdate" | "birthday"
        )
    }) || words
        .windows(3)
        .any(|three| three == ["date", "of", "birth"])
}

/// Lower-case words of a name in any of the usual spellings, or of a sentence.
pub(crate) fn words(text: &str) -> impl Iterator<Item = String> {
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

#[cfg(test)]
mod tests {
    use super::{Danger, Tool, danger, names_credential, names_person};
    use crate::check::Place;
    use serde_json::json;

    fn tool(name: &str, description: &str, property: &str) -> Tool {
        Tool {
            name: name.into(),
            description: description.into(),
            read_only: None,
            destructive: None,
            properties: vec![(property.into(), json!({ "type": "string" }))],
            required: Vec::new(),
            declares_security: false,
            place: Place::body(0, "/result/tools/0"),
        }
    }

    #[test]
    fn credentials_are_told_from_what_is_said_about_them() {
        for name in [
            "apiKey",
            "api_key",
            "API-KEY",
            "openai_api_key",
            "access_token",
            "accessToken",
            "password",
            "dbPassword",
            "client_secret",
            "privateKey",
            "bearer",
            "credentials",
        ] {
            assert!(names_credential(name), "{name}");
        }
        for name in [
            "token",
            "next_token",
            "page_token",
            "token_address",
            "max_tokens",
            "secretary",
            "secret_name",
            "password_length",
            "credential_id",
            "key",
            "access_token_type",
        ] {
            assert!(!names_credential(name), "{name}");
        }
    }

    #[test]
    fn personal_data_is_known_by_name() {
        for name in ["email", "userEmail", "phone_number", "ssn", "date_of_birth"] {
            assert!(names_person(name), "{name}");
        }
        for name in ["emailing", "region", "tenant", "birth"] {
            assert!(!names_person(name), "{name}");
        }
    }

    #[test]
    fn a_country_code_is_no_program() {
        assert_eq!(
            danger(&tool("lookup", "Runs a lookup by country code.", "code")),
            None
        );
        assert_eq!(
            danger(&tool("run_code", "Runs Python.", "code")),
            Some(Danger::Executes)
        );
        assert_eq!(
            danger(&tool("query", "Executes SQL on the warehouse.", "sql")),
            Some(Danger::Executes)
        );
        assert_eq!(
            danger(&tool("deleteNote", "Deletes.", "id")),
            Some(Danger::Verb)
        );
        let mut annotated = tool("wipe", "", "id");
        annotated.destructive = Some(true);
        assert_eq!(danger(&annotated), Some(Danger::Annotated));
        annotated.read_only = Some(true);
        assert_eq!(danger(&annotated), None);
    }
}
