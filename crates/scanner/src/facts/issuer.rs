//! Issuer identifiers (RFC 8414 section 2, RFC 9207 section 2) and the metadata candidates
//! that a client of one revision would try for them.

use url::Url;

use super::documents::{AsCandidate, Issuer};
use super::outcome::{Answer, Outcome, unread};
use super::{Facts, discovery, relation};
use crate::check::Cause;
use crate::evidence::{AsRole, DnsFault, Failure, Purpose};
use crate::spec::Revision;

/// Why a text is no issuer identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IssuerFault {
    /// Not an absolute http or https URL with a host.
    NotUrl,
    /// Plain http, and not on a trusted loopback.
    NotHttps,
    /// It has a query component, an empty one included.
    Query,
    /// It has a fragment component, an empty one included.
    Fragment,
}

/// What is legal in an issuer identifier and yet likely to break comparisons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IssuerOddity {
    /// Upper-case letters in scheme or host.
    UpperCase,
    /// The scheme's default port is written out.
    DefaultPort,
}

/// What one metadata URL of an issuer had to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// A document of the right shape.
    Found,
    /// 200 with something that is no authorization-server metadata.
    Foreign,
    /// Conclusively nothing: another status, a redirect that no client follows, or a name
    /// that does not exist.
    Absent,
    /// 5xx after all retries.
    Failing,
    /// It cannot be told.
    Unknown(Cause),
}

/// An issuer value with `{` is a template of a multi-tenant vendor, never an identifier.
#[must_use]
pub fn is_template(issuer: &str) -> bool {
    issuer.contains('{')
}

/// The oddity of a legal issuer identifier, if it has one. Reads the text as written.
#[must_use]
pub fn oddity(issuer: &str) -> Option<IssuerOddity> {
    let (scheme, rest) = issuer.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host_and_port = authority.rsplit('@').next().unwrap_or_default();
    if scheme.chars().any(|c| c.is_ascii_uppercase())
        || host_and_port.chars().any(|c| c.is_ascii_uppercase())
    {
        return Some(IssuerOddity::UpperCase);
    }
    let default = if scheme == "http" { ":80" } else { ":443" };
    host_and_port
        .ends_with(default)
        .then_some(IssuerOddity::DefaultPort)
}

/// What this candidate had to say.
#[must_use]
pub fn reading(candidate: &AsCandidate<'_>) -> Reading {
    if candidate.asm().is_some() {
        return Reading::Found;
    }
    let answer = &candidate.answer;
    match answer.outcome {
        Outcome::Block if answer.status() == Some(429) => Reading::Unknown(Cause::RateLimited),
        Outcome::Block => Reading::Unknown(Cause::Intermediary),
        Outcome::Net => match answer.failure() {
            Some(Failure::Dns(DnsFault::DomainUnregistered | DnsFault::NoSuchName)) => {
                Reading::Absent
            }
            _ => Reading::Unknown(Cause::Network),
        },
        _ => by_status(answer),
    }
}

fn by_status(answer: &Answer<'_>) -> Reading {
    let Some(response) = answer.response() else {
        return Reading::Unknown(Cause::Network);
    };
    match response.status {
        200 => unread(response).map_or(Reading::Foreign, Reading::Unknown),
        500..=599 => Reading::Failing,
        _ => Reading::Absent,
    }
}

impl<'e> Facts<'e> {
    /// Why this text is no issuer identifier, if it is none. Templates are for the caller
    /// to recognise first ([`is_template`]).
    #[must_use]
    pub fn issuer_fault(&self, issuer: &str) -> Option<IssuerFault> {
        let Some(url) =
            relation::url(issuer).filter(|url| matches!(url.scheme(), "https" | "http"))
        else {
            return Some(IssuerFault::NotUrl);
        };
        if !self.secure(&url) {
            return Some(IssuerFault::NotHttps);
        }
        if issuer.contains('#') {
            return Some(IssuerFault::Fragment);
        }
        issuer.contains('?').then_some(IssuerFault::Query)
    }

    /// The candidates that count for a client of that revision, in its order. The fallback
    /// document stands for its issuer in every column (section d.2); and in the column
    /// 2025-03-26 a listed issuer is read as a client of 2025-06-18 would.
    pub fn credited<'f>(
        &'f self,
        issuer: &'f Issuer<'e>,
        revision: Revision,
    ) -> impl Iterator<Item = &'f AsCandidate<'e>> {
        let revision = revision.max(Revision::V2025_06_18);
        issuer.candidates.iter().filter(move |candidate| {
            (issuer.fallback && candidate.role == AsRole::Origin)
                || discovery::as_credited(candidate.role, revision)
        })
    }

    /// Whether a client of that revision looks for metadata at the endpoint's origin root
    /// (section a.2, row 0): class legacy-oauth in every column, anybody without
    /// protected-resource metadata in the column 2025-03-26.
    #[must_use]
    pub fn falls_back(&self, revision: Revision) -> bool {
        self.any_prm().is_none()
            && (self.class() == crate::report::Class::LegacyOauth
                || revision == Revision::V2025_03_26)
    }

    /// What every metadata URL that counts in that revision had to say, with its answer if
    /// it was asked.
    #[must_use]
    pub fn readings(&self, revision: Revision) -> Vec<(Reading, Option<&Answer<'e>>)> {
        if self.falls_back(revision) && self.issuers().is_empty() {
            let answer = self.answer(Purpose::AsMetadata(0, AsRole::Origin));
            let candidate = self
                .origin_documents()
                .find(|candidate| candidate.role == AsRole::Origin);
            return vec![match candidate {
                Some(candidate) => (reading(&candidate), answer),
                None => (Reading::Unknown(self.never_asked()), None),
            }];
        }
        let mut list = Vec::new();
        // What no client may ask says nothing; prm-authorization-servers-form judges it.
        for issuer in self
            .issuers()
            .iter()
            .filter(|issuer| !self.unaskable(issuer))
        {
            for candidate in self.credited(issuer, revision) {
                list.push((reading(candidate), Some(&candidate.answer)));
            }
            let missing = discovery::as_candidates(&issuer.listed)
                .unwrap_or_default()
                .into_iter()
                .filter(|(role, _)| {
                    discovery::as_credited(*role, revision.max(Revision::V2025_06_18))
                })
                .any(|(_, url)| !issuer.candidates.iter().any(|known| known.url == url));
            if missing && !issuer.fallback {
                list.push((Reading::Unknown(self.never_asked()), None));
            }
        }
        list
    }

    /// The value itself is at fault: by its text no client may ask it for metadata.
    #[must_use]
    pub fn unaskable(&self, issuer: &Issuer<'e>) -> bool {
        !Url::parse(&issuer.listed).is_ok_and(|url| self.fetchable(&url))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oddities_are_read_from_the_text() {
        assert_eq!(oddity("https://id.example.com"), None);
        assert_eq!(oddity("https://id.example.com/Tenant:443"), None);
        assert_eq!(
            oddity("HTTPS://id.example.com"),
            Some(IssuerOddity::UpperCase)
        );
        assert_eq!(
            oddity("https://ID.example.com/t"),
            Some(IssuerOddity::UpperCase)
        );
        assert_eq!(
            oddity("https://id.example.com:443/t"),
            Some(IssuerOddity::DefaultPort)
        );
        assert_eq!(
            oddity("http://localhost:80"),
            Some(IssuerOddity::DefaultPort)
        );
        assert_eq!(oddity("https://id.example.com:8443"), None);
    }
}
