//! What a `WWW-Authenticate` header holds: a token scheme, well-formed, with what a client
//! needs and without an error where nothing was wrong.

use super::{named, unauthorized, unseen};
use crate::check::{
    Area, Cause, Check, Fault, Judgement, Level, Na, Party, Place, ProbeClass, Severity, Unmet,
    Verdict, fail, inconclusive, na, warn,
};
use crate::checks::weigh::worst_or;
use crate::facts::challenge::{Challenge, Tolerance};
use crate::facts::outcome::{Answer, Outcome};
use crate::facts::{Facts, quote, settle};
use crate::spec::{Matrix, Revision, Spec};

pub(super) const WWW_AUTHENTICATE: Check = Check {
    id: "challenge-www-authenticate",
    title: "Every 401 carries a Bearer or DPoP challenge",
    area: Area::Challenge,
    level: Level::Must,
    party: &[Party::Server],
    class: ProbeClass::P0,
    severity: Severity::High,
    revisions: Matrix::of("AACC"),
    cites: &[
        Spec::Rfc(9110).at("11.6.1"),
        Spec::Rfc(9110).at("15.5.2"),
        Spec::Rfc(6750).at("3"),
        Spec::OAuth21.at("5.3.1"),
        Spec::Mcp(Revision::V2025_06_18).at("authorization#authorization-server-location"),
        Spec::Mcp(Revision::V2025_11_25)
            .at("authorization#protected-resource-metadata-discovery-requirements"),
        Spec::McpSep.at("985"),
    ],
    why: "Without a challenge discovery ends: clients guess endpoints on the server's own origin \
          and may register with the wrong authorization server.",
    fix: "Send `WWW-Authenticate: Bearer \
          resource_metadata=\"https://host/.well-known/oauth-protected-resource/path\", \
          scope=\"…\"` with every 401.",
    traps: "Some gateways rename the header to `x-amzn-remapped-www-authenticate`, which clients \
            do not read. A header that cannot be parsed at all is reported by challenge-syntax.",
    run: www_authenticate,
};

fn www_authenticate(facts: &Facts<'_>, revision: Revision) -> Judgement {
    let findable = facts.well_known_prm().is_some();
    worst_or(
        unauthorized(facts)
            .into_iter()
            .map(|answer| carries_challenge(answer, revision, findable)),
        || Err(unseen(facts)),
    )
}

fn carries_challenge(answer: &Answer<'_>, revision: Revision, findable: bool) -> Judgement {
    if answer.token_challenge().is_some() {
        return Ok(Verdict::Pass);
    }
    let Some(response) = answer.response() else {
        return inconclusive(Cause::Network);
    };
    let what = named(answer.exchange.purpose);
    let id = answer.exchange.id;
    let lines: Vec<&str> = response.headers_named("www-authenticate").collect();
    let meant = lines.iter().any(|line| {
        let line = line.trim_start().to_ascii_lowercase();
        line.starts_with("bearer") || line.starts_with("dpop")
    });
    if meant && !answer.challenges.errors.is_empty() {
        return Err(Unmet::Blocked("challenge-syntax"));
    }
    let fault = if lines.is_empty() {
        let renamed = if response
            .header("x-amzn-remapped-www-authenticate")
            .is_some()
        {
            "; a gateway has renamed it to `x-amzn-remapped-www-authenticate`"
        } else {
            ""
        };
        Fault::new(
            "missing",
            format!("The 401 to {what} has no `WWW-Authenticate` header{renamed}."),
            Place::status(id),
        )
    } else {
        Fault::new(
            "other_scheme",
            format!(
                "The 401 to {what} offers no Bearer or DPoP challenge but {}.",
                quote(&lines.join(", "))
            ),
            Place::header(id, "www-authenticate"),
        )
    };
    // From 2025-11-25 on a client may also find the metadata at a well-known location.
    if findable && revision >= Revision::V2025_11_25 {
        warn(fault)
    } else {
        fail(fault)
    }
}

pub(super) const SYNTAX: Check = Check {
    id: "challenge-syntax",
    title: "The challenge follows the HTTP authentication grammar",
    area: Area::Challenge,
    level: Level::Must,
    party: &[Party::Server],
    class: ProbeClass::P0,
    severity: Severity::Medium,
    revisions: Matrix::of("AAAA"),
    cites: &[
        Spec::Rfc(9110).at("11.2"),
        Spec::Rfc(9110).at("11.6.1"),
        Spec::Rfc(6750).at("3"),
        Spec::Rfc(6749).at("3.3"),
    ],
    why: "Where parsers disagree they discover different authorization servers, and text that an \
          attacker controls can smuggle in a second `resource_metadata`.",
    fix: "Write the header with a proper quoted-string writer that escapes backslash and \
          quotation mark, and each parameter once.",
    traps: "Several challenges may share a line or use several; commas and apostrophes inside \
            quotes are legal. Both readings of the parser are compared, so each liberty is named.",
    run: syntax,
};

fn syntax(facts: &Facts<'_>, _: Revision) -> Judgement {
    let refusals = facts
        .plain_answers()
        .filter(|answer| matches!(answer.outcome, Outcome::Challenge | Outcome::Forbid))
        .filter(|answer| facts.at_endpoint(answer))
        .filter(|answer| {
            answer
                .response()
                .is_some_and(|response| response.header("www-authenticate").is_some())
        });
    worst_or(refusals.map(well_formed), || no_challenge(facts))
}

/// Without any challenge there is nothing to judge, unless something hid it.
fn no_challenge(facts: &Facts<'_>) -> Judgement {
    if unauthorized(facts).is_empty() {
        return Err(unseen(facts));
    }
    na(Na::Other("no_challenge"))
}

fn well_formed(answer: &Answer<'_>) -> Judgement {
    let challenges = &answer.challenges;
    if let Some((line, offset, expected)) = challenges.errors.first() {
        return fail(Fault::new(
            "unparseable",
            format!("`WWW-Authenticate` cannot be parsed: at byte {offset}, {expected}."),
            answer.line_place(*line),
        ));
    }
    let each = challenges
        .list
        .iter()
        .map(|challenge| repeats_nothing(answer, challenge));
    let liberties = challenges.tolerances.iter().map(|tolerance| {
        let (line, offset) = challenges
            .violations
            .first()
            .map_or((0, 0), |(line, offset, _)| (*line, *offset));
        let (reason, what) = liberty(*tolerance);
        warn(Fault::new(
            reason,
            format!(
                "`WWW-Authenticate` is legal only to a lenient parser: {what} (byte {offset})."
            ),
            answer.line_place(line),
        ))
    });
    let contents = challenges
        .list
        .iter()
        .filter(|challenge| challenge.takes_tokens())
        .map(|challenge| says_something(answer, challenge));
    worst_or(each.chain(liberties).chain(contents), || {
        fail(Fault::new(
            "unparseable",
            "`WWW-Authenticate` is empty.",
            Place::header(answer.exchange.id, "www-authenticate"),
        ))
    })
}

fn liberty(tolerance: Tolerance) -> (&'static str, &'static str) {
    match tolerance {
        Tolerance::UnquotedValue => (
            "unquoted_value",
            "a value that needs quotation marks has none",
        ),
        Tolerance::SingleQuotes => ("single_quotes", "a value stands in apostrophes"),
        Tolerance::MissingComma => ("missing_comma", "two parameters have no comma between them"),
    }
}

fn repeats_nothing(answer: &Answer<'_>, challenge: &Challenge) -> Judgement {
    for (position, (name, value)) in challenge.params.iter().enumerate() {
        let Some((_, other)) = challenge.params[..position]
            .iter()
            .find(|(known, _)| known == name)
        else {
            continue;
        };
        let place = answer.line_place(challenge.line);
        return if other == value {
            warn(Fault::new(
                "repeated_parameter",
                format!("{} stands twice in one challenge.", quote(name)),
                place,
            ))
        } else {
            fail(Fault::new(
                "duplicate_parameter",
                format!(
                    "{} stands twice in one challenge, as {} and as {}.",
                    quote(name),
                    quote(other),
                    quote(value)
                ),
                place,
            ))
        };
    }
    Ok(Verdict::Pass)
}

/// RFC 6750: at least one parameter, and `scope` as tokens with one space between them.
fn says_something(answer: &Answer<'_>, challenge: &Challenge) -> Judgement {
    let place = answer.line_place(challenge.line);
    if challenge.params.is_empty() && challenge.scheme.eq_ignore_ascii_case("bearer") {
        return warn(Fault::new(
            "no_parameters",
            "The Bearer challenge has no parameter; RFC 6750 asks for at least one.",
            place,
        ));
    }
    let Some(scope) = challenge.param("scope") else {
        return Ok(Verdict::Pass);
    };
    let legal = |c: char| matches!(c, '\u{21}' | '\u{23}'..='\u{5b}' | '\u{5d}'..='\u{7e}');
    let (reason, what) = if scope.contains(',') {
        ("scope_commas", "is separated by commas")
    } else if scope.trim().is_empty() {
        ("scope_empty", "is empty")
    } else if scope.split(' ').any(str::is_empty) {
        ("scope_spaces", "has more than one space between its tokens")
    } else if !scope.split(' ').all(|token| token.chars().all(legal)) {
        (
            "scope_characters",
            "holds characters that a scope may not have",
        )
    } else {
        return Ok(Verdict::Pass);
    };
    warn(Fault::new(
        reason,
        format!("`scope` of the challenge {what}: {}.", quote(scope)),
        place,
    ))
}

pub(super) const SCOPE_PARAM: Check = Check {
    id: "challenge-scope-param",
    title: "The challenge names the scopes that are needed",
    area: Area::Challenge,
    level: Level::Should,
    party: &[Party::Server],
    class: ProbeClass::P0,
    severity: Severity::Low,
    revisions: Matrix::of("NNAA"),
    cites: &[
        Spec::Mcp(Revision::V2026_07_28).at("authorization#scope-selection-strategy"),
        Spec::Mcp(Revision::V2025_11_25)
            .at("authorization#protected-resource-metadata-discovery-requirements"),
        Spec::Rfc(6750).at("3"),
        Spec::McpSep.at("835"),
    ],
    why: "A client that is not told the scopes asks for everything in `scopes_supported`, and its \
          tokens can do more than they need.",
    fix: "Put the smallest set of scopes that lets a client connect into the challenge.",
    traps: "Absence is common and only a recommendation is missed. The set is not compared with \
            `scopes_supported`, because no relation between them is promised.",
    run: scope_param,
};

fn scope_param(facts: &Facts<'_>, _: Revision) -> Judgement {
    let Some((answer, challenge)) = facts.first_challenge() else {
        return no_challenge(facts);
    };
    match challenge.param("scope") {
        Some(scope) if !scope.trim().is_empty() => Ok(Verdict::Pass),
        Some(_) => warn(Fault::new(
            "empty",
            "`scope` of the challenge is empty.",
            answer.line_place(challenge.line),
        )),
        None => {
            uses_scopes(facts)?;
            warn(Fault::new(
                "absent",
                "The challenge has no `scope`, although the metadata lists scopes.",
                answer.line_place(challenge.line),
            ))
        }
    }
}

/// Some metadata document lists scopes; n/a if none does, inconclusive if one that was
/// asked for could not be read.
fn uses_scopes(facts: &Facts<'_>) -> Result<(), Unmet> {
    let listed = |scopes: Option<Vec<&str>>| scopes.is_some_and(|list| !list.is_empty());
    let in_prm = facts
        .selected_prm(Revision::HEADLINE)
        .is_some_and(|prm| listed(prm.document.texts("scopes_supported")));
    let candidates = || facts.issuers().iter().flat_map(|issuer| &issuer.candidates);
    let in_asm = candidates()
        .filter_map(|candidate| candidate.asm())
        .any(|document| listed(document.texts("scopes_supported")));
    if in_prm || in_asm {
        return Ok(());
    }
    let asked = facts.prm_candidates().iter().map(|c| &c.answer);
    match asked
        .chain(candidates().map(|candidate| &candidate.answer))
        .find_map(|answer| settle(answer).err())
    {
        Some(_) => inconclusive(Cause::CauseInconclusive),
        None => na(Na::Other("no_scopes")),
    }
}

pub(super) const NO_ERROR: Check = Check {
    id: "challenge-no-error-without-credentials",
    title: "The challenge to a request without credentials states no error",
    area: Area::Challenge,
    level: Level::Should,
    party: &[Party::Server],
    class: ProbeClass::P0,
    severity: Severity::Info,
    revisions: Matrix::of("AAAA"),
    cites: &[Spec::Rfc(6750).at("3.1"), Spec::OAuth21.at("5.3.2")],
    why: "A client cannot tell whether its token was seen and refused or never arrived, and \
          observers cannot tell either.",
    fix: "Tell a missing token from an invalid one, and answer the missing one with a challenge \
          without `error`.",
    traps: "Widely used middleware sends `invalid_token` for a missing header too, so this is \
            shown for information and never scored.",
    run: no_error,
};

fn no_error(facts: &Facts<'_>, _: Revision) -> Judgement {
    let Some((answer, challenge)) = facts.first_challenge() else {
        return no_challenge(facts);
    };
    match ["error", "error_description", "error_uri"]
        .into_iter()
        .find_map(|name| Some((name, challenge.param(name)?)))
    {
        None => Ok(Verdict::Pass),
        Some((name, value)) => warn(Fault::new(
            "error_present",
            format!(
                "The challenge to a request without credentials has `{name}` {}.",
                quote(value)
            ),
            answer.line_place(challenge.line),
        )),
    }
}
