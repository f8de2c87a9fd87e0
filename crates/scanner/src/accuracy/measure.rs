//! Verdicts against labels, counted per check.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Item, Label, Truth};
use crate::check::ProbeClass;
use crate::checks;
use crate::facts::Facts;
use crate::grade::{Resolved, resolve};
use crate::report::FindingVerdict;
use crate::rubric;
use crate::spec::Revision;

/// The result over a corpus.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Accuracy {
    /// Rubric that judged.
    pub rubric: String,
    /// Recorded scans.
    pub items: usize,
    /// Labels.
    pub labels: usize,
    /// One row a check, in catalogue order.
    pub rows: Vec<Row>,
    /// Every disagreement.
    pub misses: Vec<Miss>,
}

/// Counts of one check.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// Check id.
    pub check: String,
    /// What is sent to judge it.
    pub class: ProbeClass,
    /// Labels.
    pub labels: u32,
    /// Labels with which the verdict agrees.
    pub right: u32,
    /// Of the verdicts `fail`, those that are true.
    pub fail_precision: Share,
    /// Of the true failures, those that were said.
    pub fail_recall: Share,
    /// Of the verdicts `warn` and `fail`, those that are true as said.
    pub finding_precision: Share,
    /// Of the true warnings and failures, those that were said as such.
    pub finding_recall: Share,
    /// Something could be told, and the verdict was `inconclusive`.
    pub undecided: u32,
    /// Verdicts over the whole corpus in the newest revision, labelled or not: pass, warn,
    /// fail, na, inconclusive.
    pub verdicts: [u32; 5],
}

/// A part of a whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Share {
    /// The part.
    pub part: u32,
    /// The whole.
    pub of: u32,
}

impl Share {
    fn add(&mut self, hit: bool) {
        self.of += 1;
        self.part += u32::from(hit);
    }

    /// Tenths of a percent, rounded down; `None` if there is no whole.
    #[must_use]
    pub fn per_mille(self) -> Option<u32> {
        (self.of > 0).then(|| self.part * 1000 / self.of)
    }

    /// `12/12`, or a dash.
    #[must_use]
    pub fn written(self) -> String {
        match self.of {
            0 => "–".into(),
            of => format!("{}/{of}", self.part),
        }
    }
}

/// A verdict that disagrees with its label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Miss {
    /// Item.
    pub item: String,
    /// Check.
    pub check: String,
    /// Revision.
    pub revision: Revision,
    /// What is true.
    pub truth: String,
    /// What was said.
    pub said: String,
    /// The reason given.
    pub reason: String,
    /// Where the label is from.
    pub source: String,
}

/// Judges every item and compares with the labels. Labels of items that are not there are
/// left out.
#[must_use]
pub fn measure(items: &[Item], labels: &[Label]) -> Accuracy {
    let mut by_item: BTreeMap<&str, Vec<&Label>> = BTreeMap::new();
    for label in labels {
        by_item.entry(&label.item).or_default().push(label);
    }
    let mut rows: Vec<Row> = checks::all()
        .map(|check| empty(check.id, check.class))
        .collect();
    let position: BTreeMap<&str, usize> = checks::all()
        .enumerate()
        .map(|(position, check)| (check.id, position))
        .collect();
    let mut misses = Vec::new();
    let mut counted = 0;
    for item in items {
        let facts = Facts::new(&item.evidence);
        let mut columns: BTreeMap<Revision, Vec<Resolved>> = BTreeMap::new();
        let headline = columns
            .entry(Revision::HEADLINE)
            .or_insert_with(|| resolve(&facts, Revision::HEADLINE));
        for (row, resolved) in rows.iter_mut().zip(headline.iter()) {
            row.verdicts[place(said(resolved))] += 1;
        }
        for label in by_item.get(item.name.as_str()).into_iter().flatten() {
            let Some(at) = position.get(label.check.as_str()) else {
                continue;
            };
            let column = columns
                .entry(label.revision)
                .or_insert_with(|| resolve(&facts, label.revision));
            counted += 1;
            let resolved = &column[*at];
            note(&mut rows[*at], label.truth, said(resolved));
            if !label.truth.agrees(said(resolved)) {
                misses.push(Miss {
                    item: item.name.clone(),
                    check: label.check.clone(),
                    revision: label.revision,
                    truth: label.truth.as_str().into(),
                    said: said(resolved).as_str().into(),
                    reason: resolved.reason.clone(),
                    source: label.source.clone(),
                });
            }
        }
    }
    Accuracy {
        rubric: rubric::current().version.into(),
        items: items.len(),
        labels: counted,
        rows,
        misses,
    }
}

/// The verdict; a requirement that is retired in the graded revision is shown, not counted.
pub(super) fn said(resolved: &Resolved) -> FindingVerdict {
    if resolved.retired {
        FindingVerdict::Na
    } else {
        resolved.verdict
    }
}

pub(super) fn place(verdict: FindingVerdict) -> usize {
    match verdict {
        FindingVerdict::Pass => 0,
        FindingVerdict::Warn => 1,
        FindingVerdict::Fail => 2,
        FindingVerdict::Na => 3,
        FindingVerdict::Inconclusive => 4,
    }
}

fn empty(check: &str, class: ProbeClass) -> Row {
    Row {
        check: check.into(),
        class,
        labels: 0,
        right: 0,
        fail_precision: Share::default(),
        fail_recall: Share::default(),
        finding_precision: Share::default(),
        finding_recall: Share::default(),
        undecided: 0,
        verdicts: [0; 5],
    }
}

fn note(row: &mut Row, truth: Truth, said: FindingVerdict) {
    let right = truth.agrees(said);
    row.labels += 1;
    row.right += u32::from(right);
    let finding = |verdict| matches!(verdict, FindingVerdict::Warn | FindingVerdict::Fail);
    if said == FindingVerdict::Fail {
        row.fail_precision.add(right);
    }
    if finding(said) {
        row.finding_precision.add(right);
    }
    let Truth::Said(truth) = truth else { return };
    if truth == FindingVerdict::Fail {
        row.fail_recall.add(right);
    }
    if finding(truth) {
        row.finding_recall.add(right);
    }
    let decided = !matches!(truth, FindingVerdict::Na | FindingVerdict::Inconclusive);
    row.undecided += u32::from(decided && said == FindingVerdict::Inconclusive);
}

impl Accuracy {
    /// The table as Markdown, with what the figures mean.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut out = format!(
            "Rubric {}: {} recorded scans, {} labels, {} disagreements.\n\n\
             | check | class | labels | right | fail: precision | fail: recall | \
             findings: precision | findings: recall | undecided | pass | warn | fail | na | inconclusive |\n\
             |---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
            self.rubric,
            self.items,
            self.labels,
            self.misses.len()
        );
        for row in &self.rows {
            let [pass, warn, fail, na, inconclusive] = row.verdicts;
            out.push_str(&format!(
                "| `{}` | {} | {} | {} | {} | {} | {} | {} | {} | {pass} | {warn} | {fail} | {na} | {inconclusive} |\n",
                row.check,
                row.class.as_str(),
                row.labels,
                row.right,
                row.fail_precision.written(),
                row.fail_recall.written(),
                row.finding_precision.written(),
                row.finding_recall.written(),
                row.undecided,
            ));
        }
        if !self.misses.is_empty() {
            out.push_str(
                "\n## Disagreements\n\n| item | check | revision | label | said | where the label is from |\n|---|---|---|---|---|---|\n",
            );
            for miss in &self.misses {
                out.push_str(&format!(
                    "| {} | `{}` | {} | {} | {} ({}) | {} |\n",
                    miss.item,
                    miss.check,
                    miss.revision,
                    miss.truth,
                    miss.said,
                    miss.reason,
                    miss.source.replace('|', "\\|")
                ));
            }
        }
        out
    }

    /// Checks whose `fail` is wrong in more than one of a hundred: they may not cap a letter
    /// (decisions, point 10).
    #[must_use]
    pub fn imprecise(&self) -> Vec<&str> {
        self.rows
            .iter()
            .filter(|row| {
                row.fail_precision
                    .per_mille()
                    .is_some_and(|share| share < 990)
            })
            .map(|row| row.check.as_str())
            .collect()
    }
}
