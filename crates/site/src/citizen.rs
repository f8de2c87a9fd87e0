//! Good citizenship of the crawler: it listens before it asks, keeps an account of what it sent,
//! and looks at hosts for proofs. All of it belongs to the worker; pages read what it left in the
//! store.

mod account;
mod chores;
mod courtesy;

use std::sync::Arc;

use scanner::net::Settings as NetSettings;
use scanner::time::Clock;
use store::Store;

pub use account::{Accounted, tally};
pub use chores::{PROOF_MS, chores, every_so_often, look};
pub use courtesy::Remembering;

use crate::config::{Mode, Settings};

/// A courtesy over the store, put into the settings of a scanner unless `policy.robots` is off.
///
/// # Errors
///
/// If the database fails.
pub async fn remembering(
    store: &Store,
    settings: &Settings,
    clock: Arc<dyn Clock>,
    net: &mut NetSettings,
) -> store::Result<Arc<Remembering>> {
    let public = settings.instance.mode == Mode::Public;
    let owned = settings.scan.owned_hosts.clone();
    let courtesy = Remembering::new(store.clone(), clock, owned, public);
    courtesy.refresh().await?;
    let courtesy = Arc::new(courtesy);
    if settings.policy.robots {
        net.courtesy = Some(Arc::<Remembering>::clone(&courtesy));
    }
    Ok(courtesy)
}
