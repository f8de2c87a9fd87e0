//! The feed of changes, the catalogue, numbers, and what the service says of itself.

use super::Component;

pub(super) const ALL: &[Component] = &[
    (
        "Change",
        "An entry of the change feed.",
        &[
            (
                "seq",
                "count",
                "Position in the feed: no gaps, and never below one that was readable before.",
            ),
            ("at", "time", "When the scan began."),
            (
                "kind",
                "string",
                "added, improved, regressed, changed, unreachable, recovered, class, delisted, removed or rubric.",
            ),
            ("server", "id:srv", "The server."),
            ("name", "string?", "Its name: text of a stranger."),
            ("url", "string", "Its endpoint."),
            ("from", "string?", "Letter or badge before."),
            ("to", "string?", "Letter or badge after."),
            (
                "cause",
                "string",
                "What it is due to; first for an added server.",
            ),
            ("checks", "[string]", "Checks with another verdict."),
            ("scan", "id:scn", "The scan that saw it."),
            ("previous_scan", "id:scn?", "The scan before."),
            ("diff", "link?", "The page that compares the two."),
        ],
    ),
    (
        "Check",
        "A check of the catalogue.",
        &[
            (
                "id",
                "string",
                "Id; it stays, also when the check is retired.",
            ),
            ("title", "string", "What it asks, as a title."),
            ("area", "words:area", "Part of the catalogue."),
            ("level", "words:level", "Keyword of the standard."),
            ("party", "[string]", "Who can act on it."),
            (
                "class",
                "words:probes",
                "How deep a scan must be to judge it.",
            ),
            ("severity", "string", "How bad a failure is."),
            ("scored", "boolean", "A failure costs points."),
            (
                "retired",
                "boolean",
                "Not in force under the newest revision.",
            ),
            (
                "revisions",
                "{string}",
                "How it stands under each revision.",
            ),
            ("citations", "[#Citation]", "What it rests on."),
            ("probe", "string", "What is asked of a server."),
            ("verdicts", "{string}", "What each verdict means."),
            ("why", "string", "Why it matters."),
            ("fix", "string", "What to do about a failure."),
            ("traps", "string", "What is easily misjudged."),
            ("tally", "#Tally?", "How servers do on it."),
            ("page", "link", "The page for people."),
        ],
    ),
    (
        "Citation",
        "A place in a standard.",
        &[
            ("text", "string", "The place in words."),
            ("url", "string?", "Where it can be read."),
        ],
    ),
    (
        "Tally",
        "Servers by their newest verdict.",
        &[
            ("pass", "count", "Pass."),
            ("warn", "count", "Warn."),
            ("fail", "count", "Fail."),
            (
                "unjudged",
                "count",
                "It does not apply, or could not be told.",
            ),
        ],
    ),
    (
        "Stats",
        "The index in numbers.",
        &[
            (
                "schema_version",
                "string",
                "Version of the form of answers.",
            ),
            (
                "generated_at",
                "time",
                "When it was answered, to the minute.",
            ),
            ("rubric", "string", "The rubric in force."),
            ("servers", "count", "Servers known."),
            ("scanned", "count", "Servers with a report."),
            ("graded", "count", "Servers with a letter."),
            ("scans", "count", "Scans filed."),
            ("changes_7d", "count", "Changes in the last seven days."),
            (
                "median_age_seconds",
                "count?",
                "Median age of the newest scans.",
            ),
            (
                "queue",
                "count",
                "Servers that are due, counted up to 10,000.",
            ),
            ("letters", "{count}", "Servers by letter or badge."),
            ("classes", "{count}", "Servers by class."),
            ("eras", "{count}", "Servers by era."),
            ("claimed", "{count}", "Servers by claimed revision."),
            ("registration", "{count}", "Servers by way of registration."),
            ("pkce", "{count}", "Servers by announcement of PKCE."),
            ("sources", "{count}", "Servers by source."),
        ],
    ),
    (
        "Methodology",
        "The rubric in force.",
        &[
            (
                "schema_version",
                "string",
                "Version of the form of answers.",
            ),
            ("rubric", "string", "Version."),
            ("effective", "day", "The day it took effect."),
            (
                "digest",
                "string",
                "Digest of everything that can change a verdict or a letter.",
            ),
            (
                "letters",
                "[object]",
                "Letters with their bounds and meanings.",
            ),
            ("badges", "[object]", "Badges with their meanings."),
            (
                "categories",
                "[object]",
                "Categories with their shares of the score.",
            ),
            ("unscored", "[string]", "Areas that cost no points."),
        ],
    ),
    (
        "Policy",
        "What is sent to servers, and how often.",
        &[
            (
                "schema_version",
                "string",
                "Version of the form of answers.",
            ),
            ("version", "string", "Version of the policy."),
            ("contact", "string?", "Whom to write to."),
            (
                "requests_per_scan",
                "{count}",
                "Most requests to the endpoint and to one authorization server.",
            ),
            (
                "host_interval_ms",
                "count",
                "Shortest time between two requests to a host.",
            ),
            ("interval_ms", "count", "Time between scheduled scans."),
            (
                "cooldown_ms",
                "count",
                "Shortest time between two scans on request.",
            ),
            (
                "stale_after_ms",
                "count",
                "Age from which evidence is called stale.",
            ),
        ],
    ),
    (
        "Rubric",
        "A version of the rules.",
        &[
            (
                "version",
                "string",
                "YYYY.N; raised whenever a verdict, weight or ceiling may come out differently.",
            ),
            ("effective", "day", "The day it took effect."),
            ("current", "boolean", "It is the one in force."),
            ("link", "link", "The rubric."),
        ],
    ),
    (
        "RubricDetail",
        "A version of the rules with its weights.",
        &[
            ("version", "string", "YYYY.N."),
            ("effective", "day", "The day it took effect."),
            ("current", "boolean", "It is the one in force."),
            (
                "digest",
                "string",
                "Digest of everything that can change a verdict or a letter.",
            ),
            (
                "categories",
                "[object]",
                "Categories with their shares of the score.",
            ),
            (
                "checks",
                "[#Weight]",
                "Checks with their weights, in the order of the catalogue.",
            ),
        ],
    ),
    (
        "Weight",
        "What a check counts.",
        &[
            ("check", "string", "Id of the check."),
            ("severity", "string", "How bad a failure is."),
            (
                "weight",
                "count",
                "Its weight within its category; 0 if it is not scored.",
            ),
            ("category", "string?", "The category."),
        ],
    ),
    (
        "Version",
        "Which program this is.",
        &[
            ("name", "string", "Name of the installation."),
            ("version", "string", "Version of the program."),
            ("rubric", "string", "The rubric in force."),
            (
                "schema_version",
                "string",
                "Version of the form of answers.",
            ),
            ("report_schema", "string", "Schema of reports."),
        ],
    ),
    (
        "Badge",
        "A badge for shields.io: its endpoint schema 1.",
        &[
            ("schemaVersion", "count", "1."),
            ("label", "string", "What it is about."),
            ("message", "string", "Letter or word."),
            ("color", "string", "Fill."),
        ],
    ),
    (
        "Problem",
        "A refusal or failure (RFC 9457). The type is an address with an explanation; types have members of their own.",
        &[
            ("type", "link", "What kind of problem it is."),
            ("title", "string", "The kind in a few words."),
            ("status", "count", "Status of the answer."),
            ("detail", "string", "What was wrong and what to do."),
            ("instance", "string", "Path of the request."),
            ("request_id", "string", "Id to name when asking about it."),
            ("errors?", "[#Fault]", "validation: places in the request."),
            ("submit?", "link", "unknown-server: where it can be added."),
            (
                "rule?",
                "string",
                "target-not-allowed: the rule that forbids it.",
            ),
            (
                "retry_at?",
                "time",
                "cooldown: when a new scan may be asked for.",
            ),
            ("scan?", "id:scn?", "cooldown: the newest scan."),
        ],
    ),
    (
        "Fault",
        "A place in the request that is not as expected.",
        &[
            (
                "pointer",
                "string",
                "JSON Pointer of the member or parameter.",
            ),
            ("detail", "string", "What is expected there."),
        ],
    ),
    (
        "Edition",
        "A finished export: a folder of files.",
        &[
            ("edition", "string", "The day, or the month of one in full."),
            ("generated", "time", "When it was begun."),
            ("extent", "in:today|full", "How much it holds."),
            ("rubric", "string", "Rubric in force."),
            ("licence", "string", "Licence of the data."),
            ("manifest", "link", "The description of its files."),
            ("files", "[#ExportFile]", "Its files."),
        ],
    ),
    (
        "ExportFile",
        "A file of an export.",
        &[
            ("href", "link", "Where it is."),
            ("file", "string", "Its name."),
            ("kind", "string", "Kind of its records; tables for all."),
            ("format", "string", "Its form."),
            ("schema", "string", "Version of the form of records."),
            ("rows", "count", "Records."),
            ("bytes", "count", "Size."),
            ("sha256", "string", "SHA-256, hexadecimal."),
            (
                "left_out",
                "string",
                "How many records are left out, as a band.",
            ),
        ],
    ),
];
