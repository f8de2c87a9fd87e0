//! Shares with their uncertainty: what was seen of a few says little of all.

/// A share with its 95 % interval; all between 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The share.
    pub at: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// 97.5 % point of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// Wilson's interval for `n` of `of`; `None` when there is no whole. `n` may be a fraction where
/// every one of the whole counts for the share it has.
#[must_use]
pub fn wilson(n: f64, of: i64) -> Option<Interval> {
    if of <= 0 {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let whole = of as f64;
    let at = (n / whole).clamp(0.0, 1.0);
    let square = Z * Z;
    let middle = (at + square / (2.0 * whole)) / (1.0 + square / whole);
    let half = Z / (1.0 + square / whole)
        * (at * (1.0 - at) / whole + square / (4.0 * whole * whole)).sqrt();
    Some(Interval {
        at,
        low: (middle - half).clamp(0.0, at),
        high: (middle + half).clamp(at, 1.0),
    })
}

/// A share in percent with one decimal, without its sign: `62.5`.
#[must_use]
pub fn percent(share: f64) -> String {
    format!("{:.1}", share * 100.0)
}

impl Interval {
    /// `62.5 %`
    #[must_use]
    pub fn share(&self) -> String {
        format!("{} %", percent(self.at))
    }

    /// `48.4 to 74.8 %`
    #[must_use]
    pub fn range(&self) -> String {
        format!("{} to {} %", percent(self.low), percent(self.high))
    }
}

#[cfg(test)]
mod tests {
    use super::wilson;

    #[test]
    fn the_interval_is_wilsons() {
        // Newcombe (1998), table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
        for (n, of, low, high) in [
            (81.0, 263, 0.2553, 0.3662),
            (15.0, 148, 0.0624, 0.1605),
            (0.0, 20, 0.0, 0.1611),
            (1.0, 29, 0.0061, 0.1718),
        ] {
            let seen = wilson(n, of).expect("a whole");
            assert!((seen.low - low).abs() < 1e-4, "{n} of {of}: {seen:?}");
            assert!((seen.high - high).abs() < 1e-4, "{n} of {of}: {seen:?}");
        }
        assert_eq!(wilson(0.0, 0), None);
        let all = wilson(5.0, 5).expect("a whole");
        assert!((all.high - 1.0).abs() < 1e-12 && all.low < 0.6);
    }
}
