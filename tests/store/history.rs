//! What is kept of scans: runs, evidence, reports, the change feed, and grading once more.

use std::sync::Arc;

use scanner::evidence::Evidence;
use scanner::report::{Class, GradeLetter, Report};
use scanner::surface;
use scanner::time::{FixedClock, Millis};
use store::ids::Kind;
use store::{Grade, Page};
use tokio::sync::watch;

use crate::db::{TestDb, on_both_engines};
use crate::kit::{add, file, file_as};
use crate::report::{DAY, DAY_ONE, Manner, Sample, judge};

const URL: &str = "https://a.example/mcp";

on_both_engines!(
    scans_that_saw_the_same_are_one_run,
    the_newest_scan_is_kept_whole,
    evidence_with_retries_keeps_its_numbers,
    what_comes_back_is_another_run_of_the_same_evidence,
    verdicts_that_moved_are_named,
    the_feed_says_what_happened,
    a_change_that_nobody_judges_is_history_but_no_news,
    history_is_read_in_pages,
    a_later_rubric_adds_reports_and_moves_letters,
    grading_again_stops_when_told,
    a_new_rubric_continues_a_run,
    a_longer_catalogue_is_no_change,
);

async fn scans_that_saw_the_same_are_one_run(db: &TestDb) {
    let (server, target) = add(&db.store, URL).await;
    let mut scans = Vec::new();
    for n in 0..5 {
        let filed = file(
            &db.store,
            target,
            &Sample::oauth(URL).at(DAY_ONE.plus(n * DAY)),
        )
        .await;
        assert_eq!((filed.changed, filed.first), (n == 0, n == 0));
        scans.push(filed.scan);
    }
    let history = db.store.history(&server, &Page::first(10)).await.unwrap();
    assert_eq!(history.rows.len(), 1);
    assert_eq!(history.next, None);
    let run = &history.rows[0];
    assert_eq!(
        (&run.scan, &run.last_scan, run.n),
        (&scans[0], &scans[4], 5)
    );
    assert_eq!(
        (run.first_at, run.last_at),
        (DAY_ONE, DAY_ONE.plus(4 * DAY))
    );
    assert!(run.changed_checks.is_empty());

    let latest = db.store.latest_scans(&server, 3).await.unwrap();
    let expected: Vec<(String, Millis)> = (2..5)
        .rev()
        .map(|n| (scans[n].clone(), DAY_ONE.plus(n as i64 * DAY)))
        .collect();
    assert_eq!(latest, expected);

    // Every scan keeps its address, its time and its findings.
    for (n, scan) in scans.iter().enumerate() {
        let at = DAY_ONE.plus(n as i64 * DAY);
        let row = db.store.scan(scan).await.unwrap().unwrap();
        assert_eq!(row.at, at);
        assert_eq!(row.same_as.as_ref(), (n > 0).then_some(&scans[0]));
        assert_eq!(row.server.id, server);
        let report = db.store.report(scan, None).await.unwrap().unwrap();
        assert_eq!(report.scan.as_ref(), Some(scan));
        assert_eq!(report.started, at.rfc3339());
        assert_eq!(row.rubric, report.grade.rubric);
        let (_, made) = Sample::oauth(URL).at(at).graded();
        assert_eq!(report.findings, made.findings);
        assert_eq!(report.grades, made.grades);
    }
    assert_eq!(
        db.store.changes(0, 10).await.unwrap().len(),
        1,
        "added, and nothing else"
    );
}

async fn the_newest_scan_is_kept_whole(db: &TestDb) {
    let (_, target) = add(&db.store, URL).await;
    let first = Sample::oauth(URL);
    let second = Sample::oauth(URL).at(DAY_ONE.plus(DAY));
    let one = file(&db.store, target, &first).await.scan;
    assert_eq!(
        db.store.evidence(&one).await.unwrap(),
        Some(first.evidence())
    );
    let two = file(&db.store, target, &second).await.scan;
    assert_eq!(
        db.store.evidence(&two).await.unwrap(),
        Some(second.evidence())
    );

    let older = db.store.evidence(&one).await.unwrap().unwrap();
    assert_ne!(
        older,
        first.evidence(),
        "what changes on every answer is gone"
    );
    assert_eq!(surface::digest(&older), surface::digest(&first.evidence()));
    assert_eq!(older.started, DAY_ONE);
    let report = db.store.report(&one, None).await.unwrap().unwrap();
    assert_eq!(
        judge(&older).findings,
        report.findings,
        "it is judged like the whole"
    );
}

async fn evidence_with_retries_keeps_its_numbers(db: &TestDb) {
    let (_, target) = add(&db.store, URL).await;
    let mut evidence = Sample::oauth(URL).without_pkce().evidence();
    // The first exchange was tried twice: all others move by one.
    let mut failed = evidence.exchanges[0].clone();
    failed.got = Err(scanner::evidence::Failure::Reset);
    evidence.exchanges.insert(0, failed);
    for (id, exchange) in evidence.exchanges.iter_mut().enumerate() {
        exchange.id = id as u32;
        exchange.follows = exchange.follows.map(|id| id + 1);
    }
    evidence.exchanges[1].attempt = 1;
    let report = judge(&evidence);
    let scan = Kind::Scan.fresh(DAY_ONE);
    file_as(&db.store, target, &scan, &evidence, &report)
        .await
        .unwrap();
    file(&db.store, target, &Sample::oauth(URL).at(DAY_ONE.plus(DAY))).await;
    let kept = db.store.evidence(&scan).await.unwrap().unwrap();
    let report = db.store.report(&scan, None).await.unwrap().unwrap();
    for finding in &report.findings {
        for place in &finding.evidence {
            let exchange = &kept.exchanges[place.exchange as usize];
            assert_eq!(
                exchange.asked,
                evidence.exchanges[place.exchange as usize].asked
            );
        }
    }
}

async fn what_comes_back_is_another_run_of_the_same_evidence(db: &TestDb) {
    let (server, target) = add(&db.store, URL).await;
    let mut scans = Vec::new();
    for n in 0..3 {
        let mut sample = Sample::oauth(URL).at(DAY_ONE.plus(n * DAY));
        sample.pkce = n != 1;
        scans.push(file(&db.store, target, &sample).await.scan);
    }
    let history = db.store.history(&server, &Page::first(10)).await.unwrap();
    let runs: Vec<&String> = history.rows.iter().map(|run| &run.scan).collect();
    assert_eq!(runs, scans.iter().rev().collect::<Vec<_>>());
    // Push the third out of its place as the newest.
    file(
        &db.store,
        target,
        &Sample::oauth(URL)
            .manner(Manner::Down)
            .at(DAY_ONE.plus(3 * DAY)),
    )
    .await;
    let mut first = db.store.evidence(&scans[0]).await.unwrap().unwrap();
    let third = db.store.evidence(&scans[2]).await.unwrap().unwrap();
    assert_eq!(third.started, DAY_ONE.plus(2 * DAY));
    first.started = third.started;
    assert_eq!(first, third);
}

async fn verdicts_that_moved_are_named(db: &TestDb) {
    let (server, target) = add(&db.store, URL).await;
    file(&db.store, target, &Sample::oauth(URL)).await;
    file(
        &db.store,
        target,
        &Sample::oauth(URL).without_pkce().at(DAY_ONE.plus(DAY)),
    )
    .await;
    let history = db.store.history(&server, &Page::first(1)).await.unwrap();
    let moved: Vec<(&str, &str, &str)> = history.rows[0]
        .changed_checks
        .iter()
        .map(|one| (one.check.as_str(), one.before.as_str(), one.after.as_str()))
        .collect();
    assert!(
        moved.contains(&("pkce-advertised", "pass", "fail")),
        "{moved:?}"
    );
    assert!(
        history.next.is_some(),
        "the comparison works at the end of a page, too"
    );
}

async fn the_feed_says_what_happened(db: &TestDb) {
    let (server, target) = add(&db.store, URL).await;
    let samples = [
        Sample::oauth(URL),
        Sample::oauth(URL).without_pkce(),
        Sample::oauth(URL),
        Sample::oauth(URL).manner(Manner::Down),
        Sample::oauth(URL).manner(Manner::Down),
        Sample::oauth(URL),
        Sample::oauth(URL).manner(Manner::Open),
    ];
    let mut scans = Vec::new();
    for (n, sample) in samples.into_iter().enumerate() {
        let sample = sample.at(DAY_ONE.plus(n as i64 * DAY));
        scans.push(file(&db.store, target, &sample).await.scan);
    }
    let feed = db.store.changes(0, 100).await.unwrap();
    let kinds: Vec<&str> = feed.iter().map(|change| change.kind.as_str()).collect();
    assert_eq!(
        kinds,
        [
            "added",
            "regressed",
            "improved",
            "unreachable",
            "recovered",
            "class"
        ]
    );
    let regressed = &feed[1];
    assert_eq!(regressed.cause, "authorization_server");
    assert!(regressed.checks.contains(&"pkce-advertised".to_owned()));
    assert_eq!(regressed.scan, scans[1]);
    assert_eq!(regressed.previous_scan.as_ref(), Some(&scans[0]));
    assert_eq!(regressed.server, server);
    assert_eq!(regressed.from, feed[0].to);
    assert_eq!(feed[3].to.as_deref(), Some("U"));
    assert_eq!(feed[0].previous_scan, None);
    // What was seen twice counts once, and the previous scan is the newest one before.
    assert_eq!(feed[4].previous_scan.as_ref(), Some(&scans[4]));

    let after = db.store.changes(feed[2].seq, 2).await.unwrap();
    assert_eq!(after, feed[3..5]);
    let mut newest = db.store.latest_changes(2).await.unwrap();
    newest.reverse();
    assert_eq!(newest, feed[4..]);
    let totals = db.store.totals(DAY_ONE.plus(6 * DAY)).await.unwrap();
    assert_eq!(totals.changes_7d, 5, "the first scan is no change");
    let later = db.store.totals(DAY_ONE.plus(9 * DAY)).await.unwrap();
    assert_eq!(later.changes_7d, 3, "those of the last seven days");
    assert_eq!(later.scans, 7);
}

async fn a_change_that_nobody_judges_is_history_but_no_news(db: &TestDb) {
    let (server, target) = add(&db.store, URL).await;
    file(&db.store, target, &Sample::oauth(URL)).await;
    let mut other = Sample::oauth(URL).at(DAY_ONE.plus(DAY));
    other.remark = "with a new name".into();
    let filed = file(&db.store, target, &other).await;
    assert!(filed.changed && !filed.first);
    assert_eq!(
        db.store
            .history(&server, &Page::first(9))
            .await
            .unwrap()
            .rows
            .len(),
        2
    );
    assert_eq!(db.store.changes(0, 9).await.unwrap().len(), 1);
    let row = db.store.server(&server).await.unwrap().unwrap();
    assert_eq!(row.changed_at, Some(DAY_ONE.plus(DAY)));
}

async fn history_is_read_in_pages(db: &TestDb) {
    let (server, target) = add(&db.store, URL).await;
    for n in 0..5 {
        let mut sample = Sample::oauth(URL).at(DAY_ONE.plus(n * DAY));
        sample.pkce = n % 2 == 0;
        file(&db.store, target, &sample).await;
    }
    let all = db
        .store
        .history(&server, &Page::first(100))
        .await
        .unwrap()
        .rows;
    let mut paged = Vec::new();
    let mut page = Page::first(2);
    loop {
        let part = db.store.history(&server, &page).await.unwrap();
        paged.extend(part.rows);
        let Some(next) = part.next else { break };
        page.after = Some(next);
    }
    assert_eq!(paged, all);
    assert_eq!(all.len(), 5);
    assert!(
        all[4].changed_checks.is_empty(),
        "nothing came before the first"
    );
    assert!(all[..4].iter().all(|run| !run.changed_checks.is_empty()));
    page.after = Some("l123.4".into());
    assert!(db.store.history(&server, &page).await.is_err());
}

/// A stricter rubric of the future: everybody gets an F.
fn strict(evidence: &Evidence) -> Report {
    let mut report = judge(evidence);
    report.grade.rubric = "2099.1".into();
    report.grade.letter = report.grade.letter.map(|_| GradeLetter::F);
    for finding in &mut report.findings {
        if finding.check == "pkce-advertised" {
            finding.verdict = scanner::report::FindingVerdict::Fail;
        }
    }
    report
}

async fn a_later_rubric_adds_reports_and_moves_letters(db: &TestDb) {
    let (server, target) = add(&db.store, URL).await;
    let mut scans = Vec::new();
    for n in 0..3 {
        let mut sample = Sample::oauth(URL).at(DAY_ONE.plus(n * DAY));
        sample.cimd = n != 0;
        scans.push(file(&db.store, target, &sample).await.scan);
    }
    let before = db.store.server(&server).await.unwrap().unwrap();
    let open = db.store.ungraded("2099.1", &Page::first(10)).await.unwrap();
    let open: Vec<(&String, bool)> = open
        .rows
        .iter()
        .map(|one| (&one.scan, one.newest))
        .collect();
    assert_eq!(
        open,
        [(&scans[1], true), (&scans[0], false)],
        "a run, not a scan"
    );

    let grade: Grade = Arc::new(strict);
    let clock = FixedClock::new(DAY_ONE.plus(5 * DAY));
    let (_stop, stopped) = watch::channel(false);
    let done = store::regrade(&db.store, "2099.1", &grade, true, &clock, &stopped)
        .await
        .unwrap();
    assert_eq!((done.added, done.unreadable), (2, 0));
    let again = store::regrade(&db.store, "2099.1", &grade, true, &clock, &stopped)
        .await
        .unwrap();
    assert_eq!(again.added, 0);

    let old = db
        .store
        .report(&scans[2], Some(scanner::rubric::current().version))
        .await
        .unwrap();
    assert_eq!(
        old.unwrap().grade.letter,
        before.letter,
        "the old report stands"
    );
    let new = db.store.report(&scans[2], None).await.unwrap().unwrap();
    assert_eq!(new.grade.rubric, "2099.1");
    let row = db.store.server(&server).await.unwrap().unwrap();
    assert_eq!(row.letter, Some(GradeLetter::F));
    assert_eq!(
        db.store.facets().await.unwrap().letters,
        [("F".to_owned(), 1)]
    );
    let change = db.store.latest_changes(1).await.unwrap().remove(0);
    assert_eq!(
        (change.kind.as_str(), change.cause.as_str()),
        ("regressed", "rubric")
    );
    assert_eq!(change.to.as_deref(), Some("F"));
    assert_eq!(change.checks, ["pkce-advertised"]);
    let tally = db.store.tally().await.unwrap();
    let pkce = tally
        .iter()
        .find(|one| one.check == "pkce-advertised")
        .unwrap();
    assert_eq!((pkce.pass, pkce.fail, pkce.unjudged), (0, 1, 0));

    // A report that is there already is not added, and a candidate's moves nothing.
    assert!(
        !db.store
            .add_report(&scans[2], &new, true, DAY_ONE)
            .await
            .unwrap()
    );
    let mut candidate = judge(&db.store.evidence(&scans[2]).await.unwrap().unwrap());
    candidate.grade.rubric = "2100.1".into();
    assert!(
        db.store
            .add_report(&scans[2], &candidate, false, DAY_ONE)
            .await
            .unwrap()
    );
    let row = db.store.server(&server).await.unwrap().unwrap();
    assert_eq!(row.letter, Some(GradeLetter::F));
}

async fn grading_again_stops_when_told(db: &TestDb) {
    let (_, target) = add(&db.store, URL).await;
    file(&db.store, target, &Sample::oauth(URL)).await;
    let (_stop, stopped) = watch::channel(true);
    let grade: Grade = Arc::new(strict);
    let clock = FixedClock::new(DAY_ONE);
    let done = store::regrade(&db.store, "2099.1", &grade, true, &clock, &stopped)
        .await
        .unwrap();
    assert_eq!(done.added, 0);
}

async fn a_new_rubric_continues_a_run(db: &TestDb) {
    let (server, target) = add(&db.store, URL).await;
    file(&db.store, target, &Sample::oauth(URL)).await;
    // The program was updated: the same is seen and found, but under another rubric.
    let evidence = Sample::oauth(URL).at(DAY_ONE.plus(DAY)).evidence();
    let mut report = judge(&evidence);
    report.grade.rubric = "2099.2".into();
    let scan = Kind::Scan.fresh(evidence.started);
    let filed = file_as(&db.store, target, &scan, &evidence, &report)
        .await
        .unwrap();
    assert!(!filed.changed);
    let history = db
        .store
        .history(&server, &Page::first(9))
        .await
        .unwrap()
        .rows;
    assert_eq!((history.len(), history[0].n), (1, 2));
    assert_eq!(history[0].rubric, "2099.2");
    assert_eq!(db.store.changes(0, 9).await.unwrap().len(), 1);
    for rubric in [scanner::rubric::current().version, "2099.2"] {
        assert!(
            db.store
                .report(&scan, Some(rubric))
                .await
                .unwrap()
                .is_some(),
            "{rubric}"
        );
    }
    let totals = db.store.totals(DAY_ONE).await.unwrap();
    assert_eq!((totals.scanned, totals.graded, totals.scans), (1, 1, 2));
}

async fn a_longer_catalogue_is_no_change(db: &TestDb) {
    let (_, target) = add(&db.store, URL).await;
    file(&db.store, target, &Sample::oauth(URL)).await;
    let evidence = Sample::oauth(URL).at(DAY_ONE.plus(DAY)).evidence();
    let mut report = judge(&evidence);
    assert_eq!(report.class, Class::Oauth);
    let mut added = report.findings[0].clone();
    added.check = "a-check-of-the-future".into();
    added.verdict = scanner::report::FindingVerdict::Na;
    report.findings.insert(0, added.clone());
    let scan = Kind::Scan.fresh(evidence.started);
    let filed = file_as(&db.store, target, &scan, &evidence, &report)
        .await
        .unwrap();
    assert!(
        !filed.changed,
        "an unjudged check more says nothing about the server"
    );

    let evidence = Sample::oauth(URL).at(DAY_ONE.plus(2 * DAY)).evidence();
    report.findings[0].verdict = scanner::report::FindingVerdict::Fail;
    let scan = Kind::Scan.fresh(evidence.started);
    let filed = file_as(&db.store, target, &scan, &evidence, &report)
        .await
        .unwrap();
    assert!(filed.changed);
    let tally = db.store.tally().await.unwrap();
    let last = tally.last().unwrap();
    assert_eq!(
        (last.check.as_str(), last.fail),
        ("a-check-of-the-future", 1)
    );
    assert!(
        tally
            .iter()
            .all(|one| one.pass + one.warn + one.fail + one.unjudged == 1)
    );
    // Another process, which has not seen the check yet, reads it all the same.
    let second = store::Store::open(&db.url).await.unwrap();
    assert_eq!(second.tally().await.unwrap(), tally);
    second.close().await;
}
