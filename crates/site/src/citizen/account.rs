//! The account of what was sent: counted when a scan ends, whatever came of it, and noted where no
//! filed scan will tell of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use scanner::evidence::{Depth, Evidence, Failure, Stopped};
use scanner::identity::Line;
use scanner::net::NetScanner;
use scanner::scan::Scan;
use scanner::surface;
use scanner::target::Target;
use scanner::time::{Clock, Millis};
use store::{Errand, Sent, Store};
use url::Url;

use super::Remembering;
use crate::worker::judge;

/// A scanner that keeps account. What an owner allowed beyond depth standard is kept for that
/// owner on a public installation, and only the rest goes on.
pub struct Accounted {
    scanner: Arc<NetScanner>,
    store: Store,
    courtesy: Arc<Remembering>,
    clock: Arc<dyn Clock>,
}

impl Accounted {
    /// A scanner over another.
    #[must_use]
    pub fn new(
        scanner: Arc<NetScanner>,
        store: Store,
        courtesy: Arc<Remembering>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            scanner,
            store,
            courtesy,
            clock,
        }
    }

    async fn settle(&self, evidence: Evidence, scan: &str) -> Evidence {
        let now = self.clock.now();
        let mut lines = self.courtesy.take_lines(scan);
        let sent = tally(&evidence, &lines);
        let owner = self.courtesy.take_owner(&evidence.target.url);
        let private = owner.filter(|_| self.courtesy.public() && evidence.depth > Depth::Standard);
        let mut shown = evidence;
        let mut report = None;
        if let Some((target, person)) = private {
            let text = serde_json::to_string(&judge(&shown)).unwrap_or_default();
            report = Some((target, person, text));
            lines.extend(as_lines(&shown, |exchange| exchange.purpose.is_deeper()));
            shown = surface::public_part(&shown);
        } else if shown.stopped.is_refusal() || shown.stopped == Stopped::Stopped {
            lines.extend(as_lines(&shown, |_| true));
        }
        let host = host_of(&shown.target.url);
        let errand = (!lines.is_empty()).then(|| Errand {
            id: scan.to_owned(),
            at: lines.iter().map(|line| line.at).min().unwrap_or(now),
            host: host.clone(),
            why: "scan".into(),
            lines: serde_json::to_string(&lines).unwrap_or_default(),
        });
        let write = async {
            self.store.note_sent(&sent, errand.as_ref(), now).await?;
            if let Some((target, person, text)) = report {
                self.store.keep_private(target, &person, &text, now).await?;
            }
            let reason = match shown.stopped {
                Stopped::Robots => Some("robots"),
                Stopped::OptedOut => Some("opt_out"),
                _ => None,
            };
            let url = &shown.target.url;
            self.store.refused(url, reason, now).await?;
            if shown.stopped == Stopped::OptedOut && self.courtesy.hides(&host) {
                self.store.remove_host(&host, now).await?;
            }
            Ok::<_, store::StoreError>(())
        };
        if let Err(error) = write.await {
            tracing::error!(scan, "what was sent is not noted: {error}");
        }
        shown
    }
}

impl Scan for Accounted {
    async fn scan(&self, target: &Target, scan_id: &str) -> Evidence {
        let evidence = self.scanner.scan(target, scan_id).await;
        self.settle(evidence, scan_id).await
    }
}

fn host_of(url: &str) -> String {
    Url::parse(url)
        .ok()
        .and_then(|url| url.host_str().map(str::to_owned))
        .unwrap_or_default()
}

/// What a scan sent, with what went before it.
#[must_use]
pub fn tally(evidence: &Evidence, lines: &[Line]) -> Sent {
    let mut out = Sent {
        stops: u64::from(evidence.stopped == Stopped::Stopped),
        ..Sent::default()
    };
    let mut hosts = BTreeSet::new();
    for line in lines {
        out.requests += 1;
        out.read_bytes += line.bytes;
        out.sent_bytes += (line.method.len() + line.url.len()) as u64;
        out.slowed += u64::from(line.status == 429);
        hosts.insert(host_of(&line.url));
    }
    for exchange in evidence.exchanges.iter().filter(|one| one.shared.is_none()) {
        if matches!(&exchange.got, Err(Failure::Blocked(_))) {
            out.refusals += 1;
            continue;
        }
        if matches!(&exchange.got, Err(Failure::Dns(_))) {
            continue; // nothing was sent
        }
        let asked = &exchange.asked;
        let headers: usize = asked
            .headers
            .iter()
            .map(|(name, value)| name.len() + value.len() + 4)
            .sum();
        let body = asked.body.as_ref().map_or(0, String::len);
        out.requests += 1;
        out.sent_bytes += (asked.method.len() + asked.url.len() + headers + body) as u64;
        hosts.insert(host_of(&asked.url));
        if let Ok(response) = &exchange.got {
            out.read_bytes += response.body.bytes;
            out.slowed += u64::from(response.status == 429);
        }
    }
    out.refusals += u64::from(evidence.stopped.is_refusal());
    out.hosts = hosts.into_iter().filter(|host| !host.is_empty()).collect();
    out
}

/// Exchanges as lines of a note.
fn as_lines(
    evidence: &Evidence,
    wanted: impl Fn(&scanner::evidence::Exchange) -> bool,
) -> Vec<Line> {
    evidence
        .exchanges
        .iter()
        .filter(|exchange| exchange.shared.is_none() && wanted(exchange))
        .filter(|exchange| !matches!(&exchange.got, Err(Failure::Blocked(_) | Failure::Dns(_))))
        .map(|exchange| Line {
            at: Millis(evidence.started.0 + i64::from(exchange.after_ms)),
            method: exchange.asked.method.clone(),
            url: exchange.asked.url.clone(),
            why: exchange.purpose.name(),
            status: exchange.got.as_ref().map_or(0, |response| response.status),
            bytes: exchange
                .got
                .as_ref()
                .map_or(0, |response| response.body.bytes),
        })
        .collect()
}
