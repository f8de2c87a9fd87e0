//! What is exported: records by kind, walked page by page, as they are published.
//!
//! A record is a row of values under fixed columns, so that NDJSON and CSV cannot disagree.
//! What is held or unlisted is left out and counted, what is withheld is blank, addresses that
//! answered are never among it, and nothing that took an owner's consent or credentials is.

mod columns;
mod edition;
mod form;
pub mod nightly;
mod parquet;
pub mod shelf;
mod tables;

use std::collections::HashMap;

use clap::ValueEnum;
use scanner::check::ProbeClass;
use scanner::evidence::Depth;
use scanner::report::{PublicationState, Report};
use scanner::target::Target;
use scanner::time::Millis;
use serde_json::{Value, json};
use store::{
    LeftOut, Page, ScanLine, ServerRow, Sort, Store, StoreError, StretchLine, TargetFilter,
};

use crate::api::v1::scans::{blanked, public};

pub use columns::{Column, Shape};
pub use edition::{Extent, Wanted, write};
pub use form::Form;

/// Why an export was not finished.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A file cannot be written, or a folder not changed.
    #[error("{path}: {cause}; free some space or name another folder")]
    File {
        /// The file.
        path: String,
        /// Why.
        cause: std::io::Error,
    },
    /// Something is there already.
    #[error("{0}: it exists; name another folder")]
    Exists(String),
    /// What is stored cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It was told to stop.
    #[error("stopped before it was whole")]
    Stopped,
}

impl ExportError {
    fn file(path: &std::path::Path, cause: std::io::Error) -> Self {
        Self::File {
            path: path.display().to_string(),
            cause,
        }
    }
}

/// Scans whose publication is remembered.
const REMEMBERED: usize = 10_000;
/// Rows of a page; stretches bring whole reports and evidence, so fewer of them.
const ROWS: u32 = 500;
const STRETCHES: u32 = 50;

/// Kinds of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Kind {
    /// Servers with what they show today
    Servers,
    /// Every scan with its letter
    Scans,
    /// Verdicts of checks, once per stretch of scans that saw the same
    Findings,
    /// The change feed
    Changes,
    /// What was seen, once per stretch of scans that saw the same; NDJSON only
    Evidence,
}

impl Kind {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Servers => "servers",
            Self::Scans => "scans",
            Self::Findings => "findings",
            Self::Changes => "changes",
            Self::Evidence => "evidence",
        }
    }

    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::Servers,
        Self::Scans,
        Self::Findings,
        Self::Changes,
        Self::Evidence,
    ];
}

/// Values in the order of [`Kind::columns`].
pub type Record = Vec<Value>;

/// A walk over all records of a kind.
pub struct Walk<'a> {
    store: &'a Store,
    kind: Kind,
    since: Millis,
    shown: bool,
    place: Place,
    remembered: HashMap<String, bool>,
    hidden: LeftOut,
    left_out: u64,
}

enum Place {
    Text(Option<String>),
    Number(i64),
    End,
}

impl<'a> Walk<'a> {
    /// A walk over records of `since` and later: scanned, seen or changed then.
    #[must_use]
    pub fn new(store: &'a Store, kind: Kind, since: Option<Millis>) -> Self {
        Self {
            store,
            kind,
            since: since.unwrap_or(Millis(i64::MIN)),
            shown: false,
            place: match kind {
                Kind::Servers | Kind::Scans => Place::Text(None),
                Kind::Findings | Kind::Changes | Kind::Evidence => Place::Number(0),
            },
            remembered: HashMap::new(),
            hidden: LeftOut::default(),
            left_out: 0,
        }
    }

    /// The same for findings and evidence of what servers show today alone.
    #[must_use]
    pub fn of_today(store: &'a Store, kind: Kind) -> Self {
        Self {
            shown: true,
            ..Self::new(store, kind, None)
        }
    }

    /// The same without hosts that asked that nothing is shown of them, whose data may still
    /// wait for removal.
    #[must_use]
    pub fn without(mut self, hidden: LeftOut) -> Self {
        self.hidden = hidden;
        self
    }

    /// Records that were left out because they are not published.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// The records of the next page; `None` at the end.
    ///
    /// # Errors
    ///
    /// If the database fails, or what is stored is damaged.
    pub async fn next(&mut self) -> Result<Option<Vec<Record>>, StoreError> {
        let Some(mut page) = self.page().await? else {
            return Ok(None);
        };
        let place = self.kind.columns().iter().position(|one| one.name == "url");
        let before = page.len();
        page.retain(|record| {
            let url = place.and_then(|place| record[place].as_str());
            !url.is_some_and(|url| self.hidden.hides(&Target::of(url).host()))
        });
        self.left_out += (before - page.len()) as u64;
        Ok(Some(page))
    }

    async fn page(&mut self) -> Result<Option<Vec<Record>>, StoreError> {
        match std::mem::replace(&mut self.place, Place::End) {
            Place::End => Ok(None),
            Place::Text(after) if self.kind == Kind::Servers => self.servers(after).await.map(Some),
            Place::Text(after) => self.scans(after).await.map(Some),
            Place::Number(after) if self.kind == Kind::Changes => {
                self.changes(after).await.map(Some)
            }
            Place::Number(after) => self.stretches(after).await.map(Some),
        }
    }

    /// The report a scan is published with; `None` if it is not.
    async fn report(&self, scan: &str) -> Result<Option<Report>, StoreError> {
        let report = self.store.report(scan, None).await?;
        Ok(report
            .filter(|report| {
                !matches!(
                    report.publication.state,
                    PublicationState::Held | PublicationState::Unlisted
                )
            })
            .map(blanked))
    }

    async fn published(&mut self, scan: &str) -> Result<bool, StoreError> {
        if let Some(known) = self.remembered.get(scan) {
            return Ok(*known);
        }
        let published = self.report(scan).await?.is_some();
        if self.remembered.len() >= REMEMBERED {
            self.remembered.clear();
        }
        self.remembered.insert(scan.to_owned(), published);
        Ok(published)
    }

    async fn servers(&mut self, after: Option<String>) -> Result<Vec<Record>, StoreError> {
        let filter = TargetFilter {
            sort: Sort::Name,
            ..TargetFilter::default()
        };
        let page = Page { after, limit: ROWS };
        let list = self.store.servers(&filter, &page).await?;
        if let Some(next) = list.next {
            self.place = Place::Text(Some(next));
        }
        let since = self.since;
        let all = since.0 == i64::MIN;
        Ok(list
            .rows
            .iter()
            .filter(|row| all || row.checked_at.is_some_and(|at| at >= since))
            .map(server)
            .collect())
    }

    async fn scans(&mut self, after: Option<String>) -> Result<Vec<Record>, StoreError> {
        let lines = self
            .store
            .scan_lines(after.as_deref(), self.since, ROWS)
            .await?;
        if let Some(last) = lines.last() {
            self.place = Place::Text(Some(last.scan.clone()));
        }
        let mut out = Vec::with_capacity(lines.len());
        for line in lines {
            if self
                .published(line.same_as.as_deref().unwrap_or(&line.scan))
                .await?
            {
                out.push(scan(&line));
            } else {
                self.left_out += 1;
            }
        }
        Ok(out)
    }

    async fn changes(&mut self, after: i64) -> Result<Vec<Record>, StoreError> {
        let rows = self.store.changes(after, ROWS).await?;
        if let Some(last) = rows.last() {
            self.place = Place::Number(last.seq);
        }
        let mut out = Vec::with_capacity(rows.len());
        let since = self.since;
        for row in rows.into_iter().filter(|row| row.at >= since) {
            if !self.published(&row.scan).await? {
                self.left_out += 1;
                continue;
            }
            out.push(vec![
                json!(row.seq),
                json!(row.at.rfc3339()),
                json!(row.kind),
                json!(row.cause),
                json!(row.server),
                json!(row.url),
                json!(row.from),
                json!(row.to),
                json!(row.checks),
                json!(row.scan),
                json!(row.previous_scan),
            ]);
        }
        Ok(out)
    }

    async fn stretches(&mut self, after: i64) -> Result<Vec<Record>, StoreError> {
        let lines = if self.shown {
            self.store.shown_stretch_lines(after, STRETCHES).await?
        } else {
            self.store
                .stretch_lines(after, self.since, STRETCHES)
                .await?
        };
        if let Some(last) = lines.last() {
            self.place = Place::Number(last.position);
        }
        let mut out = Vec::new();
        for line in &lines {
            let Some(report) = self.report(&line.scan).await? else {
                self.left_out += 1;
                continue;
            };
            if self.kind == Kind::Findings {
                findings(line, &report, &mut out);
                continue;
            }
            // What was seen may only be shown whole.
            let withheld = report.findings.iter().any(|finding| finding.withheld);
            if withheld || report.depth > Depth::Standard {
                self.left_out += 1;
                continue;
            }
            if let Some(evidence) = self.store.evidence(&line.scan).await? {
                let evidence = serde_json::to_value(public(evidence)).unwrap_or_default();
                out.push(vec![
                    json!(line.server),
                    json!(line.url),
                    json!(line.scan),
                    json!(line.last_scan),
                    json!(line.first_at.rfc3339()),
                    json!(line.last_at.rfc3339()),
                    json!(line.n),
                    evidence,
                ]);
            }
        }
        Ok(out)
    }
}

#[expect(clippy::cast_precision_loss, reason = "at most 1000")]
fn tenths(tenths: Option<i64>) -> Value {
    json!(tenths.map(|tenths| tenths as f64 / 10.0))
}

fn server(row: &ServerRow) -> Record {
    vec![
        json!(row.id),
        json!(row.url),
        json!(row.host),
        json!(row.name),
        json!(row.sources),
        json!(row.listed),
        json!(row.class.map(scanner::report::Class::as_str)),
        json!(row.era.map(scanner::report::Era::as_str)),
        json!(row.exposure.map(scanner::report::Exposure::as_str)),
        json!(row.letter.map(scanner::report::GradeLetter::as_str)),
        json!(row.badge.map(scanner::report::Badge::as_str)),
        tenths(row.score_tenths),
        tenths(row.coverage_tenths),
        json!(row.doubtful),
        json!(row.cap_letter),
        json!(row.cap_check),
        json!(row.claimed.map(scanner::spec::Revision::as_str)),
        json!(row.claimed_letter.map(scanner::report::GradeLetter::as_str)),
        json!(row.registration),
        json!(row.pkce),
        json!(row.issuers),
        json!(row.last_scan),
        json!(row.checked_at.map(Millis::rfc3339)),
        json!(row.changed_at.map(Millis::rfc3339)),
        json!(row.first_seen.rfc3339()),
        json!(row.scans),
    ]
}

fn scan(line: &ScanLine) -> Record {
    vec![
        json!(line.scan),
        json!(line.server),
        json!(line.url),
        json!(line.at.rfc3339()),
        json!(line.same_as),
        json!(line.class.map(scanner::report::Class::as_str)),
        json!(line.letter.map(scanner::report::GradeLetter::as_str)),
        json!(line.badge.map(scanner::report::Badge::as_str)),
        tenths(line.score_tenths),
        json!(line.rubric),
    ]
}

/// The findings that anybody could have made.
fn findings(line: &StretchLine, report: &Report, out: &mut Vec<Record>) {
    let open = |class: ProbeClass| matches!(class, ProbeClass::P0 | ProbeClass::P1);
    for finding in report.findings.iter().filter(|one| open(one.class)) {
        out.push(vec![
            json!(line.server),
            json!(line.url),
            json!(line.scan),
            json!(line.last_scan),
            json!(line.first_at.rfc3339()),
            json!(line.last_at.rfc3339()),
            json!(report.grade.rubric),
            json!(finding.check),
            json!(finding.verdict),
            json!(finding.reason),
            json!(finding.detail),
            json!(finding.severity),
            json!(finding.level),
            json!(finding.party),
            json!(finding.class),
            json!(finding.revision),
            json!(finding.withheld),
        ]);
    }
}
