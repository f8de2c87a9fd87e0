//! The forms of the official registry.

use super::Component;

pub(super) const ALL: &[Component] = &[
    (
        "RegistryPage",
        "A page of a registry, in the official form.",
        &[
            ("servers", "[#RegistryEntry]", "The entries."),
            (
                "metadata",
                "#RegistryMetadata",
                "How many they are, and where the next page begins.",
            ),
        ],
    ),
    (
        "RegistryEntry",
        "An entry as it was received: text of a stranger.",
        &[
            ("server", "object", "The entry's server.json."),
            (
                "_meta?",
                "object",
                "Statements about it, each under the reversed host of who makes it; ours end in /authorization.",
            ),
        ],
    ),
    (
        "RegistryMetadata",
        "About a page of a registry.",
        &[
            ("count", "count", "Entries on the page."),
            (
                "nextCursor?",
                "string",
                "Where the next page begins; absent at the end.",
            ),
        ],
    ),
    (
        "RegistryError",
        "An error as the official registry writes it.",
        &[("error", "string", "What was wrong.")],
    ),
];
