//! Y6 and Y7: forged tokens.

use super::super::{Ask, Plan};

impl Plan<'_> {
    /// One after the other, and none after the first that was accepted.
    pub(in crate::plan) fn forged_tokens(&self) -> Vec<Ask> {
        Vec::new()
    }
}
