//! What the index knows about authorization servers and about adoption: read from evidence when
//! a scan becomes what its server shows, kept in the same transaction, and counted by hour.
//!
//! A document itself is never copied: an issuer points at the stretch of scans whose evidence
//! holds it, and a change of it at the stretch that saw it first.

mod count;
mod features;
mod issuers;
mod measure;
mod pending;
mod reading;
mod renew;

pub use count::Measure;
pub use features::{Feature, Features};
pub use issuers::{IssuerChange, IssuerRow, Told, id_of as issuer_id_of};
pub use measure::{Measured, TrendPoint};
pub(crate) use pending::Pending;
pub(crate) use reading::{Survey, issuer_id};

/// Reading of the evidence; rows of an earlier one are read again by the job `stats`.
pub(crate) const VERSION: i64 = 1;

/// Product of an authorization server whose metadata gives none away.
pub const UNRECOGNISED: &str = "unrecognised";
