//! A file of suppressions: findings that somebody has looked at and lives with until a day.
//!
//! A reason and an end are demanded, and the end lies at most a year ahead, so that no entry
//! outlives the person who remembers why. An entry whose day has passed suppresses nothing.

use std::cell::Cell;
use std::path::{Path, PathBuf};

use scanner::check::Party;
use scanner::report::{Finding, FindingVerdict, Report};
use scanner::time::Millis;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Source, verdict_in};
use crate::view::Shown;
use scanner::spec::Revision;

/// Longest time that an entry may run, in days.
const LONGEST_DAYS: i64 = 366;

/// Days before its end from which an entry is mentioned.
const NOTICE_DAYS: i64 = 14;

/// Largest file that is read, in bytes.
const FILE_BYTES: u64 = 4 << 20;

const DAY_MS: i64 = 86_400_000;

/// Why a file of suppressions cannot be used. One line.
#[derive(Debug, thiserror::Error)]
pub enum SuppressError {
    /// The file cannot be read.
    #[error("--suppressions {path}: {cause}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// Its form is wrong.
    #[error("--suppressions {path}: {said}")]
    Form {
        /// Which.
        path: PathBuf,
        /// What is wrong, where, and what to do.
        said: String,
    },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    suppress: Vec<WrittenEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenEntry {
    check: String,
    #[serde(default)]
    target: Option<String>,
    #[serde(default)]
    reason: String,
    #[serde(default, alias = "until")]
    expires: Option<toml::Value>,
    #[serde(default)]
    party: Option<Party>,
    #[serde(default)]
    person: Option<String>,
}

/// One entry.
#[derive(Debug)]
struct Entry {
    number: usize,
    check: String,
    target: String,
    party: Option<Party>,
    end: Millis,
    waiver: Waiver,
    used: Cell<bool>,
}

/// Why a finding is suppressed, and until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waiver {
    /// The reason that was written down.
    pub reason: String,
    /// Last day on which it holds, `YYYY-MM-DD` in UTC.
    pub expires: String,
    /// The party whose findings alone it covers.
    pub party: Option<Party>,
    /// Who accepted it.
    pub person: Option<String>,
}

impl Waiver {
    /// The suppression in a sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let person = match &self.person {
            Some(person) => format!(" ({})", Shown::bounded(person, 80)),
            None => String::new(),
        };
        format!(
            "Suppressed until {}{person}: {}",
            self.expires,
            crate::view::text::sentence(Shown::bounded(&self.reason, 300).as_str())
        )
    }
}

/// A file of suppressions.
#[derive(Debug)]
pub struct Suppressions {
    /// The file.
    pub source: Source,
    entries: Vec<Entry>,
    today: Millis,
}

impl Suppressions {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// If it cannot be read, is no TOML of the form, or an entry lacks its reason or its end,
    /// runs for more than a year, or names a check that does not exist.
    pub fn read(path: &Path, now: Millis) -> Result<Self, SuppressError> {
        let file = |cause| SuppressError::File {
            path: path.to_owned(),
            cause,
        };
        let size = std::fs::metadata(path).map_err(file)?.len();
        if size > FILE_BYTES {
            return Err(file(std::io::Error::other("larger than 4 MiB")));
        }
        let bytes = std::fs::read(path).map_err(file)?;
        let form = |said: String| SuppressError::Form {
            path: path.to_owned(),
            said,
        };
        let text = String::from_utf8(bytes).map_err(|_| form("it is not UTF-8".into()))?;
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        Self::parse(&text, &name, now).map_err(form)
    }

    /// Reads the text of a file called `name`.
    ///
    /// # Errors
    ///
    /// What is wrong with it, on one line.
    pub fn parse(text: &str, name: &str, now: Millis) -> Result<Self, String> {
        let written: Written = toml::from_str(text).map_err(|error| {
            let place = error.span().map(|span| {
                let before = text.get(..span.start).unwrap_or_default();
                before.matches('\n').count() + 1
            });
            let line = place.map_or_else(String::new, |line| format!("line {line}: "));
            format!("{line}{}", error.message().replace('\n', " "))
        })?;
        let today = Millis(now.0.div_euclid(DAY_MS) * DAY_MS);
        let entries = (1..)
            .zip(written.suppress)
            .map(|(number, entry)| {
                entry_of(number, entry, today).map_err(|said| format!("entry {number}: {said}"))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            source: Source {
                name: name.into(),
                sha256: Sha256::digest(text.as_bytes())
                    .iter()
                    .map(|byte| format!("{byte:02x}"))
                    .collect(),
            },
            entries,
            today,
        })
    }

    /// The entry that covers a finding of a report, if one does and its day has not passed.
    #[must_use]
    pub fn covering(
        &self,
        report: &Report,
        finding: &Finding,
        column: Revision,
    ) -> Option<&Waiver> {
        let trouble = |verdict| matches!(verdict, FindingVerdict::Warn | FindingVerdict::Fail);
        if !trouble(finding.verdict) && !trouble(verdict_in(finding, column)) {
            return None;
        }
        let mut found = None;
        for entry in &self.entries {
            if entry.check == finding.check && entry.fits(report, finding) {
                entry.used.set(true);
                if entry.end.0 >= self.today.0 {
                    found = found.or(Some(&entry.waiver));
                }
            }
        }
        found
    }

    /// What a reader should know of the entries after all reports were looked at, a line each:
    /// those that have expired, that soon will, and that covered nothing.
    #[must_use]
    pub fn remarks(&self) -> Vec<String> {
        let name = &self.source.name;
        self.entries
            .iter()
            .filter_map(|entry| {
                let left = entry.end.since(self.today) / DAY_MS;
                let what = format!("{name} entry {}, {}", entry.number, entry.check);
                let expires = &entry.waiver.expires;
                if left < 0 {
                    Some(format!(
                        "{what}: expired on {expires} and suppresses nothing; renew it or remove it"
                    ))
                } else if !entry.used.get() {
                    Some(format!(
                        "{what}: covered no finding; remove it if it is no longer needed"
                    ))
                } else if left <= NOTICE_DAYS {
                    Some(format!("{what}: expires on {expires}"))
                } else {
                    None
                }
            })
            .collect()
    }
}

impl Entry {
    fn fits(&self, report: &Report, finding: &Finding) -> bool {
        let party = self
            .party
            .is_none_or(|party| finding.party.first() == Some(&party));
        party
            && (matches(&self.target, &report.target.url)
                || matches(&self.target, &report.target.host))
    }
}

fn entry_of(number: usize, entry: WrittenEntry, today: Millis) -> Result<Entry, String> {
    if scanner::checks::by_id(&entry.check).is_none() {
        return Err(crate::catalogue::unknown(&entry.check));
    }
    if entry.reason.trim().is_empty() {
        return Err("reason is missing; say why the finding is acceptable".into());
    }
    let expires = match &entry.expires {
        Some(toml::Value::String(text)) => text.clone(),
        Some(toml::Value::Datetime(date)) => date.to_string(),
        Some(_) => return Err("expires is not a day; write it as \"2027-03-01\"".into()),
        None => return Err("expires is missing; write the last day as \"2027-03-01\"".into()),
    };
    let end = Millis::parse_rfc3339(&format!("{expires}T00:00:00Z")).ok_or_else(|| {
        format!(
            "expires `{}` is not a day; write it as \"2027-03-01\"",
            Shown::bounded(&expires, 40)
        )
    })?;
    if end.since(today) > LONGEST_DAYS * DAY_MS {
        return Err(format!(
            "expires {expires} is more than a year ahead; choose an earlier day"
        ));
    }
    let target = entry.target.unwrap_or_else(|| "*".into());
    if target.is_empty() || target.len() > 2048 {
        return Err("target is a host or URL of at most 2048 characters; * stands for any".into());
    }
    Ok(Entry {
        number,
        check: entry.check,
        target,
        party: entry.party,
        end,
        waiver: Waiver {
            reason: entry.reason.trim().into(),
            expires,
            party: entry.party,
            person: entry.person,
        },
        used: Cell::new(false),
    })
}

/// Whether a pattern, in which `*` stands for any characters, fits the whole text. Letter case
/// counts only after the host, which patterns and reports write in lower case.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut in_text) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while in_text < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, in_text));
                at += 1;
            }
            Some(byte) if *byte == text[in_text] => {
                at += 1;
                in_text += 1;
            }
            Some(_) | None => match star {
                Some((place, taken)) => {
                    star = Some((place, taken + 1));
                    at = place + 1;
                    in_text = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::{Suppressions, matches};
    use scanner::time::Millis;

    /// 2026-11-25
    const NOW: Millis = Millis(1_795_564_800_000);

    #[test]
    fn stars_stand_for_anything() {
        for (pattern, text, fits) in [
            ("*", "", true),
            ("*.corp.example", "a.b.corp.example", true),
            ("*.corp.example", "corp.example", false),
            ("https://a.example/*", "https://a.example/mcp", true),
            ("https://*/mcp", "https://a.example/other/mcp", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("a.example", "a.example", true),
            ("a.example", "aXexample", false),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn each_mistake_is_named_with_its_place() {
        for (text, part) in [
            (
                "[[suppress]]\ncheck = \"pkce-advertisd\"\nreason = \"r\"\nexpires = \"2026-12-01\"",
                "entry 1: no check is called `pkce-advertisd`; near it: pkce-advertised",
            ),
            (
                "[[suppress]]\ncheck = \"tls-hsts\"\nexpires = \"2026-12-01\"",
                "reason is missing",
            ),
            (
                "[[suppress]]\ncheck = \"tls-hsts\"\nreason = \" \"\nexpires = \"2026-12-01\"",
                "reason is missing",
            ),
            (
                "[[suppress]]\ncheck = \"tls-hsts\"\nreason = \"r\"",
                "expires is missing",
            ),
            (
                "[[suppress]]\ncheck = \"tls-hsts\"\nreason = \"r\"\nexpires = \"soon\"",
                "`soon` is not a day",
            ),
            (
                "[[suppress]]\ncheck = \"tls-hsts\"\nreason = \"r\"\nexpires = 5",
                "is not a day",
            ),
            (
                "[[suppress]]\ncheck = \"tls-hsts\"\nreason = \"r\"\nexpires = \"2027-11-27\"",
                "more than a year",
            ),
            ("\n[[suppress]]\nchek = \"tls-hsts\"", "line 3: "),
            ("nonsense", "line 1: "),
        ] {
            let said = Suppressions::parse(text, "s.toml", NOW).expect_err(text);
            assert!(said.contains(part), "{said}");
            assert!(!said.contains('\n'));
        }
    }

    #[test]
    fn days_are_read_as_text_and_as_dates() {
        let text = "[[suppress]]\ncheck = \"tls-hsts\"\nreason = \"r\"\nexpires = 2026-11-24\n\
                    [[suppress]]\ncheck = \"tls-hsts\"\nreason = \"r\"\nuntil = \"2026-11-25\"\n";
        let read = Suppressions::parse(text, "s.toml", NOW).expect("reads");
        let remarks = read.remarks();
        assert!(
            remarks[0].contains("entry 1, tls-hsts: expired on 2026-11-24"),
            "{remarks:?}"
        );
        assert!(remarks[1].contains("covered no finding"), "{remarks:?}");
        assert_eq!(read.source.sha256.len(), 64);
    }
}
