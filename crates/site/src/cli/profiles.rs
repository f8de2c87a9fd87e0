//! `profiles`: the clients that reports speak of.

use clap::{Args, ValueEnum};
use scanner::connect::page;
use scanner::connect::profile::{Profile, profiles};
use serde_json::json;

use super::{Exit, Outcome, put, tell};

#[derive(Debug, Args)]
pub(super) struct ProfilesArgs {
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
    Markdown,
}

pub(super) fn run(args: &ProfilesArgs) -> Outcome {
    let all = profiles();
    match args.format {
        Format::Text => {
            let lines: String = all
                .list
                .iter()
                .map(|profile| format!("{:<24} {}\n", profile.id, profile.said))
                .collect();
            put(&lines)?;
            tell(format_args!(
                "{} profiles, last verified {}; `--format markdown` prints them in full",
                all.list.len(),
                all.as_of
            ));
        }
        Format::Json => {
            let rows: Vec<serde_json::Value> = all.list.iter().map(row).collect();
            put(&format!("{:#}\n", serde_json::Value::Array(rows)))?;
        }
        Format::Markdown => put(&page::markdown())?,
    }
    Ok(Exit::Done)
}

fn row(profile: &Profile) -> serde_json::Value {
    json!({
        "id": profile.id,
        "name": profile.name,
        "library": profile.library,
        "said": profile.said,
        "source": profile.source,
        "url": profile.url,
        "as_of": profile.as_of,
        "habits": page::habits(profile)
            .into_iter()
            .map(|(what, how)| json!({ "what": what, "how": how }))
            .collect::<Vec<_>>(),
    })
}
