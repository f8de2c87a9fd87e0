//! What is left of the results that a server gives for the owner's credentials: the members
//! that checks read, and a digest by which two results of one scan can be compared. What the
//! owner keeps there is nobody's business.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::facts::{json as reader, sse};

/// Members of a result that stay as they are.
const KEPT: [&str; 7] = [
    "resultType",
    "cacheScope",
    "ttlMs",
    "isError",
    "protocolVersion",
    "supportedVersions",
    "capabilities",
];

/// Members that differ without meaning, left out of the digest.
const VOLATILE: [&str; 4] = ["_meta", "ttlMs", "cacheScope", "requestState"];

/// The member that holds the digest: of one scan, equal for equal results.
pub const DIGEST: &str = "authdex/digest";
/// The member that says that an error of a tool speaks of missing rights.
pub const REFUSES: &str = "authdex/refuses";

/// A JSON-RPC answer without what its result holds; nothing at all of an answer that is none.
/// `stream` if the text is an event stream: it stays one.
#[must_use]
pub fn reduced(text: &str, stream: bool, nonce: &str) -> String {
    if !stream {
        return match reader::parse(text) {
            Ok(json) => message(json.value, nonce).to_string(),
            Err(_) => String::new(),
        };
    }
    sse::events(text)
        .iter()
        .filter_map(|event| reader::parse(&event.data).ok())
        .filter(|json| json.value.get("result").is_some() || json.value.get("error").is_some())
        .map(|json| format!("data: {}\n\n", message(json.value, nonce)))
        .collect()
}

fn message(mut value: Value, nonce: &str) -> Value {
    if let Some(result) = value.get_mut("result") {
        *result = reduced_result(result, nonce);
        return value;
    }
    if value.get("error").is_some() {
        value
    } else {
        json!({})
    }
}

fn reduced_result(result: &Value, nonce: &str) -> Value {
    let Some(members) = result.as_object() else {
        return json!({ DIGEST: digest(result, nonce) });
    };
    let mut left: Map<String, Value> = members
        .iter()
        .filter(|(name, _)| KEPT.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    if let Some(state) = members.get("requestState").and_then(Value::as_str) {
        left.insert("requestState".into(), super::added(state).into());
    }
    let mut content = members.clone();
    content.retain(|name, _| !VOLATILE.contains(&name.as_str()));
    if members.get("isError") == Some(&Value::Bool(true)) && speaks_of_rights(&content) {
        left.insert(REFUSES.into(), true.into());
    }
    left.insert(DIGEST.into(), digest(&Value::Object(content), nonce).into());
    Value::Object(left)
}

/// 16 hexadecimal characters, of another alphabet in each scan.
fn digest(value: &Value, nonce: &str) -> String {
    let hash = Sha256::digest(format!("{nonce} {value}"));
    hash.iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn speaks_of_rights(content: &Map<String, Value>) -> bool {
    let text = Value::Object(content.clone()).to_string().to_lowercase();
    refuses(&text)
}

/// Whether an error text (lower case) says that something is not allowed.
#[must_use]
pub fn refuses(text: &str) -> bool {
    [
        "scope",
        "permission",
        "forbidden",
        "unauthorized",
        "not authorized",
        "unauthorised",
        "not allowed",
        "access denied",
        "insufficient",
        "403",
    ]
    .iter()
    .any(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use super::reduced;

    #[test]
    fn nothing_of_the_content_is_left() {
        let text = r#"{"jsonrpc":"2.0","id":"a","result":{"resultType":"complete","cacheScope":"private","content":[{"type":"text","text":"my-diary"}],"requestState":"canary-state"}}"#;
        let left = reduced(text, false, "n");
        assert!(left.contains("\"cacheScope\":\"private\""));
        assert!(
            !left.contains("diary") && !left.contains("canary-state"),
            "{left}"
        );
        let stream = format!(
            "event: message\ndata: {text}\n\ndata: {{\"method\":\"log\",\"params\":\"my-diary\"}}\n\n"
        );
        let left = reduced(&stream, true, "n");
        assert!(
            left.starts_with("data: {") && !left.contains("diary"),
            "{left}"
        );
        assert_eq!(reduced("my-diary", false, "n"), "");
        assert_eq!(reduced("{\"my\":\"diary\"}", false, "n"), "{}");
    }

    #[test]
    fn equal_results_have_equal_digests() {
        let of = |text: &str, ttl: u32, nonce: &str| {
            let text = format!(
                r#"{{"jsonrpc":"2.0","id":"a","result":{{"tools":["{text}"],"ttlMs":{ttl}}}}}"#
            );
            let left: serde_json::Value =
                serde_json::from_str(&reduced(&text, false, nonce)).unwrap();
            left["result"][super::DIGEST].clone()
        };
        assert_eq!(of("a", 1, "n"), of("a", 2, "n"));
        assert_ne!(of("a", 1, "n"), of("b", 1, "n"));
        assert_ne!(of("a", 1, "n"), of("a", 1, "m"));
    }

    #[test]
    fn errors_of_tools_say_whether_they_refuse() {
        let of = |text: &str| {
            reduced(
                &format!(
                    r#"{{"id":1,"jsonrpc":"2.0","result":{{"isError":true,"content":[{{"text":"{text}"}}]}}}}"#
                ),
                false,
                "n",
            )
        };
        assert!(of("Insufficient scope").contains("authdex/refuses"));
        assert!(!of("No such note").contains("authdex/refuses"));
    }
}
