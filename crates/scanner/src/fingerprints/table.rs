//! The table of products as it stands in `data/fingerprints.toml`: dated data with a source
//! mark on every statement, read once.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

/// The whole table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// When it was last verified, `YYYY-MM-DD`.
    pub as_of: String,
    /// Products in the order in which they are tried within one kind of signal.
    #[serde(rename = "product")]
    pub products: Vec<Entry>,
}

/// What is known of one product.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Kebab-case, stable.
    pub id: String,
    /// The name people know.
    pub name: String,
    /// Who runs it.
    pub kind: Kind,
    /// Patterns of the issuer's host; one is enough.
    #[serde(default)]
    pub host: Vec<String>,
    /// Patterns of the issuer's path; one is enough.
    #[serde(default)]
    pub issuer_path: Vec<String>,
    /// Patterns of the paths of endpoints, by member; all have to match.
    #[serde(default)]
    pub endpoints: BTreeMap<String, String>,
    /// What only this product writes into its metadata; one entry is enough.
    #[serde(default)]
    pub members: Vec<Members>,
    /// Patterns of a `WWW-Authenticate` value in lower case; one is enough.
    #[serde(default)]
    pub challenge: Vec<String>,
    /// Where the signals are known from.
    pub source: Source,
    /// Habits that explanations and a few rules rest on.
    #[serde(default)]
    pub traits: Vec<Trait>,
    /// What it is known to support.
    #[serde(default)]
    pub support: Support,
    /// Whose doing a finding at it is.
    #[serde(default, rename = "rule")]
    pub rules: Vec<Rule>,
}

/// Conditions on a metadata document; all of one entry have to hold.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Members {
    /// Members that are there.
    pub has: Vec<String>,
    /// Members that are `true`.
    pub yes: Vec<String>,
    /// Members with the same value.
    pub same: Vec<String>,
    /// Patterns of the paths of endpoints, by member.
    pub paths: BTreeMap<String, String>,
    /// The token endpoint's authentication methods, exactly these in any order.
    pub auth_methods: Vec<String>,
}

/// Who runs a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Its vendor; the customer is a tenant.
    Service,
    /// Whoever installed it.
    Software,
    /// The MCP server's operator: it is a part of the server.
    Library,
}

/// Where a statement is known from (catalogue section (e)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// Source code of the product or of a library.
    #[serde(rename = "S")]
    Code,
    /// The vendor's documentation.
    #[serde(rename = "D")]
    Documentation,
    /// A third party's report or an issue tracker.
    #[serde(rename = "T")]
    ThirdParty,
    /// Nowhere that could be cited.
    #[serde(rename = "U")]
    Unconfirmed,
}

impl Source {
    /// The words readers see.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Code => "source code",
            Self::Documentation => "vendor's documentation",
            Self::ThirdParty => "third-party report",
            Self::Unconfirmed => "unconfirmed",
        }
    }
}

/// A habit of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trait {
    /// Supports S256 without listing it.
    HidesS256,
    /// Publishes an OpenID configuration and no RFC 8414 document.
    OpenidOnly,
    /// Has its endpoints under other domains than its issuer.
    SpreadsEndpoints,
    /// Demands that scopes stand below the resource.
    ScopesBelowResource,
}

/// What a product is known to support, in words.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Support {
    /// Dynamic client registration.
    pub dcr: Option<Statement>,
    /// Client metadata documents.
    pub cimd: Option<Statement>,
    /// RFC 8707.
    pub resource: Option<Statement>,
    /// RFC 9207.
    pub iss: Option<Statement>,
    /// PKCE in the metadata.
    pub pkce: Option<Statement>,
    /// Where RFC 8414 metadata stands.
    pub rfc8414: Option<Statement>,
}

impl Support {
    /// The statements that were made, each under its heading.
    #[must_use]
    pub fn statements(&self) -> Vec<(&'static str, &Statement)> {
        [
            ("dynamic registration", &self.dcr),
            ("client metadata documents", &self.cimd),
            ("RFC 8707 resource", &self.resource),
            ("RFC 9207 iss", &self.iss),
            ("PKCE in metadata", &self.pkce),
            ("RFC 8414 document", &self.rfc8414),
        ]
        .into_iter()
        .filter_map(|(heading, statement)| Some((heading, statement.as_ref()?)))
        .collect()
    }
}

/// A dated statement.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// What is said.
    pub said: String,
    /// By whom.
    pub source: Source,
    /// Year, month or day; the table's date if nothing is written.
    pub date: Option<String>,
}

/// Whose default or limit a finding of these checks is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Ids of checks.
    pub checks: Vec<String>,
    /// Only for these reason codes; for all if empty.
    #[serde(default)]
    pub reasons: Vec<String>,
    /// Who has to act.
    pub acts: Acts,
    /// Why, in the words of a half sentence.
    pub because: String,
    /// Where it is known from.
    pub source: Source,
    /// Year, month or day; the table's date if nothing is written.
    pub date: Option<String>,
}

/// Who has to act, as the table says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Acts {
    /// The MCP server's operator.
    Operator,
    /// The authorization server's tenant, or whoever installed it.
    Tenant,
    /// Who makes the product.
    Vendor,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    toml::from_str(include_str!("../../data/fingerprints.toml"))
        .expect("the table is part of the program, and a test reads it")
});

/// The table.
#[must_use]
pub fn table() -> &'static Table {
    &TABLE
}

/// Whether a text fits a pattern in which `*` stands for at least `least` characters.
#[must_use]
pub fn fits(pattern: &str, text: &str, least: usize) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(text) = text.strip_prefix(start) else {
        return false;
    };
    text.char_indices()
        .map(|(at, _)| at)
        .chain([text.len()])
        .skip(least)
        .any(|at| fits(rest, &text[at..], least))
}
