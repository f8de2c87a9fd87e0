//! The report of one scan under one rubric: the schema `authdex.report/1`.
//!
//! Readers must accept unknown members and enum values; a change of meaning would be
//! `authdex.report/2`. Made by [`crate::grade::grade`].

mod marks;
mod outlook;

use std::collections::BTreeMap;

pub use marks::{Badge, Cap, Category, FutureGrade, Grade, GradeLetter, LedgerLine, SubScores};
pub use outlook::{Attribution, Connection, Fixer, Reach, Step};
use serde::{Deserialize, Serialize};

use crate::check::{Level, Party, Place, ProbeClass, Severity};
use crate::evidence::{Depth, ExchangeId, Stopped};
use crate::publish::Overrides;
use crate::spec::Revision;
use crate::target::Listing;

/// The constant of [`Report::schema`].
pub const SCHEMA: &str = "authdex.report/1";

/// All findings, grades and coverage of one scan under one rubric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: String,
    /// Id of the scan; `None` for a run on the command line that was not saved.
    pub scan: Option<String>,
    /// What was scanned.
    pub target: ReportTarget,
    /// Server class (catalogue section (c)).
    pub class: Class,
    /// Wire era.
    pub era: Era,
    /// Marks such as `open_handshake` or `wrong_refusal_status`, sorted.
    pub flags: Vec<String>,
    /// Exposure label, for classes open and lazy.
    pub exposure: Option<Exposure>,
    /// The newest revision the server shows or implies.
    pub claimed: Option<Claimed>,
    /// How much was allowed to be sent.
    pub depth: Depth,
    /// RFC 3339 UTC.
    pub started: String,
    /// Length of the scan.
    pub duration_ms: u32,
    /// Why the scan ended.
    pub stopped: Stopped,
    /// The program.
    pub scanner: ScannerInfo,
    /// Scan policy in force.
    pub policy_version: Option<String>,
    /// The headline grade.
    pub grade: Grade,
    /// Grades under all four revisions.
    pub grades: BTreeMap<Revision, Grade>,
    /// Grade with P2 and P3 checks; `None` below depth consented.
    pub verified: Option<Grade>,
    /// Grades under announced rubrics.
    pub future: Vec<FutureGrade>,
    /// Every check of the catalogue once, in catalogue order.
    pub findings: Vec<Finding>,
    /// Authorization servers examined, at most three.
    pub authorization_servers: Vec<AuthorizationServer>,
    /// What we sent.
    pub requests: Requests,
    /// Index of the exchanges; bodies are in the evidence.
    pub exchanges: Vec<ExchangeIndex>,
    /// Digests of the evidence.
    pub evidence: EvidenceInfo,
    /// Whether and how the report is published.
    pub publication: Publication,
    /// Result of a private policy, which never changes a grade.
    pub overlay: Option<serde_json::Value>,
    /// Which clients would get how far, one line per profile. Empty in reports of before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub connect: Vec<Connection>,
}

/// What was scanned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportTarget {
    /// Normalised URL.
    pub url: String,
    /// Host, with the port if it is not the default.
    pub host: String,
    /// Name from the listing; hostile text.
    pub name: Option<String>,
    /// The listing.
    pub listing: Option<Listing>,
}

/// Server class (catalogue section (c)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Every operation needs a token.
    Oauth,
    /// Some operations open, some protected.
    Lazy,
    /// Protected in the way of 2025-03-26.
    LegacyOauth,
    /// Protected by a key outside OAuth.
    StaticKey,
    /// Protected by login redirects.
    BrowserSso,
    /// Nothing refuses for lack of credentials.
    Open,
    /// Only the transport of 2024-11-05, open.
    HttpSse,
    /// Reachable, but no MCP behaviour.
    NotMcp,
    /// No attempt got through.
    Unreachable,
    /// Something in front of the server answered everything.
    Blocked,
}

impl Class {
    /// All classes.
    pub const ALL: [Self; 10] = [
        Self::Oauth,
        Self::Lazy,
        Self::LegacyOauth,
        Self::StaticKey,
        Self::BrowserSso,
        Self::Open,
        Self::HttpSse,
        Self::NotMcp,
        Self::Unreachable,
        Self::Blocked,
    ];

    /// The word used in JSON and URLs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Oauth => "oauth",
            Self::Lazy => "lazy",
            Self::LegacyOauth => "legacy-oauth",
            Self::StaticKey => "static-key",
            Self::BrowserSso => "browser-sso",
            Self::Open => "open",
            Self::HttpSse => "http-sse",
            Self::NotMcp => "not-mcp",
            Self::Unreachable => "unreachable",
            Self::Blocked => "blocked",
        }
    }

    /// Whether the class gets a letter.
    #[must_use]
    pub fn graded(self) -> bool {
        matches!(
            self,
            Self::Oauth | Self::Lazy | Self::LegacyOauth | Self::BrowserSso
        )
    }
}

/// Wire era.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Era {
    /// Per-request versions, 2026-07-28 on.
    Modern,
    /// Both.
    Dual,
    /// The initialize handshake.
    Legacy,
    /// HTTP+SSE of 2024-11-05.
    HttpSse,
    /// Cannot be seen without credentials.
    Hidden,
}

impl Era {
    /// The word used in JSON and URLs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Modern => "modern",
            Self::Dual => "dual",
            Self::Legacy => "legacy",
            Self::HttpSse => "http-sse",
            Self::Hidden => "hidden",
        }
    }
}

/// What anonymous callers can reach (catalogue section d.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Exposure {
    /// Read-only hints on all tools, or no tools.
    #[serde(rename = "O-info")]
    Info,
    /// No annotations.
    #[serde(rename = "O-unknown")]
    Unknown,
    /// Write verbs, or not read-only.
    #[serde(rename = "O-write")]
    Write,
    /// Destructive by annotation or schema.
    #[serde(rename = "O-danger")]
    Danger,
}

impl Exposure {
    /// The label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "O-info",
            Self::Unknown => "O-unknown",
            Self::Write => "O-write",
            Self::Danger => "O-danger",
        }
    }
}

/// The newest revision a server shows or implies (catalogue section b.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claimed {
    /// The revision.
    pub revision: Revision,
    /// Seen in a version list or negotiation, or inferred.
    pub basis: Basis,
    /// Weight of the inference.
    pub weight: Option<Weight>,
}

/// How a claimed revision is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Listed or negotiated.
    Observed,
    /// Read off other signals: a lower bound.
    Inferred,
}

/// Weight of an inference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// Other explanations are common.
    Weak,
    /// Other explanations exist.
    Medium,
    /// Hardly anything else explains it.
    Strong,
}

/// The program that scanned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScannerInfo {
    /// `authdex`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Plan number.
    pub plan: u32,
}

/// The flattened form of a judgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingVerdict {
    /// Holds.
    Pass,
    /// Holds in part.
    Warn,
    /// Does not hold.
    Fail,
    /// Nothing to judge.
    Na,
    /// Could not be told.
    Inconclusive,
}

impl FindingVerdict {
    /// The word used in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Na => "na",
            Self::Inconclusive => "inconclusive",
        }
    }

    /// Pass, warn or fail.
    #[must_use]
    pub fn conclusive(self) -> bool {
        matches!(self, Self::Pass | Self::Warn | Self::Fail)
    }
}

/// One check's result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Id of the check.
    pub check: String,
    /// Verdict in the column `revision`.
    pub verdict: FindingVerdict,
    /// Reason code: `ok` for a pass.
    pub reason: String,
    /// One sentence; empty for a pass.
    pub detail: String,
    /// After the rule for sub-classes.
    pub severity: Severity,
    /// Keyword of the requirement.
    pub level: Level,
    /// Who can act; the first acts first.
    pub party: Vec<Party>,
    /// What had to be sent.
    pub class: ProbeClass,
    /// The check that stands in the way.
    pub blocked_by: Option<String>,
    /// The column that was judged: the headline, or for a retired requirement the
    /// newest of its columns that the server speaks (shown, not scored).
    pub revision: Revision,
    /// Rests on an exchange whose certificate did not validate.
    pub unvalidated: bool,
    /// Seen twice; `None` where confirmation does not apply.
    pub confirmed: Option<bool>,
    /// Exchanges and places; not empty for warn and fail.
    pub evidence: Vec<Place>,
    /// Verdicts in other revisions, where they differ.
    pub by_revision: BTreeMap<Revision, OtherVerdict>,
    /// Result of comparing two identifiers.
    pub relation: Option<String>,
    /// `reason`, `detail` and `evidence` are blank until a deadline.
    pub withheld: bool,
    /// Who has to act, on warnings and failures. Absent in reports of before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attribution: Option<Attribution>,
}

/// A verdict in another revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherVerdict {
    /// The verdict.
    pub verdict: FindingVerdict,
    /// Its reason code.
    pub reason: String,
}

/// An authorization server that was examined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationServer {
    /// The identifier as listed.
    pub issuer: String,
    /// Its host.
    pub host: String,
    /// The product it was recognised as.
    pub product: Option<String>,
    /// How it was recognised.
    pub product_basis: Option<String>,
    /// The one a client would take.
    pub selected: bool,
    /// Where its metadata was found.
    pub metadata_url: Option<String>,
    /// Position in `authorization_servers`, or `None` for the origin fallback.
    pub listed_at: Option<u32>,
}

/// What we sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requests {
    /// All requests, retries included.
    pub total: u32,
    /// Retries among them.
    pub retries: u32,
    /// To the endpoint's host.
    pub endpoint: u32,
    /// To each authorization server's host.
    pub authorization_servers: BTreeMap<String, u32>,
    /// To others.
    pub other: u32,
}

/// One line about an exchange.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExchangeIndex {
    /// Its id.
    pub id: ExchangeId,
    /// Why it was asked.
    pub purpose: String,
    /// Method.
    pub method: String,
    /// URL.
    pub url: String,
    /// Status, if there was a response.
    pub status: Option<u16>,
    /// Failure, if there was none.
    pub failure: Option<String>,
    /// Since the start of the scan.
    pub after_ms: u32,
    /// Until the answer was read.
    pub took_ms: u32,
}

/// Digests of the evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceInfo {
    /// Evidence schema.
    pub schema: u16,
    /// SHA-256 of the encoded evidence, hexadecimal.
    pub sha256: String,
    /// SHA-256 after normalisation; equal for scans that saw the same.
    pub surface_sha256: String,
    /// File of the bundle.
    pub bundle: Option<String>,
}

/// Whether a report is published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publication {
    /// State.
    pub state: PublicationState,
    /// When bad news was seen for the second time, RFC 3339.
    pub confirmed_at: Option<String>,
    /// End of a hold, RFC 3339.
    pub until: Option<String>,
    /// `confirming` while a first look waits for the second. Absent where there is nothing to
    /// say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What the published grade leaves out or adds, so that it can be computed again from the
    /// evidence. Absent if it says what was seen.
    #[serde(default, skip_serializing_if = "Overrides::is_empty")]
    pub overrides: Overrides,
}

impl Publication {
    /// The state of a run on the command line.
    #[must_use]
    pub fn local() -> Self {
        Self {
            state: PublicationState::Local,
            confirmed_at: None,
            until: None,
            reason: None,
            overrides: Overrides::default(),
        }
    }
}

/// State of publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PublicationState {
    /// Shown.
    Published,
    /// Waiting.
    Held,
    /// Outvoted by later scans.
    NotReproduced,
    /// Reachable by id only.
    Unlisted,
    /// Command line.
    Local,
}
