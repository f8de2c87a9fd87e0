//! Codes, their redemptions, refreshes, and the revocation of what came of them.

use super::super::consented::{credentials, request};
use super::super::{Ask, FormValue, HeaderValue, Issued, Plan, Secret, asks};
use crate::evidence::{
    AuthorizeVariant, CodeUse, Credential, Depth, ExchangeId, OwnerProbe, Purpose,
};
use crate::facts::consent::TestClient;

/// The resource of a redemption that names another one than was authorized.
const OTHER_RESOURCE: &str = "https://foreign-probe.invalid/mcp";

/// Every redemption whose tokens are revoked.
const REDEMPTIONS: [CodeUse; 15] = [
    CodeUse::Token,
    CodeUse::StepUp,
    CodeUse::Refresh,
    CodeUse::RefreshNext,
    CodeUse::RefreshOld,
    CodeUse::RefreshLater,
    CodeUse::WrongVerifier,
    CodeUse::NoVerifier,
    CodeUse::UnexpectedVerifier,
    CodeUse::OtherResource,
    CodeUse::Once,
    CodeUse::Parallel,
    CodeUse::Again,
    CodeUse::OtherClient,
    CodeUse::Late,
];

impl Plan<'_> {
    /// The login whose token is used from then on; later the one for the scopes that a 403
    /// demanded.
    pub(in crate::plan) fn owner_codes(&self) -> Vec<Ask> {
        if !self.may_log_in() {
            return Vec::new();
        }
        let mut list = self.code_and(CodeUse::Token, &[CodeUse::Token]);
        if list.is_empty() && self.demanded_scopes().is_some() {
            list = self.code_and(CodeUse::StepUp, &[CodeUse::StepUp]);
        }
        list
    }

    /// Uses of codes and refresh tokens that must fail, one login after the other.
    pub(in crate::plan) fn code_trials(&self) -> Vec<Ask> {
        if self.limits.depth < Depth::Credentialed {
            return Vec::new();
        }
        let refreshes = self.refreshes();
        if !refreshes.is_empty() {
            return refreshes;
        }
        if !self.may_log_in() || !self.facts.has_token(CodeUse::Token) {
            return Vec::new();
        }
        for (login, redemptions) in self.trials() {
            let list = self.code_and(login, &redemptions);
            if !list.is_empty() {
                return list;
            }
        }
        Vec::new()
    }

    /// Tokens that the scan obtained are revoked where that is possible.
    pub(in crate::plan) fn revocations(&self) -> Vec<Ask> {
        let (Some(url), Some(client)) = (
            self.tested("revocation_endpoint"),
            self.facts.login_client(),
        ) else {
            return Vec::new();
        };
        REDEMPTIONS
            .into_iter()
            .filter_map(|redeemed| {
                let id = self.facts.answer(Purpose::Redeem(redeemed))?.exchange.id;
                // The end of a refresh token ends what came of it (RFC 7009 section 2.1).
                let what = [Issued::RefreshToken, Issued::AccessToken]
                    .into_iter()
                    .find(|what| self.facts.obtained(id, *what).is_some())?;
                let owner = match redeemed {
                    CodeUse::OtherClient => self.facts.other_client()?,
                    _ => client.clone(),
                };
                let mut form = vec![
                    ("token", FormValue::Secret(Secret::Issued(id, what))),
                    ("client_id", FormValue::Plain(owner.id.clone())),
                ];
                let header = self.authenticate(&owner, &mut form);
                let mut ask = asks::post_form(Purpose::Revoke(redeemed), url.clone(), form);
                ask.headers.extend(header);
                Some(ask)
            })
            .collect()
    }

    fn may_log_in(&self) -> bool {
        self.limits.depth >= Depth::Credentialed
            && self.tested("token_endpoint").is_some()
            && self.facts.login_client().is_some()
    }

    /// The logins after the first, each with the redemptions of its code.
    fn trials(&self) -> Vec<(CodeUse, Vec<CodeUse>)> {
        let mut list = vec![
            (CodeUse::WrongVerifier, vec![CodeUse::WrongVerifier]),
            (CodeUse::NoVerifier, vec![CodeUse::NoVerifier]),
        ];
        // Only where requests without a challenge go on.
        let unchallenged = self
            .facts
            .landed(Purpose::Authorize(AuthorizeVariant::NoChallenge))
            .is_ok_and(|landed| landed.goes_on() || landed.issued());
        if unchallenged {
            list.push((
                CodeUse::UnexpectedVerifier,
                vec![CodeUse::UnexpectedVerifier],
            ));
        }
        if self.login_resource().is_some() {
            list.push((CodeUse::OtherResource, vec![CodeUse::OtherResource]));
        }
        if self.facts.other_client().is_some() {
            list.push((CodeUse::OtherClient, vec![CodeUse::OtherClient]));
        }
        list.push((
            CodeUse::Again,
            vec![CodeUse::Once, CodeUse::Parallel, CodeUse::Again],
        ));
        if self.evidence.operations.wait_for_code {
            list.push((CodeUse::Late, vec![CodeUse::Late]));
        }
        list
    }

    /// The login, then the redemptions of its code. The first two of several go together.
    fn code_and(&self, login: CodeUse, redemptions: &[CodeUse]) -> Vec<Ask> {
        let Some(client) = self.facts.login_client() else {
            return Vec::new();
        };
        if self.facts.first_hop(Purpose::Login(login)).is_none() {
            return self.login(login, &client).into_iter().collect();
        }
        let Some(code) = self.facts.code_of(login) else {
            return Vec::new();
        };
        let left: Vec<CodeUse> = redemptions
            .iter()
            .copied()
            .filter(|use_| self.facts.answer(Purpose::Redeem(*use_)).is_none())
            .collect();
        let together = if left.len() > 1 { 2 } else { 1 };
        left.into_iter()
            .take(together)
            .filter_map(|use_| self.redemption(use_, login, code, &client))
            .collect()
    }

    fn login(&self, login: CodeUse, client: &TestClient) -> Option<Ask> {
        let mut request = self.request(Purpose::Login(login), client)?;
        if self.login_resource().is_none() {
            request = request.without(&["resource"]);
        }
        if login == CodeUse::UnexpectedVerifier {
            request = request.without(&["code_challenge", "code_challenge_method"]);
        }
        match login {
            CodeUse::StepUp => request = request.set("scope", self.demanded_scopes()?),
            // A refresh token is given only where it is asked for.
            CodeUse::Token if self.offers_offline_access() => {
                let scope = self.scope().unwrap_or_default();
                request = request.set("scope", format!("{scope} offline_access").trim());
            }
            _ => {}
        }
        let mut ask = request.ask();
        ask.by_owner = true;
        Some(ask)
    }

    fn redemption(
        &self,
        use_: CodeUse,
        login: CodeUse,
        code: ExchangeId,
        client: &TestClient,
    ) -> Option<Ask> {
        let url = self.tested("token_endpoint")?;
        let redeemer = match use_ {
            CodeUse::OtherClient => self.facts.other_client()?,
            _ => client.clone(),
        };
        let verifier = match use_ {
            CodeUse::NoVerifier => None,
            // Of another request: well-formed, and wrong.
            CodeUse::WrongVerifier => Some(Purpose::Redeem(use_)),
            _ => Some(Purpose::Login(login)),
        };
        let mut form = vec![
            ("grant_type", plain("authorization_code")),
            (
                "code",
                FormValue::Secret(Secret::Issued(code, Issued::Code)),
            ),
            ("redirect_uri", plain(&client.redirect_uri)),
            ("client_id", plain(&redeemer.id)),
        ];
        if let Some(purpose) = verifier {
            let verifier = request::verifier(&self.evidence.nonce, purpose);
            form.push(("code_verifier", plain(&verifier)));
        }
        if let Some(resource) = self.login_resource() {
            let resource = match use_ {
                CodeUse::OtherResource => OTHER_RESOURCE,
                _ => &resource,
            };
            form.push(("resource", plain(resource)));
        }
        let header = self.authenticate(&redeemer, &mut form);
        let mut ask = asks::post_form(Purpose::Redeem(use_), url, form);
        ask.headers.extend(header);
        if use_ == CodeUse::Late {
            ask.gap_ms = self.limits.late_code_ms;
        }
        Some(ask)
    }

    /// One refresh, one with what it brought, then the old token; once more later where that
    /// one still worked.
    fn refreshes(&self) -> Vec<Ask> {
        let (Some(url), Some(client)) = (self.tested("token_endpoint"), self.facts.login_client())
        else {
            return Vec::new();
        };
        let first = match self.facts.refresh_of(CodeUse::Token) {
            Some(obtained) => Secret::Issued(obtained.exchange, Issued::RefreshToken),
            None if self.facts.supplied(Credential::RefreshToken).is_some() => {
                Secret::Supplied(Credential::RefreshToken)
            }
            None => return Vec::new(),
        };
        let refresh = |use_, token: Secret, gap_ms| {
            let mut form = vec![
                ("grant_type", plain("refresh_token")),
                ("refresh_token", FormValue::Secret(token)),
                ("client_id", plain(&client.id)),
            ];
            let header = self.authenticate(&client, &mut form);
            let mut ask = asks::post_form(Purpose::Redeem(use_), url.clone(), form);
            ask.headers.extend(header);
            ask.gap_ms = gap_ms;
            vec![ask]
        };
        let asked = |use_| self.facts.answer(Purpose::Redeem(use_)).is_some();
        if !asked(CodeUse::Refresh) {
            return refresh(CodeUse::Refresh, first, 0);
        }
        if !self.facts.has_token(CodeUse::Refresh) {
            return Vec::new();
        }
        if let Some(next) = self.facts.refresh_of(CodeUse::Refresh)
            && next.same_as.is_none()
            && !asked(CodeUse::RefreshNext)
        {
            let token = Secret::Issued(next.exchange, Issued::RefreshToken);
            return refresh(CodeUse::RefreshNext, token, 0);
        }
        if !asked(CodeUse::RefreshOld) {
            return refresh(CodeUse::RefreshOld, first, 0);
        }
        if self.facts.has_token(CodeUse::RefreshOld) && !asked(CodeUse::RefreshLater) {
            return refresh(CodeUse::RefreshLater, first, self.limits.grace_ms);
        }
        Vec::new()
    }

    /// How a client with a secret says who it is: a header, or a field of the form where the
    /// server takes nothing else.
    fn authenticate(
        &self,
        client: &TestClient,
        form: &mut Vec<(&'static str, FormValue)>,
    ) -> Option<(&'static str, HeaderValue)> {
        let (name, value) = credentials(client)?;
        let asm = self.facts.deeper_server()?;
        let methods = asm
            .document
            .texts("token_endpoint_auth_methods_supported")
            .unwrap_or_default();
        let has = |method: &str| methods.contains(&method);
        if has("client_secret_post")
            && !has("client_secret_basic")
            && let HeaderValue::Basic(_, secret) = value
        {
            form.push(("client_secret", FormValue::Secret(secret)));
            return None;
        }
        Some((name, value))
    }

    /// `resource` of logins; `None` where the authorization endpoint goes on only without it.
    fn login_resource(&self) -> Option<String> {
        match self.facts.authorization_control() {
            Some(AuthorizeVariant::NoResource) => None,
            _ => self.resource(),
        }
    }

    fn offers_offline_access(&self) -> bool {
        self.facts.deeper_server().is_some_and(|asm| {
            asm.document
                .texts("scopes_supported")
                .is_some_and(|scopes| scopes.contains(&"offline_access"))
        })
    }

    /// The scopes of the low token together with those that its 403 demanded.
    fn demanded_scopes(&self) -> Option<String> {
        let answer = self
            .facts
            .answer(Purpose::Owner(OwnerProbe::MissingScope))
            .filter(|answer| answer.status() == Some(403))?;
        if answer.token_param("error") != Some("insufficient_scope") {
            return None;
        }
        let demanded = answer.token_param("scope")?;
        let claims = self.facts.supplied(Credential::LowScopeToken)?;
        let granted = claims
            .claims
            .as_ref()
            .and_then(|claims| claims.scope.as_deref())
            .unwrap_or_default();
        let mut scopes: Vec<&str> = Vec::new();
        for scope in granted
            .split_whitespace()
            .chain(demanded.split_whitespace())
        {
            if !scopes.contains(&scope) {
                scopes.push(scope);
            }
        }
        (!scopes.is_empty()).then(|| scopes.join(" "))
    }
}

fn plain(text: &str) -> FormValue {
    FormValue::Plain(text.to_owned())
}
