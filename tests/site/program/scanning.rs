//! `scan` over the sample fleet: what the report says to a person, where output goes, which
//! addresses are refused, and which headers never come back.

use super::{Going, Sample, authdex, folder, mark, run, url, write};

/// The parts of a text report that a reader needs, in their order.
#[track_caller]
fn in_order(text: &str, parts: &[&str]) {
    let mut rest = text;
    for part in parts {
        let at = rest
            .find(part)
            .unwrap_or_else(|| panic!("`{part}` is missing after what came before it in:\n{text}"));
        rest = &rest[at + part.len()..];
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compliant_server_is_told_in_a_few_lines() {
    let sample = Sample::start().await;
    let ran = sample
        .scan(&["--format=text", "--quiet", &url("notes")])
        .ended(0);
    in_order(
        &ran.out,
        &[
            "https://notes.demo.example/mcp",
            "A+",
            "score 100.0",
            "ok  Challenge",
            "by revision",
            "2026-07-28 A+",
            "checks ",
            " pass",
            "we sent ",
            " requests in ",
        ],
    );
    assert!(!ran.out.contains("TO FIX"), "{}", ran.out);
    assert!(!ran.out.contains("first broken step"), "{}", ran.out);
    assert_eq!(ran.err, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_server_is_told_with_the_first_broken_step_and_who_must_fix_what() {
    let sample = Sample::start().await;
    let ran = sample.scan(&["--format=text", &url("calendar")]).ended(0);
    in_order(
        &ran.out,
        &[
            " C ",
            "Capped at C by pkce-advertised (authorization server)",
            "X  ",
            "(pkce-advertised)",
            "<- the first broken",
            "TO FIX BY THE AUTHORIZATION SERVER'S TENANT",
            "FAIL  pkce-advertised  high",
            "seen  ",
            "(exchange",
            "why   ",
            "fix   ",
            "`S256`",
            "rule  MCP ",
            "COULD NOT BE TOLD",
            "2026-07-28 C",
            "authdex explain pkce-advertised",
        ],
    );
    for line in ran.out.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    assert!(!ran.out.contains('\u{1b}'), "no colour without a terminal");
    let ran = sample
        .scan(&["--format=text", "--color=always", &url("wiki")])
        .ended(0);
    assert!(ran.out.contains('\u{1b}'));
    in_order(&ran.out, &["TO FIX BY THE MCP SERVER", "prm-"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_without_a_letter_say_why() {
    let sample = Sample::start().await;
    for (server, parts) in [
        ("database", ["O", "open", "O-danger"]),
        ("weather", ["K", "static key", "key"]),
        ("shop", ["X", "blocked", "status 403"]),
        ("printer", ["U", "unreachable", "status 503"]),
    ] {
        let ran = sample.scan(&["--format=text", &url(server)]);
        in_order(&ran.out, &parts);
        assert!(!ran.out.contains("TO FIX BY THE AUTH"), "{}", ran.out);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn machine_output_stands_alone_on_standard_output() {
    let sample = Sample::start().await;
    let one = sample.scan(&[&url("notes")]).ended(0);
    assert_eq!(mark(&one.json()), "A+", "json is the default for pipes");
    let ran = sample.scan(&["--verbose", &url("notes"), &url("weather")]);
    let several = ran.json();
    assert_eq!(several["schema"], "authdex.reports/1");
    let marks: Vec<String> = several["reports"]
        .as_array()
        .expect("reports")
        .iter()
        .map(mark)
        .collect();
    assert_eq!(marks, ["A+", "K"], "in the order of the command line");
    let asked = ran
        .err
        .lines()
        .filter(|line| line.contains("https://notes.demo.example"))
        .count();
    assert!(asked > 10, "--verbose prints every exchange: {}", ran.err);
    let quiet = sample
        .scan(&["--quiet", &url("notes"), &url("weather")])
        .ended(0);
    assert_eq!(quiet.err, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_come_from_files_and_standard_input() {
    let sample = Sample::start().await;
    let list = format!("# ours\n{}\nnot a url\n{}\n", url("notes"), url("weather"));
    write(sample.path(), "ours.txt", &list);
    let ran = sample.scan(&["--targets=ours.txt"]).ended(0);
    assert_eq!(ran.json()["reports"].as_array().map(Vec::len), Some(2));
    assert!(ran.err.contains("ours.txt row 3: "), "{}", ran.err);
    let config = format!(
        "{{ // ours\n \"mcpServers\": {{ \"notes\": {{ \"url\": \"{}\", }}, }} }}",
        url("notes")
    );
    let path = write(sample.path(), "mcp.json", config);
    let mut command = authdex(sample.path());
    command
        .args(sample.arguments(&["--targets=-"]))
        .stdin(std::fs::File::open(path).expect("a file"));
    let ran = super::Ran::from(command.output().expect("it starts")).ended(0);
    assert_eq!(ran.json()["target"]["url"], url("notes"));
}

/// Refused before a name is looked up or a connection made, in every spelling. What names
/// lead to is looked at when they are resolved, which the scanner's own tests try.
#[test]
fn special_addresses_are_refused_with_a_hint() {
    let folder = folder();
    for host in [
        "127.0.0.1",
        "127.0.0.1:8080",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "224.0.0.1",
        "255.255.255.255",
        "[::1]",
        "[::]",
        "[::ffff:10.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[fe80::1]",
        "[fd00::1]",
        "2130706433",
        "0x7f.1",
        "localhost",
        "intranet",
        "mcp.internal",
        "printer.local",
    ] {
        for scheme in ["https", "http"] {
            let target = format!("{scheme}://{host}/mcp");
            let ran = run(folder.path(), &["scan", &target]).ended(2);
            assert_eq!(ran.out, "", "{target}");
            assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
            let metadata = ran.err.contains("metadata service");
            assert!(
                metadata || ran.err.contains("--allow-private"),
                "{target}: {}",
                ran.err
            );
        }
    }
    run(
        folder.path(),
        &["scan", "--allow-private", "https://169.254.169.254/mcp"],
    )
    .said(2, &["metadata service"]);
}

#[test]
fn malformed_urls_are_refused_on_one_line_without_their_secrets() {
    let folder = folder();
    for (target, part) in [
        ("", "empty"),
        ("mcp.example.com", "https://HOST/PATH"),
        ("ftp://mcp.example.com/", "scheme"),
        ("https://", "host"),
        ("https://mcp.example.com:99999/", "port"),
        ("https://mcp.example.com/#part", "fragment"),
        ("https://mcp.exa mple.com/", "character"),
        ("https://{tenant}.example.com/mcp", "{tenant}"),
        ("https://u:canary-0815@mcp.example.com/", "userinfo"),
        ("https://mcp.example.com/?api_key=canary-0815", "api_key"),
        ("http://mcp.example.com/mcp", "--allow-private"),
    ] {
        let ran = run(folder.path(), &["scan", target]).said(2, &[part]);
        assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
        assert!(!ran.err.contains("canary"), "{}", ran.err);
    }
}

/// The fleet writes down what reaches it, so that this test knows the header was sent.
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_header_reaches_the_endpoint_and_appears_nowhere() {
    const CANARY: &str = "canary-7f3a9c51-header";
    let sample = Sample::start().await;
    write(
        sample.path(),
        "key.txt",
        "canary-7f3a9c51-header-from-file\n",
    );
    let mut seen = String::new();
    for format in ["--format=text", "--format=json"] {
        let mut command = authdex(sample.path());
        command
            .args(sample.arguments(&[
                format,
                "--all",
                "--verbose",
                "--evidence=scan.zip",
                "--header",
                "X-Key: @env:KEY",
                "--header",
                "X-Other: @file:key.txt",
                &url("notes"),
            ]))
            .env("KEY", CANARY);
        let ran = super::Ran::from(command.output().expect("it starts")).ended(0);
        seen.push_str(&ran.out);
        seen.push_str(&ran.err);
        assert!(!seen.contains("canary"), "{seen}");
        if format == "--format=json" {
            let flags = ran.json()["flags"].to_string();
            assert!(flags.contains("modified_request"), "{flags}");
        }
    }
    let bundle = super::bundles::unpacked(&sample.path().join("scan.zip"));
    assert_eq!(bundle.len(), 3);
    for (name, text) in bundle {
        assert!(!text.contains("canary"), "{name}");
    }
    let requests = sample.fleet.seen();
    let with = |host: &str| {
        requests
            .iter()
            .filter(|seen| seen.host == host)
            .partition::<Vec<_>, _>(|seen| {
                seen.headers
                    .iter()
                    .any(|(name, value)| name == "x-key" && value == CANARY)
            })
    };
    let (sent, without) = with("notes.demo.example");
    assert!(sent.len() > without.len(), "sent to the endpoint");
    let (sent, without) = with("id.demo.example");
    assert!(sent.is_empty() && !without.is_empty(), "to nobody else");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_scan_is_incomplete_and_leaves_no_session_open() {
    let sample = Sample::start().await;
    for signal in ["INT", "TERM"] {
        let before = sample.fleet.seen().len();
        let mut command = authdex(sample.path());
        let slow: Vec<String> = sample
            .arguments(&["--format=json", &url("library")])
            .into_iter()
            .map(|argument| argument.replace("--rate=1000", "--rate=4"))
            .collect();
        command.args(slow);
        let going = Going::start(command);
        let heard = |what: &dyn Fn(&scanner::fleet::Seen) -> bool| {
            sample.fleet.seen()[before..].iter().any(what)
        };
        // The session is issued by the first handshake; the next request shows that its
        // answer has arrived.
        let in_session = |seen: &scanner::fleet::Seen| {
            seen.headers
                .iter()
                .any(|(name, _)| name == "mcp-session-id")
        };
        let mut patience = 600;
        while !heard(&in_session) {
            patience -= 1;
            assert!(patience > 0, "no session came up");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        going.signal(signal);
        let ran = going.end(20).ended(3);
        let report = ran.json();
        assert_eq!(report["stopped"], "stopped", "what was heard is reported");
        assert!(
            heard(&|seen| seen.method == "DELETE" && in_session(seen)),
            "the session was closed"
        );
    }
}
