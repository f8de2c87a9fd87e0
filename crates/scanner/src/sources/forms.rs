//! Every form of client configuration is told by its content, and read.

use super::{Format, Read, detect, form, read};
use crate::normalise::Admission;

const PUBLIC: Admission = Admission {
    allow_private: false,
    allow_ephemeral: false,
};

/// What a sample is told to be, and what is in it: outcomes refused, and entries ignored.
fn taken(name: &str) -> (&'static str, Read) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/fixtures/sources")
        .join(name);
    let text = std::fs::read_to_string(path).expect("a sample");
    assert_eq!(detect(&text), Format::ClientConfig, "{name}");
    let read = read(&text, Format::ClientConfig, PUBLIC).expect("reads");
    assert_eq!(read.found.len(), 1, "{name}: {read:?}");
    assert_eq!(
        read.found[0].target.url, "https://notes.example.com/mcp",
        "{name}"
    );
    (form(&text, Format::ClientConfig), read)
}

#[test]
fn each_client_writes_its_own() {
    // File, client that is named, entries refused and ignored.
    let samples = [
        ("mcp.json", ".mcp.json", 0, 1),
        ("claude-desktop.json", "Claude", 0, 1),
        ("vscode-mcp.json", "mcp.json of VS Code", 1, 1),
        ("vscode-settings.json", "VS Code", 0, 0),
        ("windsurf.json", "Windsurf", 0, 0),
        ("gemini.json", "Gemini", 0, 0),
        ("zed-settings.json", "Zed", 0, 2),
        ("continue.yaml", "Continue", 0, 1),
        ("continue.json", "Continue", 0, 1),
        ("goose.yaml", "Goose", 0, 1),
        ("codex.toml", "Codex", 0, 1),
        ("opencode.json", "opencode", 0, 1),
    ];
    for (name, client, refused, ignored) in samples {
        let (form, read) = taken(name);
        assert!(form.contains(client), "{name}: {form}");
        assert_eq!(read.refused.len(), refused, "{name}: {read:?}");
        assert_eq!(read.ignored, ignored, "{name}");
    }
}

#[test]
fn what_they_declare_is_kept_without_values() {
    let listing = |name: &str| {
        taken(name).1.found[0]
            .target
            .listing
            .clone()
            .expect("has one")
    };
    assert_eq!(listing("gemini.json").auth.as_deref(), Some("oauth"));
    assert_eq!(
        listing("gemini.json").transport.as_deref(),
        Some("streamable-http")
    );
    let codex = listing("codex.toml");
    assert_eq!(codex.declared_headers, ["X-Team", "Authorization"]);
    assert_eq!(codex.secret_headers, ["Authorization"]);
    assert_eq!(listing("vscode-mcp.json").secret_headers, ["X-API-Key"]);
    assert_eq!(
        listing("goose.yaml").transport.as_deref(),
        Some("streamable-http")
    );
    assert_eq!(listing("continue.json").transport.as_deref(), Some("sse"));
    assert_eq!(listing("continue.yaml").name.as_deref(), Some("notes"));
}

#[test]
fn what_is_broken_says_so() {
    let toml = "[mcp_servers.a]\nurl = \n";
    assert_eq!(detect(toml), Format::ClientConfig);
    let fault = read(toml, Format::ClientConfig, PUBLIC).expect_err("is broken");
    assert!(fault.to_string().contains("not TOML"), "{fault}");
    assert!(!fault.to_string().contains('\n'));
    let yaml = "mcpServers:\n  - name: a\n    url: https://a.example.com/mcp\n  - name: \"b\n";
    let read = read(yaml, Format::ClientConfig, PUBLIC).expect("reads what is whole");
    assert_eq!((read.found.len(), read.refused.len()), (1, 1));
    assert_eq!(read.refused[0].code, "invalid");
}
