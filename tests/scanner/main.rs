//! Tests of the scanner as a whole: over real sockets and over recorded evidence.
#![expect(
    clippy::unwrap_used,
    reason = "a test that meets something unexpected fails"
)]

#[path = "../support/loopback.rs"]
mod loopback;
#[path = "../support/readers.rs"]
mod readers;
#[path = "../support/stage.rs"]
mod stage;

mod authorizing;
mod bodies;
mod certificates;
mod consented;
mod corpus;
mod courtesy;
mod eras;
mod grammar;
mod handshakes;
mod hostile;
mod inward;
mod limits;
mod mutants;
mod names;
mod oracle;
mod probing;
mod properties;
mod registry;
mod requirements;
mod secrets;
