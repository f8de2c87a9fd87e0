//! The schemas under `docs/schema`: they fit what is written, and they list exactly what the
//! types write.

use std::collections::{BTreeMap, BTreeSet};

use scanner::report::{FutureGrade, Report};
use serde_json::{Value, json};
use site::output::{Form, Reports};
use site::policy::Subject;

use super::{rendered, reports};

fn schema(name: &str) -> Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs/schema")
        .join(format!("{name}.json"));
    let text = std::fs::read_to_string(path).expect("a schema");
    serde_json::from_str(&text).expect("JSON")
}

/// Fails unless the value fits the schema of that name.
#[track_caller]
pub(crate) fn fits(name: &str, value: &Value) {
    let report = jsonschema::Resource::from_contents(schema("report-1"));
    let registry = jsonschema::Registry::new()
        .add("urn:authdex:schema:report-1", report)
        .and_then(|builder| builder.prepare())
        .expect("a registry");
    let validator = jsonschema::options()
        .with_registry(&registry)
        .should_validate_formats(true)
        .build(&schema(name))
        .expect("a schema");
    let faults: Vec<String> = validator
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .take(5)
        .collect();
    assert!(faults.is_empty(), "{name}: {faults:#?}");
}

/// A report in which everything that can be there is there.
fn full() -> Report {
    let mut report = reports().swap_remove(2);
    report.scan = Some("scn_06erk3v8qkz7f4t1m2n9c0h5ya".into());
    report.verified = Some(report.grade.clone());
    let listing = report.target.listing.as_mut().expect("a listing");
    listing.auth = Some("oauth".into());
    report.future = vec![FutureGrade {
        rubric: "2027.1".into(),
        effective: "2027-03-01".into(),
        letter: report.grade.letter,
        badge: None,
        score: report.grade.score,
    }];
    let attribution = report
        .findings
        .iter_mut()
        .find_map(|finding| finding.attribution.as_mut())
        .expect("a finding that somebody has to act on");
    attribution.product = Some("keycloak".into());
    attribution.source = Some(scanner::fingerprints::table::Source::Code);
    attribution.as_of = Some("2026-07".into());
    report.overlay = Some(json!({
        "name": "s.toml", "sha256": "0".repeat(64), "result": "fail", "reasons": ["x"],
        "suppressed": [{"check": "tls-hsts", "reason": "r", "expires": "2027-01-01", "party": null, "person": "p"}],
        "baseline": {"file": "b.json", "other_server": null, "started": "2026-11-20T03:12:07Z",
            "mark": "A", "new": [], "known": [], "fixed": [], "lost_letter": false},
    }));
    report
}

#[test]
fn reports_fit_their_schema() {
    for report in reports().into_iter().chain([full()]) {
        fits("report-1", &serde_json::to_value(&report).expect("JSON"));
    }
    let subjects: Vec<Subject> = reports().into_iter().map(Subject::plain).collect();
    let text = rendered(Form::Json, &subjects);
    fits("reports-1", &serde_json::from_str(&text).expect("JSON"));
    let reports: Vec<&Report> = Vec::new();
    let none = Reports {
        schema: site::output::REPORTS_SCHEMA,
        reports,
    };
    fits("reports-1", &serde_json::to_value(none).expect("JSON"));
}

#[test]
fn the_schema_refuses_what_is_no_report() {
    let report = jsonschema::options()
        .should_validate_formats(true)
        .build(&schema("report-1"))
        .expect("a schema");
    let good = serde_json::to_value(full()).expect("JSON");
    assert!(report.is_valid(&good));
    let broken: [(&str, Value); 6] = [
        ("/schema", json!("authdex.report/2")),
        ("/grade/letter", json!("G")),
        ("/started", json!("yesterday")),
        ("/findings/0/verdict", json!("fine")),
        ("/grade/score", json!(101)),
        ("/evidence/sha256", json!("abc")),
    ];
    for (place, value) in broken {
        let mut bad = good.clone();
        *bad.pointer_mut(place).expect("a place") = value;
        assert!(!report.is_valid(&bad), "{place}");
    }
    let mut short = good.clone();
    short.as_object_mut().expect("an object").remove("overlay");
    assert!(!report.is_valid(&short), "every member is always present");
    // Additions do not break readers.
    let mut more = good;
    more["news"] = json!(1);
    more["findings"][0]["news"] = json!([]);
    assert!(report.is_valid(&more));
}

/// Objects of a value beside the definitions that describe them: what is written and what is
/// described are the same members.
fn walk(
    root: &Value,
    node: &Value,
    value: &Value,
    seen: &mut BTreeMap<String, BTreeSet<String>>,
    name: &str,
) {
    if let Some(target) = node["$ref"].as_str() {
        let name = target.trim_start_matches("#/$defs/");
        return walk(root, &root["$defs"][name], value, seen, name);
    }
    if let Some(options) = node["anyOf"].as_array() {
        if !value.is_null() {
            walk(root, &options[0], value, seen, name);
        }
        return;
    }
    match value {
        Value::Object(members) => {
            if let Some(properties) = node["properties"].as_object() {
                let written: BTreeSet<String> = members.keys().cloned().collect();
                let described: BTreeSet<String> = properties.keys().cloned().collect();
                let unknown: Vec<&String> = written.difference(&described).collect();
                assert!(unknown.is_empty(), "{name} does not describe {unknown:?}");
                let required: BTreeSet<String> = node["required"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(|name| name.as_str().map(str::to_owned))
                    .collect();
                let absent: Vec<&String> = required.difference(&written).collect();
                assert!(absent.is_empty(), "{name} demands {absent:?}");
                seen.entry(name.into()).or_default().extend(written);
                for (member, value) in members {
                    let place = format!("{name}.{member}");
                    assert!(
                        properties[member]["description"].is_string(),
                        "{place} is not described"
                    );
                    walk(root, &properties[member], value, seen, &place);
                }
            } else {
                for value in members.values() {
                    walk(root, &node["additionalProperties"], value, seen, name);
                }
            }
        }
        Value::Array(values) => {
            for value in values {
                walk(root, &node["items"], value, seen, name);
            }
        }
        _ => (),
    }
}

/// Fails unless the schema of that name lists exactly the members that the values have.
#[track_caller]
pub(crate) fn complete(name: &str, values: &[Value]) {
    let root = schema(name);
    let mut seen = BTreeMap::new();
    for value in values {
        walk(&root, &root, value, &mut seen, "the document");
    }
    for definition in root["$defs"]
        .as_object()
        .into_iter()
        .flat_map(|defs| defs.keys())
    {
        assert!(
            seen.contains_key(definition),
            "no sample has a {definition}"
        );
    }
    for (definition, members) in &seen {
        let node = match definition.as_str() {
            "the document" => &root,
            name => &root["$defs"][name],
        };
        let described: BTreeSet<String> = node["properties"]
            .as_object()
            .into_iter()
            .flat_map(|properties| properties.keys().cloned())
            .collect();
        assert_eq!(
            *members, described,
            "{definition}: nobody writes a member that is described"
        );
    }
    fn described(node: &Value) -> bool {
        let here = node
            .get("description")
            .is_some_and(|text| text.as_str().is_some_and(|text| text.ends_with('.')));
        here || node.get("$ref").is_some()
    }
    for (definition, node) in root["$defs"].as_object().into_iter().flatten() {
        assert!(described(node), "{definition}");
    }
}

#[test]
fn the_schemas_list_exactly_what_is_written() {
    let values: Vec<Value> = reports()
        .into_iter()
        .chain([full()])
        .map(|report| serde_json::to_value(report).expect("JSON"))
        .collect();
    complete("report-1", &values);
}

#[test]
fn differences_fit_their_schema() {
    use scanner::diff::{Graded, between};
    let mut world = scanner::fleet::demo::world();
    let targets = crate::sample::targets(&world);
    let scan = |world: &scanner::fleet::world::World, at| {
        targets
            .iter()
            .map(|target| {
                let evidence = crate::sample::scan(world, target, at);
                let report = scanner::grade::grade(&evidence, scanner::rubric::current());
                (evidence, report)
            })
            .collect::<Vec<_>>()
    };
    let before = scan(&world, crate::sample::START);
    scanner::fleet::demo::change(&mut world);
    let after = scan(&world, crate::sample::START);
    let mut written = Vec::new();
    for ((ea, ra), (eb, rb)) in before.iter().zip(&after) {
        let diff = between(
            Graded {
                evidence: ea,
                report: ra,
            },
            Graded {
                evidence: eb,
                report: rb,
            },
        )
        .expect("one rubric");
        for rubric in [None, Some(("2025.9", -4))] {
            let difference = site::output::difference::Difference {
                before: ra,
                after: rb,
                diff: &diff,
                rubric,
            };
            if let Some(total) = difference.total() {
                let sum: i64 = difference.parts().iter().map(|(_, tenths)| tenths).sum();
                assert_eq!(sum, total);
            }
            fits("diff-1", &difference.json());
            written.push(difference.json());
        }
    }
    complete("diff-1", &written);
}
