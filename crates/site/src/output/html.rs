//! One HTML document that needs nothing else: its style is inside, it runs no script and loads
//! nothing, which its own content security policy also says. Rules are linked, not loaded.

use askama::Template;
use scanner::report::Report;
use scanner::spec::Revision;

use crate::policy::{Policy, Subject};
use crate::view::connect::{Outlook, outlook};
use crate::view::finding::{self, Findings, View};
use crate::view::funnel::{self, Step};
use crate::view::grade::{Mark, biting_cap, one_line, points};
use crate::view::ledger::Ledger;
use crate::view::{Shown, words};

#[derive(Template)]
#[template(path = "report.html")]
struct Document {
    title: String,
    several: bool,
    version: &'static str,
    subjects: Vec<One>,
}

type Trouble = (View, Option<String>, bool);

struct One {
    url: Shown,
    mark: Mark,
    why: Shown,
    cap: Option<String>,
    facts: Vec<(&'static str, String)>,
    policy: Vec<String>,
    funnel: Vec<Step>,
    trouble: Vec<(&'static str, Vec<Trouble>)>,
    findings: Findings,
    outlook: Outlook,
    ledger: Option<Ledger>,
    revisions: Vec<(&'static str, Mark, String, &'static str)>,
    exchanges: Vec<(u32, String, Shown, String)>,
}

/// The document.
///
/// # Errors
///
/// Never in practice: the template is compiled in and writes to memory.
pub fn document(subjects: &[Subject]) -> Result<String, askama::Error> {
    let title = match subjects {
        [one] => format!("Authorization of {}", Shown::new(&one.report.target.host)),
        several => format!("Authorization of {} MCP servers", several.len()),
    };
    Document {
        title,
        several: subjects.len() != 1,
        version: env!("CARGO_PKG_VERSION"),
        subjects: subjects.iter().map(one).collect(),
    }
    .render()
}

fn one(subject: &Subject) -> One {
    let (report, policy) = (&subject.report, &subject.policy);
    let mut findings = finding::sorted(report, None);
    let marked = |views: Vec<&View>| -> Vec<Trouble> {
        views
            .into_iter()
            .map(|view| {
                let waived = policy.suppressed.contains_key(&view.check);
                (view.clone(), policy.note(&view.check), waived)
            })
            .collect()
    };
    let trouble = vec![
        (
            "For the server's operator",
            marked(findings.server.iter().collect()),
        ),
        (
            "For the authorization server's tenant",
            marked(findings.tenant()),
        ),
        (
            "For the authorization server's vendor",
            marked(findings.vendor()),
        ),
    ];
    for view in findings.unsure.iter_mut().chain(&mut findings.na) {
        view.seen.clear();
    }
    One {
        url: Shown::bounded(&report.target.url, 400),
        mark: Mark::of(&report.grade),
        why: one_line(report),
        cap: biting_cap(&report.grade).map(|cap| {
            let band = report.grade.uncapped.map_or("", |letter| letter.as_str());
            format!(
                "Capped at {} by {}; the score alone would be {band}.",
                cap.letter, cap.check
            )
        }),
        facts: facts(report),
        policy: rules(policy),
        funnel: if report.class.graded() {
            funnel::steps(report)
        } else {
            Vec::new()
        },
        trouble,
        outlook: outlook(&report.connect, None),
        ledger: Ledger::of(&report.grade),
        revisions: revisions(report),
        exchanges: exchanges(report),
        findings,
    }
}

fn facts(report: &Report) -> Vec<(&'static str, String)> {
    let grade = &report.grade;
    let mut out = vec![
        ("Score", points(grade.score)),
        ("Coverage", format!("{:.1} %", grade.coverage)),
        ("Kind", words::class(report.class).to_owned()),
        ("Protocol", words::era(report.era).to_owned()),
    ];
    if let Some(exposure) = report.exposure {
        out.push(("Exposure", exposure.as_str().to_owned()));
    }
    if let Some(server) = report
        .authorization_servers
        .iter()
        .find(|server| server.selected)
    {
        out.push(("Authorization server", Shown::new(&server.host).to_string()));
    }
    out.push(("Score, MCP server", points(grade.sub.resource)));
    out.push((
        "Score, its authorization server",
        points(grade.sub.authorization_server),
    ));
    out.push((
        "Scanned",
        report.started.replace('T', " ").replace('Z', " UTC"),
    ));
    out.push((
        "We sent",
        format!(
            "{} requests, depth {}",
            report.requests.total,
            report.depth.as_str()
        ),
    ));
    out.push(("Rubric", Shown::bounded(&grade.rubric, 20).to_string()));
    out
}

/// What the rules of the run came to, a line each.
pub(super) fn rules(policy: &Policy) -> Vec<String> {
    let mut out: Vec<String> = policy
        .missed
        .iter()
        .map(|reason| format!("Missed: {reason}."))
        .collect();
    if let Some(against) = &policy.against {
        out.push(format!(
            "Since the baseline of {}: {} new, {} known, {} fixed.",
            Shown::bounded(&against.started, 40),
            against.new.len(),
            against.known.len(),
            against.fixed.len()
        ));
        out.extend(
            against
                .fixed
                .iter()
                .map(|check| format!("Fixed: `{check}`; the baseline can be renewed.")),
        );
        if let Some(other) = &against.other_server {
            out.push(format!("The baseline is of {}.", Shown::new(other)));
        }
    }
    if let Some(source) = &policy.source {
        out.push(format!(
            "{} suppressed by {} (SHA-256 {}); no grade is changed by that.",
            policy.suppressed.len(),
            Shown::bounded(&source.name, 100),
            source.sha256.get(..16).unwrap_or(&source.sha256)
        ));
    }
    out
}

fn revisions(report: &Report) -> Vec<(&'static str, Mark, String, &'static str)> {
    if !report.class.graded() {
        return Vec::new();
    }
    Revision::ALL
        .into_iter()
        .filter_map(|revision| {
            let grade = report.grades.get(&revision)?;
            let claimed = report
                .claimed
                .filter(|claimed| claimed.revision == revision)
                .map_or("", |claimed| match claimed.basis {
                    scanner::report::Basis::Observed => "spoken by the server",
                    scanner::report::Basis::Inferred => "implied by the server",
                });
            let score = points(grade.score);
            Some((revision.as_str(), Mark::of(grade), score, claimed))
        })
        .collect()
}

fn exchanges(report: &Report) -> Vec<(u32, String, Shown, String)> {
    report
        .exchanges
        .iter()
        .map(|exchange| {
            let end = match (exchange.status, &exchange.failure) {
                (Some(status), _) => status.to_string(),
                (None, Some(failure)) => Shown::bounded(failure, 40).to_string(),
                (None, None) => "–".to_owned(),
            };
            let request = format!("{} {}", exchange.method, exchange.url);
            (
                exchange.id,
                Shown::bounded(&exchange.purpose, 60).to_string(),
                Shown::bounded(&request, 400),
                end,
            )
        })
        .collect()
}
