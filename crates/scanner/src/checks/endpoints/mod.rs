//! Catalogue section 1.10: endpoints of the authorization server.
//!
//! Without consent only the key set is read; everything that touches another endpoint needs
//! a deeper scan and is described here for readers and for the depth gate.

mod consented;
mod keys;
mod proxy;
mod redirects;
mod responses;
mod strength;
mod tokens;

#[cfg(test)]
mod cases;

#[cfg(test)]
pub(super) use cases::CASES;

use crate::check::Check;

pub(super) const CHECKS: &[Check] = &[
    keys::USABLE,
    keys::NO_PRIVATE_KEYS,
    strength::KEY_STRENGTH,
    consented::UNKNOWN_CLIENT_NO_REDIRECT,
    consented::UNREGISTERED_REDIRECT_REFUSED,
    consented::REDIRECT_EXACT_MATCH,
    consented::LOOPBACK_ANY_PORT,
    consented::NO_CORS,
    consented::FRAME_PROTECTION,
    consented::ISS_EMITTED,
    consented::ERROR_RESPONSE,
    consented::IMPLICIT_REFUSED,
    consented::PROXY_CONSENT,
    consented::TOKEN_ENDPOINT_ERRORS,
    consented::INTROSPECTION_AUTHENTICATED,
    consented::CODE_SINGLE_USE,
    consented::REFRESH_ROTATION,
];
