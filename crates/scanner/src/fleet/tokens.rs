//! What the sample authorization servers hand out: clients, codes and tokens that are bound as
//! the texts want it, and signed (ES256), so that sample MCP servers can verify them.
//!
//! A [`Ledger`] belongs to one authorization server; clones share it. Wrong behaviour is not
//! here: it is asked for with [`super::authorization::Fault`].

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{PublicKeyData as _, SigningKey as _};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::FleetError;
use crate::time::{Clock, Millis, SystemClock};

/// How long a code lives, in milliseconds.
pub const CODE_LIFE: i64 = 60_000;
/// How long an access token lives, in seconds.
pub const TOKEN_LIFE: i64 = 300;
/// `kid` of the only key.
pub const KID: &str = "fleet-1";

/// A registered client.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Client {
    /// `client_id`.
    pub id: String,
    /// `client_name`.
    pub name: String,
    /// `redirect_uris`.
    pub redirects: Vec<String>,
    /// `client_secret`, if it is confidential.
    pub secret: Option<String>,
    /// `registration_access_token`.
    pub registration_token: Option<String>,
}

/// What a code, and every token that comes of it, stands for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grant {
    /// Who may redeem it.
    pub client: String,
    /// `redirect_uri` of the request.
    pub redirect: String,
    /// `code_challenge`, if there was one.
    pub challenge: Option<String>,
    /// `code_challenge_method`; `plain` if it was left out.
    pub method: String,
    /// `resource`, if there was one.
    pub resource: Option<String>,
    /// `scope`.
    pub scope: String,
    /// Who signed in.
    pub subject: String,
}

/// A code.
#[derive(Debug, Clone)]
pub struct Code {
    /// What it stands for.
    pub grant: Grant,
    /// When it dies.
    pub until: Millis,
    /// It was redeemed.
    pub used: bool,
}

/// A refresh token.
#[derive(Debug, Clone)]
pub struct Refresh {
    /// What it stands for.
    pub grant: Grant,
    /// The code that began the family.
    pub family: String,
    /// It was used.
    pub used: bool,
}

/// Everything one authorization server has handed out.
#[derive(Clone)]
pub struct Ledger {
    held: Arc<Mutex<Held>>,
    key: Arc<rcgen::KeyPair>,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct Held {
    issued: u64,
    passed: i64,
    clients: BTreeMap<String, Client>,
    codes: BTreeMap<String, Code>,
    refreshes: BTreeMap<String, Refresh>,
    /// Families and access tokens (by `jti`) that are worth nothing any more.
    revoked: Vec<String>,
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = self.held();
        f.debug_struct("Ledger")
            .field("clients", &held.clients.len())
            .field("codes", &held.codes.len())
            .finish_non_exhaustive()
    }
}

impl Ledger {
    /// An empty ledger with a key of its own.
    ///
    /// # Errors
    ///
    /// If no key can be made.
    pub fn new() -> Result<Self, FleetError> {
        Ok(Self {
            held: Arc::default(),
            key: Arc::new(rcgen::KeyPair::generate_for(
                &rcgen::PKCS_ECDSA_P256_SHA256,
            )?),
            clock: Arc::new(SystemClock),
        })
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Now, for this authorization server.
    #[must_use]
    pub fn now(&self) -> Millis {
        let passed = self.held().passed;
        self.clock.now().plus(passed)
    }

    /// Lets time pass for this authorization server.
    pub fn pass(&self, millis: i64) {
        self.held().passed += millis;
    }

    /// A value that nobody can guess, and that is another one each time.
    #[must_use]
    pub fn fresh(&self, prefix: &str) -> String {
        let number = {
            let mut held = self.held();
            held.issued += 1;
            held.issued
        };
        let mut hash = Sha256::new();
        hash.update(self.key.serialize_der());
        hash.update(number.to_be_bytes());
        format!("{prefix}{}", URL_SAFE_NO_PAD.encode(hash.finalize()))
    }

    // --- clients ----------------------------------------------------------------------

    /// Adds or replaces a client.
    pub fn add_client(&self, client: Client) {
        self.held().clients.insert(client.id.clone(), client);
    }

    /// The client of this identifier.
    #[must_use]
    pub fn client(&self, id: &str) -> Option<Client> {
        self.held().clients.get(id).cloned()
    }

    /// Forgets a client; whether there was one.
    pub fn remove_client(&self, id: &str) -> bool {
        self.held().clients.remove(id).is_some()
    }

    /// How many clients there are.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.held().clients.len()
    }

    // --- codes ------------------------------------------------------------------------

    /// Issues a code.
    #[must_use]
    pub fn issue_code(&self, grant: Grant) -> String {
        let code = self.fresh("fc_");
        let until = self.now().plus(CODE_LIFE);
        let entry = Code {
            grant,
            until,
            used: false,
        };
        self.held().codes.insert(code.clone(), entry);
        code
    }

    /// The code as it was before this call, which uses it up.
    #[must_use]
    pub fn use_code(&self, code: &str) -> Option<Code> {
        let mut held = self.held();
        let entry = held.codes.get_mut(code)?;
        let before = entry.clone();
        entry.used = true;
        Some(before)
    }

    // --- tokens -----------------------------------------------------------------------

    /// Issues a refresh token of the family that a code began.
    #[must_use]
    pub fn issue_refresh(&self, family: &str, grant: Grant) -> String {
        let token = self.fresh("fr_");
        let entry = Refresh {
            grant,
            family: family.to_owned(),
            used: false,
        };
        self.held().refreshes.insert(token.clone(), entry);
        token
    }

    /// The refresh token as it was before this call, which uses it up.
    #[must_use]
    pub fn use_refresh(&self, token: &str) -> Option<Refresh> {
        let mut held = self.held();
        let entry = held.refreshes.get_mut(token)?;
        let before = entry.clone();
        entry.used = true;
        Some(before)
    }

    /// Makes a family of tokens, a refresh token or an access token worthless.
    pub fn revoke(&self, what: &str) {
        let mut held = self.held();
        let family = held.refreshes.get(what).map(|entry| entry.family.clone());
        let jti = claims_of(what).and_then(|claims| Some(claims.get("jti")?.as_str()?.to_owned()));
        let what = family.or(jti).unwrap_or_else(|| what.to_owned());
        held.revoked.push(what);
    }

    /// Whether a family or an access token was revoked.
    #[must_use]
    pub fn is_revoked(&self, what: &str) -> bool {
        self.held().revoked.iter().any(|revoked| revoked == what)
    }

    /// Issues an access token (RFC 9068 section 2.2): a signed JSON Web Token that names the
    /// resource as its audience, or the issuer where none was asked for.
    #[must_use]
    pub fn issue_access(&self, issuer: &str, family: &str, grant: &Grant) -> String {
        let now = self.now().0 / 1000;
        self.sign(
            "at+jwt",
            &json!({
                "iss": issuer,
                "sub": grant.subject,
                "aud": grant.resource.as_deref().unwrap_or(issuer),
                "client_id": grant.client,
                "scope": grant.scope,
                "iat": now,
                "exp": now + TOKEN_LIFE,
                "jti": self.fresh("fj_"),
                "family": family,
            }),
        )
    }

    /// Signs a payload.
    #[must_use]
    pub fn sign(&self, typ: &str, payload: &Value) -> String {
        sign(
            &self.key,
            &json!({ "alg": "ES256", "typ": typ, "kid": KID }),
            payload,
        )
    }

    /// The key that verifies what was signed, PEM.
    #[must_use]
    pub fn public_pem(&self) -> String {
        self.key.public_key_pem()
    }

    /// The key set that verifies what was signed (RFC 7517).
    #[must_use]
    pub fn key_set(&self) -> Value {
        let point = self.key.der_bytes();
        let coordinate = |from: usize| {
            let bytes = point.get(from..from + 32).unwrap_or_default();
            URL_SAFE_NO_PAD.encode(bytes)
        };
        json!({ "keys": [{
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": KID,
            "x": coordinate(1), "y": coordinate(33),
        }] })
    }

    /// The claims of an access token that this ledger issued, that has not ended, and that
    /// nobody revoked.
    #[must_use]
    pub fn verified(&self, token: &str) -> Option<Value> {
        let claims = verify(token, &self.key_set())?;
        let now = self.now().0 / 1000;
        let alive = claims.get("exp")?.as_i64()? > now;
        let known = ["jti", "family"].iter().any(|name| {
            claims
                .get(name)
                .and_then(Value::as_str)
                .is_some_and(|id| self.is_revoked(id))
        });
        (alive && !known).then_some(claims)
    }
}

/// A compact JSON Web Signature, ES256 (RFC 7515, RFC 7518 section 3.4).
#[must_use]
pub fn sign(key: &rcgen::KeyPair, header: &Value, payload: &Value) -> String {
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header.to_string()),
        URL_SAFE_NO_PAD.encode(payload.to_string())
    );
    let signature = key
        .sign(signed.as_bytes())
        .ok()
        .and_then(|der| fixed(&der))
        .unwrap_or([0; 64]);
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The claims of a token whose ES256 signature one of these keys verifies. Nothing else is
/// looked at.
#[must_use]
pub fn verify(token: &str, keys: &Value) -> Option<Value> {
    let (signed, signature) = token.rsplit_once('.')?;
    let header = part_of(signed.split('.').next()?)?;
    if header.get("alg")?.as_str()? != "ES256" {
        return None;
    }
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    let der = der(signature.get(..32)?, signature.get(32..64)?);
    if signature.len() != 64 {
        return None;
    }
    let algorithms = tokio_rustls::rustls::crypto::aws_lc_rs::default_provider()
        .signature_verification_algorithms;
    let mut points = keys.get("keys")?.as_array()?.iter().filter_map(point);
    points
        .any(|point| {
            algorithms
                .mapping
                .iter()
                .filter(|(scheme, _)| {
                    *scheme == tokio_rustls::rustls::SignatureScheme::ECDSA_NISTP256_SHA256
                })
                .flat_map(|(_, list)| list.iter())
                .any(|algorithm| {
                    algorithm
                        .verify_signature(&point, signed.as_bytes(), &der)
                        .is_ok()
                })
        })
        .then(|| claims_of(token))
        .flatten()
}

/// The claims of a token, unverified.
#[must_use]
pub fn claims_of(token: &str) -> Option<Value> {
    part_of(token.split('.').nth(1)?)
}

fn part_of(part: &str) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

/// The uncompressed point of a P-256 key.
fn point(key: &Value) -> Option<Vec<u8>> {
    let coordinate = |name: &str| URL_SAFE_NO_PAD.decode(key.get(name)?.as_str()?).ok();
    let mut point = vec![4];
    point.extend(coordinate("x")?);
    point.extend(coordinate("y")?);
    (point.len() == 65).then_some(point)
}

/// From the DER form of an ECDSA signature to the fixed one.
fn fixed(der: &[u8]) -> Option<[u8; 64]> {
    let mut out = [0; 64];
    let mut rest = der.get(2..)?;
    for half in 0..2_usize {
        let length = usize::from(*rest.get(1)?);
        let number = rest.get(2..2 + length)?;
        let number = &number[number.iter().take_while(|byte| **byte == 0).count()..];
        let end = 32 * (half + 1);
        let start = end
            .checked_sub(number.len())
            .filter(|at| *at >= 32 * half)?;
        out[start..end].copy_from_slice(number);
        rest = &rest[2 + length..];
    }
    Some(out)
}

/// From the fixed form of an ECDSA signature to DER.
fn der(r: &[u8], s: &[u8]) -> Vec<u8> {
    let integer = |number: &[u8]| {
        let number = &number[number.iter().take_while(|byte| **byte == 0).count()..];
        let padded = number.first().is_none_or(|byte| *byte >= 0x80);
        let mut out = vec![
            2,
            u8::try_from(number.len() + usize::from(padded)).unwrap_or(0),
        ];
        if padded {
            out.push(0);
        }
        out.extend_from_slice(number);
        out
    };
    let (r, s) = (integer(r), integer(s));
    let mut out = vec![0x30, u8::try_from(r.len() + s.len()).unwrap_or(0)];
    out.extend(r);
    out.extend(s);
    out
}

/// `code_challenge` of a verifier: S256 (RFC 7636 section 4.2).
#[must_use]
pub fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Grant, Ledger, TOKEN_LIFE, challenge, sign, verify};

    #[test]
    fn tokens_verify_until_they_end_and_only_unchanged() {
        let ledger = Ledger::new().unwrap();
        for _ in 0..20 {
            let token = ledger.issue_access(
                "https://id.example",
                "f",
                &Grant {
                    resource: Some("https://mcp.example/mcp".into()),
                    ..Grant::default()
                },
            );
            let claims = ledger.verified(&token).unwrap();
            assert_eq!(claims["aud"], "https://mcp.example/mcp");
            let (signed, signature) = token.rsplit_once('.').unwrap();
            assert!(verify(&format!("{signed}x.{signature}"), &ledger.key_set()).is_none());
            assert!(verify(&format!("{signed}."), &ledger.key_set()).is_none());
        }
        let token = ledger.issue_access("i", "family", &Grant::default());
        let other = ledger.issue_access("i", "other", &Grant::default());
        ledger.revoke("family");
        assert!(ledger.verified(&token).is_none());
        assert!(ledger.verified(&other).is_some());
        ledger.pass(TOKEN_LIFE * 1000 + 1000);
        assert!(ledger.verified(&other).is_none());
    }

    #[test]
    fn another_key_is_no_key() {
        let ledger = Ledger::new().unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let forged = sign(&key, &json!({ "alg": "ES256" }), &json!({ "exp": 1 }));
        assert!(verify(&forged, &ledger.key_set()).is_none());
        let none = sign(&key, &json!({ "alg": "none" }), &json!({ "exp": 1 }));
        assert!(verify(&none, &ledger.key_set()).is_none());
    }

    #[test]
    fn codes_and_refresh_tokens_are_used_once() {
        let ledger = Ledger::new().unwrap();
        let code = ledger.issue_code(Grant::default());
        assert!(!ledger.use_code(&code).unwrap().used);
        assert!(ledger.use_code(&code).unwrap().used);
        assert!(ledger.use_code("fc_x").is_none());
        let refresh = ledger.issue_refresh(&code, Grant::default());
        assert!(!ledger.use_refresh(&refresh).unwrap().used);
        assert!(ledger.use_refresh(&refresh).unwrap().used);
        ledger.revoke(&refresh);
        assert!(ledger.is_revoked(&code));
    }

    #[test]
    fn the_challenge_of_rfc_7636() {
        assert_eq!(
            challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }
}
