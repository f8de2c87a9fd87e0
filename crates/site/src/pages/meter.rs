//! `/meter`: what this installation sent, day by day, as a chart and its table.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use store::MeterDay;

use super::{Chrome, Section, html};
use crate::AppState;
use crate::api::v1::meter::{date, days};
use crate::error::AppError;
use crate::view;
use crate::visit::Visit;

/// Days in the chart.
const SHOWN: usize = 60;
const WIDTH: i64 = 720;
const HEIGHT: i64 = 160;

#[derive(Template)]
#[template(path = "meter.html")]
struct Meter {
    chrome: Chrome,
    bars: Vec<Bar>,
    width: i64,
    height: i64,
    highest: String,
    title: String,
    rows: Vec<Row>,
    total: Row,
}

/// A day of the chart.
struct Bar {
    x: i64,
    y: i64,
    w: i64,
    h: i64,
    said: String,
}

/// A day of the table.
struct Row {
    day: String,
    requests: String,
    sent: String,
    read: String,
    hosts: String,
    refusals: String,
    slowed: String,
    stops: String,
}

pub(crate) async fn page(State(app): State<AppState>, visit: Visit) -> Result<Response, AppError> {
    let days = days(&app, visit.now).await?;
    let mut sum = MeterDay::default();
    for day in &days {
        sum.requests += day.requests;
        sum.sent_bytes += day.sent_bytes;
        sum.read_bytes += day.read_bytes;
        sum.hosts += day.hosts;
        sum.refusals += day.refusals;
        sum.slowed += day.slowed;
        sum.stops += day.stops;
    }
    let highest = days.iter().map(|day| day.requests).max().unwrap_or(0);
    html(&Meter {
        chrome: Chrome::new(
            &app,
            &visit,
            Section::None,
            "What we sent",
            "Requests, bytes, hosts and refusals of this installation, day by day.",
        ),
        bars: bars(&days, visit.now.0.div_euclid(86_400_000), highest),
        width: WIDTH,
        height: HEIGHT,
        highest: view::count(highest),
        title: format!(
            "Requests per day over {SHOWN} days, at most {}",
            view::count(highest)
        ),
        total: row("All".into(), &sum),
        rows: days.iter().map(|day| row(date(day.day), day)).collect(),
    })
}

fn row(day: String, meter: &MeterDay) -> Row {
    Row {
        day,
        requests: view::count(meter.requests),
        sent: bytes(meter.sent_bytes),
        read: bytes(meter.read_bytes),
        hosts: view::count(meter.hosts),
        refusals: view::count(meter.refusals),
        slowed: view::count(meter.slowed),
        stops: view::count(meter.stops),
    }
}

/// Bytes in the unit that reads best.
fn bytes(n: i64) -> String {
    match n {
        ..1_000 => format!("{n} B"),
        1_000..1_000_000 => format!("{}.{} kB", n / 1_000, n / 100 % 10),
        1_000_000..1_000_000_000 => format!("{}.{} MB", n / 1_000_000, n / 100_000 % 10),
        _ => format!("{}.{} GB", n / 1_000_000_000, n / 100_000_000 % 10),
    }
}

/// One bar for each day up to today, the oldest at the left.
fn bars(days: &[MeterDay], today: i64, highest: i64) -> Vec<Bar> {
    let shown = i64::try_from(SHOWN).unwrap_or(1);
    let step = WIDTH / shown;
    days.iter()
        .filter(|day| day.day > today - shown && day.day <= today && day.requests > 0)
        .map(|day| {
            let h = (day.requests * (HEIGHT - 20) / highest.max(1)).max(1);
            Bar {
                x: (day.day - (today - shown + 1)) * step,
                y: HEIGHT - h,
                w: step - 2,
                h,
                said: format!("{}: {} requests", date(day.day), view::count(day.requests)),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{HEIGHT, bars, bytes};
    use store::MeterDay;

    #[test]
    fn bars_stand_on_their_days() {
        let day = |day, requests| MeterDay {
            day,
            requests,
            ..MeterDay::default()
        };
        let drawn = bars(&[day(100, 10), day(99, 5), day(3, 9)], 100, 10);
        assert_eq!(drawn.len(), 2, "what is older is in the table only");
        assert_eq!(drawn[0].h, HEIGHT - 20);
        assert!(drawn[0].x > drawn[1].x && drawn[0].h > drawn[1].h);
    }

    #[test]
    fn bytes_read_well() {
        for (n, text) in [
            (0, "0 B"),
            (1_234, "1.2 kB"),
            (5_670_000, "5.6 MB"),
            (2_100_000_000, "2.1 GB"),
        ] {
            assert_eq!(bytes(n), text);
        }
    }
}
