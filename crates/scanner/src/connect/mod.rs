//! Which clients would connect.

/// Nothing yet.
#[must_use]
pub fn outlook(_: &crate::facts::Facts<'_>) -> Vec<crate::report::Connection> {
    Vec::new()
}
