//! The readers that are fuzzed, by the name of their target.

#[path = "../../crates/site/src/output/bundle.rs"]
pub mod bundle;
#[path = "../../crates/site/src/view/text.rs"]
mod text;
#[path = "../support/readers.rs"]
mod readers;

/// What the reader of bundles takes from the rest of the site.
mod view {
    pub(crate) use crate::text::Shown;
}

/// As the site's module of outputs names it.
const REPORTS_SCHEMA: &str = "authdex.reports/1";

/// Gives the bytes to the reader of this name.
///
/// # Panics
///
/// If the reader does not hold what it promises, and if there is no reader of this name.
pub fn try_one(name: &str, bytes: &[u8]) {
    if name == "bundle" {
        return bundle(bytes);
    }
    let known = readers::READERS.iter().find(|(known, _)| *known == name);
    let (_, reader) = known.expect("a reader of this name");
    reader(bytes);
}

/// A file that claims to be an evidence bundle: what is read is evidence that grades.
fn bundle(bytes: &[u8]) {
    if let Ok(evidence) = bundle::decode(bytes.to_vec()) {
        readers::graded(&evidence);
    }
}
