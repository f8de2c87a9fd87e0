//! DPoP, settings that shut core clients out, and the authorization extensions of MCP.

use serde_json::Value;

use super::super::weigh;
use super::listed;
use super::posture::is_mutual_tls;
use crate::check::{
    Area, Check, Fault, Judgement, Level, Na, Party, Place, ProbeClass, Severity, Verdict, fail,
    na, warn,
};
use crate::evidence::Purpose;
use crate::facts::Facts;
use crate::facts::documents::{Document, Prm};
use crate::spec::{Matrix, Revision, Spec};

const CLIENT_CREDENTIALS: &str = "io.modelcontextprotocol/oauth-client-credentials";
const ENTERPRISE: &str = "io.modelcontextprotocol/enterprise-managed-authorization";
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const ID_JAG: &str = "urn:ietf:params:oauth:grant-profile:id-jag";
const DPOP_ALGS: &str = "dpop_signing_alg_values_supported";

pub(super) const DPOP_CONSISTENCY: Check = Check {
    id: "asm-dpop-consistency",
    title: "DPoP metadata is coherent",
    area: Area::AsMetadata,
    level: Level::Must,
    party: &[Party::AuthorizationServer, Party::Server],
    class: ProbeClass::P0,
    severity: Severity::Medium,
    revisions: Matrix::of("NAAA"),
    cites: &[
        Spec::Rfc(9449).at("5.1"),
        Spec::Rfc(9449).at("11.6"),
        Spec::Rfc(9728).at("2"),
        Spec::McpSep.at("1932"),
        Spec::Rfc(9700).at("2.2.1"),
    ],
    why: "Announcing sender-constrained tokens that nobody can issue or check gives clients a protection that is not there.",
    fix: "Let both documents list the same asymmetric algorithms, ES256 at least, or remove the DPoP members.",
    traps: "A list at the authorization server alone promises nothing for this resource and passes if it is sound.",
    run: dpop_consistency,
};

pub(super) const NO_MANDATORY_EXTENSIONS: Check = Check {
    id: "asm-no-mandatory-extensions",
    title: "Nothing is mandatory that core MCP clients lack",
    area: Area::AsMetadata,
    level: Level::May,
    party: &[Party::AuthorizationServer],
    class: ProbeClass::P0,
    severity: Severity::Medium,
    revisions: Matrix::of("NAAA"),
    cites: &[
        Spec::Rfc(9126).at("5"),
        Spec::Rfc(9101).at("10.5"),
        Spec::Rfc(8705).at(""),
        Spec::Rfc(9728).at("2"),
        Spec::Mcp(Revision::V2026_07_28).at("authorization#standards-compliance"),
    ],
    why: "These settings are stronger, but core clients cannot meet them, and people then put a weaker proxy in front.",
    fix: "Keep the hardening for other clients and exempt MCP clients, or document what a client must bring.",
    traps: "A note on interoperability: it never lowers a security score.",
    run: no_mandatory_extensions,
};

pub(super) const EXTENSION_CONSISTENCY: Check = Check {
    id: "asm-extension-consistency",
    title: "Advertised authorization extensions match what the authorization server offers",
    area: Area::AsMetadata,
    level: Level::Should,
    party: &[Party::Server, Party::AuthorizationServer],
    class: ProbeClass::P0,
    severity: Severity::Low,
    revisions: Matrix::of("NNAA"),
    cites: &[
        Spec::McpExtension.at("oauth-client-credentials"),
        Spec::McpExtension.at("enterprise-managed-authorization"),
        Spec::McpSep.at("1046"),
        Spec::McpSep.at("990"),
    ],
    why: "Clients try the advertised flow, fail, and people fall back to static secrets.",
    fix: "List the grant types and profiles that the extension needs in the authorization server's metadata.",
    traps: "Capabilities usually hide behind the 401, so nothing to judge is the normal case. The JWT bearer grant alone does not prove the enterprise extension.",
    run: extension_consistency,
};

// --- asm-dpop-consistency -------------------------------------------------------------------

/// What the resource side says about DPoP.
struct Announced<'f> {
    algorithms: Option<(Vec<&'f str>, Place)>,
    required: Option<Place>,
    challenge: Option<Place>,
}

impl Announced<'_> {
    /// The first sign of it.
    fn place(&self) -> Option<&Place> {
        self.required
            .as_ref()
            .or(self.algorithms.as_ref().map(|(_, place)| place))
            .or(self.challenge.as_ref())
    }
}

fn announced<'f>(facts: &'f Facts<'_>, prm: Option<Prm<'f, '_>>) -> Announced<'f> {
    let algorithms = prm.and_then(|prm| {
        let list = prm.document.texts(DPOP_ALGS)?;
        (!list.is_empty()).then(|| (list, prm.place(DPOP_ALGS)))
    });
    let required = prm.and_then(|prm| {
        (prm.document.flag("dpop_bound_access_tokens_required") == Some(true))
            .then(|| prm.place("dpop_bound_access_tokens_required"))
    });
    let challenge = facts
        .unauthorized()
        .find(|answer| {
            answer
                .challenges
                .list
                .iter()
                .any(|challenge| challenge.scheme.eq_ignore_ascii_case("dpop"))
        })
        .map(|answer| Place::header(answer.exchange.id, "www-authenticate"));
    Announced {
        algorithms,
        required,
        challenge,
    }
}

fn dpop_consistency(facts: &Facts<'_>, revision: Revision) -> Judgement {
    let asms = facts.readable_asms(revision)?;
    let announced = announced(facts, facts.selected_prm(revision));
    let silent =
        announced.place().is_none() && asms.iter().all(|asm| asm.document.get(DPOP_ALGS).is_none());
    if silent {
        return na(Na::AbsentByChoice);
    }
    if let Some((list, place)) = &announced.algorithms
        && let Some(bad) = weak(list)
    {
        return fail(weak_algorithm(bad, "protected-resource", place.clone()));
    }
    weigh::worst_of(&asms, |asm| coherent(&announced, asm.document))
}

fn coherent(announced: &Announced<'_>, document: &Document) -> Judgement {
    let place = document.place(DPOP_ALGS);
    let offered = document.texts(DPOP_ALGS).unwrap_or_default();
    if let Some(bad) = weak(&offered) {
        return fail(weak_algorithm(bad, "authorization server", place));
    }
    if offered.is_empty() {
        if let Some(required) = &announced.required {
            return fail(
                Fault::new(
                    "bound_without_dpop",
                    "The resource requires DPoP-bound tokens, and the authorization server lists no DPoP algorithms.",
                    required.clone(),
                )
                .and(document.place("")),
            );
        }
        return match announced.place() {
            Some(announced) => warn(
                Fault::new(
                    "as_lists_none",
                    "The resource announces DPoP, and the authorization server lists no algorithms for it.",
                    announced.clone(),
                )
                .and(document.place("")),
            ),
            None if document.get(DPOP_ALGS).is_some() => warn(Fault::new(
                "empty_list",
                format!("`{DPOP_ALGS}` lists no algorithm."),
                place,
            )),
            None => na(Na::AbsentByChoice),
        };
    }
    if let Some((wanted, at)) = &announced.algorithms
        && !wanted.iter().any(|algorithm| offered.contains(algorithm))
    {
        return warn(
            Fault::new(
                "no_common_algorithm",
                format!(
                    "The resource takes DPoP proofs with {}, the authorization server with {}.",
                    listed(wanted),
                    listed(&offered)
                ),
                at.clone(),
            )
            .and(place),
        );
    }
    Ok(Verdict::Pass)
}

/// The first symmetric or absent algorithm of a list.
fn weak<'f>(list: &[&'f str]) -> Option<&'f str> {
    list.iter().copied().find(|algorithm| {
        algorithm.eq_ignore_ascii_case("none") || algorithm.to_ascii_uppercase().starts_with("HS")
    })
}

fn weak_algorithm(algorithm: &str, whose: &str, place: Place) -> Fault {
    Fault::new(
        "weak_algorithm",
        format!(
            "The {whose} metadata offers {} for DPoP proofs, which proves nothing.",
            crate::facts::quote(algorithm)
        ),
        place,
    )
}

// --- asm-no-mandatory-extensions ------------------------------------------------------------

fn no_mandatory_extensions(facts: &Facts<'_>, revision: Revision) -> Judgement {
    let asms = facts.readable_asms(revision)?;
    let resource = facts
        .selected_prm(revision)
        .and_then(|prm| resource_demands(prm.document));
    if let Some(fault) = resource {
        return warn(fault);
    }
    weigh::worst_of(&asms, |asm| match server_demands(asm.document) {
        Some(fault) => warn(fault),
        None => Ok(Verdict::Pass),
    })
}

fn resource_demands(prm: &Document) -> Option<Fault> {
    if prm.flag("dpop_bound_access_tokens_required") == Some(true) {
        return Some(Fault::new(
            "dpop_required",
            "The resource takes only DPoP-bound tokens.",
            prm.place("dpop_bound_access_tokens_required"),
        ));
    }
    prm.texts("bearer_methods_supported")
        .is_some_and(|methods| methods.is_empty())
        .then(|| {
            Fault::new(
                "no_bearer_method",
                "The resource lists no way to send a bearer token.",
                prm.place("bearer_methods_supported"),
            )
        })
}

fn server_demands(document: &Document) -> Option<Fault> {
    for (reason, name, what) in [
        (
            "par_required",
            "require_pushed_authorization_requests",
            "pushed authorization requests",
        ),
        (
            "signed_requests_required",
            "require_signed_request_object",
            "signed request objects",
        ),
    ] {
        if document.flag(name) == Some(true) {
            return Some(Fault::new(
                reason,
                format!("The authorization server demands {what}."),
                document.place(name),
            ));
        }
    }
    const METHODS: &str = "token_endpoint_auth_methods_supported";
    let certificates = document
        .texts(METHODS)
        .is_some_and(|methods| !methods.is_empty() && methods.iter().all(|m| is_mutual_tls(m)));
    if !certificates {
        return None;
    }
    let bound = "tls_client_certificate_bound_access_tokens";
    Some(if document.flag(bound) == Some(true) {
        Fault::new(
            "certificate_bound",
            "Clients need a certificate, and tokens are bound to it.",
            document.place(bound),
        )
        .and(document.place(METHODS))
    } else {
        Fault::new(
            "mtls_only",
            "The token endpoint takes only clients with a certificate.",
            document.place(METHODS),
        )
    })
}

// --- asm-extension-consistency --------------------------------------------------------------

/// Where an extension is mentioned: in capabilities that an anonymous caller sees, or in
/// metadata.
fn mention(facts: &Facts<'_>, revision: Revision, name: &str) -> Option<Place> {
    for purpose in [
        Purpose::Discover,
        Purpose::DiscoverListed,
        Purpose::Initialize,
    ] {
        let Some(answer) = facts.answer(purpose) else {
            continue;
        };
        let capabilities = answer
            .result()
            .and_then(|result| result.get("capabilities"));
        if capabilities.is_some_and(|value| speaks_of(value, name)) {
            return Some(Place::body(answer.exchange.id, "/result/capabilities"));
        }
    }
    let documents = facts
        .selected_prm(revision)
        .map(|prm| prm.document)
        .into_iter()
        .chain(
            facts
                .issuers()
                .iter()
                .flat_map(|issuer| facts.found(issuer, revision))
                .filter_map(|candidate| candidate.asm()),
        );
    for document in documents {
        for (member, value) in &document.members {
            if member == name || speaks_of(value, name) {
                return Some(document.place(member));
            }
        }
    }
    None
}

/// A key or a string anywhere in the value is exactly this name. Documents are read with
/// bounded depth, so this ends.
fn speaks_of(value: &Value, name: &str) -> bool {
    match value {
        Value::String(text) => text == name,
        Value::Array(items) => items.iter().any(|item| speaks_of(item, name)),
        Value::Object(members) => members
            .iter()
            .any(|(key, value)| key == name || speaks_of(value, name)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The server says that machines get tokens without a person.
pub(super) fn machine_to_machine(facts: &Facts<'_>, revision: Revision) -> bool {
    mention(facts, revision, CLIENT_CREDENTIALS).is_some()
}

fn extension_consistency(facts: &Facts<'_>, revision: Revision) -> Judgement {
    let asms = facts.readable_asms(revision)?;
    let machines = mention(facts, revision, CLIENT_CREDENTIALS);
    let enterprise = mention(facts, revision, ENTERPRISE);
    weigh::best_of(&asms, |asm| {
        matches_grants(asm.document, machines.as_ref(), enterprise.as_ref())
    })
}

fn matches_grants(
    document: &Document,
    machines: Option<&Place>,
    enterprise: Option<&Place>,
) -> Judgement {
    const GRANTS: &str = "grant_types_supported";
    const PROFILES: &str = "authorization_grant_profiles_supported";
    let grants = document.texts(GRANTS).unwrap_or_default();
    let profile = document
        .texts(PROFILES)
        .is_some_and(|profiles| profiles.contains(&ID_JAG));
    let exchange = grants.contains(&JWT_BEARER);
    let missing = |said: String, at: &Place| {
        warn(Fault::new("grant_missing", said, at.clone()).and(document.place(GRANTS)))
    };
    if let Some(at) = machines
        && !grants.contains(&"client_credentials")
    {
        return missing(
            format!(
                "`{CLIENT_CREDENTIALS}` is advertised, but `client_credentials` is not among the grants."
            ),
            at,
        );
    }
    if let Some(at) = enterprise
        && !exchange
        && !profile
    {
        return missing(
            format!(
                "`{ENTERPRISE}` is advertised, but neither its grant nor its profile is listed."
            ),
            at,
        );
    }
    if profile && !exchange {
        return warn(
            Fault::new(
                "profile_without_grant",
                format!("The profile `{ID_JAG}` is listed without the grant `{JWT_BEARER}`."),
                document.place(PROFILES),
            )
            .and(document.place(GRANTS)),
        );
    }
    if machines.is_none() && enterprise.is_none() && !profile {
        return na(Na::AbsentByChoice);
    }
    Ok(Verdict::Pass)
}
