//! Secrets that are known by their shape: the closed list of the `hygiene-secrets` check,
//! and e-mail addresses.
//!
//! Each detector starts at a documented prefix, so an identifier or a hash cannot be taken for
//! a secret; what has a checksum is told apart from look-alikes by the field `sum`.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::marker::{self, Written};

/// A provider's token: marker kind, prefix, fewest and most characters behind it, and which.
#[derive(Clone, Copy)]
struct Shape {
    kind: &'static str,
    prefix: &'static str,
    least: usize,
    most: usize,
    accepts: fn(u8) -> bool,
    checksum: bool,
}

const fn shape(
    kind: &'static str,
    prefix: &'static str,
    least: usize,
    most: usize,
    accepts: fn(u8) -> bool,
) -> Shape {
    Shape {
        kind,
        prefix,
        least,
        most,
        accepts,
        checksum: false,
    }
}

const fn with_checksum(shape: Shape) -> Shape {
    Shape {
        checksum: true,
        ..shape
    }
}

fn base32(byte: u8) -> bool {
    byte.is_ascii_uppercase() || (b'2'..=b'7').contains(&byte)
}

fn alnum(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

fn word(byte: u8) -> bool {
    alnum(byte) || byte == b'_'
}

fn url_safe(byte: u8) -> bool {
    word(byte) || byte == b'-'
}

fn dotted(byte: u8) -> bool {
    url_safe(byte) || byte == b'.'
}

fn hex(byte: u8) -> bool {
    byte.is_ascii_hexdigit()
}

/// Kinds that only serve tests at their provider; `hygiene-secrets` warns of them.
pub const STRIPE_TEST_KEY: &str = "stripe-test-key";

/// No upper bound: providers lengthen their tokens.
const ANY: usize = usize::MAX;

const SHAPES: [Shape; 23] = [
    shape("aws-key", "AKIA", 16, 16, base32),
    shape("aws-key", "ASIA", 16, 16, base32),
    shape("google-key", "AIza", 35, 35, url_safe),
    shape("alibaba-key", "LTAI", 16, 24, alnum),
    with_checksum(shape("github-token", "ghp_", 36, ANY, word)),
    with_checksum(shape("github-token", "gho_", 36, ANY, word)),
    with_checksum(shape("github-token", "ghs_", 36, ANY, word)),
    shape("github-token", "github_pat_", 36, ANY, word),
    shape("gitlab-token", "glpat-", 20, ANY, dotted),
    shape("slack-token", "xoxb-", 20, ANY, url_safe),
    shape("slack-token", "xoxp-", 20, ANY, url_safe),
    shape("stripe-key", "sk_live_", 16, ANY, alnum),
    shape("stripe-key", "rk_live_", 16, ANY, alnum),
    shape(STRIPE_TEST_KEY, "sk_test_", 16, ANY, alnum),
    shape(STRIPE_TEST_KEY, "rk_test_", 16, ANY, alnum),
    shape("anthropic-key", "sk-ant-", 32, ANY, url_safe),
    shape("openai-key", "sk-proj-", 32, ANY, url_safe),
    with_checksum(shape("npm-token", "npm_", 36, 36, alnum)),
    shape("pypi-token", "pypi-", 85, ANY, url_safe),
    shape("sendgrid-key", "SG.", 60, ANY, dotted),
    shape("huggingface-token", "hf_", 34, 40, alnum),
    shape("shopify-token", "shpat_", 32, 32, hex),
    // The beginning that every token for the public Python index shares.
    shape("pypi-token", "pypi-AgEIcHlwaS5vcmc", 40, ANY, url_safe),
];

/// Blanks private keys, provider tokens and JSON Web Tokens. The values of `signed_metadata`
/// members stay: they are public statements (RFC 9728 section 2.2, RFC 8414 section 2.1).
pub(crate) fn redact(text: &str) -> Cow<'_, str> {
    replace(text, secret_at)
}

/// Blanks e-mail addresses.
pub(super) fn redact_emails(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut copied = 0;
    let mut from = 0;
    while let Some(found) = text[from..].find(['@', '\\', '%']) {
        let at = from + found;
        from = at + 1;
        let Some(sign) = ["@", "\\u0040", "%40"]
            .into_iter()
            .find(|sign| text[at..].starts_with(sign))
        else {
            continue;
        };
        if let Some((start, end)) = email_around(text, copied, at, at + sign.len()) {
            out.push_str(&text[copied..start]);
            out.push_str(&Written::new(marker::EMAIL).to_string());
            copied = end;
            from = end;
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[copied..]);
    Cow::Owned(out)
}

/// Extent of the address whose at sign stands at `sign..after`; nothing before `floor`.
fn email_around(text: &str, floor: usize, sign: usize, after: usize) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    let local = |byte: u8| alnum(byte) || b"._+-!#$&'*/=?^`{|}~".contains(&byte);
    // Slashes, quotes and the like are legal but never meant; they end the local part.
    let usual = |byte: u8| local(byte) && !b"/'=`&?#{|}*!".contains(&byte);
    let length = bytes[floor..sign]
        .iter()
        .rev()
        .take(64)
        .take_while(|byte| usual(**byte))
        .count();
    let mut start = sign - length;
    // `\n` before an address in a JSON string is a line feed, not a letter of the address.
    if start > floor && bytes[start - 1] == b'\\' {
        start += 1;
    }
    while start < sign && !alnum(bytes[start]) {
        start += 1;
    }
    let domain = bytes[after..]
        .iter()
        .take(255)
        .take_while(|byte| alnum(**byte) || matches!(byte, b'.' | b'-'))
        .count();
    let domain = text[after..after + domain].trim_end_matches(['.', '-']);
    let (rest, last) = domain.rsplit_once('.')?;
    let is_file = matches!(
        last.to_ascii_lowercase().as_str(),
        "png" | "jpg" | "jpeg" | "gif" | "svg" | "webp" | "js" | "css" | "json" | "html"
    );
    let legal = start < sign
        && !rest.is_empty()
        && rest.split('.').all(|label| !label.is_empty())
        && last.len() >= 2
        && last.bytes().all(|byte| byte.is_ascii_alphabetic())
        && !is_file;
    legal.then_some((start, after + domain.len()))
}

/// Replaces what `find` recognises at any position: it gives the length and the marker.
fn replace<'t>(
    text: &'t str,
    find: impl Fn(&'t str, usize) -> Option<(usize, String)>,
) -> Cow<'t, str> {
    let mut out = String::new();
    let mut copied = 0;
    let mut at = 0;
    while at < text.len() {
        if let Some((length, marker)) = find(text, at) {
            out.push_str(&text[copied..at]);
            out.push_str(&marker);
            at += length;
            copied = at;
        } else {
            at += 1;
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[copied..]);
    Cow::Owned(out)
}

fn secret_at(text: &str, at: usize) -> Option<(usize, String)> {
    let bytes = text.as_bytes();
    // First letters of all prefixes: the rest of the text is passed by quickly.
    if !b"ALgxsrnpShe-".contains(&bytes[at]) {
        return None;
    }
    let before = at.checked_sub(1).map(|before| bytes[before]);
    if bytes[at] == b'-' {
        return pem(&text[at..]);
    }
    // Behind a letter, an escape or a percent sign of two digits a word goes on.
    if before.is_some_and(|before| alnum(before) && !behind_escape(bytes, at)) {
        return None;
    }
    if bytes[at] == b'e' {
        if before.is_some_and(url_safe) && !behind_escape(bytes, at) {
            return None;
        }
        return jwt(text, at);
    }
    SHAPES.iter().find_map(|shape| token(&bytes[at..], shape))
}

/// `\n`, `%3D` and the like in front of a word are no part of it.
fn behind_escape(bytes: &[u8], at: usize) -> bool {
    (at >= 2 && bytes[at - 2] == b'\\' && b"nrt".contains(&bytes[at - 1]))
        || (at >= 3 && bytes[at - 3] == b'%' && hex(bytes[at - 2]) && hex(bytes[at - 1]))
}

fn token(bytes: &[u8], shape: &Shape) -> Option<(usize, String)> {
    let rest = bytes.strip_prefix(shape.prefix.as_bytes())?;
    let run = rest
        .iter()
        .take(shape.most.saturating_add(1))
        .take_while(|byte| (shape.accepts)(**byte))
        .count();
    let ends = rest.get(run).is_none_or(|byte| !alnum(*byte));
    let cut = run == rest.len() && run >= 8;
    if (run < shape.least && !cut) || run > shape.most || !ends {
        return None;
    }
    let length = shape.prefix.len() + run;
    let value = std::str::from_utf8(&bytes[..length]).ok()?;
    if run < shape.least {
        // Cut off where the text ends: perhaps one, so it goes, but it proves nothing.
        let marker = Written::new(marker::CREDENTIAL).len(value);
        return Some((length, marker.to_string()));
    }
    let mut written = Written::new(shape.kind)
        .field("head", &shape.prefix.get(..11).unwrap_or(shape.prefix))
        .len(value);
    if shape.checksum && run == 36 {
        let sum = if has_checksum(&rest[..36]) {
            "ok"
        } else {
            "bad"
        };
        written = written.field("sum", &sum);
    }
    if is_sample(&value[shape.prefix.len()..]) {
        written = written.field("sample", &"yes");
    }
    Some((length, written.to_string()))
}

/// 30 random characters and the CRC-32 of them in base 62, as GitHub and npm write it.
fn has_checksum(body: &[u8]) -> bool {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let (random, sum) = body.split_at(30);
    let mut crc = random.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 * (crc & 1))
        })
    }) ^ u32::MAX;
    sum.iter().rev().all(|digit| {
        let expected = DIGITS[(crc % 62) as usize];
        crc /= 62;
        *digit == expected
    })
}

/// Written for documentation: says so, or is made of a few characters only.
fn is_sample(body: &str) -> bool {
    let lower = body.to_ascii_lowercase();
    let mut seen = [false; 256];
    for byte in body.bytes() {
        seen[usize::from(byte)] = true;
    }
    let different = seen.iter().filter(|seen| **seen).count();
    different <= 5
        || [
            "example",
            "xxxx",
            "0000",
            "1234567890",
            "your",
            "abcdef",
            "placeholder",
            "sample",
        ]
        .iter()
        .any(|mark| lower.contains(mark))
}

/// A PEM private key, cut off or not.
fn pem(text: &str) -> Option<(usize, String)> {
    let label = text.strip_prefix("-----BEGIN ")?;
    let end = label.bytes().take(40).position(|byte| byte == b'-')?;
    if !label[..end].ends_with("PRIVATE KEY") || !label[end..].starts_with("-----") {
        return None;
    }
    let head = "-----BEGIN ".len() + end + 5;
    let encrypted = text[head..].trim_start_matches(['\\', 'r', 'n', '\r', '\n']);
    let encrypted = encrypted.starts_with("Proc-Type");
    let run = text[head..]
        .bytes()
        .take_while(|byte| {
            alnum(*byte) || b"+/=\\\t\r\n ".contains(byte) || (encrypted && b":,-".contains(byte))
        })
        .count();
    let run = match text[head..head + run].find("-----END ") {
        Some(foot) => foot,
        None => run,
    };
    let body = &text[head..head + run];
    let long = body.bytes().filter(|byte| alnum(*byte)).count() >= 64 && !body.contains("  ");
    let cut = head + run == text.len() && !body.trim().is_empty();
    if !long && !cut {
        // A sentence about keys, or a placeholder.
        return None;
    }
    let mut length = head + run;
    if let Some(label) = text[length..].strip_prefix("-----END ") {
        let end = label.bytes().take(40).position(|byte| byte == b'-');
        length += "-----END ".len() + end.unwrap_or_default();
        length += text[length..]
            .bytes()
            .take(5)
            .take_while(|byte| *byte == b'-')
            .count();
    }
    let marker = Written::new(marker::PRIVATE_KEY).len(&text[..length]);
    Some((length, marker.to_string()))
}

fn jwt(text: &str, at: usize) -> Option<(usize, String)> {
    let rest = &text[at..];
    let run = |from: usize| {
        rest[from..]
            .bytes()
            .take_while(|byte| url_safe(*byte))
            .count()
    };
    if !rest.starts_with("eyJ") {
        return None;
    }
    let first = run(0);
    let header = object(&rest[..first])?;
    if rest.as_bytes().get(first) != Some(&b'.') {
        return None;
    }
    let second = run(first + 1);
    let mut end = first + 1 + second;
    let payload = object(&rest[first + 1..end]);
    let mut parts = 2;
    while parts < 5 && rest.as_bytes().get(end) == Some(&b'.') {
        end += 1 + run(end + 1);
        parts += 1;
    }
    let cut = at + end == text.len();
    // Five parts are an encrypted token, whose second part is no JSON.
    if parts < 3 && !cut || (payload.is_none() && parts < 5 && !cut) || is_public(&text[..at]) {
        return None;
    }
    let exp = payload
        .as_ref()
        .and_then(|payload| payload.get("exp"))
        .and_then(|exp| exp.as_i64().or_else(|| exp.as_f64().map(|exp| exp as i64)));
    let mut written = Written::new(marker::JWT);
    written = match exp {
        Some(exp) => written.field("exp", &exp),
        None => written.field("exp", &"none"),
    };
    let alg = header
        .get("alg")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if (1..=10).contains(&alg.len()) && alg.bytes().all(|byte| alnum(byte) || byte == b'-') {
        written = written.field("alg", &alg);
    }
    Some((end, written.len(&rest[..end]).to_string()))
}

fn object(part: &str) -> Option<Map<String, Value>> {
    let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
    match serde_json::from_slice(&bytes).ok()? {
        Value::Object(object) => Some(object),
        _ => None,
    }
}

/// Whether this text ends where the value of a `signed_metadata` member begins.
fn is_public(before: &str) -> bool {
    let unquoted = |text: &str| {
        text.strip_suffix('"')
            .map(|text| text.trim_end_matches('\\').len())
    };
    let Some(end) = unquoted(before) else {
        return false;
    };
    before[..end]
        .trim_end()
        .strip_suffix(':')
        .map(str::trim_end)
        .and_then(|name| name.strip_suffix('"'))
        .is_some_and(|name| name.trim_end_matches('\\').ends_with("\"signed_metadata"))
}
