//! Jobs by cron: what is new in the sources, hourly, and a full walk, weekly. A job runs in
//! one process at a time (a row in the store), a missed one is made up for once.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use scanner::net::{EndpointHeader, Registry, Walk};
use scanner::normalise::Admission;
use scanner::rubric;
use scanner::time::{Clock as _, Millis, SystemClock};
use store::Store;
use store::cron::Cron;
use store::{Grade, Regraded};
use tokio::sync::watch;

use crate::cli::import::{self, Tally};
use crate::config::{Settings, Source, SourceKind};
use crate::scanning;

/// A job's claim on its slot.
const LEASE_MS: i64 = 30 * 60_000;

/// Changes are asked for from this much before the last walk.
const OVERLAP_MS: i64 = 10 * 60_000;

/// Pages of a registry between two lines of progress.
const PAGES_PER_LINE: u32 = 10;

/// Longest nap between two looks at the clock.
const NAP: Duration = Duration::from_secs(20);

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Job {
    /// Reads what is new in the sources.
    Sync,
    /// Reads the sources whole.
    Walk,
    /// Grades stored evidence under the rubric in force.
    Regrade,
}

/// Runs the jobs of the schedule until `stop` turns true.
pub async fn run(store: Store, settings: Settings, mut stop: watch::Receiver<bool>) {
    if !settings.schedule.enabled {
        let _ = stop.wait_for(|stop| *stop).await;
        return;
    }
    let jobs = [
        ("registry_sync", &settings.schedule.registry_sync, Job::Sync),
        ("registry_full", &settings.schedule.registry_full, Job::Walk),
        ("regrade", &settings.schedule.regrade, Job::Regrade),
    ];
    let mut planned: Vec<(&str, Cron, Job, Millis)> = Vec::new();
    let now = SystemClock.now();
    let last: BTreeMap<String, Millis> = match store.jobs().await {
        Ok(rows) => rows
            .into_iter()
            .map(|row| (row.name, row.scheduled))
            .collect(),
        Err(error) => {
            tracing::warn!("{error}");
            BTreeMap::new()
        }
    };
    for (name, text, job) in jobs {
        // A run that was missed while nobody ran is made up for once.
        let last = last.get(name).copied().unwrap_or(now);
        // The configuration was checked when it was loaded.
        if let Ok(cron) = Cron::parse(text)
            && let Some(first) = cron.next_after(last)
        {
            planned.push((name, cron, job, first));
        }
    }
    loop {
        let now = SystemClock.now();
        for (name, cron, job, due) in &mut planned {
            if *due > now {
                continue;
            }
            if let Err(error) = once(&store, &settings, name, *due, *job, &stop).await {
                tracing::warn!(job = *name, "{error:#}");
            }
            *due = cron
                .next_after(SystemClock.now())
                .unwrap_or(Millis(i64::MAX));
        }
        tokio::select! {
            () = tokio::time::sleep(NAP) => (),
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

async fn once(
    store: &Store,
    settings: &Settings,
    name: &str,
    due: Millis,
    job: Job,
    stop: &watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let now = SystemClock.now();
    if !store.job_claim(name, due, now, now.plus(LEASE_MS)).await? {
        return Ok(());
    }
    let outcome = match job {
        Job::Sync => sync(store, settings, false).await.map(|tally| said(&tally)),
        Job::Walk => sync(store, settings, true).await.map(|tally| said(&tally)),
        Job::Regrade => regrade(store, stop).await.map(|done| {
            format!(
                "{} reports added, {} unreadable",
                done.added, done.unreadable
            )
        }),
    };
    let (ok, note) = match &outcome {
        Ok(note) => (true, note.clone()),
        Err(error) => (false, format!("{error:#}")),
    };
    store
        .job_done(name, due, ok, &note, SystemClock.now())
        .await?;
    outcome.map(|_| ())
}

fn said(tally: &Tally) -> String {
    format!("{} servers, {} new", tally.found, tally.stored.added)
}

/// Adds the reports that stored scans lack under the rubric in force.
///
/// # Errors
///
/// If the database fails; what was added until then stays.
pub(crate) async fn regrade(
    store: &Store,
    stop: &watch::Receiver<bool>,
) -> anyhow::Result<Regraded> {
    let grade: Grade = Arc::new(crate::worker::judge);
    let version = rubric::current().version;
    Ok(store::regrade(store, version, &grade, true, &SystemClock, stop).await?)
}

/// Reads every enabled source; a registry from its cursor unless `full`.
///
/// # Errors
///
/// The first source that failed, after all were tried.
pub(crate) async fn sync(store: &Store, settings: &Settings, full: bool) -> anyhow::Result<Tally> {
    let mut total = Tally::default();
    let mut first_error = None;
    for source in settings.source.iter().filter(|source| source.enabled) {
        match read(store, settings, source, full).await {
            Ok(tally) => {
                tracing::info!(
                    source = source.name,
                    found = tally.found,
                    added = tally.stored.added,
                    refused = tally.refused.values().sum::<u64>(),
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
    full: bool,
) -> anyhow::Result<Tally> {
    let kind = match source.kind {
        SourceKind::Registry => {
            let cursor = format!("registry:{}", source.name);
            let began = SystemClock.now();
            let since = if full {
                None
            } else {
                store
                    .cursor(&cursor)
                    .await?
                    .and_then(|text| Millis::parse_rfc3339(&text))
            };
            let since = since.map(|at| at.plus(-OVERLAP_MS));
            let tally = walk_registry(source, settings, Some(store), since).await?;
            store.set_cursor(&cursor, &began.rfc3339()).await?;
            return Ok(tally);
        }
        SourceKind::Dump => import::Kind::Dump,
        SourceKind::Csv => import::Kind::Csv,
        SourceKind::List => import::Kind::List,
        SourceKind::ServerJson => import::Kind::ServerJson,
        SourceKind::ClientConfig => import::Kind::ClientConfig,
    };
    let text = import::read_text(std::path::Path::new(&source.location))?;
    let rows = import::rows(&text, Some(kind), admission(settings))?;
    let mut tally = Tally::of(&rows);
    tally.stored = import::keep(store, &source.name, rows.targets, &source.location)
        .await
        .map_err(|ended| ended.into_cause())?;
    Ok(tally)
}

fn admission(settings: &Settings) -> Admission {
    Admission {
        allow_private: settings.scan.allow_private,
        allow_ephemeral: false,
    }
}

/// Walks a registry page by page; without a store, only counts.
///
/// # Errors
///
/// If a page cannot be had or read, or the store fails. Pages before it are kept.
pub(crate) async fn walk_registry(
    source: &Source,
    settings: &Settings,
    store: Option<&Store>,
    since: Option<Millis>,
) -> anyhow::Result<Tally> {
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
        limit: NonZeroU32::new(source.page_limit).unwrap_or(NonZeroU32::MIN),
        most_pages: source.max_pages,
        ..Registry::new(&source.location)
    };
    let place = || format!("source {} at {}", source.name, source.location);
    let mut walk = Walk::new(registry, net).await.with_context(place)?;
    let mut total = Tally::default();
    let mut pages = 0_u32;
    while let Some(page) = walk.next().await.with_context(place)? {
        let rows = import::rows(&page.text, Some(import::Kind::Dump), admission(settings))
            .with_context(place)?;
        let mut tally = Tally::of(&rows);
        if let Some(store) = store {
            tally.stored = import::keep(store, &source.name, rows.targets, &source.location)
                .await
                .map_err(|ended| ended.into_cause())?;
        }
        total.add(&tally);
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
    Ok(total)
}
