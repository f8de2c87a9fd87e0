//! Calls of the tools that the owner named: for scopes, and for `requestState`.

use super::super::asks::Message;
use super::super::{Alteration, Ask, Issued, Plan, Secret};
use crate::evidence::{CodeUse, Credential, Operation, OwnerProbe, Purpose};
use crate::facts::owner;

use OwnerProbe as Probe;

impl Plan<'_> {
    /// Calls of the named tools.
    pub(super) fn tool_probes(&self, valid: &Secret) -> Vec<Ask> {
        let mut list = Vec::new();
        let operations = &self.evidence.operations;
        if let Some(scoped) = &operations.scoped {
            list.extend(self.scope_probes(scoped, operations.hierarchy.is_some()));
        }
        if let Some(input) = operations
            .input
            .as_ref()
            .filter(|_| self.facts.owner_is_modern())
        {
            list.push(self.call(Probe::InputRequired, input, valid));
            list.extend(self.continuations(input, valid));
        }
        list
    }

    fn call(&self, probe: Probe, operation: &Operation, token: &Secret) -> Ask {
        let message = Message::Call(self.owner_era(), operation.clone(), false);
        self.with_token(probe, message, token)
    }

    fn scope_probes(&self, scoped: &Operation, hierarchy: bool) -> Vec<Ask> {
        let mut list = Vec::new();
        if self.has(Credential::LowScopeToken) {
            let low = Secret::Supplied(Credential::LowScopeToken);
            list.push(self.call(Probe::MissingScope, scoped, &low));
        }
        if hierarchy && self.has(Credential::BroadScopeToken) {
            let broad = Secret::Supplied(Credential::BroadScopeToken);
            list.push(self.call(Probe::BroaderScope, scoped, &broad));
        }
        if let Some(token) = self.facts.issued_token(CodeUse::StepUp)
            && let owner::TokenSource::Obtained(id) = token.source
        {
            let stepped = Secret::Issued(id, Issued::AccessToken);
            list.push(self.call(Probe::SteppedUp, scoped, &stepped));
        }
        list
    }

    /// Continuations with a state that is changed, another's, elsewhere, old; and the one that
    /// must work, last.
    fn continuations(&self, input: &Operation, valid: &Secret) -> Vec<Ask> {
        let state = self
            .facts
            .answer(Purpose::Owner(Probe::InputRequired))
            .and_then(|answer| {
                self.facts
                    .obtained(answer.exchange.id, Issued::RequestState)
            });
        let Some(obtained) = state else {
            return Vec::new();
        };
        let state = Secret::Issued(obtained.exchange, Issued::RequestState);
        let go_on = |probe, state: &Secret, token: &Secret| {
            let message = Message::Call(self.owner_era(), input.clone(), true);
            let mut ask = self.with_token(probe, message, token);
            ask.fill = vec![("/params/requestState", state.clone())];
            ask
        };
        let flipped = Secret::Altered(Box::new(state.clone()), Alteration::Character);
        let mut list = vec![go_on(Probe::StateFlipped, &flipped, valid)];
        if self.has(Credential::SecondAccessToken) {
            let other = Secret::Supplied(Credential::SecondAccessToken);
            list.push(go_on(Probe::StateOfAnother, &state, &other));
        }
        let elsewhere = Message::GetPrompt(input.clone());
        let mut elsewhere = self.with_token(Probe::StateElsewhere, elsewhere, valid);
        elsewhere.fill = vec![("/params/requestState", state.clone())];
        list.push(elsewhere);
        list.push(go_on(Probe::StateKept, &state, valid));
        if let Some(gap) = self.evidence.operations.state_ends_ms {
            let mut late = go_on(Probe::StateLate, &state, valid);
            late.gap_ms = gap;
            list.push(late);
        }
        list
    }
}
