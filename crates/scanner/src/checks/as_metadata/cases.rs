//! Worlds for the checks of this area, and what each check must say there.

use serde_json::{Value, json};

use super::super::testkit::{
    ASM_URL, Case, ENDPOINT, Expect, ISSUER, PRM_URL, World, asm, case, case_in, challenge,
    changed, jwks, prm, response, status, text,
};
use crate::check::Unmet;
use crate::evidence::{DnsFault, Failure};
use crate::spec::Revision;

const OIDC_URL: &str = "https://id.example.com/.well-known/openid-configuration";
const ORIGIN_URL: &str = "https://mcp.example.com/.well-known/oauth-authorization-server";
const SECOND: &str = "https://auth.example.org/t1";
const SECOND_URL: &str = "https://auth.example.org/.well-known/oauth-authorization-server/t1";
const SECOND_OIDC: &str = "https://auth.example.org/t1/.well-known/openid-configuration";
const OLD: Revision = Revision::V2025_03_26;
const JUNE: Revision = Revision::V2025_06_18;
const NOVEMBER: Revision = Revision::V2025_11_25;

const BLOCKED: Expect = Expect::Blocked("asm-discoverable");

/// Sets a member of the authorization-server metadata.
fn with(name: &'static str, value: Value) -> World {
    changed(|world| {
        world.asm(move |asm| asm[name] = value.clone());
    })
}

fn without(name: &'static str) -> World {
    changed(|world| {
        world.asm(move |asm| {
            asm.as_object_mut().unwrap().remove(name);
        });
    })
}

fn with_issuer(issuer: &'static str) -> World {
    with("issuer", json!(issuer))
}

fn at_issuer(answer: impl Fn() -> Result<crate::evidence::Response, Failure>) -> World {
    let answer = answer();
    changed(move |world| {
        world.on(
            |ask| ask.url.starts_with("https://id.example.com/.well-known/"),
            answer,
        );
    })
}

fn no_document() -> World {
    at_issuer(|| status(404))
}

fn unreachable_issuer() -> World {
    at_issuer(|| Err(Failure::Refused))
}

/// Only the OpenID configuration exists; the OAuth URL answers as given.
fn oidc_only(answer: Result<crate::evidence::Response, Failure>) -> World {
    changed(move |world| {
        world
            .document(OIDC_URL, asm())
            .on(|ask| ask.url == ASM_URL, answer);
    })
}

/// Both documents, the second one changed.
fn both(change: impl Fn(&mut Value) + 'static) -> World {
    changed(move |world| {
        world.document(OIDC_URL, asm()).edit_json(OIDC_URL, change);
    })
}

fn second_asm() -> Value {
    let mut document = asm();
    for (name, path) in [
        ("issuer", ""),
        ("authorization_endpoint", "/authorize"),
        ("token_endpoint", "/token"),
    ] {
        document[name] = json!(format!("{SECOND}{path}"));
    }
    document["jwks_uri"] = json!("https://id.example.com/jwks");
    document
}

/// Two authorization servers are listed; the second one's document is changed.
fn two(change: impl Fn(&mut Value) + 'static) -> World {
    changed(move |world| {
        world
            .prm(|prm| prm["authorization_servers"] = json!([ISSUER, SECOND]))
            .document(SECOND_URL, second_asm())
            .edit_json(SECOND_URL, change);
    })
}

/// The layout of 2025-03-26: no protected-resource metadata, the origin is the issuer.
fn legacy(issuer: &'static str) -> World {
    changed(move |world| {
        let mut document = asm();
        document["issuer"] = json!(issuer);
        document["authorization_endpoint"] = json!("https://mcp.example.com/authorize");
        document["token_endpoint"] = json!("https://mcp.example.com/token");
        world
            .challenge(Some("Bearer"))
            .on(|ask| ask.url == PRM_URL, status(404))
            .document(ORIGIN_URL, document);
    })
}

/// Protected, but with no metadata of any kind.
fn bare() -> World {
    changed(|world| {
        world
            .challenge(Some("Bearer scope=\"mcp\""))
            .on(|ask| ask.url == PRM_URL, status(404));
    })
}

/// A server and its authorization server on one machine, over plain http.
fn loopback(allow: bool) -> World {
    let mut world = World::empty();
    let issuer = "http://localhost:21001";
    let mut document = asm();
    for (name, path) in [
        ("issuer", ""),
        ("authorization_endpoint", "/authorize"),
        ("token_endpoint", "/token"),
        ("jwks_uri", "/jwks"),
    ] {
        document[name] = json!(format!("{issuer}{path}"));
    }
    let mut resource = prm();
    resource["resource"] = json!("http://localhost:21000/mcp");
    resource["authorization_servers"] = json!([issuer]);
    let header = ENDPOINT.replace(
        ENDPOINT,
        "http://localhost:21000/.well-known/oauth-protected-resource/mcp",
    );
    world
        .on(|_| true, status(404))
        .on(
            |ask| ask.url.starts_with("http://localhost:21000/mcp"),
            challenge(&format!("Bearer resource_metadata=\"{header}\"")),
        )
        .document(&header, resource)
        .document(
            "http://localhost:21001/.well-known/oauth-authorization-server",
            document,
        )
        .document("http://localhost:21001/jwks", jwks());
    world.target = crate::target::Target::of("http://localhost:21000/mcp");
    world.allow_private = allow;
    world
}

fn block() -> Result<crate::evidence::Response, Failure> {
    response(403, &[("cf-mitigated", "challenge")], "")
}

fn html() -> Result<crate::evidence::Response, Failure> {
    text(200, "text/html", "<!doctype html><title>App</title>")
}

fn doc_as(media: &'static str) -> World {
    changed(move |world| {
        world.edit(
            |ask| ask.url == ASM_URL,
            move |response| {
                for (name, value) in &mut response.headers {
                    if name == "content-type" {
                        *value = media.into();
                    }
                }
            },
        );
    })
}

fn endpoint(name: &'static str, value: &'static str) -> World {
    with(name, json!(value))
}

fn capabilities(extension: &'static str, grants: Value) -> World {
    changed(move |world| {
        world.speak(true, false).answer(move |ask| {
            // The handshake is open, the lists are not.
            let list = ask
                .body
                .as_deref()
                .is_some_and(|body| body.contains("/list"));
            (super::super::testkit::is_endpoint(ask) && list)
                .then(|| challenge(&super::super::testkit::good_challenge(None)))
        });
        world.edit_json(ENDPOINT, move |body| {
            if let Some(capabilities) = body.pointer_mut("/result/capabilities") {
                capabilities["extensions"] = json!({ extension: {} });
            }
        });
        world.asm(move |asm| asm["grant_types_supported"] = grants.clone());
    })
}

pub(crate) const CASES: &[Case] = &[
    // --- asm-discoverable
    case("asm-discoverable", Expect::Pass, World::compliant),
    case_in(JUNE, "asm-discoverable", Expect::Pass, World::compliant),
    case("asm-discoverable", Expect::Pass, || oidc_only(status(404))),
    case("asm-discoverable", Expect::Pass, || {
        legacy("https://mcp.example.com")
    }),
    case_in(OLD, "asm-discoverable", Expect::Pass, || {
        legacy("https://mcp.example.com")
    }),
    case("asm-discoverable", Expect::Warn("media_type"), || {
        doc_as("text/html; charset=utf-8")
    }),
    case("asm-discoverable", Expect::Warn("first_fails"), || {
        oidc_only(status(500))
    }),
    case("asm-discoverable", Expect::Warn("first_fails"), || {
        oidc_only(html())
    }),
    case("asm-discoverable", Expect::Fail("not_found"), no_document),
    case_in(
        NOVEMBER,
        "asm-discoverable",
        Expect::Fail("not_found"),
        no_document,
    ),
    case_in(
        OLD,
        "asm-discoverable",
        Expect::Warn("not_found"),
        no_document,
    ),
    case_in(OLD, "asm-discoverable", Expect::Warn("not_found"), bare),
    case(
        "asm-discoverable",
        Expect::Blocked("prm-discoverable"),
        bare,
    ),
    // An OpenID configuration counts from 2025-11-25 on.
    case_in(JUNE, "asm-discoverable", Expect::Fail("not_found"), || {
        oidc_only(status(404))
    }),
    // The appended form and the root document of a path issuer are not credited.
    case("asm-discoverable", Expect::Fail("not_found"), || {
        changed(|world| {
            world
                .prm(|prm| prm["authorization_servers"] = json!([SECOND]))
                .document(
                    "https://auth.example.org/t1/.well-known/oauth-authorization-server",
                    second_asm(),
                )
                .document(
                    "https://auth.example.org/.well-known/oauth-authorization-server",
                    second_asm(),
                );
        })
    }),
    case("asm-discoverable", Expect::Fail("not_found"), || {
        at_issuer(|| text(200, "application/json", "{\"error\":\"not found\"}"))
    }),
    case("asm-discoverable", Expect::Fail("unresolved"), || {
        at_issuer(|| Err(Failure::Dns(DnsFault::NoSuchName)))
    }),
    // One authorization server is enough, and one dead entry beside it changes nothing.
    case("asm-discoverable", Expect::Pass, || {
        changed(|world| {
            world.prm(|prm| prm["authorization_servers"] = json!([SECOND, ISSUER]));
        })
    }),
    case(
        "asm-discoverable",
        Expect::Blocked("prm-authorization-servers-resolve"),
        || at_issuer(|| Err(Failure::Dns(DnsFault::DomainUnregistered))),
    ),
    case(
        "asm-discoverable",
        Expect::Blocked("prm-authorization-servers-present"),
        || {
            changed(|world| {
                world.prm(|prm| prm["authorization_servers"] = json!([]));
            })
        },
    ),
    case(
        "asm-discoverable",
        Expect::Blocked("prm-authorization-servers-form"),
        || {
            changed(|world| {
                world.prm(|prm| prm["authorization_servers"] = json!(["http://localhost:9000"]));
            })
        },
    ),
    case("asm-discoverable", Expect::Na, World::open),
    case("asm-discoverable", Expect::Inconclusive, unreachable_issuer),
    case("asm-discoverable", Expect::Inconclusive, || {
        at_issuer(block)
    }),
    case("asm-discoverable", Expect::Inconclusive, || {
        at_issuer(|| status(503))
    }),
    case("asm-discoverable", Expect::Inconclusive, || {
        at_issuer(|| status(429))
    }),
    // --- asm-rfc8414-location
    case("asm-rfc8414-location", Expect::Pass, World::compliant),
    case_in(JUNE, "asm-rfc8414-location", Expect::Pass, World::compliant),
    case("asm-rfc8414-location", Expect::Pass, || two(|_| ())),
    case("asm-rfc8414-location", Expect::Pass, || {
        legacy("https://mcp.example.com/")
    }),
    // The slash is asm-issuer-identical's to judge.
    case("asm-rfc8414-location", Expect::Pass, || {
        with_issuer("https://id.example.com/")
    }),
    case("asm-rfc8414-location", Expect::Warn("absent"), || {
        oidc_only(status(404))
    }),
    case_in(
        NOVEMBER,
        "asm-rfc8414-location",
        Expect::Warn("absent"),
        || oidc_only(status(401)),
    ),
    case_in(JUNE, "asm-rfc8414-location", BLOCKED, || {
        oidc_only(status(404))
    }),
    case_in(JUNE, "asm-rfc8414-location", Expect::Fail("absent"), || {
        changed(|world| {
            world
                .prm(|prm| prm["authorization_servers"] = json!([ISSUER, SECOND]))
                .document(SECOND_OIDC, second_asm());
        })
    }),
    case("asm-rfc8414-location", Expect::Fail("server_error"), || {
        oidc_only(status(500))
    }),
    case("asm-rfc8414-location", Expect::Fail("not_metadata"), || {
        oidc_only(html())
    }),
    case("asm-rfc8414-location", BLOCKED, no_document),
    case(
        "asm-rfc8414-location",
        Expect::Blocked("asm-issuer-identical"),
        || with_issuer("https://elsewhere.example"),
    ),
    case("asm-rfc8414-location", Expect::Inconclusive, || {
        oidc_only(block())
    }),
    case("asm-rfc8414-location", Expect::Inconclusive, || {
        oidc_only(Err(Failure::Reset))
    }),
    case_in(OLD, "asm-rfc8414-location", Expect::Na, World::compliant),
    // --- asm-issuer-identical
    case("asm-issuer-identical", Expect::Pass, World::compliant),
    case_in(OLD, "asm-issuer-identical", Expect::Pass, World::compliant),
    case("asm-issuer-identical", Expect::Pass, || two(|_| ())),
    case_in(OLD, "asm-issuer-identical", Expect::Pass, || {
        legacy("https://mcp.example.com/")
    }),
    case("asm-issuer-identical", Expect::Pass, || {
        legacy("https://mcp.example.com/")
    }),
    case("asm-issuer-identical", Expect::Pass, || loopback(true)),
    case("asm-issuer-identical", Expect::Fail("slash"), || {
        with_issuer("https://id.example.com/")
    }),
    case("asm-issuer-identical", Expect::Fail("template"), || {
        with_issuer("https://id.example.com/{tenantid}/v2.0")
    }),
    case("asm-issuer-identical", Expect::Fail("case_port"), || {
        with_issuer("https://ID.example.com")
    }),
    case("asm-issuer-identical", Expect::Fail("prefix"), || {
        with_issuer("https://id.example.com/t1")
    }),
    case("asm-issuer-identical", Expect::Fail("longer"), || {
        two(|document| document["issuer"] = json!("https://auth.example.org"))
    }),
    case("asm-issuer-identical", Expect::Fail("sibling"), || {
        two(|document| document["issuer"] = json!("https://auth.example.org/t2"))
    }),
    case("asm-issuer-identical", Expect::Fail("same_site"), || {
        with_issuer("https://login.example.com")
    }),
    case("asm-issuer-identical", Expect::Fail("foreign"), || {
        with_issuer("https://elsewhere.example")
    }),
    case("asm-issuer-identical", Expect::Fail("slash"), || {
        both(|other| other["issuer"] = json!("https://id.example.com/"))
    }),
    case(
        "asm-issuer-identical",
        Expect::Blocked("asm-issuer-syntax"),
        || with_issuer("http://elsewhere.example"),
    ),
    case(
        "asm-issuer-identical",
        Expect::Blocked("asm-issuer-syntax"),
        || without("issuer"),
    ),
    case("asm-issuer-identical", BLOCKED, unreachable_issuer),
    // --- asm-issuer-syntax
    case("asm-issuer-syntax", Expect::Pass, World::compliant),
    case("asm-issuer-syntax", Expect::Pass, || loopback(true)),
    case("asm-issuer-syntax", Expect::Warn("upper_case"), || {
        with_issuer("https://ID.example.com")
    }),
    case("asm-issuer-syntax", Expect::Warn("default_port"), || {
        with_issuer("https://id.example.com:443")
    }),
    case("asm-issuer-syntax", Expect::Fail("missing"), || {
        without("issuer")
    }),
    case("asm-issuer-syntax", Expect::Fail("mistyped"), || {
        with("issuer", json!(["x"]))
    }),
    case("asm-issuer-syntax", Expect::Fail("not_https"), || {
        with_issuer("http://id.example.com")
    }),
    case("asm-issuer-syntax", Expect::Fail("query"), || {
        with_issuer("https://id.example.com?tenant=1")
    }),
    case("asm-issuer-syntax", Expect::Fail("fragment"), || {
        with_issuer("https://id.example.com#x")
    }),
    case("asm-issuer-syntax", Expect::Fail("not_url"), || {
        with_issuer("id.example.com")
    }),
    case("asm-issuer-syntax", Expect::Na, || {
        with_issuer("https://id.example.com/{tenantid}/v2.0")
    }),
    case("asm-issuer-syntax", BLOCKED, unreachable_issuer),
    // --- asm-required-fields
    case("asm-required-fields", Expect::Pass, World::compliant),
    case(
        "asm-required-fields",
        Expect::Warn("grant_types_absent"),
        || without("grant_types_supported"),
    ),
    case("asm-required-fields", Expect::Fail("missing"), || {
        without("authorization_endpoint")
    }),
    case("asm-required-fields", Expect::Fail("missing"), || {
        without("response_types_supported")
    }),
    case("asm-required-fields", Expect::Fail("mistyped"), || {
        with("token_endpoint", json!(7))
    }),
    case("asm-required-fields", Expect::Fail("mistyped"), || {
        with("grant_types_supported", json!("authorization_code"))
    }),
    case(
        "asm-required-fields",
        Expect::Fail("code_not_offered"),
        || with("response_types_supported", json!(["id_token"])),
    ),
    case(
        "asm-required-fields",
        Expect::Fail("grant_not_offered"),
        || with("grant_types_supported", json!(["client_credentials"])),
    ),
    // The worst of two authorization servers counts.
    case("asm-required-fields", Expect::Fail("missing"), || {
        two(|document| {
            document.as_object_mut().unwrap().remove("token_endpoint");
        })
    }),
    // An issuer that is no URL blocks nothing.
    case("asm-required-fields", Expect::Pass, || {
        with_issuer("http://elsewhere.example")
    }),
    case("asm-required-fields", Expect::Na, || {
        let mut world = capabilities(
            "io.modelcontextprotocol/oauth-client-credentials",
            json!(["client_credentials"]),
        );
        world.asm(|asm| {
            asm.as_object_mut()
                .unwrap()
                .remove("authorization_endpoint");
        });
        world
    }),
    case(
        "asm-required-fields",
        Expect::Blocked("asm-issuer-identical"),
        || with_issuer("https://login.example.com"),
    ),
    case("asm-required-fields", BLOCKED, unreachable_issuer),
    // --- asm-endpoints-https
    case("asm-endpoints-https", Expect::Pass, World::compliant),
    case(
        "asm-endpoints-https",
        Expect::Warn("foreign_domain"),
        || endpoint("token_endpoint", "https://tokens.example.net/token"),
    ),
    case("asm-endpoints-https", Expect::Warn("ip_literal"), || {
        endpoint("token_endpoint", "https://93.184.216.34/token")
    }),
    case("asm-endpoints-https", Expect::Warn("port"), || {
        endpoint("token_endpoint", "https://id.example.com:8443/token")
    }),
    case("asm-endpoints-https", Expect::Fail("not_https"), || {
        endpoint("token_endpoint", "http://id.example.com/token")
    }),
    case("asm-endpoints-https", Expect::Fail("not_https"), || {
        endpoint("registration_endpoint", "http://localhost:8000/register")
    }),
    case("asm-endpoints-https", Expect::Fail("not_https"), || {
        endpoint("authorization_endpoint", "myapp://authorize")
    }),
    case("asm-endpoints-https", Expect::Fail("script_url"), || {
        endpoint("authorization_endpoint", "javascript:alert(1)")
    }),
    case("asm-endpoints-https", Expect::Fail("script_url"), || {
        endpoint("op_policy_uri", "data:text/html,x")
    }),
    case("asm-endpoints-https", Expect::Fail("script_url"), || {
        endpoint("revocation_endpoint", "file:///etc/passwd")
    }),
    case("asm-endpoints-https", Expect::Fail("internal_host"), || {
        endpoint("token_endpoint", "https://10.1.2.3/token")
    }),
    case("asm-endpoints-https", Expect::Fail("internal_host"), || {
        endpoint("token_endpoint", "https://keycloak/token")
    }),
    case("asm-endpoints-https", Expect::Fail("internal_host"), || {
        with(
            "mtls_endpoint_aliases",
            json!({ "token_endpoint": "https://as.internal/token" }),
        )
    }),
    case("asm-endpoints-https", Expect::Fail("fragment"), || {
        endpoint(
            "authorization_endpoint",
            "https://id.example.com/authorize#x",
        )
    }),
    case("asm-endpoints-https", Expect::Fail("userinfo"), || {
        endpoint("token_endpoint", "https://u:p@id.example.com/token")
    }),
    case("asm-endpoints-https", Expect::Fail("not_url"), || {
        endpoint("token_endpoint", "/token")
    }),
    // Links for people count only where they hold a script.
    case("asm-endpoints-https", Expect::Pass, || {
        endpoint("service_documentation", "http://docs.example.net/")
    }),
    case("asm-endpoints-https", Expect::Na, || loopback(true)),
    case(
        "asm-endpoints-https",
        Expect::Blocked("prm-authorization-servers-form"),
        || {
            changed(|world| {
                world.prm(|prm| prm["authorization_servers"] = json!(["http://localhost:9000"]));
            })
        },
    ),
    case("asm-endpoints-https", BLOCKED, unreachable_issuer),
    // --- asm-documents-consistent
    case("asm-documents-consistent", Expect::Pass, || both(|_| ())),
    case(
        "asm-documents-consistent",
        Expect::Warn("capability_differs"),
        || {
            both(|other| {
                other["code_challenge_methods_supported"] = json!(["S256", "plain"]);
            })
        },
    ),
    case(
        "asm-documents-consistent",
        Expect::Warn("capability_differs"),
        || both(|other| other["registration_endpoint"] = json!("https://id.example.com/register")),
    ),
    case(
        "asm-documents-consistent",
        Expect::Fail("issuer_differs"),
        || both(|other| other["issuer"] = json!("https://id.example.com/")),
    ),
    case(
        "asm-documents-consistent",
        Expect::Fail("endpoint_differs"),
        || both(|other| other["token_endpoint"] = json!("https://id.example.com/other")),
    ),
    case("asm-documents-consistent", Expect::Na, World::compliant),
    case("asm-documents-consistent", Expect::Inconclusive, || {
        changed(|world| {
            world.on(|ask| ask.url == OIDC_URL, block());
        })
    }),
    case_in(JUNE, "asm-documents-consistent", Expect::Na, || {
        both(|_| ())
    }),
    // --- asm-legacy-grants
    case("asm-legacy-grants", Expect::Pass, World::compliant),
    case("asm-legacy-grants", Expect::Pass, || {
        with("response_types_supported", json!(["code", "code id_token"]))
    }),
    case("asm-legacy-grants", Expect::Warn("implicit"), || {
        with(
            "response_types_supported",
            json!(["code", "id_token token"]),
        )
    }),
    case("asm-legacy-grants", Expect::Warn("implicit"), || {
        with(
            "grant_types_supported",
            json!(["authorization_code", "implicit", "password"]),
        )
    }),
    case("asm-legacy-grants", Expect::Warn("password"), || {
        with(
            "grant_types_supported",
            json!(["authorization_code", "password"]),
        )
    }),
    case("asm-legacy-grants", BLOCKED, unreachable_issuer),
    // --- asm-public-client-auth
    case("asm-public-client-auth", Expect::Pass, World::compliant),
    case("asm-public-client-auth", Expect::Pass, || {
        with(
            "token_endpoint_auth_methods_supported",
            json!(["private_key_jwt"]),
        )
    }),
    case("asm-public-client-auth", Expect::Warn("absent"), || {
        without("token_endpoint_auth_methods_supported")
    }),
    case(
        "asm-public-client-auth",
        Expect::Warn("no_public_method"),
        || {
            with(
                "token_endpoint_auth_methods_supported",
                json!(["client_secret_post"]),
            )
        },
    ),
    case(
        "asm-public-client-auth",
        Expect::Warn("secret_only"),
        || {
            let mut world = with(
                "token_endpoint_auth_methods_supported",
                json!(["client_secret_post", "client_secret_basic"]),
            );
            world
                .asm(|asm| asm["registration_endpoint"] = json!("https://id.example.com/register"));
            world
        },
    ),
    case("asm-public-client-auth", Expect::Fail("mtls_only"), || {
        with(
            "token_endpoint_auth_methods_supported",
            json!(["tls_client_auth"]),
        )
    }),
    case("asm-public-client-auth", BLOCKED, unreachable_issuer),
    // --- asm-alg-none
    case("asm-alg-none", Expect::Pass, || {
        with(
            "token_endpoint_auth_signing_alg_values_supported",
            json!(["RS256"]),
        )
    }),
    case("asm-alg-none", Expect::Warn("none_listed"), || {
        with(
            "id_token_signing_alg_values_supported",
            json!(["RS256", "none"]),
        )
    }),
    case("asm-alg-none", Expect::Fail("none_authenticates"), || {
        with(
            "token_endpoint_auth_signing_alg_values_supported",
            json!(["none"]),
        )
    }),
    case("asm-alg-none", Expect::Fail("none_authenticates"), || {
        with(
            "dpop_signing_alg_values_supported",
            json!(["ES256", "none"]),
        )
    }),
    case("asm-alg-none", Expect::Na, || {
        with("userinfo_signing_alg_values_supported", json!(["none"]))
    }),
    case("asm-alg-none", BLOCKED, unreachable_issuer),
    // --- asm-iss-parameter
    case("asm-iss-parameter", Expect::Pass, World::compliant),
    case("asm-iss-parameter", Expect::Warn("absent"), || {
        without("authorization_response_iss_parameter_supported")
    }),
    case("asm-iss-parameter", Expect::Warn("false"), || {
        with(
            "authorization_response_iss_parameter_supported",
            json!(false),
        )
    }),
    case("asm-iss-parameter", Expect::Fail("mistyped"), || {
        with(
            "authorization_response_iss_parameter_supported",
            json!("true"),
        )
    }),
    case_in(NOVEMBER, "asm-iss-parameter", Expect::Na, World::compliant),
    case("asm-iss-parameter", BLOCKED, unreachable_issuer),
    // --- asm-dpop-consistency
    case("asm-dpop-consistency", Expect::Pass, || {
        with("dpop_signing_alg_values_supported", json!(["ES256"]))
    }),
    case(
        "asm-dpop-consistency",
        Expect::Warn("as_lists_none"),
        || {
            changed(|world| {
                world.prm(|prm| prm["dpop_signing_alg_values_supported"] = json!(["ES256"]));
            })
        },
    ),
    case(
        "asm-dpop-consistency",
        Expect::Warn("as_lists_none"),
        || {
            changed(|world| {
                world.challenge(Some(&format!(
                    "Bearer resource_metadata=\"{PRM_URL}\", DPoP algs=\"ES256\""
                )));
            })
        },
    ),
    case(
        "asm-dpop-consistency",
        Expect::Warn("no_common_algorithm"),
        || {
            let mut world = with("dpop_signing_alg_values_supported", json!(["ES256"]));
            world.prm(|prm| prm["dpop_signing_alg_values_supported"] = json!(["EdDSA"]));
            world
        },
    ),
    case("asm-dpop-consistency", Expect::Warn("empty_list"), || {
        with("dpop_signing_alg_values_supported", json!([]))
    }),
    case(
        "asm-dpop-consistency",
        Expect::Fail("weak_algorithm"),
        || {
            with(
                "dpop_signing_alg_values_supported",
                json!(["ES256", "HS256"]),
            )
        },
    ),
    case(
        "asm-dpop-consistency",
        Expect::Fail("weak_algorithm"),
        || {
            changed(|world| {
                world.prm(|prm| prm["dpop_signing_alg_values_supported"] = json!(["none"]));
            })
        },
    ),
    case(
        "asm-dpop-consistency",
        Expect::Fail("bound_without_dpop"),
        || {
            changed(|world| {
                world.prm(|prm| prm["dpop_bound_access_tokens_required"] = json!(true));
            })
        },
    ),
    case("asm-dpop-consistency", Expect::Na, World::compliant),
    case("asm-dpop-consistency", BLOCKED, unreachable_issuer),
    // --- asm-no-mandatory-extensions
    case(
        "asm-no-mandatory-extensions",
        Expect::Pass,
        World::compliant,
    ),
    case(
        "asm-no-mandatory-extensions",
        Expect::Warn("par_required"),
        || with("require_pushed_authorization_requests", json!(true)),
    ),
    case(
        "asm-no-mandatory-extensions",
        Expect::Warn("signed_requests_required"),
        || with("require_signed_request_object", json!(true)),
    ),
    case(
        "asm-no-mandatory-extensions",
        Expect::Warn("mtls_only"),
        || {
            with(
                "token_endpoint_auth_methods_supported",
                json!(["tls_client_auth"]),
            )
        },
    ),
    case(
        "asm-no-mandatory-extensions",
        Expect::Warn("certificate_bound"),
        || {
            let mut world = with(
                "token_endpoint_auth_methods_supported",
                json!(["tls_client_auth"]),
            );
            world.asm(|asm| asm["tls_client_certificate_bound_access_tokens"] = json!(true));
            world
        },
    ),
    case(
        "asm-no-mandatory-extensions",
        Expect::Warn("dpop_required"),
        || {
            changed(|world| {
                world.prm(|prm| prm["dpop_bound_access_tokens_required"] = json!(true));
            })
        },
    ),
    case(
        "asm-no-mandatory-extensions",
        Expect::Warn("no_bearer_method"),
        || {
            changed(|world| {
                world.prm(|prm| prm["bearer_methods_supported"] = json!([]));
            })
        },
    ),
    case_in(
        OLD,
        "asm-no-mandatory-extensions",
        Expect::Na,
        World::compliant,
    ),
    case("asm-no-mandatory-extensions", BLOCKED, unreachable_issuer),
    // --- asm-extension-consistency
    case("asm-extension-consistency", Expect::Pass, || {
        capabilities(
            "io.modelcontextprotocol/oauth-client-credentials",
            json!(["authorization_code", "client_credentials"]),
        )
    }),
    case(
        "asm-extension-consistency",
        Expect::Warn("grant_missing"),
        || {
            capabilities(
                "io.modelcontextprotocol/oauth-client-credentials",
                json!(["authorization_code"]),
            )
        },
    ),
    case(
        "asm-extension-consistency",
        Expect::Warn("grant_missing"),
        || {
            capabilities(
                "io.modelcontextprotocol/enterprise-managed-authorization",
                json!(["authorization_code"]),
            )
        },
    ),
    case(
        "asm-extension-consistency",
        Expect::Warn("profile_without_grant"),
        || {
            with(
                "authorization_grant_profiles_supported",
                json!(["urn:ietf:params:oauth:grant-profile:id-jag"]),
            )
        },
    ),
    case("asm-extension-consistency", Expect::Na, World::compliant),
    case("asm-extension-consistency", BLOCKED, unreachable_issuer),
];

#[test]
fn every_case_holds() {
    let wrong: Vec<String> = CASES
        .iter()
        .filter_map(|case| {
            let check = super::super::by_id(case.check).expect("a check of the catalogue");
            super::super::testkit::verify(case, check).err()
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The sentences name the server where there are several, and never print private addresses.
#[test]
fn sentences_say_where_and_keep_addresses() {
    let said = |world: &World, id: &str| match super::super::testkit::judged(
        id,
        Revision::HEADLINE,
        world,
    ) {
        Ok(crate::check::Verdict::Fail(fault) | crate::check::Verdict::Warn(fault)) => fault,
        other => panic!("{id}: {other:?}"),
    };
    let fault = said(
        &two(|document| document["issuer"] = json!("https://auth.example.org/t2")),
        "asm-issuer-identical",
    );
    assert!(fault.said.starts_with("At `https://auth.example.org/t1`: "));
    assert_eq!(fault.relation, Some("sibling"));
    let fault = said(
        &endpoint("token_endpoint", "https://10.1.2.3/token"),
        "asm-endpoints-https",
    );
    assert!(!fault.said.contains("10.1.2.3"), "{}", fault.said);
    assert_eq!(fault.at[0].at, "body:/token_endpoint");
}

/// A failed issuer syntax blocks the comparison and nothing else.
#[test]
fn a_bad_issuer_blocks_only_the_comparison() {
    let world = with_issuer("http://elsewhere.example");
    let judged = |id| super::super::testkit::judged(id, Revision::HEADLINE, &world);
    assert_eq!(
        judged("asm-issuer-identical"),
        Err(Unmet::Blocked("asm-issuer-syntax"))
    );
    assert!(judged("pkce-s256").is_ok());
}
