//! Reading the body of a response: never more than its cap, never longer than its time.

use base64::Engine as _;
use serde_json::Value;
use tokio::time::Instant;

use super::failure;
use super::settings::{Caps, Timeouts};
use crate::evidence::{Body, Failure, Phase};
use crate::facts::sse;
use crate::plan::Read;

/// How one body is read.
#[derive(Debug, Clone)]
pub(super) struct Manner {
    /// Bytes that are kept.
    pub(super) cap: usize,
    /// When reading ends.
    pub(super) until: Instant,
    /// A stream may be left at any time: what came until then is the answer.
    pub(super) stream: bool,
    /// The id of the message that ends a stream.
    pub(super) id: Option<Value>,
}

/// How to read a response with this media type, whose request began at `begun`.
pub(super) fn manner(
    read: Read,
    media: Option<&str>,
    request_body: Option<&str>,
    begun: Instant,
    (caps, timeouts): (&Caps, &Timeouts),
) -> Manner {
    let stream = media == Some("text/event-stream");
    let total = begun + timeouts.total;
    let now = super::instant();
    let (cap, until) = match (read, stream) {
        (Read::Stream, true) => (caps.idle_stream, now + timeouts.idle_stream),
        (Read::Document | Read::Message, true) => (caps.stream, now + timeouts.stream),
        (_, false) if matches!(media, Some("text/html" | "application/xhtml+xml")) => {
            (caps.html, total)
        }
        (_, false) => (caps.document, total),
    };
    let id = if stream && read == Read::Message {
        request_body
            .and_then(|body| serde_json::from_str::<Value>(body).ok())
            .and_then(|message| message.get("id").cloned())
    } else {
        None
    };
    Manner {
        cap,
        until,
        stream,
        id,
    }
}

/// Reads a body.
pub(super) async fn body(
    response: &mut reqwest::Response,
    manner: &Manner,
) -> Result<Body, Failure> {
    let mut bytes: Vec<u8> = Vec::new();
    let (mut scanned, mut searched) = (0, 0);
    let mut truncated = false;
    loop {
        let chunk = match tokio::time::timeout_at(manner.until, response.chunk()).await {
            Ok(Ok(Some(chunk))) => chunk,
            Ok(Ok(None)) => break,
            // A stream that breaks off has still said what it said.
            Ok(Err(_)) | Err(_) if manner.stream => {
                truncated = true;
                break;
            }
            Ok(Err(fault)) => return Err(failure::of_transfer(&fault)),
            Err(_) => return Err(Failure::Timeout(Phase::Total)),
        };
        let room = manner.cap - bytes.len();
        if chunk.len() > room {
            bytes.extend_from_slice(&chunk[..room]);
            truncated = true;
            break;
        }
        bytes.extend_from_slice(&chunk);
        if let Some(id) = &manner.id
            && answered(&bytes, &mut scanned, &mut searched, id)
        {
            bytes.truncate(scanned);
            break;
        }
    }
    Ok(text(bytes, truncated))
}

/// Whether the stream holds the event that answers `id`. `scanned` is where the last
/// complete event ended, so that no event is read twice; `searched` is how much was looked
/// through for an end.
fn answered(bytes: &[u8], scanned: &mut usize, searched: &mut usize, id: &Value) -> bool {
    // Only the new bytes are searched: a stream may come byte by byte and never end a line.
    let from = searched.saturating_sub(LONGEST_END - 1).max(*scanned);
    *searched = bytes.len();
    let Some(end) = last_blank_line(&bytes[from..]) else {
        return false;
    };
    let complete = &bytes[*scanned..from + end];
    *scanned = from + end;
    let Ok(complete) = std::str::from_utf8(complete) else {
        return false;
    };
    sse::events(complete).iter().any(|event| {
        serde_json::from_str::<Value>(&event.data).is_ok_and(|message| {
            message.get("id") == Some(id)
                && (message.get("result").is_some() || message.get("error").is_some())
        })
    })
}

/// Bytes of the longest end of an event.
const LONGEST_END: usize = 4;

/// Where the last complete event ends.
fn last_blank_line(bytes: &[u8]) -> Option<usize> {
    let ends: [&[u8]; 3] = [b"\n\n", b"\r\n\r\n", b"\r\r"];
    ends.iter()
        .filter_map(|end| {
            bytes
                .windows(end.len())
                .rposition(|window| window == *end)
                .map(|at| at + end.len())
        })
        .max()
}

/// The bytes as evidence keeps them.
fn text(bytes: Vec<u8>, truncated: bool) -> Body {
    let count = bytes.len() as u64;
    let (text, base64) = match String::from_utf8(bytes) {
        Ok(text) => (text, false),
        Err(fault) => {
            let end = fault.utf8_error();
            // The cap may have cut a character in two; that makes no text binary.
            let cut = truncated && end.error_len().is_none();
            let mut bytes = fault.into_bytes();
            if cut {
                bytes.truncate(end.valid_up_to());
                (String::from_utf8(bytes).unwrap_or_default(), false)
            } else {
                let text = base64::engine::general_purpose::STANDARD.encode(&bytes);
                (text, true)
            }
        }
    };
    Body {
        text,
        base64,
        truncated,
        bytes: count,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{answered, text};

    #[test]
    fn finds_the_answer_once_its_event_is_complete() {
        let stream =
            b"event: message\ndata: {\"method\":\"log\"}\n\ndata: {\"id\":\"x\",\"result\":{}}\n\n";
        let id = json!("x");
        let (mut scanned, mut searched) = (0, 0);
        assert!(!answered(&stream[..20], &mut scanned, &mut searched, &id));
        assert!(!answered(&stream[..60], &mut scanned, &mut searched, &id));
        assert!(scanned > 0);
        assert!(answered(stream, &mut scanned, &mut searched, &id));
        assert_eq!(scanned, stream.len());
    }

    #[test]
    fn an_end_that_comes_in_pieces_is_found() {
        for end in ["\n\n", "\r\n\r\n", "\r\r"] {
            let stream = format!(": hi{end}data: {{\"id\":1,\"error\":{{}}}}{end}rest");
            let (mut scanned, mut searched) = (0, 0);
            let found = (1..=stream.len()).find(|length| {
                let begun = &stream.as_bytes()[..*length];
                answered(begun, &mut scanned, &mut searched, &json!(1))
            });
            assert_eq!(found, Some(stream.len() - 4), "{end:?}");
            assert_eq!(scanned, stream.len() - 4);
        }
    }

    #[test]
    fn another_id_and_a_request_do_not_answer() {
        let stream = b"data: {\"id\":\"y\",\"result\":{}}\r\n\r\ndata: {\"id\":\"x\",\"method\":\"ping\"}\r\n\r\n";
        assert!(!answered(stream, &mut 0, &mut 0, &json!("x")));
    }

    #[test]
    fn bytes_that_are_no_text_become_base64() {
        let body = text(vec![0xff, 0xfe], false);
        assert_eq!((body.text.as_str(), body.base64), ("//4=", true));
        let cut = text("aé".as_bytes()[..2].to_vec(), true);
        assert_eq!((cut.text.as_str(), cut.base64, cut.bytes), ("a", false, 2));
        assert!(text("aé".as_bytes()[..2].to_vec(), false).base64);
    }
}
