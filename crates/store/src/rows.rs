//! What goes into the store and what comes out of it: plain structs with public fields.
//!
//! Servers and scans are known outside by the ids of [`crate::ids`]; row numbers stay inside,
//! except for [`TargetId`], which the scheduler carries between a lease and a filing.

use scanner::check::Party;
use scanner::evidence::Evidence;
use scanner::report::{Badge, Class, Era, Exposure, GradeLetter, Report};
use scanner::spec::Revision;
use scanner::target::Target;
use scanner::time::Millis;

/// Row number of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetId(pub i64);

/// A target that this process may scan until the lease ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leased {
    /// Row of the target.
    pub id: TargetId,
    /// Id of the server, `srv_…`.
    pub server: String,
    /// What to scan, with the preferred listing.
    pub target: Target,
    /// Its host as it is paced: without port and brackets. Held with the lease.
    pub host: String,
    /// Class of its newest result.
    pub class: Option<Class>,
    /// Letter of its newest result.
    pub letter: Option<GradeLetter>,
    /// End of the lease; also its name: a later lease of the same target has another end.
    pub until: Millis,
    /// Scans in a row that reached nothing, or that were given up.
    pub failures: u32,
    /// When the first of those failures was filed.
    pub failing_since: Option<Millis>,
    /// Scans in a row that were refused.
    pub refusals: u32,
    /// When the server was last scanned.
    pub checked_at: Option<Millis>,
    /// When a scan last saw something else than the scan before.
    pub changed_at: Option<Millis>,
    /// Digest of what the last scan saw, hexadecimal.
    pub surface: Option<String>,
}

/// A finished scan with its report, to be filed.
#[derive(Debug, Clone)]
pub struct Filing<'a> {
    /// Row of the target.
    pub target: TargetId,
    /// Id of the scan, `scn_…`. Filing the same id twice changes nothing the second time.
    pub scan: String,
    /// What was seen.
    pub evidence: &'a Evidence,
    /// The judgement of it under the rubric in force.
    pub report: &'a Report,
    /// When the scan ended.
    pub finished: Millis,
    /// When the server is due again; [`crate::due::NEVER`] for no further scan.
    pub next_due: Millis,
    /// The lease under which it was scanned; `None` for a run on the command line.
    pub lease_until: Option<Millis>,
}

/// What became of a filing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filed {
    /// Id of the scan.
    pub scan: String,
    /// Something else was seen or judged than by the scan before; true for a first scan.
    pub changed: bool,
    /// It is the server's first scan.
    pub first: bool,
}

/// A server that a source lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewListing {
    /// The endpoint, with the listing's own statement.
    pub target: Target,
    /// When the source was read.
    pub seen: Millis,
}

/// What an import did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ImportTally {
    /// Servers that were not known.
    pub added: u64,
    /// Listings that said nothing new.
    pub known: u64,
    /// Known servers with a new or a changed listing.
    pub updated: u64,
}

/// The current state of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerRow {
    /// `srv_…`.
    pub id: String,
    /// Normalised endpoint.
    pub url: String,
    /// Host, with the port if it is not the default.
    pub host: String,
    /// Name from the preferred listing; hostile text.
    pub name: Option<String>,
    /// Sources that list it, sorted.
    pub sources: Vec<String>,
    /// Class, once scanned.
    pub class: Option<Class>,
    /// Wire era, once scanned.
    pub era: Option<Era>,
    /// Exposure label, for classes open and lazy.
    pub exposure: Option<Exposure>,
    /// Letter of the headline grade.
    pub letter: Option<GradeLetter>,
    /// Badge instead of a letter.
    pub badge: Option<Badge>,
    /// Score in tenths of a point, 0 to 1000.
    pub score_tenths: Option<i64>,
    /// Coverage in tenths of a percent, 0 to 1000.
    pub coverage_tenths: Option<i64>,
    /// The grade is printed with a question mark.
    pub doubtful: bool,
    /// Ceiling of the lowest cap.
    pub cap_letter: Option<String>,
    /// The check that set it.
    pub cap_check: Option<String>,
    /// Who can lift it.
    pub cap_party: Option<Party>,
    /// Newest revision the server shows or implies.
    pub claimed: Option<Revision>,
    /// Its letter under that revision.
    pub claimed_letter: Option<GradeLetter>,
    /// Issuers of its authorization servers, in the order of the report.
    pub issuers: Vec<String>,
    /// `cimd`, `dcr_only` or `none`; `None` where there is no authorization server.
    pub registration: Option<String>,
    /// `s256`, `other` or `absent`; `None` where there is no authorization server.
    pub pkce: Option<String>,
    /// The newest scan, `scn_…`.
    pub last_scan: Option<String>,
    /// When that was.
    pub checked_at: Option<Millis>,
    /// When a scan last saw something else than the scan before.
    pub changed_at: Option<Millis>,
    /// When the server became known.
    pub first_seen: Millis,
    /// When it is due; `None` for never, and while a result is held.
    pub next_due: Option<Millis>,
    /// A newer result is held back; it is decided upon at this time at the latest.
    pub held_until: Option<Millis>,
    /// Number of scans filed.
    pub scans: i64,
    /// `queued`, `published`, or `failed` when scanning it was given up before the first report.
    pub state: String,
    /// At least one source still lists it.
    pub listed: bool,
}

/// Order of a list of servers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sort {
    /// Best letter and score first, badges and unscanned servers last.
    #[default]
    Letter,
    /// Last scanned first.
    Checked,
    /// Last changed first.
    Changed,
    /// By name, or host where there is none.
    Name,
}

/// Which servers to list. Conditions are joined by "and".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TargetFilter {
    /// Part of a name, host or URL; at most the first 100 characters count.
    pub q: Option<String>,
    /// A letter or a badge.
    pub letter: Option<String>,
    /// Class.
    pub class: Option<Class>,
    /// Wire era.
    pub era: Option<Era>,
    /// Id of a check that fails.
    pub failing: Option<String>,
    /// Claimed revision.
    pub claimed: Option<Revision>,
    /// `cimd`, `dcr_only` or `none`.
    pub registration: Option<String>,
    /// `s256`, `other` or `absent`.
    pub pkce: Option<String>,
    /// Product of its authorization server, or [`crate::UNRECOGNISED`].
    pub product: Option<String>,
    /// An issuer that it names: the id (`iss_…`) or the identifier.
    pub issuer: Option<String>,
    /// Name of a source that lists it.
    pub source: Option<String>,
    /// A scan saw something new then or later. Quick in the order of [`Sort::Changed`].
    pub changed_since: Option<Millis>,
    /// Last scanned then or later. Quick in the order of [`Sort::Checked`].
    pub checked_since: Option<Millis>,
    /// Last scanned before. Quick in the order of [`Sort::Checked`].
    pub checked_before: Option<Millis>,
    /// Order.
    pub sort: Sort,
}

/// Which part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// [`Paged::next`] of the page before; `None` for the first.
    pub after: Option<String>,
    /// How many rows, 1 to 500; values outside are moved to the nearest bound.
    pub limit: u32,
}

impl Page {
    /// The first page of a list.
    #[must_use]
    pub fn first(limit: u32) -> Self {
        Self { after: None, limit }
    }
}

/// Part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paged<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<String>,
}

/// How many servers there are of each kind. Kept while writing, never counted while reading.
/// Each list is sorted by value, letters best first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facets {
    /// Letters and badges.
    pub letters: Vec<(String, i64)>,
    /// Classes.
    pub classes: Vec<(String, i64)>,
    /// Wire eras.
    pub eras: Vec<(String, i64)>,
    /// Claimed revisions.
    pub claimed: Vec<(String, i64)>,
    /// Ways of registration.
    pub registration: Vec<(String, i64)>,
    /// PKCE announcements.
    pub pkce: Vec<(String, i64)>,
    /// Products of authorization servers.
    pub products: Vec<(String, i64)>,
    /// Sources.
    pub sources: Vec<(String, i64)>,
    /// All servers.
    pub total: i64,
}

/// A check whose verdict differs between a run and the run before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedCheck {
    /// Id of the check.
    pub check: String,
    /// `pass`, `warn`, `fail` or `unjudged`.
    pub before: String,
    /// The same, afterwards.
    pub after: String,
}

/// A stretch of scans that saw the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRow {
    /// First scan of the stretch.
    pub scan: String,
    /// Last scan of the stretch.
    pub last_scan: String,
    /// When it began.
    pub first_at: Millis,
    /// When it was last seen.
    pub last_at: Millis,
    /// Number of scans.
    pub n: i64,
    /// Letter.
    pub letter: Option<GradeLetter>,
    /// Badge.
    pub badge: Option<Badge>,
    /// Score in tenths of a point.
    pub score_tenths: Option<i64>,
    /// Class.
    pub class: Option<Class>,
    /// The check that set the lowest cap.
    pub cap_check: Option<String>,
    /// What differs from the stretch before, in catalogue order; empty for the first.
    pub changed_checks: Vec<ChangedCheck>,
    /// Rubric of the letter.
    pub rubric: String,
}

/// One scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScanRow {
    /// `scn_…`.
    pub scan: String,
    /// The server in its current state.
    pub server: ServerRow,
    /// When the scan began.
    pub at: Millis,
    /// The earlier scan that saw the same after normalisation, whose evidence it shares.
    pub same_as: Option<String>,
    /// Rubric of its first report.
    pub rubric: String,
}

/// An entry of the change feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeRow {
    /// Position in the feed: no gaps, and never below one that was readable before.
    pub seq: i64,
    /// When the scan began.
    pub at: Millis,
    /// `added`, `improved`, `regressed`, `changed`, `unreachable`, `recovered` or `class`; or
    /// `removed`, whose entry holds nothing but the server's id.
    pub kind: String,
    /// `srv_…`.
    pub server: String,
    /// Name of the server.
    pub server_name: Option<String>,
    /// Endpoint.
    pub url: String,
    /// Letter or badge before.
    pub from: Option<String>,
    /// Letter or badge after.
    pub to: Option<String>,
    /// `server`, `authorization_server`, `listing`, `scanner`, `network`, `rubric`; `first`
    /// for an added server.
    pub cause: String,
    /// Checks with another verdict, in catalogue order.
    pub checks: Vec<String>,
    /// The scan that saw it.
    pub scan: String,
    /// The scan before.
    pub previous_scan: Option<String>,
}

/// How servers do on one check, by their newest report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckTally {
    /// Id of the check.
    pub check: String,
    /// Servers that pass.
    pub pass: i64,
    /// Servers with a warning.
    pub warn: i64,
    /// Servers that fail.
    pub fail: i64,
    /// Servers where it does not apply or could not be told.
    pub unjudged: i64,
}

/// The index in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Servers known.
    pub servers: i64,
    /// Servers with a report.
    pub scanned: i64,
    /// Servers with a letter.
    pub graded: i64,
    /// Scans filed.
    pub scans: i64,
    /// Entries of the change feed in the last seven days, by whole UTC days; a server's first
    /// scan is no change.
    pub changes_7d: i64,
    /// Median age of the newest scans, to the hour.
    pub median_age_ms: Option<i64>,
    /// Servers that are due now, counted up to 10,000.
    pub queue: i64,
    /// Version of the data: higher after every filing and import. For caches and ETags.
    pub generation: i64,
}

/// Answer to a wish for a scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DueAnswer {
    /// It will be scanned next.
    Queued {
        /// When that was first wished: equal for all who wish it meanwhile.
        since: Millis,
        /// Since when it is due.
        due: Millis,
        /// Asked-for scans ahead of it, counted up to 1,000.
        ahead: i64,
    },
    /// A scan is running.
    Running {
        /// When its lease began.
        since: Millis,
        /// When its lease ends.
        until: Millis,
    },
    /// It was scanned a moment ago, or often enough today.
    TooSoon {
        /// The last scan came to nothing.
        failed: bool,
        /// When it may be asked for again.
        again: Millis,
        /// The scan that is recent enough.
        last_scan: Option<String>,
    },
}

/// A job and its newest run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRow {
    /// Name.
    pub name: String,
    /// The instant for which it was planned.
    pub scheduled: Millis,
    /// When it began.
    pub started: Millis,
    /// When it ended; `None` while it runs or after it died.
    pub finished: Option<Millis>,
    /// End of its lease.
    pub until: Millis,
    /// How it ended.
    pub ok: Option<bool>,
    /// What it did, or why it failed, on one line.
    pub note: String,
}

/// A stretch of scans without a report under some rubric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ungraded {
    /// First scan of the stretch; [`crate::Store::evidence`] of it is what to grade.
    pub scan: String,
    /// It is what the server shows today: its report becomes the server's state.
    pub newest: bool,
}
