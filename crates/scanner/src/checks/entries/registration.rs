//! How the checks on client registration are probed and judged, in words.

use super::Entry;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        id: "reg-mechanism-available",
        probe: "What all listed authorization servers say of client metadata documents and of registration.",
        pass: "At least one offers one of the two.",
        warn: Some("Neither: clients must be known beforehand."),
        fail: None,
        na: Some("There is no document, or only machines are served."),
        inconclusive: None,
    },
    Entry {
        id: "reg-cimd-advertised",
        probe: "The member `client_id_metadata_document_supported` is read.",
        pass: "It is `true`.",
        warn: Some("It is absent or `false`."),
        fail: Some("It is no boolean."),
        na: Some("There is no document."),
        inconclusive: None,
    },
    Entry {
        id: "reg-dcr-advertised",
        probe: "The member `registration_endpoint` is read.",
        pass: "Present, under the revisions that rest on it; from 2025-11-25 on either way.",
        warn: Some(
            "Absent under 2025-03-26 or 2025-06-18; under 2026-07-28 present as the only way to register.",
        ),
        fail: None,
        na: Some("There is no document."),
        inconclusive: None,
    },
    Entry {
        id: "dcr-open",
        probe: "With consent, one registration as a native public client with a loopback redirect. What was registered is removed again where the server allows it.",
        pass: "201 with a `client_id`.",
        warn: Some(
            "An initial token is demanded, or the registration works only with less than a native client asks for.",
        ),
        fail: Some("The announced endpoint does not exist, fails, or answers with a page."),
        na: Some("No registration is announced."),
        inconclusive: None,
    },
    Entry {
        id: "dcr-protocol",
        probe: "With consent, the answer to that registration, and to one whose redirects are empty.",
        pass: "201 as JSON that is not to be stored, with everything registered in it and an expiry beside a secret; the empty one is refused with a registered error.",
        warn: Some(
            "200 instead of 201, storing not forbidden although no secret is in it, or registered values left out.",
        ),
        fail: Some(
            "A secret that may be stored by caches, or the invalid registration is accepted or makes the server fail.",
        ),
        na: Some("The registration was refused."),
        inconclusive: None,
    },
    Entry {
        id: "dcr-redirect-policy",
        probe: "With consent, up to five registrations, each with one dangerous redirect: plain http, scripts, data, a fragment, a wildcard.",
        pass: "All are refused.",
        warn: Some("A fragment or a wildcard is accepted as plain text."),
        fail: Some(
            "Plain http to a foreign host, a script or data is accepted, or a wildcard is shown to match.",
        ),
        na: Some("Registrations are refused anyway."),
        inconclusive: None,
    },
    Entry {
        id: "dcr-auth-method",
        probe: "With consent, the authentication method in the answer is compared with the one asked for, which is none.",
        pass: "It says `none` and holds no secret.",
        warn: Some("It says another method and holds a secret for it."),
        fail: Some("It says `none` and holds a secret, or says nothing."),
        na: Some("The registration was refused."),
        inconclusive: None,
    },
    Entry {
        id: "cimd-accepted",
        probe: "With consent, an authorization request whose `client_id` is the address of a document that we host; our host notes whether it is fetched. Nobody logs in.",
        pass: "The document is fetched, or a page for this client appears.",
        warn: Some("The refusal names a list of allowed clients."),
        fail: Some(
            "Support is announced, and the request fails without the document having been fetched.",
        ),
        na: Some("Support is not announced."),
        inconclusive: Some("A login page comes first; the document may be fetched after it."),
    },
    Entry {
        id: "cimd-client-id-match",
        probe: "With consent, three documents whose `client_id` is another, is missing, or differs by a slash.",
        pass: "All are refused.",
        warn: None,
        fail: Some("One gets as far as login or consent."),
        na: Some("`cimd-accepted` did not pass."),
        inconclusive: None,
    },
    Entry {
        id: "cimd-redirect-uri",
        probe: "With consent, a valid document and a redirect to another host of ours that the document does not list.",
        pass: "An error page, and nothing is sent to that host.",
        warn: None,
        fail: Some("Anything is redirected there, also an error, or login goes on with it."),
        na: Some("`cimd-accepted` did not pass."),
        inconclusive: None,
    },
    Entry {
        id: "cimd-url-rules",
        probe: "With consent, addresses that no client may have: plain http, no path, a fragment, user information, dot segments.",
        pass: "All are refused without a fetch.",
        warn: Some("A fragment, user information or dot segments are accepted."),
        fail: Some("Plain http or an address without a path is accepted."),
        na: Some("`cimd-accepted` did not pass."),
        inconclusive: None,
    },
    Entry {
        id: "cimd-fetch-safety",
        probe: "With consent, documents that redirect, whose host resolves to loopback, that are too large, or that never end.",
        pass: "None is followed, reached, taken or waited for longer than 15 seconds.",
        warn: Some(
            "The redirect to another public host is followed, or the large document is taken.",
        ),
        fail: Some(
            "The answer about the loopback host shows that a connection was tried, or what came back.",
        ),
        na: Some("`cimd-accepted` did not pass."),
        inconclusive: Some(
            "The answer about the loopback host looks like every other refusal, so only what is visible is judged.",
        ),
    },
];
