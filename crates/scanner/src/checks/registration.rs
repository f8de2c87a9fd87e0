//! Client registration (catalogue section 1.6): how a client that nobody knows yet can become
//! known to the authorization server.

#[cfg(test)]
mod cases;
mod deeper;
#[cfg(test)]
mod deeper_cases;
#[cfg(test)]
mod document_cases;
mod documents;
mod dynamic;

#[cfg(test)]
pub(super) use cases::CASES;
#[cfg(test)]
pub(super) use deeper_cases::CASES as DEEPER_CASES;

use crate::check::{
    Area, Check, Fault, Judgement, Level, Na, Party, ProbeClass, Severity, Verdict, fail, na, warn,
};
use crate::facts::documents::{Asm, Document};
use crate::facts::{Facts, quote};
use crate::spec::{Matrix, Revision, Spec};

pub(super) const CHECKS: &[Check] = &[
    MECHANISM_AVAILABLE,
    CIMD_ADVERTISED,
    DCR_ADVERTISED,
    deeper::DCR_OPEN,
    deeper::DCR_PROTOCOL,
    deeper::DCR_REDIRECT_POLICY,
    deeper::DCR_AUTH_METHOD,
    deeper::CIMD_ACCEPTED,
    deeper::CIMD_CLIENT_ID_MATCH,
    deeper::CIMD_REDIRECT_URI,
    deeper::CIMD_URL_RULES,
    deeper::CIMD_FETCH_SAFETY,
];

const MECHANISM_AVAILABLE: Check = Check {
    id: "reg-mechanism-available",
    title: "A client without a prior relationship can identify itself",
    area: Area::Registration,
    level: Level::Should,
    party: &[Party::AuthorizationServer],
    class: ProbeClass::P0,
    severity: Severity::Low,
    revisions: Matrix::of("AACC"),
    cites: &[
        Spec::Mcp(Revision::V2025_03_26).at("authorization#dynamic-client-registration"),
        Spec::Mcp(Revision::V2025_06_18).at("authorization#dynamic-client-registration"),
        Spec::Mcp(Revision::V2025_11_25).at("authorization#client-registration-approaches"),
        Spec::Mcp(Revision::V2026_07_28).at("authorization/client-registration"),
    ],
    why: "Users otherwise paste secrets that they got by hand, or many of them share one client.",
    fix: "Accept Client ID Metadata Documents; keep dynamic registration for older clients if policy allows.",
    traps: "Registration in advance is a legitimate choice of closed deployments, so this never fails. Deployments that only let machines in have nobody to register.",
    run: mechanism_available,
};

const CIMD_ADVERTISED: Check = Check {
    id: "reg-cimd-advertised",
    title: "Client ID Metadata Documents are supported",
    area: Area::Registration,
    level: Level::Should,
    party: &[Party::AuthorizationServer],
    class: ProbeClass::P0,
    severity: Severity::Low,
    revisions: Matrix::of("NNAA"),
    cites: &[
        Spec::Mcp(Revision::V2025_11_25).at("authorization#client-id-metadata-documents"),
        Spec::Mcp(Revision::V2026_07_28)
            .at("authorization/client-registration#advertising-cimd-support"),
        Spec::Cimd.at("5"),
        Spec::McpSep.at("991"),
    ],
    why: "Without them only anonymous registration is left, whose client names nobody can verify.",
    fix: "Turn the feature on, and limit it to trusted client domains if policy asks for that.",
    traps: "Some servers say `true` but accept only documents approved beforehand; a deeper scan shows it. Others say `false` until their protection against internal fetches is switched on.",
    run: cimd_advertised,
};

const DCR_ADVERTISED: Check = Check {
    id: "reg-dcr-advertised",
    title: "Dynamic registration stands as the revision wants it",
    area: Area::Registration,
    level: Level::May,
    party: &[Party::AuthorizationServer],
    class: ProbeClass::P0,
    severity: Severity::Info,
    revisions: Matrix::of("AACC"),
    cites: &[
        Spec::Mcp(Revision::V2025_03_26).at("authorization#dynamic-client-registration"),
        Spec::Mcp(Revision::V2025_06_18).at("authorization#dynamic-client-registration"),
        Spec::Mcp(Revision::V2025_11_25).at("authorization#dynamic-client-registration"),
        Spec::Mcp(Revision::V2026_07_28)
            .at("authorization/client-registration#dynamic-client-registration"),
        Spec::Rfc(7591).at("3"),
    ],
    why: "Open registration lets anybody borrow a well-known client's name for a consent page, and makes proxies confused deputies.",
    fix: "Move to Client ID Metadata Documents; the revision of 2026-07-28 allows removal from 2027-07-28 on.",
    traps: "Advertised is not open: some products publish the endpoint always and restrict it by policy or token.",
    run: dcr_advertised,
};

const CIMD: &str = "client_id_metadata_document_supported";
const REGISTRATION: &str = "registration_endpoint";

fn offers_cimd(document: &Document) -> bool {
    document.flag(CIMD) == Some(true)
}

fn offers_dcr(document: &Document) -> bool {
    document
        .text(REGISTRATION)
        .is_some_and(|endpoint| !endpoint.is_empty())
}

/// No user ever signs in: neither an authorization endpoint nor a grant that needs one.
fn is_for_machines(document: &Document) -> bool {
    document.get("authorization_endpoint").is_none()
        && document
            .texts("grant_types_supported")
            .is_some_and(|grants| !grants.is_empty() && !grants.contains(&"authorization_code"))
}

/// One fault over all authorization servers, pointing at each document.
fn everywhere(
    asms: &[Asm<'_, '_>],
    reason: &'static str,
    said: impl Into<String>,
    member: &str,
) -> Fault {
    let place = |asm: &Asm<'_, '_>| {
        let named = asm.document.get(member).map_or("", |_| member);
        asm.document.place(named)
    };
    Fault {
        reason,
        said: said.into(),
        at: asms.iter().map(place).collect(),
        severity: None,
        relation: None,
    }
}

fn mechanism_available(facts: &Facts<'_>, revision: Revision) -> Judgement {
    let asms = facts.readable_asms(revision)?;
    if asms
        .iter()
        .any(|asm| offers_cimd(asm.document) || offers_dcr(asm.document))
    {
        return Ok(Verdict::Pass);
    }
    if asms.iter().all(|asm| is_for_machines(asm.document)) {
        return na(Na::Other("machine_to_machine"));
    }
    warn(everywhere(
        &asms,
        "closed_registration",
        "closed registration: neither client documents nor a registration endpoint are offered",
        REGISTRATION,
    ))
}

fn cimd_advertised(facts: &Facts<'_>, revision: Revision) -> Judgement {
    let asms = facts.readable_asms(revision)?;
    // A client may pick any of the servers, so one that offers it is enough.
    if asms.iter().any(|asm| offers_cimd(asm.document)) {
        return Ok(Verdict::Pass);
    }
    if let Some((asm, value)) = asms.iter().find_map(|asm| {
        let value = asm.document.get(CIMD)?;
        (!value.is_boolean()).then_some((asm, value))
    }) {
        return fail(Fault::new(
            "not_boolean",
            format!(
                "`{CIMD}` is {} instead of a boolean",
                quote(&value.to_string())
            ),
            asm.document.place(CIMD),
        ));
    }
    let registers = asms.iter().any(|asm| offers_dcr(asm.document));
    if registers && revision >= Revision::V2026_07_28 {
        return warn(everywhere(
            &asms,
            "dcr_only",
            "only dynamic registration is offered, which is deprecated",
            CIMD,
        ));
    }
    let said_no = asms.iter().any(|asm| asm.document.get(CIMD).is_some());
    let (reason, said) = if said_no {
        ("off", "client documents are declared as not supported")
    } else {
        ("absent", "client documents are not mentioned")
    };
    warn(everywhere(&asms, reason, said, CIMD))
}

fn dcr_advertised(facts: &Facts<'_>, revision: Revision) -> Judgement {
    let asms = facts.readable_asms(revision)?;
    let registers = asms.iter().any(|asm| offers_dcr(asm.document));
    match revision {
        Revision::V2025_03_26 | Revision::V2025_06_18 if !registers => warn(everywhere(
            &asms,
            "absent",
            "no registration endpoint is published, which this revision recommends",
            REGISTRATION,
        )),
        Revision::V2026_07_28 if registers && !asms.iter().any(|asm| offers_cimd(asm.document)) => {
            warn(everywhere(
                &asms,
                "dcr_without_cimd",
                "a registration endpoint is published, and its successor is not offered",
                REGISTRATION,
            ))
        }
        Revision::V2025_03_26
        | Revision::V2025_06_18
        | Revision::V2025_11_25
        | Revision::V2026_07_28 => Ok(Verdict::Pass),
    }
}
