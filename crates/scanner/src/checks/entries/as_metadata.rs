//! How the checks on authorization server metadata are probed and judged, in words.

use super::Entry;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        id: "asm-discoverable",
        probe: "For each issuer, the places that clients try: with the path inserted for OAuth and for OpenID, and appended for OpenID. Each is fetched once.",
        pass: "One of them gives a metadata object as `application/json`.",
        warn: Some(
            "The media type is another one, or the first place fails and a later one works.",
        ),
        fail: Some(
            "No place of any issuer works. Under 2025-03-26, which has default endpoints, this is a warning.",
        ),
        na: Some(
            "The server is open, has a static key, or names only issuers of unregistered domains.",
        ),
        inconclusive: Some("Something in front of the authorization server blocked every place."),
    },
    Entry {
        id: "asm-rfc8414-location",
        probe: "The OAuth place with the issuer's path inserted.",
        pass: "A valid document of this issuer lies there.",
        warn: Some("From 2025-11-25 on: it does not, but the OpenID document does."),
        fail: Some(
            "Under 2025-06-18 it does not; in every revision, if the place fails with a 5xx or answers with something else.",
        ),
        na: Some("There is no metadata at all."),
        inconclusive: None,
    },
    Entry {
        id: "asm-issuer-identical",
        probe: "`issuer` of each document is compared with the entry that led to it, character by character, and the kind of difference is named.",
        pass: "Identical.",
        warn: None,
        fail: Some(
            "Different. One slash counts medium, a template that was never filled in counts high, anything else critical.",
        ),
        na: Some("There is no document, or `issuer` is no legal identifier."),
        inconclusive: None,
    },
    Entry {
        id: "asm-issuer-syntax",
        probe: "The member `issuer` is parsed.",
        pass: "An absolute https address without query and fragment.",
        warn: Some("Upper case in scheme or host, or a written default port."),
        fail: Some("It is missing, no string, plain http, no address, or has a query or fragment."),
        na: Some("There is no document, or the value is a template."),
        inconclusive: None,
    },
    Entry {
        id: "asm-required-fields",
        probe: "Types and values of the members that the code flow needs.",
        pass: "Both endpoints and the response type `code` are there, and grants, where listed, include `authorization_code`.",
        warn: Some(
            "The grants are not listed, so that the default applies, which includes the implicit one.",
        ),
        fail: Some(
            "A member is missing or of a wrong type, `code` is not offered, or the listed grants leave the code flow out without serving machines only.",
        ),
        na: Some("There is no document."),
        inconclusive: None,
    },
    Entry {
        id: "asm-endpoints-https",
        probe: "Every member that names an endpoint or address is parsed. Nothing is requested.",
        pass: "All are https addresses with public names, without fragment and user information.",
        warn: Some(
            "One lies on an unrelated site, is a bare IP address, or uses a port of its own.",
        ),
        fail: Some(
            "One is not https, or names a private or single-label host, or carries a fragment or user information; or a documentation address is a script.",
        ),
        na: Some("There is no document."),
        inconclusive: None,
    },
    Entry {
        id: "asm-documents-consistent",
        probe: "The OAuth and the OpenID document of one issuer are compared in the members that clients act on.",
        pass: "They agree.",
        warn: Some("They differ in what they say is supported."),
        fail: Some("They differ in the issuer or in an endpoint."),
        na: Some("Fewer than two documents count."),
        inconclusive: None,
    },
    Entry {
        id: "asm-legacy-grants",
        probe: "Response types and grants are searched for the implicit and the password grant.",
        pass: "Neither is offered.",
        warn: Some("One is."),
        fail: None,
        na: Some("There is no document."),
        inconclusive: None,
    },
    Entry {
        id: "asm-public-client-auth",
        probe: "The authentication methods of the token endpoint are read together with the ways to register.",
        pass: "`none` is offered, or `private_key_jwt` together with client metadata documents.",
        warn: Some(
            "Nothing is listed, so that a secret is the default; or only secrets are offered to clients that register themselves.",
        ),
        fail: Some("Only client certificates are accepted."),
        na: Some("There is no document."),
        inconclusive: None,
    },
    Entry {
        id: "asm-alg-none",
        probe: "The lists of signature algorithms are searched for `none`.",
        pass: "It is in no list.",
        warn: Some(
            "It is only in lists for ID tokens or request objects, where some profiles allow it.",
        ),
        fail: Some("It is in a list for client authentication or DPoP."),
        na: Some("There are no such lists."),
        inconclusive: None,
    },
    Entry {
        id: "asm-iss-parameter",
        probe: "The member `authorization_response_iss_parameter_supported` is read.",
        pass: "It is `true`.",
        warn: Some("It is absent or `false`."),
        fail: Some("It is there and no boolean."),
        na: Some("There is no document."),
        inconclusive: None,
    },
    Entry {
        id: "asm-dpop-consistency",
        probe: "What resource, authorization server and challenges say of DPoP is compared.",
        pass: "Asymmetric algorithms only, and both sides have one in common.",
        warn: Some(
            "The resource announces DPoP, and the authorization server lists no algorithm for it.",
        ),
        fail: Some(
            "A symmetric algorithm or `none` is listed, or bound tokens are demanded that the authorization server cannot issue.",
        ),
        na: Some("Nothing speaks of DPoP."),
        inconclusive: None,
    },
    Entry {
        id: "asm-no-mandatory-extensions",
        probe: "The document is searched for demands that plain MCP clients cannot meet: pushed requests, signed request objects, client certificates, bound tokens.",
        pass: "It makes no such demand.",
        warn: Some("It makes one."),
        fail: None,
        na: Some("There is no document."),
        inconclusive: None,
    },
    Entry {
        id: "asm-extension-consistency",
        probe: "Authorization extensions that the server or the metadata mentions are compared with the grants of the authorization server.",
        pass: "The grant or profile that the extension needs is listed.",
        warn: Some(
            "The extension is mentioned without its grant, or the profile without the grant it rests on.",
        ),
        fail: None,
        na: Some("No extension can be seen."),
        inconclusive: None,
    },
];
