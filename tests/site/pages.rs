//! Pages: they are there, they hold together, they are light, and strangers' text stays text.

mod identity;
mod strangers;

use std::collections::{BTreeSet, VecDeque};

use axum::body::Body;
use axum::http::StatusCode;
use site::SiteSettings;

use crate::sample;
use crate::web::{self, Web, ask, attributes, settings, tags};

async fn filled() -> Web {
    let (store, now) = web::filled().await;
    Web::new(store, now.plus(sample::DAY), settings())
}

async fn empty() -> Web {
    Web::new(sample::empty().await, sample::START, settings())
}

const FIXED: [&str; 15] = [
    "/",
    "/servers",
    "/changes",
    "/checks",
    "/as",
    "/as/unrecognised",
    "/stats",
    "/radar",
    "/methodology",
    "/policy",
    "/docs/api",
    "/meter",
    "/opt-out",
    "/submit",
    "/_components",
];

#[tokio::test]
async fn an_empty_installation_shows_the_three_steps_and_no_dead_ends() {
    let web = empty().await;
    let home = web.page("/").await;
    assert!(home.contains("Three steps to the first grade"));
    assert!(!home.contains("Servers watched"));
    for path in FIXED {
        sound(path, &web.page(path).await);
    }
    assert!(web.page("/servers").await.contains("No server matches"));
    assert!(web.page("/changes").await.contains("Quiet so far"));
}

/// Walks every link, form and image from the home page on, and holds each page against the
/// rules that all pages share.
#[tokio::test]
async fn every_page_is_sound_and_every_link_leads_somewhere() {
    let web = filled().await;
    let mut queue: VecDeque<String> = FIXED.map(str::to_owned).into();
    let mut seen: BTreeSet<String> = queue.iter().cloned().collect();
    let mut kinds: BTreeSet<String> = BTreeSet::new();
    while let Some(path) = queue.pop_front() {
        let got = web.get(&path).await;
        if got.status == StatusCode::SEE_OTHER {
            continue;
        }
        assert_eq!(got.status, StatusCode::OK, "{path}");
        assert_eq!(got.header("x-content-type-options"), "nosniff", "{path}");
        if !got.header("content-type").starts_with("text/html") {
            continue;
        }
        let html = got.text();
        sound(&path, &html);
        assert!(
            got.header("content-security-policy").starts_with(
                "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'"
            ),
            "{path}"
        );
        let bare = path.split(['?', '#']).next().unwrap_or_default();
        kinds.insert(bare.split('/').nth(1).unwrap_or_default().to_owned());
        let links = attributes(&html, "href").into_iter();
        for link in links.chain(attributes(&html, "src")) {
            if let Some(anchor) = link.strip_prefix('#') {
                let there = html.contains(&format!("id=\"{anchor}\""));
                assert!(there, "{path} links to #{anchor}, which is not on it");
            } else if link.starts_with('/') {
                let page = link.split('#').next().unwrap_or_default().to_owned();
                // One variant of each list is enough; all servers, scans and checks are walked.
                let variant = page.contains('?') && seen.len() > 400;
                if !variant && seen.insert(page.clone()) {
                    queue.push_back(page);
                }
            }
        }
    }
    for kind in [
        "servers", "scans", "compare", "checks", "changes", "submit", "as", "issuers",
    ] {
        assert!(kinds.contains(kind), "no page of /{kind} was reached");
    }
    assert!(
        seen.len() > 200,
        "only {} addresses were walked",
        seen.len()
    );
}

/// What holds for every page.
fn sound(path: &str, html: &str) {
    balanced(path, html);
    for forbidden in ["<script", "<style", "style=\"", " onclick", "javascript:"] {
        let hostile = html.contains(forbidden) && !html.contains("Text of strangers");
        assert!(!hostile, "{path} holds {forbidden}");
    }
    assert_eq!(html.matches("<h1").count(), 1, "{path}: one first heading");
    assert!(
        html.contains("<main id=\"main\""),
        "{path}: a landmark to skip to"
    );
    assert!(html.contains("lang=\"en\""), "{path}");
    let ids = attributes(html, "id");
    let unique: BTreeSet<&String> = ids.iter().collect();
    assert_eq!(ids.len(), unique.len(), "{path}: an id is used twice");
    let labelled: BTreeSet<String> = attributes(html, "for").into_iter().collect();
    let mut depth = 1;
    for (name, closes, attributes) in tags(html) {
        if closes {
            continue;
        }
        match name.as_str() {
            "input" | "select" if !attributes.contains("type=\"hidden\"") => {
                let id = attributes
                    .split("id=\"")
                    .nth(1)
                    .and_then(|rest| rest.split('"').next());
                let id = id.unwrap_or_else(|| panic!("{path}: {name} without id"));
                assert!(labelled.contains(id), "{path}: nothing labels #{id}");
            }
            "img" => assert!(attributes.contains("alt="), "{path}: an image without alt"),
            "th" => assert!(attributes.contains("scope="), "{path}: th without scope"),
            "h1" | "h2" | "h3" => {
                let level = name[1..].parse().unwrap_or(9);
                assert!(level <= depth + 1, "{path}: {name} after h{depth}");
                depth = level;
            }
            "svg" => {
                let named =
                    attributes.contains("aria-hidden") || attributes.contains("role=\"img\"");
                assert!(named, "{path}: an svg that says nothing");
            }
            _ => {}
        }
    }
    let tables = html.matches("<table").count();
    assert_eq!(
        tables,
        html.matches("<caption").count(),
        "{path}: tables have captions"
    );
}

/// Every tag that opens closes, in order.
fn balanced(path: &str, html: &str) {
    const VOID: [&str; 7] = ["meta", "link", "input", "br", "img", "hr", "wbr"];
    let mut open: Vec<String> = Vec::new();
    for (name, closes, attributes) in tags(html) {
        if closes {
            let last = open.pop();
            assert_eq!(
                last.as_deref(),
                Some(name.as_str()),
                "{path}: </{name}>, open: {open:?}"
            );
        } else if !VOID.contains(&name.as_str()) && !attributes.ends_with('/') {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{path}: still open: {open:?}");
}

#[tokio::test]
async fn pages_are_light() {
    let web = filled().await;
    let mut pages: Vec<String> = FIXED.map(str::to_owned).into();
    let list = web.page("/servers").await;
    for link in attributes(&list, "href") {
        if link.starts_with("/servers/srv_") {
            let server = web.page(&link).await;
            let more = attributes(&server, "href");
            pages.extend(
                more.into_iter()
                    .filter(|l| l.starts_with("/scans/") || l.starts_with("/compare/"))
                    .map(|l| l.split('#').next().unwrap_or_default().to_owned())
                    .collect::<BTreeSet<String>>(),
            );
            pages.push(link);
        }
    }
    let home = web.page("/").await;
    let sheet = attributes(&home, "href")
        .into_iter()
        .find(|link| link.ends_with(".css"))
        .expect("a style sheet");
    let sheet = web.get_with(&sheet, "accept-encoding", "gzip").await;
    assert_eq!(sheet.header("content-encoding"), "gzip");
    assert!(sheet.header("cache-control").contains("immutable"));
    assert!(
        sheet.body.len() <= 12 * 1024,
        "the style sheet: {}",
        sheet.body.len()
    );
    for page in pages {
        let got = web.get_with(&page, "accept-encoding", "gzip").await;
        let weight = got.body.len() + sheet.body.len();
        let most = if page == "/" { 30 } else { 50 } * 1024;
        assert!(weight <= most, "{page} weighs {weight}");
    }
}

#[tokio::test]
async fn the_server_page_says_why_and_where_it_breaks() {
    let web = filled().await;
    let found = web.get("/lookup?url=crm.demo.example/mcp").await;
    assert_eq!(found.status, StatusCode::SEE_OTHER);
    let page = web.page(found.header("location")).await;
    assert!(page.contains("aria-label=\"Grade D: weak\""));
    assert!(page.contains("Clients that follow the rules must refuse this server."));
    assert_eq!(page.matches("Breaks here first").count(), 1);
    assert!(page.contains("For the authorization server"));
    assert!(page.contains("Who would connect"));
    assert!(page.contains("stops at issuer"));
    assert!(page.contains("href=\"/methodology#strict-2026-07-28\""));
    assert!(page.contains("They add up: 100 − "));
    assert!(page.contains("2025-03-26"));
    // What the page says is what the row says.
    assert!(page.contains("Held at D by"));

    let open = web
        .get("/lookup?url=https://dictionary.demo.example/mcp")
        .await;
    let open = web.page(open.header("location")).await;
    assert!(open.contains("Badge O: open"));
    assert!(open.contains("Authorization is optional in MCP"));
    assert!(
        !open.contains("The way to a token"),
        "nobody needs a token there"
    );

    let broken = web
        .get("/lookup?url=https://printer.demo.example/mcp")
        .await;
    let broken = web.page(broken.header("location")).await;
    assert!(broken.contains("What came back"));
}

#[tokio::test]
async fn looking_up_leads_to_the_page_the_list_or_the_form() {
    let web = filled().await;
    let to = async |path: &str| web.get(path).await.header("location").to_owned();
    assert!(
        to("/lookup?url=https://NOTES.demo.example/mcp")
            .await
            .starts_with("/servers/srv_")
    );
    assert_eq!(to("/lookup?url=notes").await, "/servers?q=notes");
    assert_eq!(
        to("/lookup?url=notes.demo.example").await,
        "/servers?q=notes.demo.example"
    );
    assert_eq!(
        to("/lookup?url=https://new.example.com/mcp").await,
        "/submit?url=https%3A%2F%2Fnew.example.com%2Fmcp"
    );
    let refused = web.get("/lookup?url=https://127.0.0.1/mcp").await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text().contains("not_public"));
}

#[tokio::test]
async fn a_wish_from_the_form_makes_the_server_due() {
    let web = filled().await;
    let form = |origin: &str| {
        ask("POST", "/submit")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("origin", origin.to_owned())
            .body(Body::from("url=https%3A%2F%2Fnew.example.com%2Fmcp"))
            .expect("a request")
    };
    let foreign = web.send(form("https://elsewhere.example")).await;
    assert_eq!(foreign.status, StatusCode::FORBIDDEN);
    let unknown = web
        .store
        .server_by_url("https://new.example.com/mcp")
        .await
        .unwrap();
    assert!(unknown.is_none(), "a foreign form changed something");

    let own = web.send(form("https://authdex.example")).await;
    assert_eq!(own.status, StatusCode::SEE_OTHER);
    assert!(own.header("location").ends_with("?note=asked"));
    let page = web.page(own.header("location")).await;
    assert!(page.contains("A scan is asked for"));
    assert!(page.contains("waits for its first scan"));
    let row = web
        .store
        .server_by_url("https://new.example.com/mcp")
        .await
        .unwrap();
    assert_eq!(row.expect("added").sources, ["submission"]);
}

#[tokio::test]
async fn errors_are_pages_with_a_sentence_and_an_id() {
    let web = filled().await;
    for (path, status, says) in [
        ("/nothing", 404, "There is nothing at this address."),
        (
            "/servers/srv_00000000000000000000000000",
            404,
            "There is no server with this id.",
        ),
        ("/servers/x", 404, "There is no server with this id."),
        (
            "/scans/scn_00000000000000000000000000",
            404,
            "There is no scan with this id.",
        ),
        ("/checks/none", 404, "There is no check with this id"),
        ("/servers?letter=Z", 400, "letter is one of"),
        ("/servers?cursor=nonsense", 400, "cursor"),
        ("/compare/abc", 400, "three dots"),
    ] {
        let got = web.get(path).await;
        assert_eq!(got.status.as_u16(), status, "{path}");
        let text = got.text();
        assert!(text.contains(says), "{path}: {text}");
        let id = got.header("request-id").to_owned();
        assert!(id.starts_with("req_") && text.contains(&id), "{path}");
        sound(path, &text);
    }
    let one = web.get("/nothing").await;
    let two = web.get("/nothing").await;
    assert_ne!(one.header("request-id"), two.header("request-id"));
}

#[tokio::test]
async fn what_is_known_is_not_sent_twice() {
    let web = filled().await;
    for path in ["/", "/servers", "/checks", "/servers.json", "/api/v1/stats"] {
        let first = web.get(path).await;
        let tag = first.header("etag").to_owned();
        assert!(tag.starts_with('"'), "{path}: a strong tag");
        assert_eq!(
            web.get(path).await.body,
            first.body,
            "{path}: equal tags, equal bytes"
        );
        let again = web.get_with(path, "if-none-match", &tag).await;
        assert_eq!(again.status, StatusCode::NOT_MODIFIED, "{path}");
        assert!(again.body.is_empty());
        let other = web.get_with(path, "if-none-match", "\"other\"").await;
        assert_eq!(other.status, StatusCode::OK);
        // Another state of the data is another answer.
        web.clock.advance(60_000);
        let later = web.get_with(path, "if-none-match", &tag).await;
        assert_eq!(later.status, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn what_was_written_is_kept_until_the_data_change() {
    let (kept, now) = web::filled().await;
    let patient = SiteSettings {
        data_version_ms: 1_000_000,
        ..settings()
    };
    let web = Web::new(kept, now.plus(sample::DAY), patient);
    let first = web.get_with("/servers", "accept-encoding", "gzip").await;
    let plain = web.get("/servers").await;
    assert_ne!(first.body, plain.body, "the two forms are kept apart");
    let again = web.get_with("/servers", "accept-encoding", "gzip").await;
    assert_eq!(again.body, first.body);
    assert_eq!(again.header("content-encoding"), "gzip");
    assert_eq!(again.header("etag"), first.header("etag"));
    assert_ne!(again.header("request-id"), first.header("request-id"));

    // Filed behind its back: shown once the version is read again, here after a wish.
    let world = scanner::fleet::demo::world();
    let mut target = sample::targets(&world).remove(0);
    target.url = "https://fresh.demo.example/mcp".into();
    sample::pass(&web.store, &world, &[target], now.plus(sample::DAY)).await;
    assert_eq!(web.get("/servers").await.body, plain.body);
    web.post_json(
        "/api/v1/scans",
        r#"{"url":"https://notes.demo.example/mcp"}"#,
    )
    .await;
    assert!(web.page("/servers").await.contains("fresh.demo.example"));
}

#[tokio::test]
async fn the_appearance_follows_the_system_or_the_reader() {
    let web = filled().await;
    assert!(!web.page("/").await.contains("data-theme"));
    assert!(
        web.page("/?theme=dark")
            .await
            .contains("<html lang=\"en\" data-theme=\"dark\">")
    );
    assert!(
        web.page("/?theme=light")
            .await
            .contains("data-theme=\"light\"")
    );
    assert!(!web.page("/?theme=%22%3E").await.contains("data-theme"));
}

#[tokio::test]
async fn badges_are_small_and_say_what_they_show() {
    let web = filled().await;
    let list = web.page("/servers").await;
    let ids: BTreeSet<String> = attributes(&list, "href")
        .into_iter()
        .filter_map(|link| Some(link.strip_prefix("/servers/")?.to_owned()))
        .filter(|id| id.starts_with("srv_"))
        .collect();
    for id in ids {
        let got = web.get(&format!("/badges/{id}.svg")).await;
        assert_eq!(got.status, StatusCode::OK);
        assert_eq!(got.header("content-type"), "image/svg+xml");
        assert!(
            got.header("content-security-policy")
                .starts_with("default-src 'none'")
        );
        assert!(got.body.len() <= 2048);
        let svg = got.text();
        assert!(
            svg.contains("<title>MCP auth: ") && !svg.contains("href"),
            "{svg}"
        );
        let json = web.get(&format!("/badges/{id}.json")).await.json();
        assert_eq!(json["schemaVersion"], 1);
    }
}

#[tokio::test]
async fn small_files_are_there() {
    let web = filled().await;
    assert_eq!(web.page("/healthz").await, "ok\n");
    assert_eq!(web.page("/readyz").await, "ready\n");
    assert!(web.page("/robots.txt").await.contains("Disallow: /api/"));
    let security = web.page("/.well-known/security.txt").await;
    assert!(security.starts_with("Contact: mailto:") && security.contains("Expires: "));
    assert!(web.page("/favicon.svg").await.starts_with("<svg"));
    let silent = SiteSettings {
        contact: None,
        ..settings()
    };
    let silent = Web::new(web.store.clone(), sample::START, silent);
    let got = silent.get("/.well-known/security.txt").await;
    assert_eq!(got.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_permalink_shows_exchanges_without_addresses() {
    let web = filled().await;
    let list = web.get("/api/v1/servers?q=payments").await.json();
    let scan = list["data"][0]["scan"]
        .as_str()
        .expect("scanned")
        .to_owned();
    let page = web.page(&format!("/scans/{scan}")).await;
    assert!(page.contains("This page does not change."));
    assert!(page.contains("curl -sS -i -X POST"));
    assert!(!page.contains("203.0.113.7"), "an address that answered");
    assert!(page.contains("id=\"x0\""));
}

/// Handlers have no client: the site's own part names none.
#[test]
fn handlers_have_no_client() {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    for part in ["pages", "api", "api/v1", "view", "."] {
        for entry in std::fs::read_dir(format!("{source}/{part}")).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            let ours = part != "."
                || ["routes.rs", "layers.rs", "wish.rs", "compare.rs", "twin.rs"].contains(&name);
            if !ours || !name.ends_with(".rs") {
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("text");
            for client in [
                "scanner::net",
                "NetScanner",
                "reqwest",
                "TcpStream",
                "hyper::client",
            ] {
                assert!(!text.contains(client), "{} names {client}", path.display());
            }
        }
    }
}
