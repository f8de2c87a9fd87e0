//! Stops, freezes, wishes, and what a scheduler does while we ourselves are not well.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use scanner::evidence::Evidence;
use scanner::ledger::Later;
use scanner::scan::Scan;
use scanner::target::Target;
use scanner::time::{Clock, FixedClock, Millis};
use store::{Beacons, DueAnswer, Look, Oversight, Pace, Scope, Store, Wishing, scheduler};
use tokio::sync::watch;

use crate::db::{TestDb, on_both_engines};
use crate::kit::{add, listing, scan_leased};
use crate::report::{DAY, DAY_ONE, Manner, Sample, judge};

on_both_engines!(
    stops_reach_every_process_and_end,
    many_turning_bad_freeze_publishing,
    fifty_wishes_are_one_scan,
    a_failure_is_served_until_its_cooldown_ends,
    a_server_is_scanned_on_request_once_a_day,
    results_of_a_broken_network_are_thrown_away,
);

async fn leased(store: &Store, now: Millis) -> Vec<String> {
    let leases = store.lease_due(now, now.plus(60_000), 99).await.unwrap();
    let mut hosts = Vec::new();
    for lease in leases {
        store.release(&lease, now).await.unwrap();
        hosts.push(lease.host);
    }
    hosts.sort();
    hosts
}

async fn stops_reach_every_process_and_end(db: &TestDb) {
    for host in ["a.example", "b.example", "mcp.b.example", "notb.example"] {
        add(&db.store, &format!("https://{host}/mcp")).await;
    }
    let other = Store::open(&db.url).await.unwrap();
    let host = Scope::Host("B.example".into());
    assert!(
        db.store
            .stop(&host, "asked by mail", DAY_ONE)
            .await
            .unwrap()
    );
    assert!(!db.store.stop(&host, "again", DAY_ONE).await.unwrap());
    assert_eq!(leased(&other, DAY_ONE).await, ["a.example", "notb.example"]);
    let issuer = Scope::Issuer("https://id.example/t".into());
    other.stop(&issuer, "", DAY_ONE).await.unwrap();
    let halts = db.store.halts().await.unwrap();
    assert!(halts.cover("https://mcp.b.example/mcp"));
    assert!(halts.cover("https://id.example/t/.well-known/openid-configuration"));
    assert!(!halts.cover("https://a.example/mcp"));
    db.store.stop(&Scope::All, "", DAY_ONE).await.unwrap();
    assert!(other.halts().await.unwrap().all);
    assert!(leased(&other, DAY_ONE).await.is_empty());
    let switches = other.switches().await.unwrap();
    assert_eq!(switches.len(), 3);
    assert!(switches.iter().any(|switch| switch.note == "asked by mail"));
    for scope in [&Scope::All, &host, &issuer] {
        assert!(other.resume(scope).await.unwrap());
        assert!(!other.resume(scope).await.unwrap());
    }
    assert!(db.store.halts().await.unwrap().is_empty());
    assert_eq!(leased(&db.store, DAY_ONE).await.len(), 4);
    other.close().await;
}

async fn many_turning_bad_freeze_publishing(db: &TestDb) {
    let store = &db.store;
    let minute = 60_000;
    assert!(!store.note_weather(400, 19, DAY_ONE).await.unwrap());
    assert_eq!(store.frozen().await.unwrap(), None);
    // A twentieth exactly is borne; more is not.
    let now = DAY_ONE.plus(30 * minute);
    assert!(!store.note_weather(100, 6, now).await.unwrap());
    assert!(store.note_weather(0, 1, now).await.unwrap(), "26 of 500");
    let frozen = store.frozen().await.unwrap().expect("it is frozen");
    assert_eq!(frozen.since, now);
    assert!(frozen.note.contains("26 of 500"), "{}", frozen.note);
    assert!(
        !store.note_weather(0, 1, now).await.unwrap(),
        "it is already"
    );
    assert!(store.unfreeze().await.unwrap());
    assert!(!store.unfreeze().await.unwrap());
    // What is older than an hour counts no more.
    let later = now.plus(61 * minute);
    assert!(!store.note_weather(10, 9, later).await.unwrap());
    assert!(store.freeze("by hand", later).await.unwrap());
    assert_eq!(store.frozen().await.unwrap().unwrap().note, "by hand");
}

async fn fifty_wishes_are_one_scan(db: &TestDb) {
    let (server, _) = add(&db.store, "https://a.example/mcp").await;
    let now = DAY_ONE.plus(5_000);
    let other = Store::open(&db.url).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..50 {
        let (store, server) = (
            if n % 2 == 0 { &db.store } else { &other }.clone(),
            server.clone(),
        );
        let wishing = Wishing {
            cooldown_ms: 600_000,
            per_day: Some(1),
        };
        tasks.spawn(async move {
            store
                .wish(&server, now.plus(n), &wishing)
                .await
                .unwrap()
                .unwrap()
        });
    }
    let mut since = Vec::new();
    for answer in tasks.join_all().await {
        let DueAnswer::Queued { since: at, .. } = answer else {
            panic!("{answer:?}")
        };
        since.push(at);
    }
    since.dedup();
    assert_eq!(since.len(), 1, "all have the same wish");
    let leases = other
        .lease_due(now.plus(60), now.plus(9_000), 9)
        .await
        .unwrap();
    assert_eq!(leases.len(), 1);
    other.close().await;
}

async fn a_failure_is_served_until_its_cooldown_ends(db: &TestDb) {
    let (server, _) = add(&db.store, "https://a.example/mcp").await;
    let wishing = Wishing {
        cooldown_ms: 600_000,
        per_day: None,
    };
    let wish = async |now: Millis| {
        db.store
            .wish(&server, now, &wishing)
            .await
            .unwrap()
            .unwrap()
    };
    assert!(matches!(wish(DAY_ONE).await, DueAnswer::Queued { .. }));
    let lease = db
        .store
        .lease_due(DAY_ONE, DAY_ONE.plus(60_000), 1)
        .await
        .unwrap()
        .remove(0);
    assert!(matches!(
        wish(DAY_ONE.plus(1)).await,
        DueAnswer::Running { .. }
    ));
    let ended = DAY_ONE.plus(7_000);
    db.store
        .give_up(&lease, ended.plus(DAY), ended)
        .await
        .unwrap();
    let again = ended.plus(600_000);
    let failed = DueAnswer::TooSoon {
        failed: true,
        again,
        last_scan: None,
    };
    assert_eq!(wish(ended.plus(1)).await, failed);
    assert_eq!(wish(again.plus(-1)).await, failed);
    assert!(matches!(wish(again).await, DueAnswer::Queued { .. }));
}

async fn a_server_is_scanned_on_request_once_a_day(db: &TestDb) {
    let (server, _) = add(&db.store, "https://a.example/mcp").await;
    let wish = async |now: Millis, per_day: u32| {
        let wishing = Wishing {
            cooldown_ms: 600_000,
            per_day: Some(per_day),
        };
        db.store
            .wish(&server, now, &wishing)
            .await
            .unwrap()
            .unwrap()
    };
    let morning = Millis(DAY_ONE.0.div_euclid(DAY) * DAY + 1_000);
    wish(morning, 1).await;
    let lease = db
        .store
        .lease_due(DAY_ONE, DAY_ONE.plus(60_000), 1)
        .await
        .unwrap()
        .remove(0);
    let scan = scan_leased(&db.store, &lease, morning).await.scan;
    let noon = morning.plus(DAY / 2);
    let midnight = Millis(morning.0 - 1_000 + DAY);
    let too_soon = DueAnswer::TooSoon {
        failed: false,
        again: midnight,
        last_scan: Some(scan),
    };
    assert_eq!(wish(noon, 1).await, too_soon);
    assert!(
        matches!(wish(noon, 6).await, DueAnswer::Queued { .. }),
        "an owner may"
    );
    let lease = db
        .store
        .lease_due(noon, noon.plus(60_000), 1)
        .await
        .unwrap()
        .remove(0);
    scan_leased(&db.store, &lease, noon).await;
    assert!(matches!(wish(midnight, 1).await, DueAnswer::Queued { .. }));
}

/// Beacons that answer for so many looks, and then no more.
struct Flickering {
    looks: AtomicUsize,
    dark: std::ops::Range<usize>,
}

impl Beacons for Flickering {
    fn look(&self) -> Later<'_, Look> {
        let look = self.looks.fetch_add(1, Ordering::SeqCst);
        Box::pin(std::future::ready(Look {
            asked: 3,
            answered: if self.dark.contains(&look) { 1 } else { 3 },
            clock_off_ms: Some(400),
        }))
    }
}

/// Reaches nobody until the network is back.
struct Cut {
    clock: Arc<FixedClock>,
    back: Arc<Flickering>,
}

impl Scan for Cut {
    async fn scan(&self, target: &Target, _scan_id: &str) -> Evidence {
        let down = self.back.looks.load(Ordering::SeqCst) <= self.back.dark.end;
        let manner = if down { Manner::Down } else { Manner::Oauth };
        Sample::oauth(&target.url)
            .at(self.clock.now())
            .manner(manner)
            .evidence()
    }
}

async fn results_of_a_broken_network_are_thrown_away(db: &TestDb) {
    let rows: Vec<_> = (0..5)
        .map(|n| listing(&format!("https://s{n}.example/mcp"), "S"))
        .collect();
    db.store
        .add_listings("registry", &rows, DAY_ONE)
        .await
        .unwrap();
    let clock = Arc::new(FixedClock::new(DAY_ONE));
    // All is well before the scans; afterwards nobody is reached, and once more.
    let beacons = Arc::new(Flickering {
        looks: AtomicUsize::new(0),
        dark: 1..3,
    });
    let scanner = Arc::new(Cut {
        clock: Arc::clone(&clock),
        back: Arc::clone(&beacons),
    });
    let pace = Pace {
        concurrency: 5,
        idle_ms: 20,
        ..Pace::private(judge)
    };
    let (stop, stopped) = watch::channel(false);
    let oversight = Oversight {
        halts: None,
        beacons: Some(beacons.clone()),
        look_every_ms: 1_000,
    };
    let running = {
        let (store, clock) = (db.store.clone(), Arc::clone(&clock));
        tokio::spawn(async move {
            scheduler::run_watched(&store, &scanner, &*clock, &pace, stopped, oversight).await;
        })
    };
    // Time passes only as far as somebody waits for it.
    let mut patience = 2_000;
    while db.store.totals(DAY_ONE).await.unwrap().scans < 5 {
        patience -= 1;
        assert!(
            patience > 0,
            "{} looks",
            beacons.looks.load(Ordering::SeqCst)
        );
        clock.advance(50);
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    stop.send(true).unwrap();
    running.await.unwrap();
    let page = store::Page::first(9);
    let rows = db
        .store
        .servers(&store::TargetFilter::default(), &page)
        .await
        .unwrap()
        .rows;
    assert!(
        rows.iter().all(|row| row.letter.is_some()),
        "nothing was filed as unreachable"
    );
    assert!(beacons.looks.load(Ordering::SeqCst) >= 5);
    let changes = db.store.latest_changes(99).await.unwrap();
    assert_eq!(changes.len(), 5);
}
