//! Every status that is documented is the answer to some request, and every type of problem is
//! one that its status is documented with.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::Request;
use site::openapi::operations::{self, Operation};
use site::{SiteSettings, openapi};

use crate::sample;
use crate::web::{self, Web, ask, settings};

/// Ids of things that are there.
struct Ids {
    server: String,
    scan: String,
    other: String,
    wish: String,
}

/// Name of an entry of a registry, as a part of a path.
const ENTRY: &str = "example%2Fnotes";

const NONE: &str = "00000000000000000000000000";

async fn ids(web: &Web) -> Ids {
    let one = async |name: &str, member: &str| {
        let list = web.get(&format!("/api/v1/servers?q={name}")).await.json();
        list["data"][0][member].as_str().expect("there").to_owned()
    };
    let entry = store::Entry {
        name: "example/notes".into(),
        version: "1.0.0".into(),
        latest: true,
        deleted: false,
        changed: sample::START,
        urls: vec!["https://notes.demo.example/mcp".into()],
        text: r#"{"server":{"name":"example/notes","version":"1.0.0"}}"#.into(),
    };
    web.store
        .keep_entries("registry", &[entry], sample::START)
        .await
        .expect("kept");
    let asked = web
        .post_json("/api/v1/scans", r#"{"url":"https://new.example.com/mcp"}"#)
        .await;
    Ids {
        server: one("crm", "id").await,
        scan: one("crm", "scan").await,
        other: one("notes", "scan").await,
        wish: asked.json()["id"].as_str().expect("an id").to_owned(),
    }
}

/// A request without a body, and what it is answered with.
fn reads(id: &str, ids: &Ids) -> Vec<(u16, String)> {
    let Ids {
        server,
        scan,
        other,
        wish,
    } = ids;
    let all = |cases: &[(u16, &str)]| {
        cases
            .iter()
            .map(|(status, path)| (*status, (*path).to_owned()))
            .collect()
    };
    let below = |start: &str, id: &str, none: &str, end: &str| {
        vec![
            (200, format!("{start}{id}{end}")),
            (400, format!("{start}%FF{end}")),
            (404, format!("{start}{none}{end}")),
        ]
    };
    let of_server = |end: &str| below("/api/v1/servers/", server, &format!("srv_{NONE}"), end);
    let of_scan = |end: &str| below("/api/v1/scans/", scan, &format!("scn_{NONE}"), end);
    match id {
        "listServers" => all(&[(200, "/api/v1/servers"), (400, "/api/v1/servers?letter=Z")]),
        "lookUpServer" => all(&[
            (
                303,
                "/api/v1/servers/lookup?url=https://notes.demo.example/mcp",
            ),
            (400, "/api/v1/servers/lookup"),
            (
                404,
                "/api/v1/servers/lookup?url=https://none.example.com/mcp",
            ),
            (422, "/api/v1/servers/lookup?url=https://10.0.0.1/mcp"),
        ]),
        "getServer" => of_server(""),
        "listScans" => of_server("/scans"),
        "listListings" => of_server("/listings"),
        "getScan" => {
            let mut all = of_scan("");
            all.push((202, format!("/api/v1/scans/{wish}")));
            all
        }
        "getWhy" => below("/api/v1/why/", scan, &format!("scn_{NONE}"), ""),
        "registryList" | "registryList0" => {
            let base = if id.ends_with('0') { "/v0" } else { "/v0.1" };
            vec![
                (200, format!("{base}/servers")),
                (400, format!("{base}/servers?min_letter=Z")),
            ]
        }
        "registryVersions" => below("/v0.1/servers/", ENTRY, "none%2Fsuch", "/versions"),
        "registryVersions0" => below("/v0/servers/", ENTRY, "none%2Fsuch", "/versions"),
        "registryVersion" => below("/v0.1/servers/", ENTRY, "none%2Fsuch", "/versions/latest"),
        "registryVersion0" => below("/v0/servers/", ENTRY, "none%2Fsuch", "/versions/1.0.0"),
        "getReport" => of_scan("/report"),
        "listReports" => of_scan("/reports"),
        "getReportUnder" => of_scan("/reports/today"),
        "getEvidence" => of_scan("/evidence"),
        "getWhatIf" => {
            let mut all = of_scan("/what-if");
            all.push((422, format!("/api/v1/scans/{scan}/what-if?fix=nothing")));
            all
        }
        "getDifference" => vec![
            (200, format!("/api/v1/diffs/{scan}...{scan}")),
            (400, "/api/v1/diffs/nothing".into()),
            (404, format!("/api/v1/diffs/{scan}...scn_{NONE}")),
            (422, format!("/api/v1/diffs/{scan}...{other}")),
        ],
        "listChanges" => all(&[(200, "/api/v1/changes"), (400, "/api/v1/changes?since=x")]),
        "listChecks" => all(&[(200, "/api/v1/checks"), (400, "/api/v1/checks?level=x")]),
        "getCheck" => below("/api/v1/checks/", "pkce-advertised", "nothing", ""),
        "getRubric" => below(
            "/api/v1/rubrics/",
            scanner::rubric::current().version,
            "1999.1",
            "",
        ),
        "getStats" => all(&[(200, "/api/v1/stats"), (400, "/api/v1/stats?format=x")]),
        "getSeries" => all(&[
            (200, "/api/v1/stats/s256"),
            (400, "/api/v1/stats/s256?from=x"),
            (404, "/api/v1/stats/nothing"),
        ]),
        "getRadar" => all(&[(200, "/api/v1/radar"), (400, "/api/v1/radar?format=x")]),
        "listProducts" => all(&[
            (200, "/api/v1/authorization-servers"),
            (400, "/api/v1/authorization-servers?format=x"),
        ]),
        "getProduct" => below("/api/v1/authorization-servers/", "keycloak", "nothing", ""),
        "getIssuer" => {
            let known = store::issuer_id_of("https://id.demo.example");
            below("/api/v1/issuers/", &known, &format!("iss_{NONE}"), "")
        }
        "getBadge" => below("/badges/", server, "nothing", ".svg"),
        _ => Vec::new(),
    }
}

/// Wishes for a scan: media type, body, answer.
const WISHES: &[(&str, &str, u16)] = &[
    (
        "application/json",
        r#"{"url":"https://new2.example.com/mcp"}"#,
        202,
    ),
    ("application/json", "{}", 400),
    (
        "application/json",
        r#"{"url":"https://new.example.com/mcp","depth":"consented"}"#,
        403,
    ),
    (
        "application/json",
        r#"{"server":"srv_00000000000000000000000000"}"#,
        404,
    ),
    ("text/plain", "{}", 415),
    ("application/json", r#"{"url":7}"#, 422),
    ("application/json", r#"{"url":"https://10.0.0.1/mcp"}"#, 422),
];

fn wish(media: &str, body: String) -> Request<Body> {
    ask("POST", "/api/v1/scans")
        .header("content-type", media)
        .body(Body::from(body))
        .expect("a request")
}

struct Produced<'w> {
    web: &'w Web,
    seen: BTreeSet<(&'static str, u16)>,
}

impl Produced<'_> {
    /// Sends a request, expects the status, and holds a refusal against the types that are
    /// documented for it.
    async fn send(&mut self, operation: &'static Operation, status: u16, request: Request<Body>) {
        let place = format!("{} {}", request.method(), request.uri());
        let got = self.web.send(request).await;
        assert_eq!(got.status.as_u16(), status, "{place}: {}", got.text());
        if got.header("content-type") == "application/problem+json" {
            let problem = got.json();
            let kind = problem["type"]
                .as_str()
                .and_then(|kind| kind.rsplit('/').next());
            let known = openapi::problems(operation, status);
            assert!(
                kind.is_some_and(|kind| known.contains(&kind)),
                "{place}: {kind:?} is not among {known:?}"
            );
        }
        self.seen.insert((operation.id, status));
    }
}

fn get(path: &str) -> Request<Body> {
    ask("GET", path).body(Body::empty()).expect("a request")
}

#[tokio::test]
async fn every_documented_status_is_an_answer() {
    let (store, now) = web::filled().await;
    let web = Web::new(store, now.plus(sample::DAY), settings());
    let ids = ids(&web).await;
    let mut produced = Produced {
        web: &web,
        seen: BTreeSet::new(),
    };
    for operation in operations::all().filter(|operation| operation.method == "get") {
        let mut cases = reads(operation.id, &ids);
        if cases.is_empty() {
            cases.push((200, operation.path.to_owned()));
        }
        for (status, path) in &cases {
            produced.send(operation, *status, get(path)).await;
        }
        let path = &cases[0].1;
        if operation.conditional() {
            let tag = web.get(path).await.header("etag").to_owned();
            let request = ask("GET", path).header("if-none-match", tag);
            let request = request.body(Body::empty()).expect("a request");
            produced.send(operation, 304, request).await;
        }
        if operation.named() {
            let nameless = Request::builder().uri(path).body(Body::empty());
            produced
                .send(operation, 403, nameless.expect("a request"))
                .await;
        }
    }
    let posting = operations::all()
        .find(|operation| operation.id == "askForScan")
        .expect("it is there");
    for (media, body, status) in WISHES {
        produced
            .send(posting, *status, wish(media, (*body).into()))
            .await;
    }
    let long = format!(r#"{{"url":"{}"}}"#, "x".repeat(70_000));
    produced
        .send(posting, 413, wish("application/json", long))
        .await;
    let world = scanner::fleet::demo::world();
    let targets = sample::targets(&world);
    let at = scanner::time::Clock::now(&*web.clock);
    sample::file(&web.store, &world, &targets[0], at).await;
    let again = format!(r#"{{"url":"{}"}}"#, targets[0].url);
    produced
        .send(posting, 200, wish("application/json", again))
        .await;
    let insisting = format!(r#"{{"url":"{}","max_age":0}}"#, targets[0].url);
    produced
        .send(posting, 429, wish("application/json", insisting))
        .await;
    let mut seen = produced.seen;

    let tight = SiteSettings {
        reads_per_minute: 1,
        ..settings()
    };
    for operation in operations::all().filter(|operation| operation.method == "get") {
        let path = reads(operation.id, &ids)
            .into_iter()
            .next()
            .map_or(operation.path.to_owned(), |(_, path)| path);
        let web = Web::new(web.store.clone(), now, tight.clone());
        web.get(&path).await;
        let mut limited = Produced {
            web: &web,
            seen: BTreeSet::new(),
        };
        if operation.statuses().contains(&429) {
            limited.send(operation, 429, get(&path)).await;
        }
        seen.extend(limited.seen);
    }
    let documented: BTreeSet<(&str, u16)> = operations::all()
        .flat_map(|operation| {
            operation
                .statuses()
                .into_iter()
                .map(|status| (operation.id, status))
        })
        .collect();
    let never: Vec<_> = documented.difference(&seen).collect();
    assert!(
        never.is_empty(),
        "documented, and never answered: {never:?}"
    );
}
