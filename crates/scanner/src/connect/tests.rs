//! Every profile over worlds that differ from the compliant one in one point.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::page::{habits, markdown};
use super::{outlook, profile};
use crate::checks::testkit::{
    ASM_URL, ENDPOINT, ISSUER, PRM_URL, World, asm, challenge, changed, document, is_endpoint, prm,
    response, status, text,
};
use crate::evidence::{Failure, Phase, Purpose, TlsFault};
use crate::facts::Facts;
use crate::report::{Connection, Reach, Step};
use crate::target::Target;

const ROOT_URL: &str = "https://mcp.example.com/.well-known/oauth-protected-resource";
const ORIGIN_URL: &str = "https://mcp.example.com/.well-known/oauth-authorization-server";
const OIDC_URL: &str = "https://id.example.com/.well-known/openid-configuration";

/// What a case is called, and its world.
type Named = (&'static str, fn() -> World);

const WORLDS: &[Named] = &[
    ("compliant", World::compliant),
    ("open", World::open),
    ("open, modern only", || spoken(true, false)),
    ("open, handshake only", || spoken(false, true)),
    ("lazy", World::lazy),
    ("the old transport behind a token", World::guarded_stream),
    ("nothing answers", World::empty),
    ("the name does not exist", || {
        let mut world = World::empty();
        let gone = Failure::Dns(crate::evidence::DnsFault::NoSuchName);
        world.on(|_| true, Err(gone));
        world
    }),
    ("plain http", || {
        let mut world = World::compliant();
        world.target = Target::of("http://mcp.example.com/mcp");
        world.on(
            |ask| ask.url.starts_with("http://mcp.example.com/mcp"),
            challenge("Bearer"),
        );
        world
    }),
    ("an expired certificate", || {
        changed(|w| {
            w.tls(|ask, seen| {
                if is_endpoint(ask)
                    && let Some(seen) = seen
                {
                    seen.fault = Some(TlsFault::Expired);
                }
            });
        })
    }),
    ("an expired certificate at the issuer", || {
        changed(|w| {
            w.tls(|ask, seen| {
                if ask.url.starts_with(ISSUER)
                    && let Some(seen) = seen
                {
                    seen.fault = Some(TlsFault::Expired);
                }
            });
        })
    }),
    ("redirected", || {
        changed(|w| {
            w.on(
                is_endpoint,
                response(307, &[("location", "https://other.example.net/mcp")], ""),
            );
        })
    }),
    ("an intermediary", || {
        changed(|w| {
            w.on(is_endpoint, response(429, &[], ""));
        })
    }),
    ("no MCP server", || {
        let mut world = World::empty();
        world.on(|_| true, status(404));
        world
    }),
    ("a sign-in page", || {
        let mut world = World::empty();
        world.on(|_| true, status(404)).on(
            is_endpoint,
            response(302, &[("location", "https://mcp.example.com/login")], ""),
        );
        world
    }),
    ("403 instead of 401", || {
        changed(|w| {
            w.edit(is_endpoint, |response| {
                if response.status == 401 {
                    response.status = 403;
                }
            });
        })
    }),
    ("a static key", || {
        let mut world = World::empty();
        world
            .on(|_| true, status(404))
            .on(is_endpoint, response(401, &[], "{\"error\":\"API key\"}"));
        world
    }),
    ("no pointer", || {
        changed(|w| {
            w.challenge(Some("Bearer"));
        })
    }),
    ("a pointer to nothing", || {
        changed(|w| {
            w.challenge(Some(
                "Bearer resource_metadata=\"https://mcp.example.com/nowhere\"",
            ));
        })
    }),
    ("metadata only by its pointer", || {
        changed(|w| {
            let url = "https://mcp.example.com/prm.json";
            w.on(|ask| ask.url == PRM_URL, status(404))
                .document(url, prm())
                .challenge(Some(
                    "Bearer resource_metadata=\"https://mcp.example.com/prm.json\"",
                ));
        })
    }),
    ("metadata only at the root, for the origin", || {
        changed(|w| {
            let mut document = prm();
            document["resource"] = json!("https://mcp.example.com");
            w.on(|ask| ask.url == PRM_URL, status(404))
                .document(ROOT_URL, document)
                .challenge(Some("Bearer"));
        })
    }),
    ("no resource metadata", || {
        changed(|w| {
            w.on(|ask| ask.url == PRM_URL, status(404))
                .challenge(Some("Bearer"));
        })
    }),
    ("no resource metadata, but metadata at the origin", || {
        changed(|w| {
            let mut document = asm();
            document["issuer"] = json!("https://mcp.example.com");
            w.on(|ask| ask.url == PRM_URL, status(404))
                .document(ORIGIN_URL, document)
                .challenge(Some("Bearer"));
        })
    }),
    ("metadata at the origin fails", || at_origin(|_| {}, 500)),
    ("metadata at the origin lists only plain", || {
        at_origin(
            |asm| asm["code_challenge_methods_supported"] = json!(["plain"]),
            200,
        )
    }),
    ("metadata at the origin without registration", || {
        at_origin(
            |asm| {
                asm.as_object_mut()
                    .expect("an object")
                    .remove("registration_endpoint");
            },
            200,
        )
    }),
    ("metadata at the origin without codes", || {
        at_origin(
            |asm| asm["response_types_supported"] = json!(["token"]),
            200,
        )
    }),
    ("metadata at the origin with another issuer", || {
        at_origin(|asm| asm["issuer"] = json!("https://idp.example.net"), 200)
    }),
    ("resource metadata fails", || {
        changed(|w| {
            w.on(|ask| ask.url == PRM_URL, status(500));
        })
    }),
    ("resource metadata is a page", || {
        changed(|w| {
            w.on(
                |ask| ask.url == PRM_URL,
                text(200, "text/html", "<p>Hello</p>"),
            );
        })
    }),
    ("resource metadata is slow", || {
        changed(|w| {
            w.on(
                |ask| ask.url == PRM_URL,
                Err(Failure::Timeout(Phase::FirstByte)),
            );
        })
    }),
    ("resource with a slash more", || {
        changed(|w| {
            w.prm(|prm| prm["resource"] = json!("https://mcp.example.com/mcp/"));
        })
    }),
    ("resource is the origin", || {
        changed(|w| {
            w.prm(|prm| prm["resource"] = json!("https://mcp.example.com/"));
        })
    }),
    ("resource is somewhere else", || {
        changed(|w| {
            w.prm(|prm| prm["resource"] = json!("https://other.example.net/mcp"));
        })
    }),
    ("resource is somewhere else, without a pointer", || {
        changed(|w| {
            w.prm(|prm| prm["resource"] = json!("https://other.example.net/mcp"))
                .challenge(Some("Bearer"));
        })
    }),
    ("resource is missing", || {
        changed(|w| {
            w.prm(|prm| {
                prm.as_object_mut().expect("an object").remove("resource");
            });
        })
    }),
    ("no authorization server", || {
        changed(|w| {
            w.prm(|prm| prm["authorization_servers"] = json!([]));
        })
    }),
    ("an authorization server that is no URL", || {
        changed(|w| {
            w.prm(|prm| prm["authorization_servers"] = json!(["id"]));
        })
    }),
    ("the second authorization server works", || {
        changed(|w| {
            w.prm(|prm| {
                prm["authorization_servers"] = json!(["https://gone.example.com", ISSUER]);
            });
        })
    }),
    ("no authorization server metadata", || {
        changed(|w| {
            w.on(|ask| ask.url == ASM_URL, status(404));
        })
    }),
    ("only an OpenID configuration", || {
        changed(|w| {
            w.on(|ask| ask.url == ASM_URL, status(404))
                .document(OIDC_URL, asm());
        })
    }),
    ("authorization server metadata fails", || {
        changed(|w| {
            w.on(|ask| ask.url == ASM_URL, status(500));
        })
    }),
    ("authorization server metadata is a page", || {
        changed(|w| {
            w.on(
                |ask| ask.url == ASM_URL,
                text(200, "text/html", "<p>Hello</p>"),
            );
        })
    }),
    ("authorization server metadata is slow", || {
        changed(|w| {
            w.on(
                |ask| ask.url == ASM_URL,
                Err(Failure::Timeout(Phase::FirstByte)),
            );
        })
    }),
    ("no endpoints", || without(&["authorization_endpoint"])),
    ("issuer with a slash more", || {
        changed(|w| {
            w.asm(|asm| asm["issuer"] = json!("https://id.example.com/"));
        })
    }),
    ("issuer with a slash less", || {
        changed(|w| {
            w.prm(|prm| prm["authorization_servers"] = json!(["https://id.example.com/"]));
        })
    }),
    ("another issuer", || {
        changed(|w| {
            w.asm(|asm| asm["issuer"] = json!("https://idp.example.net"));
        })
    }),
    ("no issuer", || without(&["issuer"])),
    ("no code challenge methods", || {
        without(&["code_challenge_methods_supported"])
    }),
    ("only plain", || {
        changed(|w| {
            w.asm(|asm| asm["code_challenge_methods_supported"] = json!(["plain"]));
        })
    }),
    ("no metadata documents", || {
        without(&["client_id_metadata_document_supported"])
    }),
    ("no registration endpoint", || {
        without(&["registration_endpoint"])
    }),
    ("neither", || {
        without(&[
            "client_id_metadata_document_supported",
            "registration_endpoint",
        ])
    }),
    ("secrets only", || {
        changed(|w| {
            w.asm(|asm| {
                asm["token_endpoint_auth_methods_supported"] = json!(["client_secret_basic"]);
            });
        })
    }),
    ("no authorization code", || {
        changed(|w| {
            w.asm(|asm| {
                asm["grant_types_supported"] = json!(["client_credentials"]);
                asm["response_types_supported"] = json!(["token"]);
            });
        })
    }),
    ("no web page may come in", World::compliant),
    ("web pages may not read what the issuer says", || {
        to_pages(World::compliant(), false)
    }),
    ("no preflight was tried", || {
        changed(|w| {
            w.purpose(Purpose::Preflight, Err(Failure::Timeout(Phase::FirstByte)));
        })
    }),
];

/// Nothing but authorization-server metadata at the endpoint's origin, changed.
fn at_origin(change: fn(&mut serde_json::Value), code: u16) -> World {
    changed(|w| {
        let mut metadata = asm();
        metadata["issuer"] = json!("https://mcp.example.com");
        change(&mut metadata);
        w.on(|ask| ask.url == PRM_URL, status(404))
            .document(ORIGIN_URL, metadata)
            .edit(
                |ask| ask.url == ORIGIN_URL,
                move |response| response.status = code,
            )
            .challenge(Some("Bearer"));
    })
}

fn spoken(modern: bool, legacy: bool) -> World {
    let mut world = World::empty();
    world
        .on(|_| true, status(404))
        .on(is_endpoint, status(400))
        .speak(modern, legacy);
    world
}

fn without(members: &'static [&'static str]) -> World {
    changed(|w| {
        w.asm(move |asm| {
            let asm = asm.as_object_mut().expect("an object");
            for name in members {
                asm.remove(*name);
            }
        });
    })
}

/// Lets pages of any origin in, and lets them read everything, or not what the issuer says.
fn to_pages(mut world: World, issuer_too: bool) -> World {
    world
        .on(
            |ask| is_endpoint(ask) && ask.method == "OPTIONS",
            response(
                204,
                &[(
                    "access-control-allow-headers",
                    "authorization, content-type, mcp-protocol-version, mcp-method, mcp-name",
                )],
                "",
            ),
        )
        .on(
            |ask| ask.purpose == Purpose::ForeignOrigin,
            challenge("Bearer"),
        )
        .edit(
            |_| true,
            |response| {
                response
                    .headers
                    .retain(|(name, _)| name != "access-control-allow-origin");
            },
        )
        .edit(
            move |ask| issuer_too || !ask.url.starts_with(ISSUER),
            |response| {
                response
                    .headers
                    .push(("access-control-allow-origin".into(), "*".into()));
            },
        );
    world
}

/// The client in a web page is judged where pages are let in, unless that is the point.
fn outcomes() -> Vec<(&'static str, Vec<Connection>)> {
    let browser = profile::by_id("browser").expect("a profile");
    WORLDS
        .iter()
        .map(|(name, world)| {
            let evidence = world().scan();
            let mut connections = outlook(&Facts::new(&evidence));
            let silent = matches!(*name, "an intermediary" | "redirected");
            if !name.contains("web page") && !name.contains("preflight") && !silent {
                let evidence = to_pages(world(), true).scan();
                let instead = super::connection(&Facts::new(&evidence), browser);
                for connection in &mut connections {
                    if connection.profile == browser.id {
                        *connection = instead.clone();
                    }
                }
            }
            (*name, connections)
        })
        .collect()
}

/// How one connection ended, in a line.
fn line(connection: &Connection) -> String {
    let step = connection.step.map_or("", Step::as_str);
    let check = connection.check.as_deref().unwrap_or("-");
    match connection.result {
        Reach::Connects => format!("connects: {}", connection.reason),
        Reach::Stops => format!("stops at {step}: {} ({check})", connection.reason),
        Reach::CannotTell => format!("cannot tell at {step}: {} ({check})", connection.reason),
    }
}

#[test]
fn each_profile_goes_as_far_as_it_says() {
    let mut out = String::new();
    for (name, connections) in outcomes() {
        out.push_str(&format!("{name}\n"));
        let mut grouped: Vec<(String, Vec<&str>)> = Vec::new();
        for connection in &connections {
            let line = line(connection);
            match grouped.iter_mut().find(|(known, _)| *known == line) {
                Some((_, ids)) => ids.push(&connection.profile),
                None => grouped.push((line, vec![&connection.profile])),
            }
        }
        for (line, ids) in grouped {
            out.push_str(&format!("  {line}\n    {}\n", ids.join(" ")));
        }
    }
    insta::assert_snapshot!(out);
}

/// The worlds above let every profile connect, stop at every step that it can stop at, and
/// remain unknown.
#[test]
fn the_worlds_show_every_end_of_every_profile() {
    let mut ends: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (_, connections) in outcomes() {
        for connection in connections {
            let end = match connection.result {
                Reach::Stops => connection.step.map_or("", Step::as_str),
                other => other.as_str(),
            };
            ends.entry(connection.profile)
                .or_default()
                .insert(end.to_owned());
        }
    }
    for profile in &profile::profiles().list {
        let seen = &ends[&profile.id];
        let never: &[&str] = match profile.id.as_str() {
            // It reads no resource metadata, compares no issuer, and falls back to defaults.
            "legacy-2025-03-26" => &["resource_metadata", "resource", "issuer"],
            // They go on without what they do not find, or try the next place.
            "lenient" => &["resource_metadata", "resource"],
            "python-sdk-2.0" => &["resource_metadata", "pkce", "registration", "token"],
            "typescript-client-2.0" => &["resource_metadata"],
            // Registered beforehand, it needs no registration.
            "preregistered" => &["registration"],
            _ => &[],
        };
        let wanted = Step::ALL
            .map(Step::as_str)
            .into_iter()
            .chain(["connects", "cannot_tell"]);
        for end in wanted {
            assert_eq!(
                seen.contains(end),
                !never.contains(&end),
                "{}: {end}, of {seen:?}",
                profile.id
            );
        }
    }
}

#[test]
fn ends_name_checks_exchanges_and_reasons() {
    for (world, (name, connections)) in WORLDS.iter().zip(outcomes()) {
        let evidence = (world.1)().scan();
        for connection in connections {
            let whom = format!("{} at {name}: {}", connection.profile, line(&connection));
            assert!(connection.detail.ends_with('.'), "{whom}");
            assert_eq!(
                connection.step.is_none(),
                connection.result == Reach::Connects,
                "{whom}"
            );
            if let Some(check) = &connection.check {
                assert!(crate::checks::by_id(check).is_some(), "{whom}");
            }
            if let Some(id) = connection.exchange {
                let other = connection.profile == "browser";
                assert!(other || (id as usize) < evidence.exchanges.len(), "{whom}");
            }
            let heard = !matches!(connection.step, Some(Step::Endpoint));
            if heard && connection.result != Reach::CannotTell {
                assert!(connection.exchange.is_some(), "{whom}");
            }
        }
    }
}

#[test]
fn reports_carry_one_line_per_profile_and_old_ones_none() {
    let evidence = World::compliant().scan();
    let report = crate::grade::grade(&evidence, crate::rubric::current());
    assert_eq!(report.connect.len(), profile::profiles().list.len());
    let mut old = serde_json::to_value(&report).expect("JSON");
    old.as_object_mut().expect("an object").remove("connect");
    let read: crate::report::Report = serde_json::from_value(old).expect("an old report");
    assert!(read.connect.is_empty());
    assert_eq!(evidence.target.url, ENDPOINT);
}

#[test]
fn profiles_are_whole() {
    let all = profile::profiles();
    let mut ids: Vec<&str> = all.list.iter().map(|profile| profile.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all.list.len(), "an id stands twice");
    for profile in &all.list {
        assert!(profile.as_of <= all.as_of && profile.as_of.starts_with("20"));
        assert!(profile.said.ends_with('.') && !profile.source.is_empty());
        // No product is named without the code that it was read from.
        assert!(!profile.library || profile.url.is_some(), "{}", profile.id);
        assert!(habits(profile).iter().all(|(_, how)| !how.is_empty()));
        assert!(profile::by_id(&profile.id).is_some());
    }
}

#[test]
fn the_document_is_fresh() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/profiles.md");
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(
        written,
        markdown(),
        "docs/profiles.md: write it anew with `authdex profiles --format markdown`"
    );
}

#[test]
fn a_document_at_the_wrong_place_is_no_metadata() {
    let world = changed(|w| {
        w.on(
            |ask| ask.url == PRM_URL,
            document(json!({ "hello": "world" })),
        );
    });
    let evidence = world.scan();
    let connection = super::connection(
        &Facts::new(&evidence),
        profile::by_id("strict-2026-07-28").expect("a profile"),
    );
    assert_eq!(
        line(&connection),
        "stops at resource_metadata: not_metadata (prm-http-response)"
    );
}
