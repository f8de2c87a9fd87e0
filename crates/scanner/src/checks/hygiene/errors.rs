//! What errors tell about the inside: a versioned list of patterns, read without regular
//! expressions in one pass per body.

use std::borrow::Cow;

use crate::check::{Fault, Judgement, Na, Place, Severity, Verdict, fail, na, warn};
use crate::evidence::Response;
use crate::facts::outcome::{Answer, Outcome, Rpc, is_html};
use crate::facts::{Facts, quote};
use crate::spec::Revision;

pub(super) fn detail(facts: &Facts<'_>, _: Revision) -> Judgement {
    let errors: Vec<(&Answer<'_>, &Response)> = facts
        .plain_answers()
        .filter(|answer| answer.outcome != Outcome::Block)
        .filter_map(|answer| Some((answer, answer.response()?)))
        .filter(|(answer, response)| {
            !(200..300).contains(&response.status) || answer.outcome == Outcome::RpcError
        })
        .collect();
    if errors.is_empty() {
        return na(Na::Other("no_error"));
    }
    let grave = errors.iter().find_map(|(answer, response)| {
        let body = unescaped(response);
        let (reason, line, severity) = debug_page(&body)
            .map(|mark| ("debug_page", mark, Some(Severity::Medium)))
            .or_else(|| trace(&body).map(|line| ("stack_trace", line, None)))
            .or_else(|| environment(&body).map(|line| ("environment", line, None)))?;
        let mut fault = Fault::new(
            reason,
            format!("An error response holds {}: {}.", noun(reason), quote(line)),
            Place::body(answer.exchange.id, ""),
        );
        fault.severity = severity;
        Some(fault)
    });
    if let Some(fault) = grave {
        return fail(fault);
    }
    match errors
        .iter()
        .find_map(|(answer, response)| minor(answer, response))
    {
        Some(fault) => warn(fault),
        None => Ok(Verdict::Pass),
    }
}

fn noun(reason: &str) -> &'static str {
    match reason {
        "debug_page" => "a debug page",
        "environment" => "environment variables",
        _ => "a stack trace",
    }
}

fn minor(answer: &Answer<'_>, response: &Response) -> Option<Fault> {
    let at = answer.exchange.id;
    if let Some(Rpc::Error { message, .. }) = &answer.rpc
        && let Some(name) = exception(message)
    {
        return Some(Fault::new(
            "exception_name",
            format!(
                "A JSON-RPC error names the exception class {}.",
                quote(name)
            ),
            Place::body(at, "/error/message"),
        ));
    }
    let body = unescaped(response);
    if let Some(line) = database_error(&body) {
        return Some(Fault::new(
            "database_error",
            format!(
                "An error response holds a database's message: {}.",
                quote(line)
            ),
            Place::body(at, ""),
        ));
    }
    if !is_html(response)
        && let Some(line) = file_path(&body)
    {
        return Some(Fault::new(
            "file_path",
            format!(
                "An error response names a file of the server: {}.",
                quote(line)
            ),
            Place::body(at, ""),
        ));
    }
    [
        "server",
        "x-powered-by",
        "x-aspnet-version",
        "x-aspnetmvc-version",
    ]
    .into_iter()
    .find_map(|name| {
        let value = response.header(name)?;
        let told = version_banner(value)
            || (name.starts_with("x-aspnet") && value.starts_with(|c: char| c.is_ascii_digit()));
        told.then(|| {
            Fault::new(
                "version_banner",
                format!("The header {name} tells a version: {}.", quote(value)),
                Place::header(at, name),
            )
        })
    })
}

/// The body with the line ends of JSON strings and of HTML made real.
fn unescaped(response: &Response) -> Cow<'_, str> {
    let text = &response.body.text;
    if response.body.base64 {
        return Cow::Borrowed("");
    }
    // Nearly all errors are short and plain; this is asked of each, for each revision.
    if !text.contains(['\\', '<', '&']) {
        return Cow::Borrowed(text);
    }
    let text = text
        .replace("\\r\\n", "\n")
        .replace("\\n", "\n")
        .replace("\\\"", "\"")
        .replace("<br>", "\n")
        .replace("<br/>", "\n")
        .replace("<br />", "\n")
        .replace("&nbsp;", " ")
        .replace("&quot;", "\"");
    Cow::Owned(text)
}

fn debug_page(body: &str) -> Option<&'static str> {
    [
        "Werkzeug Debugger",
        "The debugger caught an exception in your WSGI application",
        "because you have <code>DEBUG = True</code>",
        "Whoops, looks like something went wrong.",
        "Action Controller: Exception caught",
        "Symfony Exception",
        "<title>phpinfo()",
        "DeveloperExceptionPage",
    ]
    .into_iter()
    .find(|mark| body.contains(mark))
}

/// The line that makes a text a stack trace with files or source lines.
fn trace(body: &str) -> Option<&str> {
    body.lines().map(str::trim).find(|line| {
        let script = [".js:", ".mjs:", ".cjs:", ".ts:", ".tsx:", "node:internal/"]
            .iter()
            .any(|mark| numbered(line, mark));
        let jvm = [".java:", ".kt:", ".scala:"]
            .iter()
            .any(|mark| numbered(line, mark));
        (line.starts_with("at ") && (script || jvm || line.contains(":line ")))
            || line.contains("Traceback (most recent call last)")
            || (line.contains("File \"") && line.contains("\", line "))
            || (line.starts_with("goroutine ") && line.contains('['))
            || (line.contains("panicked at ") && line.contains(".rs:"))
            || (line.starts_with('#') && line.contains(".php("))
            || (line.contains(".php") && line.contains(" on line "))
            || (numbered(line, ".rb:") && line.contains(":in "))
    })
}

/// The mark, and behind it somewhere a digit that follows a colon.
fn numbered(line: &str, mark: &str) -> bool {
    line.find(mark).is_some_and(|at| {
        line[at..]
            .split(':')
            .skip(1)
            .any(|part| part.starts_with(|c: char| c.is_ascii_digit()))
    })
}

/// Three variables of a process environment, as `NAME=value` lines or JSON members.
fn environment(body: &str) -> Option<&str> {
    const NAMES: [&str; 9] = [
        "PATH",
        "HOME",
        "PWD",
        "HOSTNAME",
        "NODE_ENV",
        "SHLVL",
        "LD_LIBRARY_PATH",
        "DATABASE_URL",
        "PYTHONPATH",
    ];
    let is_one = |line: &str, name: &str| {
        line.strip_prefix(name)
            .is_some_and(|rest| rest.starts_with('='))
            || line.contains(&format!("\"{name}\":"))
    };
    let count = NAMES
        .iter()
        .filter(|name| body.contains(**name))
        .filter(|name| body.lines().any(|line| is_one(line.trim(), name)))
        .count();
    (count >= 3).then(|| {
        body.lines()
            .map(str::trim)
            .find(|line| NAMES.iter().any(|name| is_one(line, name)))
            .and_then(|line| line.split(['=', ':']).next())
            .unwrap_or_default()
    })
}

fn database_error(body: &str) -> Option<&str> {
    const MARKS: [&str; 8] = [
        "You have an error in your SQL syntax",
        "SQLSTATE[",
        "syntax error at or near",
        "SQLITE_ERROR",
        "psycopg2.",
        "ORA-0",
        "Unclosed quotation mark after the character string",
        "PrismaClient",
    ];
    body.lines()
        .map(str::trim)
        .find(|line| MARKS.iter().any(|mark| line.contains(mark)))
}

fn file_path(body: &str) -> Option<&str> {
    const MARKS: [&str; 5] = [
        "/usr/src/app/",
        "/var/www/",
        "/node_modules/",
        "/site-packages/",
        "C:\\\\",
    ];
    body.lines()
        .map(str::trim)
        .find(|line| MARKS.iter().any(|mark| line.contains(mark)))
}

/// `name/1.2`: a product with its version.
fn version_banner(value: &str) -> bool {
    value.split([' ', ',', ';', '(', ')']).any(|product| {
        product.split_once('/').is_some_and(|(name, version)| {
            name.starts_with(|c: char| c.is_ascii_alphabetic())
                && version.starts_with(|c: char| c.is_ascii_digit())
                && version.split_once('.').is_some_and(|(major, minor)| {
                    major.bytes().all(|b| b.is_ascii_digit())
                        && minor.starts_with(|c: char| c.is_ascii_digit())
                })
        })
    })
}

/// The first word that is an exception class. Names that MCP itself gives to errors are none.
fn exception(message: &str) -> Option<&str> {
    const OF_THE_PROTOCOL: [&str; 9] = [
        "McpError",
        "UnsupportedProtocolVersionError",
        "HeaderMismatchError",
        "MissingRequiredClientCapabilityError",
        "MethodNotFoundError",
        "InvalidParamsError",
        "InvalidRequestError",
        "ParseError",
        "InternalError",
    ];
    message
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .find(|word| {
            let stem = word
                .strip_suffix("Exception")
                .or_else(|| word.strip_suffix("Error"));
            stem.is_some_and(|stem| {
                stem.len() > 1 && stem.starts_with(|c: char| c.is_ascii_uppercase())
            }) && !OF_THE_PROTOCOL.contains(word)
        })
}

#[cfg(test)]
mod tests {
    use super::{environment, exception, trace, version_banner};

    #[test]
    fn traces_of_many_languages() {
        for text in [
            "Error: x\n    at Layer.handle (/app/node_modules/express/lib/router/layer.js:95:5)",
            "Error\n at async file:///srv/dist/server.mjs:12:3",
            "java.lang.IllegalStateException\n\tat com.example.Api.call(Api.java:42)",
            "   at Api.Controller.Get() in C:\\src\\Api.cs:line 12",
            "Traceback (most recent call last):",
            "  File \"/srv/app.py\", line 3, in <module>",
            "goroutine 12 [running]:",
            "thread 'main' panicked at src/main.rs:4:5:",
            "#0 /var/www/html/index.php(12): boot()",
            "/srv/app.rb:12:in `call'",
        ] {
            assert!(trace(text).is_some(), "{text}");
        }
        for text in [
            "Cannot GET /mcp",
            "at least one scope is needed",
            "{\"error\":\"invalid_token\"}",
            "see https://h.example/app.js for more",
        ] {
            assert_eq!(trace(text), None, "{text}");
        }
    }

    #[test]
    fn a_product_alone_is_no_banner() {
        for value in [
            "nginx/1.22.1",
            "PHP/8.1.2",
            "Werkzeug/3.0 Python/3.12.1",
            "Apache/2.4 (Debian)",
        ] {
            assert!(version_banner(value), "{value}");
        }
        for value in [
            "nginx",
            "cloudflare",
            "ECS (nyb/1D2E)",
            "Express",
            "uvicorn",
            "gws/x",
        ] {
            assert!(!version_banner(value), "{value}");
        }
    }

    #[test]
    fn exceptions_and_what_only_looks_like_one() {
        assert_eq!(exception("TypeError: x is undefined"), Some("TypeError"));
        assert_eq!(
            exception("java.lang.NullPointerException"),
            Some("NullPointerException")
        );
        assert_eq!(exception("Error: no session"), None);
        assert_eq!(exception("UnsupportedProtocolVersionError"), None);
    }

    #[test]
    fn one_variable_is_no_environment() {
        assert_eq!(environment("PATH=/usr/bin"), None);
        assert_eq!(
            environment("PATH=/usr/bin\nHOME=/root\nPWD=/srv"),
            Some("PATH")
        );
    }
}
