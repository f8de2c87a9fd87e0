//! How the checks on unauthenticated behaviour and the challenge are probed and judged, in words.

use super::Entry;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        id: "challenge-status-401",
        probe: "The first requests of both protocol eras go out without credentials. On a server that is partly open, a call of a tool whose name is random and cannot exist joins them.",
        pass: "Whatever is refused for lack of credentials is refused with 401.",
        warn: Some(
            "The refusal is a 403 that at least carries a Bearer challenge or an OAuth error.",
        ),
        fail: Some(
            "The refusal is some other status, an error inside a 200, or a 403 without any challenge.",
        ),
        na: Some("Nothing is refused."),
        inconclusive: Some("A firewall or a content network answered instead of the server."),
    },
    Entry {
        id: "challenge-not-login-redirect",
        probe: "The same requests say that they accept JSON and event streams. Redirect targets and HTML bodies of the answers are looked at.",
        pass: "Neither a redirect to a sign-in page nor a sign-in page in the body.",
        warn: None,
        fail: Some(
            "A redirect leads to a login or an identity provider, or a 200 holds a sign-in form or a script that leads to one.",
        ),
        na: None,
        inconclusive: Some("The page is a robot test of something in front of the server."),
    },
    Entry {
        id: "challenge-www-authenticate",
        probe: "Every 401 seen is searched for `WWW-Authenticate` lines.",
        pass: "At least one challenge names the scheme `Bearer` or `DPoP`.",
        warn: Some(
            "From 2025-11-25 on: no such challenge, but clients can still find a valid metadata document at a well-known place.",
        ),
        fail: Some(
            "No such challenge and no metadata at a well-known place; under 2025-06-18 any absence.",
        ),
        na: Some(
            "No 401 was seen. For servers with a static key the answer is shown and not scored.",
        ),
        inconclusive: None,
    },
    Entry {
        id: "challenge-syntax",
        probe: "All challenges go through a strict parser of the HTTP authentication grammar.",
        pass: "They parse, no parameter appears twice, and scopes consist of legal characters with single spaces between them.",
        warn: Some(
            "Only a lenient reading gets through: unquoted addresses, wrong quotes, missing or stray commas, or a bare `Bearer`.",
        ),
        fail: Some(
            "Not even a lenient reading gets through, or a parameter appears twice with different values.",
        ),
        na: Some("There was no challenge."),
        inconclusive: None,
    },
    Entry {
        id: "challenge-resource-metadata-param",
        probe: "Each Bearer or DPoP challenge is searched for `resource_metadata`.",
        pass: "Every 401 carries it.",
        warn: Some(
            "From 2025-11-25 on: some or all lack it, while a valid document lies at a well-known place.",
        ),
        fail: Some(
            "Under 2025-06-18 it is missing; in every revision it is missing and no document lies at a well-known place.",
        ),
        na: Some("No 401 was seen, or the server is protected by a static key."),
        inconclusive: None,
    },
    Entry {
        id: "challenge-resource-metadata-url",
        probe: "The address in the challenge is parsed and fetched once, without credentials.",
        pass: "An absolute `https` address on the endpoint's origin, without a fragment, that answers with a valid document.",
        warn: Some(
            "The document lies on another host of the same site, or behind a redirect within the origin.",
        ),
        fail: Some(
            "The address is relative, plain http, private, of an unrelated site, carries a fragment or user information, or leads to anything but a document.",
        ),
        na: Some("The challenge names no address."),
        inconclusive: None,
    },
    Entry {
        id: "challenge-host-reflection",
        probe: "The first request and every metadata document of the endpoint's origin are asked for once more with forwarding headers that claim another host and plain http. Host and TLS name stay the real ones, and a random query keeps shared caches clean.",
        pass: "Neither the claimed host nor the claimed scheme comes back anywhere.",
        warn: Some("Only the scheme is taken over."),
        fail: Some(
            "The claimed host appears in the challenge or in a member of a document that clients act on.",
        ),
        na: Some("Nothing of the kind is served on the endpoint's origin."),
        inconclusive: None,
    },
    Entry {
        id: "challenge-scope-param",
        probe: "The first Bearer challenge is searched for `scope`.",
        pass: "It names at least one scope.",
        warn: Some("It names none."),
        fail: None,
        na: Some(
            "No challenge, or no document lists any scope: the deployment works without them.",
        ),
        inconclusive: None,
    },
    Entry {
        id: "challenge-no-error-without-credentials",
        probe: "The first challenge to a request without credentials is searched for error parameters.",
        pass: "It has none.",
        warn: Some("It has one, as if a credential had been sent and refused."),
        fail: None,
        na: Some("There was no challenge."),
        inconclusive: None,
    },
    Entry {
        id: "challenge-invalid-token",
        probe: "The refused request is repeated with a bearer token that is visibly a random probe value.",
        pass: "401 with `error=\"invalid_token\"` and the same pointers as without a token.",
        warn: Some(
            "401, but with no error code or another one, or without the pointer that the bare challenge had.",
        ),
        fail: Some("Any other status, or an error inside a 200."),
        na: Some(
            "The server is open, or it answered with a result, which `token-bogus-rejected` judges.",
        ),
        inconclusive: None,
    },
    Entry {
        id: "challenge-malformed-authorization",
        probe: "Three requests with broken credentials: an empty bearer token, a Basic value, and two Authorization lines at once.",
        pass: "Each is answered with 400 or 401.",
        warn: Some("One is answered with 403, or by closing the connection."),
        fail: Some("One brings a result, or makes the server fail with a 5xx."),
        na: Some("The server is open."),
        inconclusive: Some(
            "The front end turns double headers away before the server sees them; then the other two requests decide.",
        ),
    },
    Entry {
        id: "challenge-get-stream",
        probe: "The endpoint is asked by GET for an event stream, without credentials. At most 8 KiB or five seconds are read.",
        pass: "401 with a challenge, or 405.",
        warn: Some("Another refusal, without any event."),
        fail: Some("An event stream opens although POST is refused."),
        na: Some("The server is open."),
        inconclusive: Some("No status line came within five seconds, twice."),
    },
    Entry {
        id: "challenge-lazy-http-status",
        probe: "Only on servers that are partly open: a tool with a random name, which cannot exist, is called without credentials. With the owner's consent, the tool that the owner names.",
        pass: "401 with a Bearer challenge.",
        warn: None,
        fail: Some(
            "The protected tool says inside a 200 that one must log in; or, without consent, the invented call ends in 403 or 5xx although metadata is published and lists are open.",
        ),
        na: Some("The server is not partly open."),
        inconclusive: Some(
            "The server only says that it does not know the tool, so the gate behind it cannot be seen without consent.",
        ),
    },
    Entry {
        id: "challenge-lazy-prm",
        probe: "On servers whose lists are open but which declare protection, the well-known metadata places are asked.",
        pass: "A valid document lies at one of them.",
        warn: Some("Only the 401 of a protected call leads to the document."),
        fail: Some("There is no document anywhere."),
        na: Some("The server is wholly open or wholly protected."),
        inconclusive: None,
    },
    Entry {
        id: "challenge-consistent",
        probe: "The request that was refused is repeated three times over new connections, at least two seconds apart, and over different addresses where the name has several.",
        pass: "The same kind of answer with the same pointer each time.",
        warn: Some("The same kind of answer, but the challenges differ."),
        fail: Some("One of the repetitions brings a result without credentials."),
        na: Some("The server is open."),
        inconclusive: Some(
            "The repetitions differ only by network failures or by something in front of the server.",
        ),
    },
];
