//! The documents we hold servers to: dated MCP revisions, and a closed list of
//! standards that a check may cite.

use serde::{Deserialize, Serialize};

/// A dated revision of the Model Context Protocol under which a server is graded.
///
/// 2024-11-05 has no authorization and is therefore not a column of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Revision {
    /// Authorization by the server itself; metadata at the origin root.
    #[serde(rename = "2025-03-26")]
    V2025_03_26,
    /// Servers become OAuth resource servers: RFC 9728 and RFC 8707.
    #[serde(rename = "2025-06-18")]
    V2025_06_18,
    /// OIDC discovery, Client ID Metadata Documents, scope challenges.
    #[serde(rename = "2025-11-25")]
    V2025_11_25,
    /// Stateless protocol, `iss`, dynamic registration deprecated.
    #[serde(rename = "2026-07-28")]
    V2026_07_28,
}

impl Revision {
    /// All graded revisions, oldest first.
    pub const ALL: [Self; 4] = [
        Self::V2025_03_26,
        Self::V2025_06_18,
        Self::V2025_11_25,
        Self::V2026_07_28,
    ];

    /// The revision of the headline grade: the newest one published.
    pub const HEADLINE: Self = Self::V2026_07_28;

    /// The date that names the revision.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.as_date()
    }

    /// [`Revision::as_str`], usable in constants.
    #[must_use]
    pub const fn as_date(self) -> &'static str {
        match self {
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// The revision with this date, if it is one that we grade.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|revision| revision.as_str() == text)
    }

    /// Position in [`Revision::ALL`].
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }
}

impl std::fmt::Display for Revision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a revision stands towards a requirement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Letter {
    /// Applies.
    A,
    /// Applies, with a change against the revision before.
    C,
    /// Not yet in that revision.
    N,
    /// No longer applies.
    R,
}

/// One [`Letter`] per graded revision, oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Matrix(pub [Letter; 4]);

impl Matrix {
    /// Reads a matrix such as `"NACC"`.
    ///
    /// # Panics
    ///
    /// At compile time, when used in a constant, if a letter is not one of `A C N R`
    /// or there are not exactly four of them.
    #[must_use]
    pub const fn of(letters: &str) -> Self {
        let bytes = letters.as_bytes();
        assert!(bytes.len() == 4, "a matrix has four letters");
        let mut out = [Letter::N; 4];
        let mut i = 0;
        while i < 4 {
            out[i] = match bytes[i] {
                b'A' => Letter::A,
                b'C' => Letter::C,
                b'N' => Letter::N,
                b'R' => Letter::R,
                _ => panic!("a matrix is made of A, C, N and R"),
            };
            i += 1;
        }
        Self(out)
    }

    /// The letter of one revision.
    #[must_use]
    pub fn at(self, revision: Revision) -> Letter {
        self.0[revision.index()]
    }

    /// Whether the requirement is in force in that revision.
    #[must_use]
    pub fn in_force(self, revision: Revision) -> bool {
        matches!(self.at(revision), Letter::A | Letter::C)
    }
}

/// A document that a check may cite. Closed, so that citations can be listed and linked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Spec {
    /// A page of an MCP revision; the citation's place is `page#anchor`.
    Mcp(Revision),
    /// The MCP security best-practices page.
    McpBestPractices,
    /// An MCP specification enhancement proposal; the place is its number.
    McpSep,
    /// An MCP authorization extension; the place is its name.
    McpExtension,
    /// The OAuth 2.1 draft.
    OAuth21,
    /// The Client ID Metadata Document draft.
    Cimd,
    /// OpenID Connect Discovery 1.0.
    OidcDiscovery,
    /// The WHATWG Fetch standard.
    Fetch,
    /// An RFC by number.
    Rfc(u16),
    /// An entry of the Common Weakness Enumeration.
    Cwe(u16),
    /// OWASP ASVS.
    Asvs,
    /// Documentation of a vendor or of MCP outside the specification.
    Documentation,
    /// Good practice that no cited text demands.
    Hygiene,
}

impl Spec {
    /// A citation of a place in this document. Write sections as `"3.3"`,
    /// MCP places as `"authorization#token-handling"`; empty means the whole document.
    #[must_use]
    pub const fn at(self, place: &'static str) -> Citation {
        Citation { spec: self, place }
    }

    /// The name readers know the document by.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Mcp(revision) => format!("MCP {revision}"),
            Self::McpBestPractices => "MCP security best practices".into(),
            Self::McpSep => "SEP".into(),
            Self::McpExtension => "MCP authorization extension".into(),
            Self::OAuth21 => "OAuth 2.1 (draft-13)".into(),
            Self::Cimd => "CIMD (draft-00)".into(),
            Self::OidcDiscovery => "OpenID Connect Discovery 1.0".into(),
            Self::Fetch => "Fetch standard".into(),
            Self::Rfc(number) => format!("RFC {number}"),
            Self::Cwe(number) => format!("CWE-{number}"),
            Self::Asvs => "OWASP ASVS".into(),
            Self::Documentation => "documentation".into(),
            Self::Hygiene => "good practice".into(),
        }
    }
}

/// A place in a [`Spec`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Citation {
    /// The document.
    pub spec: Spec,
    /// The place in it; empty for the whole document.
    pub place: &'static str,
}

impl Citation {
    /// One line for people, for example `RFC 9728 §3.3`.
    #[must_use]
    pub fn text(self) -> String {
        let name = self.spec.name();
        match self.spec {
            _ if self.place.is_empty() => name,
            Spec::Rfc(_) | Spec::OAuth21 | Spec::Cimd | Spec::OidcDiscovery => {
                format!("{name} §{}", self.place)
            }
            Spec::McpSep => format!("SEP-{}", self.place),
            Spec::Mcp(_)
            | Spec::McpBestPractices
            | Spec::McpExtension
            | Spec::Fetch
            | Spec::Cwe(_)
            | Spec::Asvs
            | Spec::Documentation
            | Spec::Hygiene => format!("{name} {}", self.place),
        }
    }

    /// Where to read it, if it has an address of its own.
    #[must_use]
    pub fn url(self) -> Option<String> {
        match self.spec {
            Spec::Mcp(revision) => {
                let place = self.place;
                let base = "https://modelcontextprotocol.io/specification";
                let below = ["basic/", "server/", "client/", "changelog"];
                Some(if place.is_empty() {
                    format!("{base}/{revision}/basic/authorization")
                } else if below.iter().any(|prefix| place.starts_with(prefix)) {
                    format!("{base}/{revision}/{place}")
                } else {
                    format!("{base}/{revision}/basic/{place}")
                })
            }
            Spec::Rfc(number) => Some(match self.section() {
                Some(section) => {
                    format!("https://www.rfc-editor.org/rfc/rfc{number}.html#section-{section}")
                }
                None => format!("https://www.rfc-editor.org/rfc/rfc{number}.html"),
            }),
            Spec::OAuth21 => Some(match self.section() {
                Some(section) => format!(
                    "https://datatracker.ietf.org/doc/html/draft-ietf-oauth-v2-1-13#section-{section}"
                ),
                None => "https://datatracker.ietf.org/doc/html/draft-ietf-oauth-v2-1-13".into(),
            }),
            Spec::Cimd => Some(
                "https://datatracker.ietf.org/doc/html/draft-ietf-oauth-client-id-metadata-document-00"
                    .into(),
            ),
            Spec::OidcDiscovery => {
                Some("https://openid.net/specs/openid-connect-discovery-1_0.html".into())
            }
            Spec::Fetch => Some("https://fetch.spec.whatwg.org/".into()),
            Spec::Cwe(number) => Some(format!(
                "https://cwe.mitre.org/data/definitions/{number}.html"
            )),
            Spec::McpSep => Some(format!(
                "https://github.com/modelcontextprotocol/modelcontextprotocol/issues/{}",
                self.place
            )),
            Spec::McpBestPractices => Some(
                "https://modelcontextprotocol.io/specification/2026-07-28/basic/security_best_practices".into(),
            ),
            Spec::McpExtension | Spec::Asvs | Spec::Documentation | Spec::Hygiene => None,
        }
    }

    /// The leading section number of the place, without trailing prose.
    fn section(self) -> Option<&'static str> {
        let end = self
            .place
            .find(|c: char| !(c.is_ascii_digit() || c == '.'))
            .unwrap_or(self.place.len());
        let section = self.place[..end].trim_end_matches('.');
        (!section.is_empty()).then_some(section)
    }
}

#[cfg(test)]
mod tests {
    use super::{Letter, Matrix, Revision, Spec};

    #[test]
    fn matrix_reads_letters_in_order() {
        let matrix = Matrix::of("NACR");
        assert_eq!(matrix.at(Revision::V2025_03_26), Letter::N);
        assert_eq!(matrix.at(Revision::V2026_07_28), Letter::R);
        assert!(matrix.in_force(Revision::V2025_11_25));
    }

    #[test]
    fn citations_link_to_their_section() {
        let citation = Spec::Rfc(9728).at("3.3");
        assert_eq!(citation.text(), "RFC 9728 §3.3");
        assert_eq!(
            citation.url().as_deref(),
            Some("https://www.rfc-editor.org/rfc/rfc9728.html#section-3.3")
        );
        let mcp = Spec::Mcp(Revision::V2026_07_28).at("authorization#token-handling");
        assert_eq!(
            mcp.url().as_deref(),
            Some(
                "https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization#token-handling"
            )
        );
    }
}
