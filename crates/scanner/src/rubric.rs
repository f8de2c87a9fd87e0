//! The versioned set of weights and caps over the catalogue (section (d)). A rubric is code,
//! not configuration: two installations with one version string agree.

use sha2::{Digest, Sha256};

use crate::check::{Area, Check, Level, ProbeClass, Severity};
use crate::checks;
use crate::facts::Facts;
use crate::report::{Class, Era, FindingVerdict, GradeLetter};
use crate::spec::Revision;

/// One rubric.
#[derive(Debug, PartialEq, Eq)]
pub struct Rubric {
    /// `YYYY.N`; raised whenever any verdict, weight or cap may come out differently.
    pub version: &'static str,
    /// The day it took effect.
    pub effective: &'static str,
}

static CURRENT: Rubric = Rubric {
    version: "2026.2",
    effective: "2026-11-25",
};

/// The rubric in force.
#[must_use]
pub fn current() -> &'static Rubric {
    &CURRENT
}

/// The rubric of that version, if this program has it.
#[must_use]
pub fn by_version(version: &str) -> Option<&'static Rubric> {
    [&CURRENT]
        .into_iter()
        .find(|rubric| rubric.version == version)
}

/// One of the six categories of the score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CategoryInfo {
    /// 1 to 6.
    pub id: u8,
    /// Name readers see.
    pub name: &'static str,
    /// Share of the whole, in points of 100.
    pub share: u32,
}

/// The categories in order.
pub const CATEGORIES: [CategoryInfo; 6] = [
    CategoryInfo {
        id: 1,
        name: "Discovery and challenge",
        share: 30,
    },
    CategoryInfo {
        id: 2,
        name: "Authorization server posture",
        share: 30,
    },
    CategoryInfo {
        id: 3,
        name: "Token and session enforcement",
        share: 15,
    },
    CategoryInfo {
        id: 4,
        name: "Onboarding and least privilege",
        share: 10,
    },
    CategoryInfo {
        id: 5,
        name: "Transport and browser surface",
        share: 10,
    },
    CategoryInfo {
        id: 6,
        name: "Disclosure",
        share: 5,
    },
];

/// Checks that are shown and never scored: interoperability notes.
pub const UNSCORED: [&str; 10] = [
    "asm-no-mandatory-extensions",
    "cors-preflight",
    "cors-metadata-readable",
    "exposure-open-inventory",
    "challenge-no-error-without-credentials",
    "reg-dcr-advertised",
    "hygiene-security-txt",
    "stateless-unknown-method-404",
    "stateless-get-405",
    "legacy-root-metadata",
];

/// Checks whose `fail` was wrong in more than one of a hundred labelled pairs of the corpus
/// (docs/accuracy.md): they are shown and scored, and cap nothing.
pub const UNPROVEN: [&str; 0] = [];

/// Position in [`CATEGORIES`] of the category a check counts in; `None` for the exposure
/// checks, which feed the exposure label instead.
#[must_use]
pub fn category(check: &Check) -> Option<usize> {
    match check.id {
        "legacy-mirror-consistent" => return Some(1),
        "exposure-key-in-url" => return None,
        _ => (),
    }
    match check.area {
        Area::Challenge | Area::ResourceMetadata => Some(0),
        Area::AsMetadata | Area::Pkce | Area::Endpoints => Some(1),
        Area::TokenHandling | Area::Session | Area::Legacy => Some(2),
        Area::Registration | Area::ResourceIndicators | Area::Scopes => Some(3),
        Area::Transport | Area::Origin => Some(4),
        Area::Hygiene => (!check.id.starts_with("exposure-")).then_some(5),
    }
}

/// Weight of a check at a severity: the catalogue's weight times five, so that the factor 0.6
/// of a SHOULD stays a whole number.
#[must_use]
pub fn weight(check: &Check, severity: Severity) -> u64 {
    if UNSCORED.contains(&check.id) || category(check).is_none() {
        return 0;
    }
    raw_weight(severity) * factor(check.level)
}

fn raw_weight(severity: Severity) -> u64 {
    match severity {
        Severity::Critical => 20,
        Severity::High => 10,
        Severity::Medium => 5,
        Severity::Low => 2,
        Severity::Info => 0,
    }
}

fn factor(level: Level) -> u64 {
    match level {
        Level::Must => 5,
        Level::Should => 3,
        Level::May => 0,
    }
}

/// The letter of a score alone, from tenths of a point.
#[must_use]
pub fn band(score_tenths: i64) -> GradeLetter {
    match score_tenths {
        850.. => GradeLetter::A,
        700.. => GradeLetter::B,
        550.. => GradeLetter::C,
        400.. => GradeLetter::D,
        200.. => GradeLetter::E,
        _ => GradeLetter::F,
    }
}

/// A ceiling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ceiling {
    /// A, but not A+.
    NoAPlus,
    /// A letter from B to F.
    Letter(GradeLetter),
}

impl Ceiling {
    /// The written form: a letter, or `no_a_plus`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoAPlus => "no_a_plus",
            Self::Letter(letter) => letter.as_str(),
        }
    }

    /// The best letter under this ceiling.
    #[must_use]
    pub fn best(self) -> GradeLetter {
        match self {
            Self::NoAPlus => GradeLetter::A,
            Self::Letter(letter) => letter,
        }
    }
}

/// The ceiling that a finding sets (section d.3), if any. `severity` is the finding's own,
/// after the rule for sub-classes.
#[must_use]
pub fn ceiling(
    check: &Check,
    verdict: FindingVerdict,
    reason: &str,
    relation: Option<&str>,
    severity: Severity,
    protected: bool,
) -> Option<Ceiling> {
    use GradeLetter as L;
    match verdict {
        FindingVerdict::Fail if UNPROVEN.contains(&check.id) => return None,
        FindingVerdict::Fail => (),
        FindingVerdict::Warn => {
            let named = matches!(
                check.id,
                "pkce-no-plain" | "reg-cimd-advertised" | "asm-iss-parameter"
            );
            return (check.level == Level::Must || named).then_some(Ceiling::NoAPlus);
        }
        FindingVerdict::Pass | FindingVerdict::Na | FindingVerdict::Inconclusive => return None,
    }
    let letter = match check.id {
        "token-bogus-rejected" | "jwks-no-private-keys" | "era-auth-parity" | "hygiene-secrets" => {
            L::F
        }
        "token-forged-jwt-rejected"
        | "session-not-authentication"
        | "token-other-audience-rejected"
        | "token-passthrough-refused"
        | "authz-unregistered-redirect-refused"
        | "cimd-redirect-uri"
        | "pkce-verifier-enforced" => L::F,
        "tls-https-endpoint" if protected => L::F,
        "tls-certificate-valid"
        | "legacy-sse-protected"
        | "challenge-get-stream"
        | "batch-auth-parity"
        | "challenge-consistent"
        | "jwks-key-strength"
        | "authz-proxy-consent"
        | "ri-token-audience"
        | "token-expired-rejected"
        | "token-tampered-rejected" => L::E,
        "asm-endpoints-https" if matches!(reason, "not_https" | "script_url") => L::E,
        "asm-endpoints-https"
        | "prm-resource-same-origin"
        | "cors-no-credentials"
        | "challenge-host-reflection" => L::D,
        "prm-authorization-servers-resolve" => L::D,
        "asm-issuer-identical" if relation == Some("slash") => L::B,
        "asm-issuer-identical" => L::D,
        "prm-discoverable"
        | "challenge-resource-metadata-url"
        | "prm-resource-syntax"
        | "challenge-lazy-prm"
        | "prm-authorization-servers-present"
        | "prm-authorization-servers-form"
        | "asm-discoverable"
        | "asm-issuer-syntax"
        | "asm-required-fields"
        | "pkce-advertised"
        | "pkce-s256"
        | "challenge-status-401"
        | "challenge-not-login-redirect"
        | "tls-configuration"
        | "tls-plaintext-refused" => L::C,
        "prm-resource-identical"
        | "asm-alg-none"
        | "transport-redirects"
        | "exposure-key-in-url" => L::B,
        _ if check.level == Level::Must
            && matches!(check.class, ProbeClass::P0 | ProbeClass::P1)
            && severity >= Severity::High =>
        {
            L::B
        }
        _ => return None,
    };
    Some(Ceiling::Letter(letter))
}

/// The cap of the deprecated transport, in the headline column alone.
#[must_use]
pub fn transport_ceiling(class: Class, era: Era, revision: Revision) -> Option<Ceiling> {
    let old = class == Class::HttpSse || era == Era::HttpSse;
    (old && revision == Revision::HEADLINE).then_some(Ceiling::Letter(GradeLetter::B))
}

/// What A+ asks for besides a score of 95, no fail, no cap and full coverage: HSTS on every
/// authorization server's host.
#[must_use]
pub fn as_hosts_have_hsts(facts: &Facts<'_>) -> bool {
    let mut seen = false;
    let all = facts
        .issuers()
        .iter()
        .flat_map(|issuer| &issuer.candidates)
        .all(|candidate| {
            let Some(response) = candidate.answer.response() else {
                return true;
            };
            if candidate.asm().is_none() {
                return true;
            }
            seen = true;
            response
                .header("strict-transport-security")
                .is_some_and(|value| hsts_max_age(value).is_some_and(|age| age >= 15_552_000))
        });
    seen && all
}

/// `max-age` of a Strict-Transport-Security value (RFC 6797 section 6.1.1).
#[must_use]
pub fn hsts_max_age(value: &str) -> Option<u64> {
    value.split(';').find_map(|directive| {
        let (name, age) = directive.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("max-age")
            .then(|| age.trim().trim_matches('"').parse().ok())?
    })
}

/// A digest over everything in the catalogue and this file that can move a grade without a
/// change of check code: ids, levels, classes, severities, matrices, categories and weights.
#[must_use]
pub fn digest() -> String {
    let mut hash = Sha256::new();
    for check in checks::all() {
        hash.update(format!(
            "{}|{:?}|{:?}|{:?}|{:?}|{:?}|{}\n",
            check.id,
            check.level,
            check.class,
            check.severity,
            check.revisions.0,
            category(check),
            weight(check, check.severity),
        ));
    }
    hash.update(format!("{CATEGORIES:?}{UNSCORED:?}"));
    hash.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Ceiling, band, hsts_max_age};
    use crate::report::GradeLetter;

    #[test]
    fn bands_begin_where_the_rubric_says() {
        assert_eq!(band(1000), GradeLetter::A);
        assert_eq!(band(850), GradeLetter::A);
        assert_eq!(band(849), GradeLetter::B);
        assert_eq!(band(550), GradeLetter::C);
        assert_eq!(band(400), GradeLetter::D);
        assert_eq!(band(200), GradeLetter::E);
        assert_eq!(band(199), GradeLetter::F);
    }

    #[test]
    fn ceilings_order_from_mild_to_severe() {
        let mut all = [
            Ceiling::Letter(GradeLetter::F),
            Ceiling::NoAPlus,
            Ceiling::Letter(GradeLetter::B),
        ];
        all.sort();
        assert_eq!(all[0], Ceiling::NoAPlus);
        assert_eq!(all[2], Ceiling::Letter(GradeLetter::F));
    }

    #[test]
    fn hsts_is_read_in_any_spelling() {
        assert_eq!(
            hsts_max_age("includeSubDomains; Max-Age=\"31536000\""),
            Some(31_536_000)
        );
        assert_eq!(hsts_max_age("includeSubDomains"), None);
    }
}
