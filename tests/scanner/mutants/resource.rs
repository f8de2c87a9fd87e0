//! Mutants of protected-resource metadata.

use serde_json::json;

use super::table::{
    BEHIND_SERVER_METADATA, PRM_PATH, challenge, document, prm, protected, refusals, remove, set,
};
use super::{HOST, Mutant};

pub(super) const MUTANTS: &[Mutant] = &[
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
        ],
    )
    .behind(&[BEHIND_SERVER_METADATA]),
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
];
