//! JSON taken apart without reading it whole, so that one broken entry spoils no other.
//!
//! Only brackets, strings and commas are looked at; every part is read properly by whoever
//! takes it. Configurations may hold comments and trailing commas: [`plain`] removes them.

use std::borrow::Cow;

/// The text without `//` and `/* */` comments and without commas before a closing bracket.
/// Strings stay untouched. Comments become blanks, so that positions stay.
pub(super) fn plain(text: &str) -> Cow<'_, str> {
    let mut out: Vec<u8> = text.as_bytes().to_vec();
    let mut comma: Option<usize> = None;
    let mut at = 0;
    let mut changed = false;
    while at < out.len() {
        match out[at] {
            b'"' => {
                at = string_end(&out, at);
                comma = None;
                continue;
            }
            b'/' if out.get(at + 1) == Some(&b'/') => {
                let end = find(&out, at, b"\n").unwrap_or(out.len());
                out[at..end].fill(b' ');
                changed = true;
                at = end;
                continue;
            }
            b'/' if out.get(at + 1) == Some(&b'*') => {
                let end = find(&out, at + 2, b"*/").map_or(out.len(), |end| end + 2);
                out[at..end].fill(b' ');
                changed = true;
                at = end;
                continue;
            }
            b',' => comma = Some(at),
            b'}' | b']' => {
                if let Some(comma) = comma.take() {
                    out[comma] = b' ';
                    changed = true;
                }
            }
            byte if byte.is_ascii_whitespace() => {}
            _ => comma = None,
        }
        at += 1;
    }
    if !changed {
        return Cow::Borrowed(text);
    }
    // Whole comments were replaced, so no character was cut.
    String::from_utf8(out).map_or(Cow::Borrowed(text), Cow::Owned)
}

fn find(bytes: &[u8], from: usize, what: &[u8]) -> Option<usize> {
    bytes
        .get(from..)?
        .windows(what.len())
        .position(|window| window == what)
        .map(|at| from + at)
}

/// The byte behind the string that begins here.
fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 1,
            // No JSON string holds a line feed: the quote was a stray one.
            b'"' | b'\n' => return at + 1,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

/// The elements of an array, trimmed; `None` if the text is no array. An array that does not
/// end gives what there is.
pub(super) fn elements(text: &str) -> Option<Vec<&str>> {
    parts(text, b'[')
}

/// The members of an object: name, and the value's text trimmed. `None` if the text is no
/// object. What is no member is left out.
pub(super) fn members(text: &str) -> Option<Vec<(String, &str)>> {
    let parts = parts(text, b'{')?;
    let members = parts.into_iter().filter_map(|part| {
        let end = string_end(part.as_bytes(), 0);
        let name: String = serde_json::from_str(part.get(..end)?).ok()?;
        let value = part.get(end..)?.trim_start().strip_prefix(':')?;
        Some((name, value.trim()))
    });
    Some(members.collect())
}

/// The object at the beginning of a text, up to its own closing bracket.
pub(super) fn object(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at = string_end(bytes, at);
                continue;
            }
            b'[' | b'{' => depth += 1,
            b']' | b'}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return text.get(..=at);
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// What stands between the commas of the outermost bracket.
fn parts(text: &str, open: u8) -> Option<Vec<&str>> {
    let text = text.trim();
    let bytes = text.as_bytes();
    if bytes.first() != Some(&open) {
        return None;
    }
    let mut parts = Vec::new();
    let mut depth = 1_usize;
    let mut start = 1;
    let mut at = 1;
    let mut end = text.len();
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at = string_end(bytes, at);
                continue;
            }
            b'[' | b'{' => depth += 1,
            b']' | b'}' => {
                depth -= 1;
                if depth == 0 {
                    end = at;
                    break;
                }
            }
            b',' if depth == 1 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    let last = text[start.min(end)..end].trim();
    if !last.is_empty() {
        parts.push(last);
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::{elements, members, plain};

    #[test]
    fn takes_objects_and_arrays_apart() {
        assert_eq!(
            elements(r#" [1, {"a":[2,3]}, "x,]", [], ] "#),
            Some(vec!["1", r#"{"a":[2,3]}"#, r#""x,]""#, "[]"])
        );
        assert_eq!(elements("[]"), Some(vec![]));
        assert_eq!(elements("{}"), None);
        assert_eq!(
            members(r#"{"a" : {"b":1}, "c\"": "}", "d":[1}"#),
            Some(vec![
                ("a".to_owned(), r#"{"b":1}"#),
                ("c\"".to_owned(), r#""}""#),
                ("d".to_owned(), "[1}"),
            ])
        );
    }

    #[test]
    fn what_does_not_end_gives_what_there_is() {
        assert_eq!(
            elements(r#"[{"a":1},{"b":"#),
            Some(vec![r#"{"a":1}"#, r#"{"b":"#])
        );
        assert_eq!(elements("["), Some(vec![]));
        assert_eq!(members("{"), Some(vec![]));
    }

    #[test]
    fn comments_and_trailing_commas_go() {
        let text = "{ // c \"\n \"a\": \"// no, }\", /* , \n é */ \"b\": [1, 2, /* x */ ], }";
        let plain = plain(text);
        assert_eq!(plain.len(), text.len());
        let value: serde_json::Value = serde_json::from_str(&plain).expect("is JSON");
        assert_eq!(value, serde_json::json!({"a": "// no, }", "b": [1, 2]}));
        assert_eq!(super::plain("[1]/"), "[1]/");
        assert_eq!(super::plain("/* open").trim(), "");
    }
}
