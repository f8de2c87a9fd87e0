//! `retention`: what is old is removed now, or only counted.

use clap::Args;
use scanner::time::{Clock as _, SystemClock};
use store::RetentionPlan;
use tokio::sync::watch;

use super::{Exit, Outcome, put};
use crate::config::Settings;

#[derive(Debug, Args)]
pub(super) struct RetentionArgs {
    /// Count what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn run(args: &RetentionArgs, settings: &Settings) -> Outcome {
    let store = super::open_store(settings).await?;
    let plan = RetentionPlan::at(SystemClock.now());
    let (stop, stopped) = watch::channel(false);
    let interrupt = tokio::spawn(super::serve::signals(stop));
    let removed = if args.dry_run {
        store.would_retain(&plan, &stopped).await
    } else {
        store.retain(&plan, &stopped).await
    };
    interrupt.abort();
    store.close().await;
    let removed = removed?;
    put(&format!(
        "newest scans that lose addresses: {}\nlasting evidence that loses addresses: {}\n\
         jobs that are forgotten: {}\nunreadable: {}\n",
        removed.scans, removed.lasting, removed.jobs, removed.unreadable
    ))?;
    if args.dry_run {
        super::tell("Nothing was removed (--dry-run). Scans, reports and changes stay for ever.");
    }
    Ok(Exit::Done)
}
