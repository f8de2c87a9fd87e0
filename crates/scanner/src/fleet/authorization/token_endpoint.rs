//! Token, introspection and revocation endpoints of the sample authorization servers.

use serde_json::json;

use super::super::reply::Reply;
use super::super::tokens::{self, Client, Grant};
use super::{Fault, Fields, Here};

impl Here<'_> {
    pub(super) fn token(&self) -> Reply {
        let fields = match self.asked.method.as_str() {
            "POST" => Fields::of(&self.asked.body),
            "GET" if self.has(Fault::TokenByGet) => {
                Fields::of(self.asked.query.as_deref().unwrap_or_default())
            }
            _ => return Reply::status(405).with("allow", "POST"),
        };
        match fields.get("grant_type") {
            Some("authorization_code") => self.redeem(&fields),
            Some("refresh_token") => self.refresh(&fields),
            Some("password") if self.has(Fault::PasswordGrant) => {
                self.token_error(400, "invalid_grant")
            }
            Some(_) => self.token_error(400, "unsupported_grant_type"),
            None => self.token_error(400, "invalid_request"),
        }
    }

    fn redeem(&self, fields: &Fields) -> Reply {
        let ledger = &self.endpoints.ledger;
        let Some(client) = self.authenticated(fields) else {
            return self.token_error(401, "invalid_client");
        };
        let Some(code) = ledger.use_code(&fields.text("code")) else {
            return self.token_error(400, "invalid_grant");
        };
        let family = fields.text("code");
        if code.used && !self.has(Fault::CodeReused) {
            ledger.revoke(&family);
            return self.token_error(400, "invalid_grant");
        }
        let grant = code.grant;
        let own = grant.client == client.id || self.has(Fault::CodeOfAnyClient);
        let alive = ledger.now() < code.until || self.has(Fault::CodeForever);
        let redirect = fields
            .get("redirect_uri")
            .is_none_or(|uri| uri == grant.redirect);
        let verified =
            self.has(Fault::VerifierIgnored) || verifies(&grant, fields.get("code_verifier"));
        if !(own && alive && redirect && verified) {
            return self.token_error(400, "invalid_grant");
        }
        let Some(resource) = self.narrowed(fields, &grant) else {
            return self.token_error(400, "invalid_target");
        };
        self.tokens(&family, &Grant { resource, ..grant })
    }

    fn refresh(&self, fields: &Fields) -> Reply {
        let ledger = &self.endpoints.ledger;
        let Some(client) = self.authenticated(fields) else {
            return self.token_error(401, "invalid_client");
        };
        let token = fields.text("refresh_token");
        let Some(entry) = ledger.use_refresh(&token) else {
            return self.token_error(400, "invalid_grant");
        };
        let stays = self.has(Fault::NoRotation) || self.has(Fault::OldRefreshWorks);
        if entry.used && !stays {
            ledger.revoke(&entry.family);
            return self.token_error(400, "invalid_grant");
        }
        if entry.grant.client != client.id || ledger.is_revoked(&entry.family) {
            return self.token_error(400, "invalid_grant");
        }
        let Some(resource) = self.narrowed(fields, &entry.grant) else {
            return self.token_error(400, "invalid_target");
        };
        let grant = Grant {
            resource,
            ..entry.grant
        };
        if self.has(Fault::NoRotation) {
            return self.token_reply(&entry.family, &grant, &token);
        }
        self.tokens(&entry.family, &grant)
    }

    /// The client of a token request, with its secret if it has one.
    fn authenticated(&self, fields: &Fields) -> Option<Client> {
        use base64::Engine as _;
        let basic = self.asked.header("authorization").and_then(|value| {
            let bytes = base64::engine::general_purpose::STANDARD
                .decode(value.strip_prefix("Basic ")?)
                .ok()?;
            let pair = String::from_utf8(bytes).ok()?;
            let (id, secret) = pair.split_once(':')?;
            let decode = |text: &str| Fields::of(&format!("v={text}")).text("v");
            Some((decode(id), decode(secret)))
        });
        let (id, secret) =
            basic.unwrap_or_else(|| (fields.text("client_id"), fields.text("client_secret")));
        let client = self.client(&id)?;
        let known = client.secret.as_ref().is_none_or(|known| *known == secret);
        known.then_some(client)
    }

    /// The resource of a token: what was authorized, or a part of it (RFC 8707 section 2.2).
    fn narrowed(&self, fields: &Fields, grant: &Grant) -> Option<Option<String>> {
        match fields.get("resource") {
            None => Some(grant.resource.clone()),
            Some(asked) if self.has(Fault::WidenedResource) => Some(Some(asked.to_owned())),
            Some(asked) => {
                (grant.resource.as_deref() == Some(asked)).then(|| grant.resource.clone())
            }
        }
    }

    fn tokens(&self, family: &str, grant: &Grant) -> Reply {
        let refresh = self.endpoints.ledger.issue_refresh(family, grant.clone());
        self.token_reply(family, grant, &refresh)
    }

    fn token_reply(&self, family: &str, grant: &Grant, refresh: &str) -> Reply {
        let access = self
            .endpoints
            .ledger
            .issue_access(&self.issuer(), family, grant);
        Reply::json(
            200,
            &json!({
                "access_token": access,
                "token_type": "Bearer",
                "expires_in": tokens::TOKEN_LIFE,
                "refresh_token": refresh,
                "scope": grant.scope,
            }),
        )
        .with("cache-control", "no-store")
    }

    fn token_error(&self, status: u16, code: &str) -> Reply {
        if self.has(Fault::HtmlErrors) {
            return Reply::html(status, "<!doctype html><title>Error</title>");
        }
        let reply = Reply::json(status, &json!({ "error": code }));
        if self.has(Fault::CacheableErrors) {
            reply
        } else {
            reply.with("cache-control", "no-store")
        }
    }

    // --- what is known of tokens ------------------------------------------------------

    pub(super) fn introspect(&self) -> Reply {
        if self.asked.method != "POST" {
            return Reply::status(405).with("allow", "POST");
        }
        if self.has(Fault::TalkingIntrospection) {
            return Reply::json(200, &json!({ "active": false, "error": "unknown token" }));
        }
        let fields = Fields::of(&self.asked.body);
        let by_client = self
            .authenticated(&fields)
            .is_some_and(|client| client.secret.is_some());
        if !by_client && !self.has(Fault::OpenIntrospection) {
            return Reply::json(401, &json!({ "error": "invalid_client" }))
                .with("www-authenticate", "Basic realm=\"fleet\"")
                .with("cache-control", "no-store");
        }
        let claims = self.endpoints.ledger.verified(&fields.text("token"));
        let mut answer = claims.unwrap_or_else(|| json!({}));
        let active = answer.get("exp").is_some();
        answer["active"] = active.into();
        Reply::json(200, &answer).with("cache-control", "no-store")
    }

    pub(super) fn revoke(&self) -> Reply {
        if self.asked.method != "POST" {
            return Reply::status(405).with("allow", "POST");
        }
        let fields = Fields::of(&self.asked.body);
        if self.authenticated(&fields).is_none() {
            return self.token_error(401, "invalid_client");
        }
        self.endpoints.ledger.revoke(&fields.text("token"));
        Reply::status(200)
    }
}

/// RFC 7636 section 4.6; a verifier without a challenge is refused (OAuth 2.1 section 4.1.3).
fn verifies(grant: &Grant, verifier: Option<&str>) -> bool {
    match (&grant.challenge, verifier) {
        (None, verifier) => verifier.is_none(),
        (Some(_), None) => false,
        (Some(challenge), Some(verifier)) if grant.method == "S256" => {
            tokens::challenge(verifier) == *challenge
        }
        (Some(challenge), Some(verifier)) => verifier == challenge,
    }
}
