//! Products of authorization servers: what was measured at their issuers, beside what they are
//! documented to do.

use scanner::fingerprints::table::{Acts, Entry, Kind, Rule, Source, Statement, table};
use store::{Feature, UNRECOGNISED};

use super::{count, counted};
use crate::adoption::{Adoption, Figure};

/// What a documented statement says, with its source and date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) text: &'static str,
    pub(crate) mark: &'static str,
    pub(crate) source: &'static str,
    pub(crate) date: &'static str,
}

impl Said {
    fn new(statement: &'static Statement) -> Self {
        Self {
            text: &statement.said,
            mark: mark(statement.source),
            source: statement.source.words(),
            date: statement.date.as_deref().unwrap_or(&table().as_of),
        }
    }
}

impl Said {
    /// Why a finding is somebody's.
    pub(crate) fn rule(rule: &'static Rule) -> Self {
        Self {
            text: &rule.because,
            mark: mark(rule.source),
            source: rule.source.words(),
            date: rule.date.as_deref().unwrap_or(&table().as_of),
        }
    }
}

/// The letter of a source mark.
pub(crate) fn mark(source: Source) -> &'static str {
    match source {
        Source::Code => "S",
        Source::Documentation => "D",
        Source::ThirdParty => "T",
        Source::Unconfirmed => "U",
    }
}

/// One answer of the matrix.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    /// Heading of its column.
    pub(crate) head: &'static str,
    /// What was measured, in words; nothing where metadata cannot show it.
    pub(crate) seen: Option<String>,
    /// The same as the length of a bar, 0 to 100.
    pub(crate) bar: i64,
    /// What is documented.
    pub(crate) said: Option<Said>,
}

/// A product as lists show it.
#[derive(Debug, Clone)]
pub(crate) struct Product {
    pub(crate) id: String,
    pub(crate) name: &'static str,
    pub(crate) servers: String,
    pub(crate) issuers: String,
    pub(crate) cells: Vec<Cell>,
}

/// A question of the matrix: heading, what shows it in metadata, which statement documents it.
struct Question {
    head: &'static str,
    feature: Option<Feature>,
    said: fn(&'static Entry) -> Option<&'static Statement>,
}

const QUESTIONS: [Question; 6] = [
    Question {
        head: "Dynamic registration",
        feature: Some(Feature::Dcr),
        said: |entry| entry.support.dcr.as_ref(),
    },
    Question {
        head: "Client ID documents",
        feature: Some(Feature::Cimd),
        said: |entry| entry.support.cimd.as_ref(),
    },
    Question {
        head: "PKCE with S256",
        feature: Some(Feature::S256),
        said: |entry| entry.support.pkce.as_ref(),
    },
    Question {
        head: "Issuer in responses",
        feature: Some(Feature::Iss),
        said: |entry| entry.support.iss.as_ref(),
    },
    Question {
        head: "Resource indicators",
        feature: None,
        said: |entry| entry.support.resource.as_ref(),
    },
    Question {
        head: "RFC 8414 document",
        feature: None,
        said: |entry| entry.support.rfc8414.as_ref(),
    },
];

/// Headings of the matrix.
pub(crate) fn heads() -> Vec<&'static str> {
    QUESTIONS.iter().map(|question| question.head).collect()
}

/// The table's entry of a product.
pub(crate) fn entry(id: &str) -> Option<&'static Entry> {
    table().products.iter().find(|entry| entry.id == id)
}

/// The name of a product.
pub(crate) fn name(id: &str) -> &'static str {
    match entry(id) {
        Some(entry) => &entry.name,
        None if id == UNRECOGNISED => "Not recognised",
        None => "Another product",
    }
}

/// The kind of a product, in a sentence.
pub(crate) fn kind(entry: &Entry) -> &'static str {
    match entry.kind {
        Kind::Service => "A service that its vendor runs; whoever uses it is its tenant.",
        Kind::Software => {
            "Software that others install; whoever runs an installation is called its tenant here."
        }
        Kind::Library => "A part of the MCP server itself, so the server's operator runs it.",
    }
}

/// The word of a kind in the API.
pub(crate) fn kind_word(entry: &Entry) -> &'static str {
    match entry.kind {
        Kind::Service => "service",
        Kind::Software => "software",
        Kind::Library => "library",
    }
}

/// Whose doing a finding at a product is, and why, as the table of products has it.
pub(crate) fn acts(entry: Option<&'static Entry>, check: &str) -> (Acts, Option<Said>) {
    let rule = entry.and_then(|entry| {
        let concerns = |rule: &&Rule| rule.checks.iter().any(|id| id == check);
        // A rule for everything the check can find outweighs one for some of its reasons.
        let all = entry.rules.iter().filter(|rule| rule.reasons.is_empty());
        let some = entry.rules.iter().filter(|rule| !rule.reasons.is_empty());
        all.chain(some).find(concerns)
    });
    let library = entry.is_some_and(|entry| entry.kind == Kind::Library);
    match rule {
        Some(rule) => {
            let acts = match rule.acts {
                Acts::Tenant if library => Acts::Operator,
                acts => acts,
            };
            (acts, Some(Said::rule(rule)))
        }
        None if library => (Acts::Operator, None),
        None => (Acts::Tenant, None),
    }
}

/// What was measured, in words.
pub(crate) fn measured(figure: Figure) -> Option<String> {
    /// A share of fewer says nothing that the counts do not say better.
    const TELLING: i64 = 10;
    if figure.of == 0 {
        return None;
    }
    let counts = format!("{} of {}", count(figure.n), count(figure.of));
    Some(match figure.share.filter(|_| figure.of >= TELLING) {
        Some(share) => format!("{}, {counts}", share.share()),
        None => counts,
    })
}

impl Product {
    pub(crate) fn new(adoption: &Adoption, id: &str) -> Self {
        let entry = entry(id);
        let cells = QUESTIONS
            .iter()
            .map(|question| {
                let figure = question
                    .feature
                    .map(|feature| adoption.issuers(id, feature));
                Cell {
                    head: question.head,
                    seen: figure.and_then(measured),
                    bar: figure.map_or(0, |figure| figure.n * 100 / figure.of.max(1)),
                    said: entry.and_then(question.said).map(Said::new),
                }
            })
            .collect();
        let issuers = adoption.issuers(id, Feature::Dcr).of;
        Self {
            name: name(id),
            servers: counted(adoption.figure("all", "product", id).n, "server"),
            issuers: counted(issuers, "issuer"),
            id: id.to_owned(),
            cells,
        }
    }
}

/// The words of readers for a feature.
pub(crate) fn feature(feature: Feature) -> &'static str {
    match feature {
        Feature::Dcr => "Dynamic registration",
        Feature::Cimd => "Client ID documents",
        Feature::S256 => "PKCE with S256",
        Feature::PlainPkce => "PKCE with plain",
        Feature::Iss => "Issuer in responses",
        Feature::Jwks => "Key set",
        Feature::Refresh => "Refresh tokens",
        Feature::ClientCredentials => "Client credentials",
        Feature::DeviceCode => "Device code",
        Feature::Signed => "Signed metadata",
        Feature::ProtectedResources => "Lists its resources",
        Feature::PublicClients => "Clients without a secret",
        Feature::PrivateKeyJwt => "Clients with a key",
        Feature::Par => "Pushed requests",
        Feature::Dpop => "DPoP",
        Feature::SameIssuer => "Issuer is identical",
    }
}

#[cfg(test)]
mod tests {
    use scanner::fingerprints::table::Acts;

    use super::{acts, entry, name};

    #[test]
    fn rules_say_whose_a_finding_is() {
        let entra = entry("entra");
        let (whose, said) = acts(entra, "pkce-advertised");
        assert_eq!(whose, Acts::Vendor);
        assert_eq!(said.expect("a reason").mark, "T");
        assert_eq!(acts(entra, "ri-authorize-accepts").0, Acts::Tenant);
        assert_eq!(acts(entra, "asm-scopes").0, Acts::Tenant);
        assert_eq!(acts(entry("fastmcp"), "no-such-rule").0, Acts::Operator);
        assert_eq!(acts(None, "pkce-advertised").0, Acts::Tenant);
    }

    #[test]
    fn products_have_names() {
        assert_eq!(name("entra"), "Microsoft Entra ID");
        assert_eq!(name("unrecognised"), "Not recognised");
    }
}
