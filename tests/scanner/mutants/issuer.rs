//! Mutants of authorization-server metadata and keys.

use serde_json::json;

use super::table::{BEHIND_SERVER_METADATA, asm, document, protected, remove};
use super::{ISSUER, Mutant};

pub(super) const MUTANTS: &[Mutant] = &[
    protected(
        "no-metadata-of-the-authorization-server",
        |world| world.authorization_servers[0].oauth = None,
        &[
            ("asm-discoverable", "fail"),
            ("prm-authorization-servers-resolve", "blocked"),
        ],
    )
    .behind(&[BEHIND_SERVER_METADATA]),
    protected(
        "openid-document-only",
        |world| {
            let server = &mut world.authorization_servers[0];
            server.oidc = server.oauth.take();
        },
        &[("asm-rfc8414-location", "warn")],
    ),
    protected(
        "issuer-slash",
        |world| {
            asm(world, |asm| {
                asm["issuer"] = json!(format!("https://{ISSUER}/"));
            });
        },
        &[("asm-issuer-identical", "fail")],
    ),
    protected(
        "no-pkce",
        |world| asm(world, |asm| remove(asm, "code_challenge_methods_supported")),
        &[
            ("pkce-advertised", "fail"),
            ("pkce-s256", "na"),
            ("pkce-no-plain", "na"),
        ],
    ),
    protected(
        "plain-only",
        |world| {
            asm(world, |asm| {
                asm["code_challenge_methods_supported"] = json!(["plain"]);
            });
        },
        &[("pkce-s256", "fail"), ("pkce-no-plain", "warn")],
    ),
    protected(
        "plain-too",
        |world| {
            asm(world, |asm| {
                asm["code_challenge_methods_supported"] = json!(["S256", "plain"]);
            });
        },
        &[("pkce-no-plain", "warn")],
    ),
    protected(
        "s256-in-lower-case",
        |world| {
            asm(world, |asm| {
                asm["code_challenge_methods_supported"] = json!(["s256"]);
            });
        },
        &[("pkce-s256", "fail")],
    ),
    protected(
        "no-token-endpoint",
        |world| asm(world, |asm| remove(asm, "token_endpoint")),
        &[("asm-required-fields", "fail")],
    ),
    protected(
        "token-endpoint-over-http",
        |world| {
            asm(world, |asm| {
                asm["token_endpoint"] = json!(format!("http://{ISSUER}/token"));
            });
        },
        &[("asm-endpoints-https", "fail")],
    ),
    protected(
        "password-grant",
        |world| {
            asm(world, |asm| {
                asm["grant_types_supported"] =
                    json!(["authorization_code", "refresh_token", "password"]);
            });
        },
        &[("asm-legacy-grants", "warn")],
    ),
    protected(
        "no-public-clients",
        |world| {
            asm(world, |asm| {
                asm["token_endpoint_auth_methods_supported"] = json!(["client_secret_basic"]);
            });
        },
        &[("asm-public-client-auth", "warn")],
    ),
    protected(
        "alg-none",
        |world| {
            asm(world, |asm| {
                asm["token_endpoint_auth_signing_alg_values_supported"] = json!(["ES256", "none"]);
            });
        },
        &[("asm-alg-none", "fail")],
    ),
    protected(
        "no-iss",
        |world| {
            asm(world, |asm| {
                remove(asm, "authorization_response_iss_parameter_supported");
            });
        },
        &[("asm-iss-parameter", "warn")],
    ),
    protected(
        "pushed-requests-required",
        |world| {
            asm(world, |asm| {
                asm["require_pushed_authorization_requests"] = json!(true);
                asm["pushed_authorization_request_endpoint"] =
                    json!(format!("https://{ISSUER}/par"));
            });
        },
        &[("asm-no-mandatory-extensions", "warn")],
    ),
    protected(
        "no-registration",
        |world| {
            asm(world, |asm| {
                remove(asm, "client_id_metadata_document_supported");
            });
        },
        &[
            ("reg-cimd-advertised", "warn"),
            ("reg-mechanism-available", "warn"),
        ],
    ),
    protected(
        "dynamic-registration-only",
        |world| {
            asm(world, |asm| {
                remove(asm, "client_id_metadata_document_supported");
                asm["registration_endpoint"] = json!(format!("https://{ISSUER}/register"));
            });
        },
        &[
            ("reg-cimd-advertised", "warn"),
            ("reg-dcr-advertised", "warn"),
        ],
    ),
    protected(
        "private-key-published",
        |world| {
            world.authorization_servers[0].keys["keys"][0]["d"] =
                json!("hFVYTMuRz9YbPGJ1Xv3DcKjWWjAAVUC1c_kOGgTP4vk");
        },
        &[
            ("jwks-no-private-keys", "fail"),
            ("hygiene-secrets", "pass"),
        ],
    ),
    protected(
        "no-key-set",
        |world| {
            document(world, "/jwks", |_, reply| {
                reply.status = 404;
                reply.headers.clear();
                reply.body.clear();
            });
        },
        &[
            ("jwks-usable", "fail"),
            ("jwks-no-private-keys", "blocked"),
            ("jwks-key-strength", "blocked"),
        ],
    ),
];
