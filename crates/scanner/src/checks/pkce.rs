//! Catalogue section 1.5: Proof Key for Code Exchange, as far as metadata tells.
//!
//! The list of the first credited document in client order counts; that two documents
//! disagree is asm-documents-consistent's to say.

mod requests;

use super::{owner, weigh};
use crate::check::{
    Area, Check, Fault, Judgement, Level, Na, Party, ProbeClass, Severity, Verdict, fail, na, warn,
};
use crate::facts::documents::Document;
use crate::facts::{Facts, quote};
use crate::fingerprints;
use crate::spec::{Matrix, Revision, Spec};

const METHODS: &str = "code_challenge_methods_supported";
const PROTECTION: &str = "authorization/security-considerations#authorization-code-protection";

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "pkce-advertised",
        title: "PKCE support is advertised",
        area: Area::Pkce,
        level: Level::Must,
        party: &[Party::AuthorizationServer],
        class: ProbeClass::P0,
        severity: Severity::High,
        revisions: Matrix::of("AACA"),
        cites: &[
            Spec::Mcp(Revision::V2025_11_25).at("authorization#authorization-code-protection"),
            Spec::Mcp(Revision::V2026_07_28).at(PROTECTION),
            Spec::Rfc(8414).at("2"),
            Spec::Rfc(9700).at("2.1.1"),
        ],
        why: "Clients that follow the specification must stop when the member is missing; lenient ones go on without knowing whether codes are protected.",
        fix: "Add `code_challenge_methods_supported` with `S256` to both well-known documents.",
        traps: "Some vendors support S256 and leave the member out; the text still tells clients to refuse, so that is a failure with the authorization server as its party.",
        run: advertised,
    },
    Check {
        id: "pkce-s256",
        title: "S256 is offered",
        area: Area::Pkce,
        level: Level::Must,
        party: &[Party::AuthorizationServer],
        class: ProbeClass::P0,
        severity: Severity::Critical,
        revisions: Matrix::of("AAAA"),
        cites: &[
            Spec::OAuth21.at("4.1.1"),
            Spec::Rfc(7636).at("4.2"),
            Spec::Mcp(Revision::V2026_07_28).at(PROTECTION),
        ],
        why: "Without a hashed challenge, whoever sees the authorization request can redeem or inject the code.",
        fix: "Enable S256 and list it.",
        traps: "Values are case-sensitive: `s256` is another method.",
        run: s256,
    },
    Check {
        id: "pkce-no-plain",
        title: "The plain method is not offered",
        area: Area::Pkce,
        level: Level::Should,
        party: &[Party::AuthorizationServer],
        class: ProbeClass::P0,
        severity: Severity::Low,
        revisions: Matrix::of("AAAA"),
        cites: &[
            Spec::OAuth21.at("4.1.1"),
            Spec::Rfc(9700).at("2.1.1"),
            Spec::Mcp(Revision::V2026_07_28).at(PROTECTION),
        ],
        why: "With plain, the authorization request itself carries the verifier.",
        fix: "Switch plain off for all clients.",
        traps: "Large products list both methods for old clients; being listed is never more than a warning.",
        run: no_plain,
    },
    Check {
        id: "pkce-required",
        title: "Authorization requests without a challenge are refused",
        area: Area::Pkce,
        level: Level::Must,
        party: &[Party::AuthorizationServer],
        class: ProbeClass::P2,
        severity: Severity::High,
        revisions: Matrix::of("AAAA"),
        cites: &[
            Spec::OAuth21.at("4.1.1"),
            Spec::OAuth21.at("4.1.2.1"),
            Spec::Rfc(9700).at("2.1.1"),
            Spec::Mcp(Revision::V2025_03_26).at("authorization#implementation-requirements"),
        ],
        why: "A code that no challenge protects can be injected into another session of a public client.",
        fix: "Refuse the request at the authorization endpoint when a public client sends no challenge.",
        traps: "Many servers look at the challenge only after sign-in, so a sign-in page proves neither side.",
        run: requests::required,
    },
    Check {
        id: "pkce-plain-refused",
        title: "A downgrade to plain is refused",
        area: Area::Pkce,
        level: Level::Should,
        party: &[Party::AuthorizationServer],
        class: ProbeClass::P2,
        severity: Severity::Medium,
        revisions: Matrix::of("AAAA"),
        cites: &[
            Spec::OAuth21.at("4.1.1"),
            Spec::OAuth21.at("4.1.2.1"),
            Spec::Rfc(7636).at("4.4.1"),
            Spec::Rfc(9700).at("4.8.2"),
        ],
        why: "Whoever can rewrite the request in the browser can otherwise choose the weaker method.",
        fix: "Refuse every method but S256, a missing one included.",
        traps: "Being let through to a sign-in page is a warning, because the refusal may come later.",
        run: requests::plain_refused,
    },
    Check {
        id: "pkce-verifier-enforced",
        title: "The token endpoint checks the verifier",
        area: Area::Pkce,
        level: Level::Must,
        party: &[Party::AuthorizationServer],
        class: ProbeClass::P3,
        severity: Severity::Critical,
        revisions: Matrix::of("AAAA"),
        cites: &[
            Spec::Rfc(7636).at("4.6"),
            Spec::OAuth21.at("4.1.3"),
            Spec::OAuth21.at("7.5"),
            Spec::Rfc(9700).at("2.1.1"),
            Spec::Rfc(9700).at("4.8.2"),
        ],
        why: "If a wrong, missing or unexpected verifier is accepted, a stolen code is as good as a token.",
        fix: "Bind the challenge to the code, compare on redemption, and refuse a verifier that nobody announced.",
        traps: "Codes are used up by the first try, so each variant needs a code of its own.",
        run: owner::verifier_enforced,
    },
];

fn worst_document(
    facts: &Facts<'_>,
    revision: Revision,
    judge: impl Fn(&Document) -> Judgement,
) -> Judgement {
    let asms = facts.readable_asms(revision)?;
    weigh::worst_of(&asms, |asm| judge(asm.document))
}

// --- pkce-advertised ------------------------------------------------------------------------

fn advertised(facts: &Facts<'_>, revision: Revision) -> Judgement {
    // Before, only clients had to use it.
    let demanded = revision >= Revision::V2025_11_25;
    worst_document(facts, revision, |document| {
        let (reason, said, place) = match document.get(METHODS) {
            None => (
                "absent",
                format!("The metadata has no `{METHODS}`.{}", vendor_note(document)),
                document.place(""),
            ),
            Some(value) => match value.as_array() {
                Some(list) if list.is_empty() => (
                    "empty",
                    format!("`{METHODS}` is an empty list."),
                    document.place(METHODS),
                ),
                Some(list) if list.iter().all(serde_json::Value::is_string) => {
                    return Ok(Verdict::Pass);
                }
                _ => {
                    return fail(Fault::new(
                        "mistyped",
                        format!(
                            "`{METHODS}` is not a list of strings: {}.",
                            quote(&value.to_string())
                        ),
                        document.place(METHODS),
                    ));
                }
            },
        };
        let fault = Fault::new(reason, said, place);
        if demanded { fail(fault) } else { warn(fault) }
    })
}

/// Explains a vendor's habit; the verdict stays.
fn vendor_note(document: &Document) -> String {
    document
        .text("issuer")
        .and_then(|issuer| fingerprints::recognise(issuer, Some(&document.members)))
        .filter(fingerprints::Product::hides_s256)
        .map(|product| format!(" {} supports S256 and does not list it.", product.name))
        .unwrap_or_default()
}

// --- pkce-s256, pkce-no-plain ---------------------------------------------------------------

fn s256(facts: &Facts<'_>, revision: Revision) -> Judgement {
    worst_document(facts, revision, |document| {
        let Some(methods) = document.texts(METHODS) else {
            return na(Na::Other("methods_absent"));
        };
        if methods.contains(&"S256") {
            return Ok(Verdict::Pass);
        }
        let listed: Vec<String> = methods.iter().take(8).map(|method| quote(method)).collect();
        fail(Fault::new(
            "s256_missing",
            if listed.is_empty() {
                format!("`{METHODS}` is empty.")
            } else {
                format!("`{METHODS}` lists only {}.", listed.join(", "))
            },
            document.place(METHODS),
        ))
    })
}

fn no_plain(facts: &Facts<'_>, revision: Revision) -> Judgement {
    worst_document(facts, revision, |document| {
        let Some(methods) = document.texts(METHODS) else {
            return na(Na::Other("methods_absent"));
        };
        if methods.contains(&"plain") {
            return warn(Fault::new(
                "plain_listed",
                format!("`{METHODS}` lists `plain`."),
                document.place(METHODS),
            ));
        }
        Ok(Verdict::Pass)
    })
}

#[cfg(test)]
pub(super) use cases::CASES;

#[cfg(test)]
mod cases {
    use serde_json::{Value, json};

    use super::super::testkit::{Case, Expect, World, case, case_in, changed, status};
    use super::METHODS;
    use crate::evidence::{Depth, Failure};
    use crate::spec::Revision;

    const OLD: Revision = Revision::V2025_03_26;
    const JUNE: Revision = Revision::V2025_06_18;
    const NOVEMBER: Revision = Revision::V2025_11_25;

    fn with(methods: Value) -> World {
        changed(|world| {
            world.asm(move |asm| asm[METHODS] = methods.clone());
        })
    }

    fn without() -> World {
        changed(|world| {
            world.asm(|asm| {
                asm.as_object_mut().unwrap().remove(METHODS);
            });
        })
    }

    fn unreachable_issuer() -> World {
        changed(|world| {
            world.on(
                |ask| ask.url.starts_with("https://id.example.com/.well-known/"),
                Err(Failure::Refused),
            );
        })
    }

    fn deep() -> World {
        changed(|world| world.depth = Depth::Standard)
    }

    pub(in crate::checks) const CASES: &[Case] = &[
        case("pkce-advertised", Expect::Pass, World::compliant),
        case("pkce-advertised", Expect::Fail("absent"), without),
        case_in(NOVEMBER, "pkce-advertised", Expect::Fail("absent"), without),
        case_in(JUNE, "pkce-advertised", Expect::Warn("absent"), without),
        case_in(OLD, "pkce-advertised", Expect::Warn("absent"), without),
        case("pkce-advertised", Expect::Fail("empty"), || with(json!([]))),
        case_in(JUNE, "pkce-advertised", Expect::Warn("empty"), || {
            with(json!([]))
        }),
        case("pkce-advertised", Expect::Fail("mistyped"), || {
            with(json!("S256"))
        }),
        case_in(OLD, "pkce-advertised", Expect::Fail("mistyped"), || {
            with(json!([true]))
        }),
        // The first document in client order counts, whatever the other one says.
        case("pkce-advertised", Expect::Fail("absent"), || {
            let mut world = World::compliant();
            world
                .document(
                    "https://id.example.com/.well-known/openid-configuration",
                    super::super::testkit::asm(),
                )
                .asm(|asm| {
                    asm.as_object_mut().unwrap().remove(METHODS);
                });
            world
        }),
        case(
            "pkce-advertised",
            Expect::Blocked("asm-discoverable"),
            unreachable_issuer,
        ),
        case(
            "pkce-advertised",
            Expect::Blocked("asm-issuer-identical"),
            || {
                changed(|world| {
                    world.asm(|asm| asm["issuer"] = json!("https://elsewhere.example"));
                })
            },
        ),
        case("pkce-advertised", Expect::Na, World::open),
        case("pkce-s256", Expect::Pass, World::compliant),
        case("pkce-s256", Expect::Pass, || with(json!(["plain", "S256"]))),
        case("pkce-s256", Expect::Fail("s256_missing"), || {
            with(json!(["s256"]))
        }),
        case_in(OLD, "pkce-s256", Expect::Fail("s256_missing"), || {
            with(json!(["plain"]))
        }),
        case("pkce-s256", Expect::Na, without),
        case("pkce-s256", Expect::Blocked("asm-discoverable"), || {
            changed(|world| {
                world.on(
                    |ask| ask.url.starts_with("https://id.example.com/.well-known/"),
                    status(404),
                );
            })
        }),
        case("pkce-no-plain", Expect::Pass, World::compliant),
        case("pkce-no-plain", Expect::Warn("plain_listed"), || {
            with(json!(["plain", "S256"]))
        }),
        case("pkce-no-plain", Expect::Na, without),
        case(
            "pkce-no-plain",
            Expect::Blocked("asm-discoverable"),
            unreachable_issuer,
        ),
        case("pkce-required", Expect::Na, deep),
        case("pkce-plain-refused", Expect::Na, deep),
        case("pkce-verifier-enforced", Expect::Na, deep),
    ];
}
