//! `regrade`: the reports that stored scans lack under a rubric, with progress, and which
//! servers move by them.

use std::sync::Mutex;
use std::sync::PoisonError;

use clap::Args;
use scanner::rubric;
use scanner::time::{Clock as _, SystemClock};
use serde_json::json;
use store::{Mover, Regraded};
use tokio::sync::watch;

use super::{Ended, Exit, Outcome, put};
use crate::config::Settings;
use crate::jobs::Again;

/// Reports between two lines of progress where there is no terminal for a bar.
const LINE_EVERY: u64 = 100;

#[derive(Debug, Args)]
pub(super) struct RegradeArgs {
    /// Version of the rubric [default: the one in force]
    #[arg(long, value_name = "VERSION")]
    rubric: Option<String>,
    /// Add at most this many reports, the newest scans first
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Show on standard output which servers change their letter, and by which checks
    #[arg(long)]
    movers: bool,
    /// The same as one JSON document
    #[arg(long, requires = "movers")]
    json: bool,
    /// Grade, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Scans graded at a time [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    graders: Option<u16>,
}

pub(super) async fn run(args: RegradeArgs, settings: &Settings) -> Outcome {
    let rubric = match &args.rubric {
        None => rubric::current(),
        Some(version) => rubric::by_version(version).ok_or_else(|| {
            let current = rubric::current().version;
            Ended::said(
                Exit::Usage,
                format!("--rubric: this program has no rubric `{version}`; it has {current}"),
            )
        })?,
    };
    let store = super::open_store(settings).await?;
    let missing = store.ungraded_count(rubric.version).await?;
    let most = args.limit.map_or(missing, |limit| limit.min(missing));
    let bar = super::crawl::bar(most);
    let (stop, stopped) = watch::channel(false);
    let interrupt = tokio::spawn(super::serve::signals(stop));
    let began = SystemClock.now();
    let movers = Mutex::new(Vec::new());
    let again = Again {
        rubric,
        limit: args.limit,
        graders: args.graders.map(usize::from),
        dry: args.dry_run,
    };
    let done = crate::jobs::regrade(&store, &again, &stopped, &|done, mover| {
        bar.set_position(done.added);
        if let Some(mover) = mover.filter(|_| args.movers) {
            let mut movers = movers.lock().unwrap_or_else(PoisonError::into_inner);
            movers.push(mover.clone());
        }
        if bar.is_hidden() && (done.added.is_multiple_of(LINE_EVERY) || done.added == most) {
            super::tell(format_args!("{} of {most} stretches graded", done.added));
        }
    })
    .await
    .map_err(Ended::internal)?;
    interrupt.abort();
    bar.finish_and_clear();
    let mut movers = movers.into_inner().unwrap_or_else(PoisonError::into_inner);
    movers.sort_by(|a, b| a.url.cmp(&b.url));
    if args.json {
        put(&document(&movers, rubric.version, args.dry_run))?;
    } else if args.movers {
        put(&table(&movers))?;
    }
    let ms = SystemClock.now().since(began).max(1);
    super::tell(summary(&done, rubric.version, ms, args.dry_run));
    let interrupted = *stopped.borrow();
    store.close().await;
    if interrupted {
        return Err(Ended::said(
            Exit::Incomplete,
            "interrupted; what was graded is kept, run it again to go on",
        ));
    }
    Ok(Exit::Done)
}

fn summary(done: &Regraded, version: &str, ms: i64, dry: bool) -> String {
    let speed = done.added.saturating_mul(1000) / u64::try_from(ms).unwrap_or(1);
    let (would, wrote) = if dry {
        (" would be", "; nothing was written (--dry-run)")
    } else {
        ("", "")
    };
    format!(
        "{} reports{would} added under rubric {version}, {} scans unreadable; {} servers move; \
         {speed} a second{wrote}.",
        done.added, done.unreadable, done.moved
    )
}

/// A line for each server, and under it a line for each check that moved.
fn table(movers: &[Mover]) -> String {
    let mut out = String::new();
    for mover in movers {
        let shown = |letter: &Option<String>| letter.clone().unwrap_or_else(|| "none".into());
        out.push_str(&format!(
            "{:>4} to {:<4} {}  {}\n",
            shown(&mover.before),
            shown(&mover.after),
            mover.server,
            mover.url
        ));
        for check in &mover.checks {
            let caps = if mover.cap_check.as_ref() == Some(&check.check) {
                ", which now holds the letter down"
            } else {
                ""
            };
            out.push_str(&format!(
                "             {}: {} to {}{caps}\n",
                check.check, check.before, check.after
            ));
        }
    }
    out
}

fn document(movers: &[Mover], version: &str, dry: bool) -> String {
    let movers: Vec<_> = movers
        .iter()
        .map(|mover| {
            let checks: Vec<_> = mover
                .checks
                .iter()
                .map(|one| json!({"check": one.check, "from": one.before, "to": one.after}))
                .collect();
            json!({
                "server": mover.server,
                "url": mover.url,
                "from": mover.before,
                "to": mover.after,
                "cap_check": mover.cap_check,
                "checks": checks,
            })
        })
        .collect();
    let document = json!({
        "schema": "authdex.movers/1",
        "rubric": version,
        "dry_run": dry,
        "movers": movers,
    });
    format!("{document:#}\n")
}
