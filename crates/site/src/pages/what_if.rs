//! `/scans/{id}/what-if`: a form of everything that can be fixed, the grade that would come of
//! it, and the cheapest path to a better letter. A link with `fix=` is an answer to mail around.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use scanner::report::{FindingVerdict, Fixer, Grade};
use scanner::whatif::Range;

use super::{Chrome, Section, html};
use crate::AppState;
use crate::error::AppError;
use crate::view::grade::{self, Mark};
use crate::view::ledger::Ledger;
use crate::view::{self, Shown, finding, words};
use crate::visit::Visit;
use crate::whatif::{self, Supposed};

#[derive(Template)]
#[template(path = "what-if.html")]
struct WhatIf {
    chrome: Chrome,
    id: String,
    server: String,
    name: Shown,
    now: Side,
    low: Side,
    /// The better end, where it differs.
    high: Option<Side>,
    unknown: Vec<&'static str>,
    supposed: bool,
    choices: Vec<Choice>,
    path: Option<Way>,
    stuck: &'static str,
}

struct Side {
    mark: Mark,
    score: String,
    held_by: Option<String>,
    ledger: Option<Ledger>,
}

struct Choice {
    check: &'static str,
    title: String,
    tone: &'static str,
    verdict: &'static str,
    points: String,
    whose: &'static str,
    chosen: bool,
}

struct Way {
    href: String,
    fixes: Vec<&'static str>,
    /// The letter, or the span of letters.
    letter: String,
    whose: String,
}

pub(crate) async fn page(
    State(app): State<AppState>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Response, AppError> {
    let wanted = whatif::asked(visit.query.as_deref());
    let answer = whatif::suppose(&app, &id, wanted).await?;
    let row = &answer.server;
    let name = Shown::bounded(row.name.as_deref().unwrap_or(&row.host), 80);
    html(&WhatIf {
        chrome: Chrome::new(
            &app,
            &visit,
            Section::Servers,
            format!("What if {name} fixed …"),
            "The grade that a scan would have had with some findings fixed.",
        ),
        server: row.id.clone(),
        now: side(&answer.now),
        low: side(&answer.then.low),
        high: differs(&answer.then).then(|| side(&answer.then.high)),
        unknown: answer.then.unknown.clone(),
        supposed: !answer.fixes.is_empty(),
        choices: choices(&answer),
        path: way(&answer, &id),
        stuck: stuck(&answer),
        name,
        id,
    })
}

fn differs(range: &Range) -> bool {
    range.low.letter != range.high.letter || range.low.score != range.high.score
}

fn side(grade: &Grade) -> Side {
    Side {
        mark: Mark::of(grade),
        score: grade::points(grade.score),
        held_by: grade::biting_cap(grade).map(|cap| cap.check.clone()),
        ledger: Ledger::of(grade),
    }
}

/// Who has to act on a check of this scan.
fn fixer(answer: &Supposed, check: &str) -> Option<Fixer> {
    answer
        .report
        .findings
        .iter()
        .find(|finding| finding.check == check)
        .and_then(|finding| finding.attribution.as_ref())
        .map(|attribution| attribution.to)
}

fn choices(answer: &Supposed) -> Vec<Choice> {
    let lost = |check: &str| {
        let line = answer.now.ledger.iter().find(|line| line.check == check);
        line.map_or(0, |line| line.tenths)
    };
    let mut choices: Vec<(u32, Choice)> = answer
        .fixable
        .iter()
        .map(|check| {
            let verdict = answer
                .report
                .findings
                .iter()
                .find(|finding| finding.check == **check)
                .map_or(FindingVerdict::Warn, |finding| finding.verdict);
            let tenths = lost(check);
            let choice = Choice {
                check,
                title: finding::title(check),
                tone: words::verdict_class(verdict),
                verdict: words::verdict(verdict),
                points: match tenths {
                    0 => String::new(),
                    some => view::signed(i64::from(some)),
                },
                whose: fixer(answer, check).map_or("", Fixer::words),
                chosen: answer.fixes.contains(check),
            };
            (tenths, choice)
        })
        .collect();
    choices.sort_by_key(|(tenths, _)| std::cmp::Reverse(*tenths));
    choices.into_iter().map(|(_, choice)| choice).collect()
}

fn way(answer: &Supposed, id: &str) -> Option<Way> {
    let path = answer.path.as_ref()?;
    let mut fixers: Vec<&'static str> = path
        .fixes
        .iter()
        .filter_map(|check| fixer(answer, check))
        .map(Fixer::words)
        .collect();
    fixers.sort_unstable();
    fixers.dedup();
    Some(Way {
        href: format!("/scans/{id}/what-if?fix={}", path.fixes.join(",")),
        fixes: path.fixes.clone(),
        letter: letters(&path.range),
        whose: fixers.join(" and the "),
    })
}

fn letters(range: &Range) -> String {
    let (low, high) = (Mark::of(&range.low).text, Mark::of(&range.high).text);
    if low == high {
        return high;
    }
    format!("{low} at least, {high} at best")
}

/// Why no path is shown.
fn stuck(answer: &Supposed) -> &'static str {
    if answer.now.letter.is_none() {
        "This scan has no letter, so there is none to raise."
    } else if answer.fixable.is_empty() {
        "Nothing is left to fix under the rules in force."
    } else {
        "No five fixes raise the letter. What costs most stands first below."
    }
}
