//! The words readers see for the closed vocabularies of reports.

use scanner::check::{Level, Party, ProbeClass, Severity};
use scanner::report::{Badge, Basis, Class, Era, Exposure, FindingVerdict, GradeLetter};
use scanner::spec::Letter;

/// One word beside a letter.
#[must_use]
pub fn letter(letter: GradeLetter) -> &'static str {
    match letter {
        GradeLetter::APlus => "exemplary",
        GradeLetter::A => "good",
        GradeLetter::B => "fair",
        GradeLetter::C => "partial",
        GradeLetter::D => "weak",
        GradeLetter::E => "poor",
        GradeLetter::F => "failing",
    }
}

/// What a letter means, in one sentence.
#[must_use]
pub fn letter_meaning(letter: GradeLetter) -> &'static str {
    match letter {
        GradeLetter::APlus => {
            "Everything we can see follows the newest revision, recommendations included."
        }
        GradeLetter::A => {
            "Clients that follow the rules can log in; at most recommendations are missing."
        }
        GradeLetter::B => "Works, but some clients will stumble, or the model is outdated.",
        GradeLetter::C => {
            "A client that follows the rules may not get through the login, or basic hygiene is missing."
        }
        GradeLetter::D => {
            "Clients that follow the rules must refuse, or metadata can be substituted."
        }
        GradeLetter::E => "There is a side door, or the transport is broken.",
        GradeLetter::F => {
            "Authorization has no effect, or tokens can be minted or taken by others."
        }
    }
}

/// What a badge means, in one sentence.
#[must_use]
pub fn badge_meaning(badge: Badge) -> &'static str {
    match badge {
        Badge::O => {
            "Nothing here asks for credentials. Authorization is optional in MCP, so this is no grade: anybody can use what is listed."
        }
        Badge::K => {
            "Protected by a long-lived key outside the MCP authorization flow, which MCP allows. OAuth rules do not apply to it."
        }
        Badge::U => "No attempt to reach it got through.",
        Badge::X => {
            "Something in front of the server answered instead of it, so nothing can be said."
        }
        Badge::N => "Too few checks came to a verdict for a letter.",
    }
}

/// The class in words.
#[must_use]
pub fn class(class: Class) -> &'static str {
    match class {
        Class::Oauth => "OAuth",
        Class::Lazy => "OAuth, partly open",
        Class::LegacyOauth => "OAuth of 2025-03-26",
        Class::StaticKey => "Static key",
        Class::BrowserSso => "Browser login",
        Class::Open => "Open",
        Class::HttpSse => "HTTP+SSE only",
        Class::NotMcp => "Not MCP",
        Class::Unreachable => "Unreachable",
        Class::Blocked => "Blocked",
    }
}

/// The class by its word in URLs; unknown words are passed through.
#[must_use]
pub fn class_named(word: &str) -> String {
    Class::ALL
        .into_iter()
        .find(|known| known.as_str() == word)
        .map_or_else(|| word.to_owned(), |known| class(known).to_owned())
}

/// The wire era in words.
#[must_use]
pub fn era(era: Era) -> &'static str {
    match era {
        Era::Modern => "Per-request versions",
        Era::Dual => "Both protocols",
        Era::Legacy => "Initialize handshake",
        Era::HttpSse => "HTTP+SSE",
        Era::Hidden => "Protocol not visible",
    }
}

/// What anonymous callers can reach, in words.
#[must_use]
pub fn exposure(exposure: Exposure) -> &'static str {
    match exposure {
        Exposure::Info => "Everything listed to anonymous callers says it only reads.",
        Exposure::Unknown => {
            "What is listed to anonymous callers does not say whether it changes anything."
        }
        Exposure::Write => "Anonymous callers are offered operations that change things.",
        Exposure::Danger => "Anonymous callers are offered operations that destroy things.",
    }
}

/// Who acts, as a heading.
#[must_use]
pub fn party(party: Party) -> &'static str {
    match party {
        Party::Server => "MCP server",
        Party::AuthorizationServer => "authorization server",
    }
}

/// How the claimed revision is known.
#[must_use]
pub fn basis(basis: Basis) -> &'static str {
    match basis {
        Basis::Observed => "observed",
        Basis::Inferred => "inferred",
    }
}

/// The verdict as a word.
#[must_use]
pub fn verdict(verdict: FindingVerdict) -> &'static str {
    match verdict {
        FindingVerdict::Pass => "pass",
        FindingVerdict::Warn => "warn",
        FindingVerdict::Fail => "fail",
        FindingVerdict::Na => "does not apply",
        FindingVerdict::Inconclusive => "could not tell",
    }
}

/// The verdict as a class of the style sheet.
#[must_use]
pub fn verdict_class(verdict: FindingVerdict) -> &'static str {
    match verdict {
        FindingVerdict::Pass => "pass",
        FindingVerdict::Warn => "warn",
        FindingVerdict::Fail => "fail",
        FindingVerdict::Na => "na",
        FindingVerdict::Inconclusive => "unsure",
    }
}

/// Severity as a word.
#[must_use]
pub fn severity(severity: Severity) -> &'static str {
    severity.as_str()
}

/// What has to be sent for a class of checks.
#[must_use]
pub fn probe_class(class: ProbeClass) -> &'static str {
    match class {
        ProbeClass::P0 => {
            "Reads what anybody may read: discovery, lists and greetings without credentials."
        }
        ProbeClass::P1 => "Also sends visibly invalid credentials and odd headers.",
        ProbeClass::P2 => {
            "Touches the authorization server's endpoints or creates state. Needs recorded consent."
        }
        ProbeClass::P3 => "Uses real credentials that the operator supplies. Self-hosted only.",
    }
}

/// The keyword's meaning for verdicts.
#[must_use]
pub fn level(level: Level) -> &'static str {
    match level {
        Level::Must => "A server that does otherwise fails the check.",
        Level::Should => "A server that does otherwise is warned.",
        Level::May => "Shown for information; never fails.",
    }
}

/// Where a revision stands towards a requirement.
#[must_use]
pub fn standing(letter: Letter) -> &'static str {
    match letter {
        Letter::A => "in force",
        Letter::C => "in force, changed",
        Letter::N => "not yet",
        Letter::R => "no longer",
    }
}

/// A standard reason of a check that has no verdict, in words. A check's own reasons are shown
/// as they are.
#[must_use]
pub fn reason(code: &str) -> String {
    let words = match code {
        "not_in_revision" => "not a rule of this revision",
        "class" => "nothing of the kind in a server of this class",
        "era" => "nothing of the kind in this wire protocol",
        "absent_by_choice" => "optional, and absent",
        "blocked" => "another check stands in the way",
        "depth" => "needs a deeper scan",
        "loopback" => "plain http on loopback counts as protected",
        "network" => "the network failed on every attempt",
        "server_fault" => "the server failed on every attempt",
        "intermediary" => "something in front of the server answered",
        "rate_limited" => "the server asked us to slow down",
        "truncated" => "the answer was longer than we read",
        "out_of_time" => "the scan ended before",
        "cause_inconclusive" => "a check this one rests on could not be told",
        "not_captured" => "this scan never asked",
        "unconfirmed" => "seen once, not yet a second time",
        "flapping" => "comes out differently each time",
        other => return other.replace('_', " "),
    };
    words.to_owned()
}

/// The cause of a difference in words.
#[must_use]
pub fn cause(code: &str) -> String {
    let words = match code {
        "server" => "The server changed",
        "authorization_server" => "The authorization server changed",
        "network" => "Network conditions differed",
        "scanner" => "We asked differently",
        "listing" => "The listing changed",
        "rubric" => "The rules changed",
        other => return other.replace('_', " "),
    };
    words.to_owned()
}
