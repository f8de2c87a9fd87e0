//! What the fuzz targets start from and what they once found, given to the same readers: so
//! that a fault that was found stays found, without a fuzzer.

use std::path::{Path, PathBuf};

use crate::readers::READERS;

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn every_seed_and_every_finding_is_read_as_promised() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz");
    for (name, reader) in READERS {
        let mut inputs = files(&fuzz.join("corpus").join(name));
        assert!(!inputs.is_empty(), "no seeds for {name}");
        inputs.extend(files(&fuzz.join("regressions").join(name)));
        for input in inputs {
            let bytes = std::fs::read(&input).unwrap();
            let held = std::panic::catch_unwind(|| reader(&bytes));
            assert!(held.is_ok(), "{}", input.display());
            // What is cut off anywhere is as hostile as the whole.
            reader(&bytes[..bytes.len() / 2]);
        }
        reader(&[]);
    }
}

#[test]
fn every_reader_has_a_fuzz_target() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz");
    let manifest = std::fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
    for (name, _) in READERS {
        let target = std::fs::read_to_string(fuzz.join(format!("targets/{name}.rs"))).unwrap();
        assert!(
            target.contains(&format!("try_one(\"{name}\", bytes)")),
            "{name}"
        );
        assert!(
            manifest.contains(&format!("path = \"targets/{name}.rs\"")),
            "{name}"
        );
    }
    // The reader of bundles belongs to the program, so its target stands beside the others.
    assert_eq!(files(&fuzz.join("targets")).len(), READERS.len() + 1);
}
