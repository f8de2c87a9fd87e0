//! Evidence bundles: written by `scan`, graded and compared offline, refused when damaged.

use std::io::{Cursor, Read as _, Write as _};
use std::path::Path;

use scanner::fleet::demo;
use serde_json::Value;

use super::{Sample, mark, run, url, write};

/// Names and texts of a bundle's members.
pub(super) type Members = Vec<(String, String)>;

/// The members, in their order.
pub(super) fn unpacked(path: &Path) -> Members {
    let bytes = std::fs::read(path).expect("a bundle");
    let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).expect("a zip");
    (0..zip.len())
        .map(|number| {
            let mut file = zip.by_index(number).expect("a member");
            let mut text = String::new();
            file.read_to_string(&mut text).expect("UTF-8");
            (file.name().to_owned(), text)
        })
        .collect()
}

pub(super) fn packed(members: &[(String, String)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in members {
        zip.start_file(name, zip::write::SimpleFileOptions::default())
            .expect("a member");
        zip.write_all(text.as_bytes()).expect("written");
    }
    zip.finish().expect("a zip").into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_graded_elsewhere_gives_the_same_report() {
    let sample = Sample::start().await;
    let scanned = sample
        .scan(&["--evidence=a.zip", &url("crm")])
        .ended(0)
        .json();
    let names: Vec<String> = unpacked(&sample.path().join("a.zip"))
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names, ["manifest.json", "evidence.json", "report.json"]);
    let elsewhere = super::folder();
    std::fs::rename(
        sample.path().join("a.zip"),
        elsewhere.path().join("moved.zip"),
    )
    .or_else(|_| {
        std::fs::copy(
            sample.path().join("a.zip"),
            elsewhere.path().join("moved.zip"),
        )
        .map(|_| ())
    })
    .expect("moved");
    drop(sample);
    let mut graded = run(elsewhere.path(), &["grade", "moved.zip"])
        .ended(0)
        .json();
    assert_eq!(graded["evidence"]["bundle"], "moved.zip");
    graded["evidence"]["bundle"] = scanned["evidence"]["bundle"].clone();
    assert_eq!(graded, scanned, "the whole report, findings and ledger too");
    assert_eq!(mark(&graded), "D");
    run(elsewhere.path(), &["grade", "moved.zip", "--fail-under=C"]).ended(1);
    run(elsewhere.path(), &["grade", "moved.zip", "--fail-under=D"]).ended(0);
    // Its evidence alone is enough.
    let evidence = unpacked(&elsewhere.path().join("moved.zip")).remove(1).1;
    write(elsewhere.path(), "evidence.json", evidence);
    let alone = run(elsewhere.path(), &["grade", "evidence.json"])
        .ended(0)
        .json();
    assert_eq!(alone["grade"], scanned["grade"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_bundles_are_refused() {
    let sample = Sample::start().await;
    sample.scan(&["--evidence=a.zip", &url("crm")]).ended(0);
    let members = unpacked(&sample.path().join("a.zip"));
    let with = |change: &dyn Fn(&mut Members)| {
        let mut changed = members.clone();
        change(&mut changed);
        packed(&changed)
    };
    let whole = packed(&members);
    for (bytes, part) in [
        (
            with(&|members| members[1].1 = members[1].1.replace("crm.demo", "cms.demo")),
            "does not match the digest",
        ),
        (
            with(&|members| {
                members.remove(0);
            }),
            "manifest.json",
        ),
        (
            with(&|members| {
                members.remove(1);
            }),
            "evidence.json",
        ),
        (
            with(&|members| {
                members[0].1 = members[0].1.replace("authdex.bundle/1", "authdex.bundle/9");
            }),
            "authdex.bundle/9",
        ),
        (with(&|members| members[0].1 = "{".into()), "EOF"),
        (whole[..whole.len() / 2].to_vec(), "--evidence"),
        (b"PK\x03\x04".to_vec(), "--evidence"),
        (b"not a bundle".to_vec(), "--evidence"),
        (Vec::new(), "--evidence"),
        (b"{\"schema\":999}".to_vec(), "--evidence"),
    ] {
        write(sample.path(), "b.zip", bytes);
        let ran = run(sample.path(), &["grade", "b.zip"]).said(2, &["b.zip", part]);
        assert_eq!(ran.out, "");
        run(sample.path(), &["diff", "a.zip", "b.zip"]).said(2, &["b.zip"]);
    }
    run(sample.path(), &["grade", "/dev/zero"]).said(2, &["/dev/zero", "larger"]);
    run(sample.path(), &["grade", "."]).said(2, &["directory"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_bundles_are_compared_and_the_cause_is_named() {
    let sample = Sample::start().await;
    let servers = ["notes", "wiki", "mail"].map(url);
    let scan = |bundle: &str| {
        let evidence = format!("--evidence={bundle}");
        let mut more = vec![evidence.as_str()];
        more.extend(servers.iter().map(String::as_str));
        sample.scan(&more).ended(0);
    };
    scan("before.zip");
    scan("again.zip");
    sample.fleet.change(demo::change);
    scan("after.zip");
    let diff =
        |a: &str, b: &str, format: &str| run(sample.path(), &["diff", a, b, format]).ended(0);
    let same = diff("before-1.zip", "again-1.zip", "--format=text");
    assert!(
        same.out.contains("No observable difference"),
        "{}",
        same.out
    );
    assert_eq!(
        diff("before-1.zip", "again-1.zip", "--format=json").json()["identical"],
        Value::Bool(true)
    );
    for (number, marks, cause, check) in [
        (1, "A+ -> D", "server", "prm-resource-same-origin"),
        (2, "D -> A+", "server", "prm-"),
        (3, "C -> A", "authorization server", "pkce-advertised"),
    ] {
        let (before, after) = (
            format!("before-{number}.zip"),
            format!("after-{number}.zip"),
        );
        let ran = diff(&before, &after, "--format=text");
        for part in [marks, cause, check] {
            assert!(ran.out.contains(part), "{part}: {}", ran.out);
        }
    }
    let two = diff("before-1.zip", "before-2.zip", "--format=json");
    for host in ["notes.demo.example", "wiki.demo.example"] {
        assert!(two.err.contains(host), "{}", two.err);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_that_cannot_be_written_costs_no_report() {
    let sample = Sample::start().await;
    let ran = sample
        .scan(&["--evidence=no/such/folder/a.zip", &url("notes")])
        .said(2, &["no/such/folder/a.zip", "No such file"]);
    assert_eq!(mark(&ran.json()), "A+");
    let ran = sample
        .scan(&["--evidence=/dev/full", &url("notes")])
        .said(2, &["/dev/full", "No space left"]);
    assert_eq!(mark(&ran.json()), "A+");
}
