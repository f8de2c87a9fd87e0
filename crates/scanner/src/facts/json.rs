//! JSON as a suspicious reader takes it: depth bounded, duplicate members noticed.
//!
//! Two readers that disagree about a duplicate member can be played against each other, and a
//! deeply nested text can exhaust a reader that recurses. So the text's nesting is measured
//! before anything is built, and members are collected by a reader that sees each of them.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Deepest nesting that is read. A scalar has depth 0, `[]` has depth 1.
pub const MAX_DEPTH: usize = 32;

/// How many duplicate members are listed at most.
const MAX_DUPLICATES: usize = 100;

/// A document that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Json {
    /// The value; of duplicate members the first one.
    pub value: Value,
    /// Members that stood more than once: JSON Pointer, and whether their values were equal.
    /// Each pointer once, in order of the first repetition, at most 100.
    pub duplicates: Vec<(String, bool)>,
    /// The text began with a byte-order mark.
    pub bom: bool,
}

/// Why a text is not a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonFault {
    /// Not JSON.
    Syntax,
    /// Nested deeper than [`MAX_DEPTH`].
    TooDeep,
}

/// Reads one JSON text. Never recurses deeper than [`MAX_DEPTH`].
///
/// # Errors
///
/// When the text is not exactly one JSON value, or is nested too deeply. A text that is both
/// is too deep.
pub fn parse(text: &str) -> Result<Json, JsonFault> {
    let (text, bom) = match text.strip_prefix('\u{feff}') {
        Some(rest) => (rest, true),
        None => (text, false),
    };
    if too_deep(text) {
        return Err(JsonFault::TooDeep);
    }
    let seen = RefCell::default();
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Seed {
        seen: &seen,
        path: Path::Root,
    }
    .deserialize(&mut reader)
    .map_err(|_| JsonFault::Syntax)?;
    reader.end().map_err(|_| JsonFault::Syntax)?;
    Ok(Json {
        value,
        duplicates: seen.into_inner(),
        bom,
    })
}

/// Whether this is a JSON text, or was going to be one, that [`parse`] refuses for its depth.
#[must_use]
pub fn is_too_deep(text: &str) -> bool {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).trim_start();
    text.starts_with(['[', '{']) && too_deep(text)
}

/// Appends one step to a JSON Pointer (RFC 6901 section 3).
#[must_use]
pub fn pointer(parent: &str, member: &str) -> String {
    format!("{parent}/{}", member.replace('~', "~0").replace('/', "~1"))
}

/// Whether brackets outside of strings nest deeper than [`MAX_DEPTH`]. One pass, no stack.
fn too_deep(text: &str) -> bool {
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut escaped = false;
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'[' | b'{' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return true;
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// Where the reader stands; written out only when a duplicate is found.
#[derive(Clone, Copy)]
enum Path<'p> {
    Root,
    Member(&'p Path<'p>, &'p str),
    Entry(&'p Path<'p>, usize),
}

impl Path<'_> {
    fn pointer(&self) -> String {
        match self {
            Path::Root => String::new(),
            Path::Member(parent, name) => pointer(&parent.pointer(), name),
            Path::Entry(parent, index) => format!("{}/{index}", parent.pointer()),
        }
    }
}

struct Seed<'p> {
    seen: &'p RefCell<Vec<(String, bool)>>,
    path: Path<'p>,
}

impl Seed<'_> {
    fn note(&self, name: &str, equal: bool) {
        let mut seen = self.seen.borrow_mut();
        let pointer = Path::Member(&self.path, name).pointer();
        if let Some((_, all_equal)) = seen.iter_mut().find(|(known, _)| *known == pointer) {
            *all_equal &= equal;
        } else if seen.len() < MAX_DUPLICATES {
            seen.push((pointer, equal));
        }
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(entry) = entries.next_element_seed(Seed {
            seen: self.seen,
            path: Path::Entry(&self.path, list.len()),
        })? {
            list.push(entry);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(Seed {
                seen: self.seen,
                path: Path::Member(&self.path, &name),
            })?;
            match object.get(&name) {
                Some(first) => self.note(&name, *first == value),
                None => {
                    object.insert(name, value);
                }
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::{JsonFault, MAX_DEPTH, parse};
    use serde_json::json;

    #[test]
    fn reads_what_the_plain_reader_reads() {
        let text = r#"{"a":[1,-2,3.5,1e3,true,null,"\u00e9\n",18446744073709551615],"b":{"c":{}}}"#;
        let read = parse(text).expect("reads");
        assert_eq!(
            read.value,
            serde_json::from_str::<serde_json::Value>(text).expect("reads")
        );
        assert_eq!(read.duplicates, []);
        assert!(!read.bom);
    }

    #[test]
    fn finds_duplicates_at_any_depth_and_keeps_the_first() {
        let read = parse(
            r#"{"issuer":"a","x":[{"k~/":1,"k~/":1}],"issuer":"b","\u0069ssuer":"a","y":{"z":{"a":1,"b":2},"z":{"b":2,"a":1}}}"#,
        )
        .expect("reads");
        assert_eq!(read.value["issuer"], json!("a"));
        assert_eq!(
            read.duplicates,
            [
                ("/x/0/k~0~1".to_owned(), true),
                ("/issuer".to_owned(), false),
                ("/y/z".to_owned(), true),
            ]
        );
    }

    #[test]
    fn duplicates_are_bounded() {
        let entries: Vec<&str> = vec![r#"{"a":1,"a":2}"#; 1000];
        let read = parse(&format!("[{}]", entries.join(","))).expect("reads");
        assert_eq!(read.duplicates.len(), 100);
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(&nested(MAX_DEPTH)).is_ok());
        assert_eq!(parse(&nested(MAX_DEPTH + 1)), Err(JsonFault::TooDeep));
        assert_eq!(parse(&nested(100_000)), Err(JsonFault::TooDeep));
        assert_eq!(parse(&"{\"a\":".repeat(100_000)), Err(JsonFault::TooDeep));
        let in_string = format!(r#"["\"{}"]"#, "[".repeat(100));
        assert!(parse(&in_string).is_ok());
        let in_a_row = format!("[{}[]]", "[],".repeat(100));
        assert!(parse(&in_a_row).is_ok());
    }

    #[test]
    fn notices_a_byte_order_mark_and_refuses_the_rest() {
        assert!(parse("\u{feff}{}").expect("reads").bom);
        for text in [
            "",
            "{",
            "{} {}",
            "{'a':1}",
            "{\"a\":1,}",
            "nul",
            "\u{feff}\u{feff}1",
            "1e999",
        ] {
            assert_eq!(parse(text), Err(JsonFault::Syntax), "{text}");
        }
    }
}
