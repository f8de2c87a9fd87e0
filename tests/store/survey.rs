//! Authorization servers and adoption: kept when a scan is filed, renewed from evidence, and
//! counted.

use scanner::time::Millis;
use store::{Feature, Measured, Page, Store, TargetFilter, Told, UNRECOGNISED};
use tokio::sync::watch;

use crate::db::{TestDb, on_both_engines};
use crate::kit::{add, file};
use crate::report::{DAY, DAY_ONE, Manner, Sample};

on_both_engines!(
    issuers_are_known_by_the_servers_that_name_them,
    a_document_changes_with_its_newest_sighting,
    an_issuer_goes_with_its_last_server,
    lists_of_issuers_join_and_refuse_other_cursors,
    what_was_filed_before_is_read_again,
    counts_are_kept_by_day_and_read_where_the_index_is_large,
);

const A: &str = "https://one.example/a";
const B: &str = "https://one.example/b";
const ISSUER: &str = "https://id.one.example";

async fn servers(store: &Store, filter: TargetFilter) -> Vec<String> {
    let rows = store.servers(&filter, &Page::first(50)).await.unwrap().rows;
    let mut urls: Vec<String> = rows.into_iter().map(|row| row.url).collect();
    urls.sort();
    urls
}

/// `n`, `of`, thousandths of operators, and operators.
fn value(measured: &Measured, population: &str, series: &str, value: &str) -> (i64, i64, i64, i64) {
    let row = measured
        .find(population, series, value)
        .unwrap_or_else(|| panic!("no {population} {series} {value}"));
    (row.n, row.of, row.share, row.operators)
}

async fn issuers_are_known_by_the_servers_that_name_them(db: &TestDb) {
    let store = &db.store;
    for url in [A, B] {
        let (_, target) = add(store, url).await;
        file(store, target, &Sample::oauth(url)).await;
    }
    let (_, other) = add(store, "https://open.example/mcp").await;
    file(
        store,
        other,
        &Sample::oauth("https://open.example/mcp").manner(Manner::Open),
    )
    .await;

    let id = store::issuer_id_of(ISSUER);
    let issuer = store.issuer(&id).await.unwrap().expect("named twice");
    assert_eq!(issuer.id, id);
    assert_eq!(issuer.issuer, ISSUER);
    assert_eq!(issuer.host, "id.one.example");
    assert_eq!(issuer.product, UNRECOGNISED);
    assert_eq!(issuer.told, Told::Document);
    assert_eq!(issuer.servers, 2);
    assert_eq!(issuer.first_seen, DAY_ONE);
    for feature in [
        Feature::Dcr,
        Feature::Cimd,
        Feature::S256,
        Feature::Iss,
        Feature::SameIssuer,
    ] {
        assert!(issuer.features.has(feature), "{}", feature.as_str());
    }
    assert!(!issuer.features.has(Feature::Signed));
    let scan = issuer.scan.expect("a scan that holds the document");
    assert!(store.evidence(&scan).await.unwrap().is_some());

    for asked in [id.as_str(), ISSUER] {
        let filter = TargetFilter {
            issuer: Some(asked.into()),
            ..TargetFilter::default()
        };
        assert_eq!(servers(store, filter).await, [A, B], "{asked}");
    }
    let nobody = TargetFilter {
        issuer: Some("https://nobody.example".into()),
        ..TargetFilter::default()
    };
    assert_eq!(servers(store, nobody).await, [""; 0]);
    let product = TargetFilter {
        product: Some(UNRECOGNISED.into()),
        ..TargetFilter::default()
    };
    assert_eq!(servers(store, product).await, [A, B]);
    assert_eq!(
        store.facets().await.unwrap().products,
        [(UNRECOGNISED.to_owned(), 2)]
    );
    let server = store.server_by_url(A).await.unwrap().unwrap();
    let named = store.issuers_of(&server.id).await.unwrap();
    assert_eq!(named.len(), 1);
    assert_eq!(named[0].issuer, ISSUER);
}

async fn a_document_changes_with_its_newest_sighting(db: &TestDb) {
    let store = &db.store;
    let (_, a) = add(store, A).await;
    let (_, b) = add(store, B).await;
    let mut sample = Sample::oauth(A);
    file(store, a, &sample).await;
    sample.cimd = false;
    sample.at = DAY_ONE.plus(2 * DAY);
    file(store, a, &sample).await;
    // Older evidence of another server comes later, and moves nothing back.
    file(store, b, &Sample::oauth(B).at(DAY_ONE.plus(DAY))).await;

    let id = store::issuer_id_of(ISSUER);
    let issuer = store.issuer(&id).await.unwrap().unwrap();
    assert!(!issuer.features.has(Feature::Cimd));
    assert!(issuer.features.has(Feature::Dcr));
    assert_eq!(issuer.changed_at, DAY_ONE.plus(2 * DAY));
    assert_eq!(issuer.servers, 2);
    let changes = store.issuer_changes(&id).await.unwrap();
    let seen: Vec<(Millis, bool)> = changes
        .iter()
        .map(|change| (change.at, change.features.has(Feature::Cimd)))
        .collect();
    assert_eq!(
        seen,
        [(DAY_ONE.plus(2 * DAY), false), (DAY_ONE, true)],
        "newest first"
    );
    for change in &changes {
        let scan = change.scan.as_deref().expect("kept");
        assert!(store.evidence(scan).await.unwrap().is_some());
    }
    // A server that cannot be reached says nothing of its issuer.
    file(
        store,
        a,
        &Sample::oauth(A)
            .manner(Manner::Down)
            .at(DAY_ONE.plus(3 * DAY)),
    )
    .await;
    let issuer = store.issuer(&id).await.unwrap().expect("b names it");
    assert_eq!((issuer.told, issuer.servers), (Told::Document, 1));
    assert_eq!(store.issuer_changes(&id).await.unwrap().len(), 2);
}

async fn an_issuer_goes_with_its_last_server(db: &TestDb) {
    let store = &db.store;
    let (_, a) = add(store, A).await;
    file(store, a, &Sample::oauth(A)).await;
    let id = store::issuer_id_of(ISSUER);
    assert!(store.issuer(&id).await.unwrap().is_some());
    let open = Sample::oauth(A).manner(Manner::Open).at(DAY_ONE.plus(DAY));
    file(store, a, &open).await;
    assert_eq!(store.issuer(&id).await.unwrap(), None);
    assert_eq!(store.facets().await.unwrap().products, []);
    store.roll_up(DAY_ONE.plus(DAY)).await.unwrap();
    assert_eq!(store.issuer_changes(&id).await.unwrap(), []);

    // A server removed behind the store's back leaves no wrong number after the next count.
    file(store, a, &Sample::oauth(A).at(DAY_ONE.plus(2 * DAY))).await;
    db.execute("DELETE FROM target_issuer").await;
    db.execute("UPDATE target SET product = NULL").await;
    assert_eq!(store.issuer(&id).await.unwrap(), None);
    store.roll_up(DAY_ONE.plus(2 * DAY)).await.unwrap();
    assert_eq!(store.issuer_changes(&id).await.unwrap(), []);
    assert_eq!(store.facets().await.unwrap().products, []);
}

async fn lists_of_issuers_join_and_refuse_other_cursors(db: &TestDb) {
    let store = &db.store;
    for n in 0..5 {
        let url = format!("https://s{n}.example/mcp");
        let (_, target) = add(store, &url).await;
        file(store, target, &Sample::oauth(&url)).await;
    }
    for url in [A, B] {
        let (_, target) = add(store, url).await;
        file(store, target, &Sample::oauth(url)).await;
    }
    let whole = store.issuers(None, &Page::first(50)).await.unwrap();
    assert_eq!((whole.rows.len(), whole.next), (6, None));
    assert_eq!(whole.rows[0].issuer, ISSUER, "the one that most name");
    let mut page = Page::first(2);
    let mut parts = Vec::new();
    loop {
        let part = store.issuers(Some(UNRECOGNISED), &page).await.unwrap();
        parts.extend(part.rows);
        let Some(next) = part.next else { break };
        page.after = Some(next);
    }
    assert_eq!(parts, whole.rows);
    let none = store.issuers(Some("keycloak"), &Page::first(9)).await;
    assert_eq!(none.unwrap().rows, []);
    page.after = Some("nonsense".into());
    assert!(matches!(
        store.issuers(None, &page).await,
        Err(store::StoreError::Cursor)
    ));
}

async fn what_was_filed_before_is_read_again(db: &TestDb) {
    let store = &db.store;
    for url in [A, B] {
        let (_, target) = add(store, url).await;
        file(store, target, &Sample::oauth(url)).await;
    }
    let id = store::issuer_id_of(ISSUER);
    let before = store.issuer(&id).await.unwrap();
    let counts = store.measured(DAY_ONE).await.unwrap();
    // As it was before there was a survey.
    for table in [
        "DELETE FROM survey",
        "DELETE FROM target_issuer",
        "DELETE FROM issuer_change",
        "DELETE FROM issuer",
        "UPDATE target SET product = NULL",
        "DELETE FROM counter WHERE kind = 'product'",
    ] {
        db.execute(table).await;
    }
    assert_eq!(store.issuer(&id).await.unwrap(), None);
    let (_stop, go_on) = watch::channel(false);
    assert_eq!(store.renew_survey(&go_on).await.unwrap(), 2);
    assert_eq!(store.issuer(&id).await.unwrap(), before);
    assert_eq!(store.measured(DAY_ONE).await.unwrap(), counts);
    assert_eq!(
        store.facets().await.unwrap().products,
        [(UNRECOGNISED.to_owned(), 2)]
    );
    assert_eq!(
        store.renew_survey(&go_on).await.unwrap(),
        0,
        "nothing lacks"
    );
    // What an earlier version of the program read is read again as well.
    db.execute("UPDATE survey SET version = 0").await;
    let (_stop, stopped) = watch::channel(true);
    assert_eq!(store.renew_survey(&stopped).await.unwrap(), 0);
    assert_eq!(store.renew_survey(&go_on).await.unwrap(), 2);
}

async fn counts_are_kept_by_day_and_read_where_the_index_is_large(db: &TestDb) {
    let store = &db.store;
    let urls = [A, B, "https://two.example/mcp"];
    for (n, url) in urls.into_iter().enumerate() {
        let (_, target) = add(store, url).await;
        let mut sample = Sample::oauth(url);
        sample.cimd = n > 0;
        sample.pkce = n < 2;
        file(store, target, &sample).await;
    }
    let (_, down) = add(store, "https://down.example/mcp").await;
    file(
        store,
        down,
        &Sample::oauth("https://down.example/mcp").manner(Manner::Down),
    )
    .await;
    let now = store.measured(DAY_ONE).await.unwrap();
    assert_eq!(now.at, Some(DAY_ONE));
    assert_eq!(value(&now, "all", "rfc9728", "yes"), (3, 3, 2000, 2));
    assert_eq!(value(&now, "all", "cimd", "yes"), (2, 3, 1500, 2));
    assert_eq!(value(&now, "all", "s256", "yes"), (2, 3, 1000, 2));
    assert_eq!(value(&now, "all", "dcr_only", "yes").0, 1);
    assert_eq!(value(&now, "all", "class", "unreachable"), (1, 4, 1000, 3));
    assert_eq!(value(&now, "issuer", "dcr", "all").1, 2, "issuers");
    let lacking = value(&now, "fail", "pkce-advertised", UNRECOGNISED);
    assert_eq!((lacking.0, lacking.1), (1, 3));

    let generation = store.generation().await.unwrap();
    store.roll_up(DAY_ONE).await.unwrap();
    assert!(
        store.generation().await.unwrap() > generation,
        "pages follow"
    );
    store.roll_up(DAY_ONE.plus(3_600_000)).await.unwrap();
    store.roll_up(DAY_ONE.plus(DAY)).await.unwrap();
    let days: Vec<i64> = store
        .trend("cimd", 0, i64::MAX)
        .await
        .unwrap()
        .into_iter()
        .map(|point| {
            assert_eq!((point.measure.n, point.measure.of), (2, 3));
            point.day
        })
        .collect();
    let first = DAY_ONE.0 / DAY;
    assert_eq!(days, [first, first + 1], "one row a day");
    assert_eq!(
        store
            .trend("cimd", first + 1, first + 1)
            .await
            .unwrap()
            .len(),
        1
    );
    assert_eq!(store.trend("no such", 0, 9).await.unwrap(), []);

    // A large index is not counted while somebody waits.
    db.execute("UPDATE counter SET n = 5000 WHERE kind = 'total' AND value = 'scanned'")
        .await;
    let kept = store.measured(DAY_ONE.plus(9 * DAY)).await.unwrap();
    assert_eq!(kept.at, Some(DAY_ONE.plus(DAY)));
    assert_eq!(kept.rows, now.rows);
    db.execute("DELETE FROM rollup").await;
    assert_eq!(store.measured(DAY_ONE).await.unwrap(), Measured::default());
}
