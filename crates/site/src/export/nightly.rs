//! The exports that are made each night: an edition of the day, and once a month one of
//! everything. An edition appears whole, under its own name, or not at all; what was there
//! before stays until then.

use std::path::Path;

use scanner::rubric;
use scanner::time::Millis;
use store::Store;
use tokio::sync::watch;

use super::edition::{Extent, Wanted, write};
use super::{ExportError, Form, Kind, shelf};
use crate::config::Settings;

/// Kinds of a day's edition.
const DAILY: [Kind; 3] = [Kind::Servers, Kind::Findings, Kind::Changes];
/// Beginnings of the names of folders that are not finished, or on their way out.
const PART: &str = ".part-";
const OLD: &str = ".old-";

/// What a night's work came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Made {
    /// Editions that were written.
    pub editions: Vec<String>,
    /// Editions that were removed because they were old.
    pub pruned: Vec<String>,
}

/// Writes the edition of the day, that of the month if it is missing, and removes old ones.
/// Both are tried; nothing of an edition that failed is left.
///
/// # Errors
///
/// The first edition that failed.
pub async fn make(
    store: &Store,
    settings: &Settings,
    now: Millis,
    stop: &watch::Receiver<bool>,
) -> Result<Made, ExportError> {
    let folder = Path::new(&settings.exports.folder);
    let fault = |error| ExportError::file(folder, error);
    std::fs::create_dir_all(folder).map_err(fault)?;
    clear(folder).map_err(fault)?;
    let mut forms: Vec<Form> = settings.exports.formats.clone();
    forms.sort_unstable();
    forms.dedup();
    let day = now.rfc3339()[..10].to_owned();
    let month = day[..7].to_owned();
    let mut editions = vec![(day, &DAILY[..], Extent::Today)];
    if shelf::find(folder, &month).is_none() {
        editions.push((month, &Kind::ALL[..], Extent::Full));
    }
    let (mut made, mut failed) = (Made::default(), None);
    for (name, kinds, extent) in editions {
        let wanted = Wanted {
            kinds,
            forms: &forms,
            extent,
            instance: &settings.instance.public_url,
            rubric: rubric::current().version,
            now,
        };
        match edition(store, folder, &name, &wanted, stop).await {
            Ok(()) => made.editions.push(name),
            Err(error) => {
                tracing::error!(edition = name, %error, "an export failed; the last one stays");
                failed.get_or_insert(error);
            }
        }
    }
    made.pruned = prune(folder, settings).map_err(fault)?;
    failed.map_or(Ok(made), Err)
}

/// Writes one edition beside the others, and gives it its name once it is whole.
async fn edition(
    store: &Store,
    folder: &Path,
    name: &str,
    wanted: &Wanted<'_>,
    stop: &watch::Receiver<bool>,
) -> Result<(), ExportError> {
    let part = folder.join(format!("{PART}{name}"));
    let fault = |error| ExportError::file(&part, error);
    std::fs::create_dir(&part).map_err(fault)?;
    let tell = |line: &str| tracing::debug!(edition = name, "{line}");
    let written = write(store, &part, wanted, stop, &tell).await;
    let named = written.and_then(|_| replace(folder, &part, name).map_err(fault));
    if named.is_err() {
        let _ = std::fs::remove_dir_all(&part);
    }
    named
}

fn replace(folder: &Path, part: &Path, name: &str) -> std::io::Result<()> {
    let (there, old) = (folder.join(name), folder.join(format!("{OLD}{name}")));
    if !there.exists() {
        return std::fs::rename(part, &there);
    }
    std::fs::rename(&there, &old)?;
    if let Err(error) = std::fs::rename(part, &there) {
        std::fs::rename(&old, &there)?;
        return Err(error);
    }
    std::fs::remove_dir_all(&old)
}

/// Removes what a night that was killed left, and brings back an edition that it had put aside.
fn clear(folder: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if let Some(edition) = name
            .strip_prefix(OLD)
            .filter(|name| shelf::is_edition(name))
        {
            if folder.join(edition).exists() {
                std::fs::remove_dir_all(entry.path())?;
            } else {
                std::fs::rename(entry.path(), folder.join(edition))?;
            }
        } else if name.strip_prefix(PART).is_some_and(shelf::is_edition) {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// Removes all but the newest editions of days and of months.
fn prune(folder: &Path, settings: &Settings) -> std::io::Result<Vec<String>> {
    let (mut days, mut months) = (0, 0);
    let mut gone = Vec::new();
    for edition in shelf::editions(folder) {
        let (seen, most) = if edition.is_daily() {
            (&mut days, settings.exports.keep_days)
        } else {
            (&mut months, settings.exports.keep_months)
        };
        *seen += 1;
        if *seen > most {
            std::fs::remove_dir_all(folder.join(&edition.name))?;
            gone.push(edition.name);
        }
    }
    Ok(gone)
}
