//! What the answers so far say about how to go on.

use serde_json::Value;

use super::asks::{Era, Message};
use super::{Ask, Plan, host_of, purpose_of};
use crate::evidence::{ExchangeId, List, Purpose};
use crate::facts::outcome::{Outcome, Rpc};
use crate::report::Class;
use crate::spec::Revision;

impl Plan<'_> {
    pub(super) fn modern_open(&self) -> bool {
        [Purpose::Discover, Purpose::DiscoverListed]
            .into_iter()
            .any(|purpose| {
                self.facts
                    .answer(purpose)
                    .and_then(|answer| answer.result())
                    .is_some_and(|result| result.get("supportedVersions").is_some())
            })
    }

    /// -32601, with 404 or as a legacy library would say it: discover may be missing while
    /// the lists work.
    pub(super) fn modern_without_discover(&self) -> bool {
        self.facts
            .answer(Purpose::Discover)
            .is_some_and(|answer| answer.error_code() == Some(-32601))
    }

    pub(super) fn legacy_open(&self) -> bool {
        self.negotiated().is_some()
    }

    /// Something of that era was refused for lack of a token: asking for more there would only
    /// repeat the refusal (catalogue section 0.3).
    pub(super) fn challenged(&self, era: Era) -> bool {
        let lists = [List::Tools, List::Prompts, List::Resources, List::Templates];
        let hello: &[Purpose] = match era {
            Era::Modern => &[Purpose::Discover, Purpose::DiscoverListed],
            Era::Legacy => &[Purpose::Initialize],
        };
        hello
            .iter()
            .copied()
            .chain(lists.into_iter().map(|list| purpose_of(era, list)))
            .filter_map(|purpose| self.facts.answer(purpose))
            .any(|answer| answer.refuses_for_credentials())
    }

    /// The handshake whose session and version legacy requests use: the ordinary one, or the
    /// one for 2024-11-05 where only that was let in (era-auth-parity needs its list).
    pub(super) fn handshake(&self) -> Option<Purpose> {
        [Purpose::Initialize, Purpose::InitializeOldest]
            .into_iter()
            .find(|purpose| self.version_of(*purpose).is_some())
    }

    fn version_of(&self, purpose: Purpose) -> Option<String> {
        Some(
            self.facts
                .answer(purpose)?
                .result()?
                .get("protocolVersion")?
                .as_str()?
                .to_owned(),
        )
    }

    /// The exchange that opened the session of [`Plan::handshake`], if it opened one.
    pub(super) fn session(&self) -> Option<ExchangeId> {
        self.session_of(self.handshake()?)
    }

    pub(super) fn negotiated(&self) -> Option<String> {
        self.version_of(self.handshake()?)
    }

    /// The newest version that a -32022 listed, if it is another one than we asked for.
    pub(super) fn newest_listed(&self) -> Option<String> {
        let answer = self.facts.answer(Purpose::Discover)?;
        let Some(Rpc::Error { data, .. }) = &answer.rpc else {
            return None;
        };
        data.get("supported")?
            .as_array()?
            .iter()
            .filter_map(Value::as_str)
            .filter(|version| version.len() == 10 && *version >= "2026")
            .max()
            .filter(|version| *version != Revision::HEADLINE.as_str())
            .map(str::to_owned)
    }

    /// Whether a request of this purpose was answered with a result.
    pub(super) fn served(&self, purpose: Purpose) -> bool {
        self.facts
            .answer(purpose)
            .is_some_and(|answer| answer.result().is_some())
    }

    pub(super) fn capabilities(&self, purpose: Purpose) -> Vec<&str> {
        self.facts
            .answer(purpose)
            .and_then(|answer| answer.result())
            .and_then(|result| result.get("capabilities"))
            .and_then(Value::as_object)
            .map(|members| members.keys().map(String::as_str).collect())
            .unwrap_or_default()
    }

    pub(super) fn tools_listed(&self, era: Era) -> bool {
        self.facts
            .answer(purpose_of(era, List::Tools))
            .is_some_and(|answer| !answer.refuses_for_credentials())
    }

    pub(super) fn reachable(&self) -> bool {
        !matches!(self.facts.class(), Class::Unreachable | Class::Blocked)
    }

    /// X1 and X3 both lead to another origin or to http: no further MCP request is sent.
    pub(super) fn only_redirects(&self) -> bool {
        [Purpose::Discover, Purpose::Initialize]
            .into_iter()
            .all(|purpose| {
                self.facts.answer(purpose).is_some_and(|answer| {
                    matches!(answer.outcome, Outcome::Redirect | Outcome::Login)
                })
            })
    }

    pub(super) fn session_of(&self, purpose: Purpose) -> Option<ExchangeId> {
        let answer = self.facts.answer(purpose)?;
        answer.result()?;
        answer.response()?.header("mcp-session-id")?;
        Some(answer.exchange.id)
    }

    /// The SSE URL of the same listing, on the endpoint's own host.
    pub(super) fn sse_sibling(&self) -> Option<String> {
        let listing = self.evidence.target.listing.as_ref()?;
        let home = host_of(&self.evidence.target.url);
        listing
            .siblings
            .iter()
            .find(|url| {
                **url != self.evidence.target.url
                    && host_of(url) == home
                    && url.trim_end_matches('/').ends_with("/sse")
            })
            .cloned()
    }

    /// The request of one purpose once more, under another purpose.
    pub(super) fn varied(&self, purpose: Purpose, base: Purpose) -> Ask {
        let message = match base {
            Purpose::EventStream => return self.stream(purpose, &self.endpoint),
            Purpose::Discover => Message::Discover,
            Purpose::ModernList(list) => Message::List(Era::Modern, list),
            Purpose::LegacyList(list) => Message::List(Era::Legacy, list),
            _ => Message::Initialize("2025-11-25"),
        };
        self.message(purpose, message)
    }
}
