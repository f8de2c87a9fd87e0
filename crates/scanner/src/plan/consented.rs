//! What is asked with the recorded consent of the operators (class P2). Nothing here is asked
//! of a host that the consent does not cover.

mod authorize;
mod documents;
mod register;
pub(super) mod request;
mod tokens;

pub(super) use authorize::credentials;

use super::Plan;
use crate::evidence::Depth;

impl Plan<'_> {
    /// Whether depth and consent allow class P2 at the host of this URL.
    pub(super) fn consented(&self, url: &str) -> bool {
        self.limits.depth >= Depth::Consented && self.facts.consented_text(url)
    }
}
