//! Mutants of transport, browser surface and disclosure.

use scanner::fleet::reply::Reply;
use serde_json::json;

use super::Mutant;
use super::table::{edit, endpoint, prm, protected, refusals, set};

pub(super) const MUTANTS: &[Mutant] = &[
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
];
