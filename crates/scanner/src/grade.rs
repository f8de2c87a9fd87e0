//! From evidence to a report: every check in every revision, root causes resolved, scored,
//! capped and lettered. Pure: equal evidence under one rubric gives an equal report.

mod letters;
mod overriding;
mod resolve;
mod supposing;

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::attribution::{attribute, product_of};
use crate::check::Place;
use crate::evidence::{Depth, Evidence, SCHEMA as EVIDENCE_SCHEMA};
use crate::facts::Facts;
use crate::publish::Overrides;
use crate::report::{
    AuthorizationServer, EvidenceInfo, ExchangeIndex, Finding, FindingVerdict, Grade, OtherVerdict,
    Publication, Report, ReportTarget, Requests, SCHEMA, ScannerInfo,
};
use crate::rubric::Rubric;
use crate::spec::Revision;
use crate::{checks, surface};
pub use letters::{Scope, grade_of};
pub use resolve::{Resolved, resolve};
pub use supposing::supposing;

/// The report of one scan under a rubric.
#[must_use]
pub fn grade(evidence: &Evidence, rubric: &Rubric) -> Report {
    grade_with(evidence, rubric, &Overrides::default())
}

/// The report as it is published: what was seen, but for the overrides that were written down
/// with the publication.
#[must_use]
pub fn grade_with(evidence: &Evidence, rubric: &Rubric, overrides: &Overrides) -> Report {
    let mut report = graded(evidence, rubric, overrides);
    overriding::hide_letter(&mut report, overrides);
    report
}

fn graded(evidence: &Evidence, rubric: &Rubric, overrides: &Overrides) -> Report {
    let facts = Facts::new(evidence);
    let columns: BTreeMap<Revision, Vec<Resolved>> = Revision::ALL
        .into_iter()
        .map(|revision| {
            let resolved = resolve::resolve_with(&facts, revision, overrides);
            (revision, resolved)
        })
        .collect();
    let grades: BTreeMap<Revision, Grade> = columns
        .iter()
        .map(|(revision, resolved)| {
            let grade = grade_of(&facts, resolved, *revision, rubric, Scope::Public);
            (*revision, grade)
        })
        .collect();
    let verified = (evidence.depth >= Depth::Consented).then(|| {
        let headline = Revision::HEADLINE;
        grade_of(
            &facts,
            &columns[&headline],
            headline,
            rubric,
            Scope::Verified,
        )
    });
    let servers = authorization_servers(&facts);
    let requests = requests(&facts, &servers);
    let headline = grades[&Revision::HEADLINE].clone();
    Report {
        schema: SCHEMA.into(),
        scan: None,
        target: ReportTarget {
            url: evidence.target.url.clone(),
            host: evidence.target.host(),
            name: evidence
                .target
                .listing
                .as_ref()
                .and_then(|listing| listing.name.clone()),
            listing: evidence.target.listing.clone(),
        },
        class: facts.class(),
        era: facts.era(),
        flags: facts
            .flags()
            .iter()
            .map(|flag| (*flag).to_owned())
            .collect(),
        exposure: facts.exposure(),
        claimed: facts.claimed(),
        depth: evidence.depth,
        started: evidence.started.rfc3339(),
        duration_ms: evidence.duration_ms,
        stopped: evidence.stopped,
        scanner: ScannerInfo {
            name: "authdex".into(),
            version: evidence.scanner.clone(),
            plan: evidence.plan,
        },
        policy_version: None,
        grade: headline,
        findings: findings(&facts, &columns),
        grades,
        verified,
        future: Vec::new(),
        authorization_servers: servers,
        requests,
        exchanges: exchanges(evidence),
        evidence: evidence_info(evidence),
        publication: Publication::local(),
        overlay: None,
        connect: crate::connect::outlook(&facts),
    }
}

fn findings(facts: &Facts<'_>, columns: &BTreeMap<Revision, Vec<Resolved>>) -> Vec<Finding> {
    let headline = &columns[&Revision::HEADLINE];
    checks::all()
        .zip(headline)
        .enumerate()
        .map(|(position, (check, resolved))| {
            let by_revision = columns
                .iter()
                .filter(|(revision, _)| **revision != Revision::HEADLINE)
                .filter_map(|(revision, column)| {
                    let other = &column[position];
                    let differs =
                        other.verdict != resolved.verdict || other.reason != resolved.reason;
                    differs.then(|| {
                        (
                            *revision,
                            OtherVerdict {
                                verdict: other.verdict,
                                reason: other.reason.clone(),
                            },
                        )
                    })
                })
                .collect();
            Finding {
                check: check.id.into(),
                verdict: resolved.verdict,
                reason: resolved.reason.clone(),
                detail: resolved.detail.clone(),
                severity: resolved.severity,
                level: check.level,
                party: check.party.to_vec(),
                class: check.class,
                blocked_by: resolved.blocked_by.map(str::to_owned),
                revision: resolved.column,
                unvalidated: facts.unvalidated(&resolved.at),
                confirmed: None,
                evidence: places(&resolved.at),
                by_revision,
                relation: resolved.relation.map(str::to_owned),
                withheld: false,
                attribution: matches!(
                    resolved.verdict,
                    FindingVerdict::Warn | FindingVerdict::Fail
                )
                .then(|| attribute(facts, check, &resolved.reason, &resolved.at)),
            }
        })
        .collect()
}

fn places(at: &[Place]) -> Vec<Place> {
    let mut places = at.to_vec();
    places.sort();
    places.dedup();
    places
}

fn authorization_servers(facts: &Facts<'_>) -> Vec<AuthorizationServer> {
    let mut selected = false;
    facts
        .issuers()
        .iter()
        .map(|issuer| {
            let found = facts.found(issuer, Revision::HEADLINE);
            let document = found.first().and_then(|candidate| candidate.asm());
            let first = document.is_some() && !selected;
            selected |= first;
            let product = product_of(facts, issuer);
            AuthorizationServer {
                issuer: issuer.listed.clone(),
                host: url::Url::parse(&issuer.listed)
                    .ok()
                    .and_then(|url| url.host_str().map(str::to_owned))
                    .unwrap_or_default(),
                product: product.as_ref().map(|product| product.id.to_owned()),
                product_basis: product
                    .as_ref()
                    .map(|product| product.basis.as_str().to_owned()),
                selected: first,
                metadata_url: found.first().map(|candidate| candidate.url.clone()),
                listed_at: (!issuer.fallback).then_some(u32::from(issuer.index)),
            }
        })
        .collect()
}

fn requests(facts: &Facts<'_>, servers: &[AuthorizationServer]) -> Requests {
    let home = facts.endpoint().host_str().map(str::to_owned);
    let issuers: Vec<&str> = servers.iter().map(|server| server.host.as_str()).collect();
    let mut out = Requests::default();
    for exchange in &facts.evidence.exchanges {
        if exchange.shared.is_some() {
            continue;
        }
        out.total += 1;
        out.retries += u32::from(exchange.attempt > 0);
        let host = url::Url::parse(&exchange.asked.url)
            .ok()
            .and_then(|url| url.host_str().map(str::to_owned));
        match host {
            host if host == home => out.endpoint += 1,
            Some(host) if issuers.contains(&host.as_str()) => {
                *out.authorization_servers.entry(host).or_default() += 1;
            }
            _ => out.other += 1,
        }
    }
    out
}

fn exchanges(evidence: &Evidence) -> Vec<ExchangeIndex> {
    evidence
        .exchanges
        .iter()
        .map(|exchange| ExchangeIndex {
            id: exchange.id,
            purpose: exchange.purpose.name(),
            method: exchange.asked.method.clone(),
            url: exchange.asked.url.clone(),
            status: exchange
                .got
                .as_ref()
                .ok()
                .map(|response| response.status)
                // Over a handshake nothing was asked.
                .filter(|status| *status > 0),
            failure: exchange
                .got
                .as_ref()
                .err()
                .map(|failure| failure.word().to_owned()),
            after_ms: exchange.after_ms,
            took_ms: exchange.took_ms,
        })
        .collect()
}

fn evidence_info(evidence: &Evidence) -> EvidenceInfo {
    let encoded = evidence.encode().unwrap_or_default();
    EvidenceInfo {
        schema: EVIDENCE_SCHEMA.min(evidence.schema),
        sha256: hex(&Sha256::digest(encoded)),
        surface_sha256: surface::digest(evidence),
        bundle: None,
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
