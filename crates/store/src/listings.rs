//! What sources say: adding servers, and keeping every source's statement beside the others.
//!
//! Imports are idempotent and batched: five hundred rows per transaction, a handful of
//! statements per batch, whatever the number of rows.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use scanner::evidence::Depth;
use scanner::target::{LISTED_DEPTHS, Listing, Target};
use scanner::time::Millis;

use crate::Store;
use crate::asked::SUBMISSION;
use crate::counters::Counters;
use crate::db::{Tx, within};
use crate::error::{Result, StoreError, during};
use crate::ids::fresh_bytes;
use crate::leases::Lane;
use crate::rows::{ImportTally, NewListing};
use crate::sightings::{self, Said};
use crate::state::{RANK_UNSCANNED, clean};

/// Rows per transaction.
const BATCH: usize = 500;
/// Longest text that search looks in, in characters.
const MAX_WORDS: usize = 1_200;

/// The listings of one endpoint in a batch: name and JSON.
struct Stated {
    host: String,
    listings: BTreeMap<String, String>,
    rows: u64,
}

/// A target that is there already.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct Known {
    pub(crate) id: i64,
    pub(crate) url: String,
    delisted_at: i64,
}

impl Store {
    /// Adds or refreshes what one source lists. Servers that are new are due at once, behind
    /// everything else. Rows that the source no longer has are left alone until
    /// [`Store::reading_complete`] says that all was read.
    ///
    /// # Errors
    ///
    /// If the database fails. Batches of 500 rows before the failing one stay imported;
    /// importing again is harmless.
    pub async fn add_listings(
        &self,
        source: &str,
        rows: &[NewListing],
        now: Millis,
    ) -> Result<ImportTally> {
        let source = clean(source);
        let mut tally = ImportTally::default();
        let left_out = self.left_out(now).await?;
        for batch in rows.chunks(BATCH) {
            let mut stated = group(&source, batch)?;
            // Nothing is taken in of who asked that nothing is kept. A visitor's wish is taken
            // like any other, so that its answer tells nothing; the worker removes it.
            if source != SUBMISSION {
                stated.retain(|_, one| !left_out.hides(&one.host));
            }
            if stated.is_empty() {
                continue;
            }
            let done = self
                .import(&source, &stated, now)
                .await
                .map_err(during("importing listings"))?;
            tally.added += done.added;
            tally.known += done.known;
            tally.updated += done.updated;
        }
        Ok(tally)
    }

    async fn import(
        &self,
        source: &str,
        stated: &BTreeMap<String, Stated>,
        now: Millis,
    ) -> Result<ImportTally, sqlx::Error> {
        let mut counters = Counters::default();
        let mut tx = self.db.begin().await?;
        one_import_at_a_time(&mut tx).await?;
        let mut targets = known(&mut tx, stated).await?;
        let fresh: Vec<(&String, &Stated)> = stated
            .iter()
            .filter(|(url, _)| !targets.contains_key(*url))
            .collect();
        let added = add_targets(&mut tx, source, &fresh, now).await?;
        let old: BTreeSet<i64> = targets.values().map(|known| known.id).collect();
        if !fresh.is_empty() {
            targets = known(&mut tx, stated).await?;
            add_visits(&mut tx, &fresh, &targets, now).await?;
        }
        let said = said_before(&mut tx, source, &old).await?;
        let (mut tally, restated) = compare(source, stated, &targets, &said, &mut counters);
        tally.added = added;
        tally.updated = tally.updated.saturating_sub(added);
        let urls: HashMap<i64, &str> = targets
            .iter()
            .map(|(url, known)| (known.id, url.as_str()))
            .collect();
        let ended: Vec<(&(i64, String), &Said)> = said
            .iter()
            .filter(|((target, name), said)| {
                let now = stated_of(stated, &urls, *target, name);
                now.is_some_and(|facts| said.gone || said.facts != *facts)
            })
            .collect();
        sightings::keep(&mut tx, source, &ended).await?;
        upsert_listings(&mut tx, source, stated, &targets, now).await?;
        let restated: Vec<i64> = restated.intersection(&old).copied().collect();
        restate(&mut tx, &targets, &restated, now).await?;
        let servers = i64::try_from(added).unwrap_or(i64::MAX);
        counters.add("total", "servers", servers);
        if tally.added + tally.updated > 0 {
            counters.write(&mut tx, 0).await?;
        }
        tx.commit().await?;
        Ok(tally)
    }
}

/// Waits for the batch that another process is importing. What is counted depends on what was
/// there before, which two at once would both miss. On SQLite a transaction is alone anyway.
pub(crate) async fn one_import_at_a_time(tx: &mut Tx) -> Result<(), sqlx::Error> {
    const WAIT: &str = "SELECT pg_advisory_xact_lock(4217001)";
    if tx.is_postgres() {
        within!(tx, c => sqlx::query(WAIT).execute(c).await.map(drop))?;
    }
    Ok(())
}

/// Compares what the source says with what it said: counts, and the targets of which it says
/// something new. The first listing of a new server counts as updated here.
fn compare(
    source: &str,
    stated: &BTreeMap<String, Stated>,
    targets: &HashMap<String, Known>,
    said: &HashMap<(i64, String), Said>,
    counters: &mut Counters,
) -> (ImportTally, BTreeSet<i64>) {
    let mut tally = ImportTally::default();
    let mut restated = BTreeSet::new();
    let listed: BTreeSet<i64> = said.keys().map(|(target, _)| *target).collect();
    for (url, one) in stated {
        let Some(Known { id, .. }) = targets.get(url) else {
            continue;
        };
        for (name, facts) in &one.listings {
            let before = said.get(&(*id, name.clone()));
            if before.is_some_and(|said| said.facts == *facts && !said.gone) {
                tally.known += 1;
            } else {
                restated.insert(*id);
                tally.updated += 1;
            }
        }
        tally.known += one.rows - one.listings.len() as u64;
        if !listed.contains(id) {
            counters.add("source", source, 1);
        }
    }
    (tally, restated)
}

/// Rows of a batch by endpoint, in the order of endpoints, so that all imports lock in one
/// order.
fn group(source: &str, batch: &[NewListing]) -> Result<BTreeMap<String, Stated>> {
    let mut out: BTreeMap<String, Stated> = BTreeMap::new();
    for row in batch {
        let Target { url, listing } = &row.target;
        if url.contains('\0') {
            return Err(StoreError::Unstorable {
                what: "a listing",
                why: "its URL is not normalised: it holds a NUL".into(),
            });
        }
        let mut listing = listing.clone().unwrap_or_default();
        listing.source = source.to_owned();
        listing.name = listing.name.as_deref().map(clean);
        let facts = serde_json::to_string(&listing).map_err(|error| StoreError::Unstorable {
            what: "a listing",
            why: error.to_string(),
        })?;
        let stated = out.entry(url.clone()).or_insert_with(|| Stated {
            host: clean(&row.target.host()),
            listings: BTreeMap::new(),
            rows: 0,
        });
        stated.rows += 1;
        stated
            .listings
            .insert(listing.name.unwrap_or_default(), facts);
    }
    Ok(out)
}

/// Targets of these endpoints, by endpoint.
async fn known(
    tx: &mut Tx,
    stated: &BTreeMap<String, Stated>,
) -> Result<HashMap<String, Known>, sqlx::Error> {
    let rows: Vec<Known> = within!(tx, c => {
        let mut sql =
            sqlx::QueryBuilder::new("SELECT id, url, delisted_at FROM target WHERE url IN (");
        let mut list = sql.separated(", ");
        for url in stated.keys() {
            list.push_bind(url.as_str());
        }
        sql.push(")");
        sql.build_query_as().fetch_all(c).await
    })?;
    Ok(rows.into_iter().map(|row| (row.url.clone(), row)).collect())
}

/// Adds targets; how many were really added.
async fn add_targets(
    tx: &mut Tx,
    source: &str,
    fresh: &[(&String, &Stated)],
    now: Millis,
) -> Result<u64, sqlx::Error> {
    if fresh.is_empty() {
        return Ok(0);
    }
    let sources = serde_json::Value::from(vec![source]).to_string();
    let shown: Vec<Shown> = fresh
        .iter()
        .map(|(url, stated)| {
            let facts: Vec<(&str, bool)> = stated
                .listings
                .values()
                .map(|facts| (facts.as_str(), false))
                .collect();
            Shown::of(url, &stated.host, &facts)
        })
        .collect();
    within!(tx, c => {
        let mut sql = sqlx::QueryBuilder::new(
            "INSERT INTO target (public_id, url, host, name, name_key, words, sources, listing, \
             delisted_at, first_seen, rank) ",
        );
        sql.push_values(fresh.iter().zip(&shown), |mut row, ((url, stated), shown)| {
            row.push_bind(fresh_bytes(now).to_vec())
                .push_bind(url.as_str())
                .push_bind(stated.host.as_str())
                .push_bind(shown.name.as_deref())
                .push_bind(shown.name_key.as_str())
                .push_bind(shown.words.as_str())
                .push_bind(sources.as_str())
                .push_bind(shown.listing.as_deref())
                .push_bind(if shown.listed { 0 } else { now.0 })
                .push_bind(now.0)
                .push_bind(RANK_UNSCANNED);
        });
        sql.push(" ON CONFLICT (url) DO NOTHING");
        sql.build().execute(c).await.map(|done| done.rows_affected())
    })
}

async fn add_visits(
    tx: &mut Tx,
    fresh: &[(&String, &Stated)],
    targets: &HashMap<String, Known>,
    now: Millis,
) -> Result<(), sqlx::Error> {
    let mut ids: Vec<(i64, String, String)> = fresh
        .iter()
        .filter_map(|(url, _)| {
            let host = crate::hosts::host_of(url);
            let operator = crate::hosts::operator_of(&host);
            Some((targets.get(*url)?.id, host, operator))
        })
        .collect();
    if ids.is_empty() {
        return Ok(());
    }
    ids.sort_unstable();
    within!(tx, c => {
        let mut sql = sqlx::QueryBuilder::new("INSERT INTO visit (target, lane, due, host, operator) ");
        sql.push_values(&ids, |mut row, (id, host, operator)| {
            row.push_bind(*id)
                .push_bind(Lane::Backfill as i64)
                .push_bind(now.0)
                .push_bind(host.as_str())
                .push_bind(operator.as_str());
        });
        sql.push(" ON CONFLICT (target) DO NOTHING");
        sql.build().execute(c).await.map(drop)
    })
}

/// What the source said so far about these targets, by target and name.
async fn said_before(
    tx: &mut Tx,
    source: &str,
    targets: &BTreeSet<i64>,
) -> Result<HashMap<(i64, String), Said>, sqlx::Error> {
    if targets.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<(i64, String, String, i64, i64, i64)> = within!(tx, c => {
        let mut sql = sqlx::QueryBuilder::new(
            "SELECT target, name, facts, since, seen, gone_at FROM listing WHERE source = ",
        );
        sql.push_bind(source).push(" AND target IN (");
        let mut list = sql.separated(", ");
        for id in targets {
            list.push_bind(*id);
        }
        sql.push(")");
        sql.build_query_as().fetch_all(c).await
    })?;
    Ok(rows
        .into_iter()
        .map(|(target, name, facts, since, seen, gone_at)| {
            let said = Said {
                facts,
                since,
                seen,
                gone: gone_at != 0,
            };
            ((target, name), said)
        })
        .collect())
}

/// What the source says now of a target under a name, if it says anything.
fn stated_of<'s>(
    stated: &'s BTreeMap<String, Stated>,
    targets: &HashMap<i64, &str>,
    target: i64,
    name: &str,
) -> Option<&'s String> {
    stated.get(*targets.get(&target)?)?.listings.get(name)
}

async fn upsert_listings(
    tx: &mut Tx,
    source: &str,
    stated: &BTreeMap<String, Stated>,
    targets: &HashMap<String, Known>,
    now: Millis,
) -> Result<(), sqlx::Error> {
    let listings: Vec<(i64, &String, &String)> = stated
        .iter()
        .filter_map(|(url, one)| Some((targets.get(url)?.id, one)))
        .flat_map(|(id, one)| {
            one.listings
                .iter()
                .map(move |(name, facts)| (id, name, facts))
        })
        .collect();
    if listings.is_empty() {
        return Ok(());
    }
    within!(tx, c => {
        let mut sql = sqlx::QueryBuilder::new(
            "INSERT INTO listing (target, source, name, facts, seen, first_seen, since) ",
        );
        sql.push_values(&listings, |mut row, (target, name, facts)| {
            row.push_bind(*target)
                .push_bind(source)
                .push_bind(name.as_str())
                .push_bind(facts.as_str())
                .push_bind(now.0)
                .push_bind(now.0)
                .push_bind(now.0);
        });
        sql.push(
            " ON CONFLICT (target, source, name) DO UPDATE \
             SET facts = excluded.facts, seen = excluded.seen, gone_at = 0, \
             since = CASE WHEN listing.facts = excluded.facts AND listing.gone_at = 0 \
             THEN listing.since ELSE excluded.since END",
        );
        sql.build().execute(c).await.map(drop)
    })
}

/// The host of a target, the sources that name it, and their statements, each with whether
/// its source has ceased to list it.
type Heard = (String, BTreeSet<String>, Vec<(String, bool)>);

/// Works out anew what is shown of targets whose listings changed.
pub(crate) async fn restate(
    tx: &mut Tx,
    targets: &HashMap<String, Known>,
    ids: &[i64],
    now: Millis,
) -> Result<(), sqlx::Error> {
    const UPDATE: &str = "UPDATE target SET name = $2, name_key = $3, words = $4, sources = $5, \
        listing = $6, delisted_at = $7 WHERE id = $1";
    if ids.is_empty() {
        return Ok(());
    }
    let rows: Vec<(i64, String, String, String, i64)> = within!(tx, c => {
        let mut sql = sqlx::QueryBuilder::new(
            "SELECT l.target, t.host, l.source, l.facts, l.gone_at FROM listing l \
             JOIN target t ON t.id = l.target WHERE l.target IN (",
        );
        let mut list = sql.separated(", ");
        for id in ids {
            list.push_bind(*id);
        }
        sql.push(")");
        sql.build_query_as().fetch_all(c).await
    })?;
    let mut by_target: BTreeMap<i64, Heard> = BTreeMap::new();
    for (id, host, source, facts, gone_at) in rows {
        let (_, sources, all) = by_target
            .entry(id)
            .or_insert_with(|| (host, BTreeSet::new(), Vec::new()));
        sources.insert(source);
        all.push((facts, gone_at != 0));
    }
    let urls: HashMap<i64, &Known> = targets.values().map(|known| (known.id, known)).collect();
    // In the order of rows, as filing does, so that the two cannot block each other.
    for (id, (host, sources, facts)) in &by_target {
        let Some(Known {
            url, delisted_at, ..
        }) = urls.get(id)
        else {
            continue;
        };
        let facts: Vec<(&str, bool)> = facts
            .iter()
            .map(|(facts, gone)| (facts.as_str(), *gone))
            .collect();
        let shown = Shown::of(url, host, &facts);
        let sources: Vec<&str> = sources.iter().map(String::as_str).collect();
        let delisted_at = match (shown.listed, *delisted_at) {
            (true, _) => 0,
            (false, 0) => now.0,
            (false, since) => since,
        };
        within!(tx, c => sqlx::query(UPDATE)
            .bind(id)
            .bind(shown.name.as_deref())
            .bind(shown.name_key.as_str())
            .bind(shown.words.as_str())
            .bind(serde_json::Value::from(sources).to_string())
            .bind(shown.listing.as_deref())
            .bind(delisted_at)
            .execute(c)
            .await
            .map(drop))?;
    }
    Ok(())
}

/// What is shown of a target because of its listings.
struct Shown {
    name: Option<String>,
    name_key: String,
    words: String,
    listing: Option<String>,
    listed: bool,
}

impl Shown {
    /// Of several listings the preferred one is active, of the official registry, and first
    /// by name. With each goes whether its source has ceased to list it.
    fn of(url: &str, host: &str, facts: &[(&str, bool)]) -> Self {
        let standing = |listing: &Listing, gone: bool| match listing.status.as_deref() {
            _ if gone => 3,
            Some("deleted") => 2,
            Some("deprecated") => 1,
            Some(_) | None => 0,
        };
        let mut listings: Vec<(i32, Listing)> = facts
            .iter()
            .filter_map(|(facts, gone)| {
                let listing: Listing = serde_json::from_str(facts).ok()?;
                Some((standing(&listing, *gone), listing))
            })
            .collect();
        listings.sort_by_cached_key(|(standing, listing)| {
            (
                *standing,
                listing.source != "registry",
                listing.source.clone(),
                listing.name.clone(),
            )
        });
        let listed = listings.iter().any(|(standing, _)| *standing < 2);
        let preferred = asking_least(&listings);
        let listings: Vec<Listing> = listings.into_iter().map(|(_, listing)| listing).collect();
        let name = listings.iter().find_map(|listing| listing.name.clone());
        let mut words = url.to_owned();
        for name in listings.iter().filter_map(|listing| listing.name.as_ref()) {
            words.push('\n');
            words.push_str(name);
        }
        Self {
            name_key: name.as_deref().unwrap_or(host).to_lowercase(),
            name,
            words: words.to_lowercase().chars().take(MAX_WORDS).collect(),
            listing: preferred.and_then(|listing| serde_json::to_string(&listing).ok()),
            listed,
        }
    }
}

/// The preferred listing as scans get it: with the least depth and the longest interval that
/// any listing which stands asks for.
fn asking_least(listings: &[(i32, Listing)]) -> Option<Listing> {
    let (_, first) = listings.first()?;
    let standing = || {
        let standing = listings.iter().filter(|(standing, _)| *standing < 3);
        standing.map(|(_, listing)| listing)
    };
    let depth = LISTED_DEPTHS
        .into_iter()
        .map(Depth::as_str)
        .find(|depth| standing().any(|listing| listing.depth.as_deref() == Some(depth)));
    Some(Listing {
        depth: depth.map(str::to_owned),
        interval_ms: standing().filter_map(|listing| listing.interval_ms).max(),
        ..first.clone()
    })
}
