//! Which product an authorization server is, by its metadata alone (catalogue section (e)).
//!
//! For explanations, for attribution, and for the few rules that a vendor's behaviour decides;
//! a verdict never depends on a name otherwise. What products do changes quickly: [`table`] is
//! data with a date, kinds of evidence are tried in the order host, issuer path, endpoint
//! paths, members, challenge, and observed metadata always outweighs the table.

pub mod table;

use serde_json::{Map, Value};
use url::Url;

use crate::facts::plain::Plain;
use table::{Entry, Kind, Members, Rule, Trait, fits};

/// A recognised product.
#[derive(Debug, Clone, Copy)]
pub struct Product {
    /// Kebab-case, stable.
    pub id: &'static str,
    /// The name people know.
    pub name: &'static str,
    /// What gave it away.
    pub basis: Basis,
    /// All that the table knows of it.
    pub entry: &'static Entry,
}

/// What gave a product away, the strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Basis {
    /// The issuer's host name.
    Host,
    /// The shape of the issuer's path.
    IssuerPath,
    /// The shape of the endpoints' paths.
    EndpointPaths,
    /// Members and values that only this product writes.
    Members,
    /// The wording of the challenge at the MCP server that it is part of.
    Challenge,
}

impl Basis {
    /// The words used in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Host => "issuer host",
            Self::IssuerPath => "issuer path",
            Self::EndpointPaths => "endpoint paths",
            Self::Members => "characteristic members",
            Self::Challenge => "challenge text",
        }
    }
}

impl Product {
    /// Whether this product demands that scopes stand below the resource they belong to, at
    /// this issuer: only the second version of the endpoints does.
    #[must_use]
    pub fn scopes_below_resource(&self, issuer: &str) -> bool {
        self.has(Trait::ScopesBelowResource)
            && Url::parse(issuer)
                .is_ok_and(|url| url.path().trim_end_matches('/').ends_with("/v2.0"))
    }

    /// Whether this product is known to support S256 without listing it.
    #[must_use]
    pub fn hides_s256(&self) -> bool {
        self.has(Trait::HidesS256)
    }

    /// Whether this product is known to publish an OpenID configuration and no RFC 8414
    /// document.
    #[must_use]
    pub fn openid_only(&self) -> bool {
        self.has(Trait::OpenidOnly)
    }

    /// Whether this product by design has its endpoints under other domains than its issuer.
    #[must_use]
    pub fn spreads_endpoints(&self) -> bool {
        self.has(Trait::SpreadsEndpoints)
    }

    /// Whether the product is a part of the MCP server.
    #[must_use]
    pub fn is_library(&self) -> bool {
        self.entry.kind == Kind::Library
    }

    /// What the table says of a check's finding with this reason code.
    #[must_use]
    pub fn rule(&self, check: &str, reason: &str) -> Option<&'static Rule> {
        self.entry.rules.iter().find(|rule| {
            rule.checks.iter().any(|id| id == check)
                && (rule.reasons.is_empty() || rule.reasons.iter().any(|code| code == reason))
        })
    }

    fn has(&self, wanted: Trait) -> bool {
        self.entry.traits.contains(&wanted)
    }
}

impl Members {
    fn hold(&self, document: &Map<String, Value>) -> bool {
        let has = |name: &String| document.contains_key(name);
        let yes = |name: &String| document.get(name) == Some(&Value::Bool(true));
        let same = self.same.windows(2).all(|pair| {
            document.contains_key(&pair[0]) && document.get(&pair[0]) == document.get(&pair[1])
        });
        self.has.iter().all(has)
            && self.yes.iter().all(yes)
            && same
            && self
                .paths
                .iter()
                .all(|(name, shape)| path_fits(document, name, shape))
            && (self.auth_methods.is_empty() || methods_are(document, &self.auth_methods))
    }
}

/// The token endpoint's authentication methods are exactly these, in any order.
fn methods_are(document: &Map<String, Value>, wanted: &[String]) -> bool {
    document
        .get("token_endpoint_auth_methods_supported")
        .and_then(Value::as_array)
        .is_some_and(|list| {
            list.len() == wanted.len()
                && list.iter().all(|item| {
                    item.as_str()
                        .is_some_and(|item| wanted.iter().any(|method| method == item))
                })
        })
}

/// The path of an endpoint fits a pattern, a trailing slash aside.
fn path_fits(document: &Map<String, Value>, name: &str, pattern: &str) -> bool {
    let Some(text) = document.get(name).and_then(Value::as_str) else {
        return false;
    };
    match Plain::of(text).and_then(|plain| plain.path()) {
        Some(path) => fits(pattern, bare(path), 0),
        None => Url::parse(text).is_ok_and(|url| fits(pattern, bare(url.path()), 0)),
    }
}

fn bare(path: &str) -> &str {
    path.strip_suffix('/').unwrap_or(path)
}

/// The product behind an issuer, as far as its identifier and, if it was found, its metadata
/// tell. Text that is no URL is never recognised.
#[must_use]
pub fn recognise(issuer: &str, document: Option<&Map<String, Value>>) -> Option<Product> {
    recognise_with(issuer, document, &[])
}

/// The same with the challenges of an MCP server on the issuer's own host: the weakest signal.
#[must_use]
pub fn recognise_with(
    issuer: &str,
    document: Option<&Map<String, Value>>,
    challenges: &[&str],
) -> Option<Product> {
    let url = Url::parse(issuer).ok()?;
    let host = url.host_str()?.to_ascii_lowercase();
    let by = |basis: Basis, known: &dyn Fn(&Entry) -> bool| {
        table::table()
            .products
            .iter()
            .find(|entry| known(entry))
            .map(|entry| Product {
                id: &entry.id,
                name: &entry.name,
                basis,
                entry,
            })
    };
    by(Basis::Host, &|entry| {
        entry.host.iter().any(|name| fits(name, &host, 1))
    })
    .or_else(|| {
        by(Basis::IssuerPath, &|entry| {
            let path = bare(url.path());
            entry.issuer_path.iter().any(|shape| fits(shape, path, 0))
        })
    })
    .or_else(|| {
        let document = document?;
        by(Basis::EndpointPaths, &|entry| {
            !entry.endpoints.is_empty()
                && entry
                    .endpoints
                    .iter()
                    .all(|(name, shape)| path_fits(document, name, shape))
        })
    })
    .or_else(|| {
        let document = document?;
        by(Basis::Members, &|entry| {
            entry.members.iter().any(|members| members.hold(document))
        })
    })
    .or_else(|| {
        by(Basis::Challenge, &|entry| {
            entry.challenge.iter().any(|shape| {
                challenges
                    .iter()
                    .any(|text| fits(shape, &text.to_ascii_lowercase(), 0))
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn id(issuer: &str, document: &Value) -> Option<(&'static str, Basis)> {
        let document = document.as_object().cloned();
        recognise(issuer, document.as_ref()).map(|product| (product.id, product.basis))
    }

    #[test]
    fn hosts_are_names_and_not_substrings() {
        let known = |issuer: &str| recognise(issuer, None).map(|product| product.id);
        assert_eq!(
            known("https://login.microsoftonline.com/5f3a/v2.0"),
            Some("entra")
        );
        assert_eq!(known("https://acme.eu.auth0.com/"), Some("auth0"));
        assert_eq!(known("https://evilauth0.com/"), None);
        assert_eq!(known("https://auth0.com.evil.dev/"), None);
        assert_eq!(
            known("https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_x"),
            Some("cognito")
        );
        assert_eq!(known("https://auth.pingone.eu/3d/as"), Some("ping"));
        assert_eq!(known("api://x"), None);
        assert_eq!(known("not a url"), None);
    }

    #[test]
    fn hosts_outweigh_paths_and_paths_outweigh_members() {
        assert_eq!(
            id(
                "https://id.acme.dev/realms/main",
                &json!({ "mfa_challenge_endpoint": "x" })
            ),
            Some(("keycloak", Basis::IssuerPath))
        );
        assert_eq!(
            id(
                "https://id.acme.dev",
                &json!({
                    "authorization_endpoint": "https://id.acme.dev/t/oauth2/v2.0/authorize",
                    "token_endpoint": "https://id.acme.dev/t/oauth2/v2.0/token",
                })
            ),
            Some(("entra", Basis::EndpointPaths))
        );
        assert_eq!(id("https://id.acme.dev", &json!({})), None);
    }

    #[test]
    fn server_libraries_are_known_by_their_lists() {
        let document = |methods: Value| {
            json!({
                "authorization_endpoint": "https://mcp.acme.dev/authorize",
                "token_endpoint": "https://mcp.acme.dev/token",
                "token_endpoint_auth_methods_supported": methods,
            })
        };
        let issuer = "https://mcp.acme.dev/";
        assert_eq!(
            id(issuer, &document(json!(["client_secret_post", "none"]))),
            Some(("mcp-typescript", Basis::Members))
        );
        let python = document(json!(["client_secret_post", "client_secret_basic"]));
        assert_eq!(id(issuer, &python), Some(("mcp-python", Basis::Members)));
        let mut proxy = python;
        proxy["client_id_metadata_document_supported"] = true.into();
        assert_eq!(id(issuer, &proxy), Some(("fastmcp", Basis::Members)));
        assert_eq!(id(issuer, &document(json!(["none"]))), None);
    }

    #[test]
    fn only_the_second_version_binds_scopes() {
        let bound = |issuer: &str| {
            recognise(issuer, None).is_some_and(|product| product.scopes_below_resource(issuer))
        };
        assert!(bound("https://login.microsoftonline.com/5f3a/v2.0"));
        assert!(bound("https://acme.b2clogin.com/5f3a/v2.0/"));
        assert!(!bound("https://sts.windows.net/5f3a/"));
        assert!(!bound("https://acme.okta.com/v2.0"));
    }

    #[test]
    fn challenges_are_the_last_resort() {
        let text = "Bearer realm=\"OAuth\", resource_metadata=\"https://w.acme.dev/prm\"";
        let known = recognise_with("https://w.acme.dev", None, &[text]).expect("a product");
        assert_eq!(
            (known.id, known.basis),
            ("workers-oauth-provider", Basis::Challenge)
        );
        let other = recognise_with("https://acme.auth0.com/", None, &[text]).expect("a product");
        assert_eq!(other.id, "auth0");
        assert!(recognise("https://w.acme.dev", None).is_none());
    }

    #[test]
    fn stars_stand_for_something() {
        for (pattern, text, least, wanted) in [
            ("*.auth0.com", "acme.auth0.com", 1, true),
            ("*.auth0.com", ".auth0.com", 1, false),
            ("*/v1/keys", "/v1/keys", 0, true),
            ("*/oauth2/*v1/authorize", "/oauth2/v1/authorize", 0, true),
            (
                "*/oauth2/*v1/authorize",
                "/oauth2/default/v1/authorize",
                0,
                true,
            ),
            ("*/oauth2/*v1/authorize", "/oauth/v1/authorize", 0, false),
            ("*ä", "öä", 1, true),
            ("", "", 0, true),
        ] {
            assert_eq!(
                table::fits(pattern, text, least),
                wanted,
                "{pattern} {text}"
            );
        }
    }

    #[test]
    fn the_table_is_whole() {
        let table = table::table();
        let dated = |date: &str| date.starts_with("20") && date <= table.as_of.as_str();
        let mut ids: Vec<&str> = table
            .products
            .iter()
            .map(|entry| entry.id.as_str())
            .collect();
        assert!(ids.len() >= 24, "{}", ids.len());
        for entry in &table.products {
            let signals = [&entry.host, &entry.issuer_path, &entry.challenge];
            assert!(
                signals.iter().any(|list| !list.is_empty())
                    || !entry.endpoints.is_empty()
                    || !entry.members.is_empty(),
                "{} has no signal",
                entry.id
            );
            assert!(!entry.support.statements().is_empty(), "{}", entry.id);
            for rule in &entry.rules {
                assert!(rule.date.as_deref().is_none_or(dated), "{}", entry.id);
                assert!(!rule.because.ends_with('.'), "{}", rule.because);
                for check in &rule.checks {
                    assert!(
                        crate::checks::by_id(check).is_some(),
                        "{}: there is no check {check}",
                        entry.id
                    );
                }
            }
        }
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count, "an id stands twice");
    }
}
