//! Charts of figures: bars of counts, dots with their intervals, step lines over days. Inline
//! SVG whose positions are percentages, so that text keeps its size in a narrow window; colours
//! come from classes, so that the content security policy needs no exception. Each chart carries
//! the rows of the table that stands below it.

use scanner::time::Millis;

use super::interval::{Interval, percent};
use super::{Stamp, count};
use crate::adoption::{Figure, Series};

/// Height of a row of a chart.
const ROW: i64 = 50;
/// Where a row's label stands, from its top.
const LABEL: i64 = 14;
/// Where a row's line runs, from its top.
const LINE: i64 = 28;
/// Most points of a line.
const POINTS: usize = 60;
/// Height of the drawn part of a trend.
pub const TREND: i64 = 180;
/// A day in milliseconds.
const DAY: i64 = 86_400_000;

/// Something to be drawn and tabled.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) label: String,
    pub(crate) href: Option<String>,
    /// Class of the style sheet for its colour.
    pub(crate) tone: &'static str,
    pub(crate) figure: Figure,
}

/// A chart of rows.
#[derive(Debug, Clone)]
pub struct Plot {
    /// Prefix of the ids in it.
    pub id: &'static str,
    /// What it shows, in a sentence.
    pub title: String,
    /// How to read it.
    pub desc: String,
    /// Height in pixels.
    pub height: i64,
    /// Percentages stand below it.
    pub scale: bool,
    /// The rows.
    pub rows: Vec<Row>,
    /// What is counted, for the table.
    pub unit: &'static str,
    /// Shares are in the table.
    pub shares: bool,
    /// Operators are in the table.
    pub operators: bool,
}

/// One row of a [`Plot`].
#[derive(Debug, Clone)]
pub struct Row {
    /// What it is.
    pub label: String,
    /// List of those that are counted.
    pub href: Option<String>,
    /// Class of the style sheet.
    pub tone: &'static str,
    /// Baseline of the label.
    pub text_y: i64,
    /// Height of the line.
    pub y: i64,
    /// What stands at the right.
    pub value: String,
    /// Length of its bar in percent, for bars.
    pub bar: Option<String>,
    /// The share of servers, for dots: middle, lower and upper end in percent.
    pub dot: Option<Place>,
    /// The share of operators, a little lower.
    pub operators_dot: Option<Place>,
    /// For the table: how many, of how many.
    pub n: String,
    /// See `n`.
    pub of: String,
    /// Share and range of servers.
    pub share: Option<(String, String)>,
    /// Number of operators, share and range.
    pub by_operator: Option<(String, String, String)>,
}

/// A dot with its interval, in percent of the width.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The dot.
    pub at: String,
    /// Left end.
    pub low: String,
    /// Right end.
    pub high: String,
    /// Height.
    pub y: i64,
}

fn place(interval: Interval, y: i64) -> Place {
    Place {
        at: percent(interval.at),
        low: percent(interval.low),
        high: percent(interval.high),
        y,
    }
}

impl Plot {
    /// Bars of counts, relative to the longest.
    pub(crate) fn bars(
        id: &'static str,
        title: impl Into<String>,
        unit: &'static str,
        items: Vec<Item>,
    ) -> Self {
        let longest = items.iter().map(|item| item.figure.n).max().unwrap_or(0);
        let rows: Vec<Row> = (0_i64..)
            .zip(items)
            .map(|(position, item)| {
                let value = match item.figure.share {
                    Some(share) => format!("{}, {}", count(item.figure.n), share.share()),
                    None => count(item.figure.n),
                };
                #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
                let length = item.figure.n as f64 / longest.max(1) as f64;
                let mut row = row(position, item, value);
                row.bar = Some(percent(length));
                row
            })
            .collect();
        Self::of(id, title.into(), unit, rows, false)
    }

    /// Dots with intervals; bars of counts where there are no shares.
    pub(crate) fn dots(
        id: &'static str,
        title: impl Into<String>,
        unit: &'static str,
        items: Vec<Item>,
    ) -> Self {
        if items.iter().all(|item| item.figure.share.is_none()) {
            let lengths: Vec<String> = items.iter().map(|item| part(item.figure)).collect();
            let mut plot = Self::bars(id, title, unit, items);
            for (row, length) in plot.rows.iter_mut().zip(lengths) {
                row.value = format!("{} of {}", row.n, row.of);
                row.bar = Some(length);
            }
            return plot;
        }
        let rows: Vec<Row> = (0_i64..)
            .zip(items)
            .map(|(position, item)| {
                let figure = item.figure;
                let value = figure
                    .share
                    .map_or_else(|| "no data".to_owned(), |share| share.share());
                let mut row = row(position, item, value);
                row.dot = figure.share.map(|share| place(share, row.y));
                row.operators_dot = figure.by_operator.map(|share| place(share, row.y + 9));
                row
            })
            .collect();
        Self::of(id, title.into(), unit, rows, true)
    }

    fn of(
        id: &'static str,
        title: String,
        unit: &'static str,
        rows: Vec<Row>,
        scale: bool,
    ) -> Self {
        let operators = rows.iter().any(|row| row.by_operator.is_some());
        let desc = if !scale {
            "A bar for each row, as long as its count or its part of the whole."
        } else if operators {
            "A row each: a filled dot is the share of servers, a ring below it the share with every operator counting once; lines are 95 % intervals."
        } else {
            "A row each: a dot is the share, its line the 95 % interval."
        };
        let bottom = if scale { 22 } else { 0 };
        Self {
            id,
            title,
            desc: format!("{desc} The same numbers stand in the table below."),
            height: i64::try_from(rows.len()).unwrap_or(0) * ROW + bottom,
            scale,
            unit,
            shares: rows.iter().any(|row| row.share.is_some()),
            operators,
            rows,
        }
    }

    /// Where the numbers of the scale stand: percent, and how the text is aligned there.
    #[must_use]
    pub fn ticks(&self) -> [(i64, &'static str); 5] {
        [
            (0, "start"),
            (25, "middle"),
            (50, "middle"),
            (75, "middle"),
            (100, "end"),
        ]
    }

    /// Baseline of the scale.
    #[must_use]
    pub fn foot(&self) -> i64 {
        self.height - 6
    }
}

/// How long a bar is that shows a part of a whole.
fn part(figure: Figure) -> String {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let length = figure.n as f64 / figure.of.max(1) as f64;
    percent(length)
}

fn row(position: i64, item: Item, value: String) -> Row {
    let top = position * ROW;
    let figure = item.figure;
    Row {
        label: item.label,
        href: item.href,
        tone: item.tone,
        text_y: top + LABEL,
        y: top + LINE,
        value,
        bar: None,
        dot: None,
        operators_dot: None,
        n: count(figure.n),
        of: count(figure.of),
        share: figure.share.map(|share| (share.share(), share.range())),
        by_operator: figure
            .by_operator
            .map(|share| (count(figure.operators), share.share(), share.range())),
    }
}

/// Step lines over days.
#[derive(Debug, Clone)]
pub struct Trend {
    /// Prefix of the ids in it.
    pub id: &'static str,
    /// What it shows, in a sentence.
    pub title: String,
    /// Top of the scale, as shown.
    pub top: String,
    /// The lines.
    pub lines: Vec<TrendLine>,
    /// The days that are drawn.
    pub days: Vec<Stamp>,
    /// For the table: a row for each day, a cell for each line.
    pub table: Vec<(String, Vec<String>)>,
}

/// One line of a [`Trend`].
#[derive(Debug, Clone)]
pub struct TrendLine {
    /// Class of the style sheet: `l0` to `l4`.
    pub key: String,
    /// What it is.
    pub label: &'static str,
    /// In a box of 1000 by 100.
    pub path: String,
    /// The newest value.
    pub now: String,
}

/// The figures of a series day by day.
pub(crate) type Course = (Series, Vec<(i64, Figure)>);

impl Trend {
    /// Draws the course of series. `None` before there are two days.
    pub(crate) fn new(
        id: &'static str,
        title: impl Into<String>,
        courses: &[Course],
        now: Millis,
    ) -> Option<Self> {
        let mut days: Vec<i64> = courses
            .iter()
            .flat_map(|(_, points)| points.iter().map(|(day, _)| *day))
            .collect();
        days.sort_unstable();
        days.dedup();
        let days = thinned(&days);
        let (first, last) = (*days.first()?, *days.last()?);
        if first == last {
            return None;
        }
        let shares = courses
            .iter()
            .all(|(_, points)| points.iter().all(|(_, figure)| figure.share.is_some()));
        let most = courses
            .iter()
            .flat_map(|(_, points)| points.iter().map(|(_, figure)| figure.n))
            .max()
            .unwrap_or(0)
            .max(1);
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let height = |figure: &Figure| match figure.share {
            Some(share) if shares => share.at,
            _ => figure.n as f64 / most as f64,
        };
        let said = |figure: &Figure| match figure.share {
            Some(share) if shares => share.share(),
            _ => count(figure.n),
        };
        let at = |points: &[(i64, Figure)], day: i64| {
            points
                .iter()
                .rev()
                .find(|(known, _)| *known <= day)
                .map(|(_, figure)| *figure)
        };
        let lines = courses
            .iter()
            .enumerate()
            .map(|(position, (series, points))| TrendLine {
                key: format!("l{}", position.min(4)),
                label: series.title,
                path: path(&days, |day| at(points, day).as_ref().map(&height)),
                now: at(points, last).as_ref().map_or("—".into(), &said),
            })
            .collect();
        let stamp = |day: &i64| Stamp::new(Millis(day * DAY), now);
        Some(Self {
            id,
            title: title.into(),
            top: if shares {
                "100 %".into()
            } else {
                super::counted(most, "server")
            },
            lines,
            table: days
                .iter()
                .rev()
                .map(|day| {
                    let cells = courses
                        .iter()
                        .map(|(_, points)| at(points, *day).as_ref().map_or("—".into(), &said));
                    (stamp(day).day, cells.collect())
                })
                .collect(),
            days: days.iter().map(stamp).collect(),
        })
    }

    /// First and last day.
    #[must_use]
    pub fn ends(&self) -> (String, String) {
        let day = |stamp: Option<&Stamp>| stamp.map_or_else(String::new, |stamp| stamp.day.clone());
        (day(self.days.first()), day(self.days.last()))
    }
}

/// Days evenly picked, the first and the last among them.
fn thinned(days: &[i64]) -> Vec<i64> {
    if days.len() <= POINTS {
        return days.to_vec();
    }
    (0..POINTS)
        .map(|point| days[point * (days.len() - 1) / (POINTS - 1)])
        .collect()
}

/// A step line in a box of 1000 by 100. Days without a value leave the line where it was.
fn path(days: &[i64], value: impl Fn(i64) -> Option<f64>) -> String {
    let (Some(first), Some(last)) = (days.first(), days.last()) else {
        return String::new();
    };
    let length = (last - first).max(1);
    let mut out = String::new();
    for day in days {
        let Some(value) = value(*day) else { continue };
        let x = (day - first) * 1000 / length;
        let y = 100.0 - value.clamp(0.0, 1.0) * 100.0;
        if out.is_empty() {
            out.push_str(&format!("M{x} {y:.1}"));
        } else {
            out.push_str(&format!("H{x}V{y:.1}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use scanner::time::Millis;

    use super::{Item, POINTS, Plot, Trend, path, thinned};
    use crate::adoption::{ADOPTED, Figure};
    use crate::view::interval::wilson;

    fn figure(n: i64, of: i64, shares: bool) -> Figure {
        #[expect(clippy::cast_precision_loss, reason = "small")]
        let share = wilson(n as f64, of).filter(|_| shares);
        Figure {
            n,
            of,
            share,
            operators: of,
            by_operator: share,
        }
    }

    fn item(figure: Figure) -> Item {
        Item {
            label: "a".into(),
            href: None,
            tone: "",
            figure,
        }
    }

    #[test]
    fn dots_become_bars_where_there_are_no_shares() {
        let dots = Plot::dots("p", "t", "servers", vec![item(figure(5, 10, true))]);
        let dot = dots.rows[0].dot.as_ref().expect("a dot");
        assert_eq!((dot.at.as_str(), dots.scale), ("50.0", true));
        let bars = Plot::dots("p", "t", "servers", vec![item(figure(5, 10, false))]);
        assert_eq!(bars.rows[0].bar.as_deref(), Some("50.0"));
        assert_eq!(bars.rows[0].value, "5 of 10");
        assert!(!bars.scale && !bars.shares);
        let none = Plot::bars("p", "t", "servers", vec![item(figure(0, 0, true))]);
        assert_eq!(none.rows[0].bar.as_deref(), Some("0.0"));
    }

    #[test]
    fn lines_step_and_keep_their_ends() {
        assert_eq!(
            path(&[10, 15, 20], |day| (day != 15).then_some(0.5)),
            "M0 50.0H1000V50.0"
        );
        let days: Vec<i64> = (0..400).collect();
        let kept = thinned(&days);
        assert_eq!((kept.len(), kept[0], kept[POINTS - 1]), (POINTS, 0, 399));
        let one = [(ADOPTED[0], vec![(7, figure(1, 2, true))])];
        assert!(Trend::new("t", "t", &one, Millis(0)).is_none());
        let two = [(
            ADOPTED[0],
            vec![(7, figure(1, 2, true)), (9, figure(2, 2, true))],
        )];
        let trend = Trend::new("t", "t", &two, Millis(0)).expect("two days");
        assert_eq!(trend.lines[0].path, "M0 50.0H1000V0.0");
        assert_eq!(trend.table[0].1, ["100.0 %"]);
    }
}
