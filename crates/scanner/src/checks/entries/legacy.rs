//! How the checks on old revisions and parity between eras are probed and judged, in words.

use super::Entry;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        id: "legacy-root-metadata",
        probe: "The authorization server metadata at the endpoint's origin, in the way of 2025-03-26.",
        pass: "A valid document whose issuer is the origin.",
        warn: Some("There is none, so that default endpoints apply."),
        fail: None,
        na: Some("The server does not speak 2025-03-26."),
        inconclusive: None,
    },
    Entry {
        id: "legacy-default-endpoints",
        probe: "Where a protected server has no metadata at all, its origin's default endpoints are looked for, without parameters.",
        pass: "They exist.",
        warn: Some("The registration endpoint does not."),
        fail: Some("The authorization or token endpoint does not: nobody can log in."),
        na: Some(
            "There is metadata, nothing is protected, or the server does not speak 2025-03-26.",
        ),
        inconclusive: Some("Every path answers with the same page."),
    },
    Entry {
        id: "legacy-mirror-consistent",
        probe: "Authorization server metadata on the endpoint's origin is compared with that of the issuer that the resource names.",
        pass: "The origin is an authorization server of its own.",
        warn: Some(
            "It is a copy of the real document: harmless, and of no use to clients that compare.",
        ),
        fail: Some(
            "The copy differs in an endpoint, or claims the other issuer for endpoints of the origin.",
        ),
        na: Some("There is no such document, or nothing to compare it with."),
        inconclusive: None,
    },
    Entry {
        id: "legacy-sse-offered",
        probe: "GET on the endpoint, and on an SSE address of the listing, is searched for the first event of the old transport.",
        pass: "It is not offered.",
        warn: Some("It is offered beside the newer one or alone."),
        fail: None,
        na: Some("GET is answered with a 401."),
        inconclusive: None,
    },
    Entry {
        id: "legacy-sse-protected",
        probe: "Where the newer transport is protected, the old one's address is asked without credentials.",
        pass: "It is protected or gone.",
        warn: None,
        fail: Some("It opens a stream: the old door stands open."),
        na: Some("No such address is known, or the server is open."),
        inconclusive: None,
    },
    Entry {
        id: "legacy-sse-endpoint-origin",
        probe: "The address in the first event of the old transport is parsed.",
        pass: "It stays on the origin.",
        warn: Some("It leads to another host of the same site."),
        fail: Some("It leads elsewhere or to plain http."),
        na: Some("No such event was seen."),
        inconclusive: None,
    },
    Entry {
        id: "era-auth-parity",
        probe: "The answers to requests of both protocol eras without credentials are compared.",
        pass: "Both eras are treated alike.",
        warn: Some("Alike, but with other challenges or other lists."),
        fail: Some("One era is refused and the other hands out lists."),
        na: Some("The server speaks one era only."),
        inconclusive: None,
    },
    Entry {
        id: "batch-auth-parity",
        probe: "A list of two reading requests in one message, without credentials.",
        pass: "Refused as the single requests are.",
        warn: Some("Answered as the single requests are, which only 2025-03-26 allows."),
        fail: Some("It brings what the single requests are refused."),
        na: Some("The server is open."),
        inconclusive: None,
    },
];
