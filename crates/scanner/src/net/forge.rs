//! Tokens that must be refused: forged ones (exchanges Y6 and Y7), and genuine ones that were
//! changed (class P3). The key that signs them is made once in a process and never leaves it.

use std::sync::OnceLock;

use aws_lc_rs::{hmac, rand, rsa, signature};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::evidence::Forgery;
use crate::plan::{Alteration, Forged};
use crate::time::Millis;

/// How long a forged token claims to live, in seconds.
const LIFE: i64 = 300;

/// The token of a recipe. `None` if no key can be made, or the recipe's key is of a kind
/// without a PEM form here.
pub(super) fn token(recipe: &Forged, now: Millis) -> Option<String> {
    let mut header = json!({ "alg": "RS256", "typ": "at+jwt", "kid": recipe.kid });
    match recipe.how {
        Forgery::NoAlgorithm => header["alg"] = "none".into(),
        Forgery::PublicKeyAsSecret => header["alg"] = "HS256".into(),
        Forgery::Jku => header["jku"] = recipe.canary.as_deref()?.into(),
        Forgery::X5u => header["x5u"] = recipe.canary.as_deref()?.into(),
        Forgery::OtherKey => {}
    }
    let seconds = now.0.div_euclid(1000);
    let mut payload = json!({
        "iss": recipe.issuer,
        "aud": recipe.audience,
        "sub": "authdex",
        "client_id": "authdex",
        "iat": seconds,
        "exp": seconds + LIFE,
    });
    if let Some(scope) = &recipe.scope {
        payload["scope"] = scope.as_str().into();
    }
    let signed = format!("{}.{}", encoded(&header), encoded(&payload));
    let signature = match recipe.how {
        Forgery::NoAlgorithm => Vec::new(),
        Forgery::PublicKeyAsSecret => {
            let pem = pem(&serde_json::from_str(recipe.key.as_deref()?).ok()?)?;
            let key = hmac::Key::new(hmac::HMAC_SHA256, pem.as_bytes());
            hmac::sign(&key, signed.as_bytes()).as_ref().to_vec()
        }
        Forgery::OtherKey | Forgery::Jku | Forgery::X5u => own_signature(&signed)?,
    };
    Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// RS256 with our own key.
fn own_signature(text: &str) -> Option<Vec<u8>> {
    static KEY: OnceLock<Option<rsa::KeyPair>> = OnceLock::new();
    let key = KEY
        .get_or_init(|| rsa::KeyPair::generate(rsa::KeySize::Rsa2048).ok())
        .as_ref()?;
    let mut out = vec![0; key.public_modulus_len()];
    let random = rand::SystemRandom::new();
    key.sign(
        &signature::RSA_PKCS1_SHA256,
        &random,
        text.as_bytes(),
        &mut out,
    )
    .ok()?;
    Some(out)
}

// --- the PEM form of a public key --------------------------------------------------------

/// A public JSON Web Key (RFC 7518 section 6) in PEM, as SubjectPublicKeyInfo (RFC 5280):
/// RSA, P-256, P-384 and P-521.
fn pem(key: &Value) -> Option<String> {
    let number = |name: &str| URL_SAFE_NO_PAD.decode(key.get(name)?.as_str()?).ok();
    let (algorithm, public) = match key.get("kty")?.as_str()? {
        "RSA" => {
            let pair = sequence(&[integer(&number("n")?), integer(&number("e")?)]);
            (sequence(&[RSA.to_vec(), vec![5, 0]]), pair)
        }
        "EC" => {
            let curve: &[u8] = match key.get("crv")?.as_str()? {
                "P-256" => &[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7],
                "P-384" => &[6, 5, 0x2b, 0x81, 4, 0, 0x22],
                "P-521" => &[6, 5, 0x2b, 0x81, 4, 0, 0x23],
                _ => return None,
            };
            let point = [vec![4], number("x")?, number("y")?].concat();
            (sequence(&[EC.to_vec(), curve.to_vec()]), point)
        }
        _ => return None,
    };
    let bits = element(3, &[vec![0], public].concat());
    let text = STANDARD.encode(sequence(&[algorithm, bits]));
    let mut out = String::from("-----BEGIN PUBLIC KEY-----\n");
    for line in text.as_bytes().chunks(64) {
        out.extend(line.iter().copied().map(char::from));
        out.push('\n');
    }
    out.push_str("-----END PUBLIC KEY-----\n");
    Some(out)
}

/// rsaEncryption.
const RSA: [u8; 11] = [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
/// id-ecPublicKey.
const EC: [u8; 9] = [6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];

fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    element(0x30, &parts.concat())
}

fn integer(bytes: &[u8]) -> Vec<u8> {
    let bytes = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
    let padded = bytes.first().is_none_or(|byte| *byte >= 0x80);
    element(2, &[vec![0; usize::from(padded)], bytes.to_vec()].concat())
}

/// DER (X.690 section 8.1); values up to 65,535 bytes.
fn element(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
    let [high, low] = length.to_be_bytes();
    let mut out = vec![tag];
    match length {
        0..=0x7f => out.push(low),
        0x80..=0xff => out.extend([0x81, low]),
        _ => out.extend([0x82, high, low]),
    }
    out.extend(value);
    out
}

// --- changed tokens ------------------------------------------------------------------------

/// A genuine token, changed. `None` if it cannot be changed in this way.
pub(super) fn altered(value: &str, how: Alteration) -> Option<String> {
    if how == Alteration::Character {
        return other_character(value);
    }
    let (signed, signature) = value.rsplit_once('.')?;
    match how {
        Alteration::Character => None,
        Alteration::ShortSignature => {
            let bytes = URL_SAFE_NO_PAD.decode(signature).ok()?;
            let short = bytes.get(..bytes.len().checked_sub(8)?)?;
            Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(short)))
        }
        Alteration::FlippedSignature => {
            // On the bytes: the last character of the text has bits that nobody reads.
            let mut bytes = URL_SAFE_NO_PAD.decode(signature).ok()?;
            let middle = bytes.len() / 2;
            *bytes.get_mut(middle)? ^= 1;
            Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(bytes)))
        }
        Alteration::Claim => {
            let (header, payload) = signed.split_once('.')?;
            let mut claims: Value =
                serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
            let subject = claims.get("sub").and_then(Value::as_str).unwrap_or("");
            claims["sub"] = format!("{subject}-authdex").into();
            Some(format!("{header}.{}.{signature}", encoded(&claims)))
        }
    }
}

/// Another letter in the middle.
fn other_character(value: &str) -> Option<String> {
    let middle = value.char_indices().nth(value.chars().count() / 2)?;
    let (at, before) = middle;
    let other = if before == 'A' { 'B' } else { 'A' };
    let after = &value[at + before.len_utf8()..];
    Some(format!("{}{other}{after}", &value[..at]))
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::{Value, json};

    use super::{altered, pem, token};
    use crate::evidence::{Claims, Forgery};
    use crate::plan::{Alteration, Forged};
    use crate::time::Millis;

    fn recipe(how: Forgery) -> Forged {
        Forged {
            how,
            issuer: "https://id.example".into(),
            audience: "https://mcp.example/mcp".into(),
            scope: Some("mcp:use".into()),
            kid: "k1".into(),
            key: Some(
                json!({ "kty": "EC", "crv": "P-256", "x": "wXQDyma2QZJfXPZHtzNSuaFAcOmmiYDwVkJixbSYDXU", "y": "bMC7vAt9IPUVDRcHC9Gr6XwGO-64hRq-tp4LdOjfL6U" })
                    .to_string(),
            ),
            canary: Some("https://own.example/n/forged_token_jku".into()),
        }
    }

    fn header(token: &str) -> Value {
        let part = token.split('.').next().unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    }

    #[test]
    fn each_forgery_has_its_header_and_the_same_claims() {
        for (how, alg, url) in [
            (Forgery::NoAlgorithm, "none", None),
            (Forgery::OtherKey, "RS256", None),
            (Forgery::PublicKeyAsSecret, "HS256", None),
            (Forgery::Jku, "RS256", Some("jku")),
            (Forgery::X5u, "RS256", Some("x5u")),
        ] {
            let made = token(&recipe(how), Millis(1_000_000_000_000)).unwrap();
            let header = header(&made);
            assert_eq!(header["alg"], alg);
            assert_eq!(header["kid"], "k1");
            for name in ["jku", "x5u"] {
                assert_eq!(header.get(name).is_some(), url == Some(name), "{how:?}");
            }
            let claims = Claims::of_token(&made).unwrap();
            assert_eq!(claims.aud, ["https://mcp.example/mcp"]);
            assert_eq!(claims.exp, Some(1_000_000_300));
            assert_eq!(made.ends_with('.'), how == Forgery::NoAlgorithm);
        }
    }

    #[test]
    fn the_pem_form_is_what_openssl_writes() {
        // From `openssl ec -pubin` and `openssl rsa -pubin` over the same numbers.
        let ec = pem(&json!({ "kty": "EC", "crv": "P-256",
            "x": "wXQDyma2QZJfXPZHtzNSuaFAcOmmiYDwVkJixbSYDXU", "y": "bMC7vAt9IPUVDRcHC9Gr6XwGO-64hRq-tp4LdOjfL6U" }))
        .unwrap();
        assert!(ec.starts_with("-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE"));
        assert_eq!(ec.lines().count(), 4);
        let n = URL_SAFE_NO_PAD.encode([0xab; 256]);
        let rsa = pem(&json!({ "kty": "RSA", "n": n, "e": "AQAB" })).unwrap();
        assert!(rsa.starts_with(
            "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA"
        ));
        assert!(rsa.ends_with("AgMBAAE=\n-----END PUBLIC KEY-----\n") || rsa.contains("IDAQAB"));
        assert!(pem(&json!({ "kty": "OKP", "crv": "Ed25519", "x": "AA" })).is_none());
    }

    #[test]
    fn every_change_changes_the_bytes_and_keeps_the_rest() {
        let made = token(&recipe(Forgery::OtherKey), Millis(0)).unwrap();
        let parts = |token: &str| -> Vec<Vec<u8>> {
            token
                .split('.')
                .map(|part| URL_SAFE_NO_PAD.decode(part).unwrap())
                .collect()
        };
        let before = parts(&made);
        let claim = parts(&altered(&made, Alteration::Claim).unwrap());
        assert!(claim[0] == before[0] && claim[1] != before[1] && claim[2] == before[2]);
        let short = parts(&altered(&made, Alteration::ShortSignature).unwrap());
        assert!(short[..2] == before[..2] && short[2].len() == before[2].len() - 8);
        let flipped = parts(&altered(&made, Alteration::FlippedSignature).unwrap());
        assert!(flipped[..2] == before[..2] && flipped[2] != before[2]);
        for opaque in ["secret-token", "A", "ÄÖÜ", "AAAA"] {
            assert_ne!(altered(opaque, Alteration::Character).unwrap(), opaque);
        }
        assert!(altered("opaque", Alteration::Claim).is_none());
        assert!(altered("", Alteration::Character).is_none());
    }
}
