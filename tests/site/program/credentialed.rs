//! `scan --depth credentialed` as its owner meets it: credentials from the environment and from
//! files, and nothing of them in what the program prints or writes.

use std::io::Read as _;

use scanner::evidence::Credential;
use serde_json::Value;

use super::{Sample, authdex, run, write};
use crate::owner::{URL, credentials, pair};

const FILE: &str = r#"
[access_token]
env = "OWNER_TOKEN"
[second_access_token]
file = "second.token"
[low_scope_token]
env = "OWNER_TOKEN"
[upstream_token]
file = "upstream.token"
[operations.scoped]
tool = "write_note"
"#;

fn verdict<'r>(report: &'r Value, check: &str) -> (&'r str, &'r str) {
    let findings = report["findings"].as_array().expect("findings");
    let found = findings.iter().find(|finding| finding["check"] == check);
    let found = found.unwrap_or_else(|| panic!("{check} is judged"));
    (
        found["verdict"].as_str().expect("a verdict"),
        found["reason"].as_str().expect("a reason"),
    )
}

/// Everything in a bundle, as text.
fn unpacked(path: &std::path::Path) -> String {
    let file = std::fs::File::open(path).expect("a bundle");
    let mut archive = zip::ZipArchive::new(file).expect("a zip");
    let mut out = String::new();
    for position in 0..archive.len() {
        let mut entry = archive.by_index(position).expect("an entry");
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).expect("read");
        out.push_str(&String::from_utf8_lossy(&bytes));
    }
    out
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_used_and_leave_no_trace() {
    let (world, ledger) = pair(&[], &[]);
    let sample = Sample::of(world).await;
    let lent = credentials(&ledger);
    write(sample.path(), "owner.toml", FILE);
    write(
        sample.path(),
        "second.token",
        &lent[&Credential::SecondAccessToken],
    );
    write(sample.path(), "upstream.token", "upstream-personal-token\n");
    let mut arguments = sample.arguments(&[
        "--depth=credentialed",
        "--credentials=owner.toml",
        "--evidence=kept.zip",
        "--format=json",
        "--verbose",
    ]);
    arguments.push(URL.to_owned());
    let ran: super::Ran = authdex(sample.path())
        .args(&arguments)
        .env("OWNER_TOKEN", &lent[&Credential::AccessToken])
        .env("RUST_LOG", "trace")
        .output()
        .expect("it ran")
        .into();
    let ran = ran.ended(0);
    let report = ran.json();
    for check in [
        "token-query-refused",
        "token-tampered-rejected",
        "token-passthrough-refused",
        "scope-insufficient-403",
        "scope-challenge-content",
        "session-principal-bound",
        "cache-scope-private",
        "pkce-verifier-enforced",
        "code-single-use",
        "refresh-rotation",
        "ri-token-audience",
        "token-lifetime",
    ] {
        assert_eq!(verdict(&report, check).0, "pass", "{check}");
    }
    assert_eq!(
        verdict(&report, "token-expired-rejected"),
        ("na", "not_supplied")
    );
    assert!(
        ran.err.contains("your tokens to the MCP endpoint"),
        "{}",
        ran.err
    );
    let kept = unpacked(&sample.path().join("kept.zip"));
    assert!(kept.contains("\"supplied\""));
    for text in [&ran.out, &ran.err, &kept] {
        for secret in lent.values() {
            let end = secret.rsplit('.').next().expect("a part");
            assert!(!text.contains(end), "{secret}");
        }
        for canary in ["canary-diary", "note:///", "fc_", "fr_", "fs_"] {
            assert!(!text.contains(canary), "{canary}");
        }
    }
}

#[test]
fn what_cannot_be_used_is_said() {
    let folder = super::folder();
    write(folder.path(), "bad.toml", "access_token = \"canary-token\"");
    write(
        folder.path(),
        "env.toml",
        "[access_token]\nenv = \"NOT_THERE\"",
    );
    let scan = |more: &[&str]| {
        let mut arguments = vec!["scan", "--owned=notes.example", URL];
        arguments.extend(more);
        run(folder.path(), &arguments)
    };
    scan(&["--credentials=bad.toml"]).said(2, &["--depth credentialed"]);
    let deep = "--depth=credentialed";
    let ran = scan(&[deep, "--credentials=bad.toml"]);
    assert!(!ran.err.contains("canary"), "{}", ran.err);
    ran.said(2, &["bad.toml", "`access_token`", "env = \"NAME\""]);
    scan(&[deep, "--credentials=env.toml"]).said(2, &["`access_token`", "NOT_THERE"]);
    scan(&[deep, "--credentials=none.toml"]).said(2, &["none.toml"]);
}
