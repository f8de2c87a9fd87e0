//! Origin validation and CORS (catalogue section 1.12): what a web page may do with the
//! server from a visitor's browser.

#[cfg(test)]
mod cases;
mod cors;

#[cfg(test)]
pub(super) use cases::CASES;

use crate::check::{
    Area, Cause, Check, Fault, Judgement, Level, Party, Place, ProbeClass, Severity, Unmet,
    Verdict, fail, inconclusive, warn,
};
use crate::evidence::{Purpose, Response};
use crate::facts::outcome::{Answer, Outcome};
use crate::facts::{Facts, settle};
use crate::plan::PROBE_ORIGIN;
use crate::spec::{Matrix, Revision, Spec};

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "origin-rejected",
        title: "A foreign Origin is refused with 403",
        area: Area::Origin,
        level: Level::Must,
        party: &[Party::Server],
        class: ProbeClass::P0,
        severity: Severity::Medium,
        revisions: Matrix::of("AACC"),
        cites: &[
            Spec::Mcp(Revision::V2026_07_28).at("transports/streamable-http"),
            Spec::Mcp(Revision::V2025_11_25).at("transports#security-warning"),
            Spec::Mcp(Revision::V2025_06_18).at("transports#security-warning"),
            Spec::Mcp(Revision::V2025_03_26).at("transports#security-warning"),
        ],
        why: "Any web page can drive the server from its visitor's browser: by DNS rebinding \
              where the server is local, by the trust of the network where it is not.",
        fix: "Compare Origin with a list of allowed origins before authentication, and answer 403 \
              to any other; a request without Origin is fine.",
        traps: "Which origins are foreign is the operator's decision, so a server that merely \
                serves the request is only warned about. Where authentication comes first, its \
                401 hides the answer. A 403 may be the work of an edge network.",
        run: rejected,
    },
    Check {
        id: "cors-no-credentials",
        title: "Foreign origins are never granted credentials",
        area: Area::Origin,
        level: Level::Must,
        party: &[Party::Server, Party::AuthorizationServer],
        class: ProbeClass::P0,
        severity: Severity::High,
        revisions: Matrix::of("AAAA"),
        cites: &[
            Spec::Fetch.at("CORS protocol and credentials"),
            Spec::Mcp(Revision::V2026_07_28).at("transports/streamable-http"),
            Spec::Rfc(9700).at("2.6"),
        ],
        why: "Whatever is guarded by cookies, consent pages and sign-in proxies included, can be \
              read by any site.",
        fix: "Drop `Access-Control-Allow-Credentials`; bearer tokens do not need it.",
        traps: "An origin that is reflected without credentials equals `*`, which is acceptable \
                where only tokens count.",
        run: cors::no_credentials,
    },
    Check {
        id: "cors-preflight",
        title: "Browser clients can reach the endpoint and read its challenge",
        area: Area::Origin,
        level: Level::May,
        party: &[Party::Server],
        class: ProbeClass::P0,
        severity: Severity::Info,
        revisions: Matrix::of("AAAC"),
        cites: &[
            Spec::Mcp(Revision::V2026_07_28).at("transports/streamable-http#request-metadata"),
            Spec::Rfc(9728).at("5.1"),
            Spec::Fetch.at("CORS preflight"),
            Spec::Hygiene.at("interoperability"),
        ],
        why: "A client in a browser is let through half-way: it may ask, but never learns how to \
              authorize.",
        fix: "Put the CORS layer outside of the token check, allow the MCP headers, and expose \
              `WWW-Authenticate` (and `Mcp-Session-Id` in the older revisions).",
        traps: "A preflight that is answered with 401 is the classic mistake in the order of \
                layers. A server without any CORS header simply does not serve browser clients.",
        run: cors::preflight,
    },
    Check {
        id: "cors-metadata-readable",
        title: "Discovery documents can be read from any origin",
        area: Area::Origin,
        level: Level::May,
        party: &[Party::Server, Party::AuthorizationServer],
        class: ProbeClass::P0,
        severity: Severity::Info,
        revisions: Matrix::of("AAAA"),
        cites: &[
            Spec::Rfc(9700).at("2.6"),
            Spec::OAuth21.at("3.2"),
            Spec::Hygiene.at("interoperability"),
        ],
        why: "A client in a browser reads one half of the discovery and then stops.",
        fix: "Send `Access-Control-Allow-Origin: *` with public metadata.",
        traps: "A header of the client's own makes browsers send a preflight to metadata URLs, \
                too, which is not tried here.",
        run: cors::metadata_readable,
    },
];

/// What a foreign origin changed.
enum Seen {
    /// 403, and without the origin something else.
    Refused,
    /// Refused with another status.
    Otherwise(u16),
    /// The refusal that a request without Origin gets.
    Unchanged,
    /// Served. With credentials: the browser may send cookies and show the answer.
    Served { credentials: bool, readable: bool },
}

fn rejected(facts: &Facts<'_>, revision: Revision) -> Judgement {
    if let Some(cause) = facts.diverted() {
        return Err(cause);
    }
    let (Some(base), Some(foreign), Some(null)) = (
        facts.greeting(),
        facts.answer(Purpose::ForeignOrigin),
        facts.answer(Purpose::NullOrigin),
    ) else {
        return inconclusive(facts.never_asked());
    };
    // Before 2025-11-25 Origin had to be validated, with a status of the server's choice.
    let any_refusal = revision < Revision::V2025_11_25;
    let look = |answer: &Answer<'_>| match seen(base, answer)? {
        Seen::Otherwise(400..=499) if any_refusal => Ok(Seen::Refused),
        other => Ok(other),
    };
    let (first, second) = (look(foreign), look(null));
    for (seen, answer) in [(&first, foreign), (&second, null)] {
        if let Ok(Seen::Served {
            credentials: true, ..
        }) = seen
        {
            return fail(
                Fault::new(
                    "granted_with_credentials",
                    format!(
                        "A request with `Origin: {}` is served, and the origin may read the answer with the visitor's credentials.",
                        origin_of(answer)
                    ),
                    Place::header(answer.exchange.id, "access-control-allow-credentials"),
                )
                .and(Place::status(answer.exchange.id)),
            );
        }
    }
    let both = [(&first, foreign), (&second, null)];
    if let Some((seen, answer)) = both
        .iter()
        .find(|(seen, _)| matches!(seen, Ok(Seen::Served { .. } | Seen::Otherwise(_))))
        .filter(|_| {
            !both
                .iter()
                .any(|(seen, _)| matches!(seen, Ok(Seen::Refused)))
        })
    {
        return warn(unrefused(seen, answer, base));
    }
    match (first?, second?) {
        (Seen::Refused, Seen::Refused) => Ok(Verdict::Pass),
        (Seen::Refused, _) => warn(half(foreign, null)),
        (_, Seen::Refused) => warn(half(null, foreign)),
        _ => inconclusive(Cause::Other("checked_after_authentication")),
    }
}

fn seen(base: &Answer<'_>, answer: &Answer<'_>) -> Result<Seen, Unmet> {
    if answer.served() {
        let (allowed, credentials) = answer.response().map(grants).unwrap_or_default();
        let named = allowed == Some(origin_of(answer));
        return Ok(Seen::Served {
            credentials: credentials && named,
            readable: named || allowed == Some("*"),
        });
    }
    let answer = settle(answer)?;
    let status = answer.status().unwrap_or_default();
    let without = base.status().unwrap_or_default();
    Ok(if status == without && !base.served() {
        Seen::Unchanged
    } else if answer.outcome == Outcome::Forbid {
        Seen::Refused
    } else {
        Seen::Otherwise(status)
    })
}

fn unrefused(seen: &Result<Seen, Unmet>, answer: &Answer<'_>, base: &Answer<'_>) -> Fault {
    let origin = origin_of(answer);
    let place = Place::status(answer.exchange.id);
    let fault = match seen {
        Ok(Seen::Served { readable: true, .. }) => Fault::new(
            "served_readable",
            format!(
                "A request with `Origin: {origin}` is served, and any page may read the answer (without credentials)."
            ),
            place,
        ),
        Ok(Seen::Otherwise(status)) => Fault::new(
            "other_status",
            format!("A request with `Origin: {origin}` is answered with {status} instead of 403."),
            place,
        ),
        _ => Fault::new(
            "served",
            format!(
                "A request with `Origin: {origin}` is served, although no page may read the answer."
            ),
            place,
        ),
    };
    fault.and(Place::status(base.exchange.id))
}

fn half(refused: &Answer<'_>, other: &Answer<'_>) -> Fault {
    Fault::new(
        "one_refused",
        format!(
            "`Origin: {}` is refused with 403, but `Origin: {}` is answered with {}.",
            origin_of(refused),
            origin_of(other),
            other.status().unwrap_or_default()
        ),
        Place::status(other.exchange.id),
    )
    .and(Place::status(refused.exchange.id))
}

/// The origin that a probe carried.
fn origin_of<'f>(answer: &'f Answer<'_>) -> &'f str {
    answer
        .exchange
        .asked
        .headers
        .iter()
        .find(|(name, _)| name == "origin")
        .map_or(PROBE_ORIGIN, |(_, value)| value.as_str())
}

/// `Access-Control-Allow-Origin`, and whether credentials are allowed. Browsers compare the
/// word `true` in this case only.
fn grants(response: &Response) -> (Option<&str>, bool) {
    (
        response
            .header("access-control-allow-origin")
            .map(str::trim),
        response
            .header("access-control-allow-credentials")
            .map(str::trim)
            == Some("true"),
    )
}
