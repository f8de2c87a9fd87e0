//! What a server with an open and a protected part owes its clients.

use super::refusal::{asks_to_authenticate, names_unknown_tool};
use crate::check::{
    Area, Cause, Check, Fault, Judgement, Level, Na, Party, Place, ProbeClass, Severity, Unmet,
    Verdict, fail, inconclusive, na, warn,
};
use crate::evidence::Purpose;
use crate::facts::outcome::{Answer, Outcome, Rpc};
use crate::facts::{Facts, settle};
use crate::report::Class;
use crate::spec::{Matrix, Revision, Spec};

pub(super) const HTTP_STATUS: Check = Check {
    id: "challenge-lazy-http-status",
    title: "A server with open parts refuses protected operations with 401",
    area: Area::Challenge,
    level: Level::Must,
    party: &[Party::Server],
    class: ProbeClass::P0,
    severity: Severity::Medium,
    revisions: Matrix::of("AAAA"),
    cites: &[
        Spec::Mcp(Revision::V2026_07_28).at("authorization#error-handling"),
        Spec::Mcp(Revision::V2026_07_28).at("authorization#scope-challenge-handling"),
        Spec::Rfc(6750).at("3"),
        Spec::Documentation.at("MCP Apps, authorization per tool"),
    ],
    why: "A request to sign in that arrives as the text of a tool teaches people to follow links \
          which the server, or whoever wrote into its data, has chosen.",
    fix: "Decide on authorization before a tool is dispatched, and answer with 401 and the \
          challenge when the chosen tool needs a token.",
    traps: "Only a tool that cannot exist is called, so a gate behind the lookup of names stays \
            unseen, which is the usual case. A challenge inside `_meta` of a result is an \
            extension of some hosts and does not count.",
    run: http_status,
};

fn http_status(facts: &Facts<'_>, _: Revision) -> Judgement {
    if facts.class() != Class::Lazy {
        return na(Na::Class);
    }
    let Some(answer) = facts.answer(Purpose::UnknownTool) else {
        return inconclusive(facts.never_asked());
    };
    let status = answer.status().unwrap_or_default();
    if answer.outcome == Outcome::Challenge {
        return if answer.token_challenge().is_some() {
            Ok(Verdict::Pass)
        } else {
            Err(Unmet::Blocked("challenge-www-authenticate"))
        };
    }
    if answer.outcome != Outcome::Block && (status == 403 || status >= 500) && !unknown_tool(answer)
    {
        return if facts.open_list() && facts.any_prm().is_some() {
            fail(Fault::new(
                if status == 403 {
                    "forbidden"
                } else {
                    "server_error"
                },
                format!("A protected call is answered with {status} instead of 401."),
                Place::status(answer.exchange.id),
            ))
        } else {
            inconclusive(Cause::Other("gate_not_visible"))
        };
    }
    settle(answer)?;
    if asks_to_authenticate(answer).is_some() {
        return Err(Unmet::Blocked("challenge-status-401"));
    }
    inconclusive(Cause::Other("gate_not_visible"))
}

/// A JSON-RPC error that speaks of the tool's name, whatever the status.
fn unknown_tool(answer: &Answer<'_>) -> bool {
    matches!(&answer.rpc, Some(Rpc::Error { message, .. }) if names_unknown_tool(message))
}

pub(super) const PRM: Check = Check {
    id: "challenge-lazy-prm",
    title: "A server with open parts publishes its metadata at a well-known location",
    area: Area::Challenge,
    level: Level::Must,
    party: &[Party::Server],
    class: ProbeClass::P0,
    severity: Severity::Medium,
    revisions: Matrix::of("NAAA"),
    cites: &[
        Spec::Mcp(Revision::V2026_07_28).at(
            "authorization/authorization-server-discovery#protected-resource-metadata-discovery-requirements",
        ),
        Spec::Rfc(9728).at("3"),
    ],
    why: "A client that connects anonymously never meets a 401, so it never learns that \
          authorization exists.",
    fix: "Serve `/.well-known/oauth-protected-resource` with the endpoint's path, although \
          greeting and lists are open.",
    traps: "Metadata left over from a template makes an open server look like one with protected \
            parts; a second sign is needed before a server counts as such.",
    run: prm,
};

fn prm(facts: &Facts<'_>, revision: Revision) -> Judgement {
    if facts.class() != Class::Lazy {
        return na(Na::Class);
    }
    if facts.well_known_prm().is_some() {
        return Ok(Verdict::Pass);
    }
    if let Some(prm) = facts.selected_prm(revision) {
        return warn(Fault::new(
            "only_by_challenge",
            "The metadata is found only through the 401 of a protected call.",
            prm.place(""),
        ));
    }
    let candidates = facts.prm_candidates();
    for candidate in candidates {
        settle(&candidate.answer)?;
    }
    let Some(first) = candidates.first() else {
        return inconclusive(facts.never_asked());
    };
    let tried: Vec<String> = candidates
        .iter()
        .map(|candidate| {
            format!(
                "{} answers {}",
                path_of(&candidate.url),
                candidate.answer.status().unwrap_or_default()
            )
        })
        .collect();
    let fault = Fault::new(
        if facts.any_prm().is_some() {
            "misplaced"
        } else {
            "absent"
        },
        format!(
            "No location that a client tries serves the metadata: {}.",
            tried.join(", ")
        ),
        Place::status(first.answer.exchange.id),
    );
    fail(candidates.iter().fold(fault, |fault, candidate| {
        fault.and(Place::status(candidate.answer.exchange.id))
    }))
}

fn path_of(url: &str) -> String {
    crate::facts::quote(
        url::Url::parse(url)
            .as_ref()
            .map_or(url, |parsed| parsed.path()),
    )
}
