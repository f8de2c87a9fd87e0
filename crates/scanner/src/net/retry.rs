//! How long a host asks to be left alone.

use std::time::Duration;

use crate::time::Millis;

/// `Retry-After` (RFC 9110 section 10.2.3): seconds or a date.
pub(super) fn retry_after(value: &str, now: Millis) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = chrono::DateTime::parse_from_rfc2822(value.trim()).ok()?;
    let left = Millis(until.timestamp_millis()).since(now);
    Some(Duration::from_millis(u64::try_from(left).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::retry_after;
    use crate::time::Millis;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = Millis::parse_rfc3339("2026-11-25T00:00:00Z").unwrap();
        assert_eq!(retry_after("120", now), Some(Duration::from_secs(120)));
        assert_eq!(
            retry_after("Wed, 25 Nov 2026 00:01:00 GMT", now),
            Some(Duration::from_secs(60))
        );
        assert_eq!(
            retry_after("Tue, 24 Nov 2026 00:01:00 GMT", now),
            Some(Duration::ZERO)
        );
        assert_eq!(retry_after("soon", now), None);
    }
}
