//! `stop` and `resume`: the switches that every worker of a database obeys.

use std::path::Path;

use clap::Args;
use scanner::halt::bare;
use scanner::time::{Clock as _, Millis, SystemClock};
use store::Scope;

use super::{Ended, Exit, Outcome};
use crate::config::Settings;

#[derive(Debug, Args)]
#[group(multiple = true)]
pub(super) struct StopArgs {
    /// Every scan of every worker
    #[arg(long, conflicts_with_all = ["host", "issuer"])]
    all: bool,
    /// This host and every name below it; repeatable
    #[arg(long, value_name = "HOST")]
    host: Vec<String>,
    /// This issuer's documents; repeatable
    #[arg(long, value_name = "URL")]
    issuer: Vec<String>,
    /// Who asked for it, or why
    #[arg(long, value_name = "TEXT", default_value = "command line")]
    note: String,
    /// Only print what is stopped or frozen
    #[arg(long, conflicts_with_all = ["all", "host", "issuer"])]
    list: bool,
}

#[derive(Debug, Args)]
#[group(multiple = true)]
pub(super) struct ResumeArgs {
    /// What was stopped for every scan
    #[arg(long)]
    all: bool,
    /// This host; repeatable
    #[arg(long, value_name = "HOST")]
    host: Vec<String>,
    /// This issuer; repeatable
    #[arg(long, value_name = "URL")]
    issuer: Vec<String>,
    /// Publishing, after it was frozen because too many servers turned bad at once
    #[arg(long)]
    publishing: bool,
}

/// The scopes that were named. A host may be given as a URL.
fn scopes(all: bool, hosts: &[String], issuers: &[String]) -> Result<Vec<Scope>, Ended> {
    let mut out = Vec::new();
    if all {
        out.push(Scope::All);
    }
    for text in hosts {
        let url = if text.contains("://") {
            text.clone()
        } else {
            format!("https://{text}")
        };
        let host = url::Url::parse(&url)
            .ok()
            .and_then(|url| url.host_str().map(bare))
            .ok_or_else(|| Ended::said(Exit::Usage, format!("--host: `{text}` is no host")))?;
        out.push(Scope::Host(host));
    }
    for text in issuers {
        let valid = url::Url::parse(text).is_ok_and(|url| url.host_str().is_some());
        if !valid {
            return Err(Ended::said(
                Exit::Usage,
                format!(
                    "--issuer: `{text}` is no URL; write for example https://login.example.org"
                ),
            ));
        }
        out.push(Scope::Issuer(text.clone()));
    }
    Ok(out)
}

pub(super) async fn stop(args: StopArgs, settings: &Settings) -> Outcome {
    let store = super::open_store(settings).await?;
    if args.list {
        for switch in store.switches().await? {
            let since = Millis(switch.since).rfc3339();
            let line = [switch.kind, switch.value, since, switch.note].join("\t");
            super::put(&format!("{line}\n"))?;
        }
        for file in [settings.stop_file()] {
            if Path::new(&file).exists() {
                super::put(&format!("stop_all\t\t\tfile {}\n", file.display()))?;
            }
        }
        store.close().await;
        return Ok(Exit::Done);
    }
    let scopes = scopes(args.all, &args.host, &args.issuer)?;
    if scopes.is_empty() {
        return Err(Ended::said(
            Exit::Usage,
            "say what to stop: --all, --host HOST or --issuer URL; --list shows what is stopped",
        ));
    }
    for scope in &scopes {
        let new = store.stop(scope, &args.note, SystemClock.now()).await?;
        let was = if new { "" } else { " already" };
        super::tell(format_args!("{}: stopped{was}.", named(scope)));
    }
    super::tell("Workers obey within five seconds; `authdex resume` ends it.");
    store.close().await;
    Ok(Exit::Done)
}

pub(super) async fn resume(args: ResumeArgs, settings: &Settings) -> Outcome {
    let store = super::open_store(settings).await?;
    let scopes = scopes(args.all, &args.host, &args.issuer)?;
    if scopes.is_empty() && !args.publishing {
        return Err(Ended::said(
            Exit::Usage,
            "say what goes on: --all, --host HOST, --issuer URL or --publishing; `authdex stop --list` shows what is stopped",
        ));
    }
    for scope in &scopes {
        let was = store.resume(scope).await?;
        let what = if was { "goes on" } else { "was not stopped" };
        super::tell(format_args!("{}: {what}.", named(scope)));
    }
    if args.publishing {
        let what = if store.unfreeze().await? {
            "goes on"
        } else {
            "was not frozen"
        };
        super::tell(format_args!("publishing: {what}."));
    }
    let file = settings.stop_file();
    if args.all && file.exists() {
        super::tell(format_args!(
            "{} still stops the workers of this machine; remove it.",
            file.display()
        ));
    }
    store.close().await;
    Ok(Exit::Done)
}

fn named(scope: &Scope) -> String {
    match scope {
        Scope::All => "every scan".into(),
        Scope::Host(host) => format!("host {host}"),
        Scope::Issuer(issuer) => format!("issuer {issuer}"),
    }
}
