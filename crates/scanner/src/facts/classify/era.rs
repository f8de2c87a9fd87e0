//! Which wire era a server speaks (catalogue section b.1).

use serde_json::Value;

use super::get_only;
use crate::evidence::{List, Purpose};
use crate::facts::Facts;
use crate::facts::outcome::{Answer, Outcome, Rpc};
use crate::report::{Class, Era};
use crate::spec::Revision;

/// JSON-RPC codes that only a server of the modern era uses. -32004 is the withdrawn number
/// of the release candidates and counts only together with a version list.
const UNSUPPORTED_VERSION: i64 = -32022;
const HEADER_MISMATCH: i64 = -32020;
const MISSING_CAPABILITY: i64 = -32021;
const METHOD_NOT_FOUND: i64 = -32601;
const INVALID_PARAMS: i64 = -32602;

#[derive(Debug, Default)]
pub(super) struct Modern {
    pub(super) spoken: bool,
    pub(super) hidden: bool,
    pub(super) rejected: bool,
    pub(super) versions: Vec<String>,
}

#[derive(Debug, Default)]
pub(super) struct Legacy {
    pub(super) spoken: bool,
    pub(super) hidden: bool,
    pub(super) negotiated: Option<String>,
    pub(super) echoes: bool,
}

fn strings(value: Option<&Value>) -> Vec<String> {
    value
        .and_then(Value::as_array)
        .map(|list| {
            list.iter()
                .filter_map(Value::as_str)
                .filter(|version| version.len() == 10)
                .map(str::to_owned)
                .collect()
        })
        .unwrap_or_default()
}

pub(super) fn modern(facts: &Facts<'_>) -> Modern {
    let mut out = Modern::default();
    for purpose in [
        Purpose::Discover,
        Purpose::DiscoverListed,
        Purpose::BogusVersion,
        Purpose::VersionMismatch,
    ] {
        let Some(answer) = facts.answer(purpose) else {
            continue;
        };
        if let Some(result) = answer.result() {
            let listed = strings(result.get("supportedVersions"));
            out.spoken |= !listed.is_empty();
            out.versions.extend(listed);
        }
        if let Some(Rpc::Error {
            code,
            data,
            message,
        }) = &answer.rpc
        {
            let listed = strings(data.get("supported"));
            let by_code = matches!(
                *code,
                UNSUPPORTED_VERSION | HEADER_MISMATCH | MISSING_CAPABILITY
            ) || (*code == -32004 && !listed.is_empty())
                || (*code == INVALID_PARAMS
                    && answer.status() == Some(400)
                    && message.contains("_meta"));
            out.spoken |= by_code;
            if by_code {
                out.versions.extend(listed);
            }
        }
    }
    // Without discover, but with modern lists (stateless-discover then fails).
    out.spoken |= facts
        .answer(Purpose::ModernList(List::Tools))
        .and_then(Answer::result)
        .is_some_and(|result| result.get("resultType").is_some());
    let x1 = facts.answer(Purpose::Discover).map(|answer| answer.outcome);
    out.hidden = !out.spoken
        && matches!(
            x1,
            Some(Outcome::Challenge | Outcome::Forbid | Outcome::Login)
        );
    out.rejected = !out.spoken && !out.hidden;
    out
}

pub(super) fn legacy(facts: &Facts<'_>) -> Legacy {
    let Some(answer) = facts.answer(Purpose::Initialize) else {
        return Legacy::default();
    };
    let mut out = Legacy::default();
    if let Some(version) = protocol_version(answer) {
        out.spoken = true;
        let future = facts
            .answer(Purpose::InitializeFuture)
            .and_then(protocol_version);
        out.echoes = future.as_deref() == Some("2099-01-01");
        out.negotiated = (!out.echoes).then_some(version);
    }
    out.hidden = matches!(
        answer.outcome,
        Outcome::Challenge | Outcome::Forbid | Outcome::Login
    );
    out
}

fn protocol_version(answer: &Answer<'_>) -> Option<String> {
    Some(
        answer
            .result()?
            .get("protocolVersion")?
            .as_str()?
            .to_owned(),
    )
}

pub(super) fn era(facts: &Facts<'_>, modern: &Modern, legacy: &Legacy, class: Class) -> Era {
    let lists_old = modern
        .versions
        .iter()
        .any(|version| version.as_str() < Revision::V2026_07_28.as_str());
    if get_only(facts) || (class == Class::HttpSse) {
        return Era::HttpSse;
    }
    match (modern.spoken, legacy.spoken) {
        (true, true) => Era::Dual,
        (true, false) if legacy.hidden || lists_old => Era::Dual,
        (true, false) => Era::Modern,
        (false, true) => Era::Legacy,
        (false, false) if legacy.hidden && modern.rejected && rejected_as_era(facts) => Era::Legacy,
        (false, false) => Era::Hidden,
    }
}

/// X1 was rejected as an era (400, 404 and the like with an error that does not speak of
/// authentication), while X3 met the token check.
fn rejected_as_era(facts: &Facts<'_>) -> bool {
    facts.answer(Purpose::Discover).is_some_and(|answer| {
        matches!(
            answer.outcome,
            Outcome::RpcError | Outcome::Other | Outcome::Miss
        ) && answer.error_code() != Some(METHOD_NOT_FOUND)
            && !answer.speaks_of_authentication()
    })
}
