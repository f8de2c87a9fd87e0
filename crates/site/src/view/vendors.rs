//! What the dated table of products says of one check: whose default or limit it is where.

use scanner::check::Check;
use scanner::fingerprints::table::{Acts, Kind, table};

/// One product, in the words of a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vendor {
    /// Its name.
    pub name: &'static str,
    /// Who has to act there.
    pub acts: &'static str,
    /// Why.
    pub because: &'static str,
    /// Where that is known from, and since when.
    pub source: String,
}

/// The products of which the table knows something about this check.
#[must_use]
pub fn of(check: &Check) -> Vec<Vendor> {
    let table = table();
    table
        .products
        .iter()
        .flat_map(|entry| entry.rules.iter().map(move |rule| (entry, rule)))
        .filter(|(_, rule)| rule.checks.iter().any(|id| id == check.id))
        .map(|(entry, rule)| Vendor {
            name: &entry.name,
            acts: match (rule.acts, entry.kind) {
                (Acts::Vendor, _) => "vendor",
                (Acts::Tenant, Kind::Service | Kind::Software) => "tenant",
                (Acts::Operator, _) | (Acts::Tenant, Kind::Library) => "operator",
            },
            because: &rule.because,
            source: format!(
                "{}, {}",
                rule.source.words(),
                rule.date.as_deref().unwrap_or(&table.as_of)
            ),
        })
        .collect()
}
