//! One server, asked over one wire era, over the other, and over both: what does not belong to
//! an era comes out the same.

use std::collections::BTreeMap;

use scanner::evidence::Evidence;
use scanner::fleet::Fleet;
use scanner::fleet::world::{AuthorizationServer, Challenge, Guard, McpServer, Speaks, World};
use scanner::grade::grade;
use scanner::net::NetScanner;
use scanner::report::{FindingVerdict, Report};
use scanner::rubric;
use scanner::scan::Scan;
use scanner::spec::Revision;
use scanner::target::Target;

use crate::loopback;

const HOST: &str = "two-eras.demo.example";

fn server(guard: Guard, modern: bool, legacy: bool) -> McpServer {
    let open = guard == Guard::Open;
    let mut server = McpServer::compliant(HOST, "Two eras", "https://id.demo.example");
    server.guard = guard;
    server.speaks = Speaks {
        modern,
        legacy,
        sessions: false,
    };
    if open {
        server.prm = None;
    }
    server
}

async fn report(guard: Guard, modern: bool, legacy: bool) -> Report {
    let world = World {
        servers: vec![server(guard, modern, legacy)],
        authorization_servers: vec![AuthorizationServer::compliant("id.demo.example")],
        edits: Vec::new(),
    };
    let fleet = Fleet::start(world).await.unwrap();
    let settings = loopback::reaching(&fleet);
    let scanner = NetScanner::new(settings).await.unwrap();
    let target = Target::of(format!("https://{HOST}/mcp"));
    let evidence: Evidence = scanner.scan(&target, "scn_eras").await;
    grade(&evidence, rubric::current())
}

/// Verdict and reason of every check in a column, without those that an era alone decides.
fn verdicts(report: &Report, revision: Revision) -> BTreeMap<&str, (FindingVerdict, &str)> {
    report
        .findings
        .iter()
        .map(|finding| {
            let other = finding.by_revision.get(&revision);
            let said = match other {
                Some(other) => (other.verdict, other.reason.as_str()),
                None => (finding.verdict, finding.reason.as_str()),
            };
            (finding.check.as_str(), said)
        })
        .collect()
}

/// Checks whose subject is one era's wire form, or the comparison of both.
fn belongs_to_an_era(check: &str) -> bool {
    let check = scanner::checks::by_id(check).unwrap();
    matches!(
        check.area,
        scanner::check::Area::Session | scanner::check::Area::Legacy
    )
}

#[tokio::test]
async fn both_eras_give_one_answer() {
    let guards = [
        Guard::Bearer(Challenge::good()),
        Guard::Bearer(Challenge::bare()),
        Guard::AnyBearer(Challenge::good()),
        Guard::Lazy(Challenge::good()),
        Guard::ApiKey,
        Guard::Open,
    ];
    for guard in guards {
        let both = report(guard.clone(), true, true).await;
        for (modern, legacy) in [(true, false), (false, true)] {
            let one = report(guard.clone(), modern, legacy).await;
            assert_eq!(both.class, one.class, "{guard:?}");
            for revision in Revision::ALL {
                let (whole, part) = (verdicts(&both, revision), verdicts(&one, revision));
                for (check, said) in &whole {
                    if belongs_to_an_era(check) {
                        continue;
                    }
                    assert_eq!(
                        said, &part[check],
                        "{check} in {revision} of {guard:?}: both eras, then modern {modern} legacy {legacy}"
                    );
                }
            }
        }
    }
}
