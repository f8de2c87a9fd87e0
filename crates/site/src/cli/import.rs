//! `import`: listings from files and registries into the store, with an outcome for every row.

use std::collections::{BTreeMap, HashSet};
use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use scanner::normalise::Admission;
use scanner::sources::{self, Format as SourceFormat};
use scanner::target::Target;
use scanner::time::{Clock as _, SystemClock};
use store::{ImportTally, NewListing, Reading, Store};

use super::{Ended, Exit, Outcome, put, tell};
use crate::config::Settings;
use crate::sourcing::{self, Extent};

/// Largest file that is read, in bytes.
const FILE_BYTES: u64 = 512 << 20;

/// Values that were left out and are told of one by one.
const REMARKS: usize = 20;

/// Rows written to the store at a time.
const BATCH: usize = 1000;

#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// Registry base URL, or a file: registry dump, server.json, client configuration, Docker catalogue, Markdown table, CSV, plain list; `-` is standard input
    #[arg(required = true, value_name = "SOURCE")]
    sources: Vec<String>,
    /// What the files are [default: seen from their content]
    #[arg(long, value_enum)]
    kind: Option<Kind>,
    /// Name shown beside what the source lists [default: the file's or host's name]
    #[arg(long)]
    name: Option<String>,
    /// Show what would happen, and store nothing
    #[arg(long)]
    dry_run: bool,
    /// The file holds everything that its source lists: what it lacks is no longer listed
    #[arg(long)]
    complete: bool,
    /// Believe a source that suddenly lacks more than a fifth of what it listed
    #[arg(long)]
    believe: bool,
    /// List every refused row on standard output as CSV
    #[arg(long)]
    refused: bool,
}

/// Kinds of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Saved answer of a registry's list API
    Dump,
    /// A `url` column, perhaps name, owner, tags, depth, interval, transport, version, status
    Csv,
    /// One URL per line
    List,
    /// One server.json
    ServerJson,
    /// .mcp.json and what desktop clients and editors write (JSON, YAML, TOML)
    ClientConfig,
    /// Docker's catalogue of MCP servers (YAML)
    DockerCatalogue,
    /// Markdown with a table that has a column for URLs
    Markdown,
}

impl Kind {
    fn format(self) -> SourceFormat {
        match self {
            Self::Dump => SourceFormat::Registry,
            Self::Csv => SourceFormat::Csv,
            Self::List => SourceFormat::List,
            Self::ServerJson => SourceFormat::ServerJson,
            Self::ClientConfig => SourceFormat::ClientConfig,
            Self::DockerCatalogue => SourceFormat::DockerCatalogue,
            Self::Markdown => SourceFormat::Markdown,
        }
    }
}

/// What was read from one source.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    /// Servers that may be asked.
    pub(crate) targets: Vec<Target>,
    /// Rows that are not asked, with the reason.
    pub(crate) refused: Vec<Refused>,
    /// Values left out of rows that count, with the reason.
    pub(crate) remarks: Vec<Refused>,
    /// Rows without a remote server, left alone.
    pub(crate) ignored: u64,
    /// What the text was read as, in words.
    pub(crate) form: &'static str,
}

/// A row that is not asked.
#[derive(Debug)]
pub(crate) struct Refused {
    /// Its number.
    pub(crate) row: u64,
    /// What it says, shortened and without secrets.
    pub(crate) raw: String,
    /// Name of the rule.
    pub(crate) code: String,
    /// The reason.
    pub(crate) why: String,
}

impl From<sources::Refused> for Refused {
    fn from(refused: sources::Refused) -> Self {
        Self {
            row: refused.row,
            raw: refused.raw,
            code: refused.code.to_owned(),
            why: refused.why,
        }
    }
}

/// Reads a file, or standard input for `-`.
pub(crate) fn read_text(path: &Path) -> anyhow::Result<String> {
    let shown = path.display();
    let mut bytes = Vec::new();
    if path.as_os_str() == "-" {
        std::io::stdin()
            .take(FILE_BYTES + 1)
            .read_to_end(&mut bytes)
            .context("reading standard input")?;
    } else {
        let file = std::fs::File::open(path).with_context(|| format!("source {shown}"))?;
        file.take(FILE_BYTES + 1)
            .read_to_end(&mut bytes)
            .with_context(|| format!("source {shown}"))?;
    }
    if bytes.len() as u64 > FILE_BYTES {
        anyhow::bail!(
            "source {shown}: larger than {} MiB; split it",
            FILE_BYTES >> 20
        );
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Reads rows of a text in a format, or in the one it looks like.
pub(crate) fn rows(text: &str, kind: Option<Kind>, admission: Admission) -> anyhow::Result<Rows> {
    let format = kind.map_or_else(|| sources::detect(text), Kind::format);
    let outcome = sources::read(text, format, admission).map_err(anyhow::Error::from)?;
    Ok(Rows {
        form: sources::form(text, format),
        ..collect(outcome)
    })
}

pub(super) async fn run(args: ImportArgs, settings: Settings) -> Outcome {
    let admission = Admission {
        allow_private: settings.scan.allow_private,
        allow_ephemeral: false,
    };
    let store = if args.dry_run {
        None
    } else {
        Some(super::open_store(&settings).await?)
    };
    let mut exit = Exit::Done;
    let mut added = 0;
    for source in &args.sources {
        let name = args.name.clone().unwrap_or_else(|| name_of(source));
        if source.starts_with("http://") || source.starts_with("https://") {
            let tally = registry(source, &name, &settings, store.as_ref(), args.believe).await?;
            report(source, &tally, args.dry_run);
            added += tally.stored.added;
            continue;
        }
        let read = read_text(Path::new(source)).and_then(|text| rows(&text, args.kind, admission));
        let rows = match read {
            Ok(rows) => rows,
            Err(error) => {
                // One source that cannot be read does not keep the others out.
                tell(format_args!("authdex: {error:#}"));
                exit = Exit::Usage;
                continue;
            }
        };
        let mut tally = Tally::of(&rows);
        if args.refused {
            put(&refused_rows(rows.refused.iter().chain(&rows.remarks)))?;
        }
        remarks(&rows.remarks, args.refused);
        if let Some(store) = &store {
            let began = SystemClock.now();
            tally.stored = keep(store, &name, rows.targets, source).await?;
            if args.complete {
                tally.reading = sourcing::conclude(store, &name, began, args.believe)
                    .await
                    .map_err(Ended::internal)?;
            }
        }
        report(source, &tally, args.dry_run);
        added += tally.stored.added;
    }
    if added > 0 {
        tell(
            "Next: `authdex crawl --once` scans what is due, `authdex serve` keeps going and shows it.",
        );
    }
    Ok(exit)
}

fn name_of(source: &str) -> String {
    if let Ok(url) = url::Url::parse(source)
        && let Some(host) = url.host_str()
    {
        return host.to_owned();
    }
    PathBuf::from(source)
        .file_stem()
        .and_then(|stem| stem.to_str())
        .filter(|stem| *stem != "-")
        .unwrap_or("import")
        .to_owned()
}

/// What became of a source's rows.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Different endpoints.
    pub(crate) found: u64,
    /// Rows that name one of them, once for each name.
    pub(crate) listings: u64,
    pub(crate) ignored: u64,
    /// What the source was read as, in words; empty for what needs no telling.
    pub(crate) form: &'static str,
    pub(crate) refused: BTreeMap<String, u64>,
    pub(crate) stored: ImportTally,
    /// What a whole reading lacked.
    pub(crate) reading: Reading,
}

impl Tally {
    pub(crate) fn of(rows: &Rows) -> Self {
        let mut refused = BTreeMap::new();
        for row in &rows.refused {
            *refused.entry(row.code.clone()).or_default() += 1;
        }
        let urls: HashSet<&str> = rows.targets.iter().map(|row| row.url.as_str()).collect();
        Self {
            found: urls.len() as u64,
            listings: rows.targets.len() as u64,
            ignored: rows.ignored,
            form: rows.form,
            refused,
            stored: ImportTally::default(),
            reading: Reading::default(),
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.found += other.found;
        self.listings += other.listings;
        self.ignored += other.ignored;
        self.stored.added += other.stored.added;
        self.stored.known += other.stored.known;
        self.stored.updated += other.stored.updated;
        self.reading.listed += other.reading.listed;
        self.reading.missing += other.reading.missing;
        self.reading.gone += other.reading.gone;
        self.reading.doubted |= other.reading.doubted;
        for (code, count) in &other.refused {
            *self.refused.entry(code.clone()).or_default() += count;
        }
    }
}

fn report(source: &str, tally: &Tally, dry_run: bool) {
    let refused: u64 = tally.refused.values().sum();
    if tally.form.is_empty() {
        tell(source);
    } else {
        tell(format_args!("{source}, read as {}", tally.form));
    }
    tell(format_args!(
        "  {:>7} servers that may be asked, in {} listings",
        tally.found, tally.listings
    ));
    if !dry_run {
        tell(format_args!(
            "  {:>7} servers are new; of the other listings {} are new or changed, {} as before",
            tally.stored.added, tally.stored.updated, tally.stored.known
        ));
    }
    tell(format_args!(
        "  {:>7} rows without a remote server, or superseded by a newer version",
        tally.ignored
    ));
    tell(format_args!("  {refused:>7} rows refused"));
    for (code, count) in &tally.refused {
        tell(format_args!(
            "          {count:>7} {code}: {}",
            meaning(code)
        ));
    }
    if tally.reading.gone > 0 {
        tell(format_args!(
            "  {:>7} listings are gone from the source",
            tally.reading.gone
        ));
    }
    if tally.reading.doubted {
        tell(format_args!(
            "  {:>7} of {} listings are missing: too many to be believed before another whole reading, or --believe, agrees",
            tally.reading.missing, tally.reading.listed
        ));
    }
    if dry_run {
        tell("  nothing was stored (--dry-run)");
    }
}

fn meaning(code: &str) -> &'static str {
    match code {
        "template" => "the URL holds a {variable} without a default",
        "not_public" => "a loopback, private or internal address",
        "ephemeral" => "a development tunnel",
        "credential_in_url" => "a credential in the URL; never requested",
        "invalid" => "no usable URL or row",
        _ => "see the row",
    }
}

/// Says which values are left out; all of them are in the list of refused rows.
fn remarks(remarks: &[Refused], listed: bool) {
    let shown = if listed { 0 } else { REMARKS };
    for remark in remarks.iter().take(shown) {
        tell(format_args!(
            "  line {}: `{}` is left out: {}",
            remark.row, remark.raw, remark.why
        ));
    }
    if remarks.len() > shown {
        tell(format_args!(
            "  {:>7} values are left out{}",
            remarks.len(),
            if listed { "" } else { "; --refused lists them" }
        ));
    }
}

fn refused_rows<'r>(refused: impl Iterator<Item = &'r Refused>) -> String {
    let mut out = String::from("row,code,why,url\n");
    for row in refused {
        out.push_str(&format!(
            "{},{},{},{}\n",
            row.row,
            row.code,
            csv(&row.why),
            csv(&row.raw)
        ));
    }
    out
}

/// A field that no spreadsheet takes for a formula.
fn csv(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        "'"
    } else {
        ""
    };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

/// Stores targets in batches, with a bar when there are many.
pub(crate) async fn keep(
    store: &Store,
    name: &str,
    targets: Vec<Target>,
    shown: &str,
) -> Result<ImportTally, Ended> {
    let many = targets.len() > 2 * BATCH && std::io::stderr().is_terminal();
    let bar = if many {
        indicatif::ProgressBar::new(targets.len() as u64)
    } else {
        indicatif::ProgressBar::hidden()
    };
    bar.set_message(shown.to_owned());
    let mut tally = ImportTally::default();
    let now = SystemClock.now();
    let listings: Vec<NewListing> = targets
        .into_iter()
        .map(|target| NewListing { target, seen: now })
        .collect();
    for batch in listings.chunks(BATCH) {
        let stored = store.add_listings(name, batch, now).await?;
        tally.added += stored.added;
        tally.known += stored.known;
        tally.updated += stored.updated;
        bar.inc(batch.len() as u64);
    }
    bar.finish_and_clear();
    Ok(tally)
}

/// Walks a registry over HTTP, page by page.
async fn registry(
    base: &str,
    name: &str,
    settings: &Settings,
    store: Option<&Store>,
    believe: bool,
) -> Result<Tally, Ended> {
    let source = crate::config::Source {
        name: name.to_owned(),
        kind: crate::config::SourceKind::Registry,
        location: base.to_owned(),
        enabled: true,
        api_key: String::new(),
        page_limit: 100,
        max_pages: 2000,
    };
    crate::sourcing::walk_registry(&source, settings, store, Extent::Whole, believe)
        .await
        .map_err(|error| Ended {
            exit: Exit::Incomplete,
            cause: error,
        })
}

/// Rows of a reader's outcome.
pub(crate) fn collect(read: sources::Read) -> Rows {
    Rows {
        targets: read
            .found
            .into_iter()
            .flat_map(sources::Found::into_targets)
            .collect(),
        refused: read.refused.into_iter().map(Refused::from).collect(),
        remarks: read.remarks.into_iter().map(Refused::from).collect(),
        ignored: read.ignored,
        form: "",
    }
}
