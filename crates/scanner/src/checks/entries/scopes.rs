//! How the checks on scopes are probed and judged, in words.

use super::Entry;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        id: "scope-no-offline-access",
        probe: "Challenge and resource metadata are searched for `offline_access`.",
        pass: "Neither has it.",
        warn: Some("One has."),
        fail: None,
        na: Some("No scopes are published."),
        inconclusive: None,
    },
    Entry {
        id: "scope-catalog-minimal",
        probe: "The scopes of the metadata and of the challenge are counted, compared, and searched for names that mean everything.",
        pass: "None means everything, there are at most 15, and the challenge does not ask for a whole catalogue of more than 8.",
        warn: Some("One of these is not so."),
        fail: None,
        na: Some("No scopes are published."),
        inconclusive: None,
    },
    Entry {
        id: "scope-insufficient-403",
        probe: "With a token that lacks the scope of a harmless operation which the owner names.",
        pass: "403 with a Bearer challenge that says `insufficient_scope`.",
        warn: Some("403 without it, 401, or a refusal inside a 200."),
        fail: Some("The operation succeeds."),
        na: Some("The server has no scopes."),
        inconclusive: None,
    },
    Entry {
        id: "scope-challenge-content",
        probe: "With the owner's login, the challenge of that refusal, and the same call with a token for the scopes it asks for.",
        pass: "It names scopes and metadata, and one further login is enough.",
        warn: Some("One of the two is missing, or a second refusal asks for more."),
        fail: Some("A token with the scopes asked for never succeeds."),
        na: Some("No such refusal was seen."),
        inconclusive: None,
    },
    Entry {
        id: "scope-hierarchy",
        probe: "With a token that has only the broader of two scopes which the owner says include each other.",
        pass: "The call succeeds.",
        warn: None,
        fail: Some("It is refused for lack of the narrower one."),
        na: Some("The owner states no such order."),
        inconclusive: None,
    },
];
