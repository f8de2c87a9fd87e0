//! Good citizenship as others meet it: the pages for those who were asked, and the worker's side
//! over the real store and sample servers.

mod leaving;
mod owning;

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::Body;
use axum::http::StatusCode;
use scanner::evidence::{Depth, Purpose, Stopped};
use scanner::fleet::Fleet;
use scanner::fleet::world::{Edit, World};
use scanner::net::{NetScanner, Settings as NetSettings};
use scanner::scan::Scan as _;
use scanner::target::Target;
use scanner::time::{Clock as _, FixedClock, Millis};
use site::SiteSettings;
use site::citizen::{Accounted, Remembering, chores};
use store::ids::Kind;
use store::{NewListing, Store};

use crate::db::TestDb;
use crate::loopback;
use crate::owner::pair;
use crate::sample;
use crate::web::{Got, Web, ask, settings};

const SERVER: &str = "https://notes.example/mcp";
const NOW: Millis = Millis(1_795_144_320_000);

/// A worker over a store, and the sample servers that it asks.
struct Scene {
    fleet: Fleet,
    store: Store,
    clock: Arc<FixedClock>,
    courtesy: Arc<Remembering>,
    scanner: Arc<NetScanner>,
    accounted: Accounted,
}

impl Scene {
    async fn new(store: &Store, world: World) -> Self {
        let fleet = Fleet::start(world).await.expect("a fleet");
        let clock = Arc::new(FixedClock::new(NOW));
        let courtesy = Arc::new(Remembering::new(
            store.clone(),
            clock.clone(),
            Vec::new(),
            true,
        ));
        courtesy.refresh().await.expect("a store");
        let mut net: NetSettings = loopback::reaching(&fleet);
        net.clock = clock.clone();
        // Mapped names have no records unless somebody names the servers to ask.
        net.nameservers = Vec::new();
        net.identity = scanner::net::Identity {
            url: Some("https://index.example/policy".into()),
            contact: Some("scanning@index.example".into()),
        };
        net.courtesy = Some(Arc::<Remembering>::clone(&courtesy));
        let scanner = Arc::new(NetScanner::new(net).await.expect("a scanner"));
        let accounted = Accounted::new(
            Arc::clone(&scanner),
            store.clone(),
            Arc::clone(&courtesy),
            clock.clone(),
        );
        let row = NewListing {
            target: Target::of(SERVER),
            seen: NOW,
        };
        store
            .add_listings("registry", &[row], NOW)
            .await
            .expect("a listing");
        Self {
            fleet,
            store: store.clone(),
            clock,
            courtesy,
            scanner,
            accounted,
        }
    }

    /// Scans what is due, as the scheduler does.
    async fn tick(&self) -> usize {
        let pace = store::Pace {
            public: true,
            ..store::Pace::private(site::worker::judge)
        };
        let accounted = Accounted::new(
            Arc::clone(&self.scanner),
            self.store.clone(),
            Arc::clone(&self.courtesy),
            self.clock.clone(),
        );
        store::scheduler::tick(&self.store, &Arc::new(accounted), &*self.clock, &pace)
            .await
            .expect("a tick")
    }

    async fn chores(&self) {
        chores(
            &self.store,
            &self.scanner,
            &self.courtesy,
            &*self.clock,
            true,
        )
        .await
        .expect("chores");
    }

    fn web(&self) -> Web {
        let settings = SiteSettings {
            public: true,
            public_url: Some("https://index.example".into()),
            from: Some("scanning@index.example".into()),
            on_request_per_day: Some(1),
            ..settings()
        };
        Web::new(self.store.clone(), self.clock.now(), settings)
    }

    async fn server(&self) -> Option<store::ServerRow> {
        self.store.server_by_url(SERVER).await.expect("a store")
    }

    /// Puts a file on the server's host.
    fn serve(&self, path: &'static str, body: String) {
        self.fleet.change(|world| {
            world.edits.push(Edit::new(move |asked, reply| {
                if asked.host.starts_with("notes.example") && asked.path == path {
                    reply.status = 200;
                    reply.headers = vec![("content-type", "text/plain".into())];
                    reply.body.clone_from(&body);
                }
            }));
        });
    }
}

async fn form(web: &Web, path: &str, body: &str) -> Got {
    let request = ask("POST", path)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("origin", "https://authdex.example");
    web.send(
        request
            .body(Body::from(body.to_owned()))
            .expect("a request"),
    )
    .await
}

crate::db::on_both_engines! {
    every_request_of_a_scan_is_accounted_for,
    a_refusal_is_not_filed_and_is_shown,
}

/// Acceptance line 12: what the world recorded, request by request, is what `/why` tells.
async fn every_request_of_a_scan_is_accounted_for(db: &TestDb) {
    let scene = Scene::new(&db.store, pair(&[], &[]).0).await;
    assert_eq!(scene.tick().await, 1);
    let seen = scene.fleet.seen();
    let scan = scene
        .server()
        .await
        .and_then(|row| row.last_scan)
        .expect("a scan");
    let agent = format!(
        "authdex/{} (+https://index.example/policy; scan={scan})",
        env!("CARGO_PKG_VERSION")
    );
    let mut world: Vec<(String, String)> = Vec::new();
    for seen in &seen {
        let header = |name: &str| {
            let found = seen.headers.iter().find(|(key, _)| key == name);
            found.map(|(_, value)| value.as_str()).unwrap_or_default()
        };
        assert_eq!(header("user-agent"), agent, "{}", seen.path);
        assert_eq!(header("from"), "scanning@index.example", "{}", seen.path);
        let host = seen.host.split(':').next().unwrap_or_default();
        world.push((seen.method.clone(), format!("https://{host}{}", seen.path)));
    }
    let web = scene.web();
    let why = web.get(&format!("/api/v1/why/{scan}")).await.json();
    assert_eq!(why["user_agent"], agent);
    assert_eq!(why["from"], "scanning@index.example");
    let mut told: Vec<(String, String)> = why["requests"]
        .as_array()
        .expect("requests")
        .iter()
        .map(|one| {
            let text = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
            let url = url::Url::parse(&text("url")).expect("a URL");
            let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
            let place = format!("https://{}{path}", url.host_str().unwrap_or_default());
            (text("method"), place)
        })
        // Over a handshake nothing is asked, and port 80 is no part of the fleet.
        .filter(|(method, _)| method != "TLS")
        .collect();
    let plaintext = db
        .store
        .evidence(&scan)
        .await
        .expect("read")
        .expect("evidence");
    let plain = plaintext
        .exchanges
        .iter()
        .filter(|exchange| exchange.purpose == Purpose::Plaintext)
        .count();
    assert!(plain <= 1);
    world.sort();
    told.sort();
    let missing: Vec<_> = world.iter().filter(|one| !told.contains(one)).collect();
    assert!(missing.is_empty(), "sent and not told: {missing:?}");
    assert!(
        told.len() <= world.len() + plain,
        "told and not sent: {told:?}\n{world:?}"
    );
    let page = web.page(&format!("/why/{scan}")).await;
    assert!(page.contains("Yes, we sent this") && page.contains("/robots.txt"));

    // The meter counted the same.
    let meter = web.get("/api/v1/meter").await.json();
    let day = &meter["data"][0];
    let hosts: BTreeSet<&str> = seen
        .iter()
        .map(|seen| seen.host.split(':').next().unwrap_or_default())
        .collect();
    let requests = usize::try_from(day["requests"].as_i64().expect("a number")).expect("positive");
    assert!(requests >= world.len(), "{requests} of {}", world.len());
    assert!(day["hosts"].as_i64() >= Some(i64::try_from(hosts.len()).expect("few")));
    let page = web.page("/meter").await;
    assert!(page.contains("<svg") && page.contains("<table"));
}

async fn a_refusal_is_not_filed_and_is_shown(db: &TestDb) {
    let scene = Scene::new(&db.store, pair(&[], &[]).0).await;
    scene.serve("/robots.txt", "User-agent: *\nDisallow: /mcp\n".into());
    assert_eq!(scene.tick().await, 0);
    let paths: BTreeSet<String> = scene
        .fleet
        .seen()
        .into_iter()
        .map(|seen| seen.path)
        .collect();
    assert!(paths.iter().all(|path| path.ends_with(".txt")), "{paths:?}");
    let row = scene.server().await.expect("known");
    assert_eq!((row.scans, row.next_due), (0, Some(NOW.plus(86_400_000))));
    let web = scene.web();
    let page = web.page(&format!("/servers/{}", row.id)).await;
    assert!(page.contains("Not scanned: robots.txt"));
    let refused = &web.get("/api/v1/meter").await.json()["data"][0]["refusals"];
    assert_eq!(refused, 1);
    // A person's wish is not scheduled, so the group for everybody does not count.
    scene.clock.advance(1_200_000);
    let asked = scene
        .web()
        .post_json("/api/v1/scans", &format!("{{\"server\":\"{}\"}}", row.id))
        .await;
    assert_eq!(asked.status, StatusCode::ACCEPTED, "{}", asked.text());
    scene.clock.advance(1_200_000);
    assert_eq!(scene.tick().await, 1);
    let row = scene.server().await.expect("known");
    let page = scene.web().page(&format!("/servers/{}", row.id)).await;
    assert!(!page.contains("Not scanned"));
}

#[tokio::test]
async fn machines_find_who_we_are() {
    let public = SiteSettings {
        public_url: Some("https://index.example".into()),
        egress: vec![
            "192.0.2.7 from 2026-01-01".into(),
            "198.51.100.0/28 from 2025-01-01 until 2025-12-31".into(),
        ],
        ..settings()
    };
    let web = Web::new(sample::empty().await, sample::START, public);
    let got = web.get("/.well-known/probing.txt").await;
    assert!(got.header("content-type").starts_with("text/plain"));
    let text = got.text();
    let field = |name: &str| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.unwrap_or_else(|| panic!("no {name} in {text}"))
            .to_owned()
    };
    assert_eq!(
        field("Canonical"),
        "https://index.example/.well-known/probing.txt"
    );
    assert_eq!(field("Contact"), "mailto:scanning@authdex.example");
    let expires = Millis::parse_rfc3339(&field("Expires")).expect("a time");
    assert!(expires > sample::START);
    assert_eq!(field("Preferred-Languages"), "en");
    assert!(field("Description").contains("/why/"));
    let egress = web.get("/egress.json").await.json();
    assert_eq!(egress["current"][0]["network"], "192.0.2.7");
    assert_eq!(egress["former"][0]["until"], "2025-12-31");
    let policy = web.page("/policy").await;
    assert!(policy.contains("robots.txt") && policy.contains("Hard limit"));
    let nameless = Web::new(
        sample::empty().await,
        sample::START,
        SiteSettings {
            contact: None,
            ..settings()
        },
    );
    let got = nameless.get("/.well-known/probing.txt").await;
    assert_eq!(got.status, StatusCode::NOT_FOUND);
}

/// The table of limits names a test for each, and every test it names is there.
#[test]
fn every_limit_has_its_test() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let read = |path: &str| std::fs::read_to_string(root.join(path)).expect("a file");
    let table = read("docs/limits.md");
    let mut keys = BTreeSet::new();
    for line in table.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        keys.extend(
            cells[0]
                .split(',')
                .map(|key| key.trim().trim_matches('`').to_owned()),
        );
        let proof = cells.last().expect("a cell");
        let mut named = 0;
        for place in proof.split('`').skip(1).step_by(2) {
            let (file, test) = place.split_once("::").expect("FILE::TEST");
            assert!(
                read(file).contains(&format!("fn {test}(")),
                "{place} is not there"
            );
            named += 1;
        }
        assert!(named > 0, "no test for {}", cells[0]);
    }
    let policy = read("config/default.toml");
    let (_, policy) = policy.split_once("[policy]").expect("a section");
    let (policy, _) = policy.split_once("\n[").expect("another section");
    for line in policy.lines() {
        if let Some((key, _)) = line.split_once(" = ")
            && key != "version"
        {
            assert!(
                keys.contains(key),
                "docs/limits.md says nothing of policy.{key}"
            );
        }
    }
}
