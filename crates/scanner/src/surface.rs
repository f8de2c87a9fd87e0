//! Evidence without what changes on every answer: equal surfaces mean that nothing
//! observable changed between two scans (product section 10.5).
//!
//! Left out are times, peers, retries, caching and tracing headers, cookies and session
//! ids; our own random probe values become a constant; arrays that metadata documents
//! define as sets are sorted. What a check reads is never left out, so a report computed
//! from a surface differs from the original's in times and digests only.

use std::borrow::Cow;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::evidence::{
    Body, Claims, Consent, Depth, Evidence, Exchange, Obtained, Operations, Purpose, Response,
    Visit,
};
use crate::facts::sse;
use crate::time::Millis;

/// What our random characters become.
const NONCE: &str = "nonce0nonce0nonce0nonce0no";

/// Headers that change on every answer, or that say nothing about the server.
const VOLATILE: [&str; 36] = [
    "age",
    "alt-svc",
    "cf-cache-status",
    "cf-ray",
    "connection",
    "content-length",
    "date",
    "etag",
    "expires",
    "fly-request-id",
    "keep-alive",
    "last-modified",
    "nel",
    "priority",
    "ratelimit",
    "ratelimit-limit",
    "ratelimit-policy",
    "ratelimit-remaining",
    "ratelimit-reset",
    "report-to",
    "reporting-endpoints",
    "retry-after",
    "server-timing",
    "set-cookie",
    "traceparent",
    "tracestate",
    "transfer-encoding",
    "via",
    "x-amz-apigw-id",
    "x-amz-cf-id",
    "x-amz-cf-pop",
    "x-cache",
    "x-cache-hits",
    "x-envoy-upstream-service-time",
    "x-runtime",
    "x-served-by",
];

/// Whether a header (name in lower case) is left out of surfaces; no check may read such a one.
pub(crate) fn is_volatile(name: &str) -> bool {
    VOLATILE.contains(&name)
        || name.ends_with("request-id")
        || name.ends_with("requestid")
        || name.ends_with("trace-id")
        || name.ends_with("correlation-id")
        || name.starts_with("x-ratelimit-")
        || name.starts_with("x-b3-")
        || matches!(
            name,
            "x-vercel-id" | "x-timer" | "x-amzn-trace-id" | "x-cloud-trace-context"
        )
}

/// The evidence reduced to what could tell two servers apart.
#[must_use]
pub fn of(evidence: &Evidence) -> Evidence {
    let mut exchanges: Vec<Exchange> = Vec::with_capacity(evidence.exchanges.len());
    for (position, exchange) in evidence.exchanges.iter().enumerate() {
        let retried = evidence.exchanges[position + 1..].iter().any(|later| {
            later.attempt > exchange.attempt
                && later.purpose == exchange.purpose
                && later.follows == exchange.follows
                && later.asked.url == exchange.asked.url
        });
        if !retried {
            exchanges.push(reduce(exchange, &evidence.nonce));
        }
    }
    let new_id = renumber(&mut exchanges);
    Evidence {
        schema: evidence.schema,
        target: evidence.target.clone(),
        scanner: evidence.scanner.clone(),
        plan: evidence.plan,
        depth: evidence.depth,
        allow_private: evidence.allow_private,
        modified_request: evidence.modified_request,
        nonce: NONCE.into(),
        started: evidence.started,
        duration_ms: 0,
        exchanges,
        stopped: evidence.stopped,
        consent: evidence.consent.clone().map(|consent| Consent {
            recorded: Millis(0),
            ..consent
        }),
        own_host: evidence.own_host.clone(),
        visits: evidence.visits.iter().map(reduce_visit).collect(),
        supplied: evidence.supplied.clone(),
        operations: evidence.operations.clone(),
        obtained: evidence
            .obtained
            .iter()
            .filter_map(|obtained| {
                Some(Obtained {
                    exchange: new_id(obtained.exchange)?,
                    what: obtained.what,
                    // Times of a token are other ones each time.
                    claims: obtained.claims.clone().map(|claims| Claims {
                        exp: claims.exp.zip(claims.iat).map(|(exp, iat)| exp - iat),
                        iat: None,
                        ..claims
                    }),
                    same_as: obtained.same_as.and_then(&new_id),
                })
            })
            .collect(),
    }
}

/// The part of the evidence that a scan at depth standard could have seen: what may be shown to
/// everybody of a scan for which an owner allowed more.
#[must_use]
pub fn public_part(evidence: &Evidence) -> Evidence {
    let mut exchanges: Vec<Exchange> = evidence
        .exchanges
        .iter()
        .filter(|exchange| !exchange.purpose.is_deeper())
        .cloned()
        .collect();
    let _ = renumber(&mut exchanges);
    Evidence {
        depth: evidence.depth.min(Depth::Standard),
        exchanges,
        consent: None,
        own_host: None,
        visits: Vec::new(),
        supplied: Vec::new(),
        operations: Operations::default(),
        obtained: Vec::new(),
        ..evidence.clone()
    }
}

/// SHA-256 of the surface, hexadecimal: equal for two scans of one target that saw the same
/// under the same plan. The time of the scan and the program's version do not count.
#[must_use]
pub fn digest(evidence: &Evidence) -> String {
    let mut surface = of(evidence);
    surface.started = Millis(0);
    surface.scanner.clear();
    let bytes = surface.encode().unwrap_or_default();
    crate::grade::hex(&Sha256::digest(bytes))
}

/// Ids without gaps, in order; `follows` moved along. Answers with the new id of an old one.
fn renumber(exchanges: &mut [Exchange]) -> impl Fn(u32) -> Option<u32> + use<> {
    let old: Vec<u32> = exchanges.iter().map(|exchange| exchange.id).collect();
    let new_id = move |id: u32| {
        old.iter()
            .position(|known| *known == id)
            .and_then(|p| u32::try_from(p).ok())
    };
    for (position, exchange) in exchanges.iter_mut().enumerate() {
        exchange.id = u32::try_from(position).unwrap_or(u32::MAX);
        exchange.follows = exchange.follows.and_then(&new_id);
    }
    new_id
}

/// Who came for what; of the time only whether it was long.
fn reduce_visit(visit: &Visit) -> Visit {
    Visit {
        after_ms: 0,
        peer: None,
        bytes: None,
        took_ms: if visit.took_ms > Visit::PATIENCE_MS {
            Visit::PATIENCE_MS + 1
        } else {
            0
        },
        ..visit.clone()
    }
}

fn reduce(exchange: &Exchange, nonce: &str) -> Exchange {
    let mut out = exchange.clone();
    let ours = |text: &mut String| {
        if let Cow::Owned(replaced) = replace_nonce(text, nonce) {
            *text = replaced;
        }
    };
    out.attempt = 0;
    out.shared = None;
    out.after_ms = 0;
    out.took_ms = 0;
    ours(&mut out.asked.url);
    out.asked
        .headers
        .retain(|(name, _)| name != "user-agent" && name != "from");
    for (name, value) in &mut out.asked.headers {
        if name == "mcp-session-id" {
            *value = "[session]".into();
        } else {
            ours(value);
        }
    }
    if let Some(body) = &mut out.asked.body {
        ours(body);
    }
    if let Ok(response) = &mut out.got {
        reduce_response(response, exchange.purpose, nonce);
    }
    out
}

fn reduce_response(response: &mut Response, purpose: Purpose, nonce: &str) {
    response.peer = None;
    response.headers.retain(|(name, _)| !is_volatile(name));
    for (name, value) in &mut response.headers {
        if let Cow::Owned(replaced) = replace_nonce(value, nonce) {
            *value = replaced;
        }
        if name == "content-security-policy" {
            *value = without_csp_nonces(value);
        }
        if name == "mcp-session-id" {
            *value = stable_session(value);
        }
    }
    response.headers.sort_by(|(a, _), (b, _)| a.cmp(b));
    response.body = reduce_body(response, purpose, nonce);
}

fn reduce_body(response: &Response, purpose: Purpose, nonce: &str) -> Body {
    let body = &response.body;
    if body.base64 {
        return body.clone();
    }
    let event_stream = response.media_type().as_deref() == Some("text/event-stream");
    let text = replace_nonce(&body.text, nonce);
    let text = if event_stream {
        let stream = matches!(purpose, Purpose::EventStream | Purpose::SiblingStream);
        canonical_events(&text, stream)
    } else {
        match crate::facts::json::parse(&text) {
            // Duplicate members are facts that a value does not hold: kept as they stand.
            Ok(json) if json.duplicates.is_empty() && !json.bom && !json.value.is_string() => {
                let mut value = json.value;
                canonical(&mut value, None);
                value.to_string()
            }
            Ok(_) | Err(_) => text.into_owned(),
        }
    };
    Body {
        bytes: text.len() as u64,
        text,
        base64: false,
        truncated: body.truncated,
    }
}

/// Event names and data only: ids and keep-alives change. Of a stream that never ends the
/// number of events is chance, so only the first of each name is kept.
fn canonical_events(text: &str, endless: bool) -> String {
    let mut out = String::new();
    let mut seen: Vec<String> = Vec::new();
    for event in sse::events(text) {
        if endless {
            if seen.contains(&event.name) {
                continue;
            }
            seen.push(event.name.clone());
        }
        let mut data = without_session_query(&event.data);
        if let Ok(json) = crate::facts::json::parse(&data)
            && json.duplicates.is_empty()
        {
            let mut value = json.value;
            canonical(&mut value, None);
            data = value.to_string();
        }
        out.push_str(&format!("event: {}\n", event.name));
        for line in data.lines() {
            out.push_str(&format!("data: {line}\n"));
        }
        out.push('\n');
    }
    out
}

/// The message URL of the old transport carries a session id in its query.
fn without_session_query(data: &str) -> String {
    match data.split_once('?') {
        Some((path, query)) if !data.contains(char::is_whitespace) && !data.starts_with('{') => {
            let names: Vec<&str> = query
                .split('&')
                .map(|pair| pair.split('=').next().unwrap_or(pair))
                .collect();
            format!("{path}?{}=", names.join("=&"))
        }
        _ => data.to_owned(),
    }
}

/// Sorts what is a set by definition, and blanks request ids and timestamps in error bodies.
fn canonical(value: &mut Value, name: Option<&str>) {
    match value {
        Value::Object(members) => {
            members.sort_keys();
            for (name, member) in members.iter_mut() {
                if is_request_mark(name) && (member.is_string() || member.is_number()) {
                    *member = Value::String("[varies]".into());
                }
                canonical(member, Some(name));
            }
        }
        Value::Array(items) => {
            for item in items.iter_mut() {
                canonical(item, None);
            }
            if name.is_some_and(|name| name.ends_with("_supported")) {
                items.sort_by_key(Value::to_string);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => (),
    }
}

fn is_request_mark(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace(['_', '-'], "");
    matches!(
        name.as_str(),
        "requestid" | "traceid" | "correlationid" | "timestamp" | "eventid" | "errorid" | "rayid"
    )
}

fn replace_nonce<'t>(text: &'t str, nonce: &str) -> Cow<'t, str> {
    // Every probe value holds the nonce's beginning; most texts do not.
    let beginning = nonce.get(..4).unwrap_or(nonce);
    if nonce.is_empty() || !text.contains(beginning) {
        return Cow::Borrowed(text);
    }
    let mut out = text.replace(nonce, NONCE);
    // Shorter probe values are made of the nonce's beginning.
    if let Some(name) = nonce.get(..16) {
        out = out.replace(
            &format!("authdex-nonexistent-{name}"),
            "authdex-nonexistent-nonce0nonce0nonc",
        );
    }
    if let Some(id) = nonce.get(..4) {
        for message in ["x1", "x2", "x3", "x4", "x16"] {
            out = out.replace(
                &format!("\"{message}-{id}\""),
                &format!("\"{message}-nonc\""),
            );
        }
    }
    Cow::Owned(out)
}

/// A session id's marker without its hash, and with a short common prefix, which is chance,
/// as none.
fn stable_session(marker: &str) -> String {
    let kept = marker
        .trim_matches(|c| c == '[' || c == ']')
        .split(':')
        .filter(|part| !part.starts_with("sha256="))
        .map(|part| {
            match part
                .strip_prefix("shared=")
                .and_then(|n| n.parse::<u32>().ok())
            {
                Some(0..8) => "shared=0",
                Some(_) | None => part,
            }
        })
        .collect::<Vec<_>>()
        .join(":");
    if marker.starts_with('[') {
        format!("[{kept}]")
    } else {
        kept
    }
}

fn without_csp_nonces(policy: &str) -> String {
    policy
        .split(' ')
        .filter(|part| !part.trim_end_matches(';').starts_with("'nonce-"))
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::{digest, of};
    use crate::checks::testkit::World;
    use crate::grade::grade;
    use crate::rubric;

    #[test]
    fn chance_does_not_change_the_digest() {
        let a = World::compliant().scan();
        let mut world = World::compliant();
        world.edit(
            |_| true,
            |response| {
                response
                    .headers
                    .push(("date".into(), "Wed, 25 Nov 2026 10:00:00 GMT".into()));
                response.headers.push(("cf-ray".into(), "8f00-FRA".into()));
            },
        );
        let mut b = world.scan();
        b.started = b.started.plus(86_400_000);
        for exchange in &mut b.exchanges {
            exchange.took_ms += 7;
        }
        assert_eq!(digest(&a), digest(&b));
    }

    #[test]
    fn a_changed_document_changes_the_digest() {
        let a = World::compliant().scan();
        let mut world = World::compliant();
        world.asm(|asm| {
            asm.as_object_mut()
                .expect("an object")
                .remove("code_challenge_methods_supported");
        });
        assert_ne!(digest(&a), digest(&world.scan()));
    }

    #[test]
    fn sets_may_change_their_order() {
        let mut one = World::compliant();
        one.asm(|asm| asm["scopes_supported"] = serde_json::json!(["a", "b"]));
        let mut two = World::compliant();
        two.asm(|asm| asm["scopes_supported"] = serde_json::json!(["b", "a"]));
        assert_eq!(digest(&one.scan()), digest(&two.scan()));
    }

    #[test]
    fn the_surface_is_graded_like_the_original() {
        for world in [World::compliant(), World::open()] {
            let evidence = world.scan();
            let surface = of(&evidence);
            let a = grade(&evidence, rubric::current());
            let b = grade(&surface, rubric::current());
            assert_eq!(a.findings, b.findings);
            assert_eq!(a.grades, b.grades);
            assert_eq!(digest(&evidence), digest(&surface));
        }
    }
}
