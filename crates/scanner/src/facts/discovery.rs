//! Where metadata is looked for (catalogue section (a)). Used by the plan to ask and by the
//! facts to read, so the two cannot disagree.

use url::Url;

use super::relation;
use crate::evidence::{AsRole, PrmRole};
use crate::spec::Revision;

/// At most this many authorization servers are examined.
pub const MAX_ISSUERS: usize = 3;

const PRM_SUFFIX: &str = "/.well-known/oauth-protected-resource";
const OAUTH_SUFFIX: &str = "/.well-known/oauth-authorization-server";
const OIDC_SUFFIX: &str = "/.well-known/openid-configuration";

/// Scheme and authority as written by the URL parser, without a trailing slash.
#[must_use]
pub fn origin_of(url: &Url) -> String {
    let mut origin = format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default());
    if let Some(port) = url.port() {
        origin.push_str(&format!(":{port}"));
    }
    origin
}

/// Protected-resource candidates in order (section a.1), without duplicates.
///
/// `header` is the first `resource_metadata` value of a token challenge, already an
/// absolute URL.
#[must_use]
pub fn prm_candidates(endpoint: &Url, header: Option<&str>) -> Vec<(PrmRole, String)> {
    let origin = origin_of(endpoint);
    let path = match endpoint.path() {
        "/" => "",
        path => path,
    };
    let query = endpoint
        .query()
        .map(|query| format!("?{query}"))
        .unwrap_or_default();
    let bare = path.strip_suffix('/').unwrap_or(path);

    let mut list = Vec::new();
    if let Some(header) = header {
        list.push((PrmRole::Header, header.to_owned()));
    }
    if !path.is_empty() {
        list.push((PrmRole::Path, format!("{origin}{PRM_SUFFIX}{path}{query}")));
    }
    if path.ends_with('/') {
        list.push((
            PrmRole::PathNoSlash,
            format!("{origin}{PRM_SUFFIX}{bare}{query}"),
        ));
    }
    list.push((PrmRole::Root, format!("{origin}{PRM_SUFFIX}")));
    list.push((PrmRole::Appended, format!("{origin}{bare}{PRM_SUFFIX}")));
    let mut parent = bare;
    for _ in 0..2 {
        match parent.rfind('/') {
            Some(cut) if cut > 0 => parent = &parent[..cut],
            _ => break,
        }
        list.push((PrmRole::Parent, format!("{origin}{PRM_SUFFIX}{parent}")));
    }
    let mut seen: Vec<String> = Vec::new();
    list.retain(|(_, url)| {
        let fresh = !seen.contains(url);
        if fresh {
            seen.push(url.clone());
        }
        fresh
    });
    list
}

/// Whether a client of that revision would credit a document found under that role.
/// From 2025-11-25 on, path and root count only when there is no header value; selection
/// falls back to them all the same (flag `header_broken`), as section a.1 says.
#[must_use]
pub fn prm_credited(role: PrmRole, revision: Revision) -> bool {
    let diagnostic = matches!(role, PrmRole::Appended | PrmRole::Parent);
    !diagnostic && revision >= Revision::V2025_06_18
}

/// The endpoint on the other host that `resource` names, where that could be the same
/// deployment under another name: https, same port, and one registrable domain.
#[must_use]
pub fn alias(endpoint: &Url, resource: &str) -> Option<Url> {
    let named = Url::parse(resource).ok()?;
    let (host, home) = (named.host_str()?, endpoint.host_str()?);
    let domain = relation::registrable_domain(host)?;
    let alike = named.scheme() == "https"
        && endpoint.scheme() == "https"
        && named.port() == endpoint.port()
        && host != home
        && relation::registrable_domain(home)? == domain;
    let mut other = endpoint.clone();
    (alike && other.set_host(Some(host)).is_ok()).then_some(other)
}

/// Authorization-server candidates of an issuer in order (section a.2), without the origin
/// fallback. `None` if the issuer is not an absolute http or https URL.
#[must_use]
pub fn as_candidates(issuer: &str) -> Option<Vec<(AsRole, String)>> {
    let url = Url::parse(issuer).ok()?;
    if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none() {
        return None;
    }
    let authority = origin_of(&url);
    let tail = match url.path() {
        "/" => "",
        path => path.strip_suffix('/').unwrap_or(path),
    };
    let mut list = vec![(
        AsRole::OauthInserted,
        format!("{authority}{OAUTH_SUFFIX}{tail}"),
    )];
    if !tail.is_empty() {
        list.push((
            AsRole::OidcInserted,
            format!("{authority}{OIDC_SUFFIX}{tail}"),
        ));
    }
    list.push((
        AsRole::OidcAppended,
        format!("{authority}{tail}{OIDC_SUFFIX}"),
    ));
    if !tail.is_empty() {
        list.push((
            AsRole::OauthAppended,
            format!("{authority}{tail}{OAUTH_SUFFIX}"),
        ));
        list.push((AsRole::OauthRoot, format!("{authority}{OAUTH_SUFFIX}")));
    }
    Some(list)
}

/// The two documents on the endpoint's own origin: the 2025-03-26 fallback, and a place
/// where mirrors stand.
#[must_use]
pub fn origin_candidates(endpoint: &Url) -> [(AsRole, String); 2] {
    let origin = origin_of(endpoint);
    [
        (AsRole::Origin, format!("{origin}{OAUTH_SUFFIX}")),
        (AsRole::OriginOidc, format!("{origin}{OIDC_SUFFIX}")),
    ]
}

/// Whether a client of that revision would credit this candidate of a listed issuer.
#[must_use]
pub fn as_credited(role: AsRole, revision: Revision) -> bool {
    match role {
        AsRole::OauthInserted => revision >= Revision::V2025_06_18,
        AsRole::OidcInserted | AsRole::OidcAppended => revision >= Revision::V2025_11_25,
        AsRole::Origin => revision == Revision::V2025_03_26,
        AsRole::OauthAppended | AsRole::OauthRoot | AsRole::OriginOidc => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles(endpoint: &str, header: Option<&str>) -> Vec<(PrmRole, String)> {
        prm_candidates(&Url::parse(endpoint).expect("a URL"), header)
    }

    #[test]
    fn prm_of_an_endpoint_with_a_path() {
        let list = roles("https://h.example/api/mcp?x=1", None);
        assert_eq!(
            list,
            vec![
                (
                    PrmRole::Path,
                    "https://h.example/.well-known/oauth-protected-resource/api/mcp?x=1".into()
                ),
                (
                    PrmRole::Root,
                    "https://h.example/.well-known/oauth-protected-resource".into()
                ),
                (
                    PrmRole::Appended,
                    "https://h.example/api/mcp/.well-known/oauth-protected-resource".into()
                ),
                (
                    PrmRole::Parent,
                    "https://h.example/.well-known/oauth-protected-resource/api".into()
                ),
            ]
        );
    }

    #[test]
    fn prm_of_a_root_endpoint_is_the_root_document() {
        let list = roles("https://h.example/", None);
        assert_eq!(
            list,
            vec![(
                PrmRole::Root,
                "https://h.example/.well-known/oauth-protected-resource".into()
            )]
        );
    }

    #[test]
    fn header_that_names_the_path_document_keeps_its_role() {
        let url = "https://h.example/.well-known/oauth-protected-resource/mcp";
        let list = roles("https://h.example/mcp", Some(url));
        assert_eq!(list[0], (PrmRole::Header, url.into()));
        assert!(list.iter().all(|(role, _)| *role != PrmRole::Path));
    }

    #[test]
    fn trailing_slash_adds_the_variant_without_it() {
        let list = roles("https://h.example/mcp/", None);
        assert_eq!(list[0].0, PrmRole::Path);
        assert!(list[0].1.ends_with("/mcp/"));
        assert_eq!(list[1].0, PrmRole::PathNoSlash);
    }

    #[test]
    fn issuer_with_a_path_has_five_candidates() {
        let list = as_candidates("https://as.example/t1/").expect("candidates");
        let urls: Vec<&str> = list.iter().map(|(_, url)| url.as_str()).collect();
        assert_eq!(
            urls,
            [
                "https://as.example/.well-known/oauth-authorization-server/t1",
                "https://as.example/.well-known/openid-configuration/t1",
                "https://as.example/t1/.well-known/openid-configuration",
                "https://as.example/t1/.well-known/oauth-authorization-server",
                "https://as.example/.well-known/oauth-authorization-server",
            ]
        );
    }

    #[test]
    fn an_alias_shares_the_registrable_domain() {
        let endpoint = Url::parse("https://mcp.acme.dev/mcp?x=1").expect("a URL");
        assert_eq!(
            alias(&endpoint, "https://api.acme.dev/").map(String::from),
            Some("https://api.acme.dev/mcp?x=1".into())
        );
        for other in [
            "https://mcp.acme.dev/mcp",
            "http://api.acme.dev/mcp",
            "https://api.acme.dev:8443/mcp",
            "https://api.other.dev/mcp",
            "https://10.0.0.1/mcp",
            "api://x",
        ] {
            assert_eq!(alias(&endpoint, other), None, "{other}");
        }
    }

    #[test]
    fn issuer_at_the_root_has_two() {
        assert_eq!(
            as_candidates("https://as.example/").map(|list| list.len()),
            Some(2)
        );
        assert_eq!(as_candidates("api://x"), None);
    }
}
