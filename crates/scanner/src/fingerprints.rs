//! Which product an authorization server is, by its metadata alone (catalogue section (e)).
//!
//! For explanations and for the few rules that a vendor's behaviour decides; a verdict never
//! depends on a name otherwise. What products do changes quickly: the table is data with a
//! date, kinds of evidence are tried in the order host, issuer path, endpoint paths, members,
//! and observed metadata always outweighs the table.

use serde_json::{Map, Value};
use url::Url;

/// When the table was last verified.
pub const AS_OF: &str = "2026-11-25";

/// A recognised product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Product {
    /// Kebab-case, stable.
    pub id: &'static str,
    /// The name people know.
    pub name: &'static str,
    /// What gave it away.
    pub basis: Basis,
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
        }
    }
}

impl Product {
    /// Whether this product demands that scopes stand below the resource they belong to, at
    /// this issuer: only the second version of the endpoints does.
    #[must_use]
    pub fn scopes_below_resource(&self, issuer: &str) -> bool {
        self.id == "entra"
            && Url::parse(issuer)
                .is_ok_and(|url| url.path().trim_end_matches('/').ends_with("/v2.0"))
    }

    /// Whether this product is known to support S256 without listing it.
    #[must_use]
    pub fn hides_s256(&self) -> bool {
        matches!(self.id, "entra" | "cognito")
    }

    /// Whether this product is known to publish an OpenID configuration and no RFC 8414
    /// document.
    #[must_use]
    pub fn openid_only(&self) -> bool {
        matches!(self.id, "entra" | "cognito" | "google")
    }

    /// Whether this product by design has its endpoints under other domains than its issuer.
    #[must_use]
    pub fn spreads_endpoints(&self) -> bool {
        matches!(self.id, "google" | "cognito")
    }
}

/// A host name.
enum Host {
    Is(&'static str),
    Below(&'static str),
    /// Begins and ends so, with something between.
    Between(&'static str, &'static str),
}

impl Host {
    fn matches(&self, host: &str) -> bool {
        match self {
            Self::Is(name) => host == *name,
            Self::Below(parent) => host
                .strip_suffix(parent)
                .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
            Self::Between(start, end) => {
                host.len() > start.len() + end.len()
                    && host.starts_with(start)
                    && host.ends_with(end)
            }
        }
    }
}

/// The shape of a path, a trailing slash aside.
enum Shape {
    Is(&'static str),
    Ends(&'static str),
    Has(&'static str),
}

impl Shape {
    fn matches(&self, path: &str) -> bool {
        let path = path.strip_suffix('/').unwrap_or(path);
        match self {
            Self::Is(whole) => path == *whole,
            Self::Ends(end) => path.ends_with(end),
            Self::Has(part) => path.contains(part),
        }
    }
}

/// How one product is known. Within a field every entry of `endpoints` must match, of the
/// others one is enough.
struct Mark {
    id: &'static str,
    name: &'static str,
    hosts: &'static [Host],
    issuer_paths: &'static [Shape],
    endpoints: &'static [(&'static str, Shape)],
    members: fn(&Map<String, Value>) -> bool,
}

const AUTHORIZE: &str = "authorization_endpoint";
const TOKEN: &str = "token_endpoint";
const REGISTER: &str = "registration_endpoint";
const KEYS: &str = "jwks_uri";

fn nothing(_: &Map<String, Value>) -> bool {
    false
}

fn has(document: &Map<String, Value>, name: &str) -> bool {
    document.contains_key(name)
}

/// The token endpoint's authentication methods are exactly these, in any order.
fn methods_are(document: &Map<String, Value>, wanted: &[&str]) -> bool {
    document
        .get("token_endpoint_auth_methods_supported")
        .and_then(Value::as_array)
        .is_some_and(|list| {
            list.len() == wanted.len()
                && list
                    .iter()
                    .all(|item| item.as_str().is_some_and(|item| wanted.contains(&item)))
        })
}

/// The endpoints of the official server libraries: `/authorize` and `/token` at the root.
fn plain_endpoints(document: &Map<String, Value>) -> bool {
    [(AUTHORIZE, "/authorize"), (TOKEN, "/token")]
        .iter()
        .all(|(name, path)| path_of(document, name).as_deref() == Some(*path))
}

fn path_of(document: &Map<String, Value>, name: &str) -> Option<String> {
    let url = Url::parse(document.get(name)?.as_str()?).ok()?;
    Some(url.path().to_owned())
}

const NONE: Mark = Mark {
    id: "",
    name: "",
    hosts: &[],
    issuer_paths: &[],
    endpoints: &[],
    members: nothing,
};

/// Products in the order in which they are tried within one kind of evidence.
const MARKS: &[Mark] = &[
    Mark {
        id: "entra",
        name: "Microsoft Entra ID",
        hosts: &[
            Host::Is("login.microsoftonline.com"),
            Host::Is("login.microsoftonline.us"),
            Host::Is("login.partner.microsoftonline.cn"),
            Host::Is("sts.windows.net"),
            Host::Below("ciamlogin.com"),
            Host::Below("b2clogin.com"),
        ],
        endpoints: &[
            (AUTHORIZE, Shape::Ends("/oauth2/v2.0/authorize")),
            (TOKEN, Shape::Ends("/oauth2/v2.0/token")),
        ],
        members: |document| {
            has(document, "tenant_region_scope") || has(document, "cloud_instance_name")
        },
        ..NONE
    },
    Mark {
        id: "auth0",
        name: "Auth0",
        hosts: &[Host::Below("auth0.com")],
        endpoints: &[
            (TOKEN, Shape::Is("/oauth/token")),
            (REGISTER, Shape::Is("/oidc/register")),
        ],
        members: |document| has(document, "mfa_challenge_endpoint"),
        ..NONE
    },
    Mark {
        id: "okta",
        name: "Okta",
        hosts: &[
            Host::Below("okta.com"),
            Host::Below("oktapreview.com"),
            Host::Below("okta-emea.com"),
        ],
        endpoints: &[
            (AUTHORIZE, Shape::Ends("/v1/authorize")),
            (KEYS, Shape::Ends("/v1/keys")),
            (AUTHORIZE, Shape::Has("/oauth2/")),
        ],
        ..NONE
    },
    Mark {
        id: "keycloak",
        name: "Keycloak",
        issuer_paths: &[Shape::Has("/realms/")],
        endpoints: &[(AUTHORIZE, Shape::Ends("/protocol/openid-connect/auth"))],
        ..NONE
    },
    Mark {
        id: "google",
        name: "Google",
        hosts: &[Host::Is("accounts.google.com")],
        ..NONE
    },
    Mark {
        id: "cognito",
        name: "Amazon Cognito",
        hosts: &[
            Host::Between("cognito-idp.", ".amazonaws.com"),
            Host::Between("cognito-idp.", ".amazonaws.com.cn"),
        ],
        ..NONE
    },
    Mark {
        id: "workos",
        name: "WorkOS AuthKit",
        hosts: &[Host::Below("authkit.app")],
        endpoints: &[
            (AUTHORIZE, Shape::Is("/oauth2/authorize")),
            (TOKEN, Shape::Is("/oauth2/token")),
            (REGISTER, Shape::Is("/oauth2/register")),
            (KEYS, Shape::Is("/oauth2/jwks")),
        ],
        ..NONE
    },
    Mark {
        id: "stytch",
        name: "Stytch",
        hosts: &[Host::Below("stytch.com")],
        ..NONE
    },
    Mark {
        id: "descope",
        name: "Descope",
        hosts: &[Host::Is("api.descope.com"), Host::Below("descope.com")],
        issuer_paths: &[Shape::Has("/v1/apps/agentic/")],
        endpoints: &[(AUTHORIZE, Shape::Has("/oauth2/v1/apps/agentic/"))],
        ..NONE
    },
    Mark {
        id: "clerk",
        name: "Clerk",
        hosts: &[Host::Below("clerk.accounts.dev")],
        endpoints: &[
            (AUTHORIZE, Shape::Is("/oauth/authorize")),
            ("introspection_endpoint", Shape::Is("/oauth/token_info")),
        ],
        ..NONE
    },
    Mark {
        id: "scalekit",
        name: "Scalekit",
        hosts: &[
            Host::Below("scalekit.com"),
            Host::Below("scalekit.dev"),
            Host::Below("scalekit.cloud"),
        ],
        ..NONE
    },
    Mark {
        id: "supabase",
        name: "Supabase Auth",
        hosts: &[Host::Below("supabase.co")],
        issuer_paths: &[Shape::Is("/auth/v1")],
        endpoints: &[(REGISTER, Shape::Ends("/oauth/clients/register"))],
        ..NONE
    },
    Mark {
        id: "oracle-iam",
        name: "Oracle IAM identity domains",
        hosts: &[Host::Below("identity.oraclecloud.com")],
        ..NONE
    },
    Mark {
        id: "ping",
        name: "Ping Identity",
        hosts: &[
            Host::Between("auth.pingone.", ""),
            Host::Below("forgeblocks.com"),
        ],
        issuer_paths: &[Shape::Has("/am/oauth2")],
        ..NONE
    },
    Mark {
        id: "ory",
        name: "Ory Hydra",
        hosts: &[Host::Below("projects.oryapis.com")],
        endpoints: &[
            (AUTHORIZE, Shape::Is("/oauth2/auth")),
            (TOKEN, Shape::Is("/oauth2/token")),
        ],
        members: |document| has(document, "credentials_endpoint_draft_00"),
        ..NONE
    },
    Mark {
        id: "zitadel",
        name: "Zitadel",
        endpoints: &[
            (AUTHORIZE, Shape::Is("/oauth/v2/authorize")),
            (KEYS, Shape::Is("/oauth/v2/keys")),
        ],
        ..NONE
    },
    Mark {
        id: "curity",
        name: "Curity",
        issuer_paths: &[Shape::Ends("/oauth-anonymous")],
        endpoints: &[
            (AUTHORIZE, Shape::Ends("/oauth-authorize")),
            (TOKEN, Shape::Ends("/oauth-token")),
        ],
        ..NONE
    },
    Mark {
        id: "logto",
        name: "Logto",
        hosts: &[Host::Below("logto.app")],
        endpoints: &[
            (AUTHORIZE, Shape::Is("/oidc/auth")),
            (TOKEN, Shape::Is("/oidc/token")),
        ],
        ..NONE
    },
    Mark {
        id: "better-auth",
        name: "better-auth",
        issuer_paths: &[Shape::Ends("/api/auth")],
        endpoints: &[
            (AUTHORIZE, Shape::Ends("/api/auth/oauth2/authorize")),
            (TOKEN, Shape::Ends("/api/auth/oauth2/token")),
        ],
        ..NONE
    },
    Mark {
        id: "github",
        name: "GitHub",
        hosts: &[Host::Is("github.com")],
        ..NONE
    },
    Mark {
        id: "workers-oauth-provider",
        name: "Cloudflare workers-oauth-provider",
        members: |document| {
            has(document, TOKEN) && document.get("revocation_endpoint") == document.get(TOKEN)
        },
        ..NONE
    },
    Mark {
        id: "mcp-typescript",
        name: "MCP TypeScript server library",
        members: |document| {
            plain_endpoints(document) && methods_are(document, &["client_secret_post", "none"])
        },
        ..NONE
    },
    Mark {
        id: "fastmcp",
        name: "FastMCP",
        members: |document| {
            python_library(document)
                && document.get("client_id_metadata_document_supported") == Some(&Value::Bool(true))
        },
        ..NONE
    },
    Mark {
        id: "mcp-python",
        name: "MCP Python server library",
        members: python_library,
        ..NONE
    },
];

fn python_library(document: &Map<String, Value>) -> bool {
    plain_endpoints(document)
        && methods_are(document, &["client_secret_post", "client_secret_basic"])
}

/// The product behind an issuer, as far as its identifier and, if it was found, its metadata
/// tell. Text that is no URL is never recognised.
#[must_use]
pub fn recognise(issuer: &str, document: Option<&Map<String, Value>>) -> Option<Product> {
    let url = Url::parse(issuer).ok()?;
    let host = url.host_str()?.to_ascii_lowercase();
    let by = |basis: Basis, known: &dyn Fn(&Mark) -> bool| {
        MARKS.iter().find(|mark| known(mark)).map(|mark| Product {
            id: mark.id,
            name: mark.name,
            basis,
        })
    };
    by(Basis::Host, &|mark| {
        mark.hosts.iter().any(|name| name.matches(&host))
    })
    .or_else(|| {
        by(Basis::IssuerPath, &|mark| {
            mark.issuer_paths
                .iter()
                .any(|shape| shape.matches(url.path()))
        })
    })
    .or_else(|| {
        let document = document?;
        by(Basis::EndpointPaths, &|mark| {
            !mark.endpoints.is_empty()
                && mark.endpoints.iter().all(|(name, shape)| {
                    path_of(document, name).is_some_and(|path| shape.matches(&path))
                })
        })
    })
    .or_else(|| {
        let document = document?;
        by(Basis::Members, &|mark| (mark.members)(document))
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
    fn ids_are_unique() {
        let mut ids: Vec<&str> = MARKS.iter().map(|mark| mark.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), MARKS.len());
    }
}
