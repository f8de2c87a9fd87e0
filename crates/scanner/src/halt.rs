//! What a person stopped: everything, a host with what is below it, or an issuer.
//!
//! A value, so that a scan can ask at every step; who fills it, and from where, is not known
//! here.

use std::collections::BTreeSet;

use url::Url;

/// The stops in force.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Halts {
    /// Nobody is asked anything.
    pub all: bool,
    /// Hosts that are not asked, with all names below them; lower case, without port.
    pub hosts: BTreeSet<String>,
    /// Issuers of whose documents none is asked for.
    pub issuers: BTreeSet<String>,
}

impl Halts {
    /// Whether nothing is stopped.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.all && self.hosts.is_empty() && self.issuers.is_empty()
    }

    /// Whether this URL may not be asked. A URL that cannot be read is not stopped: it is not
    /// asked either.
    #[must_use]
    pub fn cover(&self, url: &str) -> bool {
        if self.all {
            return true;
        }
        if self.is_empty() {
            return false;
        }
        let Ok(url) = Url::parse(url) else {
            return false;
        };
        let host = url.host_str().map(bare).unwrap_or_default();
        self.covers_host(&host) || self.issuers.iter().any(|issuer| is_of(&url, issuer))
    }

    /// Whether a host, without port, is stopped by itself or by a name above it.
    #[must_use]
    pub fn covers_host(&self, host: &str) -> bool {
        let mut rest = host;
        loop {
            if self.hosts.contains(rest) {
                return true;
            }
            match rest.split_once('.') {
                Some((_, above)) if !above.is_empty() => rest = above,
                _ => return false,
            }
        }
    }
}

/// A host as it is kept: lower case, no brackets, no dot at the end.
#[must_use]
pub fn bare(host: &str) -> String {
    host.trim_start_matches('[')
        .trim_end_matches(']')
        .trim_end_matches('.')
        .to_ascii_lowercase()
}

/// Whether a URL is a document of this issuer: same origin, and the issuer's path in its own.
fn is_of(url: &Url, issuer: &str) -> bool {
    let Ok(issuer) = Url::parse(issuer) else {
        return false;
    };
    let path = issuer.path().trim_end_matches('/');
    url.origin() == issuer.origin() && url.path().contains(path)
}

#[cfg(test)]
mod tests {
    use super::{Halts, bare};

    #[test]
    fn stops_cover_hosts_with_what_is_below_and_issuers_by_path() {
        let halts = Halts {
            all: false,
            hosts: [String::from("example.com")].into(),
            issuers: [String::from("https://login.example.net/tenant-1")].into(),
        };
        for (url, covered) in [
            ("https://example.com/mcp", true),
            ("https://MCP.Example.com:8443/", true),
            ("https://notexample.com/", false),
            (
                "https://login.example.net/.well-known/oauth-authorization-server/tenant-1",
                true,
            ),
            (
                "https://login.example.net/tenant-1/.well-known/openid-configuration",
                true,
            ),
            ("https://login.example.net/tenant-2/jwks", false),
            ("not a url", false),
        ] {
            assert_eq!(halts.cover(url), covered, "{url}");
        }
        assert!(!Halts::default().cover("https://example.com/"));
        let all = Halts {
            all: true,
            ..Halts::default()
        };
        assert!(all.cover("https://anything.example/"));
        assert_eq!(bare("[::1]"), "::1");
        assert_eq!(bare("A.Example."), "a.example");
    }
}
