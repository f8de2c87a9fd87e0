//! How the checks on origin validation and CORS are probed and judged, in words.

use super::Entry;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        id: "origin-rejected",
        probe: "The first request is repeated with a foreign `Origin` and with `null`, and compared with the one without.",
        pass: "Both get a 403.",
        warn: Some(
            "Only one of them does; or an open server answers but gives the foreign origin no permission to read; or another refusal.",
        ),
        fail: Some(
            "An open server answers and permits the foreign origin to read with credentials.",
        ),
        na: None,
        inconclusive: Some(
            "A protected server answers 401 with and without the header, which hides what it checks first.",
        ),
    },
    Entry {
        id: "cors-no-credentials",
        probe: "Permissions for a foreign origin are read off the endpoint, its preflight, the metadata and the keys.",
        pass: "None combines credentials with whatever origin asks.",
        warn: Some("The wildcard is combined with credentials, which browsers ignore."),
        fail: Some("The foreign origin or `null` is sent back together with credentials."),
        na: Some("There are no such permissions."),
        inconclusive: None,
    },
    Entry {
        id: "cors-preflight",
        probe: "A preflight with the headers that browser clients send, and the headers of the 401 to a foreign origin.",
        pass: "It is allowed, and the page may read the challenge.",
        warn: Some(
            "It is allowed but the challenge is hidden, or newer headers are not allowed, or only the 401 carries permissions.",
        ),
        fail: None,
        na: Some("The server does not serve browser clients."),
        inconclusive: None,
    },
    Entry {
        id: "cors-metadata-readable",
        probe: "Metadata and key documents are asked for with a foreign origin.",
        pass: "Any origin may read them.",
        warn: Some("Some may be read and others not."),
        fail: None,
        na: Some("None may be read."),
        inconclusive: None,
    },
];
