//! From what was sent and received to what evidence keeps: credentials are blanked here,
//! before anything is held longer than the exchange.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{ACCEPT, CONTENT_TYPE, FROM, HeaderMap, HeaderName, HeaderValue, USER_AGENT};

use super::settings::Caps;
use crate::evidence::{Body, Failure};
use crate::redact;

/// Request headers, names in lower case. Of those that the operator `added` only the length
/// stays.
pub(super) fn request_headers(headers: &HeaderMap, added: &[HeaderName]) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| {
            let value = line(value);
            let value = if added.contains(name) {
                redact::added(&value)
            } else if [ACCEPT, CONTENT_TYPE, FROM, USER_AGENT].contains(name) {
                // Our own words in every request.
                value
            } else {
                redact::request_header(name.as_str(), &value).into_owned()
            };
            (name.as_str().to_owned(), value)
        })
        .collect()
}

/// Response headers, names in lower case. `sessions` are the session ids that the scan got
/// before, `secrets` what a server might echo.
pub(super) fn response_headers(
    headers: &HeaderMap,
    sessions: &[&str],
    secrets: &[String],
) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| {
            let value = without(line(value), secrets);
            let value = redact::response_header(name.as_str(), &value, sessions).into_owned();
            (name.as_str().to_owned(), value)
        })
        .collect()
}

/// Blanks what is secret in a body, `secrets` wherever they stand.
pub(super) fn body(body: &mut Body, secrets: &[String]) {
    if body.base64 {
        if let Some(blanked) = STANDARD
            .decode(&body.text)
            .ok()
            .and_then(|bytes| redact::bytes(&bytes))
        {
            body.text = STANDARD.encode(blanked);
        }
        return;
    }
    body.text = without(std::mem::take(&mut body.text), secrets);
    if let Cow::Owned(text) = redact::body(&body.text) {
        body.text = text;
    }
}

/// Shorter values are no secrets, and would tear holes into words.
const SHORTEST_SECRET: usize = 6;

/// A value that a server may echo and the part of it that is secret on its own: what
/// follows the scheme of `Bearer abc`.
pub(super) fn secrets_of(value: &HeaderValue) -> impl Iterator<Item = String> {
    let value = line(value);
    let credential = value.split_whitespace().last().unwrap_or_default();
    let credential = (credential.len() < value.len()).then(|| credential.to_owned());
    [Some(value), credential]
        .into_iter()
        .flatten()
        .filter(|secret| secret.len() >= SHORTEST_SECRET)
}

fn without(mut text: String, secrets: &[String]) -> String {
    for secret in secrets {
        if text.contains(secret.as_str()) {
            text = text.replace(secret.as_str(), &redact::added(secret));
        }
    }
    text
}

/// `1.0`, `1.1` or `2`.
pub(super) fn version(version: reqwest::Version) -> &'static str {
    match version {
        reqwest::Version::HTTP_10 => "1.0",
        reqwest::Version::HTTP_2 => "2",
        _ => "1.1",
    }
}

/// Bytes that are no UTF-8 are read as Latin-1, as HTTP once had it.
fn line(value: &HeaderValue) -> String {
    match std::str::from_utf8(value.as_bytes()) {
        Ok(text) => text.to_owned(),
        Err(_) => value.as_bytes().iter().copied().map(char::from).collect(),
    }
}

/// Whether a response's head is within the limits.
pub(super) fn within_limits(headers: &HeaderMap, caps: &Caps) -> Result<(), Failure> {
    if headers.len() > caps.headers {
        return Err(Failure::Protocol(format!(
            "more than {} header lines",
            caps.headers
        )));
    }
    let bytes: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    if bytes > caps.header_bytes {
        return Err(Failure::Protocol(format!(
            "more than {} bytes of headers",
            caps.header_bytes
        )));
    }
    Ok(())
}
