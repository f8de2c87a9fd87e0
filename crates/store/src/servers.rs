//! Reading one server: its columns, and how they become a [`ServerRow`].

use scanner::check::Party;
use scanner::report::{Badge, Class, Era, Exposure, GradeLetter};
use scanner::spec::Revision;
use scanner::target::Target;
use scanner::time::Millis;
use sqlx::{Database, Encode, QueryBuilder, Type};

use crate::Store;
use crate::db::on;
use crate::error::{Result, during};
use crate::ids::Kind;
use crate::rows::{ServerRow, TargetId};

/// The columns of a [`ServerRow`], of `target t JOIN visit v`.
const COLUMNS: &str = "t.id, t.public_id, t.url, t.host, t.name, t.name_key, \
    t.sources, t.class, t.era, t.exposure, t.letter, t.badge, t.score, t.coverage, t.doubtful, \
    t.cap_letter, t.cap_check, t.cap_party, t.claimed, t.claimed_letter, t.issuers, \
    t.registration, t.pkce, t.rank, t.changed_at, t.delisted_at, t.first_seen, v.due, \
    v.checked_at, v.last_scan, v.scans, v.failures, t.held_until";

#[derive(Debug, sqlx::FromRow)]
pub(crate) struct Row {
    pub(crate) id: i64,
    public_id: Vec<u8>,
    pub(crate) url: String,
    host: String,
    pub(crate) name: Option<String>,
    pub(crate) name_key: String,
    sources: String,
    class: Option<String>,
    era: Option<String>,
    exposure: Option<String>,
    letter: Option<String>,
    badge: Option<String>,
    score: Option<i64>,
    coverage: Option<i64>,
    doubtful: bool,
    cap_letter: Option<String>,
    cap_check: Option<String>,
    cap_party: Option<String>,
    claimed: Option<String>,
    claimed_letter: Option<String>,
    issuers: String,
    registration: Option<String>,
    pkce: Option<String>,
    pub(crate) rank: i64,
    pub(crate) changed_at: i64,
    delisted_at: i64,
    first_seen: i64,
    due: Option<i64>,
    pub(crate) checked_at: i64,
    last_scan: Option<Vec<u8>>,
    scans: i64,
    failures: i64,
    held_until: Option<i64>,
}

/// An id of the world from its bytes.
pub(crate) fn public(kind: Kind, bytes: &[u8]) -> Option<String> {
    Some(kind.write(bytes.try_into().ok()?))
}

fn ever(at: i64) -> Option<Millis> {
    (at > 0).then_some(Millis(at))
}

impl Row {
    pub(crate) fn read(self) -> ServerRow {
        let state = if self.class.is_some() {
            "published"
        } else if self.failures > 0 {
            "failed"
        } else {
            "queued"
        };
        let parsed = |text: &Option<String>| text.as_deref().and_then(GradeLetter::parse);
        ServerRow {
            id: public(Kind::Server, &self.public_id).unwrap_or_default(),
            letter: parsed(&self.letter),
            claimed_letter: parsed(&self.claimed_letter),
            badge: word(self.badge.as_deref(), &Badge::ALL, Badge::as_str),
            class: word(self.class.as_deref(), &Class::ALL, Class::as_str),
            era: word(self.era.as_deref(), &ERAS, Era::as_str),
            exposure: word(self.exposure.as_deref(), &EXPOSURES, Exposure::as_str),
            cap_party: word(self.cap_party.as_deref(), &PARTIES, Party::as_str),
            claimed: self.claimed.as_deref().and_then(Revision::parse),
            sources: serde_json::from_str(&self.sources).unwrap_or_default(),
            issuers: serde_json::from_str(&self.issuers).unwrap_or_default(),
            url: self.url,
            host: self.host,
            name: self.name,
            score_tenths: self.score,
            coverage_tenths: self.coverage,
            doubtful: self.doubtful,
            cap_letter: self.cap_letter,
            cap_check: self.cap_check,
            registration: self.registration,
            pkce: self.pkce,
            last_scan: self.last_scan.and_then(|id| public(Kind::Scan, &id)),
            checked_at: ever(self.checked_at),
            changed_at: ever(self.changed_at),
            first_seen: Millis(self.first_seen),
            // When somebody looks again would tell why it is held.
            next_due: self.due.filter(|_| self.held_until.is_none()).map(Millis),
            held_until: self.held_until.map(Millis),
            scans: self.scans,
            state: state.into(),
            listed: self.delisted_at == 0,
        }
    }
}

const ERAS: [Era; 5] = [
    Era::Modern,
    Era::Dual,
    Era::Legacy,
    Era::HttpSse,
    Era::Hidden,
];
const EXPOSURES: [Exposure; 4] = [
    Exposure::Info,
    Exposure::Unknown,
    Exposure::Write,
    Exposure::Danger,
];
const PARTIES: [Party; 2] = [Party::Server, Party::AuthorizationServer];

/// The value with this word.
pub(crate) fn word<T: Copy>(
    text: Option<&str>,
    all: &[T],
    as_str: fn(T) -> &'static str,
) -> Option<T> {
    all.iter().copied().find(|one| Some(as_str(*one)) == text)
}

impl Store {
    /// One server, or `None`.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn server(&self, id: &str) -> Result<Option<ServerRow>> {
        let Some(id) = Kind::Server.read(id) else {
            return Ok(None);
        };
        self.one(" WHERE t.public_id = ", id.to_vec()).await
    }

    /// One server by its normalised URL, or `None`.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn server_by_url(&self, url: &str) -> Result<Option<ServerRow>> {
        self.one(" WHERE t.url = ", url.replace('\0', "")).await
    }

    async fn one<V>(&self, condition: &'static str, value: V) -> Result<Option<ServerRow>>
    where
        V: for<'q> Encode<'q, sqlx::Sqlite> + Type<sqlx::Sqlite>,
        V: for<'q> Encode<'q, sqlx::Postgres> + Type<sqlx::Postgres>,
    {
        let row: Option<Row> = on!(self.db, pool => {
            let mut sql = select();
            sql.push(condition).push_bind(value);
            sql.build_query_as().fetch_optional(pool).await
        })
        .map_err(during("reading a server"))?;
        Ok(row.map(Row::read))
    }

    /// What to scan for a server, or `None` if there is no such server.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn target_of(&self, server: &str) -> Result<Option<(TargetId, Target)>> {
        const READ: &str = "SELECT id, url, listing FROM target WHERE public_id = $1";
        let Some(id) = Kind::Server.read(server) else {
            return Ok(None);
        };
        let row: Option<(i64, String, Option<String>)> = on!(self.db, pool => {
            sqlx::query_as(READ).bind(&id[..]).fetch_optional(pool).await
        })
        .map_err(during("reading a server"))?;
        Ok(row.map(|(id, url, listing)| {
            let listing = listing.and_then(|listing| serde_json::from_str(&listing).ok());
            (TargetId(id), Target { url, listing })
        }))
    }
}

/// The beginning of a statement that reads servers.
pub(crate) fn select<DB: Database>() -> QueryBuilder<DB>
where
    DB::Arguments: Default,
{
    let mut sql = QueryBuilder::new("SELECT ");
    sql.push(COLUMNS);
    sql.push(" FROM target t JOIN visit v ON v.target = t.id");
    sql
}
