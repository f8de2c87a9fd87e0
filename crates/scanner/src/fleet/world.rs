//! The state of a fleet: which servers there are and how each behaves. State first, HTTP
//! second: how a situation is served stands in one place, `reply`.

use std::fmt;
use std::sync::Arc;

use serde_json::{Value, json};

use super::registration::{Documents, Registering};

use super::FleetError;
use super::authorization::{Endpoints, Fault, Login};
use super::reply::{Asked, Reply};
use super::resource::Resource;
use super::tokens::Ledger;

/// Everything that is served.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// MCP servers.
    pub servers: Vec<McpServer>,
    /// Authorization servers.
    pub authorization_servers: Vec<AuthorizationServer>,
    /// Changes to whatever is replied, in order: how mutants of a world are made.
    pub edits: Vec<Edit>,
}

/// One change to replies.
#[derive(Clone)]
pub struct Edit(Arc<Change>);

type Change = dyn Fn(&Asked, &mut Reply) + Send + Sync;

impl Edit {
    /// A change; it sees every request and may change its reply.
    #[must_use]
    pub fn new(change: impl Fn(&Asked, &mut Reply) + Send + Sync + 'static) -> Self {
        Self(Arc::new(change))
    }

    pub(super) fn apply(&self, asked: &Asked, reply: &mut Reply) {
        (self.0)(asked, reply);
    }
}

impl fmt::Debug for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Edit")
    }
}

impl World {
    /// The server on that host.
    pub fn server_mut(&mut self, host: &str) -> Option<&mut McpServer> {
        self.servers.iter_mut().find(|server| server.host == host)
    }

    /// The authorization server on that host.
    pub fn authorization_server_mut(&mut self, host: &str) -> Option<&mut AuthorizationServer> {
        self.authorization_servers
            .iter_mut()
            .find(|server| server.host == host)
    }

    /// Every host name, each once.
    #[must_use]
    pub fn hosts(&self) -> Vec<String> {
        let servers = self.servers.iter().map(|server| &server.host);
        let issuers = self.authorization_servers.iter().map(|server| &server.host);
        let mut hosts: Vec<String> = servers.chain(issuers).cloned().collect();
        hosts.sort();
        hosts.dedup();
        hosts
    }
}

/// One MCP server: a host, a path and a way to behave.
#[derive(Debug, Clone)]
pub struct McpServer {
    /// Host name; the fleet's certificate covers it.
    pub host: String,
    /// Path of the endpoint.
    pub path: String,
    /// Name for lists.
    pub name: String,
    /// Wire eras spoken.
    pub speaks: Speaks,
    /// Who may do what.
    pub guard: Guard,
    /// Protected-resource metadata, if any is served.
    pub prm: Option<Prm>,
    /// Entries of `tools/list`.
    pub tools: Value,
    /// `Strict-Transport-Security` is sent.
    pub hsts: bool,
    /// How tokens are taken, where [`Guard::Bearer`] is to take any.
    pub resource: Option<Resource>,
}

/// Wire eras.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Speaks {
    /// Per-request versions.
    pub modern: bool,
    /// The initialize handshake.
    pub legacy: bool,
    /// Legacy handshakes issue a session id.
    pub sessions: bool,
}

/// Who may do what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Guard {
    /// Anybody, anything.
    Open,
    /// A token for everything; none is ever valid here.
    Bearer(Challenge),
    /// A token for everything, and any token will do.
    AnyBearer(Challenge),
    /// Lists are open, calls need a token.
    Lazy(Challenge),
    /// A key in a header of its own.
    ApiKey,
    /// A redirect to a sign-in page.
    Login,
    /// The transport of 2024-11-05 on GET, for anybody.
    Sse,
    /// An intermediary's challenge page.
    Interstitial,
    /// 503.
    Failing,
}

/// What a 401 carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Challenge {
    /// `resource_metadata` is named.
    pub pointer: bool,
    /// `scope` is named.
    pub scope: bool,
    /// `error="invalid_token"` even when no token came.
    pub always_error: bool,
}

impl Challenge {
    /// Everything a strict client wants.
    #[must_use]
    pub fn good() -> Self {
        Self {
            pointer: true,
            scope: true,
            always_error: false,
        }
    }

    /// The scheme and nothing else.
    #[must_use]
    pub fn bare() -> Self {
        Self {
            pointer: false,
            scope: false,
            always_error: false,
        }
    }
}

/// Protected-resource metadata.
#[derive(Debug, Clone, PartialEq)]
pub struct Prm {
    /// Served at the path-inserted location.
    pub at_path: bool,
    /// Served at the root location.
    pub at_root: bool,
    /// The document.
    pub document: Value,
}

/// One authorization server. Only its metadata and keys are read unless it has endpoints.
#[derive(Debug, Clone)]
pub struct AuthorizationServer {
    /// Host name.
    pub host: String,
    /// RFC 8414 metadata at the root location, if served.
    pub oauth: Option<Value>,
    /// OpenID configuration at the root location, if served.
    pub oidc: Option<Value>,
    /// Key set.
    pub keys: Value,
    /// Authorization, token and introspection endpoints, if there are any.
    pub endpoints: Option<Endpoints>,
    /// How clients register, if they can; needs endpoints.
    pub registering: Option<Registering>,
    /// How client documents are fetched, if they are.
    pub documents: Option<Documents>,
}

impl McpServer {
    /// A server that asks for a token on everything and follows every rule, with its
    /// authorization server at `issuer`.
    #[must_use]
    pub fn compliant(host: &str, name: &str, issuer: &str) -> Self {
        let resource = format!("https://{host}/mcp");
        Self {
            host: host.into(),
            path: "/mcp".into(),
            name: name.into(),
            speaks: Speaks {
                modern: true,
                legacy: true,
                sessions: false,
            },
            guard: Guard::Bearer(Challenge::good()),
            prm: Some(Prm {
                at_path: true,
                at_root: false,
                document: json!({
                    "resource": resource,
                    "resource_name": name,
                    "authorization_servers": [issuer],
                    "scopes_supported": ["mcp:use"],
                    "bearer_methods_supported": ["header"],
                }),
            }),
            tools: read_only_tools(),
            hsts: true,
            resource: None,
        }
    }

    /// A server that asks nobody for anything.
    #[must_use]
    pub fn open(host: &str, name: &str) -> Self {
        Self {
            guard: Guard::Open,
            prm: None,
            ..Self::compliant(host, name, "")
        }
    }

    /// The endpoint's URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}{}", self.host, self.path)
    }

    /// Changes the protected-resource document, if there is one.
    #[must_use]
    pub fn with_prm(mut self, change: impl FnOnce(&mut Value)) -> Self {
        if let Some(prm) = &mut self.prm {
            change(&mut prm.document);
        }
        self
    }
}

impl AuthorizationServer {
    /// An authorization server that announces everything a strict client wants.
    #[must_use]
    pub fn compliant(host: &str) -> Self {
        let base = format!("https://{host}");
        Self {
            host: host.into(),
            oauth: Some(json!({
                "issuer": base,
                "authorization_endpoint": format!("{base}/authorize"),
                "token_endpoint": format!("{base}/token"),
                "jwks_uri": format!("{base}/jwks"),
                "response_types_supported": ["code"],
                "grant_types_supported": ["authorization_code", "refresh_token"],
                "token_endpoint_auth_methods_supported": ["none", "private_key_jwt"],
                "code_challenge_methods_supported": ["S256"],
                "client_id_metadata_document_supported": true,
                "authorization_response_iss_parameter_supported": true,
                "scopes_supported": ["mcp:use", "offline_access"],
            })),
            oidc: None,
            keys: json!({ "keys": [{
                "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": "2026-01",
                "x": "wXQDyma2QZJfXPZHtzNSuaFAcOmmiYDwVkJixbSYDXU",
                "y": "bMC7vAt9IPUVDRcHC9Gr6XwGO-64hRq-tp4LdOjfL6U",
            }] }),
            registering: None,
            documents: None,
            endpoints: None,
        }
    }

    /// The same with endpoints that do everything right, and with their keys: tokens are issued
    /// for these resources.
    ///
    /// # Errors
    ///
    /// If no key can be made.
    pub fn with_endpoints(mut self, resources: &[&str]) -> Result<Self, FleetError> {
        let ledger = Ledger::new()?;
        self.keys = ledger.key_set();
        self.endpoints = Some(Endpoints::good(ledger, resources));
        let base = format!("https://{}", self.host);
        Ok(self.with(|document| {
            document["introspection_endpoint"] = format!("{base}/introspect").into();
            document["revocation_endpoint"] = format!("{base}/revoke").into();
            document["introspection_endpoint_auth_methods_supported"] =
                json!(["client_secret_basic"]);
            document["revocation_endpoint_auth_methods_supported"] = json!(["none"]);
            document["token_endpoint_auth_methods_supported"] = json!(["none"]);
        }))
    }

    /// The same with these wrong behaviours of its endpoints.
    #[must_use]
    pub fn faulty(mut self, faults: &[Fault]) -> Self {
        if let Some(endpoints) = &mut self.endpoints {
            endpoints.faults.extend_from_slice(faults);
        }
        self
    }

    /// The same with another answer to valid authorization requests.
    #[must_use]
    pub fn login(mut self, login: Login) -> Self {
        if let Some(endpoints) = &mut self.endpoints {
            endpoints.login = login;
        }
        self
    }

    /// The same with a registration endpoint, and it fetches client documents.
    #[must_use]
    pub fn with_registration(mut self, registering: Registering, documents: Documents) -> Self {
        self.registering = Some(registering);
        self.documents = Some(documents);
        let endpoint = format!("https://{}/register", self.host);
        self.with(|document| document["registration_endpoint"] = endpoint.into())
    }

    /// Changes the RFC 8414 metadata, if it is served.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Value)) -> Self {
        if let Some(document) = &mut self.oauth {
            change(document);
        }
        self
    }
}

/// Two tools that say they only read.
#[must_use]
pub fn read_only_tools() -> Value {
    json!([
        {
            "name": "search_notes",
            "description": "Finds notes by words.",
            "inputSchema": { "type": "object", "properties": { "words": { "type": "string" } }, "required": ["words"] },
            "annotations": { "readOnlyHint": true },
        },
        {
            "name": "read_note",
            "description": "Reads one note.",
            "inputSchema": { "type": "object", "properties": { "id": { "type": "string" } }, "required": ["id"] },
            "annotations": { "readOnlyHint": true },
        },
    ])
}

/// Tools that change and execute things, by their own annotation.
#[must_use]
pub fn destructive_tools() -> Value {
    json!([
        {
            "name": "execute_sql",
            "description": "Runs an SQL statement.",
            "inputSchema": { "type": "object", "properties": { "sql": { "type": "string" } }, "required": ["sql"] },
            "annotations": { "readOnlyHint": false, "destructiveHint": true },
        },
        {
            "name": "delete_table",
            "description": "Deletes a table.",
            "inputSchema": { "type": "object", "properties": { "table": { "type": "string" } }, "required": ["table"] },
            "annotations": { "destructiveHint": true },
        },
    ])
}
