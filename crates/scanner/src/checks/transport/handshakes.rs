//! What was seen of certificates, and of what each host negotiates when it is offered little.

use crate::check::{
    Cause, Fault, Judgement, Na, Place, Severity, Unmet, Verdict, fail, inconclusive, na, warn,
};
use crate::evidence::{ExchangeId, Hello, Offer, TlsFault, version_name};
use crate::facts::hosts::{self, SecureHost};
use crate::facts::{Facts, quote};
use crate::handshake::{Strength, strength};
use crate::spec::Revision;

/// A leaf with less than this left is about to expire.
const SOON_MS: i64 = 14 * 86_400_000;

/// The hosts asked over https, or why there is nothing to say of TLS.
fn hosts<'e>(facts: &Facts<'e>) -> Result<Vec<SecureHost<'e>>, Unmet> {
    let hosts = hosts::secure(facts);
    if !hosts.is_empty() {
        return Ok(hosts);
    }
    na(if facts.trusted_loopback(facts.endpoint()) {
        Na::Loopback
    } else {
        Na::Other("no_tls")
    })
}

pub(super) fn certificate_valid(facts: &Facts<'_>, _: Revision) -> Judgement {
    let hosts = hosts(facts)?;
    let bad: Vec<(&SecureHost<'_>, ExchangeId, TlsFault)> = hosts
        .iter()
        .filter_map(|host| {
            let (id, fault) = host
                .seen
                .iter()
                .find_map(|(id, tls)| Some((*id, tls.fault?)))?;
            Some((host, id, fault))
        })
        .collect();
    if let [(host, id, fault), rest @ ..] = bad.as_slice() {
        let (reason, said) = match fault {
            TlsFault::Untrusted => ("untrusted", "leads to no trusted root"),
            TlsFault::Expired => ("expired", "has expired"),
            TlsFault::NotYetValid => ("not_yet_valid", "is not valid yet"),
            TlsFault::WrongName => ("wrong_name", "does not name the host"),
            TlsFault::Invalid => ("invalid", "is refused by the verifier"),
        };
        let fault = Fault::new(
            reason,
            format!("The certificate of {} {said}.", quote(&host.name)),
            Place::new(*id, "tls"),
        );
        return fail(
            rest.iter()
                .fold(fault, |fault, (_, id, _)| fault.and(Place::new(*id, "tls"))),
        );
    }
    if hosts.iter().any(|host| host.seen.is_empty()) {
        return inconclusive(Cause::Other("handshake_incomplete"));
    }
    let repaired = hosts.iter().find_map(|host| {
        let (id, url) = host
            .seen
            .iter()
            .find_map(|(id, tls)| Some((*id, tls.repaired_from.as_deref()?)))?;
        Some((host, id, url))
    });
    if let Some((host, id, url)) = repaired {
        return warn(Fault::new(
            "incomplete_chain",
            format!(
                "{} does not send the certificate of its issuer; clients that do not fetch it \
                 from {} cannot connect.",
                quote(&host.name),
                quote(url)
            ),
            Place::new(id, "tls"),
        ));
    }
    let soon = hosts
        .iter()
        .flat_map(|host| host.seen.iter().map(move |(id, tls)| (host, *id, tls)))
        .map(|(host, id, tls)| (tls.not_after.since(facts.evidence.started), host, id))
        .filter(|(left, ..)| *left <= SOON_MS)
        .min_by_key(|(left, ..)| *left);
    match soon {
        None => Ok(Verdict::Pass),
        Some((left, host, id)) => warn(Fault::new(
            "expires_soon",
            format!(
                "The certificate of {} has {} days left.",
                quote(&host.name),
                left.max(0) / 86_400_000
            ),
            Place::new(id, "tls"),
        )),
    }
}

/// The worst that a host negotiates.
struct Finding {
    reason: &'static str,
    said: String,
    at: ExchangeId,
    /// A fail of this severity; a warn if none.
    fails: Option<Severity>,
}

pub(super) fn configuration(facts: &Facts<'_>, _: Revision) -> Judgement {
    let hosts = hosts(facts)?;
    let mut found: Vec<Finding> = hosts.iter().filter_map(worst).collect();
    // The first of the worst is told, the places of the others are added.
    found.sort_by_key(|finding| std::cmp::Reverse(finding.fails));
    if let Some((first, rest)) = found.split_first() {
        let place = |finding: &Finding| Place::new(finding.at, "tls");
        let fault = Fault::new(first.reason, first.said.clone(), place(first));
        let fault = rest
            .iter()
            .filter(|other| other.fails.is_some() == first.fails.is_some())
            .fold(fault, |fault, other| fault.and(place(other)));
        return match first.fails {
            Some(Severity::Medium) => fail(fault),
            Some(severity) => fail(fault.severity(severity)),
            None => warn(fault),
        };
    }
    if hosts.iter().all(is_settled) {
        return Ok(Verdict::Pass);
    }
    inconclusive(Cause::Other("handshakes_not_captured"))
}

/// The answers that a pass rests on are there: old versions and weak suites refused, TLS 1.3
/// seen.
fn is_settled(host: &SecureHost<'_>) -> bool {
    let refused = |offer| {
        matches!(
            host.hello(offer),
            Some((_, Hello::Alert(_) | Hello::Closed))
        )
    };
    refused(Offer::Old) && refused(Offer::Weak) && host.has_tls13()
}

fn worst(host: &SecureHost<'_>) -> Option<Finding> {
    let name = quote(&host.name);
    let chosen = host.hellos.iter().filter_map(|(id, _, hello)| match hello {
        Hello::Chosen { version, suite, .. } => Some((*id, *version, *suite)),
        Hello::Alert(_) | Hello::Closed | Hello::Unreadable => None,
    });
    let naked = chosen
        .clone()
        .find(|(_, version, suite)| *version == 0x0300 || strength(*suite) == Strength::Naked);
    let old = chosen.clone().find(|(_, version, _)| *version < 0x0303);
    let broken = chosen
        .clone()
        .find(|(.., suite)| strength(*suite) == Strength::Broken);
    if let Some((at, version, suite)) = naked.or(old).or(broken) {
        let (reason, what) = if version < 0x0303 {
            ("old_version", version_name(version))
        } else {
            ("broken_suite", format!("the broken suite 0x{suite:04x}"))
        };
        return Some(Finding {
            reason,
            said: format!("{name} accepts {what} from a client that offers nothing better."),
            at,
            fails: Some(if naked.is_some() {
                Severity::High
            } else {
                Severity::Medium
            }),
        });
    }
    let negotiated = |wanted: fn(&str) -> bool| {
        host.seen
            .iter()
            .find(|(_, tls)| wanted(&tls.version))
            .map(|(id, tls)| (*id, tls.version.as_str()))
    };
    if let Some((at, version)) = negotiated(|version| !matches!(version, "1.2" | "1.3")) {
        return Some(Finding {
            reason: "old_version",
            said: format!("{name} negotiated TLS {}.", quote(version)),
            at,
            fails: Some(Severity::Medium),
        });
    }
    let mut chosen = chosen;
    if let Some((at, ..)) = chosen.find(|(.., suite)| strength(*suite) == Strength::StaticRsa) {
        return Some(Finding {
            reason: "static_rsa",
            said: format!(
                "{name} accepts key exchange with static RSA, which keeps no secret once the key is known."
            ),
            at,
            fails: None,
        });
    }
    let (at, _) = negotiated(|version| version == "1.2").filter(|_| !host.has_tls13())?;
    Some(Finding {
        reason: "no_tls13",
        said: format!("{name} answers a client that offers TLS 1.3 with TLS 1.2."),
        at,
        fails: None,
    })
}
