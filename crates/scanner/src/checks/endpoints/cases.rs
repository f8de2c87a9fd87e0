//! Worlds for the key checks, and what each check must say there.

use serde_json::{Value, json};

use super::super::testkit::{
    ASM_URL, Case, Expect, World, asm, case, case_in, changed, document, jwks, response, status,
    text,
};
use crate::evidence::{Depth, Failure, Response};
use crate::spec::Revision;

const JWKS_URL: &str = "https://id.example.com/jwks";
const PRM_JWKS: &str = "https://mcp.example.com/keys";
const OLD: Revision = Revision::V2025_03_26;

/// A modulus of 2048 bits, made for these tests and thrown away.
const GOOD: &str = "pZ0nJec3v3LJ77Qtl-62s37kl0JX2Gb9RyS-SQDWbtvk7yp2b45dqCs7gBUhlk3uB6LdHq3OvitvwgvxKb2u616XiNRa8Dz_aiXmhIY9s72B_VkctlVDLFE7b9r_1VCqnQXeMlGpjI61zcYUuTBuVGOVb5ess8Joc98fu9rKzhHwV-qYGl7pHqePmzHbO7P18eU_XMIR8_0K5q2AkKnJN2qg0PkebNlG7Sxg1973iQNboT4z7LpqQLiSWxOe8uTH3GCOtUdPmSroJtVftbwwf3vfT4afS6y_QZ8O3RUxVgSGLubYyLpam7HqT01TAgtun4DiFaageDHWWVVSVWcfJQ";
/// The same with 1024 bits.
const SHORT: &str = "295DWfNSji6bjA8HjHTL3ZBYq273EpgHXFSgIU6sAeE9fiQQPVix1-PJilaWZ4VBBYs_Yl_2P7cneKhLSbXkClwVMFIf-awhFTAMKBy9zbsiU3c5nOdHYBCsKAgZPJutbQKTYpkmTUVB8QE7a24RooWW4WpK-yN7Xql8-_7DKJM";
/// The product of two primes of the form k·M + 65537^a mod M, M the product of the first 126
/// primes.
const ROCA: &str = "wIyixuo4bQUN0WOvyMZoFZruOUBsDgOP9kyUg9uDXhhrQHqZGnWL6hM3Pdorn6tkWJTmYXWZuXy7jqzqFVV2adZeOOfflpn9zOeuHIJa8-Com0lRAUYBb52X2ytQhHy284HayTBKX-7JOQvHWbD102rZB-seSqx3FBMWF_vbX2zJUb5sG1c0kbBTsTHK8W79EwFtN4RKChOmCzUtQdXB5OJkaLBhutXwnNuGT3OEXrye-FTnk3FFo3j86N93DBKx3KQ-rVBSvq3F1cNtV9d9r_6KMpc39xj7NoLZk3gJMAnk8VGI-RgGJHOH_LlRcvMJMLX3drG9Tq6c4ttWRWVkKw";

fn at_jwks(answer: Result<Response, Failure>) -> World {
    changed(move |world| {
        world.on(|ask| ask.url == JWKS_URL, answer);
    })
}

fn set(keys: &Value) -> World {
    at_jwks(document(json!({ "keys": keys })))
}

fn edited(change: impl Fn(&mut Value) + 'static) -> World {
    changed(move |world| {
        world.edit_json(JWKS_URL, move |set| change(&mut set["keys"][0]));
    })
}

fn rsa(modulus: &str) -> Value {
    json!({ "kty": "RSA", "n": modulus, "e": "AQAB", "alg": "RS256", "use": "sig", "kid": "r1" })
}

fn rsa_with(name: &str, value: Value) -> World {
    let mut key = rsa(GOOD);
    key[name] = value;
    set(&json!([key]))
}

fn rsa_without(name: &str) -> World {
    let mut key = rsa(GOOD);
    key.as_object_mut().unwrap().remove(name);
    set(&json!([key]))
}

fn named(url: &'static str) -> World {
    changed(move |world| {
        world.asm(move |asm| asm["jwks_uri"] = json!(url));
    })
}

fn unnamed() -> World {
    changed(|world| {
        world.asm(|asm| {
            asm.as_object_mut().unwrap().remove("jwks_uri");
        });
    })
}

fn no_issuer() -> World {
    changed(|world| {
        world.on(|ask| ask.url == ASM_URL, status(404));
    })
}

/// The resource names a key set of its own, with a private key in it.
fn leaking_resource(world: &mut World) {
    let mut keys = jwks();
    keys["keys"][0]["d"] = json!("[blank]");
    world
        .prm(|prm| prm["jwks_uri"] = json!(PRM_JWKS))
        .document(PRM_JWKS, keys);
}

fn block() -> Result<Response, Failure> {
    response(403, &[("cf-mitigated", "challenge")], "")
}

fn truncated() -> World {
    changed(|world| {
        world.edit(
            |ask| ask.url == JWKS_URL,
            |response| {
                response.body.text.truncate(20);
                response.body.truncated = true;
            },
        );
    })
}

fn without_header(name: &'static str) -> World {
    changed(move |world| {
        world.edit(
            |ask| ask.url == JWKS_URL,
            move |response| response.headers.retain(|(key, _)| key != name),
        );
    })
}

/// A second key of the compliant set's kind.
fn second() -> Value {
    json!({
        "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": "k2",
        "x": "y4QL6WPSFm3J2yysyKbav3MCPXKstvfJJTXKClVqBl0",
        "y": "73u8C_I7amYuFlUxWXMocdtiraefQnTeI37kCYbzigo",
    })
}

fn pair(change: impl Fn(&mut Value)) -> World {
    let mut other = second();
    change(&mut other);
    set(&json!([jwks()["keys"][0], other]))
}

fn hmac_only() -> World {
    let mut world = set(&json!([]));
    world.asm(|asm| {
        asm["id_token_signing_alg_values_supported"] = json!(["HS256"]);
        asm["token_endpoint_auth_signing_alg_values_supported"] = json!(["RS256"]);
    });
    world
}

fn deep() -> World {
    changed(|world| world.depth = Depth::Standard)
}

pub(in crate::checks) const CASES: &[Case] = &[
    // --- jwks-usable
    case("jwks-usable", Expect::Pass, World::compliant),
    case_in(OLD, "jwks-usable", Expect::Pass, World::compliant),
    case("jwks-usable", Expect::Pass, || pair(|_| ())),
    case("jwks-usable", Expect::Warn("media_type"), || {
        at_jwks(text(200, "text/plain", &jwks().to_string()))
    }),
    case("jwks-usable", Expect::Warn("media_type"), || {
        without_header("content-type")
    }),
    case("jwks-usable", Expect::Warn("kid_missing"), || {
        pair(|other| {
            other.as_object_mut().unwrap().remove("kid");
        })
    }),
    case("jwks-usable", Expect::Warn("kid_duplicated"), || {
        pair(|other| other["kid"] = json!("k1"))
    }),
    case("jwks-usable", Expect::Warn("use_missing"), || {
        let mut key = rsa(GOOD);
        key["use"] = json!("enc");
        let mut other = second();
        other.as_object_mut().unwrap().remove("use");
        set(&json!([key, other]))
    }),
    case("jwks-usable", Expect::Warn("no_cache_headers"), || {
        without_header("cache-control")
    }),
    case("jwks-usable", Expect::Fail("not_found"), || {
        at_jwks(status(404))
    }),
    case("jwks-usable", Expect::Fail("not_found"), || {
        at_jwks(status(401))
    }),
    case("jwks-usable", Expect::Fail("server_error"), || {
        at_jwks(status(500))
    }),
    case("jwks-usable", Expect::Fail("not_a_key_set"), || {
        at_jwks(text(200, "text/html", "<!doctype html>"))
    }),
    case("jwks-usable", Expect::Fail("not_a_key_set"), || {
        at_jwks(document(json!({ "error": "x" })))
    }),
    case("jwks-usable", Expect::Fail("not_a_key_set"), || {
        at_jwks(document(json!({ "keys": {} })))
    }),
    case("jwks-usable", Expect::Fail("empty"), || set(&json!([]))),
    case("jwks-usable", Expect::Fail("no_signature_key"), || {
        rsa_with("use", json!("enc"))
    }),
    case("jwks-usable", Expect::Fail("no_signature_key"), || {
        set(&json!([{ "kid": "x" }]))
    }),
    // Every distinct set counts.
    case("jwks-usable", Expect::Fail("not_found"), || {
        changed(|world| {
            let mut other = asm();
            other["jwks_uri"] = json!("https://id.example.com/other-jwks");
            world.document(
                "https://id.example.com/.well-known/openid-configuration",
                other,
            );
        })
    }),
    case("jwks-usable", Expect::Na, unnamed),
    case("jwks-usable", Expect::Na, hmac_only),
    case(
        "jwks-usable",
        Expect::Blocked("asm-endpoints-https"),
        || named("http://id.example.com/jwks"),
    ),
    case(
        "jwks-usable",
        Expect::Blocked("asm-endpoints-https"),
        || named("https://10.0.0.7/jwks"),
    ),
    case(
        "jwks-usable",
        Expect::Blocked("asm-discoverable"),
        no_issuer,
    ),
    case("jwks-usable", Expect::Inconclusive, || {
        at_jwks(Err(Failure::Refused))
    }),
    case("jwks-usable", Expect::Inconclusive, || at_jwks(block())),
    case("jwks-usable", Expect::Inconclusive, || at_jwks(status(429))),
    case("jwks-usable", Expect::Inconclusive, truncated),
    case("jwks-usable", Expect::Na, World::open),
    // --- jwks-no-private-keys
    case("jwks-no-private-keys", Expect::Pass, World::compliant),
    case("jwks-no-private-keys", Expect::Pass, || {
        edited(|key| key["d"] = json!(null))
    }),
    case(
        "jwks-no-private-keys",
        Expect::Fail("private_member"),
        || edited(|key| key["d"] = json!("[blank]")),
    ),
    case(
        "jwks-no-private-keys",
        Expect::Fail("private_member"),
        || edited(|key| key["k"] = json!("AQ")),
    ),
    case(
        "jwks-no-private-keys",
        Expect::Fail("private_member"),
        || rsa_with("oth", json!([{ "r": "AQ" }])),
    ),
    case(
        "jwks-no-private-keys",
        Expect::Fail("symmetric_key"),
        || set(&json!([{ "kty": "oct", "k": "[blank]" }])),
    ),
    case(
        "jwks-no-private-keys",
        Expect::Fail("private_member"),
        || {
            let mut key = rsa(GOOD);
            key["p"] = json!("AQ");
            at_jwks(document(key))
        },
    ),
    case(
        "jwks-no-private-keys",
        Expect::Fail("private_member"),
        || changed(leaking_resource),
    ),
    // The resource's own set counts even where no authorization server can be read.
    case(
        "jwks-no-private-keys",
        Expect::Fail("private_member"),
        || {
            let mut world = no_issuer();
            leaking_resource(&mut world);
            world
        },
    ),
    case("jwks-no-private-keys", Expect::Na, unnamed),
    case("jwks-no-private-keys", Expect::Na, || at_jwks(status(404))),
    case(
        "jwks-no-private-keys",
        Expect::Blocked("asm-discoverable"),
        no_issuer,
    ),
    case("jwks-no-private-keys", Expect::Inconclusive, || {
        at_jwks(Err(Failure::Reset))
    }),
    case("jwks-no-private-keys", Expect::Inconclusive, || {
        at_jwks(status(503))
    }),
    case("jwks-no-private-keys", Expect::Inconclusive, truncated),
    // --- jwks-key-strength
    case("jwks-key-strength", Expect::Pass, World::compliant),
    case("jwks-key-strength", Expect::Pass, || {
        set(&json!([rsa(GOOD)]))
    }),
    case("jwks-key-strength", Expect::Pass, || {
        set(
            &json!([{ "kty": "OKP", "crv": "Ed25519", "x": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8" }]),
        )
    }),
    case(
        "jwks-key-strength",
        Expect::Warn("rsa_exponent_small"),
        || rsa_with("e", json!("Aw")),
    ),
    case(
        "jwks-key-strength",
        Expect::Warn("rsa_exponent_small"),
        || rsa_with("e", json!("EQ")),
    ),
    case("jwks-key-strength", Expect::Warn("alg_missing"), || {
        rsa_without("alg")
    }),
    case("jwks-key-strength", Expect::Warn("alg_legacy"), || {
        rsa_with("alg", json!("RS1"))
    }),
    case("jwks-key-strength", Expect::Warn("curve"), || {
        set(&json!([{
            "kty": "EC", "crv": "secp256k1", "kid": "k", "alg": "ES256K",
            "x": "xRGZtqcBXyfYv9h3Snxl1NRI-vLwy2UnaFZ-BJkHkmo",
            "y": "mVWyOC1bj4hrAfYKke2URsZ7zktyxqvZPuoEv8f5W_c",
        }]))
    }),
    case("jwks-key-strength", Expect::Pass, || {
        edited(|key| {
            key.as_object_mut().unwrap().remove("alg");
        })
    }),
    case("jwks-key-strength", Expect::Fail("rsa_short"), || {
        set(&json!([jwks()["keys"][0], rsa(SHORT)]))
    }),
    case("jwks-key-strength", Expect::Fail("roca"), || {
        set(&json!([rsa(ROCA)]))
    }),
    case(
        "jwks-key-strength",
        Expect::Fail("rsa_exponent_broken"),
        || rsa_with("e", json!("AQ")),
    ),
    case("jwks-key-strength", Expect::Fail("known_key"), || {
        set(&json!([{
            "kty": "EC", "crv": "P-256", "kid": "mine",
            "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
            "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
        }]))
    }),
    case("jwks-key-strength", Expect::Na, unnamed),
    case("jwks-key-strength", Expect::Na, || {
        at_jwks(text(200, "text/html", "<!doctype html>"))
    }),
    case(
        "jwks-key-strength",
        Expect::Blocked("asm-issuer-identical"),
        || {
            changed(|world| {
                world.asm(|asm| asm["issuer"] = json!("https://elsewhere.example"));
            })
        },
    ),
    case("jwks-key-strength", Expect::Inconclusive, || {
        at_jwks(block())
    }),
    // --- what needs consent
    case("authz-unknown-client-no-redirect", Expect::Na, deep),
    case("authz-unregistered-redirect-refused", Expect::Na, deep),
    case("authz-redirect-exact-match", Expect::Na, deep),
    case("authz-loopback-any-port", Expect::Na, deep),
    case("authz-no-cors", Expect::Na, deep),
    case("authz-frame-protection", Expect::Na, deep),
    case("authz-iss-emitted", Expect::Na, deep),
    case("authz-error-response", Expect::Na, deep),
    case("authz-implicit-refused", Expect::Na, deep),
    case("authz-proxy-consent", Expect::Na, deep),
    case("token-endpoint-errors", Expect::Na, deep),
    case("introspection-authenticated", Expect::Na, deep),
    case("code-single-use", Expect::Na, deep),
    case("refresh-rotation", Expect::Na, deep),
];

/// A finding about a private key names the members and never shows a value.
#[test]
fn values_of_private_members_are_never_said() {
    let world = edited(|key| key["d"] = json!("Zm9vYmFyYmF6"));
    match super::super::testkit::judged("jwks-no-private-keys", Revision::HEADLINE, &world) {
        Ok(crate::check::Verdict::Fail(fault)) => {
            assert!(
                fault.said.contains("`d`") && !fault.said.contains("Zm9v"),
                "{}",
                fault.said
            );
            assert_eq!(fault.at[0].at, "body:/keys/0");
        }
        other => panic!("{other:?}"),
    }
}
