//! Who asked to be left out is like who was never known.

use super::*;

crate::db::on_both_engines! {
    a_host_leaves_without_a_trace,
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
