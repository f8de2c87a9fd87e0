//! Jobs by cron: what is new in the sources, hourly, and a full walk, weekly. A job runs in
//! one process at a time (a row in the store), a missed one is made up for once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use scanner::rubric;
use scanner::time::{Clock as _, Millis, SystemClock};
use store::Store;
use store::cron::Cron;
use store::{Grade, Regraded, RetentionPlan};
use tokio::sync::watch;

use crate::cli::import::Tally;
use crate::config::Settings;
use crate::export::nightly;
use crate::sourcing::sync;

/// A job's claim on its slot.
const LEASE_MS: i64 = 30 * 60_000;
/// The same where everything is read and written.
const LONG_LEASE_MS: i64 = 8 * 60 * 60_000;

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
    /// Grades a hundredth of what is stored again and compares.
    Determinism,
    /// Removes what is old.
    Retention,
    /// Counts for statistics.
    Stats,
    /// Writes what others may download.
    Exports,
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
        (
            "determinism",
            &settings.schedule.determinism,
            Job::Determinism,
        ),
        ("retention", &settings.schedule.retention, Job::Retention),
        ("stats", &settings.schedule.stats, Job::Stats),
        ("exports", &settings.schedule.exports, Job::Exports),
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
    let lease = if job == Job::Exports {
        LONG_LEASE_MS
    } else {
        LEASE_MS
    };
    if !store.job_claim(name, due, now, now.plus(lease)).await? {
        return Ok(());
    }
    let outcome = match job {
        Job::Sync => sync(store, settings, false).await.map(|tally| said(&tally)),
        Job::Walk => sync(store, settings, true).await.map(|tally| said(&tally)),
        Job::Regrade => regrade(store, &Again::all(), stop, &|_, _| ())
            .await
            .map(|done| {
                format!(
                    "{} reports added, {} unreadable, {} servers moved",
                    done.added, done.unreadable, done.moved
                )
            }),
        Job::Determinism => determinism(store, due, stop).await,
        Job::Retention => retention(store, now, stop).await,
        Job::Stats => stats(store, now, stop).await,
        Job::Exports => exports(store, settings, now, stop).await,
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

/// What is graded again.
pub(crate) struct Again {
    /// The rubric.
    pub(crate) rubric: &'static rubric::Rubric,
    /// Most reports to add.
    pub(crate) limit: Option<u64>,
    /// Graders at a time; `None` for one on each core.
    pub(crate) graders: Option<usize>,
    /// Nothing is written.
    pub(crate) dry: bool,
}

impl Again {
    /// Everything, under the rubric in force.
    fn all() -> Self {
        Self {
            rubric: rubric::current(),
            limit: None,
            graders: None,
            dry: false,
        }
    }
}

/// Adds the reports that stored scans lack under a rubric, telling after each how many there
/// are.
///
/// # Errors
///
/// If the database fails; what was added until then stays.
pub(crate) async fn regrade(
    store: &Store,
    again: &Again,
    stop: &watch::Receiver<bool>,
    tell: store::Tell<'_>,
) -> anyhow::Result<Regraded> {
    let rubric = again.rubric;
    let grade: Grade = Arc::new(move |evidence| scanner::grade::grade(evidence, rubric));
    let regrading = store::Regrading {
        rubric: rubric.version,
        grade,
        current: rubric == rubric::current(),
        limit: again.limit,
        graders: again.graders,
        dry: again.dry,
    };
    let done = store::regrade_telling(store, &regrading, &SystemClock, stop, tell).await?;
    if !again.dry {
        // What was filed before there were statistics may lack no report, and lacks their rows.
        store.renew_survey(stop).await?;
    }
    Ok(done)
}

/// One in so many stretches of scans is graded again each night, each in its turn.
const NIGHTS: u32 = 100;

/// Grades a hundredth of what is stored again; an error if anything comes out otherwise, so
/// that the job's row says so until the next run.
async fn determinism(
    store: &Store,
    due: Millis,
    stop: &watch::Receiver<bool>,
) -> anyhow::Result<String> {
    let grade: Grade = Arc::new(crate::worker::judge);
    let night = u32::try_from(due.0.div_euclid(86_400_000).rem_euclid(i64::from(NIGHTS)));
    let turn = (night.unwrap_or(0), NIGHTS);
    let found = store::grade_again(store, rubric::current().version, &grade, turn, stop).await?;
    if found.different + found.unreadable == 0 {
        return Ok(format!("{} graded again, all the same", found.graded));
    }
    let first = found
        .differing
        .first()
        .map_or_else(String::new, |one| format!("; {}: {}", one.scan, one.why));
    anyhow::bail!(
        "{} graded again, {} came out otherwise, {} unreadable{first}",
        found.graded,
        found.different,
        found.unreadable
    )
}

/// Reads what statistics lack from stored evidence, and counts everything.
async fn stats(store: &Store, now: Millis, stop: &watch::Receiver<bool>) -> anyhow::Result<String> {
    let read = store.renew_survey(stop).await?;
    let kept = store.roll_up(now).await?;
    Ok(format!("{kept} values kept, {read} servers read again"))
}

async fn retention(
    store: &Store,
    now: Millis,
    stop: &watch::Receiver<bool>,
) -> anyhow::Result<String> {
    store.sweep_hosts(now).await?;
    let done = store.retain(&RetentionPlan::at(now), stop).await?;
    Ok(format!(
        "{} scans without addresses, {} jobs forgotten, {} unreadable",
        done.scans + done.lasting,
        done.jobs,
        done.unreadable
    ))
}

async fn exports(
    store: &Store,
    settings: &Settings,
    now: Millis,
    stop: &watch::Receiver<bool>,
) -> anyhow::Result<String> {
    if settings.exports.folder.is_empty() {
        return Ok("exports.folder is empty".into());
    }
    let made = nightly::make(store, settings, now, stop).await?;
    Ok(format!(
        "wrote {}, removed {} old editions",
        made.editions.join(" and "),
        made.pruned.len()
    ))
}
