//! Good citizenship as others meet it: the pages for those who were asked, and the worker's side
//! over the real store and sample servers.

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
    a_host_leaves_without_a_trace,
    an_owner_proves_and_goes_deeper,
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

/// Acceptance line 23: on every route, who left is like who was never known.
async fn a_host_leaves_without_a_trace(db: &TestDb) {
    let scene = Scene::new(&db.store, pair(&[], &[]).0).await;
    assert_eq!(scene.tick().await, 1);
    let row = scene.server().await.expect("known");
    let scan = row.last_scan.clone().expect("a scan");
    let web = scene.web();
    let left = form(
        &web,
        "/opt-out",
        "host=notes.example&history=remove&contact=a%40b",
    )
    .await;
    assert_eq!(left.status, StatusCode::SEE_OTHER);
    let place = left.header("location").to_owned();
    let owner = web.page(place.split('?').next().unwrap_or_default()).await;
    let stranger = form(&web, "/opt-out", "host=stranger.example&history=remove").await;
    assert_eq!(
        stranger.status, left.status,
        "whether it is known is not told"
    );
    // Not scanned any more, and still shown, until it is proved.
    scene.courtesy.refresh().await.expect("a store");
    let evidence = scene
        .accounted
        .scan(&Target::of(SERVER), &Kind::Scan.fresh(NOW))
        .await;
    assert_eq!(evidence.stopped, Stopped::OptedOut);
    assert!(evidence.exchanges.is_empty());
    assert!(scene.server().await.is_some());

    let token = owner.split("authdex-verify=").nth(1).expect("a token");
    let token: String = token.chars().take_while(char::is_ascii_hexdigit).collect();
    scene.serve(
        "/.well-known/authdex.txt",
        format!("authdex-verify={token}\n"),
    );
    let secret = place
        .trim_start_matches("/owner/")
        .split('?')
        .next()
        .unwrap_or_default()
        .to_owned();
    let web = scene.web();
    let looked = form(
        &web,
        &format!("/owner/{secret}/verify"),
        "host=notes.example",
    )
    .await;
    assert!(
        looked.header("location").contains("note=looking"),
        "{}",
        looked.text()
    );
    scene.chores().await;
    assert!(scene.server().await.is_none(), "names are gone");
    assert!(db.store.evidence(&scan).await.expect("read").is_none());
    assert!(scene.courtesy.hides("sub.notes.example"));

    let web = scene.web();
    let never = Kind::Server.fresh(Millis(1));
    let never_scan = Kind::Scan.fresh(Millis(1));
    let url = |host: &str| format!("https%3A%2F%2F{host}%2Fmcp");
    for (left, unknown) in [
        (format!("/servers/{}", row.id), format!("/servers/{never}")),
        (
            format!("/servers/{}.json", row.id),
            format!("/servers/{never}.json"),
        ),
        (
            format!("/servers/{}/history", row.id),
            format!("/servers/{never}/history"),
        ),
        (
            format!("/servers/{}/owner", row.id),
            format!("/servers/{never}/owner"),
        ),
        (
            format!("/servers/{}/feed.atom", row.id),
            format!("/servers/{never}/feed.atom"),
        ),
        (
            format!("/api/v1/servers/{}", row.id),
            format!("/api/v1/servers/{never}"),
        ),
        (
            format!("/api/v1/servers/{}/scans", row.id),
            format!("/api/v1/servers/{never}/scans"),
        ),
        (
            format!("/api/v1/servers/{}/listings", row.id),
            format!("/api/v1/servers/{never}/listings"),
        ),
        (
            format!("/badges/{}.svg", row.id),
            format!("/badges/{never}.svg"),
        ),
        (
            format!("/badges/{}.json", row.id),
            format!("/badges/{never}.json"),
        ),
        (format!("/scans/{scan}"), format!("/scans/{never_scan}")),
        (
            format!("/scans/{scan}.json"),
            format!("/scans/{never_scan}.json"),
        ),
        (
            format!("/api/v1/scans/{scan}"),
            format!("/api/v1/scans/{never_scan}"),
        ),
        (
            format!("/api/v1/scans/{scan}/report"),
            format!("/api/v1/scans/{never_scan}/report"),
        ),
        (
            format!("/api/v1/scans/{scan}/evidence"),
            format!("/api/v1/scans/{never_scan}/evidence"),
        ),
        (format!("/why/{scan}"), format!("/why/{never_scan}")),
        (
            format!("/api/v1/why/{scan}"),
            format!("/api/v1/why/{never_scan}"),
        ),
        (
            format!("/lookup?url={}", url("notes.example")),
            format!("/lookup?url={}", url("other.example")),
        ),
        (
            format!("/api/v1/servers/lookup?url={}", url("notes.example")),
            format!("/api/v1/servers/lookup?url={}", url("other.example")),
        ),
        (
            "/servers.json?q=notes.example".into(),
            "/servers.json?q=other.example".into(),
        ),
        (
            "/servers?q=notes.example".into(),
            "/servers?q=other.example".into(),
        ),
    ] {
        let (a, b) = (web.get(&left).await, web.get(&unknown).await);
        assert_eq!(a.status, b.status, "{left}");
        let plain = |got: &Got, path: &str| {
            let mut headers: Vec<(String, String)> = got
                .headers
                .iter()
                .filter(|(name, _)| !["request-id", "etag", "ratelimit"].contains(&name.as_str()))
                .map(|(name, value)| {
                    (
                        name.to_string(),
                        value.to_str().unwrap_or_default().to_owned(),
                    )
                })
                .collect();
            headers.sort();
            let blank = |text: String| {
                let mut text = text
                    .replace(path, "PATH")
                    .replace(path.split('?').next().unwrap_or_default(), "PATH")
                    .replace(&row.id, "SERVER")
                    .replace(&never, "SERVER")
                    .replace(&scan, "SCAN")
                    .replace(&never_scan, "SCAN")
                    .replace("notes.example", "HOST")
                    .replace("other.example", "HOST");
                while let Some(at) = text.find("req_") {
                    let end = text[at..].find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                    let end = end.map_or(text.len(), |end| at + end);
                    text.replace_range(at..end, "REQUEST");
                }
                text
            };
            let headers: Vec<(String, String)> = headers
                .into_iter()
                .map(|(name, value)| (name, blank(value)))
                .collect();
            (headers, blank(got.text()))
        };
        assert_eq!(plain(&a, &left), plain(&b, &unknown), "{left}");
    }
    for path in [
        "/changes.json",
        "/feeds/changes.atom",
        "/servers.csv",
        "/index.json",
        "/",
    ] {
        let text = web.get(path).await.text();
        assert!(!text.contains("notes.example"), "{path}");
    }
    // A list that names it again changes nothing.
    let row = NewListing {
        target: Target::of(SERVER),
        seen: NOW,
    };
    db.store
        .add_listings("registry", &[row], NOW)
        .await
        .expect("a listing");
    assert!(scene.server().await.is_none());
}

async fn an_owner_proves_and_goes_deeper(db: &TestDb) {
    let scene = Scene::new(&db.store, pair(&[], &[]).0).await;
    assert_eq!(scene.tick().await, 1);
    let id = scene.server().await.expect("known").id;
    let web = scene.web();
    assert!(
        web.page(&format!("/servers/{id}/owner"))
            .await
            .contains("Get a token")
    );
    let foreign = ask("POST", &format!("/servers/{id}/owner"))
        .header("content-type", "application/x-www-form-urlencoded")
        .header("origin", "https://evil.example")
        .body(Body::from("contact=x"))
        .expect("a request");
    assert_eq!(web.send(foreign).await.status, StatusCode::FORBIDDEN);
    let begun = form(
        &web,
        &format!("/servers/{id}/owner"),
        "contact=ops%40notes.example",
    )
    .await;
    let place = begun.header("location").to_owned();
    assert!(place.starts_with("/owner/"), "{}", begun.text());
    let page = web.get(&place).await;
    assert_eq!(page.header("cache-control"), "no-store");
    assert_eq!(page.header("x-robots-tag"), "noindex");
    let text = page.text();
    let token = text.split("authdex-verify=").nth(1).expect("a token");
    let token: String = token.chars().take_while(char::is_ascii_hexdigit).collect();

    // Nothing is unlocked before the proof.
    let deeper = form(&web, &format!("{place}/deeper"), &format!("server={id}")).await;
    assert_eq!(deeper.status, StatusCode::FORBIDDEN);
    let said = form(
        &web,
        &format!("{place}/statement"),
        &format!("server={id}&text=hi"),
    )
    .await;
    assert_eq!(said.status, StatusCode::FORBIDDEN);
    form(&web, &format!("{place}/verify"), "host=notes.example").await;
    scene.chores().await;
    let text = scene.web().page(&place).await;
    assert!(text.contains("does not show the token"), "{text}");

    scene.serve(
        "/.well-known/authdex.txt",
        format!("authdex-verify={token}\n"),
    );
    scene.clock.advance(120_000);
    let web = scene.web();
    form(&web, &format!("{place}/verify"), "host=notes.example").await;
    scene.chores().await;
    let web = scene.web();
    let text = web.page(&place).await;
    assert!(text.contains("Proved by file"), "{text}");
    let outcome = db.store.proof_log("notes.example").await.expect("a log");
    assert_eq!(
        (outcome[0].1.as_str(), outcome[0].2.as_str()),
        ("file", "proved")
    );

    let hostile = "%3Cscript%3Ealert(1)%3C%2Fscript%3E+we+fixed+PKCE";
    form(
        &web,
        &format!("{place}/statement"),
        &format!("server={id}&text={hostile}"),
    )
    .await;
    let page = scene.web().page(&format!("/servers/{id}")).await;
    assert!(page.contains("we fixed PKCE") && !page.contains("<script>"));

    // One deeper run, for the proved host alone; its result is for its owner.
    let before = scene.fleet.seen().len();
    form(&web, &format!("{place}/deeper"), &format!("server={id}")).await;
    scene.chores().await;
    assert_eq!(scene.tick().await, 1);
    let seen = scene.fleet.seen();
    let issuer = seen[before..].iter().filter(|seen| {
        seen.host.starts_with("id.example")
            && !seen.path.starts_with("/.well-known/")
            && !["/jwks", "/robots.txt"].contains(&seen.path.as_str())
    });
    let touched: Vec<&str> = issuer.map(|seen| seen.path.as_str()).collect();
    assert!(
        touched.is_empty(),
        "the authorization server is not proved: {touched:?}"
    );
    let scan = scene
        .server()
        .await
        .and_then(|row| row.last_scan)
        .expect("a scan");
    let evidence = db
        .store
        .evidence(&scan)
        .await
        .expect("read")
        .expect("evidence");
    assert!(evidence.depth <= Depth::Standard && evidence.consent.is_none());
    assert!(
        evidence
            .exchanges
            .iter()
            .all(|exchange| !exchange.purpose.is_deeper())
    );
    let text = scene.web().page(&place).await;
    assert!(text.contains("Deeper scan,"), "{text}");
    let page = scene.web().page(&format!("/servers/{id}")).await;
    assert!(!page.contains("Deeper scan"));

    // Six scans a day on request, the deeper one among them, and the proof ends with its 90 days.
    for turn in 0..8 {
        scene.clock.advance(1_200_000);
        let asked = form(
            &scene.web(),
            &format!("{place}/rescan"),
            &format!("server={id}"),
        )
        .await;
        let note = asked.header("location").to_owned();
        assert_eq!(note.ends_with("note=asked"), turn < 5, "{turn}: {note}");
        scene.tick().await;
    }
    scene.clock.advance(91 * 86_400_000);
    let late = form(
        &scene.web(),
        &format!("{place}/rescan"),
        &format!("server={id}"),
    )
    .await;
    assert_eq!(late.status, StatusCode::FORBIDDEN);
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
