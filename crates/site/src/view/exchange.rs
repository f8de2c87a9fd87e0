//! An exchange as readers see it: request, answer, and a command line that asks again.

use scanner::evidence::{
    Evidence, Exchange, Failure, Hello, Offer, Purpose, Response, TlsSeen, version_name,
};

use super::text::shell_word;
use super::{Shown, time};

/// Most bytes of a body that a page shows.
const EXCERPT: usize = 4096;
/// Most bytes of all bodies that one page shows; later ones are shorter.
const PAGE: usize = 96 * 1024;
/// What a body still shows when the page is full.
const SHORT: usize = 400;

/// One exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Number.
    pub id: u32,
    /// Why it was asked.
    pub purpose: String,
    /// Method.
    pub method: String,
    /// Address.
    pub url: Shown,
    /// `200`, `401`, or the failure's word.
    pub outcome: String,
    /// Class of the style sheet for the outcome: `ok`, `asks`, `bad`, `none`.
    pub tone: &'static str,
    /// Since the start of the scan.
    pub after: String,
    /// Until the answer was read.
    pub took: String,
    /// Which try, when it is not the first.
    pub attempt: Option<u8>,
    /// The exchange whose redirect it follows.
    pub follows: Option<u32>,
    /// The answer comes from the shared cache of authorization-server documents.
    pub shared: Option<String>,
    /// Request line and headers.
    pub request: Shown,
    /// Body of the request.
    pub request_body: Shown,
    /// Status line and headers, or what went wrong.
    pub response: Shown,
    /// Body of the answer.
    pub response_body: Shown,
    /// What the body is: `application/json, 312 bytes`, and whether it is cut.
    pub body_note: String,
    /// TLS in one line.
    pub tls: Option<Shown>,
    /// Asks the same again.
    pub curl: Shown,
}

/// All exchanges of a scan, in order.
#[must_use]
pub fn all(evidence: &Evidence) -> Vec<View> {
    let mut room = PAGE;
    evidence
        .exchanges
        .iter()
        .map(|exchange| {
            let max = if room > EXCERPT { EXCERPT } else { SHORT };
            let view = view(exchange, max);
            room = room.saturating_sub(view.response_body.as_str().len());
            view
        })
        .collect()
}

/// Somebody who came to our own host because of the scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Came {
    /// What was asked for.
    pub what: Shown,
    /// Method.
    pub method: Shown,
    /// Since the start of the scan.
    pub after: String,
    /// How long the visitor stayed.
    pub took: String,
    /// What the visitor calls itself.
    pub agent: Shown,
}

/// Everybody who came, in order; at most 100.
#[must_use]
pub fn came(evidence: &Evidence) -> Vec<Came> {
    let visits = evidence.visits.iter().take(100);
    visits
        .map(|visit| Came {
            what: Shown::bounded(&worded(&visit.what), 80),
            method: Shown::bounded(&visit.method, 20),
            after: time::brief(visit.after_ms),
            took: time::brief(visit.took_ms),
            agent: Shown::bounded(visit.user_agent.as_deref().unwrap_or("no name"), 120),
        })
        .collect()
}

fn view(exchange: &Exchange, max: usize) -> View {
    let asked = &exchange.asked;
    let path = url::Url::parse(&asked.url).map_or_else(
        |_| asked.url.clone(),
        |url| url[url::Position::BeforePath..url::Position::AfterQuery].to_owned(),
    );
    let mut request = format!("{} {path}\n", asked.method);
    headers(&mut request, &asked.headers);
    let (outcome, tone, response, body, note, tls) = answer(exchange, max);
    View {
        id: exchange.id,
        purpose: purpose(exchange.purpose),
        method: asked.method.clone(),
        url: Shown::new(&asked.url),
        outcome,
        tone,
        after: time::brief(exchange.after_ms),
        took: time::brief(exchange.took_ms),
        attempt: (exchange.attempt > 0).then_some(exchange.attempt + 1),
        follows: exchange.follows,
        shared: exchange.shared.map(|at| at.rfc3339()),
        request: Shown::block(request.trim_end(), 8 * 1024),
        request_body: Shown::block(asked.body.as_deref().unwrap_or_default(), max),
        response: Shown::block(response.trim_end(), 16 * 1024),
        response_body: body,
        body_note: note,
        tls,
        curl: Shown::bounded(&curl(exchange), 8 * 1024),
    }
}

/// Why it was asked, in words.
fn purpose(purpose: Purpose) -> String {
    worded(&purpose.name())
}

/// The name of a purpose in words.
fn worded(name: &str) -> String {
    let name = name.replace('_', " ");
    let swaps = [
        ("prm jwks", "resource key set"),
        ("prm ", "resource metadata, "),
        ("as metadata 0 ", "AS metadata, "),
        ("as metadata ", "AS metadata "),
        ("jwks 0", "key set"),
        ("jwks ", "key set "),
        ("register ", "registration, "),
        ("unregister ", "removal of a client, "),
        ("authorize ", "authorization request, "),
        ("token endpoint ", "token endpoint, "),
        ("cimd ", "client document, "),
        ("forged token ", "forged token, "),
        ("default endpoint ", "default endpoint, "),
        ("owner ", "with the owner's token, "),
        ("login ", "sign-in for a code, "),
        ("redeem ", "token request, "),
        ("revoke ", "revocation, "),
    ];
    swaps
        .iter()
        .find_map(|(from, to)| Some(format!("{to}{}", name.strip_prefix(from)?)))
        .unwrap_or(name)
}

fn headers(out: &mut String, headers: &[(String, String)]) {
    for (name, value) in headers {
        out.push_str(&format!("{name}: {}\n", Shown::bounded(value, 1024)));
    }
}

type Answer = (String, &'static str, String, Shown, String, Option<Shown>);

fn answer(exchange: &Exchange, max: usize) -> Answer {
    let response = match &exchange.got {
        Ok(response) => response,
        Err(failure) => {
            return (
                failure.word().to_owned(),
                "none",
                failed(failure),
                Shown::default(),
                String::new(),
                None,
            );
        }
    };
    if let Purpose::Handshake(_) = exchange.purpose {
        return handshake(response);
    }
    let tone = match response.status {
        200..=399 => "ok",
        401 | 403 => "asks",
        // Most of what is asked need not be there, so its absence is no fault.
        404..=499 => "soft",
        _ => "bad",
    };
    let mut head = format!("HTTP/{} {}\n", response.http, response.status);
    headers(&mut head, &response.headers);
    let body = &response.body;
    let shown = Shown::block(&body.text, max);
    let mut note = super::counted(i64::try_from(body.bytes).unwrap_or(i64::MAX), "byte");
    if body.base64 {
        note.push_str(", not text, shown as base 64");
    }
    if body.truncated {
        note.push_str(", cut by us while reading");
    }
    if body.text.chars().nth(max).is_some() {
        note.push_str(", the beginning is shown");
    }
    let tls = response.tls.as_ref().map(tls_line);
    (response.status.to_string(), tone, head, shown, note, tls)
}

/// A handshake over which nothing was asked: its end stands where a status would.
fn handshake(response: &Response) -> Answer {
    let tls = response.tls.as_ref().map(tls_line);
    let (outcome, words) = match response.hello {
        Some(hello @ Hello::Chosen { version, .. }) => (version_name(version), hello.words()),
        Some(hello @ (Hello::Alert(_) | Hello::Closed)) => ("refused".to_owned(), hello.words()),
        Some(hello @ Hello::Unreadable) => ("unclear".to_owned(), hello.words()),
        None => ("handshake".to_owned(), String::new()),
    };
    (outcome, "soft", words, Shown::default(), String::new(), tls)
}

fn tls_line(tls: &TlsSeen) -> Shown {
    let fault = match tls.fault {
        Some(fault) => format!("certificate refused ({fault:?}), "),
        None => String::new(),
    };
    Shown::new(&format!(
        "TLS {}, {fault}issued by {}, valid to {}",
        tls.version,
        tls.issuer,
        tls.not_after.rfc3339()
    ))
}

/// A failure in a sentence.
fn failed(failure: &Failure) -> String {
    match failure {
        Failure::Dns(fault) => format!("The name did not resolve ({fault:?})."),
        Failure::Blocked(rule) => format!("Not asked: our address guard refused ({rule})."),
        Failure::Refused => "The connection was refused.".into(),
        Failure::Unreachable => "No connection could be made.".into(),
        Failure::Tls(why) => format!("The TLS handshake did not complete ({why})."),
        Failure::Timeout(phase) => format!("No answer in time ({phase:?})."),
        Failure::Reset => "The connection was closed before the answer was complete.".into(),
        Failure::Protocol(why) => format!("The answer was not legal HTTP ({why})."),
    }
}

/// The command line that asks the same again. What was redacted stays redacted.
#[must_use]
pub fn curl(exchange: &Exchange) -> String {
    let asked = &exchange.asked;
    if let Purpose::Handshake(offer) = exchange.purpose {
        return s_client(offer, &asked.url);
    }
    let mut line = String::from("curl -sS -i");
    if asked.method != "GET" {
        line.push_str(&format!(" -X {}", shell_word(&asked.method)));
    }
    for (name, value) in &asked.headers {
        if matches!(name.as_str(), "host" | "content-length" | "accept-encoding") {
            continue;
        }
        line.push_str(&format!(" -H {}", shell_word(&format!("{name}: {value}"))));
    }
    if let Some(body) = &asked.body {
        line.push_str(&format!(" --data-raw {}", shell_word(body)));
    }
    line.push_str(&format!(" {}", shell_word(&asked.url)));
    line
}

/// A handshake again. Which old versions and suites it can offer depends on how the tool was
/// built.
fn s_client(offer: Offer, url: &str) -> String {
    let url = url::Url::parse(url).ok();
    let host = url
        .as_ref()
        .and_then(url::Url::host_str)
        .unwrap_or_default();
    let port = url
        .as_ref()
        .and_then(url::Url::port_or_known_default)
        .unwrap_or(443);
    let offered = match offer {
        Offer::Ordinary => "",
        Offer::Old => " -tls1_1 -cipher ALL:@SECLEVEL=0",
        Offer::Weak => " -tls1_2 -cipher kRSA:aNULL:eNULL:3DES:RC4:@SECLEVEL=0",
        Offer::Broken => " -tls1_2 -cipher aNULL:eNULL:3DES:RC4:@SECLEVEL=0",
        Offer::Tls13 => " -tls1_3",
    };
    format!(
        "openssl s_client -connect {} -servername {}{offered}",
        shell_word(&format!("{host}:{port}")),
        shell_word(host)
    )
}

/// What stands at a place of an exchange, for instance a header's value, in at most 300
/// characters.
#[must_use]
pub fn excerpt(evidence: &Evidence, exchange: u32, at: &str) -> Option<Shown> {
    let exchange = evidence
        .exchanges
        .iter()
        .find(|candidate| candidate.id == exchange)?;
    let response = exchange.got.as_ref().ok()?;
    let text = match at.split_once(':') {
        Some(("header", place)) => {
            let (name, line) = match place.split_once('[') {
                Some((name, line)) => (name, line.trim_end_matches(']').parse().unwrap_or(0)),
                None => (place, 0_usize),
            };
            response.headers_named(name).nth(line)?.to_owned()
        }
        Some(("body", pointer)) => {
            let value: serde_json::Value = serde_json::from_str(&response.body.text).ok()?;
            match pointer {
                "" | "/" => return None,
                pointer => value.pointer(pointer)?.to_string(),
            }
        }
        None if at == "status" => format!("HTTP {}", response.status),
        _ => return None,
    };
    Some(Shown::bounded(&text, 300))
}

#[cfg(test)]
mod tests {
    use super::{curl, excerpt};
    use scanner::evidence::{
        Body, Depth, Evidence, Exchange, Hello, Offer, Purpose, Request, Response, Stopped,
    };
    use scanner::target::Target;
    use scanner::time::Millis;

    fn evidence() -> Evidence {
        Evidence {
            schema: 1,
            target: Target::of("https://a.example/mcp"),
            scanner: "0".into(),
            plan: 1,
            depth: Depth::Standard,
            allow_private: false,
            modified_request: false,
            nonce: String::new(),
            started: Millis(0),
            duration_ms: 0,
            exchanges: vec![Exchange {
                id: 4,
                purpose: Purpose::Discover,
                attempt: 0,
                follows: None,
                shared: None,
                asked: Request {
                    method: "POST".into(),
                    url: "https://a.example/mcp?x='y'".into(),
                    headers: vec![("accept".into(), "application/json".into())],
                    body: Some("{\"id\":\"it's\"}".into()),
                },
                after_ms: 0,
                took_ms: 1,
                got: Ok(Response {
                    status: 401,
                    http: "1.1".into(),
                    headers: vec![
                        ("www-authenticate".into(), "Basic".into()),
                        ("www-authenticate".into(), "Bearer".into()),
                    ],
                    body: Body {
                        text: r#"{"a":{"b":[1]}}"#.into(),
                        ..Body::default()
                    },
                    peer: None,
                    tls: None,
                    hello: None,
                }),
            }],
            stopped: Stopped::Finished,
            consent: None,
            own_host: None,
            visits: Vec::new(),
            supplied: Vec::new(),
            operations: scanner::evidence::Operations::default(),
            obtained: Vec::new(),
        }
    }

    #[test]
    fn purposes_read_as_words() {
        use scanner::evidence::{CimdVariant, Registration};
        let said = super::purpose;
        assert_eq!(
            said(Purpose::Register(Registration::PlainHttp)),
            "registration, plain http"
        );
        assert_eq!(
            said(Purpose::Unregister(Registration::Native)),
            "removal of a client, native"
        );
        assert_eq!(
            said(Purpose::Cimd(CimdVariant::Good)),
            "client document, good"
        );
        assert_eq!(
            said(Purpose::AuthorizePreflight),
            "authorization request, preflight"
        );
        assert_eq!(said(Purpose::Introspect), "introspect");
    }

    #[test]
    fn the_command_line_is_quoted() {
        assert_eq!(
            curl(&evidence().exchanges[0]),
            r#"curl -sS -i -X POST -H 'accept: application/json' --data-raw '{"id":"it'\''s"}' 'https://a.example/mcp?x=%27y%27'"#
                .replace("%27", r"'\''")
        );
    }

    #[test]
    fn a_handshake_is_told_by_its_end() {
        let mut evidence = evidence();
        let exchange = &mut evidence.exchanges[0];
        exchange.purpose = Purpose::Handshake(Offer::Old);
        exchange.asked.url = "https://a.example:8443/".into();
        exchange.got = Ok(Response::of_handshake(None, None, Some(Hello::Alert(70))));
        let view = &super::all(&evidence)[0];
        assert_eq!((view.outcome.as_str(), view.tone), ("refused", "soft"));
        assert_eq!(
            view.response.to_string(),
            "refused: alert 70 (protocol_version)"
        );
        assert!(view.curl.to_string().contains("s_client"));
        assert!(view.curl.to_string().contains("a.example:8443"));
    }

    #[test]
    fn places_lead_to_bytes() {
        let evidence = evidence();
        let at = |at: &str| excerpt(&evidence, 4, at).map(|shown| shown.to_string());
        assert_eq!(at("header:www-authenticate[1]").as_deref(), Some("Bearer"));
        assert_eq!(at("body:/a/b").as_deref(), Some("[1]"));
        assert_eq!(at("status").as_deref(), Some("HTTP 401"));
        assert_eq!(at("tls"), None);
        assert_eq!(excerpt(&evidence, 9, "status"), None);
    }
}
