//! Where a page of a list of servers ended, written as an opaque text.

use std::fmt::Write as _;

use crate::rows::Sort;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Key {
    Number(i64),
    Text(String),
}

/// Where a page ended: the sort key and the row of its last entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) key: Key,
    pub(crate) id: i64,
}

impl Cursor {
    pub(crate) fn write(&self, sort: Sort) -> String {
        let mut out = String::from(tag(sort));
        match &self.key {
            Key::Number(n) => {
                let _ = write!(out, "{n:x}");
            }
            Key::Text(text) => {
                for byte in text.as_bytes() {
                    let _ = write!(out, "{byte:02x}");
                }
            }
        }
        let _ = write!(out, ".{:x}", self.id);
        out
    }

    pub(crate) fn read(text: &str, sort: Sort) -> Option<Self> {
        let (key, id) = text.strip_prefix(tag(sort))?.split_once('.')?;
        let id = i64::from_str_radix(id, 16).ok().filter(|id| *id >= 0)?;
        let key = match sort {
            Sort::Name => {
                // `from_str_radix` would take a sign, too.
                if !key.bytes().all(|b| b.is_ascii_hexdigit()) || key.len() % 2 != 0 {
                    return None;
                }
                let bytes: Option<Vec<u8>> = key
                    .as_bytes()
                    .chunks_exact(2)
                    .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
                    .collect();
                Key::Text(
                    String::from_utf8(bytes?)
                        .ok()
                        .filter(|t| !t.contains('\0'))?,
                )
            }
            Sort::Letter | Sort::Checked | Sort::Changed => {
                Key::Number(i64::from_str_radix(key, 16).ok()?)
            }
        };
        Some(Self { key, id })
    }
}

fn tag(sort: Sort) -> &'static str {
    match sort {
        Sort::Letter => "l",
        Sort::Checked => "k",
        Sort::Changed => "c",
        Sort::Name => "n",
    }
}

#[cfg(test)]
mod tests {
    use super::{Cursor, Key};
    use crate::rows::Sort;

    #[test]
    fn cursors_are_read_as_written_and_only_in_their_order() {
        let number = Cursor {
            key: Key::Number(40_123),
            id: 7,
        };
        let text = number.write(Sort::Letter);
        assert_eq!(Cursor::read(&text, Sort::Letter), Some(number));
        assert_eq!(Cursor::read(&text, Sort::Changed), None);
        let name = Cursor {
            key: Key::Text("é.example".into()),
            id: 1,
        };
        assert_eq!(
            Cursor::read(&name.write(Sort::Name), Sort::Name),
            Some(name)
        );
    }

    #[test]
    fn other_texts_are_no_cursors() {
        for text in [
            "",
            "l",
            "l.",
            "lx.1",
            "l1.-1",
            "l1",
            "l1.ffffffffffffffffff",
        ] {
            assert_eq!(Cursor::read(text, Sort::Letter), None, "{text}");
        }
        for text in ["nabc.1", "nff.1", "n00.1", "n+1.1", "né.1"] {
            assert_eq!(Cursor::read(text, Sort::Name), None, "{text}");
        }
    }
}
