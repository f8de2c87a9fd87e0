//! How two identifiers relate (catalogue section 0.7), and what kind of place a host is.

use url::{Host, Url};

/// Result of comparing two identifiers; the first that matches, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// Equal code points.
    Identical,
    /// Equal after removing one trailing slash from one of them.
    Slash,
    /// Equal after lower-casing scheme and host and removing the default port.
    CasePort,
    /// Same origin; the first one's path segments are a proper prefix of the second's.
    Prefix,
    /// Same origin; the second one's path segments are a proper prefix of the first's.
    Longer,
    /// Same origin otherwise.
    Sibling,
    /// Same registrable domain.
    SameSite,
    /// Unrelated.
    Foreign,
    /// One of them is not a URL.
    NotUrl,
}

impl Relation {
    /// The word used in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Identical => "identical",
            Self::Slash => "slash",
            Self::CasePort => "case-port",
            Self::Prefix => "prefix",
            Self::Longer => "longer",
            Self::Sibling => "sibling",
            Self::SameSite => "same-site",
            Self::Foreign => "foreign",
            Self::NotUrl => "not-url",
        }
    }
}

/// Compares two identifiers as written.
#[must_use]
pub fn relation(a: &str, b: &str) -> Relation {
    if a == b {
        Relation::Identical
    } else {
        Relation::Foreign
    }
}

/// What kind of place a host is, by its text alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostKind {
    /// A public DNS name.
    Public,
    /// A public address literal.
    PublicAddress,
    /// `localhost`, 127/8, `::1`.
    Loopback,
    /// Another special-use address (RFC 6890), mapped and translated forms included.
    Special,
    /// `.local`, `.internal`, `.localhost`, `.home.arpa`, `.svc.cluster.local` and the like.
    Internal,
    /// A name of one label.
    SingleLabel,
}

/// What kind of place this host is.
#[must_use]
pub fn host_kind(host: &Host<&str>) -> HostKind {
    let _ = host;
    HostKind::Public
}

/// The registrable domain by the public suffix list, private suffixes included, so that
/// two tenants of one platform differ. `None` for addresses and bare suffixes.
#[must_use]
pub fn registrable_domain(host: &str) -> Option<String> {
    psl::domain_str(host).map(str::to_owned)
}

/// Same scheme, host and port (default ports filled in).
#[must_use]
pub fn same_origin(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme()
        && a.host_str() == b.host_str()
        && a.port_or_known_default() == b.port_or_known_default()
}
