//! Text of strangers on pages: shown, never trusted.

use crate::sample;
use crate::web::{Web, attributes, settings};
use scanner::fleet::world::World;
use scanner::target::Target;
use std::collections::BTreeSet;

use super::{FIXED, balanced};

/// A world in which everything a stranger can write is an attack.
fn hostile(world: &mut World) {
    let evil = "</title><script>alert(1)</script><img src=x onerror=alert(1)>\u{202e}\u{0}'\"&";
    for server in &mut world.servers {
        server.name = evil.into();
        if let Some(prm) = &mut server.prm {
            prm.document["resource_name"] = evil.into();
            prm.document["resource"] = "javascript:alert(1)".into();
            prm.document["resource_documentation"] = format!("javascript:{evil}").into();
            prm.document[evil] = evil.into();
            prm.document["authorization_servers"] = serde_json::json!([
                format!("https://id.demo.example/{evil}"),
                evil,
                prm.document["authorization_servers"][0].clone(),
            ]);
        }
    }
    for server in &mut world.authorization_servers {
        if let Some(document) = &mut server.oauth {
            document["issuer"] = evil.into();
            document["scopes_supported"] = serde_json::json!([evil]);
        }
    }
}

#[tokio::test]
async fn text_of_strangers_stays_text_on_every_page() {
    let store = sample::empty().await;
    let mut world = scanner::fleet::demo::world();
    let mut targets = sample::targets(&world);
    hostile(&mut world);
    for (target, server) in targets.iter_mut().zip(&world.servers) {
        *target = Target {
            listing: target.listing.clone().map(|mut listing| {
                listing.name = Some(server.name.clone());
                listing
            }),
            ..target.clone()
        };
    }
    sample::pass(
        &store,
        &scanner::fleet::demo::world(),
        &targets,
        sample::START,
    )
    .await;
    sample::pass(&store, &world, &targets, sample::START.plus(sample::DAY)).await;
    let web = Web::new(store, sample::START.plus(2 * sample::DAY), settings());
    let feed = web.page("/feeds/changes.atom").await;
    let read = roxmltree::Document::parse(&feed).expect("well formed");
    assert!(!read.descendants().any(|node| node.has_tag_name("script")));
    let mut paths: BTreeSet<String> = FIXED.map(str::to_owned).into();
    paths.insert("/servers?q=%3Cscript%3Ealert(1)%3C/script%3E%E2%80%AE".into());
    paths.insert("/submit?url=%3Cscript%3Ealert(1)%3C/script%3E".into());
    paths.insert("/servers/%3Cscript%3E".into());
    paths.insert("/compare/%3Cscript%3E...%3Cscript%3E".into());
    paths.insert("/servers?issuer=%3Cscript%3E%E2%80%AE&product=unrecognised".into());
    for start in ["/servers", "/changes", "/as/unrecognised"] {
        for link in attributes(&web.page(start).await, "href") {
            if ["/servers/srv_", "/scans/", "/compare/", "/issuers/"]
                .iter()
                .any(|p| link.starts_with(p))
            {
                paths.insert(link);
            }
        }
    }
    let mut shown = 0;
    for path in paths {
        if path == "/_components" {
            continue;
        }
        let got = web.get(&path).await;
        let html = got.text();
        balanced(&path, &html);
        assert!(!html.contains("<script"), "{path}: a script");
        assert!(!html.contains("<img src=x"), "{path}: an image");
        assert!(
            !html.contains('\u{202e}') && !html.contains('\u{0}'),
            "{path}: hidden characters"
        );
        for link in attributes(&html, "href") {
            let good = ["/", "#", "?", "https://", "mailto:"];
            assert!(
                good.iter().any(|start| link.starts_with(start)),
                "{path}: {link}"
            );
        }
        shown += usize::from(html.contains("&#60;script&#62;"));
    }
    assert!(
        shown > 10,
        "the hostile text was shown on {shown} pages only"
    );
}

/// No template may switch escaping off.
#[test]
fn no_template_trusts_anybody() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../web/templates");
    let mut folders = vec![std::path::PathBuf::from(folder)];
    let mut read = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            read += 1;
            let text = std::fs::read_to_string(&path).expect("text");
            for filter in [
                "|safe",
                "| safe",
                "escape none",
                "{% filter",
                "<script",
                " style=",
            ] {
                assert!(!text.contains(filter), "{} holds {filter}", path.display());
            }
        }
    }
    assert!(read > 15);
}
