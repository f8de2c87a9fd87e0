//! Worlds for the checks of this area, and what each check must say there.

mod capabilities;
mod location;

use serde_json::{Value, json};

use super::super::testkit::{
    ASM_URL, Case, ENDPOINT, Expect, ISSUER, PRM_URL, World, asm, challenge, changed,
    good_challenge, is_endpoint, judged, jwks, prm, response, status, text,
};
use crate::check::Unmet;
use crate::evidence::Failure;
use crate::spec::Revision;

pub(super) const OIDC_URL: &str = "https://id.example.com/.well-known/openid-configuration";
const ORIGIN_URL: &str = "https://mcp.example.com/.well-known/oauth-authorization-server";
const SECOND: &str = "https://auth.example.org/t1";
const SECOND_URL: &str = "https://auth.example.org/.well-known/oauth-authorization-server/t1";
const SECOND_OIDC: &str = "https://auth.example.org/t1/.well-known/openid-configuration";
pub(super) const OLD: Revision = Revision::V2025_03_26;
pub(super) const JUNE: Revision = Revision::V2025_06_18;
pub(super) const NOVEMBER: Revision = Revision::V2025_11_25;

pub(super) const BLOCKED: Expect = Expect::Blocked("asm-discoverable");

/// Sets a member of the authorization-server metadata.
pub(super) fn with(name: &'static str, value: Value) -> World {
    changed(|world| {
        world.asm(move |asm| asm[name] = value.clone());
    })
}

pub(super) fn without(name: &'static str) -> World {
    changed(|world| {
        world.asm(move |asm| {
            asm.as_object_mut().unwrap().remove(name);
        });
    })
}

pub(super) fn with_issuer(issuer: &'static str) -> World {
    with("issuer", json!(issuer))
}

fn at_issuer(answer: impl Fn() -> Result<crate::evidence::Response, Failure>) -> World {
    let answer = answer();
    changed(move |world| {
        world.on(
            |ask| ask.url.starts_with("https://id.example.com/.well-known/"),
            answer,
        );
    })
}

fn no_document() -> World {
    at_issuer(|| status(404))
}

pub(super) fn unreachable_issuer() -> World {
    at_issuer(|| Err(Failure::Refused))
}

/// Only the OpenID configuration exists; the OAuth URL answers as given.
pub(super) fn oidc_only(answer: Result<crate::evidence::Response, Failure>) -> World {
    changed(move |world| {
        world
            .document(OIDC_URL, asm())
            .on(|ask| ask.url == ASM_URL, answer);
    })
}

/// Both documents, the second one changed.
pub(super) fn both(change: impl Fn(&mut Value) + 'static) -> World {
    changed(move |world| {
        world.document(OIDC_URL, asm()).edit_json(OIDC_URL, change);
    })
}

fn second_asm() -> Value {
    let mut document = asm();
    for (name, path) in [
        ("issuer", ""),
        ("authorization_endpoint", "/authorize"),
        ("token_endpoint", "/token"),
    ] {
        document[name] = json!(format!("{SECOND}{path}"));
    }
    document["jwks_uri"] = json!("https://id.example.com/jwks");
    document
}

/// Two authorization servers are listed; the second one's document is changed.
pub(super) fn two(change: impl Fn(&mut Value) + 'static) -> World {
    changed(move |world| {
        world
            .prm(|prm| prm["authorization_servers"] = json!([ISSUER, SECOND]))
            .document(SECOND_URL, second_asm())
            .edit_json(SECOND_URL, change);
    })
}

/// The layout of 2025-03-26: no protected-resource metadata, the origin is the issuer.
fn legacy(issuer: &'static str) -> World {
    changed(move |world| {
        let mut document = asm();
        document["issuer"] = json!(issuer);
        document["authorization_endpoint"] = json!("https://mcp.example.com/authorize");
        document["token_endpoint"] = json!("https://mcp.example.com/token");
        world
            .challenge(Some("Bearer"))
            .on(|ask| ask.url == PRM_URL, status(404))
            .document(ORIGIN_URL, document);
    })
}

/// Protected, but with no metadata of any kind.
fn bare() -> World {
    changed(|world| {
        world
            .challenge(Some("Bearer scope=\"mcp\""))
            .on(|ask| ask.url == PRM_URL, status(404));
    })
}

/// An issuer whose token endpoint is under another domain by design.
pub(super) fn google() -> World {
    let issuer = "https://accounts.google.com";
    let mut document = asm();
    for (name, value) in [
        ("issuer", issuer),
        (
            "authorization_endpoint",
            "https://accounts.google.com/o/oauth2/v2/auth",
        ),
        ("token_endpoint", "https://oauth2.googleapis.com/token"),
        (
            "registration_endpoint",
            "https://accounts.google.com/register",
        ),
        ("jwks_uri", "https://www.googleapis.com/oauth2/v3/certs"),
    ] {
        document[name] = json!(value);
    }
    changed(move |world| {
        world
            .prm(move |prm| prm["authorization_servers"] = json!([issuer]))
            .document(
                "https://accounts.google.com/.well-known/openid-configuration",
                document,
            );
    })
}

/// A server and its authorization server on one machine, over plain http.
pub(super) fn loopback(allow: bool) -> World {
    let mut world = World::empty();
    let issuer = "http://localhost:21001";
    let mut document = asm();
    for (name, path) in [
        ("issuer", ""),
        ("authorization_endpoint", "/authorize"),
        ("token_endpoint", "/token"),
        ("jwks_uri", "/jwks"),
        ("registration_endpoint", "/register"),
    ] {
        document[name] = json!(format!("{issuer}{path}"));
    }
    let mut resource = prm();
    resource["resource"] = json!("http://localhost:21000/mcp");
    resource["authorization_servers"] = json!([issuer]);
    let header = "http://localhost:21000/.well-known/oauth-protected-resource/mcp";
    world
        .on(|_| true, status(404))
        .on(
            |ask| ask.url.starts_with("http://localhost:21000/mcp"),
            challenge(&format!("Bearer resource_metadata=\"{header}\"")),
        )
        .document(header, resource)
        .document(
            "http://localhost:21001/.well-known/oauth-authorization-server",
            document,
        )
        .document("http://localhost:21001/jwks", jwks());
    world.target = crate::target::Target::of("http://localhost:21000/mcp");
    world.allow_private = allow;
    world
}

pub(super) fn block() -> Result<crate::evidence::Response, Failure> {
    response(403, &[("cf-mitigated", "challenge")], "")
}

fn html() -> Result<crate::evidence::Response, Failure> {
    text(200, "text/html", "<!doctype html><title>App</title>")
}

fn doc_as(media: &'static str) -> World {
    changed(move |world| {
        world.edit(
            |ask| ask.url == ASM_URL,
            move |response| {
                for (name, value) in &mut response.headers {
                    if name == "content-type" {
                        *value = media.into();
                    }
                }
            },
        );
    })
}

pub(super) fn endpoint(name: &'static str, value: &'static str) -> World {
    with(name, json!(value))
}

pub(super) fn capabilities(extension: &'static str, grants: Value) -> World {
    changed(move |world| {
        world.speak(true, false).answer(move |ask| {
            // The handshake is open, the lists are not.
            let list = ask
                .body
                .as_deref()
                .is_some_and(|body| body.contains("/list"));
            (is_endpoint(ask) && list).then(|| challenge(&good_challenge(None)))
        });
        world.edit_json(ENDPOINT, move |body| {
            if let Some(capabilities) = body.pointer_mut("/result/capabilities") {
                capabilities["extensions"] = json!({ extension: {} });
            }
        });
        world.asm(move |asm| asm["grant_types_supported"] = grants.clone());
    })
}

/// All cases of this area.
pub(in crate::checks) const CASES: &[&[Case]] = &[location::CASES, capabilities::CASES];

/// The sentences name the server where there are several, and never print private addresses.
#[test]
fn sentences_say_where_and_keep_addresses() {
    let said = |world: &World, id: &str| match judged(id, Revision::HEADLINE, world) {
        Ok(crate::check::Verdict::Fail(fault) | crate::check::Verdict::Warn(fault)) => fault,
        other => panic!("{id}: {other:?}"),
    };
    let fault = said(
        &two(|document| document["issuer"] = json!("https://auth.example.org/t2")),
        "asm-issuer-identical",
    );
    assert!(fault.said.starts_with("At `https://auth.example.org/t1`: "));
    assert_eq!(fault.relation, Some("sibling"));
    let fault = said(&google(), "asm-rfc8414-location");
    assert!(
        fault
            .said
            .ends_with("publishes only an OpenID configuration."),
        "{}",
        fault.said
    );
    let fault = said(
        &endpoint("token_endpoint", "https://10.1.2.3/token"),
        "asm-endpoints-https",
    );
    assert!(!fault.said.contains("10.1.2.3"), "{}", fault.said);
    assert_eq!(fault.at[0].at, "body:/token_endpoint");
}

/// A failed issuer syntax blocks the comparison and nothing else.
#[test]
fn a_bad_issuer_blocks_only_the_comparison() {
    let world = with_issuer("http://elsewhere.example");
    let said = |id| judged(id, Revision::HEADLINE, &world);
    assert_eq!(
        said("asm-issuer-identical"),
        Err(Unmet::Blocked("asm-issuer-syntax"))
    );
    assert!(said("pkce-s256").is_ok());
}
