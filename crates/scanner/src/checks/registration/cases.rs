//! Cases of client registration.

use serde_json::{Value, json};

use crate::checks::testkit::*;
use crate::spec::Revision;

fn with(change: fn(&mut Value)) -> World {
    changed(|w| {
        w.asm(change);
    })
}

fn remove(asm: &mut Value, name: &str) {
    asm.as_object_mut().expect("an object").remove(name);
}

fn cimd_only() -> World {
    with(|asm| remove(asm, "registration_endpoint"))
}

fn dcr_only() -> World {
    with(|asm| {
        remove(asm, "client_id_metadata_document_supported");
    })
}

fn both() -> World {
    World::compliant()
}

fn neither() -> World {
    with(|asm| {
        remove(asm, "client_id_metadata_document_supported");
        remove(asm, "registration_endpoint");
    })
}

/// The first server offers nothing, the second client documents.
fn second_offers() -> World {
    let mut world = neither();
    world.prm(|prm| prm["authorization_servers"] = json!([ISSUER, "https://two.example.com"]));
    let mut two = asm();
    two["issuer"] = "https://two.example.com".into();
    world.document(
        "https://two.example.com/.well-known/oauth-authorization-server",
        two,
    );
    world
}

fn unread() -> World {
    changed(|w| {
        w.on(|ask| ask.url.starts_with(ISSUER), status(503));
    })
}

fn foreign() -> World {
    with(|asm| asm["issuer"] = "https://somebody.else.dev".into())
}

pub(in crate::checks) const CASES: &[Case] = &[
    case("reg-mechanism-available", Expect::Pass, cimd_only),
    case("reg-mechanism-available", Expect::Pass, dcr_only),
    case("reg-mechanism-available", Expect::Pass, second_offers),
    case(
        "reg-mechanism-available",
        Expect::Warn("closed_registration"),
        neither,
    ),
    case("reg-mechanism-available", Expect::Na, || {
        with(|asm| {
            remove(asm, "client_id_metadata_document_supported");
            remove(asm, "registration_endpoint");
            remove(asm, "authorization_endpoint");
            asm["grant_types_supported"] = json!(["client_credentials"]);
        })
    }),
    case(
        "reg-mechanism-available",
        Expect::Blocked("asm-discoverable"),
        unread,
    ),
    case(
        "reg-mechanism-available",
        Expect::Blocked("asm-issuer-identical"),
        foreign,
    ),
    case("reg-cimd-advertised", Expect::Pass, cimd_only),
    case("reg-cimd-advertised", Expect::Pass, second_offers),
    case("reg-cimd-advertised", Expect::Warn("dcr_only"), dcr_only),
    case_in(
        Revision::V2025_11_25,
        "reg-cimd-advertised",
        Expect::Warn("absent"),
        dcr_only,
    ),
    case_in(
        Revision::V2025_06_18,
        "reg-cimd-advertised",
        Expect::Na,
        dcr_only,
    ),
    case("reg-cimd-advertised", Expect::Warn("absent"), neither),
    case("reg-cimd-advertised", Expect::Warn("off"), || {
        let mut world = cimd_only();
        world.asm(|asm| asm["client_id_metadata_document_supported"] = false.into());
        world
    }),
    case("reg-cimd-advertised", Expect::Fail("not_boolean"), || {
        with(|asm| asm["client_id_metadata_document_supported"] = "true".into())
    }),
    case(
        "reg-cimd-advertised",
        Expect::Blocked("asm-discoverable"),
        unread,
    ),
    case_in(
        Revision::V2025_06_18,
        "reg-dcr-advertised",
        Expect::Pass,
        dcr_only,
    ),
    case_in(
        Revision::V2025_06_18,
        "reg-dcr-advertised",
        Expect::Warn("absent"),
        cimd_only,
    ),
    case_in(
        Revision::V2025_03_26,
        "reg-dcr-advertised",
        Expect::Warn("absent"),
        cimd_only,
    ),
    case_in(
        Revision::V2025_11_25,
        "reg-dcr-advertised",
        Expect::Pass,
        cimd_only,
    ),
    case_in(
        Revision::V2025_11_25,
        "reg-dcr-advertised",
        Expect::Pass,
        dcr_only,
    ),
    case("reg-dcr-advertised", Expect::Pass, cimd_only),
    case("reg-dcr-advertised", Expect::Pass, both),
    case(
        "reg-dcr-advertised",
        Expect::Warn("dcr_without_cimd"),
        dcr_only,
    ),
    case(
        "reg-dcr-advertised",
        Expect::Blocked("asm-discoverable"),
        unread,
    ),
    case("dcr-open", Expect::Na, both),
    case("dcr-protocol", Expect::Na, both),
    case("dcr-redirect-policy", Expect::Na, both),
    case("dcr-auth-method", Expect::Na, both),
    case("cimd-accepted", Expect::Na, both),
    case("cimd-client-id-match", Expect::Na, both),
    case("cimd-redirect-uri", Expect::Na, both),
    case("cimd-url-rules", Expect::Na, both),
    case("cimd-fetch-safety", Expect::Na, both),
];
