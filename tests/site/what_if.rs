//! What a grade would be with some findings fixed: the page, the API and what they refuse.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::sample;
use crate::web::{self, Web, settings};

async fn filled() -> Web {
    let (store, now) = web::filled().await;
    Web::new(store, now.plus(sample::DAY), settings())
}

async fn scan_of(web: &Web, name: &str) -> String {
    let list = web.get(&format!("/api/v1/servers?q={name}")).await.json();
    list["data"][0]["scan"].as_str().expect("a scan").to_owned()
}

async fn supposed(web: &Web, scan: &str, fix: &str) -> Value {
    let got = web
        .get(&format!("/api/v1/scans/{scan}/what-if?fix={fix}"))
        .await;
    assert_eq!(got.status, StatusCode::OK, "{}", got.text());
    got.json()
}

#[tokio::test]
async fn a_link_answers_what_fixing_the_cap_would_do() {
    let web = filled().await;
    let scan = scan_of(&web, "crm").await;
    let plain = supposed(&web, &scan, "").await;
    assert_eq!(plain["now"]["letter"], "D");
    assert_eq!(plain["low"], plain["now"]);
    assert_eq!(plain["high"], plain["now"]);
    let path = &plain["path"];
    let fixes = path["fix"].as_array().expect("a list");
    assert!(fixes.contains(&json!("asm-issuer-identical")), "{path}");
    assert!(path["high"].as_str() < Some("D"), "{path}");

    let list = fixes.iter().filter_map(Value::as_str).collect::<Vec<_>>();
    let fixed = supposed(&web, &scan, &list.join(",")).await;
    assert_eq!(fixed["high"]["letter"], path["high"]);
    assert_eq!(fixed["low"]["letter"], path["low"]);
    let form = list.join("&fix=");
    assert_eq!(supposed(&web, &scan, &form).await, fixed, "as a form asks");

    let page = web
        .page(&format!("/scans/{scan}/what-if?fix={}", list.join(",")))
        .await;
    assert!(page.contains("Then at least"));
    assert!(page.contains("value=\"asm-issuer-identical\" id=\"f-asm-issuer-identical\" checked"));
    let twin = web
        .get(&format!(
            "/scans/{scan}/what-if.json?fix={}",
            list.join(",")
        ))
        .await;
    assert_eq!(twin.json(), fixed);
}

#[tokio::test]
async fn every_page_of_the_sample_says_how_to_go_up_or_why_not() {
    let web = filled().await;
    let list = web.get("/api/v1/servers?limit=100").await.json();
    let (mut ways, mut stuck) = (0, 0);
    for row in list["data"].as_array().expect("a list") {
        let Some(scan) = row["scan"].as_str() else {
            continue;
        };
        let answer = supposed(&web, scan, "").await;
        let page = web.page(&format!("/scans/{scan}/what-if")).await;
        if answer["path"].is_null() {
            stuck += 1;
            assert!(!page.contains("Next grade"), "{row}");
        } else {
            ways += 1;
            assert!(page.contains("Next grade"), "{row}");
            assert_eq!(answer["now"]["letter"], row["grade"]["letter"], "{row}");
        }
    }
    assert!(ways >= 3 && stuck >= 3, "{ways} ways, {stuck} without");
}

#[tokio::test]
async fn what_cannot_be_fixed_is_refused_by_name() {
    let web = filled().await;
    let scan = scan_of(&web, "crm").await;
    for (fix, says) in [
        ("prm-discoverable", "neither warns nor fails"),
        ("no-such-check", "is not the id of a check"),
        ("%3Cscript%3E", "is not the id of a check"),
    ] {
        let got = web
            .get(&format!("/api/v1/scans/{scan}/what-if?fix={fix}"))
            .await;
        assert_eq!(got.status, StatusCode::UNPROCESSABLE_ENTITY, "{fix}");
        let problem = got.json();
        assert_eq!(problem["type"], "/docs/problems/not-fixable");
        assert!(
            problem["detail"].as_str().unwrap().contains(says),
            "{problem}"
        );
        let page = web.get(&format!("/scans/{scan}/what-if?fix={fix}")).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{fix}");
        assert!(!page.text().contains("<script"), "{fix}");
    }
    let unknown = web
        .get("/scans/scn_00000000000000000000000000/what-if")
        .await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
}
