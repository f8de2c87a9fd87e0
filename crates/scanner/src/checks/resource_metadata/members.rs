//! The descriptive members of the document, and what the authorization server says in return.

use serde_json::Value;

use crate::check::{
    Area, Check, Fault, Judgement, Level, Na, Party, ProbeClass, Severity, Unmet, Verdict, fail,
    na, warn, worst,
};
#[cfg(test)]
use crate::checks::testkit::*;
use crate::facts::documents::Document;
use crate::facts::{Facts, quote};
use crate::spec::{Matrix, Revision, Spec};

pub(super) const RECOMMENDED_FIELDS: Check = Check {
    id: "prm-recommended-fields",
    title: "The metadata carries its scopes and a name for people",
    area: Area::ResourceMetadata,
    level: Level::Should,
    party: &[Party::Server],
    class: ProbeClass::P0,
    severity: Severity::Low,
    revisions: Matrix::of("NAAA"),
    cites: &[
        Spec::Rfc(9728).at("2"),
        Spec::Mcp(Revision::V2026_07_28).at("authorization#scope-selection-strategy"),
    ],
    why: "Clients that find no scopes leave the scope out and receive the authorization server's default, which is often everything.",
    fix: "Publish the smallest useful set in `scopes_supported`, and a display name in `resource_name`.",
    traps: "A server without scopes has none to publish: where challenge and authorization server name none either, only the display name is judged.",
    run: recommended_fields,
};

pub(super) const BEARER_METHODS: Check = Check {
    id: "prm-bearer-methods",
    title: "Only the Authorization header is offered for tokens",
    area: Area::ResourceMetadata,
    level: Level::Must,
    party: &[Party::Server],
    class: ProbeClass::P0,
    severity: Severity::Medium,
    revisions: Matrix::of("NAAA"),
    cites: &[
        Spec::Mcp(Revision::V2026_07_28).at("authorization#token-requirements"),
        Spec::OAuth21.at("5.1"),
        Spec::Rfc(9728).at("2"),
        Spec::Rfc(6750).at("2.2"),
        Spec::Rfc(6750).at("2.3"),
    ],
    why: "Tokens in URLs end up in logs, histories and referrers.",
    fix: "Set `bearer_methods_supported` to `[\"header\"]` or leave it out, and stop reading tokens from the query.",
    traps: "An empty array is legal and says that bearer tokens are not taken at all; asm-no-mandatory-extensions notes that.",
    run: bearer_methods,
};

pub(super) const NO_EMPTY_VALUES: Check = Check {
    id: "prm-no-empty-values",
    title: "Metadata leaves out members that have no value",
    area: Area::ResourceMetadata,
    level: Level::Must,
    party: &[Party::Server, Party::AuthorizationServer],
    class: ProbeClass::P0,
    severity: Severity::Low,
    revisions: Matrix::of("NAAA"),
    cites: &[Spec::Rfc(9728).at("3.2"), Spec::Rfc(8414).at("3.2")],
    why: "Clients with strict schemas refuse the whole document because of one null or empty list.",
    fix: "Drop unset members before writing the document.",
    traps: "Writers that do not omit empty fields are the usual cause. An empty `bearer_methods_supported` has a meaning, and mandatory members are judged by checks of their own.",
    run: no_empty_values,
};

pub(super) const AS_CROSSCHECK: Check = Check {
    id: "prm-as-crosscheck",
    title: "The authorization server counts this resource among its own",
    area: Area::ResourceMetadata,
    level: Level::Should,
    party: &[Party::AuthorizationServer],
    class: ProbeClass::P0,
    severity: Severity::Medium,
    revisions: Matrix::of("NAAA"),
    cites: &[Spec::Rfc(9728).at("4"), Spec::Rfc(9728).at("7.6")],
    why: "A resource that names an authorization server which does not know it is misconfigured, or pretends to be something else.",
    fix: "Add the resource identifier to the authorization server's `protected_resources`.",
    traps: "The list may be partial on purpose, so absence only warns. It may also name other customers and is therefore never shown.",
    run: as_crosscheck,
};

fn recommended_fields(facts: &Facts<'_>, revision: Revision) -> Judgement {
    let prm = facts.prm(revision)?;
    let document = prm.document;
    let mut warns = Vec::new();
    match document.get("scopes_supported") {
        Some(value) if is_strings(value) => {}
        Some(_) => warns.push(Fault::new(
            "scopes_wrong_type",
            "`scopes_supported` is not an array of strings",
            prm.place("scopes_supported"),
        )),
        None if names_scopes(facts, revision) => warns.push(Fault::new(
            "scopes_missing",
            "`scopes_supported` is missing although the server uses scopes",
            prm.place(""),
        )),
        None => {}
    }
    let names: Vec<&Value> = document
        .members
        .iter()
        .filter(|(name, _)| *name == "resource_name" || name.starts_with("resource_name#"))
        .map(|(_, value)| value)
        .collect();
    if names.is_empty() {
        warns.push(Fault::new(
            "name_missing",
            "`resource_name` is missing",
            prm.place(""),
        ));
    } else if !names.iter().all(|value| value.is_string()) {
        warns.push(Fault::new(
            "name_wrong_type",
            "`resource_name` is not a string",
            prm.place("resource_name"),
        ));
    }
    worst(Vec::new(), warns)
}

fn is_strings(value: &Value) -> bool {
    value
        .as_array()
        .is_some_and(|list| list.iter().all(Value::is_string))
}

/// The challenge or an authorization server names scopes.
fn names_scopes(facts: &Facts<'_>, revision: Revision) -> bool {
    !facts.challenge_scopes().is_empty()
        || facts.readable_asms(revision).is_ok_and(|asms| {
            asms.iter().any(|asm| {
                asm.document
                    .texts("scopes_supported")
                    .is_some_and(|scopes| !scopes.is_empty())
            })
        })
}

fn bearer_methods(facts: &Facts<'_>, revision: Revision) -> Judgement {
    let prm = facts.prm(revision)?;
    let name = "bearer_methods_supported";
    let fault = |reason, said: &str| Fault::new(reason, said, prm.place(name));
    let methods = match prm.document.get(name) {
        None => return Ok(Verdict::Pass),
        Some(value) if is_strings(value) => prm.document.texts(name).unwrap_or_default(),
        Some(_) => {
            return warn(fault(
                "wrong_type",
                "`bearer_methods_supported` is not an array of strings",
            ));
        }
    };
    if methods.contains(&"query") {
        return fail(fault("query", "tokens are taken from the query"));
    }
    if methods.is_empty() {
        return Ok(Verdict::Pass);
    }
    if !methods.contains(&"header") {
        return fail(fault(
            "no_header",
            "the Authorization header is not among the methods",
        ));
    }
    if methods.contains(&"body") {
        return warn(fault("body", "tokens are taken from the request body"));
    }
    match methods.iter().find(|method| **method != "header") {
        Some(method) => warn(fault(
            "unknown_method",
            &format!("{} is no registered method", quote(method)),
        )),
        None => Ok(Verdict::Pass),
    }
}

fn no_empty_values(facts: &Facts<'_>, revision: Revision) -> Judgement {
    let prm = facts.prm(revision);
    let asms = facts.asms(revision);
    let mut warns = Vec::new();
    let mut read = 0;
    if let Ok(prm) = &prm {
        read += 1;
        warns.extend(empty_members(
            prm.document,
            &["resource", "authorization_servers"],
            &["bearer_methods_supported"],
        ));
    }
    for asm in asms.iter().flatten() {
        if facts.issuer_blocks(asm) {
            continue;
        }
        for document in asm.found.iter().filter_map(|candidate| candidate.asm()) {
            read += 1;
            warns.extend(empty_members(
                document,
                &[
                    "issuer",
                    "authorization_endpoint",
                    "token_endpoint",
                    "response_types_supported",
                ],
                &[],
            ));
        }
    }
    if read == 0 {
        return Err(match (prm, asms) {
            (Err(unmet), _) | (_, Err(unmet)) => unmet,
            _ => Unmet::Blocked("asm-issuer-identical"),
        });
    }
    worst(Vec::new(), warns)
}

/// Empty members, except the mandatory ones and arrays whose emptiness says something.
fn empty_members(document: &Document, mandatory: &[&str], meaningful: &[&str]) -> Vec<Fault> {
    document
        .members
        .iter()
        .filter(|(name, _)| !mandatory.contains(&name.as_str()))
        .filter_map(|(name, value)| {
            let (reason, words) = match value {
                Value::Null => ("null", "is null"),
                Value::String(text) if text.is_empty() => ("empty_string", "is an empty string"),
                Value::Array(list) if list.is_empty() && !meaningful.contains(&name.as_str()) => {
                    ("empty_array", "is an empty array")
                }
                _ => return None,
            };
            Some(Fault::new(
                reason,
                format!("{} {words}", quote(name)),
                document.place(name),
            ))
        })
        .collect()
}

fn as_crosscheck(facts: &Facts<'_>, revision: Revision) -> Judgement {
    let prm = facts.prm(revision)?;
    let Some(resource) = prm.resource() else {
        return Err(Unmet::Blocked("prm-resource-syntax"));
    };
    let asms = facts.readable_asms(revision)?;
    let lists: Vec<(&Document, Vec<&str>)> = asms
        .iter()
        .filter_map(|asm| Some((asm.document, asm.document.texts("protected_resources")?)))
        .collect();
    if lists.is_empty() {
        return na(Na::AbsentByChoice);
    }
    match lists.iter().find(|(_, list)| !list.contains(&resource)) {
        None => Ok(Verdict::Pass),
        Some((document, _)) => warn(
            Fault::new(
                "not_listed",
                format!(
                    "{} is not among the authorization server's protected resources",
                    quote(resource)
                ),
                document.place("protected_resources"),
            )
            .and(prm.place("resource")),
        ),
    }
}

#[cfg(test)]
fn with(name: &'static str, value: Value) -> World {
    changed(|w| {
        w.prm(move |prm| prm[name] = value.clone());
    })
}

#[cfg(test)]
fn without(name: &'static str) -> World {
    changed(|w| {
        w.prm(move |prm| {
            prm.as_object_mut().expect("an object").remove(name);
        });
    })
}

#[cfg(test)]
fn unread() -> World {
    changed(|w| {
        w.on(
            |ask| ask.url == PRM_URL,
            Err(crate::evidence::Failure::Reset),
        );
    })
}

#[cfg(test)]
pub(super) const CASES: &[Case] = &[
    case("prm-recommended-fields", Expect::Pass, World::compliant),
    case(
        "prm-recommended-fields",
        Expect::Warn("scopes_missing"),
        || without("scopes_supported"),
    ),
    case("prm-recommended-fields", Expect::Pass, || {
        let mut world = without("scopes_supported");
        world
            .challenge(Some("Bearer resource_metadata=\"https://mcp.example.com/.well-known/oauth-protected-resource/mcp\""))
            .asm(|asm| {
                asm.as_object_mut().expect("an object").remove("scopes_supported");
            });
        world
    }),
    case(
        "prm-recommended-fields",
        Expect::Warn("name_missing"),
        || without("resource_name"),
    ),
    case(
        "prm-recommended-fields",
        Expect::Warn("scopes_wrong_type"),
        || with("scopes_supported", "mcp:read".into()),
    ),
    case(
        "prm-recommended-fields",
        Expect::Warn("name_wrong_type"),
        || with("resource_name", 7.into()),
    ),
    case(
        "prm-recommended-fields",
        Expect::Blocked("prm-discoverable"),
        unread,
    ),
    case("prm-bearer-methods", Expect::Pass, World::compliant),
    case("prm-bearer-methods", Expect::Pass, || {
        without("bearer_methods_supported")
    }),
    case("prm-bearer-methods", Expect::Pass, || {
        with("bearer_methods_supported", serde_json::json!([]))
    }),
    case("prm-bearer-methods", Expect::Warn("body"), || {
        with(
            "bearer_methods_supported",
            serde_json::json!(["header", "body"]),
        )
    }),
    case("prm-bearer-methods", Expect::Warn("unknown_method"), || {
        with(
            "bearer_methods_supported",
            serde_json::json!(["header", "cookie"]),
        )
    }),
    case("prm-bearer-methods", Expect::Warn("wrong_type"), || {
        with("bearer_methods_supported", "header".into())
    }),
    case("prm-bearer-methods", Expect::Fail("query"), || {
        with(
            "bearer_methods_supported",
            serde_json::json!(["header", "query"]),
        )
    }),
    case("prm-bearer-methods", Expect::Fail("no_header"), || {
        with("bearer_methods_supported", serde_json::json!(["body"]))
    }),
    case(
        "prm-bearer-methods",
        Expect::Blocked("prm-discoverable"),
        unread,
    ),
    case("prm-no-empty-values", Expect::Pass, World::compliant),
    case("prm-no-empty-values", Expect::Pass, || {
        with("bearer_methods_supported", serde_json::json!([]))
    }),
    case("prm-no-empty-values", Expect::Warn("null"), || {
        with("jwks_uri", Value::Null)
    }),
    case("prm-no-empty-values", Expect::Warn("empty_string"), || {
        with("resource_policy_uri", "".into())
    }),
    case("prm-no-empty-values", Expect::Warn("empty_array"), || {
        with("scopes_supported", serde_json::json!([]))
    }),
    case("prm-no-empty-values", Expect::Warn("null"), || {
        changed(|w| {
            w.asm(|asm| asm["service_documentation"] = Value::Null);
        })
    }),
    case("prm-no-empty-values", Expect::Pass, || {
        with("authorization_servers", serde_json::json!([]))
    }),
    case(
        "prm-no-empty-values",
        Expect::Blocked("prm-discoverable"),
        unread,
    ),
    // Without any protected-resource document, the server's own authorization-server document
    // is still read.
    case("prm-no-empty-values", Expect::Warn("empty_array"), || {
        changed(|w| {
            let mut own = asm();
            own["issuer"] = "https://mcp.example.com".into();
            own["ui_locales_supported"] = serde_json::json!([]);
            w.challenge(None)
                .on(|ask| ask.url == PRM_URL, status(404))
                .document(
                    "https://mcp.example.com/.well-known/oauth-authorization-server",
                    own,
                );
        })
    }),
    case("prm-as-crosscheck", Expect::Na, World::compliant),
    case("prm-as-crosscheck", Expect::Pass, || {
        protecting(&[ENDPOINT, "https://other.example.com"])
    }),
    case("prm-as-crosscheck", Expect::Warn("not_listed"), || {
        protecting(&["https://mcp.example.com/mcp/"])
    }),
    case(
        "prm-as-crosscheck",
        Expect::Blocked("asm-discoverable"),
        || {
            changed(|w| {
                w.on(|ask| ask.url.starts_with(ISSUER), status(503));
            })
        },
    ),
    case(
        "prm-as-crosscheck",
        Expect::Blocked("prm-resource-syntax"),
        || without("resource"),
    ),
];

#[cfg(test)]
fn protecting(resources: &'static [&'static str]) -> World {
    changed(|w| {
        w.asm(move |asm| asm["protected_resources"] = serde_json::json!(resources));
    })
}
