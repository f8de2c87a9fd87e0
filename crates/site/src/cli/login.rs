//! `login`: a token, obtained as a strict client obtains it, with every step told.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::{ArgGroup, Args, ValueEnum};
use scanner::evidence::Depth;
use scanner::net::{Guard, NetScanner, Settings as NetSettings};
use scanner::normalise::{self, Admission};
use scanner::scan::Scan as _;
use scanner::time::SystemClock;
use url::Url;

use super::{Ended, Exit, Outcome, owner};
use crate::login::{Client, Ending, Options, Step, login};
use crate::scanning;

/// Options of `login`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("where").required(true).args(["output", "print"]))]
pub(super) struct LoginArgs {
    /// MCP endpoint URL
    url: String,
    /// Write the access token to this new file, readable by you only
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write the access token to standard output
    #[arg(long, conflicts_with = "format")]
    print: bool,
    /// Report the steps on standard output as well
    #[arg(long, value_enum)]
    format: Option<StepFormat>,
    /// Client that was registered beforehand; without it and --client-document the program registers itself
    #[arg(long, value_name = "ID", conflicts_with = "client_document")]
    client_id: Option<String>,
    /// Its secret, as @env:VAR or @file:PATH
    #[arg(long, value_name = "REFERENCE", requires = "client_id")]
    client_secret: Option<String>,
    /// URL of a client document; its redirect is http://127.0.0.1/callback on any port
    #[arg(long, value_name = "URL")]
    client_document: Option<Url>,
    /// Scopes to ask for instead of those that the server names
    #[arg(long, value_name = "SCOPES")]
    scope: Option<String>,
    /// Port of the redirect on 127.0.0.1 [default: any free one]
    #[arg(
        long,
        value_name = "PORT",
        default_value_t = 0,
        hide_default_value = true
    )]
    redirect_port: u16,
    /// Print the address to open instead of opening a browser
    #[arg(long)]
    no_browser: bool,
    /// Seconds to wait for the sign-in
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=3600))]
    timeout: u32,
    /// PEM file of further certificate authorities
    #[arg(long, value_name = "FILE")]
    ca_bundle: Option<PathBuf>,
    /// Connect somewhere else, as in curl: HOST1:PORT1:HOST2:PORT2
    #[arg(long, value_name = "RULE")]
    connect_to: Vec<String>,
    /// Admit loopback and private addresses, and plain http to them
    #[arg(long)]
    allow_private: bool,
}

/// How steps are reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum StepFormat {
    /// One JSON document
    Json,
}

pub(super) async fn run(args: LoginArgs) -> Outcome {
    let admission = Admission {
        allow_private: args.allow_private,
        allow_ephemeral: true,
    };
    let target = normalise::endpoint(&args.url, admission)
        .map_err(|refusal| Ended::said(Exit::Usage, format!("the URL: {refusal}")))?;
    if let Some(path) = &args.output
        && path.exists()
    {
        return Err(Ended::said(
            Exit::Usage,
            format!("--output {}: it exists; name a new file", path.display()),
        ));
    }
    let client = client(&args).map_err(Ended::usage)?;
    let settings = settings(&args).map_err(Ended::usage)?;
    let scanner = NetScanner::new(settings).await.map_err(Ended::usage)?;
    super::tell("Reading how the server wants to be asked, once a second.");
    let evidence = scanner.scan(&target, "").await;
    let options = Options {
        client,
        scope: args.scope.clone(),
        port: args.redirect_port,
        patience: Duration::from_secs(u64::from(args.timeout)),
        entropy: scanning::entropy,
        open: owner::opener(args.no_browser),
    };
    let done = login(&scanner, &evidence, &options, &|step| {
        super::tell(line(step));
    })
    .await;
    if args.format.is_some() {
        let mut text = serde_json::to_string_pretty(&done)
            .context("writing the steps")
            .map_err(Ended::internal)?;
        text.push('\n');
        super::put(&text)?;
    }
    let Some(token) = &done.token else {
        // The last step has said why.
        return Ok(Exit::Missed);
    };
    match &args.output {
        Some(path) => write_private(path, token).map_err(Ended::usage)?,
        None => super::put(&format!("{token}\n"))?,
    }
    Ok(Exit::Done)
}

fn line(step: &Step) -> String {
    let colored = std::io::stderr().is_terminal();
    let mark = match step.ending {
        Ending::Ok => "ok",
        Ending::Note => "note",
        Ending::Stopped => "stop",
    };
    let mark = match (colored, step.ending) {
        (true, Ending::Stopped) => format!("\u{1b}[31m{mark:<4}\u{1b}[0m"),
        _ => format!("{mark:<4}"),
    };
    format!("{mark} {}: {}", step.step, step.said)
}

fn client(args: &LoginArgs) -> anyhow::Result<Client> {
    if let Some(url) = &args.client_document {
        return Ok(Client::Document(url.clone()));
    }
    let Some(id) = &args.client_id else {
        return Ok(Client::Register);
    };
    let secret = match args.client_secret.as_deref() {
        None => None,
        Some(text) if text.starts_with("@env:") || text.starts_with("@file:") => {
            Some(crate::config::reference(text).context("--client-secret")?)
        }
        Some(_) => anyhow::bail!(
            "--client-secret: arguments are seen by everybody on this machine; use @env:NAME or @file:PATH"
        ),
    };
    Ok(Client::Known(id.clone(), secret))
}

fn settings(args: &LoginArgs) -> anyhow::Result<NetSettings> {
    let mut out = NetSettings::new(Arc::new(SystemClock), Arc::new(scanning::entropy));
    out.limits.depth = Depth::Passive;
    out.limits.repeat_gap_ms = 0;
    if args.allow_private {
        out.guard = Guard::allow_private();
    }
    out.connect_to = scanning::connect_to(&args.connect_to)?;
    if let Some(path) = &args.ca_bundle {
        out.extra_roots = scanning::ca_bundle(path)?;
    }
    Ok(out)
}

/// A new file that nobody else reads.
fn write_private(path: &Path, token: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options
        .open(path)
        .with_context(|| format!("--output {}", path.display()))?;
    file.write_all(token.as_bytes())
        .and_then(|()| file.write_all(b"\n"))
        .with_context(|| format!("--output {}", path.display()))
}
