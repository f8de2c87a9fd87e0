//! The objects that the API takes and gives, as tables of their members. Tests hold every
//! answer of the suite against them, without a member too many or too few.

mod field;
mod index;
mod registry;
mod scans;
mod servers;

use serde_json::{Map, Value};

use super::kinds::{Member, object};

/// A component: its name, what it is, its members.
pub(super) type Component = (&'static str, &'static str, &'static [Member]);

/// The report's own schema.
const REPORT: &str = include_str!("../../../../docs/schema/report-1.json");

/// All components by name.
pub(super) fn all() -> Map<String, Value> {
    let mut out = Map::new();
    let tables = [
        servers::ALL,
        scans::ALL,
        index::ALL,
        field::ALL,
        registry::ALL,
    ];
    for (name, text, members) in tables.into_iter().flatten() {
        out.insert((*name).to_owned(), object(text, members));
    }
    for (name, example) in EXAMPLES {
        let example = serde_json::from_str::<Value>(example);
        if let (Some(Value::Object(schema)), Ok(example)) = (out.get_mut(*name), example) {
            schema.insert("examples".into(), Value::Array(vec![example]));
        }
    }
    report(&mut out);
    out
}

/// Puts the report's schema and its definitions among the components.
fn report(out: &mut Map<String, Value>) {
    let Ok(Value::Object(mut report)) = serde_json::from_str::<Value>(REPORT) else {
        return;
    };
    report.remove("$schema");
    report.remove("$id");
    if let Some(Value::Object(definitions)) = report.remove("$defs") {
        for (name, mut definition) in definitions {
            lead(&mut definition);
            out.insert(format!("Report.{name}"), definition);
        }
    }
    let mut report = Value::Object(report);
    lead(&mut report);
    out.insert("Report".into(), report);
}

/// Leads references to where the definitions are now.
fn lead(value: &mut Value) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(target)) = members.get_mut("$ref")
                && let Some(name) = target.strip_prefix("#/$defs/")
            {
                *target = format!("#/components/schemas/Report.{name}");
            }
            members.values_mut().for_each(lead);
        }
        Value::Array(values) => values.iter_mut().for_each(lead),
        _ => (),
    }
}

/// Examples of components; a test holds them against the schemas.
const EXAMPLES: &[(&str, &str)] = &[
    (
        "Server",
        r#"{"id":"srv_06erk1v8qkz7f4t1m2n9c0h5ya","url":"https://mcp.example.com/mcp","host":"mcp.example.com","name":"Example notes","class":"oauth","era":"legacy","exposure":null,"grade":{"letter":"C","badge":null,"score":96.2,"doubtful":false,"coverage":97.8,"revision":"2026-07-28","cap":{"letter":"C","check":"pkce-advertised","party":"authorization_server"}},"claimed":{"revision":"2025-11-25","letter":"C"},"registration":"cimd","pkce":"absent","state":"published","stale":false,"listed":true,"first_seen":"2026-09-01T00:00:00Z","checked":"2026-11-20T03:12:07Z","changed":"2026-10-02T03:12:44Z","scan":"scn_06erk3v8qkz7f4t1m2n9c0h5ya","scans":12,"next_scan_at":"2026-11-27T03:12:00Z","held_until":null,"sources":["registry"],"authorization_servers":["https://id.example.com"],"links":{"self":"/api/v1/servers/srv_06erk1v8qkz7f4t1m2n9c0h5ya","page":"/servers/srv_06erk1v8qkz7f4t1m2n9c0h5ya","badge":"/badges/srv_06erk1v8qkz7f4t1m2n9c0h5ya.svg","scans":"/api/v1/servers/srv_06erk1v8qkz7f4t1m2n9c0h5ya/scans"}}"#,
    ),
    (
        "ScanRequest",
        r#"{"url":"https://mcp.example.com/mcp","max_age":3600}"#,
    ),
    (
        "Wish",
        r#"{"id":"wsh_06erk1v8qkz7f4t1m2n9c0h5ya_1a1f3c2b4d0","server":"srv_06erk1v8qkz7f4t1m2n9c0h5ya","status":"queued","position":3,"cached":false}"#,
    ),
    (
        "Change",
        r#"{"seq":10413,"at":"2026-11-20T04:15:40Z","kind":"regressed","server":"srv_06erk1v8qkz7f4t1m2n9c0h5ya","name":"Example notes","url":"https://mcp.example.com/mcp","from":"A","to":"C","cause":"authorization_server","checks":["pkce-advertised"],"scan":"scn_06erk3v8qkz7f4t1m2n9c0h5ya","previous_scan":"scn_06erk2v8qkz7f4t1m2n9c0h5ya","diff":"/compare/scn_06erk2v8qkz7f4t1m2n9c0h5ya...scn_06erk3v8qkz7f4t1m2n9c0h5ya"}"#,
    ),
    (
        "Problem",
        r#"{"type":"/docs/problems/cooldown","title":"Scanned a moment ago","status":429,"detail":"This server was scanned a moment ago. Its newest scan is named in this answer.","instance":"/api/v1/scans","request_id":"req_5f0c3a9d1b7e24680f1d2c3b4a596877","retry_at":"2026-11-20T03:22:07Z","scan":"scn_06erk3v8qkz7f4t1m2n9c0h5ya"}"#,
    ),
];
