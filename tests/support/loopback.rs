//! Settings of a scanner for sample servers on loopback: no waiting, no repetitions, and no
//! name server that could be asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use scanner::fleet::Fleet;
use scanner::net::{Pace, Rates, Retries, Settings};
use scanner::time::SystemClock;

/// Public addresses only; each scan gets probe values of its own.
pub(crate) fn unhurried() -> Settings {
    let number = AtomicU32::new(1);
    let entropy = Arc::new(move || {
        let mut bytes = [0x5a; 16];
        bytes[..4].copy_from_slice(&number.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        bytes
    });
    let mut settings = Settings::new(Arc::new(SystemClock), entropy);
    settings.pace = Arc::new(Pace::new(unpaced()));
    settings.retries = Retries::none();
    settings.limits.repeat_gap_ms = 0;
    settings.timeouts.idle_stream = Duration::from_millis(300);
    settings.timeouts.canary = Duration::ZERO;
    settings.nameservers = vec!["127.0.0.1:1".parse().expect("an address")];
    settings
}

/// The same for the hosts of a fleet, whose authority is trusted.
pub(crate) fn reaching(fleet: &Fleet) -> Settings {
    let mut settings = unhurried();
    settings.extra_roots = fleet.authority().as_bytes().to_vec();
    settings.connect_to = fleet
        .connect_to()
        .iter()
        .map(|rule| rule.parse().expect("a rule"))
        .collect();
    settings
}

pub(crate) fn unpaced() -> Rates {
    Rates {
        public: Duration::ZERO,
        private: Duration::ZERO,
        global_per_second: None,
        ..Rates::default()
    }
}
