//! Every kind of probe goes over the wire: the real scanner, real TLS, sample servers.

use std::collections::BTreeSet;

use scanner::evidence::{Depth, Evidence};
use scanner::fleet::demo;
use scanner::fleet::reply::Reply;
use scanner::fleet::world::{
    AuthorizationServer, Challenge, Edit, Guard, McpServer, Prm, Speaks, World,
};
use scanner::net::NetScanner;
use scanner::scan::Scan as _;
use scanner::target::{Listing, Target};
use serde_json::json;

use crate::loopback;
use crate::owner::{ISSUER, SERVER, Scene, URL};

/// The variants of `Purpose`, as evidence writes them.
fn declared() -> BTreeSet<String> {
    let source = include_str!("../../crates/scanner/src/evidence/purpose.rs");
    let body = source
        .split_once("pub enum Purpose {")
        .and_then(|(_, rest)| rest.split_once("\n}"))
        .map(|(body, _)| body)
        .expect("the enum");
    body.lines()
        .map(str::trim)
        .filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()))
        .map(|line| {
            let name = line.split(['(', ',']).next().unwrap_or_default();
            let mut snake = String::new();
            for c in name.chars() {
                if c.is_ascii_uppercase() && !snake.is_empty() {
                    snake.push('_');
                }
                snake.push(c.to_ascii_lowercase());
            }
            snake
        })
        .collect()
}

fn kinds(evidence: &Evidence) -> BTreeSet<String> {
    evidence
        .exchanges
        .iter()
        .filter_map(
            |exchange| match serde_json::to_value(exchange.purpose).ok()? {
                serde_json::Value::String(name) => Some(name),
                serde_json::Value::Object(members) => members.keys().next().cloned(),
                _ => None,
            },
        )
        .collect()
}

/// A scan of a changed world of the scene.
async fn changed(
    depth: Depth,
    target: Target,
    change: impl FnOnce(&mut World),
) -> BTreeSet<String> {
    let scene = Scene::of(&[], &[]).await;
    scene.fleet.change(change);
    let mut settings = scene.settings();
    settings.limits.depth = depth;
    let scanner = NetScanner::new(settings).await.expect("a scanner");
    kinds(&scanner.scan(&target, "scn_kinds").await)
}

fn server(change: impl FnOnce(&mut McpServer)) -> impl FnOnce(&mut World) {
    |world| {
        let server = &mut world.servers[0];
        server.resource = None;
        change(server);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_probe_goes_over_the_wire() {
    let mut seen = kinds(&Scene::of(&[], &[]).await.scan().await);
    // An open server with sessions and lists, next to the old transport.
    let mut listed = Target::of(URL);
    listed.listing = Some(Listing {
        siblings: vec![format!("https://{SERVER}/sse")],
        ..Listing::default()
    });
    seen.extend(
        changed(
            Depth::Standard,
            listed,
            server(|server| {
                server.guard = Guard::Open;
                server.prm = None;
                server.speaks = Speaks {
                    modern: true,
                    legacy: true,
                    sessions: true,
                };
            }),
        )
        .await,
    );
    // Any token will do, in the legacy era only.
    seen.extend(
        changed(
            Depth::Standard,
            Target::of(URL),
            server(|server| {
                server.guard = Guard::AnyBearer(Challenge::good());
                server.speaks.modern = false;
            }),
        )
        .await,
    );
    // The resource names a sibling host, and has a key set of its own.
    seen.extend(
        changed(
            Depth::Standard,
            Target::of(URL),
            server(|server| {
                server.prm = Some(Prm {
                    at_path: true,
                    at_root: false,
                    document: json!({
                        "resource": format!("https://www.{SERVER}/mcp"),
                        "authorization_servers": [format!("https://{ISSUER}")],
                        "jwks_uri": format!("https://{SERVER}/keys"),
                    }),
                });
            }),
        )
        .await,
    );
    // No metadata at all.
    seen.extend(
        changed(Depth::Consented, Target::of(URL), |world| {
            server(|server| {
                server.guard = Guard::Bearer(Challenge::bare());
                server.prm = None;
            })(world);
        })
        .await,
    );
    // The authorization server lives on the endpoint's own host.
    let own = AuthorizationServer::compliant(SERVER);
    let document = own.oauth.clone().expect("a document");
    seen.extend(
        changed(Depth::Standard, Target::of(URL), move |world| {
            server(|_| ())(world);
            world.edits.push(Edit::new(move |asked, reply| {
                if asked.host == SERVER && asked.path == "/.well-known/oauth-authorization-server" {
                    reply.status = 200;
                    reply.headers = vec![("content-type", "application/json".into())];
                    reply.body = document.to_string();
                }
            }));
        })
        .await,
    );
    // A revision that we do not know, an open handshake of 2025-03-26, and a file at its old
    // place.
    seen.extend(
        changed(Depth::Consented, Target::of(URL), |world| {
            server(|server| {
                server.guard = Guard::Bearer(Challenge::bare());
                server.prm = None;
            })(world);
            world.edits.push(Edit::new(|asked, reply| {
                let body: serde_json::Value = serde_json::from_str(&asked.body).unwrap_or_default();
                let answer = |reply: &mut Reply, status, member: &str, value| {
                    reply.status = status;
                    reply.headers = vec![("content-type", "application/json".into())];
                    reply.body =
                        json!({ "jsonrpc": "2.0", "id": body["id"], member: value }).to_string();
                };
                if body["method"] == "server/discover" {
                    let data = json!({ "supported": ["2026-12-01"] });
                    let error = json!({ "code": -32022, "message": "unsupported", "data": data });
                    answer(reply, 400, "error", error);
                } else if body["method"] == "initialize" {
                    let result = json!({
                        "protocolVersion": "2025-03-26", "capabilities": { "tools": {} },
                        "serverInfo": { "name": "Notes", "version": "1" },
                    });
                    answer(reply, 200, "result", result);
                } else if asked.path == "/.well-known/security.txt" {
                    reply.status = 404;
                }
            }));
        })
        .await,
    );
    let fleet = scanner::fleet::Fleet::start(demo::world())
        .await
        .expect("it starts");
    let scene = Scene::of(&[], &[]).await;
    for (url, _) in fleet.targets() {
        let mut settings = scene.settings();
        settings.limits.depth = Depth::Standard;
        let reaching = loopback::reaching(&fleet);
        settings.extra_roots = reaching.extra_roots;
        settings.connect_to = reaching.connect_to;
        let scanner = NetScanner::new(settings).await.expect("a scanner");
        seen.extend(kinds(&scanner.scan(&Target::of(url), "scn_kinds").await));
    }
    let missing: Vec<String> = declared().difference(&seen).cloned().collect();
    assert_eq!(missing, [] as [String; 0]);
}
