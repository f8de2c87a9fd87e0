//! The part of a report that says how good: letters, badges, caps, and the points they rest on.

use serde::{Deserialize, Serialize};

use super::FindingVerdict;
use crate::check::Party;
use crate::spec::Revision;

/// A letter, worst last; `A+` only by the list of catalogue section d.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum GradeLetter {
    /// A with everything.
    #[serde(rename = "A+")]
    APlus,
    /// 85 and above.
    A,
    /// 70 and above.
    B,
    /// 55 and above.
    C,
    /// 40 and above.
    D,
    /// 20 and above.
    E,
    /// Below 20, or capped.
    F,
}

impl GradeLetter {
    /// All letters, best first.
    pub const ALL: [Self; 7] = [
        Self::APlus,
        Self::A,
        Self::B,
        Self::C,
        Self::D,
        Self::E,
        Self::F,
    ];

    /// The letter.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::APlus => "A+",
            Self::A => "A",
            Self::B => "B",
            Self::C => "C",
            Self::D => "D",
            Self::E => "E",
            Self::F => "F",
        }
    }

    /// Reads a letter; lower case is accepted.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|letter| letter.as_str().eq_ignore_ascii_case(text))
    }
}

/// A badge shown instead of a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Badge {
    /// Open.
    O,
    /// Static key.
    K,
    /// Unreachable.
    U,
    /// Blocked.
    X,
    /// Insufficient coverage.
    N,
}

impl Badge {
    /// All badges.
    pub const ALL: [Self; 5] = [Self::O, Self::K, Self::U, Self::X, Self::N];

    /// The letter of the badge.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::O => "O",
            Self::K => "K",
            Self::U => "U",
            Self::X => "X",
            Self::N => "N",
        }
    }

    /// The word readers see.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::O => "open",
            Self::K => "static key",
            Self::U => "unreachable",
            Self::X => "blocked",
            Self::N => "not enough evidence",
        }
    }
}

/// The grade under one revision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Grade {
    /// The letter, unless a badge applies or none is due.
    pub letter: Option<GradeLetter>,
    /// The badge, unless a letter applies or none is due (class not-mcp).
    pub badge: Option<Badge>,
    /// 0.0 to 100.0 with one decimal; never altered by a cap.
    pub score: Option<f64>,
    /// Band of the score alone.
    pub uncapped: Option<GradeLetter>,
    /// Every cap that applied, lowest first.
    pub caps: Vec<Cap>,
    /// Coverage between 60 and 85 %: printed with a question mark, at most B.
    pub doubtful: bool,
    /// 0.0 to 100.0 with one decimal.
    pub coverage: f64,
    /// Inconclusive MUST checks of severity critical or high.
    pub unsettled: Vec<String>,
    /// The six categories.
    pub categories: Vec<Category>,
    /// Sub-scores by party.
    pub sub: SubScores,
    /// Points lost per check in tenths, largest first; they add up to 1000 − 10 × score.
    pub ledger: Vec<LedgerLine>,
    /// Version of the rubric.
    pub rubric: String,
    /// The revision.
    pub revision: Revision,
}

/// A ceiling set by a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cap {
    /// The ceiling: a letter, or `no_a_plus`.
    pub letter: String,
    /// The check that set it; `class` for the http-sse cap.
    pub check: String,
    /// Who can act first.
    pub party: Party,
    /// The finding's reason code.
    pub reason: String,
    /// Only the authorization server can act.
    pub as_only: bool,
}

/// Score of one of the six categories.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Category {
    /// 1 to 6.
    pub id: u8,
    /// Name readers see.
    pub name: String,
    /// Share of the whole in points.
    pub share: u32,
    /// 0.0 to 100.0, or `None` when nothing was conclusive.
    pub score: Option<f64>,
    /// Applicable checks.
    pub checks: u32,
    /// Conclusive ones among them.
    pub conclusive: u32,
}

/// Scores of the checks each party answers for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SubScores {
    /// R: the MCP server.
    pub resource: Option<f64>,
    /// S: the authorization server.
    pub authorization_server: Option<f64>,
}

/// Points that one check costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerLine {
    /// The check.
    pub check: String,
    /// Tenths of a point; 0 means less than a rounded tenth.
    pub tenths: u32,
    /// Its verdict.
    pub verdict: FindingVerdict,
    /// The cause, for a blocked MUST.
    pub blocked_by: Option<String>,
}

/// A grade under a rubric that is not yet in force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FutureGrade {
    /// The rubric.
    pub rubric: String,
    /// Day it takes effect.
    pub effective: String,
    /// The letter.
    pub letter: Option<GradeLetter>,
    /// The badge.
    pub badge: Option<Badge>,
    /// The score.
    pub score: Option<f64>,
}
