//! Baselines, suppressions and thresholds: what fails a run, what is told, what is refused.

use scanner::fleet::demo;
use serde_json::Value;

use super::bundles::unpacked;
use super::{Ran, Sample, mark, run, url, write};

/// Day that is a number of days from today, as the file wants it.
fn day(from_today: i64) -> String {
    use scanner::time::{Clock as _, SystemClock};
    let at = SystemClock.now().plus(from_today * 86_400_000).rfc3339();
    at.get(..10).expect("a day").to_owned()
}

fn entry(check: &str, target: &str, expires: &str) -> String {
    format!(
        "[[suppress]]\ncheck = \"{check}\"\ntarget = \"{target}\"\nreason = \"agreed with the vendor\"\nperson = \"Ada\"\nexpires = \"{expires}\"\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_baseline_lets_only_what_got_worse_fail() {
    let sample = Sample::start().await;
    // notes will get worse, wiki better, and crm stays as it is.
    let servers = ["notes", "wiki", "crm"];
    for server in servers {
        let evidence = format!("--evidence={server}.zip");
        let json = format!("--output=json={server}.json");
        sample.scan(&[&evidence, &json, &url(server)]).ended(0);
    }
    sample.fleet.change(demo::change);
    let scan = |server: &str, options: &[&str]| -> Ran {
        let address = url(server);
        let mut more = options.to_vec();
        more.push(&address);
        sample.scan(&more)
    };
    for (server, options, code) in [
        // Worse: fails, however it is asked.
        ("notes", &["--baseline=notes.json"][..], 1),
        ("notes", &["--baseline=notes.zip"], 1),
        ("notes", &["--baseline=notes.zip", "--fail-under=C"], 1),
        ("notes", &["--baseline=notes.zip", "--fail-on=high"], 1),
        // Worse, but not by what is asked.
        ("notes", &["--baseline=notes.zip", "--fail-under=E"], 0),
        // The same: passes, although it fails without a baseline.
        ("crm", &["--fail-on=high"], 1),
        ("crm", &["--fail-on=high", "--baseline=crm.json"], 0),
        ("crm", &["--fail-under=A", "--baseline=crm.json"], 0),
        ("crm", &["--baseline=crm.zip"], 0),
        // Better: passes.
        ("wiki", &["--baseline=wiki.json"], 0),
        // Several files; a server that none of them knows is judged as it is.
        (
            "crm",
            &[
                "--fail-on=high",
                "--baseline=notes.zip",
                "--baseline=crm.zip",
            ],
            0,
        ),
        (
            "crm",
            &[
                "--fail-on=high",
                "--baseline=notes.zip",
                "--baseline=wiki.zip",
            ],
            1,
        ),
        // One against one: a preview may have another address.
        ("crm", &["--fail-under=A", "--baseline=wiki.zip"], 0),
        // What could not be asked is open, whatever was known.
        ("printer", &["--baseline=crm.zip", "--fail-under=A"], 3),
    ] {
        let ran = scan(server, options);
        assert_eq!(ran.code, code, "{server} {options:?}\n{}", ran.err);
    }
    let fixed = scan("wiki", &["--baseline=wiki.json"]).ended(0);
    assert!(
        fixed
            .err
            .contains("fixed: https://wiki.demo.example/mcp: prm-"),
        "{}",
        fixed.err
    );
    assert!(fixed.err.contains("renew wiki.json"), "{}", fixed.err);
    let worse = scan(
        "notes",
        &["--baseline=notes.json", "--output=sarif=n.sarif"],
    )
    .ended(1);
    assert!(
        worse.err.contains("got worse since the baseline"),
        "{}",
        worse.err
    );
    let overlay = &worse.json()["overlay"];
    assert_eq!(overlay["result"], "fail");
    assert!(
        !overlay["baseline"]["new"]
            .as_array()
            .expect("a list")
            .is_empty()
    );
    let log = std::fs::read_to_string(sample.path().join("n.sarif")).expect("written");
    crate::formats::sarif(&log);
    assert!(log.contains("\"baselineState\": \"new\""));
    assert_eq!(mark(&worse.json()), "D", "the letter is what it is");
    let unknown = scan("crm", &["--baseline=notes.zip", "--baseline=wiki.zip"]).ended(0);
    assert!(unknown.err.contains("is not in it"), "{}", unknown.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_of_another_rubric_are_no_baseline_and_bundles_are_graded_again() {
    let sample = Sample::start().await;
    let address = url("crm");
    let ran = sample.scan(&["--evidence=a.zip", &address]).ended(0);
    let ours = scanner::rubric::current().version;
    let other = |text: &str| {
        let changed = text.replace(&format!("\"rubric\": \"{ours}\""), "\"rubric\": \"2025.9\"");
        assert_ne!(changed, text);
        changed
    };
    write(sample.path(), "old.json", other(&ran.out));
    let said = sample.scan(&["--baseline=old.json", &address]);
    said.said(2, &["old.json", "rubric 2025.9", ours, "--evidence"]);
    run(sample.path(), &["grade", "a.zip", "--baseline=old.json"]).said(2, &["rubric 2025.9"]);
    run(sample.path(), &["diff", "old.json", "a.zip"]).said(2, &["2025.9", "bundle"]);
    // The report inside a bundle may be of any rubric: the evidence counts.
    let members = unpacked(&sample.path().join("a.zip"));
    let manifest: Value = serde_json::from_str(&members[0].1).expect("JSON");
    crate::formats::schema::fits("bundle-1", &manifest);
    crate::formats::schema::complete("bundle-1", &[manifest]);
    let changed: Vec<(String, String)> = members
        .into_iter()
        .map(|(name, text)| {
            let text = if name == "report.json" {
                other(&text)
            } else {
                text
            };
            (name, text)
        })
        .collect();
    write(sample.path(), "old.zip", super::bundles::packed(&changed));
    sample.scan(&["--baseline=old.zip", &address]).ended(0);
    let diff = run(sample.path(), &["diff", "old.zip", "a.zip"])
        .ended(0)
        .json();
    assert_eq!(diff["regraded"]["from"], "2025.9");
    crate::formats::schema::fits("diff-1", &diff);
    for (file, text, parts) in [
        ("none.json", None, &["none.json", "No such file"][..]),
        ("x.json", Some("{}"), &["x.json", "--evidence"]),
        (
            "y.json",
            Some("{\"schema\":\"authdex.report/9\"}"),
            &["y.json", "authdex.report/9"],
        ),
        (
            "z.json",
            Some("{\"schema\":\"authdex.report/1\"}"),
            &["z.json", "missing field"],
        ),
    ] {
        if let Some(text) = text {
            write(sample.path(), file, text);
        }
        sample.scan(&["--baseline", file, &address]).said(2, parts);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn suppressed_findings_are_shown_and_do_not_fail() {
    let sample = Sample::start().await;
    let address = url("calendar");
    let plain = sample.scan(&["--evidence=c.zip", &address]).ended(0).json();
    let failing: Vec<&str> = plain["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .filter(|finding| finding["verdict"] == "fail")
        .filter_map(|finding| finding["check"].as_str())
        .collect();
    assert_eq!(failing, ["pkce-advertised"], "the sample fails one check");
    let host = "calendar.demo.example";
    let grade = |file: &str, text: &str, options: &[&str]| -> Ran {
        write(sample.path(), file, text);
        let mut arguments = vec!["grade", "c.zip", "--suppressions", file];
        arguments.extend(options);
        run(sample.path(), &arguments)
    };
    let good = entry("pkce-advertised", host, &day(100));
    for (text, options, code) in [
        (good.as_str(), &["--fail-on=high"][..], 0),
        (&good, &["--fail-under=B"], 0),
        (
            &entry("pkce-advertised", "*.demo.example", &day(100)),
            &["--fail-on=high"],
            0,
        ),
        (
            &entry("pkce-advertised", &format!("https://{host}/*"), &day(100)),
            &["--fail-on=high"],
            0,
        ),
        (
            &entry("pkce-advertised", "*", &day(0)),
            &["--fail-on=high"],
            0,
        ),
        // Expired, of another server, of another check: nothing is suppressed.
        (
            &entry("pkce-advertised", host, &day(-1)),
            &["--fail-on=high"],
            1,
        ),
        (
            &entry("pkce-advertised", "notes.demo.example", &day(9)),
            &["--fail-on=high"],
            1,
        ),
        (&entry("tls-hsts", host, &day(9)), &["--fail-on=high"], 1),
        // Only what the named party answers for.
        (
            &format!("{good}party = \"authorization_server\"\n"),
            &["--fail-on=high"],
            0,
        ),
        (
            &format!("{good}party = \"server\"\n"),
            &["--fail-on=high"],
            1,
        ),
    ] {
        let ran = grade("s.toml", text, options);
        assert_eq!(ran.code, code, "{text} {options:?}\n{}", ran.err);
    }
    // Shown, never hidden; the letter stays.
    let ran = grade("s.toml", &good, &["--fail-on=high"]).ended(0).json();
    assert_eq!(ran["grade"], plain["grade"]);
    assert_eq!(ran["findings"], plain["findings"]);
    crate::formats::schema::fits("report-1", &ran);
    let overlay = &ran["overlay"];
    assert_eq!(overlay["result"], "pass");
    assert_eq!(overlay["name"], "s.toml");
    assert_eq!(overlay["suppressed"][0]["check"], "pkce-advertised");
    for format in ["text", "markdown", "html", "junit", "sarif", "github"] {
        let ran = grade("s.toml", &good, &["--format", format]).ended(0);
        for part in ["pkce-advertised", "greed with the vendor", "Ada"] {
            // Text is broken into lines.
            let out = ran.out.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(out.contains(part), "{format}: {part}");
        }
        match format {
            "sarif" => {
                let log = crate::formats::sarif(&ran.out);
                let results = log["runs"][0]["results"]
                    .as_array()
                    .expect("results")
                    .clone();
                let one = results
                    .iter()
                    .find(|result| result["ruleId"] == "pkce-advertised")
                    .expect("it is shown");
                assert_eq!(one["suppressions"][0]["status"], "accepted");
                assert_eq!(one["suppressions"][0]["kind"], "external");
                let others: Vec<&Value> = results
                    .iter()
                    .filter(|result| result["ruleId"] != "pkce-advertised")
                    .collect();
                assert!(
                    others
                        .iter()
                        .all(|result| result["suppressions"] == serde_json::json!([]))
                );
            }
            "junit" => {
                let document = crate::formats::junit(&ran.out);
                assert!(
                    !document
                        .descendants()
                        .any(|node| node.tag_name().name() == "failure")
                );
            }
            "html" => crate::formats::html(&ran.out),
            "github" => assert!(!ran.out.contains("::error")),
            _ => (),
        }
    }
    // What is out of date is told.
    for (text, part) in [
        (entry("pkce-advertised", host, &day(-3)), "expired on"),
        (entry("pkce-advertised", host, &day(3)), "expires on"),
        (
            entry("tls-hsts", "other.example", &day(100)),
            "covered no finding",
        ),
    ] {
        let ran = grade("s.toml", &text, &[]).ended(0);
        assert!(ran.err.contains(part), "{part}: {}", ran.err);
    }
    let far = entry("pkce-advertised", host, &day(400));
    grade("s.toml", &far, &[]).said(2, &["s.toml", "entry 1", "more than a year"]);
    grade("s.toml", "[[suppress]]\ncheck = \"pkce\"", &[]).said(2, &["s.toml", "pkce-advertised"]);
    run(sample.path(), &["grade", "c.zip", "--suppressions=no.toml"])
        .said(2, &["no.toml", "No such file"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn differences_take_reports_and_thresholds() {
    let sample = Sample::start().await;
    let address = url("mail");
    sample
        .scan(&["--evidence=a.zip", "--output=json=a.json", &address])
        .ended(0);
    sample.fleet.change(demo::change);
    sample
        .scan(&["--evidence=b.zip", "--output=json=b.json", &address])
        .ended(0);
    let json = |a: &str, b: &str| {
        run(sample.path(), &["diff", a, b, "--format=json"])
            .ended(0)
            .json()
    };
    let bundles = json("a.zip", "b.zip");
    crate::formats::schema::fits("diff-1", &bundles);
    // Reports alone tell the same story, also mixed with evidence.
    for (a, b) in [
        ("a.json", "b.json"),
        ("a.zip", "b.json"),
        ("a.json", "b.zip"),
    ] {
        let diff = json(a, b);
        assert_eq!(diff["verdicts"], bundles["verdicts"], "{a} {b}");
        assert_eq!(diff["causes"], bundles["causes"], "{a} {b}");
    }
    let ran = run(
        sample.path(),
        &["diff", "a.zip", "b.zip", "--format=markdown"],
    )
    .ended(0);
    for part in [
        "**C** to **A**",
        "| The authorization server changed |",
        "`pkce-advertised`",
        "## Fixed",
    ] {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
    for (a, b, options, code) in [
        ("a.zip", "b.zip", &["--fail-under=A"][..], 0),
        ("b.zip", "a.zip", &[], 0),
        ("b.zip", "a.zip", &["--fail-under=A"], 1),
        ("b.zip", "a.zip", &["--fail-on=high"], 1),
        ("b.json", "a.json", &["--fail-on=high"], 1),
        ("a.zip", "a.zip", &["--fail-under=A", "--fail-on=info"], 0),
    ] {
        let mut arguments = vec!["diff", a, b, "--format=json"];
        arguments.extend(options);
        let ran = run(sample.path(), &arguments);
        assert_eq!(ran.code, code, "{arguments:?}\n{}", ran.err);
    }
    run(
        sample.path(),
        &["diff", "scn_06erk3v8qkz7f4t1m2n9c0h5ya", "a.zip"],
    )
    .said(2, &["scn_06erk3v8qkz7f4t1m2n9c0h5ya", "no scan"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_run_writes_every_format() {
    let sample = Sample::start().await;
    let servers = ["notes", "payments", "printer"].map(url);
    let mut more: Vec<String> = [
        "text", "json", "sarif", "junit", "markdown", "html", "github",
    ]
    .iter()
    .map(|form| format!("--output={form}=out.{form}"))
    .collect();
    more.push("--stream".into());
    more.push("--config=site.toml".into());
    more.extend(servers.iter().cloned());
    write(
        sample.path(),
        "site.toml",
        "[instance]\npublic_url = \"https://index.example.org\"\n",
    );
    let more: Vec<&str> = more.iter().map(String::as_str).collect();
    let ran = sample.scan(&more).ended(3);
    let streamed: Vec<Value> = ran
        .out
        .lines()
        .map(|line| serde_json::from_str(line).expect("a report on each line"))
        .collect();
    assert_eq!(streamed.len(), 3);
    for report in &streamed {
        crate::formats::schema::fits("report-1", report);
    }
    let file = |form: &str| {
        std::fs::read_to_string(sample.path().join(format!("out.{form}"))).expect("written")
    };
    let all: Value = serde_json::from_str(&file("json")).expect("JSON");
    crate::formats::schema::fits("reports-1", &all);
    for (report, address) in all["reports"]
        .as_array()
        .expect("a list")
        .iter()
        .zip(&servers)
    {
        assert_eq!(
            report["target"]["url"], *address,
            "in the order of the command line"
        );
        assert!(streamed.contains(report));
    }
    let log = crate::formats::sarif(&file("sarif"));
    assert_eq!(
        log["runs"][0]["invocations"][2]["executionSuccessful"],
        false
    );
    let rule = &log["runs"][0]["tool"]["driver"]["rules"][0];
    assert_eq!(
        rule["helpUri"],
        "https://index.example.org/checks/tls-https-endpoint"
    );
    crate::formats::junit(&file("junit"));
    crate::formats::html(&file("html"));
    assert!(file("github").contains("::error title=token-bogus-rejected"));
    for form in ["text", "markdown"] {
        for address in &servers {
            assert!(file(form).contains(address.as_str()), "{form}");
        }
    }
    // The streamed lines are a baseline, too.
    write(sample.path(), "lines.json", &ran.out);
    sample
        .scan(&["--baseline=lines.json", "--fail-under=A", &servers[1]])
        .ended(0);
    sample
        .scan(&["--stream", "--format=text", &servers[0]])
        .said(2, &["--stream", "json"]);
    let unwritten = sample.scan(&["--output=html=no/such/x.html", &servers[0]]);
    let unwritten = unwritten.said(2, &["--output no/such/x.html", "No such file"]);
    assert_eq!(
        mark(&unwritten.json()),
        "A+",
        "the report is there all the same"
    );
}
