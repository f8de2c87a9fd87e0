//! Authorization, token, introspection and revocation endpoints of the sample authorization
//! servers: right by default, wrong where a [`Fault`] says so.

mod token_endpoint;

use serde_json::Value;
use url::Url;

use super::reply::{Asked, Reply};
use super::tokens::{Client, Grant, Ledger};

use super::world::AuthorizationServer;

/// The endpoints of an authorization server and how they behave.
#[derive(Debug, Clone)]
pub struct Endpoints {
    /// What was handed out; clones share it.
    pub ledger: Ledger,
    /// What a valid authorization request meets.
    pub login: Login,
    /// The resources it issues tokens for.
    pub resources: Vec<String>,
    /// What it does wrong.
    pub faults: Vec<Fault>,
}

/// What a valid authorization request meets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// A sign-in page on a path of its own.
    SignIn,
    /// A consent page that names the client and where it will be sent.
    Consent,
    /// A consent page that names an upstream provider and nothing else.
    BareConsent,
    /// Somebody is signed in and has consented: a code at once.
    Codes,
    /// A redirect to this authorization endpoint of somebody else, with one client for all.
    Upstream(String),
}

/// A wrong behaviour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Requests without a challenge go on.
    NoChallenge,
    /// Requests with a plain challenge, or a challenge without a method, go on.
    PlainChallenge,
    /// Every `resource` is refused.
    ResourceRefused,
    /// Every `resource` is taken.
    AnyResource,
    /// Errors of unknown clients and of unregistered redirects are sent to the redirect.
    OpenRedirector,
    /// Any redirect goes on.
    AnyRedirect,
    /// A redirect that begins like a registered one goes on.
    PrefixRedirect,
    /// A query may be added to a registered redirect.
    QueryRedirect,
    /// The port of loopback redirects is compared, and named in the error.
    PortCompared,
    /// Everybody signs in before anything is looked at.
    SignInFirst,
    /// CORS with credentials for every origin.
    CorsCredentials,
    /// CORS for every origin.
    CorsAny,
    /// Pages may be framed.
    Framable,
    /// No `iss` in authorization responses.
    NoIss,
    /// `iss` only with codes.
    NoIssInErrors,
    /// Another `iss`.
    WrongIss,
    /// No `state` in error responses.
    StateLost,
    /// Errors are shown on pages only.
    LocalErrors,
    /// Redirects with 307.
    Status307,
    /// Tokens in the fragment.
    Implicit,
    /// A consent cookie before there is consent.
    EarlyCookie,
    /// The token endpoint takes GET.
    TokenByGet,
    /// The password grant is alive.
    PasswordGrant,
    /// Errors of the token endpoint are pages.
    HtmlErrors,
    /// Errors of the token endpoint may be cached.
    CacheableErrors,
    /// Anybody may introspect.
    OpenIntrospection,
    /// Anybody may introspect, and learns more than `active`.
    TalkingIntrospection,
    /// A code works more than once.
    CodeReused,
    /// A code works for every client.
    CodeOfAnyClient,
    /// Codes live for ever.
    CodeForever,
    /// The verifier is not looked at.
    VerifierIgnored,
    /// Refresh tokens stay as they are.
    NoRotation,
    /// An old refresh token keeps working.
    OldRefreshWorks,
    /// The token request may name another resource.
    WidenedResource,
}

impl Endpoints {
    /// Endpoints that do everything right, for tokens of these resources.
    #[must_use]
    pub fn good(ledger: Ledger, resources: &[&str]) -> Self {
        Self {
            ledger,
            login: Login::SignIn,
            resources: resources.iter().map(|text| (*text).to_owned()).collect(),
            faults: Vec::new(),
        }
    }

    /// Whether something is done wrong.
    #[must_use]
    pub fn has(&self, fault: Fault) -> bool {
        self.faults.contains(&fault)
    }
}

/// The reply of one of the endpoints; `None` if the path is none of theirs.
#[must_use]
pub fn reply(server: &AuthorizationServer, asked: &Asked) -> Option<Reply> {
    let endpoints = server.endpoints.as_ref()?;
    let here = Here {
        server,
        endpoints,
        asked,
    };
    Some(match asked.path.as_str() {
        "/authorize" => here.guarded(here.authorize()),
        "/login" => here.guarded(here.sign_in()),
        "/token" => here.token(),
        "/introspect" => here.introspect(),
        "/revoke" => here.revoke(),
        _ => return None,
    })
}

const SIGN_IN: &str = "<form method=post action=/login><input name=username>\
                       <input type=password name=password><button>Sign in</button></form>";

/// The client of all requests that are passed on.
const UPSTREAM_CLIENT: &str = "fleet-proxy-client";

struct Here<'w> {
    server: &'w AuthorizationServer,
    endpoints: &'w Endpoints,
    asked: &'w Asked,
}

/// Name-value pairs of a query or a form.
struct Fields(Vec<(String, String)>);

impl Fields {
    fn of(text: &str) -> Self {
        Self(
            url::form_urlencoded::parse(text.as_bytes())
                .into_owned()
                .collect(),
        )
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    fn text(&self, name: &str) -> String {
        self.get(name).unwrap_or_default().to_owned()
    }
}

impl Here<'_> {
    fn has(&self, fault: Fault) -> bool {
        self.endpoints.has(fault)
    }

    fn issuer(&self) -> String {
        let issuer = self.server.oauth.as_ref().and_then(|document| {
            document
                .get("issuer")
                .and_then(Value::as_str)
                .map(str::to_owned)
        });
        issuer.unwrap_or_else(|| format!("https://{}", self.server.host))
    }

    // --- authorization ----------------------------------------------------------------

    fn authorize(&self) -> Reply {
        if self.asked.method != "GET" && self.asked.method != "POST" {
            return Reply::status(405).with("allow", "GET, POST");
        }
        let fields = Fields::of(match self.asked.method.as_str() {
            "POST" => &self.asked.body,
            _ => self.asked.query.as_deref().unwrap_or_default(),
        });
        if self.has(Fault::SignInFirst) {
            return self.page("Sign in", SIGN_IN);
        }
        let redirect = fields.text("redirect_uri");
        let Some(client) = self.client(&fields.text("client_id")) else {
            let why = match &self.asked.named {
                Some(Err(why)) => why,
                _ => "Unknown client.",
            };
            return self.refuse_here(&fields, "invalid_client", why);
        };
        if !self.accepts_redirect(&client, &redirect) {
            let why = if self.has(Fault::PortCompared) && is_loopback(&redirect) {
                "The redirect_uri is not registered: its port differs."
            } else {
                "The redirect_uri is not registered."
            };
            return self.refuse_here(&fields, "invalid_request", why);
        }
        if let Some(code) = self.wrong_with(&fields) {
            return self.refuse(&fields, code);
        }
        self.go_on(&client, &fields)
    }

    /// The page that a valid request is sent on to, under a value that nobody else knows.
    fn sign_in(&self) -> Reply {
        let fields = Fields::of(self.asked.query.as_deref().unwrap_or_default());
        if fields.text("session").len() != 43 {
            return self.error_page("invalid_request", "The session is unknown.");
        }
        self.page("Sign in", SIGN_IN)
    }

    /// The client of this identifier: registered, or a document.
    fn client(&self, id: &str) -> Option<Client> {
        let named = || self.asked.named.clone().and_then(Result::ok);
        self.endpoints.ledger.client(id).or_else(named)
    }

    fn accepts_redirect(&self, client: &Client, asked: &str) -> bool {
        if self.has(Fault::AnyRedirect) {
            return true;
        }
        let bare = asked.split('?').next().unwrap_or_default();
        client.redirects.iter().any(|known| {
            known == asked
                || (self.has(Fault::PrefixRedirect) && asked.starts_with(known.as_str()))
                || (self.has(Fault::QueryRedirect) && bare == known)
                || (!self.has(Fault::PortCompared) && same_but_port(known, asked))
        })
    }

    /// What is wrong with a request of a known client with a known redirect.
    fn wrong_with(&self, fields: &Fields) -> Option<&'static str> {
        match fields.get("response_type") {
            Some("code") => (),
            Some("token") if self.has(Fault::Implicit) => (),
            Some(_) => return Some("unsupported_response_type"),
            None => return Some("invalid_request"),
        }
        let challenged = fields.get("code_challenge").is_some();
        let method = fields.get("code_challenge_method");
        if !challenged
            && !self.has(Fault::NoChallenge)
            && fields.get("response_type") == Some("code")
        {
            return Some("invalid_request");
        }
        if challenged && method != Some("S256") && !self.has(Fault::PlainChallenge) {
            return Some("invalid_request");
        }
        if let Some(resource) = fields.get("resource") {
            let known = self
                .endpoints
                .resources
                .iter()
                .any(|known| known == resource);
            if self.has(Fault::ResourceRefused) || (!known && !self.has(Fault::AnyResource)) {
                return Some("invalid_target");
            }
        }
        let known = self.scopes();
        let unknown = |scope: &str| !known.iter().any(|known| known == scope);
        if fields.text("scope").split_whitespace().any(unknown) {
            return Some("invalid_scope");
        }
        (fields.get("prompt") == Some("none") && self.endpoints.login != Login::Codes)
            .then_some("login_required")
    }

    fn scopes(&self) -> Vec<String> {
        let document = self.server.oauth.as_ref();
        document
            .and_then(|document| document.get("scopes_supported")?.as_array().cloned())
            .unwrap_or_default()
            .iter()
            .filter_map(|scope| scope.as_str().map(str::to_owned))
            .collect()
    }

    fn go_on(&self, client: &Client, fields: &Fields) -> Reply {
        let redirect = fields.text("redirect_uri");
        match &self.endpoints.login {
            Login::SignIn => self.send(&format!(
                "https://{}/login?session={}",
                self.server.host,
                self.endpoints.ledger.fresh("")
            )),
            Login::Consent => {
                let host = Url::parse(&redirect)
                    .ok()
                    .and_then(|url| url.host_str().map(str::to_owned))
                    .unwrap_or_default();
                self.page(
                    "Allow access?",
                    &format!(
                        "<p>{} wants to access your account. You will be sent to {host}.</p>\
                         <form method=post action=/consent><button>Allow</button></form>",
                        client.name
                    ),
                )
            }
            Login::BareConsent => self.page(
                "Allow access?",
                "<p>An application wants to access your account.</p><form method=post \
                 action=/consent><button>Allow</button></form>\
                 <a href=\"https://upstream.example.net/oauth/authorize\">Continue with Upstream</a>",
            ),
            Login::Upstream(to) => self.send(&format!(
                "{to}?response_type=code&client_id={UPSTREAM_CLIENT}&redirect_uri=https%3A%2F%2F{}%2Fcallback&state={}",
                self.server.host,
                self.endpoints.ledger.fresh("")
            )),
            Login::Codes => self.issue(client, fields),
        }
    }

    fn issue(&self, client: &Client, fields: &Fields) -> Reply {
        let challenge = fields.get("code_challenge").map(str::to_owned);
        let grant = Grant {
            client: client.id.clone(),
            redirect: fields.text("redirect_uri"),
            method: fields
                .get("code_challenge_method")
                .unwrap_or("plain")
                .to_owned(),
            challenge,
            resource: fields.get("resource").map(str::to_owned),
            scope: fields.text("scope"),
            subject: "fleet-user".into(),
        };
        let ledger = &self.endpoints.ledger;
        let mut answer = Vec::new();
        let fragment = fields.get("response_type") == Some("token");
        if fragment {
            let token = ledger.issue_access(&self.issuer(), "implicit", &grant);
            answer.push(("access_token", token));
            answer.push(("token_type", "Bearer".to_owned()));
        } else {
            answer.push(("code", ledger.issue_code(grant)));
        }
        if let Some(state) = fields.get("state") {
            answer.push(("state", state.to_owned()));
        }
        self.add_iss(&mut answer, false);
        self.respond(&fields.text("redirect_uri"), &answer, fragment)
    }

    /// An error response to the client.
    fn refuse(&self, fields: &Fields, code: &str) -> Reply {
        if self.has(Fault::LocalErrors) {
            return self.error_page(code, "The request cannot be answered.");
        }
        let mut answer = vec![("error", code.to_owned())];
        if let Some(state) = fields.get("state").filter(|_| !self.has(Fault::StateLost)) {
            answer.push(("state", state.to_owned()));
        }
        self.add_iss(&mut answer, true);
        self.respond(&fields.text("redirect_uri"), &answer, false)
    }

    /// A refusal that must not be sent anywhere.
    fn refuse_here(&self, fields: &Fields, code: &str, why: &str) -> Reply {
        if self.has(Fault::OpenRedirector) {
            return self.respond(
                &fields.text("redirect_uri"),
                &[("error", code.to_owned())],
                false,
            );
        }
        self.error_page(code, why)
    }

    fn add_iss(&self, answer: &mut Vec<(&'static str, String)>, error: bool) {
        if self.has(Fault::NoIss) || (error && self.has(Fault::NoIssInErrors)) {
            return;
        }
        let issuer = if self.has(Fault::WrongIss) {
            "https://other.example".to_owned()
        } else {
            self.issuer()
        };
        answer.push(("iss", issuer));
    }

    fn respond(&self, redirect: &str, answer: &[(&str, String)], fragment: bool) -> Reply {
        let Ok(mut url) = Url::parse(redirect) else {
            return self.error_page("invalid_request", "The redirect_uri is no URL.");
        };
        if fragment {
            let text = url::form_urlencoded::Serializer::new(String::new())
                .extend_pairs(answer)
                .finish();
            url.set_fragment(Some(&text));
        } else {
            url.query_pairs_mut().extend_pairs(answer);
        }
        self.send(url.as_str())
    }

    fn send(&self, to: &str) -> Reply {
        let status = if self.has(Fault::Status307) { 307 } else { 303 };
        Reply::status(status).with("location", to)
    }

    fn page(&self, title: &str, body: &str) -> Reply {
        let reply = Reply::html(
            200,
            &format!("<!doctype html><title>{title}</title><h1>{title}</h1>{body}"),
        );
        if self.has(Fault::EarlyCookie) {
            return reply.with("set-cookie", "consent=pending; Path=/");
        }
        reply
    }

    fn error_page(&self, code: &str, why: &str) -> Reply {
        Reply::html(
            400,
            &format!("<!doctype html><title>Error</title><h1>Error</h1><p>{code}: {why}</p>"),
        )
    }

    /// Adds what every answer of the authorization endpoint carries.
    fn guarded(&self, mut reply: Reply) -> Reply {
        if !self.has(Fault::Framable) {
            reply = reply
                .with("content-security-policy", "frame-ancestors 'none'")
                .with("x-frame-options", "DENY");
        }
        if let Some(origin) = self.asked.header("origin") {
            if self.has(Fault::CorsCredentials) {
                return reply
                    .with("access-control-allow-origin", origin)
                    .with("access-control-allow-credentials", "true");
            }
            if self.has(Fault::CorsAny) {
                return reply.with("access-control-allow-origin", "*");
            }
        }
        reply
    }
}

fn is_loopback(uri: &str) -> bool {
    Url::parse(uri).is_ok_and(|url| matches!(url.host_str(), Some("127.0.0.1" | "[::1]")))
}

/// RFC 8252 section 7.3: loopback redirects may have any port.
fn same_but_port(known: &str, asked: &str) -> bool {
    if !is_loopback(known) || !is_loopback(asked) {
        return false;
    }
    let bare = |text: &str| {
        let mut url = Url::parse(text).ok()?;
        // Cannot fail: the URL has a host.
        let _ = url.set_port(None);
        Some(url)
    };
    bare(known) == bare(asked)
}
