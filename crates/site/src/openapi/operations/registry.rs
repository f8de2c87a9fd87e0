//! Our index as a registry, under both versions of the official registry's paths.

use super::{Answer, JSON, Keeping, Operation, Parameter, parameter};

const LIST: &[Parameter] = &[
    parameter("limit", "page", "Most entries of a page."),
    parameter(
        "cursor",
        "string",
        "metadata.nextCursor of the page before.",
    ),
    parameter("search", "string", "Part of a name."),
    parameter(
        "updated_since",
        "time",
        "Changed then or later; deleted entries are among them.",
    ),
    parameter("version", "string", "One version only, or latest."),
    parameter("include_deleted", "in:true|false", "Also what is deleted."),
    parameter(
        "min_letter",
        "words:letter",
        "Entries whose worst remote has this letter or a better one. Without a published result an entry is left out.",
    ),
    parameter(
        "class",
        "words:class",
        "Entries with a remote of this class.",
    ),
    parameter(
        "exclude_open",
        "in:true|false",
        "Leave out entries with a remote that takes anybody.",
    ),
];
const NAME: Parameter = parameter("name", "string", "Name of an entry, its slash written %2F.");
const VERSION: Parameter = parameter("version", "string", "A version, or latest.");

const PAGE: &[Answer] = &[Answer {
    status: 200,
    media: &[(JSON, "#RegistryPage")],
    text: "Entries as they were received, with our results in _meta.",
    headers: &[],
}];
const ENTRY: &[Answer] = &[Answer {
    status: 200,
    media: &[(JSON, "#RegistryEntry")],
    text: "The entry.",
    headers: &[],
}];

macro_rules! operation {
    ($path:literal, $id:literal, $summary:literal, $parameters:expr, $answers:expr, $problems:expr) => {
        Operation {
            method: "get",
            path: $path,
            id: $id,
            tag: "Registry",
            summary: $summary,
            text: "",
            parameters: $parameters,
            body: None,
            answers: $answers,
            problems: $problems,
            keeping: Keeping::List,
        }
    };
}

const BAD: &[(u16, &[&str])] = &[(400, &["validation", "invalid-cursor"])];
const NONE: &[(u16, &[&str])] = &[(400, &["validation"]), (404, &["not-found"])];

pub(super) const ALL: &[Operation] = &[
    operation!(
        "/v0.1/servers",
        "registryList",
        "Entries of registries with our results",
        LIST,
        PAGE,
        BAD
    ),
    operation!(
        "/v0.1/servers/{name}/versions",
        "registryVersions",
        "All versions of an entry",
        &[NAME],
        PAGE,
        NONE
    ),
    operation!(
        "/v0.1/servers/{name}/versions/{version}",
        "registryVersion",
        "A version of an entry",
        &[NAME, VERSION],
        ENTRY,
        NONE
    ),
    operation!(
        "/v0/servers",
        "registryList0",
        "The same under the older path",
        LIST,
        PAGE,
        BAD
    ),
    operation!(
        "/v0/servers/{name}/versions",
        "registryVersions0",
        "The same under the older path",
        &[NAME],
        PAGE,
        NONE
    ),
    operation!(
        "/v0/servers/{name}/versions/{version}",
        "registryVersion0",
        "The same under the older path",
        &[NAME, VERSION],
        ENTRY,
        NONE
    ),
];
