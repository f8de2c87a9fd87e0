//! `backup` and `restore`: a copy of everything in one file, its examination, and the way back.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use scanner::rubric;
use sha2::{Digest as _, Sha256};
use store::{Examined, Grade, Store};

use super::{Ended, Exit, Outcome, put, tell};
use crate::config::Settings;

#[derive(Debug, Args)]
pub(super) struct BackupArgs {
    /// The copy, a SQLite file whichever engine is in use; its digest goes into FILE.sha256
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Examine this copy instead of making one; nothing is written
    #[arg(long)]
    verify: bool,
    /// With --verify: grade so many stored scans again, spread over the whole history
    #[arg(long, value_name = "N", default_value_t = 100)]
    sample: u32,
}

#[derive(Debug, Args)]
pub(super) struct RestoreArgs {
    /// A file that `backup` wrote
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(super) async fn run(args: BackupArgs, config: Option<&Path>) -> Outcome {
    if args.verify {
        return verify(&args).await;
    }
    let settings = super::settings(config)?;
    let digest_file = beside(&args.file);
    if digest_file.symlink_metadata().is_ok() {
        return Err(Ended::said(
            Exit::Usage,
            format!("{}: it exists; name another backup", digest_file.display()),
        ));
    }
    let store = Store::open_existing(&settings.store.url).await?;
    let copied = store.backup(&args.file).await;
    store.close().await;
    copied?;
    let digest = digest(&args.file).await?;
    let name = args.file.file_name().unwrap_or_default().to_string_lossy();
    let line = format!("{digest}  {name}\n");
    new_file(&digest_file, &line).map_err(|error| {
        Ended::said(
            Exit::Incomplete,
            format!("{}: {error}; the copy is whole", digest_file.display()),
        )
    })?;
    put(&line)?;
    tell(format_args!(
        "{} holds everything; `authdex backup --verify {}` examines it.",
        args.file.display(),
        args.file.display()
    ));
    Ok(Exit::Done)
}

fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".sha256");
    name.into()
}

/// Writes a file that only its owner may read, and that is not there yet.
pub(super) fn new_file(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// SHA-256 of a file, hexadecimal.
async fn digest(file: &Path) -> Result<String, Ended> {
    let (path, shown) = (file.to_owned(), file.display().to_string());
    let read = tokio::task::spawn_blocking(move || -> std::io::Result<String> {
        let mut file = std::fs::File::open(path)?;
        let (mut hash, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(format!("{:x}", hash.finalize())),
                n => hash.update(&buffer[..n]),
            }
        }
    });
    match read.await {
        Ok(Ok(digest)) => Ok(digest),
        Ok(Err(error)) => Err(Ended::said(Exit::Usage, format!("{shown}: {error}"))),
        Err(error) => Err(Ended::internal(error)),
    }
}

async fn verify(args: &BackupArgs) -> Outcome {
    let file = args.file.display();
    let store = Store::open_copy(&args.file).await?;
    let mut faults = Vec::new();
    let digest_file = beside(&args.file);
    let digest = digest(&args.file).await?;
    match std::fs::read_to_string(&digest_file) {
        Ok(text) if text.split_whitespace().next() == Some(&digest) => {
            put(&format!("sha256: {digest}, as when it was written\n"))?;
        }
        Ok(_) => faults.push(format!(
            "its SHA-256 is {digest}, and not what {} says",
            digest_file.display()
        )),
        Err(_) => put(&format!(
            "sha256: {digest}; {} is missing, so it is compared with nothing\n",
            digest_file.display()
        ))?,
    }
    let grade: Grade = Arc::new(crate::worker::judge);
    let version = rubric::current().version;
    match store.examine(version, &grade, args.sample).await {
        Ok(found) => {
            put(&told(&found))?;
            faults.extend(found.faults);
        }
        Err(error) => faults.push(error.to_string()),
    }
    store.close().await;
    if faults.is_empty() {
        tell(format_args!("{file}: no fault found."));
        return Ok(Exit::Done);
    }
    for fault in &faults {
        tell(format_args!("{file}: {fault}"));
    }
    Err(Ended::said(
        Exit::Missed,
        format!("{file}: {} faults; rely on another copy", faults.len()),
    ))
}

fn told(found: &Examined) -> String {
    let mut out = format!("schema: {}", found.schema);
    if !found.behind.is_empty() {
        out.push_str(&format!(
            "; {} migrations are applied when it is opened, so no scan was graded",
            found.behind.len()
        ));
    }
    out.push('\n');
    for (table, n) in &found.counts {
        out.push_str(&format!("{table}: {n}\n"));
    }
    let sample = &found.sample;
    out.push_str(&format!(
        "graded again: {}, {} came out otherwise, {} normalise otherwise than when filed\n",
        sample.graded, sample.different, sample.renormalised
    ));
    out
}

pub(super) async fn restore(args: &RestoreArgs, settings: &Settings) -> Outcome {
    Store::restore(&args.file, &settings.store.url).await?;
    tell(format_args!(
        "{} is in place; `authdex serve` serves it.",
        args.file.display()
    ));
    Ok(Exit::Done)
}
