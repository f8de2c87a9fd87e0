//! Reading issuers: one, those of a product, and how a document changed.

use scanner::time::Millis;

use super::{Feature, Features};
use crate::Store;
use crate::db::on;
use crate::error::{Result, StoreError, during};
use crate::ids::Kind;
use crate::rows::{Page, Paged};
use crate::servers::public;

const READING: &str = "reading issuers";
/// Changes of a document that are read.
const MOST_CHANGES: i64 = 100;

/// What a search for metadata came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// A document was found.
    Document,
    /// Every place answered, and none has one.
    Absent,
    /// It could not be told.
    Unknown,
}

impl Told {
    /// The word of the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Document => "document",
            Self::Absent => "absent",
            Self::Unknown => "unknown",
        }
    }

    fn read(text: &str) -> Self {
        match text {
            "document" => Self::Document,
            "absent" => Self::Absent,
            _ => Self::Unknown,
        }
    }
}

/// An issuer that servers name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerRow {
    /// `iss_…`, made of the identifier.
    pub id: String,
    /// The identifier as servers name it; hostile text, cut to 300 characters.
    pub issuer: String,
    /// Its host; empty for what is no URL.
    pub host: String,
    /// The product, or [`crate::UNRECOGNISED`].
    pub product: String,
    /// What gave it away.
    pub basis: Option<String>,
    /// Where the document stands.
    pub metadata_url: Option<String>,
    /// What the search came to.
    pub told: Told,
    /// What the document announces.
    pub features: Features,
    /// Servers that name it.
    pub servers: i64,
    /// When a server first named it.
    pub first_seen: Millis,
    /// Since when the document looks as it does.
    pub changed_at: Millis,
    /// A scan that holds the document; `None` when the scan is no longer kept.
    pub scan: Option<String>,
}

/// A change of an issuer's document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerChange {
    /// Since when it looks so.
    pub at: Millis,
    /// What there is since then.
    pub told: Told,
    /// What the document announces.
    pub features: Features,
    /// The first scan that saw it; `None` when the scan is no longer kept.
    pub scan: Option<String>,
}

#[derive(Debug, sqlx::FromRow)]
struct Row {
    id: i64,
    public_id: Vec<u8>,
    issuer: String,
    host: String,
    product: String,
    basis: Option<String>,
    metadata_url: Option<String>,
    told: String,
    features: i64,
    servers: i64,
    first_seen: i64,
    changed_at: i64,
    scan: Option<Vec<u8>>,
}

impl Row {
    fn read(self) -> IssuerRow {
        IssuerRow {
            id: public(Kind::Issuer, &self.public_id).unwrap_or_default(),
            issuer: self.issuer,
            host: self.host,
            product: self.product,
            basis: self.basis,
            metadata_url: self.metadata_url,
            told: Told::read(&self.told),
            features: Features(self.features),
            servers: self.servers,
            first_seen: Millis(self.first_seen),
            changed_at: Millis(self.changed_at),
            scan: self.scan.and_then(|id| public(Kind::Scan, &id)),
        }
    }
}

macro_rules! issuers_sql {
    ($rest:literal) => {
        concat!(
            "SELECT i.id, i.public_id, i.issuer, i.host, i.product, i.basis, i.metadata_url, ",
            "i.told, i.features, i.servers, i.first_seen, i.changed_at, ",
            "r.first_scan AS scan FROM issuer i LEFT JOIN run r ON r.id = i.run ",
            $rest
        )
    };
}

impl Features {
    /// The words of all that is announced, in the order of their bits.
    #[must_use]
    pub fn words(self) -> Vec<&'static str> {
        Feature::ALL
            .into_iter()
            .filter(|feature| self.has(*feature))
            .map(Feature::as_str)
            .collect()
    }
}

/// The id of the issuer with this identifier.
#[must_use]
pub fn id_of(issuer: &str) -> String {
    Kind::Issuer.write(super::issuer_id(issuer))
}

impl Store {
    /// The issuer of that id (`iss_…`), as long as a server names it.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn issuer(&self, id: &str) -> Result<Option<IssuerRow>> {
        const READ: &str = issuers_sql!(
            "WHERE i.public_id = $1 AND EXISTS \
             (SELECT 1 FROM target_issuer x WHERE x.issuer = i.id)"
        );
        let Some(bytes) = Kind::Issuer.read(id) else {
            return Ok(None);
        };
        let row: Option<Row> = on!(self.db, pool => sqlx::query_as(READ)
            .bind(&bytes[..])
            .fetch_optional(pool)
            .await)
        .map_err(during(READING))?;
        Ok(row.map(Row::read))
    }

    /// Issuers of a product, or all, those that most servers name first.
    ///
    /// # Errors
    ///
    /// If the cursor is not one of this list, or the database fails.
    pub async fn issuers(&self, product: Option<&str>, page: &Page) -> Result<Paged<IssuerRow>> {
        const ALL: &str = issuers_sql!(
            "WHERE i.servers > 0 AND (i.servers, i.id) < ($1, $2) \
             ORDER BY i.servers DESC, i.id DESC LIMIT $3"
        );
        const OF: &str = issuers_sql!(
            "WHERE i.product = $4 AND i.servers > 0 AND (i.servers, i.id) < ($1, $2) \
             ORDER BY i.servers DESC, i.id DESC LIMIT $3"
        );
        let (servers, id) = match page.after.as_deref() {
            Some(text) => cursor(text).ok_or(StoreError::Cursor)?,
            None => (i64::MAX, i64::MAX),
        };
        let limit = page.limit.clamp(1, 500);
        let mut rows: Vec<Row> = on!(self.db, pool => {
            let query = sqlx::query_as(if product.is_some() { OF } else { ALL })
                .bind(servers)
                .bind(id)
                .bind(i64::from(limit) + 1);
            match product {
                Some(product) => query.bind(product.replace('\0', "")),
                None => query,
            }
            .fetch_all(pool)
            .await
        })
        .map_err(during(READING))?;
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        Ok(Paged {
            next: rows
                .last()
                .filter(|_| more)
                .map(|row| format!("i{:x}.{:x}", row.servers, row.id)),
            rows: rows.into_iter().map(Row::read).collect(),
        })
    }

    /// The issuers that a server names, in the order of its metadata.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn issuers_of(&self, server: &str) -> Result<Vec<IssuerRow>> {
        const READ: &str = issuers_sql!(
            "JOIN target_issuer x ON x.issuer = i.id JOIN target t ON t.id = x.target \
             WHERE t.public_id = $1 ORDER BY x.position"
        );
        let Some(bytes) = Kind::Server.read(server) else {
            return Ok(Vec::new());
        };
        let rows: Vec<Row> = on!(self.db, pool => sqlx::query_as(READ)
            .bind(&bytes[..])
            .fetch_all(pool)
            .await)
        .map_err(during(READING))?;
        Ok(rows.into_iter().map(Row::read).collect())
    }

    /// How an issuer's document changed, newest first, at most 100 changes; the last is the
    /// first sighting.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn issuer_changes(&self, id: &str) -> Result<Vec<IssuerChange>> {
        const READ: &str = "SELECT c.at, c.told, c.features, r.first_scan FROM issuer i \
            JOIN issuer_change c ON c.issuer = i.id LEFT JOIN run r ON r.id = c.run \
            WHERE i.public_id = $1 ORDER BY c.at DESC LIMIT $2";
        let Some(bytes) = Kind::Issuer.read(id) else {
            return Ok(Vec::new());
        };
        let rows: Vec<(i64, String, i64, Option<Vec<u8>>)> =
            on!(self.db, pool => sqlx::query_as(READ)
                .bind(&bytes[..])
                .bind(MOST_CHANGES)
                .fetch_all(pool)
                .await)
            .map_err(during(READING))?;
        Ok(rows
            .into_iter()
            .map(|(at, told, features, scan)| IssuerChange {
                at: Millis(at),
                told: Told::read(&told),
                features: Features(features),
                scan: scan.and_then(|id| public(Kind::Scan, &id)),
            })
            .collect())
    }

    /// Row of an issuer by its id or its identifier, with the number of its servers.
    pub(crate) async fn issuer_row(&self, asked: &str) -> Result<Option<(i64, i64)>> {
        const READ: &str = "SELECT id, servers FROM issuer WHERE public_id = $1";
        let bytes = Kind::Issuer
            .read(asked)
            .unwrap_or_else(|| super::issuer_id(asked));
        on!(self.db, pool => sqlx::query_as(READ).bind(&bytes[..]).fetch_optional(pool).await)
            .map_err(during(READING))
    }
}

/// Where a list goes on: servers and row.
fn cursor(text: &str) -> Option<(i64, i64)> {
    let (servers, id) = text.strip_prefix('i')?.split_once('.')?;
    Some((
        i64::from_str_radix(servers, 16).ok()?,
        i64::from_str_radix(id, 16).ok()?,
    ))
}
