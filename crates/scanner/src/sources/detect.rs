//! What a text that lists servers is, told from its content alone.

use super::{Format, config, markdown, split, table, without_bom};

/// What a text looks like. Always gives an answer; of what fits nowhere it is
/// [`Format::List`].
#[must_use]
pub fn detect(text: &str) -> Format {
    let text = without_bom(text);
    if config::is_toml(text) {
        return Format::ClientConfig;
    }
    if text.trim_start().starts_with(['{', '[']) || text.trim_start().starts_with('/') {
        return detect_json(&split::plain(text));
    }
    if markdown::has_table(text) {
        Format::Markdown
    } else if has_key(text, "registry") || (has_key(text, "remote") && has_key(text, "name")) {
        Format::DockerCatalogue
    } else if has_key(text, "mcpServers") || has_key(text, "extensions") {
        Format::ClientConfig
    } else if table::has_url_column(text) {
        Format::Csv
    } else {
        Format::List
    }
}

fn detect_json(text: &str) -> Format {
    let is = |members: &[(String, &str)], name: &str, begins: char| {
        members
            .iter()
            .any(|(known, value)| known == name && value.starts_with(begins))
    };
    if let Some(elements) = split::elements(text) {
        let listed = elements.iter().take(10).any(|element| {
            split::members(element)
                .is_some_and(|members| is(&members, "server", '{') || is(&members, "name", '"'))
        });
        return if listed {
            Format::Registry
        } else {
            Format::ClientConfig
        };
    }
    let members = split::members(text).unwrap_or_default();
    if is(&members, "servers", '[') {
        Format::Registry
    } else if is(&members, "server", '{')
        || (is(&members, "name", '"')
            && ["remotes", "packages"]
                .iter()
                .any(|name| is(&members, name, '[')))
    {
        Format::ServerJson
    } else {
        Format::ClientConfig
    }
}

/// Whether a YAML text has this key at its top.
pub(super) fn has_key(text: &str, key: &str) -> bool {
    text.lines().any(|line| {
        line.strip_prefix(key)
            .and_then(|rest| rest.strip_prefix(':'))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r']))
    })
}

/// The form of a text of a format, in words: for client configurations the clients that write
/// it so.
#[must_use]
pub fn form(text: &str, format: Format) -> &'static str {
    match format {
        Format::Registry => "answer of a registry",
        Format::ServerJson => "server.json",
        Format::ClientConfig => config::form(without_bom(text)),
        Format::DockerCatalogue if has_key(text, "registry") => "Docker MCP catalogue",
        Format::DockerCatalogue => "entry of the Docker MCP catalogue",
        Format::Markdown => "Markdown tables",
        Format::Csv => "table",
        Format::List => "plain list",
    }
}
