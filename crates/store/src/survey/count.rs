//! Counting servers, issuers and verdicts into series. Pure: rows come in any number, ordered by
//! operator, and memory holds one operator and the sums.
//!
//! Beside the raw count stands one in which each operator counts once, split over its servers,
//! so that a platform with ten thousand endpoints does not speak for everybody.

use std::collections::BTreeMap;

use scanner::check::Party;

use super::{Feature, Features};
use crate::codec::Mark;

/// One counted value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measure {
    /// Of whom: `all`, a claimed revision, `issuer`, `warn` or `fail`.
    pub population: String,
    /// What is counted: a series of servers, a feature of issuers, the id of a check.
    pub series: String,
    /// The value; for issuers and verdicts the product, or `all`.
    pub value: String,
    /// How many have it.
    pub n: i64,
    /// Of how many for which it could be told.
    pub of: i64,
    /// `n` with each operator counting once, in thousandths.
    pub share: i64,
    /// Operators behind `of`; 0 where operators are not counted.
    pub operators: i64,
}

/// A server as it is counted.
#[derive(Debug, Clone, Default, sqlx::FromRow)]
pub(super) struct Line {
    pub(super) operator: String,
    pub(super) prm: Option<String>,
    pub(super) features: Option<i64>,
    pub(super) class: Option<String>,
    pub(super) era: Option<String>,
    pub(super) letter: Option<String>,
    pub(super) claimed: Option<String>,
    pub(super) registration: Option<String>,
    pub(super) product: Option<String>,
    pub(super) bits: Option<Vec<u8>>,
}

type Place = (String, &'static str);

/// Sums on their way.
#[derive(Debug, Default)]
pub(super) struct Tally {
    cells: BTreeMap<(Place, String), (i64, i64)>,
    wholes: BTreeMap<Place, (i64, i64)>,
    operator: String,
    own_cells: BTreeMap<(Place, String), i64>,
    own_wholes: BTreeMap<Place, i64>,
    issuers: BTreeMap<String, Vec<i64>>,
    verdicts: BTreeMap<(usize, String), (i64, i64, i64)>,
}

/// Series of yes and no, which are counted for each claimed revision as well.
const PLAIN: [(&str, Feature); 4] = [
    ("s256", Feature::S256),
    ("cimd", Feature::Cimd),
    ("dcr", Feature::Dcr),
    ("iss", Feature::Iss),
];
/// Classes of which nothing is known beyond that nobody answered as an MCP server.
const MUTE: [&str; 3] = ["unreachable", "blocked", "not-mcp"];

impl Tally {
    /// Counts a server. Those of one operator follow each other.
    pub(super) fn server(&mut self, line: &Line) {
        if self.operator != line.operator {
            self.end_operator();
            self.operator.clone_from(&line.operator);
        }
        self.series("all", line);
        if let Some(claimed) = &line.claimed {
            self.series(claimed, line);
        }
        let mut all = |series, value: Option<&str>| {
            if let Some(value) = value {
                self.note("all", series, Some(value));
            }
        };
        all("prm", line.prm.as_deref());
        all("letter", line.letter.as_deref());
        all("class", line.class.as_deref());
        all("claimed", line.claimed.as_deref());
        all("registration", line.registration.as_deref());
        all("product", line.product.as_deref());
        self.radar(line);
        self.verdicts(line);
    }

    fn series(&mut self, population: &str, line: &Line) {
        if let Some(prm) = &line.prm {
            let found = matches!(prm.as_str(), "header" | "path" | "root");
            self.note(population, "rfc9728", found.then_some("yes"));
        }
        if let Some(features) = line.features.map(Features) {
            for (series, feature) in PLAIN {
                self.note(population, series, features.has(feature).then_some("yes"));
            }
        }
    }

    /// Servers that break when something old goes.
    fn radar(&mut self, line: &Line) {
        let class = line.class.as_deref().unwrap_or_default();
        if let Some(way) = line.registration.as_deref() {
            self.note("all", "dcr_only", (way == "dcr_only").then_some("yes"));
        }
        if matches!(class, "oauth" | "lazy" | "legacy-oauth") {
            let legacy = class == "legacy-oauth";
            self.note("all", "legacy_root", legacy.then_some("yes"));
        }
        if !class.is_empty() && !MUTE.contains(&class) {
            let sse = line.era.as_deref() == Some("http-sse");
            self.note("all", "http_sse", sse.then_some("yes"));
        }
    }

    fn verdicts(&mut self, line: &Line) {
        let (Some(product), Some(bits)) = (&line.product, &line.bits) else {
            return;
        };
        for ordinal in 0..bits.len() * 4 {
            let (warn, fail) = match Mark::at(bits, ordinal) {
                Mark::Unjudged => continue,
                Mark::Pass => (0, 0),
                Mark::Warn => (1, 0),
                Mark::Fail => (0, 1),
            };
            let cell = self.verdicts.entry((ordinal, product.clone())).or_default();
            cell.0 += warn;
            cell.1 += fail;
            cell.2 += 1;
        }
    }

    fn note(&mut self, population: &str, series: &'static str, value: Option<&str>) {
        let place = (population.to_owned(), series);
        *self.own_wholes.entry(place.clone()).or_default() += 1;
        if let Some(value) = value {
            *self.own_cells.entry((place, value.to_owned())).or_default() += 1;
        }
    }

    fn end_operator(&mut self) {
        for ((place, value), n) in std::mem::take(&mut self.own_cells) {
            let whole = self.own_wholes.get(&place).copied().unwrap_or(1).max(1);
            let cell = self.cells.entry((place, value)).or_default();
            cell.0 += n;
            cell.1 += (n * 1000 + whole / 2) / whole;
        }
        for (place, n) in std::mem::take(&mut self.own_wholes) {
            let whole = self.wholes.entry(place).or_default();
            whole.0 += n;
            whole.1 += 1;
        }
    }

    /// Counts an issuer whose document was found.
    pub(super) fn issuer(&mut self, product: &str, features: Features) {
        for product in [product, "all"] {
            let cells = self
                .issuers
                .entry(product.to_owned())
                .or_insert_with(|| vec![0; Feature::ALL.len() + 1]);
            cells[Feature::ALL.len()] += 1;
            for (cell, feature) in cells.iter_mut().zip(Feature::ALL) {
                *cell += i64::from(features.has(feature));
            }
        }
    }

    /// The sums. `check` gives the id of the check at a position in the bits.
    pub(super) fn finish(mut self, check: impl Fn(usize) -> Option<String>) -> Vec<Measure> {
        self.end_operator();
        let mut out = Vec::new();
        for (place, (of, operators)) in &self.wholes {
            // A series of which nobody has anything is a nought, not a gap.
            let yes = ((place.clone(), "yes".to_owned()), (0, 0));
            let cells = self.cells.iter().filter(|((at, _), _)| at == place);
            let mut cells: Vec<(&str, i64, i64)> = cells
                .map(|((_, value), (n, share))| (value.as_str(), *n, *share))
                .collect();
            if cells.is_empty() {
                cells.push((&yes.0.1, 0, 0));
            }
            out.extend(cells.into_iter().map(|(value, n, share)| Measure {
                population: place.0.clone(),
                series: place.1.to_owned(),
                value: value.to_owned(),
                n,
                of: *of,
                share,
                operators: *operators,
            }));
        }
        let plain = |population: &str, series: &str, value: &str, n, of| Measure {
            population: population.to_owned(),
            series: series.to_owned(),
            value: value.to_owned(),
            n,
            of,
            share: 0,
            operators: 0,
        };
        for (product, cells) in &self.issuers {
            let of = cells.last().copied().unwrap_or(0);
            for (n, feature) in cells.iter().zip(Feature::ALL) {
                out.push(plain("issuer", feature.as_str(), product, *n, of));
            }
        }
        for ((ordinal, product), (warn, fail, of)) in &self.verdicts {
            let Some(id) = check(*ordinal).filter(|id| concerns_server(id)) else {
                continue;
            };
            for (population, n) in [("warn", *warn), ("fail", *fail)] {
                if n > 0 {
                    out.push(plain(population, &id, product, n, *of));
                }
            }
        }
        out
    }
}

/// Whether an authorization server can be the reason of a finding.
fn concerns_server(id: &str) -> bool {
    scanner::checks::by_id(id)
        .is_some_and(|check| check.party.contains(&Party::AuthorizationServer))
}

#[cfg(test)]
mod tests {
    use super::{Line, Measure, Tally};
    use crate::survey::{Feature, Features};

    fn line(operator: &str, features: i64) -> Line {
        Line {
            operator: operator.into(),
            prm: Some("path".into()),
            features: Some(features),
            class: Some("oauth".into()),
            era: Some("legacy".into()),
            letter: Some("A".into()),
            claimed: Some("2025-11-25".into()),
            registration: Some("dcr_only".into()),
            product: Some("keycloak".into()),
            bits: Some(vec![0b11]),
        }
    }

    fn find<'m>(all: &'m [Measure], key: (&str, &str, &str)) -> &'m Measure {
        all.iter()
            .find(|m| (m.population.as_str(), m.series.as_str(), m.value.as_str()) == key)
            .unwrap_or_else(|| panic!("no {key:?} in {all:#?}"))
    }

    #[test]
    fn a_large_operator_counts_once() {
        let mut tally = Tally::default();
        for n in 0..8 {
            tally.server(&line("big.example", i64::from(n % 4 == 0)));
        }
        tally.server(&line("small.example", 1));
        let all = tally.finish(|_| None);
        let dcr = find(&all, ("all", "dcr", "yes"));
        assert_eq!((dcr.n, dcr.of), (3, 9));
        assert_eq!(
            (dcr.share, dcr.operators),
            (1250, 2),
            "a quarter and a whole"
        );
        let claimed = find(&all, ("2025-11-25", "dcr", "yes"));
        assert_eq!((claimed.n, claimed.of), (3, 9));
        let nobody = find(&all, ("all", "cimd", "yes"));
        assert_eq!((nobody.n, nobody.of, nobody.operators), (0, 9, 2));
        assert_eq!(find(&all, ("all", "http_sse", "yes")).n, 0);
        assert_eq!(find(&all, ("all", "dcr_only", "yes")).n, 9);
    }

    #[test]
    fn what_could_not_be_told_is_in_no_denominator() {
        let mut tally = Tally::default();
        tally.server(&Line {
            operator: "a.example".into(),
            class: Some("unreachable".into()),
            ..Line::default()
        });
        tally.server(&line("b.example", 0));
        let all = tally.finish(|_| None);
        assert_eq!(find(&all, ("all", "rfc9728", "yes")).of, 1);
        assert_eq!(find(&all, ("all", "http_sse", "yes")).of, 1);
        assert_eq!(find(&all, ("all", "class", "unreachable")).of, 2);
    }

    #[test]
    fn issuers_and_verdicts_are_counted_by_product() {
        let mut tally = Tally::default();
        tally.issuer("keycloak", Features(1));
        tally.issuer("keycloak", Features(0));
        tally.server(&line("a.example", 0));
        let all = tally.finish(|ordinal| (ordinal == 0).then(|| "pkce-advertised".to_owned()));
        let dcr = find(&all, ("issuer", Feature::Dcr.as_str(), "keycloak"));
        assert_eq!((dcr.n, dcr.of), (1, 2));
        assert_eq!(find(&all, ("issuer", "dcr", "all")).of, 2);
        let failing = find(&all, ("fail", "pkce-advertised", "keycloak"));
        assert_eq!((failing.n, failing.of), (1, 1));
    }
}
