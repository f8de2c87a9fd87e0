//! Every sighting of a server in a source, and what a source no longer lists.
//!
//! `listing` holds what each source says now and since when; what it said before is a row of
//! `sighting`, written when it says something else. A whole reading of a source that lacks more
//! than a fifth of what it listed is not believed before another whole reading agrees.

use std::collections::HashMap;

use scanner::target::Listing;
use scanner::time::Millis;

use crate::Store;
use crate::counters::Counters;
use crate::db::{Tx, on, within};
use crate::error::{Result, during};
use crate::ids::Kind;
use crate::listings::{Known, one_import_at_a_time, restate};
use crate::state::clean;

/// Targets per transaction.
const BATCH: i64 = 500;
/// Sightings that are read of one server.
const MOST: i64 = 500;
/// A reading that lacks more than one in so many listings is doubted.
const DOUBT: i64 = 5;

/// What one source said of a server for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// The statement, with the source and the name in it; text of strangers.
    pub listing: Listing,
    /// When it was first seen to say so.
    pub first_seen: Millis,
    /// When it was last seen to say so.
    pub last_seen: Millis,
    /// It is what the source says now, or said last.
    pub latest: bool,
    /// When the source was found to list the server no longer.
    pub gone: Option<Millis>,
}

/// What came of a whole reading of a source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reading {
    /// Listings of the source before it.
    pub listed: u64,
    /// Of them those that the reading lacked.
    pub missing: u64,
    /// Listings that are gone now.
    pub gone: u64,
    /// Too many are missing: nothing is taken for gone before another whole reading, or an
    /// administrator, agrees.
    pub doubted: bool,
}

impl Store {
    /// Says that everything a source lists has been read and added since `began`: what was not
    /// seen is no longer listed. If more than a fifth is missing, that is not believed unless
    /// the previous whole reading lacked it, too, or `believe` says so.
    ///
    /// # Errors
    ///
    /// If the database fails. Saying it again is harmless.
    pub async fn reading_complete(
        &self,
        source: &str,
        began: Millis,
        believe: bool,
        now: Millis,
    ) -> Result<Reading> {
        let source = clean(source);
        self.conclude(&source, began, believe, now)
            .await
            .map_err(during("comparing a source with what it listed"))
    }

    async fn conclude(
        &self,
        source: &str,
        began: Millis,
        believe: bool,
        now: Millis,
    ) -> Result<Reading, sqlx::Error> {
        const DOUBTED: &str = "SELECT doubted_at FROM source WHERE name = $1";
        const SET: &str = "INSERT INTO source (name, walked_at, listed, doubted_at, missing) \
            VALUES ($1, $2, $3, $4, $5) ON CONFLICT (name) DO UPDATE SET \
            walked_at = excluded.walked_at, listed = excluded.listed, \
            doubted_at = excluded.doubted_at, missing = excluded.missing";
        let doubted: Option<(i64,)> = on!(self.db, pool => {
            sqlx::query_as(DOUBTED).bind(source).fetch_optional(pool).await
        })?;
        // What the doubted reading lacked as well; a reading does not agree with itself.
        let before = doubted.map_or(0, |(at,)| at);
        let before = if before < began.0 { before } else { 0 };
        let (listed, missing, agreed) = self.count(source, began.0, before).await?;
        let is_little = |missing: i64, listed: i64| missing.saturating_mul(DOUBT) <= listed;
        let is_believed = believe || is_little(missing - agreed, listed - agreed);
        let limit = if is_believed { began.0 } else { before };
        let gone = self.part(source, limit, now).await?;
        let mut tx = self.db.begin().await?;
        within!(tx, c => sqlx::query(SET)
            .bind(source)
            .bind(began.0)
            .bind(listed - gone)
            .bind(if is_believed { 0 } else { began.0 })
            .bind(missing - gone)
            .execute(c)
            .await
            .map(drop))?;
        tx.commit().await?;
        let unsigned = |n: i64| u64::try_from(n).unwrap_or_default();
        Ok(Reading {
            listed: unsigned(listed),
            missing: unsigned(missing),
            gone: unsigned(gone),
            doubted: !is_believed,
        })
    }

    /// Listings of a source, those not seen since `began`, and those not seen since `before`.
    async fn count(
        &self,
        source: &str,
        began: i64,
        before: i64,
    ) -> Result<(i64, i64, i64), sqlx::Error> {
        const COUNT: &str = "SELECT COUNT(*), COUNT(CASE WHEN seen < $2 THEN 1 END), \
            COUNT(CASE WHEN seen < $3 THEN 1 END) FROM listing WHERE source = $1 AND gone_at = 0";
        on!(self.db, pool => {
            sqlx::query_as(COUNT).bind(source).bind(began).bind(before).fetch_one(pool).await
        })
    }

    /// Marks listings as gone that were not seen since `limit`; how many.
    async fn part(&self, source: &str, limit: i64, now: Millis) -> Result<i64, sqlx::Error> {
        const NEXT: &str = "SELECT DISTINCT t.id, t.url, t.delisted_at FROM listing l \
            JOIN target t ON t.id = l.target \
            WHERE l.source = $1 AND l.gone_at = 0 AND l.seen < $2 ORDER BY t.id LIMIT $3";
        let mut gone = 0;
        loop {
            let mut tx = self.db.begin().await?;
            one_import_at_a_time(&mut tx).await?;
            let rows: Vec<Known> = within!(tx, c => sqlx::query_as(NEXT)
                .bind(source)
                .bind(limit)
                .bind(BATCH)
                .fetch_all(c)
                .await)?;
            if rows.is_empty() {
                return Ok(gone);
            }
            let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
            let done = within!(tx, c => {
                let mut sql = sqlx::QueryBuilder::new("UPDATE listing SET gone_at = ");
                sql.push_bind(now.0).push(" WHERE source = ").push_bind(source);
                sql.push(" AND gone_at = 0 AND seen < ").push_bind(limit);
                sql.push(" AND target IN (");
                let mut list = sql.separated(", ");
                for id in &ids {
                    list.push_bind(*id);
                }
                sql.push(")");
                sql.build().execute(c).await.map(|done| done.rows_affected())
            })?;
            let targets: HashMap<String, Known> =
                rows.into_iter().map(|row| (row.url.clone(), row)).collect();
            restate(&mut tx, &targets, &ids, now).await?;
            Counters::default().write(&mut tx, 0).await?;
            tx.commit().await?;
            gone += i64::try_from(done).unwrap_or(i64::MAX);
        }
    }

    /// Every sighting of a server, the newest first, at most 500.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn sightings(&self, server: &str) -> Result<Vec<Sighting>> {
        const READ: &str = "SELECT l.facts, l.since, l.seen, l.gone_at FROM listing l \
            JOIN target t ON t.id = l.target WHERE t.public_id = $1 UNION ALL \
            SELECT s.facts, s.first_seen, s.last_seen, -1 FROM sighting s \
            JOIN target t ON t.id = s.target WHERE t.public_id = $1 ORDER BY 3 DESC, 1 LIMIT $2";
        let Some(id) = Kind::Server.read(server) else {
            return Ok(Vec::new());
        };
        let rows: Vec<(String, i64, i64, i64)> = on!(self.db, pool => {
            sqlx::query_as(READ).bind(&id[..]).bind(MOST).fetch_all(pool).await
        })
        .map_err(during("reading sightings"))?;
        Ok(rows
            .into_iter()
            .filter_map(|(facts, first, last, gone)| {
                Some(Sighting {
                    listing: serde_json::from_str(&facts).ok()?,
                    first_seen: Millis(first),
                    last_seen: Millis(last),
                    latest: gone >= 0,
                    gone: (gone > 0).then_some(Millis(gone)),
                })
            })
            .collect())
    }
}

/// What a source said of a target, up to now.
pub(crate) struct Said {
    pub(crate) facts: String,
    pub(crate) since: i64,
    pub(crate) seen: i64,
    pub(crate) gone: bool,
}

/// Keeps statements that have just ended, by target and name.
pub(crate) async fn keep(
    tx: &mut Tx,
    source: &str,
    ended: &[(&(i64, String), &Said)],
) -> Result<(), sqlx::Error> {
    if ended.is_empty() {
        return Ok(());
    }
    within!(tx, c => {
        let mut sql = sqlx::QueryBuilder::new(
            "INSERT INTO sighting (target, source, name, first_seen, last_seen, facts) ",
        );
        sql.push_values(ended, |mut row, ((target, name), said)| {
            row.push_bind(*target)
                .push_bind(source)
                .push_bind(name.as_str())
                .push_bind(said.since)
                .push_bind(said.seen)
                .push_bind(said.facts.as_str());
        });
        sql.push(
            " ON CONFLICT (target, source, name, first_seen) DO UPDATE \
             SET last_seen = excluded.last_seen, facts = excluded.facts",
        );
        sql.build().execute(c).await.map(drop)
    })
}
