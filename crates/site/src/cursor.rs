//! Cursors as readers get them: where a page ended, signed for the list it is of, so that nobody
//! can make one up, change one, or carry one to another list.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use store::StoreError;

use crate::AppState;
use crate::error::AppError;

/// Bytes of the signature: half of an HMAC-SHA-256.
const SIGNED: usize = 16;

fn signature(key: &[u8; 32], list: &str, place: &str) -> [u8; SIGNED] {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    let mut text = Vec::with_capacity(list.len() + place.len() + 8);
    text.extend(b"cursor\0");
    text.extend(list.as_bytes());
    text.push(0);
    text.extend(place.as_bytes());
    let tag = hmac::sign(&key, &text);
    let mut out = [0; SIGNED];
    for (to, from) in out.iter_mut().zip(tag.as_ref()) {
        *to = *from;
    }
    out
}

fn seal(key: &[u8; 32], list: &str, place: &str) -> String {
    let mut bytes = signature(key, list, place).to_vec();
    bytes.extend(place.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

fn open(key: &[u8; 32], list: &str, cursor: &str) -> Option<String> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let (tag, place) = bytes.split_at_checked(SIGNED)?;
    let place = std::str::from_utf8(place).ok()?;
    // Without a difference in time that would tell how much of it is right.
    aws_lc_rs::constant_time::verify_slices_are_equal(tag, &signature(key, list, place)).ok()?;
    Some(place.to_owned())
}

/// A cursor for the readers of a list, from where its page ended.
///
/// # Errors
///
/// If the store fails.
pub(crate) async fn give(
    app: &AppState,
    list: &str,
    place: Option<String>,
) -> Result<Option<String>, AppError> {
    let Some(place) = place else {
        return Ok(None);
    };
    Ok(Some(seal(&app.store.signing_key().await?, list, &place)))
}

/// Where a cursor of that list leads.
///
/// # Errors
///
/// `invalid-cursor` if it is none that was given out for this list; or the store fails.
pub(crate) async fn take(
    app: &AppState,
    list: &str,
    cursor: &str,
) -> Result<Option<String>, AppError> {
    if cursor.is_empty() {
        return Ok(None);
    }
    open(&app.store.signing_key().await?, list, cursor)
        .map(Some)
        .ok_or_else(|| AppError::from(StoreError::Cursor))
}

#[cfg(test)]
mod tests {
    use super::{open, seal};

    #[test]
    fn cursors_open_where_they_were_sealed() {
        let key = [7; 32];
        let cursor = seal(&key, "servers", "l1.2");
        assert_eq!(open(&key, "servers", &cursor).as_deref(), Some("l1.2"));
        assert_eq!(open(&key, "history", &cursor), None, "of another list");
        assert_eq!(
            open(&[8; 32], "servers", &cursor),
            None,
            "of another installation"
        );
        for at in 0..cursor.len() {
            let mut changed = cursor.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("ASCII");
            assert_eq!(open(&key, "servers", &changed), None, "{changed}");
        }
        for text in ["", "l1.2", "AAAA", "é"] {
            assert_eq!(open(&key, "servers", text), None, "{text}");
        }
    }
}
