//! A crawl of a whole list against simulated hosts, by worker processes of the real program,
//! and what came of it in a form that can be compared between engines.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use scanner::fleet::population::counts::Tally;
use scanner::time::{Clock as _, Millis, SystemClock};
use serde_json::Value;
use sqlx::{Connection as _, PgConnection, SqliteConnection};
use store::Store;

/// The simulated hosts, as a process of their own.
pub(crate) struct Hosts {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    /// The authority's certificate, PEM.
    pub(crate) authority: String,
    /// Rules for `scan.connect_to`.
    pub(crate) connect_to: Vec<String>,
}

impl Hosts {
    /// Starts them: `program fleet …`.
    pub(crate) fn start(program: &Path, list: &Path, seed: u64, latency: u64) -> Self {
        let mut child = Command::new(program)
            .arg("fleet")
            .args([format!("--seed={seed}"), format!("--latency={latency}")])
            .arg("--list")
            .arg(list)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the hosts start");
        let to = child.stdin.take().expect("it was piped");
        let from = BufReader::new(child.stdout.take().expect("it was piped"));
        let mut hosts = Self {
            child,
            to,
            from,
            authority: String::new(),
            connect_to: Vec::new(),
        };
        let started: Value = serde_json::from_str(&hosts.line()).expect("JSON");
        started["authority"]
            .as_str()
            .expect("PEM")
            .clone_into(&mut hosts.authority);
        hosts.connect_to = serde_json::from_value(started["connect_to"].clone()).expect("rules");
        hosts
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.from.read_line(&mut line).expect("an answer");
        line
    }

    /// Tells them something; they answer with their counts.
    pub(crate) fn tell(&mut self, what: &str) -> Tally {
        writeln!(self.to, "{what}").expect("they listen");
        serde_json::from_str(&self.line()).expect("counts")
    }

    /// User and system time they have used, milliseconds.
    pub(crate) fn cpu_ms(&self) -> u64 {
        cpu_ms(self.child.id())
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// User and system time of a process, milliseconds; 0 if it is gone.
pub(crate) fn cpu_ms(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    ticks * 10
}

/// Most memory that a process has used, kilobytes.
pub(crate) fn peak_kb(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .unwrap_or_default()
}

/// How the workers ask.
pub(crate) struct Pace {
    /// Between two requests to one host.
    pub(crate) interval_ms: u32,
    /// Scans at a time in one process.
    pub(crate) concurrency: u32,
    /// Length of a lease, seconds.
    pub(crate) lease_s: u32,
    /// Requests per second of one process.
    pub(crate) global: u32,
    /// Hosts are held to the limits of public ones, daily budgets aside.
    pub(crate) public: bool,
}

/// A configuration that leads everything to the hosts.
pub(crate) fn configuration(hosts: &Hosts, pace: &Pace, folder: &Path) {
    std::fs::write(folder.join("authority.pem"), &hosts.authority).expect("a file");
    let rules: Vec<String> = hosts
        .connect_to
        .iter()
        .map(|rule| format!("{rule:?}"))
        .collect();
    let text = format!(
        "[scan]\nallow_private = true\nca_bundle = \"authority.pem\"\nconcurrency = {}\n\
         connect_to = [{}]\n[policy]\nprivate_interval_ms = {}\nhost_interval_ms = {}\n\
         pace_private = {}\noperator_per_day = 1000000\nas_per_day = 1000000\n\
         ip_per_second = 50\nas_per_second = 20\nglobal_per_second = {}\n\
         connect_seconds = 2\nidle_stream_seconds = 1\nretry_delays = []\n[schedule]\n\
         enabled = false\nsweep_every = \"1s\"\nlease = \"{}s\"\n[telemetry]\nlog = \"warn\"\n",
        pace.concurrency,
        rules.join(", "),
        pace.interval_ms,
        pace.interval_ms.max(50),
        pace.public,
        pace.global,
        pace.lease_s,
    );
    std::fs::write(folder.join("authdex.toml"), text).expect("a file");
}

/// The program with that configuration and database.
pub(crate) fn authdex(program: &Path, folder: &Path, db: &str) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(folder)
        .env_clear()
        .env("DATABASE_URL", db)
        .arg("--config=authdex.toml")
        .stdin(Stdio::null());
    command
}

/// What a pass cost.
#[derive(Debug, Default)]
pub(crate) struct Spent {
    pub(crate) seconds: f64,
    /// Of all workers.
    pub(crate) cpu_ms: u64,
    /// Of the largest worker.
    pub(crate) peak_kb: u64,
    pub(crate) tally: Tally,
}

/// Workers; killed when dropped, so that a failed run leaves none behind.
struct Workers(Vec<Child>);

impl Drop for Workers {
    fn drop(&mut self) {
        for worker in &mut self.0 {
            let _ = worker.kill();
            let _ = worker.wait();
        }
    }
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill")
        .args([&format!("-{name}"), &child.id().to_string()])
        .status()
        .expect("kill runs");
    assert!(sent.success(), "no such worker");
}

/// What one crawl is made with.
pub(crate) struct Crawl<'c> {
    pub(crate) program: &'c Path,
    pub(crate) folder: &'c Path,
    pub(crate) db: &'c str,
    pub(crate) workers: usize,
    /// One of them is killed when half of the servers are scanned.
    pub(crate) kill_one: bool,
    pub(crate) patience: Duration,
}

impl Crawl<'_> {
    fn start_worker(&self) -> Child {
        authdex(self.program, self.folder, self.db)
            .args(["serve", "--role=worker", "--listen=127.0.0.1:0"])
            .stdout(Stdio::null())
            .spawn()
            .expect("a worker starts")
    }

    /// Every server once: until none is left that was last scanned before now.
    pub(crate) async fn pass(&self, hosts: &mut Hosts, generation: u32) -> Spent {
        hosts.tell(&format!("generation {generation}"));
        hosts.tell("reset");
        let store = Store::open(self.db).await.expect("the database");
        let begun = SystemClock.now();
        store.make_all_due(begun).await.expect("all are due");
        store.close().await;
        let mut workers = Workers((0..self.workers).map(|_| self.start_worker()).collect());
        let mut killed = Spent::default();
        let all = left(self.db, Millis(i64::MAX)).await;
        loop {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let left = left(self.db, begun).await;
            if self.kill_one && workers.0.len() == self.workers && left * 2 < all {
                let mut victim = workers.0.remove(0);
                killed.cpu_ms = cpu_ms(victim.id());
                signal(&victim, "KILL");
                victim.wait().expect("it ends");
            }
            if left == 0 {
                break;
            }
            let waited = Duration::from_millis(SystemClock.now().since(begun).unsigned_abs());
            assert!(
                waited < self.patience,
                "{left} of {all} servers are not scanned after {waited:?}"
            );
            for worker in &mut workers.0 {
                let ended = worker.try_wait().expect("a child");
                assert!(ended.is_none(), "a worker ended by itself: {ended:?}");
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "minutes")]
        let seconds = SystemClock.now().since(begun) as f64 / 1000.0;
        let mut spent = Spent {
            seconds,
            cpu_ms: killed.cpu_ms,
            ..Spent::default()
        };
        for worker in &workers.0 {
            spent.cpu_ms += cpu_ms(worker.id());
            spent.peak_kb = spent.peak_kb.max(peak_kb(worker.id()));
            signal(worker, "TERM");
        }
        for mut worker in std::mem::take(&mut workers.0) {
            let status = worker.wait().expect("it ends");
            assert!(status.success(), "a worker told to end: {status}");
        }
        spent.tally = hosts.tell("counts");
        spent
    }
}

/// Runs a statement that gives rows of text on either engine.
macro_rules! rows {
    ($db:expr, $sql:expr, $bind:expr) => {{
        if $db.starts_with("sqlite") {
            let mut c = SqliteConnection::connect($db).await.expect("the database");
            let sql = $sql.replace("HEX(", "hex(");
            sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind($bind).fetch_all(&mut c).await.expect("rows")
        } else {
            let mut c = PgConnection::connect($db).await.expect("the database");
            let sql = $sql.replace("HEX(", "pg_temp.hex(");
            sqlx::raw_sql("CREATE FUNCTION pg_temp.hex(bytea) RETURNS text LANGUAGE sql AS 'SELECT upper(encode($1, ''hex''))'")
                .execute(&mut c).await.expect("a function");
            sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind($bind).fetch_all(&mut c).await.expect("rows")
        }
    }};
}

/// Servers that were last scanned before then, those on hosts that are left alone because they
/// kept failing excepted: they may have to wait for a day.
async fn left(db: &str, before: Millis) -> i64 {
    const LEFT: &str = "SELECT COUNT(*) FROM visit v WHERE v.due IS NOT NULL \
        AND v.checked_at < $1 AND NOT EXISTS (SELECT 1 FROM host_pace h \
        WHERE h.host = v.host AND h.faults >= 3)";
    let rows: Vec<(i64,)> = rows!(db, LEFT.to_owned(), before.0);
    rows.first().map_or(0, |(n,)| *n)
}

/// Hosts that kept failing, so that they were left alone for a while.
pub(crate) async fn left_alone(db: &str) -> HashSet<String> {
    const ALONE: &str = "SELECT host FROM host_pace WHERE faults >= $1";
    let rows: Vec<(String,)> = rows!(db, ALONE.to_owned(), 3_i64);
    rows.into_iter().map(|(host,)| host).collect()
}

/// Everything that two crawls of the same hosts must agree on, a line each, sorted: what each
/// server shows, every stretch of its history with all verdicts, and every change with its
/// cause.
pub(crate) async fn results(db: &str) -> Vec<String> {
    type Stretch = (
        String,
        String,
        Option<String>,
        Option<String>,
        Option<i64>,
        String,
    );
    const STRETCHES: &str = "SELECT t.url, r.class, r.letter, r.badge, CAST(r.score AS BIGINT), \
        HEX(r.bits) FROM run r JOIN target t ON t.id = r.target WHERE r.id > $1 ORDER BY r.id";
    let stretches: Vec<Stretch> = rows!(db, STRETCHES.to_owned(), 0_i64);
    let mut numbers = std::collections::HashMap::new();
    let mut lines = Vec::new();
    for (url, class, letter, badge, score, bits) in stretches {
        let n: &mut u32 = numbers.entry(url.clone()).or_default();
        *n += 1;
        lines.push(format!(
            "{url} run {n} {class} {letter:?} {badge:?} {score:?} {bits}"
        ));
    }
    let store = Store::open(db).await.expect("the database");
    let mut page = store::Page::first(500);
    loop {
        let filter = store::TargetFilter::default();
        let part = store.servers(&filter, &page).await.expect("a list");
        for row in part.rows {
            let mut line = format!("{} shows", row.url);
            let _ = write!(
                line,
                " {:?} {:?} {:?} {:?} {:?}",
                row.class, row.letter, row.badge, row.registration, row.pkce
            );
            lines.push(line);
        }
        page.after = part.next;
        if page.after.is_none() {
            break;
        }
    }
    let mut since = 0;
    let mut numbers = std::collections::HashMap::new();
    loop {
        let part = store.changes(since, 500).await.expect("changes");
        let Some(last) = part.last() else { break };
        since = last.seq;
        for c in part {
            let n: &mut u32 = numbers.entry(c.url.clone()).or_default();
            *n += 1;
            lines.push(format!(
                "{} change {n} {} by {} {:?} {:?} {}",
                c.url,
                c.kind,
                c.cause,
                c.from,
                c.to,
                c.checks.join(",")
            ));
        }
    }
    store.close().await;
    lines.sort();
    lines
}

/// The host of the URL that a line begins with, without its port.
fn host(line: &str) -> &str {
    let rest = line.split_once("://").map_or(line, |(_, rest)| rest);
    rest.split(['/', ':', '?', ' ']).next().unwrap_or_default()
}

/// Lines that only one of two results has, at most `most` of each. What is said of hosts that
/// either crawl left alone does not count: when that begins depends on the order in which their
/// servers came.
pub(crate) fn differences(
    (one, alone): (&[String], &HashSet<String>),
    (other, also): (&[String], &HashSet<String>),
    most: usize,
) -> Vec<String> {
    let missing = |of: &[String], from: &[String], mark: char| -> Vec<String> {
        let known: HashSet<&String> = from.iter().collect();
        let all = of.iter().filter(|line| {
            let host = host(line);
            !known.contains(line) && !alone.contains(host) && !also.contains(host)
        });
        all.take(most)
            .map(|line| format!("{mark} {line}"))
            .collect()
    };
    let mut out = missing(one, other, '-');
    out.extend(missing(other, one, '+'));
    out.sort_by(|a, b| a[2..].cmp(&b[2..]));
    out
}

/// The limits that the hosts' own counts must show.
pub(crate) struct Limits {
    pub(crate) endpoint: u32,
    pub(crate) issuer: u32,
    pub(crate) interval_ms: u32,
    /// Milliseconds by which this machine may notice a request late.
    pub(crate) slack_ms: u32,
    /// Hosts of one registrable domain asked at a time; `None` where it is not held.
    pub(crate) site: Option<u32>,
    /// Reads of one document of a foreign issuer; `None` where it is not held.
    pub(crate) document: Option<u32>,
}

/// What the counts show to be broken.
pub(crate) fn broken(tally: &Tally, limits: &Limits) -> Vec<String> {
    let mut out = Vec::new();
    let mut most = |what: &str, (n, of): &(u32, String), limit: u32| {
        if *n > limit {
            out.push(format!("{what}: {n} at {of}, allowed are {limit}"));
        }
    };
    most(
        "requests of a scan to an endpoint's host",
        &tally.endpoint_most,
        limits.endpoint,
    );
    most(
        "requests of a scan to an issuer",
        &tally.issuer_most,
        limits.issuer,
    );
    most("requests under way at a host", &tally.at_once, 1);
    if let Some(document) = limits.document {
        most("reads of a document", &tally.document_most, document);
    }
    if let Some(site) = limits.site {
        most(
            "hosts of a domain with a request under way",
            &tally.site_at_once,
            site,
        );
    }
    let steps = u32::try_from(scanner::fleet::population::counts::WINDOW).unwrap_or(u32::MAX);
    let least = u64::from((limits.interval_ms * steps).saturating_sub(limits.slack_ms)) * 1000;
    if tally.window_us.0 < least {
        out.push(format!(
            "{steps} steps within {} us at {}, allowed are {least}",
            tally.window_us.0, tally.window_us.1
        ));
    }
    if tally.forbidden > 0 {
        out.push(format!(
            "{} forbidden requests: {:?}",
            tally.forbidden, tally.forbidden_examples
        ));
    }
    out
}
