//! Y4: authorization requests whose client is a document on our own host.

use super::super::{Ask, Plan};

impl Plan<'_> {
    /// The good document first; the others only when it is resolved.
    pub(in crate::plan) fn client_documents(&self) -> Vec<Ask> {
        Vec::new()
    }
}
