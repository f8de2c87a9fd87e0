//! Who is left out, what was sent, and who proved what, on both engines.

use store::ids::Kind;
use store::{Errand, Page, Sent, TargetFilter, Way};

use crate::db::TestDb;
use crate::kit::{add, file, listing};
use crate::report::{DAY, DAY_ONE, Sample};

crate::db::on_both_engines! {
    a_host_is_left_out_with_what_is_below_it,
    removal_leaves_nothing_and_the_numbers_agree,
    nothing_is_taken_in_of_who_is_hidden,
    what_was_sent_is_counted_and_noted,
    manners_and_refusals_are_kept,
    a_proof_unlocks_and_ends,
    deeper_scans_are_begun_once,
}

async fn a_host_is_left_out_with_what_is_below_it(db: &TestDb) {
    let store = &db.store;
    assert!(!store.left_out(DAY_ONE).await.unwrap().covers("a.example"));
    let until = Some(DAY_ONE.plus(30 * DAY));
    store
        .leave_out("Mcp.A.example", Way::Form, until, false, DAY_ONE)
        .await
        .unwrap();
    let left = store.left_out(DAY_ONE).await.unwrap();
    for (host, covered) in [
        ("mcp.a.example", true),
        ("mcp.a.example:8443", true),
        ("x.y.mcp.a.example.", true),
        ("a.example", false),
        ("xmcp.a.example", false),
    ] {
        assert_eq!(left.covers(host), covered, "{host}");
        assert!(!left.hides(host));
    }
    let later = store.left_out(DAY_ONE.plus(31 * DAY)).await.unwrap();
    assert!(!later.covers("mcp.a.example"), "an unproved wish ends");
    // For good, which a later and weaker wish does not shorten.
    store
        .leave_out("mcp.a.example", Way::Dns, None, true, DAY_ONE)
        .await
        .unwrap();
    store
        .leave_out("mcp.a.example", Way::Form, until, false, DAY_ONE)
        .await
        .unwrap();
    let later = store.left_out(DAY_ONE.plus(900 * DAY)).await.unwrap();
    assert!(later.covers("mcp.a.example") && later.hides("b.mcp.a.example"));
    assert_eq!(store.removals().await.unwrap(), ["mcp.a.example"]);
    assert!(store.take_in("mcp.a.example").await.unwrap());
    assert!(!store.take_in("mcp.a.example").await.unwrap());
    assert!(
        !store
            .left_out(DAY_ONE)
            .await
            .unwrap()
            .covers("mcp.a.example")
    );
}

async fn removal_leaves_nothing_and_the_numbers_agree(db: &TestDb) {
    let store = &db.store;
    let mut kept = Vec::new();
    for url in [
        "https://gone.example/mcp",
        "https://a.gone.example:8443/mcp",
        "https://notgone.example/mcp",
        "https://stays.example/mcp",
    ] {
        let (server, target) = add(store, url).await;
        for day in 0..3 {
            let sample = if day == 1 {
                Sample::oauth(url).without_pkce()
            } else {
                Sample::oauth(url)
            };
            file(store, target, &sample.at(DAY_ONE.plus(day * DAY))).await;
        }
        kept.push((server, url));
    }
    let entry = |name: &str, url: &str| store::Entry {
        name: name.into(),
        version: "1.0.0".into(),
        latest: true,
        deleted: false,
        changed: DAY_ONE,
        urls: vec![url.into()],
        text: format!("{{\"server\":{{\"name\":\"{name}\"}}}}"),
    };
    let passed_on = [
        entry("x/gone", "https://a.gone.example:8443/mcp"),
        entry("x/stays", "https://notgone.example/mcp"),
    ];
    store
        .keep_entries("registry", &passed_on, DAY_ONE)
        .await
        .unwrap();
    let before = store.facets().await.unwrap();
    assert_eq!(before.total, 4);
    store
        .leave_out("gone.example", Way::Form, None, true, DAY_ONE)
        .await
        .unwrap();
    assert_eq!(store.remove_host("gone.example", DAY_ONE).await.unwrap(), 2);
    // Its entry is not passed on any more, and not taken in again.
    for _ in 0..2 {
        let ask = store::EntryAsk {
            limit: 9,
            ..store::EntryAsk::default()
        };
        let names = store.entries(&ask).await.unwrap();
        let names: Vec<String> = names.into_iter().map(|entry| entry.name).collect();
        assert_eq!(names, ["x/stays"]);
        store
            .keep_entries("registry", &passed_on, DAY_ONE)
            .await
            .unwrap();
    }
    assert_eq!(store.removals().await.unwrap(), [""; 0]);
    for (server, url) in &kept {
        let stays = !url.contains("/gone") && !url.contains(".gone");
        let found = store.server(server).await.unwrap();
        assert_eq!(found.is_some(), stays, "{url}");
        assert_eq!(store.server_by_url(url).await.unwrap().is_some(), stays);
        assert_eq!(
            store.latest_scans(server, 9).await.unwrap().len(),
            if stays { 3 } else { 0 }
        );
    }
    let feed = store.changes(0, 100).await.unwrap();
    let order: Vec<i64> = feed.iter().map(|change| change.seq).collect();
    assert!(order.is_sorted_by(|a, b| a < b), "{order:?}");
    let stones: Vec<&str> = feed
        .iter()
        .filter(|change| change.kind == "removed")
        .map(|change| &change.server[..])
        .collect();
    assert_eq!(stones, [&kept[0].0, &kept[1].0], "ids are all that stays");
    let last = feed.last().map_or(0, |change| change.seq);
    assert!(store.changes(last, 9).await.unwrap().is_empty());
    assert_eq!(store.changes(last - 1, 9).await.unwrap().len(), 1);
    for change in feed {
        assert!(!change.url.contains("gone.example/") || change.url.contains("notgone"));
    }
    let facets = store.facets().await.unwrap();
    assert_eq!(facets.total, 2);
    let sum = |counts: &[(String, i64)]| counts.iter().map(|(_, n)| n).sum::<i64>();
    assert_eq!(sum(&facets.classes), 2);
    assert_eq!(sum(&facets.sources), 2);
    let totals = store.totals(DAY_ONE).await.unwrap();
    assert_eq!((totals.servers, totals.scanned, totals.scans), (2, 2, 6));
    for tally in store.tally().await.unwrap() {
        assert!(tally.pass >= 0 && tally.warn >= 0 && tally.fail >= 0);
        assert!(tally.pass + tally.warn + tally.fail <= 2, "{tally:?}");
    }
    let all = store
        .servers(&TargetFilter::default(), &Page::first(9))
        .await
        .unwrap();
    assert_eq!(all.rows.len(), 2);
    let searched = TargetFilter {
        q: Some("a.gone".into()),
        ..TargetFilter::default()
    };
    let found = store.servers(&searched, &Page::first(9)).await.unwrap();
    assert!(found.rows.is_empty());
    // Evidence that another server shares stays.
    let (scan, _) = &store.latest_scans(&kept[3].0, 1).await.unwrap()[0];
    assert!(store.evidence(scan).await.unwrap().is_some());
    assert_eq!(store.remove_host("gone.example", DAY_ONE).await.unwrap(), 0);
}

async fn nothing_is_taken_in_of_who_is_hidden(db: &TestDb) {
    let store = &db.store;
    store
        .leave_out("hidden.example", Way::Form, None, true, DAY_ONE)
        .await
        .unwrap();
    let rows = [
        listing("https://mcp.hidden.example/mcp", "hidden"),
        listing("https://seen.example/mcp", "seen"),
    ];
    let tally = store
        .add_listings("registry", &rows, DAY_ONE)
        .await
        .unwrap();
    assert_eq!(tally.added, 1);
    let hidden = "https://mcp.hidden.example/mcp";
    assert_eq!(store.server_by_url(hidden).await.unwrap(), None);
    // A wish is taken like any other; the worker removes it.
    store
        .add_listings(store::asked::SUBMISSION, &rows[..1], DAY_ONE)
        .await
        .unwrap();
    assert!(store.server_by_url(hidden).await.unwrap().is_some());
}

async fn what_was_sent_is_counted_and_noted(db: &TestDb) {
    let store = &db.store;
    let sent = Sent {
        requests: 3,
        sent_bytes: 400,
        read_bytes: 5_000,
        hosts: vec!["a.example".into(), "b.example".into()],
        refusals: 1,
        slowed: 1,
        stops: 0,
    };
    let errand = Errand {
        id: Kind::Scan.fresh(DAY_ONE),
        at: DAY_ONE,
        host: "a.example".into(),
        why: "scan".into(),
        lines: "[1]".into(),
    };
    store
        .note_sent(&sent, Some(&errand), DAY_ONE)
        .await
        .unwrap();
    store.note_sent(&sent, None, DAY_ONE.plus(1)).await.unwrap();
    store
        .note_sent(&sent, None, DAY_ONE.plus(DAY))
        .await
        .unwrap();
    let days = store.meter(DAY_ONE).await.unwrap();
    assert_eq!(days.len(), 2);
    assert_eq!((days[0].requests, days[1].requests), (3, 6));
    assert_eq!(
        (days[0].hosts, days[1].hosts),
        (2, 2),
        "each host once a day"
    );
    assert_eq!(
        (days[1].read_bytes, days[1].slowed, days[1].stops),
        (10_000, 2, 0)
    );
    assert_eq!(
        store.errand(&errand.id).await.unwrap(),
        Some(errand.clone())
    );
    assert_eq!(store.errand("scn_x").await.unwrap(), None);
    store.forget_notes(DAY_ONE.plus(91 * DAY)).await.unwrap();
    assert_eq!(store.errand(&errand.id).await.unwrap(), None);
    assert_eq!(
        store.meter(DAY_ONE).await.unwrap().len(),
        2,
        "the account stays"
    );
}

async fn manners_and_refusals_are_kept(db: &TestDb) {
    let store = &db.store;
    let host = "https://a.example";
    assert_eq!(store.manners(host).await.unwrap(), None);
    store.keep_manners(host, "{}", DAY_ONE).await.unwrap();
    store
        .keep_manners(host, "{1}", DAY_ONE.plus(5))
        .await
        .unwrap();
    let kept = store.manners(host).await.unwrap();
    assert_eq!(kept, Some((DAY_ONE.plus(5), "{1}".to_owned())));

    let url = "https://a.example/mcp";
    store.refused(url, Some("robots"), DAY_ONE).await.unwrap(); // nobody knows it
    let (server, target) = add(store, url).await;
    assert_eq!(store.awaited(url).await.unwrap(), Some((target, false)));
    store.refused(url, Some("robots"), DAY_ONE).await.unwrap();
    let refusal = store.refusal(&server).await.unwrap();
    assert_eq!(refusal, Some((DAY_ONE, "robots".to_owned())));
    store.refused(url, None, DAY_ONE).await.unwrap();
    assert_eq!(store.refusal(&server).await.unwrap(), None);

    let lease = store
        .lease_due(DAY_ONE, DAY_ONE.plus(DAY), 1)
        .await
        .unwrap()
        .remove(0);
    store
        .put_off(&lease, DAY_ONE.plus(DAY), DAY_ONE)
        .await
        .unwrap();
    let row = store.server(&server).await.unwrap().unwrap();
    assert_eq!(row.next_due, Some(DAY_ONE.plus(DAY)));
    assert_eq!(row.state, "queued", "it is no failure");
}

async fn a_proof_unlocks_and_ends(db: &TestDb) {
    let store = &db.store;
    let (server, _) = add(store, "https://own.example:8443/mcp").await;
    add(store, "https://own.example.org/mcp").await;
    let person = store.add_person("a@b", "secret", DAY_ONE).await.unwrap();
    assert_eq!(store.person("secret").await.unwrap(), Some(person.clone()));
    assert_eq!(store.person("other").await.unwrap(), None);
    store
        .add_claim(&person, "own.example", "tok", 0, DAY_ONE)
        .await
        .unwrap();
    store
        .add_claim(&person, "own.example", "another", 2, DAY_ONE)
        .await
        .unwrap();
    let claim = store.claims(&person).await.unwrap().remove(0);
    assert_eq!((claim.token.as_str(), claim.leave), ("tok", 2));
    assert_eq!(store.claims_of(&person.id).await.unwrap().len(), 1);
    assert!(!claim.holds(DAY_ONE));
    assert!(
        store
            .want_proof(&person, "own.example", 60_000, DAY_ONE)
            .await
            .unwrap()
    );
    assert!(
        !store
            .want_proof(&person, "own.example", 60_000, DAY_ONE)
            .await
            .unwrap()
    );
    assert_eq!(store.wanted_proofs(9).await.unwrap().len(), 1);
    let until = DAY_ONE.plus(90 * DAY);
    store
        .proof_seen(&claim, Ok(("dns", until)), DAY_ONE)
        .await
        .unwrap();
    assert_eq!(store.wanted_proofs(9).await.unwrap(), []);
    assert!(
        !store
            .want_proof(&person, "own.example", 60_000, DAY_ONE.plus(1))
            .await
            .unwrap()
    );
    let claim = store
        .claim_of(&person.id, "own.example")
        .await
        .unwrap()
        .unwrap();
    assert!(claim.holds(until.plus(-1)) && !claim.holds(until));
    assert_eq!(store.proved_hosts(DAY_ONE).await.unwrap(), ["own.example"]);
    assert_eq!(store.proved_hosts(until).await.unwrap(), [""; 0]);
    let servers = store.servers_on("own.example").await.unwrap();
    assert_eq!(servers.len(), 1, "{servers:?}");

    let long = format!("Hi\n<b>\u{7}{}", "ä".repeat(1_500));
    assert!(store.state(&server, &person, &long, DAY_ONE).await.unwrap());
    let said = store.statement(&server, DAY_ONE).await.unwrap().unwrap();
    assert!(said.text.starts_with("Hi\n<b>ä"));
    assert_eq!(said.text.chars().count(), store::STATEMENT_CHARS);
    assert_eq!(
        store.statement(&server, until).await.unwrap(),
        None,
        "with the proof"
    );

    store
        .proof_seen(&claim, Err("it is gone"), DAY_ONE.plus(2))
        .await
        .unwrap();
    assert_eq!(store.proved_hosts(DAY_ONE.plus(2)).await.unwrap(), [""; 0]);
    assert_eq!(
        store.statement(&server, DAY_ONE.plus(2)).await.unwrap(),
        None
    );
    let log = store.proof_log("own.example").await.unwrap();
    let log: Vec<(&str, &str)> = log
        .iter()
        .map(|(_, m, o)| (m.as_str(), o.as_str()))
        .collect();
    assert_eq!(log, [("", "it is gone"), ("dns", "proved")]);
    assert!(store.state(&server, &person, "", DAY_ONE).await.unwrap());
}

async fn deeper_scans_are_begun_once(db: &TestDb) {
    let store = &db.store;
    let (server, target) = add(store, "https://own.example/mcp").await;
    let person = store.add_person("", "s", DAY_ONE).await.unwrap();
    store
        .add_claim(&person, "own.example", "t", 0, DAY_ONE)
        .await
        .unwrap();
    let until = DAY_ONE.plus(3_600_000);
    assert!(
        store
            .go_deeper(&server, &person, until, DAY_ONE)
            .await
            .unwrap()
    );
    store
        .want_proof(&person, "own.example", 0, DAY_ONE)
        .await
        .unwrap();
    assert_eq!(
        store.deeper_ready(DAY_ONE).await.unwrap(),
        [""; 0],
        "the proof is looked at first"
    );
    let claim = store.wanted_proofs(1).await.unwrap().remove(0);
    store
        .proof_seen(&claim, Ok(("file", until)), DAY_ONE)
        .await
        .unwrap();
    assert_eq!(
        store.deeper_ready(DAY_ONE).await.unwrap(),
        std::slice::from_ref(&server)
    );
    assert_eq!(
        store.deeper_ready(until).await.unwrap(),
        [""; 0],
        "too late"
    );
    assert_eq!(store.take_deeper(target, until).await.unwrap(), None);
    assert_eq!(
        store.take_deeper(target, DAY_ONE).await.unwrap(),
        Some(person.id.clone())
    );
    assert_eq!(
        store.take_deeper(target, DAY_ONE).await.unwrap(),
        None,
        "once"
    );

    store
        .keep_private(target, &person.id, "{\"a\":1}", DAY_ONE)
        .await
        .unwrap();
    let other = store.add_person("", "s2", DAY_ONE).await.unwrap();
    assert_eq!(store.private_result(&server, &other).await.unwrap(), None);
    let kept = store.private_result(&server, &person).await.unwrap();
    assert_eq!(kept, Some((DAY_ONE, "{\"a\":1}".to_owned())));
    // The bystander has proved nothing and is forgotten; the owner is not.
    store.forget_notes(DAY_ONE.plus(8 * DAY)).await.unwrap();
    assert_eq!(store.person("s2").await.unwrap(), None);
    assert!(store.person("s").await.unwrap().is_some());
}
