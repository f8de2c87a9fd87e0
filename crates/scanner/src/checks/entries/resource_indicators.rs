//! How the checks on resource indicators are probed and judged, in words.

use super::Entry;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        id: "ri-scope-prefix",
        probe: "For vendors whose scopes carry the resource's name, the prefix of published scopes is compared with `resource`.",
        pass: "They are the same.",
        warn: Some("Only scopes without a prefix are published."),
        fail: Some("The scopes belong to another resource."),
        na: Some("The vendor is not of that kind."),
        inconclusive: None,
    },
    Entry {
        id: "ri-authorize-accepts",
        probe: "With consent, two authorization requests that differ only in the parameter `resource`.",
        pass: "Both end alike.",
        warn: None,
        fail: Some("Only the one with `resource` is refused."),
        na: Some("There is no test client."),
        inconclusive: Some("Both are refused."),
    },
    Entry {
        id: "ri-foreign-refused",
        probe: "With consent, an authorization request for a resource that is not this one.",
        pass: "It is refused with `invalid_target`.",
        warn: Some("It goes on to login as if the parameter were not there."),
        fail: Some("With the owner's login, a token for the foreign resource is issued."),
        na: Some("Correct resources are refused too."),
        inconclusive: None,
    },
    Entry {
        id: "ri-token-audience",
        probe: "With the owner's login, the audience of the token that is issued for this resource, and a token request for another one.",
        pass: "The audience is this resource and nothing unrelated, and the other resource is refused.",
        warn: Some("The audience is a fixed identifier that the server is documented to check."),
        fail: Some(
            "There is no audience, it is shared by several services, or the other resource is served silently.",
        ),
        na: Some("The token cannot be read and cannot be inspected."),
        inconclusive: Some("The token cannot be read."),
    },
];
