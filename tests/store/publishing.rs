//! What strangers are shown and what waits: bad news is seen twice, and until then nothing of
//! it is anywhere.

use scanner::publish::Rules;
use scanner::report::{Badge, GradeLetter, PublicationState};
use scanner::time::Millis;
use store::{Page, TargetFilter};

use crate::db::{TestDb, on_both_engines};
use crate::kit::{add, file};
use crate::report::{DAY, DAY_ONE, Sample, judge};

const URL: &str = "https://a.example/mcp";
const HOUR: i64 = DAY / 24;

on_both_engines!(
    bad_news_is_nowhere_until_it_is_seen_again,
    what_is_not_seen_again_is_said_to_be_so,
    a_first_look_shows_no_letter_that_rests_on_one_sight,
    good_news_is_shown_at_once,
    nothing_new_is_shown_while_publishing_is_frozen,
    a_private_instance_shows_what_it_sees,
    what_was_held_is_shown_once_nothing_is_held,
    grading_again_repeats_what_was_published,
);

fn good(at: Millis) -> Sample {
    Sample::oauth(URL).at(at)
}

fn bad(at: Millis) -> Sample {
    Sample::oauth(URL).without_pkce().at(at)
}

/// Everything that strangers can read of a server.
async fn shown(db: &TestDb, server: &str) -> String {
    let row = db.store.server(server).await.unwrap().unwrap();
    let history = db.store.history(server, &Page::first(50)).await.unwrap();
    let list = db
        .store
        .servers(&TargetFilter::default(), &Page::first(50))
        .await
        .unwrap();
    let mut row_without_date = row.clone();
    row_without_date.held_until = None;
    row_without_date.next_due = None;
    let mut rows = list.rows;
    for row in &mut rows {
        row.held_until = None;
        row.next_due = None;
    }
    format!(
        "{row_without_date:?} {:?} {rows:?} {:?} {:?} {:?} {:?} {:?}",
        history.rows,
        db.store.changes(0, 100).await.unwrap(),
        db.store.facets().await.unwrap(),
        db.store.totals(DAY_ONE.plus(30 * DAY)).await.unwrap().scans,
        db.store.latest_scans(server, 50).await.unwrap(),
        db.store
            .scan_lines(None, Millis(0), 100)
            .await
            .unwrap()
            .len(),
    )
}

async fn bad_news_is_nowhere_until_it_is_seen_again(db: &TestDb) {
    db.store.publish_by(Rules::public());
    let (server, target) = add(&db.store, URL).await;
    let first = file(&db.store, target, &good(DAY_ONE)).await;
    let before = shown(db, &server).await;
    let row = db.store.server(&server).await.unwrap().unwrap();
    assert_eq!(row.letter, Some(GradeLetter::A));

    let at = DAY_ONE.plus(7 * DAY);
    let held = file(&db.store, target, &bad(at)).await;
    assert_eq!(shown(db, &server).await, before);
    let row = db.store.server(&server).await.unwrap().unwrap();
    assert!(row.held_until.is_some_and(|until| until > at));
    assert_eq!(row.next_due, None, "when we look again would tell why");
    assert_eq!(row.last_scan.as_ref(), Some(&first.scan));
    assert_eq!(db.store.scan(&held.scan).await.unwrap(), None);
    let waiting = db.store.held(&server).await.unwrap();
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0].letter, Some(GradeLetter::C));
    let due = db.store.next_due_at().await.unwrap().unwrap();
    assert!((HOUR..=HOUR * 6 / 5).contains(&due.since(at)), "{due:?}");

    // Too early to count as a second look.
    file(&db.store, target, &bad(at.plus(HOUR / 2))).await;
    assert_eq!(shown(db, &server).await, before);

    let second = file(&db.store, target, &bad(at.plus(2 * HOUR))).await;
    let row = db.store.server(&server).await.unwrap().unwrap();
    assert_eq!(row.letter, Some(GradeLetter::C));
    assert_eq!((row.scans, row.held_until), (4, None));
    assert_eq!(row.last_scan.as_ref(), Some(&second.scan));
    assert!(db.store.scan(&held.scan).await.unwrap().is_some());
    let history = db.store.history(&server, &Page::first(9)).await.unwrap();
    let lengths: Vec<i64> = history.rows.iter().map(|run| run.n).collect();
    assert_eq!(lengths, [3, 1]);
    let changes = db.store.changes(0, 9).await.unwrap();
    let kinds: Vec<&str> = changes.iter().map(|change| &change.kind[..]).collect();
    assert_eq!(kinds, ["added", "regressed"]);
    let mut own = db.store.changes_of(&server, 9).await.unwrap();
    own.reverse();
    assert_eq!(own, changes, "its own feed says the same");
    assert_eq!(changes[1].cause, "authorization_server");
    assert_eq!(changes[1].previous_scan.as_ref(), Some(&first.scan));
    let totals = db.store.totals(at.plus(DAY)).await.unwrap();
    assert_eq!(totals.scans, 4);
    let report = db.store.report(&second.scan, None).await.unwrap().unwrap();
    assert!(report.publication.confirmed_at.is_some());
    // Once is enough: the next one only lengthens the run.
    file(&db.store, target, &bad(at.plus(8 * DAY))).await;
    assert_eq!(db.store.changes(0, 9).await.unwrap().len(), 2);
    assert_eq!(db.store.server(&server).await.unwrap().unwrap().scans, 5);
}

async fn what_is_not_seen_again_is_said_to_be_so(db: &TestDb) {
    db.store.publish_by(Rules::public());
    let (server, target) = add(&db.store, URL).await;
    file(&db.store, target, &good(DAY_ONE)).await;
    let at = DAY_ONE.plus(7 * DAY);
    let odd = file(&db.store, target, &bad(at)).await;
    // The second look disagrees: the third decides, a day after the first.
    file(&db.store, target, &good(at.plus(2 * HOUR))).await;
    assert_eq!(db.store.scan(&odd.scan).await.unwrap(), None);
    file(&db.store, target, &good(at.plus(25 * HOUR))).await;
    let scan = db.store.scan(&odd.scan).await.unwrap();
    assert!(scan.is_some(), "it is no secret any more");
    let report = db.store.report(&odd.scan, None).await.unwrap().unwrap();
    assert_eq!(report.publication.state, PublicationState::NotReproduced);
    let row = db.store.server(&server).await.unwrap().unwrap();
    assert_eq!((row.letter, row.held_until), (Some(GradeLetter::A), None));
    assert_eq!(row.scans, 3);
    let scans: i64 = db
        .store
        .history(&server, &Page::first(9))
        .await
        .unwrap()
        .rows
        .iter()
        .map(|run| run.n)
        .sum();
    assert_eq!(scans, 3);
    assert_eq!(db.store.changes(0, 9).await.unwrap().len(), 1);
    assert!(db.store.held(&server).await.unwrap().is_empty());
}

async fn a_first_look_shows_no_letter_that_rests_on_one_sight(db: &TestDb) {
    db.store.publish_by(Rules::public());
    let (server, target) = add(&db.store, URL).await;
    let first = file(&db.store, target, &bad(DAY_ONE)).await;
    let row = db.store.server(&server).await.unwrap().unwrap();
    assert_eq!((row.letter, row.badge), (None, Some(Badge::N)));
    let report = db.store.report(&first.scan, None).await.unwrap().unwrap();
    let finding = |check: &str| {
        let found = report
            .findings
            .iter()
            .find(|finding| finding.check == check);
        found.unwrap().clone()
    };
    assert_eq!(finding("pkce-advertised").reason, "unconfirmed");
    let second = file(&db.store, target, &bad(DAY_ONE.plus(2 * HOUR))).await;
    let row = db.store.server(&server).await.unwrap().unwrap();
    assert_eq!((row.letter, row.badge), (Some(GradeLetter::C), None));
    let confirmed = db.store.report(&second.scan, None).await.unwrap().unwrap();
    let masked = db.store.report(&first.scan, None).await.unwrap().unwrap();
    assert_eq!(masked, report, "the first scan's page does not change");
    assert_eq!(confirmed.grade.letter, Some(GradeLetter::C));
    let changes = db.store.changes(0, 9).await.unwrap();
    let told: Vec<_> = changes
        .iter()
        .map(|change| (&change.kind[..], &change.cause[..]))
        .collect();
    assert_eq!(told, [("added", "first"), ("changed", "first")]);
}

async fn good_news_is_shown_at_once(db: &TestDb) {
    db.store.publish_by(Rules::public());
    let (server, target) = add(&db.store, URL).await;
    file(&db.store, target, &bad(DAY_ONE)).await;
    file(&db.store, target, &bad(DAY_ONE.plus(2 * HOUR))).await;
    file(&db.store, target, &good(DAY_ONE.plus(7 * DAY))).await;
    let row = db.store.server(&server).await.unwrap().unwrap();
    assert_eq!((row.letter, row.held_until), (Some(GradeLetter::A), None));
    let changes = db.store.changes(0, 9).await.unwrap();
    assert_eq!(changes.last().unwrap().kind, "improved");
}

async fn nothing_new_is_shown_while_publishing_is_frozen(db: &TestDb) {
    db.store.publish_by(Rules::public());
    let (server, target) = add(&db.store, URL).await;
    file(&db.store, target, &bad(DAY_ONE)).await;
    file(&db.store, target, &bad(DAY_ONE.plus(2 * HOUR))).await;
    let before = shown(db, &server).await;
    let at = DAY_ONE.plus(7 * DAY);
    db.store.freeze("too many turned bad", at).await.unwrap();
    file(&db.store, target, &good(at)).await;
    assert_eq!(shown(db, &server).await, before);
    assert!(db.store.unfreeze().await.unwrap());
    let due = db.store.next_due_at().await.unwrap().unwrap();
    assert!(due <= at, "it is looked at again at once");
    file(&db.store, target, &good(at.plus(HOUR))).await;
    let row = db.store.server(&server).await.unwrap().unwrap();
    assert_eq!(row.letter, Some(GradeLetter::A));
    assert_eq!(row.held_until, None);
}

async fn what_was_held_is_shown_once_nothing_is_held(db: &TestDb) {
    db.store.publish_by(Rules::public());
    let (server, target) = add(&db.store, URL).await;
    file(&db.store, target, &good(DAY_ONE)).await;
    let held = file(&db.store, target, &bad(DAY_ONE.plus(7 * DAY))).await;
    assert_eq!(db.store.scan(&held.scan).await.unwrap(), None);
    // The instance turns private.
    db.store.publish_by(Rules::open());
    file(&db.store, target, &bad(DAY_ONE.plus(8 * DAY))).await;
    let row = db.store.server(&server).await.unwrap().unwrap();
    assert_eq!((row.letter, row.held_until), (Some(GradeLetter::C), None));
    assert_eq!(row.scans, 3);
    assert!(db.store.scan(&held.scan).await.unwrap().is_some());
    assert!(db.store.held(&server).await.unwrap().is_empty());
    assert!(row.next_due.is_some());
}

async fn a_private_instance_shows_what_it_sees(db: &TestDb) {
    db.store.publish_by(Rules::open());
    let (server, target) = add(&db.store, URL).await;
    file(&db.store, target, &good(DAY_ONE)).await;
    file(&db.store, target, &bad(DAY_ONE.plus(DAY))).await;
    let row = db.store.server(&server).await.unwrap().unwrap();
    assert_eq!((row.letter, row.held_until), (Some(GradeLetter::C), None));
    assert_eq!(row.scans, 2);
}

async fn grading_again_repeats_what_was_published(db: &TestDb) {
    db.store.publish_by(Rules::public());
    let (_, target) = add(&db.store, URL).await;
    file(&db.store, target, &bad(DAY_ONE)).await;
    file(&db.store, target, &bad(DAY_ONE.plus(2 * HOUR))).await;
    file(&db.store, target, &good(DAY_ONE.plus(7 * DAY))).await;
    let (_stop, stopped) = tokio::sync::watch::channel(false);
    let rubric = scanner::rubric::current().version;
    let grade: store::Grade = std::sync::Arc::new(judge);
    let again = store::grade_again(&db.store, rubric, &grade, (0, 1), &stopped)
        .await
        .unwrap();
    assert_eq!((again.graded, again.different), (3, 0), "{again:?}");
}
