//! `export`: what is published as files, with a manifest that says what they are.

use std::path::{Path, PathBuf};

use clap::Args;
use scanner::rubric;
use scanner::time::{Clock as _, Millis, SystemClock};
use store::Store;
use tokio::sync::watch;

use super::{Ended, Exit, Outcome, put, tell};
use crate::config::Settings;
use crate::export::{self, ExportError, Extent, Form, Kind, Walk, Wanted};

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// What to export; several need --out
    #[arg(required = true, value_enum)]
    kind: Vec<Kind>,
    /// Only what was scanned, seen or changed since: 2026-11-20, or 2026-11-20T08:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Millis>,
    /// Of findings and evidence only what servers show today
    #[arg(long, conflicts_with = "since")]
    today: bool,
    /// Folder for the files and manifest.json; without it one kind goes to standard output
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Form of the files; several, separated by commas, need --out
    #[arg(long, value_enum, default_value = "ndjson", value_delimiter = ',')]
    format: Vec<Form>,
}

fn time(text: &str) -> Result<Millis, String> {
    Millis::parse_rfc3339(text)
        .or_else(|| Millis::parse_rfc3339(&format!("{text}T00:00:00Z")))
        .ok_or_else(|| "write a day (2026-11-20) or an instant (2026-11-20T08:00:00Z)".into())
}

impl From<ExportError> for Ended {
    fn from(error: ExportError) -> Self {
        let exit = match error {
            ExportError::Store(error) => return error.into(),
            ExportError::Exists(_) => Exit::Usage,
            ExportError::File { .. } | ExportError::Stopped => Exit::Incomplete,
        };
        Self::said(exit, error)
    }
}

pub(super) async fn run(mut args: ExportArgs, settings: &Settings) -> Outcome {
    let usage = |text: &str| Err(Ended::said(Exit::Usage, text));
    args.kind.sort_unstable();
    args.kind.dedup();
    args.format.sort_unstable();
    args.format.dedup();
    if args.kind.contains(&Kind::Evidence)
        && !args.format.iter().any(|form| form.takes(Kind::Evidence))
    {
        let form = args.format[0].as_str();
        return usage(&format!(
            "--format {form}: evidence is no table; export it as ndjson"
        ));
    }
    if args.out.is_none() {
        if args.kind.len() > 1 || args.format.len() > 1 {
            return usage(
                "several kinds or forms do not fit on standard output; name a folder with --out",
            );
        }
        if !args.format[0].is_text() {
            return usage("this form does not go to standard output; name a folder with --out");
        }
    }
    let store = super::open_store(settings).await?;
    let exported = match &args.out {
        Some(folder) => into_folder(&args, folder, &store, settings).await,
        None => onto_output(&args, &store).await,
    };
    store.close().await;
    exported
}

async fn onto_output(args: &ExportArgs, store: &Store) -> Outcome {
    let form = args.format[0];
    let hidden = store.left_out(SystemClock.now()).await?;
    for kind in &args.kind {
        put(&form.head(*kind))?;
        let mut walk = if args.today {
            Walk::of_today(store, *kind)
        } else {
            Walk::new(store, *kind, args.since)
        }
        .without(hidden.clone());
        while let Some(page) = walk.next().await? {
            let lines: String = page.iter().map(|record| form.line(*kind, record)).collect();
            put(&lines)?;
        }
    }
    Ok(Exit::Done)
}

async fn into_folder(
    args: &ExportArgs,
    folder: &Path,
    store: &Store,
    settings: &Settings,
) -> Outcome {
    let wanted = Wanted {
        kinds: &args.kind,
        forms: &args.format,
        extent: match (args.today, args.since) {
            (true, _) => Extent::Today,
            (false, Some(since)) => Extent::Since(since),
            (false, None) => Extent::Full,
        },
        instance: &settings.instance.public_url,
        rubric: rubric::current().version,
        now: SystemClock.now(),
    };
    let broken = |error| ExportError::File {
        path: folder.display().to_string(),
        cause: error,
    };
    std::fs::create_dir_all(folder).map_err(broken)?;
    let files = wanted.files();
    if let Some(taken) = files.iter().find(|file| folder.join(file).exists()) {
        let taken = folder.join(taken).display().to_string();
        return Err(ExportError::Exists(taken).into());
    }
    // Everything is written beside, so that a name stands for a whole file.
    let part = tempfile::Builder::new()
        .prefix(".part-")
        .tempdir_in(folder)
        .map_err(broken)?;
    let (stop, stopped) = watch::channel(false);
    let interrupt = tokio::spawn(super::serve::signals(stop));
    let written = export::write(store, part.path(), &wanted, &stopped, &|line| tell(line)).await;
    interrupt.abort();
    written?;
    // The manifest comes last: a folder with one is complete.
    for file in &files {
        std::fs::rename(part.path().join(file), folder.join(file)).map_err(broken)?;
    }
    Ok(Exit::Done)
}
