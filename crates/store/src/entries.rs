//! Entries of registries as they were received, kept to be passed on with our results beside
//! them. Every version of a name is kept, since readers of a registry may ask for one.

use scanner::time::Millis;
use sqlx::QueryBuilder;

use crate::Store;
use crate::db::{literal, on, within};
use crate::error::{Result, StoreError, during};
use crate::hosts::host_of;
use crate::left_out::lineage;
use crate::rows::ServerRow;
use crate::servers::{Row, select};

/// Most entries in one answer.
const MOST: u32 = 1_000;
/// Largest entry, unpacked.
const LARGEST: usize = 8 << 20;
/// Effort of packing.
const LEVEL: i32 = 3;

/// A version of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// The registry calls it the latest of its name.
    pub latest: bool,
    /// The registry calls it deleted.
    pub deleted: bool,
    /// When the registry last changed it.
    pub changed: Millis,
    /// Its remotes, normalised; those that may not be asked are left out.
    pub urls: Vec<String>,
    /// The entry as it was received, JSON.
    pub text: String,
}

/// Which entries to read, in the order of names and versions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EntryAsk {
    /// Begin behind this name and version.
    pub after: Option<(String, String)>,
    /// Part of the name, in any case.
    pub search: Option<String>,
    /// Changed then or later.
    pub since: Option<Millis>,
    /// One name only.
    pub name: Option<String>,
    /// One version only.
    pub version: Option<String>,
    /// Only what is the latest of its name.
    pub latest: bool,
    /// Also what is deleted.
    pub deleted: bool,
    /// How many, at most 1,000.
    pub limit: u32,
}

#[derive(sqlx::FromRow)]
struct Kept {
    name: String,
    version: String,
    latest: i64,
    deleted: i64,
    changed_at: i64,
    urls: String,
    entry: Vec<u8>,
}

impl Kept {
    fn read(self) -> Result<Entry> {
        let damaged = |why: String| StoreError::Stored {
            what: "an entry of a registry",
            why,
        };
        let text = zstd::bulk::decompress(&self.entry, LARGEST)
            .map_err(|error| damaged(error.to_string()))?;
        Ok(Entry {
            latest: self.latest != 0,
            deleted: self.deleted != 0,
            changed: Millis(self.changed_at),
            urls: serde_json::from_str(&self.urls).map_err(|error| damaged(error.to_string()))?,
            text: String::from_utf8(text).map_err(|error| damaged(error.to_string()))?,
            name: self.name,
            version: self.version,
        })
    }
}

impl Store {
    /// Keeps entries of a source, in place of what was known of the same name and version. Where
    /// one is the latest, no other of its name is. Nothing is taken in that names a host which
    /// asked that nothing is shown of it.
    ///
    /// # Errors
    ///
    /// If the database fails; then none of these is kept. Keeping them again is harmless.
    pub async fn keep_entries(&self, source: &str, entries: &[Entry], now: Millis) -> Result<()> {
        const KEEP: &str = "INSERT INTO entry (name, version, source, latest, deleted, \
            changed_at, seen, urls, entry) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
            ON CONFLICT (name, version) DO UPDATE SET source = excluded.source, \
            latest = excluded.latest, deleted = excluded.deleted, \
            changed_at = excluded.changed_at, seen = excluded.seen, urls = excluded.urls, \
            entry = excluded.entry";
        const ALONE: &str =
            "UPDATE entry SET latest = 0 WHERE name = $1 AND version <> $2 AND latest <> 0";
        let left_out = self.left_out(now).await?;
        let hidden = |entry: &Entry| entry.urls.iter().any(|url| left_out.hides(&host_of(url)));
        let mut packed = Vec::with_capacity(entries.len());
        for entry in entries.iter().filter(|entry| !hidden(entry)) {
            let unstorable = |why: String| StoreError::Unstorable {
                what: "an entry of a registry",
                why,
            };
            let bytes = zstd::bulk::compress(entry.text.as_bytes(), LEVEL)
                .map_err(|error| unstorable(error.to_string()))?;
            let urls = serde_json::to_string(&entry.urls)
                .map_err(|error| unstorable(error.to_string()))?;
            packed.push((entry, urls, bytes));
        }
        let keep = async {
            let mut tx = self.db.begin().await?;
            for (entry, urls, bytes) in &packed {
                within!(tx, c => sqlx::query(KEEP)
                    .bind(entry.name.as_str())
                    .bind(entry.version.as_str())
                    .bind(source)
                    .bind(i64::from(entry.latest))
                    .bind(i64::from(entry.deleted))
                    .bind(entry.changed.0)
                    .bind(now.0)
                    .bind(urls.as_str())
                    .bind(&bytes[..])
                    .execute(c)
                    .await
                    .map(drop))?;
                if entry.latest {
                    within!(tx, c => sqlx::query(ALONE)
                        .bind(entry.name.as_str())
                        .bind(entry.version.as_str())
                        .execute(c)
                        .await
                        .map(drop))?;
                }
            }
            tx.commit().await
        };
        keep.await.map_err(during("keeping entries of a registry"))
    }

    /// Forgets the entries that name a host, or one below it.
    pub(crate) async fn remove_entries(&self, host: &str) -> Result<()> {
        const FIND: &str = "SELECT name, version, urls FROM entry WHERE urls LIKE $1 ESCAPE '!'";
        const REMOVE: &str = "DELETE FROM entry WHERE name = $1 AND version = $2";
        let remove = async {
            let rows: Vec<(String, String, String)> = on!(self.db, pool => {
                sqlx::query_as(FIND).bind(pattern(host)).fetch_all(pool).await
            })?;
            let mut tx = self.db.begin().await?;
            for (name, version, urls) in rows {
                let urls: Vec<String> = serde_json::from_str(&urls).unwrap_or_default();
                let names = |url: &String| lineage(&host_of(url)).any(|name| name == host);
                if urls.iter().any(names) {
                    within!(tx, c => {
                        sqlx::query(REMOVE).bind(name).bind(version).execute(c).await.map(drop)
                    })?;
                }
            }
            tx.commit().await
        };
        remove
            .await
            .map_err(during("removing entries of a registry"))
    }

    /// Entries in the order of names and versions.
    ///
    /// # Errors
    ///
    /// If the database fails, or what it holds cannot be unpacked.
    pub async fn entries(&self, ask: &EntryAsk) -> Result<Vec<Entry>> {
        let rows: Vec<Kept> = on!(self.db, pool => {
            let mut sql = QueryBuilder::new(
                "SELECT name, version, latest, deleted, changed_at, urls, entry FROM entry \
                 WHERE TRUE",
            );
            if let Some((name, version)) = &ask.after {
                sql.push(" AND (name, version) > (").push_bind(name.as_str());
                sql.push(", ").push_bind(version.as_str()).push(")");
            }
            if let Some(name) = &ask.name {
                sql.push(" AND name = ").push_bind(name.as_str());
            }
            if let Some(version) = &ask.version {
                sql.push(" AND version = ").push_bind(version.as_str());
            }
            if let Some(since) = ask.since {
                sql.push(" AND changed_at >= ").push_bind(since.0);
            }
            if let Some(text) = &ask.search {
                sql.push(" AND LOWER(name) LIKE ").push_bind(pattern(text)).push(" ESCAPE '!'");
            }
            if ask.latest {
                sql.push(" AND latest <> 0");
            }
            if !ask.deleted {
                sql.push(" AND deleted = 0");
            }
            sql.push(" ORDER BY name, version LIMIT ");
            sql.push_bind(i64::from(ask.limit.clamp(1, MOST)));
            sql.build_query_as().fetch_all(pool).await
        })
        .map_err(during("reading entries of a registry"))?;
        rows.into_iter().map(Kept::read).collect()
    }

    /// Servers at these normalised addresses, in no order; unknown addresses are left out.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn servers_at(&self, urls: &[String]) -> Result<Vec<ServerRow>> {
        let mut out = Vec::new();
        for part in urls.chunks(500) {
            let rows: Vec<Row> = on!(self.db, pool => {
                let mut sql = select();
                sql.push(" WHERE t.url IN (");
                let mut list = sql.separated(", ");
                for url in part {
                    list.push_bind(url.as_str());
                }
                sql.push(")");
                sql.build_query_as().persistent(false).fetch_all(pool).await
            })
            .map_err(during("reading servers by their addresses"))?;
            out.extend(rows.into_iter().map(Row::read));
        }
        Ok(out)
    }
}

/// A pattern for names that hold this text, in which nothing has a meaning of its own.
fn pattern(text: &str) -> String {
    let text: String = text.chars().filter(|c| !c.is_control()).take(100).collect();
    format!("%{}%", literal(&text.to_lowercase()))
}
