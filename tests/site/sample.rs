//! A filled store for tests and for looking at pages: the servers of `authdex demo`, asked by
//! the real plan, answered by the fleet's pure side, graded by the real rubric.

use scanner::evidence::{
    Body, Evidence, Exchange, Hello, Offer, Purpose, Request, Response, Stopped, TlsSeen,
};
use scanner::fleet::reply::{Asked, reply};
use scanner::fleet::world::World;
use scanner::plan::{self, Ask, HeaderValue, Limits};
use scanner::target::{Listing, Target};
use scanner::time::Millis;
use store::ids::Kind;
use store::{Filing, NewListing, Store};

/// The first day: 2026-09-01.
pub(crate) const START: Millis = Millis(1_788_220_800_000);
/// One day.
pub(crate) const DAY: i64 = 86_400_000;

/// What the sample world of one day answers to the real plan.
pub(crate) fn scan(world: &World, target: &Target, at: Millis) -> Evidence {
    let limits = Limits::default();
    let mut evidence = Evidence {
        schema: scanner::evidence::SCHEMA,
        target: target.clone(),
        scanner: env!("CARGO_PKG_VERSION").into(),
        plan: scanner::evidence::PLAN,
        depth: limits.depth,
        allow_private: false,
        modified_request: false,
        nonce: "abcdefghijklmnopqrstuvwxyz".into(),
        started: at,
        duration_ms: 0,
        exchanges: Vec::new(),
        stopped: Stopped::Finished,
        consent: None,
        own_host: None,
        visits: Vec::new(),
        supplied: Vec::new(),
        operations: scanner::evidence::Operations::default(),
        obtained: Vec::new(),
    };
    loop {
        let asks = plan::next(&evidence, &limits);
        if asks.is_empty() {
            break;
        }
        for ask in asks {
            let id = u32::try_from(evidence.exchanges.len()).expect("few exchanges");
            let exchange = put(world, &ask, id);
            evidence.duration_ms = exchange.after_ms + exchange.took_ms;
            evidence.exchanges.push(exchange);
        }
    }
    evidence
}

fn tls(host: String) -> TlsSeen {
    TlsSeen {
        version: "1.3".into(),
        leaf_sha256: "5a".repeat(32),
        names: vec![host],
        issuer: "CN=Example CA".into(),
        not_before: START.plus(-30 * DAY),
        not_after: START.plus(330 * DAY),
        fault: None,
        repaired_from: None,
    }
}

fn put(world: &World, ask: &Ask, id: u32) -> Exchange {
    let url = url::Url::parse(&ask.url).expect("the plan asks good addresses");
    let headers: Vec<(String, String)> = ask
        .headers
        .iter()
        .map(|(name, value)| {
            let value = match value {
                HeaderValue::Plain(value) => value.clone(),
                HeaderValue::Session(_) => "session".into(),
                HeaderValue::Bearer(_) | HeaderValue::Secret(_) | HeaderValue::Basic(..) => {
                    "[redacted]".into()
                }
            };
            ((*name).to_owned(), value)
        })
        .collect();
    let asked = Asked {
        host: url.host_str().unwrap_or_default().to_owned(),
        method: ask.method.to_owned(),
        path: url.path().to_owned(),
        query: url.query().map(str::to_owned),
        headers: headers.clone(),
        body: ask.body.clone().unwrap_or_default(),
        named: None,
    };
    let got = if url.scheme() == "http" {
        Err(scanner::evidence::Failure::Refused)
    } else if let Purpose::Handshake(offer) = ask.purpose {
        let (tls, hello) = match offer {
            Offer::Ordinary | Offer::Tls13 => (Some(tls(asked.host)), None),
            Offer::Old | Offer::Weak | Offer::Broken => (None, Some(Hello::Alert(70))),
        };
        Ok(Response::of_handshake(None, tls, hello))
    } else {
        let reply = reply(world, &asked);
        Ok(Response {
            status: reply.status,
            http: "2".into(),
            headers: reply
                .headers
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            body: Body {
                bytes: reply.body.len() as u64,
                text: reply.body,
                base64: false,
                truncated: reply.endless,
            },
            peer: Some(std::net::IpAddr::from([203, 0, 113, 7])),
            tls: Some(tls(asked.host)),
            hello: None,
        })
    };
    Exchange {
        id,
        purpose: ask.purpose,
        attempt: 0,
        follows: ask.follows,
        shared: None,
        asked: Request {
            method: ask.method.into(),
            url: ask.url.clone(),
            headers,
            body: ask.body.clone(),
        },
        after_ms: id * 1040,
        took_ms: 38 + id % 7 * 11,
        got,
    }
}

/// The targets of a world, with listings.
pub(crate) fn targets(world: &World) -> Vec<Target> {
    world
        .servers
        .iter()
        .map(|server| Target {
            url: format!("https://{}{}", server.host, server.path),
            listing: Some(Listing {
                source: "registry".into(),
                name: Some(server.name.clone()),
                transport: Some("streamable-http".into()),
                ..Listing::default()
            }),
        })
        .collect()
}

/// Adds the targets and files a scan of each.
pub(crate) async fn pass(store: &Store, world: &World, targets: &[Target], at: Millis) {
    let listings: Vec<NewListing> = targets
        .iter()
        .map(|target| NewListing {
            target: target.clone(),
            seen: at,
        })
        .collect();
    store
        .add_listings("registry", &listings, at)
        .await
        .expect("listings are added");
    for target in targets {
        file(store, world, target, at).await;
    }
}

/// Files one scan and returns its id.
pub(crate) async fn file(store: &Store, world: &World, target: &Target, at: Millis) -> String {
    let row = store
        .server_by_url(&target.url)
        .await
        .expect("the store answers")
        .expect("the target was added");
    let (id, _) = store
        .target_of(&row.id)
        .await
        .expect("the store answers")
        .expect("it has a target");
    let evidence = scan(world, target, at);
    let mut report = scanner::grade::grade(&evidence, scanner::rubric::current());
    let scan = Kind::Scan.fresh(at);
    report.scan = Some(scan.clone());
    report.publication.state = scanner::report::PublicationState::Published;
    let filing = Filing {
        target: id,
        scan: scan.clone(),
        evidence: &evidence,
        report: &report,
        finished: at.plus(i64::from(evidence.duration_ms)),
        next_due: at.plus(7 * DAY),
        lease_until: None,
    };
    store.file(&filing).await.expect("the scan is filed");
    scan
}

/// A store in memory with nothing in it.
pub(crate) async fn empty() -> Store {
    let store = Store::open("sqlite::memory:").await.expect("opens");
    store.migrate().await.expect("migrates");
    store
}

/// Twelve weeks of the fleet of the demo in a store; gives its newest instant.
pub(crate) async fn fill(store: &Store) -> Millis {
    let mut world = scanner::fleet::demo::world();
    let targets = targets(&world);
    let mut at = START;
    for week in 0..12 {
        if week == 9 {
            scanner::fleet::demo::change(&mut world);
        }
        at = START.plus(week * 7 * DAY);
        pass(store, &world, &targets, at).await;
        store.roll_up(at).await.expect("the week is counted");
    }
    at
}

/// Sixty servers of seven operators behind twenty authorization servers of several products.
pub(crate) fn many() -> World {
    use scanner::fleet::world::{AuthorizationServer, McpServer};
    let host = |n: usize| match n {
        0..4 => format!("tenant{n}.eu.auth0.com"),
        4..7 => format!("team{n}.okta.com"),
        7..9 => format!("app{n}.authkit.app"),
        _ => format!("id{n}.example"),
    };
    let mut world = World {
        servers: Vec::new(),
        authorization_servers: Vec::new(),
        edits: Vec::new(),
    };
    for n in 0..60 {
        let address = format!("s{n}.operator{}.example", n % 7);
        let issuer = format!("https://{}", host(n % 20));
        let name = format!("Server {n}");
        world
            .servers
            .push(McpServer::compliant(&address, &name, &issuer));
    }
    for n in 0..20 {
        let server = AuthorizationServer::compliant(&host(n)).with(|asm| {
            if n % 4 == 0 {
                asm["client_id_metadata_document_supported"] = false.into();
                asm["registration_endpoint"] = format!("https://{}/register", host(n)).into();
            }
            if n % 5 == 0 {
                asm["code_challenge_methods_supported"] = serde_json::json!(["plain"]);
            }
        });
        world.authorization_servers.push(server);
    }
    world
}
