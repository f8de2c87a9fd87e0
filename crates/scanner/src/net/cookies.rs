//! Cookies of one authorization request: what its redirects set is sent along their own chain,
//! and nowhere else. Many servers keep the request in a cookie while they redirect to their
//! sign-in page, and answer with an error to whoever comes without it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use reqwest::header::{HeaderMap, HeaderValue, SET_COOKIE};

use crate::evidence::ExchangeId;
use crate::plan::Ask;

/// Most cookies of a chain, and the longest one.
const MOST: usize = 40;
const LONGEST: usize = 4096;

/// Names and values by the exchange that brought them, those before it in its chain included.
#[derive(Default)]
pub(super) struct Cookies(Mutex<BTreeMap<ExchangeId, BTreeMap<String, String>>>);

impl Cookies {
    /// Keeps what a redirect of a deeper exchange set (RFC 6265 section 5.2, names and values
    /// only: a chain stays on one origin and lasts seconds).
    pub(super) fn keep(&self, ask: &Ask, id: ExchangeId, headers: &HeaderMap) {
        if !ask.purpose.is_deeper() {
            return;
        }
        let mut all = self.held();
        let mut jar = ask
            .follows
            .and_then(|before| all.get(&before).cloned())
            .unwrap_or_default();
        for line in headers.get_all(SET_COOKIE) {
            let pair = line.to_str().ok().and_then(|line| {
                let (name, value) = line.split(';').next()?.split_once('=')?;
                Some((name.trim().to_owned(), value.trim().to_owned()))
            });
            if let Some((name, value)) = pair
                && name.len() + value.len() <= LONGEST
                && (jar.len() < MOST || jar.contains_key(&name))
            {
                jar.insert(name, value);
            }
        }
        if !jar.is_empty() {
            all.insert(id, jar);
        }
    }

    /// The `Cookie` header of a question that follows a redirect.
    pub(super) fn of(&self, ask: &Ask) -> Option<HeaderValue> {
        let jar = self.held().get(&ask.follows?)?.clone();
        let pairs: Vec<String> = jar
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        HeaderValue::from_str(&pairs.join("; ")).ok()
    }

    /// Exchanges got other numbers.
    pub(super) fn renumber(&self, numbers: &BTreeMap<ExchangeId, ExchangeId>) {
        let mut all = self.held();
        *all = std::mem::take(&mut *all)
            .into_iter()
            .map(|(id, jar)| (numbers.get(&id).copied().unwrap_or(id), jar))
            .collect();
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<ExchangeId, BTreeMap<String, String>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderMap, HeaderValue, SET_COOKIE};

    use super::Cookies;
    use crate::evidence::{AuthorizeVariant, Purpose};
    use crate::plan::{Ask, FormValue, Read};

    fn ask(purpose: Purpose, follows: Option<u32>) -> Ask {
        Ask {
            purpose,
            follows,
            method: "GET",
            url: "https://id.example.com/authorize".into(),
            headers: Vec::new(),
            body: None,
            form: Vec::<(&'static str, FormValue)>::new(),
            query: Vec::new(),
            fill: Vec::new(),
            by_owner: false,
            read: Read::Document,
            fresh_connection: false,
            gap_ms: 0,
        }
    }

    fn set(lines: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(SET_COOKIE, HeaderValue::from_static(line));
        }
        headers
    }

    #[test]
    fn cookies_stay_in_their_chain() {
        let valid = Purpose::Authorize(AuthorizeVariant::Valid);
        let cookies = Cookies::default();
        cookies.keep(
            &ask(valid, None),
            4,
            &set(&["a=1; Path=/; HttpOnly", "b=2", "junk"]),
        );
        cookies.keep(&ask(valid, Some(4)), 9, &set(&["a=3"]));
        cookies.keep(&ask(Purpose::Discover, None), 2, &set(&["x=y"]));
        let sent = |follows| {
            cookies
                .of(&ask(valid, follows))
                .map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(sent(Some(4)).as_deref(), Some("a=1; b=2"));
        assert_eq!(sent(Some(9)).as_deref(), Some("a=3; b=2"));
        assert_eq!(sent(Some(2)), None);
        assert_eq!(sent(Some(5)), None);
        assert_eq!(sent(None), None);
    }
}
