//! Documents that real servers gave, judged: whatever a checklist forgets shows here.
//!
//! The recordings are not part of the repository; without them the test says so and ends.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::testkit::{World, response, status};
use super::{all, judge};
use crate::check::{Area, Judgement, Verdict};
use crate::evidence::{Failure, Response};
use crate::facts::Facts;
use crate::spec::Revision;
use crate::target::Target;

fn recordings() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2)?;
    let lab = root.join("../shared/lab");
    lab.is_dir().then_some(lab)
}

/// Answers of plain GET requests by URL, read from the transcripts of one server.
fn documents(folder: &Path) -> BTreeMap<String, Result<Response, Failure>> {
    let mut known = BTreeMap::new();
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let Ok(text) = std::fs::read_to_string(entry.path()) else {
            continue;
        };
        let Some((command, answer)) = text.split_once('\n') else {
            continue;
        };
        let odd = [
            "-X",
            "-d ",
            "--data",
            "Origin:",
            "Host:",
            "Forwarded",
            "Authorization:",
        ];
        let url = command
            .rsplit(' ')
            .next()
            .unwrap_or_default()
            .trim_matches('\'');
        let document = url.contains("/.well-known/") || url.ends_with("jwks");
        if document && !odd.iter().any(|option| command.contains(option)) {
            known.insert(url.to_owned(), read(answer));
        }
    }
    known
}

fn read(answer: &str) -> Result<Response, Failure> {
    let answer = answer.replace("\r\n", "\n");
    let (head, body) = answer.split_once("\n\n").unwrap_or((&answer, ""));
    let mut lines = head.lines();
    let code = lines
        .next()
        .and_then(|line| line.split(' ').nth(1))
        .and_then(|code| code.parse().ok());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let borrowed: Vec<(&str, &str)> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    match code {
        Some(code) => response(code, &borrowed, body),
        None => Err(Failure::Refused),
    }
}

/// The first refusal of the server, for every message to its endpoint.
fn refusal(folder: &Path, target: &str) -> Option<Result<Response, Failure>> {
    let summary = std::fs::read_to_string(folder.join("summary.json")).ok()?;
    let summary: Value = serde_json::from_str(&summary).ok()?;
    let step = summary["steps"]
        .as_array()?
        .iter()
        .find(|step| step["status"] == 401 && step["url"] == target)?;
    let lines: Vec<(&str, &str)> = step["www-authenticate"]
        .as_array()
        .map(|lines| {
            lines
                .iter()
                .filter_map(Value::as_str)
                .map(|line| ("www-authenticate", line))
                .collect()
        })
        .unwrap_or_default();
    Some(response(
        401,
        &lines,
        step["body"].as_str().unwrap_or_default(),
    ))
}

fn said(judgement: &Judgement) -> String {
    match judgement {
        Ok(Verdict::Pass) => "pass".into(),
        Ok(Verdict::Warn(fault)) => format!("warn {}: {}", fault.reason, fault.said),
        Ok(Verdict::Fail(fault)) => format!("fail {}: {}", fault.reason, fault.said),
        Err(unmet) => format!("{unmet:?}"),
    }
}

#[test]
fn authorization_servers_of_real_software_do_not_fail() {
    let Some(lab) = recordings() else {
        eprintln!("skipped: the recordings are not beside this repository");
        return;
    };
    let list = std::fs::read_to_string(lab.join("expected.tsv")).expect("the list of servers");
    let mut wrong = Vec::new();
    let mut judged = 0;
    for line in list.lines().filter(|line| !line.starts_with('#')) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [name, _, _, _, _, _, metadata, pkce, ..] = columns.as_slice() else {
            continue;
        };
        let folder = lab.join(name).join("transcripts");
        let summary = std::fs::read_to_string(folder.join("summary.json")).unwrap_or_default();
        let summary: Value = serde_json::from_str(&summary).unwrap_or_default();
        let Some(target) = summary["target"].as_str() else {
            continue;
        };
        let Some(refusal) = refusal(&folder, target).filter(|_| *metadata != "NA") else {
            continue;
        };
        let mut world = World::empty();
        world.target = Target::of(target);
        world.allow_private = true;
        let url = target.to_owned();
        let known = documents(&folder);
        world
            .on(|_| true, status(404))
            .on(move |ask| ask.url == url, refusal)
            .answer(move |ask| known.get(&ask.url).cloned());
        let evidence = world.scan();
        let facts = Facts::new(&evidence);
        for check in all() {
            let expected = match check.area {
                Area::AsMetadata | Area::Endpoints => metadata,
                Area::Pkce => pkce,
                _ => continue,
            };
            let judgement = judge(check, &facts, Revision::HEADLINE);
            judged += 1;
            let good = match check.id {
                "asm-discoverable" => judgement == Ok(Verdict::Pass),
                _ => !matches!(judgement, Ok(Verdict::Fail(_))) || *expected == "FAIL",
            };
            if !good {
                wrong.push(format!("{name} {}: {}", check.id, said(&judgement)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(
        judged > 300,
        "only {judged} judgements: the recordings were not read"
    );
}
