//! The members that have to do with keys and signatures.
//!
//! Signatures are not verified: this crate has no cryptography. What is judged is what can be
//! read without a key (algorithm, claims, contradictions) and whether a key could be found at
//! all. Where everything reads well and a key is there, the answer is inconclusive rather than
//! a pass that nobody checked.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use url::Url;

use crate::check::{
    Area, Cause, Check, Fault, Judgement, Level, Na, Party, Place, ProbeClass, Severity, Unmet, na,
    worst,
};
#[cfg(test)]
use crate::checks::testkit::*;
use crate::facts::documents::Prm;
use crate::facts::keys::Key;
use crate::facts::lookup::brief;
use crate::facts::{Facts, json, quote};
use crate::spec::{Matrix, Revision, Spec};

pub(super) const CRYPTO_HYGIENE: Check = Check {
    id: "prm-crypto-hygiene",
    title: "Members about keys and signatures are safe",
    area: Area::ResourceMetadata,
    level: Level::Must,
    party: &[Party::Server],
    class: ProbeClass::P0,
    severity: Severity::Medium,
    revisions: Matrix::of("NAAA"),
    cites: &[
        Spec::Rfc(9728).at("2"),
        Spec::Rfc(9728).at("2.2"),
        Spec::Rfc(9728).at("3.3"),
        Spec::Rfc(7515).at(""),
        Spec::Rfc(8725).at("3"),
    ],
    why: "Signed values that contradict the plain ones make two clients see two different authorization servers.",
    fix: "Remove these members unless they are used; otherwise sign with an asymmetric key that is published.",
    traps: "Some servers put the authorization server's key set here, which does no harm. The signature itself is not verified; where only that is missing, the check stays without a verdict.",
    run: crypto_hygiene,
};

const SIGNED: &str = "signed_metadata";
const KEYS: &str = "jwks_uri";
const ALGORITHMS: &str = "resource_signing_alg_values_supported";

#[derive(Default)]
struct Findings {
    fails: Vec<Fault>,
    warns: Vec<Fault>,
    untold: Option<Unmet>,
}

fn crypto_hygiene(facts: &Facts<'_>, revision: Revision) -> Judgement {
    let prm = facts.prm(revision)?;
    // Null members are no-values, and prm-no-empty-values has them.
    let member = |name| prm.document.get(name).filter(|value| !value.is_null());
    let (signed, keys, algorithms) = (member(SIGNED), member(KEYS), member(ALGORITHMS));
    if signed.is_none() && keys.is_none() && algorithms.is_none() {
        return na(Na::AbsentByChoice);
    }
    let mut findings = Findings::default();
    let offers_none = algorithms
        .and_then(Value::as_array)
        .is_some_and(|list| list.iter().filter_map(Value::as_str).any(is_none));
    if offers_none {
        findings.fails.push(Fault::new(
            "alg_none",
            "the algorithm `none` is offered for signed responses",
            prm.place(ALGORITHMS),
        ));
    }
    if let Some(keys) = keys {
        judge_keys(facts, revision, &prm, keys, &mut findings);
    }
    if let Some(signed) = signed {
        judge_signed(facts, revision, &prm, signed, &mut findings);
    }
    match findings.untold {
        Some(unmet) if findings.fails.is_empty() && findings.warns.is_empty() => Err(unmet),
        _ => worst(findings.fails, findings.warns),
    }
}

fn is_none(algorithm: &str) -> bool {
    algorithm.eq_ignore_ascii_case("none")
}

fn judge_keys(
    facts: &Facts<'_>,
    revision: Revision,
    prm: &Prm<'_, '_>,
    value: &Value,
    findings: &mut Findings,
) {
    let text = value.as_str().unwrap_or_default();
    let place = prm.place(KEYS);
    if !Url::parse(text).is_ok_and(|url| facts.secure(&url)) {
        findings.fails.push(Fault::new(
            "jwks_uri_not_https",
            format!("`jwks_uri` {} is not an https URL", quote(text)),
            place,
        ));
        return;
    }
    let Some(set) = facts.prm_key_set(revision) else {
        return;
    };
    let keys = if set.barred {
        Ok(None)
    } else {
        set.keys(facts)
    };
    match keys {
        Err(unmet) => findings.untold = Some(unmet),
        Ok(None) => {
            let seen = set.answer.map_or("a private address".to_owned(), brief);
            let fault = Fault::new(
                "no_key_set",
                format!("{} has no key set ({seen})", quote(text)),
                place,
            );
            findings.warns.push(match set.answer {
                Some(answer) => fault.and(Place::status(answer.exchange.id)),
                None => fault,
            });
        }
        // Severity and cap of that belong to jwks-no-private-keys.
        Ok(Some(list)) => {
            findings
                .warns
                .extend(list.iter().find(|key| is_private(key)).map(|key| {
                    Fault::new(
                        "private_keys",
                        format!("{} serves more than public keys", quote(text)),
                        key.place.clone(),
                    )
                }));
        }
    }
}

fn is_private(key: &Key) -> bool {
    key.kind() == "oct" || !key.private_members().is_empty()
}

/// A compact JWS, read without its key.
struct Jws {
    header: Map<String, Value>,
    claims: Map<String, Value>,
    signed: bool,
}

fn read(value: &Value) -> Option<Jws> {
    let parts: Vec<&str> = value.as_str()?.split('.').collect();
    let [header, claims, signature] = parts.as_slice() else {
        return None;
    };
    let object = |part: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok()?;
        match json::parse(std::str::from_utf8(&bytes).ok()?).ok()?.value {
            Value::Object(object) => Some(object),
            _ => None,
        }
    };
    Some(Jws {
        header: object(header)?,
        claims: object(claims)?,
        signed: !signature.is_empty(),
    })
}

fn judge_signed(
    facts: &Facts<'_>,
    revision: Revision,
    prm: &Prm<'_, '_>,
    value: &Value,
    findings: &mut Findings,
) {
    let fault = |reason, said: String| Fault::new(reason, said, prm.place(SIGNED));
    let Some(jws) = read(value) else {
        findings.fails.push(fault(
            "malformed",
            "`signed_metadata` is not a compact JWS".into(),
        ));
        return;
    };
    let algorithm = jws
        .header
        .get("alg")
        .and_then(Value::as_str)
        .unwrap_or("none");
    if is_none(algorithm) || !jws.signed {
        findings
            .fails
            .push(fault("unsigned", "`signed_metadata` is not signed".into()));
    }
    for name in ["resource", "authorization_servers"] {
        if let (Some(said), Some(plain)) = (jws.claims.get(name), prm.document.get(name))
            && !same(said, plain)
        {
            findings.fails.push(
                fault(
                    "contradiction",
                    format!("the signed `{name}` contradicts the plain one"),
                )
                .and(prm.place(name)),
            );
        }
    }
    if jws.claims.contains_key(SIGNED) {
        findings.warns.push(fault(
            "nested",
            "`signed_metadata` contains itself as a claim".into(),
        ));
    }
    let issuer = jws.claims.get("iss").and_then(Value::as_str);
    if issuer.is_none_or(str::is_empty) {
        findings.warns.push(fault(
            "issuer_missing",
            "`signed_metadata` has no `iss`, so nobody can tell whose key to take".into(),
        ));
    } else if !is_none(algorithm) {
        if key_found(facts, revision, algorithm, jws.header.get("kid")) {
            findings
                .untold
                .get_or_insert(Unmet::Inconclusive(Cause::Other("signature_not_verified")));
        } else {
            findings.warns.push(fault(
                "key_undiscoverable",
                format!(
                    "no published key fits `signed_metadata` ({})",
                    quote(algorithm)
                ),
            ));
        }
    }
}

/// Equal, for arrays whatever their order.
fn same(one: &Value, two: &Value) -> bool {
    match (one.as_array(), two.as_array()) {
        (Some(a), Some(b)) => {
            a.iter().all(|item| b.contains(item)) && b.iter().all(|item| a.contains(item))
        }
        _ => one == two,
    }
}

/// Whether a key set that the scan read has a key of this id and of the algorithm's type.
fn key_found(facts: &Facts<'_>, revision: Revision, algorithm: &str, id: Option<&Value>) -> bool {
    let kind = match algorithm.get(..2) {
        Some("ES") => "EC",
        Some("RS" | "PS") => "RSA",
        Some("Ed") => "OKP",
        _ => return false,
    };
    let asms = facts.readable_asms(revision).unwrap_or_default();
    facts
        .prm_key_set(revision)
        .into_iter()
        .chain(facts.key_sets(&asms))
        .filter_map(|set| set.keys(facts).ok().flatten())
        .flatten()
        .any(|key| key.kind() == kind && (id.is_none() || key.members.get("kid") == id))
}

#[cfg(test)]
fn with(name: &'static str, value: Value) -> World {
    changed(|w| {
        w.prm(move |prm| prm[name] = value.clone());
    })
}

#[cfg(test)]
fn signed(header: &Value, claims: &Value, signature: &str) -> World {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let jws = format!("{}.{}.{signature}", part(header), part(claims));
    with(SIGNED, jws.into())
}

#[cfg(test)]
fn claims() -> Value {
    serde_json::json!({ "iss": ISSUER, "resource": ENDPOINT, "authorization_servers": [ISSUER] })
}

#[cfg(test)]
fn claiming(name: &str, value: Value) -> World {
    let mut claims = claims();
    claims[name] = value;
    signed(
        &serde_json::json!({ "alg": "ES256", "kid": "k1" }),
        &claims,
        "c2ln",
    )
}

#[cfg(test)]
pub(super) const CASES: &[Case] = &[
    case("prm-crypto-hygiene", Expect::Na, World::compliant),
    case("prm-crypto-hygiene", Expect::Pass, || {
        with(KEYS, "https://id.example.com/jwks".into())
    }),
    case("prm-crypto-hygiene", Expect::Pass, || {
        with(ALGORITHMS, serde_json::json!(["ES256"]))
    }),
    case("prm-crypto-hygiene", Expect::Fail("alg_none"), || {
        with(ALGORITHMS, serde_json::json!(["ES256", "none"]))
    }),
    case(
        "prm-crypto-hygiene",
        Expect::Fail("jwks_uri_not_https"),
        || with(KEYS, "http://mcp.example.com/jwks".into()),
    ),
    case("prm-crypto-hygiene", Expect::Warn("no_key_set"), || {
        with(KEYS, "https://mcp.example.com/jwks".into())
    }),
    case("prm-crypto-hygiene", Expect::Warn("private_keys"), || {
        let mut world = with(KEYS, "https://mcp.example.com/jwks".into());
        world.document(
            "https://mcp.example.com/jwks",
            serde_json::json!({ "keys": [{ "kty": "oct", "k": "[redacted]" }] }),
        );
        world
    }),
    case("prm-crypto-hygiene", Expect::Inconclusive, || {
        let mut world = with(KEYS, "https://mcp.example.com/jwks".into());
        world.on(|ask| ask.url == "https://mcp.example.com/jwks", status(503));
        world
    }),
    case("prm-crypto-hygiene", Expect::Fail("malformed"), || {
        with(SIGNED, "not a token".into())
    }),
    case("prm-crypto-hygiene", Expect::Fail("unsigned"), || {
        signed(&serde_json::json!({ "alg": "none" }), &claims(), "")
    }),
    case("prm-crypto-hygiene", Expect::Fail("unsigned"), || {
        signed(
            &serde_json::json!({ "alg": "ES256", "kid": "k1" }),
            &claims(),
            "",
        )
    }),
    case("prm-crypto-hygiene", Expect::Fail("contradiction"), || {
        claiming(
            "authorization_servers",
            serde_json::json!(["https://other.example.com"]),
        )
    }),
    case("prm-crypto-hygiene", Expect::Fail("contradiction"), || {
        claiming("resource", "https://mcp.example.com".into())
    }),
    case("prm-crypto-hygiene", Expect::Warn("nested"), || {
        claiming(SIGNED, "x".into())
    }),
    case("prm-crypto-hygiene", Expect::Warn("issuer_missing"), || {
        claiming("iss", Value::Null)
    }),
    case(
        "prm-crypto-hygiene",
        Expect::Warn("key_undiscoverable"),
        || {
            signed(
                &serde_json::json!({ "alg": "RS256", "kid": "other" }),
                &claims(),
                "c2ln",
            )
        },
    ),
    case(
        "prm-crypto-hygiene",
        Expect::Warn("key_undiscoverable"),
        || signed(&serde_json::json!({ "alg": "HS256" }), &claims(), "c2ln"),
    ),
    // A key is there, but the signature is not verified.
    case("prm-crypto-hygiene", Expect::Inconclusive, || {
        signed(
            &serde_json::json!({ "alg": "ES256", "kid": "k1" }),
            &claims(),
            "c2ln",
        )
    }),
    case(
        "prm-crypto-hygiene",
        Expect::Blocked("prm-discoverable"),
        || {
            changed(|w| {
                w.on(
                    |ask| ask.url == PRM_URL,
                    Err(crate::evidence::Failure::Reset),
                );
            })
        },
    ),
];
