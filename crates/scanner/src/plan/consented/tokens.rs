//! Y6 and Y7: forged tokens. One after the other, and none after the first that was accepted:
//! a success would be access.

use super::super::{Ask, Forged, HeaderValue, Plan, Secret};
use crate::evidence::{Forgery, Purpose};
use crate::facts::{classify, discovery};
use crate::spec::Revision;

/// In the order of asking.
const ALL: [Forgery; 5] = [
    Forgery::NoAlgorithm,
    Forgery::OtherKey,
    Forgery::PublicKeyAsSecret,
    Forgery::Jku,
    Forgery::X5u,
];

impl Plan<'_> {
    /// The next forged token.
    pub(in crate::plan) fn forged_tokens(&self) -> Vec<Ask> {
        if !self.consented(&self.endpoint) || !self.facts.protected() {
            return Vec::new();
        }
        let Some(base) = classify::control(&self.facts) else {
            return Vec::new();
        };
        for how in ALL {
            let purpose = Purpose::ForgedToken(how);
            match self.facts.answer(purpose) {
                Some(answer) if answer.served() => return Vec::new(),
                Some(_) => {}
                None => {
                    let Some(recipe) = self.recipe(how) else {
                        continue;
                    };
                    let mut ask = self.varied(purpose, base);
                    let token = Secret::Forged(Box::new(recipe));
                    ask.headers
                        .push(("authorization", HeaderValue::Bearer(token)));
                    return vec![ask];
                }
            }
        }
        Vec::new()
    }

    /// `None` if this forgery needs something that is not there: a key of the authorization
    /// server, a host of our own.
    fn recipe(&self, how: Forgery) -> Option<Forged> {
        let keys = self.published_keys();
        let key = match how {
            // An RSA key if there is one: those are what the confusion was first seen with.
            Forgery::PublicKeyAsSecret => Some(
                keys.iter()
                    .find(|(_, kind, _)| kind == "RSA")
                    .or_else(|| keys.iter().find(|(_, kind, _)| kind == "EC"))?
                    .clone(),
            ),
            _ => keys.first().cloned(),
        };
        let canary = match how {
            Forgery::Jku | Forgery::X5u => {
                Some(self.facts.own_url(&Purpose::ForgedToken(how).name())?)
            }
            _ => None,
        };
        let issuer = self
            .issuer_of_tokens()
            .unwrap_or_else(|| discovery::origin_of(self.facts.endpoint()));
        let (kid, key) = match key {
            Some((kid, _, key)) => (kid, Some(key)),
            None => (None, None),
        };
        Some(Forged {
            how,
            issuer,
            audience: self
                .resource()
                .unwrap_or_else(|| self.facts.endpoint_text().to_owned()),
            scope: self.scope(),
            kid: kid
                .unwrap_or_else(|| self.evidence.nonce.get(..16).unwrap_or_default().to_owned()),
            key: key.filter(|_| how == Forgery::PublicKeyAsSecret),
            canary,
        })
    }

    fn issuer_of_tokens(&self) -> Option<String> {
        let asms = self.facts.readable_asms(Revision::HEADLINE).ok()?;
        asms.first()?.document.text("issuer").map(str::to_owned)
    }

    /// Keys of the first authorization server that signs: `kid`, `kty`, the key itself.
    fn published_keys(&self) -> Vec<(Option<String>, String, String)> {
        let Ok(asms) = self.facts.readable_asms(Revision::HEADLINE) else {
            return Vec::new();
        };
        let sets = self.facts.key_sets(asms.get(..1).unwrap_or_default());
        sets.iter()
            .filter_map(|set| set.keys(&self.facts).ok().flatten())
            .flatten()
            .filter(|key| !key.encrypts())
            .map(|key| {
                (
                    key.text("kid").map(str::to_owned),
                    key.kind().to_owned(),
                    serde_json::Value::Object(key.members.clone()).to_string(),
                )
            })
            .collect()
    }
}
