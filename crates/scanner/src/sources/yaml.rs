//! YAML as JSON values, from strangers.
//!
//! The parser's events are taken one by one: an alias stands for nothing, so that no anchor
//! multiplies; depth, nodes and bytes are bounded. Behind the first fault nothing is read, but
//! the entries that were complete before it stay.

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

/// Longest text that is read, in bytes.
const MAX_BYTES: usize = 16 << 20;
/// Deepest nesting.
const MAX_DEPTH: usize = 64;
/// Most keys, texts, lists and maps.
const MAX_NODES: usize = 1_000_000;
/// Containers deeper than this are parts of an entry, which counts whole or not at all.
const ENTRY_DEPTH: usize = 2;

/// What was read of a text.
pub(super) struct Yaml {
    /// The first document; `null` if there is none.
    pub(super) value: Value,
    /// Why the rest could not be read, with its line.
    pub(super) fault: Option<String>,
}

/// A list or map whose end has not come yet.
enum Open {
    List(Vec<Value>),
    /// The members, and the key whose value is due.
    Map(Map<String, Value>, Option<String>),
}

/// Reads the first document of a text.
pub(super) fn read(text: &str) -> Yaml {
    let mut open: Vec<Open> = Vec::new();
    if text.len() > MAX_BYTES {
        return Yaml {
            value: Value::Null,
            fault: Some(format!("the text is longer than {} MiB", MAX_BYTES >> 20)),
        };
    }
    let mut nodes = 0_usize;
    for event in Parser::new_from_str(text) {
        let (event, span) = match event {
            Ok(event) => event,
            Err(fault) => {
                let line = fault.marker().line();
                return cut(open, format!("line {line}: {}", fault.info()));
            }
        };
        nodes += 1;
        let line = span.start.line();
        if nodes > MAX_NODES {
            return cut(open, format!("line {line}: more than {MAX_NODES} values"));
        }
        let done = match event {
            Event::SequenceStart(..) | Event::MappingStart(..) if open.len() >= MAX_DEPTH => {
                return cut(open, format!("line {line}: nested too deeply"));
            }
            Event::SequenceStart(..) => {
                open.push(Open::List(Vec::new()));
                None
            }
            Event::MappingStart(..) => {
                open.push(Open::Map(Map::new(), None));
                None
            }
            Event::SequenceEnd | Event::MappingEnd => open.pop().map(Open::closed),
            Event::Scalar(text, style, ..) => Some(scalar(&text, style)),
            Event::Alias(_) => Some(Value::Null),
            Event::DocumentEnd => break,
            _ => None,
        };
        if let Some(value) = done {
            match open.last_mut() {
                None => return Yaml { value, fault: None },
                Some(container) => container.take(value),
            }
        }
    }
    Yaml {
        value: Value::Null,
        fault: None,
    }
}

/// What was complete when the fault came.
fn cut(mut open: Vec<Open>, fault: String) -> Yaml {
    open.truncate(ENTRY_DEPTH);
    let mut value = Value::Null;
    while let Some(mut container) = open.pop() {
        if !value.is_null() {
            container.take(value);
        }
        value = container.closed();
    }
    Yaml {
        value,
        fault: Some(fault),
    }
}

impl Open {
    fn take(&mut self, value: Value) {
        match self {
            Self::List(list) => list.push(value),
            Self::Map(members, key) => match key.take() {
                None => {
                    *key = Some(match value {
                        Value::String(text) => text,
                        Value::Null | Value::Array(_) | Value::Object(_) => String::new(),
                        plain => plain.to_string(),
                    });
                }
                Some(key) => {
                    members.insert(key, value);
                }
            },
        }
    }

    fn closed(self) -> Value {
        match self {
            Self::List(list) => Value::Array(list),
            Self::Map(members, _) => Value::Object(members),
        }
    }
}

/// Texts stay texts: of other kinds only what an entry can hold is told apart.
fn scalar(text: &str, style: ScalarStyle) -> Value {
    match (style, text) {
        (ScalarStyle::Plain, "" | "~" | "null") => Value::Null,
        (ScalarStyle::Plain, "true") => Value::Bool(true),
        (ScalarStyle::Plain, "false") => Value::Bool(false),
        _ => Value::String(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::read;

    #[test]
    fn maps_lists_and_scalars() {
        let yaml = read(
            "# x\na: 1\nb: [x, 'true', true, ~]\nc:\n  - d: \"e\"\n    f: >-\n      g\n      h\n",
        );
        assert_eq!(
            yaml.value,
            json!({"a": "1", "b": ["x", "true", true, null], "c": [{"d": "e", "f": "g h"}]})
        );
        assert_eq!(yaml.fault, None);
        assert_eq!(read("").value, json!(null));
        assert_eq!(read("a: 1\n---\nb: 2\n").value, json!({"a": "1"}));
    }

    #[test]
    fn a_fault_costs_what_follows_and_its_own_entry() {
        let yaml = read("r:\n  a: {u: x}\n  b:\n    u: y\n    v: \"open\n  c: {u: z}\n");
        assert_eq!(yaml.value["r"]["a"], json!({"u": "x"}));
        assert!(yaml.value["r"].get("b").is_none());
        assert!(yaml.fault.is_some_and(|fault| fault.starts_with("line ")));
    }

    #[test]
    fn anchors_do_not_multiply() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..40 {
            let alias = vec![format!("*a{}", n - 1); 8].join(", ");
            text.push_str(&format!("a{n}: &a{n} [{alias}]\n"));
        }
        let yaml = read(&text);
        assert_eq!(yaml.fault, None);
        assert_eq!(
            yaml.value["a39"],
            json!([null, null, null, null, null, null, null, null])
        );
        let deep = "[".repeat(100_000);
        assert!(read(&deep).fault.is_some());
    }
}
