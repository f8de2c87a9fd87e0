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
use scanner::check::Severity;
use scanner::evidence::{Depth, Evidence, Exchange, Failure, Purpose, Stopped};
use scanner::grade::grade;
use scanner::net::{
    EndpointHeader, Guard, NetScanner, Observer, Pace, Rates, Settings as NetSettings,
};
use scanner::normalise::{self, Admission};
use scanner::report::{Badge, Class, FindingVerdict, GradeLetter, Report};
use scanner::rubric;
use scanner::scan::Scan as _;
use scanner::spec::Revision;
use scanner::target::Target;
use scanner::time::{Clock as _, SystemClock};
use tokio::sync::watch;

use super::deeper::{self, DeeperArgs};
use super::offline::{Format, format_or_default, print};
use super::{Color, Ended, Exit, Outcome};
use crate::output::{bundle, text};
use crate::scanning;

/// Options of `scan`.
#[derive(Debug, Args)]
pub(super) struct ScanArgs {
    /// MCP endpoint URLs
    #[arg(value_name = "URL", required_unless_present = "targets")]
    urls: Vec<String>,
    /// File with one URL per line, CSV, or a client configuration; `-` is standard input
    #[arg(long, value_name = "FILE")]
    targets: Option<PathBuf>,
    /// How to print; text on a terminal, else json
    #[arg(long, value_enum)]
    format: Option<Format>,
    #[command(flatten)]
    thresholds: Thresholds,
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
    /// Targets at a time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=500))]
    concurrency: u16,
    /// Also list what holds and what does not apply
    #[arg(long)]
    all: bool,
    /// No progress
    #[arg(long, short)]
    quiet: bool,
    /// Print every exchange as it happens
    #[arg(long, short)]
    verbose: bool,
    /// When to colour
    #[arg(long, value_enum, default_value = "auto")]
    color: Color,
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

/// When a run fails.
#[derive(Debug, Clone, Args)]
pub(super) struct Thresholds {
    /// Fail (exit 1) if a graded target is below this letter
    #[arg(long, value_name = "LETTER", value_parser = letter)]
    fail_under: Option<GradeLetter>,
    /// Fail (exit 1) if any check of this severity or above fails
    #[arg(long, value_name = "SEVERITY", value_parser = severity)]
    fail_on: Option<Severity>,
    /// With --fail-under: open and static-key servers fail too
    #[arg(long)]
    require_auth: bool,
    /// Whose grade the thresholds use: a revision, or `claimed`
    #[arg(long, value_name = "REVISION", default_value = "2026-07-28", value_parser = column)]
    revision: Column,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Of(Revision),
    Claimed,
}

fn letter(text: &str) -> Result<GradeLetter, String> {
    GradeLetter::parse(text).ok_or_else(|| "one of A+, A, B, C, D, E, F".into())
}

fn severity(text: &str) -> Result<Severity, String> {
    [
        Severity::Info,
        Severity::Low,
        Severity::Medium,
        Severity::High,
        Severity::Critical,
    ]
    .into_iter()
    .find(|severity| severity.as_str() == text)
    .ok_or_else(|| "one of info, low, medium, high, critical".into())
}

fn column(text: &str) -> Result<Column, String> {
    if text == "claimed" {
        return Ok(Column::Claimed);
    }
    Revision::parse(text)
        .map(Column::Of)
        .ok_or_else(|| "one of 2025-03-26, 2025-06-18, 2025-11-25, 2026-07-28, claimed".into())
}

impl Thresholds {
    /// How the run ends: of the targets the first of 1, 3 and 0 that applies.
    pub(super) fn judge(&self, reports: &[Report]) -> Exit {
        let exits: Vec<Exit> = reports.iter().map(|report| self.one(report)).collect();
        for exit in [Exit::Missed, Exit::Incomplete] {
            if exits.contains(&exit) {
                return exit;
            }
        }
        Exit::Done
    }

    fn one(&self, report: &Report) -> Exit {
        let revision = match self.revision {
            Column::Of(revision) => revision,
            Column::Claimed => report
                .claimed
                .map_or(Revision::HEADLINE, |claimed| claimed.revision),
        };
        let grade = report.grades.get(&revision).unwrap_or(&report.grade);
        let failed = self.fail_on.is_some_and(|least| {
            report
                .findings
                .iter()
                .any(|finding| finding.verdict == FindingVerdict::Fail && finding.severity >= least)
        });
        let below = match (self.fail_under, grade.letter, grade.badge) {
            (Some(least), Some(letter), _) => letter > least,
            (Some(_), None, Some(Badge::O | Badge::K)) => self.require_auth,
            _ => false,
        };
        if failed || below {
            return Exit::Missed;
        }
        let unanswered = matches!(report.class, Class::Unreachable | Class::Blocked)
            || grade.badge == Some(Badge::N)
            || report.stopped != Stopped::Finished && report.stopped != Stopped::OutOfAsks;
        if unanswered {
            Exit::Incomplete
        } else {
            Exit::Done
        }
    }
}

pub(super) async fn run(mut args: ScanArgs, config: Option<&Path>) -> Outcome {
    let depth = match args.depth {
        DepthArg::Passive => Depth::Passive,
        DepthArg::Standard => Depth::Standard,
        DepthArg::Consented => Depth::Consented,
        DepthArg::Credentialed => Depth::Credentialed,
    };
    let targets = targets(&args)?;
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
    if let Some(consent) = consent {
        deeper::announce(depth, &consent, own_host.as_ref().map(|(own, _)| own));
        settings.consent = Some(consent);
        settings.own_host = own_host.as_ref().map(|(own, _)| own.hosting());
    }
    let scanner = Arc::new(NetScanner::new(settings).await.map_err(Ended::usage)?);
    // The first Ctrl-C ends the scans where they are; what was heard is still reported.
    let interrupted = tokio::spawn(super::serve::signals(stop));
    let scans: Vec<(usize, Evidence)> = futures_util::stream::iter(targets.into_iter().enumerate())
        .map(|(position, target)| {
            let (scanner, progress) = (Arc::clone(&scanner), progress.clone());
            async move {
                let scan_id = store::ids::Kind::Scan.fresh(SystemClock.now());
                let evidence = scanner.scan(&target, &scan_id).await;
                progress.done(&evidence);
                deeper::account(&evidence);
                (position, evidence)
            }
        })
        .buffer_unordered(usize::from(args.concurrency))
        .collect()
        .await;
    interrupted.abort();
    progress.finish();
    let scans: BTreeMap<usize, Evidence> = scans.into_iter().collect();
    finish(&args, scans)
}

fn finish(args: &ScanArgs, scans: BTreeMap<usize, Evidence>) -> Outcome {
    let several = scans.len() > 1;
    let mut reports = Vec::with_capacity(scans.len());
    let mut refused = None;
    let mut unwritten = None;
    for (position, evidence) in scans {
        let mut report = grade(&evidence, rubric::current());
        if let Some(path) = &args.evidence {
            let path = numbered(path, several.then_some(position + 1));
            report.evidence.bundle = Some(path.display().to_string());
            // The report is printed all the same: scanning again costs the server more.
            if let Err(error) = bundle::write(&path, &evidence, &report) {
                report.evidence.bundle = None;
                unwritten.get_or_insert(error);
            }
        }
        refused = refused.or_else(|| refusal(&evidence));
        reports.push(report);
    }
    let style = text::Style {
        color: args.color.on(std::io::stdout().is_terminal()),
        all: args.all,
    };
    print(&reports, format_or_default(args.format), style)?;
    if let Some(error) = unwritten {
        return Err(Ended::usage(error));
    }
    if let Some(rule) = refused {
        return Err(Ended::said(
            Exit::Usage,
            format!("{rule}; if the server is yours, add --allow-private"),
        ));
    }
    Ok(args.thresholds.judge(&reports))
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

fn targets(args: &ScanArgs) -> Result<Vec<Target>, Ended> {
    let admission = Admission {
        allow_private: args.allow_private,
        allow_ephemeral: true,
    };
    let mut out = Vec::new();
    for url in &args.urls {
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
    if let Some(path) = &args.targets {
        let text = super::import::read_text(path).map_err(Ended::usage)?;
        let found = super::import::rows(&text, None, admission).map_err(Ended::usage)?;
        for refused in &found.refused {
            super::tell(format_args!(
                "authdex: {} row {}: {}",
                path.display(),
                refused.row,
                refused.why
            ));
        }
        out.extend(found.targets);
    }
    if out.is_empty() {
        return Err(Ended::said(
            Exit::Usage,
            "no target is left to scan; name one, as https://HOST/PATH",
        ));
    }
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
