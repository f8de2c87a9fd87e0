//! `regrade`: the reports that stored scans lack under the rubric in force, with progress.

use scanner::rubric;
use tokio::sync::watch;

use super::{Ended, Exit, Outcome};
use crate::config::Settings;

/// Reports between two lines of progress where there is no terminal for a bar.
const LINE_EVERY: u64 = 100;

pub(super) async fn run(settings: &Settings) -> Outcome {
    let store = super::open_store(settings).await?;
    let version = rubric::current().version;
    let missing = store.ungraded_count(version).await?;
    let bar = super::crawl::bar(missing);
    let (stop, stopped) = watch::channel(false);
    let interrupt = tokio::spawn(super::serve::signals(stop));
    let done = crate::jobs::regrade(&store, &stopped, &|done| {
        bar.set_position(done.added);
        if bar.is_hidden() && (done.added.is_multiple_of(LINE_EVERY) || done.added == missing) {
            super::tell(format_args!("{} of {missing} stretches graded", done.added));
        }
    })
    .await
    .map_err(Ended::internal)?;
    interrupt.abort();
    bar.finish_and_clear();
    super::tell(format_args!(
        "{} reports added under rubric {version}, {} scans unreadable.",
        done.added, done.unreadable
    ));
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
