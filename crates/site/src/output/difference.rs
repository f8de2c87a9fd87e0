//! Two reports compared, ready to be written in any form.

use scanner::diff::{Diff, Group};
use scanner::report::{FindingVerdict, Report};
use serde::Serialize;
use serde_json::{Value, json};

use crate::view::grade::Mark;

/// The constant of the member `schema`.
pub const SCHEMA: &str = "authdex.diff/1";

/// A difference with its sides.
#[derive(Debug, Clone, Copy)]
pub struct Difference<'d> {
    /// The earlier report, under the rubric of the comparison.
    pub before: &'d Report,
    /// The later one.
    pub after: &'d Report,
    /// What changed between them.
    pub diff: &'d Diff,
    /// Where the earlier report was made under another rubric: that, and what the rules alone
    /// changed, in tenths of a point.
    pub rubric: Option<(&'d str, i64)>,
}

#[derive(Serialize)]
struct Side<'d> {
    url: &'d str,
    scan: Option<&'d str>,
    started: &'d str,
    letter: Option<scanner::report::GradeLetter>,
    badge: Option<scanner::report::Badge>,
    score: Option<f64>,
    class: scanner::report::Class,
}

impl<'d> Side<'d> {
    fn of(report: &'d Report) -> Self {
        Self {
            url: &report.target.url,
            scan: report.scan.as_deref(),
            started: &report.started,
            letter: report.grade.letter,
            badge: report.grade.badge,
            score: report.grade.score,
            class: report.class,
        }
    }
}

impl Difference<'_> {
    /// The change of the score with what the rules changed, in tenths.
    #[must_use]
    pub fn total(&self) -> Option<i64> {
        let rules = self.rubric.map_or(0, |(_, tenths)| tenths);
        self.diff.score_delta_tenths.map(|delta| delta + rules)
    }

    /// The change of the score by cause, the rules first. They add up to the total.
    #[must_use]
    pub fn parts(&self) -> Vec<(&'static str, i64)> {
        let rules = self
            .rubric
            .filter(|(_, tenths)| *tenths != 0)
            .map(|(_, tenths)| ("rubric", tenths));
        rules
            .into_iter()
            .chain(
                self.diff
                    .causes
                    .iter()
                    .map(|part| (part.cause.as_str(), part.tenths)),
            )
            .collect()
    }

    /// The difference for people.
    #[must_use]
    pub fn text(&self) -> String {
        let (a, b) = (self.before, self.after);
        let mut out = format!(
            "{}\n{} -> {}\n",
            crate::view::Shown::bounded(&a.target.url, 2000),
            Mark::of(&a.grade).text,
            Mark::of(&b.grade).text
        );
        if self.diff.identical {
            out.push_str("No observable difference.\n");
        }
        if let Some((from, _)) = self.rubric {
            out.push_str(&format!(
                "The earlier side was graded under {}, and again under {}.\n",
                crate::view::Shown::bounded(from, 20),
                b.grade.rubric
            ));
        }
        if let Some(delta) = self.total() {
            out.push_str(&format!("score {}\n", crate::view::signed(delta)));
        }
        for (cause, tenths) in self.parts() {
            out.push_str(&format!(
                "  {:<22} {}\n",
                cause.replace('_', " "),
                crate::view::signed(tenths)
            ));
        }
        for group in Group::ALL {
            let mut first = true;
            for change in self.diff.group(group) {
                if std::mem::take(&mut first) {
                    out.push_str(&format!("{}\n", group.heading()));
                }
                let word =
                    |verdict: Option<FindingVerdict>| verdict.map_or("-", FindingVerdict::as_str);
                out.push_str(&format!(
                    "  {:<40} {} -> {} ({})\n",
                    change.check,
                    word(change.before),
                    word(change.after),
                    change.cause.as_str().replace('_', " ")
                ));
            }
        }
        out
    }

    /// The difference as `authdex.diff/1`.
    #[must_use]
    pub fn json(&self) -> Value {
        let mut out = json!({
            "schema": SCHEMA,
            "before": Side::of(self.before),
            "after": Side::of(self.after),
            "rubric": self.after.grade.rubric,
            "regraded": self.rubric.map(|(from, tenths)| json!({ "from": from, "tenths": tenths })),
        });
        let diff = serde_json::to_value(self.diff).unwrap_or_default();
        if let (Value::Object(out), Value::Object(diff)) = (&mut out, diff) {
            out.extend(diff);
        }
        out
    }
}
