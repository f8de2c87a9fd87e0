//! The figures about adoption, as pages and API give them: counts with what they are counts of,
//! shares with their intervals, raw and with each operator counting once.

use scanner::time::Millis;
use store::{Feature, Measure, Measured};

use crate::view::interval::{Interval, wilson};

/// Below so many graded servers, counts are given and no shares.
pub(crate) const FEWEST: i64 = 50;

/// A figure.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Figure {
    /// How many.
    pub(crate) n: i64,
    /// Of how many for which it could be told.
    pub(crate) of: i64,
    /// The share, unless too few servers are graded.
    pub(crate) share: Option<Interval>,
    /// Operators behind it.
    pub(crate) operators: i64,
    /// The share with each operator counting once.
    pub(crate) by_operator: Option<Interval>,
}

/// All figures of one moment.
#[derive(Debug)]
pub(crate) struct Adoption {
    measured: Measured,
    /// Servers with a letter.
    pub(crate) graded: i64,
    /// Shares are left out.
    pub(crate) suppressed: bool,
}

impl Adoption {
    pub(crate) fn new(measured: Measured) -> Self {
        let graded = measured.of("all", "letter").next().map_or(0, |row| row.of);
        Self {
            measured,
            graded,
            suppressed: graded < FEWEST,
        }
    }

    /// When it was counted; `None` before the first count.
    pub(crate) fn at(&self) -> Option<Millis> {
        self.measured.at
    }

    /// A figure of servers.
    pub(crate) fn figure(&self, population: &str, series: &str, value: &str) -> Figure {
        match self.measured.find(population, series, value) {
            Some(measure) => figure(measure, self.suppressed),
            // Nobody has this value: the whole is that of the series.
            None => self
                .measured
                .of(population, series)
                .next()
                .map(|other| {
                    let nobody = Measure {
                        n: 0,
                        share: 0,
                        ..other.clone()
                    };
                    figure(&nobody, self.suppressed)
                })
                .unwrap_or_default(),
        }
    }

    /// The values of a series of servers, with their figures.
    pub(crate) fn values(&self, series: &str) -> Vec<(String, Figure)> {
        self.measured
            .of("all", series)
            .map(|row| (row.value.clone(), figure(row, self.suppressed)))
            .collect()
    }

    /// How many issuers of a product (or `all`) announce something, of those with a document.
    pub(crate) fn issuers(&self, product: &str, feature: Feature) -> Figure {
        self.measured
            .find("issuer", feature.as_str(), product)
            .map(|measure| figure(measure, self.suppressed))
            .unwrap_or_default()
    }

    /// Products of which an issuer or a server was seen, those with most servers first.
    pub(crate) fn products(&self) -> Vec<String> {
        let mut seen: Vec<(i64, String)> = self
            .measured
            .of("issuer", Feature::Dcr.as_str())
            .filter(|row| row.value != "all")
            .map(|row| {
                (
                    self.figure("all", "product", &row.value).n,
                    row.value.clone(),
                )
            })
            .collect();
        for (value, figure) in self.values("product") {
            if !seen.iter().any(|(_, known)| *known == value) {
                seen.push((figure.n, value));
            }
        }
        seen.sort_by(|a, b| (b.0, &a.1).cmp(&(a.0, &b.1)));
        seen.into_iter().map(|(_, product)| product).collect()
    }

    /// Checks on which servers of a product warn or fail: check, warnings, failures, judged;
    /// those with most failures first.
    pub(crate) fn findings(&self, product: &str) -> Vec<(String, i64, i64, i64)> {
        let mut out: Vec<(String, i64, i64, i64)> = Vec::new();
        let rows = self.measured.rows.iter().filter(|row| row.value == product);
        for row in rows {
            let (warn, fail) = match row.population.as_str() {
                "warn" => (row.n, 0),
                "fail" => (0, row.n),
                _ => continue,
            };
            match out.iter_mut().find(|(check, ..)| *check == row.series) {
                Some(known) => {
                    known.1 += warn;
                    known.2 += fail;
                }
                None => out.push((row.series.clone(), warn, fail, row.of)),
            }
        }
        out.sort_by(|a, b| (b.2, b.1, &a.0).cmp(&(a.2, a.1, &b.0)));
        out
    }
}

/// The figure of a counted value.
pub(crate) fn figure(measure: &Measure, suppressed: bool) -> Figure {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let of_operators = measure.share as f64 / 1000.0;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let n = measure.n as f64;
    Figure {
        n: measure.n,
        of: measure.of,
        share: wilson(n, measure.of).filter(|_| !suppressed),
        operators: measure.operators,
        by_operator: wilson(of_operators, measure.operators).filter(|_| !suppressed),
    }
}

/// A series of yes and no.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Series {
    /// Its word in the API.
    pub(crate) id: &'static str,
    /// Short, for charts.
    pub(crate) title: &'static str,
    /// What is counted, in words.
    pub(crate) says: &'static str,
    /// Of what it is a share, in words.
    pub(crate) of: &'static str,
    /// Those that have it, if a list can show them.
    pub(crate) list: Option<&'static str>,
}

const WITH_DOCUMENT: &str = "servers whose authorization server's metadata was found";

/// What is adopted.
pub(crate) const ADOPTED: [Series; 5] = [
    Series {
        id: "rfc9728",
        title: "Resource metadata",
        says: "The server publishes protected resource metadata (RFC 9728) where clients look for it.",
        of: "servers with OAuth on which it could be told",
        list: None,
    },
    Series {
        id: "s256",
        title: "PKCE with S256",
        says: "Its authorization server lists S256 among its code challenge methods (RFC 7636, RFC 8414).",
        of: WITH_DOCUMENT,
        list: Some("/servers?pkce=s256"),
    },
    Series {
        id: "cimd",
        title: "Client ID documents",
        says: "Its authorization server announces client ID metadata documents.",
        of: WITH_DOCUMENT,
        list: Some("/servers?registration=cimd"),
    },
    Series {
        id: "dcr",
        title: "Dynamic registration",
        says: "Its authorization server names a registration endpoint (RFC 7591).",
        of: WITH_DOCUMENT,
        list: None,
    },
    Series {
        id: "iss",
        title: "Issuer in responses",
        says: "Its authorization server announces the iss parameter in authorization responses (RFC 9207).",
        of: WITH_DOCUMENT,
        list: None,
    },
];

/// What would break.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hazard {
    /// The series.
    pub(crate) series: Series,
    /// When this goes.
    pub(crate) goes: &'static str,
    /// What breaks.
    pub(crate) breaks: &'static str,
    /// What a server's operator does.
    pub(crate) operator: &'static str,
    /// What a client's vendor does.
    pub(crate) client: &'static str,
    /// A check that says more.
    pub(crate) check: &'static str,
}

/// What would break, and when.
pub(crate) const HAZARDS: [Hazard; 3] = [
    Hazard {
        series: Series {
            id: "dcr_only",
            title: "Dynamic registration only",
            says: "A registration endpoint is announced and client ID metadata documents are not.",
            of: "servers whose authorization server's metadata was found",
            list: Some("/servers?registration=dcr_only"),
        },
        goes: "Dynamic client registration",
        breaks: "A client that nobody registered beforehand has no other way in: it cannot obtain a client ID.",
        operator: "Have the authorization server accept client ID metadata documents, and leave dynamic registration on until the clients you serve have moved.",
        client: "Publish a client ID metadata document and try it first; keep dynamic registration as the fallback, and offer a field for a client ID that was registered by hand.",
        check: "reg-cimd-advertised",
    },
    Hazard {
        series: Series {
            id: "http_sse",
            title: "HTTP+SSE only",
            says: "The server answers in the transport of 2024-11-05 and in no newer one.",
            of: "servers that answered as MCP servers",
            list: Some("/servers?era=http-sse"),
        },
        goes: "The HTTP+SSE transport",
        breaks: "Clients that speak Streamable HTTP alone cannot connect at all.",
        operator: "Serve Streamable HTTP at one endpoint; most libraries can serve both from the same process while clients move.",
        client: "Keep the fallback of the revision (POST first, then GET for an endpoint event) until your users' servers are off this list.",
        check: "legacy-sse-offered",
    },
    Hazard {
        series: Series {
            id: "legacy_root",
            title: "Root document of 2025-03-26",
            says: "There is no protected resource metadata; clients find the authorization server only at the root of the server's own host, as 2025-03-26 had it.",
            of: "servers with OAuth",
            list: Some("/servers?class=legacy-oauth"),
        },
        goes: "The fallback to the server's own root",
        breaks: "Clients of 2025-06-18 and later look for protected resource metadata, find none, and stop.",
        operator: "Publish protected resource metadata (RFC 9728) that names the authorization server, and point at it in the challenge. Keep the root document for old clients.",
        client: "Read the challenge and the well-known places first; count how often the fallback is what helps before you remove it.",
        check: "prm-discoverable",
    },
];

/// Series whose course over time is shown.
pub(crate) fn series(id: &str) -> Option<Series> {
    let hazards = HAZARDS.iter().map(|hazard| hazard.series);
    ADOPTED.into_iter().chain(hazards).find(|one| one.id == id)
}

#[cfg(test)]
mod tests {
    use store::{Measure, Measured};

    use super::{Adoption, HAZARDS};

    fn measure(population: &str, series: &str, value: &str, (n, of): (i64, i64)) -> Measure {
        Measure {
            population: population.into(),
            series: series.into(),
            value: value.into(),
            n,
            of,
            share: 500,
            operators: 2,
        }
    }

    fn adoption(graded: i64) -> Adoption {
        Adoption::new(Measured {
            at: None,
            rows: vec![
                measure("all", "cimd", "yes", (30, 60)),
                measure("all", "letter", "A", (10, graded)),
                measure("all", "product", "okta", (2, 9)),
                measure("fail", "pkce-advertised", "okta", (2, 4)),
                measure("issuer", "dcr", "all", (1, 3)),
                measure("issuer", "dcr", "keycloak", (1, 3)),
                measure("warn", "pkce-advertised", "okta", (1, 4)),
            ],
        })
    }

    #[test]
    fn few_servers_have_counts_and_no_shares() {
        let few = adoption(49).figure("all", "cimd", "yes");
        assert_eq!(
            (few.n, few.of, few.share, few.by_operator),
            (30, 60, None, None)
        );
        let many = adoption(50).figure("all", "cimd", "yes");
        let share = many.share.expect("a share");
        assert!((share.at - 0.5).abs() < 1e-9 && share.low < 0.4 && share.high > 0.6);
        let operators = many.by_operator.expect("a share of operators");
        assert!((operators.at - 0.25).abs() < 1e-9);
        assert_eq!(adoption(50).figure("all", "letter", "F").of, 50);
    }

    #[test]
    fn products_and_their_findings_are_gathered() {
        let adoption = adoption(9);
        assert_eq!(adoption.products(), ["okta", "keycloak"]);
        assert_eq!(
            adoption.findings("okta"),
            [("pkce-advertised".to_owned(), 1, 2, 4)]
        );
    }

    #[test]
    fn hazards_point_at_checks_that_are_there() {
        for hazard in HAZARDS {
            assert!(
                scanner::checks::by_id(hazard.check).is_some(),
                "{}",
                hazard.check
            );
        }
    }
}
