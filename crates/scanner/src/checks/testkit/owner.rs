//! The compliant world with an owner: credentials, logins that end in codes, tokens that are
//! taken, and everything else refused.

use serde_json::{Value, json};
use url::Url;

use super::answers::response;
use super::{Answer, ENDPOINT, ISSUER, STARTED, World, document, status};
use crate::evidence::{
    CodeUse, Credential, Evidence, Exchange, ExchangeId, Issued, Obtained, Operation, OwnerProbe,
    Purpose, Registration,
};
use crate::plan::Ask;
use crate::redact;

/// What the network side does besides recording: results of the owner are reduced, and what
/// responses bring is noted without its value.
#[derive(Default)]
pub(super) struct Vault(Vec<(ExchangeId, Issued, String)>);

impl Vault {
    pub(super) fn note(&mut self, evidence: &mut Evidence, exchange: &mut Exchange) {
        let Ok(response) = &mut exchange.got else {
            return;
        };
        if !exchange.purpose.is_deeper() {
            return;
        }
        let json: Option<Value> = serde_json::from_str(&response.body.text).ok();
        for (what, value) in json.iter().flat_map(Issued::in_json) {
            let same = self
                .0
                .iter()
                .find(|(_, known, earlier)| *known == what && *earlier == value)
                .map(|(id, _, _)| *id);
            evidence.obtained.push(Obtained {
                exchange: exchange.id,
                what,
                claims: crate::evidence::Claims::of_token(&value),
                same_as: same,
            });
            self.0.push((exchange.id, what, value));
        }
        if matches!(exchange.purpose, Purpose::Owner(_)) {
            let stream = response.media_type().as_deref() == Some("text/event-stream");
            response.body.text =
                redact::results::reduced(&response.body.text, stream, &evidence.nonce);
        }
    }
}

/// Every kind of credential.
pub(crate) const ALL_CREDENTIALS: [Credential; 8] = [
    Credential::AccessToken,
    Credential::SecondAccessToken,
    Credential::OtherAudienceToken,
    Credential::IdToken,
    Credential::ExpiredToken,
    Credential::UpstreamToken,
    Credential::LowScopeToken,
    Credential::BroadScopeToken,
];

/// An unsigned JSON Web Token for this audience that lives for so many seconds.
pub(crate) fn token(audience: &Value, seconds: i64) -> String {
    use base64::Engine as _;
    let encode =
        |value: &Value| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string());
    let now = STARTED.0 / 1000;
    format!(
        "{}.{}.c2lnbmF0dXJl",
        encode(&json!({ "alg": "RS256", "typ": "at+jwt" })),
        encode(&json!({ "iss": ISSUER, "aud": audience, "iat": now, "exp": now + seconds }))
    )
}

/// A token response; `refresh` is the refresh token.
pub(crate) fn token_response(refresh: &str) -> Answer {
    document(json!({
        "access_token": token(&ENDPOINT.into(), 300),
        "token_type": "Bearer",
        "expires_in": 300,
        "refresh_token": refresh,
    }))
}

/// An error of the token endpoint.
pub(crate) fn refused(code: &str) -> Answer {
    response(
        400,
        &[("content-type", "application/json")],
        &json!({ "error": code }).to_string(),
    )
}

/// A JSON-RPC result.
pub(crate) fn result(value: &Value) -> Answer {
    response(
        200,
        &[("content-type", "application/json")],
        &json!({ "jsonrpc": "2.0", "id": "z", "result": value }).to_string(),
    )
}

/// The answer to a login: a redirect with a code.
pub(crate) fn code(ask: &Ask) -> Option<Answer> {
    let url = Url::parse(&ask.url).ok()?;
    let param = |name: &str| {
        url.query_pairs()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    };
    let mut to = Url::parse(&param("redirect_uri")?).ok()?;
    to.query_pairs_mut()
        .append_pair("code", "code-1")
        .append_pair("state", &param("state")?)
        .append_pair("iss", ISSUER);
    Some(response(302, &[("location", to.as_str())], ""))
}

fn registered(ask: &Ask) -> Option<Answer> {
    let Purpose::Register(registration) = ask.purpose else {
        return None;
    };
    Some(match registration {
        Registration::Native | Registration::Https | Registration::Second => response(
            201,
            &[("content-type", "application/json")],
            &json!({ "client_id": format!("client-{}", ask.purpose.name()) }).to_string(),
        ),
        _ => refused("invalid_redirect_uri"),
    })
}

fn with_owner(ask: &Ask) -> Option<Answer> {
    let tools = json!({ "resultType": "complete", "tools": [{ "name": "a" }], "cacheScope": "private", "ttlMs": 1 });
    match ask.purpose {
        Purpose::Login(_) => code(ask),
        Purpose::Redeem(CodeUse::Token | CodeUse::Once | CodeUse::StepUp) => {
            Some(token_response("refresh-1"))
        }
        Purpose::Redeem(CodeUse::Refresh) => Some(token_response("refresh-2")),
        Purpose::Redeem(CodeUse::RefreshNext) => Some(token_response("refresh-3")),
        Purpose::Redeem(_) => Some(refused("invalid_grant")),
        Purpose::Owner(probe) => match probe {
            OwnerProbe::Discover | OwnerProbe::OtherHello => Some(result(&json!({
                "resultType": "complete",
                "supportedVersions": ["2026-07-28"],
                "capabilities": { "tools": {} },
            }))),
            OwnerProbe::Initialize => Some(response(
                200,
                &[
                    ("content-type", "application/json"),
                    ("mcp-session-id", "s-1"),
                ],
                &json!({ "jsonrpc": "2.0", "id": "z", "result": {
                    "protocolVersion": "2025-11-25", "capabilities": {},
                } })
                .to_string(),
            )),
            OwnerProbe::Initialized => Some(status(202)),
            OwnerProbe::List | OwnerProbe::SessionOfOwner => Some(result(&tools)),
            OwnerProbe::OtherList => Some(result(&json!({
                "resultType": "complete", "tools": [], "cacheScope": "private", "ttlMs": 1,
            }))),
            OwnerProbe::SteppedUp | OwnerProbe::BroaderScope | OwnerProbe::StateKept => {
                Some(result(&json!({ "resultType": "complete", "content": [] })))
            }
            OwnerProbe::MissingScope => Some(response(
                403,
                &[(
                    "www-authenticate",
                    "Bearer error=\"insufficient_scope\", scope=\"mcp:write\", resource_metadata=\"https://mcp.example.com/.well-known/oauth-protected-resource/mcp\"",
                )],
                "",
            )),
            OwnerProbe::InputRequired => Some(result(&json!({
                "resultType": "input_required", "inputRequests": {}, "requestState": "state-1",
            }))),
            OwnerProbe::StateFlipped
            | OwnerProbe::StateOfAnother
            | OwnerProbe::StateLate
            | OwnerProbe::StateElsewhere => Some(response(
                400,
                &[("content-type", "application/json")],
                r#"{"jsonrpc":"2.0","id":"z","error":{"code":-32602,"message":"state"}}"#,
            )),
            OwnerProbe::EndSession => Some(status(200)),
            _ => None,
        },
        _ => None,
    }
}

impl World {
    /// The compliant world at depth credentialed, with every kind of credential and everything
    /// done right.
    pub(crate) fn owned() -> Self {
        Self::owned_with(&ALL_CREDENTIALS)
    }

    /// The same with some kinds of credentials.
    pub(crate) fn owned_with(kinds: &[Credential]) -> Self {
        let mut world = Self::compliant().credentialed(kinds);
        world.own_host = None;
        for supplied in &mut world.supplied {
            let audience = match supplied.kind {
                Credential::OtherAudienceToken => "https://other.example.com/mcp",
                _ => ENDPOINT,
            };
            let life = match supplied.kind {
                Credential::ExpiredToken => -3600,
                _ => 300,
            };
            supplied.claims = crate::evidence::Claims::of_token(&token(&audience.into(), life));
        }
        world.operations.scoped = Some(operation("write_note"));
        world.operations.input = Some(operation("ask"));
        world.operations.hierarchy = Some("mcp:admin implies mcp:write".into());
        world.answer(registered).answer(with_owner);
        world
    }
}

fn operation(tool: &str) -> Operation {
    Operation {
        tool: tool.into(),
        arguments: serde_json::Map::new(),
        responses: serde_json::Map::new(),
    }
}

/// [`World::owned`] with another answer to one purpose.
pub(crate) fn owned_but(purpose: Purpose, answer: Answer) -> World {
    let mut world = World::owned();
    world.purpose(purpose, answer);
    world
}
