//! The scheduler with a scanner that is made up, and a clock that stands still.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use scanner::evidence::{Evidence, Stopped};
use scanner::report::Report;
use scanner::scan::Scan;
use scanner::target::Target;
use scanner::time::{Clock, FixedClock, Millis};
use store::{NewListing, Pace, Page, ServerRow, Store, TargetFilter, due, scheduler};
use tokio::sync::{Semaphore, watch};

use crate::db::{TestDb, on_both_engines};
use crate::kit::listing;
use crate::report::{DAY, DAY_ONE, Manner, Sample, judge};

on_both_engines!(
    what_is_due_is_scanned_and_filed,
    no_more_scans_run_at_once_than_allowed,
    a_scan_that_panics_costs_itself_only,
    leases_are_renewed_while_scans_run,
    a_scan_whose_lease_is_lost_is_given_up,
    told_to_stop_running_scans_are_finished,
    everything_due_is_scanned_in_one_call,
    a_scan_that_was_cut_short_is_not_filed,
    two_processes_share_the_work,
    every_server_is_seen_at_its_own_minute,
    what_does_not_answer_is_asked_less_often,
);

/// What the made-up scanner does with a target.
type Manners = fn(&str) -> Manner;

struct Fake {
    clock: Arc<FixedClock>,
    manners: Manners,
    /// Scans wait for a permit before they end.
    gate: Semaphore,
    running: AtomicUsize,
    most: AtomicUsize,
    ended: Mutex<BTreeMap<String, usize>>,
}

impl Fake {
    fn new(clock: &Arc<FixedClock>, manners: Manners, permits: usize) -> Arc<Self> {
        Arc::new(Self {
            clock: Arc::clone(clock),
            manners,
            gate: Semaphore::new(permits),
            running: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            ended: Mutex::default(),
        })
    }

    fn ended(&self) -> BTreeMap<String, usize> {
        self.ended.lock().unwrap().clone()
    }

    async fn until_running(&self, n: usize) {
        while self.running.load(Ordering::SeqCst) < n {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// Counts down, whether a scan ends or is dropped.
struct Counted<'f>(&'f AtomicUsize);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Scan for Fake {
    async fn scan(&self, target: &Target, scan_id: &str) -> Evidence {
        assert!(scan_id.starts_with("scn_"));
        let now = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        let _counted = Counted(&self.running);
        self.most.fetch_max(now, Ordering::SeqCst);
        self.gate.acquire().await.unwrap().forget();
        assert!(!target.url.contains("panic"), "as the test wants it");
        let mut ended = self.ended.lock().unwrap();
        *ended.entry(target.url.clone()).or_default() += 1;
        Sample::oauth(&target.url)
            .at(self.clock.now())
            .manner((self.manners)(&target.url))
            .evidence()
    }
}

const MANY: usize = 100_000;

fn fine(_: &str) -> Manner {
    Manner::Oauth
}

fn down(_: &str) -> Manner {
    Manner::Down
}

/// A judge that is quick: the report of one server serves for all.
fn quick(evidence: &Evidence) -> Report {
    static ONE: LazyLock<Report> =
        LazyLock::new(|| judge(&Sample::oauth("https://one.example/mcp").evidence()));
    let mut report = ONE.clone();
    report.evidence.surface_sha256 = scanner::surface::digest(evidence);
    report
}

fn pace() -> Pace {
    Pace {
        concurrency: 4,
        idle_ms: 20,
        ..Pace::private(judge)
    }
}

async fn add_many(store: &Store, n: usize) {
    let rows: Vec<NewListing> = (0..n)
        .map(|n| listing(&format!("https://s{n}.example/mcp"), "S"))
        .collect();
    store
        .add_listings("registry", &rows, DAY_ONE)
        .await
        .unwrap();
}

async fn rows(store: &Store) -> Vec<ServerRow> {
    store
        .servers(&TargetFilter::default(), &Page::first(500))
        .await
        .unwrap()
        .rows
}

async fn scans(store: &Store) -> i64 {
    store.totals(DAY_ONE).await.unwrap().scans
}

async fn until_scans(store: &Store, n: i64) {
    while scans(store).await < n {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn what_is_due_is_scanned_and_filed(db: &TestDb) {
    add_many(&db.store, 6).await;
    let clock = Arc::new(FixedClock::new(DAY_ONE));
    let fake = Fake::new(&clock, fine, MANY);
    let pace = pace();
    let tick = || scheduler::tick(&db.store, &fake, &*clock, &pace);
    assert_eq!(tick().await.unwrap(), 4, "as many as may run at once");
    assert_eq!(tick().await.unwrap(), 2);
    assert_eq!(tick().await.unwrap(), 0);
    for row in rows(&db.store).await {
        assert_eq!(row.state, "published");
        let due = row.next_due.unwrap();
        assert_eq!(due.0.rem_euclid(DAY) / 60_000, due::own_minute(&row.id));
        let report = db.store.report(&row.last_scan.unwrap(), None).await;
        assert_eq!(report.unwrap().unwrap().target.url, row.url);
    }
}

async fn no_more_scans_run_at_once_than_allowed(db: &TestDb) {
    add_many(&db.store, 11).await;
    let clock = Arc::new(FixedClock::new(DAY_ONE));
    let fake = Fake::new(&clock, fine, 0);
    let (stop, stopped) = watch::channel(false);
    let scheduler = {
        let (store, fake, clock) = (db.store.clone(), Arc::clone(&fake), Arc::clone(&clock));
        tokio::spawn(async move {
            scheduler::run(&store, &fake, &*clock, &pace(), stopped).await;
        })
    };
    fake.until_running(4).await;
    // A slow scan does not hold up the places of the others.
    fake.gate.add_permits(10);
    until_scans(&db.store, 10).await;
    fake.gate.add_permits(1);
    until_scans(&db.store, 11).await;
    stop.send(true).unwrap();
    scheduler.await.unwrap();
    assert_eq!(fake.most.load(Ordering::SeqCst), 4);
    assert!(fake.ended().values().all(|n| *n == 1));
}

async fn everything_due_is_scanned_in_one_call(db: &TestDb) {
    add_many(&db.store, 11).await;
    let clock = Arc::new(FixedClock::new(DAY_ONE));
    let fake = Fake::new(&clock, fine, MANY);
    let (stop, stopped) = watch::channel(false);
    let drain = async |most| {
        scheduler::drain(&db.store, &fake, &*clock, &pace(), most, &stopped)
            .await
            .unwrap()
    };
    assert_eq!(drain(Some(3)).await, 3, "no more than wanted");
    assert_eq!(drain(None).await, 8);
    assert!(fake.most.load(Ordering::SeqCst) <= 4);
    assert_eq!(drain(None).await, 0, "nothing is due");
    let before = db.store.generation().await.unwrap();
    assert_eq!(db.store.make_all_due(DAY_ONE).await.unwrap(), 11);
    assert_eq!(db.store.make_all_due(DAY_ONE).await.unwrap(), 0);
    assert_eq!(drain(None).await, 11);
    assert!(db.store.generation().await.unwrap() >= before);
    db.store.make_all_due(DAY_ONE).await.unwrap();
    stop.send(true).unwrap();
    assert_eq!(drain(None).await, 0, "told to stop before it began");
}

/// Ends every scan in the middle, as the signal that ends the program does.
struct CutShort(Arc<FixedClock>);

impl Scan for CutShort {
    async fn scan(&self, target: &Target, _scan_id: &str) -> Evidence {
        Evidence {
            stopped: Stopped::Stopped,
            ..Sample::oauth(&target.url).at(self.0.now()).evidence()
        }
    }
}

async fn a_scan_that_was_cut_short_is_not_filed(db: &TestDb) {
    add_many(&db.store, 2).await;
    let clock = Arc::new(FixedClock::new(DAY_ONE));
    let cut = Arc::new(CutShort(Arc::clone(&clock)));
    let tick = scheduler::tick(&db.store, &cut, &*clock, &pace()).await;
    assert_eq!(tick.unwrap(), 0);
    let totals = db.store.totals(DAY_ONE).await.unwrap();
    assert_eq!(
        (totals.scans, totals.queue),
        (0, 2),
        "both are due as before"
    );
    let fake = Fake::new(&clock, fine, MANY);
    let tick = scheduler::tick(&db.store, &fake, &*clock, &pace()).await;
    assert_eq!(tick.unwrap(), 2, "the leases were given back");
}

async fn a_scan_that_panics_costs_itself_only(db: &TestDb) {
    add_many(&db.store, 2).await;
    let bad = [listing("https://panic.example/mcp", "P")];
    db.store
        .add_listings("registry", &bad, DAY_ONE)
        .await
        .unwrap();
    let clock = Arc::new(FixedClock::new(DAY_ONE));
    let fake = Fake::new(&clock, fine, MANY);
    assert_eq!(
        scheduler::tick(&db.store, &fake, &*clock, &pace())
            .await
            .unwrap(),
        2
    );
    let bad = db
        .store
        .server_by_url("https://panic.example/mcp")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(bad.state, "failed");
    assert_eq!(
        bad.next_due,
        Some(DAY_ONE.plus(15 * 60_000)),
        "tried again later"
    );
    clock.advance(15 * 60_000);
    assert_eq!(
        scheduler::tick(&db.store, &fake, &*clock, &pace())
            .await
            .unwrap(),
        0
    );
    let bad = db.store.server(&bad.id).await.unwrap().unwrap();
    assert_eq!(
        bad.next_due,
        Some(clock.now().plus(3_600_000)),
        "and later still"
    );
}

async fn leases_are_renewed_while_scans_run(db: &TestDb) {
    add_many(&db.store, 1).await;
    let clock = Arc::new(FixedClock::new(DAY_ONE));
    let fake = Fake::new(&clock, fine, 0);
    let pace = Pace {
        lease_ms: 40,
        ..pace()
    };
    let work = scheduler::tick(&db.store, &fake, &*clock, &pace);
    let watch = async {
        fake.until_running(1).await;
        let mut until = db.store.next_due_at().await.unwrap().unwrap();
        for _ in 0..5 {
            clock.advance(20);
            // The heart-beat moves the end of the lease along with the clock.
            loop {
                let now = db.store.next_due_at().await.unwrap().unwrap();
                if now > until {
                    until = now;
                    break;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            let now = clock.now();
            assert!(
                db.store
                    .lease_due(now, now.plus(40), 9)
                    .await
                    .unwrap()
                    .is_empty()
            );
        }
        fake.gate.add_permits(1);
    };
    let (filed, ()) = tokio::join!(work, watch);
    assert_eq!(filed.unwrap(), 1);
    assert!(rows(&db.store).await[0].next_due.unwrap() > DAY_ONE.plus(3_600_000));
}

async fn a_scan_whose_lease_is_lost_is_given_up(db: &TestDb) {
    add_many(&db.store, 1).await;
    let clock = Arc::new(FixedClock::new(DAY_ONE));
    let fake = Fake::new(&clock, fine, 0);
    let pace = Pace {
        lease_ms: 40,
        ..pace()
    };
    let work = scheduler::tick(&db.store, &fake, &*clock, &pace);
    let other = async {
        fake.until_running(1).await;
        // This process stood still for so long that another one took over.
        let late = DAY_ONE.plus(DAY);
        let theirs = db
            .store
            .lease_due(late, late.plus(60_000), 1)
            .await
            .unwrap();
        assert_eq!(theirs.len(), 1);
        clock.advance(1);
        theirs
    };
    let (filed, theirs) = tokio::join!(work, other);
    assert_eq!(filed.unwrap(), 0);
    assert_eq!(
        fake.running.load(Ordering::SeqCst),
        0,
        "dropped before its end"
    );
    assert_eq!(rows(&db.store).await[0].next_due, Some(theirs[0].until));
}

async fn told_to_stop_running_scans_are_finished(db: &TestDb) {
    add_many(&db.store, 9).await;
    let clock = Arc::new(FixedClock::new(DAY_ONE));
    let fake = Fake::new(&clock, fine, 0);
    let (stop, stopped) = watch::channel(false);
    let scheduler = {
        let (store, fake, clock) = (db.store.clone(), Arc::clone(&fake), Arc::clone(&clock));
        tokio::spawn(async move {
            scheduler::run(&store, &fake, &*clock, &pace(), stopped).await;
        })
    };
    fake.until_running(4).await;
    stop.send(true).unwrap();
    fake.gate.add_permits(MANY);
    scheduler.await.unwrap();
    assert_eq!(fake.ended().len(), 4, "the four that ran, and no other");
    assert_eq!(scans(&db.store).await, 4);
}

async fn two_processes_share_the_work(db: &TestDb) {
    add_many(&db.store, 30).await;
    let clock = Arc::new(FixedClock::new(DAY_ONE));
    let fake = Fake::new(&clock, fine, MANY);
    let (stop, stopped) = watch::channel(false);
    let mut processes = Vec::new();
    for _ in 0..2 {
        let store = Store::open(&db.url).await.unwrap();
        let (fake, clock) = (Arc::clone(&fake), Arc::clone(&clock));
        let stopped = stopped.clone();
        processes.push(tokio::spawn(async move {
            scheduler::run(&store, &fake, &*clock, &pace(), stopped).await;
            store.close().await;
        }));
    }
    until_scans(&db.store, 30).await;
    stop.send(true).unwrap();
    for process in processes {
        process.await.unwrap();
    }
    assert_eq!(fake.ended().len(), 30);
    assert!(fake.ended().values().all(|n| *n == 1), "each once");
}

async fn every_server_is_seen_at_its_own_minute(db: &TestDb) {
    add_many(&db.store, 8).await;
    let clock = Arc::new(FixedClock::new(DAY_ONE));
    let fake = Fake::new(&clock, fine, MANY);
    let pace = Pace {
        grade: quick,
        concurrency: 50,
        ..Pace::private(judge)
    };
    let mut filed = 0;
    while clock.now() < DAY_ONE.plus(9 * DAY) {
        filed += scheduler::tick(&db.store, &fake, &*clock, &pace)
            .await
            .unwrap();
        let next = db.store.next_due_at().await.unwrap().unwrap();
        clock.advance(next.since(clock.now()).max(1));
    }
    assert!((8 * 9..=8 * 11).contains(&filed), "daily: {filed}");
    for row in rows(&db.store).await {
        let seen = db.store.latest_scans(&row.id, 100).await.unwrap();
        assert!(seen.len() >= 9);
        // All but the first, which came when the server was new.
        for (_, at) in &seen[..seen.len() - 1] {
            assert_eq!(at.0.rem_euclid(DAY) / 60_000, due::own_minute(&row.id));
        }
        let history = db.store.history(&row.id, &Page::first(9)).await.unwrap();
        assert_eq!(history.rows.len(), 1, "and it was always the same");
    }
}

async fn what_does_not_answer_is_asked_less_often(db: &TestDb) {
    add_many(&db.store, 1).await;
    let clock = Arc::new(FixedClock::new(DAY_ONE));
    let fake = Fake::new(&clock, down, MANY);
    let mut pauses = Vec::new();
    for _ in 0..4 {
        scheduler::tick(&db.store, &fake, &*clock, &pace())
            .await
            .unwrap();
        let next: Millis = db.store.next_due_at().await.unwrap().unwrap();
        pauses.push(next.since(clock.now()) / 60_000);
        clock.advance(next.since(clock.now()));
    }
    assert_eq!(pauses[..3], [15, 60, 360]);
    assert!((12 * 60..=36 * 60).contains(&pauses[3]), "{pauses:?}");
}
