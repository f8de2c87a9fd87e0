//! Requests to the MCP server with the owner's tokens. The greeting with the valid token goes
//! first: where that is refused, nothing that follows would say anything.

use super::super::asks::{Context, Era, Message};
use super::super::{Alteration, Ask, HeaderValue, Issued, Plan, Secret, asks};
use crate::evidence::{Credential, ExchangeId, List, OwnerProbe, Purpose};
use crate::facts::owner::{OwnerToken, TokenSource};

use OwnerProbe as Probe;

impl Plan<'_> {
    /// Requests to the MCP server with the owner's tokens.
    pub(in crate::plan) fn owner_probes(&self) -> Vec<Ask> {
        let (true, Some(token)) = (self.credentialed(), self.facts.owner_token()) else {
            return Vec::new();
        };
        let valid = secret(&token);
        let mut list = vec![
            self.with_token(Probe::Discover, Message::Discover, &valid),
            self.with_token(Probe::Initialize, Message::Initialize("2025-11-25"), &valid),
        ];
        let greeted = self
            .facts
            .answer(Purpose::Owner(Probe::Initialize))
            .is_some();
        if !greeted || self.facts.owner_control().is_none() {
            return list;
        }
        if self.facts.owner_session(Probe::Initialize).is_some() {
            list.push(self.with_token(Probe::Initialized, Message::Initialized, &valid));
        }
        list.extend(self.lists(&valid));
        list.extend(self.query(&valid));
        list.extend(self.other_tokens());
        list.extend(self.changed_tokens(&token));
        list.extend(self.tool_probes(&valid));
        if self.facts.answer(Purpose::Owner(Probe::List)).is_some() {
            list.extend(self.session_probes());
        }
        list
    }

    /// The owner's sessions are closed.
    pub(in crate::plan) fn owner_farewells(&self) -> Vec<Ask> {
        let Some(token) = self.facts.owner_token().filter(|_| self.credentialed()) else {
            return Vec::new();
        };
        let other = Secret::Supplied(Credential::SecondAccessToken);
        [
            (Probe::Initialize, Probe::EndSession, secret(&token)),
            (Probe::OtherHello, Probe::EndOtherSession, other),
        ]
        .into_iter()
        .filter_map(|(opened, end, token)| {
            let session = self.facts.owner_session(opened)?;
            let mut ask = asks::end_session(
                Purpose::Owner(end),
                self.endpoint.clone(),
                session,
                self.owner_version(),
            );
            ask.headers
                .push(("authorization", HeaderValue::Bearer(token)));
            Some(ask)
        })
        .collect()
    }

    // --- building ---------------------------------------------------------------------

    /// A message in the owner's era and session, without a token.
    pub(super) fn owner_message(&self, probe: Probe, message: Message) -> Ask {
        let context = Context {
            endpoint: &self.endpoint,
            nonce: &self.evidence.nonce,
            version: &self.evidence.scanner,
            session: self.facts.owner_session(Probe::Initialize),
            negotiated: Some(self.owner_version()),
            listed: self.newest_listed(),
        };
        asks::message(&context, Purpose::Owner(probe), message)
    }

    pub(super) fn with_token(&self, probe: Probe, message: Message, token: &Secret) -> Ask {
        let mut ask = self.owner_message(probe, message);
        ask.headers
            .push(("authorization", HeaderValue::Bearer(token.clone())));
        ask
    }

    pub(super) fn owner_era(&self) -> Era {
        if self.facts.owner_is_modern() {
            Era::Modern
        } else {
            Era::Legacy
        }
    }

    fn owner_version(&self) -> String {
        self.facts
            .answer(Purpose::Owner(Probe::Initialize))
            .and_then(|answer| answer.result()?.get("protocolVersion")?.as_str())
            .unwrap_or("2025-11-25")
            .to_owned()
    }

    /// The greeting that the valid token was served with.
    fn greeting(&self) -> Message {
        match self.owner_era() {
            Era::Modern => Message::Discover,
            Era::Legacy => Message::Initialize("2025-11-25"),
        }
    }

    pub(super) fn has(&self, kind: Credential) -> bool {
        self.facts.supplied(kind).is_some()
    }

    // --- tokens -----------------------------------------------------------------------

    /// The valid token where it does not belong.
    fn query(&self, valid: &Secret) -> Option<Ask> {
        let mut ask = self.owner_message(Probe::InQuery, self.greeting());
        ask.query = vec![("access_token", valid.clone())];
        Some(ask)
    }

    /// Tokens that are genuine and not for this.
    fn other_tokens(&self) -> Vec<Ask> {
        let mut list: Vec<Ask> = [
            (Credential::OtherAudienceToken, Probe::OtherAudience),
            (Credential::ExpiredToken, Probe::Expired),
            (Credential::UpstreamToken, Probe::Upstream),
        ]
        .into_iter()
        .filter(|(kind, _)| self.has(*kind))
        .map(|(kind, probe)| self.with_token(probe, self.greeting(), &Secret::Supplied(kind)))
        .collect();
        if let Some(token) = self.facts.owner_id_token() {
            let token = match token.source {
                TokenSource::Supplied(kind) => Secret::Supplied(kind),
                TokenSource::Obtained(id) => Secret::Issued(id, Issued::IdToken),
            };
            list.push(self.with_token(Probe::IdToken, self.greeting(), &token));
        }
        list
    }

    /// The valid token, changed; of an opaque one only a character.
    fn changed_tokens(&self, token: &OwnerToken<'_>) -> Vec<Ask> {
        let changes: &[(Probe, Alteration)] = if token.claims.is_some() {
            &[
                (Probe::ChangedClaim, Alteration::Claim),
                (Probe::ShortSignature, Alteration::ShortSignature),
                (Probe::FlippedSignature, Alteration::FlippedSignature),
            ]
        } else {
            &[(Probe::ShortSignature, Alteration::Character)]
        };
        changes
            .iter()
            .map(|(probe, how)| {
                let changed = Secret::Altered(Box::new(secret(token)), *how);
                self.with_token(*probe, self.greeting(), &changed)
            })
            .collect()
    }

    // --- lists ------------------------------------------------------------------------

    fn lists(&self, valid: &Secret) -> Vec<Ask> {
        let era = self.owner_era();
        let other = Secret::Supplied(Credential::SecondAccessToken);
        let second = self.has(Credential::SecondAccessToken);
        let mut list = vec![self.with_token(Probe::List, Message::List(era, List::Tools), valid)];
        if second {
            list.push(self.with_token(Probe::OtherHello, self.greeting(), &other));
        }
        if era != Era::Modern || !second {
            return list;
        }
        list.push(self.with_token(Probe::OtherList, Message::List(era, List::Tools), &other));
        if self.owner_capability("resources") {
            let resources = || Message::List(era, List::Resources);
            list.push(self.with_token(Probe::Resources, resources(), valid));
            list.push(self.with_token(Probe::OtherResources, resources(), &other));
        }
        // The first resource of the owner, by a name that the record does not keep.
        if let Some(listed) = self.listed_resource() {
            list.push(self.read(Probe::Resource, listed, valid));
            list.push(self.read(Probe::OtherResource, listed, &other));
        }
        list
    }

    fn listed_resource(&self) -> Option<ExchangeId> {
        let answer = self.facts.answer(Purpose::Owner(Probe::Resources))?;
        self.facts
            .obtained(answer.exchange.id, Issued::Resource)
            .map(|obtained| obtained.exchange)
    }

    fn read(&self, probe: Probe, listed: ExchangeId, token: &Secret) -> Ask {
        let uri = Secret::Issued(listed, Issued::Resource);
        let mut ask = self.with_token(probe, Message::ReadResource, token);
        ask.headers
            .push(("mcp-name", HeaderValue::Secret(uri.clone())));
        ask.fill = vec![("/params/uri", uri)];
        ask
    }

    fn owner_capability(&self, name: &str) -> bool {
        self.facts.owner_control().is_some_and(|answer| {
            answer
                .result()
                .and_then(|result| result.get("capabilities"))
                .is_some_and(|capabilities| capabilities.get(name).is_some())
        })
    }

    // --- sessions ---------------------------------------------------------------------

    /// The owner's session without a token, and with another principal's.
    fn session_probes(&self) -> Vec<Ask> {
        let Some(session) = self.facts.owner_session(Probe::Initialize) else {
            return Vec::new();
        };
        let tools = || Message::List(Era::Legacy, List::Tools);
        let mut stream = asks::stream(
            Purpose::Owner(Probe::StreamWithoutToken),
            self.endpoint.clone(),
        );
        stream.headers.push((
            "mcp-protocol-version",
            HeaderValue::Plain(self.owner_version()),
        ));
        stream
            .headers
            .push(("mcp-session-id", HeaderValue::Session(session)));
        let mut list = vec![
            self.owner_message(Probe::SessionWithoutToken, tools()),
            stream,
        ];
        if self.has(Credential::SecondAccessToken) {
            let other = Secret::Supplied(Credential::SecondAccessToken);
            list.push(self.with_token(Probe::SessionOfAnother, tools(), &other));
            // Where the greeting was modern, the session of the owner needs a control of its own.
            list.push(self.with_token(
                Probe::SessionOfOwner,
                tools(),
                &secret_or(self.facts.owner_token().as_ref(), &other),
            ));
        }
        list
    }
}

/// The secret of a token.
pub(super) fn secret(token: &OwnerToken<'_>) -> Secret {
    match token.source {
        TokenSource::Supplied(kind) => Secret::Supplied(kind),
        TokenSource::Obtained(id) => Secret::Issued(id, Issued::AccessToken),
    }
}

fn secret_or(token: Option<&OwnerToken<'_>>, other: &Secret) -> Secret {
    token.map_or_else(|| other.clone(), secret)
}
