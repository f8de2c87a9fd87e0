//! Token handling at the resource (catalogue section 1.8): what the server does with tokens
//! that it must not accept.

#[cfg(test)]
mod cases;

#[cfg(test)]
pub(super) use cases::CASES;

use super::owner;
use super::weigh::{worst, worst_or};
use crate::check::{
    Area, Cause, Check, Fault, Judgement, Level, Na, Party, Place, ProbeClass, Severity, Verdict,
    fail, inconclusive, na, warn,
};
use crate::evidence::Purpose;
use crate::facts::outcome::{Answer, Outcome};
use crate::facts::{Facts, json, quote, settle};
use crate::spec::{Citation, Matrix, Revision, Spec};

const TOKEN_HANDLING: Citation =
    Spec::Mcp(Revision::V2026_07_28).at("authorization#token-handling");
const TOKEN_REQUIREMENTS: Citation =
    Spec::Mcp(Revision::V2026_07_28).at("authorization#token-requirements");

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "token-bogus-rejected",
        title: "A bearer token that nobody issued is refused",
        area: Area::TokenHandling,
        level: Level::Must,
        party: &[Party::Server],
        class: ProbeClass::P1,
        severity: Severity::Critical,
        revisions: Matrix::of("AAAA"),
        cites: &[
            TOKEN_HANDLING,
            Spec::Mcp(Revision::V2025_03_26).at("authorization#token-handling"),
            Spec::OAuth21.at("5.2"),
        ],
        why: "Whoever sends any text as a token is let in.",
        fix: "Validate signature, issuer, audience and expiry, or ask the issuer, and refuse when \
              the validator itself fails.",
        traps: "Only greetings and lists are sent. A server that passes the token upstream and \
                answers the greeting itself fails too, because it gave data for an invalid token; \
                passthrough is then likely.",
        run: bogus_rejected,
    },
    Check {
        id: "token-forged-jwt-rejected",
        title: "Forged JWTs are refused",
        area: Area::TokenHandling,
        level: Level::Must,
        party: &[Party::Server],
        class: ProbeClass::P2,
        severity: Severity::Critical,
        revisions: Matrix::of("AAAA"),
        cites: &[
            Spec::OAuth21.at("5.2"),
            Spec::Rfc(8725).at("2.1"),
            Spec::Rfc(8725).at("3.1"),
            Spec::Rfc(8725).at("3.2"),
            Spec::Rfc(9068).at("4"),
            TOKEN_HANDLING,
        ],
        why: "A token without a signature, or signed with a key of the caller's choice, bypasses \
              authentication altogether.",
        fix: "Use a maintained JWT library with a fixed list of algorithms, and take keys from \
              the configured issuer only.",
        traps: "A success would be access without permission, so the probe needs consent and \
                stops at the first one.",
        run: owner::forged_rejected,
    },
    Check {
        id: "token-jku-not-fetched",
        title: "Key URLs inside a token are not followed",
        area: Area::TokenHandling,
        level: Level::Must,
        party: &[Party::Server],
        class: ProbeClass::P2,
        severity: Severity::High,
        revisions: Matrix::of("AAAA"),
        cites: &[
            Spec::Rfc(8725).at("3.10"),
            Spec::Rfc(7515).at("4.1.2"),
            Spec::Rfc(7515).at("4.1.5"),
            Spec::Rfc(7515).at("10"),
        ],
        why: "The server can be made to fetch any URL, and accepts forged signatures if it trusts \
              the key it finds there.",
        fix: "Ignore `jku`, `x5u` and `jwk` in token headers; take keys from configured issuers.",
        traps: "Security products in front of a server fetch URLs they see, so source network and \
                user agent of a fetch are looked at.",
        run: owner::jku_not_fetched,
    },
    Check {
        id: "token-query-ignored",
        title: "Tokens in the query string are not processed",
        area: Area::TokenHandling,
        level: Level::Must,
        party: &[Party::Server],
        class: ProbeClass::P1,
        severity: Severity::Medium,
        revisions: Matrix::of("AAAA"),
        cites: &[
            TOKEN_REQUIREMENTS,
            Spec::Mcp(Revision::V2025_03_26).at("authorization#token-requirements"),
            Spec::OAuth21.at("5.1"),
            Spec::Rfc(6750).at("2.3"),
            Spec::Rfc(6750).at("5.3"),
        ],
        why: "Tokens in URLs end up in logs, histories and referrers.",
        fix: "Read tokens from the Authorization header only.",
        traps: "An unknown query parameter may change the routing, which tells nothing. A server \
                that says `invalid_token` even without a token cannot be told apart.",
        run: query_ignored,
    },
    Check {
        id: "token-query-refused",
        title: "A valid token in the query string is refused",
        area: Area::TokenHandling,
        level: Level::Must,
        party: &[Party::Server],
        class: ProbeClass::P3,
        severity: Severity::Medium,
        revisions: Matrix::of("AAAA"),
        cites: &[
            TOKEN_REQUIREMENTS,
            Spec::Mcp(Revision::V2025_03_26).at("authorization#token-requirements"),
            Spec::OAuth21.at("5.1"),
            Spec::Rfc(6750).at("2.3"),
            Spec::Rfc(6750).at("5.3"),
        ],
        why: "Where it works, people paste valid tokens into URLs, and logs and histories keep \
              them.",
        fix: "Remove the parsing of query tokens; read the Authorization header only.",
        traps: "Intermediaries will log the URL, so the owner should use a short-lived token and \
                revoke it afterwards.",
        run: owner::query_refused,
    },
    Check {
        id: "token-other-audience-rejected",
        title: "A genuine token for another resource is refused",
        area: Area::TokenHandling,
        level: Level::Must,
        party: &[Party::Server],
        class: ProbeClass::P3,
        severity: Severity::Critical,
        revisions: Matrix::of("NAAA"),
        cites: &[
            Spec::Mcp(Revision::V2025_06_18).at("authorization#access-token-privilege-restriction"),
            Spec::Mcp(Revision::V2026_07_28)
                .at("authorization/security-considerations#access-token-privilege-restriction"),
            Spec::Rfc(8707).at("2"),
            Spec::Rfc(9700).at("2.3"),
        ],
        why: "Any application of the same tenant can replay its users' tokens here.",
        fix: "Compare `aud`, or the audience that introspection returns, with the canonical URL \
              of the server.",
        traps: "The audience of an opaque token has to be stated by its owner. A token of the \
                same audience from another client is legitimate.",
        run: owner::other_audience_rejected,
    },
    Check {
        id: "token-id-token-rejected",
        title: "An ID token is not accepted as an access token",
        area: Area::TokenHandling,
        level: Level::Must,
        party: &[Party::Server],
        class: ProbeClass::P3,
        severity: Severity::High,
        revisions: Matrix::of("AAAA"),
        cites: &[
            Spec::Rfc(9068).at("4"),
            Spec::Rfc(9068).at("5"),
            Spec::Rfc(8725).at("3.11"),
            Spec::Rfc(8725).at("3.12"),
            Spec::OAuth21.at("5.2"),
        ],
        why: "A token that was made to tell a client who signed in becomes a key to the API.",
        fix: "Require `typ` `at+jwt`, or refuse tokens whose `aud` is a client id.",
        traps: "Some gateways accept ID tokens on purpose; that fails all the same.",
        run: owner::id_token_rejected,
    },
    Check {
        id: "token-expired-rejected",
        title: "An expired token is refused",
        area: Area::TokenHandling,
        level: Level::Must,
        party: &[Party::Server],
        class: ProbeClass::P3,
        severity: Severity::Critical,
        revisions: Matrix::of("AAAA"),
        cites: &[
            TOKEN_HANDLING,
            Spec::OAuth21.at("5.2"),
            Spec::OAuth21.at("5.3.2"),
        ],
        why: "A leaked token works for ever.",
        fix: "Enforce the expiry, with at most five minutes of tolerance for clocks.",
        traps: "Expiry is compared with the server's own Date header, because clocks differ.",
        run: owner::expired_rejected,
    },
    Check {
        id: "token-tampered-rejected",
        title: "A modified token is refused",
        area: Area::TokenHandling,
        level: Level::Must,
        party: &[Party::Server],
        class: ProbeClass::P3,
        severity: Severity::Critical,
        revisions: Matrix::of("AAAA"),
        cites: &[
            Spec::OAuth21.at("5.2"),
            Spec::Rfc(8725).at("3.3"),
            Spec::Rfc(6750).at("5.2"),
        ],
        why: "Whoever edits the claims of a token gets the privileges written there.",
        fix: "Verify the signature with every request.",
        traps: "The last character of a base64url signature has spare bits, so the change is made \
                to the decoded bytes.",
        run: owner::tampered_rejected,
    },
    Check {
        id: "token-passthrough-refused",
        title: "Tokens of the upstream service are not accepted",
        area: Area::TokenHandling,
        level: Level::Must,
        party: &[Party::Server],
        class: ProbeClass::P3,
        severity: Severity::Critical,
        revisions: Matrix::of("NAAA"),
        cites: &[
            Spec::Mcp(Revision::V2025_06_18).at("authorization#access-token-privilege-restriction"),
            Spec::McpBestPractices.at("Token Passthrough"),
            TOKEN_HANDLING,
        ],
        why: "The server becomes a confused deputy: stolen upstream tokens gain a new use, and \
              the audit trail no longer says who acted.",
        fix: "Accept only tokens that were issued for this server, and exchange them for upstream \
              tokens on the server's side.",
        traps: "Some vendors document personal upstream tokens as static keys; the rule is broken \
                all the same, and the finding says so.",
        run: owner::passthrough_refused,
    },
    Check {
        id: "token-lifetime",
        title: "Access tokens live for an hour at most",
        area: Area::TokenHandling,
        level: Level::Should,
        party: &[Party::AuthorizationServer],
        class: ProbeClass::P3,
        severity: Severity::Low,
        revisions: Matrix::of("AAAA"),
        cites: &[
            Spec::Mcp(Revision::V2026_07_28)
                .at("authorization/security-considerations#token-theft"),
            Spec::Mcp(Revision::V2025_03_26).at("authorization#implementation-requirements"),
            Spec::OAuth21.at("7.1.3.5"),
            Spec::Rfc(6750).at("5.3"),
        ],
        why: "A leaked token can be used for as long as it lives.",
        fix: "Issue tokens for an hour or less, together with refresh tokens.",
        traps: "No text names a number; the thresholds are a policy of this catalogue.",
        run: owner::lifetime,
    },
];

fn bogus_rejected(facts: &Facts<'_>, _: Revision) -> Judgement {
    let Some(answer) = facts.bogus() else {
        return Err(facts.missing());
    };
    // What is served without credentials proves nothing about tokens.
    let refused = facts.control().is_some_and(|control| !control.served());
    let in_query = [Purpose::QueryAccessToken, Purpose::QueryToken]
        .into_iter()
        .filter_map(|purpose| facts.answer(purpose))
        .filter(|answer| refused && answer.served())
        .map(|answer| fail(accepted(facts, answer, "accepted_in_query", "in the query")));
    worst(in_query.chain([in_header(facts, answer, refused)]))
}

fn in_header(facts: &Facts<'_>, answer: &Answer<'_>, refused: bool) -> Judgement {
    if answer.served() {
        return if refused {
            fail(accepted(facts, answer, "accepted", "in the header"))
        } else {
            warn(Fault::new(
                "treated_as_anonymous",
                "A request with an unknown token is served like one without a token.",
                Place::status(answer.exchange.id),
            ))
        };
    }
    let answer = settle(answer)?;
    match answer.status().unwrap_or_default() {
        500..=599 => inconclusive(Cause::ServerFault),
        200..=299 if answer.outcome != Outcome::RpcError => inconclusive(Cause::Other("no_result")),
        _ => Ok(Verdict::Pass),
    }
}

/// Never the result itself: its length, and the refusal it contradicts.
fn accepted(facts: &Facts<'_>, answer: &Answer<'_>, reason: &'static str, place: &str) -> Fault {
    let bytes = answer
        .response()
        .map(|response| response.body.bytes)
        .unwrap_or_default();
    let fault = Fault::new(
        reason,
        format!(
            "A request that is refused without a token is served ({bytes} bytes) with a random token {place}."
        ),
        Place::status(answer.exchange.id),
    );
    match facts.control() {
        Some(control) => fault.and(Place::status(control.exchange.id)),
        None => fault,
    }
}

fn query_ignored(facts: &Facts<'_>, _: Revision) -> Judgement {
    let Some(control) = facts.control() else {
        return Err(facts.missing());
    };
    if control.served() {
        return na(Na::Other("served_without_token"));
    }
    let probes: Vec<&Answer<'_>> = [Purpose::QueryAccessToken, Purpose::QueryToken]
        .into_iter()
        .filter_map(|purpose| facts.answer(purpose))
        .collect();
    if probes.is_empty() {
        return Err(facts.missing());
    }
    if let Some(answer) = probes.iter().find(|answer| answer.served()) {
        return fail(accepted(facts, answer, "accepted", "in the query"));
    }
    if documents_query_credential(facts) {
        return na(Na::Other("documented_query_credential"));
    }
    if error_of(control).as_deref() == Some("invalid_token") {
        return inconclusive(Cause::Other("error_without_token"));
    }
    worst_or(
        probes
            .into_iter()
            .map(|answer| same_refusal(control, answer)),
        || inconclusive(facts.never_asked()),
    )
}

fn same_refusal(control: &Answer<'_>, answer: &Answer<'_>) -> Judgement {
    let answer = settle(answer)?;
    let (before, now) = (error_of(control), error_of(answer));
    if let Some(error) = &now
        && before != now
    {
        return warn(
            Fault::new(
                "parsed",
                format!(
                    "With a token in the query the refusal says {}, without it {}.",
                    quote(error),
                    before.as_deref().map_or_else(|| "nothing".into(), quote)
                ),
                answer.challenge_place(),
            )
            .and(control.challenge_place()),
        );
    }
    // Without the request that was varied there is nothing to compare with.
    if method_of(answer) != method_of(control) {
        return inconclusive(Cause::NotCaptured);
    }
    if answer.status() == control.status() {
        Ok(Verdict::Pass)
    } else {
        inconclusive(Cause::Other("routed_elsewhere"))
    }
}

/// HTTP method, and JSON-RPC method of the body.
fn method_of<'e>(answer: &Answer<'e>) -> (&'e str, Option<String>) {
    let asked = &answer.exchange.asked;
    let body = asked
        .body
        .as_deref()
        .and_then(|body| json::parse(body).ok());
    let method = body.and_then(|body| body.value["method"].as_str().map(str::to_owned));
    (asked.method.as_str(), method)
}

/// The OAuth error of a refusal: in its challenge, else in its body.
fn error_of(answer: &Answer<'_>) -> Option<String> {
    answer
        .token_param("error")
        .map(str::to_owned)
        .or_else(|| Some(answer.json_object()?.get("error")?.as_str()?.to_owned()))
}

/// The listing or the endpoint's own URL says that a key belongs into the query
/// (exposure-key-in-url judges that).
fn documents_query_credential(facts: &Facts<'_>) -> bool {
    const KEYS: [&str; 9] = [
        "key",
        "apikey",
        "api_key",
        "api-key",
        "token",
        "access_token",
        "auth",
        "secret",
        "password",
    ];
    let raw = facts
        .evidence
        .target
        .listing
        .as_ref()
        .and_then(|listing| listing.raw_url.as_deref());
    [Some(facts.endpoint_text()), raw]
        .into_iter()
        .flatten()
        .filter_map(|url| url.split_once('?'))
        .flat_map(|(_, query)| query.split('&'))
        .filter_map(|pair| pair.split('=').next())
        .any(|name| KEYS.contains(&name.to_ascii_lowercase().as_str()))
}
