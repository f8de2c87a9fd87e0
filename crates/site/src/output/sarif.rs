//! SARIF 2.1.0: what code-scanning services read. One run for all targets, one invocation a
//! target. What could not be told is a notification of its invocation and never a result.

use scanner::check::{Check, Place, Severity};
use scanner::checks;
use scanner::report::{Class, Finding, FindingVerdict, Report};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use url::Position;

use crate::policy::Subject;
use crate::view::Shown;
use crate::view::text::sentence;

/// Address of the schema that the document follows.
pub const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// Most places that one result names.
const PLACES: usize = 10;

/// The document. `base` is the address of an installation whose pages explain the checks.
#[must_use]
pub fn log(subjects: &[Subject], base: Option<&str>) -> Value {
    let rules: Vec<Value> = checks::all().map(|check| rule(check, base)).collect();
    let results: Vec<Value> = subjects.iter().flat_map(results).collect();
    let invocations: Vec<Value> = subjects.iter().map(invocation).collect();
    let version = env!("CARGO_PKG_VERSION");
    let mut driver = json!({
        "name": "Authdex",
        "version": version,
        "semanticVersion": version,
        "rules": rules,
    });
    if let Some(base) = base {
        driver["informationUri"] = json!(base);
    }
    let mut run = json!({
        "tool": { "driver": driver },
        "columnKind": "unicodeCodePoints",
        "invocations": invocations,
        "results": results,
    });
    if subjects
        .iter()
        .any(|subject| subject.policy.against.is_some())
    {
        run["properties"] = json!({ "baseline": baselines(subjects) });
    }
    json!({ "$schema": SCHEMA, "version": "2.1.0", "runs": [run] })
}

fn baselines(subjects: &[Subject]) -> Vec<Value> {
    subjects
        .iter()
        .filter_map(|subject| {
            let against = subject.policy.against.as_ref()?;
            Some(json!({
                "target": subject.report.target.url,
                "file": against.file,
                "fixed": against.fixed,
            }))
        })
        .collect()
}

fn rule(check: &Check, base: Option<&str>) -> Value {
    let help = format!("{}\n\nMisleading: {}", check.fix, check.traps);
    let mut rule = json!({
        "id": check.id,
        "shortDescription": { "text": sentence(check.title) },
        "fullDescription": { "text": check.why },
        "help": { "text": help },
        "defaultConfiguration": { "level": fail_level(check.severity) },
        "properties": {
            "tags": ["security", check.area.as_str(), check.level.as_str(), check.class.as_str()],
            "security-severity": security_severity(check.severity),
            "citations": check.cites.iter().map(|cite| cite.text()).collect::<Vec<_>>(),
        },
    });
    let cited = || check.cites.iter().find_map(|cite| cite.url());
    let page = base
        .map(|base| format!("{}/checks/{}", base.trim_end_matches('/'), check.id))
        .or_else(cited);
    if let Some(page) = page {
        rule["helpUri"] = json!(page);
    }
    rule
}

fn fail_level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium | Severity::Low | Severity::Info => "warning",
    }
}

/// The number from which services derive their own words for severity.
fn security_severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.5",
        Severity::Low => "3.0",
        Severity::Info => "0.5",
    }
}

fn index_of(check: &str) -> Option<usize> {
    checks::all().position(|known| known.id == check)
}

fn results(subject: &Subject) -> Vec<Value> {
    subject
        .report
        .findings
        .iter()
        .filter_map(|finding| match finding.verdict {
            FindingVerdict::Fail => Some(result(subject, finding, fail_level(finding.severity))),
            FindingVerdict::Warn => Some(result(subject, finding, "note")),
            FindingVerdict::Pass | FindingVerdict::Na | FindingVerdict::Inconclusive => None,
        })
        .collect()
}

fn result(subject: &Subject, finding: &Finding, level: &str) -> Value {
    let report = &subject.report;
    let mut result = json!({
        "ruleId": finding.check,
        "level": level,
        "message": { "text": said(finding) },
        "locations": locations(report, finding),
        "partialFingerprints": { "authdex/v1": fingerprint(report, finding) },
        "properties": {
            "target": report.target.url,
            "reason": finding.reason,
            "severity": finding.severity.as_str(),
            "party": finding.party,
        },
    });
    if let Some(index) = index_of(&finding.check) {
        result["ruleIndex"] = json!(index);
    }
    if let Some(against) = &subject.policy.against {
        let known = against.known.contains(&finding.check);
        result["baselineState"] = json!(if known { "unchanged" } else { "new" });
    }
    // A result without suppressions says so, or services take its state to be unknown.
    result["suppressions"] = match subject.policy.suppressed.get(&finding.check) {
        None => json!([]),
        Some(waiver) => json!([{
            "kind": "external",
            "status": "accepted",
            "justification": Shown::bounded(&waiver.reason, 600).as_str(),
            "properties": {
                "expires": waiver.expires,
                "person": waiver.person,
                "party": waiver.party,
            },
        }]),
    };
    result
}

fn said(finding: &Finding) -> String {
    if finding.withheld || finding.detail.is_empty() {
        return sentence(&crate::view::finding::title(&finding.check));
    }
    Shown::bounded(&sentence(&finding.detail), 1000).to_string()
}

/// Equal for the same finding of the same server, whenever and wherever it is scanned.
#[must_use]
pub fn fingerprint(report: &Report, finding: &Finding) -> String {
    let text = [&report.target.url, &finding.check, &finding.reason]
        .map(String::as_str)
        .join("\n");
    Sha256::digest(text.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn locations(report: &Report, finding: &Finding) -> Vec<Value> {
    if finding.evidence.is_empty() {
        return vec![json!({ "physicalLocation": physical(&report.target.url) })];
    }
    finding
        .evidence
        .iter()
        .take(PLACES)
        .map(|place| {
            let url = report
                .exchanges
                .iter()
                .find(|exchange| exchange.id == place.exchange)
                .map_or(report.target.url.as_str(), |exchange| exchange.url.as_str());
            json!({
                "physicalLocation": physical(url),
                "logicalLocations": [logical(place)],
            })
        })
        .collect()
}

fn physical(url: &str) -> Value {
    json!({ "artifactLocation": { "uri": uri(url) } })
}

/// What path, query and fragment may hold besides letters, digits and `-._~`.
const PARTS: &[u8] = b"!$&'()*+,;=:@/?";

/// The text as a URI: what no URI may hold, although addresses on the web do, is
/// percent-encoded.
fn uri(text: &str) -> String {
    match url::Url::parse(text) {
        Ok(url) => {
            let front = &url[..Position::BeforePath];
            let path = encoded(&url[Position::BeforePath..Position::AfterQuery], PARTS);
            match url.fragment() {
                Some(fragment) => format!("{front}{path}#{}", encoded(fragment, PARTS)),
                None => format!("{front}{path}"),
            }
        }
        Err(_) => encoded(text, b"/"),
    }
}

/// The text with everything percent-encoded but letters, digits, `-._~`, what is encoded
/// already, and the characters in `also`.
fn encoded(text: &str, also: &[u8]) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    for (place, byte) in bytes.iter().enumerate() {
        let hex = |offset: usize| bytes.get(place + offset).is_some_and(u8::is_ascii_hexdigit);
        let keep = byte.is_ascii_alphanumeric()
            || b"-._~".contains(byte)
            || also.contains(byte)
            || (*byte == b'%' && hex(1) && hex(2));
        if keep {
            out.push(char::from(*byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// A header by its name, a member of a body by its JSON Pointer, anything else by its word.
fn logical(place: &Place) -> Value {
    let shown = Shown::bounded(&place.at, 400).to_string();
    let (kind, name) = match place.at.split_once(':') {
        Some(("header", rest)) => ("header", rest.split('[').next().unwrap_or(rest)),
        Some(("body", pointer)) => ("member", if pointer.is_empty() { "/" } else { pointer }),
        Some((_, rest)) => ("resource", rest),
        None => ("resource", place.at.as_str()),
    };
    json!({
        "name": Shown::bounded(name, 400).as_str(),
        "fullyQualifiedName": format!("exchange {} {shown}", place.exchange),
        "kind": kind,
    })
}

fn invocation(subject: &Subject) -> Value {
    let report = &subject.report;
    let asked = !matches!(report.class, Class::Unreachable | Class::Blocked);
    let mut notices: Vec<Value> = report
        .findings
        .iter()
        .filter(|finding| finding.verdict == FindingVerdict::Inconclusive)
        .map(|finding| notice(report, finding))
        .collect();
    if !asked {
        let text = crate::view::grade::one_line(report);
        notices.insert(
            0,
            json!({ "level": "error", "message": { "text": text.as_str() } }),
        );
    }
    let mut invocation = json!({
        "executionSuccessful": asked,
        "startTimeUtc": report.started,
        "toolExecutionNotifications": notices,
        "properties": {
            "target": report.target.url,
            "class": report.class.as_str(),
            "letter": report.grade.letter,
            "badge": report.grade.badge,
            "score": report.grade.score,
            "coverage": report.grade.coverage,
            "rubric": report.grade.rubric,
            "depth": report.depth.as_str(),
        },
    });
    if let Some(start) = scanner::time::Millis::parse_rfc3339(&report.started) {
        invocation["endTimeUtc"] = json!(start.plus(i64::from(report.duration_ms)).rfc3339());
    }
    invocation
}

fn notice(report: &Report, finding: &Finding) -> Value {
    let weighty = report.grade.unsettled.contains(&finding.check);
    let mut notice = json!({
        "level": if weighty { "warning" } else { "note" },
        "message": {
            "text": format!("{} could not be told. {}", finding.check, said(finding)),
        },
        "locations": [{ "physicalLocation": physical(&report.target.url) }],
        "properties": { "reason": finding.reason },
    });
    if let Some(index) = index_of(&finding.check) {
        notice["associatedRule"] = json!({ "id": finding.check, "index": index });
    }
    notice
}

#[cfg(test)]
mod tests {
    use super::uri;

    #[test]
    fn addresses_become_what_a_uri_may_be() {
        for (text, expected) in [
            ("https://a.example/mcp?x=1", "https://a.example/mcp?x=1"),
            ("https://[::1]:8443/a", "https://[::1]:8443/a"),
            (
                "https://a.example/]|%5b%zz",
                "https://a.example/%5D%7C%5b%25zz",
            ),
            ("https://a.example/&#x#y", "https://a.example/&#x%23y"),
            ("a:b c", "a:b%20c"),
            ("b c:d", "b%20c%3Ad"),
            ("", ""),
        ] {
            assert_eq!(uri(text), expected);
        }
    }
}
