//! The domain of Authdex: what is asked, what is recorded, and how it is judged.
//!
//! Facts are recorded, judgements are computed. `plan` decides what to ask, `net` (feature
//! `net`) asks it, and the answers become [`evidence`], which is never judged and never
//! edited. [`facts`] reads evidence; `checks` judge facts; `grade` turns judgements into
//! a [`report`]; `diff` compares two reports. Everything but `net` and `fleet` is pure: no
//! clock, no network, no file.

pub mod accuracy;
pub mod attribution;
pub mod canary;
pub mod check;
pub mod checks;
pub mod connect;
pub mod diff;
pub mod evidence;
pub mod facts;
pub mod fingerprints;
#[cfg(feature = "fleet")]
pub mod fleet;
pub mod grade;
pub mod halt;
pub mod handshake;
pub mod hard;
pub mod identity;
pub mod ledger;
#[cfg(feature = "net")]
pub mod net;
pub mod normalise;
pub mod plan;
pub mod publish;
pub mod redact;
pub mod report;
pub mod robots;
pub mod rubric;
pub mod scan;
pub mod score;
pub mod shelf;
pub mod sources;
pub mod spec;
pub mod surface;
pub mod target;
pub mod time;
pub mod truth;
pub mod whatif;
