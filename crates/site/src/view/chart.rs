//! Inline charts: a step line of scores, and bars. Only presentation attributes, so that the
//! content security policy needs no exception.

use scanner::time::Millis;

use super::Stamp;
use super::grade::Mark;

/// A step line of scores over time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepLine {
    /// Width of the box.
    pub width: i64,
    /// Height of the box.
    pub height: i64,
    /// The line as an SVG path.
    pub path: String,
    /// Ends of runs: where the score changed.
    pub dots: Vec<Dot>,
    /// Letters' lower bounds that lie in the shown range: position and letter.
    pub bands: Vec<(i64, &'static str)>,
    /// What it shows, in a sentence.
    pub title: String,
    /// First and last day.
    pub from: Stamp,
    /// See `from`.
    pub to: Stamp,
}

/// A point of a [`StepLine`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dot {
    /// Horizontal position.
    pub x: i64,
    /// Vertical position.
    pub y: i64,
    /// Class of the style sheet.
    pub key: &'static str,
    /// The score, where there is room for it.
    pub label: Option<String>,
}

/// One run: a state that lasted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// First seen.
    pub from: Millis,
    /// Last seen.
    pub to: Millis,
    /// Score in tenths, if there was one.
    pub score: Option<i64>,
    /// Its mark.
    pub mark: Mark,
}

/// Room for the letters at the right.
const MARGIN: i64 = 20;

const BANDS: [(i64, &str); 5] = [(850, "A"), (700, "B"), (550, "C"), (400, "D"), (200, "E")];

impl StepLine {
    /// Draws runs, oldest first, in a box of that size. `None` when fewer than two instants
    /// have a score.
    #[must_use]
    pub fn new(runs: &[Run], now: Millis, (width, height): (i64, i64)) -> Option<Self> {
        let scored: Vec<(&Run, i64)> = runs
            .iter()
            .filter_map(|run| run.score.map(|score| (run, score)))
            .collect();
        let (first, last) = (scored.first()?.0, scored.last()?.0);
        let length = last.to.since(first.from);
        if length <= 0 {
            return None;
        }
        let lowest = scored.iter().map(|(_, score)| *score).min()?;
        let floor = BANDS
            .iter()
            .map(|(bound, _)| *bound)
            .find(|bound| *bound < lowest)
            .unwrap_or(0);
        let x = |at: Millis| at.since(first.from) * (width - MARGIN - 16) / length + 8;
        let y = |score: i64| height - 10 - (score - floor) * (height - 36) / (1000 - floor).max(1);
        let roomy = width > 600 && scored.len() <= 8;
        let mut path = String::new();
        let mut dots = Vec::new();
        for (place, (run, score)) in scored.iter().enumerate() {
            let verb = if place == 0 { "M" } else { "L" };
            path.push_str(&format!("{verb}{} {}", x(run.from), y(*score)));
            let until = scored.get(place + 1).map_or(run.to, |(next, _)| next.from);
            path.push_str(&format!("L{} {}", x(until), y(*score)));
            dots.push(Dot {
                x: x(run.from),
                y: y(*score),
                key: run.mark.key,
                label: roomy.then(|| super::tenths(*score)),
            });
        }
        dots.push(Dot {
            x: x(last.to),
            y: y(scored.last()?.1),
            key: last.mark.key,
            label: None,
        });
        let bands = BANDS
            .into_iter()
            .filter(|(bound, _)| *bound >= floor && *bound > 0)
            .map(|(bound, letter)| (y(bound), letter))
            .collect();
        Some(Self {
            width,
            height,
            path,
            dots,
            bands,
            title: format!(
                "Score from {} to {}, now {}",
                Stamp::new(first.from, now).day,
                Stamp::new(last.to, now).day,
                super::tenths(scored.last()?.1)
            ),
            from: Stamp::new(first.from, now),
            to: Stamp::new(last.to, now),
        })
    }
}

/// One bar of a distribution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bar {
    /// What is counted.
    pub mark: Mark,
    /// How many.
    pub count: String,
    /// Share of the whole.
    pub share: String,
    /// Length, 0 to 100, relative to the longest.
    pub length: i64,
    /// List of those that are counted.
    pub href: String,
}

/// Bars for letters and badges in their order. Words that are neither are left out.
#[must_use]
pub fn bars(counts: &[(String, i64)]) -> Vec<Bar> {
    const ORDER: [&str; 12] = ["A+", "A", "B", "C", "D", "E", "F", "O", "K", "N", "X", "U"];
    let of = |word: &str| {
        counts
            .iter()
            .filter(|(name, _)| name == word)
            .map(|(_, count)| *count)
            .sum::<i64>()
    };
    let total: i64 = ORDER.iter().map(|word| of(word)).sum();
    let longest = ORDER.iter().map(|word| of(word)).max().unwrap_or(0).max(1);
    ORDER
        .into_iter()
        .map(|word| {
            let count = of(word);
            Bar {
                mark: Mark::named(word),
                count: super::count(count),
                share: super::share(count, total),
                length: if count == 0 {
                    0
                } else {
                    (count * 100 / longest).max(1)
                },
                href: format!("/servers?letter={}", word.replace('+', "%2B")),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Run, StepLine, bars};
    use crate::view::grade::Mark;
    use scanner::time::Millis;

    fn run(from: i64, to: i64, score: Option<i64>) -> Run {
        Run {
            from: Millis(from),
            to: Millis(to),
            score,
            mark: Mark::named("A"),
        }
    }

    #[test]
    fn a_line_needs_two_instants() {
        assert_eq!(StepLine::new(&[], Millis(0), (320, 100)), None);
        assert_eq!(
            StepLine::new(&[run(5, 5, Some(900))], Millis(5), (320, 100)),
            None
        );
        let line = StepLine::new(
            &[run(0, 50, Some(900)), run(60, 100, Some(960))],
            Millis(100),
            (320, 100),
        )
        .expect("a line");
        assert!(line.path.starts_with("M8 "));
        assert_eq!(line.dots.len(), 3);
    }

    #[test]
    fn bars_keep_their_order_and_drop_other_words() {
        let bars = bars(&[("F".into(), 2), ("A".into(), 4), ("queued".into(), 9)]);
        assert_eq!(bars.len(), 12);
        assert_eq!(bars[1].share, "66.7 %");
        assert_eq!(bars[1].length, 100);
        assert_eq!(bars[6].length, 50);
    }
}
