//! A database that is not there, not ours, locked or full: one line, the right code, and
//! what was stored before is still there.

use std::path::Path;
use std::process::Command;

use store::{OpenOptions, Page, Store, TargetFilter};

use super::{Ran, authdex, folder, run, write};

fn with_database(folder: &Path, url: &str, arguments: &[&str]) -> Ran {
    let mut command = authdex(folder);
    command.args(arguments).env("DATABASE_URL", url);
    command.output().expect("it starts").into()
}

#[test]
fn a_wrong_database_url_is_said_without_its_password() {
    let folder = folder();
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("an address").port()
    };
    let refused = format!("postgres://u:canary-0815@127.0.0.1:{closed}/authdex");
    for (url, parts) in [
        (
            "mysql://u:canary-0815@db.example/authdex",
            &["mysql://u:***@db.example/authdex", "sqlite://PATH"][..],
        ),
        (
            "somewhere",
            &["`somewhere`", "sqlite://PATH", "postgres://"],
        ),
        ("", &["sqlite://PATH"]),
        (
            refused.as_str(),
            &["refused", "check the host and the port"],
        ),
        (
            "postgres://u:canary-0815@no-such-host.invalid/authdex",
            &["u:***@no-such-host.invalid", "check the host and the port"],
        ),
        (
            "postgres://u:canary-0815@127.0.0.1:99999/authdex",
            &["port"],
        ),
        (
            "sqlite:///proc/none/authdex.db",
            &["/proc/none/authdex.db", "/proc/none"],
        ),
    ] {
        for arguments in [
            &["migrate"][..],
            &["crawl", "--once"],
            &["serve", "--listen", "127.0.0.1:0"],
        ] {
            let ran = with_database(folder.path(), url, arguments).said(2, parts);
            assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
            assert_eq!(ran.out, "");
            assert!(!ran.err.contains("canary"), "{}", ran.err);
        }
    }
    write(
        folder.path(),
        "notes.txt",
        "this is no database at all\n".repeat(99),
    );
    with_database(folder.path(), "sqlite://notes.txt", &["migrate"])
        .said(2, &["notes.txt", "not a SQLite database"]);
}

/// Imports some servers and returns where they are.
fn stocked(folder: &Path) -> std::path::PathBuf {
    write(
        folder,
        "first.txt",
        "https://one.example.com/mcp\nhttps://two.example.com/mcp\n",
    );
    write(folder, "second.txt", "https://three.example.com/mcp\n");
    run(folder, &["import", "first.txt"]).ended(0);
    folder.join("data/authdex.db")
}

async fn count(database: &Path) -> usize {
    let store = Store::open(&format!("sqlite://{}", database.display()))
        .await
        .expect("it opens");
    let page = store
        .servers(&TargetFilter::default(), &Page::first(100))
        .await
        .expect("a list");
    store.close().await;
    page.rows.len()
}

/// Another process holds the file, as a copy or a repair tool does.
#[tokio::test(flavor = "multi_thread")]
async fn a_locked_database_is_said_and_loses_nothing() {
    let folder = folder();
    let database = stocked(folder.path());
    let held = Command::new("python3")
        .args([
            "-c",
            "import sqlite3, sys\n\
             c = sqlite3.connect(sys.argv[1], isolation_level=None)\n\
             c.execute('PRAGMA locking_mode = EXCLUSIVE')\n\
             c.execute('BEGIN EXCLUSIVE')\n\
             print('held', flush=True)\n\
             sys.stdin.read()",
        ])
        .arg(&database)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn();
    let mut held = held.expect("python3 is needed by this test");
    let mut said = [0_u8; 5];
    std::io::Read::read_exact(held.stdout.as_mut().expect("a pipe"), &mut said).expect("held");
    for arguments in [
        &["import", "second.txt"][..],
        &["crawl", "--once"],
        &["migrate"],
        &["serve", "--listen", "127.0.0.1:0"],
    ] {
        let ran = run(folder.path(), arguments).said(3, &["locked by another process"]);
        assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
    }
    drop(held.stdin.take());
    held.wait().expect("it ends");
    assert_eq!(count(&database).await, 2);
    run(folder.path(), &["import", "second.txt"]).ended(0);
    assert_eq!(count(&database).await, 3);
}

/// The largest file that a child may write stands for the end of the disk.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_said_and_loses_nothing() {
    let folder = folder();
    let database = stocked(folder.path());
    let many: String = (0..20_000)
        .map(|number| format!("https://server-{number}.example.com/mcp\n"))
        .collect();
    write(folder.path(), "many.txt", many);
    let kib = std::fs::metadata(&database).expect("a file").len() / 1024 + 64;
    let mut command = Command::new("bash");
    command
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        // The signal of the limit is ignored, so that writing fails as on a full disk.
        .args([
            "-c",
            "trap '' XFSZ; ulimit -f \"$1\"; exec \"$2\" import many.txt",
            "bash",
        ])
        .arg(kib.to_string())
        .arg(env!("CARGO_BIN_EXE_authdex"));
    let ran = Ran::from(command.output().expect("bash runs"));
    let said = ran.said(3, &["no space left", "nothing was lost"]);
    assert!(!said.err.contains("panicked"), "{}", said.err);
    let kept = count(&database).await;
    assert!((2..20_002).contains(&kept), "{kept}");
    run(folder.path(), &["import", "many.txt"]).ended(0);
    let again = run(folder.path(), &["import", "many.txt"]).ended(0);
    assert!(again.err.contains(" 0 servers are new"), "{}", again.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_from_a_newer_program_is_left_alone() {
    let folder = folder();
    let database = stocked(folder.path());
    let store = Store::open_with(
        &format!("sqlite://{}", database.display()),
        OpenOptions::default(),
    )
    .await
    .expect("it opens");
    store.close().await;
    let done = Command::new("python3")
        .args([
            "-c",
            "import sqlite3, sys\n\
             c = sqlite3.connect(sys.argv[1])\n\
             c.execute(\"INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'later', 1, x'00', 0)\")\n\
             c.commit()",
        ])
        .arg(&database)
        .status()
        .expect("python3 is needed by this test");
    assert!(done.success());
    run(folder.path(), &["crawl", "--once"]).said(2, &["newer version", "update"]);
    assert_eq!(count(&database).await, 2);
}
