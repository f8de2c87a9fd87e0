//! Servers.

use super::{
    Answer, BAD, CURSOR, JSON, Keeping, LIMIT, Operation, Parameter, SERVER_ID, ok, parameter,
};

pub(super) const ALL: &[Operation] = &[
    Operation {
        method: "get",
        path: "/api/v1/servers",
        id: "listServers",
        tag: "Servers",
        summary: "Servers, filtered and sorted",
        text: "Conditions are joined by and. Pages follow each other by cursor: rows that are added meanwhile neither repeat others nor push them out.",
        parameters: LIST,
        body: None,
        answers: &[Answer {
            status: 200,
            media: &[
                (JSON, "list:#Server"),
                ("text/csv", "string"),
                ("application/x-ndjson", "string"),
            ],
            text: "A page. CSV and NDJSON hold the same servers, a line each; next is in Link.",
            headers: &["Link"],
        }],
        problems: &[(400, &["validation", "invalid-cursor"])],
        keeping: Keeping::List,
    },
    Operation {
        method: "get",
        path: "/api/v1/servers/lookup",
        id: "lookUpServer",
        tag: "Servers",
        summary: "The server at an address",
        text: "The address is normalised as sources are. Nothing is asked of the server.",
        parameters: &[parameter(
            "url",
            "string",
            "Address of an MCP endpoint; required.",
        )],
        body: None,
        answers: &[Answer {
            status: 303,
            media: &[],
            text: "Location is the server.",
            headers: &["Location"],
        }],
        problems: &[
            (400, BAD),
            (404, &["unknown-server"]),
            (422, &["target-not-allowed"]),
        ],
        keeping: Keeping::Never,
    },
    Operation {
        method: "get",
        path: "/api/v1/servers/{id}",
        id: "getServer",
        tag: "Servers",
        summary: "A server",
        text: "",
        parameters: &[
            SERVER_ID,
            parameter(
                "include",
                "string",
                "report, history, or both with a comma.",
            ),
        ],
        body: None,
        answers: &[ok(&[(JSON, "#ServerDetail")], "The server.")],
        problems: &[(400, BAD), (404, &["unknown-server"])],
        keeping: Keeping::Minute,
    },
    Operation {
        method: "get",
        path: "/api/v1/servers/{id}/scans",
        id: "listScans",
        tag: "Servers",
        summary: "The history of a server",
        text: "One entry for each stretch of scans that saw and were judged the same, the newest first.",
        parameters: &[SERVER_ID, CURSOR, LIMIT],
        body: None,
        answers: &[Answer {
            status: 200,
            media: &[(JSON, "list:#Stretch")],
            text: "A page.",
            headers: &["Link"],
        }],
        problems: &[
            (400, &["validation", "invalid-cursor"]),
            (404, &["unknown-server"]),
        ],
        keeping: Keeping::List,
    },
    Operation {
        method: "get",
        path: "/api/v1/servers/{id}/listings",
        id: "listListings",
        tag: "Servers",
        summary: "What sources say of a server",
        text: "Each statement with the time it was made, and beside the newest scan if it stands.",
        parameters: &[SERVER_ID],
        body: None,
        answers: &[ok(&[(JSON, "#Listings")], "The statements.")],
        problems: &[(400, BAD), (404, &["unknown-server"])],
        keeping: Keeping::Minute,
    },
];

const LIST: &[Parameter] = &[
    parameter(
        "q",
        "string",
        "Part of a name, host or address; 100 characters count.",
    ),
    parameter(
        "letter",
        "words:mark",
        "Letter or badge. A+ is written A%2B.",
    ),
    parameter("badge", "words:badge", "The same as letter."),
    parameter("class", "words:class", "Class of the server."),
    parameter("era", "words:era", "Transport generations it speaks."),
    parameter(
        "claimed",
        "words:revision",
        "Newest revision it shows or implies.",
    ),
    parameter(
        "registration",
        "in:cimd|dcr_only|none",
        "How clients may register.",
    ),
    parameter("pkce", "in:s256|other|absent", "What is announced of PKCE."),
    parameter(
        "product",
        "string",
        "Product of its authorization server, or unrecognised.",
    ),
    parameter(
        "issuer",
        "string",
        "An issuer that it names: the id or the identifier.",
    ),
    parameter("failing", "string", "Id of a check that fails."),
    parameter("source", "string", "A source that lists it."),
    parameter(
        "stale",
        "in:true|false",
        "Whether the newest evidence is old. Goes with sort=checked, which is then the order without a wish.",
    ),
    parameter(
        "changed_since",
        "time",
        "A scan saw something new since then. Goes with sort=changed, which is then the order without a wish.",
    ),
    parameter(
        "sort",
        "in:letter|checked|changed|name",
        "Order: best letter first (without a wish), last scanned first, last changed first, by name.",
    ),
    parameter(
        "count",
        "in:estimate",
        "Adds count: the number of servers for which the rarest of the conditions holds, exact for at most one condition.",
    ),
    CURSOR,
    LIMIT,
    parameter("format", "in:json|csv|ndjson", "Form of the answer."),
];
