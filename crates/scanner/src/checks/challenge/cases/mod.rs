//! Worlds in which the checks of this area are tried.

mod credentials;
mod header;
mod lazy;
mod pointer;
mod refusal;

use crate::checks::testkit::Case;

pub(in crate::checks) const CASES: &[&[Case]] = &[
    refusal::CASES,
    header::CASES,
    pointer::CASES,
    credentials::CASES,
    lazy::CASES,
];
