//! The columns of exported records: name, type and meaning, once for every form of file.

use super::Kind;

/// Type of a column's values, any of which may be absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A text.
    Text,
    /// A whole number.
    Whole,
    /// A number with a fraction.
    Real,
    /// True or false.
    Truth,
    /// An instant, UTC, written as in RFC 3339.
    Time,
    /// Several texts.
    Texts,
    /// A JSON document.
    Document,
}

impl Shape {
    /// The word for it in manifests.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Whole => "integer",
            Self::Real => "real",
            Self::Truth => "boolean",
            Self::Time => "timestamp",
            Self::Texts => "list",
            Self::Document => "json",
        }
    }
}

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// Type of its values.
    pub shape: Shape,
    /// What a value says.
    pub about: &'static str,
}

const fn column(name: &'static str, shape: Shape, about: &'static str) -> Column {
    Column { name, shape, about }
}

const SERVER: Column = column("server", Shape::Text, "id of the server, for /servers/ID");
const URL: Column = column("url", Shape::Text, "normalised address of the endpoint");
const SCAN: Column = column("scan", Shape::Text, "id of the scan, for /scans/ID");
const CLASS: Column = column(
    "class",
    Shape::Text,
    "how the server asks for authorization",
);
const LETTER: Column = column("letter", Shape::Text, "letter of the grade");
const BADGE: Column = column("badge", Shape::Text, "what stands in place of a letter");
const SCORE: Column = column("score", Shape::Real, "score, 0 to 100");
const RUBRIC: Column = column(
    "rubric",
    Shape::Text,
    "version of the rubric of the verdicts",
);
const FIRST: Column = column("scan", Shape::Text, "first scan of the stretch");
const LAST: Column = column("last_scan", Shape::Text, "last scan of the stretch");
const BEGAN: Column = column(
    "at",
    Shape::Time,
    "when the first scan of the stretch began",
);
const ENDED: Column = column(
    "last_at",
    Shape::Time,
    "when the last scan of the stretch began",
);

const SERVERS: &[Column] = &[
    SERVER,
    URL,
    column(
        "host",
        Shape::Text,
        "host of the endpoint, with a port that is not the default",
    ),
    column(
        "name",
        Shape::Text,
        "name from the preferred listing; text of strangers",
    ),
    column("sources", Shape::Texts, "sources that have listed it"),
    column("listed", Shape::Truth, "a source lists it now"),
    CLASS,
    column("era", Shape::Text, "protocol era that the server speaks"),
    column(
        "exposure",
        Shape::Text,
        "what is open to everybody, where something is",
    ),
    LETTER,
    BADGE,
    SCORE,
    column(
        "coverage",
        Shape::Real,
        "share of the weight that could be judged, in percent",
    ),
    column(
        "doubtful",
        Shape::Truth,
        "the letter is printed with a question mark",
    ),
    column(
        "cap_letter",
        Shape::Text,
        "the best letter that the lowest cap allows",
    ),
    column("cap_check", Shape::Text, "check that set that cap"),
    column(
        "claimed",
        Shape::Text,
        "newest revision that the server shows or implies",
    ),
    column("claimed_letter", Shape::Text, "letter under that revision"),
    column(
        "registration",
        Shape::Text,
        "how clients come to an id: cimd, dcr_only or none",
    ),
    column(
        "pkce",
        Shape::Text,
        "announced PKCE methods: s256, other or absent",
    ),
    column(
        "issuers",
        Shape::Texts,
        "issuers of its authorization servers",
    ),
    column("scan", Shape::Text, "newest scan"),
    column("checked", Shape::Time, "when the newest scan began"),
    column(
        "changed",
        Shape::Time,
        "when a scan last saw something else than the one before",
    ),
    column("first_seen", Shape::Time, "when the server became known"),
    column("scans", Shape::Whole, "number of scans"),
];

const SCANS: &[Column] = &[
    SCAN,
    SERVER,
    URL,
    column("at", Shape::Time, "when the scan began"),
    column(
        "same_as",
        Shape::Text,
        "earlier scan that saw the same and stands for it",
    ),
    CLASS,
    LETTER,
    BADGE,
    SCORE,
    RUBRIC,
];

const FINDINGS: &[Column] = &[
    SERVER,
    URL,
    FIRST,
    LAST,
    BEGAN,
    ENDED,
    RUBRIC,
    column("check", Shape::Text, "id of the check, for /checks/ID"),
    column(
        "verdict",
        Shape::Text,
        "pass, warn, fail, na or inconclusive",
    ),
    column("reason", Shape::Text, "code of the reason"),
    column("detail", Shape::Text, "the reason in words"),
    column("severity", Shape::Text, "how bad a failure is"),
    column(
        "level",
        Shape::Text,
        "keyword of the demand: MUST, SHOULD or MAY",
    ),
    column("party", Shape::Texts, "who can mend it"),
    column("class", Shape::Text, "what had to be sent: P0 or P1"),
    column(
        "revision",
        Shape::Text,
        "revision under which it was judged",
    ),
    column("withheld", Shape::Truth, "the reason is not published yet"),
];

const CHANGES: &[Column] = &[
    column(
        "seq",
        Shape::Whole,
        "position in the feed; grows, without gaps before exclusions",
    ),
    column("at", Shape::Time, "when the scan that saw it began"),
    column(
        "kind",
        Shape::Text,
        "added, improved, regressed, changed, unreachable, recovered …",
    ),
    column(
        "cause",
        Shape::Text,
        "what moved: server, authorization_server, rubric, first …",
    ),
    SERVER,
    URL,
    column("from", Shape::Text, "letter or badge before"),
    column("to", Shape::Text, "letter or badge after"),
    column("checks", Shape::Texts, "checks with another verdict"),
    SCAN,
    column("previous_scan", Shape::Text, "the scan before"),
];

const EVIDENCE: &[Column] = &[
    SERVER,
    URL,
    FIRST,
    LAST,
    BEGAN,
    ENDED,
    column("scans", Shape::Whole, "number of scans in the stretch"),
    column("evidence", Shape::Document, "what was seen, normalised"),
];

impl Kind {
    /// The columns of its records, in order.
    #[must_use]
    pub fn columns(self) -> &'static [Column] {
        match self {
            Self::Servers => SERVERS,
            Self::Scans => SCANS,
            Self::Findings => FINDINGS,
            Self::Changes => CHANGES,
            Self::Evidence => EVIDENCE,
        }
    }
}
