//! The grade mark (shape, letter and word, so that it reads without colour) and the one line
//! that says why.

use scanner::check::Party;
use scanner::report::{Badge, Class, FindingVerdict, Grade, GradeLetter, Report};

use super::text::sentence;
use super::{Shown, tenths, words};

/// A letter or badge, ready to be drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Name of the shape and colour: `ap`, `a` to `f`, or `bo`, `bk`, `bu`, `bx`, `bn`.
    pub key: &'static str,
    /// What is printed in it: `A+`, `K`; with a question mark where coverage is low.
    pub text: String,
    /// One word: `good`, `static key`.
    pub word: &'static str,
    /// Drawn outlined: no letter is due.
    pub badge: bool,
}

impl Mark {
    /// The mark of a letter or badge; the empty mark when neither is due.
    #[must_use]
    pub fn new(letter: Option<GradeLetter>, badge: Option<Badge>, doubtful: bool) -> Self {
        match (letter, badge) {
            (Some(letter), _) => Self::letter(letter, doubtful),
            (None, Some(badge)) => Self::badge(badge),
            (None, None) => Self {
                key: "none",
                text: "–".into(),
                word: "no grade",
                badge: true,
            },
        }
    }

    /// The mark of a server that was never scanned.
    #[must_use]
    pub fn waiting() -> Self {
        Self {
            key: "none",
            text: "…".into(),
            word: "not scanned yet",
            badge: true,
        }
    }

    /// The mark of a letter.
    #[must_use]
    pub fn letter(letter: GradeLetter, doubtful: bool) -> Self {
        let key = match letter {
            GradeLetter::APlus => "ap",
            GradeLetter::A => "a",
            GradeLetter::B => "b",
            GradeLetter::C => "c",
            GradeLetter::D => "d",
            GradeLetter::E => "e",
            GradeLetter::F => "f",
        };
        let doubt = if doubtful { "?" } else { "" };
        Self {
            key,
            text: format!("{}{doubt}", letter.as_str()),
            word: words::letter(letter),
            badge: false,
        }
    }

    /// The mark of a badge.
    #[must_use]
    pub fn badge(badge: Badge) -> Self {
        let key = match badge {
            Badge::O => "bo",
            Badge::K => "bk",
            Badge::U => "bu",
            Badge::X => "bx",
            Badge::N => "bn",
        };
        Self {
            key,
            text: badge.as_str().into(),
            word: badge.word(),
            badge: true,
        }
    }

    /// The mark of a grade.
    #[must_use]
    pub fn of(grade: &Grade) -> Self {
        Self::new(grade.letter, grade.badge, grade.doubtful)
    }

    /// The mark of a letter or badge by its written form; the empty mark for other words.
    #[must_use]
    pub fn named(text: &str) -> Self {
        let (text, doubtful) = match text.strip_suffix('?') {
            Some(text) => (text, true),
            None => (text, false),
        };
        let badge = Badge::ALL
            .into_iter()
            .find(|badge| badge.as_str().eq_ignore_ascii_case(text));
        Self::new(GradeLetter::parse(text), badge, doubtful)
    }

    /// The mark spoken.
    #[must_use]
    pub fn spoken(&self) -> String {
        if self.key == "none" {
            return self.word.to_owned();
        }
        let kind = if self.badge { "Badge" } else { "Grade" };
        format!("{kind} {}: {}", self.text, self.word)
    }
}

/// The lowest cap that sets the letter, if one does.
#[must_use]
pub fn biting_cap(grade: &Grade) -> Option<&scanner::report::Cap> {
    let cap = grade.caps.first()?;
    let ceiling = GradeLetter::parse(&cap.letter)?;
    (grade.letter == Some(ceiling) && grade.uncapped.is_some_and(|band| band < ceiling))
        .then_some(cap)
}

/// Why the server has this letter or badge, in one or two sentences.
#[must_use]
pub fn one_line(report: &Report) -> Shown {
    let grade = &report.grade;
    let text = match (grade.letter, grade.badge) {
        (Some(letter), _) => letter_line(report, letter),
        (None, Some(badge)) => words::badge_meaning(badge).to_owned(),
        (None, None) if report.class == Class::NotMcp => {
            "Something answers here, but it does not behave like an MCP server.".to_owned()
        }
        (None, None) => "No grade is due.".to_owned(),
    };
    match verified_line(report) {
        Some(verified) => Shown::bounded(&format!("{text} {verified}"), 560),
        None => Shown::bounded(&text, 420),
    }
}

/// What the verified grade adds to the public one, for scans at depth consented or deeper.
fn verified_line(report: &Report) -> Option<String> {
    let grade = report.verified.as_ref()?;
    let letter = grade.letter?.as_str();
    let score = points(grade.score);
    Some(match biting_cap(grade) {
        Some(cap) => format!(
            "Verified, with what only consent shows: {letter}, score {score}, capped by {}.",
            cap.check
        ),
        None => format!("Verified, with what only consent shows: {letter}, score {score}."),
    })
}

fn letter_line(report: &Report, letter: GradeLetter) -> String {
    if let Some(cap) = biting_cap(&report.grade) {
        let effect = match cap.letter.as_str() {
            "F" => "Authorization has no effect here",
            "E" => "The protection can be defeated",
            "D" => "Clients that follow the rules must refuse this server",
            "C" => "A client that follows the rules may not get through the login",
            _ => "Some clients will stumble here",
        };
        let detail = report
            .findings
            .iter()
            .find(|finding| finding.check == cap.check && !finding.detail.is_empty())
            .map(|finding| finding.detail.clone());
        return match detail {
            Some(detail) => format!("{effect}. {}", sentence(&detail)),
            None => format!("{effect}: {} fails.", cap.check),
        };
    }
    let count = |verdict| {
        report
            .findings
            .iter()
            .filter(|finding| finding.verdict == verdict)
            .count()
    };
    let (fails, warns) = (count(FindingVerdict::Fail), count(FindingVerdict::Warn));
    match (letter, fails, warns) {
        (GradeLetter::APlus, ..) => words::letter_meaning(letter).to_owned(),
        (_, 0, 0) => "Every rule that could be judged from outside is followed.".to_owned(),
        (_, 0, 1) => {
            "Every rule that could be judged from outside is followed, with one reservation."
                .to_owned()
        }
        (_, 0, warns) => format!(
            "Every rule that could be judged from outside is followed, with {warns} reservations."
        ),
        (_, 1, _) => "One check fails.".to_owned(),
        (_, fails, _) => format!("{fails} checks fail."),
    }
}

/// What holds a grade back, in a few words for a table: the check, and `AS` where only the
/// authorization server can act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holdback {
    /// The check's id.
    pub check: String,
    /// The ceiling it sets.
    pub letter: String,
    /// Only the authorization server can act.
    pub as_only: bool,
    /// The check is in the catalogue and has a page.
    pub known: bool,
}

impl Holdback {
    /// Reads the denormalised cap of a server row.
    #[must_use]
    pub fn new(check: &str, letter: Option<&str>, party: Option<Party>) -> Self {
        Self {
            check: check.to_owned(),
            letter: letter.unwrap_or_default().to_owned(),
            as_only: party == Some(Party::AuthorizationServer),
            known: scanner::checks::by_id(check).is_some(),
        }
    }
}

/// A score in points, or a dash.
#[must_use]
pub fn score(score_tenths: Option<i64>) -> String {
    score_tenths.map_or_else(|| "—".into(), tenths)
}

/// A score with one decimal, or a dash.
#[must_use]
pub fn points(score: Option<f64>) -> String {
    score.map_or_else(|| "—".into(), |score| format!("{score:.1}"))
}

#[cfg(test)]
mod tests {
    use super::Mark;

    #[test]
    fn every_written_mark_reads_back() {
        for text in ["A+", "A", "B?", "C", "D", "E", "F", "O", "K", "U", "X", "N"] {
            let mark = Mark::named(text);
            assert_eq!(mark.text, text);
            assert_ne!(mark.key, "none");
        }
        assert_eq!(Mark::named("unscanned").key, "none");
        assert_eq!(Mark::named("C").spoken(), "Grade C: partial");
    }
}
