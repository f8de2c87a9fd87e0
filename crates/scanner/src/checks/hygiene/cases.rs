//! Cases of the hygiene and exposure checks.

use serde_json::{Value, json};

use super::super::testkit::{
    Case, ENDPOINT, Expect, World, case, changed, is_endpoint, prm, response, set_body, status,
    text,
};
use crate::evidence::{Failure, List, Purpose, Response};
use crate::target::{Listing, Target};
use Expect::{Fail, Inconclusive, Na, Pass, Warn};

pub(in crate::checks) const CASES: &[Case] = &[
    // hygiene-error-detail
    case("hygiene-error-detail", Pass, World::compliant),
    case("hygiene-error-detail", Warn("version_banner"), || {
        header("server", "nginx/1.22.1")
    }),
    case("hygiene-error-detail", Warn("version_banner"), || {
        header("x-aspnet-version", "4.0.30319")
    }),
    case("hygiene-error-detail", Warn("exception_name"), || {
        error(rpc_error("TypeError: Cannot read properties of undefined"))
    }),
    case("hygiene-error-detail", Warn("database_error"), || {
        error(text(500, "text/plain", "SQLSTATE[HY000]: general error"))
    }),
    case("hygiene-error-detail", Warn("file_path"), || {
        error(text(
            500,
            "application/json",
            r#"{"error":"ENOENT: open '/usr/src/app/keys.json'"}"#,
        ))
    }),
    case("hygiene-error-detail", Fail("stack_trace"), || {
        error(text(
            500,
            "application/json",
            r#"{"stack":"Error: no\n    at handle (/app/dist/server.js:12:3)"}"#,
        ))
    }),
    case("hygiene-error-detail", Fail("debug_page"), || {
        error(text(
            500,
            "text/html",
            "<!doctype html><title>KeyError // Werkzeug Debugger</title>",
        ))
    }),
    case("hygiene-error-detail", Fail("environment"), || {
        error(text(
            500,
            "text/plain",
            "PATH=/usr/bin\nHOME=/root\nHOSTNAME=web-1\n",
        ))
    }),
    case("hygiene-error-detail", Na, || {
        let mut world = World::open();
        world.on(|_| true, text(200, "text/plain", "fine"));
        world.on(
            |ask| is_endpoint(ask) && ask.method == "POST",
            text(
                200,
                "application/json",
                r#"{"jsonrpc":"2.0","id":"x","result":{"protocolVersion":"2025-03-26","capabilities":{},"tools":[]}}"#,
            ),
        );
        world
    }),
    // hygiene-internal-addresses
    case("hygiene-internal-addresses", Pass, World::compliant),
    case("hygiene-internal-addresses", Pass, || {
        changed(|w| {
            w.prm(|prm| prm["resource_documentation"] = "https://192.0.2.1/".into());
        })
    }),
    case("hygiene-internal-addresses", Warn("described"), || {
        header("x-backend-server", "ip-10-0-0-7.ec2.internal")
    }),
    case("hygiene-internal-addresses", Warn("described"), || {
        changed(|w| {
            w.prm(|prm| prm["resource_documentation"] = "http://localhost:8000/docs".into());
        })
    }),
    case("hygiene-internal-addresses", Warn("described"), || {
        error(text(
            502,
            "text/plain",
            "connect ECONNREFUSED 10.1.2.3:8080",
        ))
    }),
    case("hygiene-internal-addresses", Fail("used_member"), || {
        // Stale metadata of an open server, which no other check judges.
        let mut world = World::open();
        world.document(super::super::testkit::PRM_URL, prm());
        world.prm(|prm| prm["resource"] = "http://localhost:8000/mcp".into());
        world
    }),
    case("hygiene-internal-addresses", Na, || {
        // Counted where the value itself is judged.
        changed(|w| {
            w.prm(|prm| prm["resource"] = "http://localhost:8000/mcp".into());
        })
    }),
    case("hygiene-internal-addresses", Na, || {
        let mut world = World::empty();
        world.target = Target::of("http://127.0.0.1:21030/mcp");
        world.allow_private = true;
        world.on(
            |ask| ask.url.starts_with("http://127.0.0.1:21030/mcp"),
            response(401, &[("www-authenticate", "Bearer")], ""),
        );
        world
    }),
    // hygiene-secrets: the values are blanked at capture; markers stand in their place.
    case("hygiene-secrets", Pass, World::compliant),
    case("hygiene-secrets", Pass, || {
        leaks("[redacted:github-token:head=ghp_:len=40:sum=bad]")
    }),
    case("hygiene-secrets", Pass, || {
        leaks("[redacted:aws-key:head=AKIA:len=20:sample=yes]")
    }),
    case("hygiene-secrets", Pass, || {
        // A stream never ends; it is left when enough was read.
        let mut world = only_sse();
        world.edit(
            |_| true,
            |response| response.body.truncated = response.status == 200,
        );
        world
    }),
    case("hygiene-secrets", Pass, || {
        // A browser key in a page for browsers.
        error(text(
            404,
            "text/html",
            "<html>[redacted:google-key:head=AIza:len=39]</html>",
        ))
    }),
    case("hygiene-secrets", Pass, || {
        // A sample in a description has expired.
        tools(|tool| tool["description"] = "e.g. [redacted:jwt:exp=1516239022:len=150]".into())
    }),
    case("hygiene-secrets", Warn("expired_token"), || {
        leaks("[redacted:jwt:exp=1516239022:alg=HS256:len=150]")
    }),
    case("hygiene-secrets", Warn("test_key"), || {
        leaks("[redacted:stripe-test-key:head=sk_test_:len=32]")
    }),
    case("hygiene-secrets", Fail("unexpired_token"), || {
        leaks("[redacted:jwt:exp=1890000000:alg=RS256:len=900]")
    }),
    case("hygiene-secrets", Fail("provider_key"), || {
        leaks("[redacted:github-token:head=ghp_:len=40:sum=ok]")
    }),
    case("hygiene-secrets", Fail("private_key"), || {
        leaks("[redacted:private-key:len=1704]")
    }),
    case("hygiene-secrets", Fail("credential_member"), || {
        changed(|w| {
            w.asm(|asm| asm["client_secret"] = "[redacted:member:len=32]".into());
        })
    }),
    case("hygiene-secrets", Inconclusive, || {
        let mut world = World::open();
        world.edit(
            |ask| ask.purpose == Purpose::ModernList(List::Tools),
            |response| response.body.truncated = true,
        );
        world
    }),
    case("hygiene-secrets", Na, || {
        let mut world = World::empty();
        world.on(
            is_endpoint,
            response(401, &[("www-authenticate", "Bearer scope=\"a\"")], ""),
        );
        world
    }),
    // hygiene-security-txt
    case("hygiene-security-txt", Pass, World::compliant),
    case("hygiene-security-txt", Warn("expired"), || {
        contact("text/plain", "Contact: x\nExpires: 2026-01-01T00:00:00Z\n")
    }),
    case("hygiene-security-txt", Warn("no_contact"), || {
        contact("text/plain", "Expires: 2027-01-01T00:00:00Z\n")
    }),
    case("hygiene-security-txt", Warn("no_expires"), || {
        contact("text/plain", "Contact: x\n")
    }),
    case("hygiene-security-txt", Warn("no_expires"), || {
        contact("text/plain", "Contact: x\nExpires: next year\n")
    }),
    case("hygiene-security-txt", Warn("media_type"), || {
        contact(
            "application/octet-stream",
            "Contact: x\nExpires: 2027-01-01T00:00:00Z\n",
        )
    }),
    case("hygiene-security-txt", Warn("legacy_path"), || {
        changed(|w| {
            w.purpose(Purpose::SecurityTxt, status(404));
            w.purpose(
                Purpose::SecurityTxtLegacy,
                text(
                    200,
                    "text/plain",
                    "Contact: x\nExpires: 2027-01-01T00:00:00Z\n",
                ),
            );
        })
    }),
    case("hygiene-security-txt", Na, || {
        contact("text/html", "<!doctype html><p>Contact: us</p>")
    }),
    case("hygiene-security-txt", Na, World::open),
    case("hygiene-security-txt", Inconclusive, || {
        changed(|w| {
            w.purpose(Purpose::SecurityTxt, status(503));
        })
    }),
    // exposure-open-inventory
    case("exposure-open-inventory", Pass, || listed(json!([]))),
    case("exposure-open-inventory", Warn("readable"), World::open),
    case("exposure-open-inventory", Warn("readable"), World::lazy),
    case("exposure-open-inventory", Na, World::compliant),
    case("exposure-open-inventory", Inconclusive, lists_fail),
    case("exposure-open-inventory", Inconclusive, only_sse),
    // exposure-destructive-open
    case("exposure-destructive-open", Pass, World::open),
    case("exposure-destructive-open", Pass, World::lazy),
    case("exposure-destructive-open", Warn("verb"), || {
        tools(|tool| {
            tool["name"] = "delete_note".into();
            tool["annotations"] = json!({});
        })
    }),
    case("exposure-destructive-open", Warn("not_read_only"), || {
        tools(|tool| tool["annotations"] = json!({ "readOnlyHint": false }))
    }),
    case("exposure-destructive-open", Fail("annotated"), || {
        tools(|tool| tool["annotations"] = json!({ "destructiveHint": true }))
    }),
    case("exposure-destructive-open", Fail("executes"), || {
        tools(|tool| {
            tool["name"] = "run_shell".into();
            tool["annotations"] = json!({});
            tool["inputSchema"]["properties"] = json!({ "command": { "type": "string" } });
        })
    }),
    case("exposure-destructive-open", Na, World::compliant),
    case("exposure-destructive-open", Na, || listed(json!([]))),
    case("exposure-destructive-open", Inconclusive, || {
        let mut world = World::lazy();
        with_tool(&mut world, |tool| {
            tool["annotations"] = json!({ "destructiveHint": true });
        });
        world
    }),
    // exposure-credential-params
    case("exposure-credential-params", Pass, World::open),
    case("exposure-credential-params", Pass, || {
        tools(|tool| {
            tool["name"] = "hash_password".into();
            tool["inputSchema"] = json!({
                "properties": { "password": { "type": "string" } }, "required": ["password"] });
        })
    }),
    case("exposure-credential-params", Warn("optional"), || {
        tools(|tool| {
            tool["inputSchema"] = json!({ "properties": { "apiKey": { "type": "string" } } });
        })
    }),
    case("exposure-credential-params", Fail("required"), || {
        tools(|tool| {
            tool["inputSchema"] = json!({
                "properties": { "api_key": { "type": "string" } }, "required": ["api_key"] });
        })
    }),
    case("exposure-credential-params", Na, World::compliant),
    case("exposure-credential-params", Inconclusive, lists_fail),
    case("exposure-credential-params", Na, only_sse),
    // exposure-sensitive-header-params
    case("exposure-sensitive-header-params", Pass, || {
        mirrored("region")
    }),
    case(
        "exposure-sensitive-header-params",
        Warn("personal_data"),
        || mirrored("email"),
    ),
    case(
        "exposure-sensitive-header-params",
        Fail("credential"),
        || mirrored("api_key"),
    ),
    case("exposure-sensitive-header-params", Na, World::open),
    case("exposure-sensitive-header-params", Na, World::compliant),
    case("exposure-sensitive-header-params", Inconclusive, lists_fail),
    case("exposure-sensitive-header-params", Na, only_sse),
    // exposure-key-in-url
    case("exposure-key-in-url", Pass, World::compliant),
    case("exposure-key-in-url", Warn("path_placeholder"), || {
        listed_as("https://mcp.example.com/{apiKey}/mcp")
    }),
    case("exposure-key-in-url", Fail("query"), || {
        listed_as("https://mcp.example.com/mcp?api_key={KEY}")
    }),
    case("exposure-key-in-url", Fail("userinfo"), || {
        listed_as("https://user:pass@mcp.example.com/mcp")
    }),
];

/// The compliant server with a further header on every answer of its endpoint.
fn header(name: &'static str, value: &'static str) -> World {
    changed(|w| {
        w.edit(is_endpoint, move |response| {
            response.headers.push((name.into(), value.into()));
        });
    })
}

/// The compliant server, which stumbles over the preflight.
fn error(answer: Result<Response, Failure>) -> World {
    changed(|w| {
        w.purpose(Purpose::Preflight, answer);
    })
}

fn rpc_error(message: &str) -> Result<Response, Failure> {
    text(
        400,
        "application/json",
        &json!({ "jsonrpc": "2.0", "id": null, "error": { "code": -32603, "message": message } })
            .to_string(),
    )
}

/// The compliant server, in one of whose errors this stands.
fn leaks(marker: &str) -> World {
    error(text(
        500,
        "application/json",
        &json!({ "detail": marker }).to_string(),
    ))
}

fn contact(media: &str, body: &str) -> World {
    changed(|w| {
        w.purpose(Purpose::SecurityTxt, text(200, media, body));
    })
}

/// An open server with these tools.
fn listed(tools: Value) -> World {
    let mut world = World::open();
    edit_tools(&mut world, move |list| *list = tools.clone());
    world
}

/// An open server whose one tool is changed.
fn tools(change: fn(&mut Value)) -> World {
    let mut world = World::open();
    with_tool(&mut world, change);
    world
}

fn with_tool(world: &mut World, change: fn(&mut Value)) {
    edit_tools(world, move |list| change(&mut list[0]));
}

fn edit_tools(world: &mut World, change: impl Fn(&mut Value) + 'static) {
    world.edit(
        |ask| {
            matches!(
                ask.purpose,
                Purpose::ModernList(List::Tools) | Purpose::LegacyList(List::Tools)
            )
        },
        move |response| {
            let mut body: Value = serde_json::from_str(&response.body.text).expect("JSON");
            change(&mut body["result"]["tools"]);
            set_body(response, &body.to_string());
        },
    );
}

/// An open server one of whose arguments is copied into a header.
fn mirrored(property: &'static str) -> World {
    let mut world = World::open();
    edit_tools(&mut world, move |list| {
        list[0]["inputSchema"]["properties"] =
            json!({ property: { "type": "string", "x-mcp-header": "Region" } });
    });
    world
}

/// An open server whose lists are broken.
fn lists_fail() -> World {
    let mut world = World::open();
    world.on(
        |ask| matches!(ask.purpose, Purpose::ModernList(_) | Purpose::LegacyList(_)),
        status(500),
    );
    world
}

fn only_sse() -> World {
    let mut world = World::empty();
    world.on(is_endpoint, status(405));
    world.purpose(
        Purpose::EventStream,
        text(200, "text/event-stream", "event: endpoint\ndata: /m\n\n"),
    );
    world
}

fn listed_as(raw: &str) -> World {
    let mut world = World::compliant();
    world.target = Target {
        url: ENDPOINT.into(),
        listing: Some(Listing {
            raw_url: Some(raw.to_owned()),
            ..Listing::default()
        }),
    };
    world
}
