//! Session ids: blanked, but with what `session-id-quality` has to know of them.

use std::borrow::Cow;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::marker::{self, Written};

/// Largest distance between two ids that is told: ten seconds in microseconds.
const MAX_STEP: u128 = 10_000_000;

/// Blanks one session id. `before` are the ids that were seen earlier in the same scan, raw.
#[must_use]
pub fn marker<'v>(raw: &'v str, before: &[&str]) -> Cow<'v, str> {
    if raw.is_empty() || marker::is_one(raw) {
        return Cow::Borrowed(raw);
    }
    let mut written = Written::new(marker::SESSION)
        .len(raw)
        .field("alphabet", &alphabet(raw))
        .field("form", &form(raw));
    if !raw.bytes().all(|byte| (0x21..=0x7e).contains(&byte)) {
        written = written.field("visible", &"no");
    }
    written = written.field("sha256", &digest(raw));
    if let Some(shared) = before.iter().map(|other| shared(raw, other)).max() {
        written = written.field("shared", &shared);
    }
    if let Some(step) = before.iter().filter_map(|other| step(raw, other)).min() {
        written = written.field("step", &step);
    }
    Cow::Owned(written.to_string())
}

/// First 16 hexadecimal digits of the SHA-256.
fn digest(raw: &str) -> String {
    Sha256::digest(raw)
        .iter()
        .take(8)
        .fold(String::new(), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// Size of the smallest usual alphabet that holds every character; hyphens of a UUID do not
/// count.
fn alphabet(raw: &str) -> u32 {
    let uuid = uuid_version(raw).is_some();
    let bytes = || raw.bytes().filter(move |byte| !(uuid && *byte == b'-'));
    let lower = bytes().any(|byte| byte.is_ascii_lowercase());
    let upper = bytes().any(|byte| byte.is_ascii_uppercase());
    let all = |accepts: fn(u8) -> bool| bytes().all(accepts);
    if all(|byte| byte.is_ascii_digit()) {
        10
    } else if all(|byte| byte.is_ascii_hexdigit()) && !(lower && upper) {
        16
    } else if all(|byte| byte.is_ascii_alphanumeric()) {
        if lower && upper { 62 } else { 36 }
    } else if all(|byte| byte.is_ascii_alphanumeric() || b"-_+/=.".contains(&byte)) {
        if lower && upper { 64 } else { 36 }
    } else {
        94
    }
}

fn form(raw: &str) -> String {
    if let Some(version) = uuid_version(raw) {
        return format!("uuid{version}");
    }
    let word = if is_jwt(raw) {
        "jwt"
    } else if raw.bytes().all(|byte| byte.is_ascii_digit()) {
        "decimal"
    } else if raw.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        "hex"
    } else {
        "other"
    };
    word.to_owned()
}

/// RFC 9562: 36 characters, or 32 without hyphens whose variant bits fit.
fn uuid_version(raw: &str) -> Option<u8> {
    let bytes = raw.as_bytes();
    let hyphens = [8, 13, 18, 23];
    let (version, variant) = match bytes.len() {
        36 => {
            let legal = bytes.iter().enumerate().all(|(at, byte)| {
                if hyphens.contains(&at) {
                    *byte == b'-'
                } else {
                    byte.is_ascii_hexdigit()
                }
            });
            legal.then_some((bytes[14], bytes[19]))?
        }
        32 if bytes.iter().all(u8::is_ascii_hexdigit) => (bytes[12], bytes[16]),
        _ => return None,
    };
    let fits = matches!(variant.to_ascii_lowercase(), b'8' | b'9' | b'a' | b'b');
    match version {
        b'1'..=b'8' if fits => Some(version - b'0'),
        _ => None,
    }
}

/// Three parts of which the first two are JSON objects: anybody can read the claims.
fn is_jwt(raw: &str) -> bool {
    let mut parts = raw.split('.');
    let object = |part: Option<&str>| {
        part.and_then(|part| URL_SAFE_NO_PAD.decode(part).ok())
            .is_some_and(|bytes| bytes.first() == Some(&b'{'))
    };
    object(parts.next()) && object(parts.next()) && parts.next().is_some()
}

/// Characters that two ids have in common at their beginning.
fn shared(a: &str, b: &str) -> usize {
    a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count()
}

/// The distance of two ids of equal length or form whose differing ends are numbers, if it
/// is small. Counters and clocks in decimal or hexadecimal are found so.
fn step(a: &str, b: &str) -> Option<u128> {
    let numbers = |radix: u32, legal: fn(&char) -> bool| {
        let (a, b) = (tail(a, legal), tail(b, legal));
        let same_head = a.0 == b.0;
        // An end of more than 32 digits has more than 128 bits; its high part must agree.
        let (a, b) = trimmed(a.1, b.1);
        let a = u128::from_str_radix(a, radix).ok()?;
        let b = u128::from_str_radix(b, radix).ok()?;
        let step = a.abs_diff(b);
        (same_head && step <= MAX_STEP).then_some(step)
    };
    if a == b {
        return Some(0);
    }
    numbers(10, char::is_ascii_digit).or_else(|| numbers(16, char::is_ascii_hexdigit))
}

/// Splits before the digits at the end.
fn tail(text: &str, legal: fn(&char) -> bool) -> (&str, &str) {
    text.split_at(text.trim_end_matches(|c| legal(&c)).len())
}

/// Leaves out what two digit strings of equal length have in common at the beginning.
fn trimmed<'t>(a: &'t str, b: &'t str) -> (&'t str, &'t str) {
    let common = if a.len() == b.len() { shared(a, b) } else { 0 };
    (a.get(common..).unwrap_or(a), b.get(common..).unwrap_or(b))
}

#[cfg(test)]
mod tests {
    use super::marker;
    use crate::redact::marker::{Marker, first as read};

    fn fields(raw: &str, before: &[&str]) -> Vec<(String, String)> {
        let text = marker(raw, before).into_owned();
        assert!(!text.contains(raw));
        let marker: Marker<'_> = read(&text).expect("is a marker");
        ["len", "alphabet", "form", "visible", "shared", "step"]
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), marker.field(name)?.to_owned())))
            .collect()
    }

    fn pairs(fields: &[(String, String)]) -> Vec<(&str, &str)> {
        fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect()
    }

    #[test]
    fn keeps_what_the_quality_check_needs() {
        assert_eq!(
            pairs(&fields("6f1cbb42-5cfa-4c66-8e2b-0f8c8a3a2f10", &[])),
            [("len", "36"), ("alphabet", "16"), ("form", "uuid4")]
        );
        assert_eq!(
            pairs(&fields("1000000007", &["1000000005", "1000000001"])),
            [
                ("len", "10"),
                ("alphabet", "10"),
                ("form", "decimal"),
                ("shared", "9"),
                ("step", "2")
            ]
        );
        assert_eq!(
            pairs(&fields("sess-00ff", &["sess-0100"])),
            [
                ("len", "9"),
                ("alphabet", "36"),
                ("form", "other"),
                ("shared", "6"),
                ("step", "1")
            ]
        );
        assert_eq!(
            pairs(&fields("grüße mit\u{7}", &[])),
            [
                ("len", "10"),
                ("alphabet", "94"),
                ("form", "other"),
                ("visible", "no")
            ]
        );
    }

    #[test]
    fn equal_ids_are_told_by_hash_and_step() {
        let first = marker("abcDEF_123", &[]).into_owned();
        let second = marker("abcDEF_123", &["abcDEF_123"]).into_owned();
        let sha = |text: &str| {
            read(text)
                .and_then(|marker| marker.field("sha256").map(str::to_owned))
                .expect("has a hash")
        };
        assert_eq!(sha(&first), sha(&second));
        assert_eq!(
            read(&second).and_then(|marker| marker.number("step")),
            Some(0)
        );
    }

    #[test]
    fn random_ids_are_far_apart() {
        let first = "0f8fad5bd9cb469fa16570867728950e";
        let second = "7c9e6679742540de944be07fc1f90ae7";
        let fields = fields(second, &[first]);
        assert!(fields.iter().all(|(name, _)| name != "step"), "{fields:?}");
    }

    #[test]
    fn a_time_in_a_longer_id_is_found() {
        let fields = fields("mcp_1795144328123", &["mcp_1795144327100"]);
        assert!(fields.contains(&("step".to_owned(), "1023".to_owned())));
    }

    #[test]
    fn a_marker_and_nothing_stay() {
        let once = marker("abc", &[]).into_owned();
        assert_eq!(marker(&once, &["abc"]), once);
        assert_eq!(marker("", &[]), "");
    }
}
