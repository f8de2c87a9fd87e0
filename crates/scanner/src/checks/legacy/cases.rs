//! Cases of the legacy checks.

use serde_json::{Value, json};

use super::super::testkit::{
    Case, ENDPOINT, Expect, ISSUER, World, asm, case, case_in, challenge, changed, good_challenge,
    is_endpoint, set_body, status, text,
};
use crate::evidence::{Failure, List, Purpose, Response};
use crate::spec::Revision;
use crate::target::Listing;
use Expect::{Blocked, Fail, Inconclusive, Na, Pass, Warn};

const MARCH: Revision = Revision::V2025_03_26;
const OAUTH_ROOT: &str = "https://mcp.example.com/.well-known/oauth-authorization-server";
const OIDC_ROOT: &str = "https://mcp.example.com/.well-known/openid-configuration";

pub(in crate::checks) const CASES: &[Case] = &[
    // legacy-root-metadata: in force in 2025-03-26 alone.
    case_in(MARCH, "legacy-root-metadata", Pass, march),
    case_in(MARCH, "legacy-root-metadata", Warn("absent"), || {
        speaks_march(|_| {})
    }),
    case_in(MARCH, "legacy-root-metadata", Warn("other_issuer"), || {
        speaks_march(|w| {
            w.document(OAUTH_ROOT, asm());
        })
    }),
    case_in(MARCH, "legacy-root-metadata", Inconclusive, || {
        speaks_march(|w| {
            w.on(|ask| ask.url == OAUTH_ROOT, status(503));
        })
    }),
    case_in(MARCH, "legacy-root-metadata", Na, World::compliant),
    case_in(MARCH, "legacy-root-metadata", Na, World::open),
    case("legacy-root-metadata", Na, march),
    // legacy-mirror-consistent
    case("legacy-mirror-consistent", Pass, || {
        mirrored(OAUTH_ROOT, |asm| {
            asm["issuer"] = "https://mcp.example.com".into();
            asm["token_endpoint"] = "https://mcp.example.com/token".into();
        })
    }),
    case("legacy-mirror-consistent", Warn("mirror"), || {
        mirrored(OAUTH_ROOT, |_| {})
    }),
    case("legacy-mirror-consistent", Warn("mirror"), || {
        mirrored(OIDC_ROOT, |_| {})
    }),
    case("legacy-mirror-consistent", Warn("mirror"), || {
        mirrored(OAUTH_ROOT, |asm| {
            asm["introspection_endpoint"] = "https://id.example.com/introspect".into();
        })
    }),
    case("legacy-mirror-consistent", Warn("unlisted_issuer"), || {
        mirrored(OAUTH_ROOT, |asm| {
            asm["issuer"] = "https://other.example.net".into();
        })
    }),
    case("legacy-mirror-consistent", Fail("endpoint_differs"), || {
        mirrored(OAUTH_ROOT, |asm| {
            asm["token_endpoint"] = "https://id.example.com/other".into();
        })
    }),
    case("legacy-mirror-consistent", Fail("endpoint_differs"), || {
        mirrored(OAUTH_ROOT, |asm| {
            asm["registration_endpoint"] = "https://broker.example.net/register".into();
        })
    }),
    case("legacy-mirror-consistent", Fail("local_endpoint"), || {
        mirrored(OAUTH_ROOT, |asm| {
            asm["registration_endpoint"] = "https://mcp.example.com/register".into();
        })
    }),
    case("legacy-mirror-consistent", Na, World::compliant),
    case("legacy-mirror-consistent", Na, World::open),
    case("legacy-mirror-consistent", Na, || {
        changed(|w| {
            w.document(OAUTH_ROOT, asm());
            w.prm(|prm| {
                prm["authorization_servers"] = json!(["https://mcp.example.com"]);
            });
        })
    }),
    case(
        "legacy-mirror-consistent",
        Blocked("asm-discoverable"),
        || {
            let mut world = mirrored(OAUTH_ROOT, |_| {});
            world.on(|ask| ask.url.starts_with(ISSUER), status(404));
            world
        },
    ),
    case("legacy-mirror-consistent", Inconclusive, || {
        changed(|w| {
            w.on(|ask| ask.url == OAUTH_ROOT, status(503));
        })
    }),
    // legacy-sse-offered
    case("legacy-sse-offered", Pass, World::open),
    case("legacy-sse-offered", Warn("beside"), || {
        let mut world = World::open();
        world.purpose(Purpose::EventStream, stream("/messages?session_id=1"));
        world
    }),
    case("legacy-sse-offered", Warn("beside"), || {
        let mut world = World::open();
        sibling(&mut world, stream("/messages"));
        world
    }),
    case("legacy-sse-offered", Warn("only_transport"), || {
        only_sse("/messages?session_id=1")
    }),
    case("legacy-sse-offered", Na, World::compliant),
    case("legacy-sse-offered", Inconclusive, || {
        let mut world = World::open();
        world.purpose(Purpose::EventStream, Err(Failure::Reset));
        world
    }),
    // legacy-sse-protected
    case("legacy-sse-protected", Pass, World::guarded_stream),
    case("legacy-sse-protected", Pass, || {
        changed(|w| sibling(w, challenge(&good_challenge(None))))
    }),
    case("legacy-sse-protected", Pass, || {
        changed(|w| sibling(w, status(410)))
    }),
    case("legacy-sse-protected", Fail("stream_opens"), || {
        changed(|w| {
            w.purpose(Purpose::EventStream, stream("/messages"));
        })
    }),
    case("legacy-sse-protected", Fail("stream_opens"), || {
        changed(|w| sibling(w, stream("/messages")))
    }),
    case("legacy-sse-protected", Na, World::compliant),
    case("legacy-sse-protected", Na, || only_sse("/messages")),
    case("legacy-sse-protected", Na, World::open),
    case("legacy-sse-protected", Inconclusive, || {
        changed(|w| sibling(w, status(503)))
    }),
    case("legacy-sse-protected", Inconclusive, || {
        // The handshake is open to everybody, and the stream is no more than that.
        let mut world = World::open();
        world.on(is_list, challenge(&good_challenge(None)));
        world.purpose(Purpose::EventStream, stream("/messages"));
        world
    }),
    // legacy-sse-endpoint-origin
    case("legacy-sse-endpoint-origin", Pass, || {
        only_sse("/messages?session_id=1")
    }),
    case("legacy-sse-endpoint-origin", Pass, || {
        only_sse("https://mcp.example.com/messages")
    }),
    case("legacy-sse-endpoint-origin", Warn("same_site"), || {
        only_sse("https://eu.example.com/messages")
    }),
    case("legacy-sse-endpoint-origin", Fail("other_domain"), || {
        only_sse("https://evil.example.net/messages")
    }),
    case("legacy-sse-endpoint-origin", Fail("plain_http"), || {
        only_sse("http://10.0.0.7:8000/messages")
    }),
    case("legacy-sse-endpoint-origin", Na, World::open),
    case("legacy-sse-endpoint-origin", Inconclusive, || {
        only_sse("https://[broken/messages")
    }),
    case("legacy-sse-endpoint-origin", Inconclusive, || {
        let mut world = World::open();
        world.purpose(Purpose::EventStream, Err(Failure::Reset));
        world
    }),
    // era-auth-parity
    case("era-auth-parity", Pass, World::compliant),
    case("era-auth-parity", Pass, World::open),
    case("era-auth-parity", Pass, || {
        let mut world = World::open();
        world.on(is_list, challenge(&good_challenge(None)));
        world
    }),
    case("era-auth-parity", Warn("challenges_differ"), || {
        changed(|w| {
            w.purpose(
                Purpose::Initialize,
                challenge("Bearer realm=\"old clients\""),
            );
        })
    }),
    case("era-auth-parity", Warn("refusals_differ"), || {
        changed(|w| {
            w.purpose(Purpose::Initialize, status(403));
        })
    }),
    case("era-auth-parity", Warn("tools_differ"), || {
        let mut world = World::open();
        world.edit(
            |ask| ask.purpose == Purpose::LegacyList(List::Tools),
            |response| {
                let other = response.body.text.replace("lookup", "search");
                set_body(response, &other);
            },
        );
        world
    }),
    case("era-auth-parity", Warn("lists_differ"), || {
        let mut world = World::open();
        world.purpose(
            Purpose::LegacyList(List::Tools),
            rpc(
                200,
                json!({ "error": { "code": -32601, "message": "none" } }),
            ),
        );
        world
    }),
    case("era-auth-parity", Fail("list_without_token"), || {
        half_open(is_modern)
    }),
    case("era-auth-parity", Fail("list_without_token"), || {
        half_open(|ask| is_endpoint(ask) && !is_modern(ask))
    }),
    case("era-auth-parity", Fail("list_without_token"), || {
        // Only the oldest handshake is let in.
        changed(|w| {
            w.answer(|ask| {
                let body = ask.body.as_deref()?;
                if body.contains("2024-11-05") {
                    Some(rpc(
                        200,
                        json!({ "result": {
                        "protocolVersion": "2024-11-05", "capabilities": { "tools": {} } } }),
                    ))
                } else if ask.purpose == Purpose::LegacyList(List::Tools) {
                    Some(rpc(200, json!({ "result": { "tools": [] } })))
                } else {
                    None
                }
            });
        })
    }),
    case("era-auth-parity", Na, || {
        let mut world = World::open();
        world.speak(false, true);
        world
    }),
    case("era-auth-parity", Na, || {
        let mut world = World::open();
        world.speak(true, false);
        world
    }),
    case("era-auth-parity", Inconclusive, || {
        changed(|w| {
            w.purpose(Purpose::Initialize, Err(Failure::Reset));
        })
    }),
    case("era-auth-parity", Inconclusive, || {
        // The handshake of one era is open, but its list is not to be had.
        let mut world = half_open(is_modern);
        world.purpose(
            Purpose::LegacyList(List::Tools),
            rpc(
                200,
                json!({ "error": { "code": -32601, "message": "none" } }),
            ),
        );
        world
    }),
    // batch-auth-parity
    case("batch-auth-parity", Pass, World::compliant),
    case("batch-auth-parity", Pass, || batch(status(400))),
    case("batch-auth-parity", Pass, || {
        // An open handshake, in an array too.
        let mut world = World::open();
        world.on(is_list, challenge(&good_challenge(None)));
        world.purpose(Purpose::Batch, array(json!([hello()])));
        world
    }),
    case_in(MARCH, "batch-auth-parity", Pass, lazy_batch),
    case("batch-auth-parity", Warn("array_answered"), lazy_batch),
    case("batch-auth-parity", Warn("server_error"), || {
        batch(status(500))
    }),
    case("batch-auth-parity", Fail("list_answered"), || {
        batch(array(json!([hello(), list()])))
    }),
    case("batch-auth-parity", Fail("list_answered"), || {
        batch(text(
            200,
            "text/event-stream",
            &format!("data: {}\n\ndata: {}\n\n", hello(), list()),
        ))
    }),
    case("batch-auth-parity", Fail("initialize_answered"), || {
        batch(array(hello()))
    }),
    case("batch-auth-parity", Na, World::open),
    case("batch-auth-parity", Na, World::guarded_stream),
    case("batch-auth-parity", Inconclusive, || {
        batch(Err(Failure::Reset))
    }),
];

/// A server of 2025-03-26: protected, its metadata at the root, nothing newer.
fn march() -> World {
    speaks_march(|w| {
        let mut own = asm();
        own["issuer"] = "https://mcp.example.com/".into();
        w.document(OAUTH_ROOT, own);
    })
}

/// A protected server with an open handshake that negotiates 2025-03-26, without
/// protected-resource metadata.
fn speaks_march(change: fn(&mut World)) -> World {
    let mut world = World::open();
    world.speak(false, true);
    world.edit(
        |ask| ask.purpose == Purpose::Initialize,
        |response| {
            let older = response.body.text.replace("2025-11-25", "2025-03-26");
            set_body(response, &older);
        },
    );
    world.on(
        |ask| is_list(ask) || ask.purpose == Purpose::UnknownTool,
        challenge("Bearer error=\"invalid_token\""),
    );
    change(&mut world);
    world
}

/// The compliant server with a copy of its authorization server's metadata on its own origin.
fn mirrored(url: &str, change: fn(&mut Value)) -> World {
    let mut copy = asm();
    change(&mut copy);
    let mut world = World::compliant();
    world.document(url, copy);
    world
}

/// An event stream that begins with an endpoint event.
fn stream(to: &str) -> Result<Response, Failure> {
    text(
        200,
        "text/event-stream",
        &format!("event: endpoint\ndata: {to}\n\n"),
    )
}

/// An open server that speaks the old transport alone.
fn only_sse(to: &str) -> World {
    let mut world = World::empty();
    world.on(is_endpoint, status(405));
    world.purpose(Purpose::EventStream, stream(to));
    world
}

/// The listing names an SSE URL beside the endpoint, which answers so.
fn sibling(world: &mut World, answer: Result<Response, Failure>) {
    world.target.listing = Some(Listing {
        siblings: vec!["https://mcp.example.com/sse".into()],
        ..Listing::default()
    });
    world.on(|ask| ask.url == "https://mcp.example.com/sse", answer);
}

fn is_modern(ask: &crate::plan::Ask) -> bool {
    is_endpoint(ask)
        && ask
            .body
            .as_deref()
            .is_some_and(|body| body.contains("io.modelcontextprotocol/protocolVersion"))
}

fn is_list(ask: &crate::plan::Ask) -> bool {
    ask.url == ENDPOINT
        && ask
            .body
            .as_deref()
            .is_some_and(|body| body.contains("tools/list"))
}

/// An open server that asks for a token only where `when` holds.
fn half_open(when: fn(&crate::plan::Ask) -> bool) -> World {
    let mut world = World::open();
    world.on(
        move |ask| when(ask) && ask.method == "POST",
        challenge(&good_challenge(None)),
    );
    world
}

fn rpc(status: u16, members: Value) -> Result<Response, Failure> {
    let mut body = json!({ "jsonrpc": "2.0", "id": "x" });
    if let (Some(body), Value::Object(members)) = (body.as_object_mut(), members) {
        body.extend(members);
    }
    text(status, "application/json", &body.to_string())
}

fn hello() -> Value {
    json!({ "jsonrpc": "2.0", "id": "x3", "result": { "protocolVersion": "2025-03-26" } })
}

fn list() -> Value {
    json!({ "jsonrpc": "2.0", "id": "x4", "result": { "tools": [] } })
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "bodies are written where they are passed"
)]
fn array(body: Value) -> Result<Response, Failure> {
    text(200, "application/json", &body.to_string())
}

/// The compliant server with its own answer to an array.
fn batch(answer: Result<Response, Failure>) -> World {
    changed(|w| {
        w.purpose(Purpose::Batch, answer);
    })
}

/// A lazy server that answers an array like its messages alone.
fn lazy_batch() -> World {
    let mut world = World::lazy();
    world.purpose(Purpose::Batch, array(json!([hello(), list()])));
    world
}
