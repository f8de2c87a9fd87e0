//! How two identifiers relate (catalogue section 0.7), and what kind of place a host is.
//!
//! Identity is equality of code points (RFC 3986 section 6.2.1); every other answer explains
//! by how much two identifiers miss it. Places are told by their text and never by asking:
//! the table of special-use addresses also serves the guard that stands before each
//! connection.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

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

/// Compares two identifiers as written, without following or resolving anything.
///
/// An identifier counts as a URL when it is absolute, has a host, and holds neither white
/// space nor control characters.
#[must_use]
pub fn relation(a: &str, b: &str) -> Relation {
    if a == b {
        return Relation::Identical;
    }
    if a.strip_suffix('/') == Some(b) || b.strip_suffix('/') == Some(a) {
        return Relation::Slash;
    }
    let (Some(url_a), Some(url_b)) = (url(a), url(b)) else {
        return Relation::NotUrl;
    };
    if folded(a, &url_a) == folded(b, &url_b) {
        return Relation::CasePort;
    }
    if !same_origin(&url_a, &url_b) {
        return if same_site(&url_a, &url_b) {
            Relation::SameSite
        } else {
            Relation::Foreign
        };
    }
    let (a, b) = (segments(&url_a), segments(&url_b));
    if a.len() < b.len() && b.starts_with(&a) {
        Relation::Prefix
    } else if b.len() < a.len() && a.starts_with(&b) {
        Relation::Longer
    } else {
        Relation::Sibling
    }
}

/// Stricter than the parser, which repairs white space, back slashes and missing slashes.
pub(crate) fn url(text: &str) -> Option<Url> {
    let (scheme, _) = text.split_once("://")?;
    let scheme_is_one = scheme
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    if !scheme_is_one || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return None;
    }
    Url::parse(text).ok().filter(Url::has_host)
}

/// The text with scheme and host in lower case and without the default port; everything
/// else as written.
fn folded(text: &str, url: &Url) -> String {
    let (scheme, rest) = text.split_once("://").unwrap_or_default();
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    let (user, place) = match authority.rsplit_once('@') {
        Some((user, place)) => (Some(user), place),
        None => (None, authority),
    };
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (host, port),
        _ => (place, ""),
    };
    let mut folded = format!("{}://", scheme.to_lowercase());
    if let Some(user) = user {
        folded.push_str(user);
        folded.push('@');
    }
    folded.push_str(&host.to_lowercase());
    // `url.port()` is `None` for the default port and for an empty one.
    if url.port().is_some() {
        folded.push(':');
        folded.push_str(port);
    }
    folded.push_str(rest);
    folded
}

fn segments(url: &Url) -> Vec<&str> {
    let mut segments: Vec<&str> = url
        .path_segments()
        .map(Iterator::collect)
        .unwrap_or_default();
    if segments.last() == Some(&"") {
        segments.pop();
    }
    segments
}

fn same_site(a: &Url, b: &Url) -> bool {
    let (Some(a), Some(b)) = (a.host_str(), b.host_str()) else {
        return false;
    };
    // Equal hosts without a registrable domain (addresses, localhost) are one site, too.
    a == b || registrable_domain(a).is_some_and(|site| registrable_domain(b) == Some(site))
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
    match host {
        Host::Domain(name) => name_kind(name),
        Host::Ipv4(address) => address_kind(IpAddr::V4(*address)),
        Host::Ipv6(address) => address_kind(IpAddr::V6(*address)),
    }
}

fn address_kind(address: IpAddr) -> HostKind {
    if address.is_loopback() {
        HostKind::Loopback
    } else if special_use(address).is_some() {
        HostKind::Special
    } else {
        HostKind::PublicAddress
    }
}

/// Suffixes that no public resolver answers for: RFC 6762, 6761 and 8375, `.internal` as
/// reserved by ICANN, and what private networks and clusters use in practice.
const INTERNAL: [&str; 11] = [
    "local",
    "internal",
    "localhost",
    "localdomain",
    "home.arpa",
    "home",
    "lan",
    "corp",
    "intranet",
    "private",
    "svc",
];

fn name_kind(name: &str) -> HostKind {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    if name == "localhost" {
        return HostKind::Loopback;
    }
    if !name.contains('.') {
        return HostKind::SingleLabel;
    }
    let internal = INTERNAL.iter().any(|suffix| {
        name.strip_suffix(suffix)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    });
    if internal {
        HostKind::Internal
    } else {
        HostKind::Public
    }
}

/// The name that [`special_use`] gives to addresses of cloud metadata services. They stay
/// refused even where special-use addresses are admitted.
pub const METADATA_SERVICE: &str = "metadata-service";

/// Whether a name is one of the well-known names of a cloud metadata service.
#[must_use]
pub fn names_metadata_service(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    [
        "metadata",
        "metadata.google.internal",
        "metadata.goog",
        "instance-data",
        "instance-data.ec2.internal",
    ]
    .iter()
    .any(|known| name.eq_ignore_ascii_case(known))
}

/// Addresses of metadata services of the large clouds. Most are link-local; the others sit
/// in ranges that would look private or even public.
const METADATA_V4: [Ipv4Addr; 7] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(169, 254, 170, 23),
    Ipv4Addr::new(169, 254, 0, 23),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(192, 0, 0, 192),
];
const METADATA_V6: [Ipv6Addr; 3] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

/// First address, prefix length, name.
type Range4 = (Ipv4Addr, u32, &'static str);
type Range6 = (Ipv6Addr, u32, &'static str);

/// IANA IPv4 Special-Purpose Address Registry, and multicast.
const RANGES_V4: [Range4; 18] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8, "this-network"),
    (Ipv4Addr::new(10, 0, 0, 0), 8, "private"),
    (Ipv4Addr::new(100, 64, 0, 0), 10, "shared"),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "loopback"),
    (Ipv4Addr::new(169, 254, 0, 0), 16, "link-local"),
    (Ipv4Addr::new(172, 16, 0, 0), 12, "private"),
    (Ipv4Addr::new(192, 0, 0, 0), 24, "protocol-assignments"),
    (Ipv4Addr::new(192, 0, 2, 0), 24, "documentation"),
    (Ipv4Addr::new(192, 31, 196, 0), 24, "as112"),
    (Ipv4Addr::new(192, 52, 193, 0), 24, "amt"),
    (Ipv4Addr::new(192, 88, 99, 0), 24, "6to4-relay"),
    (Ipv4Addr::new(192, 168, 0, 0), 16, "private"),
    (Ipv4Addr::new(192, 175, 48, 0), 24, "as112"),
    (Ipv4Addr::new(198, 18, 0, 0), 15, "benchmarking"),
    (Ipv4Addr::new(198, 51, 100, 0), 24, "documentation"),
    (Ipv4Addr::new(203, 0, 113, 0), 24, "documentation"),
    (Ipv4Addr::new(224, 0, 0, 0), 4, "multicast"),
    (Ipv4Addr::new(240, 0, 0, 0), 4, "reserved"),
];

/// IANA IPv6 Special-Purpose Address Registry as far as its ranges lie in 2000::/3, and
/// those outside that deserve a name; the first match counts. The rest outside of 2000::/3
/// is `reserved`.
const RANGES_V6: [Range6; 20] = [
    (Ipv6Addr::UNSPECIFIED, 128, "unspecified"),
    (Ipv6Addr::LOCALHOST, 128, "loopback"),
    (v6(0, 0, 0), 96, "ipv4-compatible"),
    (
        Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0),
        96,
        "ipv4-mapped",
    ),
    (
        Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, 0, 0),
        96,
        "ipv4-translated",
    ),
    (v6(0x64, 0xff9b, 0), 96, "nat64"),
    (v6(0x64, 0xff9b, 1), 48, "nat64-local"),
    (v6(0x100, 0, 0), 63, "discard"),
    (v6(0x2001, 0, 0), 32, "teredo"),
    (v6(0x2001, 2, 0), 48, "benchmarking"),
    (v6(0x2001, 0, 0), 23, "protocol-assignments"),
    (v6(0x2001, 0xdb8, 0), 32, "documentation"),
    (v6(0x2002, 0, 0), 16, "6to4"),
    (v6(0x2620, 0x4f, 0x8000), 48, "as112"),
    (v6(0x3fff, 0, 0), 20, "documentation"),
    (v6(0x5f00, 0, 0), 16, "segment-routing"),
    (v6(0xfc00, 0, 0), 7, "unique-local"),
    (v6(0xfe80, 0, 0), 10, "link-local"),
    (v6(0xfec0, 0, 0), 10, "site-local"),
    (v6(0xff00, 0, 0), 8, "multicast"),
];

const fn v6(a: u16, b: u16, c: u16) -> Ipv6Addr {
    Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0)
}

/// The name of the special-use range that holds this address (RFC 6890 and the IANA
/// registries that continue it, multicast included), or `None` for a public address.
///
/// An address that carries an IPv4 address (mapped, compatible, translated, NAT64, 6to4,
/// Teredo) is named after the IPv4 range if that one is special, and after its own form
/// otherwise. Metadata services have the name [`METADATA_SERVICE`] in every form.
#[must_use]
pub fn special_use(ip: IpAddr) -> Option<&'static str> {
    match ip {
        IpAddr::V4(address) => special_v4(address),
        IpAddr::V6(address) => special_v6(address),
    }
}

fn special_v4(address: Ipv4Addr) -> Option<&'static str> {
    if METADATA_V4.contains(&address) {
        return Some(METADATA_SERVICE);
    }
    let bits = address.to_bits();
    RANGES_V4
        .iter()
        .find(|(first, length, _)| (bits ^ first.to_bits()) >> (32 - length) == 0)
        .map(|(_, _, name)| *name)
}

fn special_v6(address: Ipv6Addr) -> Option<&'static str> {
    if METADATA_V6.contains(&address) {
        return Some(METADATA_SERVICE);
    }
    let bits = address.to_bits();
    let own = RANGES_V6
        .iter()
        .find(|(first, length, _)| (bits ^ first.to_bits()) >> (128 - length) == 0)
        .map(|(_, _, name)| *name);
    match own {
        Some("unspecified" | "loopback") => own,
        Some(name) => carried(address, name).and_then(special_v4).or(own),
        None if bits >> 125 != 1 => Some("reserved"),
        None => None,
    }
}

/// The IPv4 address that a transitional form carries.
fn carried(address: Ipv6Addr, form: &str) -> Option<Ipv4Addr> {
    let [.., g, h] = address.segments();
    let [_, b, c, ..] = address.segments();
    let pair = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match form {
        "ipv4-compatible" | "ipv4-mapped" | "ipv4-translated" | "nat64" | "nat64-local" => {
            Some(pair(g, h))
        }
        "6to4" => Some(pair(b, c)),
        // RFC 4380 section 4: the client's address, inverted.
        "teredo" => Some(pair(!g, !h)),
        _ => None,
    }
}

/// The registrable domain by the public suffix list, private suffixes included, so that
/// two tenants of one platform differ. `None` for addresses and bare suffixes. In lower
/// case and IDNA ASCII, without a trailing dot.
#[must_use]
pub fn registrable_domain(host: &str) -> Option<String> {
    let host = host.strip_suffix('.').unwrap_or(host);
    match Host::parse(host) {
        Ok(Host::Domain(name)) => psl::domain_str(&name).map(str::to_owned),
        Ok(Host::Ipv4(_) | Host::Ipv6(_)) | Err(_) => None,
    }
}

/// Same scheme, host and port (default ports filled in).
#[must_use]
pub fn same_origin(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme()
        && a.host_str() == b.host_str()
        && a.port_or_known_default() == b.port_or_known_default()
}

#[cfg(test)]
mod tests {
    use super::{HostKind, Relation, host_kind, registrable_domain, relation, special_use};
    use url::Host;

    #[test]
    fn the_first_relation_that_matches() {
        use Relation::{
            CasePort, Foreign, Identical, Longer, NotUrl, Prefix, SameSite, Sibling, Slash,
        };
        for (a, b, expected) in [
            ("https://h.example/a", "https://h.example/a", Identical),
            ("not a url", "not a url", Identical),
            ("https://h.example", "https://h.example/", Slash),
            ("https://h.example/a//", "https://h.example/a/", Slash),
            ("https://h.example/a//", "https://h.example/a", Longer),
            ("https://h.example/?q=a/", "https://h.example/?q=a", Slash),
            ("HTTPS://H.Example/a", "https://h.example/a", CasePort),
            ("https://h.example:443/a", "https://h.example/a", CasePort),
            ("https://h.example:/a", "https://H.example/a", CasePort),
            ("http://h.example:80?x", "http://h.example?x", CasePort),
            ("https://[FE80::1]:443/", "https://[fe80::1]/", CasePort),
            ("https://u@H.example", "https://u@h.example", CasePort),
            // Neither slash nor case alone: still the same origin.
            ("https://H.example", "https://h.example/", Sibling),
            ("https://h.example/A", "https://h.example/a", Sibling),
            ("https://h.example", "https://h.example/a", Prefix),
            ("https://h.example/a/", "https://h.example/a/b", Prefix),
            ("https://h.example/a/b", "https://H.example/a", Longer),
            ("https://h.example/ab", "https://h.example/a", Sibling),
            ("https://h.example/a?x", "https://h.example/a", Sibling),
            ("https://h.example:444/", "https://h.example/", SameSite),
            ("http://h.example/", "https://h.example/", SameSite),
            ("https://a.shop.co.uk", "https://b.shop.co.uk/x", SameSite),
            ("https://a.co.uk", "https://b.co.uk", Foreign),
            ("https://one.github.io", "https://two.github.io", Foreign),
            ("http://127.0.0.1:1/", "http://127.0.0.1:2/", SameSite),
            ("http://10.0.0.1/", "http://11.0.0.1/", Foreign),
            ("http://localhost:1", "http://localhost:2", SameSite),
            ("http://localhost:1", "https://h.example", Foreign),
            ("h.example", "https://h.example", NotUrl),
            ("urn:x", "https://h.example", NotUrl),
            (" https://h.example", "https://h.example", NotUrl),
            ("https:/h.example", "https://h.example", NotUrl),
            ("", "https://h.example", NotUrl),
        ] {
            assert_eq!(relation(a, b), expected, "{a} and {b}");
        }
    }

    fn kind(host: &str) -> HostKind {
        let host = Host::parse(host).expect(host);
        host_kind(&match &host {
            Host::Domain(name) => Host::Domain(name.as_str()),
            Host::Ipv4(address) => Host::Ipv4(*address),
            Host::Ipv6(address) => Host::Ipv6(*address),
        })
    }

    #[test]
    fn places() {
        for (host, expected) in [
            ("h.example.com", HostKind::Public),
            ("local.example", HostKind::Public),
            ("nolocal.net", HostKind::Public),
            ("localhost", HostKind::Loopback),
            ("LOCALHOST.", HostKind::Loopback),
            ("127.255.0.1", HostKind::Loopback),
            ("0x7f.1", HostKind::Loopback),
            ("[::1]", HostKind::Loopback),
            ("[::ffff:127.0.0.1]", HostKind::Special),
            ("10.1.2.3", HostKind::Special),
            ("[fd12::1]", HostKind::Special),
            ("8.8.8.8", HostKind::PublicAddress),
            ("[2606:4700::1111]", HostKind::PublicAddress),
            ("printer.local", HostKind::Internal),
            ("x.internal", HostKind::Internal),
            ("app.localhost", HostKind::Internal),
            ("a.home.arpa", HostKind::Internal),
            ("s.ns.svc.cluster.local", HostKind::Internal),
            ("s.ns.svc", HostKind::Internal),
            ("intranet", HostKind::SingleLabel),
        ] {
            assert_eq!(kind(host), expected, "{host}");
        }
    }

    #[test]
    fn special_ranges_have_names() {
        for (address, expected) in [
            ("0.1.2.3", "this-network"),
            ("10.255.255.255", "private"),
            ("100.64.0.1", "shared"),
            ("100.127.255.255", "shared"),
            ("127.0.0.1", "loopback"),
            ("169.254.1.1", "link-local"),
            ("169.254.169.254", "metadata-service"),
            ("100.100.100.200", "metadata-service"),
            ("172.31.255.255", "private"),
            ("192.0.0.8", "protocol-assignments"),
            ("192.0.2.1", "documentation"),
            ("192.88.99.1", "6to4-relay"),
            ("192.168.0.1", "private"),
            ("198.19.255.255", "benchmarking"),
            ("198.51.100.1", "documentation"),
            ("203.0.113.255", "documentation"),
            ("224.0.0.1", "multicast"),
            ("240.0.0.1", "reserved"),
            ("255.255.255.255", "reserved"),
            ("::", "unspecified"),
            ("::1", "loopback"),
            ("::7f00:1", "loopback"),
            ("::808:808", "ipv4-compatible"),
            ("::ffff:10.0.0.1", "private"),
            ("::ffff:8.8.8.8", "ipv4-mapped"),
            ("::ffff:169.254.169.254", "metadata-service"),
            ("::ffff:0:127.0.0.1", "loopback"),
            ("64:ff9b::169.254.169.254", "metadata-service"),
            ("64:ff9b::7f00:1", "loopback"),
            ("64:ff9b::8.8.8.8", "nat64"),
            ("64:ff9b:1::1.1.1.1", "nat64-local"),
            ("100::1", "discard"),
            ("100:0:0:1::1", "discard"),
            ("2001::1", "reserved"),
            ("2001:0:4136:e378:8000:63bf:f5ff:fffe", "private"),
            ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "documentation"),
            ("2001:2::1", "benchmarking"),
            ("2001:20::1", "protocol-assignments"),
            ("2001:db8::1", "documentation"),
            ("2002:7f00:1::1", "loopback"),
            ("2002:808:808::1", "6to4"),
            ("2620:4f:8000::1", "as112"),
            ("3fff:0fff::1", "documentation"),
            ("4000::1", "reserved"),
            ("5f00::1", "segment-routing"),
            ("fd00::1", "unique-local"),
            ("fd00:ec2::254", "metadata-service"),
            ("fe80::1", "link-local"),
            ("fec0::1", "site-local"),
            ("ff02::1", "multicast"),
        ] {
            let ip = address.parse().expect(address);
            assert_eq!(special_use(ip), Some(expected), "{address}");
        }
        for public in [
            "1.1.1.1",
            "9.255.255.255",
            "100.63.255.255",
            "100.128.0.0",
            "172.32.0.0",
            "192.0.1.0",
            "198.20.0.0",
            "223.255.255.255",
            "2001:200::1",
            "2001:db7::1",
            "2003::1",
            "2a00:1450:4001::1",
            "3ffe:ffff::1",
        ] {
            assert_eq!(special_use(public.parse().expect(public)), None, "{public}");
        }
    }

    #[test]
    fn registrable_domains() {
        for (host, expected) in [
            ("a.b.example.com", Some("example.com")),
            ("A.Example.COM.", Some("example.com")),
            ("tenant.vercel.app", Some("tenant.vercel.app")),
            ("shop.co.uk", Some("shop.co.uk")),
            ("co.uk", None),
            ("localhost", None),
            ("127.0.0.1", None),
            ("[::1]", None),
            ("bücher.example", Some("xn--bcher-kva.example")),
        ] {
            assert_eq!(registrable_domain(host).as_deref(), expected, "{host}");
        }
    }
}
