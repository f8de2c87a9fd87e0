//! Protected-resource metadata (RFC 9728): where it is found, what it says of the resource,
//! which authorization servers it names, and how clean the document is.

mod location;
mod members;
mod resource;
mod servers;
mod signing;

use crate::check::{Check, Unmet};
use crate::facts::documents::Prm;

pub(super) const CHECKS: &[Check] = &[
    location::DISCOVERABLE,
    location::PATH_LOCATION,
    location::ROOT_PATH_AGREEMENT,
    location::HTTP_RESPONSE,
    resource::SYNTAX,
    resource::SAME_ORIGIN,
    resource::IDENTICAL,
    resource::CANONICAL,
    servers::PRESENT,
    servers::FORM,
    servers::RESOLVE,
    members::RECOMMENDED_FIELDS,
    members::BEARER_METHODS,
    members::NO_EMPTY_VALUES,
    signing::CRYPTO_HYGIENE,
    members::AS_CROSSCHECK,
];

#[cfg(test)]
pub(super) const CASES: &[&[super::testkit::Case]] = &[
    location::CASES,
    resource::CASES,
    servers::CASES,
    members::CASES,
    signing::CASES,
];

/// The strings of `authorization_servers`, if the member is what it must be.
fn listed<'f>(prm: &Prm<'f, '_>) -> Result<Vec<&'f str>, Unmet> {
    prm.document
        .get("authorization_servers")
        .and_then(|value| value.as_array())
        .filter(|list| !list.is_empty())
        .and_then(|list| {
            list.iter()
                .map(|item| item.as_str().filter(|text| !text.is_empty()))
                .collect()
        })
        .ok_or(Unmet::Blocked("prm-authorization-servers-present"))
}
