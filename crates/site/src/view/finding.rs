//! Findings as readers see them: who acts, what was seen, what to change, and the rule.

use std::collections::BTreeMap;

use scanner::check::{Check, Party};
use scanner::report::{Finding, FindingVerdict, Fixer, Report};
use scanner::spec::{Citation, Spec};

use super::text::sentence;
use super::{Shown, tenths, words};

/// A citation with its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cite {
    /// For example `RFC 9728 §3.3`.
    pub text: String,
    /// Where to read it.
    pub url: Option<String>,
}

impl From<Citation> for Cite {
    fn from(citation: Citation) -> Self {
        let text = match citation.spec {
            // The address holds the whole path; readers want the name of the section.
            Spec::Mcp(revision) if !citation.place.is_empty() => {
                let place = citation.place;
                let name = place.rsplit(['#', '/']).next().unwrap_or(place);
                format!("MCP {revision}, {}", name.replace(['-', '_'], " "))
            }
            _ => citation.text(),
        };
        Self {
            text,
            url: citation.url(),
        }
    }
}

/// A place in the evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Number of the exchange.
    pub exchange: u32,
    /// The place in words: `status`, `header www-authenticate`, `body /resource`.
    pub at: Shown,
    /// Where the exchange is shown, if the scan has a page.
    pub href: Option<String>,
    /// What stands there, on pages that carry evidence.
    pub excerpt: Option<Shown>,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Id of the check.
    pub check: String,
    /// The sentence that holds or does not.
    pub title: String,
    /// Class of the style sheet.
    pub tone: &'static str,
    /// Verdict in words.
    pub verdict: &'static str,
    /// Severity word.
    pub severity: &'static str,
    /// Keyword.
    pub level: &'static str,
    /// What was seen, in a sentence.
    pub detail: Shown,
    /// Why there is no verdict, or the reason code in words.
    pub reason: Shown,
    /// What goes wrong otherwise.
    pub why: &'static str,
    /// What to change.
    pub fix: &'static str,
    /// The rule.
    pub cites: Vec<Cite>,
    /// Where it was seen.
    pub seen: Vec<Seen>,
    /// Points it costs, if any.
    pub lost: Option<String>,
    /// The ceiling it sets: `C`, or `A` for "no A+".
    pub cap: Option<String>,
    /// The check that stands in the way.
    pub blocked_by: Option<String>,
    /// Who has to act.
    pub fixer: Fixer,
    /// Why it is theirs, with the source of a table's statement; empty if the party of the
    /// check decides alone.
    pub attributed: Shown,
    /// Both parties can act.
    pub shared: bool,
    /// Rests on an exchange whose certificate did not validate.
    pub unvalidated: bool,
    /// Details are held back until they can do no harm.
    pub withheld: bool,
    /// Judged in an older column: the revision.
    pub retired: Option<&'static str>,
    /// The check has a page.
    pub known: bool,
}

/// Findings of one report, sorted for reading.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// Warnings and failures that the server's operator acts on first, worst first.
    pub server: Vec<View>,
    /// Those of the authorization server: first what its tenant can change, then what only its
    /// vendor can.
    pub authorization_server: Vec<View>,
    /// Passes in catalogue order.
    pub passes: Vec<View>,
    /// Could not be told.
    pub unsure: Vec<View>,
    /// Do not apply.
    pub na: Vec<View>,
}

impl Findings {
    /// What the authorization server's tenant, or whoever installed it, can change.
    #[must_use]
    pub fn tenant(&self) -> Vec<&View> {
        self.of(Fixer::AsTenant)
    }

    /// What only the vendor of the authorization server can change.
    #[must_use]
    pub fn vendor(&self) -> Vec<&View> {
        self.of(Fixer::AsVendor)
    }

    fn of(&self, fixer: Fixer) -> Vec<&View> {
        self.authorization_server
            .iter()
            .filter(|view| view.fixer == fixer)
            .collect()
    }

    /// Number of warnings and failures.
    #[must_use]
    pub fn trouble(&self) -> usize {
        self.server.len() + self.authorization_server.len()
    }
}

/// The check's title; its id when the catalogue does not know it.
#[must_use]
pub fn title(check: &str) -> String {
    scanner::checks::by_id(check).map_or_else(|| check.to_owned(), |known| known.title.to_owned())
}

/// Sorts and words the findings of a report. `scan` is the page that shows the exchanges.
#[must_use]
pub fn sorted(report: &Report, scan: Option<&str>) -> Findings {
    let losses: BTreeMap<&str, u32> = report
        .grade
        .ledger
        .iter()
        .map(|line| (line.check.as_str(), line.tenths))
        .collect();
    let mut trouble: Vec<&Finding> = Vec::new();
    let mut out = Findings::default();
    for finding in &report.findings {
        match finding.verdict {
            FindingVerdict::Warn | FindingVerdict::Fail => trouble.push(finding),
            FindingVerdict::Pass => out.passes.push(view(report, finding, &losses, scan)),
            FindingVerdict::Inconclusive => out.unsure.push(view(report, finding, &losses, scan)),
            FindingVerdict::Na => out.na.push(view(report, finding, &losses, scan)),
        }
    }
    let cap_rank = |finding: &Finding| {
        report
            .grade
            .caps
            .iter()
            .position(|cap| cap.check == finding.check)
            .unwrap_or(usize::MAX)
    };
    trouble.sort_by_key(|finding| {
        (
            cap_rank(finding),
            finding.verdict != FindingVerdict::Fail,
            std::cmp::Reverse(finding.severity),
            std::cmp::Reverse(losses.get(finding.check.as_str()).copied().unwrap_or(0)),
        )
    });
    for finding in trouble {
        let group = match fixer(finding) {
            Fixer::Operator => &mut out.server,
            Fixer::AsTenant | Fixer::AsVendor => &mut out.authorization_server,
        };
        group.push(view(report, finding, &losses, scan));
    }
    out.authorization_server.sort_by_key(|view| view.fixer);
    out
}

/// Who has to act; in reports of before, the first party of the check.
fn fixer(finding: &Finding) -> Fixer {
    match (&finding.attribution, finding.party.first()) {
        (Some(attribution), _) => attribution.to,
        (None, Some(Party::AuthorizationServer)) => Fixer::AsTenant,
        (None, Some(Party::Server) | None) => Fixer::Operator,
    }
}

/// Why it is theirs, where more than the party of the check says so.
fn attributed(finding: &Finding) -> Shown {
    let Some(attribution) = &finding.attribution else {
        return Shown::new("");
    };
    match (attribution.source, &attribution.product) {
        (Some(source), _) => Shown::bounded(
            &format!(
                "{} ({}, {})",
                attribution.because,
                source.words(),
                attribution.as_of.as_deref().unwrap_or("undated")
            ),
            400,
        ),
        (None, Some(_)) => Shown::bounded(&attribution.because, 400),
        (None, None) => Shown::new(""),
    }
}

fn view(
    report: &Report,
    finding: &Finding,
    losses: &BTreeMap<&str, u32>,
    scan: Option<&str>,
) -> View {
    let check: Option<&'static Check> = scanner::checks::by_id(&finding.check);
    let cap = report
        .grade
        .caps
        .iter()
        .find(|cap| cap.check == finding.check)
        .map(|cap| match cap.letter.as_str() {
            "no_a_plus" => "A".to_owned(),
            letter => letter.to_owned(),
        });
    let headline = report.grade.revision;
    View {
        check: finding.check.clone(),
        title: title(&finding.check),
        tone: words::verdict_class(finding.verdict),
        verdict: words::verdict(finding.verdict),
        severity: words::severity(finding.severity),
        level: finding.level.as_str(),
        detail: Shown::bounded(&sentence(&finding.detail), 600),
        reason: Shown::new(&words::reason(&finding.reason)),
        why: check.map_or("", |check| check.why),
        fix: check.map_or("", |check| check.fix),
        cites: check
            .map(|check| check.cites.iter().copied().map(Cite::from).collect())
            .unwrap_or_default(),
        seen: finding
            .evidence
            .iter()
            .map(|place| Seen {
                exchange: place.exchange,
                at: Shown::new(&place_words(&place.at)),
                href: scan.map(|scan| format!("/scans/{scan}#x{}", place.exchange)),
                excerpt: None,
            })
            .collect(),
        lost: losses.get(finding.check.as_str()).map(|lost| match lost {
            0 => "< 0.1".into(),
            some => tenths(i64::from(*some)),
        }),
        cap,
        blocked_by: finding.blocked_by.clone(),
        fixer: fixer(finding),
        attributed: attributed(finding),
        shared: finding.party.len() > 1,
        unvalidated: finding.unvalidated,
        withheld: finding.withheld,
        retired: (finding.revision != headline).then(|| finding.revision.as_str()),
        known: check.is_some(),
    }
}

/// `header:www-authenticate[0]` → `header www-authenticate`.
fn place_words(at: &str) -> String {
    let Some((kind, rest)) = at.split_once(':') else {
        return at.to_owned();
    };
    match (kind, rest.strip_suffix("[0]").unwrap_or(rest)) {
        ("body", "" | "/") => "body".into(),
        (kind, rest) => format!("{kind} {rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::place_words;

    #[test]
    fn places_read_as_words() {
        assert_eq!(
            place_words("header:www-authenticate[0]"),
            "header www-authenticate"
        );
        assert_eq!(place_words("header:x[1]"), "header x[1]");
        assert_eq!(place_words("body:/resource"), "body /resource");
        assert_eq!(place_words("body:"), "body");
        assert_eq!(place_words("tls"), "tls");
    }
}
