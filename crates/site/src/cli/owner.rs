//! What a scan of depth credentialed needs on the command line: where the credentials are, and
//! whether the owner signs in.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use scanner::evidence::Depth;
use scanner::net::Settings as NetSettings;

use super::{Ended, Exit};
use crate::browser::{self, LoopbackBrowser};
use crate::credentials;

/// Options of scans with credentials.
#[derive(Debug, Args)]
pub(super) struct OwnerArgs {
    /// Depth credentialed: TOML file that says in which variables and files the credentials are
    #[arg(long, value_name = "FILE")]
    credentials: Option<PathBuf>,
    /// Depth credentialed: sign in with a browser when a code is needed, several times in a row
    #[arg(long)]
    login: bool,
    /// With --login: print the addresses to open instead of opening a browser
    #[arg(long, requires = "login")]
    no_browser: bool,
    /// Seconds to watch the own host for fetches that forged tokens cause, counted from the last of them
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(0..=600))]
    watch: u32,
}

/// Logins that one scan may need, at most.
const LOGINS: u32 = 10;

/// Puts what the owner lends into the settings of a scan.
pub(super) fn lend(
    args: &OwnerArgs,
    depth: Depth,
    settings: &mut NetSettings,
) -> Result<(), Ended> {
    settings.timeouts.canary = Duration::from_secs(u64::from(args.watch));
    if depth < Depth::Credentialed {
        if args.credentials.is_some() || args.login {
            return Err(Ended::said(
                Exit::Usage,
                "--credentials and --login: only depth credentialed uses them; add --depth credentialed",
            ));
        }
        return Ok(());
    }
    settings.limits.consented_requests = settings.limits.consented_requests.max(200);
    if let Some(path) = &args.credentials {
        let lent = credentials::read(path).map_err(Ended::usage)?;
        if lent.operations.wait_for_code {
            let wait = Duration::from_millis(u64::from(settings.limits.late_code_ms));
            settings.timeouts.scan += wait + Duration::from_secs(60);
        }
        settings.credentials = lent.credentials;
        settings.operations = lent.operations;
    }
    if args.login {
        settings.timeouts.scan += browser::PATIENCE * LOGINS;
        let open = opener(args.no_browser);
        settings.browser = Some(Arc::new(LoopbackBrowser::new(
            open,
            browser::PATIENCE,
            tell,
        )));
    }
    Ok(())
}

fn tell(line: &str) {
    super::tell(line);
}

impl OwnerArgs {
    /// Scans at a time: every sign-in comes back to the same port.
    pub(super) fn concurrency(&self, wanted: u16) -> usize {
        if self.login { 1 } else { usize::from(wanted) }
    }
}

/// How addresses are shown to whoever signs in.
pub(super) fn opener(print: bool) -> browser::Open {
    if print {
        browser::printed(tell)
    } else {
        browser::of_this_machine(tell)
    }
}
