//! How sample authorization servers let clients become known: by registration (RFC 7591 and
//! 7592), and by documents that they fetch. Whatever can be done wrong is a switch.

use serde_json::{Value, json};
use url::Url;

use super::fetch::{Fetch, Fetched};
use super::reply::{Asked, Reply};
use super::tokens::{Client, Ledger};
use super::world::AuthorizationServer;

/// How registration is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registering {
    /// Anybody may register; otherwise 401.
    pub open: bool,
    /// A registration without redirects is accepted.
    pub without_redirects: bool,
    /// Any redirect is accepted.
    pub any_redirect: bool,
    /// Public clients are given a secret, too.
    pub secrets_for_all: bool,
    /// `Cache-Control: no-store` is sent.
    pub no_store: bool,
    /// Clients can be deleted.
    pub deletable: bool,
}

impl Registering {
    /// By the book.
    #[must_use]
    pub fn good() -> Self {
        Self {
            open: true,
            without_redirects: false,
            any_redirect: false,
            secrets_for_all: false,
            no_store: true,
            deletable: true,
        }
    }

    /// Everything wrong that can be, but clients can be deleted.
    #[must_use]
    pub fn bad() -> Self {
        Self {
            open: true,
            without_redirects: true,
            any_redirect: true,
            secrets_for_all: true,
            no_store: false,
            deletable: true,
        }
    }
}

/// How client documents are fetched and read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Documents {
    /// `client_id` is compared with the URL.
    pub compare_id: bool,
    /// Illegal URLs are refused before fetching.
    pub check_url: bool,
    /// Special-use addresses are refused.
    pub guard: bool,
    /// One redirect is followed.
    pub follow: bool,
    /// Longest document, in bytes.
    pub most_bytes: usize,
    /// Longest wait, in milliseconds.
    pub patience_ms: u64,
    /// Errors say what went wrong with the connection.
    pub tell: bool,
}

impl Documents {
    /// By the book. The wait is short, so that tests are.
    #[must_use]
    pub fn good() -> Self {
        Self {
            compare_id: true,
            check_url: true,
            guard: true,
            follow: false,
            most_bytes: 8 * 1024,
            patience_ms: 1_000,
            tell: false,
        }
    }

    /// Everything wrong that can be.
    #[must_use]
    pub fn bad() -> Self {
        Self {
            compare_id: false,
            check_url: false,
            guard: false,
            follow: true,
            most_bytes: 1 << 20,
            patience_ms: 1_000,
            tell: true,
        }
    }
}

/// The answer of the registration endpoint (`/register`) and of client configurations
/// (`/register/{id}`); `None` for other paths, or if the server registers nobody.
#[must_use]
pub fn reply(server: &AuthorizationServer, asked: &Asked) -> Option<Reply> {
    let policy = server.registering?;
    let ledger = &server.endpoints.as_ref()?.ledger;
    let rest = asked.path.strip_prefix("/register")?;
    Some(match (asked.method.as_str(), rest.strip_prefix('/')) {
        ("POST", None) if rest.is_empty() => register(server, ledger, policy, asked),
        ("DELETE", Some(id)) if policy.deletable => delete(ledger, asked, id),
        _ => Reply::status(405).with("allow", "POST"),
    })
}

fn register(
    server: &AuthorizationServer,
    ledger: &Ledger,
    policy: Registering,
    asked: &Asked,
) -> Reply {
    if !policy.open {
        return Reply::json(401, &json!({ "error": "invalid_token" }))
            .with("www-authenticate", "Bearer");
    }
    let Ok(Value::Object(mut members)) = serde_json::from_str(&asked.body) else {
        return refused("invalid_client_metadata");
    };
    let redirects: Vec<String> = members
        .get("redirect_uris")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|uri| uri.as_str().map(str::to_owned))
        .collect();
    if redirects.is_empty() && !policy.without_redirects
        || !policy.any_redirect && !redirects.iter().all(|uri| is_safe(uri))
    {
        return refused("invalid_redirect_uri");
    }
    let text = |name: &str| {
        members
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let public = text("token_endpoint_auth_method") == "none";
    let token = ledger.fresh("canary-registration-");
    let client = Client {
        id: ledger.fresh("client-"),
        name: text("client_name"),
        redirects,
        secret: (!public || policy.secrets_for_all).then(|| ledger.fresh("canary-secret-")),
        registration_token: Some(token.clone()),
    };
    members.insert("client_id".into(), client.id.clone().into());
    members.insert(
        "registration_client_uri".into(),
        format!("https://{}/register/{}", server.host, client.id).into(),
    );
    members.insert("registration_access_token".into(), token.into());
    if let Some(secret) = &client.secret {
        members.insert("client_secret".into(), secret.clone().into());
        members.insert("client_secret_expires_at".into(), 0.into());
    }
    ledger.add_client(client);
    let reply = Reply::json(201, &Value::Object(members));
    if policy.no_store {
        reply.with("cache-control", "no-store")
    } else {
        reply
    }
}

fn refused(error: &str) -> Reply {
    Reply::json(400, &json!({ "error": error })).with("cache-control", "no-store")
}

/// https, or http on loopback; no fragment, no wildcard.
fn is_safe(uri: &str) -> bool {
    let Ok(url) = Url::parse(uri) else {
        return false;
    };
    let loopback = matches!(url.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"));
    (url.scheme() == "https" || url.scheme() == "http" && loopback)
        && url.fragment().is_none()
        && !uri.contains('*')
}

fn delete(ledger: &Ledger, asked: &Asked, id: &str) -> Reply {
    let token = asked
        .header("authorization")
        .and_then(|value| value.strip_prefix("Bearer "));
    let known = ledger
        .client(id)
        .and_then(|client| client.registration_token);
    if known.is_none() || known.as_deref() != token {
        return Reply::json(401, &json!({ "error": "invalid_token" }));
    }
    ledger.remove_client(id);
    Reply::status(204)
}

/// The client that the document of an authorization request describes; the words of the
/// refusal if it is none. `None` if the request names no document, or the server fetches none.
pub(super) async fn named(
    policy: Option<Documents>,
    fetch: &Fetch,
    asked: &Asked,
) -> Option<Result<Client, String>> {
    let policy = policy?;
    if asked.path != "/authorize" {
        return None;
    }
    let query = asked.query.as_deref()?;
    let (_, id) = url::form_urlencoded::parse(query.as_bytes())
        .find(|(name, value)| name == "client_id" && value.contains("://"))?;
    Some(document(policy, fetch, &id).await)
}

async fn document(policy: Documents, fetch: &Fetch, id: &str) -> Result<Client, String> {
    let url = Url::parse(id).map_err(|_| "the client id is no URL".to_owned())?;
    if policy.check_url && !is_legal(id, &url) {
        return Err("the client id is no legal URL".to_owned());
    }
    let fetched = fetch.document(&url, policy).await;
    let text = match fetched {
        Fetched::Document(text) => text,
        Fetched::Refused(why) | Fetched::Failed(why) if policy.tell => return Err(why),
        Fetched::Refused(_) | Fetched::Failed(_) => {
            return Err("the client's document cannot be used".to_owned());
        }
    };
    let document: Value = serde_json::from_str(&text)
        .map_err(|_| "the client's document cannot be used".to_owned())?;
    if policy.compare_id && document.get("client_id").and_then(Value::as_str) != Some(id) {
        return Err("the client's document names another client".to_owned());
    }
    let texts = |name: &str| {
        document
            .get(name)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|value| value.as_str().map(str::to_owned))
            .collect()
    };
    Ok(Client {
        id: id.to_owned(),
        name: document
            .get("client_name")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
        redirects: texts("redirect_uris"),
        secret: None,
        registration_token: None,
    })
}

/// Client ID Metadata Documents, section 3.
fn is_legal(id: &str, url: &Url) -> bool {
    url.scheme() == "https"
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none()
        && url.path() != "/"
        && !id
            .split(['?', '#'])
            .next()
            .unwrap_or(id)
            .split('/')
            .any(|part| matches!(part, "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(method: &str, path: &str, body: &str, token: Option<&str>) -> Asked {
        Asked {
            host: "id.example".into(),
            method: method.into(),
            path: path.into(),
            query: None,
            headers: token
                .map(|token| ("authorization".into(), format!("Bearer {token}")))
                .into_iter()
                .collect(),
            body: body.into(),
            named: None,
        }
    }

    fn server() -> AuthorizationServer {
        AuthorizationServer::compliant("id.example")
            .with_endpoints(&[])
            .unwrap()
            .with_registration(Registering::good(), Documents::good())
    }

    const GOOD: &str =
        r#"{"redirect_uris":["http://127.0.0.1:1/cb"],"token_endpoint_auth_method":"none"}"#;

    #[test]
    fn clients_come_and_go_with_their_own_token() {
        let server = server();
        let made = reply(&server, &asked("POST", "/register", GOOD, None)).unwrap();
        assert_eq!(made.status, 201);
        let made: Value = serde_json::from_str(&made.body).unwrap();
        assert_eq!(made.get("client_secret"), None);
        let path = format!("/register/{}", made["client_id"].as_str().unwrap());
        let token = made["registration_access_token"].as_str().unwrap();
        let delete = |token| {
            reply(&server, &asked("DELETE", &path, "", token))
                .unwrap()
                .status
        };
        assert_eq!(delete(Some("guessed")), 401);
        assert_eq!(delete(Some(token)), 204);
        assert_eq!(delete(Some(token)), 401);
        assert_eq!(server.endpoints.unwrap().ledger.clients(), 0);
    }

    #[test]
    fn what_may_be_registered_is_a_switch() {
        let mut server = server();
        let status = |server: &AuthorizationServer, redirect: &str| {
            let body = json!({ "redirect_uris": [redirect] }).to_string();
            reply(server, &asked("POST", "/register", &body, None))
                .unwrap()
                .status
        };
        let dangerous = [
            "http://redirect-probe.invalid/cb",
            "javascript:alert(1)",
            "https://redirect-probe.invalid/cb#frag",
            "https://*.redirect-probe.invalid/cb",
        ];
        for redirect in dangerous {
            assert_eq!(status(&server, redirect), 400, "{redirect}");
        }
        server.registering = Some(Registering::bad());
        for redirect in dangerous {
            assert_eq!(status(&server, redirect), 201, "{redirect}");
        }
        server.registering = None;
        assert!(reply(&server, &asked("POST", "/register", GOOD, None)).is_none());
    }

    #[test]
    fn legal_client_ids() {
        let legal = |id: &str| is_legal(id, &Url::parse(id).unwrap());
        assert!(legal("https://own.example.net/client"));
        for id in [
            "http://own.example.net/client",
            "https://own.example.net",
            "https://own.example.net/client#x",
            "https://u:p@own.example.net/client",
            "https://own.example.net/a/../client",
        ] {
            assert!(!legal(id), "{id}");
        }
    }
}
