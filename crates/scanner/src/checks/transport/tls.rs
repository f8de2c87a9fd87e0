//! What was seen of https, of port 80 and of HSTS.

use url::{Host, Url};

use crate::check::{Cause, Fault, Judgement, Na, Place, Verdict, fail, inconclusive, na, warn};
use crate::evidence::{Failure, Purpose, Response};
use crate::facts::outcome::{Answer, Outcome};
use crate::facts::{Facts, outcome, quote, relation, settle};
use crate::spec::Revision;

/// The shortest `max-age` that passes: 180 days in seconds.
const HSTS_MIN: u64 = 15_552_000;

pub(super) fn https_endpoint(facts: &Facts<'_>, _: Revision) -> Judgement {
    let Ok(asked) = Url::parse(&facts.evidence.target.url) else {
        return inconclusive(Cause::NotCaptured);
    };
    if asked.scheme() == "http" {
        return http_endpoint(facts, &asked);
    }
    let served = facts.plain_answers().find(|answer| {
        answer.response().is_some_and(|r| r.tls.is_some())
            && Url::parse(&answer.exchange.asked.url)
                .is_ok_and(|url| relation::same_origin(&url, &asked))
    });
    let Some(served) = served else {
        return inconclusive(Cause::Network);
    };
    let listed_http = facts
        .evidence
        .target
        .listing
        .as_ref()
        .and_then(|listing| listing.raw_url.as_deref())
        .is_some_and(|raw| raw.to_ascii_lowercase().starts_with("http://"));
    if !listed_http {
        return Ok(Verdict::Pass);
    }
    let named_http = facts.any_prm().and_then(|candidate| {
        let document = candidate.prm()?;
        let resource = document.text("resource")?;
        resource
            .to_ascii_lowercase()
            .starts_with("http://")
            .then(|| document.place("resource"))
    });
    match named_http {
        Some(place) => fail(
            Fault::new(
                "names_http",
                "The endpoint is served over https, but its listing and its metadata both name http.",
                place,
            )
            .and(Place::new(served.exchange.id, "url")),
        ),
        None => warn(Fault::new(
            "listing_names_http",
            "The listing names http; the endpoint is served over https. The listing should be corrected.",
            Place::new(served.exchange.id, "url"),
        )),
    }
}

/// The endpoint was listed, and asked, with plain http.
fn http_endpoint(facts: &Facts<'_>, asked: &Url) -> Judgement {
    if facts.trusted_loopback(asked) {
        return na(Na::Loopback);
    }
    if asked.host().is_some_and(|host| !is_public(&host)) {
        return na(Na::Other("not_public"));
    }
    let first: Vec<&Answer<'_>> = [Purpose::Discover, Purpose::Initialize]
        .into_iter()
        .filter_map(|purpose| facts.all(purpose).next())
        .filter(|answer| answer.response().is_some())
        .collect();
    let Some(shown) = first.first() else {
        return inconclusive(Cause::Network);
    };
    let place = Place::status(shown.exchange.id);
    let upgraded = first.iter().all(|answer| {
        matches!(answer.status(), Some(301 | 308))
            && answer
                .location()
                .is_some_and(|to| crate::facts::upgrades(asked, &to))
    });
    if upgraded {
        warn(Fault::new(
            "listing_names_http",
            "The listed URL is http and only redirects to the same URL over https. The listing \
             should be corrected.",
            place,
        ))
    } else {
        fail(Fault::new(
            "plain_http",
            "The endpoint answers over plain http on a public address.",
            place,
        ))
    }
}

fn is_public(host: &Host<&str>) -> bool {
    matches!(
        relation::host_kind(host),
        relation::HostKind::Public | relation::HostKind::PublicAddress
    )
}

pub(super) fn plaintext_refused(facts: &Facts<'_>, _: Revision) -> Judgement {
    let endpoint = facts.endpoint();
    if endpoint.scheme() != "https" {
        return na(if facts.trusted_loopback(endpoint) {
            Na::Loopback
        } else {
            Na::Other("no_https_url")
        });
    }
    if endpoint.port().is_some() {
        return na(Na::Other("other_port"));
    }
    let Some(answer) = facts.answer(Purpose::Plaintext) else {
        return inconclusive(facts.never_asked());
    };
    let response = match &answer.exchange.got {
        Ok(response) => response,
        Err(Failure::Refused | Failure::Timeout(_) | Failure::Unreachable | Failure::Reset) => {
            return Ok(Verdict::Pass);
        }
        Err(Failure::Dns(_) | Failure::Blocked(_) | Failure::Tls(_) | Failure::Protocol(_)) => {
            return inconclusive(Cause::Network);
        }
    };
    let at = answer.exchange.id;
    if answer.outcome == Outcome::Block {
        settle(answer)?;
    }
    if answer.rpc.is_some() {
        return fail(Fault::new(
            "serves_mcp",
            format!(
                "Port 80 answers an MCP request with status {} and a JSON-RPC message.",
                response.status
            ),
            Place::body(at, ""),
        ));
    }
    if response.status == 401
        && answer
            .challenges
            .list
            .iter()
            .any(|challenge| challenge.takes_tokens())
    {
        return fail(Fault::new(
            "asks_for_token",
            "Port 80 answers 401 and asks for a bearer token, which would then travel unencrypted.",
            Place::header(at, "www-authenticate"),
        ));
    }
    without_mcp(answer, response)
}

/// Port 80 answered, and neither MCP nor a token challenge was in it.
fn without_mcp(answer: &Answer<'_>, response: &Response) -> Judgement {
    let to_https = outcome::location(answer.exchange).is_some_and(|to| to.scheme() == "https");
    let challenged = response.header("www-authenticate").is_some();
    match response.status {
        301 | 308 if to_https => Ok(Verdict::Pass),
        302 | 303 | 307 if to_https => warn(Fault::new(
            "not_permanent",
            format!(
                "Port 80 redirects to https with {}; 308 keeps the method and is permanent.",
                response.status
            ),
            Place::status(answer.exchange.id),
        )),
        400..=499 if !challenged => Ok(Verdict::Pass),
        200..=299 => inconclusive(Cause::Other("placeholder_page")),
        500..=599 => inconclusive(Cause::ServerFault),
        _ => inconclusive(Cause::Other("unclear_answer")),
    }
}

/// How a host stands with HSTS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hsts {
    Good,
    Absent,
    Repeated,
    Malformed,
    Disabled,
    Short(u64),
}

pub(super) fn hsts(facts: &Facts<'_>, _: Revision) -> Judgement {
    let mut asked: Vec<(String, Vec<&Answer<'_>>)> = Vec::new();
    let mut plain = false;
    let mut left_out = None;
    let subjects = facts.plain_answers().filter(|answer| {
        matches!(
            answer.exchange.purpose,
            Purpose::Discover | Purpose::Initialize | Purpose::AsMetadata(..)
        ) && settle(answer).is_ok()
    });
    for answer in subjects {
        let Ok(url) = Url::parse(&answer.exchange.asked.url) else {
            continue;
        };
        if url.scheme() != "https" {
            plain |= facts.trusted_loopback(&url);
            continue;
        }
        let Some(Host::Domain(name)) = url.host() else {
            left_out = Some("address_literal");
            continue;
        };
        match asked.iter_mut().find(|(host, _)| host == name) {
            Some((_, answers)) => answers.push(answer),
            None => asked.push((name.to_owned(), vec![answer])),
        }
    }
    let mut judged = false;
    let mut found: Option<Fault> = None;
    for (host, answers) in &asked {
        let state = hsts_of(answers);
        if state == Hsts::Absent && is_shared(host) {
            left_out = Some("shared_platform");
            continue;
        }
        judged = true;
        let Some((reason, said)) = hsts_words(state) else {
            continue;
        };
        let place = Place::header(
            answers.last().map_or(0, |answer| answer.exchange.id),
            "strict-transport-security",
        );
        found = Some(match found {
            Some(fault) => fault.and(place),
            None => Fault::new(reason, format!("{} {said}.", quote(host)), place),
        });
    }
    match (found, judged, left_out) {
        (Some(fault), ..) => warn(fault),
        (None, true, _) => Ok(Verdict::Pass),
        (None, false, Some(why)) => na(Na::Other(why)),
        (None, false, None) if plain => na(Na::Loopback),
        (None, false, None) => inconclusive(Cause::Network),
    }
}

fn hsts_words(state: Hsts) -> Option<(&'static str, String)> {
    Some(match state {
        Hsts::Good => return None,
        Hsts::Absent => ("absent", "sends no Strict-Transport-Security".into()),
        Hsts::Repeated => (
            "repeated",
            "sends Strict-Transport-Security more than once".into(),
        ),
        Hsts::Malformed => (
            "malformed",
            "sends Strict-Transport-Security without a max-age that can be read".into(),
        ),
        Hsts::Disabled => ("disabled", "switches HSTS off with max-age=0".into()),
        Hsts::Short(seconds) => (
            "short",
            format!("sends HSTS for {seconds} seconds, less than {HSTS_MIN}"),
        ),
    })
}

/// The state of a host is that of the last of its answers that carries the header.
fn hsts_of(answers: &[&Answer<'_>]) -> Hsts {
    let carrier = answers
        .iter()
        .rev()
        .filter_map(|answer| answer.response())
        .find(|response| response.header("strict-transport-security").is_some());
    let Some(response) = carrier else {
        return Hsts::Absent;
    };
    let mut values = response.headers_named("strict-transport-security");
    let (Some(value), None) = (values.next(), values.next()) else {
        return Hsts::Repeated;
    };
    let max_age = value.split(';').find_map(|directive| {
        let (name, value) = directive.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("max-age")
            .then(|| value.trim().trim_matches('"').parse::<u64>().ok())?
    });
    match max_age {
        None => Hsts::Malformed,
        Some(0) => Hsts::Disabled,
        Some(seconds) if seconds < HSTS_MIN => Hsts::Short(seconds),
        Some(_) => Hsts::Good,
    }
}

/// The host is a tenant of a platform: it stands below a suffix of the private section of the
/// public suffix list.
fn is_shared(host: &str) -> bool {
    psl::suffix(host.as_bytes()).is_some_and(|suffix| suffix.typ() == Some(psl::Type::Private))
}
