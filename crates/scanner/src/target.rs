//! What is scanned: one normalised MCP endpoint URL, with what its listings say.

use serde::{Deserialize, Serialize};

use crate::evidence::Depth;

/// Depths that a listing may ask for.
pub const LISTED_DEPTHS: [Depth; 2] = [Depth::Passive, Depth::Standard];

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
    /// Who answers for the server, in the lister's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Words by which the lister groups its servers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Ask no more than this: `passive` or `standard`. Never deepens what the policy allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depth: Option<String>,
    /// Scan no more often than this, in milliseconds. Never shortens the policy's interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_ms: Option<i64>,
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

    /// The depth at which it may be asked: what the policy allows, or less if whoever lists it
    /// asks for less.
    #[must_use]
    pub fn depth(&self, allowed: Depth) -> Depth {
        let asked = self.listing.as_ref().and_then(|listing| {
            let word = listing.depth.as_deref()?;
            LISTED_DEPTHS
                .into_iter()
                .find(|depth| depth.as_str() == word)
        });
        asked.map_or(allowed, |asked| asked.min(allowed))
    }

    /// The pause between two scans in milliseconds: the policy's, or a longer one if whoever
    /// lists it asks for that.
    #[must_use]
    pub fn interval_ms(&self, policy: i64) -> i64 {
        let asked = self
            .listing
            .as_ref()
            .and_then(|listing| listing.interval_ms);
        asked.map_or(policy, |asked| asked.max(policy))
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

#[cfg(test)]
mod tests {
    use super::{Depth, Listing, Target};

    #[test]
    fn a_listing_only_asks_for_less() {
        let asks = |depth: &str, interval| Target {
            listing: Some(Listing {
                depth: Some(depth.into()),
                interval_ms: Some(interval),
                ..Listing::default()
            }),
            ..Target::of("https://a.example/mcp")
        };
        let passive = asks("passive", 900);
        assert_eq!(passive.depth(Depth::Standard), Depth::Passive);
        assert_eq!(asks("standard", 1).depth(Depth::Passive), Depth::Passive);
        assert_eq!(
            asks("credentialed", 1).depth(Depth::Standard),
            Depth::Standard,
            "not a depth that a listing may name"
        );
        assert_eq!(
            (passive.interval_ms(500), passive.interval_ms(1_000)),
            (900, 1_000)
        );
        let plain = Target::of("https://a.example/mcp");
        assert_eq!(plain.depth(Depth::Consented), Depth::Consented);
        assert_eq!(plain.interval_ms(7), 7);
    }
}
