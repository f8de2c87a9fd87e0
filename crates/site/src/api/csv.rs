//! Comma-separated values that a spreadsheet reads as text and never as a formula.

/// One line: every field quoted; a field that a spreadsheet would compute gets an apostrophe
/// in front.
#[must_use]
pub fn line<'a>(fields: impl IntoIterator<Item = &'a str>) -> String {
    let mut out = String::new();
    for (place, field) in fields.into_iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        out.push('"');
        if field.starts_with(['=', '+', '-', '@', '\t', '\r']) {
            out.push('\'');
        }
        out.push_str(&field.replace('"', "\"\""));
        out.push('"');
    }
    out.push_str("\r\n");
    out
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn formulas_are_disarmed_and_quotes_doubled() {
        assert_eq!(
            line(["a\"b", "=1+1", "-x", "ok"]),
            "\"a\"\"b\",\"'=1+1\",\"'-x\",\"ok\"\r\n"
        );
    }
}
