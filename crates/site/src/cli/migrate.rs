//! `migrate`: the schema of the database brought up to date, or only looked at.

use clap::Args;
use store::{MigrationState, Store};

use super::{Ended, Exit, Outcome, put, tell};
use crate::config::Settings;

#[derive(Debug, Args)]
pub(super) struct MigrateArgs {
    /// List what would be applied, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Show every migration and whether it was applied; change nothing
    #[arg(long, conflicts_with = "dry_run")]
    status: bool,
    /// Exit with 1 if anything would be applied; change nothing
    #[arg(long, conflicts_with_all = ["dry_run", "status"])]
    check: bool,
}

pub(super) async fn run(args: &MigrateArgs, settings: &Settings) -> Outcome {
    if args.status || args.check {
        let store = Store::open_existing(&settings.store.url).await?;
        let state = store.migration_state().await;
        store.close().await;
        let state = state?;
        if args.status {
            put(&told(&state))?;
        }
        return checked(&state, args.check);
    }
    let store = Store::open(&settings.store.url).await?;
    let pending = store.migrations_pending().await?;
    for name in &pending {
        put(&format!("{name}\n"))?;
    }
    if args.dry_run {
        tell(format_args!(
            "{} migrations would be applied.",
            pending.len()
        ));
    } else {
        store.migrate().await?;
        tell(format_args!("{} migrations applied.", pending.len()));
    }
    store.close().await;
    Ok(Exit::Done)
}

fn told(state: &MigrationState) -> String {
    let mut out = String::new();
    for (name, applied) in &state.known {
        let word = if *applied { "applied" } else { "missing" };
        out.push_str(&format!("{word}  {name}\n"));
    }
    for version in &state.unknown {
        out.push_str(&format!("unknown  {version:04}, of a newer program\n"));
    }
    let last = |applied: bool| {
        let mut names = state.known.iter().rev();
        names
            .find(|(_, is)| *is || !applied)
            .map_or("none", |(name, _)| name.as_str())
    };
    out.push_str(&format!("now: {}; needed: {}\n", last(true), last(false)));
    out
}

fn checked(state: &MigrationState, strict: bool) -> Outcome {
    if let Some(version) = state.unknown.first() {
        return Err(Ended::said(
            Exit::Usage,
            format!(
                "the database was written by a newer version (it has migration {version}); \
                 update the program"
            ),
        ));
    }
    let missing: Vec<&str> = state
        .known
        .iter()
        .filter(|(_, applied)| !applied)
        .map(|(name, _)| name.as_str())
        .collect();
    if missing.is_empty() {
        tell("The schema is up to date.");
        return Ok(Exit::Done);
    }
    let said = format!(
        "{} migrations would be applied ({}); run `authdex migrate`",
        missing.len(),
        missing.join(", ")
    );
    if strict {
        return Err(Ended::said(Exit::Missed, said));
    }
    tell(said);
    Ok(Exit::Done)
}
