//! Which servers a scan asks: addresses on the command line, a file of them, or the
//! configuration of an MCP client.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use scanner::net::EndpointHeader;
use scanner::normalise::{self, Admission};
use scanner::sources;
use scanner::target::Target;

use super::import::Kind;
use super::{Ended, Exit, tell};

/// What is to be scanned.
#[derive(Debug, Clone, Args)]
pub(super) struct Naming {
    /// MCP endpoint URLs
    #[arg(value_name = "URL", required_unless_present_any = ["targets", "client_config"])]
    urls: Vec<String>,
    /// File with one URL per line, CSV, or TOML with [[target]] tables; `-` is standard input
    #[arg(long, value_name = "FILE")]
    targets: Option<PathBuf>,
    /// Remote servers of an MCP client's configuration: .mcp.json, Claude, VS Code, Cursor
    #[arg(long, value_name = "FILE")]
    client_config: Option<PathBuf>,
    /// Send each server the headers that the client configuration has for it
    #[arg(long, requires = "client_config")]
    use_config_headers: bool,
}

type Headers = BTreeMap<String, Vec<EndpointHeader>>;

impl Naming {
    /// The targets, each once, and the headers that some of them are sent.
    ///
    /// # Errors
    ///
    /// If an address is refused, a file cannot be read, or nothing is left.
    pub(super) fn targets(&self, allow_private: bool) -> Result<(Vec<Target>, Headers), Ended> {
        let admission = Admission {
            allow_private,
            allow_ephemeral: true,
        };
        let mut out: Vec<Target> = Vec::new();
        for url in &self.urls {
            let target = normalise::endpoint(url, admission).map_err(|refusal| {
                let hint = if refusal.code() == "not_public" || url.starts_with("http://") {
                    "; if the server is yours, add --allow-private"
                } else {
                    ""
                };
                Ended::said(Exit::Usage, format!("{}: {refusal}{hint}", shown(url)))
            })?;
            out.push(target);
        }
        if let Some(path) = &self.targets {
            let text = super::import::read_text(path).map_err(Ended::usage)?;
            let text = match tables(path, &text)? {
                Some(urls) => urls.join("\n"),
                None => text,
            };
            out.extend(read(path, &text, None, admission)?);
        }
        let mut headers = Headers::new();
        if let Some(path) = &self.client_config {
            let text = super::import::read_text(path).map_err(Ended::usage)?;
            out.extend(read(path, &text, Some(Kind::ClientConfig), admission)?);
            if self.use_config_headers {
                headers = config_headers(path, &text, admission)?;
            }
        }
        if out.is_empty() {
            return Err(Ended::said(
                Exit::Usage,
                "no target is left to scan; name one, as https://HOST/PATH",
            ));
        }
        Ok((out, headers))
    }
}

fn read(
    path: &Path,
    text: &str,
    kind: Option<Kind>,
    admission: Admission,
) -> Result<Vec<Target>, Ended> {
    let found = super::import::rows(text, kind, admission).map_err(Ended::usage)?;
    for refused in &found.refused {
        tell(format_args!(
            "authdex: {} row {}: {}",
            path.display(),
            refused.row,
            refused.why
        ));
    }
    Ok(found.targets)
}

/// The addresses of a TOML file of targets; `None` if the text is none. Its other keys are for
/// an installation that watches the targets.
fn tables(path: &Path, text: &str) -> Result<Option<Vec<String>>, Ended> {
    #[derive(serde::Deserialize)]
    struct File {
        target: Vec<Table>,
    }
    #[derive(serde::Deserialize)]
    struct Table {
        url: String,
    }
    if !text.lines().any(|line| line.trim() == "[[target]]") {
        return Ok(None);
    }
    let file: File = toml::from_str(text).map_err(|error| {
        let said = error.message().replace('\n', " ");
        Ended::said(Exit::Usage, format!("--targets {}: {said}", path.display()))
    })?;
    Ok(Some(
        file.target.into_iter().map(|table| table.url).collect(),
    ))
}

fn config_headers(path: &Path, text: &str, admission: Admission) -> Result<Headers, Ended> {
    let found = sources::client_headers(text, admission).map_err(Ended::usage)?;
    let mut out = Headers::new();
    for entry in found {
        let mut headers = Vec::new();
        for (name, value) in &entry.headers {
            let header = expanded(value)
                .and_then(|value| Ok(EndpointHeader::new(name, &value)?))
                .with_context(|| {
                    format!(
                        "--use-config-headers: {}, header {}",
                        path.display(),
                        crate::view::Shown::bounded(name, 80)
                    )
                })
                .map_err(Ended::usage)?;
            headers.push(header);
        }
        out.insert(entry.url, headers);
    }
    Ok(out)
}

/// A value with its variables filled in from the environment, as clients write them: `${NAME}`,
/// `${NAME:-default}`, `${env:NAME}`.
fn expanded(value: &str) -> anyhow::Result<String> {
    let mut out = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after
            .split_once('}')
            .context("a variable in its value does not end")?;
        out.push_str(before);
        rest = after;
        let name = name.strip_prefix("env:").unwrap_or(name);
        let (name, default) = match name.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (name, None),
        };
        let shown = crate::view::Shown::bounded(name, 80);
        if name.contains(':') {
            anyhow::bail!("only the client knows ${{{shown}}}; give the header with --header");
        }
        match (crate::config::reference(&format!("@env:{name}")), default) {
            (Ok(value), _) => out.push_str(&value),
            (Err(_), Some(default)) => out.push_str(default),
            (Err(error), None) => return Err(error.into()),
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// A URL in one of our messages, without what might be a secret in it.
fn shown(url: &str) -> String {
    let bare = url.split(['?', '#']).next().unwrap_or(url);
    let bare = match (bare.split_once("://"), bare.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, place))) => format!("{scheme}://***@{place}"),
        (None, Some((_, place))) => format!("***@{place}"),
        (_, None) => bare.to_owned(),
    };
    crate::view::Shown::bounded(&bare, 200).to_string()
}
