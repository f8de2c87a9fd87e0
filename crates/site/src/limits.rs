//! How much one client may ask for: reads by the minute, scans by the hour.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};

use crate::SiteSettings;

type Keyed = RateLimiter<
    Option<IpAddr>,
    DefaultKeyedStateStore<Option<IpAddr>>,
    DefaultClock,
    StateInformationMiddleware,
>;

/// One kind of allowance.
#[derive(Debug)]
pub(crate) struct Limit {
    name: &'static str,
    quota: u32,
    window: u64,
    keyed: Keyed,
    asked: AtomicU64,
}

/// Where a client stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Asks left in the window.
    pub(crate) remaining: u32,
    /// Seconds until the allowance is whole again, or until the next ask is admitted.
    pub(crate) seconds: u64,
    /// Whether this one is admitted.
    pub(crate) admitted: bool,
}

impl Limit {
    fn new(name: &'static str, quota: u32, window: u64) -> Self {
        let burst = NonZeroU32::new(quota.max(1)).unwrap_or(NonZeroU32::MIN);
        let period = Duration::from_secs(window) / burst.get();
        let quota = Quota::with_period(period)
            .unwrap_or(Quota::per_minute(burst))
            .allow_burst(burst);
        Self {
            name,
            quota: burst.get(),
            window,
            keyed: RateLimiter::keyed(quota).with_middleware(),
            asked: AtomicU64::new(0),
        }
    }

    /// Takes one ask off the client's allowance.
    pub(crate) fn take(&self, client: Option<IpAddr>) -> Standing {
        // Clients that have been quiet for a window are forgotten now and then, so that the
        // memory they take is bounded by those who are not.
        if self.asked.fetch_add(1, Ordering::Relaxed) % 4096 == 4095 {
            self.keyed.retain_recent();
        }
        match self.keyed.check_key(&client.map(group)) {
            Ok(state) => {
                let remaining = state.remaining_burst_capacity();
                let used = u64::from(self.quota.saturating_sub(remaining));
                Standing {
                    remaining,
                    seconds: (used * self.window).div_ceil(u64::from(self.quota)),
                    admitted: true,
                }
            }
            Err(refused) => Standing {
                remaining: 0,
                seconds: refused
                    .wait_time_from(self.keyed.clock().now())
                    .as_secs()
                    .saturating_add(1),
                admitted: false,
            },
        }
    }

    /// The value of `RateLimit-Policy`.
    pub(crate) fn policy(&self) -> String {
        format!("\"{}\";q={};w={}", self.name, self.quota, self.window)
    }

    /// The value of `RateLimit`.
    pub(crate) fn standing(&self, standing: Standing) -> String {
        format!(
            "\"{}\";r={};t={}",
            self.name, standing.remaining, standing.seconds
        )
    }
}

/// All allowances.
#[derive(Debug)]
pub(crate) struct Limits {
    /// Reads of anything.
    pub(crate) reads: Limit,
    /// Wishes for a scan.
    pub(crate) scans: Limit,
}

impl Limits {
    pub(crate) fn new(settings: &SiteSettings) -> Self {
        Self {
            reads: Limit::new("reads", settings.reads_per_minute, 60),
            scans: Limit::new("scans", settings.scan_requests_per_hour, 3600),
        }
    }
}

/// One IPv4 address, or one /64 of IPv6, is one client.
pub(crate) fn group(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => IpAddr::V4(v4),
            None => {
                let [a, b, c, d, ..] = v6.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{Limit, group};

    #[test]
    fn an_allowance_runs_out_for_one_client_only() {
        let limit = Limit::new("reads", 3, 3600);
        let a = Some("192.0.2.1".parse().unwrap());
        let b = Some("192.0.2.2".parse().unwrap());
        assert!((0..3).all(|_| limit.take(a).admitted));
        let refused = limit.take(a);
        assert!(!refused.admitted && refused.seconds > 0);
        assert_eq!(limit.take(b).remaining, 2);
        assert_eq!(limit.policy(), "\"reads\";q=3;w=3600");
    }

    #[test]
    fn neighbours_in_a_v6_network_are_one_client() {
        let of = |text: &str| group(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }
}
