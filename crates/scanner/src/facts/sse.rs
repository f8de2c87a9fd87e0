//! Server-sent events (WHATWG HTML, section 9.2): framing only.
//!
//! Evidence holds the beginning of a stream, so the last event may be cut off. As in the
//! standard, an event counts only once its blank line has come; ids and retry times are
//! read past, because nothing judges them.

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its name; `message` when the stream gave none.
    pub name: String,
    /// Data lines joined by line feeds.
    pub data: String,
}

/// Complete events of a stream's beginning, in order. An event that the cap cut off is left
/// out, and so is one without a data line. Total length of names and data is bounded by the
/// length of `text` and 7 bytes for each event.
#[must_use]
pub fn events(text: &str) -> Vec<Event> {
    let mut events = Vec::new();
    let mut name = "";
    let mut data: Option<String> = None;
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    while let Some((line, after)) = line(rest) {
        rest = after;
        if line.is_empty() {
            if let Some(data) = data.take() {
                let name = if name.is_empty() { "message" } else { name };
                events.push(Event {
                    name: name.to_owned(),
                    data,
                });
            }
            name = "";
            continue;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => name = value,
            "data" => match &mut data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => data = Some(value.to_owned()),
            },
            // A comment has an empty field name; other names are unknown or of no use here.
            _ => {}
        }
    }
    events
}

/// The first complete line and what follows its end (CR, LF or CR LF).
fn line(text: &str) -> Option<(&str, &str)> {
    let end = text.find(['\r', '\n'])?;
    let after = &text[end..];
    let after = after
        .strip_prefix("\r\n")
        .or_else(|| after.get(1..))
        .unwrap_or_default();
    Some((&text[..end], after))
}

#[cfg(test)]
mod tests {
    use super::{Event, events};

    fn event(name: &str, data: &str) -> Event {
        Event {
            name: name.to_owned(),
            data: data.to_owned(),
        }
    }

    #[test]
    fn reads_every_line_ending() {
        for end in ["\n", "\r\n", "\r"] {
            let text = [
                "\u{feff}event: endpoint",
                "data: /messages?id=1",
                "",
                ": ping",
                "",
                "id: 7",
                "data: {\"a\":",
                "data:1}",
                "",
                "",
            ]
            .join(end);
            assert_eq!(
                events(&text),
                [
                    event("endpoint", "/messages?id=1"),
                    event("message", "{\"a\":\n1}")
                ],
                "{end:?}"
            );
        }
    }

    #[test]
    fn a_cut_off_event_is_left_out() {
        assert_eq!(events("data: a\n\ndata: b\n"), [event("message", "a")]);
        assert_eq!(events("data: a\n\ndata: b"), [event("message", "a")]);
        assert_eq!(events("data: a\r\n\r"), [event("message", "a")]);
        assert_eq!(events("data: a\r\n"), []);
    }

    #[test]
    fn a_name_does_not_outlive_its_event() {
        assert_eq!(
            events("event: a\n\ndata: 1\n\nevent: b\nevent:\ndata: 2\n\n"),
            [event("message", "1"), event("message", "2")]
        );
    }

    #[test]
    fn only_one_blank_is_taken_from_a_value() {
        assert_eq!(
            events("data:  x\nretry: 3\nnonsense\ndata\n\n"),
            [event("message", " x\n")]
        );
        assert_eq!(events("data:\n\n"), [event("message", "")]);
    }
}
