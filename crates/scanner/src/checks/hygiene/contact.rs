//! security.txt (RFC 9116).

use crate::check::{Cause, Fault, Judgement, Na, Place, Verdict, inconclusive, na, warn};
use crate::evidence::Purpose;
use crate::facts::outcome::{Answer, Outcome};
use crate::facts::{Facts, outcome, quote, settle};
use crate::spec::Revision;
use crate::time::Millis;

pub(super) fn security_txt(facts: &Facts<'_>, _: Revision) -> Judgement {
    let answer = facts.settled(Purpose::SecurityTxt)?;
    if matches!(answer.outcome, Outcome::Redirect) {
        return inconclusive(Cause::Other("redirected_elsewhere"));
    }
    if let Some(text) = file(answer) {
        return judge_file(facts, answer, text);
    }
    match facts.answer(Purpose::SecurityTxtLegacy) {
        Some(legacy) if file(settle(legacy)?).is_some() => warn(Fault::new(
            "legacy_path",
            "security.txt stands at the root of the host only, not below /.well-known/.",
            Place::new(legacy.exchange.id, "url"),
        )),
        _ => na(Na::AbsentByChoice),
    }
}

/// The text of a file that means to be a security.txt: 200, no HTML page, and a field.
fn file<'e>(answer: &Answer<'e>) -> Option<&'e str> {
    let response = answer.response()?;
    let text = response.body.text.as_str();
    let fields = ["contact", "expires", "policy", "encryption", "canonical"];
    (response.status == 200
        && !outcome::is_html(response)
        && fields
            .into_iter()
            .any(|name| values(text, name).next().is_some()))
    .then_some(text)
}

/// Values of a field, whose name counts in any case.
fn values<'t>(text: &'t str, name: &'t str) -> impl Iterator<Item = &'t str> {
    text.lines().filter_map(move |line| {
        let (key, value) = line.split_once(':')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn judge_file(facts: &Facts<'_>, answer: &Answer<'_>, text: &str) -> Judgement {
    let id = answer.exchange.id;
    let body = || Place::body(id, "");
    if values(text, "contact").next().is_none() {
        return warn(Fault::new(
            "no_contact",
            "security.txt names no Contact.",
            body(),
        ));
    }
    let mut expires = values(text, "expires");
    let (Some(written), None) = (expires.next(), expires.next()) else {
        return warn(Fault::new(
            "no_expires",
            "security.txt does not say exactly once when it Expires.",
            body(),
        ));
    };
    let Some(end) = Millis::parse_rfc3339(written) else {
        return warn(Fault::new(
            "no_expires",
            format!(
                "security.txt expires at {}, which is no date of RFC 3339.",
                quote(written)
            ),
            body(),
        ));
    };
    if end <= facts.evidence.started {
        return warn(Fault::new(
            "expired",
            format!("security.txt expired on {}.", end.rfc3339()),
            body(),
        ));
    }
    let media = answer.response().and_then(|response| response.media_type());
    if media.as_deref() != Some("text/plain") {
        return warn(Fault::new(
            "media_type",
            format!(
                "security.txt is served as {} instead of text/plain.",
                media.map_or_else(|| "no media type".to_owned(), |media| quote(&media))
            ),
            Place::header(id, "content-type"),
        ));
    }
    Ok(Verdict::Pass)
}
