//! The site as its readers meet it: the router in process over a real SQLite store, filled by
//! the real plan, the real rubric and the sample fleet. The program as its user meets it: the
//! real binary over the same fleet. And guards: rules of the house that no type can hold.

#[path = "../support/db.rs"]
mod db;
#[path = "../support/loopback.rs"]
mod loopback;

#[path = "../support/report.rs"]
#[expect(dead_code, reason = "this suite needs less of it than the store's")]
mod samples;

#[path = "../support/rehearsal.rs"]
#[expect(
    dead_code,
    reason = "what a crawl costs is of interest to the benchmark alone"
)]
mod rehearsal;

mod accuracy;
mod api;
mod citizen;
mod consented;
mod crowd;
mod described;
mod exports;
mod feeds;
mod formats;
mod guards;
mod kinds;
mod listings;
mod login;
mod owner;
mod pages;
mod program;
mod registry;
mod sample;
mod web;
mod what_if;
