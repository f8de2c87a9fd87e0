//! What is taken back and closed before a scan ends, however it ends.

use super::asks::{Era, Message};
use super::{Ask, Limits, Plan};
use crate::evidence::{Evidence, List, OwnerProbe, Purpose};

/// The requests that close what is still open when a scan ends before its plan does: sessions,
/// clients that were registered, tokens that were obtained.
#[must_use]
pub fn farewell(evidence: &Evidence, limits: &Limits) -> Vec<Ask> {
    let plan = Plan::new(evidence, limits);
    let mut asks = plan.farewells();
    asks.retain(|ask| {
        matches!(
            ask.purpose,
            Purpose::EndSession
                | Purpose::EndAnotherSession(_)
                | Purpose::Owner(OwnerProbe::EndSession | OwnerProbe::EndOtherSession)
                | Purpose::Unregister(_)
                | Purpose::Revoke(_)
        ) && !plan.already_asked(ask)
    });
    asks
}

impl Plan<'_> {
    /// Sessions that our handshakes opened are closed again, and a closed one tried once.
    pub(super) fn farewells(&self) -> Vec<Ask> {
        let mut list = self.owner_farewells();
        list.extend(self.revocations());
        list.extend(self.unregistrations());
        for number in 1..=2 {
            if let Some(session) = self.session_of(Purpose::AnotherSession(number)) {
                list.push(self.end_session(Purpose::EndAnotherSession(number), session));
            }
        }
        if let Some(session) = self.session() {
            list.push(self.end_session(Purpose::EndSession, session));
            if self.facts.answer(Purpose::EndSession).is_some() && self.facts.open_list() {
                let again = |purpose, fresh| {
                    let mut ask = self.message(purpose, Message::List(Era::Legacy, List::Tools));
                    ask.fresh_connection = fresh;
                    ask
                };
                list.push(again(Purpose::EndedSession, false));
                if self.served(Purpose::EndedSession) {
                    list.extend(
                        (1..=2).map(|number| again(Purpose::EndedSessionAgain(number), true)),
                    );
                }
            }
        }
        list
    }
}
