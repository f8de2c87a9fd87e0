//! Cron expressions in UTC.
use scanner::time::Millis;

/// A cron expression with five or six fields, in UTC.
#[derive(Debug, Clone)]
pub struct Cron(cron::Schedule);

/// Why a text is no cron expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cron expression `{text}`: {why}")]
pub struct CronError {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub why: String,
}

impl Cron {
    /// Reads an expression.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, CronError> {
        text.parse()
            .map(Self)
            .map_err(|why: cron::error::Error| CronError {
                text: text.into(),
                why: why.to_string(),
            })
    }

    /// The first instant after `at`, or `None` if there is none.
    #[must_use]
    pub fn next_after(&self, at: Millis) -> Option<Millis> {
        let at = chrono::DateTime::from_timestamp_millis(at.0)?;
        self.0
            .after(&at)
            .next()
            .map(|next| Millis(next.timestamp_millis()))
    }
}
