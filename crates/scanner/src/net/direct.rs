//! One request outside of any plan, for a login or to see whether we reach anybody: through the
//! same guard, pace and trust as a scan, and never over a connection whose certificate does not
//! validate. Nothing of it is recorded.

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, USER_AGENT};
use url::Url;

use super::doors::{self, Doors};
use super::guard::Rule;
use super::{NetScanner, failure, read};
use crate::evidence::{Failure, Phase};
use crate::plan::Read;

/// A POST to an authorization server.
#[derive(Clone)]
pub struct Post {
    /// Where.
    pub url: Url,
    /// Media type of the body.
    pub media: &'static str,
    /// The body.
    pub body: String,
    /// `Authorization`, if the client has a secret.
    pub authorization: Option<String>,
}

impl std::fmt::Debug for Post {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "POST {}", self.url)
    }
}

/// What came back. Neither logged nor recorded.
#[derive(Clone)]
pub struct Posted {
    /// Status.
    pub status: u16,
    /// The body, as text.
    pub body: String,
}

impl std::fmt::Debug for Posted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({} bytes)", self.status, self.body.len())
    }
}

/// That a host answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Greeted {
    /// Its clock minus ours, in milliseconds, by its `Date` header, which has whole seconds.
    pub clock_off_ms: Option<i64>,
}

impl NetScanner {
    /// Asks a host of the operator's choice for anything; every answer will do.
    ///
    /// # Errors
    ///
    /// If the guard or the pace refuses, the certificate does not validate, or no answer came.
    pub async fn greet(&self, url: &Url) -> Result<Greeted, Failure> {
        let settings = &self.shared.settings;
        let halted = |halts: &tokio::sync::watch::Receiver<std::sync::Arc<crate::halt::Halts>>| {
            halts.borrow().cover(url.as_str())
        };
        if settings.halts.as_ref().is_some_and(halted) {
            return Err(doors::blocked(Rule::Stopped));
        }
        let doors = Doors::new(&self.shared, url.as_str());
        let door = doors.to(url, url.scheme() == "http").await?;
        let host = door.host.trim_end_matches('.');
        let turn = settings
            .pace
            .turn(host, door.place, std::time::Duration::ZERO);
        let turn = turn.await.map_err(|_| doors::blocked(Rule::RetryAfter))?;
        let mut sent = url.clone();
        let mut request = reqwest::Request::new(reqwest::Method::HEAD, sent.clone());
        if let Some(host) = &door.host_header {
            // Cannot fail: the URL has a host and no scheme without one.
            let _ = sent.set_port(None);
            *request.url_mut() = sent;
            request
                .headers_mut()
                .insert(reqwest::header::HOST, host.clone());
        }
        if let Ok(agent) = HeaderValue::from_str(&settings.identity.user_agent(None)) {
            request.headers_mut().insert(USER_AGENT, agent);
        }
        let until = super::instant() + settings.timeouts.first_byte;
        let response = match tokio::time::timeout_at(until, door.client.execute(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(fault)) => {
                turn.failed();
                return Err(failure::of_request(&fault, url.scheme() == "https"));
            }
            Err(_) => return Err(Failure::Timeout(Phase::FirstByte)),
        };
        turn.answered(response.status().as_u16(), None);
        let date = response
            .headers()
            .get(reqwest::header::DATE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| chrono::DateTime::parse_from_rfc2822(value.trim()).ok());
        let now = settings.clock.now();
        Ok(Greeted {
            clock_off_ms: date.map(|date| date.timestamp_millis() - now.0),
        })
    }

    /// Posts once, without redirects and repetitions.
    ///
    /// # Errors
    ///
    /// If the guard refuses the address, the certificate does not validate, or no complete
    /// answer came in time.
    pub async fn post(&self, post: &Post) -> Result<Posted, Failure> {
        let settings = &self.shared.settings;
        let doors = Doors::new(&self.shared, post.url.as_str());
        let door = doors.to(&post.url, false).await?;
        if post.url.scheme() != "https" && !settings.guard.admits_private() {
            return Err(doors::blocked(Rule::Scheme));
        }
        let host = door.host.trim_end_matches('.');
        let turn = settings
            .pace
            .turn(host, door.place, std::time::Duration::ZERO);
        let turn = turn.await.map_err(|_| doors::blocked(Rule::RetryAfter))?;
        let mut sent = post.url.clone();
        let mut request = reqwest::Request::new(reqwest::Method::POST, sent.clone());
        if let Some(host) = &door.host_header {
            // Cannot fail: the URL has a host and no scheme without one.
            let _ = sent.set_port(None);
            *request.url_mut() = sent;
            request
                .headers_mut()
                .insert(reqwest::header::HOST, host.clone());
        }
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(post.media));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Ok(agent) = HeaderValue::from_str(&settings.identity.user_agent(None)) {
            headers.insert(USER_AGENT, agent);
        }
        if let Some(value) = &post.authorization {
            let mut value =
                HeaderValue::from_str(value).map_err(|_| doors::blocked(Rule::Secret))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        *request.body_mut() = Some(post.body.clone().into());
        let begun = super::instant();
        let until = begun + settings.timeouts.first_byte;
        let mut response = match tokio::time::timeout_at(until, door.client.execute(request)).await
        {
            Ok(Ok(response)) => response,
            Ok(Err(fault)) => return Err(failure::of_request(&fault, true)),
            Err(_) => return Err(Failure::Timeout(Phase::FirstByte)),
        };
        turn.answered(response.status().as_u16(), None);
        let media = response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        let limits = (&settings.caps, &settings.timeouts);
        let manner = read::manner(Read::Document, media.as_deref(), None, begun, limits);
        let body = read::body(&mut response, &manner).await?;
        Ok(Posted {
            status: response.status().as_u16(),
            body: body.text,
        })
    }
}
