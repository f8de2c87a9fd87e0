//! The corpus of labelled evidence: no verdict changes unnoticed, the published table is the
//! one that comes out, and a check that errs does not cap.

use std::path::{Path, PathBuf};
use std::process::Command;

use scanner::checks;
use scanner::rubric;
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn accuracy(options: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_authdex"))
        .arg("accuracy")
        .arg("tests/corpus")
        .args(options)
        .current_dir(root())
        .output()
        .expect("runs");
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn verdicts_on_known_evidence_do_not_change_under_one_rubric_and_the_page_is_true() {
    let table = accuracy(&["--check", "--format", "markdown"]);
    let page = std::fs::read_to_string(root().join("docs/accuracy.md")).expect("the page");
    let head = std::fs::read_to_string(root().join("docs/accuracy.head.md")).expect("its head");
    assert!(
        page == format!("{head}{table}"),
        "docs/accuracy.md is not what the corpus gives: run `just corpus`"
    );
}

#[test]
fn every_check_is_measured_and_those_that_err_do_not_cap() {
    let result: Value = serde_json::from_str(&accuracy(&["--format", "json"])).expect("JSON");
    let rows = result["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), checks::all().count());
    for row in rows {
        let id = row["check"].as_str().expect("an id");
        assert!(row["labels"].as_u64() > Some(0), "{id} has no label");
        let share = &row["fail_precision"];
        let (part, of) = (share["part"].as_u64(), share["of"].as_u64());
        let (part, of) = (part.expect("a number"), of.expect("a number"));
        assert!(
            part * 100 >= of * 99 || rubric::UNPROVEN.contains(&id),
            "{id}: {part} of {of} failures are true; it may not cap: add it to UNPROVEN"
        );
    }
}

#[test]
fn a_changed_verdict_is_named_and_not_written_over() {
    let folder = tempfile::tempdir().expect("a folder");
    for entry in std::fs::read_dir(root().join("tests/corpus")).expect("the corpus") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            let name = path.file_name().expect("a name");
            std::fs::copy(&path, folder.path().join(name)).expect("copies");
        }
    }
    let rows = folder
        .path()
        .join(format!("verdicts-{}.rows", rubric::current().version));
    let text = std::fs::read_to_string(&rows).expect("rows");
    let flipped = text.replacen("\tp", "\tF", 1).replacen("\t-", "\tF", 1);
    assert_ne!(text, flipped);
    std::fs::write(&rows, &flipped).expect("writes");
    for option in ["--check", "--write"] {
        let output = Command::new(env!("CARGO_BIN_EXE_authdex"))
            .arg("accuracy")
            .arg(folder.path())
            .arg(option)
            .output()
            .expect("runs");
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("was F, is"), "{said}");
        assert!(said.contains("needs a new rubric version"), "{said}");
    }
    assert_eq!(std::fs::read_to_string(&rows).expect("rows"), flipped);
}

#[test]
fn a_broken_corpus_is_named_with_its_line() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(
        folder.path().join("a.tsv"),
        "# comment\nitem\tno-such-check\t2026-07-28\tpass\tnowhere\n",
    )
    .expect("writes");
    let output = Command::new(env!("CARGO_BIN_EXE_authdex"))
        .arg("accuracy")
        .arg(folder.path())
        .output()
        .expect("runs");
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains("line 2: there is no check `no-such-check`"),
        "{said}"
    );
}
