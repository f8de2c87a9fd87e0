//! `crawl --once`: one pass over the sources and everything that is due, with progress.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use scanner::evidence::Evidence;
use scanner::net::NetScanner;
use scanner::time::{Clock as _, SystemClock};
use tokio::sync::watch;

use super::{Ended, Exit, Outcome};
use crate::config::Settings;
use crate::worker::{self, Watched};

#[derive(Debug, Args)]
pub(super) struct CrawlArgs {
    /// One pass, then exit (the only way to crawl from here; `serve` keeps going)
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
        crate::jobs::sync(&store, &settings, false)
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
    let net = crate::scanning::installed(&settings, stopped.clone(), &[]).map_err(Ended::usage)?;
    let totals = store.totals(SystemClock.now()).await?;
    let queue = u64::try_from(totals.queue).unwrap_or(0);
    let queue = args
        .limit
        .map_or(queue, |limit| queue.min(u64::from(limit)));
    let bar = bar(queue);
    let (done, requests) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let watched = {
        let (bar, done, requests) = (bar.clone(), Arc::clone(&done), Arc::clone(&requests));
        Watched::new(
            NetScanner::new(net).await.map_err(Ended::usage)?,
            move |evidence: &Evidence| {
                done.fetch_add(1, Ordering::Relaxed);
                requests.fetch_add(evidence.exchanges.len() as u64, Ordering::Relaxed);
                bar.inc(1);
                bar.set_message(evidence.target.host());
            },
        )
    };
    let scanner = Arc::new(watched);
    let mut pace = worker::pace(&settings);
    let interrupt = tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            eprintln!("authdex: stopping after the scans that are running; once more ends at once");
            let _ = stop.send(true);
            if tokio::signal::ctrl_c().await.is_ok() {
                std::process::exit(3);
            }
        }
    });
    let mut interrupted = false;
    loop {
        let left = args
            .limit
            .map(|limit| u64::from(limit).saturating_sub(done.load(Ordering::Relaxed)));
        if left == Some(0) {
            break;
        }
        if let Some(left) = left.and_then(|left| u32::try_from(left).ok()) {
            pace.concurrency = pace.concurrency.min(left);
        }
        interrupted = *stopped.borrow();
        if interrupted {
            break;
        }
        let filed = store::scheduler::tick(&store, &scanner, &SystemClock, &pace).await?;
        if filed == 0 {
            break;
        }
    }
    interrupt.abort();
    bar.finish_and_clear();
    let totals = store.totals(SystemClock.now()).await?;
    eprintln!(
        "{} servers scanned with {} requests; {} servers known, {} graded, {} still due.",
        done.load(Ordering::Relaxed),
        requests.load(Ordering::Relaxed),
        totals.servers,
        totals.graded,
        totals.queue
    );
    Ok(if interrupted {
        Exit::Incomplete
    } else {
        Exit::Done
    })
}

fn bar(queue: u64) -> ProgressBar {
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
