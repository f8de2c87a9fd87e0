//! The field as a whole: adoption over time, identity servers, what breaks when something goes.

use super::{Answer, BAD, CURSOR, JSON, Keeping, LIMIT, Operation, Parameter, ok, parameter};

const FORMAT: Parameter = parameter("format", "in:json|csv", "Form of the answer.");

pub(super) const ALL: &[Operation] = &[
    Operation {
        method: "get",
        path: "/api/v1/stats/{series}",
        id: "getSeries",
        tag: "Numbers",
        summary: "A series, day by day",
        text: "The days on which was counted, oldest first, at most 1,000, on one page.",
        parameters: &[
            parameter(
                "series",
                "in:rfc9728|s256|cimd|dcr|iss|dcr_only|http_sse|legacy_root",
                "What is counted.",
            ),
            parameter("from", "day", "First day."),
            parameter("to", "day", "Last day."),
            FORMAT,
        ],
        body: None,
        answers: &[ok(
            &[(JSON, "list:#Point"), ("text/csv", "string")],
            "The days.",
        )],
        problems: &[(400, BAD), (404, &["not-found"])],
        keeping: Keeping::Hour,
    },
    Operation {
        method: "get",
        path: "/api/v1/radar",
        id: "getRadar",
        tag: "Numbers",
        summary: "Who breaks when something old goes",
        text: "",
        parameters: &[FORMAT],
        body: None,
        answers: &[ok(
            &[(JSON, "#Radar"), ("text/csv", "string")],
            "What may go, with the servers that break then.",
        )],
        problems: &[(400, BAD)],
        keeping: Keeping::Hour,
    },
    Operation {
        method: "get",
        path: "/api/v1/authorization-servers",
        id: "listProducts",
        tag: "Numbers",
        summary: "Products of authorization servers",
        text: "What the issuers of each product announce, and what is documented of it. Those that most servers use come first, those that were not seen last; all on one page. CSV has a line for each product and announcement.",
        parameters: &[FORMAT],
        body: None,
        answers: &[ok(
            &[(JSON, "list:#Product"), ("text/csv", "string")],
            "The products.",
        )],
        problems: &[(400, BAD)],
        keeping: Keeping::Hour,
    },
    Operation {
        method: "get",
        path: "/api/v1/authorization-servers/{product}",
        id: "getProduct",
        tag: "Numbers",
        summary: "A product with its issuers",
        text: "",
        parameters: &[
            parameter("product", "string", "Id of a product, or unrecognised."),
            CURSOR,
            LIMIT,
        ],
        body: None,
        answers: &[Answer {
            status: 200,
            media: &[(JSON, "#ProductDetail")],
            text: "The product, and a page of its issuers: those that most servers name first.",
            headers: &["Link"],
        }],
        problems: &[
            (400, &["validation", "invalid-cursor"]),
            (404, &["not-found"]),
        ],
        keeping: Keeping::Hour,
    },
    Operation {
        method: "get",
        path: "/api/v1/issuers/{id}",
        id: "getIssuer",
        tag: "Numbers",
        summary: "An issuer with its metadata",
        text: "The id is made of the issuer identifier, so it is the same on every installation. An issuer is known as long as a server names it.",
        parameters: &[parameter("id", "id:iss", "Id of an issuer.")],
        body: None,
        answers: &[ok(&[(JSON, "#IssuerDetail")], "The issuer.")],
        problems: &[(400, BAD), (404, &["not-found"])],
        keeping: Keeping::Hour,
    },
];
