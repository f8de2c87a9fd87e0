//! The mutants, and what each must change. Labels are read off the catalogue and the change.

use scanner::fleet::reply::{Asked, Reply};
use scanner::fleet::world::{Challenge, Edit, Guard, World, destructive_tools};
use serde_json::{Value, json};

use super::{Base, HOST, ISSUER, Mutant};

const fn protected(
    name: &'static str,
    change: fn(&mut World),
    says: &'static [(&'static str, &'static str)],
) -> Mutant {
    of(Base::Protected, name, change, says)
}

const fn of(
    base: Base,
    name: &'static str,
    change: fn(&mut World),
    says: &'static [(&'static str, &'static str)],
) -> Mutant {
    Mutant {
        name,
        base,
        change,
        says,
    }
}

fn edit(world: &mut World, change: impl Fn(&Asked, &mut Reply) + Send + Sync + 'static) {
    world.edits.push(Edit::new(change));
}

/// Changes the replies of the endpoint itself.
fn endpoint(world: &mut World, change: impl Fn(&Asked, &mut Reply) + Send + Sync + 'static) {
    edit(world, move |asked, reply| {
        if asked.host == HOST && asked.path == "/mcp" {
            change(asked, reply);
        }
    });
}

/// Changes the endpoint's 401 replies.
fn refusals(world: &mut World, change: impl Fn(&Asked, &mut Reply) + Send + Sync + 'static) {
    endpoint(world, move |asked, reply| {
        if reply.status == 401 {
            change(asked, reply);
        }
    });
}

/// Replaces the challenge.
fn challenge(reply: &mut Reply, value: &str) {
    set(reply, "www-authenticate", value);
}

fn set(reply: &mut Reply, name: &'static str, value: &str) {
    reply.headers.retain(|(key, _)| *key != name);
    reply.headers.push((name, value.to_owned()));
}

fn prm(world: &mut World, change: impl FnOnce(&mut Value)) {
    change(&mut world.servers[0].prm.as_mut().unwrap().document);
}

fn asm(world: &mut World, change: impl FnOnce(&mut Value)) {
    change(world.authorization_servers[0].oauth.as_mut().unwrap());
}

fn remove(document: &mut Value, member: &str) {
    document.as_object_mut().unwrap().remove(member);
}

/// Replies that carry a document of a path.
fn document(
    world: &mut World,
    path: &'static str,
    change: impl Fn(&Asked, &mut Reply) + Send + Sync + 'static,
) {
    edit(world, move |asked, reply| {
        if asked.path == path {
            change(asked, reply);
        }
    });
}

fn bogus(asked: &Asked) -> bool {
    asked
        .header("authorization")
        .is_some_and(|value| value.starts_with("Bearer authdex"))
}

fn rpc(asked: &Asked) -> Value {
    serde_json::from_str(&asked.body).unwrap_or_default()
}

fn result(reply: &mut Reply, asked: &Asked, result: &Value) {
    reply.status = 200;
    reply.headers = vec![("content-type", "application/json".to_owned())];
    reply.body = json!({ "jsonrpc": "2.0", "id": rpc(asked)["id"], "result": result }).to_string();
}

const PRM_PATH: &str = "/.well-known/oauth-protected-resource/mcp";

pub(super) const MUTANTS: &[Mutant] = &[
    // --- the challenge ------------------------------------------------------------------
    protected(
        "bare-challenge",
        |world| world.servers[0].guard = Guard::Bearer(Challenge::bare()),
        &[
            // Nothing but the scheme: read in tolerant mode only.
            ("challenge-syntax", "warn"),
            ("challenge-resource-metadata-param", "warn"),
            ("challenge-resource-metadata-url", "na"),
            ("challenge-scope-param", "warn"),
        ],
    ),
    protected(
        "no-challenge-header",
        |world| {
            refusals(world, |_, reply| {
                reply
                    .headers
                    .retain(|(name, _)| *name != "www-authenticate");
            });
        },
        &[
            ("challenge-www-authenticate", "warn"),
            ("challenge-syntax", "blocked"),
            ("challenge-resource-metadata-param", "warn"),
            ("challenge-resource-metadata-url", "blocked"),
            ("challenge-scope-param", "blocked"),
            ("challenge-no-error-without-credentials", "blocked"),
            ("challenge-invalid-token", "warn"),
        ],
    ),
    protected(
        "login-redirect",
        |world| world.servers[0].guard = Guard::Login,
        &[
            ("challenge-not-login-redirect", "fail"),
            ("challenge-status-401", "blocked"),
            ("challenge-www-authenticate", "blocked"),
            ("challenge-syntax", "blocked"),
            ("challenge-resource-metadata-param", "blocked"),
            ("challenge-resource-metadata-url", "blocked"),
            ("challenge-scope-param", "blocked"),
            ("challenge-no-error-without-credentials", "blocked"),
            ("challenge-invalid-token", "blocked"),
            ("challenge-malformed-authorization", "blocked"),
            ("challenge-get-stream", "blocked"),
            ("challenge-consistent", "blocked"),
            ("token-bogus-rejected", "blocked"),
            ("token-query-ignored", "blocked"),
            ("batch-auth-parity", "blocked"),
            ("challenge-host-reflection", "blocked"),
            ("cors-metadata-readable", "blocked"),
            ("cors-no-credentials", "blocked"),
            ("origin-rejected", "blocked"),
            // Where every request only redirects, no further one is sent.
            ("tls-plaintext-refused", "inconclusive"),
            ("transport-redirects", "na"),
            // GET is no longer refused for want of a token, and offers no stream.
            ("legacy-sse-offered", "pass"),
        ],
    ),
    protected(
        "unquoted-challenge",
        |world| {
            refusals(world, |_, reply| {
                challenge(
                    reply,
                    "Bearer error=\"invalid_token\", resource_metadata=https://notes.mutant.example/.well-known/oauth-protected-resource/mcp, scope=\"mcp:use\"",
                );
            });
        },
        &[
            // A URL without quotes is read in tolerant mode.
            ("challenge-syntax", "warn"),
            ("challenge-no-error-without-credentials", "warn"),
        ],
    ),
    protected(
        "pointer-to-404",
        |world| {
            refusals(world, |asked, reply| {
                let error = if asked.header("authorization").is_some() {
                    "error=\"invalid_token\", "
                } else {
                    ""
                };
                challenge(
                    reply,
                    &format!(
                        "Bearer {error}resource_metadata=\"https://{HOST}/.well-known/oauth-protected-resource/elsewhere\", scope=\"mcp:use\""
                    ),
                );
            });
        },
        &[("challenge-resource-metadata-url", "fail")],
    ),
    protected(
        "no-scope",
        |world| {
            world.servers[0].guard = Guard::Bearer(Challenge {
                scope: false,
                ..Challenge::good()
            });
        },
        &[("challenge-scope-param", "warn")],
    ),
    protected(
        "error-without-credentials",
        |world| {
            world.servers[0].guard = Guard::Bearer(Challenge {
                always_error: true,
                ..Challenge::good()
            });
        },
        &[("challenge-no-error-without-credentials", "warn")],
    ),
    protected(
        "reflects-forwarded-host",
        |world| {
            refusals(world, |asked, reply| {
                if let Some(host) = asked.header("x-forwarded-host") {
                    challenge(
                        reply,
                        &format!(
                            "Bearer resource_metadata=\"https://{host}{PRM_PATH}\", scope=\"mcp:use\""
                        ),
                    );
                }
            });
        },
        &[("challenge-host-reflection", "fail")],
    ),
    protected(
        "unknown-token-is-500",
        |world| {
            refusals(world, |asked, reply| {
                if bogus(asked) {
                    *reply = Reply {
                        status: 500,
                        headers: Vec::new(),
                        body: String::new(),
                        endless: false,
                    };
                }
            });
        },
        &[
            ("challenge-invalid-token", "fail"),
            ("token-bogus-rejected", "inconclusive"),
            // Only two tokens at once: what some load balancers do to every server.
            ("challenge-malformed-authorization", "warn"),
        ],
    ),
    protected(
        "any-token-will-do",
        |world| world.servers[0].guard = Guard::AnyBearer(Challenge::good()),
        &[
            ("token-bogus-rejected", "fail"),
            ("challenge-invalid-token", "na"),
            ("challenge-malformed-authorization", "fail"),
        ],
    ),
    protected(
        "basic-is-500",
        |world| {
            refusals(world, |asked, reply| {
                if asked
                    .header("authorization")
                    .is_some_and(|value| value.starts_with("Basic"))
                {
                    reply.status = 500;
                }
            });
        },
        &[("challenge-malformed-authorization", "fail")],
    ),
    protected(
        "get-serves-a-stream",
        |world| {
            refusals(world, |asked, reply| {
                if asked.method == "GET" {
                    reply.status = 200;
                    reply.headers = vec![("content-type", "text/event-stream".to_owned())];
                    reply.body = ": hello\n\n".to_owned();
                    reply.endless = true;
                }
            });
        },
        &[
            ("challenge-get-stream", "fail"),
            // The stream of a server of both eras is legal, and is not that of HTTP+SSE.
            ("stateless-get-405", "pass"),
            ("legacy-sse-offered", "pass"),
        ],
    ),
    protected(
        "batch-is-served",
        |world| {
            refusals(world, |asked, reply| {
                if rpc(asked).is_array() {
                    reply.status = 200;
                    reply.headers = vec![("content-type", "application/json".to_owned())];
                    reply.body = json!([
                        { "jsonrpc": "2.0", "id": rpc(asked)[0]["id"], "result": { "protocolVersion": "2025-03-26" } },
                        { "jsonrpc": "2.0", "id": rpc(asked)[1]["id"], "result": { "tools": [] } },
                    ])
                    .to_string();
                }
            });
        },
        &[("batch-auth-parity", "fail")],
    ),
    // --- protected-resource metadata ----------------------------------------------------
    protected(
        "prm-at-root",
        |world| {
            let prm = world.servers[0].prm.as_mut().unwrap();
            (prm.at_path, prm.at_root) = (false, true);
            refusals(world, |asked, reply| {
                let error = if asked.header("authorization").is_some() {
                    "error=\"invalid_token\", "
                } else {
                    ""
                };
                challenge(
                    reply,
                    &format!(
                        "Bearer {error}resource_metadata=\"https://{HOST}/.well-known/oauth-protected-resource\", scope=\"mcp:use\""
                    ),
                );
            });
        },
        &[("prm-path-location", "warn")],
    ),
    protected(
        "prm-as-html",
        |world| {
            document(world, PRM_PATH, |_, reply| {
                set(reply, "content-type", "text/html");
            });
        },
        &[("prm-http-response", "fail")],
    ),
    protected(
        "resource-with-fragment",
        |world| {
            prm(world, |prm| {
                prm["resource"] = json!(format!("https://{HOST}/mcp#tools"));
            });
        },
        &[
            ("prm-resource-syntax", "fail"),
            ("prm-resource-same-origin", "blocked"),
            ("prm-resource-canonical", "blocked"),
            ("prm-resource-identical", "blocked"),
        ],
    ),
    protected(
        "resource-foreign",
        |world| {
            prm(world, |prm| {
                prm["resource"] = json!("https://notes.elsewhere.example/mcp");
            });
        },
        &[
            ("prm-resource-same-origin", "fail"),
            ("prm-resource-identical", "blocked"),
        ],
    ),
    protected(
        "resource-parent",
        |world| {
            prm(world, |prm| {
                prm["resource"] = json!(format!("https://{HOST}"));
            });
        },
        &[("prm-resource-identical", "warn")],
    ),
    protected(
        "resource-trailing-slash",
        |world| {
            prm(world, |prm| {
                prm["resource"] = json!(format!("https://{HOST}/mcp/"));
            });
        },
        &[
            ("prm-resource-identical", "warn"),
            ("prm-resource-canonical", "warn"),
        ],
    ),
    protected(
        "no-authorization-servers",
        |world| prm(world, |prm| remove(prm, "authorization_servers")),
        &[
            ("prm-authorization-servers-present", "fail"),
            ("prm-authorization-servers-form", "blocked"),
            ("prm-authorization-servers-resolve", "blocked"),
            ("asm-discoverable", "blocked"),
            ("asm-rfc8414-location", "blocked"),
            ("asm-issuer-identical", "blocked"),
            ("asm-issuer-syntax", "blocked"),
            ("asm-required-fields", "blocked"),
            ("asm-endpoints-https", "blocked"),
            ("asm-legacy-grants", "blocked"),
            ("asm-public-client-auth", "blocked"),
            ("asm-iss-parameter", "blocked"),
            ("asm-no-mandatory-extensions", "blocked"),
            ("pkce-advertised", "blocked"),
            ("pkce-s256", "blocked"),
            ("pkce-no-plain", "blocked"),
            ("reg-mechanism-available", "blocked"),
            ("reg-cimd-advertised", "blocked"),
            ("reg-dcr-advertised", "blocked"),
            ("jwks-usable", "blocked"),
            ("jwks-no-private-keys", "blocked"),
            ("jwks-key-strength", "blocked"),
        ],
    ),
    protected(
        "bearer-in-query",
        |world| {
            prm(world, |prm| {
                prm["bearer_methods_supported"] = json!(["header", "query"]);
            });
        },
        &[("prm-bearer-methods", "fail")],
    ),
    protected(
        "empty-values",
        |world| prm(world, |prm| prm["resource_documentation"] = json!([])),
        &[("prm-no-empty-values", "warn")],
    ),
    protected(
        "no-recommended-fields",
        |world| {
            prm(world, |prm| {
                remove(prm, "resource_name");
                remove(prm, "scopes_supported");
            });
        },
        &[("prm-recommended-fields", "warn")],
    ),
    protected(
        "offline-access",
        |world| {
            prm(world, |prm| {
                prm["scopes_supported"] = json!(["mcp:use", "offline_access"]);
            });
        },
        &[("scope-no-offline-access", "warn")],
    ),
    // --- authorization-server metadata ----------------------------------------------------
    protected(
        "no-metadata-of-the-authorization-server",
        |world| world.authorization_servers[0].oauth = None,
        &[
            ("asm-discoverable", "fail"),
            ("prm-authorization-servers-resolve", "blocked"),
            ("asm-rfc8414-location", "blocked"),
            ("asm-issuer-identical", "blocked"),
            ("asm-issuer-syntax", "blocked"),
            ("asm-required-fields", "blocked"),
            ("asm-endpoints-https", "blocked"),
            ("asm-legacy-grants", "blocked"),
            ("asm-public-client-auth", "blocked"),
            ("asm-iss-parameter", "blocked"),
            ("asm-no-mandatory-extensions", "blocked"),
            ("pkce-advertised", "blocked"),
            ("pkce-s256", "blocked"),
            ("pkce-no-plain", "blocked"),
            ("reg-mechanism-available", "blocked"),
            ("reg-cimd-advertised", "blocked"),
            ("reg-dcr-advertised", "blocked"),
            ("jwks-usable", "blocked"),
            ("jwks-no-private-keys", "blocked"),
            ("jwks-key-strength", "blocked"),
        ],
    ),
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
    // --- transport, browser surface, disclosure -----------------------------------------
    protected(
        "no-hsts",
        |world| world.servers[0].hsts = false,
        &[("tls-hsts", "warn")],
    ),
    protected(
        "cors-with-credentials",
        |world| {
            endpoint(world, |asked, reply| {
                if let Some(origin) = asked.header("origin") {
                    set(reply, "access-control-allow-origin", origin);
                    set(reply, "access-control-allow-credentials", "true");
                }
            });
        },
        &[("cors-no-credentials", "fail"), ("cors-preflight", "warn")],
    ),
    protected(
        "stack-trace",
        |world| {
            refusals(world, |_, reply| {
                reply.body = "Traceback (most recent call last):\n  File \"/srv/app/server.py\", line 41, in handle\n    raise Unauthorized()\nUnauthorized\n".to_owned();
                set(reply, "content-type", "text/plain");
            });
        },
        &[
            ("hygiene-error-detail", "fail"),
            // The body no longer speaks of an error of the token.
            ("token-query-ignored", "pass"),
        ],
    ),
    protected(
        "internal-address",
        |world| {
            prm(world, |prm| {
                prm["resource_policy_uri"] = json!("http://10.0.0.5:8000/policy");
            });
        },
        &[("hygiene-internal-addresses", "warn")],
    ),
    protected(
        "no-security-txt",
        |world| {
            edit(world, |asked, reply| {
                if asked.path.ends_with("security.txt") {
                    *reply = Reply {
                        status: 404,
                        headers: Vec::new(),
                        body: String::new(),
                        endless: false,
                    };
                }
            });
        },
        &[("hygiene-security-txt", "na")],
    ),
    // --- servers that serve somebody without a token ----------------------------------------
    of(
        Base::Open,
        "destructive-tools",
        |world| world.servers[0].tools = destructive_tools(),
        &[("exposure-destructive-open", "fail")],
    ),
    of(
        Base::Open,
        "foreign-origin-served",
        |world| {
            endpoint(world, |asked, reply| {
                if asked.header("origin").is_some() && asked.method == "POST" {
                    result(
                        reply,
                        asked,
                        &json!({
                            "resultType": "complete",
                            "supportedVersions": ["2026-07-28"],
                            "capabilities": { "tools": {} },
                            "ttlMs": 3_600_000, "cacheScope": "public",
                        }),
                    );
                }
            });
        },
        &[("origin-rejected", "warn")],
    ),
    of(
        Base::Open,
        "unknown-method-is-200",
        |world| {
            endpoint(world, |asked, reply| {
                if rpc(asked)["method"] == "probe/unknown" {
                    reply.status = 200;
                }
            });
        },
        &[("stateless-unknown-method-404", "warn")],
    ),
    of(
        Base::Open,
        "header-and-body-may-differ",
        |world| {
            endpoint(world, |asked, reply| {
                if reply.body.contains("-32020") {
                    result(
                        reply,
                        asked,
                        &json!({ "resultType": "complete", "tools": [], "ttlMs": 0, "cacheScope": "public" }),
                    );
                }
            });
        },
        &[("stateless-header-body-match", "fail")],
    ),
    of(
        Base::Lazy,
        "lazy-without-metadata",
        |world| {
            world.servers[0].prm = None;
        },
        &[
            ("challenge-lazy-prm", "fail"),
            ("challenge-resource-metadata-url", "fail"),
            ("prm-discoverable", "blocked"),
            ("prm-path-location", "blocked"),
            ("prm-http-response", "blocked"),
            ("prm-resource-syntax", "blocked"),
            ("prm-resource-same-origin", "blocked"),
            ("prm-resource-identical", "blocked"),
            ("prm-resource-canonical", "blocked"),
            ("prm-authorization-servers-present", "blocked"),
            ("prm-authorization-servers-form", "blocked"),
            ("prm-authorization-servers-resolve", "blocked"),
            ("prm-recommended-fields", "blocked"),
            ("prm-bearer-methods", "blocked"),
            ("prm-no-empty-values", "blocked"),
            ("asm-discoverable", "blocked"),
            ("asm-rfc8414-location", "blocked"),
            ("asm-issuer-identical", "blocked"),
            ("asm-issuer-syntax", "blocked"),
            ("asm-required-fields", "blocked"),
            ("asm-endpoints-https", "blocked"),
            ("asm-legacy-grants", "blocked"),
            ("asm-public-client-auth", "blocked"),
            ("asm-iss-parameter", "blocked"),
            ("asm-no-mandatory-extensions", "blocked"),
            ("pkce-advertised", "blocked"),
            ("pkce-s256", "blocked"),
            ("pkce-no-plain", "blocked"),
            ("reg-mechanism-available", "blocked"),
            ("reg-cimd-advertised", "blocked"),
            ("reg-dcr-advertised", "blocked"),
            ("jwks-usable", "blocked"),
            ("jwks-no-private-keys", "blocked"),
            ("jwks-key-strength", "blocked"),
            ("cors-metadata-readable", "blocked"),
            // Nothing is hosted at the endpoint's origin any more.
            ("challenge-host-reflection", "na"),
            ("cors-no-credentials", "na"),
            ("scope-no-offline-access", "pass"),
            ("scope-catalog-minimal", "pass"),
        ],
    ),
    of(
        Base::Lazy,
        "lazy-without-status",
        |world| {
            refusals(world, |asked, reply| {
                if rpc(asked)["method"] == "tools/call" {
                    result(
                        reply,
                        asked,
                        &json!({
                            "resultType": "complete", "isError": true,
                            "content": [{ "type": "text", "text": "Unauthorized: please sign in" }],
                        }),
                    );
                }
            });
        },
        &[
            ("challenge-status-401", "fail"),
            ("challenge-lazy-http-status", "blocked"),
            ("challenge-no-error-without-credentials", "na"),
            ("challenge-resource-metadata-param", "na"),
            ("challenge-resource-metadata-url", "na"),
            ("challenge-scope-param", "na"),
            ("challenge-www-authenticate", "na"),
        ],
    ),
];
