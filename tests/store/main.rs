//! The contract of the store: every public method, on both engines, each test in a database of
//! its own.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

#[path = "../support/db.rs"]
mod db;
#[path = "../support/report.rs"]
mod report;

mod answering;
mod archive;
mod citizen;
mod contract;
mod faults;
mod history;
mod hosts;
mod imports;
mod keeping;
mod kit;
mod lists;
mod publishing;
mod scheduling;
mod schema;
mod sightings;
mod stopping;
mod survey;
