//! `scan`: servers asked now, without a database.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use futures_util::StreamExt as _;
use scanner::evidence::{Depth, Evidence, Exchange, Failure, Purpose};
use scanner::grade::grade;
use scanner::net::{
    EndpointHeader, Fleeting, Guard, NetScanner, Observer, Pace, Rates, Settings as NetSettings,
};
use scanner::rubric;
use scanner::scan::Scan as _;
use scanner::target::Target;
use scanner::time::{Clock as _, SystemClock};
use tokio::sync::watch;

use super::deeper::{self, DeeperArgs};
use super::gating::{Gating, Loaded};
use super::naming::Naming;
use super::owner::{self, OwnerArgs};
use super::printing::Printing;
use super::{Ended, Exit, Outcome};
use crate::output::bundle::{self, BundleError};
use crate::policy::Subject;
use crate::policy::gate::Gate;
use crate::scanning;

/// Options of `scan`.
#[derive(Debug, Args)]
pub(super) struct ScanArgs {
    #[command(flatten)]
    naming: Naming,
    #[command(flatten)]
    printing: Printing,
    /// Print each report when it is there, as one line of JSON
    #[arg(long)]
    stream: bool,
    #[command(flatten)]
    gating: Gating,
    /// How much may be sent
    #[arg(long, value_enum, default_value = "standard")]
    depth: DepthArg,
    /// Write the evidence bundle (zip); with several targets one file each, numbered
    #[arg(long, value_name = "FILE")]
    evidence: Option<PathBuf>,
    /// PEM file of further certificate authorities
    #[arg(long, value_name = "FILE")]
    ca_bundle: Option<PathBuf>,
    /// Connect somewhere else, as in curl: HOST1:PORT1:HOST2:PORT2; name and certificate stay HOST1's
    #[arg(long, value_name = "RULE")]
    connect_to: Vec<String>,
    /// http://, https:// or socks5h:// proxy
    #[arg(long, value_name = "URL")]
    proxy: Option<String>,
    /// Admit loopback and private addresses, and plain http to them
    #[arg(long)]
    allow_private: bool,
    /// Admit this address or network, also a metadata service
    #[arg(long, value_name = "ADDRESS")]
    allow_address: Vec<String>,
    /// A host you own: --rate may ask it more often than once a second, and depth consented touches it; repeatable
    #[arg(long, value_name = "HOST")]
    owned: Vec<String>,
    /// Requests per second to each private or owned host [default: 50; others get 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    rate: Option<u32>,
    /// `Name: value` sent to the endpoint only; the value as @env:VAR or @file:PATH if it is secret
    #[arg(long, value_name = "HEADER")]
    header: Vec<String>,
    /// Seconds that one scan may take [default: 180; 600 from depth consented on]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=3600))]
    timeout: Option<u32>,
    #[command(flatten)]
    deeper: DeeperArgs,
    #[command(flatten)]
    owner: OwnerArgs,
    /// Targets at a time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=500))]
    concurrency: u16,
    /// No progress
    #[arg(long, short)]
    quiet: bool,
    /// Print every exchange as it happens
    #[arg(long, short)]
    verbose: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DepthArg {
    /// Discovery without credentials
    Passive,
    /// Also visibly invalid credentials and odd headers
    Standard,
    /// Touches authorization servers
    Consented,
    /// Uses credentials
    Credentialed,
}

pub(super) async fn run(mut args: ScanArgs, config: Option<&Path>) -> Outcome {
    let depth = match args.depth {
        DepthArg::Passive => Depth::Passive,
        DepthArg::Standard => Depth::Standard,
        DepthArg::Consented => Depth::Consented,
        DepthArg::Credentialed => Depth::Credentialed,
    };
    if args.stream && args.printing.asks_other_than_json() {
        return Err(Ended::said(
            Exit::Usage,
            "--stream: reports are streamed as JSON, a line each; leave --format away or say json",
        ));
    }
    let rules = args.gating.load(rubric::current())?;
    let base = super::base(config)?;
    let (targets, headers) = args.naming.targets(args.allow_private)?;
    let consent = deeper::consent(depth, &args.owned, config, &targets)?;
    if let Some(consent) = &consent {
        // Those of the configuration, too.
        args.owned.clone_from(&consent.hosts);
    }
    let own_host = deeper::own_host(&args.deeper, depth).await?;
    let (stop, stopped) = watch::channel(false);
    let progress = Progress::new(&args, targets.len());
    let mut settings = net_settings(&args, depth, stopped, &progress).map_err(Ended::usage)?;
    if args.allow_private || targets.iter().all(|target| owned(&args, target)) {
        // Repetitions are spread for the sake of strangers' machines.
        settings.limits.repeat_gap_ms = 0;
    }
    owner::lend(&args.owner, depth, &mut settings)?;
    if let Some(consent) = consent {
        deeper::announce(depth, &consent, own_host.as_ref().map(|(own, _)| own));
        settings.consent = Some(consent);
        settings.own_host = own_host.as_ref().map(|(own, _)| own.hosting());
    }
    let scanners = Scanners::new(settings, headers)
        .await
        .map_err(Ended::usage)?;
    let mut finishing = Finishing {
        several: targets.len() > 1,
        gate: args
            .gating
            .gate(&rules, rubric::current(), targets.len() == 1),
        args: &args,
        done: BTreeMap::new(),
        refused: None,
        unwritten: None,
    };
    // The first Ctrl-C ends the scans where they are; what was heard is still reported.
    let interrupted = tokio::spawn(super::serve::signals(stop));
    let mut scans = futures_util::stream::iter(targets.into_iter().enumerate())
        .map(|(position, target)| {
            let (scanner, progress) = (scanners.of(&target), progress.clone());
            async move {
                let scan_id = store::ids::Kind::Scan.fresh(SystemClock.now());
                let evidence = scanner.scan(&target, &scan_id).await;
                progress.done(&evidence);
                deeper::account(&evidence);
                (position, evidence)
            }
        })
        .buffer_unordered(args.owner.concurrency(args.concurrency));
    while let Some((position, evidence)) = scans.next().await {
        finishing.one(position, &evidence)?;
    }
    drop(scans);
    interrupted.abort();
    progress.finish();
    finishing.end(&rules, base.as_deref())
}

/// A scanner for all targets, and one of its own for each that is sent headers of its own.
struct Scanners {
    common: Arc<NetScanner>,
    own: BTreeMap<String, Arc<NetScanner>>,
}

impl Scanners {
    async fn new(
        settings: NetSettings,
        headers: BTreeMap<String, Vec<EndpointHeader>>,
    ) -> anyhow::Result<Self> {
        let mut own = BTreeMap::new();
        for (url, more) in headers {
            // The pace is shared, so that a host is asked no faster by two of them.
            let mut settings = settings.clone();
            settings.endpoint_headers.extend(more);
            own.insert(url, Arc::new(NetScanner::new(settings).await?));
        }
        Ok(Self {
            common: Arc::new(NetScanner::new(settings).await?),
            own,
        })
    }

    fn of(&self, target: &Target) -> Arc<NetScanner> {
        Arc::clone(self.own.get(&target.url).unwrap_or(&self.common))
    }
}

/// What becomes of the evidence as it comes in.
struct Finishing<'a> {
    args: &'a ScanArgs,
    several: bool,
    gate: Gate<'a>,
    done: BTreeMap<usize, Subject>,
    refused: Option<String>,
    unwritten: Option<BundleError>,
}

impl Finishing<'_> {
    fn one(&mut self, position: usize, evidence: &Evidence) -> Result<(), Ended> {
        let mut report = grade(evidence, rubric::current());
        if let Some(path) = &self.args.evidence {
            let path = numbered(path, self.several.then_some(position + 1));
            report.evidence.bundle = Some(path.display().to_string());
            // The report is printed all the same: scanning again costs the server more.
            if let Err(error) = bundle::write(&path, evidence, &report) {
                report.evidence.bundle = None;
                self.unwritten.get_or_insert(error);
            }
        }
        if self.refused.is_none() {
            self.refused = refusal(evidence);
        }
        let subject = self.gate.apply(Some(evidence), report);
        if self.args.stream {
            let line = serde_json::to_string(&subject.report).map_err(Ended::internal)?;
            super::put(&format!("{line}\n"))?;
        }
        self.done.insert(position, subject);
        Ok(())
    }

    fn end(self, rules: &Loaded, base: Option<&str>) -> Outcome {
        let subjects: Vec<Subject> = self.done.into_values().collect();
        let printed = self.args.printing.all(&subjects, base, self.args.stream);
        rules.remark(&subjects);
        printed?;
        if let Some(error) = self.unwritten {
            return Err(Ended::usage(error));
        }
        if let Some(rule) = self.refused {
            return Err(Ended::said(
                Exit::Usage,
                format!("{rule}; if the server is yours, add --allow-private"),
            ));
        }
        Ok(super::gating::end(&subjects))
    }
}

/// Whether the person who asks said that the target's host is theirs.
fn owned(args: &ScanArgs, target: &Target) -> bool {
    let host = url::Url::parse(&target.url)
        .ok()
        .and_then(|url| url.host_str().map(str::to_owned));
    args.owned
        .iter()
        .any(|owned| Some(owned.to_ascii_lowercase()) == host)
}

/// The guard refused everything: nothing was asked at all.
fn refusal(evidence: &Evidence) -> Option<String> {
    let all = !evidence.exchanges.is_empty()
        && evidence
            .exchanges
            .iter()
            .all(|exchange| matches!(exchange.got, Err(Failure::Blocked(_))));
    let first = evidence.exchanges.first()?;
    match &first.got {
        Err(Failure::Blocked(rule)) if all => Some(format!(
            "{} was not contacted: its address is refused ({rule})",
            evidence.target.host()
        )),
        _ => None,
    }
}

fn numbered(path: &std::path::Path, number: Option<usize>) -> PathBuf {
    match number {
        None => path.to_owned(),
        Some(number) => {
            let stem = path
                .file_stem()
                .and_then(|stem| stem.to_str())
                .unwrap_or("evidence");
            let extension = path
                .extension()
                .and_then(|extension| extension.to_str())
                .unwrap_or("zip");
            path.with_file_name(format!("{stem}-{number}.{extension}"))
        }
    }
}

fn net_settings(
    args: &ScanArgs,
    depth: Depth,
    stopped: watch::Receiver<bool>,
    progress: &Progress,
) -> anyhow::Result<NetSettings> {
    let mut out = NetSettings::new(Arc::new(SystemClock), Arc::new(scanning::entropy));
    out.limits.depth = depth;
    let seconds = args
        .timeout
        .unwrap_or(if depth >= Depth::Consented { 600 } else { 180 });
    out.timeouts.scan = Duration::from_secs(u64::from(seconds));
    let guard = if args.allow_private {
        Guard::allow_private()
    } else {
        Guard::public()
    };
    out.guard =
        guard.admitting(scanning::networks(&args.allow_address).context("--allow-address")?);
    if args.allow_private {
        out.limits.endpoint_requests = 200;
        out.limits.as_requests = 60;
        out.limits.consented_requests = 300;
    }
    let mut rates = Rates {
        global_per_second: NonZeroU32::new(500),
        ..Rates::default()
    };
    if let Some(rate) = args.rate {
        if rate > 1 && args.owned.is_empty() && !args.allow_private {
            anyhow::bail!(
                "--rate {rate}: public hosts are asked once a second; name the hosts you own with --owned"
            );
        }
        rates.private = Duration::from_secs(1) / rate;
    }
    out.pace = Arc::new(Pace::new(rates).owning(args.owned.iter().cloned()));
    // What a public host says to us by name is obeyed by whoever runs this, too.
    out.courtesy = Some(Arc::new(Fleeting {
        owned: args.owned.clone(),
    }));
    out.connect_to = scanning::connect_to(&args.connect_to)?;
    if let Some(path) = &args.ca_bundle {
        out.extra_roots = scanning::ca_bundle(path)?;
    }
    out.proxy.clone_from(&args.proxy);
    out.endpoint_headers = args
        .header
        .iter()
        .map(|header| endpoint_header(header))
        .collect::<anyhow::Result<_>>()?;
    out.stop = Some(stopped);
    out.observer = progress.observer(args.verbose);
    Ok(out)
}

fn endpoint_header(text: &str) -> anyhow::Result<EndpointHeader> {
    let (name, value) = text.split_once(':').context(
        "--header: write it as `Name: value`, for example `X-Tenant: acme` or `X-Key: @env:KEY`",
    )?;
    let value = crate::config::reference(value.trim())
        .with_context(|| format!("--header {}", name.trim()))?;
    Ok(EndpointHeader::new(name.trim(), &value)?)
}

/// Progress on standard error: on a terminal a bar with several targets and a counter with
/// one; elsewhere a line for each of several targets.
#[derive(Clone)]
struct Progress {
    bar: Option<indicatif::ProgressBar>,
    lines: bool,
    targets: usize,
    finished: Arc<AtomicUsize>,
}

impl Progress {
    fn new(args: &ScanArgs, targets: usize) -> Self {
        let plain = !args.quiet && !args.verbose;
        let terminal = std::io::stderr().is_terminal();
        let bar = (plain && terminal).then(|| {
            if targets == 1 {
                let bar = indicatif::ProgressBar::new_spinner();
                bar.enable_steady_tick(Duration::from_millis(120));
                bar.set_message("asking");
                bar
            } else {
                super::crawl::bar(targets as u64)
            }
        });
        Self {
            bar,
            lines: plain && !terminal && targets > 1,
            targets,
            finished: Arc::default(),
        }
    }

    fn observer(&self, verbose: bool) -> Option<Observer> {
        if verbose {
            return Some(Arc::new(|exchange: &Exchange| super::tell(line(exchange))));
        }
        let bar = self.bar.clone().filter(|_| self.targets == 1)?;
        Some(Arc::new(move |exchange: &Exchange| {
            bar.inc(1);
            bar.set_message(format!(
                "{} requests; {}",
                bar.position(),
                exchange.purpose.name()
            ));
        }))
    }

    fn done(&self, evidence: &Evidence) {
        let host = evidence.target.host();
        let finished = self.finished.fetch_add(1, Ordering::Relaxed) + 1;
        if self.lines {
            super::tell(format_args!("{finished}/{} {host}", self.targets));
        }
        if let Some(bar) = self.bar.as_ref().filter(|_| self.targets > 1) {
            bar.inc(1);
            bar.set_message(host);
        }
    }

    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn line(exchange: &Exchange) -> String {
    let end = match &exchange.got {
        Ok(response) => match (response.hello, exchange.purpose) {
            (Some(hello), _) => hello.words(),
            (None, Purpose::Handshake(_)) => "handshake".to_owned(),
            (None, _) => response.status.to_string(),
        },
        Err(failure) => failure.word().to_owned(),
    };
    format!(
        "{:>3} {:>7} ms {:>11} {:<32} {} {}",
        exchange.id,
        exchange.took_ms,
        end,
        exchange.purpose.name(),
        exchange.asked.method,
        exchange.asked.url
    )
}
