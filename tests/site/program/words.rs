//! Help and the commands that only print: what a newcomer reads first.

use super::{authdex, folder, run};

const COMMANDS: [&str; 12] = [
    "serve", "scan", "crawl", "import", "grade", "diff", "checks", "explain", "demo", "config",
    "migrate", "health",
];

#[test]
fn help_names_every_command_and_every_exit_code() {
    let folder = folder();
    let ran = run(folder.path(), &["--help"]).ended(0);
    for command in COMMANDS {
        assert!(ran.out.contains(&format!("\n  {command} ")), "{command}");
    }
    for code in 0..=4 {
        assert!(ran.out.contains(&format!("\n  {code}  ")), "{code}");
    }
    assert!(ran.out.contains("authdex demo"));
    assert_eq!(ran.err, "");
    let bare = run::<&str>(folder.path(), &[]).ended(2);
    assert!(bare.err.contains("Usage: authdex"));
}

#[test]
fn help_of_every_command_fits_a_terminal_and_explains_every_option() {
    let folder = folder();
    for command in COMMANDS {
        let ran = run(folder.path(), &[command, "--help"]).ended(0);
        assert_eq!(ran.err, "", "{command}");
        for line in ran.out.lines() {
            assert!(line.chars().count() <= 100, "{command}: {line}");
        }
        let lines: Vec<&str> = ran.out.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            let line = line.trim_start();
            if !line.starts_with('-') || line.starts_with("- ") {
                continue;
            }
            let beside = line.contains("  ");
            let below = lines
                .get(number + 1)
                .is_some_and(|next| next.starts_with("          "));
            assert!(beside || below, "{command}: no word about {line}");
        }
    }
}

#[test]
fn the_version_is_that_of_the_package() {
    let ran = run(folder().path(), &["--version"]).ended(0);
    assert_eq!(
        ran.out.trim(),
        format!("authdex {}", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn a_mistake_is_one_line_with_what_to_do() {
    let folder = folder();
    for (arguments, parts) in [
        (
            &["scan", "--formt", "json", "https://a.example/mcp"][..],
            &["'--formt'", "'--format'", "`authdex scan --help`"][..],
        ),
        (
            &["scan", "--format", "yaml", "https://a.example/mcp"],
            &["'yaml'", "text, json"],
        ),
        (
            &["scan", "--fail-under", "G", "https://a.example/mcp"],
            &["'G'", "A+, A, B, C, D, E, F"],
        ),
        (
            &["scan", "--fail-on", "bad", "https://a.example/mcp"],
            &["'bad'", "info, low, medium, high, critical"],
        ),
        (
            &["scan", "--revision", "2024", "https://a.example/mcp"],
            &["'2024'", "2026-07-28, claimed"],
        ),
        (
            &["scan", "--rate", "0", "https://a.example/mcp"],
            &["'0'", "1..=1000"],
        ),
        (
            &["scan", "--rate", "20", "https://a.example/mcp"],
            &["--rate 20", "--owned"],
        ),
        (
            &["scan", "--depth", "consented", "https://a.example/mcp"],
            &["--depth consented", "a.example", "--owned HOST"],
        ),
        (&["scan"], &["URL", "`authdex scan --help`"]),
        (&["scna"], &["'scna'", "'scan'"]),
        (&["crawl"], &["--once"]),
        (&["import"], &["SOURCE"]),
        (
            &["scan", "--connect-to", "a:b", "https://a.example/mcp"],
            &["`a:b`", "HOST1:PORT1:HOST2:PORT2"],
        ),
        (
            &["scan", "--ca-bundle", "none.pem", "https://a.example/mcp"],
            &["--ca-bundle none.pem", "No such file"],
        ),
        (
            &["scan", "--allow-address", "here", "https://a.example/mcp"],
            &["--allow-address", "`here`"],
        ),
        (
            &["scan", "--header", "X-Key", "https://a.example/mcp"],
            &["--header", "`Name: value`"],
        ),
        (
            &[
                "scan",
                "--header",
                "X-Key: @env:NOT_SET",
                "https://a.example/mcp",
            ],
            &["--header X-Key", "NOT_SET"],
        ),
        (
            &["scan", "--targets", "none.txt"],
            &["none.txt", "No such file"],
        ),
        (&["explain", "pkce"], &["`pkce`", "pkce-advertised"]),
        (
            &["checks", "--area", "weather"],
            &["`weather`", "challenge"],
        ),
        (&["grade", "none.zip"], &["none.zip", "No such file"]),
        (
            &["grade", "--rubric", "1999.1", "none.zip"],
            &["`1999.1`", "it has"],
        ),
        (&["diff", "a.zip", "b.zip"], &["a.zip", "No such file"]),
        (
            &["health", "https://a.example/readyz"],
            &["plain http", "this machine"],
        ),
        (
            &["serve", "--source", "nowhere"],
            &["`nowhere`", "registry"],
        ),
        (&["demo", "--listen", "here"], &["here", "--listen"]),
    ] {
        let ran = run(folder.path(), arguments).said(2, parts);
        assert_eq!(ran.err.lines().count(), 1, "{arguments:?}: {}", ran.err);
        assert_eq!(ran.out, "", "{arguments:?}");
    }
}

#[test]
fn the_catalogue_is_listed_and_explained() {
    let folder = folder();
    let list = run(folder.path(), &["checks"]).ended(0);
    assert_eq!(list.out.lines().count(), 139);
    let one = run(folder.path(), &["explain", "pkce-advertised"]).ended(0);
    for word in ["why ", "fix ", "traps ", "RFC 8414 §2", "in force"] {
        assert!(one.out.contains(word), "{word}");
    }
    let area = run(
        folder.path(),
        &["checks", "--area", "pkce", "--format=json"],
    )
    .ended(0);
    let area = area.json();
    assert!(area.as_array().is_some_and(|rows| rows.len() < 139));
    assert_eq!(area[0]["area"], "pkce");
}

/// A reader that wants only the beginning is no fault of ours.
#[test]
fn a_reader_that_goes_away_is_no_error() {
    let folder = folder();
    let mut command = authdex(folder.path());
    command
        .args(["checks", "--format", "json"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    drop(child.stdout.take());
    let ran = super::Ran::from(child.wait_with_output().expect("it ends")).ended(0);
    assert!(!ran.err.contains("panicked"), "{}", ran.err);
}

#[test]
fn a_full_device_is_said() {
    let folder = folder();
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .expect("the device that is always full");
    let mut command = authdex(folder.path());
    command.arg("checks").stdout(full);
    let ran: super::Ran = command.output().expect("it starts").into();
    ran.said(3, &["standard output", "No space left"]);
}

#[test]
fn the_configuration_is_printed_whole_with_secrets_masked() {
    let folder = folder();
    super::write(
        folder.path(),
        "a.toml",
        "[scan]\nconcurrency = 7\n[[source]]\nname = \"mine\"\napi_key = \"@env:KEY\"\n",
    );
    let mut command = authdex(folder.path());
    command
        .args(["config", "print", "--origin", "--config", "a.toml"])
        .env("KEY", "canary-key-0815")
        .env("DATABASE_URL", "postgres://u:canary-password@db.example/x")
        .env("AUTHDEX__HTTP__CONCURRENCY", "9");
    let ran = super::Ran::from(command.output().expect("it starts")).ended(0);
    assert!(!ran.out.contains("canary") && !ran.err.contains("canary"));
    for line in [
        "concurrency = 7  # a.toml",
        "concurrency = 9  # environment AUTHDEX__HTTP__CONCURRENCY",
        "# environment DATABASE_URL",
        "migrate_on_start = true  # default",
    ] {
        assert!(ran.out.contains(line), "{line}\n{}", ran.out);
    }
    // What is printed without origins is a configuration again.
    let printed = run(folder.path(), &["config", "print"]).ended(0).out;
    super::write(folder.path(), "b.toml", &printed);
    let checked = run(folder.path(), &["config", "check", "--config", "b.toml"]).ended(0);
    assert!(checked.err.contains("usable"));
}

#[test]
fn a_broken_configuration_is_named_by_line_and_key() {
    let folder = folder();
    for (text, parts) in [
        (
            "[scan]\n\ndepht = \"passive\"\n",
            &["a.toml line 3", "`scan.depht`", "`scan.depth`"][..],
        ),
        ("[scan\n", &["a.toml line 1"]),
        (
            "[instance]\nmode = \"open\"\n",
            &["instance.mode", "private"],
        ),
        (
            "[policy]\nretry_delays = [\"soon\"]\n",
            &["policy.retry_delays", "\"30s\""],
        ),
        (
            "[scan]\nallow_addresses = [\"here\"]\n",
            &["scan.allow_addresses", "`here`"],
        ),
        (
            "[scan]\nconnect_to = [\"here\"]\n",
            &["scan.connect_to", "`here`"],
        ),
        (
            "[scan]\nca_bundle = \"none.pem\"\n",
            &["scan.ca_bundle none.pem", "No such file"],
        ),
        (
            "[instance]\nmode = \"public\"\n[policy]\nhost_interval_ms = 10\n",
            &["policy.host_interval_ms", "10", "1000"],
        ),
        (
            "[store]\nurl = \"mysql://u:canary@h/d\"\n",
            &["mysql://u:***@h/d", "sqlite://PATH"],
        ),
        (
            "[telemetry]\nlog = \"scanner=loud\"\n",
            &["telemetry.log", "loud"],
        ),
    ] {
        super::write(folder.path(), "a.toml", text);
        let ran = run(folder.path(), &["config", "check", "--config", "a.toml"]).said(2, parts);
        assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
        assert!(!ran.err.contains("canary"), "{}", ran.err);
    }
    run(folder.path(), &["config", "check", "--config", "none.toml"])
        .said(2, &["none.toml", "No such file"]);
    let mut command = authdex(folder.path());
    command
        .args(["config", "check"])
        .env("AUTHDEX__SCAN__DEPHT", "x");
    super::Ran::from(command.output().expect("it starts"))
        .said(2, &["AUTHDEX__SCAN__DEPHT", "`scan.depth`"]);
}
