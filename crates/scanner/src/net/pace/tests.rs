use std::sync::Arc;
use std::time::Duration;

use super::{Pace, Place, Rates};

fn rates(millis: u64) -> Rates {
    Rates {
        public: Duration::from_millis(millis),
        private: Duration::ZERO,
        global_per_second: None,
        ..Rates::default()
    }
}

#[tokio::test]
async fn turns_of_one_host_keep_their_interval() {
    let pace = Pace::new(rates(30));
    let start = super::super::instant();
    for _ in 0..4 {
        drop(
            pace.turn("a.example", Place::Public, Duration::ZERO)
                .await
                .unwrap(),
        );
    }
    assert!(start.elapsed() >= Duration::from_millis(90));
}

#[tokio::test]
async fn one_request_at_a_time_and_two_hosts_of_a_site() {
    let pace = Arc::new(Pace::new(rates(0)));
    let first = pace
        .turn("a.example.com", Place::Public, Duration::ZERO)
        .await
        .unwrap();
    let _second = pace
        .turn("b.example.com", Place::Public, Duration::ZERO)
        .await
        .unwrap();
    let soon = Duration::from_millis(20);
    for host in ["a.example.com", "c.example.com"] {
        let waiting = pace.turn(host, Place::Public, Duration::ZERO);
        assert!(tokio::time::timeout(soon, waiting).await.is_err(), "{host}");
    }
    drop(first);
    pace.turn("c.example.com", Place::Public, Duration::ZERO)
        .await
        .unwrap();
}

#[tokio::test]
async fn only_owned_hosts_are_asked_faster() {
    let pace = Pace::new(rates(60_000)).owning(["Mine.example".to_owned()]);
    let soon = Duration::from_millis(200);
    for (host, waits) in [("mine.example", false), ("theirs.example", true)] {
        let two = async {
            for _ in 0..2 {
                drop(
                    pace.turn(host, Place::Public, Duration::ZERO)
                        .await
                        .unwrap(),
                );
            }
        };
        let waited = tokio::time::timeout(soon, two).await.is_err();
        assert_eq!(waited, waits, "{host}");
    }
}

#[tokio::test]
async fn a_429_doubles_the_interval() {
    let pace = Pace::new(rates(40));
    let turn = pace
        .turn("a.example", Place::Public, Duration::ZERO)
        .await
        .unwrap();
    let start = super::super::instant();
    turn.answered(429, None);
    drop(turn);
    pace.turn("a.example", Place::Public, Duration::ZERO)
        .await
        .unwrap();
    // The first turn was taken a moment before `start`.
    assert!(start.elapsed() >= Duration::from_millis(70));
}

#[tokio::test]
async fn retry_after_closes_the_host_and_no_other() {
    let pace = Pace::new(rates(0));
    let turn = pace
        .turn("a.example", Place::Public, Duration::ZERO)
        .await
        .unwrap();
    turn.answered(429, Some(Duration::from_secs(90 * 24 * 3600)));
    drop(turn);
    let closed = pace
        .turn("a.example", Place::Public, Duration::ZERO)
        .await
        .unwrap_err();
    assert!(closed.left > Duration::from_secs(29 * 24 * 3600));
    assert!(closed.left <= Duration::from_secs(30 * 24 * 3600));
    assert!(pace.closed_for("a.example").is_some());
    assert!(pace.closed_for("b.example").is_none());
    pace.turn("b.example", Place::Public, Duration::ZERO)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_gap_counts_from_the_request_before() {
    let pace = Pace::new(rates(0));
    drop(
        pace.turn("a.example", Place::Public, Duration::ZERO)
            .await
            .unwrap(),
    );
    let start = super::super::instant();
    pace.turn("a.example", Place::Public, Duration::from_millis(50))
        .await
        .unwrap();
    assert!(start.elapsed() >= Duration::from_millis(40));
}

#[tokio::test]
async fn forgets_hosts_that_are_done() {
    let pace = Pace::new(rates(0));
    for number in 0..50 {
        let turn = pace
            .turn(&format!("h{number}.example"), Place::Public, Duration::ZERO)
            .await
            .unwrap();
        if number == 7 {
            turn.answered(503, Some(Duration::from_secs(600)));
        }
    }
    pace.retain_recent();
    assert_eq!(pace.hosts(), 1);
}
