//! Who was refused, and with which challenge.

use super::Facts;
use super::challenge::Challenge;
use super::outcome::{Answer, Outcome};
use crate::evidence::{List, Purpose};

/// Requests without credentials whose refusal counts, in the order in which their challenges
/// are read.
const ANONYMOUS: [Purpose; 14] = [
    Purpose::Discover,
    Purpose::DiscoverListed,
    Purpose::Initialize,
    Purpose::EventStream,
    Purpose::UnknownTool,
    Purpose::ModernList(List::Tools),
    Purpose::ModernList(List::Prompts),
    Purpose::ModernList(List::Resources),
    Purpose::ModernList(List::Templates),
    Purpose::LegacyList(List::Tools),
    Purpose::LegacyList(List::Prompts),
    Purpose::LegacyList(List::Resources),
    Purpose::LegacyList(List::Templates),
    Purpose::InitializeOldest,
];

impl<'e> Facts<'e> {
    /// What came of a random bearer token: in the legacy era where that request got an answer
    /// about the token, else of the first request.
    #[must_use]
    pub fn bogus(&self) -> Option<&Answer<'e>> {
        self.bogus_legacy()
            .or_else(|| self.answer(Purpose::BogusToken))
    }

    fn bogus_legacy(&self) -> Option<&Answer<'e>> {
        self.answer(Purpose::BogusTokenLegacy).filter(|answer| {
            answer.served() || matches!(answer.outcome, Outcome::Challenge | Outcome::Forbid)
        })
    }

    /// What the server says of tokens is heard in the legacy era only: it looks at the era of a
    /// request after the token, or before it.
    #[must_use]
    pub fn tokens_are_legacy(&self) -> bool {
        self.bogus_legacy().is_some()
    }

    /// Answers to requests without credentials whose refusal would count: X1, X3, X5, X16,
    /// X2 and X4, in that order.
    pub fn anonymous(&self) -> impl Iterator<Item = &Answer<'e>> {
        ANONYMOUS
            .into_iter()
            .filter_map(|purpose| self.answer(purpose))
    }

    /// The 401 answers among X1, X3, X5 and X16, in that order.
    pub fn unauthorized(&self) -> impl Iterator<Item = &Answer<'e>> {
        [
            Purpose::Discover,
            Purpose::Initialize,
            Purpose::EventStream,
            Purpose::UnknownTool,
        ]
        .into_iter()
        .filter_map(|purpose| self.answer(purpose))
        .filter(|answer| answer.outcome == Outcome::Challenge)
    }

    /// The first Bearer or DPoP challenge of a 401, with the answer that carried it. Lists are
    /// looked at last: a server with an open handshake challenges only there.
    #[must_use]
    pub fn first_challenge(&self) -> Option<(&Answer<'e>, &Challenge)> {
        self.unauthorized()
            .chain(
                self.anonymous()
                    .filter(|answer| answer.outcome == Outcome::Challenge),
            )
            .find_map(|answer| {
                let challenge = answer.challenges.list.iter().find(|c| c.takes_tokens())?;
                Some((answer, challenge))
            })
    }

    /// The first `resource_metadata` of a Bearer or DPoP challenge: value and answer.
    #[must_use]
    pub fn resource_metadata(&self) -> Option<(&str, &Answer<'e>)> {
        self.unauthorized()
            .chain(self.anonymous())
            .filter(|answer| answer.refuses_for_credentials())
            .find_map(|answer| {
                let value = answer
                    .challenges
                    .list
                    .iter()
                    .filter(|challenge| challenge.takes_tokens())
                    .find_map(|challenge| challenge.param("resource_metadata"))?;
                Some((value, answer))
            })
    }
}
