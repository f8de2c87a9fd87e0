//! Rules of the house that are neither types nor lints: they are read off the files.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Lines of a source file.
const LONGEST: usize = 600;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .expect("the repository")
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Files below a folder with one of these endings, as paths from the root, sorted.
fn files(below: &str, endings: &[&str]) -> Vec<String> {
    fn walk(folder: &Path, out: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                let built = ["node_modules", "target", ".venv"];
                if path
                    .file_name()
                    .is_some_and(|name| built.iter().all(|one| name != *one))
                {
                    walk(&path, out);
                }
            } else {
                out.push(path);
            }
        }
    }
    let root = root();
    let mut out = Vec::new();
    walk(&root.join(below), &mut out);
    let mut names: Vec<String> = out
        .into_iter()
        .filter_map(|path| {
            let name = path.strip_prefix(&root).ok()?.to_str()?.to_owned();
            endings
                .iter()
                .any(|ending| name.ends_with(ending))
                .then_some(name)
        })
        .collect();
    names.sort();
    assert!(!names.is_empty(), "nothing below {below}");
    names
}

/// Every line of these files that holds one of these words.
fn lines_with(files: &[String], words: &[&str]) -> Vec<String> {
    let mut out = Vec::new();
    for file in files {
        for (number, line) in (1..).zip(read(file).lines()) {
            if words.iter().any(|word| line.contains(word)) {
                out.push(format!("{file}:{number}: {}", line.trim()));
            }
        }
    }
    out
}

fn program(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_authdex"))
        .args(arguments)
        .env_clear()
        .output()
        .expect("the program starts");
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn there_are_three_crates_and_they_point_one_way() {
    let crates: BTreeSet<String> = std::fs::read_dir(root().join("crates"))
        .expect("a folder")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    assert_eq!(Vec::from_iter(crates), ["scanner", "site", "store"]);
    let names = |name: &str, other: &str| {
        read(format!("crates/{name}/Cargo.toml"))
            .lines()
            .any(|line| {
                line.starts_with(&format!("{other}.")) || line.starts_with(&format!("{other} "))
            })
    };
    assert!(names("store", "scanner") && names("site", "store"));
    for (name, other) in [("scanner", "store"), ("scanner", "site"), ("store", "site")] {
        assert!(!names(name, other), "{name} depends on {other}");
    }
    assert!(!read("Cargo.toml").contains("default-members ="));
}

/// A file that no suite names would never run, and nobody would notice.
#[test]
fn every_test_file_is_compiled() {
    let named = |parent: &str, child: &str| {
        let text = read(parent);
        text.contains(&format!("mod {child};")) || text.contains(&format!("mod {child} "))
    };
    let mains: Vec<String> = files("tests", &["/main.rs"]);
    let suites: String = mains.iter().map(read).collect();
    for file in files("tests", &[".rs"]) {
        let path = Path::new(&file);
        let stem = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .expect("a name");
        let folder = path.parent().and_then(Path::to_str).expect("a folder");
        if stem == "main" {
            let listed = files("crates", &["Cargo.toml"])
                .iter()
                .any(|manifest| read(manifest).contains(&format!("path = \"../../{file}\"")));
            assert!(listed, "no crate names {file} as a suite");
        } else if folder.starts_with("tests/support") {
            assert!(
                suites.contains(&format!("#[path = \"../support/{stem}.rs\"]")),
                "no suite names {file}"
            );
        } else if folder.starts_with("tests/fuzz") {
            let inside = file.trim_start_matches("tests/fuzz/");
            assert!(
                read("tests/fuzz/Cargo.toml").contains(&format!("path = \"{inside}\"")),
                "the fuzz package does not name {file}"
            );
        } else if folder.starts_with("tests/bench") {
            let benches = files("crates", &["Cargo.toml", ".rs"]);
            let listed = benches
                .iter()
                .filter(|file| file.ends_with("Cargo.toml") || file.contains("/benches/"))
                .any(|from| read(from).contains(&file));
            assert!(listed, "no crate names {file} as a benchmark");
        } else {
            let main = format!("{folder}/main.rs");
            let parent = format!("{folder}.rs");
            let known = [main, parent]
                .into_iter()
                .filter(|parent| root().join(parent).is_file())
                .any(|parent| named(&parent, stem));
            assert!(known, "nothing names {file}");
        }
    }
    assert_eq!(
        lines_with(&files("tests", &[".rs"]), &[concat!("#[", "ignore")]),
        [""; 0]
    );
}

#[test]
fn every_method_of_the_store_is_in_its_contract() {
    let contract: String = files("tests/store", &[".rs"]).iter().map(read).collect();
    let mut methods = BTreeSet::new();
    for file in files("crates/store/src", &[".rs"]) {
        let text = read(&file);
        let mut ours = false;
        for line in text.lines() {
            if line.starts_with("impl") {
                ours = line.starts_with("impl Store ");
            }
            if let Some(rest) = line.strip_prefix("    pub async fn ")
                && ours
            {
                let name = rest.split(['(', '<']).next().unwrap_or_default();
                methods.insert(name.to_owned());
            }
        }
    }
    assert!(methods.len() > 25, "{methods:?}");
    let missing: Vec<&String> = methods
        .iter()
        .filter(|name| {
            !contract.contains(&format!(".{name}(")) && !contract.contains(&format!("::{name}("))
        })
        .collect();
    assert!(missing.is_empty(), "not in tests/store: {missing:?}");
}

#[test]
fn migrations_come_in_pairs_and_are_embedded() {
    let names = |engine: &str| -> Vec<String> {
        files(&format!("migrations/{engine}"), &[".sql"])
            .into_iter()
            .filter_map(|file| Some(file.rsplit_once('/')?.1.to_owned()))
            .collect()
    };
    let sqlite = names("sqlite");
    assert_eq!(sqlite, names("postgres"));
    let schema = read("crates/store/src/schema.rs");
    for (number, name) in (1..).zip(&sqlite) {
        assert!(
            name.starts_with(&format!("{number:04}_")),
            "{name} leaves a gap"
        );
        for engine in ["sqlite", "postgres"] {
            assert!(
                schema.contains(&format!("migrations/{engine}/{name}\"")),
                "{engine}/{name} is not embedded"
            );
        }
    }
}

#[test]
fn the_catalogue_in_the_documentation_is_fresh() {
    let fresh = program(&["checks", "--format", "markdown"]);
    assert!(
        read("docs/checks.md") == fresh,
        "run `authdex checks --format markdown > docs/checks.md`"
    );
}

/// The catalogue as a table, where it lies beside the repository.
#[test]
fn the_catalogue_is_the_agreed_one() {
    let path = root().join("../shared/spec/checks.tsv");
    let Ok(table) = std::fs::read_to_string(&path) else {
        eprintln!("skipped: {} is not here", path.display());
        return;
    };
    let ours: Value =
        serde_json::from_str(&program(&["checks", "--format", "json"])).expect("JSON");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let ours: Vec<[String; 5]> = ours
        .as_array()
        .expect("a list")
        .iter()
        .map(|check| {
            let party: Vec<String> = check["party"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|party| match party.as_str() {
                    Some("server") => "MCP server".to_owned(),
                    _ => text(party).replace('_', " "),
                })
                .collect();
            [
                text(&check["id"]),
                text(&check["level"]),
                party.join(", "),
                text(&check["class"]),
                text(&check["severity"]),
            ]
        })
        .collect();
    let agreed: Vec<[String; 5]> = table
        .lines()
        .skip(1)
        .map(|line| {
            let fields: Vec<&str> = line.split('\t').collect();
            [0, 2, 3, 4, 5].map(|field| fields[field].to_owned())
        })
        .collect();
    assert_eq!(agreed.len(), 139);
    for (ours, agreed) in ours.iter().zip(&agreed) {
        assert_eq!(ours, agreed);
    }
    assert_eq!(ours.len(), agreed.len());
}

#[test]
fn every_key_of_the_configuration_is_a_setting() {
    let settings = read("crates/site/src/config.rs") + &read("crates/site/src/config/sections.rs");
    // Where settings are checked is not where they take effect.
    let used: String = files("crates/site/src", &[".rs"])
        .iter()
        .filter(|file| !file.contains("config/limits") && !file.contains("config/tests"))
        .map(read)
        .collect();
    let mut keys = 0;
    for line in read("config/default.toml").lines() {
        let Some((key, _)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) else {
            continue;
        };
        keys += 1;
        assert!(settings.contains(&format!("pub {key}: ")), "{key}");
        // A key that nothing reads would be a promise that nobody keeps.
        assert!(used.contains(&format!(".{key}")), "{key} has no effect");
    }
    assert!(keys > 50, "{keys}");
}

/// Text of strangers is escaped, and the content security policy needs no exception.
#[test]
fn templates_escape_everything_and_run_nothing() {
    let templates = files("web", &[".html", ".svg", ".xml", ".txt", ".css"]);
    let found = lines_with(
        &templates,
        &[
            "|safe",
            "| safe",
            "|escape(\"none\")",
            "<script",
            "style=\"",
            "style='",
            "javascript:",
            " onclick",
            " onload",
            "@import",
            "<iframe",
            "<base",
        ],
    );
    assert_eq!(found, [""; 0]);
}

/// A visitor's request never makes one of ours.
#[test]
fn pages_and_api_reach_no_client() {
    let mut files = files("crates/site/src/pages", &[".rs"]);
    files.extend(self::files("crates/site/src/api", &[".rs"]));
    files.extend(self::files("crates/site/src/view", &[".rs"]));
    for one in [
        "routes", "layers", "compare", "twin", "visit", "wish", "view",
    ] {
        files.push(format!("crates/site/src/{one}.rs"));
    }
    let doors = [
        "reqwest",
        "scanner::net",
        "NetScanner",
        "TcpStream",
        "lookup_host",
        "UdpSocket",
        "crate::scanning",
    ];
    assert_eq!(lines_with(&files, &doors), [""; 0]);
    let store = self::files("crates/store/src", &[".rs"]);
    assert_eq!(lines_with(&store, &doors), [""; 0]);
    assert!(!read("crates/store/Cargo.toml").contains("\"net\""));
}

/// Time is passed in; it is read in one place, and measured in one module.
#[test]
fn the_clock_is_read_where_it_may_be() {
    let mut found = lines_with(
        &files("crates", &[".rs"]),
        &[
            "SystemTime::now",
            "Instant::now",
            "Utc::now",
            "Local::now",
            "now_v7",
            "now_utc",
        ],
    );
    found.retain(|line| {
        ![
            "crates/scanner/src/time.rs:",
            "crates/scanner/src/net/mod.rs:",
        ]
        .iter()
        .any(|place| line.starts_with(place))
            && !line.contains("/benches/")
            && !line.contains("/examples/")
    });
    assert_eq!(found, [""; 0]);
    let mut clocks = lines_with(&files("crates", &[".rs"]), &["SystemClock"]);
    clocks.retain(|line| {
        ![
            "crates/scanner/src/time.rs:",
            "crates/scanner/src/net/",
            // Sample authorization servers have a clock of their own.
            "crates/scanner/src/fleet/tokens.rs:",
            "crates/site/src/cli/",
            "crates/site/src/halting.rs:",
            "crates/site/src/jobs.rs:",
            "crates/site/src/sourcing.rs:",
            "crates/site/src/worker.rs:",
            "crates/site/src/scanning.rs:",
        ]
        .iter()
        .any(|place| line.starts_with(place))
            && !line.contains("/benches/")
            && !line.contains("/examples/")
    });
    assert_eq!(clocks, [""; 0]);
}

/// What is to be said on standard output and standard error goes through two functions, which
/// survive a reader that goes away.
#[test]
fn nothing_prints_past_the_two_doors() {
    let found = lines_with(
        &files("crates/site/src", &[".rs"]),
        &["println!(", " print!(", "eprint!(", "dbg!("],
    );
    let found: Vec<String> = found
        .into_iter()
        .filter(|line| !line.contains("skipped: "))
        .collect();
    assert_eq!(found, [""; 0]);
}

/// A file that is longer than this is about more than one thing.
#[test]
fn files_stay_short() {
    for file in files("crates", &[".rs"]) {
        let lines = read(&file).lines().count();
        assert!(
            lines <= LONGEST,
            "{file} has {lines} lines; split it by subject"
        );
    }
}

/// What is built here speaks of itself: no place of a developer's machine is written down.
#[test]
fn no_place_of_a_machine_is_written_down() {
    let mut all = files("crates", &[".rs", ".toml"]);
    for (below, endings) in [
        ("docs", &[".md"][..]),
        ("config", &[".toml"]),
        ("web", &[".html", ".css"]),
        ("migrations", &[".sql"]),
    ] {
        all.extend(files(below, endings));
    }
    let words = [concat!("/wo", "rk/"), concat!("/ro", "ot/")];
    assert_eq!(lines_with(&all, &words), [""; 0]);
}
