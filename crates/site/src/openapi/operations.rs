//! The operations of the API, as a table. The router is not made from it, but tests hold the
//! two against each other both ways, and every status that is named here against an answer.

mod field;
mod index;
mod registry;
mod scans;
mod servers;

/// How long an answer may be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeping {
    /// A minute, and ten more while it is asked for again.
    List,
    /// A minute.
    Minute,
    /// Five minutes.
    Five,
    /// An hour.
    Hour,
    /// A day; it does not change.
    Frozen,
    /// Not at all.
    Never,
}

impl Keeping {
    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::List => "a minute, and ten more while it is asked for again",
            Self::Minute => "a minute",
            Self::Five => "five minutes",
            Self::Hour => "an hour",
            Self::Frozen => "a day; it does not change",
            Self::Never => "not at all",
        }
    }
}

/// A parameter. It is one of the path if the path names it, else of the query.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// Name.
    pub name: &'static str,
    /// Kind of its value.
    pub kind: &'static str,
    /// What it does.
    pub text: &'static str,
}

/// An answer that is no problem.
#[derive(Debug, Clone, Copy)]
pub struct Answer {
    /// Status.
    pub status: u16,
    /// Media types, each with the kind of what comes in it; empty for no body.
    pub media: &'static [(&'static str, &'static str)],
    /// When it is given.
    pub text: &'static str,
    /// Headers besides those that every answer has.
    pub headers: &'static [&'static str],
}

/// A route with a method.
#[derive(Debug, Clone, Copy)]
pub struct Operation {
    /// Method, lower case.
    pub method: &'static str,
    /// Path from the root.
    pub path: &'static str,
    /// Name for generated clients.
    pub id: &'static str,
    /// Group in the documentation.
    pub tag: &'static str,
    /// What it gives, in a few words.
    pub summary: &'static str,
    /// More about it.
    pub text: &'static str,
    /// Parameters.
    pub parameters: &'static [Parameter],
    /// Kind of the body it takes.
    pub body: Option<&'static str>,
    /// Answers.
    pub answers: &'static [Answer],
    /// Problems: status and types. Those that every operation may have are not among them.
    pub problems: &'static [(u16, &'static [&'static str])],
    /// How long an answer may be kept.
    pub keeping: Keeping,
}

impl Operation {
    /// A conditional GET is answered with 304.
    #[must_use]
    pub fn conditional(&self) -> bool {
        self.method == "get" && self.keeping != Keeping::Never
    }

    /// It is under one of the addresses where callers have to name themselves.
    #[must_use]
    pub fn named(&self) -> bool {
        self.path.starts_with("/api/") || self.path.starts_with("/v0")
    }

    /// Every status that is documented.
    #[must_use]
    pub fn statuses(&self) -> Vec<u16> {
        let mut all: Vec<u16> = self.answers.iter().map(|answer| answer.status).collect();
        all.extend(self.problems.iter().map(|(status, _)| *status));
        if self.conditional() {
            all.push(304);
        }
        if self.named() {
            all.push(403);
        }
        if self.path != "/healthz" && self.path != "/readyz" {
            all.push(429);
        }
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// Groups in the order of the documentation, with what each is about.
pub const TAGS: &[(&str, &str)] = &[
    (
        "Servers",
        "What is known of MCP servers, and what sources say of them.",
    ),
    (
        "Scans",
        "Asking for a scan; its report, its evidence, what would raise its letter.",
    ),
    (
        "Changes",
        "What changed between two scans, and everywhere since a moment.",
    ),
    ("Catalogue", "Checks, rubrics, and what letters mean."),
    (
        "Identity servers",
        "Authorization servers by product and by issuer, measured from the index.",
    ),
    (
        "Registry",
        "The index in the form of the official registry: its clients read it without a change. Errors come as that API writes them, {\"error\":…}.",
    ),
    ("Numbers", "The index in numbers."),
    ("Service", "What the service says of itself."),
];

/// All operations in the order of the documentation.
pub fn all() -> impl Iterator<Item = &'static Operation> {
    servers::ALL
        .iter()
        .chain(scans::ALL)
        .chain(index::ALL)
        .chain(field::ALL)
        .chain(registry::ALL)
}

const fn parameter(name: &'static str, kind: &'static str, text: &'static str) -> Parameter {
    Parameter { name, kind, text }
}

const JSON: &str = "application/json";

const fn ok(media: &'static [(&'static str, &'static str)], text: &'static str) -> Answer {
    Answer {
        status: 200,
        media,
        text,
        headers: &[],
    }
}

const SERVER_ID: Parameter = parameter("id", "id:srv", "Id of a server.");
const CURSOR: Parameter = parameter(
    "cursor",
    "string",
    "Where the page begins: next of the page before, as it is.",
);
const LIMIT: Parameter = parameter("limit", "limit", "Most entries of a page.");
const BAD: &[&str] = &["validation"];
