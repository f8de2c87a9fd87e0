//! Workers as processes: killed at any instant, stopped by a person, sharing what authorization
//! servers answer. What was sent is counted by the sample servers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use scanner::evidence::Purpose;
use scanner::fleet::world::{AuthorizationServer, McpServer, World};
use scanner::target::Target;
use scanner::time::{Clock as _, SystemClock};
use store::{NewListing, Page, ServerRow, Store, TargetFilter};

use super::{Going, Ran, Sample, authdex, write};
use crate::db::{TestDb, on_both_engines};

on_both_engines!(
    workers_killed_at_any_instant_leave_nothing_behind,
    twenty_servers_share_one_authorization_server,
);

/// Between two requests to one host.
const INTERVAL: Duration = Duration::from_millis(60);

/// A configuration in which loopback is paced as the public internet is.
fn configure(sample: &Sample, interval: Duration, more: &str) {
    let path = sample.configuration();
    let text = std::fs::read_to_string(path).expect("readable");
    let paced = format!(
        "pace_private = true\noperator_per_day = 1000000\nhost_interval_ms = {}",
        interval.as_millis()
    );
    let text = text.replace("private_interval_ms = 0", &paced);
    let text = text.replace("[scan]\n", "[scan]\nconcurrency = 3\n");
    let schedule = "[schedule]\nenabled = false\nlease = \"2s\"\nsweep_every = \"100ms\"\n";
    write(
        sample.path(),
        "authdex.toml",
        format!("{text}{schedule}{more}"),
    );
}

async fn import(store: &Store, fleet: &scanner::fleet::Fleet) {
    let now = SystemClock.now();
    let rows: Vec<NewListing> = fleet
        .targets()
        .into_iter()
        .map(|(url, _)| NewListing {
            target: Target::of(url),
            seen: now,
        })
        .collect();
    store
        .add_listings("list", &rows, now)
        .await
        .expect("an import");
}

fn command(folder: &Path, db: &str, arguments: &[&str]) -> std::process::Command {
    let mut command = authdex(folder);
    command
        .arg("--config=authdex.toml")
        .args(arguments)
        .env("DATABASE_URL", db);
    command
}

fn run(folder: &Path, db: &str, arguments: &[&str]) -> Ran {
    let output = command(folder, db, arguments).output();
    output.expect("it starts").into()
}

fn worker(folder: &Path, db: &str) -> Going {
    let arguments = ["serve", "--role=worker", "--listen=127.0.0.1:0"];
    Going::start(command(folder, db, &arguments))
}

async fn rows(store: &Store) -> Vec<ServerRow> {
    let page = store
        .servers(&TargetFilter::default(), &Page::first(100))
        .await;
    page.expect("a list").rows
}

async fn pause(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

/// No host was asked sooner than the interval after its last request, by whichever worker.
#[track_caller]
fn kept_their_distance(fleet: &scanner::fleet::Fleet, interval: Duration) {
    let mut last: BTreeMap<String, Duration> = BTreeMap::new();
    let mut seen = fleet.seen();
    seen.sort_by_key(|one| one.at);
    for one in seen {
        if let Some(before) = last.insert(one.host.clone(), one.at) {
            let gap = one.at.saturating_sub(before);
            assert!(gap >= interval, "{} {}: after {gap:?}", one.host, one.path);
        }
    }
}

/// The same numbers on every machine: a linear congruence, seeded by the process.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

async fn workers_killed_at_any_instant_leave_nothing_behind(db: &TestDb) {
    let sample = Sample::start().await;
    configure(&sample, INTERVAL, "");
    import(&db.store, &sample.fleet).await;
    let seed = std::process::id();
    eprintln!("killed by dice of seed {seed}");
    let mut dice = Dice(seed.into());
    let mut workers: Vec<Going> = (0..3).map(|_| worker(sample.path(), &db.url)).collect();
    for round in 0..8 {
        pause(200 + dice.roll(700)).await;
        let one = usize::try_from(dice.roll(3)).expect("small");
        workers[one].signal("KILL");
        let dead = std::mem::replace(&mut workers[one], worker(sample.path(), &db.url));
        dead.end(10);
        if round == 4 {
            db.store
                .make_all_due(SystemClock.now())
                .await
                .expect("made due");
        }
    }
    // What is left is finished, and no lease or host stays taken.
    let mut patience = 1_800;
    loop {
        let all = rows(&db.store).await;
        let soon = SystemClock.now().plus(10_000);
        let done = |row: &ServerRow| row.scans > 0 && row.next_due.is_none_or(|due| due > soon);
        if all.iter().all(done) {
            break;
        }
        patience -= 1;
        assert!(patience > 0, "still due: {all:?}");
        pause(100).await;
    }
    for one in &workers {
        one.signal("TERM");
    }
    for one in workers {
        one.end(20).ended(0);
    }
    kept_their_distance(&sample.fleet, INTERVAL);
    // Nothing was announced twice, and the places in the feed have no gaps.
    let changes = db.store.changes(0, 1_000).await.expect("changes");
    let places: Vec<i64> = changes.iter().map(|change| change.seq).collect();
    assert_eq!(places, (1..=15).collect::<Vec<i64>>(), "{changes:?}");
    let added: BTreeSet<&str> = changes
        .iter()
        .map(|change| change.server.as_str())
        .collect();
    assert_eq!(added.len(), 15);
    assert!(changes.iter().all(|change| change.kind == "added"));
    // No scan is half there: numbers agree, evidence and reports can be read and repeated.
    run(sample.path(), &db.url, &["backup", "copy.db"]).ended(0);
    run(sample.path(), &db.url, &["backup", "--verify", "copy.db"]).ended(0);
}

async fn twenty_servers_share_one_authorization_server(db: &TestDb) {
    let issuer = "https://id.shared.example";
    let world = World {
        servers: (0..20)
            .map(|n| McpServer::compliant(&format!("mcp.pub{n}.example"), "S", issuer))
            .collect(),
        authorization_servers: vec![AuthorizationServer::compliant("id.shared.example")],
        edits: Vec::new(),
    };
    let sample = Sample::of(world).await;
    sample.configuration();
    import(&db.store, &sample.fleet).await;
    let crawl = || Going::start(command(sample.path(), &db.url, &["crawl", "--once"]));
    let (one, two) = (crawl(), crawl());
    one.end(120).ended(0);
    two.end(120).ended(0);
    let mut asked: BTreeMap<String, u32> = BTreeMap::new();
    for seen in sample.fleet.seen() {
        if seen.host == "id.shared.example" {
            *asked.entry(seen.path).or_default() += 1;
        }
    }
    assert!(
        asked.contains_key("/.well-known/oauth-authorization-server"),
        "{asked:?}"
    );
    let metadata = asked
        .iter()
        .filter(|(path, _)| path.starts_with("/.well-known/"));
    // Each document is read once plainly and once as a page would, whose answer may differ.
    for (path, n) in metadata {
        assert!(*n <= 2, "{path}: {asked:?}");
    }
    assert!(asked.get("/jwks").is_some_and(|n| *n <= 2), "{asked:?}");
    let mut shared = 0;
    for row in rows(&db.store).await {
        let scan = row.last_scan.expect("it was scanned");
        let evidence = db
            .store
            .evidence(&scan)
            .await
            .expect("a read")
            .expect("evidence");
        let metadata = evidence.exchanges.iter().filter(|exchange| {
            matches!(exchange.purpose, Purpose::AsMetadata(..)) && exchange.got.is_ok()
        });
        let times: Vec<_> = metadata.map(|exchange| exchange.shared).collect();
        assert!(!times.is_empty(), "every report rests on it");
        shared += usize::from(times.iter().any(Option::is_some));
        assert!(row.letter.is_some());
    }
    assert!(shared >= 19, "{shared} of 20 are marked");
}

/// Waits for five seconds, and then that nobody asks anything any more.
async fn all_is_quiet(sample: &Sample) -> usize {
    pause(5_000).await;
    let then = sample.fleet.seen().len();
    pause(1_500).await;
    let now = sample.fleet.seen();
    assert_eq!(now.len(), then, "{:?}", now.last());
    then
}

async fn asked_more_than(sample: &Sample, n: usize) {
    let mut patience = 1_200;
    while sample.fleet.seen().len() <= n {
        patience -= 1;
        assert!(patience > 0, "nobody asks anything");
        pause(50).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stops_are_obeyed_within_five_seconds() {
    let db = TestDb::sqlite().await;
    let sample = Sample::start().await;
    configure(
        &sample,
        Duration::from_millis(400),
        "[guard]\nstop_file = \"halt\"\n",
    );
    import(&db.store, &sample.fleet).await;
    let going = worker(sample.path(), &db.url);
    asked_more_than(&sample, 10).await;
    run(sample.path(), &db.url, &["stop"]).said(2, &["--all"]);
    let said = run(sample.path(), &db.url, &["stop", "--all", "--note=by mail"]).ended(0);
    assert!(said.err.contains("five seconds"), "{}", said.err);
    let quiet = all_is_quiet(&sample).await;
    let list = run(sample.path(), &db.url, &["stop", "--list"])
        .ended(0)
        .out;
    assert!(
        list.contains("stop_all") && list.contains("by mail"),
        "{list}"
    );
    run(sample.path(), &db.url, &["resume", "--all"]).ended(0);
    asked_more_than(&sample, quiet).await;
    // A file on the machine of the worker does the same.
    let halt = write(sample.path(), "halt", "");
    let quiet = all_is_quiet(&sample).await;
    // A signal writes the row that every worker sees.
    going.signal("USR1");
    let mut patience = 600;
    while !db.store.halts().await.expect("a read").all {
        patience -= 1;
        assert!(patience > 0, "the signal was not heard");
        pause(50).await;
    }
    std::fs::remove_file(halt).expect("removed");
    run(
        sample.path(),
        &db.url,
        &["stop", "--host", "notes.demo.example"],
    )
    .ended(0);
    run(sample.path(), &db.url, &["resume", "--all"]).ended(0);
    asked_more_than(&sample, quiet).await;
    db.store
        .make_all_due(SystemClock.now())
        .await
        .expect("made due");
    pause(1_000).await;
    let asked = sample.fleet.seen();
    assert!(
        asked[quiet..]
            .iter()
            .all(|seen| seen.host != "notes.demo.example")
    );
    going.signal("TERM");
    going.end(20).ended(0);
    db.remove().await;
}
