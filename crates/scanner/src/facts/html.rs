//! As much of an HTML page as tells a sign-in page from a consent page and an error page.
//!
//! No browser: tags are found by their brackets, scripts and styles are skipped, what is cut
//! off ends where it ends. Every pass is linear in the length of the text.

use std::collections::BTreeMap;

/// At most this many characters of visible text are kept.
const MAX_TEXT: usize = 6000;
/// At most this many tags are looked at.
const MAX_TAGS: usize = 4000;

/// A page, read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Html {
    /// Text of `title`, blanks folded.
    pub title: String,
    /// Text of the headings `h1` and `h2`, blanks folded.
    pub headings: String,
    /// Visible text, blanks folded, at most 6000 characters.
    pub text: String,
    /// Its forms in order.
    pub forms: Vec<Form>,
    /// Targets of links, as written.
    pub links: Vec<String>,
    /// Names of all tags in order: the page without anything that varies.
    pub tags: Vec<String>,
    /// Inputs anywhere, in forms and outside of them: type and name in lower case.
    pub inputs: Vec<(String, String)>,
    /// Sources of scripts.
    pub scripts: Vec<String>,
}

/// A form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Form {
    /// `action` as written; empty if it has none.
    pub action: String,
    /// `get` or `post`.
    pub method: String,
    /// Names of its inputs, in order.
    pub names: Vec<String>,
}

impl Html {
    /// Reads a page, or the beginning of one.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let mut html = Self::default();
        let mut within = Within::default();
        let mut rest = text;
        let mut count = 0;
        while let Some(open) = rest.find('<') {
            html.take_text(&rest[..open], &within);
            rest = &rest[open..];
            if let Some(comment) = rest.strip_prefix("<!--") {
                rest = comment.find("-->").map_or("", |end| &comment[end + 3..]);
                continue;
            }
            let Some((tag, after)) = Tag::read(rest) else {
                rest = &rest[1..];
                continue;
            };
            rest = after;
            count += 1;
            if count > MAX_TAGS {
                break;
            }
            if !tag.closing && matches!(tag.name.as_str(), "script" | "style") {
                html.take_tag(&tag, &mut within);
                rest = past_end_of(&tag.name, rest);
                continue;
            }
            html.take_tag(&tag, &mut within);
        }
        html.take_text(rest, &within);
        html
    }

    fn take_text(&mut self, text: &str, within: &Within) {
        if text.trim().is_empty() {
            return;
        }
        let text = unescape(text);
        if within.title {
            fold_into(&mut self.title, &text, 300);
            return;
        }
        if within.heading {
            fold_into(&mut self.headings, &text, 1000);
        }
        fold_into(&mut self.text, &text, MAX_TEXT);
    }

    fn take_tag(&mut self, tag: &Tag, within: &mut Within) {
        match tag.name.as_str() {
            "title" => within.title = !tag.closing,
            "h1" | "h2" => within.heading = !tag.closing,
            _ => (),
        }
        if tag.closing {
            if tag.name == "form" {
                within.form = false;
            }
            return;
        }
        self.tags.push(tag.name.clone());
        match tag.name.as_str() {
            "form" => {
                within.form = true;
                let method = tag.attribute("method").to_ascii_lowercase();
                self.forms.push(Form {
                    action: tag.attribute("action").to_owned(),
                    method: if method == "post" { "post" } else { "get" }.to_owned(),
                    names: Vec::new(),
                });
            }
            "input" | "button" | "select" | "textarea" => {
                let name = tag.attribute("name").to_ascii_lowercase();
                let kind = tag.attribute("type").to_ascii_lowercase();
                if let Some(form) = self.forms.last_mut().filter(|_| within.form)
                    && !name.is_empty()
                {
                    form.names.push(name.clone());
                }
                if matches!(kind.as_str(), "submit" | "button") {
                    fold_into(&mut self.text, &unescape(tag.attribute("value")), MAX_TEXT);
                }
                if tag.name == "input" {
                    self.inputs.push((kind, name));
                }
            }
            "a" if !tag.attribute("href").is_empty() => {
                self.links.push(tag.attribute("href").to_owned());
            }
            "script" if !tag.attribute("src").is_empty() => {
                self.scripts.push(tag.attribute("src").to_owned());
            }
            _ => (),
        }
    }
}

#[derive(Default)]
struct Within {
    title: bool,
    heading: bool,
    form: bool,
}

struct Tag {
    name: String,
    closing: bool,
    attributes: BTreeMap<String, String>,
}

impl Tag {
    /// The tag at the beginning of a text, and the text after it.
    fn read(text: &str) -> Option<(Self, &str)> {
        let rest = text.strip_prefix('<')?;
        let (closing, rest) = match rest.strip_prefix('/') {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        let end = rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '!'))
            .unwrap_or(rest.len());
        let name = rest[..end].to_ascii_lowercase();
        if name.is_empty() {
            return None;
        }
        let mut rest = &rest[end..];
        let mut attributes = BTreeMap::new();
        loop {
            rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
            if let Some(after) = rest.strip_prefix('>') {
                rest = after;
                break;
            }
            if rest.is_empty() {
                break;
            }
            let end = rest
                .find(|c: char| c.is_whitespace() || matches!(c, '=' | '>' | '/'))
                .unwrap_or(rest.len());
            // A stray `=` must not keep the loop where it is.
            let end = end.max(rest.chars().next().map_or(0, char::len_utf8));
            let attribute = rest[..end].to_ascii_lowercase();
            rest = &rest[end..];
            let mut value = "";
            if let Some(after) = rest.trim_start().strip_prefix('=') {
                (value, rest) = attribute_value(after.trim_start());
            }
            attributes
                .entry(attribute)
                .or_insert_with(|| unescape(value));
        }
        Some((
            Self {
                name,
                closing,
                attributes,
            },
            rest,
        ))
    }

    fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

fn attribute_value(text: &str) -> (&str, &str) {
    for quote in ['"', '\''] {
        if let Some(inner) = text.strip_prefix(quote) {
            return match inner.find(quote) {
                Some(end) => (&inner[..end], &inner[end + 1..]),
                None => (inner, ""),
            };
        }
    }
    let end = text
        .find(|c: char| c.is_whitespace() || c == '>')
        .unwrap_or(text.len());
    text.split_at(end)
}

/// The text behind the end tag of a script or a style.
fn past_end_of<'t>(name: &str, text: &'t str) -> &'t str {
    let mut from = 0;
    while let Some(at) = text[from..].find("</") {
        let after = &text[from + at + 2..];
        if after
            .get(..name.len())
            .is_some_and(|found| found.eq_ignore_ascii_case(name))
        {
            return after.find('>').map_or("", |end| &after[end + 1..]);
        }
        from += at + 2;
    }
    ""
}

/// Appends a text, runs of blanks folded to one, up to a number of characters.
fn fold_into(to: &mut String, text: &str, most: usize) {
    for word in text.split_whitespace() {
        if to.len() + word.len() > most {
            return;
        }
        if !to.is_empty() {
            to.push(' ');
        }
        to.push_str(word);
    }
}

/// The few character references that matter to names and URLs.
fn unescape(text: &str) -> String {
    if !text.contains('&') {
        return text.to_owned();
    }
    text.replace("&#x2F;", "/")
        .replace("&#x2f;", "/")
        .replace("&#47;", "/")
        .replace("&#x3A;", ":")
        .replace("&#x3a;", ":")
        .replace("&#58;", ":")
        .replace("&#39;", "'")
        .replace("&#x27;", "'")
        .replace("&quot;", "\"")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&nbsp;", " ")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{prop_assert, proptest};
    use proptest::sample::select;

    use super::{Html, MAX_TAGS, MAX_TEXT};

    const PIECES: [&str; 20] = [
        "<",
        ">",
        "</",
        "/>",
        "<!--",
        "-->",
        "<script",
        "</script>",
        "<form action=",
        "<input name=",
        "<title>",
        "</title",
        "=",
        "\"",
        "'",
        "&amp;",
        "&",
        " ",
        "é",
        "a",
    ];

    proptest! {
        #[test]
        fn pages_are_read_whatever_they_are(pieces in vec(select(&PIECES[..]), 0..200)) {
            let html = Html::read(&pieces.concat());
            prop_assert!(html.text.len() <= MAX_TEXT && html.tags.len() <= MAX_TAGS);
            prop_assert!(html.title.len() <= 300 && html.headings.len() <= 1000);
        }
    }

    #[test]
    fn reads_title_forms_and_text() {
        let html = Html::read(
            "<!doctype html><html><head><title> Sign\n in </title><style>a<b{}</style>\
             <script>if (a < b) { document.write('<form>') }</SCRIPT></head><body><!-- <form> -->\
             <h1>Welcome &amp; hello</h1><form method=POST action='/login?x=1'>\
             <input name=\"User\"><input type=password name=pw></form><a href=/help>Help</a>",
        );
        assert_eq!(html.title, "Sign in");
        assert_eq!(html.headings, "Welcome & hello");
        assert_eq!(html.forms.len(), 1);
        assert_eq!(html.forms[0].action, "/login?x=1");
        assert_eq!(html.forms[0].names, ["user", "pw"]);
        assert_eq!(html.forms[0].method, "post");
        assert!(html.inputs.contains(&("password".into(), "pw".into())));
        assert_eq!(html.links, ["/help"]);
        assert_eq!(html.text, "Welcome & hello Help");
    }

    #[test]
    fn ends_on_any_text() {
        for text in [
            "<",
            "</",
            "<a",
            "<a href",
            "<a href=",
            "<a =",
            "<a ==>",
            "<a href=\"",
            "<!--",
            "<script>",
            "<input type='",
            "a < b",
            "<é é=é>",
            "</script",
            "<a/ / />",
        ] {
            let _ = Html::read(text);
            let _ = Html::read(&text.repeat(50));
        }
    }
}
