//! `crawl --once`: one pass over the sources and everything that is due, with progress.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use scanner::evidence::Evidence;
use scanner::net::NetScanner;
use scanner::time::{Clock, SystemClock};
use tokio::sync::watch;

use super::{Ended, Exit, Outcome};
use crate::citizen::Accounted;
use crate::config::Settings;
use crate::worker::{self, Watched};

/// Servers between two lines of progress where there is no terminal for a bar.
const LINE_EVERY: u64 = 100;

#[derive(Debug, Args)]
pub(super) struct CrawlArgs {
    /// One pass, then exit; `serve` keeps going
    #[arg(long, required = true)]
    once: bool,
    /// Scan at most this many servers
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
    /// Read this source of the configuration first; repeatable
    #[arg(long, value_name = "NAME")]
    source: Vec<String>,
    /// Scan every server now, due or not
    #[arg(long)]
    all: bool,
}

pub(super) async fn run(args: CrawlArgs, mut settings: Settings) -> Outcome {
    let store = super::open_store(&settings).await?;
    if !args.source.is_empty() {
        super::serve::enable(&mut settings, &args.source)?;
        crate::sourcing::sync(&store, &settings, false)
            .await
            .map_err(|cause| Ended {
                exit: Exit::Incomplete,
                cause,
            })?;
    }
    if args.all {
        store.make_all_due(SystemClock.now()).await?;
    }
    let (stop, stopped) = watch::channel(false);
    let halts = crate::halting::watch(store.clone(), settings.stop_file());
    let mut net = crate::scanning::shared(&settings, &store, stopped.clone(), halts.clone(), &[])
        .map_err(Ended::usage)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let courtesy =
        crate::citizen::remembering(&store, &settings, Arc::clone(&clock), &mut net).await?;
    let net = Arc::new(NetScanner::new(net).await.map_err(Ended::usage)?);
    let oversight = worker::oversight(&settings, &net, halts);
    let totals = store.totals(SystemClock.now()).await?;
    let queue = u64::try_from(totals.queue).unwrap_or(0);
    let queue = args
        .limit
        .map_or(queue, |limit| queue.min(u64::from(limit)));
    let bar = bar(queue);
    let (done, requests) = (AtomicU64::new(0), Arc::new(AtomicU64::new(0)));
    let watched = {
        let (bar, requests) = (bar.clone(), Arc::clone(&requests));
        let accounted = Accounted::new(net, store.clone(), courtesy, clock);
        Watched::new(accounted, move |evidence: &Evidence| {
            requests.fetch_add(evidence.exchanges.len() as u64, Ordering::Relaxed);
            bar.inc(1);
            bar.set_message(evidence.target.host());
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            if bar.is_hidden() && done.is_multiple_of(LINE_EVERY) {
                super::tell(format_args!("{done} of {queue} servers scanned"));
            }
        })
    };
    let scanner = Arc::new(watched);
    let interrupt = tokio::spawn(super::serve::signals(stop));
    let scanned = store::scheduler::drain_watched(
        &store,
        &scanner,
        &SystemClock,
        &worker::pace(&settings),
        args.limit,
        &stopped,
        oversight,
    )
    .await;
    interrupt.abort();
    bar.finish_and_clear();
    let totals = store.totals(SystemClock.now()).await?;
    let interrupted = *stopped.borrow();
    super::tell(format_args!(
        "{} servers scanned with {} requests; {} servers known, {} graded, {} still due.",
        scanned?,
        requests.load(Ordering::Relaxed),
        totals.servers,
        totals.graded,
        totals.queue
    ));
    if interrupted {
        return Err(Ended::said(
            Exit::Incomplete,
            "interrupted; what was being scanned is still due, run it again",
        ));
    }
    if totals.servers == 0 {
        super::tell("No server is known yet: `authdex import SOURCE` adds some.");
    }
    Ok(Exit::Done)
}

/// A bar with its speed and the time left; nothing where nobody looks.
pub(super) fn bar(queue: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(queue);
    if let Ok(style) =
        ProgressStyle::with_template("{pos}/{len} {wide_bar} {per_sec} eta {eta} {msg:.32}")
    {
        bar.set_style(style);
    }
    bar
}
