//! From names to addresses, so that the guard can look at all of them before one is
//! dialled.
//!
//! hickory follows the system's configuration and hosts file and remembers answers for
//! their time to live; `localhost` never leaves the machine (RFC 6761 section 6.3). The
//! connector of reqwest gets its addresses from [`Pinned`], which knows no name but the
//! one that was looked at.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError as LookupError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::NetError;
use crate::evidence::DnsFault;
use crate::facts::relation;

/// Queries under way at a time. The library's own limit of 32 makes a busy sweep fail.
const MOST_QUERIES: usize = 4096;

/// Time for one query, and queries for one question.
const QUERY: (Duration, usize) = (Duration::from_secs(2), 2);

/// A name server that is asked, with the system's hosts file before it.
pub(super) struct Names {
    resolver: TokioResolver,
    /// Names of one label may be completed by the system's search list.
    private: bool,
}

impl Names {
    /// A resolver over `servers`, or over the system's configuration if there are none.
    pub(super) fn new(servers: &[SocketAddr], private: bool) -> Result<Self, NetError> {
        let fault = |fault: LookupError| NetError::Resolver(fault.to_string());
        let mut builder = if servers.is_empty() {
            match TokioResolver::builder_tokio() {
                Ok(builder) => builder,
                // A machine without a resolver configuration can still scan addresses,
                // localhost and mapped names.
                Err(_) => TokioResolver::builder_with_config(
                    ResolverConfig::default(),
                    TokioRuntimeProvider::default(),
                ),
            }
        } else {
            let servers = servers.iter().map(|server| {
                let mut config = NameServerConfig::udp_and_tcp(server.ip());
                for connection in &mut config.connections {
                    connection.port = server.port();
                }
                config
            });
            TokioResolver::builder_with_config(
                ResolverConfig::from_parts(None, Vec::new(), servers.collect()),
                TokioRuntimeProvider::default(),
            )
        };
        let options = builder.options_mut();
        options.max_active_requests = MOST_QUERIES;
        (options.timeout, options.attempts) = QUERY;
        Ok(Self {
            resolver: builder.build().map_err(fault)?,
            private,
        })
    }

    /// All addresses of a name.
    pub(super) async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, DnsFault> {
        let bare = name.trim_end_matches('.');
        if bare == "localhost" || bare.ends_with(".localhost") {
            return Ok(vec![
                IpAddr::V4(Ipv4Addr::LOCALHOST),
                IpAddr::V6(Ipv6Addr::LOCALHOST),
            ]);
        }
        match self.lookup(&self.question(bare)).await {
            Ok(addresses) if addresses.is_empty() => Err(DnsFault::NoSuchName),
            Ok(addresses) => Ok(addresses),
            Err(fault) if fault.is_nx_domain() => Err(self.which_is_missing(bare).await),
            Err(fault) if fault.is_no_records_found() => Err(DnsFault::NoSuchName),
            Err(_) => Err(DnsFault::Failed),
        }
    }

    /// A complete name, so that no search list is tried; in a private network its short
    /// names are wanted.
    fn question(&self, bare: &str) -> String {
        if self.private && !bare.contains('.') {
            bare.to_owned()
        } else {
            format!("{bare}.")
        }
    }

    async fn lookup(&self, name: &str) -> Result<Vec<IpAddr>, LookupError> {
        let found = self.resolver.lookup_ip(name).await?;
        Ok(found.iter().collect())
    }

    /// The text records of a name, each with its parts joined; at most 50 of 1,000 bytes.
    pub(super) async fn text_records(&self, name: &str) -> Vec<String> {
        let Ok(found) = self.resolver.txt_lookup(format!("{name}.")).await else {
            return Vec::new();
        };
        found
            .answers()
            .iter()
            .filter_map(|record| match &record.data {
                RData::TXT(text) => Some(text),
                _ => None,
            })
            .take(50)
            .map(|text| {
                let bytes: Vec<u8> = text
                    .txt_data
                    .iter()
                    .flat_map(|part| part.iter().copied())
                    .take(1_000)
                    .collect();
                String::from_utf8_lossy(&bytes).into_owned()
            })
            .collect()
    }

    /// NXDOMAIN for a name: is its registrable domain missing too?
    async fn which_is_missing(&self, bare: &str) -> DnsFault {
        let Some(domain) = relation::registrable_domain(bare) else {
            return DnsFault::NoSuchName;
        };
        if domain == bare {
            return DnsFault::DomainUnregistered;
        }
        match self.lookup(&format!("{domain}.")).await {
            Err(fault) if fault.is_nx_domain() => DnsFault::DomainUnregistered,
            _ => DnsFault::NoSuchName,
        }
    }
}

/// The addresses that one client may dial, and the only name it may dial them for. With a
/// proxy, the proxy's name is the one.
#[derive(Debug)]
pub(super) struct Pinned {
    pub(super) host: String,
    pub(super) addresses: Vec<SocketAddr>,
}

impl Resolve for Pinned {
    fn resolve(&self, name: Name) -> Resolving {
        let answer: Result<Addrs, Box<dyn std::error::Error + Send + Sync>> =
            if name.as_str().eq_ignore_ascii_case(&self.host) {
                Ok(Box::new(self.addresses.clone().into_iter()))
            } else {
                Err("the name was not looked at before".into())
            };
        Box::pin(std::future::ready(answer))
    }
}
