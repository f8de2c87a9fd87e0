//! A crawl rehearsed in small: three hundred endpoints in the proportions of the real world,
//! two worker processes on each engine of which one is killed in the middle, twice, with hosts
//! that change in between. Both engines must end with the same results, and the hosts' own
//! counts must show that every limit was held.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::db::TestDb;
use crate::rehearsal::{Crawl, Hosts, Limits, Pace, authdex, broken, configuration};
use crate::rehearsal::{differences, left_alone, results};

const PACE: Pace = Pace {
    interval_ms: 50,
    concurrency: 48,
    lease_s: 10,
    global: 500,
    public: true,
};

const LIMITS: Limits = Limits {
    endpoint: 45,
    issuer: 12,
    interval_ms: PACE.interval_ms,
    // Of twenty steps of 50 ms; a busy machine notices the first of them late.
    slack_ms: 300,
    site: Some(2),
    document: None,
};

/// Three in ten hosts have several endpoints.
fn list() -> String {
    let urls: Vec<String> = (0..300)
        .map(|n| match n % 10 {
            0..3 => format!("https://many{}.operator{}.example/{n}/mcp", n / 10, n / 40),
            _ => format!("https://mcp{n}.operator{}.example/mcp", n / 4),
        })
        .collect();
    urls.join("\n")
}

async fn crawl(db: &str) -> Vec<String> {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_authdex"));
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("list.txt");
    std::fs::write(&file, list()).expect("a file");
    let mut hosts = Hosts::start(&program, Path::new(&file), 11, 0);
    configuration(&hosts, &PACE, folder.path());
    let imported = authdex(&program, folder.path(), db)
        .args(["import", "list.txt"])
        .output()
        .expect("it starts");
    assert!(imported.status.success(), "{imported:?}");
    let crawl = Crawl {
        program: &program,
        folder: folder.path(),
        db,
        workers: 2,
        kill_one: true,
        patience: Duration::from_secs(600),
    };
    for generation in [1, 2] {
        let spent = crawl.pass(&mut hosts, generation).await;
        assert_eq!(broken(&spent.tally, &LIMITS), [""; 0], "{:#?}", spent.tally);
        assert!(spent.tally.requests > 3_000, "{:#?}", spent.tally);
    }
    results(db).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_engines_agree_on_a_crawl_in_which_workers_are_killed() {
    let sqlite = TestDb::sqlite().await;
    let Some(postgres) = TestDb::postgres().await else {
        crawl(&sqlite.url).await;
        sqlite.remove().await;
        return;
    };
    let (one, other) = tokio::join!(crawl(&sqlite.url), crawl(&postgres.url));
    let alone = (
        left_alone(&sqlite.url).await,
        left_alone(&postgres.url).await,
    );
    assert_eq!(
        differences((&one, &alone.0), (&other, &alone.1), 10),
        [""; 0]
    );
    for what in [" run 2 ", " Some(A"] {
        assert!(one.iter().any(|line| line.contains(what)), "no{what}");
    }
    sqlite.remove().await;
    postgres.remove().await;
}
