//! Reading a page of a filtered and sorted list of servers.
//!
//! Every list goes on from where the page before ended. Which index finds the servers is decided
//! here, by the counters, and not left to the planner, which knows neither them nor that a page
//! is short: a condition that holds for few servers is looked up and its servers are sorted;
//! otherwise the index of the order is walked and the other conditions are tried on the way.

use sqlx::{Database, Encode, QueryBuilder, Type};

use crate::Store;
use crate::counters;
use crate::db::on;
use crate::error::{Result, StoreError, during};
use crate::pages::{Cursor, Key};
use crate::rows::{Page, Paged, ServerRow, Sort, TargetFilter};
use crate::servers::{Row, select};
use crate::state;

/// Up to so many hits of a search are looked up and sorted.
const FEW_HITS: i64 = 2_000;
/// Rows looked at to tell whether a search text is common: whether one in a hundred has it.
const PEEKED: i64 = 1_000;
/// Largest page.
const MAX_PAGE: u32 = 500;
/// How much of a search text counts.
const MAX_QUERY: usize = 100;
/// Shortest text that the index of substrings can find, in characters.
const TRIGRAM: usize = 3;

impl Store {
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
            // Postgres is to plan for these values, and a text with hits in it never returns.
            let keep = plan.lead != Lead::Hits && !self.db.is_postgres();
            sql.build_query_as().persistent(keep).fetch_all(pool).await
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

    /// About how many servers a filter keeps: as many as its rarest condition, exact for none or
    /// one. `None` for conditions that only counting could tell.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn estimate(&self, filter: &TargetFilter) -> Result<Option<i64>> {
        const DOING: &str = "estimating a list";
        if filter.q.is_some() || !times(filter).is_empty() {
            return Ok(None);
        }
        let Some(plan) = self.plan(filter).await? else {
            return Ok(Some(0));
        };
        let candidates = self.candidates(filter, &plan).await;
        let mut counts: Vec<i64> = candidates
            .map_err(during(DOING))?
            .into_iter()
            .map(|(n, _)| n)
            .collect();
        let more = [
            ("total", Some("servers")),
            ("source", plan.source.as_deref()),
        ];
        for (kind, value) in more {
            if let Some(value) = value {
                let n = counters::one(&self.db, kind, value).await;
                counts.push(n.map_err(during(DOING))?);
            }
        }
        Ok(counts.into_iter().min())
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
        if let Some(check) = &filter.failing {
            let Some(ordinal) = self.ordinals(&[]).await?.of(check) else {
                return Ok(None);
            };
            plan.failing = i64::try_from(ordinal).ok();
        }
        if let Some(issuer) = &filter.issuer {
            let Some(row) = self.issuer_row(issuer).await? else {
                return Ok(None);
            };
            plan.issuer = Some(row);
        }
        plan.facets = facets(filter);
        plan.source = filter
            .source
            .as_ref()
            .map(|source| source.replace('\0', ""));
        plan.times = times(filter);
        let candidates = self
            .candidates(filter, &plan)
            .await
            .map_err(during("planning a list"))?;
        let servers = counters::one(&self.db, "total", "servers")
            .await
            .map_err(during("planning a list"))?;
        let rarest = candidates.iter().min_by_key(|(n, _)| *n);
        if let Some((_, lead)) = rarest.filter(|(n, _)| *n <= few(servers)) {
            plan.few = true;
            plan.lead = *lead;
        } else if filter.sort == Sort::Letter {
            // Each facet has an index in the order of letters.
            plan.lead = candidates
                .iter()
                .filter(|(_, lead)| matches!(lead, Lead::Facet(_)))
                .min_by_key(|(n, _)| *n)
                .map_or(Lead::Rank, |(_, lead)| *lead);
        }
        if let Some(q) = &filter.q {
            self.plan_search(q, &mut plan).await?;
        }
        Ok(Some(plan))
    }

    /// Conditions that have an index, with the number of servers for which each holds.
    async fn candidates(
        &self,
        filter: &TargetFilter,
        plan: &Plan,
    ) -> Result<Vec<(i64, Lead)>, sqlx::Error> {
        let mut out = Vec::new();
        if let Some(letter) = &filter.letter {
            let n = counters::one(&self.db, "letter", &letter.to_uppercase()).await?;
            out.push((n, Lead::Rank));
        }
        if let Some(check) = &filter.failing {
            out.push((counters::one(&self.db, "fail", check).await?, Lead::Failing));
        }
        if let Some((_, servers)) = plan.issuer {
            out.push((servers, Lead::Issuer));
        }
        for (position, facet) in plan.facets.iter().enumerate() {
            let n = counters::one(&self.db, facet.column, &facet.value).await?;
            out.push((n, Lead::Facet(position)));
        }
        Ok(out)
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
        let search = match (long, self.trigram().await?) {
            (true, Trigram::Sqlite) => Search::Sqlite(pattern(&text)),
            (true, Trigram::Postgres) => Search::Postgres(pattern(&text)),
            (true, Trigram::Missing) | (false, _) => Search::Beginning(text.clone()),
        };
        if let Some(hits) = self.few_hits(&search).await.map_err(during("searching"))? {
            plan.few = true;
            plan.lead = Lead::Hits;
            plan.hits = hits;
        }
        plan.search = Some(search);
        plan.text = Some(text);
        Ok(())
    }

    /// What the search finds, if that is little enough to be looked up.
    async fn few_hits(&self, search: &Search) -> Result<Option<Vec<i64>>, sqlx::Error> {
        // A look at the beginning of the list tells common words apart: to look those up in
        // an index costs more than to walk the list.
        if let Search::Sqlite(pattern) | Search::Postgres(pattern) = search {
            const PEEK: &str = "SELECT COUNT(*) FROM (SELECT t.words FROM target t \
                ORDER BY t.rank, t.id LIMIT $1) AS beginning WHERE beginning.words LIKE $2";
            let (seen,): (i64,) = on!(self.db, pool => {
                sqlx::query_as(PEEK).bind(PEEKED).bind(pattern).fetch_one(pool).await
            })?;
            if seen >= PEEKED / 100 {
                return Ok(None);
            }
        }
        let hits: Vec<(i64,)> = on!(self.db, pool => {
            let mut sql = QueryBuilder::new("SELECT f.");
            search.push_hits(&mut sql);
            sql.push(" LIMIT ").push_bind(FEW_HITS + 1);
            sql.build_query_as().persistent(false).fetch_all(pool).await
        })?;
        let few = i64::try_from(hits.len()).is_ok_and(|n| n <= FEW_HITS);
        Ok(few.then(|| hits.into_iter().map(|(id,)| id).collect()))
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

impl Row {
    fn key(&self, sort: Sort) -> Key {
        match sort {
            Sort::Letter => Key::Number(self.rank),
            Sort::Checked => Key::Number(self.checked_at),
            Sort::Changed => Key::Number(self.changed_at),
            Sort::Name => Key::Text(self.name_key.clone()),
        }
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
        ("product", filter.product.clone()),
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

/// Bounds of instants. Who was never scanned has the instant 0.
fn times(filter: &TargetFilter) -> Vec<(&'static str, bool, i64)> {
    const CHECKED: &str = "v.checked_at";
    let mut out = Vec::new();
    if let Some(at) = filter.changed_since {
        out.push(("t.changed_at", true, at.0.max(1)));
    }
    if let Some(at) = filter.checked_since {
        out.push((CHECKED, true, at.0.max(1)));
    }
    if let Some(at) = filter.checked_before {
        out.push((CHECKED, true, 1));
        out.push((CHECKED, false, at.0));
    }
    out
}

/// Up to so many servers it is cheaper to look up and sort than to walk an index until a page
/// is full: where both cost the same if servers are spread evenly.
fn few(servers: i64) -> i64 {
    (servers.max(0).saturating_mul(50)).isqrt().max(500)
}

/// Conditions of a list, and which of them finds the servers.
#[derive(Default)]
struct Plan {
    ranks: Option<(i64, i64)>,
    facets: Vec<Facet>,
    failing: Option<i64>,
    /// Row of the issuer, and how many servers name it.
    issuer: Option<(i64, i64)>,
    source: Option<String>,
    /// Bounds of an instant: its column, whether it is a lower one, and the bound.
    times: Vec<(&'static str, bool, i64)>,
    search: Option<Search>,
    hits: Vec<i64>,
    text: Option<String>,
    /// The leading condition holds for few servers: look those up and sort them. Otherwise an
    /// index is walked in the order asked for.
    few: bool,
    lead: Lead,
}

/// What the database is to begin with; every other condition is only tried.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Lead {
    /// The index of the order.
    #[default]
    Order,
    /// The index of ranks.
    Rank,
    /// The index of a facet, which is in the order of ranks.
    Facet(usize),
    /// The index of failing checks.
    Failing,
    /// The index of issuers.
    Issuer,
    /// What the search found.
    Hits,
}

enum Search {
    Sqlite(String),
    Postgres(String),
    /// Names or hosts that begin with the text.
    Beginning(String),
}

impl Search {
    /// Column, table and condition that find the rows of targets; the table is called `f`.
    fn push_hits<DB: Database>(&self, sql: &mut QueryBuilder<DB>)
    where
        String: for<'q> Encode<'q, DB> + Type<DB>,
    {
        match self {
            Self::Sqlite(pattern) => {
                sql.push("rowid FROM search f WHERE f.words LIKE ");
                sql.push_bind(pattern.clone());
            }
            Self::Postgres(pattern) => {
                sql.push("id FROM target f WHERE f.words LIKE ");
                sql.push_bind(pattern.clone());
            }
            Self::Beginning(text) => {
                // Each half is read from its index alone, and no further than is wanted to
                // know that there is too much.
                let end = format!("{text}{LAST}");
                sql.push("id FROM (SELECT one.id FROM (SELECT h.id FROM target h WHERE h.host >= ");
                sql.push_bind(text.clone()).push(" AND h.host < ");
                sql.push_bind(end.clone())
                    .push(" LIMIT ")
                    .push(FEW_HITS + 1);
                sql.push(") AS one UNION SELECT two.id FROM (SELECT n.id FROM target n WHERE n.name_key >= ");
                sql.push_bind(text.clone()).push(" AND n.name_key < ");
                sql.push_bind(end).push(" LIMIT ").push(FEW_HITS + 1);
                sql.push(") AS two) AS f");
            }
        }
    }
}

/// The last character there is: it closes the range of texts that begin alike.
const LAST: char = '\u{10ffff}';

fn push_beginning<DB: Database>(sql: &mut QueryBuilder<DB>, table: &'static str, text: &str)
where
    String: for<'q> Encode<'q, DB> + Type<DB>,
{
    let end = format!("{text}{LAST}");
    for (before, column) in [("(((", "name_key"), (" OR ((", "host")] {
        sql.push(before).push(table).push(column).push(") >= ");
        sql.push_bind(text.to_owned()).push(" AND (");
        sql.push(table).push(column).push(") < ");
        sql.push_bind(end.clone()).push(")");
    }
    sql.push(")");
}

/// Whether the planner of this engine has statistics of values.
fn knows_values<DB: Database>() -> bool {
    DB::NAME == sqlx::Postgres::NAME
}

impl Plan {
    /// Writes the conditions. For SQLite, which plans by rules of thumb, one that does not lead
    /// is written so that no index fits it. Postgres knows how rare values are, as long as
    /// they are compared with bare columns.
    fn push<DB: Database>(&self, sql: &mut QueryBuilder<DB>)
    where
        String: for<'q> Encode<'q, DB> + Type<DB>,
        i64: for<'q> Encode<'q, DB> + Type<DB>,
    {
        sql.push(" WHERE TRUE");
        if let Some((first, last)) = self.ranks {
            let in_order = !self.few && matches!(self.lead, Lead::Facet(_));
            let rank = if in_order || self.lead == Lead::Rank || knows_values::<DB>() {
                " AND t.rank"
            } else {
                " AND +t.rank"
            };
            sql.push(rank).push(" >= ").push_bind(first);
            sql.push(rank).push(" <= ").push_bind(last);
        }
        for (position, facet) in self.facets.iter().enumerate() {
            let leads = self.lead == Lead::Facet(position) || knows_values::<DB>();
            sql.push(if leads { " AND t." } else { " AND ('' || t." });
            sql.push(facet.column);
            sql.push(if leads { " = " } else { ") = " });
            sql.push_bind(facet.value.clone());
        }
        if let Some(ordinal) = self.failing {
            if self.lead == Lead::Failing || knows_values::<DB>() {
                sql.push(" AND t.id IN (SELECT f.target FROM failing f WHERE f.ordinal = ");
                sql.push_bind(ordinal).push(")");
            } else {
                sql.push(" AND (SELECT 1 FROM failing f WHERE f.target = t.id AND f.ordinal = ");
                sql.push_bind(ordinal).push(") = 1");
            }
        }
        if let Some((issuer, _)) = self.issuer {
            if self.lead == Lead::Issuer || knows_values::<DB>() {
                sql.push(" AND t.id IN (SELECT x.target FROM target_issuer x WHERE x.issuer = ");
                sql.push_bind(issuer).push(")");
            } else {
                sql.push(" AND (SELECT 1 FROM target_issuer x WHERE x.target = t.id ");
                sql.push("AND x.issuer = ").push_bind(issuer).push(") = 1");
            }
        }
        if let Some(source) = &self.source {
            sql.push(" AND EXISTS (SELECT 1 FROM listing l WHERE l.target = t.id AND l.source = ");
            sql.push_bind(source.clone()).push(")");
        }
        for (column, lower, bound) in &self.times {
            // With another order the index of that instant would only mislead.
            let sign = if self.few && !knows_values::<DB>() {
                "+"
            } else {
                ""
            };
            sql.push(" AND ").push(sign).push(column);
            sql.push(if *lower { " >= " } else { " < " });
            sql.push_bind(*bound);
        }
        self.push_search(sql);
    }

    fn push_search<DB: Database>(&self, sql: &mut QueryBuilder<DB>)
    where
        String: for<'q> Encode<'q, DB> + Type<DB>,
    {
        match &self.search {
            None => (),
            Some(_) if self.lead == Lead::Hits => {
                // An empty list of a condition is no SQL; no row has the number 0.
                sql.push(" AND t.id IN (0");
                for id in &self.hits {
                    sql.push(", ").push(id);
                }
                sql.push(")");
            }
            Some(Search::Sqlite(pattern) | Search::Postgres(pattern)) => {
                sql.push(if knows_values::<DB>() {
                    " AND t.words LIKE "
                } else {
                    " AND ('' || t.words) LIKE "
                });
                sql.push_bind(pattern.clone());
            }
            Some(Search::Beginning(text)) => {
                sql.push(" AND ");
                push_beginning(sql, "'' || t.", text);
            }
        }
    }
}

/// The order, and where the page before ended. On SQLite, a plus or an empty text before a
/// column keeps its index from being used, for lists that are looked up and sorted afterwards.
fn push_order<DB: Database>(
    sql: &mut QueryBuilder<DB>,
    sort: Sort,
    after: Option<&Cursor>,
    few: bool,
) where
    String: for<'q> Encode<'q, DB> + Type<DB>,
    i64: for<'q> Encode<'q, DB> + Type<DB>,
{
    let (key, id, downwards) = match (sort, few && !knows_values::<DB>()) {
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

#[cfg(test)]
mod tests {
    use super::pattern;

    #[test]
    fn patterns_hold_no_meaning_of_their_own() {
        assert_eq!(pattern("a%b_c\\d"), "%a_b_c_d%");
    }
}
