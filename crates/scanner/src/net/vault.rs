//! Secrets of one scan under way: tokens, codes and client secrets that responses brought.
//! They live as long as the scan and are blanked in whatever is recorded.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use reqwest::header::{HeaderMap, LOCATION};
use serde_json::Value;
use url::Url;

use super::own::Credentials;
use crate::evidence::{Body, ExchangeId, Purpose};
use crate::plan::{Ask, FormValue, Issued, Secret};
use crate::redact;

/// Members of JSON answers that are kept, and what they are.
const MEMBERS: [(&str, Issued); 6] = [
    ("/access_token", Issued::AccessToken),
    ("/refresh_token", Issued::RefreshToken),
    ("/id_token", Issued::IdToken),
    ("/registration_access_token", Issued::RegistrationToken),
    ("/client_secret", Issued::ClientSecret),
    ("/result/requestState", Issued::RequestState),
];

/// What responses brought.
#[derive(Default)]
pub(super) struct Vault {
    secrets: Mutex<BTreeMap<(ExchangeId, Issued), String>>,
    /// Where redirects really lead: the record may have blanked a part of it.
    locations: Mutex<BTreeMap<ExchangeId, Url>>,
}

impl Vault {
    /// Keeps the secrets of a JSON answer of a deeper exchange.
    pub(super) fn keep_members(&self, purpose: Purpose, id: ExchangeId, body: &Body) {
        if !purpose.is_deeper() || body.base64 || body.truncated {
            return;
        }
        let Ok(json) = crate::facts::json::parse(&body.text) else {
            return;
        };
        for (pointer, issued) in MEMBERS {
            if let Some(Value::String(value)) = json.value.pointer(pointer) {
                self.held().insert((id, issued), value.clone());
            }
        }
    }

    /// Keeps where the redirect of a deeper exchange leads, and the code in it.
    pub(super) fn keep_location(
        &self,
        purpose: Purpose,
        id: ExchangeId,
        asked: &Url,
        headers: &HeaderMap,
    ) {
        if !purpose.is_deeper() {
            return;
        }
        let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
        let Some(url) = location.and_then(|text| asked.join(text).ok()) else {
            return;
        };
        self.keep_code_of(id, &url);
        let mut locations = self
            .locations
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        locations.insert(id, url);
    }

    /// The URL to ask for a question that follows a redirect: as the redirect had it, if the
    /// record blanked a part. `None` if the plan's URL is the one.
    pub(super) fn unblanked(&self, ask: &Ask) -> Option<Url> {
        let locations = self
            .locations
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let held = locations.get(&ask.follows?)?;
        let asked = Url::parse(&ask.url).ok()?;
        (held.origin() == asked.origin() && held.path() == asked.path()).then(|| held.clone())
    }

    /// Keeps the code in the redirect of an authorization response.
    pub(super) fn keep_code_of(&self, id: ExchangeId, url: &Url) {
        for (name, value) in url.query_pairs() {
            if name == "code" {
                self.held().insert((id, Issued::Code), value.into_owned());
            }
        }
    }

    /// The value of a secret, if it is there.
    pub(super) fn value(&self, secret: &Secret, supplied: &Credentials) -> Option<String> {
        match secret {
            Secret::Supplied(kind) => supplied.value(*kind).map(str::to_owned),
            Secret::Issued(id, issued) => self.held().get(&(*id, *issued)).cloned(),
            Secret::Forged(_) | Secret::Altered(..) => None,
        }
    }

    /// Every value, for blanking.
    pub(super) fn values(&self, supplied: &Credentials) -> Vec<String> {
        let held = self.held();
        held.values()
            .map(String::as_str)
            .chain(supplied.values())
            .filter(|value| value.len() >= 6)
            .map(str::to_owned)
            .collect()
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<(ExchangeId, Issued), String>> {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a secret gives nobody access: it may be sent over any connection.
pub(super) fn is_made_up(secret: &Secret) -> bool {
    matches!(secret, Secret::Forged(_))
}

/// The body with its secrets. `None` if one of them is not there.
pub(super) fn payload(ask: &Ask, secret: impl Fn(&Secret) -> Option<String>) -> Option<String> {
    if !ask.form.is_empty() {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in &ask.form {
            match value {
                FormValue::Plain(text) => form.append_pair(name, text),
                FormValue::Secret(value) => form.append_pair(name, &secret(value)?),
            };
        }
        return Some(form.finish());
    }
    let mut body: Value = serde_json::from_str(ask.body.as_deref()?).ok()?;
    for (pointer, value) in &ask.fill {
        *body.pointer_mut(pointer)? = Value::String(secret(value)?);
    }
    Some(body.to_string())
}

/// The body as the record keeps it.
pub(super) fn recorded_body(ask: &Ask) -> Option<String> {
    if ask.form.is_empty() {
        return ask.body.clone();
    }
    let fields = ask.form.iter().map(|(name, value)| match value {
        FormValue::Plain(text) => {
            let text: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
            format!("{name}={text}")
        }
        FormValue::Secret(_) => format!("{name}={}", redact::added("")),
    });
    Some(fields.collect::<Vec<_>>().join("&"))
}

/// Adds the names of secret query parameters to the URL of the record.
pub(super) fn record_query(ask: &Ask, url: &mut String) {
    for (name, _) in &ask.query {
        let separator = if url.contains('?') { '&' } else { '?' };
        url.push_str(&format!("{separator}{name}={}", redact::added("")));
    }
}
