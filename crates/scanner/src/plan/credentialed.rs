//! What is asked with credentials that the owner supplied (class P3).

use super::{Ask, Plan};

impl Plan<'_> {
    /// Codes, their redemptions and refreshes.
    pub(super) fn owner_codes(&self) -> Vec<Ask> {
        Vec::new()
    }

    /// Requests to the MCP server with the owner's tokens.
    pub(super) fn owner_probes(&self) -> Vec<Ask> {
        Vec::new()
    }

    /// The owner's session is closed, tokens that the scan obtained are revoked.
    pub(super) fn owner_farewells(&self) -> Vec<Ask> {
        Vec::new()
    }
}
