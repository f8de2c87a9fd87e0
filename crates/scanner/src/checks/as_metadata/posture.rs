//! What the metadata says about the strength of the authorization server.

use serde_json::Value;

use super::{kind_of, listed, worst_first_document};
use crate::check::{
    Area, Check, Fault, Judgement, Level, Na, Party, ProbeClass, Severity, Verdict, fail, na, warn,
};
use crate::facts::documents::Document;
use crate::facts::{Facts, quote};
use crate::spec::{Matrix, Revision, Spec};

pub(super) const LEGACY_GRANTS: Check = Check {
    id: "asm-legacy-grants",
    title: "Implicit and password grants are not offered",
    area: Area::AsMetadata,
    level: Level::Must,
    party: &[Party::AuthorizationServer],
    class: ProbeClass::P0,
    severity: Severity::Low,
    revisions: Matrix::of("AAAA"),
    cites: &[
        Spec::OAuth21.at("10.1"),
        Spec::OAuth21.at("1.8"),
        Spec::Rfc(9700).at("2.1.2"),
        Spec::Rfc(9700).at("2.4"),
        Spec::Mcp(Revision::V2026_07_28).at("authorization#overview"),
    ],
    why: "The implicit grant puts tokens into URLs, and the password grant trains people to type their password into other parties' forms.",
    fix: "Switch the grants off for the tenant, or use an authorization server of its own for MCP.",
    traps: "Identity providers for many uses advertise these grants for other clients, so being listed is a warning and never a failure.",
    run: legacy_grants,
};

pub(super) const PUBLIC_CLIENT_AUTH: Check = Check {
    id: "asm-public-client-auth",
    title: "Public clients can use the token endpoint",
    area: Area::AsMetadata,
    level: Level::Must,
    party: &[Party::AuthorizationServer],
    class: ProbeClass::P0,
    severity: Severity::Medium,
    revisions: Matrix::of("AAAA"),
    cites: &[
        Spec::Mcp(Revision::V2026_07_28).at("authorization#overview"),
        Spec::Rfc(8414).at("2"),
        Spec::OAuth21.at("2.1"),
        Spec::OAuth21.at("2.4"),
        Spec::Rfc(9700).at("2.5"),
    ],
    why: "A native client cannot keep a secret: one that ships with it or is stored by it leaks, and all installations share it.",
    fix: "Allow `none` together with PKCE for native clients, or `private_key_jwt` with client metadata documents, and list it.",
    traps: "Some servers take public clients without saying so; a list without `none` is a warning, because clients can only go by it.",
    run: public_client_auth,
};

pub(super) const ALG_NONE: Check = Check {
    id: "asm-alg-none",
    title: "`none` is not offered where signatures are required",
    area: Area::AsMetadata,
    level: Level::Must,
    party: &[Party::AuthorizationServer],
    class: ProbeClass::P0,
    severity: Severity::High,
    revisions: Matrix::of("AAAA"),
    cites: &[
        Spec::Rfc(8414).at("2"),
        Spec::Rfc(9449).at("5.1"),
        Spec::OidcDiscovery.at("3"),
        Spec::Rfc(8725).at("3.1"),
        Spec::Rfc(8725).at("3.2"),
    ],
    why: "A verifier that takes `none` accepts client assertions or proofs that anybody can write.",
    fix: "Remove `none` from these lists and from the code that verifies.",
    traps: "Unsigned userinfo responses are legal and common, and are not looked at.",
    run: alg_none,
};

pub(super) const ISS_PARAMETER: Check = Check {
    id: "asm-iss-parameter",
    title: "Issuer identification in authorization responses is advertised",
    area: Area::AsMetadata,
    level: Level::Should,
    party: &[Party::AuthorizationServer],
    class: ProbeClass::P0,
    severity: Severity::Medium,
    revisions: Matrix::of("NNNA"),
    cites: &[
        Spec::Mcp(Revision::V2026_07_28).at("authorization#authorization-response-validation"),
        Spec::Rfc(9207).at("2.3"),
        Spec::Rfc(9207).at("3"),
        Spec::Rfc(9700).at("4.4.2"),
        Spec::McpSep.at("2468"),
    ],
    why: "A client that talks to several authorization servers can be led to hand one server's code to another's token endpoint, and PKCE does not stop that; `iss` in the response does.",
    fix: "Send `iss` in every authorization response, errors included, and only then set `authorization_response_iss_parameter_supported` to true.",
    traps: "A flag without the parameter is worse than no flag, because clients must then refuse every response; that shows only with consent. A later revision is announced to require it.",
    run: iss_parameter,
};

// --- asm-legacy-grants ----------------------------------------------------------------------

fn legacy_grants(facts: &Facts<'_>, revision: Revision) -> Judgement {
    worst_first_document(facts, revision, grants)
}

fn grants(document: &Document) -> Judgement {
    let responses = document.texts("response_types_supported");
    let grants = document.texts("grant_types_supported");
    if responses.is_none() && grants.is_none() {
        return na(Na::Other("members_absent"));
    }
    let front_channel: Vec<&str> = responses
        .unwrap_or_default()
        .into_iter()
        .filter(|types| types.split_ascii_whitespace().any(|one| one == "token"))
        .collect();
    let old: Vec<&str> = grants
        .unwrap_or_default()
        .into_iter()
        .filter(|grant| matches!(*grant, "implicit" | "password"))
        .collect();
    let reason = if !front_channel.is_empty() || old.contains(&"implicit") {
        "implicit"
    } else if !old.is_empty() {
        "password"
    } else {
        return Ok(Verdict::Pass);
    };
    let mut said = Vec::new();
    let mut places = Vec::new();
    if !old.is_empty() {
        said.push(format!("`grant_types_supported` offers {}", listed(&old)));
        places.push(document.place("grant_types_supported"));
    }
    if !front_channel.is_empty() {
        said.push(format!(
            "`response_types_supported` offers {}",
            listed(&front_channel)
        ));
        places.push(document.place("response_types_supported"));
    }
    let mut fault = Fault::new(reason, format!("{}.", said.join("; ")), places[0].clone());
    for place in places {
        fault = fault.and(place);
    }
    warn(fault)
}

// --- asm-public-client-auth -----------------------------------------------------------------

fn public_client_auth(facts: &Facts<'_>, revision: Revision) -> Judgement {
    worst_first_document(facts, revision, public_clients)
}

fn public_clients(document: &Document) -> Judgement {
    const MEMBER: &str = "token_endpoint_auth_methods_supported";
    let place = document.place(MEMBER);
    let methods = match document.texts(MEMBER) {
        Some(methods) if !methods.is_empty() => methods,
        _ => {
            return warn(Fault::new(
                "absent",
                format!("`{MEMBER}` names no method; its default is a client secret."),
                match document.get(MEMBER) {
                    Some(_) => place,
                    None => document.place(""),
                },
            ));
        }
    };
    let by_document = document.flag("client_id_metadata_document_supported") == Some(true);
    if methods.contains(&"none") || (methods.contains(&"private_key_jwt") && by_document) {
        return Ok(Verdict::Pass);
    }
    if methods.iter().all(|method| is_mutual_tls(method)) {
        return fail(Fault::new(
            "mtls_only",
            format!(
                "`{MEMBER}` offers only client certificates: {}.",
                listed(&methods)
            ),
            place,
        ));
    }
    let registers = document.get("registration_endpoint").is_some();
    let (reason, rest) = if registers {
        (
            "secret_only",
            "so clients that register themselves have to keep a secret",
        )
    } else {
        (
            "no_public_method",
            "and nothing that a native client can use",
        )
    };
    warn(Fault::new(
        reason,
        format!("`{MEMBER}` offers {}, {rest}.", listed(&methods)),
        place,
    ))
}

pub(super) fn is_mutual_tls(method: &str) -> bool {
    matches!(method, "tls_client_auth" | "self_signed_tls_client_auth")
}

// --- asm-alg-none ---------------------------------------------------------------------------

fn alg_none(facts: &Facts<'_>, revision: Revision) -> Judgement {
    worst_first_document(facts, revision, unsigned)
}

fn unsigned(document: &Document) -> Judgement {
    let mut seen = false;
    let mut lenient = None;
    for name in document.members.keys() {
        let authenticates = name.ends_with("_auth_signing_alg_values_supported")
            || name == "dpop_signing_alg_values_supported";
        let looked_at = authenticates
            || matches!(
                name.as_str(),
                "id_token_signing_alg_values_supported"
                    | "request_object_signing_alg_values_supported"
                    | "introspection_signing_alg_values_supported"
            );
        let Some(values) = document.texts(name).filter(|_| looked_at) else {
            continue;
        };
        seen = true;
        if !values
            .iter()
            .any(|value| value.eq_ignore_ascii_case("none"))
        {
            continue;
        }
        let fault = Fault::new(
            if authenticates {
                "none_authenticates"
            } else {
                "none_listed"
            },
            format!("{} offers `none`.", quote(name)),
            document.place(name),
        );
        if authenticates {
            return fail(fault);
        }
        lenient.get_or_insert(fault);
    }
    match lenient {
        Some(fault) => warn(fault),
        None if seen => Ok(Verdict::Pass),
        None => na(Na::AbsentByChoice),
    }
}

// --- asm-iss-parameter ----------------------------------------------------------------------

fn iss_parameter(facts: &Facts<'_>, revision: Revision) -> Judgement {
    worst_first_document(facts, revision, iss)
}

fn iss(document: &Document) -> Judgement {
    const MEMBER: &str = "authorization_response_iss_parameter_supported";
    match document.get(MEMBER) {
        Some(Value::Bool(true)) => Ok(Verdict::Pass),
        Some(Value::Bool(false)) => warn(Fault::new(
            "false",
            format!("`{MEMBER}` is false."),
            document.place(MEMBER),
        )),
        None => warn(Fault::new(
            "absent",
            format!("The metadata has no `{MEMBER}`."),
            document.place(""),
        )),
        Some(other) => fail(Fault::new(
            "mistyped",
            format!("`{MEMBER}` is {} instead of a boolean.", kind_of(other)),
            document.place(MEMBER),
        )),
    }
}
