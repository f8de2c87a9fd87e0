//! What a deeper scan records besides exchanges: who allowed it, who came to fetch what we
//! host, and which credentials the owner lent, without their values.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::time::Millis;

/// The recorded permission of the operators of these hosts (catalogue section 0.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// Host names, in lower case; an entry covers exactly that host.
    pub hosts: Vec<String>,
    /// Where it was given: the command line, the configuration, or a proof of ownership.
    pub basis: String,
    /// When it was recorded.
    pub recorded: Millis,
}

impl Consent {
    /// Whether it covers a host, whatever the case of its letters.
    #[must_use]
    pub fn covers(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.');
        self.hosts
            .iter()
            .any(|name| name.eq_ignore_ascii_case(host))
    }
}

/// A request that reached the host under our control.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visit {
    /// Which document or canary of the scan was asked for: the name of the purpose that made
    /// its URL known, as [`super::Purpose::name`] writes it; with ` redirected` after it for
    /// the end of a redirect.
    pub what: String,
    /// Milliseconds between the start of the scan and the visit.
    pub after_ms: u32,
    /// HTTP method.
    pub method: String,
    /// What the visitor calls itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// Its address. Stored, never published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<IpAddr>,
    /// How many bytes of the answer it took before it left, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// How long it stayed.
    #[serde(default)]
    pub took_ms: u32,
}

impl Visit {
    /// Who waits longer than this for a document that does not come waits for anybody.
    pub const PATIENCE_MS: u32 = 15_000;
}

/// Kinds of credentials that an owner may supply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Credential {
    /// A valid access token for this server.
    AccessToken,
    /// A valid access token of another principal.
    SecondAccessToken,
    /// An access token of the same authorization server for another resource or client.
    OtherAudienceToken,
    /// An ID token of the same issuer.
    IdToken,
    /// An access token past its end.
    ExpiredToken,
    /// A token of the upstream provider.
    UpstreamToken,
    /// A token without the scope of the named operation.
    LowScopeToken,
    /// A token with a scope that implies the one of the named operation.
    BroadScopeToken,
    /// A refresh token of a public client.
    RefreshToken,
    /// A client registered beforehand: its identifier is no secret.
    Client,
}

/// A credential that was supplied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Supplied {
    /// Which kind.
    pub kind: Credential,
    /// What its value says of itself, if it is a JSON Web Token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims: Option<Claims>,
    /// For a client: its identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// For a client: the redirect it is registered with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect_uri: Option<String>,
    /// For a client: it has a secret.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub confidential: bool,
}

/// The claims of a token that checks read; names only of the rest. The token itself is not
/// kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// `typ` of the header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub typ: Option<String>,
    /// `alg` of the header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alg: Option<String>,
    /// `iss`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// `aud`, one or several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aud: Vec<String>,
    /// `client_id` or `azp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// `scope` or `scp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// `iat`, seconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iat: Option<i64>,
    /// `exp`, seconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exp: Option<i64>,
}

impl Claims {
    /// The claims of a compact JSON Web Token (RFC 7519 section 7.2), unverified. `None` if the
    /// text is none.
    #[must_use]
    pub fn of_token(token: &str) -> Option<Self> {
        let mut parts = token.split('.');
        let (header, payload) = (parts.next()?, parts.next()?);
        let header = json_part(header)?;
        let payload = json_part(payload)?;
        let text = |value: &serde_json::Value, name: &str| {
            value.get(name)?.as_str().map(|text| clip(text).to_owned())
        };
        let aud = match payload.get("aud") {
            Some(serde_json::Value::String(one)) => vec![clip(one).to_owned()],
            Some(serde_json::Value::Array(many)) => many
                .iter()
                .filter_map(serde_json::Value::as_str)
                .take(20)
                .map(|one| clip(one).to_owned())
                .collect(),
            _ => Vec::new(),
        };
        let scope = match payload.get("scp").or_else(|| payload.get("scope")) {
            Some(serde_json::Value::String(scope)) => Some(clip(scope).to_owned()),
            Some(serde_json::Value::Array(many)) => {
                let scopes: Vec<&str> = many.iter().filter_map(|scope| scope.as_str()).collect();
                Some(clip(&scopes.join(" ")).to_owned())
            }
            _ => None,
        };
        let seconds = |name: &str| payload.get(name).and_then(serde_json::Value::as_i64);
        Some(Self {
            typ: text(&header, "typ"),
            alg: text(&header, "alg"),
            iss: text(&payload, "iss"),
            aud,
            client_id: text(&payload, "client_id").or_else(|| text(&payload, "azp")),
            scope,
            iat: seconds("iat"),
            exp: seconds("exp"),
        })
    }
}

fn json_part(part: &str) -> Option<serde_json::Value> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(part.trim_end_matches('='))
        .ok()?;
    let value: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
    value.is_object().then_some(value)
}

fn clip(text: &str) -> &str {
    match text.char_indices().nth(500) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}
