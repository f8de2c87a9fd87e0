//! Where answers of authorization servers are kept that all scans share, whoever fetched them.
//!
//! Somebody who finds an answer missing fetches it; whoever comes meanwhile waits for that one
//! fetch. A fetcher that dies gives up by a time.

use crate::ledger::Later;
use crate::time::Millis;

/// What is on the shelf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shelved {
    /// The answer, and when it came.
    Found {
        /// When it came.
        at: Millis,
        /// What was put there.
        bytes: Vec<u8>,
    },
    /// Nothing, and whoever asked is to fetch it.
    Fetch,
    /// Nothing yet: somebody is fetching it.
    Wait,
}

/// A shelf of answers.
pub trait Shelf: Send + Sync {
    /// The answer under `name`, if it is not older than `not_before`. Answers
    /// [`Shelved::Fetch`] to one asker at a time, until `until`.
    fn take<'a>(
        &'a self,
        name: &'a str,
        not_before: Millis,
        now: Millis,
        until: Millis,
    ) -> Later<'a, Shelved>;

    /// Puts what was fetched there; `None` if there is nothing to share, so that the next one
    /// tries.
    fn put<'a>(&'a self, name: &'a str, at: Millis, bytes: Option<Vec<u8>>) -> Later<'a, ()>;
}
