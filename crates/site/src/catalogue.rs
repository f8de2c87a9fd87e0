//! Words about the catalogue that the command line, the rules of a run and the site share.

use scanner::check::Check;
use scanner::checks::entries;
use scanner::report::FindingVerdict;

/// What a check asks, in words.
pub(crate) fn probe(check: &Check) -> &'static str {
    entries::by_id(check.id).map_or("", |entry| entry.probe)
}

/// What each verdict of a check means, best first. A test holds that every check has an entry.
pub(crate) fn verdicts(check: &Check) -> Vec<(FindingVerdict, String)> {
    entries::by_id(check.id)
        .map(|entry| entry.verdicts().to_vec())
        .unwrap_or_default()
}

/// Most ids that are offered for a mistyped one.
const OFFERED: usize = 5;

/// Ids of checks that a mistyped one may have meant, the nearest first.
#[must_use]
pub(crate) fn near(id: &str) -> Vec<&'static str> {
    let id: String = id.chars().take(80).collect::<String>().to_lowercase();
    let mut ranked: Vec<(usize, &'static str)> = scanner::checks::all()
        .filter_map(|check| Some((distance(&id, check.id)?, check.id)))
        .collect();
    ranked.sort();
    ranked.into_iter().map(|(_, id)| id).take(OFFERED).collect()
}

/// How far a text is from an id, `None` when it is nothing like it.
fn distance(text: &str, id: &str) -> Option<usize> {
    if text.len() >= 3 && id.contains(text) {
        return Some(0);
    }
    let edits = edits(text.as_bytes(), id.as_bytes());
    if edits <= 2 + text.len() / 6 {
        return Some(edits);
    }
    let (start, _) = text.split_once('-')?;
    id.strip_prefix(start)
        .is_some_and(|rest| rest.starts_with('-'))
        .then_some(50 + edits)
}

/// Insertions, deletions and replacements from one text to the other.
fn edits(from: &[u8], to: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (count, a) in (1..).zip(from) {
        let mut diagonal = row[0];
        row[0] = count;
        for (place, b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[place + 1];
            row[place + 1] = replaced.min(diagonal + 1).min(row[place] + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}

/// The sentence for an id that no check has, with what may have been meant.
#[must_use]
pub(crate) fn unknown(id: &str) -> String {
    let near = near(id);
    let hint = if near.is_empty() {
        "`authdex checks` lists them".to_owned()
    } else {
        format!("near it: {}", near.join(", "))
    };
    let id = crate::view::Shown::bounded(id, 80);
    format!("no check is called `{id}`; {hint}")
}

#[cfg(test)]
mod tests {
    use super::{edits, near, unknown};

    #[test]
    fn a_mistyped_id_is_recognised() {
        assert_eq!(near("pkce-advertisd")[0], "pkce-advertised");
        assert_eq!(near("PKCE-S265")[0], "pkce-s256");
        assert!(near("pkce").contains(&"pkce-advertised"));
        assert!(
            near("prm-everything")
                .iter()
                .all(|id| id.starts_with("prm-"))
        );
        assert!(near("zzz").is_empty());
        assert!(unknown("zzz").contains("`authdex checks`"));
        assert!(unknown(&"x".repeat(9000)).len() < 300);
    }

    #[test]
    fn edits_are_counted() {
        assert_eq!(edits(b"", b"abc"), 3);
        assert_eq!(edits(b"abc", b"abd"), 1);
        assert_eq!(edits(b"kitten", b"sitting"), 3);
    }
}
