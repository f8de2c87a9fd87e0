//! `/_components`: every part of the pages once, in debug builds and demonstrations.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use scanner::report::{Badge, GradeLetter};
use scanner::time::Millis;
use store::Measure;

use super::{Chrome, Section, html};
use crate::AppState;
use crate::adoption::{ADOPTED, Figure};
use crate::error::AppError;
use crate::view::Stamp;
use crate::view::chart::{Run, StepLine};
use crate::view::grade::Mark;
use crate::view::plot::{Course, Item, Plot, Trend};
use crate::view::{Link, Shown};
use crate::visit::Visit;

#[derive(Template)]
#[template(path = "components.html")]
struct Components {
    chrome: Chrome,
    marks: Vec<Mark>,
    verdicts: [(&'static str, &'static str); 5],
    spark: Option<StepLine>,
    stamp: Stamp,
    hostile: Shown,
    links: Vec<Link>,
    dots: Plot,
    bars: Plot,
    trend: Option<Trend>,
}

pub(crate) async fn page(State(app): State<AppState>, visit: Visit) -> Result<Response, AppError> {
    if !(cfg!(debug_assertions) || app.settings.demo) {
        return Err(AppError::not_found("There is nothing at this address."));
    }
    const DAY: i64 = 86_400_000;
    let run = |from: i64, to: i64, letter: &str, score: i64| Run {
        from: Millis(visit.now.0 - from * DAY),
        to: Millis(visit.now.0 - to * DAY),
        score: Some(score),
        mark: Mark::named(letter),
    };
    let line = [
        run(90, 70, "D", 512),
        run(69, 40, "C", 701),
        run(39, 12, "B", 884),
        run(11, 0, "A", 986),
    ];
    let mut marks: Vec<Mark> = GradeLetter::ALL
        .into_iter()
        .map(|letter| Mark::letter(letter, false))
        .collect();
    marks.push(Mark::letter(GradeLetter::B, true));
    marks.extend(Badge::ALL.into_iter().map(Mark::badge));
    marks.push(Mark::waiting());
    html(&Components {
        chrome: Chrome::new(
            &app,
            &visit,
            Section::None,
            "Components",
            "Every part of the pages.",
        ),
        marks,
        verdicts: [
            ("pass", "pass"),
            ("warn", "warn"),
            ("fail", "fail"),
            ("na", "does not apply"),
            ("unsure", "could not tell"),
        ],
        spark: StepLine::new(&line, visit.now, (640, 140)),
        stamp: Stamp::new(Millis(visit.now.0 - 3 * DAY), visit.now),
        hostile: Shown::new("<script>alert(1)</script> \u{202e}gnp.exe \u{0} =cmd()"),
        links: [
            "https://id.example.com/realm",
            "http://id.example.com",
            "javascript:alert(1)",
        ]
        .into_iter()
        .map(Link::new)
        .collect(),
        dots: Plot::dots("dots", "Dots with intervals", "servers", figures()),
        bars: Plot::bars("bars", "Bars", "servers", figures()),
        trend: Trend::new("steps", "Step lines", &courses(visit.now), visit.now),
    })
}

/// A figure of so many of 250 servers and 80 operators.
fn figure(n: i64) -> Figure {
    let measure = Measure {
        population: String::new(),
        series: String::new(),
        value: String::new(),
        n,
        of: 250,
        share: n * 300,
        operators: 80,
    };
    crate::adoption::figure(&measure, false)
}

fn figures() -> Vec<Item> {
    (1_i64..)
        .zip(ADOPTED)
        .map(|(place, series)| Item {
            label: series.title.to_owned(),
            href: None,
            tone: "",
            figure: figure(place * 47),
        })
        .collect()
}

fn courses(now: Millis) -> Vec<Course> {
    const DAY: i64 = 86_400_000;
    let today = now.0 / DAY;
    (1_i64..)
        .zip(ADOPTED)
        .map(|(place, series)| {
            let points = (0..90).map(|day| (today - 90 + day, figure(place * 30 + day / 9 * 8)));
            (series, points.collect())
        })
        .collect()
}
