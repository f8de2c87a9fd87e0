//! Secrets in responses, known by the markers that blanking left in their place.
//!
//! The detectors themselves run at capture ([`crate::redact`]), because afterwards nobody has
//! the value; what is judged here is what they recognised.

use crate::check::{Cause, Fault, Judgement, Na, Place, Verdict, fail, inconclusive, na, warn};
use crate::evidence::Purpose;
use crate::facts::outcome::{Answer, is_html};
use crate::facts::{Facts, quote};
use crate::redact::marker::{self, Marker};
use crate::spec::Revision;

/// What a marker says of a value.
enum Found {
    Live(&'static str, String),
    Harmless(&'static str, String),
}

pub(super) fn secrets(facts: &Facts<'_>, _: Revision) -> Judgement {
    let mut bodies = false;
    let mut cut = false;
    let mut live: Option<Fault> = None;
    let mut harmless: Option<Fault> = None;
    for answer in facts.plain_answers() {
        // Members of key sets are judged by jwks-no-private-keys.
        if matches!(
            answer.exchange.purpose,
            Purpose::Jwks(_) | Purpose::PrmJwks | Purpose::CorsJwks
        ) {
            continue;
        }
        let Some(response) = answer.response().filter(|r| !r.body.base64) else {
            continue;
        };
        let text = response.body.text.as_str();
        bodies |= !text.is_empty();
        // Streams and pages are cut on purpose; of a document all has to be read.
        let stream = response.media_type().as_deref() == Some("text/event-stream");
        cut |= response.body.truncated && !stream && !is_html(response);
        for marker in marker::all(text) {
            let (slot, reason, said) = match read(facts, answer, text, &marker) {
                Some(Found::Live(reason, said)) => (&mut live, reason, said),
                Some(Found::Harmless(reason, said)) => (&mut harmless, reason, said),
                None => continue,
            };
            let place = Place::body(answer.exchange.id, "");
            *slot = Some(match slot.take() {
                Some(fault) => fault.and(place),
                None => Fault::new(reason, said, place),
            });
        }
    }
    match (live, harmless) {
        (Some(fault), _) => fail(fault),
        (None, Some(fault)) => warn(fault),
        (None, None) if cut => inconclusive(Cause::Truncated),
        (None, None) if bodies => Ok(Verdict::Pass),
        (None, None) => na(Na::Other("no_bodies")),
    }
}

fn read(facts: &Facts<'_>, answer: &Answer<'_>, text: &str, found: &Marker<'_>) -> Option<Found> {
    let length = found.number("len").unwrap_or_default();
    if found.kind == marker::MEMBER {
        let name = member_name(&text[..found.at.start]);
        let secret = matches!(name, "client_secret" | "registration_access_token");
        return (secret && length > 0).then(|| {
            Found::Live(
                "credential_member",
                format!("A response to anybody holds a `{name}` of {length} characters."),
            )
        });
    }
    if !found.by_detector() {
        return None;
    }
    match found.kind {
        marker::PRIVATE_KEY => Some(Found::Live(
            "private_key",
            format!("A response to anybody holds a private key of {length} characters."),
        )),
        marker::JWT => token(facts, answer, found),
        kind => provider_key(answer, found, kind, length),
    }
}

/// A token counts while it has not expired; one without an expiry is no detector's business.
fn token(facts: &Facts<'_>, answer: &Answer<'_>, found: &Marker<'_>) -> Option<Found> {
    let expires = found.number("exp")?;
    let now = facts.evidence.started.0.div_euclid(1000);
    if expires > now {
        return Some(Found::Live(
            "unexpired_token",
            "A response to anybody holds a JSON Web Token that has not expired.".into(),
        ));
    }
    // In the texts of a list an expired one is a sample.
    let documented = matches!(
        answer.exchange.purpose,
        Purpose::ModernList(_) | Purpose::LegacyList(_)
    );
    (!documented).then(|| {
        Found::Harmless(
            "expired_token",
            "A response to anybody holds a JSON Web Token that has expired.".into(),
        )
    })
}

fn provider_key(answer: &Answer<'_>, found: &Marker<'_>, kind: &str, length: i64) -> Option<Found> {
    if found.field("sample").is_some() || found.field("sum") == Some("bad") {
        return None;
    }
    // Pages for browsers carry such a key on purpose; it is limited by the page's host.
    let page = answer.response().is_some_and(is_html);
    if page && kind == "google-key" {
        return None;
    }
    let said = format!(
        "A response to anybody holds a {kind} of {length} characters that begins with {}.",
        quote(found.field("head").unwrap_or_default())
    );
    Some(if kind.ends_with("test-key") {
        Found::Harmless("test_key", said)
    } else {
        Found::Live("provider_key", said)
    })
}

/// The name of the member whose value begins where this text ends, in JSON or in JSON inside
/// of a JSON string.
fn member_name(before: &str) -> &str {
    let quotes = |c: char| c == '"' || c == '\\' || c.is_ascii_whitespace();
    let name = before
        .trim_end_matches(quotes)
        .trim_end_matches(':')
        .trim_end_matches(quotes);
    let start = name
        .rfind(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'))
        .map_or(0, |at| at + 1);
    name.get(start..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::member_name;

    #[test]
    fn names_of_members() {
        assert_eq!(
            member_name(r#"{"a":1,"client_secret" : ""#),
            "client_secret"
        );
        assert_eq!(
            member_name(r#"{"text":"{\"client_secret\":\""#),
            "client_secret"
        );
        assert_eq!(member_name("ä"), "");
        assert_eq!(member_name(""), "");
    }
}
