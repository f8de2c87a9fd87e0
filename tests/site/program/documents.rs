//! The documentation of the reports: its commands do what they say.

use super::{Sample, authdex, write};

/// The words of a line as a shell would part them, without quoting, which the page has none of.
fn words(line: &str) -> (Vec<String>, i32) {
    let (command, code) = match line.split_once(" # ") {
        Some((command, code)) => (command, code.trim().parse().expect("an exit code")),
        None => (line, 0),
    };
    (
        command.split_whitespace().map(str::to_owned).collect(),
        code,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_page_on_reports_do_what_it_says() {
    let page = include_str!("../../../docs/reports.md");
    let sample = Sample::start().await;
    let toml: String = page
        .split("```toml\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .expect("a sample of suppressions")
        .into();
    use scanner::time::{Clock as _, SystemClock};
    let soon = SystemClock.now().plus(30 * 86_400_000).rfc3339();
    write(
        sample.path(),
        "accepted.toml",
        toml.replace("2026-12-31", soon.get(..10).expect("a day")),
    );
    let mut commands = 0;
    for line in page
        .lines()
        .filter_map(|line| line.strip_prefix("$ authdex "))
    {
        let (arguments, code) = words(line);
        let arguments = match arguments.split_first() {
            Some((first, rest)) if first == "scan" => {
                let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
                sample.arguments(&rest)
            }
            _ => arguments,
        };
        let output = authdex(sample.path())
            .args(&arguments)
            .output()
            .expect("the program starts");
        let ran = super::Ran::from(output);
        assert_eq!(ran.code, code, "{line}\n{}", ran.err);
        assert!(!ran.out.is_empty(), "{line}");
        commands += 1;
    }
    assert!(commands >= 14, "{commands}");
}
