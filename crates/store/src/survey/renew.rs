//! Reading stored evidence for what was filed before there was a survey, or under an earlier
//! reading of it.

use scanner::report::Report;
use tokio::sync::watch;

use super::{Survey, VERSION};
use crate::Store;
use crate::counters::Counters;
use crate::db::{on, within};
use crate::error::{Result, StoreError, during};
use crate::ids::Kind;
use crate::servers::public;

const DOING: &str = "reading evidence for statistics";
/// Targets read at a time.
const PAGE: i64 = 200;

type Row = (i64, i64, i64, Vec<u8>);

impl Store {
    /// Reads the evidence that servers show for all that statistics need and lack. Returns how
    /// many servers were read; ends early, with what was done until then, when `stop` turns
    /// true.
    ///
    /// # Errors
    ///
    /// If the database fails; what was read until then stays.
    pub async fn renew_survey(&self, stop: &watch::Receiver<bool>) -> Result<u64> {
        const READ: &str = "SELECT t.id, t.run, t.changed_at, r.last_scan FROM target t \
            JOIN run r ON r.id = t.run LEFT JOIN survey s ON s.target = t.id \
            WHERE t.id > $1 AND (s.version IS NULL OR s.version <> $2) ORDER BY t.id LIMIT $3";
        let mut after = 0;
        let mut done = 0;
        loop {
            let rows: Vec<Row> = on!(self.db, pool => sqlx::query_as(READ)
                .bind(after)
                .bind(VERSION)
                .bind(PAGE)
                .fetch_all(pool)
                .await)
            .map_err(during(DOING))?;
            let Some((last, ..)) = rows.last() else {
                return Ok(done);
            };
            after = *last;
            for row in &rows {
                if *stop.borrow() {
                    return Ok(done);
                }
                done += u64::from(self.read_anew(row).await?);
            }
        }
    }

    async fn read_anew(&self, (target, run, changed_at, scan): &Row) -> Result<bool> {
        let scan = public(Kind::Scan, scan).unwrap_or_default();
        let read = match (self.evidence(&scan).await, self.report(&scan, None).await) {
            (Ok(Some(evidence)), Ok(Some(report))) => Some((evidence, report)),
            (Err(StoreError::Stored { what, why }), _)
            | (_, Err(StoreError::Stored { what, why })) => {
                tracing::warn!(%scan, %what, %why, "cannot be counted");
                None
            }
            (Err(error), _) | (_, Err(error)) => return Err(error),
            _ => None,
        };
        let Some((evidence, report)): Option<(_, Report)> = read else {
            return Ok(false);
        };
        let survey = Survey::of(&evidence, &report);
        let keep = async {
            let mut tx = self.db.begin().await?;
            // As filing does, before anything else: a scan may be filed meanwhile.
            let sql = if tx.is_postgres() {
                "SELECT t.run FROM target t JOIN visit v ON v.target = t.id WHERE t.id = $1 \
                 FOR UPDATE OF v"
            } else {
                "SELECT t.run FROM target t WHERE t.id = $1"
            };
            let shown: Option<(Option<i64>,)> =
                within!(tx, c => sqlx::query_as(sql).bind(*target).fetch_optional(c).await)?;
            if shown != Some((Some(*run),)) {
                return Ok(false);
            }
            let mut counters = Counters::default();
            counters.survey.add(*target, *run, *changed_at, &survey);
            counters.write(&mut tx, 0).await?;
            tx.commit().await?;
            Ok(true)
        };
        keep.await.map_err(during(DOING))
    }
}
