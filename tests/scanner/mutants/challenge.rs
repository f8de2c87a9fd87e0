//! Mutants of the challenge.

use scanner::fleet::reply::Reply;
use scanner::fleet::world::{Challenge, Guard};
use serde_json::json;

use super::table::{PRM_PATH, bogus, challenge, protected, refusals, rpc};
use super::{HOST, Mutant};

pub(super) const MUTANTS: &[Mutant] = &[
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
];
