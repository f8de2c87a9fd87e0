//! Cases for endpoints, capabilities and extensions.

use serde_json::json;

use super::super::super::testkit::{Case, Expect, PRM_URL, World, case, case_in, changed};
use super::{
    BLOCKED, JUNE, NOVEMBER, OIDC_URL, OLD, block, both, capabilities, endpoint, google, loopback,
    two, unreachable_issuer, with, with_issuer, without,
};

pub(super) const CASES: &[Case] = &[
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
    // Some products have their endpoints elsewhere by design.
    case("asm-endpoints-https", Expect::Pass, google),
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
        || {
            both(|other| {
                other
                    .as_object_mut()
                    .unwrap()
                    .remove("registration_endpoint");
            })
        },
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
            let mut world = with(
                "token_endpoint_auth_methods_supported",
                json!(["client_secret_post"]),
            );
            world.asm(|asm| {
                asm.as_object_mut().unwrap().remove("registration_endpoint");
            });
            world
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
