//! How strong the published keys are: sizes, exponents, curves, the fingerprint of a broken
//! key generator, and keys that everybody has because they are printed in a document.
//!
//! Arithmetic stays with bytes: a modulus is only measured and reduced by small primes.

use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

use super::keys::{name_of, worst_keys};
use crate::check::{
    Area, Check, Fault, Judgement, Level, Na, Party, ProbeClass, Severity, Verdict, fail, na, warn,
};
use crate::facts::keys::Key;
use crate::facts::{Facts, quote};
use crate::spec::{Matrix, Revision, Spec};

pub(super) const KEY_STRENGTH: Check = Check {
    id: "jwks-key-strength",
    title: "Published keys are strong enough",
    area: Area::Endpoints,
    level: Level::Must,
    party: &[Party::AuthorizationServer],
    class: ProbeClass::P0,
    severity: Severity::High,
    revisions: Matrix::of("AAAA"),
    cites: &[
        Spec::Rfc(7518).at("3.3"),
        Spec::Rfc(7518).at("3.4"),
        Spec::Rfc(7518).at("3.5"),
        Spec::Rfc(7518).at("6"),
        Spec::Rfc(8725).at("3.2"),
        Spec::Rfc(8725).at("3.5"),
        Spec::Rfc(9325).at("4.5"),
    ],
    why: "Whoever factors a short or badly made key, or knows a sample key, can forge tokens.",
    fix: "Rotate to a fresh RSA key of at least 2048 bits, or to P-256 or Ed25519.",
    traps: "Sample keys are recognised by thumbprint, whatever their kid; the list is small and dated. An EC or OKP key needs no `alg`, because its curve fixes the algorithm.",
    run: key_strength,
};

/// RFC 7638 thumbprints of keys whose private half is printed in public, with the place.
const KNOWN: &[(&str, &str)] = &[
    (
        "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U",
        "RFC 7515 A.3",
    ),
    (
        "IsUn6_e04MaShXFIISMp4kG62LWzMIPy_MvSA5pJgX8",
        "RFC 7515 A.2",
    ),
    (
        "u5YUSjQ2-2chBi51NSk3t3g7IM4o2KYcnPqPtCNGd3U",
        "RFC 7515 A.4",
    ),
    (
        "xtIsOV1FqKH77AI_A3jdTg5QfdabzqI-LNpYTPi0IgI",
        "RFC 7516 A.1",
    ),
    (
        "_K0fXS8wlsT7Tn3vvZrs9qdKUIqi5AxQ5EVk41xi_BM",
        "RFC 7516 A.2",
    ),
    (
        "cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s",
        "RFC 7517 A.1",
    ),
    (
        "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
        "RFC 7517 A.1",
    ),
    ("DdsFv-2-wgcPoDcyS6OXOWVh00JdbWkkVXDCYdxJ3uM", "RFC 7517 B"),
    ("D8R4-FeTJfzuDUy8bZ0c4hcwpul-Q11gCPs3mw6-R9Q", "RFC 7517 C"),
    (
        "dHri3SADZkrush5HU_50AoRhcKFryN-PI6jPBtPL55M",
        "RFC 7520 3.1",
    ),
    (
        "9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI",
        "RFC 7520 3.3",
    ),
    (
        "h_jutvC-jg3Nwueq8LmdSybXykVsBwk4_5u5Y9JiS7E",
        "RFC 7520 5.1",
    ),
    (
        "Rt-IyDEhXohvTl_ozKQ9YGflXGuDb3uu3QmqN2LoMwM",
        "RFC 7520 5.2",
    ),
    (
        "YlKlB7M2wnS0cPn_V7OW-FuDLuWdJ9z4OvPHmhGDfeE",
        "RFC 7520 5.4",
    ),
    (
        "HsSFalww3yP-dO-lWGYgFcyV5H22oScIFc4V2Y6GOto",
        "RFC 7520 5.5",
    ),
    (
        "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
        "RFC 8037 A.1",
    ),
    (
        "xNnfOFTMgZSRM3KtGHQqavZGWGF00Fe54LZBYCIxr88",
        "RFC 8152 C.7",
    ),
    (
        "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I",
        "RFC 9449 4.1",
    ),
    // The key pairs that a widely used token debugger shows by default, RS256 and ES256, and
    // its older short one.
    (
        "oGDmHqCJ7yzMkWEkrlZVHkvrHIyQwtlDmeq5ForUHeY",
        "a token debugger",
    ),
    (
        "19J8y7Zprt2-QKLjF2I5pVk0OELX6cY2AfaAv1LC_w8",
        "a token debugger",
    ),
    (
        "pdmN_UI10XD6wy44jm-JkHmJOFxevse_2jio8cH1lRw",
        "a token debugger",
    ),
    // What a library signs with until it is told another key; the same in every installation.
    (
        "r1LkbBo3925Rb2ZFFrKyU3MVex9T2817Kx0vbi6i_Kc",
        "the development key store of an OpenID library",
    ),
];

fn key_strength(facts: &Facts<'_>, revision: Revision) -> Judgement {
    worst_keys(facts, revision, strong)
}

fn strong(key: &Key) -> Judgement {
    if let Some(source) = thumbprint(key).and_then(|print| known(&print)) {
        return fail(Fault::new(
            "known_key",
            format!(
                "{} is a sample key whose private half is public: {source}.",
                name_of(key)
            ),
            key.place.clone(),
        ));
    }
    match key.kind() {
        "RSA" => rsa(key),
        "EC" => curve(key, &["P-256", "P-384", "P-521"]),
        "OKP" => curve(key, &["Ed25519", "Ed448", "X25519", "X448"]),
        // A symmetric key has no place here at all, which another check says; of kinds that
        // are not known nothing can be said.
        _ => na(Na::Other("unknown_key_type")),
    }
}

fn curve(key: &Key, good: &[&str]) -> Judgement {
    match key.text("crv") {
        Some(name) if good.contains(&name) => Ok(Verdict::Pass),
        Some(name) => warn(Fault::new(
            "curve",
            format!("{} is on the curve {}.", name_of(key), quote(name)),
            key.place.clone(),
        )),
        None => na(Na::Other("unreadable_key")),
    }
}

fn rsa(key: &Key) -> Judgement {
    let (Some(modulus), Some(exponent)) = (number(key, "n"), number(key, "e")) else {
        return na(Na::Other("unreadable_key"));
    };
    let bits = bits(&modulus);
    let fault = |reason, said: String| Fault::new(reason, said, key.place.clone());
    if bits < 2048 {
        return fail(fault(
            "rsa_short",
            format!("{} has {bits} bits, fewer than 2048.", name_of(key)),
        ));
    }
    if is_roca(&modulus, bits) {
        return fail(fault(
            "roca",
            format!(
                "The modulus of {} bears the mark of a broken key generator (ROCA, CVE-2017-15361).",
                lower_first(&name_of(key))
            ),
        ));
    }
    match exponent.as_slice() {
        [3] => {
            return warn(fault(
                "rsa_exponent_small",
                format!("{} has the exponent 3.", name_of(key)),
            ));
        }
        e if e == [1] || e.last().is_none_or(|last| last % 2 == 0) => {
            return fail(fault(
                "rsa_exponent_broken",
                format!("{} has an exponent that protects nothing.", name_of(key)),
            ));
        }
        e if self::bits(e) < 17 => {
            return warn(fault(
                "rsa_exponent_small",
                format!("{} has an exponent below 65537.", name_of(key)),
            ));
        }
        _ => {}
    }
    match key.text("alg") {
        None => warn(fault(
            "alg_missing",
            format!(
                "{} does not say with which algorithm it is used.",
                name_of(key)
            ),
        )),
        Some(alg @ ("RS1" | "RSA1_5")) => warn(fault(
            "alg_legacy",
            format!("{} is meant for the outdated {}.", name_of(key), quote(alg)),
        )),
        Some(_) => Ok(Verdict::Pass),
    }
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map(|first| first.to_lowercase().chain(chars).collect())
        .unwrap_or_default()
}

// --- numbers --------------------------------------------------------------------------------

/// A base64url member as a big-endian number without leading zero bytes; `None` if it is
/// none or zero.
fn number(key: &Key, name: &str) -> Option<Vec<u8>> {
    let text = key.text(name)?;
    let bytes = URL_SAFE_NO_PAD
        .decode(text)
        .or_else(|_| URL_SAFE.decode(text))
        .ok()?;
    let start = bytes.iter().position(|byte| *byte != 0)?;
    Some(bytes[start..].to_vec())
}

/// Bit length of a big-endian number without leading zero bytes.
fn bits(number: &[u8]) -> usize {
    number
        .first()
        .map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}

fn remainder(number: &[u8], by: u32) -> u32 {
    number
        .iter()
        .fold(0, |rest, byte| ((rest << 8) | u32::from(*byte)) % by)
}

/// The fingerprint of CVE-2017-15361: the primes of that generator are powers of 65537 modulo
/// a product of small primes, and so is the modulus. Each small prime divides the chance of
/// an innocent match by the index of the subgroup; the generator used more of them for longer
/// keys, so more are looked at there.
fn is_roca(modulus: &[u8], bits: usize) -> bool {
    let largest = match bits {
        0..=991 => 167,
        992..=1983 => 353,
        _ => 701,
    };
    (3..=largest)
        .filter(|candidate| is_prime(*candidate))
        .all(|prime| is_power(remainder(modulus, prime), prime))
}

fn is_prime(number: u32) -> bool {
    (2..)
        .take_while(|divisor| divisor * divisor <= number)
        .all(|divisor| !number.is_multiple_of(divisor))
}

/// Whether a residue is a power of 65537 modulo this prime.
fn is_power(residue: u32, prime: u32) -> bool {
    let generator = 65537 % prime;
    let mut power = 1;
    for _ in 0..prime {
        if power == residue {
            return true;
        }
        power = power * generator % prime;
        if power == 1 {
            return false;
        }
    }
    false
}

// --- thumbprints ----------------------------------------------------------------------------

/// RFC 7638, with numbers in their shortest form, so that padding hides nothing.
fn thumbprint(key: &Key) -> Option<String> {
    let number = |name| number(key, name).map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
    // Coordinates have the length of the curve; only their encoding is unified.
    let coordinate = |name| {
        let text = key.text(name)?.trim_end_matches('=');
        URL_SAFE_NO_PAD.decode(text).is_ok().then_some(text)
    };
    let curve = || {
        key.text("crv").filter(|name| {
            name.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
    };
    let text = match key.kind() {
        "RSA" => format!(
            r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#,
            number("e")?,
            number("n")?
        ),
        "EC" => format!(
            r#"{{"crv":"{}","kty":"EC","x":"{}","y":"{}"}}"#,
            curve()?,
            coordinate("x")?,
            coordinate("y")?
        ),
        "OKP" => format!(
            r#"{{"crv":"{}","kty":"OKP","x":"{}"}}"#,
            curve()?,
            coordinate("x")?
        ),
        _ => return None,
    };
    Some(URL_SAFE_NO_PAD.encode(Sha256::digest(text)))
}

fn known(print: &str) -> Option<&'static str> {
    KNOWN
        .iter()
        .find(|(known, _)| *known == print)
        .map(|(_, source)| *source)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::check::Place;

    fn key(value: &Value) -> Key {
        Key {
            members: value.as_object().expect("an object").clone(),
            place: Place::status(0),
        }
    }

    /// The example of RFC 7638 section 3.1.
    #[test]
    fn thumbprint_of_the_standard() {
        let example = json!({
            "kty": "RSA", "e": "AQAB", "alg": "RS256", "kid": "2011-04-29",
            "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
        });
        assert_eq!(
            thumbprint(&key(&example)).as_deref(),
            Some("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs")
        );
        let padded = json!({ "kty": "RSA", "e": "AAEAAQ", "n": example["n"] });
        assert_eq!(thumbprint(&key(&padded)), thumbprint(&key(&example)));
    }

    #[test]
    fn thumbprints_of_other_kinds() {
        let okp = json!({
            "kty": "OKP", "crv": "Ed25519",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        });
        let print = thumbprint(&key(&okp)).expect("a thumbprint");
        assert_eq!(print, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        assert_eq!(known(&print), Some("RFC 8037 A.1"));
        let ec = json!({
            "kty": "EC", "crv": "P-256",
            "x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
            "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
        });
        assert_eq!(
            thumbprint(&key(&ec)).as_deref(),
            Some("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I")
        );
    }

    #[test]
    fn numbers_are_measured_without_leading_zeros() {
        assert_eq!(bits(&[]), 0);
        assert_eq!(bits(&[1]), 1);
        assert_eq!(bits(&[1, 0, 1]), 17);
        assert_eq!(remainder(&[1, 0, 1], 7), 65537 % 7);
        let zeros = json!({ "n": "AAAAAQAB" });
        assert_eq!(number(&key(&zeros), "n"), Some(vec![1, 0, 1]));
        assert_eq!(number(&key(&json!({ "n": "AAAA" })), "n"), None);
        assert_eq!(number(&key(&json!({ "n": "!" })), "n"), None);
    }

    #[test]
    fn known_thumbprints_are_well_formed_and_unique() {
        for (position, (print, _)) in KNOWN.iter().enumerate() {
            assert_eq!(URL_SAFE_NO_PAD.decode(print).map(|b| b.len()), Ok(32));
            assert!(!KNOWN[..position].iter().any(|(other, _)| other == print));
        }
    }
}
