//! Every string that a server or a listing may choose, set to what would break each form.

use scanner::check::Place;
use scanner::report::{FindingVerdict, Report};
use site::output::{Form, markdown};
use site::policy::Subject;

use super::{html, junit, rendered, reports, sarif};

const STRINGS: [&str; 12] = [
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "\" onmouseover=\"alert(1)\" x='",
    "]]></failure><testcase name=\"forged\"/>",
    "\u{0}\u{1}\u{8}\u{b}\u{1b}[31m\u{7f}\u{fffe}\u{ffff}",
    "\u{202e}\u{2066}\u{200b}\u{feff}\u{2028}x",
    "x\n::error file=a,line=1::forged\n::set-output name=a::b%0A::warning::c",
    "a\r\n\r\n# heading\n| cell | cell |\n- [link](javascript:alert(1)) ![i](https://evil.example/p.png)",
    "`code` ``` *bold* _it_ ~~x~~ @octocat #12 www.evil.example https://evil.example <b>&lt;",
    "{{ 7*7 }} {% raw %} ${x} &amp; &#x3c;script&#x3e;",
    "=HYPERLINK(\"http://evil.example\")",
    "",
    "##[error]forged ::stop-commands::x",
];

/// Failures whose every text is `text`.
fn hostile(mut report: Report, text: &str) -> Report {
    report.target.name = Some(text.into());
    if !text.is_empty() {
        report.target.host = text.into();
    }
    report.target.url = format!("https://a.example/{text}");
    for exchange in &mut report.exchanges {
        exchange.url = text.into();
        exchange.purpose = text.into();
        exchange.method = text.into();
        exchange.failure = exchange.failure.as_ref().map(|_| text.into());
    }
    for server in &mut report.authorization_servers {
        server.host = text.into();
        server.issuer = text.into();
    }
    for finding in &mut report.findings {
        if finding.verdict == FindingVerdict::Na {
            continue;
        }
        finding.verdict = FindingVerdict::Fail;
        finding.detail = text.into();
        finding.reason = text.into();
        finding.evidence = vec![
            Place::new(0, text),
            Place::new(1, format!("header:{text}[0]")),
            Place::new(2, format!("body:/{text}")),
            Place::new(4_000_000, "status"),
        ];
    }
    report
}

fn subjects(text: &str) -> Vec<Subject> {
    reports()
        .into_iter()
        .take(3)
        .map(|report| Subject::plain(hostile(report, text)))
        .collect()
}

#[test]
fn text_of_strangers_stays_text_in_every_form() {
    for text in STRINGS {
        let subjects = subjects(text);
        sarif(&rendered(Form::Sarif, &subjects));
        let page = rendered(Form::Html, &subjects);
        html(
            &page
                .replace("javascript:", "")
                .replace("onmouseover", "")
                .replace(" src=", " "),
        );
        for raw in ["<script>alert", "<img", "\" onmouseover=\"", "<b>&lt;"] {
            assert!(!page.contains(raw), "{raw}");
        }
        for one in [
            &page,
            &rendered(Form::Markdown, &subjects),
            &rendered(Form::Github, &subjects),
            &rendered(Form::Text, &subjects),
        ] {
            let odd = |c: char| {
                c.is_control() && c != '\n'
                    || matches!(
                        c,
                        '\u{202e}' | '\u{2066}' | '\u{200b}' | '\u{feff}' | '\u{2028}'
                    )
            };
            assert!(!one.contains(odd), "{text:?}");
        }
        let xml = rendered(Form::Junit, &subjects);
        let document = junit(&xml);
        assert!(
            !document
                .descendants()
                .any(|node| node.attribute("name") == Some("forged")),
            "a case was slipped in"
        );
        let checks = scanner::checks::all().count();
        let cases = document
            .descendants()
            .filter(|node| node.tag_name().name() == "testcase")
            .count();
        assert_eq!(cases, checks * subjects.len());
    }
}

#[test]
fn workflow_commands_cannot_be_slipped_in() {
    for text in STRINGS {
        let lines = rendered(Form::Github, &subjects(text));
        let commands: Vec<&str> = lines.lines().filter(|line| line.contains("::")).collect();
        assert!(commands.len() <= 10 + 3, "{lines}");
        for line in lines.lines() {
            let ours = [
                "::error title=",
                "::warning title=",
                "::notice title=",
                "authdex: ",
            ];
            assert!(ours.iter().any(|start| line.starts_with(start)), "{line}");
            // The runner also reads an older form, anywhere at the start of a line.
            assert!(!line.starts_with("##["), "{line}");
        }
    }
}

#[test]
fn markdown_gets_no_markup_of_strangers() {
    for text in STRINGS {
        let all = rendered(Form::Markdown, &subjects(text));
        for line in all.lines() {
            // Outside of code and our own citations nothing opens a link, an image or a tag.
            let bare = unescaped(&without_code(line));
            for never in [
                "<script",
                "<img",
                "![",
                "](javascript",
                "@octocat",
                "https://evil",
            ] {
                assert!(!bare.contains(never), "{never}: {line}");
            }
        }
        assert_eq!(
            all.lines().filter(|line| line.starts_with("# ")).count(),
            1,
            "one heading, of ours"
        );
    }
    assert_eq!(markdown::code("``"), "``` `` ```");
}

/// A line without the characters that a backslash takes the meaning of.
fn unescaped(line: &str) -> String {
    let mut out = String::new();
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                chars.next();
                out.push(' ');
            }
            c => out.push(c),
        }
    }
    out
}

/// A line with its code spans taken out.
fn without_code(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(start) = rest.find('`') {
        let escaped = rest[..start].ends_with('\\');
        out.push_str(&rest[..start]);
        let fence: String = rest[start..].chars().take_while(|c| *c == '`').collect();
        let after = &rest[start + fence.len()..];
        if escaped {
            rest = after;
            continue;
        }
        let mut end = None;
        let mut from = 0;
        while let Some(at) = after[from..].find('`') {
            let run = after[from + at..].chars().take_while(|c| *c == '`').count();
            if run == fence.len() {
                end = Some(from + at + run);
                break;
            }
            from += at + run;
        }
        match end {
            Some(end) => rest = &after[end..],
            None => rest = after,
        }
    }
    out + rest
}
