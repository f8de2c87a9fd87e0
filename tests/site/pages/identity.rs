//! Identity servers, statistics and the radar: what they answer, and that pages, twins and
//! lists agree.

use axum::http::StatusCode;
use scanner::report::{Class, GradeLetter};
use scanner::time::Millis;
use store::{Feature, Page, TargetFilter, Told};

use super::{empty, filled, sound};
use crate::sample;
use crate::web::{Web, attributes, settings};

/// The issuer that most servers of the sample name.
const ISSUER: &str = "https://id.demo.example";

#[tokio::test]
async fn the_question_is_answered_in_the_first_line() {
    let web = filled().await;
    let page = web.page("/as").await;
    let lead = page.split("<p class=\"lead\">").nth(1).expect("a lead");
    let lead = lead.split("</p>").next().unwrap_or_default();
    assert!(
        lead.contains("Do they support dynamic registration?"),
        "{lead}"
    );
    let twin = web.get("/as.json").await.json();
    let products = twin["data"].as_array().expect("products");
    let unrecognised = products
        .iter()
        .find(|product| product["id"] == "unrecognised")
        .expect("the sample's servers are no known product");
    let dcr = &unrecognised["announces"]["dcr"];
    let said = format!("{} of {} identity servers", dcr["n"], dcr["of"]);
    assert!(lead.contains(&said), "{lead}: {said}");
    assert_eq!(dcr["share"], serde_json::Value::Null, "too few are graded");
    assert!(page.contains("counts and no shares") && !lead.contains('%'));
    // Every product of the table is there with what is documented, seen or not.
    for entry in &scanner::fingerprints::table::table().products {
        assert!(
            page.contains(&format!("href=\"/as/{}\"", entry.id)),
            "{}",
            entry.id
        );
        let one = web.page(&format!("/as/{}", entry.id)).await;
        sound(&entry.id, &one);
    }
    assert!(page.contains("not offered <span class=\"nowrap\">(T, 2026-07)</span>"));
    let csv = web.get("/as.csv").await;
    assert!(csv.header("content-type").starts_with("text/csv"));
    assert!(
        csv.text()
            .starts_with("\"product\",\"name\",\"announces\",\"n\",\"of\"")
    );
    let unknown = web.get("/as/no-such-product").await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_issuer_has_its_document_its_servers_and_its_history() {
    let web = filled().await;
    let id = store::issuer_id_of(ISSUER);
    let page = web.page(&format!("/issuers/{id}")).await;
    assert!(page.contains("&#34;registration_endpoint&#34;") || page.contains("token_endpoint"));
    let twin = web.get(&format!("/issuers/{id}.json")).await.json();
    assert_eq!(twin["issuer"], ISSUER);
    assert_eq!(twin["document"]["issuer"], ISSUER);
    let named = twin["servers"].as_i64().expect("a number");
    assert!(named > 3, "{named}");
    for filter in [id.clone(), ISSUER.to_owned()] {
        let list = web
            .get(&format!("/api/v1/servers?issuer={filter}"))
            .await
            .json();
        assert_eq!(
            list["data"].as_array().map(Vec::len),
            usize::try_from(named).ok()
        );
    }

    // The one that learnt PKCE tells when, and what changed.
    let login = store::issuer_id_of("https://login.demo.example");
    let page = web.page(&format!("/issuers/{login}")).await;
    assert!(page.contains("New: PKCE with S256."), "{page}");
    assert!(page.contains("/code_challenge_methods_supported"));
    let changes = web.get(&format!("/issuers/{login}.json")).await.json()["changes"].clone();
    assert_eq!(changes.as_array().map(Vec::len), Some(2), "{changes}");
    let at = sample::START.plus(9 * 7 * sample::DAY).rfc3339();
    assert_eq!(changes[0]["at"], at.as_str());

    // One that a single server names is one case with it.
    let slash = store::issuer_id_of("https://slash-id.demo.example");
    let page = web.page(&format!("/issuers/{slash}")).await;
    assert!(page.contains("One server names this issuer"));
    let unknown = web.get("/issuers/iss_00000000000000000000000000").await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert_eq!(web.get("/issuers/x").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn figures_are_what_lists_count() {
    let web = filled().await;
    let all = |filter: TargetFilter| {
        let store = web.store.clone();
        async move {
            store
                .servers(&filter, &Page::first(500))
                .await
                .unwrap()
                .rows
        }
    };
    let rows = all(TargetFilter::default()).await;
    let stats = web.get("/stats.json").await.json();
    let adopted = &stats["adoption"]["adopted"];
    let s256 = rows
        .iter()
        .filter(|row| row.pkce.as_deref() == Some("s256"));
    assert_eq!(
        adopted["s256"]["n"].as_u64(),
        u64::try_from(s256.count()).ok()
    );
    let told = rows.iter().filter(|row| row.pkce.is_some()).count();
    assert_eq!(adopted["s256"]["of"].as_u64(), u64::try_from(told).ok());
    let good = rows.iter().filter(|row| row.letter == Some(GradeLetter::A));
    assert_eq!(
        stats["adoption"]["letters"]["A"]["n"].as_u64(),
        u64::try_from(good.count()).ok()
    );
    let radar = web.get("/radar.json").await.json();
    for (hazard, address) in [
        ("dcr_only", "/api/v1/servers?registration=dcr_only"),
        ("http_sse", "/api/v1/servers?era=http-sse"),
        ("legacy_root", "/api/v1/servers?class=legacy-oauth"),
    ] {
        let listed = web.get(address).await.json()["data"]
            .as_array()
            .map(Vec::len);
        let counted = radar["data"].as_array().and_then(|all| {
            let one = all.iter().find(|one| one["id"] == hazard)?;
            usize::try_from(one["figure"]["n"].as_i64()?).ok()
        });
        assert_eq!(counted, listed, "{hazard}");
    }
    let dictionary = rows.iter().find(|row| row.class == Some(Class::HttpSse));
    assert!(
        dictionary.is_some(),
        "the sample has one server of the old transport"
    );
    let page = web.page("/radar").await;
    assert!(page.contains("href=\"/servers?registration=dcr_only\""));
    assert!(page.contains("href=\"/servers.csv?era=http-sse\""));
}

#[tokio::test]
async fn trends_have_a_point_for_each_day_counted() {
    let web = filled().await;
    let series = web.get("/api/v1/stats/s256").await.json();
    let points = series["data"].as_array().expect("points").clone();
    assert_eq!(points.len(), 12, "a count a week");
    assert_eq!(points[0]["day"], "2026-09-01");
    assert!(
        points[0]["n"].as_i64() < points[11]["n"].as_i64(),
        "one learnt it"
    );
    let part = web
        .get("/api/v1/stats/s256?from=2026-09-08&to=2026-09-15")
        .await
        .json();
    assert_eq!(part["data"].as_array().map(Vec::len), Some(2));
    let csv = web.get("/api/v1/stats/s256?format=csv").await.text();
    assert_eq!(csv.lines().count(), 13);
    for (path, status) in [
        ("/api/v1/stats/none", 404),
        ("/api/v1/stats/s256?from=yesterday", 400),
        ("/api/v1/stats/s256?format=xml", 400),
        ("/radar.csv", 200),
        ("/stats.csv", 200),
        ("/servers?product=none", 400),
    ] {
        assert_eq!(web.get(path).await.status.as_u16(), status, "{path}");
    }
    let page = web.page("/stats").await;
    assert!(
        page.contains("Adoption over time, 1 Sept 2026")
            || page.contains("Adoption over time, 1 Sep 2026")
    );
    // Each chart has a name, a description and its numbers as a table.
    let charts = page.matches("role=\"img\" aria-labelledby=").count();
    assert!(charts >= 7, "{charts}");
    assert_eq!(page.matches("The same numbers as a table").count(), charts);
}

#[tokio::test]
async fn an_empty_index_has_no_figures_and_says_so() {
    let web = empty().await;
    assert!(web.page("/as").await.contains("metadata has been read"));
    let stats = web.page("/stats").await;
    assert!(stats.contains("Nothing has been scanned yet"));
    assert!(!stats.contains("NaN") && !stats.contains("—%"));
    sound("/radar", &web.page("/radar").await);
}

/// Sixty servers: shares with intervals, raw and by operator.
#[tokio::test]
async fn many_servers_have_shares_with_intervals() {
    let store = sample::empty().await;
    let world = sample::many();
    let targets = sample::targets(&world);
    sample::pass(&store, &world, &targets, sample::START).await;
    let issuers = store.issuers(None, &Page::first(50)).await.unwrap().rows;
    assert_eq!(issuers.len(), 20);
    assert!(
        issuers
            .iter()
            .all(|row| row.servers == 3 && row.told == Told::Document)
    );
    assert!(issuers.iter().any(|row| !row.features.has(Feature::Cimd)));
    let web = Web::new(store, Millis(sample::START.0 + sample::DAY), settings());
    let stats = web.get("/stats.json").await.json();
    assert_eq!(stats["adoption"]["suppressed"], false);
    let cimd = &stats["adoption"]["adopted"]["cimd"];
    assert_eq!(
        (cimd["n"].as_i64(), cimd["of"].as_i64()),
        (Some(45), Some(60))
    );
    assert_eq!(cimd["share"], 0.75);
    let ends = (cimd["low"].as_f64(), cimd["high"].as_f64());
    assert!(ends.0 > Some(0.62) && ends.1 < Some(0.85), "{ends:?}");
    assert_eq!(cimd["operators"], 7);
    let page = web.page("/stats").await;
    assert!(page.contains("75.0 %") && page.contains("class=\"ring\""));
    sound("/stats", &page);
    let page = web.page("/as").await;
    assert!(page.contains("15 of 20"), "the matrix and its first line");
    assert!(page.contains("95 % interval"));
    let auth0 = web.get("/api/v1/authorization-servers/auth0").await.json();
    assert_eq!(auth0["servers"], 12);
    assert_eq!(auth0["announces"]["cimd"]["n"], 3);
    let finding = &auth0["findings"][0];
    assert_eq!(finding["check"], "pkce-s256", "{auth0}");
    assert_eq!(finding["fail"], 3);
    assert_eq!(finding["acts"], "tenant");
    let page = web.page("/as/auth0").await;
    assert!(page.contains("A tenant can change") && page.contains("/issuers/iss_"));
    let listed = web
        .get("/api/v1/servers?product=auth0&failing=pkce-s256")
        .await;
    assert_eq!(listed.json()["data"].as_array().map(Vec::len), Some(3));
    let links = attributes(&web.page("/as/unrecognised").await, "href");
    assert_eq!(
        links.iter().filter(|l| l.starts_with("/issuers/")).count(),
        11
    );
}
