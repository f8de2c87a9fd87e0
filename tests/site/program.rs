//! The program as its user meets it: the real binary, what it prints where, and how it ends.

mod archive;
mod bundles;
mod consented;
mod credentialed;
mod documents;
mod engines;
mod exits;
mod faults;
mod gates;
mod keeping;
mod killing;
mod naming;
mod report;
mod scanning;
mod stock;
mod words;
mod working;

use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use scanner::fleet::world::World;
use scanner::fleet::{Fleet, demo};
use serde_json::Value;
use tempfile::TempDir;

/// What a run left behind.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) code: i32,
    pub(super) out: String,
    pub(super) err: String,
}

impl Ran {
    /// Standard output as JSON.
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.out)
            .unwrap_or_else(|error| panic!("{error}\n{}\n{}", self.out, self.err))
    }

    /// Fails unless it ended with this code.
    #[track_caller]
    pub(super) fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, code, "\nout: {}\nerr: {}", self.out, self.err);
        self
    }

    /// Fails unless the last thing on standard error is one line that begins with the
    /// program's name and holds all of these.
    #[track_caller]
    pub(super) fn said(self, code: i32, parts: &[&str]) -> Self {
        let ran = self.ended(code);
        let last = ran.err.lines().last().unwrap_or_default();
        assert!(last.starts_with("authdex: "), "{}", ran.err);
        for part in parts {
            assert!(last.contains(part), "`{part}` is not in: {}", ran.err);
        }
        assert!(!ran.err.contains("panicked"), "{}", ran.err);
        ran
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).expect("UTF-8 on standard output"),
            err: String::from_utf8(output.stderr).expect("UTF-8 on standard error"),
        }
    }
}

/// The program with a clean environment, in a folder of the test.
pub(crate) fn authdex(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_authdex"));
    command
        .current_dir(folder)
        .env_clear()
        .env("NO_COLOR", "1")
        .stdin(Stdio::null());
    command
}

/// Runs it to its end.
pub(super) fn run<S: AsRef<str>>(folder: &Path, arguments: &[S]) -> Ran {
    let mut command = authdex(folder);
    command.args(arguments.iter().map(AsRef::as_ref));
    command.output().expect("the program starts").into()
}

/// A run that goes on while the test does something. Its output is read as it comes, or a
/// full pipe would hold it up.
pub(super) struct Going {
    child: Child,
    out: Option<JoinHandle<Vec<u8>>>,
    err: Option<JoinHandle<Vec<u8>>>,
}

fn reading(pipe: Option<impl Read + Send + 'static>) -> Option<JoinHandle<Vec<u8>>> {
    let mut pipe = pipe?;
    Some(std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        bytes
    }))
}

fn all(reader: Option<JoinHandle<Vec<u8>>>) -> Vec<u8> {
    reader.map_or_else(Vec::new, |reader| reader.join().expect("it was read"))
}

impl Going {
    pub(super) fn start(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        Self {
            out: reading(child.stdout.take()),
            err: reading(child.stderr.take()),
            child,
        }
    }

    /// Sends a signal, by the name that `kill` knows.
    pub(super) fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status()
            .expect("kill runs");
        assert!(sent.success());
    }

    /// Waits for its end; ends it hard when that takes too long.
    pub(super) fn end(mut self, seconds: u64) -> Ran {
        let mut rest = seconds * 20;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                break status;
            }
            assert!(rest > 0, "it did not end within {seconds} s");
            rest -= 1;
            std::thread::sleep(Duration::from_millis(50));
        };
        Output {
            status,
            stdout: all(self.out.take()),
            stderr: all(self.err.take()),
        }
        .into()
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The sample fleet, and a folder with its authority's certificate.
pub(super) struct Sample {
    pub(super) fleet: Fleet,
    pub(super) folder: TempDir,
}

impl Sample {
    pub(super) async fn start() -> Self {
        Self::of(demo::world()).await
    }

    pub(super) async fn of(world: World) -> Self {
        let fleet = Fleet::start(world).await.expect("the fleet starts");
        let folder = tempfile::tempdir().expect("a folder");
        write(folder.path(), "authority.pem", fleet.authority());
        Self { fleet, folder }
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The arguments of a scan that reaches the fleet, quickly.
    pub(super) fn arguments(&self, more: &[&str]) -> Vec<String> {
        let mut arguments = vec!["scan".to_owned(), "--ca-bundle=authority.pem".into()];
        for rule in self.fleet.connect_to() {
            let host = rule.split(':').next().unwrap_or_default();
            arguments.push(format!("--owned={host}"));
            arguments.push(format!("--connect-to={rule}"));
        }
        arguments.push("--rate=1000".into());
        arguments.extend(more.iter().map(|&argument| argument.to_owned()));
        arguments
    }

    pub(super) fn scan(&self, more: &[&str]) -> Ran {
        run(self.path(), &self.arguments(more))
    }

    /// A configuration that reaches the fleet.
    pub(super) fn configuration(&self) -> PathBuf {
        let rules: Vec<String> = self
            .fleet
            .connect_to()
            .iter()
            .map(|rule| format!("{rule:?}"))
            .collect();
        let text = format!(
            "[store]\nurl = \"sqlite://kept.db\"\n[scan]\nca_bundle = \"authority.pem\"\n\
             connect_to = [{}]\n[policy]\nprivate_interval_ms = 0\nglobal_per_second = 500\n\
             operator_hosts = 20\nidle_stream_seconds = 1\nretry_delays = []\n\
             [telemetry]\nlog = \"warn\"\n",
            rules.join(", ")
        );
        write(self.path(), "authdex.toml", &text)
    }
}

/// URL of a server of the sample fleet.
pub(super) fn url(name: &str) -> String {
    format!("https://{name}.{}/mcp", demo::DOMAIN)
}

pub(super) fn write(folder: &Path, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.join(name);
    let mut file = std::fs::File::create(&path).expect("a file");
    file.write_all(text.as_ref()).expect("written");
    path
}

pub(super) fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

/// A letter or a badge of a report.
pub(super) fn mark(report: &Value) -> String {
    let grade = &report["grade"];
    grade["letter"]
        .as_str()
        .or(grade["badge"].as_str())
        .unwrap_or("-")
        .to_owned()
}
