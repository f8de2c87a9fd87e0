//! The folder of finished exports, as readers see it. What is served is what a manifest names;
//! names from outside are only ever compared, never made into paths.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Editions that are listed.
const MOST: usize = 400;
/// Longest manifest that is read, in bytes.
const MANIFEST_BYTES: u64 = 1 << 20;
/// Name under which the newest daily edition is found.
pub const LATEST: &str = "latest";
/// The description of an edition, itself a file of it.
pub const MANIFEST: &str = "manifest.json";

/// A finished export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edition {
    /// `2026-11-25` of a day, `2026-11` of a month.
    #[serde(default)]
    pub name: String,
    /// When it was begun, RFC 3339.
    pub generated: String,
    /// `today` or `full`.
    pub extent: String,
    /// Rubric that was in force.
    pub rubric: String,
    /// Licence of the data.
    pub licence: String,
    /// Its files.
    pub files: Vec<Filed>,
}

/// A file of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filed {
    /// Its name.
    pub file: String,
    /// Kind of its records, or `tables`.
    pub kind: String,
    /// Its form.
    pub format: String,
    /// Version of the form of records.
    pub schema: String,
    /// Number of records.
    pub rows: u64,
    /// Size.
    pub bytes: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
    /// How many records were left out, as a band.
    pub left_out: String,
}

impl Edition {
    /// Whether it is of a day, and not of a month.
    #[must_use]
    pub fn is_daily(&self) -> bool {
        is_day(&self.name)
    }
}

/// Whether a name is that of an edition: digits and hyphens, a day or a month.
pub(super) fn is_edition(name: &str) -> bool {
    let digits = |at: usize, text: &str| {
        text.bytes().enumerate().all(|(n, byte)| {
            let n = n + at;
            if n == 4 || n == 7 {
                byte == b'-'
            } else {
                byte.is_ascii_digit()
            }
        })
    };
    matches!(name.len(), 7 | 10) && digits(0, name)
}

pub(super) fn is_day(name: &str) -> bool {
    name.len() == 10 && is_edition(name)
}

/// Every finished edition in a folder, newest first, days before months; none if there is no
/// such folder. Blocks on the disk.
#[must_use]
pub fn editions(folder: &Path) -> Vec<Edition> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| is_edition(name))
        .collect();
    names.sort_by(|a, b| (b.len(), b).cmp(&(a.len(), a)));
    names.truncate(MOST);
    names
        .into_iter()
        .filter_map(|name| edition(folder, &name))
        .collect()
}

/// One edition by its name, or the newest daily one for [`LATEST`]. Blocks on the disk.
#[must_use]
pub fn find(folder: &Path, name: &str) -> Option<Edition> {
    if name == LATEST {
        return editions(folder).into_iter().find(Edition::is_daily);
    }
    edition(folder, name).filter(|_| is_edition(name))
}

fn edition(folder: &Path, name: &str) -> Option<Edition> {
    if !is_edition(name) {
        return None;
    }
    let path = folder.join(name).join(MANIFEST);
    let size = std::fs::metadata(&path).ok()?.len();
    if size > MANIFEST_BYTES {
        return None;
    }
    let mut found: Edition = serde_json::from_slice(&std::fs::read(&path).ok()?).ok()?;
    found.name = name.to_owned();
    found.files.retain(|file| is_plain(&file.file));
    Some(found)
}

/// A file name that can lead nowhere else.
fn is_plain(name: &str) -> bool {
    !name.starts_with('.')
        && !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'.')
}

impl Edition {
    /// Where one of its files lies, if it has such a file.
    #[must_use]
    pub fn path(&self, folder: &Path, file: &str) -> Option<(PathBuf, &Filed)> {
        let filed = self.files.iter().find(|filed| filed.file == file)?;
        Some((folder.join(&self.name).join(&filed.file), filed))
    }
}

#[cfg(test)]
mod tests {
    use super::{editions, find, is_edition};

    #[test]
    fn only_editions_with_a_manifest_are_listed() {
        let folder = tempfile::tempdir().expect("a folder");
        let manifest = r#"{"generated":"x","extent":"full","rubric":"1","licence":"CC-BY-4.0",
            "files":[{"file":"a.csv","kind":"a","format":"csv","schema":"s","rows":1,"bytes":2,
            "sha256":"00","left_out":"none"},{"file":"../../secret","kind":"a","format":"csv",
            "schema":"s","rows":1,"bytes":2,"sha256":"00","left_out":"none"}]}"#;
        for name in [
            "2026-11",
            "2026-11-24",
            "2026-11-25",
            ".part-2026-11-26",
            "other",
        ] {
            let there = folder.path().join(name);
            std::fs::create_dir(&there).expect("a folder");
            std::fs::write(there.join("manifest.json"), manifest).expect("a file");
        }
        std::fs::create_dir(folder.path().join("2026-11-26")).expect("a folder");
        let found = editions(folder.path());
        let names: Vec<&str> = found.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["2026-11-25", "2026-11-24", "2026-11"]);
        assert_eq!(found[0].files.len(), 1, "no name leads out of the folder");
        let latest = find(folder.path(), "latest").expect("the newest day");
        assert_eq!(latest.name, "2026-11-25");
        assert!(latest.path(folder.path(), "../../secret").is_none());
        for name in ["..", "2026-11-26", "2026/11", "other", ""] {
            assert!(find(folder.path(), name).is_none(), "{name}");
        }
        assert!(is_edition("2026-11") && !is_edition("2026-1x") && !is_edition("2026-11-"));
        assert!(editions(&folder.path().join("none")).is_empty());
    }
}
