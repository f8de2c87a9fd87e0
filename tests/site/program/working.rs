//! The commands that go on working: `crawl`, `serve`, `demo` and `migrate`, with a store.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use store::{Page, ServerRow, Store, TargetFilter};

use super::{Going, Sample, authdex, folder, run, url, write};

async fn servers(database: &Path) -> Vec<ServerRow> {
    let store = Store::open(&format!("sqlite://{}", database.display()))
        .await
        .expect("it opens");
    let page = store
        .servers(&TargetFilter::default(), &Page::first(100))
        .await
        .expect("a list");
    store.close().await;
    page.rows
}

fn list(sample: &Sample) -> String {
    let urls: Vec<String> = sample
        .fleet
        .targets()
        .into_iter()
        .map(|(url, _)| url)
        .collect();
    urls.join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_crawl_of_an_unchanged_fleet_changes_nothing() {
    let sample = Sample::start().await;
    sample.configuration();
    write(sample.path(), "fleet.txt", list(&sample));
    let authdex = |arguments: &[&str]| {
        let mut all = vec!["--config=authdex.toml"];
        all.extend(arguments);
        run(sample.path(), &all)
    };
    authdex(&["import", "fleet.txt"]).ended(0);
    let first = authdex(&["crawl", "--once"]).ended(0);
    assert!(first.err.contains("15 servers scanned"), "{}", first.err);
    assert!(first.err.contains(" 0 still due"), "{}", first.err);
    assert_eq!(first.out, "");
    let database = sample.path().join("kept.db");
    let before = servers(&database).await;
    assert_eq!(before.len(), 15);
    let idle = authdex(&["crawl", "--once"]).ended(0);
    assert!(idle.err.contains("0 servers scanned"), "{}", idle.err);
    let some = authdex(&["crawl", "--once", "--all", "--limit=4"]).ended(0);
    assert!(some.err.contains("4 servers scanned"), "{}", some.err);
    let rest = authdex(&["crawl", "--once", "--all"]).ended(0);
    assert!(rest.err.contains("15 servers scanned"), "{}", rest.err);
    let after = servers(&database).await;
    let state = |rows: &[ServerRow]| -> Vec<_> {
        let mut rows: Vec<_> = rows
            .iter()
            .map(|row| (row.url.clone(), row.letter, row.badge, row.changed_at))
            .collect();
        rows.sort_by(|a, b| a.0.cmp(&b.0));
        rows
    };
    assert_eq!(state(&before), state(&after), "scans that saw the same");
    let store = Store::open(&format!("sqlite://{}", database.display()))
        .await
        .expect("it opens");
    let changes = store.latest_changes(100).await.expect("changes");
    assert!(changes.iter().all(|change| change.kind == "added"));
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_crawl_keeps_what_it_has_and_leaves_the_rest_due() {
    let sample = Sample::start().await;
    let path = sample.configuration();
    let text = std::fs::read_to_string(&path).expect("readable");
    let slow = text
        .replace("private_interval_ms = 0", "private_interval_ms = 150")
        .replace("[scan]", "[scan]\nconcurrency = 4");
    write(sample.path(), "authdex.toml", slow);
    write(sample.path(), "fleet.txt", list(&sample));
    run(
        sample.path(),
        &["--config=authdex.toml", "import", "fleet.txt"],
    )
    .ended(0);
    let mut command = authdex(sample.path());
    command.args(["--config=authdex.toml", "crawl", "--once"]);
    let going = Going::start(command);
    let database = sample.path().join("kept.db");
    let graded = |rows: &[ServerRow]| rows.iter().filter(|row| row.checked_at.is_some()).count();
    let mut patience = 600;
    while graded(&servers(&database).await) == 0 {
        patience -= 1;
        assert!(patience > 0, "nothing was filed");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    going.signal("INT");
    going.end(30).said(3, &["interrupted", "still due"]);
    let rows = servers(&database).await;
    let done = graded(&rows);
    assert!(done > 0 && done < 15, "{done}");
    let rest = run(sample.path(), &["--config=authdex.toml", "crawl", "--once"]).ended(0);
    let said = format!("{} servers scanned", 15 - done);
    assert!(rest.err.contains(&said), "{said}: {}", rest.err);
}

/// One answer over a connection of its own: status and body.
pub(super) fn get(address: &str, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .ok()?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: authdex-tests\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let status = text.split(' ').nth(1)?.parse().ok()?;
    let body = text.split_once("\r\n\r\n")?.1.to_owned();
    Some((status, body))
}

/// A port that was free a moment ago. The program says which one it got for port 0, but only
/// on its standard error, which is read when it has ended.
pub(super) fn free() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").to_string()
}

#[track_caller]
pub(super) fn wait_for(address: &str) {
    for _ in 0..200 {
        if get(address, "/healthz").is_some_and(|(status, _)| status == 200) {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("nobody answers at {address}");
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_shows_what_it_scans_and_ends_when_told() {
    let sample = Sample::start().await;
    sample.configuration();
    write(sample.path(), "fleet.txt", list(&sample));
    let address = free();
    let mut command = authdex(sample.path());
    command.args([
        "--config=authdex.toml",
        "serve",
        "--listen",
        &address,
        "--source=fleet.txt",
    ]);
    let going = Going::start(command);
    wait_for(&address);
    assert_eq!(
        get(&address, "/readyz").map(|(status, _)| status),
        Some(200)
    );
    let (status, home) = get(&address, "/").expect("a page");
    assert_eq!(status, 200);
    assert!(home.starts_with("<!doctype html>") || home.starts_with("<!DOCTYPE html>"));
    run(
        sample.path(),
        &["health", &format!("http://{address}/readyz")],
    )
    .ended(0);
    run(
        sample.path(),
        &["health", &format!("http://{address}/none")],
    )
    .said(3, &["404"]);
    let letters = || -> usize {
        let (status, body) = get(&address, "/api/v1/servers?limit=100").expect("an answer");
        assert_eq!(status, 200);
        let body: Value = serde_json::from_str(&body).expect("JSON");
        let rows = body["data"]
            .as_array()
            .or_else(|| body["servers"].as_array())
            .or_else(|| body["items"].as_array())
            .unwrap_or_else(|| panic!("no list in {body}"));
        rows.iter()
            .filter(|row| row.to_string().contains("\"letter\":\""))
            .count()
    };
    let mut patience = 400;
    while letters() < 8 {
        patience -= 1;
        assert!(patience > 0, "the fleet is not graded");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // A client that never finishes its request must not keep the program up.
    let mut half = TcpStream::connect(&address).expect("a connection");
    half.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n")
        .expect("sent");
    going.signal("TERM");
    let ran = going.end(15).ended(0);
    assert!(ran.err.contains(&format!("http://{address}/")));
    assert!(!ran.err.contains("panicked"), "{}", ran.err);
    assert!(get(&address, "/healthz").is_none());
}

#[test]
fn roles_can_be_parted_and_a_taken_port_is_said() {
    let folder = folder();
    let (web, worker) = (free(), free());
    let start = |role: &str, address: &str| {
        let mut command = authdex(folder.path());
        command.args(["serve", "--role", role, "--listen", address]);
        Going::start(command)
    };
    let first = start("web", &web);
    wait_for(&web);
    let second = start("worker", &worker);
    wait_for(&worker);
    assert_eq!(get(&web, "/").map(|(status, _)| status), Some(200));
    assert_eq!(get(&worker, "/").map(|(status, _)| status), Some(404));
    assert_eq!(get(&worker, "/readyz").map(|(status, _)| status), Some(200));
    for command in ["serve", "demo"] {
        run(folder.path(), &[command, "--listen", &web]).said(2, &[&web, "in use", "--listen"]);
    }
    for going in [first, second] {
        going.signal("INT");
        going.end(15).ended(0);
    }
}

#[test]
fn the_demo_shows_every_situation_and_who_caused_each_change() {
    let folder = folder();
    let ran = run(folder.path(), &["demo", "--once"]).ended(0);
    let lines: Vec<&str> = ran.out.lines().collect();
    let servers: Vec<&&str> = lines
        .iter()
        .filter(|line| !line.starts_with("changed: "))
        .collect();
    assert!(servers.len() >= 12, "{}", ran.out);
    for mark in ["A+", "A ", "B ", "D ", "E ", "F ", "O ", "K ", "U ", "X "] {
        assert!(
            servers.iter().any(|line| line.starts_with(mark)),
            "no {mark}: {}",
            ran.out
        );
    }
    for cause in [" by server)", " by authorization server)"] {
        assert!(
            lines
                .iter()
                .any(|line| line.starts_with("changed: ") && line.ends_with(cause)),
            "{cause}: {}",
            ran.out
        );
    }
    assert!(ran.err.contains("sample servers are up"));
    let left = std::fs::read_dir(folder.path()).expect("a folder").count();
    assert_eq!(left, 0, "nothing stays behind");
}

#[test]
fn the_demo_serves_its_site_and_cleans_up() {
    let folder = folder();
    let address = free();
    let mut command = authdex(folder.path());
    command
        .args(["demo", "--listen", &address])
        .env("TMPDIR", folder.path());
    let going = Going::start(command);
    wait_for(&address);
    let (status, page) = get(&address, "/servers").expect("a page");
    assert_eq!(status, 200);
    assert!(page.contains("notes.demo.example"));
    going.signal("TERM");
    going.end(15).ended(0);
    let left = std::fs::read_dir(folder.path()).expect("a folder").count();
    assert_eq!(left, 0, "the temporary folder is gone");
    // Also when it is ended between the passes.
    let mut command = authdex(folder.path());
    command
        .args(["demo", "--once"])
        .env("TMPDIR", folder.path());
    let going = Going::start(command);
    std::thread::sleep(Duration::from_millis(700));
    going.signal("INT");
    let ran = going.end(15);
    assert!(matches!(ran.code, 0 | 3), "{}", ran.code);
    let left = std::fs::read_dir(folder.path()).expect("a folder").count();
    assert_eq!(left, 0, "the temporary folder is gone");
}

#[test]
fn migrations_are_listed_before_they_are_applied() {
    let folder = folder();
    let dry = run(folder.path(), &["migrate", "--dry-run"]).ended(0);
    assert_eq!(dry.out.lines().next(), Some("0001_initial"));
    let count = dry.out.lines().count();
    assert!(dry.err.contains(&format!("{count} migrations would be")));
    // Not having been applied, they are missing.
    write(
        folder.path(),
        "a.toml",
        "[store]\nmigrate_on_start = false\n",
    );
    run(folder.path(), &["--config=a.toml", "crawl", "--once"])
        .said(2, &["missing", "`authdex migrate`"]);
    let real = run(folder.path(), &["migrate"]).ended(0);
    assert_eq!(real.out, dry.out);
    let again = run(folder.path(), &["migrate", "--dry-run"]).ended(0);
    assert_eq!(again.out, "");
    let empty = run(folder.path(), &["--config=a.toml", "crawl", "--once"]).ended(0);
    assert!(empty.err.contains("`authdex import SOURCE`"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crawl_reads_a_source_first_and_refuses_an_unknown_one() {
    let sample = Sample::start().await;
    sample.configuration();
    write(
        sample.path(),
        "two.txt",
        format!("{}\n{}\n", url("notes"), url("weather")),
    );
    let ran = run(
        sample.path(),
        &[
            "--config=authdex.toml",
            "crawl",
            "--once",
            "--source=two.txt",
        ],
    )
    .ended(0);
    assert!(ran.err.contains("2 servers scanned"), "{}", ran.err);
    run(
        sample.path(),
        &[
            "--config=authdex.toml",
            "crawl",
            "--once",
            "--source=nowhere",
        ],
    )
    .said(2, &["`nowhere`", "registry"]);
}
