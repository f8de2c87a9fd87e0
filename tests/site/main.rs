//! The site as its readers meet it: the router in process over a real SQLite store, filled by
//! the real plan, the real rubric and the sample fleet.

mod api;
mod pages;
mod sample;
mod web;
