//! The list of all remotes of the official registry, crawled twice against simulated hosts:
//! with one worker on SQLite, and with four on Postgres of which one is killed. Prints what it
//! cost, and ends badly if the results differ or a limit was broken.
//!
//! `cargo bench -p authdex --bench real_list`, with `TEST_POSTGRES_URL` for the second half.
//! `REAL_LIST_LIMIT` takes only the first so many rows, `REAL_LIST_INTERVAL_MS` sets the pause
//! between two requests to one host (5: the busiest host of the list has 1,279 endpoints),
//! `REAL_LIST_ENGINES=sqlite` leaves Postgres out. `REAL_LIST_PUBLIC=1` holds the hosts to the
//! limits of public ones (50 ms between two requests is the least that the settings allow, so
//! take fewer rows).

#![expect(
    clippy::disallowed_methods,
    reason = "a benchmark is told its size and its Postgres by the environment"
)]

#[path = "../support/rehearsal.rs"]
mod rehearsal;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use rehearsal::{
    Crawl, Hosts, Limits, Pace, Spent, authdex, broken, differences, left_alone, results,
};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

/// Of the first thirty, the one with which the largest hosts of the list answer and the shares of
/// endpoints, not only of hosts, are near those of the profile.
const SEED: u64 = 2;

fn number(name: &str, usual: u32) -> u32 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(usual)
}

fn main() -> ExitCode {
    // As a test nothing is measured; the small rehearsal among the site's tests does this.
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let list = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/data/registry-remotes-2026-07-28.csv");
    let Ok(text) = std::fs::read_to_string(&list) else {
        eprintln!("left out: {} is not there", list.display());
        return ExitCode::SUCCESS;
    };
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(rehearse(&text))
}

async fn rehearse(text: &str) -> ExitCode {
    let rows = number("REAL_LIST_LIMIT", u32::MAX);
    let lines: Vec<&str> = text.lines().take(rows as usize).collect();
    let list = lines.join("\n");
    let one = Site::new(&list);
    let sqlite = format!("sqlite://{}/list.db", one.folder.path().display());
    let postgres = std::env::var("TEST_POSTGRES_URL").ok();
    let mut faults = Vec::new();
    match postgres.filter(|_| std::env::var("REAL_LIST_ENGINES").is_err()) {
        None => {
            faults.extend(one.crawl(&sqlite, 1).await.1);
            println!("Postgres is left out: TEST_POSTGRES_URL is not set");
        }
        Some(admin) => {
            let name = format!("real_list_{}", std::process::id());
            execute(&admin, &format!("CREATE DATABASE {name}")).await;
            let (server, _) = admin.rsplit_once('/').expect("a URL with a database");
            let url = format!("{server}/{name}");
            let four = Site::new(&list);
            // Side by side: pauses, not processors, are what a crawl spends its time on.
            let ((alone, own), (shared, more)) =
                tokio::join!(one.crawl(&sqlite, 1), four.crawl(&url, 4));
            faults.extend(own.into_iter().chain(more));
            let differ = differences(
                (&alone, &left_alone(&sqlite).await),
                (&shared, &left_alone(&url).await),
                20,
            );
            println!("{} lines of results, {} differ", alone.len(), differ.len());
            faults.extend(differ);
            execute(&admin, &format!("DROP DATABASE {name} WITH (FORCE)")).await;
        }
    }
    for fault in &faults {
        println!("BROKEN {fault}");
    }
    if faults.is_empty() {
        println!("every limit held, and all results agree");
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// A folder with the list, and simulated hosts for it.
struct Site {
    program: PathBuf,
    folder: tempfile::TempDir,
    pace: Pace,
    limits: Limits,
}

impl Site {
    fn new(list: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("list.csv"), list).expect("a file");
        let public = std::env::var("REAL_LIST_PUBLIC").is_ok();
        let interval_ms = if public {
            50
        } else {
            number("REAL_LIST_INTERVAL_MS", 5)
        };
        Self {
            program: PathBuf::from(env!("CARGO_BIN_EXE_authdex")),
            folder,
            pace: Pace {
                interval_ms,
                concurrency: number("REAL_LIST_CONCURRENCY", 64),
                lease_s: 30,
                // The most that the settings allow.
                global: 500,
                public,
            },
            limits: Limits {
                endpoint: 45,
                issuer: 12,
                interval_ms,
                slack_ms: interval_ms * 4,
                site: public.then_some(2),
                document: None,
            },
        }
    }

    async fn crawl(&self, db: &str, workers: usize) -> (Vec<String>, Vec<String>) {
        let engine = db.split(':').next().unwrap_or_default();
        let list = self.folder.path().join("list.csv");
        let mut hosts = Hosts::start(&self.program, &list, SEED, 0);
        rehearsal::configuration(&hosts, &self.pace, self.folder.path());
        let imported = authdex(&self.program, self.folder.path(), db)
            .args(["import", "list.csv"])
            .output()
            .expect("it starts");
        let said = String::from_utf8_lossy(&imported.stderr);
        println!(
            "{engine}: import: {}",
            said.lines().last().unwrap_or_default()
        );
        let crawl = Crawl {
            program: &self.program,
            folder: self.folder.path(),
            db,
            workers,
            kill_one: workers > 1,
            patience: Duration::from_secs(1_800),
        };
        let mut faults = Vec::new();
        for generation in [1, 2] {
            let before = hosts.cpu_ms();
            let spent = crawl.pass(&mut hosts, generation).await;
            let name = format!("{engine}, {workers} workers, generation {generation}");
            told(&name, &spent, hosts.cpu_ms() - before);
            let broken = broken(&spent.tally, &self.limits);
            faults.extend(broken.iter().map(|fault| format!("{name}: {fault}")));
        }
        (results(db).await, faults)
    }
}

#[expect(clippy::cast_precision_loss, reason = "figures to look at")]
fn told(name: &str, spent: &Spent, hosts_ms: u64) {
    let tally = &spent.tally;
    let scans = tally.scans as f64;
    println!(
        "{name}: {scans} scans in {:.0} s, {:.0} an hour; {} requests, {} connections",
        spent.seconds,
        scans * 3600.0 / spent.seconds,
        tally.requests,
        tally.connections,
    );
    println!(
        "  workers {:.2} ms CPU a scan, hosts {:.2} ms; largest worker {} MB",
        spent.cpu_ms as f64 / scans,
        hosts_ms as f64 / scans,
        spent.peak_kb / 1024,
    );
    println!(
        "  most: {} requests of a scan to a host, {} to an issuer, {} reads of one of the documents of {} issuers ({} in all)",
        tally.endpoint_most.0,
        tally.issuer_most.0,
        tally.document_most.0,
        tally.issuers,
        tally.documents,
    );
    println!(
        "  at once: {} to a host, {} hosts of a domain ({}); 20 steps in {} us at least, one in {} us; forbidden: {}",
        tally.at_once.0,
        tally.site_at_once.0,
        tally.site_at_once.1,
        tally.window_us.0,
        tally.gap_us.0,
        tally.forbidden,
    );
}

async fn execute(url: &str, sql: &str) {
    let mut connection = PgConnection::connect(url).await.expect("Postgres");
    connection
        .execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned())))
        .await
        .expect("a statement that works");
    connection.close().await.expect("an open connection");
}
