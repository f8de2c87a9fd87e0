//! Where the metadata is found, and whose it says it is.

use serde_json::Value;

use super::super::weigh;
use super::{kind_of, worst_document};
use crate::check::{
    Area, Cause, Check, Fault, Judgement, Level, Na, Party, Place, ProbeClass, Severity, Unmet,
    Verdict, fail, inconclusive, na, warn,
};
use crate::evidence::{AsRole, Failure};
use crate::facts::documents::{AsCandidate, Asm, Document, Issuer};
use crate::facts::issuer::{self, IssuerFault, IssuerOddity, Reading};
use crate::facts::outcome::{Answer, Outcome, unread};
use crate::facts::relation::Relation;
use crate::facts::{Facts, quote, settle};
use crate::fingerprints;
use crate::spec::{Matrix, Revision, Spec};

const BY_IDENTICAL: Unmet = Unmet::Blocked("asm-issuer-identical");
const BY_SYNTAX: Unmet = Unmet::Blocked("asm-issuer-syntax");
const DISCOVERY: &str =
    "authorization/authorization-server-discovery#authorization-server-metadata-discovery";

pub(super) const DISCOVERABLE: Check = Check {
    id: "asm-discoverable",
    title: "Authorization server metadata is found and is well-formed JSON",
    area: Area::AsMetadata,
    level: Level::Must,
    party: &[Party::AuthorizationServer],
    class: ProbeClass::P0,
    severity: Severity::High,
    revisions: Matrix::of("ACCA"),
    cites: &[
        Spec::Mcp(Revision::V2026_07_28).at("authorization#overview"),
        Spec::Mcp(Revision::V2025_11_25).at("authorization#overview"),
        Spec::Mcp(Revision::V2025_06_18).at("authorization#overview"),
        Spec::Mcp(Revision::V2025_03_26).at("authorization#server-metadata-discovery"),
        Spec::Rfc(8414).at("3.1"),
        Spec::Rfc(8414).at("3.2"),
        Spec::OidcDiscovery.at("4"),
        Spec::Rfc(9700).at("2.6"),
    ],
    why: "Without metadata, endpoints have to be typed in or guessed, and whoever can suggest an endpoint can substitute one.",
    fix: "Serve RFC 8414 metadata as application/json at the URL with the well-known part inserted before the issuer's path, and keep the OpenID configuration for OpenID clients.",
    traps: "The form that appends the suffix to the issuer's path is not among the URLs that MCP names, and the root document of a host belongs to the issuer without a path: neither is credited.",
    run: discoverable,
};

pub(super) const RFC8414_LOCATION: Check = Check {
    id: "asm-rfc8414-location",
    title: "RFC 8414 metadata sits at the URL with the inserted path",
    area: Area::AsMetadata,
    level: Level::Must,
    party: &[Party::AuthorizationServer],
    class: ProbeClass::P0,
    severity: Severity::Medium,
    revisions: Matrix::of("NACC"),
    cites: &[
        Spec::Rfc(8414).at("3"),
        Spec::Rfc(8414).at("3.1"),
        Spec::Mcp(Revision::V2025_06_18).at("authorization#overview"),
        Spec::Mcp(Revision::V2026_07_28).at(DISCOVERY),
    ],
    why: "Clients that follow 2025-06-18 know no other place, and at least one widely used client library gives up when this URL answers with an error of the server or with something that is not metadata.",
    fix: "Rewrite the inserted URL to the one where the document is served today, or answer it with a plain 404.",
    traps: "Several large vendors publish only an OpenID configuration; from 2025-11-25 on that is a warning, not a failure. The appended variant is fetched only to explain a missing document.",
    run: rfc8414_location,
};

pub(super) const ISSUER_IDENTICAL: Check = Check {
    id: "asm-issuer-identical",
    title: "The document's `issuer` is the identifier that led to it",
    area: Area::AsMetadata,
    level: Level::Must,
    party: &[Party::AuthorizationServer, Party::Server],
    class: ProbeClass::P0,
    severity: Severity::Critical,
    revisions: Matrix::of("AAAA"),
    cites: &[
        Spec::Rfc(8414).at("3.3"),
        Spec::OidcDiscovery.at("4.3"),
        Spec::Mcp(Revision::V2026_07_28).at(DISCOVERY),
        Spec::McpSep.at("2468"),
    ],
    why: "A document that speaks for another issuer is the entrance to mix-up attacks: the attacker's endpoints are used under the honest issuer's name, so strict clients stop here.",
    fix: "Let the protected-resource metadata quote the issuer character for character, or let the authorization server publish the issuer under which it is found.",
    traps: "Strings are compared by code point, so a slash at the end counts; it is reported as a class of its own. A 2025-03-26 layout names no issuer, so the origin is accepted with and without its slash.",
    run: issuer_identical,
};

pub(super) const ISSUER_SYNTAX: Check = Check {
    id: "asm-issuer-syntax",
    title: "`issuer` is a legal issuer identifier",
    area: Area::AsMetadata,
    level: Level::Must,
    party: &[Party::AuthorizationServer],
    class: ProbeClass::P0,
    severity: Severity::High,
    revisions: Matrix::of("AAAA"),
    cites: &[
        Spec::Rfc(8414).at("2"),
        Spec::Rfc(9207).at("2"),
        Spec::McpSep.at("2468"),
    ],
    why: "The issuer is compared as a string in metadata, tokens and authorization responses; a value that is no canonical https URL makes all of these comparisons unreliable.",
    fix: "Configure one canonical https issuer without query and fragment, and emit exactly that.",
    traps: "Template braces are judged where issuers are compared. Plain http on a loopback that the scan trusts is accepted.",
    run: issuer_syntax,
};

// --- asm-discoverable -----------------------------------------------------------------------

fn discoverable(facts: &Facts<'_>, revision: Revision) -> Judgement {
    match facts.asms(revision) {
        Ok(asms) => weigh::best_of(&asms, |asm| found_well(facts, asm, revision)),
        Err(Unmet::Blocked("asm-discoverable")) => undiscovered(facts, revision),
        Err(unmet) => Err(unmet),
    }
}

fn found_well(facts: &Facts<'_>, asm: &Asm<'_, '_>, revision: Revision) -> Judgement {
    let used = asm.found[0];
    let media = used
        .answer
        .response()
        .and_then(|response| response.media_type());
    if media.as_deref() != Some("application/json") {
        return warn(Fault::new(
            "media_type",
            match media {
                Some(media) => format!(
                    "The metadata at {} is served as {} instead of application/json.",
                    quote(&used.url),
                    quote(&media)
                ),
                None => format!(
                    "The metadata at {} is served without a content type.",
                    quote(&used.url)
                ),
            },
            Place::header(used.answer.exchange.id, "content-type"),
        ));
    }
    let first = facts.credited(asm.issuer, revision).next();
    if let Some(first) = first.filter(|first| first.url != used.url)
        && aborts_a_strict_client(first)
    {
        return warn(
            Fault::new(
                "first_fails",
                format!(
                    "The URL that clients try first, {}, answers {}; metadata follows only at {}.",
                    quote(&first.url),
                    answered(&first.answer),
                    quote(&used.url)
                ),
                Place::status(first.answer.exchange.id),
            )
            .and(Place::status(used.answer.exchange.id)),
        );
    }
    Ok(Verdict::Pass)
}

/// 5xx, or 200 with something that is not JSON.
fn aborts_a_strict_client(candidate: &AsCandidate<'_>) -> bool {
    candidate
        .answer
        .response()
        .is_some_and(|response| match response.status {
            200 => candidate.document.is_none() && unread(response).is_none(),
            status => status >= 500 && candidate.answer.outcome != Outcome::Block,
        })
}

/// No credited URL of any listed authorization server gave metadata: a failure, unless one of
/// them could not be judged.
fn undiscovered(facts: &Facts<'_>, revision: Revision) -> Judgement {
    let readings = facts.readings(revision);
    let unknown = readings.iter().find_map(|(reading, _)| match reading {
        Reading::Unknown(cause) => Some(*cause),
        Reading::Found | Reading::Foreign | Reading::Absent | Reading::Failing => None,
    });
    if let Some(cause) = unknown {
        return inconclusive(cause);
    }
    if readings
        .iter()
        .all(|(reading, _)| *reading == Reading::Failing)
    {
        return inconclusive(Cause::ServerFault);
    }
    let answers: Vec<&Answer<'_>> = readings.iter().filter_map(|(_, answer)| *answer).collect();
    let Some(first) = answers.first() else {
        return inconclusive(facts.never_asked());
    };
    let unresolved = answers
        .iter()
        .all(|answer| matches!(answer.failure(), Some(Failure::Dns(_))));
    let said = answers
        .iter()
        .take(6)
        .map(|answer| {
            format!(
                "{} answers {}",
                quote(&answer.exchange.asked.url),
                answered(answer)
            )
        })
        .collect::<Vec<_>>()
        .join("; ");
    let mut fault = Fault::new(
        if unresolved {
            "unresolved"
        } else {
            "not_found"
        },
        format!("No metadata where clients look for it: {said}."),
        shown(first),
    );
    for answer in answers.iter().take(6) {
        fault = fault.and(shown(answer));
    }
    // Endpoints at default paths are allowed there.
    if revision == Revision::V2025_03_26 {
        warn(fault)
    } else {
        fail(fault)
    }
}

fn shown(answer: &Answer<'_>) -> Place {
    let at = if answer.status().is_some() {
        "status"
    } else {
        "url"
    };
    Place::new(answer.exchange.id, at)
}

/// What an answer was, in a few words.
fn answered(answer: &Answer<'_>) -> String {
    match (answer.response(), answer.failure()) {
        (Some(response), _) if response.status == 200 => {
            "200 with something that is not authorization server metadata".into()
        }
        (Some(response), _) => response.status.to_string(),
        (None, Some(Failure::Dns(_))) => "nothing, because the name does not exist".into(),
        (None, _) => "nothing".into(),
    }
}

// --- asm-rfc8414-location -------------------------------------------------------------------

fn rfc8414_location(facts: &Facts<'_>, revision: Revision) -> Judgement {
    facts.asms(revision)?;
    let judgements = facts
        .issuers()
        .iter()
        .filter(|issuer| !facts.found(issuer, Revision::HEADLINE).is_empty())
        .map(|issuer| located(facts, issuer, revision));
    weigh::worst(judgements)
}

fn located(facts: &Facts<'_>, issuer: &Issuer<'_>, revision: Revision) -> Judgement {
    let inserted = issuer.candidates.iter().find(|candidate| {
        candidate.role == AsRole::OauthInserted
            || (issuer.fallback && candidate.role == AsRole::Origin)
    });
    let Some(candidate) = inserted else {
        return inconclusive(facts.never_asked());
    };
    if let Some(document) = candidate.asm() {
        // A mismatch of another class is asm-issuer-identical's alone.
        return if facts.issuer_unrelated(issuer, document) {
            Err(BY_IDENTICAL)
        } else {
            Ok(Verdict::Pass)
        };
    }
    let place = shown(&candidate.answer);
    let said = format!(
        "{} answers {}.",
        quote(&candidate.url),
        answered(&candidate.answer)
    );
    match issuer::reading(candidate) {
        Reading::Unknown(cause) => inconclusive(cause),
        Reading::Failing => fail(Fault::new("server_error", said, place)),
        Reading::Foreign => fail(Fault::new("not_metadata", said, place)),
        Reading::Found | Reading::Absent => {
            settle(&candidate.answer)?;
            let note = fingerprints::recognise(&issuer.listed, None)
                .filter(fingerprints::Product::openid_only)
                .map(|product| format!(" {} publishes only an OpenID configuration.", product.name))
                .unwrap_or_default();
            let fault = Fault::new("absent", format!("{said}{note}"), place);
            if revision <= Revision::V2025_06_18 {
                fail(fault)
            } else {
                warn(fault)
            }
        }
    }
}

// --- asm-issuer-identical -------------------------------------------------------------------

fn issuer_identical(facts: &Facts<'_>, revision: Revision) -> Judgement {
    let asms = facts.asms(revision)?;
    worst_document(&asms, |asm, document| {
        identical(facts, asm.issuer, document)
    })
}

fn identical(facts: &Facts<'_>, issuer: &Issuer<'_>, document: &Document) -> Judgement {
    let Some(said) = document.text("issuer") else {
        return Err(BY_SYNTAX);
    };
    let template = issuer::is_template(said);
    if !template && facts.issuer_fault(said).is_some() {
        return Err(BY_SYNTAX);
    }
    let relation = facts.issuer_relation(issuer, said);
    if relation == Relation::Identical {
        return Ok(Verdict::Pass);
    }
    let (reason, class, severity) = if template {
        ("template", "template", Severity::High)
    } else {
        let severity = match relation {
            Relation::Slash => Severity::Medium,
            _ => Severity::Critical,
        };
        (reason_of(relation), relation.as_str(), severity)
    };
    let source = if issuer.fallback {
        "it is found at the origin"
    } else {
        "the protected-resource metadata lists"
    };
    fail(
        Fault::new(
            reason,
            format!(
                "The document's `issuer` is {}, but {source} {}.",
                quote(said),
                quote(&issuer.listed)
            ),
            document.place("issuer"),
        )
        .severity(severity)
        .relation(class),
    )
}

fn reason_of(relation: Relation) -> &'static str {
    match relation {
        Relation::Identical => "identical",
        Relation::Slash => "slash",
        Relation::CasePort => "case_port",
        Relation::Prefix => "prefix",
        Relation::Longer => "longer",
        Relation::Sibling => "sibling",
        Relation::SameSite => "same_site",
        Relation::Foreign => "foreign",
        Relation::NotUrl => "not_url",
    }
}

// --- asm-issuer-syntax ----------------------------------------------------------------------

fn issuer_syntax(facts: &Facts<'_>, revision: Revision) -> Judgement {
    let asms = facts.asms(revision)?;
    worst_document(&asms, |_, document| syntax(facts, document))
}

fn syntax(facts: &Facts<'_>, document: &Document) -> Judgement {
    let place = document.place("issuer");
    let said = match document.get("issuer") {
        None => {
            return fail(Fault::new(
                "missing",
                "The document has no `issuer`.",
                document.place(""),
            ));
        }
        Some(Value::String(said)) => said,
        Some(other) => {
            return fail(Fault::new(
                "mistyped",
                format!("`issuer` is {} instead of a string.", kind_of(other)),
                place,
            ));
        }
    };
    if issuer::is_template(said) {
        return na(Na::Other("template"));
    }
    let quoted = quote(said);
    if let Some(fault) = facts.issuer_fault(said) {
        let (reason, what) = match fault {
            IssuerFault::NotUrl => ("not_url", "is not an absolute https URL"),
            IssuerFault::NotHttps => ("not_https", "does not use https"),
            IssuerFault::Query => ("query", "has a query component"),
            IssuerFault::Fragment => ("fragment", "has a fragment"),
        };
        return fail(Fault::new(
            reason,
            format!("`issuer` {quoted} {what}."),
            place,
        ));
    }
    match issuer::oddity(said) {
        Some(IssuerOddity::UpperCase) => warn(Fault::new(
            "upper_case",
            format!("`issuer` {quoted} has upper-case letters in its scheme or host."),
            place,
        )),
        Some(IssuerOddity::DefaultPort) => warn(Fault::new(
            "default_port",
            format!("`issuer` {quoted} writes the default port out."),
            place,
        )),
        None => Ok(Verdict::Pass),
    }
}
