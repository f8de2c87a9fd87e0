//! The exit codes of `scan`, one row for each code and combination. No network condition
//! ever gives 1.

use super::{Sample, url};

#[tokio::test(flavor = "multi_thread")]
async fn each_combination_ends_with_its_code() {
    let sample = Sample::start().await;
    // notes A+, files B, calendar C, crm D, payments F, dictionary O, weather K, printer U,
    // shop X.
    for (servers, options, code) in [
        // Nothing asked: done, whatever the letter.
        (&["notes"][..], &[][..], 0),
        (&["payments"], &[], 0),
        (&["dictionary"], &[], 0),
        (&["weather"], &[], 0),
        // A letter.
        (&["notes"], &["--fail-under=A+"], 0),
        (&["files"], &["--fail-under=B"], 0),
        (&["files"], &["--fail-under=A"], 1),
        (&["calendar"], &["--fail-under=b"], 1),
        (&["payments"], &["--fail-under=F"], 0),
        (&["payments"], &["--fail-under=E"], 1),
        // A severity.
        (&["notes"], &["--fail-on=info"], 0),
        (&["calendar"], &["--fail-on=high"], 1),
        (&["calendar"], &["--fail-on=critical"], 0),
        (&["payments"], &["--fail-on=critical"], 1),
        // Badges are no letters, unless authorization is required.
        (&["dictionary"], &["--fail-under=A"], 0),
        (&["weather"], &["--fail-under=A"], 0),
        (&["dictionary"], &["--fail-under=A", "--require-auth"], 1),
        (&["weather"], &["--fail-under=F", "--require-auth"], 1),
        // Another revision's grade.
        (
            &["calendar"],
            &["--fail-under=B", "--revision=2025-06-18"],
            0,
        ),
        (
            &["calendar"],
            &["--fail-under=B", "--revision=2026-07-28"],
            1,
        ),
        (&["calendar"], &["--fail-under=B", "--revision=claimed"], 1),
        // What could not be asked.
        (&["printer"], &[], 3),
        (&["shop"], &[], 3),
        (&["printer"], &["--fail-under=A+", "--require-auth"], 3),
        (&["shop"], &["--fail-under=A+", "--fail-on=info"], 3),
        (
            &["notes"],
            &["--timeout=1", "--rate=2", "--fail-under=A"],
            3,
        ),
        // Several: 1 before 3 before 0.
        (&["notes", "files"], &["--fail-under=B"], 0),
        (&["notes", "payments"], &["--fail-under=B"], 1),
        (&["notes", "printer"], &["--fail-under=B"], 3),
        (&["printer", "payments", "notes"], &["--fail-under=B"], 1),
    ] {
        let urls: Vec<String> = servers.iter().map(|server| url(server)).collect();
        let mut more: Vec<&str> = options.to_vec();
        more.extend(urls.iter().map(String::as_str));
        let mut arguments = sample.arguments(&more);
        if options.iter().any(|option| option.starts_with("--rate")) {
            arguments.retain(|argument| argument != "--rate=1000");
        }
        let ran = super::run(sample.path(), &arguments);
        assert_eq!(ran.code, code, "{servers:?} {options:?}: {}", ran.err);
        assert!(ran.out.starts_with('{'), "a report all the same");
    }
}

/// Failures of the network of every kind, with thresholds that anything would miss.
#[tokio::test(flavor = "multi_thread")]
async fn faults_of_the_network_never_miss_a_threshold() {
    let sample = Sample::start().await;
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent = silent.local_addr().expect("an address").port();
    let silent = format!("--connect-to=silent.example:443:127.0.0.1:{silent}");
    for (rule, target) in [
        // Nobody listens.
        (
            "--connect-to=gone.example:443:127.0.0.1:1",
            "https://gone.example/mcp",
        ),
        // Somebody accepts and says nothing.
        (silent.as_str(), "https://silent.example/mcp"),
        // There is no such name.
        (
            "--connect-to=x.example:1::",
            "https://no-such-name.invalid/mcp",
        ),
        // No TLS there: the rules of the fleet lead plain http to a closed port.
        (
            "--connect-to=plain.example:443:127.0.0.1:80",
            "https://plain.example/mcp",
        ),
    ] {
        let ran = super::run(
            sample.path(),
            &[
                "scan",
                rule,
                "--timeout=4",
                "--fail-under=A+",
                "--fail-on=info",
                "--require-auth",
                target,
            ],
        )
        .ended(3);
        let report = ran.json();
        let mark = super::mark(&report);
        assert!(mark == "U" || mark == "N", "{target}: {mark}");
    }
}
