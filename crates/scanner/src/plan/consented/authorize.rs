//! Y2, Y3 and Y5: authorization requests, the token endpoint, introspection, and the endpoints
//! that 2025-03-26 assumes.

use super::super::{Ask, Plan};

impl Plan<'_> {
    /// Requests to the endpoints of the tested authorization server.
    pub(in crate::plan) fn authorizations(&self) -> Vec<Ask> {
        Vec::new()
    }
}
