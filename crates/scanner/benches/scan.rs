//! CPU of a whole scan beside that of a bare hyper client making the same exchanges; and the
//! memory of a scan under way beside that client's.
//!
//! `cargo bench -p authdex-scanner --bench scan [-- memory]`. The servers run in a child
//! process, so only the client's CPU counts; both clients take turns in the same run, because
//! absolute figures do not travel. Each scan meets names that nobody has seen before.

#[path = "scan/serving.rs"]
mod serving;

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use scanner::evidence::{Evidence, Purpose};
use scanner::net::{Guard, NetScanner, Pace, Rates, Retries, Settings};
use scanner::scan::Scan as _;
use scanner::target::Target;
use scanner::time::SystemClock;
use serving::serve;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

type Fault = Box<dyn std::error::Error + Send + Sync>;

/// Scans under way at a time.
const IN_FLIGHT: usize = 16;

/// Goals of the whole path (scan, evidence, grade): must, aim.
const GOAL: (f64, f64) = (2.5, 1.6);

fn main() -> Result<(), Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let arguments: Vec<String> = std::env::args().collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        [_, "serve", delay] => {
            let delay = Duration::from_millis(delay.parse()?);
            return runtime.block_on(serve(delay));
        }
        [_, "hold", kind, scans] => {
            let served = Served::read(std::io::stdin())?;
            return runtime.block_on(hold(&served, kind, scans.parse()?));
        }
        _ => (),
    }
    // Without `--bench` (as a test) only whether it works is of interest.
    let measured = words.contains(&"--bench");
    let memory = words.contains(&"memory");
    let mut server = Server::start(if memory { ANSWER_MS } else { 0 })?;
    if memory {
        return [1_000, 2_000]
            .into_iter()
            .try_for_each(|scans| compare_memory(&server, scans));
    }
    let (rounds, scans) = if measured { (7, 150) } else { (1, 2) };
    let served = Served::read(server.said.as_bytes())?;
    let outcome = runtime.block_on(compare(&served, rounds, scans));
    server.child.kill()?;
    outcome
}

/// How long each answer takes while memory is measured.
const ANSWER_MS: u64 = 700;

/// The servers, as a process of their own.
struct Server {
    child: Child,
    /// What it told about itself.
    said: String,
}

impl Server {
    fn start(delay_ms: u64) -> Result<Self, Fault> {
        let mut child = myself(&["serve", &delay_ms.to_string()])?
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().ok_or("the server has an output")?;
        let mut said = String::new();
        for line in BufReader::new(output).lines() {
            let line = line?;
            said.push_str(&line);
            said.push('\n');
            if line.starts_with("-----END") {
                break;
            }
        }
        Ok(Self { child, said })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// This program once more, with room for many connections.
fn myself(arguments: &[&str]) -> Result<Command, Fault> {
    let program = std::env::current_exe()?;
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -n $(ulimit -Hn); exec \"$0\" \"$@\""])
        .arg(program)
        .args(arguments);
    Ok(command)
}

// --- memory -----------------------------------------------------------------------------

fn compare_memory(server: &Server, scans: usize) -> Result<(), Fault> {
    let one = |kind: &str| -> Result<f64, Fault> {
        let mut child = myself(&["hold", kind, &scans.to_string()])?
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut input = child.stdin.take().ok_or("it has an input")?;
        input.write_all(server.said.as_bytes())?;
        drop(input);
        let output = child.wait_with_output()?;
        Ok(String::from_utf8(output.stdout)?.trim().parse()?)
    };
    let (bare, ours) = (one("bare")?, one("scan")?);
    println!(
        "{scans} scans under way, {ANSWER_MS} ms answers: bare client {bare:.1} KB each, scan {ours:.1} KB each, {:.2} ×   (must ≤ 3 ×, aim ≤ 2 ×)",
        ours / bare
    );
    Ok(())
}

/// Kilobytes from `/proc/self/status`.
fn memory_kb(field: &str) -> Result<f64, Fault> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(field))
        .ok_or("an odd /proc/self/status")?;
    Ok(line
        .trim_start_matches(':')
        .split_whitespace()
        .next()
        .ok_or("no number")?
        .parse()?)
}

/// Has so many scans under way at once and prints what each added to the memory in use.
async fn hold(served: &Served, kind: &str, scans: usize) -> Result<(), Fault> {
    let scanner = scanner_of(served).await?;
    let sample = scanner
        .scan(&Target::of(fresh_endpoint(served)), "scn_bench")
        .await;
    let bare = Arc::new(Bare::new(served, &sample)?);
    Arc::clone(&bare).replay().await?;
    let before = memory_kb("VmRSS")?;
    if kind == "bare" {
        futures_util::stream::iter(0..scans)
            .map(|_| Arc::clone(&bare).replay())
            .buffer_unordered(scans)
            .for_each(|done| async move { assert!(done.is_ok(), "{done:?}") })
            .await;
    } else {
        futures_util::stream::iter(0..scans)
            .map(|_| {
                let target = Target::of(fresh_endpoint(served));
                let scanner = &scanner;
                async move { scanner.scan(&target, "scn_bench").await }
            })
            .buffer_unordered(scans)
            .for_each(|seen| {
                // A machine that is late lets some time out; they held their memory all the same.
                if let Err(fault) = check_sample(&seen) {
                    eprintln!("{fault}");
                }
                std::future::ready(())
            })
            .await;
    }
    println!("{}", (memory_kb("VmHWM")? - before) / scans as f64);
    Ok(())
}

/// Where the servers are.
struct Served {
    https: u16,
    names: SocketAddr,
    authority: String,
}

impl Served {
    fn read(output: impl std::io::Read) -> Result<Self, Fault> {
        let mut lines = BufReader::new(output).lines();
        let mut line = || lines.next().ok_or("the server said too little");
        let https = line()??.parse()?;
        let names = line()??.parse()?;
        let mut authority = String::new();
        loop {
            let next = line()??;
            authority.push_str(&next);
            authority.push('\n');
            if next.starts_with("-----END") {
                break;
            }
        }
        Ok(Self {
            https,
            names,
            authority,
        })
    }
}

static NEXT: AtomicU64 = AtomicU64::new(0);

fn fresh_endpoint(served: &Served) -> String {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("https://mcp-{number}.bench.example:{}/mcp", served.https)
}

async fn compare(served: &Served, rounds: usize, scans: usize) -> Result<(), Fault> {
    let scanner = scanner_of(served).await?;
    let sample = scanner
        .scan(&Target::of(fresh_endpoint(served)), "scn_bench")
        .await;
    check_sample(&sample)?;
    let bare = Arc::new(Bare::new(served, &sample)?);

    let (mut scan, mut graded, mut floor) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let before = cpu_ms()?;
        let seen: Vec<Evidence> = futures_util::stream::iter(0..scans)
            .map(|_| {
                let target = Target::of(fresh_endpoint(served));
                let scanner = &scanner;
                async move { scanner.scan(&target, "scn_bench").await }
            })
            .buffer_unordered(IN_FLIGHT)
            .collect()
            .await;
        scan.push((cpu_ms()? - before) / scans as f64);
        let before = cpu_ms()?;
        let rubric = scanner::rubric::current();
        let mut bytes = 0;
        for evidence in &seen {
            check_sample(evidence)?;
            bytes += evidence.encode()?.len();
            bytes += scanner::grade::grade(evidence, rubric).findings.len();
        }
        std::hint::black_box(bytes);
        graded.push((cpu_ms()? - before) / scans as f64);
        let before = cpu_ms()?;
        let replayed: Vec<Result<(), Fault>> = futures_util::stream::iter(0..scans)
            .map(|_| Arc::clone(&bare).replay())
            .buffer_unordered(IN_FLIGHT)
            .collect()
            .await;
        replayed.into_iter().collect::<Result<(), Fault>>()?;
        floor.push((cpu_ms()? - before) / scans as f64);
    }
    let (scan, graded, floor) = (median(scan), median(graded), median(floor));
    let ratio = (scan + graded) / floor;
    let (planning, encoding, grading) = parts(&sample)?;
    println!(
        "{} exchanges over 2 hosts, {} connections, {scans} scans × {rounds} rounds, median CPU ms per scan",
        sample.exchanges.len(),
        bare.connections()
    );
    println!("  bare hyper client      {floor:8.3}");
    println!(
        "  scan (names, evidence) {scan:8.3}   {:.2} ×",
        scan / floor
    );
    println!("    of which planning    {planning:8.3}");
    println!("  encode and grade       {graded:8.3}");
    println!("    of which encoding    {encoding:8.3}, grading {grading:.3}");
    println!(
        "  whole                  {:8.3}   {ratio:.2} ×   (must ≤ {} ×, aim ≤ {} ×)",
        scan + graded,
        GOAL.0,
        GOAL.1
    );
    Ok(())
}

/// CPU of planning a scan from its beginning to its end, of encoding it, and of grading it.
fn parts(sample: &Evidence) -> Result<(f64, f64, f64), Fault> {
    const TIMES: u32 = 100;
    let each = |work: &dyn Fn() -> usize| -> Result<f64, Fault> {
        let before = cpu_ms()?;
        for _ in 0..TIMES {
            std::hint::black_box(work());
        }
        Ok((cpu_ms()? - before) / f64::from(TIMES))
    };
    let limits = scanner::plan::Limits::default();
    let planning = each(&|| {
        let mut seen = sample.clone();
        seen.exchanges.clear();
        loop {
            let asks = scanner::plan::next(&seen, &limits).len();
            let known = seen.exchanges.len();
            if asks == 0 || known == sample.exchanges.len() {
                return known;
            }
            let until = (known + asks).min(sample.exchanges.len());
            seen.exchanges
                .extend_from_slice(&sample.exchanges[known..until]);
        }
    })?;
    let encoding = each(&|| sample.encode().map_or(0, |bytes| bytes.len()))?;
    let rubric = scanner::rubric::current();
    let grading = each(&|| scanner::grade::grade(sample, rubric).findings.len())?;
    Ok((planning, encoding, grading))
}

async fn scanner_of(served: &Served) -> Result<NetScanner, Fault> {
    let count = AtomicU64::new(0);
    let entropy = Arc::new(move || {
        let number = count.fetch_add(1, Ordering::Relaxed);
        (u128::from(number) * 0x9e37_79b9_7f4a_7c15_f39c_0c3a_4d1d_u128).to_be_bytes()
    });
    let mut settings = Settings::new(Arc::new(SystemClock), entropy);
    settings.guard = Guard::allow_private();
    settings.nameservers = vec![served.names];
    settings.extra_roots = served.authority.clone().into_bytes();
    settings.retries = Retries::none();
    let patience = Duration::from_secs(120);
    settings.timeouts.connect = patience;
    settings.timeouts.first_byte = patience;
    settings.timeouts.total = patience;
    settings.timeouts.scan = patience * 5;
    settings.limits.repeat_gap_ms = 0;
    settings.pace = Arc::new(Pace::new(Rates {
        public: Duration::ZERO,
        private: Duration::ZERO,
        global_per_second: None,
        ..Rates::default()
    }));
    Ok(NetScanner::new(settings).await?)
}

/// Every exchange must have worked, or the figures mean nothing.
fn check_sample(evidence: &Evidence) -> Result<(), Fault> {
    let failed = evidence
        .exchanges
        .iter()
        .find(|exchange| exchange.got.is_err());
    match failed {
        None if evidence.exchanges.len() > 10 => Ok(()),
        None => Err(format!("only {} exchanges", evidence.exchanges.len()).into()),
        Some(exchange) => Err(format!("{}: {:?}", exchange.asked.url, exchange.got).into()),
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// User and system time of this process, from ticks of 10 ms.
fn cpu_ms() -> Result<f64, Fault> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit_once(") ").ok_or("an odd /proc/self/stat")?.1;
    let ticks = |field: usize| -> Result<f64, Fault> {
        let text = after_name.split(' ').nth(field).ok_or("a short stat")?;
        Ok(text.parse()?)
    };
    Ok((ticks(11)? + ticks(12)?) * 10.0)
}

// --- the bare client -----------------------------------------------------------------

/// The same requests, sent by hyper and read to the end, nothing else.
struct Bare {
    tls: TlsConnector,
    port: u16,
    requests: Vec<Replayed>,
}

struct Replayed {
    host: String,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Bytes,
    fresh: bool,
    /// A hello made by hand, over which nothing is asked.
    hello: Option<Vec<u8>>,
}

impl Bare {
    fn new(served: &Served, sample: &Evidence) -> Result<Self, Fault> {
        let mut roots = rustls::RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        };
        for root in CertificateDer::pem_slice_iter(served.authority.as_bytes()) {
            roots.add(root?)?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.resumption = rustls::client::Resumption::disabled();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let requests = sample.exchanges.iter().map(|exchange| {
            let url = url::Url::parse(&exchange.asked.url)?;
            Ok(Replayed {
                host: url.host_str().unwrap_or_default().to_owned(),
                method: exchange.asked.method.clone(),
                path: url[url::Position::BeforePath..].to_owned(),
                headers: exchange.asked.headers.clone(),
                body: exchange.asked.body.clone().unwrap_or_default().into(),
                fresh: matches!(exchange.purpose, Purpose::Repeat(_)),
                hello: match exchange.purpose {
                    Purpose::Handshake(offer) => {
                        scanner::handshake::client_hello(offer, url.host_str(), &[7; 32])
                    }
                    _ => None,
                },
            })
        });
        Ok(Self {
            tls: TlsConnector::from(Arc::new(config)),
            port: served.https,
            requests: requests.collect::<Result<_, Fault>>()?,
        })
    }

    fn connections(&self) -> usize {
        let own = |request: &&Replayed| request.fresh || request.hello.is_some();
        let fresh = self.requests.iter().filter(own).count();
        let hosts: std::collections::BTreeSet<&str> = self
            .requests
            .iter()
            .map(|request| request.host.as_str())
            .collect();
        fresh + hosts.len()
    }

    async fn replay(self: Arc<Self>) -> Result<(), Fault> {
        let mut open: HashMap<&str, SendRequest<Full<Bytes>>> = HashMap::new();
        for replayed in &self.requests {
            if let Some(hello) = &replayed.hello {
                self.greet(hello).await?;
                continue;
            }
            if replayed.fresh {
                open.remove(replayed.host.as_str());
            }
            let sender = match open.get_mut(replayed.host.as_str()) {
                Some(sender) => sender,
                None => open
                    .entry(&replayed.host)
                    .or_insert(self.connect(&replayed.host).await?),
            };
            sender.ready().await?;
            let mut request = Request::builder()
                .method(replayed.method.as_str())
                .uri(&replayed.path)
                .header("host", format!("{}:{}", replayed.host, self.port));
            for (name, value) in &replayed.headers {
                request = request.header(name, value);
            }
            let response = sender
                .send_request(request.body(Full::new(replayed.body.clone()))?)
                .await?;
            std::hint::black_box(response.into_body().collect().await?.to_bytes());
        }
        Ok(())
    }

    /// Sends a hello and reads the beginning of what comes back.
    async fn greet(&self, hello: &[u8]) -> Result<(), Fault> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await?;
        stream.write_all(hello).await?;
        let mut answer = [0; 1024];
        std::hint::black_box(stream.read(&mut answer).await?);
        Ok(())
    }

    async fn connect(&self, host: &str) -> Result<SendRequest<Full<Bytes>>, Fault> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from(host.to_owned())?;
        let stream = self.tls.connect(name, stream).await?;
        let (sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }
}

// --- the servers ---------------------------------------------------------------------
