//! Which servers a scan asks: client configurations, and files of targets.

use scanner::fleet::demo;
use serde_json::Value;

use super::{Sample, authdex, url, write};

fn targets(report: &Value) -> Vec<String> {
    let of = |report: &Value| {
        report["target"]["url"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    match report["reports"].as_array() {
        Some(reports) => reports.iter().map(of).collect(),
        None => vec![of(report)],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_configuration_names_servers_and_keeps_its_secrets() {
    let sample = Sample::start().await;
    write(
        sample.path(),
        "mcp.json",
        format!(
            "{{ // servers\n \"mcpServers\": {{\n  \"local\": {{\"command\": \"npx\"}},\n  \
             \"weather\": {{\"url\": \"{}\", \"headers\": {{\"X-Api-Key\": \"${{WEATHER_KEY}}\", \"X-Tenant\": \"${{TENANT:-acme}}\"}}}},\n  \
             \"notes\": {{\"url\": \"{}\"}},\n }} }}",
            url("weather"),
            url("notes")
        ),
    );
    let seen = |header: &str| -> Vec<String> {
        let asked = sample.fleet.seen();
        asked
            .iter()
            .filter(|asked| {
                asked
                    .headers
                    .iter()
                    .any(|(name, _)| name.eq_ignore_ascii_case(header))
            })
            .map(|asked| asked.host.clone())
            .collect()
    };
    let run = |more: &[&str]| -> super::Ran {
        let mut command = authdex(sample.path());
        command
            .args(sample.arguments(more))
            .env("WEATHER_KEY", "k-9f3a-secret-value");
        command.output().expect("it starts").into()
    };
    let ran = run(&["--client-config=mcp.json"]).ended(0);
    assert_eq!(targets(&ran.json()), [url("weather"), url("notes")]);
    assert!(seen("x-api-key").is_empty(), "values are not sent unasked");
    let ran = run(&[
        "--client-config=mcp.json",
        "--use-config-headers",
        "--evidence=e.zip",
    ])
    .ended(0);
    let hosts = seen("x-api-key");
    assert!(
        !hosts.is_empty()
            && hosts
                .iter()
                .all(|host| host == &format!("weather.{}", demo::DOMAIN)),
        "{hosts:?}"
    );
    assert!(!seen("x-tenant").is_empty());
    let kept = super::bundles::unpacked(&sample.path().join("e-1.zip"));
    for text in kept
        .iter()
        .map(|(_, text)| text)
        .chain([&ran.out, &ran.err])
    {
        assert!(
            !text.contains("k-9f3a-secret-value"),
            "a secret was written down"
        );
    }
    let flags = ran.json()["reports"][0]["flags"].to_string();
    assert!(flags.contains("modified_request"), "{flags}");
    // Variables that only the client knows, or that nobody set.
    for (value, part) in [
        ("${input:key}", "${input:key}"),
        ("${NOT_SET}", "NOT_SET"),
        ("${open", "does not end"),
    ] {
        write(
            sample.path(),
            "bad.json",
            format!(
                "{{\"servers\": {{\"w\": {{\"url\": \"{}\", \"headers\": {{\"X-Key\": \"{value}\"}}}}}}}}",
                url("weather")
            ),
        );
        run(&["--client-config=bad.json", "--use-config-headers"])
            .said(2, &["bad.json", "X-Key", part]);
    }
    run(&["--use-config-headers", &url("notes")]).said(2, &["--client-config"]);
    write(
        sample.path(),
        "none.json",
        "{\"mcpServers\": {\"l\": {\"command\": \"x\"}}}",
    );
    run(&["--client-config=none.json"]).said(2, &["no target is left"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_targets_are_lists_csv_and_toml() {
    let sample = Sample::start().await;
    let (notes, files) = (url("notes"), url("files"));
    for (name, text) in [
        ("t.txt", format!("# ours\n{notes}\n\n{files}\n")),
        ("t.csv", format!("url,name\n{notes},Notes\n{files},Files\n")),
        (
            "t.toml",
            format!(
                "[[target]]\nurl = \"{notes}\"\nname = \"Notes\"\ntags = [\"prod\"]\n\n[[target]]\nurl = \"{files}\"\nexpect = \"B\"\n"
            ),
        ),
    ] {
        write(sample.path(), name, text);
        let ran = sample
            .scan(&["--depth=passive", &format!("--targets={name}")])
            .ended(0);
        assert_eq!(
            targets(&ran.json()),
            [notes.clone(), files.clone()],
            "{name}"
        );
    }
    write(sample.path(), "bad.toml", "[[target]]\nname = \"x\"\n");
    sample
        .scan(&["--targets=bad.toml"])
        .said(2, &["bad.toml", "url"]);
}
