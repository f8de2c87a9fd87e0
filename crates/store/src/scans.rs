//! Reading scans: history, evidence and reports.

use scanner::evidence::Evidence;
use scanner::report::{Badge, Class, GradeLetter, Report};
use scanner::time::Millis;

use crate::Store;
use crate::codec::{self, Kind, Packed};
use crate::db::on;
use crate::error::{Result, StoreError, during};
use crate::ids;
use crate::publication::{Record, record_columns};
use crate::rows::{ChangedCheck, Page, Paged, RunRow, ScanRow};
use crate::schema::Ordinals;
use crate::servers::{self, public, word};

/// Largest page of a history.
const MAX_PAGE: u32 = 200;

#[derive(Debug, sqlx::FromRow)]
struct Run {
    id: i64,
    first_scan: Vec<u8>,
    last_scan: Vec<u8>,
    first_at: i64,
    last_at: i64,
    n: i64,
    rubric: String,
    class: String,
    letter: Option<String>,
    badge: Option<String>,
    score: Option<i64>,
    cap_check: Option<String>,
    bits: Vec<u8>,
}

impl Run {
    fn read(&self, before: Option<&Self>, ordinals: &Ordinals) -> RunRow {
        let changed = match before {
            Some(before) => codec::changed(&before.bits, &self.bits),
            None => Vec::new(),
        };
        let changed_checks = changed
            .into_iter()
            .filter_map(|(ordinal, before, after)| {
                Some(ChangedCheck {
                    check: ordinals.id(ordinal)?.to_owned(),
                    before: before.as_str().into(),
                    after: after.as_str().into(),
                })
            })
            .collect();
        RunRow {
            scan: public(ids::Kind::Scan, &self.first_scan).unwrap_or_default(),
            last_scan: public(ids::Kind::Scan, &self.last_scan).unwrap_or_default(),
            first_at: Millis(self.first_at),
            last_at: Millis(self.last_at),
            n: self.n,
            letter: self.letter.as_deref().and_then(GradeLetter::parse),
            badge: word(self.badge.as_deref(), &Badge::ALL, Badge::as_str),
            score_tenths: self.score,
            class: word(Some(&self.class), &Class::ALL, Class::as_str),
            cap_check: self.cap_check.clone(),
            changed_checks,
            rubric: self.rubric.clone(),
        }
    }
}

/// A report with what is to be said of its publication.
#[derive(sqlx::FromRow)]
struct Judged {
    at: i64,
    dictionary: Option<i64>,
    bytes: Vec<u8>,
    #[sqlx(flatten)]
    record: Record,
}

impl Store {
    /// Stretches of equal scans of a server, newest first; empty if there is no such server.
    ///
    /// # Errors
    ///
    /// If the cursor is not one of this store, or the database fails.
    pub async fn history(&self, server: &str, page: &Page) -> Result<Paged<RunRow>> {
        const READ: &str = "SELECT r.id, r.first_scan, r.last_scan, r.first_at, r.last_at, r.n, \
            r.rubric, r.class, r.letter, r.badge, r.score, r.cap_check, r.bits \
            FROM run r WHERE r.target = (SELECT t.id FROM target t WHERE t.public_id = $1) \
            AND r.standing = 0 AND r.id < $2 ORDER BY r.id DESC LIMIT $3";
        let below = match page.after.as_deref() {
            Some(text) => text
                .strip_prefix('r')
                .and_then(|id| i64::from_str_radix(id, 16).ok())
                .ok_or(StoreError::Cursor)?,
            None => i64::MAX,
        };
        let Some(id) = ids::Kind::Server.read(server) else {
            return Ok(Paged {
                rows: Vec::new(),
                next: None,
            });
        };
        let limit = page.limit.clamp(1, MAX_PAGE) as usize;
        // One more than asked for: the one before the last is what it is compared with.
        let rows: Vec<Run> = on!(self.db, pool => sqlx::query_as(READ)
            .bind(&id[..])
            .bind(below)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX) + 1)
            .fetch_all(pool)
            .await)
        .map_err(during("reading a history"))?;
        let ordinals = self.ordinals(&[]).await?;
        let shown = rows.iter().take(limit);
        Ok(Paged {
            next: (rows.len() > limit)
                .then(|| rows.get(limit - 1).map(|run| format!("r{:x}", run.id)))
                .flatten(),
            rows: shown
                .enumerate()
                .map(|(position, run)| run.read(rows.get(position + 1), &ordinals))
                .collect(),
        })
    }

    /// One scan, or `None` if there is none, or it is held.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn scan(&self, id: &str) -> Result<Option<ScanRow>> {
        const READ: &str = "SELECT r.target, s.at, r.first_scan, (SELECT o.rubric FROM report o \
            WHERE o.run = r.id ORDER BY o.graded_at, o.rubric LIMIT 1) AS rubric \
            FROM scan s JOIN run r ON r.id = s.run WHERE s.id = $1 AND r.standing IN (0, 2)";
        let Some(bytes) = ids::Kind::Scan.read(id) else {
            return Ok(None);
        };
        let row: Option<(i64, i64, Vec<u8>, Option<String>)> = on!(self.db, pool => {
            sqlx::query_as(READ).bind(&bytes[..]).fetch_optional(pool).await
        })
        .map_err(during("reading a scan"))?;
        let Some((target, at, first_scan, rubric)) = row else {
            return Ok(None);
        };
        let server = self.by_row(target).await?;
        Ok(server.map(|server| ScanRow {
            scan: id.to_owned(),
            server,
            at: Millis(at),
            same_as: if first_scan == bytes {
                None
            } else {
                public(ids::Kind::Scan, &first_scan)
            },
            rubric: rubric.unwrap_or_default(),
        }))
    }

    async fn by_row(&self, target: i64) -> Result<Option<crate::rows::ServerRow>> {
        let row: Option<servers::Row> = on!(self.db, pool => {
            let mut sql = servers::select();
            sql.push(" WHERE t.id = ").push_bind(target);
            sql.build_query_as().fetch_optional(pool).await
        })
        .map_err(during("reading a server"))?;
        Ok(row.map(servers::Row::read))
    }

    /// What a scan saw, or `None` if there is no such scan. The newest scan of a server is kept
    /// whole; of older ones, what changes on every answer is gone, and of scans that saw the
    /// same there is one copy, dated as this scan.
    ///
    /// # Errors
    ///
    /// If the database fails, or what is stored is damaged.
    pub async fn evidence(&self, scan: &str) -> Result<Option<Evidence>> {
        const READ: &str = "SELECT s.at, e.dictionary, e.bytes, n.dictionary, n.bytes FROM scan s \
            JOIN run r ON r.id = s.run JOIN evidence e ON e.id = r.evidence \
            LEFT JOIN newest n ON n.target = r.target AND n.scan = s.id WHERE s.id = $1";
        type Row = (i64, Option<i64>, Vec<u8>, Option<i64>, Option<Vec<u8>>);
        let Some(bytes) = ids::Kind::Scan.read(scan) else {
            return Ok(None);
        };
        let row: Option<Row> = on!(self.db, pool => {
            sqlx::query_as(READ).bind(&bytes[..]).fetch_optional(pool).await
        })
        .map_err(during("reading evidence"))?;
        let Some((at, dictionary, bytes, newest_dictionary, newest)) = row else {
            return Ok(None);
        };
        let whole = newest.is_some();
        let packed = match newest {
            Some(bytes) => Packed {
                dictionary: newest_dictionary,
                bytes,
            },
            None => Packed { dictionary, bytes },
        };
        let bytes = self.codec.unpack(&self.db, Kind::Evidence, &packed).await?;
        let mut evidence = Evidence::decode(&bytes).map_err(|error| StoreError::Stored {
            what: "evidence",
            why: error.to_string(),
        })?;
        if !whole {
            evidence.started = Millis(at);
        }
        Ok(Some(evidence))
    }

    /// The report of a scan under a rubric, or without one, the last that was made; `None` if
    /// there is no such scan or no such report. Scans that saw and were judged the same share
    /// a report; id and time are those of this scan.
    ///
    /// # Errors
    ///
    /// If the database fails, or what is stored is damaged.
    pub async fn report(&self, scan: &str, rubric: Option<&str>) -> Result<Option<Report>> {
        const NEWEST: &str = concat!(
            "SELECT s.at, o.dictionary, o.bytes, ",
            record_columns!(),
            " FROM scan s JOIN run r ON r.id = s.run JOIN report o ON o.run = s.run \
             LEFT JOIN publication p ON p.run = r.id WHERE s.id = $1 \
             ORDER BY o.graded_at DESC, o.rubric DESC LIMIT 1"
        );
        const ONE: &str = concat!(
            "SELECT s.at, o.dictionary, o.bytes, ",
            record_columns!(),
            " FROM scan s JOIN run r ON r.id = s.run JOIN report o ON o.run = s.run \
             LEFT JOIN publication p ON p.run = r.id WHERE s.id = $1 AND o.rubric = $2"
        );
        let Some(bytes) = ids::Kind::Scan.read(scan) else {
            return Ok(None);
        };
        let row: Option<Judged> = on!(self.db, pool => match rubric {
            Some(rubric) => {
                let rubric = rubric.replace('\0', "");
                sqlx::query_as(ONE).bind(&bytes[..]).bind(rubric).fetch_optional(pool).await
            }
            None => sqlx::query_as(NEWEST).bind(&bytes[..]).fetch_optional(pool).await,
        })
        .map_err(during("reading a report"))?;
        let Some(Judged {
            at,
            dictionary,
            bytes,
            record,
        }) = row
        else {
            return Ok(None);
        };
        let packed = Packed { dictionary, bytes };
        let bytes = self.codec.unpack(&self.db, Kind::Report, &packed).await?;
        let mut report: Report =
            serde_json::from_slice(&bytes).map_err(|error| StoreError::Stored {
                what: "a report",
                why: error.to_string(),
            })?;
        record.stamp(&mut report);
        report.scan = Some(scan.to_owned());
        report.started = Millis(at).rfc3339();
        Ok(Some(report))
    }

    /// The newest scans of a server with their times, newest first; at most 1,000.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn latest_scans(&self, server: &str, n: u32) -> Result<Vec<(String, Millis)>> {
        const READ: &str = "SELECT s.id, s.at FROM run r JOIN scan s ON s.run = r.id \
            WHERE r.target = (SELECT t.id FROM target t WHERE t.public_id = $1) \
            AND r.standing = 0 ORDER BY r.id DESC, s.id DESC LIMIT $2";
        let Some(id) = ids::Kind::Server.read(server) else {
            return Ok(Vec::new());
        };
        let rows: Vec<(Vec<u8>, i64)> = on!(self.db, pool => sqlx::query_as(READ)
            .bind(&id[..])
            .bind(i64::from(n.min(1_000)))
            .fetch_all(pool)
            .await)
        .map_err(during("listing scans"))?;
        Ok(rows
            .into_iter()
            .filter_map(|(id, at)| Some((public(ids::Kind::Scan, &id)?, Millis(at))))
            .collect())
    }
}
