//! The catalogue of MCP servers that Docker publishes, and single entries of its source.
//!
//! Only entries that name a remote URL are servers to ask; images run on their user's own
//! machine. A declared OAuth provider is a statement about the server, kept for comparison.

use serde_json::{Map, Value};

use super::{Rows, SourceError, clean, headers_map, is_secret, transport, yaml};
use crate::target::Listing;

/// Whether a document has the shape of a catalogue or of one entry.
pub(super) fn is_catalogue(value: &Value) -> bool {
    value.get("registry").is_some_and(Value::is_object)
        || (value.get("remote").is_some_and(Value::is_object) && value.get("name").is_some())
        || (value.get("image").is_some_and(Value::is_string) && value.get("name").is_some())
}

/// Reads `registry: {name: entry}`, or one `server.yaml`.
pub(super) fn read(text: &str, rows: &mut Rows) -> Result<(), SourceError> {
    let read = yaml::read(text);
    let mut row = 0;
    if let Some(Value::Object(entries)) = read.value.get("registry") {
        for (name, value) in entries {
            row += 1;
            entry(row, name, value, rows);
        }
    } else if is_catalogue(&read.value) {
        row += 1;
        let name = read.value.get("name").and_then(Value::as_str);
        entry(row, name.unwrap_or_default(), &read.value, rows);
    } else {
        return Err(SourceError::NoCatalogue(read.fault.as_deref().map_or_else(
            || "it has no `registry` map, and is no entry with `name` and `remote`".to_owned(),
            clean,
        )));
    }
    if let Some(fault) = read.fault {
        rows.invalid(row + 1, "", &fault);
    }
    Ok(())
}

fn entry(row: u64, name: &str, value: &Value, rows: &mut Rows) {
    let Value::Object(object) = value else {
        return rows.invalid(row, name, "the entry is not a map");
    };
    let Some(remote) = object.get("remote").filter(|remote| !remote.is_null()) else {
        if object.contains_key("image")
            || object.get("type").and_then(Value::as_str) != Some("remote")
        {
            return rows.ignore();
        }
        return rows.invalid(row, name, "the entry is remote and has no `remote` map");
    };
    let Some(url) = remote.get("url").and_then(Value::as_str) else {
        return rows.invalid(row, name, "the entry's `remote` has no `url`");
    };
    let declared = headers_map(remote.get("headers"));
    let values = remote.get("headers").and_then(Value::as_object);
    let secret = declared
        .iter()
        .filter(|name| is_secret(name) || values.is_some_and(|values| filled_in(values, name)))
        .cloned()
        .collect::<Vec<_>>();
    let listing = Listing {
        name: Some(clean(name)),
        transport: ["transport_type", "transportType", "type"]
            .iter()
            .find_map(|member| remote.get(*member)?.as_str())
            .and_then(transport),
        auth: declared_auth(object),
        declared_headers: declared,
        secret_headers: secret,
        ..Listing::default()
    };
    rows.url(row, url, url, vec![listing]);
}

/// Whether a header's value is taken from a variable of the user.
fn filled_in(values: &Map<String, Value>, name: &str) -> bool {
    values
        .get(name)
        .and_then(Value::as_str)
        .is_some_and(|value| value.contains("${"))
}

/// An entry that brings its users to an OAuth provider says so.
fn declared_auth(entry: &Map<String, Value>) -> Option<String> {
    let is_there = match entry.get("oauth") {
        Some(Value::Array(list)) => !list.is_empty(),
        Some(Value::Object(members)) => !members.is_empty(),
        _ => false,
    };
    is_there.then(|| "oauth".to_owned())
}

#[cfg(test)]
mod tests {
    use crate::normalise::Admission;
    use crate::sources::{Format, SourceError, detect, read};

    const PUBLIC: Admission = Admission {
        allow_private: false,
        allow_ephemeral: false,
    };

    #[test]
    fn a_catalogue() {
        let text = include_str!("../../../../tests/fixtures/sources/docker-catalogue.yaml");
        assert_eq!(detect(text), Format::DockerCatalogue);
        let read = read(text, Format::DockerCatalogue, PUBLIC).expect("reads");
        let urls: Vec<&str> = read
            .found
            .iter()
            .map(|found| found.target.url.as_str())
            .collect();
        assert_eq!(
            urls,
            [
                "https://mcp.notes.example/mcp",
                "https://mcp.keys.example/sse"
            ]
        );
        let listing = |n: usize| read.found[n].target.listing.clone().expect("has a listing");
        assert_eq!(listing(0).auth.as_deref(), Some("oauth"));
        assert_eq!(listing(0).transport.as_deref(), Some("streamable-http"));
        assert_eq!(listing(1).auth, None);
        assert_eq!(listing(1).secret_headers, ["Authorization", "X-Team"]);
        assert_eq!(
            listing(1).declared_headers,
            ["Authorization", "X-Team", "X-Kind"]
        );
        let codes: Vec<(u64, &str)> = read.refused.iter().map(|row| (row.row, row.code)).collect();
        assert_eq!(
            codes,
            [
                (4, "template"),
                (5, "invalid"),
                (6, "invalid"),
                (7, "invalid")
            ]
        );
        assert_eq!(read.ignored, 1);
    }

    #[test]
    fn one_entry_and_none() {
        let one = "name: notes\ntype: remote\nremote:\n  transport_type: sse\n  url: https://n.example.com/sse\n";
        assert_eq!(detect(one), Format::DockerCatalogue);
        let taken = read(one, Format::DockerCatalogue, PUBLIC).expect("reads");
        assert_eq!(taken.found.len(), 1);
        assert!(matches!(
            read("a: [", Format::DockerCatalogue, PUBLIC),
            Err(SourceError::NoCatalogue(why)) if why.contains("line ")
        ));
    }
}
