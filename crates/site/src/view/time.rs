//! Instants, ages and lengths in words.

use scanner::time::Millis;

/// An instant as readers see it: exact for machines, in UTC for people, with its age.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// RFC 3339 for the `datetime` attribute.
    pub iso: String,
    /// For example `20 Nov 2026, 03:12 UTC`.
    pub utc: String,
    /// For example `20 Nov 2026`.
    pub day: String,
    /// For example `3 days ago` or `in 2 hours`.
    pub ago: String,
}

impl Stamp {
    /// The instant `at`, seen from `now`.
    #[must_use]
    pub fn new(at: Millis, now: Millis) -> Self {
        let time = chrono::DateTime::from_timestamp_millis(at.0).unwrap_or_default();
        Self {
            iso: at.rfc3339(),
            utc: time.format("%-d %b %Y, %H:%M UTC").to_string(),
            day: time.format("%-d %b %Y").to_string(),
            ago: ago(now.since(at)),
        }
    }

    /// The same for an instant written in RFC 3339; the text itself if it is none.
    #[must_use]
    pub fn parse(text: &str, now: Millis) -> Self {
        match Millis::parse_rfc3339(text) {
            Some(at) => Self::new(at, now),
            None => Self {
                iso: String::new(),
                utc: text.to_owned(),
                day: text.to_owned(),
                ago: String::new(),
            },
        }
    }
}

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// An age in words; negative ages lie ahead.
#[must_use]
pub fn ago(age_ms: i64) -> String {
    let words = span(age_ms.saturating_abs());
    match age_ms {
        age if age.saturating_abs() < MINUTE => "just now".into(),
        age if age > 0 => format!("{words} ago"),
        _ => format!("in {words}"),
    }
}

/// A length of time in its largest unit: `3 days`, `1 hour`, `12 minutes`.
#[must_use]
pub fn span(ms: i64) -> String {
    let (count, unit) = match ms {
        ms if ms >= 60 * DAY => (ms / (30 * DAY), "month"),
        ms if ms >= DAY => (ms / DAY, "day"),
        ms if ms >= HOUR => (ms / HOUR, "hour"),
        ms if ms >= MINUTE => (ms / MINUTE, "minute"),
        ms => (ms / 1000, "second"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural}")
}

/// A short length: `88 ms`, `31.9 s`.
#[must_use]
pub fn brief(ms: u32) -> String {
    if ms < 1000 {
        format!("{ms} ms")
    } else {
        format!("{:.1} s", f64::from(ms) / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Stamp, ago, brief};
    use scanner::time::Millis;

    #[test]
    fn ages_read_naturally() {
        assert_eq!(ago(20_000), "just now");
        assert_eq!(ago(60_000), "1 minute ago");
        assert_eq!(ago(3 * 86_400_000 + 5), "3 days ago");
        assert_eq!(ago(-7_200_000), "in 2 hours");
        assert_eq!(ago(90 * 86_400_000), "3 months ago");
        assert_eq!(brief(31_877), "31.9 s");
    }

    #[test]
    fn stamps_carry_both_forms() {
        let stamp = Stamp::parse("2026-11-20T03:12:07Z", Millis(1_795_144_327_000));
        assert_eq!(stamp.utc, "20 Nov 2026, 03:12 UTC");
        assert_eq!(stamp.iso, "2026-11-20T03:12:07Z");
    }
}
