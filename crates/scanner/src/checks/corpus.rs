//! The cases of all checks as a corpus of labelled evidence: every case is a mutant of the
//! world in memory, and says of one check what is true. The files under `tests/corpus` are
//! written by this test when `AUTHDEX_WRITE_CORPUS` is set, and must hold every case.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use sha2::{Digest, Sha256};

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

/// Every case with its evidence, equal evidence once.
fn items(cases: &[&Case]) -> (BTreeMap<String, Item>, BTreeSet<String>) {
    let mut items = BTreeMap::new();
    let mut labels = BTreeSet::new();
    for case in cases {
        let evidence = (case.world)().scan();
        let bytes = evidence.encode().expect("encodes");
        let digest: String = Sha256::digest(&bytes)
            .iter()
            .take(6)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let name = format!("case-{digest}");
        labels.insert(format!(
            "{name}\t{}\t{}\t{}\t{}",
            case.check,
            case.revision,
            truth(&case.expect).as_str(),
            source(&case.expect)
        ));
        items.entry(name.clone()).or_insert(Item { name, evidence });
    }
    (items, labels)
}

#[test]
fn the_corpus_holds_every_case() {
    let cases = super::tests::cases();
    let (items, labels) = items(&cases);
    let tsv = format!(
        "# item, check, revision, label, source: mutants of the world in memory, written by `just corpus`\n{}\n",
        labels.into_iter().collect::<Vec<_>>().join("\n")
    );
    let path = corpus().join("cases.tsv");
    if std::env::var_os("AUTHDEX_WRITE_CORPUS").is_some() {
        let mut plain = Vec::new();
        for item in items.values() {
            serde_json::to_writer(&mut plain, item).expect("encodes");
            plain.push(b'\n');
        }
        let packed = zstd::encode_all(plain.as_slice(), 19).expect("packs");
        std::fs::write(corpus().join("cases.ndjson.zst"), packed).expect("writes");
        std::fs::write(&path, &tsv).expect("writes");
    }
    let recorded = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(read_labels(&recorded).is_ok(), "the labels can be read");
    assert!(
        recorded == tsv,
        "tests/corpus/cases.tsv does not hold the cases as they are now: run `just corpus`"
    );
}
