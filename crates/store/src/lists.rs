//! Reading a page of a filtered and sorted list of servers.
//!
//! Every list is a walk along an index from where the page before ended. Which index is decided
//! here, by the counters, and not left to the planner: a condition that holds for few servers
//! is looked up first and its servers are sorted; otherwise the index of the sort order (or of
//! the rarest condition within it) is walked and the other conditions are tried on the way.

use sqlx::{Database, Encode, QueryBuilder, Type};

use crate::Store;
use crate::counters;
use crate::db::on;
use crate::error::{Result, StoreError, during};
use crate::pages::{Cursor, Key};
use crate::rows::{Page, Paged, ServerRow, Sort, TargetFilter};
use crate::servers::{Row, select};
use crate::state;

/// Up to so many servers are looked up and sorted; more are walked in order.
const FEW: i64 = 2_000;
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

#[cfg(test)]
mod tests {
    use super::pattern;

    #[test]
    fn patterns_hold_no_meaning_of_their_own() {
        assert_eq!(pattern("a%b_c\\d"), "%a_b_c_d%");
    }
}
