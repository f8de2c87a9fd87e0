//! Walks over everything that is kept, page by page in an order that later scans do not
//! disturb, for exports.

use scanner::report::{Badge, Class, GradeLetter};
use scanner::time::Millis;

use crate::Store;
use crate::db::on;
use crate::error::{Result, during};
use crate::ids::Kind;
use crate::servers::{public, word};

const EXPORTING: &str = "reading scans for an export";
/// Largest page.
const MAX_ROWS: u32 = 1_000;

/// A scan with what it showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScanLine {
    /// `scn_…`.
    pub scan: String,
    /// `srv_…`.
    pub server: String,
    /// Endpoint.
    pub url: String,
    /// When the scan began.
    pub at: Millis,
    /// The earlier scan that saw the same.
    pub same_as: Option<String>,
    /// Class.
    pub class: Option<Class>,
    /// Letter.
    pub letter: Option<GradeLetter>,
    /// Badge instead of a letter.
    pub badge: Option<Badge>,
    /// Score in tenths of a point.
    pub score_tenths: Option<i64>,
    /// Rubric of the letter.
    pub rubric: String,
}

/// A stretch of scans that saw the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StretchLine {
    /// Position in the walk.
    pub position: i64,
    /// `srv_…`.
    pub server: String,
    /// Endpoint.
    pub url: String,
    /// First scan of the stretch, whose evidence and report stand for all.
    pub scan: String,
    /// Last scan of the stretch.
    pub last_scan: String,
    /// When it began.
    pub first_at: Millis,
    /// When it was last seen.
    pub last_at: Millis,
    /// Number of scans.
    pub n: i64,
}

#[derive(sqlx::FromRow)]
struct Scan {
    id: Vec<u8>,
    at: i64,
    first_scan: Vec<u8>,
    public_id: Vec<u8>,
    url: String,
    class: String,
    letter: Option<String>,
    badge: Option<String>,
    score: Option<i64>,
    rubric: String,
}

#[derive(sqlx::FromRow)]
struct Stretch {
    id: i64,
    public_id: Vec<u8>,
    url: String,
    first_scan: Vec<u8>,
    last_scan: Vec<u8>,
    first_at: i64,
    last_at: i64,
    n: i64,
}

impl Store {
    /// Scans that began at `since` or later, by id, which is by time; at most 1,000. `after` is
    /// the last id of the page before.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn scan_lines(
        &self,
        after: Option<&str>,
        since: Millis,
        limit: u32,
    ) -> Result<Vec<ScanLine>> {
        const READ: &str = "SELECT s.id, s.at, r.first_scan, t.public_id, t.url, r.class, \
            r.letter, r.badge, r.score, r.rubric FROM scan s JOIN run r ON r.id = s.run \
            JOIN target t ON t.id = r.target WHERE s.id > $1 AND s.at >= $2 AND r.standing = 0 \
            ORDER BY s.id LIMIT $3";
        let after = after.and_then(|scan| Kind::Scan.read(scan));
        let rows: Vec<Scan> = on!(self.db, pool => sqlx::query_as(READ)
            .bind(after.as_ref().map_or(&[][..], |id| &id[..]))
            .bind(since.0)
            .bind(i64::from(limit.clamp(1, MAX_ROWS)))
            .fetch_all(pool)
            .await)
        .map_err(during(EXPORTING))?;
        Ok(rows
            .into_iter()
            .map(|row| ScanLine {
                scan: public(Kind::Scan, &row.id).unwrap_or_default(),
                server: public(Kind::Server, &row.public_id).unwrap_or_default(),
                url: row.url,
                at: Millis(row.at),
                same_as: (row.first_scan != row.id)
                    .then(|| public(Kind::Scan, &row.first_scan))
                    .flatten(),
                class: word(Some(&row.class), &Class::ALL, Class::as_str),
                letter: row.letter.as_deref().and_then(GradeLetter::parse),
                badge: word(row.badge.as_deref(), &Badge::ALL, Badge::as_str),
                score_tenths: row.score,
                rubric: row.rubric,
            })
            .collect())
    }

    /// Stretches that were seen at `since` or later, in the order of filing; at most 1,000.
    /// `after` is the last position of the page before, 0 for the first.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn stretch_lines(
        &self,
        after: i64,
        since: Millis,
        limit: u32,
    ) -> Result<Vec<StretchLine>> {
        const READ: &str = "SELECT r.id, t.public_id, t.url, r.first_scan, r.last_scan, \
            r.first_at, r.last_at, r.n FROM run r JOIN target t ON t.id = r.target \
            WHERE r.id > $1 AND r.last_at >= $2 AND r.standing = 0 ORDER BY r.id LIMIT $3";
        let rows: Vec<Stretch> = on!(self.db, pool => sqlx::query_as(READ)
            .bind(after)
            .bind(since.0)
            .bind(i64::from(limit.clamp(1, MAX_ROWS)))
            .fetch_all(pool)
            .await)
        .map_err(during(EXPORTING))?;
        Ok(rows.into_iter().map(Stretch::read).collect())
    }

    /// The same of the stretches that servers show today.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn shown_stretch_lines(&self, after: i64, limit: u32) -> Result<Vec<StretchLine>> {
        const READ: &str = "SELECT r.id, t.public_id, t.url, r.first_scan, r.last_scan, \
            r.first_at, r.last_at, r.n FROM run r JOIN target t ON t.id = r.target \
            WHERE r.id > $1 AND t.run = r.id ORDER BY r.id LIMIT $2";
        let rows: Vec<Stretch> = on!(self.db, pool => sqlx::query_as(READ)
            .bind(after)
            .bind(i64::from(limit.clamp(1, MAX_ROWS)))
            .fetch_all(pool)
            .await)
        .map_err(during(EXPORTING))?;
        Ok(rows.into_iter().map(Stretch::read).collect())
    }
}

impl Stretch {
    fn read(self) -> StretchLine {
        StretchLine {
            position: self.id,
            server: public(Kind::Server, &self.public_id).unwrap_or_default(),
            url: self.url,
            scan: public(Kind::Scan, &self.first_scan).unwrap_or_default(),
            last_scan: public(Kind::Scan, &self.last_scan).unwrap_or_default(),
            first_at: Millis(self.first_at),
            last_at: Millis(self.last_at),
            n: self.n,
        }
    }
}
