//! Score, coverage, caps and letter of one column (section (d)).

use std::collections::BTreeMap;

use super::Resolved;
use crate::check::{Check, Level, Party, ProbeClass, Severity};
use crate::checks;
use crate::facts::Facts;
use crate::report::{
    Badge, Cap, Category, Class, FindingVerdict, Grade, GradeLetter, LedgerLine, SubScores,
};
use crate::rubric::{self, CATEGORIES, Ceiling, Rubric};
use crate::score::{Part, Score, decimal, score};
use crate::spec::Revision;

const SHARES: [u32; 6] = [
    CATEGORIES[0].share,
    CATEGORIES[1].share,
    CATEGORIES[2].share,
    CATEGORIES[3].share,
    CATEGORIES[4].share,
    CATEGORIES[5].share,
];

/// Which checks a grade counts (section d.1 item 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Classes P0 and P1: all servers are measured alike.
    Public,
    /// All classes: what consent and credentials made visible counts too.
    Verified,
}

impl Scope {
    fn counts(self, check: &Check) -> bool {
        self == Self::Verified || matches!(check.class, ProbeClass::P0 | ProbeClass::P1)
    }
}

/// The grade of one column from its resolved answers, which are in catalogue order.
#[must_use]
pub fn grade_of(
    facts: &Facts<'_>,
    resolved: &[Resolved],
    revision: Revision,
    rubric: &Rubric,
    scope: Scope,
) -> Grade {
    let lines: Vec<Line<'_>> = checks::all()
        .zip(resolved)
        .filter(|(check, _)| scope.counts(check))
        .filter(|(_, resolved)| !resolved.retired)
        .map(|(check, resolved)| Line { check, resolved })
        .collect();
    let coverage = Coverage::of(&lines);
    let class = facts.class();
    let scored = scored(&lines, |_| true);
    let caps = caps(facts, &lines, revision);
    let mut grade = Grade {
        letter: None,
        badge: badge(class),
        score: None,
        uncapped: None,
        caps: Vec::new(),
        doubtful: false,
        coverage: coverage.percent(),
        unsettled: unsettled(&lines),
        categories: categories(&lines, scored.as_ref()),
        sub: SubScores {
            resource: sub_score(&lines, Party::Server),
            authorization_server: sub_score(&lines, Party::AuthorizationServer),
        },
        ledger: Vec::new(),
        rubric: rubric.version.into(),
        revision,
    };
    if !class.graded() {
        return grade;
    }
    let Some(scored) = scored.filter(|_| coverage.at_least(60)) else {
        grade.badge = Some(Badge::N);
        return grade;
    };
    grade.doubtful = !coverage.at_least(85);
    grade.score = Some(decimal(scored.score.tenths));
    grade.uncapped = Some(rubric::band(scored.score.tenths));
    grade.ledger = ledger(&scored);
    let ceilings: Vec<Ceiling> = caps.iter().map(|(ceiling, _)| *ceiling).collect();
    grade.caps = caps.into_iter().map(|(_, cap)| cap).collect();
    let mut letter = rubric::band(scored.score.tenths);
    if let Some(lowest) = ceilings.iter().max() {
        letter = letter.max(lowest.best());
    }
    if grade.doubtful {
        letter = letter.max(GradeLetter::B);
    }
    if letter == GradeLetter::A && deserves_plus(facts, &lines, &scored.score, &coverage, &ceilings)
    {
        letter = GradeLetter::APlus;
    }
    grade.letter = Some(letter);
    grade
}

/// A check with its answer, scored or not.
#[derive(Clone, Copy)]
struct Line<'r> {
    check: &'static Check,
    resolved: &'r Resolved,
}

impl Line<'_> {
    fn weight(&self) -> u64 {
        rubric::weight(self.check, self.resolved.severity)
    }

    /// Conclusive, or a MUST that stands behind a failed cause.
    fn counts(&self) -> bool {
        self.resolved.verdict.conclusive() || self.blocked_must()
    }

    fn blocked_must(&self) -> bool {
        self.resolved.blocked_by_fail && self.check.level == Level::Must
    }

    fn applicable(&self) -> bool {
        self.resolved.verdict != FindingVerdict::Na || self.resolved.blocked_by_fail
    }
}

struct Scored<'r> {
    lines: Vec<Line<'r>>,
    score: Score,
}

fn scored<'r>(lines: &[Line<'r>], wanted: impl Fn(&Line<'r>) -> bool) -> Option<Scored<'r>> {
    let lines: Vec<Line<'r>> = lines
        .iter()
        .copied()
        .filter(|line| line.counts() && line.weight() > 0 && wanted(line))
        .collect();
    let parts: Vec<Part> = lines
        .iter()
        .filter_map(|line| {
            let category = rubric::category(line.check)?;
            Some(Part::of(category, line.weight(), line.resolved.verdict))
        })
        .collect();
    let score = score(&parts, SHARES)?;
    Some(Scored { lines, score })
}

fn ledger(scored: &Scored<'_>) -> Vec<LedgerLine> {
    let mut ledger: Vec<LedgerLine> = scored
        .lines
        .iter()
        .zip(scored.score.ledger.iter().zip(&scored.score.loses))
        .filter(|(_, (_, loses))| **loses)
        .map(|(line, (tenths, _))| LedgerLine {
            check: line.check.id.into(),
            tenths: *tenths,
            verdict: line.resolved.verdict,
            blocked_by: line.resolved.blocked_by.map(str::to_owned),
        })
        .collect();
    ledger.sort_by_key(|line| std::cmp::Reverse(line.tenths));
    ledger
}

fn sub_score(lines: &[Line<'_>], party: Party) -> Option<f64> {
    scored(lines, |line| line.check.party.contains(&party))
        .map(|scored| decimal(scored.score.tenths))
}

fn categories(lines: &[Line<'_>], scored: Option<&Scored<'_>>) -> Vec<Category> {
    CATEGORIES
        .iter()
        .enumerate()
        .map(|(position, info)| {
            let here: Vec<&Line<'_>> = lines
                .iter()
                .filter(|line| rubric::category(line.check) == Some(position))
                .filter(|line| line.applicable())
                .collect();
            Category {
                id: info.id,
                name: info.name.into(),
                share: info.share,
                score: scored
                    .and_then(|scored| scored.score.categories[position])
                    .map(decimal),
                checks: count(here.len()),
                conclusive: count(here.iter().filter(|line| line.counts()).count()),
            }
        })
        .collect()
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Weight of conclusive applicable MUST checks over that of applicable ones (section d.4).
struct Coverage {
    conclusive: u64,
    applicable: u64,
}

impl Coverage {
    fn of(lines: &[Line<'_>]) -> Self {
        let mut out = Self {
            conclusive: 0,
            applicable: 0,
        };
        for line in lines {
            if line.check.level != Level::Must || !line.applicable() {
                continue;
            }
            out.applicable += line.weight();
            if line.counts() {
                out.conclusive += line.weight();
            }
        }
        out
    }

    fn at_least(&self, percent: u64) -> bool {
        self.applicable > 0 && self.conclusive * 100 >= self.applicable * percent
    }

    fn percent(&self) -> f64 {
        if self.applicable == 0 {
            return 0.0;
        }
        let tenths = (self.conclusive * 2000 + self.applicable) / (self.applicable * 2);
        decimal(i64::try_from(tenths).unwrap_or(0))
    }
}

fn unsettled(lines: &[Line<'_>]) -> Vec<String> {
    lines
        .iter()
        .filter(|line| {
            line.resolved.verdict == FindingVerdict::Inconclusive
                && line.check.level == Level::Must
                && line.resolved.severity >= Severity::High
        })
        .map(|line| line.check.id.to_owned())
        .collect()
}

fn badge(class: Class) -> Option<Badge> {
    match class {
        Class::Open | Class::HttpSse => Some(Badge::O),
        Class::StaticKey => Some(Badge::K),
        Class::Unreachable => Some(Badge::U),
        Class::Blocked => Some(Badge::X),
        Class::Oauth | Class::Lazy | Class::LegacyOauth | Class::BrowserSso | Class::NotMcp => None,
    }
}

/// Every cap, lowest letter first; of one ceiling in catalogue order.
fn caps(facts: &Facts<'_>, lines: &[Line<'_>], revision: Revision) -> Vec<(Ceiling, Cap)> {
    let mut caps: Vec<(Ceiling, Cap)> = lines
        .iter()
        .filter_map(|line| {
            let ceiling = rubric::ceiling(
                line.check,
                line.resolved.verdict,
                &line.resolved.reason,
                line.resolved.relation,
                line.resolved.severity,
                facts.protected(),
            )?;
            Some((
                ceiling,
                Cap {
                    letter: ceiling.as_str().into(),
                    check: line.check.id.into(),
                    party: line.check.party[0],
                    reason: line.resolved.reason.clone(),
                    as_only: line.check.party == [Party::AuthorizationServer],
                },
            ))
        })
        .collect();
    if let Some(ceiling) = rubric::transport_ceiling(facts.class(), facts.era(), revision) {
        caps.push((
            ceiling,
            Cap {
                letter: ceiling.as_str().into(),
                check: "legacy-sse-offered".into(),
                party: Party::Server,
                reason: "http_sse_only".into(),
                as_only: false,
            },
        ));
    }
    caps.sort_by_key(|(ceiling, _)| std::cmp::Reverse(*ceiling));
    caps
}

/// The list of section d.3 for A+, for what is in force in the column.
fn deserves_plus(
    facts: &Facts<'_>,
    lines: &[Line<'_>],
    score: &Score,
    coverage: &Coverage,
    ceilings: &[Ceiling],
) -> bool {
    let by_id: BTreeMap<&str, &Resolved> = lines
        .iter()
        .map(|line| (line.check.id, line.resolved))
        .collect();
    let passes = |id: &str| {
        by_id.get(id).is_none_or(|resolved| {
            resolved.verdict == FindingVerdict::Pass || resolved.reason == "not_in_revision"
        })
    };
    score.tenths >= 950
        && ceilings.is_empty()
        && !lines
            .iter()
            .any(|line| line.resolved.verdict == FindingVerdict::Fail)
        && [
            "pkce-s256",
            "pkce-no-plain",
            "reg-cimd-advertised",
            "asm-iss-parameter",
            "prm-resource-identical",
        ]
        .into_iter()
        .all(passes)
        && rubric::as_hosts_have_hsts(facts)
        && coverage.at_least(95)
}
