//! Answers that all scans share: the [`Shelf`] of the scanner over rows, compressed.

use scanner::ledger::Later;
use scanner::shelf::{Shelf, Shelved};
use scanner::time::Millis;

use crate::Store;
use crate::db::{on, within};

/// Level of compression.
const LEVEL: i32 = 3;
/// Most bytes of an answer.
const MOST: usize = 4 << 20;

impl Store {
    async fn take_answer(
        &self,
        name: &str,
        not_before: Millis,
        now: Millis,
        until: Millis,
    ) -> Result<Shelved, sqlx::Error> {
        const READ: &str = "SELECT at, fetching_until, bytes FROM shared_answer WHERE name = $1";
        const FETCH: &str = "INSERT INTO shared_answer (name, at, fetching_until, bytes) \
            VALUES ($1, 0, $2, $5) ON CONFLICT (name) DO UPDATE SET \
            fetching_until = excluded.fetching_until WHERE shared_answer.fetching_until <= $3 \
            AND shared_answer.at < $4 RETURNING fetching_until";
        let row: Option<(i64, i64, Vec<u8>)> =
            on!(self.db, pool => sqlx::query_as(READ).bind(name).fetch_optional(pool).await)?;
        if let Some((at, fetching, bytes)) = row {
            if at >= not_before.0
                && let Ok(bytes) = zstd::bulk::decompress(&bytes, MOST)
            {
                let at = Millis(at);
                return Ok(Shelved::Found { at, bytes });
            }
            if fetching > now.0 {
                return Ok(Shelved::Wait);
            }
        }
        let mut tx = self.db.begin().await?;
        let ours: Option<(i64,)> = within!(tx, c => sqlx::query_as(FETCH)
            .bind(name)
            .bind(until.0)
            .bind(now.0)
            .bind(not_before.0)
            .bind(Vec::<u8>::new())
            .fetch_optional(c)
            .await)?;
        tx.commit().await?;
        Ok(match ours {
            Some(_) => Shelved::Fetch,
            None => Shelved::Wait,
        })
    }

    async fn put_answer(
        &self,
        name: &str,
        at: Millis,
        bytes: Option<Vec<u8>>,
    ) -> Result<(), sqlx::Error> {
        const PUT: &str =
            "UPDATE shared_answer SET at = $2, bytes = $3, fetching_until = 0 WHERE name = $1";
        const GIVE_UP: &str = "UPDATE shared_answer SET fetching_until = 0 WHERE name = $1";
        let packed = bytes.and_then(|bytes| zstd::bulk::compress(&bytes, LEVEL).ok());
        let mut tx = self.db.begin().await?;
        match packed {
            Some(packed) => within!(tx, c => sqlx::query(PUT)
                .bind(name)
                .bind(at.0)
                .bind(packed)
                .execute(c)
                .await
                .map(drop))?,
            None => within!(tx, c => sqlx::query(GIVE_UP).bind(name).execute(c).await.map(drop))?,
        }
        tx.commit().await
    }
}

impl Shelf for Store {
    fn take<'a>(
        &'a self,
        name: &'a str,
        not_before: Millis,
        now: Millis,
        until: Millis,
    ) -> Later<'a, Shelved> {
        Box::pin(async move {
            let found = self.take_answer(name, not_before, now, until).await;
            found.unwrap_or_else(|error| {
                tracing::warn!(name, %error, "cannot look for a shared answer");
                Shelved::Fetch
            })
        })
    }

    fn put<'a>(&'a self, name: &'a str, at: Millis, bytes: Option<Vec<u8>>) -> Later<'a, ()> {
        Box::pin(async move {
            if let Err(error) = self.put_answer(name, at, bytes).await {
                tracing::warn!(name, %error, "cannot share an answer");
            }
        })
    }
}
