//! Reports as files: every form over every kind of server, against the schemas of those who
//! read them, and with text of strangers that would like to be more than text.

mod hostile;
pub(crate) mod schema;

use std::sync::LazyLock;

use scanner::fleet::demo;
use scanner::fleet::world::World;
use scanner::report::{FindingVerdict, Report};
use serde_json::Value;
use site::output::{Form, Setting, render};
use site::policy::Subject;

/// Reports on all servers of the sample fleet, and what a scan of nobody gives.
pub(crate) fn reports() -> Vec<Report> {
    static REPORTS: LazyLock<Vec<Report>> = LazyLock::new(made);
    REPORTS.clone()
}

fn made() -> Vec<Report> {
    let world = demo::world();
    let mut reports: Vec<Report> = crate::sample::targets(&world)
        .iter()
        .map(|target| graded(&world, target))
        .collect();
    reports.push(graded(
        &World::default(),
        &scanner::target::Target::of("https://nobody.example/mcp"),
    ));
    reports
}

fn graded(world: &World, target: &scanner::target::Target) -> Report {
    let evidence = crate::sample::scan(world, target, crate::sample::START);
    scanner::grade::grade(&evidence, scanner::rubric::current())
}

pub(crate) fn subjects() -> Vec<Subject> {
    reports().into_iter().map(Subject::plain).collect()
}

pub(crate) fn rendered(form: Form, subjects: &[Subject]) -> String {
    render(form, subjects, &Setting::default()).expect("it is written")
}

fn sarif_schema() -> jsonschema::Validator {
    let text = include_str!("../fixtures/sarif/sarif-schema-2.1.0.json");
    // The published pattern for languages has a bracket too many and is no regular expression.
    let text = text.replace(
        "^[a-zA-Z]{2}|^[a-zA-Z]{2}-[a-zA-Z]{2}]?$",
        "^[a-zA-Z]{2}(-[a-zA-Z]{2})?$",
    );
    let schema: Value = serde_json::from_str(&text).expect("JSON");
    jsonschema::options()
        .should_validate_formats(true)
        .build(&schema)
        .expect("a schema")
}

/// Fails unless the text is SARIF 2.1.0; gives it back as JSON.
#[track_caller]
pub(crate) fn sarif(text: &str) -> Value {
    static SCHEMA: LazyLock<jsonschema::Validator> = LazyLock::new(sarif_schema);
    let log: Value = serde_json::from_str(text).expect("JSON");
    let faults: Vec<String> = SCHEMA
        .iter_errors(&log)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .take(5)
        .collect();
    assert!(faults.is_empty(), "{faults:#?}");
    log
}

/// Fails unless the text is JUnit XML in the order of elements and with the attributes that
/// the schema of the Apache Ant task demands, which is the strictest in use.
#[track_caller]
pub(crate) fn junit(text: &str) -> roxmltree::Document<'_> {
    let document = roxmltree::Document::parse(text).expect("XML");
    let root = document.root_element();
    assert_eq!(root.tag_name().name(), "testsuites");
    let number = |node: roxmltree::Node<'_, '_>, name: &str| -> usize {
        node.attribute(name)
            .and_then(|text| text.parse().ok())
            .unwrap_or_else(|| panic!("{name} of {:?}", node.tag_name()))
    };
    let mut sums = [0, 0, 0];
    for suite in root.children().filter(roxmltree::Node::is_element) {
        assert_eq!(suite.tag_name().name(), "testsuite");
        for name in ["name", "timestamp", "hostname", "time"] {
            assert!(
                suite.attribute(name).is_some_and(|text| !text.is_empty()),
                "{name}"
            );
        }
        let timestamp = suite.attribute("timestamp").unwrap_or_default();
        assert!(
            timestamp.len() == 19 && !timestamp.ends_with('Z'),
            "{timestamp}"
        );
        let children: Vec<&str> = suite
            .children()
            .filter(roxmltree::Node::is_element)
            .map(|node| node.tag_name().name())
            .collect();
        let cases = children.len() - 3;
        assert_eq!(children[0], "properties");
        assert!(children[1..=cases].iter().all(|name| *name == "testcase"));
        assert_eq!(children[cases + 1..], ["system-out", "system-err"]);
        let count = |name: &str| {
            suite
                .descendants()
                .filter(|node| node.tag_name().name() == name)
                .count()
        };
        assert_eq!(number(suite, "tests"), cases);
        assert_eq!(number(suite, "failures"), count("failure"));
        assert_eq!(number(suite, "skipped"), count("skipped"));
        assert_eq!(number(suite, "errors"), 0);
        sums[0] += cases;
        sums[1] += count("failure");
        sums[2] += count("skipped");
        for case in suite
            .children()
            .filter(|node| node.tag_name().name() == "testcase")
        {
            assert!(case.attribute("name").is_some() && case.attribute("classname").is_some());
            let inside: Vec<&str> = case
                .children()
                .filter(roxmltree::Node::is_element)
                .map(|node| node.tag_name().name())
                .collect();
            assert!(
                matches!(inside[..], [] | ["failure"] | ["skipped"]),
                "{inside:?}"
            );
            for failure in case
                .children()
                .filter(|node| node.tag_name().name() == "failure")
            {
                assert!(
                    failure.attribute("type").is_some() && failure.attribute("message").is_some()
                );
            }
        }
    }
    assert_eq!(
        [
            number(root, "tests"),
            number(root, "failures"),
            number(root, "skipped")
        ],
        sums
    );
    document
}

/// Fails unless the text is one document that loads and runs nothing.
#[track_caller]
pub(crate) fn html(text: &str) {
    assert!(text.starts_with("<!doctype html>"));
    let lower = text.to_ascii_lowercase();
    for never in [
        "<script",
        "<link",
        "<img",
        "<iframe",
        "<object",
        "<embed",
        "<base",
        "<form",
        " src=",
        "srcset=",
        "url(",
        "@import",
        " style=\"",
        "javascript:",
        "http-equiv=\"refresh\"",
    ] {
        assert!(!lower.contains(never), "{never}");
    }
    for tag in tags(text) {
        // No attribute of any tag is an event handler.
        let handler = tag
            .split_whitespace()
            .skip(1)
            .any(|word| word.to_ascii_lowercase().starts_with("on") && word.contains('='));
        assert!(!handler, "{tag}");
    }
    assert!(text.contains("default-src 'none'"));
    assert_eq!(text.matches("<h1>").count(), 1);
}

/// Opening tags, found by their brackets: text between them has none.
fn tags(text: &str) -> impl Iterator<Item = &str> {
    text.split('<')
        .skip(1)
        .filter_map(|rest| rest.split('>').next())
}

#[test]
fn every_form_is_valid_over_every_server() {
    let subjects = subjects();
    assert!(subjects.len() > 12);
    sarif(&rendered(Form::Sarif, &subjects));
    junit(&rendered(Form::Junit, &subjects));
    html(&rendered(Form::Html, &subjects));
    for subject in &subjects {
        let one = std::slice::from_ref(subject);
        sarif(&rendered(Form::Sarif, one));
        junit(&rendered(Form::Junit, one));
        html(&rendered(Form::Html, one));
    }
}

/// One scan, one answer: each form names the same checks with the same verdicts, and the grade.
#[test]
fn all_forms_say_the_same() {
    for subject in subjects() {
        let report = &subject.report;
        let one = std::slice::from_ref(&subject);
        let with = |verdict| -> Vec<&str> {
            report
                .findings
                .iter()
                .filter(|finding| finding.verdict == verdict)
                .map(|finding| finding.check.as_str())
                .collect()
        };
        let (fails, warns) = (with(FindingVerdict::Fail), with(FindingVerdict::Warn));
        let mark = site::view::grade::Mark::of(&report.grade).text;
        let log = sarif(&rendered(Form::Sarif, one));
        let run = &log["runs"][0];
        let results = run["results"].as_array().expect("results");
        let of = |note: bool| -> Vec<&str> {
            results
                .iter()
                .filter(|result| (result["level"] == "note") == note)
                .filter_map(|result| result["ruleId"].as_str())
                .collect()
        };
        assert_eq!(of(false), fails);
        assert_eq!(of(true), warns);
        let notices = run["invocations"][0]["toolExecutionNotifications"]
            .as_array()
            .expect("notifications");
        let unsure: Vec<&str> = notices
            .iter()
            .filter_map(|notice| notice["associatedRule"]["id"].as_str())
            .collect();
        assert_eq!(unsure, with(FindingVerdict::Inconclusive));
        let text = rendered(Form::Junit, one);
        let document = junit(&text);
        let failed: Vec<&str> = document
            .descendants()
            .filter(|node| node.tag_name().name() == "failure")
            .filter_map(|node| node.parent()?.attribute("name"))
            .collect();
        assert_eq!(failed, fails);
        assert!(text.contains(&format!("name=\"grade\" value=\"{mark}\"")));
        for form in [Form::Markdown, Form::Html, Form::Text] {
            let text = rendered(form, one);
            for check in fails.iter().chain(&warns) {
                assert!(text.contains(check), "{form:?}: {check}");
            }
            assert!(text.contains(&mark), "{form:?}: {mark}");
        }
        let lines = rendered(Form::Github, one);
        let commands = lines.lines().filter(|line| line.starts_with("::")).count();
        assert_eq!(commands, (fails.len() + warns.len()).min(10));
        assert!(
            lines
                .lines()
                .all(|line| line.starts_with("::") || line.starts_with("authdex: "))
        );
        assert!(lines.contains(&format!("{} {mark} (", report.target.url)));
    }
}

#[test]
fn sarif_results_keep_their_fingerprints_and_their_places() {
    let fingerprints = || -> Vec<String> {
        let log = sarif(&rendered(Form::Sarif, &subjects()));
        log["runs"][0]["results"]
            .as_array()
            .expect("results")
            .iter()
            .map(|result| {
                let print = result["partialFingerprints"]["authdex/v1"].as_str();
                print.expect("a fingerprint").to_owned()
            })
            .collect()
    };
    let once = fingerprints();
    assert_eq!(once, fingerprints());
    let mut distinct = once.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), once.len(), "each finding has its own");
    // A fingerprint that moves with versions or machines would open every alert again.
    let report = &reports()[0];
    let finding = report
        .findings
        .iter()
        .find(|finding| finding.check == "pkce-advertised")
        .expect("it is in the catalogue");
    assert_eq!(report.target.url, "https://notes.demo.example/mcp");
    assert_eq!(
        site::output::sarif::fingerprint(report, finding),
        sha("https://notes.demo.example/mcp\npkce-advertised\nok")
    );
    let log = sarif(&rendered(Form::Sarif, &subjects()));
    let text = log.to_string();
    for part in ["\"kind\":\"header\"", "\"kind\":\"member\"", "exchange 0"] {
        assert!(text.contains(part), "{part}");
    }
}

fn sha(text: &str) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(text.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[test]
fn rules_lead_to_the_pages_of_an_installation() {
    let setting = Setting {
        base: Some("https://index.example.org/".into()),
        ..Setting::default()
    };
    let text = render(Form::Sarif, &subjects()[..1], &setting).expect("written");
    let log = sarif(&text);
    let rules = log["runs"][0]["tool"]["driver"]["rules"]
        .as_array()
        .expect("rules");
    assert_eq!(rules.len(), scanner::checks::all().count());
    for (rule, check) in rules.iter().zip(scanner::checks::all()) {
        assert_eq!(rule["id"], check.id);
        assert_eq!(
            rule["helpUri"],
            format!("https://index.example.org/checks/{}", check.id)
        );
    }
    // Without an installation the text that demands the rule explains it.
    let log = sarif(&rendered(Form::Sarif, &subjects()[..1]));
    let rules = log["runs"][0]["tool"]["driver"]["rules"]
        .as_array()
        .expect("rules");
    assert!(
        rules
            .iter()
            .filter(|rule| rule["helpUri"].is_string())
            .count()
            > 100
    );
}

#[test]
fn the_verified_grade_stands_beside_the_public_one() {
    let report = reports()
        .into_iter()
        .find(|report| report.grade.letter.is_some())
        .expect("a letter");
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    const LINE: &str = "Verified, with what only consent shows: C, score 61.5.";
    for form in [Form::Text, Form::Markdown, Form::Html, Form::Junit] {
        let plain = rendered(form, &[Subject::plain(report.clone())]);
        assert!(!words(&plain).contains("Verified"), "{form:?}");
        let mut verified = report.grade.clone();
        verified.letter = Some(scanner::report::GradeLetter::C);
        verified.score = Some(61.5);
        verified.caps.clear();
        let mut deeper = report.clone();
        deeper.verified = Some(verified);
        let shown = rendered(form, &[Subject::plain(deeper)]);
        assert!(words(&shown).contains(LINE), "{form:?}: {shown}");
    }
}
