//! Settings: defaults compiled in, then a file, then the environment. Unknown keys are
//! errors, values are parsed once, and nothing else in the workspace reads the environment.

mod layers;
mod limits;
mod sections;

use std::path::Path;

use serde::Deserialize;

pub use layers::{Origin, printed, reference};
pub use sections::{Guard, Publication};

use crate::export::Form;
use crate::settings::SiteSettings;

/// The default configuration, with every key.
pub const DEFAULTS: &str = include_str!("../../../config/default.toml");

/// Why the configuration cannot be used. One line: what, where, what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("configuration {path}: {cause}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        cause: std::io::Error,
    },
    /// Not TOML.
    #[error("configuration {place}: {said}")]
    Syntax {
        /// File and line.
        place: String,
        /// What the parser says, on one line.
        said: String,
    },
    /// No such key.
    #[error("configuration {place}: unknown key `{key}`{suggestion}")]
    UnknownKey {
        /// File and line, or the variable's name.
        place: String,
        /// The key, dotted.
        key: String,
        /// `; did you mean …?`, or how to list the keys.
        suggestion: String,
    },
    /// A value that does not fit.
    #[error("configuration {key}: {said}")]
    Value {
        /// The key, dotted.
        key: String,
        /// What is wrong and what would be right.
        said: String,
    },
}

/// All settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Who runs this.
    pub instance: Instance,
    /// Where data are kept.
    pub store: StoreSettings,
    /// The listener.
    pub http: Http,
    /// What visitors may do.
    pub site: Site,
    /// How scans connect.
    pub scan: Scan,
    /// What may be sent, and how often.
    pub policy: Policy,
    /// When.
    pub schedule: Schedule,
    /// Whether we are well, and who says stop.
    pub guard: Guard,
    /// When what is seen is shown.
    pub publication: Publication,
    /// What others may download.
    pub exports: Exports,
    /// Where servers are found.
    pub source: Vec<Source>,
    /// Logs.
    pub telemetry: Telemetry,
}

/// Private or public.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// An installation for its owner's servers.
    Private,
    /// An index for everybody: hard limits hold.
    Public,
}

/// `[instance]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instance {
    /// Private or public.
    pub mode: Mode,
    /// Address readers use, or empty.
    pub public_url: String,
    /// Shown on every page.
    pub name: String,
    /// Mail address, or empty.
    pub contact: String,
}

/// `[store]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreSettings {
    /// Database URL.
    pub url: String,
    /// Migrate when starting.
    pub migrate_on_start: bool,
}

/// `[http]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Address and port.
    pub bind: String,
    /// Believe X-Forwarded-For.
    pub behind_proxy: bool,
    /// Requests at a time.
    pub concurrency: usize,
    /// Reads per client and minute.
    pub reads_per_minute: u32,
    /// Scan requests per client and hour.
    pub scan_requests_per_hour: u32,
}

/// `[site]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Site {
    /// Visitors may ask for scans.
    pub submissions: bool,
}

/// `[scan]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scan {
    /// How much is sent.
    pub depth: ScanDepth,
    /// Hosts whose operators allow depth consented.
    pub owned_hosts: Vec<String>,
    /// Address at which scanned servers reach our own host, or empty.
    pub own_host_url: String,
    /// Scans at a time.
    pub concurrency: u32,
    /// Admit special-use addresses.
    pub allow_private: bool,
    /// Admitted although special.
    pub allow_addresses: Vec<String>,
    /// Never contacted.
    pub deny_addresses: Vec<String>,
    /// PEM file, or empty.
    pub ca_bundle: String,
    /// Connect-to rules.
    pub connect_to: Vec<String>,
    /// Proxy URL, or empty.
    pub proxy: String,
    /// From header, or empty.
    pub from: String,
    /// Addresses that scans come from, with their history.
    pub egress: Vec<String>,
}

/// Depths that an unattended installation may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScanDepth {
    /// P0.
    Passive,
    /// P0 and P1.
    Standard,
    /// P2, for hosts that the operator owns.
    Consented,
}

/// `[policy]`: what may be sent, and how often.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Version of the policy text.
    pub version: String,
    /// To the endpoint's host per scan.
    pub requests_per_scan_endpoint: u32,
    /// To each authorization server's host per scan.
    pub requests_per_scan_as: u32,
    /// To each host at depth consented, besides those.
    pub requests_per_scan_consented: u32,
    /// Length of a scan.
    pub scan_seconds: u32,
    /// Until a connection stands.
    pub connect_seconds: u32,
    /// Until the first byte.
    pub first_byte_seconds: u32,
    /// Until the end of an answer.
    pub request_seconds: u32,
    /// Waits before retries.
    pub retry_delays: Vec<Span>,
    /// Bytes of headers.
    pub header_bytes: u32,
    /// Lines of headers.
    pub headers: u32,
    /// Cap of JSON bodies.
    pub body_bytes: u32,
    /// Cap of HTML pages.
    pub html_bytes: u32,
    /// Cap of event streams.
    pub sse_bytes: u32,
    /// The same in seconds.
    pub sse_seconds: u32,
    /// For streams that never end.
    pub idle_stream_seconds: u32,
    /// Redirect hops.
    pub redirect_hops: u32,
    /// Between two requests to one host.
    pub host_interval_ms: u32,
    /// The same for private hosts.
    pub private_interval_ms: u32,
    /// Hosts of one registrable domain at a time.
    pub operator_hosts: u32,
    /// Requests to one registrable domain a day.
    pub operator_per_day: u32,
    /// Requests per second to one address.
    pub ip_per_second: u32,
    /// Requests per second to one authorization server's host.
    pub as_per_second: u32,
    /// The same a day.
    pub as_per_day: u32,
    /// How long answers of authorization servers are shared.
    pub as_cache: Span,
    /// Private hosts are paced as public ones.
    pub pace_private: bool,
    /// Requests per second in all.
    pub global_per_second: u32,
    /// Between scheduled scans.
    pub interval: MaybeSpan,
    /// The same for what does not change.
    pub interval_unchanged: MaybeSpan,
    /// Between scans on request.
    pub cooldown: Span,
    /// Scans of one server on request in a day; 0 for no limit.
    pub on_request_per_day: MaybeCount,
    /// When evidence is old.
    pub stale_after: Span,
    /// The same for its proved owner.
    pub on_request_per_day_proved: u32,
    /// Obey robots.txt and opt-outs.
    pub robots: bool,
}

/// `[schedule]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Run jobs at all.
    pub enabled: bool,
    /// Cron of the incremental walk.
    pub registry_sync: String,
    /// Cron of the full walk.
    pub registry_full: String,
    /// Cron of grading stored evidence again.
    pub regrade: String,
    /// Cron of grading a sample again.
    pub determinism: String,
    /// Cron of removing what is old.
    pub retention: String,
    /// Cron of counting for statistics.
    pub stats: String,
    /// Cron of writing exports.
    pub exports: String,
    /// Time between two looks for due servers.
    pub sweep_every: Span,
    /// Length of a lease.
    pub lease: Span,
}

/// `[exports]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exports {
    /// Folder of the editions, or empty for none.
    pub folder: String,
    /// Forms of the files.
    pub formats: Vec<Form>,
    /// Editions of days that are kept.
    pub keep_days: u32,
    /// Editions of months that are kept.
    pub keep_months: u32,
}

/// Kinds of source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    /// A registry that speaks the official list API.
    Registry,
    /// A saved registry answer.
    Dump,
    /// CSV with a `url` column.
    Csv,
    /// One URL per line.
    List,
    /// A `server.json`.
    ServerJson,
    /// A client's configuration.
    ClientConfig,
    /// Docker's catalogue of MCP servers.
    DockerCatalogue,
    /// Markdown with a table of URLs.
    Markdown,
}

/// `[[source]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: SourceKind,
    /// URL or file.
    pub location: String,
    /// Used by the scheduled jobs.
    pub enabled: bool,
    /// Key, already read from its place.
    pub api_key: String,
    /// Rows per page.
    pub page_limit: u32,
    /// Pages per walk.
    pub max_pages: u32,
}

/// `[telemetry]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telemetry {
    /// Filter directives.
    pub log: String,
    /// Text or JSON.
    pub log_format: LogFormat,
}

/// Form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// A duration, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub i64);

impl Span {
    /// Reads `5s`, `10m`, `12h`, `7d` or `250ms`.
    ///
    /// # Errors
    ///
    /// A sentence that says what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let digits = text
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let scale = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => {
                return Err(format!(
                    "`{text}` is no duration; write for example \"30s\", \"10m\", \"12h\" or \"7d\""
                ));
            }
        };
        number
            .parse::<i64>()
            .ok()
            .and_then(|number| number.checked_mul(scale))
            .map(Self)
            .ok_or_else(|| {
                format!(
                    "`{text}` is no duration; write for example \"30s\", \"10m\", \"12h\" or \"7d\""
                )
            })
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// A duration, or `auto`: what the mode of the instance implies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaybeSpan {
    /// By mode.
    Auto,
    /// As written.
    Fixed(Span),
}

impl MaybeSpan {
    /// The duration, with its two defaults.
    #[must_use]
    pub fn or(self, mode: Mode, public: Span, private: Span) -> Span {
        match (self, mode) {
            (Self::Fixed(span), _) => span,
            (Self::Auto, Mode::Public) => public,
            (Self::Auto, Mode::Private) => private,
        }
    }
}

impl<'de> Deserialize<'de> for MaybeSpan {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "auto" {
            return Ok(Self::Auto);
        }
        Span::parse(&text)
            .map(Self::Fixed)
            .map_err(serde::de::Error::custom)
    }
}

/// A number, or `auto`: what the mode of the instance implies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaybeCount {
    /// By mode.
    Auto,
    /// As written.
    Fixed(u32),
}

impl<'de> Deserialize<'de> for MaybeCount {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(u32),
            Word(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Number(number) => Ok(Self::Fixed(number)),
            Written::Word(word) if word == "auto" => Ok(Self::Auto),
            Written::Word(word) => word.parse().map(Self::Fixed).map_err(|_| {
                serde::de::Error::custom(format!("`{word}` is neither a number nor \"auto\""))
            }),
        }
    }
}

const DAY: i64 = 86_400_000;

impl Settings {
    /// Reads defaults, the file if one is given, and the environment.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], on one line.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        Self::from_layers(file, &layers::environment())
    }

    /// The same with an environment that is passed in.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], on one line.
    pub fn from_layers(
        file: Option<&Path>,
        environment: &[(String, String)],
    ) -> Result<Self, ConfigError> {
        let (table, origins) = layers::merged(file, environment)?;
        layers::parse(&table)
            .and_then(|settings| limits::check(&settings).map(|()| settings))
            .map_err(|error| layers::with_origin(error, &origins))
    }

    /// Interval between scheduled scans.
    #[must_use]
    pub fn interval(&self) -> Span {
        self.policy
            .interval
            .or(self.instance.mode, Span(7 * DAY), Span(DAY))
    }

    /// Interval for what has not changed for long.
    #[must_use]
    pub fn interval_unchanged(&self) -> Span {
        self.policy
            .interval_unchanged
            .or(self.instance.mode, Span(28 * DAY), Span(7 * DAY))
    }

    /// Scans of one server that visitors may ask for in a day; `None` for no limit.
    #[must_use]
    pub fn on_request_per_day(&self) -> Option<u32> {
        match (self.policy.on_request_per_day, self.instance.mode) {
            (MaybeCount::Fixed(0), _) | (MaybeCount::Auto, Mode::Private) => None,
            (MaybeCount::Fixed(n), _) => Some(n),
            (MaybeCount::Auto, Mode::Public) => Some(1),
        }
    }

    /// The file that stops every worker of this machine.
    #[must_use]
    pub fn stop_file(&self) -> std::path::PathBuf {
        if self.guard.stop_file != "auto" {
            return std::path::PathBuf::from(&self.guard.stop_file);
        }
        let path = self.store.url.strip_prefix("sqlite:").map(|rest| {
            let rest = rest.trim_start_matches("//");
            Path::new(rest.split('?').next().unwrap_or_default())
        });
        match path.and_then(Path::parent) {
            Some(folder) if !self.store.url.contains(":memory:") => folder.join("stop"),
            Some(_) | None => Path::new("data").join("stop"),
        }
    }

    /// What the pages need to know.
    #[must_use]
    pub fn site(&self) -> SiteSettings {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        SiteSettings {
            public_url: some(&self.instance.public_url),
            name: self.instance.name.clone(),
            contact: some(&self.instance.contact).map(|mail| {
                if mail.contains(':') {
                    mail
                } else {
                    format!("mailto:{mail}")
                }
            }),
            public: self.instance.mode == Mode::Public,
            demo: false,
            policy_version: self.policy.version.clone(),
            requests_per_scan_endpoint: self.policy.requests_per_scan_endpoint,
            requests_per_scan_as: self.policy.requests_per_scan_as,
            host_interval_ms: i64::from(self.policy.host_interval_ms),
            interval_ms: self.interval().0,
            cooldown_ms: self.policy.cooldown.0,
            on_request_per_day: self.on_request_per_day(),
            stale_after_ms: self.policy.stale_after.0,
            on_request_per_day_proved: self.policy.on_request_per_day_proved,
            robots: self.policy.robots,
            egress: self.scan.egress.clone(),
            from: some(&self.scan.from).or_else(|| some(&self.instance.contact)),
            budget: crate::settings::Budget {
                scan_seconds: self.policy.scan_seconds,
                body_bytes: self.policy.body_bytes,
                redirect_hops: self.policy.redirect_hops,
                retries: u32::try_from(self.policy.retry_delays.len()).unwrap_or(u32::MAX),
                operator_hosts: self.policy.operator_hosts,
                global_per_second: self.policy.global_per_second,
            },
            allow_private: self.scan.allow_private,
            accept_submissions: self.site.submissions,
            reads_per_minute: self.http.reads_per_minute,
            scan_requests_per_hour: self.http.scan_requests_per_hour,
            data_version_ms: SiteSettings::default().data_version_ms,
            behind_proxy: self.http.behind_proxy,
            concurrency: self.http.concurrency,
            exports: some(&self.exports.folder).map(std::path::PathBuf::from),
        }
    }
}

#[cfg(test)]
mod tests;
