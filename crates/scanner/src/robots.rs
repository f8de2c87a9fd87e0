//! The Robots Exclusion Protocol (RFC 9309), as far as it concerns one crawler: the group that
//! names it, and the group for everybody.
//!
//! A file is a stranger's, so all of this is bounded: the first 512,000 bytes are read (section
//! 2.5 demands 500 KiB at least), and a file with more rules for us than can be kept forbids
//! everything, because rules that were not kept might have. Matching takes time in proportion to
//! rule and address, whatever the number of asterisks.

use serde::{Deserialize, Serialize};

/// Bytes that are read of a file.
pub const MOST_BYTES: usize = 512_000;
/// Rules that are kept of a group.
const MOST_RULES: usize = 2_000;
/// Bytes of all patterns of a group that are kept.
const MOST_PATTERNS: usize = 64 * 1024;
/// Our product token (section 2.2.1); names are compared without regard to case.
pub const TOKEN: &str = "authdex";

/// A rule of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Whether it allows.
    pub allow: bool,
    /// The path pattern, normalised; `*` stands for anything, `$` at the end for the end.
    pub pattern: String,
}

/// The rules of all groups for one name, joined (section 2.2.1).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// The rules, in their order.
    pub rules: Vec<Rule>,
    /// There were more than are kept.
    #[serde(default)]
    pub overlong: bool,
}

/// What a file says to us.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Robots {
    /// Groups that name us; `None` if there is none.
    pub ours: Option<Group>,
    /// Groups for everybody.
    pub everybody: Option<Group>,
}

impl Robots {
    /// Reads a file. Anything can be read: lines that are no rules say nothing.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        let bytes = &bytes[..bytes.len().min(MOST_BYTES)];
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut out = Self::default();
        // Which groups the lines that follow belong to.
        let (mut ours, mut everybody) = (false, false);
        let mut naming = false;
        for line in bytes.split(|byte| matches!(byte, b'\r' | b'\n')) {
            let line = line.split(|byte| *byte == b'#').next().unwrap_or_default();
            let Some(colon) = line.iter().position(|byte| *byte == b':') else {
                continue;
            };
            let (key, value) = (line[..colon].trim_ascii(), line[colon + 1..].trim_ascii());
            if key.eq_ignore_ascii_case(b"user-agent") {
                if !naming {
                    (ours, everybody) = (false, false);
                }
                naming = true;
                if value == b"*" {
                    everybody = true;
                    out.everybody.get_or_insert_default();
                } else if names_us(value) {
                    ours = true;
                    out.ours.get_or_insert_default();
                }
                continue;
            }
            let allow = key.eq_ignore_ascii_case(b"allow");
            if !allow && !key.eq_ignore_ascii_case(b"disallow") {
                continue; // other records do not end a group (section 2.2.4)
            }
            naming = false;
            for (applies, group) in [(ours, &mut out.ours), (everybody, &mut out.everybody)] {
                if let Some(group) = group.as_mut().filter(|_| applies) {
                    group.add(allow, value);
                }
            }
        }
        out
    }

    /// Whether the groups that name us let this path and query be asked. `true` if none does.
    #[must_use]
    pub fn lets_us(&self, path: &str) -> bool {
        self.ours.as_ref().is_none_or(|group| group.allows(path))
    }

    /// Whether a crawler that obeys the protocol may ask for this path and query: by the groups
    /// that name us, and only where there is none by those for everybody (section 2.2.1).
    #[must_use]
    pub fn lets_a_crawler(&self, path: &str) -> bool {
        let group = self.ours.as_ref().or(self.everybody.as_ref());
        group.is_none_or(|group| group.allows(path))
    }
}

/// The product token at the beginning of a name: `authdex/1.0` names us, `authdex-x` does not.
fn names_us(value: &[u8]) -> bool {
    let end = value
        .iter()
        .position(|byte| !(byte.is_ascii_alphabetic() || matches!(byte, b'-' | b'_')))
        .unwrap_or(value.len());
    value[..end].eq_ignore_ascii_case(TOKEN.as_bytes())
}

impl Group {
    fn add(&mut self, allow: bool, value: &[u8]) {
        if value.is_empty() {
            return; // "Disallow:" forbids nothing
        }
        let pattern = normalised(value);
        let size: usize = self.rules.iter().map(|rule| rule.pattern.len()).sum();
        if self.rules.len() >= MOST_RULES || size + pattern.len() > MOST_PATTERNS {
            self.overlong = true;
            return;
        }
        self.rules.push(Rule { allow, pattern });
    }

    /// The most specific rule counts, the one with the longest pattern; of two alike the one that
    /// allows (section 2.2.2). The file itself may always be asked for.
    #[must_use]
    pub fn allows(&self, path: &str) -> bool {
        let path = normalised(path.as_bytes());
        if path == "/robots.txt" {
            return true;
        }
        if self.overlong {
            return false;
        }
        self.rules
            .iter()
            .filter(|rule| fits(&rule.pattern, &path))
            .max_by_key(|rule| (rule.pattern.len(), rule.allow))
            .is_none_or(|rule| rule.allow)
    }
}

/// Bytes outside US-ASCII are percent-encoded, encoded unreserved characters are not, and what
/// is encoded is written in capitals (section 2.2.2, RFC 3986 section 6.2.2).
fn normalised(bytes: &[u8]) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(bytes.len());
    let encode = |out: &mut String, byte: u8| {
        out.push('%');
        out.push(char::from(HEX[usize::from(byte >> 4)]));
        out.push(char::from(HEX[usize::from(byte & 15)]));
    };
    let digit = |byte: Option<&u8>| {
        let value = char::from(*byte?).to_digit(16)?;
        u8::try_from(value).ok()
    };
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'%' => match (digit(bytes.get(at)), digit(bytes.get(at + 1))) {
                (Some(high), Some(low)) => {
                    let value = high * 16 + low;
                    at += 2;
                    if value.is_ascii_alphanumeric() || b"-._~".contains(&value) {
                        out.push(char::from(value));
                    } else {
                        encode(&mut out, value);
                    }
                }
                _ => out.push('%'),
            },
            byte if byte.is_ascii_graphic() => out.push(char::from(*byte)),
            byte => encode(&mut out, *byte),
        }
    }
    out
}

/// Whether a pattern fits the beginning of a path, or with `$` at its end the whole of it. Each
/// part between asterisks is looked for where the one before ended; the first place is as good as
/// any later one.
fn fits(pattern: &str, path: &str) -> bool {
    let (pattern, whole) = match pattern.strip_suffix('$') {
        Some(pattern) => (pattern, true),
        None => (pattern, false),
    };
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = path.strip_prefix(first) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return !whole || rest.is_empty();
    };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    if whole {
        rest.ends_with(last)
    } else {
        rest.contains(last)
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST_RULES, Robots, fits};

    fn robots(text: &str) -> Robots {
        Robots::parse(text.as_bytes())
    }

    #[test]
    fn the_longest_rule_counts_and_allowing_wins_a_tie() {
        let file = robots(
            "User-agent: *\nDisallow: /example/\nAllow: /example/page/\n\
             Disallow: /example/page/no\nDisallow: /tie\nAllow: /tie\n",
        );
        for (path, allowed) in [
            ("/", true),
            ("/example/x", false),
            ("/example/page/yes", true),
            ("/example/page/no.html", false),
            ("/tie", true),
            ("/Example/", true),
            ("/robots.txt", true),
        ] {
            assert_eq!(file.lets_a_crawler(path), allowed, "{path}");
            assert!(file.lets_us(path), "nobody named us");
        }
    }

    #[test]
    fn a_group_that_names_us_counts_alone_and_groups_are_joined() {
        let file = robots(
            "user-agent: other\nuser-agent: AuthDex/2.0\nDisallow: /a\n\n\
             User-Agent: *\nDisallow: /\n\n\
             sitemap: https://x.example/s\nUser-agent: authdex # again\nDisallow: /b\n",
        );
        for (path, allowed) in [("/a", false), ("/b", false), ("/c", true)] {
            assert_eq!(file.lets_us(path), allowed, "{path}");
            assert_eq!(file.lets_a_crawler(path), allowed, "{path}");
        }
        assert!(robots("User-agent: authdex-x\nDisallow: /").lets_us("/"));
        assert!(robots("User-agent: authdexer\nDisallow: /").lets_us("/"));
        assert!(!robots("User-agent: authdex\nDisallow: /").lets_us("/"));
    }

    #[test]
    fn other_records_do_not_end_a_group() {
        let file = robots(
            "User-agent: authdex\nSitemap: https://x.example/s\nUser-agent: b\n\
             Crawl-delay: 5\nDisallow: /x\nUser-agent: c\nDisallow: /y\n",
        );
        assert!(!file.lets_us("/x"));
        assert!(file.lets_us("/y"));
        assert!(robots("Disallow: /\nUser-agent: *\nAllow: /").lets_a_crawler("/"));
        assert!(robots("User-agent: *\nDisallow:").lets_a_crawler("/"));
    }

    #[test]
    fn special_characters_and_percent_encoding() {
        for (pattern, path, expected) in [
            ("/*.php$", "/a/b.php", true),
            ("/*.php$", "/a/b.php?x", false),
            ("/*.php", "/a/b.php?x", true),
            ("/fish*", "/fishheads", true),
            ("/a*b*c$", "/aXbYcZc", true),
            ("/a*b*c$", "/aXcYb", false),
            ("$", "", true),
            ("/$", "/", true),
            ("/$", "/a", false),
            ("*", "/anything", true),
        ] {
            assert_eq!(fits(pattern, path), expected, "{pattern} {path}");
        }
        let file = robots("User-agent: *\nDisallow: /%7ejoe/\nDisallow: /\u{fc}\nDisallow: /%2f\n");
        for path in ["/~joe/", "/%7Ejoe/", "/%c3%bc", "/%2F"] {
            assert!(!file.lets_a_crawler(path), "{path}");
        }
        assert!(file.lets_a_crawler("//"));
    }

    #[test]
    fn line_ends_marks_and_nonsense() {
        let file =
            robots("\u{feff}User-agent: authdex\rDisallow: /a\r\nDisallow : /b\nnonsense\n:\n");
        assert!(!file.lets_us("/a"));
        assert!(!file.lets_us("/b"));
        let file = Robots::parse(b"user-agent: *\ndisallow: /\xff\xfe\0");
        assert!(file.lets_a_crawler("/x"));
        assert!(!file.lets_a_crawler("/%FF%FE%00"));
    }

    #[test]
    fn more_than_can_be_kept_forbids_everything() {
        let mut text = "User-agent: *\n".to_owned();
        for number in 0..=MOST_RULES {
            text.push_str(&format!("Disallow: /{number}\n"));
        }
        assert!(!robots(&text).lets_a_crawler("/x"));
        let long = format!("User-agent: *\nDisallow: /{}\n", "*a".repeat(40_000));
        assert!(!robots(&long).lets_a_crawler("/x"));
    }

    #[test]
    fn many_asterisks_take_no_longer() {
        let pattern = format!("/{}$", "*a".repeat(20_000));
        assert!(!fits(&pattern, &format!("/{}b", "a".repeat(20_000))));
    }
}
