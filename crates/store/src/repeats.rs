//! Requests that may be sent again: the answer is kept under a key of the caller's.

use scanner::time::Millis;
use serde::{Deserialize, Serialize};

use crate::Store;
use crate::db::{on, within};
use crate::error::{Result, StoreError, during};

/// How long an answer is kept.
const KEPT: i64 = 24 * 3_600_000;

/// An answer to be given again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// Status.
    pub status: u16,
    /// `Location`.
    pub location: Option<String>,
    /// Body.
    pub body: String,
}

/// What is known of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Repeat {
    /// Nothing: the request is new.
    New,
    /// The same request was answered so.
    Same(Answered),
    /// It was used for another request.
    Other,
}

impl Store {
    /// What a request with this key was answered within the last 24 hours. `key` and `asked`
    /// are digests of the caller's key and of the request.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn repeated(&self, key: &[u8; 32], asked: &[u8; 32], now: Millis) -> Result<Repeat> {
        const READ: &str = "SELECT asked, answer FROM repeated WHERE key = $1 AND at > $2";
        let row: Option<(Vec<u8>, String)> = on!(self.db, pool => sqlx::query_as(READ)
            .bind(&key[..])
            .bind(now.0 - KEPT)
            .fetch_optional(pool)
            .await)
        .map_err(during("looking for an earlier answer"))?;
        Ok(match row {
            None => Repeat::New,
            Some((before, _)) if before != asked => Repeat::Other,
            Some((_, answer)) => match serde_json::from_str(&answer) {
                Ok(answer) => Repeat::Same(answer),
                Err(_) => Repeat::New,
            },
        })
    }

    /// Keeps an answer for 24 hours. Answers that are older go.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn answered(
        &self,
        key: &[u8; 32],
        asked: &[u8; 32],
        answer: &Answered,
        now: Millis,
    ) -> Result<()> {
        const SWEEP: &str = "DELETE FROM repeated WHERE at <= $1";
        const KEEP: &str = "INSERT INTO repeated (key, asked, answer, at) \
            VALUES ($1, $2, $3, $4) ON CONFLICT (key) DO NOTHING";
        let text = serde_json::to_string(answer).map_err(|error| StoreError::Unstorable {
            what: "an answer",
            why: error.to_string(),
        })?;
        let keep = async {
            let mut tx = self.db.begin().await?;
            within!(tx, c => sqlx::query(SWEEP)
                .bind(now.0 - KEPT)
                .execute(c)
                .await
                .map(drop))?;
            within!(tx, c => sqlx::query(KEEP)
                .bind(&key[..])
                .bind(&asked[..])
                .bind(text.as_str())
                .bind(now.0)
                .execute(c)
                .await
                .map(drop))?;
            tx.commit().await
        };
        keep.await.map_err(during("keeping an answer"))
    }
}
