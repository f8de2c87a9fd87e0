//! Everything a page formats: text of strangers, times, grades, findings, ledgers, charts.
//! Pure functions from rows and reports to what a template prints.

pub mod chart;
pub mod connect;
pub mod documents;
pub mod exchange;
pub mod finding;
pub mod funnel;
pub mod grade;
pub mod interval;
pub mod ledger;
pub(crate) mod listings;
pub mod plot;
pub(crate) mod products;
pub mod text;
pub mod time;
pub mod vendors;
pub mod words;

pub use text::{Link, Shown};
pub use time::Stamp;

/// Tenths of a point as readers see them: `23` is `2.3`.
#[must_use]
pub fn tenths(tenths: i64) -> String {
    let sign = if tenths < 0 { "−" } else { "" };
    let size = tenths.unsigned_abs();
    format!("{sign}{}.{}", size / 10, size % 10)
}

/// A change in tenths with its sign: `+2.3`, `−0.4`, `±0.0`.
#[must_use]
pub fn signed(tenths_of_a_point: i64) -> String {
    match tenths_of_a_point {
        0 => "±0.0".into(),
        gain if gain > 0 => format!("+{}", tenths(gain)),
        loss => tenths(loss),
    }
}

/// A count with thin spaces between thousands.
#[must_use]
pub fn count(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut out = String::new();
    if number < 0 {
        out.push('−');
    }
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// `1 server`, `2 servers`.
#[must_use]
pub fn counted(number: i64, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {thing}{plural}", count(number))
}

/// Share of a whole in percent, one decimal; `—` when there is no whole.
#[must_use]
pub fn share(part: i64, whole: i64) -> String {
    if whole <= 0 {
        return "—".into();
    }
    let per_mille = (part.max(0) * 1000 + whole / 2) / whole;
    format!("{}.{} %", per_mille / 10, per_mille % 10)
}

#[cfg(test)]
mod tests {
    use super::{count, counted, share, signed, tenths};

    #[test]
    fn numbers_read_well() {
        assert_eq!(tenths(962), "96.2");
        assert_eq!(tenths(-4), "−0.4");
        assert_eq!(signed(23), "+2.3");
        assert_eq!(signed(-27), "−2.7");
        assert_eq!(count(10_542), "10\u{202f}542");
        assert_eq!(counted(1, "server"), "1 server");
        assert_eq!(share(1, 3), "33.3 %");
        assert_eq!(share(0, 0), "—");
    }
}
