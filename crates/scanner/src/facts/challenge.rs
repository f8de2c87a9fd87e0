//! `WWW-Authenticate`: the challenge grammar of RFC 9110 section 11.6.1, strictly, and a
//! tolerant second reading that records every liberty it took.
//!
//! Each field line is read by itself, because a challenge cannot span two lines. A line that
//! the strict grammar refuses is read a second time with three liberties (catalogue section
//! 0.7). A line that even this reading refuses is an error; what stood before the fault is
//! still listed, so that its scheme and complete parameters can be reported.

/// One challenge of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// The scheme as written.
    pub scheme: String,
    /// A token68, for schemes that use one.
    pub token68: Option<String>,
    /// Parameters in order, names in lower case, values unescaped. Names may repeat.
    pub params: Vec<(String, String)>,
    /// Which field line it stood on.
    pub line: usize,
}

impl Challenge {
    /// The first parameter of that name (lower case).
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// `Bearer` or `DPoP`, in any case.
    #[must_use]
    pub fn takes_tokens(&self) -> bool {
        self.scheme.eq_ignore_ascii_case("bearer") || self.scheme.eq_ignore_ascii_case("dpop")
    }
}

/// A liberty that the tolerant reading took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tolerance {
    /// A value with characters that need quotes was not quoted.
    UnquotedValue,
    /// A value was quoted with apostrophes.
    SingleQuotes,
    /// No comma between two parameters.
    MissingComma,
}

/// All challenges of one response.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Challenges {
    /// In order of appearance.
    pub list: Vec<Challenge>,
    /// Empty when the strict grammar sufficed. Sorted, each once.
    pub tolerances: Vec<Tolerance>,
    /// Field lines that neither reading understood: line, byte offset, what was expected.
    pub errors: Vec<(usize, usize, &'static str)>,
    /// Where the strict grammar first failed on each line that it refused: line, byte
    /// offset, what was expected. Holds the lines that were then read tolerantly, too.
    pub violations: Vec<(usize, usize, &'static str)>,
}

/// Reads the field lines of one response in order.
#[must_use]
pub fn parse(lines: &[&str]) -> Challenges {
    let mut read = Challenges::default();
    for (line, text) in lines.iter().enumerate() {
        let mut strict = Reader::of(text, line, false);
        let Err((offset, expected)) = strict.challenges() else {
            read.list.append(&mut strict.list);
            continue;
        };
        read.violations.push((line, offset, expected));
        let mut tolerant = Reader::of(text, line, true);
        if let Err((offset, expected)) = tolerant.challenges() {
            read.errors.push((line, offset, expected));
        } else {
            read.tolerances.append(&mut tolerant.tolerances);
        }
        read.list.append(&mut tolerant.list);
    }
    read.tolerances.sort_unstable();
    read.tolerances.dedup();
    read
}

/// Byte offset and what was expected there.
type Fault = (usize, &'static str);

/// One pass over one line.
struct Reader<'t> {
    text: &'t str,
    at: usize,
    line: usize,
    tolerant: bool,
    list: Vec<Challenge>,
    tolerances: Vec<Tolerance>,
}

impl<'t> Reader<'t> {
    fn of(text: &'t str, line: usize, tolerant: bool) -> Self {
        Self {
            text,
            at: 0,
            line,
            tolerant,
            list: Vec::new(),
            tolerances: Vec::new(),
        }
    }

    /// `#challenge`, empty list elements allowed.
    fn challenges(&mut self) -> Result<(), Fault> {
        loop {
            self.skip(|byte| matches!(byte, b',' | b' ' | b'\t'));
            if self.at == self.text.len() {
                return Ok(());
            }
            self.challenge()?;
        }
    }

    /// One challenge, up to the comma behind which the next one begins.
    fn challenge(&mut self) -> Result<(), Fault> {
        let start = self.at;
        let scheme = self.token();
        if scheme.is_empty() {
            return Err((start, "an authentication scheme"));
        }
        if self.peek() == Some(b'=') {
            return Err((start, "an authentication scheme before the first parameter"));
        }
        self.list.push(Challenge {
            scheme: scheme.to_owned(),
            token68: None,
            params: Vec::new(),
            line: self.line,
        });
        match self.peek() {
            None | Some(b',') => return Ok(()),
            Some(b' ') => {}
            Some(_) => return Err((self.at, "a space after the scheme")),
        }
        self.skip(|byte| byte == b' ');
        if let Some(token68) = self.token68() {
            self.record(|challenge| challenge.token68 = Some(token68));
            self.skip(is_blank);
            return Ok(());
        }
        self.params()
    }

    /// `#auth-param`. Stops before a token that no `=` follows: the next scheme.
    fn params(&mut self) -> Result<(), Fault> {
        loop {
            self.skip(|byte| matches!(byte, b',' | b' ' | b'\t'));
            let start = self.at;
            let name = self.token();
            if name.is_empty() {
                return match self.peek() {
                    None => Ok(()),
                    Some(_) => Err((start, "a parameter name")),
                };
            }
            self.skip(is_blank);
            if self.peek() != Some(b'=') {
                // Only behind a comma may a new challenge begin, or behind the scheme's
                // space when the whole list of parameters is empty elements.
                return if self.text[..start].trim_end().ends_with(',') {
                    self.at = start;
                    Ok(())
                } else {
                    Err((self.at, "`=` after a parameter name"))
                };
            }
            self.at += 1;
            self.skip(is_blank);
            let value = self.value()?;
            let name = name.to_ascii_lowercase();
            self.record(|challenge| challenge.params.push((name, value)));
            self.skip(is_blank);
            match self.peek() {
                None | Some(b',') => {}
                Some(_) if self.tolerant && self.param_follows() => {
                    self.tolerances.push(Tolerance::MissingComma);
                }
                Some(_) => return Err((self.at, "a comma or the end after a value")),
            }
        }
    }

    fn value(&mut self) -> Result<String, Fault> {
        match self.peek() {
            Some(b'"') => self.quoted('"'),
            Some(b'\'') if self.tolerant => {
                self.tolerances.push(Tolerance::SingleQuotes);
                self.quoted('\'')
            }
            _ if self.tolerant => self.unquoted(),
            _ => {
                let start = self.at;
                let token = self.token();
                if token.is_empty() {
                    Err((start, "a token or a quoted string"))
                } else {
                    Ok(token.to_owned())
                }
            }
        }
    }

    /// A quoted string, unescaped; the reader stands on its first quote.
    fn quoted(&mut self, quote: char) -> Result<String, Fault> {
        let start = self.at;
        let mut value = String::new();
        let mut chars = self.text[start..].char_indices().skip(1);
        while let Some((offset, c)) = chars.next() {
            let here = start + offset;
            let c = if c == quote {
                self.at = here + c.len_utf8();
                return Ok(value);
            } else if c == '\\' {
                match chars.next() {
                    Some((_, escaped)) => escaped,
                    None => break,
                }
            } else {
                c
            };
            if c.is_control() && c != '\t' {
                return Err((here, "no control character in a quoted string"));
            }
            value.push(c);
        }
        Err((start, "the closing quote of a quoted string"))
    }

    /// A token, or whatever a URL may hold except the comma.
    fn unquoted(&mut self) -> Result<String, Fault> {
        let start = self.at;
        self.skip(|byte| is_tchar(byte) || is_url(byte));
        let value = &self.text[start..self.at];
        if value.is_empty() {
            return Err((start, "a value"));
        }
        if value.ends_with(';') && matches!(self.peek(), None | Some(b' ' | b'\t')) {
            return Err((self.at - 1, "a comma: semicolons separate nothing here"));
        }
        if !value.bytes().all(is_tchar) {
            self.tolerances.push(Tolerance::UnquotedValue);
        }
        Ok(value.to_owned())
    }

    /// A token68 that fills its challenge; otherwise the reader stays where it is.
    fn token68(&mut self) -> Option<String> {
        let start = self.at;
        self.skip(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/')
        });
        if self.at > start {
            self.skip(|byte| byte == b'=');
            let end = self.at;
            self.skip(is_blank);
            if matches!(self.peek(), None | Some(b',')) {
                return Some(self.text[start..end].to_owned());
            }
        }
        self.at = start;
        None
    }

    /// Whether `token BWS =` stands here. Moves nothing.
    fn param_follows(&mut self) -> bool {
        let start = self.at;
        let named = !self.token().is_empty();
        self.skip(is_blank);
        let follows = named && self.peek() == Some(b'=');
        self.at = start;
        follows
    }

    fn record(&mut self, change: impl FnOnce(&mut Challenge)) {
        if let Some(challenge) = self.list.last_mut() {
            change(challenge);
        }
    }

    fn token(&mut self) -> &'t str {
        let start = self.at;
        self.skip(is_tchar);
        &self.text[start..self.at]
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Moves past ASCII bytes; `accepts` must refuse bytes of 0x80 and above.
    fn skip(&mut self, accepts: impl Fn(u8) -> bool) {
        while self.peek().is_some_and(&accepts) {
            self.at += 1;
        }
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// RFC 9110 section 5.6.2.
fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Characters of RFC 3986 besides those of a token; the comma ends the value.
fn is_url(byte: u8) -> bool {
    b":/?[]@()=;".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::{Challenges, Tolerance, parse};

    fn one(line: &str) -> Challenges {
        parse(&[line])
    }

    fn params(read: &Challenges, at: usize) -> Vec<(&str, &str)> {
        read.list[at]
            .params
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect()
    }

    fn strict(line: &str) -> Challenges {
        let read = one(line);
        assert_eq!(read.violations, [], "{line}");
        assert_eq!(read.errors, [], "{line}");
        assert_eq!(read.tolerances, [], "{line}");
        read
    }

    #[test]
    fn reads_the_usual_challenge_in_any_order() {
        let read = strict(
            "bearer Scope=\"a b\",resource_metadata = \"https://h.example/.well-known/oauth-protected-resource/mcp?a=1,2\" , error=invalid_token",
        );
        assert!(read.list[0].takes_tokens());
        assert_eq!(
            params(&read, 0),
            [
                ("scope", "a b"),
                (
                    "resource_metadata",
                    "https://h.example/.well-known/oauth-protected-resource/mcp?a=1,2"
                ),
                ("error", "invalid_token"),
            ]
        );
    }

    #[test]
    fn unescapes_quoted_pairs() {
        let read = strict(r#"Bearer error_description="Unsupported \"alg\", it's \\ odd `x`""#);
        assert_eq!(
            read.list[0].param("error_description"),
            Some(r#"Unsupported "alg", it's \ odd `x`"#)
        );
    }

    #[test]
    fn a_scheme_may_stand_alone() {
        for line in ["Bearer", "Bearer ", " , Bearer ,", "Bearer , "] {
            let read = strict(line);
            assert_eq!(read.list.len(), 1, "{line}");
            assert_eq!(read.list[0].scheme, "Bearer");
        }
        assert_eq!(strict("").list, []);
    }

    #[test]
    fn several_challenges_share_a_line() {
        let read = strict(
            r#"Negotiate, Bearer realm="a, Basic b", Basic realm="MCP", NTLM YWJj==, DPoP algs="ES256""#,
        );
        let schemes: Vec<&str> = read.list.iter().map(|c| c.scheme.as_str()).collect();
        assert_eq!(schemes, ["Negotiate", "Bearer", "Basic", "NTLM", "DPoP"]);
        assert_eq!(read.list[1].param("realm"), Some("a, Basic b"));
        assert_eq!(read.list[3].token68.as_deref(), Some("YWJj=="));
        assert_eq!(read.list[4].param("algs"), Some("ES256"));
    }

    #[test]
    fn several_lines_keep_their_numbers() {
        let read = parse(&[
            r#"ApiKey realm="MCP Server", header="X-API-Key""#,
            "",
            "Bearer",
        ]);
        assert_eq!(read.list.len(), 2);
        assert!(!read.list[0].takes_tokens());
        assert_eq!(read.list[0].param("header"), Some("X-API-Key"));
        assert_eq!(read.list[1].line, 2);
    }

    #[test]
    fn repeated_parameters_are_kept() {
        let read = strict(r#"Bearer realm="a", REALM="b""#);
        assert_eq!(params(&read, 0), [("realm", "a"), ("realm", "b")]);
    }

    #[test]
    fn a_token_may_hold_back_quotes_and_apostrophes() {
        let read = strict("Bearer realm=`mcp`, error='x'");
        assert_eq!(params(&read, 0), [("realm", "`mcp`"), ("error", "'x'")]);
    }

    #[test]
    fn tolerates_unquoted_urls() {
        let read = one("Bearer resource_metadata=https://h.example:8443/a?b=c#d, scope=x");
        assert_eq!(read.tolerances, [Tolerance::UnquotedValue]);
        assert_eq!(read.errors, []);
        assert_eq!(
            read.violations,
            [(0, 30, "a comma or the end after a value")]
        );
        assert_eq!(
            params(&read, 0),
            [
                ("resource_metadata", "https://h.example:8443/a?b=c#d"),
                ("scope", "x")
            ]
        );
    }

    #[test]
    fn tolerates_apostrophes_and_missing_commas_and_says_so() {
        let read = one(r"Bearer realm='it\'s, here' error='x'");
        assert_eq!(
            read.tolerances,
            [Tolerance::SingleQuotes, Tolerance::MissingComma]
        );
        assert_eq!(params(&read, 0), [("realm", "it's, here"), ("error", "x")]);
        let read = one(r#"Bearer realm="a" error="b""#);
        assert_eq!(read.tolerances, [Tolerance::MissingComma]);
        assert_eq!(params(&read, 0), [("realm", "a"), ("error", "b")]);
    }

    #[test]
    fn a_good_line_is_not_read_tolerantly_because_of_a_bad_one() {
        let read = parse(&["Bearer realm='x'", "Bearer realm='x y'"]);
        assert_eq!(read.list[0].param("realm"), Some("'x'"));
        assert_eq!(read.list[1].param("realm"), Some("x y"));
        assert_eq!(read.violations.len(), 1);
    }

    #[test]
    fn says_what_it_cannot_read_and_keeps_what_stood_before() {
        let unterminated = r#"Bearer scope="a", resource_metadata="https://h.example"#;
        for (line, offset, scheme, complete) in [
            (unterminated, 36, Some("Bearer"), 1),
            (r#"Bearer realm="a\"#, 13, Some("Bearer"), 0),
            (r#"realm="a""#, 0, None, 0),
            (r#"Bearer, realm="a""#, 8, Some("Bearer"), 0),
            (r#"Bearer realm="a"; error="b""#, 16, Some("Bearer"), 1),
            ("Bearer realm=a; error=b", 14, Some("Bearer"), 0),
            ("Bearer realm=My Server", 16, Some("Bearer"), 1),
            ("Bearer realm=`https://h.example/ x`", 33, Some("Bearer"), 1),
            (r#"Bearer: realm="a""#, 6, Some("Bearer"), 0),
            ("Bearer realm=", 13, None, 0),
            (r#"{"error":"x"}"#, 0, None, 0),
            ("Bearer a b", 9, Some("Bearer"), 0),
        ] {
            let read = one(line);
            if line == "Bearer realm=" {
                // `realm=` fills the challenge: a token68, if a senseless one.
                assert_eq!(read.list[0].token68.as_deref(), Some("realm="));
                continue;
            }
            assert_eq!(read.errors.len(), 1, "{line}");
            assert_eq!(read.errors[0].1, offset, "{line}: {}", read.errors[0].2);
            assert_eq!(read.violations.len(), 1, "{line}");
            assert_eq!(
                read.list.first().map(|challenge| challenge.scheme.as_str()),
                scheme,
                "{line}"
            );
            let params = read.list.first().map_or(0, |c| c.params.len());
            assert_eq!(params, complete, "{line}");
        }
    }

    #[test]
    fn survives_anything_that_is_not_ascii() {
        assert_eq!(
            strict("Bearer realm=\"Grüße 🦀\"").list[0].param("realm"),
            Some("Grüße 🦀")
        );
        assert_eq!(one("Bäarer realm=x").errors.len(), 1);
        assert_eq!(one("Bearer realm=\"a\u{0}b\"").errors.len(), 1);
        assert_eq!(one("Bearer r=ü").errors.len(), 1);
    }

    #[test]
    fn challenges_of_real_servers_are_legal() {
        let lab = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/lab");
        let Ok(servers) = std::fs::read_dir(&lab) else {
            eprintln!("SKIPPED: no recorded servers at hand; no real challenge was read");
            return;
        };
        let transcripts = servers
            .flatten()
            .filter_map(|server| std::fs::read_dir(server.path().join("transcripts")).ok())
            .flatten()
            .flatten()
            .filter_map(|file| std::fs::read_to_string(file.path()).ok());
        let mut seen = 0;
        for text in transcripts {
            for line in text.lines() {
                let line = line.trim_start_matches(['<', ' ']);
                let Some((name, value)) = line.split_once(": ") else {
                    continue;
                };
                if name.eq_ignore_ascii_case("www-authenticate") {
                    assert_eq!(strict(value).list.len(), 1, "{value}");
                    seen += 1;
                }
            }
        }
        assert!(seen > 100, "{seen}");
    }
}
