//! Reading servers: one, or a page of a filtered and sorted list.
//!
//! Every list is a walk along an index from where the page before ended. Which index is decided
//! here, by the counters, and not left to the planner: a condition that holds for few servers
//! is looked up first and its servers are sorted; otherwise the index of the sort order (or of
//! the rarest condition within it) is walked and the other conditions are tried on the way.

use std::fmt::Write as _;

use scanner::check::Party;
use scanner::report::{Badge, Class, Era, Exposure, GradeLetter};
use scanner::spec::Revision;
use scanner::target::Target;
use scanner::time::Millis;
use sqlx::{Database, Encode, QueryBuilder, Type};

use crate::Store;
use crate::counters;
use crate::db::on;
use crate::error::{Result, StoreError, during};
use crate::ids::Kind;
use crate::rows::{Page, Paged, ServerRow, Sort, TargetFilter, TargetId};
use crate::state;

/// Up to so many servers are looked up and sorted; more are walked in order.
pub(crate) const FEW: i64 = 2_000;
/// Largest page.
const MAX_PAGE: u32 = 500;
/// How much of a search text counts.
const MAX_QUERY: usize = 100;
/// Shortest text that the index of substrings can find.
const TRIGRAM: usize = 3;

/// The columns of a [`ServerRow`], of `target t JOIN visit v`.
pub(crate) const COLUMNS: &str = "t.id, t.public_id, t.url, t.host, t.name, t.name_key, \
    t.sources, t.class, t.era, t.exposure, t.letter, t.badge, t.score, t.coverage, t.doubtful, \
    t.cap_letter, t.cap_check, t.cap_party, t.claimed, t.claimed_letter, t.issuers, \
    t.registration, t.pkce, t.rank, t.changed_at, t.delisted_at, t.first_seen, v.due, \
    v.checked_at, v.last_scan, v.scans, v.failures";

#[derive(Debug, sqlx::FromRow)]
pub(crate) struct Row {
    pub(crate) id: i64,
    public_id: Vec<u8>,
    url: String,
    host: String,
    name: Option<String>,
    name_key: String,
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
    rank: i64,
    changed_at: i64,
    delisted_at: i64,
    first_seen: i64,
    due: Option<i64>,
    checked_at: i64,
    last_scan: Option<Vec<u8>>,
    scans: i64,
    failures: i64,
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
            next_due: self.due.map(Millis),
            scans: self.scans,
            state: state.into(),
            listed: self.delisted_at == 0,
        }
    }

    fn key(&self, sort: Sort) -> Key {
        match sort {
            Sort::Letter => Key::Number(self.rank),
            Sort::Checked => Key::Number(self.checked_at),
            Sort::Changed => Key::Number(self.changed_at),
            Sort::Name => Key::Text(self.name_key.clone()),
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

    /// A page of servers.
    ///
    /// # Errors
    ///
    /// If the cursor is not one of this store and this order, or the database fails.
    pub async fn servers(&self, filter: &TargetFilter, page: &Page) -> Result<Paged<ServerRow>> {
        let after = match &page.after {
            Some(text) => Some(Cursor::read(text, filter.sort).ok_or(StoreError::Cursor)?),
            None => None,
        };
        let limit = page.limit.clamp(1, MAX_PAGE);
        let Some(plan) = self.plan(filter).await? else {
            return Ok(Paged {
                rows: Vec::new(),
                next: None,
            });
        };
        let mut rows: Vec<Row> = on!(self.db, pool => {
            let mut sql = select();
            plan.push(&mut sql);
            push_order(&mut sql, filter.sort, after.as_ref(), plan.few);
            sql.push(" LIMIT ").push_bind(i64::from(limit) + 1);
            sql.build_query_as().fetch_all(pool).await
        })
        .map_err(during("listing servers"))?;
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let next = rows.last().filter(|_| more).map(|row| {
            Cursor {
                key: row.key(filter.sort),
                id: row.id,
            }
            .write(filter.sort)
        });
        // The index knows `_` as any character; the text asked for may hold one.
        let exact = |row: &Row| {
            plan.text.as_ref().is_none_or(|text| {
                text.len() < TRIGRAM
                    || !text.contains(WILD)
                    || row.url.to_lowercase().contains(text)
                    || row
                        .name
                        .as_ref()
                        .is_some_and(|n| n.to_lowercase().contains(text))
            })
        };
        Ok(Paged {
            rows: rows.into_iter().filter(exact).map(Row::read).collect(),
            next,
        })
    }

    /// How to read this list; `None` if nothing can match.
    async fn plan(&self, filter: &TargetFilter) -> Result<Option<Plan>> {
        let mut plan = Plan::default();
        if let Some(letter) = &filter.letter {
            let Some(ranks) = state::ranks(letter) else {
                return Ok(None);
            };
            plan.ranks = Some(ranks);
        }
        plan.facets = facets(filter);
        plan.source = filter.source.clone();
        let count = during("planning a list");
        if let Some(check) = &filter.failing {
            let Some(ordinal) = self.ordinals(&[]).await?.of(check) else {
                return Ok(None);
            };
            plan.failing = i64::try_from(ordinal).ok();
            let failing = counters::one(&self.db, "fail", check)
                .await
                .map_err(&count)?;
            plan.few |= failing <= FEW;
        }
        if let (Some(_), Some(letter)) = (plan.ranks, &filter.letter) {
            let letter = letter.to_uppercase();
            let n = counters::one(&self.db, "letter", &letter)
                .await
                .map_err(&count)?;
            plan.few |= n <= FEW;
        }
        // The rarest facet leads; the others are kept from leading the planner astray.
        let mut rarest = i64::MAX;
        for position in 0..plan.facets.len() {
            let facet = &plan.facets[position];
            let n = counters::one(&self.db, facet.column, &facet.value)
                .await
                .map_err(&count)?;
            if n < rarest {
                rarest = n;
                plan.leading = Some(position);
            }
        }
        plan.few |= rarest <= FEW;
        if !plan.few && filter.sort != Sort::Letter {
            plan.leading = None; // walk the order asked for
        }
        if let Some(q) = &filter.q {
            self.plan_search(q, &mut plan).await?;
        }
        Ok(Some(plan))
    }

    async fn plan_search(&self, q: &str, plan: &mut Plan) -> Result<()> {
        let text: String = q
            .trim()
            .chars()
            .take(MAX_QUERY)
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect::<String>()
            .to_lowercase();
        if text.is_empty() {
            return Ok(());
        }
        let long = text.chars().count() >= TRIGRAM;
        plan.search = Some(match (long, self.trigram().await?) {
            (true, Trigram::Sqlite) => Search::Sqlite(pattern(&text)),
            (true, Trigram::Postgres) => Search::Postgres(pattern(&text)),
            (true, Trigram::Missing) | (false, _) => Search::Beginning(text.clone()),
        });
        if let Some(search) = &plan.search {
            let hits: i64 = on!(self.db, pool => {
                let mut sql = QueryBuilder::new("SELECT COUNT(*) FROM (SELECT 1 FROM ");
                search.push_hits(&mut sql);
                sql.push(" LIMIT ").push_bind(FEW + 1).push(") AS hits");
                sql.build_query_as().fetch_one(pool).await.map(|(n,): (i64,)| n)
            })
            .map_err(during("searching"))?;
            plan.few |= hits <= FEW;
            plan.search_leads = hits <= FEW;
        }
        plan.text = Some(text);
        Ok(())
    }

    /// Which index of substrings there is.
    async fn trigram(&self) -> Result<Trigram> {
        const READ: &str = "SELECT COUNT(*) FROM pg_indexes WHERE indexname = 'target_words' \
            AND schemaname = current_schema()";
        let known = self.trigram.get_or_try_init(|| async {
            match &self.db.engine {
                crate::db::Engine::Sqlite(_) => Ok(Trigram::Sqlite),
                crate::db::Engine::Postgres(pool) => {
                    let (n,): (i64,) = sqlx::query_as(READ).fetch_one(pool).await?;
                    Ok(if n > 0 {
                        Trigram::Postgres
                    } else {
                        Trigram::Missing
                    })
                }
            }
        });
        known.await.copied().map_err(during("searching"))
    }
}

/// The index of substrings that the database has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trigram {
    Sqlite,
    Postgres,
    Missing,
}

/// Characters that mean something in a pattern, on one engine or the other.
const WILD: [char; 3] = ['%', '_', '\\'];

/// A pattern for text that holds this one. What has a meaning in patterns becomes "any
/// character"; hits are compared with the text afterwards.
fn pattern(text: &str) -> String {
    let escaped: String = text
        .chars()
        .map(|c| if WILD.contains(&c) { '_' } else { c })
        .collect();
    format!("%{escaped}%")
}

struct Facet {
    column: &'static str,
    value: String,
}

fn facets(filter: &TargetFilter) -> Vec<Facet> {
    let values = [
        ("class", filter.class.map(|class| class.as_str().to_owned())),
        ("era", filter.era.map(|era| era.as_str().to_owned())),
        ("claimed", filter.claimed.map(|r| r.as_str().to_owned())),
        ("registration", filter.registration.clone()),
        ("pkce", filter.pkce.clone()),
    ];
    values
        .into_iter()
        .filter_map(|(column, value)| {
            Some(Facet {
                column,
                value: value?.replace('\0', ""),
            })
        })
        .collect()
}

/// Conditions of a list, and the order in which to try them.
#[derive(Default)]
struct Plan {
    ranks: Option<(i64, i64)>,
    facets: Vec<Facet>,
    leading: Option<usize>,
    failing: Option<i64>,
    source: Option<String>,
    search: Option<Search>,
    search_leads: bool,
    text: Option<String>,
    /// Some condition holds for few servers: look those up and sort them.
    few: bool,
}

enum Search {
    Sqlite(String),
    Postgres(String),
    /// Names or hosts that begin with the text.
    Beginning(String),
}

impl Search {
    /// Table and condition that find the targets, as `id`s of what is called `f`.
    fn push_hits<DB: Database>(&self, sql: &mut QueryBuilder<DB>)
    where
        String: for<'q> Encode<'q, DB> + Type<DB>,
    {
        match self {
            Self::Sqlite(pattern) => {
                sql.push("search f WHERE f.words LIKE ");
                sql.push_bind(pattern.clone());
            }
            Self::Postgres(pattern) => {
                sql.push("target f WHERE f.words LIKE ");
                sql.push_bind(pattern.clone());
            }
            Self::Beginning(text) => {
                sql.push("target f WHERE ");
                push_beginning(sql, "f", text);
            }
        }
    }
}

fn push_beginning<DB: Database>(sql: &mut QueryBuilder<DB>, table: &'static str, text: &str)
where
    String: for<'q> Encode<'q, DB> + Type<DB>,
{
    // The last character there is closes the range of texts that begin alike.
    let end = format!("{text}\u{10ffff}");
    for (before, column) in [("((", ".name_key"), (" OR (", ".host")] {
        sql.push(before).push(table).push(column).push(" >= ");
        sql.push_bind(text.to_owned()).push(" AND ");
        sql.push(table).push(column).push(" < ");
        sql.push_bind(end.clone()).push(")");
    }
    sql.push(")");
}

fn select<DB: Database>() -> QueryBuilder<DB>
where
    DB::Arguments: Default,
{
    let mut sql = QueryBuilder::new("SELECT ");
    sql.push(COLUMNS);
    sql.push(" FROM target t JOIN visit v ON v.target = t.id");
    sql
}

impl Plan {
    fn push<DB: Database>(&self, sql: &mut QueryBuilder<DB>)
    where
        String: for<'q> Encode<'q, DB> + Type<DB>,
        i64: for<'q> Encode<'q, DB> + Type<DB>,
    {
        sql.push(" WHERE TRUE");
        if let Some((first, last)) = self.ranks {
            sql.push(" AND t.rank >= ").push_bind(first);
            sql.push(" AND t.rank <= ").push_bind(last);
        }
        for (position, facet) in self.facets.iter().enumerate() {
            // The concatenation says nothing, and keeps an index from being used.
            let leads = self.leading == Some(position) && !self.search_leads;
            sql.push(if leads { " AND t." } else { " AND ('' || t." });
            sql.push(facet.column);
            sql.push(if leads { " = " } else { ") = " });
            sql.push_bind(facet.value.clone());
        }
        if let Some(ordinal) = self.failing {
            if self.few {
                sql.push(" AND t.id IN (SELECT f.target FROM failing f WHERE f.ordinal = ");
                sql.push_bind(ordinal).push(")");
            } else {
                sql.push(" AND EXISTS (SELECT 1 FROM failing f WHERE f.target = t.id AND ");
                sql.push("f.ordinal = ").push_bind(ordinal).push(")");
            }
        }
        if let Some(source) = &self.source {
            sql.push(" AND EXISTS (SELECT 1 FROM listing l WHERE l.target = t.id AND l.source = ");
            sql.push_bind(source.clone()).push(")");
        }
        self.push_search(sql);
    }

    fn push_search<DB: Database>(&self, sql: &mut QueryBuilder<DB>)
    where
        String: for<'q> Encode<'q, DB> + Type<DB>,
    {
        let Some(search) = &self.search else {
            return;
        };
        match (self.search_leads, search) {
            (true, Search::Sqlite(_)) => {
                sql.push(" AND t.id IN (SELECT f.rowid FROM ");
                search.push_hits(sql);
                sql.push(")");
            }
            (true, Search::Postgres(_) | Search::Beginning(_)) => {
                sql.push(" AND t.id IN (SELECT f.id FROM ");
                search.push_hits(sql);
                sql.push(")");
            }
            (false, Search::Sqlite(pattern) | Search::Postgres(pattern)) => {
                sql.push(" AND t.words LIKE ").push_bind(pattern.clone());
            }
            (false, Search::Beginning(text)) => {
                sql.push(" AND ");
                push_beginning(sql, "t", text);
            }
        }
    }
}

/// The order, and where the page before ended. A plus before a column keeps its index from
/// being used, for lists that are looked up first and sorted afterwards.
fn push_order<DB: Database>(
    sql: &mut QueryBuilder<DB>,
    sort: Sort,
    after: Option<&Cursor>,
    few: bool,
) where
    String: for<'q> Encode<'q, DB> + Type<DB>,
    i64: for<'q> Encode<'q, DB> + Type<DB>,
{
    let (key, id, downwards) = match (sort, few) {
        (Sort::Letter, false) => ("t.rank", "t.id", false),
        (Sort::Letter, true) => ("+t.rank", "+t.id", false),
        (Sort::Checked, false) => ("v.checked_at", "v.target", true),
        (Sort::Checked, true) => ("+v.checked_at", "+v.target", true),
        (Sort::Changed, false) => ("t.changed_at", "t.id", true),
        (Sort::Changed, true) => ("+t.changed_at", "+t.id", true),
        (Sort::Name, false) => ("t.name_key", "t.id", false),
        (Sort::Name, true) => ("'' || t.name_key", "+t.id", false),
    };
    if let Some(Cursor {
        key: seen,
        id: last,
    }) = after
    {
        sql.push(" AND (").push(key).push(", ").push(id);
        sql.push(if downwards { ") < (" } else { ") > (" });
        match seen {
            Key::Number(seen) => sql.push_bind(*seen),
            Key::Text(seen) => sql.push_bind(seen.clone()),
        };
        sql.push(", ").push_bind(*last).push(")");
    }
    sql.push(" ORDER BY ").push(key);
    sql.push(if downwards { " DESC, " } else { ", " }).push(id);
    if downwards {
        sql.push(" DESC");
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Key {
    Number(i64),
    Text(String),
}

/// Where a page ended: the sort key and the row of its last entry.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cursor {
    key: Key,
    id: i64,
}

impl Cursor {
    fn write(&self, sort: Sort) -> String {
        let mut out = String::from(tag(sort));
        match &self.key {
            Key::Number(n) => {
                let _ = write!(out, "{n:x}");
            }
            Key::Text(text) => {
                for byte in text.as_bytes() {
                    let _ = write!(out, "{byte:02x}");
                }
            }
        }
        let _ = write!(out, ".{:x}", self.id);
        out
    }

    fn read(text: &str, sort: Sort) -> Option<Self> {
        let (key, id) = text.strip_prefix(tag(sort))?.split_once('.')?;
        let id = i64::from_str_radix(id, 16).ok().filter(|id| *id >= 0)?;
        let key = match sort {
            Sort::Name => {
                if !key.is_ascii() || key.len() % 2 != 0 {
                    return None;
                }
                let bytes: Option<Vec<u8>> = key
                    .as_bytes()
                    .chunks_exact(2)
                    .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
                    .collect();
                Key::Text(
                    String::from_utf8(bytes?)
                        .ok()
                        .filter(|t| !t.contains('\0'))?,
                )
            }
            Sort::Letter | Sort::Checked | Sort::Changed => {
                Key::Number(i64::from_str_radix(key, 16).ok()?)
            }
        };
        Some(Self { key, id })
    }
}

fn tag(sort: Sort) -> &'static str {
    match sort {
        Sort::Letter => "l",
        Sort::Checked => "k",
        Sort::Changed => "c",
        Sort::Name => "n",
    }
}

#[cfg(test)]
mod tests {
    use super::{Cursor, Key, pattern};
    use crate::rows::Sort;

    #[test]
    fn cursors_are_read_as_written_and_only_in_their_order() {
        let number = Cursor {
            key: Key::Number(40_123),
            id: 7,
        };
        let text = number.write(Sort::Letter);
        assert_eq!(Cursor::read(&text, Sort::Letter), Some(number));
        assert_eq!(Cursor::read(&text, Sort::Changed), None);
        let name = Cursor {
            key: Key::Text("é.example".into()),
            id: 1,
        };
        assert_eq!(
            Cursor::read(&name.write(Sort::Name), Sort::Name),
            Some(name)
        );
    }

    #[test]
    fn other_texts_are_no_cursors() {
        for text in [
            "",
            "l",
            "l.",
            "lx.1",
            "l1.-1",
            "l1",
            "l1.ffffffffffffffffff",
        ] {
            assert_eq!(Cursor::read(text, Sort::Letter), None, "{text}");
        }
        for text in ["nabc.1", "nff.1", "n00.1", "n+1.1", "né.1"] {
            assert_eq!(Cursor::read(text, Sort::Name), None, "{text}");
        }
    }

    #[test]
    fn patterns_hold_no_meaning_of_their_own() {
        assert_eq!(pattern("a%b_c\\d"), "%a_b_c_d%");
    }
}
