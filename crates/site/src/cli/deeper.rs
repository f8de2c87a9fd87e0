//! What scans of depth consented and deeper need on the command line: whose hosts they may
//! touch, a host of our own, and a word beforehand and afterwards about what is sent to whom.

use std::path::PathBuf;

use clap::Args;
use scanner::evidence::{Consent, Depth, Evidence};
use scanner::facts::Facts;
use scanner::target::Target;

use super::{Ended, Exit};
use crate::config::{Mode, Settings};
use crate::own_host::{self, Listening, OwnHost};
use crate::scanning;

/// Options of deeper scans.
#[derive(Debug, Args)]
pub(super) struct DeeperArgs {
    /// Depth consented: https address, without a path, at which authorization servers reach this program's own host
    #[arg(long, value_name = "URL", requires = "own_host_listen")]
    own_host_url: Option<String>,
    /// Where the own host listens
    #[arg(long, value_name = "ADDRESS", requires = "own_host_url")]
    own_host_listen: Option<String>,
    /// PEM file of the own host's certificates; without it a proxy of yours ends TLS
    #[arg(long, value_name = "FILE", requires_all = ["own_host_url", "own_host_key"])]
    own_host_cert: Option<PathBuf>,
    /// PEM file of its key
    #[arg(long, value_name = "FILE", requires = "own_host_cert")]
    own_host_key: Option<PathBuf>,
}

/// Hosts of targets whose operators are not known to allow this depth end the run; otherwise
/// who allowed it.
pub(super) fn consent(
    depth: Depth,
    named: &[String],
    config: Option<&std::path::Path>,
    targets: &[Target],
) -> Result<Option<Consent>, Ended> {
    if depth < Depth::Consented {
        return Ok(None);
    }
    let settings = Settings::load(config)?;
    if settings.instance.mode == Mode::Public {
        return Err(refused(
            depth,
            "a public instance needs a proof of ownership for it, which this version cannot take; use the configuration of a private instance",
        ));
    }
    let configured = &settings.scan.owned_hosts;
    let basis = match (named.is_empty(), configured.is_empty()) {
        (false, false) => "command line and configuration",
        (true, false) => "configuration",
        _ => "command line",
    };
    let hosts: Vec<String> = named.iter().chain(configured).cloned().collect();
    let consent = scanning::consent(&hosts, basis);
    let mut missing: Vec<String> = targets
        .iter()
        .filter_map(|target| {
            let url = url::Url::parse(&target.url).ok()?;
            let host = url.host_str()?;
            let covered = consent.as_ref().is_some_and(|consent| consent.covers(host));
            (!covered).then(|| host.to_owned())
        })
        .collect();
    missing.sort();
    missing.dedup();
    if missing.is_empty() {
        return Ok(consent);
    }
    Err(refused(
        depth,
        &format!(
            "it needs the consent of the operators of {}, and of their authorization servers; name the hosts that are yours with --owned HOST or scan.owned_hosts",
            missing.join(", ")
        ),
    ))
}

fn refused(depth: Depth, why: &str) -> Ended {
    Ended::said(Exit::Usage, format!("--depth {}: {why}", depth.as_str()))
}

/// What will be sent, to whom.
pub(super) fn announce(depth: Depth, consent: &Consent, own_host: Option<&OwnHost>) {
    let mut sends = vec![
        "registrations of test clients, which are deleted again",
        "authorization requests that nobody signs in to",
        "requests to token and introspection endpoints that must be refused",
        "forged tokens",
    ];
    if own_host.is_some() {
        sends.insert(
            2,
            "authorization requests with client documents of our own host",
        );
    }
    if depth >= Depth::Credentialed {
        sends.push(
            "your tokens to the MCP endpoint, your codes and refresh tokens to the token endpoint",
        );
    }
    super::tell(format_args!(
        "Depth {} sends: {}. To {} and to no other host ({}).",
        depth.as_str(),
        sends.join("; "),
        consent.hosts.join(", "),
        consent.basis,
    ));
    if own_host.is_none() {
        super::tell(
            "Without --own-host-url no client document can be fetched: checks that need one do not apply.",
        );
    }
}

/// Starts the own host, if one is wanted.
pub(super) async fn own_host(
    args: &DeeperArgs,
    depth: Depth,
) -> Result<Option<(OwnHost, Listening)>, Ended> {
    let (Some(url), Some(address)) = (&args.own_host_url, &args.own_host_listen) else {
        return Ok(None);
    };
    if depth < Depth::Consented {
        return Err(Ended::said(
            Exit::Usage,
            "--own-host-url: only depth consented and deeper use an own host; add --depth consented",
        ));
    }
    let own = OwnHost::new(url).map_err(Ended::usage)?;
    let certificate = args
        .own_host_cert
        .as_deref()
        .zip(args.own_host_key.as_deref());
    let listening = own_host::listen(&own, address, certificate)
        .await
        .map_err(Ended::usage)?;
    Ok(Some((own, listening)))
}

/// What was left out because nobody allowed it, and what could not be taken back.
pub(super) fn account(evidence: &Evidence) {
    if evidence.depth < Depth::Consented {
        return;
    }
    let facts = Facts::new(evidence);
    for host in facts.uncovered_hosts() {
        super::tell(format_args!(
            "{host} was left alone: nobody allowed more there, so its checks do not apply; if it is yours, add --owned {host}"
        ));
    }
    for left in facts.left_clients() {
        if !left.deleted {
            super::tell(format_args!(
                "The test client {} could not be deleted; delete it at the authorization server",
                crate::view::Shown::bounded(&left.client_id, 200)
            ));
        }
    }
}
