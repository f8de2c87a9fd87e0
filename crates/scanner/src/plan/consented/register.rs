//! Y0 and Y1: the test client, and registrations that must be refused.

use super::super::{Ask, Plan};

impl Plan<'_> {
    /// Registrations, the test client first.
    pub(in crate::plan) fn registrations(&self) -> Vec<Ask> {
        Vec::new()
    }

    /// Removal of every client that was created.
    pub(in crate::plan) fn unregistrations(&self) -> Vec<Ask> {
        Vec::new()
    }
}
