//! What the worker does beside scanning: proofs that people wait for, removals, old notes, and
//! keeping in mind who is left out.

use std::sync::Arc;
use std::time::Duration;

use scanner::net::{Found, NetScanner};
use scanner::time::{Clock, Millis};
use store::ids::Kind;
use store::{Claim, Errand, Sent, Store, Way};
use tokio::sync::watch;

use super::Remembering;

/// A proof holds for so long.
pub const PROOF_MS: i64 = 90 * 86_400_000;
/// Between two rounds.
const PAUSE: Duration = Duration::from_secs(5);
/// Rounds between two looks for old notes: an hour.
const TIDY_EVERY: u32 = 720;
/// Proofs of one round.
const PROOFS: u32 = 10;

/// Does the chores every few seconds until `stop` turns true.
pub async fn every_so_often(
    store: Store,
    scanner: Arc<NetScanner>,
    courtesy: Arc<Remembering>,
    clock: Arc<dyn Clock>,
    mut stop: watch::Receiver<bool>,
) {
    let mut round = 0_u32;
    loop {
        let tidy = round.is_multiple_of(TIDY_EVERY);
        if let Err(error) = chores(&store, &scanner, &courtesy, &*clock, tidy).await {
            tracing::error!("{error}");
        }
        round = round.wrapping_add(1);
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => (),
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

/// One round; with `tidy` old notes are removed, too.
///
/// # Errors
///
/// If the database fails; the next round goes on where this one stopped.
pub async fn chores(
    store: &Store,
    scanner: &NetScanner,
    courtesy: &Remembering,
    clock: &dyn Clock,
    tidy: bool,
) -> store::Result<()> {
    courtesy.refresh().await?;
    for claim in store.wanted_proofs(PROOFS).await? {
        let _ = look(store, scanner, courtesy, clock, &claim).await?;
    }
    let now = clock.now();
    for server in store.deeper_ready(now).await? {
        // A person started it, so the time since the last scan does not matter.
        store.make_due(&server, now, 0).await?;
    }
    for host in store.removals().await? {
        let removed = store.remove_host(&host, now).await?;
        tracing::info!(removed, "removed the servers of a host that is left out");
    }
    if tidy {
        store.forget_notes(now).await?;
    }
    Ok(())
}

/// Looks at a host for a claim's token, and does what the person wanted once it is there.
///
/// # Errors
///
/// If the database fails. What was not found is an answer, in a sentence.
pub async fn look(
    store: &Store,
    scanner: &NetScanner,
    courtesy: &Remembering,
    clock: &dyn Clock,
    claim: &Claim,
) -> store::Result<Result<Found, String>> {
    let id = Kind::Scan.fresh(clock.now());
    let found = scanner.prove(&claim.host, &claim.token, &id).await;
    let now = clock.now();
    let lines = courtesy.take_lines(&id);
    let sent = Sent {
        requests: lines.len() as u64,
        read_bytes: lines.iter().map(|line| line.bytes).sum(),
        hosts: lines.iter().map(|_| claim.host.clone()).take(1).collect(),
        ..Sent::default()
    };
    let errand = Errand {
        id,
        at: now,
        host: claim.host.clone(),
        why: "proof".into(),
        lines: serde_json::to_string(&lines).unwrap_or_default(),
    };
    store
        .note_sent(&sent, Some(&errand).filter(|_| !lines.is_empty()), now)
        .await?;
    let seen = match &found {
        Ok(found) => Ok((found.as_str(), now.plus(PROOF_MS))),
        Err(why) => Err(why.as_str()),
    };
    store.proof_seen(claim, seen, now).await?;
    tracing::info!(
        host = claim.host,
        proved = found.is_ok(),
        "looked for a proof"
    );
    if found.is_ok() && claim.leave > 0 {
        leave(store, claim, now).await?;
    }
    courtesy.refresh().await?;
    Ok(found)
}

async fn leave(store: &Store, claim: &Claim, now: Millis) -> store::Result<()> {
    let hidden = claim.leave > 1;
    store
        .leave_out(&claim.host, Way::Form, None, hidden, now)
        .await
}
