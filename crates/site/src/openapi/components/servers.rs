//! Servers, their histories and what sources say of them.

use crate::openapi::kinds::Member;

use super::Component;

macro_rules! server {
    ($($more:expr),* $(,)?) => {
        &[
            ("id", "id:srv", "Id of the server; it stays."),
            ("url", "string", "The endpoint, normalised."),
            ("host", "string", "Its host."),
            ("name", "string?", "Name from the preferred listing: text of a stranger."),
            ("class", "like:class?", "What kind of server it is."),
            ("era", "like:era?", "Which transport generations it speaks."),
            ("exposure", "string?", "What an open server gives to strangers."),
            ("grade", "#ShortGrade?", "The headline grade; null before the first scan."),
            ("claimed", "#ClaimedGrade?", "The grade under the newest revision that the server itself shows or implies."),
            ("registration", "string?", "How clients may register: cimd, dcr_only or none; null where there is no authorization server."),
            ("pkce", "string?", "What is announced of PKCE: s256, other or absent."),
            ("state", "string", "queued, published or failed."),
            ("stale", "boolean", "The newest evidence is older than the installation's limit."),
            ("listed", "boolean", "At least one source still lists it."),
            ("first_seen", "time", "When it became known."),
            ("checked", "time?", "When it was last scanned."),
            ("changed", "time?", "When a scan last saw something new."),
            ("scan", "id:scn?", "The newest scan."),
            ("scans", "count", "Scans filed."),
            ("next_scan_at", "time?", "When it is due; null for never."),
            (
                "held_until",
                "time?",
                "A newer result is held; when it is decided upon at the latest.",
            ),
            ("sources", "[string]", "Sources that list it."),
            ("authorization_servers", "[string]", "Issuers it names: text of a stranger."),
            ("links", "#ServerLinks", "Where to go on."),
            $($more),*
        ]
    };
}

const SERVER: &[Member] = server!();
const DETAIL: &[Member] = server!(
    (
        "report?",
        "#Report?",
        "With include=report: the newest report."
    ),
    (
        "history?",
        "[#Stretch]",
        "With include=history: up to 100 stretches, the newest first."
    ),
);

pub(super) const ALL: &[Component] = &[
    ("Server", "A server in its current state.", SERVER),
    (
        "ServerDetail",
        "A server with what was asked to be included.",
        DETAIL,
    ),
    (
        "ShortGrade",
        "A grade in short: a letter, or a badge where no letter applies.",
        &[
            ("letter", "words:letter?", "Letter, unless a badge applies."),
            ("badge", "words:badge?", "Badge, unless a letter applies."),
            ("score", "percent?", "The score, before any ceiling."),
            (
                "doubtful",
                "boolean",
                "Printed with a question mark: too little could be judged.",
            ),
            (
                "coverage",
                "percent?",
                "Share of the weight of MUST checks that came to a verdict.",
            ),
            (
                "revision",
                "words:revision",
                "The revision it is judged under.",
            ),
            (
                "cap",
                "#ShortCap?",
                "The lowest ceiling that a finding set.",
            ),
        ],
    ),
    (
        "ShortCap",
        "A ceiling that a finding sets.",
        &[
            ("letter", "string?", "The best letter below it."),
            ("check", "string", "The check."),
            ("party", "string?", "Who can lift it."),
        ],
    ),
    (
        "ClaimedGrade",
        "The grade under the claimed revision.",
        &[
            ("revision", "words:revision", "The claimed revision."),
            ("letter", "words:letter?", "The letter under it."),
        ],
    ),
    (
        "ServerLinks",
        "Addresses of a server.",
        &[
            ("self", "link", "This object."),
            ("page", "link", "The page for people."),
            ("badge", "link", "The badge."),
            ("scans", "link", "Its history."),
        ],
    ),
    (
        "Stretch",
        "Scans of a server that saw and were judged the same.",
        &[
            ("first_scan", "id:scn", "The first of them."),
            ("last_scan", "id:scn", "The last of them."),
            ("first_at", "time", "When the first began."),
            ("last_at", "time", "When the last began."),
            ("scans", "count", "How many they are."),
            ("letter", "words:letter?", "Letter."),
            ("badge", "words:badge?", "Badge."),
            ("score", "percent?", "Score."),
            ("class", "like:class?", "Class."),
            (
                "cap_check",
                "string?",
                "The check that set the lowest ceiling.",
            ),
            ("rubric", "string", "Rubric of the letter."),
            (
                "changed",
                "[#VerdictChange]",
                "Checks with another verdict than in the stretch before.",
            ),
            ("links", "#StretchLinks", "Where to go on."),
        ],
    ),
    (
        "VerdictChange",
        "A check with another verdict.",
        &[
            ("check", "string", "Id of the check."),
            ("before", "string", "pass, warn, fail or unjudged."),
            ("after", "string", "The same, afterwards."),
        ],
    ),
    (
        "StretchLinks",
        "Addresses of a stretch.",
        &[
            ("scan", "link", "Its first scan."),
            ("page", "link", "The page of that scan."),
        ],
    ),
    (
        "Listings",
        "What sources say of a server.",
        &[
            ("server", "id:srv", "The server."),
            (
                "data",
                "[#Listing]",
                "Statements, the newest first, at most 500.",
            ),
        ],
    ),
    (
        "Listing",
        "What one source said for a while: text of strangers.",
        &[
            ("source", "string", "The source."),
            ("name", "string?", "Name of the listing."),
            ("version", "string?", "Version of the listing."),
            ("transport", "string?", "Declared transport."),
            (
                "declared_headers",
                "[string]",
                "Names of declared request headers.",
            ),
            (
                "secret_headers",
                "[string]",
                "Those of them that hold a secret.",
            ),
            (
                "auth?",
                "string?",
                "Declared way of authorization: oauth, key or none.",
            ),
            ("status", "string?", "active, deprecated or deleted."),
            (
                "raw_url",
                "string?",
                "The URL as listed, where it differs from the normalised one.",
            ),
            ("siblings", "[string]", "Other URLs of the same listing."),
            (
                "owner?",
                "string?",
                "Who answers for it, in the lister's words.",
            ),
            (
                "tags?",
                "[string]",
                "Words by which the lister groups its servers.",
            ),
            ("depth?", "string?", "Ask no more than this."),
            (
                "interval_ms?",
                "count?",
                "Scan no more often than this, in milliseconds.",
            ),
            ("first_seen", "time", "When this was first read."),
            ("last_seen", "time", "When this was last read."),
            (
                "latest",
                "boolean",
                "It is what the source says now, or said last.",
            ),
            (
                "gone",
                "time?",
                "When the source was found to list the server no longer.",
            ),
            (
                "truth",
                "#Truth?",
                "The statement beside the newest scan, if it stands.",
            ),
        ],
    ),
    (
        "Truth",
        "A listing beside a scan.",
        &[
            (
                "compared",
                "[object]",
                "One comparison for each subject of which either side says something.",
            ),
            (
                "patch",
                "[object]",
                "JSON Patch (RFC 6902) that corrects the remote in the source's entry.",
            ),
        ],
    ),
];
