//! `prove`: a token for a host, and the look at the host that makes it a proof. What the pages
//! under `/owner` do with a worker, for who sits at the database.

use std::sync::Arc;

use clap::Args;
use scanner::net::NetScanner;
use scanner::time::{Clock, SystemClock};
use store::Person;
use tokio::sync::watch;

use super::{Ended, Exit, Outcome};
use crate::config::Settings;

#[derive(Debug, Args)]
pub(super) struct ProveArgs {
    /// Address of a server, or its host
    #[arg(value_name = "URL")]
    url: String,
    /// Mail address that is recorded with the proof
    #[arg(
        long,
        default_value = "",
        hide_default_value = true,
        value_name = "MAIL"
    )]
    contact: String,
    /// What the first call printed: look at the host now
    #[arg(long, value_name = "SECRET")]
    secret: Option<String>,
}

pub(super) async fn run(args: ProveArgs, settings: Settings) -> Outcome {
    let host = crate::pages::leave::host(&args.url)
        .map_err(|_| Ended::said(Exit::Usage, format!("`{}` is no host", args.url)))?;
    let store = super::open_store(&settings).await?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let Some(secret) = &args.secret else {
        let (secret, token) = (crate::citizen_token(), crate::citizen_token());
        let now = clock.now();
        let person = store.add_person(&args.contact, &secret, now).await?;
        store.add_claim(&person, &host, &token, 0, now).await?;
        super::put(&format!(
            "Put one of these in place:\n  _authdex.{host}. TXT \"authdex-verify={token}\"\n  https://{host}/.well-known/authdex.txt with the line authdex-verify={token}\nThen: authdex prove {host} --secret {secret}\nThe same on the site: {}\n",
            settings.site().absolute(&format!("/owner/{secret}")),
        ))?;
        return Ok(Exit::Done);
    };
    let unknown = || {
        Ended::said(
            Exit::Usage,
            format!("--secret: no claim to {host} has this secret; leave it out to make one"),
        )
    };
    let person: Person = store.person(secret).await?.ok_or_else(unknown)?;
    let claim = store
        .claim_of(&person.id, &host)
        .await?
        .ok_or_else(unknown)?;
    let (_stop, stopped) = watch::channel(false);
    let mut net = crate::scanning::installed(&settings, stopped, &[]).map_err(Ended::usage)?;
    let courtesy =
        crate::citizen::remembering(&store, &settings, Arc::clone(&clock), &mut net).await?;
    let scanner = NetScanner::new(net).await.map_err(Ended::usage)?;
    let found = crate::citizen::look(&store, &scanner, &courtesy, &*clock, &claim).await?;
    match found {
        Ok(way) => {
            super::put(&format!(
                "{host} is proved ({}) for 90 days.\n",
                way.as_str()
            ))?;
            Ok(Exit::Done)
        }
        Err(why) => Err(Ended::said(
            Exit::Incomplete,
            format!("{host} is not proved: {why}"),
        )),
    }
}
