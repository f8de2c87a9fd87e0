//! The API: its routes, its forms, its refusals.

mod asking;
mod wishes;

use axum::body::Body;
use axum::http::StatusCode;
use serde_json::{Value, json};
use site::SiteSettings;

use crate::sample;
use crate::web::{self, Web, ask, settings};

async fn filled() -> Web {
    let (store, now) = web::filled().await;
    Web::new(store, now.plus(sample::DAY), settings())
}

async fn server(web: &Web, name: &str) -> Value {
    let list = web.get(&format!("/api/v1/servers?q={name}")).await.json();
    list["data"][0].clone()
}

#[tokio::test]
async fn routes_answer_on_an_empty_store() {
    let web = Web::new(sample::empty().await, sample::START, settings());
    for path in [
        "/servers",
        "/changes",
        "/checks",
        "/stats",
        "/methodology",
        "/policy",
    ] {
        let got = web.get(&format!("/api/v1{path}")).await;
        assert_eq!(got.status, StatusCode::OK, "{path}");
        assert_eq!(got.header("content-type"), "application/json");
        got.json();
    }
    assert_eq!(web.get("/api/v1/stats").await.json()["servers"], 0);
}

#[tokio::test]
async fn a_server_says_the_same_in_the_list_alone_and_in_its_report() {
    let web = filled().await;
    let row = server(&web, "crm").await;
    assert_eq!(row["grade"]["letter"], "D");
    assert_eq!(row["grade"]["cap"]["check"], "asm-issuer-identical");
    assert_eq!(row["sources"], json!(["registry"]));
    let id = row["id"].as_str().expect("an id");
    let one = web
        .get(&format!("/api/v1/servers/{id}?include=report,history"))
        .await
        .json();
    assert_eq!(one["grade"], row["grade"]);
    assert_eq!(one["report"]["schema"], "authdex.report/1");
    assert_eq!(one["report"]["grade"]["letter"], "D");
    assert_eq!(one["report"]["scan"], row["scan"]);
    assert_eq!(one["history"].as_array().map(Vec::len), Some(1));
    let plain = web.get(&format!("/api/v1/servers/{id}")).await.json();
    assert!(plain.get("report").is_none());
    let scans = web.get(&format!("/api/v1/servers/{id}/scans")).await.json();
    assert_eq!(scans["data"][0]["scans"], 12, "equal scans are one stretch");
}

#[tokio::test]
async fn filters_narrow_and_wrong_ones_are_named() {
    let web = filled().await;
    let count = async |query: &str| {
        let list = web.get(&format!("/api/v1/servers?{query}")).await.json();
        list["data"].as_array().expect("a list").len()
    };
    assert_eq!(count("").await, 15);
    assert_eq!(count("letter=D").await, 2);
    assert_eq!(count("badge=O").await, 3);
    assert_eq!(count("class=static-key").await, 1);
    assert_eq!(count("q=payments").await, 1);
    assert_eq!(
        count("letter=").await,
        15,
        "an empty field of a form is no filter"
    );
    assert_eq!(count("failing=asm-issuer-identical").await, 2);
    for (query, pointer) in [
        ("letter=Z", "/letter"),
        ("class=odd", "/class"),
        ("claimed=2024-11-05", "/claimed"),
        ("pkce=plain", "/pkce"),
        ("failing=nothing", "/failing"),
        ("sort=score", "/sort"),
        ("limit=0", "/limit"),
        ("limit=501", "/limit"),
        ("format=xml", "/format"),
    ] {
        let got = web.get(&format!("/api/v1/servers?{query}")).await;
        assert_eq!(got.status, StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(got.header("content-type"), "application/problem+json");
        let problem = got.json();
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{query}");
        assert_eq!(problem["type"], "/docs/problems/validation");
        assert_eq!(problem["request_id"], got.header("request-id"));
    }
}

#[tokio::test]
async fn pages_of_a_list_join_without_gap_or_overlap() {
    let web = filled().await;
    let mut path = "/api/v1/servers?limit=4&sort=name".to_owned();
    let mut ids = Vec::new();
    loop {
        let got = web.get(&path).await;
        let list = got.json();
        for row in list["data"].as_array().expect("a list") {
            ids.push(row["id"].as_str().expect("an id").to_owned());
        }
        let Some(next) = list["next"].as_str() else {
            assert!(got.header("link").is_empty());
            break;
        };
        let link = got.header("link").to_owned();
        assert!(link.ends_with("; rel=\"next\""));
        path = link
            .trim_start_matches('<')
            .split('>')
            .next()
            .expect("an address")
            .to_owned();
        assert!(path.contains("limit=4&sort=name&cursor="), "{path}");
        assert!(!next.is_empty());
    }
    let mut unique = ids.clone();
    unique.sort();
    unique.dedup();
    assert_eq!((ids.len(), unique.len()), (15, 15));
    let wrong = web.get("/api/v1/servers?cursor=zzz").await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    assert_eq!(wrong.json()["type"], "/docs/problems/invalid-cursor");
}

#[tokio::test]
async fn lists_come_as_tables_and_lines_too() {
    let web = filled().await;
    let csv = web.get("/servers.csv?letter=D").await;
    assert_eq!(
        csv.header("content-type"),
        "text/csv; charset=utf-8; header=present"
    );
    let text = csv.text();
    assert_eq!(text.lines().count(), 3);
    assert!(text.starts_with("\"id\",\"url\",\"name\",\"letter\""));
    let lines = web.get("/api/v1/servers?format=ndjson").await.text();
    assert_eq!(lines.lines().count(), 15);
    for line in lines.lines() {
        let _: Value = serde_json::from_str(line).expect("JSON on each line");
    }
}

#[tokio::test]
async fn twins_are_the_objects_of_the_api() {
    let web = filled().await;
    let row = server(&web, "notes").await;
    let (id, scan) = (row["id"].as_str().unwrap(), row["scan"].as_str().unwrap());
    let changes = web.get("/api/v1/changes").await.json();
    let change = changes["data"]
        .as_array()
        .and_then(|rows| {
            rows.iter()
                .find(|row| row["server"] == id && row["previous_scan"].is_string())
        })
        .expect("notes changed");
    let pair = format!(
        "{}...{}",
        change["previous_scan"].as_str().unwrap(),
        change["scan"].as_str().unwrap()
    );
    for (page, api) in [
        ("/index.json".to_owned(), "/api/v1/stats".to_owned()),
        (
            "/servers.json?letter=D".into(),
            "/api/v1/servers?letter=D".into(),
        ),
        (
            format!("/servers/{id}.json"),
            format!("/api/v1/servers/{id}?include=report,history"),
        ),
        (
            format!("/servers/{id}/history.json"),
            format!("/api/v1/servers/{id}/scans"),
        ),
        (
            format!("/scans/{scan}.json"),
            format!("/api/v1/scans/{scan}?include=report"),
        ),
        (
            format!("/compare/{pair}.json"),
            format!("/api/v1/diffs/{pair}"),
        ),
        (
            "/changes.json".into(),
            "/api/v1/changes?order=newest".into(),
        ),
        ("/checks.json".into(), "/api/v1/checks".into()),
        (
            "/checks/pkce-advertised.json".into(),
            "/api/v1/checks/pkce-advertised".into(),
        ),
        ("/methodology.json".into(), "/api/v1/methodology".into()),
        ("/policy.json".into(), "/api/v1/policy".into()),
    ] {
        let twin = web.get(&page).await;
        assert_eq!(twin.status, StatusCode::OK, "{page}");
        assert_eq!(twin.header("content-location"), api);
        assert_eq!(twin.json(), web.get(&api).await.json(), "{page}");
        // Every page names its twin.
        let path = page.replace("/index.json", "/").replace(".json", "");
        let html = web.page(&path).await;
        let named = page.replace('&', "&#38;");
        assert!(
            html.contains(&format!(
                "<link rel=\"alternate\" type=\"application/json\" href=\"{named}\">"
            )),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_scan_has_its_report_its_evidence_and_a_long_life() {
    let web = filled().await;
    let row = server(&web, "payments").await;
    let scan = row["scan"].as_str().unwrap();
    let one = web.get(&format!("/api/v1/scans/{scan}")).await;
    assert_eq!(
        one.header("cache-control"),
        "public, max-age=86400, immutable"
    );
    assert_eq!(one.json()["status"], "finished");
    let report = web
        .get(&format!("/api/v1/scans/{scan}/report"))
        .await
        .json();
    assert_eq!(report["grade"]["letter"], "F");
    assert_eq!(
        report["findings"].as_array().map(Vec::len),
        Some(scanner::checks::all().count())
    );
    let today = web
        .get(&format!("/api/v1/scans/{scan}/reports/today"))
        .await
        .json();
    assert_eq!(today["grade"], report["grade"]);
    let reports = web
        .get(&format!("/api/v1/scans/{scan}/reports"))
        .await
        .json();
    assert_eq!(reports["data"][0]["rubric"], report["grade"]["rubric"]);
    let other = web
        .get(&format!("/api/v1/scans/{scan}/reports/1999.1"))
        .await;
    assert_eq!(other.json()["type"], "/docs/problems/no-such-report");
    let evidence = web.get(&format!("/api/v1/scans/{scan}/evidence")).await;
    assert!(
        evidence
            .header("content-disposition")
            .starts_with("attachment")
    );
    assert!(
        !evidence.text().contains("203.0.113.7"),
        "an address that answered"
    );
    let read = scanner::evidence::Evidence::decode(&evidence.body).expect("evidence");
    let again = scanner::grade::grade(&read, scanner::rubric::current());
    assert_eq!(serde_json::to_value(&again.grade).unwrap(), report["grade"]);
}

#[tokio::test]
async fn a_difference_adds_up_and_names_what_changed() {
    let web = filled().await;
    let row = server(&web, "calendar").await;
    let id = row["id"].as_str().unwrap();
    let changes = web.get("/api/v1/changes?order=newest").await.json();
    let change = changes["data"]
        .as_array()
        .and_then(|rows| rows.iter().find(|row| row["server"] == id))
        .expect("calendar changed");
    assert_eq!(
        (change["from"].as_str(), change["to"].as_str()),
        (Some("C"), Some("A"))
    );
    assert_eq!(change["cause"], "authorization_server");
    let path = change["diff"]
        .as_str()
        .unwrap()
        .replace("/compare/", "/api/v1/diffs/");
    let diff = web.get(&path).await.json();
    assert_eq!(diff["letter"], json!({ "a": "C", "b": "A" }));
    let sum: i64 = diff["causes"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|part| part["tenths"].as_i64())
        .sum();
    let score = |side: &str| (diff["score"][side].as_f64().unwrap() * 10.0).round() as i64;
    assert_eq!(sum, score("b_as_published") - score("a_as_published"));
    let document = &diff["documents"][0];
    assert_eq!(document["kind"], "as_metadata");
    assert_eq!(document["patch"][0]["op"], "add");
    assert_eq!(
        document["patch"][0]["path"],
        "/code_challenge_methods_supported"
    );
    let latest = web
        .get(&format!("/api/v1/diffs/previous...latest?server={id}"))
        .await
        .json();
    assert_eq!(latest["identical"], true);
    let notes = server(&web, "notes").await;
    let across = format!(
        "/api/v1/diffs/{}...{}",
        row["scan"].as_str().unwrap(),
        notes["scan"].as_str().unwrap()
    );
    let refused = web.get(&across).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(refused.json()["type"], "/docs/problems/different-servers");
}

#[tokio::test]
async fn the_feed_can_be_followed() {
    let web = filled().await;
    let all = web.get("/api/v1/changes").await.json();
    let all: Vec<i64> = all["data"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|row| row["seq"].as_i64())
        .collect();
    let mut followed = Vec::new();
    let mut since = 0;
    loop {
        let part = web
            .get(&format!("/api/v1/changes?since={since}&limit=7"))
            .await
            .json();
        let rows = part["data"].as_array().unwrap();
        followed.extend(rows.iter().filter_map(|row| row["seq"].as_i64()));
        match part["next"].as_str() {
            Some(next) => since = next.parse().unwrap(),
            None => break,
        }
    }
    assert_eq!(followed, all);
    let kinds = web.get("/api/v1/changes?kind=regressed").await.json();
    assert!(
        kinds["data"]
            .as_array()
            .unwrap()
            .iter()
            .all(|row| row["kind"] == "regressed")
    );
    assert_eq!(
        web.get("/api/v1/changes?since=x").await.status,
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn callers_name_themselves_and_keep_within_their_allowance() {
    let web = filled().await;
    let nameless = axum::http::Request::builder()
        .uri("/api/v1/stats")
        .body(Body::empty())
        .unwrap();
    let got = web.send(nameless).await;
    assert_eq!(got.status, StatusCode::FORBIDDEN);
    assert_eq!(got.json()["type"], "/docs/problems/user-agent-required");
    let nameless = axum::http::Request::builder()
        .uri("/")
        .body(Body::empty())
        .unwrap();
    assert_eq!(
        web.send(nameless).await.status,
        StatusCode::OK,
        "pages do not ask who reads them"
    );

    let tight = SiteSettings {
        reads_per_minute: 3,
        scan_requests_per_hour: 1,
        behind_proxy: true,
        ..settings()
    };
    let web = Web::new(web.store.clone(), sample::START, tight);
    let from = async |client: &str| {
        web.get_with("/api/v1/stats", "x-forwarded-for", client)
            .await
    };
    let first = from("198.51.100.1").await;
    assert_eq!(first.header("ratelimit-policy"), "\"reads\";q=3;w=60");
    assert!(first.header("ratelimit").starts_with("\"reads\";r=2;t="));
    from("198.51.100.1").await;
    from("198.51.100.1").await;
    let over = from("203.0.113.9, 198.51.100.1").await;
    assert_eq!(over.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(
        over.header("retry-after")
            .parse::<u64>()
            .is_ok_and(|seconds| seconds > 0)
    );
    assert_eq!(from("198.51.100.2").await.status, StatusCode::OK);
    assert_eq!(
        web.get_with("/healthz", "x-forwarded-for", "198.51.100.1")
            .await
            .status,
        StatusCode::OK
    );

    let wish = |n: u8| {
        ask("POST", "/api/v1/scans")
            .header("content-type", "application/json")
            .header("x-forwarded-for", "198.51.100.7")
            .body(Body::from(format!(
                r#"{{"url":"https://new{n}.example.com/mcp"}}"#
            )))
            .unwrap()
    };
    assert_eq!(web.send(wish(1)).await.status, StatusCode::ACCEPTED);
    let over = web.send(wish(2)).await;
    assert_eq!(over.json()["type"], "/docs/problems/quota-exceeded");
    assert!(
        web.store
            .server_by_url("https://new2.example.com/mcp")
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn other_sites_may_read_and_nothing_else() {
    let web = filled().await;
    let got = web
        .get_with("/api/v1/stats", "origin", "https://elsewhere.example")
        .await;
    assert_eq!(got.header("access-control-allow-origin"), "*");
    assert_eq!(got.header("cross-origin-resource-policy"), "cross-origin");
    let page = web
        .get_with("/", "origin", "https://elsewhere.example")
        .await;
    assert_eq!(page.header("access-control-allow-origin"), "");
    let preflight = ask("OPTIONS", "/api/v1/stats").body(Body::empty()).unwrap();
    let preflight = web.send(preflight).await;
    assert_eq!(preflight.status, StatusCode::NO_CONTENT);
    assert!(preflight.header("allow").contains("GET"));
    assert_eq!(
        preflight.header("access-control-allow-methods"),
        "GET, HEAD"
    );
    let post = web.post_json("/api/v1/stats", "{}").await;
    assert_eq!(post.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(post.header("access-control-allow-origin"), "");
    assert_eq!(post.json()["type"], "/docs/problems/method-not-allowed");
    let head = web
        .send(ask("HEAD", "/api/v1/stats").body(Body::empty()).unwrap())
        .await;
    assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
}

#[tokio::test]
async fn problem_types_resolve() {
    let web = filled().await;
    for path in [
        "/api/v1/nothing",
        "/api/v1/servers/x",
        "/api/v1/servers?letter=Z",
    ] {
        let problem = web.get(path).await.json();
        let page = problem["type"].as_str().expect("a type").to_owned();
        assert_eq!(web.get(&page).await.status, StatusCode::OK, "{page}");
        assert_eq!(problem["instance"], path.split('?').next().unwrap());
    }
}

#[tokio::test]
async fn a_public_address_makes_links_absolute() {
    let (store, now) = web::filled().await;
    let public = SiteSettings {
        public_url: Some("https://authdex.example".into()),
        public: true,
        ..settings()
    };
    let web = Web::new(store, now, public);
    let row = server(&web, "notes").await;
    assert!(
        row["links"]["page"]
            .as_str()
            .unwrap()
            .starts_with("https://authdex.example/servers/srv_")
    );
    let got = web.get("/").await;
    assert_eq!(got.header("strict-transport-security"), "max-age=31536000");
}
