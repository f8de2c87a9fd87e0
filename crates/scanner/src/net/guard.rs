//! Which addresses may be contacted.
//!
//! Every URL of a scan comes from somebody else, so a name in a listing or in a metadata
//! document may lead into our own network. The guard looks at a URL before its name is
//! resolved and at all addresses that came back before one of them is dialled; the client
//! then dials only what was looked at. One special address among many public ones is
//! enough to refuse, because the order of the answers is the stranger's choice.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipnet::IpNet;
use url::{Host, Url};

use crate::facts::relation::{self, HostKind};
use crate::ledger::Refusal;

/// Why the guard refuses. Becomes [`crate::evidence::Failure::Blocked`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Not a URL with a host.
    Invalid,
    /// A scheme other than https, where plain http is not admitted.
    Scheme,
    /// A user name or password in the URL.
    UserInfo,
    /// A port outside the list of the scan policy.
    Port,
    /// A name that only has a meaning inside somebody's network.
    InternalName,
    /// A special-use address (RFC 6890), in whatever notation.
    SpecialUse,
    /// A metadata service of a hosting platform, or another link-local address.
    MetadataService,
    /// Denied by the operator, or one of our own.
    Denied,
    /// The connection ended at an address that was not looked at.
    Peer,
    /// `--connect-to` names an address literal, which no mapping can redirect.
    MappedLiteral,
    /// Connections go through a proxy, over which no handshake can be made by hand.
    Proxied,
    /// The host asked to be left alone for longer than this scan lasts.
    RetryAfter,
    /// The host kept failing and is left alone for a while.
    Faults,
    /// The host, or its operator, was asked enough today.
    Budget,
    /// A person stopped it.
    Stopped,
    /// The question holds a secret that does not belong there, or that is not known.
    Secret,
    /// The host asked to be left out.
    OptOut,
    /// The host's robots.txt forbids it.
    Robots,
}

impl Rule {
    /// The word kept in evidence.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid_url",
            Self::Scheme => "plain_http",
            Self::UserInfo => "user_info",
            Self::Port => "port",
            Self::InternalName => "internal_name",
            Self::SpecialUse => "special_use",
            Self::MetadataService => "metadata_service",
            Self::Denied => "denied",
            Self::Peer => "peer",
            Self::MappedLiteral => "mapped_literal",
            Self::Proxied => "proxied",
            Self::RetryAfter => "retry_after",
            Self::Faults => "kept_failing",
            Self::Budget => "day_budget",
            Self::Stopped => "stopped",
            Self::Secret => "secret",
            Self::OptOut => "opt_out",
            Self::Robots => "robots",
        }
    }

    /// The rule by which the pace refuses.
    pub(super) fn of_refusal(why: Refusal) -> Self {
        match why {
            Refusal::RetryAfter => Self::RetryAfter,
            Refusal::Faults => Self::Faults,
            Refusal::Budget => Self::Budget,
            Refusal::Stopped => Self::Stopped,
        }
    }
}

/// The address guard, a value: who scans a private network passes another one.
#[derive(Debug, Clone)]
pub struct Guard {
    private: bool,
    named: Vec<IpNet>,
    denied: Vec<IpNet>,
    listeners: Vec<SocketAddr>,
}

/// Ports that public servers are asked on, besides the one of the listing.
const PORTS: [u16; 3] = [443, 80, 8443];

impl Guard {
    /// Admits public addresses only.
    #[must_use]
    pub fn public() -> Self {
        Self {
            private: false,
            named: Vec::new(),
            denied: Vec::new(),
            listeners: Vec::new(),
        }
    }

    /// Admits special-use addresses, any port, and plain http to special-use addresses.
    /// Metadata services stay refused until [`Guard::admitting`] names them.
    #[must_use]
    pub fn allow_private() -> Self {
        Self {
            private: true,
            ..Self::public()
        }
    }

    /// Also admits these addresses, whatever they are.
    #[must_use]
    pub fn admitting(mut self, nets: impl IntoIterator<Item = IpNet>) -> Self {
        self.named.extend(nets);
        self
    }

    /// Refuses these addresses, for example the public addresses of this machine. Wins over
    /// everything else.
    #[must_use]
    pub fn denying(mut self, nets: impl IntoIterator<Item = IpNet>) -> Self {
        self.denied.extend(nets);
        self
    }

    /// Refuses to connect to our own listeners. An unspecified address (`0.0.0.0`, `::`)
    /// stands for every loopback address with that port.
    #[must_use]
    pub fn denying_listeners(mut self, listeners: impl IntoIterator<Item = SocketAddr>) -> Self {
        self.listeners.extend(listeners);
        self
    }

    /// Whether special-use addresses are admitted.
    #[must_use]
    pub fn admits_private(&self) -> bool {
        self.private
    }

    /// Looks at a URL before its name is resolved. `listed` is the port of the scanned
    /// endpoint; `plaintext` marks the single probe that is made over plain http.
    ///
    /// # Errors
    ///
    /// The rule that refuses it.
    pub fn url(&self, url: &Url, listed: Option<u16>, plaintext: bool) -> Result<(), Rule> {
        let host = url.host().ok_or(Rule::Invalid)?;
        match url.scheme() {
            "https" => {}
            "http" if plaintext || self.private => {}
            _ => return Err(Rule::Scheme),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Rule::UserInfo);
        }
        let port = url.port_or_known_default().ok_or(Rule::Invalid)?;
        if !self.private && !PORTS.contains(&port) && Some(port) != listed {
            return Err(Rule::Port);
        }
        self.host(&host)
    }

    fn host(&self, host: &Host<&str>) -> Result<(), Rule> {
        let name = match host {
            Host::Ipv4(address) => return self.address(IpAddr::V4(*address)),
            Host::Ipv6(address) => return self.address(IpAddr::V6(*address)),
            Host::Domain(name) => name.trim_end_matches('.'),
        };
        let service = IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254));
        if relation::names_metadata_service(name) && !self.is_named(service) {
            return Err(Rule::MetadataService);
        }
        match relation::host_kind(host) {
            HostKind::Loopback | HostKind::Internal | HostKind::SingleLabel if !self.private => {
                Err(Rule::InternalName)
            }
            _ => Ok(()),
        }
    }

    /// Looks at the answers of a resolution: all of them must be admitted.
    ///
    /// # Errors
    ///
    /// The rule that refuses the first bad one.
    pub fn answers(&self, addresses: &[SocketAddr]) -> Result<(), Rule> {
        for address in addresses {
            self.listener(*address)?;
            self.address(address.ip())?;
        }
        Ok(())
    }

    /// Looks at the addresses that the operator's own mapping leads to. They may be
    /// private; metadata services and our own addresses stay refused.
    ///
    /// # Errors
    ///
    /// The rule that refuses the first bad one.
    pub fn mapped(&self, addresses: &[SocketAddr]) -> Result<(), Rule> {
        for address in addresses {
            self.listener(*address)?;
            let lenient = Self {
                private: true,
                ..self.clone()
            };
            lenient.address(address.ip())?;
        }
        Ok(())
    }

    /// Looks at one address.
    ///
    /// # Errors
    ///
    /// The rule that refuses it.
    pub fn address(&self, address: IpAddr) -> Result<(), Rule> {
        if contains(&self.denied, address) {
            return Err(Rule::Denied);
        }
        if self.is_named(address) {
            return Ok(());
        }
        if is_metadata_service(address) {
            return Err(Rule::MetadataService);
        }
        if !self.private && is_special(address) {
            return Err(Rule::SpecialUse);
        }
        Ok(())
    }

    fn listener(&self, address: SocketAddr) -> Result<(), Rule> {
        let ours = self.listeners.iter().any(|listener| {
            listener.port() == address.port()
                && (listener.ip() == address.ip()
                    || listener.ip().is_unspecified()
                        && forms(address.ip())
                            .iter()
                            .any(|ip| ip.is_loopback() || ip.is_unspecified()))
        });
        if ours { Err(Rule::Denied) } else { Ok(()) }
    }

    fn is_named(&self, address: IpAddr) -> bool {
        contains(&self.named, address)
    }
}

/// Whether this address is special-use: no public server lives there.
#[must_use]
pub fn is_special(address: IpAddr) -> bool {
    relation::special_use(address).is_some()
}

fn contains(nets: &[IpNet], address: IpAddr) -> bool {
    let forms = forms(address);
    nets.iter()
        .any(|net| forms.iter().any(|form| net.contains(form)))
}

/// The address and the IPv4 address that it embeds: mapped and compatible (RFC 4291),
/// NAT64 (RFC 6052), 6to4 (RFC 3056).
fn forms(address: IpAddr) -> Vec<IpAddr> {
    let mut forms = vec![address];
    if let IpAddr::V6(v6) = address {
        let octets = v6.octets();
        let four = |at: usize| {
            IpAddr::V4(Ipv4Addr::new(
                octets[at],
                octets[at + 1],
                octets[at + 2],
                octets[at + 3],
            ))
        };
        if let Some(v4) = v6.to_ipv4() {
            forms.push(IpAddr::V4(v4));
        }
        if octets[..4] == [0x00, 0x64, 0xff, 0x9b] {
            forms.push(four(12));
        }
        if octets[..2] == [0x20, 0x02] {
            forms.push(four(2));
        }
    }
    forms
}

/// Metadata services in every notation, and the link-local range where the unknown ones live.
fn is_metadata_service(address: IpAddr) -> bool {
    matches!(
        relation::special_use(address),
        Some(relation::METADATA_SERVICE | "link-local")
    )
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, SocketAddr};

    use url::Url;

    use super::{Guard, Rule};

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn url(guard: &Guard, text: &str) -> Result<(), Rule> {
        guard.url(&Url::parse(text).unwrap(), Some(9443), false)
    }

    #[test]
    fn public_guard_refuses_special_literals_in_every_notation() {
        let guard = Guard::public();
        for text in [
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://10.1.2.3/",
            "https://100.64.0.1/",
            "https://0.0.0.0/",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://[64:ff9b::7f00:1]/",
            "https://[2002:7f00:1::]/",
            "https://[fc00::1]/",
        ] {
            assert_eq!(url(&guard, text), Err(Rule::SpecialUse), "{text}");
        }
        assert_eq!(url(&guard, "https://93.184.215.14/"), Ok(()));
    }

    #[test]
    fn metadata_services_must_be_named() {
        let private = Guard::allow_private();
        for text in [
            "http://169.254.169.254/latest",
            "http://[fd00:ec2::254]/",
            "http://[::ffff:169.254.169.254]/",
            "http://100.100.100.200/",
            "http://metadata.google.internal/",
        ] {
            assert_eq!(url(&private, text), Err(Rule::MetadataService), "{text}");
        }
        let named = private.admitting(["169.254.169.254/32".parse().unwrap()]);
        assert_eq!(url(&named, "http://169.254.169.254/"), Ok(()));
        assert_eq!(
            url(&named, "http://169.254.170.2/"),
            Err(Rule::MetadataService)
        );
    }

    #[test]
    fn schemes_ports_names_and_user_info() {
        let guard = Guard::public();
        assert_eq!(url(&guard, "http://example.com/"), Err(Rule::Scheme));
        assert_eq!(url(&guard, "ftp://example.com/"), Err(Rule::Scheme));
        assert_eq!(url(&guard, "https://example.com:22/"), Err(Rule::Port));
        assert_eq!(url(&guard, "https://example.com:9443/"), Ok(()));
        assert_eq!(url(&guard, "https://u:p@example.com/"), Err(Rule::UserInfo));
        for text in [
            "https://localhost/",
            "https://intranet/",
            "https://a.internal/",
        ] {
            assert_eq!(url(&guard, text), Err(Rule::InternalName), "{text}");
        }
        let plain = Url::parse("http://example.com/").unwrap();
        assert_eq!(guard.url(&plain, None, true), Ok(()));
        assert_eq!(
            url(&Guard::allow_private(), "http://localhost:9/mcp"),
            Ok(())
        );
    }

    #[test]
    fn one_special_answer_refuses_all() {
        let answers: [SocketAddr; 2] = [
            "93.184.215.14:443".parse().unwrap(),
            "192.168.1.1:443".parse().unwrap(),
        ];
        assert_eq!(Guard::public().answers(&answers), Err(Rule::SpecialUse));
        assert_eq!(Guard::allow_private().answers(&answers), Ok(()));
    }

    #[test]
    fn denied_wins_and_mapping_lifts_only_special_use() {
        let guard = Guard::public()
            .admitting(["10.0.0.0/8".parse().unwrap()])
            .denying(["10.9.0.0/16".parse().unwrap()])
            .denying_listeners(["0.0.0.0:8080".parse().unwrap()]);
        assert_eq!(guard.address(ip("10.1.1.1")), Ok(()));
        assert_eq!(guard.address(ip("10.9.1.1")), Err(Rule::Denied));
        assert_eq!(
            guard.mapped(&["127.0.0.1:8080".parse().unwrap()]),
            Err(Rule::Denied)
        );
        assert_eq!(guard.mapped(&["127.0.0.1:8081".parse().unwrap()]), Ok(()));
        assert_eq!(
            guard.mapped(&["169.254.169.254:80".parse().unwrap()]),
            Err(Rule::MetadataService)
        );
    }
}
