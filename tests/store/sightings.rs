//! What sources say of a server over time, and what they no longer list.

use scanner::time::Millis;
use store::{NewListing, Page, Reading, TargetFilter};

use crate::db::{TestDb, on_both_engines};
use crate::kit::listing;
use crate::report::{DAY, DAY_ONE};

on_both_engines!(
    every_statement_is_kept_with_its_times,
    what_a_whole_reading_lacks_is_no_longer_listed,
    a_fifth_missing_is_believed_when_another_reading_agrees,
    only_what_both_readings_lack_is_agreed_upon,
    another_source_keeps_a_server_listed,
);

fn day(n: i64) -> Millis {
    DAY_ONE.plus(n * DAY)
}

fn rows(range: std::ops::Range<u32>) -> Vec<NewListing> {
    range
        .map(|n| listing(&format!("https://s{n}.example/mcp"), &format!("Server {n}")))
        .collect()
}

async fn listed(db: &TestDb) -> usize {
    let mut page = Page::first(500);
    let mut listed = 0;
    loop {
        let list = db
            .store
            .servers(&TargetFilter::default(), &page)
            .await
            .unwrap();
        listed += list.rows.iter().filter(|row| row.listed).count();
        let Some(next) = list.next else { return listed };
        page.after = Some(next);
    }
}

/// Reads a source whole on a day: all of these, and nothing else.
async fn whole(db: &TestDb, n: i64, rows: &[NewListing], believe: bool) -> Reading {
    db.store
        .add_listings("registry", rows, day(n))
        .await
        .unwrap();
    let reading = db
        .store
        .reading_complete("registry", day(n), believe, day(n));
    reading.await.unwrap()
}

async fn every_statement_is_kept_with_its_times(db: &TestDb) {
    let url = "https://a.example/mcp";
    let mut row = listing(url, "A");
    let add = async |row: &NewListing, n: i64| {
        let rows = std::slice::from_ref(row);
        db.store
            .add_listings("registry", rows, day(n))
            .await
            .unwrap();
    };
    row.target.listing.as_mut().unwrap().transport = Some("sse".into());
    add(&row, 0).await;
    add(&row, 1).await;
    let stated = row.target.listing.as_mut().unwrap();
    stated.transport = Some("streamable-http".into());
    stated.auth = Some("oauth".into());
    stated.declared_headers = vec!["X-Team".into()];
    add(&row, 2).await;
    add(&row, 3).await;
    db.store
        .add_listings("list", &[listing(url, "B")], day(1))
        .await
        .unwrap();
    let server = db.store.server_by_url(url).await.unwrap().unwrap();
    let seen = db.store.sightings(&server.id).await.unwrap();
    let times: Vec<_> = seen
        .iter()
        .map(|one| {
            let said = &one.listing;
            (
                said.source.as_str(),
                said.transport.as_deref(),
                one.first_seen,
                one.last_seen,
                one.latest,
            )
        })
        .collect();
    assert_eq!(
        times[0],
        ("registry", Some("streamable-http"), day(2), day(3), true)
    );
    assert!(times.contains(&("registry", Some("sse"), day(0), day(1), false)));
    assert!(times.contains(&("list", None, day(1), day(1), true)));
    assert_eq!(times.len(), 3);
    assert_eq!(seen[0].listing.auth.as_deref(), Some("oauth"));
    assert_eq!(seen[0].listing.declared_headers, ["X-Team"]);
    assert!(seen.iter().all(|one| one.gone.is_none()));
    assert_eq!(db.store.sightings("srv_nonsense").await.unwrap(), []);
}

async fn what_a_whole_reading_lacks_is_no_longer_listed(db: &TestDb) {
    // More than one transaction's worth goes.
    whole(db, 0, &rows(0..3_200), false).await;
    assert_eq!(listed(db).await, 3_200);
    let generation = db.store.totals(day(0)).await.unwrap().generation;
    let reading = whole(db, 7, &rows(600..3_200), false).await;
    let expected = Reading {
        listed: 3_200,
        missing: 600,
        gone: 600,
        doubted: false,
    };
    assert_eq!(reading, expected);
    assert_eq!(listed(db).await, 2_600);
    assert!(db.store.totals(day(7)).await.unwrap().generation > generation);
    let url = "https://s1.example/mcp";
    let server = db.store.server_by_url(url).await.unwrap().unwrap();
    assert!(!server.listed);
    assert!(server.next_due.is_some(), "still scanned for two weeks");
    let seen = &db.store.sightings(&server.id).await.unwrap()[0];
    assert_eq!((seen.last_seen, seen.gone), (day(0), Some(day(7))));

    // It comes back with the same words: listed again, and the gap stays visible.
    let tally = db
        .store
        .add_listings("registry", &rows(1..2), day(9))
        .await
        .unwrap();
    assert_eq!((tally.added, tally.updated, tally.known), (0, 1, 0));
    let server = db.store.server_by_url(url).await.unwrap().unwrap();
    assert!(server.listed);
    let seen = db.store.sightings(&server.id).await.unwrap();
    let times: Vec<_> = seen
        .iter()
        .map(|one| (one.first_seen, one.last_seen, one.gone))
        .collect();
    assert_eq!(times, [(day(9), day(9), None), (day(0), day(0), None)]);
    let facets = db.store.facets().await.unwrap();
    assert_eq!(
        facets.sources,
        [("registry".to_owned(), 3_200)],
        "counted once"
    );
}

async fn a_fifth_missing_is_believed_when_another_reading_agrees(db: &TestDb) {
    whole(db, 0, &rows(0..10), false).await;
    let first = whole(db, 7, &rows(0..7), false).await;
    assert_eq!((first.missing, first.gone, first.doubted), (3, 0, true));
    assert_eq!(listed(db).await, 10, "not believed");
    let again = db
        .store
        .reading_complete("registry", day(7), false, day(8))
        .await
        .unwrap();
    assert!(again.doubted, "a reading does not agree with itself");
    assert_eq!(listed(db).await, 10);
    let second = whole(db, 14, &rows(0..7), false).await;
    assert_eq!((second.gone, second.doubted), (3, false));
    assert_eq!(listed(db).await, 7);

    let nothing = whole(db, 21, &[], false).await;
    assert!(nothing.doubted);
    assert_eq!(listed(db).await, 7, "an empty answer delists nobody");
    let told = whole(db, 22, &rows(0..1), true).await;
    assert_eq!((told.gone, told.doubted), (6, false));
    assert_eq!(listed(db).await, 1);
}

async fn only_what_both_readings_lack_is_agreed_upon(db: &TestDb) {
    whole(db, 0, &rows(0..10), false).await;
    assert!(whole(db, 7, &rows(3..10), false).await.doubted);
    // 0 comes back, 1 and 2 stay away, and now 3 to 6 are missing, too.
    let mut later = rows(7..10);
    later.extend(rows(0..1));
    let reading = whole(db, 14, &later, false).await;
    assert_eq!(
        (reading.missing, reading.gone, reading.doubted),
        (6, 2, true)
    );
    assert_eq!(listed(db).await, 8);
    let healed = whole(db, 21, &rows(0..10), false).await;
    assert_eq!((healed.missing, healed.doubted), (0, false));
    assert_eq!(listed(db).await, 10);
}

async fn another_source_keeps_a_server_listed(db: &TestDb) {
    whole(db, 0, &rows(0..10), false).await;
    db.store
        .add_listings("list", &rows(0..1), day(0))
        .await
        .unwrap();
    let reading = whole(db, 7, &rows(2..10), false).await;
    assert_eq!(reading.gone, 2);
    assert_eq!(listed(db).await, 9);
    let server = db
        .store
        .server_by_url("https://s0.example/mcp")
        .await
        .unwrap()
        .unwrap();
    assert!(server.listed);
    let (_, target) = db.store.target_of(&server.id).await.unwrap().unwrap();
    assert_eq!(
        target.listing.unwrap().source,
        "list",
        "the one that still says so"
    );
}
