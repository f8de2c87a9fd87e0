//! What the site needs to know about its installation. The configuration builds it; nothing
//! here reads a file or the environment.

/// Settings of pages and API. Times are milliseconds.
#[derive(Debug, Clone)]
pub struct SiteSettings {
    /// Address readers use, without a slash at the end. Absolute links and HSTS need it;
    /// without it links are relative.
    pub public_url: Option<String>,
    /// Name of the installation, shown in the head of every page.
    pub name: String,
    /// Where to write to, as `mailto:` or `https:` URL.
    pub contact: Option<String>,
    /// Anybody may read it: the stricter rules of a public instance hold.
    pub public: bool,
    /// The data are invented: every page says so.
    pub demo: bool,
    /// Dated version of the scan policy in force.
    pub policy_version: String,
    /// Most requests to the endpoint's host in one scan.
    pub requests_per_scan_endpoint: u32,
    /// Most requests to one authorization server's host in one scan.
    pub requests_per_scan_as: u32,
    /// Shortest time between two requests to one host.
    pub host_interval_ms: i64,
    /// Time between two scheduled scans of a server whose results do not change.
    pub interval_ms: i64,
    /// Shortest time between two scans of one server on request.
    pub cooldown_ms: i64,
    /// Scans of one server that visitors may ask for on a UTC day; `None` for no limit.
    pub on_request_per_day: Option<u32>,
    /// Age from which evidence is called stale.
    pub stale_after_ms: i64,
    /// The same for its proved owner.
    pub on_request_per_day_proved: u32,
    /// robots.txt and opt-outs at the hosts themselves are obeyed.
    pub robots: bool,
    /// Addresses that scans come from, with their history, as the configuration has them.
    pub egress: Vec<String>,
    /// What scans send as `From`.
    pub from: Option<String>,
    /// More of what may be sent.
    pub budget: Budget,
    /// Special-use addresses and plain http may be submitted.
    pub allow_private: bool,
    /// Visitors may ask for scans.
    pub accept_submissions: bool,
    /// Reads that one client may make in a minute.
    pub reads_per_minute: u32,
    /// Scans that one client may ask for in an hour.
    pub scan_requests_per_hour: u32,
    /// Age up to which the version of the data is believed without asking the store again;
    /// what another process files shows up after this time at the latest.
    pub data_version_ms: i64,
    /// The last address of `X-Forwarded-For` is the client. Only behind a proxy of our own.
    pub behind_proxy: bool,
    /// Requests answered at a time; more are refused with 503 at once.
    pub concurrency: usize,
    /// Folder of the exports that are offered.
    pub exports: Option<std::path::PathBuf>,
}

/// An address or network that scans come from, and since and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Egress {
    /// Address or network.
    pub(crate) network: String,
    /// First day, `YYYY-MM-DD`.
    pub(crate) from: String,
    /// Last day; `None` for still in use.
    pub(crate) until: Option<String>,
}

impl Egress {
    /// Reads `NETWORK from DAY` and `NETWORK from DAY until DAY`.
    ///
    /// # Errors
    ///
    /// A sentence that says what would be right.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is not of the form \"192.0.2.7 from 2026-01-01\", with \"until 2026-12-31\" for one no longer in use"
            )
        };
        let day = |text: &str| {
            scanner::time::Millis::parse_rfc3339(&format!("{text}T00:00:00Z"))
                .map(|_| text.to_owned())
                .ok_or_else(wrong)
        };
        let words: Vec<&str> = text.split_whitespace().collect();
        let (network, from, until) = match words[..] {
            [network, "from", from] => (network, from, None),
            [network, "from", from, "until", until] => (network, from, Some(until)),
            _ => return Err(wrong()),
        };
        if network.parse::<ipnet::IpNet>().is_err() && network.parse::<std::net::IpAddr>().is_err()
        {
            return Err(wrong());
        }
        Ok(Self {
            network: network.to_owned(),
            from: day(from)?,
            until: until.map(day).transpose()?,
        })
    }
}

/// What may be sent, as far as pages only print it.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// Longest scan.
    pub scan_seconds: u32,
    /// Bytes read of a document.
    pub body_bytes: u32,
    /// Redirects followed.
    pub redirect_hops: u32,
    /// Repetitions of what failed.
    pub retries: u32,
    /// Hosts of one registrable domain asked at a time.
    pub operator_hosts: u32,
    /// Requests per second in all.
    pub global_per_second: u32,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            scan_seconds: 180,
            body_bytes: 262_144,
            redirect_hops: 3,
            retries: 2,
            operator_hosts: 2,
            global_per_second: 20,
        }
    }
}

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;

impl Default for SiteSettings {
    fn default() -> Self {
        Self {
            public_url: None,
            name: "Authdex".into(),
            contact: None,
            public: false,
            demo: false,
            policy_version: "2026-11".into(),
            requests_per_scan_endpoint: 45,
            requests_per_scan_as: 12,
            host_interval_ms: 1_000,
            interval_ms: 7 * DAY,
            cooldown_ms: 10 * MINUTE,
            on_request_per_day: None,
            stale_after_ms: 60 * DAY,
            on_request_per_day_proved: 6,
            robots: true,
            egress: Vec::new(),
            from: None,
            budget: Budget::default(),
            allow_private: false,
            accept_submissions: true,
            reads_per_minute: 300,
            scan_requests_per_hour: 10,
            data_version_ms: 100,
            behind_proxy: false,
            concurrency: 512,
            exports: None,
        }
    }
}

impl SiteSettings {
    /// An address of ours: absolute when `public_url` is set, else the path itself.
    #[must_use]
    pub fn absolute(&self, path: &str) -> String {
        match &self.public_url {
            Some(base) => format!("{}{path}", base.trim_end_matches('/')),
            None => path.to_owned(),
        }
    }

    /// Whether readers come over https.
    #[must_use]
    pub fn https(&self) -> bool {
        self.public_url
            .as_deref()
            .is_some_and(|url| url.starts_with("https://"))
    }
}
