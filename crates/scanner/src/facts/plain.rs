//! Host, port and path of URLs that need no normalising: they are what a parser would make of
//! them already. Every exchange is looked at by its host again and again, and parsing was a
//! tenth of what a scan costs.

use url::Url;

/// The origin of a URL as [`Url::parse`] would give it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plain<'t> {
    /// `https` is the scheme; otherwise `http`.
    pub(crate) secure: bool,
    /// A DNS name in lower case.
    pub(crate) host: &'t str,
    /// The port, if it is written and not the default one.
    pub(crate) port: Option<u16>,
    /// What follows, as written.
    tail: &'t str,
}

impl<'t> Plain<'t> {
    /// The parts, if the origin is plain; `None` says nothing about the URL but that it has to
    /// be parsed. What follows an origin cannot spoil it: any path is one.
    pub(crate) fn of(text: &'t str) -> Option<Self> {
        let (secure, rest) = match text.strip_prefix("https://") {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix("http://")?),
        };
        let end = rest
            .bytes()
            .position(|byte| matches!(byte, b'/' | b'?' | b'#'))
            .unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        let (host, port) = match authority.split_once(':') {
            Some((host, port)) => (host, Some(number(port)?)),
            None => (authority, None),
        };
        is_plain_name(host).then(|| Self {
            secure,
            host,
            port: port.filter(|port| *port != if secure { 443 } else { 80 }),
            tail,
        })
    }

    /// The path, `/` if there is none; `None` if it would have to be normalised.
    pub(crate) fn path(&self) -> Option<&'t str> {
        let tail = self.tail;
        let path = &tail[..tail.find(['?', '#']).unwrap_or(tail.len())];
        let usual = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_~.".contains(&byte);
        if path.is_empty() && tail.is_empty() {
            return Some("/");
        }
        (!path.is_empty() && path.bytes().all(usual) && !path.contains("/.")).then_some(path)
    }
}

fn number(text: &str) -> Option<u16> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

/// A name in which there is nothing to map, and which is no address in disguise.
fn is_plain_name(host: &str) -> bool {
    let plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    let last = host.rsplit('.').next().unwrap_or_default();
    host.len() <= 253
        && host.bytes().all(plain)
        && last.starts_with(|c: char| c.is_ascii_lowercase())
        && !host.starts_with('.')
        && !host.contains("..")
        && !host.contains("xn--")
}

/// Host and port of a URL, `host:port` with the default port filled in; empty if there is none.
pub(crate) fn authority(text: &str) -> String {
    if let Some(plain) = Plain::of(text) {
        let usual = if plain.secure { 443 } else { 80 };
        return format!("{}:{}", plain.host, plain.port.unwrap_or(usual));
    }
    Url::parse(text)
        .ok()
        .and_then(|url| {
            Some(format!(
                "{}:{}",
                url.host_str()?,
                url.port_or_known_default().unwrap_or_default()
            ))
        })
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use url::Url;

    use super::Plain;

    /// Whatever is taken for plain is what the parser makes of it.
    fn agrees(text: &str) {
        let Some(plain) = Plain::of(text) else { return };
        let url = Url::parse(text).unwrap_or_else(|fault| panic!("{text}: {fault}"));
        assert_eq!(url.scheme() == "https", plain.secure, "{text}");
        assert_eq!(url.host_str(), Some(plain.host), "{text}");
        assert_eq!(url.port(), plain.port, "{text}");
        if let Some(path) = plain.path() {
            assert_eq!(url.path(), path, "{text}");
        }
    }

    #[test]
    fn ordinary_urls_are_plain() {
        for text in [
            "https://mcp.example.com/mcp",
            "https://mcp.example.com:8443/.well-known/x",
            "http://a-b.example",
        ] {
            agrees(text);
        }
        let plain = Plain::of("https://mcp.example.com:443/mcp?a=b#c").expect("plain");
        assert_eq!((plain.port, plain.path()), (None, Some("/mcp")));
        for odd in ["https://a.example/../b", "https://a.example/%41"] {
            assert_eq!(Plain::of(odd).expect("plain").path(), None, "{odd}");
        }
        for odd in [
            "https://EXAMPLE.com/",
            "https://1.2.3.4/",
            "https://0x7f.1/",
            "https://a.0x1/",
            "https://u:p@a.example/",
            "https://xn--a.example/",
            "https://a.example\\b",
            "https://a.example:/",
            "https://a.example:99999/",
            "ftp://a.example/",
            "https:///a",
        ] {
            assert_eq!(Plain::of(odd), None, "{odd}");
        }
    }

    proptest! {
        #[test]
        fn plain_is_what_the_parser_says(
            host in "[a-z0-9.x-]{0,12}",
            port in "(:[0-9]{0,6})?",
            tail in "([/?#.a-zA-Z0-9=&:~_-]|%2e){0,12}",
            scheme in "https?",
        ) {
            agrees(&format!("{scheme}://{host}{port}{tail}"));
        }
    }
}
