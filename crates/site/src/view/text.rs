//! Text that strangers wrote, made harmless for readers: bounded, with control and
//! bidirectional characters shown instead of obeyed. Escaping for HTML is askama's business.

use std::fmt;

/// Most characters of a stranger's text on one line.
const LINE: usize = 240;

/// A stranger's text, ready to be shown on one line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown(String);

impl Shown {
    /// At most 240 characters of the text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self::bounded(text, LINE)
    }

    /// At most `max` characters of the text.
    #[must_use]
    pub fn bounded(text: &str, max: usize) -> Self {
        Self(visible(text, max, false))
    }

    /// At most `max` characters of the text, line breaks and tabs kept.
    #[must_use]
    pub fn block(text: &str, max: usize) -> Self {
        Self(visible(text, max, true))
    }

    /// The text as shown.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing to show.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn visible(text: &str, max: usize, lines: bool) -> String {
    let mut out = String::with_capacity(text.len().min(max * 4));
    for (count, c) in text.chars().enumerate() {
        if count == max {
            out.push('…');
            break;
        }
        if lines && matches!(c, '\n' | '\t') {
            out.push(c);
        } else if lines && c == '\r' {
            // A carriage return before a line break is the break's other half.
        } else if misleads(c) {
            out.push_str(&format!("\\u{{{:x}}}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out
}

/// Characters that change how the text around them looks, or that cannot be seen.
fn misleads(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The text as a sentence: with a capital at its beginning and a full stop at its end.
#[must_use]
pub fn sentence(text: &str) -> String {
    let text = text.trim();
    let mut chars = text.chars();
    let Some(first) = chars.next() else {
        return String::new();
    };
    let stop = if text.ends_with(['.', '!', '?', '…', ':']) {
        ""
    } else {
        "."
    };
    format!("{}{}{stop}", first.to_uppercase(), chars.as_str())
}

/// What a reader typed, ready to be put back into its field: without characters that cannot be
/// seen or that turn the text around.
#[must_use]
pub fn typed(text: &str) -> String {
    text.chars().filter(|c| !misleads(*c)).collect()
}

/// A part of a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece<'t> {
    /// Set between backticks: to be shown as code.
    pub code: bool,
    /// The part.
    pub text: &'t str,
}

/// A sentence with code between backticks, in its parts. A backtick without a second one is
/// text.
pub fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let paired = text.matches('`').count() / 2 * 2;
    let mut parts = text.splitn(paired + 1, '`');
    let mut code = true;
    std::iter::from_fn(move || {
        let text = parts.next()?;
        code = !code;
        Some(Piece { code, text })
    })
    .filter(|piece| !piece.text.is_empty())
}

/// A stranger's address: a link when it is https, else text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Where it leads, if it may be followed.
    pub href: Option<String>,
    /// What is shown.
    pub text: Shown,
}

impl Link {
    /// Reads an address.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let href = url::Url::parse(text)
            .ok()
            .filter(|url| url.scheme() == "https" && url.username().is_empty())
            .filter(|url| url.password().is_none())
            .map(String::from);
        Self {
            href,
            text: Shown::new(text),
        }
    }
}

/// The text as one word of a POSIX shell command line. Control characters are written as
/// escapes, so that a copied line is the line that was read.
#[must_use]
pub fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    if text.chars().any(misleads) {
        let mut out = String::from("$'");
        for c in text.chars() {
            match c {
                '\\' => out.push_str("\\\\"),
                '\'' => out.push_str("\\'"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                c if misleads(c) => {
                    let mut bytes = [0; 4];
                    for byte in c.encode_utf8(&mut bytes).bytes() {
                        out.push_str(&format!("\\x{byte:02x}"));
                    }
                }
                c => out.push(c),
            }
        }
        out.push('\'');
        return out;
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::{Link, Shown, pieces, sentence, shell_word};

    #[test]
    fn bidirectional_and_control_characters_are_spelled_out() {
        let shown = Shown::new("a\u{202e}b\u{0}\u{2066}c\n");
        assert_eq!(shown.as_str(), "a\\u{202e}b\\u{0}\\u{2066}c\\u{a}");
        assert_eq!(Shown::block("a\r\nb\u{7}", 9).as_str(), "a\nb\\u{7}");
    }

    #[test]
    fn sentences_begin_and_end() {
        assert_eq!(sentence("only one is offered"), "Only one is offered.");
        assert_eq!(sentence("Done."), "Done.");
        assert_eq!(sentence(" "), "");
    }

    #[test]
    fn code_stands_between_backticks() {
        let told =
            |text| -> Vec<_> { pieces(text).map(|piece| (piece.code, piece.text)).collect() };
        assert_eq!(told("a `b` c"), [(false, "a "), (true, "b"), (false, " c")]);
        assert_eq!(told("`b` `c"), [(true, "b"), (false, " `c")]);
        assert_eq!(told("plain"), [(false, "plain")]);
    }

    #[test]
    fn long_text_is_cut() {
        assert_eq!(Shown::bounded("äöüä", 3).as_str(), "äöü…");
    }

    #[test]
    fn only_https_becomes_a_link() {
        assert!(Link::new("https://example.com/a").href.is_some());
        for no in [
            "http://example.com",
            "javascript:alert(1)",
            "https://u:p@example.com/",
            "x",
        ] {
            assert_eq!(Link::new(no).href, None, "{no}");
        }
    }

    #[test]
    fn shell_words_keep_their_meaning() {
        assert_eq!(shell_word("https://a.example/mcp"), "https://a.example/mcp");
        assert_eq!(shell_word("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(shell_word("a\n\u{1b}'"), r"$'a\n\x1b\''");
        assert_eq!(shell_word(""), "''");
    }
}
