//! Writing what evidence said, at the end of the transaction that makes it what servers show.
//!
//! Several processes may see one issuer at once. They pass here one after the other, because
//! each has locked the generation before: rows need no order of their own.

use std::collections::{BTreeMap, HashMap};

use super::reading::{Seen, SeenIssuer, Survey};
use super::{Features, VERSION};
use crate::counters::Counters;
use crate::db::{Tx, within};

/// Rows of one statement.
const ROWS: usize = 200;

/// What a transaction is to write.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    seen: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    target: i64,
    run: i64,
    at: i64,
    survey: Survey,
}

/// An issuer as it is stored.
#[derive(Debug, sqlx::FromRow)]
struct Known {
    id: i64,
    public_id: Vec<u8>,
    product: String,
    metadata_url: Option<String>,
    told: String,
    digest: Option<Vec<u8>>,
    seen_at: i64,
}

/// The form in which a search is stored.
struct Stored<'s> {
    told: &'static str,
    features: Features,
    digest: Option<&'s [u8]>,
}

impl<'s> From<&'s Seen> for Stored<'s> {
    fn from(seen: &'s Seen) -> Self {
        let (told, features, digest) = match seen {
            Seen::Document(digest, features) => ("document", *features, Some(&digest[..])),
            Seen::Absent => ("absent", Features::default(), None),
            Seen::Unknown => ("unknown", Features::default(), None),
        };
        Self {
            told,
            features,
            digest,
        }
    }
}

impl Pending {
    /// Notes what a run showed of a target since that instant.
    pub(crate) fn add(&mut self, target: i64, run: i64, at: i64, survey: &Survey) {
        self.seen.retain(|entry| entry.target != target);
        self.seen.push(Entry {
            target,
            run,
            at,
            survey: survey.clone(),
        });
    }

    /// Writes it all. The generation is locked.
    pub(crate) async fn write(
        self,
        tx: &mut Tx,
        counters: &mut Counters,
    ) -> Result<(), sqlx::Error> {
        for entries in self.seen.chunks(ROWS) {
            let ids = issuers(tx, entries).await?;
            links(tx, entries, &ids).await?;
            rows(tx, entries).await?;
            products(tx, entries, counters).await?;
        }
        Ok(())
    }
}

/// Of each issuer the newest sighting that could tell something, or the first that could not.
fn newest(entries: &[Entry]) -> BTreeMap<[u8; 16], (&Entry, &SeenIssuer)> {
    let mut out: BTreeMap<[u8; 16], (&Entry, &SeenIssuer)> = BTreeMap::new();
    for entry in entries {
        for issuer in &entry.survey.issuers {
            let tells = issuer.document != Seen::Unknown;
            let better = out.get(&issuer.id).is_none_or(|(other, known)| {
                let knew = known.document != Seen::Unknown;
                (tells, entry.at) > (knew, other.at)
            });
            if better {
                out.insert(issuer.id, (entry, issuer));
            }
        }
    }
    out
}

/// Adds issuers that are new and moves on those whose newest sighting says something else.
/// Returns the row of each.
async fn issuers(tx: &mut Tx, entries: &[Entry]) -> Result<HashMap<[u8; 16], i64>, sqlx::Error> {
    const MOVE: &str = "UPDATE issuer SET product = $2, basis = $3, metadata_url = $4, \
        told = $5, features = $6, digest = $7, run = $8, changed_at = $9, seen_at = $9 \
        WHERE id = $1";
    let newest = newest(entries);
    let mut out = HashMap::new();
    if newest.is_empty() {
        return Ok(out);
    }
    let known: Vec<Known> = within!(tx, c => {
        let mut sql = sqlx::QueryBuilder::new(
            "SELECT id, public_id, product, metadata_url, told, digest, seen_at FROM issuer \
             WHERE public_id IN (",
        );
        let mut list = sql.separated(", ");
        for id in newest.keys() {
            list.push_bind(id.to_vec());
        }
        sql.push(")");
        sql.build_query_as().fetch_all(c).await
    })?;
    let known: HashMap<Vec<u8>, Known> = known
        .into_iter()
        .map(|row| (row.public_id.clone(), row))
        .collect();
    for (id, (entry, seen)) in newest {
        let stored = Stored::from(&seen.document);
        let Some(row) = known.get(&id[..]) else {
            let row = add(tx, entry, seen, &stored).await?;
            change(tx, row, entry, &stored).await?;
            out.insert(id, row);
            continue;
        };
        out.insert(id, row.id);
        let moved = row.told != stored.told || row.digest.as_deref() != stored.digest;
        let other = moved || row.product != seen.product || row.metadata_url != seen.metadata_url;
        if entry.at < row.seen_at || !other || seen.document == Seen::Unknown {
            continue; // older, the same, or nothing that could be told
        }
        within!(tx, c => sqlx::query(MOVE)
            .bind(row.id)
            .bind(&seen.product)
            .bind(&seen.basis)
            .bind(&seen.metadata_url)
            .bind(stored.told)
            .bind(stored.features.0)
            .bind(stored.digest)
            .bind(entry.run)
            .bind(entry.at)
            .execute(c)
            .await
            .map(drop))?;
        if moved {
            change(tx, row.id, entry, &stored).await?;
        }
    }
    Ok(out)
}

async fn add(
    tx: &mut Tx,
    entry: &Entry,
    seen: &SeenIssuer,
    stored: &Stored<'_>,
) -> Result<i64, sqlx::Error> {
    const ADD: &str = "INSERT INTO issuer (public_id, issuer, host, product, basis, \
        metadata_url, told, features, digest, run, first_seen, changed_at, seen_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11, $11) RETURNING id";
    let (id,): (i64,) = within!(tx, c => sqlx::query_as(ADD)
        .bind(&seen.id[..])
        .bind(&seen.issuer)
        .bind(&seen.host)
        .bind(&seen.product)
        .bind(&seen.basis)
        .bind(&seen.metadata_url)
        .bind(stored.told)
        .bind(stored.features.0)
        .bind(stored.digest)
        .bind(entry.run)
        .bind(entry.at)
        .fetch_one(c)
        .await)?;
    Ok(id)
}

/// The document looks otherwise since this run.
async fn change(
    tx: &mut Tx,
    issuer: i64,
    entry: &Entry,
    stored: &Stored<'_>,
) -> Result<(), sqlx::Error> {
    const CHANGE: &str = "INSERT INTO issuer_change (issuer, at, run, told, features, digest) \
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (issuer, at) DO UPDATE SET \
        run = excluded.run, told = excluded.told, features = excluded.features, \
        digest = excluded.digest";
    within!(tx, c => sqlx::query(CHANGE)
        .bind(issuer)
        .bind(entry.at)
        .bind(entry.run)
        .bind(stored.told)
        .bind(stored.features.0)
        .bind(stored.digest)
        .execute(c)
        .await
        .map(drop))
}

/// Which issuers each target names, and how many targets name each issuer.
async fn links(
    tx: &mut Tx,
    entries: &[Entry],
    ids: &HashMap<[u8; 16], i64>,
) -> Result<(), sqlx::Error> {
    let before: Vec<(i64, i64)> = within!(tx, c => {
        let mut sql = sqlx::QueryBuilder::new(
            "SELECT target, issuer FROM target_issuer WHERE target IN (",
        );
        push_targets(&mut sql.separated(", "), entries);
        sql.push(")");
        sql.build_query_as().fetch_all(c).await
    })?;
    let mut after: BTreeMap<(i64, i64), i64> = BTreeMap::new();
    for entry in entries {
        for (position, issuer) in (0_i64..).zip(&entry.survey.issuers) {
            if let Some(id) = ids.get(&issuer.id) {
                after.entry((entry.target, *id)).or_insert(position);
            }
        }
    }
    let mut more: BTreeMap<i64, i64> = BTreeMap::new();
    for (_, issuer) in &before {
        *more.entry(*issuer).or_default() -= 1;
    }
    for (_, issuer) in after.keys() {
        *more.entry(*issuer).or_default() += 1;
    }
    if !before.is_empty() {
        within!(tx, c => {
            let mut sql = sqlx::QueryBuilder::new("DELETE FROM target_issuer WHERE target IN (");
            push_targets(&mut sql.separated(", "), entries);
            sql.push(")");
            sql.build().execute(c).await.map(drop)
        })?;
    }
    if !after.is_empty() {
        within!(tx, c => {
            let mut sql = sqlx::QueryBuilder::new(
                "INSERT INTO target_issuer (target, issuer, position) ",
            );
            sql.push_values(&after, |mut row, ((target, issuer), position)| {
                row.push_bind(*target).push_bind(*issuer).push_bind(*position);
            });
            sql.build().execute(c).await.map(drop)
        })?;
    }
    more.retain(|_, n| *n != 0);
    if more.is_empty() {
        return Ok(());
    }
    within!(tx, c => {
        let mut sql = sqlx::QueryBuilder::new(
            "UPDATE issuer SET servers = issuer.servers + v.column2 FROM (",
        );
        sql.push_values(&more, |mut row, (issuer, n)| {
            row.push_bind(*issuer).push_bind(*n);
        });
        sql.push(") AS v WHERE issuer.id = v.column1");
        sql.build().execute(c).await.map(drop)
    })
}

fn push_targets<DB: sqlx::Database>(
    list: &mut sqlx::query_builder::Separated<'_, DB, &'static str>,
    entries: &[Entry],
) where
    i64: for<'q> sqlx::Encode<'q, DB> + sqlx::Type<DB>,
{
    for entry in entries {
        list.push_bind(entry.target);
    }
}

/// What statistics read of each target.
async fn rows(tx: &mut Tx, entries: &[Entry]) -> Result<(), sqlx::Error> {
    within!(tx, c => {
        let mut sql = sqlx::QueryBuilder::new(
            "INSERT INTO survey (target, version, operator, prm, features) ",
        );
        sql.push_values(entries, |mut row, entry| {
            row.push_bind(entry.target)
                .push_bind(VERSION)
                .push_bind(&entry.survey.operator)
                .push_bind(entry.survey.prm)
                .push_bind(entry.survey.features.map(|features| features.0));
        });
        sql.push(
            " ON CONFLICT (target) DO UPDATE SET version = excluded.version, \
             operator = excluded.operator, prm = excluded.prm, features = excluded.features",
        );
        sql.build().execute(c).await.map(drop)
    })
}

/// The product column of each target, with its counters.
async fn products(
    tx: &mut Tx,
    entries: &[Entry],
    counters: &mut Counters,
) -> Result<(), sqlx::Error> {
    let before: Vec<(i64, Option<String>)> = within!(tx, c => {
        let mut sql = sqlx::QueryBuilder::new("SELECT id, product FROM target WHERE id IN (");
        push_targets(&mut sql.separated(", "), entries);
        sql.push(")");
        sql.build_query_as().fetch_all(c).await
    })?;
    let before: HashMap<i64, Option<String>> = before.into_iter().collect();
    let moved: Vec<&Entry> = entries
        .iter()
        .filter(|entry| {
            before
                .get(&entry.target)
                .is_some_and(|product| *product != entry.survey.product)
        })
        .collect();
    for entry in &moved {
        if let Some(Some(product)) = before.get(&entry.target) {
            counters.add("product", product, -1);
        }
        if let Some(product) = &entry.survey.product {
            counters.add("product", product, 1);
        }
    }
    if moved.is_empty() {
        return Ok(());
    }
    within!(tx, c => {
        let mut sql = sqlx::QueryBuilder::new("UPDATE target SET product = v.column2 FROM (");
        sql.push_values(&moved, |mut row, entry| {
            row.push_bind(entry.target).push_bind(&entry.survey.product);
        });
        sql.push(") AS v WHERE target.id = v.column1");
        sql.build().execute(c).await.map(drop)
    })
}
