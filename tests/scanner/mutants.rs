//! Mutants of sample servers, asked through the real network: each is changed in one point,
//! and what that must change is written down beside it. Everything else must stay as it was.

mod list;

use std::collections::BTreeMap;

use scanner::accuracy::{Item, Truth};
use scanner::evidence::Evidence;
use scanner::fleet::Fleet;
use scanner::fleet::world::{AuthorizationServer, Challenge, Guard, McpServer, World};
use scanner::grade::grade;
use scanner::net::{ConnectTo, NetScanner};
use scanner::report::{FindingVerdict, Report};
use scanner::rubric;
use scanner::scan::Scan;
use scanner::target::Target;

use crate::probing::quick;

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
}

async fn scan(world: World) -> Evidence {
    let fleet = Fleet::start(world).await.unwrap();
    let mut settings = quick();
    settings.extra_roots = fleet.authority().as_bytes().to_vec();
    settings.connect_to = fleet
        .connect_to()
        .iter()
        .map(|rule| rule.parse::<ConnectTo>().unwrap())
        .collect();
    let scanner = NetScanner::new(settings).await.unwrap();
    let target = Target::of(format!("https://{HOST}/mcp"));
    scanner.scan(&target, "scn_mutant").await
}

fn verdicts(report: &Report) -> BTreeMap<&str, (FindingVerdict, &str)> {
    report
        .findings
        .iter()
        .map(|finding| {
            (
                finding.check.as_str(),
                (finding.verdict, finding.reason.as_str()),
            )
        })
        .collect()
}

/// What must be said of a check: what the mutant says, else what the base says.
fn truth(base: &BTreeMap<&str, (FindingVerdict, &str)>, mutant: &Mutant, check: &str) -> Truth {
    mutant
        .says
        .iter()
        .find(|(id, _)| *id == check)
        .map_or(Truth::Said(base[check].0), |(_, word)| {
            Truth::parse(word).unwrap()
        })
}

#[tokio::test]
async fn a_mutant_changes_what_it_must_and_nothing_else() {
    let mut bases: BTreeMap<Base, Report> = BTreeMap::new();
    for base in [Base::Protected, Base::Lazy, Base::Open] {
        let report = grade(&scan(base.world()).await, rubric::current());
        if std::env::var_os("SHOW").is_some() {
            for (check, (verdict, reason)) in verdicts(&report) {
                eprintln!("{base:?}\t{check}\t{}\t{reason}", verdict.as_str());
            }
        }
        bases.insert(base, report);
    }
    let mut wrong = Vec::new();
    let (mut items, mut labels) = (Vec::new(), Vec::new());
    for mutant in list::MUTANTS {
        let mut world = mutant.base.world();
        (mutant.change)(&mut world);
        let evidence = scan(world).await;
        let report = grade(&evidence, rubric::current());
        let base = verdicts(&bases[&mutant.base]);
        for (check, (verdict, reason)) in verdicts(&report) {
            let truth = truth(&base, mutant, check);
            let stated = mutant.says.iter().any(|(id, _)| *id == check);
            let agrees = match truth {
                Truth::Said(said) => said == verdict,
                Truth::Blocked => {
                    matches!(verdict, FindingVerdict::Na | FindingVerdict::Inconclusive)
                }
            };
            if !agrees {
                wrong.push(format!(
                    "{}: {check} must be {}, is {} ({reason})",
                    mutant.name,
                    truth.as_str(),
                    verdict.as_str()
                ));
            }
            labels.push(format!(
                "mutant-{}\t{check}\t{}\t{}\t{}",
                mutant.name,
                scanner::spec::Revision::HEADLINE,
                truth.as_str(),
                if stated {
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
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
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
