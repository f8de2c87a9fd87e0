//! How the checks on protected resource metadata are probed and judged, in words.

use super::Entry;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        id: "prm-discoverable",
        probe: "The address in the challenge, then the well-known place with the endpoint's path, then the one of the origin. All are fetched; the first valid document is the one that counts.",
        pass: "One of the places that clients are told to try gives an object with `resource` or `authorization_servers`.",
        warn: Some("It is found only after a redirect within the origin."),
        fail: Some(
            "The server shows that it means OAuth, and none of the places gives a document.",
        ),
        na: Some(
            "The server is open, partly open, or protected by a static key without any sign of OAuth.",
        ),
        inconclusive: None,
    },
    Entry {
        id: "prm-path-location",
        probe: "GET of the well-known place with the endpoint's path inserted, also without a slash at its end.",
        pass: "A valid document lies there, or the endpoint has no path and the origin's document is valid.",
        warn: Some(
            "Only the origin's document or an address of the challenge's own exists, or the place redirects within the origin.",
        ),
        fail: Some(
            "The place fails with a 5xx, demands credentials, or answers 200 with something else.",
        ),
        na: Some("There is no document at all."),
        inconclusive: None,
    },
    Entry {
        id: "prm-root-path-agreement",
        probe: "The documents found at different places are compared.",
        pass: "All of them list the same authorization servers.",
        warn: Some("The origin's document speaks of another resource and lists other servers."),
        fail: Some("Two documents speak of the same resource and list different servers."),
        na: Some("Fewer than two documents were found."),
        inconclusive: None,
    },
    Entry {
        id: "prm-http-response",
        probe: "Status, media type and encoding of the document that counts, asked for without credentials.",
        pass: "200 with `application/json`, one object in UTF-8, without a redirect.",
        warn: Some(
            "A related JSON type, a byte order mark, a redirect within the origin, or members that are repeated with equal values.",
        ),
        fail: Some(
            "Another media type, members that are repeated with different values, or credentials are demanded for it.",
        ),
        na: Some("There is no document."),
        inconclusive: None,
    },
    Entry {
        id: "prm-resource-syntax",
        probe: "The member `resource` is parsed.",
        pass: "A string that is an absolute http or https address with a host, without fragment and user information.",
        warn: Some("It has a query."),
        fail: Some(
            "It is missing, no string, relative, no address at all, or carries a fragment or user information.",
        ),
        na: Some("There is no document."),
        inconclusive: None,
    },
    Entry {
        id: "prm-resource-same-origin",
        probe: "Scheme, host and port of `resource` are compared with the endpoint's.",
        pass: "They are equal, letter case and default port aside.",
        warn: Some(
            "Another host of the same site that serves the same document and the same endpoint.",
        ),
        fail: Some("Any other difference, also that between http and https."),
        na: Some("`resource` is missing or illegal."),
        inconclusive: None,
    },
    Entry {
        id: "prm-resource-identical",
        probe: "`resource` is compared with the endpoint's address, character by character; the origin's document also with the bare origin.",
        pass: "Identical; or it is the origin's document and names the origin.",
        warn: Some(
            "It names a parent path of the endpoint, or differs by one slash at the end, by letter case of the host, or by a written default port.",
        ),
        fail: Some(
            "It is on the same origin but names a longer, a neighbouring or a differently spelled path.",
        ),
        na: Some("`resource` is of another origin, which is judged there."),
        inconclusive: None,
    },
    Entry {
        id: "prm-resource-canonical",
        probe: "The spelling of `resource` is looked at.",
        pass: "Lower case in scheme and host, no default port, no needless slash, no dot segments, no query.",
        warn: Some("One of these is there."),
        fail: None,
        na: Some("`resource` is missing or illegal."),
        inconclusive: None,
    },
    Entry {
        id: "prm-authorization-servers-present",
        probe: "The member `authorization_servers` is read.",
        pass: "A list of at least one string.",
        warn: None,
        fail: Some("It is missing, empty, a bare string, or holds something else than strings."),
        na: Some("There is no document."),
        inconclusive: None,
    },
    Entry {
        id: "prm-authorization-servers-form",
        probe: "Each listed value is parsed.",
        pass: "Every value is an absolute https address without query and fragment, and no endpoint or metadata address.",
        warn: Some(
            "A value is an endpoint or metadata address from which the issuer can be guessed; clients that do not guess will not find it.",
        ),
        fail: Some(
            "A value is plain http, relative, private, a placeholder, or has a query or fragment.",
        ),
        na: Some("The member is missing."),
        inconclusive: None,
    },
    Entry {
        id: "prm-authorization-servers-resolve",
        probe: "For each listed issuer the metadata places are asked as a client would.",
        pass: "Every listed issuer has a metadata document.",
        warn: Some("One has and another has not."),
        fail: Some(
            "The domain of a listed issuer is not registered, so that anybody could take it.",
        ),
        na: Some(
            "The member is missing or malformed, or no issuer has a document, which `asm-discoverable` judges.",
        ),
        inconclusive: Some(
            "A listed host cannot be reached or blocks us although its name and its certificate are in order.",
        ),
    },
    Entry {
        id: "prm-recommended-fields",
        probe: "The descriptive members are read.",
        pass: "`scopes_supported` and `resource_name` are there and of the right type.",
        warn: Some("One is missing or of a wrong type."),
        fail: None,
        na: Some("There is no document."),
        inconclusive: None,
    },
    Entry {
        id: "prm-bearer-methods",
        probe: "The member `bearer_methods_supported` is read.",
        pass: "It is absent, or lists the header alone.",
        warn: Some("It lists the form body too."),
        fail: Some("It lists the query string, or lists something but not the header."),
        na: Some("There is no document."),
        inconclusive: None,
    },
    Entry {
        id: "prm-no-empty-values",
        probe: "The top-level members of the resource's and the authorization server's documents are looked through.",
        pass: "None is empty or null.",
        warn: Some(
            "An optional one is. An empty list of bearer methods has a meaning and does not count.",
        ),
        fail: None,
        na: Some("There is no document."),
        inconclusive: None,
    },
    Entry {
        id: "prm-crypto-hygiene",
        probe: "Signed metadata, key address and signature algorithms of the document are parsed, where it has them.",
        pass: "Keys are public and reached over https, `none` is not offered, and signed metadata is asymmetric, verifies and agrees with the plain members.",
        warn: Some("The key of the signed metadata cannot be found, or it holds itself."),
        fail: Some(
            "`none` is offered, the keys are reached over plain http, or the signed values contradict the plain ones or are not signed at all.",
        ),
        na: Some("The document has none of these members."),
        inconclusive: None,
    },
    Entry {
        id: "prm-as-crosscheck",
        probe: "If the authorization server lists the resources that it protects, this one is looked up there.",
        pass: "It is listed exactly.",
        warn: Some("There is a list, and the resource is not on it."),
        fail: None,
        na: Some("There is no such list, which is the common case."),
        inconclusive: None,
    },
];
