//! What the store costs, as ratios to something bare that is measured in the same run.
//!
//! `cargo bench -p authdex-store --bench store [-- PART…]`; also on Postgres when
//! `TEST_POSTGRES_URL` is set (`DURABLE=1 tests/support/postgres.sh start` prints one). Parts are
//! `--filing`, `--lists`, `--regrade`, `--leases`; all of them if none is named. Lists are of
//! 100,000 servers with ten scans each, or of as many as `BENCH_SERVERS` says.
//! Absolute figures do not travel between machines; the ratios do.

#![expect(
    clippy::unwrap_used,
    reason = "a benchmark that cannot go on says where"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "benchmarks measure time, and are told of their Postgres by the environment"
)]

#[path = "../../../tests/bench/archive.rs"]
mod archive;
#[path = "../../../tests/support/report.rs"]
#[expect(dead_code, reason = "shared with the tests, which use all of it")]
mod report;

#[path = "store/filters.rs"]
mod filters;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use scanner::evidence::Evidence;
use scanner::report::Report;
use scanner::target::{Listing, Target};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, SqliteConnection};
use store::ids::Kind;
use store::{Filing, NewListing, Page, Store, TargetFilter, TargetId};

use filters::filters;
use report::{DAY, DAY_ONE, Sample, judge};

/// Servers in the benchmark of filing.
const SERVERS: usize = 1_500;
/// Filings at the same time.
const WORKERS: usize = 16;
/// Passes over all servers in which nothing changes.
const PASSES: i64 = 5;
/// Rows of the largest dump of the official registry that we know.
const REGISTRY: usize = 10_542;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, again, url, rubric] = &arguments[..]
        && again == "again"
    {
        return archive::again(url, rubric.clone().leak()).await;
    }
    let parts = ["--filing", "--lists", "--regrade", "--leases"];
    let named = |part: &str| arguments.iter().any(|argument| argument == part);
    let all = !parts.into_iter().any(named);
    let wanted: Vec<&str> = parts
        .into_iter()
        .filter(|part| all || named(part))
        .collect();
    let folder = tempfile::tempdir().unwrap();
    println!("== SQLite");
    for part in &wanted {
        let name = part.trim_start_matches('-');
        run(
            part,
            &format!("sqlite://{}/{name}.db", folder.path().display()),
        )
        .await;
        // The next part may need the room.
        for end in ["db", "db-wal", "db-shm"] {
            let _ = std::fs::remove_file(folder.path().join(format!("{name}.{end}")));
        }
    }
    let Ok(admin) = std::env::var("TEST_POSTGRES_URL") else {
        println!("== Postgres: left out, TEST_POSTGRES_URL is not set");
        return;
    };
    println!("== Postgres");
    for part in &wanted {
        let name = part.trim_start_matches('-');
        let database = format!("bench_{name}_{}", std::process::id());
        execute(&admin, &format!("CREATE DATABASE {database}")).await;
        let url = format!("{}/{database}", admin.rsplit_once('/').unwrap().0);
        run(part, &url).await;
        execute(&admin, &format!("DROP DATABASE {database} WITH (FORCE)")).await;
    }
}

async fn run(part: &str, url: &str) {
    let servers = std::env::var("BENCH_SERVERS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(100_000);
    match part {
        "--filing" => filing(url).await,
        "--lists" => lists(url, servers).await,
        "--regrade" => archive::regrade(url).await,
        _ => archive::leases(url).await,
    }
}

// --- measuring -----------------------------------------------------------------------------

struct Measured {
    wall: Duration,
    cpu: Duration,
}

async fn measure<F: Future>(work: F) -> (F::Output, Measured) {
    let (started, cpu) = (Instant::now(), own_cpu());
    let out = work.await;
    let measured = Measured {
        wall: started.elapsed(),
        cpu: own_cpu().saturating_sub(cpu),
    };
    (out, measured)
}

/// User and system time of this process, in steps of ten milliseconds.
fn own_cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Duration::from_millis(ticks * 10)
}

impl Measured {
    fn per(&self, n: usize) -> f64 {
        self.wall.as_secs_f64() * 1e6 / n as f64
    }

    fn line(&self, what: &str, n: usize, bare: Option<&Self>, bare_n: usize) {
        let ratio = bare.map_or(String::new(), |bare| {
            format!("  {:.1} x bare insert", self.per(n) / bare.per(bare_n))
        });
        println!(
            "{what:<34} {:>8.0} us  {:>6.0} us CPU here  {:>7.0}/s{ratio}",
            self.per(n),
            self.cpu.as_secs_f64() * 1e6 / n as f64,
            1e6 / self.per(n),
        );
    }
}

async fn execute(url: &str, sql: &str) {
    let sql = sql.to_owned();
    if url.starts_with("sqlite") {
        let mut connection = SqliteConnection::connect(url).await.unwrap();
        connection
            .execute(sqlx::raw_sql(AssertSqlSafe(sql)))
            .await
            .unwrap();
        connection.close().await.unwrap();
    } else {
        let mut connection = PgConnection::connect(url).await.unwrap();
        connection
            .execute(sqlx::raw_sql(AssertSqlSafe(sql)))
            .await
            .unwrap();
        connection.close().await.unwrap();
    }
}

/// Bytes in use by table, indexes included, garbage left out.
async fn bytes(url: &str) -> BTreeMap<String, i64> {
    let rows: Vec<(String, i64)> = if url.starts_with("sqlite") {
        let mut connection = SqliteConnection::connect(url).await.unwrap();
        // Pages by the table they belong to; those of an index belong to its table.
        sqlx::query_as(
            "SELECT m.tbl_name, CAST(SUM(s.pgsize) AS BIGINT) FROM dbstat s \
             JOIN sqlite_master m ON m.name = s.name WHERE s.aggregate = TRUE GROUP BY 1",
        )
        .fetch_all(&mut connection)
        .await
        .unwrap()
    } else {
        let mut connection = PgConnection::connect(url).await.unwrap();
        connection.execute("VACUUM").await.unwrap();
        sqlx::query_as(
            "SELECT c.relname::text, pg_total_relation_size(c.oid) FROM pg_class c \
             JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE c.relkind = 'r' AND n.nspname = 'public'",
        )
        .fetch_all(&mut connection)
        .await
        .unwrap()
    };
    rows.into_iter().collect()
}

// --- filing ----------------------------------------------------------------------------------

type Scanned = (TargetId, String, Evidence, Report);

async fn filing(url: &str) {
    let store = Store::open(url).await.unwrap();
    store.migrate().await.unwrap();
    let rows: Vec<NewListing> = (0..REGISTRY).map(listing).collect();
    let (tally, import) = measure(store.add_listings("registry", &rows, DAY_ONE)).await;
    assert_eq!(tally.unwrap().added, REGISTRY as u64);
    println!(
        "import of {REGISTRY} listings           {:>8.2} s",
        import.wall.as_secs_f64()
    );
    let (_, again) = measure(store.add_listings("registry", &rows, DAY_ONE)).await;
    println!(
        "the same once more                 {:>8.2} s",
        again.wall.as_secs_f64()
    );

    let until = DAY_ONE.plus(3_600_000);
    let mut targets = Vec::new();
    let ((), leasing) = measure(async {
        while targets.len() < SERVERS {
            let leases = store.lease_due(DAY_ONE, until, 50).await.unwrap();
            targets.extend(leases.into_iter().map(|lease| (lease.id, lease.target.url)));
        }
    })
    .await;
    let raw = Sample::oauth(&targets[0].1)
        .evidence()
        .encode()
        .unwrap()
        .len();
    let bare = bare_insert(url).await;
    bare.line("bare insert of 1 KB, 100 per commit", 5_000, None, 0);
    leasing.line("lease, by fifty", targets.len(), Some(&bare), 5_000);

    let mut size = bytes(url).await;
    let mut grown = async |what: &str, n: usize| {
        let now = bytes(url).await;
        let each = |bytes: i64| bytes as f64 / n as f64;
        let parts: Vec<String> = now
            .iter()
            .map(|(table, bytes)| (table, each(bytes - size.get(table).unwrap_or(&0))))
            .filter(|(_, each)| *each >= 1.0)
            .map(|(table, each)| format!("{table} {each:.0}"))
            .collect();
        let all = each(now.values().sum::<i64>() - size.values().sum::<i64>());
        println!("{what:<34} {all:>8.1} bytes each ({})", parts.join(", "));
        size = now;
    };
    let first = scanned(&targets, 0, false);
    let (_, measured) = measure(file_all(&store, first)).await;
    measured.line("first scans", SERVERS, Some(&bare), 5_000);
    grown("first scans, newest whole", SERVERS).await;

    // The first unchanged pass gives tables that are rewritten in place their lasting size.
    let (_, measured) = measure(file_all(&store, scanned(&targets, 1, false))).await;
    measured.line("unchanged (grading included)", SERVERS, Some(&bare), 5_000);
    grown("unchanged, first pass", SERVERS).await;
    let mut spent = Measured {
        wall: Duration::ZERO,
        cpu: Duration::ZERO,
    };
    for pass in 2..2 + PASSES {
        bytes(url).await; // also vacuums, as it happens by itself in the long run
        let scans = scanned(&targets, pass, false);
        let (_, measured) = measure(file_all(&store, scans)).await;
        spent.wall += measured.wall;
        spent.cpu += measured.cpu;
    }
    let n = SERVERS * PASSES as usize;
    spent.line("unchanged", n, Some(&bare), 5_000);
    grown("unchanged (at most 128 wanted)", n).await;

    let changed = scanned(&targets, 2 + PASSES, true);
    let (_, measured) = measure(file_all(&store, changed)).await;
    measured.line("changed", SERVERS, Some(&bare), 5_000);
    grown("changed", SERVERS).await;
    println!("raw transcript                     {raw:>8} bytes each");
    store.close().await;
}

fn listing(n: usize) -> NewListing {
    const WORDS: [&str; 8] = [
        "notes", "mail", "ledger", "weather", "search", "issues", "calendar", "maps",
    ];
    let word = WORDS[n % 8];
    NewListing {
        target: Target {
            url: format!("https://{word}{n}.operator{}.example/mcp", n / 7),
            listing: Some(Listing {
                name: Some(format!("example.operator{}/{word}-{n}", n / 7)),
                version: Some(format!("1.{}.0", n % 13)),
                transport: Some("streamable-http".into()),
                status: Some("active".into()),
                ..Listing::default()
            }),
        },
        seen: DAY_ONE,
    }
}

fn scanned(targets: &[(TargetId, String)], day: i64, changed: bool) -> Vec<Scanned> {
    targets
        .iter()
        .enumerate()
        .map(|(n, (target, url))| {
            let at = DAY_ONE.plus(day * DAY + n as i64 * 50);
            let mut sample = Sample::oauth(url).at(at);
            // Not all alike: some lack what others have.
            sample.cimd = n % 3 != 0;
            sample.pkce = (n % 5 != 0) != changed;
            let evidence = sample.evidence();
            let report = judge(&evidence);
            (*target, Kind::Scan.fresh(at), evidence, report)
        })
        .collect()
}

async fn file_all(store: &Store, scans: Vec<Scanned>) {
    let mut workers = tokio::task::JoinSet::new();
    let mut shares: Vec<Vec<Scanned>> = (0..WORKERS).map(|_| Vec::new()).collect();
    for (n, scan) in scans.into_iter().enumerate() {
        shares[n % WORKERS].push(scan);
    }
    for share in shares {
        let store = store.clone();
        workers.spawn(async move {
            for (target, scan, evidence, report) in share {
                let filing = Filing {
                    target,
                    scan,
                    evidence: &evidence,
                    report: &report,
                    finished: evidence.started.plus(900),
                    next_due: evidence.started.plus(DAY),
                    lease_until: None,
                };
                store.file(&filing).await.unwrap();
            }
        });
    }
    workers.join_all().await;
}

/// What the same driver needs to put a kilobyte into a table without indexes.
async fn bare_insert(url: &str) -> Measured {
    const ADD: &str = "INSERT INTO bare (bytes) VALUES ($1)";
    let kilobyte: Vec<u8> = (0..1024_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    macro_rules! insert {
        ($connection:expr, $create:literal) => {{
            let mut connection = $connection;
            connection.execute($create).await.unwrap();
            let ((), measured) = measure(async {
                for _ in 0..50 {
                    let mut tx = connection.begin().await.unwrap();
                    for _ in 0..100 {
                        sqlx::query(ADD)
                            .bind(&kilobyte)
                            .execute(&mut *tx)
                            .await
                            .unwrap();
                    }
                    tx.commit().await.unwrap();
                }
            })
            .await;
            connection.execute("DROP TABLE bare").await.unwrap();
            connection.close().await.unwrap();
            measured
        }};
    }
    if url.starts_with("sqlite") {
        let connection = SqliteConnection::connect(url).await.unwrap();
        insert!(connection, "CREATE TABLE bare (bytes BLOB)")
    } else {
        let connection = PgConnection::connect(url).await.unwrap();
        insert!(connection, "CREATE TABLE bare (bytes BYTEA)")
    }
}

// --- lists -------------------------------------------------------------------------------------

async fn lists(url: &str, servers: usize) {
    let store = Store::open(url).await.unwrap();
    store.migrate().await.unwrap();
    let ((), import) = measure(async {
        for start in (0..servers).step_by(50_000) {
            let rows: Vec<NewListing> = (start..(start + 50_000).min(servers))
                .map(listing)
                .collect();
            store
                .add_listings("registry", &rows, DAY_ONE)
                .await
                .unwrap();
        }
    })
    .await;
    println!(
        "{servers} servers, imported in {:.1} s",
        import.wall.as_secs_f64()
    );
    archive::fill(&store, url, servers).await;
    spread(url).await;

    let first = store
        .servers(&TargetFilter::default(), &Page::first(500))
        .await
        .unwrap();
    let ids: Vec<String> = first.rows.into_iter().map(|row| row.id).collect();
    let key = times(200, async |n| {
        store.server(&ids[n % ids.len()]).await.unwrap();
    })
    .await;
    println!(
        "by key                             p50 {:>7.0} us  p99 {:>7.0} us",
        key.0, key.1
    );
    let show = |what: &str, (p50, p99): (f64, f64)| {
        println!(
            "{what:<34} p50 {p50:>7.0} us  p99 {p99:>7.0} us  p99 {:>5.1} x key p50",
            p99 / key.0
        );
    };
    archive::reads(&store, servers, &show).await;
    for (what, filter) in filters() {
        show(&what, middle_and_end(walk(&store, &filter, 100).await));
    }
    show(
        "facets",
        times(100, async |_| drop(store.facets().await.unwrap())).await,
    );
    let now = DAY_ONE.plus(12 * DAY);
    show(
        "totals",
        times(40, async |_| {
            assert!(store.totals(now).await.unwrap().servers > 0);
        })
        .await,
    );
    show(
        "tally",
        times(40, async |_| drop(store.tally().await.unwrap())).await,
    );
    let lease = times(40, async |n| {
        let now = now.plus(n as i64);
        let leases = store.lease_due(now, now.plus(9 * DAY), 100).await.unwrap();
        assert_eq!(leases.len(), 100);
    })
    .await;
    show("lease a hundred", lease);
    store.close().await;
}

/// Reads a list of so many pages and gives the microseconds of each page.
async fn walk(store: &Store, filter: &TargetFilter, pages: usize) -> Vec<f64> {
    let mut page = Page::first(50);
    let mut all = Vec::new();
    for _ in 0..pages {
        let started = Instant::now();
        let part = store.servers(filter, &page).await.unwrap();
        all.push(started.elapsed().as_secs_f64() * 1e6);
        page.after = part.next;
        if page.after.is_none() {
            page = Page::first(50);
        }
    }
    all
}

/// Microseconds of each call.
async fn times(n: usize, mut call: impl AsyncFnMut(usize)) -> (f64, f64) {
    let mut all = Vec::with_capacity(n);
    for position in 0..n {
        let started = Instant::now();
        call(position).await;
        all.push(started.elapsed().as_secs_f64() * 1e6);
    }
    middle_and_end(all)
}

/// Median and 99th percentile.
fn middle_and_end(mut all: Vec<f64>) -> (f64, f64) {
    all.sort_by(f64::total_cmp);
    (
        all[all.len() / 2],
        all[(all.len() * 99 / 100).min(all.len() - 1)],
    )
}

/// The lane of scans by schedule.
const SCHEDULED: i64 = 1;

/// Gives the servers results as they are spread in the world, without making scans.
async fn spread(url: &str) {
    let now = DAY_ONE.0 + 10 * DAY;
    let (of_target, of_visit) = archive::newest(url);
    let chance = |salt, n| archive::chance("id", salt, n);
    let (kind, letter) = (chance(1, 10), chance(2, 4));
    execute(
        url,
        &format!(
            "UPDATE target SET \
             class = CASE WHEN {kind} < 5 THEN 'open' WHEN {kind} < 8 THEN 'oauth' \
               WHEN {kind} = 8 THEN 'static-key' ELSE 'unreachable' END, \
             era = CASE WHEN {era} = 0 THEN 'legacy' ELSE 'hidden' END, \
             letter = CASE WHEN {kind} IN (5, 6, 7) THEN \
               CASE WHEN {letter} = 0 THEN 'B' WHEN {letter} = 1 THEN 'F' ELSE 'C' END END, \
             badge = CASE WHEN {kind} < 5 THEN 'O' WHEN {kind} = 8 THEN 'K' \
               WHEN {kind} = 9 THEN 'U' END, \
             rank = CASE WHEN {kind} IN (5, 6, 7) THEN \
               CASE WHEN {letter} = 0 THEN 4000 WHEN {letter} = 1 THEN 12000 ELSE 6000 END \
               + {within} ELSE 20000 + {kind} / 5 * 1000 END, \
             pkce = CASE WHEN {kind} IN (5, 6, 7) THEN \
               CASE WHEN {pkce} < 2 THEN 'absent' ELSE 's256' END END, \
             registration = CASE WHEN {kind} IN (5, 6, 7) THEN \
               CASE WHEN {registration} = 0 THEN 'cimd' ELSE 'dcr_only' END END, \
             changed_at = {now} - {changed} * 15000{of_target} WHERE run IS NULL",
            era = chance(3, 3),
            within = chance(4, 1000),
            pkce = chance(6, 11),
            registration = chance(7, 5),
            changed = chance(8, 500_000),
        ),
    )
    .await;
    execute(
        url,
        &format!(
            "UPDATE visit SET lane = {lane}, due = {now} + (target * 15485863) % 86400000, \
             checked_at = {now} - (target * 86028121) % 86400000{of_visit}",
            lane = SCHEDULED,
        ),
    )
    .await;
    for (check, every) in [("pkce-advertised", 17), ("tls-certificate-valid", 999)] {
        let fails = archive::chance("t.id", 9 + every, every);
        execute(
            url,
            &format!(
                "INSERT INTO failing (ordinal, target) SELECT o.ordinal, t.id FROM target t \
                 JOIN check_ordinal o ON o.id = '{check}' WHERE {fails} = 0"
            ),
        )
        .await;
    }
    execute(
        url,
        "DELETE FROM counter WHERE kind NOT IN ('data', 'total')",
    )
    .await;
    for column in ["class", "era", "pkce", "registration", "letter", "badge"] {
        let kind = if column == "badge" { "letter" } else { column };
        execute(
            url,
            &format!(
                "INSERT INTO counter (kind, value, n) SELECT '{kind}', {column}, COUNT(*) \
                 FROM target WHERE {column} IS NOT NULL GROUP BY {column}"
            ),
        )
        .await;
    }
    execute(
        url,
        "INSERT INTO counter (kind, value, n) SELECT 'fail', o.id, COUNT(*) FROM failing f \
         JOIN check_ordinal o ON o.ordinal = f.ordinal GROUP BY o.id",
    )
    .await;
    execute(
        url,
        "INSERT INTO counter (kind, value, n) SELECT 'hour', \
         CAST(checked_at / 3600000 AS TEXT), COUNT(*) FROM visit GROUP BY checked_at / 3600000",
    )
    .await;
    let settle = if url.starts_with("sqlite") {
        "PRAGMA wal_checkpoint(TRUNCATE)"
    } else {
        "ANALYZE"
    };
    execute(url, settle).await;
}
