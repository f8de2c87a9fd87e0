//! The kinds of values that tables of members and parameters name, as JSON Schema. Words that
//! the code knows as types are read off those types, so that the document cannot lag behind.

use scanner::check::{Area, Level, ProbeClass};
use scanner::report::{Badge, Class, Era, GradeLetter};
use scanner::spec::Revision;
use serde_json::{Value, json};

/// The schema of a kind:
///
/// `K?` may be null, `[K]` is an array, `{K}` a map of names to `K`, `#Name` a component,
/// `list:K` the form of every list, `in:a|b` one of these words, `words:NAME` one of the words
/// that the code knows under that name, `like:NAME` the same in answers, where further words
/// may come, `id:PREFIX` an id, `one:K|K` either of two.
pub(super) fn schema(kind: &str) -> Value {
    if let Some(inner) = kind.strip_suffix('?') {
        return json!({ "anyOf": [schema(inner), { "type": "null" }] });
    }
    if let Some(inner) = kind.strip_prefix('[').and_then(|k| k.strip_suffix(']')) {
        return json!({ "type": "array", "items": schema(inner) });
    }
    if let Some(inner) = kind.strip_prefix('{').and_then(|k| k.strip_suffix('}')) {
        return json!({ "type": "object", "additionalProperties": schema(inner) });
    }
    if let Some(name) = kind.strip_prefix('#') {
        return json!({ "$ref": format!("#/components/schemas/{name}") });
    }
    match kind.split_once(':') {
        Some(("list", inner)) => list(inner),
        Some(("in", all)) => json!({ "type": "string", "enum": split(all) }),
        Some(("words", name)) => json!({ "type": "string", "enum": words(name) }),
        Some(("like", name)) => json!({ "type": "string", "examples": words(name) }),
        Some(("id", prefix)) => json!({
            "type": "string",
            "pattern": format!("^{prefix}_[0-7][0-9a-hjkmnp-tv-z]{{25}}$"),
        }),
        Some(("one", all)) => {
            json!({ "anyOf": all.split('|').map(schema).collect::<Vec<_>>() })
        }
        _ => plain(kind),
    }
}

fn plain(kind: &str) -> Value {
    match kind {
        "time" => json!({ "type": "string", "format": "date-time" }),
        "day" => json!({ "type": "string", "format": "date" }),
        "link" => json!({ "type": "string", "format": "uri-reference" }),
        "count" => json!({ "type": "integer", "minimum": 0 }),
        "seq" => json!({ "type": "integer", "minimum": 0, "maximum": i64::MAX }),
        "integer" => json!({ "type": "integer" }),
        "number" => json!({ "type": "number" }),
        "percent" => json!({ "type": "number", "minimum": 0, "maximum": 100 }),
        "boolean" => json!({ "type": "boolean" }),
        "object" => json!({ "type": "object" }),
        "any" => json!({}),
        "limit" => json!({ "type": "integer", "minimum": 1, "maximum": 500, "default": 100 }),
        "page" => json!({ "type": "integer", "minimum": 1, "maximum": 100, "default": 30 }),
        "pair" => json!({ "type": "string", "pattern": "^[^/]+\\.\\.\\.[^/]+$" }),
        _ => json!({ "type": "string" }),
    }
}

fn split(all: &str) -> Vec<&str> {
    all.split('|').collect()
}

/// The words of a closed set.
fn words(name: &str) -> Vec<&'static str> {
    match name {
        "letter" => GradeLetter::ALL.map(GradeLetter::as_str).to_vec(),
        "badge" => Badge::ALL.map(Badge::as_str).to_vec(),
        "mark" => GradeLetter::ALL
            .map(GradeLetter::as_str)
            .into_iter()
            .chain(Badge::ALL.map(Badge::as_str))
            .collect(),
        "class" => Class::ALL.map(Class::as_str).to_vec(),
        "era" => [
            Era::Modern,
            Era::Dual,
            Era::Legacy,
            Era::HttpSse,
            Era::Hidden,
        ]
        .map(Era::as_str)
        .to_vec(),
        "revision" => Revision::ALL.map(Revision::as_str).to_vec(),
        "area" => Area::ALL.map(Area::as_str).to_vec(),
        "level" => [Level::Must, Level::Should, Level::May]
            .map(Level::as_str)
            .to_vec(),
        "probes" => [
            ProbeClass::P0,
            ProbeClass::P1,
            ProbeClass::P2,
            ProbeClass::P3,
        ]
        .map(ProbeClass::as_str)
        .to_vec(),
        _ => Vec::new(),
    }
}

/// The form of every list.
fn list(inner: &str) -> Value {
    json!({
        "type": "object",
        "required": ["schema_version", "generated_at", "next", "data"],
        "properties": {
            "schema_version": {
                "type": "string",
                "description": "Version of the form of answers.",
            },
            "generated_at": {
                "type": "string", "format": "date-time",
                "description": "When it was answered, to the minute.",
            },
            "next": {
                "type": ["string", "null"],
                "description": "Cursor of the next page; null at the end.",
            },
            "count": {
                "type": ["integer", "null"], "minimum": 0,
                "description": "With count=estimate: about how many entries there are in all; \
                    null if that is not known without counting.",
            },
            "data": {
                "type": "array", "items": schema(inner),
                "description": "The entries.",
            },
        },
    })
}

/// A member of an object: its name, with a question mark if it may be absent, its kind, and
/// what it says.
pub(super) type Member = (&'static str, &'static str, &'static str);

/// The schema of an object with these members.
pub(super) fn object(text: &str, members: &[Member]) -> Value {
    let mut properties = serde_json::Map::new();
    let mut required = Vec::new();
    for (name, kind, text) in members {
        let bare = name.trim_end_matches('?');
        if bare == *name {
            required.push(bare);
        }
        let mut value = schema(kind);
        if let Value::Object(value) = &mut value {
            value.insert("description".into(), (*text).into());
        }
        properties.insert(bare.to_owned(), value);
    }
    json!({
        "type": "object",
        "description": text,
        "required": required,
        "properties": properties,
    })
}

#[cfg(test)]
mod tests {
    use super::{schema, words};
    use serde_json::json;

    #[test]
    fn kinds_become_schemas() {
        assert_eq!(
            schema("[#Server]?"),
            json!({ "anyOf": [
                { "type": "array", "items": { "$ref": "#/components/schemas/Server" } },
                { "type": "null" },
            ] })
        );
        assert_eq!(
            schema("in:a|b"),
            json!({ "type": "string", "enum": ["a", "b"] })
        );
        for name in [
            "letter", "badge", "mark", "class", "era", "revision", "area", "level", "probes",
        ] {
            assert!(words(name).len() > 2, "{name}");
        }
    }
}
