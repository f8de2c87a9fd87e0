//! What is asked with credentials that the owner supplied (class P3).
//!
//! First a code is redeemed, so that there is a token where none was supplied; then the MCP
//! server is asked with tokens; then codes and refresh tokens are used in ways that must fail,
//! because the answers to that may end everything that came of a login.

mod codes;
mod probes;
mod tools;

use super::Plan;
use crate::evidence::Depth;

impl Plan<'_> {
    /// Whether depth and consent allow class P3 at the endpoint.
    fn credentialed(&self) -> bool {
        self.limits.depth >= Depth::Credentialed && self.consented(&self.endpoint)
    }
}
