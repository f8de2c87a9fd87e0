//! Mutants of servers that serve somebody without a token.

use scanner::fleet::world::destructive_tools;
use serde_json::json;

use super::table::{
    BEHIND_RESOURCE_METADATA, BEHIND_SERVER_METADATA, endpoint, of, refusals, result, rpc,
};
use super::{Base, Mutant};

pub(super) const MUTANTS: &[Mutant] = &[
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
            ("asm-discoverable", "blocked"),
            ("cors-metadata-readable", "blocked"),
            // Nothing is hosted at the endpoint's origin any more.
            ("challenge-host-reflection", "na"),
            ("cors-no-credentials", "na"),
            ("scope-no-offline-access", "pass"),
            ("scope-catalog-minimal", "pass"),
        ],
    )
    .behind(&[BEHIND_SERVER_METADATA, BEHIND_RESOURCE_METADATA]),
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
