//! Show: the pages and the API over what the store keeps.
//!
//! Handlers read the store and nothing else; no client of any kind is within their reach. A
//! visitor who asks for a scan makes the target due, and the scheduler does the rest.

mod adoption;
pub mod api;
mod assets;
pub mod browser;
mod cache;
mod catalogue;
pub mod citizen;
pub mod cli;
mod compare;
pub mod config;
pub mod credentials;
mod cursor;
pub mod error;
pub mod export;
mod feeds;
pub mod halting;
pub mod jobs;
mod layers;
mod limits;
pub mod login;
pub mod openapi;
pub mod output;
pub mod own_host;
mod pages;
pub mod policy;
mod registry;
mod routes;
pub mod scanning;
mod settings;
mod sourcing;
pub mod twin;
pub mod view;
pub mod visit;
mod whatif;
mod wish;
pub mod worker;

use std::sync::Arc;

use scanner::time::Clock;
use store::Store;

pub use routes::{documented, health, router};
pub use settings::SiteSettings;

/// What every handler has.
#[derive(Clone)]
pub struct AppState {
    /// Where everything is kept.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The installation.
    pub settings: Arc<SiteSettings>,
}

impl std::fmt::Debug for AppState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AppState")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// A secret that nobody guesses: 32 hexadecimal digits of which 122 bits come from the operating
/// system.
pub(crate) fn citizen_token() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}
