//! The marks that blanked values leave behind, and how they are read.

use std::fmt;
use std::ops::Range;

/// A JSON member or query parameter that is secret by its name.
pub const MEMBER: &str = "member";
/// A credential of a header or a query.
pub const CREDENTIAL: &str = "credential";
/// The value of a cookie.
pub const COOKIE: &str = "cookie";
/// A session id.
pub const SESSION: &str = "session";
/// User information of a URL.
pub const USERINFO: &str = "userinfo";
/// An e-mail address. Has no fields.
pub const EMAIL: &str = "email";
/// A JSON Web Token. `exp` is the claim in seconds since the epoch or `none`; `alg` is the
/// header's algorithm.
pub const JWT: &str = "jwt";
/// A PEM private key.
pub const PRIVATE_KEY: &str = "private-key";

const OPEN: &str = "[redacted:";

/// Longest text of a marker.
const MAX_LEN: usize = 240;

/// A field's name, and which values it may have.
type Field = (&'static str, fn(&str) -> bool);

/// The fields that markers have, and what their values look like.
const FIELDS: [Field; 12] = [
    ("len", is_number),
    ("exp", |value| {
        value == "none" || is_number(value.strip_prefix('-').unwrap_or(value))
    }),
    ("alg", is_word),
    ("head", is_head),
    ("sum", |value| matches!(value, "ok" | "bad")),
    ("sample", |value| value == "yes"),
    ("alphabet", is_number),
    ("form", is_word),
    ("visible", |value| value == "no"),
    ("sha256", |value| {
        value.len() == 16 && value.bytes().all(|b| b.is_ascii_hexdigit())
    }),
    ("shared", is_number),
    ("step", is_number),
];

fn is_number(value: &str) -> bool {
    (1..=20).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_word(value: &str) -> bool {
    (1..=10).contains(&value.len())
        && value
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// A documented prefix of a token; it is the same for everybody.
fn is_head(value: &str) -> bool {
    (1..=11).contains(&value.len())
        && value
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

/// A marker found in a text.
///
/// Grammar: `[redacted:KIND` then any number of `:NAME=VALUE`, then `]`. `KIND` is of
/// `a`–`z`, digits and `-`. Every name stands at most once. Fields:
///
/// | name | of | meaning |
/// |---|---|---|
/// | `len` | all but `email` | characters that were blanked |
/// | `exp` | `jwt` | expiry in seconds since the epoch, or `none` |
/// | `alg` | `jwt` | algorithm of the header, if it is a short word |
/// | `head` | provider tokens | their documented prefix |
/// | `sum` | provider tokens with a checksum | `ok` or `bad` |
/// | `sample` | provider tokens | `yes`: made for documentation |
/// | `alphabet` | `session` | characters of its alphabet class: 10, 16, 36, 62, 64 or 94 |
/// | `form` | `session` | `uuid1`…`uuid8`, `jwt`, `decimal`, `hex` or `other` |
/// | `visible` | `session` | `no`: holds characters outside of 0x21–0x7E |
/// | `sha256` | `session` | first 16 hexadecimal digits of its hash |
/// | `shared` | `session` | longest prefix in common with an earlier id of the scan |
/// | `step` | `session` | distance to an earlier id as a number, if at most 10,000,000 |
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker<'t> {
    /// What was blanked.
    pub kind: &'t str,
    /// Bytes of the text that the marker takes.
    pub at: Range<usize>,
    fields: Vec<(&'t str, &'t str)>,
}

impl<'t> Marker<'t> {
    /// The value of a field.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&'t str> {
        self.fields
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| *value)
    }

    /// The value of a numeric field.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<i64> {
        self.field(name)?.parse().ok()
    }

    /// Whether one of the closed list of secret detectors left it (catalogue,
    /// `hygiene-secrets`, items 1 to 4): a cloud or provider key, a private key, or a JWT.
    #[must_use]
    pub fn by_detector(&self) -> bool {
        matches!(self.kind, JWT | PRIVATE_KEY) || self.field("head").is_some()
    }

    fn read(text: &'t str, start: usize) -> Option<Self> {
        let rest = text.get(start..)?.strip_prefix(OPEN)?;
        let end = rest.bytes().take(MAX_LEN).position(|byte| byte == b']')?;
        let mut parts = rest[..end].split(':');
        let kind = parts.next()?;
        let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if !(1..=32).contains(&kind.len()) || !kind.bytes().all(legal) {
            return None;
        }
        let mut fields: Vec<(&str, &str)> = Vec::new();
        for part in parts {
            let (name, value) = part.split_once('=')?;
            let (_, accepts) = FIELDS.iter().find(|(known, _)| *known == name)?;
            if !accepts(value) || fields.iter().any(|(known, _)| *known == name) {
                return None;
            }
            fields.push((name, value));
        }
        Some(Self {
            kind,
            at: start..start + OPEN.len() + end + 1,
            fields,
        })
    }
}

/// The first marker in a text.
#[must_use]
pub fn first(text: &str) -> Option<Marker<'_>> {
    all(text).next()
}

/// All markers in a text, in order.
pub fn all(text: &str) -> impl Iterator<Item = Marker<'_>> {
    text.match_indices(OPEN)
        .filter_map(|(start, _)| Marker::read(text, start))
}

/// Whether a text is one marker and nothing else.
#[must_use]
pub fn is_one(text: &str) -> bool {
    Marker::read(text, 0).is_some_and(|marker| marker.at.end == text.len())
}

/// A marker in the making.
#[derive(Debug)]
pub(super) struct Written(String);

impl Written {
    pub(super) fn new(kind: &str) -> Self {
        Self(format!("{OPEN}{kind}"))
    }

    pub(super) fn field(mut self, name: &str, value: &dyn fmt::Display) -> Self {
        use fmt::Write as _;
        // Writing to a string cannot fail.
        let _ = write!(self.0, ":{name}={value}");
        self
    }

    pub(super) fn len(self, blanked: &str) -> Self {
        self.field("len", &blanked.chars().count())
    }
}

impl fmt::Display for Written {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}]", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Written, all, first, is_one};

    #[test]
    fn reads_what_was_written() {
        let text = format!(
            "a {} b [redacted:email]",
            Written::new("jwt").field("exp", &-1).len("grüße")
        );
        let read: Vec<_> = all(&text).collect();
        assert_eq!(read.len(), 2);
        assert_eq!(read[0].kind, "jwt");
        assert_eq!(read[0].number("exp"), Some(-1));
        assert_eq!(read[0].number("len"), Some(5));
        assert_eq!(&text[read[0].at.clone()], "[redacted:jwt:exp=-1:len=5]");
        assert!(read[0].by_detector());
        assert!(!read[1].by_detector());
        assert!(is_one("[redacted:email]"));
    }

    #[test]
    fn a_value_cannot_hide_in_a_false_marker() {
        for text in [
            "[redacted:]",
            "[redacted:member",
            "[redacted:Member]",
            "[redacted:member:len=hunter2]",
            "[redacted:member:value=1]",
            "[redacted:member:len=1:len=2]",
            "[redacted:member:len=123456789012345678901]",
            "[redacted:a-name-that-is-longer-than-any-kind]",
        ] {
            assert_eq!(first(text), None, "{text}");
        }
        assert!(!is_one("[redacted:email]x"));
    }
}
