//! Reading sources into the store: files whole, registries page after page. A walk keeps its
//! place after every page, so that one that was interrupted goes on where it stopped; what a
//! whole reading lacks is no longer listed.

use std::num::NonZeroU32;

use anyhow::Context as _;
use scanner::net::{EndpointHeader, Registry, Walk};
use scanner::normalise::Admission;
use scanner::time::{Clock as _, Millis, SystemClock};
use serde::{Deserialize, Serialize};
use store::{Reading, Store};
use tokio::sync::watch;

use crate::cli::import::{self, Tally};
use crate::config::{Settings, Source, SourceKind};
use crate::scanning;

/// Changes are asked for from this much before the last walk.
const OVERLAP_MS: i64 = 10 * 60_000;

/// A place in a registry is taken up again within this time.
const PLACE_MS: i64 = 24 * 60 * 60_000;

/// Pages of a registry between two lines of progress.
const PAGES_PER_LINE: u32 = 10;

/// How a registry is walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// From its first page to its last.
    Whole,
    /// What changed since the last walk; all of it, if there was none.
    News,
}

/// Where an unfinished walk stopped.
#[derive(Debug, Serialize, Deserialize)]
struct Place {
    /// Base URL of the registry.
    base: String,
    /// When the walk began.
    began: i64,
    /// Changes since then were asked for; without it, everything.
    since: Option<i64>,
    /// The next page.
    cursor: String,
}

/// Reads every enabled source; of a registry what is new unless `full`.
///
/// # Errors
///
/// The first source that failed, after all were tried.
pub(crate) async fn sync(store: &Store, settings: &Settings, full: bool) -> anyhow::Result<Tally> {
    let mut total = Tally::default();
    let mut first_error = None;
    let extent = if full { Extent::Whole } else { Extent::News };
    for source in settings.source.iter().filter(|source| source.enabled) {
        match read(store, settings, source, extent).await {
            Ok(tally) => {
                tracing::info!(
                    source = source.name,
                    found = tally.found,
                    added = tally.stored.added,
                    refused = tally.refused.values().sum::<u64>(),
                    gone = tally.reading.gone,
                    "source read"
                );
                total.add(&tally);
            }
            Err(error) => {
                tracing::warn!(source = source.name, "{error:#}");
                first_error.get_or_insert(error);
            }
        }
    }
    match first_error {
        Some(error) => Err(error),
        None => Ok(total),
    }
}

async fn read(
    store: &Store,
    settings: &Settings,
    source: &Source,
    extent: Extent,
) -> anyhow::Result<Tally> {
    let kind = match source.kind {
        SourceKind::Registry => {
            return walk_registry(source, settings, Some(store), extent, false).await;
        }
        SourceKind::Dump => import::Kind::Dump,
        SourceKind::Csv => import::Kind::Csv,
        SourceKind::List => import::Kind::List,
        SourceKind::ServerJson => import::Kind::ServerJson,
        SourceKind::ClientConfig => import::Kind::ClientConfig,
        SourceKind::DockerCatalogue => import::Kind::DockerCatalogue,
        SourceKind::Markdown => import::Kind::Markdown,
    };
    let began = SystemClock.now();
    let text = import::read_text(std::path::Path::new(&source.location))?;
    let rows = import::rows(&text, Some(kind), admission(settings))?;
    for remark in rows.remarks.iter().take(20) {
        let (line, value, why) = (remark.row, &remark.raw, &remark.why);
        tracing::warn!(
            source = source.name,
            line,
            value,
            why,
            "a value is left out"
        );
    }
    let mut tally = Tally::of(&rows);
    tally.stored = import::keep(store, &source.name, rows.targets, &source.location)
        .await
        .map_err(|ended| ended.into_cause())?;
    tally.reading = conclude(store, &source.name, began, false).await?;
    if source.kind == SourceKind::Dump {
        let entries = crate::registry::entries(&text, admission(settings));
        for part in entries.chunks(500) {
            store.keep_entries(&source.name, part, began).await?;
        }
    }
    Ok(tally)
}

/// Compares what was read of a source since `began` with what it listed before.
///
/// # Errors
///
/// If the store fails.
pub(crate) async fn conclude(
    store: &Store,
    name: &str,
    began: Millis,
    believe: bool,
) -> anyhow::Result<Reading> {
    let reading = store
        .reading_complete(name, began, believe, SystemClock.now())
        .await?;
    if reading.doubted {
        tracing::warn!(
            source = name,
            listed = reading.listed,
            missing = reading.missing,
            "the source suddenly lacks more than a fifth of its listings; that is not believed before the next whole reading, or `authdex import --believe`, agrees"
        );
    }
    Ok(reading)
}

fn admission(settings: &Settings) -> Admission {
    Admission {
        allow_private: settings.scan.allow_private,
        allow_ephemeral: false,
    }
}

/// Walks a registry page by page; without a store, only counts. A walk that reaches the last
/// page sets the time from which the next one asks for news; a whole one also says what is
/// gone.
///
/// # Errors
///
/// If a page cannot be had or read, or the store fails. Pages before it are kept, and the next
/// walk goes on behind them.
pub(crate) async fn walk_registry(
    source: &Source,
    settings: &Settings,
    store: Option<&Store>,
    extent: Extent,
    believe: bool,
) -> anyhow::Result<Tally> {
    let Some(store) = store else {
        let mut walk = open(source, settings, None, None).await?;
        let mut total = Tally::default();
        while let Some(page) = next(&mut walk, source, settings).await? {
            total.add(&Tally::of(&page.rows));
        }
        return Ok(total);
    };
    let last = format!("registry:{}", source.name);
    let since = match extent {
        Extent::Whole => None,
        Extent::News => store
            .cursor(&last)
            .await?
            .and_then(|text| Millis::parse_rfc3339(&text)),
    };
    let key = match since {
        None => format!("walk:{}", source.name),
        Some(_) => format!("news:{}", source.name),
    };
    let mut place = Place::kept(store, &key, source, since).await?;
    let mut walk = open(
        source,
        settings,
        place.since.map(Millis),
        Some(place.cursor.clone()).filter(|cursor| !cursor.is_empty()),
    )
    .await?;
    let mut total = Tally::default();
    let mut pages = 0_u32;
    loop {
        let page = match next(&mut walk, source, settings).await {
            Ok(Some(page)) => page,
            Ok(None) => break,
            Err(error) => {
                if pages == 0 {
                    // A place where nothing can be had is of no use: the next walk begins anew.
                    store.set_cursor(&key, "").await?;
                }
                return Err(error);
            }
        };
        let mut tally = Tally::of(&page.rows);
        tally.stored = import::keep(store, &source.name, page.rows.targets, &source.location)
            .await
            .map_err(|ended| ended.into_cause())?;
        store
            .keep_entries(&source.name, &page.entries, SystemClock.now())
            .await?;
        total.add(&tally);
        if let Some(cursor) = page.cursor {
            place.cursor = cursor;
            let text = serde_json::to_string(&place)?;
            store.set_cursor(&key, &text).await?;
        }
        pages += 1;
        if pages.is_multiple_of(PAGES_PER_LINE) {
            tracing::info!(
                source = source.name,
                pages,
                servers = total.found,
                "walking"
            );
        }
    }
    if !walk.is_complete() {
        tracing::warn!(
            source = source.name,
            "the walk ended at its caps; the next one goes on from there"
        );
        return Ok(total);
    }
    let began = Millis(place.began);
    if place.since.is_none() {
        total.reading = conclude(store, &source.name, began, believe).await?;
    }
    store.set_cursor(&last, &began.rfc3339()).await?;
    store.set_cursor(&key, "").await?;
    Ok(total)
}

impl Place {
    /// Where the last walk of this kind stopped, or the beginning.
    async fn kept(
        store: &Store,
        key: &str,
        source: &Source,
        since: Option<Millis>,
    ) -> anyhow::Result<Self> {
        let now = SystemClock.now();
        let kept = store
            .cursor(key)
            .await?
            .and_then(|text| serde_json::from_str::<Self>(&text).ok())
            .filter(|place| place.base == source.location && now.0 - place.began < PLACE_MS);
        if kept.is_some() {
            tracing::info!(source = source.name, "going on where the last walk stopped");
        }
        Ok(kept.unwrap_or_else(|| Self {
            base: source.location.clone(),
            began: now.0,
            since: since.map(|at| at.plus(-OVERLAP_MS).0),
            cursor: String::new(),
        }))
    }
}

/// A page of a registry, read.
struct Page {
    rows: import::Rows,
    /// Its entries as they came, to be passed on.
    entries: Vec<store::Entry>,
    /// Where the walk goes on.
    cursor: Option<String>,
}

async fn next(
    walk: &mut Walk,
    source: &Source,
    settings: &Settings,
) -> anyhow::Result<Option<Page>> {
    let Some(batch) = walk.next().await.with_context(|| shown(source))? else {
        return Ok(None);
    };
    let rows = import::rows(&batch.text, Some(import::Kind::Dump), admission(settings))
        .with_context(|| shown(source))?;
    Ok(Some(Page {
        rows,
        entries: crate::registry::entries(&batch.text, admission(settings)),
        cursor: batch.cursor,
    }))
}

async fn open(
    source: &Source,
    settings: &Settings,
    since: Option<Millis>,
    cursor: Option<String>,
) -> anyhow::Result<Walk> {
    let (_running, stop) = watch::channel(false);
    let net = scanning::installed(settings, stop, &[])?;
    let key = match source.api_key.as_str() {
        "" => None,
        key => Some(EndpointHeader::new(
            "authorization",
            &format!("Bearer {key}"),
        )?),
    };
    let registry = Registry {
        key,
        updated_since: since,
        cursor,
        limit: NonZeroU32::new(source.page_limit).unwrap_or(NonZeroU32::MIN),
        most_pages: source.max_pages,
        ..Registry::new(&source.location)
    };
    Walk::new(registry, net)
        .await
        .with_context(|| shown(source))
}

fn shown(source: &Source) -> String {
    format!("source {} at {}", source.name, source.location)
}

#[cfg(test)]
mod tests;
