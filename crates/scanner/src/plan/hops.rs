//! Redirects: which are followed, and how far.

use url::Url;

use super::{Ask, Plan, asks};
use crate::evidence::{Exchange, Purpose};
use crate::facts::outcome::Outcome;
use crate::facts::relation;

impl Plan<'_> {
    /// One more hop for every same-origin redirect that is no login.
    pub(super) fn hops(&self) -> Vec<Ask> {
        self.facts
            .answers()
            .iter()
            .filter(|answer| {
                // To a sign-in page, too, where people are meant to sign in.
                answer.outcome == Outcome::Redirect
                    || (answer.outcome == Outcome::Login && answer.exchange.purpose.is_deeper())
            })
            .filter(|answer| follows_redirects(answer.exchange.purpose))
            .filter(|answer| self.depth_of(answer.exchange) < self.limits.redirect_hops)
            .filter_map(|answer| {
                let to = answer.location()?;
                let from = Url::parse(&answer.exchange.asked.url).ok()?;
                let may_follow = relation::same_origin(&from, &to)
                    // An http listing is followed to itself over https, for good (301, 308).
                    || (crate::facts::upgrades(&from, &to)
                        && matches!(answer.status(), Some(301 | 308)));
                let leaves = answer.exchange.purpose.is_deeper()
                    && self.facts.leads_to_client(answer.exchange, &to);
                // Where the valid request was led is known.
                let known = self.facts.known_way(answer.exchange, &to);
                (may_follow && !leaves && !known && !self.is_retried(answer.exchange))
                    .then(|| asks::hop(answer.exchange, &to))
            })
            .collect()
    }

    fn depth_of(&self, exchange: &Exchange) -> u32 {
        let mut depth = 0;
        let mut current = exchange.follows;
        while let Some(id) = current {
            depth += 1;
            current = self
                .evidence
                .exchanges
                .iter()
                .find(|exchange| exchange.id == id)
                .and_then(|exchange| exchange.follows)
                .filter(|next| *next < id);
        }
        depth
    }

    /// A later attempt of the same question replaced this exchange.
    fn is_retried(&self, exchange: &Exchange) -> bool {
        self.evidence.exchanges.iter().any(|later| {
            later.id > exchange.id
                && later.purpose == exchange.purpose
                && later.asked.url == exchange.asked.url
                && later.follows == exchange.follows
        })
    }
}

/// Redirects of these are followed within the origin.
fn follows_redirects(purpose: Purpose) -> bool {
    matches!(
        purpose,
        Purpose::Discover
            | Purpose::Initialize
            | Purpose::EventStream
            | Purpose::SiblingStream
            | Purpose::Prm(_)
            | Purpose::AsMetadata(..)
            | Purpose::Jwks(_)
            | Purpose::PrmJwks
            | Purpose::SecurityTxt
            | Purpose::SecurityTxtLegacy
            | Purpose::Authorize(_)
            | Purpose::Cimd(_)
            | Purpose::Login(_)
    )
}
