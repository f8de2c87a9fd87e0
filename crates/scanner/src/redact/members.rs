//! JSON members that are secret by their name, blanked in place.
//!
//! Works on the text, not on a parsed value: bodies may be cut off, may be event streams, and
//! may hold JSON inside of JSON strings. Every quote of the text is tried as the beginning of
//! a member, so no unbalanced quote before it can hide one.

use std::borrow::Cow;

use super::marker::{self, Written};
use super::names::{self, Secrecy};

/// Longest member name that is looked at.
const MAX_NAME: usize = 64;

/// Blanks the values of secret members.
pub(super) fn redact(text: &str) -> Cow<'_, str> {
    let in_key = text.contains("\"kty") || text.contains("kty\\");
    let mut out = String::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some(found) = text[at..].find('"') {
        let quote = at + found;
        at = quote + 1;
        let (secrets, resume) = member(text, quote, in_key);
        for (start, end, marker) in secrets {
            out.push_str(&text[copied..start]);
            out.push_str(&marker);
            copied = end;
        }
        at = at.max(resume).max(copied);
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[copied..]);
    Cow::Owned(out)
}

/// Start, end, and what replaces the bytes between them.
type Secret = (usize, usize, String);

/// The secret values of the member whose name begins at `quote`, in order, and where to go on
/// reading (0: behind the quote).
fn member(text: &str, quote: usize, in_key: bool) -> (Vec<Secret>, usize) {
    let nothing = (Vec::new(), 0);
    let level = backslashes(text, quote);
    if !matches!(level, 0 | 1 | 3 | 7) {
        return nothing;
    }
    let Ok(name_end) = string_end(text, quote + 1, level, MAX_NAME) else {
        return nothing;
    };
    let name = text[quote + 1..name_end].trim_end_matches('\\');
    let secrecy = names::secrecy(&unescaped(name));
    if secrecy == Secrecy::Never {
        return nothing;
    }
    let Some(value) = value_start(text, name_end + 1) else {
        return nothing;
    };
    let rest = &text.as_bytes()[value..];
    let ahead = rest.iter().take_while(|byte| **byte == b'\\').count();
    match rest.get(ahead) {
        Some(b'"') if ahead == level => {
            let secret = string(text, value + ahead + 1, level, secrecy, in_key);
            (secret.into_iter().collect(), 0)
        }
        Some(b'[') if secrecy != Secrecy::InKey => (strings(text, value, level, secrecy), 0),
        Some(b'[') if in_key => {
            let end = array_end(text, value, level);
            let quote = format!("{}\"", "\\".repeat(level));
            let written = Written::new(marker::MEMBER).len(&text[value..end]);
            // Still an array, and the same when it is read again.
            let inner = text[value..end].trim_start_matches('[');
            let inner = inner.strip_suffix(']').unwrap_or(inner);
            if marker::is_one(inner.trim_matches(['"', '\\'])) || inner.trim().is_empty() {
                return (Vec::new(), end);
            }
            (
                vec![(value, end, format!("[{quote}{written}{quote}]"))],
                end,
            )
        }
        Some(b'0'..=b'9' | b'-') if secrecy == Secrecy::Always => {
            let length = rest
                .iter()
                .take_while(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte))
                .count();
            let written = Written::new(marker::MEMBER).len(&text[value..value + length]);
            let quote = format!("{}\"", "\\".repeat(level));
            let secret = (value, value + length, format!("{quote}{written}{quote}"));
            (vec![secret], 0)
        }
        _ => nothing,
    }
}

/// One string value that begins at `start`, behind its quote.
fn string(
    text: &str,
    start: usize,
    level: usize,
    secrecy: Secrecy,
    in_key: bool,
) -> Option<Secret> {
    // A value that is cut off reaches to the end of the text or of its line.
    let (Ok(end) | Err(end)) = string_end(text, start, level, usize::MAX);
    let value = text[start..end].trim_end_matches('\\');
    let end = start + value.len();
    let secret = match secrecy {
        Secrecy::Always => true,
        Secrecy::UnlessWord => !names::is_word(value),
        Secrecy::InKey => {
            let random = value
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_+/=".contains(&byte));
            in_key || (random && value.len() >= 40)
        }
        Secrecy::Never => false,
    };
    if !secret || value.is_empty() || marker::is_one(value) || is_bare_scheme(value) {
        return None;
    }
    let written = Written::new(marker::MEMBER).len(value).to_string();
    Some((start, end, written))
}

/// `Bearer [redacted:…]` has been dealt with.
fn is_bare_scheme(value: &str) -> bool {
    value.split_once(' ').is_some_and(|(scheme, rest)| {
        scheme.len() <= 10
            && scheme.bytes().all(|byte| byte.is_ascii_alphabetic())
            && marker::is_one(rest)
    })
}

/// The strings at the beginning of an array, up to its first nested value.
fn strings(text: &str, start: usize, level: usize, secrecy: Secrecy) -> Vec<Secret> {
    let mut found = Vec::new();
    let mut at = start + 1;
    while let Some(byte) = text.as_bytes().get(at) {
        match byte {
            b'[' | b'{' | b']' | b'}' | b':' | b'\n' => break,
            // A quote of another level ends the text around the array.
            b'"' if backslashes(text, at) != level => break,
            b'"' => {
                let (Ok(end) | Err(end)) = string_end(text, at + 1, level, usize::MAX);
                found.extend(string(text, at + 1, level, secrecy, false));
                at = end;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// The byte behind an array's closing bracket, or the end of the text.
fn array_end(text: &str, start: usize, level: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = start;
    while let Some(byte) = text.as_bytes().get(at) {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            b'"' if backslashes(text, at) != level => return at - backslashes(text, at),
            b'"' => {
                let (Ok(end) | Err(end)) = string_end(text, at + 1, level, usize::MAX);
                at = end;
            }
            _ => {}
        }
        at += 1;
    }
    text.len()
}

/// Backslashes that stand directly before this byte.
fn backslashes(text: &str, at: usize) -> usize {
    text.as_bytes()[..at]
        .iter()
        .rev()
        .take(8)
        .take_while(|byte| **byte == b'\\')
        .count()
}

/// The quote that ends a string of this level (backslashes before its delimiters), within so
/// many bytes. Otherwise where the search ended: no JSON string holds a line feed.
fn string_end(text: &str, start: usize, level: usize, within: usize) -> Result<usize, usize> {
    let mut run = 0_usize;
    let start = start.min(text.len());
    for (offset, byte) in text.as_bytes()[start..].iter().enumerate().take(within) {
        match byte {
            b'\\' => run += 1,
            // At level 0 an odd run escapes the quote; at level 1 three of four do; and so on.
            b'"' if run % (2 * (level + 1)) != 2 * level + 1 => return Ok(start + offset),
            b'\n' => return Err(start + offset),
            _ => run = 0,
        }
    }
    Err(text.len())
}

/// Where the value begins behind a member's name, if a colon follows.
fn value_start(text: &str, after_name: usize) -> Option<usize> {
    let rest = text.get(after_name..)?;
    let blank = |text: &str| text.len() - text.trim_start_matches([' ', '\t', '\r', '\n']).len();
    let colon = blank(rest);
    let rest = rest[colon..].strip_prefix(':')?;
    Some(after_name + colon + 1 + blank(rest))
}

/// A name with its `\uXXXX` escapes read.
fn unescaped(name: &str) -> Cow<'_, str> {
    if !name.contains('\\') {
        return Cow::Borrowed(name);
    }
    let collapsed = name.replace("\\\\", "\\");
    let quoted = format!("\"{collapsed}\"");
    serde_json::from_str::<String>(&quoted).map_or(Cow::Borrowed(name), Cow::Owned)
}
