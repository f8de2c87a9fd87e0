//! `Idempotency-Key`: a request that is sent again is answered as it was the first time.

use axum::http::{HeaderMap, StatusCode};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::error::{AppError, Problem};
use crate::layers::Caller;

/// Longest key.
const LONGEST: usize = 255;

/// The key of a request, bound to who sends it: two callers may choose the same.
pub(super) fn key(headers: &HeaderMap, caller: &Caller) -> Result<Option<[u8; 32]>, AppError> {
    let Some(key) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let fits = |text: &&str| {
        (1..=LONGEST).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
    };
    let key = key.to_str().ok().filter(fits).ok_or_else(|| {
        AppError::validation(
            "/idempotency-key",
            "An Idempotency-Key has 1 to 255 visible characters.",
        )
    })?;
    let mut hash = Sha256::new();
    hash.update(caller.name());
    hash.update([0]);
    hash.update(key);
    Ok(Some(hash.finalize().into()))
}

/// Digest of what is asked for.
pub(super) fn digest(body: &Value) -> [u8; 32] {
    Sha256::digest(body.to_string()).into()
}

/// The refusal of a key that was used for something else.
pub(super) fn other() -> AppError {
    Problem::new(
        "conflict",
        StatusCode::UNPROCESSABLE_ENTITY,
        "This key was used before",
        "Another request was sent with this Idempotency-Key within 24 hours. Choose a new key for a new request.",
    )
    .into()
}
