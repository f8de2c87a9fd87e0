//! Credentials in the URL under which a server is listed.

use crate::check::{Fault, Judgement, Place, Verdict, fail, warn};
use crate::facts::{Facts, quote};
use crate::spec::Revision;

pub(super) fn key_in_url(facts: &Facts<'_>, _: Revision) -> Judgement {
    let target = &facts.evidence.target;
    let listing = target.listing.as_ref();
    let urls: Vec<&str> = std::iter::once(target.url.as_str())
        .chain(listing.and_then(|listing| listing.raw_url.as_deref()))
        .chain(
            listing
                .into_iter()
                .flat_map(|listing| listing.siblings.iter().map(String::as_str)),
        )
        .collect();
    // The finding is about the listing; the first request shows the URL that it led to.
    let place = || Place::new(facts.answers().first().map_or(0, |a| a.exchange.id), "url");
    for url in &urls {
        if let Some(length) = userinfo(url) {
            return fail(Fault::new(
                "userinfo",
                format!("The listed URL carries user information of {length} characters."),
                place(),
            ));
        }
        if let Some((name, length)) = query(url) {
            return fail(Fault::new(
                "query",
                format!(
                    "The listed URL carries a credential in its query: parameter {} with {length} \
                     characters.",
                    quote(name)
                ),
                place(),
            ));
        }
    }
    for url in &urls {
        if let Some(name) = placeholder(url) {
            return warn(Fault::new(
                "path_placeholder",
                format!(
                    "The path of the listed URL has a place for a secret: {}.",
                    quote(name)
                ),
                place(),
            ));
        }
    }
    Ok(Verdict::Pass)
}

/// Authority, and path with query, of a URL or of a template that is none yet.
fn split(url: &str) -> (&str, &str) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    rest.split_at(end)
}

fn userinfo(url: &str) -> Option<usize> {
    let (authority, _) = split(url);
    let (user, _) = authority.rsplit_once('@')?;
    (!user.is_empty()).then_some(user.len())
}

/// The first query parameter that is a credential by its name: name and length of its value.
fn query(url: &str) -> Option<(&str, usize)> {
    let (_, rest) = split(url);
    let (_, query) = rest.split_once('?')?;
    let query = query.split('#').next().unwrap_or_default();
    query.split('&').find_map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        is_credential(name).then_some((name, value.len()))
    })
}

/// The first `{name}` or `%7Bname%7D` of the path that means a secret.
fn placeholder(url: &str) -> Option<&str> {
    let (_, rest) = split(url);
    let path = rest.split(['?', '#']).next().unwrap_or_default();
    path.split('/').find_map(|segment| {
        let (open, close) = [("{", "}"), ("%7B", "%7D"), ("%7b", "%7d")]
            .into_iter()
            .find(|(open, _)| segment.contains(open))?;
        let inner = segment.split_once(open)?.1;
        let name = inner.split(close).next().unwrap_or(inner);
        is_credential(name).then_some(name)
    })
}

fn is_credential(name: &str) -> bool {
    let letters: String = name
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect();
    matches!(
        letters.as_str(),
        "key" | "token" | "secret" | "password" | "passwd" | "pwd" | "bearer" | "jwt"
    ) || [
        "apikey",
        "accesskey",
        "secretkey",
        "authkey",
        "accesstoken",
        "apitoken",
        "authtoken",
        "bearertoken",
        "secret",
        "password",
    ]
    .iter()
    .any(|end| letters.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::{is_credential, placeholder, query, userinfo};

    #[test]
    fn names_of_credentials() {
        for name in [
            "key",
            "api_key",
            "x-api-key",
            "ACCESS_TOKEN",
            "clientSecret",
            "token",
        ] {
            assert!(is_credential(name), "{name}");
        }
        for name in [
            "profile",
            "project",
            "page_token",
            "keyboard",
            "tokens",
            "toolset",
            "",
        ] {
            assert!(!is_credential(name), "{name}");
        }
    }

    #[test]
    fn templates_are_read_without_parsing() {
        assert_eq!(
            query("https://h.example/mcp?profile=a&api_key={KEY}#x"),
            Some(("api_key", 5))
        );
        assert_eq!(
            placeholder("https://h.example/{apiKey}/mcp"),
            Some("apiKey")
        );
        assert_eq!(
            placeholder("https://h.example/%7Btoken%7D/mcp"),
            Some("token")
        );
        assert_eq!(placeholder("https://h.example/{tenant}/mcp?key=1"), None);
        assert_eq!(userinfo("https://user:pass@h.example/@x"), Some(9));
        assert_eq!(userinfo("https://h.example/@x"), None);
    }
}
