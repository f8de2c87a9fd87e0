//! `fleet` (hidden): thousands of simulated hosts as a process of their own, so that what they
//! cost is not counted with what is measured. Told what to do line by line on standard input;
//! ends with it.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use scanner::fleet::population::{Crowd, Options, Population};
use scanner::time::{Clock as _, SystemClock};
use serde_json::json;

use super::{Ended, Exit, Outcome, put};

#[derive(Debug, Args)]
pub(super) struct FleetArgs {
    /// Decides how each host behaves
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Milliseconds before every answer
    #[arg(long, value_name = "MS", default_value_t = 0)]
    latency: u64,
    /// Endpoints, one URL or CSV row a line: rules for the hosts among them at which nobody listens
    #[arg(long, value_name = "FILE")]
    list: Option<PathBuf>,
}

/// Hosts of a list, from the first field of each line.
fn hosts(text: &str) -> Vec<String> {
    let mut hosts: Vec<String> = text
        .lines()
        .filter_map(|line| url::Url::parse(line.split(',').next()?).ok())
        .filter_map(|url| url.host_str().map(str::to_owned))
        .collect();
    hosts.sort();
    hosts.dedup();
    hosts
}

/// The next line of standard input, read off the threads that serve.
async fn next_line() -> Result<Option<String>, Ended> {
    let read = tokio::task::spawn_blocking(|| std::io::stdin().lines().next().transpose());
    read.await
        .map_err(Ended::internal)?
        .map_err(Ended::internal)
}

pub(super) async fn run(args: FleetArgs) -> Outcome {
    let hosts = match &args.list {
        Some(path) => hosts(&super::import::read_text(path).map_err(Ended::usage)?),
        None => Vec::new(),
    };
    let options = Options {
        latency: Duration::from_millis(args.latency),
        now: SystemClock.now(),
    };
    let crowd = Crowd::start(Population::real(args.seed), options)
        .await
        .map_err(Ended::internal)?;
    let started = json!({
        "authority": crowd.authority(),
        "connect_to": crowd.connect_to(hosts.iter().map(String::as_str)),
    });
    put(&format!("{started}\n"))?;
    while let Some(line) = next_line().await? {
        let mut words = line.split_whitespace();
        match (words.next(), words.next()) {
            (Some("counts"), None) => (),
            (Some("reset"), None) => crowd.reset(),
            (Some("generation"), Some(n)) => crowd.generation(n.parse().map_err(Ended::usage)?),
            _ => {
                return Err(Ended::said(
                    Exit::Usage,
                    format!(
                        "fleet: `{}` is not understood; there are: counts, reset, generation N",
                        line.escape_debug()
                    ),
                ));
            }
        }
        let tally = serde_json::to_string(&crowd.tally()).map_err(Ended::internal)?;
        put(&format!("{tally}\n"))?;
    }
    Ok(Exit::Done)
}
