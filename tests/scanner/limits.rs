//! Limits that hold across scans, on real sockets: what the sample servers count.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use scanner::evidence::{Evidence, Failure, Purpose, Stopped};
use scanner::fleet::Fleet;
use scanner::fleet::world::{AuthorizationServer, Edit, McpServer, World};
use scanner::halt::Halts;
use scanner::net::{NetScanner, Pace, Rates, Settings};
use scanner::scan::Scan as _;
use scanner::target::Target;
use tokio::sync::watch;

use crate::loopback::{reaching, unpaced};

const ISSUER: &str = "id.shared.example";

fn world(servers: usize) -> World {
    World {
        servers: (0..servers)
            .map(|n| {
                let host = format!("mcp.pub{n}.example");
                McpServer::compliant(&host, "S", &format!("https://{ISSUER}"))
            })
            .collect(),
        authorization_servers: vec![AuthorizationServer::compliant(ISSUER)],
        edits: Vec::new(),
    }
}

/// Loopback is paced as the public internet is.
fn strict(fleet: &Fleet, rates: Rates) -> Settings {
    let mut settings = reaching(fleet);
    settings.pace = Arc::new(Pace::new(Rates {
        private_as_public: true,
        public: Duration::from_millis(5),
        as_per_second: None,
        ..rates
    }));
    settings
}

async fn scan_all(fleet: &Fleet, settings: Settings) -> Vec<Evidence> {
    let scanner = Arc::new(NetScanner::new(settings).await.expect("a scanner"));
    let mut scans = tokio::task::JoinSet::new();
    for (url, _) in fleet.targets() {
        let scanner = Arc::clone(&scanner);
        scans.spawn(async move { scanner.scan(&Target::of(url), "scn_1").await });
    }
    scans.join_all().await
}

fn asked(fleet: &Fleet, host: &str) -> BTreeMap<String, u32> {
    let mut out = BTreeMap::new();
    for seen in fleet.seen().into_iter().filter(|seen| seen.host == host) {
        *out.entry(seen.path).or_default() += 1;
    }
    out
}

fn blocked(evidence: &Evidence, rule: &str) -> bool {
    evidence
        .exchanges
        .iter()
        .any(|exchange| matches!(&exchange.got, Err(Failure::Blocked(by)) if by == rule))
}

#[tokio::test(flavor = "multi_thread")]
async fn scans_at_the_same_time_make_one_fetch() {
    let fleet = Fleet::start(world(12)).await.expect("a fleet");
    let mut settings = reaching(&fleet);
    settings.share_documents = Duration::from_secs(3_600);
    let scans = scan_all(&fleet, settings).await;
    let asked = asked(&fleet, ISSUER);
    // Once as it is, and once more as a client in a browser asks.
    assert_eq!(asked.get("/jwks"), Some(&2), "{asked:?}");
    assert!(asked.values().all(|n| *n <= 2), "{asked:?}");
    let shared = scans.iter().filter(|scan| {
        let mut exchanges = scan.exchanges.iter();
        exchanges.any(|one| matches!(one.purpose, Purpose::AsMetadata(..)) && one.shared.is_some())
    });
    assert!(shared.count() >= 11);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authorization_server_is_asked_so_often_a_day() {
    let fleet = Fleet::start(world(4)).await.expect("a fleet");
    let rates = Rates {
        as_per_day: Some(5),
        ..unpaced()
    };
    let scans = scan_all(&fleet, strict(&fleet, rates)).await;
    let sent: u32 = asked(&fleet, ISSUER).values().sum();
    assert!(sent <= 5, "{sent}");
    assert!(scans.iter().any(|scan| blocked(scan, "day_budget")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_is_asked_so_often_a_day() {
    let fleet = Fleet::start(world(1)).await.expect("a fleet");
    let rates = Rates {
        site_per_day: Some(7),
        ..unpaced()
    };
    let scans = scan_all(&fleet, strict(&fleet, rates)).await;
    let sent: u32 = asked(&fleet, "mcp.pub0.example").values().sum();
    assert!(sent <= 7, "{sent}");
    assert!(blocked(&scans[0], "day_budget"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authorization_server_that_keeps_failing_is_left_alone() {
    let mut world = world(1);
    world.edits.push(Edit::new(|asked, reply| {
        if asked.host == ISSUER {
            reply.status = 503;
        }
    }));
    let fleet = Fleet::start(world).await.expect("a fleet");
    let clock = Arc::new(scanner::time::FixedClock::new(scanner::time::Millis(0)));
    let ledger: Arc<scanner::ledger::Alone> = Arc::default();
    let mut settings = strict(&fleet, unpaced());
    let rates = Rates {
        private_as_public: true,
        public: Duration::from_millis(1),
        as_per_second: None,
        ..unpaced()
    };
    settings.pace = Arc::new(Pace::with_ledger(rates, ledger, clock.clone()));
    let scanner = NetScanner::new(settings).await.expect("a scanner");
    let (url, _) = fleet.targets().remove(0);
    let mut sent = Vec::new();
    for _ in 0..5 {
        // The clock stands still while a scan runs, as the interval does not.
        let ticking = tokio::spawn({
            let clock = Arc::clone(&clock);
            async move {
                loop {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                    clock.advance(2);
                }
            }
        });
        let before: u32 = asked(&fleet, ISSUER).values().sum();
        let evidence = scanner.scan(&Target::of(url.clone()), "scn_1").await;
        ticking.abort();
        let after: u32 = asked(&fleet, ISSUER).values().sum();
        sent.push((after - before, blocked(&evidence, "kept_failing")));
        clock.advance(61_000);
    }
    assert!(sent[0].0 > 0 && sent[1].0 > 0 && !sent[1].1, "{sent:?}");
    // The third scan in a row meets the third fault, and from then on nobody is asked.
    assert!(
        sent[2].1 && sent[3] == (0, true) && sent[4] == (0, true),
        "{sent:?}"
    );
    clock.advance(scanner::ledger::FIRST_PAUSE);
    let before: u32 = asked(&fleet, ISSUER).values().sum();
    let evidence = scanner.scan(&Target::of(url), "scn_1").await;
    let after: u32 = asked(&fleet, ISSUER).values().sum();
    assert_eq!(after - before, 1, "one probe, which fails");
    assert!(blocked(&evidence, "kept_failing"));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hosts_of_an_operator_are_asked_at_a_time() {
    let mut world = World {
        servers: (0..6)
            .map(|n| McpServer::open(&format!("h{n}.vendor.example"), "S"))
            .collect(),
        ..World::default()
    };
    let busy = Arc::new(std::sync::Mutex::new((0_u32, 0_u32)));
    let counted = Arc::clone(&busy);
    world.edits.push(Edit::new(move |_, _| {
        {
            let mut busy = counted.lock().expect("a count");
            busy.0 += 1;
            busy.1 = busy.1.max(busy.0);
        }
        std::thread::sleep(Duration::from_millis(4));
        counted.lock().expect("a count").0 -= 1;
    }));
    let fleet = Fleet::start(world).await.expect("a fleet");
    let rates = Rates {
        site_per_day: None,
        global_per_second: NonZeroU32::new(1_000),
        ..unpaced()
    };
    scan_all(&fleet, strict(&fleet, rates)).await;
    let most = busy.lock().expect("a count").1;
    assert!(most <= 2, "{most} at a time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_ends_when_its_host_or_issuer_is_stopped() {
    let fleet = Fleet::start(world(2)).await.expect("a fleet");
    for halt in [
        Halts {
            hosts: [String::from("pub0.example")].into(),
            ..Halts::default()
        },
        Halts {
            issuers: [format!("https://{ISSUER}")].into(),
            ..Halts::default()
        },
    ] {
        let (switch, halts) = watch::channel(Arc::new(Halts::default()));
        let mut settings = reaching(&fleet);
        settings.halts = Some(halts);
        settings.pace = Arc::new(Pace::new(Rates {
            private: Duration::from_millis(40),
            ..unpaced()
        }));
        let issuer = !halt.issuers.is_empty();
        let scanner = NetScanner::new(settings).await.expect("a scanner");
        let target = Target::of("https://mcp.pub0.example/mcp");
        let scan = scanner.scan(&target, "scn_1");
        let stop = async {
            let before = fleet.seen().len();
            let reached = || {
                let seen = fleet.seen();
                let mut new = seen[before..].iter();
                new.any(|seen| !issuer || seen.host == ISSUER)
            };
            while !reached() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            switch.send(Arc::new(halt)).expect("heard");
        };
        let (evidence, ()) = tokio::join!(scan, stop);
        assert_eq!(evidence.stopped, Stopped::Stopped);
        let then = fleet.seen().len();
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(fleet.seen().len(), then);
    }
}
