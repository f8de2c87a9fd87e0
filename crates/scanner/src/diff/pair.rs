//! Two reports of one rubric side by side: which checks changed, and who caused each change.

use super::{Cause, Graded, Group, VerdictChange, group};
use crate::evidence::{Evidence, ExchangeId};
use crate::report::{Finding, FindingVerdict, Report};
use crate::surface;

/// What both scans heard, without what changes on every answer.
struct Heard {
    before_surface: Evidence,
    after_surface: Evidence,
}

/// Two reports side by side.
pub(super) struct Pair<'r> {
    pub(super) a: &'r Report,
    pub(super) b: &'r Report,
    heard: Option<Heard>,
    same_issuers: bool,
}

impl<'r> Pair<'r> {
    pub(super) fn new(before: Graded<'r>, after: Graded<'r>) -> Self {
        Self {
            heard: Some(Heard {
                before_surface: surface::of(before.evidence),
                after_surface: surface::of(after.evidence),
            }),
            ..Self::of_reports(before.report, after.report)
        }
    }

    pub(super) fn of_reports(a: &'r Report, b: &'r Report) -> Self {
        let issuers = |report: &Report| -> Vec<String> {
            report
                .authorization_servers
                .iter()
                .map(|server| server.issuer.clone())
                .collect()
        };
        Self {
            a,
            b,
            heard: None,
            same_issuers: issuers(a) == issuers(b),
        }
    }

    /// Ids of both sides, in catalogue order, unknown ones last.
    pub(super) fn checks(&self) -> Vec<String> {
        let mut ids: Vec<String> = self
            .b
            .findings
            .iter()
            .map(|finding| finding.check.clone())
            .collect();
        for finding in &self.a.findings {
            if !ids.contains(&finding.check) {
                ids.push(finding.check.clone());
            }
        }
        ids
    }

    pub(super) fn tenths(&self, report: &Report, check: &str) -> i64 {
        report
            .grade
            .ledger
            .iter()
            .find(|line| line.check == check)
            .map_or(0, |line| i64::from(line.tenths))
    }

    pub(super) fn change(&self, check: &str, tenths: i64) -> Option<VerdictChange> {
        let find = |report: &'r Report| {
            report
                .findings
                .iter()
                .find(|finding| finding.check == check)
        };
        let (a, b) = (find(self.a), find(self.b));
        let group = match (a, b) {
            (Some(a), Some(b)) => group(a.verdict, b.verdict).or_else(|| {
                let worded =
                    a.verdict.conclusive() && (a.reason != b.reason || a.detail != b.detail);
                worded.then_some(Group::Reworded)
            })?,
            (None, Some(b)) => b.verdict.conclusive().then_some(Group::NewlyJudged)?,
            (Some(a), None) => a.verdict.conclusive().then_some(Group::NoLongerJudged)?,
            (None, None) => return None,
        };
        Some(VerdictChange {
            check: check.into(),
            before: a.map(|finding| finding.verdict),
            after: b.map(|finding| finding.verdict),
            group,
            tenths,
            cause: self.cause(check),
        })
    }

    fn cause(&self, check: &str) -> Cause {
        let find = |report: &'r Report| {
            report
                .findings
                .iter()
                .find(|finding| finding.check == check)
        };
        let sides = [find(self.a), find(self.b)];
        let reasons: Vec<&str> = sides
            .iter()
            .flatten()
            .filter(|finding| finding.verdict == FindingVerdict::Inconclusive)
            .map(|finding| finding.reason.as_str())
            .collect();
        let of_network = [
            "network",
            "server_fault",
            "intermediary",
            "rate_limited",
            "out_of_time",
            "truncated",
            "content_coding",
            "too_deep",
            "flapping",
        ];
        if reasons.iter().any(|reason| of_network.contains(reason)) {
            return Cause::Network;
        }
        if reasons.contains(&"not_captured") || self.a.scanner.plan != self.b.scanner.plan {
            return Cause::Scanner;
        }
        let changed = self.changed_hosts(check);
        if changed.is_empty() && self.a.target.listing != self.b.target.listing {
            return Cause::Listing;
        }
        let is_issuer = |host: &String| {
            self.b
                .authorization_servers
                .iter()
                .any(|server| server.host == *host)
        };
        let endpoint = |host: &String| {
            url::Url::parse(&self.b.target.url)
                .ok()
                .and_then(|url| url.host_str().map(str::to_owned))
                .as_ref()
                == Some(host)
        };
        let only_as = !changed.is_empty()
            && changed
                .iter()
                .all(|host| is_issuer(host) && !endpoint(host));
        if only_as && self.same_issuers {
            return Cause::AuthorizationServer;
        }
        Cause::Server
    }

    /// Hosts whose exchanges differ: among the evidence of the check, or, where it points at
    /// none (it passed, or had nothing to judge), among all. Without evidence, the hosts that
    /// the check points at, or else those that all changed checks point at.
    fn changed_hosts(&self, check: &str) -> Vec<String> {
        let cited = self.cited(|finding| finding.check == check);
        let all = match &self.heard {
            Some(heard) => heard.differing_hosts(),
            None if !cited.is_empty() => return cited,
            None => self.cited(|finding| self.moved(&finding.check)),
        };
        let narrowed: Vec<String> = all
            .iter()
            .filter(|host| cited.contains(host))
            .cloned()
            .collect();
        if narrowed.is_empty() { all } else { narrowed }
    }

    /// Hosts of the exchanges that some findings of both sides point at.
    fn cited(&self, wanted: impl Fn(&Finding) -> bool) -> Vec<String> {
        let mut hosts: Vec<String> = Vec::new();
        for report in [self.a, self.b] {
            let places = report
                .findings
                .iter()
                .filter(|finding| wanted(finding))
                .flat_map(|finding| &finding.evidence);
            for place in places {
                if let Some(host) = host_of(report, place.exchange)
                    && !hosts.contains(&host)
                {
                    hosts.push(host);
                }
            }
        }
        hosts
    }

    /// Whether a check has another verdict than before.
    fn moved(&self, check: &str) -> bool {
        let verdict = |report: &Report| {
            report
                .findings
                .iter()
                .find(|finding| finding.check == check)
                .map(|finding| finding.verdict)
        };
        verdict(self.a) != verdict(self.b)
    }
}

impl Heard {
    fn differing_hosts(&self) -> Vec<String> {
        let mut hosts = Vec::new();
        let key =
            |exchange: &crate::evidence::Exchange| (exchange.purpose, exchange.asked.url.clone());
        let sides = [
            (&self.before_surface, &self.after_surface),
            (&self.after_surface, &self.before_surface),
        ];
        for (one, other) in sides {
            for exchange in &one.exchanges {
                let twin = other
                    .exchanges
                    .iter()
                    .find(|twin| key(twin) == key(exchange));
                if twin.is_none_or(|twin| twin.got != exchange.got)
                    && let Some(host) = url::Url::parse(&exchange.asked.url)
                        .ok()
                        .and_then(|url| url.host_str().map(str::to_owned))
                    && !hosts.contains(&host)
                {
                    hosts.push(host);
                }
            }
        }
        hosts
    }
}

fn host_of(report: &Report, id: ExchangeId) -> Option<String> {
    let exchange = report.exchanges.iter().find(|exchange| exchange.id == id)?;
    url::Url::parse(&exchange.url)
        .ok()?
        .host_str()
        .map(str::to_owned)
}
