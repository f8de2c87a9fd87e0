//! What a host says is heard before anything else is asked of it, as the host itself counts.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use scanner::evidence::{Evidence, Failure, Stopped};
use scanner::fleet::{Fleet, demo};
use scanner::identity::Line;
use scanner::net::{Courtesy, Later, Manners, NetScanner, Settings, Terms};
use scanner::scan::Scan;
use scanner::target::Target;
use tokio::net::UdpSocket;

use crate::loopback;
use crate::probing::quick;
use crate::stage::{self, Heard, Stage};

/// A courtesy that minds loopback hosts and remembers in memory.
#[derive(Default)]
struct Memory {
    scheduled: bool,
    owned: Vec<String>,
    barred: Mutex<BTreeSet<String>>,
    manners: Mutex<BTreeMap<String, Manners>>,
    lines: Mutex<Vec<Line>>,
}

impl Courtesy for Memory {
    fn barred(&self, host: &str) -> bool {
        self.barred.lock().unwrap().contains(host)
    }

    fn owned(&self, host: &str) -> bool {
        self.owned.iter().any(|own| own == host)
    }

    fn minds_private(&self) -> bool {
        true
    }

    fn terms<'a>(&'a self, _target: &'a Target) -> Later<'a, Terms> {
        Box::pin(async move {
            Terms {
                scheduled: self.scheduled,
                deeper: None,
            }
        })
    }

    fn recall<'a>(&'a self, host: &'a str) -> Later<'a, Option<Manners>> {
        Box::pin(async move { self.manners.lock().unwrap().get(host).cloned() })
    }

    fn keep<'a>(&'a self, host: &'a str, manners: &'a Manners) -> Later<'a, ()> {
        Box::pin(async move {
            let mut known = self.manners.lock().unwrap();
            known.insert(host.to_owned(), manners.clone());
        })
    }

    fn opted_out<'a>(&'a self, host: &'a str, _by_file: bool) -> Later<'a, ()> {
        Box::pin(async move {
            self.barred.lock().unwrap().insert(host.to_owned());
        })
    }

    fn sent(&self, _scan: &str, line: Line) {
        self.lines.lock().unwrap().push(line);
    }
}

fn heeding(courtesy: &Arc<Memory>) -> Settings {
    let mut settings = quick();
    settings.courtesy = Some(Arc::<Memory>::clone(courtesy));
    settings
}

async fn scan_of(settings: Settings, url: &str) -> Evidence {
    let scanner = NetScanner::new(settings).await.unwrap();
    scanner.scan(&Target::of(url), "scn_test").await
}

/// A server that answers everything but robots.txt and authdex.txt with a challenge.
async fn host(robots: &'static str, status: &'static str, file: &'static str) -> Stage {
    Stage::plain(move |heard| match heard.path.as_str() {
        "/robots.txt" => stage::answer(status, &[("content-type", "text/plain")], robots),
        "/.well-known/authdex.txt" if !file.is_empty() => stage::answer("200 OK", &[], file),
        "/.well-known/authdex.txt" => stage::nothing(),
        _ => stage::challenge(),
    })
    .await
}

fn paths(stage: &Stage) -> Vec<String> {
    stage.heard().into_iter().map(|heard| heard.path).collect()
}

#[tokio::test]
async fn robots_are_asked_first_and_once_a_day() {
    let stage = host("User-agent: *\nDisallow: /secret\n", "200 OK", "").await;
    let courtesy = Arc::new(Memory::default());
    let url = format!("http://{}/mcp", stage.address);
    let evidence = scan_of(heeding(&courtesy), &url).await;
    assert_eq!(evidence.stopped, Stopped::Finished);
    let first = paths(&stage);
    assert_eq!(first[..2], ["/robots.txt", "/.well-known/authdex.txt"]);
    assert_eq!(
        first.len(),
        evidence.exchanges.len() + 2,
        "nothing else is unrecorded"
    );
    let agents: BTreeSet<String> = stage
        .heard()
        .iter()
        .map(|heard| heard.header("user-agent").unwrap_or_default().to_owned())
        .collect();
    assert_eq!(agents.len(), 1, "every request names the scan: {agents:?}");
    assert!(agents.iter().all(|agent| agent.contains("scan=scn_test")));
    let lines = courtesy.lines.lock().unwrap().clone();
    assert_eq!(
        lines
            .iter()
            .map(|line| (line.why.as_str(), line.status))
            .collect::<Vec<_>>(),
        [("robots", 200), ("opt_out", 404)]
    );
    scan_of(heeding(&courtesy), &url).await;
    let again = paths(&stage);
    let asked = again.iter().filter(|path| *path == "/robots.txt").count();
    assert_eq!(asked, 1, "it is remembered for a day");
    let stale = {
        let mut known = courtesy.manners.lock().unwrap();
        for manners in known.values_mut() {
            manners.at = manners.at.plus(-86_400_001);
        }
        known.len()
    };
    assert_eq!(stale, 1);
    scan_of(heeding(&courtesy), &url).await;
    let asked = paths(&stage)
        .iter()
        .filter(|path| *path == "/robots.txt")
        .count();
    assert_eq!(asked, 2);
}

#[tokio::test]
async fn a_refusal_is_obeyed_before_anything_else_is_asked() {
    for (robots, status, scheduled, stopped, why) in [
        (
            "User-agent: authdex\nDisallow: /\n",
            "200 OK",
            false,
            true,
            "our group counts always",
        ),
        (
            "User-agent: *\nDisallow: /mcp\n",
            "200 OK",
            true,
            true,
            "everybody's, scheduled",
        ),
        (
            "User-agent: *\nDisallow: /mcp\n",
            "200 OK",
            false,
            false,
            "everybody's, asked for",
        ),
        (
            "User-agent: *\nDisallow: /\nUser-agent: authdex\nAllow: /\n",
            "200 OK",
            true,
            false,
            "ours goes before",
        ),
        ("", "404 Not Found", true, false, "no file"),
        ("", "403 Forbidden", true, false, "no file for us"),
        ("", "503 Service Unavailable", false, true, "it cannot say"),
        (
            "",
            "429 Too Many Requests",
            false,
            true,
            "it is too much already",
        ),
    ] {
        let stage = host(robots, status, "").await;
        let courtesy = Arc::new(Memory {
            scheduled,
            ..Memory::default()
        });
        let url = format!("http://{}/mcp", stage.address);
        let evidence = scan_of(heeding(&courtesy), &url).await;
        assert_eq!(evidence.stopped == Stopped::Robots, stopped, "{why}");
        if stopped {
            assert!(evidence.exchanges.is_empty());
            let asked = paths(&stage);
            assert!(
                asked
                    .iter()
                    .all(|path| path == "/robots.txt" || path.ends_with("authdex.txt")),
                "{why}: {asked:?}"
            );
        }
    }
}

#[tokio::test]
async fn ownership_goes_before_robots() {
    let stage = host("User-agent: authdex\nDisallow: /\n", "200 OK", "").await;
    let courtesy = Arc::new(Memory {
        owned: vec!["127.0.0.1".to_owned()],
        ..Memory::default()
    });
    let url = format!("http://{}/mcp", stage.address);
    let evidence = scan_of(heeding(&courtesy), &url).await;
    assert_eq!(evidence.stopped, Stopped::Finished);
    assert!(!evidence.exchanges.is_empty());
}

#[tokio::test]
async fn a_group_of_ours_is_obeyed_path_by_path() {
    let stage = host(
        "User-agent: authdex\nDisallow: /.well-known/oauth-\n",
        "200 OK",
        "",
    )
    .await;
    let courtesy = Arc::new(Memory::default());
    let url = format!("http://{}/mcp", stage.address);
    let evidence = scan_of(heeding(&courtesy), &url).await;
    assert_eq!(evidence.stopped, Stopped::Finished);
    let asked = paths(&stage);
    assert!(
        asked
            .iter()
            .all(|path| !path.starts_with("/.well-known/oauth-")),
        "{asked:?}"
    );
    let refused = evidence.exchanges.iter().filter(
        |exchange| matches!(&exchange.got, Err(Failure::Blocked(rule)) if rule == "robots"),
    );
    assert!(refused.count() > 0, "the refusal is in the record");
}

#[tokio::test]
async fn redirects_of_robots_stay_within_the_host_and_the_budget() {
    let stage = Stage::plain(|heard| match heard.path.as_str() {
        path if path.starts_with("/robots") => {
            let next = format!("{path}x");
            stage::answer("302 Found", &[("location", &next)], "")
        }
        _ => stage::challenge(),
    })
    .await;
    let courtesy = Arc::new(Memory::default());
    let mut settings = heeding(&courtesy);
    settings.limits.endpoint_requests = 9;
    let url = format!("http://{}/mcp", stage.address);
    let evidence = scan_of(settings, &url).await;
    let robots = paths(&stage)
        .iter()
        .filter(|path| path.starts_with("/robots"))
        .count();
    assert_eq!(robots, 3);
    assert_eq!(evidence.stopped, Stopped::OutOfAsks);
    let over = stage.heard().len();
    assert!(over <= 9, "{over} requests in all");
}

#[tokio::test]
async fn an_opt_out_in_the_file_ends_it() {
    let stage = host("", "404 Not Found", "# hello\nOpt-Out\n").await;
    let courtesy = Arc::new(Memory::default());
    let url = format!("http://{}/mcp", stage.address);
    let evidence = scan_of(heeding(&courtesy), &url).await;
    assert_eq!(evidence.stopped, Stopped::OptedOut);
    assert_eq!(paths(&stage), ["/robots.txt", "/.well-known/authdex.txt"]);
    // From now on nothing at all is asked.
    let evidence = scan_of(heeding(&courtesy), &url).await;
    assert_eq!(evidence.stopped, Stopped::OptedOut);
    assert_eq!(stage.heard().len(), 2);
}

#[tokio::test]
async fn an_opt_out_during_a_scan_ends_it_at_the_next_request() {
    let courtesy = Arc::new(Memory::default());
    let during = Arc::clone(&courtesy);
    let stage = Stage::plain(move |heard: &Heard| {
        if heard.method == "POST" {
            let mut barred = during.barred.lock().unwrap();
            barred.insert("127.0.0.1".to_owned());
        }
        stage::nothing()
    })
    .await;
    let url = format!("http://{}/mcp", stage.address);
    let evidence = scan_of(heeding(&courtesy), &url).await;
    assert_eq!(evidence.stopped, Stopped::OptedOut);
    let posts = stage
        .heard()
        .iter()
        .filter(|heard| heard.method == "POST")
        .count();
    assert_eq!(posts, 1);
}

/// Answers A and TXT: every name is at 127.0.0.1, and these names have text records.
async fn name_server(texts: &[(&str, &str)]) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let texts: BTreeMap<String, String> = texts
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    tokio::spawn(async move {
        let mut buffer = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            if let Some(reply) = dns_reply(&buffer[..length], &texts, &log) {
                let _ = socket.send_to(&reply, from).await;
            }
        }
    });
    (address, asked)
}

fn dns_reply(
    query: &[u8],
    texts: &BTreeMap<String, String>,
    log: &Mutex<Vec<String>>,
) -> Option<Vec<u8>> {
    let mut labels = Vec::new();
    let mut at = 12;
    while *query.get(at)? != 0 {
        let length = usize::from(query[at]);
        labels.push(String::from_utf8_lossy(query.get(at + 1..at + 1 + length)?).to_lowercase());
        at += 1 + length;
    }
    let kind = *query.get(at + 2)?;
    let question = query.get(12..at + 5)?;
    let name = labels.join(".");
    let data: Option<Vec<u8>> = match kind {
        1 => Some(vec![127, 0, 0, 1]),
        16 => {
            log.lock().unwrap().push(name.clone());
            texts.get(&name).map(|text| {
                let mut data = vec![u8::try_from(text.len()).unwrap()];
                data.extend(text.as_bytes());
                data
            })
        }
        _ => None,
    };
    let missing = kind == 16 && data.is_none();
    let mut reply = query[..2].to_vec();
    reply.extend([0x81, if missing { 0x83 } else { 0x80 }, 0, 1, 0]);
    reply.push(u8::from(data.is_some()));
    reply.extend([0, 0, 0, 0]);
    reply.extend(question);
    if let Some(data) = data {
        reply.extend([0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 60, 0]);
        reply.push(u8::try_from(data.len()).ok()?);
        reply.extend(data);
    }
    Some(reply)
}

#[tokio::test]
async fn a_text_record_at_the_host_or_above_opts_out_before_a_connection() {
    let stage = host("", "404 Not Found", "").await;
    let (server, asked) = name_server(&[("_authdex.left.example", "opt-out")]).await;
    let port = stage.address.port();
    for (name, out) in [("mcp.left.example", true), ("mcp.stays.example", false)] {
        let courtesy = Arc::new(Memory::default());
        let mut settings = heeding(&courtesy);
        settings.nameservers = vec![server];
        let before = stage.connections();
        let evidence = scan_of(settings, &format!("http://{name}:{port}/mcp")).await;
        assert_eq!(evidence.stopped == Stopped::OptedOut, out, "{name}");
        assert_eq!(stage.connections() == before, out, "{name}");
        if out {
            assert!(
                courtesy.barred("left.example"),
                "the name that has the record"
            );
        }
    }
    let asked = asked.lock().unwrap().clone();
    assert!(
        asked.contains(&"_authdex.mcp.left.example".to_owned()),
        "{asked:?}"
    );
    assert!(
        !asked.contains(&"_authdex.example".to_owned()),
        "no further than the domain"
    );
}

#[tokio::test]
async fn proofs_are_found_in_a_record_and_in_a_file() {
    let authority = stage::authority();
    let identity = authority.identity(&["mcp.own.example", "mcp.none.example"], 2020..2050);
    let stage = Stage::tls(&identity, |heard| match heard.path.as_str() {
        "/.well-known/authdex.txt" => stage::answer("200 OK", &[], "authdex-verify=in-the-file\n"),
        _ => stage::nothing(),
    })
    .await;
    let (server, _) =
        name_server(&[("_authdex.mcp.own.example", "authdex-verify=in-a-record")]).await;
    let courtesy = Arc::new(Memory::default());
    let mut settings = heeding(&courtesy);
    settings.nameservers = vec![server];
    settings.extra_roots = authority.pem.clone().into_bytes();
    settings.connect_to = vec![
        format!("::127.0.0.1:{}", stage.address.port())
            .parse()
            .unwrap(),
    ];
    let scanner = NetScanner::new(settings.clone()).await.unwrap();
    let found = scanner
        .prove("mcp.own.example", "in-a-record", "scn_p")
        .await
        .unwrap();
    assert_eq!(found.as_str(), "dns");
    assert_eq!(stage.connections(), 0, "a record needs no connection");
    let found = scanner
        .prove("mcp.own.example", "in-the-file", "scn_p")
        .await
        .unwrap();
    assert_eq!(found.as_str(), "file");
    let why = scanner
        .prove("mcp.none.example", "nowhere", "scn_p")
        .await
        .unwrap_err();
    assert!(
        why.contains("no text record") && why.contains("authdex.txt"),
        "{why}"
    );
    let agents: Vec<String> = stage
        .heard()
        .iter()
        .map(|heard| heard.header("user-agent").unwrap_or_default().to_owned())
        .collect();
    assert!(
        agents.iter().all(|agent| agent.contains("scan=scn_p")),
        "{agents:?}"
    );
    // Over a certificate that nobody vouches for, anybody could show a token.
    settings.extra_roots = Vec::new();
    let scanner = NetScanner::new(settings).await.unwrap();
    let why = scanner
        .prove("mcp.own.example", "in-the-file", "scn_p")
        .await
        .unwrap_err();
    assert!(why.contains("certificate"), "{why}");
}

/// As the fleet counts: no host is asked more than the table of the policy allows, with what is
/// heard beforehand, for every sample at depth standard; and none of its sensitive endpoints is.
#[tokio::test]
async fn no_sample_is_asked_more_than_its_budget() {
    let fleet = Fleet::start(demo::world()).await.unwrap();
    for (url, name) in fleet.targets() {
        let courtesy = Arc::new(Memory::default());
        let mut settings = loopback::reaching(&fleet);
        // Mapped names have no records unless somebody names the servers to ask.
        settings.nameservers = Vec::new();
        settings.courtesy = Some(Arc::<Memory>::clone(&courtesy));
        let before = fleet.seen().len();
        let evidence = scan_of(settings, &url).await;
        // A host that answers robots.txt with a server error is left alone for the day.
        let stopped = if name.starts_with("Printer") {
            Stopped::Robots
        } else {
            Stopped::Finished
        };
        assert_eq!(evidence.stopped, stopped, "{name}");
        let home = url::Url::parse(&url)
            .unwrap()
            .host_str()
            .unwrap()
            .to_owned();
        let mut counts: BTreeMap<String, u32> = BTreeMap::new();
        for seen in &fleet.seen()[before..] {
            let host = seen.host.split(':').next().unwrap_or_default().to_owned();
            *counts.entry(host).or_default() += 1;
        }
        for (host, count) in &counts {
            let most = if *host == home { 45 } else { 12 };
            assert!(*count <= most, "{name}: {count} requests to {host}");
        }
        assert!(counts.contains_key(&home), "{name}: {counts:?}");
    }
}
