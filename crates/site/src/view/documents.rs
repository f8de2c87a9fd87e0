//! What changed in the documents of two scans: members by their path, lists of words as sets,
//! keys by their `kid`.

use std::collections::BTreeMap;

use scanner::evidence::Evidence;
use scanner::facts::Facts;
use scanner::spec::Revision;
use serde_json::{Map, Value, json};

use super::Shown;

/// Most changes that are listed of one document.
const MOST: usize = 200;

/// What happened at one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// There now.
    Added,
    /// Gone.
    Removed,
    /// Another value.
    Changed,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What happened.
    pub kind: Kind,
    /// JSON Pointer; for sets the pointer of the list.
    pub path: String,
    /// Value before, as JSON.
    pub before: Option<Value>,
    /// Value after, as JSON.
    pub after: Option<Value>,
}

impl Change {
    /// `+`, `−` or `~`.
    #[must_use]
    pub fn sign(&self) -> &'static str {
        match self.kind {
            Kind::Added => "+",
            Kind::Removed => "−",
            Kind::Changed => "~",
        }
    }

    /// Class of the style sheet.
    #[must_use]
    pub fn tone(&self) -> &'static str {
        match self.kind {
            Kind::Added => "added",
            Kind::Removed => "removed",
            Kind::Changed => "changed",
        }
    }

    /// The path as shown.
    #[must_use]
    pub fn at(&self) -> Shown {
        Shown::new(if self.path.is_empty() {
            "/"
        } else {
            &self.path
        })
    }

    /// The value before, as shown.
    #[must_use]
    pub fn was(&self) -> Option<Shown> {
        self.before
            .as_ref()
            .map(|value| Shown::bounded(&value.to_string(), 400))
    }

    /// The value after, as shown.
    #[must_use]
    pub fn is(&self) -> Option<Shown> {
        self.after
            .as_ref()
            .map(|value| Shown::bounded(&value.to_string(), 400))
    }
}

/// A document of two scans.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// `challenge`, `resource_metadata`, `as_metadata` or `jwks`.
    pub kind: &'static str,
    /// Heading.
    pub name: String,
    /// The issuer, for documents of an authorization server.
    pub issuer: Option<String>,
    /// Absent before.
    pub appeared: bool,
    /// Absent after.
    pub vanished: bool,
    /// Differences in order of path.
    pub changes: Vec<Change>,
}

/// The documents of two scans that differ, and how.
#[must_use]
pub fn compare(a: &Evidence, b: &Evidence) -> Vec<Pair> {
    let (a, b) = (collect(a), collect(b));
    let mut keys: Vec<&Key> = a.keys().chain(b.keys()).collect();
    keys.sort();
    keys.dedup();
    keys.into_iter()
        .filter_map(|key| {
            let (before, after) = (a.get(key), b.get(key));
            let nothing = Value::Null;
            let changes = between(before.unwrap_or(&nothing), after.unwrap_or(&nothing));
            (!changes.is_empty()).then(|| Pair {
                kind: key.1,
                name: heading(key),
                issuer: key.2.clone(),
                appeared: before.is_none(),
                vanished: after.is_none(),
                changes,
            })
        })
        .collect()
}

/// Operations of RFC 6902 that turn the documents of one scan into those of the other. They
/// work on an object with a member for each document, named by its kind, or by kind and issuer
/// with a blank between. Lists that differ are replaced whole.
#[must_use]
pub fn patch(a: &Evidence, b: &Evidence) -> Vec<Value> {
    let mut out = Vec::new();
    operations("", &named(a), &named(b), &mut out);
    out
}

/// The documents of a scan by their names, as one object.
#[must_use]
pub fn named(evidence: &Evidence) -> Value {
    let members = collect(evidence)
        .into_iter()
        .map(|((_, kind, issuer), value)| {
            let name = match issuer {
                Some(issuer) => format!("{kind} {issuer}"),
                None => kind.to_owned(),
            };
            (name, value)
        });
    Value::Object(members.collect())
}

fn operations(path: &str, before: &Value, after: &Value, out: &mut Vec<Value>) {
    match (before, after) {
        (before, after) if before == after => {}
        (Value::Object(before), Value::Object(after)) => {
            let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
            names.sort();
            names.dedup();
            for name in names {
                let path = format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
                match (before.get(name), after.get(name)) {
                    (Some(before), Some(after)) => operations(&path, before, after, out),
                    (None, Some(after)) => {
                        out.push(json!({ "op": "add", "path": path, "value": after }));
                    }
                    (Some(_), None) => out.push(json!({ "op": "remove", "path": path })),
                    (None, None) => {}
                }
            }
        }
        (_, after) => out.push(json!({ "op": "replace", "path": path, "value": after })),
    }
}

type Key = (u8, &'static str, Option<String>);

fn heading((_, kind, issuer): &Key) -> String {
    let name = match *kind {
        "challenge" => "Challenge of the endpoint",
        "resource_metadata" => "Protected resource metadata",
        "as_metadata" => "Authorization server metadata",
        _ => "Key set",
    };
    match issuer {
        Some(issuer) => format!("{name} of {issuer}"),
        None => name.to_owned(),
    }
}

fn collect(evidence: &Evidence) -> BTreeMap<Key, Value> {
    let facts = Facts::new(evidence);
    let mut out = BTreeMap::new();
    if let Some((answer, challenge)) = facts.first_challenge() {
        let params: Map<String, Value> = challenge
            .params
            .iter()
            .map(|(name, value)| (name.clone(), Value::String(value.clone())))
            .collect();
        let value = json!({
            "status": answer.status(),
            "scheme": challenge.scheme,
            "params": params,
        });
        out.insert((0, "challenge", None), value);
    }
    if let Some(prm) = facts.selected_prm(Revision::HEADLINE) {
        out.insert(
            (1, "resource_metadata", None),
            Value::Object(prm.document.members.clone()),
        );
    }
    for issuer in facts.issuers() {
        let found = issuer
            .candidates
            .iter()
            .find_map(|candidate| candidate.asm());
        if let Some(document) = found {
            let name = Some(issuer.listed.clone());
            out.insert(
                (2, "as_metadata", name),
                Value::Object(document.members.clone()),
            );
        }
        let keys = facts
            .answer(scanner::evidence::Purpose::Jwks(issuer.index))
            .and_then(|answer| answer.json_object());
        if let Some(keys) = keys {
            out.insert(
                (3, "jwks", Some(issuer.listed.clone())),
                Value::Object(keys),
            );
        }
    }
    out
}

/// The differences of two values, at most 200.
#[must_use]
pub fn between(before: &Value, after: &Value) -> Vec<Change> {
    let mut out = Vec::new();
    walk("", before, after, &mut out);
    out.truncate(MOST);
    out
}

fn walk(path: &str, before: &Value, after: &Value, out: &mut Vec<Change>) {
    match (before, after) {
        (before, after) if before == after => {}
        (Value::Object(before), Value::Object(after)) => {
            let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
            names.sort();
            names.dedup();
            for name in names {
                let path = format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
                match (before.get(name), after.get(name)) {
                    (Some(before), Some(after)) => walk(&path, before, after, out),
                    (before, after) => out.push(change(path, before, after)),
                }
            }
        }
        (Value::Array(before), Value::Array(after)) => lists(path, before, after, out),
        (Value::Null, after) => members(path, after, Kind::Added, out),
        (before, Value::Null) => members(path, before, Kind::Removed, out),
        (before, after) => out.push(change(path.to_owned(), Some(before), Some(after))),
    }
}

/// A whole document that came or went is listed by its members.
fn members(path: &str, value: &Value, kind: Kind, out: &mut Vec<Change>) {
    let Value::Object(members) = value else {
        let (before, after) = match kind {
            Kind::Removed => (Some(value), None),
            Kind::Added | Kind::Changed => (None, Some(value)),
        };
        out.push(change(path.to_owned(), before, after));
        return;
    };
    for (name, value) in members {
        let path = format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
        let (before, after) = match kind {
            Kind::Removed => (Some(value), None),
            Kind::Added | Kind::Changed => (None, Some(value)),
        };
        out.push(change(path, before, after));
    }
}

/// Lists whose order means nothing here: words as sets, keys by their `kid`, others by place.
fn lists(path: &str, before: &[Value], after: &[Value], out: &mut Vec<Change>) {
    let kid = |value: &Value| value.get("kid").and_then(Value::as_str).map(str::to_owned);
    let both = || before.iter().chain(after);
    if both().all(|value| kid(value).is_some()) {
        for value in before {
            match after.iter().find(|other| kid(other) == kid(value)) {
                Some(other) => {
                    walk(
                        &format!("{path}/{}", kid(value).unwrap_or_default()),
                        value,
                        other,
                        out,
                    );
                }
                None => out.push(change(path.to_owned(), Some(value), None)),
            }
        }
        for value in after {
            if !before.iter().any(|other| kid(other) == kid(value)) {
                out.push(change(path.to_owned(), None, Some(value)));
            }
        }
    } else if both().all(|value| !value.is_object() && !value.is_array()) {
        let gone = before.iter().filter(|value| !after.contains(value));
        let come = after.iter().filter(|value| !before.contains(value));
        out.extend(gone.map(|value| change(path.to_owned(), Some(value), None)));
        out.extend(come.map(|value| change(path.to_owned(), None, Some(value))));
    } else {
        for place in 0..before.len().max(after.len()) {
            let path = format!("{path}/{place}");
            match (before.get(place), after.get(place)) {
                (Some(before), Some(after)) => walk(&path, before, after, out),
                (before, after) => out.push(change(path, before, after)),
            }
        }
    }
}

fn change(path: String, before: Option<&Value>, after: Option<&Value>) -> Change {
    Change {
        kind: match (before, after) {
            (None, _) => Kind::Added,
            (_, None) => Kind::Removed,
            _ => Kind::Changed,
        },
        path,
        before: before.cloned(),
        after: after.cloned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, between};
    use serde_json::json;

    fn told(before: &serde_json::Value, after: &serde_json::Value) -> Vec<(Kind, String)> {
        between(before, after)
            .into_iter()
            .map(|change| (change.kind, change.path))
            .collect()
    }

    #[test]
    fn members_are_compared_by_path() {
        let told = told(
            &json!({"a": 1, "b/c": {"d": 2}, "e": 3}),
            &json!({"a": 1, "b/c": {"d": 4}, "f": 5}),
        );
        assert_eq!(
            told,
            [
                (Kind::Changed, "/b~1c/d".into()),
                (Kind::Removed, "/e".into()),
                (Kind::Added, "/f".into()),
            ]
        );
    }

    #[test]
    fn the_order_of_words_and_keys_means_nothing() {
        assert!(told(&json!({"s": ["a", "b"]}), &json!({"s": ["b", "a"]})).is_empty());
        assert!(
            told(
                &json!([{"kid": "1", "x": 1}, {"kid": "2"}]),
                &json!([{"kid": "2"}, {"kid": "1", "x": 1}])
            )
            .is_empty()
        );
        assert_eq!(
            told(
                &json!([{"kid": "1", "x": 1}]),
                &json!([{"kid": "1", "x": 2}])
            ),
            [(Kind::Changed, "/1/x".into())]
        );
    }

    #[test]
    fn a_document_that_came_is_listed_by_member() {
        assert_eq!(told(&json!(null), &json!({"a": 1, "b": 2})).len(), 2);
        assert_eq!(
            told(&json!({"a": 1}), &json!(null)),
            [(Kind::Removed, "/a".into())]
        );
    }
}
