//! What is published of a server: the looks that the decision of [`scanner::publish`] rests on,
//! read from the history, and its outcome, written with the scan that led to it.
//!
//! A stretch of equal scans has one standing. What is to be said beyond it (why it waits, what
//! the published grade changes about what was seen) is a row of `publication`, which most
//! stretches do not have; their report is published as it is.

use scanner::evidence::Evidence;
use scanner::grade::grade_with;
use scanner::publish::{self, Known, Observed, Overrides, Publication, Rules, Standing};
use scanner::report::{FindingVerdict, GradeLetter, PublicationState, Report};
use scanner::time::Millis;

use crate::Store;
use crate::codec::{Kind, Packed};
use crate::db::{Tx, on, within};
use crate::error::{Result, StoreError, during};
use crate::ids;
use crate::servers::public;

/// Stretches of a server that are looked at, newest first.
const LOOKS: i64 = 60;
/// Scans that flapping is judged by, besides the newest.
const SCANS: u32 = 4;
/// The operation, in messages.
const READING: &str = "reading what is published of a server";

/// The columns of a publication beside a stretch.
#[derive(Debug, Clone, Default, sqlx::FromRow)]
pub(crate) struct Record {
    pub(crate) standing: i64,
    pub(crate) reason: Option<String>,
    pub(crate) until: Option<i64>,
    pub(crate) confirmed_at: Option<i64>,
    pub(crate) overrides: Option<String>,
    pub(crate) withheld: Option<String>,
}

/// The columns of a [`Record`], of `run r LEFT JOIN publication p`.
macro_rules! record_columns {
    () => {
        "r.standing, p.reason, p.until, p.confirmed_at, p.overrides, p.withheld"
    };
}
pub(crate) use record_columns;

impl Record {
    pub(crate) fn standing(&self) -> Standing {
        Standing::of_code(self.standing)
    }

    pub(crate) fn overrides(&self) -> Overrides {
        let text = self.overrides.as_deref();
        text.and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default()
    }

    fn withheld(&self) -> Vec<String> {
        let text = self.withheld.as_deref();
        text.and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default()
    }

    fn confirmed(&self) -> Option<Millis> {
        self.confirmed_at.filter(|at| *at > 0).map(Millis)
    }

    /// The state as a report says it.
    pub(crate) fn state(&self) -> PublicationState {
        match self.standing() {
            Standing::Published => PublicationState::Published,
            Standing::NotReproduced => PublicationState::NotReproduced,
            Standing::Held | Standing::Withdrawn => PublicationState::Held,
        }
    }

    /// Writes the publication into a report; there is nothing to write for one that is shown as
    /// it was seen.
    pub(crate) fn stamp(&self, report: &mut Report) {
        if self.standing == 0 && self.confirmed_at.is_none() {
            return;
        }
        let publication = &mut report.publication;
        if publication.state == PublicationState::Local || self.standing != 0 {
            publication.state = self.state();
        }
        publication.confirmed_at = self.confirmed().map(Millis::rfc3339);
        publication.until = self.until.map(|until| Millis(until).rfc3339());
        publication.reason.clone_from(&self.reason);
        publication.overrides = self.overrides();
        let withheld = self.withheld();
        let confirmed = self.confirmed().is_some();
        for finding in &mut report.findings {
            finding.withheld |= withheld.contains(&finding.check);
            let grave = finding.severity >= scanner::check::Severity::High;
            if finding.verdict == FindingVerdict::Fail && grave && confirmed {
                finding.confirmed = Some(true);
            }
            if finding.reason == "unconfirmed" {
                finding.confirmed = Some(false);
            }
        }
    }
}

/// What a filing does to what is published.
#[derive(Debug, Clone)]
pub(crate) struct Settled {
    pub(crate) publication: Publication,
    /// Stretches whose standing changes.
    pub(crate) earlier: Vec<(i64, Standing)>,
    /// Something still waits, so that the next scan has to be settled too, even if it is equal.
    pub(crate) open: bool,
}

impl Settled {
    pub(crate) fn published(&self) -> bool {
        self.publication.standing == Standing::Published
    }

    /// Whether there is more to say than the standing.
    fn says_something(&self) -> bool {
        let publication = &self.publication;
        publication.reason.is_some()
            || publication.confirmed_at.is_some()
            || !publication.overrides.is_empty()
            || !publication.withheld.is_empty()
    }
}

/// The looks at a server, oldest first, with their rows.
#[derive(Debug, Default)]
pub(crate) struct Looks {
    pub(crate) rows: Vec<i64>,
    pub(crate) looks: Vec<Observed>,
    published_low: bool,
}

#[derive(Debug, sqlx::FromRow)]
struct Stretch {
    id: i64,
    first_at: i64,
    last_at: i64,
    n: i64,
    dictionary: Option<i64>,
    bytes: Vec<u8>,
    #[sqlx(flatten)]
    record: Record,
}

/// The report as it is published: graded once more with what the publication changes. A rubric
/// that this program does not have cannot be graded with; the report then stays as it is.
pub(crate) fn effective(evidence: &Evidence, report: &Report, overrides: &Overrides) -> Report {
    if overrides.is_empty() {
        return report.clone();
    }
    let Some(rubric) = scanner::rubric::by_version(&report.grade.rubric) else {
        return report.clone();
    };
    let mut out = grade_with(evidence, rubric, overrides);
    out.scan.clone_from(&report.scan);
    out.publication.clone_from(&report.publication);
    out
}

impl Store {
    /// By which rules results are published from now on. Without this call nothing is held: what
    /// is seen is shown.
    pub fn publish_by(&self, rules: Rules) {
        *self
            .rules
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = rules;
    }

    fn rules(&self) -> Rules {
        *self
            .rules
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The rules in force at this moment; `None` where nothing is held.
    pub(crate) async fn rules_now(&self) -> Result<Option<Rules>> {
        let rules = self.rules();
        if !rules.hold {
            return Ok(None);
        }
        let frozen = rules.frozen || self.frozen().await?.is_some();
        Ok(Some(Rules { frozen, ..rules }))
    }

    /// What the publication of a scan changes about what was seen.
    pub(crate) async fn overrides(&self, scan: &[u8]) -> Result<Overrides> {
        const READ: &str = "SELECT p.overrides FROM scan s JOIN publication p ON p.run = s.run \
            WHERE s.id = $1";
        let row: Option<(Option<String>,)> =
            on!(self.db, pool => sqlx::query_as(READ).bind(scan).fetch_optional(pool).await)
                .map_err(during(READING))?;
        let text = row.and_then(|(text,)| text);
        Ok(text
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default())
    }

    /// What is known of a server besides its newest scan.
    pub(crate) async fn looks(&self, target: i64, shown: Option<i64>) -> Result<Looks> {
        const READ: &str = concat!(
            "SELECT r.id, r.first_at, r.last_at, r.n, o.dictionary, o.bytes, ",
            record_columns!(),
            " FROM run r JOIN report o ON o.run = r.id AND o.rubric = r.rubric \
             LEFT JOIN publication p ON p.run = r.id \
             WHERE r.target = $1 ORDER BY r.id DESC LIMIT $2"
        );
        const LOW: &str = "SELECT COUNT(*) FROM (SELECT 1 FROM run r WHERE r.target = $1 \
            AND r.standing = 0 AND r.letter IN ('D', 'E', 'F') LIMIT 1) AS low";
        let read = async {
            let rows: Vec<Stretch> = on!(self.db, pool => {
                sqlx::query_as(READ).bind(target).bind(LOOKS).fetch_all(pool).await
            })?;
            let (low,): (i64,) =
                on!(self.db, pool => sqlx::query_as(LOW).bind(target).fetch_one(pool).await)?;
            Ok((rows, low > 0))
        };
        let (rows, published_low) = read.await.map_err(during(READING))?;
        let mut out = Looks {
            published_low,
            ..Looks::default()
        };
        let mut scans = 0;
        for row in rows {
            let needed =
                scans < SCANS || row.record.standing() == Standing::Held || Some(row.id) == shown;
            scans = scans.saturating_add(u32::try_from(row.n).unwrap_or(u32::MAX));
            if needed {
                out.rows.push(row.id);
                out.looks.push(self.observed(row).await?);
            }
        }
        out.rows.reverse();
        out.looks.reverse();
        Ok(out)
    }

    async fn observed(&self, row: Stretch) -> Result<Observed> {
        let packed = Packed {
            dictionary: row.dictionary,
            bytes: row.bytes,
        };
        let bytes = self.codec.unpack(&self.db, Kind::Report, &packed).await?;
        let report: Report =
            serde_json::from_slice(&bytes).map_err(|error| StoreError::Stored {
                what: "a report",
                why: error.to_string(),
            })?;
        let mut look = Observed::of(&report, row.record.overrides(), Millis(row.first_at));
        look.last_at = Millis(row.last_at);
        look.scans = u32::try_from(row.n).unwrap_or(u32::MAX);
        look.standing = row.record.standing();
        look.confirmed_at = row.record.confirmed();
        Ok(look)
    }

    /// What becomes of a result: the report to be published, and what to do with it.
    pub(crate) async fn settle(
        &self,
        server: &str,
        target: i64,
        shown: Option<i64>,
        (evidence, report): (&Evidence, &Report),
        rules: &Rules,
    ) -> Result<(Report, Settled)> {
        let known = self.looks(target, shown).await?;
        let now = evidence.started;
        let seen = Known {
            server,
            looks: &known.looks,
            published_low: known.published_low,
        };
        let raw = Observed::of(report, Overrides::default(), now);
        let adjusted = publish::adjust(&seen, &raw, rules);
        let mut out = effective(evidence, report, &adjusted);
        let publication = publish::settle(
            &seen,
            &Observed::of(&out, adjusted.clone(), now),
            now,
            rules,
        );
        if publication.overrides != adjusted {
            out = effective(evidence, report, &publication.overrides);
        }
        let moved = |position: usize| {
            publication
                .earlier
                .iter()
                .any(|(moved, _)| *moved == position)
        };
        let waiting = known
            .looks
            .iter()
            .enumerate()
            .any(|(position, look)| look.standing == Standing::Held && !moved(position));
        let settled = Settled {
            earlier: publication
                .earlier
                .iter()
                .filter_map(|(position, standing)| Some((*known.rows.get(*position)?, *standing)))
                .collect(),
            open: waiting
                || publication.standing != Standing::Published
                || !publication.overrides.is_empty(),
            publication,
        };
        Ok((out, settled))
    }
}

/// Writes what was decided about a stretch and the ones before it.
pub(crate) async fn write(
    tx: &mut Tx,
    target: i64,
    run: i64,
    settled: &Settled,
) -> Result<(), sqlx::Error> {
    const SHOWN: &str = "UPDATE target SET seen = NULL, held_until = NULL, pending = $2 \
        WHERE id = $1";
    const HELD: &str = "UPDATE target SET seen = $2, held_until = $3, pending = 1 WHERE id = $1";
    const STAND: &str = "UPDATE run SET standing = $2 WHERE id = $1 AND standing <> $2";
    const SAY: &str = "INSERT INTO publication (run, reason, until, confirmed_at, overrides, \
        withheld) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (run) DO UPDATE SET \
        reason = excluded.reason, until = excluded.until, confirmed_at = excluded.confirmed_at, \
        overrides = excluded.overrides, withheld = excluded.withheld";
    const PASSED: &str = "UPDATE publication SET reason = NULL, until = NULL WHERE run = $1";
    const SILENT: &str = "DELETE FROM publication WHERE run = $1";
    let publication = &settled.publication;
    for (earlier, standing) in &settled.earlier {
        if *earlier == run {
            continue;
        }
        within!(tx, c => sqlx::query(STAND)
            .bind(*earlier)
            .bind(standing.code())
            .execute(c)
            .await
            .map(drop))?;
        within!(tx, c => sqlx::query(PASSED).bind(*earlier).execute(c).await.map(drop))?;
    }
    within!(tx, c => sqlx::query(STAND)
        .bind(run)
        .bind(publication.standing.code())
        .execute(c)
        .await
        .map(drop))?;
    if settled.says_something() {
        let overrides = (!publication.overrides.is_empty())
            .then(|| serde_json::to_string(&publication.overrides).ok())
            .flatten();
        let withheld = (!publication.withheld.is_empty())
            .then(|| serde_json::Value::from(publication.withheld.clone()).to_string());
        within!(tx, c => sqlx::query(SAY)
            .bind(run)
            .bind(publication.reason.map(publish::Reason::as_str))
            .bind(publication.until.map(|until| until.0))
            .bind(publication.confirmed_at.map_or(0, |at| at.0))
            .bind(overrides)
            .bind(withheld)
            .execute(c)
            .await
            .map(drop))?;
    } else {
        within!(tx, c => sqlx::query(SILENT).bind(run).execute(c).await.map(drop))?;
    }
    if settled.published() {
        within!(tx, c => sqlx::query(SHOWN)
            .bind(target)
            .bind(i64::from(settled.open))
            .execute(c)
            .await
            .map(drop))
    } else {
        within!(tx, c => sqlx::query(HELD)
            .bind(target)
            .bind(run)
            .bind(publication.until.map(|until| until.0))
            .execute(c)
            .await
            .map(drop))
    }
}

/// Counts the scans of a server that are shown, after stretches changed their standing, and says
/// how many there are.
pub(crate) async fn recount(tx: &mut Tx, target: i64) -> Result<i64, sqlx::Error> {
    const COUNT: &str = "SELECT CAST(COALESCE(SUM(n), 0) AS BIGINT) FROM run \
        WHERE target = $1 AND standing = 0";
    const WRITE: &str = "UPDATE visit SET scans = $2 WHERE target = $1";
    let (scans,): (i64,) = within!(tx, c => sqlx::query_as(COUNT).bind(target).fetch_one(c).await)?;
    within!(tx, c => sqlx::query(WRITE).bind(target).bind(scans).execute(c).await.map(drop))?;
    Ok(scans)
}

/// A result that is not shown, for its owner and for staff: never for strangers.
#[derive(Debug, Clone, PartialEq)]
pub struct HeldRow {
    /// The newest scan that saw it.
    pub scan: String,
    /// When it was first seen.
    pub since: Millis,
    /// `confirming`, `notified` or `frozen`.
    pub reason: String,
    /// When it was seen for the second time.
    pub confirmed_at: Option<Millis>,
    /// When the hold ends at the latest.
    pub until: Option<Millis>,
    /// Letter.
    pub letter: Option<GradeLetter>,
    /// Badge instead of a letter.
    pub badge: Option<String>,
}

impl Store {
    /// What is held of a server, newest first. [`Store::report`] gives its report, whoever asks:
    /// this is for owners and staff.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn held(&self, server: &str) -> Result<Vec<HeldRow>> {
        const READ: &str = "SELECT r.last_scan, r.first_at, p.reason, p.confirmed_at, p.until, \
            r.letter, r.badge FROM run r JOIN target t ON t.id = r.target \
            LEFT JOIN publication p ON p.run = r.id \
            WHERE t.public_id = $1 AND r.standing = 1 ORDER BY r.id DESC LIMIT $2";
        type Row = (
            Vec<u8>,
            i64,
            Option<String>,
            Option<i64>,
            Option<i64>,
            Option<String>,
            Option<String>,
        );
        let Some(id) = ids::Kind::Server.read(server) else {
            return Ok(Vec::new());
        };
        let rows: Vec<Row> = on!(self.db, pool => {
            sqlx::query_as(READ).bind(&id[..]).bind(LOOKS).fetch_all(pool).await
        })
        .map_err(during(READING))?;
        Ok(rows
            .into_iter()
            .filter_map(|(scan, since, reason, confirmed, until, letter, badge)| {
                Some(HeldRow {
                    scan: public(ids::Kind::Scan, &scan)?,
                    since: Millis(since),
                    reason: reason.unwrap_or_else(|| "confirming".into()),
                    confirmed_at: confirmed.filter(|at| *at > 0).map(Millis),
                    until: until.map(Millis),
                    letter: letter.as_deref().and_then(GradeLetter::parse),
                    badge,
                })
            })
            .collect())
    }
}
