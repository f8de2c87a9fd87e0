//! What came of the owner's credentials: codes, tokens and refreshes at the authorization
//! server, and requests to the MCP server with tokens (class P3).

use serde_json::Value;
use url::Url;

use super::authorize::Landing;
use super::consent::{ClientOrigin, TestClient};
use super::outcome::Answer;
use super::{Facts, settle};
use crate::check::{Cause, Unmet, inconclusive};
use crate::evidence::{
    Claims, CodeUse, Credential, ExchangeId, Issued, Obtained, OwnerProbe, Purpose, Registration,
    Supplied,
};
use crate::redact;

/// Where the valid access token comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenSource {
    /// The owner supplied it.
    Supplied(Credential),
    /// The scan obtained it, in that exchange.
    Obtained(ExchangeId),
}

/// An access token, by what is known of it.
#[derive(Debug, Clone, Copy)]
pub struct OwnerToken<'e> {
    /// Where it comes from.
    pub source: TokenSource,
    /// What it says of itself, if it is a JSON Web Token.
    pub claims: Option<&'e Claims>,
}

/// What a redemption came to.
#[derive(Debug, Clone)]
pub enum Redeemed<'f, 'e> {
    /// An access token.
    Token(&'f Answer<'e>),
    /// A refusal, with its error code.
    Refused(&'f Answer<'e>, String),
}

impl Redeemed<'_, '_> {
    /// The exchange.
    #[must_use]
    pub fn exchange(&self) -> ExchangeId {
        match self {
            Self::Token(answer) | Self::Refused(answer, _) => answer.exchange.id,
        }
    }

    /// An access token came of it.
    #[must_use]
    pub fn accepted(&self) -> bool {
        matches!(self, Self::Token(_))
    }
}

impl<'e> Facts<'e> {
    /// The credential of this kind that the owner supplied.
    #[must_use]
    pub fn supplied(&self, kind: Credential) -> Option<&'e Supplied> {
        self.evidence
            .supplied
            .iter()
            .find(|supplied| supplied.kind == kind)
    }

    /// What the response of an exchange brought.
    #[must_use]
    pub fn obtained(&self, exchange: ExchangeId, what: Issued) -> Option<&'e Obtained> {
        self.evidence
            .obtained
            .iter()
            .find(|obtained| obtained.exchange == exchange && obtained.what == what)
    }

    // --- codes ------------------------------------------------------------------------

    /// The client that codes are asked for with: the owner's, else the test client.
    #[must_use]
    pub fn login_client(&self) -> Option<TestClient> {
        let supplied = self.supplied(Credential::Client).and_then(|client| {
            Some(TestClient {
                id: client.client_id.clone()?,
                redirect_uri: client
                    .redirect_uri
                    .clone()
                    .unwrap_or_else(|| super::consent::LOOPBACK_REDIRECT.to_owned()),
                origin: ClientOrigin::Supplied,
                confidential: client.confidential,
            })
        });
        supplied.or_else(|| self.deeper_client())
    }

    /// Another client than the one that codes are asked for with.
    #[must_use]
    pub fn other_client(&self) -> Option<TestClient> {
        let client = self.login_client()?;
        [
            Registration::Second,
            Registration::Https,
            Registration::Native,
            Registration::Untyped,
        ]
        .into_iter()
        .filter_map(|registration| self.registered_client(registration))
        .find(|other| other.id != client.id)
    }

    /// The exchange that brought the code of a login, if the response is one that a strict
    /// client takes: our `state`, and no other issuer (RFC 9207).
    #[must_use]
    pub fn code_of(&self, login: CodeUse) -> Option<ExchangeId> {
        let landed = self.landed(Purpose::Login(login)).ok()?;
        let Landing::Code(to) = &landed.what else {
            return None;
        };
        let asked = Url::parse(&landed.first.exchange.asked.url).ok()?;
        let (_, state) = asked.query_pairs().find(|(name, _)| name == "state")?;
        let issuer = self.deeper_server()?.document.text("issuer")?.to_owned();
        let ours = to.value("state") == Some(&state)
            && to.value("iss").is_none_or(|iss| iss == issuer)
            && to.repeated().is_none();
        (ours && to.exact).then_some(landed.last.exchange.id)
    }

    /// A login was asked for and did not bring a code that may be used.
    #[must_use]
    pub fn login_failed(&self, login: CodeUse) -> bool {
        self.first_hop(Purpose::Login(login)).is_some() && self.code_of(login).is_none()
    }

    /// What the redemption for this use came to.
    ///
    /// # Errors
    ///
    /// [`Unmet::Inconclusive`]: never asked, the standard conditions, or an answer that is
    /// neither a token nor a refusal.
    pub fn redeemed(&self, of: CodeUse) -> Result<Redeemed<'_, 'e>, Unmet> {
        let answer = self.settled(Purpose::Redeem(of))?;
        let id = answer.exchange.id;
        let status = answer.status().unwrap_or_default();
        if (200..300).contains(&status) && self.obtained(id, Issued::AccessToken).is_some() {
            return Ok(Redeemed::Token(answer));
        }
        let error = answer
            .json_object()
            .and_then(|object| Some(object.get("error")?.as_str()?.to_owned()));
        match (status, error) {
            (200..=299 | 400..=499, Some(error)) => Ok(Redeemed::Refused(answer, error)),
            (400..=499, None) => Ok(Redeemed::Refused(answer, String::new())),
            _ => inconclusive(Cause::Other("no_token_and_no_error")),
        }
    }

    /// Whether the redemption for this use brought an access token.
    #[must_use]
    pub fn has_token(&self, of: CodeUse) -> bool {
        self.redeemed(of).is_ok_and(|redeemed| redeemed.accepted())
    }

    /// The exchange of the redemption for this use that brought a refresh token.
    #[must_use]
    pub fn refresh_of(&self, of: CodeUse) -> Option<&'e Obtained> {
        let answer = self.answer(Purpose::Redeem(of))?;
        self.obtained(answer.exchange.id, Issued::RefreshToken)
    }

    // --- tokens -----------------------------------------------------------------------

    /// The valid access token: the owner's, else the one that the scan obtained.
    #[must_use]
    pub fn owner_token(&self) -> Option<OwnerToken<'e>> {
        if let Some(supplied) = self.supplied(Credential::AccessToken) {
            return Some(OwnerToken {
                source: TokenSource::Supplied(Credential::AccessToken),
                claims: supplied.claims.as_ref(),
            });
        }
        self.issued_token(CodeUse::Token)
    }

    /// The access token that a redemption brought.
    #[must_use]
    pub fn issued_token(&self, of: CodeUse) -> Option<OwnerToken<'e>> {
        let answer = self.answer(Purpose::Redeem(of))?;
        let obtained = self.obtained(answer.exchange.id, Issued::AccessToken)?;
        Some(OwnerToken {
            source: TokenSource::Obtained(obtained.exchange),
            claims: obtained.claims.as_ref(),
        })
    }

    /// The ID token: the owner's, else the one that came with the access token.
    #[must_use]
    pub fn owner_id_token(&self) -> Option<OwnerToken<'e>> {
        if let Some(supplied) = self.supplied(Credential::IdToken) {
            return Some(OwnerToken {
                source: TokenSource::Supplied(Credential::IdToken),
                claims: supplied.claims.as_ref(),
            });
        }
        let answer = self.answer(Purpose::Redeem(CodeUse::Token))?;
        let obtained = self.obtained(answer.exchange.id, Issued::IdToken)?;
        Some(OwnerToken {
            source: TokenSource::Obtained(obtained.exchange),
            claims: obtained.claims.as_ref(),
        })
    }

    /// The greeting that the valid token was served with: in the modern era, else the legacy
    /// one. What all other requests with tokens are compared with.
    #[must_use]
    pub fn owner_control(&self) -> Option<&Answer<'e>> {
        [OwnerProbe::Discover, OwnerProbe::Initialize]
            .into_iter()
            .filter_map(|probe| self.answer(Purpose::Owner(probe)))
            .find(|answer| answer.served())
    }

    /// The valid token is served in the modern era.
    #[must_use]
    pub fn owner_is_modern(&self) -> bool {
        self.answer(Purpose::Owner(OwnerProbe::Discover))
            .is_some_and(Answer::served)
    }

    /// The exchange that opened the owner's session, if it opened one.
    #[must_use]
    pub fn owner_session(&self, of: OwnerProbe) -> Option<ExchangeId> {
        let answer = self.answer(Purpose::Owner(of))?;
        answer.result()?.get("protocolVersion")?;
        answer.response()?.header("mcp-session-id")?;
        Some(answer.exchange.id)
    }

    /// What a request with a credential came to, once the valid token is known to be good.
    ///
    /// # Errors
    ///
    /// [`Unmet::Inconclusive`]: the valid token is refused, never asked, or the standard
    /// conditions.
    pub fn owner_answer(&self, probe: OwnerProbe) -> Result<&Answer<'e>, Unmet> {
        if self.owner_control().is_none() {
            let asked = self.answer(Purpose::Owner(OwnerProbe::Discover));
            return match asked.map(settle) {
                Some(Err(unmet)) => Err(unmet),
                Some(Ok(_)) => inconclusive(Cause::Other("valid_token_refused")),
                None => inconclusive(self.never_asked()),
            };
        }
        self.settled(Purpose::Owner(probe))
    }
}

/// Whether a request with a credential was served: a JSON-RPC result that is no error.
#[must_use]
pub fn served(answer: &Answer<'_>) -> bool {
    match answer.result() {
        Some(result) => result.get("isError") != Some(&Value::Bool(true)),
        None => answer.served(),
    }
}

/// Whether a tool answered with an error that speaks of missing rights.
#[must_use]
pub fn tool_refuses(answer: &Answer<'_>) -> bool {
    answer.result().is_some_and(|result| {
        result.get("isError") == Some(&Value::Bool(true))
            && result.get(redact::results::REFUSES).is_some()
    })
}

/// What two results of one scan are compared by.
#[must_use]
pub fn digest<'a>(answer: &'a Answer<'_>) -> Option<&'a str> {
    answer.result()?.get(redact::results::DIGEST)?.as_str()
}
