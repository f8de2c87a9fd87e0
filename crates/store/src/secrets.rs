//! Keys that the installation drew for itself: shared by all its processes, known to nobody
//! else, and in every backup.

use uuid::Uuid;

use crate::Store;
use crate::db::on;
use crate::error::{Result, StoreError, during};

/// The key by which cursors and the like are signed.
const SIGNING: &str = "signing";
const DOING: &str = "reading the signing key";

impl Store {
    /// The key by which this installation signs what it gives out and takes back. It is drawn
    /// when the database is migrated, and stays.
    ///
    /// # Errors
    ///
    /// If the database fails, or the key is not one.
    pub async fn signing_key(&self) -> Result<[u8; 32]> {
        let key = self.signing.get_or_try_init(|| self.draw());
        key.await.copied()
    }

    async fn draw(&self) -> Result<[u8; 32]> {
        const READ: &str = "SELECT bytes FROM keyring WHERE name = $1";
        const DRAW: &str = "INSERT INTO keyring (name, bytes) VALUES ($1, $2) \
            ON CONFLICT (name) DO NOTHING";
        for _ in 0..2 {
            let row: Option<(Vec<u8>,)> = on!(self.db, pool => {
                sqlx::query_as(READ).bind(SIGNING).fetch_optional(pool).await
            })
            .map_err(during(DOING))?;
            if let Some((key,)) = row {
                return key.try_into().map_err(|key: Vec<u8>| StoreError::Stored {
                    what: "the signing key",
                    why: format!("it has {} bytes instead of 32", key.len()),
                });
            }
            // 244 bits of the operating system's randomness. Another process may be quicker.
            let mut key = Vec::with_capacity(32);
            key.extend(Uuid::new_v4().into_bytes());
            key.extend(Uuid::new_v4().into_bytes());
            on!(self.db, pool => sqlx::query(DRAW)
                .bind(SIGNING)
                .bind(&key[..])
                .execute(pool)
                .await
                .map(drop))
            .map_err(during(DOING))?;
        }
        Err(StoreError::Stored {
            what: "the signing key",
            why: "it is gone as soon as it is written".into(),
        })
    }
}
