//! How requests say whose they are, and the form in which those are noted that no evidence holds.

use serde::{Deserialize, Serialize};

use crate::time::Millis;

/// A request that is in no evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// When it was sent.
    pub at: Millis,
    /// HTTP method.
    pub method: String,
    /// Where.
    pub url: String,
    /// Why, in a word: `robots`, `opt_out`, `proof`, or the name of a purpose.
    pub why: String,
    /// The answer's status, 0 for none.
    pub status: u16,
    /// Bytes that were read of the answer's body.
    pub bytes: u64,
}

/// `authdex/VERSION (+URL; scan=SCAN)`, without the parts that are not known.
#[must_use]
pub fn user_agent(url: Option<&str>, scan: Option<&str>) -> String {
    let mut notes = Vec::new();
    if let Some(url) = url {
        notes.push(format!("+{url}"));
    }
    if let Some(scan) = scan.filter(|scan| !scan.is_empty()) {
        notes.push(format!("scan={scan}"));
    }
    let name = concat!("authdex/", env!("CARGO_PKG_VERSION"));
    if notes.is_empty() {
        name.to_owned()
    } else {
        format!("{name} ({})", notes.join("; "))
    }
}
