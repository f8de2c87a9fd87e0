//! `/compare/{a}...{b}`: two scans of one server, who caused what, and the documents that
//! differ.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use scanner::diff::Group;
use scanner::report::FindingVerdict;
use scanner::time::Millis;

use super::{Chrome, Section, html};
use crate::AppState;
use crate::api::v1::diffs::DiffQuery;
use crate::compare::{self, Comparison, Side, tenths};
use crate::error::AppError;
use crate::view::documents::{self, Pair};
use crate::view::finding;
use crate::view::grade::{self, Mark};
use crate::view::text::sentence;
use crate::view::{self, Shown, Stamp, words};
use crate::visit::Visit;

#[derive(Template)]
#[template(path = "compare.html")]
struct Compare {
    chrome: Chrome,
    server: String,
    name: Shown,
    url: Shown,
    a: Head,
    b: Head,
    delta: Option<(String, &'static str)>,
    parts: Vec<PartView>,
    groups: Vec<GroupView>,
    documents: Vec<DocumentView>,
    identical: bool,
    regraded: bool,
}

struct Head {
    scan: String,
    at: Stamp,
    mark: Mark,
    score: String,
    published: String,
    rubric: String,
    class: &'static str,
}

struct PartView {
    cause: String,
    points: String,
    tone: &'static str,
    /// Length of the bar, 0 to 100.
    bar: i64,
}

struct GroupView {
    heading: &'static str,
    count: usize,
    /// Those worth reading.
    changes: Vec<ChangeView>,
    /// Those that only follow from others: they pass now, or have nothing to judge any more.
    rest: Vec<ChangeView>,
}

struct ChangeView {
    check: String,
    title: String,
    before: &'static str,
    after: &'static str,
    before_word: &'static str,
    after_word: &'static str,
    points: String,
    tone: &'static str,
    cause: String,
    was: Shown,
    is: Shown,
}

struct DocumentView {
    name: Shown,
    note: &'static str,
    /// A whole document that came or went, with many members: folded.
    long: bool,
    pair: Pair,
}

pub(crate) async fn page(
    State(app): State<AppState>,
    visit: Visit,
    Path(pair): Path<String>,
    Query(query): Query<DiffQuery>,
) -> Result<Response, AppError> {
    let (a, b) = compare::pair(&pair)?;
    let server = Some(query.server.as_str()).filter(|server| !server.is_empty());
    let both = compare::load(&app, a, b, server).await?;
    let row = &both.b.row.server;
    let name = Shown::bounded(row.name.as_deref().unwrap_or(&row.host), 80);
    let change = both.diff.score_delta_tenths;
    html(&Compare {
        chrome: Chrome::new(
            &app,
            &visit,
            Section::Changes,
            format!("What changed at {name}"),
            "Two scans of one server side by side.",
        ),
        server: row.id.clone(),
        url: Shown::new(&row.url),
        name,
        a: head(&both.a, visit.now),
        b: head(&both.b, visit.now),
        delta: change.map(|change| (view::signed(change), tone(change))),
        parts: parts(&both),
        groups: groups(&both),
        documents: documents::compare(&both.a.evidence, &both.b.evidence)
            .into_iter()
            .map(document)
            .collect(),
        identical: both.diff.identical,
        regraded: [&both.a, &both.b]
            .iter()
            .any(|side| side.published.grade.rubric != side.report.grade.rubric),
    })
}

fn head(side: &Side, now: Millis) -> Head {
    Head {
        scan: side.row.scan.clone(),
        at: Stamp::new(side.row.at, now),
        mark: Mark::of(&side.report.grade),
        score: grade::points(side.report.grade.score),
        published: grade::points(side.published.grade.score),
        rubric: side.published.grade.rubric.clone(),
        class: words::class(side.report.class),
    }
}

fn tone(tenths: i64) -> &'static str {
    match tenths {
        0 => "",
        gain if gain > 0 => "pos",
        _ => "neg",
    }
}

fn parts(both: &Comparison) -> Vec<PartView> {
    if tenths(&both.a.report).is_none() || tenths(&both.b.report).is_none() {
        return Vec::new();
    }
    let parts = both.parts();
    let largest = parts
        .iter()
        .map(|part| part.tenths.abs())
        .max()
        .unwrap_or(1);
    parts
        .iter()
        .map(|part| PartView {
            cause: words::cause(part.cause),
            points: view::signed(part.tenths),
            tone: tone(part.tenths),
            bar: (part.tenths.abs() * 100 / largest.max(1)).max(1),
        })
        .collect()
}

fn groups(both: &Comparison) -> Vec<GroupView> {
    let order = [
        Group::Regressed,
        Group::Fixed,
        Group::NewlyJudged,
        Group::NoLongerJudged,
        Group::Reworded,
    ];
    order
        .into_iter()
        .map(|group| {
            let all: Vec<ChangeView> = both
                .diff
                .group(group)
                .map(|change| change_view(both, change))
                .collect();
            let count = all.len();
            let quiet = matches!(group, Group::NewlyJudged | Group::NoLongerJudged);
            let (rest, changes) = all
                .into_iter()
                .partition(|change| quiet && !matches!(change.after, "warn" | "fail"));
            GroupView {
                heading: group.heading(),
                count,
                changes,
                rest,
            }
        })
        .filter(|group| group.count > 0)
        .collect()
}

fn change_view(both: &Comparison, change: &scanner::diff::VerdictChange) -> ChangeView {
    let said = |side: &Side| {
        let found = side.report.findings.iter().find(|finding| {
            let told = matches!(finding.verdict, FindingVerdict::Warn | FindingVerdict::Fail);
            finding.check == change.check && told && !finding.withheld
        });
        let text = found.map(|finding| sentence(&finding.detail));
        Shown::bounded(&text.unwrap_or_default(), 400)
    };
    let class = |verdict: Option<FindingVerdict>| verdict.map_or("na", words::verdict_class);
    let word = |verdict: Option<FindingVerdict>| verdict.map_or("absent", words::verdict);
    ChangeView {
        check: change.check.clone(),
        title: finding::title(&change.check),
        before: class(change.before),
        after: class(change.after),
        before_word: word(change.before),
        after_word: word(change.after),
        points: match change.tenths {
            0 => String::new(),
            tenths => view::signed(tenths),
        },
        tone: tone(change.tenths),
        cause: words::cause(compare::cause(change.cause)),
        was: said(&both.a),
        is: said(&both.b),
    }
}

fn document(pair: Pair) -> DocumentView {
    DocumentView {
        long: (pair.appeared || pair.vanished) && pair.changes.len() > 6,
        name: Shown::new(&pair.name),
        note: match (pair.appeared, pair.vanished) {
            (true, _) => "was not there before",
            (_, true) => "is gone",
            _ => "",
        },
        pair,
    }
}
