//! What was sent, for those who ask: notes under the id that every request carries, totals by
//! day, and what hosts said of being asked.

use scanner::time::Millis;

use crate::Store;
use crate::counters::{Counters, DAY};
use crate::db::{Tx, on, within};
use crate::error::{Result, during};
use crate::ids::Kind;
use crate::leases::Lane;
use crate::rows::TargetId;

/// Notes of what was sent are kept for so long.
const NOTES_MS: i64 = 90 * DAY;
/// What a host said of being asked is kept for so long after it was heard.
const MANNERS_MS: i64 = 2 * DAY;
/// Claims that nobody proved are kept for so long.
const CLAIMS_MS: i64 = 7 * DAY;
/// Most lines of a note, and most bytes.
const NOTE_BYTES: usize = 64 * 1024;

/// Requests that were sent under one id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errand {
    /// The id that they carried, `scn_…`.
    pub id: String,
    /// When the first was sent.
    pub at: Millis,
    /// Host that they went to.
    pub host: String,
    /// Why, in a word: `scan`, `robots`, `opt_out`, `proof`.
    pub why: String,
    /// The requests, as JSON.
    pub lines: String,
}

/// What a scan or another errand sent, to be counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sent {
    /// HTTP requests and handshakes.
    pub requests: u64,
    /// Bytes of methods, addresses, headers and bodies that were sent.
    pub sent_bytes: u64,
    /// Bytes of bodies that were read.
    pub read_bytes: u64,
    /// Hosts that something was sent to.
    pub hosts: Vec<String>,
    /// Requests that were not sent: the guard, robots.txt or an opt-out forbade them.
    pub refusals: u64,
    /// Answers of 429.
    pub slowed: u64,
    /// Scans that ended because somebody said stop.
    pub stops: u64,
}

/// What was sent on one day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MeterDay {
    /// Days since 1970 in UTC.
    pub day: i64,
    /// See [`Sent`].
    pub requests: i64,
    /// See [`Sent`].
    pub sent_bytes: i64,
    /// See [`Sent`].
    pub read_bytes: i64,
    /// Different hosts.
    pub hosts: i64,
    /// See [`Sent`].
    pub refusals: i64,
    /// See [`Sent`].
    pub slowed: i64,
    /// See [`Sent`].
    pub stops: i64,
}

impl Store {
    /// Counts what was sent, and notes the requests that no filed scan tells of.
    ///
    /// # Errors
    ///
    /// If the database fails; then nothing is counted.
    pub async fn note_sent(&self, sent: &Sent, errand: Option<&Errand>, now: Millis) -> Result<()> {
        let mut hashes = Vec::with_capacity(sent.hosts.len());
        for host in &sent.hosts {
            hashes.push(self.hash_of(host).await?);
        }
        let day = now.0.div_euclid(DAY);
        let note = async {
            let mut tx = self.db.begin().await?;
            let mut hosts = 0;
            for hash in &hashes {
                hosts += meet(&mut tx, day, hash).await?;
            }
            let whole = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
            for (what, n) in [
                ("hosts", hosts),
                ("read_bytes", whole(sent.read_bytes)),
                ("refusals", whole(sent.refusals)),
                ("requests", whole(sent.requests)),
                ("sent_bytes", whole(sent.sent_bytes)),
                ("slowed", whole(sent.slowed)),
                ("stops", whole(sent.stops)),
            ] {
                if n != 0 {
                    count(&mut tx, day, what, n).await?;
                }
            }
            if let Some(errand) = errand {
                keep(&mut tx, errand).await?;
            }
            tx.commit().await
        };
        note.await.map_err(during("counting what was sent"))
    }

    /// What was sent on the last days, the newest first, at most 400.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn meter(&self, since: Millis) -> Result<Vec<MeterDay>> {
        const READ: &str = "SELECT day, what, n FROM meter WHERE day >= $1 ORDER BY day DESC, what";
        let rows: Vec<(i64, String, i64)> = on!(self.db, pool => {
            sqlx::query_as(READ).bind(since.0.div_euclid(DAY)).fetch_all(pool).await
        })
        .map_err(during("reading what was sent"))?;
        let mut out: Vec<MeterDay> = Vec::new();
        for (day, what, n) in rows {
            if out.last().is_none_or(|last| last.day != day) {
                if out.len() == 400 {
                    break;
                }
                out.push(MeterDay {
                    day,
                    ..MeterDay::default()
                });
            }
            let Some(last) = out.last_mut() else { break };
            match what.as_str() {
                "hosts" => last.hosts = n,
                "read_bytes" => last.read_bytes = n,
                "refusals" => last.refusals = n,
                "requests" => last.requests = n,
                "sent_bytes" => last.sent_bytes = n,
                "slowed" => last.slowed = n,
                "stops" => last.stops = n,
                _ => (),
            }
        }
        Ok(out)
    }

    /// What was sent under an id besides the exchanges of a filed scan, or `None`.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn errand(&self, id: &str) -> Result<Option<Errand>> {
        const READ: &str = "SELECT at, host, why, lines FROM errand WHERE id = $1";
        let Some(bytes) = Kind::Scan.read(id) else {
            return Ok(None);
        };
        let row: Option<(i64, String, String, String)> = on!(self.db, pool => {
            sqlx::query_as(READ).bind(&bytes[..]).fetch_optional(pool).await
        })
        .map_err(during("reading what was sent"))?;
        Ok(row.map(|(at, host, why, lines)| Errand {
            id: id.to_owned(),
            at: Millis(at),
            host,
            why,
            lines,
        }))
    }

    /// What a host said of being asked, with the time at which it was heard.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn manners(&self, host: &str) -> Result<Option<(Millis, String)>> {
        const READ: &str = "SELECT at, said FROM manners WHERE host = $1";
        let row: Option<(i64, String)> =
            on!(self.db, pool => sqlx::query_as(READ).bind(host).fetch_optional(pool).await)
                .map_err(during("reading what a host said"))?;
        Ok(row.map(|(at, said)| (Millis(at), said)))
    }

    /// Keeps what a host said of being asked.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn keep_manners(&self, host: &str, said: &str, at: Millis) -> Result<()> {
        const KEEP: &str = "INSERT INTO manners (host, at, said) VALUES ($1, $2, $3) \
            ON CONFLICT (host) DO UPDATE SET at = excluded.at, said = excluded.said";
        let keep = async {
            let mut tx = self.db.begin().await?;
            within!(tx, c => sqlx::query(KEEP)
                .bind(host)
                .bind(at.0)
                .bind(said.replace('\0', ""))
                .execute(c)
                .await
                .map(drop))?;
            tx.commit().await
        };
        keep.await.map_err(during("keeping what a host said"))
    }

    /// Notes that a server was not scanned, or with `None` that it was.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn refused(&self, url: &str, reason: Option<&str>, now: Millis) -> Result<()> {
        const READ: &str = "SELECT t.id, r.reason FROM target t \
            LEFT JOIN refusal r ON r.target = t.id WHERE t.url = $1";
        const NOTE: &str = "INSERT INTO refusal (target, at, reason) VALUES ($1, $2, $3) \
            ON CONFLICT (target) DO UPDATE SET at = excluded.at, reason = excluded.reason";
        const FORGET: &str = "DELETE FROM refusal WHERE target = $1";
        let doing = during("noting a refusal");
        let row: Option<(i64, Option<String>)> =
            on!(self.db, pool => sqlx::query_as(READ).bind(url).fetch_optional(pool).await)
                .map_err(&doing)?;
        let Some((target, known)) = row else {
            return Ok(());
        };
        if reason.is_none() && known.is_none() {
            return Ok(()); // nothing to forget, which is the usual case
        }
        let note = async {
            let mut tx = self.db.begin().await?;
            match reason {
                Some(reason) => within!(tx, c => sqlx::query(NOTE)
                    .bind(target)
                    .bind(now.0)
                    .bind(reason)
                    .execute(c)
                    .await
                    .map(drop))?,
                None => {
                    within!(tx, c => sqlx::query(FORGET).bind(target).execute(c).await.map(drop))?;
                }
            }
            Counters::default().write(&mut tx, 0).await?;
            tx.commit().await
        };
        note.await.map_err(doing)
    }

    /// Why a server is not scanned at present, and since when; `None` if it is.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn refusal(&self, server: &str) -> Result<Option<(Millis, String)>> {
        const READ: &str = "SELECT r.at, r.reason FROM refusal r \
            JOIN target t ON t.id = r.target WHERE t.public_id = $1";
        let Some(id) = Kind::Server.read(server) else {
            return Ok(None);
        };
        let row: Option<(i64, String)> = on!(self.db, pool => {
            sqlx::query_as(READ).bind(&id[..]).fetch_optional(pool).await
        })
        .map_err(during("reading a refusal"))?;
        Ok(row.map(|(at, reason)| (Millis(at), reason)))
    }

    /// The row of a server by its address, and whether somebody waits for its scan.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn awaited(&self, url: &str) -> Result<Option<(TargetId, bool)>> {
        const READ: &str = "SELECT t.id, v.lane FROM target t JOIN visit v ON v.target = t.id \
            WHERE t.url = $1";
        let row: Option<(i64, i64)> =
            on!(self.db, pool => sqlx::query_as(READ).bind(url).fetch_optional(pool).await)
                .map_err(during("reading a server"))?;
        Ok(row.map(|(id, lane)| {
            (
                TargetId(id),
                lane == Lane::Asked as i64 || lane == Lane::Command as i64,
            )
        }))
    }

    /// Removes what is old of all this: notes after 90 days, hosts of past days,
    /// unproved claims after 7 days, opt-outs that have ended.
    ///
    /// # Errors
    ///
    /// If the database fails; what was removed until then stays so.
    pub async fn forget_notes(&self, now: Millis) -> Result<u64> {
        let today = now.0.div_euclid(DAY);
        let old = [
            ("DELETE FROM errand WHERE at < $1", now.0 - NOTES_MS),
            ("DELETE FROM manners WHERE at < $1", now.0 - MANNERS_MS),
            ("DELETE FROM meter_host WHERE day < $1", today),
            ("DELETE FROM opt_out WHERE until <> 0 AND until < $1", now.0),
            ("DELETE FROM deeper WHERE until < $1", now.0),
            (
                "DELETE FROM claim WHERE proved_at = 0 AND asked_at < $1",
                now.0 - CLAIMS_MS,
            ),
            (
                "DELETE FROM person WHERE since < $1 \
                 AND NOT EXISTS (SELECT 1 FROM claim WHERE claim.person = person.id) \
                 AND NOT EXISTS (SELECT 1 FROM deeper WHERE deeper.person = person.id) \
                 AND NOT EXISTS (SELECT 1 FROM private_result WHERE private_result.person = person.id) \
                 AND NOT EXISTS (SELECT 1 FROM statement WHERE statement.person = person.id)",
                now.0 - CLAIMS_MS,
            ),
        ];
        let mut removed = 0;
        for (sql, before) in old {
            let forget = async {
                let mut tx = self.db.begin().await?;
                let rows = within!(tx, c => {
                    sqlx::query(sql).bind(before).execute(c).await.map(|done| done.rows_affected())
                })?;
                tx.commit().await?;
                Ok(rows)
            };
            removed += forget.await.map_err(during("removing old notes"))?;
        }
        Ok(removed)
    }
}

/// 1 if the host was not met on this day before.
async fn meet(tx: &mut Tx, day: i64, hash: &[u8]) -> Result<i64, sqlx::Error> {
    const MEET: &str = "INSERT INTO meter_host (day, hash) VALUES ($1, $2) \
        ON CONFLICT (day, hash) DO NOTHING";
    within!(tx, c => {
        let done = sqlx::query(MEET).bind(day).bind(hash).execute(c).await;
        done.map(|done| i64::try_from(done.rows_affected()).unwrap_or(0))
    })
}

async fn count(tx: &mut Tx, day: i64, what: &str, n: i64) -> Result<(), sqlx::Error> {
    const COUNT: &str = "INSERT INTO meter (day, what, n) VALUES ($1, $2, $3) \
        ON CONFLICT (day, what) DO UPDATE SET n = meter.n + excluded.n";
    within!(tx, c => sqlx::query(COUNT).bind(day).bind(what).bind(n).execute(c).await.map(drop))
}

async fn keep(tx: &mut Tx, errand: &Errand) -> Result<(), sqlx::Error> {
    const KEEP: &str = "INSERT INTO errand (id, at, host, why, lines) VALUES ($1, $2, $3, $4, $5) \
        ON CONFLICT (id) DO UPDATE SET lines = excluded.lines";
    let Some(id) = Kind::Scan.read(&errand.id) else {
        return Ok(());
    };
    let lines = if errand.lines.len() > NOTE_BYTES {
        "[]"
    } else {
        errand.lines.as_str()
    };
    within!(tx, c => sqlx::query(KEEP)
        .bind(&id[..])
        .bind(errand.at.0)
        .bind(crate::state::clean(&errand.host))
        .bind(&errand.why)
        .bind(lines.replace('\0', ""))
        .execute(c)
        .await
        .map(drop))
}
