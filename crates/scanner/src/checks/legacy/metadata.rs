//! Authorization-server metadata on the resource's own origin.

use serde_json::Value;
use url::Url;

use super::super::weigh;
use crate::check::{Cause, Fault, Judgement, Na, Verdict, fail, inconclusive, na, warn};
use crate::evidence::{AsRole, Purpose};
use crate::facts::discovery;
use crate::facts::documents::{AsCandidate, Document};
use crate::facts::relation::{self, Relation};
use crate::facts::{Facts, quote, settle};
use crate::report::Class;
use crate::spec::Revision;

/// Open and static-key servers have no authorization server that could be looked for.
fn authorizes(facts: &Facts<'_>) -> bool {
    !matches!(
        facts.class(),
        Class::Open | Class::HttpSse | Class::StaticKey
    )
}

pub(super) fn root(facts: &Facts<'_>, _: Revision) -> Judgement {
    if !facts.speaks(Revision::V2025_03_26) {
        return na(Na::NotInRevision);
    }
    if !authorizes(facts) {
        return na(Na::Class);
    }
    let answer = facts.settled(Purpose::AsMetadata(0, AsRole::Origin))?;
    let found = facts
        .origin_documents()
        .find(|candidate| candidate.role == AsRole::Origin && candidate.asm().is_some());
    let Some(document) = found.as_ref().and_then(AsCandidate::asm) else {
        return warn(Fault::new(
            "absent",
            "The origin's root holds no authorization server metadata, so clients of 2025-03-26 \
             use default paths.",
            crate::check::Place::status(answer.exchange.id),
        ));
    };
    if is_own(facts, document) {
        return Ok(Verdict::Pass);
    }
    warn(Fault::new(
        "other_issuer",
        format!(
            "The metadata at the origin's root names the issuer {}, not the origin.",
            quote(document.text("issuer").unwrap_or_default())
        ),
        document.place("issuer"),
    ))
}

/// The document's issuer is the endpoint's origin, with or without a slash.
fn is_own(facts: &Facts<'_>, document: &Document) -> bool {
    let origin = discovery::origin_of(facts.endpoint());
    document.text("issuer").is_some_and(|issuer| {
        matches!(
            relation::relation(&origin, issuer),
            Relation::Identical | Relation::Slash | Relation::CasePort
        )
    })
}

pub(super) fn mirror(facts: &Facts<'_>, revision: Revision) -> Judgement {
    if !authorizes(facts) {
        return na(Na::Class);
    }
    if facts.selected_prm(revision).is_none() {
        return na(Na::Other("no_prm"));
    }
    let listed = facts.listed_issuers();
    let origin = discovery::origin_of(facts.endpoint());
    if listed.iter().any(|issuer| {
        matches!(
            relation::relation(&origin, issuer),
            Relation::Identical | Relation::Slash | Relation::CasePort
        )
    }) {
        return na(Na::Other("own_issuer"));
    }
    let mut unsettled = None;
    let mut documents: Vec<AsCandidate<'_>> = Vec::new();
    for candidate in facts.origin_documents() {
        if candidate.asm().is_some() {
            documents.push(candidate);
        } else if let Err(why) = settle(&candidate.answer) {
            unsettled.get_or_insert(why);
        }
    }
    if documents.is_empty() {
        return match unsettled {
            Some(why) => Err(why),
            None => na(Na::AbsentByChoice),
        };
    }
    weigh::worst(
        documents
            .iter()
            .filter_map(AsCandidate::asm)
            .map(|document| one_mirror(facts, revision, document, &listed)),
    )
}

fn one_mirror(
    facts: &Facts<'_>,
    revision: Revision,
    document: &Document,
    listed: &[String],
) -> Judgement {
    if is_own(facts, document) {
        return Ok(Verdict::Pass);
    }
    let issuer = document.text("issuer");
    let local = endpoints(document).find(|(_, value)| {
        Url::parse(value).is_ok_and(|url| relation::same_origin(&url, facts.endpoint()))
    });
    if let (Some((member, _)), Some(issuer)) = (local, issuer) {
        return fail(Fault::new(
            "local_endpoint",
            format!(
                "The metadata on the endpoint's origin speaks for the issuer {}, but its \
                 `{member}` is on the endpoint's own origin.",
                quote(issuer)
            ),
            document.place(member),
        ));
    }
    let speaks_for = issuer.filter(|issuer| {
        listed.iter().any(|known| {
            matches!(
                relation::relation(known, issuer),
                Relation::Identical | Relation::Slash | Relation::CasePort
            )
        })
    });
    let Some(issuer) = speaks_for else {
        return warn(Fault::new(
            "unlisted_issuer",
            "The metadata on the endpoint's origin names an issuer that the protected-resource \
             metadata does not list.",
            document.place("issuer"),
        ));
    };
    let asms = facts.asms(revision)?;
    let original = asms
        .iter()
        .find(|asm| asm.document.text("issuer") == Some(issuer) || asm.issuer.listed == issuer);
    let Some(original) = original else {
        return inconclusive(Cause::Other("original_unread"));
    };
    let differs = |member: &str, value: &str| match original.document.text(member) {
        Some(known) => known != value,
        // Libraries list endpoints in their copy that the original leaves out; on the issuer's
        // own origin nobody is misled by that.
        None => match (Url::parse(issuer), Url::parse(value)) {
            (Ok(issuer), Ok(to)) => !relation::same_origin(&issuer, &to),
            _ => true,
        },
    };
    if let Some((member, _)) = endpoints(document).find(|(member, value)| differs(member, value)) {
        return fail(
            Fault::new(
                "endpoint_differs",
                format!(
                    "The copy of {}'s metadata on the endpoint's origin has another `{member}` \
                     than the original.",
                    quote(issuer)
                ),
                document.place(member),
            )
            .and(original.document.place(member)),
        );
    }
    warn(Fault::new(
        "mirror",
        format!(
            "The endpoint's origin serves a copy of {}'s metadata, which conforming clients have \
             to refuse.",
            quote(issuer)
        ),
        document.place("issuer"),
    ))
}

/// Members that name where clients go.
fn endpoints(document: &Document) -> impl Iterator<Item = (&str, &str)> {
    document
        .members
        .iter()
        .filter(|(name, _)| name.ends_with("_endpoint") || *name == "jwks_uri")
        .filter_map(|(name, value)| match value {
            Value::String(text) => Some((name.as_str(), text.as_str())),
            _ => None,
        })
}
