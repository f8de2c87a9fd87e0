//! The fleet of `authdex demo`: one server for each typical situation, and what changes
//! between the two passes.

use serde_json::json;

use super::world::{
    AuthorizationServer, Challenge, Guard, McpServer, Prm, Speaks, World, destructive_tools,
};

/// Domain of every name in the demo; reserved, so that nobody can own it.
pub const DOMAIN: &str = "demo.example";

fn host(name: &str) -> String {
    format!("{name}.{DOMAIN}")
}

/// Fourteen MCP servers and four authorization servers under invented names.
#[must_use]
pub fn world() -> World {
    let id = format!("https://{}", host("id"));
    let plain = format!("https://{}", host("login"));
    let slash = format!("https://{}", host("slash-id"));
    let compliant =
        |name: &str, title: &str, issuer: &str| McpServer::compliant(&host(name), title, issuer);

    let servers = vec![
        compliant("notes", "Notes: by the book, until its address moves", &id),
        compliant(
            "calendar",
            "Calendar: its identity server learns PKCE",
            &plain,
        ),
        compliant("mail", "Mail: same identity server as Calendar", &plain),
        compliant("files", "Files: issuer differs by a slash", &slash),
        compliant(
            "crm",
            "CRM: metadata names a foreign issuer",
            &format!("https://{}", host("mixed-id")),
        ),
        McpServer {
            prm: None,
            guard: Guard::Bearer(Challenge {
                pointer: false,
                scope: true,
                always_error: true,
            }),
            ..compliant("wiki", "Wiki: publishes its metadata late", &id)
        },
        McpServer {
            guard: Guard::Login,
            prm: None,
            ..compliant(
                "intranet",
                "Intranet: sends programs to a sign-in page",
                &id,
            )
        },
        McpServer {
            guard: Guard::AnyBearer(Challenge::good()),
            ..compliant("payments", "Payments: takes any token", &id)
        },
        McpServer {
            guard: Guard::ApiKey,
            prm: None,
            ..compliant("weather", "Weather: an API key", &id)
        },
        McpServer::open(&host("dictionary"), "Dictionary: open, read only"),
        McpServer {
            tools: destructive_tools(),
            ..McpServer::open(&host("database"), "Database: open, and it executes SQL")
        },
        McpServer {
            guard: Guard::Lazy(Challenge::good()),
            speaks: Speaks {
                modern: false,
                legacy: true,
                sessions: true,
            },
            ..compliant(
                "library",
                "Library: lists are open, calls need a token",
                &id,
            )
        },
        McpServer {
            guard: Guard::Sse,
            path: "/sse".into(),
            prm: None,
            ..McpServer::open(&host("archive"), "Archive: the transport of 2024")
        },
        McpServer {
            guard: Guard::Interstitial,
            prm: None,
            ..McpServer::open(&host("shop"), "Shop: a challenge page answers")
        },
        McpServer {
            guard: Guard::Failing,
            prm: None,
            ..McpServer::open(&host("printer"), "Printer: broken")
        },
    ];

    let authorization_servers = vec![
        AuthorizationServer::compliant(&host("id")),
        AuthorizationServer::compliant(&host("login")).with(|asm| {
            if let Some(members) = asm.as_object_mut() {
                members.remove("code_challenge_methods_supported");
                members.remove("client_id_metadata_document_supported");
                members.insert(
                    "registration_endpoint".into(),
                    json!("https://login.demo.example/register"),
                );
            }
        }),
        AuthorizationServer::compliant(&host("slash-id"))
            .with(|asm| asm["issuer"] = json!("https://slash-id.demo.example/")),
        AuthorizationServer::compliant(&host("mixed-id"))
            .with(|asm| asm["issuer"] = json!("https://idp.elsewhere.example")),
    ];
    World {
        servers,
        authorization_servers,
        edits: Vec::new(),
    }
}

/// Between the passes: one server is repaired, one breaks, and an authorization server that
/// two servers use starts to announce PKCE.
pub fn change(world: &mut World) {
    if let Some(wiki) = world.server_mut(&host("wiki")) {
        wiki.guard = Guard::Bearer(Challenge::good());
        wiki.prm = Some(Prm {
            at_path: true,
            at_root: false,
            document: json!({
                "resource": "https://wiki.demo.example/mcp",
                "resource_name": "Wiki",
                "authorization_servers": ["https://id.demo.example"],
                "scopes_supported": ["mcp:use"],
            }),
        });
    }
    if let Some(notes) = world.server_mut(&host("notes"))
        && let Some(prm) = &mut notes.prm
    {
        prm.document["resource"] = json!("http://notes.internal:8000/mcp");
    }
    if let Some(login) = world.authorization_server_mut(&host("login"))
        && let Some(document) = &mut login.oauth
    {
        document["code_challenge_methods_supported"] = json!(["S256"]);
    }
}
