//! What is shown of a server, worked out from a report when it is filed, so that lists read
//! columns and never a report.

use scanner::evidence::Evidence;
use scanner::facts::Facts;
use scanner::report::{Badge, Class, GradeLetter, Report};
use scanner::spec::Revision;

use crate::codec;
use crate::counters::Counters;
use crate::db::{Tx, within};
use crate::schema::Ordinals;
use crate::survey::Survey;

/// Room in the rank between two letters; larger than the largest score in tenths.
const STEP: i64 = 2_000;
/// Rank of servers with a class that gets neither letter nor badge.
const RANK_NONE: i64 = 20 * STEP;
/// Rank of servers that were never scanned.
pub(crate) const RANK_UNSCANNED: i64 = 21 * STEP;
/// Longest text from outside in a column of its own.
const MAX_TEXT: usize = 300;
/// Issuers kept per server.
const MAX_ISSUERS: usize = 3;

/// The columns of a server that its newest report decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) rubric: String,
    pub(crate) class: String,
    pub(crate) era: String,
    pub(crate) exposure: Option<String>,
    pub(crate) letter: Option<String>,
    pub(crate) badge: Option<String>,
    pub(crate) score: Option<i64>,
    pub(crate) coverage: i64,
    pub(crate) doubtful: bool,
    pub(crate) cap_letter: Option<String>,
    pub(crate) cap_check: Option<String>,
    pub(crate) cap_party: Option<String>,
    pub(crate) claimed: Option<String>,
    pub(crate) claimed_letter: Option<String>,
    pub(crate) issuers: String,
    pub(crate) registration: Option<String>,
    pub(crate) pkce: Option<String>,
    pub(crate) rank: i64,
    /// What is kept beside the columns.
    pub(crate) survey: Survey,
}

/// The part of a stored state by which servers are counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct Counted {
    pub(crate) class: Option<String>,
    pub(crate) era: Option<String>,
    pub(crate) letter: Option<String>,
    pub(crate) badge: Option<String>,
    pub(crate) claimed: Option<String>,
    pub(crate) registration: Option<String>,
    pub(crate) pkce: Option<String>,
}

impl State {
    pub(crate) fn of(evidence: &Evidence, report: &Report) -> Self {
        let grade = &report.grade;
        let letter = grade.letter.map(|letter| letter.as_str().to_owned());
        let badge = grade.badge.map(|badge| badge.as_str().to_owned());
        let score = grade.score.map(tenths);
        let cap = grade.caps.first();
        let claimed = report.claimed.map(|claimed| claimed.revision);
        let issuers: Vec<String> = report
            .authorization_servers
            .iter()
            .take(MAX_ISSUERS)
            .map(|server| clean(&server.issuer))
            .collect();
        let (registration, pkce) = announced(evidence, report.class);
        Self {
            rubric: grade.rubric.clone(),
            class: report.class.as_str().into(),
            era: report.era.as_str().into(),
            exposure: report.exposure.map(|label| label.as_str().into()),
            rank: rank(grade.letter, grade.badge, score),
            letter,
            badge,
            score,
            coverage: tenths(grade.coverage),
            doubtful: grade.doubtful,
            cap_letter: cap.map(|cap| clean(&cap.letter)),
            cap_check: cap.map(|cap| clean(&cap.check)),
            cap_party: cap.map(|cap| cap.party.as_str().into()),
            claimed: claimed.map(|revision| revision.as_str().into()),
            claimed_letter: claimed
                .and_then(|revision| report.grades.get(&revision)?.letter)
                .map(|letter| letter.as_str().into()),
            issuers: serde_json::Value::from(issuers).to_string(),
            registration: registration.map(str::to_owned),
            pkce: pkce.map(str::to_owned),
            survey: Survey::of(evidence, report),
        }
    }

    pub(crate) fn counted(&self) -> Counted {
        Counted {
            class: Some(self.class.clone()),
            era: Some(self.era.clone()),
            letter: self.letter.clone(),
            badge: self.badge.clone(),
            claimed: self.claimed.clone(),
            registration: self.registration.clone(),
            pkce: self.pkce.clone(),
        }
    }

    /// Letter or badge.
    pub(crate) fn shown(&self) -> Option<&str> {
        self.letter.as_deref().or(self.badge.as_deref())
    }
}

impl Counted {
    /// Adds `n` servers of this kind to the counters.
    pub(crate) fn count(&self, counters: &mut Counters, n: i64) {
        if self.class.is_none() {
            return; // never scanned
        }
        counters.add("total", "scanned", n);
        if self.letter.is_some() {
            counters.add("total", "graded", n);
        }
        let values = [
            ("class", &self.class),
            ("era", &self.era),
            (
                "letter",
                if self.letter.is_some() {
                    &self.letter
                } else {
                    &self.badge
                },
            ),
            ("claimed", &self.claimed),
            ("registration", &self.registration),
            ("pkce", &self.pkce),
        ];
        for (kind, value) in values {
            if let Some(value) = value {
                counters.add(kind, value, n);
            }
        }
    }
}

/// A number with one decimal as tenths.
fn tenths(value: f64) -> i64 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "clamped to 0 to 1000; not a number becomes 0"
    )]
    let tenths = (value * 10.0).round().clamp(0.0, 1000.0) as i64;
    tenths
}

/// Position in the list by letter: letters best first, higher scores first within one, then
/// badges.
fn rank(letter: Option<GradeLetter>, badge: Option<Badge>, score: Option<i64>) -> i64 {
    let within = 1000 - score.unwrap_or(0);
    match (letter, badge) {
        (Some(letter), _) => letter as i64 * STEP + within,
        (None, Some(badge)) => (10 + badge as i64) * STEP + within,
        (None, None) => RANK_NONE,
    }
}

/// The ranks of one letter or badge, first and last; `None` for any other text.
pub(crate) fn ranks(shown: &str) -> Option<(i64, i64)> {
    let position = match GradeLetter::parse(shown) {
        Some(letter) => letter as i64,
        None => {
            let badge = Badge::ALL
                .into_iter()
                .find(|badge| badge.as_str().eq_ignore_ascii_case(shown))?;
            10 + badge as i64
        }
    };
    Some((position * STEP, position * STEP + STEP - 1))
}

/// How clients can become known and whether PKCE is announced, by the metadata of the first
/// authorization server whose document was found.
fn announced(evidence: &Evidence, class: Class) -> (Option<&'static str>, Option<&'static str>) {
    if !matches!(class, Class::Oauth | Class::Lazy | Class::LegacyOauth) {
        return (None, None);
    }
    let facts = Facts::new(evidence);
    let Some(document) = facts.asms(Revision::HEADLINE).ok().and_then(|found| {
        let first = found.into_iter().next()?;
        Some(first.document)
    }) else {
        return (None, None);
    };
    let registration = if document.flag("client_id_metadata_document_supported") == Some(true) {
        "cimd"
    } else if document.text("registration_endpoint").is_some() {
        "dcr_only"
    } else {
        "none"
    };
    let pkce = match document.texts("code_challenge_methods_supported") {
        None => "absent",
        Some(methods) if methods.contains(&"S256") => "s256",
        Some(_) => "other",
    };
    (Some(registration), Some(pkce))
}

/// Text from outside, fit for a column: bounded, without NUL (which Postgres cannot hold) and
/// other control characters.
pub(crate) fn clean(text: &str) -> String {
    text.chars()
        .take(MAX_TEXT)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

/// Makes a report the current state of a target: its columns, the counters, and the index of
/// failing checks. `old` is what the target showed before, with its bits.
pub(crate) async fn apply(
    tx: &mut Tx,
    change: &Apply<'_>,
    counters: &mut Counters,
) -> Result<(), sqlx::Error> {
    const UPDATE: &str = "UPDATE target SET run = $2, rubric = $3, class = $4, era = $5, \
        exposure = $6, letter = $7, badge = $8, score = $9, coverage = $10, doubtful = $11, \
        cap_letter = $12, cap_check = $13, cap_party = $14, claimed = $15, claimed_letter = $16, \
        issuers = $17, registration = $18, pkce = $19, rank = $20, changed_at = $21 WHERE id = $1";
    let state = change.state;
    within!(tx, c => sqlx::query(UPDATE)
        .bind(change.target)
        .bind(change.run)
        .bind(&state.rubric)
        .bind(&state.class)
        .bind(&state.era)
        .bind(&state.exposure)
        .bind(&state.letter)
        .bind(&state.badge)
        .bind(state.score)
        .bind(state.coverage)
        .bind(state.doubtful)
        .bind(&state.cap_letter)
        .bind(&state.cap_check)
        .bind(&state.cap_party)
        .bind(&state.claimed)
        .bind(&state.claimed_letter)
        .bind(&state.issuers)
        .bind(&state.registration)
        .bind(&state.pkce)
        .bind(state.rank)
        .bind(change.changed_at)
        .execute(c)
        .await
        .map(drop))?;
    let since = change.changed_at;
    counters
        .survey
        .add(change.target, change.run, since, &state.survey);
    change.old.count(counters, -1);
    state.counted().count(counters, 1);
    count_checks(tx, change, counters).await
}

/// What [`apply`] needs to know.
#[derive(Debug)]
pub(crate) struct Apply<'a> {
    pub(crate) target: i64,
    pub(crate) run: i64,
    pub(crate) changed_at: i64,
    pub(crate) state: &'a State,
    pub(crate) bits: &'a [u8],
    pub(crate) old: &'a Counted,
    pub(crate) old_bits: &'a [u8],
    pub(crate) ordinals: &'a Ordinals,
}

async fn count_checks(
    tx: &mut Tx,
    change: &Apply<'_>,
    counters: &mut Counters,
) -> Result<(), sqlx::Error> {
    let mut fixed = Vec::new();
    let mut failing = Vec::new();
    for (ordinal, before, after) in codec::changed(change.old_bits, change.bits) {
        let Some(id) = change.ordinals.id(ordinal) else {
            continue;
        };
        for (mark, n) in [(before, -1), (after, 1)] {
            if mark != codec::Mark::Unjudged {
                counters.add(mark.as_str(), id, n);
            }
        }
        let ordinal = i64::try_from(ordinal).unwrap_or(i64::MAX);
        if before == codec::Mark::Fail {
            fixed.push(ordinal);
        }
        if after == codec::Mark::Fail {
            failing.push(ordinal);
        }
    }
    if !fixed.is_empty() {
        within!(tx, c => {
            let mut sql = sqlx::QueryBuilder::new("DELETE FROM failing WHERE target = ");
            sql.push_bind(change.target).push(" AND ordinal IN (");
            let mut list = sql.separated(", ");
            for ordinal in &fixed {
                list.push_bind(*ordinal);
            }
            sql.push(")");
            sql.build().execute(c).await.map(drop)
        })?;
    }
    if !failing.is_empty() {
        within!(tx, c => {
            let mut sql = sqlx::QueryBuilder::new("INSERT INTO failing (ordinal, target) ");
            sql.push_values(&failing, |mut row, ordinal| {
                row.push_bind(*ordinal).push_bind(change.target);
            });
            sql.push(" ON CONFLICT DO NOTHING");
            sql.build().execute(c).await.map(drop)
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use scanner::report::{Badge, GradeLetter};

    use super::{RANK_NONE, RANK_UNSCANNED, clean, rank, ranks};

    #[test]
    fn ranks_put_the_best_first() {
        let order = [
            rank(Some(GradeLetter::APlus), None, Some(1000)),
            rank(Some(GradeLetter::A), None, Some(990)),
            rank(Some(GradeLetter::A), None, Some(860)),
            rank(Some(GradeLetter::F), None, Some(999)),
            rank(Some(GradeLetter::F), None, None),
            rank(None, Some(Badge::O), None),
            rank(None, Some(Badge::N), Some(400)),
            RANK_NONE,
            RANK_UNSCANNED,
        ];
        assert!(order.is_sorted_by(|a, b| a < b), "{order:?}");
    }

    #[test]
    fn a_letter_is_a_range_of_ranks() {
        let (first, last) = ranks("a").expect("a letter");
        for score in [0, 855, 1000] {
            let rank = rank(Some(GradeLetter::A), None, Some(score));
            assert!((first..=last).contains(&rank));
        }
        assert!(ranks("K").is_some());
        assert_eq!(ranks("Z"), None);
    }

    #[test]
    fn text_from_outside_is_cleaned_and_bounded() {
        assert_eq!(clean("a\0b\nc"), "a\u{fffd}b\u{fffd}c");
        assert_eq!(clean(&"ä".repeat(1000)).chars().count(), 300);
    }
}
