//! What is scanned: one normalised MCP endpoint URL, with what its listings say.

use serde::{Deserialize, Serialize};

/// A listing's statement about a server. Text from outside: hostile.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// Name of the source, for example `registry`.
    pub source: String,
    /// Name under which the source lists the server.
    pub name: Option<String>,
    /// Version of the listing.
    pub version: Option<String>,
    /// Declared transport: `streamable-http` or `sse`.
    pub transport: Option<String>,
    /// Names of declared request headers, never their values.
    #[serde(default)]
    pub declared_headers: Vec<String>,
    /// Names among `declared_headers` that the listing marks as secret.
    #[serde(default)]
    pub secret_headers: Vec<String>,
    /// Declared way of authorization: `oauth`, `key` or `none`. Few sources say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<String>,
    /// `active`, `deprecated` or `deleted`.
    pub status: Option<String>,
    /// The URL as the listing wrote it, before normalisation, when it differs.
    #[serde(default)]
    pub raw_url: Option<String>,
    /// Other URLs of the same listing (for instance its `sse` remote).
    #[serde(default)]
    pub siblings: Vec<String>,
}

/// An MCP endpoint that may be scanned. Made by [`crate::normalise::endpoint`], so
/// once it exists it is good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The normalised endpoint URL.
    pub url: String,
    /// What a source says about it, if one was given.
    #[serde(default)]
    pub listing: Option<Listing>,
}

impl Target {
    /// A target without a listing. `url` must already be normalised.
    #[must_use]
    pub fn of(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            listing: None,
        }
    }

    /// Host of the endpoint, with the port if it is not the scheme's default.
    #[must_use]
    pub fn host(&self) -> String {
        url::Url::parse(&self.url)
            .ok()
            .and_then(|url| {
                let host = url.host_str()?.to_owned();
                Some(match url.port() {
                    Some(port) => format!("{host}:{port}"),
                    None => host,
                })
            })
            .unwrap_or_default()
    }
}
