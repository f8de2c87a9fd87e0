//! The command line. Machine output goes to standard output, everything else to standard
//! error; an error is one line that says what, where and what to do.

mod accuracy;
mod backup;
mod catalogue;
mod crawl;
mod deeper;
mod demo;
mod export;
mod fleet;
mod gating;
mod health;
pub(crate) mod import;
mod login;
mod migrate;
mod naming;
mod offline;
mod owner;
mod printing;
mod profiles;
mod prove;
mod regrade;
mod retention;
mod scan;
mod serve;
mod stop;
mod usage;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::{LogFormat, Settings, Telemetry};

/// Exit codes, as the manual lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done; thresholds met, or none asked.
    Done,
    /// A threshold was missed on evidence that was established.
    Missed,
    /// Bad option, file, id or address.
    Usage,
    /// The question could not be answered.
    Incomplete,
    /// Our fault.
    Internal,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Missed => 1,
            Exit::Usage => 2,
            Exit::Incomplete => 3,
            Exit::Internal => 4,
        })
    }
}

/// An error with the exit code it ends the program with.
#[derive(Debug)]
pub struct Ended {
    exit: Exit,
    cause: anyhow::Error,
}

impl Ended {
    fn usage(cause: impl Into<anyhow::Error>) -> Self {
        Self {
            exit: Exit::Usage,
            cause: cause.into(),
        }
    }

    fn internal(cause: impl Into<anyhow::Error>) -> Self {
        Self {
            exit: Exit::Internal,
            cause: cause.into(),
        }
    }

    /// What went wrong, without the exit code.
    #[must_use]
    pub fn into_cause(self) -> anyhow::Error {
        self.cause
    }

    fn said(exit: Exit, text: impl std::fmt::Display) -> Self {
        Self {
            exit,
            cause: anyhow::anyhow!("{text}"),
        }
    }
}

impl From<crate::config::ConfigError> for Ended {
    fn from(cause: crate::config::ConfigError) -> Self {
        Self::usage(cause)
    }
}

impl From<store::StoreError> for Ended {
    /// A database that cannot be opened is a setting to correct; one that is full or locked
    /// leaves the question open; anything else is ours.
    fn from(cause: store::StoreError) -> Self {
        use store::StoreError;
        let exit = match &cause {
            StoreError::Url { .. }
            | StoreError::Open { .. }
            | StoreError::File { .. }
            | StoreError::Migrate(_) => Exit::Usage,
            StoreError::Locked { .. }
            | StoreError::Full { .. }
            | StoreError::Busy { .. }
            | StoreError::Stopped => Exit::Incomplete,
            StoreError::Sql { .. }
            | StoreError::Stored { .. }
            | StoreError::Unstorable { .. }
            | StoreError::Cursor => Exit::Internal,
        };
        Self {
            exit,
            cause: cause.into(),
        }
    }
}

type Outcome = Result<Exit, Ended>;

/// The authorization index of MCP servers: scans their authorization from outside, grades it
/// against the published rules, keeps every answer and shows what changed.
#[derive(Debug, Parser)]
#[command(
    name = "authdex",
    version,
    arg_required_else_help = true,
    max_term_width = 100
)]
#[command(after_help = "\
Exit codes:
  0  done; thresholds met, or none asked
  1  a threshold was missed, on evidence that was established; a backup has faults; migrate --check finds something missing
  2  usage: a bad option, file, setting, database address or id, or an address that is refused
  3  incomplete: unreachable, blocked, too little evidence, interrupted, database full or locked
  4  internal error

Start here: `authdex demo` shows everything on loopback; `authdex scan URL` asks one server.")]
struct Cli {
    /// Settings that differ from the defaults (TOML); `authdex config print` shows every key
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        help_heading = "Configuration"
    )]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Site, API, scheduler and crawler in one process
    Serve(serve::ServeArgs),
    /// Scan servers now and print reports; needs no database
    Scan(Box<scan::ScanArgs>),
    /// Obtain a token the way a strict client does, telling every step
    Login(login::LoginArgs),
    /// Scan everything that is due once, with progress, then exit
    Crawl(crawl::CrawlArgs),
    /// Add servers from a registry, a saved dump, CSV, a list or a client configuration
    Import(import::ImportArgs),
    /// Grade evidence bundles again, offline
    Grade(offline::GradeArgs),
    /// Add the reports that stored scans lack under the rubric in force
    Regrade(regrade::RegradeArgs),
    /// Compare two scans: bundles, evidence, reports, or ids of stored scans
    Diff(offline::DiffArgs),
    /// List the checks of the catalogue
    Checks(catalogue::ChecksArgs),
    /// One check in full: rule, reason, fix, traps, citations
    Explain(catalogue::ExplainArgs),
    /// The clients that reports speak of: how each goes from an endpoint to its user's consent
    Profiles(profiles::ProfilesArgs),
    /// How often the checks are right: verdicts over a corpus of labelled evidence
    Accuracy(accuracy::AccuracyArgs),
    /// Prove that you run a host: a token, then a look at the host for it
    Prove(prove::ProveArgs),
    /// A sample fleet on loopback, scanned, changed, scanned again, and the site that shows it
    Demo(demo::DemoArgs),
    /// Check or print the configuration
    Config(ConfigArgs),
    /// Stop scanning: everything, a host or an issuer; every worker obeys within five seconds
    Stop(stop::StopArgs),
    /// Go on with what was stopped, or with publishing
    Resume(stop::ResumeArgs),
    /// Write what is published to files that others can read, with a manifest
    Export(export::ExportArgs),
    /// Copy the whole database to a file while it is in use, or examine such a copy
    Backup(backup::BackupArgs),
    /// Put a backup where the configuration has its database, which must be empty
    Restore(backup::RestoreArgs),
    /// Remove what is old now, as the nightly job does
    Retention(retention::RetentionArgs),
    /// Bring the database schema up to date, or say how far it is
    Migrate(migrate::MigrateArgs),
    /// Simulated hosts on loopback in the proportions of the real world, for benchmarks
    #[command(hide = true)]
    Fleet(fleet::FleetArgs),
    /// Ask an Authdex on this machine whether it is ready
    Health(health::HealthArgs),
}

#[derive(Debug, Args)]
struct ConfigArgs {
    #[command(subcommand)]
    action: ConfigAction,
}

#[derive(Debug, Subcommand)]
enum ConfigAction {
    /// Say whether the configuration is usable
    Check,
    /// Print the effective values, secrets masked
    Print {
        /// Say beside each key where its value came from
        #[arg(long)]
        origin: bool,
    },
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Color {
    fn on(self, terminal: bool) -> bool {
        match self {
            Self::Auto => terminal,
            Self::Always => true,
            Self::Never => false,
        }
    }
}

/// Writes output for programs and pipes. A reader that has gone away wants no more of it, and
/// that is no error.
fn put(text: &str) -> Result<(), Ended> {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Ended::said(
            Exit::Incomplete,
            format!("writing to standard output: {error}; free some space or write elsewhere"),
        )),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Tells the person at the terminal a line. If nobody can be told, the work goes on.
fn tell(line: impl std::fmt::Display) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Parses the command line, runs it, and says how it ended.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            return usage::told(&error).into();
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            tell(format_args!("authdex: starting: {error}"));
            return Exit::Internal.into();
        }
    };
    let outcome = runtime.block_on(run(cli));
    // Blocking resolver calls of an aborted scan must not hold the exit up.
    runtime.shutdown_background();
    match outcome {
        Ok(exit) => exit.into(),
        Err(ended) => {
            tell(format_args!("authdex: {}", one_line(&ended.cause)));
            ended.exit.into()
        }
    }
}

/// An error with its causes on one line, repeated words left out.
fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let text = cause.to_string().replace('\n', " ");
        if line.contains(&text) {
            continue;
        }
        if !line.is_empty() {
            line.push_str(": ");
        }
        line.push_str(&text);
    }
    line
}

async fn run(cli: Cli) -> Outcome {
    match cli.command {
        Command::Scan(args) => scan::run(*args, cli.config.as_deref()).await,
        Command::Login(args) => login::run(args).await,
        Command::Grade(args) => offline::grade(&args, cli.config.as_deref()),
        Command::Diff(args) => offline::diff(&args, cli.config.as_deref()).await,
        Command::Checks(args) => catalogue::checks(&args),
        Command::Explain(args) => catalogue::explain(&args),
        Command::Profiles(args) => profiles::run(&args),
        Command::Accuracy(args) => accuracy::accuracy(&args),
        Command::Prove(args) => prove::run(args, settings(cli.config.as_deref())?).await,
        Command::Demo(args) => demo::run(args).await,
        Command::Config(ConfigArgs {
            action: ConfigAction::Print { origin },
        }) => {
            put(&crate::config::printed(cli.config.as_deref(), origin)?)?;
            Ok(Exit::Done)
        }
        Command::Config(ConfigArgs {
            action: ConfigAction::Check,
        }) => {
            let settings = Settings::load(cli.config.as_deref())?;
            let (_running, stop) = tokio::sync::watch::channel(false);
            // Rules, networks and files that the settings name, without asking anybody.
            crate::scanning::installed(&settings, stop, &[]).map_err(Ended::usage)?;
            tell("The configuration is usable.");
            Ok(Exit::Done)
        }
        Command::Serve(args) => {
            let settings = settings(cli.config.as_deref())?;
            serve::run(args, settings).await
        }
        Command::Crawl(args) => {
            let settings = settings(cli.config.as_deref())?;
            crawl::run(args, settings).await
        }
        Command::Import(args) => {
            let settings = settings(cli.config.as_deref())?;
            import::run(args, settings).await
        }
        Command::Regrade(args) => {
            let settings = settings(cli.config.as_deref())?;
            regrade::run(args, &settings).await
        }
        Command::Export(args) => {
            let settings = settings(cli.config.as_deref())?;
            export::run(args, &settings).await
        }
        Command::Backup(args) => backup::run(args, cli.config.as_deref()).await,
        Command::Restore(args) => {
            let settings = settings(cli.config.as_deref())?;
            backup::restore(&args, &settings).await
        }
        Command::Stop(args) => {
            let settings = settings(cli.config.as_deref())?;
            stop::stop(args, &settings).await
        }
        Command::Resume(args) => {
            let settings = settings(cli.config.as_deref())?;
            stop::resume(args, &settings).await
        }
        Command::Health(args) => health::run(args).await,
        Command::Fleet(args) => fleet::run(args).await,
        Command::Retention(args) => {
            let settings = settings(cli.config.as_deref())?;
            retention::run(&args, &settings).await
        }
        Command::Migrate(args) => {
            let settings = settings(cli.config.as_deref())?;
            migrate::run(&args, &settings).await
        }
    }
}

/// Address of the installation that the named configuration is of: its pages explain the
/// checks. Without a configuration there is none.
fn base(file: Option<&Path>) -> Result<Option<String>, Ended> {
    let Some(file) = file else {
        return Ok(None);
    };
    let url = Settings::load(Some(file))?.instance.public_url;
    Ok((!url.is_empty()).then_some(url))
}

fn settings(file: Option<&Path>) -> Result<Settings, Ended> {
    let settings = Settings::load(file)?;
    log(&settings.telemetry);
    Ok(settings)
}

/// Logs go to standard error.
fn log(telemetry: &Telemetry) {
    let filter = tracing_subscriber::EnvFilter::try_new(&telemetry.log)
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // A second subscriber in one process (tests) is refused; the first stays.
    let _ = match telemetry.log_format {
        LogFormat::Text => builder.with_target(false).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
}

/// Opens the store and brings it up to date, as the configuration says.
async fn open_store(settings: &Settings) -> Result<store::Store, Ended> {
    let store = store::Store::open(&settings.store.url).await?;
    if settings.store.migrate_on_start {
        store.migrate().await?;
    } else {
        let pending = store.migrations_pending().await?;
        if !pending.is_empty() {
            return Err(Ended::said(
                Exit::Usage,
                format!(
                    "database: {} migrations are missing; run `authdex migrate`",
                    pending.len()
                ),
            ));
        }
    }
    let public = settings.instance.mode == crate::config::Mode::Public;
    store.publish_by(settings.publication.rules(public));
    Ok(store)
}
