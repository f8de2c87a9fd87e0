//! The cases of all checks as a corpus of labelled evidence: every case is a mutant of the
//! world in memory, and says of one check what is true. The files under `tests/corpus` are
//! written by this test when `AUTHDEX_WRITE_CORPUS` is set, and must hold every case.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::testkit::{Case, Expect};
use crate::accuracy::{Item, Truth, read_labels};
use crate::report::FindingVerdict;

fn corpus() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus")
}

fn truth(expect: &Expect) -> Truth {
    match expect {
        Expect::Pass => Truth::Said(FindingVerdict::Pass),
        Expect::Warn(_) => Truth::Said(FindingVerdict::Warn),
        Expect::Fail(_) => Truth::Said(FindingVerdict::Fail),
        Expect::Na => Truth::Said(FindingVerdict::Na),
        Expect::Inconclusive => Truth::Said(FindingVerdict::Inconclusive),
        Expect::Blocked(_) => Truth::Blocked,
    }
}

fn source(expect: &Expect) -> String {
    match expect {
        Expect::Warn(reason) | Expect::Fail(reason) => format!("case: {reason}"),
        Expect::Blocked(by) => format!("case: behind {by}"),
        Expect::Pass | Expect::Na | Expect::Inconclusive => "case".into(),
    }
}

/// The name of every case, and its label: the check and its number among the check's cases.
fn labels(cases: &[&Case]) -> Vec<(String, String)> {
    let mut numbers: BTreeMap<&str, u32> = BTreeMap::new();
    cases
        .iter()
        .map(|case| {
            let number = numbers.entry(case.check).or_default();
            *number += 1;
            let name = format!("case-{}-{number}", case.check);
            let label = format!(
                "{name}\t{}\t{}\t{}\t{}",
                case.check,
                case.revision,
                truth(&case.expect).as_str(),
                source(&case.expect)
            );
            (name, label)
        })
        .collect()
}

/// What is recorded of the cases.
fn recorded() -> Vec<Item> {
    let packed = std::fs::read(corpus().join("cases.ndjson.zst")).unwrap_or_default();
    let plain = zstd::decode_all(packed.as_slice()).unwrap_or_default();
    plain
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).expect("a recorded scan"))
        .collect()
}

#[test]
fn the_corpus_holds_every_case() {
    let cases = super::tests::cases();
    let labels = labels(&cases);
    let lines: Vec<&str> = labels.iter().map(|(_, label)| label.as_str()).collect();
    let tsv = format!(
        "# item, check, revision, label, source: mutants of the world in memory, written by `just corpus`\n{}\n",
        lines.join("\n")
    );
    let path = corpus().join("cases.tsv");
    if std::env::var_os("AUTHDEX_WRITE_CORPUS").is_some() {
        let mut plain = Vec::new();
        for (case, (name, _)) in cases.iter().zip(&labels) {
            let item = Item {
                name: name.clone(),
                evidence: (case.world)().scan(),
            };
            serde_json::to_writer(&mut plain, &item).expect("encodes");
            plain.push(b'\n');
        }
        let packed = zstd::encode_all(plain.as_slice(), 19).expect("packs");
        std::fs::write(corpus().join("cases.ndjson.zst"), packed).expect("writes");
        std::fs::write(&path, &tsv).expect("writes");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(read_labels(&written).is_ok(), "the labels can be read");
    assert!(
        written == tsv,
        "tests/corpus/cases.tsv does not hold the cases as they are now: run `just corpus`"
    );
    let recorded = recorded();
    assert_eq!(recorded.len(), labels.len());
    for (item, (name, _)) in recorded.iter().zip(&labels) {
        assert_eq!(item.name, *name);
        assert_eq!(
            item.evidence.plan,
            crate::evidence::PLAN,
            "{name} was recorded under another plan: run `just corpus`"
        );
    }
}
