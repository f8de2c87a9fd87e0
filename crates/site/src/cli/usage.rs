//! Mistakes on the command line: one line that says what, where and what to do, instead of
//! the parser's paragraph. Help and version are printed as they are.

use clap::error::{Error, ErrorKind};

use super::Exit;

/// Prints what the parser has to say, and how the program ends with it.
pub(super) fn told(error: &Error) -> Exit {
    match error.kind() {
        // Printing fails only if nobody reads.
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let _ = error.print();
            Exit::Done
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            Exit::Usage
        }
        _ => {
            super::tell(format_args!(
                "authdex: {}",
                line(&error.render().to_string())
            ));
            Exit::Usage
        }
    }
}

/// The parser's message with its tips, and where the options are listed, on one line.
fn line(rendered: &str) -> String {
    let mut said: Vec<String> = Vec::new();
    let mut command = "authdex".to_owned();
    for text in rendered.lines().map(str::trim) {
        if let Some(usage) = text.strip_prefix("Usage: ") {
            let words = usage
                .split_whitespace()
                .take_while(|word| word.starts_with(|c: char| c.is_ascii_lowercase()));
            command = words.collect::<Vec<_>>().join(" ");
            break;
        }
        let text = text.strip_prefix("error: ").unwrap_or(text);
        if text.is_empty() || text.starts_with("For more information") {
            continue;
        }
        match said.last_mut() {
            Some(last) if text.starts_with("tip: ") => {
                last.push_str("; ");
                last.push_str(text.trim_start_matches("tip: "));
            }
            Some(last) => {
                last.push(' ');
                last.push_str(text);
            }
            None => said.push(text.to_owned()),
        }
    }
    format!("{}; see `{command} --help`", said.join(" "))
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn a_paragraph_of_the_parser_becomes_a_line() {
        for (rendered, expected) in [
            (
                "error: unexpected argument '--formt' found\n\n  tip: a similar argument exists: '--format'\n\n\
                 Usage: authdex scan --format <FORMAT> <URL>\n\nFor more information, try '--help'.\n",
                "unexpected argument '--formt' found; a similar argument exists: '--format'; see `authdex scan --help`",
            ),
            (
                "error: invalid value 'Z' for '--fail-under <LETTER>': one of A+, A\n\nFor more information, try '--help'.\n",
                "invalid value 'Z' for '--fail-under <LETTER>': one of A+, A; see `authdex --help`",
            ),
            (
                "error: the following required arguments were not provided:\n  <URL>...\n\nUsage: authdex scan <URL>...\n",
                "the following required arguments were not provided: <URL>...; see `authdex scan --help`",
            ),
        ] {
            assert_eq!(line(rendered), expected);
        }
    }
}
