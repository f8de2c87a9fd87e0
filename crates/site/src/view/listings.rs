//! What sources say of a server, worded for its page.

use scanner::report::Report;
use scanner::time::Millis;
use scanner::truth::{Compared, Standing, Subject};
use store::Sighting;

use super::{Shown, Stamp, time};
use crate::api::v1::listings::truth_of;

/// Statements that a page shows; the API has more.
const MOST: usize = 20;

/// One statement of a source.
pub(crate) struct Stated {
    pub(crate) source: Shown,
    pub(crate) name: Option<Shown>,
    pub(crate) says: Shown,
    pub(crate) first: Stamp,
    pub(crate) last: Stamp,
    /// `gone`, `earlier`, or nothing for what is said now.
    pub(crate) mark: Option<&'static str>,
    /// What contradicts the newest scan.
    pub(crate) differs: Vec<Shown>,
    /// The statement stands, was compared, and nothing contradicts it.
    pub(crate) agrees: bool,
    /// The correction as JSON Patch.
    pub(crate) patch: Option<Shown>,
}

/// Words the statements about a server, the newest first.
pub(crate) fn worded(sightings: &[Sighting], report: Option<&Report>, now: Millis) -> Vec<Stated> {
    let newest = sightings.iter().take(MOST);
    newest
        .map(|sighting| stated(sighting, report, now))
        .collect()
}

fn stated(sighting: &Sighting, report: Option<&Report>, now: Millis) -> Stated {
    let listing = &sighting.listing;
    let truth = truth_of(sighting, report);
    let compared = truth.as_ref().map_or(&[][..], |truth| &truth.compared);
    let differs: Vec<Shown> = compared
        .iter()
        .filter(|one| one.standing == Standing::Differs)
        .map(difference)
        .collect();
    let mut says: Vec<String> = Vec::new();
    says.extend(
        listing
            .version
            .iter()
            .map(|version| format!("version {version}")),
    );
    says.extend(listing.transport.clone());
    says.extend(
        listing
            .auth
            .iter()
            .map(|auth| format!("authorization: {auth}")),
    );
    if !listing.declared_headers.is_empty() {
        says.push(format!("headers: {}", listing.declared_headers.join(", ")));
    }
    says.extend(listing.status.clone());
    says.extend(listing.owner.iter().map(|owner| format!("owner: {owner}")));
    if !listing.tags.is_empty() {
        says.push(format!("tags: {}", listing.tags.join(", ")));
    }
    says.extend(listing.depth.iter().map(|depth| format!("depth: {depth}")));
    says.extend(
        listing
            .interval_ms
            .map(|interval| format!("at most every {}", time::span(interval))),
    );
    let is_compared = compared.iter().any(|one| one.standing == Standing::Agrees);
    Stated {
        source: Shown::bounded(&listing.source, 60),
        name: listing.name.as_deref().map(|name| Shown::bounded(name, 80)),
        says: Shown::bounded(&says.join(" · "), 300),
        first: Stamp::new(sighting.first_seen, now),
        last: Stamp::new(sighting.last_seen, now),
        mark: match (sighting.latest, sighting.gone) {
            (false, _) => Some("earlier"),
            (true, Some(_)) => Some("gone"),
            (true, None) => None,
        },
        agrees: differs.is_empty() && is_compared,
        differs,
        patch: truth
            .filter(|truth| !truth.patch.is_empty())
            .and_then(|truth| serde_json::to_string_pretty(&truth.patch).ok())
            .map(|patch| Shown::block(&patch, 2_000)),
    }
}

fn difference(one: &Compared) -> Shown {
    let declared = one.declared.as_deref().unwrap_or("nothing");
    let observed = one.observed.as_deref().unwrap_or("nothing");
    let subject = match one.subject {
        Subject::Transport => "transport",
        Subject::Auth => "authorization",
        Subject::Headers => "headers",
        Subject::Url => "address",
    };
    Shown::bounded(
        &format!("{subject}: listed {declared}, seen {observed}"),
        300,
    )
}
