//! Lists of servers: filters, orders, pages, and the numbers beside them.

use std::collections::BTreeSet;

use scanner::report::{Class, Era};
use scanner::spec::Revision;
use store::{NewListing, Page, ServerRow, Sort, Store, StoreError, TargetFilter};

use crate::db::{TestDb, on_both_engines};
use crate::kit::{file, listing};
use crate::report::{DAY, DAY_ONE, Manner, Sample};

on_both_engines!(
    filters_find_what_they_say,
    filters_find_the_same_on_a_walk,
    common_words_are_found_on_a_walk,
    orders_are_total_and_pages_join,
    search_finds_parts_of_names_and_urls,
    counters_are_what_counting_would_say,
    cursors_of_others_are_refused,
);

/// Thirty servers of all kinds; the last three are not scanned.
async fn fill(store: &Store) {
    let rows: Vec<NewListing> = (0..30)
        .map(|n| {
            listing(
                &format!("https://s{n:02}.example/mcp"),
                &format!("Company {} Tools", ["Ångström", "bolt", "Cedar_1"][n % 3]),
            )
        })
        .collect();
    store
        .add_listings("registry", &rows[..20], DAY_ONE)
        .await
        .unwrap();
    store
        .add_listings("dump", &rows[15..], DAY_ONE)
        .await
        .unwrap();
    for (n, row) in rows.iter().enumerate().take(27) {
        let server = store.server_by_url(&row.target.url).await.unwrap().unwrap();
        let (target, _) = store.target_of(&server.id).await.unwrap().unwrap();
        let mut sample = Sample::oauth(&row.target.url).at(DAY_ONE.plus(n as i64 * 1_000));
        sample.pkce = n % 4 != 0;
        sample.cimd = n % 5 != 0;
        sample.manner = match n % 9 {
            6 => Manner::Open,
            7 => Manner::Key,
            8 => Manner::Down,
            _ => Manner::Oauth,
        };
        file(store, target, &sample).await;
    }
}

/// The whole list, read in pages.
async fn all(store: &Store, filter: &TargetFilter, size: u32) -> Vec<ServerRow> {
    let mut rows = Vec::new();
    let mut page = Page::first(size);
    loop {
        let part = store.servers(filter, &page).await.unwrap();
        assert!(part.rows.len() <= size as usize);
        rows.extend(part.rows);
        let Some(next) = part.next else {
            return rows;
        };
        assert!(rows.len() < 10_000, "pages end");
        page.after = Some(next);
    }
}

/// A filter with what it should let through.
type Case = (TargetFilter, Box<dyn Fn(&ServerRow) -> bool>);

fn cases(failing: BTreeSet<String>) -> Vec<Case> {
    let of = |change: &dyn Fn(&mut TargetFilter)| {
        let mut filter = TargetFilter::default();
        change(&mut filter);
        filter
    };
    vec![
        (of(&|_| ()), Box::new(|_| true)),
        (
            of(&|f| f.class = Some(Class::Oauth)),
            Box::new(|row| row.class == Some(Class::Oauth)),
        ),
        (
            of(&|f| f.letter = Some("u".into())),
            Box::new(|row| row.badge.is_some_and(|badge| badge.as_str() == "U")),
        ),
        (
            of(&|f| f.letter = Some("C".into())),
            Box::new(|row| row.letter.is_some_and(|letter| letter.as_str() == "C")),
        ),
        (of(&|f| f.letter = Some("Z".into())), Box::new(|_| false)),
        (
            of(&|f| f.era = Some(Era::Hidden)),
            Box::new(|row| row.era == Some(Era::Hidden)),
        ),
        (
            of(&|f| f.claimed = Some(Revision::V2025_11_25)),
            Box::new(|row| row.claimed == Some(Revision::V2025_11_25)),
        ),
        (
            of(&|f| f.registration = Some("dcr_only".into())),
            Box::new(|row| row.registration.as_deref() == Some("dcr_only")),
        ),
        (
            of(&|f| f.pkce = Some("absent".into())),
            Box::new(|row| row.pkce.as_deref() == Some("absent")),
        ),
        (
            of(&|f| f.source = Some("dump".into())),
            Box::new(|row| row.sources.iter().any(|source| source == "dump")),
        ),
        (
            of(&|f| f.failing = Some("pkce-advertised".into())),
            Box::new(move |row| failing.contains(&row.id)),
        ),
        (
            of(&|f| f.failing = Some("no-such-check".into())),
            Box::new(|_| false),
        ),
        (
            of(&|f| {
                f.class = Some(Class::Oauth);
                f.pkce = Some("s256".into());
                f.registration = Some("cimd".into());
                f.source = Some("registry".into());
                f.q = Some("example".into());
            }),
            Box::new(|row| {
                row.class == Some(Class::Oauth)
                    && row.pkce.as_deref() == Some("s256")
                    && row.registration.as_deref() == Some("cimd")
                    && row.sources.iter().any(|source| source == "registry")
            }),
        ),
    ]
}

async fn failing(store: &Store) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    for row in all(store, &TargetFilter::default(), 500).await {
        let Some(scan) = &row.last_scan else { continue };
        let report = store.report(scan, None).await.unwrap().unwrap();
        let fails = report.findings.iter().any(|finding| {
            finding.check == "pkce-advertised" && finding.verdict.as_str() == "fail"
        });
        if fails {
            out.insert(row.id);
        }
    }
    out
}

async fn filters_find_what_they_say(db: &TestDb) {
    fill(&db.store).await;
    check_filters(db).await;
}

/// With many servers, lists are walked in order instead of looked up and sorted. The counters
/// decide which, so they are made to say that there are many.
async fn filters_find_the_same_on_a_walk(db: &TestDb) {
    fill(&db.store).await;
    db.execute("UPDATE counter SET n = n + 1000000 WHERE kind <> 'data'")
        .await;
    check_filters(db).await;
}

async fn check_filters(db: &TestDb) {
    let everything = all(&db.store, &TargetFilter::default(), 500).await;
    assert_eq!(everything.len(), 30);
    let failing = failing(&db.store).await;
    assert!(failing.len() > 3, "the samples fail");
    let mut found_something = 0;
    for (mut filter, wanted) in cases(failing) {
        let expected: BTreeSet<String> = everything
            .iter()
            .filter(|row| wanted(row))
            .map(|row| row.id.clone())
            .collect();
        for sort in [Sort::Letter, Sort::Checked, Sort::Changed, Sort::Name] {
            filter.sort = sort;
            let found: BTreeSet<String> = all(&db.store, &filter, 4)
                .await
                .into_iter()
                .map(|row| row.id)
                .collect();
            assert_eq!(found, expected, "{filter:?}");
            found_something += usize::from(!found.is_empty());
        }
    }
    assert!(
        found_something >= 36,
        "the cases are not empty: {found_something}"
    );
}

async fn common_words_are_found_on_a_walk(db: &TestDb) {
    let rows: Vec<NewListing> = (0..2_100)
        .map(|n| listing(&format!("https://w{n}.example/mcp"), &format!("Walker {n}")))
        .collect();
    db.store
        .add_listings("registry", &rows, DAY_ONE)
        .await
        .unwrap();
    for (q, n) in [
        ("alker", 2_100),
        ("walker_1", 0),
        ("wa", 2_100),
        ("w20", 111),
    ] {
        let filter = TargetFilter {
            q: Some(q.into()),
            sort: Sort::Name,
            ..TargetFilter::default()
        };
        assert_eq!(all(&db.store, &filter, 500).await.len(), n, "{q}");
    }
}

async fn orders_are_total_and_pages_join(db: &TestDb) {
    fill(&db.store).await;
    for sort in [Sort::Letter, Sort::Checked, Sort::Changed, Sort::Name] {
        let filter = TargetFilter {
            sort,
            ..TargetFilter::default()
        };
        let whole = all(&db.store, &filter, 500).await;
        for size in [1, 7, 29, 30] {
            assert_eq!(
                all(&db.store, &filter, size).await,
                whole,
                "{sort:?} by {size}"
            );
        }
        let in_order = whole.is_sorted_by(|a, b| match sort {
            Sort::Letter => order(a) <= order(b),
            Sort::Checked => a.checked_at >= b.checked_at,
            Sort::Changed => a.changed_at >= b.changed_at,
            Sort::Name => {
                let key = |row: &ServerRow| row.name.as_ref().unwrap_or(&row.host).to_lowercase();
                key(a) <= key(b)
            }
        });
        assert!(in_order, "{sort:?}");
    }
    let first = db
        .store
        .servers(&TargetFilter::default(), &Page::first(0))
        .await
        .unwrap();
    assert_eq!(first.rows.len(), 1, "limits are moved to the nearest bound");
}

/// Letters, best score first; badges; what was not scanned.
fn order(row: &ServerRow) -> (bool, bool, Option<scanner::report::GradeLetter>, i64) {
    let score = row.letter.and(row.score_tenths).unwrap_or(0);
    (
        row.class.is_none(),
        row.letter.is_none(),
        row.letter,
        -score,
    )
}

async fn search_finds_parts_of_names_and_urls(db: &TestDb) {
    fill(&db.store).await;
    let find = |q: &str| {
        let filter = TargetFilter {
            q: Some(q.into()),
            ..TargetFilter::default()
        };
        async move { all(&db.store, &filter, 7).await.len() }
    };
    assert_eq!(find("company").await, 30);
    assert_eq!(
        find(" COMPANY ångström").await,
        10,
        "case does not count, in any alphabet"
    );
    assert_eq!(find("any bo").await, 10);
    assert_eq!(find("cedar_1").await, 10);
    assert_eq!(find("cedar%1").await, 0, "no character has a meaning");
    assert_eq!(find("s07.example").await, 1);
    assert_eq!(find("no such thing").await, 0);
    assert_eq!(find("co").await, 30, "two letters: names that begin so");
    assert_eq!(find("s1").await, 10, "or hosts");
    assert_eq!(find("om").await, 0);
    assert_eq!(find("  ").await, 30, "nothing asked, nothing left out");
    assert_eq!(find(&"x".repeat(5_000)).await, 0);

    // A renamed server is found under its new name.
    let renamed = listing("https://s01.example/mcp", "Quite different");
    db.store
        .add_listings("registry", &[renamed], DAY_ONE)
        .await
        .unwrap();
    assert_eq!(find("quite diff").await, 1);
}

async fn counters_are_what_counting_would_say(db: &TestDb) {
    fill(&db.store).await;
    // Some servers change their kind.
    for n in [0, 4, 6, 8, 13] {
        let url = format!("https://s{n:02}.example/mcp");
        let server = db.store.server_by_url(&url).await.unwrap().unwrap();
        let (target, _) = db.store.target_of(&server.id).await.unwrap().unwrap();
        file(
            &db.store,
            target,
            &Sample::oauth(&url).at(DAY_ONE.plus(DAY)),
        )
        .await;
    }
    let rows = all(&db.store, &TargetFilter::default(), 500).await;
    let count = |value: &dyn Fn(&ServerRow) -> Option<String>| {
        let mut out: Vec<(String, i64)> = Vec::new();
        for value in rows.iter().filter_map(value) {
            match out.iter_mut().find(|(known, _)| *known == value) {
                Some((_, n)) => *n += 1,
                None => out.push((value, 1)),
            }
        }
        out.sort();
        out
    };
    let sorted = |mut list: Vec<(String, i64)>| {
        list.sort();
        list
    };
    let facets = db.store.facets().await.unwrap();
    assert_eq!(facets.total, 30);
    let shown = |row: &ServerRow| {
        let letter = row.letter.map(|letter| letter.as_str().to_owned());
        letter.or_else(|| row.badge.map(|badge| badge.as_str().to_owned()))
    };
    assert_eq!(sorted(facets.letters.clone()), count(&shown));
    assert_eq!(
        sorted(facets.classes),
        count(&|row| row.class.map(|c| c.as_str().into()))
    );
    assert_eq!(
        sorted(facets.eras),
        count(&|row| row.era.map(|e| e.as_str().into()))
    );
    assert_eq!(
        sorted(facets.claimed),
        count(&|row| row.claimed.map(|c| c.as_str().into()))
    );
    assert_eq!(
        sorted(facets.registration),
        count(&|row| row.registration.clone())
    );
    assert_eq!(sorted(facets.pkce), count(&|row| row.pkce.clone()));
    assert_eq!(
        facets.sources,
        [("dump".to_owned(), 15), ("registry".to_owned(), 20)]
    );
    let letters: Vec<&str> = facets
        .letters
        .iter()
        .map(|(letter, _)| letter.as_str())
        .collect();
    assert_eq!(letters.last(), Some(&"U"), "badges last: {letters:?}");

    let totals = db
        .store
        .totals(DAY_ONE.plus(DAY + 7_200_000))
        .await
        .unwrap();
    assert_eq!((totals.servers, totals.scanned, totals.scans), (30, 27, 32));
    assert_eq!(
        totals.graded,
        rows.iter().filter(|row| row.letter.is_some()).count() as i64
    );
    let hours = totals.median_age_ms.unwrap() / 3_600_000;
    assert!((26..=27).contains(&hours), "{hours}");
    assert!(totals.generation >= 32);

    let tally = db.store.tally().await.unwrap();
    let mut expected = 0;
    for row in rows.iter().filter_map(|row| row.last_scan.as_ref()) {
        let report = db.store.report(row, None).await.unwrap().unwrap();
        expected += report
            .findings
            .iter()
            .filter(|f| f.verdict.as_str() == "fail")
            .count();
    }
    assert_eq!(
        tally.iter().map(|one| one.fail).sum::<i64>(),
        expected as i64
    );
    assert!(
        tally
            .iter()
            .all(|one| one.pass + one.warn + one.fail + one.unjudged == 27)
    );
    let order: Vec<&str> = tally.iter().map(|one| one.check.as_str()).collect();
    let catalogue: Vec<&str> = scanner::checks::all().map(|check| check.id).collect();
    assert_eq!(order, catalogue);
}

async fn cursors_of_others_are_refused(db: &TestDb) {
    fill(&db.store).await;
    let first = db
        .store
        .servers(&TargetFilter::default(), &Page::first(3))
        .await
        .unwrap();
    let by_name = TargetFilter {
        sort: Sort::Name,
        ..TargetFilter::default()
    };
    for after in [
        first.next.unwrap(),
        "'; --".into(),
        String::new(),
        "l\0".into(),
    ] {
        let page = Page {
            after: Some(after),
            limit: 3,
        };
        let refused = db.store.servers(&by_name, &page).await;
        assert!(matches!(refused, Err(StoreError::Cursor)));
    }
}

/// A Postgres without the extension finds beginnings of names and hosts.
#[tokio::test]
async fn without_an_index_of_substrings_beginnings_are_found() {
    let Some(db) = TestDb::postgres().await else {
        return;
    };
    db.execute("DROP INDEX IF EXISTS target_words").await;
    fill(&db.store).await;
    for (q, n) in [("company bo", 10), ("s07.ex", 1), ("bolt", 0)] {
        let filter = TargetFilter {
            q: Some(q.into()),
            ..TargetFilter::default()
        };
        assert_eq!(all(&db.store, &filter, 7).await.len(), n, "{q}");
    }
    db.remove().await;
}
