//! The key set: whether it can be used, and whether it gives away more than public keys.

use serde_json::Value;

use super::super::weigh;
use crate::check::{
    Area, Cause, Check, Fault, Judgement, Level, Na, Party, Place, ProbeClass, Severity, Unmet,
    Verdict, fail, inconclusive, na, warn,
};
use crate::facts::documents::Document;
use crate::facts::keys::{Key, KeySet};
use crate::facts::outcome::{Answer, Outcome, unread};
use crate::facts::{Facts, quote, settle};
use crate::spec::{Matrix, Revision, Spec};

pub(super) const USABLE: Check = Check {
    id: "jwks-usable",
    title: "The key set is reachable and usable",
    area: Area::Endpoints,
    level: Level::Must,
    party: &[Party::AuthorizationServer],
    class: ProbeClass::P0,
    severity: Severity::Medium,
    revisions: Matrix::of("AAAA"),
    cites: &[
        Spec::Rfc(8414).at("2"),
        Spec::OidcDiscovery.at("3"),
        Spec::Rfc(7517).at("4"),
        Spec::Rfc(7517).at("5"),
        Spec::Rfc(9068).at("4"),
    ],
    why: "When the set is broken, resource servers refuse everybody, go on with stale keys, or stop checking signatures.",
    fix: "Serve the set with a JSON media type, a kid of its own for every key, and a cache lifetime.",
    traps: "An authorization server that signs with shared secrets may publish an empty set, but only if every algorithm it signs with is an HMAC.",
    run: usable,
};

pub(super) const NO_PRIVATE_KEYS: Check = Check {
    id: "jwks-no-private-keys",
    title: "No private or symmetric key is published",
    area: Area::Endpoints,
    level: Level::Must,
    party: &[Party::AuthorizationServer],
    class: ProbeClass::P0,
    severity: Severity::Critical,
    revisions: Matrix::of("AAAA"),
    cites: &[
        Spec::Rfc(7517).at("8"),
        Spec::Rfc(7517).at("9"),
        Spec::Rfc(7518).at("6.2.2"),
        Spec::Rfc(7518).at("6.3.2"),
        Spec::Rfc(7518).at("6.4"),
        Spec::Rfc(8414).at("2"),
    ],
    why: "Anybody who reads the set can mint tokens for every resource of the issuer.",
    fix: "Replace the key at once, publish only its public members from then on, and revoke the tokens that are out.",
    traps: "Only the names of the members are kept, never their values; members that are null or empty hold no key.",
    run: no_private_keys,
};

/// The key sets to judge, and why none of an authorization server can be.
///
/// The set that the protected-resource metadata names is the last one, and is there even if
/// no authorization server can be read.
fn sets<'f, 'e>(facts: &'f Facts<'e>, revision: Revision) -> (Vec<KeySet<'f, 'e>>, Option<Unmet>) {
    let (mut sets, unmet) = match facts.readable_asms(revision) {
        Ok(asms) => (facts.key_sets(&asms), None),
        Err(unmet) => (Vec::new(), Some(unmet)),
    };
    // An http URL there is prm-crypto-hygiene's to judge.
    if let Some(set) = facts.prm_key_set(revision).filter(|set| !set.barred)
        && !sets.iter().any(|known| known.url == set.url)
    {
        sets.push(set);
    }
    (sets, unmet)
}

/// Judges the keys of every set, the resource's own included: the worst counts. Without any
/// set there is nothing to judge.
pub(super) fn worst_keys(
    facts: &Facts<'_>,
    revision: Revision,
    judge: impl Fn(&Key) -> Judgement,
) -> Judgement {
    let (sets, unmet) = sets(facts, revision);
    let of_set = |set: &KeySet<'_, '_>| match set.keys(facts)? {
        Some(keys) if !keys.is_empty() => weigh::worst(keys.iter().map(&judge)),
        _ => na(Na::Other("no_key_set")),
    };
    let judgement = weigh::worst(sets.iter().map(of_set));
    match (judgement, unmet) {
        (Ok(Verdict::Fail(fault)), _) => fail(fault),
        (_, Some(unmet)) => Err(unmet),
        (_, None) if sets.is_empty() => na(Na::AbsentByChoice),
        (judgement, None) => judgement,
    }
}

// --- jwks-usable ----------------------------------------------------------------------------

fn usable(facts: &Facts<'_>, revision: Revision) -> Judgement {
    let asms = facts.readable_asms(revision)?;
    let sets = facts.key_sets(&asms);
    if sets.is_empty() {
        return na(Na::AbsentByChoice);
    }
    weigh::worst(sets.iter().map(|set| usable_set(facts, set)))
}

fn usable_set(facts: &Facts<'_>, set: &KeySet<'_, '_>) -> Judgement {
    let answer = set.asked(facts)?;
    served(answer)?;
    let Some(document) = Document::of(answer) else {
        return fail(not_a_set(set, answer, "is not a JSON object"));
    };
    match document.get("keys").map(Value::as_array) {
        None => fail(not_a_set(set, answer, "has no `keys`")),
        Some(None) => fail(not_a_set(set, answer, "has `keys` that are no array")),
        Some(Some(list)) if list.is_empty() => {
            if signs_with_secrets(set.document) {
                return na(Na::Other("symmetric_signing"));
            }
            fail(Fault::new(
                "empty",
                format!("The key set {} is empty.", quote(&set.url)),
                document.place("keys"),
            ))
        }
        Some(Some(_)) => {
            let keys = set.keys(facts)?.unwrap_or_default();
            if !keys.iter().any(Key::verifies) {
                return fail(Fault::new(
                    "no_signature_key",
                    format!(
                        "The key set {} has no key that could verify a signature.",
                        quote(&set.url)
                    ),
                    document.place("keys"),
                ));
            }
            tidy(&keys, answer, &document)
        }
    }
}

/// The answer is a 200 that may be read; everything else is said here.
fn served(answer: &Answer<'_>) -> Result<(), Unmet> {
    let Some(response) = answer.response() else {
        return inconclusive(Cause::Network);
    };
    // 5xx is a failure of this check, once the retries are used up.
    if answer.outcome == Outcome::Block {
        settle(answer)?;
    }
    if response.status == 200
        && let Some(cause) = unread(response)
    {
        return inconclusive(cause);
    }
    Ok(())
}

fn not_a_set(set: &KeySet<'_, '_>, answer: &Answer<'_>, what: &str) -> Fault {
    let id = answer.exchange.id;
    let url = quote(&set.url);
    match answer.status() {
        Some(status @ 500..=599) => Fault::new(
            "server_error",
            format!("The key set {url} answers {status}."),
            Place::status(id),
        ),
        Some(200) => Fault::new(
            "not_a_key_set",
            format!("The answer of {url} {what}."),
            Place::body(id, "/"),
        ),
        Some(status) => Fault::new(
            "not_found",
            format!("The key set {url} answers {status}."),
            Place::status(id),
        ),
        None => Fault::new(
            "not_found",
            format!("{url} answers nothing."),
            set.named.clone(),
        ),
    }
}

/// Everything that the authorization server signs, it signs with an HMAC.
fn signs_with_secrets(document: &Document) -> bool {
    let own = |name: &str| {
        matches!(
            name,
            "id_token_signing_alg_values_supported"
                | "access_token_signing_alg_values_supported"
                | "userinfo_signing_alg_values_supported"
                | "introspection_signing_alg_values_supported"
                | "authorization_signing_alg_values_supported"
        )
    };
    let lists = |wanted: &dyn Fn(&str) -> bool| -> Vec<&str> {
        document
            .members
            .keys()
            .filter(|name| wanted(name))
            .filter_map(|name| document.texts(name))
            .flatten()
            .collect()
    };
    let mut algorithms = lists(&own);
    if algorithms.is_empty() {
        algorithms = lists(&|name| name.ends_with("signing_alg_values_supported"));
    }
    !algorithms.is_empty() && algorithms.iter().all(|name| name.starts_with("HS"))
}

/// What a usable set can still lack.
fn tidy(keys: &[Key], answer: &Answer<'_>, document: &Document) -> Judgement {
    let id = answer.exchange.id;
    let media = answer.response().and_then(|response| response.media_type());
    let json = media
        .as_deref()
        .is_some_and(|media| media.ends_with("/json") || media.ends_with("+json"));
    if !json {
        return warn(Fault::new(
            "media_type",
            match media {
                Some(media) => format!("The key set is served as {}.", quote(&media)),
                None => "The key set is served without a content type.".into(),
            },
            Place::header(id, "content-type"),
        ));
    }
    if keys.len() > 1
        && let Some(fault) = unclear_kid(keys)
    {
        return warn(fault);
    }
    let mixed = keys.iter().any(Key::encrypts) && keys.iter().any(Key::verifies);
    if mixed && let Some(key) = keys.iter().find(|key| key.text("use").is_none()) {
        return warn(Fault::new(
            "use_missing",
            format!(
                "{} does not say whether it signs or encrypts, and the set has both kinds.",
                name_of(key)
            ),
            key.place.clone(),
        ));
    }
    let cached = answer.response().is_some_and(|response| {
        ["cache-control", "expires", "etag"]
            .iter()
            .any(|name| response.header(name).is_some())
    });
    if !cached {
        return warn(
            Fault::new(
                "no_cache_headers",
                "The key set says nothing about how long it may be kept.",
                Place::new(id, "header:cache-control[0]"),
            )
            .and(document.place("keys")),
        );
    }
    Ok(Verdict::Pass)
}

fn unclear_kid(keys: &[Key]) -> Option<Fault> {
    for (position, key) in keys.iter().enumerate() {
        let Some(kid) = key.text("kid") else {
            return Some(Fault::new(
                "kid_missing",
                format!("{} of {} has no `kid`.", name_of(key), keys.len()),
                key.place.clone(),
            ));
        };
        if let Some(other) = keys[..position]
            .iter()
            .find(|other| other.text("kid") == Some(kid))
        {
            return Some(
                Fault::new(
                    "kid_duplicated",
                    format!("Two keys share the `kid` {}.", quote(kid)),
                    key.place.clone(),
                )
                .and(other.place.clone()),
            );
        }
    }
    None
}

/// How a sentence calls a key: by its `kid`, or by its place.
pub(super) fn name_of(key: &Key) -> String {
    match key.text("kid") {
        Some(kid) => format!("The {} key {}", kind_of(key), quote(kid)),
        None => format!("A {} key without `kid`", kind_of(key)),
    }
}

fn kind_of(key: &Key) -> &'static str {
    match key.kind() {
        "RSA" => "RSA",
        "EC" => "EC",
        "OKP" => "OKP",
        "oct" => "symmetric",
        _ => "published",
    }
}

// --- jwks-no-private-keys -------------------------------------------------------------------

fn no_private_keys(facts: &Facts<'_>, revision: Revision) -> Judgement {
    worst_keys(facts, revision, public_only)
}

fn public_only(key: &Key) -> Judgement {
    let found: Vec<String> = key
        .private_members()
        .into_iter()
        .map(|name| format!("`{name}`"))
        .collect();
    if key.kind() == "oct" {
        return fail(Fault::new(
            "symmetric_key",
            format!("{} is published; whoever reads it can sign.", name_of(key)),
            key.place.clone(),
        ));
    }
    if found.is_empty() {
        return Ok(Verdict::Pass);
    }
    fail(Fault::new(
        "private_member",
        format!(
            "{} is published with its private {}.",
            name_of(key),
            found.join(", ")
        ),
        key.place.clone(),
    ))
}
