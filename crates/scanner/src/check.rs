//! What a check is: constant data plus a pure function over [`Facts`], and the words
//! in which it answers.

use serde::{Deserialize, Serialize};

use crate::evidence::ExchangeId;
use crate::facts::Facts;
use crate::spec::{Citation, Matrix, Revision};

/// One rule of the catalogue.
#[derive(Debug)]
pub struct Check {
    /// Kebab-case, for ever: never renamed, never reused, never re-defined.
    pub id: &'static str,
    /// A sentence that is true of a compliant server.
    pub title: &'static str,
    /// Part of the catalogue it belongs to.
    pub area: Area,
    /// Keyword of the cited text.
    pub level: Level,
    /// Who has to act; where two are named, the first normally acts.
    pub party: &'static [Party],
    /// What has to be sent to judge it.
    pub class: ProbeClass,
    /// How bad a failure is, unless a verdict refines it.
    pub severity: Severity,
    /// In which revisions it is in force.
    pub revisions: Matrix,
    /// The texts that demand it; at least one.
    pub cites: &'static [Citation],
    /// What goes wrong otherwise, in one or two sentences.
    pub why: &'static str,
    /// What to change, in one or two sentences.
    pub fix: &'static str,
    /// How an observer can be misled, and what is done about it.
    pub traps: &'static str,
    /// Judges the facts in the column of one revision.
    pub run: fn(&Facts<'_>, Revision) -> Judgement,
}

/// Areas of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Area {
    /// TLS and redirects.
    Transport,
    /// Unauthenticated behaviour and the 401 challenge.
    Challenge,
    /// RFC 9728 documents.
    ResourceMetadata,
    /// RFC 8414 and OpenID configuration documents.
    AsMetadata,
    /// Proof Key for Code Exchange.
    Pkce,
    /// How clients become known.
    Registration,
    /// RFC 8707.
    ResourceIndicators,
    /// What the server does with tokens.
    TokenHandling,
    /// Scopes.
    Scopes,
    /// Endpoints of the authorization server.
    Endpoints,
    /// Sessions and statelessness.
    Session,
    /// Origin validation and CORS.
    Origin,
    /// Disclosure, hygiene and exposure.
    Hygiene,
    /// Old revisions, and parity between eras.
    Legacy,
}

impl Area {
    /// All areas in catalogue order.
    pub const ALL: [Self; 14] = [
        Self::Transport,
        Self::Challenge,
        Self::ResourceMetadata,
        Self::AsMetadata,
        Self::Pkce,
        Self::Registration,
        Self::ResourceIndicators,
        Self::TokenHandling,
        Self::Scopes,
        Self::Endpoints,
        Self::Session,
        Self::Origin,
        Self::Hygiene,
        Self::Legacy,
    ];

    /// The kebab-case name used in URLs and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Transport => "transport",
            Self::Challenge => "challenge",
            Self::ResourceMetadata => "resource-metadata",
            Self::AsMetadata => "as-metadata",
            Self::Pkce => "pkce",
            Self::Registration => "registration",
            Self::ResourceIndicators => "resource-indicators",
            Self::TokenHandling => "token-handling",
            Self::Scopes => "scopes",
            Self::Endpoints => "endpoints",
            Self::Session => "session",
            Self::Origin => "origin",
            Self::Hygiene => "hygiene",
            Self::Legacy => "legacy",
        }
    }

    /// The heading readers see.
    #[must_use]
    pub fn heading(self) -> &'static str {
        match self {
            Self::Transport => "Transport and TLS",
            Self::Challenge => "The 401 challenge",
            Self::ResourceMetadata => "Protected resource metadata",
            Self::AsMetadata => "Authorization server metadata",
            Self::Pkce => "PKCE",
            Self::Registration => "Client registration",
            Self::ResourceIndicators => "Resource indicators",
            Self::TokenHandling => "Token handling",
            Self::Scopes => "Scopes",
            Self::Endpoints => "Authorization server endpoints",
            Self::Session => "Sessions and statelessness",
            Self::Origin => "Origin validation and CORS",
            Self::Hygiene => "Disclosure and exposure",
            Self::Legacy => "Legacy revisions and parity",
        }
    }
}

/// Keyword of the requirement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Level {
    /// A MUST may fail.
    Must,
    /// A SHOULD warns, and fails only where its text says so.
    Should,
    /// A MAY never fails.
    May,
}

impl Level {
    /// The keyword.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Must => "MUST",
            Self::Should => "SHOULD",
            Self::May => "MAY",
        }
    }
}

/// Who can act on a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Party {
    /// The MCP server's operator.
    Server,
    /// The authorization server's operator or vendor.
    AuthorizationServer,
}

impl Party {
    /// The word used in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::AuthorizationServer => "authorization_server",
        }
    }
}

/// What has to be sent (catalogue section 0.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ProbeClass {
    /// Discovery without credentials.
    P0,
    /// Deliberately invalid credentials or odd headers.
    P1,
    /// Touches authorization servers, or creates state: needs consent.
    P2,
    /// Real credentials supplied by the operator.
    P3,
}

impl ProbeClass {
    /// `P0` to `P3`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::P0 => "P0",
            Self::P1 => "P1",
            Self::P2 => "P2",
            Self::P3 => "P3",
        }
    }
}

/// How bad a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Not scored.
    Info,
    /// Weight 2.
    Low,
    /// Weight 5.
    Medium,
    /// Weight 10.
    High,
    /// Weight 20.
    Critical,
}

impl Severity {
    /// The word used in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// What a check says.
pub type Judgement = Result<Verdict, Unmet>;

/// A conclusive answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Observed to hold.
    Pass,
    /// Holds in part, or a recommendation is not followed.
    Warn(Fault),
    /// Observed not to hold.
    Fail(Fault),
}

/// What is wrong, and which exchange shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// A code from a closed set of this check, in lower-case `snake_case`.
    pub reason: &'static str,
    /// One sentence. Text of the server in it is quoted, escaped and at most 200 characters.
    pub said: String,
    /// The exchanges and places that show it; never empty in a report.
    pub at: Vec<Place>,
    /// Replaces the check's severity, where a sub-class has its own.
    pub severity: Option<Severity>,
    /// Result of comparing two identifiers, where the check compares them.
    pub relation: Option<&'static str>,
}

impl Fault {
    /// A fault with a reason code, a sentence and the place that shows it.
    #[must_use]
    pub fn new(reason: &'static str, said: impl Into<String>, at: Place) -> Self {
        Self {
            reason,
            said: said.into(),
            at: vec![at],
            severity: None,
            relation: None,
        }
    }

    /// The same with a further place.
    #[must_use]
    pub fn and(mut self, at: Place) -> Self {
        if !self.at.contains(&at) {
            self.at.push(at);
        }
        self
    }

    /// The same with a severity of its own.
    #[must_use]
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = Some(severity);
        self
    }

    /// The same with the result of a comparison.
    #[must_use]
    pub fn relation(mut self, relation: &'static str) -> Self {
        self.relation = Some(relation);
        self
    }
}

/// A place in an exchange: `header:www-authenticate[0]`, `body:/resource`, `status`,
/// `tls`, `url`, `timing`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// Which exchange.
    pub exchange: ExchangeId,
    /// Where in it.
    pub at: String,
}

impl Place {
    /// A place by its written form.
    #[must_use]
    pub fn new(exchange: ExchangeId, at: impl Into<String>) -> Self {
        Self {
            exchange,
            at: at.into(),
        }
    }

    /// The status line.
    #[must_use]
    pub fn status(exchange: ExchangeId) -> Self {
        Self::new(exchange, "status")
    }

    /// The first line of a header.
    #[must_use]
    pub fn header(exchange: ExchangeId, name: &str) -> Self {
        Self::new(exchange, format!("header:{name}[0]"))
    }

    /// A JSON Pointer into the body; empty for the whole body.
    #[must_use]
    pub fn body(exchange: ExchangeId, pointer: &str) -> Self {
        Self::new(exchange, format!("body:{pointer}"))
    }
}

/// Why a check has no verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unmet {
    /// There is nothing to judge.
    NotApplicable(Na),
    /// There is something to judge, but it could not be told.
    Inconclusive(Cause),
    /// The document this check reads is missing or unusable; the named check says why
    /// (root-cause collapse, catalogue section 0.6). Becomes n/a with `blocked_by` when that
    /// check failed, inconclusive when it was inconclusive, and n/a otherwise.
    Blocked(&'static str),
}

/// Why a check does not apply. The standard reasons, and one of a check's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Na {
    /// Not in force in this revision.
    NotInRevision,
    /// The server's class has nothing of the kind.
    Class,
    /// The server's wire era has nothing of the kind.
    Era,
    /// An optional thing is absent.
    AbsentByChoice,
    /// Needs a deeper scan than this one.
    Depth,
    /// Plain http on loopback, judged as trustworthy.
    Loopback,
    /// A reason of the check's own, in `snake_case`.
    Other(&'static str),
}

impl Na {
    /// The reason code of the report.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NotInRevision => "not_in_revision",
            Self::Class => "class",
            Self::Era => "era",
            Self::AbsentByChoice => "absent_by_choice",
            Self::Depth => "depth",
            Self::Loopback => "loopback",
            Self::Other(code) => code,
        }
    }
}

/// Why a check is inconclusive. The standard reasons, and one of a check's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Network failure on all attempts.
    Network,
    /// 5xx on all attempts.
    ServerFault,
    /// Something in front of the server answered.
    Intermediary,
    /// 429.
    RateLimited,
    /// The body passed its cap.
    Truncated,
    /// The scan ended before.
    OutOfTime,
    /// A check this one rests on is inconclusive.
    CauseInconclusive,
    /// The scan never asked.
    NotCaptured,
    /// A reason of the check's own, in `snake_case`.
    Other(&'static str),
}

impl Cause {
    /// The reason code of the report.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::ServerFault => "server_fault",
            Self::Intermediary => "intermediary",
            Self::RateLimited => "rate_limited",
            Self::Truncated => "truncated",
            Self::OutOfTime => "out_of_time",
            Self::CauseInconclusive => "cause_inconclusive",
            Self::NotCaptured => "not_captured",
            Self::Other(code) => code,
        }
    }
}

/// Shorthand for a judgement that does not apply.
///
/// # Errors
///
/// Always: it is the error arm of a [`Judgement`].
pub fn na<T>(why: Na) -> Result<T, Unmet> {
    Err(Unmet::NotApplicable(why))
}

/// Shorthand for a judgement that could not be told.
///
/// # Errors
///
/// Always: it is the error arm of a [`Judgement`].
pub fn inconclusive<T>(why: Cause) -> Result<T, Unmet> {
    Err(Unmet::Inconclusive(why))
}

/// Shorthand for a warning.
///
/// # Errors
///
/// Never.
pub fn warn(fault: Fault) -> Judgement {
    Ok(Verdict::Warn(fault))
}

/// Shorthand for a failure.
///
/// # Errors
///
/// Never.
pub fn fail(fault: Fault) -> Judgement {
    Ok(Verdict::Fail(fault))
}

/// The first failure, else the first warning, else a pass. Further faults of the same degree
/// lend the finding their sentences and places.
///
/// # Errors
///
/// Never.
pub fn worst(fails: Vec<Fault>, warns: Vec<Fault>) -> Judgement {
    if let Some(fault) = joined(fails) {
        return fail(fault);
    }
    match joined(warns) {
        Some(fault) => warn(fault),
        None => Ok(Verdict::Pass),
    }
}

/// At most this many sentences are joined; the places of all are kept.
const JOINED: usize = 4;

fn joined(faults: Vec<Fault>) -> Option<Fault> {
    let mut rest = faults.into_iter();
    let mut first = rest.next()?;
    for (count, fault) in (1..).zip(rest) {
        if count < JOINED {
            first.said.push_str("; ");
            first.said.push_str(&fault.said);
        }
        for place in fault.at {
            first = first.and(place);
        }
    }
    Some(first)
}
