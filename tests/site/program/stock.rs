//! `import`: every row of every format counted, bad rows named and left out, nothing stored
//! twice.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde_json::Value;
use store::{Page, Store, TargetFilter};

use super::{authdex, folder, run, write};

/// The database that the defaults make.
const DATABASE: &str = "data/authdex.db";

/// URLs that are kept.
async fn kept(folder: &Path) -> Vec<String> {
    let url = format!("sqlite://{}", folder.join(DATABASE).display());
    let store = Store::open(&url).await.expect("it opens");
    let page = store
        .servers(&TargetFilter::default(), &Page::first(100))
        .await
        .expect("a list");
    store.close().await;
    let mut urls: Vec<String> = page.rows.into_iter().map(|row| row.url).collect();
    urls.sort();
    urls
}

/// The number before a word of the summary.
#[track_caller]
fn number(text: &str, before: &str) -> u64 {
    let line = text
        .lines()
        .find(|line| line.contains(before))
        .unwrap_or_else(|| panic!("no line with `{before}` in:\n{text}"));
    let at = line.find(before).expect("found above");
    line[..at]
        .split_whitespace()
        .last()
        .and_then(|word| word.parse().ok())
        .unwrap_or_else(|| panic!("no number before `{before}` in: {line}"))
}

const DUMP: &str = r#"{"servers":[
 {"server":{"name":"com.example/notes","version":"1.0.0","remotes":[{"type":"streamable-http","url":"https://notes.example.com/mcp"}]},
  "_meta":{"io.modelcontextprotocol.registry/official":{"isLatest":true,"status":"active"}}},
 {"server":{"name":"com.example/broken","remotes":[{"url":"https://broken.example.com/mcp"},,]}},
 {"server":{"name":"com.example/old","version":"0.9.0","remotes":[{"url":"https://old.example.com/mcp"}]},
  "_meta":{"io.modelcontextprotocol.registry/official":{"isLatest":false}}},
 {"server":{"name":"com.example/package","packages":[{"identifier":"x"}]}},
 {"server":{"name":"com.example/tenant","remotes":[{"url":"https://{tenant}.example.com/mcp"}]}},
 {"server":{"name":"com.example/tunnel","remotes":[{"url":"https://abc.ngrok-free.app/mcp"}]}},
 {"server":{"name":"com.example/secret","remotes":[{"url":"https://s.example.com/mcp?api_key=canary-0815"}]}},
 {"server":{"name":"com.example/home","remotes":[{"url":"https://127.0.0.1:8000/mcp"}]}},
 {"server":{"name":"com.example/mail","remotes":[{"url":"https://mail.example.com/mcp"}]}}
],"metadata":{"count":9}}"#;

#[tokio::test]
async fn a_corrupt_row_takes_no_other_with_it() {
    let folder = folder();
    write(folder.path(), "dump.json", DUMP);
    let dry = run(folder.path(), &["import", "--dry-run", "dump.json"]).ended(0);
    assert!(
        !folder.path().join("data").exists(),
        "--dry-run stores nothing"
    );
    assert!(dry.err.contains("nothing was stored"));
    let ran = run(folder.path(), &["import", "--refused", "dump.json"]).ended(0);
    assert_eq!(number(&ran.err, " servers that may be asked"), 2);
    assert_eq!(number(&ran.err, " servers are new"), 2);
    assert_eq!(number(&ran.err, " rows without a remote server"), 2);
    assert_eq!(number(&ran.err, " rows refused"), 5);
    for code in [
        "invalid",
        "template",
        "ephemeral",
        "credential_in_url",
        "not_public",
    ] {
        assert_eq!(number(&ran.err, &format!(" {code}: ")), 1, "{}", ran.err);
    }
    let refused: Vec<&str> = ran.out.lines().collect();
    assert_eq!(refused[0], "row,code,why,url");
    assert_eq!(refused.len(), 6);
    assert!(refused[1].starts_with("2,invalid,"), "{}", refused[1]);
    assert!(!ran.out.contains("canary") && !ran.err.contains("canary"));
    let urls = [
        "https://mail.example.com/mcp",
        "https://notes.example.com/mcp",
    ];
    assert_eq!(kept(folder.path()).await, urls);
    let again = run(folder.path(), &["import", "dump.json"]).ended(0);
    assert_eq!(number(&again.err, " servers are new"), 0);
    assert_eq!(number(&again.err, " are new or changed"), 0);
    assert_eq!(number(&again.err, " as before"), 2);
    assert_eq!(kept(folder.path()).await, urls);
}

#[tokio::test]
async fn tables_lists_and_configurations_are_told_apart() {
    let folder = folder();
    write(
        folder.path(),
        "table.csv",
        "name,url,transport\nOne,https://one.example.com/mcp,streamable-http\n\
         \"Two, the second\",https://two.example.com/mcp,sse\nBad,\"not closed\n",
    );
    write(
        folder.path(),
        "list.txt",
        "# ours\nhttps://three.example.com/mcp\n\nhttps://one.example.com/mcp # also in the table\nnonsense\n",
    );
    write(
        folder.path(),
        ".mcp.json",
        "{ // comment\n \"mcpServers\": { \"four\": { \"url\": \"https://four.example.com/mcp\", \
         \"headers\": { \"Authorization\": \"Bearer canary-0815\" } }, \"local\": { \"command\": \"npx\" }, } }",
    );
    let ran = run(
        folder.path(),
        &["import", "table.csv", "list.txt", ".mcp.json"],
    )
    .ended(0);
    assert!(!ran.err.contains("canary"));
    assert_eq!(
        kept(folder.path()).await,
        ["four", "one", "three", "two"].map(|name| format!("https://{name}.example.com/mcp"))
    );
    let database = std::fs::read(folder.path().join(DATABASE)).expect("a database");
    let canary = b"canary-0815";
    assert!(
        !database.windows(canary.len()).any(|bytes| bytes == canary),
        "listed credentials are not stored"
    );
    // A source that is not there keeps the others out no more than a bad row does.
    let ran = run(folder.path(), &["import", "none.csv", "list.txt"]).ended(2);
    assert!(ran.err.contains("source none.csv: No such file"));
    assert!(ran.err.contains("list.txt, read as plain list\n"));
    let ran = run(folder.path(), &["import", "--kind=dump", "list.txt"]).ended(2);
    assert!(ran.err.contains("no `servers` array"), "{}", ran.err);
    let mut command = authdex(folder.path());
    command
        .args(["import", "-"])
        .stdin(std::fs::File::open(folder.path().join("list.txt")).expect("a file"));
    let ran = super::Ran::from(command.output().expect("it starts")).ended(0);
    assert_eq!(number(&ran.err, " servers that may be asked"), 2);
}

/// A real dump and a real table, where they lie beside the repository.
fn real(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/data")
        .join(name);
    if path.exists() {
        return Some(path.canonicalize().expect("a path"));
    }
    eprintln!("skipped: {} is not here", path.display());
    None
}

/// Imports a file twice, says how long it took, and returns the first summary.
#[expect(
    clippy::disallowed_methods,
    reason = "how long an import takes is told, not judged"
)]
fn twice(path: &Path) -> String {
    let folder = folder();
    let source = path.display().to_string();
    let begun = std::time::Instant::now();
    let first = run(folder.path(), &["import", &source]).ended(0);
    eprintln!("{source}: imported in {:?}", begun.elapsed());
    let second = run(folder.path(), &["import", &source]).ended(0);
    assert_eq!(number(&second.err, " servers are new"), 0);
    assert_eq!(number(&second.err, " are new or changed"), 0);
    first.err
}

#[test]
fn a_real_dump_is_counted() {
    let Some(path) = real("registry-v0.1-servers-2025-12-18.json") else {
        return;
    };
    let text = std::fs::read_to_string(&path).expect("readable");
    let dump: Value = serde_json::from_str(&text).expect("JSON");
    let rows = dump["servers"].as_array().expect("rows");
    assert_eq!(rows.len(), 2794);
    let remotes = |row: &Value| -> Vec<String> {
        row["server"]["remotes"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|remote| remote["url"].as_str().map(str::to_owned))
            .collect()
    };
    let with = rows.iter().filter(|row| !remotes(row).is_empty()).count();
    assert_eq!(with, 1000);
    let official = "io.modelcontextprotocol.registry/official";
    let newest: Vec<&Value> = rows
        .iter()
        .filter(|row| row["_meta"][official]["isLatest"] == true && !remotes(row).is_empty())
        .collect();
    let urls: HashSet<String> = newest.iter().flat_map(|row| remotes(row)).collect();
    let said = twice(&path);
    let refused = number(&said, " rows refused");
    assert_eq!(
        number(&said, " servers that may be asked") + refused,
        urls.len() as u64
    );
    assert_eq!(
        number(&said, " rows without a remote server"),
        (rows.len() - newest.len()) as u64
    );
}

#[test]
fn a_real_table_is_counted() {
    let Some(path) = real("registry-remotes-2026-07-28.csv") else {
        return;
    };
    let said = twice(&path);
    let listings = said
        .lines()
        .find_map(|line| line.split_once(" servers that may be asked, in "))
        .and_then(|(_, rest)| rest.split(' ').next()?.parse::<u64>().ok())
        .expect("a number of listings");
    assert_eq!(listings + number(&said, " rows refused"), 10_542);
    assert_eq!(number(&said, " template: "), 171);
}

/// The form of a file is told by its content, and what a whole file lacks is gone, unless it is
/// suddenly too much.
#[test]
fn forms_are_told_and_whole_files_take_away() {
    let folder = tempfile::tempdir().expect("a folder");
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/sources");
    let sample = |name: &str| samples.join(name).display().to_string();
    let said = |name: &str, form: &str| {
        let ran = run(folder.path(), &["import", "--dry-run", &sample(name)]).ended(0);
        assert!(ran.err.contains(&format!("read as {form}")), "{}", ran.err);
    };
    said("docker-catalogue.yaml", "Docker MCP catalogue");
    said("awesome-list.md", "Markdown tables");
    said(
        "vscode-mcp.json",
        "client configuration (servers: mcp.json of VS Code)",
    );
    said("codex.toml", "client configuration in TOML");

    let write = |range: std::ops::Range<u32>| {
        let lines: Vec<String> = range
            .map(|n| format!("https://s{n}.example.com/mcp"))
            .collect();
        std::fs::write(folder.path().join("list.txt"), lines.join("\n")).expect("written");
    };
    let import = |more: &[&str]| {
        let arguments = [&["import", "list.txt"], more].concat();
        run(folder.path(), &arguments).ended(0).err
    };
    write(0..10);
    import(&["--complete"]);
    write(1..10);
    let err = import(&[]);
    assert!(!err.contains("gone"), "{err}");
    let err = import(&["--complete"]);
    assert!(err.contains("1 listings are gone"), "{err}");
    write(8..10);
    let err = import(&["--complete"]);
    assert!(err.contains("7 of 9 listings are missing"), "{err}");
    let err = import(&["--complete", "--believe"]);
    assert!(err.contains("7 listings are gone"), "{err}");
}
