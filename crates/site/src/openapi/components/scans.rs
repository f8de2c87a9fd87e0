//! Scans, differences and suppositions.

use super::Component;

pub(super) const ALL: &[Component] = &[
    (
        "ScanRequest",
        "A wish for a scan: of an address, or of a known server.",
        &[
            ("url?", "string?", "Address of an MCP endpoint."),
            (
                "server?",
                "string?",
                "Id of a known server, instead of url.",
            ),
            (
                "max_age?",
                "integer?",
                "Seconds that an answer may be old. A scan within the cooldown is answered again unless it is older than this; 0 insists on a new one.",
            ),
            (
                "depth?",
                "string?",
                "passive or standard: how much may be asked. Deeper scans are started by the owner.",
            ),
        ],
    ),
    (
        "Wish",
        "A scan that was asked for. Its id is an address under /scans until the scan is there.",
        &[
            (
                "id",
                "string",
                "Id of the wish, or of the scan that answers it already.",
            ),
            ("server", "id:srv", "The server."),
            ("status", "string", "queued, running, finished or failed."),
            ("position?", "count?", "Place in the queue."),
            ("cached?", "boolean", "An earlier scan answers it."),
            ("retry_at?", "time", "When a new scan may be asked for."),
            ("scan?", "id:scn?", "The scan that answers it."),
            ("links?", "#ScanLinks?", "Where that scan is."),
        ],
    ),
    (
        "Scan",
        "A finished scan.",
        &[
            ("id", "id:scn", "Id of the scan; it stays."),
            ("server", "id:srv", "The server."),
            ("url", "string", "Its endpoint."),
            ("status", "string", "finished."),
            ("started", "time", "When it began."),
            ("rubric", "string", "Rubric of its published report."),
            (
                "same_as",
                "id:scn?",
                "The earlier scan that saw the same, whose evidence it shares.",
            ),
            ("links", "#ScanLinks", "Where to go on."),
            (
                "report?",
                "#Report",
                "With include=report: the published report.",
            ),
        ],
    ),
    (
        "ScanLinks",
        "Addresses of a scan.",
        &[
            ("self", "link", "The scan."),
            ("page", "link", "The page for people."),
            ("report", "link", "The report it was published with."),
            ("today", "link", "Its evidence under today's rubric."),
            ("evidence", "link", "Requests and answers."),
        ],
    ),
    (
        "ReportEntry",
        "A report of a scan.",
        &[
            ("rubric", "string", "Version of the rubric."),
            ("published", "boolean", "The scan was published with it."),
            ("link", "link", "The report."),
        ],
    ),
    (
        "WhatIf",
        "The grade of a scan if some findings were fixed.",
        &[
            ("scan", "id:scn", "The scan."),
            ("rubric", "string", "Rubric."),
            ("fix", "[string]", "Checks supposed to pass."),
            (
                "fixable",
                "[string]",
                "Checks that can be supposed to pass.",
            ),
            ("now", "#Report.grade", "The grade as it is."),
            (
                "low",
                "#Report.grade",
                "What stood behind the fixed checks gets no credit.",
            ),
            (
                "high",
                "#Report.grade",
                "What stood behind the fixed checks passes.",
            ),
            (
                "unknown",
                "[string]",
                "Checks that would be asked for the first time.",
            ),
            ("path", "#Steps?", "A few fixes that raise the letter."),
        ],
    ),
    (
        "Steps",
        "Fixes that raise the letter.",
        &[
            ("fix", "[string]", "The checks, in order."),
            ("low", "words:letter?", "The letter then, at least."),
            ("high", "words:letter?", "The letter then, at most."),
        ],
    ),
    (
        "Difference",
        "Two scans of one server under one rubric.",
        &[
            ("a", "id:scn", "The first scan."),
            ("b", "id:scn", "The second scan."),
            ("server", "id:srv", "The server."),
            ("rubric", "string", "The rubric both are judged under."),
            ("letter", "#Letters", "Letter or badge of each."),
            ("score", "#Scores", "Scores of each."),
            (
                "causes",
                "[#Cause]",
                "Parts of the change of the published score; they add up to it.",
            ),
            ("checks", "[#CheckChange]", "Checks with another answer."),
            ("regressed", "count", "Checks that got worse."),
            ("fixed", "count", "Checks that got better."),
            ("documents", "[#DocumentChange]", "Documents that differ."),
            ("identical", "boolean", "Nothing that was observed differs."),
        ],
    ),
    (
        "Letters",
        "A mark on both sides.",
        &[
            ("a", "words:mark?", "Of the first scan."),
            ("b", "words:mark?", "Of the second scan."),
        ],
    ),
    (
        "Scores",
        "Scores on both sides, as published and under one rubric.",
        &[
            (
                "a_as_published",
                "percent?",
                "Of the first scan, as published.",
            ),
            (
                "b_as_published",
                "percent?",
                "Of the second scan, as published.",
            ),
            (
                "a",
                "percent?",
                "Of the first scan, under the common rubric.",
            ),
            (
                "b",
                "percent?",
                "Of the second scan, under the common rubric.",
            ),
        ],
    ),
    (
        "Cause",
        "A part of the change of the score.",
        &[
            (
                "cause",
                "string",
                "rubric, server, authorization_server, listing, network or scanner.",
            ),
            ("tenths", "integer", "Tenths of a point."),
        ],
    ),
    (
        "CheckChange",
        "A check with another answer.",
        &[
            ("check", "string", "Id of the check."),
            ("a", "string?", "Verdict in the first scan."),
            ("b", "string?", "Verdict in the second scan."),
            (
                "group",
                "string",
                "regressed, fixed, newly_judged, no_longer_judged or reworded.",
            ),
            (
                "tenths",
                "integer",
                "What it changes of the score, in tenths of a point.",
            ),
            ("cause", "string", "What it is due to."),
        ],
    ),
    (
        "DocumentChange",
        "A document that differs. With Accept: application/json-patch+json the patches alone are given.",
        &[
            (
                "kind",
                "string",
                "challenge, resource_metadata, as_metadata or jwks.",
            ),
            (
                "issuer",
                "string?",
                "The issuer, for documents of an authorization server.",
            ),
            (
                "patch",
                "[object]",
                "Operations of RFC 6902, each with the value it replaces as `was`.",
            ),
        ],
    ),
    (
        "PatchOperation",
        "An operation of RFC 6902 over an object that holds one member per document, named as kind, or kind and issuer with a blank between.",
        &[
            ("op", "in:add|remove|replace", "What is done."),
            ("path", "string", "JSON Pointer."),
            ("value?", "any", "The new value."),
        ],
    ),
];
