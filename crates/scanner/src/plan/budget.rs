//! Budgets of requests: how many may go to each host, and how much of that is kept for taking
//! back what was created.

use std::collections::BTreeMap;

use super::{Ask, Plan, host_of};
use crate::evidence::Purpose;

impl Plan<'_> {
    /// Leaves out what does not fit into the budget of its host.
    pub(super) fn keep_within_budget(&self, asks: &mut Vec<Ask>) {
        if asks.is_empty() {
            return;
        }
        let home = host_of(&self.evidence.target.url);
        let mut counts: BTreeMap<(String, bool), u32> = BTreeMap::new();
        // Port 80 of the endpoint's host is the endpoint's host.
        let counted = |purpose: Purpose, url: &str| match purpose {
            Purpose::Plaintext => (home.clone(), false),
            _ => (host_of(url), purpose.is_deeper()),
        };
        for exchange in &self.evidence.exchanges {
            *counts
                .entry(counted(exchange.purpose, &exchange.asked.url))
                .or_default() += 1;
        }
        let mut reserved = self.unremoved();
        asks.retain(|ask| {
            let counted = counted(ask.purpose, &ask.url);
            let budget = self.limits.budget(ask.purpose, counted.0 == home);
            let count = counts.entry(counted).or_default();
            // A client is registered only where its removal fits in, too.
            let (room, more) = match ask.purpose {
                purpose if purpose.takes_back() || !purpose.is_deeper() => (budget, 0),
                Purpose::Register(_) => (budget.saturating_sub(reserved + 1), 1),
                _ => (budget.saturating_sub(reserved), 0),
            };
            if *count >= room {
                return false;
            }
            *count += 1;
            reserved += more;
            true
        });
    }
}
