//! What a scan lends: secrets to the places where they belong, authorization requests to the
//! owner's browser.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use url::Url;

use super::client::{Client, millis};
use super::doors::{self, Door};
use super::guard::Rule;
use super::own::Browser;
use super::release::Places;
use super::vault;
use crate::evidence::{
    Body, Depth, Evidence, Exchange, ExchangeId, Failure, Obtained, Phase, Response,
};
use crate::plan::{self, Ask};
use crate::redact;

impl Client<'_> {
    /// The owner opens the request; where it leads back to is recorded as a redirect.
    pub(super) async fn by_browser(
        &self,
        ask: &Ask,
        id: ExchangeId,
        browser: &dyn Browser,
        exchange: &mut Exchange,
    ) -> Result<Response, Failure> {
        let request = Url::parse(&ask.url).map_err(|_| doors::blocked(Rule::Invalid))?;
        let begun = super::instant();
        exchange.after_ms = millis(self.began.elapsed());
        let back = browser.open(request).await;
        exchange.took_ms = millis(begun.elapsed());
        let back = back.ok_or(Failure::Timeout(Phase::Total))?;
        self.vault.keep_code_of(id, &back);
        let location = redact::response_header("location", back.as_str(), &[]).into_owned();
        Ok(Response {
            status: 302,
            http: "browser".to_owned(),
            headers: vec![("location".to_owned(), location)],
            body: Body::default(),
            peer: None,
            tls: None,
            hello: None,
        })
    }

    // --- secrets ----------------------------------------------------------------------

    /// The value of a secret; none over a connection whose certificate did not validate, and
    /// none where only the record of a refused request is written.
    pub(super) fn secret(&self, secret: &plan::Secret, door: Option<&Door>) -> Option<String> {
        let door = door?;
        if self.doors.verdicts.tolerates(&door.host) && !vault::is_made_up(secret) {
            return None;
        }
        let settings = self.settings;
        self.vault
            .value(secret, &settings.credentials, settings.clock.now())
    }

    /// A question that holds a secret is not put without it, not where the secret does not
    /// belong, and not over a connection whose certificate did not validate.
    pub(super) fn withholds(&self, ask: &Ask, url: &Url, door: &Door) -> bool {
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        vault::secrets_of(ask)
            .any(|secret| !places.admit(secret, url) || self.secret(secret, Some(door)).is_none())
    }

    /// Takes over what the record says of where secrets may go, and returns what it keeps of
    /// them.
    pub(super) fn learn(&self, evidence: &Evidence) {
        // Without consent there is no secret that could go anywhere.
        if evidence.depth >= Depth::Consented {
            *self.places.lock().unwrap_or_else(PoisonError::into_inner) = Places::of(evidence);
        }
        self.nonce
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone_from(&evidence.nonce);
    }

    /// What the record keeps of the secrets that responses brought.
    pub(super) fn obtained(&self) -> Vec<Obtained> {
        self.vault.obtained()
    }

    /// Exchanges got other numbers.
    pub(super) fn renumber(&self, numbers: &BTreeMap<ExchangeId, ExchangeId>) {
        self.vault.renumber(numbers);
        self.cookies.renumber(numbers);
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        *sessions = std::mem::take(&mut *sessions)
            .into_iter()
            .map(|(id, value)| (numbers.get(&id).copied().unwrap_or(id), value))
            .collect();
    }

    /// The body as sent.
    pub(super) fn payload(&self, ask: &Ask, door: Option<&Door>) -> Option<String> {
        if ask.form.is_empty() && ask.fill.is_empty() {
            return ask.body.clone();
        }
        vault::payload(ask, |secret| self.secret(secret, door))
    }
}
