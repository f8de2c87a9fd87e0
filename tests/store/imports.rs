//! Importing what sources list.

use store::{ImportTally, NewListing, Page, Store, TargetFilter};

use crate::db::{TestDb, on_both_engines};
use crate::kit::{file, listing};
use crate::report::{DAY, DAY_ONE, Sample};

on_both_engines!(
    imports_are_idempotent,
    imports_of_many_rows_are_batched,
    several_names_are_one_server,
    delisted_servers_are_marked_and_left_alone,
    hostile_listings_are_harmless,
    two_processes_may_import_the_same,
    lists_ask_for_less,
    a_wish_is_no_listing,
);

async fn imports_are_idempotent(db: &TestDb) {
    let rows = [
        listing("https://a.example/mcp", "A"),
        listing("https://b.example/mcp", "B"),
    ];
    let import = || db.store.add_listings("registry", &rows, DAY_ONE);
    let expected = |added, known, updated| ImportTally {
        added,
        known,
        updated,
    };
    assert_eq!(import().await.unwrap(), expected(2, 0, 0));
    let generation = db.store.totals(DAY_ONE).await.unwrap().generation;
    assert_eq!(import().await.unwrap(), expected(0, 2, 0));
    let totals = db.store.totals(DAY_ONE).await.unwrap();
    assert_eq!(totals.generation, generation, "nothing new, nothing stale");
    assert_eq!(totals.servers, 2);

    let mut newer = rows.clone();
    newer[0].target.listing.as_mut().unwrap().version = Some("2.0.0".into());
    let tally = db.store.add_listings("registry", &newer, DAY_ONE).await;
    assert_eq!(tally.unwrap(), expected(0, 1, 1));
    let server = db
        .store
        .server_by_url("https://a.example/mcp")
        .await
        .unwrap()
        .unwrap();
    let (_, target) = db.store.target_of(&server.id).await.unwrap().unwrap();
    assert_eq!(target.listing.unwrap().version.as_deref(), Some("2.0.0"));

    let facets = db.store.facets().await.unwrap();
    assert_eq!(facets.sources, [("registry".to_owned(), 2)]);
    assert_eq!(facets.total, 2);
}

async fn imports_of_many_rows_are_batched(db: &TestDb) {
    let rows: Vec<NewListing> = (0..1_203)
        .map(|n| listing(&format!("https://s{n}.example/mcp"), &format!("Server {n}")))
        .collect();
    let tally = db
        .store
        .add_listings("registry", &rows, DAY_ONE)
        .await
        .unwrap();
    assert_eq!(tally.added, 1_203);
    assert_eq!(db.store.totals(DAY_ONE).await.unwrap().queue, 1_203);
    let mut seen = Vec::new();
    let mut page = Page::first(500);
    loop {
        let list = db
            .store
            .servers(&TargetFilter::default(), &page)
            .await
            .unwrap();
        seen.extend(list.rows.into_iter().map(|row| row.url));
        let Some(next) = list.next else { break };
        page.after = Some(next);
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 1_203);
}

async fn several_names_are_one_server(db: &TestDb) {
    let url = "https://a.example/mcp";
    let rows = [
        listing(url, "Zebra"),
        listing(url, "Ant"),
        listing(url, "Ant"),
    ];
    let tally = db
        .store
        .add_listings("registry", &rows, DAY_ONE)
        .await
        .unwrap();
    assert_eq!((tally.added, tally.updated, tally.known), (1, 1, 1));
    let more = [listing(url, "Other source")];
    let tally = db.store.add_listings("dump", &more, DAY_ONE).await.unwrap();
    assert_eq!((tally.added, tally.updated), (0, 1));
    let server = db.store.server_by_url(url).await.unwrap().unwrap();
    assert_eq!(
        server.name.as_deref(),
        Some("Ant"),
        "of the registry, first by name"
    );
    assert_eq!(server.sources, ["dump", "registry"]);
    assert_eq!(server.state, "queued");
    for q in ["zebra", "Other S"] {
        let filter = TargetFilter {
            q: Some(q.into()),
            ..TargetFilter::default()
        };
        let found = db.store.servers(&filter, &Page::first(10)).await.unwrap();
        assert_eq!(found.rows.len(), 1, "{q}");
    }
}

async fn delisted_servers_are_marked_and_left_alone(db: &TestDb) {
    let url = "https://a.example/mcp";
    let mut row = listing(url, "A");
    db.store
        .add_listings("registry", &[row.clone()], DAY_ONE)
        .await
        .unwrap();
    row.target.listing.as_mut().unwrap().status = Some("deleted".into());
    db.store
        .add_listings("registry", &[row.clone()], DAY_ONE)
        .await
        .unwrap();
    let server = db.store.server_by_url(url).await.unwrap().unwrap();
    assert!(!server.listed);
    assert!(server.next_due.is_some(), "still scanned for two weeks");

    let (target, _) = db.store.target_of(&server.id).await.unwrap().unwrap();
    file(
        &db.store,
        target,
        &Sample::oauth(url).at(DAY_ONE.plus(15 * DAY)),
    )
    .await;
    let server = db.store.server_by_url(url).await.unwrap().unwrap();
    assert_eq!(server.next_due, None);

    row.target.listing.as_mut().unwrap().status = Some("active".into());
    db.store
        .add_listings("registry", &[row], DAY_ONE)
        .await
        .unwrap();
    let server = db.store.server_by_url(url).await.unwrap().unwrap();
    assert!(server.listed);
}

async fn hostile_listings_are_harmless(db: &TestDb) {
    let name = format!(
        "\0'; DROP TABLE target; --\u{202e}%_\\{}",
        "x".repeat(5_000)
    );
    let row = listing("https://a.example/mcp?q='%27--", &name);
    db.store
        .add_listings("regis\0try", &[row], DAY_ONE)
        .await
        .unwrap();
    let list = db
        .store
        .servers(&TargetFilter::default(), &Page::first(10))
        .await
        .unwrap();
    let shown = list.rows[0].name.clone().unwrap();
    assert!(!shown.contains('\0'));
    assert!(shown.chars().count() <= 300);
    for q in [
        "%",
        "_",
        "\\",
        "'",
        "100%",
        "\0\0\0",
        "%%%%",
        "drop table",
        "x_x",
    ] {
        let filter = TargetFilter {
            q: Some(q.into()),
            source: Some("no'source\0".replace('\0', "")),
            ..TargetFilter::default()
        };
        let none = db.store.servers(&filter, &Page::first(10)).await.unwrap();
        assert!(none.rows.is_empty());
    }
    let nul = listing("https://b.example/\0", "B");
    let error = db
        .store
        .add_listings("registry", &[nul], DAY_ONE)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("NUL"), "{error}");
}

async fn two_processes_may_import_the_same(db: &TestDb) {
    let rows: Vec<NewListing> = (0..900)
        .map(|n| listing(&format!("https://s{n}.example/mcp"), "S"))
        .collect();
    let mut imports = tokio::task::JoinSet::new();
    for (n, source) in ["registry", "registry", "dump", "dump"]
        .into_iter()
        .enumerate()
    {
        let (url, mut rows) = (db.url.clone(), rows.clone());
        rows.rotate_left(n * 200);
        imports.spawn(async move {
            let store = Store::open(&url).await.unwrap();
            let tally = store.add_listings(source, &rows, DAY_ONE).await.unwrap();
            store.close().await;
            assert_eq!(tally.added + tally.known + tally.updated, 900);
            tally.added
        });
    }
    let added: u64 = imports.join_all().await.into_iter().sum();
    assert_eq!(added, 900);
    let totals = db.store.totals(DAY_ONE).await.unwrap();
    assert_eq!((totals.servers, totals.queue), (900, 900));
    let facets = db.store.facets().await.unwrap();
    assert_eq!(
        facets.sources,
        [("dump".to_owned(), 900), ("registry".to_owned(), 900)]
    );
    for source in ["registry", "dump"] {
        let filter = TargetFilter {
            source: Some(source.into()),
            ..TargetFilter::default()
        };
        let list = db.store.servers(&filter, &Page::first(500)).await.unwrap();
        assert!(
            list.rows
                .iter()
                .all(|row| row.sources == ["dump", "registry"])
        );
    }
}

async fn lists_ask_for_less(db: &TestDb) {
    let url = "https://a.example/mcp";
    let asking = |name: &str, depth: Option<&str>, interval_ms| {
        let mut row = listing(url, name);
        let stated = row.target.listing.as_mut().unwrap();
        stated.depth = depth.map(str::to_owned);
        stated.interval_ms = interval_ms;
        row
    };
    let rows = [asking("A", None, None)];
    db.store
        .add_listings("registry", &rows, DAY_ONE)
        .await
        .unwrap();
    let server = db.store.server_by_url(url).await.unwrap().unwrap();
    let asked = || async {
        let (_, target) = db.store.target_of(&server.id).await.unwrap().unwrap();
        let listing = target.listing.unwrap();
        (listing.source, listing.depth, listing.interval_ms)
    };
    assert_eq!(asked().await, ("registry".into(), None, None));
    for (source, depth, interval) in [("x", "standard", 5 * DAY), ("y", "passive", 2 * DAY)] {
        let rows = [asking("A", Some(depth), Some(interval))];
        db.store.add_listings(source, &rows, DAY_ONE).await.unwrap();
    }
    // What is shown stays the registry's statement; what is asked for is the least of all.
    let least = ("registry".into(), Some("passive".into()), Some(5 * DAY));
    assert_eq!(asked().await, least);
    let leased = db
        .store
        .lease_due(DAY_ONE, DAY_ONE.plus(DAY), 1)
        .await
        .unwrap();
    let target = &leased[0].target;
    assert_eq!(target.interval_ms(DAY), 5 * DAY);
    assert_eq!(
        target.depth(scanner::evidence::Depth::Standard),
        scanner::evidence::Depth::Passive
    );
    let said = db.store.sightings(&server.id).await.unwrap();
    let own: Vec<_> = said
        .iter()
        .map(|one| one.listing.depth.as_deref())
        .collect();
    assert!(
        own.contains(&None) && own.contains(&Some("standard")),
        "{own:?}"
    );
    // A source that ceases to list it asks for nothing any more.
    db.store
        .reading_complete("x", DAY_ONE.plus(DAY), true, DAY_ONE.plus(DAY))
        .await
        .unwrap();
    assert_eq!(asked().await.2, Some(2 * DAY));
}

async fn a_wish_is_no_listing(db: &TestDb) {
    use store::asked::SUBMISSION;
    let url = "https://a.example/mcp";
    let rows = [listing(url, "A")];
    db.store
        .add_listings(SUBMISSION, &rows, DAY_ONE)
        .await
        .unwrap();
    let server = db.store.server_by_url(url).await.unwrap().unwrap();
    let (target, _) = db.store.target_of(&server.id).await.unwrap().unwrap();
    let listed = || async { db.store.is_listed(target).await.unwrap() };
    assert!(!listed().await);
    let mut deleted = rows.clone();
    deleted[0].target.listing.as_mut().unwrap().status = Some("deleted".into());
    db.store
        .add_listings("registry", &deleted, DAY_ONE)
        .await
        .unwrap();
    assert!(!listed().await, "the registry has deleted it");
    db.store
        .add_listings("registry", &rows, DAY_ONE)
        .await
        .unwrap();
    assert!(listed().await);
    let later = DAY_ONE.plus(DAY);
    db.store
        .reading_complete("registry", later, true, later)
        .await
        .unwrap();
    assert!(!listed().await, "the registry has ceased to list it");
    assert!(!db.store.is_listed(store::TargetId(999_999)).await.unwrap());
}
