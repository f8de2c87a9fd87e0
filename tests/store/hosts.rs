//! Politeness over all processes of a database, under a clock that stands still: hosts,
//! operators, authorization servers, lines, shared answers. A process is a store of its own.

use std::collections::BTreeSet;

use scanner::ledger::{Claim, Claimed, Ledger as _, Refusal, Role, SLOW_FOR, Settlement, tomorrow};
use scanner::shelf::{Shelf as _, Shelved};
use scanner::time::Millis;
use store::{LeaseAsk, Leased, NewListing, Store};

use crate::db::{TestDb, on_both_engines};
use crate::kit::{add, listing, scan_leased};
use crate::report::{DAY, DAY_ONE};

on_both_engines!(
    a_publisher_of_many_endpoints_holds_nobody_up,
    a_host_is_leased_to_one_at_a_time_and_given_back,
    an_operator_has_few_hosts_at_a_time,
    an_operator_that_was_asked_enough_waits_for_tomorrow,
    a_held_host_is_nobody_elses,
    what_a_host_said_outlives_the_process,
    a_host_that_keeps_failing_is_left_alone_by_everybody,
    an_authorization_server_has_a_day_for_all,
    places_in_a_line_are_given_once,
    one_fetches_and_all_have_it,
    scheduled_scans_keep_a_fifth,
);

async fn process(db: &TestDb) -> Store {
    Store::open(&db.url).await.expect("it opens")
}

fn ask(now: Millis, limit: u32) -> LeaseAsk {
    LeaseAsk {
        now,
        due: now,
        until: now.plus(600_000),
        limit,
        operator_hosts: Some(2),
        operator_per_day: Some(2_000),
    }
}

async fn import(store: &Store, urls: impl IntoIterator<Item = String>) {
    let rows: Vec<NewListing> = urls.into_iter().map(|url| listing(&url, "S")).collect();
    store
        .add_listings("registry", &rows, DAY_ONE)
        .await
        .expect("an import");
}

fn hosts(leases: &[Leased]) -> Vec<&str> {
    leases.iter().map(|lease| lease.host.as_str()).collect()
}

fn claim(host: &str) -> Claim {
    Claim {
        host: host.into(),
        operator: "vendor.example".into(),
        role: Role::AuthorizationServer,
        places: Some(2),
        operator_per_day: Some(2_000),
        as_per_day: Some(500),
        hold_ms: 120_000,
    }
}

fn settled(host: &str, at: Millis) -> Settlement {
    Settlement {
        host: host.into(),
        operator: "vendor.example".into(),
        role: Role::AuthorizationServer,
        sent: 1,
        at,
        next_at: at.plus(1_000),
        closed_until: None,
        limited: false,
        good: Some(true),
    }
}

fn granted(claimed: Claimed) -> bool {
    matches!(claimed, Claimed::Granted { .. })
}

fn busy(claimed: Claimed) -> bool {
    matches!(claimed, Claimed::Busy { .. })
}

async fn a_publisher_of_many_endpoints_holds_nobody_up(db: &TestDb) {
    let many = (0..400).map(|n| format!("https://many.example/{n}/mcp"));
    let others = (0..30).map(|n| format!("https://s{n}.other{n}.test/mcp"));
    import(&db.store, many.chain(others)).await;
    let (one, two) = (process(db).await, process(db).await);
    let first = one.lease(&ask(DAY_ONE, 10)).await.unwrap();
    let second = two.lease(&ask(DAY_ONE, 10)).await.unwrap();
    assert_eq!((first.len(), second.len()), (10, 10), "workers stay busy");
    let all: Vec<Leased> = first.into_iter().chain(second).collect();
    let distinct: BTreeSet<&str> = hosts(&all).into_iter().collect();
    assert_eq!(distinct.len(), 20, "and no host is scanned twice at once");
    assert!(distinct.contains("many.example"));
    let rest = one.lease(&ask(DAY_ONE, 100)).await.unwrap();
    assert_eq!(rest.len(), 11);
    assert!(one.lease(&ask(DAY_ONE, 9)).await.unwrap().is_empty());
    assert!(one.is_waiting(DAY_ONE, DAY_ONE).await.unwrap());
    for store in [one, two] {
        store.close().await;
    }
}

async fn a_host_is_leased_to_one_at_a_time_and_given_back(db: &TestDb) {
    import(
        &db.store,
        (0..3).map(|n| format!("https://one.example/{n}/mcp")),
    )
    .await;
    let other = process(db).await;
    let mut seen = BTreeSet::new();
    let mut now = DAY_ONE;
    for way in 0..3 {
        let leases = db.store.lease_due(now, now.plus(60_000), 9).await.unwrap();
        assert_eq!(leases.len(), 1);
        assert!(
            other
                .lease_due(now, now.plus(60_000), 9)
                .await
                .unwrap()
                .is_empty()
        );
        seen.insert(leases[0].server.clone());
        match way {
            0 => drop(scan_leased(&db.store, &leases[0], now).await),
            1 => {
                let later = now.plus(DAY);
                db.store.release(&leases[0], later).await.unwrap();
            }
            _ => {
                // The process dies: hold and lease end by themselves, at the same time.
                let late = now.plus(60_000);
                assert!(
                    other
                        .lease_due(late.plus(-1), late.plus(9), 9)
                        .await
                        .unwrap()
                        .is_empty()
                );
                let again = other.lease_due(late, late.plus(9), 9).await.unwrap();
                assert_eq!(again[0].server, leases[0].server);
            }
        }
        now = now.plus(1_000);
    }
    assert_eq!(seen.len(), 3);
    other.close().await;
}

async fn an_operator_has_few_hosts_at_a_time(db: &TestDb) {
    import(
        &db.store,
        (0..50).map(|n| format!("https://h{n}.vendor.example/mcp")),
    )
    .await;
    import(&db.store, [String::from("https://else.example/mcp")]).await;
    let other = process(db).await;
    let first = db.store.lease(&ask(DAY_ONE, 20)).await.unwrap();
    let second = other.lease(&ask(DAY_ONE, 20)).await.unwrap();
    // One of two places is left to the operator's authorization server.
    assert_eq!(first.len() + second.len(), 2, "{first:?} {second:?}");
    let id = claim("id.vendor.example");
    let scan = if first.len() == 2 { &db.store } else { &other };
    assert!(granted(scan.claim(&id, DAY_ONE).await));
    let third = claim("third.vendor.example");
    assert!(busy(scan.claim(&third, DAY_ONE).await), "two at a time");
    scan.settle(settled("id.vendor.example", DAY_ONE)).await;
    assert!(granted(scan.claim(&third, DAY_ONE).await));
    other.close().await;
}

async fn an_operator_that_was_asked_enough_waits_for_tomorrow(db: &TestDb) {
    import(
        &db.store,
        (0..3).map(|n| format!("https://h{n}.vendor.example/mcp")),
    )
    .await;
    let few = LeaseAsk {
        operator_per_day: Some(100),
        ..ask(DAY_ONE, 9)
    };
    let leases = db.store.lease(&few).await.unwrap();
    assert_eq!(leases.len(), 1);
    let endpoint = Claim {
        role: Role::Endpoint,
        ..claim(&leases[0].host)
    };
    for n in 0..40 {
        let at = DAY_ONE.plus(n * 1_000);
        assert!(granted(db.store.claim(&endpoint, at).await));
        db.store.settle(settled(&leases[0].host, at)).await;
    }
    let now = DAY_ONE.plus(60_000);
    db.store.release(&leases[0], now).await.unwrap();
    // 40 of 100 were used, and a scan sets 64 aside.
    let again = LeaseAsk {
        now,
        due: now,
        until: now.plus(600_000),
        ..few
    };
    assert!(db.store.lease(&again).await.unwrap().is_empty());
    let next = db.store.next_due_at().await.unwrap();
    assert_eq!(next, Some(DAY_ONE), "those that were not looked at");
    let midnight = tomorrow(now);
    let fresh = LeaseAsk {
        now: midnight,
        due: midnight,
        until: midnight.plus(600_000),
        ..few
    };
    assert_eq!(db.store.lease(&fresh).await.unwrap().len(), 1);
}

async fn a_held_host_is_nobody_elses(db: &TestDb) {
    let other = process(db).await;
    let id = claim("id.vendor.example");
    assert!(granted(db.store.claim(&id, DAY_ONE).await));
    assert!(busy(other.claim(&id, DAY_ONE.plus(119_999)).await));
    db.store.settle(settled(&id.host, DAY_ONE.plus(300))).await;
    let from = DAY_ONE.plus(1_300);
    assert_eq!(
        other.claim(&id, DAY_ONE.plus(400)).await,
        Claimed::Granted { from, slow: false },
        "the interval holds for the next one, whoever it is"
    );
    // It dies; its hold ends.
    other.close().await;
    assert!(busy(db.store.claim(&id, DAY_ONE.plus(120_399)).await));
    assert!(granted(db.store.claim(&id, DAY_ONE.plus(120_400)).await));
}

async fn what_a_host_said_outlives_the_process(db: &TestDb) {
    import(&db.store, [String::from("https://closed.example/mcp")]).await;
    let first = process(db).await;
    let leases = first
        .lease_due(DAY_ONE, DAY_ONE.plus(60_000), 1)
        .await
        .unwrap();
    let endpoint = Claim {
        role: Role::Endpoint,
        ..claim("closed.example")
    };
    assert!(granted(first.claim(&endpoint, DAY_ONE).await));
    first
        .settle(Settlement {
            closed_until: Some(DAY_ONE.plus(2 * DAY)),
            limited: true,
            ..settled("closed.example", DAY_ONE)
        })
        .await;
    let during = first.claim(&endpoint, DAY_ONE.plus(5)).await;
    let refused = Claimed::Refused {
        until: DAY_ONE.plus(2 * DAY),
        why: Refusal::RetryAfter,
    };
    assert_eq!(during, refused, "also within the scan");
    first.release(&leases[0], DAY_ONE.plus(10)).await.unwrap();
    first.close().await;
    let second = process(db).await;
    // Tidying forgets what says nothing any more, and this says something.
    second.sweep_hosts(DAY_ONE.plus(DAY)).await.unwrap();
    assert_eq!(second.claim(&endpoint, DAY_ONE.plus(DAY)).await, refused);
    let day = DAY_ONE.plus(DAY);
    let none = second.lease_due(day, day.plus(60_000), 1).await.unwrap();
    assert!(none.is_empty(), "nor is it handed out");
    let open = DAY_ONE.plus(2 * DAY);
    let leases = second.lease_due(open, open.plus(60_000), 1).await.unwrap();
    assert_eq!(leases.len(), 1);
    let slow = |claimed| matches!(claimed, Claimed::Granted { slow: true, .. });
    assert!(slow(second.claim(&endpoint, open).await), "half as often");
    second.release(&leases[0], open).await.unwrap();
    let week = DAY_ONE.plus(SLOW_FOR + 11);
    assert!(!slow(second.claim(&endpoint, week).await), "for a week");
    second.close().await;
}

async fn a_host_that_keeps_failing_is_left_alone_by_everybody(db: &TestDb) {
    add(&db.store, "https://down.example/mcp").await;
    let endpoint = Claim {
        role: Role::Endpoint,
        ..claim("down.example")
    };
    let mut now = DAY_ONE;
    let mut ended = now;
    for _ in 0..3 {
        let leases = db.store.lease_due(now, now.plus(60_000), 1).await.unwrap();
        assert_eq!(leases.len(), 1);
        for _ in 0..4 {
            assert!(
                granted(db.store.claim(&endpoint, now).await),
                "a scan is finished"
            );
            db.store
                .settle(Settlement {
                    good: Some(false),
                    ..settled("down.example", now)
                })
                .await;
        }
        ended = now.plus(1_000);
        db.store.release(&leases[0], ended).await.unwrap();
        now = now.plus(3_600_000);
    }
    let now = ended;
    let other = process(db).await;
    let closed = other.claim(&endpoint, now).await;
    assert!(
        matches!(
            closed,
            Claimed::Refused {
                why: Refusal::Faults,
                ..
            }
        ),
        "{closed:?}"
    );
    assert!(
        other
            .lease_due(now, now.plus(60_000), 1)
            .await
            .unwrap()
            .is_empty()
    );
    let open = now.plus(300_000);
    assert_eq!(
        other
            .lease_due(open, open.plus(60_000), 1)
            .await
            .unwrap()
            .len(),
        1,
        "the probe"
    );
    assert!(
        db.store
            .lease_due(open, open.plus(60_000), 1)
            .await
            .unwrap()
            .is_empty()
    );
    other.close().await;
}

async fn an_authorization_server_has_a_day_for_all(db: &TestDb) {
    let other = process(db).await;
    let few = Claim {
        as_per_day: Some(6),
        ..claim("id.vendor.example")
    };
    for n in 0..6 {
        let store = if n % 2 == 0 { &db.store } else { &other };
        assert!(granted(store.claim(&few, DAY_ONE).await), "{n}");
        store.settle(settled(&few.host, DAY_ONE)).await;
    }
    for store in [&db.store, &other] {
        let refused = Claimed::Refused {
            until: tomorrow(DAY_ONE),
            why: Refusal::Budget,
        };
        assert_eq!(store.claim(&few, DAY_ONE).await, refused);
    }
    assert!(granted(other.claim(&few, tomorrow(DAY_ONE)).await));
    other.close().await;
}

async fn places_in_a_line_are_given_once(db: &TestDb) {
    let other = process(db).await;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..40 {
        let store = if n % 2 == 0 {
            db.store.clone()
        } else {
            other.clone()
        };
        tasks.spawn(async move { store.places("ip 192.0.2.1", 500, 2, DAY_ONE).await.0 });
    }
    let mut firsts: Vec<i64> = tasks.join_all().await;
    firsts.sort_unstable();
    let expected: Vec<i64> = (0..40).map(|n| DAY_ONE.0 + n * 1_000).collect();
    assert_eq!(firsts, expected);
    let late = DAY_ONE.plus(DAY);
    assert_eq!(other.places("ip 192.0.2.1", 500, 2, late).await, late);
    other.close().await;
}

async fn one_fetches_and_all_have_it(db: &TestDb) {
    let other = process(db).await;
    let name = "https://id.example/.well-known/oauth-authorization-server";
    let take = |store: Store, now: Millis| async move {
        store
            .take(name, now.plus(-DAY), now, now.plus(90_000))
            .await
    };
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..20 {
        let store = if n % 2 == 0 {
            db.store.clone()
        } else {
            other.clone()
        };
        tasks.spawn(take(store, DAY_ONE));
    }
    let answers = tasks.join_all().await;
    let fetching = answers
        .iter()
        .filter(|answer| **answer == Shelved::Fetch)
        .count();
    assert_eq!(fetching, 1, "{answers:?}");
    assert!(
        answers
            .iter()
            .all(|answer| matches!(answer, Shelved::Fetch | Shelved::Wait))
    );
    // The one who fetched it died; after its time another one does.
    let late = DAY_ONE.plus(90_000);
    assert_eq!(take(other.clone(), late).await, Shelved::Fetch);
    other.put(name, late, None).await;
    assert_eq!(
        take(db.store.clone(), late).await,
        Shelved::Fetch,
        "nothing to share"
    );
    db.store.put(name, late, Some(b"document".to_vec())).await;
    let found = Shelved::Found {
        at: late,
        bytes: b"document".to_vec(),
    };
    assert_eq!(take(other.clone(), late.plus(DAY)).await, found);
    assert_eq!(
        take(other.clone(), late.plus(DAY + 1)).await,
        Shelved::Fetch,
        "it is old"
    );
    other.close().await;
}

async fn scheduled_scans_keep_a_fifth(db: &TestDb) {
    import(
        &db.store,
        (0..60).map(|n| format!("https://s{n}.example{n}.test/mcp")),
    )
    .await;
    let all = db
        .store
        .lease_due(DAY_ONE, DAY_ONE.plus(1_000), 60)
        .await
        .unwrap();
    for lease in &all {
        scan_leased(&db.store, lease, DAY_ONE).await;
    }
    let now = DAY_ONE.plus(3 * DAY);
    for lease in &all[..40] {
        db.store.make_due(&lease.server, now, 0).await.unwrap();
    }
    // One place at a time becomes free, as it is with a busy worker.
    let mut scheduled = 0;
    for _ in 0..25 {
        let lease = db
            .store
            .lease_due(now, now.plus(60_000), 1)
            .await
            .unwrap()
            .remove(0);
        scheduled += usize::from(all[40..].iter().any(|one| one.server == lease.server));
    }
    assert_eq!(scheduled, 5);
}
