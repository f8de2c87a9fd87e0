//! Leasing, filing, jobs.

use std::collections::BTreeMap;

use scanner::time::Millis;
use store::ids::Kind;
use store::{DueAnswer, NewListing, Page, TargetFilter};

use crate::db::{TestDb, on_both_engines};
use crate::kit::{add, file, file_as, listing, scan_leased};
use crate::report::{DAY, DAY_ONE, Manner, Sample};

on_both_engines!(
    leases_are_exclusive_and_end_by_themselves,
    every_target_is_leased_once_by_many_workers,
    asked_for_scans_come_first_but_not_only,
    asking_for_a_scan_answers_what_will_happen,
    everything_can_be_made_due,
    a_lost_lease_changes_nothing,
    filing_ends_the_lease_and_files_once,
    many_writers_lose_nothing,
    a_run_on_the_command_line_leaves_the_lease_alone,
    failures_are_counted_until_an_answer_comes,
    jobs_run_in_one_process_at_a_time,
    positions_are_kept,
    ids_that_are_none_find_nothing,
);

async fn leases_are_exclusive_and_end_by_themselves(db: &TestDb) {
    add(&db.store, "https://a.example/mcp").await;
    let (now, until) = (DAY_ONE, DAY_ONE.plus(60_000));
    let first = db.store.lease_due(now, until, 10).await.unwrap();
    assert_eq!(first.len(), 1);
    assert_eq!(first[0].target.url, "https://a.example/mcp");
    assert_eq!(first[0].failures, 0);
    assert!(db.store.lease_due(now, until, 10).await.unwrap().is_empty());
    assert_eq!(db.store.next_due_at().await.unwrap(), Some(until));
    // The worker dies; nothing is done, and the lease ends.
    let again = db
        .store
        .lease_due(until, until.plus(60_000), 10)
        .await
        .unwrap();
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].server, first[0].server);

    db.store.release(&again[0], until.plus(DAY)).await.unwrap();
    assert_eq!(db.store.next_due_at().await.unwrap(), Some(until.plus(DAY)));
    assert!(
        db.store
            .lease_due(until.plus(DAY - 1), until.plus(2 * DAY), 1)
            .await
            .unwrap()
            .is_empty()
    );
    let third = db
        .store
        .lease_due(until.plus(DAY), until.plus(2 * DAY), 1)
        .await
        .unwrap();
    db.store
        .give_up(&third[0], store::due::NEVER, now)
        .await
        .unwrap();
    assert_eq!(db.store.next_due_at().await.unwrap(), None);
    let server = db.store.server(&third[0].server).await.unwrap().unwrap();
    assert_eq!((server.state.as_str(), server.next_due), ("failed", None));
}

async fn every_target_is_leased_once_by_many_workers(db: &TestDb) {
    let rows: Vec<NewListing> = (0..400)
        .map(|n| listing(&format!("https://s{n}.example/mcp"), "S"))
        .collect();
    db.store
        .add_listings("registry", &rows, DAY_ONE)
        .await
        .unwrap();
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..16 {
        let store = db.store.clone();
        workers.spawn(async move {
            let mut mine = Vec::new();
            loop {
                let until = DAY_ONE.plus(60_000 + worker);
                let leases = store.lease_due(DAY_ONE, until, 7).await.unwrap();
                if leases.is_empty() {
                    return mine;
                }
                mine.extend(leases.into_iter().map(|lease| lease.server));
            }
        });
    }
    let mut times: BTreeMap<String, u32> = BTreeMap::new();
    let mut busy = 0;
    while let Some(mine) = workers.join_next().await {
        let mine = mine.unwrap();
        busy += usize::from(!mine.is_empty());
        for server in mine {
            *times.entry(server).or_default() += 1;
        }
    }
    assert_eq!(times.len(), 400);
    assert!(times.values().all(|n| *n == 1), "{times:?}");
    assert!(busy > 1, "the workers really shared the work");
}

async fn asked_for_scans_come_first_but_not_only(db: &TestDb) {
    let rows: Vec<NewListing> = (0..30)
        .map(|n| listing(&format!("https://s{n}.example/mcp"), "S"))
        .collect();
    db.store
        .add_listings("registry", &rows, DAY_ONE)
        .await
        .unwrap();
    // Twenty of them have been scanned and are due; five new ones are asked for.
    let scanned = db
        .store
        .lease_due(DAY_ONE, DAY_ONE.plus(1_000), 20)
        .await
        .unwrap();
    for lease in &scanned {
        scan_leased(&db.store, lease, DAY_ONE).await;
    }
    let now = DAY_ONE.plus(2 * DAY);
    let new: Vec<String> = db
        .store
        .servers(&TargetFilter::default(), &Page::first(100))
        .await
        .unwrap()
        .rows
        .into_iter()
        .filter(|row| row.checked_at.is_none())
        .map(|row| row.id)
        .collect();
    for server in &new[..5] {
        db.store.make_due(server, now, 0).await.unwrap();
    }
    let leases = db.store.lease_due(now, now.plus(60_000), 5).await.unwrap();
    let asked = leases
        .iter()
        .filter(|lease| new[..5].contains(&lease.server))
        .count();
    let scheduled = leases
        .iter()
        .filter(|lease| lease.surface.is_some())
        .count();
    assert_eq!(
        (asked, scheduled),
        (4, 1),
        "a fifth is left to what is scheduled"
    );
    let rest = db
        .store
        .lease_due(now, now.plus(60_000), 100)
        .await
        .unwrap();
    assert_eq!(rest.len(), 25);
}

async fn asking_for_a_scan_answers_what_will_happen(db: &TestDb) {
    let (server, target) = add(&db.store, "https://a.example/mcp").await;
    let (other, _) = add(&db.store, "https://b.example/mcp").await;
    let hour = 3_600_000;
    let ask = |server: &str, now: Millis| {
        let server = server.to_owned();
        async move { db.store.make_due(&server, now, hour).await.unwrap() }
    };
    assert_eq!(ask("srv_00000000000000000000000000", DAY_ONE).await, None);
    let queued = DueAnswer::Queued {
        since: DAY_ONE,
        due: DAY_ONE,
        ahead: 0,
    };
    assert_eq!(ask(&server, DAY_ONE).await, Some(queued.clone()));
    assert_eq!(
        ask(&server, DAY_ONE.plus(5)).await,
        Some(queued),
        "it keeps its place"
    );
    let behind = DueAnswer::Queued {
        since: DAY_ONE.plus(9),
        due: DAY_ONE.plus(9),
        ahead: 1,
    };
    assert_eq!(ask(&other, DAY_ONE.plus(9)).await, Some(behind));

    let now = DAY_ONE.plus(10);
    let until = now.plus(60_000);
    let leases = db.store.lease_due(now, until, 10).await.unwrap();
    assert_eq!(leases.len(), 2);
    assert_eq!(
        ask(&server, now).await,
        Some(DueAnswer::Running { since: now, until })
    );
    let filed = file(
        &db.store,
        target,
        &Sample::oauth("https://a.example/mcp").at(now),
    )
    .await;
    let lease = leases.iter().find(|lease| lease.server == server).unwrap();
    db.store.release(lease, now.plus(DAY)).await.unwrap();
    let too_soon = DueAnswer::TooSoon {
        failed: false,
        again: now.plus(hour),
        last_scan: Some(filed.scan),
    };
    assert_eq!(ask(&server, now.plus(hour - 1)).await, Some(too_soon));
    // The other one's lease has ended without a result, so that one is ahead.
    let behind = DueAnswer::Queued {
        since: now.plus(hour),
        due: now.plus(hour),
        ahead: 1,
    };
    assert_eq!(ask(&server, now.plus(hour)).await, Some(behind));
}

async fn everything_can_be_made_due(db: &TestDb) {
    let mut targets = Vec::new();
    for n in 0..4 {
        targets.push(add(&db.store, &format!("https://s{n}.example/mcp")).await);
    }
    let leases = db
        .store
        .lease_due(DAY_ONE, DAY_ONE.plus(60_000), 4)
        .await
        .unwrap();
    for lease in &leases[..3] {
        scan_leased(&db.store, lease, DAY_ONE).await;
    }
    db.store
        .lease_due(DAY_ONE.plus(DAY), DAY_ONE.plus(2 * DAY), 1)
        .await
        .unwrap();
    // Two are due later; of the others, one was given up by its worker and one is being scanned.
    let now = DAY_ONE.plus(70_000);
    assert_eq!(db.store.make_all_due(now).await.unwrap(), 2);
    let due = db.store.lease_due(now, now.plus(60_000), 9).await.unwrap();
    assert_eq!(due.len(), 3);
}

async fn a_lost_lease_changes_nothing(db: &TestDb) {
    add(&db.store, "https://a.example/mcp").await;
    let (end, later) = (DAY_ONE.plus(1_000), DAY_ONE.plus(60_000));
    let mut slow = db.store.lease_due(DAY_ONE, end, 1).await.unwrap().remove(0);
    let mut held = slow.clone();
    assert!(db.store.renew(&mut held, end.plus(1)).await.unwrap());
    assert!(
        !db.store.renew(&mut slow, end.plus(2)).await.unwrap(),
        "it has another end now"
    );

    let quick = db
        .store
        .lease_due(end.plus(1), later, 1)
        .await
        .unwrap()
        .remove(0);
    db.store
        .release(&held, DAY_ONE.plus(9 * DAY))
        .await
        .unwrap();
    assert_eq!(
        db.store.next_due_at().await.unwrap(),
        Some(later),
        "the new lease holds"
    );
    // The slow worker's scan is evidence all the same.
    let filed = scan_leased(&db.store, &held, DAY_ONE).await;
    assert!(filed.first);
    assert_eq!(db.store.next_due_at().await.unwrap(), Some(later));
    scan_leased(&db.store, &quick, DAY_ONE.plus(2_000)).await;
    let server = db.store.server(&quick.server).await.unwrap().unwrap();
    assert_eq!(server.scans, 2);
    assert_eq!(server.next_due, Some(DAY_ONE.plus(2_000 + DAY)));
}

async fn filing_ends_the_lease_and_files_once(db: &TestDb) {
    let url = "https://a.example/mcp";
    let (server, _) = add(&db.store, url).await;
    let lease = db
        .store
        .lease_due(DAY_ONE, DAY_ONE.plus(60_000), 1)
        .await
        .unwrap()
        .remove(0);
    let (evidence, report) = Sample::oauth(url).graded();
    let scan = Kind::Scan.fresh(DAY_ONE);
    let filing = store::Filing {
        target: lease.id,
        scan: scan.clone(),
        evidence: &evidence,
        report: &report,
        finished: DAY_ONE.plus(900),
        next_due: DAY_ONE.plus(DAY),
        lease_until: Some(lease.until),
    };
    let filed = db.store.file(&filing).await.unwrap();
    assert_eq!(
        (filed.scan.as_str(), filed.changed, filed.first),
        (scan.as_str(), true, true)
    );
    let totals = db.store.totals(DAY_ONE).await.unwrap();
    let again = db.store.file(&filing).await.unwrap();
    assert_eq!(
        again, filed,
        "the second filing answers what the first one did"
    );
    assert_eq!(
        db.store.totals(DAY_ONE).await.unwrap(),
        totals,
        "and changes nothing"
    );
    assert_eq!((totals.scans, totals.scanned, totals.graded), (1, 1, 1));

    let row = db.store.server(&server).await.unwrap().unwrap();
    assert_eq!(row.next_due, Some(DAY_ONE.plus(DAY)));
    assert_eq!(row.last_scan, Some(scan));
    assert_eq!(row.state, "published");
    assert_eq!(row.letter, report.grade.letter);
    assert_eq!(row.issuers, ["https://id.a.example"]);
    assert_eq!(row.registration.as_deref(), Some("cimd"));
    assert_eq!(row.pkce.as_deref(), Some("s256"));
    assert_eq!(row.class, Some(report.class));
    assert_eq!(row.checked_at, Some(DAY_ONE));
    assert_eq!(row.changed_at, Some(DAY_ONE));

    let unknown = file_as(&db.store, store::TargetId(99), "scn_x", &evidence, &report).await;
    assert!(unknown.unwrap_err().to_string().contains("no scan id"));
    let fresh = Kind::Scan.fresh(DAY_ONE);
    let unknown = file_as(&db.store, store::TargetId(99), &fresh, &evidence, &report).await;
    assert!(unknown.unwrap_err().to_string().contains("no target 99"));
}

async fn many_writers_lose_nothing(db: &TestDb) {
    const SERVERS: i64 = 24;
    const SCANS: i64 = 6;
    let rows: Vec<NewListing> = (0..SERVERS)
        .map(|n| listing(&format!("https://s{n}.example/mcp"), "S"))
        .collect();
    db.store
        .add_listings("registry", &rows, DAY_ONE)
        .await
        .unwrap();
    // A second process, as it were.
    let second = store::Store::open(&db.url).await.unwrap();
    let leases = db
        .store
        .lease_due(DAY_ONE, DAY_ONE.plus(1_000), 100)
        .await
        .unwrap();
    let mut writers = tokio::task::JoinSet::new();
    for (position, lease) in leases.into_iter().enumerate() {
        let store = if position % 2 == 0 {
            db.store.clone()
        } else {
            second.clone()
        };
        writers.spawn(async move {
            for n in 0..SCANS {
                let at = DAY_ONE.plus(n * DAY);
                // Every third scan sees something else.
                let mut sample = Sample::oauth(&lease.target.url).at(at);
                sample.pkce = n % 3 != 2;
                file(&store, lease.id, &sample).await;
            }
        });
    }
    // And somebody reads and imports meanwhile.
    for n in 0..20 {
        let rows = [listing(&format!("https://more{n}.example/mcp"), "M")];
        db.store
            .add_listings("registry", &rows, DAY_ONE)
            .await
            .unwrap();
        db.store
            .servers(&TargetFilter::default(), &Page::first(50))
            .await
            .unwrap();
    }
    while let Some(done) = writers.join_next().await {
        done.unwrap();
    }
    let totals = db.store.totals(DAY_ONE.plus(6 * DAY)).await.unwrap();
    assert_eq!(totals.scans, SERVERS * SCANS);
    assert_eq!(totals.scanned, SERVERS);
    assert_eq!(totals.servers, SERVERS + 20);
    // added, regressed, improved, regressed for each
    let changes = db.store.changes(0, 1_000).await.unwrap();
    assert_eq!(changes.len() as i64, SERVERS * 4);
    let seqs: Vec<i64> = changes.iter().map(|change| change.seq).collect();
    assert_eq!(
        seqs,
        (1..=SERVERS * 4).collect::<Vec<_>>(),
        "no gap, no repetition"
    );
    let pkce: i64 = db
        .store
        .facets()
        .await
        .unwrap()
        .pkce
        .iter()
        .map(|(_, n)| n)
        .sum();
    assert_eq!(pkce, SERVERS);
    second.close().await;
}

async fn a_run_on_the_command_line_leaves_the_lease_alone(db: &TestDb) {
    let url = "https://a.example/mcp";
    let (server, target) = add(&db.store, url).await;
    let until = DAY_ONE.plus(60_000);
    db.store.lease_due(DAY_ONE, until, 1).await.unwrap();
    file(&db.store, target, &Sample::oauth(url)).await;
    let row = db.store.server(&server).await.unwrap().unwrap();
    assert_eq!(
        row.next_due,
        Some(until),
        "the worker that holds the lease decides"
    );
    assert_eq!(row.scans, 1);
}

async fn failures_are_counted_until_an_answer_comes(db: &TestDb) {
    let url = "https://a.example/mcp";
    let (_, target) = add(&db.store, url).await;
    let down = Sample::oauth(url).manner(Manner::Down);
    for n in 0..3 {
        file(&db.store, target, &down.clone().at(DAY_ONE.plus(n * DAY))).await;
    }
    let now = DAY_ONE.plus(30 * DAY);
    let lease = db
        .store
        .lease_due(now, now.plus(1_000), 1)
        .await
        .unwrap()
        .remove(0);
    assert_eq!(lease.failures, 3);
    assert_eq!(lease.failing_since, Some(DAY_ONE.plus(900)));
    scan_leased(&db.store, &lease, now).await;
    let now = now.plus(30 * DAY);
    let lease = db
        .store
        .lease_due(now, now.plus(1_000), 1)
        .await
        .unwrap()
        .remove(0);
    assert_eq!((lease.failures, lease.failing_since), (0, None));
    assert!(lease.surface.is_some());
}

async fn jobs_run_in_one_process_at_a_time(db: &TestDb) {
    let at = |n: i64| DAY_ONE.plus(n * 1_000);
    let claim = |scheduled: i64, now: i64, until: i64| {
        db.store
            .job_claim("sync", at(scheduled), at(now), at(until))
    };
    let mut claims = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let store = db.store.clone();
        claims.spawn(async move { store.job_claim("sync", at(0), at(0), at(60)).await.unwrap() });
    }
    let mut won = 0;
    while let Some(claimed) = claims.join_next().await {
        won += u32::from(claimed.unwrap());
    }
    assert_eq!(won, 1);
    assert!(
        !claim(10, 10, 70).await.unwrap(),
        "the run before still holds its lease"
    );
    db.store
        .job_done("sync", at(0), true, "read\n3 pages", at(20))
        .await
        .unwrap();
    assert!(!claim(0, 21, 80).await.unwrap(), "done is done");
    assert!(claim(10, 21, 80).await.unwrap());
    assert!(claim(10, 80, 140).await.unwrap(), "its process died");
    db.store
        .job_done("sync", at(0), false, "late", at(90))
        .await
        .unwrap();
    db.store
        .job_done("sync", at(10), false, "503", at(91))
        .await
        .unwrap();
    let jobs = db.store.jobs().await.unwrap();
    assert_eq!(jobs.len(), 1);
    let job = &jobs[0];
    assert_eq!(
        (job.name.as_str(), job.scheduled, job.ok),
        ("sync", at(10), Some(false))
    );
    assert_eq!((job.finished, job.note.as_str()), (Some(at(91)), "503"));
    assert!(
        db.store
            .job_claim("other", at(0), at(0), at(1))
            .await
            .unwrap()
    );
    assert_eq!(db.store.jobs().await.unwrap().len(), 2);
}

async fn positions_are_kept(db: &TestDb) {
    assert_eq!(db.store.cursor("registry").await.unwrap(), None);
    db.store.set_cursor("registry", "page 1").await.unwrap();
    db.store.set_cursor("registry", "page 2").await.unwrap();
    assert_eq!(
        db.store.cursor("registry").await.unwrap().as_deref(),
        Some("page 2")
    );
}

async fn ids_that_are_none_find_nothing(db: &TestDb) {
    for id in ["", "srv_", "scn_00000000000000000000000000", "7", "srv_'"] {
        assert_eq!(db.store.server(id).await.unwrap(), None);
        assert!(db.store.target_of(id).await.unwrap().is_none());
        assert_eq!(db.store.make_due(id, DAY_ONE, 0).await.unwrap(), None);
        assert!(
            db.store
                .history(id, &Page::first(1))
                .await
                .unwrap()
                .rows
                .is_empty()
        );
        assert!(db.store.latest_scans(id, 1).await.unwrap().is_empty());
        assert_eq!(db.store.scan(id).await.unwrap(), None);
        assert!(db.store.evidence(id).await.unwrap().is_none());
        assert!(db.store.report(id, None).await.unwrap().is_none());
        assert!(db.store.report(id, Some("x\0")).await.unwrap().is_none());
    }
    assert_eq!(
        db.store
            .server_by_url("https://nowhere.example/\0")
            .await
            .unwrap(),
        None
    );
}
