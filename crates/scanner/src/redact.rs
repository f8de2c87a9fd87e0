//! What is blanked before anything is stored (catalogue section 0.8).
//!
//! Evidence is graded again years later, so a blanked value leaves a marker that keeps what a
//! check needs to know of it: its kind, its length, when a token expires, what a session id
//! is made of. See [`Marker`] for the grammar. Everything here is pure, never panics on any
//! text, takes time linear in its length, and changes nothing when applied a second time.
//!
//! Call [`response_header`], [`request_header`], [`url`] and [`body`] on what was sent and
//! received, before it is recorded.

pub mod marker;
pub mod members;
pub mod names;
pub mod results;
pub mod session;
pub mod shapes;

use std::borrow::Cow;

use marker::{Marker, Written};

/// The marked beginning of credentials that the scanner itself makes up.
pub const OWN_PREFIX: &str = "authdex-invalid-";

/// The marked beginning of the `state` of the scanner's own authorization requests. Such a
/// value stays whole: whether it came back unchanged is what is judged.
pub const OWN_STATE: &str = "authdex-state-";

/// The first marker in a text, for checks. [`Marker`] says what it may hold.
#[must_use]
pub fn marker(text: &str) -> Option<Marker<'_>> {
    marker::first(text)
}

/// All markers in a text, in order.
pub fn markers(text: &str) -> impl Iterator<Item = Marker<'_>> {
    marker::all(text)
}

/// Blanks what is secret in one response header. `name` in lower case. `sessions` are the
/// session ids that earlier responses of the same scan carried, unredacted and in order.
///
/// Cookie names and attributes stay, and so does everything that is not secret.
#[must_use]
pub fn response_header<'v>(name: &str, value: &'v str, sessions: &[&str]) -> Cow<'v, str> {
    match name {
        "set-cookie" => Cow::Owned(cookie(value)),
        "location" | "content-location" | "refresh" | "link" => text(value),
        _ if is_session_header(name) => session::marker(value, sessions),
        "authorization" | "proxy-authorization" | "cookie" => credentials(value),
        _ if names::is_secret_header(name) => whole(value),
        _ => text(value),
    }
}

/// Blanks what is secret in one request header. `name` in lower case. Of the scanner's own
/// invalid tokens the prefix stays.
#[must_use]
pub fn request_header<'v>(name: &str, value: &'v str) -> Cow<'v, str> {
    match name {
        "cookie" => whole(value),
        "authorization" | "proxy-authorization" => credentials(value),
        _ if is_session_header(name) => session::marker(value, &[]),
        _ if names::is_secret_header(name) => whole(value),
        _ => text(value),
    }
}

/// Blanks what is secret in a body: members and query parameters by name, then values by
/// shape, then e-mail addresses. Everything else keeps its place and its spelling, so that
/// JSON stays JSON and parse errors stay where they were.
#[must_use]
pub fn body(text: &str) -> Cow<'_, str> {
    chain(
        chain(
            chain(shapes::redact(text), members::redact),
            names::redact_queries,
        ),
        shapes::redact_emails,
    )
}

/// [`body`] for bytes that are no UTF-8: each byte is read as one Latin-1 character, so that
/// everything else keeps its place. `None` if nothing was blanked.
#[must_use]
pub fn bytes(bytes: &[u8]) -> Option<Vec<u8>> {
    let text: String = bytes.iter().copied().map(char::from).collect();
    match body(&text) {
        Cow::Borrowed(_) => None,
        // Whatever was put in is ASCII, so every character still is one byte.
        Cow::Owned(text) => text.chars().map(|c| u8::try_from(c).ok()).collect(),
    }
}

/// Blanks a header that the operator added: nothing but its length is kept.
#[must_use]
pub fn added(value: &str) -> String {
    if marker::is_one(value) {
        return value.to_owned();
    }
    Written::new(marker::CREDENTIAL).len(value).to_string()
}

/// Blanks the values of credential-like parameters in the query and the fragment of a URL
/// (authorization codes and states included), its user information, and tokens anywhere in
/// it. The result is still a URL if the text was one.
#[must_use]
pub fn url(text: &str) -> Cow<'_, str> {
    self::text(text)
}

/// What a header or a URL may hold besides its own kind of secret.
fn text(value: &str) -> Cow<'_, str> {
    chain(
        chain(shapes::redact(value), names::redact_queries),
        shapes::redact_emails,
    )
}

fn chain<'t>(first: Cow<'t, str>, then: impl Fn(&str) -> Cow<'_, str>) -> Cow<'t, str> {
    match first {
        Cow::Borrowed(text) => then(text),
        Cow::Owned(text) => match then(&text) {
            Cow::Borrowed(_) => Cow::Owned(text),
            Cow::Owned(changed) => Cow::Owned(changed),
        },
    }
}

fn is_session_header(name: &str) -> bool {
    matches!(name, "mcp-session-id" | "x-session-id" | "session-id")
}

/// A value of which only the length stays, unless it is a marker, empty, or a plain number
/// (rate limits count tokens, too).
fn whole(value: &str) -> Cow<'_, str> {
    let plain = value.len() <= 12 && value.bytes().all(|byte| byte.is_ascii_digit());
    if plain || marker::is_one(value) {
        return Cow::Borrowed(value);
    }
    Cow::Owned(Written::new(marker::CREDENTIAL).len(value).to_string())
}

/// `SCHEME CREDENTIALS`: the scheme stays, and of our own values the prefix.
fn credentials(value: &str) -> Cow<'_, str> {
    let (scheme, secret) = match value.split_once(' ') {
        Some((scheme, rest)) => (scheme, rest.trim()),
        // Alone it is a scheme without a token, or a token without a scheme.
        None if value.len() <= 10 && value.bytes().all(|byte| byte.is_ascii_alphabetic()) => {
            return Cow::Borrowed(value);
        }
        None => ("", value),
    };
    let (own, secret) = match secret.strip_prefix(OWN_PREFIX) {
        Some(rest) => (OWN_PREFIX, rest),
        None => ("", secret),
    };
    if secret.is_empty() || marker::is_one(secret) {
        return Cow::Borrowed(value);
    }
    let blank = if scheme.is_empty() { "" } else { " " };
    let marker = Written::new(marker::CREDENTIAL).len(secret);
    Cow::Owned(format!("{scheme}{blank}{own}{marker}"))
}

/// `name=value; attributes`: only the value goes.
fn cookie(line: &str) -> String {
    let (pair, attributes) = line
        .find(';')
        .map_or((line, ""), |semicolon| line.split_at(semicolon));
    let (name, value) = match pair.split_once('=') {
        Some((name, value)) if !marker::is_one(pair.trim()) => (Some(name), value),
        _ => (None, pair),
    };
    let trimmed = value.trim();
    let value = if trimmed.is_empty() || marker::is_one(trimmed) {
        value.to_owned()
    } else {
        Written::new(marker::COOKIE).len(trimmed).to_string()
    };
    match name {
        Some(name) => format!("{name}={value}{attributes}"),
        None => format!("{value}{attributes}"),
    }
}

#[cfg(test)]
mod tests;
