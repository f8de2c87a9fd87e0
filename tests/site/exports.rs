//! Exports: every form says the same, from either engine, twice the same; what is made at night
//! appears whole or not at all; and the site offers what is there.

use std::collections::BTreeSet;
use std::path::Path;

use axum::http::StatusCode;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::Field;
use scanner::rubric;
use scanner::time::Millis;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use site::SiteSettings;
use site::config::Settings;
use site::export::{Extent, Form, Kind, Wanted, nightly, write};
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};
use store::Store;
use tokio::sync::watch;

use crate::db::TestDb;
use crate::sample::DAY;
use crate::web::{self, Web, settings};

async fn exported(store: &Store, folder: &Path, extent: Extent) -> Value {
    let wanted = Wanted {
        kinds: &Kind::ALL,
        forms: &Form::ALL,
        extent,
        instance: "",
        rubric: rubric::current().version,
        now: Millis(0),
    };
    let (_running, stop) = watch::channel(false);
    let manifest = write(store, folder, &wanted, &stop, &|_| ()).await;
    manifest.expect("an export")
}

fn lines(text: &[u8]) -> Vec<Value> {
    std::str::from_utf8(text)
        .expect("UTF-8")
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect()
}

fn instant(text: &str) -> Millis {
    Millis::parse_rfc3339(text).expect("an instant")
}

/// Instants as numbers, so that no way of writing them matters.
fn comparable(kind: Kind, mut row: Value) -> Value {
    for column in kind.columns() {
        let value = &mut row[column.name];
        if column.shape == site::export::Shape::Time && value.is_string() {
            *value = json!(instant(value.as_str().expect("a text")).0);
        }
    }
    row
}

/// A Parquet file as rows, by the library's reader.
fn columns(path: &Path) -> Vec<Value> {
    let file = std::fs::File::open(path).expect("a file");
    let reader = SerializedFileReader::new(file).expect("Parquet");
    for group in reader.metadata().row_groups() {
        for column in group.columns() {
            let compression = column.compression().to_string();
            assert!(compression.starts_with("ZSTD"), "{compression}");
        }
    }
    let value = |field: &Field| match field {
        Field::Null => Value::Null,
        Field::Bool(truth) => json!(truth),
        Field::Long(number) | Field::TimestampMillis(number) => json!(number),
        Field::Double(number) => json!(number),
        Field::Str(text) => json!(text),
        Field::ListInternal(list) => list
            .elements()
            .iter()
            .map(|element| match element {
                Field::Str(text) => json!(text),
                other => panic!("{other:?} in a list"),
            })
            .collect(),
        other => panic!("{other:?} is no type of ours"),
    };
    let rows = reader.get_row_iter(None).expect("rows");
    rows.map(|row| {
        let row = row.expect("a row");
        let row: Map<String, Value> = row
            .get_column_iter()
            .map(|(name, field)| (name.clone(), value(field)))
            .collect();
        Value::Object(row)
    })
    .collect()
}

/// The same by another library, where it is there.
fn columns_elsewhere(path: &Path) -> Option<Vec<Value>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/support/read_parquet.py");
    let there = std::process::Command::new("python3")
        .args(["-c", "import pyarrow"])
        .output()
        .is_ok_and(|ran| ran.status.success());
    if !there {
        eprintln!(
            "SKIPPED: pyarrow is not installed; Parquet was read by its writer's library alone"
        );
        return None;
    }
    let ran = std::process::Command::new("python3")
        .arg(script)
        .arg(path)
        .output();
    let ran = ran.expect("python3 starts");
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}");
    Some(lines(&ran.stdout))
}

/// Row by row, so that a difference can be read.
fn same(read: &[Value], rows: &[Value]) {
    assert_eq!(read.len(), rows.len());
    for (read, row) in read.iter().zip(rows) {
        assert_eq!(read, row);
    }
}

async fn table(connection: &mut SqliteConnection, sql: String) -> i64 {
    let (n,): (i64,) = sqlx::query_as(AssertSqlSafe(sql))
        .fetch_one(connection)
        .await
        .expect("a statement that works");
    n
}

/// Every view answers, every column is described, and the rows are those of the manifest.
async fn holds_tables(path: &Path, manifest: &Value) {
    let url = format!("sqlite://{}?mode=ro", path.display());
    let mut base = SqliteConnection::connect(&url).await.expect("SQLite");
    let views: Vec<(String,)> =
        sqlx::query_as("SELECT name FROM sqlite_master WHERE type = 'view'")
            .fetch_all(&mut base)
            .await
            .expect("names");
    assert_eq!(views.len(), 7, "{views:?}");
    for (view,) in views {
        let n = table(&mut base, format!("SELECT count(*) FROM {view}")).await;
        assert!(n > 0, "{view} is empty");
    }
    let undescribed = "SELECT count(*) FROM sqlite_master m JOIN pragma_table_info(m.name) c \
        WHERE m.type = 'table' AND m.name NOT IN ('about', 'columns') AND NOT EXISTS \
        (SELECT 1 FROM columns d WHERE d.\"table\" = m.name AND d.name = c.name)";
    assert_eq!(table(&mut base, undescribed.into()).await, 0);
    let entry = entry(manifest, "authdex.sqlite");
    let tables = entry["tables"].as_array().expect("tables");
    assert_eq!(tables.len(), 4);
    for one in tables {
        let name = one["table"].as_str().expect("a name");
        let rows = table(&mut base, format!("SELECT count(*) FROM {name}")).await;
        assert_eq!(one["rows"], rows, "{name}");
    }
    // What a view says is what the servers are.
    let graded = "SELECT sum(servers) FROM letters";
    let servers = table(&mut base, "SELECT count(*) FROM servers".into()).await;
    assert_eq!(table(&mut base, graded.into()).await, servers);
    let today = "SELECT count(DISTINCT server) FROM findings_today";
    let scanned = "SELECT count(*) FROM servers WHERE scan IS NOT NULL";
    assert_eq!(
        table(&mut base, today.into()).await,
        table(&mut base, scanned.into()).await
    );
    base.close().await.expect("closed");
}

fn entry<'m>(manifest: &'m Value, file: &str) -> &'m Value {
    let files = manifest["files"].as_array().expect("files");
    let found = files.iter().find(|one| one["file"] == file);
    found.unwrap_or_else(|| panic!("{file} is not in the manifest"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_form_says_the_same() {
    let (kept, now) = web::filled().await;
    let web = Web::new(kept, now, settings());
    let folder = tempfile::tempdir().expect("a folder");
    let here = folder.path();
    let manifest = exported(&web.store, here, Extent::Full).await;
    for file in manifest["files"].as_array().expect("files") {
        let bytes =
            std::fs::read(here.join(file["file"].as_str().expect("a name"))).expect("there");
        assert_eq!(file["bytes"], bytes.len(), "{file}");
        assert_eq!(
            file["sha256"],
            format!("{:x}", Sha256::digest(&bytes)),
            "{file}"
        );
    }
    let there: BTreeSet<String> = std::fs::read_dir(here)
        .expect("a folder")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("a name")
        })
        .collect();
    assert_eq!(there.len(), 4 * 4 + 2 + 2, "{there:?}");
    for kind in Kind::ALL {
        let name = kind.as_str();
        let plain = std::fs::read(here.join(format!("{name}.ndjson"))).expect("there");
        let packed = std::fs::read(here.join(format!("{name}.ndjson.zst"))).expect("there");
        assert_eq!(zstd::decode_all(&packed[..]).expect("zstd"), plain);
        assert!(packed.len() * 2 < plain.len());
        let rows: Vec<Value> = lines(&plain);
        assert_eq!(
            entry(&manifest, &format!("{name}.ndjson"))["rows"],
            rows.len()
        );
        if kind == Kind::Evidence {
            continue;
        }
        let csv = std::fs::read_to_string(here.join(format!("{name}.csv"))).expect("there");
        assert!(
            csv.matches("\r\n").count() > rows.len(),
            "a line each and a header"
        );
        let parquet = here.join(format!("{name}.parquet"));
        let rows: Vec<Value> = rows.into_iter().map(|row| comparable(kind, row)).collect();
        assert!(!rows.is_empty());
        same(&columns(&parquet), &rows);
        if let Some(read) = columns_elsewhere(&parquet) {
            let read: Vec<Value> = read.into_iter().map(|row| comparable(kind, row)).collect();
            same(&read, &rows);
        }
    }
    holds_tables(&here.join("authdex.sqlite"), &manifest).await;

    // Of today: one stretch for each scanned server, and every server.
    let other = tempfile::tempdir().expect("a folder");
    let today = exported(&web.store, other.path(), Extent::Today).await;
    assert_eq!(today["extent"], "today");
    let findings = lines(&std::fs::read(other.path().join("findings.ndjson")).expect("there"));
    let servers = lines(&std::fs::read(other.path().join("servers.ndjson")).expect("there"));
    let shown: BTreeSet<(&str, &str)> = findings
        .iter()
        .map(|row| {
            (
                row["server"].as_str().unwrap(),
                row["last_scan"].as_str().unwrap(),
            )
        })
        .collect();
    let newest: BTreeSet<(&str, &str)> = servers
        .iter()
        .filter_map(|row| Some((row["server"].as_str()?, row["scan"].as_str()?)))
        .collect();
    assert_eq!(shown, newest);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_state_gives_the_same_bytes_on_either_engine() {
    let (kept, now) = web::filled().await;
    let web = Web::new(kept, now, settings());
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir(&path).expect("a folder");
        path
    };
    let first = exported(&web.store, &at("first"), Extent::Full).await;
    let again = exported(&web.store, &at("again"), Extent::Full).await;
    assert_eq!(first, again, "digests and all");
    let Some(postgres) = TestDb::postgres().await else {
        return;
    };
    let copy = folder.path().join("copy.db");
    web.store.backup(&copy).await.expect("a copy");
    Store::restore(&copy, &postgres.url)
        .await
        .expect("restored");
    let there = exported(&postgres.store, &at("there"), Extent::Full).await;
    assert_eq!(first, there);
    postgres.remove().await;
}

fn nightly_settings(folder: &Path) -> Settings {
    let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let folder = folder.to_str().expect("UTF-8");
    let environment = [
        variable("AUTHDEX__EXPORTS__FOLDER", folder),
        variable("AUTHDEX__EXPORTS__KEEP_DAYS", "2"),
        variable("AUTHDEX__EXPORTS__KEEP_MONTHS", "1"),
    ];
    Settings::from_layers(None, &environment).expect("usable")
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("a name")
        })
        .collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn editions_appear_whole_and_old_ones_go() {
    let (kept, now) = web::filled().await;
    let web = Web::new(kept, now, settings());
    let folder = tempfile::tempdir().expect("a folder");
    let shelf = folder.path().join("deep/shelf");
    let settings = nightly_settings(&shelf);
    let (_running, stop) = watch::channel(false);
    let night = |at: &'static str| nightly::make(&web.store, &settings, instant(at), &stop);
    let made = night("2026-11-29T05:00:00Z").await.expect("made");
    assert_eq!(made.editions, ["2026-11-29", "2026-11"]);
    let made = night("2026-11-30T05:00:00Z").await.expect("made");
    assert_eq!(
        made.editions,
        ["2026-11-30"],
        "the month has its own already"
    );
    // What a killed night left goes, and what it had put aside comes back.
    std::fs::create_dir(shelf.join(".part-2026-12-01")).expect("a folder");
    std::fs::rename(shelf.join("2026-11"), shelf.join(".old-2026-11")).expect("moved");
    std::fs::write(shelf.join("README"), "somebody's").expect("a file");
    let made = night("2026-12-01T05:00:00Z").await.expect("made");
    assert_eq!(made.editions, ["2026-12-01", "2026-12"]);
    assert_eq!(made.pruned, ["2026-11-29", "2026-11"]);
    let kept = ["2026-11-30", "2026-12", "2026-12-01", "README"];
    assert_eq!(names(&shelf), kept);

    // A night that fails leaves the last good edition, and nothing of its own.
    let manifest = shelf.join("2026-12-01/manifest.json");
    let before = std::fs::read(&manifest).expect("there");
    let (stopping, stopped) = watch::channel(true);
    let again = instant("2026-12-01T06:00:00Z");
    let error = nightly::make(&web.store, &settings, again, &stopped).await;
    assert!(error.expect_err("stopped").to_string().contains("stopped"));
    drop(stopping);
    web.store.close().await;
    nightly::make(&web.store, &settings, again, &stop)
        .await
        .expect_err("the database is gone");
    assert_eq!(names(&shelf), kept);
    assert_eq!(std::fs::read(&manifest).expect("there"), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_site_offers_what_is_there() {
    let (kept, now) = web::filled().await;
    let folder = tempfile::tempdir().expect("a folder");
    let offering = SiteSettings {
        exports: Some(folder.path().to_owned()),
        ..settings()
    };
    let web = Web::new(kept, now, offering);
    let none = web.page("/exports").await;
    assert!(none.contains("None is finished yet"), "{none}");
    assert_eq!(
        web.get("/exports/latest/servers.csv").await.status,
        StatusCode::NOT_FOUND
    );
    let (_running, stop) = watch::channel(false);
    let day = instant("2026-11-30T05:00:00Z");
    nightly::make(&web.store, &nightly_settings(folder.path()), day, &stop)
        .await
        .expect("made");
    web.clock.advance(DAY);

    let page = web.page("/exports").await;
    let listed = web.get("/api/v1/exports").await.json();
    let editions = listed["data"].as_array().expect("editions");
    assert_eq!(editions[0]["edition"], "2026-11-30");
    assert_eq!(editions[1]["edition"], "2026-11");
    assert_eq!(web.get("/exports.json").await.json(), listed);
    for edition in editions {
        assert_eq!(edition["licence"], "CC-BY-4.0");
        for file in edition["files"].as_array().expect("files") {
            let href = file["href"].as_str().expect("an address");
            assert!(page.contains(href), "{href} is not on the page");
            assert!(page.contains(file["sha256"].as_str().expect("a digest")));
            let got = web.get_with(href, "accept-encoding", "identity").await;
            assert_eq!(got.status, StatusCode::OK, "{href}");
            assert_eq!(file["sha256"], format!("{:x}", Sha256::digest(&got.body)));
            assert_eq!(got.header("content-length"), got.body.len().to_string());
            let tag = got.header("etag").to_owned();
            assert_eq!(
                tag,
                format!("\"{}\"", file["sha256"].as_str().expect("a digest"))
            );
            let again = web.get_with(href, "if-none-match", &tag).await;
            assert_eq!(
                (again.status, again.body.len()),
                (StatusCode::NOT_MODIFIED, 0)
            );
            assert_eq!(got.header("access-control-allow-origin"), "*");
        }
        let manifest = web
            .get(edition["manifest"].as_str().expect("an address"))
            .await;
        assert_eq!(manifest.json()["rubric"], edition["rubric"]);
    }
    let latest = web.get("/exports/latest/servers.csv").await;
    assert_eq!(
        latest.header("content-location"),
        "/exports/2026-11-30/servers.csv"
    );
    // A browser that can gunzip gets Parquet as it is.
    let packed = web
        .get_with("/exports/latest/servers.parquet", "accept-encoding", "gzip")
        .await;
    assert_eq!(packed.header("content-encoding"), "");
    for astray in [
        "/exports/2026-11-30/../2026-11/servers.csv",
        "/exports/%2e%2e/servers.csv",
        "/exports/2026-11-30/%2e%2e%2f2026-11%2fservers.csv",
        "/exports/2026-11-30/nothing.csv",
        "/exports/2026-10-30/servers.csv",
    ] {
        assert_eq!(
            web.get(astray).await.status,
            StatusCode::NOT_FOUND,
            "{astray}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_asked_for_it_is_left_out_at_once() {
    let (kept, now) = web::filled().await;
    let web = Web::new(kept, now, settings());
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir(&path).expect("a folder");
        path
    };
    let told = |path: &Path| {
        ["servers", "scans", "findings", "changes"].map(|kind| {
            let text = std::fs::read_to_string(path.join(format!("{kind}.ndjson")));
            text.expect("there").contains("wiki.demo.example")
        })
    };
    exported(&web.store, &at("before"), Extent::Full).await;
    assert_eq!(told(&folder.path().join("before")), [true; 4]);
    web.store
        .leave_out("wiki.demo.example", store::Way::Form, None, true, now)
        .await
        .expect("left out");
    let manifest = exported(&web.store, &at("after"), Extent::Full).await;
    assert_eq!(told(&folder.path().join("after")), [false; 4]);
    assert_eq!(entry(&manifest, "servers.csv")["left_out"], "under 10");
}
