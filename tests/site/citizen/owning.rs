//! Proofs of hosts, and what they unlock.

use scanner::publish::Rules;

use super::*;

crate::db::on_both_engines! {
    an_owner_proves_and_goes_deeper,
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
    // Bad news waits for strangers; its owner reads it beforehand.
    db.store.publish_by(Rules::public());
    scene.fleet.change(|world| {
        for server in &mut world.authorization_servers {
            for document in [&mut server.oauth, &mut server.oidc].into_iter().flatten() {
                let members = document.as_object_mut().expect("an object");
                members.remove("code_challenge_methods_supported");
            }
        }
    });
    scene.clock.advance(2 * 86_400_000);
    assert_eq!(scene.tick().await, 1);
    let row = scene.server().await.expect("known");
    assert!(row.held_until.is_some(), "{row:?}");
    let text = scene.web().page(&place).await;
    assert!(text.contains("shown to you alone") && text.contains("pkce-advertised: "));
    let page = scene.web().page(&format!("/servers/{id}")).await;
    assert!(page.contains("A newer scan is held back"));
    assert!(!page.contains("shown to you alone"));

    scene.clock.advance(91 * 86_400_000);
    let late = form(
        &scene.web(),
        &format!("{place}/rescan"),
        &format!("server={id}"),
    )
    .await;
    assert_eq!(late.status, StatusCode::FORBIDDEN);
}
