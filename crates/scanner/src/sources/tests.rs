//! Own fixtures for every format, and the real registry's data where it is at hand.

use super::{Format, Read, SourceError, detect, read};
use crate::normalise::Admission;

const PUBLIC: Admission = Admission {
    allow_private: false,
    allow_ephemeral: false,
};

fn taken(text: &str, format: Format) -> Read {
    assert_eq!(detect(text), format);
    read(text, format, PUBLIC).expect("reads")
}

fn urls(read: &Read) -> Vec<&str> {
    read.found
        .iter()
        .map(|found| found.target.url.as_str())
        .collect()
}

fn codes(read: &Read) -> Vec<(u64, &str)> {
    read.refused
        .iter()
        .map(|refused| (refused.row, refused.code))
        .collect()
}

const PAGE: &str = r#"{"servers":[
 {"server":{"name":"a/one","version":"1.0.0","remotes":[{"type":"sse","url":"https://old.example.com/sse"}]},
  "_meta":{"io.modelcontextprotocol.registry/official":{"status":"active","isLatest":false}}},
 {"server":{"name":"a/one","version":"1.1.0","remotes":[
    {"type":"streamable-http","url":"https://ONE.example.com/mcp","headers":[{"name":"X-API-Key","isSecret":true,"value":"{key}"},{"name":"X-Trace"}]},
    {"type":"sse","url":"https://one.example.com/sse"}]},
  "_meta":{"io.modelcontextprotocol.registry/official":{"status":"active","isLatest":true}}},
 {"server":{"name":"a/broken","remotes":[{"url":}]}},
 17,
 {"server":{"name":"a/package","packages":[{"identifier":"x"}]}},
 {"server":{"name":"a/gone","remotes":[{"type":"streamable-http","url":"https://gone.example.com/"}]},
  "_meta":{"io.modelcontextprotocol.registry/official":{"status":"deleted","isLatest":true}}},
 {"server":{"name":"a/tenant","remotes":[
    {"type":"streamable-http","url":"https://{region}.example.com/{tenant}/mcp","variables":{"region":{"default":"eu"},"tenant":{"default":"demo"}}},
    {"type":"streamable-http","url":"https://{region}.example.com/{id}","variables":{"region":{"default":"eu"},"id":{"isRequired":true}}},
    {"type":"streamable-http","url":"https://x.example.com/{pin}","variables":{"pin":{"default":"1234","isSecret":true}}},
    {"type":"streamable-http"}]}},
 {"server":{"name":"b/mirror","remotes":[{"type":"streamable-http","url":"https://one.example.com/mcp"}]}},
 {"server":{"remotes":[]}},
 {"server":{"name":"a/odd","remotes":"https://odd.example.com"}},
 {"server":{"name":"a/deep","x":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}}
],"metadata":{"nextCursor":"c","count":11}}"#;

#[test]
fn a_registry_page() {
    let read = taken(PAGE, Format::Registry);
    assert_eq!(
        urls(&read),
        [
            "https://one.example.com/mcp",
            "https://one.example.com/sse",
            "https://gone.example.com/",
            "https://eu.example.com/demo/mcp",
        ]
    );
    let one = &read.found[0];
    assert_eq!(one.names().collect::<Vec<_>>(), ["a/one", "b/mirror"]);
    assert_eq!(one.rows, [2, 8]);
    let listing = one.target.listing.as_ref().expect("has a listing");
    assert_eq!(listing.version.as_deref(), Some("1.1.0"));
    assert_eq!(listing.transport.as_deref(), Some("streamable-http"));
    assert_eq!(listing.declared_headers, ["X-API-Key", "X-Trace"]);
    assert_eq!(listing.secret_headers, ["X-API-Key"]);
    assert_eq!(
        listing.raw_url.as_deref(),
        Some("https://ONE.example.com/mcp")
    );
    assert_eq!(listing.siblings, ["https://one.example.com/sse"]);
    assert_eq!(one.clone().into_targets().count(), 2);
    let gone = read.found[2].target.listing.as_ref();
    assert_eq!(
        gone.and_then(|gone| gone.status.as_deref()),
        Some("deleted")
    );
    assert!(read.found[3].defaulted);
    assert_eq!(
        codes(&read),
        [
            (3, "invalid"),
            (4, "invalid"),
            (9, "invalid"),
            (11, "invalid"),
            (7, "template"),
            (7, "template"),
            (7, "invalid"),
            (10, "invalid"),
        ]
    );
    assert_eq!(read.ignored, 2);
    let tally = read.tally();
    assert_eq!(tally["found"], 5);
    assert_eq!(tally["template"], 2);
    assert_eq!(tally["ignored"], 2);
}

#[test]
fn a_dump_that_was_cut_off_keeps_what_is_whole() {
    let end = PAGE
        .find("{\"server\":{\"name\":\"a/gone\"")
        .expect("is there")
        + 60;
    let read = read(&PAGE[..end], Format::Registry, PUBLIC).expect("reads");
    assert_eq!(read.found.len(), 2);
    assert_eq!(read.refused.last().map(|refused| refused.row), Some(6));
}

#[test]
fn a_bracket_too_many_or_too_few_costs_one_entry() {
    let entry = |n: u32, end: &str| {
        format!(
            r#"{{"server":{{"name":"s{n}","remotes":[{{"url":"https://s{n}.example.com/"}}]{end}"#
        )
    };
    for broken in ["}", "}}}", "", "]}}", "}}}]"] {
        let text = format!(
            "{{\"servers\":[{},{} , {},{}],\"metadata\":{{}}}}",
            entry(1, "}}"),
            entry(2, broken),
            entry(3, "}}"),
            entry(4, "}}")
        );
        let read = read(&text, Format::Registry, PUBLIC).expect("reads");
        for n in [1, 3, 4] {
            let url = format!("https://s{n}.example.com/");
            assert!(
                urls(&read).contains(&url.as_str()),
                "{broken}: {:?}",
                urls(&read)
            );
        }
    }
}

#[test]
fn without_marks_the_newest_version_counts() {
    let text = r#"[{"name":"a","remotes":[{"url":"https://new.example.com/"}],"_meta":{"io.modelcontextprotocol.registry/official":{"published_at":"2026-01-02T00:00:00Z"}}},
      {"name":"a","remotes":[{"url":"https://old.example.com/"}],"_meta":{"io.modelcontextprotocol.registry/official":{"published_at":"2026-01-01T00:00:00Z"}}},
      {"name":"b","remotes":[{"url":"https://b1.example.com/"}]},
      {"name":"b","remotes":[{"url":"https://b2.example.com/"}]}]"#;
    let read = taken(text, Format::Registry);
    assert_eq!(
        urls(&read),
        ["https://new.example.com/", "https://b2.example.com/"]
    );
    assert_eq!(read.ignored, 2);
}

#[test]
fn one_server_json() {
    let text = r#"{"$schema":"https://static.example/server.schema.json","name":"io.github.x/y","description":"d","version":"2.0.0","remotes":[{"type":"streamable-http","url":"https://y.example.com/mcp"}]}"#;
    let read = taken(text, Format::ServerJson);
    assert_eq!(urls(&read), ["https://y.example.com/mcp"]);
    assert_eq!(codes(&read), []);
}

#[test]
fn client_configurations_of_every_flavour() {
    let text = r#"// settings
    {
      "theme": "dark", /* mcpServers: { */
      "mcpServers": {
        "desktop": {"type": "http", "url": "https://a.example.com/mcp", "headers": {"Authorization": "Bearer cAnArY", "X-Team": "t"}},
        "windsurf": {"serverUrl": "https://b.example.com/sse"},
        "gemini": {"httpUrl": "https://c.example.com/mcp", "timeout": 5,},
        "local": {"command": "npx", "args": ["-y", "some-server"], "env": {"KEY": "cAnArY"}},
        "bridge": {"command": "npx", "args": ["-y", "mcp-remote@latest", "https://d.example.com/mcp", "--header", "X: cAnArY"]},
        "input": {"url": "https://e.example.com/${input:tenant}/mcp"},
        "secret": {"url": "https://f.example.com/mcp?api_key=cAnArY"},
        "tunnel": {"url": "https://abc.ngrok-free.app/mcp"},
        "here": {"url": "http://localhost:3000/mcp"},
        "number": 5,
        "broken": {"url": "https://g.example.com/mcp" "x"},
        "nothing": {},
        "a again": {"url": "https://A.example.com/mcp"},
      },
      "mcp": {"servers": {"editor": {"type": "sse", "url": "https://h.example.com/sse"}}},
      "projects": {"/home/u": {"mcpServers": {"inner": {"url": "https://i.example.com/mcp"}}}},
      "context_servers": {"zed": {"url": "https://j.example.com/mcp"}},
    }"#;
    let read = taken(text, Format::ClientConfig);
    assert_eq!(
        urls(&read),
        [
            "https://a.example.com/mcp",
            "https://b.example.com/sse",
            "https://c.example.com/mcp",
            "https://d.example.com/mcp",
            "https://h.example.com/sse",
            "https://i.example.com/mcp",
            "https://j.example.com/mcp",
        ]
    );
    assert_eq!(
        codes(&read),
        [
            (6, "template"),
            (7, "credential_in_url"),
            (8, "ephemeral"),
            (9, "invalid"),
            (10, "invalid"),
            (11, "invalid"),
            (12, "invalid"),
        ]
    );
    assert_eq!(read.ignored, 1);
    let first = read.found[0]
        .target
        .listing
        .as_ref()
        .expect("has a listing");
    assert_eq!(first.declared_headers, ["Authorization", "X-Team"]);
    assert_eq!(first.secret_headers, ["Authorization"]);
    assert_eq!(
        read.found[0].names().collect::<Vec<_>>(),
        ["desktop", "a again"]
    );
    assert!(!format!("{read:?}").contains("cAnArY"));
}

#[test]
fn many_entries() {
    let entries: Vec<String> = (0..10_000)
        .map(|n| format!("\"s{n}\":{{\"url\":\"https://s{n}.example.com/mcp\"}}"))
        .collect();
    let text = format!("{{\"mcpServers\":{{{}}}}}", entries.join(","));
    let read = taken(&text, Format::ClientConfig);
    assert_eq!(read.found.len(), 10_000);
}

#[test]
fn tables() {
    let text = "\u{feff}Name,URL,tags,Transport,servers\r\n\
        one,https://a.example.com/mcp,\"x, y\",http,\r\n\
        \"t\"\"wo\",\"https://b.example.com/mcp\",,sse,n/1 n/2\r\n\
        \r\n\
        bad,\"https://c.example.com/mcp\"x,,,\r\n\
        open,\"https://d.example.com/mcp,,,\r\n\
        '=cmd,https://e.example.com/mcp,,,\r\n\
        none,,,,\r\n\
        three,https://A.example.com/mcp\r\n\
        \"multi\nline\",https://f.example.com/mcp,,,\n\
        last,ftp://g.example.com/,,,";
    let read = taken(text, Format::Csv);
    assert_eq!(
        urls(&read),
        [
            "https://a.example.com/mcp",
            "https://b.example.com/mcp",
            "https://e.example.com/mcp",
            "https://f.example.com/mcp",
        ]
    );
    assert_eq!(read.found[0].names().collect::<Vec<_>>(), ["one", "three"]);
    assert_eq!(read.found[0].rows, [2, 9]);
    assert_eq!(
        read.found[1].names().collect::<Vec<_>>(),
        ["t\"wo", "n/1", "n/2"]
    );
    assert_eq!(read.found[2].names().collect::<Vec<_>>(), ["=cmd"]);
    assert_eq!(
        read.found[3].names().collect::<Vec<_>>(),
        ["multi\u{fffd}line"]
    );
    assert_eq!(
        codes(&read),
        [
            (5, "invalid"),
            (6, "invalid"),
            (8, "invalid"),
            (12, "invalid")
        ]
    );
    assert_eq!(
        super::read("name,address\na,b\n", Format::Csv, PUBLIC),
        Err(SourceError::NoUrlColumn("name, address".to_owned()))
    );
    assert_eq!(
        urls(&taken("url\nhttps://a.example.com\n", Format::Csv)).len(),
        1
    );
    assert_eq!(
        urls(&taken("name;url\na;https://a.example.com\n", Format::Csv)).len(),
        1
    );
}

#[test]
fn plain_lists() {
    let text = "# ours\nhttps://a.example.com/mcp  # main\n\n  https://b.example.com/ \nb.example.com\nhttps://c.example.com/#x\nhttps://a.example.com/mcp\n";
    let read = taken(text, Format::List);
    assert_eq!(
        urls(&read),
        ["https://a.example.com/mcp", "https://b.example.com/"]
    );
    assert_eq!(read.found[0].rows, [2, 7]);
    assert_eq!(codes(&read), [(5, "invalid"), (6, "invalid")]);
}

#[test]
fn refusals_show_the_row_without_its_secrets() {
    let read = read(
        "https://h.example.com/?token=cAnArY\u{202e}\n",
        Format::List,
        PUBLIC,
    )
    .expect("reads");
    let refused = &read.refused[0];
    assert!(!format!("{refused:?}").contains("cAnArY"));
    assert!(
        refused
            .raw
            .starts_with("https://h.example.com/?token=[redacted:")
    );
    assert_eq!(refused.raw.lines().count(), 1);
}

#[test]
fn texts_that_list_nothing() {
    assert_eq!(read("", Format::List, PUBLIC), Ok(Read::default()));
    assert_eq!(
        read("{}", Format::Registry, PUBLIC),
        Err(SourceError::NoServers)
    );
    assert_eq!(read("[]", Format::Registry, PUBLIC), Ok(Read::default()));
    assert_eq!(
        read("{}", Format::ClientConfig, PUBLIC),
        Err(SourceError::NoServerMap)
    );
    assert!(matches!(
        read("x", Format::ServerJson, PUBLIC),
        Err(SourceError::NotJson(_))
    ));
    assert!(matches!(
        read("", Format::Csv, PUBLIC),
        Err(SourceError::NoUrlColumn(_))
    ));
    assert_eq!(detect(""), Format::List);
}

#[test]
fn a_table_says_who_owns_what_and_how_it_may_be_asked() {
    let text = "url,name,owner,tags,depth,interval,colour\n\
        https://a.example/mcp,A,team a,\"prod pci\",Passive,12h,red\n\
        https://b.example/mcp,B,,,consented,1x,\n\
        https://c.example/mcp,C,team c,x,standard,4w,\n\
        https://d.example/mcp,D,,,,0d,\n";
    let read = taken(text, Format::Csv);
    let listing = |n: usize| read.found[n].target.listing.as_ref().expect("a listing");
    let asks = |n| (listing(n).depth.as_deref(), listing(n).interval_ms);
    assert_eq!(asks(0), (Some("passive"), Some(12 * 3_600_000)));
    assert_eq!(listing(0).owner.as_deref(), Some("team a"));
    assert_eq!(listing(0).tags, ["prod", "pci"]);
    assert_eq!(asks(1), (None, None), "the server counts all the same");
    assert_eq!(asks(2), (Some("standard"), Some(28 * 86_400_000)));
    assert_eq!(asks(3), (None, None));
    let remarks: Vec<(u64, &str, &str)> = read
        .remarks
        .iter()
        .map(|one| (one.row, one.raw.as_str(), one.code))
        .collect();
    assert_eq!(
        remarks,
        [
            (3, "consented", "bad_value"),
            (3, "1x", "bad_value"),
            (5, "0d", "bad_value")
        ]
    );
    assert!(read.remarks[0].why.contains("passive or standard"));
    assert!(read.refused.is_empty());
}

/// The folder of real data beside the repository, if it is there.
fn data(name: &str) -> Option<String> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/data")
        .join(name);
    let text = std::fs::read_to_string(&path).ok();
    if text.is_none() {
        eprintln!("SKIPPED: {name} is not at hand; nothing was checked against real data");
    }
    text
}

#[test]
fn the_real_registry_dump() {
    let Some(text) = data("registry-v0.1-servers-2025-12-18.json") else {
        return;
    };
    let read = taken(&text, Format::Registry);
    // 2,794 rows: 1,108 newest versions, of which 486 have 621 remotes.
    assert_eq!(read.ignored, 2794 - 486);
    let mut rows: Vec<u64> = read
        .found
        .iter()
        .flat_map(|found| found.rows.iter().copied())
        .chain(read.refused.iter().map(|refused| refused.row))
        .collect();
    rows.sort_unstable();
    rows.dedup();
    assert_eq!(rows.len(), 486);
    let tally = read.tally();
    eprintln!("{tally:?}");
    assert!(read.found.len() > 500, "{tally:?}");
    assert!(!tally.contains_key("invalid"), "{tally:?}");
}

#[test]
fn the_real_table_of_endpoints() {
    let Some(text) = data("registry-remotes-2026-07-28.csv") else {
        return;
    };
    let read = taken(&text, Format::Csv);
    let tally = read.tally();
    eprintln!("{tally:?} {} servers", read.found.len());
    assert_eq!(tally.values().sum::<u64>(), 10_542);
    assert_eq!(tally["template"], 171);
    assert!(!tally.contains_key("invalid"), "{tally:?}");
    assert!(read.found.iter().any(|found| found.names().count() == 2));
}
