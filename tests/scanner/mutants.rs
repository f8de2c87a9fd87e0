//! Mutants of sample servers, asked through the real network: each is changed in one point,
//! and what that must change is written down beside it. Everything else must stay as it was.

mod challenge;
mod issuer;
mod open;
mod resource;
mod surface;
mod table;

use std::collections::BTreeMap;

use scanner::accuracy::{Item, Truth};
use scanner::evidence::Evidence;
use scanner::fleet::Fleet;
use scanner::fleet::world::{AuthorizationServer, Challenge, Guard, McpServer, World};
use scanner::grade::grade;
use scanner::net::NetScanner;
use scanner::report::{FindingVerdict, Report};
use scanner::rubric;
use scanner::scan::Scan;
use scanner::target::Target;

use crate::loopback;

const HOST: &str = "notes.mutant.example";
const ISSUER: &str = "id.mutant.example";

/// What a mutant starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Base {
    /// A token for everything, both eras, a compliant authorization server.
    Protected,
    /// Lists are open, calls need a token.
    Lazy,
    /// Nothing needs a token.
    Open,
}

impl Base {
    fn world(self) -> World {
        let issuer = format!("https://{ISSUER}");
        let server = McpServer::compliant(HOST, "Notes", &issuer);
        let server = match self {
            Self::Protected => server,
            Self::Lazy => McpServer {
                guard: Guard::Lazy(Challenge::good()),
                ..server
            },
            Self::Open => McpServer::open(HOST, "Notes"),
        };
        World {
            servers: vec![server],
            authorization_servers: vec![AuthorizationServer::compliant(ISSUER)],
            edits: Vec::new(),
        }
    }
}

/// A world changed in one point.
struct Mutant {
    name: &'static str,
    base: Base,
    change: fn(&mut World),
    /// What the change makes of checks, in the newest revision.
    says: &'static [(&'static str, &'static str)],
    /// Groups of checks that stand behind what the change breaks.
    blocked: &'static [&'static [&'static str]],
}

async fn scan(world: World) -> Evidence {
    let fleet = Fleet::start(world).await.unwrap();
    let settings = loopback::reaching(&fleet);
    let scanner = NetScanner::new(settings).await.unwrap();
    let target = Target::of(format!("https://{HOST}/mcp"));
    scanner.scan(&target, "scn_mutant").await
}

/// What must be said of the unchanged servers: base, check and verdict, read against the
/// catalogue by hand. A check that is not named there is n/a.
fn expected(base: Base) -> BTreeMap<&'static str, Truth> {
    include_str!("mutants/bases.tsv")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let mut fields = line.split('\t');
            let (named, check, word) = (fields.next()?, fields.next()?, fields.next()?);
            (named == format!("{base:?}")).then(|| (check, Truth::parse(word).unwrap()))
        })
        .collect()
}

/// What must be said of a check: what the mutant says, else what the base must get.
fn truth(base: &BTreeMap<&'static str, Truth>, mutant: Option<&Mutant>, check: &str) -> Truth {
    mutant
        .and_then(|mutant| mutant.truth(check))
        .or_else(|| base.get(check).copied())
        .unwrap_or(Truth::Said(FindingVerdict::Na))
}

impl Mutant {
    /// What the change makes of a check, if it makes anything of it.
    fn truth(&self, check: &str) -> Option<Truth> {
        let said = self.says.iter().find(|(id, _)| *id == check);
        match said {
            Some((_, word)) => Truth::parse(word),
            None => self
                .blocked
                .iter()
                .any(|group| group.contains(&check))
                .then_some(Truth::Blocked),
        }
    }
}

/// Where a report differs from what must be said.
fn wrong(
    name: &str,
    report: &Report,
    base: &BTreeMap<&'static str, Truth>,
    mutant: Option<&Mutant>,
) -> Vec<String> {
    report
        .findings
        .iter()
        .filter_map(|finding| {
            let truth = truth(base, mutant, &finding.check);
            let said = finding.verdict;
            let agrees = match truth {
                Truth::Said(verdict) => verdict == said,
                Truth::Blocked => {
                    matches!(said, FindingVerdict::Na | FindingVerdict::Inconclusive)
                }
            };
            (!agrees).then(|| {
                format!(
                    "{name}: {} must be {}, is {} ({})",
                    finding.check,
                    truth.as_str(),
                    said.as_str(),
                    finding.reason
                )
            })
        })
        .collect()
}

#[tokio::test]
async fn a_mutant_changes_what_it_must_and_nothing_else() {
    let mut faults = Vec::new();
    for base in [Base::Protected, Base::Lazy, Base::Open] {
        let report = grade(&scan(base.world()).await, rubric::current());
        let name = format!("{base:?} unchanged");
        faults.extend(wrong(&name, &report, &expected(base), None));
    }
    let (mut items, mut labels) = (Vec::new(), Vec::new());
    let mutants = [
        challenge::MUTANTS,
        resource::MUTANTS,
        issuer::MUTANTS,
        surface::MUTANTS,
        open::MUTANTS,
    ];
    for mutant in mutants.into_iter().flatten() {
        let mut world = mutant.base.world();
        (mutant.change)(&mut world);
        let evidence = scan(world).await;
        let report = grade(&evidence, rubric::current());
        let base = expected(mutant.base);
        faults.extend(wrong(mutant.name, &report, &base, Some(mutant)));
        for finding in &report.findings {
            let check = finding.check.as_str();
            labels.push(format!(
                "mutant-{}\t{check}\t{}\t{}\t{}",
                mutant.name,
                scanner::spec::Revision::HEADLINE,
                truth(&base, Some(mutant), check).as_str(),
                if mutant.truth(check).is_some() {
                    "what the change makes of it"
                } else {
                    "untouched by the change"
                }
            ));
        }
        items.push(Item {
            name: format!("mutant-{}", mutant.name),
            evidence,
        });
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    if std::env::var_os("AUTHDEX_WRITE_CORPUS").is_some() {
        write(&items, &labels);
    }
}

fn write(items: &[Item], labels: &[String]) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus");
    let mut plain = Vec::new();
    for item in items {
        serde_json::to_writer(&mut plain, item).unwrap();
        plain.push(b'\n');
    }
    let packed = zstd::encode_all(plain.as_slice(), 19).unwrap();
    std::fs::write(folder.join("mutants.ndjson.zst"), packed).unwrap();
    let tsv = format!(
        "# item, check, revision, label, source: mutants of sample servers over real TLS, written by `just corpus`\n{}\n",
        labels.join("\n")
    );
    std::fs::write(folder.join("mutants.tsv"), tsv).unwrap();
}
