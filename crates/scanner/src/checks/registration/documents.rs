//! Client ID Metadata Documents, judged from what authorization requests with documents of ours
//! came to, and from what was fetched.

use crate::check::{
    Cause, Fault, Judgement, Na, Place, Unmet, Verdict, fail, inconclusive, na, warn, worst,
};
use crate::evidence::{CimdVariant, Purpose, Visit};
use crate::facts::Facts;
use crate::facts::authorize::Landing;
use crate::facts::client_documents::{Taken, Tried};
use crate::spec::Revision;

/// The server of this column says that it resolves documents, and it is the one that was asked.
fn asked(facts: &Facts<'_>, revision: Revision) -> Result<(), Unmet> {
    let asm = facts.tested_server(revision)?;
    if asm.document.flag("client_id_metadata_document_supported") != Some(true) {
        return na(Na::AbsentByChoice);
    }
    if facts.evidence.own_host.is_none() {
        return na(Na::Other("no_own_host"));
    }
    let Some(endpoint) = facts.tested_endpoint(&asm, "authorization_endpoint") else {
        return na(Na::Depth);
    };
    let first = facts.first_hop(Purpose::Cimd(CimdVariant::Good));
    let here = first.and_then(|answer| url::Url::parse(&answer.exchange.asked.url).ok());
    match here {
        Some(asked) if asked.path() == endpoint.path() && asked.host() == endpoint.host() => Ok(()),
        _ => inconclusive(facts.never_asked()),
    }
}

/// The good document's request, where it was resolved and not refused.
fn good<'f, 'e>(facts: &'f Facts<'e>, revision: Revision) -> Result<Tried<'f, 'e>, Unmet> {
    asked(facts, revision)?;
    match accepted(facts, revision) {
        Ok(Verdict::Pass) => {}
        Ok(_) | Err(_) => return Err(Unmet::Blocked("cimd-accepted")),
    }
    let good = facts.tried(CimdVariant::Good)?;
    if good.landed.refused() {
        // Fetched and refused: that others are refused, too, proves nothing.
        return inconclusive(Cause::Other("good_document_refused"));
    }
    Ok(good)
}

pub(super) fn accepted(facts: &Facts<'_>, revision: Revision) -> Judgement {
    asked(facts, revision)?;
    let fetched = facts.fetched(CimdVariant::Good);
    let good = match facts.tried(CimdVariant::Good) {
        Ok(good) => good,
        Err(_) if fetched => return Ok(Verdict::Pass),
        Err(unmet) => return Err(unmet),
    };
    let says = good.refusal();
    let place = good.landed.place();
    if let Some(says) = says.as_deref().filter(|says| names_policy(says)) {
        return warn(Fault::new(
            "allow_list",
            format!(
                "the document is refused by a policy: {}",
                crate::facts::quote(says)
            ),
            place,
        ));
    }
    if fetched || good.taken(&good) == Taken::Yes {
        return Ok(Verdict::Pass);
    }
    match says {
        // It came to the door and not in: a network between us, or a fault of our own host.
        Some(says) if speaks_of_fetching(&says) => inconclusive(Cause::Other("fetch_failed")),
        Some(_) => fail(Fault::new(
            "not_fetched",
            format!(
                "client documents are advertised, but the request ends in {} and nothing was fetched",
                good.landed.brief()
            ),
            place,
        )),
        None => inconclusive(Cause::Other("needs_user")),
    }
}

/// The refusal names a list of clients that are let in.
fn names_policy(says: &str) -> bool {
    [
        "allow-list",
        "allowlist",
        "allow list",
        "whitelist",
        "approved",
        "trusted",
        "policy",
        "not permitted",
        "not allowed",
    ]
    .iter()
    .any(|word| says.contains(word))
}

fn speaks_of_fetching(says: &str) -> bool {
    [
        "fetch",
        "retriev",
        "resolv",
        "download",
        "could not load",
        "unreachable",
        "timeout",
        "timed out",
        "connect",
        "certificate",
        "dns",
    ]
    .iter()
    .any(|word| says.contains(word))
}

pub(super) fn client_id_match(facts: &Facts<'_>, revision: Revision) -> Judgement {
    let good = good(facts, revision)?;
    let mut fails = Vec::new();
    let mut untold = None;
    for (variant, reason, said) in [
        (CimdVariant::OtherId, "other_id", "names another URL"),
        (CimdVariant::NoId, "no_id", "names no `client_id`"),
        (CimdVariant::SlashId, "slash", "differs by a trailing slash"),
    ] {
        match taken(facts, variant, &good) {
            Ok((Taken::Yes, place)) => fails.push(Fault::new(
                reason,
                format!("a document that {said} is accepted"),
                place,
            )),
            Ok((Taken::No, _)) => {}
            Ok((Taken::Unseen, _)) => {
                untold.get_or_insert(Unmet::Inconclusive(Cause::Other("needs_user")));
            }
            Err(unmet) => {
                untold.get_or_insert(unmet);
            }
        }
    }
    judged(fails, Vec::new(), untold)
}

/// Failures count at once; anything else only when everything is told.
fn judged(fails: Vec<Fault>, warns: Vec<Fault>, untold: Option<Unmet>) -> Judgement {
    match (untold, fails.is_empty()) {
        (Some(unmet), true) => Err(unmet),
        _ => worst(fails, warns),
    }
}

fn taken(
    facts: &Facts<'_>,
    variant: CimdVariant,
    good: &Tried<'_, '_>,
) -> Result<(Taken, Place), Unmet> {
    let tried = facts.tried(variant)?;
    Ok((tried.taken(good), tried.landed.place()))
}

pub(super) fn redirect_uri(facts: &Facts<'_>, revision: Revision) -> Judgement {
    good(facts, revision)?;
    let tried = facts.tried(CimdVariant::UnlistedRedirect)?;
    let place = tried.landed.place();
    match &tried.landed.what {
        Landing::LocalError(_) => Ok(Verdict::Pass),
        Landing::Code(_) | Landing::Token(_) | Landing::Error(_) | Landing::Bare(_) => {
            fail(Fault::new(
                "redirected",
                format!(
                    "a redirect that the document does not list is sent {}",
                    tried.landed.brief()
                ),
                place,
            ))
        }
        // Consent is asked once everything about the client is known.
        Landing::Page(page) if page.consent && !page.sign_in => fail(Fault::new(
            "consent",
            "consent is asked for a redirect that the document does not list",
            place,
        )),
        Landing::Page(_) | Landing::Upstream(_) => inconclusive(Cause::Other("needs_user")),
    }
}

pub(super) fn url_rules(facts: &Facts<'_>, revision: Revision) -> Judgement {
    let good = good(facts, revision)?;
    let (mut fails, mut warns) = (Vec::new(), Vec::new());
    let mut untold = None;
    for (variant, reason, said) in [
        (CimdVariant::PlainHttp, "plain_http", "plain http"),
        (CimdVariant::NoPath, "no_path", "no path"),
        (CimdVariant::Fragment, "fragment", "a fragment"),
        (CimdVariant::Userinfo, "userinfo", "user information"),
        (CimdVariant::DotSegments, "dot_segments", "dot segments"),
    ] {
        let place = match used(facts, variant, &good) {
            Ok(Some(place)) => place,
            Ok(None) => continue,
            Err(unmet) => {
                untold.get_or_insert(unmet);
                continue;
            }
        };
        let fault = Fault::new(
            reason,
            format!("a client id with {said} is accepted"),
            place,
        );
        match variant {
            CimdVariant::PlainHttp | CimdVariant::NoPath => fails.push(fault),
            _ => warns.push(fault),
        }
    }
    judged(fails, warns, untold)
}

/// The place that shows that an illegal URL was used as a client id: its document was fetched,
/// or people would be asked to sign in.
fn used(
    facts: &Facts<'_>,
    variant: CimdVariant,
    good: &Tried<'_, '_>,
) -> Result<Option<Place>, Unmet> {
    let tried = facts.tried(variant)?;
    // What a parser drops or resolves may be noticed after the fetch.
    let late = matches!(variant, CimdVariant::Fragment | CimdVariant::DotSegments)
        && tried.landed.refused();
    let place = tried.landed.place();
    if tried.fetched && !late {
        return Ok(Some(place));
    }
    let shown = tried.landed.issued() || tried.landed.same_as(&good.landed) || tried.named;
    match (shown, tried.landed.refused()) {
        (true, _) => Ok(Some(place)),
        (false, true) => Ok(None),
        (false, false) => inconclusive(Cause::Other("needs_user")),
    }
}

pub(super) fn fetch_safety(facts: &Facts<'_>, revision: Revision) -> Judgement {
    let good = good(facts, revision)?;
    let (mut fails, mut warns) = (Vec::new(), Vec::new());
    let mut untold = None;
    for part in [redirecting, loopback, large, stalling] {
        match part(facts, &good) {
            Ok(Some(Found::Fail(fault))) => fails.push(fault),
            Ok(Some(Found::Warn(fault))) => warns.push(fault),
            Ok(None) => {}
            Err(unmet) => {
                untold.get_or_insert(unmet);
            }
        }
    }
    judged(fails, warns, untold)
}

enum Found {
    Fail(Fault),
    Warn(Fault),
}

/// (a): a document that redirects.
fn redirecting(facts: &Facts<'_>, good: &Tried<'_, '_>) -> Result<Option<Found>, Unmet> {
    let name = format!(
        "{} redirected",
        Purpose::Cimd(CimdVariant::Redirecting).name()
    );
    let followed = facts.visits(&name).next().is_some();
    let tried = facts.tried(CimdVariant::Redirecting);
    if followed {
        let place = match &tried {
            Ok(tried) => tried.landed.place(),
            Err(_) => good.landed.place(),
        };
        return Ok(Some(Found::Warn(Fault::new(
            "redirect_followed",
            "a redirect of the document's URL is followed",
            place,
        ))));
    }
    match tried {
        Ok(_) => Ok(None),
        Err(_) if facts.fetched(CimdVariant::Redirecting) => Ok(None),
        Err(unmet) => Err(unmet),
    }
}

/// (b): a name that leads to loopback.
fn loopback(facts: &Facts<'_>, _good: &Tried<'_, '_>) -> Result<Option<Found>, Unmet> {
    let tried = facts.tried(CimdVariant::Loopback)?;
    let says = tried.refusal().unwrap_or_default();
    Ok(reveals_attempt(&says).then(|| {
        Found::Fail(Fault::new(
            "loopback_attempted",
            format!(
                "the refusal of a document on loopback tells of a connection: {}",
                crate::facts::quote(&says)
            ),
            tried.landed.place(),
        ))
    }))
}

/// What is said only after a connection was tried.
fn reveals_attempt(says: &str) -> bool {
    [
        "econnrefused",
        "connection refused",
        "connect refused",
        "actively refused",
        "econnreset",
        "connection reset",
        "socket hang up",
        "etimedout",
        "timed out",
        "connect timeout",
        "handshake",
        "ssl",
        "certificate",
        "wrong version number",
    ]
    .iter()
    .any(|word| says.contains(word))
}

/// (c): a document of 200 kB.
fn large(facts: &Facts<'_>, good: &Tried<'_, '_>) -> Result<Option<Found>, Unmet> {
    let (taken, place) = taken(facts, CimdVariant::Large, good)?;
    Ok((taken == Taken::Yes).then(|| {
        Found::Warn(Fault::new(
            "large_accepted",
            "a document of 200 kB is read and accepted",
            place,
        ))
    }))
}

/// (d): a document that does not come.
fn stalling(facts: &Facts<'_>, _good: &Tried<'_, '_>) -> Result<Option<Found>, Unmet> {
    let longest = facts
        .document_visits(CimdVariant::Stalling)
        .map(|visit| visit.took_ms)
        .max();
    match longest {
        Some(took) if took > Visit::PATIENCE_MS => {
            let answer = facts.first_hop(Purpose::Cimd(CimdVariant::Stalling));
            let at = answer.map_or(0, |answer| answer.exchange.id);
            Ok(Some(Found::Warn(Fault::new(
                "slow_abort",
                "a document that does not come is waited for longer than 15 seconds",
                Place::new(at, "timing"),
            ))))
        }
        Some(_) => Ok(None),
        None => facts.tried(CimdVariant::Stalling).map(|_| None),
    }
}
