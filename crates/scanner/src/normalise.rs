//! From what a listing says to a URL that may be asked (product rules 9.1 and 9.2).
//!
//! A normalised URL is what a server is known by, so two spellings of one place must become
//! one, and two places must stay two: case and trailing slash of the path are kept, because
//! many servers answer only one of them. What must not be asked is refused here, once.

use url::{Host, Url};

use crate::facts::relation::{self, HostKind};
use crate::redact::{marker, names, shapes};
use crate::target::Target;

/// Longest URL, in bytes, before and after normalising.
pub const MAX_URL: usize = 2048;

/// What may be asked besides public https URLs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Admission {
    /// Special-use addresses and plain http are admitted.
    pub allow_private: bool,
    /// Development tunnels are admitted (the owner proved it).
    pub allow_ephemeral: bool,
}

/// Why a listing's URL is not asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A `{variable}` without a default.
    #[error("template: the URL holds the variable {{{0}}} without a default")]
    Template(String),
    /// A special-use address or name.
    #[error("not_public: {0}")]
    NotPublic(String),
    /// A development tunnel.
    #[error("ephemeral: {0} is a development tunnel")]
    Ephemeral(String),
    /// A credential in the URL. Holds the parameter's name and the value's length.
    #[error("credential_in_url: `{name}` ({length} characters) looks like a credential")]
    CredentialInUrl {
        /// Name of the query parameter, or `userinfo`.
        name: String,
        /// Length of the value.
        length: usize,
    },
    /// Malformed.
    #[error("invalid: {0}")]
    Invalid(String),
}

impl Refusal {
    /// The outcome's name in import results.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Template(_) => "template",
            Self::NotPublic(_) => "not_public",
            Self::Ephemeral(_) => "ephemeral",
            Self::CredentialInUrl { .. } => "credential_in_url",
            Self::Invalid(_) => "invalid",
        }
    }
}

/// Normalises one endpoint URL: scheme and host in lower case and IDNA ASCII, no default port,
/// dot segments resolved, needless percent-encoding of unreserved characters undone in the
/// path. Path case, trailing slash and query stay. The result normalises to itself.
///
/// # Errors
///
/// The reason why it is not asked.
pub fn endpoint(raw: &str, admission: Admission) -> Result<Target, Refusal> {
    let text = raw.trim_matches([' ', '\t', '\r', '\n']);
    if text.is_empty() {
        return Err(invalid("the URL is empty"));
    }
    if text.len() > MAX_URL {
        return Err(invalid(&format!("longer than {MAX_URL} bytes")));
    }
    if let Some(name) = variable(text) {
        return Err(Refusal::Template(name.to_owned()));
    }
    if let Some(c) = text
        .chars()
        .find(|c| c.is_whitespace() || c.is_control() || "<>\\\"^`{|}".contains(*c))
    {
        let c = c.escape_default();
        return Err(invalid(&format!("no URL holds the character `{c}`")));
    }
    let url = parsed(text, admission)?;
    refuse_credentials(&url)?;
    refuse_place(&url, admission)?;
    let url = without_needless_encoding(&url)?;
    if url.len() > MAX_URL {
        return Err(invalid(&format!("longer than {MAX_URL} bytes")));
    }
    Ok(Target::of(url))
}

fn invalid(why: &str) -> Refusal {
    Refusal::Invalid(why.to_owned())
}

/// The first `{variable}` of a URL template, without its braces; at most 64 characters.
#[must_use]
pub fn variable(text: &str) -> Option<&str> {
    let start = text.find('{')? + 1;
    let end = start + text[start..].find('}')?;
    let name = &text[start..end];
    let cut = name.char_indices().nth(64).map_or(name.len(), |(at, _)| at);
    Some(&name[..cut])
}

fn parsed(text: &str, admission: Admission) -> Result<Url, Refusal> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(invalid("no absolute URL; write https://HOST/PATH"));
    };
    match scheme.to_ascii_lowercase().as_str() {
        "https" => {}
        "http" if admission.allow_private => {}
        "http" => {
            return Err(invalid(
                "plain http is asked only where private targets are allowed",
            ));
        }
        _ => return Err(invalid("the scheme is not https")),
    }
    // The parser would skip further slashes and take what follows for the host.
    if rest.starts_with('/') {
        return Err(invalid("the URL has no host"));
    }
    let url = Url::parse(text).map_err(|fault| invalid(&fault.to_string()))?;
    if url.fragment().is_some() {
        return Err(invalid(
            "the URL has a fragment; remove `#` and what follows",
        ));
    }
    if url.port() == Some(0) {
        return Err(invalid("port 0 cannot be asked"));
    }
    if let Some(Host::Domain(name)) = url.host() {
        refuse_host_name(name)?;
    }
    Ok(url)
}

/// RFC 1123 section 2.1 and RFC 1035 section 2.3.4; underscores occur in practice.
fn refuse_host_name(name: &str) -> Result<(), Refusal> {
    let absolute = name.strip_suffix('.').unwrap_or(name);
    let legal = absolute.len() <= 253
        && absolute.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        });
    if legal {
        Ok(())
    } else {
        Err(invalid("the host is no DNS name"))
    }
}

fn refuse_credentials(url: &Url) -> Result<(), Refusal> {
    let refusal = |name: &str, length: usize| {
        Err(Refusal::CredentialInUrl {
            name: name.chars().take(64).collect(),
            length,
        })
    };
    let password = url.password().unwrap_or_default();
    if !url.username().is_empty() || !password.is_empty() {
        let length = url.username().chars().count() + password.chars().count();
        return refusal("userinfo", length);
    }
    for (name, value) in url.query_pairs() {
        if names::carries_credential(&name, &value) || holds_secret(&value) {
            return refusal(&name, value.chars().count());
        }
    }
    for segment in url.path_segments().into_iter().flatten() {
        if holds_secret(segment) {
            return refusal("path", segment.chars().count());
        }
    }
    Ok(())
}

/// Whether a detector of secrets knows this value by its shape.
fn holds_secret(value: &str) -> bool {
    marker::first(&shapes::redact(value)).is_some_and(|found| found.by_detector())
        && marker::first(value).is_none()
}

fn refuse_place(url: &Url, admission: Admission) -> Result<(), Refusal> {
    let Some(host) = url.host() else {
        return Err(invalid("the URL has no host"));
    };
    let not_public = |why: &str| Err(Refusal::NotPublic(format!("{host} is {why}")));
    let metadata = match host {
        Host::Domain(name) => relation::names_metadata_service(name),
        Host::Ipv4(address) => is_metadata(address.into()),
        Host::Ipv6(address) => is_metadata(address.into()),
    };
    if metadata {
        return not_public("a cloud metadata service, which is never asked");
    }
    if !admission.allow_private {
        match relation::host_kind(&host) {
            HostKind::Public | HostKind::PublicAddress => {}
            HostKind::Loopback => return not_public("loopback"),
            HostKind::Special => return not_public("a special-use address"),
            HostKind::Internal => return not_public("a name of private networks"),
            HostKind::SingleLabel => return not_public("a name of one label"),
        }
    }
    if let (Host::Domain(name), false) = (&host, admission.allow_ephemeral)
        && is_tunnel(name)
    {
        return Err(Refusal::Ephemeral((*name).to_owned()));
    }
    Ok(())
}

fn is_metadata(address: std::net::IpAddr) -> bool {
    relation::special_use(address) == Some(relation::METADATA_SERVICE)
}

/// Domains below which development tunnels live for minutes or days. The names themselves
/// are the vendors' sites.
const TUNNELS: [&str; 41] = [
    "ngrok.io",
    "ngrok.app",
    "ngrok.dev",
    "ngrok.pizza",
    "ngrok-free.app",
    "ngrok-free.dev",
    "ngrok-free.pizza",
    "ngrok.pro",
    "trycloudflare.com",
    "localhost.run",
    "lhr.life",
    "lhr.rocks",
    "lhrtunnel.link",
    "devtunnels.ms",
    "loca.lt",
    "localtunnel.me",
    "localto.net",
    "serveo.net",
    "serveousercontent.com",
    "pinggy.link",
    "pinggy.io",
    "pinggy.online",
    "pinggy-free.link",
    "free.pinggy.net",
    "tunnelto.dev",
    "tunnelmole.net",
    "tunnelmole.com",
    "tunnl.gg",
    "tunn.dev",
    "share.zrok.io",
    "shares.zrok.io",
    "pagekite.me",
    "loclx.io",
    "loophole.site",
    "sharedwithexpose.com",
    "telebit.io",
    "srv.us",
    "bore.digital",
    "app.github.dev",
    "gitpod.io",
    "webcontainer-api.io",
];

/// Whether a host is a development tunnel.
#[must_use]
pub fn is_tunnel(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    // This one hands out ports instead of names.
    host == "bore.pub"
        || TUNNELS.iter().any(|domain| {
            host.strip_suffix(domain)
                .is_some_and(|rest| rest.ends_with('.'))
        })
}

/// Undoes `%41` and the like in the path (RFC 3986 section 6.2.2.2) and writes the rest out.
fn without_needless_encoding(url: &Url) -> Result<String, Refusal> {
    let text = url.as_str();
    let start = url[..url::Position::BeforePath].len();
    let end = url[..url::Position::AfterPath].len();
    let mut out = String::with_capacity(text.len());
    out.push_str(&text[..start]);
    let mut rest = &text[start..end];
    while let Some(percent) = rest.find('%') {
        out.push_str(&rest[..percent]);
        let byte = rest
            .get(percent + 1..percent + 3)
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let Some(byte) = byte else {
            return Err(invalid("`%` without two hexadecimal digits in the path"));
        };
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&rest[percent..percent + 3]);
        }
        rest = &rest[percent + 3..];
    }
    out.push_str(rest);
    out.push_str(&text[end..]);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::{Admission, Refusal, endpoint};

    const PUBLIC: Admission = Admission {
        allow_private: false,
        allow_ephemeral: false,
    };
    const PRIVATE: Admission = Admission {
        allow_private: true,
        allow_ephemeral: false,
    };

    #[test]
    fn one_place_has_one_spelling() {
        for (raw, expected) in [
            ("https://h.example.com", "https://h.example.com/"),
            (
                " HTTPS://H.Example.COM:443/Mcp/ \n",
                "https://h.example.com/Mcp/",
            ),
            ("https://h.example.com/mcp", "https://h.example.com/mcp"),
            (
                "https://h.example.com:8443/mcp",
                "https://h.example.com:8443/mcp",
            ),
            (
                "https://bücher.example.com/ü",
                "https://xn--bcher-kva.example.com/%C3%BC",
            ),
            (
                "https://h.example.com/a/../b/./c",
                "https://h.example.com/b/c",
            ),
            (
                "https://h.example.com/%7euser/%41%2f%c3%bc",
                "https://h.example.com/~user/A%2f%c3%bc",
            ),
            ("https://h.example.com/%2541", "https://h.example.com/%2541"),
            (
                "https://h.example.com/?tools=a%2Db,C&profile=x&login=",
                "https://h.example.com/?tools=a%2Db,C&profile=x&login=",
            ),
            ("https://h.example.com/mcp?", "https://h.example.com/mcp?"),
            ("https://8.8.8.8/mcp", "https://8.8.8.8/mcp"),
            (
                "https://server.example.com/@user/name/mcp",
                "https://server.example.com/@user/name/mcp",
            ),
        ] {
            let once = endpoint(raw, PUBLIC).expect(raw).url;
            assert_eq!(once, expected);
            assert_eq!(endpoint(&once, PUBLIC).expect(raw).url, once, "twice");
        }
    }

    #[test]
    fn what_is_not_asked() {
        let long = format!("https://h.example.com/{}", "a".repeat(2048));
        let label = format!("https://{}.example.com/", "a".repeat(64));
        for (raw, code) in [
            ("", "invalid"),
            ("h.example.com/mcp", "invalid"),
            ("ftp://h.example.com/", "invalid"),
            ("javascript://h.example.com/", "invalid"),
            ("http://h.example.com/mcp", "invalid"),
            ("https:///h.example.com", "invalid"),
            ("https://", "invalid"),
            ("https://h.example.com/#", "invalid"),
            ("https://h.example.com/#a", "invalid"),
            ("https://h.example.com:0/", "invalid"),
            ("https://h.example.com:99999/", "invalid"),
            ("https://h..example.com/", "invalid"),
            ("https://-h.example.com/", "invalid"),
            ("https://h!.example.com/", "invalid"),
            ("https://h.example.com/a b", "invalid"),
            ("https://h.example.com/a\tb", "invalid"),
            ("https://h.example.com\\a", "invalid"),
            ("https://h.example.com/<key>", "invalid"),
            ("https://h.example.com/%zz", "invalid"),
            ("https://h.example.com/{x", "invalid"),
            (long.as_str(), "invalid"),
            (label.as_str(), "invalid"),
            ("https://{host}/mcp", "template"),
            ("https://h.example.com/${TENANT}/mcp", "template"),
            ("https://h.example.com/mcp?api_key={api_key}", "template"),
            ("https://localhost/mcp", "not_public"),
            ("https://127.0.0.1/", "not_public"),
            ("https://2130706433/", "not_public"),
            ("https://0x7f.1/", "not_public"),
            ("https://[::ffff:10.0.0.1]/", "not_public"),
            ("https://10.1.2.3/", "not_public"),
            ("https://printer.local/", "not_public"),
            ("https://x.internal./", "not_public"),
            ("https://intranet/mcp", "not_public"),
            ("https://169.254.169.254/", "not_public"),
            ("https://abc.ngrok-free.app/mcp", "ephemeral"),
            ("https://A-B.TryCloudflare.com/mcp", "ephemeral"),
            ("https://x-8080.euw.devtunnels.ms/", "ephemeral"),
            ("https://h.example.com/?token=abc", "credential_in_url"),
            ("https://h.example.com/?exaApiKey=abc", "credential_in_url"),
            (
                "https://h.example.com/?x=sk_live_4eC39HqLyjWDarjtT1zdp7dc",
                "credential_in_url",
            ),
            (
                "https://h.example.com/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/mcp",
                "credential_in_url",
            ),
            ("https://user@h.example.com/", "credential_in_url"),
            ("https://user:pw@h.example.com/", "credential_in_url"),
        ] {
            let refusal = endpoint(raw, PUBLIC).expect_err(raw);
            assert_eq!(refusal.code(), code, "{raw}: {refusal}");
            assert_eq!(refusal.to_string().lines().count(), 1);
        }
    }

    #[test]
    fn private_places_are_asked_where_allowed_and_metadata_never() {
        for raw in [
            "http://localhost:3000/mcp",
            "http://127.0.0.1:1/",
            "https://intranet/mcp",
            "http://h.example.com/",
        ] {
            assert_eq!(
                endpoint(raw, PRIVATE).map(|target| target.url),
                Ok(raw.to_owned())
            );
        }
        for raw in [
            "http://169.254.169.254/latest",
            "http://[fd00:ec2::254]/",
            "http://[::ffff:a9fe:a9fe]/",
            "http://metadata.google.internal/",
        ] {
            let refusal = endpoint(raw, PRIVATE).expect_err(raw);
            assert_eq!(refusal.code(), "not_public", "{raw}");
        }
        let own = Admission {
            allow_ephemeral: true,
            ..PUBLIC
        };
        assert!(endpoint("https://abc.ngrok.io/mcp", own).is_ok());
    }

    #[test]
    fn a_refusal_does_not_repeat_the_credential() {
        let refusal =
            endpoint("https://h.example.com/?api_key=cAnArY", PUBLIC).expect_err("refused");
        assert_eq!(
            refusal,
            Refusal::CredentialInUrl {
                name: "api_key".to_owned(),
                length: 6
            }
        );
        assert!(!refusal.to_string().contains("cAnArY"));
    }
}
