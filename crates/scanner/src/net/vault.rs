//! Secrets of one scan under way: tokens, codes and client secrets that responses brought.
//! They live as long as the scan and are blanked in whatever is recorded.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use reqwest::header::{HeaderMap, LOCATION};
use serde_json::Value;
use url::Url;

use super::forge;
use super::own::Credentials;
use crate::evidence::{Body, Claims, ExchangeId, Issued, Obtained, Purpose};
use crate::facts::{json, sse};
use crate::plan::{Ask, FormValue, HeaderValue, Secret};
use crate::redact;
use crate::time::Millis;

/// What responses brought.
#[derive(Default)]
pub(super) struct Vault {
    secrets: Mutex<BTreeMap<(ExchangeId, Issued), String>>,
    /// Where redirects really lead: the record may have blanked a part of it.
    locations: Mutex<BTreeMap<ExchangeId, Url>>,
    /// What the record keeps of the secrets.
    obtained: Mutex<Vec<Obtained>>,
    /// Values that were made of secrets, for blanking.
    made: Mutex<Vec<String>>,
}

impl Vault {
    /// Keeps the secrets of the JSON in a deeper exchange's answer.
    pub(super) fn keep_members(
        &self,
        purpose: Purpose,
        id: ExchangeId,
        body: &Body,
        supplied: &Credentials,
    ) {
        if !purpose.is_deeper() || body.base64 || body.truncated {
            return;
        }
        for json in messages(&body.text) {
            for (issued, value) in Issued::in_json(&json) {
                self.keep(id, issued, value, supplied);
            }
        }
    }

    fn keep(&self, id: ExchangeId, what: Issued, value: String, supplied: &Credentials) {
        let mut held = self.held();
        if held.contains_key(&(id, what)) {
            return;
        }
        let earlier = held
            .iter()
            .find(|((_, known), earlier)| *known == what && **earlier == value)
            .map(|((id, _), _)| *id);
        // What was lent comes back: no exchange brought it before this one.
        let lent = || supplied.values().any(|lent| lent == value).then_some(id);
        let obtained = Obtained {
            exchange: id,
            what,
            claims: Claims::of_token(&value),
            same_as: earlier.or_else(lent),
        };
        held.insert((id, what), value);
        drop(held);
        lock(&self.obtained).push(obtained);
    }

    /// What the record keeps, in the order of the exchanges.
    pub(super) fn obtained(&self) -> Vec<Obtained> {
        let mut list = lock(&self.obtained).clone();
        list.sort_by_key(|obtained| (obtained.exchange, obtained.what));
        list
    }

    /// Exchanges got other numbers.
    pub(super) fn renumber(&self, numbers: &BTreeMap<ExchangeId, ExchangeId>) {
        let new = |id: ExchangeId| numbers.get(&id).copied().unwrap_or(id);
        let mut held = self.held();
        *held = std::mem::take(&mut *held)
            .into_iter()
            .map(|((id, what), value)| ((new(id), what), value))
            .collect();
        let mut locations = lock(&self.locations);
        *locations = std::mem::take(&mut *locations)
            .into_iter()
            .map(|(id, url)| (new(id), url))
            .collect();
        for obtained in lock(&self.obtained).iter_mut() {
            obtained.exchange = new(obtained.exchange);
            obtained.same_as = obtained.same_as.map(new);
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
        lock(&self.locations).insert(id, url);
    }

    /// The URL to ask for a question that follows a redirect: as the redirect had it, if the
    /// record blanked a part. `None` if the plan's URL is the one.
    pub(super) fn unblanked(&self, ask: &Ask) -> Option<Url> {
        let locations = lock(&self.locations);
        let held = locations.get(&ask.follows?)?;
        let asked = Url::parse(&ask.url).ok()?;
        (held.origin() == asked.origin()).then(|| held.clone())
    }

    /// Keeps the code in the redirect of an authorization response.
    pub(super) fn keep_code_of(&self, id: ExchangeId, url: &Url) {
        for (name, value) in url.query_pairs() {
            if name == "code" {
                self.keep(
                    id,
                    Issued::Code,
                    value.into_owned(),
                    &Credentials::default(),
                );
            }
        }
    }

    /// The value of a secret, if it is there. What is forged is dated `now`.
    pub(super) fn value(
        &self,
        secret: &Secret,
        supplied: &Credentials,
        now: Millis,
    ) -> Option<String> {
        match secret {
            Secret::Supplied(kind) => supplied.value(*kind).map(str::to_owned),
            Secret::Issued(id, issued) => self.held().get(&(*id, *issued)).cloned(),
            Secret::Forged(recipe) => forge::token(recipe, now),
            Secret::Altered(inner, how) => {
                let value = forge::altered(&self.value(inner, supplied, now)?, *how)?;
                self.remember(value.clone());
                Some(value)
            }
        }
    }

    /// Blanks this value from now on.
    pub(super) fn remember(&self, value: String) {
        let mut made = lock(&self.made);
        if !made.contains(&value) {
            made.push(value);
        }
    }

    /// Every value, for blanking.
    pub(super) fn values(&self, supplied: &Credentials) -> Vec<String> {
        let held = self.held();
        let made = lock(&self.made);
        let mut list: Vec<String> = held
            .values()
            .chain(made.iter())
            .map(String::as_str)
            .chain(supplied.values())
            .filter(|value| value.len() >= 6)
            .map(str::to_owned)
            .collect();
        // The longest first: one may be a part of another.
        list.sort_by_key(|value| std::cmp::Reverse(value.len()));
        list
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<(ExchangeId, Issued), String>> {
        lock(&self.secrets)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The JSON of a body: all of it, or the data of each event.
fn messages(text: &str) -> Vec<Value> {
    if let Ok(json) = json::parse(text) {
        return vec![json.value];
    }
    sse::events(text)
        .iter()
        .filter_map(|event| json::parse(&event.data).ok())
        .map(|json| json.value)
        .collect()
}

/// Every secret that a question holds.
pub(super) fn secrets_of(ask: &Ask) -> impl Iterator<Item = &Secret> {
    let headers = ask.headers.iter().filter_map(|(_, value)| match value {
        HeaderValue::Bearer(secret)
        | HeaderValue::Secret(secret)
        | HeaderValue::Basic(_, secret) => Some(secret),
        HeaderValue::Plain(_) | HeaderValue::Session(_) => None,
    });
    let form = ask.form.iter().filter_map(|(_, value)| match value {
        FormValue::Secret(secret) => Some(secret),
        FormValue::Plain(_) => None,
    });
    let query = ask.query.iter().map(|(_, secret)| secret);
    let fill = ask.fill.iter().map(|(_, secret)| secret);
    headers.chain(form).chain(query).chain(fill)
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
