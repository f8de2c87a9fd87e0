//! What the API keeps: the key it signs with, answers that may be asked for again, and counts
//! that are estimated.

use scanner::time::Millis;
use store::{Answered, Entry, EntryAsk, Page, Repeat, Sort, TargetFilter};

use crate::db::{TestDb, on_both_engines};
use crate::kit::{add, file, listing};
use crate::report::{DAY, DAY_ONE, Sample};

on_both_engines!(
    the_signing_key_stays,
    a_key_is_answered_once_for_a_day,
    lists_are_bounded_by_times,
    numbers_are_estimated_without_counting,
    entries_are_kept_in_every_version,
);

async fn the_signing_key_stays(db: &TestDb) {
    let key = db.store.signing_key().await.unwrap();
    assert_ne!(key, [0; 32]);
    let other = store::Store::open(&db.url).await.unwrap();
    assert_eq!(
        other.signing_key().await.unwrap(),
        key,
        "another process has the same"
    );
    other.close().await;
}

async fn a_key_is_answered_once_for_a_day(db: &TestDb) {
    let (key, asked, other) = ([1; 32], [2; 32], [3; 32]);
    let now = DAY_ONE;
    let read =
        async |asked: &[u8; 32], now: Millis| db.store.repeated(&key, asked, now).await.unwrap();
    assert_eq!(read(&asked, now).await, Repeat::New);
    let answer = Answered {
        status: 202,
        location: Some("/x".into()),
        body: "{\"é\":1}".into(),
    };
    db.store.answered(&key, &asked, &answer, now).await.unwrap();
    let later = Answered {
        status: 200,
        ..answer.clone()
    };
    db.store.answered(&key, &asked, &later, now).await.unwrap();
    assert_eq!(
        read(&asked, now).await,
        Repeat::Same(answer.clone()),
        "the first counts"
    );
    assert_eq!(read(&other, now).await, Repeat::Other);
    assert_eq!(read(&asked, now.plus(DAY)).await, Repeat::New);
    let next = now.plus(2 * DAY);
    db.store
        .answered(&[9; 32], &asked, &answer, next)
        .await
        .unwrap();
    db.store
        .answered(&key, &other, &answer, next)
        .await
        .unwrap();
    assert_eq!(
        read(&other, next).await,
        Repeat::Same(answer),
        "the old one is gone"
    );
}

async fn lists_are_bounded_by_times(db: &TestDb) {
    for n in 0..6 {
        let url = format!("https://s{n}.example/mcp");
        let (_, id) = add(&db.store, &url).await;
        if n < 5 {
            let mut sample = Sample::oauth(&url);
            sample.at = DAY_ONE.plus(n * DAY);
            file(&db.store, id, &sample).await;
        }
    }
    let count = async |filter: TargetFilter| {
        let list = db.store.servers(&filter, &Page::first(500)).await.unwrap();
        list.rows.len()
    };
    let day = DAY_ONE.plus(3 * DAY);
    for sort in [Sort::Changed, Sort::Checked, Sort::Letter] {
        let all = TargetFilter {
            sort,
            ..TargetFilter::default()
        };
        assert_eq!(count(all.clone()).await, 6);
        let changed_since = Some(day);
        assert_eq!(
            count(TargetFilter {
                changed_since,
                ..all.clone()
            })
            .await,
            2
        );
        let checked_since = Some(day);
        assert_eq!(
            count(TargetFilter {
                checked_since,
                ..all.clone()
            })
            .await,
            2
        );
        let checked_before = Some(day);
        assert_eq!(
            count(TargetFilter {
                checked_before,
                ..all.clone()
            })
            .await,
            3,
            "never scanned is not old"
        );
        let q = Some("s4".to_owned());
        assert_eq!(
            count(TargetFilter {
                checked_since,
                q,
                ..all
            })
            .await,
            1
        );
    }
}

async fn numbers_are_estimated_without_counting(db: &TestDb) {
    let rows: Vec<_> = (0..7)
        .map(|n| listing(&format!("https://s{n}.example/mcp"), &format!("Server {n}")))
        .collect();
    db.store.add_listings("one", &rows, DAY_ONE).await.unwrap();
    db.store
        .add_listings("two", &rows[..2], DAY_ONE)
        .await
        .unwrap();
    let estimate = async |filter: TargetFilter| db.store.estimate(&filter).await.unwrap();
    let none = TargetFilter::default;
    assert_eq!(estimate(none()).await, Some(7));
    let source = Some("two".to_owned());
    assert_eq!(estimate(TargetFilter { source, ..none() }).await, Some(2));
    let letter = Some("A".to_owned());
    assert_eq!(estimate(TargetFilter { letter, ..none() }).await, Some(0));
    let q = Some("server".to_owned());
    assert_eq!(estimate(TargetFilter { q, ..none() }).await, None);
    let changed_since = Some(DAY_ONE);
    assert_eq!(
        estimate(TargetFilter {
            changed_since,
            ..none()
        })
        .await,
        None
    );
}

async fn entries_are_kept_in_every_version(db: &TestDb) {
    let entry = |name: &str, version: &str, latest: bool, day: i64| Entry {
        name: name.into(),
        version: version.into(),
        latest,
        deleted: false,
        changed: DAY_ONE.plus(day * DAY),
        urls: vec![format!("https://{version}.example/mcp")],
        text: format!("{{\"n\":\"{name} é\"}}"),
    };
    let (a1, a2) = (entry("x/a_1", "1", true, 0), entry("x/a_1", "2", true, 1));
    let b = Entry {
        deleted: true,
        ..entry("x/B", "1", true, 2)
    };
    let keep = async |entries: &[Entry]| {
        db.store
            .keep_entries("reg", entries, DAY_ONE)
            .await
            .unwrap();
    };
    keep(&[a1.clone(), b.clone()]).await;
    keep(std::slice::from_ref(&a2)).await;
    let read = async |ask: EntryAsk| {
        let ask = EntryAsk { limit: 9, ..ask };
        let entries = db.store.entries(&ask).await.unwrap();
        entries
            .into_iter()
            .map(|entry| format!("{} {}", entry.name, entry.version))
            .collect::<Vec<_>>()
    };
    let all = || EntryAsk {
        deleted: true,
        ..EntryAsk::default()
    };
    assert_eq!(read(all()).await, ["x/B 1", "x/a_1 1", "x/a_1 2"]);
    assert_eq!(read(EntryAsk::default()).await, ["x/a_1 1", "x/a_1 2"]);
    let latest = true;
    assert_eq!(
        read(EntryAsk { latest, ..all() }).await,
        ["x/B 1", "x/a_1 2"]
    );
    let after = Some(("x/B".to_owned(), "1".to_owned()));
    assert_eq!(
        read(EntryAsk { after, ..all() }).await,
        ["x/a_1 1", "x/a_1 2"]
    );
    let since = Some(DAY_ONE.plus(DAY));
    assert_eq!(
        read(EntryAsk { since, ..all() }).await,
        ["x/B 1", "x/a_1 2"]
    );
    for (text, hits) in [("A_", 2), ("b", 1), ("%", 0), ("x/a!1", 0)] {
        let search = Some(text.to_owned());
        assert_eq!(
            read(EntryAsk { search, ..all() }).await.len(),
            hits,
            "{text}"
        );
    }
    let (name, version) = (Some("x/a_1".to_owned()), Some("1".to_owned()));
    let ask = EntryAsk {
        name,
        version,
        limit: 1,
        ..all()
    };
    let one = db.store.entries(&ask).await.unwrap();
    assert_eq!(
        one,
        [Entry {
            latest: false,
            ..a1
        }],
        "as it was received"
    );
    let (id, _) = add(&db.store, "https://1.example/mcp").await;
    let urls = [
        "https://1.example/mcp".to_owned(),
        "https://none.example/".to_owned(),
    ];
    let servers = db.store.servers_at(&urls).await.unwrap();
    assert_eq!(
        servers.iter().map(|row| row.id.clone()).collect::<Vec<_>>(),
        [id]
    );
}
