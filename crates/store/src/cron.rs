//! Cron expressions as people write them, in UTC.
//!
//! The parser underneath wants six fields, counts weekdays from Sunday = 1, and joins a day of
//! the month and a weekday with "and". Here five fields are accepted too, weekdays count from
//! Sunday = 0 (7 is Sunday as well), and an expression that restricts both kinds of day is
//! refused, because readers disagree on what it means.

use std::str::FromStr;

use scanner::time::Millis;

/// From here on an expression must come true at least once: 2026-01-01.
const REFERENCE: Millis = Millis(1_767_225_600_000);
const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const LONG_WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// A cron expression with five fields (minute, hour, day of the month, month, weekday) or six
/// (seconds first), in UTC.
#[derive(Debug, Clone)]
pub struct Cron(cron::Schedule);

/// Why a text is no cron expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cron expression `{text}`: {why}")]
pub struct CronError {
    /// The text.
    pub text: String,
    /// What is wrong with it, and what to write instead.
    pub why: String,
}

impl Cron {
    /// Reads an expression.
    ///
    /// # Errors
    ///
    /// If it has another number of fields, restricts both kinds of day, holds a value that is
    /// none, or never comes true.
    pub fn parse(text: &str) -> Result<Self, CronError> {
        let refused = |why: String| CronError {
            text: text.chars().take(100).collect(),
            why,
        };
        let mut fields: Vec<&str> = text.split_whitespace().collect();
        if fields.len() == 5 {
            fields.insert(0, "0");
        }
        let [second, minute, hour, day, month, weekday] = fields[..] else {
            return Err(refused(format!(
                "{} fields; write five (minute hour day month weekday) or six (second first)",
                fields.len()
            )));
        };
        let any = |field: &str| matches!(field, "*" | "?");
        if !any(day) && !any(weekday) {
            return Err(refused(
                "day of the month and weekday are both restricted; write * for one of them".into(),
            ));
        }
        let weekday = weekdays(weekday).map_err(&refused)?;
        let six = format!("{second} {minute} {hour} {day} {month} {weekday}");
        let schedule = cron::Schedule::from_str(&six)
            .map_err(|error| refused(crate::error::one_line(&error.to_string())))?;
        let cron = Self(schedule);
        if cron.next_after(REFERENCE).is_none() {
            return Err(refused("it never comes true".into()));
        }
        Ok(cron)
    }

    /// The first instant after `at` at which it comes true; `None` if there is none within
    /// what the calendar can hold.
    #[must_use]
    pub fn next_after(&self, at: Millis) -> Option<Millis> {
        let at = chrono::DateTime::from_timestamp_millis(at.0)?;
        let next = self.0.after(&at).next()?;
        Some(Millis(next.timestamp_millis()))
    }
}

impl FromStr for Cron {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// The weekday field as a list of names.
fn weekdays(field: &str) -> Result<String, String> {
    if matches!(field, "*" | "?") {
        return Ok("*".into());
    }
    let mut wanted = [false; 7];
    for item in field.split(',') {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, number(step, 1, 7)?),
            None => (item, 1),
        };
        let (first, last) = match range.split_once('-') {
            Some((first, last)) => (weekday(first)?, weekday(last)?),
            None if range == "*" => (0, 6),
            None if step == 1 => {
                let day = weekday(range)?;
                (day, day)
            }
            None => return Err(format!("`{item}` steps from one weekday; write a range")),
        };
        // Sat-Mon passes the end of the week.
        let last = if last < first { last + 7 } else { last };
        for day in (first..=last).step_by(step) {
            wanted[day % 7] = true;
        }
    }
    let names: Vec<&str> = WEEKDAYS
        .into_iter()
        .zip(wanted)
        .filter_map(|(name, wanted)| wanted.then_some(name))
        .collect();
    Ok(names.join(","))
}

fn weekday(text: &str) -> Result<usize, String> {
    let named = LONG_WEEKDAYS
        .iter()
        .zip(WEEKDAYS)
        .position(|(long, short)| {
            text.eq_ignore_ascii_case(long) || text.eq_ignore_ascii_case(short)
        });
    match named {
        Some(day) => Ok(day),
        None => number(text, 0, 7),
    }
}

fn number(text: &str, least: usize, most: usize) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|n| (least..=most).contains(n))
        .ok_or_else(|| {
            format!("`{text}` is no weekday; write 0 to 7 (Sunday is 0 and 7), or Sun to Sat")
        })
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Datelike, Utc, Weekday};
    use scanner::time::Millis;

    use super::{Cron, REFERENCE};

    fn utc(at: Millis) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(at.0).expect("within the calendar")
    }

    #[test]
    fn agrees_with_a_posix_parser() {
        let minutes = ["*", "*/5", "0", "17", "0,30", "10-20", "5-55/10"];
        let hours = ["*", "0", "*/6", "9-17", "23"];
        let days = ["*", "1", "13", "31", "1-7", "*/10"];
        let months = ["*", "1", "2", "6-8", "*/3", "JAN", "Feb-Apr"];
        let weekdays = [
            "*", "0", "1", "5", "6", "7", "1-5", "0,6", "MON", "Fri", "Mon-Fri", "*/2", "5-7",
            "1-5/2",
        ];
        let mut compared = 0;
        for (i, minute) in minutes.iter().enumerate() {
            for (j, hour) in hours.iter().enumerate() {
                for day in days {
                    for month in months {
                        let weekday = weekdays[(i * 5 + j + day.len() + month.len()) % 14];
                        let weekday = if day == "*" { weekday } else { "*" };
                        compared += agree(&format!("{minute} {hour} {day} {month} {weekday}"));
                    }
                }
            }
        }
        for weekday in weekdays {
            compared += agree(&format!("0 12 * * {weekday}"));
            compared += agree(&format!("30 0 12 * * {weekday}"));
        }
        assert!(compared > 5_000, "{compared}");
    }

    /// Compares the next instants of both readers; how many there were.
    fn agree(text: &str) -> usize {
        let ours = Cron::parse(text);
        let theirs = croner::parser::CronParser::builder()
            .seconds(croner::parser::Seconds::Optional)
            .build()
            .parse(text)
            .expect("the other reader takes it");
        let Ok(ours) = ours else {
            let none = theirs.find_next_occurrence(&utc(REFERENCE), false);
            assert!(none.is_err(), "{text}: only ours never comes true");
            return 0;
        };
        let mut at = REFERENCE;
        for _ in 0..5 {
            let expected = theirs
                .find_next_occurrence(&utc(at), false)
                .expect("it comes true");
            let next = ours.next_after(at).expect("it comes true");
            assert_eq!(utc(next), expected, "{text} after {}", utc(at));
            at = next;
        }
        5
    }

    #[test]
    fn weekday_numbers_begin_with_sunday() {
        for (text, day) in [
            ("0 12 * * 0", Weekday::Sun),
            ("0 12 * * 7", Weekday::Sun),
            ("0 12 * * 1", Weekday::Mon),
            ("0 0 12 * * 6", Weekday::Sat),
            ("0 12 * * thursday", Weekday::Thu),
        ] {
            let next = Cron::parse(text).expect(text).next_after(REFERENCE);
            assert_eq!(utc(next.expect(text)).weekday(), day, "{text}");
        }
    }

    #[test]
    fn local_changes_of_the_clock_do_not_matter() {
        // Two in the morning is skipped and repeated in many places on these days.
        let cron = Cron::parse("30 2 * * *").expect("an expression");
        let mut at = REFERENCE;
        for _ in 0..365 {
            let next = cron.next_after(at).expect("every day");
            assert!(next.since(at) <= 24 * 3_600_000);
            at = next;
        }
    }

    #[test]
    fn refuses_with_a_reason() {
        for (text, why) in [
            ("", "0 fields"),
            ("* * * *", "4 fields"),
            ("0 0 0 1 1 * 2027", "7 fields"),
            ("@daily", "1 fields"),
            ("0 0 13 * 5", "both restricted"),
            ("0 0 30 2 *", "never comes true"),
            ("0 0 * * 8", "no weekday"),
            ("0 0 * * 1/2", "write a range"),
            ("0 0 * * 1,", "no weekday"),
            ("0 0 * * Mo", "no weekday"),
            ("0 0 * * Monsday", "no weekday"),
            ("0 0 * * é1", "no weekday"),
            ("61 0 * * *", ""),
            ("0 0 L * *", ""),
            ("0 0 * * 2#1", "no weekday"),
        ] {
            let error = Cron::parse(text).expect_err(text);
            assert!(error.why.contains(why), "{text}: {error}");
            assert!(!error.to_string().contains('\n'));
        }
    }
}
