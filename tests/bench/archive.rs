//! An archive of ten scans of each server without making them: rows as filing leaves them,
//! multiplied inside the database from a few scans that were really filed. Then what reading
//! it costs, how fast it is graded again, and what leasing and filing cost with many workers.

use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use scanner::target::Target;
use scanner::time::{Millis, SystemClock};
use sqlx::{Connection as _, PgConnection};
use store::ids::Kind;
use store::{Filing, NewListing, Page, Store};

use crate::report::{DAY, DAY_ONE, Sample, judge};
use crate::{Measured, execute, file_all, listing, measure, own_cpu, scanned, times};

/// Scans that are really filed.
const MODELS: usize = 40;
/// Scans of each server.
const SCANS: i64 = 10;

/// SQL for sixteen bytes of an id, from its time and a number.
fn id(sqlite: bool, at: &str, number: &str) -> String {
    if sqlite {
        format!("unhex(printf('%012x%020x', {at}, {number}))")
    } else {
        format!("decode(lpad(to_hex({at}), 12, '0') || lpad(to_hex({number}), 20, '0'), 'hex')")
    }
}

/// SQL for a number below `n` that looks like chance and belongs to a row.
pub(crate) fn chance(row: &str, salt: i64, n: i64) -> String {
    format!("(({row} * 2654435761 + {salt} * 40503) % 4294967291 / 8192 % {n})")
}

/// When scan `n` of a target was made.
fn at(target: &str, n: &str) -> String {
    format!("({} + ({n}) * {DAY} + {target} * 50)", DAY_ONE.0)
}

/// Files the models and multiplies them. Every server has [`SCANS`] scans; one in five changed
/// after six of them. Run `2 t` is the newest of target `t`, run `2 t - 1` the one before.
pub(crate) async fn fill(store: &Store, url: &str, servers: usize) {
    let started = Instant::now();
    let sqlite = url.starts_with("sqlite");
    let models: Vec<NewListing> = (0..MODELS)
        .map(|n| NewListing {
            target: Target::of(format!("https://model{n}.example/mcp")),
            seen: DAY_ONE,
        })
        .collect();
    store
        .add_listings("models", &models, DAY_ONE)
        .await
        .unwrap();
    let mut targets = Vec::new();
    for model in &models {
        let row = store
            .server_by_url(&model.target.url)
            .await
            .unwrap()
            .unwrap();
        let (target, _) = store.target_of(&row.id).await.unwrap().unwrap();
        targets.push((target, model.target.url.clone()));
    }
    file_all(store, scanned(&targets, 0, false)).await;
    let model = "(SELECT r.*, n.dictionary AS nd, n.bytes AS nb, o.graded_at, o.dictionary AS od, \
         o.bytes AS ob, ROW_NUMBER() OVER (ORDER BY r.id) - 1 AS k FROM run r \
         JOIN newest n ON n.target = r.target JOIN report o ON o.run = r.id) m";
    // Kept aside, for the rows that are added look just like them.
    execute(url, &format!("CREATE TABLE model AS SELECT * FROM {model}")).await;
    for what in ["report", "newest", "scan", "change", "failing"] {
        execute(url, &format!("DELETE FROM {what}")).await;
    }
    execute(url, "UPDATE target SET run = NULL WHERE run IS NOT NULL").await;
    execute(url, "DELETE FROM run").await;
    let changed = format!("{} = 0", chance("t.id", 5, 5));
    let scan = |n: &str| id(sqlite, &at("t.id", n), &format!("t.id * 16 + {n}"));
    let columns = "id, target, first_scan, last_scan, first_at, last_at, n, surface, evidence, \
        rubric, class, letter, badge, score, cap_check, bits";
    let rest =
        "m.surface, m.evidence, m.rubric, m.class, m.letter, m.badge, m.score, m.cap_check, m.bits";
    let most = format!("t.id <= {servers}");
    execute(
        url,
        &format!(
            "INSERT INTO run ({columns}) SELECT 2 * t.id - 1, t.id, {}, {}, {}, {}, 6, {rest} \
             FROM target t JOIN model m ON m.k = (t.id + 1) % {MODELS} WHERE {most} AND {changed}",
            scan("0"),
            scan("5"),
            at("t.id", "0"),
            at("t.id", "5"),
        ),
    )
    .await;
    execute(
        url,
        &format!(
            "INSERT INTO run ({columns}) SELECT 2 * t.id, t.id, \
             CASE WHEN {changed} THEN {} ELSE {} END, {}, \
             CASE WHEN {changed} THEN {} ELSE {} END, {}, \
             CASE WHEN {changed} THEN 4 ELSE 10 END, {rest} \
             FROM target t JOIN model m ON m.k = t.id % {MODELS} WHERE {most}",
            scan("6"),
            scan("0"),
            scan("9"),
            at("t.id", "6"),
            at("t.id", "0"),
            at("t.id", "9"),
        ),
    )
    .await;
    for n in 0..SCANS {
        let n = n.to_string();
        let at = at("t.target", &n);
        let scan = id(sqlite, &at, &format!("t.target * 16 + {n}"));
        execute(
            url,
            &format!(
                "INSERT INTO scan (id, run, at) SELECT {scan}, t.id, {at} FROM run t \
                 WHERE {at} BETWEEN t.first_at AND t.last_at ORDER BY t.target"
            ),
        )
        .await;
    }
    execute(
        url,
        &format!(
            "INSERT INTO newest (target, scan, dictionary, bytes) SELECT t.id, {}, m.nd, m.nb \
             FROM target t JOIN model m ON m.k = t.id % {MODELS} WHERE {most}",
            scan("9")
        ),
    )
    .await;
    execute(
        url,
        &format!(
            "INSERT INTO report (run, rubric, graded_at, dictionary, bytes) \
             SELECT t.id, m.rubric, m.graded_at, m.od, m.ob FROM run t \
             JOIN model m ON m.k = (t.target + t.id % 2) % {MODELS}"
        ),
    )
    .await;
    execute(url, "DROP TABLE model").await;
    println!(
        "{servers} servers with {SCANS} scans each, written in {:.0} s",
        started.elapsed().as_secs_f64()
    );
}

/// What `spread` adds to its updates of targets and visits.
pub(crate) fn newest(url: &str) -> (String, String) {
    let sqlite = url.starts_with("sqlite");
    let scan = id(sqlite, &at("target", "9"), "target * 16 + 9");
    (
        ", run = 2 * id".to_owned(),
        format!(", last_scan = {scan}, scans = {SCANS}"),
    )
}

/// A target's scan, as its id is written.
fn scan_of(target: i64, n: i64) -> String {
    let at = DAY_ONE.0 + n * DAY + target * 50;
    let number = u128::try_from(at).unwrap() << 80 | u128::try_from(target * 16 + n).unwrap();
    Kind::Scan.write(number.to_be_bytes())
}

/// A target that looks like chance.
fn any(n: usize, servers: usize) -> i64 {
    let hash = (n as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
    i64::try_from(hash % servers as u64).unwrap() + 1
}

/// Latency of what pages read of one server. Returns the median of a lookup by key.
pub(crate) async fn reads(store: &Store, servers: usize, show: &impl Fn(&str, (f64, f64))) {
    let mut ids = Vec::new();
    for n in 0..300 {
        let scan = store.scan(&scan_of(any(n, servers), 9)).await.unwrap();
        ids.push(scan.expect("it was written").server.id);
    }
    let server = |n: usize| &ids[n % ids.len()];
    show(
        "history of a server",
        times(200, async |n| {
            let page = store.history(server(n), &Page::first(50)).await.unwrap();
            assert!(!page.rows.is_empty());
        })
        .await,
    );
    show(
        "a scan by its address",
        times(200, async |n| {
            let id = scan_of(any(n + 7_000, servers), n as i64 % SCANS);
            assert!(store.scan(&id).await.unwrap().is_some());
        })
        .await,
    );
    show(
        "server page: row, report, history",
        times(200, async |n| {
            let target = any(n + 20_000, servers);
            let scan = scan_of(target, 9);
            let row = store.scan(&scan).await.unwrap().unwrap();
            assert!(store.report(&scan, None).await.unwrap().is_some());
            let page = store
                .history(&row.server.id, &Page::first(10))
                .await
                .unwrap();
            assert!(!page.rows.is_empty());
        })
        .await,
    );
    show(
        "compare: two scans, differences",
        times(100, async |n| {
            let target = any(n + 40_000, servers);
            let mut sides = Vec::new();
            for n in [2, 9] {
                let scan = scan_of(target, n);
                let evidence = store.evidence(&scan).await.unwrap().unwrap();
                let report = store.report(&scan, None).await.unwrap().unwrap();
                sides.push((evidence, report));
            }
            let graded = |n: usize| scanner::diff::Graded {
                evidence: &sides[n].0,
                report: &sides[n].1,
            };
            assert!(scanner::diff::between(graded(0), graded(1)).is_ok());
        })
        .await,
    );
}

// --- grading again --------------------------------------------------------------------------

/// Files so many scans and grades them again in processes that may use one core, then two.
pub(crate) async fn regrade(url: &str) {
    const RUNS: usize = 1_200;
    let store = Store::open(url).await.unwrap();
    store.migrate().await.unwrap();
    let rows: Vec<NewListing> = (0..RUNS).map(listing).collect();
    store
        .add_listings("registry", &rows, DAY_ONE)
        .await
        .unwrap();
    let targets = leased(&store, RUNS).await;
    file_all(&store, scanned(&targets, 0, false)).await;
    store.close().await;
    let mut speeds = Vec::new();
    for (cores, rubric) in [("0", "bench-one"), ("0,1", "bench-two")] {
        let program = std::env::current_exe().unwrap();
        let output = Command::new("taskset")
            .args(["-c", cores])
            .arg(program)
            .args(["again", url, rubric])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let speed: f64 = said.trim().parse().unwrap_or_else(|_| panic!("{output:?}"));
        println!("grade again on core {cores:<4}             {speed:>7.0} reports/s");
        speeds.push(speed);
    }
    println!(
        "  two cores against one            {:>7.2} x   (must ≥ 1.7 x, aim ≥ 1.9 x)",
        speeds[1] / speeds[0]
    );
}

/// The part of [`regrade`] that runs in a process of its own.
pub(crate) async fn again(url: &str, rubric: &'static str) {
    let store = Store::open(url).await.unwrap();
    let (_running, stop) = tokio::sync::watch::channel(false);
    let grade: store::Grade = Arc::new(move |evidence| {
        let mut report = judge(evidence);
        report.grade.rubric = rubric.to_owned();
        report
    });
    let started = Instant::now();
    let done = store::regrade(&store, rubric, &grade, false, &SystemClock, &stop)
        .await
        .unwrap();
    println!("{}", done.added as f64 / started.elapsed().as_secs_f64());
    store.close().await;
}

async fn leased(store: &Store, most: usize) -> Vec<(store::TargetId, String)> {
    let mut targets = Vec::new();
    while targets.len() < most {
        let now = DAY_ONE;
        let leases = store.lease_due(now, now.plus(3_600_000), 50).await.unwrap();
        if leases.is_empty() {
            break;
        }
        targets.extend(leases.into_iter().map(|lease| (lease.id, lease.target.url)));
    }
    targets
}

// --- leases ---------------------------------------------------------------------------------

/// CPU of all processes of the database server, milliseconds; 0 on SQLite.
async fn database_cpu(url: &str) -> f64 {
    if url.starts_with("sqlite") {
        return 0.0;
    }
    let mut connection = PgConnection::connect(url).await.unwrap();
    let (own,): (i32,) = sqlx::query_as("SELECT pg_backend_pid()")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    // Fields of /proc/PID/stat from the third on: state, parent, …
    let fields = |pid: &str| -> Vec<u64> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let after = stat.rsplit(')').next().unwrap_or_default();
        let fields = after.split_whitespace().skip(1);
        fields.map(|field| field.parse().unwrap_or(0)).collect()
    };
    let server = fields(&own.to_string()).first().copied().unwrap_or(0);
    let mut ticks = 0;
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let pid = entry.file_name().to_string_lossy().into_owned();
        let fields = fields(&pid);
        if pid == server.to_string() {
            // Its own, and those of connections that have ended.
            ticks += fields[10..14].iter().sum::<u64>();
        } else if fields.first() == Some(&server) {
            ticks += fields[10..12].iter().sum::<u64>();
        }
    }
    connection.close().await.unwrap();
    (ticks * 10) as f64
}

/// Leases and files with one worker and with sixteen, each with a store of its own as a process
/// would have.
pub(crate) async fn leases(url: &str) {
    const EACH: usize = 1_600;
    let store = Store::open(url).await.unwrap();
    store.migrate().await.unwrap();
    let rows: Vec<NewListing> = (0..EACH * 2).map(listing).collect();
    store
        .add_listings("registry", &rows, DAY_ONE)
        .await
        .unwrap();
    let targets = leased(&store, EACH * 2).await;
    // So that what is measured is filing what did not change.
    file_all(&store, scanned(&targets, 0, false)).await;
    // Making up a result is no part of what is measured.
    let made = own_cpu();
    for (n, (_, url)) in targets.iter().take(200).enumerate() {
        let at = DAY_ONE.plus(i64::try_from(n).unwrap());
        std::hint::black_box(judge(&Sample::oauth(url).at(at).evidence()));
    }
    let making = (own_cpu() - made).as_secs_f64() * 1e3 / 200.0;
    let mut costs = Vec::new();
    for (pass, workers) in [(1_i64, 1_usize), (2, 16)] {
        let now = DAY_ONE.plus(pass * 2 * DAY);
        store.make_all_due(now).await.unwrap();
        let mut stores = Vec::new();
        for _ in 0..workers {
            // SQLite is for one process; workers of one process share its store.
            stores.push(if url.starts_with("sqlite") {
                store.clone()
            } else {
                Store::open(url).await.unwrap()
            });
        }
        let before = (database_cpu(url).await, own_cpu());
        let (done, spent): (Vec<usize>, Measured) = measure(async {
            let mut tasks = tokio::task::JoinSet::new();
            for store in stores.clone() {
                tasks.spawn(work(store, now, EACH / workers));
            }
            tasks.join_all().await
        })
        .await;
        let filed: usize = done.iter().sum();
        let judging = making * filed as f64;
        let own = (own_cpu() - before.1).as_secs_f64() * 1e3;
        let theirs = database_cpu(url).await - before.0;
        let cost = (own - judging + theirs) / filed as f64;
        println!(
            "lease and file, {workers:>2} workers         {:>7.0}/s  {:.2} ms CPU each ({:.2} here, {:.2} in the database)",
            filed as f64 / spent.wall.as_secs_f64(),
            cost,
            (own - judging) / filed as f64,
            theirs / filed as f64,
        );
        costs.push(cost);
        if !url.starts_with("sqlite") {
            for store in stores {
                store.close().await;
            }
        }
    }
    println!(
        "  sixteen workers against one      {:>7.2} x   (must ≤ 1.5 x, aim ≤ 1.2 x)",
        costs[1] / costs[0]
    );
    store.close().await;
}

/// Leases a few at a time and files each; gives how many.
async fn work(store: Store, now: Millis, most: usize) -> usize {
    let mut filed = 0;
    while filed < most {
        let until = now.plus(600_000);
        let leases = store.lease_due(now, until, 4).await.unwrap();
        if leases.is_empty() {
            break;
        }
        for lease in leases {
            let evidence = Sample::oauth(&lease.target.url).at(now).evidence();
            let report = judge(&evidence);
            let filing = Filing {
                target: lease.id,
                scan: Kind::Scan.fresh(now),
                evidence: &evidence,
                report: &report,
                finished: now.plus(900),
                next_due: now.plus(DAY),
                lease_until: Some(lease.until),
            };
            store.file(&filing).await.unwrap();
            filed += 1;
        }
    }
    filed
}
