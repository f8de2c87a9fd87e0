//! The rest of a catalogue entry: what is sent to judge a check, and what each verdict means.
//!
//! The words live apart from the code that judges, one file per area; a test holds that every
//! check has an entry and that its entry names the verdicts that its keyword allows.

mod as_metadata;
mod challenge;
mod endpoints;
mod hygiene;
mod legacy;
mod origin;
mod pkce;
mod registration;
mod resource_indicators;
mod resource_metadata;
mod scopes;
mod session;
mod token;
mod transport;

/// How a check is probed and judged, in words. Code stands between backticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The check.
    pub id: &'static str,
    /// What is asked or looked at.
    pub probe: &'static str,
    /// When it passes.
    pub pass: &'static str,
    /// When it warns; `None` if it never does.
    pub warn: Option<&'static str>,
    /// When it fails; `None` if it never does.
    pub fail: Option<&'static str>,
    /// When it does not apply; `None` if only the server's class or era decides that.
    pub na: Option<&'static str>,
    /// When it cannot be told, besides [`INCONCLUSIVE`]; `None` if only then.
    pub inconclusive: Option<&'static str>,
}

/// When a check does not apply that says nothing of its own about it.
pub const NA: &str = "The rule is not in force in the revision, or the server is of a class or protocol era that has nothing of the kind.";

/// When no check can be told, whatever its entry adds.
pub const INCONCLUSIVE: &str = "No attempt got an answer from the server itself, the answer was longer than we read, we were asked to stop, or a check that this one rests on could not be told.";

/// The verdict of a check that never warns or never fails.
pub const NEVER: &str = "Never.";

/// Areas in catalogue order.
const AREAS: [&[Entry]; 14] = [
    transport::ENTRIES,
    challenge::ENTRIES,
    resource_metadata::ENTRIES,
    as_metadata::ENTRIES,
    pkce::ENTRIES,
    registration::ENTRIES,
    resource_indicators::ENTRIES,
    token::ENTRIES,
    scopes::ENTRIES,
    endpoints::ENTRIES,
    session::ENTRIES,
    origin::ENTRIES,
    hygiene::ENTRIES,
    legacy::ENTRIES,
];

impl Entry {
    /// The five verdicts with what each means, best first; what never happens says so.
    #[must_use]
    pub fn verdicts(&self) -> [(crate::report::FindingVerdict, String); 5] {
        use crate::report::FindingVerdict::{Fail, Inconclusive, Na, Pass, Warn};
        let inconclusive = match self.inconclusive {
            Some(own) => format!("{own} Also: {}", lowered(INCONCLUSIVE)),
            None => INCONCLUSIVE.to_owned(),
        };
        [
            (Pass, self.pass.to_owned()),
            (Warn, self.warn.unwrap_or(NEVER).to_owned()),
            (Fail, self.fail.unwrap_or(NEVER).to_owned()),
            (Na, self.na.unwrap_or(NA).to_owned()),
            (Inconclusive, inconclusive),
        ]
    }
}

/// The sentence as it continues another.
fn lowered(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(chars).collect()
    })
}

/// All entries in catalogue order.
pub fn all() -> impl Iterator<Item = &'static Entry> {
    AREAS.into_iter().flatten()
}

/// The entry of a check.
#[must_use]
pub fn by_id(id: &str) -> Option<&'static Entry> {
    all().find(|entry| entry.id == id)
}

#[cfg(test)]
mod tests {
    use super::all;
    use crate::check::Level;
    use crate::checks;

    #[test]
    fn every_check_has_its_entry_in_its_place() {
        let checks: Vec<&str> = checks::all().map(|check| check.id).collect();
        let entries: Vec<&str> = all().map(|entry| entry.id).collect();
        assert_eq!(checks, entries);
    }

    #[test]
    fn entries_are_whole_sentences_without_half_code() {
        for entry in all() {
            let texts = [
                Some(entry.probe),
                Some(entry.pass),
                entry.warn,
                entry.fail,
                entry.na,
                entry.inconclusive,
            ];
            for text in texts.into_iter().flatten() {
                let starts =
                    text.starts_with(|c: char| c.is_uppercase() || c.is_numeric() || c == '`');
                assert!(starts && text.ends_with('.'), "{}: {text}", entry.id);
                assert!(text.matches('`').count() % 2 == 0, "{}: {text}", entry.id);
                assert!(text.len() <= 400, "{}: {text}", entry.id);
            }
        }
    }

    #[test]
    fn a_may_never_fails() {
        for (check, entry) in checks::all().zip(all()) {
            assert!(
                check.level != Level::May || entry.fail.is_none(),
                "{}",
                check.id
            );
            assert!(entry.warn.is_some() || entry.fail.is_some(), "{}", check.id);
        }
    }
}
